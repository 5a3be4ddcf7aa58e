/* SPDX-License-Identifier: MIT */
/* BBR's model and phases over one bottleneck (bbr_kit.h). What it makes of losses is in test_bbr_loss.c. */
#include "bbr_kit.h"

static void test_finds_rate_and_round_trip(void **state)
{
	/* A deep queue, one of a BDP, a shallow one; slow and fast. */
	static const struct {
		struct path path;
		unsigned utilisation_min;
		unsigned queue_max_ms; /* after Startup */
	} cases[] = {
		{{1250000, MS(40), 1000000, 0}, 95, 45},  {{1250000, MS(40), 50000, 0}, 95, 41},
		{{12500000, MS(10), 2000000, 0}, 95, 15}, {{12500000, MS(100), 125000, 0}, 90, 11},
		{{125000, MS(200), 100000, 0}, 85, 230},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct world *w = world_new(&cases[i].path);
		uint64_t bw;

		run(w, MS(5000));
		assert_true(bbr_of(w)->full_bw_reached);
		reset_measures(w);
		run(w, MS(15000));
		bw = bbr_max_bw(bbr_of(w));
		assert_in_range(bw, w->path.rate_bytes_per_s * 95 / 100,
				w->path.rate_bytes_per_s * 106 / 100);
		assert_in_range(bbr_of(w)->min_rtt_ns, w->path.rtt_ns,
				w->path.rtt_ns + w->path.rtt_ns / 10 + MS(13));
		assert_in_range(utilisation(w), cases[i].utilisation_min, 101);
		assert_in_range(w->queue_max_ns, 0, MS(cases[i].queue_max_ms));
		world_free(w);
	}
}

/* All phases come round; when the round trip grew, ProbeRTT within five seconds or so, and it does empty the pipe. */
static void test_phases(void **state)
{
	static const struct path path = {1250000, MS(40), 1000000, 0};
	static const unsigned cycle = 1u << BBR_PROBE_DOWN | 1u << BBR_PROBE_CRUISE |
				      1u << BBR_PROBE_REFILL | 1u << BBR_PROBE_UP;
	struct world *w = world_new(&path);

	(void)state;
	run(w, MS(1000));
	assert_true(w->phases & 1u << BBR_STARTUP);
	assert_true(w->phases & 1u << BBR_DRAIN);
	reset_measures(w);
	/* Cruise sees the shortest round trip again and again: there is nothing to probe for. */
	run(w, MS(11000));
	assert_int_equal(w->phases, cycle);
	assert_in_range(bbr_of(w)->min_rtt_ns, MS(40), MS(42));
	w->path.rtt_ns = MS(60);
	reset_measures(w);
	run(w, MS(11000));
	assert_int_equal(w->phases, cycle | 1u << BBR_PROBE_RTT);
	assert_in_range(w->pipe_min_bytes, MSS, 45000);
	assert_in_range(bbr_of(w)->min_rtt_ns, MS(60), MS(62));
	world_free(w);
}

/* A third of the rate: the model follows within a few cycles; back up again: within a few probes. */
static void test_rate_changes(void **state)
{
	static const struct path path = {1250000, MS(40), 400000, 0};
	struct world *w = world_new(&path);

	(void)state;
	run(w, MS(5000));
	w->path.rate_bytes_per_s = 400000;
	run(w, MS(10000));
	assert_in_range(bbr_max_bw(bbr_of(w)), 380000, 440000);
	reset_measures(w);
	run(w, MS(5000));
	assert_in_range(utilisation(w), 85, 101);
	w->path.rate_bytes_per_s = 1250000;
	run(w, MS(20000));
	assert_in_range(bbr_max_bw(bbr_of(w)), 1200000, 1320000);
	world_free(w);
}

static void test_idle_restart(void **state)
{
	static const struct path path = {1250000, MS(40), 400000, 0};
	struct world *w = world_new(&path);
	struct cc_round round;

	(void)state;
	run(w, MS(4000));
	w->is_app_limited = true;
	run(w, MS(3000));
	assert_int_equal(w->count, 0);
	w->is_app_limited = false;
	round = round_of(w);
	cc_on_idle(&w->cc, MS(3000), MS(300), &round);
	/* At the path's rate at once: neither a burst nor a slow start. */
	assert_in_range(w->cc.pacing_rate, 1200000, 1320000);
	reset_measures(w);
	run(w, MS(1000));
	assert_in_range(utilisation(w), 85, 101);
	assert_in_range(w->queue_max_ns, 0, MS(45));
	world_free(w);
}

/* A timeout costs the window, not the model; undo gives the window back. */
static void test_timeout(void **state)
{
	static const struct path path = {1250000, MS(40), 400000, 0};
	struct world *w = world_new(&path);
	struct cc_round round;
	uint64_t cwnd;

	(void)state;
	run(w, MS(4000));
	cwnd = w->cc.cwnd_bytes;
	round = round_of(w);
	cc_on_rto(&w->cc, true, &round);
	assert_int_equal(w->cc.cwnd_bytes, MSS);
	cc_on_undo(&w->cc, &round);
	assert_int_equal(w->cc.cwnd_bytes, cwnd);
	cc_on_rto(&w->cc, true, &round);
	run(w, MS(1000));
	assert_in_range(w->cc.cwnd_bytes, cwnd / 2, cwnd * 2);
	world_free(w);
}

/* Startup that ended for losses which were none begins again. */
static void test_undo_returns_to_startup(void **state)
{
	static const struct path path = {1250000, MS(40), 400000, 0};
	struct world *w = world_new(&path);
	struct cc_round round;

	(void)state;
	run(w, MS(100));
	assert_int_equal(bbr_of(w)->phase, BBR_STARTUP);
	round = round_of(w);
	cc_on_lost(&w->cc, &(struct cc_lost){.bytes = MSS, .since_sent_bytes = MSS}, &round);
	cc_on_congestion(&w->cc, CC_LOSS, &round);
	run_until(w, BBR_DRAIN);
	cc_on_undo(&w->cc, &round);
	assert_int_equal(bbr_of(w)->phase, BBR_STARTUP);
	assert_false(bbr_of(w)->full_bw_reached);
	cc_check(&w->cc);
	world_free(w);
}

/* A packet that overtook others is SACKed early: that isn't the path's round trip. */
static void test_overtaking(void **state)
{
	static const struct path path = {1250000, MS(40), 400000, 0};
	struct world *w = world_new(&path);
	struct ack_info info = {.rtt_ns = MS(5), .delivered_bytes = MSS};
	struct cc_round round;
	uint64_t min_rtt_ns;

	(void)state;
	run(w, MS(3000));
	min_rtt_ns = bbr_of(w)->min_rtt_ns;
	round = round_of(w);
	info.now_ns = w->now_ns;
	cc_on_ack(&w->cc, &info, &round);
	assert_int_equal(bbr_of(w)->min_rtt_ns, min_rtt_ns);
	/* An echoed timestamp counts milliseconds: that tells no queue. */
	assert_true(bbr_of(w)->rtt_before_ns != MS(5));
	info.last_acked_sent_at_ns = w->now_ns - MS(5);
	/* One in order may have overtaken nobody and have skipped a part of the way all the same; four in a row haven't. */
	for (unsigned i = 1; i <= BBR_RTTS_IN_A_ROW; i++) {
		assert_int_equal(bbr_of(w)->min_rtt_ns, min_rtt_ns);
		cc_on_ack(&w->cc, &info, &round);
		assert_int_equal(bbr_of(w)->rtt_before_ns, MS(5));
	}
	assert_int_equal(bbr_of(w)->min_rtt_ns, MS(5));
	world_free(w);
}

/* One ACK of a packet that left when `prior_bytes` had been delivered. */
static void ack_after(struct world *w, uint64_t rtt_ns, uint64_t prior_bytes)
{
	struct ack_info info = {
		.now_ns = w->now_ns,
		.rtt_ns = rtt_ns,
		.last_acked_sent_at_ns = w->now_ns - rtt_ns,
		.delivered_bytes = MSS,
		.rate = {.newest_end = 1, .prior_delivered_bytes = prior_bytes},
	};
	struct cc_round round = round_of(w);

	cc_on_ack(&w->cc, &info, &round);
}

/* The first round trip of data is believed, unless it was shorter than the handshake's and the next ones'. */
static void test_first_overtakes(void **state)
{
	static const struct path path = {1250000, MS(40), 400000, 0};
	static const struct {
		unsigned srtt_ms, second_ms, third_ms;
		uint64_t prior_bytes; /* of the second and third */
		unsigned min_ms;
	} cases[] = {
		{39, 40, 41, 0, 40},     {39, 24, 40, 0, 40}, {39, 40, 39, 0, 40},
		{39, 24, 25, 0, 24},     {26, 40, 41, 0, 24}, /* a slow line: each waits for the one before */
		{39, 40, 41, 10000, 24},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct world *w = world_new(&path);

		w->srtt_ns = MS(cases[i].srtt_ms);
		ack_after(w, MS(24), 0);
		/* From now on the smoothed one follows our own queue. */
		w->srtt_ns = MS(50);
		assert_int_equal(bbr_of(w)->min_rtt_ns, MS(24));
		ack_after(w, MS(cases[i].second_ms), cases[i].prior_bytes);
		ack_after(w, MS(cases[i].third_ms), cases[i].prior_bytes);
		assert_int_equal(bbr_of(w)->min_rtt_ns, MS(cases[i].min_ms));
		world_free(w);
	}
}

/* Among losses nearly all is SACKed first: that tells the round trip, too, and there is nothing to probe for. */
static void test_seen_again_among_losses(void **state)
{
	static const struct path path = {12500000, MS(100), 1250000, 30};
	struct world *w = world_new(&path);

	(void)state;
	run(w, MS(2000));
	reset_measures(w);
	run(w, MS(10000));
	assert_false(w->phases & 1u << BBR_PROBE_RTT);
	assert_in_range(bbr_of(w)->min_rtt_ns, MS(100), MS(102));
	world_free(w);
}

/* The bandwidth is taken for more than it is: no flight that it allows lets the queue run empty. Down goes on, instead of ProbeRTT. */
static void test_down_again(void **state)
{
	static const struct path path = {1250000, MS(100), 125000, 0};
	struct world *w = world_new(&path);
	struct bbr *bbr = cc_state(&w->cc);
	unsigned seen = 0;

	(void)state;
	run_until(w, BBR_PROBE_CRUISE);
	reset_measures(w);
	for (unsigned i = 0; i < 1200; i++) {
		bbr->max_bw[1] = MAX(bbr->max_bw[1], UINT64_C(1300000));
		run(w, MS(10));
		seen = MAX(seen, bbr->downs_again_count);
	}
	assert_false(w->phases & 1u << BBR_PROBE_RTT);
	assert_in_range(seen, 1, 2);
	assert_in_range(utilisation(w), 98, 101);
	world_free(w);
}

/* A bound that holds the flight down is no full pipe: Up goes on until the path is. */
static void test_up_raises_the_bound(void **state)
{
	static const struct path path = {12500000, MS(40), 500000, 0};
	struct world *w = world_new(&path);
	struct bbr *bbr = cc_state(&w->cc);

	(void)state;
	run_until(w, BBR_PROBE_CRUISE);
	/* What is in flight already would raise it. */
	for (unsigned i = 0; i < 30; i++) {
		bbr->inflight_longterm = 100000;
		run(w, MS(10));
	}
	run_until(w, BBR_PROBE_UP);
	assert_in_range(bbr->inflight_longterm, 100000, 110000);
	run_until(w, BBR_PROBE_DOWN);
	/* The path holds 500,000 bytes. */
	assert_in_range(bbr->inflight_longterm, 500000, 1100000);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_finds_rate_and_round_trip),
		cmocka_unit_test(test_phases),
		cmocka_unit_test(test_rate_changes),
		cmocka_unit_test(test_idle_restart),
		cmocka_unit_test(test_timeout),
		cmocka_unit_test(test_undo_returns_to_startup),
		cmocka_unit_test(test_overtaking),
		cmocka_unit_test(test_first_overtakes),
		cmocka_unit_test(test_seen_again_among_losses),
		cmocka_unit_test(test_down_again),
		cmocka_unit_test(test_up_raises_the_bound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
