/* SPDX-License-Identifier: MIT */
/* How a link tells its counters (tee_link_ops.counter). */
#ifndef TEE_LINK_COUNTER_TABLE_H
#define TEE_LINK_COUNTER_TABLE_H

#include <teeceepee/link.h>

struct link_counter {
	const char *name;
	uint64_t value;
};

/* The counter of that index: the link's `count` own ones, then those of `inner` (or NULL), a link inside of it. */
bool link_counter_tell(const struct link_counter *own, unsigned count, struct tee_link *inner,
		       unsigned idx, const char **ret_name, uint64_t *ret_value);

#endif
