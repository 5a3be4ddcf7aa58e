/* SPDX-License-Identifier: MIT */
/*
 * Reads a CSV of four columns (script, feature, portability, note), fields perhaps in quotes; of one that has but
 * two, the others are empty.
 */
#include "index.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *read_all(const char *path)
{
	FILE *file = fopen(path, "rb");
	char *text = NULL;
	long size;

	if (!file)
		return NULL;
	if (fseek(file, 0, SEEK_END) == 0 && (size = ftell(file)) >= 0 &&
	    fseek(file, 0, SEEK_SET) == 0) {
		text = malloc((size_t)size + 1);
		if (text && fread(text, 1, (size_t)size, file) == (size_t)size) {
			text[size] = '\0';
		} else {
			free(text);
			text = NULL;
		}
	}
	fclose(file);
	return text;
}

/* Cuts one field off the line, in place. */
static char *next_field(char **at)
{
	char *from = *at, *to = *at, *in = *at;
	bool is_quoted = *in == '"';

	if (is_quoted)
		in++;
	while (*in) {
		if (is_quoted && *in == '"' && in[1] == '"') {
			in++;
		} else if (is_quoted && *in == '"') {
			is_quoted = false;
			in++;
			continue;
		} else if (!is_quoted && *in == ',') {
			in++;
			break;
		}
		*to++ = *in++;
	}
	*at = in;
	if (to < in || *to)
		*to = '\0';
	return from;
}

struct index *index_read(const char *path)
{
	struct index *index = calloc(1, sizeof(*index));
	char *line, *rest;
	unsigned room = 0;

	if (index)
		index->text = read_all(path);
	if (!index || !index->text) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		index_free(index);
		return NULL;
	}
	for (line = strtok_r(index->text, "\r\n", &rest); line;
	     line = strtok_r(NULL, "\r\n", &rest)) {
		struct index_row *row;

		if (index->count == room) {
			struct index_row *rows;

			room = room ? 2 * room : 256;
			rows = realloc(index->rows, room * sizeof(*rows));
			if (!rows) {
				index_free(index);
				return NULL;
			}
			index->rows = rows;
		}
		row = &index->rows[index->count++];
		row->script = next_field(&line);
		row->feature = next_field(&line);
		row->portability = next_field(&line);
		row->note = next_field(&line);
	}
	return index;
}

void index_free(struct index *index)
{
	if (!index)
		return;
	free(index->rows);
	free(index->text);
	free(index);
}

const struct index_row *index_find(const struct index *index, const char *path)
{
	size_t path_len = strlen(path);

	for (unsigned i = 0; i < index->count; i++) {
		size_t len = strlen(index->rows[i].script);

		if (len && len <= path_len &&
		    !strcmp(path + path_len - len, index->rows[i].script) &&
		    (len == path_len || path[path_len - len - 1] == '/'))
			return &index->rows[i];
	}
	return NULL;
}

bool index_is_in_tier(const struct index_row *row, const char *tier)
{
	if (!strcmp(tier, "first"))
		return !strcmp(row->portability, "portable") &&
		       !strstr(row->note, "linux6.18: FAIL");
	return !strcmp(row->portability, tier);
}
