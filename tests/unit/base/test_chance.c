/* SPDX-License-Identifier: MIT */
/* Random numbers and SipHash: published vectors, bounds, and evenness. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "base/check.h"
#include "base/random.h"
#include "base/siphash.h"

/* Key 00 01 .. 0f, messages 00 01 .. of every length: from the reference implementation's table. */
static void test_siphash_vectors(void **state)
{
	static const struct {
		size_t len;
		uint64_t expected;
	} cases[] = {
		{0, UINT64_C(0x726fdb47dd0e0e31)}, {1, UINT64_C(0x74f839c593dc67fd)},
		{2, UINT64_C(0x0d6c8009d9a94f5a)}, {3, UINT64_C(0x85676696d7fb7e2d)},
		{4, UINT64_C(0xcf2794e0277187b7)}, {7, UINT64_C(0xab0200f58b01d137)},
		{8, UINT64_C(0x93f5f5799a932462)}, {15, UINT64_C(0xa129ca6149be45e5)},
	};
	const struct siphash_key key = {UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908)};
	uint8_t message[16];

	for (unsigned i = 0; i < sizeof(message); i++)
		message[i] = (uint8_t)i;
	for (unsigned i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(siphash(&key, message, cases[i].len), cases[i].expected);
}

static void test_siphash_depends_on_both_halves_of_the_key(void **state)
{
	const struct siphash_key a = {1, 2}, b = {1, 3}, c = {2, 2};

	assert_int_not_equal(siphash(&a, "teeceepee", 9), siphash(&b, "teeceepee", 9));
	assert_int_not_equal(siphash(&a, "teeceepee", 9), siphash(&c, "teeceepee", 9));
}

/* splitmix64 from seed 0 gives these four words of state; they are in its author's own example. */
static void test_seeding(void **state)
{
	struct random random;

	random_init(&random, 0);
	assert_int_equal(random.s[0], UINT64_C(0xe220a8397b1dcdaf));
	assert_int_equal(random.s[1], UINT64_C(0x6e789e6aa1b965f4));
	assert_int_equal(random.s[2], UINT64_C(0x06c45d188009454f));
	assert_int_equal(random.s[3], UINT64_C(0xf88bb8a8724c81ec));
}

/* xoshiro256** from state 1, 2, 3, 4. */
static void test_generator_vectors(void **state)
{
	static const uint64_t expected[] = {11520, 0, 1509978240, UINT64_C(1215971899390074240)};
	struct random random = {{1, 2, 3, 4}};

	for (unsigned i = 0; i < ARRAY_LEN(expected); i++)
		assert_int_equal(random_u64(&random), expected[i]);
}

static void test_same_seed_same_numbers(void **state)
{
	struct random a, b, c;
	unsigned differing = 0;

	random_init(&a, 42);
	random_init(&b, 42);
	random_init(&c, 43);
	for (unsigned i = 0; i < 1000; i++) {
		uint64_t value = random_u64(&a);

		assert_int_equal(value, random_u64(&b));
		differing += value != random_u64(&c);
	}
	assert_int_equal(differing, 1000);
}

static void test_below_is_even(void **state)
{
	enum { BOUND = 10, DRAWS = 100000 };
	unsigned counts[BOUND] = {0};
	struct random random;

	random_init(&random, 1);
	for (unsigned i = 0; i < DRAWS; i++) {
		uint64_t value = random_below(&random, BOUND);

		assert_true(value < BOUND);
		counts[value]++;
	}
	/* the standard deviation of a count is 95 */
	for (unsigned i = 0; i < BOUND; i++)
		assert_in_range(counts[i], DRAWS / BOUND - 500, DRAWS / BOUND + 500);
	assert_int_equal(random_below(&random, 0), 0);
	assert_int_equal(random_below(&random, 1), 0);
}

/* With a bound of 3 * 2^62 a plain modulo would give the lowest third half of all draws. */
static void test_below_is_unbiased_for_large_bounds(void **state)
{
	const uint64_t third = UINT64_C(1) << 62;
	struct random random;
	unsigned low = 0;

	random_init(&random, 2);
	for (unsigned i = 0; i < 30000; i++)
		low += random_below(&random, 3 * third) < third;
	assert_in_range(low, 9500, 10500);
}

static void test_unit_interval(void **state)
{
	struct random random;
	double sum = 0;

	random_init(&random, 3);
	for (unsigned i = 0; i < 100000; i++) {
		double value = random_unit(&random);

		assert_true(value >= 0 && value < 1);
		sum += value;
	}
	assert_true(sum > 49500 && sum < 50500);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_siphash_vectors),
		cmocka_unit_test(test_siphash_depends_on_both_halves_of_the_key),
		cmocka_unit_test(test_seeding),
		cmocka_unit_test(test_generator_vectors),
		cmocka_unit_test(test_same_seed_same_numbers),
		cmocka_unit_test(test_below_is_even),
		cmocka_unit_test(test_below_is_unbiased_for_large_bounds),
		cmocka_unit_test(test_unit_interval),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
