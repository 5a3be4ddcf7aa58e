/* SPDX-License-Identifier: MIT */
/*
 * What clients ask a daemon for, and what it answers: one message each over a SEQPACKET socket, with at
 * most one descriptor beside it. A connection is for one request.
 *
 *   DAEMON_RUN    a descriptor of a program's notifications comes along; the daemon serves the program. The
 *                 connection stays: a second answer says that no process of the program is left, and
 *                 the end that the daemon is going.
 *   DAEMON_SOCKETS  the answer brings a file of struct daemon_socket, which nobody writes any more.
 *   DAEMON_DOWN   the daemon ends. `pid` of the answer tells whom to wait for.
 *
 * Both sides are one user's or root's, and of one build: structs are sent as they are, and a message of
 * another size or version is refused.
 */
#ifndef DAEMON_ASK_H
#define DAEMON_ASK_H

#include <sys/types.h>

#include "daemon/place.h"
#include "run/run.h"

enum daemon_kind { DAEMON_RUN, DAEMON_SOCKETS, DAEMON_DOWN };
enum { DAEMON_ADDRESSES_MAX = 8, DAEMON_LINK_SIZE = 64, DAEMON_VERSION_SIZE = 24 };

struct daemon_request {
	char version[DAEMON_VERSION_SIZE];
	int32_t kind;
	pid_t program;
	bool allows_host_loopback;
	uint32_t publish_count;
	struct run_publish publish[RUN_PUBLISH_MAX];
};

struct daemon_reply {
	int32_t code; /* 0, or an errno */
	pid_t pid;
	char text[TEE_HOST_ERROR_SIZE]; /* why not */
	char link[DAEMON_LINK_SIZE];
	uint32_t address_count;
	struct tee_ip addresses[DAEMON_ADDRESSES_MAX];
};

/* A socket of the stack, and what a program holds of it (inode 0: nothing). */
struct daemon_socket {
	struct tee_socket_entry entry; /* without its pointers */
	char timer[16];
	uint64_t inode;
	int32_t family; /* enum tee_family: which addresses it takes */
};

void daemon_request_init(struct daemon_request *request, enum daemon_kind kind);

/*
 * Sends a request, with a descriptor or -1, and waits for the answer. What comes with the answer goes to
 * *ret_fd (-1: nothing), unless NULL. 0 or -errno and a sentence; an answer that says no is one too.
 */
int daemon_ask(int fd, const struct daemon_request *request, int passed_fd,
	       struct daemon_reply *ret_reply, int *ret_fd, char *ret_error);

/* One message and up to one descriptor; -errno, 0 at the end of the connection. Flags as of recvmsg(). */
ssize_t daemon_receive(int fd, void *message, size_t size, int flags, int *ret_fd);
int daemon_send(int fd, const void *message, size_t size, int passed_fd);

#endif
