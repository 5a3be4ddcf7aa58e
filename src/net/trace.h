/* SPDX-License-Identifier: MIT */
/* Trace texts of the network layer: what became of an address. */
#ifndef TEE_NET_TRACE_H
#define TEE_NET_TRACE_H

#include "net/netif.h"

/* "10.0.0.1/24 on test is usable". Costs nothing without a consumer. */
void net_trace_addr_state(const struct netif_addr *addr);
/* Somebody else, whose link address is `mac`, uses it too. */
void net_trace_addr_conflict(const struct netif_addr *addr, const struct tee_mac *mac);

#endif
