/* SPDX-License-Identifier: MIT */
/*
 * What to send now. tcp_output() pulls one frame at a time; each call decides afresh, in this order:
 *
 *	SYN or SYN-ACK		open.c
 *	ACKs of a burst		ack_note.c
 *	what was lost		RFC 5681, 6675: before anything new
 *	tail loss probe		RFC 8985 section 7
 *	window probe		RFC 9293 3.8.6.1 (MUST-36), also the silly-window override
 *	path MTU probe		RFC 4821: new data too, in one larger segment
 *	new data, FIN		window, cwnd, pacing, Nagle (SHLD-7), silly-window avoidance (MUST-38)
 *	keep-alive		RFC 9293 3.8.4
 *	a bare ACK		if one is due and nothing above carried it
 *
 * A frame may be a super-segment of many MSS: one header, one record in the send map.
 */
#include "tcp/conn.h"

enum { SUPERS_PER_WINDOW = 4 };

/* ---- how much may go ---- */

static uint64_t window_end(const struct tcp_conn *conn)
{
	return conn->snd.una + conn->snd.wnd;
}

/* Bytes that the congestion window still admits. */
static uint64_t cwnd_room(const struct tcp_conn *conn)
{
	uint64_t pipe = recovery_pipe(conn), cwnd = conn->tx->cc.cwnd_bytes;

	return cwnd > pipe ? cwnd - pipe : 0;
}

/* Largest payload of one frame: a super-segment where the netif takes one. */
static uint32_t frame_payload_max(const struct tcp_conn *conn, uint32_t mss)
{
	unsigned need = conn_is4(conn) ? TEE_OFFLOAD_TSO4 : TEE_OFFLOAD_TSO6;
	uint32_t most, configured = conn_config(conn)->tcp_tso_bytes_max;

	if (!(netif_offloads(conn->path.netif) & need) || conn_has(conn, CONN_SOURCE_ROUTED))
		return mss;
	most = net_path_gso_bytes_max(&conn->path, &conn->node.key.remote_ip);
	/* Larger ones than usual only while there are several to a window: each is acknowledged once. */
	if (most > IP_LEN_MAX && conn->tx)
		most = MIN(most, MAX(conn->tx->cc.cwnd_bytes / SUPERS_PER_WINDOW, IP_LEN_MAX));
	most = most > 120 ? most - 120 : mss; /* IP and TCP headers at their largest */
	if (configured)
		most = MIN(most, configured);
	if (conn->tx && conn->tx->pacer.rate)
		most = MIN(most, pacer_burst_bytes(&conn->tx->pacer, mss, most));
	return most > mss ? most / mss * mss : mss;
}

/* Pacing: true when nothing may leave yet; the timer will say when. */
static bool is_paced_out(struct tcp_conn *conn)
{
	struct pacer *pacer = &conn->tx->pacer;

	if (!pacer->rate || pacer_next_ns(pacer) <= conn_now(conn))
		return false;
	timers_set(conn, CONN_PACE, pacer_next_ns(pacer));
	return true;
}

/* ---- one segment ---- */

/* References payload [off, off + len) from the frame; returns how much fitted, whole segments if many. */
static uint32_t put_payload(struct tcp_conn *conn, struct tee_frame *frame, uint64_t off,
			    uint32_t len, uint32_t mss)
{
	size_t got;

	frame_init(frame);
	if (!len)
		return 0;
	got = byteq_frame_slices(&conn->sndq, off, len, frame);
	if (got < len && got > mss && got % mss) {
		tee_frame_release(frame);
		frame_init(frame);
		got = byteq_frame_slices(&conn->sndq, off, got / mss * mss, frame);
	}
	return (uint32_t)got;
}

/* Payload bytes of a range of offsets: without the FIN, which has an offset but no byte. */
static uint32_t payload_in(const struct tcp_conn *conn, uint64_t start, uint64_t end)
{
	uint64_t stop = MIN(end, conn->sndq.end);

	return stop > start ? (uint32_t)(stop - start) : 0;
}

/* RFC 7661: how much of the congestion window was in use at most, in each round trip. */
static void note_window_use(struct tcp_conn *conn)
{
	struct tcp_tx *tx = conn->tx;
	uint64_t out = conn->snd.nxt - conn->snd.una;

	if (conn->snd.una < tx->cwnd_round_end && out <= tx->cwnd_used_max_bytes)
		return;
	tx->cwnd_used_max_bytes = out;
	tx->cwnd_round_end = conn->snd.nxt;
	tx->cwnd_limited = false;
}

static void note_cwnd_limited(struct tcp_conn *conn)
{
	conn->tx->cwnd_limited = true;
	conn->tx->cwnd_used_max_bytes = conn->snd.nxt - conn->snd.una;
	conn->tx->cwnd_round_end = conn->snd.nxt;
}

void output_note_sent(struct tcp_conn *conn, struct send_record *record, uint64_t bytes,
		      bool is_retransmit)
{
	struct tcp_tx *tx = conn->tx;
	uint64_t now = conn_now(conn);
	struct cc_round round;

	rate_on_sent(&tx->rate, record, recovery_pipe(conn), now);
	if (tx->recovery == TEE_RECOVERY_RECOVERY || tx->recovery == TEE_RECOVERY_CWR)
		prr_on_sent(&tx->prr, bytes);
	if (tx->cc.ops->on_sent) {
		recovery_round(conn, &round);
		cc_on_sent(&tx->cc, bytes, &round);
	}
	pacer_on_sent(&tx->pacer, bytes, now);
	note_window_use(conn);
	tx->last_sent_at_ns = now;
	conn->last_data_sent_ms = coarse_ms(now);
	timers_on_data_sent(conn, is_retransmit);
}

/* Sends (the head of) a record again. */
static int send_record_again(struct tcp_conn *conn, struct send_record *record, uint64_t len,
			     enum tee_why why, struct tee_frame *frame)
{
	uint32_t mss = segment_mss(conn);
	uint64_t start = record->start, end = MIN(record->end, start + len);
	struct out_segment out = {.seq = start, .why = why, .mss = mss};
	struct send_record *sent;
	uint32_t bytes = payload_in(conn, start, end);

	out.len = put_payload(conn, frame, start, bytes, mss);
	if (out.len < bytes)
		end = start + out.len;
	else if ((record->flags & SENT_FIN) && end == record->end)
		out.flags |= TEE_TCP_FIN;
	sent = sendmap_resent(&conn->tx->map, record, end - start, conn_now(conn));
	if (!sent) { /* no memory to split: try again soon */
		tee_frame_release(frame);
		timers_set(conn, CONN_PACE, conn_now(conn) + 10 * TEE_NS_PER_MS);
		return 0;
	}
	if (end == conn->sndq.end)
		out.flags |= TEE_TCP_PSH;
	recovery_on_retransmit(conn, sent);
	output_note_sent(conn, sent, end - start, true);
	segment_out(conn, &out, frame);
	return 1;
}

/* ---- lost first ---- */

static int output_lost(struct tcp_conn *conn, struct tee_frame *frame)
{
	struct tcp_tx *tx = conn->tx;
	struct send_record *record;
	uint32_t mss;
	uint64_t room, len;

	if (!tx || !tx->map.lost_bytes || tx->frto_new_data)
		return 0;
	record = sendmap_next_lost(&tx->map);
	if (!record)
		return 0;
	/* MAY-7, SHLD-16: beyond a window that has shrunk only the first octets are tried. */
	if (record->start != conn->snd.una && record->end > window_end(conn))
		return 0;
	mss = segment_mss(conn);
	room = cwnd_room(conn);
	/* The first retransmission of a recovery goes out at once (RFC 5681 3.2 step 3). */
	if (room < mss && (recovery_pipe(conn) == 0 ||
			   (tx->recovery == TEE_RECOVERY_RECOVERY && tx->prr.out_bytes == 0)))
		room = mss;
	len = record->end - record->start;
	if (room < MIN(len, mss))
		return 0;
	if (is_paced_out(conn))
		return 0;
	len = MIN(len, frame_payload_max(conn, mss));
	if (len > room)
		len = room / mss * mss;
	return send_record_again(
		conn, record, MAX(len, 1),
		tx->recovery == TEE_RECOVERY_LOSS ? TEE_WHY_RTO : TEE_WHY_FAST_RETRANSMIT, frame);
}

/* ---- new data ---- */

/* Sends [snd.nxt, + len) in segments of `mss`, and the FIN if it follows directly and is wanted. */
static int send_new_by(struct tcp_conn *conn, uint32_t want, uint32_t mss, enum tee_why why,
		       struct tee_frame *frame)
{
	struct tcp_tx *tx = conn->tx;
	struct out_segment out = {.seq = conn->snd.nxt, .why = why, .mss = mss};
	struct send_record *record;
	uint64_t end;
	unsigned flags = 0;
	bool was_in_syn;

	out.len = put_payload(conn, frame, conn->snd.nxt, want, mss);
	out.is_new_data = out.len != 0;
	end = conn->snd.nxt + out.len;
	if (end == conn_written(conn)) {
		if (out.len)
			out.flags |= TEE_TCP_PSH; /* MUST-60, MUST-61; one for all (SHLD-27) */
		if (conn_has(conn, CONN_FIN_QUEUED) && !conn_has(conn, CONN_FIN_SENT)) {
			out.flags |= TEE_TCP_FIN;
			flags |= SENT_FIN;
			end++;
		}
	}
	if (end == conn->snd.nxt) {
		tee_frame_release(frame);
		return 0;
	}
	record = sendmap_sent(&tx->map, end, mss, flags, conn_now(conn));
	if (!record) {
		tee_frame_release(frame);
		timers_set(conn, CONN_PACE, conn_now(conn) + 10 * TEE_NS_PER_MS);
		return 0;
	}
	if (record->start < tx->probe_end) /* MUST-18 */
		record->flags |= SENT_EVER_RETRANS;
	if (flags & SENT_FIN) {
		conn->flags |= CONN_FIN_SENT;
		if (!out.len)
			out.why = TEE_WHY_FIN;
	}
	conn->snd.nxt = end;
	/* What went in the SYN before was cut by the SYN's room: no small write for Nagle to hold others. */
	was_in_syn = record->start == 1 && conn_has(conn, CONN_SYN_DATA);
	if (out.len % mss && !was_in_syn)
		conn->tx->small_end = end;
	/* RFC 9293 3.8.6.3: what answers within the delay makes the flow an interactive one; a request that
	   goes with the handshake's ACK does, too. */
	if (out.len && ((conn->ack_why == TEE_WHY_ACK_HANDSHAKE && !was_in_syn) ||
			coarse_ms(conn_now(conn)) - conn->rcv.last_data_ms < conn->rcv.ato_ms))
		conn->flags |= CONN_PINGPONG;
	output_note_sent(conn, record, end - record->start, false);
	segment_out(conn, &out, frame);
	/* NOTSENT_LOWAT: what was unsent is less now, which no ACK would tell for a round trip. */
	if (conn_has(conn, CONN_WRITE_WAITED))
		conn_tell_writable(conn);
	return 1;
}

static int send_new(struct tcp_conn *conn, uint32_t want, enum tee_why why, struct tee_frame *frame)
{
	return send_new_by(conn, want, segment_mss(conn), why, frame);
}

/* SHLD-7, as Minshall's rule has it: a small segment waits only for another small one. */
static bool nagle_permits(const struct tcp_conn *conn)
{
	const struct tcp_settings *s = &conn->settings->s;

	/* Nothing follows a FIN, and what is urgent can't wait: so Linux has it, and BSD. */
	if (conn_has(conn, CONN_FIN_QUEUED | CONN_URGENT_OUT))
		return true;
	if ((s->flags & TCP_SET_CORK) || conn_has(conn, CONN_MORE_COMES))
		return false;
	if (s->flags & TCP_SET_NODELAY) /* MUST-17 */
		return true;
	return conn->tx->small_end <= conn->snd.una;
}

/*
 * How many of the unsent bytes to send now, 0: none; as many as go (SHLD-28). The window's and cwnd's limits cut to whole
 * segments; a remainder goes when it empties the queue and Nagle permits, or when the peer's window
 * never admits more (MUST-38: half the largest window ever seen).
 */
static uint32_t new_data_len(struct tcp_conn *conn, uint64_t unsent)
{
	uint32_t mss = segment_mss(conn);
	uint64_t wnd_room = window_end(conn) > conn->snd.nxt ? window_end(conn) - conn->snd.nxt : 0;
	uint64_t room = cwnd_room(conn), len = unsent;
	bool is_tail, ends_record;

	len = MIN(len, byteq_next_eor(&conn->sndq, conn->snd.nxt, len) - conn->snd.nxt);
	is_tail = true;
	ends_record = len < unsent; /* TEE_MSG_EOR: it can't grow any more, so Nagle has no case */
	if (recovery_pipe(conn) == 0)
		room = MAX(room, mss);
	if (room < MIN(len, mss)) {
		note_cwnd_limited(conn);
		return 0;
	}
	if (len > wnd_room) { /* SHLD-15 too: a window that has shrunk */
		conn->flags |= CONN_WAS_WINDOW_LIMITED;
		if (wnd_room < mss) {
			bool is_worthwhile = wnd_room && wnd_room >= conn->snd.wnd_max / 2;

			if (!is_worthwhile || wnd_room > room) {
				timers_on_blocked(conn);
				return 0;
			}
			return (uint32_t)wnd_room;
		}
		len = wnd_room / mss * mss;
		is_tail = false;
	}
	if (len > room) {
		note_cwnd_limited(conn);
		len = MAX(room / mss * mss, MIN(len, mss));
		is_tail = false;
	}
	if (len > frame_payload_max(conn, mss)) {
		len = frame_payload_max(conn, mss);
		is_tail = false;
	}
	if (is_tail && len % mss && !ends_record && !nagle_permits(conn)) {
		len -= len % mss;
		if (!len)
			timers_on_blocked(conn);
	}
	return (uint32_t)len;
}

static bool may_send_data(const struct tcp_conn *conn)
{
	switch (conn->state) {
	case TEE_TCP_ESTABLISHED:
	case TEE_TCP_CLOSE_WAIT:
	case TEE_TCP_FIN_WAIT_1:
	case TEE_TCP_CLOSING:
	case TEE_TCP_LAST_ACK: return true;
	case TEE_TCP_SYN_RECEIVED:
		/* RFC 9293 3.10.4: CLOSE here, with nothing ever sent, forms a FIN at once. */
		return !conn_has(conn, CONN_SYN_DUE) &&
		       (conn_has(conn, CONN_CHILD_FASTOPEN) || conn_written(conn) <= 1);
	default: return false;
	}
}

/* RFC 5681 4.1: after an idle time the window's old size says nothing any more. */
static void restart_after_idle(struct tcp_conn *conn)
{
	struct tcp_tx *tx = conn->tx;
	uint64_t now = conn_now(conn), idle;
	struct cc_round round;

	if (!sendmap_is_empty(&tx->map) || !tx->last_sent_at_ns)
		return;
	idle = now - tx->last_sent_at_ns;
	if (idle <= timers_rto_ns(conn) || !conn_config(conn)->tcp_slow_start_after_idle)
		return;
	recovery_round(conn, &round);
	cc_on_idle(&tx->cc, idle, timers_rto_ns(conn), &round);
	tx->last_sent_at_ns = now;
	trace_cc(conn, "restart after idle");
}

/*
 * RFC 4821 7.4: a probe of the path's MTU, one plain segment. true: it went, or waits for room in the window, which the
 * ACKs of what is in flight will make.
 */
static bool output_mtu_probe(struct tcp_conn *conn, uint64_t unsent, struct tee_frame *frame,
			     int *ret_sent)
{
	uint32_t size = mtu_search_size(conn, unsent);
	uint64_t start = conn->snd.nxt;

	if (!size)
		return false;
	*ret_sent = 0;
	if (cwnd_room(conn) < size) {
		note_cwnd_limited(conn);
		return true;
	}
	if (is_paced_out(conn))
		return true;
	*ret_sent = send_new_by(conn, size, size, TEE_WHY_MTU_PROBE, frame);
	if (*ret_sent)
		mtu_search_on_sent(conn, start);
	return true;
}

static int output_new(struct tcp_conn *conn, struct tee_frame *frame)
{
	int sent;
	uint64_t unsent;
	uint32_t len;
	bool wants_fin = conn_has(conn, CONN_FIN_QUEUED) && !conn_has(conn, CONN_FIN_SENT);

	if (!may_send_data(conn))
		return 0;
	unsent = conn_written(conn) > conn->snd.nxt ? conn_written(conn) - conn->snd.nxt : 0;
	if (!unsent && !wants_fin)
		return 0;
	if (bare_fin_is_fit(conn)) {
		bare_fin_send(conn, frame);
		return 1;
	}
	if (!conn->tx && !tx_get(conn)) {
		timers_set(conn, CONN_PACE, conn_now(conn) + 10 * TEE_NS_PER_MS);
		return 0;
	}
	if (!unsent) /* a bare FIN needs no window of either kind */
		return send_new(conn, 0, TEE_WHY_FIN, frame);
	restart_after_idle(conn);
	if (conn->tx->mtu && output_mtu_probe(conn, unsent, frame, &sent))
		return sent;
	len = new_data_len(conn, unsent);
	if (!len || is_paced_out(conn))
		return 0;
	return send_new(conn, len,
			conn->tx->recovery == TEE_RECOVERY_DISORDER ? TEE_WHY_LIMITED_TRANSMIT
								    : TEE_WHY_NEW_DATA,
			frame);
}

/* ---- probes ---- */

/* RFC 8985 7.3: new data if there is any and the window admits it, else the last segment again. */
static int output_tail_probe(struct tcp_conn *conn, struct tee_frame *frame)
{
	struct tcp_tx *tx = conn->tx;
	uint32_t mss = segment_mss(conn);
	uint64_t unsent = conn_written(conn) > conn->snd.nxt ? conn_written(conn) - conn->snd.nxt
							     : 0;
	struct send_record *last;
	int sent;

	conn->flags &= ~(uint32_t)CONN_TLP_DUE;
	if (!tx || sendmap_is_empty(&tx->map))
		return 0;
	tx->rack.tlp_is_retrans = false;
	if (unsent && conn->snd.nxt + MIN(unsent, mss) <= window_end(conn)) {
		sent = send_new(conn, (uint32_t)MIN(unsent, mss), TEE_WHY_TLP, frame);
	} else {
		last = sendmap_last(&tx->map);
		if (last->flags & SENT_SACKED) /* it arrived after the timer had struck */
			return 0;
		if (last->end - last->start > mss) {
			uint64_t rest = (last->end - last->start) % mss;
			struct send_record *tail =
				sendmap_split(&tx->map, last, last->end - (rest ? rest : mss));

			last = tail ? tail : last;
		}
		tx->rack.tlp_is_retrans = true;
		sent = send_record_again(conn, last, mss, TEE_WHY_TLP, frame);
	}
	if (!sent)
		return 0;
	tx->rack.tlp_end = conn->snd.nxt;
	count(conn_engine(conn), COUNT_TCP_TLP);
	timers_arm_rto(conn); /* "restart from now": the probe's own round trip comes first */
	return 1;
}

/*
 * The peer's window is closed, or too small for long: MUST-36 wants at least one octet of new data, so that
 * its ACK tells of the window. With some window open it is the silly-window override: what fits goes.
 */
static int output_window_probe(struct tcp_conn *conn, struct tee_frame *frame)
{
	uint64_t unsent, room;
	struct send_record *first;

	conn->flags &= ~(uint32_t)CONN_PROBE_DUE;
	if (!tx_get(conn))
		return 0;
	first = sendmap_first(&conn->tx->map);
	if (first && conn->snd.wnd == 0) {
		/* SACKed and yet not acknowledged: the timeout is set, and takes it for reneging. */
		if (first->flags & SENT_SACKED)
			return 0;
		/* A probe is out already: the same octet again. */
		count(conn_engine(conn), COUNT_TCP_WINDOW_PROBES);
		first->flags |= SENT_PROBE;
		return send_record_again(conn, first, 1, TEE_WHY_WINDOW_PROBE, frame);
	}
	unsent = conn_written(conn) > conn->snd.nxt ? conn_written(conn) - conn->snd.nxt : 0;
	if (!unsent)
		return 0;
	room = window_end(conn) > conn->snd.nxt ? window_end(conn) - conn->snd.nxt : 0;
	if (room == 0 && first)
		return 0; /* data in flight asks the same question */
	if (room == 0) {
		count(conn_engine(conn), COUNT_TCP_WINDOW_PROBES);
		if (!send_new(conn, 1, TEE_WHY_WINDOW_PROBE, frame))
			return 0;
		first = sendmap_first(&conn->tx->map);
		if (first)
			first->flags |= SENT_PROBE;
		return 1;
	}
	return send_new(conn, (uint32_t)MIN(MIN(room, unsent), segment_mss(conn)), TEE_WHY_NEW_DATA,
			frame);
}

/* SHLD-12: no data, one octet before SND.NXT, which the peer must answer. */
static int output_keepalive(struct tcp_conn *conn, struct tee_frame *frame)
{
	struct out_segment out = {.seq = conn->snd.nxt - 1, .why = TEE_WHY_KEEPALIVE};

	conn->flags &= ~(uint32_t)CONN_KEEPALIVE_DUE;
	count(conn_engine(conn), COUNT_TCP_KEEPALIVES);
	frame_init(frame);
	segment_out(conn, &out, frame);
	return 1;
}

static int output_ack(struct tcp_conn *conn, struct tee_frame *frame)
{
	struct out_segment out = {.seq = conn->snd.nxt, .why = conn->ack_why};

	frame_init(frame);
	segment_out(conn, &out, frame);
	return 1;
}

/* ---- the order of things ---- */

static enum tx_limit limit_now(const struct tcp_conn *conn)
{
	uint64_t edge = window_end(conn), nxt = conn->snd.nxt;
	uint64_t unsent = conn_written(conn) > nxt ? conn_written(conn) - nxt : 0;

	if (!unsent && conn->snd.una == nxt)
		return TX_IDLE;
	if (unsent && (edge > nxt ? edge - nxt : 0) < MIN(unsent, conn->snd.mss))
		return TX_RWND_LIMITED;
	if (!unsent && conn_has(conn, CONN_WRITE_WAITED))
		return TX_SNDBUF_LIMITED;
	return TX_BUSY;
}

/* What held us back, for how long (tcp_info: busy_time, rwnd_limited, sndbuf_limited). */
void output_note_limit(struct tcp_conn *conn)
{
	struct tcp_tx *tx = conn->tx;
	uint64_t now = conn_now(conn), since;
	enum tx_limit limit;

	if (!tx)
		return;
	limit = conn_is_synchronized(conn) ? limit_now(conn) : TX_IDLE;
	if (limit == tx->limit_kind)
		return;
	since = now - tx->limit_since_ns;
	if (tx->limit_kind != TX_IDLE)
		tx->busy_ns += since;
	if (tx->limit_kind == TX_RWND_LIMITED)
		tx->rwnd_limited_ns += since;
	if (tx->limit_kind == TX_SNDBUF_LIMITED)
		tx->sndbuf_limited_ns += since;
	tx->limit_kind = (uint8_t)limit;
	tx->limit_since_ns = now;
}

/* The peer's window doesn't move while it waits for what was lost, so it may be used up in the meantime. */
static bool is_held_by_hole(const struct tcp_conn *conn)
{
	return conn->tx->recovery != TEE_RECOVERY_OPEN &&
	       window_end(conn) < conn->snd.nxt + conn->snd.mss;
}

/* RFC 7661's "application limited". What is delivered while a hole holds the window says as little about the path. */
static void note_idle(struct tcp_conn *conn)
{
	struct tcp_tx *tx = conn->tx;

	if (!tx || (conn_written(conn) > conn->snd.nxt && !is_held_by_hole(conn)))
		return;
	/* Also when all that was lost is sent again, and on its way. */
	if (recovery_pipe(conn) < tx->cc.cwnd_bytes && !sendmap_next_lost(&tx->map))
		rate_set_app_limited(&tx->rate, recovery_pipe(conn));
}

bool output_may_have_more(const struct tcp_conn *conn)
{
	return conn->ack_why || (conn->rx && conn->rx->notes) ||
	       (conn->flags &
		(CONN_SYN_DUE | CONN_TLP_DUE | CONN_PROBE_DUE | CONN_KEEPALIVE_DUE)) ||
	       conn_written(conn) > conn->snd.nxt || (conn->tx && conn->tx->map.lost_bytes) ||
	       (conn_has(conn, CONN_FIN_QUEUED) && !conn_has(conn, CONN_FIN_SENT));
}

bool output_has_ended(struct tcp_conn *conn)
{
	if (!conn_config(conn)->tcp_fast_path || (conn->tx && conn->tx->frto_new_data) ||
	    output_may_have_more(conn))
		return false;
	note_idle(conn);
	output_note_limit(conn);
	return true;
}

int output_frame(struct tcp_conn *conn, struct tee_frame *frame)
{
	int sent;

	if (!conn->path.netif)
		return 0; /* the retransmission timer comes back to it */
	if (conn_has(conn, CONN_SYN_DUE))
		return open_syn_frame(conn, frame);
	if (conn->state == TEE_TCP_SYN_SENT)
		return 0;
	/* RFC 9768 3.2.2.1: only a bare ACK can say how the SYN-ACK came, so it goes before any text. */
	if (conn->ecn->handshake_ace)
		return output_ack(conn, frame);
	/* In the order in which they became due. */
	if (ack_note_frame(conn, frame))
		return 1;
	sent = output_lost(conn, frame);
	if (!sent && conn_has(conn, CONN_TLP_DUE))
		sent = output_tail_probe(conn, frame);
	if (!sent && conn_has(conn, CONN_PROBE_DUE))
		sent = output_window_probe(conn, frame);
	if (!sent)
		sent = output_new(conn, frame);
	/* RFC 5682 step 2b: no new data could go, so the timeout is taken for real. */
	if (!sent && conn->tx && conn->tx->frto_new_data && conn->snd.nxt == conn->tx->recover) {
		conn->tx->frto = conn->tx->frto_new_data = false;
		sent = output_lost(conn, frame);
	}
	if (!sent && conn_has(conn, CONN_KEEPALIVE_DUE))
		sent = output_keepalive(conn, frame);
	if (!sent && conn->ack_why)
		sent = output_ack(conn, frame);
	if (!sent) {
		note_idle(conn);
		output_note_limit(conn);
	}
	return sent;
}
