/* SPDX-License-Identifier: MIT */
/*
 * Byte queues against a flat model: random appends of every kind, drops, truncations and joins; and
 * frames that stay in flight and must still say what they said when they were made.
 */
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
#include "pkt/queue.h"

enum {
	MODEL_BYTES_MAX = 1 << 17,
	FLIGHTS_COUNT = 6,
	PIECE_BYTES_MAX = 9000,
};

/* A frame in flight, and what it must read as. */
struct flight {
	struct tee_frame frame;
	uint8_t *expected; /* NULL: not in flight */
	size_t len;
};

struct model {
	struct tee_pool *pool;
	struct byteq queue;
	uint8_t bytes[MODEL_BYTES_MAX];
	bool eor[MODEL_BYTES_MAX]; /* a record ends after this byte */
	size_t len;
	struct flight flights[FLIGHTS_COUNT];
	struct random random;
	unsigned externals_live;
	uint8_t *reserved; /* room given by byteq_reserve(), NULL: none */
	size_t reserved_len;
};

static size_t below(struct model *model, size_t bound)
{
	return (size_t)random_below(&model->random, bound);
}

/* Sizes from one byte to a few pages, small ones often. */
static size_t random_len(struct model *model)
{
	size_t len = 1 + (below(model, PIECE_BYTES_MAX) >> below(model, 12));

	return MIN(len, MODEL_BYTES_MAX - model->len);
}

static void model_grow(struct model *model, size_t len)
{
	memset(model->eor + model->len, 0, len);
	model->len += len;
}

static void model_shrink_front(struct model *model, size_t len)
{
	memmove(model->bytes, model->bytes + len, model->len - len);
	memmove(model->eor, model->eor + len, model->len - len);
	model->len -= len;
}

static void compare(struct model *model)
{
	static uint8_t out[MODEL_BYTES_MAX];

	byteq_check(&model->queue);
	assert_int_equal(byteq_len(&model->queue), model->len);
	byteq_peek(&model->queue, model->queue.start, out, model->len);
	assert_memory_equal(out, model->bytes, model->len);
}

/* ---- appending ---- */

static void fill_random(struct model *model, uint8_t *to, size_t len)
{
	for (size_t i = 0; i < len; i++)
		to[i] = (uint8_t)random_u64(&model->random);
}

static void step_append_copy(struct model *model)
{
	size_t len = random_len(model), taken;

	fill_random(model, model->bytes + model->len, len);
	taken = byteq_append_copy(&model->queue, model->pool, model->bytes + model->len, len,
				  (uint32_t)(64 + below(model, 4096)));
	assert_true(taken <= len);
	model_grow(model, taken);
}

static void step_reserve(struct model *model)
{
	void *room;
	size_t want = 1 + below(model, 3000), len = 0;

	if (byteq_reserve(&model->queue, model->pool, want, 2048, &room, &len) < 0)
		return;
	assert_in_range(len, 1, want);
	model->reserved = room;
	model->reserved_len = len;
}

static void step_commit(struct model *model)
{
	size_t len = below(model, model->reserved_len + 1);

	len = MIN(len, MODEL_BYTES_MAX - model->len);
	fill_random(model, model->bytes + model->len, len);
	memcpy(model->reserved, model->bytes + model->len, len);
	byteq_commit(&model->queue, len);
	model_grow(model, len);
	model->reserved = NULL;
}

/* A received packet with payload somewhere inside; sometimes in a buffer much too large for it. */
static void step_append_pkt(struct model *model)
{
	size_t len = random_len(model), slack = below(model, 3) == 0 ? 60000 : below(model, 300);
	struct tee_pkt *pkt = tee_pkt_new(model->pool, len + slack), *extra;
	size_t skip = below(model, slack + 1);
	bool is_shared = below(model, 4) == 0;

	if (!pkt)
		return;
	pkt->len = (uint32_t)(skip + len);
	fill_random(model, model->bytes + model->len, len);
	memcpy(tee_pkt_bytes(pkt) + skip, model->bytes + model->len, len);
	extra = is_shared ? tee_pkt_ref(pkt) : NULL;
	if (byteq_append_pkt(&model->queue, model->pool, pkt, (uint32_t)(pkt->off + skip),
			     (uint32_t)len) == 0)
		model_grow(model, len);
	if (extra) {
		/* whoever else holds the packet finds it as it was */
		step_append_copy(model);
		tee_pkt_release(extra);
	}
}

static void release_external(void *arg)
{
	unsigned **counter_and_memory = arg;

	(**counter_and_memory)--;
	free(counter_and_memory);
}

static void step_append_external(struct model *model)
{
	size_t len = random_len(model);
	/* the memory begins with where to count its release */
	unsigned **memory = malloc(sizeof(*memory) + len);
	struct tee_pkt *pkt;

	*memory = &model->externals_live;
	fill_random(model, model->bytes + model->len, len);
	memcpy(memory + 1, model->bytes + model->len, len);
	pkt = pkt_new_external(model->pool, memory + 1, len, release_external, memory);
	if (!pkt) {
		free(memory);
		return;
	}
	model->externals_live++;
	if (byteq_append_pkt(&model->queue, model->pool, pkt, 0, (uint32_t)len) == 0)
		model_grow(model, len);
}

static void step_join(struct model *model)
{
	struct byteq other;
	size_t len = random_len(model), taken;

	byteq_init(&other, model->queue.end);
	fill_random(model, model->bytes + model->len, len);
	taken = byteq_append_copy(&other, model->pool, model->bytes + model->len, len, 512);
	byteq_join(&model->queue, &other);
	byteq_check(&other);
	assert_int_equal(byteq_len(&other), 0);
	assert_null(other.chain);
	model_grow(model, taken);
}

/* ---- reading and dropping ---- */

static void step_mark_eor(struct model *model)
{
	byteq_mark_eor(&model->queue);
	if (model->len > 0)
		model->eor[model->len - 1] = true;
}

static void step_next_eor(struct model *model)
{
	size_t off = below(model, model->len + 1);
	size_t len = below(model, model->len - off + 1);
	size_t expected = off + len;

	for (size_t i = off + len; i-- > off;)
		if (model->eor[i])
			expected = i + 1;
	assert_int_equal(byteq_next_eor(&model->queue, model->queue.start + off, len),
			 model->queue.start + expected);
}

static void land(struct flight *flight)
{
	uint8_t *out = malloc(flight->len + 1);

	assert_int_equal(tee_frame_copy(&flight->frame, out), flight->len);
	assert_memory_equal(out, flight->expected, flight->len);
	tee_frame_release(&flight->frame);
	free(out);
	free(flight->expected);
	flight->expected = NULL;
}

static void step_fly(struct model *model)
{
	struct flight *flight = &model->flights[below(model, FLIGHTS_COUNT)];
	size_t off = below(model, model->len + 1);
	size_t len = below(model, model->len - off + 1);
	size_t done;

	if (flight->expected)
		land(flight);
	frame_init(&flight->frame);
	done = byteq_frame_slices(&model->queue, model->queue.start + off, len, &flight->frame);
	assert_true(done == len || flight->frame.slice_count == TEE_FRAME_SLICES);
	assert_int_equal(flight->frame.len, done);
	flight->len = done;
	flight->expected = malloc(done + 1);
	memcpy(flight->expected, model->bytes + off, done);
}

static void step_view(struct model *model)
{
	struct tee_slice slices[5];
	unsigned count = byteq_view(&model->queue, slices, 5);
	size_t off = 0;

	for (unsigned i = 0; i < count; i++) {
		assert_true(slices[i].len > 0);
		assert_memory_equal(slices[i].ptr, model->bytes + off, slices[i].len);
		off += slices[i].len;
	}
	assert_true(count == 5 || off == model->len);
}

static void step_drop(struct model *model)
{
	size_t len = below(model, 3) == 0 ? model->len : below(model, model->len + 1);
	uint64_t end = model->queue.end;

	byteq_drop_to(&model->queue, model->queue.start + len);
	model_shrink_front(model, len);
	assert_int_equal(model->queue.end, end);
	if (model->len == 0 && !(model->queue.chain && model->queue.chain->reserved > 0))
		assert_int_equal(byteq_memory(&model->queue), 0);
}

/* Copied out and dropped at once, reserved room or not. */
static void step_read(struct model *model)
{
	static uint8_t out[MODEL_BYTES_MAX];
	size_t len = below(model, 3) == 0 ? model->len : below(model, model->len + 1);
	uint64_t end = model->queue.end;

	byteq_read(&model->queue, out, len);
	assert_memory_equal(out, model->bytes, len);
	model_shrink_front(model, len);
	assert_int_equal(model->queue.end, end);
}

static void step_truncate(struct model *model)
{
	size_t len = below(model, model->len + 1);

	byteq_truncate(&model->queue, model->queue.start + len);
	model->len = len;
	model->reserved = NULL;
}

/* Calls that append forget a reservation; those that read or drop do not. */
static void random_step(struct model *model)
{
	if (model->reserved && below(model, 2)) {
		step_commit(model);
		return;
	}
	switch (below(model, 14)) {
	case 0: step_fly(model); return;
	case 1: step_view(model); return;
	case 2: step_next_eor(model); return;
	case 3: step_drop(model); return;
	case 4: step_read(model); return;
	case 5:
		if (below(model, 4) == 0)
			step_truncate(model);
		return;
	default: break;
	}
	model->reserved = NULL;
	if (model->len == MODEL_BYTES_MAX)
		return;
	switch (below(model, 9)) {
	case 0: step_append_external(model); break;
	case 1: step_join(model); break;
	case 2: step_mark_eor(model); break;
	case 3:
	case 4: step_append_pkt(model); break;
	case 5: step_reserve(model); break;
	default: step_append_copy(model); break;
	}
}

static void run_model(uint64_t seed, size_t pool_bytes_max)
{
	struct model *model = calloc(1, sizeof(*model));

	random_init(&model->random, seed);
	model->pool = tee_pool_new(pool_bytes_max);
	/* offsets that cross 2^32, where a wire number would wrap */
	byteq_init(&model->queue, UINT32_MAX - UINT64_C(50000));
	for (unsigned step = 0; step < 6000; step++) {
		random_step(model);
		if (step % 8 == 0)
			compare(model);
		assert_true(pool_bytes_max == 0 ||
			    tee_pool_bytes_used(model->pool) <= pool_bytes_max);
	}
	compare(model);
	byteq_clear(&model->queue);
	assert_int_equal(byteq_memory(&model->queue), 0);
	for (unsigned i = 0; i < FLIGHTS_COUNT; i++)
		if (model->flights[i].expected)
			land(&model->flights[i]);
	assert_int_equal(tee_pool_bytes_used(model->pool), 0);
	assert_int_equal(model->externals_live, 0);
	tee_pool_free(model->pool);
	free(model);
}

static void test_random_operations(void **state)
{
	for (uint64_t seed = 1; seed <= 20; seed++)
		run_model(seed, 0);
}

/* With so little memory most allocations fail sooner or later, in the middle of everything. */
static void test_random_operations_without_memory(void **state)
{
	for (uint64_t seed = 1; seed <= 20; seed++)
		run_model(seed, 1000 + 9000 * seed);
}

/* ---- single properties ---- */

static void test_small_writes_share_a_buffer(void **state)
{
	struct tee_pool *pool = tee_pool_new(0);
	struct byteq queue;

	byteq_init(&queue, 0);
	for (unsigned i = 0; i < 1000; i++)
		assert_int_equal(byteq_append_copy(&queue, pool, "x", 1, 2048), 1);
	assert_ptr_equal(queue.chain->head, queue.chain->tail);
	byteq_clear(&queue);
	tee_pool_free(pool);
}

/* A frame in flight holds the buffer; what is written meanwhile still goes behind it in the same one. */
static void test_a_chunk_in_flight_is_filled_further(void **state)
{
	struct tee_pool *pool = tee_pool_new(0);
	struct tee_frame frame;
	struct byteq queue;

	byteq_init(&queue, 0);
	frame_init(&frame);
	byteq_append_copy(&queue, pool, "one", 3, 2048);
	assert_int_equal(byteq_frame_slices(&queue, 0, 3, &frame), 3);
	byteq_append_copy(&queue, pool, "two", 3, 2048);
	assert_ptr_equal(queue.chain->head, queue.chain->tail);
	assert_int_equal(frame.slices[0].len, 3);
	tee_frame_release(&frame);
	byteq_clear(&queue);
	tee_pool_free(pool);
}

/* A byte a packet, each in a 64 KiB buffer: memory must stay near the bytes' own size. */
static void test_a_byte_a_packet_holds_no_buffer_each(void **state)
{
	struct tee_pool *pool = tee_pool_new(0);
	struct byteq queue;

	byteq_init(&queue, 0);
	for (unsigned i = 0; i < 1000; i++) {
		struct tee_pkt *pkt = tee_pkt_new(pool, 65536);

		*tee_pkt_bytes(pkt) = (uint8_t)i;
		pkt->len = 1;
		assert_int_equal(byteq_append_pkt(&queue, pool, pkt, pkt->off, 1), 0);
	}
	assert_int_equal(byteq_len(&queue), 1000);
	assert_true(byteq_memory(&queue) < 8192);
	assert_true(tee_pool_bytes_used(pool) < 16384);
	byteq_clear(&queue);
	tee_pool_free(pool);
}

static void test_a_full_packet_is_not_copied(void **state)
{
	struct tee_pool *pool = tee_pool_new(0);
	struct tee_pkt *pkt = tee_pkt_new(pool, 1514);
	struct tee_slice slice;
	struct byteq queue;

	byteq_init(&queue, 0);
	memset(tee_pkt_bytes(pkt), 7, 1514);
	pkt->len = 1514;
	assert_int_equal(byteq_append_pkt(&queue, pool, pkt, pkt->off + 54, 1460), 0);
	assert_int_equal(byteq_view(&queue, &slice, 1), 1);
	assert_ptr_equal(slice.ptr, tee_pkt_bytes(pkt) + 54);
	byteq_clear(&queue);
	tee_pool_free(pool);
}

static void test_reserved_room_survives_acknowledgement(void **state)
{
	struct tee_pool *pool = tee_pool_new(0);
	struct byteq queue;
	char out[9];
	void *room;
	size_t len;

	byteq_init(&queue, 0);
	byteq_append_copy(&queue, pool, "sent", 4, 2048);
	assert_int_equal(byteq_reserve(&queue, pool, 9, 2048, &room, &len), 0);
	byteq_drop_to(&queue, 4); /* all of it was acknowledged */
	byteq_check(&queue);
	assert_int_equal(byteq_reserved(&queue), 9);
	memcpy(room, "teeceepee", 9);
	byteq_commit(&queue, 9);
	assert_int_equal(byteq_reserved(&queue), 0);
	byteq_peek(&queue, 4, out, 9);
	assert_memory_equal(out, "teeceepee", 9);
	byteq_clear(&queue);
	tee_pool_free(pool);
}

static void test_packet_queue(void **state)
{
	struct tee_pool *pool = tee_pool_new(0);
	struct tee_pkt *pkts[3];
	struct pktq queue;

	pktq_init(&queue);
	assert_null(pktq_pop(&queue));
	for (unsigned i = 0; i < 3; i++) {
		pkts[i] = tee_pkt_new(pool, 100);
		pkts[i]->len = i + 1;
		pktq_push(&queue, pkts[i]);
	}
	assert_int_equal(queue.count, 3);
	assert_int_equal(queue.bytes, 6);
	assert_ptr_equal(pktq_pop(&queue), pkts[0]);
	tee_pkt_release(pkts[0]);
	assert_int_equal(queue.bytes, 5);
	pktq_clear(&queue);
	assert_int_equal(queue.count, 0);
	assert_int_equal(queue.bytes, 0);
	pktq_push(&queue, tee_pkt_new(pool, 1));
	pktq_clear(&queue);
	assert_int_equal(tee_pool_bytes_used(pool), 0);
	tee_pool_free(pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_operations),
		cmocka_unit_test(test_random_operations_without_memory),
		cmocka_unit_test(test_small_writes_share_a_buffer),
		cmocka_unit_test(test_a_chunk_in_flight_is_filled_further),
		cmocka_unit_test(test_a_byte_a_packet_holds_no_buffer_each),
		cmocka_unit_test(test_a_full_packet_is_not_copied),
		cmocka_unit_test(test_reserved_room_survives_acknowledgement),
		cmocka_unit_test(test_packet_queue),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
