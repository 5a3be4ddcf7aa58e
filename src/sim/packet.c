/* SPDX-License-Identifier: MIT */
/*
 * Packets on their way through a world. A frame that a stack gave out is copied once into a
 * struct sim_packet; where it arrives it is copied into a buffer of the receiving stack's own pool, so
 * that the receiver's memory limit holds as it would behind a real link.
 *
 * A super-frame stays one packet, with its metadata. A checksum that was left to the link stays
 * partial: it never left memory. (A world that corrupts gives its hosts no such offload.)
 *
 * What routers and bad links do to a packet is here too: reading its destination, marking it (with
 * the incremental checksum of RFC 1624), turning a bit over.
 */
#include "sim/packet.h"

#include <stdlib.h>
#include <string.h>

#include "base/byteorder.h"
#include "link/gso.h"
#include "wire/checksum.h"
#include "wire/ip.h"
#include "wire/tcp.h"

enum { ETHERNET_LEN = 14, ECN_MASK = 3, ECN_CE = 3 };

struct sim_packet *sim_packet_from_frame(const struct tee_frame *frame, bool is_ethernet)
{
	struct sim_packet *packet = malloc(sizeof(*packet) + frame->len);

	if (!packet)
		return NULL;
	memset(packet, 0, sizeof(*packet));
	packet->len = frame->len;
	packet->gso_size = frame->gso_size;
	packet->gso_type = frame->gso_type;
	packet->checksum_state = frame->checksum_partial ? TEE_CHECKSUM_PARTIAL
							 : TEE_CHECKSUM_UNKNOWN;
	tee_frame_copy(frame, packet->data);
	if (is_ethernet) {
		uint16_t type = packet->len >= ETHERNET_LEN ? load_be16(packet->data + 12) : 0;

		packet->ip_off = type == 0x0800 || type == 0x86dd ? (uint16_t)ETHERNET_LEN
								  : (uint16_t)SIM_PACKET_NOT_IP;
	}
	return packet;
}

static void chain_free(struct sim_packet *packet)
{
	while (packet) {
		struct sim_packet *next = packet->next;

		free(packet);
		packet = next;
	}
}

static struct sim_packet *cut_super_frame(const struct sim_packet *packet, bool is_ethernet)
{
	enum tee_netif_kind kind = is_ethernet ? TEE_NETIF_ETHERNET : TEE_NETIF_RAW_IP;
	struct sim_packet *first = NULL, **end = &first;
	struct gso_split split;

	if (gso_split_begin(&split, packet->data, packet->len, kind,
			    (enum tee_gso_type)packet->gso_type, packet->gso_size) < 0)
		return NULL;
	while (!split.is_done) {
		struct sim_packet *segment = malloc(sizeof(*segment) + split.segment_bytes_max);

		if (!segment) {
			chain_free(first);
			return NULL;
		}
		memset(segment, 0, sizeof(*segment));
		segment->ip_off = packet->ip_off;
		segment->len = gso_split_next(&split, segment->data);
		if (segment->len == 0) {
			free(segment);
			break;
		}
		*end = segment;
		end = &segment->next;
	}
	return first;
}

struct sim_packet *sim_packet_segment(struct sim_packet *packet, const struct tee_frame *frame,
				      bool is_ethernet)
{
	struct sim_packet *chain = packet;

	if (packet->gso_size) {
		chain = cut_super_frame(packet, is_ethernet);
		free(packet);
	} else if (frame->checksum_partial) {
		packet->checksum_state = TEE_CHECKSUM_UNKNOWN;
		if (gso_complete_checksum(packet->data, packet->len, frame->csum_start,
					  frame->csum_offset) < 0) {
			free(packet);
			return NULL;
		}
	}
	return chain;
}

struct sim_packet *sim_packet_copy(const struct sim_packet *packet)
{
	struct sim_packet *copy = malloc(sizeof(*copy) + packet->len);

	if (copy) {
		memcpy(copy, packet, sizeof(*copy) + packet->len);
		copy->next = NULL;
	}
	return copy;
}

struct tee_pkt *sim_packet_to_pkt(const struct sim_packet *packet, struct tee_pool *pool)
{
	struct tee_pkt *pkt = tee_pkt_new(pool, packet->len);

	if (!pkt)
		return NULL;
	memcpy(tee_pkt_bytes(pkt), packet->data, packet->len);
	pkt->len = packet->len;
	pkt->gso_size = packet->gso_size;
	pkt->gso_type = packet->gso_type;
	pkt->checksum_state = packet->checksum_state;
	return pkt;
}

bool sim_packet_destination(const struct sim_packet *packet, struct tee_ip *ret_ip)
{
	const uint8_t *ip = packet->data + packet->ip_off;
	uint32_t len = packet->len - packet->ip_off;

	if (packet->ip_off == SIM_PACKET_NOT_IP || packet->len < packet->ip_off)
		return false;
	if (len >= 20 && ip[0] >> 4 == 4) {
		*ret_ip = TEE_IP4(ip[16], ip[17], ip[18], ip[19]);
		return true;
	}
	if (len >= 40 && ip[0] >> 4 == 6) {
		memcpy(ret_ip->byte, ip + 24, 16);
		return true;
	}
	return false;
}

bool sim_packet_mark_ce(struct sim_packet *packet)
{
	uint8_t *ip = packet->data + packet->ip_off;
	struct tee_ip unused;

	if (!sim_packet_destination(packet, &unused))
		return false;
	if (ip[0] >> 4 == 4) {
		uint32_t sum;
		uint16_t old = load_be16(ip);

		if ((ip[1] & ECN_MASK) == 0)
			return false;
		ip[1] |= ECN_CE;
		/* RFC 1624, equation 3: HC' = ~(~HC + ~m + m') */
		sum = (uint16_t)~load_be16(ip + 10) + (uint32_t)(uint16_t)~old + load_be16(ip);
		sum = (sum & 0xffff) + (sum >> 16);
		sum = (sum & 0xffff) + (sum >> 16);
		store_be16(ip + 10, (uint16_t)~sum);
		return true;
	}
	/* The traffic class straddles the first two bytes; ECN is in the second's bits 4 and 5. */
	if ((ip[1] >> 4 & ECN_MASK) == 0)
		return false;
	ip[1] |= ECN_CE << 4;
	return true;
}

bool sim_packet_corrupt(struct sim_packet *packet, uint64_t chance)
{
	uint32_t len;

	if (packet->ip_off == SIM_PACKET_NOT_IP || packet->len <= packet->ip_off)
		return false;
	len = packet->len - packet->ip_off;
	packet->data[packet->ip_off + (chance >> 3) % len] ^= (uint8_t)(1U << (chance & 7));
	return true;
}

/* Writes a segment that holds [from, to) of the payload of `whole` into `part`; sizes are the caller's. */
static void cut_write(const struct sim_packet *whole, struct sim_packet *part,
		      const struct ip_header *ip, uint32_t tcp_len, uint32_t from, uint32_t to,
		      uint32_t payload_len)
{
	uint32_t head = whole->ip_off + ip->header_len, len = tcp_len + (to - from);
	uint8_t *tcp = part->data + head, *ip_bytes = part->data + whole->ip_off;
	struct ip_header shorter = *ip;

	memmove(part->data, whole->data, head + tcp_len);
	memmove(tcp + tcp_len, whole->data + head + tcp_len + from, to - from);
	part->len = head + len;
	store_be32(tcp + 4, load_be32(tcp + 4) + from);
	if (to < payload_len)
		tcp[13] &= (uint8_t) ~(TEE_TCP_FIN | TEE_TCP_PSH); /* they belong to the end */
	if (ip->version == 4) {
		store_be16(ip_bytes + 2, (uint16_t)(ip->header_len + len));
		store_be16(ip_bytes + 10, 0);
		store_be16(ip_bytes + 10,
			   checksum_finish(checksum_add(0, ip_bytes, shorter.header_len)));
	} else {
		store_be16(ip_bytes + 4, (uint16_t)len);
	}
	store_be16(tcp + 16, 0);
	store_be16(tcp + 16,
		   checksum_finish(checksum_add(
			   checksum_pseudo(&ip->src, &ip->dst, IP_PROTO_TCP, len), tcp, len)));
}

struct sim_packet *sim_packet_cut(struct sim_packet *packet, uint64_t chance)
{
	enum { OVERLAP = 64 };
	struct sim_packet *second;
	struct tcp_header tcp;
	struct ip_header ip;
	uint32_t pointer, payload_len, at, back;

	if (packet->ip_off == SIM_PACKET_NOT_IP || packet->gso_size ||
	    packet->checksum_state != TEE_CHECKSUM_UNKNOWN ||
	    ip_parse(packet->data + packet->ip_off, packet->len - packet->ip_off, true, &ip,
		     &pointer) != IP_PARSE_OK ||
	    ip.protocol != IP_PROTO_TCP || ip.is_fragment ||
	    tcp_parse(packet->data + packet->ip_off + ip.header_len, ip.total_len - ip.header_len,
		      &tcp) < 0 ||
	    tcp.flags & (TEE_TCP_SYN | TEE_TCP_RST | TEE_TCP_URG))
		return NULL;
	payload_len = ip.total_len - ip.header_len - tcp.header_len;
	if (payload_len < 2)
		return NULL;
	at = 1 + (uint32_t)(chance % (payload_len - 1));
	back = (uint32_t)(chance >> 32) % OVERLAP;
	second = sim_packet_copy(packet);
	if (!second)
		return NULL;
	cut_write(packet, second, &ip, tcp.header_len, at > back ? at - back : 0, payload_len,
		  payload_len);
	cut_write(packet, packet, &ip, tcp.header_len, 0, at, payload_len);
	return second;
}

uint32_t sim_packet_segs(const struct sim_packet *packet)
{
	return packet->gso_size ? (packet->len + packet->gso_size - 1) / packet->gso_size : 1;
}
