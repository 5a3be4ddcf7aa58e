/* SPDX-License-Identifier: MIT */
/*
 * What befalls one packet in one direction, in the order in which a path does it:
 *
 *   1. loss: independent, and in bursts by the two-state model of Gilbert and Elliott (a good state
 *      that loses nothing, a bad one that loses `burst_loss`; one step of the chain a packet);
 *   2. duplication: the copy is another packet from here on;
 *   3. corruption (impair_corrupt.c);
 *   4. the line: a serial rate with a queue in bytes before it; what doesn't fit is dropped at the tail;
 *   5. delay with jitter, uniform in delay ± jitter. Jitter alone keeps the order, as a queue does;
 *   6. reordering: a share of packets skips the delay and so overtakes; on a path without delay they are
 *      held back by `reorder_gap` instead, and are overtaken.
 *
 * Packets wait in a binary heap by (release time, order of entry). Chance comes from the seed and a packet's
 * number alone: each that enters draws from a generator of its own, in each direction for itself. So what befalls
 * the nth packet, but for the line and its queue, doesn't hang on what befell others, how long they were, or
 * whether the queue had room for them: two senders that are compared find the same road. A copy draws from its
 * original's generator.
 *
 * What is held is bounded, WAY_BYTES_MAX and WAY_ITEMS_MAX; beyond it packets are lost and counted.
 */
#include <stdlib.h>
#include <string.h>
#include "base/check.h"
#include "link/gso.h"
#include "link/impair_corrupt.h"
#include "link/impair_way.h"

enum { WAY_BYTES_MAX = 256 << 20, WAY_ITEMS_MAX = 1 << 20, WAY_QUEUE_BYTES_MIN = 65536 };

void impair_way_init(struct impair_way *way, const struct tee_impairment *impairment,
		     enum tee_netif_kind kind, uint64_t seed)
{
	memset(way, 0, sizeof(*way));
	way->impairment = impairment;
	way->kind = kind;
	/* Spread, so that the numbers of two ways whose seeds are close don't overlap. */
	random_init(&way->random, seed);
	way->first_seed = random_u64(&way->random);
}

void impair_way_fini(struct impair_way *way)
{
	for (unsigned i = 0; i < way->count; i++)
		tee_pkt_release(way->heap[i].pkt);
	free(way->heap);
	way->heap = NULL;
	way->count = way->max = 0;
}

/* ---- the heap ---- */

static bool item_before(const struct impair_item *a, const struct impair_item *b)
{
	return a->release_ns != b->release_ns ? a->release_ns < b->release_ns : a->order < b->order;
}

static bool heap_reserve(struct impair_way *way)
{
	unsigned max = way->max ? 2 * way->max : 64;
	struct impair_item *grown;

	if (way->count < way->max)
		return true;
	if (max > WAY_ITEMS_MAX)
		return false;
	grown = realloc(way->heap, max * sizeof(*grown));
	if (!grown)
		return false;
	way->heap = grown;
	way->max = max;
	return true;
}

/* Takes the item in, or loses it when there is no room. */
static void heap_push(struct impair_way *way, const struct impair_item *item)
{
	unsigned at = way->count;

	if (way->bytes + item->pkt->len > WAY_BYTES_MAX || !heap_reserve(way)) {
		way->counts.no_memory++;
		tee_pkt_release(item->pkt);
		return;
	}
	way->count++;
	way->bytes += item->pkt->len;
	while (at > 0 && item_before(item, &way->heap[(at - 1) / 2])) {
		way->heap[at] = way->heap[(at - 1) / 2];
		at = (at - 1) / 2;
	}
	way->heap[at] = *item;
}

static void heap_pop(struct impair_way *way, struct impair_item *ret_item)
{
	struct impair_item last;
	unsigned at = 0, child;

	CHECK(way->count > 0);
	*ret_item = way->heap[0];
	last = way->heap[--way->count];
	way->bytes -= ret_item->pkt->len;
	while ((child = 2 * at + 1) < way->count) {
		if (child + 1 < way->count && item_before(&way->heap[child + 1], &way->heap[child]))
			child++;
		if (!item_before(&way->heap[child], &last))
			break;
		way->heap[at] = way->heap[child];
		at = child;
	}
	if (way->count > 0)
		way->heap[at] = last;
}

/* ---- fate ---- */

/* random_init() makes states that have nothing in common, of neighbouring numbers too. */
static void begin_packet(struct impair_way *way)
{
	random_init(&way->random, way->first_seed + way->entered++);
}

static bool happens(struct impair_way *way, double probability)
{
	return probability > 0 && random_unit(&way->random) < probability;
}

static bool is_lost(struct impair_way *way)
{
	const struct tee_impairment *impairment = way->impairment;

	if (impairment->burst_enter > 0) {
		way->is_bad = way->is_bad ? !happens(way, impairment->burst_leave)
					  : happens(way, impairment->burst_enter);
		if (way->is_bad && happens(way, impairment->burst_loss)) {
			way->counts.burst_lost++;
			return true;
		}
	}
	if (happens(way, impairment->loss)) {
		way->counts.lost++;
		return true;
	}
	return false;
}

static struct tee_pkt *pkt_copy(const struct tee_pkt *pkt)
{
	struct tee_pkt *copy = tee_pkt_new(pkt->pool, pkt->len);

	if (!copy)
		return NULL;
	memcpy(tee_pkt_bytes(copy), tee_pkt_bytes(pkt), pkt->len);
	copy->len = pkt->len;
	copy->checksum_state = pkt->checksum_state;
	copy->at_ns = pkt->at_ns;
	return copy;
}

/* false: it was dropped instead. */
static bool damage(struct impair_way *way, struct tee_pkt *pkt)
{
	uint8_t *bytes = tee_pkt_bytes(pkt);

	/* A checksum that was never made could not tell. */
	if (pkt->checksum_state == TEE_CHECKSUM_PARTIAL)
		gso_complete_received(bytes, pkt->len, way->kind);
	pkt->checksum_state = TEE_CHECKSUM_UNKNOWN;
	if (!impair_corrupt(bytes, pkt->len, way->kind, &way->random)) {
		way->counts.corrupt_dropped++;
		return false;
	}
	way->counts.corrupted++;
	return true;
}

static uint32_t queue_limit(const struct tee_impairment *impairment)
{
	uint64_t limit = impairment->queue_bytes;

	if (limit == 0)
		limit = MAX(impairment->rate_bytes_per_s / 10, (uint64_t)WAY_QUEUE_BYTES_MIN);
	return (uint32_t)MIN(limit, (uint64_t)UINT32_MAX);
}

/* When the line has sent the packet; TEE_NEVER: its queue was full. */
static uint64_t pass_line(struct impair_way *way, uint32_t len, uint64_t now_ns)
{
	const struct tee_impairment *impairment = way->impairment;
	double ns_per_byte;

	if (impairment->rate_bytes_per_s == 0)
		return now_ns;
	ns_per_byte = 1e9 / (double)impairment->rate_bytes_per_s;
	if (way->line_free_at_ns < now_ns)
		way->line_free_at_ns = now_ns;
	if ((double)(way->line_free_at_ns - now_ns) / ns_per_byte + len > queue_limit(impairment)) {
		way->counts.queue_dropped++;
		return TEE_NEVER;
	}
	way->line_free_at_ns += (uint64_t)(len * ns_per_byte + 0.5);
	return way->line_free_at_ns;
}

/* Delay of one packet: uniform in delay ± jitter, never below zero. */
static uint64_t draw_delay(struct impair_way *way)
{
	uint64_t delay_ns = way->impairment->delay_ns, jitter_ns = way->impairment->jitter_ns;
	uint64_t drawn_ns;

	if (jitter_ns == 0)
		return delay_ns;
	drawn_ns = delay_ns + random_below(&way->random, 2 * jitter_ns + 1);
	return drawn_ns > jitter_ns ? drawn_ns - jitter_ns : 0;
}

/* All that befalls a packet that is not lost, drawn before the line is asked whether it has room. */
struct fate {
	bool is_corrupted, is_reordered;
	uint64_t delay_ns;
};

static struct fate draw_fate(struct impair_way *way)
{
	struct fate fate;

	fate.is_corrupted = happens(way, way->impairment->corrupt);
	fate.is_reordered = happens(way, way->impairment->reorder);
	fate.delay_ns = draw_delay(way);
	return fate;
}

static uint64_t release_time(struct impair_way *way, const struct fate *fate, uint64_t departs_ns)
{
	const struct tee_impairment *impairment = way->impairment;
	bool has_delay = impairment->delay_ns > 0 || impairment->jitter_ns > 0;
	uint64_t release_ns;

	if (fate->is_reordered) {
		uint64_t gap_ns = impairment->reorder_gap_ns ? impairment->reorder_gap_ns
							     : TEE_NS_PER_MS;

		way->counts.reordered++;
		return has_delay ? departs_ns : departs_ns + gap_ns;
	}
	release_ns = departs_ns + fate->delay_ns;
	if (release_ns < way->last_release_ns)
		release_ns = way->last_release_ns;
	way->last_release_ns = release_ns;
	return release_ns;
}

static void send_on(struct impair_way *way, struct impair_item item, const struct fate *fate,
		    uint64_t now_ns)
{
	uint64_t departs_ns;

	if (fate->is_corrupted && !damage(way, item.pkt)) {
		tee_pkt_release(item.pkt);
		return;
	}
	departs_ns = pass_line(way, item.pkt->len, now_ns);
	if (departs_ns == TEE_NEVER) {
		tee_pkt_release(item.pkt);
		return;
	}
	item.release_ns = release_time(way, fate, departs_ns);
	item.order = way->next_order++;
	heap_push(way, &item);
}

void impair_way_put(struct impair_way *way, struct impair_item item, uint64_t now_ns)
{
	struct impair_item copy = item;
	struct fate fate, copys_fate;

	begin_packet(way);
	if (is_lost(way)) {
		tee_pkt_release(item.pkt);
		return;
	}
	fate = draw_fate(way);
	copy.pkt = NULL;
	if (happens(way, way->impairment->duplicate)) {
		copys_fate = draw_fate(way);
		copy.pkt = pkt_copy(item.pkt);
		if (copy.pkt)
			way->counts.duplicated++;
		else
			way->counts.no_memory++;
	}
	send_on(way, item, &fate, now_ns);
	if (copy.pkt)
		send_on(way, copy, &copys_fate, now_ns);
}

bool impair_way_take(struct impair_way *way, uint64_t now_ns, struct impair_item *ret_item)
{
	if (way->count == 0 || way->heap[0].release_ns > now_ns)
		return false;
	heap_pop(way, ret_item);
	way->counts.passed++;
	return true;
}

void impair_way_untake(struct impair_way *way, const struct impair_item *item)
{
	way->counts.passed--;
	heap_push(way, item);
}

uint64_t impair_way_next_ns(const struct impair_way *way)
{
	return way->count > 0 ? way->heap[0].release_ns : TEE_NEVER;
}
