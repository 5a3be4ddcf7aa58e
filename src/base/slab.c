/* SPDX-License-Identifier: MIT */
/*
 * Slabs: see slab.h for what they are for.
 *
 *   arena   counts pages and keeps areas: an area has a bit for each of its pages that nobody has. One that
 *           is not mapped is allocated a page larger than it is, to be aligned
 *   page    a header (struct slab_page) at an address that is a multiple of SLAB_PAGE_BYTES, then objects.
 *           Objects that were never taken lie behind `fresh` and have not been touched, so that a page
 *           costs no more memory than was used of it; those that came back are chained from `free`
 *   slab    the pages that have room, the one used last in front
 *
 * Taking and freeing are O(1) and touch the object and its page's header. Memory goes back to where it came
 * from as soon as a page is empty and an area has no page left, but for one page a slab and one area an arena,
 * which stay so that an object that comes and goes does not fetch and return its page each time. Reserved pages
 * (slab_arena_reserve) are areas got before anybody wants them, and stay, too.
 *
 * Nothing here is a stranger's to choose: sizes are the stack's own structs, numbers are bounded by the tables
 * that hold the objects.
 */
#include "base/slab.h"

#include <stdlib.h>
#include <string.h>
#include "base/check.h"
#include "base/memory.h"

struct slab_page {
	struct list node; /* in slab->pages while there is room */
	struct slab_area *area;
	void *free;     /* objects that came back, each with the next one's address */
	uint16_t fresh; /* objects before this one have been taken once */
	uint16_t used;
};

struct slab_area {
	struct list node; /* in arena->areas while a page is free */
	uint8_t *base;
	void *allocated;     /* by malloc(); NULL: `base` was mapped */
	uint64_t pages;      /* a bit each, from the lowest */
	uint64_t free_pages; /* those of them that are free */
};
_Static_assert(SLAB_AREA_PAGES == 64, "a bit for each page of an area");

/* ---- pages ---- */

void slab_arena_init(struct slab_arena *arena, const struct tee_memory *memory, bool is_separate)
{
	*arena = (struct slab_arena){.memory = *memory, .is_separate = is_separate};
	list_init(&arena->areas);
}

static size_t pages_of(const struct slab_area *area)
{
	return (size_t)__builtin_popcountll(area->pages);
}

static void area_free(struct slab_arena *arena, struct slab_area *area)
{
	CHECK(area->free_pages == area->pages);
	list_remove(&area->node);
	arena->area_count--;
	arena->area_pages -= pages_of(area);
	arena->idle_count--;
	if (area->allocated)
		free(area->allocated);
	else
		arena->memory.unmap(arena->memory.arg, area->base, SLAB_AREA_BYTES);
	free(area);
}

void slab_arena_fini(struct slab_arena *arena)
{
	CHECK(arena->page_count == 0);
	LIST_FOR_EACH_SAFE(node, &arena->areas)
	area_free(arena, CONTAINER_OF(node, struct slab_area, node));
	CHECK(arena->area_count == 0 && arena->area_pages == 0 && arena->idle_count == 0);
}

/* Memory for an area; false: there is none. */
static bool area_fill(const struct slab_arena *arena, struct slab_area *area)
{
	size_t most = MAX(arena->page_count, arena->reserved_pages);
	unsigned pages = most < SLAB_AREA_PAGES ? SLAB_SMALL_AREA_PAGES : SLAB_AREA_PAGES;
	uintptr_t at;

	if (arena->memory.map && most >= ARENA_MALLOC_PAGES)
		area->base = arena->memory.map(arena->memory.arg, SLAB_AREA_BYTES);
	if (!area->base) {
		area->allocated = malloc((size_t)(pages + 1) * SLAB_PAGE_BYTES);
		if (!area->allocated)
			return false;
		at = (uintptr_t)area->allocated + SLAB_PAGE_BYTES - 1;
		area->base = (uint8_t *)(at - at % SLAB_PAGE_BYTES);
	}
	CHECK((uintptr_t)area->base % SLAB_PAGE_BYTES == 0);
	area->pages = area->free_pages = UINT64_MAX >> (SLAB_AREA_PAGES - pages);
	return true;
}

/* One more area, idle, behind those that there are; NULL: no memory. */
static struct slab_area *area_new(struct slab_arena *arena)
{
	struct slab_area *area = calloc(1, sizeof(*area));

	if (!area || !area_fill(arena, area)) {
		free(area);
		return NULL;
	}
	list_push_back(&arena->areas, &area->node);
	arena->area_count++;
	arena->area_pages += pages_of(area);
	arena->idle_count++;
	return area;
}

/* An area with a free page; NULL: no memory. */
static struct slab_area *area_with_room(struct slab_arena *arena)
{
	if (list_is_empty(&arena->areas))
		return area_new(arena);
	return CONTAINER_OF(arena->areas.next, struct slab_area, node);
}

/* May an area that nobody uses go? One stays, and what is reserved. */
static bool is_too_much(const struct slab_arena *arena, const struct slab_area *area)
{
	return arena->idle_count > 1 && arena->area_pages >= arena->reserved_pages + pages_of(area);
}

static void give_back(struct slab_arena *arena)
{
	LIST_FOR_EACH_SAFE(node, &arena->areas)
	{
		struct slab_area *area = CONTAINER_OF(node, struct slab_area, node);

		if (area->free_pages == area->pages && is_too_much(arena, area))
			area_free(arena, area);
	}
}

static void touch_free_pages(const struct slab_area *area)
{
	for (uint64_t left = area->free_pages; left; left &= left - 1)
		memory_touch(area->base + (size_t)__builtin_ctzll(left) * SLAB_PAGE_BYTES,
			     SLAB_PAGE_BYTES);
}

int slab_arena_reserve(struct slab_arena *arena, size_t pages)
{
	size_t before = arena->reserved_pages;
	int result = 0;

	if (arena->is_separate)
		return 0;
	arena->reserved_pages = pages;
	while (arena->area_pages < pages && result == 0)
		result = area_new(arena) ? 0 : -TEE_ENOMEM;
	if (result < 0)
		arena->reserved_pages = before;
	give_back(arena);
	if (result < 0)
		return result;
	LIST_FOR_EACH(node, &arena->areas)
	touch_free_pages(CONTAINER_OF(node, struct slab_area, node));
	return 0;
}

static struct slab_page *page_new(struct slab_arena *arena)
{
	struct slab_area *area = area_with_room(arena);
	struct slab_page *page;
	int idx;

	if (!area)
		return NULL;
	arena->idle_count -= area->free_pages == area->pages;
	idx = __builtin_ctzll(area->free_pages);
	area->free_pages &= area->free_pages - 1;
	if (!area->free_pages)
		list_remove(&area->node);
	arena->page_count++;
	page = (struct slab_page *)(void *)(area->base + (size_t)idx * SLAB_PAGE_BYTES);
	*page = (struct slab_page){.area = area};
	list_init(&page->node);
	return page;
}

static void page_free(struct slab_arena *arena, struct slab_page *page)
{
	struct slab_area *area = page->area;
	size_t idx;

	arena->page_count--;
	if (!area->free_pages)
		list_push_back(&arena->areas, &area->node);
	idx = (size_t)((uint8_t *)page - area->base) / SLAB_PAGE_BYTES;
	area->free_pages |= UINT64_C(1) << idx;
	if (area->free_pages != area->pages)
		return;
	arena->idle_count++;
	if (is_too_much(arena, area))
		area_free(arena, area);
}

/* ---- objects ---- */

static struct slab_page *page_of(const void *object)
{
	return (struct slab_page *)((uintptr_t)object & ~(uintptr_t)(SLAB_PAGE_BYTES - 1));
}

static uint8_t *object_at(const struct slab *slab, struct slab_page *page, unsigned idx)
{
	return (uint8_t *)(page + 1) + (size_t)idx * slab->object_bytes;
}

void slab_init(struct slab *slab, struct slab_arena *arena, size_t object_bytes)
{
	CHECK(object_bytes > 0 && object_bytes <= SLAB_OBJECT_BYTES_MAX);
	object_bytes = (object_bytes + 7) / 8 * 8;
	*slab = (struct slab){
		.arena = arena,
		.object_bytes = (uint32_t)object_bytes,
		.per_page = (uint32_t)((SLAB_PAGE_BYTES - sizeof(struct slab_page)) / object_bytes),
	};
	list_init(&slab->pages);
}

void slab_fini(struct slab *slab)
{
	CHECK(slab->count == 0);
	while (!list_is_empty(&slab->pages)) {
		struct list *node = list_pop_front(&slab->pages);

		page_free(slab->arena, CONTAINER_OF(node, struct slab_page, node));
	}
}

size_t slab_pages_for(const struct slab *slab, size_t count)
{
	return (count + slab->per_page - 1) / slab->per_page;
}

void *slab_new(struct slab *slab)
{
	struct slab_page *page;
	uint8_t *object;

	if (slab->arena->is_separate) {
		object = malloc(slab->object_bytes);
		slab->count += object != NULL;
		return object;
	}
	if (list_is_empty(&slab->pages)) {
		page = page_new(slab->arena);
		if (!page)
			return NULL;
		list_push_front(&slab->pages, &page->node);
	}
	page = CONTAINER_OF(slab->pages.next, struct slab_page, node);
	object = page->free;
	if (object)
		memcpy(&page->free, object, sizeof(page->free));
	else
		object = object_at(slab, page, page->fresh++);
	if (++page->used == slab->per_page)
		list_remove(&page->node);
	slab->count++;
	return object;
}

void *slab_new_zeroed(struct slab *slab)
{
	void *object = slab_new(slab);

	if (object)
		memset(object, 0, slab->object_bytes);
	return object;
}

void slab_free(struct slab *slab, void *object)
{
	struct slab_page *page;

	if (!object)
		return;
	CHECK(slab->count > 0);
	slab->count--;
	if (slab->arena->is_separate) {
		free(object);
		return;
	}
	page = page_of(object);
	CHECK(page->used > 0);
	memcpy(object, &page->free, sizeof(page->free));
	page->free = object;
	if (page->used-- == slab->per_page)
		list_push_front(&slab->pages, &page->node);
	if (page->used > 0)
		return;
	/* The last page with room stays, or an object that comes and goes would take it along each time. */
	if (slab->pages.next->next == &slab->pages)
		return;
	list_remove(&page->node);
	page_free(slab->arena, page);
}

void slab_check(const struct slab *slab)
{
	size_t room = 0;

	LIST_FOR_EACH(node, (struct list *)&slab->pages)
	{
		struct slab_page *page = CONTAINER_OF(node, struct slab_page, node);
		size_t idle = 0;
		uint8_t *object = page->free, *first = object_at(slab, page, 0);
		void *next;

		CHECK(page->used < slab->per_page && page->fresh <= slab->per_page);
		while (object) {
			CHECK(page_of(object) == page);
			CHECK((size_t)(object - first) % slab->object_bytes == 0);
			CHECK(++idle <= page->fresh);
			memcpy(&next, object, sizeof(next));
			object = next;
		}
		CHECK(page->used + idle == page->fresh);
		room += slab->per_page - page->used;
	}
	CHECK(slab->arena->is_separate || (slab->count + room) % slab->per_page == 0);
}
