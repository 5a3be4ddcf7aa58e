/* SPDX-License-Identifier: MIT */
/* What BBR makes of losses: over one bottleneck (bbr_kit.h), and its tally alone, without a path. */
#include "bbr_kit.h"

/* What is lost without a queue isn't congestion: that is what BBR is for. */
static void test_random_loss(void **state)
{
	static const struct {
		unsigned loss_per_mille, percent; /* lost, and what may be */
		unsigned utilisation_min, utilisation_max;
	} cases[] = {
		{1, 10, 94, 101},
		{10, 10, 96, 101},
		{30, 10, 96, 101},
		{50, 10, 95, 101},
		/* The draft's rule: more than 2% holds the flight down. */
		{1, 0, 94, 101},
		{30, 0, 20, 80},
		/* What is above the ceiling is held down as well. */
		{300, 10, 1, 60},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct path path = {1250000, MS(40), 200000, cases[i].loss_per_mille};
		struct world *w = world_new(&path);

		allow_percent(w, cases[i].percent);
		run(w, MS(3000));
		reset_measures(w);
		run(w, MS(20000));
		assert_in_range(utilisation(w), cases[i].utilisation_min, cases[i].utilisation_max);
		world_free(w);
	}
}

/* Nothing but the window limits, so no queue ever shows: what is lost doesn't depend on what we send. */
static void test_no_rate(void **state)
{
	static const struct {
		uint64_t rtt_ns;
		unsigned window_segs, loss_per_mille, percent;
		unsigned share_min, share_max; /* percent of a window each round trip */
	} cases[] = {
		{MS(1), 100, 30, 10, 85, 100},   {MS(20), 300, 30, 10, 85, 100},
		{MS(100), 300, 30, 10, 75, 100}, {MS(20), 300, 10, 10, 90, 100},
		{MS(20), 300, 30, 0, 1, 60},     {MS(20), 300, 80, 10, 1, 60},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct path path = {1250000000, cases[i].rtt_ns, 10000000, cases[i].loss_per_mille};
		struct world *w = world_new(&path);
		uint64_t most;

		w->window_bytes = cases[i].window_segs * MSS;
		allow_percent(w, cases[i].percent);
		run(w, 50 * cases[i].rtt_ns);
		reset_measures(w);
		run(w, 200 * cases[i].rtt_ns);
		assert_false(bbr_of(w)->sees_queues);
		most = 200 * w->window_bytes;
		assert_in_range(w->delivered_bytes * 100 / most, cases[i].share_min,
				cases[i].share_max);
		world_free(w);
	}
}

/* A queue that is too short to be seen: losses can't be told from its, and the draft's rule holds. */
static void test_shallow_queue(void **state)
{
	static const struct {
		unsigned queue_bytes;
		bool is_seen;
		unsigned lost_per_mille_max;
	} cases[] = {{15000, false, 15}, {60000, true, 15}, {500000, true, 5}};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		for (unsigned percent = 0; percent <= 10; percent += 10) {
			struct path path = {12500000, MS(40), cases[i].queue_bytes, 0};
			struct world *w = world_new(&path);

			allow_percent(w, percent);
			run(w, MS(5000));
			assert_true(bbr_of(w)->sees_queues == cases[i].is_seen);
			reset_measures(w);
			run(w, MS(15000));
			assert_in_range(utilisation(w), 80, 101);
			assert_in_range(w->lost_bytes * 1000 / w->delivered_bytes, 0,
					cases[i].lost_per_mille_max);
			world_free(w);
		}
	}
}

/* Cruise with losses that others make: a queue stands, and the bounds fall. Without one they don't. */
static void test_losses_between_probes(void **state)
{
	static const struct {
		uint64_t queue_ns; /* that others hold */
		unsigned percent;  /* configured */
		unsigned lost;     /* packets in one round */
		bool is_congestion;
	} cases[] = {
		{0, 10, 2, false},     {0, 10, 20, true},    {0, 0, 1, true},
		{MS(15), 10, 1, true}, {MS(2), 10, 1, true},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		static const struct path path = {1250000, MS(40), 400000, 0};
		struct world *w = world_new(&path);
		struct cc_round round;

		run_until(w, BBR_PROBE_CRUISE);
		allow_percent(w, cases[i].percent);
		w->path.rtt_ns += cases[i].queue_ns;
		run(w, MS(150));
		assert_int_equal(bbr_of(w)->phase, BBR_PROBE_CRUISE);
		assert_int_equal(bbr_of(w)->bw_shortterm, BBR_INFINITE);
		round = round_of(w);
		for (unsigned lost = 1; lost <= cases[i].lost; lost++)
			cc_on_lost(&w->cc,
				   &(struct cc_lost){.bytes = MSS, .since_sent_bytes = lost * MSS},
				   &round);
		run(w, MS(60));
		assert_int_equal(bbr_of(w)->phase, BBR_PROBE_CRUISE);
		assert_true((bbr_of(w)->bw_shortterm != BBR_INFINITE) == cases[i].is_congestion);
		world_free(w);
	}
}

/* What arrives in Down is what we sent, slower than the path is: with losses it bounds the flight, not the rate. */
static void test_losses_while_held_back(void **state)
{
	static const struct {
		enum bbr_phase phase;
		uint64_t after_ns;       /* the phase began packets are lost */
		uint64_t path_slower_ns; /* before that the path became slower; 0: it didn't */
		bool is_rate_cut;
	} cases[] = {
		{BBR_PROBE_DOWN, MS(80), 0, false},
		{BBR_PROBE_CRUISE, 0, 0, false}, /* what was sent in Down is still arriving */
		{BBR_PROBE_CRUISE, MS(250), MS(200), true},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		static const struct path path = {1250000, MS(40), 400000, 0};
		struct world *w = world_new(&path);
		struct cc_round round;

		run_until(w, BBR_PROBE_UP);
		run_until(w, cases[i].phase);
		run(w, cases[i].after_ns - cases[i].path_slower_ns);
		if (cases[i].path_slower_ns)
			w->path.rate_bytes_per_s = 800000;
		run(w, cases[i].path_slower_ns);
		assert_int_equal(bbr_of(w)->phase, cases[i].phase);
		round = round_of(w);
		for (unsigned lost = 1; lost <= 3; lost++)
			cc_on_lost(&w->cc,
				   &(struct cc_lost){.bytes = MSS, .since_sent_bytes = lost * MSS},
				   &round);
		for (unsigned ms = 0; ms < 300 && bbr_of(w)->loss_in_round; ms++)
			run(w, MS(1));
		assert_true(bbr_of(w)->inflight_shortterm != BBR_INFINITE);
		assert_true((bbr_of(w)->bw_shortterm < bbr_max_bw(bbr_of(w))) ==
			    cases[i].is_rate_cut);
		cc_check(&w->cc);
		world_free(w);
	}
}

/* An ECN mark is congestion, whatever the queue. */
static void test_mark_is_certain(void **state)
{
	static const struct path path = {1250000, MS(40), 400000, 0};
	struct world *w = world_new(&path);
	struct cc_round round;

	(void)state;
	run_until(w, BBR_PROBE_CRUISE);
	round = round_of(w);
	cc_on_lost(&w->cc, &(struct cc_lost){.bytes = MSS, .since_sent_bytes = MSS}, &round);
	cc_on_congestion(&w->cc, CC_ECN, &round);
	run(w, MS(60));
	assert_true(bbr_of(w)->bw_shortterm != BBR_INFINITE);
	world_free(w);
}

/* What is learnt of a path is its share of losses, and follows it. */
static void test_noise(void **state)
{
	static const struct path path = {12500000, MS(40), 500000, 30};
	struct world *w = world_new(&path);
	const struct bbr *bbr = bbr_of(w);

	(void)state;
	run(w, MS(6000));
	assert_true(bbr->sees_queues);
	assert_in_range(bbr->calm_lost_bytes * 1000 / bbr->calm_bytes, 24, 36);
	/* In Up a queue stands. */
	run_until(w, BBR_PROBE_UP);
	run(w, MS(100));
	assert_int_equal(bbr->phase, BBR_PROBE_UP);
	assert_int_equal(bbr_to_send(&w->cc, bbr, 1000 * MSS), 1000 * MSS);
	/* 2% more than that, and the spread of chance. */
	assert_in_range(bbr_loss_allowed(&w->cc, bbr, 300 * MSS), 17 * MSS, 23 * MSS);
	/* And what it takes is sent besides. */
	run_until(w, BBR_PROBE_CRUISE);
	run(w, MS(200));
	assert_in_range(bbr_to_send(&w->cc, bbr, 1000 * MSS), 1024 * MSS, 1038 * MSS);
	allow_percent(w, 0);
	assert_int_equal(bbr_loss_allowed(&w->cc, bbr, 300 * MSS), 6 * MSS);
	assert_int_equal(bbr_to_send(&w->cc, bbr, 1000 * MSS), 1000 * MSS);
	allow_percent(w, 10);
	/* Shorter than was thought: a queue stood in what seemed calm. */
	run_until(w, BBR_PROBE_CRUISE);
	w->path.loss_per_mille = 0;
	w->path.rtt_ns = MS(30);
	for (unsigned i = 0; i < 1000 && bbr->min_rtt_ns > MS(35); i++)
		run(w, MS(1));
	assert_in_range(bbr->calm_bytes, 0, 400 * MSS);
	/* And this is a sound path. */
	run(w, MS(6000));
	assert_in_range(bbr->min_rtt_ns, MS(30), MS(32));
	assert_true(bbr->sees_queues);
	assert_in_range(bbr->calm_lost_bytes * 1000 / bbr->calm_bytes, 0, 3);
	world_free(w);
}

/* A lost packet is judged by the flight in which it was, not by what the ACK that tells of it delivered. */
static void test_probe_meets_loss(void **state)
{
	static const struct path path = {1250000, MS(40), 400000, 0};
	static const struct {
		uint64_t flight_bytes, lost_before_bytes, bytes;
		uint64_t bound_bytes; /* 0: the probe goes on */
	} cases[] = {
		{100 * MSS, 0, MSS, 0},
		{100 * MSS, MSS, MSS, 0}, /* two of a hundred are allowed */
		{100 * MSS, 2 * MSS, MSS, 99 * MSS},
		/* One record of many segments: the bound lies within it. (1960 - 1000) * 50 / 49 more. */
		{100 * 1000, 1000, 2000, 98000 + 979},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct world *w = world_new(&path);
		struct cc_lost lost = {
			.bytes = cases[i].bytes,
			.tx_in_flight_bytes = cases[i].flight_bytes,
			.since_sent_bytes = cases[i].lost_before_bytes + cases[i].bytes,
		};
		struct cc_round round;

		run_until(w, BBR_PROBE_UP);
		round = round_of(w);
		cc_on_lost(&w->cc, &lost, &round);
		cc_on_congestion(&w->cc, CC_LOSS, &round);
		if (!cases[i].bound_bytes) {
			assert_int_equal(bbr_of(w)->phase, BBR_PROBE_UP);
			assert_int_equal(bbr_of(w)->inflight_longterm, BBR_INFINITE);
		} else {
			assert_int_equal(bbr_of(w)->phase, BBR_PROBE_DOWN);
			assert_int_equal(bbr_of(w)->inflight_longterm, cases[i].bound_bytes);
			/* It had not been lost: the probe goes on where it was cut short. */
			cc_on_undo(&w->cc, &round);
			assert_int_equal(bbr_of(w)->phase, BBR_PROBE_UP);
			assert_int_equal(bbr_of(w)->inflight_longterm, BBR_INFINITE);
		}
		cc_check(&w->cc);
		world_free(w);
	}
}

/* A loss's round begins with it: what the path delivers for one round trip from then on counts. */
static void test_round_of_a_loss(void **state)
{
	static const struct path path = {1250000, MS(40), 400000, 0};
	struct world *w = world_new(&path);
	struct cc_round round;

	(void)state;
	allow_percent(w, 0);
	run_until(w, BBR_PROBE_CRUISE);
	run(w, MS(100));
	round = round_of(w);
	cc_on_lost(&w->cc, &(struct cc_lost){.bytes = MSS, .since_sent_bytes = MSS}, &round);
	run(w, MS(35));
	assert_int_equal(bbr_of(w)->bw_shortterm, BBR_INFINITE);
	run(w, MS(15));
	/* One packet of forty: the rate is what was delivered, not seven tenths. */
	assert_in_range(bbr_of(w)->bw_shortterm, 1200000, 1260000);
	world_free(w);
}

/* Where no queue shows, losses count as noise while they come with short and long round trips alike. */
static void test_tally(void **state)
{
	static const struct {
		unsigned segs[2], lost[2]; /* while the round trip was short, and long */
		unsigned percent;
		unsigned allowed_segs; /* of 1000 */
	} cases[] = {
		{{1000, 1000}, {30, 30}, 10, 46}, /* 30 and three deviations */
		{{1000, 1000}, {30, 46}, 10, 46},
		{{1000, 1000}, {30, 47}, 10, 20}, /* more than chance: a queue drops */
		{{1000, 1000}, {1, 12}, 10, 20},
		{{1000, 0}, {30, 0}, 10, 46},
		{{50, 1000}, {2, 30}, 10, 20}, /* too few to know */
		{{1000, 1000}, {5, 5}, 10, 20},
		{{1000, 1000}, {80, 80}, 10, 20}, /* above half the ceiling */
		{{1000, 1000}, {80, 80}, 20, 106},
		{{1000, 1000}, {30, 30}, 0, 20},
	};

	struct tee_config config;

	(void)state;
	tee_config_init(&config);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct cc cc;
		struct bbr *bbr;

		config.tcp_bbr_random_loss_percent = (uint8_t)cases[i].percent;
		assert_int_equal(cc_init(&cc, &cc_bbr, MSS, 10, &config, 1), 0);
		bbr = cc_state(&cc);
		for (unsigned j = 0; j < 2; j++) {
			bbr->tally_bytes[j] = cases[i].segs[j] * MSS;
			bbr->tally_lost_bytes[j] = cases[i].lost[j] * MSS;
		}
		/* Startup goes on until half the ceiling is lost: 50 and two deviations. */
		bbr->phase = BBR_STARTUP;
		if (i == 0)
			assert_int_equal(bbr_loss_allowed(&cc, bbr, 1000 * MSS) / MSS, 64);
		/* However chance divided the losses of its few segments, as long as the rate grows. */
		if (i == 2) {
			assert_int_equal(bbr_loss_allowed(&cc, bbr, 1000 * MSS) / MSS, 64);
			bbr->full_bw = 1000;
			bbr->full_bw_count = 1;
			bbr->max_bw[1] = 1250;
			assert_int_equal(bbr_loss_allowed(&cc, bbr, 1000 * MSS) / MSS, 64);
			bbr->max_bw[1] = 1249;
			assert_int_equal(bbr_loss_allowed(&cc, bbr, 1000 * MSS) / MSS, 20);
		}
		bbr->phase = BBR_PROBE_UP;
		assert_int_equal(bbr_loss_allowed(&cc, bbr, 1000 * MSS) / MSS,
				 cases[i].allowed_segs);
		/* With a queue in sight it is the calm rounds that count. */
		bbr->sees_queues = true;
		assert_int_equal(bbr_loss_allowed(&cc, bbr, 1000 * MSS), 20 * MSS);
		cc_fini(&cc);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_loss),
		cmocka_unit_test(test_no_rate),
		cmocka_unit_test(test_shallow_queue),
		cmocka_unit_test(test_losses_between_probes),
		cmocka_unit_test(test_losses_while_held_back),
		cmocka_unit_test(test_mark_is_certain),
		cmocka_unit_test(test_noise),
		cmocka_unit_test(test_probe_meets_loss),
		cmocka_unit_test(test_round_of_a_loss),
		cmocka_unit_test(test_tally),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
