/* SPDX-License-Identifier: MIT */
/*
 * What one ACK said, by value, handed down the pipeline: sendmap -> rack -> recovery -> prr -> cc -> pacer.
 * Each stage fills its own part and reads what stands above it.
 */
#ifndef TEE_TCP_ACK_INFO_H
#define TEE_TCP_ACK_INFO_H

#include <stdbool.h>
#include <stdint.h>

/* A delivery-rate sample (draft-cheng-iccrg-delivery-rate-estimation). */
struct rate_sample {
	uint64_t prior_delivered_bytes; /* snapshot of the newest record delivered */
	uint64_t prior_delivered_at_ns;
	uint64_t prior_in_flight_bytes; /* in flight when that record was sent */
	uint64_t prior_lost_bytes;
	uint64_t delivered_bytes; /* in the interval */
	uint64_t lost_bytes;      /* in the interval */
	uint64_t interval_ns;     /* 0: no valid sample */
	uint64_t send_interval_ns, ack_interval_ns;
	bool is_app_limited;
	/* of the newest record, while choosing it */
	uint64_t newest_sent_at_ns, newest_end, newest_first_sent_at_ns;
};

struct ack_info {
	/* set by ack.c before anything else */
	uint64_t now_ns;
	uint64_t una_before, nxt; /* offsets */
	uint64_t prior_highest_sacked;
	bool has_ece;      /* the segment carried ECE, or AccECN told of new CE marks */
	uint32_t ce_bytes; /* AccECN: newly reported as CE-marked */
	/* from the SACK option */
	bool has_sack; /* at least one valid block that isn't a DSACK */
	bool has_dsack;
	uint64_t dsack_start, dsack_end;
	/* from the send map */
	uint64_t una_after;
	uint64_t acked_bytes;     /* newly delivered by the cumulative ACK (not SACKed before) */
	uint64_t cum_acked_bytes; /* una_after - una_before, SACKed before or not */
	uint64_t sacked_bytes;    /* newly delivered by SACK */
	uint64_t delivered_bytes; /* both */
	uint32_t delivered_segs;
	bool acked_retrans;     /* a record that was ever retransmitted is delivered now */
	bool cum_acked_retrans; /* the same, cumulatively: it waited for what filled a hole */
	bool acked_original;    /* something never retransmitted was cumulatively ACKed */
	bool lost_arrived;      /* what was marked lost is delivered, and was never sent again */
	bool acked_fin;
	bool sacked_never_retrans; /* SACK of never-retransmitted data below prior highest: reordering */
	uint64_t reordered_from; /* lowest start of such data; UINT64_MAX: none */
	uint64_t
		highest_acked_unretrans_end; /* F-RTO: end of the highest delivered, never resent */
	/* RTT candidates: send times of delivered, never retransmitted records; 0: none */
	uint64_t first_acked_sent_at_ns; /* oldest cumulatively ACKed: includes the delayed ACK */
	uint64_t last_acked_sent_at_ns;  /* newest cumulatively ACKed */
	uint64_t first_sacked_sent_at_ns, last_sacked_sent_at_ns;
	/* RACK's input: the most recently sent record delivered by this ACK (RFC 8985 6.2 step 2) */
	uint64_t rack_sent_at_ns, rack_end; /* 0: none */
	bool rack_is_retrans;
	/* and the one that was delivered last, in the order of processing: RACK.rtt is its */
	uint64_t rack_last_sent_at_ns, rack_last_orig_sent_at_ns;
	bool rack_last_is_retrans;
	/* the same among records never sent again: RACK's second choice when the first one's ACK may be for
	   the original transmission */
	uint64_t rack_orig_sent_at_ns, rack_orig_end;
	/* decided further down */
	uint64_t rtt_ns;      /* the sample taken, 0: none */
	uint64_t lost_bytes;  /* newly marked lost */
	bool is_dupack;       /* counts as duplicate (RFC 5681 section 2) */
	bool is_cwnd_limited; /* the window was in use to the full before this ACK */
	struct rate_sample rate;
};

#endif
