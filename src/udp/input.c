/* SPDX-License-Identifier: MIT */
/*
 * Datagrams in, and what ICMP says of those that went out (RFC 768, RFC 1122 4.1).
 *
 * A datagram stays in the buffer it arrived in until the application reads it; one that is small
 * beside its buffer is copied out, so that the queue's limit, which counts buffers, means what it says. A
 * super-frame of several datagrams (UDP segmentation offload) is queued as slices of one buffer.
 *
 * ICMP errors are passed on to connected endpoints only, whose addresses and ports the quoted packet names
 * all (RFC 1122 4.1.3.3; an unconnected one could not tell which of its packets is meant), unless the socket keeps
 * each with what it quotes (TEE_OPT_RECVERR): then it can tell, and hears of all. "Too big" is
 * believed when an endpoint is there that could have sent the quoted packet, and was quoted whole
 * enough to show its ports.
 */
#include "udp/private.h"

#include <stdlib.h>
#include <string.h>
#include "base/byteorder.h"
#include "base/check.h"
#include "wire/checksum.h"
#include "wire/udp.h"

void datagram_free(struct udp_datagram *datagram)
{
	tee_pkt_release(datagram->pkt);
	free(datagram);
}

/* ---- queueing ---- */

static struct tee_dgram_info info_of(const struct ip_packet *packet, uint16_t local_port,
				     uint16_t remote_port)
{
	uint16_t number = (uint16_t)netif_number(packet->netif);

	return (struct tee_dgram_info){
		.local = {.ip = packet->ip.dst, .port = local_port, .netif = number},
		.remote = {.ip = packet->ip.src,
			   .port = remote_port,
			   .netif = ip_is_link_local(&packet->ip.src) ? number : 0},
		.ttl = packet->ip.ttl,
		.tos = packet->ip.tos,
	};
}

/* A reference to the buffer, or a copy of the payload where the buffer is much larger. */
static struct tee_pkt *hold(struct udp *udp, struct tee_pkt *pkt, uint32_t off, uint32_t len,
			    uint32_t *ret_off)
{
	struct tee_pkt *copy;

	*ret_off = off;
	if (len >= pkt->capacity / 4)
		return tee_pkt_ref(pkt);
	copy = tee_pkt_new(udp->engine->pool, len);
	if (!copy)
		return tee_pkt_ref(pkt);
	memcpy(tee_pkt_bytes(copy), pkt->data + off, len);
	copy->len = len;
	*ret_off = copy->off;
	return copy;
}

static void enqueue(struct udp_endpoint *endpoint, struct tee_pkt *pkt, uint32_t off, uint32_t len,
		    const struct tee_dgram_info *info)
{
	struct udp *udp = endpoint->udp;
	struct udp_datagram *datagram;

	if (endpoint->receiver) {
		endpoint->receiver(endpoint->receiver_context, pkt->data + off, len, info);
		return;
	}
	if (endpoint->is_shut_read) {
		drop(udp->engine, DROP_UDP_QUEUE_FULL);
		return;
	}
	datagram = calloc(1, sizeof(*datagram));
	if (!datagram) {
		drop(udp->engine, DROP_NO_MEMORY);
		return;
	}
	datagram->pkt = hold(udp, pkt, off, len, &datagram->off);
	datagram->len = len;
	datagram->info = *info;
	datagram->info.at_ns = udp->engine->now_ns;
	datagram->charge = datagram->pkt->capacity + (uint32_t)sizeof(*datagram);
	/* An empty queue takes any datagram, however small its limit. */
	if (endpoint->first &&
	    endpoint->queue_charge + datagram->charge > endpoint->options.queue_bytes_max) {
		drop(udp->engine, DROP_UDP_QUEUE_FULL);
		datagram_free(datagram);
		return;
	}
	if (endpoint->last)
		endpoint->last->next = datagram;
	else
		endpoint->first = datagram;
	endpoint->last = datagram;
	endpoint->queue_count++;
	endpoint->queue_bytes += len;
	endpoint->queue_charge += datagram->charge;
	event_raise(udp->engine, endpoint->source, TEE_EV_READABLE);
}

/* To one endpoint, or with a group to all that listen; false: nobody does. */
static bool deliver(struct udp *udp, const struct ip_packet *packet, const struct demux_key *key,
		    uint32_t off, uint32_t len)
{
	struct tee_dgram_info info = info_of(packet, key->local_port, key->remote_port);
	struct udp_endpoint *endpoint;

	if (!packet->to_group) {
		endpoint = udp_demux_find(udp, false, key);
		if (endpoint)
			enqueue(endpoint, packet->pkt, off, len, &info);
		return endpoint != NULL;
	}
	endpoint = demux_next(udp, key, NULL);
	for (struct udp_endpoint *at = endpoint; at; at = demux_next(udp, key, at))
		enqueue(at, packet->pkt, off, len, &info);
	return endpoint != NULL;
}

/* ---- UDP ---- */

static bool is_checksum_right(const struct ip_packet *packet, const struct udp_header *header)
{
	const struct tee_pkt *pkt = packet->pkt;
	uint64_t sum;

	if (pkt->checksum_state != TEE_CHECKSUM_UNKNOWN)
		return true;
	/* RFC 768: none was made. RFC 8200 8.1: for IPv6 there is no such thing. */
	if (header->checksum == 0)
		return packet->ip.version == 4;
	sum = checksum_pseudo(&packet->ip.src, &packet->ip.dst, IP_PROTO_UDP, header->len);
	return checksum_fold(checksum_add(sum, tee_pkt_bytes(pkt), header->len)) == 0xffff;
}

static void no_port(struct udp *udp, const struct ip_packet *packet)
{
	count(udp->engine, COUNT_UDP_NO_PORT);
	if (packet->to_group)
		return;
	/* RFC 1122 4.1.3.1. */
	if (packet->ip.version == 4)
		icmp_send_error(udp->net, packet, ICMP4_UNREACHABLE, 3, 0);
	else
		icmp_send_error(udp->net, packet, ICMP6_UNREACHABLE, 4, 0);
}

static void udp_input(void *context, struct ip_packet *packet)
{
	struct udp *udp = context;
	struct tee_pkt *pkt = packet->pkt;
	struct udp_header header;
	struct demux_key key;
	uint32_t off = pkt->off + UDP_HEADER_LEN, left, piece;

	if (udp_parse(tee_pkt_bytes(pkt), pkt->len, &header) < 0 || header.src_port == 0) {
		/* A source port of 0 means "don't answer" (RFC 768); nobody here wants such. */
		drop_pkt(udp->engine, DROP_UDP_MALFORMED, pkt);
		return;
	}
	if (!is_checksum_right(packet, &header)) {
		drop_pkt(udp->engine, DROP_UDP_BAD_CHECKSUM, pkt);
		return;
	}
	key = (struct demux_key){
		.local = packet->ip.dst,
		.remote = packet->ip.src,
		.local_port = header.dst_port,
		.remote_port = header.src_port,
		.netif_number = netif_number(packet->netif),
	};
	left = header.len - UDP_HEADER_LEN;
	piece = pkt->gso_size > 0 ? pkt->gso_size : left;
	do {
		uint32_t len = MIN(piece, left);

		count(udp->engine, COUNT_UDP_IN);
		if (!deliver(udp, packet, &key, off, len)) {
			no_port(udp, packet);
			break;
		}
		off += len;
		left -= len;
	} while (left > 0);
	tee_pkt_release(pkt);
}

/* ---- echo ---- */

static void ping_input(void *context, struct ip_packet *packet)
{
	struct udp *udp = context;
	struct tee_pkt *pkt = packet->pkt;
	struct demux_key key = {
		.local = packet->ip.dst,
		.remote = packet->ip.src,
		.netif_number = netif_number(packet->netif),
	};
	struct udp_endpoint *endpoint;
	struct tee_dgram_info info;

	/* ICMP has seen that there are 8 bytes, and that the checksum is right. */
	key.local_port = load_be16(tee_pkt_bytes(pkt) + 4);
	endpoint = packet->to_group ? NULL : udp_demux_find(udp, true, &key);
	if (!endpoint) {
		drop_pkt(udp->engine, DROP_ICMP_IGNORED, pkt);
		return;
	}
	info = info_of(packet, key.local_port, 0);
	enqueue(endpoint, pkt, pkt->off, pkt->len, &info);
	tee_pkt_release(pkt);
}

/* ---- errors ---- */

/* Is the report about something that this endpoint sent last? */
static bool is_its_peer(const struct udp_endpoint *endpoint, const struct icmp_report *report)
{
	if (!tee_ip_is_any(&endpoint->remote.ip))
		return true; /* the demux has compared it */
	return endpoint->is_ping && tee_ip_equal(&endpoint->last_remote, &report->remote);
}

/* Fragments that never met again are the path's matter, and the next datagram may fare better. */
static bool is_worth_keeping(const struct icmp_report *report)
{
	enum { REASSEMBLY_TIME_EXCEEDED = 1 };

	return report->version != 4 || report->error != ICMP_ERROR_TIME_EXCEEDED ||
	       report->code != REASSEMBLY_TIME_EXCEEDED;
}

static void report_error(struct udp *udp, bool is_ping, const struct demux_key *key,
			 const struct icmp_report *report)
{
	struct udp_endpoint *endpoint = udp_demux_find(udp, is_ping, key);
	int error = icmp_error_number(report->version, report->error);
	bool is_kept;

	if (!endpoint) {
		drop(udp->engine, DROP_ICMP_UNBELIEVABLE);
		return;
	}
	if (report->error == ICMP_ERROR_TOO_BIG) {
		/* RFC 5927 7.2: who learnt the ports could as well answer in the peer's place. */
		if (endpoint->options.pmtu_discover != 0 && report->quoted_total_len > report->mtu)
			net_pmtu_update(udp->net, &report->remote, report->mtu,
					report->quoted_total_len);
		if (endpoint->options.pmtu_discover == 0)
			return;
	}
	is_kept = is_worth_keeping(report) && net_wants_error(udp->net, endpoint->source, report);
	/* Of an echo the whole message is the socket's. */
	if (is_kept)
		net_keep_error(udp->net, endpoint->source, report, is_ping ? 0 : UDP_HEADER_LEN);
	/* Only who forbade fragments must send something shorter. */
	else if (report->error == ICMP_ERROR_TOO_BIG && endpoint->options.pmtu_discover < 2)
		return;
	if (error && (is_kept || is_its_peer(endpoint, report)))
		endpoint_fail(endpoint, error);
}

static void udp_icmp_error(void *context, const struct icmp_report *report)
{
	struct demux_key key = {
		.local = report->local,
		.remote = report->remote,
		.local_port = load_be16(report->quoted),
		.remote_port = load_be16(report->quoted + 2),
		.netif_number = netif_number(report->netif),
	};

	report_error(context, false, &key, report);
}

static void ping_icmp_error(void *context, const struct icmp_report *report)
{
	struct demux_key key = {
		.local = report->local,
		.remote = report->remote,
		.local_port = load_be16(report->quoted + 4),
		.netif_number = netif_number(report->netif),
	};
	uint8_t request = report->version == 4 ? ICMP4_ECHO_REQUEST : ICMP6_ECHO_REQUEST;
	struct udp *udp = context;

	if (report->quoted[0] == request)
		report_error(udp, true, &key, report);
	else
		drop(udp->engine, DROP_ICMP_UNBELIEVABLE);
}

const struct net_protocol udp_net_protocol = {.input = udp_input, .icmp_error = udp_icmp_error};
const struct net_protocol ping_net_protocol = {.input = ping_input, .icmp_error = ping_icmp_error};
