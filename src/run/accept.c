// SPDX-License-Identifier: MIT
/*
 * accept(): done by us, without waiting, because it has to tell an address; a caller that may wait is held
 * until there is a connection for it.
 *
 * The connection leaves the queue of the program's listener before it is known whether the program has a
 * descriptor free for it. When it has none, it hears EMFILE, and the connection, which can't be put back, is
 * parked: `listener->parked_fd` is what the next accept() gets, whoever calls. The queue must not look empty
 * meanwhile, so a token is put into it: a connection of nobody's, without a name. Then, for as long
 * as the token is in the queue, each accept() gives what is parked and parks the next, so that the token
 * comes out last of those that were there before it; with it the parking ends.
 *
 *	run_call_accept()	the call
 *	run_parked_show()	puts the token into the queue, or sees that it can be tried again
 *	run_parked_end()	the listener ends: who is parked is reset, as those in the queue are
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "run/private.h"

/* ---- the parked connection ---- */

/* The program's record of a connection that it accepts; NULL: it has ended already. */
static struct run_sock *record_of(struct run *run, int fd)
{
	struct run_sock *sock = run_find_accepted(run, fd);

	return sock ? sock : run_find_cookie(run, fd);
}

void run_parked_show(struct run_sock *listener)
{
	int token;

	if (listener->parked_fd < 0 || listener->has_token)
		return;
	token = run_reach(listener, 0);
	if (token >= 0) {
		close(token); /* the queue keeps its other end */
		listener->has_token = true;
	} else if (token != -ECONNREFUSED) {
		run_retry_later(listener);
	}
}

void run_parked_end(struct run_sock *listener)
{
	struct run_sock *sock;

	listener->has_token = false;
	if (listener->parked_fd < 0)
		return;
	sock = record_of(listener->run, listener->parked_fd);
	if (sock && sock->state == RUN_CONNECTED)
		bridge_end(sock->bridge, true);
	close(listener->parked_fd);
	listener->parked_fd = -1;
}

static bool is_token(int fd)
{
	struct sockaddr_un name;
	socklen_t len = sizeof(name);

	return getpeername(fd, (struct sockaddr *)&name, &len) == 0 && len == sizeof(sa_family_t);
}

/* The first of the program's queue; -EAGAIN: nobody, else -errno. */
static int take_queued(int theirs, int flags)
{
	struct pollfd ready = {.fd = theirs, .events = POLLIN};
	int fd;

	/* Nobody else takes it meanwhile: no accept() of the program's goes past us. */
	if (poll(&ready, 1, 0) != 1)
		return -EAGAIN;
	fd = accept4(theirs, NULL, NULL, SOCK_CLOEXEC | (flags & SOCK_NONBLOCK));
	return fd < 0 ? -errno : fd;
}

/* Who waits longest: the parked one, or the first of the queue; else as above. */
static int take_first(struct run_sock *listener, int theirs, int flags)
{
	int fd = listener->parked_fd, is_nonblocking = (flags & SOCK_NONBLOCK) != 0;

	listener->parked_fd = -1;
	if (fd >= 0) {
		ioctl(fd, FIONBIO, &is_nonblocking);
		return fd;
	}
	fd = take_queued(theirs, flags);
	if (fd >= 0 && listener->has_token && is_token(fd)) {
		listener->has_token = false;
		close(fd);
		fd = take_queued(theirs, flags);
	}
	return fd;
}

/* The token goes, or whoever is before it in the queue is parked next. */
static void move_up(struct run_sock *listener, int theirs)
{
	int fd = take_queued(theirs, 0);

	if (fd >= 0 && is_token(fd)) {
		listener->has_token = false;
		close(fd);
	} else if (fd >= 0) {
		listener->parked_fd = fd;
	}
}

/* ---- the call ---- */

static int64_t accept_one(struct run_call *call, struct run_sock *listener, int theirs)
{
	const uint64_t *args = (const uint64_t *)call->request->data.args;
	int flags = call->request->data.nr == SYS_accept4 ? (int)args[3] : 0, fd;
	struct run_sock *sock;
	int64_t verdict;

	if (flags & ~(SOCK_NONBLOCK | SOCK_CLOEXEC))
		return -EINVAL;
	fd = take_first(listener, theirs, flags);
	if (fd == -EAGAIN) {
		/* Linux takes the descriptor before it looks who waits. */
		if (run_is_table_full(call))
			return -EMFILE;
		return run_is_nonblocking(theirs)
			       ? -EAGAIN
			       : run_hold(call, listener, run_timeout_ns(theirs, SO_RCVTIMEO),
					  -EAGAIN);
	}
	if (fd < 0)
		return fd;
	sock = record_of(call->run, fd);
	if (sock && args[1]) {
		int error = run_write_sockaddr(call, sock, &sock->remote, args[1], args[2]);

		if (error < 0) {
			close(fd);
			return error;
		}
	}
	verdict = run_give_fd(call, sock, fd, (flags & SOCK_CLOEXEC) != 0);
	if (verdict != RUN_DONE) {
		listener->parked_fd = fd;
		run_parked_show(listener);
		return verdict;
	}
	close(fd);
	if (listener->has_token)
		move_up(listener, theirs);
	return verdict;
}

int64_t run_call_accept(struct run_call *call)
{
	int theirs;
	struct run_sock *sock = run_find(call, (int)call->request->data.args[0], &theirs);
	int64_t verdict;

	if (!sock)
		return call->is_held ? -EBADF : RUN_CONTINUE;
	if (sock->state == RUN_DATAGRAM)
		verdict = -EOPNOTSUPP;
	else if (sock->state != RUN_LISTENING)
		verdict = -EINVAL;
	else
		verdict = accept_one(call, sock, theirs);
	close(theirs);
	return verdict;
}
