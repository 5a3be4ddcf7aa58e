/* SPDX-License-Identifier: MIT */
/* Ethernet, ARP and UDP headers: bytes both ways, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "base/check.h"
#include "wire/arp.h"
#include "wire/ethernet.h"
#include "wire/udp.h"
#include "guard.h"

static void test_ethernet(void **state)
{
	static const uint8_t bytes[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02, 0x00,
					0x00, 0x00, 0x00, 0x01, 0x86, 0xdd, 0x60};
	struct ethernet eth;
	uint8_t out[ETHERNET_HEADER_LEN];

	for (size_t len = 0; len < ETHERNET_HEADER_LEN; len++)
		assert_int_equal(ethernet_parse(guard_copy(bytes, len), len, &eth), -TEE_EINVAL);
	assert_int_equal(ethernet_parse(guard_copy(bytes, 14), 14, &eth), 0);
	assert_true(mac_equal(&eth.dst, &ethernet_broadcast));
	assert_true(mac_is_group(&eth.dst));
	assert_false(mac_is_group(&eth.src));
	assert_false(mac_equal(&eth.dst, &eth.src));
	assert_int_equal(eth.type, ETHERTYPE_IP6);
	ethernet_write(out, &eth);
	assert_memory_equal(out, bytes, sizeof(out));
}

static void test_multicast_addresses(void **state)
{
	static const struct {
		struct tee_ip group;
		struct tee_mac mac;
	} cases[] = {
		{TEE_IP4(224, 0, 0, 1), {{0x01, 0x00, 0x5e, 0x00, 0x00, 0x01}}},
		/* the top bit of the second byte does not fit */
		{TEE_IP4(239, 255, 255, 250), {{0x01, 0x00, 0x5e, 0x7f, 0xff, 0xfa}}},
		{{{0xff, 0x02, [11] = 1, 0xff, 0x12, 0x34, 0x56}},
		 {{0x33, 0x33, 0xff, 0x12, 0x34, 0x56}}},
	};

	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		struct tee_mac mac = mac_of_multicast(&cases[i].group);

		assert_true(mac_equal(&mac, &cases[i].mac));
	}
}

static const uint8_t arp_request[ARP_LEN] = {
	0x00, 0x01, 0x08, 0x00, 0x06, 0x04, 0x00, 0x01, 0x02, 0x00, 0x00, 0x00, 0x00, 0x0f,
	0x0a, 0x00, 0x02, 0x0f, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x0a, 0x00, 0x02, 0x02,
};

static void test_arp(void **state)
{
	struct arp arp;
	uint8_t out[ARP_LEN], padded[46] = {0};

	for (size_t len = 0; len < ARP_LEN; len++)
		assert_int_equal(arp_parse(guard_copy(arp_request, len), len, &arp), -TEE_EINVAL);
	assert_int_equal(arp_parse(guard_copy(arp_request, ARP_LEN), ARP_LEN, &arp), 0);
	assert_int_equal(arp.op, ARP_REQUEST);
	assert_true(tee_ip_equal(&arp.sender_ip, &TEE_IP4(10, 0, 2, 15)));
	assert_true(tee_ip_equal(&arp.target_ip, &TEE_IP4(10, 0, 2, 2)));
	assert_int_equal(arp.sender_mac.byte[5], 0x0f);
	arp_write(out, &arp);
	assert_memory_equal(out, arp_request, ARP_LEN);
	memcpy(padded, arp_request, ARP_LEN);
	assert_int_equal(arp_parse(guard_copy(padded, sizeof(padded)), sizeof(padded), &arp), 0);
}

/* Every one of the first six bytes names a kind of ARP that is not ours when it differs. */
static void test_other_kinds_of_arp(void **state)
{
	for (unsigned i = 0; i < 6; i++) {
		uint8_t bytes[ARP_LEN];
		struct arp arp;

		memcpy(bytes, arp_request, ARP_LEN);
		bytes[i]++;
		assert_int_equal(arp_parse(guard_copy(bytes, ARP_LEN), ARP_LEN, &arp), -TEE_EINVAL);
	}
}

static void test_udp(void **state)
{
	static const struct {
		size_t len; /* bytes at hand */
		uint16_t len_field;
		int expected;
	} cases[] = {
		{0, 8, -TEE_EINVAL}, {7, 8, -TEE_EINVAL}, {8, 8, 0},
		{8, 9, -TEE_EINVAL}, {8, 7, -TEE_EINVAL}, {8, 0, -TEE_EINVAL},
		{20, 12, 0},         {20, 20, 0},         {20, 21, -TEE_EINVAL},
	};

	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		struct udp_header udp = {68, 67, cases[i].len_field, 0xabcd}, again = {0};
		uint8_t bytes[32] = {0};

		udp_write(bytes, &udp);
		assert_int_equal(udp_parse(guard_copy(bytes, cases[i].len), cases[i].len, &again),
				 cases[i].expected);
		if (cases[i].expected == 0)
			assert_memory_equal(&again, &udp, sizeof(udp));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ethernet), cmocka_unit_test(test_multicast_addresses),
		cmocka_unit_test(test_arp),      cmocka_unit_test(test_other_kinds_of_arp),
		cmocka_unit_test(test_udp),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
