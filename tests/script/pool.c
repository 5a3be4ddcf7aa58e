/* SPDX-License-Identifier: MIT */
/*
 * The pool: a process for each script, as many at once as there are processors. The child writes
 * its outcome into a pipe; one that ends without having written, crashed, and one that works too
 * long is ended by its own alarm.
 */
#include "pool.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PARALLEL_MAX = 64, SCRIPT_SECONDS_MAX = 60 };

struct worker {
	pid_t pid;
	int fd;
	struct job *job;
	size_t got;
	double started;
};

static double now_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

_Noreturn static void be_worker(int fd, const struct job *job, const struct run_options *options)
{
	static struct run_outcome outcome;
	const char *at = (const char *)&outcome;
	size_t left = sizeof(outcome);

	alarm(SCRIPT_SECONDS_MAX);
	run_file(job->path, options, &outcome);
	fflush(stdout);
	while (left) {
		ssize_t wrote = write(fd, at, left);

		if (wrote <= 0)
			_exit(3);
		at += wrote;
		left -= (size_t)wrote;
	}
	_exit(0);
}

static bool start(struct worker *worker, struct job *job, const struct run_options *options)
{
	int fds[2];

	fflush(stdout);
	if (pipe(fds) < 0)
		return false;
	worker->pid = fork();
	if (worker->pid < 0) {
		close(fds[0]);
		close(fds[1]);
		return false;
	}
	if (!worker->pid) {
		close(fds[0]);
		be_worker(fds[1], job, options);
	}
	close(fds[1]);
	worker->fd = fds[0];
	worker->job = job;
	worker->got = 0;
	worker->started = now_seconds();
	return true;
}

static void note_crash(struct job *job, int status)
{
	job->outcome = (struct run_outcome){.verdict = RUN_FAIL};
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
		snprintf(job->outcome.text, RUN_TEXT_SIZE, "%s: still running after %d s\n",
			 job->path, SCRIPT_SECONDS_MAX);
	else if (WIFSIGNALED(status))
		snprintf(job->outcome.text, RUN_TEXT_SIZE, "%s: ended by signal %d (%s)\n",
			 job->path, WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		snprintf(job->outcome.text, RUN_TEXT_SIZE, "%s: ended with status %d\n", job->path,
			 WEXITSTATUS(status));
}

/* Reads what has come; true when the worker is done. */
static bool serve(struct worker *worker)
{
	struct job *job = worker->job;
	char *to = (char *)&job->outcome;
	ssize_t got = read(worker->fd, to + worker->got, sizeof(job->outcome) - worker->got);
	int status = 0;

	if (got > 0) {
		worker->got += (size_t)got;
		if (worker->got < sizeof(job->outcome))
			return false;
	} else if (got < 0 && errno == EINTR) {
		return false;
	}
	close(worker->fd);
	waitpid(worker->pid, &status, 0);
	if (worker->got < sizeof(job->outcome))
		note_crash(job, status);
	job->seconds = now_seconds() - worker->started;
	return true;
}

void pool_run(struct job *jobs, unsigned count, const struct run_options *options,
	      unsigned parallel, void (*done)(void *arg, const struct job *job), void *arg)
{
	struct worker workers[PARALLEL_MAX];
	struct pollfd polls[PARALLEL_MAX];
	unsigned busy = 0, next = 0, told = 0;
	bool *is_done = calloc(count + 1, sizeof(*is_done));

	if (!is_done) {
		fputs("teeceepee-script: out of memory\n", stderr);
		exit(2);
	}
	if (parallel > PARALLEL_MAX)
		parallel = PARALLEL_MAX;
	while (told < count) {
		while (busy < parallel && next < count &&
		       start(&workers[busy], &jobs[next], options)) {
			busy++;
			next++;
		}
		if (!busy) {
			fprintf(stderr, "teeceepee-script: cannot start a process: %s\n",
				strerror(errno));
			exit(2);
		}
		for (unsigned i = 0; i < busy; i++)
			polls[i] = (struct pollfd){.fd = workers[i].fd, .events = POLLIN};
		if (poll(polls, busy, -1) < 0)
			continue;
		for (unsigned i = busy; i-- > 0;) {
			if (!polls[i].revents || !serve(&workers[i]))
				continue;
			is_done[workers[i].job - jobs] = true;
			workers[i] = workers[--busy];
		}
		while (told < count && is_done[told])
			done(arg, &jobs[told++]);
	}
	free(is_done);
}
