/* SPDX-License-Identifier: MIT */
/*
 * A library must not change a program's signal dispositions, and must not let it die of a signal that
 * the program never heard of. SIGPIPE for a write is sent to the writing thread, so it is enough to
 * block it in this thread around the calls, to take a pending one away, and to restore the mask. A
 * thread that blocks the signal itself is left alone: what is pending there may be its own.
 */
#include <time.h>
#include "link/sigpipe.h"

static void sigpipe_set(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGPIPE);
}

bool sigpipe_is_ignored(void)
{
	struct sigaction action;

	return sigaction(SIGPIPE, NULL, &action) == 0 && !(action.sa_flags & SA_SIGINFO) &&
	       action.sa_handler == SIG_IGN;
}

void sigpipe_enter(struct sigpipe_guard *guard, bool is_needed)
{
	sigset_t set;

	guard->is_active = false;
	if (!is_needed)
		return;
	sigpipe_set(&set);
	pthread_sigmask(SIG_BLOCK, &set, &guard->before);
	guard->is_active = !sigismember(&guard->before, SIGPIPE);
}

void sigpipe_leave(const struct sigpipe_guard *guard)
{
	const struct timespec zero = {0, 0};
	sigset_t set;

	if (!guard->is_active)
		return;
	sigpipe_set(&set);
	while (sigtimedwait(&set, NULL, &zero) == SIGPIPE)
		;
	pthread_sigmask(SIG_SETMASK, &guard->before, NULL);
}
