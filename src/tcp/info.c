/* SPDX-License-Identifier: MIT */
/* What a connection tells of itself (tcp_info), and the walk over all of them for ss. */
#include <string.h>
#include "tcp/conn.h"

/* The clock that runs now has not been read yet. */
static void info_of_limits(const struct tcp_conn *conn, struct tee_tcp_info *info)
{
	const struct tcp_tx *tx = conn->tx;
	uint64_t running = conn_now(conn) - tx->limit_since_ns;

	info->busy_ns = tx->busy_ns + (tx->limit_kind == TX_IDLE ? 0 : running);
	info->rwnd_limited_ns = tx->rwnd_limited_ns +
				(tx->limit_kind == TX_RWND_LIMITED ? running : 0);
	info->sndbuf_limited_ns = tx->sndbuf_limited_ns +
				  (tx->limit_kind == TX_SNDBUF_LIMITED ? running : 0);
}

static void info_of_tx(const struct tcp_conn *conn, struct tee_tcp_info *info)
{
	const struct tcp_tx *tx = conn->tx;
	uint32_t mss = MAX(tx->cc.mss, 1u);

	info->recovery_state = (enum tee_recovery_state)tx->recovery;
	info->probes = tx->probe_count;
	/* SHLD-9: who wants to know of retransmissions that go unanswered finds them here. */
	info->backoff = (uint8_t)MIN(tx->rto.backoff, 255u);
	info->rtt_ns = tx->rto.srtt_ns;
	info->rttvar_ns = tx->rto.rttvar_ns;
	info->min_rtt_ns = rto_min_rtt_ns(&tx->rto);
	info->unacked_segs = tx->map.segs;
	info->sacked_segs = conn_has(conn, CONN_HAS_SACK) ? tx->map.sacked_segs : tx->dupacks;
	info->lost_segs = tx->map.lost_segs;
	info->retrans_out_segs = tx->map.retrans_segs;
	info->reordering_segs = tx->reordering_segs;
	info->reord_seen = tx->reord_seen;
	info->cwnd_bytes = tx->cc.cwnd_bytes;
	info->ssthresh_bytes = tx->cc.ssthresh_bytes;
	info->snd_cwnd_segs = (uint32_t)(tx->cc.cwnd_bytes / mss);
	info->snd_ssthresh_segs = tx->cc.ssthresh_bytes == CC_SSTHRESH_INFINITE
					  ? 0x7fffffff
					  : (uint32_t)(tx->cc.ssthresh_bytes / mss);
	info->pacing_rate = tx->pacer.rate ? tx->pacer.rate : UINT64_MAX;
	if (tx->rate.last_interval_ns)
		info->delivery_rate = tx->rate.last_bytes * 1000000u /
				      MAX(tx->rate.last_interval_ns / 1000, 1u);
	info->delivery_rate_app_limited = tx->rate.last_app_limited;
	info->bytes_retrans = tx->bytes_retrans;
	info_of_limits(conn, info);
	info->total_retrans_segs = tx->total_retrans_segs;
	info->delivered_segs = tx->delivered_segs;
	info->dsack_dups_segs = tx->dsack_dups;
	info->total_rto = tx->total_rto;
	info->total_rto_recoveries = tx->total_rto_recoveries;
	info->total_rto_time_ns = tx->rto_time_ns;
	if (tx->rto_since_ns)
		info->total_rto_time_ns += conn_now(conn) - tx->rto_since_ns;
}

/* Before there is a sender's half: what it will start from. */
static void info_without_tx(const struct tcp_conn *conn, struct tee_tcp_info *info)
{
	const struct tee_config *config = conn_config(conn);
	struct rto rto;

	if (conn_is_synchronized(conn) && conn->syn_rtt_ns)
		info->rto_ns = timers_first_rto_ns(conn, &rto);
	info->unacked_segs = conn->snd.nxt != conn->snd.una; /* a SYN, or a FIN */
	info->rtt_ns = conn->syn_rtt_ns;
	info->min_rtt_ns = conn->syn_rtt_ns;
	info->rttvar_ns = conn->syn_rtt_ns / 2;
	info->snd_cwnd_segs = conn->syn_retries > 1 ? 1 : config->tcp_initial_cwnd_segs;
	info->cwnd_bytes = (uint64_t)info->snd_cwnd_segs * conn->snd.mss;
	info->snd_ssthresh_segs = 0x7fffffff;
	info->ssthresh_bytes = CC_SSTHRESH_INFINITE;
	info->reordering_segs = config->tcp_dupack_threshold;
	info->pacing_rate = UINT64_MAX;
}

static unsigned info_options(const struct tcp_conn *conn)
{
	unsigned options = 0;

	if (conn_has(conn, CONN_HAS_TS))
		options |= TEE_TCP_HAS_TIMESTAMPS;
	if (conn_has(conn, CONN_HAS_SACK))
		options |= TEE_TCP_HAS_SACK;
	if (conn_has(conn, CONN_HAS_WSCALE))
		options |= TEE_TCP_HAS_WSCALE;
	if (conn->ecn->mode == ECN_MODE_CLASSIC)
		options |= TEE_TCP_HAS_ECN;
	if (conn->ecn->mode == ECN_MODE_ACCURATE)
		options |= TEE_TCP_HAS_ACCECN;
	if (conn->ecn->seen_ect)
		options |= TEE_TCP_ECN_SEEN;
	if (conn_has(conn, CONN_SYN_DATA_ACKED))
		options |= TEE_TCP_SYN_DATA;
	return options;
}

static void info_of_receiver(const struct tcp_conn *conn, struct tee_tcp_info *info)
{
	uint32_t now = coarse_ms(conn_now(conn));

	info->ato_ns = conn->rcv.ato_ms * TEE_NS_PER_MS;
	info->rcv_rtt_ns = conn->rx ? conn->rx->rtt_ns : 0;
	info->rcv_mss = conn->rcv.mss;
	info->rcv_space = conn->rx && conn->rx->space_bytes ? conn->rx->space_bytes : conn->rcv.buf;
	info->rcv_ssthresh = conn->rcv.buf;
	info->rcv_wnd = (uint32_t)(conn->rcv.adv - MIN(conn->rcv.adv, conn->rcv.nxt));
	info->last_data_sent_ago_ns = (now - conn->last_data_sent_ms) * TEE_NS_PER_MS;
	info->last_ack_sent_ago_ns = (now - conn->last_ack_sent_ms) * TEE_NS_PER_MS;
	info->last_data_recv_ago_ns = (now - conn->rcv.last_data_ms) * TEE_NS_PER_MS;
	info->last_ack_recv_ago_ns = (now - conn->rcv.last_ack_ms) * TEE_NS_PER_MS;
	info->bytes_received = conn->rcv.nxt - 1 - (conn_has(conn, CONN_FIN_RECEIVED) ? 1 : 0);
	info->rcvbuf_bytes = conn->rcv.buf;
	info->rcvq_bytes = (uint32_t)byteq_len(&conn->rcvq);
	info->rcv_ooopack = conn->rx ? conn->rx->ooo_segs : 0;
	info->ooo_bytes = conn_ooo(conn) ? (uint32_t)conn_ooo(conn)->bytes : 0;
}

static void info_of_ecn(const struct ecn *ecn, struct tee_tcp_info *info)
{
	info->delivered_ce_segs = ecn->ce_delivered;
	info->ecn_mode = ecn->mode;
	info->accecn_option_seen = ecn->option_seen;
	info->accecn_fails = ecn->fails;
	info->received_ce_segs = ecn_received_ce(ecn);
	info->delivered_ect1_bytes = ecn->bytes_acked[ECN_ECT1];
	info->delivered_ect0_bytes = ecn->bytes_acked[ECN_ECT0];
	info->delivered_ce_bytes = ecn->bytes_acked[ECN_CE];
	info->received_ect1_bytes = ecn->bytes_in[ECN_ECT1];
	info->received_ect0_bytes = ecn->bytes_in[ECN_ECT0];
	info->received_ce_bytes = ecn->bytes_in[ECN_CE];
}

void tcp_conn_info(const struct tcp_conn *conn, struct tee_tcp_info *info)
{
	const char *name = conn->settings->s.cc->name;

	memset(info, 0, sizeof(*info));
	memcpy(info->cc, name, MIN(strlen(name), sizeof(info->cc) - 1));
	info->state = (enum tee_tcp_state)conn->state;
	info->options = info_options(conn);
	info->snd_wscale = conn->snd.wscale;
	info->rcv_wscale = conn_has(conn, CONN_HAS_WSCALE) ? conn->rcv.wscale : 0;
	info->retransmits = conn->retries;
	info->rto_ns = timers_rto_ns(conn);
	info->snd_mss = conn->snd.mss ? conn->snd.mss : conn->snd.peer_mss;
	info->advmss = conn->adv_mss;
	info->pmtu = conn->path.mtu;
	info->snd_wnd = conn->snd.wnd;
	info->max_pacing_rate = conn->settings->s.pacing_rate_max;
	if (conn->tx)
		info_of_tx(conn, info);
	else
		info_without_tx(conn, info);
	info_of_receiver(conn, info);
	info->total_retrans_segs += conn->syn_retries;
	/* The handshake counts for one, as the peer's answer to it does; data in the SYN went along. */
	info->delivered_segs += conn->snd.una != 0;
	info->bytes_acked = conn->snd.una ? conn->snd.una - 1 : 0;
	info->bytes_sent = (conn->snd.nxt ? conn->snd.nxt - 1 : 0) -
			   (conn_has(conn, CONN_FIN_SENT) ? 1 : 0) + info->bytes_retrans;
	info->segs_out = conn->segs_out;
	info->segs_in = conn->segs_in;
	info->data_segs_out = conn->data_segs_out;
	info->data_segs_in = conn->data_segs_in;
	info->notsent_bytes =
		(uint32_t)(conn_written(conn) - MIN(conn_written(conn), conn->snd.nxt));
	info->sndbuf_bytes = conn->settings->s.sndbuf ? conn->settings->s.sndbuf
						      : conn_config(conn)->tcp_sndbuf_initial;
	info->sndq_bytes = (uint32_t)byteq_len(&conn->sndq);
	info_of_ecn(conn->ecn, info);
}

/* ---- ss ---- */

static const char *timer_of(const struct tcp_conn *conn, uint64_t *ret_left_ns)
{
	static const struct {
		enum conn_timer which;
		const char *name;
	} rows[] = {
		{CONN_RTO, "on"},        {CONN_TLP, "on"},         {CONN_PERSIST, "persist"},
		{CONN_DELACK, "delack"}, {CONN_LIMIT, "timewait"}, {CONN_KEEPALIVE, "keepalive"},
	};

	for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
		uint64_t at = conn_deadline(conn, rows[i].which);

		if (at == TEE_NEVER)
			continue;
		*ret_left_ns = at > conn_now(conn) ? at - conn_now(conn) : 0;
		return rows[i].name;
	}
	*ret_left_ns = 0;
	return "";
}

static void entry_of_node(struct tcp *tcp, struct tcp_stub *node, struct tcp_walk_entry *entry)
{
	const struct tcp_key key = stub_key(node);

	*entry = (struct tcp_walk_entry){
		.local = {key.local_ip, key.local_port, node->netif},
		.remote = {key.remote_ip, key.remote_port, node->netif},
		.timer_name = "",
	};
	if (node->kind == TCP_NODE_CONN) {
		struct tcp_conn *conn = CONTAINER_OF(node, struct tcp_conn, node.stub);

		entry->conn = conn;
		entry->state = (enum tee_tcp_state)conn->state;
		entry->timer_name = timer_of(conn, &entry->timer_left_ns);
		entry->recvq = (uint32_t)byteq_len(&conn->rcvq);
		entry->sendq = (uint32_t)byteq_len(&conn->sndq);
	} else if (node->kind == TCP_NODE_REQUEST) {
		struct tcp_request *request = CONTAINER_OF(node, struct tcp_request, stub);
		uint64_t now = tcp->engine->now_ns, at = request->timer.deadline_ns;

		entry->state = TEE_TCP_SYN_RECEIVED;
		entry->timer_name = "on";
		entry->timer_left_ns = at > now ? at - now : 0;
	} else {
		struct timewait *tw = CONTAINER_OF(node, struct timewait, stub);
		uint32_t now_tick = (uint32_t)(tcp->engine->now_ns >> 20); /* they wrap */
		int32_t left = (int32_t)(tw->expires_tick - now_tick);

		entry->state = TEE_TCP_TIME_WAIT;
		entry->timer_name = "timewait";
		entry->timer_left_ns = left > 0 ? (uint64_t)left << 20 : 0;
	}
}

/* First the listeners, then everything in the demux. The cursor's top bit says which. */
bool tcp_walk(struct tcp *tcp, uint64_t *cursor, struct tcp_walk_entry *entry)
{
	const uint64_t in_demux = UINT64_C(1) << 63;
	uint64_t nth = 0;
	size_t slot;
	struct tcp_stub *node;

	if (!(*cursor & in_demux)) {
		for (unsigned i = 0; i < TCP_LISTENER_BUCKETS; i++) {
			LIST_FOR_EACH(at, &tcp->listeners[i])
			{
				struct tcp_listener *listener;

				if (nth++ != *cursor)
					continue;
				listener = CONTAINER_OF(at, struct tcp_listener, node);
				*entry = (struct tcp_walk_entry){
					.listener = listener,
					.local = listener->local,
					.state = TEE_TCP_LISTEN,
					.timer_name = "",
					.recvq = listener->ready_count,
					.sendq = listener->backlog,
				};
				(*cursor)++;
				return true;
			}
		}
		*cursor = in_demux;
	}
	slot = (size_t)(*cursor & ~in_demux);
	node = hash_next(&tcp->demux.table, &slot);
	if (!node)
		return false;
	*cursor = in_demux | slot;
	entry_of_node(tcp, node, entry);
	return true;
}

struct event_source *tcp_walk_source(const struct tcp_walk_entry *entry)
{
	if (entry->conn)
		return entry->conn->source;
	return entry->listener ? entry->listener->source : NULL;
}
