/* SPDX-License-Identifier: MIT */
/*
 * Open-addressing hash table of pointers: linear probing, backward-shift deletion, 16 bytes a slot,
 * grows by incremental doubling below 7/8 full. Keys are the caller's: it brings the hash and an equality test.
 */
#ifndef TEE_BASE_HASH_H
#define TEE_BASE_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hash_slot {
	void *item; /* NULL: empty */
	uint32_t hash;
};

struct hash_table {
	struct hash_slot *slots;
	size_t mask; /* slots - 1; slots is a power of two */
	size_t count;
};

typedef bool hash_equal_fn(const void *item, const void *key);

/* The table starts empty and without memory. */
void hash_init(struct hash_table *table);
void hash_fini(struct hash_table *table);
/* 0 or -TEE_ENOMEM. The item must not be in the table. */
int hash_insert(struct hash_table *table, uint32_t hash, void *item);
void *hash_find(const struct hash_table *table, uint32_t hash, const void *key,
		hash_equal_fn *equal);
/* Removes exactly this item; true when it was there. */
bool hash_remove(struct hash_table *table, uint32_t hash, const void *item);
/* Next item at or after *cursor in slot order (start at 0); NULL at the end. */
void *hash_next(const struct hash_table *table, size_t *cursor);

#endif
