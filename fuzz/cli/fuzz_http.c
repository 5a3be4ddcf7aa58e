// SPDX-License-Identifier: MIT
/* Heads of HTTP requests: any bytes, whole and cut; the strings that come out lie inside of what went in. */
#include <stdlib.h>
#include <string.h>

#include "cli/serve_http.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void inside(const char *text, size_t size, const char *string)
{
	if (string && (string < text || string + strlen(string) >= text + size))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), path[256];
	struct http_request request;
	int len;

	if (!text)
		abort();
	memcpy(text, data, size);
	len = http_parse(text, size, &request);
	if (len == 0 && memcmp(text, data, size) != 0)
		abort();
	if (len > 0) {
		if ((size_t)len > size)
			abort();
		inside(text, (size_t)len, request.method);
		inside(text, (size_t)len, request.target);
		inside(text, (size_t)len, request.range);
		inside(text, (size_t)len, request.if_range);
		inside(text, (size_t)len, request.if_none_match);
		inside(text, (size_t)len, request.if_modified_since);
		if (http_path(request.target, path, sizeof(path)) && path[0] != '/')
			abort();
		/* A shorter piece of a whole head is none. */
		memcpy(text, data, size);
		if (http_parse(text, (size_t)len - 1, &request) > 0)
			abort();
	}
	free(text);
	return 0;
}
