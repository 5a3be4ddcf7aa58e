/* SPDX-License-Identifier: MIT */
/*
 * Segmentation and checksums in software, around a link that has none: the stack hands out super-frames
 * and unfinished checksums as to the best of cards, and here, at the edge, they become frames of the
 * wire's size (gso_cut.c). So the stack decides, looks up and records once for 64 KiB, where it would do it
 * 45 times, and the link below gets its frames in batches.
 *
 * When the link below takes a part of a super-frame only, the caller is told that it was not taken, and
 * offers it again first, as is the rule for links (link.h); `resume` says how much of it is out already. A
 * frame that is not the one it tells of starts from its beginning.
 *
 * Everything else passes through (wrap.c). No timers.
 */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "link/counter_table.h"
#include "link/gso_cut.h"
#include "link/wrap.h"

enum { GSO_BATCH = 32 };

struct gso_link {
	struct link_wrap wrap;
	/* Of the super-frame that the link below took in part. */
	struct {
		uint32_t segments; /* that are out; 0: there is none */
		uint32_t len;
		uint16_t head_len;
		uint8_t head[TEE_FRAME_HEAD_SIZE];
	} resume;
	uint64_t super_frames, segments, refused;
	struct tee_frame batch[GSO_BATCH];
};

static bool is_resumed(const struct gso_link *self, const struct tee_frame *frame)
{
	return self->resume.segments > 0 && self->resume.len == frame->len &&
	       self->resume.head_len == frame->head_len &&
	       !memcmp(self->resume.head, frame->head + frame->head_off, frame->head_len);
}

static void note_rest(struct gso_link *self, const struct tee_frame *frame, uint32_t segments)
{
	self->resume.segments = segments;
	self->resume.len = frame->len;
	self->resume.head_len = frame->head_len;
	memcpy(self->resume.head, frame->head + frame->head_off, frame->head_len);
}

/* 1: all of it is out; 0: not all, the rest waits; or the inner link's error. */
static int send_super(struct gso_link *self, struct tee_frame *frame, uint64_t now_ns)
{
	uint32_t done = 0, segment_count;
	struct gso_cut cut;

	if (gso_cut_begin(&cut, frame) < 0) {
		self->refused++;
		return 1;
	}
	if (is_resumed(self, frame)) {
		done = self->resume.segments;
		gso_cut_skip(&cut, done);
	}
	self->resume.segments = 0;
	do {
		int sent;

		segment_count = 0;
		while (segment_count < GSO_BATCH && gso_cut_next(&cut, &self->batch[segment_count]))
			segment_count++;
		if (segment_count == 0)
			break;
		sent = link_wrap_send(&self->wrap.link, self->batch, segment_count, now_ns);
		done += sent > 0 ? (uint32_t)sent : 0;
		self->segments += sent > 0 ? (uint32_t)sent : 0;
		if (sent < (int)segment_count) {
			note_rest(self, frame, done);
			return sent < 0 ? sent : 0;
		}
	} while (segment_count == GSO_BATCH);
	self->super_frames++;
	return 1;
}

/* Frames that are no super-frames, up to the next one that is; how many went, or the inner link's error. */
static int send_plain(struct gso_link *self, struct tee_frame *frames, unsigned n, bool *ret_all,
		      uint64_t now_ns)
{
	unsigned count = 0;
	int sent;

	while (count < n && frames[count].gso_size == 0)
		gso_cut_complete(&frames[count++]);
	sent = link_wrap_send(&self->wrap.link, frames, count, now_ns);
	*ret_all = sent == (int)count;
	return sent;
}

static int gso_send(struct tee_link *link, struct tee_frame *frames, unsigned n, uint64_t now_ns)
{
	struct gso_link *self = (struct gso_link *)link;
	unsigned count = 0;
	bool is_all = true;

	while (count < n && is_all) {
		int sent;

		if (frames[count].gso_size > 0) {
			sent = send_super(self, &frames[count], now_ns);
			is_all = sent == 1;
		} else {
			sent = send_plain(self, frames + count, n - count, &is_all, now_ns);
		}
		if (sent < 0)
			return count > 0 ? (int)count : sent;
		count += (unsigned)sent;
	}
	return (int)count;
}

static bool gso_counter(struct tee_link *link, unsigned idx, const char **ret_name,
			uint64_t *ret_value)
{
	struct gso_link *self = (struct gso_link *)link;
	const struct link_counter counters[] = {
		{"gso.super_frames", self->super_frames},
		{"gso.segments", self->segments},
		{"gso.refused", self->refused},
	};

	return link_counter_tell(counters, ARRAY_LEN(counters), self->wrap.inner, idx, ret_name,
				 ret_value);
}

static void gso_close(struct tee_link *link)
{
	struct gso_link *self = (struct gso_link *)link;

	tee_link_close(self->wrap.inner);
	free(self);
}

static const struct tee_link_ops gso_ops = {
	.send = gso_send,
	.counter = gso_counter,
	.close = gso_close,
};

int tee_link_gso(struct tee_link *inner, struct tee_link **ret_link)
{
	struct gso_link *self;

	if (inner->info.offloads & (TEE_OFFLOAD_TSO4 | TEE_OFFLOAD_TSO6)) {
		*ret_link = inner;
		return 0;
	}
	self = calloc(1, sizeof(*self));
	if (!self)
		return -TEE_ENOMEM;
	link_wrap_init(&self->wrap, inner, &gso_ops);
	*ret_link = &self->wrap.link;
	(*ret_link)->info.offloads |= TEE_OFFLOAD_TX_CHECKSUM | TEE_OFFLOAD_TSO4 | TEE_OFFLOAD_TSO6;
	(*ret_link)->info.gso_bytes_max = UINT16_MAX;
	return 0;
}
