/* SPDX-License-Identifier: MIT */
/* The wall clock beside tee_host_now_ns(). */
#ifndef HOST_CLOCK_H
#define HOST_CLOCK_H

#include <stdint.h>

/* What to add to tee_host_now_ns() to get nanoseconds since 1970. */
uint64_t clock_wall_offset_ns(void);

#endif
