/* SPDX-License-Identifier: MIT */
/* The hash table against an array of flags: growing, shrinking, colliding, running out of memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <cmocka.h>
#include "base/check.h"
#include "base/hash.h"
#include "base/random.h"

enum { ITEMS_COUNT = 20000 };

static bool is_same(const void *item, const void *key)
{
	return item == key;
}

/* Ways to make a hash of an item's number: good, all in the low bits, all in the high bits, poor. */
static uint32_t hash_of(unsigned kind, uint32_t number)
{
	switch (kind) {
	case 0: return number * UINT32_C(0x85ebca6b) ^ number >> 3;
	case 1: return number;
	case 2: return number << 17;
	default: return number / 7; /* seven items share a hash */
	}
}

struct model {
	struct hash_table table;
	struct random random;
	unsigned kind;
	bool is_in[ITEMS_COUNT];
	uint8_t items[ITEMS_COUNT]; /* only their addresses matter */
	size_t count;
};

static void model_step(struct model *model, unsigned insert_percent)
{
	uint32_t i = (uint32_t)random_below(&model->random, ITEMS_COUNT);
	uint32_t hash = hash_of(model->kind, i);
	void *found = hash_find(&model->table, hash, &model->items[i], is_same);

	assert_ptr_equal(found, model->is_in[i] ? &model->items[i] : NULL);
	if (random_below(&model->random, 100) < insert_percent) {
		if (!model->is_in[i]) {
			assert_int_equal(hash_insert(&model->table, hash, &model->items[i]), 0);
			model->count++;
		}
		model->is_in[i] = true;
	} else {
		assert_int_equal(hash_remove(&model->table, hash, &model->items[i]),
				 model->is_in[i]);
		model->count -= model->is_in[i];
		model->is_in[i] = false;
	}
	assert_int_equal(model->table.count, model->count);
}

static void test_random_operations(void **state)
{
	static const unsigned insert_percents[] = {70, 50, 3, 90, 0};
	struct model *model = calloc(1, sizeof(*model));

	for (model->kind = 0; model->kind < 4; model->kind++) {
		random_init(&model->random, model->kind);
		hash_init(&model->table);
		for (unsigned phase = 0; phase < ARRAY_LEN(insert_percents); phase++) {
			for (unsigned step = 0; step < 60000; step++) {
				model_step(model, insert_percents[phase]);
				if (step % 4096 == 0)
					hash_check(&model->table);
			}
		}
		hash_fini(&model->table);
		memset(model->is_in, 0, sizeof(model->is_in));
		model->count = 0;
	}
	free(model);
}

/* Every single step of growing and shrinking is checked, while items move between the arrays. */
static void test_every_step_of_moving(void **state)
{
	static uint8_t items[3000];
	struct hash_table table;
	bool has_moved = false;

	hash_init(&table);
	for (uint32_t i = 0; i < ARRAY_LEN(items); i++) {
		assert_int_equal(hash_insert(&table, i * UINT32_C(0x9e3779b1), &items[i]), 0);
		has_moved |= table.old.slots != NULL;
		hash_check(&table);
	}
	assert_true(has_moved);
	has_moved = false;
	for (uint32_t i = 0; i < ARRAY_LEN(items); i++) {
		assert_true(hash_remove(&table, i * UINT32_C(0x9e3779b1), &items[i]));
		has_moved |= table.old.slots != NULL;
		hash_check(&table);
	}
	assert_true(has_moved);
	assert_true(table.now.count <= 64); /* the memory came back */
	hash_fini(&table);
}

static void test_walk_sees_each_item_once(void **state)
{
	static uint8_t items[1000], seen[1000];
	struct hash_table table;
	uint8_t *item;

	hash_init(&table);
	for (unsigned count = 0; count < ARRAY_LEN(items); count++) {
		size_t cursor = 0;
		unsigned seen_count = 0;

		memset(seen, 0, sizeof(seen));
		while ((item = hash_next(&table, &cursor))) {
			assert_int_equal(seen[item - items]++, 0);
			seen_count++;
		}
		assert_int_equal(seen_count, count);
		assert_int_equal(hash_insert(&table, count * 77, &items[count]), 0);
	}
	hash_fini(&table);
}

static void test_emptying_by_walks(void **state)
{
	static uint8_t items[1000];
	struct hash_table table;
	uint8_t *item;

	hash_init(&table);
	for (uint32_t i = 0; i < ARRAY_LEN(items); i++)
		assert_int_equal(hash_insert(&table, i, &items[i]), 0);
	while (table.count > 0) {
		size_t cursor = 0, count = table.count;

		while ((item = hash_next(&table, &cursor)))
			assert_true(hash_remove(&table, (uint32_t)(item - items), item));
		assert_true(table.count < count);
	}
	hash_fini(&table);
}

static void test_empty_table(void **state)
{
	struct hash_table table;
	size_t cursor = 0;

	hash_init(&table);
	assert_null(hash_find(&table, 1, NULL, is_same));
	assert_false(hash_remove(&table, 1, &table));
	assert_null(hash_next(&table, &cursor));
	hash_check(&table);
	hash_fini(&table);
}

/* No call may do much work at once, however large the table: what moves with one insertion is bounded. */
static void test_growth_is_spread(void **state)
{
	enum { COUNT = 1 << 17 };
	uint8_t *items = malloc(COUNT);
	struct hash_table table;

	hash_init(&table);
	for (uint32_t i = 0; i < COUNT; i++) {
		bool was_moving = table.old.slots != NULL;
		size_t old_count = table.old_count;

		assert_int_equal(hash_insert(&table, i * UINT32_C(2654435769), &items[i]), 0);
		if (was_moving && table.old.slots)
			assert_true(old_count - table.old_count <= 16);
	}
	/* 12 bytes a slot and at most 4/3 * 3/2 slots an item */
	assert_true(sizeof(struct hash_slot) == 12);
	assert_true(table.now.count <= COUNT * 2);
	hash_fini(&table);
	free(items);
}

/* Putting another into an item's place works wherever the item stands while the table moves. */
static void test_replacing(void **state)
{
	static uint8_t items[1000], others[1000];
	struct hash_table table;

	hash_init(&table);
	assert_false(hash_replace(&table, 1, &items[0], &others[0]));
	for (uint32_t i = 0; i < ARRAY_LEN(items); i++) {
		uint32_t at = i / 2;

		assert_int_equal(hash_insert(&table, i / 3, &items[i]), 0);
		assert_int_equal(hash_replace(&table, at / 3, &items[at], &others[at]), i % 2 == 0);
		assert_ptr_equal(hash_find(&table, at / 3, &others[at], is_same), &others[at]);
		assert_null(hash_find(&table, at / 3, &items[at], is_same));
		hash_check(&table);
	}
	hash_fini(&table);
}

/* A source of mapped arrays that counts what is out. What went back can't be touched any more. */
static void *map_counted(void *arg, size_t bytes)
{
	uint8_t *ptr = mmap(NULL, bytes + TEE_MEMORY_UNIT, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t before = TEE_MEMORY_UNIT - (uintptr_t)ptr % TEE_MEMORY_UNIT;

	assert_ptr_not_equal(ptr, MAP_FAILED);
	assert_int_equal(bytes % TEE_MEMORY_UNIT, 0);
	munmap(ptr, before);
	if (before < TEE_MEMORY_UNIT)
		munmap(ptr + before + bytes, TEE_MEMORY_UNIT - before);
	*(size_t *)arg += bytes;
	return ptr + before;
}

static void unmap_counted(void *arg, void *ptr, size_t bytes)
{
	assert_int_equal((uintptr_t)ptr % TEE_MEMORY_UNIT, 0);
	assert_int_equal(bytes % TEE_MEMORY_UNIT, 0);
	assert_in_range(bytes, 1, *(size_t *)arg);
	assert_int_equal(munmap(ptr, bytes), 0);
	*(size_t *)arg -= bytes;
}

/* Large arrays are mapped; the old one goes back piece by piece, and in the end all of it. */
static void test_mapped_arrays(void **state)
{
	enum { COUNT = 3 << 20 };
	uint8_t *items = malloc(COUNT);
	size_t mapped_bytes = 0, most_bytes = 0;
	const struct tee_memory memory = {map_counted, unmap_counted, &mapped_bytes};
	struct hash_table table;
	unsigned falls = 0;

	hash_init(&table);
	table.memory = &memory;
	for (uint32_t i = 0; i < COUNT; i++) {
		size_t before = mapped_bytes;

		assert_int_equal(hash_insert(&table, i * UINT32_C(2654435769), &items[i]), 0);
		falls += mapped_bytes < before;
		most_bytes = mapped_bytes > most_bytes ? mapped_bytes : most_bytes;
	}
	assert_true(most_bytes >= HASH_MAPPED_MIN && falls > 10);
	hash_check(&table);
	for (uint32_t i = 0; i < COUNT; i++)
		assert_true(hash_remove(&table, i * UINT32_C(2654435769), &items[i]));
	assert_int_equal(mapped_bytes, 0);
	hash_fini(&table);
	free(items);
}

/* Pages of the array that are not there. */
static size_t count_absent(const struct hash_table *table)
{
	enum { PAGE = 4096 };
	size_t pages = table->now.mapped_bytes / PAGE, absent = 0;
	unsigned char *here = malloc(pages);

	assert_int_equal(mincore(table->now.slots, table->now.mapped_bytes, here), 0);
	for (size_t i = 0; i < table->now.count * sizeof(struct hash_slot) / PAGE; i++)
		absent += !(here[i] & 1);
	free(here);
	return absent;
}

/* The array is there at once, touched, neither grows nor shrinks, and what was in the table stays in it. */
static void test_reserve(void **state)
{
	enum { COUNT = 2 << 20, BEFORE = 1000 };
	uint8_t *items = malloc(COUNT);
	size_t mapped_bytes = 0, reserved_bytes;
	const struct tee_memory memory = {map_counted, unmap_counted, &mapped_bytes};
	struct hash_table table;

	hash_init(&table);
	table.memory = &memory;
	for (uint32_t i = 0; i < BEFORE; i++)
		assert_int_equal(hash_insert(&table, i * UINT32_C(2654435769), &items[i]), 0);
	assert_int_equal(hash_reserve(&table, COUNT), 0);
	hash_check(&table);
	reserved_bytes = mapped_bytes;
	assert_true(reserved_bytes > (size_t)COUNT * sizeof(struct hash_slot));
	assert_int_equal(count_absent(&table), 0);
	for (uint32_t i = BEFORE; i < COUNT; i++) {
		assert_int_equal(hash_insert(&table, i * UINT32_C(2654435769), &items[i]), 0);
		assert_null(table.old.slots);
	}
	assert_int_equal(mapped_bytes, reserved_bytes);
	hash_check(&table);
	/* Less than there is room for changes nothing. */
	assert_int_equal(hash_reserve(&table, COUNT - 10), 0);
	for (uint32_t i = 1; i < COUNT; i++)
		assert_true(hash_remove(&table, i * UINT32_C(2654435769), &items[i]));
	assert_int_equal(mapped_bytes, reserved_bytes);
	/* Given up, it shrinks with the next removals. */
	assert_int_equal(hash_reserve(&table, 0), 0);
	assert_true(hash_remove(&table, 0, &items[0]));
	assert_non_null(table.old.slots);
	hash_fini(&table);
	assert_int_equal(mapped_bytes, 0);
	free(items);
}

/* Exactly as many as were reserved fit in, whatever the number. */
static void test_reserve_numbers(void **state)
{
	static const uint32_t counts[] = {1, 2, 11, 12, 13, 100, 101, 102, 103, 104, 4095, 4096};
	uint8_t items[4096];

	for (unsigned n = 0; n < sizeof(counts) / sizeof(counts[0]); n++) {
		struct hash_table table;
		uint32_t slots;

		hash_init(&table);
		assert_int_equal(hash_reserve(&table, counts[n]), 0);
		slots = table.now.count;
		for (uint32_t i = 0; i < counts[n]; i++)
			assert_int_equal(hash_insert(&table, i, &items[i]), 0);
		assert_int_equal(table.now.count, slots);
		hash_check(&table);
		hash_fini(&table);
	}
	struct hash_table table;
	hash_init(&table);
	assert_int_equal(hash_reserve(&table, UINT32_MAX), -TEE_ENOMEM);
	assert_int_equal(hash_insert(&table, 1, &items[1]), 0);
	hash_check(&table);
	hash_fini(&table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_operations),
		cmocka_unit_test(test_every_step_of_moving),
		cmocka_unit_test(test_walk_sees_each_item_once),
		cmocka_unit_test(test_emptying_by_walks),
		cmocka_unit_test(test_empty_table),
		cmocka_unit_test(test_growth_is_spread),
		cmocka_unit_test(test_replacing),
		cmocka_unit_test(test_mapped_arrays),
		cmocka_unit_test(test_reserve),
		cmocka_unit_test(test_reserve_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
