// SPDX-License-Identifier: MIT
/*
 * From the library's errors to exit codes. Two tables, because the same error says different things
 * when a link is opened (no permission for it) and on a connection (forbidden by a filter).
 *
 * And what all commands end with: a look whether their output could be written.
 */
#include "cli/exit.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <teeceepee/link.h>
#include <unistd.h>

static const struct {
	int error, code;
} of_connection[] = {
	{TEE_ENOENT, CLI_EXIT_NAME},
	{TEE_ECONNREFUSED, CLI_EXIT_REFUSED},
	{TEE_ETIMEDOUT, CLI_EXIT_TIMEOUT},
	{TEE_ECONNRESET, CLI_EXIT_RESET},
	{TEE_ECONNABORTED, CLI_EXIT_RESET},
	{TEE_EPIPE, CLI_EXIT_RESET},
	{TEE_EHOSTUNREACH, CLI_EXIT_UNREACHABLE},
	{TEE_ENETUNREACH, CLI_EXIT_UNREACHABLE},
	{TEE_ENETDOWN, CLI_EXIT_UNREACHABLE},
	{TEE_EADDRINUSE, CLI_EXIT_PORT_IN_USE},
	{TEE_EADDRNOTAVAIL, CLI_EXIT_UNREACHABLE},
	{TEE_ENODEV, CLI_EXIT_LINK_GONE},
	{TEE_EIO, CLI_EXIT_LINK_GONE},
	{TEE_EINVAL, CLI_EXIT_USAGE},
};

static const struct {
	int error, code;
} of_open[] = {
	{TEE_EPERM, CLI_EXIT_LINK_PERMISSION},
	{TEE_EACCES, CLI_EXIT_LINK_PERMISSION},
	{TEE_EADDRINUSE, CLI_EXIT_ADDRESS_CONFLICT},
	{TEE_ETIMEDOUT, CLI_EXIT_NO_ADDRESS},
	{TEE_EINVAL, CLI_EXIT_USAGE},
};

int cli_exit_of_error(int error)
{
	for (size_t i = 0; i < sizeof(of_connection) / sizeof(of_connection[0]); i++)
		if (of_connection[i].error == -error)
			return of_connection[i].code;
	return CLI_EXIT_FAILED;
}

static int is_known_link(const char *link)
{
	size_t len = strcspn(link, ":");
	struct tee_link_kind kind;

	for (unsigned i = 0; tee_link_kind(i, &kind); i++)
		if (strlen(kind.name) == len && strncmp(kind.name, link, len) == 0)
			return 1;
	return 0;
}

int cli_exit_of_open(int error, const char *link)
{
	if (link && !is_known_link(link))
		return CLI_EXIT_LINK_UNKNOWN;
	for (size_t i = 0; i < sizeof(of_open) / sizeof(of_open[0]); i++)
		if (of_open[i].error == -error)
			return of_open[i].code;
	return CLI_EXIT_LINK_FAILED;
}

/* A command has ended, and its output has been looked at. */
static bool has_ended;

int cli_end_output(const char *name, int code)
{
	const char *why = fflush(stdout) != 0 ? strerror(errno)
			  : ferror(stdout)    ? "a part of it was lost"
					      : NULL;

	has_ended = true;
	if (!why || code != CLI_EXIT_OK)
		return code;
	fprintf(stderr, "%s: can't write to standard output: %s\n", name, why);
	return CLI_EXIT_WRITE;
}

static void at_exit(void)
{
	int code = has_ended ? CLI_EXIT_OK : cli_end_output("teeceepee", CLI_EXIT_OK);

	if (code != CLI_EXIT_OK)
		_exit(code);
}

void cli_watch_exit(void)
{
	atexit(at_exit);
}
