/* SPDX-License-Identifier: MIT */
/*
 * An evaluator for the code blocks of scripts. They are Python in packetdrill, but what they do is
 * assert relations between fields of tcp_info: so statements are assert, assignment and print;
 * expressions are those of Python without calls (save min, max, abs, int, len), attributes and
 * comprehensions. There is no control flow.
 *
 * Numbers are 64-bit integers or doubles; a string is good for messages and equality. A failed
 * assertion reports the source of the assertion and the values of the names in it.
 */
#include "code_value.h"

#include <ctype.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TUPLE_MAX = 32, NAMES_SHOWN_MAX = 6 };

struct reader {
	struct code_state *state;
	const char *at, *end;
	jmp_buf on_error;
	char *message;
	char values[120]; /* " (tcpi_lost is 3)": names read by the current statement */
	unsigned names_shown;
	unsigned depth; /* open brackets: inside them a line's end is a blank */
};

_Noreturn static void refuse(struct reader *r, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
_Noreturn static void refuse(struct reader *r, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(r->message, CODE_MESSAGE_SIZE, format, args);
	va_end(args);
	longjmp(r->on_error, 1);
}

/* ---- reading ---- */

/* Blanks, and a line end that a backslash hides; a comment ends the line. */
static void skip_blanks(struct reader *r)
{
	while (r->at < r->end) {
		if (*r->at == ' ' || *r->at == '\t' || *r->at == '\r' ||
		    (*r->at == '\n' && r->depth)) {
			r->at++;
		} else if (*r->at == '\\' && r->at + 1 < r->end &&
			   (r->at[1] == '\n' || r->at[1] == '\r')) {
			r->at += r->at[1] == '\r' ? 3 : 2;
		} else if (*r->at == '#') {
			while (r->at < r->end && *r->at != '\n')
				r->at++;
		} else {
			return;
		}
	}
}

static bool take(struct reader *r, const char *word)
{
	size_t len = strlen(word);

	skip_blanks(r);
	if ((size_t)(r->end - r->at) < len || memcmp(r->at, word, len))
		return false;
	r->at += len;
	return true;
}

static bool is_name_char(char c)
{
	return isalnum((unsigned char)c) || c == '_';
}

static bool take_word(struct reader *r, const char *word)
{
	const char *before;

	skip_blanks(r);
	before = r->at;
	if (!take(r, word))
		return false;
	if (r->at < r->end && is_name_char(*r->at)) {
		r->at = before;
		return false;
	}
	return true;
}

static char peek(struct reader *r)
{
	skip_blanks(r);
	return r->at < r->end ? *r->at : '\0';
}

static struct code_value *read_expression(struct reader *r);

static struct code_value *read_sequence(struct reader *r, const char *close)
{
	struct code_value *items[TUPLE_MAX], *value;
	unsigned count = 0;
	bool has_comma = *close == ']';

	r->depth++;
	while (!take(r, close)) {
		if (count == TUPLE_MAX)
			refuse(r, "tuple too long");
		items[count++] = read_expression(r);
		if (take(r, ",")) {
			has_comma = true;
		} else if (!take(r, close)) {
			refuse(r, "expected '%s'", close);
		} else {
			break;
		}
	}
	r->depth--;
	if (count == 1 && !has_comma)
		return items[0];
	value = code_new(r->state->arena, CODE_TUPLE);
	value->count = count;
	value->items = arena_alloc(r->state->arena, count * sizeof(*items));
	for (unsigned i = 0; i < count; i++)
		value->items[i] = items[i];
	return value;
}

static struct code_value *read_number(struct reader *r)
{
	const char *from = r->at;
	char digits[40];
	size_t len = 0;
	bool is_real = false;

	if (*from == '0' && from + 1 < r->end && (from[1] == 'x' || from[1] == 'X')) {
		char *end;
		int64_t number = (int64_t)strtoull(from, &end, 16);

		r->at = end;
		return code_new_int(r->state->arena, number);
	}
	while (r->at < r->end && len < sizeof(digits) - 1 &&
	       (isdigit((unsigned char)*r->at) || *r->at == '.' || *r->at == 'e' ||
		*r->at == '_')) {
		if (*r->at == '.' || *r->at == 'e')
			is_real = true;
		if (*r->at != '_')
			digits[len++] = *r->at;
		r->at++;
	}
	digits[len] = '\0';
	return is_real ? code_new_real(r->state->arena, strtod(digits, NULL))
		       : code_new_int(r->state->arena, (int64_t)strtoull(digits, NULL, 10));
}

static struct code_value *read_text(struct reader *r)
{
	struct code_value *value = code_new(r->state->arena, CODE_TEXT);
	char quote = *r->at++;
	const char *from = r->at;

	while (r->at < r->end && *r->at != quote && *r->at != '\n')
		r->at += *r->at == '\\' && r->at + 1 < r->end ? 2 : 1;
	if (r->at >= r->end || *r->at != quote)
		refuse(r, "string without end");
	value->text = arena_text(r->state->arena, from, (size_t)(r->at - from));
	r->at++;
	return value;
}

static struct code_value *read_call(struct reader *r, const char *name)
{
	struct code_value *args = read_sequence(r, ")");
	unsigned count = args->kind == CODE_TUPLE ? args->count : 1;
	struct code_value **items = args->kind == CODE_TUPLE ? args->items : &args;
	struct code_value *best = count ? items[0] : NULL;

	if (!best)
		refuse(r, "%s() without arguments", name);
	if (!strcmp(name, "min") || !strcmp(name, "max")) {
		for (unsigned i = 1; i < count; i++)
			if (*name == 'm' && name[1] == 'i' ? items[i]->real < best->real
							   : items[i]->real > best->real)
				best = items[i];
		return best;
	}
	if (!strcmp(name, "abs"))
		return best->kind == CODE_FLOAT
			       ? code_new_real(r->state->arena, fabs(best->real))
			       : code_new_int(r->state->arena, llabs(best->number));
	if (!strcmp(name, "int"))
		return code_new_int(r->state->arena, best->number);
	if (!strcmp(name, "float"))
		return code_new_real(r->state->arena, best->real);
	if (!strcmp(name, "len"))
		return code_new_int(r->state->arena,
				    best->kind == CODE_TEXT ? (int64_t)strlen(best->text) : count);
	refuse(r, "unknown function %s()", name);
}

static struct code_value *read_name(struct reader *r)
{
	const char *from = r->at;
	int64_t number;
	char *name;

	while (r->at < r->end && is_name_char(*r->at))
		r->at++;
	name = arena_text(r->state->arena, from, (size_t)(r->at - from));
	if (!strcmp(name, "True"))
		return code_new_int(r->state->arena, 1);
	if (!strcmp(name, "False") || !strcmp(name, "None"))
		return code_new_int(r->state->arena, 0);
	if ((!strcmp(name, "f") || !strcmp(name, "r") || !strcmp(name, "b")) && r->at < r->end &&
	    (*r->at == '\'' || *r->at == '"'))
		return read_text(r);
	if (take(r, "("))
		return read_call(r, name);
	for (unsigned i = 0; i < r->state->variable_count; i++)
		if (!strcmp(r->state->variables[i].name, name))
			return r->state->variables[i].value;
	if (!r->state->lookup || !r->state->lookup(r->state->lookup_arg, name, &number))
		refuse(r, "unknown name '%s'", name);
	if (islower((unsigned char)*name) && r->names_shown < NAMES_SHOWN_MAX &&
	    !strstr(r->values, name)) {
		size_t used = strlen(r->values);

		snprintf(r->values + used, sizeof(r->values) - used, "%s%s is %lld",
			 r->names_shown ? ", " : "", name, (long long)number);
		r->names_shown++;
	}
	return code_new_int(r->state->arena, number);
}

static struct code_value *read_primary(struct reader *r)
{
	char c = peek(r);

	if (take(r, "("))
		return read_sequence(r, ")");
	if (take(r, "["))
		return read_sequence(r, "]");
	if (isdigit((unsigned char)c) ||
	    (c == '.' && r->at + 1 < r->end && isdigit((unsigned char)r->at[1])))
		return read_number(r);
	if (c == '\'' || c == '"')
		return read_text(r);
	if (isalpha((unsigned char)c) || c == '_')
		return read_name(r);
	refuse(r, "expected a value at '%.20s'", r->at < r->end ? r->at : "");
}

static struct code_value *read_unary(struct reader *r)
{
	if (take(r, "-")) {
		struct code_value *value = read_unary(r);

		return value->kind == CODE_FLOAT ? code_new_real(r->state->arena, -value->real)
						 : code_new_int(r->state->arena, -value->number);
	}
	if (take(r, "+"))
		return read_unary(r);
	if (take(r, "~"))
		return code_new_int(r->state->arena, ~read_unary(r)->number);
	return read_primary(r);
}

/* ---- operators, the tightest first ---- */

static struct code_value *apply(struct reader *r, enum code_operation op, struct code_value *a,
				struct code_value *b)
{
	const char *error = NULL;
	struct code_value *value = code_apply(r->state->arena, op, a, b, &error);

	if (error)
		refuse(r, "%s", error);
	return value;
}

static int order(struct reader *r, const struct code_value *a, const struct code_value *b)
{
	const char *error = NULL;
	int result = code_order(a, b, &error);

	if (error)
		refuse(r, "%s", error);
	return result;
}

static bool contains(struct reader *r, const struct code_value *set, const struct code_value *value)
{
	const char *error = NULL;
	bool result = code_contains(set, value, &error);

	if (error)
		refuse(r, "%s", error);
	return result;
}

static struct code_value *read_product(struct reader *r)
{
	struct code_value *value = read_unary(r);

	for (;;) {
		if (take(r, "//"))
			value = apply(r, OP_FLOOR, value, read_unary(r));
		else if (take(r, "*"))
			value = apply(r, OP_MUL, value, read_unary(r));
		else if (take(r, "/"))
			value = apply(r, OP_DIV, value, read_unary(r));
		else if (take(r, "%"))
			value = apply(r, OP_MOD, value, read_unary(r));
		else
			return value;
	}
}

static struct code_value *read_sum(struct reader *r)
{
	struct code_value *value = read_product(r);

	for (;;) {
		if (take(r, "+"))
			value = apply(r, OP_ADD, value, read_product(r));
		else if (take(r, "-"))
			value = apply(r, OP_SUB, value, read_product(r));
		else
			return value;
	}
}

static struct code_value *read_shift(struct reader *r)
{
	struct code_value *value = read_sum(r);

	for (;;) {
		if (take(r, "<<"))
			value = apply(r, OP_SHL, value, read_sum(r));
		else if (take(r, ">>"))
			value = apply(r, OP_SHR, value, read_sum(r));
		else
			return value;
	}
}

static struct code_value *read_and_bits(struct reader *r)
{
	struct code_value *value = read_shift(r);

	while (take(r, "&"))
		value = apply(r, OP_AND, value, read_shift(r));
	return value;
}

static struct code_value *read_xor_bits(struct reader *r)
{
	struct code_value *value = read_and_bits(r);

	while (take(r, "^"))
		value = apply(r, OP_XOR, value, read_and_bits(r));
	return value;
}

static struct code_value *read_or_bits(struct reader *r)
{
	struct code_value *value = read_xor_bits(r);

	while (take(r, "|"))
		value = apply(r, OP_OR, value, read_xor_bits(r));
	return value;
}

/* ---- comparisons ---- */

/* Chained as in Python: a <= b <= c. */
static struct code_value *read_comparison(struct reader *r)
{
	struct code_value *left = read_or_bits(r), *right;
	bool holds = true, is_chain = false;

	for (;; left = right, is_chain = true) {
		if (take(r, "==")) {
			right = read_or_bits(r);
			holds &= code_are_equal(left, right);
		} else if (take(r, "!=")) {
			right = read_or_bits(r);
			holds &= !code_are_equal(left, right);
		} else if (take(r, "<=")) {
			right = read_or_bits(r);
			holds &= order(r, left, right) <= 0;
		} else if (take(r, ">=")) {
			right = read_or_bits(r);
			holds &= order(r, left, right) >= 0;
		} else if (take(r, "<")) {
			right = read_or_bits(r);
			holds &= order(r, left, right) < 0;
		} else if (take(r, ">")) {
			right = read_or_bits(r);
			holds &= order(r, left, right) > 0;
		} else if (take_word(r, "not")) {
			if (!take_word(r, "in"))
				refuse(r, "expected 'not in'");
			right = read_or_bits(r);
			holds &= !contains(r, right, left);
		} else if (take_word(r, "in")) {
			right = read_or_bits(r);
			holds &= contains(r, right, left);
		} else {
			return is_chain ? code_new_int(r->state->arena, holds) : left;
		}
	}
}

static struct code_value *read_not(struct reader *r)
{
	if (take_word(r, "not"))
		return code_new_int(r->state->arena, !code_is_true(read_not(r)));
	return read_comparison(r);
}

/* Both sides are always read; without side effects that makes no difference. */
static struct code_value *read_and(struct reader *r)
{
	struct code_value *value = read_not(r);

	while (take_word(r, "and")) {
		struct code_value *right = read_not(r);

		value = code_is_true(value) ? right : value;
	}
	return value;
}

static struct code_value *read_expression(struct reader *r)
{
	struct code_value *value = read_and(r);

	while (take_word(r, "or")) {
		struct code_value *right = read_and(r);

		value = code_is_true(value) ? value : right;
	}
	return value;
}

/* ---- statements ---- */

static void assign(struct reader *r, char *name, struct code_value *value)
{
	struct code_state *state = r->state;
	unsigned i = 0;

	while (i < state->variable_count && strcmp(state->variables[i].name, name))
		i++;
	if (i == CODE_VARIABLES_MAX)
		refuse(r, "too many variables");
	if (i == state->variable_count)
		state->variable_count++;
	state->variables[i].name = name;
	state->variables[i].value = value;
}

static bool run_assert(struct reader *r)
{
	const char *from = r->at;
	struct code_value *value = read_expression(r);
	const char *end = r->at;
	bool holds = code_is_true(value);

	if (take(r, ","))
		read_expression(r);
	if (holds)
		return true;
	while (end > from && isspace((unsigned char)end[-1]))
		end--;
	while (from < end && isspace((unsigned char)*from))
		from++;
	snprintf(r->message, CODE_MESSAGE_SIZE, "assertion fails: %.*s: %s",
		 end - from > 70 ? 70 : (int)(end - from), from, r->values);
	return false;
}

/* "name = expression"; false and nothing taken when it isn't one. */
static bool run_assignment(struct reader *r)
{
	const char *from = r->at, *end;

	while (r->at < r->end && is_name_char(*r->at))
		r->at++;
	end = r->at;
	if (end > from && peek(r) == '=' && r->at + 1 < r->end && r->at[1] != '=') {
		char *name = arena_text(r->state->arena, from, (size_t)(end - from));

		r->at++;
		assign(r, name, read_expression(r));
		return true;
	}
	r->at = from;
	return false;
}

static bool run_statement(struct reader *r)
{
	r->values[0] = '\0';
	r->names_shown = 0;
	if (take_word(r, "assert"))
		return run_assert(r);
	if (take_word(r, "print") || take_word(r, "import") || take_word(r, "pass") ||
	    take_word(r, "from")) {
		while (r->at < r->end && *r->at != '\n' && *r->at != ';')
			r->at++;
		return true;
	}
	if (!run_assignment(r))
		read_expression(r);
	return true;
}

enum code_verdict code_run(struct code_state *state, const char *text,
			   char message[CODE_MESSAGE_SIZE])
{
	struct reader r = {.state = state, .at = text, .end = text + strlen(text)};

	r.message = message;
	message[0] = '\0';
	if (setjmp(r.on_error))
		return CODE_UNSUPPORTED;
	for (;;) {
		while (peek(&r) == '\n' || peek(&r) == ';')
			r.at++;
		if (r.at >= r.end)
			return CODE_HOLDS;
		if (!run_statement(&r))
			return CODE_FAILS;
		if (peek(&r) != '\n' && peek(&r) != ';' && r.at < r.end)
			refuse(&r, "did not understand '%.30s'", r.at);
	}
}
