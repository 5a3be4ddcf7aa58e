/* SPDX-License-Identifier: MIT */
/* What is to happen, by time; what was planned first comes first among equals. */
#ifndef SIM_HEAP_H
#define SIM_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef void sim_fn(void *owner, void *arg);

struct sim_happening {
	uint64_t at_ns;
	uint64_t order;
	sim_fn *fn;
	void *owner, *arg;
	bool owns_arg; /* malloc()ed memory that goes when the happening is cancelled */
};

struct sim_heap {
	struct sim_happening *items;
	size_t count, size;
	uint64_t order;
};

void sim_heap_init(struct sim_heap *heap);
/* Forgets all that is planned, and frees what it owned. */
void sim_heap_fini(struct sim_heap *heap);
/* 0 or -TEE_ENOMEM (arg stays the caller's). */
int sim_heap_push(struct sim_heap *heap, uint64_t at_ns, sim_fn *fn, void *owner, void *arg,
		  bool owns_arg);
/* UINT64_MAX when empty. */
uint64_t sim_heap_next(const struct sim_heap *heap);
/* The earliest; the heap isn't empty. */
struct sim_happening sim_heap_pop(struct sim_heap *heap);

#endif
