/* SPDX-License-Identifier: MIT */
/*
 * The neighbour cache: link addresses of IPv4 and IPv6 neighbours, in the states of RFC 4861 7.3.2.
 */
#ifndef TEE_NET_NEIGHBOUR_H
#define TEE_NET_NEIGHBOUR_H

#include "base/hash.h"
#include "base/timer.h"
#include "net/netif.h"
#include "wire/ethernet.h"

enum neigh_state {
	NEIGH_FAILED,     /* nothing is known, and nobody asks: made, or gave up */
	NEIGH_INCOMPLETE, /* asked; packets wait in `pending` */
	NEIGH_REACHABLE,  /* confirmed less than reachable time ago */
	NEIGH_STALE,      /* mac is known, unconfirmed; used, but the next packet starts DELAY */
	NEIGH_DELAY,      /* in use, unconfirmed; a hint from above may still spare the probe */
	NEIGH_PROBE,      /* asking by unicast, still in use */
};

struct neighbour {
	struct list lru; /* in cache->lru, oldest first */
	struct netif *netif;
	struct tee_ip ip;
	uint32_t hash;
	enum neigh_state state;
	bool was_used;   /* since the eviction hand last passed */
	bool has_failed; /* did not answer when last asked */
	bool is_router;
	uint8_t probe_count;
	struct tee_mac mac;
	uint8_t header[ETHERNET_HEADER_LEN]; /* ready to be put in front of a packet */
	uint64_t reachable_until_ns;
	struct timer timer;
	struct pktq pending; /* packets that begin at their IP header */
};

struct neigh_cache {
	struct hash_table table;
	struct list lru;
	unsigned count;
};

void neigh_cache_init(struct net *net);
void neigh_cache_fini(struct net *net);
void neigh_cache_check(const struct net *net);

/* Finds, or makes in state FAILED; may evict another (the generation is bumped). NULL: no memory. */
struct neighbour *neigh_get(struct netif *netif, const struct tee_ip *ip);
struct neighbour *neigh_find(struct netif *netif, const struct tee_ip *ip);
/* Forgets all neighbours of a netif. */
void neigh_flush(struct netif *netif);

/* For a packet about to leave: may neigh->header be used? When not, neigh_enqueue() it. */
bool neigh_use_slow(struct neighbour *neigh);
static inline bool neigh_use(struct neighbour *neigh, uint64_t now_ns)
{
	neigh->was_used = true;
	if (__builtin_expect(neigh->state == NEIGH_REACHABLE && now_ns < neigh->reachable_until_ns,
			     1))
		return true;
	return neigh_use_slow(neigh);
}
/* Holds a packet (at its IP header) until the neighbour is known, and asks. Ownership moves in. */
void neigh_enqueue(struct neighbour *neigh, struct tee_pkt *pkt);

/*
 * A request or solicitation to us told the sender's address: learn it (STALE), also when it is new.
 */
void neigh_on_solicited_by(struct netif *netif, const struct tee_ip *ip, const struct tee_mac *mac);

/* An ARP reply or NA; updates an entry that exists (RFC 4861 7.2.5), never makes one. */
struct neigh_advert {
	struct tee_ip ip;
	bool has_mac;
	struct tee_mac mac;
	bool is_solicited, is_override;
	bool has_router_flag, is_router;
};
void neigh_on_advert(struct netif *netif, const struct neigh_advert *advert);

/* Upper layers know that it is reachable (RFC 4861 7.3.1), or doubt it. */
void neigh_confirm(struct neighbour *neigh);
void neigh_doubt(struct neighbour *neigh);

#endif
