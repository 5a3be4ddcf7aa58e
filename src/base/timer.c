/* SPDX-License-Identifier: MIT */
/*
 * Hierarchical timing wheel (Varghese and Lauck, "Hashed and hierarchical timing wheels", 1987).
 *
 * Time is cut into ticks of 2^13 ns, and a tick's number into groups of six bits, one a level. A
 * timer is filed by the highest group in which its tick differs from the wheel's, in the slot that
 * this group names. So, at all times (timer_wheel_check):
 *
 *   - a timer on level L agrees with the wheel's tick in all groups above L, and is ahead in group L
 *     (on level 0: ahead or equal);
 *   - hence everything on level L is due before anything on level L + 1, and on one level a lower
 *     slot is due before a higher one;
 *   - the overflow list holds what differs above the outermost level: 73 years and more away.
 *
 * When time enters a slot of a higher level, its timers are filed again (cascade), at most once a level
 * for each timer. The earliest timer is in the lowest slot of the lowest occupied level, and the
 * wheel never fires early, because the exact deadline stays in the timer.
 *
 * Within a slot the order matters only to find the earliest. Lists are kept sorted while that is free:
 * deadlines mostly grow from one arming to the next, and then appending keeps order. Otherwise
 * the slot is marked, and sorted, by merging the runs it consists of, when it has become the
 * nearest one and somebody asks. So the exact next deadline costs O(1) amortised even
 * where a hundred thousand timers share a slot and each is disarmed before it fires.
 */
#include "base/timer.h"

#include <stdbool.h>
#include <teeceepee/types.h>
#include "base/check.h"

enum {
	GROUP_BITS = 6,
	SLOT_OVERFLOW = TIMER_LEVELS * TIMER_SLOTS,
	SLOT_NONE = UINT16_MAX,
	/* how far an insertion looks back for its place before it leaves the list unsorted */
	SORTED_STEPS_MAX = 8,
	SORT_BINS = 48,
};

_Static_assert(TIMER_SLOTS == 1 << GROUP_BITS, "a group of bits names a slot");

/* Where the earliest timers are. */
struct nearest {
	struct list *head; /* NULL: nothing is armed */
	unsigned level, slot;
	uint64_t start_tick; /* first tick of the slot */
};

static struct timer *timer_of(struct list *node)
{
	return CONTAINER_OF(node, struct timer, node);
}

static uint64_t deadline_of(const struct list *node)
{
	return CONTAINER_OF(node, const struct timer, node)->deadline_ns;
}

void timer_wheel_init(struct timer_wheel *wheel, uint64_t now_ns)
{
	*wheel = (struct timer_wheel){
		.now_ns = now_ns,
		.tick = now_ns >> TIMER_TICK_SHIFT,
		.next_ns = TEE_NEVER,
	};
	for (unsigned level = 0; level < TIMER_LEVELS; level++)
		for (unsigned slot = 0; slot < TIMER_SLOTS; slot++)
			list_init(&wheel->slots[level][slot]);
	list_init(&wheel->overflow);
}

void timer_init(struct timer *timer, uint16_t kind)
{
	list_init(&timer->node);
	timer->deadline_ns = TEE_NEVER;
	timer->kind = kind;
	timer->slot = SLOT_NONE;
}

/* ---- order within a slot ---- */

/* Files a node in a list; false when it could not cheaply be put in order. */
static bool insert_in_order(struct list *head, struct list *node)
{
	uint64_t deadline_ns = deadline_of(node);
	struct list *after = head->prev;

	for (unsigned steps = 0; steps < SORTED_STEPS_MAX; steps++) {
		if (after == head || deadline_of(after) <= deadline_ns) {
			list_insert_between(node, after, after->next);
			return true;
		}
		after = after->prev;
	}
	if (deadline_ns <= deadline_of(head->next)) {
		list_push_front(head, node);
		return true;
	}
	list_push_back(head, node);
	return false;
}

/* Merges two sorted chains that are linked by `next` and end in NULL; equal ones of `a` go first. */
static struct list *merge_chains(struct list *a, struct list *b)
{
	struct list *first = NULL, **link = &first;

	while (a && b) {
		struct list **from = deadline_of(b) < deadline_of(a) ? &b : &a;

		*link = *from;
		link = &(*from)->next;
		*from = *link;
	}
	*link = a ? a : b;
	return first;
}

/* Cuts the first ascending run off a chain and returns the rest. */
static struct list *cut_run(struct list *chain)
{
	struct list *rest;

	while (chain->next && deadline_of(chain) <= deadline_of(chain->next))
		chain = chain->next;
	rest = chain->next;
	chain->next = NULL;
	return rest;
}

/* Natural merge sort: bin i holds the merger of 2^i runs. */
static void sort_list(struct list *head)
{
	struct list *bins[SORT_BINS] = {NULL};
	struct list *chain = head->next, *prev = head;

	head->prev->next = NULL;
	while (chain) {
		struct list *run = chain;
		unsigned bin = 0;

		chain = cut_run(run);
		for (; bin < SORT_BINS - 1 && bins[bin]; bin++) {
			run = merge_chains(bins[bin], run);
			bins[bin] = NULL;
		}
		bins[bin] = merge_chains(bins[bin], run);
	}
	chain = NULL;
	for (unsigned bin = 0; bin < SORT_BINS; bin++)
		chain = merge_chains(bins[bin], chain);
	for (; chain; chain = chain->next) {
		prev->next = chain;
		chain->prev = prev;
		prev = chain;
	}
	prev->next = head;
	head->prev = prev;
}

/* ---- filing ---- */

static void file_timer(struct timer_wheel *wheel, struct timer *timer)
{
	uint64_t tick = MAX(timer->deadline_ns >> TIMER_TICK_SHIFT, wheel->tick);
	uint64_t difference = tick ^ wheel->tick;
	/* the highest group that differs, 0 when none does */
	unsigned level = (63 - (unsigned)__builtin_clzll(difference | 1)) / GROUP_BITS;
	unsigned slot;
	uint64_t bit;

	if (level >= TIMER_LEVELS) {
		timer->slot = SLOT_OVERFLOW;
		if (wheel->overflow_is_unsorted)
			list_push_back(&wheel->overflow, &timer->node);
		else if (!insert_in_order(&wheel->overflow, &timer->node))
			wheel->overflow_is_unsorted = true;
		return;
	}
	slot = (unsigned)(tick >> (level * GROUP_BITS)) % TIMER_SLOTS;
	bit = UINT64_C(1) << slot;
	timer->slot = (uint16_t)(level * TIMER_SLOTS + slot);
	wheel->occupied[level] |= bit;
	if (wheel->unsorted[level] & bit)
		list_push_back(&wheel->slots[level][slot], &timer->node);
	else if (!insert_in_order(&wheel->slots[level][slot], &timer->node))
		wheel->unsorted[level] |= bit;
}

/* Takes an armed timer out of its slot; its deadline stays. */
static void unfile_timer(struct timer_wheel *wheel, struct timer *timer)
{
	unsigned level = timer->slot / TIMER_SLOTS, slot = timer->slot % TIMER_SLOTS;

	list_remove(&timer->node);
	if (timer->slot == SLOT_OVERFLOW) {
		if (list_is_empty(&wheel->overflow))
			wheel->overflow_is_unsorted = false;
	} else if (list_is_empty(&wheel->slots[level][slot])) {
		wheel->occupied[level] &= ~(UINT64_C(1) << slot);
		wheel->unsorted[level] &= ~(UINT64_C(1) << slot);
	}
	timer->slot = SLOT_NONE;
}

void timer_disarm(struct timer_wheel *wheel, struct timer *timer)
{
	if (timer->slot == SLOT_NONE) {
		/* not armed, or collected and waiting in somebody's list */
		list_remove(&timer->node);
		return;
	}
	if (timer->deadline_ns == wheel->next_ns)
		wheel->next_is_stale = true;
	unfile_timer(wheel, timer);
	timer->deadline_ns = TEE_NEVER;
	wheel->count--;
}

void timer_arm(struct timer_wheel *wheel, struct timer *timer, uint64_t deadline_ns)
{
	if (timer->slot != SLOT_NONE && timer->deadline_ns == deadline_ns)
		return;
	timer_disarm(wheel, timer);
	if (deadline_ns == TEE_NEVER)
		return;
	timer->deadline_ns = deadline_ns;
	file_timer(wheel, timer);
	wheel->count++;
	/* While the cached deadline is stale it is a lower bound, and so is what this leaves. */
	if (deadline_ns < wheel->next_ns) {
		wheel->next_ns = deadline_ns;
		wheel->next_is_stale = false;
	}
}

/* ---- the nearest ---- */

static void sort_overflow(struct timer_wheel *wheel)
{
	if (wheel->overflow_is_unsorted)
		sort_list(&wheel->overflow);
	wheel->overflow_is_unsorted = false;
}

static struct nearest find_nearest(struct timer_wheel *wheel)
{
	struct nearest nearest = {.head = NULL};

	for (unsigned level = 0; level < TIMER_LEVELS; level++) {
		unsigned shift = level * GROUP_BITS;

		if (!wheel->occupied[level])
			continue;
		nearest.level = level;
		nearest.slot = (unsigned)__builtin_ctzll(wheel->occupied[level]);
		nearest.head = &wheel->slots[level][nearest.slot];
		nearest.start_tick =
			((wheel->tick >> shift >> GROUP_BITS << GROUP_BITS) | nearest.slot)
			<< shift;
		return nearest;
	}
	if (!list_is_empty(&wheel->overflow)) {
		const unsigned shift = TIMER_LEVELS * GROUP_BITS;

		sort_overflow(wheel);
		nearest.head = &wheel->overflow;
		nearest.level = TIMER_LEVELS;
		nearest.start_tick = deadline_of(wheel->overflow.next) >> TIMER_TICK_SHIFT >>
				     shift << shift;
	}
	return nearest;
}

static void sort_slot(struct timer_wheel *wheel, const struct nearest *at)
{
	uint64_t bit = UINT64_C(1) << at->slot;

	if (at->level < TIMER_LEVELS && wheel->unsorted[at->level] & bit) {
		sort_list(at->head);
		wheel->unsorted[at->level] &= ~bit;
	}
}

uint64_t timer_wheel_next(struct timer_wheel *wheel)
{
	if (wheel->next_is_stale) {
		struct nearest nearest = find_nearest(wheel);

		if (nearest.head)
			sort_slot(wheel, &nearest);
		wheel->next_ns = nearest.head ? deadline_of(nearest.head->next) : TEE_NEVER;
		wheel->next_is_stale = false;
	}
	return wheel->next_ns;
}

/* ---- time passes ---- */

/* Moves time to the start of the nearest slot, which is not of level 0, and files its timers anew. */
static void cascade(struct timer_wheel *wheel, const struct nearest *at)
{
	const unsigned epoch_shift = TIMER_LEVELS * GROUP_BITS;
	struct list *node;

	wheel->tick = at->start_tick;
	if (at->level == TIMER_LEVELS) {
		/* The overflow list is sorted, so what has come within reach stands in front. */
		while (!list_is_empty(at->head)) {
			struct timer *timer = timer_of(at->head->next);
			uint64_t tick = timer->deadline_ns >> TIMER_TICK_SHIFT;

			if (tick >> epoch_shift != wheel->tick >> epoch_shift)
				break;
			list_remove(&timer->node);
			file_timer(wheel, timer);
		}
		return;
	}
	wheel->occupied[at->level] &= ~(UINT64_C(1) << at->slot);
	wheel->unsorted[at->level] &= ~(UINT64_C(1) << at->slot);
	while ((node = list_pop_front(at->head)))
		file_timer(wheel, timer_of(node));
}

/* Moves what is due from a slot of level 0; false when something in it is not due yet. */
static bool collect_slot(struct timer_wheel *wheel, const struct nearest *at, uint64_t now_ns,
			 struct list *due)
{
	sort_slot(wheel, at);
	while (!list_is_empty(at->head)) {
		struct timer *timer = timer_of(at->head->next);

		if (timer->deadline_ns > now_ns)
			return false;
		unfile_timer(wheel, timer);
		timer->deadline_ns = TEE_NEVER;
		wheel->count--;
		list_push_back(due, &timer->node);
	}
	return true;
}

void timer_wheel_collect(struct timer_wheel *wheel, uint64_t now_ns, struct list *due)
{
	uint64_t now_tick;

	now_ns = MAX(now_ns, wheel->now_ns);
	now_tick = now_ns >> TIMER_TICK_SHIFT;
	wheel->now_ns = now_ns;
	/* Nothing is due before a deadline that is exact, or, when stale, too early. */
	if (wheel->next_ns > now_ns)
		return;
	for (;;) {
		struct nearest nearest = find_nearest(wheel);

		if (!nearest.head || nearest.start_tick > now_tick)
			break;
		if (nearest.level > 0)
			cascade(wheel, &nearest);
		else if (!collect_slot(wheel, &nearest, now_ns, due))
			break;
	}
	wheel->tick = now_tick;
	wheel->next_is_stale = wheel->count > 0;
	wheel->next_ns = wheel->count > 0 ? now_ns + 1 : TEE_NEVER;
}

/* ---- check ---- */

static uint64_t check_list(const struct timer_wheel *wheel, const struct list *head,
			   unsigned slot_number, bool is_unsorted)
{
	uint64_t count = 0;

	for (const struct list *node = head->next; node != head; node = node->next) {
		const struct timer *timer = CONTAINER_OF(node, const struct timer, node);
		uint64_t tick = MAX(timer->deadline_ns >> TIMER_TICK_SHIFT, wheel->tick);
		unsigned level = slot_number / TIMER_SLOTS;
		unsigned shift = level * GROUP_BITS;

		CHECK(node->next->prev == node && node->prev->next == node);
		CHECK(timer->slot == slot_number);
		CHECK(timer->deadline_ns != TEE_NEVER && timer->deadline_ns >= wheel->next_ns);
		CHECK(is_unsorted || node->next == head ||
		      timer->deadline_ns <= deadline_of(node->next));
		if (slot_number == SLOT_OVERFLOW) {
			CHECK(tick >> shift != wheel->tick >> shift);
		} else {
			CHECK(tick >> shift >> GROUP_BITS == wheel->tick >> shift >> GROUP_BITS);
			CHECK((tick >> shift) % TIMER_SLOTS == slot_number % TIMER_SLOTS);
			CHECK(level == 0 || tick >> shift > wheel->tick >> shift);
		}
		count++;
	}
	return count;
}

void timer_wheel_check(const struct timer_wheel *wheel)
{
	uint64_t count;

	CHECK(wheel->tick <= wheel->now_ns >> TIMER_TICK_SHIFT);
	count = check_list(wheel, &wheel->overflow, SLOT_OVERFLOW, wheel->overflow_is_unsorted);
	for (unsigned level = 0; level < TIMER_LEVELS; level++) {
		CHECK(!(wheel->unsorted[level] & ~wheel->occupied[level]));
		for (unsigned slot = 0; slot < TIMER_SLOTS; slot++) {
			const struct list *head = &wheel->slots[level][slot];
			uint64_t bit = UINT64_C(1) << slot;

			CHECK(list_is_empty(head) == !(wheel->occupied[level] & bit));
			count += check_list(wheel, head, level * TIMER_SLOTS + slot,
					    wheel->unsorted[level] & bit);
		}
	}
	CHECK(count == wheel->count);
	CHECK(count > 0 || wheel->next_is_stale || wheel->next_ns == TEE_NEVER);
}
