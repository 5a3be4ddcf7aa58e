/* SPDX-License-Identifier: MIT */
/*
 * Hierarchical timing wheel: arming, disarming and finding the next deadline are O(1) for any
 * number of timers (ten million idle connections hold none armed, a busy one re-arms per ACK).
 *
 * Resolution is 2^TIMER_TICK_SHIFT ns (about 8 us) for near deadlines but a timer never fires
 * early, and the exact deadline is kept: timer_wheel_next() is exact for the timers of the nearest slot, so that
 * virtual time can step to it precisely.
 *
 * To fire: timer_wheel_collect() moves what is due to a list of the caller's, in deadline order;
 * the caller then runs them one by one. A handler may arm or disarm any timer, collected ones too.
 */
#ifndef TEE_BASE_TIMER_H
#define TEE_BASE_TIMER_H

#include <stdint.h>
#include "base/list.h"

struct timer {
	struct list node;
	uint64_t deadline_ns; /* TEE_NEVER (UINT64_MAX) when not armed */
	uint16_t kind;        /* the owner's: which handler */
	uint16_t slot;        /* the wheel's own: level * TIMER_SLOTS + slot, or where else it is */
};

enum { TIMER_LEVELS = 8, TIMER_SLOTS = 64, TIMER_TICK_SHIFT = 13 };

struct timer_wheel {
	uint64_t now_ns;
	uint64_t tick;                   /* all ticks before this one have been collected */
	uint64_t occupied[TIMER_LEVELS]; /* a bit per slot that holds a timer */
	uint64_t unsorted[TIMER_LEVELS]; /* a bit per slot whose list is not in deadline order */
	struct list slots[TIMER_LEVELS][TIMER_SLOTS];
	struct list overflow; /* beyond the outermost level */
	int overflow_is_unsorted;
	uint64_t count;
	uint64_t next_ns; /* cached earliest deadline; recomputed lazily */
	int next_is_stale;
};

void timer_wheel_init(struct timer_wheel *wheel, uint64_t now_ns);
void timer_init(struct timer *timer, uint16_t kind);
/* Arms or re-arms; a deadline in the past fires at the next collect. TEE_NEVER disarms. */
void timer_arm(struct timer_wheel *wheel, struct timer *timer, uint64_t deadline_ns);
void timer_disarm(struct timer_wheel *wheel, struct timer *timer);
static inline int timer_is_armed(const struct timer *timer)
{
	return timer->deadline_ns != UINT64_MAX;
}
/* Exact earliest deadline, UINT64_MAX when nothing is armed. */
uint64_t timer_wheel_next(struct timer_wheel *wheel);
/*
 * Moves every timer due at or before `now_ns` to `due` (an initialised list), ordered by deadline;
 * they count as not armed (deadline UINT64_MAX) from then on, but stay linked in `due` until taken.
 */
void timer_wheel_collect(struct timer_wheel *wheel, uint64_t now_ns, struct list *due);
void timer_wheel_check(const struct timer_wheel *wheel);

#endif
