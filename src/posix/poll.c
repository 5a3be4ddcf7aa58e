/* SPDX-License-Identifier: MIT */
/*
 * Readiness: poll() and epoll.
 *
 * A level is asked of the stack when it is needed. An edge is a bit that the stack reported as
 * gained (tee_next_event()), or data that arrived since the last report, kept a descriptor and
 * set in `struct posix_epoll_item` until epoll_wait() tells it.
 */
#include <stdlib.h>
#include <string.h>

#include "posix/file.h"

static uint32_t bits_of(const struct posix_file *file, unsigned ready)
{
	uint32_t bits = 0;

	if (ready & TEE_EV_READABLE)
		bits |= LINUX_POLLIN | LINUX_POLLRDNORM;
	if (ready & TEE_EV_WRITABLE)
		bits |= LINUX_POLLOUT | LINUX_POLLWRNORM;
	if (ready & TEE_EV_ERROR)
		bits |= LINUX_POLLERR;
	if (ready & TEE_EV_RDHUP)
		bits |= LINUX_POLLRDHUP | LINUX_POLLIN | LINUX_POLLRDNORM;
	if (ready & TEE_EV_URGENT)
		bits |= LINUX_POLLPRI;
	if (ready & TEE_EV_HUP) {
		/* Both directions ended: neither reading nor writing would wait. */
		bits |= LINUX_POLLHUP;
		if (file->was_connected)
			bits |= LINUX_POLLIN | LINUX_POLLRDNORM | LINUX_POLLRDHUP | LINUX_POLLOUT |
				LINUX_POLLWRNORM;
	}
	return bits;
}

/* Data, an edge that the stack need not report while the socket stays readable. */
static uint64_t bytes_received(const struct posix_file *file)
{
	struct tee_tcp_info info;

	return posix_is_tcp(file) && tee_socket_info(file->socket, &info) >= 0 ? info.bytes_received
									       : 0;
}

static uint32_t epoll_ready_item(struct posix_world *world, struct posix_epoll_item *item,
				 const struct posix_file *file)
{
	uint32_t ready = posix_ready_bits(world, file);
	uint32_t mask = item->events | LINUX_POLLERR | LINUX_POLLHUP;

	ready &= mask;
	if (item->is_disabled)
		return 0;
	if (!(item->events & LINUX_EPOLLET))
		return ready;
	if (ready & LINUX_POLLIN && bytes_received(file) != item->bytes_seen)
		return ready;
	return ready & item->edges ? ready : 0;
}

static bool is_epoll_ready(struct posix_world *world, const struct posix_file *epoll)
{
	for (unsigned i = 0; i < epoll->item_count; i++) {
		const struct posix_file *file = posix_find(world, epoll->items[i].fd);

		if (file && epoll_ready_item(world, &epoll->items[i], file))
			return true;
	}
	return false;
}

uint32_t posix_ready_bits(struct posix_world *world, const struct posix_file *file)
{
	if (file->kind == POSIX_EPOLL)
		return is_epoll_ready(world, file) ? LINUX_POLLIN | LINUX_POLLRDNORM : 0;
	/* Neither connected nor trying to be: Linux calls that hung up, and a write would tell at once. */
	if (posix_is_tcp(file) && !file->was_connected && posix_tcp_state(file) == TEE_TCP_CLOSED)
		return LINUX_POLLOUT | LINUX_POLLWRNORM | LINUX_POLLHUP;
	return posix_urgent_bits(file, bits_of(file, tee_readiness(file->socket))) |
	       (posix_errqueue_is_filled(file) ? LINUX_POLLERR : 0);
}

void posix_epoll_edge(struct posix_file *epoll, int fd, uint32_t bits)
{
	for (unsigned i = 0; i < epoll->item_count; i++)
		if (epoll->items[i].fd == fd)
			epoll->items[i].edges |= bits;
}

void posix_pump(struct posix_world *world)
{
	posix_errqueue_settle(world);
	struct tee_event event;

	while (tee_next_event(world->stack, &event)) {
		const struct posix_file *file = event.user;

		if (!file)
			continue; /* not accepted yet */
		for (unsigned i = 0; i < world->file_capacity; i++) {
			struct posix_file *epoll = world->files[i];

			if (!epoll || epoll->kind != POSIX_EPOLL)
				continue;
			for (unsigned k = 0; k < epoll->item_count; k++)
				if (epoll->items[k].fd == file->fd)
					epoll->items[k].edges |= bits_of(file, event.ready);
		}
	}
}

/* A time-out in milliseconds as posix_block() takes it; below 0 there is none. */
static uint64_t timeout_ns(int timeout_ms)
{
	return timeout_ms < 0 ? 0 : (uint64_t)timeout_ms * TEE_NS_PER_MS;
}

int64_t posix_poll(struct posix_world *world, struct posix_pollfd *fds, unsigned count,
		   int timeout_ms, struct posix_wait *wait)
{
	int64_t ready_count = 0;

	posix_pump(world);
	for (unsigned i = 0; i < count; i++) {
		const struct posix_file *file = posix_find(world, fds[i].fd);
		uint32_t mask = (uint16_t)fds[i].events | (uint32_t)LINUX_POLLERR | LINUX_POLLHUP;

		if (fds[i].fd < 0)
			fds[i].revents = 0;
		else if (!file)
			fds[i].revents = LINUX_POLLNVAL;
		else
			fds[i].revents = (int16_t)(posix_ready_bits(world, file) & mask);
		ready_count += fds[i].revents != 0;
	}
	if (ready_count || !timeout_ms)
		return ready_count;
	return posix_block(world, NULL, false, timeout_ns(timeout_ms), wait, 0);
}

int posix_epoll_create(struct posix_world *world)
{
	struct posix_file *file = posix_new_file(world, POSIX_EPOLL);

	return file ? file->fd : -LINUX_ENOMEM;
}

static struct posix_epoll_item *find_item(struct posix_file *epoll, int fd)
{
	for (unsigned i = 0; i < epoll->item_count; i++)
		if (epoll->items[i].fd == fd)
			return &epoll->items[i];
	return NULL;
}

static void remove_item(struct posix_file *epoll, struct posix_epoll_item *item)
{
	unsigned index = (unsigned)(item - epoll->items);

	memmove(item, item + 1, (epoll->item_count - index - 1) * sizeof(*item));
	epoll->item_count--;
}

static struct posix_epoll_item *add_item(struct posix_file *epoll, int fd)
{
	struct posix_epoll_item *item;

	if (epoll->item_count == epoll->item_capacity) {
		unsigned capacity = epoll->item_capacity ? 2 * epoll->item_capacity : 8;
		struct posix_epoll_item *items = realloc(epoll->items, capacity * sizeof(*items));

		if (!items)
			return NULL;
		epoll->items = items;
		epoll->item_capacity = capacity;
	}
	item = &epoll->items[epoll->item_count++];
	memset(item, 0, sizeof(*item));
	item->fd = fd;
	return item;
}

int posix_epoll_ctl(struct posix_world *world, int epfd, int op, int fd,
		    const struct posix_epoll_event *event)
{
	struct posix_file *epoll = posix_find(world, epfd), *file = posix_find(world, fd);
	struct posix_epoll_item *item;

	if (!epoll || !file)
		return -LINUX_EBADF;
	if (epoll->kind != POSIX_EPOLL || epoll == file)
		return -LINUX_EINVAL;
	if (op != LINUX_EPOLL_CTL_DEL && !event)
		return -LINUX_EFAULT;
	posix_pump(world);
	item = find_item(epoll, fd);
	switch (op) {
	case LINUX_EPOLL_CTL_DEL:
		if (!item)
			return -LINUX_ENOENT;
		remove_item(epoll, item);
		return 0;
	case LINUX_EPOLL_CTL_ADD:
		if (item)
			return -LINUX_EEXIST;
		item = add_item(epoll, fd);
		if (!item)
			return -LINUX_ENOMEM;
		break;
	case LINUX_EPOLL_CTL_MOD:
		if (!item)
			return -LINUX_ENOENT;
		break;
	default: return -LINUX_EINVAL;
	}
	item->events = event->events;
	item->data = event->data;
	item->is_disabled = false;
	/* What is ready now is news to whoever asks anew. */
	item->edges = posix_ready_bits(world, file);
	item->bytes_seen = bytes_received(file);
	return 0;
}

void posix_epoll_forget(struct posix_world *world, int fd)
{
	for (unsigned i = 0; i < world->file_capacity; i++) {
		struct posix_file *epoll = world->files[i];
		struct posix_epoll_item *item;

		if (!epoll || epoll->kind != POSIX_EPOLL)
			continue;
		item = find_item(epoll, fd);
		if (item)
			remove_item(epoll, item);
	}
}

int64_t posix_epoll_wait(struct posix_world *world, int epfd, struct posix_epoll_event *events,
			 unsigned max, int timeout_ms, struct posix_wait *wait)
{
	struct posix_file *epoll = posix_find(world, epfd);
	unsigned told = 0;

	if (!epoll)
		return -LINUX_EBADF;
	if (epoll->kind != POSIX_EPOLL || !max)
		return -LINUX_EINVAL;
	posix_pump(world);
	/* Each call starts behind the last descriptor told, so that none starves. */
	for (unsigned i = 0; i < epoll->item_count && told < max; i++) {
		unsigned index = (epoll->next_item + i) % epoll->item_count;
		struct posix_epoll_item *item = &epoll->items[index];
		const struct posix_file *file = posix_find(world, item->fd);
		uint32_t ready = file ? epoll_ready_item(world, item, file) : 0;

		if (!ready)
			continue;
		events[told].events = ready;
		events[told++].data = item->data;
		item->edges = 0;
		item->bytes_seen = bytes_received(file);
		if (item->events & LINUX_EPOLLONESHOT)
			item->is_disabled = true;
		if (told == max)
			epoll->next_item = index + 1;
	}
	if (told || !timeout_ms)
		return told;
	return posix_block(world, NULL, false, timeout_ns(timeout_ms), wait, 0);
}
