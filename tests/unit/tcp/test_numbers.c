/* SPDX-License-Identifier: MIT */
/* Numbers on the wire: widening, timestamps and PAWS, ISNs and offsets, SYN cookies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "base/check.h"
#include "tcp/isn.h"
#include "tcp/segment.h"
#include "tcp/syncookie.h"
#include "tcp/tstamp.h"

#define MS(n)   ((uint64_t)(n)*1000000u)
#define S(n)    MS((uint64_t)(n)*1000)
#define DAYS(n) S((uint64_t)(n)*86400)

static const struct siphash_key secret = {0x0123456789abcdef, 0xfedcba9876543210};

static struct tcp_key some_key(void)
{
	return (struct tcp_key){
		.local_ip = TEE_IP4(192, 0, 2, 1),
		.remote_ip = TEE_IP4(198, 51, 100, 7),
		.local_port = 80,
		.remote_port = 40000,
	};
}

/* ---- segment ---- */

static void test_widen(void **state)
{
	static const struct {
		unsigned flags;
		uint32_t irs, seq, len;
		uint64_t rcv_nxt;
		int64_t want_seq, want_end;
	} cases[] = {
		{TEE_TCP_SYN, 0xfffffff0, 0xfffffff0, 0, 0, 0, 1},
		{TEE_TCP_ACK, 0xfffffff0, 0xfffffff1, 100, 1, 1, 101},
		{TEE_TCP_ACK, 0xfffffff0, 0x00000054, 100, 101, 100, 200},
		{TEE_TCP_ACK | TEE_TCP_FIN, 0xfffffff0, 0xfffffff1, 0, 1, 1, 2},
		{TEE_TCP_SYN | TEE_TCP_FIN, 0xfffffff0, 0xfffffff0, 5, 0, 0, 7},
		/* Before the stream. */
		{TEE_TCP_ACK, 0xfffffff0, 0xffffffe0, 8, 1, -16, -8},
		/* After several wraps. */
		{TEE_TCP_ACK, 0xfffffff0, 0xfffffff0, 8, UINT64_C(0x500000000), 0x500000000,
		 0x500000008},
		{TEE_TCP_ACK, 0xfffffff0, 0xffffffef, 1, UINT64_C(0x500000000), 0x4ffffffff,
		 0x500000000},
		{TEE_TCP_ACK, 0xfffffff0, 0x7fffffef, 1, UINT64_C(0x500000000), 0x57fffffff,
		 0x580000000},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct segment seg = {.len = cases[i].len};

		seg.h.flags = (uint16_t)cases[i].flags;
		seg.h.seq = seq32(cases[i].seq);
		seg.h.ack = seq32(0xfffffff8);
		segment_widen(&seg, seq32(cases[i].irs), cases[i].rcv_nxt, seq32(0xfffffff5), 10);
		assert_int_equal(seg.seq, cases[i].want_seq);
		assert_int_equal(seg.end, cases[i].want_end);
		assert_int_equal(seg.ack, cases[i].flags & TEE_TCP_ACK ? 3 : 0);
	}
}

static void test_urgent(void **state)
{
	struct segment seg = {.len = 10};

	(void)state;
	seg.h.flags = TEE_TCP_ACK | TEE_TCP_URG;
	seg.h.seq = seq32(0xffffffff);
	seg.h.urgent = 7;
	segment_widen(&seg, seq32(0xfffffff0), 15, seq32(0), 0);
	assert_int_equal(seg.urgent, 15 + 7);
}

/* ---- timestamps ---- */

static void test_paws(void **state)
{
	static const struct {
		uint32_t recent, val;
		uint64_t age_ns;
		bool rejects;
	} cases[] = {
		{100, 100, 0, false},
		{100, 99, 0, true},
		{100, 101, 0, false},
		{5, 0xfffffff0, 0, true}, /* the clock has wrapped in between */
		{0xfffffff0, 5, 0, false},
		{100, 99, DAYS(24), true},
		{100, 99, DAYS(24) + 1, false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct tstamp ts = {.offset = 7};

		assert_false(tstamp_paws_rejects(&ts, cases[i].val, S(1)));
		tstamp_update(&ts, cases[i].recent, S(1));
		assert_int_equal(tstamp_paws_rejects(&ts, cases[i].val, S(1) + cases[i].age_ns),
				 cases[i].rejects);
		tstamp_update(&ts, cases[i].val, S(1) + cases[i].age_ns);
		assert_int_equal(ts.recent, cases[i].rejects ? cases[i].recent : cases[i].val);
	}
}

static void test_ts_rtt(void **state)
{
	struct tstamp ts = {.offset = 0xffffff00};

	(void)state;
	assert_int_equal(tstamp_val(&ts, MS(1000)), 0xffffff00u + 1000);
	assert_int_equal(tstamp_rtt_ns(&ts, tstamp_val(&ts, MS(1000)), MS(1050)), MS(50));
	assert_int_equal(tstamp_rtt_ns(&ts, tstamp_val(&ts, MS(1000)), MS(1000)), MS(1));
	assert_int_equal(tstamp_rtt_ns(&ts, tstamp_val(&ts, MS(1000)), MS(1000) + 999999), MS(1));
	assert_int_equal(tstamp_rtt_ns(&ts, tstamp_val(&ts, MS(1001)), MS(1000)), 0);
	assert_int_equal(tstamp_rtt_ns(&ts, 0, MS(1000)), 0);
}

/* ---- ISN and offsets ---- */

/* Proves: MUST-8 SHLD-1 MUST-9 */
static void test_isn(void **state)
{
	struct siphash_key other_secret = {1, 2};
	struct isn_ts_memo memo = {.is_set = false};
	struct tcp_key key = some_key(), other = key;
	struct seq32 isn = isn_of(&secret, &key, S(5));

	(void)state;
	/* MUST-8: a tick about every 4 us. */
	assert_int_equal(seq_diff(isn_of(&secret, &key, S(5) + 4000), isn), 1);
	assert_int_equal(seq_diff(isn_of(&secret, &key, S(6)), isn), 250000);
	/* Everything else puts it elsewhere. */
	other.remote_port++;
	assert_false(seq_eq(isn_of(&secret, &other, S(5)), isn));
	assert_false(seq_eq(isn_of(&other_secret, &key, S(5)), isn));
	/* Timestamps: the same for a pair of hosts, whatever the ports. */
	assert_int_equal(isn_ts_offset(&secret, &other), isn_ts_offset(&secret, &key));
	/* The memo says the same, whoever was asked for before. */
	for (unsigned i = 0; i < 6; i++) {
		struct tcp_key third = key;

		third.remote_ip.byte[15] ^= (uint8_t)(i / 2);
		third.local_ip.byte[14] ^= (uint8_t)(i / 4);
		assert_int_equal(isn_ts_offset_again(&secret, &memo, &third),
				 isn_ts_offset(&secret, &third));
	}
	other.remote_ip.byte[15]++;
	assert_true(isn_ts_offset(&secret, &other) != isn_ts_offset(&secret, &key));
	assert_true(isn_port_offset(&secret, &key.local_ip, &key.remote_ip, 80) !=
		    isn_port_offset(&secret, &key.local_ip, &key.remote_ip, 81));
	/* One secret, different uses. */
	assert_true(isn_ts_offset(&secret, &key) !=
		    isn_port_offset(&secret, &key.local_ip, &key.remote_ip, 0));
}

/* ---- SYN cookies ---- */

static void test_cookie_mss(void **state)
{
	static const struct {
		uint16_t given, kept;
	} cases[] = {
		{40, 88},     {88, 88},     {535, 88},     {536, 536},   {1219, 536},
		{1220, 1220}, {1380, 1360}, {1412, 1400},  {1440, 1440}, {1452, 1440},
		{1460, 1460}, {8940, 8940}, {65495, 8940},
	};
	struct tcp_key key = some_key();

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct syncookie cookie = {.mss = cases[i].given}, back;
		struct seq32 iss = syncookie_make(&secret, &key, seq32(77), &cookie, S(1000));

		assert_true(
			syncookie_check(&secret, &key, seq32(77), iss, false, 0, S(1000), &back));
		assert_int_equal(back.mss, cases[i].kept);
		assert_int_equal(back.wscale, 15);
		assert_false(back.sack_permitted || back.ecn);
	}
}

static void test_cookie_age(void **state)
{
	struct syncookie cookie = {.mss = 1460}, back;
	struct tcp_key key = some_key();

	(void)state;
	for (unsigned made = 0; made < 4000; made += 59) {
		struct seq32 iss = syncookie_make(&secret, &key, seq32(77), &cookie, S(made));

		for (unsigned age = 0; age < 3000; age += 7) {
			bool ok = syncookie_check(&secret, &key, seq32(77), iss, false, 0,
						  S(made + age), &back);

			if (age < 60)
				assert_true(ok);
			if (age >= 120)
				assert_false(ok);
		}
	}
}

static void test_cookie_forged(void **state)
{
	struct syncookie cookie = {.mss = 1460}, back;
	struct tcp_key key = some_key(), other = key;
	struct seq32 iss = syncookie_make(&secret, &key, seq32(77), &cookie, S(1000));
	unsigned hits = 0;

	(void)state;
	other.remote_port ^= 1;
	assert_false(syncookie_check(&secret, &other, seq32(77), iss, false, 0, S(1000), &back));
	assert_false(syncookie_check(&secret, &key, seq32(78), iss, false, 0, S(1000), &back));
	for (unsigned bit = 0; bit < 32; bit++)
		assert_false(syncookie_check(&secret, &key, seq32(77), seq32(iss.raw ^ 1u << bit),
					     false, 0, S(1000), &back));
	for (uint32_t guess = 0; guess < 200000; guess++)
		hits += syncookie_check(&secret, &key, seq32(77), seq32(guess * 2654435761u), false,
					0, S(1000), &back);
	assert_int_equal(hits, 0);
}

static void test_cookie_options(void **state)
{
	struct tcp_key key = some_key();
	static const uint32_t clocks[] = {0, 63, 64, 1000000, 0xffffffff, 0x80000001};

	(void)state;
	for (unsigned bits = 0; bits < 64; bits++)
		for (size_t i = 0; i < ARRAY_LEN(clocks); i++) {
			struct syncookie cookie =
						 {
							 .mss = 1460,
							 .has_ts = true,
							 .wscale = bits & 15,
							 .sack_permitted = bits & 16,
							 .ecn = bits & 32,
						 },
					 back;
			uint32_t val = syncookie_ts(clocks[i], &cookie);
			struct seq32 iss = syncookie_make(&secret, &key, seq32(77), &cookie, S(9));

			/* Never from the future, and not much older. */
			assert_in_range(clocks[i] - val, 0, 64);
			assert_true(syncookie_check(&secret, &key, seq32(77), iss, true, val, S(9),
						    &back));
			assert_int_equal(back.wscale, cookie.wscale);
			assert_int_equal(back.sack_permitted, cookie.sack_permitted);
			assert_int_equal(back.ecn, cookie.ecn);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_widen),
		cmocka_unit_test(test_urgent),
		cmocka_unit_test(test_paws),
		cmocka_unit_test(test_ts_rtt),
		cmocka_unit_test(test_isn),
		cmocka_unit_test(test_cookie_mss),
		cmocka_unit_test(test_cookie_age),
		cmocka_unit_test(test_cookie_forged),
		cmocka_unit_test(test_cookie_options),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
