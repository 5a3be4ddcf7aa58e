/* SPDX-License-Identifier: MIT */
/*
 * The virtio-net header (virtio 1.2 section 5.1.6), as TAP and AF_PACKET speak it: ten bytes in front
 * of a frame, twelve with num_buffers. It carries what a header of the wire can't: that the
 * transport checksum still is to be made, and that the frame is a super-frame to be cut at
 * gso_size.
 *
 * Out: `flags` NEEDS_CSUM with the offsets of the frame; the checksum field holds the folded sum of
 * the pseudo-header, not complemented. In: NEEDS_CSUM means that the frame comes from this machine's
 * memory and its checksum was never made (TEE_CHECKSUM_PARTIAL), DATA_VALID that a card has
 * checked it. The ECN bit of gso_type says that only the first segment may carry CWR; it goes out
 * when CWR is set, and has no meaning on the way in, where the stack sees one header.
 *
 * Fields are in the machine's byte order: the kernel's legacy form, which both ends of these
 * descriptors use unless told otherwise.
 */
#include <string.h>
#include <teeceepee/trace.h>
#include "link/vnet.h"

/* VIRTIO_NET_HDR_GSO_UDP_L4, which headers before Linux 6.2 don't have. */
enum { VNET_GSO_UDP_L4 = 5 };

void vnet_of_frame(struct virtio_net_hdr_v1 *ret_vnet, const struct tee_frame *frame)
{
	struct virtio_net_hdr_v1 vnet = {0};
	const uint8_t *head = frame->head + frame->head_off;

	if (frame->checksum_partial) {
		vnet.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
		vnet.csum_start = frame->csum_start;
		vnet.csum_offset = frame->csum_offset;
	}
	if (frame->gso_type == TEE_GSO_TCP4 || frame->gso_type == TEE_GSO_TCP6) {
		const uint8_t *tcp = head + frame->csum_start;

		vnet.gso_type = frame->gso_type == TEE_GSO_TCP4 ? VIRTIO_NET_HDR_GSO_TCPV4
								: VIRTIO_NET_HDR_GSO_TCPV6;
		vnet.gso_size = frame->gso_size;
		vnet.hdr_len = (uint16_t)(frame->csum_start + (tcp[12] >> 4) * 4);
		if (tcp[13] & TEE_TCP_CWR)
			vnet.gso_type |= VIRTIO_NET_HDR_GSO_ECN;
	}
	*ret_vnet = vnet;
}

unsigned vnet_gather(struct iovec iov[VNET_IOV_MAX], struct virtio_net_hdr_v1 *vnet,
		     size_t vnet_len, const struct tee_frame *frame)
{
	unsigned n = 0;

	if (vnet_len > 0) {
		vnet_of_frame(vnet, frame);
		iov[n++] = (struct iovec){vnet, vnet_len};
	}
	iov[n++] = (struct iovec){(void *)(frame->head + frame->head_off), frame->head_len};
	for (unsigned i = 0; i < frame->slice_count; i++)
		iov[n++] = (struct iovec){(void *)frame->slices[i].ptr, frame->slices[i].len};
	return n;
}

enum tee_checksum_state vnet_checksum_state(const struct virtio_net_hdr_v1 *vnet)
{
	if (vnet->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM)
		return TEE_CHECKSUM_PARTIAL;
	return vnet->flags & VIRTIO_NET_HDR_F_DATA_VALID ? TEE_CHECKSUM_VERIFIED
							 : TEE_CHECKSUM_UNKNOWN;
}

bool vnet_to_pkt(const struct virtio_net_hdr_v1 *vnet, struct tee_pkt *pkt)
{
	switch (vnet->gso_type & ~VIRTIO_NET_HDR_GSO_ECN) {
	case VIRTIO_NET_HDR_GSO_NONE: pkt->gso_type = TEE_GSO_NONE; break;
	case VIRTIO_NET_HDR_GSO_TCPV4: pkt->gso_type = TEE_GSO_TCP4; break;
	case VIRTIO_NET_HDR_GSO_TCPV6: pkt->gso_type = TEE_GSO_TCP6; break;
	case VNET_GSO_UDP_L4: pkt->gso_type = TEE_GSO_UDP; break;
	default: return false;
	}
	pkt->gso_size = pkt->gso_type == TEE_GSO_NONE ? 0 : vnet->gso_size;
	if (pkt->gso_type != TEE_GSO_NONE && pkt->gso_size == 0)
		return false;
	pkt->checksum_state = vnet_checksum_state(vnet);
	return true;
}
