// SPDX-License-Identifier: MIT
/*
 * --attach: working on a daemon's stack.
 *
 * Whatever is attached, a program or one of our own sub-commands, runs in a child process under the filter of
 * src/run; the descriptor of its notifications goes to the daemon (src/daemon), which answers its
 * socket calls. So our sub-commands are plain programs then, with the system's sockets, and the daemon
 * needs to know of one kind of client only.
 *
 * We stay as the child's parent: signals go through us, and our end is its end.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/cli.h"
#include "daemon/ask.h"
#include "host/host.h"

struct attachment {
	struct cli *cli;
	int fd;
	struct daemon_request request;
	struct daemon_reply *reply; /* shared with the child */
	int (*entry)(void *arg);
	void *entry_arg;
};

int cli_exit_of_errno(int error_number)
{
	return cli_exit_of_error(-host_error_of_errno(error_number));
}

int cli_end_as(int status)
{
	static const struct rlimit no_core;
	sigset_t set;

	if (!WIFSIGNALED(status))
		return WEXITSTATUS(status);
	fflush(stdout);
	setrlimit(RLIMIT_CORE, &no_core);
	signal(WTERMSIG(status), SIG_DFL);
	sigemptyset(&set);
	sigaddset(&set, WTERMSIG(status));
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	raise(WTERMSIG(status));
	return CLI_EXIT_SIGNAL + WTERMSIG(status);
}

/* ---- the daemon ---- */

/* The only one that is up, else the default name; NULL: there are several, and that has been said. */
static const char *choose(const struct cli *cli, char names[DAEMON_NAMES_MAX][DAEMON_NAME_SIZE])
{
	unsigned count = daemon_place_list(names);
	char list[DAEMON_NAMES_MAX * (DAEMON_NAME_SIZE + 2)] = "";

	if (count <= 1)
		return count ? names[0] : DAEMON_NAME_DEFAULT;
	for (unsigned i = 0; i < count; i++) {
		strcat(list, i ? ", " : "");
		strcat(list, names[i]);
	}
	cli_fail(cli, 0, "several daemons are up, say which: %s", list);
	return NULL;
}

int cli_daemon_connect(const struct cli *cli, const char *name)
{
	char names[DAEMON_NAMES_MAX][DAEMON_NAME_SIZE], error[TEE_HOST_ERROR_SIZE];
	struct daemon_place place;
	int fd;

	if (!name)
		name = choose(cli, names);
	if (!name)
		return -1;
	fd = daemon_place_find(name, &place, error);
	if (fd == 0)
		fd = daemon_place_connect(&place, error);
	if (fd < 0) {
		cli_fail(cli, 0, "%s", error);
		return -1;
	}
	return fd;
}

/* ---- the child ---- */

static int enter(void *arg)
{
	struct attachment *attachment = arg;
	struct cli *cli = attachment->cli;
	int code;

	/* Else the daemon would not see the end of our parent. */
	close(attachment->fd);
	code = cli_signals_init(cli);
	if (code)
		return code;
	cli->daemon = attachment->reply;
	code = attachment->entry(attachment->entry_arg);
	code = cli_end_output(cli->name, code);
	return cli_signal() ? CLI_EXIT_SIGNAL + cli_signal() : code;
}

/* ---- the parent ---- */

static int hand_over(void *arg, int notify_fd, pid_t child, char *ret_error)
{
	struct attachment *attachment = arg;

	attachment->request.program = child;
	return daemon_ask(attachment->fd, &attachment->request, notify_fd, attachment->reply, NULL,
			  ret_error) < 0
		       ? RUN_EXIT_FAILED
		       : 0;
}

static void on_left(void *arg)
{
	const struct attachment *attachment = arg;

	cli_fail(
		attachment->cli, 0,
		"the daemon '%s' has ended, and its connections with it; the program is told to end",
		attachment->cli->attach);
}

/*
 * The daemon looks into the program without being its ancestor. With Yama's first scope it may, as the
 * program has named it; but the program's own children have named nobody.
 */
static void warn_of_yama(const struct cli *cli, const struct ucred *daemon)
{
	FILE *file = fopen("/proc/sys/kernel/yama/ptrace_scope", "re");
	char text[16] = "0";

	if (file && !fgets(text, sizeof(text), file))
		text[0] = '\0';
	if (file)
		fclose(file);
	if (daemon->uid != 0 && strtol(text, NULL, 10) == 1)
		cli_fail(
			cli, 0,
			"kernel.yama.ptrace_scope is 1: processes that the program starts will have no "
			"sockets, as the daemon may not look into them (0 lets it)");
}

static int start(struct attachment *attachment, struct run_config *config)
{
	char error[TEE_HOST_ERROR_SIZE] = "";
	struct cli *cli = attachment->cli;
	struct ucred daemon = {0};
	socklen_t len = sizeof(daemon);
	int code, status;

	getsockopt(attachment->fd, SOL_SOCKET, SO_PEERCRED, &daemon, &len);
	if (!config->entry)
		warn_of_yama(cli, &daemon);
	daemon_request_init(&attachment->request, DAEMON_RUN);
	attachment->request.allows_host_loopback = config->allows_host_loopback;
	attachment->request.publish_count = config->publish_count;
	memcpy(attachment->request.publish, config->publish, sizeof(config->publish));
	config->hand_over = hand_over;
	config->hand_over_arg = attachment;
	config->supervisor = daemon.pid;
	code = run_program_attached(config, attachment->fd, on_left, attachment, &status, error);
	if (code)
		return cli_fail(cli, config->entry ? CLI_EXIT_DAEMON : code, "%s",
				*error ? error : "no memory to attach a program");
	return cli_end_as(status);
}

int cli_attached_program(struct cli *cli, struct run_config *config)
{
	struct attachment *attachment = calloc(1, sizeof(*attachment));
	struct daemon_reply *reply = mmap(NULL, sizeof(*reply), PROT_READ | PROT_WRITE,
					  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int code = config->entry ? CLI_EXIT_DAEMON : RUN_EXIT_FAILED;

	if (!attachment || reply == MAP_FAILED) {
		free(attachment);
		return cli_fail(cli, CLI_EXIT_FAILED, "no memory to attach a program");
	}
	attachment->cli = cli;
	attachment->reply = reply;
	if (config->entry) {
		attachment->entry = config->entry;
		attachment->entry_arg = config->entry_arg;
		config->entry = enter;
		config->entry_arg = attachment;
	}
	if (cli->stack_option) {
		code = cli_fail(cli, CLI_EXIT_USAGE,
				"--%s is a matter of the daemon's stack: give it to 'teeceepee up'",
				cli->stack_option);
	} else {
		attachment->fd = cli_daemon_connect(cli, cli->attach);
		if (attachment->fd >= 0) {
			code = start(attachment, config);
			close(attachment->fd);
		}
	}
	munmap(reply, sizeof(*reply));
	free(attachment);
	return code;
}

int cli_attached(struct cli *cli, int (*entry)(void *arg), void *arg)
{
	struct run_config config = {
		.entry = entry, .entry_arg = arg, .keeps_sigpipe_ignored = true};

	return cli_attached_program(cli, &config);
}
