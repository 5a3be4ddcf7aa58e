/* SPDX-License-Identifier: MIT */
/* The checksum against the plainest way to compute it, at every length, alignment and edge. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "base/check.h"
#include "base/random.h"
#include "wire/checksum.h"
#include "guard.h"

/* RFC 1071 section 1, word by word. */
static uint16_t plain_sum(const uint8_t *bytes, size_t len)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < len; i++) {
		sum += i % 2 ? bytes[i] : (uint32_t)bytes[i] << 8;
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return (uint16_t)sum;
}

static void fill(uint8_t *bytes, size_t len, uint64_t seed)
{
	struct random random;

	random_init(&random, seed);
	for (size_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)random_u64(&random);
}

/* RFC 1071 section 3. */
static void test_worked_example(void **state)
{
	static const uint8_t bytes[] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};

	assert_int_equal(checksum_fold(checksum_add(0, bytes, sizeof(bytes))), 0xddf2);
	assert_int_equal(checksum_finish(checksum_add(0, bytes, sizeof(bytes))), 0x220d);
}

static void test_every_length_and_alignment(void **state)
{
	static uint8_t bytes[1200], copy[1200 + 64];

	fill(bytes, sizeof(bytes), 1);
	for (size_t len = 0; len < 1000; len++) {
		for (size_t off = 0; off < 33; off += len < 300 ? 1 : 7) {
			const uint8_t *at = guard_copy(bytes + off, len);
			uint16_t expected = plain_sum(bytes + off, len);
			size_t to = off % 13;

			assert_int_equal(checksum_fold(checksum_add(0, at, len)), expected);
			assert_int_equal(checksum_fold(checksum_add(0, bytes + off, len)),
					 expected);
			memset(copy, 0xcc, sizeof(copy));
			assert_int_equal(checksum_fold(checksum_add_copy(0, copy + to, at, len)),
					 expected);
			assert_memory_equal(copy + to, bytes + off, len);
			assert_int_equal(copy[to + len], 0xcc);
			assert_true(to == 0 || copy[to - 1] == 0xcc);
		}
	}
}

/* All ones make every addition carry. */
static void test_long_and_full_of_ones(void **state)
{
	static const size_t lens[] = {65535, 65536, 131072, GUARD_INPUT_MAX_BYTES};
	uint8_t *bytes = malloc(GUARD_INPUT_MAX_BYTES);

	for (unsigned i = 0; i < ARRAY_LEN(lens); i++) {
		memset(bytes, 0xff, lens[i]);
		assert_int_equal(checksum_fold(checksum_add(0, bytes, lens[i])),
				 plain_sum(bytes, lens[i]));
		fill(bytes, lens[i], i);
		assert_int_equal(checksum_fold(checksum_add(0, bytes, lens[i])),
				 plain_sum(bytes, lens[i]));
	}
	free(bytes);
}

static void test_in_pieces(void **state)
{
	static uint8_t bytes[4096];
	struct random random;

	random_init(&random, 9);
	fill(bytes, sizeof(bytes), 2);
	for (unsigned round = 0; round < 500; round++) {
		size_t len = random_below(&random, sizeof(bytes) + 1), off = 0;
		uint64_t sum = 0;

		while (off < len) {
			size_t n = 1 + random_below(&random, len - off);
			uint64_t part = checksum_add(0, bytes + off, n);

			sum += off % 2 ? checksum_swap(part) : part;
			off += n;
		}
		assert_int_equal(checksum_fold(sum), plain_sum(bytes, len));
	}
}

static void test_pseudo_headers(void **state)
{
	static const struct {
		struct tee_ip src, dst;
		uint8_t protocol;
		uint32_t len;
	} cases[] = {
		{TEE_IP4(10, 0, 2, 15), TEE_IP4(10, 0, 2, 2), 6, 20},
		{TEE_IP4(255, 255, 255, 255), TEE_IP4(255, 255, 255, 255), 17, 65515},
		{{{0xfe, 0x80, [15] = 1}}, {{0xff, 0x02, [15] = 2}}, 58, 24},
		{{{0xfd, [15] = 0xff}}, {{0xfd, 1, 2, 3, 4, 5}}, 6, 70000},
	};

	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		bool is4 = tee_ip_is4(&cases[i].src);
		size_t off = is4 ? 12 : 0, ip_len = is4 ? 4 : 16, at = 2 * ip_len;
		uint8_t header[40] = {0};

		memcpy(header, cases[i].src.byte + off, ip_len);
		memcpy(header + ip_len, cases[i].dst.byte + off, ip_len);
		if (is4) {
			header[at + 1] = cases[i].protocol;
			header[at + 2] = (uint8_t)(cases[i].len >> 8);
			header[at + 3] = (uint8_t)cases[i].len;
			at += 4;
		} else {
			header[at + 1] = (uint8_t)(cases[i].len >> 16);
			header[at + 2] = (uint8_t)(cases[i].len >> 8);
			header[at + 3] = (uint8_t)cases[i].len;
			header[at + 7] = cases[i].protocol;
			at += 8;
		}
		assert_int_equal(checksum_fold(checksum_pseudo(&cases[i].src, &cases[i].dst,
							       cases[i].protocol, cases[i].len)),
				 plain_sum(header, at));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_worked_example),
		cmocka_unit_test(test_every_length_and_alignment),
		cmocka_unit_test(test_long_and_full_of_ones),
		cmocka_unit_test(test_in_pieces),
		cmocka_unit_test(test_pseudo_headers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
