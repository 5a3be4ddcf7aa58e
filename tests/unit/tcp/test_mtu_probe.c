/* SPDX-License-Identifier: MIT */
/* The search for the path's segment size (RFC 4821 7, RFC 8899 5.1.2), over paths of many widths. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "base/check.h"
#include "tcp/mtu_probe.h"

#define INTERVAL_NS UINT64_C(600000000000)

static const struct {
	const char *name;
	uint32_t low, most, room, path, threshold;
	uint32_t found_min; /* what the search must reach; it never goes beyond `path` */
	unsigned probes_max;
} searches[] = {
	{"a path like its first link: one probe", 1024, 1460, 60000, 1460, 8, 1460, 1},
	{"wider than the link", 1024, 1460, 60000, 9000, 8, 1460, 1},
	{"a tunnel", 1024, 1460, 60000, 1400, 8, 1393, 20},
	{"just below", 1024, 1460, 60000, 1459, 8, 1452, 20},
	{"nothing above the base", 1024, 1460, 60000, 1024, 8, 1024, 26},
	{"a jumbo link behind which is none", 1024, 8960, 60000, 1460, 8, 1453, 36},
	{"jumbo all along", 1024, 8960, 60000, 8960, 8, 8960, 1},
	{"jumbo, and a small window: by steps", 1024, 8960, 5000, 8960, 8, 4900, 8},
	{"coarse", 1024, 8960, 60000, 4000, 512, 3400, 16},
	{"no gain worth a probe", 1456, 1460, 60000, 1460, 8, 1456, 0},
	{"no room", 1024, 1460, 1024, 1460, 8, 1024, 0},
	{"the peer takes less than the base", 1024, 536, 60000, 1460, 8, 1024, 0},
};

static struct mtu_probe_limits limits_of(size_t i, uint64_t now_ns)
{
	return (struct mtu_probe_limits){
		.most = searches[i].most,
		.room = searches[i].room,
		.threshold = searches[i].threshold,
		.interval_ns = INTERVAL_NS,
		.now_ns = now_ns,
	};
}

/* Until nothing more is tried; returns how many probes it took. */
static unsigned search(struct mtu_probe *probe, const struct mtu_probe_limits *limits,
		       uint32_t path)
{
	uint64_t at = UINT32_MAX - 700;
	unsigned count = 0;
	uint32_t size;

	while ((size = mtu_probe_next(probe, limits)) != 0) {
		uint32_t low = probe->low;

		assert_true(size > low && size <= limits->most && size <= limits->room);
		assert_true(!probe->high || size <= probe->high);
		mtu_probe_sent(probe, at, at + size);
		assert_int_equal(mtu_probe_next(probe, limits), 0); /* one at a time */
		if (size <= path) {
			mtu_probe_passed(probe);
			assert_int_equal(probe->low, size);
		} else {
			mtu_probe_failed(probe);
			assert_int_equal(mtu_probe_next(probe, limits), 0); /* being mended */
			mtu_probe_mended(probe);
			assert_int_equal(probe->low, low);
		}
		at += size;
		assert_true(++count < 100);
	}
	return count;
}

static void test_search(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(searches) / sizeof(searches[0]); i++) {
		struct mtu_probe_limits limits = limits_of(i, 1);
		struct mtu_probe probe;
		unsigned count;

		mtu_probe_start(&probe, searches[i].low);
		count = search(&probe, &limits, searches[i].path);
		if (count > searches[i].probes_max || probe.low < searches[i].found_min ||
		    (count && probe.low > searches[i].path))
			fail_msg("%s: %u after %u probes", searches[i].name, probe.low, count);
	}
}

/* One loss may have any reason; the third of a size in a row is the path's word. */
static void test_tries(void **state)
{
	struct mtu_probe_limits limits = limits_of(0, 1);
	struct mtu_probe probe;

	(void)state;
	mtu_probe_start(&probe, 1024);
	for (unsigned i = 0; i < MTU_PROBE_TRIES; i++) {
		assert_int_equal(mtu_probe_next(&probe, &limits), 1460);
		mtu_probe_sent(&probe, 5, 1465);
		mtu_probe_failed(&probe);
		mtu_probe_mended(&probe);
	}
	assert_int_equal(probe.high, 1459);
	/* Another size begins to count anew, and what is unknown counts for nothing. */
	for (unsigned i = 0; i < MTU_PROBE_TRIES - 1; i++) {
		mtu_probe_sent(&probe, 5, 5 + 1242);
		mtu_probe_failed(&probe);
		mtu_probe_mended(&probe);
	}
	for (unsigned i = 0; i < 2 * MTU_PROBE_TRIES; i++) {
		assert_int_equal(mtu_probe_next(&probe, &limits), 1242);
		mtu_probe_sent(&probe, 5, 5 + 1242);
		mtu_probe_unknown(&probe);
	}
	mtu_probe_sent(&probe, 5, 5 + 1242);
	mtu_probe_passed(&probe);
	assert_int_equal(probe.low, 1242);
	assert_int_equal(probe.high, 1459);
}

static void test_again_after_a_while(void **state)
{
	struct mtu_probe_limits limits = limits_of(2, 1);
	struct mtu_probe probe;
	uint32_t found;

	(void)state;
	mtu_probe_start(&probe, 1024);
	search(&probe, &limits, 1400);
	found = probe.low;
	limits.now_ns = INTERVAL_NS;
	assert_int_equal(mtu_probe_next(&probe, &limits), 0);
	limits.now_ns = INTERVAL_NS + 1;
	assert_int_equal(mtu_probe_next(&probe, &limits), 1460);
	/* The path is as it was: the size in use does not suffer, and the next rest is as long. */
	search(&probe, &limits, 1400);
	assert_true(probe.low >= found && probe.low <= 1400);
	limits.now_ns = 2 * INTERVAL_NS;
	assert_int_equal(mtu_probe_next(&probe, &limits), 0);
	/* It has become wider. */
	limits.now_ns = 2 * INTERVAL_NS + 1;
	assert_int_equal(search(&probe, &limits, 1460), 1);
	assert_int_equal(probe.low, 1460);
	/* Without an interval it rests for ever. */
	mtu_probe_start(&probe, 1024);
	limits.interval_ns = 0;
	search(&probe, &limits, 1400);
	limits.now_ns = UINT64_MAX;
	assert_int_equal(mtu_probe_next(&probe, &limits), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_search),
		cmocka_unit_test(test_tries),
		cmocka_unit_test(test_again_after_a_while),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
