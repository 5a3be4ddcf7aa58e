// SPDX-License-Identifier: MIT
/* Names of daemons in the file system: which are names, who gets one, what is stale, what is left. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <teeceepee/host.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/place.h"

static char runtime[] = "/tmp/teeceepee-XXXXXX";
static char error[TEE_HOST_ERROR_SIZE];

static int make_runtime(void **state)
{
	(void)state;
	snprintf(runtime, sizeof(runtime), "/tmp/teeceepee-XXXXXX");
	return !mkdtemp(runtime) || setenv("XDG_RUNTIME_DIR", runtime, 1) < 0;
}

/* Fails when a test left anything in it. */
static int remove_runtime(void **state)
{
	(void)state;
	return rmdir(runtime);
}

static void test_names(void **state)
{
	static const struct {
		const char *name;
		int result;
	} cases[] = {
		{"default", 0},
		{"a", 0},
		{"web-1.example_2", 0},
		{"12345678901234567890123456789012", 0},
		{"123456789012345678901234567890123", -EINVAL},
		{"", -EINVAL},
		{".", -EINVAL},
		{"..", -EINVAL},
		{".hidden", -EINVAL},
		{"-x", -EINVAL},
		{"a b", -EINVAL},
		{"a\n", -EINVAL},
		{"\xc3\xa4", -EINVAL},
		{"/run/x.sock", 0},
		{"./x", 0},
	};
	char longest[200];
	struct daemon_place place;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(daemon_place_find(cases[i].name, &place, error), cases[i].result);
	memset(longest, '/', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	assert_int_equal(daemon_place_find(longest, &place, error), -ENAMETOOLONG);
	assert_int_equal(daemon_place_find("/run/x.sock", &place, error), 0);
	assert_string_equal(place.address.sun_path, "/run/x.sock");
	assert_string_equal(place.dir, "");
}

/* The longest name still makes a socket's address, in a directory of the user's. */
static void test_room(void **state)
{
	struct daemon_place place;

	(void)state;
	assert_int_equal(daemon_place_find("12345678901234567890123456789012", &place, error), 0);
	assert_int_equal(strncmp(place.dir, runtime, strlen(runtime)), 0);
	assert_string_equal(place.address.sun_path + strlen(place.address.sun_path) - 7, "12.sock");
	assert_string_equal(place.work + strlen(place.work) - 4, "12.d");
	assert_true(DAEMON_DIR_SIZE + DAEMON_NAME_SIZE + sizeof(".sock") <
		    sizeof(place.address.sun_path));
}

static void test_claim(void **state)
{
	struct daemon_place place;
	char names[DAEMON_NAMES_MAX][DAEMON_NAME_SIZE];
	struct stat status;
	int first, second, client;

	(void)state;
	assert_int_equal(daemon_place_find("one", &place, error), 0);
	assert_int_equal(daemon_place_connect(&place, error), -ENOENT);
	assert_non_null(strstr(error, "no daemon 'one' is up; 'teeceepee up one' starts one"));
	assert_int_equal(daemon_place_list(names), 0);
	first = daemon_place_claim(&place, error);
	assert_true(first >= 0);
	assert_int_equal(stat(place.dir, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0700);
	assert_int_equal(stat(place.address.sun_path, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0600);
	assert_int_equal(daemon_place_claim(&place, error), -EADDRINUSE);
	assert_non_null(strstr(error, "up already"));
	client = daemon_place_connect(&place, error);
	assert_true(client >= 0);
	close(client);
	assert_int_equal(daemon_place_find("two", &place, error), 0);
	second = daemon_place_claim(&place, error);
	assert_true(second >= 0);
	assert_int_equal(daemon_place_list(names), 2);
	daemon_place_leave(&place, second);
	assert_int_equal(daemon_place_list(names), 1);
	assert_string_equal(names[0], "one");
	assert_int_equal(daemon_place_connect(&place, error), -ENOENT);
	assert_non_null(strstr(error, "(these are up: one)"));
	assert_int_equal(daemon_place_find("one", &place, error), 0);
	daemon_place_leave(&place, first);
	assert_int_equal(access(place.dir, F_OK), -1);
}

/* As a daemon leaves it that was killed: a socket that nobody listens on, a log, sockets of programs. */
static void test_stale(void **state)
{
	struct daemon_place place;
	char names[DAEMON_NAMES_MAX][DAEMON_NAME_SIZE], inner[256];
	int fd;

	(void)state;
	assert_int_equal(daemon_place_find("dead", &place, error), 0);
	fd = daemon_place_claim(&place, error);
	assert_true(fd >= 0);
	close(fd);
	snprintf(inner, sizeof(inner), "%s/program", place.work);
	assert_int_equal(mkdir(inner, 0700), 0);
	snprintf(inner, sizeof(inner), "%s/program/1", place.work);
	close(open(inner, O_CREAT | O_WRONLY, 0600));
	close(open(place.log, O_CREAT | O_WRONLY, 0600));
	assert_int_equal(daemon_place_list(names), 0);
	assert_int_equal(daemon_place_connect(&place, error), -ECONNREFUSED);
	assert_non_null(strstr(error, "was killed"));
	fd = daemon_place_claim(&place, error);
	assert_true(fd >= 0);
	assert_int_equal(access(inner, F_OK), -1);
	assert_int_equal(access(place.log, F_OK), -1);
	daemon_place_leave(&place, fd);
}

/* A directory in which others could put a socket is not used, by neither side. */
static void test_foreign_directory(void **state)
{
	struct daemon_place place;
	char names[DAEMON_NAMES_MAX][DAEMON_NAME_SIZE];

	(void)state;
	assert_int_equal(daemon_place_find("one", &place, error), 0);
	assert_int_equal(mkdir(place.dir, 0700), 0);
	assert_int_equal(chmod(place.dir, 0770), 0);
	assert_int_equal(daemon_place_claim(&place, error), -EPERM);
	assert_int_equal(daemon_place_connect(&place, error), -EPERM);
	assert_int_equal(daemon_place_list(names), 0);
	assert_int_equal(rmdir(place.dir), 0);
	assert_int_equal(symlink("/tmp", place.dir), 0);
	assert_int_equal(daemon_place_claim(&place, error), -EPERM);
	assert_int_equal(daemon_place_connect(&place, error), -EPERM);
	assert_int_equal(unlink(place.dir), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_names, make_runtime, remove_runtime),
		cmocka_unit_test_setup_teardown(test_room, make_runtime, remove_runtime),
		cmocka_unit_test_setup_teardown(test_claim, make_runtime, remove_runtime),
		cmocka_unit_test_setup_teardown(test_stale, make_runtime, remove_runtime),
		cmocka_unit_test_setup_teardown(test_foreign_directory, make_runtime,
						remove_runtime),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
