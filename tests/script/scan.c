/* SPDX-License-Identifier: MIT */
/*
 * The scanner: moves a cursor through the text of a script. The language cannot be cut into
 * tokens without knowing where one is ("." is a flag, a part of a number, or a third of an
 * ellipsis), so there is no token stream: the parser asks for what may come next.
 *
 * Blanks and comments (C's two kinds) are skipped before each question, never after an answer,
 * so the line number in a message is that of the offending text.
 */
#include "scan.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void scan_fail(struct scanner *s, const char *format, ...)
{
	char message[SCRIPT_ERROR_SIZE / 2];
	va_list args;

	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	snprintf(s->error, SCRIPT_ERROR_SIZE, "%.140s:%d: %s", s->path, s->line, message);
	longjmp(s->on_error, 1);
}

char scan_peek_at(const struct scanner *s, size_t offset)
{
	return (size_t)(s->end - s->at) > offset ? s->at[offset] : '\0';
}

char scan_peek(const struct scanner *s)
{
	return scan_peek_at(s, 0);
}

static void skip_block_comment(struct scanner *s)
{
	int line = s->line;

	for (s->at += 2; s->at < s->end; s->at++) {
		if (*s->at == '\n')
			s->line++;
		if (*s->at == '*' && scan_peek_at(s, 1) == '/') {
			s->at += 2;
			return;
		}
	}
	s->line = line;
	scan_fail(s, "comment without end");
}

void scan_space(struct scanner *s)
{
	while (s->at < s->end) {
		char c = *s->at;

		if (c == '\n') {
			s->line++;
			s->at++;
		} else if (c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v') {
			s->at++;
		} else if (c == '/' && scan_peek_at(s, 1) == '/') {
			while (s->at < s->end && *s->at != '\n')
				s->at++;
		} else if (c == '/' && scan_peek_at(s, 1) == '*') {
			skip_block_comment(s);
		} else {
			return;
		}
	}
}

bool scan_at_end(struct scanner *s)
{
	scan_space(s);
	return s->at >= s->end;
}

bool scan_is(struct scanner *s, const char *word)
{
	size_t len = strlen(word);

	scan_space(s);
	return (size_t)(s->end - s->at) >= len && !memcmp(s->at, word, len);
}

bool scan_take(struct scanner *s, const char *word)
{
	if (!scan_is(s, word))
		return false;
	s->at += strlen(word);
	return true;
}

static bool is_name_char(char c)
{
	return isalnum((unsigned char)c) || c == '_';
}

bool scan_take_word(struct scanner *s, const char *word)
{
	if (!scan_is(s, word) || is_name_char(scan_peek_at(s, strlen(word))))
		return false;
	s->at += strlen(word);
	return true;
}

void scan_expect(struct scanner *s, const char *word)
{
	char seen[24];
	size_t n = 0;

	if (scan_take(s, word))
		return;
	while (n < sizeof(seen) - 1 && s->at + n < s->end && s->at[n] != '\n') {
		seen[n] = s->at[n];
		n++;
	}
	seen[n] = '\0';
	scan_fail(s, "expected '%s' but found '%s'", word, n ? seen : "the end");
}

bool scan_is_name_start(char c)
{
	return isalpha((unsigned char)c) || c == '_';
}

char *scan_name(struct scanner *s)
{
	const char *from;

	scan_space(s);
	from = s->at;
	if (!scan_is_name_start(scan_peek(s)))
		return NULL;
	while (s->at < s->end && is_name_char(*s->at))
		s->at++;
	return arena_text(s->arena, from, (size_t)(s->at - from));
}

static int digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return 99;
}

int64_t scan_number(struct scanner *s)
{
	bool is_negative;
	int base = 10;
	uint64_t value = 0;

	scan_space(s);
	is_negative = scan_peek(s) == '-';
	if (is_negative || scan_peek(s) == '+')
		s->at++;
	if (scan_peek(s) == '0' && (scan_peek_at(s, 1) == 'x' || scan_peek_at(s, 1) == 'X')) {
		s->at += 2;
		base = 16;
	}
	if (digit_value(scan_peek(s)) >= base)
		scan_fail(s, "expected a number");
	while (digit_value(scan_peek(s)) < base) {
		if (value > (UINT64_MAX >> 8))
			scan_fail(s, "number too large");
		value = value * (unsigned)base + (unsigned)digit_value(scan_peek(s));
		s->at++;
	}
	return is_negative ? -(int64_t)value : (int64_t)value;
}

uint32_t scan_u32(struct scanner *s)
{
	int64_t value = scan_number(s);

	if (value < 0 || value > UINT32_MAX)
		scan_fail(s, "%lld does not fit 32 bits", (long long)value);
	return (uint32_t)value;
}

int64_t scan_seconds_us(struct scanner *s)
{
	int64_t us = 0;
	bool has_digit = false;

	scan_space(s);
	for (; isdigit((unsigned char)scan_peek(s)); s->at++) {
		if (us > INT64_MAX / 100 / 1000000)
			scan_fail(s, "time too large");
		us = us * 10 + (scan_peek(s) - '0');
		has_digit = true;
	}
	us *= 1000000;
	/* A point is a fraction only before a digit: "0...1" has none. */
	if (scan_peek(s) == '.' && isdigit((unsigned char)scan_peek_at(s, 1))) {
		int64_t unit = 100000;

		for (s->at++; isdigit((unsigned char)scan_peek(s)); s->at++) {
			us += unit * (scan_peek(s) - '0');
			unit /= 10;
		}
		has_digit = true;
	} else if (has_digit && scan_peek(s) == '.' && scan_peek_at(s, 1) != '.') {
		s->at++; /* "1." */
	}
	if (!has_digit)
		scan_fail(s, "expected a time in seconds");
	return us;
}

unsigned scan_hex_bytes(struct scanner *s, uint8_t *bytes, unsigned max)
{
	unsigned count = 0;

	scan_space(s);
	if (scan_peek(s) == '0' && scan_peek_at(s, 1) == 'x')
		s->at += 2;
	while (digit_value(scan_peek(s)) < 16) {
		int low = digit_value(scan_peek_at(s, 1));

		if (low >= 16)
			scan_fail(s, "odd number of hexadecimal digits");
		if (count == max)
			scan_fail(s, "more than %u bytes", max);
		bytes[count++] = (uint8_t)(digit_value(scan_peek(s)) * 16 + low);
		s->at += 2;
	}
	return count;
}
