/* SPDX-License-Identifier: MIT */
/*
 * When things are due; what happens then is in expire.c. Steps report events ("data sent",
 * "progress", "heard from the peer") and this file alone decides what they mean for timers.
 *
 *	event		  RTO		    TLP			persist		keep-alive
 *	data sent	  armed if off	    armed (8985 7.2)	-		-
 *	ACK advanced	  from now (6298	armed anew		off		-
 *			  5.3), off when all
 *			  is acknowledged
 *	window closed	  -		    -			armed		-
 *	heard		  -		    -			-		from now
 *
 * A connection has one entry in the wheel, for its earliest deadline. Clearing a deadline leaves the
 * entry: an early wake-up is cheaper than re-arming on every ACK.
 */
#include "tcp/conn.h"

static uint64_t *slot_of(struct tcp_conn *conn, enum conn_timer which)
{
	return which < CONN_TX_TIMER_FIRST ? &conn->deadlines[which]
					   : &conn->tx->deadlines[which - CONN_TX_TIMER_FIRST];
}

void timers_set(struct tcp_conn *conn, enum conn_timer which, uint64_t deadline_ns)
{
	*slot_of(conn, which) = deadline_ns;
	if (deadline_ns < conn->timer.deadline_ns)
		engine_arm(conn_engine(conn), &conn->timer, deadline_ns);
}

void timers_clear(struct tcp_conn *conn, enum conn_timer which)
{
	if (which < CONN_TX_TIMER_FIRST || conn->tx)
		*slot_of(conn, which) = TEE_NEVER;
}

void rto_limits_of(const struct tcp_conn *conn, struct rto_limits *ret_limits)
{
	const struct tee_config *config = conn_config(conn);

	ret_limits->initial_ns = config->tcp_rto_initial_ns;
	ret_limits->min_ns = config->tcp_rto_min_ns;
	ret_limits->max_ns = config->tcp_rto_max_ns;
}

/* The RTO in force, backed off; before there is a sender's half, that of the SYN. */
uint64_t timers_rto_ns(const struct tcp_conn *conn)
{
	unsigned same = conn->state == TEE_TCP_SYN_SENT ? conn_config(conn)->tcp_syn_linear_timeouts
							: 0;
	struct rto_limits limits;
	uint64_t rto;

	rto_limits_of(conn, &limits);
	if (conn->tx && conn_is_synchronized(conn))
		return rto_ns(&conn->tx->rto, &limits);
	rto = limits.initial_ns;
	/* RFC 6298 5.7: data begins more carefully after a SYN that timed out. */
	if (conn_is_synchronized(conn) && conn->syn_retries)
		rto = MAX(rto, 3 * TEE_NS_PER_S);
	for (unsigned i = same; i < conn->retries && rto < limits.max_ns; i++)
		rto *= 2;
	return MIN(rto, limits.max_ns);
}

uint64_t timers_first_rto_ns(const struct tcp_conn *conn, struct rto *ret_rto)
{
	struct rto_limits limits;

	rto_limits_of(conn, &limits);
	rto_init(ret_rto, &limits);
	if (conn->syn_rtt_ns)
		rto_sample(ret_rto, conn->syn_rtt_ns, conn->snd.una, conn->snd.una, conn_now(conn),
			   &limits);
	return rto_ns(ret_rto, &limits);
}

/* When the oldest unacknowledged data was sent: what a user timeout counts from (RFC 5482). */
static uint64_t stalled_since(const struct tcp_conn *conn)
{
	const struct send_record *first;

	if (!conn->tx)
		return conn->syn_sent_at_ns;
	if (conn->tx->first_timeout_at_ns)
		return conn->tx->first_timeout_at_ns;
	first = sendmap_first(&conn->tx->map);
	return first ? first->sent_at_ns : conn_now(conn);
}

void timers_arm_rto(struct tcp_conn *conn)
{
	uint64_t deadline = conn_now(conn) + timers_rto_ns(conn);
	uint32_t user_ms = conn->settings->s.user_timeout_ms;

	/* The user's limit may fall between two retransmissions. */
	if (user_ms && conn_is_synchronized(conn)) {
		uint64_t limit = stalled_since(conn) + user_ms * TEE_NS_PER_MS;

		deadline = MIN(deadline, MAX(limit, conn_now(conn) + TEE_NS_PER_MS));
	}
	timers_set(conn, CONN_RTO, deadline);
}

/* RFC 8985 7.2: the conditions, and min(PTO, time left of the RTO). */
static void arm_tail_probe(struct tcp_conn *conn)
{
	struct tcp_tx *tx = conn->tx;
	const struct tee_config *config = conn_config(conn);
	uint64_t pto;

	timers_clear(conn, CONN_TLP);
	if (!config->tcp_tlp || !config->tcp_rack || !conn_has(conn, CONN_HAS_SACK))
		return;
	if ((tx->recovery != TEE_RECOVERY_OPEN && tx->recovery != TEE_RECOVERY_CWR) ||
	    tx->map.sacked_bytes || tx->rack.tlp_end || sendmap_is_empty(&tx->map) ||
	    !conn_is_synchronized(conn))
		return;
	pto = tlp_timeout_ns(tx->rto.srtt_ns, config->tcp_rto_initial_ns, tx->map.segs == 1,
			     config->tcp_delack_max_ns);
	timers_set(conn, CONN_TLP, MIN(conn_now(conn) + pto, conn->deadlines[CONN_RTO]));
}

/*
 * RFC 6298 5.1: the timer runs while data is in flight. `is_retransmit`: of the first record, which starts
 * it anew.
 */
void timers_on_data_sent(struct tcp_conn *conn, bool is_retransmit)
{
	struct tcp_tx *tx = conn->tx;

	if (conn->snd.wnd == 0 && conn_is_synchronized(conn)) {
		/* A probe of the closed window: persist watches it, for as long as the peer
		   answers (MUST-37). */
		if (sendmap_first(&tx->map)->end - tx->map.una == 1) {
			timers_clear(conn, CONN_RTO);
			timers_on_blocked(conn);
			return;
		}
	}
	timers_clear(conn, CONN_PERSIST);
	if (!timers_armed(conn, CONN_RTO) || is_retransmit)
		timers_arm_rto(conn);
	if (!is_retransmit)
		arm_tail_probe(conn);
}

/* After an ACK was dealt with. `advanced`: SND.UNA moved, or SACKs show that the path is alive. */
void timers_on_progress(struct tcp_conn *conn, bool advanced)
{
	struct tcp_tx *tx = conn->tx;

	/* A probe that has not left yet has nothing to ask any more. */
	if (advanced || tx->map.sacked_bytes)
		conn->flags &= ~(uint32_t)CONN_TLP_DUE;
	if (sendmap_is_empty(&tx->map)) {
		timers_clear(conn, CONN_RTO);
		timers_clear(conn, CONN_TLP);
		timers_clear(conn, CONN_REORDER);
		tx->first_timeout_at_ns = 0;
		if (conn->snd.wnd)
			timers_clear(conn, CONN_PERSIST);
		if (conn_written(conn) > conn->snd.nxt)
			conn_mark_due(conn);
		return;
	}
	if (conn->snd.wnd == 0 && timers_armed(conn, CONN_PERSIST))
		return;
	if (conn->snd.wnd)
		timers_clear(conn, CONN_PERSIST);
	if (advanced) {
		tx->first_timeout_at_ns = 0;
		timers_arm_rto(conn);
		arm_tail_probe(conn);
	} else {
		if (!timers_armed(conn, CONN_RTO))
			timers_arm_rto(conn);
		if (tx->map.sacked_bytes || tx->recovery > TEE_RECOVERY_CWR)
			timers_clear(conn, CONN_TLP);
	}
}

/* SHLD-29, SHLD-30: the first probe after an RTO, then ever longer waits. */
void timers_on_blocked(struct tcp_conn *conn)
{
	const struct tee_config *config = conn_config(conn);
	uint32_t user_ms = conn->settings->s.user_timeout_ms;
	uint64_t wait, deadline;

	if (timers_armed(conn, CONN_PERSIST))
		return;
	if (conn->snd.una != conn->snd.nxt && conn->snd.wnd)
		return; /* what is in flight will bring an ACK */
	wait = timers_rto_ns(conn);
	for (unsigned i = 0; i < conn->tx->probe_backoff && wait < config->tcp_rto_max_ns; i++)
		wait *= 2;
	deadline = conn_now(conn) + MIN(wait, config->tcp_rto_max_ns);
	/* The user's limit on silence may fall between two probes. */
	if (user_ms && conn->tx->probe_count)
		deadline = MIN(deadline, MAX(conn->heard_at_ns + user_ms * TEE_NS_PER_MS,
					     conn_now(conn) + TEE_NS_PER_MS));
	timers_set(conn, CONN_PERSIST, deadline);
}

/* MUST-26: a probe only when nothing was heard for the interval. */
void timers_on_heard(struct tcp_conn *conn)
{
	conn->heard_at_ns = conn_now(conn);
	conn->keepalive_probes = 0;
}

void timers_on_established(struct tcp_conn *conn)
{
	timers_clear(conn, CONN_RTO);
	timers_clear(conn, CONN_LIMIT);
	conn->retries = 0;
	if (conn->settings->s.flags & TCP_SET_KEEPALIVE)
		timers_set(conn, CONN_KEEPALIVE,
			   conn_now(conn) + conn->settings->s.keepidle_ms * TEE_NS_PER_MS);
}
