/* SPDX-License-Identifier: MIT */
/*
 * Options of a connection that do something at once, and those that only tell. The rest is numbers in
 * struct tcp_settings (settings.c), which a connection shares with its listener until it changes one.
 */
#include "tcp/conn.h"

/* Settings of our own, to be changed. */
static struct tcp_settings *own_settings(struct tcp_conn *conn)
{
	struct settings_ref *own;

	if (conn->settings->ref_count == 1)
		return &conn->settings->s;
	own = settings_ref_new(&conn->settings->s);
	if (!own)
		return NULL;
	settings_release(conn->settings);
	conn->settings = own;
	return &own->s;
}

/* Who is switched on late asks an idle time later; a new idle time counts from when the peer was heard. */
static void keepalive_changed(struct tcp_conn *conn, enum tee_option option)
{
	uint64_t idle = conn->settings->s.keepidle_ms * TEE_NS_PER_MS;
	uint64_t from = option == TEE_OPT_KEEPALIVE ? conn_now(conn) : conn->heard_at_ns;

	/* What is in TIME-WAIT is but a husk for its socket: it has no timers. */
	if (!conn_is_synchronized(conn) || conn->state == TEE_TCP_CLOSED ||
	    conn->state == TEE_TCP_TIME_WAIT)
		return;
	if (conn->settings->s.flags & TCP_SET_KEEPALIVE)
		timers_set(conn, CONN_KEEPALIVE, MAX(from + idle, conn_now(conn) + 1));
	else
		timers_clear(conn, CONN_KEEPALIVE);
}

static void quickack_changed(struct tcp_conn *conn, bool on)
{
	if (!on) {
		conn->flags |= CONN_PINGPONG;
		return;
	}
	conn->flags &= ~(uint32_t)CONN_PINGPONG;
	if (timers_armed(conn, CONN_DELACK))
		conn_ack_now(conn, TEE_WHY_ACK_QUICK);
}

int tcp_conn_set(struct tcp_conn *conn, enum tee_option option, uint64_t value)
{
	struct tcp_settings *s = own_settings(conn);
	int result;

	if (!s)
		return -TEE_ENOMEM;
	result = tcp_settings_set(s, option, value);
	if (result < 0)
		return result;
	switch (option) {
	case TEE_OPT_NODELAY:
	case TEE_OPT_CORK:
		if (option == TEE_OPT_NODELAY || !value)
			conn_mark_due(conn); /* what waited may go */
		break;
	case TEE_OPT_KEEPALIVE:
	case TEE_OPT_KEEPIDLE_NS:
	case TEE_OPT_KEEPINTVL_NS:
	case TEE_OPT_KEEPCNT: keepalive_changed(conn, option); break;
	case TEE_OPT_QUICKACK: quickack_changed(conn, value != 0); break;
	case TEE_OPT_RCVBUF: conn->rcv.buf = s->rcvbuf; break;
	case TEE_OPT_SNDBUF:
	case TEE_OPT_NOTSENT_LOWAT: conn_tell_writable(conn); break;
	case TEE_OPT_MAXSEG:
		if (conn_is_synchronized(conn))
			conn_update_mss(conn);
		break;
	case TEE_OPT_PACING_RATE:
		if (conn->tx)
			conn->tx->pacer.max_rate = value;
		break;
	default: break;
	}
	return 0;
}

int tcp_conn_get(const struct tcp_conn *conn, enum tee_option option, uint64_t *ret_value)
{
	switch (option) {
	case TEE_OPT_RCVBUF: *ret_value = conn->rcv.buf; return 0;
	case TEE_OPT_MAXSEG:
		*ret_value = conn->snd.mss ? conn->snd.mss : conn->snd.peer_mss;
		return 0;
	case TEE_OPT_RECV_TOS: /* MAY-9 */ *ret_value = conn->rcv.tos; return 0;
	case TEE_OPT_MTU: *ret_value = conn->path.mtu; return 0;
	case TEE_OPT_INQ: *ret_value = byteq_len(&conn->rcvq); return 0;
	case TEE_OPT_OUTQ: *ret_value = byteq_len(&conn->sndq); return 0;
	case TEE_OPT_OUTQ_NOTSENT:
		*ret_value = conn_written(conn) - MIN(conn_written(conn), conn->snd.nxt);
		return 0;
	case TEE_OPT_URGENT_AHEAD: /* MUST-33 */
		*ret_value = conn_has(conn, CONN_URGENT_IN) ? conn->rx->urgent - conn->rcvq.start
							    : 0;
		return 0;
	case TEE_OPT_HALF_CLOSED:
		*ret_value = conn_has(conn, CONN_FIN_RECEIVED) && !conn_has(conn, CONN_FIN_QUEUED);
		return 0;
	case TEE_OPT_ACCEPTING: *ret_value = 0; return 0;
	case TEE_OPT_SNDBUF:
		if (conn->settings->s.sndbuf)
			break;
		*ret_value = conn_config(conn)->tcp_sndbuf_initial;
		return 0;
	default: break;
	}
	return tcp_settings_get(&conn->settings->s, option, ret_value);
}

int tcp_conn_set_cc(struct tcp_conn *conn, const struct cc_ops *ops)
{
	struct tcp_settings *s = own_settings(conn);

	if (!s)
		return -TEE_ENOMEM;
	s->cc = ops;
	if (conn->tx && conn->tx->cc.ops != ops)
		return cc_switch(&conn->tx->cc, ops, conn_config(conn), conn_now(conn));
	return 0;
}
