/* SPDX-License-Identifier: MIT */
/* Many scripts at once: each in a process of its own, so that one that crashes fails alone. */
#ifndef SCRIPT_POOL_H
#define SCRIPT_POOL_H

#include "run.h"

struct job {
	const char *path;
	struct run_outcome outcome;
	double seconds;                           /* of the machine's time */
	const char *feature, *portability, *note; /* of the index; "" when it has no row */
	const char *differs;                      /* why it is not right to pass; "" when it is */
};

/* Runs all; calls `done` for each, in the order given. */
void pool_run(struct job *jobs, unsigned count, const struct run_options *options,
	      unsigned parallel, void (*done)(void *arg, const struct job *job), void *arg);

#endif
