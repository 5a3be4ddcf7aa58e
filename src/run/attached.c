// SPDX-License-Identifier: MIT
/*
 * A program that is started here and served elsewhere: by a daemon (src/daemon), which got the
 * descriptor of its notifications.
 *
 * What is left to do here is a parent's work: to pass signals on, and to wait. That nothing is left of
 * what the program has started, the daemon tells by a message.
 *
 * When the daemon ends first, every socket call of the program's fails from then on, and nothing can bring its
 * connections back: it is told to end.
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "run/private.h"

struct attached {
	pid_t child;
	int status;
	bool has_ended; /* the program itself */
	bool is_unused; /* nothing is left of all that it started, or nobody can tell */
	bool is_told_to_end;
};

static void reap(struct attached *attached)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		if (pid == attached->child) {
			attached->status = status;
			attached->has_ended = true;
		}
}

static void take_signals(struct attached *attached, int signal_fd)
{
	struct signalfd_siginfo info;

	while (read(signal_fd, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGCHLD)
			reap(attached);
		else if (attached->has_ended)
			attached->is_told_to_end = true;
		/* The terminal sends to the whole group, and so to the program too. */
		else if (info.ssi_code != SI_KERNEL)
			kill(attached->child, (int)info.ssi_signo);
	}
}

/* false: the daemon has ended, or is about to. */
static bool hear_daemon(struct attached *attached, int control_fd)
{
	char message[16];
	ssize_t len = recv(control_fd, message, sizeof(message), MSG_DONTWAIT);

	attached->is_unused = true;
	return len > 0;
}

int run_program_attached(const struct run_config *config, int control_fd,
			 void (*on_left)(void *arg), void *arg, int *ret_status,
			 char ret_error[TEE_HOST_ERROR_SIZE])
{
	struct attached attached = {0};
	struct run_launched launched;
	struct pollfd fds[2] = {{.fd = run_open_signals(), .events = POLLIN},
				{.fd = control_fd, .events = POLLIN}};
	int result;

	if (fds[0].fd < 0) {
		snprintf(ret_error, TEE_HOST_ERROR_SIZE, "can't wait for signals: %s",
			 strerror(-fds[0].fd));
		return RUN_EXIT_FAILED;
	}
	result = run_launch(config, &launched, ret_error);
	if (result) {
		close(fds[0].fd);
		return result;
	}
	/* A copy of ours would keep the program waiting for answers when the daemon is gone. */
	close(launched.notify_fd);
	attached.child = launched.child;
	while ((!attached.has_ended || !attached.is_unused) && !attached.is_told_to_end) {
		poll(fds, 2, -1);
		if (fds[1].revents && !hear_daemon(&attached, control_fd)) {
			fds[1].fd = -1;
			on_left(arg);
			if (!attached.has_ended)
				kill(attached.child, SIGTERM);
		}
		take_signals(&attached, fds[0].fd);
	}
	close(fds[0].fd);
	*ret_status = attached.status;
	return 0;
}
