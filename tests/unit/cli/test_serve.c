// SPDX-License-Identifier: MIT
/* The file server's parts: ranges, dates, types, escapes, and the wall around its directory. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "cli/serve.h"

static void test_range(void **state)
{
	static const struct {
		const char *header;
		uint64_t size;
		enum serve_range range;
		uint64_t first, len;
	} cases[] = {
		{NULL, 100, SERVE_RANGE_NONE, 0, 0},
		{"bytes=0-0", 100, SERVE_RANGE_PART, 0, 1},
		{"bytes=10-19", 100, SERVE_RANGE_PART, 10, 10},
		{"Bytes=10-", 100, SERVE_RANGE_PART, 10, 90},
		{"bytes=-5", 100, SERVE_RANGE_PART, 95, 5},
		{"bytes=-500", 100, SERVE_RANGE_PART, 0, 100},
		{"bytes=90-900", 100, SERVE_RANGE_PART, 90, 10},
		{"bytes=99-", 100, SERVE_RANGE_PART, 99, 1},
		{"bytes=100-", 100, SERVE_RANGE_BAD, 0, 0},
		{"bytes=-0", 100, SERVE_RANGE_BAD, 0, 0},
		{"bytes=0-", 0, SERVE_RANGE_BAD, 0, 0},
		{"bytes=-1", 0, SERVE_RANGE_BAD, 0, 0},
		{"bytes=5-4", 100, SERVE_RANGE_NONE, 0, 0},
		{"bytes=1-2,4-5", 100, SERVE_RANGE_NONE, 0, 0},
		{"bytes=", 100, SERVE_RANGE_NONE, 0, 0},
		{"bytes=-", 100, SERVE_RANGE_NONE, 0, 0},
		{"bytes=a-b", 100, SERVE_RANGE_NONE, 0, 0},
		{"bytes=1-2x", 100, SERVE_RANGE_NONE, 0, 0},
		{"bytes= 1-2", 100, SERVE_RANGE_NONE, 0, 0},
		{"lines=1-2", 100, SERVE_RANGE_NONE, 0, 0},
		{"bytes=99999999999999999999999-", 100, SERVE_RANGE_NONE, 0, 0},
		{"bytes=0-99999999999999999999999", 100, SERVE_RANGE_NONE, 0, 0},
		{"bytes=9223372036854775000-", 100, SERVE_RANGE_BAD, 0, 0},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t first = 0, len = 0;

		assert_int_equal(serve_parse_range(cases[i].header, cases[i].size, &first, &len),
				 cases[i].range);
		assert_int_equal(first, cases[i].first);
		assert_int_equal(len, cases[i].len);
	}
}

static void test_date(void **state)
{
	char text[32];

	assert_string_equal(serve_format_date(784111777, text), "Sun, 06 Nov 1994 08:49:37 GMT");
	assert_string_equal(serve_format_date(0, text), "Thu, 01 Jan 1970 00:00:00 GMT");
}

static void test_mime(void **state)
{
	static const struct {
		const char *path, *type;
	} cases[] = {
		{"/a.html", "text/html; charset=utf-8"},
		{"/a.HTML", "text/html; charset=utf-8"},
		{"/a.tar.gz", "application/gzip"},
		{"/dir.txt/file", "application/octet-stream"},
		{"/7z", "application/octet-stream"},
		{"/a.7z", "application/x-7z-compressed"}, /* the first row … */
		{"/a.zst", "application/zstd"},           /* … and the last */
		{"/a.", "application/octet-stream"},
		{"", "application/octet-stream"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(serve_mime_type(cases[i].path), cases[i].type);
}

static void test_escape(void **state)
{
	char *text = serve_escape_html("<a href=\"x\">&'");

	assert_string_equal(text, "&lt;a href=&quot;x&quot;&gt;&amp;&#39;");
	free(text);
	text = serve_escape_url("a b/c?d#e%f-._~\xc3\xa4");
	assert_string_equal(text, "a%20b%2Fc%3Fd%23e%25f-._~%C3%A4");
	free(text);
}

/* ---- a tree with ways out ---- */

static char base[] = "/tmp/teeceepee-serve-XXXXXX";
static int root_fd = -1;

static void write_file(const char *path, const char *text)
{
	int fd = openat(root_fd, path, O_WRONLY | O_CREAT | O_EXCL, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static int make_tree(void **state)
{
	char root[64];

	if (!mkdtemp(base))
		return -1;
	snprintf(root, sizeof(root), "%s/root", base);
	if (mkdir(root, 0700) < 0)
		return -1;
	root_fd = open(root, O_RDONLY | O_DIRECTORY);
	write_file("../secret", "secret");
	write_file("plain", "plain");
	mkdirat(root_fd, "sub", 0700);
	write_file("sub/inner", "inner");
	write_file("sub/<b>&.txt", "odd");
	if (symlinkat("../secret", root_fd, "out") < 0 || symlinkat("/etc", root_fd, "etc") < 0 ||
	    symlinkat("sub/inner", root_fd, "in") < 0 || symlinkat("loop", root_fd, "loop") < 0 ||
	    mkfifoat(root_fd, "fifo", 0600) < 0)
		return -1;
	return 0;
}

static int remove_tree(void **state)
{
	static const char *const names[] = {"out",       "etc",          "in",
					    "loop",      "fifo",         "plain",
					    "sub/inner", "sub/<b>&.txt", "../secret"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unlinkat(root_fd, names[i], 0);
	unlinkat(root_fd, "sub", AT_REMOVEDIR);
	unlinkat(root_fd, "../root", AT_REMOVEDIR);
	close(root_fd);
	return rmdir(base);
}

static void test_wall(void **state)
{
	static const struct {
		const char *path;
		int error; /* 0: opens */
	} cases[] = {
		{"/plain", 0},
		{"/sub/inner", 0},
		{"/sub/", 0},
		{"/", 0},
		{"", 0},
		{"/sub/../plain", 0},
		{"//plain", 0},
		{"/fifo", 0},
		{"/none", ENOENT},
		{"/plain/", ENOTDIR},
		{"/../secret", EXDEV},
		{"/sub/../../secret", EXDEV},
		{"/out", EXDEV},
		{"/etc/passwd", EXDEV},
		{"/..", EXDEV},
		{"/loop", EXDEV},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int fd = serve_open_beneath(root_fd, cases[i].path);

		if (cases[i].error == 0)
			assert_true(fd >= 0);
		else
			assert_int_equal(fd, -cases[i].error);
		if (fd >= 0)
			close(fd);
	}
}

static void test_list(void **state)
{
	size_t len = 0;
	int fd = serve_open_beneath(root_fd, "/sub/");
	char *page = serve_list(fd, "/sub/", &len);

	assert_non_null(page);
	assert_int_equal(strlen(page), len);
	assert_non_null(strstr(page, "<a href=\"%3Cb%3E%26.txt\">&lt;b&gt;&amp;.txt</a>"));
	assert_non_null(strstr(page, "<a href=\"../\">"));
	assert_null(strstr(page, "<b>&"));
	free(page);
	close(fd);
	page = serve_list(root_fd, "/", &len);
	assert_null(strstr(page, "<a href=\"../\">"));
	assert_true(strstr(page, "sub/") < strstr(page, "plain")); /* directories first */
	free(page);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_range), cmocka_unit_test(test_date),
		cmocka_unit_test(test_mime),  cmocka_unit_test(test_escape),
		cmocka_unit_test(test_wall),  cmocka_unit_test(test_list),
	};

	return cmocka_run_group_tests(tests, make_tree, remove_tree);
}
