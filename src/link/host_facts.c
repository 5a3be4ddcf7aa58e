/* SPDX-License-Identifier: MIT */
/*
 * What the kernel is set up with on an interface, taken over as it is: addresses from getifaddrs(), the
 * default route's gateway from /proc/net/route and /proc/net/ipv6_route, name servers from
 * /etc/resolv.conf. Asked once, when a link opens that shares the host's address.
 *
 * Taken over is what one interface with one way out needs: an address a family, its prefix, one gateway.
 * Other routes of the host are not followed.
 *
 * The formats: in /proc/net/route a line is "Iface Destination Gateway Flags RefCnt Use Metric Mask …",
 * numbers in hex, addresses as the machine's 32-bit word; in /proc/net/ipv6_route "destination
 * length source length next-hop metric refcnt use flags device", addresses as 32 hex digits.
 */
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "link/host_facts.h"

enum { ROUTE_UP = 1, ROUTE_GATEWAY = 2 }; /* RTF_UP, RTF_GATEWAY */

/* ---- addresses ---- */

static bool ip_of_sockaddr(const struct sockaddr *address, struct tee_ip *ret_ip)
{
	if (!address)
		return false;
	if (address->sa_family == AF_INET) {
		static const struct tee_ip mapped = {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}};

		*ret_ip = mapped;
		memcpy(ret_ip->byte + 12,
		       &((const struct sockaddr_in *)(const void *)address)->sin_addr, 4);
		return true;
	}
	if (address->sa_family != AF_INET6)
		return false;
	memcpy(ret_ip->byte, &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr, 16);
	return true;
}

static bool is_link_local6(const struct tee_ip *ip)
{
	return ip->byte[0] == 0xfe && (ip->byte[1] & 0xc0) == 0x80;
}

static unsigned bits_of_mask(const struct sockaddr *mask)
{
	const uint8_t *bytes;
	unsigned bits = 0, len;

	if (!mask)
		return 0;
	if (mask->sa_family == AF_INET) {
		bytes = (const uint8_t *)&((const struct sockaddr_in *)(const void *)mask)
				->sin_addr;
		len = 4;
	} else {
		bytes = ((const struct sockaddr_in6 *)(const void *)mask)->sin6_addr.s6_addr;
		len = 16;
	}
	while (bits < 8 * len && bytes[bits / 8] >> (7 - bits % 8) & 1)
		bits++;
	return bits;
}

static void fill_addresses(const char *name, struct tee_link_info *info)
{
	struct ifaddrs *list;

	if (getifaddrs(&list) < 0)
		return;
	for (const struct ifaddrs *at = list; at; at = at->ifa_next) {
		struct tee_ip ip;

		if (strcmp(at->ifa_name, name) != 0 || !ip_of_sockaddr(at->ifa_addr, &ip))
			continue;
		if (tee_ip_is4(&ip) && !info->has_ip4) {
			info->has_ip4 = true;
			info->ip4 = ip;
			info->prefix4_bits = bits_of_mask(at->ifa_netmask);
		} else if (!tee_ip_is4(&ip) && !is_link_local6(&ip) && !info->has_ip6) {
			info->has_ip6 = true;
			info->ip6 = ip;
			info->prefix6_bits = bits_of_mask(at->ifa_netmask);
		}
	}
	freeifaddrs(list);
}

bool host_facts_has_address(const char *name, const struct tee_ip *ip)
{
	struct ifaddrs *list;
	bool found = false;

	if (getifaddrs(&list) < 0)
		return false;
	for (const struct ifaddrs *at = list; at && !found; at = at->ifa_next) {
		struct tee_ip its;

		found = !strcmp(at->ifa_name, name) && ip_of_sockaddr(at->ifa_addr, &its) &&
			tee_ip_equal(&its, ip);
	}
	freeifaddrs(list);
	return found;
}

/* ---- routes ---- */

bool host_facts_route4(const char *line, const char *name, struct tee_ip *ret_gateway,
		       unsigned *ret_metric)
{
	unsigned destination, gateway, flags, metric, mask;
	char device[IFNAMSIZ];

	/* NOLINTNEXTLINE(cert-err34-c): the kernel wrote it, each number has a width of its own */
	if (sscanf(line, "%15s %8x %8x %4x %*d %*u %u %8x", device, &destination, &gateway, &flags,
		   &metric, &mask) != 6)
		return false;
	if (strcmp(device, name) != 0 || destination != 0 || mask != 0 ||
	    (flags & (ROUTE_UP | ROUTE_GATEWAY)) != (ROUTE_UP | ROUTE_GATEWAY))
		return false;
	*ret_gateway = TEE_IP4(0, 0, 0, 0);
	memcpy(ret_gateway->byte + 12, &gateway, 4);
	*ret_metric = metric;
	return true;
}

bool host_facts_route6(const char *line, const char *name, struct tee_ip *ret_gateway,
		       unsigned *ret_metric)
{
	char destination[33], gateway[33], device[IFNAMSIZ];
	unsigned bits, metric, flags;

	/* NOLINTNEXTLINE(cert-err34-c) */
	if (sscanf(line, "%32s %2x %*32s %*2x %32s %8x %*8x %*8x %8x %15s", destination, &bits,
		   gateway, &metric, &flags, device) != 6)
		return false;
	if (strcmp(device, name) != 0 || bits != 0 || strspn(destination, "0") != 32 ||
	    strlen(gateway) != 32 ||
	    (flags & (ROUTE_UP | ROUTE_GATEWAY)) != (ROUTE_UP | ROUTE_GATEWAY))
		return false;
	for (unsigned i = 0; i < 16; i++) {
		const char digits[3] = {gateway[2 * i], gateway[2 * i + 1]};

		ret_gateway->byte[i] = (uint8_t)strtoul(digits, NULL, 16);
	}
	*ret_metric = metric;
	return true;
}

typedef bool route_fn(const char *line, const char *name, struct tee_ip *ret_gateway,
		      unsigned *ret_metric);

/* The gateway with the lowest metric in a file of routes. */
static void fill_gateway(const char *path, const char *name, route_fn *parse,
			 struct tee_ip *ret_gateway)
{
	FILE *file = fopen(path, "re");
	unsigned best = UINT32_MAX, metric;
	struct tee_ip gateway;
	char line[256];

	if (!file)
		return;
	while (fgets(line, sizeof(line), file))
		if (parse(line, name, &gateway, &metric) && metric < best) {
			best = metric;
			*ret_gateway = gateway;
		}
	fclose(file);
}

/* ---- name servers ---- */

bool host_facts_name_server(const char *line, struct tee_ip *ret_server)
{
	char text[TEE_IP_TEXT_SIZE];

	_Static_assert(sizeof(text) >= 46, "an address fits");
	if (sscanf(line, "nameserver %45s", text) != 1 || tee_ip_parse(text, ret_server) < 0)
		return false;
	/* One on the host's loopback is out of reach for us. */
	if (tee_ip_is4(ret_server))
		return ret_server->byte[12] != 127;
	return !tee_ip_equal(ret_server, &(const struct tee_ip){{[15] = 1}});
}

static void fill_name_servers(struct tee_link_info *info)
{
	FILE *file = fopen("/etc/resolv.conf", "re");
	struct tee_ip server;
	char line[256];

	if (!file)
		return;
	while (fgets(line, sizeof(line), file)) {
		if (!host_facts_name_server(line, &server))
			continue;
		if (tee_ip_is4(&server) && tee_ip_is_any(&info->dns4))
			info->dns4 = server;
		else if (!tee_ip_is4(&server) && tee_ip_is_any(&info->dns6))
			info->dns6 = server;
	}
	fclose(file);
}

bool host_facts_fill(const char *name, struct tee_link_info *info)
{
	fill_addresses(name, info);
	fill_gateway("/proc/net/route", name, host_facts_route4, &info->gateway4);
	fill_gateway("/proc/net/ipv6_route", name, host_facts_route6, &info->gateway6);
	fill_name_servers(info);
	return info->has_ip4 || info->has_ip6;
}
