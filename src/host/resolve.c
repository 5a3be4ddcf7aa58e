// SPDX-License-Identifier: MIT
/*
 * Look-ups: what is answered without a query, and c-ares for the rest.
 *
 * c-ares knows the DNS; its packets travel by our own UDP and TCP sockets (resolve_io.c), to the name
 * servers of our own network. Nothing of the machine's configuration has a say: not
 * /etc/resolv.conf, not /etc/hosts, not the environment's search list. `localhost` and what ends in it is
 * answered here, as RFC 6761 section 6.3 asks.
 *
 * The channel is made by the first look-up. Its servers are compared with those in force at each
 * look-up, since DHCP or a router may have changed them.
 */
#include <ares.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "host/resolve.h"
#include "host/resolve_io.h"

struct lookup {
	struct tee_host *host;
	lookup_fn *fn;
	void *arg;
	bool is_abandoned, is_starting;
	bool is_done;
	char name[256];
};

/* ---- without a query ---- */

static bool is_localhost(const char *name)
{
	static const char word[] = "localhost";
	size_t len = strlen(name);

	if (len > 0 && name[len - 1] == '.')
		len--;
	if (len < sizeof(word) - 1 ||
	    strncasecmp(name + len - (sizeof(word) - 1), word, sizeof(word) - 1) != 0)
		return false;
	return len == sizeof(word) - 1 || name[len - sizeof(word)] == '.';
}

int resolve_literal(const char *name, enum tee_family family, struct tee_ip ips[2])
{
	struct tee_ip loopback6 = TEE_IP_ANY;
	int count = 0;

	if (tee_ip_parse(name, &ips[0]) == 0) {
		bool is4 = tee_ip_is4(&ips[0]);

		return family == TEE_FAMILY_ANY || is4 == (family == TEE_FAMILY_IPV4) ? 1
										      : -TEE_ENOENT;
	}
	if (!is_localhost(name))
		return 0;
	loopback6.byte[15] = 1;
	if (family != TEE_FAMILY_IPV4)
		ips[count++] = loopback6;
	if (family != TEE_FAMILY_IPV6)
		ips[count++] = TEE_IP4(127, 0, 0, 1);
	return count;
}

bool resolve_has_family(struct tee_host *host, enum tee_family family)
{
	struct tee_addr_info info;

	for (unsigned i = 0; tee_addr_get(host->stack, host->netif, i, &info) == 0; i++) {
		bool is4 = tee_ip_is4(&info.ip);
		bool is_link_local = !is4 && info.ip.byte[0] == 0xfe &&
				     (info.ip.byte[1] & 0xc0) == 0x80;

		if (info.state != TEE_ADDR_PREFERRED && info.state != TEE_ADDR_DEPRECATED)
			continue;
		if (!is_link_local && is4 == (family == TEE_FAMILY_IPV4))
			return true;
	}
	return false;
}

/* ---- with c-ares ---- */

static void tell_failure(struct lookup *lookup, int status)
{
	char error[TEE_HOST_ERROR_SIZE];

	switch (status) {
	case ARES_ENOTFOUND: host_error(error, 0, "no such name: %s", lookup->name); break;
	case ARES_ENODATA: host_error(error, 0, "the name %s has no address", lookup->name); break;
	case ARES_EBADNAME: host_error(error, 0, "'%s' can't be a host name", lookup->name); break;
	case ARES_ETIMEOUT:
	case ARES_ECONNREFUSED:
		host_error(
			error, 0,
			"no name server had an answer for %s: name another one with --dns ADDRESS",
			lookup->name);
		break;
	default:
		host_error(error, 0, "looking up %s failed: %s", lookup->name,
			   ares_strerror(status));
		break;
	}
	lookup->fn(lookup->arg, NULL, -TEE_ENOENT, error);
}

static bool ip_of_sockaddr(const struct sockaddr *address, struct tee_ip *ret_ip)
{
	if (address->sa_family == AF_INET6) {
		memcpy(ret_ip->byte, &((const struct sockaddr_in6 *)address)->sin6_addr, 16);
		return true;
	}
	if (address->sa_family != AF_INET)
		return false;
	*ret_ip = TEE_IP4(0, 0, 0, 0);
	memcpy(ret_ip->byte + 12, &((const struct sockaddr_in *)address)->sin_addr, 4);
	return true;
}

/* The family that works here comes first; the server's order stays within each. */
static int collect(struct tee_host *host, const struct ares_addrinfo *found, struct tee_ip *ips)
{
	bool first4 = !resolve_has_family(host, TEE_FAMILY_IPV6);
	int count = 0;

	for (int pass = 0; pass < 2; pass++)
		for (const struct ares_addrinfo_node *node = found->nodes; node;
		     node = node->ai_next) {
			struct tee_ip ip;

			if (count < LOOKUP_IPS_MAX && ip_of_sockaddr(node->ai_addr, &ip) &&
			    tee_ip_is4(&ip) == (first4 == (pass == 0)))
				ips[count++] = ip;
		}
	return count;
}

static void on_answer(void *arg, int status, int timeouts, struct ares_addrinfo *found)
{
	struct lookup *lookup = arg;
	struct tee_ip ips[LOOKUP_IPS_MAX];
	int count = 0;

	(void)timeouts;
	lookup->is_done = true;
	if (!lookup->is_abandoned) {
		if (status == ARES_SUCCESS && found)
			count = collect(lookup->host, found, ips);
		if (count > 0)
			lookup->fn(lookup->arg, ips, count, "");
		else
			tell_failure(lookup, status == ARES_SUCCESS ? ARES_ENODATA : status);
	}
	if (found)
		ares_freeaddrinfo(found);
	if (!lookup->is_starting)
		free(lookup);
}

static int af_of_family(enum tee_family family)
{
	return family == TEE_FAMILY_IPV4   ? AF_INET
	       : family == TEE_FAMILY_IPV6 ? AF_INET6
					   : AF_UNSPEC;
}

struct lookup *lookup_start(struct tee_host *host, const char *name, enum tee_family family,
			    lookup_fn *fn, void *arg)
{
	const struct ares_addrinfo_hints hints = {
		.ai_flags = ARES_AI_NOSORT,
		.ai_family = af_of_family(family),
		.ai_socktype = SOCK_STREAM,
	};
	char error[TEE_HOST_ERROR_SIZE];
	struct tee_ip literal[2];
	struct lookup *lookup;
	ares_channel channel;
	int count = resolve_literal(name, family, literal);

	if (count > 0) {
		fn(arg, literal, count, "");
		return NULL;
	}
	if (count < 0) {
		host_error(error, 0, "%s is no IPv%d address", name,
			   family == TEE_FAMILY_IPV4 ? 4 : 6);
		fn(arg, NULL, count, error);
		return NULL;
	}
	if (resolver_channel(host, &channel, error) < 0) {
		fn(arg, NULL, -TEE_ENOENT, error);
		return NULL;
	}
	lookup = calloc(1, sizeof(*lookup));
	if (!lookup || strlen(name) >= sizeof(lookup->name)) {
		fn(arg, NULL, -TEE_ENOENT,
		   lookup ? "the name is too long" : "no memory to look up a name");
		free(lookup);
		return NULL;
	}
	*lookup = (struct lookup){.host = host, .fn = fn, .arg = arg, .is_starting = true};
	strcpy(lookup->name, name);
	ares_getaddrinfo(channel, name, NULL, &hints, on_answer, lookup);
	resolver_rearm(host);
	lookup->is_starting = false;
	if (lookup->is_done) {
		free(lookup);
		return NULL;
	}
	return lookup;
}

void lookup_abandon(struct lookup *lookup)
{
	if (lookup)
		lookup->is_abandoned = true;
}

/* ---- blocking ---- */

struct resolve_wait {
	struct tee_ip *ips;
	unsigned ips_max;
	int result;
	bool is_done;
	char *error;
};

static void on_resolved(void *arg, const struct tee_ip *ips, int count, const char *error)
{
	struct resolve_wait *wait = arg;

	wait->is_done = true;
	wait->result = count;
	if (count < 0) {
		host_error(wait->error, 0, "%s", error);
		return;
	}
	if ((unsigned)count > wait->ips_max)
		wait->result = (int)wait->ips_max;
	memcpy(wait->ips, ips, (size_t)wait->result * sizeof(*ips));
}

static bool is_resolved(void *arg)
{
	return ((struct resolve_wait *)arg)->is_done;
}

int tee_resolve(struct tee_host *host, const char *name, enum tee_family family,
		struct tee_ip *ret_ips, unsigned n, char ret_error[TEE_HOST_ERROR_SIZE])
{
	struct resolve_wait wait = {.ips = ret_ips, .ips_max = n, .error = ret_error};
	struct lookup *lookup;
	int result;

	ret_error[0] = '\0';
	tee_host_lock(host);
	lookup = lookup_start(host, name, family, on_resolved, &wait);
	result = host_wait(host, TEE_NEVER, is_resolved, &wait);
	if (result < 0) {
		lookup_abandon(wait.is_done ? NULL : lookup);
		host_error(ret_error, 0, "%s",
			   host->error_code ? host->error : tee_strerror(result));
	} else {
		result = wait.result;
	}
	tee_host_unlock(host);
	return result;
}
