/* SPDX-License-Identifier: MIT */
/*
 * Opening: bind, listen, accept, connect; and half-closing, their counterpart.
 *
 * Data: a TCP socket's draft (settings, bound port) goes into tcp_connect() or tcp_listen(), which
 * copy the settings and take the port over; on success the draft is freed. The other way round,
 * sock_redraft() makes a draft of a socket again whose attempt to connect failed, whose listener
 * was shut down, or whose connection was dissolved, so that it may be tried anew, with the same settings and port.
 *
 * A connect with fast open (RFC 7413, TEE_OPT_FASTOPEN_CONNECT) to a host whose cookie is known only
 * notes the destination: the first send (or receive, lest a client that listens first waits for
 * ever) opens, so that data can travel in the SYN. Without a cookie there is nothing to wait for.
 *
 * RFC 9293 3.9.1.1: OPEN, active and passive. MUST-46: calls name addresses of both families.
 */
#include <stdlib.h>

#include "sock/sock.h"

/* ---- bind ---- */

static int bind_tcp(struct tee_socket *socket, struct tee_endpoint *local)
{
	struct sock_draft *draft;
	int result;

	if (socket->state != SOCK_DRAFT)
		return -TEE_EINVAL;
	draft = socket->u.draft;
	if (draft->bind || draft->is_deferred)
		return -TEE_EINVAL;
	result = ports_bind(socket->room->tcp, local, &draft->settings, &draft->bind);
	if (result < 0)
		return result;
	draft->local = *local;
	/* A link-local address says by which interface (RFC 4007). */
	if (local->netif && ip_is_link_local(&local->ip))
		draft->settings.netif = local->netif;
	socket->was_bound = true;
	return 0;
}

int tee_bind(struct tee_socket *socket, const struct tee_endpoint *local)
{
	struct tee_endpoint fit = *local;
	int result = sock_fit_family(socket, &fit);

	if (result < 0)
		return result;
	if (socket->state != SOCK_DATAGRAM)
		return bind_tcp(socket, &fit);
	if (udp_endpoint_local(socket->u.endpoint)->port != 0)
		return -TEE_EINVAL;
	return udp_endpoint_bind(socket->u.endpoint, &fit);
}

/* ---- passive ---- */

static int listen_draft(struct tee_socket *socket, unsigned backlog)
{
	struct sock_room *room = socket->room;
	struct sock_draft *draft = socket->u.draft;
	struct tcp_listener *listener;
	int result;

	if (draft->is_deferred)
		return -TEE_EINVAL;
	if (!draft->bind) {
		result = ports_bind(room->tcp, &draft->local, &draft->settings, &draft->bind);
		if (result < 0)
			return result;
	}
	result = tcp_listen(room->tcp, &draft->settings, draft->bind, &draft->local, backlog,
			    &socket->source, &listener);
	if (result < 0)
		return result;
	draft->bind = NULL; /* moved */
	sock_draft_free(room, draft);
	socket->state = SOCK_LISTENER;
	socket->u.listener = listener;
	return 0;
}

int tee_listen(struct tee_socket *socket, unsigned backlog)
{
	unsigned max = socket->room->engine->config.tcp_listen_backlog_max;

	if (socket->kind != TEE_SOCKET_TCP)
		return -TEE_EOPNOTSUPP;
	if (backlog > max)
		backlog = max;
	if (socket->state == SOCK_LISTENER) {
		tcp_listener_set_backlog(socket->u.listener, backlog);
		return 0;
	}
	if (socket->state != SOCK_DRAFT)
		return -TEE_EINVAL;
	return listen_draft(socket, backlog);
}

int tee_accept(struct tee_socket *listener, struct tee_socket **ret_socket,
	       struct tee_endpoint *ret_remote)
{
	struct tee_endpoint local, remote;
	struct tee_socket *socket;
	struct tcp_conn *conn;
	unsigned backlog;

	if (listener->kind != TEE_SOCKET_TCP)
		return -TEE_EOPNOTSUPP;
	if (listener->state != SOCK_LISTENER)
		return -TEE_EINVAL;
	if (tcp_listener_queue(listener->u.listener, &backlog) == 0)
		return -TEE_EAGAIN;
	/* First the memory, so that a connection taken from the queue is never lost for lack of it. */
	socket = sock_alloc(listener->room, TEE_SOCKET_TCP, (enum tee_family)listener->family);
	if (!socket)
		return -TEE_ENOMEM;
	conn = tcp_listener_accept(listener->u.listener);
	if (!conn) {
		sock_dealloc(socket);
		return -TEE_EAGAIN;
	}
	socket->state = SOCK_CONN;
	socket->is_accepted = true;
	socket->recverr = listener->recverr;
	socket->u.conn = conn;
	tcp_conn_attach(conn, &socket->source);
	tcp_conn_names(conn, &local, &remote);
	if (ret_remote)
		*ret_remote = remote;
	/* What came before it was accepted is news to its owner. */
	event_raise(socket->room->engine, &socket->source, tcp_conn_readiness(conn));
	*ret_socket = socket;
	return 0;
}

/* ---- active ---- */

/* Makes a draft of a TCP socket that has done with its connection or listener. */
static int sock_redraft(struct tee_socket *socket)
{
	struct sock_room *room = socket->room;
	struct sock_draft *draft = sock_draft_new(room, (enum tee_family)socket->family);
	struct tee_endpoint local, remote;

	if (!draft)
		return -TEE_ENOMEM;
	if (socket->state == SOCK_LISTENER) {
		draft->settings = *tcp_listener_settings(socket->u.listener);
		local = *tcp_listener_local(socket->u.listener);
		tcp_listener_close(socket->u.listener);
	} else {
		draft->settings = *tcp_conn_settings(socket->u.conn);
		tcp_conn_names(socket->u.conn, &local, &remote);
		tcp_conn_abort(socket->u.conn);
	}
	socket->state = SOCK_DRAFT;
	socket->u.draft = draft;
	/* The port was the application's choice: keep it. If it has been taken meanwhile, the
	   next call that needs one chooses another, as for a fresh socket. */
	if (socket->was_bound && ports_bind(room->tcp, &local, &draft->settings, &draft->bind) == 0)
		draft->local = local;
	return 0;
}

/*
 * The checks that need no connection, and "this host" spelled as the any address, which means the
 * loopback as it does on every Unix.
 */
static int connect_fit(const struct tee_socket *socket, struct tee_endpoint *remote)
{
	int result = sock_fit_family(socket, remote);

	if (result < 0)
		return result;
	if (tee_ip_is_any(&remote->ip)) {
		if (tee_ip_is4(&remote->ip))
			remote->ip = TEE_IP4(127, 0, 0, 1);
		else
			remote->ip.byte[15] = 1;
	}
	return 0;
}

int sock_open(struct tee_socket *socket, const struct tee_endpoint *remote)
{
	struct sock_room *room = socket->room;
	struct sock_draft *draft = socket->u.draft;
	struct tcp_conn *conn;
	int result;

	result = tcp_connect(room->tcp, &draft->settings, draft->bind, &draft->local, remote,
			     &socket->source, &conn);
	if (result < 0)
		return result;
	draft->bind = NULL; /* moved */
	sock_draft_free(room, draft);
	socket->state = SOCK_CONN;
	socket->u.conn = conn;
	return 0;
}

static int connect_draft(struct tee_socket *socket, const struct tee_endpoint *to)
{
	struct sock_draft *draft = socket->u.draft;
	struct tee_endpoint remote = *to;
	int result;

	if (draft->is_deferred)
		return -TEE_EISCONN;
	result = connect_fit(socket, &remote);
	if (result < 0)
		return result;
	if (remote.port == 0)
		return -TEE_EADDRNOTAVAIL;
	/* MUST-57: a connection has two ends, never a group. */
	if (ip_is_multicast(&remote.ip) || ip_is_limited_broadcast(&remote.ip) ||
	    net_is_group(socket->room->net, &remote.ip))
		return -TEE_ENETUNREACH;
	/* Bound to an address of one family, it can't reach the other. */
	if (!tee_ip_is_any(&draft->local.ip) &&
	    tee_ip_is4(&draft->local.ip) != tee_ip_is4(&remote.ip))
		return -TEE_ENETUNREACH;
	if (remote.netif && ip_is_link_local(&remote.ip))
		draft->settings.netif = remote.netif;
	if (tcp_fastopen_ready(socket->room->tcp, &draft->settings, &remote.ip)) {
		draft->remote = remote;
		draft->is_deferred = true;
		event_raise(socket->room->engine, &socket->source, TEE_EV_WRITABLE);
		return 0;
	}
	result = sock_open(socket, &remote);
	return result < 0 ? result : -TEE_EINPROGRESS;
}

/* connect() on a socket that has a connection: a repeated question, or, after a failure, a new try. */
static int connect_again(struct tee_socket *socket, const struct tee_endpoint *remote)
{
	int result;

	switch (tcp_conn_state(socket->u.conn)) {
	case TEE_TCP_SYN_SENT:
	case TEE_TCP_SYN_RECEIVED: return -TEE_EALREADY;
	case TEE_TCP_CLOSED:
		if (socket->is_accepted)
			return -TEE_EISCONN;
		result = tcp_conn_take_error(socket->u.conn);
		if (result > 0)
			return -result;
		result = sock_redraft(socket);
		return result < 0 ? result : connect_draft(socket, remote);
	default: return -TEE_EISCONN;
	}
}

/* TCP's "connected to nobody": what there is ends without the niceties. */
static int dissolve_tcp(struct tee_socket *socket)
{
	int result = socket->state == SOCK_DRAFT ? 0 : sock_redraft(socket);

	if (result < 0)
		return result;
	socket->is_accepted = false;
	socket->u.draft->is_deferred = false;
	return 0;
}

int tee_connect(struct tee_socket *socket, const struct tee_endpoint *remote)
{
	struct tee_endpoint fit = *remote;
	int result;

	if (socket->kind == TEE_SOCKET_TCP && fit.port == 0 && tee_ip_is_any(&fit.ip))
		return dissolve_tcp(socket);
	switch ((enum sock_state)socket->state) {
	case SOCK_DRAFT: return connect_draft(socket, remote);
	case SOCK_CONN: return connect_again(socket, remote);
	case SOCK_LISTENER: return -TEE_EISCONN;
	case SOCK_DATAGRAM: break;
	}
	if (fit.port == 0 && tee_ip_is_any(&fit.ip))
		return udp_endpoint_connect(socket->u.endpoint, &fit);
	result = connect_fit(socket, &fit);
	return result < 0 ? result : udp_endpoint_connect(socket->u.endpoint, &fit);
}

/* ---- half-closing ---- */

static int shutdown_datagram(struct tee_socket *socket, enum tee_shutdown how)
{
	struct tee_endpoint remote;

	if (tee_remote_name(socket, &remote) < 0)
		return -TEE_ENOTCONN;
	udp_endpoint_shutdown(socket->u.endpoint, how);
	return 0;
}

int tee_shutdown(struct tee_socket *socket, enum tee_shutdown how)
{
	if (how < TEE_SHUT_READ || how > TEE_SHUT_BOTH)
		return -TEE_EINVAL;
	switch ((enum sock_state)socket->state) {
	case SOCK_DRAFT: return -TEE_ENOTCONN;
	case SOCK_CONN: return tcp_conn_shutdown(socket->u.conn, how);
	case SOCK_DATAGRAM: return shutdown_datagram(socket, how);
	case SOCK_LISTENER: break;
	}
	/* A listener receives connections: shutting that side down ends it, as it does on Linux. */
	return how & TEE_SHUT_READ ? sock_redraft(socket) : 0;
}
