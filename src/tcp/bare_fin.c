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
	       conn->snd.wnd > 0 && conn->syn_retries == 0 && conn->ecn->mode == ECN_MODE_OFF &&
	       !conn->settings->s.user_timeout_ms;
}

void bare_fin_send(struct tcp_conn *conn, struct tee_frame *frame)
{
	const struct tee_config *config = conn_config(conn);
	const struct out_segment out = {
		.seq = conn->snd.nxt,
		.flags = TEE_TCP_FIN,
		.why = TEE_WHY_FIN,
		.mss = conn->snd.mss,
		.is_new_data = true,
	};
	struct rto rto;
	uint64_t wait_ns, probe_ns;

	wait_ns = timers_first_rto_ns(conn, &rto);
	timers_set(conn, CONN_RTO, conn_now(conn) + wait_ns);
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

	wait_ns = timers_first_rto_ns(conn, &rto);
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
	} else {
		tx_free(conn->tcp, conn->tx);
		conn->tx = NULL;
	}
	engine->now_ns = now_ns;
	return record != NULL;
}
