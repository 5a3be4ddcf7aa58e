/* SPDX-License-Identifier: MIT */
/*
 * Queues of packets, and of bytes that lie in packets (struct byteq).
 *
 * A byte queue is a chain of nodes, each a slice of a packet's buffer with a reference of its own. A
 * stream offset is found by walking from the cursor, which remembers where the last search
 * ended: sending in order never walks, a retransmission starts again from the front.
 *
 * Who may write into a buffer's free room behind the tail's slice? Nobody else must, or two queues
 * would write over each other. It is ours in two cases: the tail's reference is the only one; or
 * the buffer was made here (PKT_IS_CHUNK) and the slice ends where the buffer is filled to
 * (pkt->off + pkt->len), a place that only one slice can end at. So small writes go on filling a chunk
 * of which a frame on its way out still holds an earlier part.
 *
 * An empty node stands nowhere but at the tail, when room was reserved and nothing committed yet.
 */
#include "pkt/queue.h"

#include <string.h>
#include "base/check.h"
#include "pkt/pool.h"

enum {
	/* a piece is small when it is less than this part of its buffer */
	PIECE_SHARE = 4,
	/* a small piece of a buffer from this size on is moved to one that fits it better */
	LARGE_BUFFER_BYTES = 4096,
	MERGE_CHUNK_MIN = 512,
	MERGE_CHUNK_MAX = 32768,
};

/* ---- packets ---- */

void pktq_init(struct pktq *queue)
{
	*queue = (struct pktq){0};
}

void pktq_push(struct pktq *queue, struct tee_pkt *pkt)
{
	pkt->next = NULL;
	if (queue->tail)
		queue->tail->next = pkt;
	else
		queue->head = pkt;
	queue->tail = pkt;
	queue->count++;
	queue->bytes += pkt->len;
}

struct tee_pkt *pktq_pop(struct pktq *queue)
{
	struct tee_pkt *pkt = queue->head;

	if (!pkt)
		return NULL;
	queue->head = pkt->next;
	if (!queue->head)
		queue->tail = NULL;
	pkt->next = NULL;
	queue->count--;
	queue->bytes -= pkt->len;
	return pkt;
}

void pktq_clear(struct pktq *queue)
{
	struct tee_pkt *pkt;

	while ((pkt = pktq_pop(queue)))
		tee_pkt_release(pkt);
}

/* ---- nodes ---- */

void byteq_init(struct byteq *queue, uint64_t start)
{
	*queue = (struct byteq){.start = start, .end = start};
}

static struct byteq_node *first_node(const struct byteq *queue)
{
	return queue->chain ? queue->chain->head : NULL;
}

static struct byteq_node *last_node(const struct byteq *queue)
{
	return queue->chain ? queue->chain->tail : NULL;
}

static void free_node(struct byteq_chain *chain, struct byteq_node *node)
{
	chain->memory -= node->pkt->capacity;
	pool_node_free(node);
}

/* A queue without nodes has no chain. */
static void drop_empty_chain(struct byteq *queue)
{
	if (queue->chain && !queue->chain->head) {
		pool_chain_free(queue->chain);
		queue->chain = NULL;
	}
}

void byteq_clear(struct byteq *queue)
{
	while (first_node(queue)) {
		struct byteq_node *node = queue->chain->head;

		queue->chain->head = node->next;
		free_node(queue->chain, node);
	}
	drop_empty_chain(queue);
	byteq_init(queue, queue->end);
}

/* The node before `node`, which is in the queue; NULL before the first. */
static struct byteq_node *node_before(const struct byteq_chain *chain,
				      const struct byteq_node *node)
{
	struct byteq_node *before = chain->head;

	if (before == node)
		return NULL;
	if (chain->cursor && chain->cursor != node)
		before = chain->cursor;
	while (before->next != node)
		before = before->next;
	return before;
}

/* Forgets room that was reserved and never filled, if it has a node to itself. */
static void drop_empty_tail(struct byteq *queue)
{
	struct byteq_chain *chain = queue->chain;
	struct byteq_node *tail, *before;

	if (!chain)
		return;
	chain->reserved = 0;
	tail = chain->tail;
	if (tail->len > 0)
		return;
	before = node_before(chain, tail);
	if (before)
		before->next = NULL;
	else
		chain->head = NULL;
	chain->tail = before;
	if (chain->cursor == tail)
		chain->cursor = NULL;
	free_node(chain, tail);
	drop_empty_chain(queue);
}

/* Takes over the caller's reference to the packet, if it returns 0. */
static inline int link_node(struct byteq *queue, struct tee_pkt *pkt, uint32_t off, uint32_t len)
{
	struct byteq_chain *chain = queue->chain;
	struct byteq_node *node;

	if (!chain)
		chain = pool_chain_new(pkt->pool);
	if (!chain)
		return -TEE_ENOMEM;
	queue->chain = chain;
	node = pool_node_new(pkt, off, len);
	if (!node) {
		drop_empty_chain(queue);
		return -TEE_ENOMEM;
	}
	if (chain->tail)
		chain->tail->next = node;
	else
		chain->head = node;
	chain->tail = node;
	chain->memory += pkt->capacity;
	queue->end += len;
	return 0;
}

/*
 * The node that holds `off`, or the last one when `off` is the end; NULL when there is none.
 * ret_start: the offset of its first byte.
 */
static struct byteq_node *seek(const struct byteq *queue, uint64_t off, uint64_t *ret_start)
{
	const struct byteq_chain *chain = queue->chain;
	struct byteq_node *node = first_node(queue);
	uint64_t start = queue->start;

	if (chain && chain->cursor && chain->cursor_start <= off) {
		node = chain->cursor;
		start = chain->cursor_start;
	}
	while (node && off - start >= node->len && node->next) {
		start += node->len;
		node = node->next;
	}
	*ret_start = start;
	return node;
}

static struct byteq_node *seek_and_remember(struct byteq *queue, uint64_t off, uint64_t *ret_start)
{
	struct byteq_node *node = seek(queue, off, ret_start);

	if (queue->chain) {
		queue->chain->cursor = node;
		queue->chain->cursor_start = *ret_start;
	}
	return node;
}

/* ---- appending ---- */

/* Free bytes behind the node's slice that nobody else may write to. */
static uint32_t room_behind(const struct byteq_node *node)
{
	const struct tee_pkt *pkt = node->pkt;
	uint32_t end = node->off + node->len;
	bool is_filled_to_here = end == pkt->off + pkt->len;

	if (pkt->flags & PKT_IS_EXTERNAL)
		return 0;
	if (pkt->ref_count > 1 && !(pkt->flags & PKT_IS_CHUNK && is_filled_to_here))
		return 0;
	return pkt->capacity - end;
}

/* Makes the tail one that has room and that the next bytes may join. */
static int make_room(struct byteq *queue, struct tee_pool *pool, uint32_t chunk)
{
	struct byteq_node *tail = last_node(queue);
	struct tee_pkt *pkt;

	if (tail && room_behind(tail) > 0) {
		/* From here on it is a chunk of ours, also while frames refer to it. */
		pkt = tail->pkt;
		pkt->flags |= PKT_IS_CHUNK;
		pkt->len = tail->off + tail->len - pkt->off;
		if (!tail->eor)
			return 0;
		/* A record ended there: the same buffer goes on, in a node of its own. */
		if (link_node(queue, tee_pkt_ref(pkt), tail->off + tail->len, 0) == 0)
			return 0;
		tee_pkt_release(pkt);
		return -TEE_ENOMEM;
	}
	drop_empty_tail(queue);
	pkt = tee_pkt_new(pool, chunk);
	if (!pkt)
		return -TEE_ENOMEM;
	pkt->off = 0;
	pkt->flags |= PKT_IS_CHUNK;
	if (link_node(queue, pkt, 0, 0) < 0) {
		tee_pkt_release(pkt);
		return -TEE_ENOMEM;
	}
	return 0;
}

int byteq_reserve(struct byteq *queue, struct tee_pool *pool, size_t want, uint32_t chunk,
		  void **ret_ptr, size_t *ret_len)
{
	const struct byteq_node *tail;
	int result = make_room(queue, pool, chunk);

	if (result < 0)
		return result;
	/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): a queue with bytes has a chain */
	tail = queue->chain->tail;
	*ret_ptr = tail->pkt->data + tail->off + tail->len;
	*ret_len = MIN(want, room_behind(tail));
	queue->chain->reserved = (uint32_t)*ret_len;
	return 0;
}

size_t byteq_reserved(const struct byteq *queue)
{
	return queue->chain ? queue->chain->reserved : 0;
}

static inline void commit_to(struct byteq *queue, struct byteq_node *tail, size_t len)
{
	queue->chain->reserved = 0;
	if (len == 0)
		return;
	tail->len += (uint32_t)len;
	tail->pkt->len = tail->off + tail->len - tail->pkt->off;
	queue->end += len;
}

void byteq_commit(struct byteq *queue, size_t len)
{
	struct byteq_node *tail = last_node(queue);

	CHECK(len <= byteq_reserved(queue));
	if (tail)
		commit_to(queue, tail, len);
}

size_t byteq_append_copy(struct byteq *queue, struct tee_pool *pool, const void *data, size_t len,
			 uint32_t chunk)
{
	struct byteq_node *tail = last_node(queue);
	const uint8_t *from = data;
	size_t left = len, room;
	void *to;

	/* Most small writes find room behind the last one, in a chunk of ours. */
	if (tail && tail->pkt->flags & PKT_IS_CHUNK && !tail->eor && room_behind(tail) >= len) {
		memcpy(tail->pkt->data + tail->off + tail->len, data, len);
		commit_to(queue, tail, len);
		return len;
	}
	while (left > 0 && byteq_reserve(queue, pool, left, chunk, &to, &room) == 0) {
		memcpy(to, from, room);
		byteq_commit(queue, room);
		from += room;
		left -= room;
	}
	if (left > 0)
		drop_empty_tail(queue);
	return len - left;
}

/* Capacity of the buffer that a small piece moves to: grows with what piles up. */
static uint32_t merge_chunk(const struct byteq *queue, uint32_t len)
{
	uint64_t wanted = MAX(2 * byteq_len(queue), 2 * (uint64_t)len);

	return (uint32_t)MIN(MAX(wanted, (uint64_t)MERGE_CHUNK_MIN), (uint64_t)MERGE_CHUNK_MAX);
}

/* How much of the piece was copied, so that its buffer need not be held for that. */
static uint32_t merge_piece(struct byteq *queue, struct tee_pool *pool, const struct tee_pkt *pkt,
			    uint32_t off, uint32_t len)
{
	const struct byteq_node *tail = last_node(queue);

	if (pkt->capacity < LARGE_BUFFER_BYTES && !(tail && !tail->eor && room_behind(tail) >= len))
		return 0;
	return (uint32_t)byteq_append_copy(queue, pool, pkt->data + off, len,
					   merge_chunk(queue, len));
}

int byteq_append_pkt(struct byteq *queue, struct tee_pool *pool, struct tee_pkt *pkt, uint32_t off,
		     uint32_t len)
{
	struct byteq_node *tail;
	uint32_t merged;
	int result;

	CHECK(off <= pkt->capacity && len <= pkt->capacity - off);
	/* From now on more than one queue may hold it, so that nobody may count on its edge. */
	pkt->flags &= (uint16_t)~PKT_IS_CHUNK;
	if (queue->chain && (queue->chain->reserved > 0 || queue->chain->tail->len == 0))
		drop_empty_tail(queue);
	tail = last_node(queue);
	if (tail && tail->pkt == pkt && len > 0 && tail->off + tail->len == off && !tail->eor) {
		/* the next part of the same buffer */
		tail->len += len;
		queue->end += len;
		len = 0;
	}
	merged = len > 0 && len < pkt->capacity / PIECE_SHARE
			 ? merge_piece(queue, pool, pkt, off, len)
			 : 0;
	if (merged == len) {
		tee_pkt_release(pkt);
		return 0;
	}
	result = link_node(queue, pkt, off + merged, len - merged);
	if (result < 0) {
		if (merged > 0)
			byteq_truncate(queue, queue->end - merged);
		tee_pkt_release(pkt);
	}
	return result;
}

void byteq_join(struct byteq *queue, struct byteq *from)
{
	CHECK(from->start == queue->end);
	drop_empty_tail(queue);
	drop_empty_tail(from);
	queue->end = from->end;
	if (!queue->chain) {
		queue->chain = from->chain;
	} else if (from->chain) {
		queue->chain->tail->next = from->chain->head;
		queue->chain->tail = from->chain->tail;
		queue->chain->memory += from->chain->memory;
		queue->chain->has_eor |= from->chain->has_eor;
		pool_chain_free(from->chain);
	}
	byteq_init(from, from->end);
}

/* ---- records ---- */

void byteq_mark_eor(struct byteq *queue)
{
	drop_empty_tail(queue);
	if (queue->chain) {
		queue->chain->tail->eor = true;
		queue->chain->has_eor = true;
	}
}

uint64_t byteq_next_eor(struct byteq *queue, uint64_t off, uint64_t len)
{
	uint64_t start, end = off + len;
	const struct byteq_node *node;

	CHECK(off >= queue->start && end <= queue->end);
	if (!queue->chain || !queue->chain->has_eor)
		return end;
	node = seek_and_remember(queue, off, &start);
	for (; node && start < end; node = node->next) {
		start += node->len;
		if (node->eor && start > off)
			return MIN(start, end);
	}
	return end;
}

/* ---- reading ---- */

size_t byteq_frame_slices(struct byteq *queue, uint64_t off, size_t len, struct tee_frame *frame)
{
	uint64_t start;
	struct byteq_node *node;
	size_t done = 0;

	CHECK(off >= queue->start && off <= queue->end && len <= queue->end - off);
	node = seek_and_remember(queue, off, &start);
	while (done < len && frame->slice_count < TEE_FRAME_SLICES) {
		uint32_t skip = (uint32_t)(off + done - start);
		uint32_t n = (uint32_t)MIN((size_t)(node->len - skip), len - done);

		frame->slices[frame->slice_count] =
			(struct tee_slice){node->pkt->data + node->off + skip, n};
		frame->holds[frame->slice_count++] = tee_pkt_ref(node->pkt);
		done += n;
		if (done < len) {
			start += node->len;
			node = node->next;
			queue->chain->cursor = node;
			queue->chain->cursor_start = start;
		}
	}
	frame->len += (uint32_t)done;
	return done;
}

void byteq_peek(const struct byteq *queue, uint64_t off, void *buf, size_t len)
{
	uint8_t *out = buf;
	uint64_t start;
	const struct byteq_node *node;

	CHECK(off >= queue->start && off <= queue->end && len <= queue->end - off);
	node = seek(queue, off, &start);
	while (len > 0) {
		size_t skip = (size_t)(off - start);
		size_t n = MIN(node->len - skip, len);

		memcpy(out, node->pkt->data + node->off + skip, n);
		out += n;
		off += n;
		len -= n;
		start += node->len;
		node = node->next;
	}
}

void byteq_read(struct byteq *queue, void *buf, size_t len)
{
	struct byteq_node *node = first_node(queue);
	uint8_t *out = buf;

	CHECK(len <= byteq_len(queue));
	/* Whole nodes from the front go at once; what is left is a part of one, or shares its end with a reservation. */
	while (len > 0 && node && node->len <= len && node->next) {
		struct byteq_chain *chain = queue->chain;

		memcpy(out, node->pkt->data + node->off, node->len);
		out += node->len;
		len -= node->len;
		queue->start += node->len;
		chain->head = node->next;
		if (chain->cursor == node)
			chain->cursor = NULL;
		free_node(chain, node);
		node = chain->head;
	}
	if (len == 0)
		return;
	CHECK(node && len <= node->len);
	memcpy(out, node->pkt->data + node->off, len);
	byteq_drop_to(queue, queue->start + len);
}

unsigned byteq_view(const struct byteq *queue, struct tee_slice *slices, unsigned n)
{
	unsigned count = 0;

	for (const struct byteq_node *node = first_node(queue); node && count < n;
	     node = node->next)
		if (node->len > 0)
			slices[count++] =
				(struct tee_slice){node->pkt->data + node->off, node->len};
	return count;
}

/* ---- dropping ---- */

void byteq_drop_to(struct byteq *queue, uint64_t off)
{
	struct byteq_chain *chain = queue->chain;
	struct byteq_node *node;

	CHECK(off >= queue->start && off <= queue->end);
	while ((node = first_node(queue)) && off - queue->start >= node->len) {
		if (chain->reserved > 0 && node == chain->tail)
			break; /* somebody is filling the room behind it */
		queue->start += node->len;
		chain->head = node->next;
		if (chain->cursor == node)
			chain->cursor = NULL;
		free_node(chain, node);
		drop_empty_chain(queue);
	}
	if (node && off > queue->start) {
		uint32_t n = (uint32_t)(off - queue->start);

		node->off += n;
		node->len -= n;
	}
	queue->start = off;
	if (node && (chain->cursor == node || (chain->cursor && chain->cursor_start < off))) {
		chain->cursor = node;
		chain->cursor_start = off;
	}
}

void byteq_truncate(struct byteq *queue, uint64_t off)
{
	uint64_t start;
	struct byteq_node *last, *node;

	CHECK(off >= queue->start && off <= queue->end);
	if (queue->chain)
		queue->chain->reserved = 0;
	if (off == queue->start) {
		byteq_clear(queue);
		queue->start = queue->end = off;
		return;
	}
	last = seek_and_remember(queue, off - 1, &start);
	node = last->next;
	last->next = NULL;
	if (start + last->len > off) {
		last->len = (uint32_t)(off - start);
		last->eor = false;
	}
	queue->chain->tail = last;
	queue->end = off;
	while (node) {
		struct byteq_node *next = node->next;

		free_node(queue->chain, node);
		node = next;
	}
}

/* ---- check ---- */

void byteq_check(const struct byteq *queue)
{
	const struct byteq_chain *chain = queue->chain;
	uint64_t at = queue->start, memory = 0;
	bool is_cursor_seen = !chain || !chain->cursor;

	CHECK(!chain || (chain->head && chain->tail));
	for (const struct byteq_node *node = first_node(queue); node; node = node->next) {
		const struct tee_pkt *pkt = node->pkt;

		CHECK(pkt->ref_count > 0);
		CHECK(node->off <= pkt->capacity && node->len <= pkt->capacity - node->off);
		CHECK(node->len > 0 || node == chain->tail);
		CHECK(!node->eor || chain->has_eor);
		CHECK(node->next || node == chain->tail);
		if (node == chain->cursor) {
			CHECK(chain->cursor_start == at);
			is_cursor_seen = true;
		}
		at += node->len;
		memory += pkt->capacity;
	}
	CHECK(at == queue->end);
	CHECK((uint32_t)memory == byteq_memory(queue));
	CHECK(is_cursor_seen);
}
