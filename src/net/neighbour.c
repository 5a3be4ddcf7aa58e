/* SPDX-License-Identifier: MIT */
/*
 * The neighbour cache, shared by ARP and neighbour discovery, with the states of RFC 4861 7.3.2:
 *
 *	FAILED --packet--> INCOMPLETE --answer--> REACHABLE --time--> STALE --packet--> DELAY
 *	DELAY --5 s--> PROBE --answer or hint--> REACHABLE; PROBE, INCOMPLETE --3 s--> FAILED
 *
 * REACHABLE has no timer: neigh_use() sees that its time is over when the next packet leaves. The
 * others have one. An entry keeps the link header ready, so that the hot path is a comparison and
 * a copy of 14 bytes.
 *
 * The cache is bounded. To make room a hand goes round the entries and takes the first that has not been
 * used since it last came by (second chance), so that a scan of the network can't push out the
 * router. Freeing an entry bumps the generation, since paths point to entries.
 *
 * What we learn: the sender of a request to us, and answers for entries that exist. A reply that nobody
 * asked for makes no entry.
 */
#include "net/neighbour.h"

#include <stdlib.h>
#include <string.h>
#include "base/check.h"
#include "base/siphash.h"
#include "net/private.h"

/* RFC 4861 section 10. */
enum { SOLICIT_MAX = 3 };
#define DELAY_FIRST_PROBE_NS (5 * TEE_NS_PER_S)

struct neigh_key {
	struct tee_ip ip;
	uint32_t netif;
};

static struct neighbour *neigh_of(struct list *node)
{
	return CONTAINER_OF(node, struct neighbour, lru);
}

static struct net *net_of(const struct neighbour *neigh)
{
	return neigh->netif->net;
}

static bool has_mac(const struct neighbour *neigh)
{
	return neigh->state >= NEIGH_REACHABLE;
}

static uint32_t hash_of(const struct net *net, const struct neigh_key *key)
{
	return (uint32_t)siphash(&net->engine->secret, key, sizeof(*key));
}

static bool neigh_equal(const void *item, const void *key)
{
	const struct neighbour *neigh = item;
	const struct neigh_key *wanted = key;

	return memcmp(&neigh->ip, &wanted->ip, sizeof(neigh->ip)) == 0 &&
	       (uint32_t)neigh->netif->number == wanted->netif;
}

/* ---- life ---- */

static void neigh_free(struct neighbour *neigh)
{
	struct net *net = net_of(neigh);
	struct neigh_cache *cache = &net->neighbours;

	engine_disarm(net->engine, &neigh->timer);
	pktq_clear(&neigh->pending);
	list_remove(&neigh->lru);
	CHECK(hash_remove(&cache->table, neigh->hash, neigh));
	cache->count--;
	free(neigh);
	net_bump(net);
}

/* Second chance: at most one full turn, since the first turn takes all marks away. */
static void evict(struct neigh_cache *cache)
{
	struct list *node;

	while ((node = list_pop_front(&cache->lru))) {
		struct neighbour *neigh = neigh_of(node);

		if (!neigh->was_used) {
			count(net_of(neigh)->engine, COUNT_NEIGH_EVICTED);
			neigh_free(neigh);
			return;
		}
		neigh->was_used = false;
		list_push_back(&cache->lru, node);
	}
}

struct neighbour *neigh_find(struct netif *netif, const struct tee_ip *ip)
{
	struct neigh_key key = {*ip, (uint32_t)netif->number};
	struct net *net = netif->net;

	return hash_find(&net->neighbours.table, hash_of(net, &key), &key, neigh_equal);
}

struct neighbour *neigh_get(struct netif *netif, const struct tee_ip *ip)
{
	struct net *net = netif->net;
	struct neigh_cache *cache = &net->neighbours;
	struct neighbour *neigh = neigh_find(netif, ip);
	struct neigh_key key = {*ip, (uint32_t)netif->number};

	if (neigh)
		return neigh;
	while (cache->count >= net->engine->config.neighbour_max)
		evict(cache);
	neigh = calloc(1, sizeof(*neigh));
	if (!neigh)
		return NULL;
	neigh->netif = netif;
	neigh->ip = *ip;
	neigh->hash = hash_of(net, &key);
	pktq_init(&neigh->pending);
	timer_init(&neigh->timer, TIMER_NEIGHBOUR);
	if (hash_insert(&cache->table, neigh->hash, neigh) < 0) {
		free(neigh);
		return NULL;
	}
	list_push_back(&cache->lru, &neigh->lru);
	cache->count++;
	return neigh;
}

void neigh_flush(struct netif *netif)
{
	LIST_FOR_EACH_SAFE(node, &netif->net->neighbours.lru)
	{
		if (neigh_of(node)->netif == netif)
			neigh_free(neigh_of(node));
	}
}

/* ---- states ---- */

/* RFC 4861 6.3.4: uniformly between 0.5 and 1.5 times the base. */
static uint64_t reachable_time(const struct neighbour *neigh)
{
	uint64_t base = neigh->netif->reachable_ns;

	return base / 2 + random_below(&net_of(neigh)->engine->random, base + 1);
}

/* A router that failed and shows itself again is gone by again. */
static void note_life(struct neighbour *neigh)
{
	if (neigh->has_failed)
		net_bump(net_of(neigh));
	neigh->has_failed = false;
}

static void set_mac(struct neighbour *neigh, const struct tee_mac *mac)
{
	struct ethernet eth = {
		.dst = *mac,
		.src = neigh->netif->mac,
		.type = tee_ip_is4(&neigh->ip) ? ETHERTYPE_IP4 : ETHERTYPE_IP6,
	};

	neigh->mac = *mac;
	note_life(neigh);
	ethernet_write(neigh->header, &eth);
}

static void set_reachable(struct neighbour *neigh)
{
	struct engine *engine = net_of(neigh)->engine;

	engine_disarm(engine, &neigh->timer);
	neigh->state = NEIGH_REACHABLE;
	note_life(neigh);
	neigh->reachable_until_ns = engine->now_ns + reachable_time(neigh);
}

static void set_stale(struct neighbour *neigh)
{
	engine_disarm(net_of(neigh)->engine, &neigh->timer);
	neigh->state = NEIGH_STALE;
}

static void solicit(struct neighbour *neigh)
{
	const struct tee_mac *mac = has_mac(neigh) ? &neigh->mac : NULL;

	neigh->probe_count++;
	engine_arm(net_of(neigh)->engine, &neigh->timer,
		   net_of(neigh)->engine->now_ns + neigh->netif->retrans_ns);
	if (tee_ip_is4(&neigh->ip))
		arp_solicit(neigh->netif, &neigh->ip, mac);
	else
		nd_solicit(neigh->netif, &neigh->ip, mac);
}

static void start_probing(struct neighbour *neigh, enum neigh_state state)
{
	neigh->state = state;
	neigh->probe_count = 0;
	solicit(neigh);
}

/* The answer is there: what waited may go. */
static void send_pending(struct neighbour *neigh)
{
	struct tee_pkt *pkt;

	while ((pkt = pktq_pop(&neigh->pending)))
		ip_link_transmit(neigh->netif, &neigh->mac, pkt, tee_ip_is4(&neigh->ip),
				 (enum tee_why)pkt->scratch[0]);
}

static void fail(struct neighbour *neigh)
{
	struct net *net = net_of(neigh);
	struct netif *netif = neigh->netif;
	struct pktq lost = neigh->pending;
	struct tee_pkt *pkt;

	pktq_init(&neigh->pending);
	neigh->state = NEIGH_FAILED;
	neigh->has_failed = true;
	neigh->was_used = false;
	list_remove(&neigh->lru);
	list_push_front(&net->neighbours.lru, &neigh->lru);
	count(net->engine, COUNT_NEIGH_FAILED);
	/* Another router may do better. */
	net_bump(net);
	/* RFC 4861 7.2.2, RFC 1122 2.3.2.2: tell whoever sent what waited. */
	while ((pkt = pktq_pop(&lost))) {
		icmp_report_unreachable(net, netif, pkt);
		drop_pkt(net->engine, DROP_NEIGH_UNREACHABLE, pkt);
	}
}

static void neigh_timer(void *context, struct timer *timer)
{
	struct neighbour *neigh = CONTAINER_OF(timer, struct neighbour, timer);

	(void)context;
	switch (neigh->state) {
	case NEIGH_DELAY: start_probing(neigh, NEIGH_PROBE); break;
	case NEIGH_INCOMPLETE:
	case NEIGH_PROBE:
		if (neigh->probe_count >= SOLICIT_MAX)
			fail(neigh);
		else
			solicit(neigh);
		break;
	case NEIGH_FAILED:
	case NEIGH_REACHABLE:
	case NEIGH_STALE: break; /* these have no timer */
	}
}

void neigh_cache_init(struct net *net)
{
	hash_init(&net->neighbours.table);
	list_init(&net->neighbours.lru);
	engine_register_timer(net->engine, TIMER_NEIGHBOUR, neigh_timer, net);
}

void neigh_cache_fini(struct net *net)
{
	struct list *node;

	while ((node = list_pop_front(&net->neighbours.lru)))
		neigh_free(neigh_of(node));
	hash_fini(&net->neighbours.table);
}

/* ---- use ---- */

bool neigh_use_slow(struct neighbour *neigh)
{
	struct engine *engine = net_of(neigh)->engine;

	switch (neigh->state) {
	case NEIGH_REACHABLE: /* its time is over */
	case NEIGH_STALE:
		neigh->state = NEIGH_DELAY;
		engine_arm(engine, &neigh->timer, engine->now_ns + DELAY_FIRST_PROBE_NS);
		return true;
	case NEIGH_DELAY:
	case NEIGH_PROBE: return true;
	case NEIGH_FAILED:
	case NEIGH_INCOMPLETE: break;
	}
	return false;
}

void neigh_enqueue(struct neighbour *neigh, struct tee_pkt *pkt)
{
	struct net *net = net_of(neigh);

	CHECK(!has_mac(neigh));
	/* RFC 4861 7.2.2: a full queue gives up its oldest. */
	if (neigh->pending.count >= net->engine->config.neighbour_pending_max)
		drop_pkt(net->engine, DROP_NEIGH_PENDING_FULL, pktq_pop(&neigh->pending));
	pktq_push(&neigh->pending, pkt);
	if (neigh->state == NEIGH_FAILED)
		start_probing(neigh, NEIGH_INCOMPLETE);
}

/* ---- learning ---- */

/* May a neighbour have this address? Groups and our own addresses are nobody's. */
static bool is_plausible(struct netif *netif, const struct tee_ip *ip, const struct tee_mac *mac)
{
	return ip_is_valid_source(ip) && !mac_is_group(mac) && !addr_is_broadcast(netif, ip) &&
	       !netif_addr_find(netif, ip);
}

void neigh_on_solicited_by(struct netif *netif, const struct tee_ip *ip, const struct tee_mac *mac)
{
	struct neighbour *neigh;

	if (!is_plausible(netif, ip, mac))
		return;
	neigh = neigh_get(netif, ip);
	if (!neigh)
		return;
	/* RFC 4861 7.2.3: what is known and the same stays as it is. */
	if (has_mac(neigh) && mac_equal(&neigh->mac, mac))
		return;
	set_mac(neigh, mac);
	set_stale(neigh);
	send_pending(neigh);
}

void neigh_on_advert(struct netif *netif, const struct neigh_advert *advert)
{
	struct neighbour *neigh = neigh_find(netif, &advert->ip);
	bool is_new_mac;

	if (!neigh || neigh->state == NEIGH_FAILED)
		return;
	if (advert->has_mac && !is_plausible(netif, &advert->ip, &advert->mac))
		return;
	if (neigh->state == NEIGH_INCOMPLETE) {
		if (!advert->has_mac)
			return;
		set_mac(neigh, &advert->mac);
		if (advert->is_solicited)
			set_reachable(neigh);
		else
			set_stale(neigh);
		neigh->is_router = advert->is_router;
		send_pending(neigh);
		return;
	}
	/* RFC 4861 7.2.5, I and II. */
	is_new_mac = advert->has_mac && !mac_equal(&neigh->mac, &advert->mac);
	if (is_new_mac && !advert->is_override) {
		if (neigh->state == NEIGH_REACHABLE)
			set_stale(neigh);
		return;
	}
	if (is_new_mac)
		set_mac(neigh, &advert->mac);
	if (advert->is_solicited)
		set_reachable(neigh);
	else if (is_new_mac)
		set_stale(neigh);
	if (advert->has_router_flag)
		neigh->is_router = advert->is_router;
}

void neigh_confirm(struct neighbour *neigh)
{
	uint64_t now_ns = net_of(neigh)->engine->now_ns;

	/* Often called: a time that has hardly begun need not be drawn again. */
	if (neigh->state == NEIGH_REACHABLE &&
	    neigh->reachable_until_ns > now_ns + neigh->netif->reachable_ns / 4)
		return;
	if (has_mac(neigh))
		set_reachable(neigh);
}

void neigh_doubt(struct neighbour *neigh)
{
	if (neigh->state == NEIGH_REACHABLE || neigh->state == NEIGH_STALE ||
	    neigh->state == NEIGH_DELAY)
		start_probing(neigh, NEIGH_PROBE);
}

/* ---- checks ---- */

void neigh_cache_check(const struct net *net)
{
	const struct neigh_cache *cache = &net->neighbours;
	unsigned n = 0;

	LIST_FOR_EACH(node, (struct list *)&cache->lru)
	{
		const struct neighbour *neigh = neigh_of(node);
		bool has_timer = neigh->state == NEIGH_INCOMPLETE || neigh->state == NEIGH_DELAY ||
				 neigh->state == NEIGH_PROBE;

		CHECK(neigh->pending.count == 0 || neigh->state == NEIGH_INCOMPLETE);
		CHECK(neigh->pending.count <= net->engine->config.neighbour_pending_max);
		CHECK(timer_is_armed(&neigh->timer) == has_timer);
		n++;
	}
	CHECK(n == cache->count && n <= net->engine->config.neighbour_max);
}
