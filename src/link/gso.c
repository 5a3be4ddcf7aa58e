/* SPDX-License-Identifier: MIT */
/*
 * Generic segmentation offload in software, and partial checksums completed.
 *
 * A super-frame is one TCP segment (or UDP datagram) of up to 64 KiB with a gso_size: what the far
 * side of a real wire would have seen are segments of that size. Two kinds of caller need these: an
 * impaired link, because loss and reordering befall packets, and a recording, because a reader of
 * the file wants what was on the wire and good checksums.
 *
 * The rules of a TCP cut (as network cards do it): sequence numbers advance by the payload, FIN and
 * PSH stay on the last segment only, CWR on the first only (RFC 3168 6.1.2: it answers one ECE), the
 * IPv4 identification counts up (RFC 6864 lets it be anything with DF, and it must differ
 * without), lengths and checksums are made anew. The urgent pointer counts from the segment's own
 * sequence number, so it shrinks as the cut goes on, and URG ends when it is behind. UDP gives each
 * piece a header of its own.
 *
 * Everything works on bytes in one piece; frames with slices are gathered by tee_frame_copy()
 * before, or, on their way to a link, cut where they are (gso_cut.c). No state outlives a call but the
 * caller's struct gso_split.
 */
#include <string.h>
#include "base/byteorder.h"
#include "base/check.h"
#include "link/gso.h"
#include "wire/checksum.h"
#include "wire/ethernet.h"
#include "wire/ip.h"
#include "wire/tcp.h"
#include "wire/udp.h"

enum { TCP_CHECKSUM_OFF = 16, UDP_CHECKSUM_OFF = 6, IP4_CHECKSUM_OFF = 10 };

int gso_map(const uint8_t *frame, size_t len, enum tee_netif_kind kind, struct gso_map *ret_map)
{
	struct ip_header ip;
	uint32_t l3_off = 0, pointer;

	if (kind == TEE_NETIF_ETHERNET) {
		uint16_t type;

		if (len < ETHERNET_HEADER_LEN)
			return -TEE_EINVAL;
		type = load_be16(frame + 12);
		if (type != ETHERTYPE_IP4 && type != ETHERTYPE_IP6)
			return -TEE_EINVAL;
		l3_off = ETHERNET_HEADER_LEN;
	}
	if (len <= l3_off ||
	    ip_parse(frame + l3_off, len - l3_off, false, &ip, &pointer) != IP_PARSE_OK)
		return -TEE_EINVAL;
	if (ip.total_len > len - l3_off || ip.header_len > ip.total_len)
		return -TEE_EINVAL;
	*ret_map = (struct gso_map){
		.l3_off = l3_off,
		.l4_off = l3_off + ip.header_len,
		.end = l3_off + ip.total_len,
		.version = ip.version,
		.protocol = ip.protocol,
		.is_fragment = ip.is_fragment,
		.src = ip.src,
		.dst = ip.dst,
	};
	return 0;
}

int gso_complete_checksum(uint8_t *frame, size_t len, uint32_t csum_start, uint32_t csum_offset)
{
	uint16_t checksum;

	if (csum_start > len || (size_t)csum_offset + 2 > len - csum_start)
		return -TEE_EINVAL;
	checksum = checksum_finish(checksum_add(0, frame + csum_start, len - csum_start));
	/* RFC 768: a UDP checksum that comes out as zero is sent as all ones. */
	if (csum_offset == UDP_CHECKSUM_OFF && checksum == 0)
		checksum = 0xffff;
	store_be16(frame + csum_start + csum_offset, checksum);
	return 0;
}

int gso_complete_received(uint8_t *frame, size_t len, enum tee_netif_kind kind)
{
	struct gso_map map;

	if (gso_map(frame, len, kind, &map) < 0 || map.is_fragment)
		return -TEE_EINVAL;
	if (map.protocol == IP_PROTO_TCP)
		return gso_complete_checksum(frame, map.end, map.l4_off, TCP_CHECKSUM_OFF);
	if (map.protocol == IP_PROTO_UDP)
		return gso_complete_checksum(frame, map.end, map.l4_off, UDP_CHECKSUM_OFF);
	return -TEE_EINVAL;
}

/* Length of the transport header, or 0 when it isn't one of the kind that the type promises. */
static uint32_t transport_header_len(const uint8_t *frame, const struct gso_map *map,
				     enum tee_gso_type type)
{
	uint32_t room = map->end - map->l4_off, len;

	if (type == TEE_GSO_UDP)
		return map->protocol == IP_PROTO_UDP && room >= UDP_HEADER_LEN ? UDP_HEADER_LEN : 0;
	if (map->protocol != IP_PROTO_TCP || map->version != (type == TEE_GSO_TCP4 ? 4 : 6) ||
	    room < TCP_HEADER_LEN)
		return 0;
	len = (frame[map->l4_off + 12] >> 4) * 4u;
	return len >= TCP_HEADER_LEN && len <= room ? len : 0;
}

int gso_split_begin(struct gso_split *split, const uint8_t *frame, size_t len,
		    enum tee_netif_kind kind, enum tee_gso_type type, uint32_t gso_size)
{
	uint32_t transport_len;

	memset(split, 0, sizeof(*split));
	if (type == TEE_GSO_NONE || gso_size == 0 || gso_map(frame, len, kind, &split->map) < 0 ||
	    split->map.is_fragment)
		return -TEE_EINVAL;
	transport_len = transport_header_len(frame, &split->map, type);
	if (transport_len == 0)
		return -TEE_EINVAL;
	split->frame = frame;
	split->header_len = split->map.l4_off + transport_len;
	split->gso_size = gso_size;
	split->segment_bytes_max = split->header_len +
				   MIN(gso_size, split->map.end - split->header_len);
	return 0;
}

static void write_ip_lengths(const struct gso_split *split, uint8_t *out, uint32_t len)
{
	const struct gso_map *map = &split->map;
	uint8_t *ip = out + map->l3_off;
	uint32_t ip_len = len - map->l3_off;

	if (map->version == 6) {
		store_be16(ip + 4, (uint16_t)(ip_len - IP6_HEADER_LEN));
		return;
	}
	store_be16(ip + 2, (uint16_t)ip_len);
	store_be16(ip + 4, (uint16_t)(load_be16(ip + 4) + split->segment_idx));
	store_be16(ip + IP4_CHECKSUM_OFF, 0);
	store_be16(ip + IP4_CHECKSUM_OFF,
		   checksum_finish(checksum_add(0, ip, map->l4_off - map->l3_off)));
}

static void write_tcp(const struct gso_split *split, uint8_t *tcp, bool is_last)
{
	uint16_t urgent = load_be16(tcp + 18);

	store_be32(tcp + 4, load_be32(tcp + 4) + split->offset);
	if (!is_last)
		tcp[13] &= (uint8_t) ~(TEE_TCP_FIN | TEE_TCP_PSH);
	if (split->segment_idx > 0)
		tcp[13] &= (uint8_t)~TEE_TCP_CWR;
	if (tcp[13] & TEE_TCP_URG) {
		if (urgent > split->offset) {
			store_be16(tcp + 18, (uint16_t)(urgent - split->offset));
		} else if (split->offset > 0) {
			tcp[13] &= (uint8_t)~TEE_TCP_URG;
			store_be16(tcp + 18, 0);
		}
	}
}

uint32_t gso_split_next(struct gso_split *split, uint8_t *out)
{
	const struct gso_map *map = &split->map;
	uint32_t payload = map->end - split->header_len - split->offset;
	uint32_t take = MIN(payload, split->gso_size), len = split->header_len + take;
	uint32_t checksum_off = map->protocol == IP_PROTO_TCP ? TCP_CHECKSUM_OFF : UDP_CHECKSUM_OFF;
	uint8_t *l4 = out + map->l4_off;
	uint64_t pseudo;

	if (split->is_done)
		return 0;
	memcpy(out, split->frame, split->header_len);
	memcpy(out + split->header_len, split->frame + split->header_len + split->offset, take);
	split->is_done = take == payload;
	write_ip_lengths(split, out, len);
	if (map->protocol == IP_PROTO_TCP)
		write_tcp(split, l4, split->is_done);
	else
		store_be16(l4 + 4, (uint16_t)(len - map->l4_off));
	pseudo = checksum_pseudo(&map->src, &map->dst, map->protocol, len - map->l4_off);
	store_be16(l4 + checksum_off, checksum_fold(pseudo));
	gso_complete_checksum(out, len, map->l4_off, checksum_off);
	split->offset += take;
	split->segment_idx++;
	return len;
}
