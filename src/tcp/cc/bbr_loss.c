/* SPDX-License-Identifier: MIT */
/*
 * What a loss means to BBR. The draft takes each loss for congestion, and more than 2% of a flight for too
 * large a flight. A radio link that loses 3% of whatever it carries so holds a sender at a fraction of its
 * rate, though nobody gains by that. Here the path's own losses are told from those of a full queue:
 *
 *   a queue	in this round trip or the last some packets took longer than the shortest round trip and our own
 *		bursts explain; or even the fastest of both took a little longer. A queue that drops delays.
 *   noise	the share lost in round trips without a queue, while we send no faster than the path is known to
 *		carry (Cruise), or before it was ever full (Startup). It has a spread: what noise takes of a
 *		flight is the mean and two standard deviations of as many packets.
 *   ceiling	tcp_bbr_random_loss_percent. A round trip that loses more is congested or policed, queue or no queue.
 *   tally	what was lost and what arrived, kept apart by whether the round trip was shorter or longer than it was on
 *		average, a probe's samples always with the longer. A queue drops when it is full, so one that drops
 *		shows as a difference however short it is; noise takes of both alike.
 *
 * What is known to be noise is sent besides (bbr_to_send()), so that max_bw arrives, while no queue shows. Where the path
 * loses before its bottleneck or behind it is no matter: max_bw is what arrived.
 *
 * A flight is too large when more than 2% above the noise is lost (bbr_loss_allowed()): a probe is stopped when it
 * loses more than Cruise did. A round between probes is congested (bbr_is_round_congested()) with a queue when it
 * loses more than the noise, and without one when it loses more than the ceiling.
 *
 * All this holds on paths whose queues we can see: one has shown in the last ten seconds, as Startup and each
 * probe make it when there is room for it. Where none shows, either nothing but ourselves limits the rate, or a queue
 * is so short, a sixteenth of the round trip or less, that several senders can keep it full for ever while each takes
 * what it drops for noise. There the tally decides. While losses don't go with the delay (by two standard
 * deviations), noise is what the samples of the shorter round trips lost and three deviations, half the ceiling at
 * most. A round that loses more is congested, and a flight that loses more than that and 2% was too large; Startup ends
 * at half the ceiling, and as long as its rate grows never before: its tally is small, and chance divides it
 * unevenly. Otherwise, and when all samples together lose more than half the ceiling, the draft's rule stands, as it
 * does with a ceiling of 0.
 */
#include "tcp/cc/bbr.h"

#include "base/check.h"
#include "tcp/muldiv.h"

#define NS_PER_S    UINT64_C(1000000000)
#define CALM_AGE_NS (10 * NS_PER_S)
/* Bursts of a millisecond are all of a shorter path, at any rate. */
#define SHORT_RTT_NS UINT64_C(4000000)
enum {
	CALM_SEGS_MIN = 64, /* fewer tell nothing */
	/* Of more segments than that and as many round trips the older half is forgotten. */
	CALM_SEGS_MAX = 1024,
	CALM_ROUNDS_MAX = 16,
	/* The same for the tally: it tells two shares apart, which takes more. */
	TALLY_SEGS_MAX = 4096,
	TALLY_ROUNDS_MAX = 16,
	TALLY_DEVIATIONS = 3,
	/* A queue: some take longer by a part of the round trip and the time of so many bursts … */
	PEAK_SHARE = 16,
	PEAK_BURSTS = 2,
	FLOOR_SHARE = 64, /* … or all by this part */
};

static uint64_t square_root(uint64_t value)
{
	uint64_t root = 0;

	for (uint64_t bit = UINT64_C(1) << 31; bit; bit >>= 1)
		if ((root | bit) * (root | bit) <= value)
			root |= bit;
	return root;
}

static uint64_t with_deviations(const struct cc *cc, uint64_t mean_bytes, unsigned count)
{
	return mean_bytes + count * square_root(mean_bytes * cc->mss);
}

/* Losses of this mean seldom take more. */
static uint64_t with_spread(const struct cc *cc, uint64_t mean_bytes)
{
	return with_deviations(cc, mean_bytes, 2);
}

static bool is_above_ceiling(const struct cc *cc, const struct bbr *bbr, uint64_t lost_bytes,
			     uint64_t flight_bytes)
{
	return lost_bytes > with_spread(cc, flight_bytes * bbr->random_loss_percent / 100);
}

/* ---- where no queue shows ---- */

/* The queue seems longer than it mostly is, or we make it longer. */
static bool is_long(const struct bbr *bbr)
{
	return bbr->ack_phase == BBR_ACKS_PROBE_FEEDBACK ||
	       bbr->ack_phase == BBR_ACKS_PROBE_STOPPING ||
	       (bbr->rtt_mean_ns && bbr->rtt_before_ns > bbr->rtt_mean_ns);
}

void bbr_loss_on_lost(struct bbr *bbr, uint64_t bytes)
{
	unsigned i = is_long(bbr);

	bbr->tally_bytes[i] += bytes;
	bbr->tally_lost_bytes[i] += bytes;
}

static void forget_tally(struct bbr *bbr)
{
	for (unsigned i = 0; i < 2; i++)
		bbr->tally_bytes[i] = bbr->tally_lost_bytes[i] = 0;
	bbr->tally_rounds = 0;
}

static void end_tally_round(const struct cc *cc, struct bbr *bbr, uint64_t now_ns)
{
	if (now_ns > bbr->tally_at_ns + CALM_AGE_NS)
		forget_tally(bbr);
	bbr->tally_at_ns = now_ns;
	if (bbr->rtt_count)
		bbr->rtt_mean_ns = bbr->rtt_sum_ns / bbr->rtt_count;
	bbr->rtt_sum_ns = bbr->rtt_count = 0;
	if (bbr->tally_rounds < TALLY_ROUNDS_MAX)
		bbr->tally_rounds++;
	if (bbr->tally_rounds < TALLY_ROUNDS_MAX ||
	    bbr->tally_bytes[0] + bbr->tally_bytes[1] < (uint64_t)TALLY_SEGS_MAX * cc->mss)
		return;
	bbr->tally_rounds /= 2;
	for (unsigned i = 0; i < 2; i++) {
		bbr->tally_bytes[i] /= 2;
		bbr->tally_lost_bytes[i] /= 2;
	}
}

/*
 * Losses that come whether the queue is long or short, and whether we make it longer or not, aren't a queue's. Where none
 * was ever seen we may be mistaken: half of the ceiling must do.
 */
static bool is_independent(const struct cc *cc, const struct bbr *bbr)
{
	const uint64_t *bytes = bbr->tally_bytes, *lost = bbr->tally_lost_bytes;
	uint64_t few = (uint64_t)CALM_SEGS_MIN * cc->mss, expected, variance;

	if (bytes[0] < few ||
	    lost[0] + lost[1] >
		    with_spread(cc, (bytes[0] + bytes[1]) * bbr->random_loss_percent / 200))
		return false;
	if (bytes[1] < few)
		return true;
	/* One more than was lost: none of a few tells little. Both shares have their chance. */
	expected = muldiv(lost[0] + cc->mss, bytes[1], bytes[0]);
	variance = expected + muldiv(expected, bytes[1], bytes[0]);
	return lost[1] <= expected + 2 * square_root(variance * cc->mss);
}

static uint64_t unseen_noise_of(const struct cc *cc, const struct bbr *bbr, uint64_t flight_bytes)
{
	uint64_t mean;

	if (!bbr->random_loss_percent || !is_independent(cc, bbr))
		return 0;
	mean = muldiv(flight_bytes, bbr->tally_lost_bytes[0], bbr->tally_bytes[0]);
	return with_deviations(cc, MIN(mean, flight_bytes * bbr->random_loss_percent / 200),
			       TALLY_DEVIATIONS);
}

static bool is_noise_known(const struct cc *cc, const struct bbr *bbr)
{
	return bbr->calm_bytes >= (uint64_t)CALM_SEGS_MIN * cc->mss;
}

/* What noise alone may take of a flight. */
static uint64_t noise_of(const struct cc *cc, const struct bbr *bbr, uint64_t flight_bytes)
{
	if (!bbr->sees_queues)
		return unseen_noise_of(cc, bbr, flight_bytes);
	if (!is_noise_known(cc, bbr) || !bbr->calm_lost_bytes || !bbr->random_loss_percent)
		return 0;
	return with_spread(cc, muldiv(flight_bytes, bbr->calm_lost_bytes, bbr->calm_bytes));
}

/* How much longer than the shortest a round trip may be without a queue. */
static uint64_t jitter_ns(const struct cc *cc, const struct bbr *bbr)
{
	uint64_t burst_ns = muldiv(bbr_send_quantum(cc), NS_PER_S, MAX(bbr->bw, 1));

	return MAX(bbr->min_rtt_ns / PEAK_SHARE, MIN(PEAK_BURSTS * burst_ns, bbr->min_rtt_ns / 2));
}

/* A queue says that enough is sent, or that the noise is less than it was. */
uint64_t bbr_to_send(const struct cc *cc, const struct bbr *bbr, uint64_t bytes)
{
	uint64_t most = muldiv(bbr->calm_bytes, bbr->random_loss_percent, 100);

	if (!bbr->sees_queues || !is_noise_known(cc, bbr) ||
	    bbr->rtt_before_ns > bbr->min_rtt_ns + jitter_ns(cc, bbr))
		return bytes;
	return muldiv(bytes, bbr->calm_bytes, bbr->calm_bytes - MIN(bbr->calm_lost_bytes, most));
}

/* Some packets met one: beyond doubt. */
static bool has_met_queue(const struct cc *cc, const struct bbr *bbr)
{
	uint64_t peak_ns = MAX(bbr->rtt_peak_ns[0], bbr->rtt_peak_ns[1]);

	return bbr->min_rtt_ns != BBR_INFINITE && peak_ns > bbr->min_rtt_ns + jitter_ns(cc, bbr);
}

static bool has_queue(const struct cc *cc, const struct bbr *bbr)
{
	uint64_t floor_ns = MIN(bbr->rtt_floor_ns[0], bbr->rtt_floor_ns[1]);

	return has_met_queue(cc, bbr) ||
	       (floor_ns != BBR_INFINITE && bbr->min_rtt_ns != BBR_INFINITE &&
		floor_ns > bbr->min_rtt_ns +
				   MAX(bbr->min_rtt_ns / FLOOR_SHARE, jitter_ns(cc, bbr) / 8));
}

/* No queue, and a path on which one would have shown. */
static bool is_calm(const struct cc *cc, const struct bbr *bbr)
{
	return !has_queue(cc, bbr) && bbr->min_rtt_ns != BBR_INFINITE &&
	       (bbr->min_rtt_ns < SHORT_RTT_NS || jitter_ns(cc, bbr) < bbr->min_rtt_ns / 4);
}

/* A round trip ends: what was lost in it without a queue is noise. */
static void learn_noise(const struct cc *cc, struct bbr *bbr, uint64_t now_ns)
{
	uint64_t lost = bbr->round_lost_bytes;
	uint64_t flight = bbr->delivered - bbr->round_delivered + lost;

	if ((bbr->phase != BBR_PROBE_CRUISE && bbr->phase != BBR_STARTUP) || !is_calm(cc, bbr) ||
	    is_above_ceiling(cc, bbr, lost, flight))
		return;
	/* Startup doubles: what comes with that isn't noise. */
	if (bbr->phase == BBR_STARTUP && is_noise_known(cc, bbr) &&
	    lost > bbr_loss_allowed(cc, bbr, flight))
		return;
	bbr->calm_at_ns = now_ns;
	bbr->calm_bytes += flight;
	bbr->calm_lost_bytes += lost;
	if (bbr->calm_rounds < CALM_ROUNDS_MAX)
		bbr->calm_rounds++;
	if (bbr->calm_rounds < CALM_ROUNDS_MAX ||
	    bbr->calm_bytes < (uint64_t)CALM_SEGS_MAX * cc->mss)
		return;
	bbr->calm_rounds = CALM_ROUNDS_MAX / 2;
	bbr->calm_bytes /= 2;
	bbr->calm_lost_bytes /= 2;
}

/*
 * Shorter than was thought: a queue stood in what was taken for calm. Longer: another path, or a queue that never
 * empties and looks like one. What was learnt then isn't true any more.
 */
void bbr_on_new_min_rtt(struct bbr *bbr, uint64_t min_rtt_ns)
{
	uint64_t before_ns = bbr->min_rtt_ns;
	uint64_t change_ns = MAX(before_ns, min_rtt_ns) - MIN(before_ns, min_rtt_ns);

	if (change_ns <= before_ns / FLOOR_SHARE)
		return;
	bbr->calm_bytes = bbr->calm_lost_bytes = bbr->calm_rounds = 0;
	forget_tally(bbr);
	bbr->queue_seen_ns = 0;
	bbr->sees_queues = false;
}

void bbr_loss_on_ack(const struct cc *cc, struct bbr *bbr, const struct bbr_sample *rs)
{
	if (rs->any_rtt_ns) {
		bbr->rtt_floor_ns[1] = MIN(bbr->rtt_floor_ns[1], rs->any_rtt_ns);
		/* The lower of two in a row: one late ACK is no queue. */
		bbr->rtt_peak_ns[1] =
			MAX(bbr->rtt_peak_ns[1], MIN(rs->any_rtt_ns, bbr->rtt_before_ns));
		bbr->rtt_before_ns = rs->any_rtt_ns;
		bbr->rtt_sum_ns += rs->any_rtt_ns;
		bbr->rtt_count++;
	}
	bbr->tally_bytes[is_long(bbr)] += rs->newly_acked_bytes;
	if (!bbr->round_start)
		return;
	learn_noise(cc, bbr, rs->now_ns);
	end_tally_round(cc, bbr, rs->now_ns);
	if (has_met_queue(cc, bbr))
		bbr->queue_seen_ns = rs->now_ns;
	bbr->sees_queues = bbr->queue_seen_ns && rs->now_ns <= bbr->queue_seen_ns + CALM_AGE_NS;
	/* What was learnt long ago may be the noise of another path. */
	if (rs->now_ns > bbr->calm_at_ns + CALM_AGE_NS)
		bbr->calm_bytes = bbr->calm_lost_bytes = bbr->calm_rounds = 0;
	bbr->round_lost_bytes = 0;
	bbr->round_delivered = bbr->delivered;
	bbr->rtt_peak_ns[0] = bbr->rtt_peak_ns[1];
	bbr->rtt_peak_ns[1] = 0;
	bbr->rtt_floor_ns[0] = bbr->rtt_floor_ns[1];
	bbr->rtt_floor_ns[1] = BBR_INFINITE;
}

/* In Startup: a pipe that carries more than a round trip ago wasn't full. */
static bool is_growing(const struct bbr *bbr)
{
	return bbr->random_loss_percent &&
	       (bbr->full_bw_count == 0 || bbr_max_bw(bbr) >= bbr->full_bw + bbr->full_bw / 4);
}

uint64_t bbr_loss_allowed(const struct cc *cc, const struct bbr *bbr, uint64_t flight_bytes)
{
	uint64_t noise = noise_of(cc, bbr, flight_bytes);

	if (bbr->sees_queues)
		return flight_bytes / 50 + noise;
	/* What Startup sends too fast costs far more than noise has by chance in a few hundred packets. */
	if (bbr->phase == BBR_STARTUP && (noise || is_growing(bbr)))
		return with_spread(cc, flight_bytes * bbr->random_loss_percent / 200);
	return MAX(flight_bytes / 50, noise);
}

bool bbr_is_inflight_too_high(const struct cc *cc, const struct bbr *bbr,
			      const struct bbr_sample *rs)
{
	return rs->is_valid && rs->lost_bytes > bbr_loss_allowed(cc, bbr, rs->tx_in_flight_bytes);
}

bool bbr_is_round_congested(const struct cc *cc, const struct bbr *bbr)
{
	uint64_t lost = bbr->loss_round_lost_bytes, flight = bbr->inflight_latest + lost;

	/* A timeout, a mark, and losses that nobody counted (without SACK) leave no doubt. */
	if (!bbr->random_loss_percent || bbr->is_certain || !lost)
		return true;
	if (!bbr->sees_queues)
		return !is_independent(cc, bbr) || lost > unseen_noise_of(cc, bbr, flight);
	return has_queue(cc, bbr) ? lost > noise_of(cc, bbr, flight)
				  : is_above_ceiling(cc, bbr, lost, flight);
}
