/* SPDX-License-Identifier: MIT */
/*
 * Bounds-checked access to received bytes, and the only place where a parser touches memory: a
 * `struct reader` walks forward, and once it has run short every further read yields 0 and `ok`
 * stays false, so that a parser checks once at its end.
 */
#ifndef TEE_WIRE_BYTES_H
#define TEE_WIRE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/byteorder.h"

struct reader {
	const uint8_t *ptr, *end;
	bool ok;
};

static inline struct reader reader(const void *data, size_t len)
{
	return (struct reader){data, (const uint8_t *)data + len, true};
}

static inline size_t reader_left(const struct reader *r)
{
	return (size_t)(r->end - r->ptr);
}

/* The next `n` bytes, or NULL (and not ok) when fewer are left. */
static inline const uint8_t *reader_take(struct reader *r, size_t n)
{
	const uint8_t *at = r->ptr;
	if (!r->ok || reader_left(r) < n) {
		r->ok = false;
		return NULL;
	}
	r->ptr += n;
	return at;
}

static inline uint8_t reader_u8(struct reader *r)
{
	const uint8_t *p = reader_take(r, 1);
	return p ? *p : 0;
}

static inline uint16_t reader_be16(struct reader *r)
{
	const uint8_t *p = reader_take(r, 2);
	return p ? load_be16(p) : 0;
}

static inline uint32_t reader_be32(struct reader *r)
{
	const uint8_t *p = reader_take(r, 4);
	return p ? load_be32(p) : 0;
}

#endif
