/* SPDX-License-Identifier: MIT */
/* The code blocks %{ … }% of a script: the few forms of Python that scripts use. */
#ifndef SCRIPT_CODE_H
#define SCRIPT_CODE_H

#include "ast.h"

enum { CODE_VARIABLES_MAX = 32, CODE_MESSAGE_SIZE = 200 };

/* Looks up a name that the block did not assign, such as tcpi_snd_cwnd. */
typedef bool code_lookup_fn(void *arg, const char *name, int64_t *ret_value);

/* What assignments leave for later blocks of the same script. */
struct code_state {
	struct arena *arena;
	code_lookup_fn *lookup;
	void *lookup_arg;
	unsigned variable_count;
	struct code_variable {
		char *name;
		struct code_value *value;
	} variables[CODE_VARIABLES_MAX];
};

enum code_verdict {
	CODE_HOLDS,
	CODE_FAILS,       /* an assertion did not hold */
	CODE_UNSUPPORTED, /* not a form that is understood, or an unknown name */
};

/* Runs a block; `message` tells what failed, with the values that took part. */
enum code_verdict code_run(struct code_state *state, const char *text,
			   char message[CODE_MESSAGE_SIZE]);

#endif
