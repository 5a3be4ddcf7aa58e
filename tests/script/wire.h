/* SPDX-License-Identifier: MIT */
/*
 * Packets as bytes, and back. This is deliberately not the stack's own code: what the stack sends
 * is read, its checksums included, by somebody else.
 */
#ifndef SCRIPT_WIRE_H
#define SCRIPT_WIRE_H

#include <teeceepee/types.h>

#include "ast.h"

enum { WIRE_PACKET_MAX = 65535 + 40, WIRE_ERROR_SIZE = 120 };

enum { WIRE_ICMP4 = 1, WIRE_TCP = 6, WIRE_UDP = 17, WIRE_ICMP6 = 58 };

struct wire_packet {
	bool is_ip6;
	struct tee_ip src, dst; /* IPv4 as v4-mapped */
	uint8_t tos, ttl, protocol;
	bool df;
	uint32_t flow_label;

	uint16_t src_port, dst_port;
	uint32_t seq, ack;
	unsigned flags; /* SEG_… */
	uint16_t window, urgent;
	struct tcp_option_spec options[OPTION_SPECS_MAX];
	unsigned option_count;

	uint32_t payload_len;
	const uint8_t *payload;  /* NULL when building: filled with the pattern */
	uint32_t payload_offset; /* of the pattern: the first byte's place in the stream */
	uint8_t icmp_type, icmp_code;
	uint32_t icmp_word; /* the second word of the ICMP header: id and sequence, or an MTU */

	uint16_t gso_size; /* of a super-frame: payload bytes a segment; 0: a plain packet */
};

/*
 * Reads an IP packet of `len` bytes. `is_partial`: the transport checksum is left to the link and
 * holds the pseudo-header's sum only, which is checked instead. False with a reason in `error`.
 */
bool wire_parse(const uint8_t *bytes, size_t len, bool is_partial, struct wire_packet *ret,
		char error[WIRE_ERROR_SIZE]);
/* Writes a packet; returns its length, 0 when the options don't fit 40 bytes. */
size_t wire_build(const struct wire_packet *packet, uint8_t *bytes);
/* Completes the transport checksum of a packet that was left partial. */
void wire_finish_checksum(uint8_t *bytes, size_t len);
/* The byte that stands at a place of every stream, so that displaced data shows. */
uint8_t wire_pattern(uint32_t offset);
/* Bytes that one option takes. */
size_t wire_option_size(const struct tcp_option_spec *option);

#endif
