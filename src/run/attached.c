// SPDX-License-Identifier: MIT
/*
 * A program that is started here and served elsewhere: by a daemon (src/daemon), which got the
 * descriptor of its notifications.
 *
 * What is left to do here is a parent's work: to pass signals on, and to wait. All that the program
 * starts becomes ours when its own parent ends (launch.c makes us a subreaper), so that having no children
 * any more means that all of it is over.
 *
 * When the daemon ends first, every socket call of the program's fails from then on, and nothing can bring its
 * connections back: it is told to end.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "run/private.h"

struct attached {
	pid_t child;
	int status;
	bool has_ended; /* the program itself */
	bool is_over;   /* nothing is left of it, or we were told not to wait for it */
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
	if (pid < 0 && errno == ECHILD)
		attached->is_over = true;
}

static void take_signals(struct attached *attached, int signal_fd)
{
	struct signalfd_siginfo info;

	while (read(signal_fd, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGCHLD)
			reap(attached);
		else if (attached->has_ended)
			attached->is_over = true;
		/* The terminal sends to the whole group, and so to the program too. */
		else if (info.ssi_code != SI_KERNEL)
			kill(attached->child, (int)info.ssi_signo);
	}
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
	while (!attached.is_over) {
		poll(fds, 2, -1);
		if (fds[1].revents) {
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
