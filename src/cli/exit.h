/* SPDX-License-Identifier: MIT */
/*
 * Exit codes, one table for all sub-commands. Below 100 a code means what it means in curl(1); from
 * 110 on stand the matters of links and addresses, which curl doesn't know. The man page has the
 * same table.
 */
#ifndef CLI_EXIT_H
#define CLI_EXIT_H

enum cli_exit {
	CLI_EXIT_OK = 0,
	CLI_EXIT_FAILED = 1, /* anything without a code of its own; ping: no answer */
	CLI_EXIT_USAGE = 2,  /* wrong options or arguments */
	CLI_EXIT_BAD_URL = 3,
	CLI_EXIT_NAME = 6,    /* the name was not found */
	CLI_EXIT_REFUSED = 7, /* connection refused */
	CLI_EXIT_WRITE = 23,  /* can't write what came in: disk full and the like */
	CLI_EXIT_READ = 26,   /* can't read what is to be sent or served */
	CLI_EXIT_TIMEOUT = 28,
	CLI_EXIT_RESET = 56,             /* the connection was reset or broke */
	CLI_EXIT_LINK_UNKNOWN = 110,     /* no such kind of link */
	CLI_EXIT_LINK_PERMISSION = 111,  /* the link needs a privilege that is missing */
	CLI_EXIT_LINK_FAILED = 112,      /* the link can't be opened */
	CLI_EXIT_LINK_GONE = 113,        /* the link or interface went away while running */
	CLI_EXIT_ADDRESS_CONFLICT = 114, /* somebody else has our address */
	CLI_EXIT_NO_ADDRESS = 115,       /* no address could be had */
	CLI_EXIT_UNREACHABLE = 116,      /* no route, or nobody there */
	CLI_EXIT_PORT_IN_USE = 117,
	CLI_EXIT_DAEMON = 118, /* no such daemon, or it refuses; `up`: there is one already */
	CLI_EXIT_SIGNAL = 128, /* plus the signal's number: 130 is Ctrl-C */
};

/* What a failed call on a connection (-TEE_E…) means for the exit code. */
int cli_exit_of_error(int error);
/* The same for tee_host_open(); `link` is the link string. */
int cli_exit_of_open(int error, const char *link);
/*
 * The last of standard output leaves, where a full disk shows. Returns `code`; CLI_EXIT_WRITE, and says why, if that
 * is the only thing that went wrong.
 */
int cli_end_output(const char *name, int code);
/* The same for whoever calls exit(), as --help, --usage and lists do. */
void cli_watch_exit(void);

#endif
