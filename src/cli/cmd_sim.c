// SPDX-License-Identifier: MIT
/*
 * `teeceepee sim SCENARIO`: reads a scenario, plays it in virtual time, prints what came of it: a
 * table, and on demand JSON, time series as CSV, a picture as SVG or in an HTML page. No link, no
 * clock, no privilege; the same file and seed give the same numbers on every machine.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "sim/report.h"

enum { SCENARIO_BYTES_MAX = 1 << 20 };

struct sim_options {
	struct cli cli;
	const char *path, *json, *csv, *plot;
	bool has_seed;
	uint64_t seed, duration_ns;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct sim_options *options = state->input;

	switch (key) {
	case 'j': options->json = arg ? arg : "-"; return 0;
	case 'c': options->csv = arg; return 0;
	case 'p': options->plot = arg; return 0;
	case 's':
		options->has_seed = true;
		options->seed = cli_number(state, "--seed", arg, 0, UINT64_MAX);
		return 0;
	case 'd':
		if (!value_time(arg, &options->duration_ns))
			argp_error(state, "'%s' is no time; write 30s or 500ms", arg);
		return 0;
	case ARGP_KEY_ARG:
		if (options->path)
			argp_error(state, "'%s': one scenario at a time", arg);
		options->path = arg;
		return 0;
	case ARGP_KEY_END:
		if (!options->path)
			argp_error(state, "name a scenario file, or - for standard input");
		return 0;
	default: return ARGP_ERR_UNKNOWN;
	}
}

/* The whole file as a string, NULL with errno. The caller frees it. */
static char *read_text(const char *path)
{
	FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "r");
	char *text = malloc(SCENARIO_BYTES_MAX);
	size_t len = 0;

	if (file && text) {
		errno = 0;
		len = fread(text, 1, SCENARIO_BYTES_MAX, file);
		if (len == SCENARIO_BYTES_MAX)
			errno = EFBIG;
		else
			text[len] = 0;
	}
	if (file && file != stdin) {
		int error = errno;

		fclose(file);
		errno = error;
	}
	if (!file || !text || errno) {
		free(text);
		return NULL;
	}
	return text;
}

typedef void report_fn(const struct run *run, FILE *out);

static void report_svg(const struct run *run, FILE *out)
{
	report_plot(run, out, false);
}

static void report_html(const struct run *run, FILE *out)
{
	report_plot(run, out, true);
}

/* Writes one report to a file, or "-"; 0 or the exit code. */
static int write_report(const struct cli *cli, const struct run *run, const char *path,
			report_fn *report)
{
	bool is_stdout = strcmp(path, "-") == 0;
	FILE *out = is_stdout ? stdout : fopen(path, "w");
	bool is_bad;

	if (!out)
		return cli_fail(cli, CLI_EXIT_WRITE, "can't write %s: %s", path, strerror(errno));
	report(run, out);
	is_bad = ferror(out) != 0;
	if (!is_stdout)
		is_bad |= fclose(out) != 0;
	if (is_bad)
		return cli_fail(cli, CLI_EXIT_WRITE, "can't write %s: %s", path, strerror(errno));
	return CLI_EXIT_OK;
}

static int write_reports(const struct sim_options *options, const struct run *run)
{
	const struct cli *cli = &options->cli;
	bool table_to_stdout = !(options->json && strcmp(options->json, "-") == 0) &&
			       !(options->csv && strcmp(options->csv, "-") == 0) &&
			       !(options->plot && strcmp(options->plot, "-") == 0);
	int code = CLI_EXIT_OK;

	if (table_to_stdout)
		code = write_report(cli, run, "-", report_table);
	if (code == CLI_EXIT_OK && options->json)
		code = write_report(cli, run, options->json, report_json);
	if (code == CLI_EXIT_OK && options->csv)
		code = write_report(cli, run, options->csv, report_csv);
	if (code == CLI_EXIT_OK && options->plot) {
		size_t len = strlen(options->plot);
		bool is_svg = len >= 4 && strcmp(options->plot + len - 4, ".svg") == 0;

		code = write_report(cli, run, options->plot, is_svg ? report_svg : report_html);
	}
	return code;
}

static int play(const struct sim_options *options, struct scenario *scenario)
{
	const struct cli *cli = &options->cli;
	char error[SCENARIO_ERROR_SIZE];
	struct run *run;
	int code;

	if (options->has_seed)
		scenario->seed = options->seed;
	if (options->duration_ns)
		scenario->duration_ns = options->duration_ns;
	run = run_new(scenario, error);
	if (!run)
		return cli_fail(cli, CLI_EXIT_USAGE, "%s: %s", options->path, error);
	if (run_play(run, error) < 0)
		code = cli_fail(cli, CLI_EXIT_FAILED, "%s: %s", options->path, error);
	else
		code = write_reports(options, run);
	run_free(run);
	return code;
}

int cmd_sim(int argc, char **argv)
{
	static const struct argp_option argp_options[] = {
		{"seed", 's', "N", 0, "Another seed than the scenario's", 0},
		{"duration", 'd', "TIME", 0, "Another duration than the scenario's (30s, 5m)", 0},
		{"json", 'j', "FILE", OPTION_ARG_OPTIONAL,
		 "Write JSON to FILE, or to standard output instead of the table", 0},
		{"csv", 'c', "FILE", 0, "Write time series to FILE", 0},
		{"plot", 'p', "FILE", 0,
		 "Draw goodput, window, RTT and queues: FILE.svg a picture, else an HTML page", 0},
		{0},
	};
	static const struct argp argp = {
		argp_options,
		parse,
		"SCENARIO",
		"Play a world of hosts, links and flows in virtual time, and tell how it went.",
		NULL,
		NULL,
		NULL,
	};
	struct sim_options options = {0};
	char error[SCENARIO_ERROR_SIZE];
	struct scenario *scenario;
	char *text;
	int code;

	cli_init(&options.cli, argv[0]);
	cli_parse(&argp, argc, argv, &options);
	text = read_text(options.path);
	if (!text)
		return cli_fail(&options.cli, CLI_EXIT_READ, "can't read %s: %s", options.path,
				strerror(errno));
	scenario = scenario_parse(text, error);
	free(text);
	if (!scenario)
		return cli_fail(&options.cli, CLI_EXIT_USAGE, "%s: %s", options.path, error);
	code = play(&options, scenario);
	free(scenario);
	return code;
}
