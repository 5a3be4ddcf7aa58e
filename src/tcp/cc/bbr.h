/* SPDX-License-Identifier: MIT */
/*
 * BBR's state, shared by its three files: bbr_model.c (what the path is like: bandwidth, round trip, bounds of
 * the flight), bbr_loss.c (what a loss means) and bbr.c (what to do about it: phases, pacing rate, window).
 */
#ifndef TEE_TCP_CC_BBR_H
#define TEE_TCP_CC_BBR_H

#include "tcp/cc/cc.h"

#define BBR_INFINITE UINT64_MAX
enum {
	BBR_UNIT = 256, /* gains are in 1/256 */
	/* So many round trips in a row must have been short for the path to be. */
	BBR_RTTS_IN_A_ROW = 4,
};

enum bbr_phase {
	BBR_STARTUP,
	BBR_DRAIN,
	BBR_PROBE_DOWN,
	BBR_PROBE_CRUISE,
	BBR_PROBE_REFILL,
	BBR_PROBE_UP,
	BBR_PROBE_RTT,
};

/* Which part of a bandwidth probe the ACKs that arrive now belong to. */
enum bbr_ack_phase {
	BBR_ACKS_INIT,
	BBR_ACKS_REFILLING,
	BBR_ACKS_PROBE_STARTING,
	BBR_ACKS_PROBE_FEEDBACK,
	BBR_ACKS_PROBE_STOPPING,
};

/* A time in which we held back, by what was sent in it: from then on, until so much had been delivered. */
struct bbr_span {
	uint64_t from_ns, until_delivered;
};

struct bbr {
	uint8_t phase;     /* enum bbr_phase */
	uint8_t ack_phase; /* enum bbr_ack_phase */
	uint16_t pacing_gain, cwnd_gain;

	/* rounds, in packet-timed round trips */
	uint64_t delivered; /* C.delivered */
	uint64_t next_round_delivered, loss_round_delivered;
	bool round_start, loss_round_start;

	/* the path */
	uint64_t bw;        /* in use: min(max_bw, bw_shortterm), bytes a second */
	uint64_t max_bw[2]; /* of the last probing cycle and of the present one */
	uint64_t min_rtt_ns, min_rtt_at_ns;
	uint64_t rtt_ns;                           /* the last sample */
	uint64_t recent_rtt_ns[BBR_RTTS_IN_A_ROW]; /* in turn; 0: none yet */
	uint32_t recent_rtt_idx;
	uint64_t first_rtt_most_ns; /* by so much the others of the first flight may be longer */
	bool is_first_rtt_doubted;
	uint8_t rtts_as_short; /* so many in a row were about as short as the minimum */
	uint64_t probe_rtt_min_ns, probe_rtt_min_at_ns;
	bool probe_rtt_expired;

	/* bounds learnt from loss */
	uint64_t bw_shortterm, inflight_shortterm, inflight_longterm;
	uint64_t bw_latest, inflight_latest;
	bool loss_in_round;
	uint8_t loss_events_in_round;

	/* the path's own losses, told from those of a full queue */
	uint8_t random_loss_percent;    /* configured: tcp_bbr_random_loss_percent */
	bool is_certain;                /* in the loss round: a timeout or an ECN mark */
	uint64_t loss_round_lost_bytes; /* since the loss round began */
	uint64_t round_lost_bytes, round_delivered; /* lost in this round, delivered before it */
	uint64_t calm_lost_bytes, calm_bytes; /* in rounds without a queue, the older fading */
	uint64_t calm_at_ns, queue_seen_ns;
	bool sees_queues;
	uint8_t calm_rounds;
	uint64_t tally_bytes[2], tally_lost_bytes[2]; /* the queue short, and long */
	uint64_t tally_at_ns;
	uint8_t tally_rounds;
	uint64_t rtt_sum_ns, rtt_mean_ns; /* of this round, of the last one */
	uint32_t rtt_count;
	uint64_t rtt_before_ns;                   /* the last sample of all */
	uint64_t rtt_peak_ns[2], rtt_floor_ns[2]; /* of the last round and of this one */

	/* ACK aggregation: excess over the rate, the maximum of two windows of rounds */
	uint64_t extra_at_ns, extra_delivered;
	uint64_t extra_acked[2];
	uint8_t extra_rounds;

	/* is the pipe full? */
	uint64_t full_bw;
	uint8_t full_bw_count;
	bool full_bw_now, full_bw_reached;

	/* probing for bandwidth */
	uint64_t cycle_at_ns, probe_wait_ns;
	uint64_t probe_up_cnt, probe_up_acked_bytes;
	uint32_t probe_up_rounds, rounds_since_probe;
	bool probe_samples;        /* the samples that arrive reflect a probe */
	bool is_down_again;        /* for a round trip, out of Cruise */
	uint8_t downs_again_count; /* in this cycle */

	/* probing for the round trip */
	uint64_t probe_rtt_done_ns; /* 0: the flight isn't small enough yet */
	bool probe_rtt_round_done, idle_restart;
	struct bbr_span limited; /* ProbeRTT: its samples count as app-limited */
	struct bbr_span slow;    /* Drain, Down: theirs say how fast we sent, no more */

	uint64_t saved_cwnd_bytes;
	bool has_seen_rtt;
	uint64_t random;
	/* before the last reduction, for undo */
	uint8_t undo_phase;
	uint64_t undo_saved_at_ns;
	uint64_t undo_bw_shortterm, undo_inflight_shortterm, undo_inflight_longterm;
};

/* One ACK, as BBR's draft names it: RS. */
struct bbr_sample {
	uint64_t now_ns;
	uint64_t rate;            /* bytes a second; 0: none */
	uint64_t delivered_bytes; /* in the sample's interval */
	uint64_t newly_acked_bytes;
	uint64_t newly_lost_bytes;
	uint64_t lost_bytes; /* in the interval */
	uint64_t tx_in_flight_bytes;
	uint64_t prior_delivered_bytes;
	uint64_t rtt_ns;     /* 0: none */
	uint64_t any_rtt_ns; /* also of what came out of order; 0: none */
	uint64_t srtt_ns;
	uint64_t pipe_bytes;
	bool is_valid, is_app_limited, is_cwnd_limited, in_recovery;
	bool is_held_back; /* of data that we sent slower than the path carries */
};

static inline bool bbr_is_probing_cycle(const struct bbr *bbr)
{
	return bbr->phase >= BBR_PROBE_DOWN && bbr->phase <= BBR_PROBE_UP;
}
static inline uint64_t bbr_min_pipe_bytes(const struct cc *cc)
{
	return 4 * (uint64_t)cc->mss;
}

/* ---- bbr_model.c ---- */

void bbr_model_init(struct bbr *bbr, uint64_t now_ns);
void bbr_start_round(struct bbr *bbr);
/* Rounds, bandwidth, congestion signals, aggregation: the first part of an ACK. */
void bbr_model_on_ack(struct cc *cc, struct bbr *bbr, const struct bbr_sample *rs);
/* The last part: begins the next round's signals, bounds the bandwidth in use. */
void bbr_model_finish(struct bbr *bbr, const struct bbr_sample *rs);
void bbr_update_min_rtt(struct bbr *bbr, const struct bbr_sample *rs);
/* No round trip about as short as the minimum since the cycle began, nor for a second: Down hasn't emptied the queue. */
bool bbr_is_min_rtt_overdue(const struct bbr *bbr, uint64_t now_ns);
void bbr_reset_congestion_signals(struct bbr *bbr);
void bbr_reset_shortterm(struct bbr *bbr);
void bbr_reset_full_bw(struct bbr *bbr);
void bbr_advance_max_bw(struct bbr *bbr); /* a probing cycle has ended */
uint64_t bbr_max_bw(const struct bbr *bbr);
uint64_t bbr_extra_acked(const struct bbr *bbr);
/* gain * bw * min_rtt, without any allowance; the initial window while no RTT is known. */
uint64_t bbr_bdp_multiple(const struct cc *cc, const struct bbr *bbr, uint64_t bw, unsigned gain);
/* bw * min_rtt with what offloading and a window of a few segments need. */
uint64_t bbr_inflight(const struct cc *cc, const struct bbr *bbr, uint64_t bw);
uint64_t bbr_with_allowance(const struct cc *cc, const struct bbr *bbr, uint64_t bytes);
uint64_t bbr_inflight_with_headroom(const struct cc *cc, const struct bbr *bbr);
/* What offloading and the pacer let leave at once. */
uint64_t bbr_send_quantum(const struct cc *cc);

/* ---- bbr_loss.c ---- */

void bbr_loss_on_ack(const struct cc *cc, struct bbr *bbr, const struct bbr_sample *rs);
void bbr_loss_on_lost(struct bbr *bbr, uint64_t bytes);
/* Before the shortest round trip is replaced. */
void bbr_on_new_min_rtt(struct bbr *bbr, uint64_t min_rtt_ns);
/* How much has to be sent for so many bytes to arrive, as far as the path's own losses are known. */
uint64_t bbr_to_send(const struct cc *cc, const struct bbr *bbr, uint64_t bytes);
/* How much of a flight may be lost before it was too large. */
uint64_t bbr_loss_allowed(const struct cc *cc, const struct bbr *bbr, uint64_t flight_bytes);
bool bbr_is_inflight_too_high(const struct cc *cc, const struct bbr *bbr,
			      const struct bbr_sample *rs);
/* At the end of a round with losses, between probes. */
bool bbr_is_round_congested(const struct cc *cc, const struct bbr *bbr);

#endif
