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
		{{125000, MS(200), 100000, 0}, 85, 220},
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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
