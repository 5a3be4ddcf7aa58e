/* SPDX-License-Identifier: MIT */
/*
 * What the sub-commands share: the common options, a host opened by them, its orderly end, and how
 * a message looks.
 *
 * A sub-command is a function main()-like in a row of the table in main.c:
 *   1. cli_init(), then argp_parse() with cli_common_argp as a child;
 *   2. cli_open(): signals, link, stack, address; 0 or the exit code, the message printed;
 *   3. its own work; cli_is_ending() tells of Ctrl-C;
 *   4. return cli_close(&cli, code).
 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <argp.h>
#include <stdbool.h>
#include <stdio.h>
#include <teeceepee/host.h>

#include "cli/exit.h"

enum cli_color { CLI_COLOR_AUTO, CLI_COLOR_ALWAYS, CLI_COLOR_NEVER };
enum cli_trace_level { CLI_TRACE_OFF, CLI_TRACE_SEGMENTS, CLI_TRACE_ALL };

struct trace_printer;
struct daemon_reply;
struct daemon_socket;
struct run_config;

struct cli {
	const char *name; /* "teeceepee curl": what messages begin with */
	struct tee_host_config config;
	unsigned stacks; /* that the command opens on its link, each with a queue; 0: one */
	enum cli_trace_level trace_level;
	enum cli_color color;
	bool wants_stats, wants_json;
	struct tee_host *host;
	struct trace_printer *tracer;
	int cancel_fd, usr1_fd; /* eventfds that the signal handler writes */
	bool usage_failed;
	const char *attach;       /* the daemon to attach to, or NULL */
	const char *stack_option; /* one that was given and concerns a stack of our own, or NULL */
	/* What the daemon said of itself; set while we work on its stack, when `host` is NULL. */
	const struct daemon_reply *daemon;
};

struct cli_command {
	const char *name, *summary;
	int (*run)(int argc, char **argv);
};

int cmd_curl(int argc, char **argv);
int cmd_serve(int argc, char **argv);
int cmd_nc(int argc, char **argv);
int cmd_ping(int argc, char **argv);
int cmd_run(int argc, char **argv);
int cmd_up(int argc, char **argv);
int cmd_down(int argc, char **argv);
int cmd_ss(int argc, char **argv);
int cmd_sim(int argc, char **argv);
int cmd_link(int argc, char **argv);
int cmd_version(int argc, char **argv);
int cmd_help(int argc, char **argv);

/* ---- common.c ---- */

/* Options of every sub-command that has a stack; its input is a struct cli. */
extern const struct argp cli_common_argp;

void cli_init(struct cli *cli, const char *name);
/* Parses; on a wrong option prints and exits with CLI_EXIT_USAGE, as argp does. */
void cli_parse(const struct argp *argp, int argc, char **argv, void *input);
int cli_open(struct cli *cli);
/*
 * Closes connections with up to two seconds for their FINs, prints what --stats and --trace promise,
 * closes the link. Returns `code`, or 128 plus the signal that ended us.
 */
int cli_close(struct cli *cli, int code);
/* "NAME: message" on standard error, one line. Returns `code`. */
int cli_fail(const struct cli *cli, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* Whole number in [min, max]; else an argp error that ends the program. */
uint64_t cli_number(struct argp_state *state, const char *option, const char *text, uint64_t min,
		    uint64_t max);
/* "2.5" (seconds) as nanoseconds; else an argp error. */
uint64_t cli_seconds(struct argp_state *state, const char *option, const char *text);

/* Why the link has ended, or "". */
const char *cli_link_error(const struct cli *cli);

/* ---- attach.c ---- */

/*
 * The way of a sub-command with --attach: `entry` runs in a process of its own, in which the system's
 * socket calls are those of the daemon's stack, and returns the exit code.
 */
int cli_attached(struct cli *cli, int (*entry)(void *arg), void *arg);
/* Runs a program (config->words) on the daemon's stack; the exit code, or ends as the program did. */
int cli_attached_program(struct cli *cli, struct run_config *config);
/* Ends as a program did whose wait status this is: by the same signal, or returns the exit code. */
int cli_end_as(int status);
/* What connect(), bind() … say, as an exit code. */
int cli_exit_of_errno(int error_number);
/*
 * A connection to a daemon, or -1 with the message printed. Without a name (NULL) it is the only one that
 * is up.
 */
int cli_daemon_connect(const struct cli *cli, const char *name);

/* ---- signals.c ---- */

/* SIGINT, SIGTERM, SIGHUP make cancel_fd readable, once; the second time they kill. SIGPIPE is ignored. */
int cli_signals_init(struct cli *cli);
/* The signal that asked us to end, or 0. */
int cli_signal(void);

/* ---- term.c ---- */

/* Escape sequences for `stream`, or empty strings when it wants no colour. */
struct cli_style {
	const char *reset, *bold, *dim, *red, *green, *yellow, *cyan;
};
const struct cli_style *cli_style(enum cli_color color, FILE *stream);
bool cli_is_utf8(void);
/* A string with JSON's escapes and quotes. */
void cli_json_string(FILE *out, const char *text);

/* ---- ss.c ---- */

/* What of the sockets is shown, and how, by the options of ss(8). */
struct ss_view {
	bool hides_tcp, hides_udp; /* neither: a column tells which it is */
	bool wants_listening;      /* those that wait for others only */
	bool wants_all;            /* else only those with a peer */
	bool wants_info, wants_processes, wants_json, has_no_header;
};

/* Rows of what a daemon told. */
void ss_print(FILE *out, const struct ss_view *view, const struct daemon_socket *sockets,
	      size_t count);

/* All sockets of the stack, in the manner of ss(8); the host's lock is held. */
void cli_print_sockets(FILE *out, struct tee_stack *stack, bool as_json);
/* Counters that aren't zero, in the manner of netstat -s, stack and link; the host's lock is held. */
void cli_print_counters(FILE *out, struct tee_host *host, bool as_json);

#endif
