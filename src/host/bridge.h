/* SPDX-License-Identifier: MIT */
/*
 * A stack socket joined to a descriptor: the inside of tee_bridge(), and what is needed to join a
 * descriptor that is there already.
 *
 *   1. The caller has a TCP socket (connecting or connected) and one end of an AF_UNIX stream pair.
 *   2. bridge_new() takes both over. Bytes, half-closes and resets pass from then on.
 *   3. The bridge ends by itself when both directions have ended; then hooks->on_end comes.
 */
#ifndef HOST_BRIDGE_H
#define HOST_BRIDGE_H

#include "host/host.h"

struct bridge_hooks {
	/*
	 * A duplicate of the far end of the pair, for an instant, to pass a reset on; -1 when it can't
	 * be had. May be NULL: then a reset arrives as a closed stream.
	 */
	int (*dup_far_end)(void *arg);
	/*
	 * The bridge is over; `error` is what ended the connection (positive) or 0. Must not end other
	 * bridges. May be NULL.
	 */
	void (*on_end)(void *arg, int error);
	void *arg;
};

/* Lock held. On failure both stay the caller's: -TEE_ENOMEM and what epoll says. */
int bridge_new(struct tee_host *host, struct tee_socket *socket, int fd,
	       const struct bridge_hooks *hooks, struct bridge **ret_bridge);
/* The bridge's socket, to ask it for names and options. */
/* Bytes that the far end has written and that are not in the send queue yet. */
uint32_t bridge_unread(const struct bridge *bridge);
struct tee_socket *bridge_socket(const struct bridge *bridge);
/* shutdown(SHUT_RD) of the far end: it reads the end of the stream, what still comes is thrown away. */
void bridge_stop_in(struct bridge *bridge);
/* Ends it now: what the far end has written is queued, then FIN; or RST when `aborts`. */
void bridge_end(struct bridge *bridge, bool aborts);

/* Carries on with bridges that had more than their share the last time. */
void bridge_run_queue(struct tee_host *host);
bool bridge_has_queue(const struct tee_host *host);
/* The link is gone: every far end reads ECONNRESET. */
void bridge_reset_all(struct tee_host *host);
/* Ends all, leaving the sockets open and shut down for sending. */
void bridge_end_all(struct tee_host *host);

#endif
