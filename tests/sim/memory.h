/* SPDX-License-Identifier: MIT */
/*
 * The stack's heap, as a random world sees it: every block is counted, and any may be refused. The
 * core's archive is linked with malloc and its kin renamed to the functions of memory.c, so that what the
 * world itself allocates is neither counted nor refused.
 */
#ifndef TESTS_SIM_MEMORY_H
#define TESTS_SIM_MEMORY_H

#include <stddef.h>
#include <stdint.h>

/* From now on one allocation in `one_in` fails, as chance from `seed` has it; 1: all do. */
void memory_begin_failing(uint64_t seed, uint64_t one_in);
/* Only the allocation after the next `skipped` fails. */
void memory_fail_one(uint64_t skipped);
void memory_end_failing(void);
/* Blocks that the stacks hold now. */
int64_t memory_blocks(void);
/* Allocations refused since the program began. */
uint64_t memory_refused(void);

void *counted_malloc(size_t size);
void *counted_calloc(size_t count, size_t size);
void *counted_realloc(void *old, size_t size);
void counted_free(void *block);

#endif
