/* SPDX-License-Identifier: MIT */
/* SipHash: the keyed PRF behind ISNs, ports, cookies and hash tables that strangers fill. */
#ifndef TEE_BASE_SIPHASH_H
#define TEE_BASE_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

struct siphash_key {
	uint64_t k0, k1;
};

/* SipHash-2-4. */
uint64_t siphash(const struct siphash_key *key, const void *data, size_t len);
/* SipHash-1-3: for places in a table, which are never shown to anybody. */
uint32_t siphash_place(const struct siphash_key *key, const void *data, size_t len);

#endif
