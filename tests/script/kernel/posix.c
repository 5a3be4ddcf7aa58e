/* SPDX-License-Identifier: MIT */
/*
 * posix.h over the machine's own kernel: descriptors are the kernel's, results its results.
 *
 * A call that may block is made by a thread of its own, so that it blocks as the kernel's calls
 * do, with the kernel's timeouts, while the script goes on. It has GRACE_NS to end at once; then
 * it counts as blocking, and is asked for again whenever something happened. What such a call
 * works on is the request's copy, because a script that fails leaves its calls behind.
 */
#define _GNU_SOURCE
#include "posix/posix.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "netns.h"

enum { GRACE_NS = 2000000, IOVS_MAX = 64, POLLS_MAX = 32, CONTROL_SIZE = 512, FDS_MAX = 1024 };

enum request_kind {
	REQUEST_ACCEPT,
	REQUEST_CONNECT,
	REQUEST_CLOSE,
	REQUEST_SEND,
	REQUEST_RECV,
	REQUEST_POLL,
	REQUEST_EPOLL
};

struct request {
	enum request_kind kind;
	int fd, flags, timeout_ms;
	struct sockaddr_storage addr;
	socklen_t addr_len;
	struct msghdr msg;
	struct iovec iov[IOVS_MAX];
	uint8_t *data;
	_Alignas(struct cmsghdr) uint8_t control[CONTROL_SIZE];
	struct pollfd polls[POLLS_MAX];
	struct epoll_event events[POLLS_MAX];
	unsigned count;
	int64_t result;
	sem_t done;
};

struct posix_world {
	struct request *pending; /* only one call at a time blocks */
	bool is_open[FDS_MAX];   /* descriptors that calls made */
};

static int64_t result_of(int64_t result)
{
	return result < 0 ? -errno : result;
}

struct posix_world *posix_new(struct tee_stack *stack, int first_fd)
{
	(void)stack;
	(void)first_fd;
	signal(SIGPIPE, SIG_IGN);
	return calloc(1, sizeof(struct posix_world));
}

static int keep(struct posix_world *world, int fd)
{
	if (fd >= 0 && fd < FDS_MAX)
		world->is_open[fd] = true;
	return fd;
}

void posix_free(struct posix_world *world)
{
	for (int fd = 0; world && fd < FDS_MAX; fd++)
		if (world->is_open[fd])
			close(fd);
	/* A call that still blocks keeps its request until the process ends. */
	free(world);
}

/* ---- calls that may block ---- */

static int64_t perform(struct request *r)
{
	switch (r->kind) {
	case REQUEST_ACCEPT:
		return accept4(r->fd, (struct sockaddr *)&r->addr, &r->addr_len, r->flags);
	case REQUEST_CONNECT: return connect(r->fd, (struct sockaddr *)&r->addr, r->addr_len);
	case REQUEST_CLOSE: return close(r->fd);
	case REQUEST_SEND: return sendmsg(r->fd, &r->msg, r->flags);
	case REQUEST_RECV: return recvmsg(r->fd, &r->msg, r->flags);
	case REQUEST_POLL: return poll(r->polls, r->count, r->timeout_ms);
	case REQUEST_EPOLL: return epoll_wait(r->fd, r->events, (int)r->count, r->timeout_ms);
	}
	return -1;
}

static void *work(void *arg)
{
	struct request *r = arg;

	r->result = result_of(perform(r));
	sem_post(&r->done);
	return NULL;
}

static struct request *new_request(enum request_kind kind, int fd)
{
	struct request *r = calloc(1, sizeof(*r));

	if (!r)
		abort();
	r->kind = kind;
	r->fd = fd;
	sem_init(&r->done, 0, 0);
	return r;
}

static bool start(struct request *r)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, work, r))
		return false;
	pthread_detach(thread);
	return true;
}

static bool is_done(struct request *r, int64_t grace_ns)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += grace_ns;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	return sem_timedwait(&r->done, &until) == 0;
}

/*
 * The request that a call is about: the one that already blocks, or `fresh`, which is then begun.
 * NULL: it blocks; otherwise it is done, and the caller's to free.
 */
static struct request *drive(struct posix_world *world, struct request *fresh,
			     struct posix_wait *wait)
{
	struct request *r = fresh;

	if (!r) {
		r = world->pending;
		if (!is_done(r, 0))
			return NULL;
		world->pending = NULL;
		return r;
	}
	if (!start(r))
		abort();
	if (is_done(r, GRACE_NS))
		return r;
	wait->is_started = true;
	wait->deadline_ns = TEE_NEVER;
	world->pending = r;
	return NULL;
}

static int64_t finish(struct request *r)
{
	int64_t result = r->result;

	sem_destroy(&r->done);
	free(r->data);
	free(r);
	return result;
}

int64_t posix_accept(struct posix_world *world, int fd, void *addr, uint32_t *addr_len, int flags,
		     struct posix_wait *wait)
{
	struct request *r = NULL;

	if (!wait->is_started) {
		r = new_request(REQUEST_ACCEPT, fd);
		r->flags = flags;
		r->addr_len = sizeof(r->addr);
	}
	r = drive(world, r, wait);
	if (!r)
		return POSIX_BLOCKED;
	if (r->result >= 0) {
		keep(world, (int)r->result);
		memcpy(addr, &r->addr, *addr_len < r->addr_len ? *addr_len : r->addr_len);
		*addr_len = r->addr_len;
	}
	return finish(r);
}

int64_t posix_connect(struct posix_world *world, int fd, const void *addr, uint32_t addr_len,
		      struct posix_wait *wait)
{
	struct request *r = NULL;

	if (!wait->is_started) {
		r = new_request(REQUEST_CONNECT, fd);
		memcpy(&r->addr, addr, addr_len);
		r->addr_len = addr_len;
	}
	r = drive(world, r, wait);
	return r ? finish(r) : POSIX_BLOCKED;
}

int64_t posix_close(struct posix_world *world, int fd, struct posix_wait *wait)
{
	struct request *r =
		drive(world, wait->is_started ? NULL : new_request(REQUEST_CLOSE, fd), wait);

	if (fd >= 0 && fd < FDS_MAX)
		world->is_open[fd] = false;
	return r ? finish(r) : POSIX_BLOCKED;
}

/* ---- messages ---- */

static struct request *new_message(enum request_kind kind, int fd, const struct posix_msg *msg,
				   int flags)
{
	struct request *r = new_request(kind, fd);
	size_t total = 0, at = 0;

	for (unsigned i = 0; i < msg->iov_count; i++)
		total += msg->iov[i].len;
	r->data = malloc(total + 1);
	if (!r->data)
		abort();
	for (unsigned i = 0; i < msg->iov_count; i++) {
		r->iov[i] = (struct iovec){r->data + at, msg->iov[i].len};
		if (kind == REQUEST_SEND)
			memcpy(r->data + at, msg->iov[i].base, msg->iov[i].len);
		at += msg->iov[i].len;
	}
	r->flags = flags;
	r->msg.msg_iov = r->iov;
	r->msg.msg_iovlen = msg->iov_count;
	return r;
}

static void put_control(struct request *r, const struct posix_msg *msg)
{
	struct cmsghdr *header;
	size_t space = CMSG_SPACE(sizeof(int32_t));

	if (!msg->cmsg_count)
		return;
	r->msg.msg_control = r->control;
	r->msg.msg_controllen = msg->cmsg_count * space;
	header = CMSG_FIRSTHDR(&r->msg);
	for (unsigned i = 0; i < msg->cmsg_count; i++) {
		header->cmsg_level = msg->cmsg[i].level;
		header->cmsg_type = msg->cmsg[i].type;
		header->cmsg_len = CMSG_LEN(sizeof(int32_t));
		memcpy(CMSG_DATA(header), &msg->cmsg[i].value, sizeof(int32_t));
		header = (struct cmsghdr *)((uint8_t *)header + space);
	}
}

int64_t posix_sendmsg(struct posix_world *world, int fd, const struct posix_msg *msg, int flags,
		      struct posix_wait *wait)
{
	struct request *r = NULL;

	if (!wait->is_started) {
		r = new_message(REQUEST_SEND, fd, msg, flags);
		if (msg->name) {
			memcpy(&r->addr, msg->name, msg->name_len);
			r->msg.msg_name = &r->addr;
			r->msg.msg_namelen = msg->name_len;
		}
		put_control(r, msg);
	}
	r = drive(world, r, wait);
	return r ? finish(r) : POSIX_BLOCKED;
}

/* Stamps are of the time of day; the bench's clock is another. */
static void stamp_to_bench(struct posix_cmsg *cmsg)
{
	struct timespec day, bench;
	int64_t parts[2], ns;

	clock_gettime(CLOCK_REALTIME, &day);
	clock_gettime(CLOCK_MONOTONIC, &bench);
	memcpy(parts, cmsg->data, sizeof(parts));
	ns = (parts[0] - day.tv_sec + bench.tv_sec) * 1000000000 + parts[1] - day.tv_nsec +
	     bench.tv_nsec;
	parts[0] = ns / 1000000000;
	parts[1] = ns % 1000000000;
	memcpy(cmsg->data, parts, sizeof(parts));
}

static void take_control(struct request *r, struct posix_msg *msg)
{
	msg->cmsg_count = 0;
	for (struct cmsghdr *header = CMSG_FIRSTHDR(&r->msg);
	     header && msg->cmsg_count < POSIX_CMSG_MAX; header = CMSG_NXTHDR(&r->msg, header)) {
		struct posix_cmsg *to = &msg->cmsg[msg->cmsg_count++];
		size_t len = header->cmsg_len - CMSG_LEN(0);

		*to = (struct posix_cmsg){.level = header->cmsg_level, .type = header->cmsg_type};
		memcpy(&to->value, CMSG_DATA(header), len < 4 ? len : 4);
		if (len > sizeof(to->value)) {
			to->len = len < sizeof(to->data) ? (uint32_t)len : sizeof(to->data);
			memcpy(to->data, CMSG_DATA(header), to->len);
			if (to->level == SOL_SOCKET && to->type == SCM_TIMESTAMPING)
				stamp_to_bench(to);
		}
	}
}

int64_t posix_recvmsg(struct posix_world *world, int fd, struct posix_msg *msg, int flags,
		      struct posix_wait *wait)
{
	struct request *r = NULL;
	size_t at = 0;

	if (!wait->is_started) {
		r = new_message(REQUEST_RECV, fd, msg, flags);
		r->msg.msg_name = &r->addr;
		r->msg.msg_namelen = sizeof(r->addr);
		r->msg.msg_control = r->control;
		r->msg.msg_controllen = sizeof(r->control);
	}
	r = drive(world, r, wait);
	if (!r)
		return POSIX_BLOCKED;
	msg->flags = r->msg.msg_flags;
	if (r->result >= 0)
		take_control(r, msg);
	for (unsigned i = 0; i < msg->iov_count && (int64_t)at < r->result; i++) {
		size_t left = (size_t)r->result - at;
		size_t len = left < msg->iov[i].len ? left : msg->iov[i].len;

		if (!(flags & MSG_TRUNC))
			memcpy(msg->iov[i].base, r->iov[i].iov_base, len);
		at += len;
	}
	return finish(r);
}

/* ---- readiness ---- */

int64_t posix_poll(struct posix_world *world, struct posix_pollfd *fds, unsigned count,
		   int timeout_ms, struct posix_wait *wait)
{
	struct request *r = NULL;

	if (!wait->is_started) {
		r = new_request(REQUEST_POLL, -1);
		r->count = count;
		r->timeout_ms = timeout_ms;
		for (unsigned i = 0; i < count; i++)
			r->polls[i] = (struct pollfd){fds[i].fd, fds[i].events, 0};
	}
	r = drive(world, r, wait);
	if (!r)
		return POSIX_BLOCKED;
	for (unsigned i = 0; i < count; i++)
		fds[i].revents = r->polls[i].revents;
	return finish(r);
}

int posix_epoll_create(struct posix_world *world)
{
	return keep(world, (int)result_of(epoll_create1(0)));
}

int posix_epoll_ctl(struct posix_world *world, int epfd, int op, int fd,
		    const struct posix_epoll_event *event)
{
	struct epoll_event to = {0};

	(void)world;
	if (event) {
		to.events = event->events;
		to.data.u64 = event->data;
	}
	return (int)result_of(epoll_ctl(epfd, op, fd, event ? &to : NULL));
}

int64_t posix_epoll_wait(struct posix_world *world, int epfd, struct posix_epoll_event *events,
			 unsigned max, int timeout_ms, struct posix_wait *wait)
{
	struct request *r = NULL;

	if (!wait->is_started) {
		r = new_request(REQUEST_EPOLL, epfd);
		r->count = max;
		r->timeout_ms = timeout_ms;
	}
	r = drive(world, r, wait);
	if (!r)
		return POSIX_BLOCKED;
	for (int64_t i = 0; i < r->result; i++) {
		events[i].events = r->events[i].events;
		events[i].data = r->events[i].data.u64;
	}
	return finish(r);
}

/* ---- calls that never block ---- */

void posix_set_now(struct posix_world *world, uint64_t now_ns)
{
	(void)world;
	(void)now_ns;
}

/* A socket is its descriptor; the pointer is never followed. */
struct tee_socket *posix_socket_of(struct posix_world *world, int fd)
{
	int type;
	socklen_t len = sizeof(type);

	(void)world;
	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0)
		return NULL;
	return (struct tee_socket *)(uintptr_t)(fd + 1);
}

enum tee_socket_type tee_socket_kind(const struct tee_socket *socket)
{
	int type = 0, fd = (int)(uintptr_t)socket - 1;
	socklen_t len = sizeof(type);

	getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len);
	return type == SOCK_DGRAM ? TEE_SOCKET_UDP : TEE_SOCKET_TCP;
}

int posix_socket(struct posix_world *world, int domain, int type, int protocol)
{
	int fd = (int)result_of(socket(domain, type | SOCK_CLOEXEC, protocol));

	if (fd >= 0 && (type & 15) == SOCK_STREAM)
		netns_use_congestion(fd);
	return keep(world, fd);
}

int posix_bind(struct posix_world *world, int fd, const void *addr, uint32_t addr_len)
{
	(void)world;
	return (int)result_of(bind(fd, addr, addr_len));
}

int posix_listen(struct posix_world *world, int fd, int backlog)
{
	(void)world;
	return (int)result_of(listen(fd, backlog));
}

int posix_shutdown(struct posix_world *world, int fd, int how)
{
	(void)world;
	return (int)result_of(shutdown(fd, how));
}

int posix_fcntl(struct posix_world *world, int fd, int command, int64_t arg)
{
	(void)world;
	return (int)result_of(fcntl(fd, command, arg));
}

int posix_ioctl(struct posix_world *world, int fd, uint64_t request, int *arg)
{
	(void)world;
	return (int)result_of(ioctl(fd, request, arg));
}

int posix_getsockname(struct posix_world *world, int fd, void *addr, uint32_t *addr_len)
{
	(void)world;
	return (int)result_of(getsockname(fd, addr, addr_len));
}

int posix_getpeername(struct posix_world *world, int fd, void *addr, uint32_t *addr_len)
{
	(void)world;
	return (int)result_of(getpeername(fd, addr, addr_len));
}

int posix_setsockopt(struct posix_world *world, int fd, int level, int name, const void *value,
		     uint32_t len)
{
	(void)world;
	return (int)result_of(setsockopt(fd, level, name, value, len));
}

int posix_getsockopt(struct posix_world *world, int fd, int level, int name, void *value,
		     uint32_t *len)
{
	(void)world;
	return (int)result_of(getsockopt(fd, level, name, value, len));
}

/* ---- addresses ---- */

int posix_read_sockaddr(const void *addr, uint32_t len, struct tee_endpoint *ret)
{
	const uint8_t *bytes = addr;
	uint16_t family;

	if (len < 8)
		return -EINVAL;
	memcpy(&family, bytes, sizeof(family));
	if (family != AF_INET && (family != AF_INET6 || len < 24))
		return -EAFNOSUPPORT;
	*ret = (struct tee_endpoint){.port = (uint16_t)(bytes[2] << 8 | bytes[3])};
	if (family == AF_INET)
		ret->ip = TEE_IP4(bytes[4], bytes[5], bytes[6], bytes[7]);
	else
		memcpy(ret->ip.byte, bytes + 8, 16);
	return 0;
}

uint32_t posix_write_sockaddr(const struct tee_endpoint *endpoint, int family, void *addr,
			      uint32_t room)
{
	uint8_t bytes[POSIX_SOCKADDR_SIZE] = {(uint8_t)family, 0, (uint8_t)(endpoint->port >> 8),
					      (uint8_t)endpoint->port};
	uint32_t len = family == AF_INET ? 16 : 28;

	memcpy(bytes + (family == AF_INET ? 4 : 8),
	       endpoint->ip.byte + (family == AF_INET ? 12 : 0), family == AF_INET ? 4 : 16);
	memcpy(addr, bytes, len < room ? len : room);
	return len;
}
