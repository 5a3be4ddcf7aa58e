/* SPDX-License-Identifier: MIT */
/*
 * Super-frames cut without copying them, and the link that does it: held against gso.c, which cuts frames in
 * one piece and is tested against the rules themselves.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include <teeceepee/link.h>
#include "counter.h"
#include "frames.h"
#include "link/gso.h"
#include "link/gso_cut.h"

enum { FIN = 1, PSH = 8, ACK = 16, URG = 32, CWR = 128, TCP_CSUM = 16 };

static uint8_t whole[FRAME_MAX], wanted[FRAME_MAX], got[FRAME_MAX];

static const struct cut {
	struct frame_spec frame;
	uint32_t gso_size;
} cuts[] = {
	{{.version = 4, .seq = 0xfffffc00, .flags = ACK | PSH, .payload = 4000}, 1460},
	{{.version = 4, .seq = 0xfffffc00, .flags = ACK | PSH | FIN, .payload = 2920}, 1460},
	{{.version = 4, .seq = 1, .flags = ACK | CWR, .payload = 65000, .options = 12}, 1448},
	{{.version = 6, .seq = 0xffffffff, .flags = ACK | PSH, .payload = 10001, .options = 12},
	 1428},
	{{.version = 6, .seq = 5, .flags = ACK, .payload = 65475}, 1440},
	{{.version = 4, .seq = 5, .flags = ACK | URG, .urgent = 150, .payload = 401}, 100},
	{{.version = 6, .seq = 5, .flags = ACK | URG | PSH, .urgent = 60000, .payload = 50000},
	 999},
	{{.version = 4, .seq = 5, .flags = ACK | URG, .urgent = 0, .payload = 300}, 100},
	{{.version = 4, .seq = 5, .flags = ACK, .payload = 7}, 1},
	{{.version = 4, .seq = 5, .flags = ACK, .payload = 100, .options = 40}, 65535},
	{{.version = 4, .seq = 5, .flags = ACK, .payload = 0}, 1460},
};

enum { CUTS = sizeof(cuts) / sizeof(cuts[0]) };

static size_t header_bytes(const struct frame_spec *spec)
{
	return 14 + (spec->version == 4 ? 20 : 40) + 20 + spec->options;
}

/* What a stack leaves to the link: the segments' size, the checksum. */
static void make_super(struct tee_frame *frame, const struct cut *cut)
{
	frame->gso_type = cut->frame.version == 4 ? TEE_GSO_TCP4 : TEE_GSO_TCP6;
	frame->gso_size = (uint16_t)cut->gso_size;
	frame->checksum_partial = true;
	frame->csum_start = (uint16_t)(14 + (cut->frame.version == 4 ? 20 : 40));
	frame->csum_offset = TCP_CSUM;
}

/* The frame's bytes as a stack gives them: headers in the head, the payload in slices of `step` and 7 bytes. */
static size_t make_frame_of(struct tee_frame *frame, const struct cut *cut, size_t step)
{
	struct frame_spec spec = cut->frame;
	size_t len, header = header_bytes(&spec), at = header;

	spec.partial = 1;
	len = make_frame(whole, &spec);
	frame_as_stack(frame, whole, len, header);
	frame->slice_count = 0;
	while (at < len) {
		size_t left = len - at, part = frame->slice_count % 2 ? 7 : step;

		if (left < part || frame->slice_count == TEE_FRAME_SLICES - 1)
			part = left;
		frame->slices[frame->slice_count++] =
			(struct tee_slice){whole + at, (uint32_t)part};
		at += part;
	}
	make_super(frame, cut);
	return len;
}

/* Are the next segments of `cut` those of `split`, to the end? */
static unsigned compare(struct gso_cut *cut, struct gso_split *split)
{
	struct tee_frame segment;
	unsigned count = 0;
	uint32_t len;

	memset(&segment, 0xee, sizeof(segment));
	while ((len = gso_split_next(split, wanted)) > 0) {
		assert_true(gso_cut_next(cut, &segment));
		assert_int_equal(segment.len, len);
		assert_int_equal(tee_frame_copy(&segment, got), len);
		assert_memory_equal(got, wanted, len);
		assert_true(checksums_are_good(got, len));
		assert_false(segment.checksum_partial);
		assert_int_equal(segment.gso_size, 0);
		for (unsigned i = 0; i < segment.slice_count; i++)
			assert_null(segment.holds[i]);
		count++;
	}
	assert_false(gso_cut_next(cut, &segment));
	assert_false(gso_cut_next(cut, &segment));
	return count;
}

static void segments_are_those_of_a_frame_in_one_piece(void **state)
{
	static const size_t steps[] = {1, 3, 100, 1448, 1461, 8192, 65535};

	for (unsigned i = 0; i < CUTS; i++)
		for (unsigned k = 0; k < sizeof(steps) / sizeof(steps[0]); k++) {
			struct gso_split split;
			struct tee_frame frame;
			struct gso_cut cut;
			size_t len = make_frame_of(&frame, &cuts[i], steps[k]);

			frame.why = 5;
			frame.depart_at_ns = 99;
			assert_int_equal(gso_split_begin(&split, whole, len, TEE_NETIF_ETHERNET,
							 frame.gso_type, cuts[i].gso_size),
					 0);
			assert_int_equal(gso_cut_begin(&cut, &frame), 0);
			assert_true(compare(&cut, &split) >= 1);
		}
}

/* A frame that waited for the neighbour's address has its headers in its one slice. */
static void headers_may_be_in_a_slice(void **state)
{
	for (unsigned i = 0; i < CUTS; i++)
		for (unsigned link_header = 0; link_header < 2; link_header++) {
			struct gso_split split;
			struct tee_frame frame;
			struct gso_cut cut;
			size_t len = make_frame_of(&frame, &cuts[i], 65535);

			frame_of_bytes(&frame, whole, len);
			make_super(&frame, &cuts[i]);
			if (link_header) {
				frame.head_off = TEE_FRAME_HEAD_SIZE - 14;
				frame.head_len = 14;
				memcpy(frame.head + frame.head_off, whole, 14);
				frame.slices[0] =
					(struct tee_slice){whole + 14, (uint32_t)len - 14};
			}
			assert_int_equal(gso_split_begin(&split, whole, len, TEE_NETIF_ETHERNET,
							 frame.gso_type, cuts[i].gso_size),
					 0);
			assert_int_equal(gso_cut_begin(&cut, &frame), 0);
			compare(&cut, &split);
		}
}

static void what_is_out_can_be_skipped(void **state)
{
	const struct cut *of = &cuts[3];

	for (unsigned skipped = 0; skipped <= 8; skipped++) {
		struct gso_split split;
		struct tee_frame frame;
		struct gso_cut cut;
		size_t len = make_frame_of(&frame, of, 1000);

		assert_int_equal(gso_split_begin(&split, whole, len, TEE_NETIF_ETHERNET,
						 frame.gso_type, of->gso_size),
				 0);
		for (unsigned i = 0; i < skipped; i++)
			gso_split_next(&split, wanted);
		assert_int_equal(gso_cut_begin(&cut, &frame), 0);
		gso_cut_skip(&cut, skipped);
		assert_int_equal(compare(&cut, &split), 8 - skipped);
	}
}

static void what_is_no_super_frame_is_refused(void **state)
{
	enum { BAD = 10 };
	struct tee_frame good, bad[BAD];
	struct gso_cut cut;

	make_frame_of(&good, &cuts[0], 1448);
	for (unsigned i = 0; i < BAD; i++)
		bad[i] = good;
	bad[0].gso_type = TEE_GSO_UDP;
	bad[1].gso_type = TEE_GSO_NONE;
	bad[2].gso_type = TEE_GSO_TCP6; /* no room for its header */
	bad[3].gso_size = 0;
	bad[4].checksum_partial = false;
	bad[5].csum_offset = 6;
	bad[6].csum_start = 20;
	bad[7].csum_start = 60000;
	bad[8].head[good.head_off + 46] = 4 << 4; /* a header of 16 bytes */
	bad[9].head_len++;                        /* payload in the head */
	for (unsigned i = 0; i < BAD; i++)
		assert_int_equal(gso_cut_begin(&cut, &bad[i]), -TEE_EINVAL);
	/* Slices that end before the header does. */
	good.slice_count = 0;
	good.head_len = 40;
	assert_int_equal(gso_cut_begin(&cut, &good), -TEE_EINVAL);
}

/* ---- unfinished checksums ---- */

static void a_checksum_is_completed(void **state)
{
	static const struct frame_spec specs[] = {
		{.version = 4, .seq = 1, .flags = ACK, .payload = 999, .partial = 1},
		{.version = 6, .seq = 1, .flags = ACK, .payload = 0, .options = 12, .partial = 1},
		{.version = 4, .is_udp = 1, .payload = 31, .partial = 1},
		{.version = 6, .is_udp = 1, .payload = 1200, .partial = 1},
	};

	for (unsigned i = 0; i < sizeof(specs) / sizeof(specs[0]); i++)
		for (unsigned header = 0; header < 80; header++) {
			size_t len = make_frame(whole, &specs[i]);
			struct tee_frame frame;

			/* Wherever the head ends, also within the headers or at an odd byte of the payload. */
			if (header > len)
				continue;
			frame_as_stack(&frame, whole, len, header);
			frame.checksum_partial = true;
			frame.csum_start = specs[i].version == 4 ? 34 : 54;
			frame.csum_offset = specs[i].is_udp ? 6 : TCP_CSUM;
			gso_cut_complete(&frame);
			assert_false(frame.checksum_partial);
			assert_int_equal(frame.len, len);
			assert_int_equal(tee_frame_copy(&frame, got), len);
			assert_true(checksums_are_good(got, len));
			/* Once is enough. */
			gso_cut_complete(&frame);
			tee_frame_copy(&frame, got);
			assert_true(checksums_are_good(got, len));
		}
}

static void a_checksum_of_zero_is_none_for_udp(void **state)
{
	const struct frame_spec spec = {.version = 4, .is_udp = 1, .payload = 2, .partial = 1};
	size_t len = make_frame(whole, &spec);
	struct tee_frame frame;

	/* The payload makes the sum come out as all ones, its complement as zero. */
	put16(whole + 42, 0);
	put16(whole + 42, ~sum16(0, whole + 34, len - 34) & 0xffff);
	frame_as_stack(&frame, whole, len, 42);
	frame.checksum_partial = true;
	frame.csum_start = 34;
	frame.csum_offset = 6;
	gso_cut_complete(&frame);
	tee_frame_copy(&frame, got);
	assert_int_equal(get16(got + 40), 0xffff);
}

static void a_checksum_outside_the_frame_is_left(void **state)
{
	struct tee_frame frame;

	frame_as_stack(&frame, whole, 60, 42);
	frame_leave_checksum(&frame, 58);
	gso_cut_complete(&frame);
	assert_true(frame.checksum_partial);
}

/* ---- the link ---- */

/* Takes `room` frames and writes them down, one behind the other. */
static struct narrow {
	struct tee_link link;
	unsigned room, taken, calls;
	int error;
	size_t len;
	bool is_closed;
	uint8_t bytes[4 * FRAME_MAX];
} narrow;

static int narrow_send(struct tee_link *link, struct tee_frame *frames, unsigned n, uint64_t now_ns)
{
	unsigned count = 0;

	(void)link;
	assert_int_equal(now_ns, 77);
	narrow.calls++;
	if (narrow.error)
		return narrow.error;
	for (; count < n && narrow.room > 0; count++, narrow.room--) {
		assert_int_equal(frames[count].gso_size, 0);
		assert_false(frames[count].checksum_partial);
		narrow.len += tee_frame_copy(&frames[count], narrow.bytes + narrow.len);
		narrow.taken++;
	}
	return (int)count;
}

static int narrow_recv(struct tee_link *link, struct tee_pool *pool, struct tee_pkt **ret_pkts,
		       unsigned n, uint64_t now_ns)
{
	(void)link, (void)pool, (void)ret_pkts, (void)now_ns;
	return (int)n;
}

static int narrow_poll_fds(struct tee_link *link, struct tee_link_poll *fds, unsigned n)
{
	(void)link;
	fds[0].fd = 42;
	return (int)n;
}

static bool narrow_counter(struct tee_link *link, unsigned idx, const char **ret_name,
			   uint64_t *ret_value)
{
	(void)link;
	*ret_name = "narrow.taken";
	*ret_value = narrow.taken;
	return idx == 0;
}

static void narrow_close(struct tee_link *link)
{
	(void)link;
	narrow.is_closed = true;
}

static uint64_t narrow_deadline(struct tee_link *link)
{
	(void)link;
	return 5;
}

static const struct tee_link_ops narrow_ops = {
	.recv = narrow_recv,
	.send = narrow_send,
	.poll_fds = narrow_poll_fds,
	.counter = narrow_counter,
	.close = narrow_close,
};

static struct tee_link *open_over(const struct tee_link_ops *ops)
{
	struct tee_link *link;

	memset(&narrow, 0, sizeof(narrow));
	narrow.link.ops = ops;
	narrow.link.info.mtu = 1500;
	narrow.link.info.offloads = TEE_OFFLOAD_RX_TRUSTED;
	assert_int_equal(tee_link_gso(&narrow.link, &link), 0);
	assert_ptr_not_equal(link, &narrow.link);
	return link;
}

/* The wire bytes of frame `i` of a batch, behind those in `wanted`. */
static size_t wire_of(const struct cut *cut, size_t at)
{
	struct frame_spec spec = cut->frame;
	struct gso_split split;
	uint32_t len;

	if (cut->gso_size == 0) {
		spec.partial = 0;
		return at + make_frame(wanted + at, &spec);
	}
	make_frame(whole, &spec);
	assert_int_equal(gso_split_begin(&split, whole, header_bytes(&spec) + spec.payload,
					 TEE_NETIF_ETHERNET,
					 spec.version == 4 ? TEE_GSO_TCP4 : TEE_GSO_TCP6,
					 cut->gso_size),
			 0);
	while ((len = gso_split_next(&split, wanted + at)) > 0)
		at += len;
	return at;
}

/* Whatever the link below takes at a time, the same frames come out in the same order, each once. */
static void frames_leave_in_order_however_few_are_taken(void **state)
{
	static const struct cut batch[] = {
		{{.version = 4, .seq = 9, .flags = ACK, .payload = 0}, 0},
		{{.version = 4, .seq = 9, .flags = ACK, .payload = 20000}, 1448},
		{{.version = 6, .seq = 8, .flags = ACK | PSH, .payload = 3001}, 1428},
		{{.version = 4, .seq = 7, .flags = ACK, .payload = 77}, 0},
		{{.version = 4, .seq = 7, .flags = ACK | FIN, .payload = 1}, 0},
		{{.version = 4, .seq = 1, .flags = ACK, .payload = 33000}, 700},
	};
	enum { N = sizeof(batch) / sizeof(batch[0]), SEGMENTS = 1 + 14 + 3 + 2 + 48 };
	static uint8_t bytes[N][FRAME_MAX];

	for (unsigned room = 1; room <= SEGMENTS + 1; room++) {
		struct tee_link *link = open_over(&narrow_ops);
		struct tee_frame frames[N];
		unsigned first = 0, turns = 0;
		size_t len = 0;

		for (unsigned i = 0; i < N; i++) {
			len = wire_of(&batch[i], len);
			make_frame_of(&frames[i], &batch[i], 1000);
			memcpy(bytes[i], whole, sizeof(whole));
			for (unsigned k = 0; k < frames[i].slice_count; k++)
				frames[i].slices[k].ptr += bytes[i] - whole;
			if (batch[i].gso_size == 0)
				frames[i].gso_type = TEE_GSO_NONE;
		}
		while (first < N) {
			int sent;

			narrow.room = room;
			sent = link->ops->send(link, &frames[first], N - first, 77);
			assert_true(sent >= 0);
			first += (unsigned)sent;
			assert_true(++turns <= SEGMENTS);
		}
		assert_int_equal(turns, (SEGMENTS + room - 1) / room);
		assert_int_equal(narrow.taken, SEGMENTS);
		assert_int_equal(narrow.len, len);
		assert_memory_equal(narrow.bytes, wanted, len);
		assert_int_equal(link_counter(link, "gso.super_frames"), 3);
		assert_int_equal(link_counter(link, "gso.segments"), 14 + 3 + 48);
		assert_int_equal(link_counter(link, "gso.refused"), 0);
		assert_int_equal(link_counter(link, "narrow.taken"), SEGMENTS);
		tee_link_close(link);
		assert_true(narrow.is_closed);
	}
}

/* Who gives up a frame that was taken in part, and offers another, gets all of that one. */
static void another_frame_starts_from_its_beginning(void **state)
{
	struct tee_link *link = open_over(&narrow_ops);
	struct tee_frame frame;

	make_frame_of(&frame, &cuts[0], 1448);
	narrow.room = 2;
	assert_int_equal(link->ops->send(link, &frame, 1, 77), 0);
	make_frame_of(&frame, &cuts[1], 1448);
	narrow.room = 5;
	assert_int_equal(link->ops->send(link, &frame, 1, 77), 1);
	assert_int_equal(narrow.taken, 2 + 2);
	/* And the first, offered again after all, comes whole. */
	make_frame_of(&frame, &cuts[0], 1448);
	assert_int_equal(link->ops->send(link, &frame, 1, 77), 1);
	assert_int_equal(narrow.taken, 2 + 2 + 3);
	tee_link_close(link);
}

static void errors_come_through(void **state)
{
	struct tee_link *link = open_over(&narrow_ops);
	struct tee_frame frames[2];

	make_frame_of(&frames[0], &cuts[0], 1448);
	make_frame_of(&frames[1], &cuts[0], 1448);
	frames[1].gso_size = 0;
	narrow.error = -TEE_ENODEV;
	assert_int_equal(link->ops->send(link, &frames[0], 2, 77), -TEE_ENODEV);
	assert_int_equal(link->ops->send(link, &frames[1], 1, 77), -TEE_ENODEV);
	/* A frame that can't be cut is dropped and counted, not offered for ever. */
	narrow.error = 0;
	frames[0].gso_type = TEE_GSO_UDP;
	assert_int_equal(link->ops->send(link, &frames[0], 1, 77), 1);
	assert_int_equal(narrow.taken, 0);
	assert_int_equal(link_counter(link, "gso.refused"), 1);
	tee_link_close(link);
}

static void the_rest_of_the_link_shows_through(void **state)
{
	struct tee_link_ops ops = narrow_ops;
	struct tee_link *link = open_over(&narrow_ops), *same;
	struct tee_link_poll fd;
	struct tee_pkt *pkts[3];

	assert_int_equal(link->info.mtu, 1500);
	assert_int_equal(link->info.gso_bytes_max, 65535);
	assert_int_equal(link->info.offloads, TEE_OFFLOAD_TX_CHECKSUM | TEE_OFFLOAD_TSO4 |
						      TEE_OFFLOAD_TSO6 | TEE_OFFLOAD_RX_TRUSTED);
	assert_int_equal(link->ops->recv(link, NULL, pkts, 3, 77), 3);
	assert_int_equal(link->ops->poll_fds(link, &fd, 1), 1);
	assert_int_equal(fd.fd, 42);
	assert_null(link->ops->poll_done);
	assert_null(link->ops->deadline);
	assert_null(link->ops->set_addresses);
	assert_null(link->ops->claim_port);
	assert_null(tee_link_notice(link));
	/* It can cut by itself now. */
	assert_int_equal(tee_link_gso(link, &same), 0);
	assert_ptr_equal(same, link);
	tee_link_close(link);

	ops.deadline = narrow_deadline;
	link = open_over(&ops);
	assert_int_equal(link->ops->deadline(link), 5);
	tee_link_close(link);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(segments_are_those_of_a_frame_in_one_piece),
		cmocka_unit_test(headers_may_be_in_a_slice),
		cmocka_unit_test(what_is_out_can_be_skipped),
		cmocka_unit_test(what_is_no_super_frame_is_refused),
		cmocka_unit_test(a_checksum_is_completed),
		cmocka_unit_test(a_checksum_of_zero_is_none_for_udp),
		cmocka_unit_test(a_checksum_outside_the_frame_is_left),
		cmocka_unit_test(frames_leave_in_order_however_few_are_taken),
		cmocka_unit_test(another_frame_starts_from_its_beginning),
		cmocka_unit_test(errors_come_through),
		cmocka_unit_test(the_rest_of_the_link_shows_through),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
