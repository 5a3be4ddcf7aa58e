/* SPDX-License-Identifier: MIT */
/*
 * Is this segment to be believed? The first four steps of RFC 9293 section 3.10.7.4, with PAWS
 * (RFC 7323 section 5.3) in front and the defences of RFC 5961: a RST or SYN that merely lies in the
 * window gets a challenge ACK, which a real peer answers and an attacker never sees.
 *
 * Answers to unacceptable segments are limited in rate a connection, so that two stacks that disagree don't
 * acknowledge each other for ever.
 */
#include "tcp/conn.h"

/* May an answer to a segment that may be an answer itself go out now? One each oow_ack_interval_ns. */
static bool answer_is_due(struct tcp_conn *conn)
{
	uint64_t now = conn_now(conn);

	if (conn->oow_acked_at_ns &&
	    now - conn->oow_acked_at_ns < conn_config(conn)->oow_ack_interval_ns)
		return false;
	conn->oow_acked_at_ns = now ? now : 1;
	return true;
}

/* The limit over all connections that RFC 5961 section 7 recommends; 0 means none. */
static bool challenge_bucket_takes(struct tcp *tcp)
{
	uint32_t rate = tcp->engine->config.challenge_ack_rate_per_s;
	uint64_t now = tcp->engine->now_ns;

	if (!rate)
		return true;
	if (now - tcp->challenge_at_ns >= TEE_NS_PER_S || !tcp->challenge_at_ns) {
		tcp->challenge_at_ns = now ? now : 1;
		/* Randomised, so that the count tells an observer nothing (RFC 5961 section 7's side channel). */
		tcp->challenge_tokens = rate / 2 +
					(uint32_t)random_below(&tcp->engine->random, rate) + 1;
	}
	if (!tcp->challenge_tokens)
		return false;
	tcp->challenge_tokens--;
	return true;
}

void challenge_ack(struct tcp_conn *conn)
{
	if (!answer_is_due(conn) || !challenge_bucket_takes(conn->tcp)) {
		count(conn_engine(conn), COUNT_TCP_CHALLENGE_LIMITED);
		return;
	}
	count(conn_engine(conn), COUNT_TCP_CHALLENGE_ACKS);
	conn_ack_now(conn, TEE_WHY_CHALLENGE_ACK);
}

/* "an acknowledgment should be sent in reply: <SEQ=SND.NXT><ACK=RCV.NXT><CTL=ACK>" */
void answer_out_of_window(struct tcp_conn *conn, const struct segment *seg)
{
	bool is_old = seg->seq < (int64_t)conn->rcv.nxt;

	if (seg->len && is_old)
		receive_feed_recovery(conn);
	/* Data that came twice is told to the sender (RFC 2883), who may find his timeout spurious. */
	if (seg->len && is_old && conn_has(conn, CONN_HAS_SACK) && conn_config(conn)->tcp_dsack &&
	    rx_get(conn)) {
		conn->rx->dsack_start = seg->seq < 1 ? 1 : (uint64_t)seg->seq;
		conn->rx->dsack_end = MIN((uint64_t)MAX(seg->end, 1), conn->rcv.nxt);
		if (conn->rx->dsack_start < conn->rx->dsack_end)
			conn->flags |= CONN_DSACK_DUE;
	}
	/* Who sends data or a FIN, answers no ACK. */
	if ((seg->end == seg->seq || segment_has(seg, TEE_TCP_SYN)) && !answer_is_due(conn)) {
		count(conn_engine(conn), COUNT_TCP_CHALLENGE_LIMITED);
		return;
	}
	conn_ack_now(conn, seg->len && is_old ? TEE_WHY_DUPLICATE : TEE_WHY_ANSWER_PROBE);
}

/*
 * First: the four cases of the table in 3.10.7.4. Two allowances: with a closed window a segment that begins at
 * RCV.NXT passes for the sake of its ACK, URG and RST (MUST-66; its text is cut off later), and a
 * segment without text may stand at the right edge itself: a peer that filled the window sends its ACKs from
 * there. And the ACK of our FIN may forget to count the peer's own.
 */
static bool is_last_ack_of_all(const struct tcp_conn *conn, const struct segment *seg)
{
	return conn_has(conn, CONN_FIN_RECEIVED) && conn_has(conn, CONN_FIN_SENT) &&
	       seg->seq == (int64_t)conn->rcv.nxt - 1 && segment_has(seg, TEE_TCP_ACK) &&
	       seg->ack == (int64_t)conn->snd.nxt;
}

static bool sequence_is_acceptable(const struct tcp_conn *conn, const struct segment *seg)
{
	int64_t nxt = (int64_t)conn->rcv.nxt;
	int64_t edge = MAX((int64_t)conn->rcv.adv, nxt);

	if (segment_has(seg, TEE_TCP_RST)) /* RFC 5961 3.2: strictly inside, or exact */
		return seg->seq >= nxt && (seg->seq < edge || seg->seq == nxt);
	if (seg->end == seg->seq)
		return (seg->seq >= nxt && seg->seq <= edge) || is_last_ack_of_all(conn, seg);
	if (edge == nxt)
		return seg->seq == nxt;
	return seg->seq < edge && seg->end > nxt;
}

static bool paws_accepts(struct tcp_conn *conn, const struct segment *seg)
{
	if (!conn_has(conn, CONN_HAS_TS) || segment_has(seg, TEE_TCP_RST))
		return true;
	if (!seg->h.options.has_ts)
		return true;
	if (!tstamp_paws_rejects(&conn->ts, seg->h.options.ts_val, conn_now(conn)))
		return true;
	drop(conn_engine(conn), DROP_TCP_PAWS);
	answer_out_of_window(conn, seg);
	return false;
}

/* Second: an acceptable RST, by state; what it carries is not looked at (SHLD-2). */
static void reset_arrived(struct tcp_conn *conn)
{
	count(conn_engine(conn), COUNT_TCP_RSTS_IN);
	switch (conn->state) {
	case TEE_TCP_SYN_RECEIVED:
		/* MUST-11. Passive: back to LISTEN, the user need not be told, unless fast open gave
		   it the connection already. Active: refused. */
		if (conn_has(conn, CONN_CHILD_FASTOPEN))
			conn_end(conn, TEE_ECONNRESET);
		else
			conn_end(conn, conn_has(conn, CONN_IS_PASSIVE) && !conn->source
					       ? 0
					       : TEE_ECONNREFUSED);
		return;
	default:
		/* CLOSING and LAST-ACK too: nobody acknowledged all that the application wrote. */
		conn_end(conn, TEE_ECONNRESET);
		return;
	}
}

/* RFC 5961 3.2, and the highest SACKed edge, which only a real peer knows. */
static bool reset_is_exact(const struct tcp_conn *conn, const struct segment *seg)
{
	if (seg->seq == (int64_t)conn->rcv.nxt)
		return true;
	if (conn_ooo(conn) && conn_has(conn, CONN_HAS_SACK)) {
		struct rb_node *last = rb_last(&conn_ooo(conn)->tree);

		if (last &&
		    seg->seq == (int64_t)CONTAINER_OF(last, struct ooo_range, node)->bytes.end)
			return true;
	}
	return false;
}

/* Fourth: a SYN. In SYN-RECEIVED after a simultaneous open, the peer's SYN again gets our SYN-ACK again. */
static void syn_arrived(struct tcp_conn *conn, const struct segment *seg)
{
	if (conn->state == TEE_TCP_SYN_RECEIVED && seg->seq == 0 &&
	    !segment_has(seg, TEE_TCP_ACK)) {
		/* RFC 9768 3.1.5: our answer tells how the latest came. */
		if (conn->ecn->mode == ECN_MODE_ACCURATE)
			conn->ecn_reply = ecn_syn_ack_flags(seg->tos & ECN_MASK);
		if (answer_is_due(conn)) {
			conn->flags |= CONN_SYN_DUE;
			conn_mark_due(conn);
		}
		return;
	}
	if (seg->seq == 0 && segment_has(seg, TEE_TCP_ACK) && !conn_has(conn, CONN_IS_PASSIVE))
		ecn_on_syn_ack_again(conn->ecn, seg->h.flags, seg->tos);
	drop(conn_engine(conn), DROP_TCP_BAD_SYN);
	challenge_ack(conn);
}

/*
 * false: the segment was dealt with and goes no further. A SYN-ACK that completes a simultaneous
 * open is let through, with its SYN taken off.
 */
bool validate_segment(struct tcp_conn *conn, struct segment *seg)
{
	bool has_rst = segment_has(seg, TEE_TCP_RST), has_syn = segment_has(seg, TEE_TCP_SYN);

	if (conn->state == TEE_TCP_SYN_RECEIVED && has_syn && !has_rst && seg->seq == 0 &&
	    segment_has(seg, TEE_TCP_ACK) && seg->ack > (int64_t)conn->snd.una &&
	    seg->ack <= (int64_t)conn->snd.nxt && !conn_has(conn, CONN_IS_PASSIVE)) {
		seg->h.flags &= (uint16_t)~TEE_TCP_SYN;
		seg->had_syn = true;
		seg->seq++;
		return true;
	}
	if (!paws_accepts(conn, seg))
		return false;
	if (!sequence_is_acceptable(conn, seg)) {
		if (has_rst && reset_is_exact(conn, seg)) {
			reset_arrived(conn);
			return false;
		}
		drop(conn_engine(conn), has_rst ? DROP_TCP_BAD_RST : DROP_TCP_OUT_OF_WINDOW);
		if (has_rst)
			return false;
		if (has_syn)
			syn_arrived(conn, seg);
		else
			answer_out_of_window(conn, seg);
		return false;
	}
	if (has_rst) {
		if (reset_is_exact(conn, seg)) {
			reset_arrived(conn);
		} else {
			drop(conn_engine(conn), DROP_TCP_BAD_RST);
			challenge_ack(conn);
		}
		return false;
	}
	if (has_syn) {
		syn_arrived(conn, seg);
		return false;
	}
	return true;
}
