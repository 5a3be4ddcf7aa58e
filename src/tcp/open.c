/* SPDX-License-Identifier: MIT */
/*
 * Active OPEN and the handshake of a full connection: SYN-SENT, and SYN-RECEIVED when both ends
 * opened at once (MUST-10). Half-open connections of a listener are request.c's.
 *
 *	tcp_connect()			source address and port, state SYN-SENT, SYN marked due
 *	open_syn_frame()		composes SYN or SYN-ACK with the options we offer
 *	open_on_syn_sent_segment()	RFC 9293 3.10.7.3
 *	open_syn_acked()		our SYN is acknowledged
 *	open_established()		what starts there
 *
 * The first RTT sample is the handshake's, unless the SYN had to be sent again (Karn).
 */
#include <stdlib.h>
#include <string.h>
#include "tcp/conn.h"
#include "tcp/isn.h"

/* RFC 9293 3.7.1, MUST-15: what to presume of a peer that sends no MSS option. */
static uint16_t default_mss(const struct tcp_conn *conn)
{
	return conn_is4(conn) ? 536 : 1220;
}

/* The MSS that we announce: what the path's first hop takes (MUST-67, SHLD-6). */
static uint16_t announced_mss(const struct tcp_conn *conn)
{
	uint32_t headers = (conn_is4(conn) ? IP4_HEADER_LEN : IP6_HEADER_LEN) + TCP_HEADER_LEN;
	uint32_t mss = conn->path.mtu > headers ? conn->path.mtu - headers : 1;
	uint32_t most = conn_config(conn)->tcp_mss_max;

	if (conn->settings->s.maxseg)
		mss = MIN(mss, conn->settings->s.maxseg);
	if (most)
		mss = MIN(mss, most);
	return (uint16_t)MIN(mss, 65535u);
}

/*
 * A key that only a TIME-WAIT holds may be used again when timestamps protect the new connection.
 * 1: that is so, and its numbers reached up to *ret_used.
 */
static int claim_key(struct tcp *tcp, const struct tcp_key *key, struct seq32 *ret_used)
{
	struct timewait *tw;
	struct tcp_stub *node = demux_find(&tcp->demux, key);

	if (!node)
		return 0;
	if (node->kind != TCP_NODE_TIMEWAIT || !(node->flags & TIMEWAIT_HAS_TS))
		return -TEE_EADDRNOTAVAIL;
	count(tcp->engine, COUNT_TCP_TIMEWAIT_REUSED);
	tw = CONTAINER_OF(node, struct timewait, stub);
	*ret_used = tw->snd_nxt;
	timewait_end(&tcp->timewait, tw);
	return 1;
}

/* The way out and the source address. MUST-43: the application's; MUST-44, MUST-45: else IP's. */
static int find_way(struct tcp *tcp, const struct tcp_settings *settings,
		    const struct tee_endpoint *local, const struct tee_endpoint *remote, int netif,
		    struct net_path *path, struct tee_ip *ret_local)
{
	struct tee_ip next = remote->ip;

	/* MUST-46: never to a group or nowhere. */
	if (!remote->port)
		return -TEE_EADDRNOTAVAIL;
	if (net_is_group(tcp->net, &remote->ip) || ip_is_limited_broadcast(&remote->ip))
		return -TEE_ENETUNREACH;
	if (settings->source_route.count && tee_ip_is4(&remote->ip)) /* MUST-51 */
		memcpy(next.byte + 12, settings->source_route.hops[0], 4);
	return net_route(tcp->net, &local->ip, &next, netif, path, ret_local);
}

int tcp_connect(struct tcp *tcp, const struct tcp_settings *settings, struct port_bind *bind,
		const struct tee_endpoint *local, const struct tee_endpoint *remote,
		struct event_source *source, struct tcp_conn **ret_conn)
{
	struct tcp_key key = {
		.remote_ip = remote->ip, .remote_port = remote->port, .local_port = local->port};
	struct settings_ref *ref;
	struct seq32 used = seq32(0);
	struct net_path path;
	struct tcp_conn *conn;
	int result, netif = settings->netif ? settings->netif : remote->netif;

	result = find_way(tcp, settings, local, remote, netif, &path, &key.local_ip);
	if (result < 0)
		return result;
	if (key.local_port)
		result = claim_key(tcp, &key, &used);
	else
		result = ports_choose(tcp, &key);
	if (result < 0)
		return result;
	ref = settings_ref_for_open(tcp, settings);
	if (!ref)
		return -TEE_ENOMEM;
	conn = conn_new(tcp, &key, ref);
	settings_release(ref);
	if (!conn)
		return -TEE_ENOBUFS;
	conn->snd.iss = isn_of(&tcp->isn_secret, &key, tcp->engine->now_ns);
	if (result > 0)
		conn->snd.iss = isn_beyond(conn->snd.iss, used);
	conn->node.netif = (uint16_t)netif;
	conn->path = path;
	conn->snd.peer_mss = default_mss(conn);
	conn->adv_mss = announced_mss(conn);
	if (demux_insert(&tcp->demux, &conn->node.stub) < 0) {
		tcp->conn_count--;
		settings_release(conn->settings);
		slab_free(&tcp->conns, conn);
		return -TEE_ENOMEM;
	}
	conn_set_state(conn, TEE_TCP_SYN_SENT);
	if (settings->source_route.count && conn_is4(conn) &&
	    conn_follow_route(conn, &settings->source_route) < 0) {
		conn_end(conn, 0);
		return -TEE_ENOMEM;
	}
	conn->bind = bind;
	ports_hand_over(bind);
	conn->source = source;
	count(tcp->engine, COUNT_TCP_ACTIVE_OPENS);
	conn->flags |= CONN_SYN_DUE;
	if (settings->syn_timeout_ms || settings->user_timeout_ms) {
		uint32_t ms = settings->syn_timeout_ms ? settings->syn_timeout_ms
						       : settings->user_timeout_ms;

		timers_set(conn, CONN_LIMIT, conn_now(conn) + ms * TEE_NS_PER_MS);
	}
	conn_mark_due(conn);
	*ret_conn = conn;
	return 0;
}

/* ---- the SYN ---- */

static void put_syn_options(struct tcp_conn *conn, struct tcp_options *options)
{
	const struct tee_config *config = conn_config(conn);
	bool is_reply = conn->state == TEE_TCP_SYN_RECEIVED;

	conn->adv_mss = announced_mss(conn);
	options->has_mss = true; /* MUST-14, SHLD-5, MAY-3; on SYNs only (MUST-65) */
	options->mss = conn->adv_mss;
	if (conn->settings->s.flags & TCP_SET_NOOPT)
		return;
	/* A SYN-ACK answers what the SYN offered (RFC 7323 2.2, 3.2; RFC 2018 2). */
	if (config->tcp_window_scaling && (!is_reply || conn_has(conn, CONN_HAS_WSCALE))) {
		options->has_wscale = true;
		options->wscale = conn->rcv.wscale;
	}
	options->has_sack_permitted = config->tcp_sack &&
				      (!is_reply || conn_has(conn, CONN_HAS_SACK));
	if (config->tcp_timestamps && (!is_reply || conn_has(conn, CONN_HAS_TS))) {
		options->has_ts = true;
		options->ts_val = tstamp_val(&conn->ts, conn_now(conn));
		options->ts_ecr = is_reply ? conn->ts.recent : 0;
	}
}

/* Data that rides in the SYN (RFC 7413 4.2); counts as sent, to be sent again if not acknowledged. */
static void put_syn_data(struct tcp_conn *conn, uint32_t data_max, struct tee_frame *frame)
{
	uint64_t len = MIN(byteq_len(&conn->sndq), data_max);
	struct send_record *record;

	if (!len || conn->snd.nxt > 1 || !tx_get(conn))
		return;
	len = byteq_frame_slices(&conn->sndq, 1, (size_t)len, frame);
	record = sendmap_sent(&conn->tx->map, 1 + len, MAX(conn->snd.mss, 536), 0, conn_now(conn));
	if (!record) {
		tee_frame_release(frame);
		frame_init(frame);
		return;
	}
	rate_on_sent(&conn->tx->rate, record, 0, conn_now(conn));
	conn->snd.nxt = 1 + len;
	conn->flags |= CONN_SYN_DATA;
}

/* As request_answer() does: the option once, and after two answers that were lost nothing of ECN. */
static void put_ecn_reply(struct tcp_conn *conn, struct tcp_header *header)
{
	if (conn->syn_retries > 1 && conn->ecn->mode == ECN_MODE_ACCURATE) {
		conn->ecn->fails |= ECN_FAIL_ACE_RECV;
		return;
	}
	header->flags |= conn->ecn_reply;
	if (conn->ecn->mode == ECN_MODE_ACCURATE && conn->syn_retries == 0 &&
	    conn_config(conn)->tcp_accecn_option)
		ecn_fill_syn_ack_option(&header->options);
}

int open_syn_frame(struct tcp_conn *conn, struct tee_frame *frame)
{
	bool is_reply = conn->state == TEE_TCP_SYN_RECEIVED;
	struct tcp_header header = {.flags = TEE_TCP_SYN, .seq = conn->snd.iss};
	enum tee_why why = is_reply ? TEE_WHY_SYN_ACK : TEE_WHY_SYN;
	uint32_t window = MIN(receive_window_peek(conn), 65535u), data_max = 0;

	conn->flags &= ~(uint32_t)CONN_SYN_DUE;
	frame_init(frame);
	header.window = (uint16_t)window;
	conn->rcv.adv = MAX(conn->rcv.adv, conn->rcv.nxt + window);
	put_syn_options(conn, &header.options);
	conn->snd.nxt = MAX(conn->snd.nxt, 1);
	if (is_reply) {
		header.flags |= TEE_TCP_ACK;
		put_ecn_reply(conn, &header);
		header.ack = conn_rcv_seq(conn, conn->rcv.nxt);
		if (conn_has(conn, CONN_WANTS_COOKIE))
			fastopen_cookie(conn->tcp, &conn->node.key, &header.options);
	} else {
		/* RFC 3168 6.1.1.1: a SYN that was lost may have been dropped for its ECN bits. */
		header.flags |= ecn_syn_flags_again(conn->settings->s.ecn, conn->syn_retries);
		if (fastopen_syn_option(conn, &header.options, &data_max))
			put_syn_data(conn, data_max, frame);
	}
	if (conn->syn_retries)
		why = TEE_WHY_SYN_RETRANSMIT;
	else
		conn->syn_sent_at_ns = conn_now(conn);
	if (!timers_armed(conn, CONN_RTO))
		timers_arm_rto(conn);
	segment_finish(conn, &header, why, frame);
	return 1;
}

/* ---- what the peer's SYN says ---- */

void open_take_options(struct tcp_conn *conn, const struct tcp_options *options)
{
	const struct tee_config *config = conn_config(conn);
	bool plain = conn->settings->s.flags & TCP_SET_NOOPT;

	conn->snd.peer_mss = options->has_mss && options->mss ? options->mss : default_mss(conn);
	if (options->has_wscale && config->tcp_window_scaling && !plain) {
		conn->flags |= CONN_HAS_WSCALE;
		conn->snd.wscale = (uint8_t)MIN(options->wscale, 14); /* RFC 7323 2.3 */
	} else {
		conn->snd.wscale = 0;
	}
	if (options->has_sack_permitted && config->tcp_sack && !plain)
		conn->flags |= CONN_HAS_SACK;
	if (options->has_ts && config->tcp_timestamps && !plain) {
		conn->flags |= CONN_HAS_TS;
		tstamp_update(&conn->ts, options->ts_val, conn_now(conn));
	}
	conn_update_mss(conn);
}

/* RFC 9293 3.10.7.3, fifth: what else is in the segment is kept until ESTABLISHED. The text is; a FIN comes again. */
static void keep_syn_text(struct tcp_conn *conn, const struct segment *seg, struct tee_pkt *pkt)
{
	if (!seg->len || !rx_get(conn))
		return;
	conn->rx->syn_text = tee_pkt_ref(pkt);
	conn->rx->syn_text_off = seg->payload_off;
	conn->rx->syn_text_len = seg->len;
}

/* What keep_syn_text() kept, now that the connection stands. */
static void take_syn_text(struct tcp_conn *conn)
{
	struct segment seg = {.h = {.flags = TEE_TCP_ACK}, .seq = 1, .gso_segs = 1};
	struct tee_pkt *pkt = conn->rx ? conn->rx->syn_text : NULL;

	if (!pkt)
		return;
	conn->rx->syn_text = NULL;
	seg.payload_off = conn->rx->syn_text_off;
	seg.len = conn->rx->syn_text_len;
	seg.end = seg.seq + seg.len;
	receive_data(conn, &seg, pkt);
	tee_pkt_release(pkt);
}

static void take_syn(struct tcp_conn *conn, const struct segment *seg)
{
	conn->rcv.irs = seg->h.seq;
	conn->rcv.nxt = 1;
	conn->rcv.adv = 1 + MIN(receive_window_peek(conn), 65535u);
	open_take_options(conn, &seg->h.options);
	conn->snd.wnd = seg->h.window;
	conn->snd.wnd_max = MAX(conn->snd.wnd_max, conn->snd.wnd);
	conn->snd.wl1 = 0;
	conn->snd.wl2 = conn->snd.una;
}

void open_established(struct tcp_conn *conn)
{
	conn_set_state(conn, TEE_TCP_ESTABLISHED);
	timers_on_established(conn);
	conn->rcv.last_data_ms = coarse_ms(conn_now(conn));
	conn_raise(conn, TEE_EV_WRITABLE);
	if (conn_has(conn, CONN_IS_PASSIVE) && conn->listener &&
	    !conn_has(conn, CONN_QUEUED_FOR_ACCEPT))
		listen_conn_ready(conn);
	if (conn_has(conn, CONN_FIN_QUEUED))
		conn_set_state(conn, TEE_TCP_FIN_WAIT_1);
}

void open_syn_acked(struct tcp_conn *conn, const struct segment *seg)
{
	struct rto_limits limits;

	conn->snd.una = MAX(conn->snd.una, 1);
	if (conn->syn_retries == 0 && conn->syn_sent_at_ns)
		conn->syn_rtt_ns = MAX(conn_now(conn) - conn->syn_sent_at_ns, 1);
	else if (conn_has(conn, CONN_HAS_TS) && seg->h.options.has_ts && seg->h.options.ts_ecr)
		conn->syn_rtt_ns = tstamp_rtt_ns(&conn->ts, seg->h.options.ts_ecr, conn_now(conn));
	if (conn->tx && conn->syn_rtt_ns) {
		rto_limits_of(conn, &limits);
		rto_sample(&conn->tx->rto, conn->syn_rtt_ns, conn->snd.una, conn->snd.nxt,
			   conn_now(conn), &limits);
	}
	/* RFC 7323 2.2: the window of a segment that isn't a SYN is scaled. */
	if (!segment_has(seg, TEE_TCP_SYN)) {
		conn->snd.wnd = (uint32_t)seg->h.window << conn->snd.wscale;
		conn->snd.wnd_max = MAX(conn->snd.wnd_max, conn->snd.wnd);
		conn->snd.wl1 = (uint64_t)MAX(seg->seq, 0);
		conn->snd.wl2 = (uint64_t)MAX(seg->ack, 0);
	}
	open_established(conn);
	take_syn_text(conn);
}

/* ---- SYN-SENT, RFC 9293 3.10.7.3 ---- */

/* First: an ACK must be for our SYN, or for data that rode in it. false: dealt with. */
static bool syn_sent_ack_is_good(struct tcp_conn *conn, const struct segment *seg)
{
	int64_t ack = seq_widen(seg->h.ack, conn->snd.iss, (int64_t)conn->snd.nxt);
	bool ts_is_good = true;

	if (!segment_has(seg, TEE_TCP_ACK))
		return true;
	/* An echo of a time before our first SYN or after now belongs to another connection. */
	if (seg->h.options.has_ts && seg->h.options.ts_ecr && conn->syn_sent_at_ns) {
		uint32_t first = tstamp_val(&conn->ts, conn->syn_sent_at_ns);
		uint32_t now = tstamp_val(&conn->ts, conn_now(conn));

		ts_is_good = !tstamp_before(seg->h.options.ts_ecr, first) &&
			     !tstamp_before(now, seg->h.options.ts_ecr);
	}
	if (ack > 0 && ack <= (int64_t)conn->snd.nxt && ts_is_good)
		return true;
	drop(conn_engine(conn), DROP_TCP_BAD_ACK);
	if (!segment_has(seg, TEE_TCP_RST)) {
		struct tcp_header rst = {.flags = TEE_TCP_RST, .seq = seg->h.ack};

		reply_segment(conn->tcp, &conn->node.stub, &rst, 0, 0, TEE_WHY_RST_BAD_ACK);
	}
	return false;
}

/* Our SYN is acknowledged: the connection stands, and what came along in the SYN-ACK counts. */
static void syn_sent_established(struct tcp_conn *conn, struct segment *seg, struct tee_pkt *pkt)
{
	struct ecn ecn;

	/* RFC 9768 3.1.4.1: whichever of our SYNs it answers, and it may be the first. */
	ecn_on_syn_ack(&ecn, ecn_syn_flags(conn->settings->s.ecn), seg->h.flags,
		       seg->tos & ECN_MASK, seg->len, &seg->h.options);
	/* The window begins smaller for it, which CWR tells. */
	ecn.send_cwr = ecn.mode == ECN_MODE_CLASSIC && conn->syn_retries;
	conn_set_ecn(conn, &ecn);
	if (conn->ecn->mode != ECN_MODE_OFF)
		count(conn_engine(conn), COUNT_TCP_ECN_NEGOTIATED);
	segment_widen(seg, conn->rcv.irs, conn->rcv.nxt, conn->snd.iss, conn->snd.una);
	open_syn_acked(conn, seg);
	fastopen_on_syn_ack(conn, seg);
	if (conn->state == TEE_TCP_CLOSED)
		return;
	conn_ack_now(conn, TEE_WHY_ACK_HANDSHAKE);
	seg->h.flags &= (uint16_t)~TEE_TCP_SYN;
	seg->seq = 1;
	if (segment_octets(seg)) {
		receive_urgent(conn, seg);
		receive_data(conn, seg, pkt);
	}
	if (output_may_have_more(conn))
		conn_mark_due(conn);
}

void open_on_syn_sent_segment(struct tcp_conn *conn, struct segment *seg, struct tee_pkt *pkt)
{
	struct ecn ecn;

	if (!syn_sent_ack_is_good(conn, seg))
		return;
	/* Second: RST, believed only with an ACK of our SYN (RFC 5961 3.2 calls this enough). */
	if (segment_has(seg, TEE_TCP_RST)) {
		if (segment_has(seg, TEE_TCP_ACK)) {
			count(conn_engine(conn), COUNT_TCP_RSTS_IN);
			conn_end(conn, TEE_ECONNREFUSED);
		} else {
			drop(conn_engine(conn), DROP_TCP_BAD_RST);
		}
		return;
	}
	/* Fourth. */
	if (!segment_has(seg, TEE_TCP_SYN)) {
		drop(conn_engine(conn), DROP_TCP_BAD_SYN);
		return;
	}
	timers_on_heard(conn);
	take_syn(conn, seg);
	if (segment_has(seg, TEE_TCP_ACK)) {
		syn_sent_established(conn, seg, pkt);
		return;
	}
	/* Both opened at once (MUST-10): "form a SYN,ACK segment and send it". */
	conn_set_state(conn, TEE_TCP_SYN_RECEIVED);
	conn->ecn_reply =
		ecn_on_syn(&ecn, conn->settings->s.ecn, seg->h.flags, seg->tos & ECN_MASK);
	conn_set_ecn(conn, &ecn);
	keep_syn_text(conn, seg, pkt);
	conn->flags |= CONN_SYN_DUE;
	conn_mark_due(conn);
}
