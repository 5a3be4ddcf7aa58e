// SPDX-License-Identifier: MIT
/*
 * One request of `teeceepee serve`: GET and HEAD of files and directories (RFC 9110).
 *
 * A file is sent by its descriptor, so libmicrohttpd can use sendfile(). A directory without its
 * slash is redirected to the one with it, so that relative links work; with it, index.html or a
 * listing. What isn't a regular file or a directory is nobody's business: 403.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/serve.h"

static enum MHD_Result send_response(struct MHD_Connection *connection, unsigned status,
				     struct MHD_Response *response)
{
	enum MHD_Result result;

	if (!response)
		return MHD_NO;
	result = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return result;
}

/* A small page for a status; `extra` is a header and its value, or NULL. */
static enum MHD_Result send_status(struct MHD_Connection *connection, unsigned status,
				   const char *extra, const char *value)
{
	char page[256];
	const char *reason = MHD_get_reason_phrase_for(status);
	int len = snprintf(page, sizeof(page),
			   "<!doctype html>\n<title>%u %s</title>\n<h1>%u %s</h1>\n", status,
			   reason, status, reason);
	struct MHD_Response *response =
		MHD_create_response_from_buffer((size_t)len, page, MHD_RESPMEM_MUST_COPY);

	if (response) {
		MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "text/html");
		if (extra)
			MHD_add_response_header(response, extra, value);
	}
	return send_response(connection, status, response);
}

static enum MHD_Result send_error(struct MHD_Connection *connection, int error_number)
{
	switch (error_number) {
	case ENOENT:
	case ENOTDIR:
	case ENAMETOOLONG: return send_status(connection, MHD_HTTP_NOT_FOUND, NULL, NULL);
	case EACCES:
	case EPERM:
	case EXDEV:
	case ENXIO: /* a socket */ return send_status(connection, MHD_HTTP_FORBIDDEN, NULL, NULL);
	case EMFILE:
	case ENFILE:
	case ENOMEM:
		return send_status(connection, MHD_HTTP_SERVICE_UNAVAILABLE, "Retry-After", "1");
	default: return send_status(connection, MHD_HTTP_INTERNAL_SERVER_ERROR, NULL, NULL);
	}
}

/* ---- files ---- */

struct file {
	int fd;
	struct stat status;
	char etag[48], changed[32];
};

static const char *request_header(struct MHD_Connection *connection, const char *name)
{
	return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
}

/* RFC 9110 13.2.2: If-None-Match decides before If-Modified-Since. */
static bool is_unchanged(struct MHD_Connection *connection, const struct file *file)
{
	const char *tags = request_header(connection, MHD_HTTP_HEADER_IF_NONE_MATCH);
	const char *since = request_header(connection, MHD_HTTP_HEADER_IF_MODIFIED_SINCE);

	if (tags)
		return strcmp(tags, "*") == 0 || strstr(tags, file->etag) != NULL;
	return since && strcmp(since, file->changed) == 0;
}

/* RFC 9110 13.1.5: a range of another version of the file is of no use. */
static const char *wanted_range(struct MHD_Connection *connection, const struct file *file)
{
	const char *condition = request_header(connection, MHD_HTTP_HEADER_IF_RANGE);

	if (condition && strcmp(condition, file->etag) != 0 &&
	    strcmp(condition, file->changed) != 0)
		return NULL;
	return request_header(connection, MHD_HTTP_HEADER_RANGE);
}

static void describe(struct MHD_Response *response, const struct file *file)
{
	MHD_add_response_header(response, MHD_HTTP_HEADER_ACCEPT_RANGES, "bytes");
	MHD_add_response_header(response, MHD_HTTP_HEADER_LAST_MODIFIED, file->changed);
	MHD_add_response_header(response, MHD_HTTP_HEADER_ETAG, file->etag);
}

/* Owns the descriptor. */
static enum MHD_Result send_file(struct MHD_Connection *connection, const char *path,
				 struct file *file)
{
	uint64_t size = (uint64_t)file->status.st_size, first = 0, len = size;
	unsigned status = MHD_HTTP_OK;
	struct MHD_Response *response;
	char text[80];

	if (is_unchanged(connection, file)) {
		close(file->fd);
		response = MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
		if (response)
			describe(response, file);
		return send_response(connection, MHD_HTTP_NOT_MODIFIED, response);
	}
	switch (serve_parse_range(wanted_range(connection, file), size, &first, &len)) {
	case SERVE_RANGE_BAD:
		close(file->fd);
		snprintf(text, sizeof(text), "bytes */%llu", (unsigned long long)size);
		return send_status(connection, MHD_HTTP_RANGE_NOT_SATISFIABLE,
				   MHD_HTTP_HEADER_CONTENT_RANGE, text);
	case SERVE_RANGE_PART: status = MHD_HTTP_PARTIAL_CONTENT; break;
	case SERVE_RANGE_NONE: break;
	}
	response = MHD_create_response_from_fd_at_offset64(len, file->fd, first);
	if (!response) {
		close(file->fd);
		return MHD_NO;
	}
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, serve_mime_type(path));
	describe(response, file);
	if (status == MHD_HTTP_PARTIAL_CONTENT) {
		snprintf(text, sizeof(text), "bytes %llu-%llu/%llu", (unsigned long long)first,
			 (unsigned long long)(first + len - 1), (unsigned long long)size);
		MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_RANGE, text);
	}
	return send_response(connection, status, response);
}

/* ---- directories ---- */

/* The same URL with a slash; the query goes with it. */
static enum MHD_Result send_to_slash(struct MHD_Connection *connection, const char *url)
{
	const char *last = strrchr(url, '/');
	char *name = serve_escape_url(last ? last + 1 : url), *location = NULL;
	enum MHD_Result result = MHD_NO;

	/* Relative to where the client is: "./name/". */
	if (name && (location = malloc(strlen(name) + 4)) != NULL) {
		sprintf(location, "./%s/", name);
		result = send_status(connection, MHD_HTTP_MOVED_PERMANENTLY,
				     MHD_HTTP_HEADER_LOCATION, location);
	}
	free(location);
	free(name);
	return result;
}

static enum MHD_Result send_list(struct MHD_Connection *connection, int dir_fd, const char *url)
{
	size_t len = 0;
	char *page = serve_list(dir_fd, url, &len);
	struct MHD_Response *response;

	if (!page)
		return send_error(connection, errno);
	response = MHD_create_response_from_buffer(len, page, MHD_RESPMEM_MUST_FREE);
	if (response)
		MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE,
					"text/html; charset=utf-8");
	else
		free(page);
	return send_response(connection, MHD_HTTP_OK, response);
}

/* ---- a path ---- */

static int open_file(struct file *file, int dir_fd, const char *path)
{
	file->fd = serve_open_beneath(dir_fd, path);
	if (file->fd < 0)
		return file->fd;
	if (fstat(file->fd, &file->status) < 0 ||
	    (!S_ISREG(file->status.st_mode) && !S_ISDIR(file->status.st_mode))) {
		close(file->fd);
		return -EACCES;
	}
	snprintf(file->etag, sizeof(file->etag), "\"%llx-%llx-%lx\"",
		 (unsigned long long)file->status.st_size,
		 (unsigned long long)file->status.st_mtim.tv_sec,
		 (unsigned long)file->status.st_mtim.tv_nsec);
	serve_format_date(file->status.st_mtim.tv_sec, file->changed);
	return 0;
}

static enum MHD_Result send_path(int root_fd, struct MHD_Connection *connection, const char *url)
{
	struct file file, index;
	int error = open_file(&file, root_fd, url);
	enum MHD_Result result;
	size_t len = strlen(url);

	if (error < 0)
		return send_error(connection, -error);
	if (!S_ISDIR(file.status.st_mode)) {
		if (url[len - 1] != '/')
			return send_file(connection, url, &file);
		close(file.fd);
		return send_error(connection, ENOENT);
	}
	if (url[len - 1] != '/')
		result = send_to_slash(connection, url);
	else if (open_file(&index, file.fd, "index.html") == 0 && S_ISREG(index.status.st_mode))
		result = send_file(connection, "index.html", &index);
	else
		result = send_list(connection, file.fd, url);
	close(file.fd);
	return result;
}

static void log_request(struct MHD_Connection *connection, const char *method, const char *url)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	const char *who = info && info->socket_context ? info->socket_context : "?";

	fprintf(stderr, "%s  %s %s\n", who, method, url);
}

enum MHD_Result serve_answer(void *arg, struct MHD_Connection *connection, const char *url,
			     const char *method, const char *version, const char *upload,
			     size_t *upload_size, void **state)
{
	static int seen;
	struct serve *serve = arg;

	(void)version, (void)upload;
	/* First call: the headers are there, a body may follow and is thrown away. */
	if (!*state) {
		*state = &seen;
		return MHD_YES;
	}
	if (*upload_size) {
		*upload_size = 0;
		return MHD_YES;
	}
	if (serve->is_verbose)
		log_request(connection, method, url);
	if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
		return send_status(connection, MHD_HTTP_METHOD_NOT_ALLOWED, MHD_HTTP_HEADER_ALLOW,
				   "GET, HEAD");
	if (url[0] != '/')
		return send_status(connection, MHD_HTTP_BAD_REQUEST, NULL, NULL);
	return send_path(serve->root_fd, connection, url);
}
