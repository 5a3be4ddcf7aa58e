/* SPDX-License-Identifier: MIT */
/*
 * One line for a packet. Addresses and layers stand as tcpdump writes them, TCP in the words of
 * packetdrill's scripts, so that a line from a failing test can be compared with one:
 *
 *	ARP who has 10.0.2.2 tell 10.0.2.15
 *	IP 10.0.2.15.49152 > 10.0.2.2.80: S 1:1(0) win 65535 <mss 1460,sackOK,TS val 1 ecr 0,wscale 7>
 *	IP 10.0.2.2.80 > 10.0.2.15.49152: P. 9:109(100) ack 2 win 501 [CE]
 *	IP6 fe80::1 > ff02::1: ICMP6 router advertisement, lifetime 1800 s
 *	IP 10.0.2.15.68 > 255.255.255.255.67: DHCP request for 10.0.2.15
 *
 * The input is as it came and may be anything; the parsers of this room judge it, and what they refuse is
 * called malformed. This and the trace are the only places where the core uses formatted printing.
 */
#include "wire/print.h"

#include <stdarg.h>
#include <stdio.h>
#include "base/check.h"
#include "wire/arp.h"
#include "wire/bytes.h"
#include "wire/dhcp.h"
#include "wire/ethernet.h"
#include "wire/icmp.h"
#include "wire/ip.h"
#include "wire/tcp.h"
#include "wire/udp.h"

/* Grows to the right until it is full, and is terminated at all times. */
struct line {
	char *at;
	size_t left;
};

__attribute__((format(printf, 2, 3))) static void put(struct line *line, const char *format, ...)
{
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(line->at, line->left, format, args);
	va_end(args);
	if (len > 0) {
		size_t used = MIN((size_t)len, line->left - 1);

		line->at += used;
		line->left -= used;
	}
}

static void put_ip(struct line *line, const struct tee_ip *ip)
{
	char text[TEE_IP_TEXT_SIZE];

	put(line, "%s", tee_ip_format(ip, text));
}

static void put_ports(struct line *line, const struct ip_header *ip, uint16_t src_port,
		      uint16_t dst_port)
{
	put_ip(line, &ip->src);
	put(line, ".%u > ", src_port);
	put_ip(line, &ip->dst);
	put(line, ".%u: ", dst_port);
}

/* ---- TCP ---- */

static void put_sack(struct line *line, const struct tcp_options *options)
{
	for (unsigned i = 0; i < options->sack_count; i++)
		put(line, "%s%u:%u", i == 0 ? "sack " : " ", options->sack[i].left.raw,
		    options->sack[i].right.raw);
}

static void put_fastopen(struct line *line, const struct tcp_options *options)
{
	put(line, options->fastopen_exp ? "FOEXP" : "FO");
	for (unsigned i = 0; i < options->fastopen_len; i++)
		put(line, "%s%02x", i == 0 ? " " : "", options->fastopen_cookie[i]);
}

static void put_accecn(struct line *line, const struct tcp_options *options)
{
	put(line, "ECN%u", options->accecn_order);
	for (unsigned i = 0; i < options->accecn_count; i++)
		put(line, " %u", options->accecn[i]);
}

/* A comma before every option but the first. */
static void put_separator(struct line *line, bool *is_first)
{
	put(line, *is_first ? " <" : ",");
	*is_first = false;
}

static void put_options(struct line *line, const struct tcp_options *options)
{
	bool is_first = true;

	if (options->has_mss) {
		put_separator(line, &is_first);
		put(line, "mss %u", options->mss);
	}
	if (options->has_sack_permitted) {
		put_separator(line, &is_first);
		put(line, "sackOK");
	}
	if (options->has_ts) {
		put_separator(line, &is_first);
		put(line, "TS val %u ecr %u", options->ts_val, options->ts_ecr);
	}
	if (options->has_wscale) {
		put_separator(line, &is_first);
		put(line, "wscale %u", options->wscale);
	}
	if (options->sack_count > 0) {
		put_separator(line, &is_first);
		put_sack(line, options);
	}
	if (options->has_fastopen) {
		put_separator(line, &is_first);
		put_fastopen(line, options);
	}
	if (options->has_accecn) {
		put_separator(line, &is_first);
		put_accecn(line, options);
	}
	if (options->was_malformed) {
		put_separator(line, &is_first);
		put(line, "malformed");
	}
	if (!is_first)
		put(line, ">");
}

static void put_flags(struct line *line, uint16_t flags)
{
	static const struct {
		uint16_t flag;
		char letter;
	} letters[] = {
		{TEE_TCP_FIN, 'F'}, {TEE_TCP_SYN, 'S'}, {TEE_TCP_RST, 'R'},
		{TEE_TCP_PSH, 'P'}, {TEE_TCP_ACK, '.'}, {TEE_TCP_URG, 'U'},
		{TEE_TCP_ECE, 'E'}, {TEE_TCP_CWR, 'W'}, {TEE_TCP_AE, 'A'},
	};

	for (unsigned i = 0; i < ARRAY_LEN(letters); i++)
		if (flags & letters[i].flag)
			put(line, "%c", letters[i].letter);
	if (flags == 0)
		put(line, "-");
}

static void put_tcp(struct line *line, const struct ip_header *ip, const uint8_t *data, size_t len)
{
	struct tcp_header tcp;
	uint32_t payload_len;

	if (tcp_parse(data, len, &tcp) < 0) {
		put_ip(line, &ip->src);
		put(line, " > ");
		put_ip(line, &ip->dst);
		put(line, ": TCP, malformed");
		return;
	}
	payload_len = (uint32_t)(len - tcp.header_len);
	put_ports(line, ip, tcp.src_port, tcp.dst_port);
	put_flags(line, tcp.flags);
	put(line, " %u:%u(%u)", tcp.seq.raw, tcp.seq.raw + payload_len, payload_len);
	if (tcp.flags & TEE_TCP_ACK)
		put(line, " ack %u", tcp.ack.raw);
	put(line, " win %u", tcp.window);
	if (tcp.flags & TEE_TCP_URG)
		put(line, " urg %u", tcp.urgent);
	put_options(line, &tcp.options);
}

/* ---- UDP ---- */

static void put_dhcp(struct line *line, const struct dhcp *dhcp)
{
	static const char *const types[] = {
		[DHCP_NONE] = "message",    [DHCP_DISCOVER] = "discover", [DHCP_OFFER] = "offer",
		[DHCP_REQUEST] = "request", [DHCP_DECLINE] = "decline",   [DHCP_ACK] = "ack",
		[DHCP_NAK] = "nak",         [DHCP_RELEASE] = "release",   [DHCP_INFORM] = "inform",
	};
	const struct tee_ip *ip = &dhcp->yiaddr;

	_Static_assert(ARRAY_LEN(types) == DHCP_INFORM + 1, "every type has a name");
	if (!dhcp->is_reply)
		ip = tee_ip_is_any(&dhcp->requested_ip) ? &dhcp->ciaddr : &dhcp->requested_ip;
	put(line, "DHCP %s", types[dhcp->type]);
	if (!tee_ip_is_any(ip)) {
		put(line, dhcp->is_reply ? " of " : " for ");
		put_ip(line, ip);
		if (dhcp->subnet_bits > 0)
			put(line, "/%u", dhcp->subnet_bits);
	}
	if (dhcp->lease_s > 0)
		put(line, ", lease %u s", dhcp->lease_s);
}

static bool is_dhcp(const struct udp_header *udp)
{
	return (udp->src_port == DHCP_CLIENT_PORT && udp->dst_port == DHCP_SERVER_PORT) ||
	       (udp->src_port == DHCP_SERVER_PORT && udp->dst_port == DHCP_CLIENT_PORT);
}

static void put_udp(struct line *line, const struct ip_header *ip, const uint8_t *data, size_t len)
{
	struct udp_header udp;
	struct dhcp dhcp;

	if (udp_parse(data, len, &udp) < 0) {
		put_ip(line, &ip->src);
		put(line, " > ");
		put_ip(line, &ip->dst);
		put(line, ": UDP, malformed");
		return;
	}
	put_ports(line, ip, udp.src_port, udp.dst_port);
	if (is_dhcp(&udp) &&
	    dhcp_parse(data + UDP_HEADER_LEN, udp.len - (size_t)UDP_HEADER_LEN, &dhcp) == 0)
		put_dhcp(line, &dhcp);
	else
		put(line, "UDP, length %u", udp.len - UDP_HEADER_LEN);
}

/* ---- ICMP ---- */

static const char *error_text(enum icmp_error error)
{
	static const char *const texts[] = {
		[ICMP_ERROR_NONE] = NULL,
		[ICMP_ERROR_NET_UNREACHABLE] = "network unreachable",
		[ICMP_ERROR_HOST_UNREACHABLE] = "host unreachable",
		[ICMP_ERROR_PROTOCOL_UNREACHABLE] = "protocol unreachable",
		[ICMP_ERROR_PORT_UNREACHABLE] = "port unreachable",
		[ICMP_ERROR_TOO_BIG] = "packet too big",
		[ICMP_ERROR_SOURCE_ROUTE_FAILED] = "source route failed",
		[ICMP_ERROR_NET_PROHIBITED] = "network prohibited",
		[ICMP_ERROR_PROHIBITED] = "prohibited",
		[ICMP_ERROR_TIME_EXCEEDED] = "time exceeded",
		[ICMP_ERROR_PARAMETER_PROBLEM] = "parameter problem",
	};

	_Static_assert(ARRAY_LEN(texts) == ICMP_ERROR_PARAMETER_PROBLEM + 1,
		       "every error has a text");
	return texts[error];
}

static void put_nd(struct line *line, const struct nd_message *nd)
{
	switch (nd->type) {
	case ICMP6_ROUTER_SOLICIT: put(line, "router solicitation"); break;
	case ICMP6_ROUTER_ADVERT:
		put(line, "router advertisement, lifetime %u s", nd->router_lifetime_s);
		for (unsigned i = 0; i < nd->prefix_count; i++) {
			put(line, ", prefix ");
			put_ip(line, &nd->prefixes[i].prefix);
			put(line, "/%u", nd->prefixes[i].bits);
		}
		break;
	case ICMP6_NEIGHBOUR_SOLICIT:
		put(line, "neighbour solicitation, who has ");
		put_ip(line, &nd->target);
		break;
	case ICMP6_NEIGHBOUR_ADVERT:
		put(line, "neighbour advertisement, it is ");
		put_ip(line, &nd->target);
		break;
	default:
		put(line, "redirect, ");
		put_ip(line, &nd->destination);
		put(line, " to ");
		put_ip(line, &nd->target);
	}
}

/* The packet that an error is about, as far as it was quoted: both ends, and the ports of a transport. */
static void put_quoted(struct line *line, const struct icmp *icmp)
{
	struct ip_header ip;
	const uint8_t *ports = NULL;
	size_t body_len = icmp->body_len;
	uint8_t quoted[128];
	uint32_t pointer;

	/*
	 * A quotation is shorter than its length field says, which the parser rightly refuses, so that it
	 * is given a copy whose length is the one that came.
	 */
	if (body_len < IP4_HEADER_LEN)
		return;
	body_len = MIN(body_len, sizeof(quoted));
	memcpy(quoted, icmp->body, body_len);
	if (quoted[0] >> 4 == 4)
		store_be16(quoted + 2, (uint16_t)body_len);
	else if (body_len >= IP6_HEADER_LEN)
		store_be16(quoted + 4, (uint16_t)(body_len - IP6_HEADER_LEN));
	if (ip_parse(quoted, body_len, false, &ip, &pointer) != IP_PARSE_OK)
		return;
	if ((ip.protocol == IP_PROTO_TCP || ip.protocol == IP_PROTO_UDP) && ip.frag_offset == 0 &&
	    body_len - ip.header_len >= 4)
		ports = quoted + ip.header_len;
	put(line, " (%s ", ip_protocol_name(ip.protocol));
	put_ip(line, &ip.src);
	if (ports)
		put(line, ".%u", load_be16(ports));
	put(line, " > ");
	put_ip(line, &ip.dst);
	if (ports)
		put(line, ".%u", load_be16(ports + 2));
	put(line, ")");
}

static void put_icmp_other(struct line *line, const struct ip_header *ip, const struct icmp *icmp,
			   size_t len)
{
	uint8_t request = ip->version == 4 ? ICMP4_ECHO_REQUEST : ICMP6_ECHO_REQUEST;
	uint8_t reply = ip->version == 4 ? ICMP4_ECHO_REPLY : ICMP6_ECHO_REPLY;
	uint32_t mtu;
	enum icmp_error error = icmp_error_of(ip->version, icmp, &mtu);

	if (icmp->type == request || icmp->type == reply) {
		put(line, "echo %s, id %u, seq %u, length %zu",
		    icmp->type == request ? "request" : "reply", icmp->rest >> 16,
		    icmp->rest & 0xffff, len);
	} else if (error != ICMP_ERROR_NONE) {
		put(line, "%s", error_text(error));
		if (error == ICMP_ERROR_TOO_BIG)
			put(line, ", mtu %u", mtu);
		put_quoted(line, icmp);
	} else {
		put(line, "type %u, code %u, length %zu", icmp->type, icmp->code, len);
	}
}

static void put_icmp(struct line *line, const struct ip_header *ip, const uint8_t *data, size_t len)
{
	struct icmp icmp;
	struct nd_message nd;

	put_ip(line, &ip->src);
	put(line, " > ");
	put_ip(line, &ip->dst);
	put(line, ip->version == 4 ? ": ICMP " : ": ICMP6 ");
	if (icmp_parse(data, len, &icmp) < 0)
		put(line, "malformed");
	else if (ip->version == 6 && nd_parse(data, len, &nd) == 0)
		put_nd(line, &nd);
	else
		put_icmp_other(line, ip, &icmp, len);
}

/* ---- IP, ARP, Ethernet ---- */

static void put_fragment(struct line *line, const struct ip_header *ip)
{
	put_ip(line, &ip->src);
	put(line, " > ");
	put_ip(line, &ip->dst);
	put(line, ": %s fragment %u:%u%s id %u", ip_protocol_name(ip->protocol), ip->frag_offset,
	    ip->frag_offset + ip->total_len - ip->header_len, ip->more_fragments ? "+" : "",
	    ip->id);
}

static void put_packet(struct line *line, const uint8_t *data, size_t len)
{
	static const char *const ecn_names[] = {"", " [ECT1]", " [ECT0]", " [CE]"};
	struct ip_header ip;
	uint32_t pointer;
	enum ip_parse_result result = ip_parse(data, len, true, &ip, &pointer);
	const uint8_t *payload;
	size_t payload_len;

	if (result != IP_PARSE_OK) {
		put(line, "IP, %s", result == IP_PARSE_BAD_CHECKSUM ? "bad checksum" : "malformed");
		return;
	}
	payload = data + ip.header_len;
	payload_len = ip.total_len - ip.header_len;
	put(line, ip.version == 4 ? "IP " : "IP6 ");
	if (ip.is_fragment)
		put_fragment(line, &ip);
	else if (ip.protocol == IP_PROTO_TCP)
		put_tcp(line, &ip, payload, payload_len);
	else if (ip.protocol == IP_PROTO_UDP)
		put_udp(line, &ip, payload, payload_len);
	else if (ip.protocol == (ip.version == 4 ? IP_PROTO_ICMP : IP_PROTO_ICMP6))
		put_icmp(line, &ip, payload, payload_len);
	else {
		put_ip(line, &ip.src);
		put(line, " > ");
		put_ip(line, &ip.dst);
		put(line, ": protocol %u, length %zu", ip.protocol, payload_len);
	}
	put(line, "%s", ecn_names[ip.tos & 3]);
}

static void put_arp(struct line *line, const uint8_t *data, size_t len)
{
	struct arp arp;

	if (arp_parse(data, len, &arp) < 0) {
		put(line, "ARP, malformed");
	} else if (arp.op == ARP_REQUEST) {
		put(line, "ARP who has ");
		put_ip(line, &arp.target_ip);
		put(line, " tell ");
		put_ip(line, &arp.sender_ip);
	} else {
		const uint8_t *mac = arp.sender_mac.byte;

		put(line, arp.op == ARP_REPLY ? "ARP reply " : "ARP unknown ");
		put_ip(line, &arp.sender_ip);
		put(line, " is at %02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3],
		    mac[4], mac[5]);
	}
}

const char *print_frame(const uint8_t *frame, size_t len, bool is_ethernet, char *text,
			size_t text_size)
{
	struct line line = {text, text_size};
	struct ethernet eth;

	if (text_size == 0)
		return text;
	*text = '\0';
	if (!is_ethernet) {
		put_packet(&line, frame, len);
	} else if (ethernet_parse(frame, len, &eth) < 0) {
		put(&line, "Ethernet, too short");
	} else {
		const uint8_t *payload = frame + ETHERNET_HEADER_LEN;
		size_t payload_len = len - ETHERNET_HEADER_LEN;

		if (eth.type == ETHERTYPE_IP4 || eth.type == ETHERTYPE_IP6)
			put_packet(&line, payload, payload_len);
		else if (eth.type == ETHERTYPE_ARP)
			put_arp(&line, payload, payload_len);
		else
			put(&line, "Ethernet type 0x%04x, length %zu", eth.type, payload_len);
	}
	return text;
}
