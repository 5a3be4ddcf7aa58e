/* SPDX-License-Identifier: MIT */
/* How this host's kernel reaches the world by an interface: for a link that shares its address. */
#ifndef TEE_LINK_HOST_FACTS_H
#define TEE_LINK_HOST_FACTS_H

#include <teeceepee/link.h>

/*
 * Fills in the interface's first address of each family (but no link-local one), the gateway of its
 * default route and the host's first name server. False: it has no address at all.
 */
bool host_facts_fill(const char *name, struct tee_link_info *info);
/* Does the interface have this address? */
bool host_facts_has_address(const char *name, const struct tee_ip *ip);

/* The parsers, for tests: a line of /proc/net/route, of /proc/net/ipv6_route, of resolv.conf. */
bool host_facts_route4(const char *line, const char *name, struct tee_ip *ret_gateway,
		       unsigned *ret_metric);
bool host_facts_route6(const char *line, const char *name, struct tee_ip *ret_gateway,
		       unsigned *ret_metric);
bool host_facts_name_server(const char *line, struct tee_ip *ret_server);

#endif
