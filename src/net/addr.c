/* SPDX-License-Identifier: MIT */
/*
 * Addresses of interfaces: adding and removing, whether an address is ours, a broadcast or a group
 * that we listen to, and which one a packet should come from (RFC 6724 section 5, the rules that have a
 * meaning for a host without mobility and temporary addresses).
 *
 * The host model is the strong one (RFC 1122 3.3.4.2): an address belongs to its interface, and a
 * packet for it is accepted only there, or over the loopback.
 *
 * A new address is TENTATIVE until addrconf's hooks make it usable; without hooks, or on an
 * interface without neighbours, it is usable at once. A multicast group per IPv6 address on Ethernet
 * comes and goes with it (solicited-node, RFC 4291 2.7.1).
 */
#include "net/private.h"

#include <stdlib.h>
#include <string.h>
#include "base/check.h"
#include "net/trace.h"

static bool is_loopback4(const struct tee_ip *ip)
{
	return tee_ip_is4(ip) && ip->byte[12] == 127;
}

static struct netif_addr *addr_of(struct list *node)
{
	return CONTAINER_OF(node, struct netif_addr, node);
}

/* ---- finding ---- */

struct netif_addr *netif_addr_find(struct netif *netif, const struct tee_ip *ip)
{
	LIST_FOR_EACH(node, &netif->addrs)
	{
		struct netif_addr *addr = addr_of(node);

		if (memcmp(&addr->ip, ip, sizeof(*ip)) == 0)
			return addr;
	}
	return NULL;
}

struct netif_addr *net_addr_find(struct net *net, const struct tee_ip *ip)
{
	/* RFC 1122 3.2.1.3 (g): all of 127/8 is this host. */
	if (is_loopback4(ip)) {
		struct netif *loopback = net->netifs[NETIF_LOOPBACK_NUMBER - 1];

		return loopback->addr_count ? addr_of(loopback->addrs.next) : NULL;
	}
	for (unsigned i = 0; i < net->netif_count; i++) {
		struct netif_addr *addr = netif_addr_find(net->netifs[i], ip);

		if (addr && netif_addr_is_usable(addr))
			return addr;
	}
	return NULL;
}

bool net_is_local(struct net *net, const struct tee_ip *ip)
{
	return net_addr_find(net, ip) != NULL;
}

bool addr_is_broadcast(const struct netif *netif, const struct tee_ip *ip)
{
	if (!tee_ip_is4(ip))
		return false;
	if (ip_is_limited_broadcast(ip))
		return true;
	LIST_FOR_EACH(node, &netif->addrs)
	{
		const struct netif_addr *addr = addr_of(node);
		struct tee_ip broadcast;

		/* RFC 3021: a prefix of 31 bits has no broadcast address. */
		if (!tee_ip_is4(&addr->ip) || addr->prefix_bits > 30)
			continue;
		broadcast = ip_directed_broadcast(&addr->ip, addr->prefix_bits);
		if (tee_ip_equal(&broadcast, ip))
			return true;
	}
	return false;
}

bool addr_is_solicited_group(const struct netif *netif, const struct tee_ip *ip)
{
	/* ff02::1:ff00:0/104 */
	static const struct tee_ip prefix = {{0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff}};

	if (!ip_prefix_match(ip, &prefix, 104))
		return false;
	LIST_FOR_EACH(node, &netif->addrs)
	{
		const struct netif_addr *addr = addr_of(node);

		if (!tee_ip_is4(&addr->ip) && memcmp(&addr->ip.byte[13], &ip->byte[13], 3) == 0)
			return true;
	}
	return false;
}

bool net_is_group(struct net *net, const struct tee_ip *ip)
{
	if (ip_is_multicast(ip))
		return true;
	for (unsigned i = 0; i < net->netif_count; i++) {
		if (addr_is_broadcast(net->netifs[i], ip))
			return true;
	}
	return false;
}

/* ---- coming and going ---- */

void netif_addr_set_state(struct netif_addr *addr, enum tee_addr_state state)
{
	if (addr->state == state)
		return;
	addr->state = state;
	net_bump(addr->netif->net);
	net_trace_addr_state(addr);
}

/* The prefix of an address is on the link, save where addrconf alone knows (SLAAC: the L flag). */
static bool has_prefix_route(const struct netif_addr *addr)
{
	return addr->netif->kind != TEE_NETIF_LOOPBACK && addr->origin != TEE_ADDR_SLAAC &&
	       addr->prefix_bits > 0 && addr->prefix_bits < (tee_ip_is4(&addr->ip) ? 32u : 128u);
}

static bool is_assignable(const struct netif *netif, const struct tee_ip *ip, unsigned prefix_bits)
{
	if (prefix_bits > (tee_ip_is4(ip) ? 32u : 128u))
		return false;
	if (tee_ip_is_any(ip) || ip_is_multicast(ip) || ip_is_limited_broadcast(ip))
		return false;
	if (tee_ip_is4(ip) && prefix_bits <= 30) {
		struct tee_ip broadcast = ip_directed_broadcast(ip, prefix_bits);

		if (tee_ip_equal(ip, &broadcast))
			return false;
	}
	return netif->kind == TEE_NETIF_LOOPBACK || !ip_is_loopback(ip);
}

int netif_addr_add(struct netif *netif, const struct tee_ip *ip, unsigned prefix_bits,
		   enum tee_addr_origin origin, bool skip_probe, struct netif_addr **ret_addr)
{
	struct net *net = netif->net;
	struct netif_addr *addr;
	int result;

	if (!is_assignable(netif, ip, prefix_bits))
		return -TEE_EINVAL;
	if (netif_addr_find(netif, ip))
		return -TEE_EADDRINUSE;
	if (netif->addr_count == NETIF_ADDR_COUNT_MAX)
		return -TEE_ENOBUFS;
	addr = calloc(1, sizeof(*addr));
	if (!addr)
		return -TEE_ENOMEM;
	addr->netif = netif;
	addr->ip = *ip;
	addr->prefix_bits = prefix_bits;
	addr->origin = origin;
	addr->state = TEE_ADDR_TENTATIVE;
	addr->skip_probe = skip_probe || netif->kind != TEE_NETIF_ETHERNET;
	addr->preferred_until_ns = addr->valid_until_ns = TEE_NEVER;
	timer_init(&addr->timer, TIMER_ADDRESS);
	if (has_prefix_route(addr)) {
		result = route_add(netif, ip, prefix_bits, NULL, 0, ROUTE_ADDRESS);
		if (result < 0) {
			free(addr);
			return result;
		}
	}
	list_push_back(&netif->addrs, &addr->node);
	netif->addr_count++;
	if (addr->skip_probe || !net->hooks)
		netif_addr_set_state(addr, TEE_ADDR_PREFERRED);
	net_bump(net);
	mld_groups_changed(netif);
	if (net->hooks && net->hooks->addr_added)
		net->hooks->addr_added(net->hooks_context, addr);
	if (ret_addr)
		*ret_addr = addr;
	return 0;
}

static void free_addr(struct netif_addr *addr)
{
	struct netif *netif = addr->netif;
	struct net *net = netif->net;

	if (net->hooks && net->hooks->addr_removed)
		net->hooks->addr_removed(net->hooks_context, addr);
	engine_disarm(net->engine, &addr->timer);
	list_remove(&addr->node);
	netif->addr_count--;
	free(addr);
}

/* Does another address of the netif keep the route of this one's prefix? */
static bool shares_prefix_route(const struct netif_addr *addr)
{
	LIST_FOR_EACH(node, &addr->netif->addrs)
	{
		const struct netif_addr *other = addr_of(node);

		if (other != addr && other->prefix_bits == addr->prefix_bits &&
		    ip_prefix_match(&other->ip, &addr->ip, addr->prefix_bits) &&
		    has_prefix_route(other))
			return true;
	}
	return false;
}

int netif_addr_remove(struct netif *netif, const struct tee_ip *ip)
{
	struct netif_addr *addr = netif_addr_find(netif, ip);

	if (!addr)
		return -TEE_ENOENT;
	netif_addr_set_state(addr, TEE_ADDR_TENTATIVE);
	if (has_prefix_route(addr) && !shares_prefix_route(addr))
		route_remove_exact(netif, &addr->ip, addr->prefix_bits, NULL, ROUTE_ADDRESS);
	free_addr(addr);
	net_bump(netif->net);
	mld_groups_changed(netif);
	return 0;
}

void addr_free_all(struct netif *netif)
{
	LIST_FOR_EACH_SAFE(node, &netif->addrs)
	free_addr(addr_of(node));
}

int netif_addr_get(struct netif *netif, unsigned idx, struct tee_addr_info *ret_info)
{
	LIST_FOR_EACH(node, &netif->addrs)
	{
		const struct netif_addr *addr = addr_of(node);

		if (idx-- > 0)
			continue;
		*ret_info = (struct tee_addr_info){
			.ip = addr->ip,
			.prefix_bits = addr->prefix_bits,
			.state = addr->state,
			.origin = addr->origin,
			.valid_until_ns = addr->valid_until_ns,
			.conflict_mac = addr->conflict_mac,
		};
		return 0;
	}
	return -TEE_ENOENT;
}

/* ---- source selection ---- */

/* RFC 4007, RFC 6724 3.1: smaller is nearer. IPv4's in the same numbers (3.2). */
static unsigned scope_of(const struct tee_ip *ip)
{
	if (!tee_ip_is4(ip) && ip_is_multicast(ip))
		return ip->byte[1] & 0xf;
	if (ip_is_link_local(ip) || ip_is_loopback(ip))
		return 2;
	return 14;
}

/* RFC 6724 section 2.1, the labels that still occur. */
static unsigned label_of(const struct tee_ip *ip)
{
	static const struct tee_ip six_to_four = {{0x20, 0x02}}, teredo = {{0x20, 0x01, 0, 0}};

	if (tee_ip_is4(ip))
		return 4;
	if (ip_is_loopback(ip))
		return 0;
	if (ip_prefix_match(ip, &six_to_four, 16))
		return 2;
	if (ip_prefix_match(ip, &teredo, 32))
		return 5;
	if ((ip->byte[0] & 0xfe) == 0xfc)
		return 13;
	return 1;
}

static unsigned common_bits(const struct tee_ip *a, const struct tee_ip *b)
{
	unsigned bits = 0;

	for (unsigned i = 0; i < sizeof(a->byte); i++) {
		uint8_t diff = a->byte[i] ^ b->byte[i];

		if (diff == 0) {
			bits += 8;
			continue;
		}
		return bits + (unsigned)__builtin_clz(diff) - 24;
	}
	return bits;
}

/* Is `a` a better source for `dst` than `b`? Ties keep the older address. */
static bool is_better_source(const struct netif_addr *a, const struct netif_addr *b,
			     const struct tee_ip *dst)
{
	unsigned scope = scope_of(dst), scope_a = scope_of(&a->ip), scope_b = scope_of(&b->ip);
	bool is_deprecated_a = a->state == TEE_ADDR_DEPRECATED;
	bool is_deprecated_b = b->state == TEE_ADDR_DEPRECATED;
	unsigned common_a, common_b;

	/* Rule 1: the destination itself. */
	if (tee_ip_equal(&a->ip, dst) != tee_ip_equal(&b->ip, dst))
		return tee_ip_equal(&a->ip, dst);
	/* Rule 2: the smallest scope that is large enough. */
	if (scope_a != scope_b)
		return scope_a < scope_b ? scope_a >= scope : scope_b < scope;
	/* Rule 3. */
	if (is_deprecated_a != is_deprecated_b)
		return is_deprecated_b;
	/* Rule 6. */
	if ((label_of(&a->ip) == label_of(dst)) != (label_of(&b->ip) == label_of(dst)))
		return label_of(&a->ip) == label_of(dst);
	/* Rule 8, within the source's prefix. */
	common_a = common_bits(&a->ip, dst);
	common_b = common_bits(&b->ip, dst);
	if (!tee_ip_is4(dst)) {
		common_a = MIN(common_a, a->prefix_bits);
		common_b = MIN(common_b, b->prefix_bits);
	}
	return common_a > common_b;
}

const struct netif_addr *addr_select(const struct netif *netif, const struct tee_ip *dst)
{
	const struct netif_addr *best = NULL;

	LIST_FOR_EACH(node, &netif->addrs)
	{
		const struct netif_addr *addr = addr_of(node);

		if (!netif_addr_is_usable(addr) || tee_ip_is4(&addr->ip) != tee_ip_is4(dst))
			continue;
		if (!best || is_better_source(addr, best, dst))
			best = addr;
	}
	return best;
}
