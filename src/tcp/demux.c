/* SPDX-License-Identifier: MIT */
/*
 * Demultiplexing by 4-tuple. Connections, half-open requests and TIME-WAITs begin with a struct
 * tcp_node and stand in one table, so that a segment finds its owner with one probe, whatever that is.
 *
 * Ports and addresses are the peer's to choose, so the hash is keyed (SipHash): nobody who doesn't know
 * the secret can make keys collide.
 */
#include "tcp/demux.h"

#include <string.h>
#include "base/check.h"

_Static_assert(offsetof(struct tcp_node, key) == 0, "a node is found by its key");

void demux_init(struct tcp_demux *demux, const struct siphash_key *secret)
{
	hash_init(&demux->table);
	demux->secret = *secret;
}

void demux_fini(struct tcp_demux *demux)
{
	hash_fini(&demux->table);
}

uint32_t demux_hash(const struct tcp_demux *demux, const struct tcp_key *key)
{
	return (uint32_t)siphash(&demux->secret, key, sizeof(*key));
}

static bool has_key(const void *item, const void *key)
{
	const struct tcp_node *node = item;

	return memcmp(&node->key, key, sizeof(node->key)) == 0;
}

struct tcp_node *demux_find(const struct tcp_demux *demux, const struct tcp_key *key)
{
	return hash_find(&demux->table, demux_hash(demux, key), key, has_key);
}

int demux_insert(struct tcp_demux *demux, struct tcp_node *node)
{
	return hash_insert(&demux->table, demux_hash(demux, &node->key), node);
}

void demux_remove(struct tcp_demux *demux, struct tcp_node *node)
{
	hash_remove(&demux->table, demux_hash(demux, &node->key), node);
}

void demux_replace(struct tcp_demux *demux, struct tcp_node *old, struct tcp_node *fresh)
{
	uint32_t hash = demux_hash(demux, &old->key);
	int result;

	CHECK(has_key(fresh, &old->key));
	CHECK(hash_remove(&demux->table, hash, old));
	/* Can't fail: it takes the room that has just become free. */
	result = hash_insert(&demux->table, hash, fresh);
	CHECK(result == 0);
}
