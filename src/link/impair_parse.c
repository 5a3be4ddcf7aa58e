/* SPDX-License-Identifier: MIT */
/*
 * Reading how bad a link is to be: "loss=2%,delay=20ms,rate=10mbit". Words are key=value, parted by
 * commas; each key has a row that says what kind of value it takes and where it goes.
 *
 * Shares are written "2%" or "0.02"; times "20ms", "5us", "1s" (a plain number is milliseconds); rates
 * in bits a second as everywhere in networking, "10mbit", "1gbit"; bytes "64k", "2m". What stands
 * behind a number must be one of these to the last letter, and numbers must be finite and not
 * below zero: a typing error is told.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/check.h"
#include "link/spec.h"

enum { IMPAIR_TEXT_SIZE = 256 };

struct unit {
	const char *name;
	double factor;
};

static const struct unit share_units[] = {{"%", 0.01}, {"", 1}, {NULL, 0}};
static const struct unit time_units[] = {{"ns", 1},  {"us", 1e3}, {"ms", 1e6},
					 {"s", 1e9}, {"", 1e6},   {NULL, 0}};
static const struct unit rate_units[] = {
	{"bit", 0.125}, {"kbit", 125}, {"mbit", 125e3}, {"gbit", 125e6}, {NULL, 0}};
static const struct unit byte_units[] = {
	{"", 1}, {"k", 1024}, {"m", 1048576}, {"g", 1073741824.0}, {NULL, 0}};

/*
 * Digits with at most one point, whatever the locale says of points. Returns where they end, or NULL.
 */
static const char *read_digits(const char *text, double *ret_value)
{
	double value = 0, place = 1;
	bool has_point = false, has_digit = false;

	for (; (*text >= '0' && *text <= '9') || (*text == '.' && !has_point); text++) {
		if (*text == '.') {
			has_point = true;
			continue;
		}
		has_digit = true;
		value = value * 10 + (*text - '0');
		if (has_point)
			place *= 10;
	}
	if (!has_digit || place > 1e15)
		return NULL;
	*ret_value = value / place;
	return text;
}

/*
 * A number with one of the units, at most `max` in all, then the end or the letter `stop`. Returns
 * where that is, or NULL.
 */
static const char *read_number(const char *text, const struct unit *units, char stop, double max,
			       double *ret_value)
{
	double value;

	text = read_digits(text, &value);
	for (; text && units->name; units++) {
		size_t len = strlen(units->name);

		if (strncmp(text, units->name, len) != 0 || (text[len] && text[len] != stop))
			continue;
		if (!(value * units->factor <= max))
			return NULL;
		*ret_value = value * units->factor;
		return text + len;
	}
	return NULL;
}

static bool read_share(const char *text, double *ret_share)
{
	const char *end = read_number(text, share_units, '\0', 1, ret_share);

	return end != NULL;
}

static bool read_u64(const char *text, const struct unit *units, double max, uint64_t *ret_value)
{
	double value;

	if (!read_number(text, units, '\0', max, &value))
		return false;
	*ret_value = (uint64_t)(value + 0.5);
	return true;
}

/* "1%/25%" or "1%/25%/90%": enter, leave, loss while bad. */
static bool read_burst(const char *text, struct tee_impairment *impairment)
{
	double enter, leave, loss = 1;
	const char *at = read_number(text, share_units, '/', 1, &enter);

	if (!at || *at != '/')
		return false;
	at = read_number(at + 1, share_units, '/', 1, &leave);
	if (!at || (*at == '/' && !read_number(at + 1, share_units, '\0', 1, &loss)))
		return false;
	impairment->burst_enter = enter;
	impairment->burst_leave = leave;
	impairment->burst_loss = loss;
	return true;
}

static bool read_direction(const char *text, struct tee_impairment *impairment)
{
	bool both = !strcmp(text, "both");

	impairment->rx = both || !strcmp(text, "rx");
	impairment->tx = both || !strcmp(text, "tx");
	return impairment->rx || impairment->tx;
}

static bool read_seed(const char *text, uint64_t *ret_seed)
{
	unsigned long long seed;
	char *end;

	errno = 0;
	seed = strtoull(text, &end, 0);
	if (*text < '0' || *text > '9' || *end || errno)
		return false;
	*ret_seed = seed;
	return true;
}

/* A day is longer than any delay that makes sense, and far from overflowing. */
#define TIME_NS_MAX 86400e9
#define RATE_MAX    1e12
#define QUEUE_MAX   4294967295.0

static bool read_word(const char *key, const char *value, struct tee_impairment *to)
{
	uint64_t queue;

	if (!strcmp(key, "loss"))
		return read_share(value, &to->loss);
	if (!strcmp(key, "burst"))
		return read_burst(value, to);
	if (!strcmp(key, "delay"))
		return read_u64(value, time_units, TIME_NS_MAX, &to->delay_ns);
	if (!strcmp(key, "jitter"))
		return read_u64(value, time_units, TIME_NS_MAX, &to->jitter_ns);
	if (!strcmp(key, "reorder"))
		return read_share(value, &to->reorder);
	if (!strcmp(key, "reorder_gap"))
		return read_u64(value, time_units, TIME_NS_MAX, &to->reorder_gap_ns);
	if (!strcmp(key, "duplicate"))
		return read_share(value, &to->duplicate);
	if (!strcmp(key, "corrupt"))
		return read_share(value, &to->corrupt);
	if (!strcmp(key, "rate"))
		return read_u64(value, rate_units, RATE_MAX, &to->rate_bytes_per_s) &&
		       to->rate_bytes_per_s > 0;
	if (!strcmp(key, "seed"))
		return read_seed(value, &to->seed);
	if (!strcmp(key, "direction"))
		return read_direction(value, to);
	if (strcmp(key, "queue") != 0 || !read_u64(value, byte_units, QUEUE_MAX, &queue))
		return false;
	to->queue_bytes = (uint32_t)queue;
	return true;
}

static const struct {
	const char *key, *example;
} known[] = {
	{"loss", "2%"},      {"burst", "1%/25%"}, {"delay", "20ms"},
	{"jitter", "5ms"},   {"reorder", "5%"},   {"reorder_gap", "1ms"},
	{"duplicate", "1%"}, {"corrupt", "0.1%"}, {"rate", "10mbit"},
	{"queue", "64k"},    {"seed", "7"},       {"direction", "rx, tx or both"},
};

static int fail_word(const char *key, const char *value, char ret_error[TEE_LINK_ERROR_SIZE])
{
	for (unsigned i = 0; i < ARRAY_LEN(known); i++)
		if (!strcmp(known[i].key, key))
			return link_fail(
				ret_error, -TEE_EINVAL,
				"impairment: '%.32s=%.32s' isn't understood: write it like "
				"%s=%s",
				key, value, key, known[i].example);
	return link_fail(ret_error, -TEE_EINVAL,
			 "impairment: there is no '%.32s'; there are loss, burst, delay, jitter, "
			 "reorder, reorder_gap, duplicate, corrupt, rate, queue, seed, direction",
			 key);
}

int tee_impairment_parse(const char *text, struct tee_impairment *ret_impairment,
			 char ret_error[TEE_LINK_ERROR_SIZE])
{
	struct tee_impairment impairment = {0};
	char words[IMPAIR_TEXT_SIZE];
	size_t len = strlen(text);

	if (len >= sizeof(words))
		return link_fail(ret_error, -TEE_EINVAL, "impairment: longer than %d letters",
				 IMPAIR_TEXT_SIZE - 1);
	memcpy(words, text, len + 1);
	for (char *word = len ? words : NULL; word;) {
		char *comma = strchr(word, ','), *equals;

		if (comma)
			*comma = '\0';
		equals = strchr(word, '=');
		if (!equals)
			return link_fail(ret_error, -TEE_EINVAL,
					 "impairment: '%.32s' must be key=value, such as loss=2%%",
					 word);
		*equals = '\0';
		if (!read_word(word, equals + 1, &impairment))
			return fail_word(word, equals + 1, ret_error);
		word = comma ? comma + 1 : NULL;
	}
	*ret_impairment = impairment;
	return 0;
}
