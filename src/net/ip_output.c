/* SPDX-License-Identifier: MIT */
/*
 * IP packets out. Three ways in, one way out:
 *
 *   ip_output_frame()  a frame that TCP builds in place: headers are put in front, and it leaves at once
 *                      (the hot path: no lookup, no queue);
 *   ip_output_pkt()    a packet of UDP, ICMP or a reset: routed, cut when it is too long, queued;
 *   ip_output_link()   a packet whose link address is known or a group's: ND, MLD, DHCP.
 *
 * A packet whose neighbour is not known yet waits in the neighbour's pending queue, with its IP header
 * but without a link header.
 *
 * Identification (RFC 6864, RFC 7739 5.3): an IPv4 packet that may not be cut carries 0; others count up
 * from a random start, one count for each of 256 classes of (source, destination, protocol) under a
 * secret hash.
 */
#include "net/private.h"

#include <string.h>
#include "base/byteorder.h"
#include "base/check.h"
#include "base/siphash.h"
#include "pkt/frame.h"
#include "wire/checksum.h"

enum { SUPER_BYTES_MAX = TEE_GSO_BYTES_MAX - IP6_JUMBO_LEN };

/* ---- headers ---- */

unsigned ip_out_header_len(const struct ip_out *out)
{
	if (!tee_ip_is4(&out->dst))
		return IP6_HEADER_LEN;
	return IP4_HEADER_LEN + (out->options ? out->options_len : 0u);
}

uint32_t ip_next_id(struct net *net, const struct ip_out *out)
{
	struct {
		struct tee_ip src, dst;
		uint32_t protocol;
	} key = {out->src, out->dst, out->protocol};

	return net->ids[siphash(&net->engine->secret, &key, sizeof(key)) % NET_ID_BUCKETS]++;
}

static uint8_t ttl_of(const struct net *net, const struct netif *netif, const struct ip_out *out)
{
	if (out->ttl)
		return out->ttl;
	if (netif->hop_limit6 && !tee_ip_is4(&out->dst))
		return netif->hop_limit6;
	return net->engine->config.ttl;
}

void ip_out_header(const struct net *net, const struct netif *netif, const struct ip_out *out,
		   struct ip_header *ret_ip)
{
	*ret_ip = (struct ip_header){
		.src = out->src,
		.dst = out->dst,
		.protocol = out->protocol,
		.ttl = ttl_of(net, netif, out),
		.tos = out->tos,
		.dont_fragment = out->dont_fragment,
		.flow_label = out->flow_label,
	};
}

void ip_out_write(uint8_t *at, const struct ip_header *ip, const struct ip_out *out,
		  size_t payload_len)
{
	unsigned options_len = out->options ? out->options_len : 0;

	if (!tee_ip_is4(&ip->dst)) {
		ip6_write(at, ip, payload_len);
		return;
	}
	ip4_write(at, ip, payload_len + options_len);
	if (options_len == 0)
		return;
	memcpy(at + IP4_HEADER_LEN, out->options, options_len);
	at[0] = (uint8_t)(4 << 4 | (IP4_HEADER_LEN + options_len) / 4);
	store_be16(at + 10, 0);
	store_be16(at + 10,
		   checksum_finish(checksum_add(0, at, IP4_HEADER_LEN + (size_t)options_len)));
}

/* Puts the IP header in front of a packet that will not be cut. */
static void push_header(struct net *net, const struct netif *netif, struct tee_pkt *pkt,
			const struct ip_out *out)
{
	struct ip_header ip;
	uint32_t payload_len = pkt->len;

	ip_out_header(net, netif, out, &ip);
	if (tee_ip_is4(&out->dst) && !out->dont_fragment)
		ip.id = ip_next_id(net, out);
	ip_out_write(pkt_push(pkt, ip_out_header_len(out)), &ip, out, payload_len);
}

/* ---- the way out ---- */

int ip_link_transmit(struct netif *netif, const struct tee_mac *mac, struct tee_pkt *pkt, bool is4,
		     enum tee_why why)
{
	if (netif->kind == TEE_NETIF_ETHERNET) {
		struct ethernet eth = {
			.dst = *mac,
			.src = netif->mac,
			.type = is4 ? ETHERTYPE_IP4 : ETHERTYPE_IP6,
		};

		ethernet_write(pkt_push(pkt, ETHERNET_HEADER_LEN), &eth);
	}
	return netif_transmit(netif, pkt, why);
}

int ip_output_path(struct net *net, const struct net_path *path, struct tee_pkt *pkt,
		   const struct tee_ip *dst, enum tee_why why)
{
	struct neighbour *neigh = path->neighbour;
	bool is4 = tee_ip_is4(dst);

	count(net->engine, COUNT_IP_OUT);
	if (!neigh) {
		/* No link addresses here, or a group's, which follows from the group. */
		struct tee_mac mac = ip_is_multicast(dst) ? mac_of_multicast(dst)
							  : ethernet_broadcast;

		return ip_link_transmit(path->netif, &mac, pkt, is4, why);
	}
	if (neigh_use(neigh, net->engine->now_ns)) {
		memcpy(pkt_push(pkt, ETHERNET_HEADER_LEN), neigh->header, ETHERNET_HEADER_LEN);
		return netif_transmit(path->netif, pkt, why);
	}
	/* Known again when the neighbour is. */
	pkt->scratch[0] = why;
	neigh_enqueue(neigh, pkt);
	return 0;
}

int ip_output_link(struct netif *netif, const struct tee_mac *mac, struct tee_pkt *pkt,
		   const struct ip_out *out)
{
	struct net *net = netif->net;

	push_header(net, netif, pkt, out);
	count(net->engine, COUNT_IP_OUT);
	if (trace_on(net->engine))
		net_trace_packet(net, TEE_TRACE_PACKET_OUT, netif, pkt, false, out->why);
	return ip_link_transmit(netif, mac, pkt, tee_ip_is4(&out->dst), out->why);
}

/* ---- packets ---- */

/* Before there is an address: RFC 2131 4.1 wants 0.0.0.0 and everybody's link address. */
static int output_without_source(struct net *net, struct tee_pkt *pkt, const struct ip_out *out)
{
	struct netif *netif = net_netif(net, out->netif_number);
	struct tee_mac mac = ip_is_multicast(&out->dst) ? mac_of_multicast(&out->dst)
							: ethernet_broadcast;

	if (!netif) {
		tee_pkt_release(pkt);
		return -TEE_ENETUNREACH;
	}
	return ip_output_link(netif, &mac, pkt, out);
}

int ip_output_pkt(struct net *net, struct tee_pkt *pkt, const struct ip_out *out)
{
	struct net_path path;
	struct ip_out chosen = *out;
	uint32_t total_len = pkt->len + ip_out_header_len(out);
	bool is4 = tee_ip_is4(&out->dst);
	int result;

	if (out->src_unspecified)
		return output_without_source(net, pkt, out);
	result = net_route(net, &out->src, &out->dst, out->netif_number, &path, &chosen.src);
	if (result < 0) {
		tee_pkt_release(pkt);
		return result;
	}
	/* Before the headers, so that a packet that will be cut is told of once. */
	if (total_len > path.mtu) {
		if (out->dont_fragment || total_len - (is4 ? 0 : IP6_HEADER_LEN) > IP_LEN_MAX) {
			drop_pkt(net->engine, DROP_TOO_BIG, pkt);
			return -TEE_EMSGSIZE;
		}
		return ip_output_fragments(net, &path, pkt, &chosen);
	}
	push_header(net, path.netif, pkt, &chosen);
	if (out->protocol != IP_PROTO_TCP && trace_on(net->engine))
		net_trace_packet(net, TEE_TRACE_PACKET_OUT, path.netif, pkt, false, out->why);
	return ip_output_path(net, &path, pkt, &out->dst, out->why);
}

/* ---- frames ---- */

/* The frame can't leave by the queue it was pulled for: as a packet it finds its way. */
static int output_as_packet(struct net *net, const struct net_path *path, struct tee_frame *frame,
			    const struct ip_out *out)
{
	struct tee_pkt *pkt = frame_to_pkt(frame, net->engine->pool);
	enum tee_why why = (enum tee_why)(frame->why ? frame->why : (uint16_t)out->why);

	tee_frame_release(frame);
	if (!pkt) {
		drop(net->engine, DROP_NO_MEMORY);
		return IP_OUT_PENDING;
	}
	ip_output_path(net, path, pkt, &out->dst, why);
	return IP_OUT_PENDING;
}

/* Puts the path right when it is stale. True: it still leads out by the same interface. */
static int refresh(struct net *net, struct net_path *path, const struct ip_out *out,
		   bool *ret_is_same)
{
	const struct netif *was = path->netif;
	int result = net_path_refresh(net, &out->src, &out->dst, path);

	if (result < 0)
		return result;
	CHECK(path->netif);
	*ret_is_same = path->netif == was;
	return path->netif->is_up ? 0 : -TEE_ENETDOWN;
}

/* A payload beyond what an IPv6 header can tell gets the option that tells it. Returns the payload's length then. */
static uint32_t push_jumbo(struct tee_frame *frame, struct ip_header *ip)
{
	uint32_t len = frame->len;

	if (len <= IP_LEN_MAX || tee_ip_is4(&ip->dst))
		return len;
	ip6_jumbo_write(frame_push(frame, IP6_JUMBO_LEN), ip->protocol, len);
	frame->csum_start = (uint16_t)(frame->csum_start + IP6_JUMBO_LEN);
	ip->protocol = IP_PROTO_IP6_HOP_BY_HOP;
	return frame->len;
}

int ip_output_frame(struct net *net, struct net_path *path, struct tee_frame *frame,
		    const struct ip_out *out)
{
	struct ip_header ip;
	unsigned pushed = ip_out_header_len(out);
	uint32_t payload_len = frame->len;
	bool is_same = true;
	struct neighbour *neigh;

	if (__builtin_expect(path->generation != net->generation || !path->netif, 0)) {
		int result = refresh(net, path, out, &is_same);

		if (result < 0) {
			tee_frame_release(frame);
			return result;
		}
	}
	if (payload_len + pushed >
	    (frame->gso_type == TEE_GSO_NONE ? IP_LEN_MAX : SUPER_BYTES_MAX)) {
		drop(net->engine, DROP_TOO_BIG);
		tee_frame_release(frame);
		return -TEE_EMSGSIZE;
	}
	ip_out_header(net, path->netif, out, &ip);
	if (!out->dont_fragment && tee_ip_is4(&out->dst))
		ip.id = ip_next_id(net, out);
	payload_len = push_jumbo(frame, &ip);
	ip_out_write(frame_push(frame, pushed), &ip, out, payload_len);
	frame->csum_start = (uint16_t)(frame->csum_start + pushed);
	frame->l3_off = 0;

	neigh = path->neighbour;
	if (!is_same || (!neigh && path->netif->kind == TEE_NETIF_ETHERNET) ||
	    (neigh && !neigh_use(neigh, net->engine->now_ns)))
		return output_as_packet(net, path, frame, out);
	if (neigh) {
		memcpy(frame_push(frame, ETHERNET_HEADER_LEN), neigh->header, ETHERNET_HEADER_LEN);
		frame->csum_start = (uint16_t)(frame->csum_start + ETHERNET_HEADER_LEN);
		frame->l3_off = ETHERNET_HEADER_LEN;
	}
	count(net->engine, COUNT_IP_OUT);
	return IP_OUT_READY;
}
