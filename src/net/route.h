/* SPDX-License-Identifier: MIT */
/* Looking a destination up in the routing table. Adding and removing: net/netif.h. */
#ifndef TEE_NET_ROUTE_H
#define TEE_NET_ROUTE_H

#include "net/private.h"

/*
 * The best route to `dst`; `netif` not NULL confines it. 0, -TEE_ENETUNREACH, or -TEE_ENETDOWN when
 * only interfaces that are down lead there. The route is valid until the table changes.
 */
int route_lookup(const struct net *net, const struct tee_ip *dst, const struct netif *netif,
		 const struct route **ret_route);

#endif
