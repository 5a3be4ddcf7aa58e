/* SPDX-License-Identifier: MIT */
/*
 * System calls: name(arguments) = result ERROR (note).
 *
 * Arguments are read by their form alone, whatever the call: numbers and constants joined by "|",
 * strings, lists, structs with or without field names, "...", and functions such as htons(8080).
 * What a call means by them is the runner's matter (call.c).
 */
#include <ctype.h>
#include <string.h>

#include "names.h"
#include "parse.h"

enum { ITEMS_MAX = 128 };

static struct value *parse_value(struct scanner *s);

static struct value *new_value(struct scanner *s, enum value_kind kind)
{
	struct value *value = arena_alloc(s->arena, sizeof(*value));

	value->kind = kind;
	return value;
}

static void set_items(struct scanner *s, struct value *value, struct value **items, char **names,
		      unsigned count)
{
	value->count = count;
	value->items = arena_alloc(s->arena, count * sizeof(*items));
	value->names = arena_alloc(s->arena, count * sizeof(*names));
	for (unsigned i = 0; i < count; i++) {
		value->items[i] = items[i];
		value->names[i] = names ? names[i] : NULL;
	}
}

/* Items up to `close`, with commas between; a trailing comma is allowed. */
static void parse_items(struct scanner *s, struct value *value, const char *close)
{
	struct value *items[ITEMS_MAX];
	unsigned count = 0;

	while (!scan_take(s, close)) {
		if (count == ITEMS_MAX)
			scan_fail(s, "more than %d items in a list", ITEMS_MAX);
		items[count++] = parse_value(s);
		if (!scan_take(s, ",")) {
			scan_expect(s, close);
			break;
		}
	}
	set_items(s, value, items, NULL, count);
}

/* "name=", "name =" or "name(...)=" before a field's value; NULL when the field has no name. */
static char *parse_field_name(struct scanner *s)
{
	struct scanner before = *s;
	char *name = scan_name(s);

	if (name && scan_take(s, "(")) {
		int depth = 1;

		while (depth && s->at < s->end) {
			depth += (*s->at == '(') - (*s->at == ')');
			s->at++;
		}
	}
	if (name && scan_is(s, "=") && !scan_is(s, "==")) {
		scan_expect(s, "=");
		return name;
	}
	s->at = before.at;
	s->line = before.line;
	return NULL;
}

static struct value *parse_struct(struct scanner *s)
{
	struct value *value = new_value(s, VALUE_STRUCT);
	struct value *items[ITEMS_MAX];
	char *names[ITEMS_MAX];
	unsigned count = 0;

	while (!scan_take(s, "}")) {
		if (count == ITEMS_MAX)
			scan_fail(s, "more than %d fields in a struct", ITEMS_MAX);
		names[count] = parse_field_name(s);
		items[count++] = parse_value(s);
		if (!scan_take(s, ",")) {
			scan_expect(s, "}");
			break;
		}
	}
	set_items(s, value, items, names, count);
	return value;
}

static int escape_value(char c)
{
	switch (c) {
	case 'n': return '\n';
	case 't': return '\t';
	case 'r': return '\r';
	case '0': return '\0';
	default: return c;
	}
}

static int hex_digit(char c)
{
	return isdigit((unsigned char)c) ? c - '0' : tolower((unsigned char)c) - 'a' + 10;
}

static struct value *parse_string(struct scanner *s)
{
	struct value *value = new_value(s, VALUE_STRING);
	const char *from = ++s->at;
	size_t len = 0;
	char *text;

	for (; s->at < s->end && *s->at != '"'; s->at++) {
		if (*s->at == '\n')
			scan_fail(s, "string without end");
		if (*s->at == '\\' && s->at + 1 < s->end)
			s->at++;
	}
	if (s->at >= s->end)
		scan_fail(s, "string without end");
	text = arena_alloc(s->arena, (size_t)(s->at - from) + 1);
	for (const char *c = from; c < s->at; c++) {
		if (*c != '\\') {
			text[len++] = *c;
		} else if (c[1] == 'x' && isxdigit((unsigned char)c[2]) &&
			   isxdigit((unsigned char)c[3])) {
			text[len++] = (char)(hex_digit(c[2]) * 16 + hex_digit(c[3]));
			c += 3;
		} else {
			text[len++] = (char)escape_value(*++c);
		}
	}
	s->at++;
	value->text = text;
	value->text_len = len;
	return value;
}

static int64_t parse_term(struct scanner *s)
{
	bool is_inverted = scan_take(s, "~");
	int64_t value;
	char *name = scan_name(s);

	if (!name)
		value = scan_number(s);
	else if (!names_find(name, &value))
		scan_fail(s, "unknown constant '%s'", name);
	return is_inverted ? ~value : value;
}

/* Numbers and constants joined by "|", "<<" or "+". */
static struct value *parse_int(struct scanner *s)
{
	struct value *value = new_value(s, VALUE_INT);

	value->number = parse_term(s);
	for (;;) {
		if (scan_take(s, "|"))
			value->number |= parse_term(s);
		else if (scan_take(s, "<<"))
			value->number <<= parse_term(s) & 63;
		else if (scan_take(s, "&"))
			value->number &= parse_term(s);
		else
			return value;
	}
}

static struct value *parse_value(struct scanner *s)
{
	struct scanner before;
	struct value *value;
	char *name;

	if (scan_take(s, "..."))
		return new_value(s, VALUE_ELLIPSIS);
	if (scan_take(s, "[")) {
		value = new_value(s, VALUE_LIST);
		parse_items(s, value, "]");
		return value;
	}
	if (scan_take(s, "{"))
		return parse_struct(s);
	if (scan_peek(s) == '"')
		return parse_string(s);
	before = *s;
	name = scan_name(s);
	if (name && scan_take(s, "(")) {
		value = new_value(s, VALUE_CALL);
		value->text = name;
		value->text_len = strlen(name);
		parse_items(s, value, ")");
		return value;
	}
	s->at = before.at;
	s->line = before.line;
	return parse_int(s);
}

/* "(Resource temporarily unavailable)" on the result's line. */
static char *parse_note(struct scanner *s)
{
	const char *from;

	while (scan_peek(s) == ' ' || scan_peek(s) == '\t')
		s->at++;
	if (scan_peek(s) != '(')
		return NULL;
	from = ++s->at;
	while (s->at < s->end && *s->at != ')' && *s->at != '\n')
		s->at++;
	if (scan_peek(s) != ')')
		scan_fail(s, "note in parentheses without end");
	s->at++;
	return arena_text(s->arena, from, (size_t)(s->at - 1 - from));
}

static bool is_error_ahead(struct scanner *s)
{
	while (scan_peek(s) == ' ' || scan_peek(s) == '\t')
		s->at++;
	return scan_peek(s) == 'E';
}

static void parse_result(struct scanner *s, struct call_spec *call)
{
	if (scan_take(s, "?")) {
		call->result = new_value(s, VALUE_ELLIPSIS);
		return;
	}
	call->result = parse_value(s);
	if (call->result->kind == VALUE_INT && call->result->number == -1 && is_error_ahead(s)) {
		call->error_name = scan_name(s);
		call->error = names_error(call->error_name);
		if (!call->error)
			scan_fail(s, "unknown error '%s'", call->error_name);
	}
	call->note = parse_note(s);
}

struct call_spec *parse_call(struct scanner *s, char *name)
{
	struct call_spec *call = arena_alloc(s->arena, sizeof(*call));
	struct value args = {0};

	call->name = name;
	scan_expect(s, "(");
	parse_items(s, &args, ")");
	call->arg_count = args.count;
	call->args = args.items;
	scan_expect(s, "=");
	parse_result(s, call);
	return call;
}
