/* SPDX-License-Identifier: MIT */
/* What is remembered of hosts (RFC 9040): merging, age, size. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tcp/metrics.h"

static const struct siphash_key key = {1, 2};

static struct tee_ip host(unsigned n)
{
	return TEE_IP4(10, (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n);
}

static void remembers_and_blends(void **state)
{
	struct metrics metrics;
	struct tee_ip ip = host(1);
	const struct metrics_entry *entry;

	(void)state;
	metrics_init(&metrics, &key, 64, 1000);
	assert_null(metrics_find(&metrics, &ip, 5));
	metrics_save(&metrics, &ip, 800, 100, 0, 5);
	entry = metrics_find(&metrics, &ip, 6);
	assert_non_null(entry);
	assert_int_equal(entry->srtt_ns, 800);
	assert_int_equal(entry->ssthresh_bytes, 0);
	/* Slower is believed at once, faster by an eighth. */
	metrics_save(&metrics, &ip, 1600, 100, 20000, 7);
	assert_int_equal(metrics_find(&metrics, &ip, 7)->srtt_ns, 1600);
	metrics_save(&metrics, &ip, 800, 100, 10000, 8);
	assert_int_equal(metrics_find(&metrics, &ip, 8)->srtt_ns, 1500);
	assert_int_equal(metrics_find(&metrics, &ip, 8)->ssthresh_bytes, 15000);
	metrics_fini(&metrics);
}

static void forgets_what_is_old(void **state)
{
	struct metrics metrics;
	struct tee_ip ip = host(1);

	(void)state;
	metrics_init(&metrics, &key, 64, 1000);
	metrics_save(&metrics, &ip, 800, 100, 5000, 10);
	assert_non_null(metrics_find(&metrics, &ip, 1010));
	assert_null(metrics_find(&metrics, &ip, 1011));
	/* A stale entry isn't blended with, but replaced. */
	metrics_save(&metrics, &ip, 400, 50, 0, 5000);
	assert_int_equal(metrics_find(&metrics, &ip, 5000)->srtt_ns, 400);
	assert_int_equal(metrics_find(&metrics, &ip, 5000)->ssthresh_bytes, 0);
	metrics_fini(&metrics);
}

static void is_bounded(void **state)
{
	struct metrics metrics;
	unsigned found = 0;

	(void)state;
	metrics_init(&metrics, &key, 64, 1000000);
	for (unsigned n = 0; n < 10000; n++) {
		struct tee_ip ip = host(n);

		metrics_save(&metrics, &ip, n + 1, 1, 0, n + 1);
		assert_int_equal(metrics_find(&metrics, &ip, n + 1)->srtt_ns, n + 1);
	}
	for (unsigned n = 0; n < 10000; n++) {
		struct tee_ip ip = host(n);
		const struct metrics_entry *entry = metrics_find(&metrics, &ip, 10000);

		if (entry)
			assert_int_equal(entry->srtt_ns, n + 1);
		found += entry != NULL;
	}
	assert_int_equal(found, 64);
	/* A table of no size remembers nothing and fails nowhere. */
	metrics_fini(&metrics);
	metrics_init(&metrics, &key, 0, 1000);
	metrics_save(&metrics, &TEE_IP4(10, 0, 0, 1), 1, 1, 1, 1);
	assert_null(metrics_find(&metrics, &TEE_IP4(10, 0, 0, 1), 1));
	metrics_fini(&metrics);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(remembers_and_blends),
		cmocka_unit_test(forgets_what_is_old),
		cmocka_unit_test(is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
