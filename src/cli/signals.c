// SPDX-License-Identifier: MIT
/*
 * Signals. The handler does two things only: it remembers the signal and writes to an eventfd, which
 * the host's loop (config.cancel_fd) and our own waits poll. The second request to end is obeyed at
 * once, by the default action.
 *
 * A signal that was ignored when we were started (nohup) stays ignored.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "cli/cli.h"

static atomic_int ending_signal; /* read by every thread of serve */
static volatile int cancel_fd = -1, usr1_fd = -1;

static void raise_flag(int fd)
{
	const uint64_t one = 1;
	int saved = errno;
	ssize_t result = write(fd, &one, sizeof(one));

	(void)result;
	errno = saved;
}

static void on_end(int signal_number)
{
	if (ending_signal) {
		signal(signal_number, SIG_DFL);
		raise(signal_number);
		return;
	}
	ending_signal = signal_number;
	raise_flag(cancel_fd);
}

static void on_usr1(int signal_number)
{
	(void)signal_number;
	raise_flag(usr1_fd);
}

static void catch_signal(int signal_number, void (*handler)(int))
{
	struct sigaction action = {.sa_handler = handler}, before;

	sigemptyset(&action.sa_mask);
	if (sigaction(signal_number, NULL, &before) == 0 && before.sa_handler == SIG_IGN)
		return;
	sigaction(signal_number, &action, NULL);
}

int cli_signals_init(struct cli *cli)
{
	cli->cancel_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	cli->usr1_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (cli->cancel_fd < 0 || cli->usr1_fd < 0)
		return cli_fail(cli, CLI_EXIT_FAILED, "can't make an eventfd: %s", strerror(errno));
	cancel_fd = cli->cancel_fd;
	usr1_fd = cli->usr1_fd;
	catch_signal(SIGINT, on_end);
	catch_signal(SIGTERM, on_end);
	catch_signal(SIGHUP, on_end);
	catch_signal(SIGUSR1, on_usr1);
	signal(SIGPIPE, SIG_IGN);
	return 0;
}

int cli_signal(void)
{
	return ending_signal;
}
