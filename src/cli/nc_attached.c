// SPDX-License-Identifier: MIT
/*
 * `teeceepee nc --attach`: the sockets of this process are a daemon's (attach.c), so this is a nc as it
 * is written for any system.
 *
 * Two threads for a connection: one that reads standard input and sends, and the main one that receives and
 * writes to standard output. Either may block. The wish to end (cancel_fd) and -w are watched by the one
 * that receives; when it ends it stops the other.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/nc.h"
#include "posix/posix.h"

enum { WAITED, IDLE, ENDING };

static int fail_socket(const struct nc *nc, const char *what, int error_number)
{
	return cli_fail(&nc->cli, cli_exit_of_errno(error_number), "%s: %s", what,
			strerror(error_number));
}

/* Waits for the socket; with -w not for longer than nothing happens in either direction. */
static int wait_for(const struct nc *nc, int fd, short events)
{
	struct pollfd fds[2] = {{.fd = fd, .events = events},
				{.fd = nc->cli.cancel_fd, .events = POLLIN}};
	uint64_t sent, wait_ms = nc->idle_ns / TEE_NS_PER_MS;
	int count;

	do {
		sent = __atomic_load_n(&nc->sent_bytes, __ATOMIC_RELAXED);
		count = poll(fds, 2, nc->idle_ns == TEE_NEVER ? -1 : (int)(wait_ms + 1));
		if (cli_signal() || (count > 0 && fds[1].revents))
			return ENDING;
	} while ((count < 0 && errno == EINTR) ||
		 (count == 0 && sent != __atomic_load_n(&nc->sent_bytes, __ATOMIC_RELAXED)));
	return count == 0 ? IDLE : WAITED;
}

/* ---- standard input to the socket ---- */

/* 0, or an errno. */
static int send_all(struct nc *nc, const char *bytes, size_t len)
{
	while (len > 0) {
		ssize_t sent = send(nc->fd, bytes, len, MSG_NOSIGNAL);

		if (sent < 0 && errno != EINTR)
			return errno;
		if (sent > 0) {
			bytes += sent;
			len -= (size_t)sent;
			__atomic_add_fetch(&nc->sent_bytes, (uint64_t)sent, __ATOMIC_RELAXED);
		}
	}
	return 0;
}

static void *carry_out(void *arg)
{
	struct nc *nc = arg;
	char *buffer = malloc(NC_CHUNK_BYTES);
	size_t size = nc->is_udp ? NC_DATAGRAM_MAX : NC_CHUNK_BYTES;
	int error = 0;

	while (buffer && !error && nc_wait_input(nc)) {
		ssize_t len = read(STDIN_FILENO, buffer, size);

		if (len < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (len < 0)
			nc->send_code = nc_fail_errno(nc, CLI_EXIT_READ, "standard input", errno);
		if (len == 0 && !nc->is_udp)
			shutdown(nc->fd, SHUT_WR);
		if (len <= 0)
			break;
		/* Why it can't be sent, the one that receives says. */
		if (!nc->is_udp || __atomic_load_n(&nc->has_peer, __ATOMIC_ACQUIRE))
			error = send_all(nc, buffer, (size_t)len);
		if (nc->is_udp)
			error = 0;
	}
	free(buffer);
	return NULL;
}

/* ---- the socket to standard output ---- */

static ssize_t receive(struct nc *nc, char *buffer)
{
	struct sockaddr_storage from;
	socklen_t from_len = sizeof(from);
	ssize_t len;

	if (!nc->is_udp || nc->has_peer)
		return recv(nc->fd, buffer, NC_CHUNK_BYTES, MSG_DONTWAIT);
	/* The first to write becomes the peer, as in other nc's. */
	len = recvfrom(nc->fd, buffer, NC_CHUNK_BYTES, MSG_DONTWAIT, (struct sockaddr *)&from,
		       &from_len);
	if (len >= 0 && connect(nc->fd, (struct sockaddr *)&from, from_len) == 0)
		__atomic_store_n(&nc->has_peer, true, __ATOMIC_RELEASE);
	return len;
}

/* To the peer's end; the exit code. */
static int carry_in(struct nc *nc, char *buffer)
{
	for (;;) {
		struct iovec piece = {buffer, 0};
		int waited = wait_for(nc, nc->fd, POLLIN), error;
		ssize_t len;

		if (waited == IDLE && !nc->is_udp)
			return cli_fail(&nc->cli, CLI_EXIT_TIMEOUT, "idle for too long");
		if (waited != WAITED)
			return waited == IDLE ? CLI_EXIT_OK : CLI_EXIT_FAILED;
		len = receive(nc, buffer);
		if (len < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (len < 0)
			return fail_socket(nc, nc->name ? nc->name : "the peer", errno);
		if (len == 0 && !nc->is_udp)
			return CLI_EXIT_OK;
		piece.iov_len = (size_t)len;
		error = nc_write_all(&piece, 1);
		if (error)
			return nc_fail_errno(nc, CLI_EXIT_WRITE, "standard output", error);
	}
}

/* Both directions to their ends. The socket is closed afterwards. */
static int carry(struct nc *nc)
{
	char *buffer = malloc(NC_CHUNK_BYTES);
	pthread_t sender;
	int code;

	nc->send_code = 0;
	nc_clear_stop(nc);
	if (!buffer || pthread_create(&sender, NULL, carry_out, nc) != 0) {
		free(buffer);
		return cli_fail(&nc->cli, CLI_EXIT_FAILED, "can't start a thread");
	}
	code = carry_in(nc, buffer);
	/* After the peer's FIN the other direction goes on; after a failure nothing does. */
	if (code != CLI_EXIT_OK || nc->is_udp || nc->stays) {
		nc_stop_input(nc);
		shutdown(nc->fd, SHUT_RDWR);
	}
	pthread_join(sender, NULL);
	close(nc->fd);
	nc->fd = -1;
	free(buffer);
	return code ? code : nc->send_code;
}

/* ---- finding the peer ---- */

static void tell(const struct nc *nc, const char *what, const struct sockaddr *address,
		 socklen_t len)
{
	char text[TEE_ENDPOINT_TEXT_SIZE];
	struct tee_endpoint endpoint;

	if (nc->is_verbose && posix_read_sockaddr(address, len, &endpoint) == 0)
		cli_fail(&nc->cli, 0, "%s %s", what, tee_endpoint_format(&endpoint, text));
}

/* A socket on a port of all our addresses, listening if it is to; -1, the message printed. */
static int open_bound(struct nc *nc, int *ret_code)
{
	const struct sockaddr_in6 local = {.sin6_family = AF_INET6, .sin6_port = htons(nc->port)};
	int fd = socket(AF_INET6, (nc->is_udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC, 0);
	int on = 1, off = 0;

	if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
	    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) == 0 &&
	    bind(fd, (const struct sockaddr *)&local, sizeof(local)) == 0 &&
	    (nc->is_udp || listen(fd, NC_BACKLOG) == 0))
		return fd;
	*ret_code = cli_fail(&nc->cli, cli_exit_of_errno(errno), "can't use port %u: %s", nc->port,
			     strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

static bool is_passing(int error_number)
{
	return error_number == EAGAIN || error_number == EINTR || error_number == ECONNABORTED;
}

static int run_listening(struct nc *nc)
{
	struct sockaddr_storage from;
	int code = 0, listener = open_bound(nc, &code);

	while (listener >= 0 && !code) {
		socklen_t len = sizeof(from);
		int waited = wait_for(nc, listener, POLLIN);

		if (waited == ENDING)
			code = CLI_EXIT_FAILED;
		/* -w is about connections. */
		if (waited != WAITED)
			continue;
		nc->fd = accept4(listener, (struct sockaddr *)&from, &len, SOCK_CLOEXEC);
		if (nc->fd < 0 && is_passing(errno))
			continue;
		if (nc->fd < 0) {
			code = fail_socket(nc, "can't accept", errno);
			continue;
		}
		tell(nc, "connection from", (struct sockaddr *)&from, len);
		if (!nc->stays) {
			close(listener);
			return carry(nc);
		}
		code = carry(nc);
		/* One client's bad end is no reason to turn the next one away. */
		if (code != CLI_EXIT_WRITE && !cli_signal())
			code = 0;
	}
	if (listener >= 0)
		close(listener);
	return code;
}

/* From the port of -p, if there is one. 0 or an errno. */
static int bind_source(const struct nc *nc, int fd, int family)
{
	const struct sockaddr_in any4 = {.sin_family = AF_INET, .sin_port = htons(nc->local_port)};
	const struct sockaddr_in6 any6 = {.sin6_family = AF_INET6,
					  .sin6_port = htons(nc->local_port)};
	int on = 1, result;

	if (!nc->local_port)
		return 0;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	result = family == AF_INET ? bind(fd, (const struct sockaddr *)&any4, sizeof(any4))
				   : bind(fd, (const struct sockaddr *)&any6, sizeof(any6));
	return result < 0 ? errno : 0;
}

/* nc->fd is connected, or it is an errno. */
static int connect_to(struct nc *nc, const struct addrinfo *to)
{
	int fd = socket(to->ai_family, to->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), error;
	socklen_t len = sizeof(error);

	if (fd < 0)
		return errno;
	error = bind_source(nc, fd, to->ai_family);
	if (!error && connect(fd, to->ai_addr, to->ai_addrlen) < 0)
		error = errno;
	if (error == EINPROGRESS) {
		int waited = wait_for(nc, fd, POLLOUT);

		error = waited == IDLE ? ETIMEDOUT : ECANCELED;
		if (waited == WAITED && getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
			error = errno;
	}
	if (error) {
		close(fd);
		return error;
	}
	/* Each direction waits in a thread of its own. */
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
	nc->fd = fd;
	return 0;
}

static int run_connecting(struct nc *nc)
{
	const struct addrinfo hints = {.ai_socktype = nc->is_udp ? SOCK_DGRAM : SOCK_STREAM,
				       .ai_flags = AI_NUMERICSERV};
	struct addrinfo *list;
	char port[8];
	int error;

	snprintf(port, sizeof(port), "%u", nc->port);
	error = getaddrinfo(nc->name, port, &hints, &list);
	if (error)
		return cli_fail(&nc->cli, CLI_EXIT_NAME, "%s: %s", nc->name, gai_strerror(error));
	error = EHOSTUNREACH;
	for (const struct addrinfo *each = list; each; each = each->ai_next) {
		error = connect_to(nc, each);
		if (!error)
			tell(nc, "connected to", each->ai_addr, each->ai_addrlen);
		if (!error || error == ECANCELED)
			break;
	}
	freeaddrinfo(list);
	if (error == ECANCELED)
		return CLI_EXIT_FAILED; /* the caller knows the signal */
	if (error)
		return cli_fail(&nc->cli, cli_exit_of_errno(error),
				"can't connect to %s port %u: %s", nc->name, nc->port,
				strerror(error));
	nc->has_peer = true;
	return nc->only_connects ? CLI_EXIT_OK : carry(nc);
}

int nc_run_attached(void *arg)
{
	struct nc *nc = arg;
	int code = 0;

	if (!nc->is_listening)
		return run_connecting(nc);
	if (!nc->is_udp)
		return run_listening(nc);
	nc->fd = open_bound(nc, &code);
	return nc->fd < 0 ? code : carry(nc);
}
