/* SPDX-License-Identifier: MIT */
/*
 * The FIN of a connection that never sent anything, and that nobody holds any more: the end of most of those that
 * only waited. It needs none of what a sender has (send map, controller, RACK, pacer: struct tcp_tx, many times
 * what the connection itself takes), as long as nothing goes wrong with it. So it is sent without, and when its ACK
 * comes that is all.
 *
 *	bare_fin_is_fit()	is this FIN such a one?
 *	bare_fin_send()		sends it; the retransmission timer is set to what a sender's half would say, and
 *				the wheel to the tail loss probe, if one is due before that
 *	bare_fin_acked()	its ACK, with nothing else to say
 *	bare_fin_grow()		anything else: a timer, a duplicate ACK, SACK. The sender's half is made as if it
 *				had been there when the FIN was sent, and goes on from there
 *
 * Where there is no memory for that half, a timeout passes without a retransmission, and counts all the same
 * (conn->retries, expire.c): so the connection ends by R2 when it would have ended.
 *
 * The state needs no mark of its own: a FIN that is out, without a sender's half. Nothing on the wire differs, which
 * the random worlds and scripts hold; config.tcp_fast_path switches it off. RFC 9293 3.6, RFC 6298 5.1, RFC 8985 7.2.
 */
#include "tcp/conn.h"

bool bare_fin_is_out(const struct tcp_conn *conn)
{
	return !conn->tx && conn_has(conn, CONN_FIN_SENT) && conn->snd.una != conn->snd.nxt;
}

bool bare_fin_is_fit(const struct tcp_conn *conn)
{
	const struct tee_config *config = conn_config(conn);

	return config->tcp_fast_path && !config->tcp_metrics_save && !conn->tx &&
	       conn_has(conn, CONN_IS_ORPHAN) && conn_is_synchronized(conn) &&
	       conn->snd.una == conn->snd.nxt && conn_written(conn) == conn->snd.nxt &&
	       conn->snd.wnd > 0 && conn->syn_retries == 0 && conn->retries == 0 &&
	       conn->ecn->mode == ECN_MODE_OFF && !conn->settings->s.user_timeout_ms;
}

/*
 * What the sender's half would have by now; returns how long ago the FIN was sent when the RTO is due: the timeouts
 * that have passed (conn->retries), and the one that runs.
 */
static uint64_t estimate(const struct tcp_conn *conn, struct rto *rto)
{
	uint64_t sum_ns = timers_first_rto_ns(conn, rto);
	struct rto_limits limits;

	rto_limits_of(conn, &limits);
	for (unsigned i = 0; i < conn->retries; i++) {
		rto_back_off(rto);
		sum_ns += rto_ns(rto, &limits);
	}
	return sum_ns;
}

uint64_t bare_fin_rto_ns(const struct tcp_conn *conn)
{
	struct rto_limits limits;
	struct rto rto;

	rto_limits_of(conn, &limits);
	estimate(conn, &rto);
	return rto_ns(&rto, &limits);
}

void bare_fin_send(struct tcp_conn *conn, struct tee_frame *frame)
{
	const struct tee_config *config = conn_config(conn);
	const struct out_segment out = {
		.seq = conn->snd.nxt,
		.flags = TEE_TCP_FIN,
		.why = TEE_WHY_FIN,
		.mss = conn->snd.mss,
	};
	struct rto rto;
	uint64_t probe_ns;

	timers_set(conn, CONN_RTO, conn_now(conn) + estimate(conn, &rto));
	if (config->tcp_tlp && config->tcp_rack && conn_has(conn, CONN_HAS_SACK)) {
		probe_ns = conn_now(conn) + tlp_timeout_ns(rto.srtt_ns, config->tcp_rto_initial_ns,
							   true, config->tcp_delack_max_ns);
		if (probe_ns < conn->timer.deadline_ns)
			engine_arm(conn_engine(conn), &conn->timer, probe_ns);
	}
	frame_init(frame);
	conn->flags |= CONN_FIN_SENT;
	conn->snd.nxt++;
	conn->last_data_sent_ms = coarse_ms(conn_now(conn));
	segment_out(conn, &out, frame);
}

bool bare_fin_acked(struct tcp_conn *conn, const struct segment *seg)
{
	if (seg->ack != (int64_t)conn->snd.nxt || seg->h.options.sack_count)
		return false;
	conn->snd.una = conn->snd.nxt;
	conn->retries = 0;
	conn->soft_error = 0;
	net_path_confirm(conn->tcp->net, &conn->path);
	ack_update_window(conn, seg);
	timers_clear(conn, CONN_RTO);
	close_on_fin_acked(conn);
	return true;
}

bool bare_fin_grow(struct tcp_conn *conn)
{
	struct engine *engine = conn_engine(conn);
	uint64_t now_ns = engine->now_ns, wait_ns;
	struct send_record *record = NULL;
	struct rto rto;

	wait_ns = estimate(conn, &rto);
	/* For this moment it is the moment when the FIN was sent. */
	if (conn->deadlines[CONN_RTO] != TEE_NEVER && conn->deadlines[CONN_RTO] > wait_ns)
		engine->now_ns = MIN(conn->deadlines[CONN_RTO] - wait_ns, now_ns);
	conn->snd.nxt--;
	if (tx_get(conn))
		record = sendmap_sent(&conn->tx->map, conn->snd.nxt + 1, MAX(conn->snd.mss, 1u),
				      SENT_FIN, engine->now_ns);
	conn->snd.nxt++;
	if (record) {
		output_note_sent(conn, record, 1, false);
		for (unsigned i = 0; i < conn->retries; i++)
			rto_back_off(&conn->tx->rto);
	} else {
		tx_free(conn->tcp, conn->tx);
		conn->tx = NULL;
	}
	engine->now_ns = now_ns;
	return record != NULL;
}
