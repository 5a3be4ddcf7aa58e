/* SPDX-License-Identifier: MIT */
/*
 * Open addressing with linear probing: an item stands at the slot that its hash names (its home) or
 * in the first free one after it. Removal shifts what follows back, so there are no tombstones, and
 * a search ends at the first empty slot.
 *
 * The home is the top bits of the hash times a constant (Fibonacci hashing), so that a caller's
 * hash need not be good in any special bits.
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
 * Homes are top bits, so an old slot's items go to two neighbouring new slots: moving walks both
 * arrays in order. A new array comes zeroed from calloc(), which for large ones is untouched memory of
 * the system's; the old one is given back in pieces while it shrinks, since to free a hundred
 * megabytes at once takes milliseconds.
 *
 * The numbers: growth at 3/4 of C slots leaves room for 3/4 C insertions, and the old array is empty
 * after C / 16 of them. Shrinking from C to C / 4 at C / 16 items is over after C / 16 calls,
 * which can at most double the items: half of C / 4.
 */
#include "base/hash.h"

#include <stdlib.h>
#include <string.h>
#include <teeceepee/types.h>
#include "base/check.h"

enum {
	BITS_MIN = 4,
	BITS_MAX = 32,
	MOVE_STEP = 16,          /* old slots moved with each insertion or removal */
	RELEASE_SLOTS = 1 << 16, /* old slots given back at once */
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

static size_t slots_count(unsigned bits)
{
	return (size_t)1 << bits;
}

static size_t home_of(uint32_t hash, unsigned bits)
{
	uint32_t mixed = hash * UINT32_C(0x9e3779b1);

	return (size_t)((uint64_t)mixed >> (32 - bits));
}

void hash_init(struct hash_table *table)
{
	*table = (struct hash_table){0};
}

void hash_fini(struct hash_table *table)
{
	free(table->slots);
	free(table->old_slots);
	hash_init(table);
}

/* Puts an item into the new array, which has room. */
static void place(struct hash_table *table, uint32_t hash, void *item)
{
	size_t mask = slots_count(table->bits) - 1;
	size_t idx = home_of(hash, table->bits);

	while (slot_item(&table->slots[idx]))
		idx = (idx + 1) & mask;
	slot_set(&table->slots[idx], hash, item);
}

static void move_slot(struct hash_table *table, size_t idx)
{
	struct hash_slot *slot = &table->old_slots[idx];
	void *item = slot_item(slot);

	if (!item)
		return;
	place(table, slot->hash, item);
	slot_set(slot, 0, NULL);
	table->old_count--;
}

/* Gives back the part of the old array behind what is left. */
static void release_moved(struct hash_table *table)
{
	struct hash_slot *slots;

	if (table->old_left == 0) {
		free(table->old_slots);
		table->old_slots = NULL;
		return;
	}
	slots = realloc(table->old_slots, table->old_left * sizeof(*slots));
	if (slots)
		table->old_slots = slots;
}

/* Moves up to `step` more slots of the old array; of empty ones, a piece to be given back. */
static void move_some(struct hash_table *table, size_t step)
{
	if (!table->old_slots)
		return;
	while (step > 0 && table->old_left > 0 && table->old_count > 0) {
		move_slot(table, --table->old_left);
		step--;
		if (table->old_left % RELEASE_SLOTS == 0)
			release_moved(table);
	}
	if (table->old_slots && table->old_count == 0) {
		table->old_left = (table->old_left - MIN(table->old_left, (size_t)1)) /
				  RELEASE_SLOTS * RELEASE_SLOTS;
		release_moved(table);
	}
}

/*
 * The run of full slots at the front of the array may hold items that wrapped around its end. It is
 * moved whole, so that no search in the old array need look there for them.
 */
static void move_front_run(struct hash_table *table)
{
	for (size_t idx = 0; idx < table->old_left && slot_item(&table->old_slots[idx]); idx++)
		move_slot(table, idx);
}

static int resize(struct hash_table *table, unsigned bits)
{
	struct hash_slot *slots;

	/* By the numbers above nothing is left to move, unless an allocation had failed. */
	while (table->old_slots)
		move_some(table, SIZE_MAX);
	slots = calloc(slots_count(bits), sizeof(*slots));
	if (!slots)
		return -TEE_ENOMEM;
	table->old_slots = table->slots;
	table->old_bits = table->bits;
	table->old_count = table->count;
	table->old_left = table->slots ? slots_count(table->bits) : 0;
	table->slots = slots;
	table->bits = (uint8_t)bits;
	move_front_run(table);
	return 0;
}

int hash_insert(struct hash_table *table, uint32_t hash, void *item)
{
	CHECK(item);
	if (!table->slots || table->count >= slots_count(table->bits) / 4 * 3) {
		unsigned bits = table->slots ? table->bits + 1u : BITS_MIN;
		int result = bits <= BITS_MAX ? resize(table, bits) : -TEE_ENOMEM;

		/* Without memory the array may fill up, save one slot that ends searches. */
		if (result < 0 && (!table->slots || table->count + 1 >= slots_count(table->bits)))
			return result;
	}
	move_some(table, MOVE_STEP);
	place(table, hash, item);
	table->count++;
	return 0;
}

/*
 * The slot after `idx`: around the array's end in a whole array, `end` in an old one, of which only the
 * slots before `end` are left.
 */
static size_t slot_after(size_t idx, size_t mask, size_t end)
{
	return end > mask ? (idx + 1) & mask : idx + 1;
}

static void *find_in(const struct hash_slot *slots, unsigned bits, size_t end, uint32_t hash,
		     const void *key, hash_equal_fn *equal)
{
	size_t mask = slots_count(bits) - 1;
	void *item;

	for (size_t idx = home_of(hash, bits); idx < end; idx = slot_after(idx, mask, end)) {
		item = slot_item(&slots[idx]);
		if (!item)
			break;
		if (slots[idx].hash == hash && equal(item, key))
			return item;
	}
	return NULL;
}

void *hash_find(const struct hash_table *table, uint32_t hash, const void *key,
		hash_equal_fn *equal)
{
	void *item = NULL;

	if (table->count == 0)
		return NULL;
	if (table->old_slots)
		item = find_in(table->old_slots, table->old_bits, table->old_left, hash, key,
			       equal);
	if (!item)
		item = find_in(table->slots, table->bits, SIZE_MAX, hash, key, equal);
	return item;
}

/* `end` as above. */
static bool remove_from(struct hash_slot *slots, unsigned bits, size_t end, uint32_t hash,
			const void *item)
{
	size_t mask = slots_count(bits) - 1;
	size_t idx = home_of(hash, bits), next;
	void *at;

	for (; idx < end && (at = slot_item(&slots[idx])) != item; idx = slot_after(idx, mask, end))
		if (!at)
			return false;
	if (idx >= end)
		return false;
	/* Whoever stands behind the hole and whose home is not behind it may move into it. */
	for (next = slot_after(idx, mask, end); next < end && slot_item(&slots[next]);
	     next = slot_after(next, mask, end)) {
		size_t home = home_of(slots[next].hash, bits);

		if (((next - home) & mask) >= ((next - idx) & mask)) {
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
	if (table->old_slots &&
	    remove_from(table->old_slots, table->old_bits, table->old_left, hash, item))
		table->old_count--;
	else if (!remove_from(table->slots, table->bits, SIZE_MAX, hash, item))
		return false;
	table->count--;
	move_some(table, MOVE_STEP);
	if (!table->old_slots && !table->holds_size && table->bits >= BITS_MIN + 2 &&
	    table->count < slots_count(table->bits) / 16)
		(void)resize(table, table->bits - 2u); /* without memory it stays large */
	return true;
}

void *hash_next(const struct hash_table *table, size_t *cursor)
{
	size_t old_slots = table->old_slots ? table->old_left : 0;
	size_t slots = table->slots ? slots_count(table->bits) : 0;

	while (*cursor < old_slots + slots) {
		size_t idx = (*cursor)++;
		void *item = slot_item(idx < old_slots ? &table->old_slots[idx]
						       : &table->slots[idx - old_slots]);

		if (item)
			return item;
	}
	return NULL;
}

/* Every item must be reached from its home over no empty slot. */
static size_t check_slots(const struct hash_slot *slots, unsigned bits, size_t end)
{
	size_t mask = slots_count(bits) - 1;
	size_t count = 0;

	for (size_t idx = 0; idx < MIN(end, mask + 1); idx++) {
		if (!slot_item(&slots[idx]))
			continue;
		for (size_t at = home_of(slots[idx].hash, bits); at != idx;
		     at = slot_after(at, mask, end)) {
			CHECK(at < end);
			CHECK(slot_item(&slots[at]));
		}
		count++;
	}
	return count;
}

void hash_check(const struct hash_table *table)
{
	size_t count = 0;

	CHECK(table->slots || (table->count == 0 && !table->old_slots));
	if (table->old_slots) {
		CHECK(table->old_left > 0 && table->old_left <= slots_count(table->old_bits));
		count = check_slots(table->old_slots, table->old_bits, table->old_left);
		CHECK(count == table->old_count);
	}
	if (table->slots)
		count += check_slots(table->slots, table->bits, SIZE_MAX);
	CHECK(count == table->count);
	CHECK(!table->slots || count < slots_count(table->bits));
}
