/* SPDX-License-Identifier: MIT */
/*
 * The Internet checksum. Its sum does not depend on the byte order in which words are added (RFC 1071
 * section 2 (B)), nor on their width, as long as carries come back in; so the inner loops add the
 * host's own 32-bit words into 64-bit lanes, where nothing overflows for 2^32 words, and only the
 * folded 16 bits are turned around at the end. A partial sum that leaves this file is thus a small
 * number, and adding any count of them in 64 bits is safe.
 *
 * The vector loop is written once, with the compilers' generic vectors, and made twice on x86-64: for
 * its base instruction set and for AVX2, chosen when running.
 */
#include "wire/checksum.h"

#include <string.h>
#include "base/byteorder.h"
#include "wire/ip.h"

typedef uint64_t lanes __attribute__((vector_size(32), aligned(8), may_alias));

#define ALWAYS_INLINE static inline __attribute__((always_inline))

enum {
	BLOCK_BYTES = 128, /* a turn of the vector loop */
	/* lengths from which the vector loop pays for its set-up */
	VECTOR_BYTES_MIN = 128,
};

/* Sums whole blocks, and copies them unless `to` is NULL. */
ALWAYS_INLINE uint64_t sum_blocks(const uint8_t *from, uint8_t *to, size_t blocks_count)
{
	const lanes low = {UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX};
	lanes a = {0}, b = {0}, c = {0}, d = {0};

	for (; blocks_count > 0; blocks_count--, from += BLOCK_BYTES) {
		lanes v0, v1, v2, v3;

		memcpy(&v0, from, 32);
		memcpy(&v1, from + 32, 32);
		memcpy(&v2, from + 64, 32);
		memcpy(&v3, from + 96, 32);
		if (to) {
			memcpy(to, &v0, 32);
			memcpy(to + 32, &v1, 32);
			memcpy(to + 64, &v2, 32);
			memcpy(to + 96, &v3, 32);
			to += BLOCK_BYTES;
		}
		a += (v0 & low) + (v1 & low);
		b += (v0 >> 32) + (v1 >> 32);
		c += (v2 & low) + (v3 & low);
		d += (v2 >> 32) + (v3 >> 32);
	}
	a += c;
	b += d;
	a = (a & low) + (a >> 32) + (b & low) + (b >> 32);
	return a[0] + a[1] + a[2] + a[3];
}

static uint64_t sum_blocks_base(const uint8_t *from, uint8_t *to, size_t blocks_count)
{
	return to ? sum_blocks(from, to, blocks_count) : sum_blocks(from, NULL, blocks_count);
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static uint64_t sum_blocks_avx2(const uint8_t *from, uint8_t *to,
								size_t blocks_count)
{
	return to ? sum_blocks(from, to, blocks_count) : sum_blocks(from, NULL, blocks_count);
}

static uint64_t sum_blocks_best(const uint8_t *from, uint8_t *to, size_t blocks_count)
{
	return __builtin_cpu_supports("avx2") ? sum_blocks_avx2(from, to, blocks_count)
					      : sum_blocks_base(from, to, blocks_count);
}
#else
# define sum_blocks_best sum_blocks_base
#endif

/* Exactly `n` bytes, a constant of at most 8, as the host's word. */
ALWAYS_INLINE uint64_t load_native(const uint8_t *from, size_t n)
{
	uint64_t v = 0;

	memcpy(&v, from, n);
	return v;
}

ALWAYS_INLINE uint64_t halves(uint64_t v)
{
	return (v & UINT32_MAX) + (v >> 32);
}

/* As load_native(), and copied to *to, which moves on, unless it is NULL. */
ALWAYS_INLINE uint64_t copy_native(const uint8_t *from, uint8_t **to, size_t n)
{
	uint64_t v = load_native(from, n);

	if (*to) {
		memcpy(*to, &v, n);
		*to += n;
	}
	return v;
}

/* Sums in the host's order, and copies unless `to` is NULL. */
ALWAYS_INLINE uint64_t sum_native(const uint8_t *from, uint8_t *to, size_t len)
{
	uint64_t sum = 0;

	if (len >= VECTOR_BYTES_MIN) {
		size_t n = len / BLOCK_BYTES * BLOCK_BYTES;

		sum = sum_blocks_best(from, to, len / BLOCK_BYTES);
		from += n;
		to = to ? to + n : NULL;
		len -= n;
	}
	for (; len >= 8; len -= 8, from += 8)
		sum += halves(copy_native(from, &to, 8));
	/* What is left, at even offsets all, so that a word of fewer bytes fits the sum. */
	if (len & 4) {
		sum += halves(copy_native(from, &to, 4));
		from += 4;
	}
	if (len & 2) {
		sum += halves(copy_native(from, &to, 2));
		from += 2;
	}
	if (len & 1)
		sum += halves(copy_native(from, &to, 1));
	return sum;
}

uint16_t checksum_fold(uint64_t sum)
{
	sum = halves(sum);
	sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

uint64_t checksum_add(uint64_t sum, const void *data, size_t len)
{
	return sum + byteorder_be16(checksum_fold(sum_native(data, NULL, len)));
}

uint64_t checksum_add_copy(uint64_t sum, void *dst, const void *src, size_t len)
{
	if (len == 0)
		return sum;
	return sum + byteorder_be16(checksum_fold(sum_native(src, dst, len)));
}

uint64_t checksum_swap(uint64_t sum)
{
	return __builtin_bswap16(checksum_fold(sum));
}

uint64_t checksum_pseudo(const struct tee_ip *src, const struct tee_ip *dst, uint8_t protocol,
			 uint32_t len)
{
	size_t off = ip_is4(src) && ip_is4(dst) ? 12 : 0;
	uint64_t sum = (uint64_t)protocol + (len & 0xffff) + (len >> 16);

	for (; off < sizeof(src->byte); off += 4) {
		sum += load_be32(&src->byte[off]);
		sum += load_be32(&dst->byte[off]);
	}
	return sum;
}
