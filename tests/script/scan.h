/* SPDX-License-Identifier: MIT */
/* The scanner under the parser: a cursor in the script's text. */
#ifndef SCRIPT_SCAN_H
#define SCRIPT_SCAN_H

#include <setjmp.h>

#include "ast.h"

struct scanner {
	const char *path;
	const char *at, *end;
	int line;
	struct arena *arena;
	jmp_buf on_error; /* scan_fail() goes there */
	char *error;      /* SCRIPT_ERROR_SIZE bytes */
};

/* Ends the parse with "path:line: message". */
_Noreturn void scan_fail(struct scanner *s, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Skips blanks, line ends and comments. */
void scan_space(struct scanner *s);
bool scan_at_end(struct scanner *s);
char scan_peek(const struct scanner *s);
char scan_peek_at(const struct scanner *s, size_t offset);
/* After blanks: is the next text `word`? Takes it when so. */
bool scan_take(struct scanner *s, const char *word);
/* The same, and what follows must not continue an identifier. */
bool scan_take_word(struct scanner *s, const char *word);
void scan_expect(struct scanner *s, const char *word);
/* After blanks: does the text continue with `word`? */
bool scan_is(struct scanner *s, const char *word);

bool scan_is_name_start(char c);
/* An identifier; NULL when none follows. */
char *scan_name(struct scanner *s);
/* A number, decimal, 0x…, or with a sign. Fails when none follows. */
int64_t scan_number(struct scanner *s);
uint32_t scan_u32(struct scanner *s);
/* Seconds such as "1", "0.25" or ".1" as microseconds. */
int64_t scan_seconds_us(struct scanner *s);
/* Bytes as hexadecimal digits; returns how many were stored. */
unsigned scan_hex_bytes(struct scanner *s, uint8_t *bytes, unsigned max);

#endif
