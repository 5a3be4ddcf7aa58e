/* SPDX-License-Identifier: MIT */
/*
 * Any link, recorded: a decorator that writes what passes into a pcapng file (pcapng_file.c), both
 * directions, with nanosecond stamps and, for what we sent, the reason why.
 *
 * The file shows what is on the wire: super-frames are written as the segments they stand for, and
 * partial checksums are completed, in the written copy only (gso.c). What was received with a bad
 * checksum is written as it came.
 *
 * Frames are recorded once the inner link has taken them, so nothing is in the file that was not sent. The
 * buffer goes to disk when it is full, and PCAPNG_FLUSH_NS after its first packet (the one timer), so
 * that a reader who follows the file, or a crash, misses little.
 *
 * A full disk ends the recording and not the link: the sentence comes out of notice(), once.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <teeceepee/trace.h>
#include "base/check.h"
#include "link/counter_table.h"
#include "link/gso.h"
#include "link/pcapng_file.h"
#include "link/spec.h"
#include "link/wrap.h"

#define PCAPNG_FLUSH_NS (200 * TEE_NS_PER_MS)
enum { PCAPNG_PATH_SIZE = 160 };

struct pcapng_link {
	struct link_wrap wrap;
	uint64_t wall_offset_ns;
	uint64_t flush_at_ns; /* TEE_NEVER: nothing is buffered */
	bool has_told;        /* the error, if any */
	char path[PCAPNG_PATH_SIZE];
	char notice[TEE_LINK_ERROR_SIZE];
	struct pcapng_file file;
	uint8_t whole[TEE_FRAME_LEN_MAX];   /* a frame in one piece */
	uint8_t segment[TEE_FRAME_LEN_MAX]; /* one of its segments */
};

struct pcapng_packet {
	uint64_t at_ns;
	enum pcapng_direction direction;
	const char *comment;
	enum tee_gso_type gso_type;
	uint32_t gso_size;
};

static void pcapng_add(struct pcapng_link *self, const struct pcapng_packet *packet,
		       const uint8_t *bytes, uint32_t len)
{
	pcapng_file_add(&self->file, packet->at_ns + self->wall_offset_ns, packet->direction,
			packet->comment, bytes, len);
	if (self->flush_at_ns == TEE_NEVER)
		self->flush_at_ns = packet->at_ns + PCAPNG_FLUSH_NS;
}

/* Writes a super-frame as its segments; as one packet when it can't be cut. */
static void pcapng_add_super(struct pcapng_link *self, const struct pcapng_packet *packet,
			     const uint8_t *bytes, uint32_t len)
{
	struct gso_split split;
	uint32_t segment_len;

	if (gso_split_begin(&split, bytes, len, self->wrap.link.info.kind, packet->gso_type,
			    packet->gso_size) < 0) {
		pcapng_add(self, packet, bytes, len);
		return;
	}
	while ((segment_len = gso_split_next(&split, self->segment)) > 0)
		pcapng_add(self, packet, self->segment, segment_len);
}

static void pcapng_record_frame(struct pcapng_link *self, const struct tee_frame *frame,
				uint64_t now_ns)
{
	const struct pcapng_packet packet = {
		.at_ns = now_ns,
		.direction = PCAPNG_OUTBOUND,
		.comment = frame->why != TEE_WHY_NONE ? tee_why_name((enum tee_why)frame->why)
						      : NULL,
		.gso_type = (enum tee_gso_type)frame->gso_type,
		.gso_size = frame->gso_size,
	};

	if (frame->len > TEE_FRAME_LEN_MAX)
		return;
	tee_frame_copy(frame, self->whole);
	if (frame->gso_size > 0) {
		pcapng_add_super(self, &packet, self->whole, frame->len);
		return;
	}
	if (frame->checksum_partial)
		gso_complete_checksum(self->whole, frame->len, frame->csum_start,
				      frame->csum_offset);
	pcapng_add(self, &packet, self->whole, frame->len);
}

static void pcapng_record_pkt(struct pcapng_link *self, const struct tee_pkt *pkt, uint64_t now_ns)
{
	const struct pcapng_packet packet = {
		.at_ns = pkt->at_ns ? pkt->at_ns : now_ns,
		.direction = PCAPNG_INBOUND,
		.gso_type = (enum tee_gso_type)pkt->gso_type,
		.gso_size = pkt->gso_size,
	};
	const uint8_t *bytes = tee_pkt_bytes(pkt);

	if (pkt->len > TEE_FRAME_LEN_MAX)
		return;
	if (pkt->gso_size > 0) {
		pcapng_add_super(self, &packet, bytes, pkt->len);
		return;
	}
	if (pkt->checksum_state == TEE_CHECKSUM_PARTIAL) {
		memcpy(self->whole, bytes, pkt->len);
		gso_complete_received(self->whole, pkt->len, self->wrap.link.info.kind);
		bytes = self->whole;
	}
	pcapng_add(self, &packet, bytes, pkt->len);
}

static void pcapng_flush_if_due(struct pcapng_link *self, uint64_t now_ns)
{
	if (now_ns < self->flush_at_ns)
		return;
	pcapng_file_flush(&self->file);
	self->flush_at_ns = TEE_NEVER;
}

static int pcapng_recv(struct tee_link *link, struct tee_pool *pool, struct tee_pkt **ret_pkts,
		       unsigned n, uint64_t now_ns)
{
	struct pcapng_link *self = (struct pcapng_link *)link;
	int count = link_wrap_recv(link, pool, ret_pkts, n, now_ns);

	for (int i = 0; i < count && !self->file.error; i++)
		pcapng_record_pkt(self, ret_pkts[i], now_ns);
	pcapng_flush_if_due(self, now_ns);
	return count;
}

static int pcapng_send(struct tee_link *link, struct tee_frame *frames, unsigned n, uint64_t now_ns)
{
	struct pcapng_link *self = (struct pcapng_link *)link;
	int count = link_wrap_send(link, frames, n, now_ns);

	for (int i = 0; i < count && !self->file.error; i++)
		pcapng_record_frame(self, &frames[i], now_ns);
	return count;
}

static uint64_t pcapng_deadline(struct tee_link *link)
{
	struct pcapng_link *self = (struct pcapng_link *)link;
	uint64_t inner_ns = link_wrap_deadline(link);

	return MIN(inner_ns, self->flush_at_ns);
}

static bool pcapng_counter(struct tee_link *link, unsigned idx, const char **ret_name,
			   uint64_t *ret_value)
{
	struct pcapng_link *self = (struct pcapng_link *)link;
	const struct link_counter packets = {"pcapng.packets", self->file.packets};

	return link_counter_tell(&packets, 1, self->wrap.inner, idx, ret_name, ret_value);
}

static const char *pcapng_notice(struct tee_link *link)
{
	struct pcapng_link *self = (struct pcapng_link *)link;

	/* Whoever asks wants to know of what is still in the buffer, too. */
	if (!self->file.error)
		pcapng_file_flush(&self->file);
	if (!self->file.error || self->has_told)
		return tee_link_notice(self->wrap.inner);
	self->has_told = true;
	link_fail(self->notice, 0,
		  "the recording %s ended after %llu packets (%s); the link goes on without: "
		  "make room and record again",
		  self->path, (unsigned long long)self->file.packets, strerror(self->file.error));
	return self->notice;
}

static void pcapng_close(struct tee_link *link)
{
	struct pcapng_link *self = (struct pcapng_link *)link;

	tee_link_close(self->wrap.inner);
	pcapng_file_close(&self->file);
	free(self);
}

static const struct tee_link_ops pcapng_ops = {
	.recv = pcapng_recv,
	.send = pcapng_send,
	.deadline = pcapng_deadline,
	.counter = pcapng_counter,
	.close = pcapng_close,
	.notice = pcapng_notice,
};

int tee_link_pcapng(struct tee_link *inner, const char *path, uint64_t wall_offset_ns,
		    struct tee_link **ret_link, char ret_error[TEE_LINK_ERROR_SIZE])
{
	struct pcapng_link *self = calloc(1, sizeof(*self));
	int error;

	if (!self)
		return link_fail(ret_error, -TEE_ENOMEM, "no memory for the recording");
	error = pcapng_file_open(&self->file, path, inner->info.kind, inner->info.name);
	if (error) {
		free(self);
		return link_fail(ret_error, link_result_of_errno(error),
				 "the recording %.120s can't be written (%s): choose another place",
				 path, strerror(error));
	}
	link_wrap_init(&self->wrap, inner, &pcapng_ops);
	self->wall_offset_ns = wall_offset_ns;
	self->flush_at_ns = TEE_NEVER;
	snprintf(self->path, sizeof(self->path), "%s", path);
	*ret_link = &self->wrap.link;
	return 0;
}
