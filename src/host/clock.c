// SPDX-License-Identifier: MIT
/*
 * The clocks. This is the only place of the host that reads one: everything else gets `now_ns`.
 * CLOCK_MONOTONIC, because the core's time never goes back; the wall clock only to stamp recordings.
 */
#include "host/clock.h"

#include <teeceepee/host.h>
#include <time.h>

static uint64_t read_clock(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * TEE_NS_PER_S + (uint64_t)now.tv_nsec;
}

uint64_t tee_host_now_ns(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

uint64_t clock_wall_offset_ns(void)
{
	return read_clock(CLOCK_REALTIME) - read_clock(CLOCK_MONOTONIC);
}
