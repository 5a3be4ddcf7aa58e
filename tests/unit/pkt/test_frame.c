/* SPDX-License-Identifier: MIT */
/* Frames: headers in front, copies, the way to a packet and back, checksums over slices. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "base/check.h"
#include "base/random.h"
#include "pkt/frame.h"
#include "wire/checksum.h"

/* A frame with a header of 20 bytes and the payload in slices of the given lengths. */
static void make_frame(struct tee_frame *frame, struct tee_pool *pool, const uint32_t *lens,
		       unsigned count)
{
	uint8_t value = 0;

	frame_init(frame);
	for (unsigned i = 0; i < count; i++) {
		struct tee_pkt *pkt = tee_pkt_new(pool, lens[i]);

		pkt->len = lens[i];
		for (uint32_t k = 0; k < lens[i]; k++)
			tee_pkt_bytes(pkt)[k] = (uint8_t)(value += 7);
		frame->slices[i] = (struct tee_slice){tee_pkt_bytes(pkt), lens[i]};
		frame->holds[i] = pkt;
		frame->slice_count++;
		frame->len += lens[i];
	}
	memset(frame_push(frame, 20), 0x20, 20);
}

static void test_headers_grow_to_the_front(void **state)
{
	struct tee_frame frame;
	uint8_t out[4];

	frame_init(&frame);
	assert_int_equal(frame.len, 0);
	memcpy(frame_push(&frame, 2), "in", 2);
	memcpy(frame_push(&frame, 1), "-", 1);
	*frame_push(&frame, 1) = '>';
	assert_int_equal(frame.len, 4);
	assert_int_equal(frame.head_len, 4);
	assert_int_equal(tee_frame_copy(&frame, out), 4);
	assert_memory_equal(out, ">-in", 4);
	/* all of the space is usable */
	frame_push(&frame, TEE_FRAME_HEAD_SIZE - 4);
	assert_int_equal(frame.head_off, 0);
}

static void test_checksum_over_odd_slices(void **state)
{
	static const uint32_t lens[][4] = {{1, 1, 1, 1}, {3, 5, 7, 9},         {1460, 1, 0, 2},
					   {0, 0, 0, 0}, {255, 256, 257, 300}, {2, 2, 3, 1}};
	struct tee_pool *pool = tee_pool_new(0);
	uint8_t out[2048];

	for (unsigned i = 0; i < ARRAY_LEN(lens); i++) {
		struct tee_frame frame;
		size_t len;

		make_frame(&frame, pool, lens[i], 4);
		len = tee_frame_copy(&frame, out);
		assert_int_equal(checksum_fold(frame_checksum_payload(&frame)),
				 checksum_fold(checksum_add(0, out + 20, len - 20)));
		tee_frame_release(&frame);
	}
	assert_int_equal(tee_pool_bytes_used(pool), 0);
	tee_pool_free(pool);
}

static void test_to_packet_and_back(void **state)
{
	static const uint32_t lens[] = {1000, 333, 77};
	struct tee_pool *pool = tee_pool_new(0);
	struct tee_frame frame, again;
	uint8_t before[2048], after[2048];
	struct tee_pkt *pkt;

	make_frame(&frame, pool, lens, 3);
	frame.gso_size = 1460;
	frame.gso_type = TEE_GSO_TCP4;
	frame.checksum_partial = true;
	frame.csum_start = 20;
	frame.csum_offset = 16;
	frame.l3_off = 0;
	frame.why = 9;
	frame.depart_at_ns = 777;
	assert_int_equal(tee_frame_copy(&frame, before), frame.len);
	pkt = frame_to_pkt(&frame, pool);
	assert_int_equal(pkt->len, frame.len);
	assert_int_equal(pkt->checksum_state, TEE_CHECKSUM_PARTIAL);
	tee_frame_release(&frame);

	/* a link-layer header goes in front while it waits */
	memset(pkt_push(pkt, 14), 0xee, 14);
	frame_from_pkt(&again, pkt);
	assert_int_equal(again.len, 20 + 1410 + 14);
	assert_int_equal(again.gso_size, 1460);
	assert_int_equal(again.gso_type, TEE_GSO_TCP4);
	assert_true(again.checksum_partial);
	assert_int_equal(again.csum_start, 20 + 14);
	assert_int_equal(again.csum_offset, 16);
	assert_int_equal(again.l3_off, 14);
	assert_int_equal(again.why, 9);
	assert_int_equal(again.depart_at_ns, 777);
	tee_frame_copy(&again, after);
	assert_int_equal(after[0], 0xee);
	assert_memory_equal(after + 14, before, 20 + 1410);
	tee_frame_release(&again);
	assert_int_equal(tee_pool_bytes_used(pool), 0);
	tee_pool_free(pool);
}

static void test_a_plain_packet_as_a_frame(void **state)
{
	struct tee_pool *pool = tee_pool_new(0);
	struct tee_pkt *pkt = tee_pkt_new(pool, 100);
	struct tee_frame frame;

	memcpy(pkt_push(pkt, 4), "head", 4);
	pkt->scratch[2] = pkt->scratch[3] = UINT64_MAX; /* a queue's, not a frame's */
	frame_from_pkt(&frame, pkt);
	assert_int_equal(frame.len, 4);
	assert_int_equal(frame.head_len, 0);
	assert_false(frame.checksum_partial);
	assert_int_equal(frame.depart_at_ns, 0);
	tee_frame_release(&frame);
	assert_int_equal(frame.slice_count, 0);
	tee_frame_release(&frame); /* nothing is held any more */
	assert_int_equal(tee_pool_bytes_used(pool), 0);
	tee_pool_free(pool);
}

static void test_no_memory_for_a_copy(void **state)
{
	static const uint32_t lens[] = {1000};
	struct tee_pool *pool = tee_pool_new(2000);
	struct tee_frame frame;

	make_frame(&frame, pool, lens, 1);
	assert_null(frame_to_pkt(&frame, pool));
	tee_frame_release(&frame);
	tee_pool_free(pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_headers_grow_to_the_front),
		cmocka_unit_test(test_checksum_over_odd_slices),
		cmocka_unit_test(test_to_packet_and_back),
		cmocka_unit_test(test_a_plain_packet_as_a_frame),
		cmocka_unit_test(test_no_memory_for_a_copy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
