/* SPDX-License-Identifier: MIT */
/*
 * TIME-WAIT (RFC 9293 3.6.1 and MUST-13) in 40 bytes, or 64 for IPv6: what stays of a connection after its end.
 *
 * All entries live equally long, so a queue in the order of their beginning is in the order of their
 * end, and one timer serves all. An entry that ends early (its port is used anew, the limit is reached) leaves
 * the demux at once and the queue when its turn comes.
 *
 * A repeated FIN starts an entry's time anew. In the middle of the queue it can't move, so it is marked, and goes
 * to the end when its turn comes, there to wait as long as the one before it does. So nobody ends early, nobody else
 * waits longer, a flood of FINs costs nothing, and the entry itself may stay for up to one life too long.
 *
 * An orphan in FIN-WAIT-2 may live here too (TIMEWAIT_IN_FIN_WAIT_2): it waits for the FIN.
 */
#include "tcp/timewait.h"

#include <string.h>
#include "base/check.h"

enum { TICK_SHIFT = 20 };

/* Ticks wrap after 52 days; an entry lives for minutes. Rounded up, so that nothing ends early. */
static uint32_t tick_of(uint64_t at_ns)
{
	return (uint32_t)((at_ns + (UINT64_C(1) << TICK_SHIFT) - 1) >> TICK_SHIFT);
}

/* The instant that a tick near `now_ns` stands for. */
static uint64_t instant_of(uint32_t tick, uint64_t now_ns)
{
	uint64_t now_tick = now_ns >> TICK_SHIFT;
	int32_t ahead = (int32_t)(tick - (uint32_t)now_tick);

	return (uint64_t)((int64_t)now_tick + ahead) << TICK_SHIFT;
}

void timewait_queue_init(struct timewait_queue *queue, struct tcp_demux *demux,
			 struct slab_arena *arena, uint64_t life_ns, uint32_t count_max)
{
	memset(queue, 0, sizeof(*queue));
	queue->demux = demux;
	queue->life_ns = life_ns;
	queue->count_max = count_max;
	slab_init(&queue->entries4, arena, TIMEWAIT_BYTES4);
	slab_init(&queue->entries6, arena, TIMEWAIT_BYTES6);
}

static struct slab *entries_of(struct timewait_queue *queue, bool is_short)
{
	return is_short ? &queue->entries4 : &queue->entries6;
}

static void push(struct timewait_queue *queue, struct timewait *tw)
{
	tw->next = NULL;
	if (queue->tail)
		queue->tail->next = tw;
	else
		queue->head = tw;
	queue->tail = tw;
}

static void free_head(struct timewait_queue *queue)
{
	struct timewait *tw = queue->head;

	queue->head = tw->next;
	if (!queue->head)
		queue->tail = NULL;
	slab_free(entries_of(queue, tw->stub.has_key4), tw);
}

void timewait_end(struct timewait_queue *queue, struct timewait *tw)
{
	CHECK(!(tw->stub.flags & TIMEWAIT_DEAD));
	demux_remove(queue->demux, &tw->stub);
	tw->stub.flags |= TIMEWAIT_DEAD;
	queue->count--;
}

void timewait_queue_fini(struct timewait_queue *queue)
{
	while (queue->head) {
		if (!(queue->head->stub.flags & TIMEWAIT_DEAD))
			timewait_end(queue, queue->head);
		free_head(queue);
	}
	slab_fini(&queue->entries4);
	slab_fini(&queue->entries6);
}

/* The limit is reached: the oldest live entry makes room. */
static void evict_oldest(struct timewait_queue *queue)
{
	while (queue->head && queue->head->stub.flags & TIMEWAIT_DEAD)
		free_head(queue);
	if (!queue->head)
		return;
	timewait_end(queue, queue->head);
	free_head(queue);
	queue->evicted_count++;
}

struct timewait *timewait_new(struct timewait_queue *queue, const struct tcp_node *node,
			      struct seq32 snd_nxt, struct seq32 rcv_nxt, bool has_ts,
			      uint32_t ts_recent, uint64_t now_ns)
{
	struct timewait *tw = slab_new(entries_of(queue, tcp_key_is4(&node->key)));

	if (!tw)
		return NULL;
	while (queue->count > 0 && queue->count >= queue->count_max)
		evict_oldest(queue);
	tw->snd_nxt = snd_nxt;
	tw->rcv_nxt = rcv_nxt;
	tw->ts_recent = ts_recent;
	tw->expires_tick = tick_of(now_ns + queue->life_ns);
	tw->stub.kind = TCP_NODE_TIMEWAIT;
	tw->stub.flags = has_ts ? TIMEWAIT_HAS_TS : 0;
	tw->stub.netif = node->netif;
	stub_set_key(&tw->stub, &node->key);
	push(queue, tw);
	queue->count++;
	return tw;
}

/* The head's time was started anew: behind the others, and not before them. */
static void move_to_end(struct timewait_queue *queue)
{
	struct timewait *tw = queue->head;
	uint32_t last_tick = queue->tail->expires_tick;

	tw->stub.flags &= (uint8_t)~TIMEWAIT_RESTARTED;
	if ((int32_t)(last_tick - tw->expires_tick) > 0)
		tw->expires_tick = last_tick;
	if (tw == queue->tail)
		return;
	queue->head = tw->next;
	push(queue, tw);
}

/* A live entry's time isn't over. Further ahead than a whole life the clock leapt over half the ticks' range. */
static bool is_waiting(const struct timewait_queue *queue, uint64_t at_ns, uint64_t now_ns)
{
	return at_ns > now_ns && at_ns - now_ns <= queue->life_ns + (UINT64_C(2) << TICK_SHIFT);
}

uint64_t timewait_expire(struct timewait_queue *queue, uint64_t now_ns)
{
	while (queue->head) {
		struct timewait *tw = queue->head;
		uint64_t at_ns = instant_of(tw->expires_tick, now_ns);
		bool is_live = !(tw->stub.flags & TIMEWAIT_DEAD);

		if (is_live && is_waiting(queue, at_ns, now_ns)) {
			if (!(tw->stub.flags & TIMEWAIT_RESTARTED))
				return at_ns;
			move_to_end(queue);
			continue;
		}
		if (is_live)
			timewait_end(queue, tw);
		free_head(queue);
	}
	return UINT64_MAX;
}

void timewait_restart(const struct timewait_queue *queue, struct timewait *tw, uint64_t now_ns)
{
	tw->expires_tick = tick_of(now_ns + queue->life_ns);
	if (tw->next)
		tw->stub.flags |= TIMEWAIT_RESTARTED;
}

/* MAY-2 as RFC 6191 section 2 and RFC 9293 3.6.1 narrow it: is this SYN of a new incarnation? */
static bool is_new_syn(const struct timewait *tw, const struct tcp_header *header)
{
	bool is_higher = seq_lt(tw->rcv_nxt, header->seq);

	if (!(tw->stub.flags & TIMEWAIT_HAS_TS) || !header->options.has_ts)
		return is_higher;
	if (header->options.ts_val == tw->ts_recent)
		return is_higher;
	return (int32_t)(header->options.ts_val - tw->ts_recent) > 0;
}

/* An orphan in FIN-WAIT-2: nobody reads any more, the peer may only finish. */
static enum timewait_verdict in_fin_wait_2(struct timewait *tw, const struct tcp_header *header,
					   uint32_t payload_len)
{
	struct seq32 fin_at = seq_add(header->seq, payload_len);

	if (header->flags & TEE_TCP_RST)
		return seq_eq(header->seq, tw->rcv_nxt) ? TIMEWAIT_RST_END : TIMEWAIT_IGNORE;
	if (header->flags & TEE_TCP_SYN)
		return TIMEWAIT_ACK; /* RFC 5961 section 4 */
	if (!(header->flags & TEE_TCP_ACK))
		return TIMEWAIT_IGNORE;
	/* MUST-17's other half: data that nobody can read any more gets a reset. */
	if (payload_len > 0 && seq_lt(tw->rcv_nxt, fin_at))
		return TIMEWAIT_RESET;
	if (header->flags & TEE_TCP_FIN && seq_eq(fin_at, tw->rcv_nxt)) {
		tw->rcv_nxt = seq_add(tw->rcv_nxt, 1);
		tw->stub.flags &= (uint8_t)~TIMEWAIT_IN_FIN_WAIT_2;
		return TIMEWAIT_ACK_RESTART;
	}
	return seq_eq(header->seq, tw->rcv_nxt) && payload_len == 0 ? TIMEWAIT_IGNORE
								    : TIMEWAIT_ACK;
}

/*
 * The ACK that an unacceptable segment gets. A bare ACK gets one only once: two ends that are both in
 * TIME-WAIT and don't believe each other would answer each other for ever.
 */
static enum timewait_verdict answer(struct timewait *tw, unsigned flags, uint32_t payload_len)
{
	if (payload_len > 0 || flags & (TEE_TCP_SYN | TEE_TCP_FIN))
		return TIMEWAIT_ACK;
	if (tw->stub.flags & TIMEWAIT_ANSWERED)
		return TIMEWAIT_IGNORE;
	tw->stub.flags |= TIMEWAIT_ANSWERED;
	return TIMEWAIT_ACK;
}

enum timewait_verdict timewait_on_segment(struct timewait *tw, const struct tcp_header *header,
					  uint32_t payload_len)
{
	bool has_ts = tw->stub.flags & TIMEWAIT_HAS_TS && header->options.has_ts;
	bool is_old = has_ts && (int32_t)(header->options.ts_val - tw->ts_recent) < 0;
	unsigned flags = header->flags & (TEE_TCP_SYN | TEE_TCP_ACK | TEE_TCP_RST | TEE_TCP_FIN);

	if ((flags & ~TEE_TCP_FIN) == TEE_TCP_SYN && !(tw->stub.flags & TIMEWAIT_IN_FIN_WAIT_2))
		return is_new_syn(tw, header) ? TIMEWAIT_REUSE : TIMEWAIT_ACK;
	/* RFC 7323 5.3 R1: an old timestamp: answer with an ACK, unless it is a RST, and drop. */
	if (is_old)
		return flags & TEE_TCP_RST ? TIMEWAIT_IGNORE : answer(tw, flags, payload_len);
	if (has_ts && seq_eq(header->seq, tw->rcv_nxt))
		tw->ts_recent = header->options.ts_val;
	if (tw->stub.flags & TIMEWAIT_IN_FIN_WAIT_2)
		return in_fin_wait_2(tw, header, payload_len);

	/* Second: RFC 1337, fix F1: a RST doesn't end TIME-WAIT. */
	if (flags & TEE_TCP_RST)
		return TIMEWAIT_IGNORE;
	/* Fourth: RFC 5961 section 4: a SYN with ACK is challenged. */
	if (flags & TEE_TCP_SYN)
		return TIMEWAIT_ACK;
	/* Fifth: without ACK it is dropped. */
	if (!(flags & TEE_TCP_ACK))
		return TIMEWAIT_IGNORE;
	/*
	 * Eighth: the only thing that can arrive is the peer's FIN again, which ends where we are: acknowledge
	 * it and start 2 MSL anew.
	 */
	if (flags & TEE_TCP_FIN && seq_eq(seq_add(header->seq, payload_len + 1), tw->rcv_nxt))
		return TIMEWAIT_ACK_RESTART;
	/* First: an acceptable segment has nothing new; any other is answered with an ACK. */
	if (seq_eq(header->seq, tw->rcv_nxt) && payload_len == 0 && !(flags & TEE_TCP_FIN))
		return TIMEWAIT_IGNORE;
	return answer(tw, flags, payload_len);
}
