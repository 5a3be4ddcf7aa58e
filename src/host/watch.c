// SPDX-License-Identifier: MIT
/*
 * Who hears of what: descriptors in the epoll set, and sockets of the stack.
 *
 * A watched descriptor has a struct host_fd, found by its number. Unwatching inside a callback marks
 * it dead; the memory goes at the end of the turn, because later entries of the same batch may
 * still point to it.
 *
 * A watched socket has a struct host_watch, found by the socket's user pointer. Events are edges; a
 * watch that begins when the socket is ready already gets its first call by a kick.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "host/host.h"

/* ---- descriptors ---- */

static struct host_fd *find_fd(struct tee_host *host, int fd)
{
	return fd >= 0 && (unsigned)fd < host->fds_size ? host->fds[fd] : NULL;
}

static bool make_room(struct tee_host *host, int fd)
{
	unsigned size = host->fds_size ? host->fds_size : 64;
	struct host_fd **grown;

	if ((unsigned)fd < host->fds_size)
		return true;
	while (size <= (unsigned)fd)
		size *= 2;
	grown = realloc(host->fds, size * sizeof(struct host_fd *));
	if (!grown)
		return false;
	for (unsigned i = host->fds_size; i < size; i++)
		grown[i] = NULL;
	host->fds = grown;
	host->fds_size = size;
	return true;
}

int host_watch_epoll(struct tee_host *host, int fd, uint32_t events, tee_host_fd_fn *fn, void *arg)
{
	struct host_fd *entry = find_fd(host, fd);
	struct epoll_event event = {.events = events};

	if (fd < 0)
		return -TEE_EINVAL;
	if (entry) {
		event.data.ptr = entry;
		if (epoll_ctl(host->epoll_fd, EPOLL_CTL_MOD, fd, &event) < 0)
			return -host_error_of_errno(errno);
		entry->fn = fn;
		entry->arg = arg;
		return 0;
	}
	if (!make_room(host, fd))
		return -TEE_ENOMEM;
	entry = malloc(sizeof(*entry));
	if (!entry)
		return -TEE_ENOMEM;
	*entry = (struct host_fd){.fd = fd, .fn = fn, .arg = arg};
	event.data.ptr = entry;
	if (epoll_ctl(host->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) {
		free(entry);
		return -host_error_of_errno(errno);
	}
	host->fds[fd] = entry;
	return 0;
}

/* poll's bits and epoll's have the same values on Linux; this says so where they are mixed. */
_Static_assert(EPOLLIN == POLLIN && EPOLLOUT == POLLOUT && EPOLLERR == POLLERR &&
		       EPOLLHUP == POLLHUP,
	       "poll and epoll differ");

int tee_host_watch_fd(struct tee_host *host, int fd, short events, tee_host_fd_fn *fn, void *arg)
{
	int result;

	tee_host_lock(host);
	result = fn ? host_watch_epoll(host, fd, (uint16_t)events, fn, arg) : -TEE_EINVAL;
	tee_host_unlock(host);
	return result;
}

void tee_host_unwatch_fd(struct tee_host *host, int fd)
{
	struct host_fd *entry;

	tee_host_lock(host);
	entry = find_fd(host, fd);
	if (entry) {
		/* Fails harmlessly when the caller has closed the descriptor before. */
		epoll_ctl(host->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
		host->fds[fd] = NULL;
		entry->is_dead = true;
		entry->next_dead = host->dead_fds;
		host->dead_fds = entry;
	}
	tee_host_unlock(host);
}

static void bury_fds(struct tee_host *host)
{
	while (host->dead_fds) {
		struct host_fd *entry = host->dead_fds;

		host->dead_fds = entry->next_dead;
		free(entry);
	}
}

bool host_dispatch_fds(struct tee_host *host)
{
	struct epoll_event events[HOST_FD_BATCH];
	int count = epoll_wait(host->epoll_fd, events, HOST_FD_BATCH, 0);

	for (int i = 0; i < count; i++) {
		struct host_fd *entry = events[i].data.ptr;

		if (!entry->is_dead)
			entry->fn(entry->arg, entry->fd, (short)events[i].events);
	}
	bury_fds(host);
	return count > 0;
}

/* ---- sockets ---- */

static void unkick(struct host_watch *watch)
{
	struct tee_host *host = watch->host;

	if (!watch->is_kicked)
		return;
	watch->is_kicked = false;
	if (watch->kick_prev)
		watch->kick_prev->kick_next = watch->kick_next;
	else
		host->kicked = watch->kick_next;
	if (watch->kick_next)
		watch->kick_next->kick_prev = watch->kick_prev;
	watch->kick_prev = watch->kick_next = NULL;
}

void host_watch_kick(struct host_watch *watch)
{
	struct tee_host *host = watch->host;

	if (watch->is_kicked)
		return;
	watch->is_kicked = true;
	watch->kick_prev = NULL;
	watch->kick_next = host->kicked;
	if (host->kicked)
		host->kicked->kick_prev = watch;
	host->kicked = watch;
}

void host_watch_attach(struct host_watch *watch, struct tee_host *host, struct tee_socket *socket,
		       tee_host_event_fn *fn, void *arg)
{
	*watch = (struct host_watch){.host = host, .socket = socket, .fn = fn, .arg = arg};
	tee_socket_set_user(socket, watch);
	if (tee_readiness(socket))
		host_watch_kick(watch);
}

void host_watch_detach(struct host_watch *watch)
{
	unkick(watch);
	if (watch->socket)
		tee_socket_set_user(watch->socket, NULL);
	watch->socket = NULL;
}

static void free_watch(struct host_watch *watch)
{
	struct tee_host *host = watch->host;

	unkick(watch);
	if (watch->prev)
		watch->prev->next = watch->next;
	else
		host->watches = watch->next;
	if (watch->next)
		watch->next->prev = watch->prev;
	free(watch);
}

int tee_host_watch_socket(struct tee_host *host, struct tee_socket *socket, tee_host_event_fn *fn,
			  void *arg)
{
	struct host_watch *watch;
	int result = 0;

	tee_host_lock(host);
	watch = tee_socket_user(socket);
	if (!fn) {
		if (watch) {
			host_watch_detach(watch);
			free_watch(watch);
		}
	} else if (watch) {
		watch->fn = fn;
		watch->arg = arg;
		if (tee_readiness(socket))
			host_watch_kick(watch);
	} else if (!(watch = malloc(sizeof(*watch)))) {
		result = -TEE_ENOMEM;
	} else {
		host_watch_attach(watch, host, socket, fn, arg);
		watch->next = host->watches;
		if (host->watches)
			host->watches->prev = watch;
		host->watches = watch;
	}
	tee_host_unlock(host);
	return result;
}

/*
 * Bounded: a callback that makes events of its own must not keep the loop from the link. And what callbacks
 * write leaves before others add to it: were the buffers of a hundred connections filled first, all of it
 * would be out of the cache by the time it is sent, and the memory that acknowledgements free never comes
 * back to it.
 */
bool host_dispatch_events(struct tee_host *host)
{
	const struct tee_pool *pool = tee_stack_pool(host->stack);
	size_t full_bytes = tee_pool_bytes_used(pool) + HOST_WRITE_BYTES;
	struct host_watch *watch;
	struct tee_event event;
	bool has_any = false;

	for (unsigned i = 0;
	     i < HOST_EVENTS && host->kicked && tee_pool_bytes_used(pool) < full_bytes; i++) {
		watch = host->kicked;
		has_any = true;
		unkick(watch);
		watch->fn(watch->arg, watch->socket, tee_readiness(watch->socket));
	}
	for (unsigned i = 0; i < HOST_EVENTS && tee_pool_bytes_used(pool) < full_bytes &&
			     tee_next_event(host->stack, &event);
	     i++) {
		watch = event.user;
		has_any = true;
		if (watch)
			watch->fn(watch->arg, event.socket, event.ready);
	}
	if (has_any)
		host_announce(host);
	return has_any;
}

void host_watch_fini(struct tee_host *host)
{
	while (host->watches)
		free_watch(host->watches);
	for (unsigned i = 0; i < host->fds_size; i++)
		free(host->fds[i]);
	free(host->fds);
	host->fds = NULL;
	host->fds_size = 0;
	bury_fds(host);
}
