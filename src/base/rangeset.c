/* SPDX-License-Identifier: MIT */
/*
 * A sorted array of ranges. Sets are small (out-of-order data, received fragments), so an
 * insertion that moves a few dozen bytes beats any tree; a binary search finds the place.
 *
 * Invariants (rangeset_check): every range is non-empty, and between two neighbours there is at least
 * one offset that is in neither, since ranges that touch are merged.
 */
#include "base/rangeset.h"

#include <stdlib.h>
#include <string.h>
#include <teeceepee/types.h>
#include "base/check.h"

enum { CAPACITY_FIRST = 4 };

void rangeset_init(struct rangeset *set, uint32_t count_max)
{
	*set = (struct rangeset){.count_max = count_max};
}

void rangeset_fini(struct rangeset *set)
{
	free(set->ranges);
	*set = (struct rangeset){.count_max = set->count_max};
}

/* Index of the first range that ends at or after `off`; count when there is none. */
static uint32_t find_end_at_or_after(const struct rangeset *set, uint64_t off)
{
	uint32_t low = 0, high = set->count;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;

		if (set->ranges[mid].end < off)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* Makes a hole of one range at `idx`. The set is untouched on failure. */
static int open_gap(struct rangeset *set, uint32_t idx)
{
	if (set->count == set->count_max)
		return -TEE_ENOBUFS;
	if (set->count == set->capacity) {
		uint32_t capacity =
			MIN(MAX(set->capacity * 2, (uint32_t)CAPACITY_FIRST), set->count_max);
		struct range *ranges = realloc(set->ranges, capacity * sizeof(*ranges));

		if (!ranges)
			return -TEE_ENOMEM;
		set->ranges = ranges;
		set->capacity = capacity;
	}
	memmove(&set->ranges[idx + 1], &set->ranges[idx],
		(set->count - idx) * sizeof(set->ranges[0]));
	set->count++;
	return 0;
}

static void close_gap(struct rangeset *set, uint32_t idx, uint32_t count)
{
	if (count == 0)
		return;
	memmove(&set->ranges[idx], &set->ranges[idx + count],
		(set->count - idx - count) * sizeof(set->ranges[0]));
	set->count -= count;
}

int rangeset_add(struct rangeset *set, uint64_t start, uint64_t end)
{
	uint32_t first, past;

	if (start >= end)
		return 0;
	first = find_end_at_or_after(set, start);
	/* [first, past) are the ranges that overlap or touch the new one. */
	for (past = first; past < set->count && set->ranges[past].start <= end; past++)
		;
	if (first == past) {
		int result = open_gap(set, first);

		if (result < 0)
			return result;
	} else {
		start = MIN(start, set->ranges[first].start);
		end = MAX(end, set->ranges[past - 1].end);
		close_gap(set, first + 1, past - first - 1);
	}
	set->ranges[first] = (struct range){start, end};
	return 0;
}

int rangeset_remove(struct rangeset *set, uint64_t start, uint64_t end)
{
	uint32_t first, past;

	if (start >= end)
		return 0;
	first = find_end_at_or_after(set, start);
	if (first < set->count && set->ranges[first].end == start)
		first++; /* it only touches */
	if (first == set->count || set->ranges[first].start >= end)
		return 0;
	if (set->ranges[first].start < start && set->ranges[first].end > end) {
		int result = open_gap(set, first);

		if (result < 0)
			return result;
		set->ranges[first].end = start;
		set->ranges[first + 1].start = end;
		return 0;
	}
	if (set->ranges[first].start < start)
		set->ranges[first++].end = start;
	for (past = first; past < set->count && set->ranges[past].end <= end; past++)
		;
	if (past < set->count && set->ranges[past].start < end)
		set->ranges[past].start = end;
	close_gap(set, first, past - first);
	return 0;
}

bool rangeset_contains(const struct rangeset *set, uint64_t start, uint64_t end)
{
	uint32_t idx;

	if (start >= end)
		return true;
	idx = find_end_at_or_after(set, end);
	return idx < set->count && set->ranges[idx].start <= start;
}

void rangeset_check(const struct rangeset *set)
{
	CHECK(set->count <= set->capacity && set->capacity <= set->count_max);
	for (uint32_t i = 0; i < set->count; i++) {
		CHECK(set->ranges[i].start < set->ranges[i].end);
		CHECK(i == 0 || set->ranges[i - 1].end < set->ranges[i].start);
	}
}
