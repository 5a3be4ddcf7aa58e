/* SPDX-License-Identifier: MIT */
/*
 * Two programs on one interface with one address would each reset the other's connections, and neither learns
 * of the other: probing asks the wire (RFC 5227, RFC 4862), and no card hears what it sends itself. Even DHCP gives
 * both the same lease where they share the interface's MAC. So each tells the programs beside it what it has, by the name of a UNIX
 * socket that it listens on: one an address and interface. Names in the abstract namespace belong to the network namespace,
 * as interfaces do; no two sockets have the same; and the kernel gives them back however a program ends.
 *
 * A name that is taken is no conflict when its holder is this process: a stack a thread, with one address for
 * all (steer.c), opens a link for each. The kernel tells who listens to whoever connects (SO_PEERCRED); nobody accepts.
 *
 * What else may go wrong (no descriptors, a sandbox without UNIX sockets) is no reason not to use an address.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "link/address_keeper.h"

/* Who asked stays in the queue, for nobody accepts. More links than this no process opens on one address. */
enum { LISTEN_BACKLOG = 4096 };

static socklen_t make_name(struct sockaddr_un *ret_name, int ifindex, const struct tee_ip *ip)
{
	char text[TEE_IP_TEXT_SIZE];
	int len;

	*ret_name = (struct sockaddr_un){.sun_family = AF_UNIX};
	/* The first byte stays 0: abstract. */
	len = snprintf(ret_name->sun_path + 1, sizeof(ret_name->sun_path) - 1,
		       "teeceepee/address/%d/%s", ifindex, tee_ip_format(ip, text));
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)len);
}

/* Who listens on the name: is it this process? Also when nobody does any more. */
static bool is_mine(const struct sockaddr_un *name, socklen_t len)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct ucred peer = {0};
	socklen_t size = sizeof(peer);
	bool mine;

	if (fd < 0)
		return true;
	/* EAGAIN: those who asked before fill its queue, far more than this process has links. */
	if (connect(fd, (const struct sockaddr *)name, len) < 0)
		mine = errno == ECONNREFUSED;
	else
		mine = getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
		       peer.pid == getpid();
	close(fd);
	return mine;
}

/* The descriptor that keeps it, -1: it is not kept but may be used, -2: another process has it. */
static int keep(int ifindex, const struct tee_ip *ip)
{
	struct sockaddr_un name;
	socklen_t len = make_name(&name, ifindex, ip);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool is_taken;

	if (fd < 0)
		return -1;
	if (bind(fd, (struct sockaddr *)&name, len) == 0 && listen(fd, LISTEN_BACKLOG) == 0)
		return fd;
	is_taken = errno == EADDRINUSE;
	close(fd);
	return is_taken && !is_mine(&name, len) ? -2 : -1;
}

static bool is_among(const struct tee_ip *ip, const struct tee_ip *ips, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (tee_ip_equal(ip, &ips[i]))
			return true;
	return false;
}

static bool is_kept(const struct address_keeper *keeper, const struct tee_ip *ip)
{
	for (unsigned i = 0; i < keeper->count; i++)
		if (tee_ip_equal(ip, &keeper->kept[i].ip))
			return true;
	return false;
}

static void give_up(struct address_keeper *keeper, const struct tee_ip *ips, unsigned n)
{
	unsigned count = 0;

	for (unsigned i = 0; i < keeper->count; i++) {
		if (is_among(&keeper->kept[i].ip, ips, n))
			keeper->kept[count++] = keeper->kept[i];
		else
			close(keeper->kept[i].fd);
	}
	keeper->count = count;
}

void address_keeper_fini(struct address_keeper *keeper)
{
	give_up(keeper, NULL, 0);
}

unsigned address_keeper_set(struct address_keeper *keeper, int ifindex, struct tee_ip *ips,
			    unsigned n)
{
	unsigned count = 0;

	give_up(keeper, ips, n);
	for (unsigned i = 0; i < n; i++) {
		int fd = -1;

		if (!is_kept(keeper, &ips[i]) && keeper->count < ADDRESS_KEEPER_MAX)
			fd = keep(ifindex, &ips[i]);
		if (fd >= 0)
			keeper->kept[keeper->count++] = (struct address_kept){ips[i], fd};
		if (fd != -2)
			ips[count++] = ips[i];
	}
	return count;
}
