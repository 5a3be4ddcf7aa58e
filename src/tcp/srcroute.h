/* SPDX-License-Identifier: MIT */
/*
 * IPv4 source routes of connections (RFC 9293 3.9.2.1, RFC 791, RFC 1122 3.2.1.8): the way that an
 * application names, or the way back along which a SYN came. Rare, and unwelcome on most networks, so they are kept beside
 * the connections, by 4-tuple and interface, and cost nothing while there are none; what comes in by a source
 * route is believed only when config.ip_source_route says so.
 */
#ifndef TEE_TCP_SRCROUTE_H
#define TEE_TCP_SRCROUTE_H

#include <stdbool.h>
#include <stdint.h>
#include "base/list.h"
#include "tcp/demux.h"

enum { SRCROUTE_HOPS_MAX = 8, SRCROUTE_OPTION_MAX = 40 };

/* The routers to pass, in order; the destination is not among them. */
struct srcroute {
	uint8_t hops[SRCROUTE_HOPS_MAX][4];
	uint8_t count; /* 0: no route */
	bool is_strict;
	bool by_application; /* goes before what comes in (MUST-52) */
};

struct srcroutes {
	struct list entries;
	uint32_t count;
};

void srcroutes_init(struct srcroutes *routes);
void srcroutes_fini(struct srcroutes *routes);
/*
 * Remembers a connection's route; a later one replaces an earlier one (SHLD-24), but not the
 * application's. 0 or -TEE_ENOMEM.
 */
int srcroutes_set(struct srcroutes *routes, const struct tcp_stub *stub,
		  const struct srcroute *route);
/* NULL: none. */
const struct srcroute *srcroutes_find(const struct srcroutes *routes, const struct tcp_stub *stub);
void srcroutes_forget(struct srcroutes *routes, const struct tcp_stub *stub);

/*
 * The way back of a route that came in, complete, in the IPv4 options of a packet (MUST-53). false:
 * there is none, or it is longer than we keep.
 */
bool srcroute_reverse(const uint8_t *options, size_t len, struct srcroute *ret_route);
/*
 * The IPv4 option that sends a packet to `dst` along the route, padded to a multiple of four; returns
 * its length. The IP header's destination is *ret_first.
 */
uint8_t srcroute_option(const struct srcroute *route, const struct tee_ip *dst,
			uint8_t out[SRCROUTE_OPTION_MAX], struct tee_ip *ret_first);

#endif
