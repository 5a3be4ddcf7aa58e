/* SPDX-License-Identifier: MIT */
/* ECN: negotiation of both kinds, the classic echo (RFC 3168), AccECN's counter (RFC 9768). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <teeceepee/config.h>
#include "base/check.h"
#include "tcp/ecn.h"

enum { AE = TEE_TCP_AE, CWR = TEE_TCP_CWR, ECE = TEE_TCP_ECE };

static const struct tcp_options no_options;

/* Proves: SHLD-8 RFC3168-6.1.1 */
static void test_server(void **state)
{
	static const struct {
		int wanted;
		unsigned syn, ip;
		unsigned answer;
		int mode;
	} cases[] = {
		{TEE_ECN_OFF, CWR | ECE, 0, 0, ECN_MODE_OFF},
		{TEE_ECN_OFF, AE | CWR | ECE, 0, 0, ECN_MODE_OFF},
		{TEE_ECN_PASSIVE, 0, 0, 0, ECN_MODE_OFF},
		{TEE_ECN_PASSIVE, ECE, 0, 0, ECN_MODE_OFF},
		{TEE_ECN_PASSIVE, CWR | ECE, 0, ECE, ECN_MODE_CLASSIC},
		{TEE_ECN_ON, CWR | ECE, 0, ECE, ECN_MODE_CLASSIC},
		{TEE_ECN_ON, AE | CWR | ECE, 0, ECE, ECN_MODE_CLASSIC},
		/* A classic SYN that is ECT isn't one (RFC 3168 6.1.1). */
		{TEE_ECN_ON, CWR | ECE, ECN_ECT0, 0, ECN_MODE_OFF},
		{TEE_ECN_ON, AE | CWR, 0, 0, ECN_MODE_OFF},
		{TEE_ECN_ACCURATE, CWR | ECE, 0, ECE, ECN_MODE_CLASSIC},
		/* What is reserved asks for AccECN, too (RFC 9768 3.1.3). */
		{TEE_ECN_ACCURATE, ECE, 0, CWR, ECN_MODE_ACCURATE},
		{TEE_ECN_ACCURATE, CWR, 0, CWR, ECN_MODE_ACCURATE},
		{TEE_ECN_ACCURATE, AE, 0, CWR, ECN_MODE_ACCURATE},
		{TEE_ECN_ACCURATE, AE | ECE, ECN_ECT0, AE, ECN_MODE_ACCURATE},
		{TEE_ECN_ACCURATE_PASSIVE, AE | CWR, 0, CWR, ECN_MODE_ACCURATE},
		{TEE_ECN_ACCURATE_CLASSIC, AE | CWR | ECE, 0, CWR, ECN_MODE_ACCURATE},
		{TEE_ECN_ACCURATE, AE | CWR | ECE, ECN_NOT_ECT, CWR, ECN_MODE_ACCURATE},
		{TEE_ECN_ACCURATE, AE | CWR | ECE, ECN_ECT1, CWR | ECE, ECN_MODE_ACCURATE},
		{TEE_ECN_ACCURATE, AE | CWR | ECE, ECN_ECT0, AE, ECN_MODE_ACCURATE},
		{TEE_ECN_ACCURATE, AE | CWR | ECE, ECN_CE, AE | CWR, ECN_MODE_ACCURATE},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct ecn ecn;
		uint16_t flags = ecn_on_syn(&ecn, cases[i].wanted, (uint16_t)cases[i].syn,
					    (uint8_t)cases[i].ip);

		assert_int_equal(flags, cases[i].answer);
		assert_int_equal(ecn.mode, cases[i].mode);
	}
}

static void test_client(void **state)
{
	static const struct {
		int wanted;
		unsigned offer, answer;
		int mode;
	} cases[] = {
		{TEE_ECN_OFF, 0, ECE, ECN_MODE_OFF},
		{TEE_ECN_PASSIVE, 0, ECE, ECN_MODE_OFF},
		{TEE_ECN_ON, CWR | ECE, ECE, ECN_MODE_CLASSIC},
		{TEE_ECN_ON, CWR | ECE, 0, ECN_MODE_OFF},
		{TEE_ECN_ON, CWR | ECE, CWR | ECE, ECN_MODE_OFF}, /* our own bits, reflected */
		{TEE_ECN_ACCURATE, AE | CWR | ECE, 0, ECN_MODE_OFF},
		{TEE_ECN_ACCURATE, AE | CWR | ECE, ECE, ECN_MODE_CLASSIC},
		/* Reserved, and means AccECN (RFC 9768 3.1.3); to a classic offer it is a classic answer. */
		{TEE_ECN_ACCURATE, AE | CWR | ECE, AE | ECE, ECN_MODE_ACCURATE},
		{TEE_ECN_ACCURATE_CLASSIC, CWR | ECE, AE | ECE, ECN_MODE_CLASSIC},
		{TEE_ECN_ACCURATE_CLASSIC, CWR | ECE, CWR, ECN_MODE_OFF},
		{TEE_ECN_ACCURATE_PASSIVE, 0, CWR, ECN_MODE_OFF},
		{TEE_ECN_ACCURATE, AE | CWR | ECE, CWR, ECN_MODE_ACCURATE},
		{TEE_ECN_ACCURATE, AE | CWR | ECE, CWR | ECE, ECN_MODE_ACCURATE},
		{TEE_ECN_ACCURATE, AE | CWR | ECE, AE, ECN_MODE_ACCURATE},
		{TEE_ECN_ACCURATE, AE | CWR | ECE, AE | CWR, ECN_MODE_ACCURATE},
		{TEE_ECN_ACCURATE, AE | CWR | ECE, AE | CWR | ECE, ECN_MODE_OFF},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct ecn ecn;

		assert_int_equal(ecn_syn_flags(cases[i].wanted), cases[i].offer);
		ecn_on_syn_ack(&ecn, (uint16_t)cases[i].offer, (uint16_t)cases[i].answer, 0, 0,
			       &no_options);
		assert_int_equal(ecn.mode, cases[i].mode);
	}
}

/* RFC 9768 3.1.4.1: AccECN is asked for twice; RFC 3168 6.1.1.1: classic ECN once. */
static void test_syn_again(void **state)
{
	(void)state;
	assert_int_equal(ecn_syn_flags_again(TEE_ECN_ACCURATE, 0), AE | CWR | ECE);
	assert_int_equal(ecn_syn_flags_again(TEE_ECN_ACCURATE, 1), AE | CWR | ECE);
	assert_int_equal(ecn_syn_flags_again(TEE_ECN_ACCURATE, 2), 0);
	assert_int_equal(ecn_syn_flags_again(TEE_ECN_ON, 0), CWR | ECE);
	assert_int_equal(ecn_syn_flags_again(TEE_ECN_ON, 1), 0);
}

/* Proves: RFC3168-6.1.3 */
static void test_classic_echo(void **state)
{
	struct ecn ecn;

	(void)state;
	ecn_on_syn(&ecn, TEE_ECN_ON, CWR | ECE, 0);
	assert_int_equal(ecn_out_flags(&ecn, false), 0);
	assert_false(ecn_on_segment(&ecn, 0, ECN_ECT0, 100));
	assert_true(ecn.seen_ect);
	/* The first mark is answered at once; the echo goes on until CWR. */
	assert_true(ecn_on_segment(&ecn, 0, ECN_CE, 100));
	assert_false(ecn_on_segment(&ecn, 0, ECN_CE, 100));
	assert_int_equal(ecn_out_flags(&ecn, false), ECE);
	assert_int_equal(ecn_out_flags(&ecn, true), ECE);
	assert_true(ecn_on_segment(&ecn, CWR, ECN_ECT0, 100));
	assert_int_equal(ecn_out_flags(&ecn, false), 0);
	/* CWR on a segment that is marked itself: a new echo. */
	ecn_on_segment(&ecn, 0, ECN_CE, 100);
	assert_true(ecn_on_segment(&ecn, CWR, ECN_CE, 100));
	assert_int_equal(ecn_out_flags(&ecn, false), ECE);
}

/* An ACK of `segs` segments of 1000 octets. */
static uint32_t acked(struct ecn *ecn, unsigned flags, uint32_t segs,
		      const struct tcp_options *options, uint32_t *ret_bytes)
{
	const struct ecn_ack ack = {
		.flags = (uint16_t)flags,
		.is_pure = true,
		.is_news = segs > 0,
		.segs = segs,
		.bytes = segs * 1000,
		.mss = 1000,
		.options = options ? options : &no_options,
	};
	uint32_t bytes;

	return ecn_on_ack(ecn, &ack, ret_bytes ? ret_bytes : &bytes);
}

static void test_classic_sender(void **state)
{
	struct ecn ecn;

	(void)state;
	ecn_on_syn_ack(&ecn, CWR | ECE, ECE, 0, 0, &no_options);
	assert_int_equal(acked(&ecn, 0, 3, NULL, NULL), 0);
	assert_int_equal(acked(&ecn, ECE, 3, NULL, NULL), 1);
	assert_int_equal(acked(&ecn, ECE | TEE_TCP_SYN, 3, NULL, NULL), 0);
	ecn.send_cwr = true;
	assert_int_equal(ecn_out_flags(&ecn, false), 0);
	assert_int_equal(ecn_out_flags(&ecn, true), CWR);
	assert_int_equal(ecn_out_flags(&ecn, true), 0);
	assert_int_equal(ecn_ip_bits(&ecn, true), ECN_ECT0);
	assert_int_equal(ecn_ip_bits(&ecn, false), ECN_NOT_ECT);
}

/* Both as they stand after the SYN-ACK, which came with `ip_ecn`. */
static void accurate_pair(struct ecn *client, struct ecn *server, unsigned ip_ecn)
{
	uint16_t answer;

	answer = ecn_on_syn(server, TEE_ECN_ACCURATE, ecn_syn_flags(TEE_ECN_ACCURATE), 0);
	ecn_on_syn_ack(client, ecn_syn_flags(TEE_ECN_ACCURATE), answer, (uint8_t)ip_ecn, 0,
		       &no_options);
}

/* Proves: RFC9768-3.2.2 */
static void test_accurate_counter(void **state)
{
	struct ecn client, server;
	uint32_t marks = 0;

	(void)state;
	accurate_pair(&client, &server, ECN_NOT_ECT);
	/* The ACK that ends the handshake tells how the SYN-ACK came; it isn't a counter. */
	assert_int_equal(acked(&server, ecn_out_flags(&client, false), 0, NULL, NULL), 0);
	assert_int_equal(server.fails, 0);
	assert_int_equal(ecn_out_flags(&client, false), AE | ECE); /* 5 */
	/* 40 marks, told in ACKs of one to three segments: the counter wraps five times. */
	for (unsigned i = 0; i < 40; i++) {
		ecn_count(&server, i % 2 ? ECN_CE : ECN_ECT0, 1000, 1);
		ecn_count(&server, ECN_CE, 1000, 1);
		marks += acked(&client, ecn_out_flags(&server, false), 2, NULL, NULL);
	}
	assert_int_equal(marks, 60);
	assert_int_equal(client.ce_delivered, 60);
	assert_int_equal(ecn_received_ce(&server), 60);
	/* A repeated ACK is no news; one that delivers nothing isn't read. */
	assert_int_equal(acked(&client, ecn_out_flags(&server, false), 1, NULL, NULL), 0);
	ecn_count(&server, ECN_CE, 1000, 1);
	assert_int_equal(acked(&client, ecn_out_flags(&server, false), 0, NULL, NULL), 0);
	assert_int_equal(acked(&client, ecn_out_flags(&server, false), 1, NULL, NULL), 1);
	assert_int_equal(ecn_ip_bits(&client, false), ECN_ECT0);
}

/* RFC 9768 3.2.2.5.1: an ACK when the codepoint changes, for every second mark, and every third on bare ACKs. */
static void test_accurate_acks(void **state)
{
	static const struct {
		unsigned ip, len;
		bool ack_now;
	} steps[] = {
		{ECN_ECT0, 1000, true}, {ECN_ECT0, 1000, false}, {ECN_CE, 1000, true},
		{ECN_CE, 1000, false},  {ECN_CE, 1000, true},    {ECN_CE, 1000, false},
		{ECN_CE, 1000, true},   {ECN_ECT0, 1000, true},  {ECN_CE, 0, false},
		{ECN_CE, 0, false},     {ECN_CE, 0, true},       {ECN_CE, 0, false},
		{ECN_ECT0, 0, false},   {ECN_CE, 1000, true},
	};
	struct ecn client, server;

	(void)state;
	accurate_pair(&client, &server, ECN_NOT_ECT);
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		bool ack_now = ecn_count(&server, (uint8_t)steps[i].ip, steps[i].len, 1);

		assert_int_equal(ack_now, steps[i].ack_now);
		if (ack_now)
			ecn_out_flags(&server, false);
	}
	assert_int_equal(server.bytes_in[ECN_CE], 6000);
	assert_int_equal(server.bytes_in[ECN_ECT0], 3000);
}

/* The SYN-ACK itself was marked: both sides count it, once. */
static void test_accurate_handshake_mark(void **state)
{
	struct ecn client, server;
	uint16_t answer;

	(void)state;
	accurate_pair(&client, &server, ECN_CE);
	ecn_on_syn_ack_again(&client, CWR, ECN_CE);
	answer = ecn_out_flags(&client, false);
	assert_int_equal(answer, AE | CWR);
	assert_int_equal(acked(&server, answer, 0, NULL, NULL), 1);
	/* From then on it is the counter, which stands at 6. */
	assert_int_equal(ecn_out_flags(&client, false), AE | CWR);
	assert_int_equal(acked(&server, AE | CWR, 1, NULL, NULL), 0);
	/* It had left as Not-ECT. */
	assert_int_equal(ecn_ip_bits(&server, true), ECN_NOT_ECT);
}

/* RFC 9768 3.2.2.1, table 4, and 3.2.2.3: our SYN-ACK was Not-ECT. */
static void test_accurate_third_ack(void **state)
{
	static const struct {
		unsigned ace;
		uint32_t marks;
		int fails;
		bool is_deaf;
	} cases[] = {
		{0, 0, ECN_FAIL_ACE_RECV, true},
		{ECE, 0, 0, false},
		{CWR, 0, 0, false},
		{CWR | ECE, 0, ECN_FAIL_ACE_RECV, false},
		{AE, 0, ECN_FAIL_ACE_RECV, false},
		{AE | ECE, 0, 0, false},
		{AE | CWR, 1, ECN_FAIL_ACE_RECV, false},
		{AE | CWR | ECE, 0, 0, false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct ecn client, server;

		accurate_pair(&client, &server, ECN_NOT_ECT);
		assert_int_equal(acked(&server, cases[i].ace, 0, NULL, NULL), cases[i].marks);
		assert_int_equal(server.fails, cases[i].fails);
		assert_int_equal(server.is_deaf, cases[i].is_deaf);
		/* It tells the peer what comes in, whatever is wrong with what the peer tells. */
		assert_int_equal(server.mode, ECN_MODE_ACCURATE);
		assert_int_equal(ecn_out_flags(&server, true), AE | ECE);
		/* A mark is answered, unless the field comes zeroed. */
		assert_int_equal(acked(&server, AE | CWR | ECE, 2, NULL, NULL),
				 cases[i].is_deaf ? 0u : 2u - cases[i].marks);
	}
}

/* 3.2.2.4: a first counter that is zero, and can't be a real one. */
static void test_accurate_zeroed_counter(void **state)
{
	struct ecn client, server;

	(void)state;
	accurate_pair(&client, &server, ECN_NOT_ECT);
	assert_int_equal(acked(&client, 0, 2, NULL, NULL), 0);
	assert_true(client.is_deaf);
	assert_int_equal(ecn_ip_bits(&client, true), ECN_NOT_ECT);
	accurate_pair(&client, &server, ECN_NOT_ECT);
	assert_int_equal(acked(&client, 0, 3, NULL, NULL), 3);
	assert_false(client.is_deaf);
}

/* 3.2.2.5.2 and A.2: an ACK of more segments than the counter can tell apart. */
static void test_accurate_wrap(void **state)
{
	static const struct {
		uint32_t segs;
		unsigned ace; /* beyond 5 */
		uint32_t ce_bytes;
		bool has_option;
		uint32_t marks;
	} cases[] = {
		{7, 1, 0, false, 1},      {8, 0, 0, false, 8}, /* none, or all */
		{12, 1, 0, false, 9},                          /* 1, or 9 */
		{12, 1, 0, true, 1},      {12, 1, 1000, true, 1}, {12, 1, 9000, true, 9},
		{20, 2, 18000, true, 18}, /* 2, 10, or 18 */
		{20, 2, 10000, true, 10}, {20, 2, 2000, true, 2}, {20, 2, 0, false, 18},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct ecn client, server;
		struct tcp_options options = {
			.has_accecn = cases[i].has_option,
			.accecn_order = 1,
			.accecn_count = 3,
			.accecn = {1, cases[i].ce_bytes,
				   cases[i].segs * 1000 - cases[i].ce_bytes + 1},
		};
		unsigned ace = (5 + cases[i].ace) & 7;
		unsigned flags = (ace & 4 ? AE : 0) | (ace & 2 ? CWR : 0) | (ace & 1 ? ECE : 0);
		uint32_t bytes;

		accurate_pair(&client, &server, ECN_NOT_ECT);
		assert_int_equal(acked(&client, flags, cases[i].segs, &options, &bytes),
				 cases[i].marks);
		assert_int_equal(bytes,
				 cases[i].ce_bytes ? cases[i].ce_bytes : cases[i].marks * 1000);
	}
}

/* A receiver that acknowledges ten segments at a time, as a rule, isn't taken to mark them all. */
static void test_accurate_merged(void **state)
{
	struct ecn client, server;

	(void)state;
	accurate_pair(&client, &server, ECN_NOT_ECT);
	assert_int_equal(acked(&client, AE | ECE, 10, NULL, NULL), 8);
	assert_int_equal(acked(&client, AE | ECE, 10, NULL, NULL), 0);
}

static void test_accurate_option(void **state)
{
	struct ecn client, server;
	struct tcp_options options = {0};
	uint32_t bytes;

	(void)state;
	accurate_pair(&client, &server, ECN_NOT_ECT);
	server.bytes_in[ECN_CE] = client.bytes_acked[ECN_CE] = 0xfffff0;
	ecn_fill_option(&server, &options);
	assert_true(options.has_accecn);
	assert_int_equal(options.accecn_order, 1);
	assert_int_equal(options.accecn_min, 0);
	assert_int_equal(acked(&client, AE | ECE, 1, &options, &bytes), 0);
	assert_int_equal(bytes, 0);
	ecn_count(&server, ECN_CE, 1000, 1);
	ecn_fill_option(&server, &options);
	assert_int_equal(options.accecn_min, 2);
	ecn_count(&server, ECN_ECT0, 500, 1);
	ecn_fill_option(&server, &options);
	assert_int_equal(options.accecn_min, 3);
	assert_int_equal(options.accecn[0], 1);
	assert_int_equal(options.accecn[2], 501);
	/* 24 bits, wrapped. */
	assert_int_equal(acked(&client, AE | CWR, 2, &options, &bytes), 1);
	assert_int_equal(bytes, 1000);
	/* One without that counter: an estimate from the packets. */
	options.accecn_count = 1;
	options.accecn[1] += 500;
	assert_int_equal(acked(&client, AE | CWR | ECE, 2, &options, &bytes), 1);
	assert_int_equal(bytes, 1000);
	/* The other order. */
	options =
		(struct tcp_options){.has_accecn = true, .accecn_count = 2, .accecn = {2501, 984}};
	assert_int_equal(acked(&client, AE | CWR | ECE, 2, &options, NULL), 0);
	assert_int_equal(client.bytes_acked[ECN_ECT0], 2500);
}

/* 3.2.3.2.4: an option that was zeroed is ignored from then on; 3.2.3.2.5: octets marked, but no packet. */
static void test_accurate_bad_option(void **state)
{
	struct ecn client, server;
	struct tcp_options options = {.has_accecn = true, .accecn_order = 1, .accecn_count = 3};
	uint32_t bytes;

	(void)state;
	accurate_pair(&client, &server, ECN_NOT_ECT);
	assert_int_equal(acked(&client, AE | ECE, 1, &options, NULL), 0);
	assert_int_equal(client.option_seen, ECN_OPTION_ZEROED);
	assert_int_equal(client.fails, ECN_FAIL_OPTION_RECV);
	ecn_count(&server, ECN_CE, 700, 1);
	ecn_fill_option(&server, &options);
	assert_int_equal(acked(&client, AE | CWR, 1, &options, &bytes), 1);
	assert_int_equal(bytes, 1000);
	assert_int_equal(ecn_ip_bits(&client, true), ECN_ECT0);

	accurate_pair(&client, &server, ECN_NOT_ECT);
	ecn_count(&server, ECN_CE, 700, 1);
	ecn_fill_option(&server, &options);
	acked(&client, AE | ECE, 1, &options, NULL);
	assert_int_equal(client.fails, ECN_FAIL_ACE_RECV);
	assert_int_equal(ecn_ip_bits(&client, true), ECN_NOT_ECT);
	/* The packets were told before, without the option: nothing is wrong. */
	accurate_pair(&client, &server, ECN_NOT_ECT);
	acked(&client, AE | CWR, 1, NULL, NULL);
	acked(&client, AE | CWR, 1, &options, NULL);
	assert_int_equal(client.fails, 0);
}

/* 3.2.3.3: which segments carry it when it is to be sent sparingly. */
static void test_accurate_sparing(void **state)
{
	const uint64_t beacon = 1000;
	struct ecn client, server;

	(void)state;
	accurate_pair(&client, &server, ECN_NOT_ECT);
	for (unsigned i = 0; i < 2; i++) {
		assert_true(ecn_wants_option(&client, TEE_ACCECN_OPTION_SPARING, 10, beacon));
		assert_false(ecn_wants_option(&client, TEE_ACCECN_OPTION_NEVER, 10, beacon));
		ecn_on_option_sent(&client, 10);
	}
	assert_false(ecn_wants_option(&client, TEE_ACCECN_OPTION_SPARING, 1009, beacon));
	assert_true(ecn_wants_option(&client, TEE_ACCECN_OPTION_ALWAYS, 1009, beacon));
	assert_true(ecn_wants_option(&client, TEE_ACCECN_OPTION_SPARING, 1010, beacon));
	assert_false(ecn_wants_option(&client, TEE_ACCECN_OPTION_SPARING, 1010, 0));
	ecn_count(&client, ECN_ECT0, 1000, 1);
	assert_true(ecn_wants_option(&client, TEE_ACCECN_OPTION_SPARING, 10, beacon));
	ecn_on_option_sent(&client, 10);
	ecn_on_option_sent(&client, 10);
	ecn_count(&client, ECN_ECT0, 1000, 1);
	assert_false(ecn_wants_option(&client, TEE_ACCECN_OPTION_SPARING, 10, beacon));
	/* Before a counter has grown by 2^22. */
	ecn_count(&client, ECN_ECT0, 1 << 22, 1);
	assert_true(ecn_wants_option(&client, TEE_ACCECN_OPTION_SPARING, 10, beacon));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_server),
		cmocka_unit_test(test_client),
		cmocka_unit_test(test_syn_again),
		cmocka_unit_test(test_classic_echo),
		cmocka_unit_test(test_classic_sender),
		cmocka_unit_test(test_accurate_counter),
		cmocka_unit_test(test_accurate_acks),
		cmocka_unit_test(test_accurate_handshake_mark),
		cmocka_unit_test(test_accurate_third_ack),
		cmocka_unit_test(test_accurate_zeroed_counter),
		cmocka_unit_test(test_accurate_wrap),
		cmocka_unit_test(test_accurate_merged),
		cmocka_unit_test(test_accurate_option),
		cmocka_unit_test(test_accurate_bad_option),
		cmocka_unit_test(test_accurate_sparing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
