/* SPDX-License-Identifier: MIT */
/*
 * Demultiplexing by 4-tuple. Connections, half-open requests and TIME-WAITs stand in one table, each by its
 * stub, so that a segment finds its owner with one probe, whatever that is.
 *
 * Ports and addresses are the peer's to choose, so the hash is keyed (SipHash): nobody who doesn't know
 * the secret can make keys collide. One segment asks for its key's hash more than once (it is looked for,
 * inserted, put in another's place), so the last one is kept.
 */
#include "tcp/demux.h"

#include "wire/ip.h"

#include <string.h>
#include "base/check.h"
#include "base/list.h"
#include "base/memory.h"

bool tcp_key_is4(const struct tcp_key *key)
{
	return ip_is4(&key->local_ip) && ip_is4(&key->remote_ip);
}

static struct tcp_key4 shortened(const struct tcp_key *key)
{
	struct tcp_key4 key4 = {.local_port = key->local_port, .remote_port = key->remote_port};

	memcpy(key4.local_ip, &key->local_ip.byte[12], 4);
	memcpy(key4.remote_ip, &key->remote_ip.byte[12], 4);
	return key4;
}

/* ---- keys of stubs ---- */

void stub_set_key(struct tcp_stub *stub, const struct tcp_key *key)
{
	struct tcp_key4 key4;

	stub->has_key4 = tcp_key_is4(key);
	if (stub->has_key4) {
		key4 = shortened(key);
		memcpy(stub + 1, &key4, sizeof(key4));
	} else {
		memcpy(stub + 1, key, sizeof(*key));
	}
}

struct tcp_key stub_key(const struct tcp_stub *stub)
{
	struct tcp_key key;
	struct tcp_key4 key4;

	if (stub->has_key4) {
		memcpy(&key4, stub + 1, sizeof(key4));
		key.local_ip = TEE_IP4(key4.local_ip[0], key4.local_ip[1], key4.local_ip[2],
				       key4.local_ip[3]);
		key.remote_ip = TEE_IP4(key4.remote_ip[0], key4.remote_ip[1], key4.remote_ip[2],
					key4.remote_ip[3]);
		key.local_port = key4.local_port;
		key.remote_port = key4.remote_port;
	} else {
		memcpy(&key, stub + 1, sizeof(key));
	}
	return key;
}

/* ---- the table ---- */

/*
 * Of two IPv4 addresses only what differs from key to key is hashed: 12 bytes instead of 36, a third of
 * the work. (The table compares whole keys, so an IPv6 key may well have the hash of an IPv4 one.)
 */
static uint32_t hash_of(const struct tcp_demux *demux, const struct tcp_key *key)
{
	struct tcp_key4 key4;

	if (!tcp_key_is4(key))
		return siphash_place(&demux->secret, key, sizeof(*key));
	key4 = shortened(key);
	return siphash_place(&demux->secret, &key4, sizeof(key4));
}

void demux_init(struct tcp_demux *demux, const struct siphash_key *secret,
		const struct tee_memory *memory)
{
	memset(demux, 0, sizeof(*demux));
	hash_init(&demux->table);
	demux->table.memory = memory;
	demux->secret = *secret;
	demux->hash = hash_of(demux, &demux->hashed);
}

void demux_fini(struct tcp_demux *demux)
{
	hash_fini(&demux->table);
	demux->last = NULL;
}

uint32_t demux_hash(struct tcp_demux *demux, const struct tcp_key *key)
{
	if (memcmp(&demux->hashed, key, sizeof(*key)) != 0) {
		demux->hash = hash_of(demux, key);
		demux->hashed = *key;
	}
	return demux->hash;
}

static uint32_t hash_of_stub(struct tcp_demux *demux, const struct tcp_stub *stub)
{
	struct tcp_key key = stub_key(stub);

	return demux_hash(demux, &key);
}

/* A key, and what it is where it is short. */
struct sought {
	const struct tcp_key *key;
	struct tcp_key4 key4;
	bool is4;
	uint16_t netif; /* has_key_on() */
};

static bool has_key(const void *item, const void *arg)
{
	const struct tcp_stub *stub = item;
	const struct sought *sought = arg;

	if (stub->has_key4)
		return sought->is4 && memcmp(stub + 1, &sought->key4, sizeof(sought->key4)) == 0;
	return memcmp(stub + 1, sought->key, sizeof(*sought->key)) == 0;
}

static bool has_key_on(const void *item, const void *arg)
{
	const struct tcp_stub *stub = item;
	const struct sought *sought = arg;

	return (!stub->netif || stub->netif == sought->netif) && has_key(item, arg);
}

static struct tcp_stub *search(struct tcp_demux *demux, const struct tcp_key *key, uint16_t netif,
			       bool (*is_it)(const void *item, const void *arg))
{
	struct sought sought = {
		.key = key, .key4 = shortened(key), .is4 = tcp_key_is4(key), .netif = netif};
	struct tcp_stub *stub = hash_find(&demux->table, demux_hash(demux, key), &sought, is_it);

	if (stub && stub->kind == TCP_NODE_CONN)
		demux->last = CONTAINER_OF(stub, struct tcp_node, stub);
	return stub;
}

struct tcp_stub *demux_search_on(struct tcp_demux *demux, const struct tcp_key *key, uint16_t netif)
{
	return search(demux, key, netif, has_key_on);
}

struct tcp_stub *demux_search(struct tcp_demux *demux, const struct tcp_key *key)
{
	return search(demux, key, 0, has_key);
}

void demux_ahead(const struct tcp_demux *demux, const struct tcp_key *keys, unsigned n)
{
	uint32_t hashes[DEMUX_AHEAD_MAX];

	if (!demux_is_far(demux))
		return;
	for (unsigned i = 0; i < n; i++) {
		hashes[i] = hash_of(demux, &keys[i]);
		hash_prefetch(&demux->table, hashes[i]);
	}
	/* While the last ones are on their way, the first are there. */
	for (unsigned i = 0; i < n; i++) {
		const void *item = hash_peek(&demux->table, hashes[i]);

		if (item)
			memory_prefetch(item, DEMUX_ITEM_BYTES);
	}
}

int demux_insert(struct tcp_demux *demux, struct tcp_stub *stub)
{
	return hash_insert(&demux->table, hash_of_stub(demux, stub), stub);
}

static void forget(struct tcp_demux *demux, const struct tcp_stub *stub)
{
	if (demux->last && &demux->last->stub == stub)
		demux->last = NULL;
}

void demux_remove(struct tcp_demux *demux, struct tcp_stub *stub)
{
	forget(demux, stub);
	hash_remove(&demux->table, hash_of_stub(demux, stub), stub);
}

void demux_replace(struct tcp_demux *demux, struct tcp_stub *old, struct tcp_stub *fresh)
{
	uint32_t hash = hash_of_stub(demux, old);

	CHECK(hash_of_stub(demux, fresh) == hash);
	forget(demux, old);
	CHECK(hash_replace(&demux->table, hash, old, fresh));
}
