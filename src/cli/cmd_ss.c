// SPDX-License-Identifier: MIT
/*
 * `teeceepee ss`: the sockets of a daemon's stack, with the options and the looks of ss(8).
 *
 * The daemon answers with a file of records (DAEMON_SOCKETS) that is ours to read and to sort; what each
 * look shows is one instant of the stack.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"
#include "daemon/ask.h"

enum { OPTION_ATTACH = 0x100, OPTION_JSON, OPTION_WATCH };

struct ss {
	struct cli cli;
	struct ss_view view;
	const char *name;
	uint64_t watch_ns; /* 0: one look */
};

/* The records of the daemon's file, to be freed; NULL with the message printed. */
static struct daemon_socket *read_sockets(const struct ss *ss, int fd, size_t *ret_count)
{
	struct daemon_socket *sockets = NULL;
	struct stat status;
	size_t size, done = 0;

	if (fstat(fd, &status) == 0 && (status.st_size == 0 || S_ISREG(status.st_mode)))
		sockets = malloc((size_t)status.st_size + 1);
	size = sockets ? (size_t)status.st_size : 0;
	while (done < size) {
		ssize_t count = pread(fd, (char *)sockets + done, size - done, (off_t)done);

		if (count <= 0)
			break;
		done += (size_t)count;
	}
	*ret_count = done / sizeof(*sockets);
	if (!sockets)
		cli_fail(&ss->cli, 0, "can't read what the daemon tells: %s", strerror(errno));
	return sockets;
}

static int look(const struct ss *ss)
{
	struct daemon_request request;
	struct daemon_reply reply;
	struct daemon_socket *sockets;
	char error[TEE_HOST_ERROR_SIZE];
	int fd = cli_daemon_connect(&ss->cli, ss->name), file = -1, result;
	size_t count;

	if (fd < 0)
		return CLI_EXIT_DAEMON;
	daemon_request_init(&request, DAEMON_SOCKETS);
	result = daemon_ask(fd, &request, -1, &reply, &file, error);
	close(fd);
	if (result < 0 || file < 0) {
		if (file >= 0)
			close(file);
		return cli_fail(&ss->cli, CLI_EXIT_DAEMON, "%s",
				result < 0 ? error : "the daemon told nothing");
	}
	sockets = read_sockets(ss, file, &count);
	close(file);
	if (!sockets)
		return CLI_EXIT_READ;
	ss_print(stdout, &ss->view, sockets, count);
	free(sockets);
	return fflush(stdout) == 0
		       ? CLI_EXIT_OK
		       : cli_fail(&ss->cli, CLI_EXIT_WRITE, "can't write to standard output: %s",
				  strerror(errno));
}

/* Look after look, until Ctrl-C or until the daemon ends. */
static int watch(struct ss *ss)
{
	struct pollfd ending = {.events = POLLIN};
	bool is_screen = isatty(STDOUT_FILENO) && !ss->view.wants_json;
	int code = cli_signals_init(&ss->cli);

	ending.fd = ss->cli.cancel_fd;
	while (!code && !cli_signal()) {
		if (is_screen)
			fputs("\033[H\033[2J", stdout);
		code = look(ss);
		if (!code)
			poll(&ending, 1, (int)(ss->watch_ns / TEE_NS_PER_MS));
	}
	return cli_signal() ? CLI_EXIT_SIGNAL + cli_signal() : code;
}

static void set_name(struct argp_state *state, struct ss *ss, const char *name)
{
	if (ss->name)
		argp_error(state, "one NAME, not also '%s'", name);
	ss->name = name;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct ss *ss = state->input;

	switch (key) {
	case 't': ss->view.hides_tcp = false; break;
	case 'u': ss->view.hides_udp = false; break;
	case 'l': ss->view.wants_listening = true; break;
	case 'a': ss->view.wants_all = true; break;
	case 'i': ss->view.wants_info = true; break;
	case 'p': ss->view.wants_processes = true; break;
	case 'H': ss->view.has_no_header = true; break;
	case 'n': break; /* numbers are all that there is */
	case OPTION_JSON: ss->view.wants_json = true; break;
	case OPTION_WATCH:
		ss->watch_ns = arg ? cli_seconds(state, "--watch", arg) : TEE_NS_PER_S;
		if (ss->watch_ns < 10 * TEE_NS_PER_MS || ss->watch_ns > 86400 * TEE_NS_PER_S)
			argp_error(state, "--watch takes 0.01 to 86400 seconds");
		break;
	case OPTION_ATTACH:
	case ARGP_KEY_ARG: set_name(state, ss, arg); break;
	case ARGP_KEY_END:
		/* Neither was named: both. */
		if (ss->view.hides_tcp && ss->view.hides_udp)
			ss->view.hides_tcp = ss->view.hides_udp = false;
		break;
	default: return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

int cmd_ss(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{"tcp", 't', NULL, 0, "TCP only", 0},
		{"udp", 'u', NULL, 0, "UDP only, and ping", 0},
		{"listening", 'l', NULL, 0, "Those that wait for others only", 0},
		{"all", 'a', NULL, 0, "Those too, and what is in TIME-WAIT", 0},
		{"numeric", 'n', NULL, 0, "Numbers instead of names, as always here", 0},
		{"info", 'i', NULL, 0, "What TCP knows of the path", 0},
		{"processes", 'p', NULL, 0, "Who holds the socket", 0},
		{"no-header", 'H', NULL, 0, "Rows only", 0},
		{"json", OPTION_JSON, NULL, 0, "As JSON", 0},
		{"watch", OPTION_WATCH, "SECONDS", OPTION_ARG_OPTIONAL,
		 "Look again every SECONDS (1), until Ctrl-C", 0},
		{"attach", OPTION_ATTACH, "NAME", 0, "The daemon; the same as NAME alone", 0},
		{0},
	};
	static const struct argp argp = {
		options,
		parse,
		"[NAME]",
		"Show the sockets of a daemon's stack, as ss(8) shows the kernel's. Without NAME: of the "
		"only one that is up.",
		NULL,
		NULL,
		NULL,
	};
	struct ss ss = {.view = {.hides_tcp = true, .hides_udp = true}};

	cli_init(&ss.cli, argv[0]);
	cli_parse(&argp, argc, argv, &ss);
	return ss.watch_ns ? watch(&ss) : look(&ss);
}
