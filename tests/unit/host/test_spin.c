// SPDX-License-Identifier: MIT
/* How long the loop polls before it sleeps: the whole budget while it pays, soon nothing when it doesn't. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "host/host.h"

enum { MOST = 50000 };

static void test_next(void **state)
{
	static const struct {
		uint64_t now_ns, waited_ns, next_ns;
	} cases[] = {
		{MOST, MOST, MOST / 2},
		{MOST / 2, 10 * MOST, MOST / 4},
		{0, MOST - 1, MOST},
		{0, MOST, 0},
		{MOST / 8, 0, MOST},
		{2 * HOST_SPIN_MIN_NS, MOST, HOST_SPIN_MIN_NS},
		{2 * HOST_SPIN_MIN_NS - 1, MOST, 0},
		{MOST, TEE_NEVER, MOST / 2},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(host_spin_next(MOST, cases[i].now_ns, cases[i].waited_ns),
				 cases[i].next_ns);
	/* Without a budget there is never one. */
	assert_int_equal(host_spin_next(0, 0, 0), 0);
	assert_int_equal(host_spin_next(0, 0, TEE_NS_PER_S), 0);
}

static void test_an_idle_host_soon_sleeps_at_once(void **state)
{
	uint64_t spin_ns = MOST, polled_ns = 0;
	unsigned waits = 0;

	for (; spin_ns > 0; waits++) {
		polled_ns += spin_ns;
		spin_ns = host_spin_next(MOST, spin_ns, TEE_NS_PER_S);
	}
	assert_true(waits <= 6);
	assert_true(polled_ns < 2 * MOST);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_next),
		cmocka_unit_test(test_an_idle_host_soon_sleeps_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
