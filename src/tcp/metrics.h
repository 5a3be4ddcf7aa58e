/* SPDX-License-Identifier: MIT */
/*
 * What a connection leaves behind for the next one to the same host (RFC 9040): round-trip time and
 * its variation, and the slow-start threshold. The path MTU is shared by the network layer.
 *
 * Bounded in size and age: a few thousand hosts, the stalest of four candidates replaced; what is
 * older than the limit is not believed.
 */
#ifndef TEE_TCP_METRICS_H
#define TEE_TCP_METRICS_H

#include <stdbool.h>
#include <stdint.h>
#include <teeceepee/types.h>
#include "base/siphash.h"

struct metrics_entry {
	struct tee_ip remote;
	uint64_t saved_at_ns; /* 0: free */
	uint64_t srtt_ns, rttvar_ns;
	uint64_t ssthresh_bytes; /* 0: none */
};

struct metrics {
	struct metrics_entry *entries; /* owned; NULL until something is saved */
	uint32_t count;                /* of entries, a multiple of four */
	uint64_t age_max_ns;
	struct siphash_key secret;
};

void metrics_init(struct metrics *metrics, const struct siphash_key *secret, uint32_t count_max,
		  uint64_t age_max_ns);
void metrics_fini(struct metrics *metrics);
/* Forgets everything. */
void metrics_clear(struct metrics *metrics);
/*
 * Blends one connection's end into what is known: a round trip that grew is taken at once, one that shrank by an
 * eighth (RFC 9040 section 8.1 leaves the way of merging open). `ssthresh_bytes` 0: none was found.
 */
void metrics_save(struct metrics *metrics, const struct tee_ip *remote, uint64_t srtt_ns,
		  uint64_t rttvar_ns, uint64_t ssthresh_bytes, uint64_t now_ns);
/* NULL: nothing (fresh enough) is known. */
const struct metrics_entry *metrics_find(const struct metrics *metrics, const struct tee_ip *remote,
					 uint64_t now_ns);

#endif
