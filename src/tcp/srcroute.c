/* SPDX-License-Identifier: MIT */
/*
 * Source routes. On the wire (RFC 791 section 3.1): type, length, pointer, addresses. The IP destination is
 * the next hop; the option holds those after it, the true destination last. Each router puts its own
 * address where the next hop stood and moves the pointer on. When the pointer has passed the end,
 * the option holds the way that the packet came, and the IP source is where it began: read
 * backwards, that is the way back.
 */
#include "tcp/srcroute.h"

#include <stdlib.h>
#include <string.h>
#include <teeceepee/types.h>

enum { OPT_END = 0, OPT_NOP = 1, OPT_LOOSE = 131, OPT_STRICT = 137, OPT_HEAD = 3 };

struct srcroute_entry {
	struct list node;
	struct tcp_key key;
	uint16_t netif; /* as the stub's; 0: any */
	struct srcroute route;
};

void srcroutes_init(struct srcroutes *routes)
{
	list_init(&routes->entries);
	routes->count = 0;
}

void srcroutes_fini(struct srcroutes *routes)
{
	struct list *node;

	while ((node = list_pop_front(&routes->entries)))
		free(CONTAINER_OF(node, struct srcroute_entry, node));
	routes->count = 0;
}

static struct srcroute_entry *entry_of(const struct srcroutes *routes, const struct tcp_stub *stub)
{
	struct tcp_key key;

	if (!routes->count)
		return NULL;
	key = stub_key(stub);
	LIST_FOR_EACH(node, &routes->entries)
	{
		struct srcroute_entry *entry = CONTAINER_OF(node, struct srcroute_entry, node);

		if (entry->netif == stub->netif && memcmp(&entry->key, &key, sizeof(key)) == 0)
			return entry;
	}
	return NULL;
}

int srcroutes_set(struct srcroutes *routes, const struct tcp_stub *stub,
		  const struct srcroute *route)
{
	struct srcroute_entry *entry = entry_of(routes, stub);

	if (entry && entry->route.by_application && !route->by_application)
		return 0;
	if (!entry) {
		entry = malloc(sizeof(*entry));
		if (!entry)
			return -TEE_ENOMEM;
		entry->key = stub_key(stub);
		entry->netif = stub->netif;
		list_push_back(&routes->entries, &entry->node);
		routes->count++;
	}
	entry->route = *route;
	return 0;
}

const struct srcroute *srcroutes_find(const struct srcroutes *routes, const struct tcp_stub *stub)
{
	const struct srcroute_entry *entry = entry_of(routes, stub);

	return entry ? &entry->route : NULL;
}

void srcroutes_forget(struct srcroutes *routes, const struct tcp_stub *stub)
{
	struct srcroute_entry *entry = entry_of(routes, stub);

	if (!entry)
		return;
	list_remove(&entry->node);
	free(entry);
	routes->count--;
}

/* The source route among a packet's options, whose lengths the IP parser has checked; NULL: none. */
static const uint8_t *find_option(const uint8_t *options, size_t len)
{
	size_t off = 0;

	while (off + OPT_HEAD <= len && options[off] != OPT_END) {
		if (options[off] == OPT_LOOSE || options[off] == OPT_STRICT)
			return options[off + 1] >= OPT_HEAD && off + options[off + 1] <= len
				       ? options + off
				       : NULL;
		off += options[off] == OPT_NOP ? 1u : options[off + 1];
	}
	return NULL;
}

bool srcroute_reverse(const uint8_t *options, size_t len, struct srcroute *ret_route)
{
	const uint8_t *option = find_option(options, len);
	struct srcroute route = {0};
	unsigned count;

	if (!option || option[2] <= option[1]) /* none, or not yet at its end */
		return false;
	count = (option[1] - OPT_HEAD) / 4u;
	if (!count || count > SRCROUTE_HOPS_MAX)
		return false;
	for (unsigned i = 0; i < count; i++)
		memcpy(route.hops[i], option + OPT_HEAD + 4 * (count - 1 - i), 4);
	route.count = (uint8_t)count;
	route.is_strict = option[0] == OPT_STRICT;
	*ret_route = route;
	return true;
}

uint8_t srcroute_option(const struct srcroute *route, const struct tee_ip *dst,
			uint8_t out[SRCROUTE_OPTION_MAX], struct tee_ip *ret_first)
{
	const uint8_t *first = route->hops[0];
	unsigned len = OPT_HEAD + 4u * route->count;

	out[0] = route->is_strict ? OPT_STRICT : OPT_LOOSE;
	out[1] = (uint8_t)len;
	out[2] = OPT_HEAD + 1;
	for (unsigned i = 1; i < route->count; i++)
		memcpy(out + OPT_HEAD + 4 * (i - 1), route->hops[i], 4);
	memcpy(out + OPT_HEAD + 4 * (route->count - 1u), dst->byte + 12, 4);
	while (len % 4)
		out[len++] = OPT_END;
	*ret_first = TEE_IP4(first[0], first[1], first[2], first[3]);
	return (uint8_t)len;
}
