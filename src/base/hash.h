/* SPDX-License-Identifier: MIT */
/*
 * Open-addressing hash table of pointers: linear probing, backward-shift deletion, 12 bytes a slot.
 * It grows by half when it is 3/4 full and shrinks when it is nearly empty, and moves its entries a few
 * at a time, with each insertion or removal, so that no call stalls. Keys are the caller's: it brings
 * the hash and an equality test.
 */
#ifndef TEE_BASE_HASH_H
#define TEE_BASE_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <teeceepee/config.h>

/* Packed by hand: a pointer in two words, so that a slot has no padding. */
struct hash_slot {
	uint32_t hash;
	uint32_t item[2]; /* both zero: empty */
};

struct hash_array {
	struct hash_slot *slots;
	uint32_t count;      /* of slots */
	size_t mapped_bytes; /* 0: not from the table's `memory` */
};

struct hash_table {
	struct hash_array now;
	struct hash_array old; /* what is being moved from; no slots: nothing */
	size_t count;          /* items in both */
	size_t old_count;
	size_t old_left; /* slots of `old` that are left; what stood behind has moved */
	/* For arrays of HASH_MAPPED_MIN bytes and more; NULL: always the C library's allocator. */
	const struct tee_memory *memory;
	/*
	 * It does not shrink. For who is about to remove everything in the order of hash_next(): what is left
	 * then stands at one end of the array, and would make one long run in a smaller one.
	 */
	bool holds_size;
	uint32_t slots_least; /* it does not shrink below that; see hash_reserve() */
};

enum { HASH_MAPPED_MIN = 16 << 20 };

typedef bool hash_equal_fn(const void *item, const void *key);

/* The table starts empty and without memory; who has a `memory` sets it then. */
void hash_init(struct hash_table *table);
void hash_fini(struct hash_table *table);
/*
 * From now on `count` items fit in without growth, those included that are there; the memory is touched. It never
 * makes the table smaller, but with 0 it may shrink again. 0, -TEE_ENOMEM.
 */
int hash_reserve(struct hash_table *table, size_t count);
/* 0 or -TEE_ENOMEM. The item must not be in the table, nor be NULL. */
int hash_insert(struct hash_table *table, uint32_t hash, void *item);
void *hash_find(const struct hash_table *table, uint32_t hash, const void *key,
		hash_equal_fn *equal);
/*
 * For who will ask for many at once from a table that no cache holds: first hash_prefetch() for all, then hash_peek(),
 * the first item of this hash, whatever its key; NULL: there is none. Neither changes anything.
 */
void hash_prefetch(const struct hash_table *table, uint32_t hash);
void *hash_peek(const struct hash_table *table, uint32_t hash);
/* Removes exactly this item; true when it was there. */
bool hash_remove(struct hash_table *table, uint32_t hash, const void *item);
/* Puts another item, of the same hash, into the place of this one; false: it was not there. */
bool hash_replace(struct hash_table *table, uint32_t hash, const void *old, void *fresh);
/*
 * Next item at or after *cursor in slot order (start at 0); NULL at the end. An insertion or removal
 * moves other items, so that a walk across one may miss some or see them twice; whoever empties a table
 * walks again from 0 until nothing comes.
 */
void *hash_next(const struct hash_table *table, size_t *cursor);
/* Aborts when an item can't be found from its hash, or is counted wrongly. Walks all of the table. */
void hash_check(const struct hash_table *table);

#endif
