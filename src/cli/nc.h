/* SPDX-License-Identifier: MIT */
/* The pieces of `teeceepee nc`: on a stack of our own (cmd_nc.c), on a daemon's (nc_attached.c). */
#ifndef CLI_NC_H
#define CLI_NC_H

#include <sys/uio.h>

#include "cli/cli.h"

enum { NC_CHUNK_BYTES = 128 * 1024, NC_DATAGRAM_MAX = 65507, NC_BACKLOG = 16 };

struct nc {
	struct cli cli;
	const char *name; /* HOST, or NULL when listening */
	uint16_t port, local_port;
	bool is_listening, is_udp, stays, is_verbose, only_connects;
	uint64_t idle_ns; /* -w; TEE_NEVER: none */

	struct tee_socket *socket;
	int fd;      /* the socket's, when attached */
	int stop_fd; /* readable: the reader of standard input is to end */
	int send_code;
	uint64_t sent_bytes; /* progress, for -w; under the lock */
	bool has_peer;       /* UDP: datagrams have somewhere to go */
};

/* ---- cmd_nc.c ---- */

int nc_fail_errno(const struct nc *nc, int code, const char *what, int error_number);
/* Waits until standard input has something, or we are to stop; false: stop. */
bool nc_wait_input(const struct nc *nc);
/* Makes nc_wait_input() return false, and true again. */
void nc_stop_input(const struct nc *nc);
void nc_clear_stop(const struct nc *nc);
/* Writes all of the pieces to standard output, whatever it takes at once; 0 or an errno. */
int nc_write_all(struct iovec *pieces, int count);

/* ---- nc_attached.c ---- */

/* The same over the system's sockets, which are a daemon's; the argument is the struct nc. */
int nc_run_attached(void *arg);

#endif
