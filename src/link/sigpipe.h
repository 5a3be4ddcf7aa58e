/* SPDX-License-Identifier: MIT */
/* Holding SIGPIPE back around a library that writes to sockets without MSG_NOSIGNAL. */
#ifndef TEE_LINK_SIGPIPE_H
#define TEE_LINK_SIGPIPE_H

#include <signal.h>
#include <stdbool.h>

struct sigpipe_guard {
	bool is_active;
	sigset_t before;
};

/* Does the program ignore the signal already, so that no guard is needed? */
bool sigpipe_is_ignored(void);
/* Blocks the signal in this thread, when `is_needed`. */
void sigpipe_enter(struct sigpipe_guard *guard, bool is_needed);
/* Swallows what came meanwhile and restores the thread's mask. */
void sigpipe_leave(const struct sigpipe_guard *guard);

#endif
