/* SPDX-License-Identifier: MIT */
/* Playing a planned world to its end, and judging it. */
#ifndef TESTS_SIM_PLAY_H
#define TESTS_SIM_PLAY_H

#include "plan.h"

enum { PLAY_MESSAGE_SIZE = 600 };

struct play_result {
	bool is_ok;
	char message[PLAY_MESSAGE_SIZE]; /* what was wrong */
	uint64_t digest;                 /* of every frame and when it passed */
	uint64_t steps, frames;
	uint64_t virtual_ns;
	uint64_t bytes;                     /* that applications read */
	uint64_t refused;                   /* allocations */
	unsigned clean_count, failed_count; /* connections */
};

/* `is_loud`: tells what happens, on standard output. */
void play_world(const struct plan *plan, bool is_loud, struct play_result *ret_result);

#endif
