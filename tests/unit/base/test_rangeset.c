/* SPDX-License-Identifier: MIT */
/* The range set against a flat array of flags, and its limits. */
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
#include "base/rangeset.h"

enum { SPACE = 256 };

/* The model starts just below 2^64, where the arithmetic of ends would wrap if it were careless. */
static const uint64_t base = UINT64_MAX - SPACE;

/* An offset a little above `start`, at most the end of the space. */
static uint64_t end_after(struct random *random, uint64_t start, uint64_t len_max)
{
	uint64_t end = start + random_below(random, len_max);

	return MIN(end, (uint64_t)SPACE);
}

static void compare(const struct rangeset *set, const bool *flags)
{
	for (uint64_t i = 0; i < SPACE; i++)
		assert_int_equal(rangeset_contains(set, base + i, base + i + 1), flags[i]);
	rangeset_check(set);
}

static void test_random_operations(void **state)
{
	struct rangeset set;
	struct random random;
	bool flags[SPACE] = {false};

	random_init(&random, 5);
	rangeset_init(&set, 1000);
	for (unsigned step = 0; step < 20000; step++) {
		uint64_t start = random_below(&random, SPACE);
		uint64_t end = end_after(&random, start, 20);
		uint64_t probe = random_below(&random, SPACE);
		uint64_t probe_end = end_after(&random, probe, 9);
		bool is_add = random_below(&random, 2);
		bool is_all = true;

		if (is_add)
			assert_int_equal(rangeset_add(&set, base + start, base + end), 0);
		else
			assert_int_equal(rangeset_remove(&set, base + start, base + end), 0);
		for (uint64_t i = start; i < end; i++)
			flags[i] = is_add;
		for (uint64_t i = probe; i < probe_end; i++)
			is_all &= flags[i];
		assert_int_equal(rangeset_contains(&set, base + probe, base + probe_end), is_all);
		if (step % 16 == 0)
			compare(&set, flags);
	}
	rangeset_fini(&set);
}

static void test_touching_ranges_merge(void **state)
{
	struct rangeset set;

	rangeset_init(&set, 8);
	assert_int_equal(rangeset_add(&set, 10, 20), 0);
	assert_int_equal(rangeset_add(&set, 30, 40), 0);
	assert_int_equal(set.count, 2);
	assert_int_equal(rangeset_add(&set, 20, 30), 0);
	assert_int_equal(set.count, 1);
	assert_int_equal(set.ranges[0].start, 10);
	assert_int_equal(set.ranges[0].end, 40);
	assert_int_equal(rangeset_add(&set, 5, 5), 0); /* empty: nothing */
	assert_int_equal(set.count, 1);
	rangeset_fini(&set);
}

static void test_limit_leaves_the_set_as_it_was(void **state)
{
	struct rangeset set;

	rangeset_init(&set, 2);
	assert_int_equal(rangeset_add(&set, 0, 10), 0);
	assert_int_equal(rangeset_add(&set, 20, 30), 0);
	assert_int_equal(rangeset_add(&set, 40, 50), -TEE_ENOBUFS);
	assert_int_equal(rangeset_remove(&set, 4, 6), -TEE_ENOBUFS);
	assert_true(rangeset_contains(&set, 0, 10));
	assert_false(rangeset_contains(&set, 40, 41));
	assert_int_equal(rangeset_add(&set, 10, 20), 0); /* merging needs no room */
	assert_int_equal(set.count, 1);
	assert_int_equal(rangeset_remove(&set, 4, 6), 0);
	rangeset_check(&set);
	rangeset_fini(&set);
	assert_null(set.ranges);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_operations),
		cmocka_unit_test(test_touching_ranges_merge),
		cmocka_unit_test(test_limit_leaves_the_set_as_it_was),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
