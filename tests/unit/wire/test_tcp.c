/* SPDX-License-Identifier: MIT */
/* TCP headers: options of every kind and every kind of nonsense; layouts; what is left out first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <teeceepee/types.h>
#include "base/check.h"
#include "base/random.h"
#include "wire/tcp.h"
#include "guard.h"

static void parse_options(const uint8_t *bytes, size_t len, struct tcp_options *options)
{
	tcp_parse_options(guard_copy(bytes, len), len, options);
}

static void test_header_fields(void **state)
{
	static const uint8_t bytes[] = {0x80, 0x01, 0x00, 0x50, 0xff, 0xff, 0xff, 0xff, 0x00, 0x00,
					0x00, 0x01, 0x5f, 0xff, 0xfe, 0xdc, 0x12, 0x34, 0x00, 0x09};
	struct tcp_header tcp;

	assert_int_equal(tcp_parse(guard_copy(bytes, sizeof(bytes)), sizeof(bytes), &tcp), 0);
	assert_int_equal(tcp.src_port, 0x8001);
	assert_int_equal(tcp.dst_port, 80);
	assert_int_equal(tcp.seq.raw, 0xffffffff);
	assert_int_equal(tcp.ack.raw, 1);
	assert_int_equal(tcp.header_len, 20);
	assert_int_equal(tcp.reserved, 7);
	assert_int_equal(tcp.flags, 0x1ff);
	assert_int_equal(tcp.window, 0xfedc); /* MUST-1: unsigned */
	assert_int_equal(tcp.checksum, 0x1234);
	assert_int_equal(tcp.urgent, 9);
}

/* Proves: MUST-7 */
static void test_lengths_that_lie(void **state)
{
	for (size_t len = 0; len <= TCP_HEADER_MAX; len++) {
		for (unsigned words = 0; words < 16; words++) {
			uint8_t bytes[TCP_HEADER_MAX] = {0};
			struct tcp_header tcp;
			bool is_good = words >= 5 && words * 4 <= len && len >= TCP_HEADER_LEN;

			bytes[12] = (uint8_t)(words << 4);
			assert_int_equal(tcp_parse(guard_copy(bytes, len), len, &tcp),
					 is_good ? 0 : -TEE_EINVAL);
			if (is_good)
				assert_int_equal(tcp.header_len, words * 4);
		}
	}
}

/* Proves: MUST-4 MUST-5 MUST-64 */
static void test_options_are_read(void **state)
{
	static const uint8_t bytes[] = {
		2,   4,  0x05, 0xb4,                            /* MSS 1460 */
		4,   2,                                         /* SACK-permitted */
		8,   10, 0,    0,    0, 1,    0,    0,    0, 2, /* timestamps */
		1,   3,  3,    15,                              /* NOP, window scale 15 */
		34,  10, 1,    2,    3, 4,    5,    6,    7, 8, /* fast open */
		174, 8,  0,    0,    1, 0xff, 0xff, 0xff,       /* AccECN, two counters */
	};
	struct tcp_options options;

	parse_options(bytes, sizeof(bytes), &options);
	assert_true(options.has_mss && options.mss == 1460);
	assert_true(options.has_sack_permitted);
	assert_true(options.has_ts && options.ts_val == 1 && options.ts_ecr == 2);
	assert_true(options.has_wscale && options.wscale == 15);
	assert_true(options.has_fastopen && !options.fastopen_exp && options.fastopen_len == 8);
	assert_memory_equal(options.fastopen_cookie, "\1\2\3\4\5\6\7\10", 8);
	assert_true(options.has_accecn && options.accecn_order == 1 && options.accecn_count == 2);
	assert_int_equal(options.accecn[0], 1);
	assert_int_equal(options.accecn[1], 0xffffff);
	assert_false(options.was_malformed);
}

static void test_sack_blocks(void **state)
{
	uint8_t bytes[2 + 4 * 8 + 4] = {5, 34};
	struct tcp_options options;

	for (unsigned i = 2; i < 34; i++)
		bytes[i] = (uint8_t)i;
	parse_options(bytes, sizeof(bytes), &options);
	assert_int_equal(options.sack_count, 4);
	assert_int_equal(options.sack[0].left.raw, 0x02030405);
	assert_int_equal(options.sack[3].right.raw, 0x1e1f2021);
	/* lengths that are no multiple of a block */
	for (uint8_t len = 2; len < 34; len++) {
		bytes[1] = len;
		parse_options(bytes, len, &options);
		assert_int_equal(options.sack_count,
				 len > 2 && (len - 2) % 8 == 0 ? (len - 2) / 8 : 0);
	}
}

/* The common case has a way of its own; both ways must agree. */
static void test_timestamps_alone(void **state)
{
	static const uint8_t fast[] = {1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8};
	static const uint8_t slow[] = {8, 10, 1, 2, 3, 4, 5, 6, 7, 8, 1, 1};
	struct tcp_options a, b;

	parse_options(fast, sizeof(fast), &a);
	parse_options(slow, sizeof(slow), &b);
	assert_memory_equal(&a, &b, sizeof(a));
	assert_true(a.has_ts);
	assert_int_equal(a.ts_val, 0x01020304);
	assert_int_equal(a.ts_ecr, 0x05060708);
}

struct malformed_case {
	uint8_t bytes[12];
	uint8_t len;
	bool was_malformed, has_mss, has_wscale;
};

/* MUST-5, MUST-6, MUST-7, and lengths that a known kind can't have. */
/* Proves: MUST-5 MUST-6 MUST-7 */
static void test_strange_options(void **state)
{
	static const struct malformed_case cases[] = {
		{{0}, 0, false, false, false},
		{{1, 1, 1, 1}, 4, false, false, false},
		{{0, 2, 4, 1, 1}, 5, false, false, false}, /* nothing counts after the end */
		{{2, 4, 1, 1, 0, 3, 3, 1}, 8, false, true, false},
		{{253, 4, 9, 9, 2, 4, 1, 1}, 8, false, true, false}, /* unknown: skipped */
		{{253, 2, 2, 4, 1, 1}, 6, false, true, false},
		{{2, 4, 1, 1, 253, 0, 3, 3, 1}, 9, true, true, false}, /* length 0 ends the walk */
		{{2, 4, 1, 1, 253, 1, 3, 3, 1}, 9, true, true, false},
		{{2, 4, 1, 1, 253, 40, 3, 3, 1}, 9, true, true, false}, /* runs past the end */
		{{2, 4, 1, 1, 253}, 5, true, true, false},              /* no length at all */
		{{2, 4, 1}, 3, true, false, false},
		{{2, 3, 1, 3, 3, 1}, 6, false, false, true}, /* an MSS of another length */
		{{3, 4, 1, 1, 2, 4, 1, 1}, 8, false, true, false},
		{{4, 3, 1, 2, 4, 1, 1}, 7, false, true, false},
		{{8, 4, 1, 1, 2, 4, 1, 1}, 8, false, true, false},
	};

	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		struct tcp_options options;

		parse_options(cases[i].bytes, cases[i].len, &options);
		assert_int_equal(options.was_malformed, cases[i].was_malformed);
		assert_int_equal(options.has_mss, cases[i].has_mss);
		assert_int_equal(options.has_wscale, cases[i].has_wscale);
		assert_false(options.has_ts || options.has_sack_permitted);
	}
}

static void test_fastopen_forms(void **state)
{
	static const struct {
		uint8_t bytes[24];
		bool is_there, is_experimental;
		uint8_t cookie_len;
	} cases[] = {
		{{34, 2}, true, false, 0},
		{{34, 6, 1, 2, 3, 4}, true, false, 4},
		{{34, 18, 1}, true, false, 16},
		{{34, 4, 1, 2}, false, false, 0},          /* too short */
		{{34, 7, 1, 2, 3, 4, 5}, false, false, 0}, /* odd */
		{{34, 20, 1}, false, false, 0},            /* too long */
		{{254, 4, 0xf9, 0x89}, true, true, 0},
		{{254, 8, 0xf9, 0x89, 1, 2, 3, 4}, true, true, 4},
		{{254, 8, 0xf9, 0x88, 1, 2, 3, 4}, false, false, 0}, /* another experiment */
		{{254, 3, 0xf9}, false, false, 0},
		{{254, 2}, false, false, 0},
	};

	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		struct tcp_options options;

		parse_options(cases[i].bytes, cases[i].bytes[1], &options);
		assert_int_equal(options.has_fastopen, cases[i].is_there);
		assert_int_equal(options.fastopen_exp, cases[i].is_experimental);
		assert_int_equal(options.fastopen_len, cases[i].cookie_len);
		assert_false(options.was_malformed);
	}
}

/* Headers as other stacks send them, byte for byte. */
/* Proves: MUST-14 MUST-68 MUST-69 */
static void test_layouts(void **state)
{
	static const struct {
		struct tcp_options options;
		uint8_t len;
		uint8_t bytes[40];
	} cases[] = {
		{{0}, 0, {0}},
		{{.has_mss = true, .mss = 1460}, 4, {2, 4, 5, 0xb4}},
		{{.has_ts = true, .ts_val = 1, .ts_ecr = 2},
		 12,
		 {1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2}},
		{{.has_mss = true,
		  .mss = 1460,
		  .has_sack_permitted = true,
		  .has_ts = true,
		  .ts_val = 1,
		  .has_wscale = true,
		  .wscale = 7},
		 20,
		 {2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7}},
		{{.has_mss = true,
		  .mss = 1460,
		  .has_sack_permitted = true,
		  .has_wscale = true,
		  .wscale = 8,
		  .has_fastopen = true},
		 16,
		 {2, 4, 5, 0xb4, 1, 1, 4, 2, 1, 3, 3, 8, 34, 2, 1, 1}},
		{{.has_fastopen = true, .fastopen_exp = true}, 4, {254, 4, 0xf9, 0x89}},
		{{.has_fastopen = true, .fastopen_len = 4, .fastopen_cookie = {9, 8, 7, 6}},
		 8,
		 {34, 6, 9, 8, 7, 6, 1, 1}},
		{{.has_ts = true, .sack_count = 1, .sack = {{{0xfffffffe}, {2}}}},
		 24,
		 {1, 1, 8, 10, 0,    0,    0,    0,    0, 0, 0, 0,
		  1, 1, 5, 10, 0xff, 0xff, 0xff, 0xfe, 0, 0, 0, 2}},
		{{.has_accecn = true, .accecn_order = 1, .accecn_count = 1, .accecn = {0x010203}},
		 8,
		 {174, 5, 1, 2, 3, 1, 1, 1}},
	};

	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		struct tcp_header tcp = {.options = cases[i].options};
		uint8_t out[TCP_HEADER_MAX];

		assert_int_equal(tcp_options_len(&tcp.options), cases[i].len);
		assert_int_equal(tcp_write(out, &tcp), TCP_HEADER_LEN + cases[i].len);
		assert_int_equal(out[12] >> 4, 5 + cases[i].len / 4);
		assert_memory_equal(out + TCP_HEADER_LEN, cases[i].bytes, cases[i].len);
	}
}

static void test_what_is_left_out_first(void **state)
{
	static const struct {
		bool has_ts, has_fastopen;
		int accecn_min; /* -1: no AccECN */
		uint8_t cookie_len, sacks_in;
		/* what must be in the header */
		bool fastopen_out;
		int counters_out; /* -1: no AccECN */
		uint8_t sacks_out;
	} cases[] = {
		{false, false, -1, 0, 4, false, -1, 4},
		{true, false, -1, 0, 4, false, -1, 3}, /* the well-known three */
		/* SACK comes first, and AccECN takes what is left, or the place of two NOPs. */
		{true, false, 0, 0, 1, false, 3, 1},
		{true, false, 0, 0, 2, false, 2, 2},
		{true, false, 0, 0, 4, false, 0, 3},
		/* For a counter that changed one block goes, as long as two are left. */
		{true, false, 1, 0, 4, false, 2, 2},
		{true, false, 2, 0, 3, false, 2, 2},
		{true, false, 3, 0, 3, false, -1, 3},
		{true, false, 3, 0, 2, false, -1, 2},
		{false, false, 0, 0, 4, false, 1, 4},
		{false, false, 2, 0, 4, false, 3, 3},
		{true, true, 0, 8, 4, true, 1, 1},
		{true, true, 0, 16, 4, true, 2, 0},
		{false, true, -1, 16, 4, true, -1, 2},
		{false, true, 0, 8, 4, true, 0, 3},
	};

	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		struct tcp_header tcp = {.flags = TEE_TCP_ACK}, again;
		struct tcp_options *options = &tcp.options;
		uint8_t out[TCP_HEADER_MAX];
		size_t len;

		options->has_ts = cases[i].has_ts;
		options->has_fastopen = cases[i].has_fastopen;
		options->fastopen_len = cases[i].cookie_len;
		options->has_accecn = cases[i].accecn_min >= 0;
		options->accecn_count = 3;
		options->accecn_order = 1;
		options->accecn_min = (uint8_t)MAX(cases[i].accecn_min, 0);
		for (unsigned k = 0; k < 3; k++)
			options->accecn[k] = 0xfedcb0 + k;
		options->sack_count = cases[i].sacks_in;
		for (unsigned k = 0; k < 4; k++)
			options->sack[k].left.raw = 0xfffffff0 + 2 * k;
		len = tcp_write(out, &tcp);
		assert_int_equal(tcp_parse(guard_copy(out, len), len, &again), 0);
		assert_int_equal(again.options.has_ts, cases[i].has_ts);
		assert_int_equal(again.options.has_fastopen, cases[i].fastopen_out);
		assert_int_equal(again.options.has_accecn, cases[i].counters_out >= 0);
		assert_int_equal(tcp_options_carry_accecn(options), cases[i].counters_out >= 0);
		assert_int_equal(len, TCP_HEADER_LEN + tcp_options_len(options));
		for (int k = 0; k < cases[i].counters_out; k++)
			assert_int_equal(again.options.accecn[k], 0xfedcb0 + (unsigned)k);
		if (cases[i].counters_out >= 0)
			assert_int_equal(again.options.accecn_count, cases[i].counters_out);
		assert_int_equal(again.options.sack_count, cases[i].sacks_out);
		for (unsigned k = 0; k < cases[i].sacks_out; k++)
			assert_int_equal(again.options.sack[k].left.raw, 0xfffffff0 + 2 * k);
	}
}

static void random_options(struct random *random, struct tcp_options *options)
{
	memset(options, 0, sizeof(*options));
	options->has_mss = random_below(random, 2);
	options->has_wscale = random_below(random, 2);
	options->has_sack_permitted = random_below(random, 2);
	options->has_ts = random_below(random, 2);
	options->has_fastopen = random_below(random, 2);
	options->has_accecn = random_below(random, 2);
	if (options->has_mss)
		options->mss = (uint16_t)random_u64(random);
	if (options->has_wscale)
		options->wscale = (uint8_t)random_u64(random);
	if (options->has_ts) {
		options->ts_val = (uint32_t)random_u64(random);
		options->ts_ecr = (uint32_t)random_u64(random);
	}
	if (options->has_fastopen) {
		options->fastopen_exp = random_below(random, 2);
		options->fastopen_len = random_below(random, 2) ? 0 : 4;
		memset(options->fastopen_cookie, 0x5a, options->fastopen_len);
	}
	if (options->has_accecn) {
		options->accecn_order = (uint8_t)random_below(random, 2);
		options->accecn_count = (uint8_t)random_below(random, 2);
		if (options->accecn_count > 0)
			options->accecn[0] = random_u64(random) & 0xffffff;
	}
}

/* What was written is read back the same: fixed options are 20 bytes, these others at most 20. */
/* Proves: MUST-68 MUST-69 */
static void test_round_trip(void **state)
{
	struct random random;

	random_init(&random, 6);
	for (unsigned round = 0; round < 20000; round++) {
		struct tcp_header tcp, again;
		uint8_t out[TCP_HEADER_MAX];
		size_t len;

		memset(&tcp, 0, sizeof(tcp));
		memset(&again, 0, sizeof(again));
		random_options(&random, &tcp.options);
		tcp.src_port = (uint16_t)random_u64(&random);
		tcp.dst_port = (uint16_t)random_u64(&random);
		tcp.seq.raw = (uint32_t)random_u64(&random);
		tcp.ack.raw = (uint32_t)random_u64(&random);
		tcp.flags = random_u64(&random) & 0x1ff;
		tcp.reserved = random_u64(&random) & 7;
		tcp.window = (uint16_t)random_u64(&random);
		tcp.urgent = (uint16_t)random_u64(&random);
		len = tcp_write(out, &tcp);
		tcp.header_len = (uint8_t)len;
		assert_int_equal(len % 4, 0);
		assert_int_equal(len, TCP_HEADER_LEN + tcp_options_len(&tcp.options));
		assert_int_equal(tcp_parse(guard_copy(out, len), len, &again), 0);
		assert_memory_equal(&again.options, &tcp.options, sizeof(tcp.options));
		assert_int_equal(again.src_port, tcp.src_port);
		assert_int_equal(again.dst_port, tcp.dst_port);
		assert_int_equal(again.seq.raw, tcp.seq.raw);
		assert_int_equal(again.ack.raw, tcp.ack.raw);
		assert_int_equal(again.flags, tcp.flags);
		assert_int_equal(again.reserved, tcp.reserved);
		assert_int_equal(again.window, tcp.window);
		assert_int_equal(again.urgent, tcp.urgent);
		assert_int_equal(again.checksum, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_header_fields),
		cmocka_unit_test(test_lengths_that_lie),
		cmocka_unit_test(test_options_are_read),
		cmocka_unit_test(test_sack_blocks),
		cmocka_unit_test(test_timestamps_alone),
		cmocka_unit_test(test_strange_options),
		cmocka_unit_test(test_fastopen_forms),
		cmocka_unit_test(test_layouts),
		cmocka_unit_test(test_what_is_left_out_first),
		cmocka_unit_test(test_round_trip),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
