/* SPDX-License-Identifier: MIT */
/*
 * Open addressing with linear probing: an item stands at the slot that its hash names (its home) or
 * in the first free one after it. Removal shifts what follows back, so there are no tombstones, and
 * a search ends at the first empty slot.
 *
 * The home is the hash times a constant (Fibonacci hashing, so that a caller's hash need not be good in any
 * special bits), read as a fraction of the array: any number of slots will do.
 *
 * Growing and shrinking make a second array and then move a few slots of the old one, from its
 * end, with each insertion or removal. While that lasts (table->old_slots):
 *
 *   - insertions go to the new array, searches look into both;
 *   - the old array has old_left slots left, and what stood behind them has moved. No item in it has
 *     wrapped around the end: those that had stood at its front, and that run of slots is moved
 *     before anything else. So a search goes forward from the home to the first empty slot or to the
 *     end of what is left, and an item whose home has moved has moved itself.
 *
 * Homes grow with the hash, so an old slot's items go to neighbouring new slots: moving walks both
 * arrays in order. A new array comes zeroed from calloc(), or mapped, which for large ones is untouched memory
 * of the system's; the old one is given back in pieces while it shrinks, since to free a hundred
 * megabytes at once takes milliseconds.
 *
 * The numbers: growth at 3/4 of C slots to 3/2 C leaves room for 3/8 C insertions, and the old array is empty
 * after C / 16 of them. Shrinking from C to C / 4 at C / 16 items is over after C / 16 calls,
 * which can at most double the items: half of C / 4. So a large table costs 16 to 24 bytes an item.
 */
#include "base/hash.h"

#include <stdlib.h>
#include <string.h>
#include <teeceepee/types.h>
#include "base/check.h"
#include "base/memory.h"

enum {
	SLOTS_MIN = 16,
	MOVE_STEP = 16,          /* old slots moved with each insertion or removal */
	RELEASE_SLOTS = 1 << 16, /* old slots given back at once */
	SEARCH_SLOTS = 6,        /* most searches look at no more */
};

static void *slot_item(const struct hash_slot *slot)
{
	void *item = NULL;

	memcpy(&item, slot->item, sizeof(item));
	return item;
}

static void slot_set(struct hash_slot *slot, uint32_t hash, void *item)
{
	slot->hash = hash;
	memcpy(slot->item, &item, sizeof(item));
}

_Static_assert(sizeof(void *) <= sizeof(((struct hash_slot *)0)->item), "a slot holds a pointer");

static size_t home_of(uint32_t hash, size_t count)
{
	uint32_t mixed = hash * UINT32_C(0x9e3779b1);

	return (size_t)((uint64_t)mixed * count >> 32);
}

void hash_init(struct hash_table *table)
{
	*table = (struct hash_table){0};
}

/* ---- arrays ---- */

static size_t mapped_bytes_of(size_t count)
{
	size_t bytes = count * sizeof(struct hash_slot);

	return (bytes + TEE_MEMORY_UNIT - 1) / TEE_MEMORY_UNIT * TEE_MEMORY_UNIT;
}

/* An array of empty slots; false: no memory. */
static bool array_new(const struct hash_table *table, uint32_t count, struct hash_array *ret)
{
	struct hash_array array = {.count = count};

	if (table->memory && table->memory->map &&
	    count >= HASH_MAPPED_MIN / sizeof(struct hash_slot)) {
		array.mapped_bytes = mapped_bytes_of(count);
		array.slots = table->memory->map(table->memory->arg, array.mapped_bytes);
	}
	if (!array.slots) {
		array.mapped_bytes = 0;
		array.slots = calloc(count, sizeof(struct hash_slot));
	}
	if (!array.slots)
		return false;
	*ret = array;
	return true;
}

/* Gives back all but the first `left` slots, or nearly so; none left: everything. */
static void array_cut(const struct hash_table *table, struct hash_array *array, size_t left)
{
	struct hash_slot *slots;

	if (array->mapped_bytes) {
		size_t keep = mapped_bytes_of(left);

		if (keep < array->mapped_bytes)
			table->memory->unmap(table->memory->arg, (uint8_t *)array->slots + keep,
					     array->mapped_bytes - keep);
		array->mapped_bytes = keep;
	} else if (left == 0) {
		free(array->slots);
	} else {
		slots = realloc(array->slots, left * sizeof(*slots));
		if (slots)
			array->slots = slots;
	}
	if (left == 0)
		array->slots = NULL;
}

void hash_fini(struct hash_table *table)
{
	array_cut(table, &table->now, 0);
	array_cut(table, &table->old, 0);
	hash_init(table);
}

/* ---- moving ---- */

/* Puts an item into the new array, which has room. */
static void place(struct hash_table *table, uint32_t hash, void *item)
{
	struct hash_slot *slots = table->now.slots;
	size_t count = table->now.count, idx = home_of(hash, count);

	while (slot_item(&slots[idx]))
		if (++idx == count)
			idx = 0;
	slot_set(&slots[idx], hash, item);
}

static void move_slot(struct hash_table *table, size_t idx)
{
	struct hash_slot *slot = &table->old.slots[idx];
	void *item = slot_item(slot);

	if (!item)
		return;
	place(table, slot->hash, item);
	slot_set(slot, 0, NULL);
	table->old_count--;
}

/* Moves up to `step` more slots of the old array; of empty ones, a piece to be given back. */
static void move_some(struct hash_table *table, size_t step)
{
	if (!table->old.slots)
		return;
	while (step > 0 && table->old_left > 0 && table->old_count > 0) {
		move_slot(table, --table->old_left);
		step--;
		if (table->old_left % RELEASE_SLOTS == 0)
			array_cut(table, &table->old, table->old_left);
	}
	if (table->old_count == 0) {
		table->old_left = (table->old_left - MIN(table->old_left, (size_t)1)) /
				  RELEASE_SLOTS * RELEASE_SLOTS;
		array_cut(table, &table->old, table->old_left);
	}
}

/*
 * The run of full slots at the front of the array may hold items that wrapped around its end. It is
 * moved whole, so that no search in the old array need look there for them.
 */
static void move_front_run(struct hash_table *table)
{
	for (size_t idx = 0; idx < table->old_left && slot_item(&table->old.slots[idx]); idx++)
		move_slot(table, idx);
}

static int resize(struct hash_table *table, size_t count)
{
	struct hash_array array;

	/* By the numbers above nothing is left to move, unless an allocation had failed. */
	while (table->old.slots)
		move_some(table, SIZE_MAX);
	if (count > UINT32_MAX || !array_new(table, (uint32_t)count, &array))
		return -TEE_ENOMEM;
	table->old = table->now;
	table->old_count = table->count;
	table->old_left = table->old.slots ? table->old.count : 0;
	table->now = array;
	move_front_run(table);
	return 0;
}

int hash_reserve(struct hash_table *table, size_t count)
{
	/* Three quarters of which are at least one more. */
	size_t slots = count > 0 ? MAX((count / 3 + 1) * 4, (size_t)SLOTS_MIN) : 0;
	int result = 0;

	if (slots > (table->now.slots ? table->now.count : 0))
		result = resize(table, slots);
	if (result < 0)
		return result;
	table->slots_least = (uint32_t)slots;
	while (table->old.slots)
		move_some(table, SIZE_MAX);
	if (slots > 0)
		memory_touch(table->now.slots, table->now.count * sizeof(struct hash_slot));
	return 0;
}

int hash_insert(struct hash_table *table, uint32_t hash, void *item)
{
	size_t slots = table->now.slots ? table->now.count : 0;

	CHECK(item);
	if (table->count >= slots / 4 * 3) {
		int result = resize(table, slots ? slots + slots / 2 : SLOTS_MIN);

		/* Without memory the array may fill up, save one slot that ends searches. */
		if (result < 0 && table->count + 1 >= slots)
			return result;
	}
	move_some(table, MOVE_STEP);
	place(table, hash, item);
	table->count++;
	return 0;
}

/* ---- searching ---- */

/*
 * The slot after `idx`: around the array's end in a whole array, `end` in an old one, of which only the
 * slots before `end` are left.
 */
static size_t slot_after(size_t idx, const struct hash_array *array, size_t end)
{
	return ++idx == array->count && end > array->count ? 0 : idx;
}

/* How many slots on from `from` is `to`? */
static size_t distance(size_t from, size_t to, const struct hash_array *array)
{
	return to >= from ? to - from : to + array->count - from;
}

static void *find_in(const struct hash_array *array, size_t end, uint32_t hash, const void *key,
		     hash_equal_fn *equal)
{
	const struct hash_slot *slots = array->slots, *slot, *last;
	size_t home = home_of(hash, array->count);
	void *item;

	if (home >= end)
		return NULL;
	slot = &slots[home];
	last = &slots[MIN(end, array->count)];
	for (;; slot++) {
		if (slot == last) {
			/* Around: somewhere there is an empty slot. */
			if (end <= array->count)
				return NULL;
			slot = slots;
		}
		item = slot_item(slot);
		if (!item || (slot->hash == hash && equal(item, key)))
			return item;
	}
}

void *hash_find(const struct hash_table *table, uint32_t hash, const void *key,
		hash_equal_fn *equal)
{
	void *item = NULL;

	if (table->count == 0)
		return NULL;
	if (table->old.slots)
		item = find_in(&table->old, table->old_left, hash, key, equal);
	if (!item)
		item = find_in(&table->now, SIZE_MAX, hash, key, equal);
	return item;
}

static bool is_any(const void *item, const void *key)
{
	(void)item;
	(void)key;
	return true;
}

void hash_prefetch(const struct hash_table *table, uint32_t hash)
{
	const struct hash_slot *home;

	if (table->count == 0)
		return;
	home = &table->now.slots[home_of(hash, table->now.count)];
	/* A search mostly ends within the next few slots, which may be in the next line. */
	memory_prefetch(home, sizeof(*home) * SEARCH_SLOTS);
}

void *hash_peek(const struct hash_table *table, uint32_t hash)
{
	return hash_find(table, hash, NULL, is_any);
}

/* Where exactly this item stands; NULL: nowhere. */
static struct hash_slot *slot_of(const struct hash_array *array, size_t end, uint32_t hash,
				 const void *item)
{
	for (size_t idx = home_of(hash, array->count); idx < end;
	     idx = slot_after(idx, array, end)) {
		void *at = slot_item(&array->slots[idx]);

		if (at == item)
			return &array->slots[idx];
		if (!at)
			break;
	}
	return NULL;
}

bool hash_replace(struct hash_table *table, uint32_t hash, const void *old, void *fresh)
{
	struct hash_slot *slot = NULL;

	CHECK(fresh);
	if (table->count == 0 || !old)
		return false;
	if (table->old.slots)
		slot = slot_of(&table->old, table->old_left, hash, old);
	if (!slot)
		slot = slot_of(&table->now, SIZE_MAX, hash, old);
	if (!slot)
		return false;
	slot_set(slot, hash, fresh);
	return true;
}

/* `end` as above. */
static bool remove_from(struct hash_array *array, size_t end, uint32_t hash, const void *item)
{
	struct hash_slot *slots = array->slots;
	struct hash_slot *slot = slot_of(array, end, hash, item);
	size_t idx, next;

	if (!slot)
		return false;
	idx = (size_t)(slot - slots);
	/* Whoever stands behind the hole and whose home is not behind it may move into it. */
	for (next = slot_after(idx, array, end); next < end && slot_item(&slots[next]);
	     next = slot_after(next, array, end)) {
		size_t home = home_of(slots[next].hash, array->count);

		if (distance(home, next, array) >= distance(idx, next, array)) {
			slots[idx] = slots[next];
			idx = next;
		}
	}
	slot_set(&slots[idx], 0, NULL);
	return true;
}

bool hash_remove(struct hash_table *table, uint32_t hash, const void *item)
{
	if (table->count == 0 || !item)
		return false;
	if (table->old.slots && remove_from(&table->old, table->old_left, hash, item))
		table->old_count--;
	else if (!remove_from(&table->now, SIZE_MAX, hash, item))
		return false;
	table->count--;
	move_some(table, MOVE_STEP);
	if (!table->old.slots && !table->holds_size && table->now.count / 4 >= SLOTS_MIN &&
	    table->count < table->now.count / 16 && table->now.count / 4 >= table->slots_least)
		(void)resize(table, table->now.count / 4); /* without memory it stays large */
	return true;
}

void *hash_next(const struct hash_table *table, size_t *cursor)
{
	size_t old_slots = table->old.slots ? table->old_left : 0;
	size_t slots = table->now.slots ? table->now.count : 0;

	while (*cursor < old_slots + slots) {
		size_t idx = (*cursor)++;
		void *item = slot_item(idx < old_slots ? &table->old.slots[idx]
						       : &table->now.slots[idx - old_slots]);

		if (item)
			return item;
	}
	return NULL;
}

/* Every item must be reached from its home over no empty slot. */
static size_t check_slots(const struct hash_array *array, size_t end)
{
	size_t count = 0;

	for (size_t idx = 0; idx < MIN(end, array->count); idx++) {
		if (!slot_item(&array->slots[idx]))
			continue;
		for (size_t at = home_of(array->slots[idx].hash, array->count); at != idx;
		     at = slot_after(at, array, end)) {
			CHECK(at < end);
			CHECK(slot_item(&array->slots[at]));
		}
		count++;
	}
	return count;
}

void hash_check(const struct hash_table *table)
{
	size_t count = 0;

	CHECK(table->now.slots || (table->count == 0 && !table->old.slots));
	if (table->old.slots) {
		CHECK(table->old_left > 0 && table->old_left <= table->old.count);
		count = check_slots(&table->old, table->old_left);
		CHECK(count == table->old_count);
	}
	if (table->now.slots)
		count += check_slots(&table->now, SIZE_MAX);
	CHECK(count == table->count);
	CHECK(!table->now.slots || count < table->now.count);
}
