// SPDX-License-Identifier: MIT
/*
 * The program: one table of sub-commands, in the manner of git. A sub-command gets its own
 * arguments, with "teeceepee NAME" as argv[0], so that its messages begin with that.
 */
#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "build_config.h"
#include "cli/cli.h"

static const struct cli_command commands[] = {
	{"curl", "fetch a URL", cmd_curl},
	{"serve", "serve a directory over HTTP", cmd_serve},
	{"nc", "connect standard input and output to a TCP or UDP port", cmd_nc},
	{"ping", "send echo requests", cmd_ping},
	{"run", "run an unmodified program on a stack of its own", cmd_run},
	{"up", "start a daemon: a stack that programs attach to and leave", cmd_up},
	{"down", "end a daemon, in order", cmd_down},
	{"ss", "show the sockets of a daemon", cmd_ss},
	{"sim", "play a world of hosts, links and flows in virtual time", cmd_sim},
	{"link", "list the links that work on this machine", cmd_link},
	{"help", "tell about a sub-command", cmd_help},
	{"version", "print the version", cmd_version},
};

enum { COMMAND_COUNT = sizeof(commands) / sizeof(commands[0]) };

static void print_help(FILE *out)
{
	fputs("Usage: teeceepee COMMAND [OPTION…] [ARGUMENT…]\n"
	      "A TCP/IP stack of its own: the operating system's TCP never sees the connection.\n\n",
	      out);
	for (unsigned i = 0; i < COMMAND_COUNT; i++)
		fprintf(out, "  %-8s  %s\n", commands[i].name, commands[i].summary);
	fputs("\n'teeceepee COMMAND --help' tells more of each; the manual is teeceepee(1).\n"
	      "Try:  teeceepee curl --trace http://example.com/\n",
	      out);
}

static const struct cli_command *find_command(const char *name)
{
	for (unsigned i = 0; i < COMMAND_COUNT; i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

static int run_command(const struct cli_command *command, int argc, char **argv)
{
	char name[64];

	snprintf(name, sizeof(name), "teeceepee %s", command->name);
	argv[0] = name;
	return cli_end_output(name, command->run(argc, argv));
}

static int fail_unknown(const char *name)
{
	fprintf(stderr, "teeceepee: '%s' is no sub-command; 'teeceepee help' lists them\n", name);
	return CLI_EXIT_USAGE;
}

int cmd_help(int argc, char **argv)
{
	char help[] = "--help";
	char *arguments[] = {argv[0], help, NULL};
	const struct cli_command *command;

	if (argc < 2 || strcmp(argv[1], "--help") == 0) {
		print_help(stdout);
		return CLI_EXIT_OK;
	}
	command = find_command(argv[1]);
	if (!command)
		return fail_unknown(argv[1]);
	return run_command(command, 2, arguments);
}

int cmd_version(int argc, char **argv)
{
	(void)argc, (void)argv;
	puts("teeceepee " TEE_BUILD_VERSION);
	return CLI_EXIT_OK;
}

int main(int argc, char **argv)
{
	const struct cli_command *command;

	setlocale(LC_CTYPE, "");
	cli_watch_exit();
	if (argc < 2) {
		print_help(stderr);
		return CLI_EXIT_USAGE;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
		return cmd_help(1, argv);
	if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0)
		return cmd_version(1, argv);
	command = find_command(argv[1]);
	return command ? run_command(command, argc - 1, argv + 1) : fail_unknown(argv[1]);
}
