// SPDX-License-Identifier: MIT
/*
 * Files by mmap(), with a net below.
 *
 * Whoever reads a mapping beyond the end of its file gets SIGBUS, and a file may be cut short by anybody at any
 * time. The handler puts a page of zeros where the file has no more, notes that the map is torn, and the
 * read goes on; whoever sends from the map asks serve_map_is_torn() and resets the connection, for
 * zeros are not what the file held. (The kernel's own reads, in writev(), fail with EFAULT instead.)
 *
 * The maps stand in a table of fixed size that the handler can walk at any moment: a slot is claimed
 * by one atomic exchange, and is visible to the handler before its mapping is used. SIGBUS anywhere else ends the program as ever.
 */
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cli/serve_map.h"

enum { MAPS_MAX = 4096 };

struct serve_map {
	atomic_bool is_taken;
	_Atomic(uint8_t *) start; /* NULL: nothing is mapped */
	_Atomic size_t len;
	atomic_bool is_torn;
};

static struct serve_map maps[MAPS_MAX];
static uintptr_t page_bytes;

static void on_sigbus(int number, siginfo_t *info, void *context)
{
	int before = errno;
	uintptr_t at = (uintptr_t)info->si_addr;

	(void)context;
	for (unsigned i = 0; i < MAPS_MAX; i++) {
		uintptr_t start = (uintptr_t)atomic_load(&maps[i].start);
		void *page = (void *)(at & ~(page_bytes - 1));

		if (!start || at < start || at - start >= atomic_load(&maps[i].len))
			continue;
		if (mmap(page, page_bytes, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
			 0) == MAP_FAILED)
			break;
		atomic_store(&maps[i].is_torn, true);
		errno = before;
		return;
	}
	/* Not ours: the instruction is run again, and ends the program. */
	signal(number, SIG_DFL);
}

void serve_map_init(void)
{
	struct sigaction action = {.sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO};

	page_bytes = (uintptr_t)sysconf(_SC_PAGESIZE);
	sigemptyset(&action.sa_mask);
	sigaction(SIGBUS, &action, NULL);
}

struct serve_map *serve_map_new(int fd, size_t len)
{
	struct serve_map *map = NULL;
	void *start;

	for (unsigned i = 0; i < MAPS_MAX && !map; i++)
		if (!atomic_exchange(&maps[i].is_taken, true))
			map = &maps[i];
	if (!map) {
		errno = ENOMEM;
		return NULL;
	}
	start = mmap(NULL, len, PROT_READ, MAP_SHARED, fd, 0);
	if (start == MAP_FAILED) {
		atomic_store(&map->is_taken, false);
		return NULL;
	}
	madvise(start, len, MADV_SEQUENTIAL);
	atomic_store(&map->is_torn, false);
	atomic_store(&map->len, len);
	atomic_store(&map->start, start);
	return map;
}

const uint8_t *serve_map_bytes(const struct serve_map *map)
{
	return atomic_load(&map->start);
}

bool serve_map_is_torn(const struct serve_map *map)
{
	return atomic_load(&map->is_torn);
}

void serve_map_free(struct serve_map *map)
{
	uint8_t *start;

	if (!map)
		return;
	/* Nobody reads it any more. Out of the handler's sight before the addresses are another's. */
	start = atomic_exchange(&map->start, NULL);
	munmap(start, atomic_load(&map->len));
	atomic_store(&map->is_taken, false);
}
