/* SPDX-License-Identifier: MIT */
/* The window controllers: what is common to them, NewReno, CUBIC, HyStart++. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "base/check.h"
#include "tcp/cc/cc.h"
#include "tcp/cc/hystart.h"

enum { MSS = 1000, RTT_MS = 100 };
#define MS(n) ((uint64_t)(n)*1000000u)
#define OFF   UINT64_C(0xfffff000)

struct kit {
	struct cc cc;
	struct cc_round round;
	bool sacked; /* what is acknowledged came out of order */
	bool fills_hole;
	uint64_t
		newest_rtt_ns; /* of the newest acknowledged, 0: as of the oldest, which is the SRTT */
};

static void setup(struct kit *kit, const char *name, bool hystart)
{
	const struct cc_ops *ops = cc_find(name);
	struct tee_config config;

	assert_non_null(ops);
	memset(kit, 0, sizeof(*kit));
	tee_config_init(&config);
	config.tcp_hystart = hystart;
	assert_int_equal(cc_init(&kit->cc, ops, MSS, 10, &config, 0), 0);
	kit->round = (struct cc_round){
		.now_ns = MS(1000),
		.srtt_ns = MS(RTT_MS),
		.min_rtt_ns = MS(RTT_MS),
		.una = OFF,
		.nxt = OFF,
		.is_cwnd_limited = true,
	};
}

static void ack(struct kit *kit, uint64_t bytes)
{
	struct ack_info info = {
		.now_ns = kit->round.now_ns,
		.acked_bytes = bytes,
		.cum_acked_bytes = kit->fills_hole ? bytes + MSS : bytes,
		.delivered_bytes = bytes,
		.rtt_ns = kit->newest_rtt_ns ? kit->newest_rtt_ns : kit->round.srtt_ns,
		.first_acked_sent_at_ns = kit->sacked ? 0 : kit->round.now_ns - kit->round.srtt_ns,
		.last_acked_sent_at_ns = kit->sacked ? 0 : 1,
	};

	kit->round.una += bytes;
	kit->round.nxt = MAX(kit->round.nxt, kit->round.una + kit->cc.cwnd_bytes);
	cc_on_ack(&kit->cc, &info, &kit->round);
	cc_check(&kit->cc);
}

/* One round trip in which the whole window is acknowledged, a segment at a time. */
static void round_trip(struct kit *kit)
{
	uint64_t segs = kit->cc.cwnd_bytes / MSS;

	for (uint64_t i = 0; i < segs; i++) {
		kit->round.now_ns += MS(RTT_MS) / segs;
		ack(kit, MSS);
	}
}

static void test_table(void **state)
{
	(void)state;
	assert_ptr_equal(cc_find("newreno"), &cc_newreno);
	assert_ptr_equal(cc_find("reno"), &cc_newreno);
	assert_ptr_equal(cc_find("cubic"), &cc_cubic);
	assert_ptr_equal(cc_find("bbr"), &cc_bbr);
	assert_null(cc_find("vegas"));
	for (unsigned i = 0; i < 3; i++)
		assert_non_null(cc_find(cc_name(i)));
	assert_null(cc_name(3));
}

/* RFC 6928. */
static void test_initial_window(void **state)
{
	static const struct {
		uint32_t mss, segs, bytes;
	} cases[] = {
		{536, 10, 5360},   {1000, 10, 10000}, {1460, 10, 14600}, {4000, 10, 14600},
		{8960, 10, 17920}, {1460, 3, 4380},   {1460, 1, 1460},   {1460, 100, 146000},
	};

	struct tee_config config;

	(void)state;
	tee_config_init(&config);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct cc cc;

		assert_int_equal(cc_init(&cc, &cc_cubic, cases[i].mss, cases[i].segs, &config, 0),
				 0);
		assert_int_equal(cc.cwnd_bytes, cases[i].bytes);
		assert_true(cc_in_slow_start(&cc));
		cc_check(&cc);
		cc_fini(&cc);
	}
}

static void test_slow_start_doubles(void **state)
{
	static const char *const names[] = {"newreno", "cubic"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct kit kit;

		setup(&kit, names[i], true);
		round_trip(&kit);
		assert_int_equal(kit.cc.cwnd_bytes, 20 * MSS);
		/* A stretched ACK counts for what it acknowledges. */
		ack(&kit, 15 * MSS);
		assert_int_equal(kit.cc.cwnd_bytes, 35 * MSS);
		/* RFC 7661: an unused window doesn't grow; nor does one being reduced. */
		kit.round.is_cwnd_limited = false;
		ack(&kit, 5 * MSS);
		kit.round.is_cwnd_limited = true;
		kit.round.in_recovery = true;
		ack(&kit, 5 * MSS);
		assert_int_equal(kit.cc.cwnd_bytes, 35 * MSS);
		/* After a timeout it does. */
		kit.round.in_recovery = false;
		kit.round.in_loss = true;
		ack(&kit, 5 * MSS);
		assert_int_equal(kit.cc.cwnd_bytes, 40 * MSS);
		cc_fini(&kit.cc);
	}
}

static void test_duplicate_acks_do_not_grow(void **state)
{
	struct ack_info info = {.sacked_bytes = MSS, .delivered_bytes = MSS};
	struct kit kit;

	(void)state;
	setup(&kit, "newreno", true);
	cc_on_ack(&kit.cc, &info, &kit.round);
	assert_int_equal(kit.cc.cwnd_bytes, 10 * MSS);
	cc_fini(&kit.cc);
}

static void test_newreno_avoidance(void **state)
{
	struct kit kit;

	(void)state;
	setup(&kit, "newreno", true);
	/* Slow start ends inside an ACK: what is left of it counts for avoidance. */
	kit.cc.ssthresh_bytes = 12 * MSS;
	ack(&kit, 14 * MSS);
	assert_int_equal(kit.cc.cwnd_bytes, 13 * MSS);
	for (unsigned segs = 13; segs < 30; segs++) {
		assert_int_equal(kit.cc.cwnd_bytes, segs * MSS);
		round_trip(&kit);
	}
	cc_fini(&kit.cc);
}

static void test_reductions(void **state)
{
	static const struct {
		const char *name;
		enum cc_congestion what;
		unsigned cwnd, ssthresh; /* bytes */
	} cases[] = {
		{"newreno", CC_LOSS, 20000, 10000}, {"newreno", CC_ECN, 20000, 16000},
		{"cubic", CC_LOSS, 20000, 14000},   {"cubic", CC_ECN, 20000, 17000},
		{"newreno", CC_LOSS, 3000, 2000},   {"cubic", CC_LOSS, 2000, 2000},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct kit kit;

		setup(&kit, cases[i].name, true);
		kit.cc.cwnd_bytes = cases[i].cwnd;
		cc_on_congestion(&kit.cc, cases[i].what, &kit.round);
		assert_int_equal(kit.cc.ssthresh_bytes, cases[i].ssthresh);
		/* The window itself follows by PRR. */
		assert_int_equal(kit.cc.cwnd_bytes, cases[i].cwnd);
		cc_on_undo(&kit.cc, &kit.round);
		assert_int_equal(kit.cc.ssthresh_bytes, CC_SSTHRESH_INFINITE);
		cc_check(&kit.cc);
		cc_fini(&kit.cc);
	}
}

static void test_timeout_and_undo(void **state)
{
	struct kit kit;

	(void)state;
	setup(&kit, "newreno", true);
	kit.cc.cwnd_bytes = 40 * MSS;
	kit.cc.ssthresh_bytes = 30 * MSS;
	cc_on_rto(&kit.cc, true, &kit.round);
	assert_int_equal(kit.cc.cwnd_bytes, MSS);
	assert_int_equal(kit.cc.ssthresh_bytes, 20 * MSS);
	/* The same loss timing out again doesn't halve again. */
	cc_on_rto(&kit.cc, false, &kit.round);
	assert_int_equal(kit.cc.ssthresh_bytes, 20 * MSS);
	cc_on_undo(&kit.cc, &kit.round);
	assert_int_equal(kit.cc.cwnd_bytes, 40 * MSS);
	assert_int_equal(kit.cc.ssthresh_bytes, 30 * MSS);
	/* Only once. */
	kit.cc.cwnd_bytes = 5 * MSS;
	cc_on_undo(&kit.cc, &kit.round);
	assert_int_equal(kit.cc.cwnd_bytes, 5 * MSS);
	cc_fini(&kit.cc);
}

static void test_idle(void **state)
{
	struct kit kit;

	(void)state;
	setup(&kit, "newreno", true);
	kit.cc.cwnd_bytes = 40 * MSS;
	kit.cc.ssthresh_bytes = 20 * MSS;
	cc_on_idle(&kit.cc, MS(200), MS(300), &kit.round);
	assert_int_equal(kit.cc.cwnd_bytes, 40 * MSS);
	cc_on_idle(&kit.cc, MS(400), MS(300), &kit.round);
	assert_int_equal(kit.cc.cwnd_bytes, 10 * MSS);
	assert_int_equal(kit.cc.ssthresh_bytes, 30 * MSS);
	kit.cc.cwnd_bytes = 4 * MSS;
	cc_on_idle(&kit.cc, MS(9000), MS(300), &kit.round);
	assert_int_equal(kit.cc.cwnd_bytes, 4 * MSS);
	cc_fini(&kit.cc);
}

static void test_switch_and_mss(void **state)
{
	struct tee_config config;
	struct kit kit;

	(void)state;
	tee_config_init(&config);
	setup(&kit, "newreno", true);
	kit.cc.cwnd_bytes = 33 * MSS;
	for (unsigned i = 0; cc_name(i); i++) {
		assert_int_equal(cc_switch(&kit.cc, cc_find(cc_name(i)), &config, MS(5)), 0);
		assert_int_equal(kit.cc.cwnd_bytes, 33 * MSS);
		cc_check(&kit.cc);
	}
	assert_int_equal(cc_switch(&kit.cc, &cc_newreno, &config, MS(5)), 0);
	assert_int_equal(kit.cc.pacing_rate, 0);
	cc_set_mss(&kit.cc, 65000);
	assert_true(kit.cc.cwnd_bytes >= 65000);
	cc_check(&kit.cc);
	cc_fini(&kit.cc);
}

/* ---- CUBIC ---- */

/* RFC 9438 4.2: at K the window is back at W_max; a round trip later the curve has turned upwards. */
static void test_cubic_curve(void **state)
{
	struct kit kit;
	uint64_t start_ns, at_k = 0;

	(void)state;
	setup(&kit, "cubic", true);
	kit.cc.cwnd_bytes = 1000 * MSS;
	cc_on_congestion(&kit.cc, CC_LOSS, &kit.round);
	kit.cc.cwnd_bytes = kit.cc.ssthresh_bytes;
	assert_int_equal(kit.cc.cwnd_bytes, 700 * MSS);
	start_ns = kit.round.now_ns;
	/* K = cbrt(300 / 0.4) = 9.086 s. */
	while (kit.round.now_ns < start_ns + MS(12000)) {
		uint64_t before = kit.cc.cwnd_bytes;

		round_trip(&kit);
		assert_true(kit.cc.cwnd_bytes >= before);
		if (!at_k && kit.round.now_ns >= start_ns + MS(9086))
			at_k = kit.cc.cwnd_bytes;
	}
	assert_in_range(at_k, 990 * MSS, 1005 * MSS);
	/* C * (12 - 9.086)^3 = 9.9 segments above. */
	assert_in_range(kit.cc.cwnd_bytes, 1005 * MSS, 1025 * MSS);
	cc_fini(&kit.cc);
}

/* 4.3: on a short path the window grows at least as Reno's would with alpha 9/17, a segment in 1.9 round trips. */
static void test_cubic_reno_friendly(void **state)
{
	struct kit kit;

	(void)state;
	setup(&kit, "cubic", true);
	kit.round.srtt_ns = MS(1);
	kit.cc.cwnd_bytes = 40 * MSS;
	cc_on_congestion(&kit.cc, CC_LOSS, &kit.round);
	kit.cc.cwnd_bytes = kit.cc.ssthresh_bytes;
	assert_int_equal(kit.cc.cwnd_bytes, 28 * MSS);
	for (unsigned i = 0; i < 17; i++)
		for (uint64_t n = kit.cc.cwnd_bytes / MSS; n > 0; n--) {
			kit.round.now_ns += MS(1) / 30;
			ack(&kit, MSS);
		}
	assert_in_range(kit.cc.cwnd_bytes, 36 * MSS, 38 * MSS);
	cc_fini(&kit.cc);
}

/* 4.7: a second loss below W_max makes room for others. */
static void test_cubic_fast_convergence(void **state)
{
	struct kit fast, slow;

	(void)state;
	setup(&fast, "cubic", true);
	setup(&slow, "cubic", true);
	fast.cc.cwnd_bytes = 1000 * MSS;
	cc_on_congestion(&fast.cc, CC_LOSS, &fast.round);
	fast.cc.cwnd_bytes = slow.cc.cwnd_bytes = 800 * MSS;
	cc_on_congestion(&fast.cc, CC_LOSS, &fast.round);
	cc_on_congestion(&slow.cc, CC_LOSS, &slow.round);
	fast.cc.cwnd_bytes = fast.cc.ssthresh_bytes;
	slow.cc.cwnd_bytes = slow.cc.ssthresh_bytes;
	for (unsigned i = 0; i < 60; i++) {
		round_trip(&fast);
		round_trip(&slow);
	}
	/* Plateaus at 0.85 * 800 and at 800. */
	assert_in_range(fast.cc.cwnd_bytes, 660 * MSS, 690 * MSS);
	assert_in_range(slow.cc.cwnd_bytes, 770 * MSS, 800 * MSS);
	cc_fini(&fast.cc);
	cc_fini(&slow.cc);
}

/* 5.8: time that the application wastes isn't made up for by a leap. */
static void test_cubic_limited_time(void **state)
{
	struct kit kit;
	uint64_t before;

	(void)state;
	setup(&kit, "cubic", true);
	kit.cc.cwnd_bytes = 1000 * MSS;
	cc_on_congestion(&kit.cc, CC_LOSS, &kit.round);
	kit.cc.cwnd_bytes = kit.cc.ssthresh_bytes;
	round_trip(&kit);
	before = kit.cc.cwnd_bytes;
	kit.round.is_cwnd_limited = false;
	for (unsigned i = 0; i < 300; i++)
		round_trip(&kit);
	assert_int_equal(kit.cc.cwnd_bytes, before);
	kit.round.is_cwnd_limited = true;
	round_trip(&kit);
	assert_in_range(kit.cc.cwnd_bytes, before, before + 20 * MSS);
	cc_fini(&kit.cc);
}

/* 4.9: a spurious reduction leaves the curve where it was. */
static void test_cubic_undo(void **state)
{
	struct kit kit, twin;

	(void)state;
	setup(&kit, "cubic", true);
	kit.cc.cwnd_bytes = 1000 * MSS;
	cc_on_congestion(&kit.cc, CC_LOSS, &kit.round);
	kit.cc.cwnd_bytes = kit.cc.ssthresh_bytes;
	for (unsigned i = 0; i < 30; i++)
		round_trip(&kit);
	twin = kit;
	cc_on_rto(&kit.cc, true, &kit.round);
	cc_on_undo(&kit.cc, &kit.round);
	for (unsigned i = 0; i < 30; i++) {
		round_trip(&kit);
		round_trip(&twin);
		assert_int_equal(kit.cc.cwnd_bytes, twin.cc.cwnd_bytes);
	}
	cc_fini(&kit.cc);
}

/* 4.8: after a timeout the plateau is where congestion avoidance begins. */
static void test_cubic_after_timeout(void **state)
{
	struct kit kit;

	(void)state;
	setup(&kit, "cubic", true);
	kit.cc.cwnd_bytes = 1000 * MSS;
	cc_on_rto(&kit.cc, true, &kit.round);
	assert_int_equal(kit.cc.ssthresh_bytes, 700 * MSS);
	kit.round.in_loss = true;
	for (unsigned i = 0; i < 10; i++)
		round_trip(&kit);
	assert_in_range(kit.cc.cwnd_bytes, 700 * MSS, 705 * MSS);
	for (unsigned i = 0; i < 10; i++)
		round_trip(&kit);
	/* C * t^3 with t below 2 s: nearly flat, Reno's estimate leads. */
	assert_in_range(kit.cc.cwnd_bytes, 703 * MSS, 725 * MSS);
	cc_fini(&kit.cc);
}

/* ---- HyStart++ ---- */

/* A round trip of 16 samples. Returns whether slow start is over. */
static bool hystart_round(struct hystart *hystart, uint64_t *una, unsigned rtt_us, uint64_t *growth)
{
	bool is_over = false;

	*growth = 0;
	for (unsigned i = 0; i < 16 && !is_over; i++) {
		*una += MSS;
		*growth += hystart_on_ack(hystart, MSS, (uint64_t)rtt_us * 1000, *una,
					  *una + 16 * MSS, &is_over);
	}
	return is_over;
}

static void test_hystart(void **state)
{
	/* RTTs of the rounds, in us; in which one conservative slow start begins; in which slow start ends. */
	static const struct {
		unsigned rtt[12], css_at, over_at;
	} cases[] = {
		{{40000, 40000, 40000, 40000, 40000, 40000, 40000, 40000}, 99, 99},
		{{40000, 44900, 44900, 44900, 44900, 44900, 44900, 44900}, 99, 99},
		{{40000, 45100, 45100, 45100, 45100, 45100, 45100, 45100}, 1, 6},
		/* The threshold is at least 4 ms and at most 16. */
		{{1000, 4900, 4900, 4900, 4900, 4900, 4900}, 99, 99},
		{{1000, 5100, 5100, 5100, 5100, 5100, 5100}, 1, 6},
		{{400000, 415000, 415000, 415000, 415000, 415000}, 99, 99},
		{{400000, 417000, 417000, 417000, 417000, 417000, 417000}, 1, 6},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct hystart hystart;
		uint64_t una = OFF, growth;
		bool is_over = false;

		hystart_init(&hystart);
		for (unsigned n = 0; n < 12 && cases[i].rtt[n] && !is_over; n++) {
			is_over = hystart_round(&hystart, &una, cases[i].rtt[n], &growth);
			assert_int_equal(is_over, n == cases[i].over_at);
			if (n < cases[i].css_at)
				assert_false(hystart.in_css);
			else if (n > cases[i].css_at && !is_over)
				assert_int_equal(growth, 16 * MSS / 4);
		}
	}
}

/* The delay goes away within the five rounds: it was jitter. */
static void test_hystart_resumes(void **state)
{
	struct hystart hystart;
	uint64_t una = OFF, growth;

	(void)state;
	hystart_init(&hystart);
	hystart_round(&hystart, &una, 40000, &growth);
	hystart_round(&hystart, &una, 50000, &growth);
	assert_true(hystart.in_css);
	hystart_round(&hystart, &una, 42000, &growth);
	assert_false(hystart.in_css);
	hystart_round(&hystart, &una, 42000, &growth);
	assert_int_equal(growth, 16 * MSS);
}

/* An ACK of a super-segment counts in full. */
static void test_hystart_limit(void **state)
{
	struct hystart hystart;
	bool is_over;

	(void)state;
	hystart_init(&hystart);
	assert_int_equal(hystart_on_ack(&hystart, 20 * MSS, 0, OFF, OFF + 1, &is_over), 20 * MSS);
}

/* Through the controller: the first slow start ends at the delay, not at a loss. */
static void test_hystart_ends_slow_start(void **state)
{
	struct kit kit;

	(void)state;
	setup(&kit, "cubic", true);
	round_trip(&kit);
	kit.round.srtt_ns = MS(130);
	for (unsigned i = 0; i < 8 && cc_in_slow_start(&kit.cc); i++)
		round_trip(&kit);
	assert_false(cc_in_slow_start(&kit.cc));
	assert_in_range(kit.cc.ssthresh_bytes, 40 * MSS, 100 * MSS);
	cc_fini(&kit.cc);

	setup(&kit, "cubic", false);
	round_trip(&kit);
	kit.round.srtt_ns = MS(130);
	for (unsigned i = 0; i < 8; i++)
		round_trip(&kit);
	assert_true(cc_in_slow_start(&kit.cc));
	cc_fini(&kit.cc);
}

/* What overtook others came early; what follows it isn't late for that. */
static void test_hystart_sees_no_delay_in_overtaking(void **state)
{
	struct kit kit;

	(void)state;
	setup(&kit, "cubic", true);
	kit.sacked = true;
	kit.round.srtt_ns = MS(RTT_MS / 2);
	ack(&kit, MSS);
	kit.sacked = false;
	kit.round.srtt_ns = MS(RTT_MS);
	for (unsigned i = 0; i < 8; i++)
		round_trip(&kit);
	assert_true(cc_in_slow_start(&kit.cc));
	cc_fini(&kit.cc);
}

/* An ACK that overtakes others acknowledges what theirs would have: it doesn't hide the queue. */
static void test_hystart_sees_the_queue_behind_an_overtaker(void **state)
{
	struct kit kit;

	(void)state;
	setup(&kit, "cubic", true);
	for (unsigned i = 0; i < 12 && cc_in_slow_start(&kit.cc); i++) {
		kit.round.srtt_ns = MS(i < 2 ? RTT_MS : RTT_MS + 30);
		round_trip(&kit);
		kit.newest_rtt_ns = MS(RTT_MS / 2);
		ack(&kit, 5 * MSS);
		kit.newest_rtt_ns = 0;
	}
	assert_false(cc_in_slow_start(&kit.cc));
	assert_in_range(kit.cc.ssthresh_bytes, 60 * MSS, 300 * MSS);
	cc_fini(&kit.cc);
}

/* The segment that fills a hole came late by itself: that is no queue. */
static void test_hystart_sees_no_delay_in_a_hole(void **state)
{
	struct kit kit;

	(void)state;
	setup(&kit, "cubic", true);
	round_trip(&kit);
	kit.round.srtt_ns = MS(RTT_MS + 30);
	kit.fills_hole = true;
	kit.newest_rtt_ns = MS(RTT_MS);
	for (unsigned i = 0; i < 8; i++)
		round_trip(&kit);
	assert_true(cc_in_slow_start(&kit.cc));
	cc_fini(&kit.cc);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_initial_window),
		cmocka_unit_test(test_slow_start_doubles),
		cmocka_unit_test(test_duplicate_acks_do_not_grow),
		cmocka_unit_test(test_newreno_avoidance),
		cmocka_unit_test(test_reductions),
		cmocka_unit_test(test_timeout_and_undo),
		cmocka_unit_test(test_idle),
		cmocka_unit_test(test_switch_and_mss),
		cmocka_unit_test(test_cubic_curve),
		cmocka_unit_test(test_cubic_reno_friendly),
		cmocka_unit_test(test_cubic_fast_convergence),
		cmocka_unit_test(test_cubic_limited_time),
		cmocka_unit_test(test_cubic_undo),
		cmocka_unit_test(test_cubic_after_timeout),
		cmocka_unit_test(test_hystart),
		cmocka_unit_test(test_hystart_resumes),
		cmocka_unit_test(test_hystart_limit),
		cmocka_unit_test(test_hystart_ends_slow_start),
		cmocka_unit_test(test_hystart_sees_no_delay_in_overtaking),
		cmocka_unit_test(test_hystart_sees_the_queue_behind_an_overtaker),
		cmocka_unit_test(test_hystart_sees_no_delay_in_a_hole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
