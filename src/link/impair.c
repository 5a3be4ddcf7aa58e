/* SPDX-License-Identifier: MIT */
/*
 * Any link, made bad: a decorator that lets each packet meet loss, duplication, corruption, a slow line,
 * delay and reordering (impair_way.c), in both directions or in one.
 *
 * Faults befall packets, not super-frames: so what goes out is cut into segments of the wire's size
 * first (gso.c), its checksums completed, and copied, since the stack takes its slices back when
 * send() returns; what comes in is cut likewise. struct impair_link has two ways; frames enter
 * by impair_send() and impair_recv(), and leave when their time has come: outgoing ones whenever any of
 * the link's operations is called at or after deadline(), incoming ones from impair_recv().
 *
 * The link under it may refuse frames that are due; they keep their place and are offered again after
 * IMPAIR_RETRY_NS. Our own send() always takes everything: a network that has no room loses.
 *
 * The inner link's word that nothing is ever corrupted (TEE_OFFLOAD_RX_TRUSTED) does not hold here and is
 * taken away.
 */
#include <stdlib.h>
#include <string.h>
#include "base/check.h"
#include "link/counter_table.h"
#include "link/gso.h"
#include "link/impair_way.h"
#include "link/wrap.h"
#include "pkt/frame.h"

enum { IMPAIR_BATCH = 16, IMPAIR_TX_POOL_BYTES = 512 << 20 };
#define IMPAIR_RETRY_NS (200 * TEE_NS_PER_US)

struct impair_link {
	struct link_wrap wrap;
	struct tee_impairment impairment;
	struct impair_way rx, tx;
	struct tee_pool *tx_pool;
	uint64_t retry_at_ns; /* the inner link had no room; TEE_NEVER when not */
	int tx_result;        /* what the inner send() failed with, told by the next send() */
	uint64_t tx_malformed, rx_malformed;
	uint8_t whole[TEE_FRAME_LEN_MAX]; /* a super-frame in one piece */
};

/* ---- outgoing ---- */

static void impair_put_tx(struct impair_link *self, struct tee_pkt *pkt,
			  const struct tee_frame *frame, uint64_t now_ns)
{
	struct impair_item item = {.pkt = pkt, .why = frame->why, .l3_off = frame->l3_off};

	impair_way_put(&self->tx, item, now_ns);
}

static void impair_split_tx(struct impair_link *self, const struct tee_frame *frame,
			    uint64_t now_ns)
{
	struct gso_split split;

	tee_frame_copy(frame, self->whole);
	if (gso_split_begin(&split, self->whole, frame->len, self->wrap.link.info.kind,
			    (enum tee_gso_type)frame->gso_type, frame->gso_size) < 0) {
		self->tx_malformed++;
		return;
	}
	for (;;) {
		struct tee_pkt *pkt = tee_pkt_new(self->tx_pool, split.segment_bytes_max);

		if (!pkt) {
			self->tx.counts.no_memory++;
			return;
		}
		pkt->len = gso_split_next(&split, tee_pkt_bytes(pkt));
		if (pkt->len == 0) {
			tee_pkt_release(pkt);
			return;
		}
		impair_put_tx(self, pkt, frame, now_ns);
	}
}

static void impair_take_frame(struct impair_link *self, const struct tee_frame *frame,
			      uint64_t now_ns)
{
	struct tee_pkt *pkt;

	if (frame->len > TEE_FRAME_LEN_MAX) {
		self->tx_malformed++;
		return;
	}
	if (frame->gso_size > 0) {
		impair_split_tx(self, frame, now_ns);
		return;
	}
	pkt = tee_pkt_new(self->tx_pool, frame->len);
	if (!pkt) {
		self->tx.counts.no_memory++;
		return;
	}
	pkt->len = (uint32_t)tee_frame_copy(frame, tee_pkt_bytes(pkt));
	if (frame->checksum_partial &&
	    gso_complete_checksum(tee_pkt_bytes(pkt), pkt->len, frame->csum_start,
				  frame->csum_offset) < 0) {
		self->tx_malformed++;
		tee_pkt_release(pkt);
		return;
	}
	impair_put_tx(self, pkt, frame, now_ns);
}

/* Sends what is due; returns whether there may be more. */
static bool impair_flush_batch(struct impair_link *self, uint64_t now_ns)
{
	struct impair_item items[IMPAIR_BATCH];
	struct tee_frame frames[IMPAIR_BATCH];
	unsigned n = 0;
	int sent;

	while (n < IMPAIR_BATCH && impair_way_take(&self->tx, now_ns, &items[n])) {
		frame_from_pkt(&frames[n], tee_pkt_ref(items[n].pkt));
		frames[n].why = items[n].why;
		frames[n].l3_off = items[n].l3_off;
		n++;
	}
	if (n == 0)
		return false;
	sent = link_wrap_send(&self->wrap.link, frames, n, now_ns);
	for (unsigned i = 0; i < n; i++) {
		tee_frame_release(&frames[i]);
		if ((int)i < sent || sent < 0)
			tee_pkt_release(items[i].pkt);
		else
			impair_way_untake(&self->tx, &items[i]);
	}
	if (sent < 0)
		self->tx_result = sent;
	else if (sent < (int)n)
		self->retry_at_ns = now_ns + IMPAIR_RETRY_NS;
	return sent == (int)n;
}

static void impair_flush(struct impair_link *self, uint64_t now_ns)
{
	if (self->retry_at_ns != TEE_NEVER && now_ns < self->retry_at_ns)
		return;
	self->retry_at_ns = TEE_NEVER;
	while (impair_flush_batch(self, now_ns))
		;
}

static int impair_send(struct tee_link *link, struct tee_frame *frames, unsigned n, uint64_t now_ns)
{
	struct impair_link *self = (struct impair_link *)link;
	int result;

	if (!self->impairment.tx) {
		impair_flush(self, now_ns);
		return link_wrap_send(link, frames, n, now_ns);
	}
	for (unsigned i = 0; i < n; i++)
		impair_take_frame(self, &frames[i], now_ns);
	impair_flush(self, now_ns);
	result = self->tx_result;
	self->tx_result = 0;
	return result < 0 ? result : (int)n;
}

/* ---- incoming ---- */

static void impair_split_rx(struct impair_link *self, struct tee_pool *pool,
			    const struct tee_pkt *whole, uint64_t now_ns)
{
	struct gso_split split;

	if (gso_split_begin(&split, tee_pkt_bytes(whole), whole->len, self->wrap.link.info.kind,
			    (enum tee_gso_type)whole->gso_type, whole->gso_size) < 0) {
		self->rx_malformed++;
		return;
	}
	for (;;) {
		struct tee_pkt *pkt = tee_pkt_new(pool, split.segment_bytes_max);

		if (!pkt) {
			self->rx.counts.no_memory++;
			return;
		}
		pkt->len = gso_split_next(&split, tee_pkt_bytes(pkt));
		if (pkt->len == 0) {
			tee_pkt_release(pkt);
			return;
		}
		/*
		 * The sums were made anew over good bytes: a super-frame comes from memory, or was
		 * merged from segments that had been verified (cards and GRO merge no others).
		 */
		pkt->checksum_state = TEE_CHECKSUM_VERIFIED;
		impair_way_put(&self->rx, (struct impair_item){.pkt = pkt}, now_ns);
	}
}

static void impair_take_pkt(struct impair_link *self, struct tee_pool *pool, struct tee_pkt *pkt,
			    uint64_t now_ns)
{
	if (pkt->gso_size == 0) {
		impair_way_put(&self->rx, (struct impair_item){.pkt = pkt}, now_ns);
		return;
	}
	impair_split_rx(self, pool, pkt, now_ns);
	tee_pkt_release(pkt);
}

static int impair_recv(struct tee_link *link, struct tee_pool *pool, struct tee_pkt **ret_pkts,
		       unsigned n, uint64_t now_ns)
{
	struct impair_link *self = (struct impair_link *)link;
	struct impair_item item;
	unsigned count = 0;
	int got;

	impair_flush(self, now_ns);
	got = link_wrap_recv(link, pool, ret_pkts, n, now_ns);
	if (!self->impairment.rx)
		return got;
	for (int i = 0; i < got; i++)
		impair_take_pkt(self, pool, ret_pkts[i], now_ns);
	while (count < n && impair_way_take(&self->rx, now_ns, &item)) {
		item.pkt->at_ns = now_ns;
		ret_pkts[count++] = item.pkt;
	}
	return got < 0 && count == 0 ? got : (int)count;
}

/* ---- waiting, telling ---- */

static void impair_poll_done(struct tee_link *link, const struct tee_link_poll *fds, unsigned n,
			     uint64_t now_ns)
{
	struct impair_link *self = (struct impair_link *)link;

	link_wrap_poll_done(link, fds, n, now_ns);
	impair_flush(self, now_ns);
}

static uint64_t impair_deadline(struct tee_link *link)
{
	struct impair_link *self = (struct impair_link *)link;
	uint64_t tx_ns = self->retry_at_ns != TEE_NEVER ? self->retry_at_ns
							: impair_way_next_ns(&self->tx);
	uint64_t rx_ns = impair_way_next_ns(&self->rx);
	uint64_t inner_ns = link_wrap_deadline(link);

	if (self->tx_result < 0)
		return 0;
	return MIN(inner_ns, MIN(tx_ns, rx_ns));
}

static bool impair_counter(struct tee_link *link, unsigned idx, const char **ret_name,
			   uint64_t *ret_value)
{
	struct impair_link *self = (struct impair_link *)link;
	const struct impair_counts *rx = &self->rx.counts, *tx = &self->tx.counts;
	const struct link_counter counters[] = {
		{"impair.rx_passed", rx->passed},
		{"impair.rx_lost", rx->lost},
		{"impair.rx_burst_lost", rx->burst_lost},
		{"impair.rx_duplicated", rx->duplicated},
		{"impair.rx_corrupted", rx->corrupted},
		{"impair.rx_corrupt_dropped", rx->corrupt_dropped},
		{"impair.rx_reordered", rx->reordered},
		{"impair.rx_queue_dropped", rx->queue_dropped},
		{"impair.rx_no_memory", rx->no_memory},
		{"impair.rx_malformed", self->rx_malformed},
		{"impair.tx_passed", tx->passed},
		{"impair.tx_lost", tx->lost},
		{"impair.tx_burst_lost", tx->burst_lost},
		{"impair.tx_duplicated", tx->duplicated},
		{"impair.tx_corrupted", tx->corrupted},
		{"impair.tx_corrupt_dropped", tx->corrupt_dropped},
		{"impair.tx_reordered", tx->reordered},
		{"impair.tx_queue_dropped", tx->queue_dropped},
		{"impair.tx_no_memory", tx->no_memory},
		{"impair.tx_malformed", self->tx_malformed},
	};

	return link_counter_tell(counters, ARRAY_LEN(counters), self->wrap.inner, idx, ret_name,
				 ret_value);
}

static void impair_close(struct tee_link *link)
{
	struct impair_link *self = (struct impair_link *)link;

	impair_way_fini(&self->rx);
	impair_way_fini(&self->tx);
	tee_link_close(self->wrap.inner);
	tee_pool_free(self->tx_pool);
	free(self);
}

static const struct tee_link_ops impair_ops = {
	.recv = impair_recv,
	.send = impair_send,
	.poll_done = impair_poll_done,
	.deadline = impair_deadline,
	.counter = impair_counter,
	.close = impair_close,
};

static bool is_probability(double p)
{
	return p >= 0 && p <= 1; /* false for NaN */
}

int tee_link_impair(struct tee_link *inner, const struct tee_impairment *impairment,
		    struct tee_link **ret_link)
{
	struct impair_link *self;

	if (!is_probability(impairment->loss) || !is_probability(impairment->burst_enter) ||
	    !is_probability(impairment->burst_leave) || !is_probability(impairment->burst_loss) ||
	    !is_probability(impairment->reorder) || !is_probability(impairment->duplicate) ||
	    !is_probability(impairment->corrupt))
		return -TEE_EINVAL;
	self = calloc(1, sizeof(*self));
	if (!self)
		return -TEE_ENOMEM;
	self->tx_pool = tee_pool_new(IMPAIR_TX_POOL_BYTES);
	if (!self->tx_pool) {
		free(self);
		return -TEE_ENOMEM;
	}
	link_wrap_init(&self->wrap, inner, &impair_ops);
	self->wrap.link.info.offloads &= ~(unsigned)TEE_OFFLOAD_RX_TRUSTED;
	self->retry_at_ns = TEE_NEVER;
	self->impairment = *impairment;
	if (!impairment->rx && !impairment->tx)
		self->impairment.rx = self->impairment.tx = true;
	impair_way_init(&self->rx, &self->impairment, inner->info.kind, impairment->seed);
	/* Any other number would do, as long as the two directions differ. */
	impair_way_init(&self->tx, &self->impairment, inner->info.kind,
			impairment->seed ^ UINT64_C(0x7478));
	*ret_link = &self->wrap.link;
	return 0;
}
