/* SPDX-License-Identifier: MIT */
/* Several queues of one interface, a stack behind each, one address for all. */
#ifndef TEE_LINK_STEER_H
#define TEE_LINK_STEER_H

#include <teeceepee/link.h>

enum { STEER_QUEUES_MAX = 64 };

/* Run when a queue has joined its group, group locked; `shared` is the group's own number, 0 at first. */
typedef int steer_join_fn(struct tee_link *queue, unsigned idx, uint32_t *shared);

/*
 * Wraps one queue of `count`; all queues of a name (link->info.name) in this process, which are opened by as many
 * calls, make a group. Each may be used by a thread of its own. On success owns `queue`; the result of
 * `join` (or NULL) is a failure when below 0, -TEE_EADDRINUSE means that all `count` are open.
 */
int steer_open(struct tee_link *queue, unsigned count, steer_join_fn *join,
	       struct tee_link **ret_link);

#endif
