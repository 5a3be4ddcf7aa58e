/* SPDX-License-Identifier: MIT */
/* RACK-TLP (RFC 8985): the reordering window, losses told by time, timers, the probe's outcome. */
#include "sendmap_kit.h"
#include "tcp/loss/rack.h"

struct kit {
	struct sendmap map;
	struct rack rack;
	struct rack_args args;
};

/* Ten segments, a millisecond apart, round trip 40 ms. */
static void setup(struct kit *kit)
{
	sendmap_init(&kit->map, KIT_START);
	rack_init(&kit->rack);
	kit_send_each(&kit->map, 10, KIT_MS(100), KIT_MS(1));
	kit->args = (struct rack_args){
		.srtt_ns = KIT_MS(40),
		.min_rtt_ns = KIT_MS(40),
		.mss = KIT_MSS,
		.dupack_threshold = 3,
		.snd_nxt = kit->map.nxt,
	};
}

/* An ACK at `at_ms` that SACKs [start, end). Returns bytes found lost. */
static uint64_t sack_at(struct kit *kit, unsigned at_ms, unsigned start, unsigned end,
			uint64_t *ret_timeout_ns)
{
	struct ack_info info;

	kit->args.now_ns = KIT_MS(at_ms);
	info = kit_info(&kit->map, kit->args.now_ns);
	kit_sack(&kit->map, start, end, &info);
	rack_on_ack(&kit->rack, &info, &kit->args);
	return rack_detect_loss(&kit->rack, &kit->map, &kit->args, ret_timeout_ns);
}

static void test_timer_then_loss(void **state)
{
	struct kit kit;
	uint64_t timeout_ns;

	(void)state;
	setup(&kit);
	/* Segment 1 overtook 0: it may be reordering, for a quarter of the minimum RTT. */
	assert_int_equal(sack_at(&kit, 141, 1, 2, &timeout_ns), 0);
	assert_int_equal(kit.rack.rtt_ns, KIT_MS(40));
	/* Segment 0 left at 100: lost at 100 + 40 + 10. */
	assert_int_equal(timeout_ns, KIT_MS(9));
	kit.args.now_ns = KIT_MS(141) + timeout_ns - 1;
	assert_int_equal(rack_detect_loss(&kit.rack, &kit.map, &kit.args, &timeout_ns), 0);
	assert_int_equal(timeout_ns, 1);
	kit.args.now_ns += 1;
	assert_int_equal(rack_detect_loss(&kit.rack, &kit.map, &kit.args, &timeout_ns), KIT_MSS);
	assert_int_equal(timeout_ns, 0);
	assert_int_equal(sendmap_next_lost(&kit.map)->start, SEG(0));
	sendmap_fini(&kit.map);
}

/* How fast a packet came that overtook others says nothing of when those are late. */
static void test_overtaking_is_no_measure(void **state)
{
	struct kit kit;
	uint64_t timeout_ns;

	(void)state;
	setup(&kit);
	kit.rack.reordering_seen = true;
	/* Segment 5 left at 105 and took half the round trip; 0 to 4 are due 40 ms after they left. */
	assert_int_equal(sack_at(&kit, 125, 5, 6, &timeout_ns), 0);
	assert_int_equal(kit.rack.rtt_ns, KIT_MS(40));
	assert_int_equal(timeout_ns, KIT_MS(104 + 40 + 10 - 125));
	kit.args.now_ns = KIT_MS(149);
	assert_int_equal(rack_detect_loss(&kit.rack, &kit.map, &kit.args, &timeout_ns), 0);
	kit.args.now_ns = KIT_MS(150);
	assert_int_equal(rack_detect_loss(&kit.rack, &kit.map, &kit.args, &timeout_ns), KIT_MSS);
	sendmap_fini(&kit.map);
}

/* Without reordering seen, three SACKed segments make the window 0, as three duplicate ACKs would. */
static void test_dupthresh(void **state)
{
	struct kit kit;
	uint64_t timeout_ns;

	(void)state;
	setup(&kit);
	assert_int_equal(sack_at(&kit, 141, 1, 2, &timeout_ns), 0);
	assert_int_equal(sack_at(&kit, 142, 2, 3, &timeout_ns), 0);
	assert_int_equal(sack_at(&kit, 143, 3, 4, &timeout_ns), KIT_MSS);
	assert_int_equal(timeout_ns, 0);
	sendmap_fini(&kit.map);
}

static void test_window(void **state)
{
	static const struct {
		bool reordering, in_recovery;
		unsigned sacked, mult;
		unsigned min_rtt_ms, srtt_ms;
		uint64_t expected_ns;
	} cases[] = {
		{false, false, 0, 1, 40, 60, KIT_MS(10)},
		{false, false, 2, 1, 40, 60, KIT_MS(10)},
		{false, false, 3, 1, 40, 60, 0},
		{false, true, 0, 1, 40, 60, 0},
		{true, true, 5, 1, 40, 60, KIT_MS(10)},
		{true, false, 3, 3, 40, 60, KIT_MS(30)},
		{true, false, 3, 9, 40, 60, KIT_MS(60)},
		{true, false, 3, 255, 40, 60, KIT_MS(60)},
		{true, false, 3, 1, 0, 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct kit kit;

		setup(&kit);
		kit.rack.reordering_seen = cases[i].reordering;
		kit.rack.reo_wnd_mult = cases[i].mult;
		kit.args.in_recovery = cases[i].in_recovery;
		kit.args.min_rtt_ns = KIT_MS(cases[i].min_rtt_ms);
		kit.args.srtt_ns = KIT_MS(cases[i].srtt_ms);
		kit.map.sacked_segs = cases[i].sacked;
		assert_int_equal(rack_reo_wnd_ns(&kit.rack, &kit.map, &kit.args),
				 cases[i].expected_ns);
		kit.map.sacked_segs = 0;
		sendmap_fini(&kit.map);
	}
}

/* Step 3: an original that arrives below what was delivered. */
static void test_reordering_is_seen(void **state)
{
	struct kit kit;
	uint64_t timeout_ns;

	(void)state;
	setup(&kit);
	sack_at(&kit, 145, 5, 6, &timeout_ns);
	assert_false(kit.rack.reordering_seen);
	sack_at(&kit, 146, 3, 4, &timeout_ns);
	assert_true(kit.rack.reordering_seen);
	/* RACK.xmit_ts stays with the one sent last. */
	assert_int_equal(kit.rack.xmit_at_ns, KIT_MS(105));
	assert_int_equal(kit.rack.end, SEG(6));
	sendmap_fini(&kit.map);
}

static void dsack(struct kit *kit, uint64_t una, uint64_t nxt)
{
	struct ack_info info = kit_info(&kit->map, kit->args.now_ns);

	info.has_dsack = true;
	info.dsack_start = SEG(0);
	info.dsack_end = SEG(1);
	info.una_after = una;
	kit->args.snd_nxt = nxt;
	rack_on_ack(&kit->rack, &info, &kit->args);
}

/* Step 4: a step for each round trip with a DSACK; back to one after 16 recoveries without. */
static void test_dsack_widens_the_window(void **state)
{
	struct kit kit;

	(void)state;
	setup(&kit);
	dsack(&kit, SEG(1), SEG(10));
	assert_int_equal(kit.rack.reo_wnd_mult, 2);
	dsack(&kit, SEG(9), SEG(12));
	assert_int_equal(kit.rack.reo_wnd_mult, 2);
	dsack(&kit, SEG(10), SEG(20));
	assert_int_equal(kit.rack.reo_wnd_mult, 3);
	for (int i = 0; i < 15; i++)
		rack_on_recovery_exit(&kit.rack);
	assert_int_equal(kit.rack.reo_wnd_mult, 3);
	rack_on_recovery_exit(&kit.rack);
	assert_int_equal(kit.rack.reo_wnd_mult, 1);
	/* A DSACK for a loss probe doesn't count. */
	kit.rack.tlp_end = SEG(1);
	kit.rack.tlp_is_retrans = true;
	dsack(&kit, SEG(30), SEG(40));
	assert_int_equal(kit.rack.reo_wnd_mult, 1);
	sendmap_fini(&kit.map);
}

/* Step 2: the ACK of a retransmission that comes too early is for the original. */
static void test_ambiguous_retransmission(void **state)
{
	static const struct {
		unsigned acked_ms;
		unsigned ts_before_ms; /* 0: no timestamps */
		bool counts;
	} cases[] = {
		{210, 0, false}, /* 10 ms after the retransmission; the path takes 40 */
		{240, 0, true},
		{250, 150, false}, /* echoes a time before the retransmission */
		{250, 201, true},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct kit kit;
		struct ack_info info;

		setup(&kit);
		sendmap_mark_lost(&kit.map, sendmap_first(&kit.map));
		sendmap_resent(&kit.map, sendmap_first(&kit.map), KIT_MSS, KIT_MS(200));
		kit.args.now_ns = KIT_MS(cases[i].acked_ms);
		kit.args.ts_echo_before_ns = KIT_MS(cases[i].ts_before_ms);
		info = kit_info(&kit.map, kit.args.now_ns);
		kit_ack(&kit.map, 2, &info);
		rack_on_ack(&kit.rack, &info, &kit.args);
		/* Where it doesn't count, the original beside it does. */
		assert_int_equal(kit.rack.xmit_at_ns, cases[i].counts ? KIT_MS(200) : KIT_MS(101));
		assert_int_equal(kit.rack.end, cases[i].counts ? SEG(1) : SEG(2));
		sendmap_fini(&kit.map);
	}
}

/* What is SACKed beyond a hole echoes the time of the text before the hole: it counts all the same. */
static void test_sacked_probe(void **state)
{
	struct kit kit;
	struct ack_info info;
	uint64_t timeout_ns;

	(void)state;
	setup(&kit);
	sendmap_resent(&kit.map, sendmap_last(&kit.map), KIT_MSS, KIT_MS(200));
	kit.args.now_ns = KIT_MS(250);
	kit.args.ts_echo_before_ns = KIT_MS(100);
	info = kit_info(&kit.map, kit.args.now_ns);
	kit_sack(&kit.map, 9, 10, &info);
	rack_on_ack(&kit.rack, &info, &kit.args);
	assert_int_equal(kit.rack.xmit_at_ns, KIT_MS(200));
	assert_int_equal(kit.rack.rtt_ns, KIT_MS(50));
	assert_int_equal(rack_detect_loss(&kit.rack, &kit.map, &kit.args, &timeout_ns),
			 9 * KIT_MSS);
	sendmap_fini(&kit.map);
}

/* A lost retransmission is found when something sent after it is delivered. */
static void test_lost_retransmission(void **state)
{
	struct kit kit;
	uint64_t timeout_ns;

	(void)state;
	setup(&kit);
	assert_int_equal(sack_at(&kit, 144, 1, 4, &timeout_ns), KIT_MSS);
	sendmap_resent(&kit.map, sendmap_next_lost(&kit.map), KIT_MSS, KIT_MS(145));
	kit_send_each(&kit.map, 11, KIT_MS(146), 0);
	kit.args.in_recovery = true;
	assert_int_equal(sack_at(&kit, 150, 4, 10, &timeout_ns), 0);
	assert_int_equal(sack_at(&kit, 186, 10, 11, &timeout_ns), KIT_MSS);
	assert_int_equal(sendmap_pipe_bytes(&kit.map), 0);
	sendmap_fini(&kit.map);
}

/* 6.3: the first is lost in any case, the others when their time is over. */
static void test_rto(void **state)
{
	struct kit kit;
	uint64_t timeout_ns;

	(void)state;
	setup(&kit);
	sack_at(&kit, 149, 9, 10, &timeout_ns);
	kit.args.now_ns = KIT_MS(105 + 50);
	assert_int_equal(rack_mark_on_rto(&kit.rack, &kit.map, &kit.args), 6 * KIT_MSS);
	assert_int_equal(sendmap_pipe_bytes(&kit.map), 3 * KIT_MSS);
	sendmap_check(&kit.map);
	sendmap_fini(&kit.map);

	setup(&kit);
	kit.rack.rtt_ns = KIT_MS(40);
	kit.args.now_ns = KIT_MS(101);
	assert_int_equal(rack_mark_on_rto(&kit.rack, &kit.map, &kit.args), KIT_MSS);
	sendmap_fini(&kit.map);
}

static void test_equal_times(void **state)
{
	struct kit kit;
	struct ack_info info;
	uint64_t timeout_ns;

	(void)state;
	setup(&kit);
	/* Five leave in the same instant: offsets tell their order. */
	kit_send_each(&kit.map, 15, KIT_MS(120), 0);
	kit.args.now_ns = KIT_MS(160);
	info = kit_info(&kit.map, kit.args.now_ns);
	kit_ack(&kit.map, 10, &info);
	kit_sack(&kit.map, 12, 13, &info);
	rack_on_ack(&kit.rack, &info, &kit.args);
	kit.args.in_recovery = true;
	assert_int_equal(rack_detect_loss(&kit.rack, &kit.map, &kit.args, &timeout_ns),
			 2 * KIT_MSS);
	assert_true(sendmap_find(&kit.map, SEG(11))->flags & SENT_LOST);
	assert_false(sendmap_find(&kit.map, SEG(13))->flags & SENT_LOST);
	sendmap_fini(&kit.map);
}

static void test_tlp_timeout(void **state)
{
	(void)state;
	assert_int_equal(tlp_timeout_ns(0, KIT_MS(1000), true, KIT_MS(200)), KIT_MS(1000));
	/* Two round trips, and 2 ms for the peer's host to run. */
	assert_int_equal(tlp_timeout_ns(KIT_MS(30), KIT_MS(1000), false, KIT_MS(200)), KIT_MS(62));
	assert_int_equal(tlp_timeout_ns(1000, KIT_MS(1000), false, KIT_MS(200)), KIT_MS(2) + 2000);
	assert_int_equal(tlp_timeout_ns(KIT_MS(30), KIT_MS(1000), true, KIT_MS(200)), KIT_MS(260));
}

/* 7.4.2, TLP_process_ack(). */
static void test_tlp_outcome(void **state)
{
	static const struct {
		const char *what;
		bool is_retrans;
		unsigned una; /* the probe ended at 10 */
		bool dsack, pure_dupack;
		bool repaired, is_over;
	} cases[] = {
		{"not reached", true, 9, false, false, false, false},
		{"new data delivered", false, 10, false, false, false, true},
		{"new data, beyond", false, 12, false, false, false, true},
		{"DSACK: both arrived", true, 10, true, false, false, true},
		{"beyond without DSACK: repaired", true, 12, false, false, true, true},
		{"beyond with DSACK", true, 12, true, false, false, true},
		{"duplicate without SACK: both arrived", true, 10, false, true, false, true},
		{"first ACK of it: not known yet", true, 10, false, false, false, false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct rack rack;
		struct ack_info info = {
			.una_after = SEG(cases[i].una),
			.has_dsack = cases[i].dsack,
			.dsack_start = SEG(9),
			.dsack_end = SEG(10),
		};
		bool repaired;

		rack_init(&rack);
		rack.tlp_end = SEG(10);
		rack.tlp_is_retrans = cases[i].is_retrans;
		repaired = tlp_on_ack(&rack, &info, cases[i].pure_dupack);
		if (repaired != cases[i].repaired || (rack.tlp_end == 0) != cases[i].is_over)
			fail_msg("%s: repaired %d, over %d", cases[i].what, repaired,
				 rack.tlp_end == 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_timer_then_loss),
		cmocka_unit_test(test_overtaking_is_no_measure),
		cmocka_unit_test(test_dupthresh),
		cmocka_unit_test(test_window),
		cmocka_unit_test(test_reordering_is_seen),
		cmocka_unit_test(test_dsack_widens_the_window),
		cmocka_unit_test(test_ambiguous_retransmission),
		cmocka_unit_test(test_sacked_probe),
		cmocka_unit_test(test_lost_retransmission),
		cmocka_unit_test(test_rto),
		cmocka_unit_test(test_equal_times),
		cmocka_unit_test(test_tlp_timeout),
		cmocka_unit_test(test_tlp_outcome),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
