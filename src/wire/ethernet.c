/* SPDX-License-Identifier: MIT */
/* Ethernet II headers, and the Ethernet addresses of IP multicast groups. */
#include "wire/ethernet.h"

#include <string.h>
#include "wire/bytes.h"

const struct tee_mac ethernet_broadcast = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};

void ethernet_write(uint8_t out[ETHERNET_HEADER_LEN], const struct ethernet *eth)
{
	memcpy(out, eth->dst.byte, 6);
	memcpy(out + 6, eth->src.byte, 6);
	store_be16(out + 12, eth->type);
}

struct tee_mac mac_of_multicast(const struct tee_ip *group)
{
	const uint8_t *ip = group->byte;

	if (tee_ip_is4(group)) /* RFC 1112 section 6.4: the low 23 bits */
		return (struct tee_mac){{0x01, 0x00, 0x5e, ip[13] & 0x7f, ip[14], ip[15]}};
	/* RFC 2464 section 7: the low 32 bits */
	return (struct tee_mac){{0x33, 0x33, ip[12], ip[13], ip[14], ip[15]}};
}
