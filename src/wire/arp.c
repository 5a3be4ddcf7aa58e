/* SPDX-License-Identifier: MIT */
/*
 * ARP packets (RFC 826) of the one kind in use: hardware Ethernet, protocol IPv4. A packet may be
 * followed by padding up to the least length of an Ethernet frame.
 */
#include "wire/arp.h"

#include <string.h>
#include "wire/bytes.h"

enum { HARDWARE_ETHERNET = 1, PROTOCOL_IP4 = 0x0800 };

static struct tee_ip read_ip4(struct reader *r)
{
	const uint8_t *p = reader_take(r, 4);

	return p ? TEE_IP4(p[0], p[1], p[2], p[3]) : TEE_IP_ANY;
}

static struct tee_mac read_mac(struct reader *r)
{
	struct tee_mac mac = {{0}};
	const uint8_t *p = reader_take(r, sizeof(mac.byte));

	if (p)
		memcpy(mac.byte, p, sizeof(mac.byte));
	return mac;
}

int arp_parse(const uint8_t *data, size_t len, struct arp *ret_arp)
{
	struct reader r = reader(data, len);
	uint16_t hardware = reader_be16(&r);
	uint16_t protocol = reader_be16(&r);
	uint8_t hardware_len = reader_u8(&r);
	uint8_t protocol_len = reader_u8(&r);
	struct arp arp;

	arp.op = reader_be16(&r);
	arp.sender_mac = read_mac(&r);
	arp.sender_ip = read_ip4(&r);
	arp.target_mac = read_mac(&r);
	arp.target_ip = read_ip4(&r);
	if (!r.ok || hardware != HARDWARE_ETHERNET || protocol != PROTOCOL_IP4 ||
	    hardware_len != sizeof(arp.sender_mac.byte) || protocol_len != 4)
		return -TEE_EINVAL;
	*ret_arp = arp;
	return 0;
}

void arp_write(uint8_t out[ARP_LEN], const struct arp *arp)
{
	store_be16(out, HARDWARE_ETHERNET);
	store_be16(out + 2, PROTOCOL_IP4);
	out[4] = sizeof(arp->sender_mac.byte);
	out[5] = 4;
	store_be16(out + 6, arp->op);
	memcpy(out + 8, arp->sender_mac.byte, 6);
	memcpy(out + 14, &arp->sender_ip.byte[12], 4);
	memcpy(out + 18, arp->target_mac.byte, 6);
	memcpy(out + 24, &arp->target_ip.byte[12], 4);
}
