// SPDX-License-Identifier: MIT
/*
 * Connected UDP sockets that hear of a refusal: ICMP's port unreachable is ECONNREFUSED to the next plain recv() or send(),
 * and POLLERR to poll(), which the kernel alone answers.
 *
 * No AF_UNIX socket can be made to say that. So when the program connects a UDP socket, the SEQPACKET pair
 * gives way to two UDP sockets of the kernel's, connected to each other over its loopback, in whose
 * addresses nobody else is let in. An error is then raised as the kernel raises it: our end turns away from
 * the program's for a moment, a datagram is sent from the program's end, by a duplicate of its descriptor,
 * and the kernel, which finds nobody at that port, tells it so.
 *
 *	run_refusal_prepare()	connect(): the exchange. It does not take place where the descriptor's epoll
 *				registration would be lost by it, or the loopback is down; then the pair stays
 *	run_refusal_tell()	an error came for the socket
 *	run_datagram_take_error()	it is told by a call that we answer
 *
 * Unlike a pair's, the end of these is told to nobody: they have a weak reference (table.c), and what
 * we send to one that is closed comes back as a refusal to us.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "run/private.h"

enum { PATIENCE_MS = 10 };

/* Two sockets of the loopback, connected to each other; 0 or -errno. */
static int make_ends(int ret_ends[2])
{
	struct sockaddr_in names[2];
	socklen_t len = sizeof(names[0]);

	ret_ends[0] = ret_ends[1] = -1;
	for (unsigned i = 0; i < 2; i++) {
		names[i] = (struct sockaddr_in){.sin_family = AF_INET,
						.sin_addr = {htonl(INADDR_LOOPBACK)}};
		ret_ends[i] = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		if (ret_ends[i] < 0 || bind(ret_ends[i], (struct sockaddr *)&names[i], len) < 0 ||
		    getsockname(ret_ends[i], (struct sockaddr *)&names[i], &len) < 0)
			return -errno;
	}
	for (unsigned i = 0; i < 2; i++)
		if (connect(ret_ends[i], (struct sockaddr *)&names[!i], len) < 0)
			return -errno;
	return 0;
}

/* What the program has set on the descriptor itself. */
static void take_over(int old, int fresh)
{
	static const int sizes[] = {SO_SNDBUF, SO_RCVBUF};
	static const int timeouts[] = {SO_RCVTIMEO, SO_SNDTIMEO};
	int on = run_is_nonblocking(old);

	ioctl(fresh, FIONBIO, &on);
	for (unsigned i = 0; i < 2; i++) {
		struct timeval timeout;
		socklen_t size = sizeof(timeout);
		int bytes;

		if (getsockopt(old, SOL_SOCKET, timeouts[i], &timeout, &size) == 0)
			setsockopt(fresh, SOL_SOCKET, timeouts[i], &timeout, size);
		size = sizeof(bytes);
		if (getsockopt(old, SOL_SOCKET, sizes[i], &bytes, &size) == 0) {
			bytes /= 2; /* the kernel doubles it */
			setsockopt(fresh, SOL_SOCKET, sizes[i], &bytes, sizeof(bytes));
		}
	}
}

/* What the program sends while we are busy is lost when it doesn't fit: as much room as we may have. */
static void widen(int ours)
{
	static const int bytes = 4 << 20;

	if (setsockopt(ours, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) < 0)
		setsockopt(ours, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
}

void run_refusal_prepare(struct run_call *call, struct run_sock *sock, int *theirs)
{
	struct run *run = call->run;
	int ends[2] = {-1, -1}, old_fd = sock->our_fd;
	ssize_t len;

	if (sock->is_inet || sock->protocol != IPPROTO_UDP || run_check_reserve() < 0 ||
	    run_is_in_epoll(call, sock->inode) || make_ends(ends) < 0)
		goto out;
	take_over(*theirs, ends[0]);
	widen(ends[1]);
	if (run_datagram_watch(sock, ends[1]) < 0)
		goto out;
	if (run_replace_fd(call, ends[0], (int)call->request->data.args[0]) < 0) {
		tee_host_unwatch_fd(run->host, ends[1]);
		goto out;
	}
	/* What came before the connection is still to be read. */
	while ((len = recv(*theirs, run->buffer, RUN_DATAGRAM_MAX, MSG_DONTWAIT)) > 0)
		send(ends[1], run->buffer, (size_t)len, MSG_DONTWAIT);
	tee_host_unwatch_fd(run->host, old_fd);
	close(old_fd);
	sock->our_fd = ends[1];
	sock->is_inet = true;
	run_sock_rename(sock, ends[0]);
	run_weak_add(sock, ends[0]);
	close(*theirs);
	*theirs = ends[0];
	return;
out:
	for (unsigned i = 0; i < 2; i++)
		if (ends[i] >= 0)
			close(ends[i]);
}

bool run_refusal_tell(struct run_sock *sock)
{
	struct sockaddr_in own, program;
	socklen_t len = sizeof(own);
	struct pollfd state = {.events = 0};
	int theirs;

	if (!sock->is_inet || getsockname(sock->our_fd, (struct sockaddr *)&own, &len) < 0 ||
	    getpeername(sock->our_fd, (struct sockaddr *)&program, &len) < 0)
		return false;
	theirs = run_dup_far_end(sock);
	if (theirs < 0)
		return false;
	run_datagram_drain(sock);
	/* To itself: whatever comes from elsewhere finds nobody. */
	if (connect(sock->our_fd, (struct sockaddr *)&own, len) == 0) {
		send(theirs, "", 0, MSG_DONTWAIT | MSG_NOSIGNAL);
		state.fd = theirs;
		poll(&state, 1, PATIENCE_MS);
		if (connect(sock->our_fd, (struct sockaddr *)&program, len) < 0)
			state.revents = 0; /* then it hears of it by the calls that we answer */
	}
	close(theirs);
	sock->has_native = true;
	return state.revents & POLLERR;
}

int run_datagram_take_error(struct run_sock *sock)
{
	int error = sock->error, native = 0, theirs;
	socklen_t len = sizeof(native);

	sock->error = 0;
	if (!sock->has_native)
		return error;
	/* Whoever has read first has taken it. */
	sock->has_native = false;
	theirs = run_dup_far_end(sock);
	if (theirs < 0)
		return error;
	if (getsockopt(theirs, SOL_SOCKET, SO_ERROR, &native, &len) < 0)
		native = 0;
	close(theirs);
	return native ? native : error;
}
