/* SPDX-License-Identifier: MIT */
/* RFC 6298 and its refinements; the windowed minimum RTT. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "base/check.h"
#include "tcp/loss/rto.h"

#define MS(n) ((uint64_t)(n)*1000000u)
#define S(n)  MS((n)*1000)
/* Offsets around the wrap of the wire's numbers. */
#define OFF(n) (UINT64_C(0xfffffff0) + (uint64_t)(n))

static const struct rto_limits limits = {S(1), MS(200), S(120)};

/* Proves: RFC6298-2.2 */
static void test_first_sample(void **state)
{
	static const struct {
		unsigned rtt_ms, rto_ms;
	} cases[] = {
		{1, 201},   {10, 210},    {50, 250},       {100, 300},
		{150, 450}, {1000, 3000}, {60000, 120000},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct rto rto;

		rto_init(&rto, &limits);
		assert_int_equal(rto_ns(&rto, &limits), S(1));
		rto_sample(&rto, MS(cases[i].rtt_ms), OFF(1), OFF(1000), 1, &limits);
		assert_int_equal(rto.srtt_ns, MS(cases[i].rtt_ms));
		assert_int_equal(rto.rttvar_ns, MS(cases[i].rtt_ms) / 2);
		assert_int_equal(rto_ns(&rto, &limits), MS(cases[i].rto_ms));
	}
}

/* A sample a round trip, each of one window. */
static void run(struct rto *rto, unsigned rtt_ms, unsigned samples, unsigned rounds, uint64_t *at)
{
	for (unsigned i = 0; i < rounds; i++) {
		for (unsigned n = 0; n < samples; n++)
			rto_sample(rto, MS(rtt_ms), OFF(*at + n + 1), OFF(*at + samples + 1),
				   MS(*at), &limits);
		*at += samples + 1;
	}
}

static void test_steady_path_settles_on_the_floor(void **state)
{
	struct rto rto;
	uint64_t at = 0;

	(void)state;
	rto_init(&rto, &limits);
	run(&rto, 400, 10, 40, &at);
	assert_int_equal(rto.srtt_ns, MS(400));
	assert_in_range(rto_ns(&rto, &limits), MS(600), MS(601));
}

/* Ten thousand samples in one round trip are worth one: the margin doesn't sink within it. */
static void test_margin_holds_within_a_round(void **state)
{
	struct rto rto;

	(void)state;
	rto_init(&rto, &limits);
	rto_sample(&rto, MS(400), OFF(1), OFF(20000), MS(1), &limits);
	for (unsigned n = 0; n < 10000; n++)
		rto_sample(&rto, MS(400), OFF(2 + n), OFF(20000), MS(2), &limits);
	assert_int_equal(rto_ns(&rto, &limits), MS(400 + 800));
}

static void test_spike_and_fall(void **state)
{
	struct rto rto;
	uint64_t at = 0, before;

	(void)state;
	rto_init(&rto, &limits);
	run(&rto, 100, 10, 40, &at);
	before = rto_ns(&rto, &limits);
	/* A jump raises it at once: error 300 ms, a quarter of it into RTTVAR, four times that into RTO. */
	rto_sample(&rto, MS(400), OFF(at + 1), OFF(at + 10), MS(at), &limits);
	assert_true(rto_ns(&rto, &limits) > MS(400));
	run(&rto, 100, 10, 60, &at);
	assert_in_range(rto_ns(&rto, &limits), before - MS(1), before + MS(5));
	/* A much shorter path must not raise it. */
	rto_sample(&rto, MS(5), OFF(at + 1), OFF(at + 10), MS(at), &limits);
	assert_true(rto_ns(&rto, &limits) <= before + MS(5));
}

/* Proves: RFC6298-5.5 */
static void test_backoff(void **state)
{
	static const unsigned expected_ms[] = {300,   600,   1200,  2400,   4800,  9600,
					       19200, 38400, 76800, 120000, 120000};
	struct rto rto;

	(void)state;
	rto_init(&rto, &limits);
	rto_sample(&rto, MS(100), OFF(1), OFF(2), 1, &limits);
	for (size_t i = 0; i < ARRAY_LEN(expected_ms); i++) {
		assert_int_equal(rto_ns(&rto, &limits), MS(expected_ms[i]));
		rto_back_off(&rto);
	}
	rto.backoff = UINT32_MAX;
	rto_back_off(&rto);
	assert_int_equal(rto_ns(&rto, &limits), S(120));
	rto_reset_backoff(&rto);
	assert_int_equal(rto_ns(&rto, &limits), MS(300));
	/* A valid sample ends it too (Karn). */
	rto_back_off(&rto);
	rto_sample(&rto, MS(100), OFF(3), OFF(4), 2, &limits);
	assert_true(rto_ns(&rto, &limits) <= MS(300));
	assert_int_equal(rto.backoff, 0);
}

static void test_zero_rtt_is_a_sample(void **state)
{
	struct rto rto;

	(void)state;
	rto_init(&rto, &limits);
	for (unsigned i = 1; i < 20; i++)
		rto_sample(&rto, 0, OFF(i), OFF(i), i, &limits);
	assert_true(rto.srtt_ns > 0);
	assert_in_range(rto_ns(&rto, &limits), MS(200), MS(200) + 10);
	assert_int_equal(rto_min_rtt_ns(&rto), 1);
}

static void sample_at(struct rto *rto, unsigned second, unsigned rtt_ms)
{
	rto_sample(rto, MS(rtt_ms), OFF(second), OFF(second), S(second), &limits);
}

static void test_minimum_over_a_window(void **state)
{
	struct rto rto;

	(void)state;
	rto_init(&rto, &limits);
	assert_int_equal(rto_min_rtt_ns(&rto), 0);
	sample_at(&rto, 1, 50);
	sample_at(&rto, 2, 40);
	sample_at(&rto, 3, 60);
	assert_int_equal(rto_min_rtt_ns(&rto), MS(40));
	/* The path became longer: the old minimum holds for 300 s and is forgotten then. */
	for (unsigned second = 4; second <= 302; second++) {
		sample_at(&rto, second, 70);
		assert_int_equal(rto_min_rtt_ns(&rto), MS(40));
	}
	for (unsigned second = 303; second <= 400; second++)
		sample_at(&rto, second, 70);
	assert_int_equal(rto_min_rtt_ns(&rto), MS(70));
	sample_at(&rto, 401, 30);
	assert_int_equal(rto_min_rtt_ns(&rto), MS(30));
	/* Nothing for an hour: what was before says nothing. */
	sample_at(&rto, 4001, 90);
	assert_int_equal(rto_min_rtt_ns(&rto), MS(90));
}

/* Beside the definition: the smallest of all samples that are at most 300 s old, give or take the sub-window. */
/* What overtook others was faster than the path is: it counts for the RTO, not for the minimum. */
static void test_overtaking_is_no_minimum(void **state)
{
	struct rto rto;

	(void)state;
	rto_init(&rto, &limits);
	rto_sample_sacked(&rto, MS(60), OFF(1), OFF(2), S(1), &limits);
	assert_int_equal(rto_min_rtt_ns(&rto), MS(60)); /* better than none */
	sample_at(&rto, 2, 40);
	rto_sample_sacked(&rto, MS(10), OFF(3), OFF(4), S(3), &limits);
	assert_int_equal(rto_min_rtt_ns(&rto), MS(40));
	assert_in_range(rto.srtt_ns, MS(35), MS(56));
	rto_back_off(&rto);
	rto_sample_sacked(&rto, MS(40), OFF(4), OFF(5), S(4), &limits);
	assert_int_equal(rto.backoff, 0);
}

static void test_minimum_bounds(void **state)
{
	enum { COUNT = 3000 };
	static uint32_t rtts[COUNT];
	struct rto rto;
	uint32_t seed = 1;

	(void)state;
	rto_init(&rto, &limits);
	for (unsigned t = 0; t < COUNT; t++) {
		uint32_t window = UINT32_MAX, recent = UINT32_MAX;

		seed = seed * 1664525 + 1013904223;
		rtts[t] = 20 + seed % 200 + (t / 700) * 15;
		sample_at(&rto, t + 1, rtts[t]);
		for (unsigned i = t > 300 ? t - 300 : 0; i <= t; i++)
			window = MIN(window, rtts[i]);
		for (unsigned i = t > 75 ? t - 75 : 0; i <= t; i++)
			recent = MIN(recent, rtts[i]);
		assert_in_range(rto_min_rtt_ns(&rto), MS(window), MS(recent));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_first_sample),
		cmocka_unit_test(test_steady_path_settles_on_the_floor),
		cmocka_unit_test(test_margin_holds_within_a_round),
		cmocka_unit_test(test_spike_and_fall),
		cmocka_unit_test(test_backoff),
		cmocka_unit_test(test_zero_rtt_is_a_sample),
		cmocka_unit_test(test_minimum_over_a_window),
		cmocka_unit_test(test_overtaking_is_no_minimum),
		cmocka_unit_test(test_minimum_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
