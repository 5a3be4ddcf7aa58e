// SPDX-License-Identifier: MIT
/*
 * Listening: bind and listen; accept() is in accept.c.
 *
 * The program's socket becomes an AF_UNIX listener in a directory that lets nobody in but us. For each
 * connection that the stack has established we connect to it once; so poll, epoll, fork()ed workers
 * and the wake-up of just one of them are the kernel's own. Our end is bound to a name that says which
 * connection it is (table.c).
 *
 * When the program's queue is full, or we have no descriptor left, one connection waits here and the others in the stack, whose own
 * backlog then fills: peers see what they would see of Linux.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "run/private.h"

#define RETRY_NS (5 * TEE_NS_PER_MS)

/* ---- bind ---- */

int64_t run_call_bind(struct run_call *call)
{
	struct run *run = call->run;
	const uint64_t *args = (const uint64_t *)call->request->data.args;
	uint8_t address[sizeof(struct sockaddr_storage)];
	uint32_t len = (uint32_t)args[2];
	int dup, result;
	struct run_sock *sock = run_find(call, (int)args[0], &dup);

	if (!sock)
		return RUN_CONTINUE;
	close(dup);
	if (sock->domain == AF_NETLINK)
		return run_netlink_bind(call, sock);
	if (sock->posix_fd < 0 || len > sizeof(address))
		return -EINVAL;
	if (run_read(call, args[1], address, len) < 0)
		return -EFAULT;
	result = posix_bind(run->world, sock->posix_fd, address, len);
	if (result == -EADDRINUSE) {
		/* Perhaps whoever had it has closed it a moment ago. */
		run_weak_collect(run, RUN_WEAK_LISTENERS);
		run_weak_collect(run, RUN_WEAK_DRAFTS);
		result = posix_bind(run->world, sock->posix_fd, address, len);
	}
	if (result == 0 && sock->state == RUN_DRAFT)
		run_remember_address(sock, address, len);
	return result;
}

/* ---- connections for the program ---- */

static void on_retry(void *arg);

int run_reach(struct run_sock *listener, uint64_t serial)
{
	struct sockaddr_un path, name = {.sun_family = AF_UNIX};
	int len, error, fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	len = snprintf(name.sun_path + 1, sizeof(name.sun_path) - 1, "teeceepee/%d/%" PRIu64,
		       (int)getpid(), serial);
	run_path(listener->run, listener->serial, &path);
	if ((!serial ||
	     bind(fd, (struct sockaddr *)&name,
		  (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)len)) == 0) &&
	    connect(fd, (struct sockaddr *)&path, sizeof(path)) == 0)
		return fd;
	error = errno;
	close(fd);
	return -error;
}

/* Hands a connection over. 0; -EAGAIN: not now; else the connection is lost. */
static int hand_over(struct run_sock *listener, struct tee_socket *socket)
{
	struct run *run = listener->run;
	struct run_sock *sock = run_sock_new(run, -1);
	int fd = run_check_reserve(), result;

	if (!sock)
		return -ENOMEM;
	if (fd == 0)
		fd = run_reach(listener, sock->serial);
	if (fd < 0) {
		run_sock_free(sock);
		return run_is_shortage(run, -fd) ? -EAGAIN : fd;
	}
	sock->domain = listener->domain;
	sock->type = listener->type;
	sock->protocol = listener->protocol;
	sock->wanted = listener->wanted;
	sock->is_told = true;
	sock->posix_fd = posix_adopt(run->world, listener->posix_fd, socket);
	if (sock->posix_fd < 0) {
		close(fd);
		run_sock_free(sock);
		return -ENOMEM;
	}
	tee_socket_set_user(socket, NULL);
	result = run_stream_join(sock, fd);
	if (result < 0) {
		close(fd);
		posix_release(run->world, sock->posix_fd);
		run_sock_free(sock);
	}
	return result;
}

void run_retry_later(struct run_sock *listener)
{
	if (listener->retry_timer <= 0)
		listener->retry_timer =
			tee_host_after(listener->run->host, RETRY_NS, on_retry, listener);
}

/* Hands over what the stack has; false: the program has closed the listener, and it is gone. */
static bool serve_listener(struct run_sock *listener)
{
	struct tee_socket *socket;
	int result;

	for (;;) {
		socket = listener->pending;
		listener->pending = NULL;
		if (!socket && tee_accept(run_socket_of(listener), &socket, NULL) < 0)
			return true;
		result = hand_over(listener, socket);
		if (result == -EAGAIN) {
			listener->pending = socket;
			run_retry_later(listener);
			return true;
		}
		if (result < 0)
			tee_abort(socket);
		if (result == -ECONNREFUSED) {
			run_sock_drop(listener);
			return false;
		}
	}
}

static void on_retry(void *arg)
{
	struct run_sock *sock = arg;
	struct run *run = sock->run;

	sock->retry_timer = 0;
	run_parked_show(sock);
	if (serve_listener(sock))
		run_wake_held(run, sock);
}

static void on_listener(void *arg, struct tee_socket *socket, unsigned ready)
{
	struct run_sock *sock = arg;

	(void)socket, (void)ready;
	if (!sock->pending && serve_listener(sock))
		run_wake_held(sock->run, sock);
}

/* ---- listen ---- */

static int64_t begin(struct run_sock *sock, int theirs, int backlog)
{
	struct run *run = sock->run;
	struct sockaddr_un path;
	int result = posix_listen(run->world, sock->posix_fd, backlog);

	if (result == -EADDRINUSE) {
		run_weak_collect(run, RUN_WEAK_LISTENERS);
		result = posix_listen(run->world, sock->posix_fd, backlog);
	}
	if (result < 0)
		return result;
	if (sock->state == RUN_LISTENING)
		return listen(theirs, backlog) < 0 ? -errno : 0;
	run_path(run, sock->serial, &path);
	unlink(path.sun_path);
	if (bind(theirs, (struct sockaddr *)&path, sizeof(path)) < 0 || listen(theirs, backlog) < 0)
		return -errno;
	sock->state = RUN_LISTENING;
	run_weak_add(sock, theirs);
	result = tee_host_watch_socket(run->host, run_socket_of(sock), on_listener, sock);
	return result < 0 ? -posix_errno(result) : 0;
}

void run_leave_listeners(struct run_sock *sock)
{
	struct run *run = sock->run;
	struct sockaddr_un path;

	run_path(run, sock->serial, &path);
	unlink(path.sun_path);
	if (sock->pending)
		tee_abort(sock->pending);
	sock->pending = NULL;
	run_parked_end(sock);
	if (sock->retry_timer > 0)
		tee_host_cancel(run->host, sock->retry_timer);
	sock->retry_timer = 0;
}

void run_stop_listening(struct run_sock *sock)
{
	struct run *run = sock->run;
	struct tee_socket *socket = run_socket_of(sock);

	run_leave_listeners(sock);
	tee_host_watch_socket(run->host, socket, NULL, NULL);
	tee_close(socket);
	run_sock_bury(sock, RUN_ENDED);
	run_wake_held(run, sock);
}

int64_t run_call_listen(struct run_call *call)
{
	const uint64_t *args = (const uint64_t *)call->request->data.args;
	int theirs;
	struct run_sock *sock = run_find(call, (int)args[0], &theirs);
	int64_t verdict;

	if (!sock)
		return RUN_CONTINUE;
	if (sock->state == RUN_DATAGRAM)
		verdict = -EOPNOTSUPP;
	else if (sock->state == RUN_DRAFT || sock->state == RUN_LISTENING)
		verdict = begin(sock, theirs, (int)args[1]);
	else
		verdict = -EINVAL;
	close(theirs);
	return verdict;
}
