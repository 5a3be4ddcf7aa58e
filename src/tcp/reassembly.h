/* SPDX-License-Identifier: MIT */
/*
 * Out-of-order data: disjoint ranges above rcv.nxt, each a chain of slices, and the order in which
 * SACK reports them (RFC 2018 section 4: the most recent first). Data that came first stays;
 * overlaps are trimmed from the newcomer.
 */
#ifndef TEE_TCP_REASSEMBLY_H
#define TEE_TCP_REASSEMBLY_H

#include <stdbool.h>
#include <stdint.h>
#include "base/list.h"
#include "base/rbtree.h"
#include "pkt/queue.h"

struct ooo_range {
	struct rb_node node; /* by start */
	struct list recent;  /* in reassembly.recent */
	struct byteq bytes;  /* start..end */
	uint64_t touched;    /* serial number of the last segment that fell in: recency for SACK */
};

struct reassembly {
	struct rb_tree tree;
	struct list recent; /* ranges, the most recently touched first */
	uint64_t serial;
	uint64_t bytes;  /* in all */
	uint64_t memory; /* buffer bytes held */
	uint32_t range_count;
};

struct reassembly_result {
	bool is_duplicate;               /* all or a part of it was already here … */
	uint64_t dup_start, dup_end;     /* … the first such part (for DSACK) */
	uint64_t range_start, range_end; /* the range it fell into */
};

void reassembly_init(struct reassembly *ooo);
void reassembly_fini(struct reassembly *ooo); /* releases all */
/*
 * Adds [start, start + len), bytes at pkt->data + off. Takes its own references; the caller keeps
 * its one. `range_count_max`, `bytes_max` bound it. 0, -TEE_ENOMEM, -TEE_ENOBUFS (nothing added).
 */
int reassembly_add(struct reassembly *ooo, struct tee_pool *pool, uint64_t start,
		   struct tee_pkt *pkt, uint32_t off, uint32_t len, uint32_t range_count_max,
		   uint64_t bytes_max, struct reassembly_result *ret_result);
/*
 * Moves what is contiguous with queue->end to the queue, dropping what lies below; returns the
 * bytes moved.
 */
uint64_t reassembly_take(struct reassembly *ooo, struct byteq *queue);
/* Fills up to n blocks, most recently touched first; returns how many. */
unsigned reassembly_sack_blocks(const struct reassembly *ooo, uint64_t (*blocks)[2], unsigned n);
void reassembly_check(const struct reassembly *ooo);

#endif
