/* SPDX-License-Identifier: MIT */
/*
 * The calendar of a world: a binary heap of happenings, ordered by (time, order of planning), so
 * that equal instants are run in the order in which they were planned and a world replays bit for
 * bit. Nothing is taken out but the earliest; who plans something that may become void
 * looks at its own state when it is called.
 */
#include "sim/heap.h"

#include <stdlib.h>
#include <teeceepee/types.h>

void sim_heap_init(struct sim_heap *heap)
{
	*heap = (struct sim_heap){0};
}

void sim_heap_fini(struct sim_heap *heap)
{
	for (size_t i = 0; i < heap->count; i++) {
		if (heap->items[i].owns_arg)
			free(heap->items[i].arg);
	}
	free(heap->items);
	sim_heap_init(heap);
}

static bool heap_is_before(const struct sim_happening *a, const struct sim_happening *b)
{
	return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->order < b->order;
}

int sim_heap_push(struct sim_heap *heap, uint64_t at_ns, sim_fn *fn, void *owner, void *arg,
		  bool owns_arg)
{
	struct sim_happening item = {at_ns, heap->order, fn, owner, arg, owns_arg};
	size_t i = heap->count;

	if (heap->count == heap->size) {
		size_t size = heap->size ? heap->size * 2 : 64;
		struct sim_happening *items = realloc(heap->items, size * sizeof(*items));

		if (!items)
			return -TEE_ENOMEM;
		heap->items = items;
		heap->size = size;
	}
	heap->order++;
	heap->count++;
	while (i > 0 && heap_is_before(&item, &heap->items[(i - 1) / 2])) {
		heap->items[i] = heap->items[(i - 1) / 2];
		i = (i - 1) / 2;
	}
	heap->items[i] = item;
	return 0;
}

uint64_t sim_heap_next(const struct sim_heap *heap)
{
	return heap->count ? heap->items[0].at_ns : UINT64_MAX;
}

struct sim_happening sim_heap_pop(struct sim_heap *heap)
{
	struct sim_happening top = heap->items[0];
	struct sim_happening last = heap->items[--heap->count];
	size_t i = 0;

	for (;;) {
		size_t child = 2 * i + 1;

		if (child >= heap->count)
			break;
		if (child + 1 < heap->count &&
		    heap_is_before(&heap->items[child + 1], &heap->items[child]))
			child++;
		if (!heap_is_before(&heap->items[child], &last))
			break;
		heap->items[i] = heap->items[child];
		i = child;
	}
	if (heap->count > 0)
		heap->items[i] = last;
	return top;
}
