/* SPDX-License-Identifier: MIT */
/* Delivery-rate samples and departure times. */
#include "sendmap_kit.h"
#include "tcp/cc/pacer.h"
#include "tcp/loss/rate.h"

struct kit {
	struct sendmap map;
	struct rate rate;
};

static void send_at(struct kit *kit, uint64_t at_ns)
{
	uint64_t pipe = sendmap_pipe_bytes(&kit->map);
	struct send_record *record =
		sendmap_sent(&kit->map, kit->map.nxt + KIT_MSS, KIT_MSS, 0, at_ns);

	assert_non_null(record);
	rate_on_sent(&kit->rate, record, pipe, at_ns);
}

static struct rate_sample ack_at(struct kit *kit, unsigned una, uint64_t at_ns, uint64_t lost)
{
	struct ack_info info = kit_info(&kit->map, at_ns);

	sendmap_ack(&kit->map, SEG(una), &info);
	kit->rate.lost_bytes += lost;
	rate_on_ack(&kit->rate, &info, KIT_MS(5));
	return info.rate;
}

static void setup(struct kit *kit)
{
	sendmap_init(&kit->map, KIT_START);
	rate_init(&kit->rate, 0);
}

/* Ten segments a millisecond apart through a path of 10 ms: the rate is a segment a millisecond. */
static void test_steady(void **state)
{
	struct kit kit;
	struct rate_sample sample = {0};

	(void)state;
	setup(&kit);
	for (unsigned i = 0; i < 60; i++) {
		send_at(&kit, KIT_MS(100 + i));
		if (i >= 10)
			sample = ack_at(&kit, i - 9, KIT_MS(100 + i), 0);
	}
	assert_int_equal(sample.delivered_bytes * KIT_MS(1) / sample.interval_ns, KIT_MSS);
	assert_false(sample.is_app_limited);
	/* A round trip's worth, from the ACK before the segment left to its own. */
	assert_int_equal(sample.interval_ns, KIT_MS(11));
	assert_int_equal(sample.prior_in_flight_bytes, 10 * KIT_MSS + KIT_MSS);
	sendmap_fini(&kit.map);
}

/* ACKs held back and released at once don't make the path look faster than it was filled. */
static void test_compressed_acks(void **state)
{
	struct kit kit;
	struct rate_sample sample;

	(void)state;
	setup(&kit);
	for (unsigned i = 0; i < 10; i++)
		send_at(&kit, KIT_MS(100 + i * 10));
	ack_at(&kit, 1, KIT_MS(200), 0);
	sample = ack_at(&kit, 10, KIT_MS(201), 0);
	/* Sent over 90 ms, acknowledged over 101. */
	assert_int_equal(sample.send_interval_ns, KIT_MS(90));
	assert_int_equal(sample.ack_interval_ns, KIT_MS(101));
	assert_int_equal(sample.interval_ns, KIT_MS(101));
	sendmap_fini(&kit.map);
}

static void test_app_limited(void **state)
{
	struct kit kit;
	struct rate_sample sample;

	(void)state;
	setup(&kit);
	send_at(&kit, KIT_MS(100));
	rate_set_app_limited(&kit.rate, KIT_MSS);
	send_at(&kit, KIT_MS(105));
	send_at(&kit, KIT_MS(106));
	sample = ack_at(&kit, 1, KIT_MS(110), 0);
	assert_false(sample.is_app_limited);
	sample = ack_at(&kit, 3, KIT_MS(116), 0);
	assert_true(sample.is_app_limited);
	/* That bubble has left the pipe. */
	send_at(&kit, KIT_MS(120));
	sample = ack_at(&kit, 4, KIT_MS(130), 0);
	assert_false(sample.is_app_limited);
	sendmap_fini(&kit.map);
}

/* Idle time is no part of an interval. */
static void test_idle(void **state)
{
	struct kit kit;
	struct rate_sample sample;

	(void)state;
	setup(&kit);
	send_at(&kit, KIT_MS(100));
	ack_at(&kit, 1, KIT_MS(110), 0);
	send_at(&kit, KIT_MS(9000));
	sample = ack_at(&kit, 2, KIT_MS(9010), 0);
	assert_int_equal(sample.interval_ns, KIT_MS(10));
	assert_int_equal(sample.delivered_bytes, KIT_MSS);
	sendmap_fini(&kit.map);
}

static void test_losses_and_too_fast(void **state)
{
	struct kit kit;
	struct rate_sample sample;

	(void)state;
	setup(&kit);
	send_at(&kit, KIT_MS(100));
	send_at(&kit, KIT_MS(100));
	kit.rate.lost_bytes += 7; /* by a timer */
	sample = ack_at(&kit, 2, KIT_MS(120), 11);
	assert_int_equal(sample.lost_bytes, 18);
	/* An ACK faster than the minimum RTT was for an earlier transmission. */
	send_at(&kit, KIT_MS(121));
	sample = ack_at(&kit, 3, KIT_MS(122), 0);
	assert_int_equal(sample.interval_ns, 0);
	sendmap_fini(&kit.map);
}

/* ---- the pacer ---- */

static void test_pacer_rate(void **state)
{
	static const struct {
		uint64_t cc_rate, cwnd, srtt_ms, max_rate;
		int slow_start;
		uint64_t rate;
	} cases[] = {
		{0, 10000, 0, UINT64_MAX, 1, 0},
		{0, 10000, 0, 5000, 1, 5000},
		{0, 10000, 100, UINT64_MAX, 1, 200000},
		{0, 10000, 100, UINT64_MAX, 0, 120000},
		{0, 10000, 100, 5000, 0, 5000},
		{777, 10000, 100, UINT64_MAX, 0, 777},
		{777, 10000, 0, 500, 0, 500},
		{0, UINT64_C(1) << 31, 1, UINT64_MAX, 1, UINT64_C(4294967296000)},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct pacer pacer;

		pacer_init(&pacer);
		pacer.max_rate = cases[i].max_rate;
		pacer_update(&pacer, cases[i].cc_rate, cases[i].cwnd, KIT_MS(cases[i].srtt_ms),
			     cases[i].slow_start);
		assert_int_equal(pacer.rate, cases[i].rate);
	}
}

static void test_pacer_spacing(void **state)
{
	struct pacer pacer;

	(void)state;
	pacer_init(&pacer);
	pacer_on_sent(&pacer, 1000, KIT_MS(50));
	assert_int_equal(pacer_next_ns(&pacer), 0);
	pacer_update(&pacer, 1000000, 0, 0, 0);
	/* After a pause, a millisecond's worth may leave at once; then one segment a millisecond. */
	pacer_on_sent(&pacer, 1000, KIT_MS(50));
	assert_int_equal(pacer_next_ns(&pacer), KIT_MS(50));
	for (unsigned i = 1; i < 20; i++) {
		pacer_on_sent(&pacer, 1000, pacer_next_ns(&pacer));
		assert_int_equal(pacer_next_ns(&pacer), KIT_MS(50 + i));
	}
	/* A timer that is late by less than the allowance costs no rate. */
	pacer_on_sent(&pacer, 1000, KIT_MS(69) + 900000);
	assert_int_equal(pacer_next_ns(&pacer), KIT_MS(70));
}

/* A busy machine wakes us late: all that the rate allows is made up for, and no more. */
static void test_pacer_late_timer(void **state)
{
	static const struct {
		unsigned late_ms, made_up_ms;
	} cases[] = {{0, 0}, {1, 1}, {8, 8}, {20, 20}, {500, 21}};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		uint64_t now_ns = KIT_MS(50 + cases[i].late_ms);
		unsigned burst = 0;
		struct pacer pacer;

		pacer_init(&pacer);
		pacer_update(&pacer, 1000000, 0, 0, 0);
		pacer.next_at_ns = KIT_MS(50);
		pacer_on_timer(&pacer, now_ns);
		/* A thousand bytes a millisecond; the one that is due goes in any case. */
		for (; pacer_next_ns(&pacer) <= now_ns; burst++)
			pacer_on_sent(&pacer, 1000, now_ns);
		assert_int_equal(burst, cases[i].made_up_ms + 1);
		/* A pause for want of data is no lateness. */
		pacer_on_sent(&pacer, 1000, now_ns + KIT_MS(100));
		assert_int_equal(pacer_next_ns(&pacer), now_ns + KIT_MS(100));
	}
}

static void test_pacer_burst(void **state)
{
	struct pacer pacer;

	(void)state;
	pacer_init(&pacer);
	assert_int_equal(pacer_burst_bytes(&pacer, 1000, 64000), 64000);
	pacer.rate = 10000;
	assert_int_equal(pacer_burst_bytes(&pacer, 1000, 64000), 2000);
	pacer.rate = 12500000;
	assert_int_equal(pacer_burst_bytes(&pacer, 1000, 64000), 12000);
	pacer.rate = UINT64_C(10000000000);
	assert_int_equal(pacer_burst_bytes(&pacer, 1000, 64000), 64000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_steady),
		cmocka_unit_test(test_compressed_acks),
		cmocka_unit_test(test_app_limited),
		cmocka_unit_test(test_idle),
		cmocka_unit_test(test_losses_and_too_fast),
		cmocka_unit_test(test_pacer_rate),
		cmocka_unit_test(test_pacer_spacing),
		cmocka_unit_test(test_pacer_late_timer),
		cmocka_unit_test(test_pacer_burst),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
