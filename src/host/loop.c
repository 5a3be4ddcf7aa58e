// SPDX-License-Identifier: MIT
/*
 * The loop: one turn drives the stack through its five doors.
 *
 *   flush what callers marked → sleep until a descriptor is ready, a timer is due or somebody wakes us
 *   → receive from the link → let time pass → timers, descriptors, socket events → flush
 *
 * Sleeping is one ppoll() over the link's descriptors and the epoll descriptor, in which stand
 * everything else: the wake-up eventfd, bridges, what the program watches. The link's descriptors
 * stay outside of epoll, because some links bring other ones every turn.
 *
 * The clock is read once after every sleep; the turn works with that instant.
 *
 * Where frames come one by one (ping and pong), the answer to one leaves before the link is asked whether there is
 * another, and before sleeping the link itself is asked, not poll().
 *
 * Frames that the link does not take stay in host->frames and are offered first the next time;
 * frames that pacing keeps back (depart_at_ns) wait in a heap.
 */
#define _GNU_SOURCE /* ppoll */
#include <poll.h>
#include <stdlib.h>

#include "host/bridge.h"
#include "host/host.h"

void host_announce(struct tee_host *host)
{
	if (host->waiter_count > 0)
		pthread_cond_broadcast(&host->cond);
}

/* ---- sending ---- */

static bool held_before(const struct host_held *a, const struct host_held *b)
{
	return a->frame.depart_at_ns != b->frame.depart_at_ns
		       ? a->frame.depart_at_ns < b->frame.depart_at_ns
		       : a->order < b->order;
}

/* Keeps a frame until its time; false: no memory, so it leaves at once. */
static bool hold_frame(struct tee_host *host, const struct tee_frame *frame)
{
	struct host_held *held;
	unsigned pos = host->held_count;

	if (host->held_count == host->held_size) {
		unsigned size = host->held_size ? 2 * host->held_size : 64;
		struct host_held **grown = realloc(host->held, size * sizeof(struct host_held *));

		if (!grown)
			return false;
		host->held = grown;
		host->held_size = size;
	}
	held = malloc(sizeof(*held));
	if (!held)
		return false;
	held->frame = *frame;
	held->order = host->held_order++;
	host->held_count++;
	while (pos > 0 && held_before(held, host->held[(pos - 1) / 2])) {
		host->held[pos] = host->held[(pos - 1) / 2];
		pos = (pos - 1) / 2;
	}
	host->held[pos] = held;
	return true;
}

/* Takes the earliest of the held frames. */
static void unhold_frame(struct tee_host *host, struct tee_frame *ret_frame)
{
	struct host_held *first = host->held[0], *last = host->held[--host->held_count];
	unsigned pos = 0;

	for (;;) {
		unsigned child = 2 * pos + 1;

		if (child >= host->held_count)
			break;
		if (child + 1 < host->held_count &&
		    held_before(host->held[child + 1], host->held[child]))
			child++;
		if (!held_before(host->held[child], last))
			break;
		host->held[pos] = host->held[child];
		pos = child;
	}
	if (host->held_count > 0)
		host->held[pos] = last;
	*ret_frame = first->frame;
	free(first);
}

void host_drop_frames(struct tee_host *host)
{
	struct tee_frame frame;

	for (; host->out_first < host->out_count; host->out_first++)
		tee_frame_release(&host->frames[host->out_first]);
	host->out_first = host->out_count = 0;
	while (host->held_count > 0) {
		unhold_frame(host, &frame);
		tee_frame_release(&frame);
	}
}

/* Offers the frames in hand to the link; true when it took them all. */
static bool push_frames(struct tee_host *host, uint64_t now_ns)
{
	struct tee_link *link = host->link;

	while (host->out_first < host->out_count) {
		struct tee_frame *first = &host->frames[host->out_first];
		int sent = link->ops->send(link, first, host->out_count - host->out_first, now_ns);

		if (sent < 0) {
			host_fail(host, -TEE_ENODEV,
				  "the link %s is gone (%s): start again when it is back",
				  link->info.name, tee_strerror(sent));
			return false;
		}
		if (sent == 0)
			return false;
		for (int i = 0; i < sent; i++)
			tee_frame_release(&first[i]);
		host->out_first += (unsigned)sent;
	}
	host->out_first = host->out_count = 0;
	return true;
}

/* Fills host->frames with what may leave now; false: then there is nothing more. */
static bool pull_frames(struct tee_host *host, uint64_t now_ns)
{
	while (host->held_count > 0 && host->out_count < HOST_SEND_BATCH &&
	       host->held[0]->frame.depart_at_ns <= now_ns)
		unhold_frame(host, &host->frames[host->out_count++]);
	while (host->out_count < HOST_SEND_BATCH) {
		struct tee_frame *fresh = &host->frames[host->out_count];
		unsigned wanted = HOST_SEND_BATCH - host->out_count, kept = 0;
		int count = tee_output(host->stack, host->netif, fresh, wanted, now_ns);

		for (int i = 0; i < count; i++) {
			if (fresh[i].depart_at_ns > now_ns && hold_frame(host, &fresh[i]))
				continue;
			if (kept != (unsigned)i)
				fresh[kept] = fresh[i];
			kept++;
		}
		host->out_count += kept;
		if (count < (int)wanted)
			return false;
	}
	return true;
}

/* tee_deadline() has passed when the loopback has something, which tee_output() would carry. */
static bool has_frames(struct tee_host *host, uint64_t now_ns)
{
	return host->out_first < host->out_count || host->held_count > 0 ||
	       tee_has_output(host->stack, host->netif) || tee_deadline(host->stack) <= now_ns;
}

int host_flush(struct tee_host *host, uint64_t now_ns)
{
	/* A port must be ours before the first segment from it leaves. */
	host_ports_check(host);
	if (host->error_code || !has_frames(host, now_ns))
		return host->error_code;
	while (push_frames(host, now_ns))
		if (!pull_frames(host, now_ns)) {
			push_frames(host, now_ns);
			break;
		}
	return host->error_code;
}

/* ---- receiving ---- */

/*
 * `first_max`: frames that the link is asked for at once; 1: only one, and what else waits is left. Asking a link until
 * it has no more costs a system call that finds nothing; who expects one frame answers that one first.
 */
static int receive(struct tee_host *host, int first_max, uint64_t now_ns)
{
	struct tee_link *link = host->link;
	struct tee_pkt *pkts[HOST_RECV_BATCH];
	size_t bytes = 0;
	int total = 0;

	for (unsigned round = 0; round < HOST_RECV_ROUNDS || host->has_super; round++) {
		int most = host->has_super ? HOST_RECV_BATCH_SUPER : first_max;
		int count = link->ops->recv(link, tee_stack_pool(host->stack), pkts, (unsigned)most,
					    now_ns);

		if (count < 0)
			return host_fail(host, -TEE_ENODEV,
					 "the link %s is gone (%s): start again when it is back",
					 link->info.name, tee_strerror(count));
		host->has_super = count > 0 && pkts[count - 1]->gso_size > 0;
		tee_input_ahead(host->stack, host->netif, pkts, (unsigned)count);
		for (int i = 0; i < count; i++) {
			bytes += pkts[i]->len;
			tee_input(host->stack, host->netif, pkts[i], now_ns);
		}
		total += count;
		if (count < most || bytes >= HOST_RECV_BYTES || first_max == 1)
			break;
	}
	return total;
}

/* ---- sleeping ---- */

static uint64_t earliest(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Until when there is nothing to do by ourselves. */
static uint64_t next_due_ns(struct tee_host *host)
{
	uint64_t due = earliest(tee_deadline(host->stack), timers_next_ns(&host->timers));

	if (host->link->ops->deadline)
		due = earliest(due, host->link->ops->deadline(host->link));
	if (host->out_first == host->out_count) {
		if (host->held_count > 0)
			due = earliest(due, host->held[0]->frame.depart_at_ns);
		if (tee_has_output(host->stack, host->netif))
			due = 0;
	}
	if (host->kicked || bridge_has_queue(host))
		due = 0;
	return due;
}

static int poll_until(struct pollfd *fds, nfds_t count, uint64_t now_ns, uint64_t until_ns,
		      uint64_t spin_ns)
{
	uint64_t spin_end_ns = now_ns + spin_ns;
	struct timespec wait;

	while (spin_ns > 0 && now_ns < spin_end_ns && now_ns < until_ns) {
		static const struct timespec at_once;
		int ready = ppoll(fds, count, &at_once, NULL);

		if (ready != 0)
			return ready;
		now_ns = tee_host_now_ns();
	}
	if (until_ns == TEE_NEVER)
		return ppoll(fds, count, NULL, NULL);
	until_ns = until_ns > now_ns ? until_ns - now_ns : 0;
	wait.tv_sec = (time_t)(until_ns / TEE_NS_PER_S);
	wait.tv_nsec = (long)(until_ns % TEE_NS_PER_S);
	return ppoll(fds, count, &wait, NULL);
}

uint64_t host_spin_next(uint64_t spin_ns, uint64_t spin_now_ns, uint64_t waited_ns)
{
	if (waited_ns < spin_ns)
		return spin_ns;
	return spin_now_ns >= 2 * HOST_SPIN_MIN_NS ? spin_now_ns / 2 : 0;
}

/*
 * Can the link be asked for frames at any time? Others must hear first what poll() said; and the lock must
 * be given away when there is a thread that could want it.
 */
static bool can_spin_on_link(const struct tee_host *host)
{
	return host->spin_now_ns > 0 && !host->has_thread && !host->link->ops->poll_done;
}

/*
 * Spins on the link itself, which costs half a poll() a look; the other descriptors get one now and then.
 * Returns how many frames came (or the error), 0 when it is time to look at all and sleep. `now_ns` follows the clock.
 */
static int spin_on_link(struct tee_host *host, uint64_t *now_ns, uint64_t until_ns)
{
	uint64_t end_ns = earliest(*now_ns + host->spin_now_ns, until_ns);
	struct pollfd others = {.fd = host->epoll_fd, .events = POLLIN};

	for (unsigned i = 0; *now_ns < end_ns; i++) {
		/* What waits already may be many; what comes while we wait comes alone: answer it at once. */
		int count = receive(host, i == 0 ? HOST_RECV_BATCH : 1, *now_ns);

		if (count != 0)
			return count;
		if (i % HOST_SPIN_LOOKS == HOST_SPIN_LOOKS - 1 && poll(&others, 1, 0) > 0)
			return 0;
		*now_ns = tee_host_now_ns();
	}
	return 0;
}

/* Gives the lock away meanwhile. Returns whether the epoll set has news. */
static bool sleep_until(struct tee_host *host, uint64_t now_ns, uint64_t until_ns)
{
	struct tee_link *link = host->link;
	struct tee_link_poll polled[TEE_LINK_POLL_MAX];
	struct pollfd fds[TEE_LINK_POLL_MAX + 1];
	int count = link->ops->poll_fds(link, polled, TEE_LINK_POLL_MAX);
	int ready;

	if (count < 0)
		count = 0;
	for (int i = 0; i < count; i++)
		fds[i] = (struct pollfd){.fd = polled[i].fd, .events = polled[i].events};
	fds[count] = (struct pollfd){.fd = host->epoll_fd, .events = POLLIN};

	host->is_sleeping = true;
	host->sleep_until_ns = until_ns;
	host_release(host);
	ready = poll_until(fds, (nfds_t)count + 1, now_ns, until_ns,
			   until_ns == 0 || can_spin_on_link(host) ? 0 : host->spin_now_ns);
	tee_host_lock(host);
	host->is_sleeping = false;

	for (int i = 0; i < count; i++)
		polled[i].revents = ready > 0 ? fds[i].revents : 0;
	if (link->ops->poll_done)
		link->ops->poll_done(link, polled, (unsigned)count, tee_host_now_ns());
	return ready > 0 && fds[count].revents != 0;
}

/* ---- the turn ---- */

static void run_timers(struct tee_host *host, uint64_t now_ns)
{
	timers_fn *fn;
	void *arg;

	while (timers_take(&host->timers, now_ns, &fn, &arg))
		fn(arg);
}

/*
 * Frames that came before there was anything to wait for: taken without the poll() that would only say that they are
 * there. Not twice in a row, for the other descriptors must be heard too.
 */
static int receive_before_sleep(struct tee_host *host, uint64_t now_ns)
{
	if (!host->comes_alone)
		return 0;
	host->comes_alone = false;
	return receive(host, HOST_RECV_BATCH, now_ns);
}

/* Waits until there is something to do, and takes the frames that came. Below 0: the link's end. */
static int wait_and_receive(struct tee_host *host, uint64_t *now_ns, uint64_t until_ns,
			    bool *ret_has_news)
{
	const uint64_t began_ns = *now_ns;
	const bool may_wait = until_ns > began_ns;
	const bool was_alone = host->comes_alone;
	int received = 0;

	*ret_has_news = false;
	host->in_turn = true;
	if (may_wait && can_spin_on_link(host))
		received = spin_on_link(host, now_ns, until_ns);
	else if (may_wait)
		received = receive_before_sleep(host, *now_ns);
	host->in_turn = false;
	if (received != 0)
		return received;
	*ret_has_news = sleep_until(host, *now_ns, until_ns);
	*now_ns = tee_host_now_ns();
	if (may_wait)
		host->spin_now_ns =
			host_spin_next(host->spin_ns, host->spin_now_ns, *now_ns - began_ns);
	host->in_turn = true;
	received = receive(host, may_wait && was_alone ? 1 : HOST_RECV_BATCH, *now_ns);
	host->in_turn = false;
	host->comes_alone = may_wait && received == 1 && !host->has_super &&
			    !host->link->ops->poll_done;
	return received;
}

/*
 * Has the stream that the caller waits to read ended, and is all of it read? Then he gets to know before the
 * peer: what he closes now goes with the acknowledgment, a frame less for each connection.
 */
static bool is_caller_next(const struct tee_host *host)
{
	char byte;

	return host->reader && !host->has_thread &&
	       (tee_readiness(host->reader) & (TEE_EV_RDHUP | TEE_EV_ERROR)) == TEE_EV_RDHUP &&
	       tee_recv(host->reader, &byte, sizeof(byte), TEE_MSG_PEEK) == 0;
}

int host_turn(struct tee_host *host, uint64_t timeout_ns)
{
	uint64_t now_ns = tee_host_now_ns(), until_ns;
	bool has_news, has_events;
	int received;

	if (host->error_code)
		return host->error_code;
	/*
	 * What the caller marked since the last turn leaves before we sleep. That may raise events: over
	 * the loopback an answer comes at once.
	 */
	host->in_turn = true;
	host_flush(host, now_ns);
	has_events = host_dispatch_events(host);
	if (has_events) /* there may be more of them, and what these wrote is still in the cache */
		host_flush(host, now_ns);
	host->in_turn = false;
	until_ns = has_events ? 0 : next_due_ns(host);
	if (until_ns > now_ns && timeout_ns < until_ns - now_ns)
		until_ns = now_ns + timeout_ns;
	received = wait_and_receive(host, &now_ns, until_ns, &has_news);

	host->in_turn = true;
	if (received >= 0) {
		tee_advance(host->stack, now_ns);
		run_timers(host, now_ns);
		if (has_news)
			host_dispatch_fds(host);
		host_dispatch_events(host);
		bridge_run_queue(host);
		host_address_check(host, now_ns);
		if (!is_caller_next(host))
			host_flush(host, now_ns);
	}
	host->in_turn = false;
	if (host->error_code)
		bridge_reset_all(host);
	return host->error_code;
}

int tee_host_run_once(struct tee_host *host, uint64_t timeout_ns)
{
	int result;

	tee_host_lock(host);
	result = host->has_thread ? -TEE_EALREADY : host_turn(host, timeout_ns);
	tee_host_unlock(host);
	return result;
}

/* ---- timers of callers ---- */

int tee_host_after(struct tee_host *host, uint64_t delay_ns, tee_host_timer_fn *fn, void *arg)
{
	uint64_t now_ns = tee_host_now_ns();
	int id;

	tee_host_lock(host);
	id = timers_add(&host->timers,
			delay_ns < TEE_NEVER - now_ns ? now_ns + delay_ns : TEE_NEVER, fn, arg);
	tee_host_unlock(host);
	return id;
}

void tee_host_cancel(struct tee_host *host, int id)
{
	tee_host_lock(host);
	timers_cancel(&host->timers, id);
	tee_host_unlock(host);
}
