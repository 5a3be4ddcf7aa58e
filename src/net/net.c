/* SPDX-License-Identifier: MIT */
/*
 * The network layer as a whole: making and freeing it, who is registered with it, and the two
 * doors' halves.
 *
 * In: net_input() takes a frame off the link header (Ethernet: is it for us, and what is it?) and
 * hands it to arp_input() or ip_input(); from there a packet goes to the protocol that is registered for
 * its number. Out: what ip_output_pkt(), ARP and ND made waits in the netif's tx queue until
 * net_output() makes frames of it. TCP's frames never wait there: ip_output_frame() finishes
 * them in place.
 *
 * net->generation is bumped whenever a path may have changed (addresses, routes, path MTUs, evicted
 * neighbours, interfaces). A net_path of an older generation must not be followed, since its
 * neighbour may be gone; net_path_refresh() finds it anew.
 */
#include "net/private.h"

#include <stdlib.h>
#include <string.h>
#include "base/check.h"
#include "pkt/frame.h"

/* ---- set-up ---- */

static int add_loopback(struct net *net)
{
	static const struct tee_ip loopback6 = {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}};
	const struct tee_netif_config config = {
		.kind = TEE_NETIF_LOOPBACK,
		.name = "lo",
		.mtu = 65535,
		.offloads = TEE_OFFLOAD_TX_CHECKSUM | TEE_OFFLOAD_TSO4 | TEE_OFFLOAD_TSO6 |
			    TEE_OFFLOAD_RX_TRUSTED,
	};
	struct netif *netif = netif_new(net, &config);

	if (!netif)
		return -TEE_ENOMEM;
	netif->is_up = true;
	if (netif_addr_add(netif, &TEE_IP4(127, 0, 0, 1), 8, TEE_ADDR_STATIC, true, NULL) < 0 ||
	    netif_addr_add(netif, &loopback6, 128, TEE_ADDR_STATIC, true, NULL) < 0)
		return -TEE_ENOMEM;
	return 0;
}

struct net *net_new(struct engine *engine)
{
	struct net *net = calloc(1, sizeof(*net));

	if (!net)
		return NULL;
	net->engine = engine;
	net->generation = 1;
	neigh_cache_init(net);
	defrag_init(net);
	pmtu_init(net);
	engine_register_timer(engine, TIMER_MLD, mld_timer, net);
	for (unsigned i = 0; i < NET_ID_BUCKETS; i++)
		net->ids[i] = (uint32_t)random_u64(&engine->random);
	net->icmp_refill_ns = engine->now_ns;
	net->icmp_credit_ns = UINT64_MAX; /* full; cut to its size at the first use */
	if (add_loopback(net) < 0) {
		net_free(net);
		return NULL;
	}
	return net;
}

void net_free(struct net *net)
{
	if (!net)
		return;
	net->hooks = NULL;
	neigh_cache_fini(net);
	defrag_fini(net);
	pmtu_fini(net);
	for (unsigned i = 0; i < net->netif_count; i++)
		netif_free(net->netifs[i]);
	free(net->routes);
	free(net);
}

void net_register(struct net *net, uint8_t ip_protocol, const struct net_protocol *protocol,
		  void *context)
{
	net->protocols[ip_protocol].ops = protocol;
	net->protocols[ip_protocol].context = context;
}

void net_set_addrconf(struct net *net, const struct net_addrconf_hooks *hooks, void *context)
{
	net->hooks = hooks;
	net->hooks_context = context;
}

void net_set_tx_room(struct net *net, void (*run)(void *context), void *context)
{
	net->tx_room = run;
	net->tx_room_context = context;
}

struct engine *net_engine(struct net *net)
{
	return net->engine;
}

uint32_t net_generation(const struct net *net)
{
	return net->generation;
}

struct netif *net_netif(struct net *net, int number)
{
	if (number < 1 || (unsigned)number > net->netif_count)
		return NULL;
	return net->netifs[number - 1];
}

struct netif *netif_at(struct net *net, unsigned idx)
{
	return idx < net->netif_count ? net->netifs[idx] : NULL;
}

/* ---- in ---- */

/* IP packets whose first nibble must say what the Ethernet type does. */
static inline void ip_version_input(struct net *net, struct netif *netif, struct tee_pkt *pkt,
				    bool is_group, unsigned version)
{
	if (pkt->len > 0 && tee_pkt_bytes(pkt)[0] >> 4 == version)
		ip_input(net, netif, pkt, is_group);
	else
		drop_pkt(net->engine, DROP_IP_MALFORMED, pkt);
}

static void ethernet_input(struct net *net, struct netif *netif, struct tee_pkt *pkt)
{
	struct ethernet eth;
	bool is_group;

	if (ethernet_parse(tee_pkt_bytes(pkt), pkt->len, &eth) < 0) {
		drop_pkt(net->engine, DROP_ETH_SHORT, pkt);
		return;
	}
	is_group = mac_is_group(&eth.dst);
	if (!is_group && !mac_equal(&eth.dst, &netif->mac)) {
		drop_pkt(net->engine, DROP_ETH_NOT_OURS, pkt);
		return;
	}
	if (eth.type == ETHERTYPE_ARP && trace_on(net->engine))
		net_trace_packet(net, TEE_TRACE_PACKET_IN, netif, pkt, true, TEE_WHY_NONE);
	pkt->off += ETHERNET_HEADER_LEN;
	pkt->len -= ETHERNET_HEADER_LEN;
	switch (eth.type) {
	case ETHERTYPE_IP4: ip_version_input(net, netif, pkt, is_group, 4); break;
	case ETHERTYPE_IP6: ip_version_input(net, netif, pkt, is_group, 6); break;
	case ETHERTYPE_ARP: arp_input(netif, pkt); break;
	default: drop_pkt(net->engine, DROP_ETH_UNKNOWN_TYPE, pkt);
	}
}

void net_input(struct net *net, struct netif *netif, struct tee_pkt *pkt)
{
	if (!netif->is_up) {
		drop_pkt(net->engine, DROP_NETIF_DOWN, pkt);
		return;
	}
	pkt->netif = (uint16_t)netif->number;
	if ((netif->offloads & TEE_OFFLOAD_RX_TRUSTED) &&
	    pkt->checksum_state == TEE_CHECKSUM_UNKNOWN)
		pkt->checksum_state = TEE_CHECKSUM_VERIFIED;
	if (netif->kind == TEE_NETIF_ETHERNET)
		ethernet_input(net, netif, pkt);
	else
		ip_input(net, netif, pkt, false);
}

/* ---- out ---- */

unsigned net_output(struct net *net, struct netif *netif, struct tee_frame *frames, unsigned n)
{
	unsigned filled = 0;

	while (filled < n) {
		struct tee_pkt *pkt = pktq_pop(&netif->tx);

		if (!pkt)
			break;
		frame_from_pkt(&frames[filled], pkt);
		frames[filled].why = (uint16_t)pkt->scratch[0];
		frames[filled].l3_off = netif->kind == TEE_NETIF_ETHERNET ? ETHERNET_HEADER_LEN : 0;
		filled++;
	}
	if (netif->tx_was_full && netif->tx.count < NETIF_TX_PKTS_MAX / 2 &&
	    netif->tx.bytes < NETIF_TX_BYTES_MAX / 2) {
		netif->tx_was_full = false;
		if (net->tx_room)
			net->tx_room(net->tx_room_context);
	}
	return filled;
}

bool net_has_output(const struct netif *netif)
{
	return netif->tx.head != NULL;
}

/* ---- checks ---- */

void net_check(struct net *net)
{
	CHECK(net->netif_count >= 1 && net->netif_count <= NETIF_COUNT_MAX);
	for (unsigned i = 0; i < net->netif_count; i++) {
		const struct netif *netif = net->netifs[i];
		unsigned addrs = 0;

		CHECK(netif->number == (int)i + 1 && netif->net == net);
		CHECK(netif->tx.count <= NETIF_TX_PKTS_MAX);
		CHECK(netif->is_up || netif->tx.count == 0);
		CHECK(netif->mtu6 <= MAX(netif->link_mtu, netif->mtu));
		LIST_FOR_EACH(node, &netif->addrs)
		{
			CHECK(CONTAINER_OF(node, struct netif_addr, node)->netif == netif);
			addrs++;
		}
		CHECK(addrs == netif->addr_count);
	}
	for (unsigned i = 1; i < net->route_count; i++) {
		const struct route *a = &net->routes[i - 1], *b = &net->routes[i];

		CHECK(a->prefix_bits > b->prefix_bits ||
		      (a->prefix_bits == b->prefix_bits && a->metric <= b->metric));
	}
	neigh_cache_check(net);
	defrag_check(net);
}
