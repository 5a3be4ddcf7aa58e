/* SPDX-License-Identifier: MIT */
/*
 * SYN cookies (RFC 4987 3.6): when the SYN queue is full, what we would have remembered goes into the
 * SYN-ACK, and the ACK brings it back.
 *
 * The ISN, from the top: 5 bits of a counter of minutes and 3 bits that choose one of eight MSS values,
 * both under a mask that looks random, then 24 bits of a keyed hash over the 4-tuple, the peer's
 * ISN, the whole counter and the MSS. A cookie is good in the minute of its making and in the next. A
 * stranger who guesses hits one of sixteen right values in 2^32.
 *
 * With timestamps, the low six bits of the TSval carry window scale (4), SACK-permitted and ECN. They
 * are not signed: who forges them spoils only the connection that is his anyway.
 */
#include "tcp/syncookie.h"

#include "base/check.h"

#define MINUTE_NS (UINT64_C(60) * 1000000000u)

enum {
	MINUTE_BITS = 5,
	MAC_BITS = 24,
	AGE_MAX_MINUTES = 1,
	TS_BITS = 6,
	TS_SACK = 16,
	TS_ECN = 32,
	USE_MAC = 11, /* apart from the uses in isn.c */
	USE_MASK = 12,
};

/* Ascending: minimal; default; IPv6's minimum; tunnels; PPPoE and the like; 1500 over IPv6, over IPv4; jumbo. */
static const uint16_t mss_values[8] = {88, 536, 1220, 1360, 1400, 1440, 1460, 8940};

static uint64_t hash_cookie(const struct siphash_key *secret, const struct tcp_key *key,
			    struct seq32 irs, uint64_t minute, unsigned idx, unsigned use)
{
	struct {
		uint64_t minute;
		uint32_t irs;
		uint16_t idx, use;
		struct tcp_key key;
		uint32_t zero;
	} input = {.minute = minute, .irs = irs.raw, .key = *key};

	_Static_assert(sizeof(input) == 56, "hashed as bytes");
	input.idx = (uint16_t)idx;
	input.use = (uint16_t)use;
	return siphash(secret, &input, sizeof(input));
}

static uint32_t mac_of(const struct siphash_key *secret, const struct tcp_key *key,
		       struct seq32 irs, uint64_t minute, unsigned idx)
{
	return hash_cookie(secret, key, irs, minute, idx, USE_MAC) & ((1u << MAC_BITS) - 1);
}

static uint32_t mask_of(const struct siphash_key *secret, const struct tcp_key *key,
			struct seq32 irs)
{
	return (uint32_t)hash_cookie(secret, key, irs, 0, 0, USE_MASK) & 0xff;
}

struct seq32 syncookie_make(const struct siphash_key *secret, const struct tcp_key *key,
			    struct seq32 irs, const struct syncookie *cookie, uint64_t now_ns)
{
	uint64_t minute = now_ns / MINUTE_NS;
	unsigned idx = ARRAY_LEN(mss_values) - 1;
	uint32_t top;

	/* The largest value that isn't above the peer's. */
	while (idx > 0 && mss_values[idx] > cookie->mss)
		idx--;
	top = (uint32_t)((minute & ((1u << MINUTE_BITS) - 1)) << 3 | idx);
	top ^= mask_of(secret, key, irs);
	return seq32(top << MAC_BITS | mac_of(secret, key, irs, minute, idx));
}

uint32_t syncookie_ts(uint32_t ts_val, const struct syncookie *cookie)
{
	uint32_t bits = cookie->wscale & 15u;
	uint32_t val;

	bits |= cookie->sack_permitted ? TS_SACK : 0;
	bits |= cookie->ecn ? TS_ECN : 0;
	val = (ts_val & ~((1u << TS_BITS) - 1)) | bits;
	/* Never from the future: a later TSval would fail the peer's PAWS test. */
	return (int32_t)(val - ts_val) > 0 ? val - (1u << TS_BITS) : val;
}

bool syncookie_check(const struct siphash_key *secret, const struct tcp_key *key, struct seq32 irs,
		     struct seq32 iss, bool has_ts, uint32_t ts_ecr, uint64_t now_ns,
		     struct syncookie *ret_cookie)
{
	uint64_t minute = now_ns / MINUTE_NS;
	uint32_t top = iss.raw >> MAC_BITS ^ mask_of(secret, key, irs);
	uint32_t age = ((uint32_t)minute - (top >> 3)) & ((1u << MINUTE_BITS) - 1);
	unsigned idx = top & 7;

	if (age > AGE_MAX_MINUTES || age > minute)
		return false;
	if (mac_of(secret, key, irs, minute - age, idx) != (iss.raw & ((1u << MAC_BITS) - 1)))
		return false;
	*ret_cookie = (struct syncookie){.mss = mss_values[idx], .has_ts = has_ts, .wscale = 15};
	if (has_ts) {
		ret_cookie->wscale = ts_ecr & 15;
		ret_cookie->sack_permitted = (ts_ecr & TS_SACK) != 0;
		ret_cookie->ecn = (ts_ecr & TS_ECN) != 0;
	}
	return true;
}
