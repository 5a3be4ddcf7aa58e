/* SPDX-License-Identifier: MIT */
/*
 * The Internet checksum (RFC 1071), incremental update (RFC 1624). Sums are kept as 64-bit partial
 * sums of 16-bit big-endian words; checksum_fold() makes the 16-bit one's complement sum of them.
 */
#ifndef TEE_WIRE_CHECKSUM_H
#define TEE_WIRE_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>
#include <teeceepee/types.h>

/* Adds `len` bytes to a partial sum; all but the last piece of a message have even length. */
uint64_t checksum_add(uint64_t sum, const void *data, size_t len);
/* As checksum_add() while copying; `dst` and `src` don't overlap. */
uint64_t checksum_add_copy(uint64_t sum, void *dst, const void *src, size_t len);
/* The partial sum of bytes that stand at an odd offset of the message. */
uint64_t checksum_swap(uint64_t sum);
/* Folded to 16 bits, host order, not complemented. */
uint16_t checksum_fold(uint64_t sum);
/* The pseudo-header of either family (RFC 9293 3.1, RFC 8200 8.1). */
uint64_t checksum_pseudo(const struct tee_ip *src, const struct tee_ip *dst, uint8_t protocol,
			 uint32_t len);
/* The checksum as it goes on the wire (host order): complemented. */
static inline uint16_t checksum_finish(uint64_t sum)
{
	return (uint16_t)~checksum_fold(sum);
}

#endif
