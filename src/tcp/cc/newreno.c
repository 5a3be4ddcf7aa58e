/* SPDX-License-Identifier: MIT */
/*
 * NewReno's window (RFC 5681 section 3.1, with the byte counting of RFC 3465): slow start, congestion
 * avoidance, and a half on loss. Recovery itself (RFC 6582, 6675, 8985) is not here.
 *
 * Slow start grows by what was delivered, without the limit of two segments an ACK: ACKs of
 * super-segments and of stretched delays would otherwise halve its speed, and pacing spreads what
 * a large ACK lets out. HyStart++ (RFC 9406) ends the first slow start before it overshoots.
 *
 * The window grows only while it is in use to the full (RFC 7661), so that cwnd stays near FlightSize
 * and RFC 5681's FlightSize / 2 may be taken of cwnd.
 */
#include "tcp/cc/cc.h"

#include "base/check.h"
#include "tcp/cc/hystart.h"

struct newreno {
	struct hystart hystart;
	uint64_t acked_bytes; /* in congestion avoidance, since the last growth */
};

static void newreno_init(struct cc *cc, void *state, const struct tee_config *config,
			 uint64_t now_ns)
{
	struct newreno *reno = state;

	(void)cc;
	(void)config;
	(void)now_ns;
	hystart_init(&reno->hystart);
	reno->acked_bytes = 0;
}

static void newreno_on_ack(struct cc *cc, void *state, const struct ack_info *info,
			   const struct cc_round *round)
{
	struct newreno *reno = state;
	uint64_t bytes = info->delivered_bytes;

	/* PRR has the window while it is being reduced; duplicate ACKs don't open it (RFC 5681 3.2). */
	if (round->in_recovery || info->cum_acked_bytes == 0)
		return;
	if (cc_in_slow_start(cc))
		bytes = hystart_grow(cc, &reno->hystart, info, round);
	if (!round->is_cwnd_limited || bytes == 0)
		return;
	/* RFC 5681 3.1: one segment a round trip, counted in bytes. */
	reno->acked_bytes += bytes;
	while (reno->acked_bytes >= cc->cwnd_bytes) {
		reno->acked_bytes -= cc->cwnd_bytes;
		cc->cwnd_bytes += cc->mss;
	}
}

static void newreno_on_congestion(struct cc *cc, void *state, enum cc_congestion what,
				  const struct cc_round *round)
{
	struct newreno *reno = state;

	(void)round;
	reno->acked_bytes = 0;
	/* RFC 8511 3.1: a mark comes from a queue that is kept short, so four fifths remain. */
	cc->ssthresh_bytes = what == CC_ECN ? cc->cwnd_bytes / 5 * 4 : cc->cwnd_bytes / 2;
}

static void newreno_on_rto(struct cc *cc, void *state, const struct cc_round *round)
{
	newreno_on_congestion(cc, state, CC_LOSS, round);
}

static void newreno_check(const struct cc *cc, const void *state)
{
	const struct newreno *reno = state;

	(void)cc;
	CHECK(reno->hystart.css_rounds <= HYSTART_CSS_ROUNDS);
}

const struct cc_ops cc_newreno = {
	.name = "newreno",
	.state_bytes = sizeof(struct newreno),
	.init = newreno_init,
	.on_ack = newreno_on_ack,
	.on_congestion = newreno_on_congestion,
	.on_rto = newreno_on_rto,
	.check = newreno_check,
};
_Static_assert(sizeof(struct newreno) <= CC_STATE_INLINE, "no allocation for NewReno");
