// SPDX-License-Identifier: MIT
/*
 * setsockopt and getsockopt of our sockets: what the stack has, by Linux' numbers (posix/options.c).
 * Options of the descriptor rather than of the connection (timeouts, credentials) never come here: the
 * filter leaves them to the kernel, whose socket obeys them.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "run/private.h"

enum { VALUE_MAX = 1024 };

/* The pair's ends have the buffers of a datagram socket; the kernel doubles and tells as for UDP. */
static bool is_pair_option(const struct run_sock *sock, int level, int name)
{
	return sock->state == RUN_DATAGRAM && level == SOL_SOCKET &&
	       (name == SO_SNDBUF || name == SO_RCVBUF || name == SO_SNDBUFFORCE ||
		name == SO_RCVBUFFORCE || name == SO_KEEPALIVE || name == SO_OOBINLINE ||
		name == SO_RCVLOWAT);
}

/* Who asks for errors, or stamps, polls for them, which needs a descriptor that can tell (refusal.c, errqueue.c). */
static bool fills_errqueue(int level, int name)
{
	return (level == SOL_SOCKET && name == SO_TIMESTAMPING) ||
	       (level == IPPROTO_IP && name == IP_RECVERR) ||
	       (level == IPPROTO_IPV6 && name == IPV6_RECVERR);
}

int64_t run_call_setsockopt(struct run_call *call)
{
	const uint64_t *args = (const uint64_t *)call->request->data.args;
	int dup, level = (int)args[1], name = (int)args[2];
	struct run_sock *sock = run_find(call, (int)args[0], &dup);
	uint32_t len = (uint32_t)args[4];
	uint8_t value[VALUE_MAX];
	int control, result;

	if (!sock)
		return RUN_CONTINUE;
	if (sock->state == RUN_DATAGRAM && fills_errqueue(level, name))
		run_refusal_prepare(call, sock, &dup);
	close(dup);
	if ((int32_t)len < 0)
		return -EINVAL;
	if (len > sizeof(value))
		len = sizeof(value);
	if (run_read(call, args[3], value, len) < 0)
		return -EFAULT;
	/* Its notes of completion would have to come through the kernel's socket, which makes none. */
	if (level == SOL_SOCKET && name == LINUX_SO_ZEROCOPY)
		return -EOPNOTSUPP;
	/* A stream's bytes go past us, and nobody knows which call wrote which. */
	if (level == SOL_SOCKET && name == SO_TIMESTAMPING && sock->state != RUN_DATAGRAM)
		return -ENOPROTOOPT;
	if (is_pair_option(sock, level, name)) {
		/* What waits for the program lies in the buffer of our end. */
		if (name == SO_RCVBUF && len >= sizeof(int))
			setsockopt(sock->our_fd, SOL_SOCKET, SO_SNDBUF, value, sizeof(int));
		return RUN_CONTINUE;
	}
	control = run_control_set(sock, level, name, value, len);
	if (control <= 0)
		return control;
	if (sock->posix_fd < 0)
		return 0; /* the connection has ended: there is nothing that it could change */
	result = posix_setsockopt(call->run->world, sock->posix_fd, level, name, value, len);
	if (result == 0)
		run_remember_option(sock, level, name, value, len);
	/* Switched off, it has emptied the queue. */
	if (result == 0 && level == SOL_SOCKET && name == SO_TIMESTAMPING)
		memcpy(&sock->stamps, value, sizeof(sock->stamps));
	if (sock->state == RUN_DATAGRAM && fills_errqueue(level, name))
		run_errqueue_show(sock);
	return result;
}

/*
 * SO_ERROR. The kernel's socket has an error of its own (ECONNRESET) from the moment that a
 * connection failed, and whoever read first has taken it; ours says what it was.
 */
static int take_error(struct run_sock *sock, int dup)
{
	int native = 0, error = sock->error;
	socklen_t len = sizeof(native);

	if (sock->state == RUN_CONNECTED || sock->state == RUN_CONNECTING)
		return 0; /* the bridge, or the attempt, takes the stack's error itself */
	if (sock->state == RUN_DATAGRAM)
		return run_datagram_take_error(sock);
	if (getsockopt(dup, SOL_SOCKET, SO_ERROR, &native, &len) < 0)
		native = 0;
	sock->error = 0;
	return native || sock->state == RUN_FAILED ? error : 0;
}

/* Of a connection that is over. */
static int get_ended(const struct run_sock *sock, int level, int name, uint8_t *value,
		     uint32_t *len)
{
	struct linux_tcp_info info = {.state = LINUX_TCP_CLOSE};
	int number = 0;
	const void *from = &number;
	uint32_t size = sizeof(number);

	if (level == LINUX_SOL_SOCKET && name == LINUX_SO_TYPE)
		number = sock->type;
	else if (level == LINUX_SOL_SOCKET && name == LINUX_SO_DOMAIN)
		number = sock->domain;
	else if (level == LINUX_SOL_SOCKET && name == LINUX_SO_PROTOCOL)
		number = sock->protocol;
	if (level == LINUX_SOL_TCP && name == LINUX_TCP_INFO) {
		from = &info;
		size = sizeof(info);
	}
	if (*len > size)
		*len = size;
	memcpy(value, from, *len);
	return 0;
}

/* Where Linux has another word for the same. */
static void as_linux_says(const struct run_sock *sock, int level, int name, uint8_t *value,
			  uint32_t len)
{
	struct tee_endpoint local;

	if (level == IPPROTO_TCP && name == TCP_CONGESTION && len > sizeof("newreno") &&
	    strcmp((char *)value, "newreno") == 0)
		memcpy(value, "reno\0\0\0", sizeof("newreno"));
	/* A socket that is bound to an address of IPv6 is for IPv6 only. */
	if (level == IPPROTO_IPV6 && name == IPV6_V6ONLY && len > 0 &&
	    tee_local_name(run_socket_of(sock), &local) >= 0 && !tee_ip_is_any(&local.ip) &&
	    !tee_ip_is4(&local.ip))
		value[0] = 1;
}

int64_t run_call_getsockopt(struct run_call *call)
{
	const uint64_t *args = (const uint64_t *)call->request->data.args;
	int dup, level = (int)args[1], name = (int)args[2], number, result;
	struct run_sock *sock = run_find(call, (int)args[0], &dup);
	uint8_t value[VALUE_MAX] = {0};
	uint32_t len;

	if (!sock)
		return RUN_CONTINUE;
	if (is_pair_option(sock, level, name) || run_read(call, args[4], &len, sizeof(len)) < 0) {
		close(dup);
		return is_pair_option(sock, level, name) ? RUN_CONTINUE : -EFAULT;
	}
	if ((int32_t)len > (int32_t)sizeof(value))
		len = sizeof(value);
	if ((int32_t)len < 0) {
		result = -EINVAL;
	} else if (level == SOL_SOCKET && name == SO_ERROR) {
		number = take_error(sock, dup);
		if (len > sizeof(number))
			len = sizeof(number);
		memcpy(value, &number, len);
		result = 0;
	} else if ((number = run_control_get(sock, level, name)) >= 0) {
		if (len > sizeof(number))
			len = sizeof(number);
		memcpy(value, &number, len);
		result = 0;
	} else if (sock->posix_fd < 0) {
		result = get_ended(sock, level, name, value, &len);
	} else {
		result = posix_getsockopt(call->run->world, sock->posix_fd, level, name, value,
					  &len);
		as_linux_says(sock, level, name, value, len);
	}
	close(dup);
	if (result < 0)
		return result;
	if (run_write(call, args[3], value, len) < 0 ||
	    run_write(call, args[4], &len, sizeof(len)) < 0)
		return -EFAULT;
	return 0;
}
