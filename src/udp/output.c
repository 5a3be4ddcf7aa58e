/* SPDX-License-Identifier: MIT */
/*
 * Datagrams out: where to, from which address, in how many pieces at most, and the checksum.
 *
 * A datagram is routed before it is built, since its checksum covers the source address. When the
 * interface's queue is full the caller gets -TEE_EAGAIN, and TEE_EV_WRITABLE when there is room again:
 * nothing is lost between a program that sends fast and a link that doesn't.
 *
 * Don't-fragment, by TEE_OPT_MTU_DISCOVER: 0 never; 1 on what fits the path, while what doesn't is cut;
 * 2 always, and what does not fit is refused with -TEE_EMSGSIZE.
 */
#include "udp/private.h"

#include <string.h>
#include "base/byteorder.h"
#include "base/check.h"
#include "net/netif.h"
#include "wire/checksum.h"
#include "wire/udp.h"

enum { LEN_MAX4 = 65535 - IP4_HEADER_LEN, LEN_MAX6 = 65535 }; /* of an IP payload */

/* What is known of a datagram before it is built. */
struct plan {
	struct tee_endpoint remote;
	struct net_path path;
	struct ip_out out;
	uint32_t total_len; /* of the IP packet */
};

/* RFC 1122 3.3.6: a broadcast must be meant. */
static bool is_broadcast(struct udp *udp, const struct tee_ip *ip)
{
	return tee_ip_is4(ip) && !ip_is_multicast(ip) && net_is_group(udp->net, ip);
}

static int choose_remote(struct udp_endpoint *endpoint, const struct tee_dgram_info *info,
			 struct plan *plan)
{
	plan->remote = info->remote;
	if (tee_ip_is_any(&plan->remote.ip)) {
		if (tee_ip_is_any(&endpoint->remote.ip))
			return -TEE_EDESTADDRREQ;
		plan->remote = endpoint->remote;
	}
	if (!demux_is_family_ok(endpoint, tee_ip_is4(&plan->remote.ip)))
		return -TEE_EAFNOSUPPORT;
	if (plan->remote.port == 0 && !endpoint->is_ping)
		return -TEE_EINVAL;
	if (!endpoint->options.broadcast && is_broadcast(endpoint->udp, &plan->remote.ip))
		return -TEE_EACCES;
	return 0;
}

/* The wanted source: the caller's, or the endpoint's own unless that is a group. */
static struct tee_ip wanted_source(struct udp_endpoint *endpoint, const struct tee_dgram_info *info)
{
	if (!tee_ip_is_any(&info->local.ip))
		return info->local.ip;
	if (net_is_group(endpoint->udp->net, &endpoint->local.ip))
		return TEE_IP_ANY;
	return endpoint->local.ip;
}

static int wanted_netif(const struct udp_endpoint *endpoint, const struct tee_dgram_info *info,
			const struct tee_endpoint *remote)
{
	if (endpoint->options.netif_number)
		return endpoint->options.netif_number;
	if (remote->netif)
		return remote->netif;
	return info->local.netif;
}

static int make_plan(struct udp_endpoint *endpoint, size_t len, const struct tee_dgram_info *info,
		     struct plan *plan)
{
	struct udp *udp = endpoint->udp;
	const struct udp_endpoint_options *options = &endpoint->options;
	struct tee_ip src = wanted_source(endpoint, info);
	int result = choose_remote(endpoint, info, plan);
	bool is4;

	if (result < 0)
		return result;
	is4 = tee_ip_is4(&plan->remote.ip);
	if (len > (size_t)(is4 ? LEN_MAX4 : LEN_MAX6))
		return -TEE_EMSGSIZE;
	plan->out = (struct ip_out){
		.dst = plan->remote.ip,
		.protocol = endpoint->is_ping ? (is4 ? IP_PROTO_ICMP : IP_PROTO_ICMP6)
					      : IP_PROTO_UDP,
		.ttl = info->ttl > 0 ? (uint8_t)info->ttl : options->ttl,
		.tos = info->tos >= 0 ? (uint8_t)info->tos : options->tos,
		.netif_number = wanted_netif(endpoint, info, &plan->remote),
		.why = endpoint->is_ping ? TEE_WHY_ECHO_REQUEST : TEE_WHY_DATAGRAM,
	};
	/* RFC 1112 6.1: a multicast goes no further than asked for. */
	if (plan->out.ttl == 0 && ip_is_multicast(&plan->out.dst))
		plan->out.ttl = 1;
	result = net_route(udp->net, &src, &plan->out.dst, plan->out.netif_number, &plan->path,
			   &plan->out.src);
	if (result < 0)
		return result;
	plan->total_len = (uint32_t)len + (is4 ? IP4_HEADER_LEN : IP6_HEADER_LEN);
	if (options->pmtu_discover >= 2)
		plan->out.dont_fragment = true;
	else if (options->pmtu_discover == 1 && udp->engine->config.pmtud)
		plan->out.dont_fragment = plan->total_len <= plan->path.mtu;
	if (plan->out.dont_fragment && plan->total_len > plan->path.mtu)
		return -TEE_EMSGSIZE;
	return 0;
}

/* Has the interface's queue room? When not, the endpoint is told later. */
static bool has_room(struct udp_endpoint *endpoint, struct netif *netif)
{
	if (netif->tx.count < NETIF_TX_PKTS_MAX && netif->tx.bytes < NETIF_TX_BYTES_MAX)
		return true;
	netif->tx_was_full = true;
	endpoint->wants_room = true;
	endpoint->udp->someone_wants_room = true;
	return false;
}

static struct tee_pkt *build_udp(struct udp_endpoint *endpoint, const struct plan *plan,
				 const void *data, size_t len)
{
	struct tee_pkt *pkt = tee_pkt_new(endpoint->udp->engine->pool, UDP_HEADER_LEN + len);
	struct udp_header header = {
		.src_port = endpoint->local.port,
		.dst_port = plan->remote.port,
		.len = (uint16_t)(UDP_HEADER_LEN + len),
	};
	uint64_t sum;
	uint8_t *at;

	if (!pkt)
		return NULL;
	at = tee_pkt_bytes(pkt);
	pkt->len = header.len;
	udp_write(at, &header);
	sum = checksum_pseudo(&plan->out.src, &plan->out.dst, IP_PROTO_UDP, header.len);
	sum = checksum_add(sum, at, UDP_HEADER_LEN);
	sum = checksum_add_copy(sum, at + UDP_HEADER_LEN, data, len);
	header.checksum = checksum_finish(sum);
	/* RFC 768: 0 would say that there is none. */
	if (header.checksum == 0)
		header.checksum = 0xffff;
	udp_write(at, &header);
	return pkt;
}

/* The caller brings the whole echo message; checksum and id are ours to fill in. */
static struct tee_pkt *build_ping(struct udp_endpoint *endpoint, const struct plan *plan,
				  const void *data, size_t len)
{
	struct tee_pkt *pkt = tee_pkt_new(endpoint->udp->engine->pool, len);
	uint64_t sum = 0;
	uint8_t *at;

	if (!pkt)
		return NULL;
	at = tee_pkt_bytes(pkt);
	memcpy(at, data, len);
	pkt->len = (uint32_t)len;
	store_be16(at + 2, 0);
	store_be16(at + 4, endpoint->local.port);
	if (!tee_ip_is4(&plan->out.dst))
		sum = checksum_pseudo(&plan->out.src, &plan->out.dst, IP_PROTO_ICMP6, pkt->len);
	store_be16(at + 2, checksum_finish(checksum_add(sum, at, len)));
	return pkt;
}

static bool is_echo_request(const void *data, size_t len, bool is4)
{
	const uint8_t *message = data;

	return len >= ICMP_HEADER_LEN && message[1] == 0 &&
	       message[0] == (is4 ? ICMP4_ECHO_REQUEST : ICMP6_ECHO_REQUEST);
}

ssize_t udp_endpoint_send(struct udp_endpoint *endpoint, const void *data, size_t len,
			  const struct tee_dgram_info *info)
{
	struct udp *udp = endpoint->udp;
	struct plan plan;
	struct tee_pkt *pkt;
	int result;

	if (endpoint->is_shut_write)
		return -TEE_EPIPE;
	if (endpoint->pending_error)
		return -udp_endpoint_take_error(endpoint);
	if (len > LEN_MAX6)
		return -TEE_EMSGSIZE;
	result = make_plan(endpoint, endpoint->is_ping ? len : len + UDP_HEADER_LEN, info, &plan);
	if (result < 0)
		return result;
	if (endpoint->is_ping && !is_echo_request(data, len, tee_ip_is4(&plan.out.dst)))
		return -TEE_EINVAL;
	if (endpoint->local.port == 0) {
		result = demux_bind(endpoint, &endpoint->local);
		if (result < 0)
			return result;
	}
	if (!has_room(endpoint, plan.path.netif))
		return -TEE_EAGAIN;
	pkt = endpoint->is_ping ? build_ping(endpoint, &plan, data, len)
				: build_udp(endpoint, &plan, data, len);
	if (!pkt)
		return -TEE_ENOMEM;
	endpoint->last_remote = plan.remote.ip;
	count(udp->engine, endpoint->is_ping ? COUNT_ICMP_OUT : COUNT_UDP_OUT);
	result = ip_output_pkt(udp->net, pkt, &plan.out);
	return result < 0 ? result : (ssize_t)len;
}
