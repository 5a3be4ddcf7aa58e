/* SPDX-License-Identifier: MIT */
/*
 * Queues of packets, and of bytes that live in packets: a `struct byteq` is a chain of slices of
 * reference-counted buffers. TCP's send and receive queues and its out-of-order data are
 * made of it, so that nothing is copied between a link and the application.
 *
 * A slice node is small and pooled. Many small pieces are merged when they would make a byte hold
 * a buffer: byteq_append_pkt() copies a piece that is less than a quarter of its buffer to the tail
 * when the tail is ours alone and has room, or, out of a large buffer, into one of its own size.
 */
#ifndef TEE_PKT_QUEUE_H
#define TEE_PKT_QUEUE_H

#include <sys/types.h>
#include <teeceepee/packet.h>

/* ---- packets, FIFO, linked by pkt->next ---- */

struct pktq {
	struct tee_pkt *head, *tail;
	uint32_t count;
	uint32_t bytes;
};

void pktq_init(struct pktq *queue);
void pktq_push(struct pktq *queue, struct tee_pkt *pkt);
struct tee_pkt *pktq_pop(struct pktq *queue); /* NULL: empty */
void pktq_clear(struct pktq *queue);          /* releases all */

/* ---- bytes ---- */

struct byteq_node {
	struct byteq_node *next;
	struct tee_pkt *pkt; /* a reference */
	uint32_t off, len;   /* within pkt->data */
	bool eor; /* a record ends after this node (TEE_MSG_EOR): no segment crosses it */
};

/* The nodes of a queue that has any; pooled. */
struct byteq_chain {
	struct byteq_node *head, *tail;
	/* cursor: where the last lookup ended, so that sending in order is O(1) */
	struct byteq_node *cursor;
	uint64_t cursor_start;
	struct tee_pool *pool;
	uint32_t memory; /* buffer bytes held, capacity counted once a node */
	/* bytes of room that byteq_reserve() gave and byteq_commit() may fill; 0: none */
	uint32_t reserved : 31;
	uint32_t has_eor : 1; /* byteq_mark_eor() was ever called: there may be nodes with `eor` */
};

struct byteq {
	uint64_t start;            /* stream offset of the first byte */
	uint64_t end;              /* one past the last; end - start bytes are queued */
	struct byteq_chain *chain; /* NULL while there is no node, so that an idle queue is small */
};

void byteq_init(struct byteq *queue, uint64_t start);
/* Releases everything. */
void byteq_clear(struct byteq *queue);
static inline uint64_t byteq_len(const struct byteq *queue)
{
	return queue->end - queue->start;
}

/* Buffer bytes held, capacity counted once a node. */
static inline uint32_t byteq_memory(const struct byteq *queue)
{
	return queue->chain ? queue->chain->memory : 0;
}

/*
 * Copies bytes to the end, into the tail's free room first, then into new buffers; returns how many
 * were taken (fewer when memory ran out). `chunk` is the capacity for new buffers.
 */
size_t byteq_append_copy(struct byteq *queue, struct tee_pool *pool, const void *data, size_t len,
			 uint32_t chunk);
/*
 * Room at the end for at least 1 byte and up to `want`: pointer and length; -TEE_ENOMEM. The room
 * stays valid across byteq_drop_to(), until the next call that appends.
 */
int byteq_reserve(struct byteq *queue, struct tee_pool *pool, size_t want, uint32_t chunk,
		  void **ret_ptr, size_t *ret_len);
/* How many bytes byteq_commit() may still append; 0 when nothing is reserved. */
size_t byteq_reserved(const struct byteq *queue);
/* Appends the first `len` bytes that byteq_reserve() gave, at most byteq_reserved(). */
void byteq_commit(struct byteq *queue, size_t len);
/* Appends a slice of a packet, taking over the caller's reference also on failure. 0, -TEE_ENOMEM. */
int byteq_append_pkt(struct byteq *queue, struct tee_pool *pool, struct tee_pkt *pkt, uint32_t off,
		     uint32_t len);
/* Moves all of `from` to the end of `queue`; from->start must equal queue->end. */
void byteq_join(struct byteq *queue, struct byteq *from);
/* Marks a record end at the queue's end. */
void byteq_mark_eor(struct byteq *queue);
/* Offset of the first record end in (off, off + len], or off + len when there is none. */
uint64_t byteq_next_eor(struct byteq *queue, uint64_t off, uint64_t len);

/*
 * References [off, off + len) from a frame: appends slices and holds to it, at most until
 * TEE_FRAME_SLICES are used. Returns the number of bytes referenced.
 */
size_t byteq_frame_slices(struct byteq *queue, uint64_t off, size_t len, struct tee_frame *frame);
/* Copies out [off, off+len); all must be in the queue. */
void byteq_peek(const struct byteq *queue, uint64_t off, void *buf, size_t len);
/* Copies out the first `len` bytes, which must be there, and drops them. */
void byteq_read(struct byteq *queue, void *buf, size_t len);
/* Fills up to n slices from the queue's start; returns how many. */
unsigned byteq_view(const struct byteq *queue, struct tee_slice *slices, unsigned n);
/* Drops everything before `off` (start <= off <= end). */
void byteq_drop_to(struct byteq *queue, uint64_t off);
/* Drops everything at and after `off`. */
void byteq_truncate(struct byteq *queue, uint64_t off);
void byteq_check(const struct byteq *queue);

/*
 * A packet that stands for memory of the application's: no copy; `release(arg)` runs when the last
 * reference goes. NULL: no memory.
 */
struct tee_pkt *pkt_new_external(struct tee_pool *pool, const void *data, size_t len,
				 void (*release)(void *arg), void *arg);
/* It came to nothing after all: the memory stays its owner's, `release` will not be called. */
void pkt_external_disown(struct tee_pkt *pkt);

#endif
