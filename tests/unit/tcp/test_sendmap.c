/* SPDX-License-Identifier: MIT */
/* The send map: what is told of each ACK, splitting, merging, marks, order by time. */
#include "sendmap_kit.h"

static void test_cumulative_ack(void **state)
{
	struct sendmap map;
	struct ack_info info;

	(void)state;
	sendmap_init(&map, KIT_START);
	/* A super-segment of eight, then two single ones. */
	assert_non_null(sendmap_sent(&map, SEG(8), KIT_MSS, 0, 100));
	assert_non_null(sendmap_sent(&map, SEG(9), KIT_MSS, 0, 200));
	assert_non_null(sendmap_sent(&map, SEG(10) + 1, KIT_MSS, SENT_FIN, 300));
	assert_int_equal(map.segs, 8 + 1 + 2);
	info = kit_info(&map, 1000);
	kit_ack(&map, 3, &info);
	assert_int_equal(info.acked_bytes, 3 * KIT_MSS);
	assert_int_equal(info.delivered_segs, 3);
	assert_int_equal(info.first_acked_sent_at_ns, 100);
	assert_true(info.acked_original);
	assert_int_equal(map.record_count, 3);
	assert_int_equal(map.segs, 5 + 1 + 2);
	info = kit_info(&map, 1000);
	sendmap_ack(&map, SEG(10) + 1, &info);
	assert_true(info.acked_fin);
	assert_int_equal(info.first_acked_sent_at_ns, 100);
	assert_int_equal(info.last_acked_sent_at_ns, 300);
	assert_int_equal(info.rack_sent_at_ns, 300);
	assert_int_equal(info.rack_end, SEG(10) + 1);
	assert_true(sendmap_is_empty(&map));
	sendmap_check(&map);
	sendmap_fini(&map);
}

/* A block that ends before the FIN tells of the text that came with it. */
static void test_sack_without_fin(void **state)
{
	struct sendmap map;
	struct ack_info info;

	(void)state;
	sendmap_init(&map, KIT_START);
	assert_non_null(sendmap_sent(&map, SEG(2), KIT_MSS, 0, 100));
	assert_non_null(sendmap_sent(&map, SEG(2) + 301, KIT_MSS, SENT_FIN, 200));
	info = kit_info(&map, 1000);
	assert_int_equal(sendmap_sack(&map, SEG(2), SEG(2) + 300, &info), 0);
	sendmap_check(&map);
	assert_int_equal(info.sacked_bytes, 300);
	assert_int_equal(info.rack_sent_at_ns, 200);
	assert_int_equal(map.sacked_bytes, 300);
	assert_int_equal(sendmap_last(&map)->flags, SENT_FIN);
	/* A byte less is a segment that is not whole. */
	sendmap_fini(&map);
	sendmap_init(&map, KIT_START);
	assert_non_null(sendmap_sent(&map, SEG(0) + 301, KIT_MSS, SENT_FIN, 200));
	info = kit_info(&map, 1000);
	assert_int_equal(sendmap_sack(&map, SEG(0), SEG(0) + 299, &info), 0);
	assert_int_equal(map.sacked_bytes, 0);
	sendmap_check(&map);
	sendmap_fini(&map);
}

/* SACK edges inside a super-segment count at its segments' boundaries, rounded inwards. */
static void test_sack_edges(void **state)
{
	static const struct {
		unsigned start, end; /* bytes from the record's start */
		unsigned sacked_from, sacked_to;
		unsigned records;
	} cases[] = {
		{0, 10000, 0, 10000, 1},       {0, 3000, 0, 3000, 2},
		{7000, 10000, 7000, 10000, 2}, {2000, 5000, 2000, 5000, 3},
		{1, 2999, 1000, 2000, 3},      {1, 999, 0, 0, 1},
		{999, 2001, 1000, 2000, 3},    {9001, 9999, 0, 0, 1},
		{8999, 10000, 9000, 10000, 2}, {9500, 10000, 0, 0, 1},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct sendmap map;
		struct ack_info info;

		sendmap_init(&map, KIT_START);
		assert_non_null(sendmap_sent(&map, SEG(10), KIT_MSS, 0, 5));
		info = kit_info(&map, 50);
		assert_int_equal(sendmap_sack(&map, KIT_START + cases[i].start,
					      KIT_START + cases[i].end, &info),
				 0);
		sendmap_check(&map);
		assert_int_equal(info.sacked_bytes, cases[i].sacked_to - cases[i].sacked_from);
		assert_int_equal(map.record_count, cases[i].records);
		if (cases[i].sacked_to) {
			struct send_record *record =
				sendmap_find(&map, KIT_START + cases[i].sacked_from);

			assert_true(record->flags & SENT_SACKED);
			assert_int_equal(record->start, KIT_START + cases[i].sacked_from);
			assert_int_equal(record->end, KIT_START + cases[i].sacked_to);
		}
		sendmap_fini(&map);
	}
}

/* A SACK storm of every byte range can't make more records than segments; what is SACKED merges. */
static void test_sack_storm(void **state)
{
	struct sendmap map;
	struct ack_info info;

	(void)state;
	sendmap_init(&map, KIT_START);
	assert_non_null(sendmap_sent(&map, SEG(60), KIT_MSS, 0, 5));
	info = kit_info(&map, 50);
	for (unsigned at = 0; at + 7 < 60000; at += 7)
		assert_int_equal(sendmap_sack(&map, KIT_START + at, KIT_START + at + 7, &info), 0);
	assert_int_equal(map.record_count, 1);
	assert_int_equal(map.sacked_bytes, 0);
	for (unsigned seg = 1; seg < 60; seg += 2)
		kit_sack(&map, seg, seg + 1, &info);
	assert_int_equal(map.record_count, 60);
	for (unsigned seg = 1; seg < 60; seg++)
		kit_sack(&map, seg, seg + 1, &info);
	assert_int_equal(map.record_count, 2);
	assert_int_equal(map.sacked_segs, 59);
	assert_int_equal(info.delivered_segs, 59);
	/* The same block again is no news. */
	info = kit_info(&map, 60);
	kit_sack(&map, 1, 60, &info);
	assert_int_equal(info.delivered_bytes, 0);
	sendmap_fini(&map);
}

/* Karn: what was sent more than once gives no RTT and is no proof of reordering. */
static void test_karn(void **state)
{
	struct sendmap map;
	struct ack_info info;

	(void)state;
	sendmap_init(&map, KIT_START);
	kit_send_each(&map, 5, KIT_MS(1), KIT_MS(1));
	assert_true(sendmap_mark_lost(&map, sendmap_first(&map)));
	assert_false(sendmap_mark_lost(&map, sendmap_first(&map)));
	assert_non_null(sendmap_resent(&map, sendmap_next_lost(&map), KIT_MSS, KIT_MS(50)));
	assert_null(sendmap_next_lost(&map));
	assert_int_equal(sendmap_pipe_bytes(&map), 5 * KIT_MSS);
	info = kit_info(&map, KIT_MS(90));
	kit_sack(&map, 3, 4, &info);
	info = kit_info(&map, KIT_MS(100));
	kit_ack(&map, 1, &info);
	assert_true(info.acked_retrans);
	assert_false(info.acked_original);
	assert_false(info.sacked_never_retrans);
	assert_int_equal(info.first_acked_sent_at_ns, 0);
	assert_int_equal(info.rack_sent_at_ns, KIT_MS(50));
	assert_true(info.rack_is_retrans);
	assert_int_equal(info.rack_orig_end, 0);
	/* The second one was sent once only, below what is SACKED: it was overtaken. */
	info = kit_info(&map, KIT_MS(101));
	kit_ack(&map, 2, &info);
	assert_true(info.sacked_never_retrans);
	assert_int_equal(info.reordered_from, SEG(1));
	assert_int_equal(info.first_acked_sent_at_ns, KIT_MS(2));
	sendmap_fini(&map);
}

/* Blocks of one ACK in any order show no reordering among themselves. */
static void test_no_reordering_within_an_ack(void **state)
{
	struct sendmap map;
	struct ack_info info;

	(void)state;
	sendmap_init(&map, KIT_START);
	kit_send_each(&map, 8, 1, 1);
	info = kit_info(&map, 100);
	kit_sack(&map, 6, 7, &info);
	kit_sack(&map, 2, 3, &info);
	assert_false(info.sacked_never_retrans);
	assert_int_equal(info.first_sacked_sent_at_ns, 7);
	info = kit_info(&map, 200);
	kit_sack(&map, 4, 5, &info);
	assert_true(info.sacked_never_retrans);
	assert_int_equal(info.reordered_from, SEG(4));
	sendmap_fini(&map);
}

/* What was SACKED is not delivered a second time when the cumulative ACK passes it. */
static void test_delivered_once(void **state)
{
	struct sendmap map;
	struct ack_info info;

	(void)state;
	sendmap_init(&map, KIT_START);
	kit_send_each(&map, 6, 1, 1);
	info = kit_info(&map, 100);
	kit_sack(&map, 1, 5, &info);
	info = kit_info(&map, 200);
	kit_ack(&map, 6, &info);
	assert_int_equal(info.cum_acked_bytes, 6 * KIT_MSS);
	assert_int_equal(info.acked_bytes, 2 * KIT_MSS);
	assert_int_equal(info.delivered_segs, 2);
	assert_int_equal(map.highest_sacked, SEG(6));
	sendmap_fini(&map);
}

static void test_partial_retransmission(void **state)
{
	struct sendmap map;
	struct send_record *record;

	(void)state;
	sendmap_init(&map, KIT_START);
	assert_non_null(sendmap_sent(&map, SEG(10), KIT_MSS, 0, 1));
	assert_int_equal(sendmap_mark_all_lost(&map, false), 10 * KIT_MSS);
	assert_int_equal(sendmap_pipe_bytes(&map), 0);
	record = sendmap_resent(&map, sendmap_next_lost(&map), 2 * KIT_MSS, 50);
	assert_int_equal(record->end, SEG(2));
	assert_int_equal(record->xmit_count, 2);
	assert_int_equal(sendmap_next_lost(&map)->start, SEG(2));
	assert_int_equal(sendmap_pipe_bytes(&map), 2 * KIT_MSS);
	/* The retransmission is lost as well: it comes first again. */
	assert_true(sendmap_mark_lost(&map, record));
	assert_ptr_equal(sendmap_next_lost(&map), record);
	assert_int_equal(sendmap_pipe_bytes(&map), 0);
	sendmap_check(&map);
	sendmap_fini(&map);
}

/* Undo brings records back into the order of their sending, whenever that was. */
static void test_clear_lost_restores_order(void **state)
{
	struct sendmap map;
	struct send_record *record;
	static const unsigned order[] = {0, 2, 3, 5, 1, 4};
	unsigned i = 0;

	(void)state;
	sendmap_init(&map, KIT_START);
	kit_send_each(&map, 6, KIT_MS(1), KIT_MS(1));
	assert_non_null(sendmap_resent(&map, sendmap_find(&map, SEG(1)), KIT_MSS, KIT_MS(20)));
	assert_non_null(sendmap_resent(&map, sendmap_find(&map, SEG(4)), KIT_MSS, KIT_MS(30)));
	sendmap_mark_all_lost(&map, false);
	assert_true(list_is_empty(&map.by_time));
	sendmap_clear_lost(&map);
	sendmap_check(&map);
	assert_int_equal(map.lost_bytes, 0);
	LIST_FOR_EACH(node, &map.by_time)
	{
		record = send_record_of_time(node);
		assert_int_equal(record->start, SEG(order[i]));
		i++;
	}
	assert_int_equal(i, 6);
	sendmap_fini(&map);
}

/* The same amid a flight: what was never lost stays, and so does what was sent again already. */
static void test_clear_lost_amid_a_flight(void **state)
{
	struct sendmap map;
	static const unsigned lost[] = {0, 2, 5}, order[] = {0, 1, 3, 4, 5, 6, 7, 2};
	unsigned i = 0;

	(void)state;
	sendmap_init(&map, KIT_START);
	kit_send_each(&map, 8, KIT_MS(1), KIT_MS(1));
	for (size_t j = 0; j < ARRAY_LEN(lost); j++)
		assert_true(sendmap_mark_lost(&map, sendmap_find(&map, SEG(lost[j]))));
	assert_non_null(sendmap_resent(&map, sendmap_find(&map, SEG(2)), KIT_MSS, KIT_MS(20)));
	sendmap_clear_lost(&map);
	sendmap_check(&map);
	assert_int_equal(map.lost_bytes, 0);
	assert_int_equal(map.retrans_bytes, KIT_MSS);
	LIST_FOR_EACH(node, &map.by_time)
	{
		assert_int_equal(send_record_of_time(node)->start, SEG(order[i]));
		i++;
	}
	assert_int_equal(i, 8);
	sendmap_fini(&map);
}

/* RFC 2018 section 8: a peer may forget what it SACKed; after a timeout so do we. */
static void test_reneging(void **state)
{
	struct sendmap map;
	struct ack_info info;

	(void)state;
	sendmap_init(&map, KIT_START);
	kit_send_each(&map, 5, 1, 1);
	info = kit_info(&map, 100);
	kit_sack(&map, 0, 2, &info);
	kit_sack(&map, 3, 4, &info);
	assert_int_equal(sendmap_mark_all_lost(&map, false), 2 * KIT_MSS);
	assert_int_equal(map.sacked_bytes, 3 * KIT_MSS);
	assert_int_equal(sendmap_mark_all_lost(&map, true), 3 * KIT_MSS);
	assert_int_equal(map.sacked_bytes, 0);
	assert_int_equal(map.lost_bytes, 5 * KIT_MSS);
	assert_int_equal(map.highest_sacked, map.una);
	assert_int_equal(sendmap_next_lost(&map)->start, SEG(0));
	sendmap_check(&map);
	sendmap_fini(&map);
}

static void test_unsend(void **state)
{
	struct sendmap map;
	struct ack_info info;

	(void)state;
	sendmap_init(&map, KIT_START);
	kit_send_each(&map, 2, 1, 1);
	sendmap_unsend(&map, sendmap_last(&map));
	sendmap_check(&map);
	assert_int_equal(map.nxt, SEG(1));
	assert_int_equal(map.segs, 1);
	/* Even when it was sent twice, or a peer says that it has it (a window probe). */
	kit_send_each(&map, 2, 1, 1);
	assert_non_null(sendmap_resent(&map, sendmap_last(&map), KIT_MSS, 9));
	sendmap_unsend(&map, sendmap_last(&map));
	sendmap_check(&map);
	kit_send_each(&map, 3, 1, 1);
	info = kit_info(&map, 50);
	kit_sack(&map, 2, 3, &info);
	sendmap_unsend(&map, sendmap_last(&map));
	sendmap_check(&map);
	assert_int_equal(map.highest_sacked, map.una);
	sendmap_fini(&map);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cumulative_ack),
		cmocka_unit_test(test_sack_edges),
		cmocka_unit_test(test_sack_without_fin),
		cmocka_unit_test(test_sack_storm),
		cmocka_unit_test(test_karn),
		cmocka_unit_test(test_no_reordering_within_an_ack),
		cmocka_unit_test(test_delivered_once),
		cmocka_unit_test(test_partial_retransmission),
		cmocka_unit_test(test_clear_lost_restores_order),
		cmocka_unit_test(test_clear_lost_amid_a_flight),
		cmocka_unit_test(test_reneging),
		cmocka_unit_test(test_unsend),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
