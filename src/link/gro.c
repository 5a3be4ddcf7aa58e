/* SPDX-License-Identifier: MIT */
/*
 * Generic receive offload in software, for links that bring TCP in segments of the wire's size.
 *
 * A sender in bulk fills the link's queue with segments that differ in nothing but their sequence number. Joined
 * to one super-frame (gso_size says of what), they cost the stack one lookup, one ACK decision and
 * one node of its receive queue. Everything here happens within one batch of one recv call: nothing is
 * ever held back for what may come, so no latency is bought with it.
 *
 * What may be joined is what Linux' own receive offload joins: plain data of one flow, contiguous, with
 * the same ACK number, window, flags and options (timestamps included, so one that ticked starts a new
 * super-frame), and in IP the same TTL, traffic class and ECN bits. A CE mark thus stays with the
 * segments that carried it, and the core, which counts segments by gso_size, counts them right (RFC 3168
 * 6.1, RFC 9768). PSH, FIN and a segment smaller than the first end a super-frame; SYN, RST, URG and CWR
 * never enter one, nor do IP options, fragments, and segments without data (a super-frame of pure ACKs
 * would take away what the sender counts). A segment that can't join closes its flow's super-frame,
 * so the order of arrival within a flow is the order in the batch.
 *
 * Checksums are verified before anything is joined (MUST-3), while the payload is copied: the sum costs
 * almost nothing where the bytes are moved anyway. The first segment of a flow is left as it is until
 * a second one comes; only then it moves into a buffer with room. A bad one is never joined and
 * reaches the core as it came, to be dropped and counted there.
 *
 * No timers. In: gro_join(), from the links; out: the packets of the batch.
 */
#include <string.h>
#include "base/byteorder.h"
#include "base/check.h"
#include "link/gro.h"
#include "wire/checksum.h"
#include "wire/ethernet.h"
#include "wire/ip.h"
#include "wire/tcp.h"

enum {
	GRO_IP_BYTES_MAX = 65535,
	/* The first buffer with room: eleven segments of an ordinary Ethernet. */
	GRO_BUFFER_SMALL = 16384,
	GRO_FLAGS_PLAIN = TEE_TCP_ACK | TEE_TCP_PSH | TEE_TCP_FIN | TEE_TCP_ECE,
};

/* ---- reading a frame ---- */

/* Where IP ends and what it carries; false: no TCP that could be joined or has an order to keep. */
static bool read_ip(struct gro_segment *segment, const uint8_t *frame, uint32_t len)
{
	const uint8_t *ip = frame + segment->l3_off;
	uint32_t room = len - segment->l3_off, total;

	if (room >= IP4_HEADER_LEN && ip[0] == 0x45) {
		total = load_be16(ip + 2);
		/* A fragment: more to come, or not the first. */
		if (ip[9] != IP_PROTO_TCP || (load_be16(ip + 6) & 0xbfff))
			return false;
		segment->version = 4;
		segment->l4_off = (uint16_t)(segment->l3_off + IP4_HEADER_LEN);
	} else if (room >= IP6_HEADER_LEN && ip[0] >> 4 == 6) {
		total = IP6_HEADER_LEN + load_be16(ip + 4);
		if (ip[6] != IP_PROTO_TCP)
			return false;
		segment->version = 6;
		segment->l4_off = (uint16_t)(segment->l3_off + IP6_HEADER_LEN);
	} else {
		return false;
	}
	segment->end = segment->l3_off + total;
	return total <= room && segment->end >= segment->l4_off + (uint32_t)TCP_HEADER_LEN;
}

static void read_segment(struct gro_segment *segment, enum tee_netif_kind kind,
			 const uint8_t *frame, uint32_t len)
{
	const uint8_t *tcp;
	uint32_t header_len;

	*segment = (struct gro_segment){0};
	if (kind == TEE_NETIF_ETHERNET) {
		uint16_t type;

		if (len < ETHERNET_HEADER_LEN)
			return;
		type = load_be16(frame + 12);
		if (type != ETHERTYPE_IP4 && type != ETHERTYPE_IP6)
			return;
		segment->l3_off = ETHERNET_HEADER_LEN;
	}
	if (!read_ip(segment, frame, len))
		return;
	tcp = frame + segment->l4_off;
	header_len = (tcp[12] >> 4) * 4u;
	if (header_len < TCP_HEADER_LEN || header_len > segment->end - segment->l4_off)
		return;
	segment->is_tcp = true;
	segment->payload_off = (uint16_t)(segment->l4_off + header_len);
	segment->seq = load_be32(tcp + 4);
	segment->flags = tcp[13];
	/* The low nibble of byte 12: reserved bits, and AE of RFC 9768. */
	segment->may_join = segment->end > segment->payload_off && (tcp[12] & 0x0e) == 0 &&
			    (tcp[13] & TEE_TCP_ACK) && !(tcp[13] & ~GRO_FLAGS_PLAIN);
}

static bool ends_super_frame(uint8_t flags)
{
	return flags & (TEE_TCP_PSH | TEE_TCP_FIN);
}

/* ---- comparing with a super-frame ---- */

/* Addresses and ports: they stand side by side, for there is nothing between IP header and TCP. */
static bool is_same_flow(const struct gro_flow *flow, const uint8_t *held,
			 const struct gro_segment *segment, const uint8_t *frame)
{
	uint32_t from = flow->l3_off + (flow->version == 4 ? 12u : 8u);

	return flow->version == segment->version && flow->l3_off == segment->l3_off &&
	       memcmp(held + from, frame + from, flow->l4_off + 4 - from) == 0;
}

static bool is_same_header(const struct gro_flow *flow, const uint8_t *held, const uint8_t *frame)
{
	const uint8_t *ip = frame + flow->l3_off, *held_ip = held + flow->l3_off;
	const uint8_t *tcp = frame + flow->l4_off, *held_tcp = held + flow->l4_off;
	uint32_t options = flow->l4_off + (uint32_t)TCP_HEADER_LEN;

	if (memcmp(held, frame, flow->l3_off) != 0)
		return false;
	if (flow->version == 4 ? ip[1] != held_ip[1] || ip[6] != held_ip[6] || ip[8] != held_ip[8]
			       : memcmp(ip, held_ip, 4) != 0 || ip[7] != held_ip[7])
		return false;
	/* ACK number, length of the header; flags but PSH and FIN; window and urgent pointer. */
	return memcmp(tcp + 8, held_tcp + 8, 5) == 0 &&
	       !((tcp[13] ^ held_tcp[13]) & ~(TEE_TCP_PSH | TEE_TCP_FIN)) &&
	       memcmp(tcp + 14, held_tcp + 14, 2) == 0 && memcmp(tcp + 18, held_tcp + 18, 2) == 0 &&
	       memcmp(frame + options, held + options, flow->payload_off - options) == 0;
}

/* ---- checksums ---- */

/* IPv4's own, and of TCP's the pseudo-header, to which header and payload are still to be added. */
static bool begin_checksum(const struct gro_segment *segment, const uint8_t *frame,
			   uint64_t *ret_sum)
{
	const uint8_t *ip = frame + segment->l3_off;
	uint64_t sum = (uint64_t)IP_PROTO_TCP + (segment->end - segment->l4_off);

	if (segment->version == 6) {
		*ret_sum = checksum_add(sum, ip + 8, 32);
		return true;
	}
	*ret_sum = checksum_add(sum, ip + 12, 8);
	return checksum_fold(checksum_add(0, ip, IP4_HEADER_LEN)) == 0xffff;
}

/* Copies the payload, and tells whether the checksums are good. */
static bool copy_checked(const struct gro_segment *segment, const uint8_t *frame, uint8_t *to,
			 bool is_verified)
{
	uint32_t header_len = segment->payload_off - segment->l4_off;
	uint32_t len = segment->end - segment->payload_off;
	uint64_t sum;

	if (is_verified) {
		memcpy(to, frame + segment->payload_off, len);
		return true;
	}
	if (!begin_checksum(segment, frame, &sum))
		return false;
	sum = checksum_add(sum, frame + segment->l4_off, header_len);
	sum = checksum_add_copy(sum, to, frame + segment->payload_off, len);
	return checksum_fold(sum) == 0xffff;
}

/* ---- growing ---- */

static void write_lengths(const struct gro_flow *flow, struct tee_pkt *pkt)
{
	uint8_t *ip = tee_pkt_bytes(pkt) + flow->l3_off;
	uint32_t len = pkt->len - flow->l3_off;

	if (flow->version == 6) {
		store_be16(ip + 4, (uint16_t)(len - IP6_HEADER_LEN));
		return;
	}
	store_be16(ip + 2, (uint16_t)len);
	store_be16(ip + 10, 0);
	store_be16(ip + 10, checksum_finish(checksum_add(0, ip, IP4_HEADER_LEN)));
}

static uint32_t room_of(const struct tee_pkt *pkt)
{
	return pkt->capacity - pkt->off - pkt->len;
}

/*
 * Puts a packet with room in the place of the flow's, whose checksums are looked at now if nobody did
 * before. False: bad ones, or no memory.
 */
static bool make_room(struct gro *gro, struct gro_flow *flow, uint32_t wanted)
{
	struct tee_pkt *old = gro->pkts[flow->pkt_idx], *pkt;
	const uint8_t *bytes = tee_pkt_bytes(old);
	struct gro_segment first;
	uint32_t capacity = old->len + wanted;
	bool is_small = !gro->was_full && !gro->is_full && capacity <= GRO_BUFFER_SMALL;

	if (flow->is_checked && room_of(old) >= wanted)
		return true;
	pkt = tee_pkt_new(gro->pool, is_small ? GRO_BUFFER_SMALL : TEE_FRAME_LEN_MAX);
	if (!pkt)
		return false;
	first = (struct gro_segment){
		.version = flow->version,
		.l3_off = flow->l3_off,
		.l4_off = flow->l4_off,
		.payload_off = flow->payload_off,
		.end = old->len,
	};
	if (!copy_checked(&first, bytes, tee_pkt_bytes(pkt) + flow->payload_off,
			  flow->is_checked)) {
		tee_pkt_release(pkt);
		return false;
	}
	memcpy(tee_pkt_bytes(pkt), bytes, flow->payload_off);
	pkt->len = old->len;
	pkt->at_ns = old->at_ns;
	pkt->checksum_state = TEE_CHECKSUM_VERIFIED;
	flow->is_checked = true;
	gro->is_full |= !is_small;
	gro->pkts[flow->pkt_idx] = pkt;
	tee_pkt_release(old);
	return true;
}

/* Can this segment of the flow be added, and was it? */
static bool add(struct gro *gro, struct gro_flow *flow, const uint8_t *frame, bool is_verified)
{
	const struct gro_segment *segment = &gro->segment;
	uint32_t len = segment->end - segment->payload_off;
	struct tee_pkt *pkt = gro->pkts[flow->pkt_idx];

	if (!segment->may_join || segment->seq != flow->next_seq ||
	    segment->payload_off != flow->payload_off || len > flow->segment_bytes ||
	    pkt->len - flow->l3_off + len > GRO_IP_BYTES_MAX ||
	    !is_same_header(flow, tee_pkt_bytes(pkt), frame) || !make_room(gro, flow, len))
		return false;
	pkt = gro->pkts[flow->pkt_idx];
	if (!copy_checked(segment, frame, tee_pkt_bytes(pkt) + pkt->len, is_verified))
		return false;
	pkt->len += len;
	pkt->gso_size = (uint16_t)flow->segment_bytes;
	pkt->gso_type = flow->version == 4 ? TEE_GSO_TCP4 : TEE_GSO_TCP6;
	write_lengths(flow, pkt);
	tee_pkt_bytes(pkt)[flow->l4_off + 13] |= segment->flags;
	flow->next_seq += len;
	flow->is_open = len == flow->segment_bytes && !ends_super_frame(segment->flags);
	return true;
}

/* ---- the batch ---- */

void gro_begin(struct gro *gro, enum tee_netif_kind kind, struct tee_pool *pool,
	       struct tee_pkt **pkts)
{
	gro->kind = kind;
	gro->pool = pool;
	gro->pkts = pkts;
	gro->was_full = gro->is_full;
	gro->is_full = false;
	gro->segment = (struct gro_segment){0};
	for (unsigned i = 0; i < GRO_FLOWS; i++)
		gro->flows[i].is_open = false;
}

bool gro_join(struct gro *gro, const uint8_t *frame, uint32_t len, enum tee_checksum_state state)
{
	read_segment(&gro->segment, gro->kind, frame, len);
	if (!gro->segment.is_tcp)
		return false;
	for (unsigned i = 0; i < GRO_FLOWS; i++) {
		struct gro_flow *flow = &gro->flows[i];

		if (!flow->is_open || !is_same_flow(flow, tee_pkt_bytes(gro->pkts[flow->pkt_idx]),
						    &gro->segment, frame))
			continue;
		if (add(gro, flow, frame, state != TEE_CHECKSUM_UNKNOWN)) {
			gro->joined++;
			return true;
		}
		flow->is_open = false;
		break;
	}
	return false;
}

static struct gro_flow *free_flow(struct gro *gro)
{
	for (unsigned i = 0; i < GRO_FLOWS; i++)
		if (!gro->flows[i].is_open)
			return &gro->flows[i];
	return &gro->flows[gro->victim_idx++ % GRO_FLOWS];
}

void gro_hold(struct gro *gro, unsigned idx)
{
	const struct gro_segment *segment = &gro->segment;
	const struct tee_pkt *pkt = gro->pkts[idx];
	struct gro_flow *flow;

	/* One that a sender's offload made is as large as it shall be. */
	if (!segment->may_join || ends_super_frame(segment->flags) || pkt->gso_size > 0)
		return;
	CHECK(pkt->len >= segment->end);
	/* With padding behind it nothing can be appended. */
	if (pkt->len != segment->end)
		return;
	flow = free_flow(gro);
	*flow = (struct gro_flow){
		.is_open = true,
		.version = segment->version,
		.is_checked = pkt->checksum_state != TEE_CHECKSUM_UNKNOWN,
		.l3_off = segment->l3_off,
		.l4_off = segment->l4_off,
		.payload_off = segment->payload_off,
		.pkt_idx = idx,
		.segment_bytes = segment->end - segment->payload_off,
		.next_seq = segment->seq + (segment->end - segment->payload_off),
	};
}
