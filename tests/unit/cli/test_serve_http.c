// SPDX-License-Identifier: MIT
/* Heads of requests: what is understood, what is refused and with which status, and paths of targets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "cli/serve_http.h"

#define HOST "Host: a\r\n"

/* Parses a copy that ends where its memory ends. */
static int parse(const char *text, size_t len, struct http_request *request, char **ret_copy)
{
	char *copy = malloc(len ? len : 1);
	int result;

	memcpy(copy, text, len);
	result = http_parse(copy, len, request);
	if (result == 0)
		assert_memory_equal(copy, text, len);
	*ret_copy = copy;
	return result;
}

static void test_status(void **state)
{
	static const struct {
		const char *text;
		int result; /* 1: the whole text */
	} cases[] = {
		{"GET / HTTP/1.1\r\n" HOST "\r\n", 1},
		{"GET / HTTP/1.1\n" HOST "\n", 1},
		{"\r\n\nGET / HTTP/1.1\r\n" HOST "\r\n", 1},
		{"GET / HTTP/1.0\r\n\r\n", 1},
		{"GET / HTTP/1.2\r\n" HOST "\r\n", 1},
		{"", 0},
		{"\r", 0},
		{"\r\n", 0},
		{"GET / HTTP/1.1\r\n" HOST, 0},
		{"GET / HTTP/1.1\r\n" HOST "\r", 0},
		{"GET / HTTP/1.1\r\n\r\n", -400},
		{"GET / HTTP/1.1\r\n" HOST HOST "\r\n", -400},
		{"GET /\r\n\r\n", -400},
		{"GET  / HTTP/1.1\r\n" HOST "\r\n", -400},
		{"GET / HTTP/1.1 \r\n" HOST "\r\n", -400},
		{"GET / http/1.1\r\n" HOST "\r\n", -400},
		{"GET / HTTP/11\r\n" HOST "\r\n", -400},
		{"GET / HTTP/2.0\r\n" HOST "\r\n", -505},
		{"G(T / HTTP/1.1\r\n" HOST "\r\n", -400},
		{" / HTTP/1.1\r\n" HOST "\r\n", -400},
		{"GET /\x7f HTTP/1.1\r\n" HOST "\r\n", -400},
		{"GET /\ta HTTP/1.1\r\n" HOST "\r\n", -400},
		{"GET / HTTP/1.1\r\n" HOST "A : b\r\n\r\n", -400},
		{"GET / HTTP/1.1\r\n" HOST " folded\r\n\r\n", -400},
		{"GET / HTTP/1.1\r\n" HOST "no colon\r\n\r\n", -400},
		{"GET / HTTP/1.1\r\n" HOST ": none\r\n\r\n", -400},
		{"GET / HTTP/1.1\r\n" HOST "A: b\rc\r\n\r\n", -400},
		{"GET / HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\n", 1},
		{"GET / HTTP/1.1\r\n" HOST "Content-Length: 5\r\nContent-Length: 5\r\n\r\n", 1},
		{"GET / HTTP/1.1\r\n" HOST "Content-Length: 5\r\nContent-Length: 6\r\n\r\n", -400},
		{"GET / HTTP/1.1\r\n" HOST "Content-Length: 5, 5\r\n\r\n", -400},
		{"GET / HTTP/1.1\r\n" HOST "Content-Length: -5\r\n\r\n", -400},
		{"GET / HTTP/1.1\r\n" HOST "Content-Length: \r\n\r\n", -400},
		{"GET / HTTP/1.1\r\n" HOST "Content-Length: 99999999999999999999\r\n\r\n", -400},
		{"GET / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n", 1},
		{"GET / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip, chunked\r\n\r\n", -501},
		{"GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", -400},
		{"GET / HTTP/1.1\r\n" HOST
		 "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
		 -400},
		{"GET / HTTP/1.1\r\n" HOST
		 "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
		 -400},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t len = strlen(cases[i].text);
		struct http_request request;
		char *copy;
		int want = cases[i].result == 1 ? (int)len : cases[i].result;
		int result = parse(cases[i].text, len, &request, &copy);

		if (result != want)
			fail_msg("'%s': %d, want %d", cases[i].text, result, want);
		free(copy);
	}
}

static void test_a_nul_is_refused(void **state)
{
	static const char line[] = "GET /a\0b HTTP/1.1\r\n" HOST "\r\n";
	static const char field[] = "GET / HTTP/1.1\r\n" HOST "A: b\0c\r\n\r\n";
	struct http_request request;
	char *copy;

	assert_int_equal(parse(line, sizeof(line) - 1, &request, &copy), -400);
	free(copy);
	assert_int_equal(parse(field, sizeof(field) - 1, &request, &copy), -400);
	free(copy);
}

/* Cut anywhere it waits; with another request behind it, it says where that begins. */
static void test_pieces_and_pipelines(void **state)
{
	static const char text[] =
		"HEAD /x?y HTTP/1.1\r\nhOST:a \r\nConnection: keep-alive, Close\r\nRANGE: bytes=1-\r\n"
		"If-Range: \"e\"\r\nIf-None-Match:\t*\t\r\nIf-Modified-Since: now\r\n"
		"Expect: 100-Continue\r\nContent-Length: 007\r\n\r\n";
	size_t len = sizeof(text) - 1;
	struct http_request request;
	char *copy, twice[2 * sizeof(text)];

	for (size_t cut = 0; cut < len; cut++) {
		assert_int_equal(parse(text, cut, &request, &copy), 0);
		free(copy);
	}
	memcpy(twice, text, len);
	memcpy(twice + len, text, len);
	assert_int_equal(parse(twice, 2 * len, &request, &copy), len);
	assert_string_equal(request.method, "HEAD");
	assert_string_equal(request.target, "/x?y");
	assert_int_equal(request.minor, 1);
	assert_false(request.keeps);
	assert_false(request.is_chunked);
	assert_true(request.expects);
	assert_int_equal(request.body_len, 7);
	assert_string_equal(request.range, "bytes=1-");
	assert_string_equal(request.if_range, "\"e\"");
	assert_string_equal(request.if_none_match, "*");
	assert_string_equal(request.if_modified_since, "now");
	assert_memory_equal(copy + len, text, len);
	free(copy);
}

static void test_keeping(void **state)
{
	static const struct {
		const char *text;
		bool keeps;
	} cases[] = {
		{"GET / HTTP/1.1\r\n" HOST "\r\n", true},
		{"GET / HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n", false},
		{"GET / HTTP/1.1\r\n" HOST "Connection: closed\r\n\r\n", true},
		{"GET / HTTP/1.0\r\n\r\n", false},
		{"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", true},
		{"GET / HTTP/1.0\r\nConnection: x,\tkeep-alive\r\n\r\n", true},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct http_request request;
		char *copy;

		assert_true(parse(cases[i].text, strlen(cases[i].text), &request, &copy) > 0);
		assert_int_equal(request.keeps, cases[i].keeps);
		free(copy);
	}
}

static void test_the_largest_head(void **state)
{
	static char text[HTTP_HEAD_MAX + 100];
	struct http_request request;
	size_t len = HTTP_HEAD_MAX;
	char *copy;

	memset(text, 'a', sizeof(text));
	memcpy(text, "GET / HTTP/1.1\r\n" HOST "A: ", 28);
	memcpy(text + len - 4, "\r\n\r\n", 4);
	assert_int_equal(parse(text, len, &request, &copy), len);
	free(copy);
	memset(text + len - 4, 'a', 4);
	assert_int_equal(parse(text, len - 1, &request, &copy), 0);
	free(copy);
	assert_int_equal(parse(text, len, &request, &copy), -431);
	free(copy);
	memcpy(text + len, "\r\n\r\n", 4);
	assert_int_equal(parse(text, len + 4, &request, &copy), -431);
	free(copy);
}

static void test_paths(void **state)
{
	static const struct {
		const char *target, *path; /* NULL: refused */
	} cases[] = {
		{"/", "/"},
		{"/a/b.c", "/a/b.c"},
		{"/a?b=/c", "/a"},
		{"/?", "/"},
		{"/%41%2f%2e%2E", "/A/.."},
		{"/a+b", "/a+b"},
		{"/%25", "/%"},
		{"/%00", NULL},
		{"/%4", NULL},
		{"/%", NULL},
		{"/%zz", NULL},
		{"/%4g", NULL},
		{"*", NULL},
		{"a", NULL},
		{"", NULL},
		{"host:80", NULL},
		{"http://host/a", "/a"},
		{"HTTP://host:80/a?b", "/a"},
		{"http://host", "/"},
		{"http://host?b", "/"},
		{"ftp://host/a", NULL},
		{"/1234567890123456789", "/1234567890123456789"},
		{"/12345678901234567890", NULL},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char path[21];
		bool is_good = http_path(cases[i].target, path, sizeof(path));

		if (is_good != (cases[i].path != NULL))
			fail_msg("'%s': %d", cases[i].target, is_good);
		if (is_good)
			assert_string_equal(path, cases[i].path);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_status),
		cmocka_unit_test(test_a_nul_is_refused),
		cmocka_unit_test(test_pieces_and_pipelines),
		cmocka_unit_test(test_keeping),
		cmocka_unit_test(test_the_largest_head),
		cmocka_unit_test(test_paths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
