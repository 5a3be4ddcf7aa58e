/* SPDX-License-Identifier: MIT */
/*
 * The table of congestion controllers, and what is the same for all of them: the initial window (RFC
 * 6928), the window after a timeout (RFC 5681 3.1), undo (RFC 4015), the restart after idle time
 * (RFC 5681 4.1, RFC 7661 4.4.2), limits.
 *
 * Recovery decides when something is congestion; a controller says what ssthresh becomes and how the window
 * grows. A controller's state is inside struct cc as long as it is small, and on the heap otherwise;
 * nobody but cc_state() has to know.
 *
 * A controller whose model replaces the window arithmetic (`owns_recovery`, BBR) is told of timeouts, idle
 * time and undo like the others, but sets cwnd by itself.
 */
#include "tcp/cc/cc.h"

#include <stdlib.h>
#include <string.h>
#include <teeceepee/types.h>
#include "base/check.h"

/* No window can be used beyond the largest receive window, 2^30 bytes (RFC 7323 2.3). */
#define CWND_MAX_BYTES (UINT64_C(1) << 31)

static const struct cc_ops *const controllers[] = {
	&cc_cubic,
	&cc_newreno,
	&cc_bbr,
};

const struct cc_ops *cc_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(controllers); i++)
		if (strcmp(controllers[i]->name, name) == 0)
			return controllers[i];
	/* The name that other systems have for NewReno. */
	return strcmp(name, "reno") == 0 ? &cc_newreno : NULL;
}

const char *cc_name(unsigned idx)
{
	return idx < ARRAY_LEN(controllers) ? controllers[idx]->name : NULL;
}

void *cc_state(struct cc *cc)
{
	return cc->is_state_external ? cc->state.external : cc->state.inline_state;
}

/* Gives the controller zeroed memory of its own. */
static int state_new(struct cc *cc, const struct cc_ops *ops)
{
	void *external = NULL;

	if (ops->state_bytes > CC_STATE_INLINE) {
		external = calloc(1, ops->state_bytes);
		if (!external)
			return -TEE_ENOMEM;
	}
	if (cc->is_state_external)
		free(cc->state.external);
	memset(&cc->state, 0, sizeof(cc->state));
	cc->is_state_external = external != NULL;
	if (external)
		cc->state.external = external;
	cc->ops = ops;
	cc->pacing_rate = 0;
	return 0;
}

/* RFC 6928 section 2 for ten segments; another count is taken as configured. */
static uint32_t initial_window(uint32_t mss, uint32_t segs)
{
	uint64_t bytes = (uint64_t)segs * mss;

	if (segs == 10)
		bytes = MIN(bytes, MAX(2 * (uint64_t)mss, 14600));
	return (uint32_t)MIN(MAX(bytes, mss), CWND_MAX_BYTES);
}

int cc_init(struct cc *cc, const struct cc_ops *ops, uint32_t mss, uint32_t initial_segs,
	    const struct tee_config *config, uint64_t now_ns)
{
	int result;

	CHECK(mss > 0);
	memset(cc, 0, sizeof(*cc));
	result = state_new(cc, ops);
	if (result < 0)
		return result;
	cc->mss = mss;
	cc->hystart = config->tcp_hystart;
	cc->initial_cwnd_bytes = initial_window(mss, initial_segs);
	cc->cwnd_bytes = cc->initial_cwnd_bytes;
	cc->ssthresh_bytes = CC_SSTHRESH_INFINITE;
	ops->init(cc, cc_state(cc), config, now_ns);
	return 0;
}

void cc_fini(struct cc *cc)
{
	if (cc->is_state_external)
		free(cc->state.external);
	memset(cc, 0, sizeof(*cc));
}

int cc_switch(struct cc *cc, const struct cc_ops *ops, const struct tee_config *config,
	      uint64_t now_ns)
{
	int result;

	if (cc->ops == ops)
		return 0;
	result = state_new(cc, ops);
	if (result < 0)
		return result;
	ops->init(cc, cc_state(cc), config, now_ns);
	return 0;
}

void cc_set_mss(struct cc *cc, uint32_t mss)
{
	CHECK(mss > 0);
	cc->mss = mss;
	cc->cwnd_bytes = MAX(cc->cwnd_bytes, mss);
	if (cc->ssthresh_bytes != CC_SSTHRESH_INFINITE)
		cc->ssthresh_bytes = MAX(cc->ssthresh_bytes, 2 * (uint64_t)mss);
}

static void clamp(struct cc *cc)
{
	cc->cwnd_bytes = MIN(MAX(cc->cwnd_bytes, cc->mss), CWND_MAX_BYTES);
	/* RFC 5681 3.1, equation (4): not below two segments. */
	cc->ssthresh_bytes = MAX(cc->ssthresh_bytes, 2 * (uint64_t)cc->mss);
}

void cc_on_ack(struct cc *cc, const struct ack_info *info, const struct cc_round *round)
{
	if (info->delivered_bytes == 0)
		return;
	cc->ops->on_ack(cc, cc_state(cc), info, round);
	clamp(cc);
}

static void save_prior(struct cc *cc)
{
	cc->prior_cwnd_bytes = cc->cwnd_bytes;
	cc->prior_ssthresh_bytes = cc->ssthresh_bytes;
}

void cc_on_congestion(struct cc *cc, enum cc_congestion what, const struct cc_round *round)
{
	save_prior(cc);
	cc->ops->on_congestion(cc, cc_state(cc), what, round);
	clamp(cc);
}

void cc_on_rto(struct cc *cc, bool first, const struct cc_round *round)
{
	if (first) {
		save_prior(cc);
		cc->ops->on_rto(cc, cc_state(cc), round);
	}
	/* RFC 5681 3.1: after a timeout, the loss window of one segment. */
	cc->cwnd_bytes = cc->mss;
	clamp(cc);
}

void cc_on_recovery_exit(struct cc *cc, const struct cc_round *round)
{
	if (cc->ops->on_recovery_exit)
		cc->ops->on_recovery_exit(cc, cc_state(cc), round);
	clamp(cc);
}

void cc_on_undo(struct cc *cc, const struct cc_round *round)
{
	if (!cc->prior_cwnd_bytes)
		return;
	cc->cwnd_bytes = MAX(cc->cwnd_bytes, cc->prior_cwnd_bytes);
	cc->ssthresh_bytes = MAX(cc->ssthresh_bytes, cc->prior_ssthresh_bytes);
	if (cc->ops->on_undo)
		cc->ops->on_undo(cc, cc_state(cc), round);
	cc->prior_cwnd_bytes = cc->prior_ssthresh_bytes = 0;
	clamp(cc);
}

void cc_on_idle(struct cc *cc, uint64_t idle_ns, uint64_t rto_ns, const struct cc_round *round)
{
	/*
	 * RFC 5681 4.1: SHOULD restart with no more than the initial window. RFC 7661 4.4.2: what was learnt of
	 * the path is kept as ssthresh, so that slow start leads back there.
	 */
	if (idle_ns > rto_ns && !cc->ops->owns_recovery &&
	    cc->cwnd_bytes > cc->initial_cwnd_bytes) {
		if (cc->ssthresh_bytes != CC_SSTHRESH_INFINITE)
			cc->ssthresh_bytes = MAX(cc->ssthresh_bytes, cc->cwnd_bytes / 4 * 3);
		cc->cwnd_bytes = cc->initial_cwnd_bytes;
	}
	if (cc->ops->on_idle)
		cc->ops->on_idle(cc, cc_state(cc), idle_ns, round);
	clamp(cc);
}

void cc_on_sent(struct cc *cc, uint64_t bytes, const struct cc_round *round)
{
	if (cc->ops->on_sent)
		cc->ops->on_sent(cc, cc_state(cc), bytes, round);
}

void cc_on_lost(struct cc *cc, const struct cc_lost *lost, const struct cc_round *round)
{
	if (cc->ops->on_lost)
		cc->ops->on_lost(cc, cc_state(cc), lost, round);
}

void cc_check(const struct cc *cc)
{
	CHECK(cc->ops && cc->mss > 0);
	CHECK(cc->cwnd_bytes >= cc->mss && cc->cwnd_bytes <= MAX(CWND_MAX_BYTES, cc->mss));
	CHECK(cc->ssthresh_bytes >= 2 * (uint64_t)cc->mss);
	CHECK(cc->is_state_external == (cc->ops->state_bytes > CC_STATE_INLINE));
	if (cc->ops->check)
		cc->ops->check(cc,
			       cc->is_state_external ? cc->state.external : cc->state.inline_state);
}
