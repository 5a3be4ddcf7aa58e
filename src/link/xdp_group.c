/* SPDX-License-Identifier: MIT */
/*
 * What the AF_XDP links on one interface share. An interface takes one XDP program, and what it is told in its
 * maps holds for all its receive queues; so where several stacks stand behind one interface
 * (`xdp:eth0,queues=N`, steer.c), each with its own share of the queues, they have one program, one set of
 * addresses and one of ports.
 *
 * The first link to open attaches the program, the last to close takes it off. An address is in the map as long
 * as any of them has it: stacks learn of it one after the other, and meanwhile nobody's segments must go to
 * the kernel. A port that one claims is all the others' too, as each stack listens on it. The range to
 * connect from is divided among them, else two stacks could choose one port for the same peer.
 *
 * Groups are found by the interface's name in a list that the process has one of; its mutex guards
 * everything here. That is asked when links open, sockets bind and neighbours answer, never for a segment.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/check.h"
#include "link/xdp_group.h"

enum {
	GROUP_MEMBERS_MAX = 64, /* bits of a mask */
	/* Ports to connect from: the first such block above the kernel's own range that is free. */
	XDP_PORTS_FIRST = 61000,
	XDP_PORTS_COUNT = 512,
	XDP_PORTS_BLOCKS = 8,
};

static pthread_mutex_t groups_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct xdp_group *groups;

/* ---- members ---- */

static uint64_t bit_of(unsigned idx)
{
	return UINT64_C(1) << idx;
}

/* Locked. */
static struct xdp_group *make_group(const char *name, unsigned count)
{
	struct xdp_group *group = calloc(1, sizeof(*group));

	if (!group)
		return NULL;
	snprintf(group->name, sizeof(group->name), "%s", name);
	group->count = count;
	xdp_steer_init(&group->steer);
	port_keeper_init(&group->keeper);
	group->next = groups;
	groups = group;
	return group;
}

/* Locked. */
static struct xdp_group *find_group(const char *name, unsigned count)
{
	struct xdp_group *group = groups;

	if (count == 1)
		return NULL;
	while (group && (group->count == 1 || strcmp(group->name, name) != 0))
		group = group->next;
	return group;
}

int xdp_group_join(const char *name, unsigned count, struct xdp_group **ret_group,
		   unsigned *ret_idx)
{
	struct xdp_group *group;
	unsigned idx = 0;
	int result = 0;

	CHECK(count >= 1 && count <= GROUP_MEMBERS_MAX);
	pthread_mutex_lock(&groups_mutex);
	group = find_group(name, count);
	if (!group)
		group = make_group(name, count);
	while (group && idx < count && group->members & bit_of(idx))
		idx++;
	if (!group) {
		result = -TEE_ENOMEM;
	} else if (idx == count || group->count != count) {
		result = -TEE_EADDRINUSE;
	} else {
		group->members |= bit_of(idx);
		*ret_group = group;
		*ret_idx = idx;
	}
	pthread_mutex_unlock(&groups_mutex);
	return result;
}

/* Locked: forgets what only this member had. */
static void drop_addresses(struct xdp_group *group, unsigned idx)
{
	struct tee_ip kept[XDP_ADDRESSES_MAX];
	unsigned count = 0;

	for (unsigned i = 0; i < group->steer.address_count; i++) {
		group->address_users[i] &= ~bit_of(idx);
		if (!group->address_users[i])
			continue;
		group->address_users[count] = group->address_users[i];
		kept[count++] = group->steer.addresses[i];
	}
	xdp_steer_set_addresses(&group->steer, kept, count);
}

void xdp_group_leave(struct xdp_group *group, unsigned idx)
{
	struct xdp_group **at = &groups;

	if (!group)
		return;
	pthread_mutex_lock(&groups_mutex);
	group->members &= ~bit_of(idx);
	if (group->members) {
		if (group->shares)
			drop_addresses(group, idx);
	} else {
		while (*at != group)
			at = &(*at)->next;
		*at = group->next;
		xdp_steer_close(&group->steer);
		port_keeper_fini(&group->keeper);
		free(group);
	}
	pthread_mutex_unlock(&groups_mutex);
}

int xdp_group_attach(struct xdp_group *group, const struct netdev *netdev, unsigned queue_count,
		     enum xdp_mode mode, const struct tee_mac *mac,
		     char ret_error[TEE_LINK_ERROR_SIZE])
{
	int result = 0;

	pthread_mutex_lock(&groups_mutex);
	if (!group->is_attached) {
		group->mode = mode;
		group->shares = mac == NULL;
		result = xdp_steer_open(&group->steer, group->name, netdev, queue_count, mode, mac,
					ret_error);
		group->is_attached = result >= 0;
	} else if (group->mode != mode || group->shares != (mac == NULL)) {
		result = link_fail(
			ret_error, -TEE_EINVAL,
			"link 'xdp': all queues of %s must be opened with the same mode= and "
			"share=",
			group->name);
	}
	pthread_mutex_unlock(&groups_mutex);
	return result;
}

/* ---- ports ---- */

/* "61000-61511". */
static bool range_parse(const char *text, unsigned *ret_first, unsigned *ret_last)
{
	char *end;
	unsigned long first = strtoul(text, &end, 10), last;

	if (*text < '0' || *text > '9' || *end != '-' || end[1] < '0' || end[1] > '9')
		return false;
	last = strtoul(end + 1, &end, 10);
	if (*end || first < 1 || last > UINT16_MAX || first > last)
		return false;
	*ret_first = (unsigned)first;
	*ret_last = (unsigned)last;
	return true;
}

/* Locked. */
static int keep_range(struct xdp_group *group, const char *text,
		      char ret_error[TEE_LINK_ERROR_SIZE])
{
	unsigned first = XDP_PORTS_FIRST, last = XDP_PORTS_FIRST + XDP_PORTS_COUNT - 1;
	uint16_t taken = 0;
	int result;

	if (text && !range_parse(text, &first, &last))
		return link_fail(ret_error, -TEE_EINVAL,
				 "link 'xdp': 'ports=%.32s' must be a range such as 61000-61511",
				 text);
	if (last - first + 1 < group->count)
		return link_fail(ret_error, -TEE_EINVAL,
				 "link 'xdp': ports=%.32s are too few for %u queues", text,
				 group->count);
	for (unsigned block = 0;; block++) {
		result = port_keeper_take_range(&group->keeper, (uint16_t)first, (uint16_t)last,
						&taken);
		if (result != -TEE_EADDRINUSE || text || block + 1 == XDP_PORTS_BLOCKS)
			break;
		first += XDP_PORTS_COUNT;
		last += XDP_PORTS_COUNT;
	}
	if (result == -TEE_EADDRINUSE)
		return link_fail(ret_error, -TEE_EALREADY,
				 "the host uses port %u itself: give others with ports=FIRST-LAST",
				 taken);
	if (result < 0)
		return link_fail(
			ret_error, result,
			"can't keep the ports %u to %u from the kernel (%s): raise 'ulimit "
			"-n', or give fewer with ports=FIRST-LAST",
			first, last, tee_strerror(result));
	group->port_first = (uint16_t)first;
	group->port_last = (uint16_t)last;
	group->has_range = true;
	return 0;
}

int xdp_group_take_range(struct xdp_group *group, unsigned idx, const char *text,
			 uint16_t *ret_first, uint16_t *ret_last,
			 char ret_error[TEE_LINK_ERROR_SIZE])
{
	int result = 0;

	pthread_mutex_lock(&groups_mutex);
	if (!group->has_range)
		result = keep_range(group, text, ret_error);
	if (result == 0) {
		unsigned ports = group->port_last - group->port_first + 1u;

		*ret_first = (uint16_t)(group->port_first + ports * idx / group->count);
		*ret_last = (uint16_t)(group->port_first + ports * (idx + 1) / group->count - 1);
	}
	pthread_mutex_unlock(&groups_mutex);
	return result;
}

void xdp_group_steer_range(struct xdp_group *group)
{
	pthread_mutex_lock(&groups_mutex);
	for (uint32_t port = group->port_first; port <= group->port_last; port++) {
		xdp_steer_take_port(&group->steer, XDP_PORTS_TCP, (uint16_t)port);
		xdp_steer_take_port(&group->steer, XDP_PORTS_UDP, (uint16_t)port);
	}
	pthread_mutex_unlock(&groups_mutex);
}

int xdp_group_claim_port(struct xdp_group *group, enum xdp_port_set set, uint16_t port)
{
	int result = 0;

	pthread_mutex_lock(&groups_mutex);
	if (!xdp_steer_has_port(&group->steer, set, port)) {
		/* Of echo ids the kernel keeps no list, and a reply that it misses does no harm to anybody. */
		if (set != XDP_PORTS_ICMP)
			result = port_keeper_take(&group->keeper, set == XDP_PORTS_TCP, port);
		if (result == 0)
			xdp_steer_take_port(&group->steer, set, port);
	}
	pthread_mutex_unlock(&groups_mutex);
	return result;
}

/* ---- addresses ---- */

static unsigned find_address(const struct tee_ip *ips, unsigned count, const struct tee_ip *ip)
{
	unsigned i = 0;

	while (i < count && !tee_ip_equal(&ips[i], ip))
		i++;
	return i;
}

int xdp_group_set_addresses(struct xdp_group *group, unsigned idx, const struct tee_ip *ips,
			    unsigned n)
{
	struct tee_ip all[XDP_ADDRESSES_MAX];
	uint64_t users[XDP_ADDRESSES_MAX];
	unsigned count = 0;
	int result = 0;

	pthread_mutex_lock(&groups_mutex);
	for (unsigned i = 0; i < group->steer.address_count; i++) {
		users[count] = group->address_users[i] & ~bit_of(idx);
		all[count] = group->steer.addresses[i];
		count += users[count] != 0;
	}
	for (unsigned i = 0; i < n && result == 0; i++) {
		unsigned at = find_address(all, count, &ips[i]);

		if (at == XDP_ADDRESSES_MAX) {
			result = -TEE_ENOBUFS;
			continue;
		}
		if (at == count) {
			users[count] = 0;
			all[count++] = ips[i];
		}
		users[at] |= bit_of(idx);
	}
	if (result == 0) {
		memcpy(group->address_users, users, count * sizeof(users[0]));
		result = xdp_steer_set_addresses(&group->steer, all, count);
	}
	pthread_mutex_unlock(&groups_mutex);
	return result;
}

bool xdp_group_has_address(struct xdp_group *group, const struct tee_ip *ip)
{
	bool has;

	pthread_mutex_lock(&groups_mutex);
	has = find_address(group->steer.addresses, group->steer.address_count, ip) <
	      group->steer.address_count;
	pthread_mutex_unlock(&groups_mutex);
	return has;
}
