/* SPDX-License-Identifier: MIT */
/*
 * Non-blocking sockets over TCP, UDP and ICMP echo.
 *
 * The calls change buffers and state and mark what is due; frames leave by tee_output(). None of
 * them takes time. A call that cannot finish now returns -TEE_EAGAIN (or -TEE_EINPROGRESS) and
 * the socket's readiness (tee_next_event(), tee_readiness()) tells when to try again.
 */
#ifndef TEECEEPEE_SOCKET_H
#define TEECEEPEE_SOCKET_H

#include <sys/types.h>
#include <teeceepee/info.h>
#include <teeceepee/stack.h>

#ifdef __cplusplus
extern "C" {
#endif

enum tee_socket_type {
	TEE_SOCKET_TCP,
	TEE_SOCKET_UDP,
	TEE_SOCKET_PING, /* datagrams are ICMP or ICMPv6 echo messages: type, code, checksum, id,
			    sequence, data; checksum and id are filled in by the stack */
};

/* Which families a socket may use. */
enum tee_family { TEE_FAMILY_ANY, TEE_FAMILY_IPV4, TEE_FAMILY_IPV6 };

/*
 * Makes a socket. TEE_FAMILY_ANY is dual-stack (IPv6 socket with TEE_OPT_V6ONLY off).
 * Returns 0, -TEE_ENOMEM or -TEE_EINVAL. The caller closes it.
 */
TEE_API int tee_socket_open(struct tee_stack *stack, enum tee_socket_type type,
			    enum tee_family family, struct tee_socket **ret_socket);
TEE_API void tee_socket_set_user(struct tee_socket *socket, void *user);
TEE_API void *tee_socket_user(const struct tee_socket *socket);
TEE_API enum tee_socket_type tee_socket_kind(const struct tee_socket *socket);
TEE_API struct tee_stack *tee_socket_stack(const struct tee_socket *socket);

/*
 * Names the local end; any address and port 0 leave it to the stack (ports by RFC 6056).
 * -TEE_EADDRINUSE, -TEE_EADDRNOTAVAIL, -TEE_EINVAL (already bound), -TEE_EAFNOSUPPORT.
 */
TEE_API int tee_bind(struct tee_socket *socket, const struct tee_endpoint *local);

/*
 * Passive OPEN (RFC 9293 3.9.1.1). `backlog`: connections that may wait for tee_accept(),
 * and one more, as on Linux.
 * On a listening socket it changes the backlog.
 */
TEE_API int tee_listen(struct tee_socket *socket, unsigned backlog);
/* Takes an established connection as a socket of its own; -TEE_EAGAIN, -TEE_EINVAL. */
TEE_API int tee_accept(struct tee_socket *listener, struct tee_socket **ret_socket,
		       struct tee_endpoint *ret_remote);

/*
 * Active OPEN; returns -TEE_EINPROGRESS (the normal case), 0 for UDP and PING, or the reason why
 * not. For UDP it sets the default peer; an all-zero endpoint dissolves that, and for TCP it ends a connection
 * (RST) or a listener, so that the socket is as fresh; a port that was bound stays.
 */
TEE_API int tee_connect(struct tee_socket *socket, const struct tee_endpoint *remote);

enum {
	TEE_MSG_PEEK = 1,   /* recv: leave it in the queue */
	TEE_MSG_MORE = 2,   /* send: more follows at once, hold a partial segment */
	TEE_MSG_OOB = 4,    /* send: the last byte is urgent (RFC 9293 3.8.5) */
	TEE_MSG_TRUNC = 8,  /* recv: TCP, discard; UDP, return the datagram's true length */
	TEE_MSG_EOR = 16,   /* send: a segment ends here */
	TEE_MSG_EARLY = 32, /* send: queue also while the connection opens (RFC 9293 3.9.1.2) */
};

/*
 * Queues up to `len` bytes; returns how many were taken (at least 1), 0 for len 0, -TEE_EAGAIN
 * when the buffer is full, -TEE_EPIPE, -TEE_ENOTCONN, or the connection's error. UDP: one datagram.
 */
TEE_API ssize_t tee_send(struct tee_socket *socket, const void *data, size_t len, unsigned flags);
/* Takes up to `len` bytes; 0 is the end of the stream; -TEE_EAGAIN, or the connection's error. */
TEE_API ssize_t tee_recv(struct tee_socket *socket, void *buf, size_t len, unsigned flags);

/*
 * What travels beside a datagram. For sending: `local` (source; any: the route's choice),
 * `ttl` 0 and `tos` -1 mean the socket's own.
 */
struct tee_dgram_info {
	struct tee_endpoint local, remote;
	int ttl, tos;
	bool truncated; /* recv: `len` was too small */
	uint64_t at_ns; /* recv: when it came */
};
/*
 * Sends one datagram to `to` (NULL: the connected peer). For a TCP socket with
 * fast open (RFC 7413) it connects and queues data in the SYN.
 */
TEE_API ssize_t tee_sendto(struct tee_socket *socket, const void *data, size_t len, unsigned flags,
			   const struct tee_endpoint *to);
TEE_API ssize_t tee_recvfrom(struct tee_socket *socket, void *buf, size_t len, unsigned flags,
			     struct tee_endpoint *ret_from);
TEE_API ssize_t tee_recv_info(struct tee_socket *socket, void *buf, size_t len, unsigned flags,
			      struct tee_dgram_info *ret_info);
TEE_API ssize_t tee_send_info(struct tee_socket *socket, const void *data, size_t len,
			      unsigned flags, const struct tee_dgram_info *info);

/*
 * Zero-copy sending, TCP only: tee_send_reserve() gives room for 1 to `want` bytes directly in the send
 * queue (perhaps fewer than wished; ret_len says), tee_send_commit() queues the first `len` of them. Once:
 * a commit gives up what it left of the room. So does another call that sends on the socket or ends sending.
 * Both fail as tee_send() does, or with -TEE_ENOMEM, or -TEE_EOPNOTSUPP (not TCP), or -TEE_EINVAL: `want` is 0,
 * or `len` is more than was reserved, and then nothing is queued and the room stays.
 */
TEE_API int tee_send_reserve(struct tee_socket *socket, size_t want, void **ret_ptr,
			     size_t *ret_len);
TEE_API int tee_send_commit(struct tee_socket *socket, size_t len);

/*
 * Queues memory that the application owns, without a copy: 1 to UINT32_MAX bytes, which must not change until
 * they are released. `release(arg)` is called once all of it is acknowledged or given up and no frame
 * refers to it any more, from within tee_input(), tee_output(), tee_advance(), tee_frame_release(), a socket call or
 * tee_stack_free(); it must not call the stack. All or nothing: 0, also for more bytes than the buffer has room for,
 * as long as it has any; -TEE_EAGAIN when it is full, or the error: nothing is kept then, and `release` not called.
 */
TEE_API int tee_send_owned(struct tee_socket *socket, const void *data, size_t len,
			   void (*release)(void *arg), void *arg);

/*
 * Zero-copy receiving, TCP only: fills up to `n` slices (at least one) with what is queued, returns how many; they stay
 * valid until tee_recv_consume() or the next receive call, or the socket's end. Frames that come meanwhile add to what is
 * queued and move nothing. 0 at the stream's end, -TEE_EAGAIN, or an error as of tee_recv().
 * tee_recv_consume() takes the first `len` bytes off: 0, or -TEE_EINVAL, and nothing is taken, when fewer are queued.
 */
TEE_API int tee_recv_view(struct tee_socket *socket, struct tee_slice *slices, unsigned n);
TEE_API int tee_recv_consume(struct tee_socket *socket, size_t len);

enum tee_shutdown { TEE_SHUT_READ = 1, TEE_SHUT_WRITE = 2, TEE_SHUT_BOTH = 3 };
/* SHUT_WRITE sends FIN after what is queued (half-close). */
TEE_API int tee_shutdown(struct tee_socket *socket, enum tee_shutdown how);
/*
 * Ends the caller's hold on the socket; the pointer is dead afterwards. TCP goes on in the
 * background with FIN, or RST when received data was never read or linger is 0 (SHLD-3).
 */
TEE_API void tee_close(struct tee_socket *socket);
/* As tee_close(), but with RST at once (ABORT, RFC 9293 3.9.1.6). */
TEE_API void tee_abort(struct tee_socket *socket);

/* The TEE_EV_… bits that hold now. */
TEE_API unsigned tee_readiness(const struct tee_socket *socket);
/* The pending error (positive enum tee_error) or 0, and forgets it. */
TEE_API int tee_take_error(struct tee_socket *socket);

/* One error that a socket with TEE_OPT_RECVERR kept. */
struct tee_error_info {
	struct tee_endpoint remote;   /* where the packet was to go that it is about */
	struct tee_endpoint local;    /* where the message came to; port 0 */
	struct tee_endpoint offender; /* who sent the message; port 0. `is_local`: nobody */
	int error;                    /* enum tee_error, above 0 */
	uint8_t version;              /* of IP: 4 or 6 */
	bool is_local;                /* no message: this stack refused a datagram (TEE_EMSGSIZE) */
	uint8_t type, code;           /* of ICMP or ICMPv6 */
	uint32_t info;                /* the path's MTU, or where the bad parameter stands */
	uint8_t ttl, tos;             /* of the message's packet */
	bool truncated;               /* `len` was too small */
	uint64_t at_ns;               /* when it came */
};
/*
 * Takes the oldest of the errors that TEE_OPT_RECVERR keeps: ICMP's about datagrams of UDP and ping, and about the SYN
 * of a connection that is being opened, which ends by it; and datagrams that were too long for their path. `buf` gets
 * what the message quotes behind UDP's header (of TCP and ping from theirs on), as much as has room;
 * returns how much, or -TEE_EAGAIN. While any wait, TEE_EV_ERROR holds. TEE_MSG_PEEK leaves it in the queue;
 * else, where it came by ICMP, the next of them becomes the error that tee_take_error() tells, or none.
 * The queue is limited by error_queue_bytes_max; what exceeds it is dropped and counted.
 */
TEE_API ssize_t tee_recv_error(struct tee_socket *socket, void *buf, size_t len, unsigned flags,
			       struct tee_error_info *ret_info);
TEE_API int tee_local_name(const struct tee_socket *socket, struct tee_endpoint *ret_local);
/* -TEE_ENOTCONN when there is no peer. */
TEE_API int tee_remote_name(const struct tee_socket *socket, struct tee_endpoint *ret_remote);

enum tee_option {
	TEE_OPT_NODELAY, /* switches Nagle off (MUST-17) */
	TEE_OPT_CORK,
	TEE_OPT_KEEPALIVE, /* off by default (MUST-25) */
	TEE_OPT_KEEPIDLE_NS,
	TEE_OPT_KEEPINTVL_NS,
	TEE_OPT_KEEPCNT,
	TEE_OPT_USER_TIMEOUT_NS, /* 0: none (MUST-21) */
	TEE_OPT_LINGER_NS,       /* TEE_NEVER: off; 0: close sends RST */
	TEE_OPT_LINGER2_NS, /* life of an orphan in FIN-WAIT-2; TEE_NEVER: do not linger there */
	TEE_OPT_REUSEADDR,
	TEE_OPT_REUSEPORT,
	TEE_OPT_RCVBUF,
	TEE_OPT_SNDBUF, /* bytes; setting one stops its autotuning */
	TEE_OPT_RCVLOWAT,
	TEE_OPT_MAXSEG,
	TEE_OPT_TTL,
	TEE_OPT_TOS,      /* hop limit; traffic class (MUST-48, SHLD-21) */
	TEE_OPT_RECV_TOS, /* get only: of the last segment (MAY-9) */
	TEE_OPT_V6ONLY,
	TEE_OPT_SYNCNT,
	TEE_OPT_SYN_TIMEOUT_NS, /* gives up opening after this; 0: by SYNCNT */
	TEE_OPT_WINDOW_CLAMP,
	TEE_OPT_QUICKACK,
	TEE_OPT_DEFER_ACCEPT_NS,
	TEE_OPT_NOTSENT_LOWAT,
	TEE_OPT_OOBINLINE, /* urgent data in the stream; on, and the only way here */
	TEE_OPT_BROADCAST,
	TEE_OPT_NETIF,            /* bind to one netif; 0: any */
	TEE_OPT_MTU_DISCOVER,     /* 0: never set DF, 1: as configured, 2: always */
	TEE_OPT_MTU,              /* get only: of the path */
	TEE_OPT_FASTOPEN,         /* listener: queue length of pending fast-open requests */
	TEE_OPT_FASTOPEN_CONNECT, /* with a cookie at hand connect() waits for the first send */
	TEE_OPT_FASTOPEN_NO_COOKIE,
	TEE_OPT_NOOPT,        /* no TCP options but MSS */
	TEE_OPT_PACING_RATE,  /* cap, bytes a second; UINT64_MAX: none */
	TEE_OPT_ECN,          /* enum tee_ecn_mode for this socket */
	TEE_OPT_ACCEPTING,    /* get only: is it listening */
	TEE_OPT_INQ,          /* get only: bytes to read */
	TEE_OPT_OUTQ,         /* get only: bytes not yet acknowledged */
	TEE_OPT_OUTQ_NOTSENT, /* get only */
	TEE_OPT_URGENT_AHEAD, /* get only: bytes up to and including the urgent byte (MUST-33) */
	TEE_OPT_HALF_CLOSED, /* get only: the peer has finished and we have not, also after a reset */
	TEE_OPT_RECVERR, /* TEE_RECVERR_…: keep errors for tee_recv_error(), and tell each at once */
	TEE_OPT_COUNT
};
/* Of which family's packets; an IPv6 socket may have peers of both. */
enum { TEE_RECVERR_IPV4 = 1, TEE_RECVERR_IPV6 = 2 };
/* 0, -TEE_ENOPROTOOPT (not for this socket), -TEE_EINVAL (value), -TEE_EISCONN and the like. */
TEE_API int tee_set_option(struct tee_socket *socket, enum tee_option option, uint64_t value);
TEE_API int tee_get_option(const struct tee_socket *socket, enum tee_option option,
			   uint64_t *ret_value);
/*
 * The IPv4 source route of a TCP socket (RFC 9293 3.9.2.1, RFC 791): `count` routers to pass on the
 * way, at most 8; 0 forgets it. Before connect or listen, or later. What the application names goes
 * before a route that comes in. -TEE_EOPNOTSUPP (not TCP), -TEE_EINVAL, -TEE_EAFNOSUPPORT, -TEE_ENOMEM.
 */
TEE_API int tee_set_source_route(struct tee_socket *socket, const struct tee_ip *hops,
				 unsigned count, bool is_strict);
/* The congestion controller by name; -TEE_ENOENT. */
TEE_API int tee_set_congestion(struct tee_socket *socket, const char *name);
TEE_API const char *tee_get_congestion(const struct tee_socket *socket);

/* All that is known of the connection; -TEE_EOPNOTSUPP when it isn't TCP. */
TEE_API int tee_socket_info(const struct tee_socket *socket, struct tee_tcp_info *ret_info);

/*
 * Walks all sockets and connections, those without a socket and those in TIME-WAIT too, for ss.
 * `cursor` starts at 0; returns false past the end. The stack must not change meanwhile.
 */
TEE_API bool tee_socket_list(struct tee_stack *stack, uint64_t *cursor,
			     struct tee_socket_entry *ret_entry);

#ifdef __cplusplus
}
#endif
#endif
