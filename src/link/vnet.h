/* SPDX-License-Identifier: MIT */
/* Offload metadata between our frames and the kernel's virtio-net header (TAP and AF_PACKET). */
#ifndef TEE_LINK_VNET_H
#define TEE_LINK_VNET_H

#include <sys/uio.h>
#include <linux/virtio_net.h>
#include <teeceepee/packet.h>

/* header, frame head, slices */
enum { VNET_IOV_MAX = 2 + TEE_FRAME_SLICES };

/* What the kernel must know of a frame that we send. */
void vnet_of_frame(struct virtio_net_hdr_v1 *ret_vnet, const struct tee_frame *frame);
/*
 * Gathers header and frame for writev() or sendmsg(); `vnet_len` bytes of the header (10 or 12; 0: none).
 * Returns the count of pieces, at most VNET_IOV_MAX.
 */
unsigned vnet_gather(struct iovec iov[VNET_IOV_MAX], struct virtio_net_hdr_v1 *vnet,
		     size_t vnet_len, const struct tee_frame *frame);
/* What is known of a received frame's transport checksum. */
enum tee_checksum_state vnet_checksum_state(const struct virtio_net_hdr_v1 *vnet);
/* Takes over what the kernel tells of a received frame; false: it makes no sense, drop it. */
bool vnet_to_pkt(const struct virtio_net_hdr_v1 *vnet, struct tee_pkt *pkt);

#endif
