/* SPDX-License-Identifier: MIT */
/* What is printed about runs: lines, TAP, JUnit, JSON by feature, counts. */
#ifndef SCRIPT_REPORT_H
#define SCRIPT_REPORT_H

#include <stdio.h>

#include "pool.h"

enum report_form { REPORT_LINES, REPORT_TAP, REPORT_JSON };

struct report {
	enum report_form form;
	bool is_quiet; /* failures and counts only */
	unsigned told;
};

/* One script is done. */
void report_job(struct report *report, const struct job *job);
/* All are; returns true when every script passed, or differs on purpose. */
bool report_end(struct report *report, const struct job *jobs, unsigned count);
/* Writes a JUnit file; false when it can't be written. */
bool report_junit(const char *path, const struct job *jobs, unsigned count);

#endif
