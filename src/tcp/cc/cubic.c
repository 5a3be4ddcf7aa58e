/* SPDX-License-Identifier: MIT */
/*
 * CUBIC (RFC 9438).
 *
 * In congestion avoidance the window follows a cubic of the time since the last reduction: fast back towards
 * the size at which the loss happened (w_max), slowly around it, then ever faster beyond. The curve doesn't
 * depend on the RTT. Where Reno would be faster (short RTTs, small windows) the window follows an
 * estimate of Reno's instead (w_est, section 4.3).
 *
 * All in integers: sizes in bytes, times in milliseconds, a cube root by bisection of bits. C is
 * 0.4 segments/s^3, beta 0.7 and 0.85 for an ECN mark (RFC 8511). An epoch is the time between two
 * reductions; what it consists of is kept twice, so that a reduction found to be spurious can be
 * taken back with its epoch (section 4.9). Time in which the application or the receiver is the
 * limit is cut out of the epoch (5.8), else the window would leap when it ends.
 *
 * The reduction takes cwnd, not the flight, as its base, which 4.6 allows where the window doesn't
 * grow unused; and it doesn't (hystart_grow() and below).
 */
#include "tcp/cc/cc.h"

#include "base/check.h"
#include "tcp/cc/hystart.h"
#include "tcp/muldiv.h"

enum {
	K_MAX_MS = 1 << 20,
	MS = 1000000, /* in ns */
};

struct epoch {
	uint64_t start_ns; /* 0: begins with the next ACK in congestion avoidance */
	uint32_t w_max;    /* bytes */
	uint32_t w_est;
	uint32_t cwnd_prior; /* the window at the last reduction */
	uint32_t k_ms;       /* when the curve reaches w_max */
};

struct cubic {
	struct epoch epoch, before; /* `before`: as it was at the last reduction */
	struct hystart hystart;
	uint64_t unused_since_ns; /* the window isn't the limit since then; 0: it is */
	uint32_t fraction;        /* growth below a byte, in 2^-16 */
	uint32_t est_fraction;
};
_Static_assert(sizeof(struct cubic) <= CC_STATE_INLINE, "no allocation for CUBIC");

static void cubic_init(struct cc *cc, void *state, const struct tee_config *config, uint64_t now_ns)
{
	struct cubic *cubic = state;

	(void)cc;
	(void)config;
	(void)now_ns;
	*cubic = (struct cubic){0};
	hystart_init(&cubic->hystart);
}

/* The largest r with r^3 <= value; 21 bits hold it. */
static uint32_t cube_root(uint64_t value)
{
	uint64_t root = 0;

	for (int bit = 21; bit >= 0; bit--) {
		uint64_t guess = root | UINT64_C(1) << bit;

		if (guess * guess <= value / guess)
			root = guess;
	}
	return (uint32_t)root;
}

static uint32_t saturate(uint64_t bytes)
{
	return (uint32_t)MIN(bytes, UINT32_MAX);
}

/* RFC 9438 4.2: K = cbrt((W_max - cwnd_epoch) / C), the windows in segments. */
static void start_epoch(struct cc *cc, struct cubic *cubic, uint64_t now_ns)
{
	struct epoch *epoch = &cubic->epoch;

	epoch->start_ns = MAX(now_ns, 1);
	epoch->w_est = saturate(cc->cwnd_bytes);
	cubic->fraction = cubic->est_fraction = 0;
	cubic->unused_since_ns = 0;
	if (epoch->w_max <= cc->cwnd_bytes) {
		/* No loss known above (4.8, 4.10): the curve starts at its plateau. */
		epoch->w_max = saturate(cc->cwnd_bytes);
		epoch->k_ms = 0;
		return;
	}
	/* In ms^3: 1 / 0.4 * 10^9. */
	epoch->k_ms =
		cube_root(muldiv(epoch->w_max - cc->cwnd_bytes, UINT64_C(2500000000), cc->mss));
	epoch->k_ms = MIN(epoch->k_ms, (uint32_t)K_MAX_MS);
}

/* Figure 1: W_cubic(t) = C * (t - K)^3 + W_max. */
static uint64_t w_cubic(const struct cc *cc, const struct epoch *epoch, uint64_t at_ns)
{
	uint64_t t_ms = (at_ns - epoch->start_ns) / MS;
	bool is_before = t_ms < epoch->k_ms;
	uint64_t delta_ms = is_before ? epoch->k_ms - t_ms : t_ms - epoch->k_ms;
	uint64_t offset;

	delta_ms = MIN(delta_ms, (uint64_t)K_MAX_MS);
	offset =
		muldiv(delta_ms * delta_ms * delta_ms, 2 * (uint64_t)cc->mss, UINT64_C(5000000000));
	if (!is_before)
		return epoch->w_max + offset;
	return epoch->w_max > offset ? epoch->w_max - offset : 0;
}

/* Adds bytes * num / den to *value, carrying what is below a byte in *fraction. */
static uint64_t add_scaled(uint64_t value, uint32_t *fraction, uint64_t bytes, uint64_t num,
			   uint64_t den)
{
	uint64_t scaled = muldiv(bytes << 16, num, den) + *fraction;

	*fraction = scaled & 0xffff;
	return value + (scaled >> 16);
}

/* 4.3: what Reno's window would be, with an increase that makes up for the gentler decrease. */
static void grow_reno_estimate(struct cc *cc, struct cubic *cubic, uint64_t bytes)
{
	struct epoch *epoch = &cubic->epoch;
	/* alpha = 3 * (1 - beta) / (1 + beta) = 9/17, and 1 from the last reduction's window on. */
	bool is_beyond = epoch->w_est >= epoch->cwnd_prior;
	uint64_t num = is_beyond ? cc->mss : 9 * (uint64_t)cc->mss;
	uint64_t den = is_beyond ? cc->cwnd_bytes : 17 * cc->cwnd_bytes;

	epoch->w_est = saturate(add_scaled(epoch->w_est, &cubic->est_fraction, bytes, num, den));
}

static void avoid_congestion(struct cc *cc, struct cubic *cubic, uint64_t bytes,
			     const struct cc_round *round)
{
	struct epoch *epoch = &cubic->epoch;
	uint64_t target;

	if (epoch->start_ns == 0)
		start_epoch(cc, cubic, round->now_ns);
	grow_reno_estimate(cc, cubic, bytes);
	/* 4.2: the target is where the curve will be one round trip from now, within 1 to 1.5 cwnd. */
	target = w_cubic(cc, epoch, round->now_ns + round->srtt_ns);
	target = MIN(target, cc->cwnd_bytes + cc->cwnd_bytes / 2);
	if (target > cc->cwnd_bytes)
		cc->cwnd_bytes = add_scaled(cc->cwnd_bytes, &cubic->fraction, bytes,
					    target - cc->cwnd_bytes, cc->cwnd_bytes);
	/* 4.3: where the curve lies below Reno's line, Reno's line counts. */
	if (w_cubic(cc, epoch, round->now_ns) < epoch->w_est)
		cc->cwnd_bytes = MAX(cc->cwnd_bytes, epoch->w_est);
}

/* 5.8: while something else is the limit, the epoch's clock stands. */
static bool is_window_used(struct cubic *cubic, const struct cc_round *round)
{
	if (!round->is_cwnd_limited) {
		if (cubic->unused_since_ns == 0)
			cubic->unused_since_ns = round->now_ns;
		return false;
	}
	if (cubic->unused_since_ns && cubic->epoch.start_ns)
		cubic->epoch.start_ns += round->now_ns - cubic->unused_since_ns;
	cubic->unused_since_ns = 0;
	return true;
}

static void cubic_on_ack(struct cc *cc, void *state, const struct ack_info *info,
			 const struct cc_round *round)
{
	struct cubic *cubic = state;
	uint64_t bytes = info->delivered_bytes;

	if (round->in_recovery || info->cum_acked_bytes == 0)
		return;
	if (cc_in_slow_start(cc))
		bytes = hystart_grow(cc, &cubic->hystart, info, round);
	if (is_window_used(cubic, round) && bytes > 0)
		avoid_congestion(cc, cubic, bytes, round);
}

static void cubic_on_congestion(struct cc *cc, void *state, enum cc_congestion what,
				const struct cc_round *round)
{
	struct cubic *cubic = state;
	struct epoch *epoch = &cubic->epoch;
	uint32_t cwnd = saturate(cc->cwnd_bytes);

	(void)round;
	cubic->before = *epoch;
	/* 4.7, fast convergence: below the last loss's window, room is made for others. */
	epoch->w_max = cwnd < epoch->w_max ? (uint32_t)((uint64_t)cwnd * 17 / 20) : cwnd;
	epoch->cwnd_prior = cwnd;
	epoch->start_ns = 0;
	cubic->unused_since_ns = 0;
	/* 4.6; RFC 8511 for ECN. */
	cc->ssthresh_bytes = what == CC_ECN ? cc->cwnd_bytes * 17 / 20 : cc->cwnd_bytes * 7 / 10;
}

static void cubic_on_rto(struct cc *cc, void *state, const struct cc_round *round)
{
	struct cubic *cubic = state;

	cubic_on_congestion(cc, state, CC_LOSS, round);
	/* 4.8: after a timeout, K is 0 and W_max the window at which congestion avoidance begins. */
	cubic->epoch.w_max = 0;
}

/* 4.9: a spurious reduction is taken back with all that belongs to it. */
static void cubic_on_undo(struct cc *cc, void *state, const struct cc_round *round)
{
	struct cubic *cubic = state;

	(void)cc;
	(void)round;
	cubic->epoch = cubic->before;
}

static void cubic_on_idle(struct cc *cc, void *state, uint64_t idle_ns,
			  const struct cc_round *round)
{
	struct cubic *cubic = state;

	(void)cc;
	(void)round;
	if (cubic->unused_since_ns == 0 && cubic->epoch.start_ns)
		cubic->epoch.start_ns += idle_ns;
}

static void cubic_check(const struct cc *cc, const void *state)
{
	const struct cubic *cubic = state;

	(void)cc;
	CHECK(cubic->epoch.k_ms <= K_MAX_MS && cubic->before.k_ms <= K_MAX_MS);
	CHECK(cubic->fraction <= 0xffff && cubic->est_fraction <= 0xffff);
	CHECK(cubic->hystart.css_rounds <= HYSTART_CSS_ROUNDS);
}

const struct cc_ops cc_cubic = {
	.name = "cubic",
	.state_bytes = sizeof(struct cubic),
	.init = cubic_init,
	.on_ack = cubic_on_ack,
	.on_congestion = cubic_on_congestion,
	.on_rto = cubic_on_rto,
	.on_undo = cubic_on_undo,
	.on_idle = cubic_on_idle,
	.check = cubic_check,
};
