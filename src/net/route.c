/* SPDX-License-Identifier: MIT */
/*
 * The routing table: an array in the order in which it is searched, longest prefix first, then the
 * lower metric, then the older. The first match wins, except that a router which does not answer
 * is passed over while another of the same prefix may (RFC 1122 3.3.1.4, RFC 4861 6.3.6).
 *
 * A host's table is short and is asked only when a path is made or has become stale, so a search
 * in order is the right size of machine.
 */
#include "net/private.h"
#include "net/route.h"

#include <stdlib.h>
#include <string.h>
#include "base/check.h"

static unsigned bits_max(const struct tee_ip *ip)
{
	return tee_ip_is4(ip) ? 32 : 128;
}

/* The address with its host bits cleared; `bits` of its own family. */
static struct tee_ip prefix_of(const struct tee_ip *ip, unsigned bits)
{
	struct tee_ip prefix = *ip;
	unsigned start = bits + (tee_ip_is4(ip) ? 96 : 0);

	for (unsigned i = 0; i < sizeof(prefix.byte); i++) {
		unsigned keep = start > i * 8 ? MIN(start - i * 8, 8u) : 0;

		prefix.byte[i] &= (uint8_t)(0xff00 >> keep);
	}
	return prefix;
}

static struct tee_ip gateway_of(const struct tee_ip *gateway)
{
	return gateway && !tee_ip_is_any(gateway) ? *gateway : TEE_IP_ANY;
}

static bool is_on_link(const struct route *route)
{
	return tee_ip_is_any(&route->gateway);
}

static void remove_at(struct net *net, unsigned idx)
{
	net->route_count--;
	memmove(&net->routes[idx], &net->routes[idx + 1],
		(net->route_count - idx) * sizeof(net->routes[0]));
	net_bump(net);
}

static bool is_same(const struct route *a, const struct route *b)
{
	return a->netif == b->netif && a->prefix_bits == b->prefix_bits &&
	       tee_ip_equal(&a->prefix, &b->prefix) && tee_ip_equal(&a->gateway, &b->gateway) &&
	       a->origin == b->origin;
}

static int reserve(struct net *net)
{
	unsigned capacity = net->route_capacity ? net->route_capacity * 2 : 8;
	struct route *routes;

	if (net->route_count >= net->engine->config.route_max)
		return -TEE_ENOBUFS;
	if (net->route_count < net->route_capacity)
		return 0;
	routes = realloc(net->routes, capacity * sizeof(*routes));
	if (!routes)
		return -TEE_ENOMEM;
	net->routes = routes;
	net->route_capacity = capacity;
	return 0;
}

int route_add(struct netif *netif, const struct tee_ip *prefix, unsigned prefix_bits,
	      const struct tee_ip *gateway, unsigned metric, enum route_origin origin)
{
	struct net *net = netif->net;
	struct route route = {
		.gateway = gateway_of(gateway),
		.netif = netif,
		.prefix_bits = prefix_bits,
		.metric = metric,
		.origin = origin,
	};
	unsigned at = 0;
	int result;

	if (prefix_bits > bits_max(prefix))
		return -TEE_EINVAL;
	if (!is_on_link(&route) &&
	    (tee_ip_is4(gateway) != tee_ip_is4(prefix) || ip_is_multicast(gateway)))
		return -TEE_EINVAL;
	route.prefix = prefix_of(prefix, prefix_bits);
	for (unsigned i = 0; i < net->route_count; i++) {
		if (!is_same(&net->routes[i], &route))
			continue;
		if (net->routes[i].metric == metric)
			return 0;
		remove_at(net, i);
		break;
	}
	result = reserve(net);
	if (result < 0)
		return result;
	while (at < net->route_count &&
	       (net->routes[at].prefix_bits > prefix_bits ||
		(net->routes[at].prefix_bits == prefix_bits && net->routes[at].metric <= metric)))
		at++;
	memmove(&net->routes[at + 1], &net->routes[at],
		(net->route_count - at) * sizeof(net->routes[0]));
	net->routes[at] = route;
	net->route_count++;
	net_bump(net);
	return 0;
}

int route_remove(struct netif *netif, const struct tee_ip *prefix, unsigned prefix_bits)
{
	struct net *net = netif->net;
	struct tee_ip wanted = prefix_of(prefix, MIN(prefix_bits, bits_max(prefix)));
	bool found = false;

	for (unsigned i = net->route_count; i-- > 0;) {
		const struct route *route = &net->routes[i];

		if (route->netif != netif || route->prefix_bits != prefix_bits ||
		    !tee_ip_equal(&route->prefix, &wanted))
			continue;
		remove_at(net, i);
		found = true;
	}
	return found ? 0 : -TEE_ENOENT;
}

int route_remove_exact(struct netif *netif, const struct tee_ip *prefix, unsigned prefix_bits,
		       const struct tee_ip *gateway, enum route_origin origin)
{
	struct net *net = netif->net;
	struct route wanted = {
		.prefix = prefix_of(prefix, MIN(prefix_bits, bits_max(prefix))),
		.gateway = gateway_of(gateway),
		.netif = netif,
		.prefix_bits = prefix_bits,
		.origin = origin,
	};

	for (unsigned i = 0; i < net->route_count; i++) {
		if (is_same(&net->routes[i], &wanted)) {
			remove_at(net, i);
			return 0;
		}
	}
	return -TEE_ENOENT;
}

bool route_default_gateway(struct netif *netif, unsigned version, struct tee_ip *ret_gateway)
{
	const struct net *net = netif->net;

	for (unsigned i = 0; i < net->route_count; i++) {
		const struct route *route = &net->routes[i];

		if (route->netif != netif || route->prefix_bits > 0 || is_on_link(route) ||
		    tee_ip_is4(&route->gateway) != (version == 4))
			continue;
		*ret_gateway = route->gateway;
		return true;
	}
	return false;
}

/* Has the route's gateway lately failed to answer? */
static bool gateway_has_failed(const struct route *route)
{
	const struct neighbour *neigh;

	if (is_on_link(route) || route->netif->kind != TEE_NETIF_ETHERNET)
		return false;
	neigh = neigh_find(route->netif, &route->gateway);
	return neigh && neigh->has_failed;
}

int route_lookup(const struct net *net, const struct tee_ip *dst, const struct netif *netif,
		 const struct route **ret_route)
{
	const struct route *second_best = NULL;
	bool is_down = false;

	for (unsigned i = 0; i < net->route_count; i++) {
		const struct route *route = &net->routes[i];

		if (netif && route->netif != netif)
			continue;
		if (second_best && route->prefix_bits < second_best->prefix_bits)
			break;
		if (!ip_prefix_match(dst, &route->prefix, route->prefix_bits))
			continue;
		if (!route->netif->is_up) {
			is_down = true;
			continue;
		}
		if (gateway_has_failed(route)) {
			if (!second_best)
				second_best = route;
			continue;
		}
		*ret_route = route;
		return 0;
	}
	if (!second_best)
		return is_down ? -TEE_ENETDOWN : -TEE_ENETUNREACH;
	*ret_route = second_best;
	return 0;
}
