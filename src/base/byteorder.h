/* SPDX-License-Identifier: MIT */
/* Big-endian loads and stores at any alignment. */
#ifndef TEE_BASE_BYTEORDER_H
#define TEE_BASE_BYTEORDER_H

#include <stdint.h>
#include <string.h>

static inline uint16_t load_be16(const void *ptr)
{
	uint16_t v;
	memcpy(&v, ptr, sizeof(v));
	return __builtin_bswap16(v);
}

static inline uint32_t load_be32(const void *ptr)
{
	uint32_t v;
	memcpy(&v, ptr, sizeof(v));
	return __builtin_bswap32(v);
}

static inline void store_be16(void *ptr, uint16_t v)
{
	v = __builtin_bswap16(v);
	memcpy(ptr, &v, sizeof(v));
}

static inline void store_be32(void *ptr, uint32_t v)
{
	v = __builtin_bswap32(v);
	memcpy(ptr, &v, sizeof(v));
}

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ || __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__,
	       "byte order");
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#error "big-endian hosts: make the swaps above conditional"
#endif

#endif
