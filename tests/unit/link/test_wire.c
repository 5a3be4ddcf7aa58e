/* SPDX-License-Identifier: MIT */
/* The simulated wire: in order, whole, bounded, and with two ends that may leave. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <teeceepee/link.h>
#include "frames.h"

static uint8_t bytes[FRAME_MAX];
static struct tee_frame frames[8];
static struct tee_pkt *pkts[64];

static void frames_arrive_as_they_left(void **state)
{
	struct tee_link *ends[2];
	struct tee_pool *pool = tee_pool_new(0);
	struct frame_spec spec = {.version = 4, .flags = 16, .payload = 30000, .partial = 1};
	size_t len = make_frame(bytes, &spec);

	assert_int_equal(tee_link_wire_pair(1500, TEE_OFFLOAD_TSO4, ends), 0);
	assert_memory_not_equal(&ends[0]->info.mac, &ends[1]->info.mac, 6);
	assert_int_equal(ends[0]->info.offloads, TEE_OFFLOAD_TSO4);
	assert_true(ends[0]->info.virtual_time);
	assert_int_equal(ends[1]->ops->deadline(ends[1]), TEE_NEVER);

	/* One before the receiver has shown its pool, one after. */
	for (unsigned round = 0; round < 2; round++) {
		frame_as_stack(&frames[0], bytes, len, 54);
		frames[0].gso_size = 1460;
		frames[0].gso_type = TEE_GSO_TCP4;
		frames[0].checksum_partial = true;
		frame_of_bytes(&frames[1], bytes, 60);
		assert_int_equal(ends[0]->ops->send(ends[0], frames, 2, 5), 2);
		assert_int_equal(ends[1]->ops->deadline(ends[1]), 0);
		assert_int_equal(ends[0]->ops->deadline(ends[0]), TEE_NEVER);

		assert_int_equal(ends[1]->ops->recv(ends[1], pool, pkts, 64, 7), 2);
		assert_int_equal(pkts[0]->len, len);
		assert_memory_equal(tee_pkt_bytes(pkts[0]), bytes, len);
		assert_int_equal(pkts[0]->gso_size, 1460);
		assert_int_equal(pkts[0]->gso_type, TEE_GSO_TCP4);
		assert_int_equal(pkts[0]->checksum_state, TEE_CHECKSUM_PARTIAL);
		assert_int_equal(pkts[0]->at_ns, 7);
		assert_int_equal(pkts[1]->len, 60);
		assert_int_equal(pkts[1]->checksum_state, TEE_CHECKSUM_UNKNOWN);
		assert_int_equal(tee_pool_bytes_used(pool) > 0, round == 1);
		tee_pkt_release(pkts[0]);
		tee_pkt_release(pkts[1]);
		assert_int_equal(tee_pool_bytes_used(pool), 0);
	}
	tee_link_close(ends[0]);
	tee_link_close(ends[1]);
	tee_pool_free(pool);
}

static void a_full_wire_takes_no_more(void **state)
{
	struct tee_link *ends[2];
	struct tee_pool *pool = tee_pool_new(0);
	unsigned sent = 0, received = 0, n;

	assert_int_equal(tee_link_wire_pair(65535, 0, ends), 0);
	frame_of_bytes(&frames[0], bytes, 60000);
	while (ends[0]->ops->send(ends[0], frames, 1, 0) == 1)
		assert_true(++sent < 1000);
	assert_true(sent * 60000ull >= 16u << 20);
	while ((n = (unsigned)ends[1]->ops->recv(ends[1], pool, pkts, 64, 0)) > 0) {
		received += n;
		while (n > 0)
			tee_pkt_release(pkts[--n]);
	}
	assert_int_equal(received, sent);
	assert_int_equal(ends[0]->ops->send(ends[0], frames, 1, 0), 1);
	tee_link_close(ends[1]);
	tee_link_close(ends[0]);
	tee_pool_free(pool);
}

static void a_pool_without_memory_loses_frames(void **state)
{
	struct tee_link *ends[2];
	struct tee_pool *pool = tee_pool_new(20000);
	const char *name;
	uint64_t value;

	assert_int_equal(tee_link_wire_pair(1500, 0, ends), 0);
	assert_int_equal(ends[1]->ops->recv(ends[1], pool, pkts, 64, 0), 0);
	frame_of_bytes(&frames[0], bytes, 10000);
	frames[2] = frames[1] = frames[0];
	assert_int_equal(ends[0]->ops->send(ends[0], frames, 3, 0), 3);
	assert_int_equal(ends[1]->ops->recv(ends[1], pool, pkts, 64, 0), 1);
	tee_pkt_release(pkts[0]);
	for (unsigned i = 0; ends[1]->ops->counter(ends[1], i, &name, &value); i++)
		if (!strcmp(name, "wire.rx_no_memory"))
			assert_int_equal(value, 2);
	tee_link_close(ends[0]);
	tee_link_close(ends[1]);
	tee_pool_free(pool);
}

static void a_closed_end_is_noticed(void **state)
{
	struct tee_link *ends[2];
	struct tee_pool *pool = tee_pool_new(0);

	assert_int_equal(tee_link_wire_pair(1500, 0, ends), 0);
	frame_of_bytes(&frames[0], bytes, 100);
	assert_int_equal(ends[0]->ops->send(ends[0], frames, 1, 0), 1);
	tee_link_close(ends[0]);
	/* What was sent before is still received. */
	assert_int_equal(ends[1]->ops->deadline(ends[1]), 0);
	assert_int_equal(ends[1]->ops->recv(ends[1], pool, pkts, 64, 0), 1);
	tee_pkt_release(pkts[0]);
	assert_int_equal(ends[1]->ops->recv(ends[1], pool, pkts, 64, 0), -TEE_ENODEV);
	assert_int_equal(ends[1]->ops->send(ends[1], frames, 1, 0), -TEE_ENODEV);
	tee_link_close(ends[1]);
	tee_pool_free(pool);
}

static void impossible_mtus_are_refused(void **state)
{
	struct tee_link *ends[2];

	assert_int_equal(tee_link_wire_pair(67, 0, ends), -TEE_EINVAL);
	assert_int_equal(tee_link_wire_pair(65536, 0, ends), -TEE_EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_arrive_as_they_left),
		cmocka_unit_test(a_full_wire_takes_no_more),
		cmocka_unit_test(a_pool_without_memory_loses_frames),
		cmocka_unit_test(a_closed_end_is_noticed),
		cmocka_unit_test(impossible_mtus_are_refused),
	};
	return cmocka_run_group_tests_name("link/wire", tests, NULL, NULL);
}
