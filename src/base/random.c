/* SPDX-License-Identifier: MIT */
/*
 * The stack's one source of chance. xoshiro256** (Blackman and Vigna, "Scrambled linear pseudorandom
 * number generators", 2018) is fast and has no visible flaw in 2^256 - 1 numbers, but whoever sees
 * its output can compute what follows. So nothing that a stranger must not guess (ISNs, ports,
 * cookies) is drawn from here directly: those go through siphash with a secret.
 *
 * splitmix64 spreads a seed of 64 bits, also a poor one such as 0 or 1, over the 256 bits of state; it
 * never yields four zeros in a row, the one state that xoshiro can't leave.
 */
#include "base/random.h"

static uint64_t splitmix64(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static uint64_t rotate_left(uint64_t v, unsigned bits)
{
	return v << bits | v >> (64 - bits);
}

void random_init(struct random *random, uint64_t seed)
{
	for (unsigned i = 0; i < 4; i++)
		random->s[i] = splitmix64(&seed);
}

uint64_t random_u64(struct random *random)
{
	uint64_t *s = random->s;
	uint64_t result = rotate_left(s[1] * 5, 7) * 9;
	uint64_t shifted = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= shifted;
	s[3] = rotate_left(s[3], 45);
	return result;
}

/*
 * The high word of a 64 by 64 bit product maps a random number into [0, bound). 2^64 is not a multiple
 * of most bounds, so the products whose low word lies below 2^64 mod bound are drawn again; that
 * leaves every result the same number of ways to come up.
 */
uint64_t random_below(struct random *random, uint64_t bound)
{
	unsigned __int128 product;

	if (bound == 0)
		return 0;
	product = (unsigned __int128)random_u64(random) * bound;
	if ((uint64_t)product < bound) {
		uint64_t surplus = -bound % bound;

		while ((uint64_t)product < surplus)
			product = (unsigned __int128)random_u64(random) * bound;
	}
	return (uint64_t)(product >> 64);
}

double random_unit(struct random *random)
{
	/* 53 bits are what a double holds exactly, so that 1 never comes out by rounding. */
	return (double)(random_u64(random) >> 11) * 0x1p-53;
}
