/* SPDX-License-Identifier: MIT */
/* Generic receive offload in software: segments of one flow become one super-frame. */
#ifndef TEE_LINK_GRO_H
#define TEE_LINK_GRO_H

#include <teeceepee/packet.h>
#include <teeceepee/stack.h>

enum { GRO_FLOWS = 8 };

/* A super-frame that may still grow. Offsets count from the frame's start. */
struct gro_flow {
	bool is_open;
	uint8_t version; /* of IP */
	bool is_checked; /* the checksums of what is in it were good */
	uint16_t l3_off, l4_off, payload_off;
	uint32_t pkt_idx; /* in the batch */
	uint32_t segment_bytes;
	uint32_t next_seq;
};

/* One segment's headers, as gro_join() found them. */
struct gro_segment {
	bool is_tcp;   /* l3_off to payload_off hold */
	bool may_join; /* data, and no flag that wants attention */
	uint8_t version;
	uint8_t flags;
	uint16_t l3_off, l4_off, payload_off;
	uint32_t end; /* behind the IP packet; Ethernet padding follows */
	uint32_t seq;
};

/* All zero is a good start. */
struct gro {
	enum tee_netif_kind kind;
	struct tee_pool *pool;
	struct tee_pkt **pkts; /* the batch being received */
	struct gro_segment segment;
	unsigned victim_idx;    /* which flow makes room when all are taken */
	bool was_full, is_full; /* did the batch before, does this one fill large buffers? */
	uint64_t joined;        /* segments that found a super-frame to go into */
	struct gro_flow flows[GRO_FLOWS];
};

/*
 * A link that receives frames without their sender's segmentation does, a batch:
 *   1. gro_begin() with the array that the batch's packets go into, in order of arrival;
 *   2. for each frame, still in the buffer that it was read into, gro_join(): true, and its payload was
 *      added to a packet of the batch (whose place in the array may hold another packet now);
 *   3. false: the link makes a packet of it as it always does, stores it at pkts[idx], and calls
 *      gro_hold(), so that what follows may join it.
 * Nothing stays behind when the batch ends: whatever stands in the array is whole at any time.
 */
void gro_begin(struct gro *gro, enum tee_netif_kind kind, struct tee_pool *pool,
	       struct tee_pkt **pkts);
/* `state`: what the link knows of the frame's transport checksum; unknown ones are verified here. */
bool gro_join(struct gro *gro, const uint8_t *frame, uint32_t len, enum tee_checksum_state state);
/* The frame of the last gro_join() is the packet at pkts[idx], which carries its checksum_state. */
void gro_hold(struct gro *gro, unsigned idx);

#endif
