/* SPDX-License-Identifier: MIT */
/*
 * libslirp names the descriptors that it waits for anew in every round, and there may be thousands;
 * a link may give its caller 64. So they are kept in an epoll set, whose one descriptor is ready when any
 * of them is, and a round changes only what differs from the round before: most rounds no system
 * call at all.
 *
 * struct slirp_watch_fd stands at the index of its descriptor. slirp_watch_add() notes what is wanted
 * and registers new or changed wishes at once; slirp_watch_commit() removes those that this round did not
 * want. A descriptor that is closed leaves the epoll set by itself, and its number may come back for
 * another socket before the next round: slirp_watch_forget() is told in time.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>
#include <slirp/libslirp.h>
#include "link/slirp_watch.h"
#include "link/spec.h"

enum { READY_MAX = 256 };

static const struct {
	int slirp;
	uint32_t epoll;
} event_bits[] = {
	{SLIRP_POLL_IN, EPOLLIN},   {SLIRP_POLL_OUT, EPOLLOUT}, {SLIRP_POLL_PRI, EPOLLPRI},
	{SLIRP_POLL_ERR, EPOLLERR}, {SLIRP_POLL_HUP, EPOLLHUP},
};

enum { EVENT_BITS_COUNT = sizeof(event_bits) / sizeof(event_bits[0]) };

int slirp_watch_init(struct slirp_watch *watch)
{
	memset(watch, 0, sizeof(*watch));
	watch->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (watch->epoll_fd < 0)
		return link_result_of_errno(errno);
	watch->ready = calloc(READY_MAX, sizeof(*watch->ready));
	if (!watch->ready) {
		slirp_watch_fini(watch);
		errno = ENOMEM;
		return -TEE_ENOMEM;
	}
	return 0;
}

void slirp_watch_fini(struct slirp_watch *watch)
{
	if (watch->epoll_fd >= 0)
		close(watch->epoll_fd);
	free(watch->fds);
	free(watch->registered);
	free(watch->ready);
	memset(watch, 0, sizeof(*watch));
	watch->epoll_fd = -1;
}

void slirp_watch_begin(struct slirp_watch *watch)
{
	watch->round++;
}

/* Room at index `fd`. */
static bool watch_reserve(struct slirp_watch *watch, unsigned fd)
{
	unsigned count = watch->fds_count ? watch->fds_count : 64;
	struct slirp_watch_fd *grown;

	if (fd < watch->fds_count)
		return true;
	while (count <= fd)
		count *= 2;
	grown = realloc(watch->fds, count * sizeof(*grown));
	if (!grown)
		return false;
	memset(grown + watch->fds_count, 0, (count - watch->fds_count) * sizeof(*grown));
	watch->fds = grown;
	watch->fds_count = count;
	return true;
}

static bool watch_register(struct slirp_watch *watch, int fd)
{
	struct epoll_event event = {.events = watch->fds[fd].wanted, .data.fd = fd};

	if (watch->registered_count == watch->registered_max) {
		unsigned max = watch->registered_max ? 2 * watch->registered_max : 64;
		int *grown = realloc(watch->registered, max * sizeof(*grown));

		if (!grown)
			return false;
		watch->registered = grown;
		watch->registered_max = max;
	}
	if (epoll_ctl(watch->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 &&
	    (errno != EEXIST || epoll_ctl(watch->epoll_fd, EPOLL_CTL_MOD, fd, &event) < 0))
		return false;
	watch->registered[watch->registered_count++] = fd;
	watch->fds[fd].is_registered = true;
	watch->fds[fd].registered = event.events;
	return true;
}

int slirp_watch_add(struct slirp_watch *watch, int fd, int slirp_events)
{
	struct slirp_watch_fd *entry;
	struct epoll_event event = {.data.fd = fd};

	if (fd < 0 || !watch_reserve(watch, (unsigned)fd)) {
		watch->failures++;
		return -1;
	}
	entry = &watch->fds[fd];
	entry->wanted = 0;
	for (unsigned i = 0; i < EVENT_BITS_COUNT; i++)
		if (slirp_events & event_bits[i].slirp)
			entry->wanted |= event_bits[i].epoll;
	entry->wanted_round = watch->round;
	if (!entry->is_registered) {
		if (!watch_register(watch, fd)) {
			watch->failures++;
			return -1;
		}
	} else if (entry->registered != entry->wanted) {
		event.events = entry->wanted;
		if (epoll_ctl(watch->epoll_fd, EPOLL_CTL_MOD, fd, &event) < 0 &&
		    epoll_ctl(watch->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
			watch->failures++;
		entry->registered = entry->wanted;
	}
	return fd;
}

void slirp_watch_commit(struct slirp_watch *watch)
{
	for (unsigned i = 0; i < watch->registered_count;) {
		int fd = watch->registered[i];

		if (watch->fds[fd].wanted_round == watch->round) {
			i++;
			continue;
		}
		epoll_ctl(watch->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
		watch->fds[fd].is_registered = false;
		watch->registered[i] = watch->registered[--watch->registered_count];
	}
}

int slirp_watch_wait(struct slirp_watch *watch)
{
	struct epoll_event events[READY_MAX];
	int count;

	while (watch->ready_count > 0)
		watch->fds[watch->ready[--watch->ready_count]].ready = 0;
	count = epoll_wait(watch->epoll_fd, events, READY_MAX, 0);
	if (count < 0)
		return errno == EINTR ? 0 : -1;
	for (int i = 0; i < count; i++) {
		watch->fds[events[i].data.fd].ready = events[i].events;
		watch->ready[watch->ready_count++] = events[i].data.fd;
	}
	return count;
}

int slirp_watch_revents(const struct slirp_watch *watch, int idx)
{
	int slirp_events = 0;

	if (idx < 0 || (unsigned)idx >= watch->fds_count)
		return 0;
	for (unsigned i = 0; i < EVENT_BITS_COUNT; i++)
		if (watch->fds[idx].ready & event_bits[i].epoll)
			slirp_events |= event_bits[i].slirp;
	return slirp_events;
}

void slirp_watch_forget(struct slirp_watch *watch, int fd)
{
	if (fd < 0 || (unsigned)fd >= watch->fds_count)
		return;
	watch->fds[fd].ready = 0;
	if (!watch->fds[fd].is_registered)
		return;
	epoll_ctl(watch->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
	watch->fds[fd].is_registered = false;
	for (unsigned i = 0; i < watch->registered_count; i++)
		if (watch->registered[i] == fd) {
			watch->registered[i] = watch->registered[--watch->registered_count];
			break;
		}
}
