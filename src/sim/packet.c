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

uint32_t sim_packet_segs(const struct sim_packet *packet)
{
	return packet->gso_size ? (packet->len + packet->gso_size - 1) / packet->gso_size : 1;
}
