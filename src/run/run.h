/* SPDX-License-Identifier: MIT */
/*
 * Unmodified programs on a stack: the program runs under a seccomp filter, this process answers
 * its socket calls.
 *
 *   1. tee_host_open(); then run_program_start() with the program's words: it starts, and its first socket
 *      call already comes to us.
 *   2. run_program_serve() until the program, and all that it started, has ended.
 *   3. run_program_end(), then close the host.
 *
 * The process that starts a program and the one that answers may be two (`--attach`): the first calls
 * run_program_attached(), whose `hand_over` brings the descriptor of the notifications to the second; that
 * one calls run_program_adopt(), turns its host's loop, and run_program_end() once run_program_is_over().
 */
#ifndef RUN_RUN_H
#define RUN_RUN_H

#include <signal.h>
#include <sys/types.h>
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
	/* A sentence for whoever looks after us: what goes on, but not as it should. Or NULL. */
	void (*on_trouble)(void *arg, const char *sentence);
	void *on_trouble_arg;
	bool keeps_sigpipe_ignored; /* we were started with SIGPIPE ignored, and so is the program */

	/* ---- attached: where the program is started ---- */
	/* Instead of `words`: a function of our own, whose result is the exit status. */
	int (*entry)(void *arg);
	void *entry_arg;
	/*
	 * Brings `notify_fd`, which stays the caller's, to the supervisor; the program waits meanwhile. 0,
	 * or RUN_EXIT_… and a sentence.
	 */
	int (*hand_over)(void *arg, int notify_fd, pid_t child, char *ret_error);
	void *hand_over_arg;
	pid_t supervisor; /* it may look into the program, which dies when we are killed */

	/* ---- attached: where it is served ---- */
	const char *dir; /* private sockets are made below it; NULL: where the system keeps such */
	void (*on_unused)(void *arg); /* no process is left under the filter; in the host's loop */
	void *on_unused_arg;
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

/*
 * Starts a program that another process serves, and waits for its end and that of all that it started.
 * Signals go to it as in run_program_serve(). Over the socket `control_fd` comes a message once no process of
 * it is left. Its end says that the supervisor ends: then `on_left` is called, and the program is asked
 * to end (SIGTERM), as it has no network any more. 0 and the wait status, or RUN_EXIT_… and a sentence.
 */
int run_program_attached(const struct run_config *config, int control_fd,
			 void (*on_left)(void *arg), void *arg, int *ret_status,
			 char ret_error[TEE_HOST_ERROR_SIZE]);
/*
 * Serves a program that another process started: its notifications, which are the run's from now on, also
 * on failure. `program` is its process, as a hint. 0 or RUN_EXIT_… and a sentence.
 */
int run_program_adopt(const struct run_config *config, int notify_fd, pid_t program,
		      struct run **ret_run, char ret_error[TEE_HOST_ERROR_SIZE]);
/* Is no process of it left? */
bool run_program_is_unused(const struct run *run);
/* And has all that it wrote been carried to its peers? */
bool run_program_is_over(struct run *run);
/*
 * Each socket that a program has: `inode` is that of the descriptor's, as /proc/PID/fd shows it; `family` says
 * which addresses it takes.
 */
typedef void run_holder_fn(void *arg, const struct tee_socket *socket, uint64_t inode,
			   enum tee_family family);
void run_program_sockets(struct run *run, run_holder_fn *fn, void *arg);

#endif
