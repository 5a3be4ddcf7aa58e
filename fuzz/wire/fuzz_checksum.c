/* SPDX-License-Identifier: MIT */
/* The checksum of bytes cut into arbitrary pieces, against word-by-word addition. */
#include "base/check.h"
#include "wire/checksum.h"

#include <stdlib.h>
#include <string.h>

static uint16_t plain_sum(const uint8_t *bytes, size_t len)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < len; i++) {
		sum += i % 2 ? bytes[i] : (uint32_t)bytes[i] << 8;
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return (uint16_t)sum;
}

/* The bytes themselves say where to cut: each piece's length stands in its first byte. */
static uint64_t sum_in_pieces(const uint8_t *bytes, size_t len)
{
	uint64_t sum = 0;

	for (size_t off = 0; off < len;) {
		size_t n = MIN((size_t)bytes[off] + 1, len - off);
		uint64_t part = checksum_add(0, bytes + off, n);

		sum += off % 2 ? checksum_swap(part) : part;
		off += n;
	}
	return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size + 1);
	uint16_t expected = plain_sum(data, size);

	CHECK(copy);
	CHECK(checksum_fold(checksum_add(0, data, size)) == expected);
	CHECK(checksum_fold(sum_in_pieces(data, size)) == expected);
	CHECK(checksum_fold(checksum_add_copy(0, copy, data, size)) == expected);
	CHECK(size == 0 || memcmp(copy, data, size) == 0);
	free(copy);
	return 0;
}
