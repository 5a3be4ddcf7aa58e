/* SPDX-License-Identifier: MIT */
/*
 * What happens when a deadline of a connection comes; timers.c decides when. The order of the table
 * matters where two come at once: a tail loss probe goes before the timeout it may spare.
 *
 * Giving up (RFC 9293 3.8.3): R1 timeouts in a row give IP negative advice (MUST-20); R2 end the connection with
 * an error. R2 is counted as the time that tcp_retries2 doublings from the least RTO would take, so
 * that a path with a long RTO is not waited for half an hour.
 */
#include "tcp/conn.h"

/* Time after which `retries` doublings from rto_min, capped at rto_max, are over. */
static uint64_t retries_time(const struct tee_config *config, unsigned retries)
{
	uint64_t rto = config->tcp_rto_min_ns, sum = 0;

	for (unsigned i = 0; i <= retries; i++) {
		sum += rto;
		rto = MIN(rto * 2, config->tcp_rto_max_ns);
	}
	return sum;
}

unsigned orphan_retries(const struct tee_config *config)
{
	return config->tcp_orphan_retries ? config->tcp_orphan_retries : 8;
}

static bool gave_up(const struct tcp_conn *conn)
{
	const struct tee_config *config = conn_config(conn);
	const struct tcp_settings *s = &conn->settings->s;
	uint64_t stalled = conn_now(conn) - conn->tx->first_timeout_at_ns;

	if (s->user_timeout_ms) /* MUST-21 */
		return stalled >= s->user_timeout_ms * TEE_NS_PER_MS;
	if (conn_has(conn, CONN_IS_ORPHAN))
		return conn->retries >= orphan_retries(config);
	return conn->retries && stalled >= retries_time(config, config->tcp_retries2);
}

static void give_up(struct tcp_conn *conn)
{
	count(conn_engine(conn), COUNT_TCP_ABORT_TIMEOUT);
	conn_end(conn, conn->soft_error ? conn->soft_error : TEE_ETIMEDOUT);
}

/* A SYN or SYN-ACK unanswered (MUST-22, MUST-23). */
static void expire_syn(struct tcp_conn *conn)
{
	const struct tee_config *config = conn_config(conn);
	unsigned most = conn->state == TEE_TCP_SYN_SENT
				? conn->settings->s.syn_retries + config->tcp_syn_linear_timeouts
				: config->tcp_synack_retries;

	if (conn->retries >= most) {
		give_up(conn);
		return;
	}
	conn->retries++;
	conn->syn_retries++;
	conn->flags |= CONN_SYN_DUE;
	if (conn->retries == config->tcp_retries1)
		net_path_doubt(conn->tcp->net, &conn->path);
	timers_arm_rto(conn);
	conn_mark_due(conn);
}

static void expire_rto(struct tcp_conn *conn)
{
	struct tcp_tx *tx = conn->tx;
	const struct tee_config *config = conn_config(conn);
	bool window_shut;

	if (!conn_is_synchronized(conn)) {
		expire_syn(conn);
		return;
	}
	if (!tx || sendmap_is_empty(&tx->map))
		return;
	if (!tx->first_timeout_at_ns)
		tx->first_timeout_at_ns = MAX(sendmap_first(&tx->map)->sent_at_ns, 1);
	/* SHLD-17: a peer that answers but took its window back is not given up. */
	window_shut = conn->snd.wnd == 0 &&
		      conn_now(conn) - conn->heard_at_ns < 2 * config->tcp_rto_max_ns;
	if (!window_shut && gave_up(conn)) {
		give_up(conn);
		return;
	}
	count(conn_engine(conn), COUNT_TCP_RTO);
	tx->total_rto++;
	recovery_on_rto(conn);
	if (conn->retries < UINT8_MAX)
		conn->retries++;
	if (conn->retries >= config->tcp_retries1 && !conn_has(conn, CONN_R1_REPORTED)) {
		conn->flags |= CONN_R1_REPORTED;
		net_path_doubt(conn->tcp->net, &conn->path);
	}
	if (conn->retries >= config->tcp_retries1)
		mtu_search_suspect(conn);
	rto_back_off(&tx->rto); /* RFC 6298 5.5 */
	timers_clear(conn, CONN_TLP);
	timers_clear(conn, CONN_REORDER);
	timers_arm_rto(conn);
	conn_mark_due(conn);
}

static void expire_tlp(struct tcp_conn *conn)
{
	if (!conn->tx || conn->tx->rack.tlp_end || sendmap_is_empty(&conn->tx->map))
		return;
	conn->flags |= CONN_TLP_DUE;
	conn_mark_due(conn);
}

static void expire_reorder(struct tcp_conn *conn)
{
	if (conn->tx)
		recovery_on_reorder_timer(conn);
}

/*
 * The window stays closed. MUST-37: for as long as the peer acknowledges probes, which resets
 * probe_count; unanswered they end like retransmissions.
 */
static void expire_persist(struct tcp_conn *conn)
{
	struct tcp_tx *tx = tx_get(conn);
	const struct tee_config *config = conn_config(conn);
	uint64_t silent = conn_now(conn) - conn->heard_at_ns;
	uint32_t user_ms = conn->settings->s.user_timeout_ms;
	unsigned most = conn_has(conn, CONN_IS_ORPHAN) ? orphan_retries(config)
						       : config->tcp_retries2;

	if (!tx)
		return;
	/* An application may wait for ever; a connection that nobody holds any more may not, even if
	   the peer answers, or anybody could make us keep any number of them. */
	if ((conn_has(conn, CONN_IS_ORPHAN) ? tx->probe_backoff : tx->probe_count) >= most ||
	    (user_ms && tx->probe_count && silent >= user_ms * TEE_NS_PER_MS)) {
		give_up(conn);
		return;
	}
	if (conn->snd.wnd == 0 && tx->probe_count < UINT8_MAX)
		tx->probe_count++;
	if (conn->snd.wnd == 0 && tx->probe_backoff < UINT8_MAX)
		tx->probe_backoff++;
	conn->flags |= CONN_PROBE_DUE;
	conn_mark_due(conn);
}

static void expire_delack(struct tcp_conn *conn)
{
	if (conn->rcv.nxt == conn->rcv.acked)
		return;
	/* The guess that our data would carry the ACK was wrong: be quicker, or wait longer for more. */
	if (conn_has(conn, CONN_PINGPONG)) {
		conn->flags &= ~(uint32_t)CONN_PINGPONG;
		conn->rcv.ato_ms = MAX(coarse_ms(conn_config(conn)->tcp_delack_min_ns), 1u);
	} else {
		conn->rcv.ato_ms =
			MIN(conn->rcv.ato_ms * 2, coarse_ms(conn_config(conn)->tcp_delack_max_ns));
	}
	count(conn_engine(conn), COUNT_TCP_DELAYED_ACKS);
	conn_ack_now(conn, TEE_WHY_ACK_DELAYED);
}

static void expire_keepalive(struct tcp_conn *conn)
{
	const struct tcp_settings *s = &conn->settings->s;
	uint64_t now = conn_now(conn), silent = now - conn->heard_at_ns;
	uint64_t idle = s->keepidle_ms * TEE_NS_PER_MS, interval = s->keepintvl_ms * TEE_NS_PER_MS;

	if (!(s->flags & TCP_SET_KEEPALIVE))
		return;
	/* Data in flight or waiting has timers of its own. */
	if (conn->snd.una != conn->snd.nxt || byteq_len(&conn->sndq) || silent < idle) {
		uint64_t next = silent < idle ? idle - silent : idle;

		timers_set(conn, CONN_KEEPALIVE, now + next);
		return;
	}
	/* MUST-29: one lost answer is not the end. */
	if ((s->user_timeout_ms && conn->keepalive_probes &&
	     silent >= s->user_timeout_ms * TEE_NS_PER_MS) ||
	    (!s->user_timeout_ms && conn->keepalive_probes >= s->keepcnt)) {
		count(conn_engine(conn), COUNT_TCP_ABORT_TIMEOUT);
		conn_abort(conn, conn->soft_error ? conn->soft_error : TEE_ETIMEDOUT,
			   TEE_WHY_RST_TIMEOUT);
		return;
	}
	conn->keepalive_probes++;
	conn->flags |= CONN_KEEPALIVE_DUE;
	timers_set(conn, CONN_KEEPALIVE, now + MAX(interval, TEE_NS_PER_MS));
	conn_mark_due(conn);
}

static void expire_pace(struct tcp_conn *conn)
{
	conn_mark_due(conn);
	if (conn->tx)
		pacer_on_timer(&conn->tx->pacer, conn_now(conn));
	if (conn->path.netif)
		return;
	/* Since it began there has been no way out: as often as a retransmission would be tried. */
	if (conn->retries >= conn_config(conn)->tcp_retries2)
		conn_end(conn, TEE_ENETUNREACH);
	else
		conn->retries++;
}

static void expire_limit(struct tcp_conn *conn)
{
	switch (conn->state) {
	case TEE_TCP_SYN_SENT:
	case TEE_TCP_SYN_RECEIVED: give_up(conn); return;
	case TEE_TCP_FIN_WAIT_2:
		/* Nobody is there to read, and the peer won't close: an orphan need not wait for ever. */
		conn_end(conn, 0);
		return;
	default: return;
	}
}

/* A FIN without a sender's half, and no memory for one: its timeouts count, though nothing is sent again. */
static void expire_bare_fin(struct tcp_conn *conn)
{
	if (conn_deadline(conn, CONN_RTO) > conn_now(conn))
		return;
	if (conn->retries >= orphan_retries(conn_config(conn))) {
		give_up(conn);
		return;
	}
	conn->retries++;
	conn->deadlines[CONN_RTO] = conn_now(conn) + bare_fin_rto_ns(conn);
}

static void (*const expire_table[CONN_TIMER_COUNT])(struct tcp_conn *) = {
	[CONN_RTO] = expire_rto,         [CONN_TLP] = expire_tlp,
	[CONN_REORDER] = expire_reorder, [CONN_PERSIST] = expire_persist,
	[CONN_DELACK] = expire_delack,   [CONN_KEEPALIVE] = expire_keepalive,
	[CONN_PACE] = expire_pace,       [CONN_LIMIT] = expire_limit,
};

/* The tail loss probe and the reordering timer go before the timeout, which they may put off. */
static const uint8_t expire_order[CONN_TIMER_COUNT] = {
	CONN_TLP,    CONN_REORDER,   CONN_RTO,  CONN_PERSIST,
	CONN_DELACK, CONN_KEEPALIVE, CONN_PACE, CONN_LIMIT,
};

void conn_expire(void *context, struct timer *timer)
{
	struct tcp *tcp = context;
	struct tcp_conn *conn = CONTAINER_OF(timer, struct tcp_conn, timer);
	uint64_t now = conn_now(conn), next = TEE_NEVER;

	if (bare_fin_is_out(conn) && !bare_fin_grow(conn)) {
		expire_bare_fin(conn);
		if (conn->state == TEE_TCP_CLOSED) {
			tcp_reap(tcp);
			return;
		}
	}
	for (unsigned i = 0; i < CONN_TIMER_COUNT; i++) {
		enum conn_timer which = expire_order[i];

		if (conn_deadline(conn, which) > now)
			continue;
		timers_clear(conn, which);
		/* A probe replaces the timeout that came at the same instant. */
		if (which == CONN_TLP && conn->deadlines[CONN_RTO] <= now)
			conn->deadlines[CONN_RTO] = now + timers_rto_ns(conn);
		expire_table[which](conn);
		if (conn->state == TEE_TCP_CLOSED || conn->state == TEE_TCP_TIME_WAIT) {
			tcp_reap(tcp);
			return;
		}
	}
	for (unsigned i = 0; i < CONN_TIMER_COUNT; i++)
		next = MIN(next, conn_deadline(conn, i));
	engine_arm(tcp->engine, timer, next);
}
