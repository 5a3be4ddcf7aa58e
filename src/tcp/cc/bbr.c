/* SPDX-License-Identifier: MIT */
/*
 * BBR version 3 (draft-ietf-ccwg-bbr): a rate and a window from a model of the path, not from losses.
 *
 *   Startup	doubles the rate each round trip until the bandwidth stops growing or losses are high
 *   Drain	lets the queue that this made run empty
 *   ProbeBW	Down (a little slower than the path, so that queues empty), Cruise (as fast as it, leaving
 *		room for others), Refill (fills the pipe for a round), Up (faster, to see if there is
 *		more), in turn; a probe every two to three seconds, or as often as Reno would
 *   ProbeRTT	after five seconds in which nothing was as fast as the shortest round trip: half the window
 *		for 200 ms, so that the real round trip shows
 *
 * An ACK goes through the model (bbr_model.c), then the phases, then it sets pacing rate and window.
 *
 * Where this differs from the draft: losses of the path itself are told from congestion (bbr_loss.c); a round trip
 * about as short as the minimum renews it, where the draft asks for a shorter one, so that a flow alone on its path
 * sees none of its time go into ProbeRTT; to lower it, four in a row must have been as short, since what overtakes
 * looks like a shorter path; where Down hasn't emptied the queue it comes again (is_time_to_go_down_again()); a window
 * saved at the beginning of recovery comes back at its end; in between there is no packet conservation, as
 * inflight_shortterm bounds the flight already.
 * The pacing margin is taken only where a queue may be (set_pacing_rate()). What the path's own losses take is sent
 * besides (bbr_to_send()). And where the draft holds the rate at what arrived in a round with losses, it doesn't here when
 * we had sent slower than the path in that round trip (Drain, Down, ProbeRTT): nine tenths, or half, would else be
 * the rate until the next probe, and a loss in that time isn't rare, since it is when a queue is being emptied. Such a
 * round bounds the flight only.
 * An ECN mark counts like a loss in its round. The chance that spreads the probes of several flows comes from
 * what this flow has delivered and when, so that a run can be repeated.
 */
#include "tcp/cc/bbr.h"

#include "base/check.h"
#include "tcp/muldiv.h"

#define NS_PER_S UINT64_C(1000000000)
enum {
	GAIN_STARTUP = 709, /* 4 * ln 2 */
	GAIN_DRAIN = 128,
	GAIN_DOWN = 230,
	GAIN_UP = 320,
	CWND_GAIN = 512,
	CWND_GAIN_UP = 576,
	CWND_GAIN_PROBE_RTT = 128,
	PACING_MARGIN_PERCENT = 1,
	STARTUP_LOSS_EVENTS = 6,
	DOWNS_AGAIN_MAX = 2,
	RENO_ROUNDS_MAX = 63,
	PROBE_UP_ROUNDS_MAX = 30,
	PROBE_RTT_NS = 200000000,
	INITIAL_RTT_NS = 1000000,
};

static void set_gains(struct bbr *bbr, unsigned pacing_gain, unsigned cwnd_gain)
{
	bbr->pacing_gain = (uint16_t)pacing_gain;
	bbr->cwnd_gain = (uint16_t)cwnd_gain;
}

/* ---- times in which we held back ---- */

/* The span lasts at least until now: what is in flight then belongs to it, and what is sent in the next round trip. */
static void hold_back(struct bbr_span *span, const struct bbr *bbr, const struct bbr_sample *rs)
{
	span->until_delivered = bbr->delivered + MAX(rs->pipe_bytes, 1);
}

static bool is_within(const struct bbr_span *span, const struct rate_sample *rate)
{
	return span->until_delivered && rate->prior_delivered_bytes <= span->until_delivered &&
	       rate->newest_sent_at_ns >= span->from_ns;
}

/* ---- pacing rate ---- */

static void init_pacing_rate(struct cc *cc, struct bbr *bbr, uint64_t srtt_ns)
{
	uint64_t nominal =
		muldiv(cc->initial_cwnd_bytes, NS_PER_S, srtt_ns ? srtt_ns : INITIAL_RTT_NS);

	bbr->has_seen_rtt = srtt_ns != 0;
	cc->pacing_rate = MAX(muldiv(nominal, GAIN_STARTUP, BBR_UNIT), 1);
}

static void set_pacing_rate(struct cc *cc, const struct bbr *bbr, unsigned gain)
{
	/*
	 * The margin keeps queues empty, and isn't taken where there is none: while the round trip is the
	 * shortest known; or while losses hold the rate down, as what it delivers sets the next round's rate,
	 * and the margin would be taken from every round anew.
	 */
	bool has_queue = bbr->rtt_ns > bbr->min_rtt_ns + bbr->min_rtt_ns / 16;
	bool may_queue = has_queue && bbr->bw == bbr_max_bw(bbr);
	unsigned percent = may_queue ? 100 - PACING_MARGIN_PERCENT : 100;
	uint64_t sent = bbr_to_send(cc, bbr, muldiv(bbr->bw, gain, BBR_UNIT));
	uint64_t rate = muldiv(sent, percent, 100);

	/* Before the pipe is known to be full, a low sample doesn't slow us down. */
	if (rate && (bbr->full_bw_reached || rate > cc->pacing_rate))
		cc->pacing_rate = rate;
}

/* ---- phases ---- */

static void enter_startup(struct bbr *bbr)
{
	bbr->phase = BBR_STARTUP;
	set_gains(bbr, GAIN_STARTUP, CWND_GAIN);
}

static uint64_t target_inflight(const struct cc *cc, const struct bbr *bbr)
{
	return MIN(bbr_bdp_multiple(cc, bbr, bbr->bw, BBR_UNIT), cc->cwnd_bytes);
}

/* A number that differs between flows and repeats with the run (splitmix64). */
static uint64_t next_random(struct bbr *bbr, uint64_t now_ns)
{
	uint64_t z = bbr->random += UINT64_C(0x9e3779b97f4a7c15) + bbr->delivered + now_ns;

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static void start_down(struct bbr *bbr, uint64_t now_ns)
{
	bbr_reset_congestion_signals(bbr);
	bbr->probe_up_cnt = BBR_INFINITE;
	/* The next probe: two to three seconds from now, counted from a round more or less. */
	bbr->rounds_since_probe = next_random(bbr, now_ns) & 1;
	bbr->probe_wait_ns = 2 * NS_PER_S + next_random(bbr, now_ns) % NS_PER_S;
	bbr->cycle_at_ns = now_ns;
	bbr->ack_phase = BBR_ACKS_PROBE_STOPPING;
	bbr_start_round(bbr);
	if (bbr->phase != BBR_DRAIN)
		bbr->slow.from_ns = now_ns;
	bbr->is_down_again = false;
	bbr->downs_again_count = 0;
	bbr->phase = BBR_PROBE_DOWN;
	set_gains(bbr, GAIN_DOWN, CWND_GAIN);
}

/*
 * The flight is no larger than the path is thought to hold, and yet the queue isn't empty: bandwidth is the
 * highest of many samples, and a little too high where ACKs come unevenly. A round trip at Down's pace, twice at
 * most, costs much less than ProbeRTT, which would come.
 */
static bool is_time_to_go_down_again(const struct bbr *bbr, const struct bbr_sample *rs)
{
	return bbr->phase == BBR_PROBE_CRUISE && bbr->round_start &&
	       bbr->downs_again_count < DOWNS_AGAIN_MAX && bbr_is_min_rtt_overdue(bbr, rs->now_ns);
}

static void go_down_again(struct bbr *bbr, uint64_t now_ns)
{
	bbr->is_down_again = true;
	bbr->downs_again_count++;
	bbr->slow.from_ns = now_ns;
	bbr->phase = BBR_PROBE_DOWN;
	set_gains(bbr, GAIN_DOWN, CWND_GAIN);
}

static void start_cruise(struct bbr *bbr)
{
	bbr->phase = BBR_PROBE_CRUISE;
	set_gains(bbr, BBR_UNIT, CWND_GAIN);
}

static void start_refill(struct bbr *bbr)
{
	bbr_reset_shortterm(bbr);
	bbr->probe_up_rounds = 0;
	bbr->probe_up_acked_bytes = 0;
	bbr->ack_phase = BBR_ACKS_REFILLING;
	bbr_start_round(bbr);
	bbr->phase = BBR_PROBE_REFILL;
	set_gains(bbr, BBR_UNIT, CWND_GAIN);
}

/* Each round of Up raises the long-term bound twice as fast as the one before. */
static void raise_slope(const struct cc *cc, struct bbr *bbr)
{
	uint64_t growth = (uint64_t)cc->mss << bbr->probe_up_rounds;

	bbr->probe_up_rounds = MIN(bbr->probe_up_rounds + 1, (uint32_t)PROBE_UP_ROUNDS_MAX);
	bbr->probe_up_cnt = MAX(cc->cwnd_bytes / growth, 1);
}

static void start_up(const struct cc *cc, struct bbr *bbr, const struct bbr_sample *rs)
{
	bbr->probe_samples = true;
	bbr->ack_phase = BBR_ACKS_PROBE_STARTING;
	bbr_start_round(bbr);
	bbr_reset_full_bw(bbr);
	bbr->full_bw = rs->rate;
	bbr->phase = BBR_PROBE_UP;
	set_gains(bbr, GAIN_UP, CWND_GAIN_UP);
	raise_slope(cc, bbr);
}

/* Losses in Startup end it when they are many (six events in a round) and heavy (more than 2%). */
static void check_startup(struct cc *cc, struct bbr *bbr, const struct bbr_sample *rs)
{
	if (bbr->phase != BBR_STARTUP)
		return;
	if (!bbr->full_bw_reached && bbr->loss_round_start && rs->in_recovery &&
	    bbr->loss_events_in_round >= STARTUP_LOSS_EVENTS &&
	    bbr_is_inflight_too_high(cc, bbr, rs)) {
		bbr->full_bw_reached = true;
		bbr->inflight_longterm = MAX(bbr_bdp_multiple(cc, bbr, bbr_max_bw(bbr), BBR_UNIT),
					     bbr->inflight_latest);
	}
	if (bbr->full_bw_reached) {
		bbr->phase = BBR_DRAIN;
		bbr->slow.from_ns = rs->now_ns;
		set_gains(bbr, GAIN_DRAIN, CWND_GAIN);
	}
}

static void check_drain(const struct cc *cc, struct bbr *bbr, const struct bbr_sample *rs)
{
	if (bbr->phase == BBR_DRAIN && rs->pipe_bytes <= bbr_inflight(cc, bbr, bbr_max_bw(bbr)))
		start_down(bbr, rs->now_ns);
}

/* ---- the long-term bound ---- */

/*
 * The flight at which the losses became too many: somewhere within the record that was lost, which may
 * stand for many segments. Solves (before + x) / (flight before + x) = 2% for x.
 */
static uint64_t inflight_at_loss(const struct cc *cc, const struct bbr *bbr,
				 const struct cc_lost *lost)
{
	uint64_t flight = lost->tx_in_flight_bytes - MIN(lost->bytes, lost->tx_in_flight_bytes);
	uint64_t before = lost->since_sent_bytes - lost->bytes;
	uint64_t allowed = bbr_loss_allowed(cc, bbr, flight);

	return flight + (allowed > before ? (allowed - before) * 50 / 49 : 0);
}

static void handle_inflight_too_high(const struct cc *cc, struct bbr *bbr,
				     const struct cc_lost *lost, uint64_t now_ns)
{
	bbr->probe_samples = false; /* one answer to a probe */
	if (!lost->is_app_limited)
		bbr->inflight_longterm = MAX(inflight_at_loss(cc, bbr, lost),
					     muldiv(target_inflight(cc, bbr), 7, 10));
	if (bbr->phase == BBR_PROBE_UP)
		start_down(bbr, now_ns);
}

static void raise_longterm(const struct cc *cc, struct bbr *bbr, const struct bbr_sample *rs)
{
	uint64_t delta;

	if (!rs->is_cwnd_limited || cc->cwnd_bytes < bbr->inflight_longterm)
		return; /* the bound isn't what holds us back */
	bbr->probe_up_acked_bytes += rs->newly_acked_bytes;
	if (bbr->probe_up_acked_bytes >= bbr->probe_up_cnt) {
		delta = bbr->probe_up_acked_bytes / bbr->probe_up_cnt;
		bbr->probe_up_acked_bytes -= delta * bbr->probe_up_cnt;
		bbr->inflight_longterm += delta;
	}
	if (bbr->round_start)
		raise_slope(cc, bbr);
}

static void adapt_longterm(const struct cc *cc, struct bbr *bbr, const struct bbr_sample *rs)
{
	if (bbr->ack_phase == BBR_ACKS_PROBE_STARTING && bbr->round_start)
		bbr->ack_phase = BBR_ACKS_PROBE_FEEDBACK;
	if (bbr->ack_phase == BBR_ACKS_PROBE_STOPPING && bbr->round_start) {
		/* The last sample of the probe is in: the cycle before it may be forgotten. */
		bbr->probe_samples = false;
		bbr->ack_phase = BBR_ACKS_INIT;
		if (bbr_is_probing_cycle(bbr) && !rs->is_app_limited)
			bbr_advance_max_bw(bbr);
	}
	if (bbr_is_inflight_too_high(cc, bbr, rs) || bbr->inflight_longterm == BBR_INFINITE)
		return;
	if (rs->is_valid && rs->tx_in_flight_bytes > bbr->inflight_longterm)
		bbr->inflight_longterm = rs->tx_in_flight_bytes;
	if (bbr->phase == BBR_PROBE_UP)
		raise_longterm(cc, bbr, rs);
}

/* ---- the cycle of ProbeBW ---- */

/* After the wait, or after as many rounds as Reno would need to grow back. */
static bool is_time_to_probe(const struct cc *cc, const struct bbr *bbr, uint64_t now_ns)
{
	uint64_t reno_rounds = target_inflight(cc, bbr) / cc->mss;

	return now_ns > bbr->cycle_at_ns + bbr->probe_wait_ns ||
	       bbr->rounds_since_probe >= MIN(reno_rounds, (uint64_t)RENO_ROUNDS_MAX);
}

static bool is_time_to_cruise(const struct cc *cc, const struct bbr *bbr,
			      const struct bbr_sample *rs)
{
	if (bbr->is_down_again)
		return bbr->round_start;
	return rs->pipe_bytes <= bbr_inflight_with_headroom(cc, bbr) &&
	       rs->pipe_bytes <= bbr_inflight(cc, bbr, bbr_max_bw(bbr));
}

static bool is_time_to_go_down(const struct cc *cc, struct bbr *bbr, const struct bbr_sample *rs)
{
	/* The window follows the bound an ACK later. */
	if (rs->is_cwnd_limited &&
	    cc->cwnd_bytes + rs->newly_acked_bytes >= bbr->inflight_longterm) {
		/* The bound holds the flight down: the rate can't grow, whatever the path could do. */
		bbr_reset_full_bw(bbr);
		bbr->full_bw = rs->rate;
		return false;
	}
	return bbr->full_bw_now;
}

static void update_cycle(const struct cc *cc, struct bbr *bbr, const struct bbr_sample *rs)
{
	if (!bbr->full_bw_reached)
		return;
	adapt_longterm(cc, bbr, rs);
	switch (bbr->phase) {
	case BBR_PROBE_DOWN:
	case BBR_PROBE_CRUISE:
		if (is_time_to_probe(cc, bbr, rs->now_ns))
			start_refill(bbr);
		else if (bbr->phase == BBR_PROBE_DOWN && is_time_to_cruise(cc, bbr, rs))
			start_cruise(bbr);
		else if (is_time_to_go_down_again(bbr, rs))
			go_down_again(bbr, rs->now_ns);
		break;
	case BBR_PROBE_REFILL:
		/* A round with a full pipe and an empty queue has passed. */
		if (bbr->round_start)
			start_up(cc, bbr, rs);
		break;
	case BBR_PROBE_UP:
		if (is_time_to_go_down(cc, bbr, rs))
			start_down(bbr, rs->now_ns);
		break;
	default: break;
	}
}

/* ---- ProbeRTT ---- */

static uint64_t probe_rtt_cwnd(const struct cc *cc, const struct bbr *bbr)
{
	return MAX(bbr_bdp_multiple(cc, bbr, bbr->bw, CWND_GAIN_PROBE_RTT), bbr_min_pipe_bytes(cc));
}

static void save_cwnd(const struct cc *cc, struct bbr *bbr, bool in_recovery)
{
	/* In recovery the window was saved before it shrank. */
	if (in_recovery || bbr->phase == BBR_PROBE_RTT)
		bbr->saved_cwnd_bytes = MAX(bbr->saved_cwnd_bytes, cc->cwnd_bytes);
	else
		bbr->saved_cwnd_bytes = cc->cwnd_bytes;
}

static void restore_cwnd(struct cc *cc, const struct bbr *bbr)
{
	cc->cwnd_bytes = MAX(cc->cwnd_bytes, bbr->saved_cwnd_bytes);
}

static void check_probe_rtt_done(struct cc *cc, struct bbr *bbr, uint64_t now_ns)
{
	if (bbr->probe_rtt_done_ns == 0 || now_ns <= bbr->probe_rtt_done_ns)
		return;
	bbr->probe_rtt_min_at_ns = now_ns; /* the next one is five seconds away */
	restore_cwnd(cc, bbr);
	bbr_reset_shortterm(bbr);
	if (bbr->full_bw_reached) {
		start_down(bbr, now_ns);
		start_cruise(bbr);
	} else {
		enter_startup(bbr);
	}
}

static void handle_probe_rtt(struct cc *cc, struct bbr *bbr, const struct bbr_sample *rs)
{
	/* What is sent meanwhile says nothing about the bandwidth. */
	hold_back(&bbr->limited, bbr, rs);
	if (bbr->probe_rtt_done_ns == 0) {
		if (rs->pipe_bytes > probe_rtt_cwnd(cc, bbr))
			return;
		bbr->probe_rtt_done_ns = rs->now_ns + PROBE_RTT_NS;
		bbr->probe_rtt_round_done = false;
		bbr_start_round(bbr);
		return;
	}
	if (bbr->round_start)
		bbr->probe_rtt_round_done = true;
	if (bbr->probe_rtt_round_done)
		check_probe_rtt_done(cc, bbr, rs->now_ns);
}

static void check_probe_rtt(struct cc *cc, struct bbr *bbr, const struct bbr_sample *rs)
{
	if (bbr->phase != BBR_PROBE_RTT && bbr->probe_rtt_expired && !bbr->idle_restart) {
		save_cwnd(cc, bbr, rs->in_recovery);
		bbr->phase = BBR_PROBE_RTT;
		set_gains(bbr, BBR_UNIT, CWND_GAIN_PROBE_RTT);
		bbr->probe_rtt_done_ns = 0;
		bbr->ack_phase = BBR_ACKS_PROBE_STOPPING;
		bbr->limited.from_ns = rs->now_ns;
		bbr_start_round(bbr);
	}
	if (bbr->phase == BBR_PROBE_RTT)
		handle_probe_rtt(cc, bbr, rs);
	if (rs->newly_acked_bytes)
		bbr->idle_restart = false;
}

/* ---- window ---- */

static void set_cwnd(struct cc *cc, const struct bbr *bbr, const struct bbr_sample *rs)
{
	uint64_t max_inflight = bbr_bdp_multiple(cc, bbr, bbr->bw, bbr->cwnd_gain);
	uint64_t cap = BBR_INFINITE;

	max_inflight = bbr_with_allowance(cc, bbr, max_inflight + bbr_extra_acked(bbr));
	if (bbr->full_bw_reached)
		cc->cwnd_bytes = MIN(cc->cwnd_bytes + rs->newly_acked_bytes, max_inflight);
	else if (cc->cwnd_bytes < max_inflight ||
		 bbr->delivered < 2 * (uint64_t)cc->initial_cwnd_bytes)
		cc->cwnd_bytes += rs->newly_acked_bytes;
	cc->cwnd_bytes = MAX(cc->cwnd_bytes, bbr_min_pipe_bytes(cc));

	if (bbr->phase == BBR_PROBE_RTT)
		cc->cwnd_bytes = MIN(cc->cwnd_bytes, probe_rtt_cwnd(cc, bbr));
	if (bbr->phase == BBR_PROBE_CRUISE || bbr->phase == BBR_PROBE_RTT)
		cap = bbr_inflight_with_headroom(cc, bbr);
	else if (bbr_is_probing_cycle(bbr))
		cap = bbr->inflight_longterm;
	cap = MAX(MIN(cap, bbr->inflight_shortterm), bbr_min_pipe_bytes(cc));
	cc->cwnd_bytes = MIN(cc->cwnd_bytes, cap);
}

/* ---- the table's functions ---- */

static void bbr_init(struct cc *cc, void *state, const struct tee_config *config, uint64_t now_ns)
{
	struct bbr *bbr = state;

	bbr_model_init(bbr, now_ns);
	bbr->random_loss_percent = config->tcp_bbr_random_loss_percent;
	init_pacing_rate(cc, bbr, 0);
	enter_startup(bbr);
}

static void make_sample(struct bbr *bbr, const struct ack_info *info, const struct cc_round *round,
			struct bbr_sample *ret_rs)
{
	const struct rate_sample *rate = &info->rate;
	uint64_t delivered = rate->prior_delivered_bytes + rate->delivered_bytes;

	*ret_rs = (struct bbr_sample){
		.now_ns = round->now_ns,
		.newly_acked_bytes = info->delivered_bytes,
		.newly_lost_bytes = info->lost_bytes,
		/* What came out of order may have overtaken others: it isn't how long the path is. */
		.rtt_ns = info->last_acked_sent_at_ns || bbr->min_rtt_ns == BBR_INFINITE
				  ? info->rtt_ns
				  : 0,
		/* An echoed timestamp is too coarse to tell a queue. */
		.any_rtt_ns = info->last_acked_sent_at_ns || info->last_sacked_sent_at_ns
				      ? info->rtt_ns
				      : 0,
		.srtt_ns = round->srtt_ns,
		.pipe_bytes = round->pipe_bytes,
		.is_cwnd_limited = round->is_cwnd_limited,
		.in_recovery = round->in_recovery || round->in_loss,
		.is_valid = rate->newest_end != 0,
	};
	bbr->delivered = MAX(bbr->delivered, MAX(round->delivered_total_bytes, delivered));
	if (!ret_rs->is_valid)
		return;
	ret_rs->prior_delivered_bytes = rate->prior_delivered_bytes;
	ret_rs->delivered_bytes = rate->delivered_bytes;
	ret_rs->lost_bytes = rate->lost_bytes;
	ret_rs->tx_in_flight_bytes = rate->prior_in_flight_bytes;
	ret_rs->is_app_limited = rate->is_app_limited || is_within(&bbr->limited, rate);
	ret_rs->is_held_back = is_within(&bbr->slow, rate) || is_within(&bbr->limited, rate);
	if (rate->interval_ns)
		ret_rs->rate = muldiv(rate->delivered_bytes, NS_PER_S, rate->interval_ns);
}

static void bbr_on_ack(struct cc *cc, void *state, const struct ack_info *info,
		       const struct cc_round *round)
{
	struct bbr *bbr = state;
	struct bbr_sample rs;

	make_sample(bbr, info, round, &rs);
	bbr_model_on_ack(cc, bbr, &rs);
	check_startup(cc, bbr, &rs);
	check_drain(cc, bbr, &rs);
	update_cycle(cc, bbr, &rs);
	bbr_update_min_rtt(bbr, &rs);
	check_probe_rtt(cc, bbr, &rs);
	bbr_model_finish(bbr, &rs);
	if (bbr->phase == BBR_DRAIN || bbr->phase == BBR_PROBE_DOWN)
		hold_back(&bbr->slow, bbr, &rs);

	if (!bbr->has_seen_rtt && round->srtt_ns)
		init_pacing_rate(cc, bbr, round->srtt_ns);
	if (rs.rtt_ns)
		bbr->rtt_ns = rs.rtt_ns;
	set_pacing_rate(cc, bbr, bbr->pacing_gain);
	set_cwnd(cc, bbr, &rs);
}

/* Once for the losses of one moment: the first may change what the next would save. */
static void save_for_undo(struct bbr *bbr, uint64_t now_ns)
{
	if (bbr->undo_saved_at_ns == now_ns)
		return;
	bbr->undo_saved_at_ns = now_ns;
	bbr->undo_phase = bbr->phase;
	bbr->undo_bw_shortterm = bbr->bw_shortterm;
	bbr->undo_inflight_shortterm = bbr->inflight_shortterm;
	bbr->undo_inflight_longterm = bbr->inflight_longterm;
}

/* The round in which losses are counted begins with the first: its samples tell what the path still carries. */
static void note_loss(struct bbr *bbr, uint64_t delivered_bytes)
{
	if (!bbr->loss_in_round)
		bbr->loss_round_delivered = MAX(bbr->delivered, delivered_bytes);
	bbr->loss_in_round = true;
}

static void bbr_on_congestion(struct cc *cc, void *state, enum cc_congestion what,
			      const struct cc_round *round)
{
	struct bbr *bbr = state;

	bbr->is_certain |= what == CC_ECN;
	save_cwnd(cc, bbr, false);
	save_for_undo(bbr, round->now_ns);
	/* The model reacts when the round ends; ssthresh has no meaning here. */
	note_loss(bbr, round->delivered_total_bytes);
}

static void bbr_on_lost(struct cc *cc, void *state, const struct cc_lost *lost,
			const struct cc_round *round)
{
	struct bbr *bbr = state;

	if (!bbr->loss_in_round)
		save_for_undo(bbr, round->now_ns);
	note_loss(bbr, round->delivered_total_bytes);
	bbr->round_lost_bytes += lost->bytes;
	bbr_loss_on_lost(bbr, lost->bytes);
	bbr->loss_round_lost_bytes += lost->bytes;
	if (bbr->probe_samples &&
	    lost->since_sent_bytes > bbr_loss_allowed(cc, bbr, lost->tx_in_flight_bytes))
		handle_inflight_too_high(cc, bbr, lost, round->now_ns);
}

static void bbr_on_rto(struct cc *cc, void *state, const struct cc_round *round)
{
	struct bbr *bbr = state;

	save_cwnd(cc, bbr, round->in_recovery || round->in_loss);
	save_for_undo(bbr, round->now_ns);
	bbr_reset_full_bw(bbr);
	note_loss(bbr, round->delivered_total_bytes);
	bbr->is_certain = true;
}

static void bbr_on_recovery_exit(struct cc *cc, void *state, const struct cc_round *round)
{
	struct bbr *bbr = state;

	(void)round;
	if (bbr->phase != BBR_PROBE_RTT)
		restore_cwnd(cc, bbr);
}

static void bbr_on_undo(struct cc *cc, void *state, const struct cc_round *round)
{
	struct bbr *bbr = state;

	(void)round;
	bbr->loss_in_round = false;
	bbr->loss_events_in_round = 0;
	bbr->round_lost_bytes = bbr->loss_round_lost_bytes = 0;
	bbr->is_certain = false;
	bbr_reset_full_bw(bbr);
	bbr->bw_shortterm = MAX(bbr->bw_shortterm, bbr->undo_bw_shortterm);
	bbr->inflight_shortterm = MAX(bbr->inflight_shortterm, bbr->undo_inflight_shortterm);
	bbr->inflight_longterm = MAX(bbr->inflight_longterm, bbr->undo_inflight_longterm);
	/* What the losses cut short goes on. */
	if (bbr->phase == BBR_PROBE_RTT || bbr->phase == bbr->undo_phase)
		return;
	if (bbr->undo_phase == BBR_STARTUP) {
		bbr->full_bw_reached = false;
		enter_startup(bbr);
	} else if (bbr->undo_phase == BBR_PROBE_UP) {
		start_up(cc, bbr, &(struct bbr_sample){.rate = bbr->bw_latest});
	}
}

/* The pipe ran dry for want of data: restart at the path's rate, there is no queue to build on. */
static void bbr_on_idle(struct cc *cc, void *state, uint64_t idle_ns, const struct cc_round *round)
{
	struct bbr *bbr = state;

	(void)idle_ns;
	if (round->pipe_bytes > 0)
		return;
	bbr->idle_restart = true;
	bbr->extra_at_ns = round->now_ns;
	bbr->extra_delivered = 0;
	if (bbr_is_probing_cycle(bbr))
		set_pacing_rate(cc, bbr, BBR_UNIT);
	else if (bbr->phase == BBR_PROBE_RTT)
		check_probe_rtt_done(cc, bbr, round->now_ns);
}

static void bbr_check(const struct cc *cc, const void *state)
{
	const struct bbr *bbr = state;

	CHECK(bbr->phase <= BBR_PROBE_RTT && bbr->ack_phase <= BBR_ACKS_PROBE_STOPPING);
	CHECK(cc->pacing_rate > 0 && bbr->pacing_gain > 0 && bbr->cwnd_gain > 0);
	CHECK(bbr->bw <= bbr_max_bw(bbr) && bbr->probe_up_cnt > 0);
	CHECK(!bbr->full_bw_now || bbr->full_bw_reached);
	CHECK(!bbr_is_probing_cycle(bbr) || bbr->full_bw_reached);
}

const struct cc_ops cc_bbr = {
	.name = "bbr",
	.state_bytes = sizeof(struct bbr),
	.wants_pacing = true,
	.owns_recovery = true,
	.init = bbr_init,
	.on_ack = bbr_on_ack,
	.on_congestion = bbr_on_congestion,
	.on_rto = bbr_on_rto,
	.on_recovery_exit = bbr_on_recovery_exit,
	.on_undo = bbr_on_undo,
	.on_idle = bbr_on_idle,
	.on_lost = bbr_on_lost,
	.check = bbr_check,
};
