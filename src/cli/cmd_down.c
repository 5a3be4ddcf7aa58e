// SPDX-License-Identifier: MIT
/*
 * `teeceepee down`: asks a daemon to end, and waits until its process is gone.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cli/cli.h"
#include "daemon/ask.h"

/* Programs, then connections have two seconds each, and DHCP and the link a little. */
enum { WAIT_MS = 15000 };

struct down {
	struct cli cli;
	const char *name;
};

static int wait_gone(const struct down *down, const struct daemon_reply *reply)
{
	struct pollfd gone = {.fd = (int)syscall(SYS_pidfd_open, reply->pid, 0), .events = POLLIN};
	int count;

	/* It was quicker than we. */
	if (gone.fd < 0)
		return errno == ESRCH
			       ? 0
			       : cli_fail(&down->cli, CLI_EXIT_FAILED,
					  "can't wait for the daemon's end: %s", strerror(errno));
	do
		count = poll(&gone, 1, WAIT_MS);
	while (count < 0 && errno == EINTR);
	close(gone.fd);
	if (count == 0)
		return cli_fail(&down->cli, CLI_EXIT_TIMEOUT,
				"the daemon (pid %d) was asked to end, and has not for %d s",
				(int)reply->pid, WAIT_MS / 1000);
	return 0;
}

static int ask(const struct down *down, int fd)
{
	char error[TEE_HOST_ERROR_SIZE];
	struct daemon_request request;
	struct daemon_reply reply;

	daemon_request_init(&request, DAEMON_DOWN);
	if (daemon_ask(fd, &request, -1, &reply, NULL, error) < 0)
		return cli_fail(&down->cli, CLI_EXIT_DAEMON, "%s", error);
	return wait_gone(down, &reply);
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct down *down = state->input;

	if (key != ARGP_KEY_ARG)
		return ARGP_ERR_UNKNOWN;
	if (state->arg_num > 0)
		argp_error(state, "one NAME, not also '%s'", arg);
	down->name = arg;
	return 0;
}

int cmd_down(int argc, char **argv)
{
	static const struct argp argp = {
		NULL,
		parse,
		"[NAME]",
		"End a daemon, in order: programs that are attached are asked to end, connections get "
		"their FIN, the address goes back. Without NAME: the only one that is up.",
		NULL,
		NULL,
		NULL,
	};
	struct down down = {0};
	int fd, code;

	cli_init(&down.cli, argv[0]);
	cli_parse(&argp, argc, argv, &down);
	fd = cli_daemon_connect(&down.cli, down.name);
	if (fd < 0)
		return CLI_EXIT_DAEMON;
	code = ask(&down, fd);
	close(fd);
	return code;
}
