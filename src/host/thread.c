// SPDX-License-Identifier: MIT
/*
 * The lock, and the thread that runs the loop.
 *
 * The lock is recursive, so that a callback may call what locks by itself. It is fair: whoever wants
 * it first passes a turnstile, and waits for the lock while standing in it. A busy loop, which lets go
 * of the lock only for an instant, therefore can't take it again before a waiting thread had it. Where nobody waits,
 * which is nearly always, the turnstile stands open.
 *
 * An unlock that leaves work behind (frames to send, an earlier deadline) wakes a sleeping loop
 * through an eventfd; one that doesn't costs no system call.
 */
#include <errno.h>
#include <signal.h>
#include <sched.h>
#include <unistd.h>

#include "host/bridge.h"
#include "host/host.h"

void tee_host_lock(struct tee_host *host)
{
	if (__atomic_load_n(&host->depth, __ATOMIC_ACQUIRE) > 0 &&
	    pthread_equal(__atomic_load_n(&host->owner, __ATOMIC_RELAXED), pthread_self())) {
		host->depth++;
		return;
	}
	if (__atomic_load_n(&host->in_turnstile, __ATOMIC_RELAXED) > 0 ||
	    pthread_mutex_trylock(&host->mutex) != 0) {
		__atomic_add_fetch(&host->in_turnstile, 1, __ATOMIC_RELAXED);
		pthread_mutex_lock(&host->turnstile);
		pthread_mutex_lock(&host->mutex);
		pthread_mutex_unlock(&host->turnstile);
		__atomic_sub_fetch(&host->in_turnstile, 1, __ATOMIC_RELAXED);
	}
	__atomic_store_n(&host->owner, pthread_self(), __ATOMIC_RELAXED);
	__atomic_store_n(&host->depth, 1, __ATOMIC_RELEASE);
}

void host_release(struct tee_host *host)
{
	if (host->depth > 1) {
		host->depth--;
		return;
	}
	__atomic_store_n(&host->owner, (pthread_t)0, __ATOMIC_RELAXED);
	__atomic_store_n(&host->depth, 0, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&host->mutex);
}

static void wake(struct tee_host *host)
{
	const uint64_t one = 1;
	ssize_t written;

	do
		written = write(host->wake_fd, &one, sizeof(one));
	while (written < 0 && errno == EINTR);
}

static bool has_made_work(const struct tee_host *host)
{
	return host->kicked || bridge_has_queue(host) || tee_has_output(host->stack, host->netif) ||
	       tee_deadline(host->stack) < host->sleep_until_ns ||
	       timers_next_ns(&host->timers) < host->sleep_until_ns;
}

void host_wake_if_due(struct tee_host *host)
{
	if (!host->is_sleeping || !has_made_work(host))
		return;
	/* Once is enough: the loop looks at everything when it wakes. */
	host->is_sleeping = false;
	wake(host);
}

void tee_host_unlock(struct tee_host *host)
{
	if (host->depth == 1)
		host_wake_if_due(host);
	host_release(host);
}

static void *run(void *arg)
{
	struct tee_host *host = arg;

	tee_host_lock(host);
	while (!host->stop_wanted && host_turn(host, TEE_NEVER) == 0)
		continue;
	host_announce(host);
	tee_host_unlock(host);
	return NULL;
}

int tee_host_start(struct tee_host *host)
{
	sigset_t all, before;
	int result;

	tee_host_lock(host);
	if (host->has_thread) {
		tee_host_unlock(host);
		return -TEE_EALREADY;
	}
	host->stop_wanted = false;
	/* Signals are the program's, not this thread's. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	result = pthread_create(&host->thread, NULL, run, host);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	host->has_thread = result == 0;
	tee_host_unlock(host);
	return result == 0 ? 0 : -host_error_of_errno(result);
}

void tee_host_stop(struct tee_host *host)
{
	tee_host_lock(host);
	if (!host->has_thread) {
		tee_host_unlock(host);
		return;
	}
	host->stop_wanted = true;
	wake(host);
	host_release(host);
	pthread_join(host->thread, NULL);
	host->has_thread = false;
}
