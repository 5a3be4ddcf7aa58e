/* SPDX-License-Identifier: MIT */
/*
 * Shell commands of scripts, read as knobs. Nothing is ever executed: what a command would have
 * told a kernel is told to the stack, what has no meaning here is noted.
 */
#ifndef SCRIPT_KNOBS_H
#define SCRIPT_KNOBS_H

#include <teeceepee/stack.h>

#include "ast.h"

enum { KNOBS_NOTES_SIZE = 400 };

struct knobs {
	struct tee_config *config;    /* before the stack exists */
	struct tee_stack *stack;      /* afterwards; config is then NULL */
	bool has_defaults_file;       /* defaults.sh was asked for */
	bool flushes_metrics;         /* "ip tcp_metrics flush" */
	bool is_unsupported;          /* a knob was asked for that matters and that we don't have */
	char notes[KNOBS_NOTES_SIZE]; /* knobs without effect, comma-separated */
};

/* Reads one command. */
void knobs_run(struct knobs *knobs, const char *command);
/*
 * For scripts without any command: the suites of FreeBSD had their sysctl lines removed, so what
 * they set is taken from the handshakes that they expect. To be called before the stack is made.
 */
void knobs_presume(struct knobs *knobs, const struct script *script);

#endif
