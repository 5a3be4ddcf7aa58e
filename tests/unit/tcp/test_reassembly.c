/* SPDX-License-Identifier: MIT */
/* Out-of-order data: ranges, overlaps, SACK order, limits. (fuzz_reassembly compares contents.) */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <teeceepee/packet.h>
#include "base/check.h"
#include "tcp/reassembly.h"

/* Letters at offsets just below the wrap; 'a' is the first. */
#define START      (UINT64_C(0x100000000) - 4)
#define AT(letter) (START + (uint64_t)((letter) - 'a'))

struct kit {
	struct tee_pool *pool;
	struct reassembly ooo;
	struct byteq queue;
};

static int setup(void **state)
{
	static struct kit kit;

	kit.pool = tee_pool_new(0);
	reassembly_init(&kit.ooo);
	byteq_init(&kit.queue, START);
	*state = &kit;
	return kit.pool ? 0 : -1;
}

static int teardown(void **state)
{
	struct kit *kit = *state;

	reassembly_fini(&kit->ooo);
	byteq_clear(&kit->queue);
	assert_int_equal(tee_pool_bytes_used(kit->pool), 0);
	tee_pool_free(kit->pool);
	return 0;
}

/* A segment of these letters, which say where it belongs; `text` is what it really carries. */
static int add_text(struct kit *kit, const char *place, const char *text, uint32_t ranges_max,
		    uint64_t bytes_max, struct reassembly_result *ret_result)
{
	uint32_t len = (uint32_t)strlen(place);
	struct tee_pkt *pkt = tee_pkt_new(kit->pool, len);
	int result;

	assert_non_null(pkt);
	memcpy(tee_pkt_bytes(pkt), text, len);
	pkt->len = len;
	result = reassembly_add(&kit->ooo, kit->pool, AT(place[0]), pkt, pkt->off, len, ranges_max,
				bytes_max, ret_result);
	tee_pkt_release(pkt);
	reassembly_check(&kit->ooo);
	return result;
}

static struct reassembly_result add(struct kit *kit, const char *place)
{
	struct reassembly_result result = {0};

	assert_int_equal(add_text(kit, place, place, 100, 1000, &result), 0);
	return result;
}

/* "cd fgh": the ranges in the order in which SACK would report them. */
static void assert_blocks(struct kit *kit, const char *expected)
{
	uint64_t blocks[8][2];
	unsigned count = reassembly_sack_blocks(&kit->ooo, blocks, 8);
	char text[64] = "", *end = text;

	for (unsigned i = 0; i < count; i++) {
		if (i > 0)
			*end++ = ' ';
		for (uint64_t off = blocks[i][0]; off < blocks[i][1]; off++)
			*end++ = (char)('a' + (int)(off - START));
	}
	*end = '\0';
	assert_string_equal(text, expected);
}

static void test_ranges(void **state)
{
	static const struct {
		const char *segments[6];
		const char *blocks;
		const char *last_duplicate; /* what of the last one was here */
	} cases[] = {
		{{"cd"}, "cd", ""},
		{{"cd", "fg"}, "fg cd", ""},
		{{"fg", "cd"}, "cd fg", ""},
		{{"cd", "ef"}, "cdef", ""},
		{{"ef", "cd"}, "cdef", ""},
		{{"cd", "fg", "e"}, "cdefg", ""},
		{{"cd", "cd"}, "cd", "cd"},
		{{"cdef", "de"}, "cdef", "de"},
		{{"de", "cdef"}, "cdef", "de"},
		{{"cd", "def"}, "cdef", "d"},
		{{"ef", "cde"}, "cdef", "e"},
		{{"cd", "fg", "ij", "bcdefghijk"}, "bcdefghijk", "cd"},
		{{"cd", "fg", "ij", "ef"}, "cdefg ij", "f"},
		{{"cd", "fg", "ij", "cd"}, "cd ij fg", "cd"},
		{{"cd", "fg", "ij", "lm", "fghi"}, "fghij lm cd", "fg"},
	};
	struct kit *kit = *state;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct reassembly_result result = {0};

		for (unsigned n = 0; n < 6 && cases[i].segments[n]; n++)
			result = add(kit, cases[i].segments[n]);
		assert_blocks(kit, cases[i].blocks);
		assert_int_equal(result.is_duplicate, cases[i].last_duplicate[0] != '\0');
		if (result.is_duplicate) {
			assert_int_equal(result.dup_start, AT(cases[i].last_duplicate[0]));
			assert_int_equal(result.dup_end - result.dup_start,
					 strlen(cases[i].last_duplicate));
		}
		reassembly_fini(&kit->ooo);
		assert_int_equal(kit->ooo.memory, 0);
	}
}

/* Data that came first stays, whatever a later copy says. */
static void test_first_copy_wins(void **state)
{
	struct reassembly_result result;
	struct kit *kit = *state;
	char text[8] = "";

	assert_int_equal(add_text(kit, "cd", "12", 10, 100, &result), 0);
	assert_int_equal(add_text(kit, "bcdef", "XXXXX", 10, 100, &result), 0);
	assert_int_equal(reassembly_take(&kit->ooo, &kit->queue), 0);
	byteq_append_copy(&kit->queue, kit->pool, "a", 1, 64);
	assert_int_equal(reassembly_take(&kit->ooo, &kit->queue), 5);
	byteq_peek(&kit->queue, START, text, 6);
	assert_string_equal(text, "aX12XX");
	assert_int_equal(kit->ooo.range_count, 0);
}

/* In-order data may cover ranges in whole or in part before they are taken. */
static void test_take_drops_what_is_old(void **state)
{
	struct kit *kit = *state;
	char text[16] = "";

	add(kit, "bc");
	add(kit, "efg");
	add(kit, "jk");
	byteq_append_copy(&kit->queue, kit->pool, "abcdef", 6, 64);
	assert_int_equal(reassembly_take(&kit->ooo, &kit->queue), 1);
	byteq_peek(&kit->queue, START, text, 7);
	assert_string_equal(text, "abcdefg");
	assert_blocks(kit, "jk");
	reassembly_check(&kit->ooo);
}

static void test_limits(void **state)
{
	struct reassembly_result result;
	struct kit *kit = *state;

	add(kit, "cd");
	add(kit, "fg");
	/* A third range is one too many; what touches or overlaps a range makes none. */
	assert_int_equal(add_text(kit, "ij", "ij", 2, 100, &result), -TEE_ENOBUFS);
	assert_int_equal(add_text(kit, "hi", "hi", 2, 100, &result), 0);
	assert_blocks(kit, "fghi cd");
	assert_int_equal(add_text(kit, "b", "b", 2, 100, &result), 0);
	/* Seven bytes are here; what is here already costs nothing. */
	assert_int_equal(add_text(kit, "jkl", "jkl", 9, 9, &result), -TEE_ENOBUFS);
	assert_int_equal(add_text(kit, "hijk", "hijk", 9, 9, &result), 0);
	assert_int_equal(kit->ooo.bytes, 9);
	assert_int_equal(add_text(kit, "jk", "jk", 9, 9, &result), 0);
	assert_int_equal(add_text(kit, "m", "m", 9, 0, &result), -TEE_ENOBUFS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_ranges, setup, teardown),
		cmocka_unit_test_setup_teardown(test_first_copy_wins, setup, teardown),
		cmocka_unit_test_setup_teardown(test_take_drops_what_is_old, setup, teardown),
		cmocka_unit_test_setup_teardown(test_limits, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
