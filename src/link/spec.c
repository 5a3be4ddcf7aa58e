/* SPDX-License-Identifier: MIT */
/*
 * Reading the string that chooses a link, and saying what is wrong with it.
 *
 * The grammar is KIND[:WORD{,WORD}]. A word with '=' is an option; one word without '=' is the
 * name (of an interface, or the path of a socket). There is no quoting: a path with a comma in it
 * can't be given, which no one has missed in QEMU's like strings.
 *
 * The words are checked against the list of the kind that was chosen, so that a typing error is
 * told and not passed over. Numbers are decimal. Nothing here opens anything.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "link/spec.h"

int link_fail(char ret_error[TEE_LINK_ERROR_SIZE], int result, const char *format, ...)
{
	va_list args;

	if (!ret_error)
		return result;
	va_start(args, format);
	vsnprintf(ret_error, TEE_LINK_ERROR_SIZE, format, args);
	va_end(args);
	return result;
}

int link_result_of_errno(int error)
{
	static const struct {
		int error, result;
	} table[] = {
		{EPERM, -TEE_EPERM},
		{EACCES, -TEE_EPERM},
		{ENODEV, -TEE_ENODEV},
		{ENXIO, -TEE_ENODEV},
		{EBADFD, -TEE_ENODEV},
		{ENOENT, -TEE_ENOENT},
		{ENOMEM, -TEE_ENOMEM},
		{EBUSY, -TEE_EADDRINUSE},
		{EINVAL, -TEE_EINVAL},
		{ENETDOWN, -TEE_ENETDOWN},
		{EAGAIN, -TEE_EAGAIN},
		{ENOBUFS, -TEE_ENOBUFS},
		{ECONNREFUSED, -TEE_ECONNREFUSED},
		{EOPNOTSUPP, -TEE_EOPNOTSUPP},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (table[i].error == error)
			return table[i].result;
	return -TEE_EIO;
}

static int spec_add_word(struct link_spec *spec, char *word, char ret_error[TEE_LINK_ERROR_SIZE])
{
	char *equals = strchr(word, '=');

	if (!*word)
		return link_fail(ret_error, -TEE_EINVAL,
				 "link '%s' has an empty word: write KIND:WORD,WORD", spec->kind);
	if (!equals) {
		if (*spec->name)
			return link_fail(ret_error, -TEE_EINVAL,
					 "link '%s' is given two names, '%.64s' and '%.64s': "
					 "options are written key=value",
					 spec->kind, spec->name, word);
		spec->name = word;
		return 0;
	}
	if (spec->option_count == LINK_SPEC_OPTIONS_MAX)
		return link_fail(ret_error, -TEE_EINVAL, "link '%s' has more than %d options",
				 spec->kind, LINK_SPEC_OPTIONS_MAX);
	*equals = '\0';
	spec->options[spec->option_count++] = (struct link_option){word, equals + 1};
	return 0;
}

int link_spec_parse(const char *text, struct link_spec *ret_spec,
		    char ret_error[TEE_LINK_ERROR_SIZE])
{
	struct link_spec *spec = ret_spec;
	size_t len = text ? strlen(text) : 0;
	char *colon, *word;

	if (len == 0)
		return link_fail(
			ret_error, -TEE_EINVAL,
			"the link is empty: name one, such as slirp, tap:NAME or packet:eth0");
	if (len >= sizeof(spec->text))
		return link_fail(ret_error, -TEE_EINVAL,
				 "the link '%.40s…' is longer than %d bytes", text,
				 LINK_SPEC_SIZE - 1);
	memset(spec, 0, sizeof(*spec));
	memcpy(spec->text, text, len + 1);
	spec->kind = spec->text;
	spec->name = spec->text + len;
	colon = strchr(spec->text, ':');
	if (!colon)
		return 0;
	*colon = '\0';
	for (word = colon + 1; word;) {
		char *comma = strchr(word, ',');
		int result;

		if (comma)
			*comma = '\0';
		result = spec_add_word(spec, word, ret_error);
		if (result < 0)
			return result;
		word = comma ? comma + 1 : NULL;
	}
	return 0;
}

static bool list_has_word(const char *list, const char *word)
{
	size_t len = strlen(word);

	for (const char *at = list; len > 0 && (at = strstr(at, word)); at += len)
		if ((at == list || at[-1] == ' ') && (at[len] == ' ' || at[len] == '\0'))
			return true;
	return false;
}

int link_spec_check(const struct link_spec *spec, const struct link_kind *kind,
		    char ret_error[TEE_LINK_ERROR_SIZE])
{
	if (*spec->name && !kind->takes_name)
		return link_fail(ret_error, -TEE_EINVAL,
				 "link '%s' takes no name '%.64s': write %s", spec->kind,
				 spec->name, kind->about.syntax);
	for (unsigned i = 0; i < spec->option_count; i++)
		if (!list_has_word(kind->keys, spec->options[i].key))
			return link_fail(ret_error, -TEE_EINVAL,
					 "link '%s' knows no option '%.32s'; it knows: %s",
					 spec->kind, spec->options[i].key,
					 *kind->keys ? kind->keys : "none");
	return 0;
}

const char *link_spec_get(const struct link_spec *spec, const char *key)
{
	for (unsigned i = spec->option_count; i-- > 0;)
		if (!strcmp(spec->options[i].key, key))
			return spec->options[i].value;
	return NULL;
}

int link_spec_u32(const struct link_spec *spec, const char *key, uint32_t min, uint32_t max,
		  uint32_t *ret_value, char ret_error[TEE_LINK_ERROR_SIZE])
{
	const char *text = link_spec_get(spec, key);
	unsigned long long value;
	char *end;

	if (!text)
		return 0;
	errno = 0;
	value = strtoull(text, &end, 10);
	if (*text < '0' || *text > '9' || *end || errno || value < min || value > max)
		return link_fail(ret_error, -TEE_EINVAL,
				 "link '%s': '%s=%.32s' must be a number from %u to %u", spec->kind,
				 key, text, min, max);
	*ret_value = (uint32_t)value;
	return 0;
}

int link_spec_word(const struct link_spec *spec, const char *key, const char *const *words,
		   unsigned *ret_idx, char ret_error[TEE_LINK_ERROR_SIZE])
{
	const char *text = link_spec_get(spec, key);
	char list[128] = "";

	if (!text)
		return 0;
	for (unsigned i = 0; words[i]; i++) {
		if (!strcmp(words[i], text)) {
			*ret_idx = i;
			return 0;
		}
		snprintf(list + strlen(list), sizeof(list) - strlen(list), "%s%s",
			 i > 0 ? ", " : "", words[i]);
	}
	return link_fail(ret_error, -TEE_EINVAL, "link '%s': '%s=%.32s' must be one of: %s",
			 spec->kind, key, text, list);
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static bool mac_parse(const char *text, struct tee_mac *ret_mac)
{
	struct tee_mac mac;

	if (strlen(text) != 17)
		return false;
	for (unsigned i = 0; i < 6; i++) {
		int high = hex_value(text[3 * i]), low = hex_value(text[3 * i + 1]);

		if (high < 0 || low < 0 || (i < 5 && text[3 * i + 2] != ':'))
			return false;
		mac.byte[i] = (uint8_t)(high << 4 | low);
	}
	if ((mac.byte[0] & 1) || !memcmp(mac.byte, "\0\0\0\0\0\0", 6))
		return false;
	*ret_mac = mac;
	return true;
}

int link_spec_mac(const struct link_spec *spec, struct tee_mac *ret_mac,
		  char ret_error[TEE_LINK_ERROR_SIZE])
{
	const char *text = link_spec_get(spec, "mac");

	if (!text)
		return 0;
	if (!mac_parse(text, ret_mac))
		return link_fail(ret_error, -TEE_EINVAL,
				 "link '%s': 'mac=%.32s' must be six bytes in hex such as "
				 "02:00:00:00:00:07, and no group address",
				 spec->kind, text);
	return 1;
}
