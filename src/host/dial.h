/* SPDX-License-Identifier: MIT */
/* Connecting by name without blocking; what tee_dial() stands on. */
#ifndef HOST_DIAL_H
#define HOST_DIAL_H

#include "host/host.h"

struct dial;

/* `socket` is the caller's; or NULL with an error below 0 and a sentence (during the call only). */
typedef void dial_fn(void *arg, struct tee_socket *socket, int result, const char *error);

/*
 * Begins; lock held. The callback comes once, perhaps from within this call; unless dial_cancel() comes
 * before it. NULL: it has come already.
 */
struct dial *dial_start(struct tee_host *host, const char *name, uint16_t port, uint64_t timeout_ns,
			dial_fn *fn, void *arg);
void dial_cancel(struct dial *dial); /* NULL is legal */

#endif
