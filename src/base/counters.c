/* SPDX-License-Identifier: MIT */
/* Public names of the counters, made from the same list as the enum, so that neither can lag. */
#include "base/counters.h"

#include <stddef.h>

static const char *const counter_names[] = {
/* NOLINTNEXTLINE(bugprone-macro-parentheses): a designator's initialiser needs none */
#define X(name, text) [name] = text,
	TEE_COUNTERS(X)
#undef X
};

_Static_assert(sizeof(counter_names) / sizeof(counter_names[0]) == COUNTER_COUNT,
	       "every counter has a name");

const char *counter_name(unsigned idx)
{
	return idx < COUNTER_COUNT ? counter_names[idx] : NULL;
}
