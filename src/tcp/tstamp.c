/* SPDX-License-Identifier: MIT */
/*
 * Timestamps (RFC 7323): protection against wrapped sequence numbers, and a coarse RTT.
 *
 * The clock ticks once a millisecond, inside the range of 1 ms to 1 s that section 5.4 asks for, so its sign
 * bit wraps in 24.8 days. A TS.Recent that is older than 24 days says nothing any more (5.5): it
 * rejects nobody and is replaced by whatever comes.
 */
#include "tcp/tstamp.h"

#define TICK_NS       UINT64_C(1000000)
#define RECENT_MAX_NS (UINT64_C(24) * 24 * 3600 * 1000 * TICK_NS)

static bool is_recent_valid(const struct tstamp *ts, uint64_t now_ns)
{
	return ts->recent_at_ns && now_ns - ts->recent_at_ns <= RECENT_MAX_NS;
}

bool tstamp_paws_rejects(const struct tstamp *ts, uint32_t val, uint64_t now_ns)
{
	return is_recent_valid(ts, now_ns) && tstamp_before(val, ts->recent);
}

void tstamp_update(struct tstamp *ts, uint32_t val, uint64_t now_ns)
{
	if (is_recent_valid(ts, now_ns) && tstamp_before(val, ts->recent))
		return;
	tstamp_take(ts, val, now_ns);
}

uint64_t tstamp_rtt_ns(const struct tstamp *ts, uint32_t ecr, uint64_t now_ns)
{
	uint32_t ticks = tstamp_val(ts, now_ns) - ecr;

	/* 0 is what a peer sends that has nothing to echo. */
	if (ecr == 0 || ticks > INT32_MAX)
		return 0;
	return (ticks ? ticks : 1) * TICK_NS;
}
