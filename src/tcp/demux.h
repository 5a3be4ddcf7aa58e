/* SPDX-License-Identifier: MIT */
/*
 * Demultiplexing: one hash table by 4-tuple for connections, half-open requests and TIME-WAITs,
 * which share their first member; one probe a segment.
 */
#ifndef TEE_TCP_DEMUX_H
#define TEE_TCP_DEMUX_H

#include <stdbool.h>
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

enum tcp_node_kind { TCP_NODE_CONN, TCP_NODE_REQUEST, TCP_NODE_TIMEWAIT };

struct tcp_node {
	struct tcp_key key;
	uint8_t kind;   /* enum tcp_node_kind */
	uint8_t flags;  /* the kind's own */
	uint16_t netif; /* number the connection is confined to; 0: any */
};

struct tcp_demux {
	struct hash_table table;
	struct siphash_key secret;
	struct tcp_node *last; /* found last; NULL: none, or it is gone */
};

void demux_init(struct tcp_demux *demux, const struct siphash_key *secret);
void demux_fini(struct tcp_demux *demux);
uint32_t demux_hash(const struct tcp_demux *demux, const struct tcp_key *key);
/* By the table; the one found becomes `last`. */
struct tcp_node *demux_search(struct tcp_demux *demux, const struct tcp_key *key);
/* Segments come in trains: the one found last is asked first. NULL: none. */
static inline struct tcp_node *demux_find(struct tcp_demux *demux, const struct tcp_key *key)
{
	struct tcp_node *last = demux->last;

	if (last && memcmp(&last->key, key, sizeof(last->key)) == 0)
		return last;
	return demux_search(demux, key);
}
int demux_insert(struct tcp_demux *demux, struct tcp_node *node); /* 0, -TEE_ENOMEM */
void demux_remove(struct tcp_demux *demux, struct tcp_node *node);
/* Puts `fresh` where `old` is (same key): a request becomes a connection, that a TIME-WAIT. */
void demux_replace(struct tcp_demux *demux, struct tcp_node *old, struct tcp_node *fresh);

#endif
