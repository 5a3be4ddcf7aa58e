/* SPDX-License-Identifier: MIT */
/*
 * A hostile peer's ACKs: any SACK blocks at any place, through sack_apply(), RACK, RFC 6675's rule, PRR and
 * the controllers, while data is sent and sent again. Whatever comes, nothing is delivered twice, the
 * sums agree, no block outside the window marks anything, windows keep their floor, and time never runs
 * backwards.
 */
#include <stdlib.h>
#include <string.h>
#include "base/check.h"
#include "tcp/cc/cc.h"
#include "tcp/cc/pacer.h"
#include "tcp/loss/prr.h"
#include "tcp/loss/rack.h"
#include "tcp/loss/rate.h"
#include "tcp/loss/rto.h"
#include "tcp/loss/sack.h"

enum { MSS = 1000, OPS_MAX = 500, WINDOW_SEGS = 64 };
#define START (UINT64_C(0xffffffff) - 40000)

struct input {
	const uint8_t *data;
	size_t left;
};

struct sender {
	struct sendmap map;
	struct rack rack;
	struct rate rate;
	struct rto rto;
	struct prr prr;
	struct cc cc;
	struct pacer pacer;
	uint64_t now_ns, delivered_bytes;
	bool in_recovery, has_rack;
	uint64_t recover;
};

static const struct rto_limits limits = {1000000000, 200000000, 120000000000};

static unsigned take(struct input *in)
{
	if (in->left == 0)
		return 0;
	in->left--;
	return *in->data++;
}

/* Anywhere from well below una to well above nxt, mostly at segment boundaries. */
static int64_t take_offset(const struct sender *s, struct input *in)
{
	unsigned where = take(in), fine = take(in);
	int64_t off = (int64_t)s->map.una + ((int64_t)where - 64) * (MSS / 2);

	return fine & 1 ? off + fine : off;
}

static struct rack_args args_of(const struct sender *s)
{
	return (struct rack_args){
		.now_ns = s->now_ns,
		.srtt_ns = s->rto.srtt_ns,
		.min_rtt_ns = rto_min_rtt_ns(&s->rto),
		.mss = MSS,
		.dupack_threshold = 3,
		.in_recovery = s->in_recovery,
		.snd_nxt = s->map.nxt,
	};
}

static struct cc_round round_of(const struct sender *s)
{
	return (struct cc_round){
		.now_ns = s->now_ns,
		.srtt_ns = s->rto.srtt_ns,
		.min_rtt_ns = rto_min_rtt_ns(&s->rto),
		.pipe_bytes = sendmap_pipe_bytes(&s->map),
		.una = s->map.una,
		.nxt = s->map.nxt,
		.delivered_total_bytes = s->rate.delivered_bytes,
		.is_cwnd_limited = true,
		.in_recovery = s->in_recovery,
	};
}

static void send_op(struct sender *s, struct input *in)
{
	uint64_t len = 1 + (take(in) << 8 | take(in)) % (5 * MSS);
	uint64_t pipe = sendmap_pipe_bytes(&s->map);
	struct send_record *record = sendmap_next_lost(&s->map);

	if (record) {
		record = sendmap_resent(&s->map, record, MIN(len, record->end - record->start),
					s->now_ns);
	} else {
		if (s->map.nxt + len - s->map.una > WINDOW_SEGS * MSS)
			return;
		record = sendmap_sent(&s->map, s->map.nxt + len, MSS, 0, s->now_ns);
	}
	CHECK(record);
	rate_on_sent(&s->rate, record, pipe, s->now_ns);
	prr_on_sent(&s->prr, record->end - record->start);
	pacer_on_sent(&s->pacer, record->end - record->start, s->now_ns);
}

static uint64_t detect_loss(struct sender *s, uint64_t *ret_timeout_ns)
{
	struct rack_args args = args_of(s);

	*ret_timeout_ns = 0;
	if (s->has_rack)
		return rack_detect_loss(&s->rack, &s->map, &args, ret_timeout_ns);
	return sack_mark_lost(&s->map, 3, MSS);
}

static void react(struct sender *s, struct ack_info *info)
{
	struct cc_round round = round_of(s);

	if (s->in_recovery && s->map.una >= s->recover) {
		s->in_recovery = false;
		rack_on_recovery_exit(&s->rack);
		cc_on_recovery_exit(&s->cc, &round);
	} else if (!s->in_recovery && s->map.lost_bytes) {
		s->in_recovery = true;
		s->recover = s->map.nxt;
		cc_on_congestion(&s->cc, CC_LOSS, &round);
		prr_start(&s->prr, s->map.nxt - s->map.una, 0);
	}
	round = round_of(s);
	cc_on_ack(&s->cc, info, &round);
	if (s->in_recovery && !s->cc.ops->owns_recovery && info->delivered_bytes) {
		s->cc.cwnd_bytes = prr_on_ack(&s->prr, info->delivered_bytes, round.pipe_bytes,
					      s->cc.ssthresh_bytes, info->cum_acked_bytes > 0, MSS);
		s->cc.cwnd_bytes = MAX(s->cc.cwnd_bytes, MSS);
	}
	pacer_update(&s->pacer, s->cc.pacing_rate, s->cc.cwnd_bytes, s->rto.srtt_ns, 0);
	cc_check(&s->cc);
}

static void ack_op(struct sender *s, struct input *in)
{
	struct ack_info info = {
		.now_ns = s->now_ns,
		.una_before = s->map.una,
		.una_after = s->map.una,
		.nxt = s->map.nxt,
		.prior_highest_sacked = s->map.highest_sacked,
		.reordered_from = UINT64_MAX,
	};
	struct sack_range blocks[5];
	unsigned count = take(in) % 6;
	uint64_t sacked = s->map.sacked_bytes, flight = s->map.nxt - s->map.una, timeout_ns;
	int64_t ack = (int64_t)s->map.una;
	unsigned advance = take(in);
	struct rack_args args;

	if (advance & 1 && flight)
		ack += (int64_t)(1 + (uint64_t)advance * MSS / 2 % flight);
	for (unsigned i = 0; i < count && i < 5; i++) {
		blocks[i].start = take_offset(s, in);
		blocks[i].end = blocks[i].start + (int64_t)(take(in) * 100) - 500;
	}
	sack_apply(&s->map, blocks, MIN(count, 5u), ack, s->map.una > 5000 ? s->map.una - 5000 : 0,
		   &info);
	CHECK(s->map.sacked_bytes == sacked + info.sacked_bytes);
	CHECK(!info.has_dsack ||
	      (info.dsack_start < info.dsack_end && info.dsack_end <= s->map.nxt));
	if (ack > (int64_t)s->map.una)
		sendmap_ack(&s->map, (uint64_t)ack, &info);
	CHECK(info.delivered_bytes == info.acked_bytes + info.sacked_bytes);
	CHECK(info.delivered_bytes <= flight);
	s->delivered_bytes += info.delivered_bytes;
	/* All that was ever delivered is what lies below una and what is SACKED above. */
	CHECK(s->delivered_bytes == s->map.una - START + s->map.sacked_bytes);
	if (info.first_acked_sent_at_ns)
		info.rtt_ns = s->now_ns - info.first_acked_sent_at_ns;
	if (info.rtt_ns)
		rto_sample(&s->rto, info.rtt_ns, s->map.una, s->map.nxt, s->now_ns, &limits);
	args = args_of(s);
	rack_on_ack(&s->rack, &info, &args);
	CHECK(s->rack.xmit_at_ns <= s->now_ns && s->rack.end <= s->map.nxt);
	info.lost_bytes = detect_loss(s, &timeout_ns);
	s->rate.lost_bytes += info.lost_bytes;
	tlp_on_ack(&s->rack, &info, count == 0);
	rate_on_ack(&s->rate, &info, rto_min_rtt_ns(&s->rto));
	CHECK(s->rate.delivered_bytes == s->delivered_bytes);
	react(s, &info);
}

static void timer_op(struct sender *s, struct input *in)
{
	struct rack_args args = args_of(s);
	struct cc_round round = round_of(s);
	uint64_t timeout_ns;

	if (take(in) < 128) {
		s->rate.lost_bytes += detect_loss(s, &timeout_ns);
		CHECK(timeout_ns <= s->rack.rtt_ns + rack_reo_wnd_ns(&s->rack, &s->map, &args));
		return;
	}
	s->rate.lost_bytes += rack_mark_on_rto(&s->rack, &s->map, &args);
	cc_on_rto(&s->cc, s->rto.backoff == 0, &round);
	rto_back_off(&s->rto);
	CHECK(rto_ns(&s->rto, &limits) <= limits.max_ns);
	CHECK(sendmap_is_empty(&s->map) || s->map.lost_bytes || s->map.sacked_bytes);
	if (take(in) < 64) {
		sendmap_clear_lost(&s->map);
		cc_on_undo(&s->cc, &round);
	}
	cc_check(&s->cc);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sender *s = calloc(1, sizeof(*s));
	struct input in = {data, size};
	unsigned kind = take(&in);
	struct tee_config config;

	CHECK(s);
	s->now_ns = 1000000;
	s->has_rack = kind & 1;
	sendmap_init(&s->map, START);
	rack_init(&s->rack);
	rate_init(&s->rate, s->now_ns);
	rto_init(&s->rto, &limits);
	prr_start(&s->prr, 10 * MSS, 0);
	pacer_init(&s->pacer);
	tee_config_init(&config);
	CHECK(cc_init(&s->cc, cc_find(cc_name((kind >> 1) % 3)), MSS, 10, &config, s->now_ns) == 0);
	for (unsigned ops = 0; in.left > 0 && ops < OPS_MAX; ops++) {
		unsigned op = take(&in);

		s->now_ns += (op & 15) * (op & 15) * UINT64_C(50000);
		if (op < 110)
			send_op(s, &in);
		else if (op < 235)
			ack_op(s, &in);
		else
			timer_op(s, &in);
		sendmap_check(&s->map);
	}
	sendmap_fini(&s->map);
	cc_fini(&s->cc);
	free(s);
	return 0;
}
