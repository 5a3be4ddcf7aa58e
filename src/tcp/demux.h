/* SPDX-License-Identifier: MIT */
/*
 * Demultiplexing: one hash table by 4-tuple for connections, half-open requests and TIME-WAITs; one
 * probe a segment.
 *
 * What is in it begins or ends with a stub: whose it is, and the 4-tuple behind it. A connection has the
 * whole key (struct tcp_node). Of requests and TIME-WAITs strangers may cause a great number, so
 * theirs is short where both addresses are IPv4: 12 bytes instead of 36.
 */
#ifndef TEE_TCP_DEMUX_H
#define TEE_TCP_DEMUX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <teeceepee/types.h>
#include "base/hash.h"
#include "base/siphash.h"

/* The 4-tuple from our view; ports in host order. No padding: it is hashed and compared as bytes. */
struct tcp_key {
	struct tee_ip local_ip, remote_ip;
	uint16_t local_port, remote_port;
};
_Static_assert(sizeof(struct tcp_key) == 36, "tcp_key is compared as bytes");

/* The same between two IPv4 addresses. */
struct tcp_key4 {
	uint8_t local_ip[4], remote_ip[4];
	uint16_t local_port, remote_port;
};
_Static_assert(sizeof(struct tcp_key4) == 12, "tcp_key4 is compared as bytes");

enum tcp_node_kind { TCP_NODE_CONN, TCP_NODE_REQUEST, TCP_NODE_TIMEWAIT };

/* Its key follows it at once. */
struct tcp_stub {
	uint8_t kind : 7;     /* enum tcp_node_kind */
	uint8_t has_key4 : 1; /* the key is a struct tcp_key4, else a struct tcp_key */
	uint8_t flags;        /* the kind's own */
	uint16_t netif;       /* number the connection is confined to; 0: any */
};

/* A stub with the whole key, to be read as such. */
struct tcp_node {
	union {
		struct tcp_stub stub;
		struct {
			uint8_t kind : 7;
			uint8_t has_key4 : 1; /* 0 */
			uint8_t flags;
			uint16_t netif;
		};
	};
	struct tcp_key key;
};
_Static_assert(offsetof(struct tcp_node, key) == sizeof(struct tcp_stub) &&
		       offsetof(struct tcp_node, netif) == offsetof(struct tcp_stub, netif),
	       "a node is a stub and its key");

struct tcp_demux {
	struct hash_table table;
	struct siphash_key secret;
	struct tcp_node *last; /* connection found last; NULL: none, or it is gone */
	struct tcp_key hashed; /* the key hashed last, which is often asked for again … */
	uint32_t hash;         /* … and its hash */
};

enum {
	DEMUX_AHEAD_MAX = 64,
	DEMUX_NEAR_BYTES = 1 << 20, /* a table up to this size is taken to be in the cache */
	DEMUX_ITEM_BYTES = 480,     /* what is brought of each: a connection is about as large */
};

/* `memory` (NULL: none) for the table when it is large. */
void demux_init(struct tcp_demux *demux, const struct siphash_key *secret,
		const struct tee_memory *memory);
void demux_fini(struct tcp_demux *demux);
uint32_t demux_hash(struct tcp_demux *demux, const struct tcp_key *key);
/* By the table; a connection that is found becomes `last`. */
struct tcp_stub *demux_search(struct tcp_demux *demux, const struct tcp_key *key);
/* Segments come in trains: the one found last is asked first. NULL: none. */
static inline struct tcp_stub *demux_find(struct tcp_demux *demux, const struct tcp_key *key)
{
	struct tcp_node *last = demux->last;

	if (last && memcmp(&last->key, key, sizeof(last->key)) == 0)
		return &last->stub;
	return demux_search(demux, key);
}
/*
 * The same 4-tuple may be in use on two interfaces, each time confined to its own: that of `netif`, or the one that is
 * confined to none.
 */
struct tcp_stub *demux_search_on(struct tcp_demux *demux, const struct tcp_key *key,
				 uint16_t netif);
static inline struct tcp_stub *demux_find_on(struct tcp_demux *demux, const struct tcp_key *key,
					     uint16_t netif)
{
	struct tcp_stub *found = demux_find(demux, key);

	return !found || !found->netif || found->netif == netif
		       ? found
		       : demux_search_on(demux, key, netif);
}
/*
 * Begins to bring what belongs to these keys into the cache, where the table is too large to be there anyway; the
 * searches for them come a little later. Changes nothing. `n`: at most DEMUX_AHEAD_MAX.
 */
void demux_ahead(const struct tcp_demux *demux, const struct tcp_key *keys, unsigned n);
static inline bool demux_is_far(const struct tcp_demux *demux)
{
	return demux->table.now.count > DEMUX_NEAR_BYTES / sizeof(struct hash_slot);
}
int demux_insert(struct tcp_demux *demux, struct tcp_stub *stub); /* 0, -TEE_ENOMEM */
void demux_remove(struct tcp_demux *demux, struct tcp_stub *stub);
/* Puts `fresh` where `old` is (same key): a request becomes a connection, that a TIME-WAIT. */
void demux_replace(struct tcp_demux *demux, struct tcp_stub *old, struct tcp_stub *fresh);

/* Are both addresses IPv4, so that a stub has the key as a struct tcp_key4? */
bool tcp_key_is4(const struct tcp_key *key);
/* Writes the key behind the stub, in that form or whole. */
void stub_set_key(struct tcp_stub *stub, const struct tcp_key *key);
struct tcp_key stub_key(const struct tcp_stub *stub);

#endif
