// SPDX-License-Identifier: MIT
/*
 * Ranges and dates of HTTP (RFC 9110). One range is served as 206; several would need a multipart
 * body, and a server may answer these with the whole file instead (section 14.2).
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "cli/serve.h"

/* A decimal number; false when there is none or it is beyond 2^63. */
static bool parse_number(const char **text, uint64_t *ret_value)
{
	const char *start = *text;
	uint64_t value = 0;

	while (isdigit((unsigned char)**text)) {
		if (value > (UINT64_MAX / 2 - 9) / 10)
			return false;
		value = value * 10 + (uint64_t)(**text - '0');
		(*text)++;
	}
	*ret_value = value;
	return *text != start;
}

enum serve_range serve_parse_range(const char *header, uint64_t size, uint64_t *ret_first,
				   uint64_t *ret_len)
{
	uint64_t first, last;

	if (!header || strncasecmp(header, "bytes=", 6) != 0 || strchr(header, ','))
		return SERVE_RANGE_NONE;
	header += 6;
	if (*header == '-') {
		/* the last so many bytes */
		header++;
		if (!parse_number(&header, &last) || *header)
			return SERVE_RANGE_NONE;
		if (last == 0 || size == 0)
			return SERVE_RANGE_BAD;
		*ret_len = last < size ? last : size;
		*ret_first = size - *ret_len;
		return SERVE_RANGE_PART;
	}
	if (!parse_number(&header, &first) || *header++ != '-')
		return SERVE_RANGE_NONE;
	last = UINT64_MAX;
	if (*header && (!parse_number(&header, &last) || *header || last < first))
		return SERVE_RANGE_NONE;
	if (first >= size)
		return SERVE_RANGE_BAD;
	if (last > size - 1)
		last = size - 1;
	*ret_first = first;
	*ret_len = last - first + 1;
	return SERVE_RANGE_PART;
}

const char *serve_format_date(time_t when, char text[32])
{
	static const char days[] = "SunMonTueWedThuFriSat";
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	struct tm tm;

	/* Not strftime(): the names must not follow the user's language. */
	gmtime_r(&when, &tm);
	snprintf(text, 32, "%.3s, %02u %.3s %04u %02u:%02u:%02u GMT", days + 3 * tm.tm_wday,
		 (unsigned)tm.tm_mday % 100, months + 3 * tm.tm_mon,
		 (unsigned)(tm.tm_year + 1900) % 10000, (unsigned)tm.tm_hour % 100,
		 (unsigned)tm.tm_min % 100, (unsigned)tm.tm_sec % 100);
	return text;
}
