/* SPDX-License-Identifier: MIT */
/*
 * SipHash (Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012): 2-4, two rounds a word and four
 * to finish, where a value is shown to others; 1-3 for tables, whose places nobody sees. Without the key
 * nobody can predict a value or make two inputs collide, which is what initial sequence numbers (RFC 6528),
 * ports (RFC 6056), SYN cookies (RFC 4987) and hash tables that strangers fill need.
 */
#include "base/siphash.h"
#include "base/byteorder.h"

struct sip_state {
	uint64_t v0, v1, v2, v3;
};

static inline uint64_t rotate_left(uint64_t v, unsigned bits)
{
	return v << bits | v >> (64 - bits);
}

static inline void sip_round(struct sip_state *s)
{
	s->v0 += s->v1;
	s->v2 += s->v3;
	s->v1 = rotate_left(s->v1, 13) ^ s->v0;
	s->v3 = rotate_left(s->v3, 16) ^ s->v2;
	s->v0 = rotate_left(s->v0, 32);
	s->v2 += s->v1;
	s->v0 += s->v3;
	s->v1 = rotate_left(s->v1, 17) ^ s->v2;
	s->v3 = rotate_left(s->v3, 21) ^ s->v0;
	s->v2 = rotate_left(s->v2, 32);
}

static inline void sip_word(struct sip_state *s, uint64_t word, unsigned rounds)
{
	s->v3 ^= word;
	for (unsigned i = 0; i < rounds; i++)
		sip_round(s);
	s->v0 ^= word;
}

/* Less than eight bytes as a little-endian number: four, two and one of them at a time. */
static inline uint64_t sip_rest(const uint8_t *ptr, size_t left)
{
	uint64_t rest = 0;
	unsigned shift = 0;

	if (left & 4) {
		rest = load_le32(ptr);
		shift = 32;
		ptr += 4;
	}
	if (left & 2) {
		rest |= ((uint64_t)ptr[0] | (uint64_t)ptr[1] << 8) << shift;
		shift += 16;
		ptr += 2;
	}
	if (left & 1)
		rest |= (uint64_t)*ptr << shift;
	return rest;
}

static inline __attribute__((always_inline)) uint64_t sip(const struct siphash_key *key,
							  const void *data, size_t len,
							  unsigned rounds, unsigned last_rounds)
{
	const uint8_t *ptr = data;
	size_t left = len;
	uint64_t last = (uint64_t)len << 56;
	/* The constants are the paper's: "somepseudorandomlygeneratedbytes". */
	struct sip_state s = {
		key->k0 ^ UINT64_C(0x736f6d6570736575),
		key->k1 ^ UINT64_C(0x646f72616e646f6d),
		key->k0 ^ UINT64_C(0x6c7967656e657261),
		key->k1 ^ UINT64_C(0x7465646279746573),
	};

	for (; left >= 8; left -= 8, ptr += 8)
		sip_word(&s, load_le64(ptr), rounds);
	/* The last word is the bytes left over and, on top, the length modulo 256. */
	last |= sip_rest(ptr, left);
	sip_word(&s, last, rounds);
	s.v2 ^= 0xff;
	for (unsigned i = 0; i < last_rounds; i++)
		sip_round(&s);
	return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

uint64_t siphash(const struct siphash_key *key, const void *data, size_t len)
{
	return sip(key, data, len, 2, 4);
}

uint32_t siphash_place(const struct siphash_key *key, const void *data, size_t len)
{
	return (uint32_t)sip(key, data, len, 1, 3);
}
