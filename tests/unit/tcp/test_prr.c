/* SPDX-License-Identifier: MIT */
/* Proportional Rate Reduction (RFC 9937), and the 128-bit arithmetic beneath it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "base/check.h"
#include "tcp/loss/prr.h"
#include "tcp/muldiv.h"

enum { MSS = 1000 };

/*
 * One window of `flight` segments in which the first `lost` are lost; each of the others is SACKed by an ACK
 * of its own. Returns the segments sent during that round trip; the flight at its end in *ret_pipe.
 */
static unsigned run(unsigned flight, unsigned lost, unsigned ssthresh, unsigned *ret_pipe)
{
	struct prr prr;
	unsigned pipe = flight - lost, sent = 0;

	prr_start(&prr, flight * MSS, 0);
	for (unsigned i = 0; i < flight - lost; i++) {
		uint64_t cwnd;

		pipe--;
		cwnd = prr_on_ack(&prr, MSS, (uint64_t)pipe * MSS, (uint64_t)ssthresh * MSS, false,
				  MSS);
		while ((uint64_t)pipe * MSS + MSS <= cwnd) {
			prr_on_sent(&prr, MSS);
			pipe++;
			sent++;
		}
	}
	*ret_pipe = pipe;
	return sent;
}

static void test_one_loss(void **state)
{
	unsigned pipe;

	(void)state;
	/* Reno: 20 to 10. Of 19 ACKs every other one lets a segment go, and the flight ends at ssthresh. */
	assert_int_equal(run(20, 1, 10, &pipe), 10);
	assert_int_equal(pipe, 10);
	/* CUBIC: 20 to 14. */
	assert_in_range(run(20, 1, 14, &pipe), 13, 14);
	assert_in_range(pipe, 13, 14);
}

/* Losses take the flight below ssthresh: packet conservation, no burst (the conservative bound). */
static void test_heavy_loss(void **state)
{
	unsigned pipe;

	(void)state;
	assert_in_range(run(20, 15, 10, &pipe), 5, 6);
	assert_in_range(pipe, 5, 6);
}

/* With good progress one segment more an ACK, up to ssthresh. */
static void test_slow_start_bound(void **state)
{
	struct prr prr;

	(void)state;
	prr_start(&prr, 20 * MSS, 0);
	prr_on_sent(&prr, MSS);
	assert_int_equal(prr_on_ack(&prr, MSS, 4 * MSS, 10 * MSS, true, MSS), 6 * MSS);
	assert_int_equal(prr_on_ack(&prr, MSS, 4 * MSS, 10 * MSS, false, MSS), 5 * MSS);
	/* Never beyond ssthresh. */
	assert_int_equal(prr_on_ack(&prr, 9 * MSS, 7 * MSS, 10 * MSS, true, MSS), 10 * MSS);
	/* In the flight of exactly ssthresh nothing is added. */
	assert_int_equal(prr_on_ack(&prr, MSS, 10 * MSS, 10 * MSS, true, MSS), 10 * MSS);
}

/* The fast retransmit leaves whatever the arithmetic says. */
static void test_first_retransmit(void **state)
{
	struct prr prr;

	(void)state;
	prr_start(&prr, 20 * MSS, 0);
	assert_int_equal(prr_on_ack(&prr, 0, 19 * MSS, 10 * MSS, false, MSS), 20 * MSS);
	prr_on_sent(&prr, MSS);
	assert_int_equal(prr_on_ack(&prr, MSS, 19 * MSS, 10 * MSS, false, MSS), 19 * MSS);
}

/* A flight that began below ssthresh, and is above it now, is held, not let grow. */
static void test_no_growth(void **state)
{
	struct prr prr;

	(void)state;
	prr_start(&prr, 4 * MSS, 0);
	for (unsigned i = 0; i < 20; i++) {
		assert_int_equal(prr_on_ack(&prr, MSS, 7 * MSS, 6 * MSS, false, MSS), 8 * MSS);
		prr_on_sent(&prr, MSS);
	}
}

/*
 * All ACKs of a flight of 40 come at once: 20 of them let 40 segments go, the next tells of a loss, 18 more follow. Nothing
 * leaves before the last; ssthresh is 42.
 */
static void test_burst_of_acks(void **state)
{
	static const struct {
		unsigned admitted, sent;
	} cases[] = {
		{40, 42}, /* those, and what is delivered, up to ssthresh */
		{0, 20},  /* without them nearly nothing is in flight, and stays so */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct prr prr;
		uint64_t pipe = 19 * MSS, cwnd = 0;
		unsigned sent = 0;

		prr_start(&prr, 20 * MSS, cases[i].admitted * MSS);
		for (unsigned j = 0; j < 19; j++) {
			pipe -= MSS;
			cwnd = prr_on_ack(&prr, MSS, pipe, 42 * MSS, false, MSS);
		}
		for (; pipe + MSS <= cwnd; pipe += MSS, sent++)
			prr_on_sent(&prr, MSS);
		assert_in_range(sent, cases[i].sent - 1, cases[i].sent + 1);
		assert_int_equal(prr.admitted_bytes, 0);
		/* They don't count twice. */
		cwnd = prr_on_ack(&prr, MSS, pipe - MSS, 42 * MSS, false, MSS);
		assert_in_range(cwnd, pipe - MSS, pipe + MSS);
	}
}

static void test_muldiv(void **state)
{
	static const struct {
		uint64_t a, b, c, down, up;
	} cases[] = {
		{0, 5, 7, 0, 0},
		{10, 10, 3, 33, 34},
		{UINT64_MAX, 1, 1, UINT64_MAX, UINT64_MAX},
		{UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX},
		{UINT64_MAX, 3, 4, 13835058055282163711u, 13835058055282163712u},
		{UINT64_C(1) << 63, 6, 3, UINT64_MAX, UINT64_MAX},
		{UINT64_C(1) << 63, 2, 4, UINT64_C(1) << 62, UINT64_C(1) << 62},
		{UINT64_C(1) << 40, UINT64_C(1) << 40, UINT64_C(1) << 20, UINT64_C(1) << 60,
		 UINT64_C(1) << 60},
		{1000000000000000003u, 1000000000000000009u, 1000000000000000007u,
		 1000000000000000004u, 1000000000000000005u},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_int_equal(muldiv(cases[i].a, cases[i].b, cases[i].c), cases[i].down);
		assert_int_equal(muldiv_up(cases[i].a, cases[i].b, cases[i].c), cases[i].up);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_loss),         cmocka_unit_test(test_heavy_loss),
		cmocka_unit_test(test_slow_start_bound), cmocka_unit_test(test_first_retransmit),
		cmocka_unit_test(test_no_growth),        cmocka_unit_test(test_burst_of_acks),
		cmocka_unit_test(test_muldiv),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
