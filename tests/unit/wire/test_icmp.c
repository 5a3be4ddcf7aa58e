/* SPDX-License-Identifier: MIT */
/* ICMP of both families, the meaning of errors, and neighbour discovery messages. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "base/byteorder.h"
#include "base/check.h"
#include "wire/icmp.h"
#include "guard.h"

static void test_header(void **state)
{
	static const uint8_t bytes[] = {8,    0,    0x12, 0x34, 0x00, 0x07,
					0x00, 0x09, 'p',  'i',  'n',  'g'};
	const uint8_t *at = guard_copy(bytes, sizeof(bytes));
	struct icmp icmp;
	uint8_t out[ICMP_HEADER_LEN];

	assert_int_equal(icmp_parse(at, sizeof(bytes), &icmp), 0);
	assert_int_equal(icmp.type, ICMP4_ECHO_REQUEST);
	assert_int_equal(icmp.checksum, 0x1234);
	assert_int_equal(icmp.rest, 0x00070009);
	assert_ptr_equal(icmp.body, at + 8);
	assert_int_equal(icmp.body_len, 4);
	icmp_write(out, &icmp);
	assert_memory_equal(out, "\10\0\0\0\0\7\0\11", 8);
	for (size_t len = 0; len < ICMP_HEADER_LEN; len++)
		assert_int_equal(icmp_parse(guard_copy(bytes, len), len, &icmp), -TEE_EINVAL);
}

static void test_meaning_of_errors(void **state)
{
	static const struct {
		uint8_t version, type, code;
		uint32_t rest;
		enum icmp_error expected;
		uint32_t mtu;
	} cases[] = {
		{4, 3, 0, 0, ICMP_ERROR_NET_UNREACHABLE, 0},
		{4, 3, 1, 0, ICMP_ERROR_HOST_UNREACHABLE, 0},
		{4, 3, 2, 0, ICMP_ERROR_PROTOCOL_UNREACHABLE, 0},
		{4, 3, 3, 0, ICMP_ERROR_PORT_UNREACHABLE, 0},
		{4, 3, 4, 1400, ICMP_ERROR_TOO_BIG, 1400},
		{4, 3, 4, 0x00040000 | 576, ICMP_ERROR_TOO_BIG, 576}, /* RFC 4884's length above */
		{4, 3, 4, 0, ICMP_ERROR_TOO_BIG, 0},
		{4, 3, 5, 9, ICMP_ERROR_SOURCE_ROUTE_FAILED, 0},
		{4, 3, 6, 0, ICMP_ERROR_NET_UNREACHABLE, 0},
		{4, 3, 7, 0, ICMP_ERROR_HOST_UNREACHABLE, 0},
		{4, 3, 13, 0, ICMP_ERROR_PROHIBITED, 0},
		{4, 3, 16, 0, ICMP_ERROR_NONE, 0},
		{4, 4, 0, 0, ICMP_ERROR_NONE, 0}, /* MUST-55 */
		{4, 5, 0, 0, ICMP_ERROR_NONE, 0},
		{4, 0, 0, 0, ICMP_ERROR_NONE, 0},
		{4, 8, 0, 0, ICMP_ERROR_NONE, 0},
		{4, 11, 0, 0, ICMP_ERROR_TIME_EXCEEDED, 0},
		{4, 12, 0, 0, ICMP_ERROR_PARAMETER_PROBLEM, 0},
		{4, 1, 4, 0, ICMP_ERROR_NONE, 0},
		{6, 1, 0, 0, ICMP_ERROR_NET_UNREACHABLE, 0},
		{6, 1, 1, 0, ICMP_ERROR_PROHIBITED, 0},
		{6, 1, 3, 0, ICMP_ERROR_HOST_UNREACHABLE, 0},
		{6, 1, 4, 0, ICMP_ERROR_PORT_UNREACHABLE, 0},
		{6, 1, 7, 0, ICMP_ERROR_NONE, 0},
		{6, 2, 0, 1280, ICMP_ERROR_TOO_BIG, 1280},
		{6, 2, 9, 100000, ICMP_ERROR_TOO_BIG, 100000},
		{6, 3, 1, 0, ICMP_ERROR_TIME_EXCEEDED, 0},
		{6, 4, 0, 0, ICMP_ERROR_PARAMETER_PROBLEM, 0},
		{6, 4, 1, 6, ICMP_ERROR_PROTOCOL_UNREACHABLE, 0},
		{6, 128, 0, 0, ICMP_ERROR_NONE, 0},
		{6, 11, 0, 0, ICMP_ERROR_NONE, 0},
	};

	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		struct icmp icmp = {
			.type = cases[i].type, .code = cases[i].code, .rest = cases[i].rest};
		uint32_t mtu = 999;

		assert_int_equal(icmp_error_of(cases[i].version, &icmp, &mtu), cases[i].expected);
		assert_int_equal(mtu, cases[i].mtu);
	}
}

/* ---- neighbour discovery ---- */

static const struct tee_ip target = {{0xfe, 0x80, [15] = 9}};

static void test_written_messages_are_read_back(void **state)
{
	static const struct nd_message cases[] = {
		{.type = ICMP6_NEIGHBOUR_SOLICIT,
		 .target = {{0xfe, 0x80, [15] = 9}},
		 .has_source_mac = true,
		 .source_mac = {{2, 0, 0, 0, 0, 1}}},
		{.type = ICMP6_NEIGHBOUR_SOLICIT, .target = {{0xfe, 0x80, [15] = 9}}},
		{.type = ICMP6_NEIGHBOUR_ADVERT,
		 .target = {{0xfd, [15] = 9}},
		 .solicited = true,
		 .override = true,
		 .has_target_mac = true,
		 .target_mac = {{2, 0, 0, 0, 0, 1}}},
		{.type = ICMP6_NEIGHBOUR_ADVERT, .target = {{0xfd}}, .router = true},
		{.type = ICMP6_ROUTER_SOLICIT},
		{.type = ICMP6_ROUTER_SOLICIT, .has_source_mac = true, .source_mac = {{2}}},
	};
	static const size_t lens[] = {32, 24, 32, 24, 8, 16};

	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		struct nd_message nd;
		uint8_t out[72];
		size_t len = nd_write(out, &cases[i]);

		assert_int_equal(len, lens[i]);
		assert_int_equal(load_be16(out + 2), 0);
		assert_int_equal(nd_parse(guard_copy(out, len), len, &nd), 0);
		assert_memory_equal(&nd, &cases[i], sizeof(nd));
		/* every cut makes it malformed, but one that takes away whole options */
		for (size_t cut = 0; cut < len; cut++)
			assert_int_equal(nd_parse(guard_copy(out, cut), cut, &nd),
					 (cut == 24 && len == 32) || (cut == 8 && len == 16)
						 ? 0
						 : -TEE_EINVAL);
	}
}

static const uint8_t router_advert[] = {
	134,
	0,
	0,
	0,
	64,
	0xc0,
	0x07,
	0x08,
	0,
	0,
	0x75,
	0x30,
	0,
	0,
	0x03,
	0xe8,
	/* source link-layer address */
	1,
	1,
	2,
	0,
	0,
	0,
	0,
	1,
	/* MTU 1400 */
	5,
	1,
	0,
	0,
	0,
	0,
	0x05,
	0x78,
	/* prefix 2001:db8::/64, on link and autonomous */
	3,
	4,
	64,
	0xc0,
	0,
	0x01,
	0x51,
	0x80,
	0,
	0,
	0x38,
	0x40,
	0,
	0,
	0,
	0,
	0x20,
	0x01,
	0x0d,
	0xb8,
	0,
	0,
	0,
	0,
	0,
	0,
	0,
	0,
	0,
	0,
	0,
	0,
	/* an option nobody knows */
	200,
	1,
	9,
	9,
	9,
	9,
	9,
	9,
	/* two DNS servers */
	25,
	5,
	0,
	0,
	0,
	0,
	0x02,
	0x58,
	0xfd,
	0,
	0,
	0,
	0,
	0,
	0,
	0,
	0,
	0,
	0,
	0,
	0,
	0,
	0,
	1,
	0xfd,
	0,
	0,
	0,
	0,
	0,
	0,
	0,
	0,
	0,
	0,
	0,
	0,
	0,
	0,
	2,
};

static void test_router_advertisement(void **state)
{
	struct nd_message nd;

	assert_int_equal(nd_parse(guard_copy(router_advert, sizeof(router_advert)),
				  sizeof(router_advert), &nd),
			 0);
	assert_int_equal(nd.hop_limit, 64);
	assert_true(nd.managed && nd.other);
	assert_int_equal(nd.router_lifetime_s, 1800);
	assert_int_equal(nd.reachable_ms, 30000);
	assert_int_equal(nd.retrans_ms, 1000);
	assert_true(nd.has_source_mac && nd.source_mac.byte[5] == 1);
	assert_int_equal(nd.mtu, 1400);
	assert_int_equal(nd.prefix_count, 1);
	assert_int_equal(nd.prefixes[0].bits, 64);
	assert_true(nd.prefixes[0].on_link && nd.prefixes[0].autonomous);
	assert_int_equal(nd.prefixes[0].valid_s, 86400);
	assert_int_equal(nd.prefixes[0].preferred_s, 14400);
	assert_int_equal(nd.prefixes[0].prefix.byte[1], 1);
	assert_int_equal(nd.rdnss_count, 2);
	assert_int_equal(nd.rdnss_lifetime_s, 600);
	assert_int_equal(nd.rdnss[1].byte[15], 2);
}

static void test_more_than_fits_is_left_out(void **state)
{
	uint8_t bytes[16 + 12 * 32 + 8 + 9 * 16];
	struct nd_message nd;

	memset(bytes, 0, sizeof(bytes));
	bytes[0] = ICMP6_ROUTER_ADVERT;
	for (unsigned i = 0; i < 12; i++) {
		bytes[16 + 32 * i] = ND_OPT_PREFIX;
		bytes[17 + 32 * i] = 4;
		bytes[18 + 32 * i] = (uint8_t)(i + 1);
	}
	bytes[16 + 12 * 32] = ND_OPT_RDNSS;
	bytes[17 + 12 * 32] = 19;
	assert_int_equal(nd_parse(guard_copy(bytes, sizeof(bytes)), sizeof(bytes), &nd), 0);
	assert_int_equal(nd.prefix_count, ND_PREFIX_MAX);
	assert_int_equal(nd.prefixes[ND_PREFIX_MAX - 1].bits, ND_PREFIX_MAX);
	assert_int_equal(nd.rdnss_count, ND_RDNSS_MAX);
}

static void test_refused_messages(void **state)
{
	static const struct {
		const char *what;
		uint8_t bytes[40];
		size_t len;
	} cases[] = {
		{"code", {133, 1}, 8},
		{"type", {132, 0}, 24},
		{"option of length 0", {133, 0, 0, 0, 0, 0, 0, 0, 1, 0, 2, 0, 0, 0, 0, 1}, 16},
		{"option too long", {133, 0, 0, 0, 0, 0, 0, 0, 1, 2, 2, 0, 0, 0, 0, 1}, 16},
		{"half an option", {133, 0, 0, 0, 0, 0, 0, 0, 1}, 9},
		{"multicast target", {135, 0, 0, 0, 0, 0, 0, 0, 0xff, 2}, 24},
		{"multicast target", {136, 0, 0, 0, 0, 0, 0, 0, 0xff, 2}, 24},
		{"redirect cut", {137, 0, 0, 0, 0, 0, 0, 0, 0xfe, 0x80}, 39},
		{"advertisement cut", {134}, 15},
	};

	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		struct nd_message nd = {.type = 77};

		assert_int_equal(
			nd_parse(guard_copy(cases[i].bytes, cases[i].len), cases[i].len, &nd),
			-TEE_EINVAL);
		assert_int_equal(nd.type, 77);
	}
}

/* An option whose own length is wrong for its type does not spoil the rest. */
static void test_odd_options_are_skipped(void **state)
{
	uint8_t bytes[16 + 8 + 24 + 32] = {ICMP6_ROUTER_ADVERT};
	struct nd_message nd;

	memcpy(bytes + 16, ((uint8_t[]){ND_OPT_PREFIX, 1, 64}), 3);
	memcpy(bytes + 24, ((uint8_t[]){ND_OPT_RDNSS, 2}), 2);
	memcpy(bytes + 40, ((uint8_t[]){ND_OPT_RDNSS, 1}), 2);
	memcpy(bytes + 48, ((uint8_t[]){ND_OPT_PREFIX, 4, 129}), 3);
	assert_int_equal(nd_parse(guard_copy(bytes, sizeof(bytes)), sizeof(bytes), &nd), 0);
	assert_int_equal(nd.prefix_count, 0);
	assert_int_equal(nd.rdnss_count, 0);
	bytes[50] = 128;
	assert_int_equal(nd_parse(guard_copy(bytes, sizeof(bytes)), sizeof(bytes), &nd), 0);
	assert_int_equal(nd.prefix_count, 1);
}

static void test_redirect(void **state)
{
	uint8_t bytes[40] = {ICMP6_REDIRECT};
	struct nd_message nd;

	memcpy(bytes + 8, target.byte, 16);
	bytes[24] = 0x20;
	assert_int_equal(nd_parse(guard_copy(bytes, sizeof(bytes)), sizeof(bytes), &nd), 0);
	assert_true(tee_ip_equal(&nd.target, &target));
	assert_int_equal(nd.destination.byte[0], 0x20);
	bytes[24] = 0xff;
	assert_int_equal(nd_parse(guard_copy(bytes, sizeof(bytes)), sizeof(bytes), &nd),
			 -TEE_EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_header),
		cmocka_unit_test(test_meaning_of_errors),
		cmocka_unit_test(test_written_messages_are_read_back),
		cmocka_unit_test(test_router_advertisement),
		cmocka_unit_test(test_more_than_fits_is_left_out),
		cmocka_unit_test(test_refused_messages),
		cmocka_unit_test(test_odd_options_are_skipped),
		cmocka_unit_test(test_redirect),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
