// SPDX-License-Identifier: MIT
/*
 * How a host comes to its addresses, and what it does when it loses them.
 *
 * For each family the first of these that applies: the address that the caller gives; the one that the
 * link knows of (slirp, passt); DHCP, or SLAAC. An address given by hand is probed before use on an
 * Ethernet (RFC 5227, RFC 4862) and a conflict ends the opening, naming who has it.
 *
 * Name servers follow the same order: the caller's --dns; else what the link and the network say.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "host/host.h"

enum { DNS_PORT = 53, DEFAULT_PREFIX4_BITS = 24, DEFAULT_PREFIX6_BITS = 64 };

static bool is_none(const char *text)
{
	return text && strcasecmp(text, "none") == 0;
}

static bool is_link_local(const struct tee_ip *ip)
{
	if (tee_ip_is4(ip))
		return ip->byte[12] == 169 && ip->byte[13] == 254;
	return ip->byte[0] == 0xfe && (ip->byte[1] & 0xc0) == 0x80;
}

static const char *mac_text(const struct tee_mac *mac, char text[18])
{
	snprintf(text, 18, "%02x:%02x:%02x:%02x:%02x:%02x", mac->byte[0], mac->byte[1],
		 mac->byte[2], mac->byte[3], mac->byte[4], mac->byte[5]);
	return text;
}

static bool find_address(struct tee_host *host, const struct tee_ip *ip,
			 struct tee_addr_info *ret_info)
{
	for (unsigned i = 0; tee_addr_get(host->stack, host->netif, i, ret_info) == 0; i++)
		if (tee_ip_equal(&ret_info->ip, ip))
			return true;
	return false;
}

static bool has_usable(struct tee_host *host, bool is4)
{
	struct tee_addr_info info;

	for (unsigned i = 0; tee_addr_get(host->stack, host->netif, i, &info) == 0; i++)
		if (tee_ip_is4(&info.ip) == is4 &&
		    (info.state == TEE_ADDR_PREFERRED || info.state == TEE_ADDR_DEPRECATED) &&
		    (is4 || !is_link_local(&info.ip)))
			return true;
	return false;
}

/* ---- setting up ---- */

struct family_plan {
	const char *what; /* for messages: the option's name */
	const char *ip, *gateway;
	const char *hostname; /* to tell a DHCP server */
	bool is4, link_has;
	const struct tee_ip *link_ip, *link_gateway;
	unsigned link_prefix_bits, default_prefix_bits;
};

static bool same_prefix(const struct tee_ip *a, const struct tee_ip *b, unsigned bits, bool is4)
{
	unsigned whole = bits + (is4 ? 96 : 0);

	if (memcmp(a->byte, b->byte, whole / 8) != 0)
		return false;
	return whole % 8 == 0 || (a->byte[whole / 8] ^ b->byte[whole / 8]) >> (8 - whole % 8) == 0;
}

static int add_gateway(struct tee_host *host, const struct family_plan *plan,
		       const struct tee_ip *own, unsigned prefix_bits, char *ret_error)
{
	const struct tee_ip any = plan->is4 ? TEE_IP4(0, 0, 0, 0) : TEE_IP_ANY;
	struct tee_ip gateway;
	int result;

	if (plan->gateway) {
		if (tee_ip_parse(plan->gateway, &gateway) < 0 || tee_ip_is4(&gateway) != plan->is4)
			return host_error(
				ret_error, -TEE_EINVAL,
				"'%s' is not an %s address: --gateway%s takes one like %s",
				plan->gateway, plan->is4 ? "IPv4" : "IPv6", plan->is4 ? "" : "6",
				plan->is4 ? "10.0.4.1" : "fd00::1");
	} else if (!tee_ip_is_any(plan->link_gateway) &&
		   (is_link_local(plan->link_gateway) ||
		    same_prefix(plan->link_gateway, own, prefix_bits, plan->is4))) {
		gateway = *plan->link_gateway;
	} else {
		return 0; /* only the own prefix can be reached */
	}
	result = tee_route_add(host->stack, host->netif, &any, 0, &gateway, 0);
	if (result < 0)
		return host_error(ret_error, result, "no route by the gateway %s: %s",
				  plan->gateway ? plan->gateway : "of the link",
				  tee_strerror(result));
	return 0;
}

/* An address without "/": the link's prefix when the address lies in it, else the usual length. */
static unsigned guess_prefix(const struct family_plan *plan, const struct tee_ip *ip)
{
	if (plan->link_has && same_prefix(ip, plan->link_ip, plan->link_prefix_bits, plan->is4))
		return plan->link_prefix_bits;
	return plan->default_prefix_bits;
}

static int add_static(struct tee_host *host, const struct family_plan *plan, struct tee_ip *ret_ip,
		      char *ret_error)
{
	unsigned prefix_bits;
	int result;

	if (tee_ip_parse_prefix(plan->ip, ret_ip, &prefix_bits) < 0 ||
	    tee_ip_is4(ret_ip) != plan->is4 || tee_ip_is_any(ret_ip))
		return host_error(ret_error, -TEE_EINVAL,
				  "'%s' is not an %s address: --%s takes one like %s", plan->ip,
				  plan->is4 ? "IPv4" : "IPv6", plan->what,
				  plan->is4 ? "10.0.4.4/24" : "fd00::4/64");
	if (!strchr(plan->ip, '/'))
		prefix_bits = guess_prefix(plan, ret_ip);
	result = tee_addr_add(host->stack, host->netif, ret_ip, prefix_bits, false);
	if (result < 0)
		return host_error(ret_error, result, "can't use the address %s: %s", plan->ip,
				  tee_strerror(result));
	return add_gateway(host, plan, ret_ip, prefix_bits, ret_error);
}

static int add_of_link(struct tee_host *host, const struct family_plan *plan, char *ret_error)
{
	/* The link's own word: nobody else lives there, so there is nobody to ask. */
	int result =
		tee_addr_add(host->stack, host->netif, plan->link_ip, plan->link_prefix_bits, true);

	if (result < 0)
		return host_error(ret_error, result, "can't use the link's own address: %s",
				  tee_strerror(result));
	return add_gateway(host, plan, plan->link_ip, plan->link_prefix_bits, ret_error);
}

static int start_dhcp(struct tee_host *host, const char *hostname, char *ret_error)
{
	int result;

	host->uses_dhcp = true;
	result = tee_dhcp_start(host->stack, host->netif, hostname);
	if (result < 0)
		return host_error(ret_error, result, "can't ask for an address by DHCP: %s",
				  tee_strerror(result));
	return 0;
}

/* An address that is given, or the link's own, or what the network gives when it is asked. */
static int start_family(struct tee_host *host, const struct family_plan *plan, bool *ret_is_static,
			struct tee_ip *ret_ip, char *ret_error)
{
	bool link_tells = plan->link_has && !host->link->info.wants_dhcp;

	if (plan->gateway && (is_none(plan->ip) || (!plan->ip && !link_tells)))
		return host_error(ret_error, -TEE_EINVAL,
				  "--gateway%s %s is of no use without an address: give one with "
				  "--%s",
				  plan->is4 ? "" : "6", plan->gateway, plan->what);
	if (is_none(plan->ip))
		return 0;
	if (plan->ip) {
		*ret_is_static = true;
		return add_static(host, plan, ret_ip, ret_error);
	}
	if (link_tells)
		return add_of_link(host, plan, ret_error);
	/* Routers are asked by the stack itself (SLAAC). */
	return plan->is4 ? start_dhcp(host, plan->hostname, ret_error) : 0;
}

int host_address_start(struct tee_host *host, const struct tee_host_config *config, char *ret_error)
{
	const struct tee_link_info *link = &host->link->info;
	const struct family_plan plan4 = {
		.what = "ip",
		.ip = config->ip,
		.gateway = config->gateway,
		.hostname = config->hostname,
		.is4 = true,
		.link_has = link->has_ip4,
		.link_ip = &link->ip4,
		.link_gateway = &link->gateway4,
		.link_prefix_bits = link->prefix4_bits,
		.default_prefix_bits = DEFAULT_PREFIX4_BITS,
	};
	const struct family_plan plan6 = {
		.what = "ip6",
		.ip = config->ip6,
		.gateway = config->gateway6,
		.link_has = link->has_ip6,
		.link_ip = &link->ip6,
		.link_gateway = &link->gateway6,
		.link_prefix_bits = link->prefix6_bits,
		.default_prefix_bits = DEFAULT_PREFIX6_BITS,
	};
	int result;

	if (is_none(config->ip) && is_none(config->ip6))
		return host_error(ret_error, -TEE_EINVAL,
				  "neither IPv4 nor IPv6 is no way to speak: of --ip none and "
				  "--ip6 none leave one out");
	result = start_family(host, &plan4, &host->has_static4, &host->static4, ret_error);
	if (result < 0)
		return result;
	return start_family(host, &plan6, &host->has_static6, &host->static6, ret_error);
}

/* ---- waiting ---- */

struct address_wait {
	struct tee_host *host;
	bool wants4;
	struct tee_addr_info conflict;
	bool has_conflict;
};

/* Is a static address in use? Notes a conflict. */
static bool is_settled(struct address_wait *wait, bool is_static, const struct tee_ip *ip)
{
	struct tee_addr_info info;

	if (!is_static)
		return true;
	if (!find_address(wait->host, ip, &info) || info.state == TEE_ADDR_TENTATIVE)
		return false;
	if (info.state == TEE_ADDR_CONFLICT) {
		wait->has_conflict = true;
		wait->conflict = info;
	}
	return true;
}

static bool is_address_ready(void *arg)
{
	struct address_wait *wait = arg;
	struct tee_host *host = wait->host;

	if (!is_settled(wait, host->has_static4, &host->static4) ||
	    !is_settled(wait, host->has_static6, &host->static6))
		return wait->has_conflict;
	return wait->has_conflict || has_usable(host, wait->wants4) ||
	       (host->has_static6 && !host->uses_dhcp && has_usable(host, false));
}

static int tell_conflict(struct tee_host *host, const struct tee_addr_info *info, char *ret_error)
{
	char ip[TEE_IP_TEXT_SIZE], mac[18];

	return host_error(ret_error, -TEE_EADDRINUSE,
			  "the address %s is in use on %s by %s: choose another one with --%s",
			  tee_ip_format(&info->ip, ip), host->link->info.name,
			  mac_text(&info->conflict_mac, mac), tee_ip_is4(&info->ip) ? "ip" : "ip6");
}

static int tell_timeout(struct tee_host *host, uint64_t timeout_ns, char *ret_error)
{
	unsigned seconds = (unsigned)(timeout_ns / TEE_NS_PER_S);

	if (host->uses_dhcp)
		return host_error(ret_error, -TEE_ETIMEDOUT,
				  "no DHCP server answered on %s within %u s: give an address with "
				  "--ip ADDRESS/BITS --gateway ADDRESS",
				  host->link->info.name, seconds);
	return host_error(ret_error, -TEE_ETIMEDOUT,
			  "no usable address on %s within %u s: give one with --ip or --ip6",
			  host->link->info.name, seconds);
}

int host_address_wait(struct tee_host *host, const struct tee_host_config *config, char *ret_error)
{
	uint64_t timeout_ns = config->address_timeout_ns ? config->address_timeout_ns
							 : 15 * TEE_NS_PER_S;
	struct address_wait wait = {.host = host, .wants4 = !is_none(config->ip)};
	int result = host_wait(host, tee_host_now_ns() + timeout_ns, is_address_ready, &wait);

	if (wait.has_conflict)
		return tell_conflict(host, &wait.conflict, ret_error);
	/* No DHCP server, but a router gave us an IPv6 address: good enough. */
	if (result == -TEE_ETIMEDOUT && host->uses_dhcp && has_usable(host, false))
		return 0;
	if (result == -TEE_ETIMEDOUT)
		return tell_timeout(host, timeout_ns, ret_error);
	if (result == -TEE_ECANCELED)
		return host_error(ret_error, result, "interrupted while waiting for an address");
	if (result < 0)
		return host_error(ret_error, result, "%s", host->error);
	return 0;
}

/* ---- while running ---- */

static void tell_link(struct tee_host *host)
{
	struct tee_ip ips[HOST_ADDRESS_MAX] = {0};
	struct tee_addr_info info;
	unsigned count = 0;
	int result;

	for (unsigned i = 0;
	     count < HOST_ADDRESS_MAX && tee_addr_get(host->stack, host->netif, i, &info) == 0; i++)
		if (info.state != TEE_ADDR_CONFLICT)
			ips[count++] = info.ip;
	if (count == host->told_count && memcmp(ips, host->told, count * sizeof(ips[0])) == 0)
		return;
	memcpy(host->told, ips, count * sizeof(ips[0]));
	host->told_count = count;
	result = host->link->ops->set_addresses(host->link, ips, count);
	/* The host's own card doesn't hear what it sends, so probing can't find this conflict. */
	if (result == -TEE_EADDRINUSE)
		host_fail(
			host, -TEE_EADDRINUSE,
			"the host itself, or another program of ours, has our address on %s: take another with "
			"--ip, or another MAC with mac=MAC, for another lease",
			host->link->info.name);
	else if (result == -TEE_EADDRNOTAVAIL)
		host_fail(
			host, result,
			"%s shares the host's address, and the host doesn't have ours: leave --ip "
			"and --ip6 out, or leave out share=host",
			host->link->info.name);
}

static void check_kept(struct tee_host *host, bool is_static, const struct tee_ip *ip)
{
	char text[TEE_IP_TEXT_SIZE], mac[18];
	struct tee_addr_info info;

	if (is_static && find_address(host, ip, &info) && info.state == TEE_ADDR_CONFLICT)
		host_fail(host, -TEE_EADDRINUSE, "%s has taken our address %s on %s",
			  mac_text(&info.conflict_mac, mac), tee_ip_format(ip, text),
			  host->link->info.name);
}

void host_address_check(struct tee_host *host, uint64_t now_ns)
{
	if (host->link->ops->set_addresses)
		tell_link(host);
	if (!host->is_open || now_ns < host->address_check_at_ns)
		return;
	host->address_check_at_ns = now_ns + TEE_NS_PER_S;
	check_kept(host, host->has_static4, &host->static4);
	check_kept(host, host->has_static6, &host->static6);
}

/* ---- name servers ---- */

static unsigned add_server(struct tee_endpoint *servers, unsigned count, const struct tee_ip *ip,
			   uint16_t port)
{
	if (count == HOST_DNS_MAX || tee_ip_is_any(ip))
		return count;
	for (unsigned i = 0; i < count; i++)
		if (tee_ip_equal(&servers[i].ip, ip) && servers[i].port == port)
			return count;
	servers[count] = (struct tee_endpoint){.ip = *ip, .port = port};
	return count + 1;
}

int host_parse_name_servers(const char *text, struct tee_endpoint servers[HOST_DNS_MAX])
{
	unsigned count = 0;

	while (*text) {
		char word[TEE_ENDPOINT_TEXT_SIZE];
		size_t len = strcspn(text, ",");
		struct tee_endpoint server = {.port = DNS_PORT};

		if (len >= sizeof(word))
			return -TEE_EINVAL;
		memcpy(word, text, len);
		word[len] = '\0';
		if (tee_ip_parse(word, &server.ip) < 0 && tee_endpoint_parse(word, &server) < 0)
			return -TEE_EINVAL;
		count = add_server(servers, count, &server.ip, server.port);
		text += len;
		text += *text == ',';
	}
	return count > 0 ? (int)count : -TEE_EINVAL;
}

unsigned host_name_servers(struct tee_host *host, struct tee_endpoint servers[HOST_DNS_MAX])
{
	const struct tee_link_info *link = &host->link->info;
	struct tee_net_info net;
	unsigned count = 0;

	if (host->dns) {
		int given = host_parse_name_servers(host->dns, servers);

		return given > 0 ? (unsigned)given : 0;
	}
	if (link->has_ip4)
		count = add_server(servers, count, &link->dns4, DNS_PORT);
	tee_net_info(host->stack, host->netif, &net);
	for (unsigned i = 0; i < net.dns_count; i++)
		count = add_server(servers, count, &net.dns[i], DNS_PORT);
	if (link->has_ip6)
		count = add_server(servers, count, &link->dns6, DNS_PORT);
	return count;
}
