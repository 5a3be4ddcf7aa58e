// SPDX-License-Identifier: MIT
/* One-shot timers: order, cancelling by id, ids of timers that are gone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include <teeceepee/types.h>

#include "host/timers.h"

static void note(void *arg)
{
	++*(int *)arg;
}

/* Runs what is due; returns how many. */
static int run(struct timers *timers, uint64_t now_ns)
{
	timers_fn *fn;
	void *arg;
	int count = 0;

	for (; timers_take(timers, now_ns, &fn, &arg); count++)
		fn(arg);
	return count;
}

static void test_empty(void **state)
{
	struct timers timers;

	timers_init(&timers);
	assert_true(timers_next_ns(&timers) == TEE_NEVER);
	assert_int_equal(run(&timers, TEE_NEVER), 0);
	timers_cancel(&timers, 1);
	timers_cancel(&timers, 0);
	timers_cancel(&timers, -5);
	timers_fini(&timers);
}

static void test_order(void **state)
{
	static const uint64_t due_ns[] = {50, 10, 40, 10, 30, 20, 10, 60};
	enum { COUNT = sizeof(due_ns) / sizeof(due_ns[0]) };
	int hits[COUNT] = {0};
	struct timers timers;
	timers_fn *fn;
	void *arg;
	uint64_t last_ns = 0;
	void *last_arg = NULL;

	timers_init(&timers);
	for (int i = 0; i < COUNT; i++)
		assert_true(timers_add(&timers, due_ns[i], note, &hits[i]) > 0);
	assert_true(timers_next_ns(&timers) == 10);
	assert_int_equal(run(&timers, 9), 0);
	while (timers_take(&timers, 60, &fn, &arg)) {
		uint64_t now_ns = due_ns[(int *)arg - hits];

		assert_true(now_ns >= last_ns);
		/* Equal times fire in the order they were set. */
		if (now_ns == last_ns)
			assert_true(arg > last_arg);
		last_ns = now_ns;
		last_arg = arg;
		fn(arg);
	}
	for (int i = 0; i < COUNT; i++)
		assert_int_equal(hits[i], 1);
	timers_fini(&timers);
}

static void test_cancel(void **state)
{
	int hits = 0, others = 0;
	struct timers timers;
	int id, again;

	timers_init(&timers);
	timers_add(&timers, 5, note, &others);
	id = timers_add(&timers, 10, note, &hits);
	timers_add(&timers, 15, note, &others);
	timers_cancel(&timers, id);
	assert_int_equal(run(&timers, 20), 2);
	assert_int_equal(hits, 0);
	/* The slot is used again; the old id must not reach the new timer. */
	again = timers_add(&timers, 30, note, &hits);
	assert_int_not_equal(again, id);
	timers_cancel(&timers, id);
	assert_int_equal(run(&timers, 30), 1);
	assert_int_equal(hits, 1);
	/* Nor does the id of one that has fired. */
	timers_cancel(&timers, again);
	timers_fini(&timers);
}

static void test_many(void **state)
{
	enum { COUNT = 5000 };
	static int ids[COUNT];
	int hits = 0;
	struct timers timers;
	uint64_t last_ns = 0;

	timers_init(&timers);
	for (unsigned i = 0; i < COUNT; i++)
		ids[i] = timers_add(&timers, (i * 7919U) % 10007U, note, &hits);
	for (unsigned i = 0; i < COUNT; i += 3)
		timers_cancel(&timers, ids[i]);
	while (timers_next_ns(&timers) != TEE_NEVER) {
		uint64_t now_ns = timers_next_ns(&timers);

		assert_true(now_ns >= last_ns);
		last_ns = now_ns;
		assert_true(run(&timers, now_ns) > 0);
	}
	assert_int_equal(hits, COUNT - (COUNT + 2) / 3);
	timers_fini(&timers);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_cancel),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
