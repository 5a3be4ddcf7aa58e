/* SPDX-License-Identifier: MIT */
/*
 * The send map: what was sent and is not yet acknowledged, one record per range, tiling
 * [una, nxt) without hole or overlap. SACK, RACK, PRR, F-RTO and the rate sampler all read and mark
 * these records, so that they can't disagree.
 *
 * Offsets are sequence-space offsets: 0 is the SYN, 1 the first byte of data, the FIN follows the last.
 * A super-segment is one record; it is split where a SACK edge or a partial retransmission falls.
 *
 * Flags of a record:
 *   SACKED  the peer holds it (RFC 2018); never together with LOST or RETRANS.
 *   LOST    believed lost, and not in the network (its original).
 *   RETRANS a retransmission is believed to be in the network. LOST|RETRANS: resent, on its way.
 *   EVER_RETRANS it was sent more than once: no RTT sample without timestamps (Karn).
 * In the network ("pipe", RFC 6675): (nxt - una) - sacked - lost + retrans, in bytes.
 *
 * Every record stands in the tree by offset and in exactly one more place, which its flags name:
 *   by_time   in the network (neither SACKED nor waiting to be resent), oldest transmission first;
 *   lost      LOST and not RETRANS: what sendmap_next_lost() takes, by offset;
 *   sacked    SACKED, by offset; neighbours are merged, so that a SACK of what is known costs a search.
 * SACK edges inside a super-segment count at its segments' boundaries only (rounded inwards), so
 * there are never more records than segments, whatever a peer reports.
 *
 * Calls in order, for an ACK:
 *   1. sendmap_sack() for each block, 2. sendmap_ack() for the cumulative part; both add to ack_info;
 *   3. rack / recovery mark records lost, 4. output takes sendmap_next_lost().
 */
#ifndef TEE_TCP_LOSS_SENDMAP_H
#define TEE_TCP_LOSS_SENDMAP_H

#include <stdbool.h>
#include <stdint.h>
#include "base/list.h"
#include "base/rbtree.h"
#include "tcp/ack_info.h"

enum {
	SENT_SACKED = 1,
	SENT_LOST = 2,
	SENT_RETRANS = 4,
	SENT_EVER_RETRANS = 8,
	SENT_FIN = 16, /* the last offset of the range is the FIN */
	SENT_APP_LIMITED = 32,
	SENT_PROBE = 64, /* last sent as the probe of a closed window */
};

struct send_record {
	struct rb_node node; /* by start */
	union {
		struct list by_time;    /* in the order of the last transmission (RACK) */
		struct rb_node by_kind; /* in sendmap.lost or sendmap.sacked */
	};
	uint64_t start, end;
	uint64_t sent_at_ns; /* last transmission */
	uint32_t mss;        /* segment size when sent; a range counts ceil(len / mss) segments */
	uint32_t segs;       /* that count; of a merged range, the sum */
	uint16_t xmit_count; /* transmissions */
	uint16_t flags;
	/* delivery snapshot, taken at (re)transmission (rate.c) */
	uint64_t delivered_bytes, delivered_at_ns, first_sent_at_ns;
	uint64_t in_flight_bytes, lost_total_bytes;
};

struct sendmap {
	struct rb_tree tree;
	struct list by_time; /* records in the network, oldest transmission first */
	struct rb_tree lost, sacked;
	uint64_t una, nxt;
	uint64_t sacked_bytes, lost_bytes, retrans_bytes;
	uint32_t segs, sacked_segs, lost_segs,
		retrans_segs;    /* the same in segments, for tcp_info */
	uint64_t highest_sacked; /* end of the highest SACKed range (FACK); una when none */
	uint32_t record_count;
	uint64_t judged; /* sack_mark_lost() has judged everything below */
};

void sendmap_init(struct sendmap *map, uint64_t una);
void sendmap_fini(struct sendmap *map); /* frees all records */

/*
 * Notes that [map->nxt, end) was sent for the first time; returns its record, whose snapshot the caller fills by
 * rate_on_sent(). NULL: no memory, nothing changed. `flags`: SENT_FIN or 0.
 */
struct send_record *sendmap_sent(struct sendmap *map, uint64_t end, uint32_t mss, unsigned flags,
				 uint64_t now_ns);
/*
 * Notes that the first `len` bytes of a record were sent again (splitting it when len is shorter);
 * returns the record that covers them, NULL when a split found no memory.
 */
struct send_record *sendmap_resent(struct sendmap *map, struct send_record *record, uint64_t len,
				   uint64_t now_ns);
/* Takes back the last sendmap_sent(): the frame did not leave after all, or the peer refused it. */
void sendmap_unsend(struct sendmap *map, struct send_record *record);

/* Cumulative ACK up to `una` (map->una < una <= map->nxt): removes records, trims one in part. */
void sendmap_ack(struct sendmap *map, uint64_t una, struct ack_info *info);
/*
 * A SACK block: marks [start, end) within (una, nxt). Adds what is news to info. Work is bounded by
 * the records touched that are news plus a tree search. -TEE_ENOMEM when an edge could not be split (then
 * the partial record is left unmarked).
 */
int sendmap_sack(struct sendmap *map, uint64_t start, uint64_t end, struct ack_info *info);

struct send_record *sendmap_first(const struct sendmap *map);
struct send_record *sendmap_last(const struct sendmap *map);
struct send_record *sendmap_next(const struct send_record *record);
/* The record that covers `off`, NULL when none. */
struct send_record *sendmap_find(const struct sendmap *map, uint64_t off);
/* First record, by offset, that is LOST and not RETRANS. */
struct send_record *sendmap_next_lost(struct sendmap *map);
/* Marks a not-sacked record lost; its retransmission, if any, too. false: it already was. */
bool sendmap_mark_lost(struct sendmap *map, struct send_record *record);
/* After a timeout: everything not sacked is lost and nothing in flight (RFC 5681, 6298 5.4). `reneged`: forget
   SACKs too (RFC 2018 section 8). Returns the bytes newly marked. */
uint64_t sendmap_mark_all_lost(struct sendmap *map, bool reneged);
/* Undo: nothing is lost any more (the originals arrived after all). */
void sendmap_clear_lost(struct sendmap *map);
/* Splits at `at` (inside); returns the right part, NULL: no memory. */
struct send_record *sendmap_split(struct sendmap *map, struct send_record *record, uint64_t at);

static inline bool sendmap_is_empty(const struct sendmap *map)
{
	return map->una == map->nxt;
}
static inline uint64_t sendmap_pipe_bytes(const struct sendmap *map)
{
	return map->nxt - map->una - map->sacked_bytes - map->lost_bytes + map->retrans_bytes;
}
static inline struct send_record *send_record_of_kind(struct rb_node *node)
{
	return node ? CONTAINER_OF(node, struct send_record, by_kind) : NULL;
}
static inline struct send_record *send_record_of_time(struct list *node)
{
	return CONTAINER_OF(node, struct send_record, by_time);
}
static inline uint32_t send_record_segs(const struct send_record *record)
{
	return record->segs;
}
/* Aborts unless the records tile [una, nxt) and every sum is right. */
void sendmap_check(const struct sendmap *map);

#endif
