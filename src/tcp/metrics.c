/* SPDX-License-Identifier: MIT */
/*
 * RFC 9040: control block interdependence, in its temporal form. A connection that ends saves its
 * round-trip time and slow-start threshold under the remote address; the next one begins with them
 * instead of guesses: its first RTO fits the path, and its slow start stops where the last one had to.
 *
 * The table is four-way associative over a keyed hash, so that strangers can't choose whom they push out.
 */
#include "tcp/metrics.h"

#include <stdlib.h>
#include <string.h>

enum { WAYS = 4 };

void metrics_init(struct metrics *metrics, const struct siphash_key *secret, uint32_t count_max,
		  uint64_t age_max_ns)
{
	*metrics = (struct metrics){
		.count = count_max / WAYS * WAYS,
		.age_max_ns = age_max_ns,
		.secret = *secret,
	};
}

void metrics_fini(struct metrics *metrics)
{
	metrics_clear(metrics);
}

void metrics_clear(struct metrics *metrics)
{
	free(metrics->entries);
	metrics->entries = NULL;
}

static struct metrics_entry *set_of(const struct metrics *metrics, const struct tee_ip *remote)
{
	uint64_t hash = siphash(&metrics->secret, remote, sizeof(*remote));

	return metrics->entries + hash % (metrics->count / WAYS) * WAYS;
}

const struct metrics_entry *metrics_find(const struct metrics *metrics, const struct tee_ip *remote,
					 uint64_t now_ns)
{
	const struct metrics_entry *set;

	if (!metrics->entries)
		return NULL;
	set = set_of(metrics, remote);
	for (unsigned i = 0; i < WAYS; i++) {
		if (set[i].saved_at_ns && tee_ip_equal(&set[i].remote, remote))
			return now_ns - set[i].saved_at_ns <= metrics->age_max_ns ? &set[i] : NULL;
	}
	return NULL;
}

/* The host's own entry, else a free one, else the stalest. */
static struct metrics_entry *claim(struct metrics *metrics, const struct tee_ip *remote)
{
	struct metrics_entry *set = set_of(metrics, remote), *stalest = set;

	for (unsigned i = 0; i < WAYS; i++) {
		if (set[i].saved_at_ns && tee_ip_equal(&set[i].remote, remote))
			return &set[i];
		if (set[i].saved_at_ns < stalest->saved_at_ns)
			stalest = &set[i];
	}
	*stalest = (struct metrics_entry){.remote = *remote};
	return stalest;
}

static uint64_t blend(uint64_t known, uint64_t fresh)
{
	if (!known || fresh >= known)
		return fresh;
	return known - (known - fresh) / 8;
}

void metrics_save(struct metrics *metrics, const struct tee_ip *remote, uint64_t srtt_ns,
		  uint64_t rttvar_ns, uint64_t ssthresh_bytes, uint64_t now_ns)
{
	struct metrics_entry *entry;
	bool is_stale;

	if (!metrics->count || !srtt_ns)
		return;
	if (!metrics->entries) {
		metrics->entries = calloc(metrics->count, sizeof(*metrics->entries));
		if (!metrics->entries)
			return;
	}
	entry = claim(metrics, remote);
	is_stale = !entry->saved_at_ns || now_ns - entry->saved_at_ns > metrics->age_max_ns;
	entry->srtt_ns = is_stale ? srtt_ns : blend(entry->srtt_ns, srtt_ns);
	entry->rttvar_ns = is_stale ? rttvar_ns : blend(entry->rttvar_ns, rttvar_ns);
	if (is_stale || !entry->ssthresh_bytes || !ssthresh_bytes)
		entry->ssthresh_bytes = ssthresh_bytes;
	else
		entry->ssthresh_bytes = (entry->ssthresh_bytes + ssthresh_bytes) / 2;
	entry->saved_at_ns = now_ns ? now_ns : 1;
}
