// SPDX-License-Identifier: MIT
/* Names from URLs, amounts in words, and a disk that is full. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "cli/curl.h"

static void test_remote_name(void **state)
{
	static const struct {
		const char *url, *name;
	} cases[] = {
		{"http://example.com/a/b.tar.gz", "b.tar.gz"},
		{"http://example.com/b?c=/d", "b"},
		{"example.com/x", "x"},
		{"http://example.com/", NULL},
		{"http://example.com", NULL},
		{"http://example.com/a/", NULL},
		{"http://example.com/a/..", NULL},
		{"http://example.com/%2e%2e", "%2e%2e"}, /* not decoded: no way up */
		{"http://[fd00::1]:8080/f", "f"},
		{"://", NULL},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *name = curl_remote_name(cases[i].url);

		if (cases[i].name)
			assert_string_equal(name, cases[i].name);
		else
			assert_null(name);
		free(name);
	}
}

static void test_bytes(void **state)
{
	static const struct {
		curl_off_t bytes;
		const char *text;
	} cases[] = {
		{0, "0 B"},
		{999, "999 B"},
		{1000, "1.0 KiB"},
		{1536, "1.5 KiB"},
		{1 << 20, "1.0 MiB"},
		{INT64_C(5) << 30, "5.0 GiB"},
		{INT64_C(3000) << 40, "3000.0 TiB"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[24];

		assert_string_equal(curl_format_bytes(cases[i].bytes, text), cases[i].text);
	}
}

static struct curl_command *new_command(void)
{
	struct curl_command *command = calloc(1, sizeof(*command));

	command->cli.name = "teeceepee curl";
	return command;
}

static void test_full_disk(void **state)
{
	struct curl_command *command = new_command();
	const struct curl_target target = {.url = "http://example.com/", .output = "/dev/full"};
	char data[] = "a page";

	assert_int_equal(curl_output_open(command, &target), 0);
	/* It fits into the buffer; that the disk is full shows at the end. */
	assert_int_equal(curl_output_write(data, 1, 6, command), 6);
	assert_int_equal(curl_output_close(command, 0), CLI_EXIT_WRITE);
	assert_int_equal(command->output.error_number, ENOSPC);
	free(command);
}

static void test_no_directory(void **state)
{
	struct curl_command *command = new_command();
	const struct curl_target target = {.url = "http://example.com/",
					   .output = "/nonexistent/file"};
	char data[] = "a page";

	assert_int_equal(curl_output_open(command, &target), 0);
	assert_int_equal(curl_output_write(data, 1, 6, command), 0);
	assert_int_equal(curl_output_close(command, CLI_EXIT_WRITE), CLI_EXIT_WRITE);
	assert_int_equal(command->output.error_number, ENOENT);
	free(command);
}

static void test_resume(void **state)
{
	char path[] = "/tmp/teeceepee-test-XXXXXX", data[] = "world", read_back[32] = "";
	struct curl_command *command = new_command();
	const struct curl_target target = {.url = "http://example.com/", .output = path};
	int fd = mkstemp(path);
	FILE *file;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, "hello ", 6), 6);
	close(fd);
	command->resumes = command->resumes_from_size = true;
	assert_int_equal(curl_output_open(command, &target), 0);
	assert_int_equal(command->output.resumed_at, 6);
	assert_int_equal(curl_output_write(data, 1, 5, command), 5);
	assert_int_equal(curl_output_close(command, 0), 0);
	file = fopen(path, "r");
	assert_int_equal(fread(read_back, 1, sizeof(read_back) - 1, file), 11);
	assert_string_equal(read_back, "hello world");
	fclose(file);
	unlink(path);
	free(command);
}

static void test_nothing_left_behind(void **state)
{
	struct curl_command *command = new_command();
	char path[64];
	const struct curl_target target = {.url = "http://example.com/", .output = path};

	snprintf(path, sizeof(path), "/tmp/teeceepee-test-none-%d", (int)getpid());
	assert_int_equal(curl_output_open(command, &target), 0);
	assert_int_equal(curl_output_close(command, CLI_EXIT_REFUSED), CLI_EXIT_REFUSED);
	assert_int_equal(access(path, F_OK), -1);
	/* But an empty page makes an empty file. */
	assert_int_equal(curl_output_open(command, &target), 0);
	assert_int_equal(curl_output_close(command, 0), 0);
	assert_int_equal(access(path, F_OK), 0);
	unlink(path);
	free(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_remote_name), cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_full_disk),   cmocka_unit_test(test_no_directory),
		cmocka_unit_test(test_resume),      cmocka_unit_test(test_nothing_left_behind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
