/* SPDX-License-Identifier: MIT */
/*
 * Sockets from the inside: what stack/ needs to make, list and free them.
 *
 * A socket is small, because ten million of them may be idle. What only an unconnected TCP socket
 * needs (settings, bound port) lives in a draft that goes away with connect or listen.
 */
#ifndef TEE_SOCK_SOCK_H
#define TEE_SOCK_SOCK_H

#include <teeceepee/socket.h>
#include "base/hash.h"
#include "engine/engine.h"
#include "net/net.h"
#include "tcp/tcp.h"
#include "udp/udp.h"

/* What all sockets of a stack share. */
struct sock_room {
	struct tee_stack *stack;
	struct engine *engine;
	struct net *net;
	struct tcp *tcp;
	struct udp *udp;
	struct slab sockets;
	struct list all; /* of tee_socket.node */
	size_t count;
	struct hash_table errors; /* of struct sock_errors (errors.c) */
	struct sock_draft
		*spare; /* freed last: drafts come and go, and would leave holes in the heap */
};

/* Which member of the socket's union holds. */
enum sock_state {
	SOCK_DRAFT,    /* TCP, neither connected nor listening: everything may still be set */
	SOCK_LISTENER, /* TCP, after listen */
	SOCK_CONN, /* TCP, after connect or accept, until close: also when the connection ended */
	SOCK_DATAGRAM, /* UDP and ping, always */
};

/*
 * TCP's settings before there is a connection. `bind` is the port that tee_bind() took, NULL before.
 * `is_deferred`: connect to `remote` was asked for with fast open, the first send opens.
 */
struct sock_draft {
	struct tcp_settings settings;
	struct port_bind *bind;
	struct tee_endpoint local, remote;
	bool is_deferred;
};

struct tee_socket {
	struct event_source source;
	uint8_t kind;     /* enum tee_socket_type */
	uint8_t family;   /* enum tee_family */
	uint8_t state;    /* enum sock_state */
	bool was_bound;   /* by tee_bind(): the port is kept when an attempt to connect failed */
	bool is_accepted; /* came from a listener: can't be connected again */
	uint8_t recverr;  /* TEE_RECVERR_…: the errors that it keeps */
	bool has_errors;  /* … and there are some (errors.c) */
	struct list node; /* in sock_room.all */
	struct sock_room *room;
	void *user;
	union {
		struct sock_draft *draft;
		struct tcp_listener *listener;
		struct tcp_conn *conn;
		struct udp_endpoint *endpoint;
	} u;
};
_Static_assert(sizeof(struct tee_socket) <= 80, "an idle connection is to cost at most 600 bytes");

void sock_room_init(struct sock_room *room, struct tee_stack *stack, struct engine *engine,
		    struct net *net, struct tcp *tcp, struct udp *udp);
/*
 * The two halves of freeing all sockets: the first gives ports and UDP endpoints back, while udp
 * and tcp still live; the second frees the sockets, after tcp_free() has let go of their sources.
 */
void sock_room_release(struct sock_room *room);
void sock_room_fini(struct sock_room *room);

int sock_new(struct sock_room *room, enum tee_socket_type type, enum tee_family family,
	     struct tee_socket **ret_socket);
struct tee_socket *sock_of_source(struct event_source *source);
/* Takes the next socket with news; false: none. */
bool sock_next_event(struct sock_room *room, struct tee_event *ret_event);
/* As tee_socket_list(). */
bool sock_list(struct sock_room *room, uint64_t *cursor, struct tee_socket_entry *ret_entry);
void sock_room_check(const struct sock_room *room);

/* ---- between the files of this room ---- */

/* A socket in a state yet to be set, in the room's list; NULL: no memory. */
struct tee_socket *sock_alloc(struct sock_room *room, enum tee_socket_type type,
			      enum tee_family family);
/* Gives the socket its memory back; what it held was given up before. */
void sock_dealloc(struct tee_socket *socket);
struct sock_draft *sock_draft_new(struct sock_room *room, enum tee_family family);
/* Gives the port back, too. NULL is legal. */
void sock_draft_free(struct sock_room *room, struct sock_draft *draft);
/*
 * Does the address fit the socket's family? Puts "any address" into the family's own form.
 * 0 or -TEE_EAFNOSUPPORT.
 */
int sock_fit_family(const struct tee_socket *socket, struct tee_endpoint *endpoint);
/* The pending error of a connection or a datagram endpoint; 0: none. */
void sock_set_error(struct tee_socket *socket, int error);
/* errors.c: the queues of errors of a room. */
void sock_errors_init(struct sock_room *room);
void sock_errors_fini(struct sock_room *room);
/* A datagram to `remote` was refused here, with this error of either sign. */
void sock_errors_local(struct tee_socket *socket, const struct tee_endpoint *remote, int error);
void sock_errors_clear(struct tee_socket *socket);
void sock_errors_check(const struct tee_socket *socket);
/* Opens the connection that a draft describes; 0 or the reason why not (the draft stays). */
int sock_open(struct tee_socket *socket, const struct tee_endpoint *remote);

#endif
