/* SPDX-License-Identifier: MIT */
/*
 * Endpoints of UDP and of ping: making and freeing, names, receiving, readiness.
 *
 * An endpoint has a local name from its bind, its connect or its first send on. Connecting names the
 * peer: the demux then lets only the peer's datagrams through, and ICMP errors can be told to it.
 * Dissolving the connection gives back the local address that connecting chose.
 */
#include "udp/private.h"

#include <stdlib.h>
#include <string.h>
#include "base/check.h"
#include "net/netif.h"

/* ---- UDP as a whole ---- */

/* A full tx queue has room again. */
static void on_tx_room(void *context)
{
	struct udp *udp = context;

	if (!udp->someone_wants_room)
		return;
	udp->someone_wants_room = false;
	LIST_FOR_EACH(node, &udp->all)
	{
		struct udp_endpoint *endpoint = CONTAINER_OF(node, struct udp_endpoint, all);

		if (!endpoint->wants_room)
			continue;
		endpoint->wants_room = false;
		event_raise(udp->engine, endpoint->source, TEE_EV_WRITABLE);
	}
}

struct udp *udp_new(struct net *net)
{
	struct udp *udp = calloc(1, sizeof(*udp));

	if (!udp)
		return NULL;
	udp->net = net;
	udp->engine = net_engine(net);
	list_init(&udp->all);
	for (unsigned i = 0; i < UDP_BUCKETS; i++) {
		list_init(&udp->ports[i]);
		list_init(&udp->ids[i]);
	}
	net_register(net, IP_PROTO_UDP, &udp_net_protocol, udp);
	net_register(net, IP_PROTO_ICMP, &ping_net_protocol, udp);
	net_register(net, IP_PROTO_ICMP6, &ping_net_protocol, udp);
	net_set_tx_room(net, on_tx_room, udp);
	return udp;
}

void udp_free(struct udp *udp)
{
	if (!udp)
		return;
	LIST_FOR_EACH_SAFE(node, &udp->all)
	udp_endpoint_free(CONTAINER_OF(node, struct udp_endpoint, all));
	net_register(udp->net, IP_PROTO_UDP, NULL, NULL);
	net_register(udp->net, IP_PROTO_ICMP, NULL, NULL);
	net_register(udp->net, IP_PROTO_ICMP6, NULL, NULL);
	net_set_tx_room(udp->net, NULL, NULL);
	free(udp);
}

void udp_check(const struct udp *udp)
{
	LIST_FOR_EACH(node, (struct list *)&udp->all)
	{
		const struct udp_endpoint *endpoint = CONTAINER_OF(node, struct udp_endpoint, all);
		uint32_t n = 0, bytes = 0, charge = 0;

		for (const struct udp_datagram *at = endpoint->first; at; at = at->next) {
			CHECK(at->next || at == endpoint->last);
			n++;
			bytes += at->len;
			charge += at->charge;
		}
		CHECK(n == endpoint->queue_count && bytes == endpoint->queue_bytes &&
		      charge == endpoint->queue_charge);
		CHECK(n <= 1 || charge <= endpoint->options.queue_bytes_max);
		CHECK(list_is_linked(&endpoint->bucket) == (endpoint->local.port != 0));
	}
}

/* ---- life ---- */

static struct tee_ip any_of(enum tee_family family)
{
	return family == TEE_FAMILY_IPV4 ? TEE_IP4(0, 0, 0, 0) : TEE_IP_ANY;
}

struct udp_endpoint *udp_endpoint_new(struct udp *udp, bool is_ping, enum tee_family family,
				      struct event_source *source)
{
	struct udp_endpoint *endpoint = calloc(1, sizeof(*endpoint));

	if (!endpoint)
		return NULL;
	endpoint->udp = udp;
	endpoint->is_ping = is_ping;
	endpoint->family = family;
	endpoint->source = source;
	endpoint->local.ip = any_of(family);
	endpoint->options.queue_bytes_max = udp->engine->config.udp_queue_bytes_max;
	endpoint->options.pmtu_discover = 1;
	list_init(&endpoint->bucket);
	list_push_back(&udp->all, &endpoint->all);
	return endpoint;
}

static struct udp_datagram *pop(struct udp_endpoint *endpoint)
{
	struct udp_datagram *datagram = endpoint->first;

	if (!datagram)
		return NULL;
	endpoint->first = datagram->next;
	if (!endpoint->first)
		endpoint->last = NULL;
	endpoint->queue_count--;
	endpoint->queue_bytes -= datagram->len;
	endpoint->queue_charge -= datagram->charge;
	return datagram;
}

static void clear_queue(struct udp_endpoint *endpoint)
{
	struct udp_datagram *datagram;

	while ((datagram = pop(endpoint)))
		datagram_free(datagram);
}

void udp_endpoint_free(struct udp_endpoint *endpoint)
{
	if (!endpoint)
		return;
	clear_queue(endpoint);
	list_remove(&endpoint->bucket);
	list_remove(&endpoint->all);
	free(endpoint);
}

void udp_endpoint_set_receiver(struct udp_endpoint *endpoint, udp_receiver_fn *run, void *context)
{
	endpoint->receiver = run;
	endpoint->receiver_context = context;
}

struct udp_endpoint_options *udp_endpoint_options(struct udp_endpoint *endpoint)
{
	return &endpoint->options;
}

struct udp_endpoint *udp_endpoint_next(struct udp *udp, uint64_t *cursor)
{
	struct list *at = *cursor ? (struct list *)(uintptr_t)*cursor : &udp->all;

	if (at->next == &udp->all)
		return NULL;
	*cursor = (uint64_t)(uintptr_t)at->next;
	return CONTAINER_OF(at->next, struct udp_endpoint, all);
}

/* ---- names ---- */

const struct tee_endpoint *udp_endpoint_local(const struct udp_endpoint *endpoint)
{
	return &endpoint->local;
}

const struct tee_endpoint *udp_endpoint_remote(const struct udp_endpoint *endpoint)
{
	return &endpoint->remote;
}

int udp_endpoint_bind(struct udp_endpoint *endpoint, const struct tee_endpoint *local)
{
	struct net *net = endpoint->udp->net;
	struct tee_endpoint wanted = *local;

	if (endpoint->local.port != 0)
		return -TEE_EINVAL;
	if (tee_ip_is_any(&wanted.ip)) {
		/* ::ffff:0.0.0.0 on a dual-stack endpoint is a wish for IPv4; :: is one for all. */
		if (endpoint->family != TEE_FAMILY_ANY || !tee_ip_is4(&wanted.ip))
			wanted.ip = any_of(endpoint->family);
	} else {
		if (!demux_is_family_ok(endpoint, tee_ip_is4(&wanted.ip)))
			return -TEE_EAFNOSUPPORT;
		if (!net_is_local(net, &wanted.ip) && !net_is_group(net, &wanted.ip))
			return -TEE_EADDRNOTAVAIL;
	}
	return demux_bind(endpoint, &wanted);
}

static void dissolve(struct udp_endpoint *endpoint)
{
	endpoint->remote = (struct tee_endpoint){.port = 0};
	if (endpoint->is_local_chosen) {
		endpoint->local.ip = any_of(endpoint->family);
		endpoint->is_local_chosen = false;
	}
}

int udp_endpoint_connect(struct udp_endpoint *endpoint, const struct tee_endpoint *remote)
{
	struct net *net = endpoint->udp->net;
	struct tee_ip src, wanted = endpoint->is_local_chosen ? TEE_IP_ANY : endpoint->local.ip;
	struct net_path path;
	int result, number = endpoint->options.netif_number;

	if (tee_ip_is_any(&remote->ip)) {
		dissolve(endpoint);
		return 0;
	}
	if (!demux_is_family_ok(endpoint, tee_ip_is4(&remote->ip)))
		return -TEE_EAFNOSUPPORT;
	if (remote->port == 0 && !endpoint->is_ping)
		return -TEE_EINVAL;
	if (!endpoint->options.broadcast && tee_ip_is4(&remote->ip) &&
	    !ip_is_multicast(&remote->ip) && net_is_group(net, &remote->ip))
		return -TEE_EACCES;
	if (net_is_group(net, &wanted))
		wanted = TEE_IP_ANY;
	result = net_route(net, &wanted, &remote->ip, number ? number : remote->netif, &path, &src);
	if (result < 0)
		return result;
	if (endpoint->local.port == 0) {
		result = demux_bind(endpoint, &endpoint->local);
		if (result < 0)
			return result;
	}
	if (tee_ip_is_any(&endpoint->local.ip) || endpoint->is_local_chosen) {
		endpoint->local.ip = src;
		endpoint->is_local_chosen = true;
	}
	endpoint->remote = *remote;
	endpoint->pending_error = 0;
	return 0;
}

/* ---- receiving ---- */

void endpoint_fail(struct udp_endpoint *endpoint, int error)
{
	endpoint->pending_error = error;
	event_raise(endpoint->udp->engine, endpoint->source,
		    TEE_EV_ERROR | TEE_EV_READABLE | TEE_EV_WRITABLE);
}

ssize_t udp_endpoint_recv(struct udp_endpoint *endpoint, void *buf, size_t len, unsigned flags,
			  struct tee_dgram_info *ret_info)
{
	struct udp_datagram *datagram = endpoint->first;
	size_t copied;
	ssize_t result;

	if (endpoint->pending_error)
		return -udp_endpoint_take_error(endpoint);
	if (!datagram)
		return endpoint->is_shut_read ? 0 : -TEE_EAGAIN;
	copied = MIN(len, datagram->len);
	if (copied > 0)
		memcpy(buf, datagram->pkt->data + datagram->off, copied);
	if (ret_info) {
		*ret_info = datagram->info;
		ret_info->truncated = copied < datagram->len;
	}
	result = (ssize_t)(flags & TEE_MSG_TRUNC ? datagram->len : copied);
	if (!(flags & TEE_MSG_PEEK))
		datagram_free(pop(endpoint));
	return result;
}

int udp_endpoint_take_error(struct udp_endpoint *endpoint)
{
	int error = endpoint->pending_error;

	endpoint->pending_error = 0;
	return error;
}

void udp_endpoint_set_error(struct udp_endpoint *endpoint, int error)
{
	endpoint->pending_error = error;
}

void udp_endpoint_shutdown(struct udp_endpoint *endpoint, enum tee_shutdown how)
{
	unsigned bits = 0;

	if (how & TEE_SHUT_READ) {
		endpoint->is_shut_read = true;
		bits |= TEE_EV_READABLE | TEE_EV_RDHUP;
	}
	if (how & TEE_SHUT_WRITE) {
		endpoint->is_shut_write = true;
		bits |= TEE_EV_WRITABLE;
	}
	if (endpoint->is_shut_read && endpoint->is_shut_write)
		bits |= TEE_EV_HUP;
	event_raise(endpoint->udp->engine, endpoint->source, bits);
}

unsigned udp_endpoint_readiness(const struct udp_endpoint *endpoint)
{
	unsigned bits = 0;

	if (endpoint->first || endpoint->is_shut_read || endpoint->pending_error)
		bits |= TEE_EV_READABLE;
	if (!endpoint->wants_room || endpoint->is_shut_write || endpoint->pending_error)
		bits |= TEE_EV_WRITABLE;
	if (endpoint->pending_error)
		bits |= TEE_EV_ERROR;
	if (endpoint->is_shut_read)
		bits |= TEE_EV_RDHUP;
	if (endpoint->is_shut_read && endpoint->is_shut_write)
		bits |= TEE_EV_HUP;
	return bits;
}

uint32_t udp_endpoint_recvq_bytes(const struct udp_endpoint *endpoint)
{
	return endpoint->queue_bytes;
}

uint32_t udp_endpoint_next_len(const struct udp_endpoint *endpoint)
{
	return endpoint->first ? endpoint->first->len : 0;
}
