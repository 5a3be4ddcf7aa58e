// SPDX-License-Identifier: MIT
/* Each failure that a user can tell apart ends with a code of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <teeceepee/types.h>

#include "cli/exit.h"

static void test_connection(void **state)
{
	static const struct {
		int error, code;
	} cases[] = {
		{-TEE_ENOENT, 6},        {-TEE_ECONNREFUSED, 7}, {-TEE_ETIMEDOUT, 28},
		{-TEE_ECONNRESET, 56},   {-TEE_EPIPE, 56},       {-TEE_EHOSTUNREACH, 116},
		{-TEE_ENETUNREACH, 116}, {-TEE_ENODEV, 113},     {-TEE_EADDRINUSE, 117},
		{-TEE_ENOMEM, 1},        {-TEE_EPROTO, 1},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(cli_exit_of_error(cases[i].error), cases[i].code);
}

static void test_open(void **state)
{
	static const struct {
		const char *link;
		int error, code;
	} cases[] = {
		{"warp", -TEE_EINVAL, 110},
		{"warp:9", -TEE_EINVAL, 110},
		{"slirpy", -TEE_EINVAL, 110},
		{"", -TEE_EINVAL, 110},
		{"tap:tee0", -TEE_EPERM, 111},
		{"packet:eth0", -TEE_EACCES, 111},
		{"packet:eth9", -TEE_ENODEV, 112},
		{"tap:tee0", -TEE_EIO, 112},
		{"packet:eth0", -TEE_EADDRINUSE, 114},
		{"packet:eth0", -TEE_ETIMEDOUT, 115},
		{"slirp:mtu=x", -TEE_EINVAL, 2},
		{NULL, -TEE_EINVAL, 2},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(cli_exit_of_open(cases[i].error, cases[i].link), cases[i].code);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_connection),
		cmocka_unit_test(test_open),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
