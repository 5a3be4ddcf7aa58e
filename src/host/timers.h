/* SPDX-License-Identifier: MIT */
/*
 * One-shot timers of a host's loop: a binary heap by due time over a table of slots, so that a timer
 * can be cancelled by its id in O(log n). Knows nothing of the host.
 */
#ifndef HOST_TIMERS_H
#define HOST_TIMERS_H

#include <stdbool.h>
#include <stdint.h>

typedef void timers_fn(void *arg);

struct timers_slot {
	uint64_t due_ns;
	uint64_t order; /* equal times fire in the order they were set */
	timers_fn *fn;  /* NULL: free */
	void *arg;
	uint32_t heap_pos;   /* when free: the next free slot */
	uint16_t generation; /* makes an old id recognizable */
};

struct timers {
	struct timers_slot *slots;
	uint32_t *heap; /* slot numbers */
	uint32_t size, count, used;
	uint32_t free_first;
	uint64_t next_order;
};

void timers_init(struct timers *timers);
void timers_fini(struct timers *timers);
/* Returns an id above 0, or -TEE_ENOMEM. */
int timers_add(struct timers *timers, uint64_t due_ns, timers_fn *fn, void *arg);
/* An id that has fired or was never given is ignored. */
void timers_cancel(struct timers *timers, int id);
/* TEE_NEVER when there is none. */
uint64_t timers_next_ns(const struct timers *timers);
/* Takes one timer that is due; false: none. The caller calls it. */
bool timers_take(struct timers *timers, uint64_t now_ns, timers_fn **ret_fn, void **ret_arg);

#endif
