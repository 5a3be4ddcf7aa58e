/* SPDX-License-Identifier: MIT */
/*
 * ARP (RFC 826) with the rules of RFC 5227 for who may be believed.
 *
 * In: arp_input() checks a packet, shows it to addrconf (which looks for conflicts), and then
 *   - a request for a usable address of ours: learns the sender, answers;
 *   - a reply, or an announcement: updates the sender's entry if there is one.
 * Out: arp_solicit() asks for the neighbour cache, arp_send() is addrconf's way to probe, announce and defend.
 *
 * No timers: the cache repeats a question that nobody answers.
 */
#include "net/private.h"

#include "base/check.h"
#include "pkt/frame.h"

static const struct tee_mac mac_none;

void arp_send(struct netif *netif, uint16_t op, const struct tee_ip *sender,
	      const struct tee_ip *target, const struct tee_mac *target_mac, enum tee_why why)
{
	struct engine *engine = netif->net->engine;
	struct arp arp = {
		.op = op,
		.sender_mac = netif->mac,
		.sender_ip = *sender,
		.target_ip = *target,
		/* RFC 5227 2.1.1: in a request the field has no meaning and is zero. */
		.target_mac = op == ARP_REPLY && target_mac ? *target_mac : mac_none,
	};
	struct ethernet eth = {
		.dst = target_mac ? *target_mac : ethernet_broadcast,
		.src = netif->mac,
		.type = ETHERTYPE_ARP,
	};
	struct tee_pkt *pkt = tee_pkt_new(engine->pool, ARP_LEN);

	if (!pkt) {
		drop(engine, DROP_NO_MEMORY);
		return;
	}
	arp_write(tee_pkt_bytes(pkt), &arp);
	pkt->len = ARP_LEN;
	ethernet_write(pkt_push(pkt, ETHERNET_HEADER_LEN), &eth);
	count(engine, COUNT_ARP_OUT);
	if (trace_on(engine))
		net_trace_packet(netif->net, TEE_TRACE_PACKET_OUT, netif, pkt, true, why);
	netif_transmit(netif, pkt, why);
}

void arp_solicit(struct netif *netif, const struct tee_ip *target, const struct tee_mac *mac)
{
	const struct netif_addr *source = addr_select(netif, target);

	/* Without an address the question would be a probe, and its answer nobody's. */
	if (source)
		arp_send(netif, ARP_REQUEST, &source->ip, target, mac, TEE_WHY_ARP_REQUEST);
}

/* RFC 5227 2.4 and 1.1: what can't be true is not even a conflict. */
static bool is_sound(const struct netif *netif, const struct arp *arp)
{
	if (mac_is_group(&arp->sender_mac) || mac_equal(&arp->sender_mac, &mac_none))
		return false;
	if (arp->op != ARP_REQUEST && arp->op != ARP_REPLY)
		return false;
	/* A sender of 0.0.0.0 is a probe. */
	if (!tee_ip_is_any(&arp->sender_ip) && !ip_is_valid_source(&arp->sender_ip))
		return false;
	return !addr_is_broadcast(netif, &arp->sender_ip);
}

static void handle(struct netif *netif, const struct arp *arp)
{
	const struct netif_addr *target = netif_addr_find(netif, &arp->target_ip);
	bool is_for_us = target && netif_addr_is_usable(target);
	bool is_probe = tee_ip_is_any(&arp->sender_ip);

	if (arp->op == ARP_REQUEST && is_for_us &&
	    !tee_ip_equal(&arp->sender_ip, &arp->target_ip)) {
		/* RFC 826: whoever asks for us will soon be talked to. */
		if (!is_probe)
			neigh_on_solicited_by(netif, &arp->sender_ip, &arp->sender_mac);
		arp_send(netif, ARP_REPLY, &target->ip, &arp->sender_ip, &arp->sender_mac,
			 TEE_WHY_ARP_REPLY);
		return;
	}
	if (!is_probe) {
		struct neigh_advert advert = {
			.ip = arp->sender_ip,
			.has_mac = true,
			.mac = arp->sender_mac,
			.is_solicited = arp->op == ARP_REPLY &&
					mac_equal(&arp->target_mac, &netif->mac),
			.is_override = true,
		};

		neigh_on_advert(netif, &advert);
	}
}

void arp_input(struct netif *netif, struct tee_pkt *pkt)
{
	struct net *net = netif->net;
	struct arp arp;

	count(net->engine, COUNT_ARP_IN);
	if (arp_parse(tee_pkt_bytes(pkt), pkt->len, &arp) < 0 || !is_sound(netif, &arp)) {
		drop_pkt(net->engine, DROP_ARP_MALFORMED, pkt);
		return;
	}
	/* Our own, come back by a bridge's detour. */
	if (!mac_equal(&arp.sender_mac, &netif->mac)) {
		if (net->hooks && net->hooks->arp_seen)
			net->hooks->arp_seen(net->hooks_context, netif, &arp);
		handle(netif, &arp);
	}
	tee_pkt_release(pkt);
}
