// SPDX-License-Identifier: MIT
/*
 * The queue of errors of a datagram socket: what the program reads with MSG_ERRQUEUE after it has set IP_RECVERR,
 * IPV6_RECVERR or SO_TIMESTAMPING. The stack keeps the errors, posix/ the stamps of what was sent, and gives both Linux'
 * shape; here they are taken for the program, stamps by the clock on the wall.
 *
 * That errors wait is told by POLLERR, which only the kernel can say, and of an AF_UNIX socket it never does. So the
 * option, like connect(), makes the descriptor one of two UDP sockets of the kernel's (refusal.c), and as long as
 * the stack's queue is not empty the kernel's has an entry of its own: the program's end gets IP_RECVERR, and
 * a datagram that is longer than any packet is sent from it, by a duplicate. The kernel refuses it, and keeps a
 * note of that, which is no pending error: recv() does not tell it. The program never sees the note either, as its
 * reading of the queue comes to us. With the last error the option goes off again, and the note with it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "host/clock.h"
#include "run/private.h"

/* With its headers more than an IPv4 packet can be; itself less than what sendto() takes at all. */
enum { TOO_LONG = 65510 };

void run_errqueue_stamp(struct run_sock *sock)
{
	struct posix_world *world = sock->run->world;

	if (sock->posix_fd < 0 || (!sock->stamps && sock->stamps_once < 0))
		return;
	posix_set_now(world, tee_host_now_ns());
	posix_stamp_datagram(world, sock->posix_fd, sock->stamps_once);
	run_errqueue_show(sock);
}

void run_errqueue_show(struct run_sock *sock)
{
	bool wanted = sock->is_inet && posix_has_errors(sock->run->world, sock->posix_fd);
	int on = wanted, theirs;

	if (wanted == sock->shows_errors)
		return;
	theirs = run_dup_far_end(sock);
	if (theirs < 0)
		return;
	if (setsockopt(theirs, IPPROTO_IP, IP_RECVERR, &on, sizeof(on)) == 0) {
		if (on)
			send(theirs, sock->run->buffer, TOO_LONG, MSG_DONTWAIT | MSG_NOSIGNAL);
		sock->shows_errors = wanted;
	}
	close(theirs);
}

/* When it came, by the clock on the wall. */
static struct timespec wall_time(uint64_t at_ns)
{
	uint64_t wall_ns = at_ns + clock_wall_offset_ns();

	return (struct timespec){.tv_sec = (time_t)(wall_ns / TEE_NS_PER_S),
				 .tv_nsec = (long)(wall_ns % TEE_NS_PER_S)};
}

static bool is_stamp(const struct posix_cmsg *cmsg)
{
	struct posix_extended_error error;

	memcpy(&error, cmsg->data, sizeof(error));
	return error.origin == LINUX_ORIGIN_TIMESTAMPING;
}

/* What posix/ stamped by the stack's clock. */
static struct timespec stamp_time(const struct posix_cmsg *cmsg)
{
	int64_t parts[2];

	memcpy(parts, cmsg->data, sizeof(parts));
	return wall_time((uint64_t)parts[0] * TEE_NS_PER_S + (uint64_t)parts[1]);
}

int64_t run_errqueue_take(struct run_sock *sock, size_t room, struct run_error *ret)
{
	struct run *run = sock->run;
	struct posix_iov piece = {.base = run->buffer, .len = room};
	struct posix_msg msg = {
		.name = ret->name, .name_len = sizeof(ret->name), .iov = &piece, .iov_count = 1};
	struct tee_error_info info = {0};
	int64_t count;

	if (sock->posix_fd < 0)
		return -EAGAIN;
	tee_recv_error(run_socket_of(sock), NULL, 0, TEE_MSG_PEEK, &info);
	count = posix_recvmsg(run->world, sock->posix_fd, &msg, MSG_ERRQUEUE, NULL);
	if (count < 0)
		return count;
	ret->name_len = msg.name_len;
	ret->flags = msg.flags;
	ret->cmsg = msg.cmsg[msg.cmsg_count - 1];
	ret->source = (struct run_source){.is_known = false};
	ret->is_stamped = msg.cmsg_count > 1;
	if (is_stamp(&ret->cmsg)) {
		if (ret->is_stamped)
			ret->at = stamp_time(&msg.cmsg[0]);
		run_errqueue_show(sock);
		return count;
	}
	if (sock->is_redirected && info.remote.port == sock->real.port &&
	    tee_ip_equal(&info.remote.ip, &sock->real.ip))
		ret->name_len = run_put_name(sock, &sock->shown, ret->name);
	if (!info.is_local)
		ret->source = (struct run_source){
			.to = info.local.ip,
			.ttl = info.ttl,
			.tos = info.tos,
			.at = wall_time(info.at_ns),
			.is_known = true,
		};
	/* As the stack's own pending error: what is told next is the next one, or nothing any more. */
	if (!info.is_local)
		run_datagram_take_error(sock);
	run_datagram_hear(sock);
	return count;
}
