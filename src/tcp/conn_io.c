/* SPDX-License-Identifier: MIT */
/*
 * SEND and RECEIVE (RFC 9293 3.9.1.2, 3.9.1.3) for the connection's socket: bytes between the
 * application and the two queues. Nothing is sent here: what is queued is marked, and pulled later.
 *
 * The zero-copy calls give room in the send queue's chunks, and slices of the packets that data came
 * in.
 */
#include "tcp/conn.h"

enum {
	CHUNK_SMALL = 2048,
	CHUNK_LARGE = 65536,
	/* What autotuning gives even the shortest path: some super-frames, but no more than the caches hold. */
	SNDBUF_SUPERS = 12,
	SNDBUF_SUPERS_BYTES = 1536 << 10,
	/* … and where the bytes stay the application's, of which no copies wait. */
	SNDBUF_SUPERS_OWNED = 32,
	SNDBUF_SUPERS_OWNED_BYTES = 3 << 20,
	PATH_BYTES_PER_US = 12500, /* no path is faster: 100 Gbit/s */
};

/* ---- sending ---- */

/*
 * More than the path can hold is not worth keeping, ready to be sent or still to be read. On a path inside a
 * machine nothing is ever lost, so the windows would grow to many times that, and the bytes would leave
 * the cache before anybody comes to them.
 */
uint64_t conn_path_bytes_max(const struct tcp_conn *conn, uint64_t least)
{
	uint64_t rtt_ns = conn->tx ? rto_min_rtt_ns(&conn->tx->rto) : 0;

	if (!rtt_ns)
		rtt_ns = conn->syn_rtt_ns;
	if (!rtt_ns)
		return UINT64_MAX;
	return MAX(MIN(rtt_ns, TEE_NS_PER_S) * PATH_BYTES_PER_US / TEE_NS_PER_US, least);
}

/* `count` of the largest frames that the path takes, as far as that is no more than `most` bytes. */
uint32_t conn_supers_bytes(const struct tcp_conn *conn, uint32_t count, uint32_t most)
{
	return MIN(count * net_path_gso_bytes_max(&conn->path, &conn->node.key.remote_ip), most);
}

/* What the send queue may hold in any case, which is nearly always all that one need know. */
static uint32_t sndbuf_least(const struct tcp_conn *conn)
{
	const struct tcp_settings *s = &conn->settings->s;

	return s->flags & TCP_SET_SNDBUF_LOCKED ? s->sndbuf : conn_config(conn)->tcp_sndbuf_initial;
}

/* Bytes the send queue may hold: as set, or grown with the congestion window. */
static uint32_t sndbuf_limit(const struct tcp_conn *conn)
{
	const struct tee_config *config = conn_config(conn);
	uint64_t want = sndbuf_least(conn);

	if (conn->settings->s.flags & TCP_SET_SNDBUF_LOCKED)
		return (uint32_t)want;
	if (conn->tx && config->tcp_autotuning) {
		/* What is in flight, and what is sent while the first of it is repaired; a controller that
		   keeps its rate in recovery sends a window more until then. */
		unsigned windows = conn->tx->cc.ops->owns_recovery ? 3 : 2;
		uint32_t supers =
			conn_has(conn, CONN_SENDS_OWNED)
				? conn_supers_bytes(conn, SNDBUF_SUPERS_OWNED,
						    SNDBUF_SUPERS_OWNED_BYTES)
				: conn_supers_bytes(conn, SNDBUF_SUPERS, SNDBUF_SUPERS_BYTES);

		want = MAX(want, MIN(windows * conn->tx->cc.cwnd_bytes + 16u * conn->snd.mss,
				     conn_path_bytes_max(conn, supers)));
		want = MAX(want, conn->tx->sndbuf_grown);
	}
	return (uint32_t)MIN(want, MAX(config->tcp_sndbuf_max, config->tcp_sndbuf_initial));
}

void sndbuf_keep(struct tcp_conn *conn)
{
	if (conn->tx)
		conn->tx->sndbuf_grown = sndbuf_limit(conn);
}

/* The socket's own mark, 0: as configured; UINT32_MAX: none. */
static uint32_t notsent_lowat(const struct tcp_conn *conn)
{
	uint32_t own = conn->settings->s.notsent_lowat;

	return own ? own : conn_config(conn)->tcp_notsent_lowat_bytes;
}

/* Bytes that may be queued; where there is room for `want`, that may be said to be all. */
static size_t send_room(const struct tcp_conn *conn, size_t want)
{
	uint64_t used = byteq_len(&conn->sndq), limit = sndbuf_least(conn);
	uint64_t unsent = conn_written(conn) - MIN(conn_written(conn), conn->snd.nxt);
	uint32_t lowat = notsent_lowat(conn);

	if (lowat != UINT32_MAX && unsent >= lowat)
		return 0;
	if (used >= limit || want > limit - used)
		limit = sndbuf_limit(conn);
	return used < limit ? (size_t)(limit - used) : 0;
}

/* Why no data may be queued, 0: it may. */
static int send_verdict(struct tcp_conn *conn, unsigned flags)
{
	int error = tcp_conn_take_error(conn);

	if (error)
		return -error;
	if (conn_has(conn, CONN_FIN_QUEUED))
		return -TEE_EPIPE;
	switch (conn->state) {
	case TEE_TCP_ESTABLISHED:
	case TEE_TCP_CLOSE_WAIT: return 0;
	case TEE_TCP_SYN_SENT:
		if (flags & TEE_MSG_EARLY)
			return 0;
		/* Fast open: until the SYN has left, data may be queued to ride in it. */
		if ((conn->settings->s.flags & TCP_SET_FASTOPEN_CONNECT) &&
		    conn_has(conn, CONN_SYN_DUE) && !conn->syn_sent_at_ns)
			return fastopen_room(conn) ? 0 : -TEE_EINPROGRESS;
		return -TEE_EAGAIN;
	case TEE_TCP_SYN_RECEIVED:
		return flags & TEE_MSG_EARLY || conn_has(conn, CONN_CHILD_FASTOPEN) ? 0
										    : -TEE_EAGAIN;
	default: return -TEE_EPIPE;
	}
}

static void queued(struct tcp_conn *conn, unsigned flags)
{
	if (flags & TEE_MSG_MORE)
		conn->flags |= CONN_MORE_COMES;
	else
		conn->flags &= ~(uint32_t)CONN_MORE_COMES;
	if (flags & TEE_MSG_EOR)
		byteq_mark_eor(&conn->sndq);
	if ((flags & TEE_MSG_OOB) && tx_get(conn)) {
		conn->tx->urgent = conn_written(conn);
		conn->flags |= CONN_URGENT_OUT;
	}
	if (send_room(conn, 1) == 0)
		conn->flags |= CONN_WRITE_WAITED;
	conn_mark_due(conn);
}

ssize_t tcp_conn_send(struct tcp_conn *conn, const void *data, size_t len, unsigned flags)
{
	int verdict = send_verdict(conn, flags);
	size_t room, taken;

	if (verdict < 0)
		return verdict;
	if (len == 0)
		return 0;
	room = send_room(conn, len);
	if (conn->state == TEE_TCP_SYN_SENT && !(flags & TEE_MSG_EARLY))
		room = MIN(room, fastopen_room(conn));
	if (!room) {
		conn->flags |= CONN_WRITE_WAITED;
		conn_mark_due(conn);
		return -TEE_EAGAIN;
	}
	/* Only the last byte of what the application gave is urgent, not of what fitted. */
	if (room < len)
		flags &= ~(unsigned)(TEE_MSG_OOB | TEE_MSG_EOR);
	taken = byteq_append_copy(&conn->sndq, conn_engine(conn)->pool, data, MIN(room, len),
				  len > CHUNK_SMALL * 4 ? CHUNK_LARGE : CHUNK_SMALL);
	if (!taken) {
		conn->flags |= CONN_WRITE_WAITED;
		return -TEE_ENOMEM;
	}
	queued(conn, flags);
	return (ssize_t)taken;
}

int tcp_conn_reserve(struct tcp_conn *conn, size_t want, void **ret_ptr, size_t *ret_len)
{
	int verdict = send_verdict(conn, 0);
	size_t room;

	if (verdict < 0)
		return verdict;
	room = send_room(conn, want);
	if (!room || !want) {
		conn->flags |= CONN_WRITE_WAITED;
		return -TEE_EAGAIN;
	}
	return byteq_reserve(&conn->sndq, conn_engine(conn)->pool, MIN(want, room), CHUNK_LARGE,
			     ret_ptr, ret_len);
}

int tcp_conn_commit(struct tcp_conn *conn, size_t len)
{
	int verdict = send_verdict(conn, 0);

	if (verdict < 0)
		return verdict;
	if (len > byteq_reserved(&conn->sndq))
		return -TEE_EINVAL;
	byteq_commit(&conn->sndq, len);
	queued(conn, 0);
	return 0;
}

int tcp_conn_send_owned(struct tcp_conn *conn, const void *data, size_t len,
			void (*release)(void *arg), void *arg)
{
	int verdict = send_verdict(conn, 0);
	struct tee_pkt *pkt;

	if (verdict < 0)
		return verdict;
	if (!len || len > UINT32_MAX)
		return -TEE_EINVAL;
	if (!send_room(conn, 1)) {
		conn->flags |= CONN_WRITE_WAITED;
		return -TEE_EAGAIN;
	}
	pkt = pkt_new_external(conn_engine(conn)->pool, data, len, release, arg);
	if (!pkt)
		return -TEE_ENOMEM;
	tee_pkt_ref(pkt); /* a failure must leave the memory with its owner, unreleased */
	if (byteq_append_pkt(&conn->sndq, conn_engine(conn)->pool, pkt, 0, (uint32_t)len) < 0) {
		pkt_external_disown(pkt);
		tee_pkt_release(pkt);
		return -TEE_ENOMEM;
	}
	tee_pkt_release(pkt);
	conn->flags |= CONN_SENDS_OWNED;
	queued(conn, 0);
	return 0;
}

/* ---- receiving ---- */

/* What an empty queue means: 0 the end of the stream, below 0 why not now. */
static int receive_verdict(struct tcp_conn *conn)
{
	int error;

	/* The peer finished before anything went wrong: all that it had to say was read. */
	if (conn_has(conn, CONN_FIN_RECEIVED))
		return 0;
	error = tcp_conn_take_error(conn);
	if (error)
		return -error;
	if (conn_has(conn, CONN_SHUT_READ))
		return 0;
	switch (conn->state) {
	case TEE_TCP_CLOSED:
	case TEE_TCP_TIME_WAIT: return 0;
	default: return -TEE_EAGAIN;
	}
}

ssize_t tcp_conn_recv(struct tcp_conn *conn, void *buf, size_t len, unsigned flags)
{
	uint64_t n = MIN(byteq_len(&conn->rcvq), len);

	if (!byteq_len(&conn->rcvq))
		return receive_verdict(conn);
	if (!n)
		return 0;
	if (flags & TEE_MSG_PEEK) {
		if (!(flags & TEE_MSG_TRUNC))
			byteq_peek(&conn->rcvq, conn->rcvq.start, buf, (size_t)n);
		return (ssize_t)n;
	}
	if (flags & TEE_MSG_TRUNC)
		byteq_drop_to(&conn->rcvq, conn->rcvq.start + n);
	else
		byteq_read(&conn->rcvq, buf, (size_t)n);
	receive_on_read(conn);
	return (ssize_t)n;
}

int tcp_conn_view(struct tcp_conn *conn, struct tee_slice *slices, unsigned n)
{
	if (!byteq_len(&conn->rcvq))
		return receive_verdict(conn);
	return (int)byteq_view(&conn->rcvq, slices, n);
}

int tcp_conn_consume(struct tcp_conn *conn, size_t len)
{
	if (len > byteq_len(&conn->rcvq))
		return -TEE_EINVAL;
	byteq_drop_to(&conn->rcvq, conn->rcvq.start + len);
	receive_on_read(conn);
	return 0;
}

/* ---- state, as the socket sees it ---- */

int tcp_conn_take_error(struct tcp_conn *conn)
{
	int error = conn->error;

	conn->error = 0;
	return error;
}

void tcp_conn_set_error(struct tcp_conn *conn, int error)
{
	conn->error = (uint8_t)error;
}

static bool is_third_free(uint64_t used, uint64_t limit)
{
	return used < limit && (limit - used) * 2 >= used;
}

/* Writable while a third of the send buffer is free (or all that is unsent is below the low-water mark). */
static bool is_writable(const struct tcp_conn *conn)
{
	uint64_t used = byteq_len(&conn->sndq);
	uint64_t unsent = conn_written(conn) - MIN(conn_written(conn), conn->snd.nxt);
	uint32_t lowat = notsent_lowat(conn);

	if (lowat != UINT32_MAX && 2 * unsent >= lowat)
		return false;
	return is_third_free(used, sndbuf_least(conn)) || is_third_free(used, sndbuf_limit(conn));
}

unsigned tcp_conn_readiness(const struct tcp_conn *conn)
{
	unsigned ready = 0;

	if (receive_is_worth_reading(conn))
		ready |= TEE_EV_READABLE;
	if (conn_has(conn, CONN_FIN_RECEIVED | CONN_SHUT_READ))
		ready |= TEE_EV_READABLE | TEE_EV_RDHUP;
	if (conn_has(conn, CONN_URGENT_IN))
		ready |= TEE_EV_URGENT;
	if (conn->error)
		ready |= TEE_EV_ERROR | TEE_EV_READABLE | TEE_EV_WRITABLE;
	switch (conn->state) {
	case TEE_TCP_CLOSED:
	case TEE_TCP_TIME_WAIT:
		return ready | TEE_EV_READABLE | TEE_EV_WRITABLE | TEE_EV_RDHUP | TEE_EV_HUP;
	case TEE_TCP_SYN_SENT: return ready;
	case TEE_TCP_SYN_RECEIVED:
		if (!conn_has(conn, CONN_CHILD_FASTOPEN))
			return ready;
		/* fallthrough */
	default:
		if (conn_has(conn, CONN_FIN_QUEUED) || is_writable(conn))
			ready |= TEE_EV_WRITABLE;
	}
	if (conn_has(conn, CONN_FIN_QUEUED) && conn_has(conn, CONN_FIN_RECEIVED | CONN_SHUT_READ))
		ready |= TEE_EV_HUP;
	return ready;
}

/* Room in the send buffer is news once a third of it is free and somebody had waited. */
void conn_tell_writable(struct tcp_conn *conn)
{
	if (!conn_has(conn, CONN_WRITE_WAITED))
		return;
	/* The room that is told of must still be there when the application comes to use it, though
	   the window, and with it the buffer's limit, be halved meanwhile. */
	sndbuf_keep(conn);
	if (!(tcp_conn_readiness(conn) & TEE_EV_WRITABLE))
		return;
	conn->flags &= ~(uint32_t)CONN_WRITE_WAITED;
	conn_raise(conn, TEE_EV_WRITABLE);
}

void tcp_conn_attach(struct tcp_conn *conn, struct event_source *source)
{
	conn->source = source;
}

const struct tcp_settings *tcp_conn_settings(const struct tcp_conn *conn)
{
	return &conn->settings->s;
}

enum tee_tcp_state tcp_conn_state(const struct tcp_conn *conn)
{
	return (enum tee_tcp_state)conn->state;
}

void tcp_conn_names(const struct tcp_conn *conn, struct tee_endpoint *ret_local,
		    struct tee_endpoint *ret_remote)
{
	*ret_local = (struct tee_endpoint){conn->node.key.local_ip, conn->node.key.local_port, 0};
	*ret_remote =
		(struct tee_endpoint){conn->node.key.remote_ip, conn->node.key.remote_port, 0};
	if (ip_is_link_local(&conn->node.key.remote_ip))
		ret_remote->netif = ret_local->netif = conn->node.netif;
}
