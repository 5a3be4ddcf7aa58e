/* SPDX-License-Identifier: MIT */
/* ARP for IPv4 over Ethernet (RFC 826). */
#ifndef TEE_WIRE_ARP_H
#define TEE_WIRE_ARP_H

#include <stddef.h>
#include <stdint.h>
#include <teeceepee/types.h>

enum { ARP_LEN = 28, ARP_REQUEST = 1, ARP_REPLY = 2 };

struct arp {
	uint16_t op;
	struct tee_mac sender_mac, target_mac;
	struct tee_ip sender_ip, target_ip;
};

/* 0, or -TEE_EINVAL when it isn't IPv4 over Ethernet. */
int arp_parse(const uint8_t *data, size_t len, struct arp *ret_arp);
void arp_write(uint8_t out[ARP_LEN], const struct arp *arp);

#endif
