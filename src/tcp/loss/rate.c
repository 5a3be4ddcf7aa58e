/* SPDX-License-Identifier: MIT */
/*
 * Delivery-rate estimation (draft-cheng-iccrg-delivery-rate-estimation; section 4.1 of the BBR draft).
 *
 * Each transmission carries a snapshot of how much had been delivered until then, and when. When an
 * ACK delivers it, the difference to now is what the path carried meanwhile: a sample. Of all records
 * that an ACK delivers, the one sent last gives the sample, since its interval is the freshest.
 *
 * The interval is the longer of two: the time in which the records were sent and the time in which
 * they were acknowledged. So neither an ACK that was held back and released in a burst nor a burst
 * of sending makes the path look faster than it is. A sample in whose time the application had
 * nothing to send tells a lower bound only; it is marked app-limited.
 *
 *   rate_on_sent       output, for each record sent or sent again
 *   rate_on_delivered  the send map, for each record delivered
 *   rate_on_ack        once an ACK, after losses were marked
 *
 * Whoever marks losses, for an ACK or a timer, adds them to `lost_bytes` at once.
 */
#include "tcp/loss/rate.h"

#include <string.h>
#include "base/check.h"

void rate_init(struct rate *rate, uint64_t now_ns)
{
	memset(rate, 0, sizeof(*rate));
	rate->delivered_at_ns = rate->first_sent_at_ns = now_ns;
}

void rate_on_sent(struct rate *rate, struct send_record *record, uint64_t pipe_bytes,
		  uint64_t now_ns)
{
	/* Nothing was in flight: what follows is a new interval, and idle time is no part of it. */
	if (pipe_bytes == 0)
		rate->first_sent_at_ns = rate->delivered_at_ns = now_ns;
	record->first_sent_at_ns = rate->first_sent_at_ns;
	record->delivered_at_ns = rate->delivered_at_ns;
	record->delivered_bytes = rate->delivered_bytes;
	record->lost_total_bytes = rate->lost_bytes;
	record->in_flight_bytes = pipe_bytes + record->end - record->start;
	record->flags &= (uint16_t)~SENT_APP_LIMITED;
	if (rate->app_limited_until)
		record->flags |= SENT_APP_LIMITED;
}

void rate_on_delivered(struct rate_sample *sample, const struct send_record *record)
{
	if (sample->newest_end && (record->sent_at_ns < sample->newest_sent_at_ns ||
				   (record->sent_at_ns == sample->newest_sent_at_ns &&
				    record->end <= sample->newest_end)))
		return;
	sample->newest_sent_at_ns = record->sent_at_ns;
	sample->newest_end = record->end;
	sample->newest_first_sent_at_ns = record->first_sent_at_ns;
	sample->prior_delivered_bytes = record->delivered_bytes;
	sample->prior_delivered_at_ns = record->delivered_at_ns;
	sample->prior_in_flight_bytes = record->in_flight_bytes;
	sample->prior_lost_bytes = record->lost_total_bytes;
	sample->is_app_limited = (record->flags & SENT_APP_LIMITED) != 0;
}

/* Keeps the sample for tcp_info, unless it is app-limited and slower than the one that stands there. */
static void remember(struct rate *rate, const struct rate_sample *sample)
{
	if (sample->is_app_limited && rate->last_interval_ns) {
		unsigned __int128 fresh = (unsigned __int128)sample->delivered_bytes *
					  rate->last_interval_ns;
		unsigned __int128 last = (unsigned __int128)rate->last_bytes * sample->interval_ns;

		if (fresh < last)
			return;
	}
	rate->last_bytes = sample->delivered_bytes;
	rate->last_interval_ns = sample->interval_ns;
	rate->last_app_limited = sample->is_app_limited;
}

void rate_on_ack(struct rate *rate, struct ack_info *info, uint64_t min_rtt_ns)
{
	struct rate_sample *sample = &info->rate;

	sample->interval_ns = 0;
	if (info->delivered_bytes == 0)
		return;
	rate->delivered_bytes += info->delivered_bytes;
	rate->delivered_at_ns = info->now_ns;
	if (rate->app_limited_until && rate->delivered_bytes > rate->app_limited_until)
		rate->app_limited_until = 0;
	if (sample->newest_end == 0)
		return;
	rate->first_sent_at_ns = sample->newest_sent_at_ns;
	sample->delivered_bytes = rate->delivered_bytes - sample->prior_delivered_bytes;
	sample->lost_bytes = rate->lost_bytes - sample->prior_lost_bytes;
	sample->send_interval_ns = sample->newest_sent_at_ns - sample->newest_first_sent_at_ns;
	sample->ack_interval_ns = info->now_ns - sample->prior_delivered_at_ns;
	sample->interval_ns = MAX(sample->send_interval_ns, sample->ack_interval_ns);
	/* Faster than the path's round trip: the ACK was for an earlier transmission. */
	if (sample->interval_ns < min_rtt_ns) {
		sample->interval_ns = 0;
		return;
	}
	if (sample->interval_ns)
		remember(rate, sample);
}

void rate_set_app_limited(struct rate *rate, uint64_t pipe_bytes)
{
	rate->app_limited_until = MAX(rate->delivered_bytes + pipe_bytes, 1);
}
