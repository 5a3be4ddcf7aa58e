/* SPDX-License-Identifier: MIT */
/*
 * a * b / c with the product in 128 bits, saturating at UINT64_MAX; c must not be 0.
 *
 * Rates, times and windows are multiplied all over loss recovery and congestion control, and their
 * products pass 64 bits on fast paths. Division of 128 bits is a call into the compiler's run-time
 * library, which the core does without; the loop here runs only when the product is that large.
 */
#ifndef TEE_TCP_MULDIV_H
#define TEE_TCP_MULDIV_H

#include <stdint.h>

static inline uint64_t muldiv_wide(unsigned __int128 product, uint64_t c)
{
	uint64_t rest = (uint64_t)(product >> 64), low = (uint64_t)product, quotient = 0;

	if (rest >= c)
		return UINT64_MAX;
	for (int bit = 63; bit >= 0; bit--) {
		uint64_t carry = rest >> 63;

		rest = rest << 1 | (low >> bit & 1);
		quotient <<= 1;
		if (carry || rest >= c) {
			rest -= c;
			quotient |= 1;
		}
	}
	return quotient;
}

static inline uint64_t muldiv(uint64_t a, uint64_t b, uint64_t c)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return product >> 64 ? muldiv_wide(product, c) : (uint64_t)product / c;
}

/* The same, rounded up. */
static inline uint64_t muldiv_up(uint64_t a, uint64_t b, uint64_t c)
{
	unsigned __int128 product = (unsigned __int128)a * b + (c - 1);

	return product >> 64 ? muldiv_wide(product, c) : (uint64_t)product / c;
}

#endif
