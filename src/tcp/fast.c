/* SPDX-License-Identifier: MIT */
/*
 * The common segment on an established connection, of which there are two kinds. Text that comes in order while
 * nothing of ours is in flight is nearly all that a download brings. A segment that acknowledges something of ours, with
 * the next text or without any, is the answer of a conversation and nearly all that an upload brings.
 * For both the eight steps of SEGMENT ARRIVES (input.c) come down to a few comparisons and what they lead to; Van
 * Jacobson called it header prediction.
 *
 * fast_input() first only looks. Whatever is not exactly as predicted (an option besides the
 * timestamps, a flag besides ACK and PSH, a hole, another window while nothing is in flight, an ACK that is old or
 * doubled, a listener of trace points …) is left to the slow path, untouched. From there on it does what the slow path
 * would do, by the same functions where there are any, and nothing else:
 *
 *	validate.c	PAWS, TS.Recent			RFC 7323 section 5
 *	ack.c		WL1 and WL2, or ack_process()	RFC 9293 3.10.7.4, fifth
 *	receive.c	receive_next()			seventh, and when to acknowledge
 *
 * The two must not differ in anything: tests/unit/stack/test_fast_path.c gives both the same random segments, and
 * compares connections and what they send. config.tcp_fast_path switches this file off.
 */
#include "base/byteorder.h"
#include "tcp/conn.h"
#include "wire/checksum.h"

enum {
	PLAIN_LEN = TCP_HEADER_LEN,
	STAMPED_LEN = TCP_HEADER_LEN + 12, /* with NOP, NOP, timestamps */
	/* What must be set for a segment to be out of the ordinary here. */
	CONN_UNUSUAL = CONN_SYN_DUE | CONN_TLP_DUE | CONN_PROBE_DUE | CONN_KEEPALIVE_DUE |
		       CONN_FIN_QUEUED | CONN_FIN_RECEIVED | CONN_DSACK_DUE,
};

/* The fields that matter, still in the header's own terms. */
struct glance {
	const uint8_t *header;
	unsigned header_len;
	uint32_t len; /* of the text */
	bool has_ts;
	uint32_t ts_val, ts_ecr;
};

/* ACK or ACK and PSH, no reserved bit, no option but timestamps in their usual place. */
static bool glance_at(const struct tee_pkt *pkt, struct glance *ret)
{
	const uint8_t *header = tee_pkt_bytes(pkt);
	uint16_t start;

	if (pkt->len < PLAIN_LEN)
		return false;
	start = load_be16(header + 12) & (uint16_t)~TEE_TCP_PSH;
	ret->header = header;
	if (start == (STAMPED_LEN / 4 << 12 | TEE_TCP_ACK)) {
		if (pkt->len < STAMPED_LEN ||
		    load_be32(header + TCP_HEADER_LEN) != TCP_TIMESTAMPS_WORD)
			return false;
		ret->has_ts = true;
		ret->header_len = STAMPED_LEN;
		ret->ts_val = load_be32(header + TCP_HEADER_LEN + 4);
		ret->ts_ecr = load_be32(header + TCP_HEADER_LEN + 8);
	} else if (start == (PLAIN_LEN / 4 << 12 | TEE_TCP_ACK)) {
		ret->has_ts = false;
		ret->header_len = PLAIN_LEN;
		ret->ts_val = ret->ts_ecr = 0;
	} else {
		return false;
	}
	ret->len = pkt->len - ret->header_len;
	return true;
}

static struct tcp_conn *find_conn(struct tcp *tcp, const struct ip_packet *packet,
				  const uint8_t *header)
{
	struct tcp_key key = {
		.local_ip = packet->ip.dst,
		.remote_ip = packet->ip.src,
		.local_port = load_be16(header + 2),
		.remote_port = load_be16(header),
	};
	struct tcp_stub *node = demux_find(&tcp->demux, &key);

	if (!node || node->kind != TCP_NODE_CONN ||
	    (node->netif && node->netif != netif_number(packet->netif)))
		return NULL;
	return CONTAINER_OF(node, struct tcp_conn, node.stub);
}

/* Nothing is going on but that text comes in, and goes out. */
static bool conn_is_plain(const struct tcp_conn *conn)
{
	return conn->state == TEE_TCP_ESTABLISHED && conn->ecn->mode == ECN_MODE_OFF &&
	       !conn_has(conn, CONN_UNUSUAL) && !conn->rcv.fin &&
	       !(conn_ooo(conn) && conn_ooo(conn)->range_count);
}

/* The next in order, within the window, and as young as timestamps can tell. */
static inline bool is_next(const struct tcp_conn *conn, const struct glance *seen, uint64_t now_ns)
{
	return load_be32(seen->header + 4) == conn_rcv_seq(conn, conn->rcv.nxt).raw &&
	       (conn->rcv.nxt + seen->len <= conn->rcv.adv || !seen->len) &&
	       conn_has(conn, CONN_HAS_TS) == seen->has_ts &&
	       !(seen->has_ts && tstamp_paws_rejects(&conn->ts, seen->ts_val, now_ns));
}

/* Text, while we have nothing in flight and nothing to send, and under the window that we know. */
static inline bool is_text_alone(const struct tcp_conn *conn, const struct glance *seen)
{
	return seen->len && conn->rx && conn->snd.una == conn->snd.nxt && !byteq_len(&conn->sndq) &&
	       (uint32_t)load_be16(seen->header + 14) << conn->snd.wscale == conn->snd.wnd;
}

/* It acknowledges `acked` bytes: at least one, and no more than are in flight. */
static inline bool is_answer(const struct tcp_conn *conn, const struct glance *seen, uint32_t acked)
{
	return acked <= conn->snd.nxt - conn->snd.una && conn->tx && (!seen->len || conn->rx);
}

/* SND.WL1 and SND.WL2 of a segment that says nothing new: as ack_update_window(). */
static inline void note_window(struct tcp_conn *conn)
{
	uint64_t seq = conn->rcv.nxt, ack = conn->snd.una;

	if (conn->snd.wl1 > seq && ack <= conn->snd.wl2)
		return;
	if (conn->snd.wl1 == seq && conn->snd.wl2 > ack)
		return;
	conn->snd.wl1 = seq;
	conn->snd.wl2 = ack;
	if (conn->tx && conn->snd.wnd)
		conn->tx->probe_backoff = 0;
}

/*
 * The fifth step, where something is acknowledged: the slow path's, for a segment put together anew. Not inline, lest
 * the text that comes alone bear its weight.
 */
static __attribute__((noinline)) void take_ack(struct tcp_conn *conn, const struct glance *seen,
					       uint32_t acked)
{
	struct segment seg = {
		.h = {.seq = seq32(load_be32(seen->header + 4)),
		      .ack = seq32(load_be32(seen->header + 8)),
		      .flags = load_be16(seen->header + 12) & (TEE_TCP_ACK | TEE_TCP_PSH),
		      .window = load_be16(seen->header + 14)},
		.len = seen->len,
		.seq = (int64_t)conn->rcv.nxt,
		.ack = (int64_t)(conn->snd.una + acked),
		.end = (int64_t)(conn->rcv.nxt + seen->len),
	};

	if (seen->has_ts) {
		seg.h.options.has_ts = true;
		seg.h.options.ts_val = seen->ts_val;
		seg.h.options.ts_ecr = seen->ts_ecr;
	}
	ack_process(conn, &seg);
}

/* Counts what came; how many segments of the wire it was. */
static inline uint32_t count_segments(struct engine *engine, struct tcp_conn *conn,
				      const struct glance *seen, const struct tee_pkt *pkt)
{
	uint32_t segs = 1;

	if (pkt->gso_size && seen->len > pkt->gso_size)
		segs = (seen->len + pkt->gso_size - 1) / pkt->gso_size;
	count(engine, COUNT_TCP_FAST_IN);
	count_n(engine, COUNT_TCP_SEGS_IN, segs);
	if (segs > 1)
		count(engine, COUNT_TCP_SUPER_IN);
	conn->segs_in += segs;
	return segs;
}

/* The fifth step where nothing is acknowledged: ack_without_flight(). */
static inline void take_no_ack(struct tcp_conn *conn, uint64_t now_ns)
{
	conn->rcv.last_ack_ms = coarse_ms(now_ns);
	conn->retries = 0;
	note_window(conn);
	if (conn->tx)
		conn->tx->probe_count = 0;
}

static inline void take(struct engine *engine, struct tcp_conn *conn, const struct glance *seen,
			uint32_t acked, const struct ip_packet *packet)
{
	const uint64_t now_ns = engine->now_ns;
	struct tee_pkt *pkt = packet->pkt;
	const struct arrival arrival = {
		.len = seen->len,
		.gso_segs = count_segments(engine, conn, seen, pkt),
		.payload_off = pkt->off + seen->header_len,
		.ts_ecr = seen->ts_ecr,
		.tos = packet->ip.tos,
		.is_pushed = seen->header[13] & TEE_TCP_PSH,
	};

	if (seen->len && ack_note_is_second(conn))
		ack_note_second(conn);
	timers_on_heard(conn);
	if (acked)
		take_ack(conn, seen, acked);
	else
		take_no_ack(conn, now_ns);
	if (seen->has_ts && conn->rcv.nxt <= conn->rcv.acked)
		tstamp_take(&conn->ts, seen->ts_val, now_ns);
	if (arrival.len) {
		conn->data_segs_in += arrival.gso_segs;
		receive_next(conn, &arrival, pkt);
	} else {
		tee_pkt_release(pkt);
	}
	if ((conn->ack_why || (acked && output_may_have_more(conn))) && !list_is_linked(&conn->due))
		conn_mark_due(conn);
}

bool fast_input(struct tcp *tcp, struct ip_packet *packet)
{
	struct glance seen;
	struct tcp_conn *conn;
	struct engine *engine = tcp->engine;
	uint32_t acked;

	if (!engine->config.tcp_fast_path || trace_on(engine) || packet->to_group ||
	    packet->ip.options_len || !glance_at(packet->pkt, &seen))
		return false;
	conn = find_conn(tcp, packet, seen.header);
	if (!conn || !conn_is_plain(conn) || !is_next(conn, &seen, engine->now_ns))
		return false;
	acked = load_be32(seen.header + 8) - conn_snd_seq(conn, conn->snd.una).raw;
	if (!(acked ? is_answer(conn, &seen, acked) : is_text_alone(conn, &seen)) ||
	    (packet->pkt->checksum_state == TEE_CHECKSUM_UNKNOWN && !tcp_checksum_is_good(packet)))
		return false;
	take(engine, conn, &seen, acked, packet);
	return true;
}
