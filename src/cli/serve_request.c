// SPDX-License-Identifier: MIT
/*
 * Answers: GET and HEAD of files and directories (RFC 9110).
 *
 * A directory without its slash is redirected to the one with it, so that relative links work; with it,
 * index.html or a listing. What isn't a regular file or a directory is nobody's business: 403. An
 * answer is built as text in the worker's buffer; its body stays where it is, in the file's memory.
 */
#define _GNU_SOURCE /* asprintf */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/serve.h"

enum { PATH_SIZE = 8192 };

static const struct {
	unsigned status;
	const char *reason;
} reasons[] = {
	{200, "OK"},
	{206, "Partial Content"},
	{301, "Moved Permanently"},
	{304, "Not Modified"},
	{400, "Bad Request"},
	{403, "Forbidden"},
	{404, "Not Found"},
	{405, "Method Not Allowed"},
	{416, "Range Not Satisfiable"},
	{431, "Request Header Fields Too Large"},
	{500, "Internal Server Error"},
	{501, "Not Implemented"},
	{503, "Service Unavailable"},
	{505, "HTTP Version Not Supported"},
};

static const char *reason_of(unsigned status)
{
	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (reasons[i].status == status)
			return reasons[i].reason;
	return "Unknown";
}

/* ---- the head ---- */

static void put(struct serve_answer *answer, const char *text, size_t len)
{
	if (len > SERVE_HEAD_SIZE - answer->head_len)
		len = SERVE_HEAD_SIZE - answer->head_len;
	memcpy(answer->head + answer->head_len, text, len);
	answer->head_len += len;
}

static void put_text(struct serve_answer *answer, const char *text)
{
	put(answer, text, strlen(text));
}

static void put_format(struct serve_answer *answer, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void put_format(struct serve_answer *answer, const char *format, ...)
{
	char text[4096];
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	put(answer, text, (size_t)len < sizeof(text) ? (size_t)len : sizeof(text) - 1);
}

/* A whole number without printf(), for it stands in every answer. */
static void put_number(struct serve_answer *answer, uint64_t number)
{
	char text[20];
	size_t at = sizeof(text);

	do {
		text[--at] = (char)('0' + number % 10);
		number /= 10;
	} while (number > 0);
	put(answer, text + at, sizeof(text) - at);
}

/* RFC 9110 6.6.1: the date of an answer; made anew each second. */
static const char *date_now(struct serve_worker *worker)
{
	time_t now_s = time(NULL);

	if (now_s != worker->date_s) {
		worker->date_s = now_s;
		serve_format_date(now_s, worker->date);
	}
	return worker->date;
}

static void begin_head(struct serve_conn *conn, unsigned status, struct serve_answer *answer)
{
	answer->head = conn->worker->head;
	answer->head_len = 0;
	put_text(answer, "HTTP/1.1 ");
	put_number(answer, status);
	put_text(answer, " ");
	put_text(answer, reason_of(status));
	put_text(answer, "\r\nDate: ");
	put_text(answer, date_now(conn->worker));
	put_text(answer, "\r\n");
}

static void end_head(struct serve_conn *conn, const struct http_request *request, bool has_length,
		     uint64_t len, struct serve_answer *answer)
{
	if (has_length) {
		put_text(answer, "Content-Length: ");
		put_number(answer, len);
		put_text(answer, "\r\n");
	}
	if (conn->closes)
		put_text(answer, "Connection: close\r\n");
	else if (request && request->minor == 0)
		put_text(answer, "Connection: keep-alive\r\n");
	put_text(answer, "\r\n");
	answer->body_len = len;
	if (request && strcmp(request->method, "HEAD") == 0)
		answer->body_len = 0;
}

/* ---- pages of our own ---- */

/* A small page for a status; `extra` is a header line with its end, or "". */
static void answer_page(struct serve_conn *conn, const struct http_request *request,
			unsigned status, const char *extra, struct serve_answer *answer)
{
	const char *reason = reason_of(status);
	int len = asprintf(&answer->page, "<!doctype html>\n<title>%u %s</title>\n<h1>%u %s</h1>\n",
			   status, reason, status, reason);

	if (len < 0) {
		answer->page = NULL;
		len = 0;
	}
	answer->body = (const uint8_t *)answer->page;
	begin_head(conn, status, answer);
	put_text(answer, "Content-Type: text/html\r\n");
	put_text(answer, extra);
	end_head(conn, request, true, (uint64_t)len, answer);
}

static void answer_status(struct serve_conn *conn, unsigned status, struct serve_answer *answer)
{
	answer_page(conn, NULL, status, "", answer);
}

static void answer_error(struct serve_conn *conn, const struct http_request *request,
			 int error_number, struct serve_answer *answer)
{
	unsigned status = 500;

	switch (error_number) {
	case ENOENT:
	case ENOTDIR:
	case ENAMETOOLONG: status = 404; break;
	case EACCES:
	case EPERM:
	case EXDEV:
	case ENXIO: /* a socket */ status = 403; break;
	case EMFILE:
	case ENFILE:
	case ENOMEM: status = 503; break;
	default: break;
	}
	answer_page(conn, request, status, status == 503 ? "Retry-After: 1\r\n" : "", answer);
}

/* ---- files ---- */

/* RFC 9110 13.2.2: If-None-Match decides before If-Modified-Since. */
static bool is_unchanged(const struct http_request *request, const struct serve_file *file)
{
	if (request->if_none_match)
		return strcmp(request->if_none_match, "*") == 0 ||
		       strstr(request->if_none_match, file->etag) != NULL;
	return request->if_modified_since && strcmp(request->if_modified_since, file->changed) == 0;
}

/* RFC 9110 13.1.5: a range of another version of the file is of no use. */
static const char *wanted_range(const struct http_request *request, const struct serve_file *file)
{
	if (request->if_range && strcmp(request->if_range, file->etag) != 0 &&
	    strcmp(request->if_range, file->changed) != 0)
		return NULL;
	return request->range;
}

/* Owns the reference. */
static void answer_file(struct serve_conn *conn, const struct http_request *request,
			struct serve_file *file, struct serve_answer *answer)
{
	uint64_t size = (uint64_t)file->status.st_size, first = 0, len = size;
	enum serve_range range;
	char text[64];

	if (is_unchanged(request, file)) {
		begin_head(conn, 304, answer);
		put(answer, file->fields, file->fields_len);
		end_head(conn, request, false, 0, answer);
		serve_file_release(file);
		return;
	}
	range = serve_parse_range(wanted_range(request, file), size, &first, &len);
	if (range == SERVE_RANGE_BAD) {
		snprintf(text, sizeof(text), "Content-Range: bytes */%llu\r\n",
			 (unsigned long long)size);
		answer_page(conn, request, 416, text, answer);
		serve_file_release(file);
		return;
	}
	answer->file = file;
	begin_head(conn, range == SERVE_RANGE_PART ? 206 : 200, answer);
	put(answer, file->fields, file->fields_len);
	if (range == SERVE_RANGE_PART)
		put_format(answer, "Content-Range: bytes %llu-%llu/%llu\r\n",
			   (unsigned long long)first, (unsigned long long)(first + len - 1),
			   (unsigned long long)size);
	answer->body = file->bytes + first;
	end_head(conn, request, true, len, answer);
}

/* ---- directories ---- */

/* The same URL with a slash, relative to where the client is: "./name/". */
static void answer_with_slash(struct serve_conn *conn, const struct http_request *request,
			      const char *path, struct serve_answer *answer)
{
	char *name = serve_escape_url(strrchr(path, '/') + 1), *line = NULL;

	if (!name || asprintf(&line, "Location: ./%s/\r\n", name) < 0)
		answer_error(conn, request, ENOMEM, answer);
	else
		answer_page(conn, request, 301, line, answer);
	free(line);
	free(name);
}

static void answer_list(struct serve_conn *conn, const struct http_request *request, int dir_fd,
			const char *path, struct serve_answer *answer)
{
	size_t len = 0;

	answer->page = serve_list(dir_fd, path, &len);
	if (!answer->page) {
		answer_error(conn, request, errno, answer);
		return;
	}
	answer->body = (const uint8_t *)answer->page;
	begin_head(conn, 200, answer);
	put_text(answer, "Content-Type: text/html; charset=utf-8\r\n");
	end_head(conn, request, true, len, answer);
}

/* ---- a path ---- */

static void answer_path(struct serve_conn *conn, const struct http_request *request, char *path,
			struct serve_answer *answer)
{
	struct serve_cache *cache = &conn->worker->cache;
	uint64_t now_ns = conn->active_at_ns;
	struct serve_file *file;
	size_t len = strlen(path);
	bool has_slash = path[len - 1] == '/';
	int dir_fd, result;

	if (has_slash) {
		memcpy(path + len, "index.html", sizeof("index.html"));
		if (serve_file_get(cache, path, now_ns, &file, &dir_fd) == 0) {
			answer_file(conn, request, file, answer);
			return;
		}
		path[len] = '\0';
	}
	result = serve_file_get(cache, path, now_ns, &file, &dir_fd);
	if (result == 0 && has_slash) {
		serve_file_release(file);
		result = -ENOENT;
	}
	if (result == 0) {
		answer_file(conn, request, file, answer);
	} else if (result != -EISDIR) {
		answer_error(conn, request, -result, answer);
	} else {
		if (has_slash)
			answer_list(conn, request, dir_fd, path, answer);
		else
			answer_with_slash(conn, request, path, answer);
		close(dir_fd);
	}
}

static void log_request(const struct serve_conn *conn, const struct http_request *request)
{
	char text[TEE_IP_TEXT_SIZE] = "?";
	struct tee_endpoint remote;

	if (!conn->socket)
		tee_ip_format(&conn->client, text);
	else if (tee_remote_name(conn->socket, &remote) >= 0)
		tee_ip_format(&remote.ip, text);
	fprintf(stderr, "%s  %s %s\n", text, request->method, request->target);
}

static void answer_request(struct serve_conn *conn, const struct http_request *request,
			   struct serve_answer *answer)
{
	char path[PATH_SIZE + sizeof("index.html")];

	if (conn->worker->serve->is_verbose)
		log_request(conn, request);
	if (strcmp(request->method, "GET") != 0 && strcmp(request->method, "HEAD") != 0)
		answer_page(conn, request, 405, "Allow: GET, HEAD\r\n", answer);
	else if (!http_path(request->target, path, PATH_SIZE))
		answer_page(conn, request, 400, "", answer);
	else
		answer_path(conn, request, path, answer);
}

/* ---- requests as they come ---- */

size_t serve_read(struct serve_conn *conn, char *text, size_t len, struct http_request *ret_request,
		  int *ret_status)
{
	int head_len;

	*ret_status = -1;
	if (conn->skip_bytes > 0) {
		size_t skip = conn->skip_bytes < len ? (size_t)conn->skip_bytes : len;

		conn->skip_bytes -= skip;
		return skip;
	}
	head_len = http_parse(text, len, ret_request);
	if (head_len == 0)
		return 0;
	if (head_len < 0) {
		conn->closes = true;
		*ret_status = -head_len;
		return len;
	}
	/* Nobody wants a body here; one whose end isn't known, or that waits to be wished for, ends us. */
	conn->closes = !ret_request->keeps || ret_request->is_chunked ||
		       (ret_request->expects && ret_request->body_len > 0);
	conn->skip_bytes = ret_request->body_len;
	*ret_status = 0;
	return (size_t)head_len;
}

void serve_answer(struct serve_conn *conn, const struct http_request *request, int status,
		  struct serve_answer *answer)
{
	if (status)
		answer_status(conn, (unsigned)status, answer);
	else
		answer_request(conn, request, answer);
}
