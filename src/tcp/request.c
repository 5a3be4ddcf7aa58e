/* SPDX-License-Identifier: MIT */
/*
 * Requests: connections of a listener whose handshake is not complete (SYN-RECEIVED). One takes 96
 * bytes (120 for IPv6) and no buffer; a stranger who sends SYNs gets no more of us than that.
 *
 *	listen_syn() fills one	-> request_answer(): SYN-ACK, or request_answer_with_cookie() when the
 *				   SYN queue is full and nothing is to be kept (RFC 4987 3.6)
 *	segments		-> request_segment(): RFC 9293 3.10.7.4 for SYN-RECEIVED; its ACK makes
 *				   the connection, which goes on in tcp_segment_arrives() with that segment
 *	timer			-> request_expire(): SYN-ACK again (MUST-22)
 *
 * TCP_DEFER_ACCEPT lets the bare ACK pass by and waits for data; the request then stays.
 */
#include <string.h>
#include "tcp/conn.h"
#include "tcp/isn.h"
#include "tcp/syncookie.h"

static struct slab *slab_of(struct tcp *tcp, const struct tcp_request *request)
{
	return request->stub.has_key4 ? &tcp->requests4 : &tcp->requests6;
}

struct tcp_request *request_keep(const struct tcp_request *filled)
{
	struct tcp_listener *listener = filled->listener;
	struct tcp *tcp = listener->tcp;
	struct tcp_request *request = slab_new(slab_of(tcp, filled));

	if (!request)
		return NULL;
	memcpy(request, filled, filled->stub.has_key4 ? REQUEST_BYTES4 : REQUEST_BYTES6);
	timer_init(&request->timer, TIMER_TCP_REQUEST);
	list_init(&request->siblings);
	if (demux_insert(&tcp->demux, &request->stub) < 0) {
		slab_free(slab_of(tcp, request), request);
		return NULL;
	}
	list_push_back(&listener->requests, &request->siblings);
	listener->request_count++;
	return request;
}

/* Leaves its listener's queue; the table has something else in its place, or nothing. */
static void request_dispose(struct tcp_request *request)
{
	struct tcp *tcp = request->listener->tcp;

	engine_disarm(tcp->engine, &request->timer);
	list_remove(&request->siblings);
	request->listener->request_count--;
	slab_free(slab_of(tcp, request), request);
}

void request_free(struct tcp_request *request)
{
	struct tcp *tcp = request->listener->tcp;

	srcroutes_forget(&tcp->srcroutes, &request->stub);
	demux_remove(&tcp->demux, &request->stub);
	request_dispose(request);
}

/* ---- what the SYN-ACK says of ECN: in the stub's flags, the mode above its three bits ---- */

enum { REQUEST_ECN_UNSURE = 0x40 };

static void set_ecn(struct tcp_request *request, unsigned mode, uint16_t reply)
{
	request->stub.flags = (uint8_t)((request->stub.flags & REQUEST_ECN_UNSURE) |
					(reply >> 6 & 7u) | mode << 4);
}

static uint8_t ecn_mode_of(const struct tcp_request *request)
{
	return request->stub.flags >> 4 & 3;
}

static uint16_t reply_of(const struct tcp_request *request)
{
	return (uint16_t)((request->stub.flags & 7u) << 6);
}

/* RFC 9768 3.2.3.2.1: the first SYN-ACK tests whether options get through. */
static void put_accecn(const struct tcp_request *request, struct tcp_header *header)
{
	if (ecn_mode_of(request) == ECN_MODE_ACCURATE &&
	    request->listener->tcp->engine->config.tcp_accecn_option)
		ecn_fill_syn_ack_option(&header->options);
}

/*
 * RFC 9768 3.1.5, of a SYN that comes again: the mode stays, the answer tells how the latest came. false: it asks for
 * the other kind of ECN than the first did; nobody could know which of them holds, so the connection is reset.
 */
static bool ecn_allows_syn_again(struct tcp_request *request, const struct ip_packet *packet,
				 const struct segment *seg)
{
	const uint16_t classic = TEE_TCP_ECE | TEE_TCP_CWR, all = classic | TEE_TCP_AE;
	uint8_t ip_ecn = packet->ip.tos & ECN_MASK;
	struct ecn ecn;

	if (ecn_mode_of(request) == ECN_MODE_CLASSIC) {
		ecn_on_syn(&ecn, request->listener->settings->s.ecn, seg->h.flags, ip_ecn);
		return ecn.mode != ECN_MODE_ACCURATE;
	}
	if (ecn_mode_of(request) != ECN_MODE_ACCURATE)
		return true;
	if ((seg->h.flags & all) == classic)
		return false;
	if (!(seg->h.flags & all))
		request->stub.flags |= REQUEST_ECN_UNSURE;
	request->tos = (uint8_t)((request->tos & ~ECN_MASK) | ip_ecn);
	set_ecn(request, ECN_MODE_ACCURATE, ecn_syn_ack_flags(ip_ecn));
	return true;
}

/* What goes into a SYN-ACK, for a request, or for a cookie when `cookie_iss` is given. */
static int syn_ack_header(struct tcp *tcp, struct tcp_listener *listener,
			  struct tcp_request *request, struct tcp_header *header)
{
	const struct tee_config *config = &tcp->engine->config;
	const struct tcp_settings *s = &listener->settings->s;
	uint32_t overhead, mss, window = s->rcvbuf ? s->rcvbuf : config->tcp_rcvbuf_initial;
	struct tcp_key key = stub_key(&request->stub);
	struct net_path path;
	struct tee_ip src;

	if (net_route(tcp->net, &key.local_ip, &key.remote_ip, request->stub.netif, &path, &src) <
	    0)
		return -TEE_ENETUNREACH;
	overhead = (tee_ip_is4(&src) ? IP4_HEADER_LEN : IP6_HEADER_LEN) + TCP_HEADER_LEN;
	mss = path.mtu > overhead ? path.mtu - overhead : 1;
	if (s->maxseg)
		mss = MIN(mss, s->maxseg);
	if (config->tcp_mss_max)
		mss = MIN(mss, config->tcp_mss_max);
	*header = (struct tcp_header){
		.flags = (uint16_t)(TEE_TCP_SYN | TEE_TCP_ACK | reply_of(request)),
		.seq = request->iss,
		.ack = seq_add(request->irs, 1),
		.window = (uint16_t)MIN(window, 65535u),
	};
	header->options.has_mss = true;
	header->options.mss = (uint16_t)MIN(mss, 65535u);
	header->options.has_sack_permitted = request->options & REQUEST_HAS_SACK;
	if (request->wscale != UINT8_MAX) {
		header->options.has_wscale = true;
		header->options.wscale = receive_wscale(config, s);
	}
	if (request->options & REQUEST_HAS_TS) {
		header->options.has_ts = true;
		header->options.ts_val = (uint32_t)(tcp->engine->now_ns / 1000000u) +
					 isn_ts_offset_again(&tcp->isn_secret, &tcp->ts_memo, &key);
		header->options.ts_ecr = request->ts_recent;
	}
	if (request->options & REQUEST_FASTOPEN_COOKIE) {
		fastopen_cookie(tcp, &key, &header->options);
		header->options.fastopen_exp = request->options & REQUEST_FASTOPEN_EXP;
	}
	return 0;
}

void request_answer(struct tcp_request *request, enum tee_why why)
{
	struct tcp_listener *listener = request->listener;
	const struct tcp_settings *s = &listener->settings->s;
	struct tcp *tcp = listener->tcp;
	struct tcp_header header;

	request->sent_at_ms = coarse_ms(tcp->engine->now_ns);
	if (syn_ack_header(tcp, listener, request, &header) < 0)
		return;
	if (why == TEE_WHY_SYN_ACK)
		put_accecn(request, &header);
	/* RFC 9768 3.2.3.2.2: sent again without the option, then as if there were no ECN; and a server that did
	   that can't know in which mode its client is, so it sends no ECT (3.1.5). */
	if (request->retries > 1 && ecn_mode_of(request) == ECN_MODE_ACCURATE) {
		header.flags &= (uint16_t) ~(TEE_TCP_ECE | TEE_TCP_CWR | TEE_TCP_AE);
		request->stub.flags |= REQUEST_ECN_UNSURE;
	}
	reply_segment(tcp, &request->stub, &header, s->tos & (uint8_t)~ECN_MASK, s->ttl, why);
}

/* A listener that waits for data lets bare ACKs pass by, for a while, counted in the timer's steps. */
static bool deferral_runs(const struct tcp_request *request)
{
	const struct tcp *tcp = request->listener->tcp;
	uint64_t waited = 0, step = coarse_ms(tcp->engine->config.tcp_rto_initial_ns);

	for (unsigned i = 0; i < request->retries; i++, step *= 2)
		waited += step;
	return waited < request->listener->settings->s.defer_accept_ms;
}

void request_expire(void *context, struct timer *timer)
{
	struct tcp *tcp = context;
	struct tcp_request *request = CONTAINER_OF(timer, struct tcp_request, timer);
	const struct tee_config *config = &tcp->engine->config;
	uint64_t wait = config->tcp_rto_initial_ns;

	if (request->retries >= config->tcp_synack_retries) {
		request_free(request);
		return;
	}
	request->retries++;
	for (unsigned i = 0; i < request->retries && wait < config->tcp_rto_max_ns; i++)
		wait *= 2;
	engine_arm(tcp->engine, timer, tcp->engine->now_ns + MIN(wait, config->tcp_rto_max_ns));
	/* A client that acknowledged is asked again, too: where there was no room for it to be accepted, its next
	   ACK may find some, and it may have nothing else to say. Only one whose data we wait for is left in peace. */
	if (!(request->options & REQUEST_ACKED) || !deferral_runs(request)) {
		request->options |= REQUEST_RETRANSMITTED;
		request_answer(request, TEE_WHY_SYN_RETRANSMIT);
	}
}

void request_fill(struct tcp *tcp, struct tcp_request *request, struct tcp_listener *listener,
		  const struct ip_packet *packet, const struct segment *seg)
{
	const struct tee_config *config = &tcp->engine->config;
	const struct tcp_options *options = &seg->h.options;
	bool plain = listener->settings->s.flags & TCP_SET_NOOPT;
	const struct tcp_key key = {
		.local_ip = packet->ip.dst,
		.remote_ip = packet->ip.src,
		.local_port = seg->h.dst_port,
		.remote_port = seg->h.src_port,
	};
	struct ecn ecn;
	uint16_t reply;

	stub_set_key(&request->stub, &key);
	request->stub.kind = TCP_NODE_REQUEST;
	request->stub.netif = ip_is_link_local(&packet->ip.src)
				      ? (uint16_t)netif_number(packet->netif)
				      : listener->settings->s.netif;
	/* Somebody has these addresses and ports on another interface: both are for their own from now on. */
	if (!request->stub.netif && demux_find(&tcp->demux, &key))
		request->stub.netif = (uint16_t)netif_number(packet->netif);
	if (listener->settings->s.source_route.count && tee_ip_is4(&packet->ip.src))
		(void)srcroutes_set(&tcp->srcroutes, &request->stub,
				    &listener->settings->s.source_route);
	if (packet->ip.options_len)
		route_learn(tcp, packet, &request->stub, NULL);
	request->listener = listener;
	request->irs = seg->h.seq;
	request->iss = isn_of(&tcp->isn_secret, &key, tcp->engine->now_ns);
	if (tcp->has_isn_above)
		request->iss = isn_beyond(request->iss, tcp->isn_above);
	request->peer_mss = options->has_mss && options->mss
				    ? options->mss
				    : (tee_ip_is4(&packet->ip.src) ? 536 : 1220);
	request->peer_window = seg->h.window;
	request->tos = packet->ip.tos;
	request->wscale = UINT8_MAX;
	if (options->has_wscale && config->tcp_window_scaling && !plain)
		request->wscale = (uint8_t)MIN(options->wscale, 14);
	if (options->has_sack_permitted && config->tcp_sack && !plain)
		request->options |= REQUEST_HAS_SACK;
	if (options->has_ts && config->tcp_timestamps && !plain) {
		request->options |= REQUEST_HAS_TS;
		request->ts_recent = options->ts_val;
	}
	ecn_init(&ecn);
	reply = ecn_on_syn(&ecn, listener->settings->s.ecn, seg->h.flags,
			   packet->ip.tos & ECN_MASK);
	set_ecn(request, ecn.mode, reply);
}

/* Full queue: the state goes into the sequence number, and nothing is kept. */
void request_answer_with_cookie(struct tcp *tcp, struct tcp_request *request)
{
	struct tcp_listener *listener = request->listener;
	struct syncookie cookie = {
		.mss = request->peer_mss,
		.has_ts = request->options & REQUEST_HAS_TS,
		.sack_permitted = request->options & REQUEST_HAS_SACK,
		.ecn = ecn_mode_of(request) == ECN_MODE_CLASSIC,
		.wscale = request->wscale == UINT8_MAX ? 15 : request->wscale,
	};
	const struct tcp_key key = stub_key(&request->stub);
	struct tcp_header header;

	request->iss =
		syncookie_make(&tcp->isn_secret, &key, request->irs, &cookie, tcp->engine->now_ns);
	request->options &= (uint8_t)~REQUEST_FASTOPEN_COOKIE;
	if (!cookie.has_ts) { /* nowhere to remember these; AccECN shows in the ACK (RFC 9768 5.1) */
		request->wscale = UINT8_MAX;
		request->options &= (uint8_t)~REQUEST_HAS_SACK;
		if (ecn_mode_of(request) == ECN_MODE_CLASSIC)
			request->stub.flags = 0;
	}
	if (syn_ack_header(tcp, listener, request, &header) < 0)
		return;
	put_accecn(request, &header);
	if (cookie.has_ts)
		header.options.ts_val = syncookie_ts(header.options.ts_val, &cookie);
	listener->cookie_sent_at_ns = MAX(tcp->engine->now_ns, 1);
	count(tcp->engine, COUNT_TCP_SYN_COOKIES_OUT);
	reply_segment(tcp, &request->stub, &header, listener->settings->s.tos,
		      listener->settings->s.ttl, TEE_WHY_SYN_COOKIE);
}

/* ---- from request to connection ---- */

struct tcp_conn *request_make_conn(struct tcp *tcp, struct tcp_request *request)
{
	struct tcp_listener *listener = request->listener;
	struct tcp_options options = {
		.has_mss = true,
		.mss = request->peer_mss,
		.has_wscale = request->wscale != UINT8_MAX,
		.wscale = request->wscale,
		.has_sack_permitted = request->options & REQUEST_HAS_SACK,
		.has_ts = request->options & REQUEST_HAS_TS,
		.ts_val = request->ts_recent,
	};
	const struct tcp_key key = stub_key(&request->stub);
	struct tcp_conn *conn = conn_new(tcp, &key, listener->settings);
	struct tee_ip src;

	if (!conn)
		return NULL;
	conn->node.netif = request->stub.netif;
	if (srcroutes_find(&tcp->srcroutes, &conn->node.stub))
		conn->flags |= CONN_SOURCE_ROUTED;
	if (net_route(tcp->net, &conn->node.key.local_ip, &conn->node.key.remote_ip,
		      conn->node.netif, &conn->path, &src) < 0)
		conn->path.netif = NULL;
	conn->flags |= CONN_IS_PASSIVE;
	conn->listener = listener;
	conn->bind = ports_share(listener->bind);
	conn->snd.iss = request->iss;
	conn->rcv.irs = request->irs;
	conn->snd.nxt = 1;
	conn->rcv.adv = 1 + MIN(conn->rcv.buf, 65535u);
	conn->adv_mss = (uint16_t)MIN(MAX(conn->path.mtu, 576u) - TCP_HEADER_LEN -
					      (conn_is4(conn) ? IP4_HEADER_LEN : IP6_HEADER_LEN),
				      65535u);
	open_take_options(conn, &options);
	conn->snd.wnd = request->peer_window;
	conn->snd.wnd_max = request->peer_window;
	conn->rcv.tos = request->tos;
	if (ecn_mode_of(request) != ECN_MODE_OFF) {
		struct ecn ecn;

		ecn_resume(&ecn, ecn_mode_of(request), request->tos & ECN_MASK);
		if (request->stub.flags & REQUEST_ECN_UNSURE)
			ecn.fails |= ECN_FAIL_ACE_RECV;
		conn->ecn_reply = reply_of(request);
		conn_set_ecn(conn, &ecn);
		count(tcp->engine, COUNT_TCP_ECN_NEGOTIATED);
	}
	conn->syn_retries = request->retries;
	conn->segs_in = 1; /* the SYN */
	/* The coarse stamp serves the first RTT sample, when the SYN-ACK was sent only once (Karn). */
	if (!request->retries)
		conn->syn_sent_at_ns = conn_now(conn) -
				       (uint64_t)(coarse_ms(conn_now(conn)) - request->sent_at_ms) *
					       1000000u;
	conn_set_state(conn, TEE_TCP_SYN_RECEIVED);
	return conn;
}

/* The handshake is complete: the request makes room for a connection, which gets this segment. */
void request_complete(struct tcp_request *request, struct ip_packet *packet, struct segment *seg)
{
	struct tcp_listener *listener = request->listener;
	struct tcp *tcp = listener->tcp;
	struct tcp_conn *conn;

	if (listen_queue_is_full(listener)) {
		count(tcp->engine, COUNT_TCP_LISTEN_OVERFLOW);
		drop(tcp->engine, DROP_TCP_ACCEPT_QUEUE_FULL);
		request->options |= REQUEST_ACKED;
		if (tcp->engine->config.tcp_abort_on_overflow) {
			reply_rst(tcp, packet, seg);
			request_free(request);
		}
		return;
	}
	conn = request_make_conn(tcp, request);
	if (!conn)
		return; /* counted; the client's next segment tries again */
	demux_replace(&tcp->demux, &request->stub, &conn->node.stub);
	request_dispose(request);
	count(tcp->engine, COUNT_TCP_PASSIVE_OPENS);
	tcp_segment_arrives(conn, seg, packet->pkt);
	/* Had it not been believed, nobody would own what is left: no timer, and no place in a queue. */
	if (conn->state == TEE_TCP_SYN_RECEIVED)
		conn_end(conn, 0);
}

/* A stand-in with the request's numbers, to answer from. */
static void request_ack(struct tcp_request *request, enum tee_why why)
{
	struct tcp_listener *listener = request->listener;
	const struct tcp_settings *s = &listener->settings->s;
	struct tcp *tcp = listener->tcp;
	struct tcp_header header = {
		.flags = TEE_TCP_ACK,
		.seq = seq_add(request->iss, 1),
		.ack = seq_add(request->irs, 1),
	};
	uint32_t now = coarse_ms(tcp->engine->now_ns);
	uint32_t window = s->rcvbuf ? s->rcvbuf : tcp->engine->config.tcp_rcvbuf_initial;
	uint8_t scale = request->wscale == UINT8_MAX ? 0 : receive_wscale(&tcp->engine->config, s);

	/* The last answer's time serves the limit of rate too; a fresh SYN-ACK was one. */
	if (why == TEE_WHY_ANSWER_PROBE && (request->options & REQUEST_RETRANSMITTED) &&
	    now - request->sent_at_ms < coarse_ms(tcp->engine->config.oow_ack_interval_ns)) {
		count(tcp->engine, COUNT_TCP_CHALLENGE_LIMITED);
		return;
	}
	header.window = (uint16_t)MIN(window >> scale, 65535u);
	if (request->options & REQUEST_HAS_TS) {
		const struct tcp_key key = stub_key(&request->stub);

		header.options.has_ts = true;
		header.options.ts_val = now +
					isn_ts_offset_again(&tcp->isn_secret, &tcp->ts_memo, &key);
		header.options.ts_ecr = request->ts_recent;
	}
	reply_segment(tcp, &request->stub, &header, s->tos, s->ttl, why);
}

/* First to fourth of 3.10.7.4 for SYN-RECEIVED. false: dealt with. */
static bool request_validate(struct tcp_request *request, struct ip_packet *packet,
			     const struct segment *seg)
{
	struct tcp *tcp = request->listener->tcp;
	const struct tcp_settings *s = &request->listener->settings->s;
	uint32_t window =
		MIN(s->rcvbuf ? s->rcvbuf : tcp->engine->config.tcp_rcvbuf_initial, 65535u);
	struct seq32 nxt = seq_add(request->irs, 1);
	int32_t start = seq_diff(seg->h.seq, nxt);
	int32_t end = start + (int32_t)segment_octets(seg);
	bool has_rst = segment_has(seg, TEE_TCP_RST);

	if (segment_has(seg, TEE_TCP_SYN) && !segment_has(seg, TEE_TCP_ACK) && !has_rst &&
	    seq_eq(seg->h.seq, request->irs)) {
		/* The SYN again: our answer was lost, or is on its way. */
		if (ecn_allows_syn_again(request, packet, seg)) {
			request_answer(request, TEE_WHY_SYN_RETRANSMIT);
		} else {
			/* As our SYN-ACK may have come, or not: good for either state of the client. */
			struct tcp_header rst = {.flags = TEE_TCP_RST | TEE_TCP_ACK,
						 .seq = seq_add(request->iss, 1),
						 .ack = nxt};

			drop(tcp->engine, DROP_TCP_BAD_SYN);
			reply_segment(tcp, &request->stub, &rst, 0, 0, TEE_WHY_RST_BAD_ACK);
			request_free(request);
		}
		return false;
	}
	if (!has_rst && (request->options & REQUEST_HAS_TS) && seg->h.options.has_ts &&
	    tstamp_before(seg->h.options.ts_val, request->ts_recent)) {
		drop(tcp->engine, DROP_TCP_PAWS);
		request_ack(request, TEE_WHY_ANSWER_PROBE);
		return false;
	}
	/* Exactly what the connection will accept, too: it must not be made for less. Only what has no
	   text may stand at the right edge. */
	if (start > (int32_t)window || ((has_rst || end > start) && start >= (int32_t)window) ||
	    (end > start ? end <= 0 : start < 0)) {
		drop(tcp->engine, has_rst ? DROP_TCP_BAD_RST : DROP_TCP_OUT_OF_WINDOW);
		if (!has_rst)
			request_ack(request, TEE_WHY_ANSWER_PROBE);
		return false;
	}
	if (has_rst) {
		if (start == 0) { /* "return to LISTEN" */
			count(tcp->engine, COUNT_TCP_RSTS_IN);
			request_free(request);
		} else {
			drop(tcp->engine, DROP_TCP_BAD_RST);
			count(tcp->engine, COUNT_TCP_CHALLENGE_ACKS);
			request_ack(request, TEE_WHY_CHALLENGE_ACK);
		}
		return false;
	}
	if (segment_has(seg, TEE_TCP_SYN)) {
		/* Fourth, of a passive open: "return this connection to the LISTEN state and return". The challenge
		   of RFC 5961 is for synchronized states. */
		drop(tcp->engine, DROP_TCP_BAD_SYN);
		request_free(request);
		return false;
	}
	return true;
}

bool request_segment(struct tcp_request *request, struct ip_packet *packet, struct segment *seg)
{
	struct tcp *tcp = request->listener->tcp;

	if (trace_on(tcp->engine)) {
		const struct tcp_key key = stub_key(&request->stub);

		trace_bare(tcp, &key, &seg->h, seg->len, TEE_WHY_NONE, true);
	}
	if (!request_validate(request, packet, seg))
		return false;
	if (!segment_has(seg, TEE_TCP_ACK)) {
		drop(tcp->engine, DROP_TCP_NO_ACK);
		return false;
	}
	if (!seq_eq(seg->h.ack, seq_add(request->iss, 1))) {
		drop(tcp->engine, DROP_TCP_BAD_ACK);
		reply_rst(tcp, packet, seg);
		return false;
	}
	if (!segment_octets(seg) && deferral_runs(request)) {
		drop(tcp->engine, DROP_TCP_DEFERRED);
		request->options |= REQUEST_ACKED;
		return false;
	}
	request_complete(request, packet, seg);
	return true;
}

/* An ICMP error for our SYN-ACK: hard ones end the request, others are left to its timer. */
void request_icmp(struct tcp_request *request, const struct icmp_report *report)
{
	if (report->error == ICMP_ERROR_PORT_UNREACHABLE ||
	    report->error == ICMP_ERROR_PROTOCOL_UNREACHABLE)
		request_free(request);
}
