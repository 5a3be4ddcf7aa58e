/* SPDX-License-Identifier: MIT */
/*
 * HyStart++ (RFC 9406). In each round trip of slow start the smallest RTT of the first eight or more
 * samples is compared with the round before. When it has grown by an eighth (4 to 16 ms), a queue is
 * building: Conservative Slow Start begins, which grows at a quarter of the speed. When the RTT falls
 * below its baseline within five rounds, that was jitter and slow start goes on; else it is over.
 */
#include "tcp/cc/hystart.h"

#include "base/check.h"

enum {
	MIN_RTT_THRESH_US = 4000,
	MAX_RTT_THRESH_US = 16000,
	MIN_RTT_DIVISOR = 8,
	N_RTT_SAMPLE = 8,
	CSS_GROWTH_DIVISOR = 4,
};
#define NONE UINT32_MAX

void hystart_init(struct hystart *hystart)
{
	*hystart = (struct hystart){
		.current_min_rtt_us = NONE,
		.last_min_rtt_us = NONE,
		.css_baseline_min_rtt_us = NONE,
	};
}

/* RFC 9406 4.2: at the start of each round. */
static void start_round(struct hystart *hystart, uint64_t nxt)
{
	hystart->window_end = nxt;
	hystart->last_min_rtt_us = hystart->current_min_rtt_us;
	hystart->current_min_rtt_us = NONE;
	hystart->rtt_sample_count = 0;
}

static void take_sample(struct hystart *hystart, uint64_t rtt_ns)
{
	uint64_t rtt_us = MIN(rtt_ns / 1000, NONE - 1u);

	hystart->current_min_rtt_us = MIN(hystart->current_min_rtt_us, (uint32_t)rtt_us);
	if (hystart->rtt_sample_count < UINT16_MAX)
		hystart->rtt_sample_count++;
}

static bool has_both(const struct hystart *hystart)
{
	return hystart->rtt_sample_count >= N_RTT_SAMPLE && hystart->current_min_rtt_us != NONE &&
	       hystart->last_min_rtt_us != NONE;
}

static void look_for_delay(struct hystart *hystart)
{
	uint32_t thresh_us = hystart->last_min_rtt_us / MIN_RTT_DIVISOR;

	thresh_us = MAX(MIN_RTT_THRESH_US, MIN(thresh_us, MAX_RTT_THRESH_US));
	if (hystart->current_min_rtt_us < (uint64_t)hystart->last_min_rtt_us + thresh_us)
		return;
	hystart->css_baseline_min_rtt_us = hystart->current_min_rtt_us;
	hystart->in_css = true;
	hystart->css_rounds = 0;
}

uint64_t hystart_on_ack(struct hystart *hystart, uint64_t acked_bytes, uint64_t rtt_ns,
			uint64_t una, uint64_t nxt, bool *ret_exit)
{
	*ret_exit = false;
	if (hystart->window_end == 0)
		hystart->window_end = nxt;
	if (rtt_ns)
		take_sample(hystart, rtt_ns);
	if (!hystart->in_css) {
		if (rtt_ns && has_both(hystart))
			look_for_delay(hystart);
	} else if (rtt_ns && hystart->rtt_sample_count >= N_RTT_SAMPLE &&
		   hystart->current_min_rtt_us < hystart->css_baseline_min_rtt_us) {
		/* The delay went away: back to slow start. */
		hystart->in_css = false;
		hystart->css_baseline_min_rtt_us = NONE;
	}
	if (hystart->in_css)
		acked_bytes /= CSS_GROWTH_DIVISOR;
	if (una >= hystart->window_end) {
		start_round(hystart, nxt);
		if (hystart->in_css && ++hystart->css_rounds >= HYSTART_CSS_ROUNDS)
			*ret_exit = true;
	}
	return acked_bytes;
}

/*
 * The round trip that an ACK tells, 0: none. What overtook others and is SACKed gives none, or all that follows
 * would look delayed. An ACK that overtook others speaks for theirs, so of what it acknowledges the oldest counts:
 * the newest tells how fast the ACK was itself, and the least of a round, which is to show the queue, would be an
 * overtaker's. Only where it fills a hole is that the other way round, as the hole's segment is late by itself; but
 * the path is no faster than it ever was in order.
 */
static uint64_t sample_of(const struct ack_info *info, uint64_t min_rtt_ns)
{
	bool fills_hole = info->cum_acked_bytes > info->acked_bytes;

	if (!info->first_acked_sent_at_ns)
		return 0;
	return fills_hole ? MAX(info->rtt_ns, min_rtt_ns)
			  : MAX(info->now_ns - info->first_acked_sent_at_ns, 1);
}

uint64_t hystart_grow(struct cc *cc, struct hystart *hystart, const struct ack_info *info,
		      const struct cc_round *round)
{
	uint64_t bytes = info->delivered_bytes, growth = bytes;
	uint64_t rtt_ns = sample_of(info, round->min_rtt_ns);
	bool is_over = false;

	/* RFC 9406 4.3: only in the first slow start, while nothing is known of the path. */
	if (cc->hystart && cc->ssthresh_bytes == CC_SSTHRESH_INFINITE)
		growth = hystart_on_ack(hystart, bytes, rtt_ns, round->una, round->nxt, &is_over);
	if (!round->is_cwnd_limited)
		growth = 0;
	if (cc->cwnd_bytes + growth >= cc->ssthresh_bytes) {
		uint64_t used = cc->ssthresh_bytes - cc->cwnd_bytes;

		cc->cwnd_bytes = cc->ssthresh_bytes;
		return growth - used;
	}
	cc->cwnd_bytes += growth;
	if (is_over)
		cc->ssthresh_bytes = cc->cwnd_bytes;
	return 0;
}
