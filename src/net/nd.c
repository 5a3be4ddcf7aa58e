/* SPDX-License-Identifier: MIT */
/*
 * Neighbour discovery's messages (RFC 4861): solicitations answered, advertisements given to the neighbour
 * cache and, where they bear on an address of ours, to addrconf; router advertisements handed to
 * addrconf, which knows what prefixes and lifetimes mean.
 *
 * Validation is of sections 6.1 and 7.1; nd_parse() has done what the message alone can tell. A
 * message of hop limit below 255 came through a router and is a forgery.
 */
#include "net/private.h"

#include "base/byteorder.h"
#include "base/check.h"
#include "wire/checksum.h"

enum { ND_HOP_LIMIT = 255, ND_LEN_MAX = 72 };

/* ff02::1 and ff02::2 */
static const struct tee_ip all_nodes = {{0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}};
static const struct tee_ip all_routers = {{0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2}};

/* ---- out ---- */

/* `mac` NULL: that of the group `dst`. `src` any: the unspecified address. */
static void send_message(struct netif *netif, const struct nd_message *nd, const struct tee_ip *src,
			 const struct tee_ip *dst, const struct tee_mac *mac, enum tee_why why)
{
	struct engine *engine = netif->net->engine;
	struct tee_pkt *pkt = tee_pkt_new(engine->pool, ND_LEN_MAX);
	struct tee_mac group_mac = mac_of_multicast(dst);
	struct ip_out out = {
		.src = *src,
		.dst = *dst,
		.protocol = IP_PROTO_ICMP6,
		.ttl = ND_HOP_LIMIT,
		.why = why,
	};
	uint64_t sum;
	uint8_t *at;

	if (!pkt) {
		drop(engine, DROP_NO_MEMORY);
		return;
	}
	at = tee_pkt_bytes(pkt);
	pkt->len = (uint32_t)nd_write(at, nd);
	sum = checksum_pseudo(src, dst, IP_PROTO_ICMP6, pkt->len);
	store_be16(at + 2, checksum_finish(checksum_add(sum, at, pkt->len)));
	count(engine, COUNT_ND_OUT);
	ip_output_link(netif, mac ? mac : &group_mac, pkt, &out);
}

void nd_solicit(struct netif *netif, const struct tee_ip *target, const struct tee_mac *mac)
{
	const struct netif_addr *source = addr_select(netif, target);
	struct tee_ip dst = mac ? *target : ip6_solicited_node(target);
	struct nd_message nd = {
		.type = ICMP6_NEIGHBOUR_SOLICIT,
		.target = *target,
		.has_source_mac = true,
		.source_mac = netif->mac,
	};

	/* Without a source it would be a duplicate detection. */
	if (source)
		send_message(netif, &nd, &source->ip, &dst, mac, TEE_WHY_ND_SOLICIT);
}

void nd_send_dad(struct netif *netif, const struct tee_ip *target)
{
	struct tee_ip dst = ip6_solicited_node(target);
	struct nd_message nd = {.type = ICMP6_NEIGHBOUR_SOLICIT, .target = *target};

	send_message(netif, &nd, &TEE_IP_ANY, &dst, NULL, TEE_WHY_ND_DAD);
}

void nd_send_router_solicit(struct netif *netif)
{
	const struct netif_addr *source = addr_select(netif, &all_routers);
	struct nd_message nd = {
		.type = ICMP6_ROUTER_SOLICIT,
		/* RFC 4861 4.1: not with the unspecified address. */
		.has_source_mac = source != NULL,
		.source_mac = netif->mac,
	};

	send_message(netif, &nd, source ? &source->ip : &TEE_IP_ANY, &all_routers, NULL,
		     TEE_WHY_ROUTER_SOLICIT);
}

static void send_advert(struct netif *netif, const struct tee_ip *target, const struct tee_ip *to,
			const struct tee_mac *mac)
{
	bool is_to_all = tee_ip_is_any(to);
	struct nd_message nd = {
		.type = ICMP6_NEIGHBOUR_ADVERT,
		.target = *target,
		.solicited = !is_to_all,
		.override = true,
		.has_target_mac = true,
		.target_mac = netif->mac,
	};

	send_message(netif, &nd, target, is_to_all ? &all_nodes : to, is_to_all ? NULL : mac,
		     TEE_WHY_ND_ADVERT);
}

/* ---- in ---- */

/* Of the frame that the packet came in. */
static struct tee_mac link_source(const struct ip_packet *packet)
{
	const uint8_t *frame = tee_pkt_bytes(packet->pkt) - packet->ip.header_len -
			       ETHERNET_HEADER_LEN;
	struct ethernet eth = {0};

	ethernet_parse(frame, ETHERNET_HEADER_LEN, &eth);
	return eth.src;
}

static void conflict(struct net *net, struct netif_addr *addr, const struct tee_mac *mac)
{
	if (net->hooks && net->hooks->nd_conflict)
		net->hooks->nd_conflict(net->hooks_context, addr, mac);
}

/* RFC 4861 7.1.1, 7.2.3, 7.2.4; RFC 4862 5.4.3. */
static void solicit_input(struct ip_packet *packet, struct net *net, const struct nd_message *nd)
{
	struct netif *netif = packet->netif;
	const struct tee_ip *src = &packet->ip.src;
	struct netif_addr *addr = netif_addr_find(netif, &nd->target);
	struct tee_mac mac = link_source(packet);
	bool is_dad = tee_ip_is_any(src);

	if (is_dad && (nd->has_source_mac || !ip_is_multicast(&packet->ip.dst))) {
		drop(net->engine, DROP_ND_MALFORMED);
		return;
	}
	if (!addr || mac_equal(&mac, &netif->mac))
		return;
	if (!netif_addr_is_usable(addr)) {
		/* Two who want the same address at once: neither gets it. */
		if (is_dad && addr->state == TEE_ADDR_TENTATIVE)
			conflict(net, addr, &mac);
		return;
	}
	if (is_dad) {
		/* It is ours: say so to all. */
		send_advert(netif, &addr->ip, &TEE_IP_ANY, NULL);
		return;
	}
	if (nd->has_source_mac) {
		mac = nd->source_mac;
		neigh_on_solicited_by(netif, src, &mac);
	}
	if (!mac_is_group(&mac))
		send_advert(netif, &addr->ip, src, &mac);
}

/* RFC 4861 7.1.2, 7.2.5; RFC 4862 5.4.4. */
static void advert_input(struct ip_packet *packet, struct net *net, const struct nd_message *nd)
{
	struct netif *netif = packet->netif;
	struct netif_addr *addr = netif_addr_find(netif, &nd->target);
	struct tee_mac mac = link_source(packet);
	struct neigh_advert advert = {
		.ip = nd->target,
		.has_mac = nd->has_target_mac,
		.mac = nd->target_mac,
		.is_solicited = nd->solicited,
		.is_override = nd->override,
		.has_router_flag = true,
		.is_router = nd->router,
	};

	if (nd->solicited && ip_is_multicast(&packet->ip.dst)) {
		drop(net->engine, DROP_ND_MALFORMED);
		return;
	}
	if (addr) {
		if (!mac_equal(&mac, &netif->mac))
			conflict(net, addr, nd->has_target_mac ? &nd->target_mac : &mac);
		return;
	}
	neigh_on_advert(netif, &advert);
}

/* RFC 4861 6.1.2. */
static void router_advert_input(struct ip_packet *packet, struct net *net,
				const struct nd_message *nd)
{
	struct netif *netif = packet->netif;

	if (!ip_is_link_local(&packet->ip.src)) {
		drop(net->engine, DROP_ND_MALFORMED);
		return;
	}
	if (nd->has_source_mac)
		neigh_on_solicited_by(netif, &packet->ip.src, &nd->source_mac);
	if (net->hooks && net->hooks->router_advert)
		net->hooks->router_advert(net->hooks_context, netif, &packet->ip.src, nd);
}

void nd_input(struct ip_packet *packet, struct net *net)
{
	struct nd_message nd;

	/* Interfaces without link addresses have no neighbours to discover. */
	if (packet->netif->kind != TEE_NETIF_ETHERNET) {
		drop(net->engine, DROP_ICMP_IGNORED);
		return;
	}
	count(net->engine, COUNT_ND_IN);
	if (packet->ip.ttl != ND_HOP_LIMIT ||
	    nd_parse(tee_pkt_bytes(packet->pkt), packet->pkt->len, &nd) < 0) {
		drop(net->engine, DROP_ND_MALFORMED);
		return;
	}
	/* Only duplicate detection comes from no address (and a router's solicitation, not for us). */
	if (tee_ip_is_any(&packet->ip.src) && nd.type != ICMP6_NEIGHBOUR_SOLICIT) {
		drop(net->engine, DROP_ND_MALFORMED);
		return;
	}
	switch (nd.type) {
	case ICMP6_NEIGHBOUR_SOLICIT: solicit_input(packet, net, &nd); break;
	case ICMP6_NEIGHBOUR_ADVERT: advert_input(packet, net, &nd); break;
	case ICMP6_ROUTER_ADVERT: router_advert_input(packet, net, &nd); break;
	default: drop(net->engine, DROP_ICMP_IGNORED);
	}
}
