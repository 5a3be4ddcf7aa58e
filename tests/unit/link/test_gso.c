/* SPDX-License-Identifier: MIT */
/* Software segmentation: what comes out is what the wire would have carried. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "frames.h"
#include "link/gso.h"

enum { FIN = 1, PSH = 8, ACK = 16, URG = 32, CWR = 128 };

static uint8_t whole[FRAME_MAX], segment[FRAME_MAX];

static const struct cut {
	struct frame_spec frame;
	enum tee_gso_type type;
	uint32_t gso_size;
	unsigned segments;
} cuts[] = {
	{{.version = 4, .seq = 0xfffffc00, .flags = ACK | PSH, .payload = 4000},
	 TEE_GSO_TCP4,
	 1460,
	 3},
	{{.version = 4, .seq = 0xfffffc00, .flags = ACK | PSH | FIN, .payload = 2920},
	 TEE_GSO_TCP4,
	 1460,
	 2},
	{{.version = 4, .seq = 1, .flags = ACK | CWR, .payload = 65000, .options = 12},
	 TEE_GSO_TCP4,
	 1448,
	 45},
	{{.version = 6, .seq = 0xffffffff, .flags = ACK | PSH, .payload = 10001, .options = 12},
	 TEE_GSO_TCP6,
	 1428,
	 8},
	{{.version = 6, .seq = 5, .flags = ACK, .payload = 1}, TEE_GSO_TCP6, 1, 1},
	{{.version = 4, .seq = 5, .flags = ACK, .payload = 7}, TEE_GSO_TCP4, 1, 7},
	{{.version = 4, .seq = 5, .flags = ACK, .payload = 100}, TEE_GSO_TCP4, 65535, 1},
	{{.version = 4, .seq = 5, .flags = ACK, .payload = 0}, TEE_GSO_TCP4, 1460, 1},
	{{.version = 4, .is_udp = 1, .payload = 5000}, TEE_GSO_UDP, 1200, 5},
	{{.version = 6, .is_udp = 1, .payload = 2400}, TEE_GSO_UDP, 1200, 2},
};

static void check_tcp(const struct cut *cut, unsigned idx, size_t offset, size_t l4)
{
	const uint8_t *t = segment + l4;
	unsigned flags = cut->frame.flags;

	assert_int_equal(get32(t + 4), (uint32_t)(cut->frame.seq + offset));
	if (idx > 0)
		flags &= ~(unsigned)CWR;
	if (idx + 1 < cut->segments)
		flags &= ~(unsigned)(FIN | PSH);
	assert_int_equal(t[13], flags);
}

static void segments_are_right(void **state)
{
	for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
		const struct cut *cut = &cuts[i];
		size_t len = make_frame(whole, &cut->frame), offset = 0;
		size_t l4 = 14 + (cut->frame.version == 4 ? 20 : 40);
		size_t header = l4 + (cut->frame.is_udp ? 8 : 20 + cut->frame.options);
		struct gso_split split;
		unsigned idx = 0;
		uint32_t out;

		assert_int_equal(gso_split_begin(&split, whole, len, TEE_NETIF_ETHERNET, cut->type,
						 cut->gso_size),
				 0);
		while ((out = gso_split_next(&split, segment)) > 0) {
			size_t payload = out - header;

			assert_true(out <= split.segment_bytes_max);
			assert_true(payload <= cut->gso_size);
			assert_true(idx + 1 == cut->segments || payload == cut->gso_size);
			assert_true(checksums_are_good(segment, out));
			assert_memory_equal(segment, whole, 14);
			if (cut->frame.version == 4) {
				assert_int_equal(get16(segment + 16), out - 14);
				assert_int_equal(get16(segment + 18), (0xfffe + idx) & 0xffff);
			} else {
				assert_int_equal(get16(segment + 18), out - 54);
			}
			if (cut->frame.is_udp)
				assert_int_equal(get16(segment + l4 + 4), 8 + payload);
			else
				check_tcp(cut, idx, offset, l4);
			assert_memory_equal(segment + header, whole + header + offset, payload);
			offset += payload;
			idx++;
		}
		assert_int_equal(idx, cut->segments);
		assert_int_equal(offset, cut->frame.payload);
		assert_int_equal(gso_split_next(&split, segment), 0);
	}
}

/* The urgent pointer counts from its segment's sequence number, and URG ends behind it. */
static void the_urgent_pointer_moves(void **state)
{
	const struct frame_spec frame = {
		.version = 4, .seq = 1, .flags = ACK | URG, .urgent = 150, .payload = 400};
	const unsigned urgent[] = {150, 50, 0, 0};
	size_t len = make_frame(whole, &frame);
	struct gso_split split;

	assert_int_equal(gso_split_begin(&split, whole, len, TEE_NETIF_ETHERNET, TEE_GSO_TCP4, 100),
			 0);
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(gso_split_next(&split, segment), 154);
		assert_int_equal(get16(segment + 52), urgent[i]);
		assert_int_equal(segment[47], urgent[i] ? ACK | URG : ACK);
		assert_true(checksums_are_good(segment, 154));
	}
}

static void raw_ip_frames_are_cut_too(void **state)
{
	const struct frame_spec frame = {.version = 6, .seq = 9, .flags = ACK, .payload = 300};
	size_t len = make_frame(whole, &frame);
	struct gso_split split;
	unsigned count = 0;
	uint32_t out;

	assert_int_equal(
		gso_split_begin(&split, whole + 14, len - 14, TEE_NETIF_RAW_IP, TEE_GSO_TCP6, 100),
		0);
	while ((out = gso_split_next(&split, segment + 14)) > 0) {
		assert_true(checksums_are_good(segment, out + 14));
		count++;
	}
	assert_int_equal(count, 3);
}

static void what_is_no_super_frame_is_refused(void **state)
{
	const struct frame_spec tcp4 = {.version = 4, .flags = ACK, .payload = 3000};
	size_t len = make_frame(whole, &tcp4);
	struct gso_split split;
	const struct {
		size_t len;
		enum tee_gso_type type;
		uint32_t gso_size;
	} cases[] = {
		{len, TEE_GSO_NONE, 1000}, {len, TEE_GSO_TCP4, 0},        {len, TEE_GSO_TCP6, 1000},
		{len, TEE_GSO_UDP, 1000},  {len - 1, TEE_GSO_TCP4, 1000}, {14, TEE_GSO_TCP4, 1000},
		{13, TEE_GSO_TCP4, 1000},  {0, TEE_GSO_TCP4, 1000},       {33, TEE_GSO_TCP4, 1000},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(gso_split_begin(&split, whole, cases[i].len, TEE_NETIF_ETHERNET,
						 cases[i].type, cases[i].gso_size),
				 -TEE_EINVAL);
	whole[46] = 0x40; /* a data offset of 16 bytes */
	assert_int_equal(
		gso_split_begin(&split, whole, len, TEE_NETIF_ETHERNET, TEE_GSO_TCP4, 1000),
		-TEE_EINVAL);
	len = make_arp(whole, 1, mac_a, 0x0a000001, NULL, 0x0a000002);
	assert_int_equal(gso_split_begin(&split, whole, len, TEE_NETIF_ETHERNET, TEE_GSO_TCP4, 10),
			 -TEE_EINVAL);
}

static void partial_checksums_are_completed(void **state)
{
	for (int version = 4; version <= 6; version += 2)
		for (int is_udp = 0; is_udp < 2; is_udp++)
			for (size_t payload = 0; payload < 40; payload += 13) {
				const struct frame_spec frame = {.version = version,
								 .is_udp = is_udp,
								 .flags = ACK,
								 .payload = payload,
								 .partial = 1};
				size_t len = make_frame(whole, &frame);
				uint32_t start = version == 4 ? 34 : 54, off = is_udp ? 6 : 16;

				assert_false(checksums_are_good(whole, len));
				/* Padding to Ethernet's 60 bytes is not summed. */
				memset(whole + len, 0xee, 6);
				assert_int_equal(
					gso_complete_received(whole, len + 6, TEE_NETIF_ETHERNET),
					0);
				assert_true(checksums_are_good(whole, len));

				len = make_frame(whole, &frame);
				assert_int_equal(gso_complete_checksum(whole, len, start, off), 0);
				assert_true(checksums_are_good(whole, len));
			}
}

/* RFC 768: zero means "no checksum", so a sum that is zero goes out as all ones. */
static void a_udp_checksum_is_never_zero(void **state)
{
	const struct frame_spec frame = {.version = 4, .is_udp = 1, .payload = 2, .partial = 1};
	size_t len = make_frame(whole, &frame);

	/* Choose the payload so that everything sums to 0xffff. */
	put16(whole + 42, 0);
	put16(whole + 42, 0xffff - sum16(0, whole + 34, 10));
	assert_int_equal(gso_complete_checksum(whole, len, 34, 6), 0);
	assert_int_equal(get16(whole + 40), 0xffff);
}

static void offsets_outside_are_refused(void **state)
{
	uint8_t bytes[64] = {0}, before[64] = {0};

	assert_int_equal(gso_complete_checksum(bytes, 64, 65, 0), -TEE_EINVAL);
	assert_int_equal(gso_complete_checksum(bytes, 64, 64, 0), -TEE_EINVAL);
	assert_int_equal(gso_complete_checksum(bytes, 64, 60, 3), -TEE_EINVAL);
	assert_int_equal(gso_complete_checksum(bytes, 64, 0, UINT32_MAX), -TEE_EINVAL);
	assert_memory_equal(bytes, before, 64);
	assert_int_equal(gso_complete_checksum(bytes, 64, 60, 2), 0);
	assert_int_equal(gso_complete_received(bytes, 64, TEE_NETIF_ETHERNET), -TEE_EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(segments_are_right),
		cmocka_unit_test(the_urgent_pointer_moves),
		cmocka_unit_test(raw_ip_frames_are_cut_too),
		cmocka_unit_test(what_is_no_super_frame_is_refused),
		cmocka_unit_test(partial_checksums_are_completed),
		cmocka_unit_test(a_udp_checksum_is_never_zero),
		cmocka_unit_test(offsets_outside_are_refused),
	};
	return cmocka_run_group_tests_name("link/gso", tests, NULL, NULL);
}
