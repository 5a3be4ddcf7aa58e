/* SPDX-License-Identifier: MIT */
/*
 * Out-of-order data (RFC 9293 3.10.7.4, SHLD-31: it is queued, not dropped).
 *
 * A tree of ranges, none touching another: a segment that closes the gap between two joins them at once.
 * Adding walks down the tree once and then over the ranges that the segment overlaps, each of which is
 * gone afterwards; so a segment costs O(log n) besides what it tidies up. Bytes that are already
 * here stay as they came first, the newcomer is trimmed: a later copy can't rewrite what may
 * have been reported or even read.
 *
 *   reassembly_add    a segment above rcv.nxt
 *   reassembly_take   what rcv.nxt has reached moves to the receive queue
 *
 * A list keeps the ranges in the order of their last touch, for RFC 2018 section 4: the first block
 * reports the range of the segment that triggered the ACK, the next ones the ones before.
 */
#include "tcp/reassembly.h"

#include <stdlib.h>
#include <string.h>
#include "base/check.h"

static struct ooo_range *range_of(struct rb_node *node)
{
	return node ? CONTAINER_OF(node, struct ooo_range, node) : NULL;
}

static struct ooo_range *next_of(const struct ooo_range *range)
{
	return range_of(rb_next(&range->node));
}

void reassembly_init(struct reassembly *ooo)
{
	memset(ooo, 0, sizeof(*ooo));
	list_init(&ooo->recent);
}

/* Takes a range out of the tree; its bytes, if it still has some, are let go. */
static void range_free(struct reassembly *ooo, struct ooo_range *range)
{
	ooo->bytes -= byteq_len(&range->bytes);
	ooo->memory -= byteq_memory(&range->bytes);
	ooo->range_count--;
	rb_remove(&ooo->tree, &range->node);
	list_remove(&range->recent);
	byteq_clear(&range->bytes);
	free(range);
}

void reassembly_fini(struct reassembly *ooo)
{
	struct rb_node *node;

	while ((node = rb_first(&ooo->tree)))
		range_free(ooo, range_of(node));
}

/* The last range that starts at or before `off`. */
static struct ooo_range *find_before(const struct reassembly *ooo, uint64_t off)
{
	struct rb_node *node = ooo->tree.root;
	struct ooo_range *best = NULL;

	while (node) {
		struct ooo_range *range = range_of(node);

		if (range->bytes.start <= off) {
			best = range;
			node = node->right;
		} else {
			node = node->left;
		}
	}
	return best;
}

static struct ooo_range *range_new(struct reassembly *ooo, uint64_t start)
{
	struct rb_node **link = &ooo->tree.root, *parent = NULL;
	struct ooo_range *range = calloc(1, sizeof(*range));

	if (!range)
		return NULL;
	byteq_init(&range->bytes, start);
	list_init(&range->recent);
	while (*link) {
		parent = *link;
		link = start < range_of(parent)->bytes.start ? &parent->left : &parent->right;
	}
	rb_insert(&ooo->tree, &range->node, parent, link);
	ooo->range_count++;
	return range;
}

static void touch(struct reassembly *ooo, struct ooo_range *range)
{
	range->touched = ++ooo->serial;
	list_remove(&range->recent);
	list_push_front(&ooo->recent, &range->recent);
}

static void note_duplicate(struct reassembly_result *result, uint64_t start, uint64_t end)
{
	if (result->is_duplicate || start >= end)
		return;
	result->is_duplicate = true;
	result->dup_start = start;
	result->dup_end = end;
}

/* Appends a slice to a range and keeps the sums. */
static int append(struct reassembly *ooo, struct tee_pool *pool, struct ooo_range *range,
		  struct tee_pkt *pkt, uint32_t off, uint32_t len)
{
	uint32_t memory = byteq_memory(&range->bytes);
	int result = byteq_append_pkt(&range->bytes, pool, tee_pkt_ref(pkt), off, len);

	ooo->memory += byteq_memory(&range->bytes);
	ooo->memory -= memory;
	if (result == 0)
		ooo->bytes += len;
	return result;
}

/* `next` starts where `range` ends: its bytes move over and it is gone. */
static void join(struct reassembly *ooo, struct ooo_range *range, struct ooo_range *next)
{
	ooo->memory -= (uint64_t)byteq_memory(&range->bytes) + byteq_memory(&next->bytes);
	byteq_join(&range->bytes, &next->bytes);
	ooo->memory += (uint64_t)byteq_memory(&range->bytes) + byteq_memory(&next->bytes);
	range_free(ooo, next);
}

struct newcomer {
	struct tee_pkt *pkt;
	uint64_t start, end;
	uint32_t off; /* of `start` in the packet */
};

/*
 * Fills the gaps from `at` to the newcomer's end behind `range` (which ends at `at`), joining what it
 * touches. -TEE_ENOMEM: stopped short; the range is whole as far as it got.
 */
static int fill(struct reassembly *ooo, struct tee_pool *pool, struct ooo_range *range, uint64_t at,
		const struct newcomer *new, struct reassembly_result *result)
{
	struct ooo_range *next;

	while (at <= new->end) {
		uint64_t stop;

		next = next_of(range);
		stop = next ? MIN(next->bytes.start, new->end) : new->end;
		if (stop > at) {
			int failed = append(ooo, pool, range, new->pkt,
					    new->off + (uint32_t)(at - new->start),
					    (uint32_t)(stop - at));
			if (failed < 0)
				return failed;
			at = stop;
		}
		if (!next || next->bytes.start != at)
			break;
		note_duplicate(result, at, MIN(next->bytes.end, new->end));
		at = next->bytes.end;
		join(ooo, range, next);
	}
	return 0;
}

/* Bytes of [start, end) that are not here yet. */
static uint64_t missing_bytes(const struct reassembly *ooo, uint64_t start, uint64_t end)
{
	struct ooo_range *range = find_before(ooo, start);
	uint64_t missing = end - start;

	if (!range)
		range = range_of(rb_first(&ooo->tree));
	for (; range && range->bytes.start < end; range = next_of(range)) {
		uint64_t from = MAX(range->bytes.start, start);
		uint64_t to = MIN(range->bytes.end, end);

		if (from < to)
			missing -= to - from;
	}
	return missing;
}

static bool touches_any(const struct reassembly *ooo, uint64_t start, uint64_t end)
{
	const struct ooo_range *range = find_before(ooo, end);

	return range && range->bytes.end >= start;
}

int reassembly_add(struct reassembly *ooo, struct tee_pool *pool, uint64_t start,
		   struct tee_pkt *pkt, uint32_t off, uint32_t len, uint32_t range_count_max,
		   uint64_t bytes_max, struct reassembly_result *ret_result)
{
	struct newcomer new = {.pkt = pkt, .start = start, .end = start + len, .off = off};
	struct reassembly_result result = {0};
	struct ooo_range *range = find_before(ooo, start);
	uint64_t at = start, bytes_before = ooo->bytes;
	uint64_t missing = missing_bytes(ooo, start, new.end);
	int failed;

	CHECK(len > 0);
	if (missing > 0 && (missing > bytes_max || ooo->bytes > bytes_max - missing))
		return -TEE_ENOBUFS;
	if (ooo->range_count >= range_count_max && !touches_any(ooo, start, new.end))
		return -TEE_ENOBUFS;
	if (range && range->bytes.end >= start) {
		at = MAX(range->bytes.end, start);
		note_duplicate(&result, start, MIN(range->bytes.end, new.end));
	} else {
		range = range_new(ooo, start);
		if (!range)
			return -TEE_ENOMEM;
	}
	failed = fill(ooo, pool, range, at, &new, &result);
	if (byteq_len(&range->bytes) == 0) {
		range_free(ooo, range);
		return failed;
	}
	/* What came in before memory ran out is as good as any data. */
	if (failed < 0 && ooo->bytes == bytes_before)
		return failed;
	touch(ooo, range);
	result.range_start = range->bytes.start;
	result.range_end = range->bytes.end;
	*ret_result = result;
	return 0;
}

uint64_t reassembly_take(struct reassembly *ooo, struct byteq *queue)
{
	uint64_t before = queue->end;
	struct ooo_range *range;

	while ((range = range_of(rb_first(&ooo->tree))) && range->bytes.start <= queue->end) {
		if (range->bytes.end > queue->end) {
			ooo->bytes -= byteq_len(&range->bytes);
			ooo->memory -= byteq_memory(&range->bytes);
			byteq_drop_to(&range->bytes, queue->end);
			byteq_join(queue, &range->bytes);
			/* byteq_join() leaves an empty queue behind. */
			ooo->bytes += byteq_len(&range->bytes);
			ooo->memory += byteq_memory(&range->bytes);
		}
		range_free(ooo, range);
	}
	return queue->end - before;
}

unsigned reassembly_sack_blocks(const struct reassembly *ooo, uint64_t (*blocks)[2], unsigned n)
{
	unsigned count = 0;

	LIST_FOR_EACH(node, &ooo->recent)
	{
		const struct ooo_range *range = CONTAINER_OF(node, struct ooo_range, recent);

		if (count == n)
			break;
		blocks[count][0] = range->bytes.start;
		blocks[count][1] = range->bytes.end;
		count++;
	}
	return count;
}

void reassembly_check(const struct reassembly *ooo)
{
	uint64_t bytes = 0, memory = 0, at = 0, touched = UINT64_MAX;
	uint32_t count = 0, recent_count = 0;

	for (struct rb_node *node = rb_first(&ooo->tree); node; node = rb_next(node)) {
		const struct ooo_range *range = range_of(node);

		/* Ranges neither overlap nor touch, and none is empty. */
		CHECK(count == 0 || range->bytes.start > at);
		CHECK(range->bytes.end > range->bytes.start);
		byteq_check(&range->bytes);
		bytes += byteq_len(&range->bytes);
		memory += byteq_memory(&range->bytes);
		at = range->bytes.end;
		count++;
	}
	LIST_FOR_EACH(node, &ooo->recent)
	{
		const struct ooo_range *range = CONTAINER_OF(node, struct ooo_range, recent);

		CHECK(range->touched < touched);
		touched = range->touched;
		recent_count++;
	}
	CHECK(count == ooo->range_count && count == recent_count && count == rb_check(&ooo->tree));
	CHECK(bytes == ooo->bytes && memory == ooo->memory);
}
