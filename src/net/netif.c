/* SPDX-License-Identifier: MIT */
/*
 * Network interfaces: making them, up and down, their MTUs, and the queue of frames that wait for
 * net_output().
 *
 * A netif's queue is bounded in packets and bytes. A sender that is refused may want to know when
 * there is room again (UDP does, its sockets become writable then): tx_was_full remembers.
 */
#include "net/private.h"

#include <stdlib.h>
#include <string.h>
#include "base/check.h"

enum { MTU_MIN = 68, MTU_MAX = IP_LEN_MAX }; /* RFC 791: every module forwards 68 bytes */

int netif_number(const struct netif *netif)
{
	return netif->number;
}

unsigned netif_offloads(const struct netif *netif)
{
	return netif->offloads;
}

struct netif *netif_new(struct net *net, const struct tee_netif_config *config)
{
	struct netif *netif;

	if (net->netif_count == NETIF_COUNT_MAX)
		return NULL;
	netif = calloc(1, sizeof(*netif));
	if (!netif)
		return NULL;
	netif->net = net;
	netif->kind = config->kind;
	memcpy(netif->name, config->name, sizeof(netif->name));
	netif->name[sizeof(netif->name) - 1] = '\0';
	netif->mac = config->mac;
	netif->shares_mac = config->shares_mac;
	netif->shares_address = config->shares_address;
	netif->link_mtu = netif->mtu = netif->mtu6 = config->mtu;
	netif->offloads = config->offloads;
	netif->gso_bytes_max = config->gso_bytes_max ? config->gso_bytes_max : IP_LEN_MAX;
	netif->far_gso_bytes_max = config->far_gso_bytes_max;
	netif->far_mac = config->far_mac;
	/* RFC 4861 section 10: REACHABLE_TIME and RETRANS_TIMER. */
	netif->reachable_ns = 30 * TEE_NS_PER_S;
	netif->retrans_ns = TEE_NS_PER_S;
	pktq_init(&netif->tx);
	list_init(&netif->addrs);
	timer_init(&netif->mld_timer, TIMER_MLD);
	net->netifs[net->netif_count++] = netif;
	netif->number = (int)net->netif_count;
	return netif;
}

void netif_free(struct netif *netif)
{
	addr_free_all(netif);
	engine_disarm(netif->net->engine, &netif->mld_timer);
	pktq_clear(&netif->tx);
	free(netif);
}

int netif_add(struct net *net, const struct tee_netif_config *config)
{
	struct netif *netif;

	if (config->mtu < MTU_MIN || config->mtu > MTU_MAX || config->gso_bytes_max > IP_LEN_MAX ||
	    config->far_gso_bytes_max > TEE_GSO_BYTES_MAX)
		return -TEE_EINVAL;
	if (config->kind != TEE_NETIF_ETHERNET && config->kind != TEE_NETIF_RAW_IP)
		return -TEE_EINVAL;
	if (config->kind == TEE_NETIF_ETHERNET && mac_is_group(&config->mac))
		return -TEE_EINVAL;
	if (net->netif_count == NETIF_COUNT_MAX)
		return -TEE_ENOBUFS;
	netif = netif_new(net, config);
	return netif ? netif->number : -TEE_ENOMEM;
}

/* The addresses of an interface that comes up are probed as if they were new. */
static void restart_addresses(struct netif *netif)
{
	struct net *net = netif->net;

	LIST_FOR_EACH(node, &netif->addrs)
	{
		struct netif_addr *addr = CONTAINER_OF(node, struct netif_addr, node);

		if (!net->hooks || !net->hooks->addr_added)
			continue;
		if (!addr->skip_probe)
			addr->state = TEE_ADDR_TENTATIVE;
		net->hooks->addr_added(net->hooks_context, addr);
	}
}

void netif_set_up(struct netif *netif, bool up)
{
	struct net *net = netif->net;

	if (netif->is_up == up)
		return;
	netif->is_up = up;
	net_bump(net);
	if (!up) {
		pktq_clear(&netif->tx);
		neigh_flush(netif);
		engine_disarm(net->engine, &netif->mld_timer);
		netif->mld_reports_left = 0;
	} else {
		restart_addresses(netif);
		mld_groups_changed(netif);
	}
	if (net->hooks && net->hooks->netif_up)
		net->hooks->netif_up(net->hooks_context, netif, up);
}

void netif_set_mtu(struct netif *netif, uint32_t mtu)
{
	/* RFC 2132 5.1: the smallest legal value is 68; less than 576 helps nobody but an attacker. */
	uint32_t value = mtu == 0 ? netif->link_mtu : MIN(MAX(mtu, PMTU_MIN4), netif->link_mtu);

	if (value != netif->mtu) {
		netif->mtu = value;
		net_bump(netif->net);
	}
}

void netif_set_mtu6(struct netif *netif, uint32_t mtu)
{
	uint32_t value = mtu == 0 ? netif->link_mtu : MIN(MAX(mtu, PMTU_MIN6), netif->link_mtu);

	if (value != netif->mtu6) {
		netif->mtu6 = value;
		net_bump(netif->net);
	}
}

int netif_transmit(struct netif *netif, struct tee_pkt *pkt, enum tee_why why)
{
	struct engine *engine = netif->net->engine;

	if (!netif->is_up) {
		drop_pkt(engine, DROP_NETIF_DOWN, pkt);
		return -TEE_ENETDOWN;
	}
	if (netif->tx.count >= NETIF_TX_PKTS_MAX || netif->tx.bytes >= NETIF_TX_BYTES_MAX) {
		netif->tx_was_full = true;
		drop_pkt(engine, DROP_TX_QUEUE_FULL, pkt);
		return -TEE_ENOBUFS;
	}
	/* net_output() hands it on to the frame. */
	pkt->scratch[0] = why;
	pktq_push(&netif->tx, pkt);
	return 0;
}
