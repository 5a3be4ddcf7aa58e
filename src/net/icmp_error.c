/* SPDX-License-Identifier: MIT */
/*
 * ICMP errors that we send (RFC 1122 3.2.2, RFC 1812 4.3.2, RFC 4443 2.4): when one may be sent at all,
 * how many a second, and how much of the offender is quoted.
 *
 * The limit is a token bucket of one second's worth, at most ICMP_BURST: credit is kept as the time that has
 * passed, one message costs the time between two.
 */
#include "net/private.h"

#include <string.h>
#include "base/byteorder.h"
#include "base/check.h"
#include "wire/checksum.h"

enum {
	ICMP_BURST = 64,
	QUOTE4_TOTAL_MAX = 576,          /* RFC 1812 4.3.2.3 */
	QUOTE6_TOTAL_MAX = 1280,         /* RFC 4443 2.4 (c) */
	TOS_INTERNETWORK_CONTROL = 0xc0, /* RFC 1812 4.3.2.5 */
};

static bool take_token(struct net *net)
{
	uint32_t rate = net->engine->config.icmp_rate_per_s;
	uint64_t now_ns = net->engine->now_ns;
	uint64_t cost_ns, full_ns;

	if (rate == 0)
		return false;
	cost_ns = MAX(TEE_NS_PER_S / rate, 1u);
	full_ns = cost_ns * MIN(rate, (uint32_t)ICMP_BURST);
	if (net->icmp_credit_ns < full_ns)
		net->icmp_credit_ns += MIN(now_ns - net->icmp_refill_ns, full_ns);
	net->icmp_credit_ns = MIN(net->icmp_credit_ns, full_ns);
	net->icmp_refill_ns = now_ns;
	if (net->icmp_credit_ns < cost_ns)
		return false;
	net->icmp_credit_ns -= cost_ns;
	return true;
}

/* RFC 4443 2.4 (e.1), RFC 1122 3.2.2: no error about an error (or about a redirect). */
static bool is_icmp_error(const struct ip_packet *packet)
{
	const struct ip_header *ip = &packet->ip;
	uint8_t type;

	if (ip->protocol != (ip->version == 4 ? IP_PROTO_ICMP : IP_PROTO_ICMP6))
		return false;
	/* One that is too short to tell might be one. */
	if (packet->pkt->len < 1)
		return true;
	type = tee_pkt_bytes(packet->pkt)[0];
	if (ip->version == 6)
		return type < 128 || type == ICMP6_REDIRECT;
	return type != ICMP4_ECHO_REQUEST && type != ICMP4_ECHO_REPLY;
}

static bool may_answer(const struct ip_packet *packet, uint8_t type, uint8_t code)
{
	const struct ip_header *ip = &packet->ip;
	/* RFC 4443 2.4 (e.3): an unknown option may ask for an answer even when sent to a group. */
	bool is_group_answered = ip->version == 6 && type == ICMP6_PARAMETER_PROBLEM && code == 2;

	if (packet->to_group && !is_group_answered)
		return false;
	if (ip->is_fragment && ip->frag_offset > 0)
		return false;
	return !tee_ip_is_any(&ip->src) && !ip_is_multicast(&ip->src) &&
	       ip_is_valid_source(&ip->src) && !addr_is_broadcast(packet->netif, &ip->src) &&
	       !is_icmp_error(packet);
}

void icmp_send_error(struct net *net, const struct ip_packet *packet, uint8_t type, uint8_t code,
		     uint32_t rest)
{
	const struct ip_header *ip = &packet->ip;
	bool is4 = ip->version == 4;
	uint32_t quoted_len = packet->pkt->len + ip->header_len;
	uint32_t quoted_max = is4 ? QUOTE4_TOTAL_MAX - IP4_HEADER_LEN - ICMP_HEADER_LEN
				  : QUOTE6_TOTAL_MAX - IP6_HEADER_LEN - ICMP_HEADER_LEN;
	struct icmp icmp = {.type = type, .code = code, .rest = rest};
	struct ip_out out = {
		.src = packet->to_group ? TEE_IP_ANY : ip->dst,
		.dst = ip->src,
		.protocol = is4 ? IP_PROTO_ICMP : IP_PROTO_ICMP6,
		.tos = is4 ? TOS_INTERNETWORK_CONTROL : 0,
		.netif_number = packet->netif->kind == TEE_NETIF_LOOPBACK ? 0
									  : packet->netif->number,
		.why = TEE_WHY_ICMP_ERROR,
	};
	struct net_path path;
	struct tee_pkt *pkt;
	uint64_t sum = 0;
	uint8_t *at;

	if (!may_answer(packet, type, code))
		return;
	if (!take_token(net)) {
		count(net->engine, COUNT_ICMP_RATE_LIMITED);
		return;
	}
	/* The source must be known before the checksum (ICMPv6 covers it). */
	if (net_route(net, &out.src, &out.dst, out.netif_number, &path, &out.src) < 0)
		return;
	quoted_len = MIN(quoted_len, quoted_max);
	pkt = tee_pkt_new(net->engine->pool, ICMP_HEADER_LEN + quoted_len);
	if (!pkt) {
		drop(net->engine, DROP_NO_MEMORY);
		return;
	}
	at = tee_pkt_bytes(pkt);
	pkt->len = ICMP_HEADER_LEN + quoted_len;
	icmp_write(at, &icmp);
	memcpy(at + ICMP_HEADER_LEN, tee_pkt_bytes(packet->pkt) - ip->header_len, quoted_len);
	if (!is4)
		sum = checksum_pseudo(&out.src, &out.dst, IP_PROTO_ICMP6, pkt->len);
	store_be16(at + 2, checksum_finish(checksum_add(sum, at, pkt->len)));
	count(net->engine, COUNT_ICMP_OUT);
	ip_output_pkt(net, pkt, &out);
}
