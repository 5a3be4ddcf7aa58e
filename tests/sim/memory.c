/* SPDX-License-Identifier: MIT */
/*
 * The heap of the stacks under test (see the header for how it comes under them). A refusal is a
 * matter of the world's seed, like everything else: the same world is refused the same blocks. A
 * realloc() that fails leaves the old block, as the C library's does.
 */
#include "memory.h"

#include <stdbool.h>
#include <stdlib.h>

#include "base/random.h"

static struct {
	struct random random;
	uint64_t one_in;       /* 0: none fails by chance */
	uint64_t left_to_fail; /* this one from now on fails, the next being 1; 0: none */
	uint64_t refused;
	int64_t blocks;
} heap;

void memory_begin_failing(uint64_t seed, uint64_t one_in)
{
	random_init(&heap.random, seed);
	heap.one_in = one_in;
}

void memory_fail_one(uint64_t skipped)
{
	heap.left_to_fail = skipped + 1;
}

void memory_end_failing(void)
{
	heap.one_in = heap.left_to_fail = 0;
}

int64_t memory_blocks(void)
{
	return heap.blocks;
}

uint64_t memory_refused(void)
{
	return heap.refused;
}

static int is_refused(void)
{
	bool is_its_turn = heap.left_to_fail && --heap.left_to_fail == 0;

	if (!is_its_turn && (heap.one_in == 0 || random_below(&heap.random, heap.one_in) != 0))
		return 0;
	heap.refused++;
	return 1;
}

static void *counted(void *block)
{
	heap.blocks += block != NULL;
	return block;
}

void *counted_malloc(size_t size)
{
	return is_refused() ? NULL : counted(malloc(size));
}

void *counted_calloc(size_t count, size_t size)
{
	return is_refused() ? NULL : counted(calloc(count, size));
}

void *counted_realloc(void *old, size_t size)
{
	if (is_refused())
		return NULL;
	return old ? realloc(old, size) : counted(realloc(NULL, size));
}

void counted_free(void *block)
{
	heap.blocks -= block != NULL;
	free(block);
}
