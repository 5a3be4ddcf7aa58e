/* SPDX-License-Identifier: MIT */
/* The stack behind the shared object: one lock, one clock, calls that wait on another thread. */
#ifndef SCRIPT_SO_CLOCK_H
#define SCRIPT_SO_CLOCK_H

#include <pthread.h>

#include "rig.h"

struct so_waiter {
	struct so_waiter *next;
	struct posix_wait *wait;
};

struct so {
	struct rig *rig;
	pthread_mutex_t lock;
	pthread_cond_t turn;    /* a blocked call is to try again */
	pthread_cond_t settled; /* a blocked call tried again, or told its time */
	uint64_t generation;
	unsigned retrying; /* blocked calls that have not tried again yet */
	unsigned owed;     /* calls that returned and whose thread has not asked for the time */
	struct so_waiter *waiters;
};

/* A call, tried until it does not block. Runs with the lock held. */
typedef int64_t so_try_fn(struct so *so, void *arg, struct posix_wait *wait);

/* Makes a call that may block; returns its result, 0 or above, or -errno. */
int64_t so_call(struct so *so, so_try_fn *try_it, void *arg);
/* What a thread does when it comes back: it owes no question for the time any more. */
void so_pay(struct so *so);
/* Lets blocked calls try again, and waits until they have. The lock is held. */
void so_settle(struct so *so);
/* One step of the clock, at most to `until_ns`; false: nothing is due before. The lock is held. */
bool so_step(struct so *so, uint64_t until_ns);
/* The time; a thread whose call has just returned gets the time of its return. */
uint64_t so_now_us(struct so *so);

#endif
