/* SPDX-License-Identifier: MIT */
/*
 * BSD sockets as Linux has them, over the stack's own sockets: descriptors, blocking and
 * non-blocking calls, poll and epoll, options by level and number. Results are Linux': at or
 * above 0, or the negative of an errno (abi.h).
 *
 * Still sans-I/O: a call that has to wait returns POSIX_BLOCKED, and is called again with the same
 * arguments and the same `struct posix_wait` after the stack changed or the wait's deadline came.
 *
 *   1. struct posix_wait wait = {0};
 *   2. result = posix_recv(world, fd, …, &wait);
 *   3. while POSIX_BLOCKED: let the stack run (frames, tee_advance(), posix_set_now()), at the
 *      latest until wait.deadline_ns; go to 2.
 *
 * A wait of NULL makes a call non-blocking whatever the descriptor's flags say.
 */
#ifndef POSIX_POSIX_H
#define POSIX_POSIX_H

#include <teeceepee/socket.h>

#include "posix/abi.h"

#define POSIX_BLOCKED INT64_MIN

struct posix_wait {
	bool is_started;
	uint64_t deadline_ns; /* TEE_NEVER: only an event ends the wait */
	size_t done;          /* bytes moved so far by a call that moves many */
};

/* As struct iovec, pollfd, msghdr (without its padding), epoll_event. */
struct posix_iov {
	void *base;
	size_t len;
};

struct posix_pollfd {
	int32_t fd;
	int16_t events, revents;
};

struct posix_epoll_event {
	uint32_t events;
	uint64_t data;
};

enum { POSIX_CMSG_MAX = 4, POSIX_CMSG_DATA_MAX = 48, POSIX_SOCKADDR_SIZE = 28 };

struct posix_cmsg {
	int level, type;
	int32_t value;
	uint32_t len; /* of `data`, for what is more than a number; 0: `value` is all */
	uint8_t data[POSIX_CMSG_DATA_MAX];
};

/* As struct sock_extended_err; behind it comes the address of who reported it, a sockaddr of the socket's family. */
struct posix_extended_error {
	uint32_t error;
	uint8_t origin, type, code, pad;
	uint32_t info, data;
};
enum { POSIX_EXTENDED_ERROR_SIZE = 32, POSIX_EXTENDED_ERROR6_SIZE = 44 };

struct posix_msg {
	void *name;        /* a sockaddr in Linux' layout, or NULL */
	uint32_t name_len; /* recv: room before, length after */
	struct posix_iov *iov;
	unsigned iov_count;
	struct posix_cmsg cmsg[POSIX_CMSG_MAX]; /* recv: filled in; send: TOS and TTL of UDP */
	unsigned cmsg_count;
	int flags; /* recv: MSG_TRUNC and the like */
};

struct posix_world;

/*
 * A world of descriptors over a stack, which the caller keeps alive and drives. Descriptors are
 * the lowest free ones from `first_fd`. NULL without memory. It takes the stack's events
 * (tee_next_event()) and the sockets' user pointers for itself.
 */
struct posix_world *posix_new(struct tee_stack *stack, int first_fd);
/* Closes every descriptor. NULL is legal. */
void posix_free(struct posix_world *world);
/* The time for timeouts; never back. */
void posix_set_now(struct posix_world *world, uint64_t now_ns);
/* Takes the stack's events; done by poll and epoll too, and harmless at any time. */
void posix_pump(struct posix_world *world);
/* The stack's socket behind a descriptor; NULL when there is none. */
struct tee_socket *posix_socket_of(struct posix_world *world, int fd);
/*
 * A new descriptor for a TCP socket that came from tee_accept() on `listener_fd`, with what a child
 * inherits in Linux. The socket is the descriptor's from then on. -ENOMEM leaves it the caller's.
 */
int posix_adopt(struct posix_world *world, int listener_fd, struct tee_socket *socket);
/* Ends a descriptor without closing its socket, which others own or have closed already. */
void posix_release(struct posix_world *world, int fd);

int posix_socket(struct posix_world *world, int domain, int type, int protocol);
int posix_bind(struct posix_world *world, int fd, const void *addr, uint32_t addr_len);
int posix_listen(struct posix_world *world, int fd, int backlog);
/* `addr` may be NULL; *addr_len is room before and length after. `flags`: SOCK_NONBLOCK. */
int64_t posix_accept(struct posix_world *world, int fd, void *addr, uint32_t *addr_len, int flags,
		     struct posix_wait *wait);
int64_t posix_connect(struct posix_world *world, int fd, const void *addr, uint32_t addr_len,
		      struct posix_wait *wait);
int posix_shutdown(struct posix_world *world, int fd, int how);
/* With SO_LINGER and a time it blocks until what was sent is acknowledged, or the time is over. */
int64_t posix_close(struct posix_world *world, int fd, struct posix_wait *wait);
int posix_fcntl(struct posix_world *world, int fd, int command, int64_t arg);
/* `arg` points to an int, in or out as the request says. */
int posix_ioctl(struct posix_world *world, int fd, uint64_t request, int *arg);
int posix_getsockname(struct posix_world *world, int fd, void *addr, uint32_t *addr_len);
int posix_getpeername(struct posix_world *world, int fd, void *addr, uint32_t *addr_len);

int64_t posix_sendmsg(struct posix_world *world, int fd, const struct posix_msg *msg, int flags,
		      struct posix_wait *wait);
int64_t posix_recvmsg(struct posix_world *world, int fd, struct posix_msg *msg, int flags,
		      struct posix_wait *wait);
/*
 * A datagram was sent by a call of the stack's own: the stamps that SO_TIMESTAMPING asks for are put into the socket's
 * error queue; or those of `stamps_once`, the control message of that name.
 */
enum { POSIX_STAMPS_AS_SET = -1 };
void posix_stamp_datagram(struct posix_world *world, int fd, int64_t stamps_once);
/* Would recvmsg(MSG_ERRQUEUE) give something? */
bool posix_has_errors(const struct posix_world *world, int fd);
/* send and recv: one buffer and no address; write and read are these with flags 0. */
int64_t posix_send(struct posix_world *world, int fd, const void *data, size_t len, int flags,
		   struct posix_wait *wait);
int64_t posix_recv(struct posix_world *world, int fd, void *buf, size_t len, int flags,
		   struct posix_wait *wait);

int posix_setsockopt(struct posix_world *world, int fd, int level, int name, const void *value,
		     uint32_t len);
int posix_getsockopt(struct posix_world *world, int fd, int level, int name, void *value,
		     uint32_t *len);
/* Linux' view of what a connection knows. */
void posix_fill_tcp_info(const struct tee_tcp_info *from, struct linux_tcp_info *to);

/* `timeout_ms` below 0 waits for ever. */
int64_t posix_poll(struct posix_world *world, struct posix_pollfd *fds, unsigned count,
		   int timeout_ms, struct posix_wait *wait);
int posix_epoll_create(struct posix_world *world);
int posix_epoll_ctl(struct posix_world *world, int epfd, int op, int fd,
		    const struct posix_epoll_event *event);
int64_t posix_epoll_wait(struct posix_world *world, int epfd, struct posix_epoll_event *events,
			 unsigned max, int timeout_ms, struct posix_wait *wait);

/* A sockaddr in Linux' layout to an endpoint: 0, -EINVAL (length), -EAFNOSUPPORT. */
int posix_read_sockaddr(const void *addr, uint32_t len, struct tee_endpoint *ret);
/* The other way, in `family`'s form; returns the full length, stores at most `room` bytes. */
uint32_t posix_write_sockaddr(const struct tee_endpoint *endpoint, int family, void *addr,
			      uint32_t room);
/* Linux' errno for an enum tee_error of either sign; 0 for 0. Positive. */
int posix_errno(int tee_error);

#endif
