/* SPDX-License-Identifier: MIT */
/* HyStart++ (RFC 9406): leave slow start before it overshoots, told by growing RTTs. */
#ifndef TEE_TCP_CC_HYSTART_H
#define TEE_TCP_CC_HYSTART_H

#include <stdbool.h>
#include <stdint.h>
#include "tcp/cc/cc.h"

enum { HYSTART_CSS_ROUNDS = 5 };

struct hystart {
	uint64_t window_end; /* offset whose ACK ends the round */
	uint32_t current_min_rtt_us, last_min_rtt_us,
		css_baseline_min_rtt_us; /* UINT32_MAX: none */
	uint16_t rtt_sample_count;
	uint8_t css_rounds;
	bool in_css;
};

void hystart_init(struct hystart *hystart);
/*
 * One ACK in slow start: `rtt_ns` 0: no sample. Returns how many bytes the window may grow for
 * `acked_bytes`, and in *ret_exit whether slow start is over (set ssthresh to cwnd). The RFC's L is infinite here,
 * as if paced: ACKs of super-segments are the rule, and the pacer, where it is on, spreads what they let out.
 */
uint64_t hystart_on_ack(struct hystart *hystart, uint64_t acked_bytes, uint64_t rtt_ns,
			uint64_t una, uint64_t nxt, bool *ret_exit);

/*
 * One ACK of a controller in slow start: grows the window, with HyStart++ as long as ssthresh is
 * infinite, and only if it was in use to the full. Returns the bytes that ssthresh left over, for congestion
 * avoidance.
 */
uint64_t hystart_grow(struct cc *cc, struct hystart *hystart, const struct ack_info *info,
		      const struct cc_round *round);

#endif
