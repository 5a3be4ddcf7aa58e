/* SPDX-License-Identifier: MIT */
/* Which SACK blocks are believed (RFC 2018, 2883), and RFC 6675's IsLost(). */
#include "sendmap_kit.h"
#include "tcp/loss/sack.h"

enum { SENT_SEGS = 20, UNA = 5 };

struct block {
	int start, end; /* segments */
};

static void test_blocks(void **state)
{
	static const struct {
		const char *what;
		int una;
		struct block blocks[4];
		unsigned count;
		bool has_sack, has_dsack;
		unsigned sacked_segs;
	} cases[] = {
		{"one above", 5, {{7, 9}}, 1, true, false, 2},
		{"four", 5, {{16, 18}, {13, 14}, {9, 10}, {7, 8}}, 4, true, false, 5},
		{"right edge at snd.nxt", 5, {{19, 20}}, 1, true, false, 1},
		{"beyond snd.nxt", 5, {{19, 21}}, 1, false, false, 0},
		{"turned round", 5, {{9, 7}}, 1, false, false, 0},
		{"empty", 5, {{9, 9}}, 1, false, false, 0},
		{"RFC 2883 4.1: below the ACK", 7, {{6, 7}, {9, 10}}, 2, true, true, 1},
		{"RFC 2883 4.2: inside the second", 5, {{9, 10}, {8, 12}}, 2, true, true, 4},
		{"equal to the second", 5, {{8, 12}, {8, 12}}, 2, true, true, 4},
		{"the second is no DSACK", 5, {{9, 10}, {2, 4}}, 2, true, false, 1},
		{"too old for a DSACK", 5, {{1, 2}}, 1, false, false, 0},
		{"old ACK, block passed meanwhile", 3, {{4, 5}}, 1, false, false, 0},
		{"old ACK, block passed in part", 3, {{4, 7}}, 1, true, false, 2},
		{"before the stream", 5, {{-4, -2}}, 1, false, false, 0},
		{"spans all of the sequence space", 5, {{-4, 20}}, 1, false, false, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct sendmap map;
		struct ack_info info;
		struct sack_range ranges[4];

		sendmap_init(&map, KIT_START);
		assert_non_null(sendmap_sent(&map, SEG(SENT_SEGS), KIT_MSS, 0, 1));
		info = kit_info(&map, 2);
		kit_ack(&map, UNA, &info);
		info = kit_info(&map, 2);
		for (unsigned n = 0; n < cases[i].count; n++)
			ranges[n] = (struct sack_range){
				(int64_t)KIT_START + cases[i].blocks[n].start * KIT_MSS,
				(int64_t)KIT_START + cases[i].blocks[n].end * KIT_MSS,
			};
		sack_apply(&map, ranges, cases[i].count,
			   (int64_t)KIT_START + cases[i].una * KIT_MSS, SEG(4), &info);
		sendmap_check(&map);
		if (info.has_sack != cases[i].has_sack || info.has_dsack != cases[i].has_dsack ||
		    map.sacked_segs != cases[i].sacked_segs)
			fail_msg("%s: sack %d dsack %d segs %u", cases[i].what, info.has_sack,
				 info.has_dsack, map.sacked_segs);
		if (info.has_dsack)
			assert_int_equal(info.dsack_start, (uint64_t)ranges[0].start);
		sendmap_fini(&map);
	}
}

static void test_negative_offsets(void **state)
{
	struct sack_range ranges[2] = {{-3000, -1000}, {-500, 1500}};
	struct sendmap map;
	struct ack_info info;

	(void)state;
	sendmap_init(&map, 1);
	assert_non_null(sendmap_sent(&map, 3001, 1000, 0, 1));
	info = kit_info(&map, 2);
	sack_apply(&map, ranges, 2, 1, 0, &info);
	assert_false(info.has_sack || info.has_dsack);
	sendmap_fini(&map);
}

/* RFC 6675 section 4, IsLost(). */
static void test_is_lost(void **state)
{
	static const struct {
		const char *what;
		struct block sacked[4];
		unsigned count;
		unsigned lost_segs; /* all below the first SACKED one that counts */
	} cases[] = {
		{"one segment above", {{4, 5}}, 1, 0},
		{"two contiguous", {{4, 6}}, 1, 0},
		{"three contiguous: more than two segments' bytes", {{4, 7}}, 1, 4},
		{"three ranges", {{4, 5}, {6, 7}, {8, 9}}, 3, 4},
		{"two ranges", {{4, 5}, {6, 7}}, 2, 0},
		{"holes between are judged too", {{4, 5}, {6, 7}, {8, 9}, {10, 11}}, 4, 5},
		{"bytes of two ranges", {{4, 6}, {9, 10}}, 2, 4},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct sendmap map;
		struct ack_info info;
		uint64_t bytes;

		sendmap_init(&map, KIT_START);
		kit_send_each(&map, 20, 1, 1);
		info = kit_info(&map, 100);
		for (unsigned n = 0; n < cases[i].count; n++)
			kit_sack(&map, (unsigned)cases[i].sacked[n].start,
				 (unsigned)cases[i].sacked[n].end, &info);
		bytes = sack_mark_lost(&map, 3, KIT_MSS);
		sendmap_check(&map);
		if (bytes != cases[i].lost_segs * KIT_MSS || map.lost_bytes != bytes)
			fail_msg("%s: %u bytes", cases[i].what, (unsigned)bytes);
		/* Judged once, and what was sent again isn't judged by the same SACKs. */
		if (bytes)
			assert_non_null(
				sendmap_resent(&map, sendmap_next_lost(&map), KIT_MSS, 200));
		assert_int_equal(sack_mark_lost(&map, 3, KIT_MSS), 0);
		sendmap_fini(&map);
	}
}

/* After undo the same evidence counts anew. */
static void test_judged_again_after_undo(void **state)
{
	struct sendmap map;
	struct ack_info info;

	(void)state;
	sendmap_init(&map, KIT_START);
	kit_send_each(&map, 10, 1, 1);
	info = kit_info(&map, 100);
	kit_sack(&map, 2, 5, &info);
	assert_int_equal(sack_mark_lost(&map, 3, KIT_MSS), 2 * KIT_MSS);
	sendmap_clear_lost(&map);
	assert_int_equal(sack_mark_lost(&map, 3, KIT_MSS), 2 * KIT_MSS);
	sendmap_fini(&map);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_blocks),
		cmocka_unit_test(test_negative_offsets),
		cmocka_unit_test(test_is_lost),
		cmocka_unit_test(test_judged_again_after_undo),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
