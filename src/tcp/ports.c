/* SPDX-License-Identifier: MIT */
/*
 * Local ports: who has bound which, and which are free (RFC 6056).
 *
 * A bind is held by a socket, then by its listener or connection, and shared by the connections that a
 * listener accepts. Two may hold one port when their addresses don't overlap, or when both allow it:
 * SO_REUSEADDR while neither listens, SO_REUSEPORT always. An active open without a bind needs no
 * entry: its 4-tuple must be unique, and its port not bound by somebody.
 */
#include <stdlib.h>
#include "tcp/conn.h"
#include "tcp/isn.h"

struct port_bind {
	struct list node;
	struct tee_ip ip;
	uint16_t port, netif;
	bool reuse_address, reuse_port, v6only;
	uint32_t listening;
	/* The socket's that has bound it, while that neither listens nor is connected; owned there. */
	const struct tcp_settings *draft;
	uint32_t ref_count;
};

static struct list *bucket_of(struct tcp *tcp, uint16_t port)
{
	return &tcp->binds[(port ^ port >> 8) % TCP_LISTENER_BUCKETS];
}

/* Could a segment be meant for both? */
static bool addresses_overlap(const struct tee_ip *a, bool a_v6only, const struct tee_ip *b,
			      bool b_v6only)
{
	bool a_any = tee_ip_is_any(a), b_any = tee_ip_is_any(b);
	bool a4 = tee_ip_is4(a), b4 = tee_ip_is4(b);

	if (!a_any && !b_any)
		return tee_ip_equal(a, b);
	if (a4 == b4)
		return true;
	/* One is IPv6: it covers IPv4 too when it is :: and not IPv6-only. */
	return a4 ? b_any && !b_v6only : a_any && !a_v6only;
}

static bool binds_conflict(const struct port_bind *a, const struct port_bind *b)
{
	if (a->port != b->port)
		return false;
	if (a->netif && b->netif && a->netif != b->netif)
		return false;
	if (!addresses_overlap(&a->ip, a->v6only, &b->ip, b->v6only))
		return false;
	if (a->reuse_port && b->reuse_port)
		return false;
	return !(a->reuse_address && b->reuse_address && !a->listening && !b->listening);
}

static bool has_conflict(struct tcp *tcp, const struct port_bind *bind)
{
	LIST_FOR_EACH(node, bucket_of(tcp, bind->port))
	{
		struct port_bind *other = CONTAINER_OF(node, struct port_bind, node);

		if (other != bind && binds_conflict(bind, other))
			return true;
	}
	return false;
}

bool ports_is_bound(struct tcp *tcp, const struct tee_ip *ip, uint16_t port)
{
	LIST_FOR_EACH(node, bucket_of(tcp, port))
	{
		struct port_bind *other = CONTAINER_OF(node, struct port_bind, node);

		if (other->port == port && addresses_overlap(&other->ip, other->v6only, ip, false))
			return true;
	}
	return false;
}

static int choose_for_bind(struct tcp *tcp, struct port_bind *bind)
{
	const struct tee_config *config = &tcp->engine->config;
	uint32_t span = (uint32_t)(config->port_max - config->port_min) + 1u;
	uint32_t at = (uint32_t)random_below(&tcp->engine->random, span);

	for (uint32_t i = 0; i < span; i++) {
		bind->port = (uint16_t)(config->port_min + (at + i) % span);
		if (!ports_is_bound(tcp, &bind->ip, bind->port))
			return 0;
	}
	return -TEE_EADDRINUSE;
}

int ports_bind(struct tcp *tcp, struct tee_endpoint *local, const struct tcp_settings *settings,
	       struct port_bind **ret_bind)
{
	struct port_bind *bind;
	int result = 0;

	if (!tee_ip_is_any(&local->ip) && !net_is_local(tcp->net, &local->ip))
		return -TEE_EADDRNOTAVAIL;
	bind = calloc(1, sizeof(*bind));
	if (!bind)
		return -TEE_ENOMEM;
	bind->ip = local->ip;
	bind->port = local->port;
	bind->netif = settings->netif;
	bind->reuse_address = settings->flags & TCP_SET_REUSEADDR;
	bind->reuse_port = settings->flags & TCP_SET_REUSEPORT;
	bind->v6only = settings->flags & TCP_SET_V6ONLY;
	bind->ref_count = 1;
	bind->draft = settings;
	if (!bind->port)
		result = choose_for_bind(tcp, bind);
	else if (has_conflict(tcp, bind))
		result = -TEE_EADDRINUSE;
	if (result < 0) {
		free(bind);
		return result;
	}
	local->port = bind->port;
	list_push_back(bucket_of(tcp, bind->port), &bind->node);
	tcp->engine->ports_generation++;
	*ret_bind = bind;
	return 0;
}

void ports_unbind(struct tcp *tcp, struct port_bind *bind)
{
	(void)tcp;
	if (!bind || --bind->ref_count)
		return;
	list_remove(&bind->node);
	free(bind);
}

void ports_hand_over(struct port_bind *bind)
{
	if (bind)
		bind->draft = NULL;
}

const struct tcp_settings *ports_draft_settings(struct tcp *tcp, const struct tee_ip *ip,
						uint16_t port)
{
	LIST_FOR_EACH(node, bucket_of(tcp, port))
	{
		struct port_bind *bind = CONTAINER_OF(node, struct port_bind, node);

		if (bind->draft && bind->port == port &&
		    addresses_overlap(&bind->ip, bind->v6only, ip, false))
			return bind->draft;
	}
	return NULL;
}

struct port_bind *ports_share(struct port_bind *bind)
{
	if (bind)
		bind->ref_count++;
	return bind;
}

/* May this bind begin to listen beside those that already do (MUST-41, MUST-42)? */
bool ports_listen_allowed(struct tcp *tcp, const struct port_bind *bind)
{
	LIST_FOR_EACH(node, bucket_of(tcp, bind->port))
	{
		struct port_bind *other = CONTAINER_OF(node, struct port_bind, node);

		if (other != bind && other->listening && binds_conflict(bind, other))
			return false;
	}
	return true;
}

void ports_mark_listening(struct port_bind *bind, bool listening)
{
	if (bind)
		bind->listening = listening;
}

/* Who opens a great number opens the next one soon, which will look here first. */
static void look_ahead(const struct tcp *tcp, const struct tcp_key *key, uint16_t next_port)
{
	struct tcp_key next = *key;

	if (!demux_is_far(&tcp->demux))
		return;
	next.local_port = next_port;
	demux_ahead(&tcp->demux, &next, 1);
}

/* RFC 6056 algorithm 3: from an offset that depends on the peer, on by a counter. */
int ports_choose(struct tcp *tcp, struct tcp_key *key)
{
	const struct tee_config *config = &tcp->engine->config;
	uint32_t span = (uint32_t)(config->port_max - config->port_min) + 1u;
	uint32_t offset = isn_port_offset(&tcp->isn_secret, &key->local_ip, &key->remote_ip,
					  key->remote_port);

	for (uint32_t i = 0; i < span; i++) {
		uint32_t at = offset + tcp->port_counter++;

		key->local_port = (uint16_t)(config->port_min + at % span);
		if (!demux_find(&tcp->demux, key) &&
		    !ports_is_bound(tcp, &key->local_ip, key->local_port)) {
			look_ahead(tcp, key, (uint16_t)(config->port_min + (at + 1) % span));
			return 0;
		}
	}
	return -TEE_EADDRNOTAVAIL;
}

unsigned ports_list(const struct tcp *tcp, uint16_t *ret_ports, unsigned n)
{
	unsigned count = 0;

	for (unsigned i = 0; i < TCP_LISTENER_BUCKETS; i++)
		LIST_FOR_EACH(node, &tcp->binds[i])
		{
			if (count < n)
				ret_ports[count] = CONTAINER_OF(node, struct port_bind, node)->port;
			count++;
		}
	return count;
}

void ports_free_all(struct tcp *tcp)
{
	for (unsigned i = 0; i < TCP_LISTENER_BUCKETS; i++) {
		struct list *node;

		while ((node = list_pop_front(&tcp->binds[i])))
			free(CONTAINER_OF(node, struct port_bind, node));
	}
}
