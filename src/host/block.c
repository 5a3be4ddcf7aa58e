// SPDX-License-Identifier: MIT
/*
 * Calls that block, over sockets that don't.
 *
 * Each is "try; when it would block, wait until the readiness says otherwise; try again". Waiting
 * means: with a loop thread, sleep on the host's condition; without one, turn the loop ourselves.
 * So the same program works either way. From within a callback nothing may block.
 *
 * The end of a stream that the caller waits for is not acknowledged before the caller has it: it will close
 * its socket, and one segment can then say both. The next call that turns the loop sends what is due.
 */
#include <errno.h>
#include <time.h>

#include "host/host.h"

static void wait_for_thread(struct tee_host *host, uint64_t deadline_ns)
{
	struct timespec until;
	unsigned depth = host->depth;

	/* pthread_cond_wait() gives the mutex away, so the lock's own bookkeeping must say so. */
	host->waiter_count++;
	__atomic_store_n(&host->owner, (pthread_t)0, __ATOMIC_RELAXED);
	__atomic_store_n(&host->depth, 0, __ATOMIC_RELEASE);
	if (deadline_ns == TEE_NEVER) {
		pthread_cond_wait(&host->cond, &host->mutex);
	} else {
		until.tv_sec = (time_t)(deadline_ns / TEE_NS_PER_S);
		until.tv_nsec = (long)(deadline_ns % TEE_NS_PER_S);
		pthread_cond_timedwait(&host->cond, &host->mutex, &until);
	}
	__atomic_store_n(&host->owner, pthread_self(), __ATOMIC_RELAXED);
	__atomic_store_n(&host->depth, depth, __ATOMIC_RELEASE);
	host->waiter_count--;
}

int host_wait(struct tee_host *host, uint64_t deadline_ns, host_done_fn *done, void *arg)
{
	if (host->in_turn && !done(arg))
		return -TEE_EALREADY;
	for (;;) {
		uint64_t now_ns, timeout_ns = TEE_NEVER;

		if (done(arg))
			return 0;
		if (host->error_code)
			return host->error_code;
		if (host->is_cancelled)
			return -TEE_ECANCELED;
		if (deadline_ns != TEE_NEVER) {
			now_ns = tee_host_now_ns();
			if (now_ns >= deadline_ns)
				return -TEE_ETIMEDOUT;
			timeout_ns = deadline_ns - now_ns;
		}
		if (host->has_thread) {
			/* What was marked under this lock must leave although we don't unlock. */
			host_wake_if_due(host);
			wait_for_thread(host, deadline_ns);
		} else {
			host_turn(host, timeout_ns);
		}
	}
}

static uint64_t deadline_of(uint64_t timeout_ns)
{
	uint64_t now_ns = tee_host_now_ns();

	return timeout_ns < TEE_NEVER - now_ns ? now_ns + timeout_ns : TEE_NEVER;
}

struct readiness {
	struct tee_socket *socket;
	unsigned want;
};

static bool is_ready(void *arg)
{
	const struct readiness *readiness = arg;

	return (tee_readiness(readiness->socket) & readiness->want) != 0;
}

/* Lets the loop know whose end of stream is for the caller to hear first. */
static int wait_for_socket(struct tee_host *host, uint64_t deadline_ns, struct readiness *readiness)
{
	int result;

	host->reader = readiness->want & TEE_EV_READABLE ? readiness->socket : NULL;
	result = host_wait(host, deadline_ns, is_ready, readiness);
	/* The socket may be gone when somebody turns the loop the next time. */
	host->reader = NULL;
	return result;
}

/* Errors end every wait: the call that is tried next returns them. */
static int wait_ready(struct tee_host *host, struct tee_socket *socket, unsigned want)
{
	struct readiness readiness = {socket, want | TEE_EV_ERROR | TEE_EV_HUP};

	return wait_for_socket(host, TEE_NEVER, &readiness);
}

int tee_wait(struct tee_host *host, struct tee_socket *socket, unsigned want, uint64_t timeout_ns)
{
	struct readiness readiness = {socket, want};
	int result;

	tee_host_lock(host);
	result = wait_for_socket(host, deadline_of(timeout_ns), &readiness);
	if (result == 0)
		result = (int)(tee_readiness(socket) & want);
	tee_host_unlock(host);
	return result == -TEE_ETIMEDOUT ? 0 : result;
}

ssize_t tee_send_all(struct tee_host *host, struct tee_socket *socket, const void *data, size_t len)
{
	const uint8_t *bytes = data;
	size_t done = 0;
	ssize_t result = 0;

	tee_host_lock(host);
	while (done < len) {
		ssize_t sent = tee_send(socket, bytes + done, len - done, 0);

		if (sent == -TEE_EAGAIN) {
			sent = wait_ready(host, socket, TEE_EV_WRITABLE);
		} else if (sent > 0) {
			done += (size_t)sent;
			continue;
		}
		if (sent < 0) {
			result = sent;
			break;
		}
	}
	tee_host_unlock(host);
	return result < 0 ? result : (ssize_t)done;
}

ssize_t tee_recv_some(struct tee_host *host, struct tee_socket *socket, void *buf, size_t len)
{
	ssize_t result;

	tee_host_lock(host);
	while ((result = tee_recv(socket, buf, len, 0)) == -TEE_EAGAIN) {
		int waited = wait_ready(host, socket, TEE_EV_READABLE | TEE_EV_RDHUP);

		if (waited < 0) {
			result = waited;
			break;
		}
	}
	tee_host_unlock(host);
	return result;
}

int tee_accept_wait(struct tee_host *host, struct tee_socket *listener,
		    struct tee_socket **ret_socket, struct tee_endpoint *ret_remote)
{
	int result;

	tee_host_lock(host);
	while ((result = tee_accept(listener, ret_socket, ret_remote)) == -TEE_EAGAIN) {
		int waited = wait_ready(host, listener, TEE_EV_READABLE);

		if (waited < 0) {
			result = waited;
			break;
		}
	}
	tee_host_unlock(host);
	return result;
}
