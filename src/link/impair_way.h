/* SPDX-License-Identifier: MIT */
/* One direction of an impaired link: what befalls a packet, and the packets that are on their way. */
#ifndef TEE_LINK_IMPAIR_WAY_H
#define TEE_LINK_IMPAIR_WAY_H

#include <teeceepee/link.h>
#include "base/random.h"

/* A packet on its way. */
struct impair_item {
	uint64_t release_ns; /* when it comes out */
	uint64_t order;      /* among those of the same instant: as they came in */
	struct tee_pkt *pkt;
	uint16_t why, l3_off; /* of the frame it was, for a recorder below */
};

struct impair_counts {
	uint64_t passed, lost, burst_lost, duplicated, corrupted, corrupt_dropped, reordered,
		queue_dropped, no_memory;
};

struct impair_way {
	const struct tee_impairment *impairment;
	enum tee_netif_kind kind;
	uint64_t first_seed;  /* of the first packet's generator; the next one's is one higher */
	uint64_t entered;     /* packets */
	struct random random; /* of the packet that enters */
	bool is_bad;          /* Gilbert-Elliott's state */
	uint64_t line_free_at_ns; /* when the rate-limited line has sent what it was given */
	uint64_t last_release_ns; /* of packets that keep their order */
	uint64_t next_order;
	uint64_t bytes;           /* held */
	struct impair_item *heap; /* the earliest first */
	unsigned count, max;
	struct impair_counts counts;
};

void impair_way_init(struct impair_way *way, const struct tee_impairment *impairment,
		     enum tee_netif_kind kind, uint64_t seed);
void impair_way_fini(struct impair_way *way);
/*
 * A packet enters at now_ns; its reference moves in. It has one segment at most. The item's release_ns
 * and order are set here.
 */
void impair_way_put(struct impair_way *way, struct impair_item item, uint64_t now_ns);
/* The next packet that is due; its reference moves out. false: none. */
bool impair_way_take(struct impair_way *way, uint64_t now_ns, struct impair_item *ret_item);
/* Gives back what was taken and could not go: it keeps its place. */
void impair_way_untake(struct impair_way *way, const struct impair_item *item);
/* When the next one is due; TEE_NEVER. */
uint64_t impair_way_next_ns(const struct impair_way *way);

#endif
