/* SPDX-License-Identifier: MIT */
/*
 * ICMP and ICMPv6 in (RFC 792, RFC 4443, RFC 1122 3.2.2).
 *
 * Echo requests are answered here. Echo replies go to whoever registered for the ICMP protocol number (the
 * echo endpoints of udp/). Neighbour discovery and listener queries go to their files. An error
 * goes to the protocol whose packet it quotes, as an icmp_report; that protocol decides whether to
 * believe it (RFC 5927): here only what is plainly not about a packet of ours is dropped.
 *
 * Redirects are counted and ignored: a host with one router has no use for them, and whoever can send
 * one can steal traffic with it.
 */
#include "net/private.h"

#include <string.h>
#include "base/byteorder.h"
#include "base/check.h"
#include "wire/checksum.h"

enum { QUOTED_MIN = 8 }; /* transport bytes that a quote must have (RFC 792) */

/* ---- errors ---- */

/* The header of a quoted packet of ours, which may end anywhere behind it. */
struct quote {
	struct tee_ip src, dst;
	uint8_t protocol;
	bool is_later_fragment;
	uint32_t total_len;
	size_t header_len;
};

static bool parse_quote4(const uint8_t *data, size_t len, struct quote *quote)
{
	if (len < IP4_HEADER_LEN || data[0] >> 4 != 4)
		return false;
	quote->header_len = (data[0] & 0xf) * 4u;
	quote->total_len = load_be16(data + 2);
	quote->is_later_fragment = load_be16(data + 6) & 0x1fff;
	quote->protocol = data[9];
	quote->src = TEE_IP4(data[12], data[13], data[14], data[15]);
	quote->dst = TEE_IP4(data[16], data[17], data[18], data[19]);
	return quote->header_len >= IP4_HEADER_LEN;
}

/* Of the extension headers we send only the fragment header, so only that is walked. */
static bool parse_quote6(const uint8_t *data, size_t len, struct quote *quote)
{
	if (len < IP6_HEADER_LEN || data[0] >> 4 != 6)
		return false;
	quote->header_len = IP6_HEADER_LEN;
	quote->total_len = IP6_HEADER_LEN + load_be16(data + 4);
	quote->protocol = data[6];
	memcpy(quote->src.byte, data + 8, 16);
	memcpy(quote->dst.byte, data + 24, 16);
	if (quote->protocol != IP_PROTO_IP6_FRAGMENT)
		return true;
	if (len < IP6_HEADER_LEN + IP6_FRAGMENT_LEN)
		return false;
	quote->protocol = data[IP6_HEADER_LEN];
	quote->is_later_fragment = load_be16(data + IP6_HEADER_LEN + 2) & 0xfff8;
	quote->header_len += IP6_FRAGMENT_LEN;
	return true;
}

/* What the message says beside type and code. */
static uint32_t told_info(uint8_t version, const struct icmp *icmp, enum icmp_error error,
			  uint32_t mtu)
{
	if (version == 6)
		return icmp->rest;
	return error == ICMP_ERROR_PARAMETER_PROBLEM ? icmp->rest >> 24 : mtu;
}

static void error_input(struct ip_packet *packet, struct net *net, const struct icmp *icmp,
			enum icmp_error error, uint32_t mtu)
{
	struct quote quote = {0};
	struct icmp_report report;
	bool is_sound;

	count(net->engine, COUNT_ICMP_ERRORS_IN);
	is_sound = packet->ip.version == 4 ? parse_quote4(icmp->body, icmp->body_len, &quote)
					   : parse_quote6(icmp->body, icmp->body_len, &quote);
	if (!is_sound || quote.header_len + QUOTED_MIN > icmp->body_len) {
		drop(net->engine, DROP_ICMP_MALFORMED);
		return;
	}
	/* Only what we sent, from an address of ours, and only where the transport can be seen. */
	if (quote.is_later_fragment || !net_is_local(net, &quote.src) ||
	    !net->protocols[quote.protocol].ops) {
		drop(net->engine, DROP_ICMP_UNBELIEVABLE);
		return;
	}
	report = (struct icmp_report){
		.error = error,
		.version = packet->ip.version,
		.type = icmp->type,
		.code = icmp->code,
		.ttl = packet->ip.ttl,
		.tos = packet->ip.tos,
		.mtu = mtu,
		.info = told_info(packet->ip.version, icmp, error, mtu),
		.local = quote.src,
		.remote = quote.dst,
		.reporter = packet->ip.src,
		.netif = packet->netif,
		.quoted_total_len = quote.total_len,
		.quoted = icmp->body + quote.header_len,
		.quoted_len = icmp->body_len - quote.header_len,
	};
	net->protocols[quote.protocol].ops->icmp_error(net->protocols[quote.protocol].context,
						       &report);
}

void icmp_report_unreachable(struct net *net, struct netif *netif, const struct tee_pkt *pkt)
{
	const uint8_t *data = tee_pkt_bytes(pkt);
	bool is4 = pkt->len > 0 && data[0] >> 4 == 4;
	struct quote quote = {0};
	struct icmp_report report;

	if (!(is4 ? parse_quote4(data, pkt->len, &quote) : parse_quote6(data, pkt->len, &quote)))
		return;
	if (quote.is_later_fragment || quote.header_len + QUOTED_MIN > pkt->len ||
	    !net->protocols[quote.protocol].ops)
		return;
	report = (struct icmp_report){
		.error = ICMP_ERROR_HOST_UNREACHABLE,
		.version = is4 ? 4 : 6,
		.type = is4 ? ICMP4_UNREACHABLE : ICMP6_UNREACHABLE,
		.code = is4 ? 1 : 3,
		.local = quote.src,
		.remote = quote.dst,
		.netif = netif,
		.quoted_total_len = quote.total_len,
		.quoted = data + quote.header_len,
		.quoted_len = pkt->len - quote.header_len,
	};
	net->protocols[quote.protocol].ops->icmp_error(net->protocols[quote.protocol].context,
						       &report);
}

/* ---- errors that a socket wishes to keep ---- */

void net_set_errors(struct net *net, const struct net_errors *errors, void *context)
{
	net->errors = errors;
	net->errors_context = context;
}

bool net_wants_error(const struct net *net, struct event_source *source,
		     const struct icmp_report *report)
{
	return source && net->errors &&
	       net->errors->wants(net->errors_context, source, report->version);
}

void net_keep_error(struct net *net, struct event_source *source, const struct icmp_report *report,
		    size_t skip)
{
	net->errors->keep(net->errors_context, source, report, skip);
}

/* ---- echo ---- */

static void answer_echo(struct ip_packet *packet, struct net *net)
{
	const struct ip_header *ip = &packet->ip;
	bool is4 = ip->version == 4;
	uint32_t len = packet->pkt->len;
	struct tee_pkt *reply;
	struct ip_out out = {
		.src = ip->dst,
		.dst = ip->src,
		.protocol = is4 ? IP_PROTO_ICMP : IP_PROTO_ICMP6,
		.tos = ip->tos,
		.netif_number = ip_is_link_local(&ip->src) ? packet->netif->number : 0,
		.why = TEE_WHY_ECHO_REPLY,
	};
	uint64_t sum;
	uint8_t *at;

	/* RFC 1122 3.2.2.6: one to a group may be discarded, and is: smurfs live on the answers. */
	if (packet->to_group || !net->engine->config.forward_icmp_echo) {
		drop(net->engine, DROP_ICMP_IGNORED);
		return;
	}
	reply = tee_pkt_new(net->engine->pool, len);
	if (!reply) {
		drop(net->engine, DROP_NO_MEMORY);
		return;
	}
	at = tee_pkt_bytes(reply);
	memcpy(at, tee_pkt_bytes(packet->pkt), len);
	reply->len = len;
	at[0] = is4 ? ICMP4_ECHO_REPLY : ICMP6_ECHO_REPLY;
	store_be16(at + 2, 0);
	sum = is4 ? 0 : checksum_pseudo(&out.src, &out.dst, IP_PROTO_ICMP6, len);
	store_be16(at + 2, checksum_finish(checksum_add(sum, at, len)));
	count(net->engine, COUNT_ICMP_OUT);
	ip_output_pkt(net, reply, &out);
}

/* ---- in ---- */

static bool is_echo_reply(const struct ip_packet *packet, uint8_t type)
{
	return type == (packet->ip.version == 4 ? ICMP4_ECHO_REPLY : ICMP6_ECHO_REPLY);
}

/* What is neither an error nor an echo reply. */
static void other_input(struct ip_packet *packet, struct net *net, const struct icmp *icmp)
{
	if (packet->ip.version == 4) {
		switch (icmp->type) {
		case ICMP4_ECHO_REQUEST: answer_echo(packet, net); return;
		case ICMP4_REDIRECT: drop(net->engine, DROP_ICMP_REDIRECT); return;
		default: drop(net->engine, DROP_ICMP_IGNORED); return;
		}
	}
	switch (icmp->type) {
	case ICMP6_ECHO_REQUEST: answer_echo(packet, net); break;
	case ICMP6_REDIRECT: drop(net->engine, DROP_ICMP_REDIRECT); break;
	case ICMP6_ROUTER_SOLICIT: drop(net->engine, DROP_ICMP_IGNORED); break;
	case ICMP6_ROUTER_ADVERT:
	case ICMP6_NEIGHBOUR_SOLICIT:
	case ICMP6_NEIGHBOUR_ADVERT: nd_input(packet, net); break;
	case ICMP6_MLD_QUERY: mld_query(packet->netif, packet->pkt); break;
	/* RFC 4443 2.4 (b): unknown informational messages are dropped in silence. */
	default: drop(net->engine, DROP_ICMP_IGNORED);
	}
}

void icmp_input(struct ip_packet *packet, struct net *net)
{
	const uint8_t *data = tee_pkt_bytes(packet->pkt);
	uint32_t len = packet->pkt->len, mtu = 0;
	struct icmp icmp;
	enum icmp_error error;
	uint64_t sum = 0;

	count(net->engine, COUNT_ICMP_IN);
	if (icmp_parse(data, len, &icmp) < 0) {
		drop_pkt(net->engine, DROP_ICMP_MALFORMED, packet->pkt);
		return;
	}
	if (packet->ip.version == 6)
		sum = checksum_pseudo(&packet->ip.src, &packet->ip.dst, IP_PROTO_ICMP6, len);
	if (checksum_fold(checksum_add(sum, data, len)) != 0xffff) {
		drop_pkt(net->engine, DROP_ICMP_BAD_CHECKSUM, packet->pkt);
		return;
	}
	if (is_echo_reply(packet, icmp.type)) {
		const uint8_t protocol = packet->ip.protocol;
		const struct net_protocol *ops = net->protocols[protocol].ops;

		if (ops)
			ops->input(net->protocols[protocol].context, packet);
		else
			drop_pkt(net->engine, DROP_ICMP_IGNORED, packet->pkt);
		return;
	}
	error = icmp_error_of(packet->ip.version, &icmp, &mtu);
	if (error != ICMP_ERROR_NONE)
		error_input(packet, net, &icmp, error, mtu);
	else
		other_input(packet, net, &icmp);
	tee_pkt_release(packet->pkt);
}
