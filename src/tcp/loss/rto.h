/* SPDX-License-Identifier: MIT */
/* RTT estimation and the retransmission timeout (RFC 6298); the windowed minimum RTT. */
#ifndef TEE_TCP_LOSS_RTO_H
#define TEE_TCP_LOSS_RTO_H

#include <stdbool.h>
#include <stdint.h>

struct rto {
	uint64_t srtt_ns;   /* 0: no sample yet */
	uint64_t rttvar_ns; /* smoothed mean deviation */
	uint64_t
		margin_ns; /* what the RTO adds to srtt: 4 * rttvar's recent peak, at least min_ns */
	uint64_t
		mdev_max_ns; /* largest 4 * rttvar of this round trip (the margin sinks once a round trip) */
	uint64_t round_end; /* offset that ends the round over which mdev_max_ns is taken */
	uint64_t base_ns;   /* RTO without back-off, clamped */
	uint32_t backoff;   /* doublings in force */
	/* windowed minimum over 300 s: best, second, third best with their times */
	struct {
		uint64_t at_ns, rtt_ns;
	} min[3];
};

struct rto_limits {
	uint64_t initial_ns, min_ns, max_ns;
};

void rto_init(struct rto *rto, const struct rto_limits *limits);
/* A sample, never of a retransmission without timestamps (Karn, MUST-18). `una`, `nxt`: offsets. Resets the back-off. */
void rto_sample(struct rto *rto, uint64_t rtt_ns, uint64_t una, uint64_t nxt, uint64_t now_ns,
		const struct rto_limits *limits);
/* A sample of data that was SACKed: it may have overtaken others by a shorter way than the path is, so it says
   nothing about the minimum. */
void rto_sample_sacked(struct rto *rto, uint64_t rtt_ns, uint64_t una, uint64_t nxt,
		       uint64_t now_ns, const struct rto_limits *limits);
/* The RTO in force: base * 2^backoff, at most max. */
uint64_t rto_ns(const struct rto *rto, const struct rto_limits *limits);
void rto_back_off(struct rto *rto);
void rto_reset_backoff(struct rto *rto);
uint64_t rto_min_rtt_ns(const struct rto *rto); /* 0: none */

#endif
