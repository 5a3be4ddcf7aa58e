/* SPDX-License-Identifier: MIT */
/*
 * What kind of address an address is, and addresses made from others: RFC 1122 section 3.2.1.3 and
 * RFC 6890 for IPv4, RFC 4291 for IPv6.
 */
#include "wire/ip.h"

#include <string.h>
#include "base/check.h"

enum { IP4_OFF = 12 };

static bool is_zero(const uint8_t *bytes, size_t len)
{
	while (len > 0 && bytes[len - 1] == 0)
		len--;
	return len == 0;
}

bool ip_is_loopback(const struct tee_ip *ip)
{
	if (tee_ip_is4(ip))
		return ip->byte[IP4_OFF] == 127;
	return is_zero(ip->byte, 15) && ip->byte[15] == 1;
}

bool ip_is_multicast(const struct tee_ip *ip)
{
	if (tee_ip_is4(ip))
		return ip->byte[IP4_OFF] >> 4 == 0xe;
	return ip->byte[0] == 0xff;
}

bool ip_is_link_local(const struct tee_ip *ip)
{
	if (tee_ip_is4(ip))
		return ip->byte[IP4_OFF] == 169 && ip->byte[IP4_OFF + 1] == 254;
	return ip->byte[0] == 0xfe && (ip->byte[1] & 0xc0) == 0x80;
}

bool ip_is_limited_broadcast(const struct tee_ip *ip)
{
	return tee_ip_equal(ip, &TEE_IP4(255, 255, 255, 255));
}

/*
 * 0.0.0.0 is a source only of a host that asks for its address, which is DHCP's and ARP's business;
 * the rest of 0.0.0.0/8, groups, class E and broadcast never are. Loopback addresses don't come from
 * elsewhere: whether this packet does, the caller knows.
 */
bool ip_is_valid_source(const struct tee_ip *ip)
{
	if (tee_ip_is4(ip))
		return ip->byte[IP4_OFF] != 0 && ip->byte[IP4_OFF] < 224;
	return !ip_is_multicast(ip) && !is_zero(ip->byte, sizeof(ip->byte));
}

bool ip_prefix_match(const struct tee_ip *ip, const struct tee_ip *prefix, unsigned bits)
{
	bool is4 = tee_ip_is4(ip);
	unsigned bits_max = is4 ? 32 : 128;
	unsigned off = is4 ? IP4_OFF : 0;
	unsigned whole, rest;

	if (is4 != tee_ip_is4(prefix))
		return false;
	bits = MIN(bits, bits_max);
	whole = bits / 8;
	rest = bits % 8;
	if (memcmp(&ip->byte[off], &prefix->byte[off], whole) != 0)
		return false;
	return rest == 0 || (ip->byte[off + whole] ^ prefix->byte[off + whole]) >> (8 - rest) == 0;
}

struct tee_ip ip_directed_broadcast(const struct tee_ip *ip, unsigned bits)
{
	struct tee_ip broadcast = *ip;

	for (unsigned i = 0; i < 4; i++, bits -= MIN(bits, 8u))
		broadcast.byte[IP4_OFF + i] |= (uint8_t)(0xff >> MIN(bits, 8u));
	return broadcast;
}

struct tee_ip ip6_solicited_node(const struct tee_ip *ip)
{
	/* ff02::1:ffXX:XXXX (RFC 4291 section 2.7.1) */
	struct tee_ip group = {{0xff, 0x02, [11] = 0x01, [12] = 0xff}};

	memcpy(&group.byte[13], &ip->byte[13], 3);
	return group;
}

const char *ip_protocol_name(uint8_t protocol)
{
	switch (protocol) {
	case IP_PROTO_ICMP: return "ICMP";
	case IP_PROTO_TCP: return "TCP";
	case IP_PROTO_UDP: return "UDP";
	case IP_PROTO_ICMP6: return "ICMPv6";
	case IP_PROTO_NONE: return "none";
	default: return "unknown";
	}
}
