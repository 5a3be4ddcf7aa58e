/* SPDX-License-Identifier: MIT */
/* Heads of HTTP/1.1 requests (RFC 9112). A leaf: bytes in, one struct out. */
#ifndef CLI_SERVE_HTTP_H
#define CLI_SERVE_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The largest head; a longer one is answered with 431. */
enum { HTTP_HEAD_MAX = 16384 };

/* The strings lie in the text that was parsed; NULL where a field is missing. */
struct http_request {
	const char *method, *target;
	unsigned minor;  /* HTTP/1.minor */
	bool keeps;      /* the connection is to stay open afterwards */
	bool is_chunked; /* a body whose length only its chunks tell */
	bool expects;    /* the client waits for "100 Continue" before it sends the body */
	uint64_t body_len;
	const char *range, *if_range, *if_none_match, *if_modified_since;
};

/*
 * Reads the head that `text` begins with, and changes that text: strings are ended with NULs. Above 0: its
 * length with the empty line; 0: it is not all there, and nothing was changed; below: the negative
 * status to refuse it with, after which the stream can't be followed any more.
 */
int http_parse(char *text, size_t len, struct http_request *ret_request);

/*
 * The path of a request's target (RFC 9112 section 3.2, origin or absolute form) without its query,
 * percent-decoded, as a string that begins with a slash. False: malformed, too long, or with a NUL in it.
 */
bool http_path(const char *target, char *ret_path, size_t size);

#endif
