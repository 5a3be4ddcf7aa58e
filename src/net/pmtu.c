/* SPDX-License-Identifier: MIT */
/*
 * Path MTUs (RFC 1191, RFC 8201). An entry is a destination and the MTU that a believed "too big"
 * told; whether to believe is the transport's to decide (RFC 5927 section 7), before it calls
 * net_pmtu_update().
 *
 * Entries only ever lower the link's MTU. They are forgotten ten minutes after they were last lowered
 * (RFC 1191 6.3), and the oldest goes when the cache is full; both bump the generation, so that
 * connections look again and may send larger packets. One timer stands at the oldest entry's end.
 */
#include "net/private.h"
#include "net/route.h"

#include <stdlib.h>
#include <string.h>
#include "base/check.h"
#include "base/siphash.h"

struct pmtu_entry {
	struct list node; /* in cache->aged */
	struct tee_ip dst;
	uint32_t hash;
	uint32_t mtu;
	uint64_t forget_at_ns;
};

static struct pmtu_entry *entry_of(struct list *node)
{
	return CONTAINER_OF(node, struct pmtu_entry, node);
}

static uint32_t hash_of(const struct net *net, const struct tee_ip *dst)
{
	return (uint32_t)siphash(&net->engine->secret, dst, sizeof(*dst));
}

static bool entry_equal(const void *item, const void *key)
{
	return memcmp(&((const struct pmtu_entry *)item)->dst, key, sizeof(struct tee_ip)) == 0;
}

static struct pmtu_entry *find(const struct net *net, const struct tee_ip *dst)
{
	if (net->pmtu.count == 0)
		return NULL;
	return hash_find(&net->pmtu.table, hash_of(net, dst), dst, entry_equal);
}

static void forget(struct net *net, struct pmtu_entry *entry)
{
	struct pmtu_cache *cache = &net->pmtu;

	CHECK(hash_remove(&cache->table, entry->hash, entry));
	list_remove(&entry->node);
	cache->count--;
	free(entry);
	net_bump(net);
}

static void rearm(struct net *net)
{
	struct pmtu_cache *cache = &net->pmtu;

	engine_arm(net->engine, &cache->timer,
		   cache->count ? entry_of(cache->aged.next)->forget_at_ns : TEE_NEVER);
}

static void pmtu_timer(void *context, struct timer *timer)
{
	struct net *net = context;
	struct pmtu_cache *cache = &net->pmtu;

	(void)timer;
	while (cache->count && entry_of(cache->aged.next)->forget_at_ns <= net->engine->now_ns)
		forget(net, entry_of(cache->aged.next));
	rearm(net);
}

void pmtu_init(struct net *net)
{
	hash_init(&net->pmtu.table);
	list_init(&net->pmtu.aged);
	timer_init(&net->pmtu.timer, TIMER_PMTU);
	engine_register_timer(net->engine, TIMER_PMTU, pmtu_timer, net);
}

void pmtu_fini(struct net *net)
{
	while (net->pmtu.count)
		forget(net, entry_of(net->pmtu.aged.next));
	engine_disarm(net->engine, &net->pmtu.timer);
	hash_fini(&net->pmtu.table);
}

uint32_t pmtu_lookup(const struct net *net, const struct tee_ip *dst, uint32_t link_mtu)
{
	const struct pmtu_entry *entry = find(net, dst);

	return entry ? MIN(entry->mtu, link_mtu) : link_mtu;
}

uint32_t pmtu_plateau_below(uint32_t len)
{
	/* RFC 1191 table 7-1, and the sizes of today's tunnels and jumbo frames. */
	static const uint32_t plateaus[] = {65535, 32000, 17914, 9000, 8166, 4352, 2002, 1500, 1492,
					    1480,  1420,  1280,  1006, 576,  508,  296,  68};

	for (size_t i = 0; i < ARRAY_LEN(plateaus); i++) {
		if (plateaus[i] < len)
			return plateaus[i];
	}
	return 68;
}

/* The link's MTU on the way to `dst`. */
static uint32_t link_mtu_to(struct net *net, const struct tee_ip *dst)
{
	const struct route *route;

	if (net_is_local(net, dst) || route_lookup(net, dst, NULL, &route) < 0)
		return 65535;
	return netif_mtu_for(route->netif, tee_ip_is4(dst));
}

static struct pmtu_entry *find_or_make(struct net *net, const struct tee_ip *dst)
{
	struct pmtu_cache *cache = &net->pmtu;
	struct pmtu_entry *entry = find(net, dst);

	if (entry) {
		list_remove(&entry->node);
		list_push_back(&cache->aged, &entry->node);
		return entry;
	}
	if (cache->count >= PMTU_ENTRIES_MAX)
		forget(net, entry_of(cache->aged.next));
	entry = calloc(1, sizeof(*entry));
	if (!entry)
		return NULL;
	entry->dst = *dst;
	entry->hash = hash_of(net, dst);
	if (hash_insert(&cache->table, entry->hash, entry) < 0) {
		free(entry);
		return NULL;
	}
	list_push_back(&cache->aged, &entry->node);
	cache->count++;
	return entry;
}

uint32_t net_pmtu_update(struct net *net, const struct tee_ip *dst, uint32_t mtu, uint32_t was_len)
{
	bool is4 = tee_ip_is4(dst);
	uint32_t known = pmtu_lookup(net, dst, link_mtu_to(net, dst));
	struct pmtu_entry *entry;

	/* RFC 1191 section 5: a router that does not tell; the quoted length bounds the guess. */
	if (mtu == 0)
		mtu = pmtu_plateau_below(MIN(was_len, known));
	/* RFC 8201 section 4: below 1280 a message is not to be believed so far. */
	mtu = MAX(mtu, is4 ? (uint32_t)PMTU_MIN4 : (uint32_t)PMTU_MIN6);
	if (mtu >= known)
		return known;
	entry = find_or_make(net, dst);
	if (!entry)
		return known;
	entry->mtu = mtu;
	entry->forget_at_ns = net->engine->now_ns + PMTU_AGE_NS;
	count(net->engine, COUNT_PMTU_CHANGED);
	net_bump(net);
	rearm(net);
	return mtu;
}
