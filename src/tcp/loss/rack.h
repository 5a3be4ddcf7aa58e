/* SPDX-License-Identifier: MIT */
/* RACK-TLP (RFC 8985): losses told by time; a probe for the tail. */
#ifndef TEE_TCP_LOSS_RACK_H
#define TEE_TCP_LOSS_RACK_H

#include "tcp/ack_info.h"
#include "tcp/loss/sendmap.h"

struct rack {
	uint64_t xmit_at_ns; /* RACK.xmit_ts: latest sent time of delivered records */
	uint64_t end;        /* RACK.end_seq */
	uint64_t rtt_ns;     /* RACK.rtt */
	uint64_t fack;       /* highest offset delivered */
	uint64_t min_rtt_ns; /* the caller's windowed minimum, copied in */
	uint32_t reo_wnd_mult;
	uint32_t reo_wnd_persist; /* recoveries left before the multiplier is reset */
	uint64_t dsack_round; /* offset that ends the round in which a DSACK was counted; NONE */
	bool reordering_seen;
	/* TLP */
	bool tlp_is_retrans;
	uint64_t tlp_end; /* TLP.end_seq: snd.nxt when the probe left; 0: no probe in flight */
};

struct rack_args {
	uint64_t now_ns;
	uint64_t srtt_ns; /* 0: no sample yet */
	uint64_t min_rtt_ns;
	uint32_t mss;
	uint32_t dupack_threshold;
	bool in_recovery; /* fast recovery or after a timeout */
	uint64_t snd_nxt;
	uint64_t ts_echo_before_ns; /* what the echoed timestamp stands for was sent before this
				       instant; 0: no timestamps */
	/* Told of each record that is marked lost, before that; may be NULL. */
	void (*on_lost)(void *arg, const struct send_record *record);
	void *arg;
};

void rack_init(struct rack *rack);
/*
 * Steps 1 to 4 of section 6.2 for one ACK: newest delivered record, reordering, DSACK. `info` has come through
 * the send map. A retransmission whose ACK may be for the original (an echoed timestamp from before it, or a
 * round trip below the minimum) doesn't count (step 2).
 */
void rack_on_ack(struct rack *rack, const struct ack_info *info, const struct rack_args *args);
/*
 * Step 5: marks lost what was sent long enough before; returns bytes newly marked and in
 * *ret_timeout_ns how long until more may be (0: none, else arm the reordering timer).
 */
uint64_t rack_detect_loss(struct rack *rack, struct sendmap *map, const struct rack_args *args,
			  uint64_t *ret_timeout_ns);
/* RTO: marks lost what is over its time or first (section 6.3); returns bytes newly marked. */
uint64_t rack_mark_on_rto(struct rack *rack, struct sendmap *map, const struct rack_args *args);
uint64_t rack_reo_wnd_ns(const struct rack *rack, const struct sendmap *map,
			 const struct rack_args *args);
/* Recovery ended: reo_wnd's memory fades (step 4). */
void rack_on_recovery_exit(struct rack *rack);

/* PTO of section 7.2, before the clamp to the RTO. `one_segment`: only one is in flight. */
uint64_t tlp_timeout_ns(uint64_t srtt_ns, uint64_t rto_initial_ns, bool one_segment,
			uint64_t max_ack_delay_ns);
/*
 * Section 7.4.2: what this ACK means for an outstanding probe. true: the probe repaired a loss
 * that nobody saw, so the window must be reduced once.
 */
bool tlp_on_ack(struct rack *rack, const struct ack_info *info, bool ack_is_pure_duplicate);

#endif
