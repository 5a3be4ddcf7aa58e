/* SPDX-License-Identifier: MIT */
/* Ethernet II frames (and one 802.1Q tag is recognised as an unknown type). */
#ifndef TEE_WIRE_ETHERNET_H
#define TEE_WIRE_ETHERNET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <teeceepee/types.h>
#include "base/byteorder.h"

enum { ETHERNET_HEADER_LEN = 14 };
enum { ETHERTYPE_IP4 = 0x0800, ETHERTYPE_ARP = 0x0806, ETHERTYPE_IP6 = 0x86dd };

struct ethernet {
	struct tee_mac dst, src;
	uint16_t type;
};

extern const struct tee_mac ethernet_broadcast;

/* 0 or -TEE_EINVAL when too short. */
static inline int ethernet_parse(const uint8_t *data, size_t len, struct ethernet *ret_eth)
{
	if (len < ETHERNET_HEADER_LEN)
		return -TEE_EINVAL;
	memcpy(ret_eth->dst.byte, data, 6);
	memcpy(ret_eth->src.byte, data + 6, 6);
	ret_eth->type = load_be16(data + 12);
	return 0;
}

void ethernet_write(uint8_t out[ETHERNET_HEADER_LEN], const struct ethernet *eth);
static inline bool mac_equal(const struct tee_mac *a, const struct tee_mac *b)
{
	return memcmp(a->byte, b->byte, sizeof(a->byte)) == 0;
}
static inline bool mac_is_group(const struct tee_mac *mac)
{
	return mac->byte[0] & 1;
}
/* The Ethernet address of an IP multicast group (RFC 1112 6.4, RFC 2464 7). */
struct tee_mac mac_of_multicast(const struct tee_ip *group);

#endif
