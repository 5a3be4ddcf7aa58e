/* SPDX-License-Identifier: MIT */
/* Delivery-rate estimation: how fast the path delivers, sampled on each ACK. */
#ifndef TEE_TCP_LOSS_RATE_H
#define TEE_TCP_LOSS_RATE_H

#include "tcp/ack_info.h"
#include "tcp/loss/sendmap.h"

struct rate {
	uint64_t delivered_bytes; /* in all, by the latest ACK */
	uint64_t delivered_at_ns;
	uint64_t first_sent_at_ns; /* send time of the record that started the current interval */
	uint64_t
		app_limited_until; /* delivered_bytes value up to which samples are app-limited; 0 */
	uint64_t lost_bytes; /* in all; whoever marks losses adds them, before rate_on_ack() */
	/* the last good sample, for tcp_info */
	uint64_t last_bytes, last_interval_ns;
	bool last_app_limited;
};

void rate_init(struct rate *rate, uint64_t now_ns);
/* When a record is sent or sent again. `pipe_bytes`: in flight, without this record. */
void rate_on_sent(struct rate *rate, struct send_record *record, uint64_t pipe_bytes,
		  uint64_t now_ns);
/* For each record delivered, called by sendmap_ack() and sendmap_sack(): keeps the newest. */
void rate_on_delivered(struct rate_sample *sample, const struct send_record *record);
/* At the end of an ACK, after rate->lost_bytes has this ACK's losses: completes info->rate. `min_rtt_ns` 0: not known. */
void rate_on_ack(struct rate *rate, struct ack_info *info, uint64_t min_rtt_ns);
/* The application had no more to send while the window was open. */
void rate_set_app_limited(struct rate *rate, uint64_t pipe_bytes);

#endif
