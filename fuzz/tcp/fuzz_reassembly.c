/* SPDX-License-Identifier: MIT */
/*
 * Reassembly beside a flat model: an array with a cell for each byte of the window, which holds the
 * value that came first. The input is a program of segments (position, length, contents by number) and
 * takes. What reaches the queue must be the first-come bytes, in order; sums, ranges, duplicates and SACK
 * blocks must be what the array says.
 */
#include <stdlib.h>
#include <string.h>
#include <teeceepee/packet.h>
#include "base/check.h"
#include "tcp/reassembly.h"

enum { WINDOW = 1600, OPS_MAX = 300, RANGES_MAX = 24, BYTES_MAX = 1200, LEN_MAX = 100 };
#define START (UINT64_C(0xffffffff) - 400)

struct input {
	const uint8_t *data;
	size_t left;
};

struct world {
	struct reassembly ooo;
	struct byteq queue;
	struct tee_pool *pool;
	/* cell[i] stands for offset nxt + i; -1: not here */
	int16_t cell[WINDOW + 1];
	uint64_t nxt;
	uint8_t serial;
};

static unsigned take(struct input *in)
{
	if (in->left == 0)
		return 0;
	in->left--;
	return *in->data++;
}

static bool is_held(const struct world *w, int at)
{
	return at >= 0 && at < WINDOW && w->cell[at] >= 0;
}

static uint64_t held_bytes(const struct world *w)
{
	uint64_t bytes = 0;

	for (int i = 0; i < WINDOW; i++)
		bytes += is_held(w, i);
	return bytes;
}

static uint32_t range_count(const struct world *w)
{
	uint32_t count = 0;

	for (int i = 0; i < WINDOW; i++)
		count += is_held(w, i) && !is_held(w, i - 1);
	return count;
}

static void check_range(const struct world *w, uint64_t start, uint64_t end)
{
	int from = (int)(start - w->nxt), to = (int)(end - w->nxt);

	CHECK(from < to && !is_held(w, from - 1) && !is_held(w, to));
	for (int i = from; i < to; i++)
		CHECK(is_held(w, i));
}

static void check_blocks(const struct world *w)
{
	uint64_t blocks[RANGES_MAX][2];
	unsigned count = reassembly_sack_blocks(&w->ooo, blocks, RANGES_MAX);

	CHECK(count == range_count(w));
	for (unsigned i = 0; i < count; i++) {
		check_range(w, blocks[i][0], blocks[i][1]);
		for (unsigned j = 0; j < i; j++)
			CHECK(blocks[i][0] != blocks[j][0]);
	}
}

static struct tee_pkt *make_pkt(struct world *w, uint32_t len)
{
	struct tee_pkt *pkt = tee_pkt_new(w->pool, len);

	CHECK(pkt);
	pkt->len = len;
	for (uint32_t i = 0; i < len; i++)
		tee_pkt_bytes(pkt)[i] = (uint8_t)(w->serial * 31 + i);
	w->serial++;
	return pkt;
}

static void check_result(const struct world *w, const struct reassembly_result *result, int at,
			 uint32_t len, const int16_t *before)
{
	int first = -1, last = -1;

	for (int i = at; i < at + (int)len; i++) {
		if (before[i] >= 0 && first < 0)
			first = i;
		if (before[i] >= 0 && first >= 0 && (last < 0 || last == i - 1))
			last = i;
	}
	CHECK(result->is_duplicate == (first >= 0));
	if (first >= 0)
		CHECK(result->dup_start == w->nxt + (uint64_t)first &&
		      result->dup_end == w->nxt + (uint64_t)last + 1);
	check_range(w, result->range_start, result->range_end);
	CHECK(result->range_start <= w->nxt + (uint64_t)at);
	CHECK(result->range_end >= w->nxt + (uint64_t)at + len);
}

static void add_op(struct world *w, struct input *in)
{
	int at = (int)((take(in) << 8 | take(in)) % (WINDOW - LEN_MAX - 1));
	uint32_t len = 1 + take(in) % LEN_MAX, skip = take(in) % len;
	struct tee_pkt *pkt = make_pkt(w, len);
	struct reassembly_result result = {0};
	int16_t before[WINDOW];
	uint64_t block[1][2], missing = 0;
	bool touches = is_held(w, at - 1) || is_held(w, at + (int)(len - skip));
	int failed;

	len -= skip;
	memcpy(before, w->cell, sizeof(before));
	for (int i = at; i < at + (int)len; i++) {
		missing += before[i] < 0;
		touches |= before[i] >= 0;
	}
	failed = reassembly_add(&w->ooo, w->pool, w->nxt + (uint64_t)at, pkt, pkt->off + skip, len,
				RANGES_MAX, BYTES_MAX, &result);
	CHECK((failed == -TEE_ENOBUFS) == ((missing && held_bytes(w) + missing > BYTES_MAX) ||
					   (!touches && range_count(w) >= RANGES_MAX)));
	if (failed == 0) {
		for (uint32_t i = 0; i < len; i++)
			if (w->cell[at + (int)i] < 0)
				w->cell[at + (int)i] = tee_pkt_bytes(pkt)[skip + i];
		check_result(w, &result, at, len, before);
		CHECK(reassembly_sack_blocks(&w->ooo, block, 1) == 1);
		CHECK(block[0][0] == result.range_start && block[0][1] == result.range_end);
	}
	tee_pkt_release(pkt);
}

/* Data arrives in order for a while; then what is contiguous moves over. */
static void take_op(struct world *w, struct input *in)
{
	uint32_t len = 1 + take(in) % LEN_MAX;
	struct tee_pkt *pkt = make_pkt(w, len);
	int16_t expected[WINDOW];
	uint8_t bytes[WINDOW];
	uint64_t moved;
	int total = (int)len;

	for (int i = 0; i < (int)len; i++)
		expected[i] = tee_pkt_bytes(pkt)[i];
	for (; is_held(w, total); total++)
		expected[total] = w->cell[total];
	CHECK(byteq_append_pkt(&w->queue, w->pool, pkt, pkt->off, len) == 0);
	moved = reassembly_take(&w->ooo, &w->queue);
	CHECK(moved == (uint64_t)total - len && byteq_len(&w->queue) == (uint64_t)total);
	byteq_check(&w->queue);
	byteq_peek(&w->queue, w->queue.start, bytes, (size_t)total);
	for (int i = 0; i < total; i++)
		CHECK(bytes[i] == (uint8_t)expected[i]);
	byteq_drop_to(&w->queue, w->queue.end);
	w->nxt += (uint64_t)total;
	memmove(w->cell, w->cell + total, (size_t)(WINDOW - total) * sizeof(w->cell[0]));
	memset(w->cell + WINDOW - total, 0xff, (size_t)total * sizeof(w->cell[0]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct world *w = calloc(1, sizeof(*w));
	struct input in = {data, size};

	CHECK(w);
	w->pool = tee_pool_new(0);
	CHECK(w->pool);
	w->nxt = START;
	memset(w->cell, 0xff, sizeof(w->cell));
	reassembly_init(&w->ooo);
	byteq_init(&w->queue, START);
	for (unsigned ops = 0; in.left > 0 && ops < OPS_MAX; ops++) {
		unsigned op = take(&in);

		if (op < 220)
			add_op(w, &in);
		else
			take_op(w, &in);
		reassembly_check(&w->ooo);
		CHECK(w->ooo.bytes == held_bytes(w));
		check_blocks(w);
	}
	reassembly_fini(&w->ooo);
	CHECK(w->ooo.bytes == 0 && w->ooo.memory == 0 && w->ooo.range_count == 0);
	byteq_clear(&w->queue);
	CHECK(tee_pool_bytes_used(w->pool) == 0);
	tee_pool_free(w->pool);
	free(w);
	return 0;
}
