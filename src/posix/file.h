/* SPDX-License-Identifier: MIT */
/* What is behind a descriptor; for the files of this room only. */
#ifndef POSIX_FILE_H
#define POSIX_FILE_H

#include "posix/posix.h"

enum posix_kind { POSIX_SOCKET, POSIX_EPOLL };

struct posix_remembered {
	int level, name, value;
};

enum { POSIX_REMEMBERED_MAX = 12 };

struct posix_file {
	enum posix_kind kind;
	int fd;
	int flags; /* O_RDWR, O_NONBLOCK … */
	int fd_flags;

	/* sockets */
	struct tee_socket *socket;
	int domain, type, protocol;
	bool is_connecting; /* a connect() has not told its end yet */
	bool is_deferred;   /* connect() waits for the first send, to put data into the SYN */
	bool was_connected; /* it has, or may have had, a peer */
	bool is_fastopen;   /* TCP_FASTOPEN: a send with an address connects */
	bool wants_inq;     /* TCP_INQ */
	bool wants_tos, wants_ttl;
	bool has_oob_inline; /* SO_OOBINLINE */
	uint64_t taken;      /* bytes of the stream that are gone from its queue */
	uint64_t
		urgent_read_at; /* of them and of those ahead, up to the urgent octet that MSG_OOB read */
	uint64_t receive_timeout_ns, send_timeout_ns; /* 0: none */
	uint64_t linger_ns;                           /* TEE_NEVER: off */
	struct posix_remembered remembered[POSIX_REMEMBERED_MAX];
	unsigned remembered_count;

	struct posix_errqueue *errqueue; /* NULL: never asked for */

	/* epoll */
	struct posix_epoll_item *items;
	unsigned item_count, item_capacity, next_item;
};

struct posix_epoll_item {
	int fd;
	uint32_t events;
	uint64_t data;
	uint32_t edges;      /* readiness gained since the last report, in poll's bits */
	uint64_t bytes_seen; /* bytes_received at the last report: new data is an edge */
	bool is_disabled;    /* EPOLLONESHOT has fired */
};

struct posix_world {
	struct tee_stack *stack;
	uint64_t now_ns;
	int first_fd;
	unsigned awaited;          /* notices that error queues wait for */
	struct posix_file **files; /* by fd - first_fd; NULL is free */
	unsigned file_capacity;
};

/* NULL with -EBADF in *ret_error, or -ENOTSOCK when it is none. */
struct posix_file *posix_find(struct posix_world *world, int fd);
struct posix_file *posix_find_socket(struct posix_world *world, int fd, int *ret_error);
/* The lowest free descriptor; NULL without memory. */
struct posix_file *posix_new_file(struct posix_world *world, enum posix_kind kind);
/*
 * To be called where a call cannot go on: POSIX_BLOCKED when it may wait, `verdict` when it may
 * not (non-blocking) or its time is over.
 */
int64_t posix_block(struct posix_world *world, const struct posix_file *file, bool is_nonblocking,
		    uint64_t timeout_ns, struct posix_wait *wait, int64_t verdict);
/*
 * Why a stream can't be written to, as an errno. After the peer's FIN a reset is a broken pipe, as Linux has it; SO_ERROR
 * calls it a reset nevertheless (RFC 9293 3.10.7.4, second).
 */
int posix_stream_errno(const struct posix_file *file, int tee_error);
/* poll()'s bits that hold for a descriptor now. */
uint32_t posix_ready_bits(struct posix_world *world, const struct posix_file *file);
/*
 * Error queues (errqueue.c). An option that asks for notices: 1 when it is none of theirs. Data that was
 * queued with a send. What has become true by now, in all of them. Reading: a length, or an error.
 */
int posix_errqueue_set(struct posix_file *file, int level, int name, int number);
int posix_errqueue_get(const struct posix_file *file, int level, int name);
void posix_errqueue_on_sent(struct posix_world *world, struct posix_file *file, size_t len,
			    int flags, int64_t stamps_once);
void posix_errqueue_settle(struct posix_world *world);
bool posix_errqueue_is_filled(const struct posix_file *file);
int64_t posix_errqueue_read(struct posix_world *world, struct posix_file *file,
			    struct posix_msg *msg);
/* What an accepted socket inherits; and the end. */
void posix_errqueue_inherit(struct posix_file *child, const struct posix_file *listener);
void posix_errqueue_free(struct posix_world *world, struct posix_file *file);
/* Room in the pieces of a message; bytes into them, of which there are no more; a control message that is a number. */
size_t posix_total_len(const struct posix_msg *msg);
void posix_scatter(const struct posix_msg *msg, const uint8_t *bytes, size_t len);
void posix_add_cmsg(struct posix_msg *msg, int level, int type, int32_t value);
/* SCM_TIMESTAMPING, with the stamp of software; is it to come with what is received? */
bool posix_wants_stamp(const struct posix_file *file);
void posix_tell_stamp(struct posix_msg *msg, uint64_t at_ns);
/* Urgent data (urgent.c): how far a read may go, the octet itself, and what poll() says. */
size_t posix_urgent_limit(struct posix_file *file, int flags);
int64_t posix_urgent_recv(struct posix_file *file, struct posix_msg *msg, int flags);
int posix_urgent_inq(const struct posix_file *file, int bytes);
uint32_t posix_urgent_bits(const struct posix_file *file, uint32_t bits);
/* Readiness gained, for an epoll set that watches `fd`; other files have none to gain. */
void posix_epoll_edge(struct posix_file *epoll, int fd, uint32_t bits);
/* A closed descriptor leaves every epoll set. */
void posix_epoll_forget(struct posix_world *world, int fd);
bool posix_is_tcp(const struct posix_file *file);
enum tee_tcp_state posix_tcp_state(const struct posix_file *file);

#endif
