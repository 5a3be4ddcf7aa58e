/* SPDX-License-Identifier: MIT */
/*
 * Undo: a reduction of the window that proves to have been needless is taken back (RFC 4015).
 *
 * Four witnesses: an ACK that echoes a timestamp older than the first retransmission (the original
 * arrived: Eifel, RFC 3522); DSACKs for every segment that was sent again (RFC 3708); F-RTO (RFC 5682, in
 * recovery.c); and the arrival of what was thought lost before any of it was sent again. The last is common
 * where ACKs come many at a time, or where PRR, pacing or a full link hold retransmissions back: the first ACK of a
 * batch makes RACK believe in a loss, the next acknowledges it. It needs neither timestamps nor DSACK.
 */
#include "tcp/recovery.h"

void rack_on_tlp_over(struct tcp_conn *conn)
{
	conn->tx->rack.tlp_end = 0;
	conn->flags &= ~(uint32_t)CONN_TLP_DUE;
}

void undo_note_ack(struct tcp_conn *conn, const struct ack_info *info, const struct segment *seg)
{
	struct tcp_tx *tx = conn->tx;

	tx->original_proved = conn_has(conn, CONN_HAS_TS) && seg->h.options.has_ts &&
			      seg->h.options.ts_ecr && tx->retrans_ts_set &&
			      tstamp_before(seg->h.options.ts_ecr, tx->retrans_ts);
	if (!info->has_dsack)
		return;
	count(conn_engine(conn), COUNT_TCP_DSACK_IN);
	uint32_t segs = (uint32_t)((info->dsack_end - info->dsack_start + conn->snd.mss - 1) /
				   conn->snd.mss);
	tx->dsack_dups += segs;
	tx->delivered_segs += segs; /* what came twice did come */
	/* More came twice than was sent twice: the network makes copies, and a DSACK proves nothing (RFC 3708). */
	if (tx->dsack_dups > tx->total_retrans_segs)
		return;
	if (tx->undo_possible && tx->undo_retrans_segs > 0 && info->dsack_start >= tx->undo_una)
		tx->undo_retrans_segs -= (int32_t)MIN(segs, (uint32_t)tx->undo_retrans_segs);
}

static bool nothing_was_resent(const struct tcp_tx *tx)
{
	return tx->undo_retrans_segs < 0;
}

/* SND.UNA has moved, to the recovery point or, after a timeout, past the head that was marked lost. */
static bool may_undo(const struct tcp_conn *conn)
{
	const struct tcp_tx *tx = conn->tx;

	return tx->undo_possible &&
	       (tx->undo_retrans_segs == 0 || tx->original_proved || nothing_was_resent(tx));
}

/* Window and threshold come back. `forget_losses`: what was marked is still under way. */
static void undo(struct tcp_conn *conn, bool forget_losses, const char *event)
{
	struct tcp_tx *tx = conn->tx;
	struct cc_round round;
	uint64_t cwnd, ssthresh;

	if (forget_losses)
		sendmap_clear_lost(&tx->map);
	recovery_round(conn, &round);
	cwnd = tx->cc.prior_cwnd_bytes;
	ssthresh = tx->cc.prior_ssthresh_bytes;
	cc_on_undo(&tx->cc, &round);
	/* RFC 4015 section 4: both are at least what they were before the mistake. */
	CHECK(tx->cc.cwnd_bytes >= cwnd && tx->cc.ssthresh_bytes >= ssthresh);
	tx->undo_possible = false;
	count(conn_engine(conn), nothing_was_resent(tx) ? COUNT_TCP_UNDO_UNSENT
				 : tx->original_proved  ? COUNT_TCP_UNDO_TS
							: COUNT_TCP_UNDO_DSACK);
	trace_cc(conn, event);
}

static void open_again(struct tcp_conn *conn)
{
	struct tcp_tx *tx = conn->tx;

	tx->recovery = tx->map.sacked_bytes || tx->dupacks ? TEE_RECOVERY_DISORDER
							   : TEE_RECOVERY_OPEN;
}

bool undo_on_recovery_end(struct tcp_conn *conn)
{
	struct tcp_tx *tx = conn->tx;

	if (!may_undo(conn))
		return false;
	undo(conn, false, "undone: the originals arrived");
	/* Without SACK the state is kept until something above the recovery point is acknowledged. */
	if (!conn_has(conn, CONN_HAS_SACK) && conn->snd.una == tx->recover &&
	    conn->snd.nxt != conn->snd.una)
		return true;
	tx->retrans_ts_set = false;
	tx->recovery = TEE_RECOVERY_OPEN;
	return true;
}

bool undo_on_partial_ack(struct tcp_conn *conn, const struct ack_info *info)
{
	struct tcp_tx *tx = conn->tx;
	bool by_echo = info->cum_acked_bytes && tx->original_proved;

	if (!tx->undo_possible || !(by_echo || (info->lost_arrived && nothing_was_resent(tx))))
		return false;
	/* Retransmissions still on their way would confuse a new recovery: wait for them. */
	if (tx->map.retrans_bytes)
		return true;
	undo(conn, true, "undone: the original arrived late");
	open_again(conn);
	return true;
}

bool undo_on_dsack(struct tcp_conn *conn)
{
	struct tcp_tx *tx = conn->tx;

	if (!tx->undo_possible || tx->undo_retrans_segs != 0)
		return false;
	undo(conn, tx->recovery == TEE_RECOVERY_RECOVERY,
	     "undone: all retransmissions were duplicates");
	if (tx->recovery == TEE_RECOVERY_RECOVERY)
		open_again(conn);
	return true;
}

bool undo_loss(struct tcp_conn *conn, bool by_frto)
{
	struct tcp_tx *tx = conn->tx;

	if (!by_frto && !may_undo(conn))
		return false;
	if (by_frto && !conn_config(conn)->tcp_undo)
		return false;
	count(conn_engine(conn), COUNT_TCP_SPURIOUS_RTO);
	undo(conn, true,
	     by_frto ? "undone: the timeout was spurious (F-RTO)"
		     : "undone: the timeout was spurious");
	conn->retries = 0;
	tx->frto = false;
	rto_reset_backoff(&tx->rto);
	if (by_frto || conn_has(conn, CONN_HAS_SACK)) {
		tx->retrans_ts_set = false;
		open_again(conn);
	}
	return true;
}
