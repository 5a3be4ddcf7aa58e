/* SPDX-License-Identifier: MIT */
/*
 * Objects of one size, very many of them, without an allocator's header each: a slab cuts pages of 32 KiB
 * into objects. An object's page is found from its address, since pages are aligned to their size; a page
 * whose last object goes is given back.
 *
 * The slabs of a stack share an arena, which gives them pages out of areas: small ones at first, then of
 * 2 MiB, from the C library's allocator; and once there are ARENA_MALLOC_PAGES pages, from the
 * configuration's `memory`, if it has any.
 *
 * Pages may be reserved: they are then got and touched at once, and stay.
 *
 * An arena may be told to keep no pages (tee_config.slabs off): each object is then the allocator's own, so that
 * memory checkers see every one.
 */
#ifndef TEE_BASE_SLAB_H
#define TEE_BASE_SLAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <teeceepee/config.h>
#include "base/list.h"

/*
 * Does AddressSanitizer watch this build? Then each object is to be an allocation of its own, by default. The one
 * thing here that only the compiler knows.
 */
#ifdef __has_feature
# if __has_feature(address_sanitizer)
#  define SLAB_ADDRESS_SANITIZER 1
# endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(SLAB_ADDRESS_SANITIZER)
static const bool slab_is_watched = true;
#else
static const bool slab_is_watched = false;
#endif

enum {
	SLAB_PAGE_BYTES = 32 << 10,
	SLAB_AREA_BYTES = TEE_MEMORY_UNIT,
	SLAB_AREA_PAGES = SLAB_AREA_BYTES / SLAB_PAGE_BYTES,
	SLAB_OBJECT_BYTES_MAX = 4096,
	SLAB_SMALL_AREA_PAGES = 8, /* of the first SLAB_AREA_PAGES pages' areas */
	ARENA_MALLOC_PAGES = (16 << 20) / SLAB_PAGE_BYTES,
};

struct slab_area;

struct slab_arena {
	struct tee_memory memory; /* map NULL: there is none */
	bool is_separate;         /* no pages: each object by malloc() */
	size_t page_count;        /* in the hands of slabs */
	size_t area_count;
	size_t area_pages;     /* of all areas, used or not … */
	size_t reserved_pages; /* … which do not become less than this */
	size_t idle_count;     /* areas of which nobody uses a page */
	struct list areas;     /* that have free pages */
};

struct slab {
	struct slab_arena *arena;
	struct list pages; /* that have room */
	uint32_t object_bytes;
	uint32_t per_page;
	size_t count; /* live objects */
};

void slab_arena_init(struct slab_arena *arena, const struct tee_memory *memory, bool is_separate);
/* All slabs must have been ended. */
void slab_arena_fini(struct slab_arena *arena);
/*
 * From now on there are at least `pages`, used or not. Those that are missing are got now, and all that nobody uses
 * are touched; where there are too many, idle ones go. 0; -TEE_ENOMEM: as before. A separate arena has nothing to
 * reserve.
 */
int slab_arena_reserve(struct slab_arena *arena, size_t pages);

/* `object_bytes`: at most SLAB_OBJECT_BYTES_MAX; rounded up to a multiple of 8, to which objects are aligned. */
void slab_init(struct slab *slab, struct slab_arena *arena, size_t object_bytes);
/* All objects must have been freed. */
void slab_fini(struct slab *slab);
/* Its bytes are undefined; NULL: no memory. */
void *slab_new(struct slab *slab);
/* Its bytes are zero; NULL: no memory. */
void *slab_new_zeroed(struct slab *slab);
/* Pages that so many objects need. */
size_t slab_pages_for(const struct slab *slab, size_t count);
/* NULL is legal. */
void slab_free(struct slab *slab, void *object);
/* Aborts when a count or a list of the slab's pages with room is wrong. */
void slab_check(const struct slab *slab);

#endif
