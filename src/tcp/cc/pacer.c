/* SPDX-License-Identifier: MIT */
/*
 * Departure times. Each segment moves the next one's departure by its length over the rate. A sender
 * that came late for want of data or window may catch up, but by a millisecond at most: what was not used
 * before that is gone. Where it was our own timer that came late (a busy machine wakes a program
 * milliseconds after the time it asked for), all of it is made up for, up to LATE_MAX_NS: else each such delay
 * would lower the rate that the controller measures, and that the pace it sets next.
 *
 * A controller that models the path gives its rate. For the others it is the window over the smoothed RTT:
 * twice that in slow start, so that pacing doesn't hinder the doubling, and 1.2 times it after, so
 * that the window, not the pacer, is the limit.
 */
#include "tcp/cc/pacer.h"

#include "base/check.h"
#include "tcp/muldiv.h"

enum { BURST_NS = 1000000, LATE_MAX_NS = 20000000 };
#define NS_PER_S   UINT64_C(1000000000)
#define GAP_MAX_NS (3600 * NS_PER_S)

void pacer_init(struct pacer *pacer)
{
	*pacer = (struct pacer){.max_rate = UINT64_MAX};
}

void pacer_update(struct pacer *pacer, uint64_t cc_rate, uint64_t cwnd_bytes, uint64_t srtt_ns,
		  int in_slow_start)
{
	uint64_t rate = cc_rate;

	if (rate == 0 && srtt_ns)
		rate = muldiv(in_slow_start ? cwnd_bytes * 2 : cwnd_bytes + cwnd_bytes / 5,
			      NS_PER_S, srtt_ns);
	/* Without a measured RTT only the application's cap is known. */
	if (rate == 0 && pacer->max_rate == UINT64_MAX) {
		pacer->rate = 0;
		return;
	}
	if (rate == 0 || rate > pacer->max_rate)
		rate = pacer->max_rate;
	pacer->rate = MAX(rate, 1);
}

void pacer_on_timer(struct pacer *pacer, uint64_t now_ns)
{
	uint64_t late_ns = now_ns > pacer->next_at_ns ? now_ns - pacer->next_at_ns : 0;

	pacer->late_ns = MIN(late_ns, (uint64_t)LATE_MAX_NS);
}

void pacer_on_sent(struct pacer *pacer, uint64_t bytes, uint64_t now_ns)
{
	uint64_t from_ns = pacer->next_at_ns, back_ns = BURST_NS + pacer->late_ns;

	if (pacer->rate == 0)
		return;
	if (now_ns > back_ns && from_ns < now_ns - back_ns)
		from_ns = now_ns - back_ns;
	/* Caught up: the next delay is judged for itself. */
	if (from_ns + BURST_NS >= now_ns)
		pacer->late_ns = 0;
	pacer->next_at_ns = from_ns + MIN(muldiv(bytes, NS_PER_S, pacer->rate), GAP_MAX_NS);
}

uint32_t pacer_burst_bytes(const struct pacer *pacer, uint32_t mss, uint32_t max_bytes)
{
	uint64_t bytes;

	if (pacer->rate == 0)
		return max_bytes;
	bytes = MAX(muldiv(pacer->rate, BURST_NS, NS_PER_S), 2 * (uint64_t)mss);
	return (uint32_t)MIN(bytes - bytes % mss, max_bytes);
}
