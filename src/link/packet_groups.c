/* SPDX-License-Identifier: MIT */
/*
 * A card hands up frames to its own address, to all, and to the groups it was told. Memberships of a
 * packet socket tell it more, and end when the socket closes, so nothing is left behind.
 *
 * IPv6 needs groups: neighbours ask for an address at its solicited-node group (RFC 4861 7.2.1,
 * RFC 4291 2.7.1), routers tell all nodes. Until our addresses are known, tentative ones included,
 * all multicast is taken; then just their groups and all nodes. The socket's filter cuts
 * finer than the card.
 *
 * A MAC of our own is a secondary unicast address of the card (PACKET_MR_UNICAST): cards that can't hold
 * one fall into promiscuous mode by themselves.
 */
#include <errno.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <linux/if_packet.h>
#include "link/packet_groups.h"
#include "link/spec.h"
#include "wire/ethernet.h"
#include "wire/ip.h"

static const struct tee_mac all_nodes_mac = {{0x33, 0x33, 0, 0, 0, 1}};

static int membership(const struct packet_groups *groups, int fd, bool join, unsigned short type,
		      const struct tee_mac *mac)
{
	struct packet_mreq request = {.mr_ifindex = groups->ifindex, .mr_type = type};

	if (mac) {
		request.mr_alen = sizeof(mac->byte);
		memcpy(request.mr_address, mac->byte, sizeof(mac->byte));
	}
	if (setsockopt(fd, SOL_PACKET, join ? PACKET_ADD_MEMBERSHIP : PACKET_DROP_MEMBERSHIP,
		       &request, sizeof(request)) < 0)
		return link_result_of_errno(errno);
	return 0;
}

int packet_groups_init(struct packet_groups *groups, int fd, int ifindex,
		       const struct tee_mac *own_mac)
{
	memset(groups, 0, sizeof(*groups));
	groups->ifindex = ifindex;
	groups->takes_all = true;
	if (own_mac && membership(groups, fd, true, PACKET_MR_UNICAST, own_mac) < 0) {
		int result = membership(groups, fd, true, PACKET_MR_PROMISC, NULL);

		if (result < 0)
			return result;
	}
	return membership(groups, fd, true, PACKET_MR_ALLMULTI, NULL);
}

static bool groups_have(const struct tee_mac *macs, unsigned count, const struct tee_mac *mac)
{
	for (unsigned i = 0; i < count; i++)
		if (mac_equal(&macs[i], mac))
			return true;
	return false;
}

int packet_groups_set(struct packet_groups *groups, int fd, const struct tee_ip *ips, unsigned n)
{
	struct tee_mac wanted[PACKET_FILTER_ADDRESSES_MAX];
	unsigned count = 0;
	int result;

	wanted[count++] = all_nodes_mac;
	for (unsigned i = 0; i < n && count < PACKET_FILTER_ADDRESSES_MAX; i++) {
		struct tee_ip group;
		struct tee_mac mac;

		if (tee_ip_is4(&ips[i]))
			continue;
		group = ip6_solicited_node(&ips[i]);
		mac = mac_of_multicast(&group);
		if (!groups_have(wanted, count, &mac))
			wanted[count++] = mac;
	}
	/* Without an IPv6 address yet: stay as we are, one may be on its way. */
	if (count == 1 && groups->takes_all)
		return 0;
	/* Join before leaving, so that no moment is deaf. */
	for (unsigned i = 0; i < count; i++)
		if (!groups_have(groups->macs, groups->count, &wanted[i])) {
			result = membership(groups, fd, true, PACKET_MR_MULTICAST, &wanted[i]);
			if (result < 0)
				return result;
		}
	for (unsigned i = 0; i < groups->count; i++)
		if (!groups_have(wanted, count, &groups->macs[i]))
			membership(groups, fd, false, PACKET_MR_MULTICAST, &groups->macs[i]);
	memcpy(groups->macs, wanted, count * sizeof(wanted[0]));
	groups->count = count;
	if (groups->takes_all) {
		membership(groups, fd, false, PACKET_MR_ALLMULTI, NULL);
		groups->takes_all = false;
	}
	return 0;
}

static bool sockaddr_is(const struct sockaddr *address, const struct tee_ip *ip)
{
	if (address->sa_family == AF_INET && tee_ip_is4(ip))
		return !memcmp(&((const struct sockaddr_in *)(const void *)address)->sin_addr,
			       ip->byte + 12, 4);
	if (address->sa_family == AF_INET6 && !tee_ip_is4(ip))
		return !memcmp(&((const struct sockaddr_in6 *)(const void *)address)->sin6_addr,
			       ip->byte, 16);
	return false;
}

bool packet_host_has_address(const struct tee_ip *ip)
{
	struct ifaddrs *list;
	bool found = false;

	if (getifaddrs(&list) < 0)
		return false;
	for (const struct ifaddrs *at = list; at && !found; at = at->ifa_next)
		found = at->ifa_addr && sockaddr_is(at->ifa_addr, ip);
	freeifaddrs(list);
	return found;
}
