/* SPDX-License-Identifier: MIT */
/*
 * RTT estimation and the retransmission timeout (RFC 6298), and the windowed minimum RTT.
 *
 * RFC 6298 has RTO = SRTT + max(G, 4 * RTTVAR), at least a second. We keep to it with two
 * refinements that years of deployment have shown to be needed once an RTT is sampled on every ACK
 * and the floor is a fifth of a second:
 *
 *   - The floor is put under the margin, not under the sum: RTO = SRTT + max(4 * RTTVAR, min). A path
 *     of 300 ms with little jitter would otherwise time out on every delayed ACK.
 *   - The margin follows a rise of 4 * RTTVAR at once, but sinks only once a round trip, by a quarter
 *     of the way to the largest value of that round. Many samples of one round trip say much the
 *     same and would drive it down within that round.
 *   - A sample far below SRTT (the path became faster) moves RTTVAR at an eighth of its weight: the RTO
 *     must not rise because things got better.
 *
 * Karn's rule (MUST-18) is the caller's: no sample of retransmitted data without timestamps. The
 * back-off (RFC 6298 5.5, MUST-19) doubles what rto_ns() says until a new sample comes.
 *
 * The minimum RTT over 300 s is kept as the best three of ever younger sub-windows. What came out of order
 * doesn't count: a packet that overtook others took less time than the path does, and RACK's reordering window
 * is a share of the minimum, so that reordering would make blind for reordering.
 */
#include "tcp/loss/rto.h"

#include <string.h>
#include "base/check.h"

#define MIN_RTT_WINDOW_NS (UINT64_C(300) * 1000000000u)

static uint64_t clamp(uint64_t value, uint64_t low, uint64_t high)
{
	return value < low ? low : value > high ? high : value;
}

void rto_init(struct rto *rto, const struct rto_limits *limits)
{
	memset(rto, 0, sizeof(*rto));
	/* RFC 6298 2.1. */
	rto->base_ns = clamp(limits->initial_ns, limits->min_ns, limits->max_ns);
}

static void first_sample(struct rto *rto, uint64_t rtt_ns, uint64_t nxt, uint64_t min_ns)
{
	/* RFC 6298 2.2: SRTT <- R, RTTVAR <- R/2. */
	rto->srtt_ns = rtt_ns;
	rto->rttvar_ns = rtt_ns / 2;
	rto->margin_ns = MAX(4 * rto->rttvar_ns, min_ns);
	rto->mdev_max_ns = rto->margin_ns;
	rto->round_end = nxt;
}

static void next_sample(struct rto *rto, uint64_t rtt_ns, uint64_t una, uint64_t nxt,
			uint64_t min_ns)
{
	bool is_faster = rtt_ns < rto->srtt_ns;
	uint64_t error_ns = is_faster ? rto->srtt_ns - rtt_ns : rtt_ns - rto->srtt_ns;

	/* RFC 6298 2.3: RTTVAR before SRTT, with beta 1/4 and alpha 1/8. */
	if (error_ns >= rto->rttvar_ns)
		rto->rttvar_ns += (error_ns - rto->rttvar_ns) / (is_faster ? 32 : 4);
	else
		rto->rttvar_ns -= (rto->rttvar_ns - error_ns) / 4;
	if (is_faster)
		rto->srtt_ns -= error_ns / 8;
	else
		rto->srtt_ns += error_ns / 8;
	if (4 * rto->rttvar_ns > rto->mdev_max_ns) {
		rto->mdev_max_ns = 4 * rto->rttvar_ns;
		rto->margin_ns = MAX(rto->margin_ns, rto->mdev_max_ns);
	}
	if (una > rto->round_end) {
		if (rto->mdev_max_ns < rto->margin_ns)
			rto->margin_ns -= (rto->margin_ns - rto->mdev_max_ns) / 4;
		rto->round_end = nxt;
		rto->mdev_max_ns = min_ns;
	}
}

static void min_set(struct rto *rto, unsigned from, uint64_t rtt_ns, uint64_t now_ns)
{
	for (unsigned i = from; i < 3; i++) {
		rto->min[i].rtt_ns = rtt_ns;
		rto->min[i].at_ns = now_ns;
	}
}

/*
 * min[0] is the best of the window, min[1] the best since min[0] was taken, min[2] since min[1]. When
 * the best one leaves the window, the next moves up; and a slot whose heir is still itself gives way to
 * fresh samples after a quarter and a half of the window, so that there is always a young heir.
 */
static void min_update(struct rto *rto, uint64_t rtt_ns, uint64_t now_ns)
{
	uint64_t age_ns = now_ns - rto->min[0].at_ns;

	if (!rto->min[0].rtt_ns || rtt_ns <= rto->min[0].rtt_ns ||
	    now_ns - rto->min[2].at_ns > MIN_RTT_WINDOW_NS) {
		min_set(rto, 0, rtt_ns, now_ns);
		return;
	}
	if (rtt_ns <= rto->min[1].rtt_ns)
		min_set(rto, 1, rtt_ns, now_ns);
	else if (rtt_ns <= rto->min[2].rtt_ns)
		min_set(rto, 2, rtt_ns, now_ns);

	if (age_ns > MIN_RTT_WINDOW_NS) {
		for (int moves = 0; moves < 2 && now_ns - rto->min[0].at_ns > MIN_RTT_WINDOW_NS;
		     moves++) {
			rto->min[0] = rto->min[1];
			rto->min[1] = rto->min[2];
			min_set(rto, 2, rtt_ns, now_ns);
		}
	} else if (rto->min[1].at_ns == rto->min[0].at_ns && age_ns > MIN_RTT_WINDOW_NS / 4) {
		min_set(rto, 1, rtt_ns, now_ns);
	} else if (rto->min[2].at_ns == rto->min[1].at_ns && age_ns > MIN_RTT_WINDOW_NS / 2) {
		min_set(rto, 2, rtt_ns, now_ns);
	}
}

/* Longer than the longest RTO it is no round trip but a clock that leapt; 0 means "no sample yet". */
static uint64_t credible(uint64_t rtt_ns, const struct rto_limits *limits)
{
	return MAX(MIN(rtt_ns, limits->max_ns), 1);
}

void rto_sample_sacked(struct rto *rto, uint64_t rtt_ns, uint64_t una, uint64_t nxt,
		       uint64_t now_ns, const struct rto_limits *limits)
{
	rtt_ns = credible(rtt_ns, limits);
	if (rto->srtt_ns == 0)
		first_sample(rto, rtt_ns, nxt, limits->min_ns);
	else
		next_sample(rto, rtt_ns, una, nxt, limits->min_ns);
	rto->srtt_ns = MAX(rto->srtt_ns, 1);
	rto->base_ns = clamp(rto->srtt_ns + MAX(rto->margin_ns, limits->min_ns), limits->min_ns,
			     limits->max_ns);
	rto->backoff = 0;
	if (!rto->min[0].rtt_ns)
		min_update(rto, rtt_ns, now_ns);
}

void rto_sample(struct rto *rto, uint64_t rtt_ns, uint64_t una, uint64_t nxt, uint64_t now_ns,
		const struct rto_limits *limits)
{
	rto_sample_sacked(rto, rtt_ns, una, nxt, now_ns, limits);
	min_update(rto, credible(rtt_ns, limits), now_ns);
}

uint64_t rto_ns(const struct rto *rto, const struct rto_limits *limits)
{
	uint64_t timeout_ns = clamp(rto->base_ns, limits->min_ns, limits->max_ns);

	for (uint32_t i = 0; i < rto->backoff && timeout_ns < limits->max_ns; i++)
		timeout_ns = timeout_ns > limits->max_ns / 2 ? limits->max_ns : 2 * timeout_ns;
	return timeout_ns;
}

void rto_back_off(struct rto *rto)
{
	if (rto->backoff < UINT32_MAX)
		rto->backoff++;
}

void rto_reset_backoff(struct rto *rto)
{
	rto->backoff = 0;
}

uint64_t rto_min_rtt_ns(const struct rto *rto)
{
	return rto->min[0].rtt_ns;
}
