/* SPDX-License-Identifier: MIT */
/* UDP headers (RFC 768). */
#ifndef TEE_WIRE_UDP_H
#define TEE_WIRE_UDP_H

#include <stddef.h>
#include <stdint.h>

enum { UDP_HEADER_LEN = 8 };

struct udp_header {
	uint16_t src_port, dst_port, len, checksum;
};

/* -TEE_EINVAL when too short or its length field lies. */
int udp_parse(const uint8_t *data, size_t len, struct udp_header *ret_udp);
void udp_write(uint8_t out[UDP_HEADER_LEN], const struct udp_header *udp);

#endif
