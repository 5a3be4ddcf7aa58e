// SPDX-License-Identifier: MIT
/*
 * Large pieces of memory. What the system maps is watched byte for byte: a piece is all that stays of what was
 * mapped for it, wherever the system puts it, and nothing stays of it when it was unmapped, or could not be had.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include <sys/mman.h>

static void *watched_mmap(void *at, size_t len, int prot, int flags, int fd, off_t off);
static int watched_munmap(void *at, size_t len);
static int watched_madvise(void *at, size_t len, int advice);

#define mmap    watched_mmap
#define munmap  watched_munmap
#define madvise watched_madvise
#include "host/memory.c"
#undef mmap
#undef munmap
#undef madvise

enum { PAGE = 4096, PLACES = 16 * UNIT / PAGE, CALLS_MAX = 2 };

/* A system with room for 16 units, all of it in one place. */
static struct {
	uint8_t *room;          /* aligned to a unit */
	bool is_mapped[PLACES]; /* page by page */
	size_t offs[CALLS_MAX]; /* where the calls of mmap() are put; SIZE_MAX: refused */
	unsigned call_count;
	unsigned advised_count;
	bool refuses_advice;
	bool is_real; /* the system itself is asked */
} host;

static void *watched_mmap(void *at, size_t len, int prot, int flags, int fd, off_t off)
{
	size_t place;

	if (host.is_real)
		return mmap(at, len, prot, flags, fd, off);
	assert_true(host.call_count < CALLS_MAX);
	place = host.offs[host.call_count++];
	assert_null(at);
	assert_int_equal(prot, PROT_READ | PROT_WRITE);
	assert_int_equal(flags, MAP_PRIVATE | MAP_ANONYMOUS);
	assert_int_equal(fd, -1);
	assert_int_equal(off, 0);
	if (place == SIZE_MAX)
		return MAP_FAILED;
	for (size_t i = place / PAGE; i < (place + len) / PAGE; i++) {
		assert_true(i < PLACES && !host.is_mapped[i]);
		host.is_mapped[i] = true;
	}
	return host.room + place;
}

static int watched_munmap(void *at, size_t len)
{
	size_t first = (size_t)((uint8_t *)at - host.room) / PAGE;

	if (host.is_real)
		return munmap(at, len);
	assert_true(len > 0 && len % PAGE == 0);
	for (size_t i = first; i < first + len / PAGE; i++) {
		assert_true(i < PLACES && host.is_mapped[i]);
		host.is_mapped[i] = false;
	}
	return 0;
}

static int watched_madvise(void *at, size_t len, int advice)
{
	assert_int_equal(advice, MADV_HUGEPAGE);
	assert_int_equal((uintptr_t)at % UNIT, 0);
	assert_int_equal(len % UNIT, 0);
	host.advised_count++;
	if (host.is_real)
		return madvise(at, len, advice);
	return host.refuses_advice ? -1 : 0;
}

static size_t mapped_bytes(void)
{
	size_t count = 0;

	for (size_t i = 0; i < PLACES; i++)
		count += host.is_mapped[i];
	return count * PAGE;
}

static int set_up(void **state)
{
	uint8_t *all = mmap(NULL, 17 * (size_t)UNIT, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (all == MAP_FAILED)
		return -1;
	*state = all;
	memset(&host, 0, sizeof(host));
	host.room = all + (UNIT - (uintptr_t)all % UNIT) % UNIT;
	return 0;
}

static int tear_down(void **state)
{
	return munmap(*state, 17 * (size_t)UNIT);
}

static void a_piece_is_aligned_and_all_that_stays(void **state)
{
	static const struct {
		size_t units, first_off, second_off;
		unsigned calls;
		size_t piece_off; /* SIZE_MAX: there is none */
	} cases[] = {
		{1, 0, 0, 1, 0},
		{3, 2 * UNIT, 0, 1, 2 * UNIT},
		{1, PAGE, PAGE, 2, UNIT},
		{1, PAGE, 3 * UNIT - PAGE, 2, 3 * UNIT},
		/* Asked for a unit more, it may come aligned. */
		{2, 5 * PAGE, 4 * UNIT, 2, 4 * UNIT},
		{4, UNIT + PAGE, 7 * PAGE, 2, UNIT},
		{1, SIZE_MAX, 0, 1, SIZE_MAX},
		{1, PAGE, SIZE_MAX, 2, SIZE_MAX},
	};
	struct tee_memory memory;

	tee_host_memory(&memory);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t bytes = cases[i].units * UNIT;
		uint8_t *piece;

		host.call_count = host.advised_count = 0;
		host.offs[0] = cases[i].first_off;
		host.offs[1] = cases[i].second_off;
		host.refuses_advice = i % 2;
		piece = memory.map(memory.arg, bytes);
		assert_int_equal(host.call_count, cases[i].calls);
		if (cases[i].piece_off == SIZE_MAX) {
			assert_null(piece);
			assert_int_equal(host.advised_count, 0);
			assert_int_equal(mapped_bytes(), 0);
			continue;
		}
		assert_ptr_equal(piece, host.room + cases[i].piece_off);
		assert_int_equal(host.advised_count, 1);
		assert_int_equal(mapped_bytes(), bytes);
		for (size_t at = 0; at < bytes; at += PAGE)
			assert_true(host.is_mapped[(cases[i].piece_off + at) / PAGE]);
		/* Its last unit first, as a table that shrinks gives it back. */
		memory.unmap(memory.arg, piece + bytes - UNIT, UNIT);
		assert_int_equal(mapped_bytes(), bytes - UNIT);
		if (bytes > UNIT)
			memory.unmap(memory.arg, piece, bytes - UNIT);
		assert_int_equal(mapped_bytes(), 0);
	}
}

static void the_system_gives_zeros_and_takes_them_back(void **state)
{
	struct tee_memory memory;

	host.is_real = true;
	tee_host_memory(&memory);
	for (size_t units = 1; units <= 3; units++) {
		size_t bytes = units * UNIT;
		uint8_t *piece = memory.map(memory.arg, bytes);

		assert_non_null(piece);
		assert_int_equal((uintptr_t)piece % UNIT, 0);
		for (size_t at = 0; at < bytes; at += PAGE) {
			assert_int_equal(piece[at], 0);
			piece[at + PAGE - 1] = (uint8_t)units;
		}
		if (units > 1)
			memory.unmap(memory.arg, piece + UNIT, bytes - UNIT);
		assert_int_equal(piece[UNIT - 1], units);
		memory.unmap(memory.arg, piece, UNIT);
	}
	/* More than there can be. */
	assert_null(memory.map(memory.arg, SIZE_MAX / UNIT * UNIT));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_piece_is_aligned_and_all_that_stays, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(the_system_gives_zeros_and_takes_them_back, set_up,
						tear_down),
	};

	return cmocka_run_group_tests_name("host/memory", tests, NULL, NULL);
}
