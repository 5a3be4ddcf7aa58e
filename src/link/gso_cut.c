/* SPDX-License-Identifier: MIT */
/*
 * Generic segmentation offload for what leaves: a super-frame of tee_output() is cut where it stands, its
 * payload in slices of the send queue. Each segment gets a copy of the headers with what differs written
 * anew, and slices that point to its part of the payload: nothing of that is copied.
 *
 * The rules are those of gso.c, which cuts frames in one piece; a test holds the two together.
 *
 * What all segments have in common is summed once for the super-frame. Of the TCP checksum that is the
 * pseudo-header's sum (which stands in the frame's checksum field, with the length of the whole, taken out
 * again) and the header's without sequence number, offset and flags, urgent pointer; of IPv4's the header's
 * without length and identification. A segment adds these few words and its payload.
 */
#include "link/gso_cut.h"

#include <string.h>

#include "base/byteorder.h"
#include "base/check.h"
#include "pkt/frame.h"
#include "wire/checksum.h"
#include "wire/ip.h"
#include "wire/tcp.h"

enum { TCP_SEQ = 4, TCP_FLAGS = 12, TCP_CHECKSUM = 16, TCP_URGENT = 18, UDP_CHECKSUM = 6 };
enum { IP4_LENGTH = 2, IP4_ID = 4, IP4_CHECKSUM = 10, IP6_LENGTH = 4, IP6_NEXT_HEADER = 6 };

static const uint8_t *head_of(const struct tee_frame *frame)
{
	return frame->head + frame->head_off;
}

/*
 * Sees to it that the frame's first `len` bytes stand in its head. Those of a frame that waited for a neighbour's
 * address, or that belongs to no connection, are in a slice. false: the frame is shorter, or they are too many.
 */
static bool pull_head(struct tee_frame *frame, uint32_t len)
{
	uint32_t missing = len > frame->head_len ? len - frame->head_len : 0;

	if (missing == 0)
		return true;
	if (len > TEE_FRAME_HEAD_SIZE || len > frame->len)
		return false;
	memmove(frame->head, head_of(frame), frame->head_len);
	frame->head_off = 0;
	for (unsigned i = 0; i < frame->slice_count && missing > 0; i++) {
		struct tee_slice *slice = &frame->slices[i];
		uint32_t part = MIN(missing, slice->len);

		memcpy(frame->head + frame->head_len, slice->ptr, part);
		frame->head_len += (uint16_t)part;
		slice->ptr += part;
		slice->len -= part;
		missing -= part;
	}
	return missing == 0;
}

/* The header's sum but for the words that differ; the pseudo-header's is in the checksum field. */
static uint64_t sum_tcp(const uint8_t *tcp, uint32_t tcp_len, uint32_t l4_len)
{
	uint8_t common[TEE_FRAME_HEAD_SIZE];

	memcpy(common, tcp, tcp_len);
	memset(common + TCP_SEQ, 0, 4);
	memset(common + TCP_FLAGS, 0, 2);
	memset(common + TCP_URGENT, 0, 2);
	/* To subtract in one's complement is to add the complement. */
	return checksum_add(0, common, tcp_len) + (uint16_t)~l4_len + (uint16_t) ~(l4_len >> 16);
}

static uint64_t sum_ip4(const uint8_t *ip, uint32_t ip_len)
{
	uint8_t common[TEE_FRAME_HEAD_SIZE];

	memcpy(common, ip, ip_len);
	memset(common + IP4_LENGTH, 0, 4); /* and the identification behind it */
	memset(common + IP4_CHECKSUM, 0, 2);
	return checksum_add(0, common, ip_len);
}

/* RFC 2675: the length of what is too long for IPv6's header stands in an option behind it. */
static void take_out_jumbo(struct tee_frame *frame)
{
	uint8_t *head = frame->head + frame->head_off, *ip = head + frame->l3_off;
	uint32_t fixed = frame->l3_off + IP6_HEADER_LEN;

	if (frame->gso_type != TEE_GSO_TCP6 || frame->csum_start != fixed + IP6_JUMBO_LEN ||
	    ip[IP6_NEXT_HEADER] != IP_PROTO_IP6_HOP_BY_HOP)
		return;
	ip[IP6_NEXT_HEADER] = head[fixed];
	memmove(head + IP6_JUMBO_LEN, head, fixed);
	frame->head_off += IP6_JUMBO_LEN;
	frame->head_len -= IP6_JUMBO_LEN;
	frame->len -= IP6_JUMBO_LEN;
	frame->csum_start -= IP6_JUMBO_LEN;
}

int gso_cut_begin(struct gso_cut *cut, struct tee_frame *frame)
{
	uint32_t l3 = frame->l3_off, l4 = frame->csum_start, tcp_len;
	uint32_t ip_least = frame->gso_type == TEE_GSO_TCP6 ? IP6_HEADER_LEN : IP4_HEADER_LEN;
	const uint8_t *head;

	if ((frame->gso_type != TEE_GSO_TCP4 && frame->gso_type != TEE_GSO_TCP6) ||
	    frame->gso_size == 0 || !frame->checksum_partial ||
	    frame->csum_offset != TCP_CHECKSUM || l4 < l3 + ip_least ||
	    !pull_head(frame, l4 + TCP_HEADER_LEN))
		return -TEE_EINVAL;
	tcp_len = (head_of(frame)[l4 + TCP_FLAGS] >> 4) * 4u;
	if (tcp_len < TCP_HEADER_LEN || !pull_head(frame, l4 + tcp_len) ||
	    frame->head_len != l4 + tcp_len || frame->len - l4 > TEE_GSO_BYTES_MAX)
		return -TEE_EINVAL;
	take_out_jumbo(frame);
	l4 = frame->csum_start;
	head = head_of(frame);
	*cut = (struct gso_cut){
		.frame = frame,
		.header_len = l4 + tcp_len,
		.tcp_sum = sum_tcp(head + l4, tcp_len, frame->len - l4),
		.ip_sum = frame->gso_type == TEE_GSO_TCP4 ? sum_ip4(head + l3, l4 - l3) : 0,
	};
	return 0;
}

static void write_ip(const struct gso_cut *cut, uint8_t *ip, uint32_t ip_bytes)
{
	uint16_t id;

	if (cut->frame->gso_type == TEE_GSO_TCP6) {
		store_be16(ip + IP6_LENGTH, (uint16_t)(ip_bytes - IP6_HEADER_LEN));
		return;
	}
	/* RFC 6864 lets it be anything with DF; without, it must differ. */
	id = (uint16_t)(load_be16(ip + IP4_ID) + cut->segment_idx);
	store_be16(ip + IP4_LENGTH, (uint16_t)ip_bytes);
	store_be16(ip + IP4_ID, id);
	store_be16(ip + IP4_CHECKSUM, checksum_finish(cut->ip_sum + ip_bytes + id));
}

static void write_tcp(const struct gso_cut *cut, uint8_t *tcp, uint32_t l4_len, bool is_last,
		      uint64_t payload_sum)
{
	uint32_t seq = load_be32(tcp + TCP_SEQ) + cut->offset;
	uint16_t urgent = load_be16(tcp + TCP_URGENT), flags;

	if (!is_last)
		tcp[13] &= (uint8_t) ~(TEE_TCP_FIN | TEE_TCP_PSH);
	if (cut->segment_idx > 0) /* RFC 3168 6.1.2: it answers one ECE */
		tcp[13] &= (uint8_t)~TEE_TCP_CWR;
	if ((tcp[13] & TEE_TCP_URG) && cut->offset > 0) {
		urgent = urgent > cut->offset ? (uint16_t)(urgent - cut->offset) : 0;
		if (!urgent)
			tcp[13] &= (uint8_t)~TEE_TCP_URG;
	}
	flags = load_be16(tcp + TCP_FLAGS);
	store_be32(tcp + TCP_SEQ, seq);
	store_be16(tcp + TCP_URGENT, urgent);
	store_be16(tcp + TCP_CHECKSUM,
		   checksum_finish(cut->tcp_sum + l4_len + (seq >> 16) + (seq & 0xffff) + flags +
				   urgent + payload_sum));
}

/* Refers to the next `len` bytes of the payload; fewer when the slices end before. */
static uint32_t take_slices(struct gso_cut *cut, uint32_t len, struct tee_frame *out)
{
	uint32_t taken = 0;

	out->slice_count = 0;
	while (taken < len && cut->slice_idx < cut->frame->slice_count) {
		const struct tee_slice *from = &cut->frame->slices[cut->slice_idx];
		uint32_t part = MIN(len - taken, from->len - cut->slice_off);

		out->holds[out->slice_count] = NULL;
		out->slices[out->slice_count++] =
			(struct tee_slice){from->ptr + cut->slice_off, part};
		taken += part;
		cut->slice_off += part;
		if (cut->slice_off == from->len) {
			cut->slice_idx++;
			cut->slice_off = 0;
		}
	}
	return taken;
}

bool gso_cut_next(struct gso_cut *cut, struct tee_frame *ret_frame)
{
	const struct tee_frame *frame = cut->frame;
	uint32_t payload = frame->len - cut->header_len - cut->offset, take;
	uint8_t *head = ret_frame->head + frame->head_off;

	/* A frame without payload is one segment. */
	if (payload == 0 && cut->segment_idx > 0)
		return false;
	take = take_slices(cut, MIN(payload, frame->gso_size), ret_frame);
	memcpy(head, head_of(frame), cut->header_len);
	ret_frame->head_off = frame->head_off;
	ret_frame->head_len = (uint16_t)cut->header_len;
	ret_frame->len = cut->header_len + take;
	ret_frame->gso_size = 0;
	ret_frame->gso_type = TEE_GSO_NONE;
	ret_frame->checksum_partial = false;
	ret_frame->csum_start = ret_frame->csum_offset = 0;
	ret_frame->why = frame->why;
	ret_frame->l3_off = frame->l3_off;
	ret_frame->depart_at_ns = frame->depart_at_ns;
	write_ip(cut, head + frame->l3_off, ret_frame->len - frame->l3_off);
	write_tcp(cut, head + frame->csum_start, ret_frame->len - frame->csum_start,
		  take == payload, frame_checksum_payload(ret_frame));
	cut->offset += take;
	cut->segment_idx++;
	return true;
}

void gso_cut_skip(struct gso_cut *cut, uint32_t segments)
{
	struct tee_frame skipped;

	for (uint32_t i = 0; i < segments; i++) {
		uint32_t payload = cut->frame->len - cut->header_len - cut->offset;

		cut->offset += take_slices(cut, MIN(payload, cut->frame->gso_size), &skipped);
		cut->segment_idx++;
	}
}

void gso_cut_complete(struct tee_frame *frame)
{
	uint32_t at = frame->csum_start + frame->csum_offset, summed;
	uint64_t sum, payload;
	uint16_t checksum;
	uint8_t *head;

	if (!frame->checksum_partial || frame->gso_size || !pull_head(frame, at + 2))
		return;
	head = frame->head + frame->head_off;
	summed = frame->head_len - frame->csum_start;
	sum = checksum_add(0, head + frame->csum_start, summed);
	payload = frame_checksum_payload(frame);
	checksum = checksum_finish(sum + (summed % 2 ? checksum_swap(payload) : payload));
	/* RFC 768: a UDP checksum that comes out as zero is sent as all ones. */
	if (frame->csum_offset == UDP_CHECKSUM && checksum == 0)
		checksum = UINT16_MAX;
	store_be16(head + at, checksum);
	frame->checksum_partial = false;
}
