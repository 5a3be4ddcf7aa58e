/* SPDX-License-Identifier: MIT */
/*
 * Loss recovery: when losses count. The states are those of RFC 5681 and 6675 as stacks name them:
 *
 *	OPEN	  nothing unusual
 *	DISORDER  duplicate ACKs or SACKs, nothing believed lost; new data may go (RFC 3042)
 *	CWR	  the window shrinks because ECN or a repaired tail said so
 *	RECOVERY  fast recovery: losses told by RACK (8985), RFC 6675 or three duplicate ACKs (6582)
 *	LOSS	  after a timeout (6298), perhaps a spurious one (F-RTO, 5682)
 *
 * For each ACK: recovery_on_ack() ends what can be ended, undoes what proves needless (undo.c), marks losses,
 * and begins what must begin; then the window moves: by PRR (9937) while it is being reduced, else as
 * the controller says.
 *
 * Without SACK the peer's duplicate ACKs are counted: each means that a segment has left the network.
 */
#include "tcp/recovery.h"

uint64_t recovery_pipe(const struct tcp_conn *conn)
{
	uint64_t pipe, left;

	if (!conn->tx)
		return 0;
	pipe = sendmap_pipe_bytes(&conn->tx->map);
	if (conn_has(conn, CONN_HAS_SACK) || !conn->tx->dupacks)
		return pipe;
	left = (uint64_t)conn->tx->dupacks * conn->snd.mss;
	return pipe > left ? pipe - left : 0;
}

void recovery_round(const struct tcp_conn *conn, struct cc_round *ret_round)
{
	const struct tcp_tx *tx = conn->tx;

	*ret_round = (struct cc_round){
		.now_ns = conn_now(conn),
		.srtt_ns = tx->rto.srtt_ns,
		.min_rtt_ns = rto_min_rtt_ns(&tx->rto),
		.pipe_bytes = recovery_pipe(conn),
		.una = conn->snd.una,
		.nxt = conn->snd.nxt,
		.delivered_total_bytes = tx->rate.delivered_bytes,
		.is_cwnd_limited = tx->cwnd_limited,
		.in_recovery = tx->recovery == TEE_RECOVERY_RECOVERY ||
			       tx->recovery == TEE_RECOVERY_CWR,
		.in_loss = tx->recovery == TEE_RECOVERY_LOSS,
	};
}

/* The instant before which what `seg` echoes was sent, 0: no telling. One tick of slack: the clock is coarse. */
static uint64_t echo_before_ns(const struct tcp_conn *conn, const struct segment *seg)
{
	uint64_t ago;

	if (!seg || !conn_has(conn, CONN_HAS_TS) || !seg->h.options.has_ts ||
	    !seg->h.options.ts_ecr)
		return 0;
	ago = (uint64_t)(tstamp_val(&conn->ts, conn_now(conn)) - seg->h.options.ts_ecr) *
	      TEE_NS_PER_MS;
	if (ago > conn_now(conn))
		return 0;
	return (conn_now(conn) / TEE_NS_PER_MS + 1) * TEE_NS_PER_MS - ago;
}

static void rack_args_of(const struct tcp_conn *conn, const struct segment *seg,
			 struct rack_args *ret_args)
{
	const struct tcp_tx *tx = conn->tx;

	*ret_args = (struct rack_args){
		.now_ns = conn_now(conn),
		.srtt_ns = tx->rto.srtt_ns,
		.min_rtt_ns = rto_min_rtt_ns(&tx->rto),
		.mss = conn->snd.mss,
		.dupack_threshold = tx->reordering_segs,
		.in_recovery = tx->recovery >= TEE_RECOVERY_RECOVERY,
		.snd_nxt = conn->snd.nxt,
		.ts_echo_before_ns = echo_before_ns(conn, seg),
	};
}

static void set_state(struct tcp_conn *conn, enum tee_recovery_state state, const char *event)
{
	conn->tx->recovery = (uint8_t)state;
	if (event)
		trace_cc(conn, event);
}

/* ---- beginning ---- */

static void start_undo(struct tcp_conn *conn)
{
	struct tcp_tx *tx = conn->tx;

	tx->undo_possible = conn_config(conn)->tcp_undo;
	tx->undo_una = conn->snd.una;
	tx->undo_retrans_segs = tx->map.retrans_segs ? (int32_t)tx->map.retrans_segs : -1;
	if (!tx->map.retrans_segs)
		tx->retrans_ts_set = false;
}

/*
 * What the window, still as it was, admits beyond the flight: nothing, unless the ACKs before came in one burst with this
 * one. A pacer would have held it back.
 */
static uint64_t admitted_bytes(const struct tcp_conn *conn, uint64_t flight_bytes)
{
	const struct tcp_tx *tx = conn->tx;
	uint64_t nxt = conn->snd.nxt, edge = conn->snd.una + conn->snd.wnd;
	uint64_t written = conn_written(conn), bytes;

	if (tx->pacer.rate || tx->cc.cwnd_bytes <= flight_bytes || written <= nxt || edge <= nxt)
		return 0;
	bytes = MIN(tx->cc.cwnd_bytes - flight_bytes, MIN(written, edge) - nxt);
	return bytes - bytes % conn->snd.mss;
}

/*
 * One reduction of the window, then PRR carries it out. What the ACK at hand delivers (`fresh_bytes`) was in
 * flight when it began (RFC 9937 6.1).
 */
static void start_reduction(struct tcp_conn *conn, enum cc_congestion what, uint64_t fresh_bytes)
{
	struct tcp_tx *tx = conn->tx;
	struct cc_round round;
	uint64_t flight = conn->snd.nxt - conn->snd.una - tx->map.sacked_bytes + fresh_bytes;

	recovery_round(conn, &round);
	tx->recover = conn->snd.nxt;
	rack_on_tlp_over(conn);
	prr_start(&tx->prr, flight, admitted_bytes(conn, flight));
	cc_on_congestion(&tx->cc, what, &round);
	/* RFC 3168 6.1.2: whatever the reason is, the peer is told. */
	if (conn->ecn->mode == ECN_MODE_CLASSIC)
		conn->ecn->send_cwr = true;
	tx->cwr_end = conn->snd.nxt;
}

/* Shrinks the window once without a loss to repair; nothing while a reduction is under way. */
static void enter_cwr(struct tcp_conn *conn, enum cc_congestion what, uint64_t fresh_bytes,
		      const char *event)
{
	if (conn->tx->recovery >= TEE_RECOVERY_CWR)
		return;
	conn->tx->undo_possible = false;
	start_reduction(conn, what, fresh_bytes);
	set_state(conn, TEE_RECOVERY_CWR, event);
}

static void enter_recovery(struct tcp_conn *conn, bool has_ece, uint64_t fresh_bytes)
{
	struct tcp_tx *tx = conn->tx;

	count(conn_engine(conn),
	      conn_has(conn, CONN_HAS_SACK) ? COUNT_TCP_SACK_RECOVERY : COUNT_TCP_RENO_RECOVERY);
	if (tx->recovery < TEE_RECOVERY_CWR) {
		start_undo(conn);
		if (has_ece)
			tx->undo_possible = false;
		start_reduction(conn, has_ece ? CC_ECN : CC_LOSS, fresh_bytes);
	} else {
		tx->recover = conn->snd.nxt;
	}
	set_state(conn, TEE_RECOVERY_RECOVERY, "fast recovery begins");
}

/* A reduction that was undone is none any more, even where its state is still held (RFC 6582 3.2). */
static bool is_reducing(const struct tcp_tx *tx)
{
	return (tx->recovery == TEE_RECOVERY_RECOVERY || tx->recovery == TEE_RECOVERY_CWR) &&
	       tx->cc.prior_cwnd_bytes;
}

/* ---- ending ---- */

static void end_reduction(struct tcp_conn *conn)
{
	struct tcp_tx *tx = conn->tx;
	struct cc_round round;

	if (!tx->cc.ops->owns_recovery && is_reducing(tx) &&
	    tx->cc.ssthresh_bytes != CC_SSTHRESH_INFINITE)
		tx->cc.cwnd_bytes = MAX(tx->cc.ssthresh_bytes, tx->cc.mss);
	recovery_round(conn, &round);
	cc_on_recovery_exit(&tx->cc, &round);
}

/*
 * The recovery point is acknowledged. true: nothing more is to be done for this ACK. Without SACK
 * the state is held while una stands exactly there, lest old duplicate ACKs begin another (RFC 6582 3.2).
 */
static bool leave_states(struct tcp_conn *conn)
{
	struct tcp_tx *tx = conn->tx;
	uint64_t una = conn->snd.una;

	if (tx->recovery < TEE_RECOVERY_CWR || una < tx->recover)
		return false;
	if (tx->recovery == TEE_RECOVERY_CWR) {
		if (una == tx->recover && conn->snd.nxt != una)
			return false;
		end_reduction(conn);
		set_state(conn, TEE_RECOVERY_OPEN, "window reduction done");
		return false;
	}
	if (tx->recovery != TEE_RECOVERY_RECOVERY)
		return false;
	if (!conn_has(conn, CONN_HAS_SACK))
		tx->dupacks = 0;
	if (undo_on_recovery_end(conn))
		return true;
	if (!conn_has(conn, CONN_HAS_SACK) && una == tx->recover && conn->snd.nxt != una)
		return true;
	end_reduction(conn);
	rack_on_recovery_exit(&tx->rack);
	tx->retrans_ts_set = false;
	set_state(conn, TEE_RECOVERY_OPEN, "fast recovery ends");
	return false;
}

/* ---- what is lost ---- */

/* Without SACK: the head is lost after three duplicate ACKs, and again at each partial ACK (RFC 6582). */
static uint64_t mark_head_lost(struct tcp_conn *conn)
{
	struct tcp_tx *tx = conn->tx;
	struct send_record *first = sendmap_first(&tx->map);
	uint32_t mss = conn->snd.mss;

	if (!first || (first->flags & SENT_LOST))
		return 0;
	if (first->end - first->start > mss && !sendmap_split(&tx->map, first, first->start + mss))
		return 0;
	return sendmap_mark_lost(&tx->map, first) ? first->end - first->start : 0;
}

/* One record is lost: counted at once, so that each sees how much was lost before it. */
static void note_lost(void *arg, const struct send_record *record)
{
	struct tcp_conn *conn = arg;
	struct tcp_tx *tx = conn->tx;
	struct cc_round round;
	struct cc_lost lost = {
		.bytes = record->end - record->start,
		.tx_in_flight_bytes = record->in_flight_bytes,
		.is_app_limited = (record->flags & SENT_APP_LIMITED) != 0,
	};

	if (tx->mtu && tx->mtu->size && record->start >= tx->mtu->start &&
	    record->end <= tx->mtu->end)
		return; /* it was larger than all others: no word about the path's load */
	tx->rate.lost_bytes += lost.bytes;
	lost.since_sent_bytes = tx->rate.lost_bytes - record->lost_total_bytes;
	if (!tx->cc.ops->on_lost)
		return;
	recovery_round(conn, &round);
	cc_on_lost(&tx->cc, &lost, &round);
}

static void detect_losses(struct tcp_conn *conn, struct ack_info *info)
{
	struct tcp_tx *tx = conn->tx;
	struct rack_args args;
	uint64_t wait = 0, lost, lost_before = tx->rate.lost_bytes;

	if (!conn_has(conn, CONN_HAS_SACK)) {
		bool is_third = tx->recovery < TEE_RECOVERY_RECOVERY &&
				tx->dupacks >= tx->reordering_segs;
		bool is_partial = tx->recovery == TEE_RECOVERY_RECOVERY && info->cum_acked_bytes;

		lost = is_third || is_partial ? mark_head_lost(conn) : 0;
	} else if (conn_config(conn)->tcp_rack) {
		rack_args_of(conn, NULL, &args);
		args.on_lost = note_lost;
		args.arg = conn;
		lost = rack_detect_loss(&tx->rack, &tx->map, &args, &wait);
		if (wait)
			timers_set(conn, CONN_REORDER, conn_now(conn) + wait);
		else
			timers_clear(conn, CONN_REORDER);
	} else {
		lost = sack_mark_lost(&tx->map, tx->reordering_segs, conn->snd.mss);
	}
	if (lost && mtu_search_on_losses(conn))
		lost = 0;
	info->lost_bytes += lost;
	tx->rate.lost_bytes = lost_before + lost;
	if (lost && trace_on(conn_engine(conn)))
		trace_cc(conn, "losses marked");
}

/* Duplicate ACKs stand for segments that arrived (RFC 5681 3.2), cumulative ones take them back. */
static void count_dupacks(struct tcp_conn *conn, struct ack_info *info)
{
	struct tcp_tx *tx = conn->tx;
	uint32_t mss = conn->snd.mss;

	if (conn_has(conn, CONN_HAS_SACK))
		return;
	if (info->is_dupack) {
		/* RFC 5681 3.2: no more of them than there can be segments in flight. */
		uint64_t most = (conn->snd.nxt - conn->snd.una) / mss;

		if (tx->dupacks < MIN(most, 255u)) {
			tx->dupacks++;
			info->delivered_bytes += mss;
			info->delivered_segs++;
		}
	} else if (info->cum_acked_bytes) {
		uint64_t counted = (uint64_t)tx->dupacks * mss;
		uint64_t hole = MIN(info->delivered_bytes, mss);

		/* What duplicate ACKs announced was delivered then; what fills the hole before it is new. */
		info->delivered_bytes -= MIN(info->delivered_bytes - hole, counted);
		if (tx->recovery == TEE_RECOVERY_RECOVERY && conn->snd.una < tx->recover) {
			uint64_t beyond = info->cum_acked_bytes / mss;

			tx->dupacks -= (uint8_t)MIN(tx->dupacks, beyond ? beyond - 1 : 0);
		} else {
			tx->dupacks = 0;
		}
	}
}

/* ---- after a timeout ---- */

/*
 * F-RTO (RFC 5682 section 2.1, with SACK 3.1) and slow-start recovery. true: the timeout was undone.
 */
static bool loss_state_on_ack(struct tcp_conn *conn, struct ack_info *info)
{
	struct tcp_tx *tx = conn->tx;
	bool advanced = info->cum_acked_bytes != 0;

	if (advanced && undo_loss(conn, false))
		return true;
	if (tx->frto) {
		/* Without SACK nothing tells what the peer held already when the retransmission came. */
		bool is_ambiguous = info->cum_acked_retrans && !conn_has(conn, CONN_HAS_SACK);
		bool original_arrived = !is_ambiguous && info->highest_acked_unretrans_end &&
					(info->acked_original || info->sacked_bytes) &&
					info->highest_acked_unretrans_end <= tx->recover;

		/* Step 3b: something never sent again was acknowledged: it had not been lost. */
		if (original_arrived && undo_loss(conn, true))
			return true;
		if (conn->snd.nxt > tx->recover) {
			/* Step 3a: duplicate ACKs for the new data: the losses are real. */
			if (info->sacked_bytes || info->is_dupack)
				tx->frto = false;
		} else if (advanced && conn->snd.una < tx->recover) {
			/* Step 2b: two new segments instead of retransmissions, if there are any. */
			tx->recover = conn->snd.nxt;
			if (conn_written(conn) > conn->snd.nxt &&
			    conn->snd.una + conn->snd.wnd > conn->snd.nxt) {
				tx->frto_new_data = true;
				return false;
			}
			tx->frto = false;
		}
	}
	if (conn->snd.una >= tx->recover) {
		if (undo_on_recovery_end(conn))
			return true;
		tx->retrans_ts_set = false;
		set_state(conn, TEE_RECOVERY_OPEN, "recovered from the timeout");
	}
	return false;
}

/* ---- the ACK ---- */

static void update_window(struct tcp_conn *conn, struct ack_info *info, uint64_t newly_delivered)
{
	struct tcp_tx *tx = conn->tx;
	struct cc_round round;

	recovery_round(conn, &round);
	/* RFC 7661: in slow start the window counts as used when more than half of it was. */
	round.is_cwnd_limited = cc_in_slow_start(&tx->cc)
					? tx->cc.cwnd_bytes < 2 * tx->cwnd_used_max_bytes
					: tx->cwnd_limited;
	if (!conn_config(conn)->tcp_cwnd_validation)
		round.is_cwnd_limited = true;
	info->is_cwnd_limited = round.is_cwnd_limited;
	if (tx->cc.ops->owns_recovery) {
		if (newly_delivered || info->lost_bytes)
			cc_on_ack(&tx->cc, info, &round);
	} else if (is_reducing(tx)) {
		bool begins = !tx->prr.delivered_bytes && !tx->prr.out_bytes;

		/* The old window goes with the first ACK, even one that delivers nothing. */
		if (newly_delivered || begins) {
			uint64_t cwnd = prr_on_ack(
				&tx->prr, newly_delivered, round.pipe_bytes, tx->cc.ssthresh_bytes,
				info->cum_acked_bytes && !info->lost_bytes, tx->cc.mss);

			/* Never below one segment: an empty pipe would wait for the RTO. */
			tx->cc.cwnd_bytes = MAX(cwnd, tx->cc.mss);
		}
	} else if (info->cum_acked_bytes || (tx->rack.reordering_seen && newly_delivered)) {
		cc_on_ack(&tx->cc, info, &round);
	}
	if (tx->cc.ops->wants_pacing || conn_config(conn)->tcp_pacing ||
	    tx->pacer.max_rate != UINT64_MAX)
		pacer_update(&tx->pacer, tx->cc.pacing_rate, tx->cc.cwnd_bytes, tx->rto.srtt_ns,
			     cc_in_slow_start(&tx->cc));
}

static void note_reordering(struct tcp_conn *conn, const struct ack_info *info)
{
	struct tcp_tx *tx = conn->tx;
	uint64_t distance;

	if (info->reordered_from == UINT64_MAX || info->reordered_from >= tx->rack.fack)
		return;
	distance = (tx->rack.fack - info->reordered_from + conn->snd.mss - 1) / conn->snd.mss;
	tx->reord_seen++;
	if (distance > tx->reordering_segs)
		tx->reordering_segs = (uint32_t)MIN(distance, 300u);
}

static void step_states(struct tcp_conn *conn, struct ack_info *info)
{
	struct tcp_tx *tx = conn->tx;

	if (leave_states(conn))
		return;
	if (tx->recovery == TEE_RECOVERY_LOSS) {
		bool is_undone = loss_state_on_ack(conn, info);

		if (tx->frto_new_data || (is_undone && tx->recovery == TEE_RECOVERY_LOSS))
			return;
		detect_losses(conn, info);
		if (tx->recovery == TEE_RECOVERY_LOSS)
			return;
	} else if (tx->recovery == TEE_RECOVERY_RECOVERY) {
		if (undo_on_partial_ack(conn, info))
			return;
		if (undo_on_dsack(conn))
			return;
		detect_losses(conn, info);
		return;
	} else {
		if (undo_on_dsack(conn))
			trace_cc(conn, "undone by DSACK");
		detect_losses(conn, info);
	}
	if (tx->map.lost_bytes > 0 && tx->recovery != TEE_RECOVERY_LOSS &&
	    mtu_search_congestion_bytes(conn)) {
		enter_recovery(conn, info->has_ece, info->delivered_bytes);
		return;
	}
	if (tx->recovery <= TEE_RECOVERY_DISORDER)
		tx->recovery = tx->map.sacked_bytes || tx->dupacks ? TEE_RECOVERY_DISORDER
								   : TEE_RECOVERY_OPEN;
}

void recovery_on_ack(struct tcp_conn *conn, struct ack_info *info, const struct segment *seg)
{
	struct tcp_tx *tx = conn->tx;
	struct rack_args args;

	tx->frto_new_data = false;
	undo_note_ack(conn, info, seg);
	rack_args_of(conn, seg, &args);
	rack_on_ack(&tx->rack, info, &args);
	count_dupacks(conn, info);
	note_reordering(conn, info);
	tx->delivered_segs += info->delivered_segs;
	if (tx->rack.tlp_end &&
	    tlp_on_ack(&tx->rack, info, !info->cum_acked_bytes && !seg->len && info->is_dupack)) {
		/* A probe mended a loss that nobody saw: one reduction, carried out at once. */
		count(conn_engine(conn), COUNT_TCP_TLP_RECOVERY);
		enter_cwr(conn, CC_LOSS, info->delivered_bytes, "tail loss repaired");
		if (tx->recovery == TEE_RECOVERY_CWR) {
			end_reduction(conn);
			set_state(conn, TEE_RECOVERY_OPEN, NULL);
		}
	}
	if (info->has_ece && conn->snd.una >= tx->cwr_end)
		enter_cwr(conn, CC_ECN, info->delivered_bytes, "ECN congestion");
	step_states(conn, info);
	if (tx->rto_since_ns && tx->recovery != TEE_RECOVERY_LOSS) {
		tx->rto_time_ns += conn_now(conn) - tx->rto_since_ns;
		tx->rto_since_ns = 0;
	}
	/* RFC 2018 8: the head SACKed but not acknowledged: the peer took its word back. */
	if (sendmap_first(&tx->map) && (sendmap_first(&tx->map)->flags & SENT_SACKED)) {
		uint64_t soon = MAX(tx->rto.srtt_ns / 2, 10 * TEE_NS_PER_MS);

		timers_set(conn, CONN_RTO, MIN(conn->deadlines[CONN_RTO], conn_now(conn) + soon));
	}
	rate_on_ack(&tx->rate, info, rto_min_rtt_ns(&tx->rto));
	update_window(conn, info, info->delivered_bytes);
}

/* ---- timers ---- */

void recovery_on_reorder_timer(struct tcp_conn *conn)
{
	struct ack_info info = {.now_ns = conn_now(conn), .reordered_from = UINT64_MAX};
	struct tcp_tx *tx = conn->tx;
	bool was_in_recovery = tx->recovery >= TEE_RECOVERY_RECOVERY;
	uint64_t cwnd;

	detect_losses(conn, &info);
	if (!info.lost_bytes)
		return;
	if (!was_in_recovery)
		enter_recovery(conn, false, 0);
	/* No ACK is at hand for PRR: the first retransmission leaves, the next ACK sees to the others. */
	if (!was_in_recovery && !tx->cc.ops->owns_recovery) {
		cwnd = prr_on_ack(&tx->prr, 0, recovery_pipe(conn), tx->cc.ssthresh_bytes, false,
				  tx->cc.mss);
		tx->cc.cwnd_bytes = MAX(cwnd, tx->cc.mss);
	}
	conn_mark_due(conn);
}

/* RFC 6298 5.4 to 5.6, 8985 6.3, 5681 3.1, 5682. */
void recovery_on_rto(struct tcp_conn *conn)
{
	struct tcp_tx *tx = conn->tx;
	struct send_record *first = sendmap_first(&tx->map);
	struct cc_round round;
	struct rack_args args;
	bool is_new = tx->recovery < TEE_RECOVERY_RECOVERY;
	bool reneged = first && (first->flags & SENT_SACKED);
	bool is_first;

	rack_args_of(conn, NULL, &args);
	recovery_round(conn, &round);
	is_first = tx->recovery <= TEE_RECOVERY_DISORDER || conn->snd.una >= tx->recover ||
		   (tx->recovery == TEE_RECOVERY_LOSS && conn->retries == 0);
	rack_on_tlp_over(conn);
	tx->dupacks = 0;
	if (reneged)
		count(conn_engine(conn), COUNT_TCP_SACK_RENEGING);
	if (reneged || !conn_has(conn, CONN_HAS_SACK) || !conn_config(conn)->tcp_rack)
		tx->rate.lost_bytes += sendmap_mark_all_lost(&tx->map, reneged);
	else
		tx->rate.lost_bytes += rack_mark_on_rto(&tx->rack, &tx->map, &args);
	if (is_first)
		start_undo(conn);
	if (!tx->rto_since_ns) {
		tx->rto_since_ns = MAX(conn_now(conn), 1);
		tx->total_rto_recoveries++;
	}
	cc_on_rto(&tx->cc, is_first, &round);
	tx->cc.cwnd_bytes = recovery_pipe(conn) + tx->cc.mss;
	tx->recover = conn->snd.nxt;
	tx->cwr_end = conn->snd.nxt;
	tx->frto_new_data = false;
	tx->frto = conn_config(conn)->tcp_frto && (is_new || conn->retries > 0) && !reneged;
	if (conn->ecn->mode == ECN_MODE_CLASSIC)
		conn->ecn->send_cwr = true;
	set_state(conn, TEE_RECOVERY_LOSS, "retransmission timeout");
}

/* The path MTU shrank: what was sent too large is lost, but not for congestion (RFC 1191 6.5). */
void recovery_on_mtu(struct tcp_conn *conn)
{
	struct tcp_tx *tx = conn->tx;
	struct send_record *record;
	bool any = false;

	if (!tx)
		return;
	mtu_search_on_mtu(conn);
	for (record = sendmap_first(&tx->map); record; record = sendmap_next(record)) {
		if (record->mss > conn->snd.mss && record->end - record->start > conn->snd.mss &&
		    !(record->flags & SENT_SACKED))
			any |= sendmap_mark_lost(&tx->map, record);
	}
	/* As after a timeout, but with the window as it is: the next ACK must not read these losses as
	   congestion. */
	if (any && tx->recovery < TEE_RECOVERY_RECOVERY) {
		tx->recover = conn->snd.nxt;
		tx->undo_possible = false;
		tx->frto = false;
		set_state(conn, TEE_RECOVERY_LOSS, "path MTU shrank");
	}
	conn_mark_due(conn);
}

/* Bookkeeping of every retransmission; output.c calls it. */
void recovery_on_retransmit(struct tcp_conn *conn, const struct send_record *record)
{
	struct tcp_tx *tx = conn->tx;
	uint32_t segs = send_record_segs(record);

	if (!tx->retrans_ts_set) {
		tx->retrans_ts = tstamp_val(&conn->ts, conn_now(conn));
		tx->retrans_ts_set = true;
	}
	if (tx->undo_retrans_segs < 0)
		tx->undo_retrans_segs = 0;
	tx->undo_retrans_segs += (int32_t)segs;
	mtu_search_on_retransmit(conn, record);
	tx->total_retrans_segs += segs;
	tx->bytes_retrans += record->end - record->start - (record->flags & SENT_FIN ? 1 : 0);
	count_n(conn_engine(conn), COUNT_TCP_RETRANS_SEGS, segs);
	if (tx->recovery == TEE_RECOVERY_RECOVERY)
		count_n(conn_engine(conn), COUNT_TCP_FAST_RETRANS, segs);
}
