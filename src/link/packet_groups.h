/* SPDX-License-Identifier: MIT */
/* Which frames the card of a packet link must not filter away, and which addresses are the host's. */
#ifndef TEE_LINK_PACKET_GROUPS_H
#define TEE_LINK_PACKET_GROUPS_H

#include <teeceepee/types.h>
#include "link/packet_filter.h"

struct packet_groups {
	int ifindex;
	bool takes_all; /* all multicast, while our addresses aren't known */
	unsigned count;
	struct tee_mac macs[PACKET_FILTER_ADDRESSES_MAX]; /* joined groups */
};

/* Joins all multicast and, when it isn't NULL, our own unicast address. 0 or -TEE_E…, with errno. */
int packet_groups_init(struct packet_groups *groups, int fd, int ifindex,
		       const struct tee_mac *own_mac);
/* Joins the solicited-node groups of our IPv6 addresses and leaves those that were joined before. */
int packet_groups_set(struct packet_groups *groups, int fd, const struct tee_ip *ips, unsigned n);

/* Is it one of the kernel's own, on any interface? */
bool packet_host_has_address(const struct tee_ip *ip);

#endif
