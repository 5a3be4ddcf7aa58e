/* SPDX-License-Identifier: MIT */
/*
 * IPv4 (RFC 791) and IPv6 (RFC 8200) headers as one plain struct, extension headers walked. Nothing past
 * this parser looks at header bytes.
 */
#ifndef TEE_WIRE_IP_H
#define TEE_WIRE_IP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <teeceepee/types.h>
#include "base/byteorder.h"

enum { IP4_HEADER_LEN = 20, IP6_HEADER_LEN = 40, IP4_HEADER_MAX = 60 };
enum { IP_LEN_MAX = 65535 };         /* what the length fields of either header can tell */
enum { IP4_DONT_FRAGMENT = 0x4000 }; /* in the word of flags and fragment offset */
enum {
	IP_PROTO_ICMP = 1,
	IP_PROTO_TCP = 6,
	IP_PROTO_UDP = 17,
	IP_PROTO_ICMP6 = 58,
	IP_PROTO_NONE = 59,
};

struct ip_header {
	struct tee_ip src, dst;
	uint8_t version;  /* 4 or 6 */
	uint8_t protocol; /* upper-layer protocol, after extension headers */
	uint8_t ttl;
	uint8_t tos;        /* DSCP and ECN */
	bool dont_fragment; /* IPv4 */
	bool is_fragment;
	bool more_fragments;
	uint32_t frag_offset; /* bytes */
	uint32_t id;
	uint32_t flow_label;  /* IPv6 */
	uint16_t header_len;  /* up to the upper-layer header (or fragment data) */
	uint16_t unfrag_len;  /* IPv6: up to and without the fragment header; nexthdr_off tells
				  where the Next Header byte that named it stands */
	uint16_t nexthdr_off; /* offset of the Next Header byte that named `protocol` (or, in a
				  fragment, that named the fragment header) */
	uint32_t total_len;   /* of the packet, as the header says */
	uint16_t options_off, options_len; /* IPv4 options */
};

enum ip_parse_result {
	IP_PARSE_OK,
	IP_PARSE_MALFORMED,
	IP_PARSE_BAD_CHECKSUM,
	IP_PARSE_BAD_OPTION,     /* IPv4: parameter problem code 0; IPv6: code 2 */
	IP_PARSE_UNKNOWN_HEADER, /* IPv6 extension nobody knows: ICMPv6 parameter problem code 1 */
	IP_PARSE_BAD_FIELD,      /* IPv6: an erroneous field: ICMPv6 parameter problem code 0 */
};

/*
 * Parses either family by its version nibble. `len` may exceed the packet (Ethernet padding), never
 * fall short of it. A super-frame that is longer than its length field can say has 0 there; then
 * `len` counts. With the last three results ret_pointer is what the ICMP message points to. An IPv6
 * option or header that asks to be discarded in silence gives IP_PARSE_MALFORMED.
 */
enum ip_parse_result ip_parse(const uint8_t *data, size_t len, bool verify_checksum,
			      struct ip_header *ret_ip, uint32_t *ret_pointer);

/*
 * ip_parse() for the header of nearly every packet: IPv4 without options, not a piece. false: it is
 * another one, or not in order, and `ret_ip` means nothing.
 */
static inline bool ip_parse_plain4(const uint8_t *data, size_t len, bool verify_checksum,
				   struct ip_header *ret_ip)
{
	uint32_t total_len;
	uint64_t sum = 0;

	if (len < IP4_HEADER_LEN || data[0] != (4 << 4 | IP4_HEADER_LEN / 4) ||
	    (load_be16(data + 6) & (uint16_t)~IP4_DONT_FRAGMENT))
		return false;
	total_len = load_be16(data + 2);
	if (total_len < IP4_HEADER_LEN || total_len > len)
		return false;
	if (verify_checksum) {
		for (unsigned off = 0; off < IP4_HEADER_LEN; off += 4)
			sum += load_be32(data + off);
		sum = (sum & 0xffff) + (sum >> 16);
		sum = (sum & 0xffff) + (sum >> 16);
		if ((sum & 0xffff) + (sum >> 16) != 0xffff)
			return false;
	}
	*ret_ip = (struct ip_header){
		.src = {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}},
		.dst = {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}},
		.version = 4,
		.protocol = data[9],
		.ttl = data[8],
		.tos = data[1],
		.dont_fragment = data[6] & IP4_DONT_FRAGMENT >> 8,
		.id = load_be16(data + 4),
		.header_len = IP4_HEADER_LEN,
		.unfrag_len = IP4_HEADER_LEN,
		.nexthdr_off = 9,
		.total_len = total_len,
		.options_off = IP4_HEADER_LEN,
	};
	memcpy(&ret_ip->src.byte[12], data + 12, 4);
	memcpy(&ret_ip->dst.byte[12], data + 16, 4);
	return true;
}

/* IPv4 header without options, checksum computed. Of more than 16 bits can tell the total length is 0. */
void ip4_write(uint8_t out[IP4_HEADER_LEN], const struct ip_header *ip, size_t payload_len);
/* IPv6 header; `protocol` is the Next Header. Of more than 16 bits can tell the payload length is 0 … */
void ip6_write(uint8_t out[IP6_HEADER_LEN], const struct ip_header *ip, size_t payload_len);

enum { IP6_JUMBO_LEN = 8, IP_PROTO_IP6_HOP_BY_HOP = 0 };

/* … and hop-by-hop options in front of the `len` bytes of `next_header` tell it (RFC 2675). */
void ip6_jumbo_write(uint8_t out[IP6_JUMBO_LEN], uint8_t next_header, size_t len);

enum { IP6_FRAGMENT_LEN = 8, IP_PROTO_IP6_FRAGMENT = 44 };

/* IPv6 fragment header: `protocol`, frag_offset, more_fragments and id of `ip`. */
void ip6_fragment_write(uint8_t out[IP6_FRAGMENT_LEN], const struct ip_header *ip);

/* Classes of addresses. */
/* tee_ip_is4() for those who ask it of every packet. */
static inline bool ip_is4(const struct tee_ip *ip)
{
	static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

	return memcmp(ip->byte, mapped, sizeof(mapped)) == 0;
}
bool ip_is_loopback(const struct tee_ip *ip);
bool ip_is_multicast(const struct tee_ip *ip);
bool ip_is_link_local(const struct tee_ip *ip);
bool ip_is_limited_broadcast(const struct tee_ip *ip); /* 255.255.255.255 */
/*
 * May it be the source of a packet? (RFC 1122 3.2.1.3, RFC 4291 2.5.2, 2.7) A loopback address may; that
 * none comes from outside, the caller sees by the interface.
 */
bool ip_is_valid_source(const struct tee_ip *ip);
/* Are the first `bits` (of the address's own family) equal? Different families never match. */
bool ip_prefix_match(const struct tee_ip *ip, const struct tee_ip *prefix, unsigned bits);
struct tee_ip ip_directed_broadcast(const struct tee_ip *ip, unsigned bits);
struct tee_ip ip6_solicited_node(const struct tee_ip *ip);
/* A neutral text of type/protocol numbers. */
const char *ip_protocol_name(uint8_t protocol);

#endif
