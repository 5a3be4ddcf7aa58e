/* SPDX-License-Identifier: MIT */
/*
 * RACK-TLP (RFC 8985).
 *
 * RACK remembers the transmission that, of all delivered ones, was made last (xmit_at_ns, end). A
 * segment that left before it and is still missing a reordering window later is lost: time, not the
 * number of duplicate ACKs, tells. The window starts at a quarter of the minimum RTT, is 0 as long as no
 * reordering was ever seen and enough is missing, and grows with each round in which a DSACK shows that
 * something was sent again for nothing.
 *
 *   an ACK: the send map fills ack_info -> rack_on_ack() (steps 1 to 4) -> rack_detect_loss() (step 5)
 *   the reordering timer, of as long as rack_detect_loss() says: rack_detect_loss() again
 *   the RTO: rack_mark_on_rto() (6.3)
 *
 * TLP: after two round trips of silence output sends one more segment, a probe; it sets tlp_end and
 * tlp_is_retrans and the ACK that follows is either enough for RACK to see the tail's loss, or says by
 * tlp_on_ack() what became of the probe.
 */
#include "tcp/loss/rack.h"

#include <string.h>
#include "base/check.h"

enum {
	REO_WND_PERSIST = 16, /* recoveries without DSACK until the window is back at its start */
	REO_WND_MULT_MAX = 255,
	/* Records looked at beyond the last one found lost; bounds the work of one ACK. */
	SCAN_MAX = 32,
};
#define NO_ROUND UINT64_MAX

void rack_init(struct rack *rack)
{
	memset(rack, 0, sizeof(*rack));
	rack->reo_wnd_mult = 1;
	rack->reo_wnd_persist = REO_WND_PERSIST;
	rack->dsack_round = NO_ROUND;
}

/* RACK_sent_after() of 6.2 step 2. */
static bool sent_after(uint64_t at1_ns, uint64_t end1, uint64_t at2_ns, uint64_t end2)
{
	return at1_ns > at2_ns || (at1_ns == at2_ns && end1 > end2);
}

/*
 * Step 2: an ACK of a retransmission may be for the original. It is when the peer echoes a timestamp from
 * before the retransmission, or when it comes faster than the path can be. The echo speaks of the segment
 * that moved the left edge (RFC 7323 4.3); of what is only SACKed it says nothing, and a tail loss
 * probe that was SACKed beyond a hole would never count.
 */
static bool is_for_the_original(uint64_t sent_at_ns, bool is_cum_acked,
				const struct rack_args *args)
{
	if (is_cum_acked && args->ts_echo_before_ns && args->ts_echo_before_ns <= sent_at_ns)
		return true;
	return args->now_ns - sent_at_ns < args->min_rtt_ns;
}

static void advance(struct rack *rack, const struct ack_info *info, const struct rack_args *args)
{
	uint64_t sent_at_ns = info->rack_sent_at_ns, end = info->rack_end;
	uint64_t last_ns = info->rack_last_sent_at_ns;

	if (end && info->rack_is_retrans &&
	    is_for_the_original(sent_at_ns, end <= info->una_after, args)) {
		sent_at_ns = info->rack_orig_sent_at_ns;
		end = info->rack_orig_end;
	}
	if (!end)
		return;
	/* RACK.rtt is of the segment delivered last, which needn't be the one sent last: an ACK that tells of a
	   retransmission and of an original beside it has travelled as long as the original says. */
	if (info->rack_last_is_retrans &&
	    is_for_the_original(last_ns, info->cum_acked_bytes != 0, args))
		last_ns = info->rack_last_orig_sent_at_ns;
	/* By the RFC's own min_RTT this floor changes nothing. Ours leaves out what overtook (rto.c), and how fast
	   that was says nothing of those it left behind. */
	rack->rtt_ns = MAX(args->now_ns - (last_ns ? last_ns : sent_at_ns), args->min_rtt_ns);
	if (sent_after(sent_at_ns, end, rack->xmit_at_ns, rack->end)) {
		rack->xmit_at_ns = sent_at_ns;
		rack->end = end;
	}
}

/* Step 4's first half: the window widens by a step in each round that sees a DSACK. */
static void on_dsack(struct rack *rack, const struct ack_info *info, const struct rack_args *args)
{
	if (rack->dsack_round != NO_ROUND && info->una_after >= rack->dsack_round)
		rack->dsack_round = NO_ROUND;
	/* A probe that wasn't needed was sent too early by TLP's clock, not by RACK's window. */
	if (!info->has_dsack || (rack->tlp_is_retrans && rack->tlp_end == info->dsack_end))
		return;
	if (rack->dsack_round != NO_ROUND)
		return;
	rack->dsack_round = args->snd_nxt;
	rack->reo_wnd_persist = REO_WND_PERSIST;
	if (rack->reo_wnd_mult < REO_WND_MULT_MAX)
		rack->reo_wnd_mult++;
}

void rack_on_ack(struct rack *rack, const struct ack_info *info, const struct rack_args *args)
{
	/* Step 1: the caller keeps a windowed minimum. */
	rack->min_rtt_ns = args->min_rtt_ns;
	advance(rack, info, args);
	/* Step 3: the send map compared each newly delivered record with what was delivered before. */
	if (info->sacked_never_retrans)
		rack->reordering_seen = true;
	rack->fack = MAX(rack->fack, MAX(info->una_after, info->highest_acked_unretrans_end));
	rack->fack = MAX(rack->fack, info->rack_end);
	on_dsack(rack, info, args);
}

void rack_on_recovery_exit(struct rack *rack)
{
	if (rack->reo_wnd_persist)
		rack->reo_wnd_persist--;
	if (rack->reo_wnd_persist == 0)
		rack->reo_wnd_mult = 1;
}

uint64_t rack_reo_wnd_ns(const struct rack *rack, const struct sendmap *map,
			 const struct rack_args *args)
{
	uint64_t wnd_ns = rack->reo_wnd_mult * (args->min_rtt_ns / 4);

	if (!rack->reordering_seen &&
	    (args->in_recovery || map->sacked_segs >= args->dupack_threshold))
		return 0;
	return MIN(wnd_ns, args->srtt_ns);
}

static uint64_t mark_lost(struct sendmap *map, struct send_record *record,
			  const struct rack_args *args)
{
	uint64_t bytes = record->end - record->start;

	if (args->on_lost)
		args->on_lost(args->arg, record);
	sendmap_mark_lost(map, record);
	return bytes;
}

uint64_t rack_detect_loss(struct rack *rack, struct sendmap *map, const struct rack_args *args,
			  uint64_t *ret_timeout_ns)
{
	uint64_t wait_ns = rack->rtt_ns + rack_reo_wnd_ns(rack, map, args);
	uint64_t bytes = 0, timeout_ns = 0;
	unsigned scanned = 0;

	if (rack->end == 0) {
		*ret_timeout_ns = 0;
		return 0;
	}
	/*
	 * The list is in the order of transmission. Of those that may yet be lost the RFC waits for the
	 * last one; after SCAN_MAX of them we wait for the last one seen, and look again then.
	 */
	LIST_FOR_EACH_SAFE(node, &map->by_time)
	{
		struct send_record *record = send_record_of_time(node);

		if (record->sent_at_ns > rack->xmit_at_ns || scanned >= SCAN_MAX)
			break;
		if (!sent_after(rack->xmit_at_ns, rack->end, record->sent_at_ns, record->end)) {
			scanned++;
			continue;
		}
		if (record->sent_at_ns + wait_ns <= args->now_ns) {
			bytes += mark_lost(map, record, args);
		} else {
			timeout_ns = record->sent_at_ns + wait_ns - args->now_ns;
			scanned++;
		}
	}
	*ret_timeout_ns = timeout_ns;
	return bytes;
}

uint64_t rack_mark_on_rto(struct rack *rack, struct sendmap *map, const struct rack_args *args)
{
	uint64_t wait_ns = rack->rtt_ns + rack_reo_wnd_ns(rack, map, args);
	struct send_record *first = sendmap_first(map);
	uint64_t bytes = 0;

	if (first && sendmap_mark_lost(map, first))
		bytes += first->end - first->start;
	LIST_FOR_EACH_SAFE(node, &map->by_time)
	{
		struct send_record *record = send_record_of_time(node);

		if (record->sent_at_ns + wait_ns > args->now_ns)
			break;
		bytes += record->end - record->start;
		sendmap_mark_lost(map, record);
	}
	return bytes;
}

#define TLP_SLACK_NS UINT64_C(2000000)

uint64_t tlp_timeout_ns(uint64_t srtt_ns, uint64_t rto_initial_ns, bool one_segment,
			uint64_t max_ack_delay_ns)
{
	if (srtt_ns == 0)
		return rto_initial_ns;
	/* The peer's host has to run before it can answer: without a floor a path of microseconds would be
	   probed at every pause of its scheduler. */
	return 2 * srtt_ns + (one_segment ? max_ack_delay_ns : TLP_SLACK_NS);
}

bool tlp_on_ack(struct rack *rack, const struct ack_info *info, bool ack_is_pure_duplicate)
{
	bool repaired = false;

	if (rack->tlp_end == 0 || info->una_after < rack->tlp_end)
		return false;
	if (rack->tlp_is_retrans && !(info->has_dsack && info->dsack_end == rack->tlp_end)) {
		/* Acknowledged beyond the probe and no DSACK: only one of the two copies arrived. */
		if (info->una_after > rack->tlp_end)
			repaired = true;
		else if (!ack_is_pure_duplicate)
			return false;
	}
	rack->tlp_end = 0;
	rack->tlp_is_retrans = false;
	return repaired;
}
