/* SPDX-License-Identifier: MIT */
/*
 * How an interface gets its address: DHCPv4 (RFC 2131). Address states, conflict detection
 * (RFC 5227), duplicate detection and SLAAC (RFC 4862) act on netif addresses and live in files beside
 * it; net/ tells them of ARP, NA and RA packets through struct addrconf_hooks-free calls that
 * net/netif.h declares.
 */
#ifndef TEE_ADDRCONF_ADDRCONF_H
#define TEE_ADDRCONF_ADDRCONF_H

#include "net/net.h"
#include "udp/udp.h"

struct addrconf;

struct addrconf *addrconf_new(struct net *net, struct udp *udp);
void addrconf_free(struct addrconf *addrconf);
int addrconf_dhcp_start(struct addrconf *addrconf, struct netif *netif, const char *hostname);
int addrconf_dhcp_release(struct addrconf *addrconf, struct netif *netif);
void addrconf_net_info(struct addrconf *addrconf, struct netif *netif,
		       struct tee_net_info *ret_info);

#endif
