/* SPDX-License-Identifier: MIT */
/*
 * The edge between wire and stream: 32-bit numbers become 64-bit offsets, once a segment.
 *
 * A sequence number means the offset nearest to rcv.nxt that has its low 32 bits; an acknowledgment number the
 * one nearest to snd.una (RFC 9293 3.4 compares modulo 2^32, which is the same within 2^31 of either).
 * Offsets count from the SYN: IRS and ISS are 0. A number from before the stream comes out negative, as
 * it should: it is an old duplicate.
 */
#include "tcp/segment.h"

void segment_widen(struct segment *seg, struct seq32 irs, uint64_t rcv_nxt, struct seq32 iss,
		   uint64_t snd_una)
{
	/* The SYN comes first in the sequence space, so `seq` needs no adjustment for it. */
	seg->seq = seq_widen(seg->h.seq, irs, (int64_t)rcv_nxt);
	seg->end = seg->seq + segment_octets(seg);
	seg->ack = segment_has(seg, TEE_TCP_ACK) ? seq_widen(seg->h.ack, iss, (int64_t)snd_una) : 0;
	/*
	 * RFC 9293 3.8.5, MUST-62 as RFC 6093 settled it: the pointer leads to the octet after the urgent data,
	 * counted from the sequence number.
	 */
	seg->urgent = segment_has(seg, TEE_TCP_URG) ? seg->seq + seg->h.urgent : 0;
}
