/* SPDX-License-Identifier: MIT */
/*
 * The packet link's filter, run by the kernel itself: attached to one end of an AF_UNIX datagram pair, where
 * anybody may, it sees what is sent from the other end as it would see frames.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sys/socket.h>
#include <unistd.h>
#include "frames.h"
#include "link/packet_filter.h"

static int pair[2];
static uint8_t frame[2048];

static const struct tee_mac our_mac = {{2, 0, 0, 0, 0, 0xb}};
static const uint8_t other_mac[6] = {2, 0, 0, 0, 0, 0xc};
static const uint8_t broadcast[6] = {255, 255, 255, 255, 255, 255};
static const uint8_t all_nodes_mac[6] = {0x33, 0x33, 0, 0, 0, 1};

static int set_up(void **state)
{
	return socketpair(AF_UNIX, SOCK_DGRAM, 0, pair);
}

static int tear_down(void **state)
{
	close(pair[0]);
	return close(pair[1]);
}

static void attach(const struct tee_ip *ips, unsigned n)
{
	struct packet_filter filter;
	struct sock_fprog program;

	assert_int_equal(packet_filter_build(&filter, &our_mac, ips, n), 0);
	program = (struct sock_fprog){(unsigned short)filter.len, filter.code};
	assert_int_equal(
		setsockopt(pair[1], SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)), 0);
}

/* 1: let in whole, 0: kept out. */
static int passes(size_t len)
{
	uint8_t got[sizeof(frame)];
	ssize_t n;

	/* A filter that drops makes send() on AF_UNIX fail with EPERM. */
	if (send(pair[0], frame, len, MSG_DONTWAIT) < 0)
		return 0;
	n = recv(pair[1], got, sizeof(got), MSG_DONTWAIT);
	if (n < 0)
		return 0;
	assert_int_equal(n, len);
	return 1;
}

static size_t ip4_frame(const uint8_t *dst_mac, uint32_t dst, int is_udp, unsigned port)
{
	const struct frame_spec spec = {.version = 4, .is_udp = is_udp, .payload = 20};
	size_t len = make_frame(frame, &spec);

	memcpy(frame, dst_mac, 6);
	put32(frame + 30, dst);
	put16(frame + 36, port);
	return len;
}

static size_t ip6_frame(const uint8_t *dst_mac, const uint8_t *dst, unsigned next, unsigned type)
{
	const struct frame_spec spec = {.version = 6, .payload = 20};
	size_t len = make_frame(frame, &spec);

	memcpy(frame, dst_mac, 6);
	frame[20] = (uint8_t)next;
	memcpy(frame + 38, dst, 16);
	frame[54] = (uint8_t)type;
	return len;
}

static const struct tee_ip ours[] = {
	{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 10, 0, 0, 2}},
	{{0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2}},
	{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 10, 0, 0, 7}},
	{{0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xfe, 0, 0, 0xb}},
};

static void only_our_packets_pass(void **state)
{
	static const uint8_t theirs6[16] = {0xfd, [15] = 3}, all_nodes[16] = {0xff, 2, [15] = 1},
			     near6[16] = {0xfd, [14] = 1, [15] = 2},
			     group6[16] = {0xff, 2, [15] = 0xfb};

	attach(ours, 4);
	assert_true(passes(ip4_frame(our_mac.byte, 0x0a000002, 0, 80)));
	assert_true(passes(ip4_frame(our_mac.byte, 0x0a000007, 1, 53)));
	assert_false(passes(ip4_frame(our_mac.byte, 0x0a000003, 0, 80)));
	assert_false(passes(ip4_frame(other_mac, 0x0a000002, 0, 80)));
	assert_false(passes(ip4_frame(broadcast, 0x0a0000ff, 1, 137)));

	for (unsigned i = 1; i < 4; i += 2) {
		assert_true(passes(ip6_frame(our_mac.byte, ours[i].byte, 6, 0)));
		assert_false(passes(ip6_frame(other_mac, ours[i].byte, 6, 0)));
	}
	assert_false(passes(ip6_frame(our_mac.byte, theirs6, 6, 0)));
	assert_false(passes(ip6_frame(our_mac.byte, near6, 6, 0)));
	assert_true(passes(ip6_frame(all_nodes_mac, all_nodes, 17, 0)));
	assert_false(passes(ip6_frame(all_nodes_mac, group6, 17, 0)));
}

static void what_tells_neighbours_apart_passes(void **state)
{
	static const uint8_t theirs6[16] = {0xfd, [15] = 3};

	for (unsigned n = 0; n <= 4; n += 4) {
		size_t len;

		attach(ours, n);
		len = make_arp(frame, 1, mac_a, 0x0a000001, NULL, 0x0a000063);
		assert_true(passes(len));
		len = make_arp(frame, 2, mac_a, 0x0a000001, our_mac.byte, 0x0a000002);
		assert_true(passes(len));
		len = make_arp(frame, 2, mac_a, 0x0a000001, other_mac, 0x0a000002);
		assert_false(passes(len));
		for (unsigned type = 130; type < 140; type++)
			assert_int_equal(passes(ip6_frame(our_mac.byte, theirs6, 58, type)),
					 type >= 133 && type <= 137);
		assert_false(passes(ip6_frame(our_mac.byte, theirs6, 17, 135)));
	}
}

static void dhcp_passes_as_long_as_it_is_needed(void **state)
{
	size_t len;

	attach(ours + 1, 1); /* an IPv6 address only */
	assert_true(passes(ip4_frame(our_mac.byte, 0x0a000063, 1, 68)));
	assert_true(passes(ip4_frame(broadcast, 0xffffffff, 1, 68)));
	assert_false(passes(ip4_frame(our_mac.byte, 0x0a000063, 1, 67)));
	assert_false(passes(ip4_frame(our_mac.byte, 0x0a000063, 0, 68)));
	len = ip4_frame(our_mac.byte, 0x0a000063, 1, 68);
	put16(frame + 20, 0x00b9); /* a later fragment has no ports */
	assert_false(passes(len));
	/* IP options move the ports. */
	len = ip4_frame(our_mac.byte, 0x0a000063, 1, 68);
	frame[14] = 0x46;
	put16(frame + 36, 1);
	assert_false(passes(len));
	put16(frame + 40, 68);
	assert_true(passes(len));

	attach(ours, 4);
	assert_false(passes(ip4_frame(our_mac.byte, 0x0a000063, 1, 68)));
	assert_true(passes(ip4_frame(broadcast, 0xffffffff, 1, 68)));
	assert_true(passes(ip4_frame(our_mac.byte, 0x0a000002, 1, 68)));
}

static void short_and_foreign_frames_are_kept_out(void **state)
{
	size_t len;

	attach(ours, 4);
	len = ip4_frame(our_mac.byte, 0x0a000002, 0, 80);
	put16(frame + 12, 0x8100);
	assert_false(passes(len));
	put16(frame + 12, 0x88cc);
	assert_false(passes(len));
	ip4_frame(our_mac.byte, 0x0a000002, 0, 80);
	for (len = 1; len < 34; len++)
		assert_false(passes(len));
	assert_true(passes(34));
}

static void many_addresses_fit(void **state)
{
	struct tee_ip ips[PACKET_FILTER_ADDRESSES_MAX + 1];
	struct packet_filter filter;

	for (unsigned i = 0; i <= PACKET_FILTER_ADDRESSES_MAX; i++) {
		ips[i] = ours[1];
		ips[i].byte[14] = (uint8_t)i;
	}
	attach(ips, PACKET_FILTER_ADDRESSES_MAX);
	for (unsigned i = 0; i <= PACKET_FILTER_ADDRESSES_MAX; i++)
		assert_int_equal(passes(ip6_frame(our_mac.byte, ips[i].byte, 6, 0)),
				 i < PACKET_FILTER_ADDRESSES_MAX);
	assert_int_equal(
		packet_filter_build(&filter, &our_mac, ips, PACKET_FILTER_ADDRESSES_MAX + 1),
		-TEE_ENOBUFS);
	for (unsigned i = 0; i < PACKET_FILTER_ADDRESSES_MAX; i++)
		ips[i] = TEE_IP4(10, 0, 1, (uint8_t)i);
	attach(ips, PACKET_FILTER_ADDRESSES_MAX);
	assert_true(passes(ip4_frame(our_mac.byte, 0x0a00013f, 0, 80)));
	assert_false(passes(ip4_frame(our_mac.byte, 0x0a000140, 0, 80)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(only_our_packets_pass, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_tells_neighbours_apart_passes, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(dhcp_passes_as_long_as_it_is_needed, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(short_and_foreign_frames_are_kept_out, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(many_addresses_fit, set_up, tear_down),
	};
	return cmocka_run_group_tests_name("link/packet_filter", tests, NULL, NULL);
}
