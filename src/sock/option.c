/* SPDX-License-Identifier: MIT */
/*
 * Options, the congestion controller's name, and the info struct.
 *
 * Where an option is kept depends on the socket's state: a draft and a listener have struct
 * tcp_settings (a listener's are the pattern for what it accepts), a connection answers for
 * itself, a datagram endpoint has struct udp_endpoint_options. Options that belong to the socket as
 * such (V6ONLY, RECVERR, whether it listens) are answered here for all of them.
 */
#include <string.h>

#include "sock/sock.h"
#include "base/check.h"
#include "tcp/cc/cc.h"

/* ---- datagrams ---- */

static int set_datagram(struct tee_socket *socket, enum tee_option option, uint64_t value)
{
	struct udp_endpoint_options *options = udp_endpoint_options(socket->u.endpoint);

	switch (option) {
	case TEE_OPT_TTL:
		if (value > 255)
			return -TEE_EINVAL;
		options->ttl = (uint8_t)value;
		return 0;
	case TEE_OPT_TOS:
		if (value > 255)
			return -TEE_EINVAL;
		options->tos = (uint8_t)value;
		return 0;
	case TEE_OPT_BROADCAST: options->broadcast = value != 0; return 0;
	case TEE_OPT_REUSEADDR: options->reuse_address = value != 0; return 0;
	case TEE_OPT_REUSEPORT: options->reuse_port = value != 0; return 0;
	case TEE_OPT_NETIF: options->netif_number = (int)value; return 0;
	case TEE_OPT_RCVBUF:
		if (value > UINT32_MAX)
			return -TEE_EINVAL;
		options->queue_bytes_max = (uint32_t)value;
		return 0;
	case TEE_OPT_MTU_DISCOVER:
		if (value > 2)
			return -TEE_EINVAL;
		options->pmtu_discover = (uint8_t)value;
		return 0;
	default: return -TEE_ENOPROTOOPT;
	}
}

static int get_datagram_mtu(const struct tee_socket *socket, uint64_t *ret_value)
{
	struct tee_endpoint remote;
	struct net_path path;
	struct tee_ip src;
	int result = tee_remote_name(socket, &remote);

	if (result < 0)
		return result;
	result = net_route(socket->room->net, &udp_endpoint_local(socket->u.endpoint)->ip,
			   &remote.ip, udp_endpoint_options(socket->u.endpoint)->netif_number,
			   &path, &src);
	if (result < 0)
		return result;
	*ret_value = path.mtu;
	return 0;
}

static int get_datagram(const struct tee_socket *socket, enum tee_option option,
			uint64_t *ret_value)
{
	const struct udp_endpoint_options *options = udp_endpoint_options(socket->u.endpoint);

	switch (option) {
	case TEE_OPT_TTL:
		*ret_value = options->ttl ? options->ttl : socket->room->engine->config.ttl;
		return 0;
	case TEE_OPT_TOS: *ret_value = options->tos; return 0;
	case TEE_OPT_BROADCAST: *ret_value = options->broadcast; return 0;
	case TEE_OPT_REUSEADDR: *ret_value = options->reuse_address; return 0;
	case TEE_OPT_REUSEPORT: *ret_value = options->reuse_port; return 0;
	case TEE_OPT_NETIF: *ret_value = (uint64_t)options->netif_number; return 0;
	case TEE_OPT_RCVBUF: *ret_value = options->queue_bytes_max; return 0;
	case TEE_OPT_MTU_DISCOVER: *ret_value = options->pmtu_discover; return 0;
	case TEE_OPT_INQ: *ret_value = udp_endpoint_next_len(socket->u.endpoint); return 0;
	case TEE_OPT_OUTQ:
	case TEE_OPT_OUTQ_NOTSENT: *ret_value = 0; return 0; /* what was sent has left */
	case TEE_OPT_MTU: return get_datagram_mtu(socket, ret_value);
	default: return -TEE_ENOPROTOOPT;
	}
}

/* ---- options of the socket itself ---- */

/* Family and "IPv6 only" are two names of one fact; it can change until there is a local end. */
static int set_v6only(struct tee_socket *socket, bool on)
{
	if (socket->family == TEE_FAMILY_IPV4)
		return -TEE_ENOPROTOOPT;
	if (socket->state == SOCK_DRAFT) {
		if (socket->u.draft->bind || socket->u.draft->is_deferred)
			return -TEE_EINVAL;
		if (on)
			socket->u.draft->settings.flags |= TCP_SET_V6ONLY;
		else
			socket->u.draft->settings.flags &= ~(uint32_t)TCP_SET_V6ONLY;
	} else if (socket->state == SOCK_DATAGRAM) {
		if (udp_endpoint_local(socket->u.endpoint)->port != 0)
			return -TEE_EINVAL;
		udp_endpoint_options(socket->u.endpoint)->v6only = on;
	} else {
		return -TEE_EINVAL;
	}
	socket->family = on ? TEE_FAMILY_IPV6 : TEE_FAMILY_ANY;
	return 0;
}

/* The checks that settings can't make, because they need the stack. */
static int option_precheck(const struct tee_socket *socket, enum tee_option option, uint64_t value)
{
	switch (option) {
	case TEE_OPT_RECV_TOS:
	case TEE_OPT_MTU:
	case TEE_OPT_ACCEPTING:
	case TEE_OPT_INQ:
	case TEE_OPT_OUTQ:
	case TEE_OPT_OUTQ_NOTSENT:
	case TEE_OPT_HALF_CLOSED:
	case TEE_OPT_URGENT_AHEAD: return -TEE_ENOPROTOOPT; /* to be read only */
	case TEE_OPT_NETIF:
		if (value > UINT16_MAX)
			return -TEE_EINVAL;
		if (value && !net_netif(socket->room->net, (int)value))
			return -TEE_ENODEV;
		return 0;
	case TEE_OPT_FASTOPEN_CONNECT:
		if (socket->kind != TEE_SOCKET_TCP)
			return -TEE_ENOPROTOOPT;
		if (value && !(socket->room->engine->config.tcp_fastopen & 1))
			return -TEE_EOPNOTSUPP;
		return socket->state == SOCK_DRAFT ? 0 : -TEE_EINVAL;
	default: return 0;
	}
}

/* Who no longer wishes to hear of errors has none waiting, either. */
static int set_recverr(struct tee_socket *socket, uint64_t value)
{
	if (value > (TEE_RECVERR_IPV4 | TEE_RECVERR_IPV6))
		return -TEE_EINVAL;
	if (!value || (socket->recverr & ~value))
		sock_errors_clear(socket);
	socket->recverr = (uint8_t)value;
	return 0;
}

int tee_set_option(struct tee_socket *socket, enum tee_option option, uint64_t value)
{
	int result;

	if ((unsigned)option >= TEE_OPT_COUNT)
		return -TEE_ENOPROTOOPT;
	if (option == TEE_OPT_V6ONLY)
		return set_v6only(socket, value != 0);
	if (option == TEE_OPT_RECVERR)
		return set_recverr(socket, value);
	result = option_precheck(socket, option, value);
	if (result < 0)
		return result;
	switch ((enum sock_state)socket->state) {
	case SOCK_DRAFT: return tcp_settings_set(&socket->u.draft->settings, option, value);
	case SOCK_LISTENER:
		return tcp_settings_set(tcp_listener_settings(socket->u.listener), option, value);
	case SOCK_CONN: return tcp_conn_set(socket->u.conn, option, value);
	case SOCK_DATAGRAM: return set_datagram(socket, option, value);
	}
	return -TEE_ENOPROTOOPT;
}

/* What a connection would know, of a TCP socket that has none. */
static int get_unconnected(const struct tee_socket *socket, const struct tcp_settings *settings,
			   enum tee_option option, uint64_t *ret_value)
{
	switch (option) {
	case TEE_OPT_INQ:
	case TEE_OPT_OUTQ:
	case TEE_OPT_OUTQ_NOTSENT:
	case TEE_OPT_URGENT_AHEAD:
	case TEE_OPT_HALF_CLOSED:
		if (socket->state == SOCK_LISTENER)
			return -TEE_EINVAL;
		*ret_value = 0;
		return 0;
	case TEE_OPT_MTU:
	case TEE_OPT_RECV_TOS: return -TEE_ENOTCONN;
	default: return tcp_settings_get(settings, option, ret_value);
	}
}

int tee_get_option(const struct tee_socket *socket, enum tee_option option, uint64_t *ret_value)
{
	if ((unsigned)option >= TEE_OPT_COUNT)
		return -TEE_ENOPROTOOPT;
	if (option == TEE_OPT_V6ONLY) {
		if (socket->family == TEE_FAMILY_IPV4)
			return -TEE_ENOPROTOOPT;
		*ret_value = socket->family == TEE_FAMILY_IPV6;
		return 0;
	}
	if (option == TEE_OPT_RECVERR) {
		*ret_value = socket->recverr;
		return 0;
	}
	if (option == TEE_OPT_ACCEPTING) {
		*ret_value = socket->state == SOCK_LISTENER;
		return 0;
	}
	switch ((enum sock_state)socket->state) {
	case SOCK_DRAFT:
		return get_unconnected(socket, &socket->u.draft->settings, option, ret_value);
	case SOCK_LISTENER:
		return get_unconnected(socket, tcp_listener_settings(socket->u.listener), option,
				       ret_value);
	case SOCK_CONN: return tcp_conn_get(socket->u.conn, option, ret_value);
	case SOCK_DATAGRAM: return get_datagram(socket, option, ret_value);
	}
	return -TEE_ENOPROTOOPT;
}

/* ---- the controller ---- */

int tee_set_congestion(struct tee_socket *socket, const char *name)
{
	const struct cc_ops *ops = cc_find(name);

	if (socket->kind != TEE_SOCKET_TCP)
		return -TEE_EOPNOTSUPP;
	if (!ops)
		return -TEE_ENOENT;
	if (socket->state == SOCK_CONN)
		return tcp_conn_set_cc(socket->u.conn, ops);
	if (socket->state == SOCK_LISTENER)
		tcp_listener_settings(socket->u.listener)->cc = ops;
	else
		socket->u.draft->settings.cc = ops;
	return 0;
}

int tee_set_source_route(struct tee_socket *socket, const struct tee_ip *hops, unsigned count,
			 bool is_strict)
{
	struct srcroute route = {
		.count = (uint8_t)count, .is_strict = is_strict, .by_application = true};

	if (socket->kind != TEE_SOCKET_TCP)
		return -TEE_EOPNOTSUPP;
	if (count > SRCROUTE_HOPS_MAX)
		return -TEE_EINVAL;
	for (unsigned i = 0; i < count; i++) {
		if (!tee_ip_is4(&hops[i]))
			return -TEE_EAFNOSUPPORT;
		memcpy(route.hops[i], hops[i].byte + 12, sizeof(route.hops[i]));
	}
	if (socket->state == SOCK_CONN)
		return tcp_conn_set_source_route(socket->u.conn, &route);
	if (socket->state == SOCK_LISTENER)
		tcp_listener_settings(socket->u.listener)->source_route = route;
	else
		socket->u.draft->settings.source_route = route;
	return 0;
}

const char *tee_get_congestion(const struct tee_socket *socket)
{
	const struct cc_ops *ops = NULL;
	struct tee_tcp_info info;

	switch ((enum sock_state)socket->state) {
	case SOCK_DRAFT: ops = socket->u.draft->settings.cc; break;
	case SOCK_LISTENER: ops = tcp_listener_settings(socket->u.listener)->cc; break;
	case SOCK_CONN:
		tcp_conn_info(socket->u.conn, &info);
		ops = cc_find(info.cc);
		break;
	case SOCK_DATAGRAM: break;
	}
	return ops ? ops->name : "";
}

/* ---- info ---- */

static void info_of_settings(const struct tcp_settings *settings, struct tee_tcp_info *ret_info)
{
	size_t len = settings->cc ? strlen(settings->cc->name) : 0;

	if (len > 0)
		memcpy(ret_info->cc, settings->cc->name, MIN(len, sizeof(ret_info->cc) - 1));
	ret_info->max_pacing_rate = settings->pacing_rate_max;
	ret_info->sndbuf_bytes = settings->sndbuf;
	ret_info->rcvbuf_bytes = settings->rcvbuf;
}

int tee_socket_info(const struct tee_socket *socket, struct tee_tcp_info *ret_info)
{
	unsigned backlog;

	if (socket->kind != TEE_SOCKET_TCP)
		return -TEE_EOPNOTSUPP;
	memset(ret_info, 0, sizeof(*ret_info));
	switch ((enum sock_state)socket->state) {
	case SOCK_DRAFT:
		ret_info->state = TEE_TCP_CLOSED;
		info_of_settings(&socket->u.draft->settings, ret_info);
		break;
	case SOCK_LISTENER:
		/* As Linux: who waits for accept(), and how many may. */
		ret_info->state = TEE_TCP_LISTEN;
		ret_info->unacked_segs = tcp_listener_queue(socket->u.listener, &backlog);
		ret_info->sacked_segs = backlog;
		info_of_settings(tcp_listener_settings(socket->u.listener), ret_info);
		break;
	case SOCK_CONN: tcp_conn_info(socket->u.conn, ret_info); break;
	case SOCK_DATAGRAM: return -TEE_EOPNOTSUPP;
	}
	return 0;
}
