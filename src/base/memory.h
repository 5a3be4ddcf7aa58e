/* SPDX-License-Identifier: MIT */
/* Memory that is to be there, or in the cache, before it is needed. */
#ifndef TEE_BASE_MEMORY_H
#define TEE_BASE_MEMORY_H

#include <stddef.h>
#include <stdint.h>

/* The smallest page that any system has. */
enum { MEMORY_PAGE_BYTES = 4096 };
/* What caches deal in. A larger line is only asked for twice. */
enum { MEMORY_LINE_BYTES = 64 };

/* Begins to bring all of its lines into the cache. `ptr` may be anything. */
static inline void memory_prefetch(const void *ptr, size_t bytes)
{
	const uint8_t *at = ptr;

	for (size_t off = 0; off < bytes; off += MEMORY_LINE_BYTES)
		__builtin_prefetch(at + off);
	__builtin_prefetch(at + bytes - 1);
}

/*
 * Writes to each of its pages, so that the system has to give them now; what stands there stays. Memory that
 * was only asked for is mostly given when it is first written to.
 */
static inline void memory_touch(void *ptr, size_t bytes)
{
	volatile uint8_t *at = ptr;

	for (size_t off = 0; off < bytes; off += MEMORY_PAGE_BYTES)
		at[off] |= 0;
	if (bytes > 0)
		at[bytes - 1] |= 0;
}

#endif
