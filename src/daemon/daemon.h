/* SPDX-License-Identifier: MIT */
/*
 * The stack as a daemon: it keeps its address and its connections' remains while programs come and
 * go, and serves each of them as src/run does one.
 *
 *   1. daemon_place_claim() takes the name; then tee_host_open().
 *   2. daemon_new(); turn the host's loop until daemon_is_ending().
 *   3. daemon_end(): programs are told and given a moment; then close the host, so that connections end
 *      with FIN or RST and the lease goes back; daemon_free().
 *
 * What a client asks for is a message (ask.h), answered at once or not at all: the daemon waits for nobody.
 */
#ifndef DAEMON_DAEMON_H
#define DAEMON_DAEMON_H

#include <teeceepee/host.h>

struct daemon;

/* `link` is how the user named the link. NULL without memory. */
struct daemon *daemon_new(struct tee_host *host, int listen_fd, const char *work_dir,
			  const char *link);
/* Has somebody asked it to end? */
bool daemon_is_ending(const struct daemon *daemon);
/* Ends the programs that are attached: those that have not ended by themselves within the grace lose their sockets. */
void daemon_end(struct daemon *daemon, uint64_t grace_ns);
/* After daemon_end(); the host may be closed already. NULL is legal. */
void daemon_free(struct daemon *daemon);

#endif
