/* SPDX-License-Identifier: MIT */
/* The inside of a pool of packet buffers, for this room only. */
#ifndef TEE_PKT_POOL_H
#define TEE_PKT_POOL_H

#include <teeceepee/packet.h>
#include "pkt/queue.h"

/* Bits of tee_pkt.flags that this room sets; the low byte is free for others. */
enum {
	PKT_IS_CHUNK = 1 << 8,        /* made by a byte queue, which alone writes into it */
	PKT_IS_EXTERNAL = 1 << 9,     /* memory of somebody else's: never written */
	PKT_HAS_FRAME_META = 1 << 10, /* scratch holds what frame_to_pkt() kept */
};

/* A node from the pool that `pkt` belongs to; takes over the reference. NULL: no memory. */
struct byteq_node *pool_node_new(struct tee_pkt *pkt, uint32_t off, uint32_t len);
/* Gives up the node and its reference to the packet. */
void pool_node_free(struct byteq_node *node);

/* The chain of a queue that gets its first node; NULL: no memory. */
struct byteq_chain *pool_chain_new(struct tee_pool *pool);
void pool_chain_free(struct byteq_chain *chain);

#endif
