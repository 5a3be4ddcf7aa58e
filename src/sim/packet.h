/* SPDX-License-Identifier: MIT */
/* A packet between hosts: the bytes, and the offload metadata that a link would keep. */
#ifndef SIM_PACKET_H
#define SIM_PACKET_H

#include <teeceepee/packet.h>

struct sim_packet {
	struct sim_packet *next;
	uint64_t queued_at_ns;
	uint32_t len;
	uint16_t ip_off; /* where the IP header stands; SIM_PACKET_NOT_IP: ARP and the like */
	uint16_t gso_size;
	uint8_t gso_type, checksum_state;
	uint8_t hops; /* routers passed */
	uint8_t data[];
};

enum { SIM_PACKET_NOT_IP = 0xffff };

/* NULL: no memory. */
struct sim_packet *sim_packet_from_frame(const struct tee_frame *frame, bool is_ethernet);
/*
 * What a card puts on the wire: a super-frame is cut into segments, checksums are completed. A chain by
 * `next`; the packet's memory moves in. NULL: no memory, or it isn't what it says (counts as lost).
 */
struct sim_packet *sim_packet_segment(struct sim_packet *packet, const struct tee_frame *frame,
				      bool is_ethernet);
struct sim_packet *sim_packet_copy(const struct sim_packet *packet);
/* For tee_input(), from the receiver's pool; NULL: it has no room. */
struct tee_pkt *sim_packet_to_pkt(const struct sim_packet *packet, struct tee_pool *pool);

/* The destination, for routers; false: it is not IP. */
bool sim_packet_destination(const struct sim_packet *packet, struct tee_ip *ret_ip);
/* Marks congestion (RFC 3168 section 5); false: the sender didn't say ECT, so it must be dropped. */
bool sim_packet_mark_ce(struct sim_packet *packet);
/* Turns one bit of the IP packet over; on an Ethernet, what is not IP has its FCS and is lost instead. */
bool sim_packet_corrupt(struct sim_packet *packet, uint64_t chance);
/*
 * Cuts a TCP segment in two at a place that `chance` chooses, as a proxy may; the two share up to 64
 * bytes. The packet becomes the first part, the second is returned; NULL: it can't be cut.
 */
struct sim_packet *sim_packet_cut(struct sim_packet *packet, uint64_t chance);
/* How many segments of the wire it stands for. */
uint32_t sim_packet_segs(const struct sim_packet *packet);

#endif
