// SPDX-License-Identifier: MIT
/*
 * The program's sockets, and how they are found again.
 *
 * By SO_COOKIE: the kernel's number of an AF_UNIX socket, the same for every descriptor that leads
 * to it. One that the program accepts has a cookie that we haven't seen; but our end of it is bound to
 * an abstract name that holds our serial number, and the program's end tells that as its peer's name.
 * Abstract names of connected sockets let nobody in.
 *
 * A socket that is connected to us tells when its last descriptor is closed. One that isn't (a draft, a
 * listener) tells nobody. For these there is a weak reference: a duplicate is put into an epoll set
 * and closed at once. The set doesn't hold it; when the program's last descriptor goes, the entry
 * vanishes, and /proc/self/fdinfo shows those that are left. run_weak_collect() looks: a few times a second for
 * listeners, once for drafts, and when the answer matters: somebody connects, an address is in use.
 *
 * Ended sockets are remembered, the last few thousand, for a later getpeername() or SO_ERROR.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "run/private.h"

#define COLLECT_NS (200 * TEE_NS_PER_MS)

enum { ROUNDS_A_SECOND = 5 };

/* Our ends' names hold it, and a process may serve several programs. */
static uint64_t last_serial;

static uint32_t hash_of(uint64_t number)
{
	return (uint32_t)((number * UINT64_C(0x9e3779b97f4a7c15)) >> 32);
}

static bool has_cookie(const void *item, const void *key)
{
	return ((const struct run_sock *)item)->cookie == *(const uint64_t *)key;
}

static bool has_serial(const void *item, const void *key)
{
	return ((const struct run_sock *)item)->serial == *(const uint64_t *)key;
}

static struct run_sock *find_serial(struct run *run, uint64_t serial)
{
	return hash_find(&run->by_serial, hash_of(serial), &serial, has_serial);
}

/* 0 when the descriptor is no socket. */
static uint64_t cookie_of(int fd)
{
	uint64_t cookie = 0;
	socklen_t len = sizeof(cookie);

	return getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len) < 0 ? 0 : cookie;
}

/* ---- made and freed ---- */

struct run_sock *run_sock_new(struct run *run, int fd)
{
	struct run_sock *sock = calloc(1, sizeof(*sock));

	if (!sock)
		return NULL;
	sock->stamps_once = POSIX_STAMPS_AS_SET;
	sock->run = run;
	sock->serial = ++last_serial;
	sock->posix_fd = sock->our_fd = sock->seen_fd = sock->parked_fd = -1;
	list_init(&sock->role_node);
	list_push_back(&run->socks, &sock->node);
	if (hash_insert(&run->by_serial, hash_of(sock->serial), sock) < 0 ||
	    (fd >= 0 && run_sock_rename(sock, fd) < 0)) {
		run_sock_free(sock);
		return NULL;
	}
	return sock;
}

int run_sock_rename(struct run_sock *sock, int fd)
{
	struct run *run = sock->run;
	struct stat status;

	if (sock->cookie)
		hash_remove(&run->by_cookie, hash_of(sock->cookie), sock);
	sock->cookie = cookie_of(fd);
	sock->inode = fstat(fd, &status) < 0 ? 0 : status.st_ino;
	if (hash_insert(&run->by_cookie, hash_of(sock->cookie), sock) < 0) {
		sock->cookie = 0;
		return -ENOMEM;
	}
	return 0;
}

void run_sock_free(struct run_sock *sock)
{
	struct run *run = sock->run;

	if (sock->state >= RUN_FAILED && sock->state <= RUN_ENDED &&
	    list_is_linked(&sock->role_node))
		run->dead_count--;
	list_remove(&sock->role_node);
	list_remove(&sock->node);
	if (sock->cookie)
		hash_remove(&run->by_cookie, hash_of(sock->cookie), sock);
	hash_remove(&run->by_serial, hash_of(sock->serial), sock);
	free(sock->sources);
	free(sock->memory);
	free(sock);
}

void run_sock_bury(struct run_sock *sock, enum run_state state)
{
	struct run *run = sock->run;

	if (sock->posix_fd >= 0)
		posix_release(run->world, sock->posix_fd);
	sock->posix_fd = -1;
	sock->state = state;
	list_remove(&sock->role_node);
	list_push_back(&run->dead, &sock->role_node);
	if (++run->dead_count > RUN_DEAD_MAX)
		run_sock_free(CONTAINER_OF(run->dead.next, struct run_sock, role_node));
}

/* ---- found ---- */

struct run_sock *run_find_accepted(struct run *run, int fd)
{
	struct sockaddr_un name = {0};
	socklen_t len = sizeof(name) - 1;
	struct run_sock *sock;
	static const char prefix[] = "teeceepee/";
	uint64_t serial;
	char *end;
	long owner;

	if (getpeername(fd, (struct sockaddr *)&name, &len) < 0 || name.sun_family != AF_UNIX ||
	    name.sun_path[0] || strncmp(name.sun_path + 1, prefix, strlen(prefix)) != 0)
		return NULL;
	owner = strtol(name.sun_path + 1 + strlen(prefix), &end, 10);
	if (owner != (long)getpid() || *end != '/')
		return NULL;
	serial = strtoull(end + 1, NULL, 10);
	sock = find_serial(run, serial);
	if (!sock || sock->cookie || run_sock_rename(sock, fd) < 0)
		return NULL;
	return sock;
}

struct run_sock *run_find_cookie(const struct run *run, int fd)
{
	uint64_t cookie = cookie_of(fd);

	return cookie ? hash_find(&run->by_cookie, hash_of(cookie), &cookie, has_cookie) : NULL;
}

struct run_sock *run_find(const struct run_call *call, int fd, int *ret_dup)
{
	struct run *run = call->run;
	struct run_sock *sock;
	int dup = run_take_fd((pid_t)call->request->pid, fd);

	if (dup < 0)
		return NULL;
	sock = run_find_cookie(run, dup);
	if (!sock)
		sock = run_find_accepted(run, dup);
	if (!sock || !run_is_valid(call)) {
		close(dup);
		return NULL;
	}
	sock->seen_pid = (pid_t)call->request->pid;
	sock->seen_fd = fd;
	*ret_dup = dup;
	return sock;
}

static int dup_of(const struct run_sock *sock, pid_t pid)
{
	int fd = run_take_fd(pid, sock->seen_fd);

	if (fd >= 0 && sock->cookie && cookie_of(fd) != sock->cookie) {
		close(fd);
		fd = -1;
	}
	return fd < 0 ? -1 : fd;
}

int run_dup_far_end(void *arg)
{
	const struct run_sock *sock = arg;
	int fd;

	if (sock->seen_fd < 0)
		return -1;
	fd = dup_of(sock, sock->seen_pid);
	/* The thread that made it may have ended; its process has the descriptor all the same. */
	return fd < 0 && sock->run->child.pid > 0 ? dup_of(sock, sock->run->child.pid) : fd;
}

void run_path(const struct run *run, uint64_t serial, struct sockaddr_un *ret)
{
	*ret = (struct sockaddr_un){.sun_family = AF_UNIX};
	snprintf(ret->sun_path, sizeof(ret->sun_path), "%s/%" PRIu64, run->dir, serial);
}

/* ---- weak references ---- */

static void on_collect(void *arg)
{
	struct run *run = arg;

	run->weak_timer = 0;
	run_weak_collect(run, RUN_WEAK_LISTENERS);
	if (++run->weak_round % ROUNDS_A_SECOND == 0)
		run_weak_collect(run, RUN_WEAK_DRAFTS);
	if (!list_is_empty(&run->weak[RUN_WEAK_DRAFTS]) ||
	    !list_is_empty(&run->weak[RUN_WEAK_LISTENERS]))
		run->weak_timer = tee_host_after(run->host, COLLECT_NS, on_collect, run);
}

void run_weak_add(struct run_sock *sock, int fd)
{
	enum run_weak kind = sock->state == RUN_LISTENING ? RUN_WEAK_LISTENERS : RUN_WEAK_DRAFTS;
	struct run *run = sock->run;
	struct epoll_event event = {.data.u64 = sock->serial};

	list_remove(&sock->role_node);
	/* Without the reference it would be thought closed: rather let it live for ever. */
	if (epoll_ctl(run->weak_fds[kind], EPOLL_CTL_ADD, fd, &event) < 0 && errno != EEXIST)
		return;
	list_push_back(&run->weak[kind], &sock->role_node);
	if (!run->weak_timer)
		run->weak_timer = tee_host_after(run->host, COLLECT_NS, on_collect, run);
}

void run_weak_remove(struct run_sock *sock)
{
	list_remove(&sock->role_node);
}

void run_weak_collect(struct run *run, enum run_weak kind)
{
	struct list *weak = &run->weak[kind];
	char path[64], *line = NULL;
	size_t size = 0;
	FILE *file;

	if (list_is_empty(weak))
		return;
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", run->weak_fds[kind]);
	file = fopen(path, "re");
	if (!file)
		return;
	LIST_FOR_EACH(node, weak)
	CONTAINER_OF(node, struct run_sock, role_node)->is_alive = false;
	while (getline(&line, &size, file) > 0) {
		const char *data = strstr(line, "data:");
		struct run_sock *sock;

		if (strncmp(line, "tfd:", 4) != 0 || !data)
			continue;
		sock = find_serial(run, strtoull(data + 5, NULL, 16));
		if (sock)
			sock->is_alive = true;
	}
	free(line);
	fclose(file);
	LIST_FOR_EACH_SAFE(node, weak)
	{
		struct run_sock *sock = CONTAINER_OF(node, struct run_sock, role_node);

		if (!sock->is_alive)
			run_sock_drop(sock);
	}
}
