/* SPDX-License-Identifier: MIT */
/* The buffer pool: bounds, accounting, reuse, and its life beyond tee_pool_free(). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <teeceepee/packet.h>
#include "base/check.h"
#include "pkt/queue.h"

static void test_every_size(void **state)
{
	struct tee_pool *pool = tee_pool_new(0);

	for (size_t capacity = 0; capacity < 70000; capacity += capacity < 300 ? 1 : 97) {
		struct tee_pkt *pkt = tee_pkt_new(pool, capacity);

		assert_int_equal(pkt->off, TEE_PKT_HEADROOM);
		assert_int_equal(pkt->len, 0);
		assert_int_equal(pkt->ref_count, 1);
		assert_ptr_equal(pkt->pool, pool);
		assert_true(pkt->capacity >= TEE_PKT_HEADROOM + capacity);
		/* all of it may be written (a sanitizer looks) */
		memset(pkt->data, 0xaa, pkt->capacity);
		assert_true(tee_pool_bytes_used(pool) >= pkt->capacity);
		tee_pkt_release(pkt);
		assert_int_equal(tee_pool_bytes_used(pool), 0);
	}
	tee_pool_free(pool);
}

static void test_bound(void **state)
{
	struct tee_pool *pool = tee_pool_new(10000);
	struct tee_pkt *pkts[32];
	unsigned count = 0;

	while (count < 32 && (pkts[count] = tee_pkt_new(pool, 1500)))
		count++;
	assert_in_range(count, 4, 6);
	assert_true(tee_pool_bytes_used(pool) <= 10000);
	assert_null(tee_pkt_new(pool, 1500));
	assert_null(tee_pkt_new(pool, 1 << 20));
	tee_pkt_release(pkts[--count]);
	assert_non_null(pkts[count] = tee_pkt_new(pool, 1500));
	count++;
	while (count > 0)
		tee_pkt_release(pkts[--count]);
	assert_int_equal(tee_pool_bytes_used(pool), 0);
	tee_pool_free(pool);
}

static void test_a_reused_buffer_is_as_new(void **state)
{
	struct tee_pool *pool = tee_pool_new(0);
	struct tee_pkt *pkt = tee_pkt_new(pool, 1500), *again;

	pkt->off = 3;
	pkt->len = 99;
	pkt->gso_size = 1460;
	pkt->gso_type = TEE_GSO_TCP4;
	pkt->checksum_state = TEE_CHECKSUM_VERIFIED;
	pkt->netif = 2;
	pkt->flags = 0xff;
	pkt->at_ns = 12345;
	pkt->scratch[3] = 1;
	tee_pkt_release(pkt);
	again = tee_pkt_new(pool, 1500);
	assert_ptr_equal(again, pkt); /* from the free list */
	assert_int_equal(again->off, TEE_PKT_HEADROOM);
	assert_int_equal(again->len, 0);
	assert_int_equal(again->gso_size, 0);
	assert_int_equal(again->gso_type, TEE_GSO_NONE);
	assert_int_equal(again->checksum_state, TEE_CHECKSUM_UNKNOWN);
	assert_int_equal(again->netif, 0);
	assert_int_equal(again->flags, 0);
	assert_int_equal(again->at_ns, 0);
	assert_int_equal(again->scratch[3], 0);
	assert_null(again->next);
	tee_pkt_release(again);
	tee_pool_free(pool);
}

static void test_references(void **state)
{
	struct tee_pool *pool = tee_pool_new(0);
	struct tee_pkt *pkt = tee_pkt_new(pool, 10);

	assert_ptr_equal(tee_pkt_ref(pkt), pkt);
	assert_ptr_equal(tee_pkt_ref(pkt), pkt);
	tee_pkt_release(pkt);
	tee_pkt_release(pkt);
	assert_true(tee_pool_bytes_used(pool) > 0);
	tee_pkt_release(pkt);
	assert_int_equal(tee_pool_bytes_used(pool), 0);
	tee_pkt_release(NULL);
	tee_pool_free(pool);
	tee_pool_free(NULL);
}

/* Leak checkers see whether the pool went with its last buffer. */
static void test_pool_outlives_its_stack(void **state)
{
	struct tee_pool *pool = tee_pool_new(0);
	struct tee_pkt *a = tee_pkt_new(pool, 10), *b = tee_pkt_new(pool, 100000);

	tee_pool_free(pool);
	memset(a->data, 1, a->capacity);
	tee_pkt_release(a);
	memset(b->data, 1, b->capacity);
	tee_pkt_release(b);
}

static void test_idle_memory_is_bounded(void **state)
{
	enum { COUNT = 1024 };
	struct tee_pool *pool = tee_pool_new(0);
	struct tee_pkt **pkts = calloc(COUNT, sizeof(*pkts));

	/* 64 MiB live, then all given back twice over: what is kept must serve again */
	for (unsigned round = 0; round < 2; round++) {
		for (unsigned i = 0; i < COUNT; i++)
			assert_non_null(pkts[i] = tee_pkt_new(pool, 65536));
		for (unsigned i = 0; i < COUNT; i++)
			tee_pkt_release(pkts[i]);
		assert_int_equal(tee_pool_bytes_used(pool), 0);
	}
	free(pkts);
	tee_pool_free(pool);
}

static void count_release(void *arg)
{
	++*(unsigned *)arg;
}

static void test_external_memory(void **state)
{
	static const char text[] = "the application's";
	struct tee_pool *pool = tee_pool_new(0);
	unsigned released_count = 0;
	struct tee_pkt *pkt =
		pkt_new_external(pool, text, sizeof(text), count_release, &released_count);

	assert_ptr_equal(tee_pkt_bytes(pkt), text);
	assert_int_equal(pkt->len, sizeof(text));
	tee_pkt_ref(pkt);
	tee_pkt_release(pkt);
	assert_int_equal(released_count, 0);
	tee_pkt_release(pkt);
	assert_int_equal(released_count, 1);
	pkt = pkt_new_external(pool, text, sizeof(text), NULL, NULL);
	tee_pkt_release(pkt);
	assert_int_equal(tee_pool_bytes_used(pool), 0);
	tee_pool_free(pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_size),
		cmocka_unit_test(test_bound),
		cmocka_unit_test(test_a_reused_buffer_is_as_new),
		cmocka_unit_test(test_references),
		cmocka_unit_test(test_pool_outlives_its_stack),
		cmocka_unit_test(test_idle_memory_is_bounded),
		cmocka_unit_test(test_external_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
