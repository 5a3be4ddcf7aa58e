/* SPDX-License-Identifier: MIT */
/*
 * IPv4 and IPv6 headers to one struct and back, and what kind of address an address is.
 *
 * IPv4 (RFC 791): options are walked only to see that they are well formed; none is acted on here.
 * IPv6 (RFC 8200): extension headers are walked up to the upper-layer header, or to the data of a
 * fragment. Each step of that walk is one function of the table-less switch in walk_headers(); the
 * number of headers is bounded (RFC 8504 section 5.3), so that a packet can't buy work.
 *
 * A verdict that ends in an ICMP error says where it points to: the offset, from the packet's start, of
 * the byte that is at fault.
 */
#include "wire/ip.h"

#include <string.h>

#include <teeceepee/packet.h>
#include "base/check.h"
#include "wire/bytes.h"
#include "wire/checksum.h"

/* IPv6 extension headers. */
enum {
	IP6_HOP_BY_HOP = IP_PROTO_IP6_HOP_BY_HOP,
	IP6_ROUTING = 43,
	IP6_FRAGMENT = IP_PROTO_IP6_FRAGMENT,
	IP6_AUTHENTICATION = 51,
	IP6_DESTINATION = 60,
	IP6_MOBILITY = 135,
	IP6_HIP = 139,
	IP6_SHIM6 = 140,
};

enum {
	IP4_OPT_END = 0,
	IP4_OPT_NOP = 1,
	IP4_MF = 0x2000,
	IP4_OFFSET_MASK = 0x1fff,
	IP6_MF = 1,
	IP6_OPT_PAD1 = 0,
	IP6_OPT_JUMBO = 0xc2,
	IP6_NEXT_HEADER_OFF = 6,
	IP6_PAYLOAD_LEN_OFF = 4,
	EXTENSIONS_MAX = 10,
};

/* ---- IPv4 ---- */

/* RFC 791 section 3.1. Lengths must lie inside the header; kinds are not judged. */
static enum ip_parse_result check_ip4_options(const uint8_t *data, size_t off, size_t end,
					      uint32_t *ret_pointer)
{
	while (off < end) {
		uint8_t kind = data[off];

		if (kind == IP4_OPT_END)
			break;
		if (kind == IP4_OPT_NOP) {
			off++;
			continue;
		}
		if (end - off < 2 || data[off + 1] < 2 || data[off + 1] > end - off) {
			*ret_pointer = (uint32_t)MIN(off + 1, end - 1);
			return IP_PARSE_BAD_OPTION;
		}
		off += data[off + 1];
	}
	return IP_PARSE_OK;
}

/* Fragments: all but the last have a multiple of 8 bytes, and none ends past 65535. */
static bool is_sound_fragment4(const struct ip_header *ip)
{
	uint32_t len = ip->total_len - ip->header_len;

	if (ip->more_fragments && (len == 0 || len % 8 != 0))
		return false;
	return ip->frag_offset + len + ip->header_len <= IP_LEN_MAX;
}

static enum ip_parse_result parse_ip4(const uint8_t *data, size_t len, bool verify_checksum,
				      struct ip_header *ip, uint32_t *ret_pointer)
{
	size_t header_len;
	uint16_t fragment;

	if (len < IP4_HEADER_LEN)
		return IP_PARSE_MALFORMED;
	header_len = (data[0] & 0xf) * 4u;
	ip->total_len = load_be16(data + 2);
	if (ip->total_len == 0 && len > IP_LEN_MAX)
		ip->total_len = (uint32_t)len;
	if (header_len < IP4_HEADER_LEN || header_len > ip->total_len || ip->total_len > len)
		return IP_PARSE_MALFORMED;
	if (verify_checksum && checksum_fold(checksum_add(0, data, header_len)) != 0xffff)
		return IP_PARSE_BAD_CHECKSUM;

	fragment = load_be16(data + 6);
	ip->version = 4;
	ip->tos = data[1];
	ip->id = load_be16(data + 4);
	ip->dont_fragment = fragment & IP4_DONT_FRAGMENT;
	ip->more_fragments = fragment & IP4_MF;
	ip->frag_offset = (fragment & IP4_OFFSET_MASK) * 8u;
	ip->is_fragment = ip->more_fragments || ip->frag_offset > 0;
	ip->ttl = data[8];
	ip->protocol = data[9];
	ip->nexthdr_off = 9;
	ip->src = TEE_IP4(data[12], data[13], data[14], data[15]);
	ip->dst = TEE_IP4(data[16], data[17], data[18], data[19]);
	ip->header_len = (uint16_t)header_len;
	ip->unfrag_len = (uint16_t)header_len;
	ip->options_off = IP4_HEADER_LEN;
	ip->options_len = (uint16_t)(header_len - IP4_HEADER_LEN);
	if (ip->is_fragment && !is_sound_fragment4(ip))
		return IP_PARSE_MALFORMED;
	return check_ip4_options(data, IP4_HEADER_LEN, header_len, ret_pointer);
}

/* ---- IPv6 ---- */

/* What the two top bits of an unknown option's type ask for (RFC 8200 section 4.2). */
static enum ip_parse_result judge_unknown_option(uint8_t type, bool is_to_multicast)
{
	switch (type >> 6) {
	case 0: return IP_PARSE_OK;        /* skip it */
	case 1: return IP_PARSE_MALFORMED; /* discard */
	case 2: return IP_PARSE_BAD_OPTION;
	default: return is_to_multicast ? IP_PARSE_MALFORMED : IP_PARSE_BAD_OPTION;
	}
}

/* RFC 2675 section 2: says what the IPv6 header can't. */
static bool is_jumbo_option(const uint8_t *option, uint32_t jumbo_len)
{
	return option[0] == IP6_OPT_JUMBO && option[1] == 4 && jumbo_len > IP_LEN_MAX &&
	       load_be32(option + 2) == jumbo_len;
}

/*
 * Hop-by-hop and destination options. None is known here but the two kinds of padding, and that of a jumbo payload
 * where there is one, of jumbo_len bytes.
 */
static enum ip_parse_result check_ip6_options(const uint8_t *data, size_t off, size_t end,
					      bool is_to_multicast, uint32_t jumbo_len,
					      uint32_t *ret_pointer)
{
	enum { PADN = 1 };

	while (off < end) {
		uint8_t type = data[off];
		enum ip_parse_result result = IP_PARSE_OK;

		if (type == IP6_OPT_PAD1) {
			off++;
			continue;
		}
		if (end - off < 2 || data[off + 1] > end - off - 2)
			return IP_PARSE_MALFORMED;
		if (type != PADN && !is_jumbo_option(data + off, jumbo_len))
			result = judge_unknown_option(type, is_to_multicast);
		if (result == IP_PARSE_BAD_OPTION)
			*ret_pointer = (uint32_t)off;
		if (result != IP_PARSE_OK)
			return result;
		off += 2u + data[off + 1];
	}
	return IP_PARSE_OK;
}

/*
 * Where the walk stands. `off` is that of the header that ip->protocol names; ip->nexthdr_off that of
 * the byte that named it.
 */
struct walk {
	const uint8_t *data;
	size_t off, end;
	uint32_t jumbo_len; /* of a payload whose length the IPv6 header can't tell; else 0 */
	struct ip_header *ip;
	uint32_t *ret_pointer;
};

static enum ip_parse_result fail_at(const struct walk *walk, size_t off,
				    enum ip_parse_result result)
{
	*walk->ret_pointer = (uint32_t)off;
	return result;
}

/* RFC 8200 section 4.5. Sets is_fragment unless the fragment is the whole packet (RFC 6946). */
static enum ip_parse_result step_over_fragment(struct walk *walk)
{
	struct ip_header *ip = walk->ip;
	uint16_t fragment = load_be16(walk->data + walk->off + 2);
	size_t payload_len = walk->end - walk->off - IP6_FRAGMENT_LEN;

	ip->frag_offset = fragment & 0xfff8u;
	ip->more_fragments = fragment & IP6_MF;
	ip->is_fragment = ip->more_fragments || ip->frag_offset > 0;
	ip->id = load_be32(walk->data + walk->off + 4);
	if (ip->more_fragments && payload_len % 8 != 0)
		return fail_at(walk, IP6_PAYLOAD_LEN_OFF, IP_PARSE_BAD_FIELD);
	if (ip->frag_offset + payload_len > IP_LEN_MAX)
		return fail_at(walk, walk->off + 2, IP_PARSE_BAD_FIELD);
	if (ip->is_fragment) {
		ip->unfrag_len = (uint16_t)walk->off;
		ip->protocol = walk->data[walk->off];
	}
	return IP_PARSE_OK;
}

static enum ip_parse_result check_extension(struct walk *walk, size_t len)
{
	const uint8_t *at = walk->data + walk->off;

	switch (walk->ip->protocol) {
	case IP6_HOP_BY_HOP:
		/* RFC 8200 section 4.1: only directly behind the IPv6 header */
		if (walk->off != IP6_HEADER_LEN)
			return fail_at(walk, walk->ip->nexthdr_off, IP_PARSE_UNKNOWN_HEADER);
		return check_ip6_options(walk->data, walk->off + 2, walk->off + len,
					 ip_is_multicast(&walk->ip->dst), walk->jumbo_len,
					 walk->ret_pointer);
	case IP6_DESTINATION:
		return check_ip6_options(walk->data, walk->off + 2, walk->off + len,
					 ip_is_multicast(&walk->ip->dst), 0, walk->ret_pointer);
	case IP6_ROUTING:
		/* RFC 8200 section 4.4, RFC 5095: no routing type is known; with nothing left to visit
		 * it is passed over. */
		return at[3] == 0 ? IP_PARSE_OK : fail_at(walk, walk->off + 2, IP_PARSE_BAD_FIELD);
	case IP6_FRAGMENT: return step_over_fragment(walk);
	default: return fail_at(walk, walk->ip->nexthdr_off, IP_PARSE_UNKNOWN_HEADER);
	}
}

static bool is_extension(uint8_t protocol)
{
	switch (protocol) {
	case IP6_HOP_BY_HOP:
	case IP6_ROUTING:
	case IP6_FRAGMENT:
	case IP6_AUTHENTICATION:
	case IP6_DESTINATION:
	case IP6_MOBILITY:
	case IP6_HIP:
	case IP6_SHIM6: return true;
	default: return false;
	}
}

static enum ip_parse_result walk_headers(struct walk *walk)
{
	struct ip_header *ip = walk->ip;

	for (unsigned i = 0; is_extension(ip->protocol) && !ip->is_fragment; i++) {
		enum ip_parse_result result;
		size_t left = walk->end - walk->off, len;

		/* Every extension header is a multiple of 8 bytes long. */
		if (i == EXTENSIONS_MAX || left < 8)
			return IP_PARSE_MALFORMED;
		len = ip->protocol == IP6_FRAGMENT ? (size_t)IP6_FRAGMENT_LEN
						   : (walk->data[walk->off + 1] + 1u) * 8;
		if (len > left)
			return IP_PARSE_MALFORMED;
		result = check_extension(walk, len);
		if (result != IP_PARSE_OK)
			return result;
		if (!ip->is_fragment) {
			ip->nexthdr_off = (uint16_t)walk->off;
			ip->protocol = walk->data[walk->off];
		}
		walk->off += len;
	}
	ip->header_len = (uint16_t)walk->off;
	if (!ip->is_fragment)
		ip->unfrag_len = ip->header_len;
	return IP_PARSE_OK;
}

static enum ip_parse_result parse_ip6(const uint8_t *data, size_t len, struct ip_header *ip,
				      uint32_t *ret_pointer)
{
	struct walk walk = {
		.data = data, .off = IP6_HEADER_LEN, .ip = ip, .ret_pointer = ret_pointer};
	uint32_t payload_len;

	if (len < IP6_HEADER_LEN)
		return IP_PARSE_MALFORMED;
	payload_len = load_be16(data + IP6_PAYLOAD_LEN_OFF);
	if (payload_len == 0 && len > IP_LEN_MAX + IP6_HEADER_LEN)
		walk.jumbo_len = payload_len = (uint32_t)len - IP6_HEADER_LEN;
	if (payload_len > len - IP6_HEADER_LEN)
		return IP_PARSE_MALFORMED;
	ip->version = 6;
	ip->tos = (uint8_t)(load_be16(data) >> 4);
	ip->flow_label = load_be32(data) & 0xfffff;
	ip->total_len = IP6_HEADER_LEN + payload_len;
	ip->protocol = data[IP6_NEXT_HEADER_OFF];
	ip->nexthdr_off = IP6_NEXT_HEADER_OFF;
	ip->ttl = data[7];
	memcpy(ip->src.byte, data + 8, 16);
	memcpy(ip->dst.byte, data + 24, 16);
	/*
	 * A mapped address on the wire would pass for an IPv4 one from here on; RFC 4038 section 4.2
	 * has it dropped.
	 */
	if (tee_ip_is4(&ip->src) || tee_ip_is4(&ip->dst))
		return IP_PARSE_MALFORMED;
	walk.end = ip->total_len;
	return walk_headers(&walk);
}

enum ip_parse_result ip_parse(const uint8_t *data, size_t len, bool verify_checksum,
			      struct ip_header *ret_ip, uint32_t *ret_pointer)
{
	memset(ret_ip, 0, sizeof(*ret_ip));
	*ret_pointer = 0;
	if (len == 0)
		return IP_PARSE_MALFORMED;
	switch (data[0] >> 4) {
	case 4: return parse_ip4(data, len, verify_checksum, ret_ip, ret_pointer);
	case 6: return parse_ip6(data, len, ret_ip, ret_pointer);
	default: return IP_PARSE_MALFORMED;
	}
}

/* ---- writing ---- */

void ip4_write(uint8_t out[IP4_HEADER_LEN], const struct ip_header *ip, size_t payload_len)
{
	uint16_t fragment = (uint16_t)(ip->frag_offset / 8);
	uint64_t sum = 0;

	CHECK(payload_len + IP4_HEADER_LEN <= TEE_GSO_BYTES_MAX && ip->frag_offset % 8 == 0);
	if (ip->dont_fragment)
		fragment |= IP4_DONT_FRAGMENT;
	if (ip->more_fragments)
		fragment |= IP4_MF;
	out[0] = 4 << 4 | IP4_HEADER_LEN / 4;
	out[1] = ip->tos;
	store_be16(out + 2, payload_len + IP4_HEADER_LEN <= IP_LEN_MAX
				    ? (uint16_t)(payload_len + IP4_HEADER_LEN)
				    : 0);
	store_be16(out + 4, (uint16_t)ip->id);
	store_be16(out + 6, fragment);
	out[8] = ip->ttl;
	out[9] = ip->protocol;
	store_be16(out + 10, 0);
	memcpy(out + 12, &ip->src.byte[12], 4);
	memcpy(out + 16, &ip->dst.byte[12], 4);
	for (unsigned i = 0; i < IP4_HEADER_LEN; i += 4)
		sum += load_be32(out + i);
	store_be16(out + 10, checksum_finish(sum));
}

void ip6_write(uint8_t out[IP6_HEADER_LEN], const struct ip_header *ip, size_t payload_len)
{
	CHECK(payload_len + IP6_HEADER_LEN <= TEE_GSO_BYTES_MAX);
	store_be32(out, UINT32_C(6) << 28 | (uint32_t)ip->tos << 20 | (ip->flow_label & 0xfffff));
	store_be16(out + IP6_PAYLOAD_LEN_OFF,
		   payload_len <= IP_LEN_MAX ? (uint16_t)payload_len : 0);
	out[IP6_NEXT_HEADER_OFF] = ip->protocol;
	out[7] = ip->ttl;
	memcpy(out + 8, ip->src.byte, 16);
	memcpy(out + 24, ip->dst.byte, 16);
}

void ip6_jumbo_write(uint8_t out[IP6_JUMBO_LEN], uint8_t next_header, size_t len)
{
	out[0] = next_header;
	out[1] = 0;
	out[2] = IP6_OPT_JUMBO;
	out[3] = 4;
	store_be32(out + 4, (uint32_t)(IP6_JUMBO_LEN + len));
}

void ip6_fragment_write(uint8_t out[IP6_FRAGMENT_LEN], const struct ip_header *ip)
{
	CHECK(ip->frag_offset % 8 == 0 && ip->frag_offset <= IP_LEN_MAX);
	out[0] = ip->protocol;
	out[1] = 0;
	store_be16(out + 2, (uint16_t)(ip->frag_offset | (ip->more_fragments ? IP6_MF : 0)));
	store_be32(out + 4, ip->id);
}
