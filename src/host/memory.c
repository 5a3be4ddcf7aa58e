// SPDX-License-Identifier: MIT
/*
 * Large pieces of memory for stacks: mapped from the system, aligned to the size of a huge page, and with the
 * wish for huge pages. Where the kernel grants it (transparent_hugepage is "madvise" or "always"), a fault
 * brings 2 MiB instead of 4 KiB, and the processor's table of translations reaches 512 times as far, which
 * is what finding one of millions of connections waits for. Where it doesn't, they are ordinary pages.
 *
 * A stack asks for such pieces only when it holds more than 16 MiB of connections, or a table of as much
 * (base/slab.h, base/hash.h), so that a small program never gets a huge page it does not fill.
 *
 * There is no state here: stacks of several threads may share it.
 */
#include <stdint.h>
#include <sys/mman.h>
#include <teeceepee/host.h>

enum { UNIT = TEE_MEMORY_UNIT };

/* `bytes` of untouched memory somewhere; NULL: none. */
static uint8_t *map_anywhere(size_t bytes)
{
	void *ptr = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return ptr == MAP_FAILED ? NULL : ptr;
}

static void unmap(void *arg, void *ptr, size_t bytes)
{
	(void)arg;
	munmap(ptr, bytes);
}

/* Newer kernels align such mappings by themselves; else a unit more is mapped, and what sticks out cut off. */
static uint8_t *map_aligned(size_t bytes)
{
	uint8_t *ptr = map_anywhere(bytes);
	size_t before;

	if (!ptr || (uintptr_t)ptr % UNIT == 0)
		return ptr;
	munmap(ptr, bytes);
	ptr = map_anywhere(bytes + UNIT);
	if (!ptr)
		return NULL;
	before = (UNIT - (uintptr_t)ptr % UNIT) % UNIT;
	if (before > 0)
		munmap(ptr, before);
	munmap(ptr + before + bytes, UNIT - before);
	return ptr + before;
}

static void *map(void *arg, size_t bytes)
{
	uint8_t *ptr = map_aligned(bytes);

	(void)arg;
	/* A wish: refused, it changes nothing but the speed. */
	if (ptr)
		(void)madvise(ptr, bytes, MADV_HUGEPAGE);
	return ptr;
}

void tee_host_memory(struct tee_memory *ret_memory)
{
	*ret_memory = (struct tee_memory){.map = map, .unmap = unmap};
}
