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
#include <sys/socket.h>
#include <unistd.h>

#include "run/private.h"

struct attached {
	struct run_child child;
	bool is_unused; /* nothing is left of all that it started, or nobody can tell */
};

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
	attached.child.pid = launched.child;
	while ((!attached.child.has_ended || !attached.is_unused) &&
	       !attached.child.is_told_to_end) {
		poll(fds, 2, -1);
		if (fds[1].revents && !hear_daemon(&attached, control_fd)) {
			fds[1].fd = -1;
			on_left(arg);
			if (!attached.child.has_ended)
				kill(attached.child.pid, SIGTERM);
		}
		run_take_signals(&attached.child, fds[0].fd);
	}
	close(fds[0].fd);
	*ret_status = attached.child.status;
	return 0;
}
