/* SPDX-License-Identifier: MIT */
/*
 * From a destination to a path: interface, next hop, neighbour, source address, MTU.
 *
 * An address of our own is reached over the loopback (RFC 1122 3.2.1.3 (g)). A source that the caller
 * names confines the search to the interface it belongs to (strong host model, RFC 1122 3.3.4.2),
 * and so does an interface number. Otherwise the routing table decides, and then the source is
 * chosen on the interface found (RFC 1122 3.3.4.3, RFC 6724).
 *
 * Groups and the limited broadcast have no route: they leave by the interface named, that of the source, that
 * of the default route, or the first one that is up.
 */
#include "net/private.h"
#include "net/route.h"

#include <string.h>
#include "base/check.h"

static struct netif *loopback_of(const struct net *net)
{
	return net->netifs[NETIF_LOOPBACK_NUMBER - 1];
}

/* The interface by which a packet to a group leaves; NULL: none. */
static struct netif *netif_for_group(const struct net *net, const struct tee_ip *dst,
				     struct netif *wanted)
{
	const struct route *route;

	if (wanted)
		return wanted;
	if (route_lookup(net, dst, NULL, &route) == 0)
		return route->netif;
	for (unsigned i = NETIF_LOOPBACK_NUMBER; i < net->netif_count; i++) {
		if (net->netifs[i]->is_up)
			return net->netifs[i];
	}
	return NULL;
}

/* Where the packet goes next, without a source yet. */
static int find_next_hop(struct net *net, const struct tee_ip *dst, struct netif *wanted,
			 struct net_path *path, struct tee_ip *ret_next_hop, bool *ret_is_group)
{
	const struct route *route = NULL;
	int result;

	*ret_is_group = ip_is_multicast(dst) || ip_is_limited_broadcast(dst);
	*ret_next_hop = *dst;
	if (*ret_is_group) {
		path->netif = netif_for_group(net, dst, wanted);
		if (!path->netif)
			return -TEE_ENETUNREACH;
	} else {
		result = route_lookup(net, dst, wanted, &route);
		if (result < 0) {
			count(net->engine, COUNT_IP_NO_ROUTE);
			return result;
		}
		path->netif = route->netif;
		if (!tee_ip_is_any(&route->gateway))
			*ret_next_hop = route->gateway;
		else
			*ret_is_group = addr_is_broadcast(route->netif, dst);
	}
	return path->netif->is_up ? 0 : -TEE_ENETDOWN;
}

static int route_to_ourselves(struct net *net, const struct tee_ip *src, const struct tee_ip *dst,
			      struct net_path *path, struct tee_ip *chosen)
{
	const struct netif_addr *own = net_addr_find(net, dst);

	/* Whoever asks for all of 127/8 comes from 127.0.0.1; any other address talks to itself. */
	if (tee_ip_is_any(src))
		*chosen = own->ip;
	path->netif = loopback_of(net);
	path->neighbour = NULL;
	path->mtu = netif_mtu_for(path->netif, tee_ip_is4(dst));
	path->generation = net->generation;
	return path->netif->is_up ? 0 : -TEE_ENETDOWN;
}

/* The interface that the search is confined to. */
static int confine(struct net *net, const struct tee_ip *src, int netif_number,
		   struct netif **ret_wanted)
{
	struct netif_addr *own;

	*ret_wanted = NULL;
	if (netif_number > 0) {
		*ret_wanted = net_netif(net, netif_number);
		if (!*ret_wanted)
			return -TEE_ENETUNREACH;
	}
	if (tee_ip_is_any(src))
		return 0;
	/* The same link-local address may be ours on several interfaces (RFC 4007). */
	own = *ret_wanted ? netif_addr_find(*ret_wanted, src) : NULL;
	if (!own || !netif_addr_is_usable(own))
		own = net_addr_find(net, src);
	if (!own)
		return -TEE_EADDRNOTAVAIL;
	/* The loopback's addresses never leave the host. */
	if (own->netif == loopback_of(net))
		return -TEE_EADDRNOTAVAIL;
	if (*ret_wanted && own->netif != *ret_wanted)
		return -TEE_EADDRNOTAVAIL;
	*ret_wanted = own->netif;
	return 0;
}

static int search(struct net *net, const struct tee_ip *src, const struct tee_ip *dst,
		  int netif_number, struct net_path *ret_path, struct tee_ip *ret_src)
{
	struct net_path path = {0};
	struct tee_ip chosen = *src, next_hop;
	struct netif *wanted;
	bool is4 = tee_ip_is4(dst), is_group;
	int result;

	if (tee_ip_is_any(dst))
		return -TEE_ENETUNREACH;
	if (!tee_ip_is_any(src) && tee_ip_is4(src) != is4)
		return -TEE_EADDRNOTAVAIL;
	if (net_is_local(net, dst)) {
		if (!tee_ip_is_any(src) && !net_is_local(net, src))
			return -TEE_EADDRNOTAVAIL;
		result = route_to_ourselves(net, src, dst, &path, &chosen);
		goto out;
	}
	if (ip_is_loopback(dst))
		return -TEE_ENETUNREACH;
	result = confine(net, src, netif_number, &wanted);
	if (result < 0)
		return result;
	result = find_next_hop(net, dst, wanted, &path, &next_hop, &is_group);
	if (result < 0)
		return result;
	if (tee_ip_is_any(src)) {
		const struct netif_addr *addr = addr_select(path.netif, dst);

		if (!addr)
			return -TEE_EADDRNOTAVAIL;
		chosen = addr->ip;
	}
	path.mtu = pmtu_lookup(net, dst, netif_mtu_for(path.netif, is4));
	if (path.netif->kind == TEE_NETIF_ETHERNET && !is_group) {
		path.neighbour = neigh_get(path.netif, &next_hop);
		if (!path.neighbour)
			return -TEE_ENOMEM;
	}
	/* Last, because making a neighbour may evict another. */
	path.generation = net->generation;
out:
	if (result < 0)
		return result;
	*ret_path = path;
	*ret_src = chosen;
	return 0;
}

/*
 * Connections to one host come in numbers, and each asks twice. All that the search looks at bumps the generation
 * when it changes, so that the answer may be kept as long as that stands.
 */
int net_route(struct net *net, const struct tee_ip *src, const struct tee_ip *dst, int netif_number,
	      struct net_path *ret_path, struct tee_ip *ret_src)
{
	struct net_way *way = &net->ways[dst->byte[15] % NET_WAY_COUNT];
	int result;

	if (way->path.generation != net->generation || way->netif_number != netif_number ||
	    memcmp(&way->dst, dst, sizeof(*dst)) != 0 ||
	    memcmp(&way->src, src, sizeof(*src)) != 0) {
		struct net_way found = {.src = *src, .dst = *dst, .netif_number = netif_number};

		result = search(net, src, dst, netif_number, &found.path, &found.chosen);
		if (result < 0)
			return result;
		*way = found;
	}
	*ret_path = way->path;
	*ret_src = way->chosen;
	return 0;
}

int net_path_refresh(struct net *net, const struct tee_ip *src, const struct tee_ip *dst,
		     struct net_path *path)
{
	struct tee_ip chosen;
	int netif_number = 0, result;

	if (path->netif && path->generation == net->generation)
		return 0;
	/* The zone of a link-local destination is the interface it was found on. */
	if (path->netif && (ip_is_link_local(dst) || ip_is_multicast(dst)) &&
	    path->netif->kind != TEE_NETIF_LOOPBACK)
		netif_number = path->netif->number;
	result = net_route(net, src, dst, netif_number, path, &chosen);
	/* A stale pointer must not stay where somebody could follow it. */
	if (result < 0)
		path->neighbour = NULL;
	return result;
}

static bool is_current(const struct net *net, const struct net_path *path)
{
	return path->neighbour && path->generation == net->generation;
}

uint32_t net_path_gso_bytes_max(const struct net_path *path, const struct tee_ip *dst)
{
	const struct netif *netif = path->netif;

	if (!netif)
		return IP_LEN_MAX;
	/* Who routes on would have to cut by software. */
	if (netif->far_gso_bytes_max > netif->gso_bytes_max && is_current(netif->net, path) &&
	    tee_ip_equal(&path->neighbour->ip, dst) &&
	    mac_equal(&path->neighbour->mac, &netif->far_mac))
		return netif->far_gso_bytes_max;
	return netif->gso_bytes_max;
}

void net_path_confirm(struct net *net, struct net_path *path)
{
	if (is_current(net, path))
		neigh_confirm(path->neighbour);
}

void net_path_doubt(struct net *net, struct net_path *path)
{
	if (is_current(net, path))
		neigh_doubt(path->neighbour);
}
