/* SPDX-License-Identifier: MIT */
/*
 * SEGMENT ARRIVES: RFC 9293 section 3.10.7, to be read beside it.
 *
 * A packet comes from ip by tcp_protocol_input(). The most common kind is dealt with in fast.c; the others go
 * the whole way: checksum, parse, one probe of the demux. What is found there decides: a connection
 * (tcp_segment_arrives), a half-open request or a listener (listen.c, request.c), a TIME-WAIT (timewait.c), or
 * nobody, who answers RST (reply.c).
 *
 * The RFC's eight steps for a connection:
 *	first to fourth	 sequence number, RST, security, SYN	validate.c
 *	fifth		 ACK					ack.c, open.c, close.c
 *	sixth		 URG					receive.c
 *	seventh, eighth	 text, FIN				receive.c
 */
#include "tcp/conn.h"
#include "tcp/isn.h"
#include "wire/checksum.h"

/* MUST-3: every segment's checksum is verified, unless the link vouches for it. */
bool tcp_checksum_is_good(const struct ip_packet *packet)
{
	const struct tee_pkt *pkt = packet->pkt;
	uint64_t sum;

	if (pkt->checksum_state != TEE_CHECKSUM_UNKNOWN ||
	    (netif_offloads(packet->netif) & TEE_OFFLOAD_RX_TRUSTED))
		return true;
	sum = checksum_pseudo(&packet->ip.src, &packet->ip.dst, IP_PROTO_TCP, pkt->len);
	sum = checksum_add(sum, tee_pkt_bytes(pkt), pkt->len);
	return checksum_fold(sum) == 0xffff;
}

static bool segment_parse(struct ip_packet *packet, struct segment *seg)
{
	const struct tee_pkt *pkt = packet->pkt;

	if (tcp_parse(tee_pkt_bytes(pkt), pkt->len, &seg->h) < 0)
		return false;
	seg->payload_off = pkt->off + seg->h.header_len;
	seg->len = pkt->len - seg->h.header_len;
	seg->tos = packet->ip.tos;
	seg->had_syn = false;
	seg->gso_segs = 1;
	if (pkt->gso_size && seg->len > pkt->gso_size)
		seg->gso_segs = (seg->len + pkt->gso_size - 1) / pkt->gso_size;
	return true;
}

static void timewait_segment(struct tcp *tcp, struct timewait *tw, struct ip_packet *packet,
			     struct segment *seg)
{
	/* The window says nothing any more; an open one is what the peer saw last. */
	struct tcp_header header = {
		.flags = TEE_TCP_ACK, .seq = tw->snd_nxt, .ack = tw->rcv_nxt, .window = 65535};
	const struct tcp_key key = stub_key(&tw->stub);

	enum timewait_verdict verdict = timewait_on_segment(tw, &seg->h, seg->len);
	struct tcp_listener *listener = NULL;

	if (verdict == TIMEWAIT_REUSE) {
		listener = listen_find(tcp, &key, netif_number(packet->netif));
		/* RFC 5961 4.2: with nobody to open it again, it is a SYN like any other. */
		if (!listener)
			verdict = TIMEWAIT_ACK;
	}
	switch (verdict) {
	case TIMEWAIT_REUSE:
		/* MAY-2: the new SYN is let in; our ISN will be larger than any number used before. */
		count(tcp->engine, COUNT_TCP_TIMEWAIT_REUSED);
		tcp->isn_above = tw->snd_nxt;
		tcp->has_isn_above = true;
		timewait_end(&tcp->timewait, tw);
		listen_segment(listener, packet, seg);
		tcp->has_isn_above = false;
		return;
	case TIMEWAIT_ACK_RESTART:
		timewait_restart(&tcp->timewait, tw, tcp->engine->now_ns);
		/* fallthrough */
	case TIMEWAIT_ACK:
		if (tw->stub.flags & TIMEWAIT_HAS_TS) {
			header.options.has_ts = true;
			/* The connection's own clock: a peer that took another for it would call it old. */
			header.options.ts_val =
				(uint32_t)(tcp->engine->now_ns / 1000000u) +
				isn_ts_offset_again(&tcp->isn_secret, &tcp->ts_memo, &key);
			header.options.ts_ecr = tw->ts_recent;
		}
		reply_segment(tcp, &tw->stub, &header, 0, 0, TEE_WHY_TIME_WAIT_ACK);
		return;
	case TIMEWAIT_RESET:
		reply_rst(tcp, packet, seg);
		timewait_end(&tcp->timewait, tw);
		return;
	case TIMEWAIT_RST_END: timewait_end(&tcp->timewait, tw); return;
	case TIMEWAIT_IGNORE: drop(tcp->engine, DROP_TCP_AFTER_CLOSE); return;
	}
}

/* CLOSED and LISTEN, 3.10.7.1 and 3.10.7.2. */
static void segment_for_nobody(struct tcp *tcp, struct ip_packet *packet, struct segment *seg,
			       const struct tcp_key *key)
{
	struct tcp_listener *listener = listen_find(tcp, key, netif_number(packet->netif));

	if (listener) {
		listen_segment(listener, packet, seg);
		return;
	}
	if (trace_on(tcp->engine))
		trace_bare(tcp, key, &seg->h, seg->len, TEE_WHY_NONE, true);
	drop(tcp->engine, DROP_TCP_NO_CONN);
	reply_rst(tcp, packet, seg);
}

void tcp_protocol_input(void *context, struct ip_packet *packet)
{
	struct tcp *tcp = context;
	struct engine *engine = tcp->engine;
	struct tee_pkt *pkt = packet->pkt;
	struct segment seg;
	struct tcp_key key;
	struct tcp_stub *node;

	if (fast_input(tcp, packet)) {
		tcp_reap(tcp);
		return;
	}
	if (packet->to_group) { /* MUST-57 */
		drop_pkt(engine, DROP_TCP_BROADCAST, pkt);
		return;
	}
	if (!segment_parse(packet, &seg)) {
		drop_pkt(engine, DROP_TCP_MALFORMED, pkt);
		return;
	}
	if (!tcp_checksum_is_good(packet)) {
		drop_pkt(engine, DROP_TCP_BAD_CHECKSUM, pkt);
		return;
	}
	/* RFC 2385 2.0: a signature that can't be verified is a wrong one, and not answered. */
	if (seg.h.options.is_signed) {
		drop_pkt(engine, DROP_TCP_SIGNED, pkt);
		return;
	}
	count_n(engine, COUNT_TCP_SEGS_IN, seg.gso_segs);
	if (seg.gso_segs > 1)
		count(engine, COUNT_TCP_SUPER_IN);
	key.local_ip = packet->ip.dst;
	key.remote_ip = packet->ip.src;
	key.local_port = seg.h.dst_port;
	key.remote_port = seg.h.src_port;
	node = demux_find_on(&tcp->demux, &key, (uint16_t)netif_number(packet->netif));
	if (!node) {
		segment_for_nobody(tcp, packet, &seg, &key);
	} else if (node->kind == TCP_NODE_CONN) {
		if (packet->ip.options_len)
			route_learn(tcp, packet, node,
				    CONTAINER_OF(node, struct tcp_conn, node.stub));
		tcp_segment_arrives(CONTAINER_OF(node, struct tcp_conn, node.stub), &seg, pkt);
	} else if (node->kind == TCP_NODE_REQUEST) {
		if (packet->ip.options_len)
			route_learn(tcp, packet, node, NULL);
		request_segment(CONTAINER_OF(node, struct tcp_request, stub), packet, &seg);
	} else {
		if (trace_on(engine))
			trace_bare(tcp, &key, &seg.h, seg.len, TEE_WHY_NONE, true);
		timewait_segment(tcp, CONTAINER_OF(node, struct timewait, stub), packet, &seg);
	}
	tee_pkt_release(pkt);
	tcp_reap(tcp);
}

/* Fifth, state SYN-RECEIVED: the ACK of our SYN makes the connection. */
static bool syn_received_ack(struct tcp_conn *conn, struct segment *seg)
{
	if (seg->ack <= (int64_t)conn->snd.una || seg->ack > (int64_t)conn->snd.nxt) {
		struct tcp_header rst = {.flags = TEE_TCP_RST, .seq = seg->h.ack};

		/* "form a RST segment <SEQ=SEG.ACK><CTL=RST> and send it" */
		drop(conn_engine(conn), DROP_TCP_BAD_ACK);
		reply_segment(conn->tcp, &conn->node.stub, &rst, 0, 0, TEE_WHY_RST_BAD_ACK);
		return false;
	}
	open_syn_acked(conn, seg);
	return true;
}

/* Seventh and eighth: text and FIN, in the states that still receive. */
static void segment_text(struct tcp_conn *conn, struct segment *seg, struct tee_pkt *pkt)
{
	switch (conn->state) {
	case TEE_TCP_ESTABLISHED:
	case TEE_TCP_FIN_WAIT_1:
	case TEE_TCP_FIN_WAIT_2:
		if (close_data_after_close(conn, seg))
			return;
		receive_urgent(conn, seg);
		receive_data(conn, seg, pkt);
		return;
	case TEE_TCP_SYN_RECEIVED: /* fast open: the data that follows the SYN before its ACK */
		if (conn_has(conn, CONN_CHILD_FASTOPEN))
			receive_data(conn, seg, pkt);
		return;
	default:
		/* The peer's FIN was here before: text beyond it lies behind the stream's end, and is ignored. A FIN
		   that came twice, the first step has answered. */
		if (segment_octets(seg))
			drop(conn_engine(conn), DROP_TCP_OUT_OF_WINDOW);
		return;
	}
}

/*
 * RFC 7323 4.3: TS.Recent follows what fits at or before the left edge of what we acknowledged. Not before
 * its ACK was believed: whoever guesses a sequence number shall not move our clock of the peer.
 */
static void follow_timestamp(struct tcp_conn *conn, const struct segment *seg)
{
	if (conn_has(conn, CONN_HAS_TS) && seg->h.options.has_ts &&
	    seg->seq <= (int64_t)conn->rcv.acked)
		tstamp_update(&conn->ts, seg->h.options.ts_val, conn_now(conn));
}

void tcp_segment_arrives(struct tcp_conn *conn, struct segment *seg, struct tee_pkt *pkt)
{
	bool was_opening;

	conn->segs_in += seg->gso_segs;
	if (seg->len)
		conn->data_segs_in += seg->gso_segs;
	if (conn->state == TEE_TCP_SYN_SENT) {
		if (trace_on(conn_engine(conn)))
			trace_segment_in(conn, seg);
		open_on_syn_sent_segment(conn, seg, pkt);
		return;
	}
	segment_widen(seg, conn->rcv.irs, conn->rcv.nxt, conn->snd.iss, conn->snd.una);
	if (trace_on(conn_engine(conn)))
		trace_segment_in(conn, seg);
	if (seg->len)
		ack_note_before(conn, seg->seq);
	/* first to fourth */
	if (!validate_segment(conn, seg))
		return;
	/* fifth */
	if (!segment_has(seg, TEE_TCP_ACK)) {
		drop(conn_engine(conn), DROP_TCP_NO_ACK);
		return;
	}
	timers_on_heard(conn);
	was_opening = conn->state == TEE_TCP_SYN_RECEIVED;
	if (was_opening && !syn_received_ack(conn, seg))
		return;
	if (!ack_process(conn, seg))
		return;
	follow_timestamp(conn, seg);
	if (conn->state == TEE_TCP_CLOSED || conn->state == TEE_TCP_TIME_WAIT)
		return;
	/* RFC 9768 3.2.2.5.1: an ACK of bare ACKs must not be taken for a duplicate, so it has no SACK blocks. */
	if (ecn_count(conn->ecn, seg->tos, seg->len, seg->gso_segs) &&
	    (seg->len || (conn_has(conn, CONN_HAS_SACK) && !segment_has_sack_news(conn))))
		conn_ack_now(conn, TEE_WHY_ECN);
	/* sixth to eighth */
	segment_text(conn, seg, pkt);
	/* Its bare ACK was lost, or never sent: a client that began with data learns at once. */
	if (was_opening && seg->len && conn->state != TEE_TCP_CLOSED)
		conn_ack_now(conn, TEE_WHY_ACK_HANDSHAKE);
	if (conn->state != TEE_TCP_CLOSED && output_may_have_more(conn))
		conn_mark_due(conn);
}
