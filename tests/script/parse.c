/* SPDX-License-Identifier: MIT */
/*
 * The parser of the packetdrill language, by recursive descent on the text itself.
 *
 *   script  := { "--name=value" | `command` | event }
 *   event   := time ( "<" packet | ">" packet | call "=" result | `command` | "%{" code "}%" )
 *   time    := "*" | ["+"] sec [ "~" ["+"] sec ] | ["+"] sec "..." sec
 *
 * A command that stands before the first event is the script's setup; one after an event without
 * a time of its own is the clean-up. No command is ever run: knobs.c reads them as knobs.
 * Errors leave by scan_fail() with file, line and what was expected.
 */
#include "parse.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OPTIONS_MAX = 64 };

static bool is_ip6_script(const struct script *script)
{
	for (unsigned i = 0; i < script->option_count; i++)
		if (!strcmp(script->options[i].name, "ip_version") &&
		    !strcmp(script->options[i].value, "ipv6"))
			return true;
	return false;
}

static void parse_script_option(struct scanner *s, struct script *script)
{
	struct script_option *option = &script->options[script->option_count];
	const char *from, *end, *equals;

	if (script->option_count == OPTIONS_MAX)
		scan_fail(s, "too many options");
	option->line = s->line;
	from = s->at += 2;
	while (s->at < s->end && !isspace((unsigned char)*s->at))
		s->at++;
	end = s->at;
	equals = memchr(from, '=', (size_t)(end - from));
	option->name = arena_text(s->arena, from, (size_t)((equals ? equals : end) - from));
	option->value = equals ? arena_text(s->arena, equals + 1, (size_t)(end - equals - 1))
			       : arena_text(s->arena, "", 0);
	if (!*option->name)
		scan_fail(s, "option without a name");
	script->option_count++;
}

static char *parse_until(struct scanner *s, const char *open, const char *close)
{
	size_t close_len = strlen(close);
	int line = s->line;
	const char *from;

	scan_expect(s, open);
	from = s->at;
	while ((size_t)(s->end - s->at) >= close_len && memcmp(s->at, close, close_len)) {
		if (*s->at == '\n')
			s->line++;
		s->at++;
	}
	if ((size_t)(s->end - s->at) < close_len) {
		s->line = line;
		scan_fail(s, "'%s' without '%s'", open, close);
	}
	s->at += close_len;
	return arena_text(s->arena, from, (size_t)(s->at - close_len - from));
}

static void parse_time(struct scanner *s, struct time_spec *time)
{
	bool is_relative;

	if (scan_take(s, "*")) {
		time->kind = TIME_ANY;
		return;
	}
	is_relative = scan_take(s, "+");
	time->kind = is_relative ? TIME_RELATIVE : TIME_ABSOLUTE;
	time->us = scan_seconds_us(s);
	if (scan_take(s, "...")) {
		time->blocking = true;
		scan_take(s, "+");
		time->return_us = scan_seconds_us(s);
		if (time->return_us < time->us)
			scan_fail(s, "the call returns before it starts");
	} else if (scan_take(s, "~")) {
		bool is_end_relative = scan_take(s, "+");

		if (is_end_relative != is_relative)
			scan_fail(s, "a range mixes absolute and relative time");
		time->kind = is_relative ? TIME_RELATIVE_RANGE : TIME_ABSOLUTE_RANGE;
		time->us_end = scan_seconds_us(s);
		if (time->us_end < time->us)
			scan_fail(s, "a range of time ends before it starts");
	}
}

static void parse_event_body(struct scanner *s, struct script *script, struct event *event)
{
	bool is_ip6 = is_ip6_script(script);

	scan_space(s);
	event->line = s->line;
	if (scan_take(s, "<")) {
		event->kind = EVENT_PACKET;
		event->packet = parse_packet(s, true, is_ip6);
	} else if (scan_take(s, ">")) {
		event->kind = EVENT_PACKET;
		event->packet = parse_packet(s, false, is_ip6);
	} else if (scan_is(s, "`")) {
		event->kind = EVENT_COMMAND;
		event->text = parse_until(s, "`", "`");
	} else if (scan_is(s, "%{")) {
		event->kind = EVENT_CODE;
		event->text = parse_until(s, "%{", "}%");
	} else {
		char *name = scan_name(s);

		if (!name)
			scan_fail(s,
				  "expected '<', '>', a system call, a `command` or %%{ code }%%");
		event->kind = EVENT_CALL;
		event->call = parse_call(s, name);
	}
}

/* The event's own words, line ends and runs of blanks made one blank. */
static char *event_source(struct scanner *s, const char *from)
{
	char *text = arena_alloc(s->arena, (size_t)(s->at - from) + 1);
	size_t len = 0;

	for (const char *c = from; c < s->at; c++) {
		bool is_blank = isspace((unsigned char)*c);

		if (is_blank && (!len || text[len - 1] == ' '))
			continue;
		text[len++] = is_blank ? ' ' : *c;
	}
	text[len] = '\0';
	return text;
}

static bool is_time_ahead(struct scanner *s)
{
	char c = scan_peek(s);

	return c == '+' || c == '*' || isdigit((unsigned char)c) ||
	       (c == '.' && isdigit((unsigned char)scan_peek_at(s, 1)));
}

static void parse_event(struct scanner *s, struct script *script, unsigned *capacity)
{
	struct event *event;
	const char *from = s->at;

	if (script->event_count == *capacity) {
		struct event *more = arena_alloc(s->arena, 2 * *capacity * sizeof(*more));

		memcpy(more, script->events, *capacity * sizeof(*more));
		script->events = more;
		*capacity *= 2;
	}
	event = &script->events[script->event_count];
	parse_time(s, &event->time);
	parse_event_body(s, script, event);
	if (event->time.blocking && event->kind != EVENT_CALL)
		scan_fail(s, "only a system call can have a time of return ('a...b')");
	if ((event->time.kind == TIME_ABSOLUTE_RANGE || event->time.kind == TIME_RELATIVE_RANGE ||
	     event->time.kind == TIME_ANY) &&
	    !(event->kind == EVENT_PACKET && !event->packet->is_inbound))
		scan_fail(s, "only a packet that the stack sends can have a range of times");
	event->source = event_source(s, from);
	script->event_count++;
}

static void parse_statements(struct scanner *s, struct script *script)
{
	unsigned capacity = 64;

	script->events = arena_alloc(s->arena, capacity * sizeof(*script->events));
	script->options = arena_alloc(s->arena, OPTIONS_MAX * sizeof(*script->options));
	while (!scan_at_end(s)) {
		if (scan_is(s, "--")) {
			parse_script_option(s, script);
		} else if (scan_is(s, "`")) {
			int line = s->line;
			char *command = parse_until(s, "`", "`");

			/* After the events it is the clean-up, which has nothing to say to us. */
			if (!script->event_count && !script->init_command) {
				script->init_command = command;
				script->init_line = line;
			}
		} else if (is_time_ahead(s)) {
			parse_event(s, script, &capacity);
		} else {
			scan_fail(s, "expected an event that starts with its time");
		}
	}
	if (!script->event_count)
		scan_fail(s, "no events");
}

static bool parse_text(struct script *script, const char *text, char error[SCRIPT_ERROR_SIZE])
{
	struct scanner s = {.path = script->path, .line = 1};

	s.arena = &script->arena;
	s.error = error;
	script->text = arena_text(&script->arena, text, strlen(text));
	s.at = script->text;
	s.end = s.at + strlen(text);
	if (setjmp(s.on_error))
		return false;
	parse_statements(&s, script);
	return true;
}

struct script *script_parse(const char *path, const char *text, char error[SCRIPT_ERROR_SIZE])
{
	struct script *script = calloc(1, sizeof(*script));

	if (!script) {
		snprintf(error, SCRIPT_ERROR_SIZE, "%.200s: out of memory", path);
		return NULL;
	}
	script->path = arena_text(&script->arena, path, strlen(path));
	if (parse_text(script, text, error))
		return script;
	script_free(script);
	return NULL;
}

struct script *script_read(const char *path, char error[SCRIPT_ERROR_SIZE])
{
	FILE *file = fopen(path, "rb");
	struct script *script = NULL;
	char *text = NULL;
	size_t len = 0, room = 0, got;

	if (!file)
		goto failed;
	do {
		char *more;

		room += 64 << 10;
		more = realloc(text, room + 1);
		if (!more)
			goto failed;
		text = more;
		got = fread(text + len, 1, room - len, file);
		len += got;
	} while (got);
	if (ferror(file))
		goto failed;
	text[len] = '\0';
	if (strlen(text) != len) {
		snprintf(error, SCRIPT_ERROR_SIZE, "%.200s:1: not a text file", path);
		goto out;
	}
	script = script_parse(path, text, error);
	goto out;
failed:
	snprintf(error, SCRIPT_ERROR_SIZE, "%.200s: %s", path, strerror(errno));
out:
	if (file)
		fclose(file);
	free(text);
	return script;
}

void script_free(struct script *script)
{
	if (!script)
		return;
	arena_free(&script->arena);
	free(script);
}
