// SPDX-License-Identifier: MIT
/* Addresses that programs on one interface keep from each other; the other program is a forked child. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include "link/address_keeper.h"

/* No interface has such numbers; this process has them for itself. */
#define IFINDEX (0x40000000 | (getpid() & 0xfffff))

static const struct tee_ip one = TEE_IP4(10, 9, 8, 1), two = TEE_IP4(10, 9, 8, 2);
static const struct tee_ip six = {{0xfd, [15] = 7}};

/* How many of `ips` another process gets. */
static int left_to_another(int ifindex, const struct tee_ip *ips, unsigned n)
{
	int status = 0;
	pid_t child = fork();

	if (child == 0) {
		struct address_keeper keeper = {0};
		struct tee_ip wanted[4];
		unsigned count;

		for (unsigned i = 0; i < n; i++)
			wanted[i] = ips[i];
		count = address_keeper_set(&keeper, ifindex, wanted, n);
		/* What is left is in order, and not what was taken. */
		for (unsigned i = 0; i < count; i++)
			if (count < n && tee_ip_equal(&wanted[i], &one))
				_exit(99);
		_exit((int)count);
	}
	assert_true(child > 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void test_another_process(void **state)
{
	const struct tee_ip all[] = {two, one, six};
	struct address_keeper keeper = {0};
	struct tee_ip ips[] = {one, six};
	int ifindex = IFINDEX;

	(void)state;
	assert_int_equal(left_to_another(ifindex, all, 3), 3);
	assert_int_equal(address_keeper_set(&keeper, ifindex, ips, 2), 2);
	assert_int_equal(left_to_another(ifindex, all, 3), 1);
	/* More often than its queue of those who ask is long. */
	for (int i = 0; i < 20; i++)
		assert_int_equal(left_to_another(ifindex, &one, 1), 0);
	/* Another interface is another wire. */
	assert_int_equal(left_to_another(ifindex + 1, all, 3), 3);
	/* What is no longer named is free, and the rest still kept. */
	assert_int_equal(address_keeper_set(&keeper, ifindex, ips, 1), 1);
	assert_int_equal(left_to_another(ifindex, all, 3), 2);
	address_keeper_fini(&keeper);
	assert_int_equal(left_to_another(ifindex, all, 3), 3);
}

/* A stack a thread, one address for all. */
static void test_same_process(void **state)
{
	struct address_keeper first = {0}, second = {0};
	struct tee_ip ips[] = {one, six};
	int ifindex = IFINDEX;

	(void)state;
	assert_int_equal(address_keeper_set(&first, ifindex, ips, 2), 2);
	for (int i = 0; i < 20; i++) {
		assert_int_equal(address_keeper_set(&second, ifindex, ips, 2), 2);
		address_keeper_fini(&second);
	}
	assert_int_equal(left_to_another(ifindex, ips, 2), 0);
	address_keeper_fini(&first);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_another_process),
		cmocka_unit_test(test_same_process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
