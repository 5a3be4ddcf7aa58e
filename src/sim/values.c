/* SPDX-License-Identifier: MIT */
/*
 * The values of a scenario's keys: times, rates, sizes, shares. A number may have a fraction; a unit
 * follows it at once. Each reader leaves its result untouched when the text isn't one.
 */
#include <stdlib.h>
#include <string.h>

#include "sim/scenario.h"

struct unit {
	const char *name;
	double factor;
};

/* Reads a number with one of the units; the list ends with a NULL name. */
static bool value_read(const char *text, const struct unit *units, double *ret_value)
{
	char *end;
	double value = strtod(text, &end);

	if (end == text || !(value >= 0) || value > 1e18)
		return false;
	while (*end == ' ')
		end++;
	for (; units->name; units++) {
		if (strcmp(end, units->name) == 0) {
			*ret_value = value * units->factor;
			return *ret_value < 1.8e19;
		}
	}
	return false;
}

bool value_time(const char *text, uint64_t *ret_ns)
{
	static const struct unit units[] = {{"ns", 1},   {"us", 1e3},   {"ms", 1e6}, {"s", 1e9},
					    {"m", 60e9}, {"h", 3600e9}, {NULL, 0}};
	double value;

	if (strcmp(text, "0") == 0) {
		*ret_ns = 0;
		return true;
	}
	if (!value_read(text, units, &value))
		return false;
	*ret_ns = (uint64_t)(value + 0.5);
	return true;
}

bool value_rate(const char *text, uint64_t *ret_bits)
{
	static const struct unit units[] = {
		{"", 1},       {"bit", 1}, {"k", 1e3},    {"kbit", 1e3}, {"M", 1e6},
		{"Mbit", 1e6}, {"G", 1e9}, {"Gbit", 1e9}, {NULL, 0},
	};
	double value;

	if (!value_read(text, units, &value))
		return false;
	*ret_bits = (uint64_t)(value + 0.5);
	return true;
}

bool value_size(const char *text, uint64_t *ret_bytes)
{
	static const struct unit units[] = {{"", 1},         {"B", 1},        {"K", 1 << 10},
					    {"KB", 1 << 10}, {"M", 1 << 20},  {"MB", 1 << 20},
					    {"G", 1 << 30},  {"GB", 1 << 30}, {NULL, 0}};
	double value;

	if (!value_read(text, units, &value))
		return false;
	*ret_bytes = (uint64_t)(value + 0.5);
	return true;
}

bool value_share(const char *text, double *ret_share)
{
	static const struct unit units[] = {{"", 1}, {"%", 0.01}, {NULL, 0}};
	double value;

	if (!value_read(text, units, &value) || value > 1)
		return false;
	*ret_share = value;
	return true;
}

bool value_bool(const char *text, bool *ret_bool)
{
	static const char *const yes[] = {"yes", "on", "1", "true"};
	static const char *const no[] = {"no", "off", "0", "false"};

	for (unsigned i = 0; i < 4; i++) {
		if (strcmp(text, yes[i]) == 0 || strcmp(text, no[i]) == 0) {
			*ret_bool = strcmp(text, yes[i]) == 0;
			return true;
		}
	}
	return false;
}

bool value_count(const char *text, uint64_t *ret_count)
{
	char *end;
	unsigned long long value = strtoull(text, &end, 10);

	if (end == text || *end || *text == '-')
		return false;
	*ret_count = value;
	return true;
}
