/* SPDX-License-Identifier: MIT */
/*
 * Input that ends where an unmapped page begins, so that a parser that reads one byte too far faults,
 * with or without a sanitizer.
 */
#ifndef TEE_TESTS_UNIT_WIRE_GUARD_H
#define TEE_TESTS_UNIT_WIRE_GUARD_H

#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

enum { GUARD_INPUT_MAX_BYTES = 1 << 18 };

/* A copy of `len` bytes flush against the page; valid until the next call. */
static inline const uint8_t *guard_copy(const void *bytes, size_t len)
{
	static uint8_t *end;
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	if (!end) {
		uint8_t *area = mmap(NULL, GUARD_INPUT_MAX_BYTES + page, PROT_READ | PROT_WRITE,
				     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		assert_true(area != MAP_FAILED);
		end = area + GUARD_INPUT_MAX_BYTES;
		assert_int_equal(mprotect(end, page, PROT_NONE), 0);
	}
	assert_true(len <= GUARD_INPUT_MAX_BYTES);
	if (len > 0)
		memcpy(end - len, bytes, len);
	return end - len;
}

#endif
