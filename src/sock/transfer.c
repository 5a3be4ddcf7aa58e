/* SPDX-License-Identifier: MIT */
/*
 * Data through sockets: send and receive, with and without addresses, with and without a copy.
 *
 * TCP: bytes go to and come from the connection's queues; the zero-copy calls reach the chunks of
 * these queues directly. A send on a socket whose connect was deferred for fast open (RFC 7413)
 * opens the connection first, so that what tcp_conn_send() queues is there when the SYN leaves. UDP
 * and ping: one datagram a call, with what travels beside it in struct tee_dgram_info.
 *
 * Here live no queues and no timers: this file only decides, by the socket's state, who is asked.
 * RFC 9293 3.9.1.2 (SEND) and 3.9.1.3 (RECEIVE).
 */
#include <string.h>

#include "sock/sock.h"

/* Is fast open for clients switched on? Bit 0 of the configuration's number, as on Linux. */
static bool fastopen_is_allowed(const struct tee_socket *socket)
{
	return socket->room->engine->config.tcp_fastopen & 1;
}

/*
 * What a TCP call needs first: a connection. Opens a deferred one. 0, -TEE_ENOTCONN, or why it
 * could not be opened.
 */
static int transfer_conn(struct tee_socket *socket)
{
	if (socket->state == SOCK_CONN)
		return 0;
	if (socket->state == SOCK_DATAGRAM)
		return -TEE_EOPNOTSUPP;
	if (socket->state == SOCK_DRAFT && socket->u.draft->is_deferred) {
		struct tee_endpoint remote = socket->u.draft->remote;
		int result = sock_open(socket, &remote);

		if (result < 0)
			socket->u.draft->is_deferred = false;
		return result;
	}
	return -TEE_ENOTCONN;
}

/* ---- sending ---- */

static ssize_t send_tcp(struct tee_socket *socket, const void *data, size_t len, unsigned flags)
{
	bool opens = socket->state == SOCK_DRAFT;
	int result = transfer_conn(socket);

	if (result < 0)
		return result;
	/* Nothing to carry: the opening is under way, as after a connect. */
	if (opens && !len)
		return -TEE_EINPROGRESS;
	return tcp_conn_send(socket->u.conn, data, len, flags);
}

/* TCP's sendto: connect and send in one, for fast open (RFC 7413 section 4.2.1). */
static ssize_t sendto_tcp(struct tee_socket *socket, const void *data, size_t len, unsigned flags,
			  const struct tee_endpoint *to)
{
	struct tcp_settings *settings;
	uint32_t was;
	ssize_t sent;
	int result;

	if (socket->state != SOCK_DRAFT || socket->u.draft->is_deferred)
		return send_tcp(socket, data, len, flags);
	if (!fastopen_is_allowed(socket))
		return -TEE_EOPNOTSUPP;
	settings = &socket->u.draft->settings;
	was = settings->flags;
	settings->flags |= TCP_SET_FASTOPEN_CONNECT;
	result = tee_connect(socket, to);
	if (result == 0)
		result = transfer_conn(socket);
	/* Without a cookie the SYN has nothing to carry, but data may wait for the handshake. */
	if (result == -TEE_EINPROGRESS && (flags & TEE_MSG_EARLY))
		result = 0;
	if (result < 0) {
		if (socket->state == SOCK_DRAFT)
			socket->u.draft->settings.flags = was;
		return result;
	}
	if (!len)
		return -TEE_EINPROGRESS;
	sent = tcp_conn_send(socket->u.conn, data, len, flags);
	return sent == -TEE_EAGAIN ? -TEE_EINPROGRESS : sent;
}

static ssize_t send_datagram(struct tee_socket *socket, const void *data, size_t len,
			     const struct tee_dgram_info *info)
{
	struct tee_dgram_info fit = *info;
	struct tee_endpoint remote;
	ssize_t sent;
	int result;

	if (tee_ip_is_any(&fit.remote.ip) && fit.remote.port == 0) {
		if (tee_remote_name(socket, &remote) < 0)
			return -TEE_EDESTADDRREQ;
		fit.remote = remote;
	}
	result = sock_fit_family(socket, &fit.remote);
	if (result < 0)
		return result;
	/* The any address as a destination means this host. */
	if (tee_ip_is_any(&fit.remote.ip)) {
		if (tee_ip_is4(&fit.remote.ip))
			fit.remote.ip = TEE_IP4(127, 0, 0, 1);
		else
			fit.remote.ip.byte[15] = 1;
	}
	sent = udp_endpoint_send(socket->u.endpoint, data, len, &fit);
	/* What no IPv4 packet could carry is no path's fault. */
	if (sent == -TEE_EMSGSIZE && socket->recverr &&
	    (len <= UINT16_MAX || !tee_ip_is4(&fit.remote.ip)))
		sock_errors_local(socket, &fit.remote, (int)sent);
	return sent;
}

ssize_t tee_send_info(struct tee_socket *socket, const void *data, size_t len, unsigned flags,
		      const struct tee_dgram_info *info)
{
	if (socket->state == SOCK_DATAGRAM)
		return send_datagram(socket, data, len, info);
	if (!tee_ip_is_any(&info->remote.ip))
		return sendto_tcp(socket, data, len, flags, &info->remote);
	return send_tcp(socket, data, len, flags);
}

ssize_t tee_sendto(struct tee_socket *socket, const void *data, size_t len, unsigned flags,
		   const struct tee_endpoint *to)
{
	struct tee_dgram_info info;

	if (socket->state != SOCK_DATAGRAM)
		return to ? sendto_tcp(socket, data, len, flags, to)
			  : send_tcp(socket, data, len, flags);
	memset(&info, 0, sizeof(info));
	info.tos = -1;
	if (to)
		info.remote = *to;
	return send_datagram(socket, data, len, &info);
}

ssize_t tee_send(struct tee_socket *socket, const void *data, size_t len, unsigned flags)
{
	if (__builtin_expect(socket->state == SOCK_CONN, 1))
		return tcp_conn_send(socket->u.conn, data, len, flags);
	return tee_sendto(socket, data, len, flags, NULL);
}

int tee_send_reserve(struct tee_socket *socket, size_t want, void **ret_ptr, size_t *ret_len)
{
	int result = transfer_conn(socket);

	if (result < 0)
		return result;
	/* Not TEE_EAGAIN, which would have the caller wait for a writable socket that never satisfies it. */
	if (want == 0)
		return -TEE_EINVAL;
	return tcp_conn_reserve(socket->u.conn, want, ret_ptr, ret_len);
}

int tee_send_commit(struct tee_socket *socket, size_t len)
{
	int result = transfer_conn(socket);

	return result < 0 ? result : tcp_conn_commit(socket->u.conn, len);
}

int tee_send_owned(struct tee_socket *socket, const void *data, size_t len,
		   void (*release)(void *arg), void *arg)
{
	int result = transfer_conn(socket);

	return result < 0 ? result : tcp_conn_send_owned(socket->u.conn, data, len, release, arg);
}

/* ---- receiving ---- */

ssize_t tee_recv_info(struct tee_socket *socket, void *buf, size_t len, unsigned flags,
		      struct tee_dgram_info *ret_info)
{
	ssize_t got;
	int result;

	if (socket->state == SOCK_DATAGRAM)
		return udp_endpoint_recv(socket->u.endpoint, buf, len, flags, ret_info);
	result = transfer_conn(socket);
	if (result < 0)
		return result;
	got = tcp_conn_recv(socket->u.conn, buf, len, flags);
	if (got >= 0) {
		memset(ret_info, 0, sizeof(*ret_info));
		ret_info->tos = -1;
		tcp_conn_names(socket->u.conn, &ret_info->local, &ret_info->remote);
	}
	return got;
}

ssize_t tee_recvfrom(struct tee_socket *socket, void *buf, size_t len, unsigned flags,
		     struct tee_endpoint *ret_from)
{
	struct tee_dgram_info info;
	ssize_t got = tee_recv_info(socket, buf, len, flags, &info);

	if (got >= 0 && ret_from)
		*ret_from = info.remote;
	return got;
}

ssize_t tee_recv(struct tee_socket *socket, void *buf, size_t len, unsigned flags)
{
	if (__builtin_expect(socket->state == SOCK_CONN, 1))
		return tcp_conn_recv(socket->u.conn, buf, len, flags);
	return tee_recvfrom(socket, buf, len, flags, NULL);
}

int tee_recv_view(struct tee_socket *socket, struct tee_slice *slices, unsigned n)
{
	int result = transfer_conn(socket);

	return result < 0 ? result : tcp_conn_view(socket->u.conn, slices, n);
}

int tee_recv_consume(struct tee_socket *socket, size_t len)
{
	int result = transfer_conn(socket);

	return result < 0 ? result : tcp_conn_consume(socket->u.conn, len);
}
