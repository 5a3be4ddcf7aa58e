// SPDX-License-Identifier: MIT
/*
 * `teeceepee run PROGRAM`: an unmodified program on a stack of its own (src/run).
 *
 * Options end where the program's name begins, so that its own options are its own. The exit status is
 * the program's; one that a signal killed kills us by the same signal, so that a shell sees the same.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "cli/cli.h"
#include "run/run.h"

struct run_command {
	struct cli cli;
	struct run_config config;
};

enum { OPTION_PUBLISH = 0x2000, OPTION_HOST_LOOPBACK };

static uint16_t read_port(struct argp_state *state, const char *text)
{
	return (uint16_t)cli_number(state, "--publish", text, 1, 65535);
}

/* [ADDRESS:]HOSTPORT:PORT; the address in brackets when it is IPv6. */
static void add_publish(struct run_command *command, struct argp_state *state, const char *arg)
{
	struct run_publish *publish = &command->config.publish[command->config.publish_count];
	char text[128], *port, *host_port;

	if (command->config.publish_count == RUN_PUBLISH_MAX)
		argp_error(state, "at most %d ports can be published", RUN_PUBLISH_MAX);
	snprintf(text, sizeof(text), "%s", arg);
	port = strrchr(text, ':');
	if (!port) {
		argp_error(state,
			   "'%s' is no value for --publish: it takes [ADDRESS:]HOSTPORT:PORT", arg);
		return;
	}
	*port++ = '\0';
	publish->port = read_port(state, port);
	publish->host.ip = TEE_IP4(127, 0, 0, 1);
	host_port = strrchr(text, ':');
	if (host_port && tee_endpoint_parse(text, &publish->host) < 0)
		argp_error(state, "'%s' is no address and port to publish at", text);
	if (!host_port)
		publish->host.port = read_port(state, text);
	command->config.publish_count++;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct run_command *command = state->input;

	switch (key) {
	case ARGP_KEY_INIT: state->child_inputs[0] = &command->cli; break;
	case 'p':
	case OPTION_PUBLISH: add_publish(command, state, arg); break;
	case OPTION_HOST_LOOPBACK: command->config.allows_host_loopback = true; break;
	case ARGP_KEY_ARG:
		command->config.words = &state->argv[state->next - 1];
		state->next = state->argc;
		break;
	case ARGP_KEY_END:
		if (!command->config.words)
			argp_error(state, "a program is needed, such as: curl http://example.com/");
		break;
	default: return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static bool is_sigpipe_ignored(void)
{
	struct sigaction action;

	return sigaction(SIGPIPE, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
}

static void on_trouble(void *arg, const char *sentence)
{
	struct run_command *command = arg;

	fprintf(stderr, "%s: %s\n", command->cli.name, sentence);
}

static int run_command(struct run_command *command)
{
	char error[TEE_HOST_ERROR_SIZE] = "";
	struct run *run;
	int code, status;

	command->config.host = command->cli.host;
	command->config.on_trouble = on_trouble;
	command->config.on_trouble_arg = command;
	code = run_program_start(&command->config, &run, error);
	if (code)
		return cli_close(&command->cli,
				 cli_fail(&command->cli, code, "%s",
					  *error ? error : "no memory to run a program"));
	status = run_program_serve(run);
	run_program_end(run);
	code = cli_close(&command->cli, WIFEXITED(status) ? WEXITSTATUS(status) : 0);
	return code ? code : cli_end_as(status);
}

int cmd_run(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{"publish", 'p', "[ADDR:]HOSTPORT:PORT", 0,
		 "Let a port of the host's (of 127.0.0.1, unless ADDR says otherwise) lead to PORT of the "
		 "program's",
		 0},
		{"allow-host-loopback", OPTION_HOST_LOOPBACK, NULL, 0,
		 "127.0.0.1 and ::1 are the host's own where the program itself doesn't listen", 0},
		{0},
	};
	static const struct argp_child children[] = {{&cli_common_argp, 0, NULL, 0}, {0}};
	static const struct argp argp = {
		options,
		parse,
		"PROGRAM [ARGUMENT…]",
		"Run a program whose sockets are this stack's: without a change to it, and without "
		"privileges.",
		children,
		NULL,
		NULL,
	};
	struct run_command *command = calloc(1, sizeof(*command));
	int code;

	if (!command)
		return CLI_EXIT_FAILED;
	cli_init(&command->cli, argv[0]);
	command->config.keeps_sigpipe_ignored = is_sigpipe_ignored();
	argp_err_exit_status = CLI_EXIT_USAGE;
	argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, command);
	if (command->cli.attach) {
		code = cli_attached_program(&command->cli, &command->config);
	} else {
		code = cli_open(&command->cli);
		if (!code)
			code = run_command(command);
	}
	free(command);
	return code;
}
