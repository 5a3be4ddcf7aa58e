/* SPDX-License-Identifier: MIT */
/*
 * Fifth: the ACK field (RFC 9293 3.10.7.4), as a pipeline, one line a stage:
 *
 *	acceptable?		RFC 5961 section 5
 *	SACK blocks		loss/sack, marks the send map
 *	cumulative part		the send map forgets, the send queue frees its chunks
 *	RTT			loss/rto, by Karn (MUST-18)
 *	send window		WL1 and WL2
 *	loss and window		recovery: rack, prr, cc
 *	timers, events		timers.c; writable
 *
 * What one ACK said travels as `struct ack_info` down this pipeline.
 */
#include "tcp/conn.h"

/*
 * RFC 5961 section 5 narrows RFC 9293's test: an ACK may lie behind SND.UNA by at most the largest
 * window the peer ever saw. Of what was never sent we say so and drop.
 */
static bool ack_is_acceptable(struct tcp_conn *conn, const struct segment *seg)
{
	if (seg->ack > (int64_t)conn->snd.nxt) {
		drop(conn_engine(conn), DROP_TCP_BAD_ACK);
		answer_out_of_window(conn, seg);
		return false;
	}
	if (seg->ack < (int64_t)conn->snd.una - (int64_t)MAX(conn->snd.wnd_max, 65535u)) {
		drop(conn_engine(conn), DROP_TCP_BAD_ACK);
		challenge_ack(conn);
		return false;
	}
	return true;
}

static uint32_t segment_window(const struct tcp_conn *conn, const struct segment *seg)
{
	if (segment_has(seg, TEE_TCP_SYN))
		return seg->h.window; /* RFC 7323 2.2: never scaled on a SYN */
	return (uint32_t)seg->h.window << conn->snd.wscale;
}

/*
 * SND.WND: only from a segment that is newer than the one which set it (WL1, WL2). A window may
 * shrink (MUST-34): what lies beyond it is then not sent, but what was sent stays in flight.
 */
void ack_update_window(struct tcp_conn *conn, const struct segment *seg)
{
	uint32_t wnd = segment_window(conn, seg);
	bool is_newer = (int64_t)conn->snd.wl1 < seg->seq ||
			((int64_t)conn->snd.wl1 == seg->seq && (int64_t)conn->snd.wl2 <= seg->ack);

	/* An ACK of new data speaks for now, whatever its sequence number (a peer that retransmits). */
	if (!is_newer && seg->ack <= (int64_t)conn->snd.wl2)
		return;
	conn->snd.wl1 = (uint64_t)MAX(seg->seq, 0);
	conn->snd.wl2 = (uint64_t)MAX(seg->ack, 0);
	if (wnd != conn->snd.wnd && wnd > 0 && conn->snd.wnd == 0)
		conn_mark_due(conn);
	conn->snd.wnd = wnd;
	if (wnd && conn->tx)
		conn->tx->probe_backoff = 0;
	conn->snd.wnd_max = MAX(conn->snd.wnd_max, wnd);
}

static void apply_sack(struct tcp_conn *conn, const struct segment *seg, struct ack_info *info)
{
	const struct tcp_options *options = &seg->h.options;
	struct sack_range blocks[TCP_SACK_MAX];
	uint64_t undo_low;

	if (!options->sack_count || !conn_has(conn, CONN_HAS_SACK))
		return;
	for (unsigned i = 0; i < options->sack_count; i++) {
		blocks[i].start =
			seq_widen(options->sack[i].left, conn->snd.iss, (int64_t)conn->snd.una);
		blocks[i].end =
			seq_widen(options->sack[i].right, conn->snd.iss, (int64_t)conn->snd.una);
	}
	/* RACK learns also of what was sent again before the recovery that is under way now. */
	undo_low = conn->snd.una - MIN(conn->snd.una, conn->snd.wnd_max);
	if (conn->tx->undo_possible)
		undo_low = MIN(undo_low, conn->tx->undo_una);
	sack_apply(&conn->tx->map, blocks, options->sack_count, seg->ack, undo_low, info);
}

/* The cumulative part: what was acknowledged leaves the map and the queue. */
static void advance_una(struct tcp_conn *conn, uint64_t una, struct ack_info *info)
{
	sendmap_ack(&conn->tx->map, una, info);
	conn->snd.una = una;
	byteq_drop_to(&conn->sndq, MIN(una, conn->sndq.end));
	if (conn_has(conn, CONN_URGENT_OUT) && una >= conn->tx->urgent)
		conn->flags &= ~(uint32_t)CONN_URGENT_OUT;
	conn->retries = 0;
	conn->soft_error = 0;
	/* "More follows at once" (TEE_MSG_MORE) has not come true within a round trip. */
	conn->flags &= ~(uint32_t)(CONN_R1_REPORTED | CONN_MORE_COMES);
	net_path_confirm(conn->tcp->net, &conn->path);
}

/*
 * A sample for the RTO: the oldest record acknowledged that was never resent (so the peer's delayed ACK is
 * in it), else the echoed timestamp; never an ambiguous one. For the controller: the newest.
 */
static void take_rtt(struct tcp_conn *conn, const struct segment *seg, struct ack_info *info)
{
	struct tcp_tx *tx = conn->tx;
	struct rto_limits limits;
	uint64_t now = info->now_ns, sample = 0;

	if (info->first_acked_sent_at_ns)
		sample = now - info->first_acked_sent_at_ns;
	else if (info->first_sacked_sent_at_ns)
		sample = now - info->first_sacked_sent_at_ns;
	else if (info->cum_acked_bytes && conn_has(conn, CONN_HAS_TS) && seg->h.options.has_ts &&
		 seg->h.options.ts_ecr)
		sample = tstamp_rtt_ns(&conn->ts, seg->h.options.ts_ecr, now);
	if (info->last_acked_sent_at_ns)
		info->rtt_ns = now - info->last_acked_sent_at_ns;
	else if (info->last_sacked_sent_at_ns)
		info->rtt_ns = now - info->last_sacked_sent_at_ns;
	else
		info->rtt_ns = sample;
	if (info->first_acked_sent_at_ns || info->first_sacked_sent_at_ns) {
		/* Virtual time may not have moved: a sample of 0 would read as "none". */
		sample = MAX(sample, 1);
		info->rtt_ns = MAX(info->rtt_ns, 1);
	}
	if (!sample)
		return;
	rto_limits_of(conn, &limits);
	if (info->first_acked_sent_at_ns || !info->first_sacked_sent_at_ns)
		rto_sample(&tx->rto, sample, conn->snd.una, conn->snd.nxt, now, &limits);
	else
		rto_sample_sacked(&tx->rto, sample, conn->snd.una, conn->snd.nxt, now, &limits);
	if (trace_on(conn_engine(conn))) {
		struct tee_trace trace = {
			.kind = TEE_TRACE_TCP_RTT,
			.value_ns = sample,
			.srtt_ns = tx->rto.srtt_ns,
			.rto_ns = rto_ns(&tx->rto, &limits),
		};
		tcp_conn_names(conn, &trace.local, &trace.remote);
		trace_emit(conn_engine(conn), &trace);
	}
}

/* RFC 5681 section 2: what counts as a duplicate ACK. */
static bool is_duplicate(const struct tcp_conn *conn, const struct segment *seg,
			 uint32_t wnd_before)
{
	/* RFC 9768 3.2.2.5.1: an ACK of bare ACKs that were marked has no SACK blocks, which tells it from these. */
	if (conn->ecn->mode == ECN_MODE_ACCURATE && conn_has(conn, CONN_HAS_SACK) &&
	    !seg->h.options.sack_count)
		return false;
	return conn->snd.una == (uint64_t)seg->ack && conn->snd.nxt > conn->snd.una && !seg->len &&
	       !segment_has(seg, TEE_TCP_SYN | TEE_TCP_FIN) && conn->snd.wnd == wnd_before;
}

/* What the ACK tells of congestion marks: packets, and octets. */
static uint32_t note_ecn(struct tcp_conn *conn, const struct segment *seg, uint32_t segs,
			 uint32_t bytes, uint32_t *ret_bytes)
{
	const struct tcp_options *options = &seg->h.options;
	const struct ecn_ack ack = {
		.flags = (uint16_t)(seg->h.flags | (seg->had_syn ? TEE_TCP_SYN : 0)),
		.is_pure = !seg->len && !options->sack_count,
		/* RFC 9768 A.1: not superseded, by what it acknowledges or by its clock. */
		.is_news = bytes || (conn_has(conn, CONN_HAS_TS) && options->has_ts &&
				     tstamp_before(conn->ts.recent, options->ts_val)),
		.segs = segs,
		.bytes = bytes,
		.mss = conn->snd.mss,
		.options = options,
	};

	return ecn_on_ack(conn->ecn, &ack, ret_bytes);
}

/* Nothing is in flight, and never was or all is acknowledged: only window and liveness are news. */
static bool ack_without_flight(struct tcp_conn *conn, struct segment *seg)
{
	uint32_t before = conn->snd.wnd, ce_bytes;

	ack_update_window(conn, seg);
	/* RFC 9768 3.2.2.1: the ACK that ends the handshake says in which state our SYN-ACK arrived. */
	if (conn->ecn->mode == ECN_MODE_ACCURATE)
		(void)note_ecn(conn, seg, 0, 0, &ce_bytes);
	conn->retries = 0;
	if (conn->tx) {
		conn->tx->probe_count = 0;
		if (before != conn->snd.wnd || byteq_len(&conn->sndq))
			timers_on_progress(conn, false);
	}
	return true;
}

static void ack_info_init(struct tcp_conn *conn, struct ack_info *info)
{
	*info = (struct ack_info){
		.now_ns = conn_now(conn),
		.una_before = conn->snd.una,
		.una_after = conn->snd.una,
		.nxt = conn->snd.nxt,
		.prior_highest_sacked = conn->tx->map.highest_sacked,
		.reordered_from = UINT64_MAX,
	};
}

/*
 * The window opened, and the peer had not taken the probe's octet. It counts as never sent, so that it goes out
 * at once in a full segment, and not as a small one for whose ACK the next small one would wait.
 */
static void take_back_probe(struct tcp_conn *conn)
{
	struct sendmap *map = &conn->tx->map;
	struct send_record *first = sendmap_first(map);

	if (!first || !(first->flags & SENT_PROBE))
		return;
	if (first->end != conn->snd.nxt || (first->flags & SENT_FIN)) {
		sendmap_mark_lost(map, first);
		return;
	}
	conn->tx->probe_end = first->end;
	conn->snd.nxt = first->start;
	conn->tx->small_end = MIN(conn->tx->small_end, first->start);
	sendmap_unsend(map, first);
	conn_mark_due(conn);
}

bool ack_process(struct tcp_conn *conn, struct segment *seg)
{
	struct ack_info info;
	uint32_t wnd_before = conn->snd.wnd;
	bool fin_was_acked;

	if (!ack_is_acceptable(conn, seg))
		return false;
	conn->rcv.last_ack_ms = coarse_ms(conn_now(conn));
	if (!segment_octets(seg))
		count(conn_engine(conn), COUNT_TCP_PURE_ACKS_IN);
	if (bare_fin_is_out(conn)) {
		if (bare_fin_acked(conn, seg))
			return true;
		(void)bare_fin_grow(conn);
	}
	if (!conn->tx || (conn->snd.una == conn->snd.nxt && !seg->h.options.sack_count))
		return ack_without_flight(conn, seg);
	ack_info_init(conn, &info);
	apply_sack(conn, seg, &info);
	if (seg->ack > (int64_t)conn->snd.una)
		advance_una(conn, (uint64_t)seg->ack, &info);
	take_rtt(conn, seg, &info);
	ack_update_window(conn, seg);
	info.is_dupack = is_duplicate(conn, seg, wnd_before) && !info.cum_acked_bytes;
	info.has_ece = note_ecn(conn, seg, info.delivered_segs, (uint32_t)info.delivered_bytes,
				&info.ce_bytes) != 0;
	recovery_on_ack(conn, &info, seg);
	if (conn->tx->mtu && conn->tx->mtu->end)
		mtu_search_on_ack(conn);
	conn->tx->probe_count = 0;
	fin_was_acked = conn_has(conn, CONN_FIN_SENT) && conn->snd.una == conn->snd.nxt;
	if (conn->snd.wnd && !wnd_before)
		take_back_probe(conn);
	timers_on_progress(conn, info.cum_acked_bytes != 0);
	conn_tell_writable(conn);
	output_note_limit(conn);
	if (fin_was_acked)
		close_on_fin_acked(conn);
	return true;
}
