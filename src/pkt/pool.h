/* SPDX-License-Identifier: MIT */
/* The inside of a pool of packet buffers, for this room only. */
#ifndef TEE_PKT_POOL_H
#define TEE_PKT_POOL_H

#include <stdlib.h>
#include <teeceepee/packet.h>
#include "pkt/queue.h"

/* Bits of tee_pkt.flags that this room sets; the low byte is free for others. */
enum {
	PKT_IS_CHUNK = 1 << 8,        /* made by a byte queue, which alone writes into it */
	PKT_IS_EXTERNAL = 1 << 9,     /* memory of somebody else's: never written */
	PKT_HAS_FRAME_META = 1 << 10, /* scratch holds what frame_to_pkt() kept */
};

enum { POOL_CLASS_COUNT = 12, POOL_IDLE_NODES_MAX = 1 << 16 };

/* A chain without a queue. */
struct idle_chain {
	struct idle_chain *next;
};

struct tee_pool {
	size_t bytes_max;  /* 0: none */
	size_t bytes_used; /* by what is alive */
	size_t idle_bytes; /* in the free lists */
	size_t live_count; /* blocks and chains; a node lives no longer than its packet */
	size_t idle_nodes;
	bool is_freed; /* tee_pool_free() was called; goes with its last block */
	struct byteq_node *nodes;
	struct idle_chain *chains;
	size_t idle_chains;
	struct tee_pkt *classes[POOL_CLASS_COUNT];
};

static inline bool pool_charge(struct tee_pool *pool, size_t bytes)
{
	if (pool->bytes_max > 0 &&
	    (bytes > pool->bytes_max || pool->bytes_used > pool->bytes_max - bytes))
		return false;
	pool->bytes_used += bytes;
	return true;
}

/* A node from the pool that `pkt` belongs to; takes over the reference. NULL: no memory. */
static inline struct byteq_node *pool_node_new(struct tee_pkt *pkt, uint32_t off, uint32_t len)
{
	struct tee_pool *pool = pkt->pool;
	struct byteq_node *node = pool->nodes;

	if (!pool_charge(pool, sizeof(*node)))
		return NULL;
	if (node) {
		pool->nodes = node->next;
		pool->idle_nodes--;
	} else {
		node = malloc(sizeof(*node));
		if (!node) {
			pool->bytes_used -= sizeof(*node);
			return NULL;
		}
	}
	*node = (struct byteq_node){.pkt = pkt, .off = off, .len = len};
	return node;
}

/* Gives up the node and its reference to the packet. */
static inline void pool_node_free(struct byteq_node *node)
{
	struct tee_pkt *pkt = node->pkt;
	struct tee_pool *pool = pkt->pool;

	if (pool->idle_nodes < POOL_IDLE_NODES_MAX) {
		node->next = pool->nodes;
		pool->nodes = node;
		pool->idle_nodes++;
	} else {
		free(node);
	}
	pool->bytes_used -= sizeof(*node);
	tee_pkt_release(pkt);
}

/* The chain of a queue that gets its first node; NULL: no memory. */
struct byteq_chain *pool_chain_new(struct tee_pool *pool);
void pool_chain_free(struct byteq_chain *chain);

#endif
