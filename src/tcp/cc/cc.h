/* SPDX-License-Identifier: MIT */
/*
 * Congestion control behind a table (RFC 9743's separation: recovery decides *when* losses count,
 * a controller decides what they mean for the window).
 *
 * recovery.c calls, in this order of a connection's life:
 *   cc_init; then cc_on_ack for every ACK that delivered something; cc_on_congestion when fast recovery begins,
 *   or ECN demands a reduction (once a round trip); cc_on_rto; cc_on_recovery_exit; cc_on_undo;
 *   cc_on_idle when sending begins after an idle time.
 * In fast recovery the window itself is PRR's business, unless the controller `owns_recovery`.
 */
#ifndef TEE_TCP_CC_CC_H
#define TEE_TCP_CC_CC_H

#include <stdbool.h>
#include <stdint.h>
#include <teeceepee/config.h>
#include "tcp/ack_info.h"

#define CC_SSTHRESH_INFINITE UINT64_MAX
enum { CC_STATE_INLINE = 96 };

enum cc_congestion { CC_LOSS, CC_ECN };

struct cc_ops;

struct cc {
	const struct cc_ops *ops;
	uint64_t cwnd_bytes;
	uint64_t ssthresh_bytes;                         /* CC_SSTHRESH_INFINITE: not set */
	uint64_t prior_cwnd_bytes, prior_ssthresh_bytes; /* before the last reduction, for undo */
	uint64_t pacing_rate; /* bytes a second that the controller wants; 0: derive from cwnd */
	uint32_t mss;
	uint32_t initial_cwnd_bytes;
	bool hystart; /* configured */
	bool is_state_external;
	union {
		uint64_t align;
		uint8_t inline_state[CC_STATE_INLINE];
		void *external; /* owned; when ops->state_bytes > CC_STATE_INLINE */
	} state;
};

/* What a controller may know besides the ACK. */
struct cc_round {
	uint64_t now_ns;
	uint64_t srtt_ns, min_rtt_ns; /* 0: none yet */
	uint64_t pipe_bytes;          /* in flight after this ACK */
	uint64_t una, nxt;            /* offsets */
	uint64_t delivered_total_bytes;
	bool is_cwnd_limited;
	bool in_recovery; /* fast recovery or CWR */
	bool in_loss;     /* after a timeout */
};

/* One record that was found lost. */
struct cc_lost {
	uint64_t bytes;
	uint64_t tx_in_flight_bytes; /* in flight when it was sent, itself included */
	uint64_t since_sent_bytes;   /* lost since it was sent, itself included */
	bool is_app_limited;         /* when it was sent */
};

struct cc_ops {
	const char *name;
	uint32_t state_bytes;
	bool wants_pacing;  /* needs departures spaced */
	bool owns_recovery; /* sets cwnd during fast recovery itself (BBR) */
	/* The state is zeroed. */
	void (*init)(struct cc *cc, void *state, const struct tee_config *config, uint64_t now_ns);
	/* `info->delivered_bytes` > 0. Grows (or models). */
	void (*on_ack)(struct cc *cc, void *state, const struct ack_info *info,
		       const struct cc_round *round);
	/* Sets ssthresh (and its own state); cwnd follows by PRR, for CC_ECN by PRR too. */
	void (*on_congestion)(struct cc *cc, void *state, enum cc_congestion what,
			      const struct cc_round *round);
	void (*on_rto)(struct cc *cc, void *state, const struct cc_round *round);
	void (*on_recovery_exit)(struct cc *cc, void *state,
				 const struct cc_round *round);                    /* may be NULL */
	void (*on_undo)(struct cc *cc, void *state, const struct cc_round *round); /* may be NULL */
	void (*on_idle)(struct cc *cc, void *state, uint64_t idle_ns,
			const struct cc_round *round); /* may be NULL */
	void (*on_sent)(struct cc *cc, void *state, uint64_t bytes,
			const struct cc_round *round); /* may be NULL */
	/* Each loss for itself, before the on_ack() or the on_congestion() that it leads to. */
	void (*on_lost)(struct cc *cc, void *state, const struct cc_lost *lost,
			const struct cc_round *round);         /* may be NULL */
	void (*check)(const struct cc *cc, const void *state); /* may be NULL */
};

extern const struct cc_ops cc_newreno, cc_cubic, cc_bbr;

/* NULL: no such controller. */
const struct cc_ops *cc_find(const char *name);
const char *cc_name(unsigned idx); /* NULL past the end */

/* 0 or -TEE_ENOMEM. `config` is read and may go. The initial window is min(initial_segs * mss, max(2 * mss, 14600)) for
   10 (RFC 6928), and initial_segs * mss for other counts. ssthresh infinite. */
int cc_init(struct cc *cc, const struct cc_ops *ops, uint32_t mss, uint32_t initial_segs,
	    const struct tee_config *config, uint64_t now_ns);
void cc_fini(struct cc *cc);
/* Another controller, same window; keeps the old one when memory is short. */
int cc_switch(struct cc *cc, const struct cc_ops *ops, const struct tee_config *config,
	      uint64_t now_ns);
void cc_set_mss(struct cc *cc, uint32_t mss); /* keeps cwnd, at least one segment */
void *cc_state(struct cc *cc);

void cc_on_ack(struct cc *cc, const struct ack_info *info, const struct cc_round *round);
/* Saves prior_*, asks the controller for ssthresh (at least 2 MSS). */
void cc_on_congestion(struct cc *cc, enum cc_congestion what, const struct cc_round *round);
/* As above, and cwnd becomes one segment (RFC 5681 3.1). `first`: not a repeated timeout, so
   prior_* is saved and ssthresh computed. */
void cc_on_rto(struct cc *cc, bool first, const struct cc_round *round);
void cc_on_recovery_exit(struct cc *cc, const struct cc_round *round);
/* The reduction was a mistake: cwnd and ssthresh come back. */
void cc_on_undo(struct cc *cc, const struct cc_round *round);
/* RFC 5681 4.1: after more than an RTO of silence, at most the initial window. */
void cc_on_idle(struct cc *cc, uint64_t idle_ns, uint64_t rto_ns, const struct cc_round *round);
void cc_on_sent(struct cc *cc, uint64_t bytes, const struct cc_round *round);
void cc_on_lost(struct cc *cc, const struct cc_lost *lost, const struct cc_round *round);
static inline bool cc_in_slow_start(const struct cc *cc)
{
	return cc->cwnd_bytes < cc->ssthresh_bytes;
}
void cc_check(const struct cc *cc);

#endif
