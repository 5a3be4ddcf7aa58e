/* SPDX-License-Identifier: MIT */
/*
 * Virtual time with two threads.
 *
 * packetdrill makes blocking calls on a second thread while its first one sends and sniffs packets
 * and lets time pass. A blocked call waits on a condition; whenever the first thread changed
 * something (a packet, a step of the clock) it gives each blocked call a turn and goes on only
 * when all have tried again. A call that succeeded returns to packetdrill, which then asks for the
 * time: until it has, the clock stands still, so that it gets the time of the return. Should it
 * not ask, a short real time is waited and the debt forgotten.
 */
#include "clock.h"

#include <errno.h>
#include <time.h>

enum { PATIENCE_MS = 50 };

static _Thread_local bool owes_time;

/* Waits for `settled` for a while of real time; false when it is over. */
static bool wait_settled(struct so *so)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += PATIENCE_MS * 1000000L;
	if (until.tv_nsec >= 1000000000L) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000L;
	}
	return pthread_cond_timedwait(&so->settled, &so->lock, &until) != ETIMEDOUT;
}

void so_settle(struct so *so)
{
	rig_flush(so->rig);
	if (so->waiters) {
		so->generation++;
		for (struct so_waiter *waiter = so->waiters; waiter; waiter = waiter->next)
			so->retrying++;
		pthread_cond_broadcast(&so->turn);
	}
	while (so->retrying)
		pthread_cond_wait(&so->settled, &so->lock);
	while (so->owed)
		if (!wait_settled(so))
			so->owed = 0;
	rig_flush(so->rig);
}

static void wait_turn(struct so *so, struct posix_wait *wait)
{
	struct so_waiter waiter = {.next = so->waiters, .wait = wait}, **at;
	uint64_t generation = so->generation;

	so->waiters = &waiter;
	while (so->generation == generation)
		pthread_cond_wait(&so->turn, &so->lock);
	for (at = &so->waiters; *at != &waiter; at = &(*at)->next)
		;
	*at = waiter.next;
}

static void pay(struct so *so)
{
	if (!owes_time)
		return;
	owes_time = false;
	if (so->owed)
		so->owed--;
	pthread_cond_broadcast(&so->settled);
}

void so_pay(struct so *so)
{
	if (!owes_time)
		return;
	pthread_mutex_lock(&so->lock);
	pay(so);
	pthread_mutex_unlock(&so->lock);
}

int64_t so_call(struct so *so, so_try_fn *try_it, void *arg)
{
	struct posix_wait wait = {0};
	bool has_waited = false;
	int64_t result;

	pthread_mutex_lock(&so->lock);
	pay(so);
	while ((result = try_it(so, arg, &wait)) == POSIX_BLOCKED) {
		rig_flush(so->rig);
		if (has_waited)
			so->retrying--;
		pthread_cond_broadcast(&so->settled);
		wait_turn(so, &wait);
		has_waited = true;
	}
	rig_flush(so->rig);
	if (has_waited) {
		so->retrying--;
		so->owed++;
		owes_time = true;
		pthread_cond_broadcast(&so->settled);
	}
	pthread_mutex_unlock(&so->lock);
	return result;
}

bool so_step(struct so *so, uint64_t until_ns)
{
	uint64_t next = rig_deadline(so->rig);

	for (struct so_waiter *waiter = so->waiters; waiter; waiter = waiter->next)
		if (waiter->wait->is_started && waiter->wait->deadline_ns < next)
			next = waiter->wait->deadline_ns;
	if (next > until_ns)
		return false;
	rig_step(so->rig, next);
	so_settle(so);
	return true;
}

uint64_t so_now_us(struct so *so)
{
	uint64_t now_us;

	pthread_mutex_lock(&so->lock);
	now_us = so->rig->now_ns / TEE_NS_PER_US;
	pay(so);
	pthread_mutex_unlock(&so->lock);
	return now_us;
}
