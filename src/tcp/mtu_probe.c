/* SPDX-License-Identifier: MIT */
/*
 * The search of packetization-layer path MTU discovery: see mtu_probe.h for the order of the calls.
 *
 * low ≤ the path's limit ≤ min(high, most), as far as is known. A probe that passes raises low, which is the segment
 * size in use; three in a row of one size that are lost lower high (RFC 8899 5.1.2: one loss alone may have any
 * reason). When the two have come near each other the search rests, and after an interval high is forgotten, as
 * a path may have changed for the better (RFC 8899 5.1.1, PMTU_RAISE_TIMER).
 */
#include "tcp/mtu_probe.h"

#include "base/check.h"

void mtu_probe_start(struct mtu_probe *probe, uint32_t low)
{
	CHECK(low > 0);
	*probe = (struct mtu_probe){.low = low};
}

static uint32_t limit_of(const struct mtu_probe *probe, const struct mtu_probe_limits *limits)
{
	return probe->high && probe->high < limits->most ? probe->high : limits->most;
}

uint32_t mtu_probe_next(struct mtu_probe *probe, const struct mtu_probe_limits *limits)
{
	uint32_t high = limit_of(probe, limits), middle;

	if (!probe->low || probe->end)
		return 0;
	if (high < probe->low + limits->threshold && probe->high) {
		if (!probe->done_at_ns)
			probe->done_at_ns = limits->now_ns ? limits->now_ns : 1;
		if (!limits->interval_ns ||
		    limits->now_ns - probe->done_at_ns < limits->interval_ns)
			return 0;
		probe->done_at_ns = 0;
		probe->high = 0;
		probe->tries = 0;
		high = limits->most;
	}
	if (high <= probe->low || high < probe->low + limits->threshold)
		return 0;
	if (!probe->high && high <= limits->room)
		return high;
	middle = probe->low + (high - probe->low + 1) / 2;
	return middle <= limits->room ? middle : 0;
}

void mtu_probe_sent(struct mtu_probe *probe, uint64_t start, uint64_t end)
{
	CHECK(end > start && !probe->end);
	probe->start = start;
	probe->end = end;
	probe->size = (uint32_t)(end - start);
	if (probe->tried != probe->size)
		probe->tries = 0;
	probe->tried = probe->size;
}

void mtu_probe_passed(struct mtu_probe *probe)
{
	CHECK(probe->size);
	probe->low = probe->size;
	if (probe->high && probe->high < probe->low)
		probe->high = 0;
	probe->tries = 0;
	probe->size = 0;
	probe->start = probe->end = 0;
}

void mtu_probe_failed(struct mtu_probe *probe)
{
	CHECK(probe->size);
	if (++probe->tries >= MTU_PROBE_TRIES) {
		probe->high = probe->size - 1;
		probe->tries = 0;
	}
	probe->size = 0;
}

void mtu_probe_unknown(struct mtu_probe *probe)
{
	probe->size = 0;
	probe->start = probe->end = 0;
}

void mtu_probe_mended(struct mtu_probe *probe)
{
	CHECK(!probe->size);
	probe->start = probe->end = 0;
}
