/* SPDX-License-Identifier: MIT */
/*
 * Which endpoint gets a datagram, and who may have which port.
 *
 * Endpoints stand in buckets by local port (ping endpoints in buckets of their own, by echo id). Among
 * those that fit, the most specific wins: a connected one before one bound to the address, that
 * before one bound to any address; bound to the interface, and of the datagram's own family before a
 * dual-stack one. Endpoints that share a port by TEE_OPT_REUSEPORT split the flows among them by a
 * keyed hash; otherwise the one bound last has it.
 */
#include "udp/private.h"

#include "base/check.h"
#include "base/siphash.h"

static struct list *bucket_of(struct udp *udp, bool is_ping, uint16_t port)
{
	struct list *buckets = is_ping ? udp->ids : udp->ports;

	return &buckets[port % UDP_BUCKETS];
}

static struct udp_endpoint *endpoint_of(struct list *node)
{
	return CONTAINER_OF(node, struct udp_endpoint, bucket);
}

bool demux_is_family_ok(const struct udp_endpoint *endpoint, bool is4)
{
	if (is4)
		return endpoint->family != TEE_FAMILY_IPV6 && !endpoint->options.v6only;
	return endpoint->family != TEE_FAMILY_IPV4;
}

/* ---- ports ---- */

static bool share_family(const struct udp_endpoint *a, const struct udp_endpoint *b)
{
	return (demux_is_family_ok(a, true) && demux_is_family_ok(b, true)) ||
	       (demux_is_family_ok(a, false) && demux_is_family_ok(b, false));
}

/* Would both get the same datagram? */
static bool is_conflict(const struct udp_endpoint *a, const struct tee_endpoint *local,
			const struct udp_endpoint *b)
{
	int netif_a = a->options.netif_number, netif_b = b->options.netif_number;

	if (a == b || b->local.port != local->port || !share_family(a, b))
		return false;
	if (netif_a && netif_b && netif_a != netif_b)
		return false;
	if (!tee_ip_is_any(&local->ip) && !tee_ip_is_any(&b->local.ip) &&
	    !tee_ip_equal(&local->ip, &b->local.ip))
		return false;
	if (a->options.reuse_port && b->options.reuse_port)
		return false;
	return !(a->options.reuse_address && b->options.reuse_address);
}

static bool is_free(const struct udp_endpoint *endpoint, const struct tee_endpoint *local)
{
	struct list *bucket = bucket_of(endpoint->udp, endpoint->is_ping, local->port);

	LIST_FOR_EACH(node, bucket)
	{
		if (is_conflict(endpoint, local, endpoint_of(node)))
			return false;
	}
	return true;
}

/* RFC 6056 3.3.1: a random start, then onwards. */
static bool choose_port(const struct udp_endpoint *endpoint, struct tee_endpoint *local)
{
	struct engine *engine = endpoint->udp->engine;
	uint32_t min = engine->config.port_min, max = engine->config.port_max;
	uint32_t count, start;

	/* Echo ids have no range to keep to. */
	if (endpoint->is_ping) {
		min = 1;
		max = UINT16_MAX;
	}
	if (max < min)
		return false;
	count = max - min + 1;
	start = (uint32_t)random_below(&engine->random, count);
	for (uint32_t i = 0; i < count; i++) {
		local->port = (uint16_t)(min + (start + i) % count);
		if (is_free(endpoint, local))
			return true;
	}
	return false;
}

int demux_bind(struct udp_endpoint *endpoint, const struct tee_endpoint *local)
{
	struct tee_endpoint wanted = *local;

	CHECK(!list_is_linked(&endpoint->bucket));
	if (wanted.port == 0 ? !choose_port(endpoint, &wanted) : !is_free(endpoint, &wanted))
		return -TEE_EADDRINUSE;
	endpoint->local = wanted;
	/* In front: who is bound last is found first. */
	list_push_front(bucket_of(endpoint->udp, endpoint->is_ping, wanted.port),
			&endpoint->bucket);
	endpoint->udp->engine->ports_generation++;
	return 0;
}

unsigned udp_ports_list(const struct udp *udp, bool is_ping, uint16_t *ret_ports, unsigned n)
{
	unsigned count = 0;

	LIST_FOR_EACH(node, &udp->all)
	{
		const struct udp_endpoint *endpoint = CONTAINER_OF(node, struct udp_endpoint, all);

		if (endpoint->is_ping != is_ping || endpoint->local.port == 0)
			continue;
		if (count < n)
			ret_ports[count] = endpoint->local.port;
		count++;
	}
	return count;
}

/* ---- who gets it ---- */

/* 0: it doesn't fit; the more, the more specific. */
static unsigned score(const struct udp_endpoint *endpoint, const struct demux_key *key)
{
	bool is4 = tee_ip_is4(&key->local);
	unsigned value = 1;

	if (endpoint->local.port != key->local_port || !demux_is_family_ok(endpoint, is4))
		return 0;
	if (endpoint->options.netif_number) {
		if (endpoint->options.netif_number != key->netif_number)
			return 0;
		value += 2;
	}
	if (!tee_ip_is_any(&endpoint->local.ip)) {
		if (!tee_ip_equal(&endpoint->local.ip, &key->local))
			return 0;
		value += 4;
	}
	if (!tee_ip_is_any(&endpoint->remote.ip)) {
		if (!tee_ip_equal(&endpoint->remote.ip, &key->remote) ||
		    (!endpoint->is_ping && endpoint->remote.port != key->remote_port))
			return 0;
		value += 8;
	}
	if (is4 == (endpoint->family == TEE_FAMILY_IPV4))
		value += 1;
	return value;
}

/* Of the `n` best, which all allow sharing, the one that this flow belongs to. */
static struct udp_endpoint *spread(struct udp *udp, bool is_ping, const struct demux_key *key,
				   unsigned best, unsigned n)
{
	struct {
		struct tee_ip local, remote;
		uint16_t local_port, remote_port;
	} flow = {key->local, key->remote, key->local_port, key->remote_port};
	unsigned idx = (unsigned)(siphash(&udp->engine->secret, &flow, sizeof(flow)) % n);

	LIST_FOR_EACH(node, bucket_of(udp, is_ping, key->local_port))
	{
		struct udp_endpoint *endpoint = endpoint_of(node);

		if (endpoint->options.reuse_port && score(endpoint, key) == best && idx-- == 0)
			return endpoint;
	}
	return NULL;
}

struct udp_endpoint *udp_demux_find(struct udp *udp, bool is_ping, const struct demux_key *key)
{
	struct udp_endpoint *found = NULL;
	unsigned best = 0, sharing = 0;

	LIST_FOR_EACH(node, bucket_of(udp, is_ping, key->local_port))
	{
		struct udp_endpoint *endpoint = endpoint_of(node);
		unsigned value = score(endpoint, key);

		if (value > best) {
			best = value;
			found = endpoint;
			sharing = 0;
		}
		if (value > 0 && value == best && endpoint->options.reuse_port)
			sharing++;
	}
	if (found && found->options.reuse_port && sharing > 1)
		return spread(udp, is_ping, key, best, sharing);
	return found;
}

struct udp_endpoint *demux_next(struct udp *udp, const struct demux_key *key,
				struct udp_endpoint *after)
{
	struct list *bucket = bucket_of(udp, false, key->local_port);
	struct list *node = after ? after->bucket.next : bucket->next;

	for (; node != bucket; node = node->next) {
		if (score(endpoint_of(node), key) > 0)
			return endpoint_of(node);
	}
	return NULL;
}
