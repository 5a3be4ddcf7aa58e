// SPDX-License-Identifier: MIT
/*
 * Terminals and formats: when to colour (only on a terminal, and never against NO_COLOR), whether
 * arrows can be drawn, and JSON's strings.
 */
#include <langinfo.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"

static const struct cli_style plain = {"", "", "", "", "", "", ""};
static const struct cli_style coloured = {
	.reset = "\033[0m",
	.bold = "\033[1m",
	.dim = "\033[2m",
	.red = "\033[31m",
	.green = "\033[32m",
	.yellow = "\033[33m",
	.cyan = "\033[36m",
};

const struct cli_style *cli_style(enum cli_color color, FILE *stream)
{
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");

	if (color == CLI_COLOR_ALWAYS)
		return &coloured;
	if (color == CLI_COLOR_NEVER || (no_color && *no_color) || !isatty(fileno(stream)) ||
	    (term && strcmp(term, "dumb") == 0))
		return &plain;
	return &coloured;
}

bool cli_is_utf8(void)
{
	return strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

void cli_json_string(FILE *out, const char *text)
{
	fputc('"', out);
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '"' || c == '\\')
			fprintf(out, "\\%c", c);
		else if (c < 0x20)
			fprintf(out, "\\u%04x", c);
		else
			fputc(c, out);
	}
	fputc('"', out);
}
