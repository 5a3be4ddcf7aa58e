/* SPDX-License-Identifier: MIT */
/* The socket filter of a packet link: which of an interface's frames are ours. */
#ifndef TEE_LINK_PACKET_FILTER_H
#define TEE_LINK_PACKET_FILTER_H

#include <linux/filter.h>
#include <teeceepee/types.h>

enum {
	PACKET_FILTER_ADDRESSES_MAX = 64,
	PACKET_FILTER_LEN_MAX = 96 + PACKET_FILTER_ADDRESSES_MAX * 9,
};

struct packet_filter {
	unsigned len;
	struct sock_filter code[PACKET_FILTER_LEN_MAX];
};

/*
 * Writes the program for our MAC and addresses of either family (more than fit are an error:
 * -TEE_ENOBUFS). Without an IPv4 address it lets every DHCP answer in.
 */
int packet_filter_build(struct packet_filter *filter, const struct tee_mac *mac,
			const struct tee_ip *ips, unsigned n);

#endif
