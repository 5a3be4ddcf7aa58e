/* SPDX-License-Identifier: MIT */
/*
 * IP packets in, of both families (RFC 791, RFC 8200, RFC 1122 3.2.1).
 *
 * ip_input() goes down a list of questions, and the first "no" ends in a counted, named drop: is the
 * header sound, may such a source have sent it, is it for us, is it whole? What is a fragment goes to
 * defrag_input(), and comes back here when its datagram is complete. The rest goes to the protocol
 * registered for its number, ICMP to icmp_input() first.
 *
 * For us is: an address of the interface it came in by (strong host model), over the loopback any
 * address of ours; a broadcast of the interface's prefixes; the groups all-nodes and, for
 * IPv6, solicited-node. While an interface waits for DHCP, UDP to port 68 is let in whatever its
 * destination: a server may answer to the address that it is about to give (RFC 2131 4.1).
 */
#include "net/private.h"

#include <string.h>
#include "base/byteorder.h"
#include "base/check.h"
#include "wire/dhcp.h"
#include "wire/udp.h"

enum { IP4_OPT_LSRR = 131, IP4_OPT_SSRR = 137, IP4_OPT_NOP = 1, IP4_OPT_END = 0 };

/* ---- verdicts of the parser ---- */

/* An ICMP parameter problem about a packet whose headers could not be read to the end. */
static void send_parameter_problem(struct net *net, struct ip_packet *packet,
				   enum ip_parse_result verdict, uint32_t pointer)
{
	static const uint8_t code6[] = {
		[IP_PARSE_BAD_FIELD] = 0, [IP_PARSE_UNKNOWN_HEADER] = 1, [IP_PARSE_BAD_OPTION] = 2};

	/* There is no transport header to stand at. */
	packet->ip.header_len = 0;
	packet->ip.protocol = IP_PROTO_NONE;
	if (packet->ip.version == 4)
		icmp_send_error(net, packet, ICMP4_PARAMETER_PROBLEM, 0, pointer << 24);
	else
		icmp_send_error(net, packet, ICMP6_PARAMETER_PROBLEM, code6[verdict], pointer);
}

static bool accept_parse(struct net *net, struct ip_packet *packet, enum ip_parse_result verdict,
			 uint32_t pointer)
{
	enum counter reason = DROP_IP_MALFORMED;

	switch (verdict) {
	case IP_PARSE_OK: return true;
	case IP_PARSE_MALFORMED: break;
	case IP_PARSE_BAD_CHECKSUM: reason = DROP_IP_BAD_CHECKSUM; break;
	case IP_PARSE_BAD_FIELD:
	case IP_PARSE_BAD_OPTION:
	case IP_PARSE_UNKNOWN_HEADER:
		reason = verdict == IP_PARSE_BAD_OPTION  ? DROP_IP_BAD_OPTION
			 : verdict == IP_PARSE_BAD_FIELD ? DROP_IP_MALFORMED
							 : DROP_IP_UNKNOWN_PROTOCOL;
		if (netif_addr_find(packet->netif, &packet->ip.dst))
			send_parameter_problem(net, packet, verdict, pointer);
		break;
	}
	drop_pkt(net->engine, reason, packet->pkt);
	return false;
}

/*
 * RFC 1122 3.2.1.8 (c), 3.3.5; other options are passed over (MUST-50). Source routes serve attackers more
 * than anybody, so they are refused unless configured; one that is not at its end would have to
 * be forwarded, which a host does not do.
 */
static bool is_refused_source_route(const struct net *net, const uint8_t *options, size_t len)
{
	size_t off = 0;

	while (off < len && options[off] != IP4_OPT_END) {
		if (options[off] == IP4_OPT_LSRR || options[off] == IP4_OPT_SSRR)
			return !net->engine->config.ip_source_route || options[off + 1] < 3 ||
			       options[off + 2] <= options[off + 1];
		/* The parser has seen that lengths are sound. */
		off += options[off] == IP4_OPT_NOP ? 1u : options[off + 1];
	}
	return false;
}

/* ---- addresses ---- */

/* May this source have sent it, over this interface? (RFC 1122 3.2.1.3, RFC 4291 2.5.2, 2.5.3) */
static bool is_acceptable_source(const struct ip_packet *packet)
{
	const struct ip_header *ip = &packet->ip;
	struct netif *netif = packet->netif;

	if (netif->kind == TEE_NETIF_LOOPBACK)
		return net_is_local(netif->net, &ip->src);
	/* Duplicate detection and multicast listeners' reports come from no address. */
	if (ip->version == 6 && tee_ip_is_any(&ip->src))
		return ip->protocol == IP_PROTO_ICMP6;
	if (!ip_is_valid_source(&ip->src) || ip_is_loopback(&ip->src) ||
	    addr_is_broadcast(netif, &ip->src))
		return false;
	/* Our own address from outside: forged, or a loop. */
	return !net_is_local(netif->net, &ip->src);
}

static bool is_our_group(const struct netif *netif, const struct tee_ip *dst)
{
	static const struct tee_ip all_nodes6 = {
		{0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}};

	if (tee_ip_is4(dst)) {
		/* 224.0.0.1: every host is a member (RFC 1112 section 4). */
		return addr_is_broadcast(netif, dst) || tee_ip_equal(dst, &TEE_IP4(224, 0, 0, 1));
	}
	return tee_ip_equal(dst, &all_nodes6) || addr_is_solicited_group(netif, dst);
}

static bool is_dhcp_reply(const struct ip_packet *packet)
{
	const struct ip_header *ip = &packet->ip;
	const uint8_t *udp = tee_pkt_bytes(packet->pkt) + ip->header_len;

	return ip->version == 4 && ip->protocol == IP_PROTO_UDP && !ip->is_fragment &&
	       ip->total_len >= (uint32_t)ip->header_len + UDP_HEADER_LEN &&
	       load_be16(udp + 2) == DHCP_CLIENT_PORT;
}

static bool is_for_us(struct ip_packet *packet, bool is_link_group)
{
	struct netif *netif = packet->netif;
	const struct tee_ip *dst = &packet->ip.dst;
	const struct netif_addr *addr;

	packet->to_group = is_link_group;
	if (netif->kind == TEE_NETIF_LOOPBACK) {
		if (net_is_local(netif->net, dst))
			return true;
	} else {
		addr = netif_addr_find(netif, dst);
		if (addr && netif_addr_is_usable(addr))
			return true;
	}
	if (is_our_group(netif, dst)) {
		packet->to_group = true;
		return true;
	}
	return netif->accepts_dhcp && is_dhcp_reply(packet);
}

/*
 * The two questions above cost more than all the rest of a packet, and packets come in trains. So their
 * answer is kept for the pairs of addresses that came last: an unchanged generation says that
 * no address, prefix or interface has changed. Only the plain answer is kept, a unicast packet
 * between two real addresses, which depends on nothing else in the packet.
 */
static bool is_known(const struct net *net, const struct ip_packet *packet)
{
	const struct ip_known *known =
		&packet->netif->known[packet->ip.src.byte[15] % IP_KNOWN_COUNT];

	return known->generation == net->generation &&
	       memcmp(&known->src, &packet->ip.src, sizeof(known->src)) == 0 &&
	       memcmp(&known->dst, &packet->ip.dst, sizeof(known->dst)) == 0;
}

static void remember(const struct net *net, const struct ip_packet *packet)
{
	const struct netif_addr *addr = netif_addr_find(packet->netif, &packet->ip.dst);

	if (packet->to_group || !addr || !netif_addr_is_usable(addr) ||
	    tee_ip_is_any(&packet->ip.src))
		return;
	packet->netif->known[packet->ip.src.byte[15] % IP_KNOWN_COUNT] =
		(struct ip_known){packet->ip.src, packet->ip.dst, net->generation};
}

/* Counts and drops what must not come in. */
static bool accept_addresses(struct net *net, struct ip_packet *packet, bool is_link_group)
{
	if (!is_link_group && is_known(net, packet))
		return true;
	if (!is_acceptable_source(packet)) { /* RFC 1122 3.2.1.3, MUST-63 */
		drop_pkt(net->engine, DROP_IP_BAD_SOURCE, packet->pkt);
		return false;
	}
	if (!is_for_us(packet, is_link_group)) {
		drop_pkt(net->engine, DROP_IP_NOT_OURS, packet->pkt);
		return false;
	}
	remember(net, packet);
	return true;
}

/* ---- up ---- */

static void unknown_protocol(struct net *net, struct ip_packet *packet)
{
	/* RFC 1122 3.2.2.1; RFC 8200 section 4. "No next header" has no answer. */
	if (packet->ip.version == 4)
		icmp_send_error(net, packet, ICMP4_UNREACHABLE, 2, 0);
	else if (packet->ip.protocol != IP_PROTO_NONE)
		icmp_send_error(net, packet, ICMP6_PARAMETER_PROBLEM, 1, packet->ip.nexthdr_off);
	drop_pkt(net->engine, DROP_IP_UNKNOWN_PROTOCOL, packet->pkt);
}

static inline void deliver(struct net *net, struct ip_packet *packet)
{
	uint8_t protocol = packet->ip.protocol;
	const struct net_protocol *ops = net->protocols[protocol].ops;

	if (protocol != IP_PROTO_TCP && trace_on(net->engine))
		net_trace_packet(net, TEE_TRACE_PACKET_IN, packet->netif, packet->pkt, false,
				 TEE_WHY_NONE);
	packet->pkt->off += packet->ip.header_len;
	packet->pkt->len -= packet->ip.header_len;
	if (protocol == (packet->ip.version == 4 ? IP_PROTO_ICMP : IP_PROTO_ICMP6))
		icmp_input(packet, net);
	else if (ops && protocol != IP_PROTO_ICMP && protocol != IP_PROTO_ICMP6)
		ops->input(net->protocols[protocol].context, packet);
	else
		unknown_protocol(net, packet);
}

static bool is_nd(const struct ip_packet *packet)
{
	const uint8_t *icmp = tee_pkt_bytes(packet->pkt) + packet->ip.header_len;

	return packet->ip.protocol == IP_PROTO_ICMP6 && packet->pkt->len > packet->ip.header_len &&
	       icmp[0] >= ICMP6_ROUTER_SOLICIT && icmp[0] <= ICMP6_REDIRECT;
}

/* The last piece came: the datagram goes on as if it had never been cut. */
static void deliver_reassembled(struct net *net, struct ip_packet *packet, struct tee_pkt *whole)
{
	enum ip_parse_result verdict;
	uint32_t pointer;

	packet->pkt = whole;
	verdict = ip_parse(tee_pkt_bytes(whole), whole->len, false, &packet->ip, &pointer);
	if (!accept_parse(net, packet, verdict, pointer))
		return;
	if (packet->ip.is_fragment || is_nd(packet)) {
		/* RFC 6980: no ND in pieces. Nor does anybody put fragments into fragments in good faith. */
		drop_pkt(net->engine, DROP_FRAG_MALFORMED, whole);
		return;
	}
	count(net->engine, COUNT_IP_REASSEMBLED);
	deliver(net, packet);
}

void ip_input(struct net *net, struct netif *netif, struct tee_pkt *pkt, bool is_link_group)
{
	struct ip_packet packet;
	bool is_trusted = pkt->checksum_state == TEE_CHECKSUM_PARTIAL ||
			  (netif->offloads & TEE_OFFLOAD_RX_TRUSTED);
	enum ip_parse_result verdict;
	uint32_t pointer;

	count(net->engine, COUNT_IP_IN);
	packet.pkt = pkt;
	packet.netif = netif;
	packet.to_group = is_link_group;
	if (!ip_parse_plain4(tee_pkt_bytes(pkt), pkt->len, !is_trusted, &packet.ip)) {
		verdict = ip_parse(tee_pkt_bytes(pkt), pkt->len, !is_trusted, &packet.ip, &pointer);
		if (!accept_parse(net, &packet, verdict, pointer))
			return;
	}
	/* What follows the packet is the padding of a short Ethernet frame. */
	pkt->len = packet.ip.total_len;
	if (!accept_addresses(net, &packet, is_link_group))
		return;
	if (packet.ip.options_len > 0 &&
	    is_refused_source_route(net, tee_pkt_bytes(pkt) + packet.ip.options_off,
				    packet.ip.options_len)) {
		drop_pkt(net->engine, DROP_IP_BAD_OPTION, pkt);
		return;
	}
	if (__builtin_expect(packet.ip.is_fragment, 0)) {
		struct tee_pkt *whole;

		count(net->engine, COUNT_IP_FRAGS_IN);
		whole = defrag_input(net, &packet);
		if (whole)
			deliver_reassembled(net, &packet, whole);
		return;
	}
	deliver(net, &packet);
}
