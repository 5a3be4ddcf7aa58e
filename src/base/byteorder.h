/* SPDX-License-Identifier: MIT */
/* Loads and stores of numbers in a known byte order, at any alignment, on hosts of either order. */
#ifndef TEE_BASE_BYTEORDER_H
#define TEE_BASE_BYTEORDER_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ || __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__,
	       "mixed-endian hosts are not known here");

/* A constant, so that the branches on it cost nothing and both are always compiled. */
static const bool byteorder_is_big = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__;

static inline uint16_t byteorder_be16(uint16_t v)
{
	return byteorder_is_big ? v : __builtin_bswap16(v);
}

static inline uint32_t byteorder_be32(uint32_t v)
{
	return byteorder_is_big ? v : __builtin_bswap32(v);
}

static inline uint64_t byteorder_le64(uint64_t v)
{
	return byteorder_is_big ? __builtin_bswap64(v) : v;
}

static inline uint16_t load_be16(const void *ptr)
{
	uint16_t v;

	memcpy(&v, ptr, sizeof(v));
	return byteorder_be16(v);
}

static inline uint32_t load_be32(const void *ptr)
{
	uint32_t v;

	memcpy(&v, ptr, sizeof(v));
	return byteorder_be32(v);
}

static inline uint32_t load_le32(const void *ptr)
{
	uint32_t v;

	memcpy(&v, ptr, sizeof(v));
	return byteorder_is_big ? __builtin_bswap32(v) : v;
}

static inline uint64_t load_le64(const void *ptr)
{
	uint64_t v;

	memcpy(&v, ptr, sizeof(v));
	return byteorder_le64(v);
}

static inline void store_be16(void *ptr, uint16_t v)
{
	v = byteorder_be16(v);
	memcpy(ptr, &v, sizeof(v));
}

static inline void store_be32(void *ptr, uint32_t v)
{
	v = byteorder_be32(v);
	memcpy(ptr, &v, sizeof(v));
}

#endif
