/* SPDX-License-Identifier: MIT */
/*
 * Shell commands, read as knobs: which word is a name, which its value. knobs_set.c knows what a
 * name means.
 *
 * Commands come in three shapes: `sysctl -q net.ipv4.x=1`, `set_sysctls.py /proc/sys/net/ipv4/x=1`,
 * and `echo 1 > /sys/…/x`; all are found by looking for words with "=" or for the target of ">".
 * defaults.sh, which most of Google's scripts call, has fixed contents. Our own scripts say
 * `tee name=value ...`, with the names of struct tee_config's fields as tee_config_set() reads them.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "knobs_set.h"

/* ---- the shell's words ---- */

enum { WORD_MAX = 200 };

/* Takes the next word, quotes removed; false at the end of the command. */
static bool next_word(const char **at, char word[WORD_MAX])
{
	size_t len = 0;
	char quote = '\0';

	while (isspace((unsigned char)**at) || **at == '\\' || **at == ';')
		(*at)++;
	while (**at == '#') {
		while (**at && **at != '\n')
			(*at)++;
		while (isspace((unsigned char)**at))
			(*at)++;
	}
	if (!**at)
		return false;
	for (; **at; (*at)++) {
		char c = **at;

		if (quote ? c == quote : c == '"' || c == '\'') {
			quote = quote ? '\0' : c;
			continue;
		}
		if (!quote && (isspace((unsigned char)c) || c == ';'))
			break;
		if (!quote && c == '\\' && isspace((unsigned char)(*at)[1]))
			break;
		if (len < WORD_MAX - 1)
			word[len++] = c;
	}
	word[len] = '\0';
	return true;
}

static bool is_knob_word(const char *word)
{
	return strchr(word, '=') && (!strncmp(word, "net.", 4) || !strncmp(word, "kern.", 5) ||
				     strstr(word, "/proc/sys/") || strstr(word, "/sys/"));
}

/* `tee` and fields of the configuration, by their own names. */
static void run_fields(struct knobs *knobs, const char *at)
{
	char word[WORD_MAX];

	while (next_word(&at, word)) {
		char *equals = strchr(word, '=');

		if (equals)
			*equals = '\0';
		if (!equals || !knobs_set_field(knobs, word, equals + 1)) {
			knobs->is_unsupported = true;
			knobs_note(knobs, word);
		}
	}
}

void knobs_run(struct knobs *knobs, const char *command)
{
	char word[WORD_MAX], before[WORD_MAX] = "", last[WORD_MAX] = "";
	const char *at = command;

	if (next_word(&at, word) && !strcmp(word, "tee")) {
		run_fields(knobs, at);
		return;
	}
	at = command;
	if (strstr(command, "tcp_metrics flush"))
		knobs->flushes_metrics = true;
	if (strstr(command, "ip route "))
		knobs_set_route(knobs, command);
	while (next_word(&at, word)) {
		const char *slash = strrchr(word, '/');
		const char *name = slash ? slash + 1 : word;

		if (!strcmp(name, "defaults.sh")) {
			knobs_set_defaults(knobs);
		} else if (is_knob_word(word)) {
			char *equals = strchr(word, '=');

			*equals = '\0';
			knobs_set(knobs, word, equals + 1);
		} else if (!strcmp(last, ">") && strncmp(word, "/dev/", 5)) {
			/* echo VALUE > FILE */
			knobs_set(knobs, word, before);
		}
		if (strcmp(word, ">"))
			snprintf(before, sizeof(before), "%s", word);
		snprintf(last, sizeof(last), "%s", word);
	}
}

/* ---- what scripts without commands presume ---- */

static bool has_option(const struct packet_spec *packet, enum option_kind kind)
{
	for (unsigned i = 0; i < packet->option_count; i++)
		if (packet->options[i].kind == kind)
			return true;
	return false;
}

static bool uses_noopt(const struct script *script)
{
	return strstr(script->text, "TCP_NOOPT") != NULL;
}

/* Our own SYN: it shows what we ask for. */
static void presume_from_syn(struct knobs *knobs, const struct packet_spec *syn, bool is_noopt)
{
	bool asks_ecn = (syn->flags & (SEG_ECE | SEG_CWR)) == (SEG_ECE | SEG_CWR);

	knobs_set(knobs, "net.ipv4.tcp_ecn", asks_ecn ? "1" : "2");
	if (syn->options_mode == OPTIONS_ANY || is_noopt)
		return;
	knobs_set(knobs, "net.ipv4.tcp_timestamps", has_option(syn, OPTION_TIMESTAMP) ? "1" : "0");
	knobs_set(knobs, "net.ipv4.tcp_window_scaling", has_option(syn, OPTION_WSCALE) ? "1" : "0");
	knobs_set(knobs, "net.ipv4.tcp_sack", has_option(syn, OPTION_SACK_OK) ? "1" : "0");
}

void knobs_presume(struct knobs *knobs, const struct script *script)
{
	if (script->init_command)
		return;
	for (unsigned i = 0; i < script->event_count; i++) {
		const struct event *event = &script->events[i];
		const struct packet_spec *packet = event->packet;

		if (event->kind == EVENT_COMMAND && strcmp(event->text, "true"))
			return;
		if (event->kind != EVENT_PACKET || packet->is_inbound ||
		    packet->proto != PACKET_TCP || !(packet->flags & SEG_SYN))
			continue;
		if (!(packet->flags & SEG_ACK))
			presume_from_syn(knobs, packet, uses_noopt(script));
		return;
	}
}
