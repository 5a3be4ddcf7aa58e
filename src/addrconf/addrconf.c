/* SPDX-License-Identifier: MIT */
/*
 * Address configuration as a whole: what net/ tells goes from here to the files that know what to
 * do with it.
 *
 *	acd.c    states of addresses: duplicate and conflict detection, lifetimes (TIMER_ADDRESS)
 *	slaac.c  link-local addresses, router advertisements (TIMER_ROUTER)
 *	dhcp.c   the DHCPv4 client (TIMER_DHCP)
 */
#include "addrconf/private.h"

#include <stdlib.h>
#include <string.h>
#include "base/check.h"

static struct ac_netif *ac_of(struct list *node)
{
	return CONTAINER_OF(node, struct ac_netif, node);
}

struct ac_netif *ac_netif_find(struct addrconf *addrconf, const struct netif *netif)
{
	LIST_FOR_EACH(node, &addrconf->netifs)
	{
		if (ac_of(node)->netif == netif)
			return ac_of(node);
	}
	return NULL;
}

struct ac_netif *ac_netif_get(struct addrconf *addrconf, struct netif *netif)
{
	struct ac_netif *ac = ac_netif_find(addrconf, netif);

	if (ac)
		return ac;
	ac = calloc(1, sizeof(*ac));
	if (!ac)
		return NULL;
	ac->addrconf = addrconf;
	ac->netif = netif;
	timer_init(&ac->router.timer, TIMER_ROUTER);
	dhcp_client_init(ac);
	list_push_back(&addrconf->netifs, &ac->node);
	return ac;
}

static void on_netif_up(void *context, struct netif *netif, bool up)
{
	struct ac_netif *ac;

	if (netif->kind != TEE_NETIF_ETHERNET)
		return;
	ac = ac_netif_get(context, netif);
	if (!ac) {
		drop(net_engine(netif->net), DROP_NO_MEMORY);
		return;
	}
	slaac_netif_up(ac, up);
	dhcp_netif_up(ac, up);
}

/* Nothing outside the address itself remembers it, save the DHCP client, which removes it itself. */
static void on_addr_removed(void *context, struct netif_addr *addr)
{
	(void)context;
	addr->phase = 0;
}

static const struct net_addrconf_hooks hooks = {
	.netif_up = on_netif_up,
	.addr_added = acd_addr_added,
	.addr_removed = on_addr_removed,
	.arp_seen = acd_arp_seen,
	.nd_conflict = acd_nd_conflict,
	.router_advert = slaac_router_advert,
};

struct addrconf *addrconf_new(struct net *net, struct udp *udp)
{
	struct addrconf *addrconf = calloc(1, sizeof(*addrconf));

	if (!addrconf)
		return NULL;
	addrconf->net = net;
	addrconf->udp = udp;
	addrconf->engine = net_engine(net);
	list_init(&addrconf->netifs);
	engine_register_timer(addrconf->engine, TIMER_ADDRESS, acd_timer, addrconf);
	engine_register_timer(addrconf->engine, TIMER_ROUTER, slaac_timer, addrconf);
	engine_register_timer(addrconf->engine, TIMER_DHCP, dhcp_timer, addrconf);
	net_set_addrconf(net, &hooks, addrconf);
	return addrconf;
}

void addrconf_free(struct addrconf *addrconf)
{
	if (!addrconf)
		return;
	net_set_addrconf(addrconf->net, NULL, NULL);
	LIST_FOR_EACH_SAFE(node, &addrconf->netifs)
	{
		struct ac_netif *ac = ac_of(node);

		engine_disarm(addrconf->engine, &ac->router.timer);
		dhcp_client_fini(ac);
		list_remove(&ac->node);
		free(ac);
	}
	free(addrconf);
}

static void add_dns(struct tee_net_info *info, const struct tee_ip *dns)
{
	if (info->dns_count < TEE_DNS_MAX)
		info->dns[info->dns_count++] = *dns;
}

void addrconf_net_info(struct addrconf *addrconf, struct netif *netif,
		       struct tee_net_info *ret_info)
{
	struct ac_netif *ac = ac_netif_find(addrconf, netif);
	const struct dhcp_client *client;

	memset(ret_info, 0, sizeof(*ret_info));
	ret_info->has_router4 = route_default_gateway(netif, 4, &ret_info->router4);
	ret_info->has_router6 = route_default_gateway(netif, 6, &ret_info->router6);
	if (!ac)
		return;
	client = &ac->dhcp;
	if (client->has_lease && client->state >= DHCP_STATE_BOUND) {
		ret_info->dhcp_bound = true;
		ret_info->dhcp_server = client->lease.server;
		ret_info->dhcp_lease_until_ns = client->lease.end_ns;
		memcpy(ret_info->domain, client->lease.domain, sizeof(ret_info->domain));
		for (unsigned i = 0; i < client->lease.dns_count; i++)
			add_dns(ret_info, &client->lease.dns[i]);
	}
	for (unsigned i = 0; i < ac->router.dns_count; i++)
		add_dns(ret_info, &ac->router.dns[i].ip);
}
