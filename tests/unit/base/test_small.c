/* SPDX-License-Identifier: MIT */
/* What is header-only or a table: sequence numbers, lists, byte order, counters, checks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/byteorder.h"
#include "base/check.h"
#include "base/counters.h"
#include "base/list.h"
#include "base/seq.h"

static void test_sequence_order_across_the_wrap(void **state)
{
	static const struct {
		uint32_t a, b;
		int32_t diff; /* a - b */
	} cases[] = {
		{0xffffff00, 0xffffff00, 0},      {0x00000010, 0xffffff00, 0x110},
		{0xffffff00, 0x00000010, -0x110}, {0x7fffffff, 0, 0x7fffffff},
		{0, 0x7fffffff, -0x7fffffff},     {1, 0xffffffff, 2},
	};

	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		struct seq32 a = seq32(cases[i].a), b = seq32(cases[i].b);

		assert_int_equal(seq_diff(a, b), cases[i].diff);
		assert_int_equal(seq_lt(a, b), cases[i].diff < 0);
		assert_int_equal(seq_le(a, b), cases[i].diff <= 0);
		assert_int_equal(seq_eq(a, b), cases[i].diff == 0);
		assert_true(seq_eq(seq_add(b, (uint32_t)cases[i].diff), a));
	}
}

/* Streams of many gigabytes: the offset nearest to where the stream is comes out. */
static void test_widening(void **state)
{
	const struct seq32 start = seq32(0xfffffff0);

	for (int64_t near_off = 0; near_off < INT64_C(1) << 36; near_off += INT64_C(0x3fffff1)) {
		static const int64_t steps[] = {0, 1, -1, 65535, -65535, 0x7fffffff, -0x7fffffff};

		for (unsigned i = 0; i < ARRAY_LEN(steps); i++) {
			int64_t off = near_off + steps[i];

			assert_int_equal(seq_widen(seq_add(start, (uint32_t)off), start, near_off),
					 off);
		}
	}
}

static void test_list(void **state)
{
	struct list head, nodes[4];
	unsigned count = 0;

	list_init(&head);
	assert_true(list_is_empty(&head));
	assert_null(list_pop_front(&head));
	for (unsigned i = 0; i < 4; i++) {
		list_init(&nodes[i]);
		assert_false(list_is_linked(&nodes[i]));
		list_remove(&nodes[i]); /* legal in no list */
	}
	list_push_back(&head, &nodes[1]);
	list_push_back(&head, &nodes[2]);
	list_push_front(&head, &nodes[0]);
	list_push_back(&head, &nodes[3]);
	LIST_FOR_EACH(node, &head)
	assert_ptr_equal(node, &nodes[count++]);
	assert_int_equal(count, 4);
	LIST_FOR_EACH_SAFE(node, &head)
	if (node == &nodes[1] || node == &nodes[2])
		list_remove(node);
	assert_false(list_is_linked(&nodes[1]));
	assert_ptr_equal(list_pop_front(&head), &nodes[0]);
	assert_ptr_equal(list_pop_front(&head), &nodes[3]);
	assert_true(list_is_empty(&head));
}

static void test_byte_order(void **state)
{
	static const uint8_t bytes[] = {0x00, 0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde, 0xf0};
	uint8_t out[5] = {0};

	assert_int_equal(load_be16(bytes + 1), 0x1234);
	assert_int_equal(load_be32(bytes + 1), 0x12345678);
	assert_int_equal(load_le64(bytes + 1), UINT64_C(0xf0debc9a78563412));
	store_be16(out + 1, 0x1234);
	assert_memory_equal(out, ((uint8_t[]){0, 0x12, 0x34, 0, 0}), 5);
	store_be32(out + 1, 0x12345678);
	assert_memory_equal(out, ((uint8_t[]){0, 0x12, 0x34, 0x56, 0x78}), 5);
}

/* Names are part of the interface: "room.what", all different, drops under "drop.". */
static void test_counter_names(void **state)
{
	for (unsigned i = 0; i < COUNTER_COUNT; i++) {
		const char *name = counter_name(i);

		assert_non_null(name);
		assert_non_null(strchr(name, '.'));
		assert_int_equal(strncmp(name, "drop.", 5) == 0, i >= DROP_NETIF_DOWN);
		for (unsigned j = 0; j < i; j++)
			assert_string_not_equal(name, counter_name(j));
	}
	assert_null(counter_name(COUNTER_COUNT));
	assert_string_equal(counter_name(COUNT_TCP_SEGS_IN), "tcp.segs_in");
}

static void test_broken_check_aborts(void **state)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		/* silence the report, and the test framework's handler */
		close(STDERR_FILENO);
		signal(SIGABRT, SIG_DFL);
		CHECK(pid != 0);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sequence_order_across_the_wrap),
		cmocka_unit_test(test_widening),
		cmocka_unit_test(test_list),
		cmocka_unit_test(test_byte_order),
		cmocka_unit_test(test_counter_names),
		cmocka_unit_test(test_broken_check_aborts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
