/* SPDX-License-Identifier: MIT */
/*
 * BBR against a bottleneck in virtual time: one queue of a given rate and length, a fixed delay, random
 * loss. A small sender paces by cc->pacing_rate and keeps to cc->cwnd_bytes; RACK's window is left
 * out, a packet that was dropped is known lost a round trip later.
 */
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

static struct world *world_new(const struct path *path)
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
static void allow_percent(struct world *w, unsigned percent)
{
	((struct bbr *)cc_state(&w->cc))->random_loss_percent = (uint8_t)percent;
}

static void world_free(struct world *w)
{
	sendmap_fini(&w->map);
	cc_fini(&w->cc);
	free(w);
}

static void reset_measures(struct world *w)
{
	w->delivered_bytes = w->lost_bytes = w->queue_max_ns = 0;
	w->since_ns = w->now_ns;
	w->phases = 0;
	w->pipe_min_bytes = UINT64_MAX;
}

/* Percent of the path's rate. */
static unsigned utilisation(const struct world *w)
{
	double capacity = (double)w->path.rate_bytes_per_s * (double)(w->now_ns - w->since_ns) /
			  1e9;

	return (unsigned)((double)w->delivered_bytes * 100 / capacity);
}

/* Through the queue, or not. */
static void transmit(struct world *w, const struct send_record *record)
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

static void send_one(struct world *w)
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

static struct cc_round round_of(const struct world *w)
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

static void deliver(struct world *w, const struct send_record *record, struct ack_info *info)
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

static void tell_lost(struct world *w, const struct send_record *record)
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
static void receive_one(struct world *w)
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

static void run(struct world *w, uint64_t for_ns)
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

static const struct bbr *bbr_of(struct world *w)
{
	return cc_state(&w->cc);
}

static void run_until(struct world *w, enum bbr_phase phase)
{
	for (unsigned i = 0; i < 20000 && bbr_of(w)->phase != phase; i++)
		run(w, MS(1));
	assert_int_equal(bbr_of(w)->phase, phase);
}

static void test_finds_rate_and_round_trip(void **state)
{
	/* A deep queue, one of a BDP, a shallow one; slow and fast. */
	static const struct {
		struct path path;
		unsigned utilisation_min;
		unsigned queue_max_ms; /* after Startup */
	} cases[] = {
		{{1250000, MS(40), 1000000, 0}, 95, 45},  {{1250000, MS(40), 50000, 0}, 95, 41},
		{{12500000, MS(10), 2000000, 0}, 95, 15}, {{12500000, MS(100), 125000, 0}, 90, 11},
		{{125000, MS(200), 100000, 0}, 85, 220},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct world *w = world_new(&cases[i].path);
		uint64_t bw;

		run(w, MS(5000));
		assert_true(bbr_of(w)->full_bw_reached);
		reset_measures(w);
		run(w, MS(15000));
		bw = bbr_max_bw(bbr_of(w));
		assert_in_range(bw, w->path.rate_bytes_per_s * 95 / 100,
				w->path.rate_bytes_per_s * 106 / 100);
		assert_in_range(bbr_of(w)->min_rtt_ns, w->path.rtt_ns,
				w->path.rtt_ns + w->path.rtt_ns / 10 + MS(13));
		assert_in_range(utilisation(w), cases[i].utilisation_min, 101);
		assert_in_range(w->queue_max_ns, 0, MS(cases[i].queue_max_ms));
		world_free(w);
	}
}

/* All phases come round; when the round trip grew, ProbeRTT within five seconds or so, and it does empty the pipe. */
static void test_phases(void **state)
{
	static const struct path path = {1250000, MS(40), 1000000, 0};
	static const unsigned cycle = 1u << BBR_PROBE_DOWN | 1u << BBR_PROBE_CRUISE |
				      1u << BBR_PROBE_REFILL | 1u << BBR_PROBE_UP;
	struct world *w = world_new(&path);

	(void)state;
	run(w, MS(1000));
	assert_true(w->phases & 1u << BBR_STARTUP);
	assert_true(w->phases & 1u << BBR_DRAIN);
	reset_measures(w);
	/* Cruise sees the shortest round trip again and again: there is nothing to probe for. */
	run(w, MS(11000));
	assert_int_equal(w->phases, cycle);
	assert_in_range(bbr_of(w)->min_rtt_ns, MS(40), MS(42));
	w->path.rtt_ns = MS(60);
	reset_measures(w);
	run(w, MS(11000));
	assert_int_equal(w->phases, cycle | 1u << BBR_PROBE_RTT);
	assert_in_range(w->pipe_min_bytes, MSS, 45000);
	assert_in_range(bbr_of(w)->min_rtt_ns, MS(60), MS(62));
	world_free(w);
}

/* What is lost without a queue isn't congestion: that is what BBR is for. */
static void test_random_loss(void **state)
{
	static const struct {
		unsigned loss_per_mille, percent; /* lost, and what may be */
		unsigned utilisation_min, utilisation_max;
	} cases[] = {
		{1, 10, 94, 101},
		{10, 10, 96, 101},
		{30, 10, 96, 101},
		{50, 10, 95, 101},
		/* The draft's rule: more than 2% holds the flight down. */
		{1, 0, 94, 101},
		{30, 0, 20, 80},
		/* What is above the ceiling is held down as well. */
		{300, 10, 1, 60},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct path path = {1250000, MS(40), 200000, cases[i].loss_per_mille};
		struct world *w = world_new(&path);

		allow_percent(w, cases[i].percent);
		run(w, MS(3000));
		reset_measures(w);
		run(w, MS(20000));
		assert_in_range(utilisation(w), cases[i].utilisation_min, cases[i].utilisation_max);
		world_free(w);
	}
}

/* Nothing but the window limits, so no queue ever shows: what is lost doesn't depend on what we send. */
static void test_no_rate(void **state)
{
	static const struct {
		uint64_t rtt_ns;
		unsigned window_segs, loss_per_mille, percent;
		unsigned share_min, share_max; /* percent of a window each round trip */
	} cases[] = {
		{MS(1), 100, 30, 10, 85, 100},   {MS(20), 300, 30, 10, 85, 100},
		{MS(100), 300, 30, 10, 75, 100}, {MS(20), 300, 10, 10, 90, 100},
		{MS(20), 300, 30, 0, 1, 60},     {MS(20), 300, 80, 10, 1, 60},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct path path = {1250000000, cases[i].rtt_ns, 10000000, cases[i].loss_per_mille};
		struct world *w = world_new(&path);
		uint64_t most;

		w->window_bytes = cases[i].window_segs * MSS;
		allow_percent(w, cases[i].percent);
		run(w, 50 * cases[i].rtt_ns);
		reset_measures(w);
		run(w, 200 * cases[i].rtt_ns);
		assert_false(bbr_of(w)->sees_queues);
		most = 200 * w->window_bytes;
		assert_in_range(w->delivered_bytes * 100 / most, cases[i].share_min,
				cases[i].share_max);
		world_free(w);
	}
}

/* A queue that is too short to be seen: losses can't be told from its, and the draft's rule holds. */
static void test_shallow_queue(void **state)
{
	static const struct {
		unsigned queue_bytes;
		bool is_seen;
		unsigned lost_per_mille_max;
	} cases[] = {{15000, false, 15}, {60000, true, 15}, {500000, true, 5}};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		for (unsigned percent = 0; percent <= 10; percent += 10) {
			struct path path = {12500000, MS(40), cases[i].queue_bytes, 0};
			struct world *w = world_new(&path);

			allow_percent(w, percent);
			run(w, MS(5000));
			assert_true(bbr_of(w)->sees_queues == cases[i].is_seen);
			reset_measures(w);
			run(w, MS(15000));
			assert_in_range(utilisation(w), 80, 101);
			assert_in_range(w->lost_bytes * 1000 / w->delivered_bytes, 0,
					cases[i].lost_per_mille_max);
			world_free(w);
		}
	}
}

/* Cruise with losses that others make: a queue stands, and the bounds fall. Without one they don't. */
static void test_losses_between_probes(void **state)
{
	static const struct {
		uint64_t queue_ns; /* that others hold */
		unsigned percent;  /* configured */
		unsigned lost;     /* packets in one round */
		bool is_congestion;
	} cases[] = {
		{0, 10, 2, false},     {0, 10, 20, true},    {0, 0, 1, true},
		{MS(15), 10, 1, true}, {MS(2), 10, 1, true},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		static const struct path path = {1250000, MS(40), 400000, 0};
		struct world *w = world_new(&path);
		struct cc_round round;

		run_until(w, BBR_PROBE_CRUISE);
		allow_percent(w, cases[i].percent);
		w->path.rtt_ns += cases[i].queue_ns;
		run(w, MS(150));
		assert_int_equal(bbr_of(w)->phase, BBR_PROBE_CRUISE);
		assert_int_equal(bbr_of(w)->bw_shortterm, BBR_INFINITE);
		round = round_of(w);
		for (unsigned lost = 1; lost <= cases[i].lost; lost++)
			cc_on_lost(&w->cc,
				   &(struct cc_lost){.bytes = MSS, .since_sent_bytes = lost * MSS},
				   &round);
		run(w, MS(60));
		assert_int_equal(bbr_of(w)->phase, BBR_PROBE_CRUISE);
		assert_true((bbr_of(w)->bw_shortterm != BBR_INFINITE) == cases[i].is_congestion);
		world_free(w);
	}
}

/* What arrives in Down is what we sent, slower than the path is: with losses it bounds the flight, not the rate. */
static void test_losses_while_held_back(void **state)
{
	static const struct {
		enum bbr_phase phase;
		uint64_t after_ns;       /* the phase began packets are lost */
		uint64_t path_slower_ns; /* before that the path became slower; 0: it didn't */
		bool is_rate_cut;
	} cases[] = {
		{BBR_PROBE_DOWN, MS(80), 0, false},
		{BBR_PROBE_CRUISE, 0, 0, false}, /* what was sent in Down is still arriving */
		{BBR_PROBE_CRUISE, MS(250), MS(200), true},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		static const struct path path = {1250000, MS(40), 400000, 0};
		struct world *w = world_new(&path);
		struct cc_round round;

		run_until(w, BBR_PROBE_UP);
		run_until(w, cases[i].phase);
		run(w, cases[i].after_ns - cases[i].path_slower_ns);
		if (cases[i].path_slower_ns)
			w->path.rate_bytes_per_s = 800000;
		run(w, cases[i].path_slower_ns);
		assert_int_equal(bbr_of(w)->phase, cases[i].phase);
		round = round_of(w);
		for (unsigned lost = 1; lost <= 3; lost++)
			cc_on_lost(&w->cc,
				   &(struct cc_lost){.bytes = MSS, .since_sent_bytes = lost * MSS},
				   &round);
		for (unsigned ms = 0; ms < 300 && bbr_of(w)->loss_in_round; ms++)
			run(w, MS(1));
		assert_true(bbr_of(w)->inflight_shortterm != BBR_INFINITE);
		assert_true((bbr_of(w)->bw_shortterm < bbr_max_bw(bbr_of(w))) ==
			    cases[i].is_rate_cut);
		cc_check(&w->cc);
		world_free(w);
	}
}

/* An ECN mark is congestion, whatever the queue. */
static void test_mark_is_certain(void **state)
{
	static const struct path path = {1250000, MS(40), 400000, 0};
	struct world *w = world_new(&path);
	struct cc_round round;

	(void)state;
	run_until(w, BBR_PROBE_CRUISE);
	round = round_of(w);
	cc_on_lost(&w->cc, &(struct cc_lost){.bytes = MSS, .since_sent_bytes = MSS}, &round);
	cc_on_congestion(&w->cc, CC_ECN, &round);
	run(w, MS(60));
	assert_true(bbr_of(w)->bw_shortterm != BBR_INFINITE);
	world_free(w);
}

/* What is learnt of a path is its share of losses, and follows it. */
static void test_noise(void **state)
{
	static const struct path path = {12500000, MS(40), 500000, 30};
	struct world *w = world_new(&path);
	const struct bbr *bbr = bbr_of(w);

	(void)state;
	run(w, MS(6000));
	assert_true(bbr->sees_queues);
	assert_in_range(bbr->calm_lost_bytes * 1000 / bbr->calm_bytes, 24, 36);
	/* In Up a queue stands. */
	run_until(w, BBR_PROBE_UP);
	run(w, MS(100));
	assert_int_equal(bbr->phase, BBR_PROBE_UP);
	assert_int_equal(bbr_to_send(&w->cc, bbr, 1000 * MSS), 1000 * MSS);
	/* 2% more than that, and the spread of chance. */
	assert_in_range(bbr_loss_allowed(&w->cc, bbr, 300 * MSS), 17 * MSS, 23 * MSS);
	/* And what it takes is sent besides. */
	run_until(w, BBR_PROBE_CRUISE);
	run(w, MS(200));
	assert_in_range(bbr_to_send(&w->cc, bbr, 1000 * MSS), 1024 * MSS, 1038 * MSS);
	allow_percent(w, 0);
	assert_int_equal(bbr_loss_allowed(&w->cc, bbr, 300 * MSS), 6 * MSS);
	assert_int_equal(bbr_to_send(&w->cc, bbr, 1000 * MSS), 1000 * MSS);
	allow_percent(w, 10);
	/* Shorter than was thought: a queue stood in what seemed calm. */
	run_until(w, BBR_PROBE_CRUISE);
	w->path.loss_per_mille = 0;
	w->path.rtt_ns = MS(30);
	for (unsigned i = 0; i < 1000 && bbr->min_rtt_ns > MS(35); i++)
		run(w, MS(1));
	assert_in_range(bbr->calm_bytes, 0, 400 * MSS);
	/* And this is a sound path. */
	run(w, MS(6000));
	assert_in_range(bbr->min_rtt_ns, MS(30), MS(32));
	assert_true(bbr->sees_queues);
	assert_in_range(bbr->calm_lost_bytes * 1000 / bbr->calm_bytes, 0, 3);
	world_free(w);
}

/* A third of the rate: the model follows within a few cycles; back up again: within a few probes. */
static void test_rate_changes(void **state)
{
	static const struct path path = {1250000, MS(40), 400000, 0};
	struct world *w = world_new(&path);

	(void)state;
	run(w, MS(5000));
	w->path.rate_bytes_per_s = 400000;
	run(w, MS(10000));
	assert_in_range(bbr_max_bw(bbr_of(w)), 380000, 440000);
	reset_measures(w);
	run(w, MS(5000));
	assert_in_range(utilisation(w), 85, 101);
	w->path.rate_bytes_per_s = 1250000;
	run(w, MS(20000));
	assert_in_range(bbr_max_bw(bbr_of(w)), 1200000, 1320000);
	world_free(w);
}

static void test_idle_restart(void **state)
{
	static const struct path path = {1250000, MS(40), 400000, 0};
	struct world *w = world_new(&path);
	struct cc_round round;

	(void)state;
	run(w, MS(4000));
	w->is_app_limited = true;
	run(w, MS(3000));
	assert_int_equal(w->count, 0);
	w->is_app_limited = false;
	round = round_of(w);
	cc_on_idle(&w->cc, MS(3000), MS(300), &round);
	/* At the path's rate at once: neither a burst nor a slow start. */
	assert_in_range(w->cc.pacing_rate, 1200000, 1320000);
	reset_measures(w);
	run(w, MS(1000));
	assert_in_range(utilisation(w), 85, 101);
	assert_in_range(w->queue_max_ns, 0, MS(45));
	world_free(w);
}

/* A timeout costs the window, not the model; undo gives the window back. */
static void test_timeout(void **state)
{
	static const struct path path = {1250000, MS(40), 400000, 0};
	struct world *w = world_new(&path);
	struct cc_round round;
	uint64_t cwnd;

	(void)state;
	run(w, MS(4000));
	cwnd = w->cc.cwnd_bytes;
	round = round_of(w);
	cc_on_rto(&w->cc, true, &round);
	assert_int_equal(w->cc.cwnd_bytes, MSS);
	cc_on_undo(&w->cc, &round);
	assert_int_equal(w->cc.cwnd_bytes, cwnd);
	cc_on_rto(&w->cc, true, &round);
	run(w, MS(1000));
	assert_in_range(w->cc.cwnd_bytes, cwnd / 2, cwnd * 2);
	world_free(w);
}

/* A lost packet is judged by the flight in which it was, not by what the ACK that tells of it delivered. */
static void test_probe_meets_loss(void **state)
{
	static const struct path path = {1250000, MS(40), 400000, 0};
	static const struct {
		uint64_t flight_bytes, lost_before_bytes, bytes;
		uint64_t bound_bytes; /* 0: the probe goes on */
	} cases[] = {
		{100 * MSS, 0, MSS, 0},
		{100 * MSS, MSS, MSS, 0}, /* two of a hundred are allowed */
		{100 * MSS, 2 * MSS, MSS, 99 * MSS},
		/* One record of many segments: the bound lies within it. (1960 - 1000) * 50 / 49 more. */
		{100 * 1000, 1000, 2000, 98000 + 979},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct world *w = world_new(&path);
		struct cc_lost lost = {
			.bytes = cases[i].bytes,
			.tx_in_flight_bytes = cases[i].flight_bytes,
			.since_sent_bytes = cases[i].lost_before_bytes + cases[i].bytes,
		};
		struct cc_round round;

		run_until(w, BBR_PROBE_UP);
		round = round_of(w);
		cc_on_lost(&w->cc, &lost, &round);
		cc_on_congestion(&w->cc, CC_LOSS, &round);
		if (!cases[i].bound_bytes) {
			assert_int_equal(bbr_of(w)->phase, BBR_PROBE_UP);
			assert_int_equal(bbr_of(w)->inflight_longterm, BBR_INFINITE);
		} else {
			assert_int_equal(bbr_of(w)->phase, BBR_PROBE_DOWN);
			assert_int_equal(bbr_of(w)->inflight_longterm, cases[i].bound_bytes);
			/* It had not been lost: the probe goes on where it was cut short. */
			cc_on_undo(&w->cc, &round);
			assert_int_equal(bbr_of(w)->phase, BBR_PROBE_UP);
			assert_int_equal(bbr_of(w)->inflight_longterm, BBR_INFINITE);
		}
		cc_check(&w->cc);
		world_free(w);
	}
}

/* Startup that ended for losses which were none begins again. */
static void test_undo_returns_to_startup(void **state)
{
	static const struct path path = {1250000, MS(40), 400000, 0};
	struct world *w = world_new(&path);
	struct cc_round round;

	(void)state;
	run(w, MS(100));
	assert_int_equal(bbr_of(w)->phase, BBR_STARTUP);
	round = round_of(w);
	cc_on_lost(&w->cc, &(struct cc_lost){.bytes = MSS, .since_sent_bytes = MSS}, &round);
	cc_on_congestion(&w->cc, CC_LOSS, &round);
	run_until(w, BBR_DRAIN);
	cc_on_undo(&w->cc, &round);
	assert_int_equal(bbr_of(w)->phase, BBR_STARTUP);
	assert_false(bbr_of(w)->full_bw_reached);
	cc_check(&w->cc);
	world_free(w);
}

/* A loss's round begins with it: what the path delivers for one round trip from then on counts. */
static void test_round_of_a_loss(void **state)
{
	static const struct path path = {1250000, MS(40), 400000, 0};
	struct world *w = world_new(&path);
	struct cc_round round;

	(void)state;
	allow_percent(w, 0);
	run_until(w, BBR_PROBE_CRUISE);
	run(w, MS(100));
	round = round_of(w);
	cc_on_lost(&w->cc, &(struct cc_lost){.bytes = MSS, .since_sent_bytes = MSS}, &round);
	run(w, MS(35));
	assert_int_equal(bbr_of(w)->bw_shortterm, BBR_INFINITE);
	run(w, MS(15));
	/* One packet of forty: the rate is what was delivered, not seven tenths. */
	assert_in_range(bbr_of(w)->bw_shortterm, 1200000, 1260000);
	world_free(w);
}

/* A packet that overtook others is SACKed early: that isn't the path's round trip. */
static void test_overtaking(void **state)
{
	static const struct path path = {1250000, MS(40), 400000, 0};
	struct world *w = world_new(&path);
	struct ack_info info = {.rtt_ns = MS(5), .delivered_bytes = MSS};
	struct cc_round round;
	uint64_t min_rtt_ns;

	(void)state;
	run(w, MS(3000));
	min_rtt_ns = bbr_of(w)->min_rtt_ns;
	round = round_of(w);
	info.now_ns = w->now_ns;
	cc_on_ack(&w->cc, &info, &round);
	assert_int_equal(bbr_of(w)->min_rtt_ns, min_rtt_ns);
	/* An echoed timestamp counts milliseconds: that tells no queue. */
	assert_true(bbr_of(w)->rtt_before_ns != MS(5));
	info.last_acked_sent_at_ns = w->now_ns - MS(5);
	cc_on_ack(&w->cc, &info, &round);
	assert_int_equal(bbr_of(w)->min_rtt_ns, MS(5));
	assert_int_equal(bbr_of(w)->rtt_before_ns, MS(5));
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_finds_rate_and_round_trip),
		cmocka_unit_test(test_phases),
		cmocka_unit_test(test_random_loss),
		cmocka_unit_test(test_no_rate),
		cmocka_unit_test(test_shallow_queue),
		cmocka_unit_test(test_losses_between_probes),
		cmocka_unit_test(test_losses_while_held_back),
		cmocka_unit_test(test_mark_is_certain),
		cmocka_unit_test(test_noise),
		cmocka_unit_test(test_rate_changes),
		cmocka_unit_test(test_idle_restart),
		cmocka_unit_test(test_timeout),
		cmocka_unit_test(test_probe_meets_loss),
		cmocka_unit_test(test_undo_returns_to_startup),
		cmocka_unit_test(test_round_of_a_loss),
		cmocka_unit_test(test_overtaking),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
