/* SPDX-License-Identifier: MIT */
/*
 * Passive OPEN: listeners, and the queue of connections that wait for accept.
 *
 *	SYN	-> listen_segment()	RFC 9293 3.10.7.2; makes a request (request.c), answers SYN-ACK.
 *					With the SYN queue full, a SYN cookie instead (RFC 4987 3.6).
 *					With a valid fast-open cookie, a connection at once (RFC 7413).
 *	ACK	-> cookie_ack()		of a SYN cookie: request and connection in one step
 *
 * Two queues bound what strangers can make us hold: requests (config.syn_queue_max) and connections
 * that wait for accept (the backlog).
 */
#include <stdlib.h>
#include "tcp/conn.h"
#include "tcp/syncookie.h"

enum { COOKIE_LIFE_S = 128 };

static struct list *bucket_of(struct tcp *tcp, uint16_t port)
{
	return &tcp->listeners[(port ^ port >> 8) % TCP_LISTENER_BUCKETS];
}

int tcp_listen(struct tcp *tcp, const struct tcp_settings *settings, struct port_bind *bind,
	       const struct tee_endpoint *local, unsigned backlog, struct event_source *source,
	       struct tcp_listener **ret_listener)
{
	struct tcp_listener *listener;

	if (!ports_listen_allowed(tcp, bind))
		return -TEE_EADDRINUSE;
	listener = calloc(1, sizeof(*listener));
	if (!listener)
		return -TEE_ENOMEM;
	listener->settings = settings_ref_new(settings);
	if (!listener->settings) {
		free(listener);
		return -TEE_ENOMEM;
	}
	listener->tcp = tcp;
	listener->source = source;
	listener->bind = bind;
	ports_hand_over(bind);
	listener->local = *local;
	listener->backlog = backlog;
	list_init(&listener->requests);
	list_init(&listener->ready);
	ports_mark_listening(bind, true);
	list_push_back(bucket_of(tcp, local->port), &listener->node);
	*ret_listener = listener;
	return 0;
}

void tcp_listener_set_backlog(struct tcp_listener *listener, unsigned backlog)
{
	listener->backlog = backlog;
}

struct tcp_settings *tcp_listener_settings(struct tcp_listener *listener)
{
	/* Children that took the old ones keep them. */
	if (listener->settings->ref_count > 1) {
		struct settings_ref *own = settings_ref_new(&listener->settings->s);

		if (own) {
			settings_release(listener->settings);
			listener->settings = own;
		}
	}
	return &listener->settings->s;
}

const struct tee_endpoint *tcp_listener_local(const struct tcp_listener *listener)
{
	return &listener->local;
}

unsigned tcp_listener_queue(const struct tcp_listener *listener, unsigned *ret_backlog)
{
	if (ret_backlog)
		*ret_backlog = listener->backlog;
	return listener->ready_count;
}

struct tcp_conn *tcp_listener_accept(struct tcp_listener *listener)
{
	struct list *node = list_pop_front(&listener->ready);
	struct tcp_conn *conn;

	if (!node)
		return NULL;
	conn = CONTAINER_OF(node, struct tcp_conn, accept_node);
	listener->ready_count--;
	conn->listener = NULL;
	conn->flags &= ~(uint32_t)CONN_QUEUED_FOR_ACCEPT;
	return conn;
}

void tcp_listener_close(struct tcp_listener *listener)
{
	struct tcp_conn *conn;

	while (!list_is_empty(&listener->requests))
		request_free(CONTAINER_OF(listener->requests.next, struct tcp_request, siblings));
	while ((conn = tcp_listener_accept(listener)))
		tcp_conn_abort(conn);
	list_remove(&listener->node);
	ports_mark_listening(listener->bind, false);
	ports_unbind(listener->tcp, listener->bind);
	settings_release(listener->settings);
	free(listener);
}

/* ---- finding ---- */

/* How well a listener fits: 0 not at all; a bound address and a bound netif count more. */
static unsigned listener_score(const struct tcp_listener *listener, const struct tcp_key *key,
			       int netif)
{
	const struct tee_ip *ip = &listener->local.ip;
	unsigned score = 1;

	if (listener->local.port != key->local_port)
		return 0;
	if (listener->settings->s.netif && listener->settings->s.netif != netif)
		return 0;
	if (tee_ip_equal(ip, &key->local_ip))
		score += 4;
	else if (!tee_ip_is_any(ip))
		return 0;
	else if (tee_ip_is4(ip) && !tee_ip_is4(&key->local_ip))
		return 0;
	else if (!tee_ip_is4(ip) && tee_ip_is4(&key->local_ip) &&
		 (listener->settings->s.flags & TCP_SET_V6ONLY))
		return 0;
	else if (tee_ip_is4(ip) == tee_ip_is4(&key->local_ip))
		score += 1;
	if (listener->settings->s.netif)
		score += 8;
	return score;
}

/* The best; among equals with SO_REUSEPORT the flow's hash chooses. */
struct tcp_listener *listen_find(struct tcp *tcp, const struct tcp_key *key, int netif)
{
	struct list *bucket = bucket_of(tcp, key->local_port);
	struct tcp_listener *best = NULL;
	unsigned best_score = 0, equals = 0, nth;

	LIST_FOR_EACH(node, bucket)
	{
		struct tcp_listener *listener = CONTAINER_OF(node, struct tcp_listener, node);
		unsigned score = listener_score(listener, key, netif);

		if (score > best_score) {
			best = listener;
			best_score = score;
			equals = 1;
		} else if (score && score == best_score) {
			equals++;
		}
	}
	if (equals <= 1)
		return best;
	nth = demux_hash(&tcp->demux, key) % equals;
	LIST_FOR_EACH(node, bucket)
	{
		struct tcp_listener *listener = CONTAINER_OF(node, struct tcp_listener, node);

		if (listener_score(listener, key, netif) == best_score && nth-- == 0)
			return listener;
	}
	return best;
}

/* ---- LISTEN ---- */

/* One more than the backlog may wait, as on Linux: with 0 there is still room for one. */
bool listen_queue_is_full(const struct tcp_listener *listener)
{
	return listener->ready_count > listener->backlog;
}

/* The ACK of a cookie: everything we know of the connection is in it. */
static bool cookie_ack(struct tcp_listener *listener, struct ip_packet *packet, struct segment *seg)
{
	struct tcp *tcp = listener->tcp;
	union request_room room = {.bytes = {0}};
	struct tcp_request *request = &room.request;
	struct syncookie cookie;
	struct seq32 irs = seq_add(seg->h.seq, (uint32_t)-1),
		     iss = seq_add(seg->h.ack, (uint32_t)-1);
	struct tcp_key key = {packet->ip.dst, packet->ip.src, seg->h.dst_port, seg->h.src_port};

	if (!listener->cookie_sent_at_ns ||
	    tcp->engine->now_ns - listener->cookie_sent_at_ns > COOKIE_LIFE_S * TEE_NS_PER_S)
		return false;
	if (!syncookie_check(&tcp->isn_secret, &key, irs, iss, seg->h.options.has_ts,
			     seg->h.options.ts_ecr, tcp->engine->now_ns, &cookie)) {
		count(tcp->engine, COUNT_TCP_SYN_COOKIES_BAD);
		return false;
	}
	count(tcp->engine, COUNT_TCP_SYN_COOKIES_OK);
	request_fill(tcp, request, listener, packet, seg);
	request->irs = irs;
	request->iss = iss;
	request->peer_mss = cookie.mss;
	request->options = 0;
	request->wscale = UINT8_MAX;
	request->stub.flags = 0;
	request->sent_at_ms = coarse_ms(tcp->engine->now_ns);
	request->retries = 1; /* no RTT sample: when the SYN-ACK left is not known */
	if (cookie.has_ts) {
		request->options =
			(uint8_t)(REQUEST_HAS_TS | (cookie.sack_permitted ? REQUEST_HAS_SACK : 0));
		request->ts_recent = seg->h.options.ts_val;
		request->wscale = cookie.wscale == 15 ? UINT8_MAX : cookie.wscale;
		if (cookie.ecn)
			request->stub.flags = ECN_MODE_CLASSIC << 4;
	}
	if (!request->stub.flags && ecn_cookie_is_accurate(listener->settings->s.ecn, seg->h.flags))
		request->stub.flags = ECN_MODE_ACCURATE << 4;
	request = request_keep(request);
	if (!request) {
		drop(tcp->engine, DROP_NO_MEMORY);
		srcroutes_forget(&tcp->srcroutes, &room.request.stub);
		return true;
	}
	request_complete(request, packet, seg);
	/* Not accepted for lack of room: a cookie keeps no state, so forget it. */
	struct tcp_stub *left =
		demux_find_on(&tcp->demux, &key, (uint16_t)netif_number(packet->netif));
	if (left && left->kind == TCP_NODE_REQUEST)
		request_free(CONTAINER_OF(left, struct tcp_request, stub));
	return true;
}

/* A SYN with a valid fast-open cookie: a connection at once, its data readable before the handshake ends. */
static bool fastopen_child(struct tcp *tcp, struct tcp_request *request, struct ip_packet *packet,
			   struct segment *seg)
{
	struct tcp_conn *conn = request_make_conn(tcp, request);

	if (!conn)
		return false;
	if (demux_insert(&tcp->demux, &conn->node.stub) < 0) {
		conn_end(conn, 0);
		return false;
	}
	count(tcp->engine, COUNT_TCP_FASTOPEN_PASSIVE);
	count(tcp->engine, COUNT_TCP_PASSIVE_OPENS);
	conn->flags |= CONN_CHILD_FASTOPEN | CONN_SYN_DUE;
	conn->syn_sent_at_ns = conn_now(conn);
	conn->snd.nxt = 1;
	segment_widen(seg, conn->rcv.irs, 1, conn->snd.iss, 0);
	seg->h.flags &= (uint16_t)~TEE_TCP_SYN;
	seg->seq = 1;
	if (seg->len)
		conn->flags |= CONN_SYN_DATA_ACKED;
	if (segment_octets(seg))
		receive_data(conn, seg, packet->pkt);
	conn->ack_why = 0; /* the SYN-ACK says it */
	listen_conn_ready(conn);
	conn_mark_due(conn);
	return true;
}

static void listen_syn(struct tcp_listener *listener, struct ip_packet *packet, struct segment *seg)
{
	struct tcp *tcp = listener->tcp;
	const struct tee_config *config = &tcp->engine->config;
	const struct tcp_key key = {packet->ip.dst, packet->ip.src, seg->h.dst_port,
				    seg->h.src_port};
	union request_room room = {.bytes = {0}};
	struct tcp_request *local = &room.request, *request;
	bool give_cookie = false, is_fast;

	if (trace_on(tcp->engine))
		trace_bare(tcp, &key, &seg->h, seg->len, TEE_WHY_NONE, true);
	if (listen_queue_is_full(listener)) {
		count(tcp->engine, COUNT_TCP_LISTEN_OVERFLOW);
		drop(tcp->engine, DROP_TCP_ACCEPT_QUEUE_FULL);
		return;
	}
	request_fill(tcp, local, listener, packet, seg);
	is_fast = fastopen_accepts(listener, seg, &key, &give_cookie);
	if (give_cookie)
		local->options |= REQUEST_FASTOPEN_COOKIE;
	if (seg->h.options.fastopen_exp)
		local->options |= REQUEST_FASTOPEN_EXP;
	if (is_fast && fastopen_child(tcp, local, packet, seg))
		return;
	if (listener->request_count < config->syn_queue_max) {
		request = request_keep(local);
		if (request) {
			engine_arm(tcp->engine, &request->timer,
				   tcp->engine->now_ns + config->tcp_rto_initial_ns);
			request_answer(request, TEE_WHY_SYN_ACK);
			return;
		}
		drop(tcp->engine, DROP_NO_MEMORY);
	} else if (config->tcp_syn_cookies) {
		request_answer_with_cookie(tcp, local);
	} else {
		drop(tcp->engine, DROP_TCP_SYN_QUEUE_FULL);
	}
	/* Nothing stays of it, so neither does the way back. */
	srcroutes_forget(&tcp->srcroutes, &local->stub);
}

/* RFC 9293 3.10.7.2. */
void listen_segment(struct tcp_listener *listener, struct ip_packet *packet, struct segment *seg)
{
	struct tcp *tcp = listener->tcp;

	/* First: a RST can't be meant for a connection that isn't there. */
	if (segment_has(seg, TEE_TCP_RST)) {
		drop(tcp->engine, DROP_TCP_BAD_RST);
		return;
	}
	/* Second: an ACK is bad here, unless it completes a SYN cookie. */
	if (segment_has(seg, TEE_TCP_ACK)) {
		if (!segment_has(seg, TEE_TCP_SYN) && cookie_ack(listener, packet, seg))
			return;
		drop(tcp->engine, DROP_TCP_BAD_ACK);
		reply_rst(tcp, packet, seg);
		return;
	}
	/* Third: SYN. A FIN that rides in it is like text: not refused, and not acknowledged before it comes again. */
	if (segment_has(seg, TEE_TCP_SYN)) {
		listen_syn(listener, packet, seg);
		return;
	}
	/* Fourth: anything else. */
	drop(tcp->engine, DROP_TCP_NO_ACK);
}

/* ---- waiting for accept ---- */

void listen_conn_ready(struct tcp_conn *conn)
{
	struct tcp_listener *listener = conn->listener;

	conn->flags |= CONN_QUEUED_FOR_ACCEPT;
	list_push_back(&listener->ready, &conn->accept_node);
	listener->ready_count++;
	if (listener->source)
		event_raise(listener->tcp->engine, listener->source, TEE_EV_READABLE);
}

/* The connection ends before it was accepted. */
void listen_forget(struct tcp_conn *conn)
{
	struct tcp_listener *listener = conn->listener;

	if (!listener)
		return;
	if (conn_has(conn, CONN_QUEUED_FOR_ACCEPT)) {
		list_remove(&conn->accept_node);
		listener->ready_count--;
	}
	conn->listener = NULL;
}
