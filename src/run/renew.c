// SPDX-License-Identifier: MIT
/*
 * A TCP socket that begins anew: after an attempt to connect that failed, or when the program dissolves a connection
 * by connect() to AF_UNSPEC.
 *
 * Linux' socket goes on; ours, an AF_UNIX one, is dead once its other end has been closed. So a fresh one takes
 * the place of the program's descriptor, and the stack gets a fresh socket too. What the program had set before is
 * repeated on both: options, the address it bound, the flags of the descriptor. Duplicates, and what epoll
 * was told of the old one, are lost.
 *
 * struct run_memory holds what is to be repeated; most sockets set little and never need it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "run/private.h"

enum { OPTIONS_MAX = 24, VALUE_BYTES = 16 };

struct option {
	int level, name;
	uint32_t len;
	uint8_t value[VALUE_BYTES];
};

struct run_memory {
	uint8_t address[sizeof(struct sockaddr_storage)];
	uint32_t address_len; /* 0: not bound */
	unsigned count;
	struct option options[OPTIONS_MAX];
};

static struct run_memory *memory_of(struct run_sock *sock)
{
	if (!sock->memory)
		sock->memory = calloc(1, sizeof(*sock->memory));
	return sock->memory;
}

void run_remember_option(struct run_sock *sock, int level, int name, const void *value,
			 uint32_t len)
{
	struct run_memory *memory;
	unsigned i = 0;

	/* A connection that is established will not be needed again, save by those who dissolve it. */
	if (sock->state != RUN_DRAFT || len > VALUE_BYTES || !(memory = memory_of(sock)))
		return;
	while (i < memory->count &&
	       (memory->options[i].level != level || memory->options[i].name != name))
		i++;
	if (i == OPTIONS_MAX)
		return;
	if (i == memory->count)
		memory->count++;
	memory->options[i] = (struct option){.level = level, .name = name, .len = len};
	memcpy(memory->options[i].value, value, len);
}

void run_remember_address(struct run_sock *sock, const void *address, uint32_t len)
{
	struct run_memory *memory = memory_of(sock);

	if (!memory || len > sizeof(memory->address))
		return;
	memcpy(memory->address, address, len);
	memory->address_len = len;
}

static void repeat(struct run_sock *sock, int old_fd, int fresh_fd)
{
	static const int timeouts[] = {SO_RCVTIMEO, SO_SNDTIMEO};
	const struct run_memory *memory = sock->memory;
	struct posix_world *world = sock->run->world;
	struct timeval timeout;

	for (unsigned i = 0; i < sizeof(timeouts) / sizeof(timeouts[0]); i++) {
		socklen_t len = sizeof(timeout);

		if (getsockopt(old_fd, SOL_SOCKET, timeouts[i], &timeout, &len) == 0 &&
		    (timeout.tv_sec || timeout.tv_usec))
			setsockopt(fresh_fd, SOL_SOCKET, timeouts[i], &timeout, len);
	}
	if (!memory)
		return;
	for (unsigned i = 0; i < memory->count; i++) {
		const struct option *option = &memory->options[i];

		posix_setsockopt(world, sock->posix_fd, option->level, option->name, option->value,
				 option->len);
	}
	/* Somebody else may have the port now: then it is another one, or none. */
	if (memory->address_len)
		posix_bind(world, sock->posix_fd, memory->address, memory->address_len);
}

int64_t run_renew(struct run_call *call, struct run_sock *sock, int *theirs)
{
	struct run *run = call->run;
	const uint64_t args[3] = {(uint64_t)sock->domain, (uint64_t)sock->type,
				  (uint64_t)sock->protocol};
	int fresh, result;

	fresh = socket(
		AF_UNIX,
		SOCK_STREAM | SOCK_CLOEXEC | (run_is_nonblocking(*theirs) ? SOCK_NONBLOCK : 0), 0);
	if (fresh < 0)
		return -errno;
	result = run_replace_fd(call, fresh, (int)call->request->data.args[0]);
	if (result == 0)
		result = run_sock_rename(sock, fresh);
	if (result == 0)
		result = run_make_posix(run, args);
	if (result < 0) {
		close(fresh);
		return result;
	}
	list_remove(&sock->role_node);
	run->dead_count--;
	sock->posix_fd = result;
	sock->state = RUN_DRAFT;
	sock->error = 0;
	sock->has_remote = sock->is_told = sock->is_waited = false;
	repeat(sock, *theirs, fresh);
	run_weak_add(sock, fresh);
	close(*theirs);
	*theirs = fresh;
	return 0;
}

int64_t run_disconnect(struct run_call *call, struct run_sock *sock, int *theirs)
{
	switch (sock->state) {
	case RUN_DRAFT: return 0;
	case RUN_CONNECTED: bridge_end(sock->bridge, true); break;
	case RUN_CONNECTING: run_give_up(sock, ECONNABORTED); break;
	default: break;
	}
	/* Both have buried it. */
	return run_renew(call, sock, theirs);
}
