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
		{TEE_ECN_ACCURATE, CWR | ECE, 0, ECE, ECN_MODE_CLASSIC},
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
		{TEE_ECN_ACCURATE, AE | CWR | ECE, AE | ECE, ECN_MODE_CLASSIC},
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
		ecn_on_syn_ack(&ecn, (uint16_t)cases[i].offer, (uint16_t)cases[i].answer, 0);
		assert_int_equal(ecn.mode, cases[i].mode);
	}
}

/* Proves: RFC3168-6.1.3 */
static void test_classic_echo(void **state)
{
	struct ecn ecn;

	(void)state;
	ecn_on_syn(&ecn, TEE_ECN_ON, CWR | ECE, 0);
	assert_int_equal(ecn_out_flags(&ecn, false), 0);
	assert_false(ecn_on_segment(&ecn, 0, ECN_ECT0, 100, 1));
	assert_true(ecn.seen_ect);
	/* The first mark is answered at once; the echo goes on until CWR. */
	assert_true(ecn_on_segment(&ecn, 0, ECN_CE, 100, 1));
	assert_false(ecn_on_segment(&ecn, 0, ECN_CE, 100, 1));
	assert_int_equal(ecn_out_flags(&ecn, false), ECE);
	assert_int_equal(ecn_out_flags(&ecn, true), ECE);
	assert_true(ecn_on_segment(&ecn, CWR, ECN_ECT0, 100, 1));
	assert_int_equal(ecn_out_flags(&ecn, false), 0);
	/* CWR on a segment that is marked itself: a new echo. */
	ecn_on_segment(&ecn, 0, ECN_CE, 100, 1);
	assert_true(ecn_on_segment(&ecn, CWR, ECN_CE, 100, 1));
	assert_int_equal(ecn_out_flags(&ecn, false), ECE);
}

static void test_classic_sender(void **state)
{
	struct ecn ecn;

	(void)state;
	ecn_on_syn_ack(&ecn, CWR | ECE, ECE, 0);
	assert_int_equal(ecn_on_ack(&ecn, 0, 3), 0);
	assert_int_equal(ecn_on_ack(&ecn, ECE, 3), 1);
	ecn.send_cwr = true;
	assert_int_equal(ecn_out_flags(&ecn, false), 0);
	assert_int_equal(ecn_out_flags(&ecn, true), CWR);
	assert_int_equal(ecn_out_flags(&ecn, true), 0);
	assert_int_equal(ecn_ip_bits(&ecn, true), ECN_ECT0);
	assert_int_equal(ecn_ip_bits(&ecn, false), ECN_NOT_ECT);
}

static void accurate_pair(struct ecn *client, struct ecn *server)
{
	uint16_t answer;

	answer = ecn_on_syn(server, TEE_ECN_ACCURATE, ecn_syn_flags(TEE_ECN_ACCURATE), 0);
	ecn_on_syn_ack(client, ecn_syn_flags(TEE_ECN_ACCURATE), answer, ECN_ECT0);
}

static void test_accurate_counter(void **state)
{
	struct ecn client, server;
	uint32_t marks = 0;

	(void)state;
	accurate_pair(&client, &server);
	/* The ACK that ends the handshake tells how the SYN-ACK came; it isn't a counter. */
	assert_int_equal(ecn_on_ack(&server, ecn_out_flags(&client, false), 1), 0);
	assert_int_equal(server.mode, ECN_MODE_ACCURATE);
	assert_int_equal(ecn_out_flags(&client, false), AE | ECE); /* 5 */
	/* 40 marks, told in ACKs of one to three segments: the counter wraps five times. */
	for (unsigned i = 0; i < 40; i++) {
		ecn_on_segment(&server, 0, i % 2 ? ECN_CE : ECN_ECT0, 1000, 1);
		ecn_on_segment(&server, 0, ECN_CE, 1000, 1);
		marks += ecn_on_ack(&client, ecn_out_flags(&server, false), 2);
	}
	assert_int_equal(marks, 60);
	assert_int_equal(client.ce_delivered, 60);
	/* A repeated ACK is no news; one that delivers nothing isn't read. */
	assert_int_equal(ecn_on_ack(&client, ecn_out_flags(&server, false), 1), 0);
	ecn_on_segment(&server, 0, ECN_CE, 1000, 1);
	assert_int_equal(ecn_on_ack(&client, ecn_out_flags(&server, false), 0), 0);
	assert_int_equal(ecn_on_ack(&client, ecn_out_flags(&server, false), 1), 1);
	assert_int_equal(ecn_ip_bits(&client, false), ECN_ECT0);
}

/* RFC 9768 3.2.2.5.1: an ACK at the first mark after none, and for every second one. */
static void test_accurate_acks(void **state)
{
	static const struct {
		unsigned ip;
		bool ack_now;
	} steps[] = {
		{ECN_ECT0, false}, {ECN_CE, true}, {ECN_CE, false},   {ECN_CE, true},
		{ECN_CE, false},   {ECN_CE, true}, {ECN_ECT0, false}, {ECN_CE, true},
	};
	struct ecn client, server;

	(void)state;
	accurate_pair(&client, &server);
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		bool ack_now = ecn_on_segment(&server, 0, (uint8_t)steps[i].ip, 1000, 1);

		assert_int_equal(ack_now, steps[i].ack_now);
		if (ack_now)
			ecn_out_flags(&server, false);
	}
}

/* The SYN-ACK itself was marked: both sides count it. */
static void test_accurate_handshake_mark(void **state)
{
	struct ecn client, server;
	uint16_t answer;

	(void)state;
	answer = ecn_on_syn(&server, TEE_ECN_ACCURATE, AE | CWR | ECE, 0);
	ecn_on_syn_ack(&client, AE | CWR | ECE, answer, ECN_CE);
	answer = ecn_out_flags(&client, false);
	assert_int_equal(answer, AE | CWR);
	assert_int_equal(ecn_on_ack(&server, answer, 1), 1);
	/* From then on it is the counter, which stands at 6. */
	assert_int_equal(ecn_on_ack(&server, ecn_out_flags(&client, false), 1), 0);
}

/* Zeroed bits in the handshake's last ACK: a path that clears them. */
static void test_accurate_bleached(void **state)
{
	struct ecn client, server;

	(void)state;
	accurate_pair(&client, &server);
	assert_int_equal(ecn_on_ack(&server, 0, 1), 0);
	assert_int_equal(server.mode, ECN_MODE_OFF);
	assert_int_equal(ecn_ip_bits(&server, true), ECN_NOT_ECT);
	/* That ACK was lost: the first one seen is a counter. */
	accurate_pair(&client, &server);
	assert_int_equal(ecn_on_ack(&server, AE | ECE, 1), 0);
	assert_int_equal(ecn_on_ack(&server, AE | CWR, 1), 1);
}

static void test_accurate_option(void **state)
{
	struct ecn client, server;
	struct tcp_options options = {0};

	(void)state;
	accurate_pair(&client, &server);
	server.ce_bytes_in = client.ce_bytes_acked = 0xfffff0;
	ecn_fill_option(&server, &options);
	assert_true(options.has_accecn);
	assert_int_equal(ecn_on_option(&client, &options), 0);
	ecn_on_segment(&server, 0, ECN_CE, 1000, 1);
	ecn_on_segment(&server, 0, ECN_ECT0, 500, 1);
	ecn_fill_option(&server, &options);
	assert_int_equal(options.accecn[0], 501);
	/* 24 bits, wrapped. */
	assert_int_equal(ecn_on_option(&client, &options), 1000);
	options.accecn[1] -= 20;
	assert_int_equal(ecn_on_option(&client, &options), 0);
	options.accecn_count = 1;
	options.accecn[1] += 500;
	assert_int_equal(ecn_on_option(&client, &options), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_server),
		cmocka_unit_test(test_client),
		cmocka_unit_test(test_classic_echo),
		cmocka_unit_test(test_classic_sender),
		cmocka_unit_test(test_accurate_counter),
		cmocka_unit_test(test_accurate_acks),
		cmocka_unit_test(test_accurate_handshake_mark),
		cmocka_unit_test(test_accurate_bleached),
		cmocka_unit_test(test_accurate_option),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
