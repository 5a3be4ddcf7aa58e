/* SPDX-License-Identifier: MIT */
/*
 * BBR against a bottleneck in virtual time: one queue of a given rate and length, a fixed delay, random
 * loss. A small sender paces by cc->pacing_rate and keeps to cc->cwnd_bytes; RACK's window is left
 * out, a packet that was dropped is known lost a round trip later.
 */
#ifndef TEST_BBR_KIT_H
#define TEST_BBR_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "base/check.h"
#include "base/random.h"
#include "tcp/cc/bbr.h"
#include "tcp/cc/pacer.h"
#include "tcp/loss/rate.h"
#include "tcp/loss/sendmap.h"

enum { MSS = 1448, PACKETS_MAX = 1 << 14 };
#define MS(n) ((uint64_t)(n)*1000000u)
#define START (UINT64_C(0xffffffff) - 10 * MSS)

struct packet {
	uint64_t start, arrives_ns; /* when its ACK, or the news of its loss, is back */
	bool is_lost;
};

struct path {
	uint64_t rate_bytes_per_s, rtt_ns, queue_bytes;
	unsigned loss_per_mille;
};

struct world {
	struct path path;
	struct cc cc;
	struct pacer pacer;
	struct rate rate;
	struct sendmap map;
	struct random random;
	uint64_t now_ns, busy_until_ns, min_rtt_ns, srtt_ns;
	uint64_t recover, next_send_ns;
	bool in_recovery, is_app_limited;
	uint64_t window_bytes; /* the receiver's */
	struct packet packets[PACKETS_MAX];
	unsigned head, count;
	/* measured since the last reset */
	uint64_t delivered_bytes, lost_bytes, queue_max_ns, since_ns, pipe_min_bytes;
	unsigned phases; /* bits */
};

static inline struct world *world_new(const struct path *path)
{
	struct world *w = calloc(1, sizeof(*w));
	struct tee_config config;

	assert_non_null(w);
	w->path = *path;
	w->now_ns = w->since_ns = MS(1000);
	random_init(&w->random, 42);
	tee_config_init(&config);
	assert_int_equal(cc_init(&w->cc, &cc_bbr, MSS, 10, &config, w->now_ns), 0);
	w->window_bytes = UINT64_MAX;
	pacer_init(&w->pacer);
	rate_init(&w->rate, w->now_ns);
	sendmap_init(&w->map, START);
	return w;
}

/* How much of a round trip's losses may be the path's own. */
static inline void allow_percent(struct world *w, unsigned percent)
{
	((struct bbr *)cc_state(&w->cc))->random_loss_percent = (uint8_t)percent;
}

static inline void world_free(struct world *w)
{
	sendmap_fini(&w->map);
	cc_fini(&w->cc);
	free(w);
}

static inline void reset_measures(struct world *w)
{
	w->delivered_bytes = w->lost_bytes = w->queue_max_ns = 0;
	w->since_ns = w->now_ns;
	w->phases = 0;
	w->pipe_min_bytes = UINT64_MAX;
}

/* Percent of the path's rate. */
static inline unsigned utilisation(const struct world *w)
{
	double capacity = (double)w->path.rate_bytes_per_s * (double)(w->now_ns - w->since_ns) /
			  1e9;

	return (unsigned)((double)w->delivered_bytes * 100 / capacity);
}

/* Through the queue, or not. */
static inline void transmit(struct world *w, const struct send_record *record)
{
	uint64_t len = record->end - record->start;
	uint64_t start_ns = MAX(w->now_ns, w->busy_until_ns), waits_ns = start_ns - w->now_ns;
	struct packet *packet = &w->packets[(w->head + w->count++) % PACKETS_MAX];

	assert_true(w->count <= PACKETS_MAX);
	*packet = (struct packet){.start = record->start};
	packet->is_lost = random_below(&w->random, 1000) < w->path.loss_per_mille ||
			  waits_ns * w->path.rate_bytes_per_s / 1000000000u > w->path.queue_bytes;
	if (!packet->is_lost) {
		w->busy_until_ns = start_ns + len * 1000000000u / w->path.rate_bytes_per_s;
		w->queue_max_ns = MAX(w->queue_max_ns, waits_ns);
	}
	packet->arrives_ns = MAX(w->busy_until_ns, w->now_ns) + w->path.rtt_ns;
}

static inline void send_one(struct world *w)
{
	uint64_t pipe = sendmap_pipe_bytes(&w->map);
	struct send_record *record = sendmap_next_lost(&w->map);

	record = record ? sendmap_resent(&w->map, record, record->end - record->start, w->now_ns)
			: sendmap_sent(&w->map, w->map.nxt + MSS, MSS, 0, w->now_ns);
	assert_non_null(record);
	rate_on_sent(&w->rate, record, pipe, w->now_ns);
	transmit(w, record);
	pacer_on_sent(&w->pacer, MSS, w->now_ns);
}

static inline struct cc_round round_of(const struct world *w)
{
	return (struct cc_round){
		.now_ns = w->now_ns,
		.srtt_ns = w->srtt_ns,
		.min_rtt_ns = w->min_rtt_ns,
		.pipe_bytes = sendmap_pipe_bytes(&w->map),
		.una = w->map.una,
		.nxt = w->map.nxt,
		.delivered_total_bytes = w->rate.delivered_bytes,
		.is_cwnd_limited = !w->is_app_limited,
		.in_recovery = w->in_recovery,
	};
}

static inline void deliver(struct world *w, const struct send_record *record, struct ack_info *info)
{
	uint64_t end = record->end;

	info->rtt_ns = record->flags & SENT_EVER_RETRANS ? 0 : w->now_ns - record->sent_at_ns;
	if (record->start > w->map.una)
		assert_int_equal(sendmap_sack(&w->map, record->start, end, info), 0);
	else
		sendmap_ack(&w->map, end, info);
	while (sendmap_first(&w->map) && sendmap_first(&w->map)->flags & SENT_SACKED)
		sendmap_ack(&w->map, sendmap_first(&w->map)->end, info);
}

static inline void tell_lost(struct world *w, const struct send_record *record)
{
	struct cc_round round = round_of(w);
	struct cc_lost lost = {
		.bytes = record->end - record->start,
		.tx_in_flight_bytes = record->in_flight_bytes,
		.since_sent_bytes = w->rate.lost_bytes - record->lost_total_bytes,
		.is_app_limited = (record->flags & SENT_APP_LIMITED) != 0,
	};

	cc_on_lost(&w->cc, &lost, &round);
}

/* The news of one packet comes back. */
static inline void receive_one(struct world *w)
{
	struct packet packet = w->packets[w->head];
	struct send_record *record = sendmap_find(&w->map, packet.start);
	struct ack_info info = {.now_ns = w->now_ns, .reordered_from = UINT64_MAX};
	struct cc_round round;

	w->head = (w->head + 1) % PACKETS_MAX;
	w->count--;
	if (packet.is_lost) {
		info.lost_bytes = record->end - record->start;
		w->rate.lost_bytes += info.lost_bytes;
		w->lost_bytes += info.lost_bytes;
		tell_lost(w, record);
		sendmap_mark_lost(&w->map, record);
	} else {
		deliver(w, record, &info);
	}
	if (info.rtt_ns) {
		w->srtt_ns = w->srtt_ns ? (w->srtt_ns * 7 + info.rtt_ns) / 8 : info.rtt_ns;
		w->min_rtt_ns = w->min_rtt_ns ? MIN(w->min_rtt_ns, info.rtt_ns) : info.rtt_ns;
	}
	rate_on_ack(&w->rate, &info, w->min_rtt_ns);
	w->delivered_bytes += info.delivered_bytes;
	round = round_of(w);
	if (packet.is_lost && !w->in_recovery) {
		w->in_recovery = true;
		w->recover = w->map.nxt;
		cc_on_congestion(&w->cc, CC_LOSS, &round);
	} else if (w->in_recovery && w->map.una >= w->recover) {
		w->in_recovery = false;
		cc_on_recovery_exit(&w->cc, &round);
	}
	cc_on_ack(&w->cc, &info, &round);
	cc_check(&w->cc);
	pacer_update(&w->pacer, w->cc.pacing_rate, w->cc.cwnd_bytes, w->srtt_ns, 0);
	w->phases |= 1u << ((struct bbr *)cc_state(&w->cc))->phase;
	w->pipe_min_bytes = MIN(w->pipe_min_bytes, sendmap_pipe_bytes(&w->map));
}

static inline void run(struct world *w, uint64_t for_ns)
{
	uint64_t end_ns = w->now_ns + for_ns;

	while (w->now_ns < end_ns) {
		bool may_send = !w->is_app_limited &&
				sendmap_pipe_bytes(&w->map) + MSS <=
					MIN(w->cc.cwnd_bytes, w->window_bytes);
		uint64_t next_ns = w->count ? w->packets[w->head].arrives_ns : end_ns;

		if (may_send)
			next_ns = MIN(next_ns, MAX(pacer_next_ns(&w->pacer), w->now_ns));
		w->now_ns = MIN(MAX(next_ns, w->now_ns), end_ns);
		if (w->count && w->packets[w->head].arrives_ns <= w->now_ns)
			receive_one(w);
		else if (may_send && pacer_next_ns(&w->pacer) <= w->now_ns)
			send_one(w);
	}
}

static inline const struct bbr *bbr_of(struct world *w)
{
	return cc_state(&w->cc);
}

static inline void run_until(struct world *w, enum bbr_phase phase)
{
	for (unsigned i = 0; i < 20000 && bbr_of(w)->phase != phase; i++)
		run(w, MS(1));
	assert_int_equal(bbr_of(w)->phase, phase);
}

#endif
