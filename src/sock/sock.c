/* SPDX-License-Identifier: MIT */
/*
 * The life of a socket: made, named, asked for its readiness, closed, listed for ss.
 *
 * struct tee_socket is a handle of one of four kinds (enum sock_state): a draft, a listener, a
 * connection, a datagram endpoint. TCP sockets begin as drafts; connect and listen turn the draft
 * into one of the others and free it, so that a connected socket carries nothing but its event
 * source, its owner's pointer and the connection. The protocol rooms know a socket only by its event
 * source, on which they raise bits.
 *
 * Out: events. event_raise() queues a source; sock_next_event() takes it, asks for the readiness of
 * this moment (level), and passes over those that have none left. Closing takes the source out
 * of the queue, after the protocol was told to forget it, so a closed socket never comes out.
 *
 * There are no timers here. The calls that open are in connect.c, those that carry data in
 * transfer.c, options in option.c. RFC 9293 section 3.9.1 lists the calls of TCP's user interface.
 */
#include <stdlib.h>
#include <string.h>

#include "sock/sock.h"
#include "base/check.h"

void sock_room_init(struct sock_room *room, struct tee_stack *stack, struct engine *engine,
		    struct net *net, struct tcp *tcp, struct udp *udp)
{
	room->stack = stack;
	room->engine = engine;
	room->net = net;
	room->tcp = tcp;
	room->udp = udp;
	slab_init(&room->sockets, &engine->arena, sizeof(struct tee_socket));
	list_init(&room->all);
	room->count = 0;
	room->spare = NULL;
	sock_errors_init(room);
}

static struct tee_socket *sock_of_node(struct list *node)
{
	return CONTAINER_OF(node, struct tee_socket, node);
}

struct tee_socket *sock_of_source(struct event_source *source)
{
	return CONTAINER_OF(source, struct tee_socket, source);
}

/* ---- made ---- */

struct tee_socket *sock_alloc(struct sock_room *room, enum tee_socket_type type,
			      enum tee_family family)
{
	struct tee_socket *socket = slab_new_zeroed(&room->sockets);

	if (!socket)
		return NULL;
	event_source_init(&socket->source);
	socket->kind = (uint8_t)type;
	socket->family = (uint8_t)family;
	socket->room = room;
	list_push_back(&room->all, &socket->node);
	room->count++;
	return socket;
}

void sock_dealloc(struct tee_socket *socket)
{
	sock_errors_clear(socket);
	event_source_fini(&socket->source);
	list_remove(&socket->node);
	socket->room->count--;
	slab_free(&socket->room->sockets, socket);
}

struct sock_draft *sock_draft_new(struct sock_room *room, enum tee_family family)
{
	struct sock_draft *draft = room->spare;

	if (!draft)
		draft = malloc(sizeof(*draft));
	if (!draft)
		return NULL;
	room->spare = NULL;
	memset(draft, 0, sizeof(*draft));
	tcp_settings_init(&draft->settings, room->tcp);
	if (family == TEE_FAMILY_IPV4)
		draft->local.ip = TEE_IP4(0, 0, 0, 0);
	if (family == TEE_FAMILY_IPV6)
		draft->settings.flags |= TCP_SET_V6ONLY;
	return draft;
}

void sock_draft_free(struct sock_room *room, struct sock_draft *draft)
{
	if (!draft)
		return;
	ports_unbind(room->tcp, draft->bind);
	free(room->spare);
	room->spare = draft;
}

int sock_new(struct sock_room *room, enum tee_socket_type type, enum tee_family family,
	     struct tee_socket **ret_socket)
{
	struct tee_socket *socket;

	if ((unsigned)type > TEE_SOCKET_PING || (unsigned)family > TEE_FAMILY_IPV6)
		return -TEE_EINVAL;
	socket = sock_alloc(room, type, family);
	if (!socket)
		return -TEE_ENOMEM;
	if (type == TEE_SOCKET_TCP) {
		socket->state = SOCK_DRAFT;
		socket->u.draft = sock_draft_new(room, family);
	} else {
		socket->state = SOCK_DATAGRAM;
		socket->u.endpoint = udp_endpoint_new(room->udp, type == TEE_SOCKET_PING, family,
						      &socket->source);
	}
	if (!socket->u.draft) { /* whichever member was set */
		sock_dealloc(socket);
		return -TEE_ENOMEM;
	}
	*ret_socket = socket;
	return 0;
}

int sock_fit_family(const struct tee_socket *socket, struct tee_endpoint *endpoint)
{
	bool is4 = tee_ip_is4(&endpoint->ip);

	/* All zero is "any address of any family": an IPv4 socket reads it as 0.0.0.0. */
	if (!is4 && tee_ip_is_any(&endpoint->ip)) {
		if (socket->family == TEE_FAMILY_IPV4)
			endpoint->ip = TEE_IP4(0, 0, 0, 0);
		return 0;
	}
	if (socket->family == (is4 ? TEE_FAMILY_IPV6 : TEE_FAMILY_IPV4))
		return -TEE_EAFNOSUPPORT;
	return 0;
}

/* ---- closed ---- */

/* `by_reset`: ABORT (RFC 9293 3.9.1.6) instead of CLOSE (3.9.1.5). */
static void sock_end(struct tee_socket *socket, bool by_reset)
{
	switch ((enum sock_state)socket->state) {
	case SOCK_DRAFT: sock_draft_free(socket->room, socket->u.draft); break;
	case SOCK_LISTENER: tcp_listener_close(socket->u.listener); break;
	case SOCK_CONN:
		if (by_reset)
			tcp_conn_abort(socket->u.conn);
		else
			tcp_conn_close(socket->u.conn);
		break;
	case SOCK_DATAGRAM: udp_endpoint_free(socket->u.endpoint); break;
	}
	sock_dealloc(socket);
}

void tee_close(struct tee_socket *socket)
{
	sock_end(socket, false);
}

void tee_abort(struct tee_socket *socket)
{
	sock_end(socket, true);
}

/* A connection that ended lives on only for its socket; TCP doesn't know it any more. */
static bool is_husk(const struct tcp_conn *conn)
{
	enum tee_tcp_state state = tcp_conn_state(conn);

	return state == TEE_TCP_CLOSED || state == TEE_TCP_TIME_WAIT;
}

void sock_room_release(struct sock_room *room)
{
	LIST_FOR_EACH(node, &room->all)
	{
		struct tee_socket *socket = sock_of_node(node);

		if (socket->state == SOCK_DRAFT)
			sock_draft_free(room, socket->u.draft);
		else if (socket->state == SOCK_DATAGRAM)
			udp_endpoint_free(socket->u.endpoint);
		else if (socket->state == SOCK_CONN && is_husk(socket->u.conn))
			tcp_conn_close(socket->u.conn);
	}
}

void sock_room_fini(struct sock_room *room)
{
	LIST_FOR_EACH_SAFE(node, &room->all)
	sock_dealloc(sock_of_node(node));
	CHECK(room->count == 0);
	sock_errors_fini(room);
	slab_fini(&room->sockets);
	free(room->spare);
	room->spare = NULL;
}

/* ---- asked ---- */

void tee_socket_set_user(struct tee_socket *socket, void *user)
{
	socket->user = user;
}

void *tee_socket_user(const struct tee_socket *socket)
{
	return socket->user;
}

enum tee_socket_type tee_socket_kind(const struct tee_socket *socket)
{
	return (enum tee_socket_type)socket->kind;
}

struct tee_stack *tee_socket_stack(const struct tee_socket *socket)
{
	return socket->room->stack;
}

static unsigned readiness_of_kind(const struct tee_socket *socket)
{
	unsigned backlog;

	switch ((enum sock_state)socket->state) {
	case SOCK_DRAFT: return socket->u.draft->is_deferred ? TEE_EV_WRITABLE : 0;
	case SOCK_LISTENER:
		return tcp_listener_queue(socket->u.listener, &backlog) > 0 ? TEE_EV_READABLE : 0;
	case SOCK_CONN: return tcp_conn_readiness(socket->u.conn);
	case SOCK_DATAGRAM: return udp_endpoint_readiness(socket->u.endpoint);
	}
	return 0;
}

unsigned tee_readiness(const struct tee_socket *socket)
{
	return readiness_of_kind(socket) | (socket->has_errors ? TEE_EV_ERROR : 0);
}

void sock_set_error(struct tee_socket *socket, int error)
{
	if (socket->state == SOCK_CONN)
		tcp_conn_set_error(socket->u.conn, error);
	else if (socket->state == SOCK_DATAGRAM)
		udp_endpoint_set_error(socket->u.endpoint, error);
}

int tee_take_error(struct tee_socket *socket)
{
	if (socket->state == SOCK_CONN)
		return tcp_conn_take_error(socket->u.conn);
	if (socket->state == SOCK_DATAGRAM)
		return udp_endpoint_take_error(socket->u.endpoint);
	return 0;
}

int tee_local_name(const struct tee_socket *socket, struct tee_endpoint *ret_local)
{
	struct tee_endpoint remote;

	switch ((enum sock_state)socket->state) {
	case SOCK_DRAFT: *ret_local = socket->u.draft->local; break;
	case SOCK_LISTENER: *ret_local = *tcp_listener_local(socket->u.listener); break;
	case SOCK_CONN: tcp_conn_names(socket->u.conn, ret_local, &remote); break;
	case SOCK_DATAGRAM: *ret_local = *udp_endpoint_local(socket->u.endpoint); break;
	}
	return 0;
}

int tee_remote_name(const struct tee_socket *socket, struct tee_endpoint *ret_remote)
{
	struct tee_endpoint local;
	const struct tee_endpoint *remote;
	enum tee_tcp_state state;

	if (socket->state == SOCK_DATAGRAM) {
		remote = udp_endpoint_remote(socket->u.endpoint);
		if (!remote || tee_ip_is_any(&remote->ip))
			return -TEE_ENOTCONN;
		*ret_remote = *remote;
		return 0;
	}
	if (socket->state != SOCK_CONN)
		return -TEE_ENOTCONN;
	state = tcp_conn_state(socket->u.conn);
	if (state == TEE_TCP_CLOSED || state == TEE_TCP_SYN_SENT)
		return -TEE_ENOTCONN;
	tcp_conn_names(socket->u.conn, &local, ret_remote);
	return 0;
}

bool sock_next_event(struct sock_room *room, struct tee_event *ret_event)
{
	struct event_source *source;

	while ((source = event_take(room->engine))) {
		struct tee_socket *socket = sock_of_source(source);
		unsigned ready = tee_readiness(socket);

		if (ready == 0)
			continue; /* the application was faster than the news */
		ret_event->socket = socket;
		ret_event->user = socket->user;
		ret_event->ready = ready;
		return true;
	}
	return false;
}

/* ---- listed ---- */

/* tcp_walk() first (the top bit is its own); then, with this bit, a pointer to the node to look at. */
#define LIST_CURSOR_SOCKETS (UINT64_C(1) << 62)

static void list_tcp_entry(const struct tcp_walk_entry *walk, struct tee_socket_entry *ret_entry)
{
	struct event_source *source = tcp_walk_source(walk);

	ret_entry->type = TEE_SOCKET_TCP;
	ret_entry->socket = source ? sock_of_source(source) : NULL;
	ret_entry->has_socket = source != NULL;
	ret_entry->local = walk->local;
	ret_entry->remote = walk->remote;
	ret_entry->recvq = walk->recvq;
	ret_entry->sendq = walk->sendq;
	ret_entry->timer_name = walk->timer_name ? walk->timer_name : "";
	ret_entry->timer_left_ns = walk->timer_left_ns;
	if (walk->conn)
		tcp_conn_info(walk->conn, &ret_entry->tcp);
	ret_entry->tcp.state = walk->state;
}

/* Sockets that tcp_walk() doesn't know: datagrams, and TCP before connect and listen. */
static bool list_other_entry(struct tee_socket *socket, struct tee_socket_entry *ret_entry)
{
	if (socket->state != SOCK_DRAFT && socket->state != SOCK_DATAGRAM)
		return false;
	ret_entry->type = socket->kind;
	ret_entry->socket = socket;
	ret_entry->has_socket = true;
	ret_entry->timer_name = "";
	ret_entry->tcp.state = TEE_TCP_CLOSED;
	(void)tee_local_name(socket, &ret_entry->local);
	(void)tee_remote_name(socket, &ret_entry->remote);
	if (socket->state == SOCK_DATAGRAM)
		ret_entry->recvq = udp_endpoint_recvq_bytes(socket->u.endpoint);
	return true;
}

bool sock_list(struct sock_room *room, uint64_t *cursor, struct tee_socket_entry *ret_entry)
{
	struct tcp_walk_entry walk;
	struct list *node;

	memset(ret_entry, 0, sizeof(*ret_entry));
	if (!(*cursor & LIST_CURSOR_SOCKETS)) {
		memset(&walk, 0, sizeof(walk));
		if (tcp_walk(room->tcp, cursor, &walk)) {
			list_tcp_entry(&walk, ret_entry);
			return true;
		}
		*cursor = LIST_CURSOR_SOCKETS | (uintptr_t)room->all.next;
	}
	node = (struct list *)(uintptr_t)(*cursor & ~LIST_CURSOR_SOCKETS);
	while (node != &room->all) {
		bool is_found = list_other_entry(sock_of_node(node), ret_entry);

		node = node->next;
		*cursor = LIST_CURSOR_SOCKETS | (uintptr_t)node;
		if (is_found)
			return true;
	}
	return false;
}

void sock_room_check(const struct sock_room *room)
{
	size_t count = 0;

	LIST_FOR_EACH(node, (struct list *)&room->all)
	{
		const struct tee_socket *socket = sock_of_node(node);

		CHECK(socket->room == room);
		CHECK(socket->u.draft != NULL);
		CHECK(socket->family <= TEE_FAMILY_IPV6);
		CHECK((socket->kind == TEE_SOCKET_TCP) == (socket->state != SOCK_DATAGRAM));
		CHECK(!socket->is_accepted || socket->state == SOCK_CONN);
		/* News wait exactly while the source is queued. */
		CHECK((socket->source.news != 0) == list_is_linked(&socket->source.node));
		sock_errors_check(socket);
		count++;
	}
	CHECK(count == room->count);
}
