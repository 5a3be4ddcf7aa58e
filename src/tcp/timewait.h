/* SPDX-License-Identifier: MIT */
/*
 * TIME-WAIT in 40 bytes, 64 for IPv6 (RFC 9293 MUST-13, RFC 1337, RFC 6191): enough to answer a repeated FIN, to
 * reject old duplicates, and to let a new SYN in when sequence number or timestamp prove that it is
 * new. All have the same life, so they expire in the order of a queue: one timer for all.
 */
#ifndef TEE_TCP_TIMEWAIT_H
#define TEE_TCP_TIMEWAIT_H

#include "base/seq.h"
#include "base/slab.h"
#include "tcp/demux.h"
#include "tcp/segment.h"

enum {
	TIMEWAIT_HAS_TS = 1,
	TIMEWAIT_DEAD = 2,
	TIMEWAIT_IN_FIN_WAIT_2 = 4,
	TIMEWAIT_ANSWERED = 8,
	TIMEWAIT_RESTARTED = 16, /* and not moved to the queue's end yet */
};

struct timewait {
	struct timewait *next; /* queue of expiry */
	struct seq32 snd_nxt, rcv_nxt;
	uint32_t ts_recent;
	uint32_t expires_tick; /* 2^20 ns ticks */
	struct tcp_stub stub;  /* flags: TIMEWAIT_… */
	uint8_t key[];         /* the stub's */
};
enum {
	TIMEWAIT_HEAD_BYTES = offsetof(struct timewait, key),
	TIMEWAIT_BYTES4 = TIMEWAIT_HEAD_BYTES + sizeof(struct tcp_key4),
	TIMEWAIT_BYTES6 = TIMEWAIT_HEAD_BYTES + sizeof(struct tcp_key),
};
_Static_assert((int)TIMEWAIT_BYTES4 == 40 && (int)TIMEWAIT_BYTES6 == 64,
	       "TIME-WAIT is to stay small");
_Static_assert(offsetof(struct timewait, key) ==
		       offsetof(struct timewait, stub) + sizeof(struct tcp_stub),
	       "a stub's key follows it");

struct timewait_queue {
	struct timewait *head, *tail;
	uint32_t count, count_max; /* live ones */
	uint64_t life_ns;          /* 2 MSL */
	struct tcp_demux *demux;
	struct slab entries4, entries6; /* with short keys and with whole ones */
	uint64_t evicted_count;
};

void timewait_queue_init(struct timewait_queue *queue, struct tcp_demux *demux,
			 struct slab_arena *arena, uint64_t life_ns, uint32_t count_max);
void timewait_queue_fini(struct timewait_queue *queue);
/*
 * Makes an entry, not yet in the demux (the caller replaces the connection by it); past count_max the oldest
 * ends early. NULL: no memory.
 */
struct timewait *timewait_new(struct timewait_queue *queue, const struct tcp_node *node,
			      struct seq32 snd_nxt, struct seq32 rcv_nxt, bool has_ts,
			      uint32_t ts_recent, uint64_t now_ns);
/* Removes from the demux; memory is freed when the queue reaches it. */
void timewait_end(struct timewait_queue *queue, struct timewait *tw);
/* Ends what expired; returns the next expiry or UINT64_MAX. */
uint64_t timewait_expire(struct timewait_queue *queue, uint64_t now_ns);

enum timewait_verdict {
	TIMEWAIT_IGNORE,
	TIMEWAIT_ACK,         /* answer with an ACK of rcv_nxt */
	TIMEWAIT_ACK_RESTART, /* the FIN again: ACK, and 2 MSL start over */
	TIMEWAIT_REUSE,       /* a believable new SYN (MAY-2): treat as for LISTEN */
	TIMEWAIT_RST_END, /* valid RST in FIN-WAIT-2: ends (in TIME-WAIT itself RFC 1337 ignores it) */
	TIMEWAIT_RESET, /* data for an orphan in FIN-WAIT-2: answer with a RST and end */
};
/* RFC 9293 3.10.7.4 for state TIME-WAIT, with RFC 1337 (RST ignored) and RFC 6191. */
enum timewait_verdict timewait_on_segment(struct timewait *tw, const struct tcp_header *header,
					  uint32_t payload_len);
/* Starts 2 MSL again. */
void timewait_restart(const struct timewait_queue *queue, struct timewait *tw, uint64_t now_ns);

#endif
