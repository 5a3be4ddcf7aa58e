/* SPDX-License-Identifier: MIT */
/*
 * Starting passt and ending it.
 *
 * The process gets one end of a socket pair as descriptor 3 (-F 3): no path in the file system, nobody
 * else can connect, and when our end closes, even because this program died, passt sees the end of
 * the stream and ends. It runs in a process group of its own, so that a Ctrl-C at the terminal
 * reaches it only through us, after our connections have been closed.
 *
 * Whether it runs is asked, not guessed: an ARP probe (RFC 5227, sender address 0.0.0.0) goes out, which
 * passt answers for every address. Its answer in the socket is the sign of life and stays there, for the
 * stack to ignore. The end of the stream instead means that passt has given up; what it said on its
 * standard error becomes the reason in our sentence.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "link/passt_process.h"

enum {
	PASST_FD = 3, /* where the child finds its end */
	PASST_START_MS = 3000,
	PASST_END_MS = 1000,
	PASST_ARGS_MAX = 8 + 2 * LINK_SPEC_OPTIONS_MAX,
};

/* What passt_spawn() hands over; all descriptors are the caller's. */
struct passt_child {
	pid_t pid;
	int fd;        /* our end of the stream */
	int stderr_fd; /* what it says */
};

static int passt_spawn_with(char *const args[], int child_fd, int child_stderr, pid_t *ret_pid)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t none, defaults;
	int error;

	sigemptyset(&none);
	sigemptyset(&defaults);
	sigaddset(&defaults, SIGPIPE);
	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
						POSIX_SPAWN_SETSIGDEF);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &defaults);
	posix_spawn_file_actions_adddup2(&actions, child_stderr, STDERR_FILENO);
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, child_fd, PASST_FD);
	posix_spawn_file_actions_addclosefrom_np(&actions, PASST_FD + 1);
	error = posix_spawnp(ret_pid, "passt", &actions, &attr, args, environ);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&actions);
	return error;
}

/* Moves `fd` to where none of the child's 0 to 3 can collide with it; -1 on failure. */
static int move_up(int fd)
{
	int moved;

	if (fd < 0)
		return -1;
	moved = fcntl(fd, F_DUPFD_CLOEXEC, PASST_FD + 1);
	close(fd);
	return moved;
}

/* 0 or an errno value. */
static int passt_spawn(char *const args[], struct passt_child *ret_child)
{
	int stream[2], notes, error = EMFILE;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, stream) < 0)
		return errno;
	/* Memory, not a pipe: it takes what is said later without a reader and without SIGPIPE. */
	notes = memfd_create("passt's messages", MFD_CLOEXEC);
	stream[1] = move_up(stream[1]);
	notes = move_up(notes);
	if (stream[1] >= 0 && notes >= 0)
		error = passt_spawn_with(args, stream[1], notes, &ret_child->pid);
	if (stream[1] >= 0)
		close(stream[1]);
	if (error) {
		close(stream[0]);
		if (notes >= 0)
			close(notes);
		return error;
	}
	ret_child->fd = stream[0];
	ret_child->stderr_fd = notes;
	return 0;
}

/* An Ethernet frame with the length in front: who has 169.254.255.254? tell nobody. */
static int passt_ask(int fd)
{
	static const uint8_t probe[4 + 42] = {
		0,    0,    0,    42,                                               /* length */
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x52, 0x54, 0,   'T', 'E', 'F', /* to, from */
		8,    6,    0,    1,    8,    0,    6,    4,    0,   1,   /* ARP request */
		0x52, 0x54, 0,    'T',  'E',  'F',  0,    0,    0,   0,   /* sender */
		0,    0,    0,    0,    0,    0,    169,  254,  255, 254, /* target */
	};

	return send(fd, probe, sizeof(probe), MSG_NOSIGNAL) == (ssize_t)sizeof(probe) ? 0 : -1;
}

/* The first line that says something, cut out of what passt wrote. */
static const char *passt_reason(char *text)
{
	char *save, *line = strtok_r(text, "\n", &save);

	while (line && (!strncmp(line, "Failed to send", 14) || strstr(line, "Changing to nobody")))
		line = strtok_r(NULL, "\n", &save);
	return line ? line : "it said nothing";
}

static int passt_wait_ready(struct passt_child *child, char ret_error[TEE_LINK_ERROR_SIZE])
{
	struct pollfd fd = {.fd = child->fd, .events = POLLIN};
	char text[1024], byte;
	ssize_t len;

	if (passt_ask(child->fd) == 0 && poll(&fd, 1, PASST_START_MS) == 0)
		return link_fail(ret_error, -TEE_ETIMEDOUT, "passt was started but doesn't answer");
	if (recv(child->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0)
		return 0;
	len = pread(child->stderr_fd, text, sizeof(text) - 1, 0);
	text[len > 0 ? len : 0] = '\0';
	return link_fail(ret_error, -TEE_EIO,
			 "passt ended at once (%.150s): it needs an interface with a route; "
			 "slirp needs none",
			 passt_reason(text));
}

int passt_process_start(const struct link_spec *spec, uint32_t mtu, pid_t *ret_child,
			char ret_error[TEE_LINK_ERROR_SIZE])
{
	char mtu_text[16];
	char *args[PASST_ARGS_MAX] = {"passt", "-f", "-q", "-F", "3", "-m", mtu_text};
	unsigned n = 7;
	struct passt_child child = {0};
	int error, result;

	snprintf(mtu_text, sizeof(mtu_text), "%u", mtu);
	for (unsigned i = 0; i < spec->option_count; i++) {
		const struct link_option *option = &spec->options[i];
		bool is_tcp = !strcmp(option->key, "tcp");

		if (!is_tcp && strcmp(option->key, "udp") != 0)
			continue;
		args[n++] = is_tcp ? "-t" : "-u";
		args[n++] = (char *)option->value;
	}
	error = passt_spawn(args, &child);
	if (error == ENOENT)
		return link_fail(
			ret_error, -TEE_ENOENT,
			"passt isn't installed: 'apt install passt', or use the link slirp");
	if (error)
		return link_fail(ret_error, link_result_of_errno(error),
				 "passt can't be started: %s", strerror(error));
	result = passt_wait_ready(&child, ret_error);
	close(child.stderr_fd);
	if (result < 0) {
		close(child.fd);
		passt_process_end(child.pid);
		return result;
	}
	*ret_child = child.pid;
	return child.fd;
}

/* Did the process end within that time? */
static bool process_ends(int pidfd, int timeout_ms)
{
	struct pollfd fd = {.fd = pidfd, .events = POLLIN};

	return pidfd >= 0 && poll(&fd, 1, timeout_ms) > 0;
}

void passt_process_end(pid_t child)
{
	int pidfd;

	if (child <= 0)
		return;
	pidfd = (int)syscall(SYS_pidfd_open, child, 0);
	if (!process_ends(pidfd, PASST_END_MS)) {
		kill(child, SIGTERM);
		if (!process_ends(pidfd, PASST_END_MS))
			kill(child, SIGKILL);
	}
	waitpid(child, NULL, 0);
	if (pidfd >= 0)
		close(pidfd);
}
