// SPDX-License-Identifier: MIT
/*
 * The program's start.
 *
 *   1. fork(). The child puts itself under the filter, and tells the number of its notification
 *      descriptor through a pipe. From here on its socket calls come to us.
 *   2. We fetch that descriptor (pidfd_getfd) and write a byte back.
 *   3. The child closes its own and becomes the program. The pipe closes by that; when exec fails,
 *      errno comes through it first.
 *
 * We are the program's ancestor, and adopt what its descendants leave behind (a subreaper), so that
 * Yama lets us see all of them. The program gets the terminal, the process group, the limits and the
 * signals that it would have had without us.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "run/private.h"

enum { STEP_FILTER, STEP_LISTENER, STEP_EXEC };

struct word {
	int step, value; /* of STEP_LISTENER a descriptor, else an errno */
};

/* Linux 6.6: the answered thread runs where we ran, which saves a trip between processors. */
#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS
# define SECCOMP_IOCTL_NOTIF_SET_FLAGS SECCOMP_IOW(4, __u64)
#endif
#define SYNC_WAKE_UP 1

static struct rlimit files_before;

/* We hold a descriptor for each connection of the program's. */
static void raise_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &files_before) < 0)
		return;
	limit = files_before;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static void say(int fd, int step, int value)
{
	struct word word = {step, value};
	ssize_t written = write(fd, &word, sizeof(word));

	(void)written;
}

static bool hear(int fd, struct word *ret_word)
{
	ssize_t count;

	do
		count = read(fd, ret_word, sizeof(*ret_word));
	while (count < 0 && errno == EINTR);
	return count == sizeof(*ret_word);
}

/* Our own function in the program's place; what exec would have closed is closed. */
_Noreturn static void enter(const struct run_config *config, int to_parent, int from_parent)
{
	close(to_parent);
	close(from_parent);
	exit(config->entry(config->entry_arg));
}

_Noreturn static void become(const struct run_config *config, const char *path, int to_parent,
			     int from_parent)
{
	sigset_t none;
	char byte;
	int fd;

	if (!config->keeps_sigpipe_ignored)
		signal(SIGPIPE, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setrlimit(RLIMIT_NOFILE, &files_before);
	if (config->supervisor > 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		/* Yama 1: it is no ancestor of ours, but may look into us all the same. */
		prctl(PR_SET_PTRACER, (unsigned long)config->supervisor);
	} else {
		/* Without us its calls fail and its connections are dead: better it is told to end. */
		prctl(PR_SET_PDEATHSIG, SIGTERM);
	}
	fd = run_filter_install();
	if (fd < 0) {
		say(to_parent, STEP_FILTER, -fd);
		_exit(RUN_EXIT_FAILED);
	}
	say(to_parent, STEP_LISTENER, fd);
	if (read(from_parent, &byte, 1) != 1)
		_exit(RUN_EXIT_FAILED);
	close(fd);
	if (config->entry)
		enter(config, to_parent, from_parent);
	execv(path, config->words);
	say(to_parent, STEP_EXEC, errno);
	_exit(RUN_EXIT_FAILED);
}

/* ---- which file it is ---- */

static bool is_program(const char *path)
{
	struct stat status;

	return stat(path, &status) == 0 && S_ISREG(status.st_mode) && access(path, X_OK) == 0;
}

/* The file that execvp() would take, to be freed; NULL: none. */
static char *find_program(const char *name)
{
	const char *path = getenv("PATH");

	if (strchr(name, '/'))
		return strdup(name);
	if (!path)
		path = "/usr/local/bin:/usr/bin:/bin";
	while (*path) {
		size_t len = strcspn(path, ":");
		char *file = NULL;

		if (asprintf(&file, "%.*s/%s", len ? (int)len : 1, len ? path : ".", name) < 0)
			return NULL;
		if (is_program(file))
			return file;
		free(file);
		path += len + (path[len] == ':');
	}
	return NULL;
}

/*
 * Under the filter nobody gains privileges by starting a program, so that one which needs them would
 * fail in some odd way later.
 */
static int check_program(const char *path, char *ret_error)
{
	struct stat status;

	if (stat(path, &status) < 0) {
		snprintf(ret_error, TEE_HOST_ERROR_SIZE, "can't run %s: %s", path, strerror(errno));
		return errno == ENOENT ? RUN_EXIT_NOT_FOUND : RUN_EXIT_NOT_EXECUTABLE;
	}
	if ((status.st_mode & S_ISUID && status.st_uid != geteuid()) ||
	    (status.st_mode & S_ISGID && status.st_mode & S_IXGRP && status.st_gid != getegid())) {
		snprintf(
			ret_error, TEE_HOST_ERROR_SIZE,
			"%s is a set-user-id program, and would run without the rights that it needs: "
			"run teeceepee itself as the user whom it should work for",
			path);
		return RUN_EXIT_NOT_EXECUTABLE;
	}
	return 0;
}

/* ---- the parent ---- */

static int fail_step(const struct word *word, const char *path, char *ret_error)
{
	if (word->step == STEP_EXEC) {
		snprintf(ret_error, TEE_HOST_ERROR_SIZE, "can't run %s: %s", path,
			 strerror(word->value));
		return word->value == ENOENT ? RUN_EXIT_NOT_FOUND : RUN_EXIT_NOT_EXECUTABLE;
	}
	snprintf(ret_error, TEE_HOST_ERROR_SIZE, "can't set up the system-call filter: %s%s",
		 strerror(word->value),
		 word->value == EINVAL  ? " (it needs Linux 5.19 or later, with seccomp)"
		 : word->value == EBUSY ? " (a program that is watched this way can't watch others)"
					: "");
	return RUN_EXIT_FAILED;
}

static int meet(const struct run_config *config, const char *path, struct run_launched *launched,
		int from_child, int to_child, char *ret_error)
{
	struct word word;
	int result;

	if (!hear(from_child, &word)) {
		snprintf(ret_error, TEE_HOST_ERROR_SIZE, "the program ended before it began");
		return RUN_EXIT_FAILED;
	}
	if (word.step != STEP_LISTENER)
		return fail_step(&word, path, ret_error);
	result = run_take_fd(launched->child, word.value);
	if (result < 0) {
		snprintf(
			ret_error, TEE_HOST_ERROR_SIZE,
			"can't look into the program that is to be run: %s%s", strerror(-result),
			result == -EPERM
				? " (/proc/sys/kernel/yama/ptrace_scope may forbid it: 0 and 1 do not)"
				: "");
		return RUN_EXIT_FAILED;
	}
	launched->notify_fd = result;
	ioctl(launched->notify_fd, SECCOMP_IOCTL_NOTIF_SET_FLAGS, SYNC_WAKE_UP);
	if (config->hand_over) {
		result = config->hand_over(config->hand_over_arg, launched->notify_fd,
					   launched->child, ret_error);
		if (result)
			return result;
	}
	if (write(to_child, "", 1) == 1 && hear(from_child, &word))
		return fail_step(&word, path, ret_error);
	return 0;
}

static int start(const struct run_config *config, const char *path, struct run_launched *launched,
		 char *ret_error)
{
	int up[2] = {-1, -1}, down[2], result;

	if (pipe2(up, O_CLOEXEC) < 0 || pipe2(down, O_CLOEXEC) < 0) {
		snprintf(ret_error, TEE_HOST_ERROR_SIZE, "can't make a pipe: %s", strerror(errno));
		if (up[0] >= 0) {
			close(up[0]);
			close(up[1]);
		}
		return RUN_EXIT_FAILED;
	}
	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	raise_limit();
	launched->child = fork();
	if (launched->child == 0) {
		close(up[0]);
		close(down[1]);
		become(config, path, up[1], down[0]);
	}
	close(up[1]);
	close(down[0]);
	if (launched->child < 0) {
		snprintf(ret_error, TEE_HOST_ERROR_SIZE, "fork: %s", strerror(errno));
		result = RUN_EXIT_FAILED;
	} else {
		result = meet(config, path, launched, up[0], down[1], ret_error);
	}
	close(up[0]);
	close(down[1]);
	if (result && launched->child > 0)
		waitpid(launched->child, NULL, 0);
	return result;
}

int run_launch(const struct run_config *config, struct run_launched *ret_launched, char *ret_error)
{
	struct run_launched launched = {.child = 0, .notify_fd = -1};
	char *path = config->entry ? strdup("ourselves") : find_program(config->words[0]);
	int result = 0;

	if (!path) {
		snprintf(ret_error, TEE_HOST_ERROR_SIZE, "there is no program '%s'",
			 config->words[0]);
		return RUN_EXIT_NOT_FOUND;
	}
	if (!config->entry)
		result = check_program(path, ret_error);
	if (!result)
		result = start(config, path, &launched, ret_error);
	free(path);
	if (result && launched.notify_fd >= 0)
		close(launched.notify_fd);
	if (!result)
		*ret_launched = launched;
	return result;
}
