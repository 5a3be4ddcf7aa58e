// SPDX-License-Identifier: MIT
/*
 * The head of a request, as RFC 9112 has it, strict where leniency has let requests be smuggled: no
 * space before a colon, no folded lines, no bare CR, no two lengths, no length beside a transfer
 * coding, one Host. A line may end without its CR (section 2.2).
 *
 * Nothing is copied. The head is looked for first, and only when it is whole its text is cut into
 * strings in place; a request that comes in many pieces costs one more search each.
 */
#include <string.h>
#include <strings.h>

#include "cli/serve_http.h"

enum { BAD_REQUEST = 400, HEAD_TOO_LARGE = 431, NOT_IMPLEMENTED = 501, VERSION_UNKNOWN = 505 };

/* RFC 9110 5.6.2 */
static bool is_token(const char *text, size_t len)
{
	static const char others[] = "!#$%&'*+-.^_`|~";

	for (size_t i = 0; i < len; i++) {
		char c = text[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		      (c && strchr(others, c))))
			return false;
	}
	return len > 0;
}

/* Where the head ends, behind its empty line; NULL: not here yet. */
static char *find_end(char *text, char *end)
{
	char *line = text, *feed;

	while ((feed = memchr(line, '\n', (size_t)(end - line))) != NULL) {
		if (feed == line || (feed == line + 1 && *line == '\r'))
			return feed + 1;
		line = feed + 1;
	}
	return NULL;
}

/* Cuts the next line off and ends it with a NUL; NULL: a NUL or CR stands inside. */
static char *take_line(char **at, const char *end)
{
	char *line = *at, *feed = memchr(line, '\n', (size_t)(end - line));
	size_t len;

	if (!feed)
		return NULL;
	*at = feed + 1;
	len = (size_t)(feed - line);
	if (len > 0 && line[len - 1] == '\r')
		len--;
	line[len] = '\0';
	return strlen(line) == len && !memchr(line, '\r', len) ? line : NULL;
}

/* RFC 9112 section 3 */
static int parse_request_line(char *line, struct http_request *request)
{
	char *target = strchr(line, ' '), *version = target ? strchr(target + 1, ' ') : NULL;

	if (!version || !is_token(line, (size_t)(target - line)) || target + 1 == version)
		return -BAD_REQUEST;
	*target++ = '\0';
	*version++ = '\0';
	for (const char *c = target; *c; c++)
		if ((unsigned char)*c <= ' ' || *c == 127)
			return -BAD_REQUEST;
	if (strncmp(version, "HTTP/", 5) != 0 || version[5] < '0' || version[5] > '9' ||
	    version[6] != '.' || version[7] < '0' || version[7] > '9' || version[8])
		return -BAD_REQUEST;
	if (version[5] != '1')
		return -VERSION_UNKNOWN;
	request->method = line;
	request->target = target;
	request->minor = (unsigned)(version[7] - '0');
	request->keeps = request->minor >= 1;
	return 0;
}

/* Is the token in a comma-separated list? */
static bool has_token(const char *list, const char *token)
{
	size_t token_len = strlen(token);

	for (;;) {
		size_t len;

		list += strspn(list, " \t,");
		if (!*list)
			return false;
		len = strcspn(list, " \t,");
		if (len == token_len && strncasecmp(list, token, len) == 0)
			return true;
		list += len;
	}
}

/* What has been seen of the fields that must not contradict each other. */
struct framing {
	bool has_host, has_length, has_coding;
};

static bool parse_length(const char *value, uint64_t *ret_len)
{
	uint64_t len = 0;

	if (!*value)
		return false;
	for (; *value; value++) {
		if (*value < '0' || *value > '9' || len > (UINT64_MAX - 9) / 10)
			return false;
		len = len * 10 + (uint64_t)(*value - '0');
	}
	*ret_len = len;
	return true;
}

/* RFC 9112 section 6: how long the body is. */
static int parse_framing(const char *name, const char *value, struct http_request *request,
			 struct framing *framing)
{
	uint64_t len;

	if (strcasecmp(name, "Content-Length") == 0) {
		if (!parse_length(value, &len) || (framing->has_length && len != request->body_len))
			return -BAD_REQUEST;
		framing->has_length = true;
		request->body_len = len;
	} else if (strcasecmp(name, "Transfer-Encoding") == 0) {
		if (framing->has_coding || request->minor == 0)
			return -BAD_REQUEST;
		if (strcasecmp(value, "chunked") != 0)
			return -NOT_IMPLEMENTED;
		framing->has_coding = true;
		request->is_chunked = true;
	} else if (strcasecmp(name, "Host") == 0) {
		if (framing->has_host)
			return -BAD_REQUEST;
		framing->has_host = true;
	}
	return 0;
}

static void parse_wishes(const char *name, const char *value, struct http_request *request)
{
	if (strcasecmp(name, "Connection") == 0) {
		if (has_token(value, "close"))
			request->keeps = false;
		else if (request->minor == 0 && has_token(value, "keep-alive"))
			request->keeps = true;
	} else if (strcasecmp(name, "Range") == 0) {
		request->range = value;
	} else if (strcasecmp(name, "If-Range") == 0) {
		request->if_range = value;
	} else if (strcasecmp(name, "If-None-Match") == 0) {
		request->if_none_match = value;
	} else if (strcasecmp(name, "If-Modified-Since") == 0) {
		request->if_modified_since = value;
	} else if (strcasecmp(name, "Expect") == 0) {
		request->expects = strcasecmp(value, "100-continue") == 0;
	}
}

/* RFC 9112 section 5 */
static int parse_field(char *line, struct http_request *request, struct framing *framing)
{
	char *colon = strchr(line, ':'), *value, *last;
	int result;

	/* A line that begins with a space is folded (5.2), and its name is no token. */
	if (!colon || !is_token(line, (size_t)(colon - line)))
		return -BAD_REQUEST;
	*colon = '\0';
	value = colon + 1 + strspn(colon + 1, " \t");
	last = value + strlen(value);
	while (last > value && (last[-1] == ' ' || last[-1] == '\t'))
		*--last = '\0';
	result = parse_framing(line, value, request, framing);
	if (result == 0)
		parse_wishes(line, value, request);
	return result;
}

int http_parse(char *text, size_t len, struct http_request *ret_request)
{
	char *end = text + len, *at = text, *line;
	struct framing framing = {0};
	int result;

	/* RFC 9112 2.2: empty lines in front are passed over. */
	while (at < end && (*at == '\n' || (*at == '\r' && at + 1 < end && at[1] == '\n')))
		at++;
	end = find_end(at, end);
	if (!end)
		return len >= HTTP_HEAD_MAX ? -HEAD_TOO_LARGE : 0;
	if (end - text > HTTP_HEAD_MAX)
		return -HEAD_TOO_LARGE;
	*ret_request = (struct http_request){0};
	line = take_line(&at, end);
	result = line ? parse_request_line(line, ret_request) : -BAD_REQUEST;
	while (result == 0 && at < end) {
		line = take_line(&at, end);
		if (!line)
			return -BAD_REQUEST;
		if (!*line)
			break;
		result = parse_field(line, ret_request, &framing);
	}
	if (result < 0)
		return result;
	/* RFC 9112 3.2: exactly one; 6.1: both lengths at once are a trick. */
	if ((ret_request->minor >= 1 && !framing.has_host) ||
	    (framing.has_length && framing.has_coding))
		return -BAD_REQUEST;
	return (int)(end - text);
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool http_path(const char *target, char *ret_path, size_t size)
{
	size_t len = 0;

	if (strncasecmp(target, "http://", 7) == 0) {
		target += 7 + strcspn(target + 7, "/?");
		if (*target != '/')
			target = "/";
	}
	if (*target != '/')
		return false;
	for (; *target && *target != '?'; target++) {
		char c = *target;

		if (c == '%') {
			int high = hex_digit(target[1]), low = high < 0 ? -1 : hex_digit(target[2]);

			if (low < 0)
				return false;
			c = (char)(high << 4 | low);
			target += 2;
		}
		if (!c || len + 1 >= size)
			return false;
		ret_path[len++] = c;
	}
	ret_path[len] = '\0';
	return true;
}
