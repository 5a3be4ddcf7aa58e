/* SPDX-License-Identifier: MIT */
/*
 * The receiver: seventh and eighth steps of RFC 9293 3.10.7.4 (text and FIN), when to acknowledge,
 * and what window to offer.
 *
 * Payload is not copied: the receive queue refers to the packet it came in. What comes out of order
 * waits in conn->rx->ooo and is reported by SACK.
 *
 * Acknowledging (RFC 9293 3.8.6.3, RFC 5681 4.2): at once for every second segment, for what is out of
 * order, for what fills a hole, for a FIN; else delayed (SHLD-18), by ato_ms, which follows the gaps between
 * arrivals between delack_min and delack_max (below 500 ms: MUST-40). A flow's first segments are
 * acknowledged at once, so that the sender's slow start is not held up, until the connection turns
 * out to be interactive; and so are the first after a loss, but for a millisecond's delay on a short path that reorders.
 *
 * Window: the free buffer, never taken back (SHLD-14), moved on only by a useful amount (MUST-39). The buffer
 * grows with what the application reads a round trip ("dynamic right-sizing").
 */
#include <stdlib.h>
#include <string.h>
#include "tcp/conn.h"

enum {
	QUICK_ACKS_MAX = 96,  /* a sender ends slow start by their times: they outlast it */
	QUICK_SMALL_MAX = 16, /* of these for what is smaller than a full segment */
	LOSS_SOON_ACKS = 128, /* a sender that loses one in a hundred gets them all so */
	RCV_MSS_MIN = 88,
	RCVBUF_SHORT_PATH = 1 << 20, /* what autotuning gives even the shortest path … */
	RCVBUF_SUPERS = 16,          /* … and one that carries large super-frames, up to */
	RCVBUF_SUPERS_BYTES = 2 << 20,
	INITIAL_FLIGHT_SEGS = 10, /* what most senders begin with (RFC 6928) */
};

#define LONG_PATH_NS (5 * TEE_NS_PER_MS)

/* ---- window ---- */

void receive_init_window(struct tcp_conn *conn)
{
	const struct tcp_settings *s = &conn->settings->s;
	const struct tee_config *config = conn_config(conn);

	conn->rcv.buf = s->rcvbuf ? s->rcvbuf : config->tcp_rcvbuf_initial;
	conn->rcv.mss = 536;
	conn->rcv.wscale = receive_wscale(config, s);
	conn->rcv.nxt = 1;
	conn->rcv.adv = 1;
	conn->rcv.acked = 1;
}

/* The smallest scale at which the largest buffer that we may grow to can be offered (RFC 7323 2.3). */
uint8_t receive_wscale(const struct tee_config *config, const struct tcp_settings *settings)
{
	uint64_t most = config->tcp_rcvbuf_max;
	uint8_t scale = 0;

	if (settings->flags & TCP_SET_RCVBUF_LOCKED)
		most = settings->rcvbuf;
	if (settings->window_clamp)
		most = MIN(most, settings->window_clamp);
	while (scale < 14 && (UINT64_C(65535) << scale) < most)
		scale++;
	return scale;
}

static uint8_t window_scale(const struct tcp_conn *conn)
{
	return conn_has(conn, CONN_HAS_WSCALE) ? conn->rcv.wscale : 0;
}

/* What a header's window counts in. */
static uint64_t window_unit(const struct tcp_conn *conn)
{
	return UINT64_C(1) << window_scale(conn);
}

/* Free room that may be promised, before the rules of not shrinking and not crawling. */
static uint64_t free_space(const struct tcp_conn *conn)
{
	const struct tee_config *config = conn_config(conn);
	uint64_t queued = byteq_len(&conn->rcvq);
	uint64_t space = conn->rcv.buf > queued ? conn->rcv.buf - queued : 0;
	size_t used = tee_pool_bytes_used(conn_engine(conn)->pool);

	if (conn->settings->s.window_clamp)
		space = MIN(space, conn->settings->s.window_clamp);
	/* Less than a unit can't be told, and once that is closed nothing would ever open it. */
	if (!queued)
		space = MAX(space, window_unit(conn));
	/* Close to the memory limit nobody is promised more than a little. */
	if (used > config->memory_bytes_max - config->memory_bytes_max / 8)
		space = MIN(space, 2u * conn->rcv.mss);
	return space;
}

/*
 * Is there as much to read as the application asked for (RCVLOWAT)? What it asked for may be more
 * than the window will ever let in: then a window that is used up is enough, lest both wait for ever. What is left of it
 * may be less than a header can tell.
 */
bool receive_is_worth_reading(const struct tcp_conn *conn)
{
	uint64_t queued = byteq_len(&conn->rcvq);
	uint64_t least = MAX((uint64_t)conn->rcv.mss, window_unit(conn) - 1);

	return queued &&
	       (queued >= conn->settings->s.rcvlowat || conn->rcv.adv <= conn->rcv.nxt + least);
}

/* What the right edge would be if a segment left now. */
static uint64_t window_edge(const struct tcp_conn *conn)
{
	uint64_t nxt = conn->rcv.nxt, space = free_space(conn), edge;
	uint8_t scale = window_scale(conn);

	space = MIN(space, UINT64_C(65535) << scale);
	edge = nxt + (space >> scale << scale);
	/* SHLD-14: never to the left. */
	if (edge <= conn->rcv.adv)
		return MAX(conn->rcv.adv, nxt);
	/* MUST-39: not by crumbs, unless the whole buffer is free. */
	if (edge - conn->rcv.adv < MIN((uint64_t)conn->rcv.mss, conn->rcv.buf / 2) &&
	    byteq_len(&conn->rcvq) != 0)
		return MAX(conn->rcv.adv, nxt);
	return edge;
}

/*
 * The window to the right of `nxt` as a header has it, in units of the scale. RFC 7323 2.4: a part of a unit counts as
 * a whole one, since to leave it out would take back a part of the promise. But each time that promises a little more, so
 * a peer that sent less than a unit at a time would never find the window closed: an eighth beyond the buffer the
 * part is left out after all.
 */
static uint32_t scaled_window(const struct tcp_conn *conn, uint64_t nxt, uint8_t scale)
{
	uint64_t unit = UINT64_C(1) << scale, window = window_edge(conn) - nxt;
	uint64_t most = conn->rcvq.start + conn->rcv.buf + MAX(conn->rcv.buf / 8, unit);
	uint64_t units = (window + unit - 1) >> scale;

	if (nxt + (units << scale) > MAX(conn->rcv.adv, most))
		units = window >> scale;
	return (uint32_t)MIN(units, 65535u);
}

uint32_t receive_window_peek(const struct tcp_conn *conn)
{
	uint8_t scale = window_scale(conn);

	return scaled_window(conn, conn->rcv.nxt, scale) << scale;
}

uint16_t header_window(struct tcp_conn *conn, uint64_t nxt)
{
	uint8_t scale = window_scale(conn);
	uint32_t window = scaled_window(conn, nxt, scale);

	conn->rcv.adv = MAX(conn->rcv.adv, nxt + (window << scale));
	return (uint16_t)window;
}

/* What the latest header said, less what has come since: of rcv.adv it left out a part of a unit, or what no header holds. */
static uint64_t offered_window(const struct tcp_conn *conn)
{
	uint64_t acked = conn->rcv.acked, edge;
	uint8_t scale = window_scale(conn);

	if (conn->rcv.adv <= acked)
		return 0;
	edge = acked + (MIN((conn->rcv.adv - acked) >> scale, 65535u) << scale);
	return edge - MIN(edge, conn->rcv.nxt);
}

/* ---- when to acknowledge ---- */

/* Every segment that leaves acknowledges; whatever was owed is paid. */
void receive_on_ack_sent(struct tcp_conn *conn)
{
	conn->ack_why = 0;
	conn->rcv.acked = conn->rcv.nxt;
	conn->rcv.unacked_bytes = 0;
	conn->rcv.unacked_segs = 0;
	receive_count_ack(conn);
	if (timers_armed(conn, CONN_DELACK))
		timers_clear(conn, CONN_DELACK);
	conn->last_ack_sent_ms = coarse_ms(conn_now(conn));
}

/* The peer's segment size, as far as it shows: what "full-sized" means to the delayed ACK. */
static void estimate_rcv_mss(struct tcp_conn *conn, const struct arrival *arrival)
{
	uint32_t len = arrival->len, segs = arrival->gso_segs;

	if (segs > 1)
		len = (len + segs - 1) / segs;

	if (len > conn->rcv.mss)
		conn->rcv.mss = (uint16_t)MIN(len, MAX(conn->adv_mss, RCV_MSS_MIN));
}

/* Follows the gaps between arrivals, so that the delay is no longer than it need be. */
static void adapt_ato(struct tcp_conn *conn, uint32_t now)
{
	uint32_t least = conn->tcp->delack_min_ms, gap;

	if (!conn->rcv.ato_ms) {
		conn->rcv.ato_ms = least;
		conn->rcv.quick_acks = QUICK_ACKS_MAX;
	} else {
		gap = now - conn->rcv.last_data_ms;
		if (gap <= least / 2)
			conn->rcv.ato_ms = conn->rcv.ato_ms / 2 + least / 2;
		else if (gap < conn->rcv.ato_ms)
			conn->rcv.ato_ms = conn->rcv.ato_ms / 2 + gap;
		else if (conn->tx && conn->tx->rto.srtt_ns && gap > coarse_ms(timers_rto_ns(conn)))
			conn->rcv.quick_acks = QUICK_ACKS_MAX; /* it was idle: slow start again */
		conn->rcv.ato_ms = MIN(conn->rcv.ato_ms, conn->tcp->delack_max_ms);
	}
	conn->rcv.ato_ms = MAX(conn->rcv.ato_ms, 1u);
	conn->rcv.last_data_ms = now;
}

/*
 * Early ACKs feed a sender's slow start and its recovery, which send full segments; a small one can wait for what
 * follows it, unless PSH says that nothing does. Linux doesn't wait at its side either, until it has answered.
 */
static bool may_be_early(const struct tcp_conn *conn, bool is_pushed)
{
	return !conn_has(conn, CONN_PINGPONG) &&
	       (conn->rcv.unacked_bytes >= conn->rcv.mss || is_pushed);
}

/* 0: not measured. */
static uint64_t path_rtt_ns(const struct tcp_conn *conn)
{
	return conn->tx && conn->tx->rto.srtt_ns ? conn->tx->rto.srtt_ns : conn->syn_rtt_ns;
}

/*
 * After a loss one segment alone may be all that the sender has out, or the last of a small flight, to whose next round
 * trip our delay is added: so it is acknowledged at once. Only on a short path that reorders it waits for a second one, for
 * a round trip or a millisecond: a sender by BBR carries a tenth less there when each segment is acknowledged by itself.
 */
static bool has_time(const struct tcp_conn *conn)
{
	return conn->rx && conn->rx->is_overtaken && path_rtt_ns(conn) < LONG_PATH_NS;
}

static bool has_quick_ack(const struct tcp_conn *conn)
{
	bool is_full = conn->rcv.unacked_bytes >= conn->rcv.mss;

	return conn->rcv.quick_acks > (is_full ? 0 : QUICK_ACKS_MAX - QUICK_SMALL_MAX);
}

static void schedule_ack(struct tcp_conn *conn, bool is_pushed)
{
	bool is_early = may_be_early(conn, is_pushed);
	bool is_soon = is_early && conn->rcv.soon_acks;
	uint64_t delay_ns;

	if (conn->rcv.unacked_segs >= 2 || conn->rcv.unacked_bytes > conn->rcv.mss) {
		conn_ack_now(conn, TEE_WHY_ACK_EVERY_SECOND); /* SHLD-19 */
		return;
	}
	if ((is_early && has_quick_ack(conn)) || (is_soon && !has_time(conn)) ||
	    (conn->settings->s.flags & TCP_SET_QUICKACK)) {
		conn_ack_now(conn, TEE_WHY_ACK_QUICK);
		return;
	}
	if (timers_armed(conn, CONN_DELACK))
		return;
	delay_ns = conn->rcv.ato_ms * TEE_NS_PER_MS;
	if (is_soon)
		delay_ns = MIN(MIN(path_rtt_ns(conn), TEE_NS_PER_MS), delay_ns);
	timers_set(conn, CONN_DELACK, conn_now(conn) + delay_ns);
}

/* ---- buffer size ---- */

/* A millisecond's clock tells a long round trip well; a short one it can't. */
enum { TS_RTT_LEAST_NS = 3000000 };

static void note_rtt(struct tcp_conn *conn, uint64_t sample)
{
	if (!conn->rx->rtt_ns || sample < conn->rx->rtt_ns)
		conn->rx->rtt_ns = sample;
	else
		conn->rx->rtt_ns += (sample - conn->rx->rtt_ns) / 8;
}

/*
 * How long one round trip takes, seen by the receiver: by the timestamp that came back, or, where that is
 * too coarse, the least time to get one window of data, which is never shorter than the trip.
 */
static void measure_rtt(struct tcp_conn *conn, const struct arrival *arrival)
{
	uint64_t now = conn_now(conn), sample = 0;

	if (conn_has(conn, CONN_HAS_TS) && arrival->ts_ecr && arrival->len >= conn->rcv.mss) {
		bool is_said = arrival->ts_ecr == conn->rx->rtt_ecr;

		conn->rx->rtt_ecr = arrival->ts_ecr;
		sample = tstamp_rtt_ns(&conn->ts, arrival->ts_ecr, now);
		if (sample >= TS_RTT_LEAST_NS) {
			/* The first segment that echoes it waited least. */
			if (!is_said)
				note_rtt(conn, sample);
			return;
		}
	}
	if (conn->rx->rtt_mark && conn->rcv.nxt < conn->rx->rtt_mark)
		return;
	if (conn->rx->rtt_mark) {
		sample = MAX(now - conn->rx->rtt_at_ns, 1);
		if (!conn->rx->rtt_ns || sample < conn->rx->rtt_ns)
			conn->rx->rtt_ns = sample;
	}
	conn->rx->rtt_mark = MAX(conn->rcv.adv, conn->rcv.nxt + 1);
	conn->rx->rtt_at_ns = now;
}

/* How far the stream goes on behind its holes. */
static uint64_t bytes_ahead(const struct tcp_conn *conn)
{
	const struct rb_node *last = conn_ooo(conn) ? rb_last(&conn_ooo(conn)->tree) : NULL;

	return last ? CONTAINER_OF(last, struct ooo_range, node)->bytes.end - conn->rcv.nxt : 0;
}

/*
 * Room for twice what one round trip brought, since this is known a round trip late, for twice what slow start
 * has added, and for what waits behind holes; but at first for no more than twice what has come at all: a sender in
 * slow start fills what it is offered, and the bottleneck's queue with it.
 */
static void grow_buffer(struct tcp_conn *conn, uint64_t read_bytes)
{
	const struct tee_config *config = conn_config(conn);
	uint32_t mss = MAX(conn->adv_mss, 536u);
	uint64_t want, before = MAX(conn->rx->space_bytes, INITIAL_FLIGHT_SEGS * mss);
	uint32_t supers = conn_supers_bytes(conn, RCVBUF_SUPERS, RCVBUF_SUPERS_BYTES);

	if (!config->tcp_autotuning || (conn->settings->s.flags & TCP_SET_RCVBUF_LOCKED) ||
	    tee_pool_bytes_used(conn_engine(conn)->pool) > config->memory_bytes_max / 2)
		return;
	want = 2 * read_bytes + 16u * mss;
	/* What more than doubles is no slow start: it was held up, or out of order. */
	if (read_bytes > before)
		want += 2 * want * MIN(read_bytes - before, before) / before;
	want = MIN(want, config->tcp_rcvbuf_initial + 2 * conn->rcvq.start);
	want += bytes_ahead(conn);
	want = MIN(want, conn_path_bytes_max(conn, MAX(RCVBUF_SHORT_PATH, supers)));
	want = MIN(want, config->tcp_rcvbuf_max);
	if (want > conn->rcv.buf)
		conn->rcv.buf = (uint32_t)want;
}

/* The application took something: the buffer may grow, and the peer may want to know of room. */
void receive_on_read(struct tcp_conn *conn)
{
	uint64_t now = conn_now(conn), offered, could;

	if (conn->rx && conn->rx->rtt_ns && now - conn->rx->space_at_ns >= conn->rx->rtt_ns) {
		uint64_t got = conn->rcvq.start - conn->rx->space_mark;

		if (got > conn->rx->space_bytes) {
			grow_buffer(conn, got);
			conn->rx->space_bytes = (uint32_t)MIN(got, UINT32_MAX);
		}
		conn->rx->space_mark = conn->rcvq.start;
		conn->rx->space_at_ns = now;
	}
	if (conn->rx && conn_has(conn, CONN_URGENT_IN) && conn->rcvq.start >= conn->rx->urgent)
		conn->flags &= ~(uint32_t)CONN_URGENT_IN;
	if (conn->state == TEE_TCP_CLOSED || conn->state == TEE_TCP_TIME_WAIT ||
	    conn_has(conn, CONN_FIN_RECEIVED) || !conn_is_synchronized(conn))
		return;
	/* A window update is worth a segment when it at least doubles an offer that has half run out. */
	offered = offered_window(conn);
	if (2 * offered > conn->rcv.buf)
		return;
	could = receive_window_peek(conn);
	if (could && could >= 2 * offered)
		conn_ack_now(conn, TEE_WHY_WINDOW_UPDATE);
}

/* ---- text ---- */

/* RFC 9293 3.8.5: the pointer names the octet after the urgent ones (MUST-62), and never goes back. */
void receive_urgent(struct tcp_conn *conn, const struct segment *seg)
{
	uint64_t urgent;

	if (!segment_has(seg, TEE_TCP_URG) || seg->urgent <= (int64_t)conn->rcvq.start)
		return;
	if (!rx_get(conn))
		return; /* the text will be dropped too */
	urgent = (uint64_t)seg->urgent;
	if (conn_has(conn, CONN_URGENT_IN) && urgent <= conn->rx->urgent)
		return;
	conn->rx->urgent = urgent;
	conn->flags |= CONN_URGENT_IN;
	conn_raise(conn, TEE_EV_URGENT | TEE_EV_READABLE); /* MUST-32 */
}

/*
 * The peer's sender mends a loss, or took one for granted: its window is small now, and one segment alone that waits
 * for our delayed ACK (40 ms) can be all that it has out; in a window of ten segments an odd one that waits for the next
 * flight is a tenth of it. So the next ACKs come soon (schedule_ack()).
 */
void receive_feed_recovery(struct tcp_conn *conn)
{
	conn->rcv.soon_acks = LOSS_SOON_ACKS;
}

static void note_duplicate(struct tcp_conn *conn, uint64_t start, uint64_t end)
{
	if (start < end)
		receive_feed_recovery(conn);
	if (!conn_has(conn, CONN_HAS_SACK) || !conn_config(conn)->tcp_dsack || start >= end)
		return;
	if (conn_has(conn, CONN_DSACK_DUE) || !rx_get(conn))
		return; /* one a segment; the first is kept */
	conn->rx->dsack_start = start;
	conn->rx->dsack_end = end;
	conn->flags |= CONN_DSACK_DUE;
}

/* What remains of a segment's text after it was cut to the window. */
struct text {
	uint64_t start, end;
	uint32_t off;  /* in pkt->data */
	uint32_t segs; /* of the super-frame, 1 for a plain segment … */
	uint32_t step; /* … and what each has; 0: it isn't one, or was cut */
	uint32_t ts_val;
	bool fin;
};

/*
 * A stream ends once. What a peer sends beyond the end that it told is no part of the stream, and an end before
 * data that came already is none: the first that was heard holds.
 */
static void cut_at_end(const struct tcp_conn *conn, struct text *text)
{
	const struct rb_node *last = conn_ooo(conn) ? rb_last(&conn_ooo(conn)->tree) : NULL;

	if (conn->rcv.fin) {
		text->fin = text->fin && text->end == conn->rcv.fin;
		text->end = MIN(text->end, conn->rcv.fin);
	} else if (text->fin && last) {
		text->fin = CONTAINER_OF(last, struct ooo_range, node)->bytes.end <= text->end;
	}
}

/* false: nothing of it is new. */
static bool trim(struct tcp_conn *conn, const struct segment *seg, struct text *text)
{
	uint64_t nxt = conn->rcv.nxt, edge = MAX(conn->rcv.adv, nxt);

	text->fin = segment_has(seg, TEE_TCP_FIN);
	text->ts_val = seg->h.options.ts_val;
	text->off = seg->payload_off;
	text->start = seg->seq < 0 ? 0 : (uint64_t)seg->seq;
	text->end = (uint64_t)MAX(seg->seq + (int64_t)seg->len, 0);
	if (seg->seq < 0) /* begins before the stream */
		text->off += (uint32_t)MIN((uint64_t)-seg->seq, seg->len);
	if (text->start < nxt) {
		uint64_t old = MIN(nxt, text->end) - text->start;

		note_duplicate(conn, text->start, text->start + old);
		text->off += (uint32_t)old;
		text->start += old;
		if (text->start < nxt) /* only the FIN, and that is old too */
			return false;
	}
	if (text->end > edge) {
		drop(conn_engine(conn), DROP_TCP_OUT_OF_WINDOW);
		text->end = MAX(edge, text->start);
		text->fin = false;
		conn_ack_now(conn, TEE_WHY_ANSWER_PROBE);
	}
	cut_at_end(conn, text);
	return text->start < text->end || (text->fin && text->start == text->end);
}

/* RFC 2883: a segment that fills a hole may also bring again what had come out of order. */
static void note_held_already(struct tcp_conn *conn, const struct text *text)
{
	struct rb_node *node = rb_first(&conn->rx->ooo->tree);
	const struct ooo_range *first;

	if (!node)
		return;
	first = CONTAINER_OF(node, struct ooo_range, node);
	if (first->bytes.start < text->end)
		note_duplicate(conn, first->bytes.start, MIN(first->bytes.end, text->end));
}

/*
 * Before a hole, which is where overtaken segments are, each moves the window on and is acknowledged at once (RFC 5681
 * 4.2). A super-frame of them is told as what it is, or its sender hears once in a flight. Only on a short path is the
 * next one soon there, and the rate high: there it would cost more than it brings.
 */
static void note_each_in_order(struct tcp_conn *conn, const struct text *text)
{
	const struct rb_node *first = rb_first(&conn->rx->ooo->tree);

	if (text->step && path_rtt_ns(conn) >= LONG_PATH_NS && first &&
	    text->end <= CONTAINER_OF(first, struct ooo_range, node)->bytes.start)
		ack_note_each(conn, text->segs, text->step);
}

static void take_in_order(struct tcp_conn *conn, const struct text *text, struct tee_pkt *pkt)
{
	struct engine *engine = conn_engine(conn);
	uint32_t len = (uint32_t)(text->end - text->start);
	bool had_holes = conn_ooo(conn) && conn_ooo(conn)->range_count;

	if (had_holes)
		note_held_already(conn, text);
	if (len) {
		if (byteq_append_pkt(&conn->rcvq, engine->pool, tee_pkt_ref(pkt), text->off, len) <
		    0) {
			/* No memory for it: as if it had been lost. */
			drop(engine, DROP_NO_MEMORY);
			return;
		}
		if (had_holes)
			note_each_in_order(conn, text);
		conn->rcv.nxt += len;
		conn->rcv.unacked_bytes += len;
	}
	if (had_holes) {
		uint64_t more = reassembly_take(conn->rx->ooo, &conn->rcvq);

		conn->rcv.nxt += more;
		conn->rcv.unacked_bytes += (uint32_t)more;
		/* MUST-58, MUST-59: all that is queued is processed, then acknowledged at once. */
		conn_ack_now(conn, TEE_WHY_ACK_FILLED_HOLE);
		receive_feed_recovery(conn);
		/* What was lost and sent again is younger than what came first beyond the hole. */
		if (conn_has(conn, CONN_HAS_TS) &&
		    tstamp_before(text->ts_val, conn->rx->hole_ts_val))
			conn->rx->is_overtaken = true;
	}
	if (text->fin)
		conn->rcv.fin = text->end;
	if (receive_is_worth_reading(conn))
		conn_raise(conn, TEE_EV_READABLE);
}

/* Told like the text before it: the latest first (RFC 2018 4), and that it came twice (RFC 2883). */
static void hold_fin(struct tcp_conn *conn, uint64_t fin)
{
	bool is_again = conn->rcv.fin;

	conn->rcv.fin = fin;
	if (!rx_get(conn))
		return;
	conn->rx->fin_touched = conn->rx->ooo ? ++conn->rx->ooo->serial : 1;
	if (is_again && conn_has(conn, CONN_DSACK_DUE) && conn->rx->dsack_end == fin)
		conn->rx->dsack_end++;
	else if (is_again)
		note_duplicate(conn, fin, fin + 1);
}

/* SHLD-31: kept, and reported at once by a duplicate ACK with SACK (RFC 5681 4.2, RFC 2018). */
static void take_out_of_order(struct tcp_conn *conn, const struct text *text, struct tee_pkt *pkt)
{
	struct engine *engine = conn_engine(conn);
	const struct tee_config *config = &engine->config;
	struct reassembly_result result;
	uint64_t bytes_max = config->tcp_ooo_bytes_max ? config->tcp_ooo_bytes_max
						       : MAX(conn->rcv.buf, 65535u);
	uint32_t len = (uint32_t)(text->end - text->start);

	if (len) {
		if (!conn->rx->ooo) {
			conn->rx->ooo = calloc(1, sizeof(*conn->rx->ooo));
			if (!conn->rx->ooo) {
				drop(engine, DROP_NO_MEMORY);
				return;
			}
			reassembly_init(conn->rx->ooo);
		}
		if (!conn->rx->ooo->range_count)
			conn->rx->hole_ts_val = text->ts_val;
		memset(&result, 0, sizeof(result));
		if (reassembly_add(conn->rx->ooo, engine->pool, text->start, pkt, text->off, len,
				   config->tcp_ooo_ranges_max, bytes_max, &result) < 0) {
			drop(engine, DROP_TCP_RCVBUF_FULL);
		} else {
			count(engine, COUNT_TCP_OOO_QUEUED);
			conn->rx->ooo_segs += text->segs;
			if (result.is_duplicate)
				note_duplicate(conn, result.dup_start, result.dup_end);
		}
	}
	if (text->fin)
		hold_fin(conn, text->end);
	if (text->step && !conn_has(conn, CONN_HAS_SACK))
		ack_note_each(conn, text->segs, 0);
	conn_ack_now(conn, TEE_WHY_ACK_OUT_OF_ORDER);
}

void receive_fin(struct tcp_conn *conn)
{
	conn->rcv.nxt++;
	conn->flags |= CONN_FIN_RECEIVED;
	conn_ack_now(conn, TEE_WHY_ACK_FIN);
	conn_raise(conn, TEE_EV_READABLE | TEE_EV_RDHUP);
	switch (conn->state) {
	case TEE_TCP_SYN_RECEIVED:
	case TEE_TCP_ESTABLISHED: conn_set_state(conn, TEE_TCP_CLOSE_WAIT); return;
	case TEE_TCP_FIN_WAIT_1:
		/* Our FIN isn't acknowledged yet, or we would be in FIN-WAIT-2. */
		conn_set_state(conn, TEE_TCP_CLOSING);
		return;
	case TEE_TCP_FIN_WAIT_2: conn_enter_timewait(conn); return;
	default: return;
	}
}

static inline void note_arrival(struct tcp_conn *conn, const struct arrival *arrival, bool is_next)
{
	uint32_t now_ms = coarse_ms(conn_now(conn));

	conn->rcv.tos = arrival->tos;
	if (!arrival->len)
		return;
	conn->rcv.unacked_segs += (uint16_t)MIN(arrival->gso_segs, 64u);
	estimate_rcv_mss(conn, arrival);
	/* What comes in a row tells nothing new of gaps, or of a round trip that was measured already. */
	if (now_ms != conn->rcv.last_data_ms || conn->rcv.ato_ms != conn->tcp->delack_min_ms)
		adapt_ato(conn, now_ms);
	if (is_next &&
	    (arrival->ts_ecr != conn->rx->rtt_ecr || conn->rcv.nxt >= conn->rx->rtt_mark))
		measure_rtt(conn, arrival);
}

void receive_next(struct tcp_conn *conn, const struct arrival *arrival, struct tee_pkt *pkt)
{
	struct engine *engine = conn_engine(conn);

	note_arrival(conn, arrival, true);
	if (byteq_append_pkt(&conn->rcvq, engine->pool, pkt, arrival->payload_off, arrival->len) <
	    0) {
		drop(engine, DROP_NO_MEMORY);
		return;
	}
	conn->rcv.nxt += arrival->len;
	conn->rcv.unacked_bytes += arrival->len;
	if (receive_is_worth_reading(conn))
		conn_raise(conn, TEE_EV_READABLE);
	if (!conn->ack_why)
		schedule_ack(conn, arrival->is_pushed);
}

void receive_data(struct tcp_conn *conn, struct segment *seg, struct tee_pkt *pkt)
{
	const struct arrival arrival = {.len = seg->len,
					.gso_segs = seg->gso_segs,
					.ts_ecr = seg->h.options.ts_ecr,
					.tos = seg->tos};
	struct text text;
	uint64_t before = conn->rcv.nxt;

	if (ecn_on_segment(conn->ecn, seg->h.flags, seg->tos & ECN_MASK, seg->len))
		conn_ack_now(conn, TEE_WHY_ECN);
	if (!segment_octets(seg))
		return;
	if (seg->len && !rx_get(conn)) {
		drop(conn_engine(conn), DROP_NO_MEMORY);
		return;
	}
	/* What has overtaken others, or was sent again, tells no round trip. */
	note_arrival(conn, &arrival, seg->seq == (int64_t)conn->rcv.nxt);
	if (!trim(conn, seg, &text)) {
		drop(conn_engine(conn), DROP_TCP_OLD_DATA);
		conn_ack_now(conn, TEE_WHY_DUPLICATE);
		return;
	}
	text.segs = seg->gso_segs;
	text.step = text.segs > 1 && text.end - text.start == seg->len ? pkt->gso_size : 0;
	if (text.start == conn->rcv.nxt)
		take_in_order(conn, &text, pkt);
	else
		take_out_of_order(conn, &text, pkt);
	if (conn_has(conn, CONN_DSACK_DUE))
		conn_ack_now(conn, TEE_WHY_DUPLICATE);
	if (conn->rcv.fin && conn->rcv.nxt == conn->rcv.fin) {
		receive_fin(conn);
		return;
	}
	if (conn->rcv.nxt != before && !conn->ack_why) {
		if (conn_ooo(conn) && conn_ooo(conn)->range_count)
			conn_ack_now(conn, TEE_WHY_ACK_OUT_OF_ORDER);
		else
			schedule_ack(conn, segment_has(seg, TEE_TCP_PSH));
	}
}
