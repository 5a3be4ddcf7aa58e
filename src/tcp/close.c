/* SPDX-License-Identifier: MIT */
/*
 * Closing (RFC 9293 3.6): shutdown, close, abort, and what a FIN of ours leads to.
 *
 *	close, shutdown		the FIN is queued behind the data; ESTABLISHED -> FIN-WAIT-1,
 *				CLOSE-WAIT -> LAST-ACK
 *	close_on_fin_acked()	FIN-WAIT-1 -> FIN-WAIT-2, CLOSING -> TIME-WAIT, LAST-ACK -> gone
 *	conn_abort()		RST and gone
 *
 * A closed socket leaves its connection as an orphan that ends in order in the background, with
 * limits: a number of retransmissions, and a time in FIN-WAIT-2. Closing with unread data sends RST,
 * so that the peer learns that it was lost (SHLD-3, RFC 2525 2.17).
 */
#include "tcp/conn.h"

static void queue_fin(struct tcp_conn *conn)
{
	if (conn_has(conn, CONN_FIN_QUEUED))
		return;
	conn->flags |= CONN_FIN_QUEUED;
	conn->flags &= ~(uint32_t)CONN_MORE_COMES;
	switch (conn->state) {
	case TEE_TCP_ESTABLISHED: conn_set_state(conn, TEE_TCP_FIN_WAIT_1); break;
	case TEE_TCP_CLOSE_WAIT: conn_set_state(conn, TEE_TCP_LAST_ACK); break;
	default:
		/* SYN-RECEIVED: with data to send, "queue for processing after entering ESTABLISHED". Else the FIN goes
		   at once (output.c), yet the state's name, by which the SYN-ACK is sent again, stays until our SYN is
		   acknowledged. */
		break;
	}
	conn_mark_due(conn);
}

int tcp_conn_shutdown(struct tcp_conn *conn, enum tee_shutdown how)
{
	if (conn->state == TEE_TCP_CLOSED || conn->state == TEE_TCP_SYN_SENT ||
	    conn->state == TEE_TCP_TIME_WAIT)
		return -TEE_ENOTCONN;
	if (how & TEE_SHUT_READ) {
		conn->flags |= CONN_SHUT_READ;
		conn_raise(conn, TEE_EV_READABLE | TEE_EV_RDHUP);
	}
	if (how & TEE_SHUT_WRITE) {
		queue_fin(conn);
		conn_raise(conn, TEE_EV_WRITABLE);
	}
	return 0;
}

/* FIN-WAIT-2 of a socket that is gone: the peer has this long to close too. */
static void limit_fin_wait_2(struct tcp_conn *conn)
{
	uint64_t life = conn_config(conn)->tcp_fin_wait2_timeout_ns;
	uint32_t linger2_ms = conn->settings->s.linger2_ms;

	if (linger2_ms == TCP_MS_NEVER) {
		conn_abort(conn, 0, TEE_WHY_RST_ABORT);
		return;
	}
	if (linger2_ms)
		life = linger2_ms * TEE_NS_PER_MS;
	timers_set(conn, CONN_LIMIT, conn_now(conn) + life);
}

void close_on_fin_acked(struct tcp_conn *conn)
{
	switch (conn->state) {
	case TEE_TCP_FIN_WAIT_1:
		conn_set_state(conn, TEE_TCP_FIN_WAIT_2);
		timers_clear(conn, CONN_PERSIST);
		if (conn_has(conn, CONN_IS_ORPHAN))
			limit_fin_wait_2(conn);
		else
			conn_raise(conn, TEE_EV_WRITABLE);
		return;
	case TEE_TCP_CLOSING: conn_enter_timewait(conn); return;
	case TEE_TCP_LAST_ACK: conn_end(conn, 0); return;
	default: return;
	}
}

/*
 * Data for an application that is gone: RST, so that the peer learns (MAY-1, SHLD-3). Data for one that only
 * shut reading down and has sent its FIN is no better off.
 */
bool close_data_after_close(struct tcp_conn *conn, const struct segment *seg)
{
	struct tcp_header rst = {.flags = TEE_TCP_RST, .seq = seg->h.ack};

	if (!conn_has(conn, CONN_IS_ORPHAN | CONN_SHUT_READ) || !seg->len)
		return false;
	if (conn->state != TEE_TCP_FIN_WAIT_1 && conn->state != TEE_TCP_FIN_WAIT_2)
		return false;
	if (seg->seq + (int64_t)seg->len <= (int64_t)conn->rcv.nxt)
		return false;
	drop(conn_engine(conn), DROP_TCP_AFTER_CLOSE);
	/* As from a connection that is gone (RFC 9293 3.10.7.1): the number that the peer, which may not have our FIN
	   yet, awaits. */
	conn->segs_out++;
	reply_segment(conn->tcp, &conn->node.stub, &rst, conn->settings->s.tos,
		      conn->settings->s.ttl, TEE_WHY_RST_ABORT);
	conn_end(conn, TEE_ECONNRESET);
	return true;
}

void conn_abort(struct tcp_conn *conn, int error, enum tee_why why)
{
	switch (conn->state) {
	case TEE_TCP_SYN_RECEIVED:
	case TEE_TCP_ESTABLISHED:
	case TEE_TCP_FIN_WAIT_1:
	case TEE_TCP_FIN_WAIT_2:
	case TEE_TCP_CLOSE_WAIT: conn_send_rst(conn, why); break;
	default: /* SYN-SENT: the peer knows of nothing; CLOSING, LAST-ACK: it has all */ break;
	}
	conn_end(conn, error);
}

/* The socket lets go; what is left is freed with the next entry. */
static void detach(struct tcp_conn *conn)
{
	conn->source = NULL;
	conn->flags |= CONN_IS_ORPHAN;
	if (conn->state == TEE_TCP_CLOSED || conn->state == TEE_TCP_TIME_WAIT)
		list_push_back(&conn->tcp->dead, &conn->due);
}

void tcp_conn_close(struct tcp_conn *conn)
{
	/* What waits behind a hole nobody could have read; data that fills it gets its RST then. */
	bool has_unread = byteq_len(&conn->rcvq) != 0;
	uint32_t flags = conn->settings->s.flags;

	detach(conn);
	switch (conn->state) {
	case TEE_TCP_CLOSED:
	case TEE_TCP_TIME_WAIT: return;
	case TEE_TCP_SYN_SENT: conn_end(conn, 0); return;
	default: break;
	}
	if ((flags & TCP_SET_LINGER) && conn->settings->s.linger_ms == 0) {
		conn_abort(conn, 0, TEE_WHY_RST_ABORT);
		return;
	}
	if (has_unread && conn->state != TEE_TCP_CLOSING && conn->state != TEE_TCP_LAST_ACK) {
		count(conn_engine(conn), COUNT_TCP_ABORT_ON_DATA);
		conn_abort(conn, 0, TEE_WHY_RST_ABORT);
		return;
	}
	queue_fin(conn);
	if (conn->state == TEE_TCP_FIN_WAIT_2)
		limit_fin_wait_2(conn);
}

void tcp_conn_abort(struct tcp_conn *conn)
{
	detach(conn);
	if (conn->state != TEE_TCP_CLOSED && conn->state != TEE_TCP_TIME_WAIT)
		conn_abort(conn, 0, TEE_WHY_RST_ABORT);
}
