// SPDX-License-Identifier: MIT
/* Every error of the library has an errno, and comes back from it as itself. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "host/host.h"

static void test_round_trip(void **state)
{
	for (int error = 1; error < TEE_ERROR_COUNT; error++) {
		int number = host_errno_of_error(error);

		assert_true(number > 0);
		assert_int_equal(host_error_of_errno(number), error);
	}
}

static void test_unknown(void **state)
{
	assert_int_equal(host_error_of_errno(EXDEV), TEE_EIO);
	assert_int_equal(host_errno_of_error(TEE_ERROR_COUNT), EIO);
	/* Descriptors that ran out are a limit that was reached. */
	assert_int_equal(host_error_of_errno(EMFILE), TEE_ENOBUFS);
}

static void test_sentence(void **state)
{
	char error[TEE_HOST_ERROR_SIZE], long_word[2 * TEE_HOST_ERROR_SIZE];

	memset(long_word, 'x', sizeof(long_word) - 1);
	long_word[sizeof(long_word) - 1] = '\0';
	assert_int_equal(host_error(error, -TEE_EINVAL, "no %s", "way"), -TEE_EINVAL);
	assert_string_equal(error, "no way");
	host_error(error, 0, "%s", long_word);
	assert_int_equal(strlen(error), TEE_HOST_ERROR_SIZE - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_unknown),
		cmocka_unit_test(test_sentence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
