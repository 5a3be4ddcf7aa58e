/* SPDX-License-Identifier: MIT */
/* index.csv: what is known of each script of a collection; expected.csv: script, and why we differ. */
#ifndef SCRIPT_INDEX_H
#define SCRIPT_INDEX_H

#include <stdbool.h>

struct index_row {
	char *script, *feature, *portability, *note;
};

struct index {
	char *text;
	struct index_row *rows;
	unsigned count;
};

/* NULL with a message on stderr when it can't be read. */
struct index *index_read(const char *path);
void index_free(struct index *index);
/* The row whose script is the end of `path`; NULL: none. */
const struct index_row *index_find(const struct index *index, const char *path);
/*
 * Does a row belong to a tier? "portable", "linux-flavoured", "bsd-flavoured", or "first": the
 * portable ones that Linux passes.
 */
bool index_is_in_tier(const struct index_row *row, const char *tier);

#endif
