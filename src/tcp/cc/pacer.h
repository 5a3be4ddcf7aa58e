/* SPDX-License-Identifier: MIT */
/* Departure times: spaces what is sent at a rate, with a small burst allowance. */
#ifndef TEE_TCP_CC_PACER_H
#define TEE_TCP_CC_PACER_H

#include <stdint.h>

struct pacer {
	uint64_t next_at_ns; /* nothing leaves before this */
	uint64_t max_rate;   /* cap from the application, bytes a second; UINT64_MAX: none */
	uint64_t rate;       /* in force; 0: not paced */
	uint64_t late_ns;    /* how late the timer was that let the present burst go */
};

void pacer_init(struct pacer *pacer);
/*
 * Sets the rate: the controller's own, or cwnd / srtt times 2 in slow start and 1.2 after (when 0 is
 * given as `cc_rate`). `srtt_ns` 0: not paced yet.
 */
void pacer_update(struct pacer *pacer, uint64_t cc_rate, uint64_t cwnd_bytes, uint64_t srtt_ns,
		  int in_slow_start);
/* When the next segment may leave: now or earlier means at once. */
static inline uint64_t pacer_next_ns(const struct pacer *pacer)
{
	return pacer->next_at_ns;
}
/* The timer that was set for pacer_next_ns() has come: what its lateness cost may be made up for. */
void pacer_on_timer(struct pacer *pacer, uint64_t now_ns);
void pacer_on_sent(struct pacer *pacer, uint64_t bytes, uint64_t now_ns);
/* Bytes worth sending in one super-segment: about a millisecond at the rate, between two segments
   and max_bytes. */
uint32_t pacer_burst_bytes(const struct pacer *pacer, uint32_t mss, uint32_t max_bytes);

#endif
