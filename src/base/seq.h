/* SPDX-License-Identifier: MIT */
/*
 * Sequence numbers as they are on the wire (RFC 9293 section 3.4): modulo 2^32, so that "less than"
 * only means something for two numbers at most 2^31 apart. The struct has one member so that the
 * compiler refuses `<`.
 *
 * Past the edge (tcp/segment) everything is a 64-bit offset into the stream, which never wraps.
 */
#ifndef TEE_BASE_SEQ_H
#define TEE_BASE_SEQ_H

#include <stdbool.h>
#include <stdint.h>

struct seq32 {
	uint32_t raw;
};

static inline struct seq32 seq32(uint32_t raw)
{
	return (struct seq32){raw};
}

static inline struct seq32 seq_add(struct seq32 a, uint32_t n)
{
	return seq32(a.raw + n);
}

/* Distance from b to a, negative when a lies before b. */
static inline int32_t seq_diff(struct seq32 a, struct seq32 b)
{
	return (int32_t)(a.raw - b.raw);
}

static inline bool seq_lt(struct seq32 a, struct seq32 b)
{
	return seq_diff(a, b) < 0;
}

static inline bool seq_le(struct seq32 a, struct seq32 b)
{
	return seq_diff(a, b) <= 0;
}

static inline bool seq_eq(struct seq32 a, struct seq32 b)
{
	return a.raw == b.raw;
}

/*
 * The 64-bit offset whose low 32 bits, counted from `base`, are `seq` and which lies nearest to
 * `near`. Offsets are signed here so that a number a little before the start of the stream comes out
 * negative instead of huge.
 */
static inline int64_t seq_widen(struct seq32 seq, struct seq32 base, int64_t near_off)
{
	uint32_t low = seq.raw - base.raw;
	return near_off + (int32_t)(low - (uint32_t)near_off);
}

#endif
