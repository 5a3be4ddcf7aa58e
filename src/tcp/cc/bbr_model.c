/* SPDX-License-Identifier: MIT */
/*
 * BBR's model of the path (draft-ietf-ccwg-bbr, sections 5.5 and 4.5 of it):
 *
 *   max_bw	the fastest delivery over the last two probing cycles
 *   min_rtt	the shortest round trip of the last ten seconds, if the three before were no longer
 *   extra_acked	how much more than max_bw * time arrives when ACKs come in clumps
 *   inflight_longterm	the most that can be in flight without much loss, as probing found
 *   bw_shortterm, inflight_shortterm	after a loss, until the next probe
 *
 * The long-term bound moves when a probe meets more than 2% loss (down) or goes beyond it unharmed
 * (up). The short-term bounds shrink by 0.7 in each round trip with a loss, but never below what that round trip
 * delivered, and are forgotten when the next probe begins. What we had sent slower than the path shrinks the flight only.
 */
#include "tcp/cc/bbr.h"

#include <string.h>
#include "base/check.h"
#include "tcp/muldiv.h"

#define NS_PER_S           UINT64_C(1000000000)
#define MIN_RTT_WINDOW_NS  (10 * NS_PER_S)
#define PROBE_RTT_EVERY_NS (5 * NS_PER_S)
#define MIN_RTT_OVERDUE_NS NS_PER_S
enum {
	EXTRA_ACKED_WINDOW_ROUNDS = 5, /* two of them make the ten of the draft */
	FULL_BW_ROUNDS = 3,
	LOSS_EVENTS_MAX = 15,
	FRESH_SHARE = 32, /* a round trip longer by this part is as good as the shortest */
	FIRST_RTT_SHARE = 8,
	SEND_QUANTUM_NS = 1000000,
	SEND_QUANTUM_MAX = 65536,
};

void bbr_model_init(struct bbr *bbr, uint64_t now_ns)
{
	memset(bbr, 0, sizeof(*bbr));
	bbr->min_rtt_ns = bbr->probe_rtt_min_ns = BBR_INFINITE;
	bbr->min_rtt_at_ns = bbr->probe_rtt_min_at_ns = now_ns;
	bbr->extra_at_ns = now_ns;
	bbr->inflight_longterm = BBR_INFINITE;
	bbr->undo_inflight_longterm = BBR_INFINITE;
	bbr->undo_bw_shortterm = bbr->undo_inflight_shortterm = BBR_INFINITE;
	bbr->probe_up_cnt = BBR_INFINITE;
	bbr->rtt_floor_ns[0] = bbr->rtt_floor_ns[1] = BBR_INFINITE;
	bbr_reset_shortterm(bbr);
}

void bbr_reset_congestion_signals(struct bbr *bbr)
{
	bbr->loss_in_round = false;
	bbr->loss_events_in_round = 0;
	bbr->loss_round_lost_bytes = 0;
	bbr->is_certain = false;
	bbr->bw_latest = 0;
	bbr->inflight_latest = 0;
}

void bbr_reset_shortterm(struct bbr *bbr)
{
	bbr->bw_shortterm = BBR_INFINITE;
	bbr->inflight_shortterm = BBR_INFINITE;
}

void bbr_reset_full_bw(struct bbr *bbr)
{
	bbr->full_bw = 0;
	bbr->full_bw_count = 0;
	bbr->full_bw_now = false;
}

/* ---- bandwidth ---- */

uint64_t bbr_max_bw(const struct bbr *bbr)
{
	return MAX(bbr->max_bw[0], bbr->max_bw[1]);
}

void bbr_advance_max_bw(struct bbr *bbr)
{
	if (bbr->max_bw[1] == 0)
		return; /* no sample in this cycle: the last one's still holds */
	bbr->max_bw[0] = bbr->max_bw[1];
	bbr->max_bw[1] = 0;
}

void bbr_start_round(struct bbr *bbr)
{
	bbr->next_round_delivered = bbr->delivered;
}

static void update_round(struct bbr *bbr, const struct bbr_sample *rs)
{
	bbr->round_start = rs->is_valid && rs->prior_delivered_bytes >= bbr->next_round_delivered;
	if (!bbr->round_start)
		return;
	bbr_start_round(bbr);
	if (bbr->rounds_since_probe < UINT32_MAX)
		bbr->rounds_since_probe++;
}

static void update_max_bw(struct bbr *bbr, const struct bbr_sample *rs)
{
	update_round(bbr, rs);
	/* An app-limited sample is a lower bound: it counts only when it is the highest anyway. */
	if (rs->rate && (rs->rate >= bbr_max_bw(bbr) || !rs->is_app_limited))
		bbr->max_bw[1] = MAX(bbr->max_bw[1], rs->rate);
}

static void update_latest_signals(struct bbr *bbr, const struct bbr_sample *rs)
{
	bbr->loss_round_start = false;
	if (!rs->is_valid)
		return;
	bbr->bw_latest = MAX(bbr->bw_latest, rs->rate);
	bbr->inflight_latest = MAX(bbr->inflight_latest, rs->delivered_bytes);
	if (rs->prior_delivered_bytes >= bbr->loss_round_delivered) {
		bbr->loss_round_delivered = bbr->delivered;
		bbr->loss_round_start = true;
	}
}

/* In these phases losses are expected, or mean the long-term bound. */
static bool is_probing_bw(const struct bbr *bbr)
{
	return bbr->phase == BBR_STARTUP || bbr->phase == BBR_PROBE_REFILL ||
	       bbr->phase == BBR_PROBE_UP;
}

static uint64_t seven_tenths(uint64_t value)
{
	return muldiv(value, 7, 10);
}

static void adapt_shortterm(const struct cc *cc, struct bbr *bbr, const struct bbr_sample *rs)
{
	if (is_probing_bw(bbr) || !bbr->loss_in_round || !bbr_is_round_congested(cc, bbr))
		return;
	if (bbr->bw_shortterm == BBR_INFINITE)
		bbr->bw_shortterm = bbr_max_bw(bbr);
	if (bbr->inflight_shortterm == BBR_INFINITE)
		bbr->inflight_shortterm = cc->cwnd_bytes;
	/* What arrives of a time in which we held back is what we sent: it bounds the flight, but not the rate. */
	if (!rs->is_held_back)
		bbr->bw_shortterm = MAX(bbr->bw_latest, seven_tenths(bbr->bw_shortterm));
	bbr->inflight_shortterm = MAX(bbr->inflight_latest, seven_tenths(bbr->inflight_shortterm));
}

static void update_congestion_signals(const struct cc *cc, struct bbr *bbr,
				      const struct bbr_sample *rs)
{
	update_max_bw(bbr, rs);
	bbr_loss_on_ack(cc, bbr, rs);
	if (rs->newly_lost_bytes) {
		if (bbr->loss_events_in_round < LOSS_EVENTS_MAX)
			bbr->loss_events_in_round++;
	}
	if (bbr->loss_round_start)
		adapt_shortterm(cc, bbr, rs);
}

/* ---- aggregation ---- */

uint64_t bbr_extra_acked(const struct bbr *bbr)
{
	return MAX(bbr->extra_acked[0], bbr->extra_acked[1]);
}

static void update_extra_acked(const struct cc *cc, struct bbr *bbr, const struct bbr_sample *rs)
{
	uint64_t expected = muldiv(bbr->bw, rs->now_ns - bbr->extra_at_ns, NS_PER_S), extra;
	unsigned window = bbr->full_bw_reached ? EXTRA_ACKED_WINDOW_ROUNDS : 1;

	if (bbr->round_start && ++bbr->extra_rounds >= window) {
		bbr->extra_rounds = 0;
		bbr->extra_acked[0] = bbr->extra_acked[1];
		bbr->extra_acked[1] = 0;
	}
	if (bbr->extra_delivered <= expected) {
		bbr->extra_delivered = 0;
		bbr->extra_at_ns = rs->now_ns;
		expected = 0;
	}
	bbr->extra_delivered += rs->newly_acked_bytes;
	extra = MIN(bbr->extra_delivered - expected, cc->cwnd_bytes);
	bbr->extra_acked[1] = MAX(bbr->extra_acked[1], extra);
}

/* Three rounds in which the rate didn't grow by a quarter: the pipe is full. */
static void check_full_bw(struct bbr *bbr, const struct bbr_sample *rs)
{
	if (bbr->full_bw_now || !bbr->round_start || rs->is_app_limited)
		return;
	if (rs->rate >= bbr->full_bw + bbr->full_bw / 4) {
		bbr_reset_full_bw(bbr);
		bbr->full_bw = rs->rate;
		return;
	}
	bbr->full_bw_now = ++bbr->full_bw_count >= FULL_BW_ROUNDS;
	if (bbr->full_bw_now)
		bbr->full_bw_reached = true;
}

void bbr_model_on_ack(struct cc *cc, struct bbr *bbr, const struct bbr_sample *rs)
{
	update_latest_signals(bbr, rs);
	update_congestion_signals(cc, bbr, rs);
	update_extra_acked(cc, bbr, rs);
	check_full_bw(bbr, rs);
}

void bbr_model_finish(struct bbr *bbr, const struct bbr_sample *rs)
{
	if (bbr->loss_round_start) {
		bbr->loss_in_round = false;
		bbr->loss_events_in_round = 0;
		bbr->loss_round_lost_bytes = 0;
		bbr->is_certain = false;
		bbr->bw_latest = rs->rate;
		bbr->inflight_latest = rs->delivered_bytes;
	}
	bbr->bw = MIN(bbr_max_bw(bbr), bbr->bw_shortterm);
}

/* ---- round trip ---- */

/*
 * The longest of the last few. A packet or an ACK that skips a part of the way, and meets nobody there to overtake, looks as if
 * the path were shorter, and one such would do for a minimum.
 */
static uint64_t longest_recent_rtt_ns(struct bbr *bbr, uint64_t rtt_ns)
{
	bbr->recent_rtt_ns[bbr->recent_rtt_idx] = rtt_ns;
	bbr->recent_rtt_idx = (bbr->recent_rtt_idx + 1) % BBR_RTTS_IN_A_ROW;
	for (unsigned i = 0; i < BBR_RTTS_IN_A_ROW; i++)
		rtt_ns = MAX(rtt_ns, bbr->recent_rtt_ns[i]);
	return rtt_ns;
}

/*
 * The first has none to be judged by but the handshake's, and may lead a whole connection. If that was longer, and
 * another of the first flight is, the first had overtaken.
 */
static void doubt_first_rtt(struct bbr *bbr, const struct bbr_sample *rs)
{
	if (bbr->min_rtt_ns == BBR_INFINITE) {
		bbr->first_rtt_most_ns = rs->rtt_ns + rs->rtt_ns / FIRST_RTT_SHARE;
		bbr->is_first_rtt_doubted = rs->srtt_ns > bbr->first_rtt_most_ns;
		return;
	}
	if (!bbr->is_first_rtt_doubted || !rs->is_valid || rs->prior_delivered_bytes ||
	    rs->rtt_ns <= bbr->first_rtt_most_ns)
		return;
	bbr->is_first_rtt_doubted = false;
	bbr_on_new_min_rtt(bbr, rs->rtt_ns);
	bbr->min_rtt_ns = bbr->probe_rtt_min_ns = rs->rtt_ns;
}

/*
 * Seen again, but for jitter: the minimum still holds, and there is nothing to probe for. Among losses hardly anything
 * comes in order, so what doesn't will do, but not an overtaker alone.
 */
static bool is_min_rtt_seen_again(struct bbr *bbr, const struct bbr_sample *rs)
{
	uint64_t limit_ns = bbr->min_rtt_ns + bbr->min_rtt_ns / FRESH_SHARE;

	if (!rs->any_rtt_ns || bbr->min_rtt_ns == BBR_INFINITE)
		return false;
	if (rs->any_rtt_ns > limit_ns)
		bbr->rtts_as_short = 0;
	else if (bbr->rtts_as_short < BBR_RTTS_IN_A_ROW)
		bbr->rtts_as_short++;
	return bbr->rtts_as_short == BBR_RTTS_IN_A_ROW || (rs->rtt_ns && rs->rtt_ns <= limit_ns);
}

bool bbr_is_min_rtt_overdue(const struct bbr *bbr, uint64_t now_ns)
{
	return bbr->probe_rtt_min_at_ns < bbr->cycle_at_ns &&
	       now_ns > bbr->probe_rtt_min_at_ns + MIN_RTT_OVERDUE_NS;
}

void bbr_update_min_rtt(struct bbr *bbr, const struct bbr_sample *rs)
{
	uint64_t rtt_ns = 0;

	if (rs->rtt_ns) {
		doubt_first_rtt(bbr, rs);
		rtt_ns = longest_recent_rtt_ns(bbr, rs->rtt_ns);
	}
	bbr->probe_rtt_expired = rs->now_ns > bbr->probe_rtt_min_at_ns + PROBE_RTT_EVERY_NS;
	if (rtt_ns && (rtt_ns < bbr->probe_rtt_min_ns || bbr->probe_rtt_expired)) {
		bbr->probe_rtt_min_ns = rtt_ns;
		bbr->probe_rtt_min_at_ns = rs->now_ns;
	}
	if (is_min_rtt_seen_again(bbr, rs))
		bbr->probe_rtt_min_at_ns = bbr->min_rtt_at_ns = rs->now_ns;
	if (bbr->probe_rtt_min_ns < bbr->min_rtt_ns ||
	    rs->now_ns > bbr->min_rtt_at_ns + MIN_RTT_WINDOW_NS) {
		bbr_on_new_min_rtt(bbr, bbr->probe_rtt_min_ns);
		bbr->min_rtt_ns = bbr->probe_rtt_min_ns;
		bbr->min_rtt_at_ns = bbr->probe_rtt_min_at_ns;
	}
}

/* ---- what may be in flight ---- */

uint64_t bbr_bdp_multiple(const struct cc *cc, const struct bbr *bbr, uint64_t bw, unsigned gain)
{
	uint64_t bdp;

	if (bbr->min_rtt_ns == BBR_INFINITE || bw == 0)
		return cc->initial_cwnd_bytes;
	bdp = muldiv(bw, bbr->min_rtt_ns, NS_PER_S);
	return muldiv(bdp, gain, BBR_UNIT);
}

uint64_t bbr_send_quantum(const struct cc *cc)
{
	uint64_t quantum = muldiv(cc->pacing_rate, SEND_QUANTUM_NS, NS_PER_S);

	return MAX(MIN(quantum, (uint64_t)SEND_QUANTUM_MAX), 2 * (uint64_t)cc->mss);
}

uint64_t bbr_with_allowance(const struct cc *cc, const struct bbr *bbr, uint64_t bytes)
{
	bytes = MAX(bytes, 3 * bbr_send_quantum(cc));
	bytes = MAX(bytes, bbr_min_pipe_bytes(cc));
	if (bbr->phase == BBR_PROBE_UP)
		bytes += 2 * (uint64_t)cc->mss;
	return bytes;
}

uint64_t bbr_inflight(const struct cc *cc, const struct bbr *bbr, uint64_t bw)
{
	return bbr_with_allowance(cc, bbr, bbr_bdp_multiple(cc, bbr, bw, BBR_UNIT));
}

uint64_t bbr_inflight_with_headroom(const struct cc *cc, const struct bbr *bbr)
{
	uint64_t headroom;

	if (bbr->inflight_longterm == BBR_INFINITE)
		return BBR_INFINITE;
	headroom = MAX(muldiv(bbr->inflight_longterm, 15, 100), cc->mss);
	if (bbr->inflight_longterm < headroom + bbr_min_pipe_bytes(cc))
		return bbr_min_pipe_bytes(cc);
	return bbr->inflight_longterm - headroom;
}
