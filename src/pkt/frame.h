/* SPDX-License-Identifier: MIT */
/* Building the frames that leave. Headers are put in front, from the inside out. */
#ifndef TEE_PKT_FRAME_H
#define TEE_PKT_FRAME_H

#include <teeceepee/packet.h>

/* An empty frame; head_off at the end of head[], so that headers grow towards the front. */
void frame_init(struct tee_frame *frame);
/*
 * Makes room for `n` bytes in front and returns them. csum_start and l3_off are not touched: whoever
 * puts a header in front of what they count from moves them along.
 */
uint8_t *frame_push(struct tee_frame *frame, size_t n);
/*
 * A frame that carries one packet whole (its reference moves in). Of a packet that frame_to_pkt() made,
 * the metadata is the frame's again, offsets moved by what pkt_push() put in front since.
 */
void frame_from_pkt(struct tee_frame *frame, struct tee_pkt *pkt);
/*
 * A copy of the frame as one packet, with headroom; offload metadata is kept, some of it in
 * scratch[2] and scratch[3]. NULL: no memory.
 */
struct tee_pkt *frame_to_pkt(const struct tee_frame *frame, struct tee_pool *pool);
/* Makes `n` bytes of headroom part of the packet and returns them. */
uint8_t *pkt_push(struct tee_pkt *pkt, size_t n);
/* One's complement partial sum of the payload slices. */
uint64_t frame_checksum_payload(const struct tee_frame *frame);

#endif
