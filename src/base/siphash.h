/* SPDX-License-Identifier: MIT */
/* SipHash-2-4: the keyed PRF behind ISNs, ports, cookies and hash tables that strangers fill. */
#ifndef TEE_BASE_SIPHASH_H
#define TEE_BASE_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

struct siphash_key {
	uint64_t k0, k1;
};

uint64_t siphash(const struct siphash_key *key, const void *data, size_t len);

#endif
