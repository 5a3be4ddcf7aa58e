/* SPDX-License-Identifier: MIT */
/* Runs one script against one fresh stack. */
#ifndef SCRIPT_RUN_H
#define SCRIPT_RUN_H

#include "ast.h"

enum { RUN_TEXT_SIZE = 4096, RUN_SETTINGS_MAX = 32 };

enum run_verdict {
	RUN_PASS,
	RUN_FAIL,        /* the stack did something else than the script says */
	RUN_UNREADABLE,  /* the script could not be parsed */
	RUN_UNSUPPORTED, /* it needs a knob, call or form that isn't there */
};

struct run_options {
	bool is_strict;       /* order of options, window, wscale and PSH count */
	bool is_verbose;      /* print packets as they pass */
	bool is_recording;    /* tell what comes instead of comparing it */
	bool has_no_offloads; /* the interface takes plain packets only */
	int64_t tolerance_us; /* -1: the script's, or 10 ms */
	/* "--name=value" as scripts have them; these come after the script's own */
	unsigned setting_count;
	struct {
		const char *name, *value;
	} settings[RUN_SETTINGS_MAX];
};

struct run_outcome {
	enum run_verdict verdict;
	int line;                 /* of the failure; 0: none */
	char text[RUN_TEXT_SIZE]; /* what went wrong, several lines; or notes */
};

void run_script(const struct script *script, const struct run_options *options,
		struct run_outcome *ret);
/* Reads the file, then as above. */
void run_file(const char *path, const struct run_options *options, struct run_outcome *ret);

#endif
