/* SPDX-License-Identifier: MIT */
/*
 * The pieces of `teeceepee serve`: connections (cmd_serve.c), requests (serve_request.c), files that
 * can't be outside of the directory (serve_open.c), listings (serve_list.c), types (serve_mime.c).
 */
#ifndef CLI_SERVE_H
#define CLI_SERVE_H

#include <microhttpd.h>

#include "cli/cli.h"

struct serve {
	struct cli cli;
	const char *dir_name;
	uint16_t port;
	bool is_verbose;
	int root_fd;
	struct tee_socket *listener;
	struct MHD_Daemon *daemon;
};

/* ---- serve_open.c ---- */

/*
 * Opens `path` (relative, "" the directory itself) for reading, never outside of `root_fd`, whatever
 * symbolic links say. A descriptor or -errno; -EXDEV: it leads outside.
 */
int serve_open_beneath(int root_fd, const char *path);

/* ---- serve_mime.c ---- */

const char *serve_mime_type(const char *path);

/* ---- serve_range.c ---- */

enum serve_range { SERVE_RANGE_NONE, SERVE_RANGE_PART, SERVE_RANGE_BAD };
/*
 * Reads a Range header for a file of `size` bytes (RFC 9110 section 14.2). NONE: the whole file, as
 * for several ranges and what can't be read; PART: `ret_first` and `ret_len`; BAD: status 416.
 */
enum serve_range serve_parse_range(const char *header, uint64_t size, uint64_t *ret_first,
				   uint64_t *ret_len);
/* "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110 section 5.6.7). */
const char *serve_format_date(time_t when, char text[32]);

/* ---- serve_list.c ---- */

/* An HTML page that lists `dir_fd`, to be freed; `url` is its decoded path. NULL: no memory. */
char *serve_list(int dir_fd, const char *url, size_t *ret_len);
/* The same text with HTML's or a URL's own characters escaped, to be freed; NULL: no memory. */
char *serve_escape_html(const char *text);
char *serve_escape_url(const char *text);

/* ---- serve_request.c ---- */

/* An MHD_AccessHandlerCallback; its argument is the struct serve. */
enum MHD_Result serve_answer(void *arg, struct MHD_Connection *connection, const char *url,
			     const char *method, const char *version, const char *upload,
			     size_t *upload_size, void **state);

#endif
