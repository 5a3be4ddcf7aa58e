/* SPDX-License-Identifier: MIT */
/* Slabs against an array of pointers: objects keep their bytes, pages and areas come back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "base/check.h"
#include "base/random.h"
#include "base/slab.h"

enum { PLACES_COUNT = 4000 };

/* What maps areas: counts them, and says no when it is told to. */
struct mapper {
	size_t mapped_count;
	size_t most;
};

static void *map(void *arg, size_t bytes)
{
	struct mapper *mapper = arg;

	assert_int_equal(bytes, TEE_MEMORY_UNIT);
	if (mapper->mapped_count == mapper->most)
		return NULL;
	mapper->mapped_count++;
	return aligned_alloc(TEE_MEMORY_UNIT, bytes);
}

static void unmap(void *arg, void *ptr, size_t bytes)
{
	struct mapper *mapper = arg;

	assert_int_equal(bytes, TEE_MEMORY_UNIT);
	assert_int_equal((uintptr_t)ptr % TEE_MEMORY_UNIT, 0);
	mapper->mapped_count--;
	free(ptr);
}

static const struct tee_memory none;

/* Objects taken and freed at random; each is filled with a byte of its own and looked at when it goes. */
static void run_random(struct slab_arena *arena, size_t object_bytes)
{
	uint8_t **objects = calloc(PLACES_COUNT, sizeof(*objects));
	struct random random;
	struct slab slab;
	size_t count = 0;

	random_init(&random, object_bytes);
	slab_init(&slab, arena, object_bytes);
	for (unsigned step = 0; step < 60000; step++) {
		size_t at = random_below(&random, PLACES_COUNT);
		uint8_t *object = objects[at];

		if (object) {
			for (size_t i = 0; i < object_bytes; i++)
				assert_int_equal(object[i], (uint8_t)(at * 7));
			slab_free(&slab, object);
			objects[at] = NULL;
			count--;
		} else {
			object = slab_new(&slab);
			assert_non_null(object);
			assert_int_equal((uintptr_t)object % 8, 0);
			memset(object, (uint8_t)(at * 7), object_bytes);
			objects[at] = object;
			count++;
		}
		assert_int_equal(slab.count, count);
		if (step % 2048 == 0)
			slab_check(&slab);
	}
	for (size_t at = 0; at < PLACES_COUNT; at++)
		slab_free(&slab, objects[at]);
	slab_check(&slab);
	/* One page stays, for the next object. */
	assert_true(arena->page_count <= 1);
	slab_fini(&slab);
	assert_int_equal(arena->page_count, 0);
	free(objects);
}

static void test_random_operations(void **state)
{
	static const size_t sizes[] = {1, 8, 40, 72, 488, 4096};

	for (unsigned separate = 0; separate < 2; separate++) {
		for (unsigned i = 0; i < ARRAY_LEN(sizes); i++) {
			struct slab_arena arena;

			slab_arena_init(&arena, &none, separate);
			run_random(&arena, sizes[i]);
			slab_arena_fini(&arena);
		}
	}
}

static void test_zeroed(void **state)
{
	for (unsigned separate = 0; separate < 2; separate++) {
		struct slab_arena arena;
		struct slab slab;
		uint8_t *object;

		slab_arena_init(&arena, &none, separate);
		slab_init(&slab, &arena, 20);
		object = slab_new(&slab);
		memset(object, 0xff, 20);
		slab_free(&slab, object);
		object = slab_new_zeroed(&slab);
		for (unsigned i = 0; i < 20; i++)
			assert_int_equal(object[i], 0);
		slab_free(&slab, object);
		slab_free(&slab, NULL);
		slab_fini(&slab);
		slab_arena_fini(&arena);
	}
}

/* What many objects cost beside their own bytes: a header a page, and what is left over at its end. */
static void test_little_is_wasted(void **state)
{
	static const size_t sizes[] = {40, 72, 96, 488};

	for (unsigned i = 0; i < ARRAY_LEN(sizes); i++) {
		struct slab_arena arena;
		struct slab slab;

		slab_arena_init(&arena, &none, false);
		slab_init(&slab, &arena, sizes[i]);
		assert_true(slab.per_page * sizes[i] * 50 >= (size_t)SLAB_PAGE_BYTES * 49);
		slab_fini(&slab);
		slab_arena_fini(&arena);
	}
}

/* Takes `count` objects of a page each. */
static void **take(struct slab *slab, size_t count)
{
	void **objects = calloc(count, sizeof(*objects));

	for (size_t i = 0; i < count; i++) {
		objects[i] = slab_new(slab);
		assert_non_null(objects[i]);
	}
	return objects;
}

/* The first pages are the allocator's, the rest out of areas, which come back as they empty. */
static void test_areas(void **state)
{
	enum { AREAS = 3, PER_PAGE = 7 };
	size_t count = (size_t)(ARENA_MALLOC_PAGES + AREAS * SLAB_AREA_PAGES) * PER_PAGE;
	struct mapper mapper = {.most = AREAS};
	const struct tee_memory memory = {map, unmap, &mapper};
	struct slab_arena arena;
	struct slab slab;
	void **objects;

	slab_arena_init(&arena, &memory, false);
	slab_init(&slab, &arena, SLAB_OBJECT_BYTES_MAX);
	assert_int_equal(slab.per_page, PER_PAGE);
	objects = take(&slab, (size_t)ARENA_MALLOC_PAGES * PER_PAGE);
	assert_int_equal(mapper.mapped_count, 0);
	for (size_t i = 0; i < (size_t)ARENA_MALLOC_PAGES * PER_PAGE; i++)
		slab_free(&slab, objects[i]);
	free(objects);
	objects = take(&slab, count);
	assert_int_equal(mapper.mapped_count, AREAS);
	/* No more to be mapped: it goes on with the allocator's. */
	void *one_more = slab_new(&slab);
	assert_non_null(one_more);
	slab_check(&slab);
	slab_free(&slab, one_more);
	/* In the order of their making, as connections often end: areas go one by one, one stays to be used again. */
	for (size_t i = 0; i < count; i++)
		slab_free(&slab, objects[i]);
	assert_true(mapper.mapped_count <= 1);
	slab_check(&slab);
	slab_fini(&slab);
	slab_arena_fini(&arena);
	assert_int_equal(mapper.mapped_count, 0);
	free(objects);
}

/* Two slabs share an area; its last page decides when it goes. */
static void test_shared_area(void **state)
{
	struct mapper mapper = {.most = SIZE_MAX};
	const struct tee_memory memory = {map, unmap, &mapper};
	struct slab_arena arena;
	struct slab small, large;
	void **first, **second, *other;

	slab_arena_init(&arena, &memory, false);
	slab_init(&small, &arena, 16);
	slab_init(&large, &arena, SLAB_OBJECT_BYTES_MAX);
	first = take(&large, (size_t)ARENA_MALLOC_PAGES * large.per_page);
	other = slab_new(&small);
	second = take(&large, large.per_page);
	assert_int_equal(mapper.mapped_count, 1);
	for (size_t i = 0; i < large.per_page; i++)
		slab_free(&large, second[i]);
	memset(other, 1, 16);
	assert_int_equal(mapper.mapped_count, 1);
	slab_free(&small, other);
	for (size_t i = 0; i < (size_t)ARENA_MALLOC_PAGES * large.per_page; i++)
		slab_free(&large, first[i]);
	slab_fini(&small);
	slab_fini(&large);
	slab_arena_fini(&arena);
	assert_int_equal(mapper.mapped_count, 0);
	free(first);
	free(second);
}

/* Reserved pages are there before anybody wants them, are used before others are got, and stay. */
static void test_reserve(void **state)
{
	enum { AREAS = ARENA_MALLOC_PAGES / SLAB_AREA_PAGES + 2 };
	struct mapper mapper = {.most = SIZE_MAX};
	const struct tee_memory memory = {map, unmap, &mapper};
	struct slab_arena arena;
	struct slab slab;
	size_t count;
	void **objects;

	slab_arena_init(&arena, &memory, false);
	slab_init(&slab, &arena, SLAB_OBJECT_BYTES_MAX);
	count = (size_t)AREAS * SLAB_AREA_PAGES * slab.per_page;
	assert_int_equal(slab_pages_for(&slab, 0), 0);
	assert_int_equal(slab_pages_for(&slab, 1), 1);
	assert_int_equal(slab_pages_for(&slab, count), AREAS * SLAB_AREA_PAGES);
	assert_int_equal(slab_pages_for(&slab, count + 1), AREAS * SLAB_AREA_PAGES + 1);
	for (unsigned round = 0; round < 2; round++) {
		assert_int_equal(slab_arena_reserve(&arena, slab_pages_for(&slab, count)), 0);
		assert_int_equal(mapper.mapped_count, AREAS);
		objects = take(&slab, count);
		assert_int_equal(mapper.mapped_count, AREAS);
		/* One more than was reserved, which goes again. */
		void *one_more = slab_new(&slab);
		assert_int_equal(mapper.mapped_count, AREAS + 1);
		slab_free(&slab, one_more);
		for (size_t i = 0; i < count; i++)
			slab_free(&slab, objects[i]);
		assert_int_equal(mapper.mapped_count, AREAS);
		slab_check(&slab);
		free(objects);
	}
	/* Less: what is in use stays where it is, what is not goes, down to one area that is always kept. */
	void *object = slab_new(&slab);
	assert_int_equal(slab_arena_reserve(&arena, 2 * SLAB_AREA_PAGES), 0);
	assert_int_equal(mapper.mapped_count, 2);
	memset(object, 1, SLAB_OBJECT_BYTES_MAX);
	slab_free(&slab, object);
	assert_int_equal(slab_arena_reserve(&arena, 0), 0);
	assert_in_range(mapper.mapped_count, 1, 2);
	slab_fini(&slab);
	slab_arena_fini(&arena);
	assert_int_equal(mapper.mapped_count, 0);
}

/* A few pages are the allocator's, and where each object is an allocation there is nothing to reserve. */
static void test_reserve_without_areas(void **state)
{
	struct mapper mapper = {.most = 0};
	const struct tee_memory memory = {map, unmap, &mapper};
	struct slab_arena arena;

	slab_arena_init(&arena, &memory, false);
	assert_int_equal(slab_arena_reserve(&arena, 10), 0);
	assert_in_range(arena.area_pages, 10, 10 + SLAB_SMALL_AREA_PAGES);
	/* Nothing to be had by map(): the allocator's then. */
	assert_int_equal(slab_arena_reserve(&arena, ARENA_MALLOC_PAGES), 0);
	assert_in_range(arena.area_pages, ARENA_MALLOC_PAGES, ARENA_MALLOC_PAGES + SLAB_AREA_PAGES);
	slab_arena_fini(&arena);

	slab_arena_init(&arena, &memory, true);
	assert_int_equal(slab_arena_reserve(&arena, 10), 0);
	assert_int_equal(arena.area_pages, 0);
	slab_arena_fini(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_operations),     cmocka_unit_test(test_zeroed),
		cmocka_unit_test(test_little_is_wasted),      cmocka_unit_test(test_areas),
		cmocka_unit_test(test_shared_area),           cmocka_unit_test(test_reserve),
		cmocka_unit_test(test_reserve_without_areas),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
