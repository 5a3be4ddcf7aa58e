/* SPDX-License-Identifier: MIT */
/*
 * The pool of packet buffers, and who owns a buffer.
 *
 * A buffer is one block of memory: a struct block, whose first member is the tee_pkt, and then its
 * bytes. Blocks come in a few sizes (class_capacities), chosen for what occurs: an ACK, a frame of an
 * ordinary or of a jumbo link, chunks of a send queue, a 64 KiB super-frame. A block that comes back
 * waits in its class's free list for the next taker, so that a stack in its stride does not call
 * the allocator. Together the lists keep at most IDLE_BYTES_MAX; the rest goes back to the system. A
 * buffer larger than every class is allocated as it is asked for.
 *
 * What is alive is charged against the pool's bound: blocks in full, and the nodes of byte
 * queues. Allocation failure and the bound are the same to a caller: NULL.
 *
 * A pool outlives tee_pool_free() until its last buffer has come back, since an application may still
 * hold one when its stack is gone. Nodes always belong to the pool of the packet they refer to.
 */
#include "pkt/pool.h"

#include <stdlib.h>
#include <string.h>
#include "base/check.h"

/* Bytes after the headroom. */
static const uint32_t class_capacities[] = {
	128,  256,  512,   1024,  1536,       2048, 4096,
	8192, 9216, 16384, 32768, 65536 + 64, /* a super-frame with its Ethernet and virtio-net headers */
};

enum {
	CLASS_COUNT = POOL_CLASS_COUNT,
	CLASS_ODD = CLASS_COUNT, /* larger than the largest */
	CLASS_EXTERNAL,
	IDLE_BYTES_MAX = 64 << 20,
};
_Static_assert(ARRAY_LEN(class_capacities) == CLASS_COUNT, "a free list for each class");

struct block {
	struct tee_pkt pkt;
	uint32_t class_idx;
	uint32_t charged_bytes;
	uint8_t bytes[];
};

/* What the bytes of a CLASS_EXTERNAL block hold. */
struct external {
	void (*release)(void *arg);
	void *arg;
};

struct tee_pool *tee_pool_new(size_t bytes_max)
{
	struct tee_pool *pool = calloc(1, sizeof(*pool));

	if (pool)
		pool->bytes_max = bytes_max;
	return pool;
}

static void destroy(struct tee_pool *pool)
{
	CHECK(pool->bytes_used == 0);
	for (unsigned i = 0; i < CLASS_COUNT; i++) {
		while (pool->classes[i]) {
			struct tee_pkt *pkt = pool->classes[i];

			pool->classes[i] = pkt->next;
			free(pkt);
		}
	}
	while (pool->nodes) {
		struct byteq_node *node = pool->nodes;

		pool->nodes = node->next;
		free(node);
	}
	while (pool->chains) {
		struct idle_chain *chain = pool->chains;

		pool->chains = chain->next;
		free(chain);
	}
	free(pool);
}

void tee_pool_free(struct tee_pool *pool)
{
	if (!pool)
		return;
	CHECK(!pool->is_freed);
	pool->is_freed = true;
	if (pool->live_count == 0)
		destroy(pool);
}

size_t tee_pool_bytes_used(const struct tee_pool *pool)
{
	return pool->bytes_used;
}

/* ---- accounting ---- */

static bool charge(struct tee_pool *pool, size_t bytes)
{
	if (!pool_charge(pool, bytes))
		return false;
	pool->live_count++;
	return true;
}

/* May end the pool. */
static inline void discharge(struct tee_pool *pool, size_t bytes)
{
	CHECK(pool->bytes_used >= bytes && pool->live_count > 0);
	pool->bytes_used -= bytes;
	pool->live_count--;
	if (pool->live_count == 0 && pool->is_freed)
		destroy(pool);
}

/* ---- blocks ---- */

static struct block *block_of(struct tee_pkt *pkt)
{
	_Static_assert(offsetof(struct block, pkt) == 0, "a packet is the start of its block");
	return (struct block *)pkt;
}

/* A block with `len` bytes, of which nothing but the bookkeeping is filled in. */
static struct block *block_new(struct tee_pool *pool, unsigned class_idx, size_t len)
{
	size_t size = sizeof(struct block) + len;
	struct block *block;

	if (!charge(pool, size))
		return NULL;
	if (class_idx < CLASS_COUNT && pool->classes[class_idx]) {
		block = block_of(pool->classes[class_idx]);
		pool->classes[class_idx] = block->pkt.next;
		pool->idle_bytes -= size;
	} else {
		block = malloc(size);
	}
	if (!block) {
		discharge(pool, size);
		return NULL;
	}
	block->class_idx = class_idx;
	block->charged_bytes = (uint32_t)size;
	return block;
}

static inline void block_free(struct block *block)
{
	struct tee_pool *pool = block->pkt.pool;
	size_t size = block->charged_bytes;

	if (block->class_idx < CLASS_COUNT && pool->idle_bytes + size <= IDLE_BYTES_MAX) {
		block->pkt.next = pool->classes[block->class_idx];
		pool->classes[block->class_idx] = &block->pkt;
		pool->idle_bytes += size;
	} else {
		free(block);
	}
	discharge(pool, size);
}

static unsigned class_for(size_t capacity)
{
	unsigned idx = 0;

	while (idx < CLASS_COUNT && class_capacities[idx] < capacity)
		idx++;
	return idx;
}

struct tee_pkt *tee_pkt_new(struct tee_pool *pool, size_t capacity)
{
	unsigned class_idx = class_for(capacity);
	struct block *block;

	if (capacity > UINT32_MAX / 2)
		return NULL;
	if (class_idx < CLASS_COUNT)
		capacity = class_capacities[class_idx];
	block = block_new(pool, class_idx, TEE_PKT_HEADROOM + capacity);
	if (!block)
		return NULL;
	block->pkt = (struct tee_pkt){
		.pool = pool,
		.ref_count = 1,
		.capacity = (uint32_t)(TEE_PKT_HEADROOM + capacity),
		.off = TEE_PKT_HEADROOM,
		.data = block->bytes,
	};
	return &block->pkt;
}

struct tee_pkt *pkt_new_external(struct tee_pool *pool, const void *data, size_t len,
				 void (*release)(void *arg), void *arg)
{
	struct external external = {release, arg};
	struct block *block;

	if (len > UINT32_MAX)
		return NULL;
	block = block_new(pool, CLASS_EXTERNAL, sizeof(external));
	if (!block)
		return NULL;
	memcpy(block->bytes, &external, sizeof(external));
	block->pkt = (struct tee_pkt){
		.pool = pool,
		.ref_count = 1,
		.capacity = (uint32_t)len,
		.len = (uint32_t)len,
		.flags = PKT_IS_EXTERNAL,
		/* The flag keeps everybody from writing here. */
		.data = (uint8_t *)(uintptr_t)data,
	};
	return &block->pkt;
}

void pkt_external_disown(struct tee_pkt *pkt)
{
	const struct external nobody = {NULL, NULL};

	CHECK(pkt->flags & PKT_IS_EXTERNAL);
	memcpy(block_of(pkt)->bytes, &nobody, sizeof(nobody));
}

struct tee_pkt *tee_pkt_ref(struct tee_pkt *pkt)
{
	CHECK(pkt->ref_count > 0 && pkt->ref_count < UINT32_MAX);
	pkt->ref_count++;
	return pkt;
}

static __attribute__((noinline)) void external_free(struct block *block)
{
	struct external external;

	memcpy(&external, block->bytes, sizeof(external));
	block_free(block);
	if (external.release)
		external.release(external.arg);
}

void tee_pkt_release(struct tee_pkt *pkt)
{
	struct block *block;

	if (!pkt)
		return;
	CHECK(pkt->ref_count > 0);
	if (--pkt->ref_count > 0)
		return;
	block = block_of(pkt);
	if (block->class_idx == CLASS_EXTERNAL)
		external_free(block);
	else
		block_free(block);
}

/* ---- chains of byte queues ---- */

struct byteq_chain *pool_chain_new(struct tee_pool *pool)
{
	struct byteq_chain *chain = (struct byteq_chain *)pool->chains;

	if (!charge(pool, sizeof(*chain)))
		return NULL;
	if (chain) {
		pool->chains = pool->chains->next;
		pool->idle_chains--;
	} else {
		chain = malloc(sizeof(*chain));
	}
	if (!chain) {
		discharge(pool, sizeof(*chain));
		return NULL;
	}
	*chain = (struct byteq_chain){.pool = pool};
	return chain;
}

void pool_chain_free(struct byteq_chain *chain)
{
	struct tee_pool *pool = chain->pool;
	struct idle_chain *idle = (struct idle_chain *)chain;

	if (pool->idle_chains < POOL_IDLE_NODES_MAX) {
		idle->next = pool->chains;
		pool->chains = idle;
		pool->idle_chains++;
	} else {
		free(chain);
	}
	discharge(pool, sizeof(*chain));
}
