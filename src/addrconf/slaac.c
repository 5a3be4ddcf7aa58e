/* SPDX-License-Identifier: MIT */
/*
 * IPv6 by itself: the link-local address of an Ethernet interface, and what routers advertise: default
 * routers, prefixes that are on the link, prefixes to make addresses from (RFC 4862), MTU, hop
 * limit, DNS servers (RFC 8106).
 *
 * When the link-local address has proved to be unique, up to three solicitations go out four seconds apart
 * (RFC 4861 6.3.7), until an advertisement comes. Everything an advertisement tells has a lifetime; the interface's
 * one timer (TIMER_ROUTER) stands at the nearest end or the next solicitation. Lifetimes of
 * addresses are the addresses' own (acd.c).
 *
 * All lists are short and fixed, so that a flood of forged advertisements costs nothing more
 * than a wrong route (RFC 6104 says where such a flood must be stopped).
 */
#include "addrconf/private.h"

#include <string.h>
#include "base/check.h"
#include "base/siphash.h"
#include "wire/ip.h"

/* RFC 4861 section 10. */
enum { SOLICITS_MAX = 3, REACHABLE_MS_MAX = 3600000, MTU6_MIN = 1280 };
#define SOLICIT_INTERVAL_NS (4 * TEE_NS_PER_S)
#define TWO_HOURS_NS        (7200 * TEE_NS_PER_S)
enum { LIFETIME_INFINITE = 0xffffffff, SLAAC_PREFIX_BITS = 64, ADVERT_METRIC = 1024 };

static const struct tee_ip link_local_prefix = {{0xfe, 0x80}};

static struct engine *engine_of(const struct ac_netif *ac)
{
	return ac->addrconf->engine;
}

static uint64_t lifetime_end(const struct ac_netif *ac, uint32_t lifetime_s)
{
	if (lifetime_s == LIFETIME_INFINITE)
		return TEE_NEVER;
	return engine_of(ac)->now_ns + lifetime_s * TEE_NS_PER_S;
}

/*
 * The address that we take in a prefix: its lower half is opaque (RFC 7217), by the stack's secret. An
 * interface identifier made from the MAC would be the host's too, where we share its interface and MAC
 * with its kernel: both would own one address, and duplicate detection could not tell, because what a
 * host sends doesn't come back to it. With a configured secret it is the same in every run.
 */
static struct tee_ip address_in(const struct ac_netif *ac, const struct tee_ip *prefix)
{
	struct {
		char use[8];
		uint8_t prefix[8], mac[8];
	} input = {.use = "slaac"};
	struct tee_ip ip = *prefix;
	uint64_t identifier;

	memcpy(input.prefix, prefix->byte, sizeof(input.prefix));
	memcpy(input.mac, ac->netif->mac.byte, sizeof(ac->netif->mac.byte));
	identifier = siphash(&engine_of(ac)->secret, &input, sizeof(input));
	memcpy(ip.byte + 8, &identifier, sizeof(identifier));
	return ip;
}

/* The timer at whatever comes first. */
static void rearm(struct ac_netif *ac)
{
	struct router_state *state = &ac->router;
	uint64_t next_ns = state->solicits_left > 0 ? state->solicit_at_ns : TEE_NEVER;

	for (unsigned i = 0; i < state->router_count; i++)
		next_ns = MIN(next_ns, state->routers[i].until_ns);
	for (unsigned i = 0; i < state->prefix_count; i++)
		next_ns = MIN(next_ns, state->prefixes[i].until_ns);
	for (unsigned i = 0; i < state->dns_count; i++)
		next_ns = MIN(next_ns, state->dns[i].until_ns);
	engine_arm(engine_of(ac), &state->timer, next_ns);
}

/* ---- routers ---- */

static void remove_router(struct ac_netif *ac, unsigned idx)
{
	struct router_state *state = &ac->router;

	route_remove_exact(ac->netif, &TEE_IP_ANY, 0, &state->routers[idx].ip, ROUTE_ADVERT);
	state->routers[idx] = state->routers[--state->router_count];
}

/* RFC 4861 6.3.4. */
static void update_router(struct ac_netif *ac, const struct tee_ip *router, uint16_t lifetime_s)
{
	struct router_state *state = &ac->router;
	unsigned i = 0;

	while (i < state->router_count && !tee_ip_equal(&state->routers[i].ip, router))
		i++;
	if (lifetime_s == 0) {
		if (i < state->router_count)
			remove_router(ac, i);
		return;
	}
	if (i == state->router_count) {
		if (i == ROUTERS_MAX ||
		    route_add(ac->netif, &TEE_IP_ANY, 0, router, ADVERT_METRIC, ROUTE_ADVERT) < 0)
			return;
		state->routers[state->router_count++].ip = *router;
	}
	state->routers[i].until_ns = lifetime_end(ac, lifetime_s);
}

/* ---- prefixes ---- */

static void remove_prefix(struct ac_netif *ac, unsigned idx)
{
	struct router_state *state = &ac->router;
	struct ra_prefix *prefix = &state->prefixes[idx];

	route_remove_exact(ac->netif, &prefix->prefix, prefix->bits, NULL, ROUTE_ADVERT);
	*prefix = state->prefixes[--state->prefix_count];
}

static void update_on_link(struct ac_netif *ac, const struct nd_prefix *advert)
{
	struct router_state *state = &ac->router;
	unsigned i = 0;

	while (i < state->prefix_count &&
	       (state->prefixes[i].bits != advert->bits ||
		!ip_prefix_match(&advert->prefix, &state->prefixes[i].prefix, advert->bits)))
		i++;
	if (advert->valid_s == 0) {
		if (i < state->prefix_count)
			remove_prefix(ac, i);
		return;
	}
	if (i == state->prefix_count) {
		if (i == PREFIXES_MAX || route_add(ac->netif, &advert->prefix, advert->bits, NULL,
						   ADVERT_METRIC, ROUTE_ADVERT) < 0)
			return;
		state->prefixes[i].prefix = advert->prefix;
		state->prefixes[i].bits = advert->bits;
		state->prefix_count++;
	}
	state->prefixes[i].until_ns = lifetime_end(ac, advert->valid_s);
}

/* RFC 4862 5.5.3 (e): a forged advertisement can't shorten a lifetime below two hours. */
static uint64_t new_valid_end(const struct ac_netif *ac, const struct netif_addr *addr,
			      uint32_t valid_s)
{
	uint64_t now_ns = engine_of(ac)->now_ns, end_ns = lifetime_end(ac, valid_s);
	uint64_t left_ns = addr->valid_until_ns - now_ns;

	if (end_ns > addr->valid_until_ns || end_ns - now_ns > TWO_HOURS_NS)
		return end_ns;
	return left_ns <= TWO_HOURS_NS ? addr->valid_until_ns : now_ns + TWO_HOURS_NS;
}

static unsigned count_slaac(const struct netif *netif)
{
	unsigned n = 0;

	LIST_FOR_EACH(node, (struct list *)&netif->addrs)
	n += CONTAINER_OF(node, struct netif_addr, node)->origin == TEE_ADDR_SLAAC;
	return n;
}

static void update_autonomous(struct ac_netif *ac, const struct nd_prefix *advert)
{
	struct tee_ip ip = address_in(ac, &advert->prefix);
	struct netif_addr *addr = netif_addr_find(ac->netif, &ip);

	/* RFC 4862 5.5.3 (c), (d). */
	if (advert->preferred_s > advert->valid_s || advert->bits != SLAAC_PREFIX_BITS)
		return;
	if (addr) {
		/* One that the user gave is the user's. */
		if (addr->origin != TEE_ADDR_SLAAC)
			return;
		addr->valid_until_ns = new_valid_end(ac, addr, advert->valid_s);
		addr->preferred_until_ns = lifetime_end(ac, advert->preferred_s);
		acd_rearm_lifetime(ac->addrconf, addr);
		return;
	}
	if (advert->valid_s == 0 || count_slaac(ac->netif) >= SLAAC_ADDRS_MAX)
		return;
	if (netif_addr_add(ac->netif, &ip, advert->bits, TEE_ADDR_SLAAC, false, &addr) < 0)
		return;
	addr->valid_until_ns = lifetime_end(ac, advert->valid_s);
	addr->preferred_until_ns = lifetime_end(ac, advert->preferred_s);
	acd_rearm_lifetime(ac->addrconf, addr);
}

/* ---- DNS servers ---- */

static void remove_dns(struct ac_netif *ac, unsigned idx)
{
	struct router_state *state = &ac->router;

	state->dns_count--;
	for (; idx < state->dns_count; idx++)
		state->dns[idx] = state->dns[idx + 1];
}

static void update_dns(struct ac_netif *ac, const struct tee_ip *server, uint32_t lifetime_s)
{
	struct router_state *state = &ac->router;
	unsigned i = 0;

	while (i < state->dns_count && !tee_ip_equal(&state->dns[i].ip, server))
		i++;
	if (lifetime_s == 0) {
		if (i < state->dns_count)
			remove_dns(ac, i);
		return;
	}
	if (i == state->dns_count) {
		if (i == TEE_DNS_MAX || tee_ip_is_any(server) || ip_is_multicast(server))
			return;
		state->dns[i].ip = *server;
		state->dns_count++;
	}
	state->dns[i].until_ns = lifetime_end(ac, lifetime_s);
}

/* ---- the message ---- */

void slaac_router_advert(void *context, struct netif *netif, const struct tee_ip *router,
			 const struct nd_message *nd)
{
	struct addrconf *addrconf = context;
	struct ac_netif *ac = ac_netif_get(addrconf, netif);

	if (!ac || !addrconf->engine->config.ipv6_slaac)
		return;
	/* A router without a lifetime is none; another may still be there (RFC 4861 6.3.7). */
	if (nd->router_lifetime_s > 0)
		ac->router.solicits_left = 0;
	if (nd->hop_limit)
		netif->hop_limit6 = nd->hop_limit;
	if (nd->reachable_ms && nd->reachable_ms <= REACHABLE_MS_MAX)
		netif->reachable_ns = nd->reachable_ms * TEE_NS_PER_MS;
	/* Less than a millisecond between solicitations would be a flood. */
	if (nd->retrans_ms && nd->retrans_ms <= REACHABLE_MS_MAX)
		netif->retrans_ns = nd->retrans_ms * TEE_NS_PER_MS;
	if (nd->mtu >= MTU6_MIN)
		netif_set_mtu6(netif, nd->mtu);
	update_router(ac, router, nd->router_lifetime_s);
	for (unsigned i = 0; i < nd->prefix_count; i++) {
		const struct nd_prefix *prefix = &nd->prefixes[i];

		if (ip_is_link_local(&prefix->prefix) || ip_is_multicast(&prefix->prefix))
			continue;
		if (prefix->on_link && prefix->bits > 0)
			update_on_link(ac, prefix);
		if (prefix->autonomous)
			update_autonomous(ac, prefix);
	}
	for (unsigned i = 0; i < nd->rdnss_count; i++)
		update_dns(ac, &nd->rdnss[i], nd->rdnss_lifetime_s);
	rearm(ac);
}

/* ---- the interface ---- */

static void forget_all(struct ac_netif *ac)
{
	while (ac->router.router_count > 0)
		remove_router(ac, 0);
	while (ac->router.prefix_count > 0)
		remove_prefix(ac, 0);
	ac->router.dns_count = 0;
	ac->router.solicits_left = 0;
	LIST_FOR_EACH_SAFE(node, &ac->netif->addrs)
	{
		struct netif_addr *addr = CONTAINER_OF(node, struct netif_addr, node);

		if (addr->origin == TEE_ADDR_SLAAC)
			netif_addr_remove(ac->netif, &addr->ip);
	}
	netif_set_mtu6(ac->netif, 0);
	ac->netif->hop_limit6 = 0;
	engine_disarm(engine_of(ac), &ac->router.timer);
}

void slaac_netif_up(struct ac_netif *ac, bool up)
{
	struct tee_ip ip = address_in(ac, &link_local_prefix);

	if (!up) {
		/* It may come back on another network. */
		forget_all(ac);
		return;
	}
	if (!engine_of(ac)->config.ipv6_slaac || netif_addr_find(ac->netif, &ip))
		return;
	if (netif_addr_add(ac->netif, &ip, SLAAC_PREFIX_BITS, TEE_ADDR_LINK_LOCAL, false, NULL) < 0)
		drop(engine_of(ac), DROP_NO_MEMORY);
}

void slaac_start_soliciting(struct ac_netif *ac)
{
	/* Duplicate detection has waited its random time already (RFC 4861 6.3.7). */
	if (!engine_of(ac)->config.ipv6_slaac || ac->router.router_count > 0)
		return;
	ac->router.solicits_left = SOLICITS_MAX;
	ac->router.solicit_at_ns = engine_of(ac)->now_ns;
	rearm(ac);
}

static void expire(struct ac_netif *ac)
{
	struct router_state *state = &ac->router;
	uint64_t now_ns = engine_of(ac)->now_ns;

	for (unsigned i = state->router_count; i-- > 0;) {
		if (state->routers[i].until_ns <= now_ns)
			remove_router(ac, i);
	}
	for (unsigned i = state->prefix_count; i-- > 0;) {
		if (state->prefixes[i].until_ns <= now_ns)
			remove_prefix(ac, i);
	}
	for (unsigned i = state->dns_count; i-- > 0;) {
		if (state->dns[i].until_ns <= now_ns)
			remove_dns(ac, i);
	}
}

void slaac_timer(void *context, struct timer *timer)
{
	struct ac_netif *ac = CONTAINER_OF(timer, struct ac_netif, router.timer);
	struct router_state *state = &ac->router;

	(void)context;
	expire(ac);
	if (state->solicits_left > 0 && state->solicit_at_ns <= engine_of(ac)->now_ns) {
		nd_send_router_solicit(ac->netif);
		state->solicits_left--;
		state->solicit_at_ns = engine_of(ac)->now_ns + SOLICIT_INTERVAL_NS;
	}
	rearm(ac);
}
