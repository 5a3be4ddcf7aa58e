// SPDX-License-Identifier: MIT
/*
 * TCP sockets from their making to their connection.
 *
 * socket() puts one plain AF_UNIX stream socket into the program. Not being connected, it polls as a
 * fresh TCP socket does (OUT and HUP), and may still become either end of a connection.
 *
 * connect() joins it to us through the rendezvous, and makes it unwritable: with the smallest send
 * buffer, two fillers take all room. So poll, epoll and blocking writes wait as for a TCP handshake.
 * Once the stack has the connection, the buffer is made large and the fillers are taken out; that is the
 * edge that edge-triggered epoll waits for. The bridge goes on from there.
 *
 * A connect() that fails leaves our end closed with the fillers unread: the program's end gets an
 * error and a hang-up, as from TCP; SO_ERROR says which.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "run/private.h"

enum { FILLER_BYTES = 2048, FILLERS = 2, SMALLEST_SNDBUF = 1 };

struct tee_socket *run_socket_of(const struct run_sock *sock)
{
	return sock->posix_fd < 0 ? NULL : posix_socket_of(sock->run->world, sock->posix_fd);
}

static enum tee_tcp_state state_of(const struct run_sock *sock)
{
	struct tee_tcp_info info;

	return tee_socket_info(run_socket_of(sock), &info) < 0 ? TEE_TCP_CLOSED : info.state;
}

/* ---- socket ---- */

/* The AF_UNIX socket that the program gets, and for datagrams our end of it; 0 or -errno. */
static int make_descriptors(const struct run_call *call, bool is_stream, int *ret_theirs,
			    int *ret_ours)
{
	int flags = (int)call->request->data.args[1] & SOCK_NONBLOCK, pair[2], result;

	*ret_ours = -1;
	if (is_stream) {
		*ret_theirs = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
		return *ret_theirs < 0 ? -errno : 0;
	}
	/* Our end is a descriptor of ours. */
	result = run_check_reserve();
	if (result < 0)
		return run_is_shortage(call->run, -result) ? -ENFILE : result;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	if (flags) {
		int on = 1;

		ioctl(pair[0], FIONBIO, &on);
	}
	*ret_theirs = pair[0];
	*ret_ours = pair[1];
	return 0;
}

int run_make_posix(struct run *run, const uint64_t *args)
{
	int fd = posix_socket(run->world, (int)args[0],
			      (int)args[1] & ~(SOCK_NONBLOCK | SOCK_CLOEXEC), (int)args[2]);

	/* The host's watch takes the socket's user pointer. */
	if (fd >= 0)
		tee_socket_set_user(posix_socket_of(run->world, fd), NULL);
	return fd;
}

static void discard_posix(struct run *run, int posix_fd)
{
	if (posix_fd >= 0)
		posix_close(run->world, posix_fd, NULL);
}

static void describe(struct run_sock *sock, const uint64_t *args)
{
	int type = (int)args[1] & ~(SOCK_NONBLOCK | SOCK_CLOEXEC);

	sock->domain = (int)args[0];
	sock->type = type;
	sock->protocol = (int)args[2]          ? (int)args[2]
			 : type == SOCK_STREAM ? IPPROTO_TCP
					       : IPPROTO_UDP;
	if (sock->domain == AF_NETLINK)
		sock->protocol = (int)args[2]; /* NETLINK_ROUTE is 0 */
}

int64_t run_call_socket(struct run_call *call)
{
	struct run *run = call->run;
	const uint64_t *args = (const uint64_t *)call->request->data.args;
	bool is_stream = ((int)args[1] & 0xf) == SOCK_STREAM;
	struct run_sock *sock = NULL;
	int theirs = -1, ours = -1, posix_fd, result;
	int64_t verdict;

	if ((int)args[0] == AF_NETLINK ? is_stream : ((int)args[1] & 0xf) == SOCK_RAW)
		return is_stream ? -ESOCKTNOSUPPORT : -EPERM;
	/* Of netlink the stack knows nothing. */
	posix_fd = (int)args[0] == AF_NETLINK ? -1 : run_make_posix(run, args);
	if (posix_fd < -1)
		return posix_fd;
	result = make_descriptors(call, is_stream, &theirs, &ours);
	if (result < 0) {
		discard_posix(run, posix_fd);
		return result;
	}
	sock = run_sock_new(run, theirs);
	if (!sock) {
		discard_posix(run, posix_fd);
		verdict = -ENOMEM;
	} else {
		describe(sock, args);
		sock->netlink_pid = (uint32_t)call->request->pid;
		sock->posix_fd = posix_fd;
		if (is_stream)
			run_weak_add(sock, theirs);
		verdict = is_stream ? 0 : run_datagram_start(sock, ours);
		if (verdict == 0) {
			ours = -1; /* the record's now */
			verdict = run_give_fd(call, sock, theirs, (args[1] & SOCK_CLOEXEC) != 0);
		} else {
			run_sock_drop(sock);
		}
	}
	close(theirs);
	if (ours >= 0)
		close(ours);
	return verdict;
}

/* ---- connect ---- */

/* Connects the program's socket to us; our end or -errno. */
static int meet(struct run *run, int theirs)
{
	int ours;

	if (connect(theirs, (struct sockaddr *)&run->rendezvous, sizeof(run->rendezvous)) < 0)
		return -errno;
	ours = accept4(run->rendezvous_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	return ours < 0 ? -errno : ours;
}

/* Takes all room from the program's socket, so that it isn't writable yet. */
static void fill(struct run_sock *sock, int theirs)
{
	static const char filler[FILLER_BYTES];
	int size = SMALLEST_SNDBUF;
	socklen_t len = sizeof(sock->native_sndbuf);

	if (getsockopt(theirs, SOL_SOCKET, SO_SNDBUF, &sock->native_sndbuf, &len) < 0)
		sock->native_sndbuf = 0;
	setsockopt(theirs, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	sock->is_filled = true;
	for (unsigned i = 0; i < FILLERS; i++)
		if (send(theirs, filler, sizeof(filler), MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
			break;
}

/* Gives the room back. */
static void drain(struct run_sock *sock)
{
	char bytes[FILLER_BYTES * FILLERS];
	int theirs, size = sock->native_sndbuf;

	if (!sock->is_filled)
		return;
	sock->is_filled = false;
	theirs = run_dup_far_end(sock);
	if (theirs >= 0) {
		/* The kernel doubles what it is told: twice the room that a fresh socket has. */
		setsockopt(theirs, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
		close(theirs);
	}
	for (ssize_t left = sizeof(bytes); left > 0;) {
		ssize_t count = recv(sock->our_fd, bytes, (size_t)left, MSG_DONTWAIT);

		if (count <= 0)
			break;
		left -= count;
	}
}

static void on_bridge_end(void *arg, int error)
{
	struct run_sock *sock = arg;

	sock->bridge = NULL;
	sock->error = posix_errno(error);
	run_sock_bury(sock, RUN_ENDED);
}

int run_stream_join(struct run_sock *sock, int our_fd)
{
	struct run *run = sock->run;
	struct tee_socket *socket = run_socket_of(sock);
	struct bridge_hooks hooks = {run_dup_far_end, on_bridge_end, sock};
	int result;

	tee_local_name(socket, &sock->local);
	if (tee_remote_name(socket, &sock->remote) == 0)
		sock->has_remote = true;
	result = bridge_new(run->host, socket, our_fd, &hooks, &sock->bridge);
	if (result < 0)
		return -posix_errno(result);
	sock->our_fd = -1;
	sock->state = RUN_CONNECTED;
	return 0;
}

void run_give_up(struct run_sock *sock, int error)
{
	struct run *run = sock->run;

	tee_host_watch_socket(run->host, run_socket_of(sock), NULL, NULL);
	tee_close(run_socket_of(sock));
	tee_host_unwatch_fd(run->host, sock->our_fd);
	close(sock->our_fd);
	sock->our_fd = -1;
	sock->error = error;
	run_sock_bury(sock, RUN_FAILED);
	run_wake_held(run, sock);
}

static void on_connecting(void *arg, struct tee_socket *socket, unsigned ready)
{
	struct run_sock *sock = arg;
	struct run *run = sock->run;
	int error = tee_take_error(socket), our_fd = sock->our_fd;
	enum tee_tcp_state state = state_of(sock);

	(void)ready;
	if (error || state == TEE_TCP_CLOSED) {
		run_give_up(sock, error ? posix_errno(error) : ECONNABORTED);
		return;
	}
	if (state == TEE_TCP_SYN_SENT || state == TEE_TCP_SYN_RECEIVED)
		return;
	tee_host_watch_socket(run->host, socket, NULL, NULL);
	drain(sock);
	if (run_stream_join(sock, our_fd) < 0) {
		run_give_up(sock, ENOMEM);
		return;
	}
	run_wake_held(run, sock);
}

/* The program closed the socket before it was connected. */
static void on_left(void *arg, int fd, short revents)
{
	(void)fd;
	if (revents & (EPOLLHUP | EPOLLERR))
		run_give_up(arg, ECONNABORTED);
}

/* A connect() that fast open puts off until the first byte: to the program it looks connected. */
static int64_t begin_deferred(struct run_sock *sock, int our_fd)
{
	int result = run_stream_join(sock, our_fd);

	if (result < 0) {
		close(our_fd);
		return result;
	}
	sock->remote = sock->shown;
	sock->has_remote = sock->is_told = true;
	return 0;
}

/* `early` NULL: nothing is to go along with the opening. */
static int64_t begin(struct run_sock *sock, int theirs, const struct tee_endpoint *remote,
		     bool waits, struct run_early *early)
{
	struct run *run = sock->run;
	struct tee_socket *socket = run_socket_of(sock);
	struct tee_endpoint target = *remote;
	bool is_deferred;
	int result;

	/* Not once the stack has begun: it could not be taken back. */
	result = run_check_reserve();
	if (result < 0)
		return run_is_shortage(run, -result) ? -ENOBUFS : result;
	sock->is_redirected = run_resolv_redirect(run, &target);
	sock->shown = *remote;
	/* A listener that the program has closed accepts nobody. */
	run_weak_collect(run, RUN_WEAK_LISTENERS);
	result = early ? run_fastopen_send(socket, &target, early) : tee_connect(socket, &target);
	is_deferred = result == 0;
	/* An IPv6 socket that is for IPv6 only knows no way to a mapped address. */
	if (result == -TEE_EAFNOSUPPORT && sock->domain == AF_INET6)
		return -ENETUNREACH;
	if (result < 0 && result != -TEE_EINPROGRESS)
		return -posix_errno(result);
	tee_local_name(socket, &sock->local);
	result = meet(run, theirs);
	if (result < 0)
		return result;
	run_weak_remove(sock);
	if (is_deferred)
		return begin_deferred(sock, result);
	sock->our_fd = result;
	sock->state = RUN_CONNECTING;
	sock->is_told = sock->is_filled = false;
	/* Nobody polls it while its only caller waits. */
	if (!waits)
		fill(sock, theirs);
	if (host_watch_epoll(run->host, sock->our_fd, EPOLLRDHUP | EPOLLET, on_left, sock) < 0 ||
	    tee_host_watch_socket(run->host, socket, on_connecting, sock) < 0) {
		run_give_up(sock, ENOMEM);
		sock->state = RUN_RETRYABLE;
		return -ENOMEM;
	}
	return -EINPROGRESS;
}

/* An attempt is under way, or was, and nobody has been told. */
int64_t run_connect_finish(struct run_call *call, struct run_sock *sock, int theirs)
{
	bool waits = call->is_held || sock->is_waited || !run_is_nonblocking(theirs);

	switch (sock->state) {
	case RUN_CONNECTING:
		if (!waits)
			return -EALREADY;
		sock->is_waited = true;
		if (call->is_expired && !sock->is_filled)
			fill(sock, theirs);
		return run_hold(call, sock, run_timeout_ns(theirs, SO_SNDTIMEO), -EINPROGRESS);
	case RUN_FAILED: {
		int error = sock->error ? sock->error : ECONNABORTED;

		sock->error = 0;
		sock->state = RUN_RETRYABLE;
		return -error;
	}
	default: /* CONNECTED, or over again */
		if (sock->is_told)
			return -EISCONN;
		sock->is_told = true;
		return 0;
	}
}

/* Should this go to the host's own loopback, natively? Then the descriptor becomes a native one. */
static bool goes_native(struct run_call *call, struct run_sock *sock, int theirs,
			const struct tee_endpoint *remote)
{
	static const struct tee_ip loopback6 = {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}};
	struct run *run = call->run;
	struct tee_socket_entry entry;
	int native;

	if (!run->allows_host_loopback ||
	    !(tee_ip_is4(&remote->ip) ? remote->ip.byte[12] == 127
				      : tee_ip_equal(&remote->ip, &loopback6)))
		return false;
	for (uint64_t cursor = 0; tee_socket_list(tee_host_stack(run->host), &cursor, &entry);)
		if (entry.local.port == remote->port &&
		    (entry.type != TEE_SOCKET_TCP || entry.tcp.state == TEE_TCP_LISTEN))
			return false;
	native = socket(
		sock->domain,
		sock->type | SOCK_CLOEXEC | (run_is_nonblocking(theirs) ? SOCK_NONBLOCK : 0), 0);
	if (native < 0)
		return false;
	if (run_replace_fd(call, native, (int)call->request->data.args[0]) < 0) {
		close(native);
		return false;
	}
	close(native);
	return true;
}

int64_t run_connect_draft(struct run_call *call, struct run_sock *sock, int *theirs,
			  const struct tee_endpoint *remote, bool waits, struct run_early *early)
{
	int64_t verdict;

	if (goes_native(call, sock, *theirs, remote))
		return RUN_CONTINUE;
	/* Nobody can listen there; Linux asks the peer to hear that. */
	if (remote->port == 0)
		return -ECONNREFUSED;
	if (sock->state == RUN_RETRYABLE) {
		verdict = run_renew(call, sock, theirs);
		if (verdict < 0)
			return verdict;
	}
	verdict = begin(sock, *theirs, remote, waits, early);
	if (verdict != -EINPROGRESS || !waits)
		return verdict;
	sock->is_waited = true;
	return run_hold(call, sock, run_timeout_ns(*theirs, SO_SNDTIMEO), -EINPROGRESS);
}

static int64_t connect_stream(struct run_call *call, struct run_sock *sock, int *theirs)
{
	const uint64_t *args = (const uint64_t *)call->request->data.args;
	struct tee_endpoint remote;
	int family, result = run_read_sockaddr(call, args[1], args[2], &family, &remote);

	if (result < 0)
		return result;
	return run_connect_draft(call, sock, theirs, &remote, !run_is_nonblocking(*theirs), NULL);
}

static int64_t connect_datagram(struct run_call *call, struct run_sock *sock, int *theirs)
{
	const uint64_t *args = (const uint64_t *)call->request->data.args;
	struct tee_endpoint remote = {0};
	int family, result;

	/* With the kernel, whom it speaks to anyway. */
	if (sock->domain == AF_NETLINK)
		return 0;
	result = run_read_sockaddr(call, args[1], args[2], &family, &remote);
	if (result < 0)
		return result;
	if (family != AF_UNSPEC && goes_native(call, sock, *theirs, &remote))
		return RUN_CONTINUE;
	result = (int)run_datagram_connect(sock, &remote);
	if (result == 0 && family != AF_UNSPEC)
		run_refusal_prepare(call, sock, theirs);
	return result;
}

/* connect() to AF_UNSPEC takes the connection away. */
static bool is_dissolving(const struct run_call *call)
{
	const uint64_t *args = (const uint64_t *)call->request->data.args;
	struct tee_endpoint remote;
	int family;

	return !call->is_held && run_read_sockaddr(call, args[1], args[2], &family, &remote) == 0 &&
	       family == AF_UNSPEC;
}

void run_connect_leave(const struct run_call *call)
{
	int theirs;
	struct run_sock *sock = run_find(call, (int)call->request->data.args[0], &theirs);

	if (!sock)
		return;
	if (sock->state == RUN_CONNECTING && !sock->is_filled)
		fill(sock, theirs);
	close(theirs);
}

int64_t run_call_connect(struct run_call *call)
{
	struct run_sock *sock;
	int64_t verdict;
	int theirs;

	/* What it waited for; whatever another thread did to the descriptor meanwhile. */
	if (call->is_woken && call->sock->state == RUN_CONNECTED)
		return run_connect_finish(call, call->sock, -1);
	sock = run_find(call, (int)call->request->data.args[0], &theirs);

	if (!sock)
		return call->is_held ? -EBADF : RUN_CONTINUE;
	if (sock->state == RUN_DATAGRAM)
		verdict = connect_datagram(call, sock, &theirs);
	else if (sock->state != RUN_LISTENING && is_dissolving(call))
		verdict = run_disconnect(call, sock, &theirs);
	else if (sock->state == RUN_DRAFT || sock->state == RUN_RETRYABLE)
		verdict = connect_stream(call, sock, &theirs);
	else
		verdict = sock->state == RUN_LISTENING ? -EISCONN
						       : run_connect_finish(call, sock, theirs);
	/* While the call lasts the dead descriptor can be replaced; later only the next connect() can. */
	if (verdict < 0 && sock->state == RUN_RETRYABLE && !run_is_nonblocking(theirs))
		run_renew(call, sock, &theirs);
	close(theirs);
	return verdict;
}

/* ---- shutdown, and the end of what was never connected ---- */

static int64_t shutdown_stream(struct run_sock *sock, int how)
{
	if (sock->state == RUN_LISTENING) {
		if (how != SHUT_WR)
			run_stop_listening(sock);
		return RUN_CONTINUE;
	}
	/* As Linux: the attempt is over, and the socket may try again. */
	if (sock->state == RUN_CONNECTING) {
		run_give_up(sock, 0);
		sock->state = RUN_RETRYABLE;
		return 0;
	}
	if (sock->state == RUN_ENDED)
		return sock->error ? -ENOTCONN : RUN_CONTINUE;
	if (sock->state != RUN_CONNECTED)
		return -ENOTCONN;
	/* The kernel's would stop the writer, which is us; TCP throws away what still comes. */
	if (how == SHUT_RD) {
		bridge_stop_in(sock->bridge);
		return 0;
	}
	return RUN_CONTINUE;
}

int64_t run_call_shutdown(struct run_call *call)
{
	int dup, how = (int)call->request->data.args[1];
	struct run_sock *sock = run_find(call, (int)call->request->data.args[0], &dup);
	int64_t verdict;

	if (!sock)
		return RUN_CONTINUE;
	if (how < SHUT_RD || how > SHUT_RDWR)
		verdict = -EINVAL;
	else if (sock->state != RUN_DATAGRAM)
		verdict = shutdown_stream(sock, how);
	else if (sock->domain == AF_NETLINK)
		verdict = -EOPNOTSUPP;
	else
		verdict = posix_shutdown(call->run->world, sock->posix_fd, how);
	close(dup);
	return verdict;
}

void run_sock_drop(struct run_sock *sock)
{
	struct run *run = sock->run;
	struct tee_socket *socket = run_socket_of(sock);

	if (sock->our_fd >= 0 && sock->state == RUN_DATAGRAM)
		run_datagram_stop(sock);
	else if (sock->our_fd >= 0) {
		tee_host_unwatch_fd(run->host, sock->our_fd);
		close(sock->our_fd);
	}
	if (sock->state == RUN_LISTENING)
		run_leave_listeners(sock);
	if (socket) {
		tee_host_watch_socket(run->host, socket, NULL, NULL);
		tee_close(socket);
		posix_release(run->world, sock->posix_fd);
	}
	run_sock_free(sock);
}
