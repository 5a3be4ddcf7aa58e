/* SPDX-License-Identifier: MIT */
/*
 * Unmodified programs on a stack: the program runs under a seccomp filter, this process answers
 * its socket calls.
 *
 *   1. tee_host_open(); then run_program_start() with the program's words: it starts, and its first socket
 *      call already comes to us.
 *   2. run_program_serve() until the program, and all that it started, has ended.
 *   3. run_program_end(), then close the host.
 */
#ifndef RUN_RUN_H
#define RUN_RUN_H

#include <signal.h>
#include <teeceepee/host.h>

struct run;

enum { RUN_PUBLISH_MAX = 32 };

/* A port of the host's that leads to a port of the program's. */
struct run_publish {
	struct tee_endpoint host; /* where we listen, an address of the host's */
	uint16_t port;            /* the program's */
};

struct run_config {
	struct tee_host *host;
	char **words; /* the program and its arguments, ended by NULL */
	struct run_publish publish[RUN_PUBLISH_MAX];
	unsigned publish_count;
	bool allows_host_loopback; /* 127.0.0.0/8 and ::1 are the host's, where nobody of ours listens */
	bool keeps_sigpipe_ignored; /* we were started with SIGPIPE ignored, and so is the program */
};

/* What the caller does with a program that can't be started, in the manner of sh(1) and env(1). */
enum { RUN_EXIT_FAILED = 125, RUN_EXIT_NOT_EXECUTABLE = 126, RUN_EXIT_NOT_FOUND = 127 };

/*
 * Starts the program. 0, or one of RUN_EXIT_… with a sentence in `ret_error`; then nothing is left
 * of it.
 */
int run_program_start(const struct run_config *config, struct run **ret_run,
		      char ret_error[TEE_HOST_ERROR_SIZE]);
/*
 * Serves the program to its end, and its descendants to theirs. SIGTERM, SIGHUP and the like go to the
 * program; once it has ended, they end us. Returns the program's wait status.
 */
int run_program_serve(struct run *run);
/* Ends what is still open, in order. NULL is legal. */
void run_program_end(struct run *run);

#endif
