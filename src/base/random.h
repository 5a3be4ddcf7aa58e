/* SPDX-License-Identifier: MIT */
/* The one source of chance: a seeded generator (xoshiro256** seeded by splitmix64). */
#ifndef TEE_BASE_RANDOM_H
#define TEE_BASE_RANDOM_H

#include <stdint.h>

struct random {
	uint64_t s[4];
};

void random_init(struct random *random, uint64_t seed);
uint64_t random_u64(struct random *random);
/* Uniform in [0, bound), unbiased; bound 0 gives 0. */
uint64_t random_below(struct random *random, uint64_t bound);
/* Uniform in [0, 1). */
double random_unit(struct random *random);

#endif
