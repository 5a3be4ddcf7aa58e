/* SPDX-License-Identifier: MIT */
/*
 * Frames that leave. Headers are written into the frame's own bytes from the inside out: head[] is
 * filled from its end, so that each layer puts its header in front of what is there. Payload is
 * slices of packets, each with a reference that keeps it alive until tee_frame_release().
 *
 * A frame that must wait (for a neighbour, say) becomes a packet, frame_to_pkt(), and a frame again,
 * frame_from_pkt(). In between, the metadata that a packet has no fields for lies in its
 * scratch words, as positions in `data`, so that they stay right when a header is put in front.
 */
#include "pkt/frame.h"

#include <string.h>
#include "base/check.h"
#include "pkt/pool.h"
#include "wire/checksum.h"

/* Use of tee_pkt.scratch while PKT_HAS_FRAME_META is set. */
enum { META_OFFSETS = 2, META_DEPART_AT = 3 };

void frame_init(struct tee_frame *frame)
{
	frame->head_off = TEE_FRAME_HEAD_SIZE;
	frame->head_len = 0;
	frame->slice_count = 0;
	frame->gso_size = 0;
	frame->gso_type = TEE_GSO_NONE;
	frame->checksum_partial = false;
	frame->csum_start = 0;
	frame->csum_offset = 0;
	frame->len = 0;
	frame->why = 0;
	frame->l3_off = 0;
	frame->depart_at_ns = 0;
}

uint8_t *frame_push(struct tee_frame *frame, size_t n)
{
	CHECK(n <= frame->head_off);
	frame->head_off = (uint16_t)(frame->head_off - n);
	frame->head_len = (uint16_t)(frame->head_len + n);
	frame->len += (uint32_t)n;
	return frame->head + frame->head_off;
}

uint8_t *pkt_push(struct tee_pkt *pkt, size_t n)
{
	CHECK(n <= pkt->off && !(pkt->flags & PKT_IS_EXTERNAL));
	pkt->off -= (uint32_t)n;
	pkt->len += (uint32_t)n;
	return tee_pkt_bytes(pkt);
}

void tee_frame_release(struct tee_frame *frame)
{
	for (unsigned i = 0; i < frame->slice_count; i++)
		tee_pkt_release(frame->holds[i]);
	frame_init(frame);
}

size_t tee_frame_copy(const struct tee_frame *frame, void *buf)
{
	uint8_t *out = buf;

	memcpy(out, frame->head + frame->head_off, frame->head_len);
	out += frame->head_len;
	for (unsigned i = 0; i < frame->slice_count; i++) {
		memcpy(out, frame->slices[i].ptr, frame->slices[i].len);
		out += frame->slices[i].len;
	}
	CHECK((size_t)(out - (uint8_t *)buf) == frame->len);
	return frame->len;
}

struct tee_pkt *frame_to_pkt(const struct tee_frame *frame, struct tee_pool *pool)
{
	struct tee_pkt *pkt = tee_pkt_new(pool, frame->len);

	if (!pkt)
		return NULL;
	CHECK(frame->csum_offset <= UINT8_MAX);
	pkt->len = (uint32_t)tee_frame_copy(frame, tee_pkt_bytes(pkt));
	pkt->gso_size = frame->gso_size;
	pkt->gso_type = frame->gso_type;
	pkt->checksum_state = frame->checksum_partial ? TEE_CHECKSUM_PARTIAL : TEE_CHECKSUM_UNKNOWN;
	pkt->flags |= PKT_HAS_FRAME_META;
	pkt->scratch[META_OFFSETS] = (uint64_t)(pkt->off + frame->csum_start) |
				     (uint64_t)frame->csum_offset << 20 |
				     (uint64_t)(pkt->off + frame->l3_off) << 28 |
				     (uint64_t)frame->why << 48;
	pkt->scratch[META_DEPART_AT] = frame->depart_at_ns;
	return pkt;
}

void frame_from_pkt(struct tee_frame *frame, struct tee_pkt *pkt)
{
	frame_init(frame);
	frame->slices[0] = (struct tee_slice){tee_pkt_bytes(pkt), pkt->len};
	frame->holds[0] = pkt;
	frame->slice_count = 1;
	frame->len = pkt->len;
	frame->gso_size = pkt->gso_size;
	frame->gso_type = pkt->gso_type;
	if (pkt->flags & PKT_HAS_FRAME_META) {
		uint64_t offsets = pkt->scratch[META_OFFSETS];

		frame->checksum_partial = pkt->checksum_state == TEE_CHECKSUM_PARTIAL;
		frame->csum_start = (uint16_t)((offsets & 0xfffff) - pkt->off);
		frame->csum_offset = (uint16_t)(offsets >> 20 & 0xff);
		frame->l3_off = (uint16_t)((offsets >> 28 & 0xfffff) - pkt->off);
		frame->why = (uint16_t)(offsets >> 48);
		frame->depart_at_ns = pkt->scratch[META_DEPART_AT];
	}
}

uint64_t frame_checksum_payload(const struct tee_frame *frame)
{
	uint64_t sum = 0;
	bool is_odd = false;

	for (unsigned i = 0; i < frame->slice_count; i++) {
		const struct tee_slice *slice = &frame->slices[i];
		uint64_t part = checksum_add(0, slice->ptr, slice->len);

		sum += is_odd ? checksum_swap(part) : part;
		is_odd ^= slice->len & 1;
	}
	return sum;
}
