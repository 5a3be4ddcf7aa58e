// SPDX-License-Identifier: MIT
/*
 * `teeceepee link`: every kind of link, and whether it works here and now for this user, with the
 * reason and the remedy when it doesn't.
 */
#include "cli/cli.h"

static void print_json(FILE *out, const struct tee_link_kind *kind, int result, const char *reason,
		       bool is_first)
{
	fputs(is_first ? "{\"name\":" : ",{\"name\":", out);
	cli_json_string(out, kind->name);
	fputs(",\"syntax\":", out);
	cli_json_string(out, kind->syntax);
	fputs(",\"summary\":", out);
	cli_json_string(out, kind->summary);
	fprintf(out, ",\"works\":%s", result >= 0 ? "true" : "false");
	if (result < 0) {
		fputs(",\"reason\":", out);
		cli_json_string(out, reason);
	}
	fputs("}", out);
}

static void print_text(FILE *out, const struct cli_style *style, const struct tee_link_kind *kind,
		       int result, const char *reason)
{
	fprintf(out, "%s%-8s%s %s%s%s  %s\n", style->bold, kind->name, style->reset,
		result >= 0 ? style->green : style->yellow, result >= 0 ? "works" : "no   ",
		style->reset, kind->summary);
	fprintf(out, "         --link %s\n", kind->syntax);
	if (result < 0)
		fprintf(out, "         %s\n", reason);
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct cli *cli = state->input;

	switch (key) {
	case 'j': cli->wants_json = true; return 0;
	case ARGP_KEY_ARG: argp_error(state, "'%s': there is no argument", arg); return 0;
	default: return ARGP_ERR_UNKNOWN;
	}
}

int cmd_link(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{"json", 'j', NULL, 0, "Print JSON", 0},
		{0},
	};
	static const struct argp argp = {
		options,
		parse,
		NULL,
		"List the kinds of link, and which of them work on this machine for this user.",
		NULL,
		NULL,
		NULL,
	};
	char reason[TEE_LINK_ERROR_SIZE];
	struct tee_link_kind kind;
	struct cli cli;

	cli_init(&cli, argv[0]);
	cli_parse(&argp, argc, argv, &cli);
	if (cli.wants_json)
		fputs("[", stdout);
	for (unsigned i = 0; tee_link_kind(i, &kind); i++) {
		int result;

		reason[0] = '\0';
		result = tee_link_probe(kind.name, reason);
		if (cli.wants_json)
			print_json(stdout, &kind, result, reason, i == 0);
		else
			print_text(stdout, cli_style(cli.color, stdout), &kind, result, reason);
	}
	if (cli.wants_json)
		fputs("]\n", stdout);
	return CLI_EXIT_OK;
}
