/* SPDX-License-Identifier: MIT */
/*
 * The edge between wire and stream: one received segment with everything widened to 64-bit offsets
 * of this connection (seq from IRS, ack from ISS).
 */
#ifndef TEE_TCP_SEGMENT_H
#define TEE_TCP_SEGMENT_H

#include <stdint.h>
#include "wire/tcp.h"

struct segment {
	bool had_syn;         /* it was taken off, as what the segment did besides is dealt with */
	struct tcp_header h;  /* flags, options, ports */
	uint32_t len;         /* payload bytes, without SYN and FIN */
	uint32_t payload_off; /* in pkt->data */
	uint32_t gso_segs;    /* wire segments in this super-frame, 1 for a plain one */
	uint8_t tos;          /* of the IP header: DSCP, ECN */
	/* widened by segment_widen(); signed, since a number may lie before the stream */
	int64_t seq, ack; /* seq of the first octet, a SYN included */
	int64_t end;      /* one past the last octet, SYN and FIN included */
	int64_t urgent;   /* offset of the octet after the urgent data (MUST-62); valid with URG */
};

static inline bool segment_has(const struct segment *seg, unsigned flags)
{
	return (seg->h.flags & flags) != 0;
}

/* SEG.LEN of RFC 9293: payload plus one for SYN and one for FIN. */
static inline uint32_t segment_octets(const struct segment *seg)
{
	return seg->len + (segment_has(seg, TEE_TCP_SYN) ? 1u : 0u) +
	       (segment_has(seg, TEE_TCP_FIN) ? 1u : 0u);
}

/* Fills seq, ack, end, urgent from the header; `rcv_nxt` and `snd_una` are the nearest offsets. */
void segment_widen(struct segment *seg, struct seq32 irs, uint64_t rcv_nxt, struct seq32 iss,
		   uint64_t snd_una);

#endif
