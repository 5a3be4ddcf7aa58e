// SPDX-License-Identifier: MIT
/*
 * One-shot timers: a binary heap of slot numbers ordered by due time.
 *
 * A timer lives in a slot; its id is the slot number with the slot's generation, so that an id kept
 * too long never cancels somebody else's timer. Slots move never, heap entries do; each slot
 * remembers its place in the heap. Timers that are due are taken out one by one (timers_take()), so
 * a handler may add and cancel freely.
 */
#include "host/timers.h"

#include <assert.h>
#include <stdlib.h>
#include <teeceepee/types.h>

enum {
	SLOT_BITS = 20, /* at most a million timers */
	SLOT_MAX = 1 << SLOT_BITS,
	GENERATION_MASK = 0x3ff, /* what an int above 0 has left */
	NO_SLOT = UINT32_MAX,
};

void timers_init(struct timers *timers)
{
	*timers = (struct timers){.free_first = NO_SLOT};
}

void timers_fini(struct timers *timers)
{
	free(timers->slots);
	free(timers->heap);
	timers_init(timers);
}

static bool is_before(const struct timers *timers, uint32_t a, uint32_t b)
{
	const struct timers_slot *left = &timers->slots[a], *right = &timers->slots[b];

	return left->due_ns != right->due_ns ? left->due_ns < right->due_ns
					     : left->order < right->order;
}

static void put(struct timers *timers, uint32_t pos, uint32_t slot)
{
	timers->heap[pos] = slot;
	timers->slots[slot].heap_pos = pos;
}

static void sift_up(struct timers *timers, uint32_t pos)
{
	uint32_t slot = timers->heap[pos];

	while (pos > 0 && is_before(timers, slot, timers->heap[(pos - 1) / 2])) {
		put(timers, pos, timers->heap[(pos - 1) / 2]);
		pos = (pos - 1) / 2;
	}
	put(timers, pos, slot);
}

static void sift_down(struct timers *timers, uint32_t pos)
{
	uint32_t slot = timers->heap[pos];

	for (;;) {
		uint32_t child = 2 * pos + 1;

		if (child >= timers->count)
			break;
		if (child + 1 < timers->count &&
		    is_before(timers, timers->heap[child + 1], timers->heap[child]))
			child++;
		if (!is_before(timers, timers->heap[child], slot))
			break;
		put(timers, pos, timers->heap[child]);
		pos = child;
	}
	put(timers, pos, slot);
}

static bool grow(struct timers *timers)
{
	uint32_t size = timers->size ? 2 * timers->size : 16;
	struct timers_slot *slots;
	uint32_t *heap;

	if (timers->size >= SLOT_MAX)
		return false;
	slots = realloc(timers->slots, size * sizeof(*slots));
	if (!slots)
		return false;
	timers->slots = slots;
	heap = realloc(timers->heap, size * sizeof(*heap));
	if (!heap)
		return false;
	timers->heap = heap;
	timers->size = size;
	return true;
}

static uint32_t take_slot(struct timers *timers)
{
	uint32_t slot = timers->free_first;

	if (slot != NO_SLOT) {
		timers->free_first = timers->slots[slot].heap_pos;
		return slot;
	}
	if (timers->used == timers->size && !grow(timers))
		return NO_SLOT;
	slot = timers->used++;
	timers->slots[slot].generation = 0;
	return slot;
}

int timers_add(struct timers *timers, uint64_t due_ns, timers_fn *fn, void *arg)
{
	uint32_t slot = take_slot(timers);
	struct timers_slot *entry;

	if (slot == NO_SLOT)
		return -TEE_ENOMEM;
	entry = &timers->slots[slot];
	entry->due_ns = due_ns;
	entry->order = timers->next_order++;
	entry->fn = fn;
	entry->arg = arg;
	timers->heap[timers->count] = slot;
	timers->count++;
	sift_up(timers, timers->count - 1);
	return (int)((slot + 1) | (uint32_t)entry->generation << (SLOT_BITS + 1));
}

static void remove_slot(struct timers *timers, uint32_t slot)
{
	struct timers_slot *entry = &timers->slots[slot];
	uint32_t pos = entry->heap_pos;

	assert(timers->heap[pos] == slot);
	timers->count--;
	if (pos < timers->count) {
		put(timers, pos, timers->heap[timers->count]);
		sift_down(timers, pos);
		sift_up(timers, pos);
	}
	entry->fn = NULL;
	entry->generation = (entry->generation + 1) & GENERATION_MASK;
	entry->heap_pos = timers->free_first;
	timers->free_first = slot;
}

void timers_cancel(struct timers *timers, int id)
{
	uint32_t slot, generation;

	if (id <= 0)
		return;
	slot = ((uint32_t)id & ((1U << (SLOT_BITS + 1)) - 1)) - 1;
	generation = (uint32_t)id >> (SLOT_BITS + 1);
	if (slot < timers->used && timers->slots[slot].fn &&
	    timers->slots[slot].generation == generation)
		remove_slot(timers, slot);
}

uint64_t timers_next_ns(const struct timers *timers)
{
	return timers->count ? timers->slots[timers->heap[0]].due_ns : TEE_NEVER;
}

bool timers_take(struct timers *timers, uint64_t now_ns, timers_fn **ret_fn, void **ret_arg)
{
	const struct timers_slot *entry;

	if (timers_next_ns(timers) > now_ns || !timers->count)
		return false;
	entry = &timers->slots[timers->heap[0]];
	*ret_fn = entry->fn;
	*ret_arg = entry->arg;
	remove_slot(timers, timers->heap[0]);
	return true;
}
