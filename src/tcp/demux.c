/* SPDX-License-Identifier: MIT */
/*
 * Demultiplexing by 4-tuple. Connections, half-open requests and TIME-WAITs begin with a struct
 * tcp_node and stand in one table, so that a segment finds its owner with one probe, whatever that is.
 *
 * Ports and addresses are the peer's to choose, so the hash is keyed (SipHash): nobody who doesn't know
 * the secret can make keys collide.
 */
#include "tcp/demux.h"

#include "wire/ip.h"

#include <string.h>
#include "base/check.h"

_Static_assert(offsetof(struct tcp_node, key) == 0, "a node is found by its key");

void demux_init(struct tcp_demux *demux, const struct siphash_key *secret)
{
	hash_init(&demux->table);
	demux->last = NULL;
	demux->secret = *secret;
}

void demux_fini(struct tcp_demux *demux)
{
	hash_fini(&demux->table);
	demux->last = NULL;
}

/*
 * Of two IPv4 addresses only what differs from key to key is hashed: 12 bytes instead of 36, a third of
 * the work. (The table compares whole keys, so an IPv6 key may well have the hash of an IPv4 one.)
 */
uint32_t demux_hash(const struct tcp_demux *demux, const struct tcp_key *key)
{
	if (ip_is4(&key->local_ip) && ip_is4(&key->remote_ip)) {
		uint8_t bytes[12];

		memcpy(bytes, &key->local_ip.byte[12], 4);
		memcpy(bytes + 4, &key->remote_ip.byte[12], 4);
		memcpy(bytes + 8, &key->local_port, 2);
		memcpy(bytes + 10, &key->remote_port, 2);
		return siphash_place(&demux->secret, bytes, sizeof(bytes));
	}
	return siphash_place(&demux->secret, key, sizeof(*key));
}

static bool has_key(const void *item, const void *key)
{
	const struct tcp_node *node = item;

	return memcmp(&node->key, key, sizeof(node->key)) == 0;
}

struct tcp_node *demux_search(struct tcp_demux *demux, const struct tcp_key *key)
{
	struct tcp_node *node = hash_find(&demux->table, demux_hash(demux, key), key, has_key);

	if (node)
		demux->last = node;
	return node;
}

int demux_insert(struct tcp_demux *demux, struct tcp_node *node)
{
	return hash_insert(&demux->table, demux_hash(demux, &node->key), node);
}

void demux_remove(struct tcp_demux *demux, struct tcp_node *node)
{
	if (demux->last == node)
		demux->last = NULL;
	hash_remove(&demux->table, demux_hash(demux, &node->key), node);
}

void demux_replace(struct tcp_demux *demux, struct tcp_node *old, struct tcp_node *fresh)
{
	uint32_t hash = demux_hash(demux, &old->key);
	int result;

	CHECK(has_key(fresh, &old->key));
	if (demux->last == old)
		demux->last = NULL;
	CHECK(hash_remove(&demux->table, hash, old));
	/* Can't fail: it takes the room that has just become free. */
	result = hash_insert(&demux->table, hash, fresh);
	CHECK(result == 0);
}
