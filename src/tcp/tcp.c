/* SPDX-License-Identifier: MIT */
/*
 * The protocol's entry and the life of a connection: made, marked due, ended, freed.
 *
 * A connection is found through the demux (one probe a segment), waits in tcp->due[netif] while it
 * has something to send, and leaves through conn_end(), which takes it out of every queue at once but
 * frees it only when the current entry is over (tcp_reap), so that no caller holds a dead pointer.
 *
 * Data comes in by tcp_protocol_input() (input.c), goes out by tcp_output(), time passes in
 * conn_expire() (expire.c). RFC 9293 sections 3.3 and 3.9.2.
 */
#include <stdlib.h>
#include <string.h>
#include "base/check.h"
#include "tcp/conn.h"
#include "tcp/isn.h"

static const struct net_protocol tcp_net_protocol = {
	.input = tcp_protocol_input,
	.icmp_error = tcp_icmp_error,
};

static void timewait_timer(void *context, struct timer *timer)
{
	struct tcp *tcp = context;

	engine_arm(tcp->engine, timer, timewait_expire(&tcp->timewait, tcp->engine->now_ns));
}

static void init_slabs(struct tcp *tcp)
{
	struct slab_arena *arena = &tcp->engine->arena;

	slab_init(&tcp->conns, arena, sizeof(struct tcp_conn));
	slab_init(&tcp->txs, arena, sizeof(struct tcp_tx));
	slab_init(&tcp->rxs, arena, sizeof(struct tcp_rx));
	slab_init(&tcp->requests4, arena, REQUEST_BYTES4);
	slab_init(&tcp->requests6, arena, REQUEST_BYTES6);
}

static void fini_slabs(struct tcp *tcp)
{
	slab_fini(&tcp->conns);
	slab_fini(&tcp->txs);
	slab_fini(&tcp->rxs);
	slab_fini(&tcp->requests4);
	slab_fini(&tcp->requests6);
}

struct tcp *tcp_new(struct net *net)
{
	struct tcp *tcp = calloc(1, sizeof(*tcp));
	struct engine *engine = net_engine(net);
	struct tcp_settings defaults;

	if (!tcp)
		return NULL;
	tcp->engine = engine;
	tcp->net = net;
	tcp->isn_secret = engine->secret;
	tcp->delack_min_ms = MAX(coarse_ms(engine->config.tcp_delack_min_ns), 1u);
	tcp->delack_max_ms = coarse_ms(engine->config.tcp_delack_max_ns);
	ecn_init(&tcp->ecn_off);
	demux_init(&tcp->demux, &engine->secret, &engine->config.memory);
	init_slabs(tcp);
	timewait_queue_init(&tcp->timewait, &tcp->demux, &engine->arena,
			    2 * engine->config.tcp_msl_ns, engine->config.timewait_max);
	timer_init(&tcp->timewait_timer, TIMER_TCP_TIMEWAIT);
	srcroutes_init(&tcp->srcroutes);
	metrics_init(&tcp->metrics, &engine->secret, engine->config.tcp_metrics_max,
		     engine->config.tcp_metrics_age_ns);
	list_init(&tcp->dead);
	for (unsigned i = 0; i < TCP_LISTENER_BUCKETS; i++) {
		list_init(&tcp->listeners[i]);
		list_init(&tcp->binds[i]);
	}
	for (unsigned i = 0; i < TCP_NETIF_MAX; i++)
		list_init(&tcp->due[i]);
	tcp_settings_init(&defaults, tcp);
	tcp->default_settings = settings_ref_new(&defaults);
	if (!tcp->default_settings) {
		free(tcp);
		return NULL;
	}
	engine_register_timer(engine, TIMER_TCP_TIMEWAIT, timewait_timer, tcp);
	engine_register_timer(engine, TIMER_TCP_CONN, conn_expire, tcp);
	engine_register_timer(engine, TIMER_TCP_REQUEST, request_expire, tcp);
	net_register(net, IP_PROTO_TCP, &tcp_net_protocol, tcp);
	return tcp;
}

int tcp_reserve(struct tcp *tcp, uint32_t connections, size_t *ret_pages)
{
	int result = hash_reserve(&tcp->demux.table, connections);

	if (result == 0)
		*ret_pages = slab_pages_for(&tcp->conns, connections);
	return result;
}

struct settings_ref *settings_ref_new(const struct tcp_settings *from)
{
	struct settings_ref *ref = malloc(sizeof(*ref));

	if (!ref)
		return NULL;
	ref->ref_count = 1;
	ref->s = *from;
	return ref;
}

struct settings_ref *settings_ref_for_open(struct tcp *tcp, const struct tcp_settings *from)
{
	struct settings_ref *last = tcp->open_settings;

	/* NOLINTNEXTLINE(bugprone-suspicious-memory-comparison): a difference in padding only means that nothing is shared */
	if (!last || memcmp(&last->s, from, sizeof(*from)) != 0) {
		settings_release(last);
		last = tcp->open_settings = settings_ref_new(from);
	}
	if (last)
		last->ref_count++;
	return last;
}

void settings_release(struct settings_ref *settings)
{
	if (settings && --settings->ref_count == 0)
		free(settings);
}

/* ---- a connection's life ---- */

struct tcp_conn *conn_new(struct tcp *tcp, const struct tcp_key *key, struct settings_ref *settings)
{
	struct tcp_conn *conn;

	if (tcp->conn_count >= tcp->engine->config.conn_max) {
		drop(tcp->engine, DROP_TCP_CONN_LIMIT);
		return NULL;
	}
	conn = slab_new_zeroed(&tcp->conns);
	if (!conn)
		return NULL;
	conn->node.key = *key;
	conn->node.kind = TCP_NODE_CONN;
	conn->node.netif = settings->s.netif;
	conn->tcp = tcp;
	conn->settings = settings;
	settings->ref_count++;
	list_init(&conn->due);
	list_init(&conn->accept_node);
	timer_init(&conn->timer, TIMER_TCP_CONN);
	for (unsigned i = 0; i < CONN_TX_TIMER_FIRST; i++)
		conn->deadlines[i] = TEE_NEVER;
	byteq_init(&conn->sndq, 1);
	byteq_init(&conn->rcvq, 1);
	conn->ts.offset = isn_ts_offset_again(&tcp->isn_secret, &tcp->ts_memo, key);
	conn->flags = CONN_QUICKACK;
	conn->heard_at_ns = tcp->engine->now_ns;
	conn->ecn = &tcp->ecn_off;
	receive_init_window(conn);
	tcp->conn_count++;
	return conn;
}

void conn_set_state(struct tcp_conn *conn, enum tee_tcp_state state)
{
	struct engine *engine = conn_engine(conn);

	if (trace_on(engine) && state != conn->state) {
		struct tee_trace trace = {
			.kind = TEE_TRACE_TCP_STATE,
			.state_from = conn->state,
			.state_to = state,
		};
		tcp_conn_names(conn, &trace.local, &trace.remote);
		trace_emit(engine, &trace);
	}
	if (state == TEE_TCP_ESTABLISHED && conn->state != TEE_TCP_ESTABLISHED)
		count(engine, COUNT_TCP_ESTABLISHED);
	conn->state = (uint8_t)state;
}

bool conn_is_synchronized(const struct tcp_conn *conn)
{
	return conn->state >= TEE_TCP_ESTABLISHED;
}

void tx_free(struct tcp *tcp, struct tcp_tx *tx)
{
	if (!tx)
		return;
	sendmap_fini(&tx->map);
	cc_fini(&tx->cc);
	free(tx->mtu);
	slab_free(&tcp->txs, tx);
}

static void rx_free(struct tcp *tcp, struct tcp_rx *rx)
{
	if (!rx)
		return;
	if (rx->ooo)
		reassembly_fini(rx->ooo);
	free(rx->ooo);
	tee_pkt_release(rx->syn_text);
	slab_free(&tcp->rxs, rx);
}

static void conn_free(struct tcp_conn *conn)
{
	byteq_clear(&conn->sndq);
	byteq_clear(&conn->rcvq);
	rx_free(conn->tcp, conn->rx);
	tx_free(conn->tcp, conn->tx);
	if (conn->ecn != &conn->tcp->ecn_off)
		free(conn->ecn);
	settings_release(conn->settings);
	slab_free(&conn->tcp->conns, conn);
}

/* For the next connection to this host (RFC 9040). */
static void save_metrics(struct tcp_conn *conn)
{
	const struct tcp_tx *tx = conn->tx;
	uint64_t ssthresh;

	if (!conn_config(conn)->tcp_metrics_save || !tx || !tx->rto.srtt_ns)
		return;
	ssthresh = tx->cc.ssthresh_bytes == CC_SSTHRESH_INFINITE ? 0 : tx->cc.ssthresh_bytes;
	metrics_save(&conn->tcp->metrics, &conn->node.key.remote_ip, tx->rto.srtt_ns,
		     tx->rto.rttvar_ns, ssthresh, conn_now(conn));
}

/* What was learned of this host: the round trip, until our own samples outweigh it, and where slow
   start had to stop. */
static void use_metrics(struct tcp_conn *conn, struct tcp_tx *tx, const struct rto_limits *limits)
{
	const struct metrics_entry *known;

	if (!conn_config(conn)->tcp_metrics_save)
		return;
	known = metrics_find(&conn->tcp->metrics, &conn->node.key.remote_ip, conn_now(conn));
	if (!known)
		return;
	rto_sample(&tx->rto, known->srtt_ns, conn->snd.una, conn->snd.nxt, conn_now(conn), limits);
	if (known->ssthresh_bytes && !tx->cc.ops->owns_recovery)
		tx->cc.ssthresh_bytes = MAX(known->ssthresh_bytes, 2u * tx->cc.mss);
}

/*
 * What waits for accept() is the application's already, reset or not: it may count on what select() promised
 * it, and read what came before.
 */
static bool is_kept_for_accept(const struct tcp_conn *conn)
{
	return conn_has(conn, CONN_QUEUED_FOR_ACCEPT);
}

/* Out of every queue but the list of the dead. */
static void conn_unlink(struct tcp_conn *conn)
{
	struct tcp *tcp = conn->tcp;

	if (conn_has(conn, CONN_SOURCE_ROUTED))
		srcroutes_forget(&tcp->srcroutes, &conn->node.stub);
	save_metrics(conn);
	engine_disarm(tcp->engine, &conn->timer);
	for (unsigned i = 0; i < CONN_TIMER_COUNT; i++)
		if (timers_armed(conn, i))
			timers_clear(conn, i);
	list_remove(&conn->due);
	ack_notes_free(conn);
	if (!is_kept_for_accept(conn))
		listen_forget(conn);
	ports_unbind(tcp, conn->bind);
	conn->bind = NULL;
	tcp->conn_count--;
}

/* MUST-12: the application is told, unless it is gone. */
void conn_end(struct tcp_conn *conn, int error)
{
	struct tcp *tcp = conn->tcp;

	if (conn->state == TEE_TCP_CLOSED)
		return;
	conn_set_state(conn, TEE_TCP_CLOSED);
	demux_remove(&tcp->demux, &conn->node.stub);
	conn_unlink(conn);
	if (error)
		conn->error = (uint8_t)error;
	if (conn->source) {
		/* The socket still holds us: what was received in order stays readable, unless the
		   connection was reset (RFC 9293 3.10.7.4, second: "all queues flushed"). */
		byteq_clear(&conn->sndq);
		conn_raise(conn, TEE_EV_READABLE | TEE_EV_WRITABLE | TEE_EV_HUP | TEE_EV_RDHUP |
					 (error ? TEE_EV_ERROR : 0u));
		return;
	}
	if (!is_kept_for_accept(conn))
		list_push_back(&tcp->dead, &conn->due);
}

/*
 * TIME-WAIT lives on in 40 or 64 bytes. A socket that is still open keeps the connection struct as a
 * husk in state TIME-WAIT, for its names and unread data.
 */
void conn_enter_timewait(struct tcp_conn *conn)
{
	struct tcp *tcp = conn->tcp;
	struct timewait *tw;

	count(tcp->engine, COUNT_TCP_TIMEWAIT);
	tw = timewait_new(&tcp->timewait, &conn->node, conn_snd_seq(conn, conn->snd.nxt),
			  conn_rcv_seq(conn, conn->rcv.nxt), conn_has(conn, CONN_HAS_TS),
			  conn->ts.recent, conn_now(conn));
	if (!tw) {
		conn_end(conn, 0);
		return;
	}
	demux_replace(&tcp->demux, &conn->node.stub, &tw->stub);
	if (!timer_is_armed(&tcp->timewait_timer))
		engine_arm(tcp->engine, &tcp->timewait_timer,
			   timewait_expire(&tcp->timewait, conn_now(conn)));
	/* The ACK of the peer's FIN is owed by the connection that goes: it leaves as a packet. */
	if (conn->ack_why) {
		struct tcp_header header = {
			.flags = TEE_TCP_ACK,
			.seq = conn_snd_seq(conn, conn->snd.nxt),
			.ack = conn_rcv_seq(conn, conn->rcv.nxt),
			.window = header_window(conn, conn->rcv.nxt),
		};
		if (conn_has(conn, CONN_HAS_TS)) {
			header.options.has_ts = true;
			header.options.ts_val = tstamp_val(&conn->ts, conn_now(conn));
			header.options.ts_ecr = conn->ts.recent;
		}
		conn->segs_out++;
		reply_segment(tcp, &conn->node.stub, &header, conn->settings->s.tos,
			      conn->settings->s.ttl, conn->ack_why);
		conn->ack_why = 0;
	}
	conn_set_state(conn, TEE_TCP_TIME_WAIT);
	conn_unlink(conn);
	if (conn->source)
		conn_raise(conn, TEE_EV_READABLE | TEE_EV_WRITABLE | TEE_EV_HUP | TEE_EV_RDHUP);
	else if (!is_kept_for_accept(conn))
		list_push_back(&tcp->dead, &conn->due);
}

void tcp_free_dead(struct tcp *tcp)
{
	struct list *node;

	while ((node = list_pop_front(&tcp->dead)))
		conn_free(CONTAINER_OF(node, struct tcp_conn, due));
}

void tcp_free(struct tcp *tcp)
{
	struct list doomed, *at;
	size_t cursor = 0;
	struct tcp_stub *node;

	if (!tcp)
		return;
	tcp_reap(tcp);
	for (unsigned i = 0; i < TCP_LISTENER_BUCKETS; i++) {
		while (!list_is_empty(&tcp->listeners[i]))
			tcp_listener_close(
				CONTAINER_OF(tcp->listeners[i].next, struct tcp_listener, node));
	}
	/* First all, then each: the table must not change under the walk. */
	list_init(&doomed);
	tcp->demux.table.holds_size = true;
	while ((node = hash_next(&tcp->demux.table, &cursor))) {
		if (node->kind != TCP_NODE_CONN)
			continue;
		struct tcp_conn *conn = CONTAINER_OF(node, struct tcp_conn, node.stub);
		list_remove(&conn->due);
		list_push_back(&doomed, &conn->due);
	}
	while ((at = list_pop_front(&doomed))) {
		struct tcp_conn *conn = CONTAINER_OF(at, struct tcp_conn, due);
		conn->source = NULL;
		conn_end(conn, 0);
	}
	tcp_reap(tcp);
	timewait_queue_fini(&tcp->timewait);
	engine_disarm(tcp->engine, &tcp->timewait_timer);
	ports_free_all(tcp);
	fastopen_free(tcp->fastopen);
	free(tcp->spare_notes);
	metrics_fini(&tcp->metrics);
	srcroutes_fini(&tcp->srcroutes);
	demux_fini(&tcp->demux);
	fini_slabs(tcp);
	settings_release(tcp->default_settings);
	settings_release(tcp->open_settings);
	free(tcp);
}

/* ---- marks ---- */

void conn_raise(struct tcp_conn *conn, unsigned bits)
{
	if (conn->source)
		event_raise(conn_engine(conn), conn->source, bits);
}

static bool has_unsent(const struct tcp_conn *conn)
{
	return conn_written(conn) > conn->snd.nxt || conn_has(conn, CONN_FIN_QUEUED | CONN_SYN_DUE);
}

/* Puts the connection where its netif's tcp_output() finds it. */
void conn_mark_due(struct tcp_conn *conn)
{
	struct tcp *tcp = conn->tcp;

	if (list_is_linked(&conn->due) || conn->state == TEE_TCP_CLOSED ||
	    conn->state == TEE_TCP_TIME_WAIT)
		return;
	if (!conn->path.netif || conn->path.generation != net_generation(tcp->net)) {
		struct netif *was = conn->path.netif;

		if (conn_find_path(conn) < 0) {
			/* No way out for now: the retransmission timer will try again, or, where nothing has
			   left yet and no interface's output will ask, the pacing timer. */
			conn->path.netif = was;
			if (!was) {
				if (has_unsent(conn) && !timers_armed(conn, CONN_PACE))
					timers_set(conn, CONN_PACE,
						   conn_now(conn) + timers_rto_ns(conn));
				return;
			}
		} else if (conn->path.mtu != conn->snd.mtu_seen && conn_is_synchronized(conn)) {
			conn_update_mss(conn);
		}
	}
	list_push_back(&tcp->due[netif_number(conn->path.netif)], &conn->due);
}

void conn_ack_now(struct tcp_conn *conn, enum tee_why why)
{
	if (!conn->ack_why)
		conn->ack_why = (uint16_t)why;
	conn_mark_due(conn);
}

/*
 * The sender's half. The window, RTT and controller start here, with what the handshake measured.
 */
struct tcp_tx *tx_get(struct tcp_conn *conn)
{
	struct tcp_tx *tx = conn->tx;
	const struct tee_config *config = conn_config(conn);
	struct rto_limits limits;
	uint32_t initial_segs = config->tcp_initial_cwnd_segs;

	if (tx)
		return tx;
	tx = slab_new_zeroed(&conn->tcp->txs);
	if (!tx)
		return NULL;
	/* RFC 6298 5.7, RFC 5681 3.1: a lost SYN or SYN-ACK means an initial window of one segment. */
	if (conn->syn_retries > 1)
		initial_segs = 1;
	if (cc_init(&tx->cc, conn->settings->s.cc, conn->snd.mss ? conn->snd.mss : 536,
		    initial_segs, config, conn_now(conn)) < 0) {
		slab_free(&conn->tcp->txs, tx);
		return NULL;
	}
	for (unsigned i = 0; i < ARRAY_LEN(tx->deadlines); i++)
		tx->deadlines[i] = TEE_NEVER;
	sendmap_init(&tx->map, MAX(conn->snd.una, 1));
	rto_limits_of(conn, &limits);
	/* RFC 6298 5.7: a SYN that timed out says that a second may be too little here. */
	if (conn->syn_retries)
		limits.initial_ns = MAX(limits.initial_ns, 3 * TEE_NS_PER_S);
	rto_init(&tx->rto, &limits);
	use_metrics(conn, tx, &limits);
	if (conn->syn_rtt_ns)
		rto_sample(&tx->rto, conn->syn_rtt_ns, conn->snd.una, conn->snd.nxt, conn_now(conn),
			   &limits);
	rack_init(&tx->rack);
	rate_init(&tx->rate, conn_now(conn));
	pacer_init(&tx->pacer);
	tx->pacer.max_rate = conn->settings->s.pacing_rate_max;
	/* The first flight keeps to a rate too. */
	if (tx->cc.ops->wants_pacing || config->tcp_pacing || tx->pacer.max_rate != UINT64_MAX)
		pacer_update(&tx->pacer, tx->cc.pacing_rate, tx->cc.cwnd_bytes, tx->rto.srtt_ns,
			     true);
	tx->reordering_segs = config->tcp_dupack_threshold;
	tx->undo_retrans_segs = -1;
	if (config->tcp_mtu_probing == 2)
		(void)mtu_search_start(tx, config->tcp_base_mss);
	conn->tx = tx;
	return tx;
}

/* The receiver's half: its measurements begin with what is read next. */
struct tcp_rx *rx_get(struct tcp_conn *conn)
{
	struct tcp_rx *rx = conn->rx;

	if (rx)
		return rx;
	rx = slab_new_zeroed(&conn->tcp->rxs);
	if (!rx)
		return NULL;
	rx->space_mark = conn->rcvq.start;
	conn->rx = rx;
	return rx;
}

void conn_set_ecn(struct tcp_conn *conn, const struct ecn *ecn)
{
	struct ecn *off = &conn->tcp->ecn_off;

	if (conn->ecn == off && ecn->mode != ECN_MODE_OFF)
		conn->ecn = malloc(sizeof(*ecn));
	if (!conn->ecn)
		conn->ecn = off;
	if (conn->ecn != off)
		*conn->ecn = *ecn;
}

/* ---- output, pulled ---- */

bool tcp_has_output(const struct tcp *tcp, const struct netif *netif)
{
	return !list_is_empty(&tcp->due[netif_number(netif)]);
}

/*
 * There is no way out for now. The retransmission timer comes back to what is in flight; what was
 * never sent is tried again at the same growing distance, and as often.
 */
static void path_lost(struct tcp_conn *conn)
{
	const struct tee_config *config = conn_config(conn);
	unsigned most = conn_has(conn, CONN_IS_ORPHAN) ? orphan_retries(config)
						       : config->tcp_retries2;
	uint64_t wait = timers_rto_ns(conn) << MIN(conn->retries, 16);

	list_remove(&conn->due);
	if (timers_armed(conn, CONN_RTO) ||
	    (conn_written(conn) <= conn->snd.nxt && !conn_has(conn, CONN_FIN_QUEUED)))
		return;
	if (conn->retries >= most) {
		conn_end(conn, TEE_ENETUNREACH);
		return;
	}
	conn->retries++;
	timers_set(conn, CONN_PACE, conn_now(conn) + MIN(wait, config->tcp_rto_max_ns));
}

/* Routes changed: false when the connection now leaves by another netif, or by none. */
static bool path_follow(struct tcp_conn *conn, struct netif *netif)
{
	if (conn_find_path(conn) < 0) {
		conn->path.netif = netif;
		path_lost(conn);
		return false;
	}
	if (conn->path.mtu != conn->snd.mtu_seen && conn_is_synchronized(conn))
		conn_update_mss(conn);
	if (conn->path.netif == netif)
		return true;
	list_remove(&conn->due);
	conn_mark_due(conn);
	return false;
}

enum { OUTPUT_BURST = 8 };

unsigned tcp_output(struct tcp *tcp, struct netif *netif, struct tee_frame *frames, unsigned n)
{
	struct list *due = &tcp->due[netif_number(netif)];
	unsigned filled = 0;

	while (filled < n && !list_is_empty(due)) {
		struct tcp_conn *conn = CONTAINER_OF(due->next, struct tcp_conn, due);
		unsigned burst = 0;

		if (conn->path.generation != net_generation(tcp->net) && !path_follow(conn, netif))
			continue;
		while (filled < n && burst < OUTPUT_BURST && output_frame(conn, &frames[filled])) {
			/* A frame of length 0 was kept for the neighbour, or dropped. */
			if (frames[filled].len)
				filled++;
			burst++;
			if (conn->state == TEE_TCP_CLOSED ||
			    (burst < OUTPUT_BURST && filled < n && output_has_ended(conn)))
				break;
		}
		if (conn->state == TEE_TCP_CLOSED || conn->state == TEE_TCP_TIME_WAIT)
			continue;
		list_remove(&conn->due);
		/* Round robin: who may still have something goes to the end of the line. */
		if (burst == OUTPUT_BURST || filled == n)
			conn_mark_due(conn);
	}
	tcp_reap(tcp);
	return filled;
}

/* ---- checks ---- */

/* What holds of a sender whenever it is at rest. */
static void check_sender(const struct tcp_conn *conn)
{
	const struct tcp_tx *tx = conn->tx;
	bool is_reducing =
		(tx->recovery == TEE_RECOVERY_CWR || tx->recovery == TEE_RECOVERY_RECOVERY) &&
		tx->cc.prior_cwnd_bytes;
	/* RFC 6582 3.2: then duplicate ACKs count as delivered, and yet nothing is taken off the flight for them. */
	bool is_held = !conn_has(conn, CONN_HAS_SACK) && conn->snd.una >= tx->recover;

	sendmap_check(&tx->map);
	cc_check(&tx->cc);
	CHECK(tx->map.nxt == MAX(conn->snd.nxt, 1));
	CHECK(tx->map.una == MAX(conn->snd.una, 1));
	/* RFC 9937: a reduction leads from what was in flight to ssthresh. */
	if (is_reducing && !is_held && !tx->cc.ops->owns_recovery)
		CHECK(tx->cc.cwnd_bytes <= MAX(MAX(tx->prr.recover_fs_bytes, tx->cc.ssthresh_bytes),
					       conn->snd.nxt - conn->snd.una) +
						   2 * tx->cc.mss);
	/* RFC 6298 5.1: something watches over what is in flight, or nothing would ever come of it. */
	if (conn_is_synchronized(conn) && conn->state != TEE_TCP_CLOSED &&
	    !sendmap_is_empty(&tx->map))
		CHECK(timers_armed(conn, CONN_RTO) || timers_armed(conn, CONN_PERSIST) ||
		      timers_armed(conn, CONN_PACE) || !list_is_empty(&conn->due));
}

void conn_check(const struct tcp_conn *conn)
{
	byteq_check(&conn->sndq);
	byteq_check(&conn->rcvq);
	CHECK(conn->snd.una <= conn->snd.nxt);
	CHECK(conn->snd.wnd <= conn->snd.wnd_max);
	CHECK(conn->state != TEE_TCP_LISTEN);
	if (conn->tx)
		check_sender(conn);
	else if (bare_fin_is_out(conn) && conn->state != TEE_TCP_CLOSED)
		CHECK(timers_armed(conn, CONN_RTO));
	if (conn_ooo(conn)) {
		reassembly_check(conn_ooo(conn));
		struct rb_node *first = rb_first(&conn_ooo(conn)->tree);
		if (first)
			CHECK(CONTAINER_OF(first, struct ooo_range, node)->bytes.start >
			      conn->rcv.nxt);
	}
	if (!conn_has(conn, CONN_FIN_RECEIVED))
		CHECK(conn->rcvq.end == MAX(conn->rcv.nxt, 1));
	for (unsigned i = 0; i < CONN_TIMER_COUNT; i++)
		CHECK(conn->timer.deadline_ns <= conn_deadline(conn, i));
}

void tcp_check(const struct tcp *tcp)
{
	size_t cursor = 0;
	struct tcp_stub *node;
	uint32_t conns = 0;

	while ((node = hash_next(&tcp->demux.table, &cursor))) {
		if (node->kind != TCP_NODE_CONN)
			continue;
		conn_check(CONTAINER_OF(node, struct tcp_conn, node.stub));
		conns++;
	}
	CHECK(conns == tcp->conn_count);
	timer_wheel_check(&tcp->engine->wheel);
}
