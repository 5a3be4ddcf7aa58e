/* SPDX-License-Identifier: MIT */
/*
 * The send map beside a model of it that has no trees, lists or sums: a flat array of records, searched from
 * its start for every question. The input is a program of operations (send, send again, SACK, ACK, mark
 * lost, timeout, undo, renege); after each both must agree, byte by byte.
 */
#include <stdlib.h>
#include <string.h>
#include "base/check.h"
#include "tcp/loss/sendmap.h"

enum { RECORDS_MAX = 1024, WINDOW_MAX = 40000, OPS_MAX = 600, MSS = 100 };
/* Just below the wrap of the low 32 bits. */
#define START (UINT64_C(0xffffffff) - 5000)

struct flat {
	uint64_t start, end, sent_at_ns;
	uint32_t mss, segs;
	unsigned flags, xmit_count;
};

struct model {
	struct flat records[RECORDS_MAX];
	unsigned count;
	uint64_t una, nxt;
};

struct input {
	const uint8_t *data;
	size_t left;
};

static unsigned take(struct input *in)
{
	if (in->left == 0)
		return 0;
	in->left--;
	return *in->data++;
}

static uint64_t take_wide(struct input *in)
{
	unsigned high = take(in);

	return high << 8 | take(in);
}

static uint32_t segs_of(const struct flat *flat)
{
	return (uint32_t)((flat->end - flat->start + flat->mss - 1) / flat->mss);
}

/* ---- the model ---- */

static bool is_waiting(const struct flat *flat)
{
	return (flat->flags & (SENT_LOST | SENT_RETRANS)) == SENT_LOST;
}

static void model_remove(struct model *model, unsigned idx)
{
	memmove(&model->records[idx], &model->records[idx + 1],
		(model->count - idx - 1) * sizeof(model->records[0]));
	model->count--;
}

static void model_split(struct model *model, unsigned idx, uint64_t at)
{
	struct flat *left = &model->records[idx];

	if (at <= left->start || at >= left->end)
		return;
	CHECK(model->count < RECORDS_MAX);
	memmove(left + 1, left, (model->count - idx) * sizeof(*left));
	model->count++;
	left[1].start = at;
	left[0].end = at;
	left[0].flags &= ~(unsigned)SENT_FIN;
	left[0].segs = segs_of(&left[0]);
	left[1].segs = segs_of(&left[1]);
}

static void model_deliver(const struct flat *flat, uint64_t end, uint32_t segs,
			  struct ack_info *info)
{
	bool is_retrans = flat->flags & SENT_EVER_RETRANS;

	info->delivered_bytes += end - flat->start;
	info->delivered_segs += segs;
	if (info->rack_end == 0 || flat->sent_at_ns > info->rack_sent_at_ns ||
	    (flat->sent_at_ns == info->rack_sent_at_ns && end > info->rack_end)) {
		info->rack_sent_at_ns = flat->sent_at_ns;
		info->rack_end = end;
		info->rack_is_retrans = is_retrans;
	}
	if (is_retrans) {
		info->acked_retrans = true;
		return;
	}
	info->highest_acked_unretrans_end = MAX(info->highest_acked_unretrans_end, end);
	if (flat->start < info->prior_highest_sacked) {
		info->reordered_from = MIN(info->reordered_from, flat->start);
		info->sacked_never_retrans = true;
	}
}

static void model_rtt(const struct flat *flat, uint64_t *first_ns, uint64_t *last_ns)
{
	if (flat->flags & SENT_EVER_RETRANS)
		return;
	if (*first_ns == 0)
		*first_ns = flat->sent_at_ns;
	*last_ns = flat->sent_at_ns;
}

static void model_ack(struct model *model, uint64_t una, struct ack_info *info)
{
	bool has_retrans = false;

	info->cum_acked_bytes += una - model->una;
	info->una_after = una;
	for (unsigned i = 0; i < model->count && model->records[i].start < una;) {
		struct flat *flat = &model->records[i];
		uint64_t end = MIN(flat->end, una);
		struct flat rest = *flat;
		uint32_t left;

		rest.start = end;
		left = MIN(segs_of(&rest), flat->segs);
		if (!(flat->flags & SENT_SACKED)) {
			info->acked_bytes += end - flat->start;
			model_deliver(flat, end, flat->segs - left, info);
			model_rtt(flat, &info->first_acked_sent_at_ns,
				  &info->last_acked_sent_at_ns);
			if (flat->flags & SENT_EVER_RETRANS)
				has_retrans = true;
			else
				info->acked_original = true;
		}
		if (end < flat->end) {
			flat->start = end;
			flat->segs = left;
			break;
		}
		if (flat->flags & SENT_FIN)
			info->acked_fin = true;
		model_remove(model, i);
	}
	/* Karn: nothing that such an ACK covers is a sample. */
	if (has_retrans)
		info->first_acked_sent_at_ns = info->last_acked_sent_at_ns = 0;
	info->cum_acked_retrans = has_retrans;
	model->una = una;
}

static void model_merge(struct model *model)
{
	for (unsigned i = 0; i + 1 < model->count;) {
		struct flat *flat = &model->records[i];

		if (!(flat[0].flags & flat[1].flags & SENT_SACKED)) {
			i++;
			continue;
		}
		flat[0].end = flat[1].end;
		flat[0].segs += flat[1].segs;
		flat[0].flags |= flat[1].flags & (SENT_EVER_RETRANS | SENT_FIN);
		model_remove(model, i + 1);
	}
}

static void model_sack(struct model *model, uint64_t start, uint64_t end, struct ack_info *info)
{
	for (unsigned i = 0; i < model->count; i++) {
		struct flat *flat = &model->records[i];
		uint64_t from = flat->start, to = flat->end;

		if (flat->flags & SENT_SACKED || flat->end <= start || flat->start >= end)
			continue;
		while (from < start)
			from += flat->mss;
		if (flat->flags & SENT_FIN && end == to - 1)
			to = end; /* the text without its FIN */
		if (end < to)
			for (to = flat->start; to + flat->mss <= end;)
				to += flat->mss;
		if (from >= to)
			continue;
		if (from > flat->start) {
			model_split(model, i, from);
			continue;
		}
		model_split(model, i, to);
		info->sacked_bytes += flat->end - flat->start;
		model_deliver(flat, flat->end, flat->segs, info);
		model_rtt(flat, &info->first_sacked_sent_at_ns, &info->last_sacked_sent_at_ns);
		flat->flags &= ~(unsigned)(SENT_LOST | SENT_RETRANS);
		flat->flags |= SENT_SACKED;
	}
	model_merge(model);
}

static uint64_t model_mark_all(struct model *model, bool reneged)
{
	uint64_t bytes = 0;

	for (unsigned i = 0; i < model->count; i++) {
		struct flat *flat = &model->records[i];

		if ((flat->flags & SENT_SACKED && !reneged) || is_waiting(flat))
			continue;
		if (flat->flags & SENT_SACKED)
			flat->segs = segs_of(flat);
		flat->flags &= ~(unsigned)(SENT_SACKED | SENT_RETRANS);
		flat->flags |= SENT_LOST;
		bytes += flat->end - flat->start;
	}
	return bytes;
}

/* ---- comparing ---- */

static void compare_info(const struct ack_info *a, const struct ack_info *b)
{
	CHECK(a->acked_bytes == b->acked_bytes && a->cum_acked_bytes == b->cum_acked_bytes);
	CHECK(a->sacked_bytes == b->sacked_bytes && a->delivered_bytes == b->delivered_bytes);
	CHECK(a->delivered_segs == b->delivered_segs && a->una_after == b->una_after);
	CHECK(a->acked_retrans == b->acked_retrans && a->acked_original == b->acked_original);
	CHECK(a->cum_acked_retrans == b->cum_acked_retrans);
	CHECK(a->acked_fin == b->acked_fin && a->reordered_from == b->reordered_from);
	CHECK(a->sacked_never_retrans == b->sacked_never_retrans);
	CHECK(a->highest_acked_unretrans_end == b->highest_acked_unretrans_end);
	CHECK(a->first_acked_sent_at_ns == b->first_acked_sent_at_ns);
	CHECK(a->last_acked_sent_at_ns == b->last_acked_sent_at_ns);
	CHECK(a->first_sacked_sent_at_ns == b->first_sacked_sent_at_ns);
	CHECK(a->last_sacked_sent_at_ns == b->last_sacked_sent_at_ns);
	CHECK(a->rack_end == b->rack_end && a->rack_sent_at_ns == b->rack_sent_at_ns);
	CHECK(a->rack_is_retrans == b->rack_is_retrans);
}

static void compare_records(struct sendmap *map, const struct model *model)
{
	struct send_record *record = sendmap_first(map);
	uint64_t pipe = 0, highest = model->una;
	unsigned lost_idx = model->count;

	for (unsigned i = 0; i < model->count; i++, record = sendmap_next(record)) {
		const struct flat *flat = &model->records[i];

		CHECK(record && record->start == flat->start && record->end == flat->end);
		CHECK(record->flags == flat->flags && record->segs == flat->segs);
		if (!(flat->flags & SENT_SACKED))
			CHECK(record->sent_at_ns == flat->sent_at_ns &&
			      record->xmit_count == flat->xmit_count);
		CHECK(sendmap_find(map, flat->start) == record);
		CHECK(sendmap_find(map, flat->end - 1) == record);
		if (flat->flags & SENT_SACKED)
			highest = flat->end;
		else
			pipe += (flat->end - flat->start) *
				((flat->flags & SENT_LOST ? 0u : 1u) +
				 (flat->flags & SENT_RETRANS ? 1u : 0u));
		if (is_waiting(flat) && lost_idx == model->count)
			lost_idx = i;
	}
	CHECK(!record && map->una == model->una && map->nxt == model->nxt);
	CHECK(sendmap_pipe_bytes(map) == pipe && map->highest_sacked == highest);
	record = sendmap_next_lost(map);
	if (lost_idx == model->count)
		CHECK(!record);
	else
		CHECK(record && record->start == model->records[lost_idx].start);
}

/* ---- operations ---- */

struct pair {
	struct sendmap map;
	struct model model;
	uint64_t now_ns;
};

static void send_op(struct pair *pair, struct input *in)
{
	struct model *model = &pair->model;
	uint64_t len = 1 + take_wide(in) % (12 * MSS);
	unsigned kind = take(in);
	unsigned flags = kind > 250 ? SENT_FIN : 0;

	if (model->nxt - model->una + len > WINDOW_MAX || model->count > RECORDS_MAX / 2)
		return;
	CHECK(sendmap_sent(&pair->map, model->nxt + len, MSS, flags, pair->now_ns));
	model->records[model->count] = (struct flat){
		.start = model->nxt,
		.end = model->nxt + len,
		.sent_at_ns = pair->now_ns,
		.mss = MSS,
		.flags = flags,
		.xmit_count = 1,
	};
	model->records[model->count].segs = segs_of(&model->records[model->count]);
	model->count++;
	model->nxt += len;
	if (kind == 100) {
		sendmap_unsend(&pair->map, sendmap_last(&pair->map));
		model->nxt -= len;
		model->count--;
	}
}

static void resend_op(struct pair *pair, struct input *in)
{
	struct model *model = &pair->model;
	unsigned idx = take(in);
	uint64_t len = 1 + take_wide(in) % (3 * MSS);
	struct flat *flat;

	if (model->count == 0 || model->count > RECORDS_MAX / 2)
		return;
	flat = &model->records[idx % model->count];
	if (flat->flags & SENT_SACKED)
		return;
	len = MIN(len, flat->end - flat->start);
	CHECK(sendmap_resent(&pair->map, sendmap_find(&pair->map, flat->start), len, pair->now_ns));
	model_split(model, idx % model->count, flat->start + len);
	flat->flags |= SENT_RETRANS | SENT_EVER_RETRANS;
	flat->sent_at_ns = pair->now_ns;
	flat->xmit_count++;
}

static void ack_op(struct pair *pair, struct input *in)
{
	struct model *model = &pair->model;
	struct ack_info info = {.prior_highest_sacked = pair->map.highest_sacked,
				.reordered_from = UINT64_MAX};
	struct ack_info expected = info;
	unsigned blocks = take(in) % 5;
	bool advance = take(in) & 1;
	uint64_t window = model->nxt - model->una;

	if (window == 0 || model->count > RECORDS_MAX / 2)
		return;
	for (unsigned i = 0; i < blocks; i++) {
		uint64_t start = model->una + take_wide(in) % window;
		uint64_t end = start + 1 + take_wide(in) % (8 * MSS);

		end = MIN(end, model->nxt);
		CHECK(sendmap_sack(&pair->map, start, end, &info) == 0);
		model_sack(model, start, end, &expected);
	}
	if (advance) {
		uint64_t una = model->una + 1 + take_wide(in) % window;

		sendmap_ack(&pair->map, una, &info);
		model_ack(model, una, &expected);
	}
	compare_info(&info, &expected);
}

static void mark_op(struct pair *pair, struct input *in)
{
	struct model *model = &pair->model;
	unsigned idx = take(in);
	struct flat *flat;
	bool expected;

	if (model->count == 0)
		return;
	flat = &model->records[idx % model->count];
	expected = !(flat->flags & SENT_SACKED) && !is_waiting(flat);
	CHECK(sendmap_mark_lost(&pair->map, sendmap_find(&pair->map, flat->start)) == expected);
	if (expected) {
		flat->flags |= SENT_LOST;
		flat->flags &= ~(unsigned)SENT_RETRANS;
	}
}

static void rare_op(struct pair *pair, struct input *in)
{
	unsigned kind = take(in);

	if (kind < 128) {
		sendmap_clear_lost(&pair->map);
		for (unsigned i = 0; i < pair->model.count; i++)
			pair->model.records[i].flags &= ~(unsigned)SENT_LOST;
	} else {
		bool reneged = kind > 200;
		uint64_t expected = model_mark_all(&pair->model, reneged);

		CHECK(sendmap_mark_all_lost(&pair->map, reneged) == expected);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pair *pair = calloc(1, sizeof(*pair));
	struct input in = {data, size};

	CHECK(pair);
	pair->now_ns = 1000;
	pair->model.una = pair->model.nxt = START;
	sendmap_init(&pair->map, START);
	for (unsigned ops = 0; in.left > 0 && ops < OPS_MAX; ops++) {
		unsigned op = take(&in);

		/* Bursts leave at one instant. */
		if (op & 0x80)
			pair->now_ns += 1000;
		op &= 0x7f;
		if (op < 44)
			send_op(pair, &in);
		else if (op < 60)
			resend_op(pair, &in);
		else if (op < 100)
			ack_op(pair, &in);
		else if (op < 118)
			mark_op(pair, &in);
		else
			rare_op(pair, &in);
		sendmap_check(&pair->map);
		compare_records(&pair->map, &pair->model);
	}
	sendmap_fini(&pair->map);
	sendmap_check(&pair->map);
	free(pair);
	return 0;
}
