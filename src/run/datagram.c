// SPDX-License-Identifier: MIT
/*
 * UDP sockets, and ICMP echo ones: one end of a SEQPACKET pair in the program, the other here.
 *
 * What the program writes without an address comes out of our end and goes to the connected peer;
 * what the stack receives goes into it, and a plain read() or recv() of the program's takes it. Calls
 * with an address come to us (message.c). To tell who sent a datagram, the sender is remembered
 * while it lies in the pair, with a mark of its bytes: a plain recv() in between, which we don't
 * see, puts nothing out of step.
 *
 * A UDP socket that is connected gets another kind of descriptor (refusal.c); all else stays as it is.
 *
 * A pair that is full drops what comes, as a full receive buffer does.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "run/private.h"

enum { ANY_PORT = 9 }; /* stands for port 0, to which nothing is sent */

/* FNV-1a over the length and the first bytes: enough to tell neighbours in a queue apart. */
static uint64_t mark_of(const void *data, size_t len)
{
	const uint8_t *bytes = data;
	uint64_t mark = UINT64_C(0xcbf29ce484222325) ^ len;

	for (size_t i = 0; i < len && i < 128; i++)
		mark = (mark ^ bytes[i]) * UINT64_C(0x100000001b3);
	return mark;
}

void run_datagram_note(struct run_sock *sock, const struct tee_dgram_info *info, const void *data,
		       size_t len)
{
	unsigned index;

	if (!sock->sources)
		sock->sources = calloc(RUN_SOURCES_MAX, sizeof(*sock->sources));
	if (!sock->sources)
		return;
	if (sock->source_count == RUN_SOURCES_MAX) {
		sock->source_first = (sock->source_first + 1) % RUN_SOURCES_MAX;
		sock->source_count--;
	}
	index = (sock->source_first + sock->source_count++) % RUN_SOURCES_MAX;
	sock->sources[index] = (struct run_source){
		.from = info->remote,
		.to = info->local.ip,
		.ttl = info->ttl,
		.tos = info->tos,
		.is_known = true,
		.mark = mark_of(data, len),
	};
	clock_gettime(CLOCK_REALTIME, &sock->sources[index].at);
}

struct run_source run_datagram_source(struct run_sock *sock, const void *data, size_t len,
				      bool peeks)
{
	struct run_source source = {.from = sock->shown};
	uint64_t mark = mark_of(data, len);

	for (unsigned i = 0; i < sock->source_count; i++) {
		unsigned index = (sock->source_first + i) % RUN_SOURCES_MAX;

		if (sock->sources[index].mark != mark)
			continue;
		source = sock->sources[index];
		/* Those before it were taken behind our back. */
		i += !peeks;
		sock->source_first = (sock->source_first + i) % RUN_SOURCES_MAX;
		sock->source_count -= i;
		break;
	}
	if (sock->is_redirected && source.from.port == sock->real.port &&
	    tee_ip_equal(&source.from.ip, &sock->real.ip))
		source.from = sock->shown;
	return source;
}

/* ---- from the stack to the program ---- */

/* The next call tells it, also one that goes past us where the program's end can; always true. */
static bool fail(struct run_sock *sock, int error)
{
	if (error != ECONNREFUSED || !run_refusal_tell(sock))
		sock->error = error;
	return true;
}

bool run_datagram_hear(struct run_sock *sock)
{
	int error = posix_errno(tee_take_error(run_socket_of(sock)));

	run_errqueue_show(sock);
	return error && fail(sock, error);
}

static void on_stack(void *arg, struct tee_socket *socket, unsigned ready)
{
	struct run_sock *sock = arg;
	struct run *run = sock->run;
	struct tee_dgram_info info;
	bool has_news = false;

	if (ready & TEE_EV_ERROR)
		has_news = run_datagram_hear(sock);
	for (;;) {
		ssize_t count = tee_recv_info(socket, run->buffer, RUN_DATAGRAM_MAX, 0, &info);

		/* After shutdown() for reading there is an end of the stream, again and again. */
		if (count == -TEE_EAGAIN || (count == 0 && tee_readiness(socket) & TEE_EV_RDHUP))
			break;
		if (count < 0) {
			has_news = fail(sock, posix_errno((int)count));
			break;
		}
		if (send(sock->our_fd, run->buffer, (size_t)count, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
			continue;
		run_datagram_note(sock, &info, run->buffer, (size_t)count);
		has_news = true;
	}
	if (has_news)
		run_wake_held(run, sock);
}

/* ---- from the program to the stack ---- */

/* To the peer. false: the socket was told first that an earlier datagram was refused; this one goes all the same. */
static bool carry(struct run_sock *sock, size_t len)
{
	struct tee_socket *socket = run_socket_of(sock);

	bool is_told = tee_send(socket, sock->run->buffer, len, 0) == -TEE_ECONNREFUSED;

	if (is_told)
		tee_send(socket, sock->run->buffer, len, 0);
	run_errqueue_stamp(sock);
	return !is_told;
}

/* false: the program has closed its end, and nothing is left of it. */
static bool forward(struct run_sock *sock)
{
	struct run *run = sock->run;
	struct pollfd state = {.fd = sock->our_fd, .events = POLLIN | POLLRDHUP};
	bool is_refused = false, is_open = true;

	while (is_open) {
		ssize_t count = recv(sock->our_fd, run->buffer, RUN_DATAGRAM_MAX, MSG_DONTWAIT);

		if (count < 0) {
			is_open = errno == EAGAIN || errno == EINTR;
			break;
		}
		/* Of a pair an empty datagram and the end look the same. */
		if (count == 0 && !sock->is_inet && poll(&state, 1, 0) == 1 &&
		    state.revents & POLLHUP)
			is_open = false;
		else if (sock->domain == AF_NETLINK)
			run_netlink_input(sock, run->buffer, (size_t)count);
		else if (!sock->has_remote || sock->shown.port)
			is_refused |= !carry(sock, (size_t)count);
	}
	if (is_open && is_refused)
		fail(sock, ECONNREFUSED);
	return is_open;
}

static void on_program(void *arg, int fd, short revents)
{
	struct run_sock *sock = arg;

	(void)fd, (void)revents;
	if (!forward(sock))
		run_sock_drop(sock);
}

void run_datagram_drain(struct run_sock *sock)
{
	forward(sock);
}

/* ---- calls ---- */

int64_t run_datagram_connect(struct run_sock *sock, const struct tee_endpoint *remote)
{
	struct tee_endpoint target = *remote;
	int result;

	run_datagram_drain(sock);
	sock->is_redirected = run_resolv_redirect(sock->run, &target);
	/* Asked by getaddrinfo(), which only wants to know our address on the way there. */
	if (remote->port == 0 && !tee_ip_is_any(&remote->ip))
		target.port = ANY_PORT;
	result = tee_connect(run_socket_of(sock), &target);
	if (result < 0)
		return -posix_errno(result);
	sock->shown = *remote;
	sock->real = target;
	sock->has_remote = !tee_ip_is_any(&remote->ip) || remote->port;
	return 0;
}

int64_t run_datagram_send(struct run_sock *sock, const void *data, size_t len,
			  const struct tee_endpoint *to, const struct tee_dgram_info *info)
{
	struct tee_socket *socket = run_socket_of(sock);
	struct tee_endpoint target;
	ssize_t sent;

	int error = run_datagram_take_error(sock);

	if (error)
		return -error;
	if (!to && sock->has_remote && sock->shown.port == 0)
		return -EINVAL;
	if (to) {
		target = *to;
		if (run_resolv_redirect(sock->run, &target)) {
			sock->is_redirected = true;
			sock->shown = *to;
			sock->real = target;
		}
	}
	if (info) {
		struct tee_dgram_info wishes = *info;

		if (to)
			wishes.remote = target;
		else if (tee_remote_name(socket, &wishes.remote) < 0)
			return -EDESTADDRREQ;
		sent = tee_send_info(socket, data, len, 0, &wishes);
	} else {
		sent = tee_sendto(socket, data, len, 0, to ? &target : NULL);
	}
	if (sent >= 0)
		run_errqueue_stamp(sock);
	return sent < 0 ? -posix_errno((int)sent) : sent;
}

int run_datagram_watch(struct run_sock *sock, int our_fd)
{
	return host_watch_epoll(sock->run->host, our_fd, EPOLLIN | EPOLLRDHUP, on_program, sock);
}

int run_datagram_start(struct run_sock *sock, int our_fd)
{
	struct run *run = sock->run;
	int result = run_datagram_watch(sock, our_fd);

	if (result < 0)
		return -posix_errno(result);
	if (sock->posix_fd >= 0)
		result = tee_host_watch_socket(run->host, run_socket_of(sock), on_stack, sock);
	if (result < 0) {
		tee_host_unwatch_fd(run->host, our_fd);
		return -posix_errno(result);
	}
	sock->state = RUN_DATAGRAM;
	sock->our_fd = our_fd;
	return 0;
}

void run_datagram_stop(struct run_sock *sock)
{
	tee_host_unwatch_fd(sock->run->host, sock->our_fd);
	close(sock->our_fd);
	sock->our_fd = -1;
}
