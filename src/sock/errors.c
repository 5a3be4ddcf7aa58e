/* SPDX-License-Identifier: MIT */
/*
 * The queue of errors of a socket that asked for one (TEE_OPT_RECVERR): what ICMP says of packets that it sent, with
 * who says so and what the message quotes, and datagrams that this stack itself found too long for their path.
 *
 * A queue is made when the first error comes, and found by its socket's address in a table of the room, so that a
 * socket without errors carries two bytes of this. Errors come in from the protocols, who know whether to believe
 * them (RFC 5927), by the struct net_errors that sock_errors_init() sets; local ones from transfer.c. They leave by
 * tee_recv_error(), oldest first. As long as there are any the socket has TEE_EV_ERROR.
 *
 * Beside the queue there is the socket's one pending error, which the next call tells and forgets. As on Linux it
 * follows the queue: reading an ICMP error makes the next one pending, or none when no other follows.
 *
 * Whoever knows the ports of a socket can send errors at will: what a queue may hold is limited
 * (error_queue_bytes_max, of entries and quotes together), what comes beyond is dropped and counted.
 *
 * RFC 1122 4.1.3.3 and 4.2.4.1: errors are to be told to applications that wish to hear of them.
 */
#include <stdlib.h>
#include <string.h>

#include "sock/sock.h"
#include "base/check.h"

enum {
	QUOTE_MAX = 1280, /* bytes kept of a quote: no honest message has more (RFC 4443 2.4) */
};

struct sock_error {
	struct sock_error *next;
	struct tee_error_info info;
	uint32_t len;
	uint8_t quote[];
};

struct sock_errors {
	const struct tee_socket *socket;
	struct sock_error *first, **last;
	uint32_t bytes;
};

/* ---- the table ---- */

static uint32_t hash_of(const struct tee_socket *socket)
{
	return (uint32_t)(((uintptr_t)socket >> 4) * UINT64_C(0x9e3779b97f4a7c15) >> 32);
}

static bool is_of(const void *item, const void *key)
{
	return ((const struct sock_errors *)item)->socket == key;
}

static struct sock_errors *find(const struct tee_socket *socket)
{
	return socket->has_errors ? hash_find(&socket->room->errors, hash_of(socket), socket, is_of)
				  : NULL;
}

static struct sock_errors *make(struct tee_socket *socket)
{
	struct sock_errors *errors = find(socket);

	if (errors)
		return errors;
	errors = calloc(1, sizeof(*errors));
	if (!errors)
		return NULL;
	errors->socket = socket;
	errors->last = &errors->first;
	if (hash_insert(&socket->room->errors, hash_of(socket), errors) < 0) {
		free(errors);
		return NULL;
	}
	socket->has_errors = true;
	return errors;
}

static void pop(struct sock_errors *errors)
{
	struct sock_error *error = errors->first;

	errors->first = error->next;
	if (!errors->first)
		errors->last = &errors->first;
	errors->bytes -= (uint32_t)sizeof(*error) + error->len;
	free(error);
}

void sock_errors_clear(struct tee_socket *socket)
{
	struct sock_errors *errors = find(socket);

	if (!errors)
		return;
	while (errors->first)
		pop(errors);
	hash_remove(&socket->room->errors, hash_of(socket), errors);
	free(errors);
	socket->has_errors = false;
}

void sock_errors_check(const struct tee_socket *socket)
{
	const struct sock_errors *errors = find(socket);
	uint32_t bytes = 0;

	/* A queue lives exactly as long as there is something in it. */
	CHECK(socket->has_errors == (errors != NULL));
	if (!errors)
		return;
	CHECK(errors->first);
	for (const struct sock_error *error = errors->first; error; error = error->next)
		bytes += (uint32_t)sizeof(*error) + error->len;
	CHECK(bytes == errors->bytes);
	CHECK(bytes <= socket->room->engine->config.error_queue_bytes_max);
}

/* ---- in ---- */

static void append(struct tee_socket *socket, const struct tee_error_info *info,
		   const uint8_t *quote, size_t len)
{
	struct engine *engine = socket->room->engine;
	struct sock_errors *errors = find(socket);
	size_t size = sizeof(struct sock_error) + len;
	struct sock_error *error;

	if ((errors ? errors->bytes : 0) + size > engine->config.error_queue_bytes_max) {
		drop(engine, DROP_ERROR_QUEUE_FULL);
		return;
	}
	error = malloc(size);
	errors = error ? make(socket) : NULL;
	if (!errors) {
		free(error);
		drop(engine, DROP_NO_MEMORY);
		return;
	}
	error->next = NULL;
	error->info = *info;
	error->info.at_ns = engine->now_ns;
	error->len = (uint32_t)len;
	if (len)
		memcpy(error->quote, quote, len);
	*errors->last = error;
	errors->last = &error->next;
	errors->bytes += (uint32_t)size;
	event_raise(engine, &socket->source, TEE_EV_ERROR);
}

static bool wants(void *context, struct event_source *source, uint8_t version)
{
	unsigned wish = version == 4 ? TEE_RECVERR_IPV4 : TEE_RECVERR_IPV6;

	(void)context;
	return (sock_of_source(source)->recverr & wish) != 0;
}

static void keep(void *context, struct event_source *source, const struct icmp_report *report,
		 size_t skip)
{
	struct tee_socket *socket = sock_of_source(source);
	bool is_udp = socket->kind == TEE_SOCKET_UDP;
	/* What was found here, without a message, is told as the host's own word. */
	bool is_own = tee_ip_is_any(&report->reporter);
	uint16_t number = (uint16_t)netif_number(report->netif);
	struct tee_error_info info = {
		.remote = {.ip = report->remote,
			   .netif = ip_is_link_local(&report->remote) ? number : 0},
		.local = {.ip = report->local, .netif = number},
		.offender = {.ip = is_own ? report->local : report->reporter},
		.error = icmp_error_number(report->version, report->error),
		.version = report->version,
		.type = report->type,
		.code = report->code,
		.info = report->info,
		.ttl = report->ttl,
		.tos = report->tos,
	};
	size_t len = report->quoted_len > skip ? report->quoted_len - skip : 0;

	(void)context;
	if (ip_is_link_local(&info.offender.ip))
		info.offender.netif = number;
	/* Both have the port of the destination in the same place. */
	if (is_udp || socket->kind == TEE_SOCKET_TCP)
		info.remote.port = (uint16_t)(report->quoted[2] << 8 | report->quoted[3]);
	append(socket, &info, report->quoted + skip, MIN(len, (size_t)QUOTE_MAX));
}

void sock_errors_local(struct tee_socket *socket, const struct tee_endpoint *remote, int error)
{
	struct tee_error_info info = {
		.remote = *remote,
		.error = error < 0 ? -error : error,
		.version = tee_ip_is4(&remote->ip) ? 4 : 6,
		.is_local = true,
	};
	const struct udp_endpoint_options *options = udp_endpoint_options(socket->u.endpoint);
	struct net_path path;
	struct tee_ip src;

	if (!wants(NULL, &socket->source, info.version))
		return;
	if (net_route(socket->room->net, &udp_endpoint_local(socket->u.endpoint)->ip, &remote->ip,
		      options->netif_number ? options->netif_number : remote->netif, &path,
		      &src) == 0)
		info.info = path.mtu;
	append(socket, &info, NULL, 0);
}

/* ---- out ---- */

ssize_t tee_recv_error(struct tee_socket *socket, void *buf, size_t len, unsigned flags,
		       struct tee_error_info *ret_info)
{
	struct sock_errors *errors = find(socket);
	const struct sock_error *error, *next;
	size_t copied;
	bool was_local;

	if (!errors)
		return -TEE_EAGAIN;
	error = errors->first;
	copied = MIN(len, (size_t)error->len);
	if (copied)
		memcpy(buf, error->quote, copied);
	*ret_info = error->info;
	ret_info->truncated = copied < error->len;
	if (flags & TEE_MSG_PEEK)
		return (ssize_t)copied;
	was_local = error->info.is_local;
	pop(errors);
	next = errors->first;
	if (next && !next->info.is_local)
		sock_set_error(socket, next->info.error);
	else if (!was_local)
		sock_set_error(socket, 0);
	if (next)
		event_raise(socket->room->engine, &socket->source, TEE_EV_ERROR);
	else
		sock_errors_clear(socket);
	return (ssize_t)copied;
}

/* ---- set-up ---- */

void sock_errors_init(struct sock_room *room)
{
	static const struct net_errors ops = {.wants = wants, .keep = keep};

	hash_init(&room->errors);
	net_set_errors(room->net, &ops, room);
}

void sock_errors_fini(struct sock_room *room)
{
	net_set_errors(room->net, NULL, NULL);
	hash_fini(&room->errors);
}
