/* SPDX-License-Identifier: MIT */
/* IP headers of both families: what is believed, what is refused, and what the refusal points to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "base/byteorder.h"
#include "base/check.h"
#include "base/random.h"
#include "wire/checksum.h"
#include "wire/ip.h"
#include "guard.h"

static enum ip_parse_result parse(const uint8_t *bytes, size_t len, struct ip_header *ip,
				  uint32_t *pointer)
{
	return ip_parse(guard_copy(bytes, len), len, true, ip, pointer);
}

/* ---- IPv4 ---- */

/* A packet of `len` bytes with `words` words of header; options and payload are zeros. */
static void make_ip4(uint8_t *bytes, unsigned words, uint16_t len)
{
	memset(bytes, 0, len);
	bytes[0] = (uint8_t)(0x40 | words);
	store_be16(bytes + 2, len);
	bytes[8] = 64;
	bytes[9] = IP_PROTO_TCP;
	memcpy(bytes + 12, ((uint8_t[]){10, 0, 2, 15, 10, 0, 2, 2}), 8);
}

static void seal_ip4(uint8_t *bytes)
{
	store_be16(bytes + 10, 0);
	store_be16(bytes + 10, checksum_finish(checksum_add(0, bytes, (bytes[0] & 0xf) * 4u)));
}

/* Proves: RFC1122-3.2.1.1 */
static void test_ip4_lengths(void **state)
{
	static const struct {
		unsigned words;
		uint16_t len_field;
		size_t len; /* bytes at hand */
		enum ip_parse_result expected;
	} cases[] = {
		{5, 20, 20, IP_PARSE_OK},        {5, 40, 40, IP_PARSE_OK},
		{5, 40, 46, IP_PARSE_OK}, /* padding */
		{15, 60, 60, IP_PARSE_OK},       {5, 41, 40, IP_PARSE_MALFORMED},
		{5, 19, 40, IP_PARSE_MALFORMED}, {5, 0, 40, IP_PARSE_MALFORMED},
		{4, 40, 40, IP_PARSE_MALFORMED}, {0, 40, 40, IP_PARSE_MALFORMED},
		{6, 23, 40, IP_PARSE_MALFORMED}, {15, 60, 59, IP_PARSE_MALFORMED},
		{5, 20, 19, IP_PARSE_MALFORMED}, {5, 20, 1, IP_PARSE_MALFORMED},
		{5, 20, 0, IP_PARSE_MALFORMED},
	};

	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		uint8_t bytes[64];
		struct ip_header ip;
		uint32_t pointer;

		make_ip4(bytes, cases[i].words, sizeof(bytes));
		store_be16(bytes + 2, cases[i].len_field);
		seal_ip4(bytes);
		assert_int_equal(parse(bytes, cases[i].len, &ip, &pointer), cases[i].expected);
		if (cases[i].expected == IP_PARSE_OK) {
			assert_int_equal(ip.total_len, cases[i].len_field);
			assert_int_equal(ip.header_len, cases[i].words * 4);
			assert_int_equal(ip.options_len, cases[i].words * 4 - 20);
		}
	}
}

/* Longer than 65535, with 0 in the length field: what came counts. */
static void test_super_frame_beyond_the_length_field(void **state)
{
	enum { LEN = 65536 + 1000 };
	uint8_t *bytes = calloc(1, LEN);
	struct ip_header ip;
	uint32_t pointer;

	make_ip4(bytes, 5, 20);
	store_be16(bytes + 2, 0);
	seal_ip4(bytes);
	assert_int_equal(parse(bytes, LEN, &ip, &pointer), IP_PARSE_OK);
	assert_int_equal(ip.total_len, LEN);
	memset(bytes, 0, LEN);
	bytes[0] = 0x60;
	bytes[6] = IP_PROTO_TCP;
	assert_int_equal(parse(bytes, LEN, &ip, &pointer), IP_PARSE_OK);
	assert_int_equal(ip.total_len, LEN);
	assert_int_equal(parse(bytes, 1000, &ip, &pointer), IP_PARSE_OK);
	assert_int_equal(ip.total_len, IP6_HEADER_LEN);
	free(bytes);
}

/* RFC 2675 section 2: the option tells what the header can't, and nothing else. */
static void test_jumbo_payloads(void **state)
{
	enum { LEN = IP6_HEADER_LEN + IP6_JUMBO_LEN + 70000, OPTION = IP6_HEADER_LEN + 2 };
	struct ip_header ip = {.protocol = IP_PROTO_IP6_HOP_BY_HOP, .ttl = 64};
	uint8_t *bytes = calloc(1, LEN);
	struct ip_header parsed;
	uint32_t pointer;

	ip6_write(bytes, &ip, LEN - IP6_HEADER_LEN);
	assert_int_equal(load_be16(bytes + 4), 0);
	ip6_jumbo_write(bytes + IP6_HEADER_LEN, IP_PROTO_TCP, 70000);
	assert_int_equal(parse(bytes, LEN, &parsed, &pointer), IP_PARSE_OK);
	assert_int_equal(parsed.total_len, LEN);
	assert_int_equal(parsed.header_len, IP6_HEADER_LEN + IP6_JUMBO_LEN);
	assert_int_equal(parsed.protocol, IP_PROTO_TCP);
	/* Another length than came; */
	store_be32(bytes + OPTION + 2, 70000);
	assert_int_equal(parse(bytes, LEN, &parsed, &pointer), IP_PARSE_BAD_OPTION);
	assert_int_equal(pointer, OPTION);
	/* where the header could have told it. */
	ip6_write(bytes, &ip, 1000);
	store_be32(bytes + OPTION + 2, 1000);
	assert_int_equal(parse(bytes, IP6_HEADER_LEN + 1000, &parsed, &pointer),
			 IP_PARSE_BAD_OPTION);
	free(bytes);
}

/* Proves: RFC1122-3.2.1.2 */
static void test_ip4_checksum(void **state)
{
	uint8_t bytes[40];
	struct ip_header ip;
	uint32_t pointer;

	make_ip4(bytes, 5, sizeof(bytes));
	seal_ip4(bytes);
	assert_int_equal(parse(bytes, sizeof(bytes), &ip, &pointer), IP_PARSE_OK);
	for (unsigned i = 1; i < 20; i++) {
		if (i == 2 || i == 3)
			continue;
		bytes[i] ^= 0x10;
		assert_int_equal(parse(bytes, sizeof(bytes), &ip, &pointer), IP_PARSE_BAD_CHECKSUM);
		bytes[i] ^= 0x10;
	}
	bytes[10] ^= 1;
	assert_int_equal(ip_parse(bytes, sizeof(bytes), false, &ip, &pointer), IP_PARSE_OK);
}

/* Proves: RFC1122-3.2.1.8 */
static void test_ip4_options(void **state)
{
	static const struct {
		uint8_t options[8];
		enum ip_parse_result expected;
		uint32_t pointer;
	} cases[] = {
		{{0}, IP_PARSE_OK, 0},
		{{1, 1, 1, 1, 1, 1, 1, 1}, IP_PARSE_OK, 0},
		{{7, 8, 4}, IP_PARSE_OK, 0},
		{{148, 4, 0, 0, 0, 9, 9, 9}, IP_PARSE_OK, 0}, /* after the end anything goes */
		{{7, 1}, IP_PARSE_BAD_OPTION, 21},
		{{7, 0}, IP_PARSE_BAD_OPTION, 21},
		{{7, 9}, IP_PARSE_BAD_OPTION, 21},
		{{1, 1, 7, 7}, IP_PARSE_BAD_OPTION, 23},
		{{1, 1, 1, 1, 1, 1, 1, 7}, IP_PARSE_BAD_OPTION, 27},
	};

	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		uint8_t bytes[28];
		struct ip_header ip;
		uint32_t pointer;

		make_ip4(bytes, 7, sizeof(bytes));
		memcpy(bytes + 20, cases[i].options, 8);
		seal_ip4(bytes);
		assert_int_equal(parse(bytes, sizeof(bytes), &ip, &pointer), cases[i].expected);
		assert_int_equal(pointer, cases[i].pointer);
	}
}

static void test_ip4_fragments(void **state)
{
	static const struct {
		uint16_t field; /* flags and offset */
		uint16_t payload_len;
		enum ip_parse_result expected;
		bool is_fragment;
	} cases[] = {
		{0x0000, 11, IP_PARSE_OK, false},
		{0x4000, 11, IP_PARSE_OK, false},
		{0x2000, 16, IP_PARSE_OK, true},
		{0x2000, 15, IP_PARSE_MALFORMED, true}, /* not a multiple of eight */
		{0x2000, 0, IP_PARSE_MALFORMED, true},
		{0x0001, 11, IP_PARSE_OK, true},
		{0x2001, 8, IP_PARSE_OK, true},
		{0x1fff, 20, IP_PARSE_MALFORMED, true}, /* would end past 65535 */
		{0x1ffc, 11, IP_PARSE_OK, true},
	};

	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		uint8_t bytes[64];
		struct ip_header ip;
		uint32_t pointer;
		uint16_t len = (uint16_t)(20 + cases[i].payload_len);

		make_ip4(bytes, 5, len);
		store_be16(bytes + 6, cases[i].field);
		seal_ip4(bytes);
		assert_int_equal(parse(bytes, len, &ip, &pointer), cases[i].expected);
		assert_int_equal(ip.is_fragment, cases[i].is_fragment);
		assert_int_equal(ip.frag_offset, (cases[i].field & 0x1fff) * 8);
		assert_int_equal(ip.more_fragments, cases[i].field >> 13 & 1);
		assert_int_equal(ip.dont_fragment, cases[i].field >> 14 & 1);
	}
}

/* ---- IPv6 ---- */

/* A packet to fe80::2 whose body is given, the first header of type `next`. */
static size_t make_ip6(uint8_t *bytes, uint8_t next, const uint8_t *body, uint16_t len)
{
	memset(bytes, 0, IP6_HEADER_LEN);
	bytes[0] = 0x60;
	store_be16(bytes + 4, len);
	bytes[6] = next;
	bytes[7] = 255;
	bytes[8] = bytes[24] = 0xfe;
	bytes[9] = bytes[25] = 0x80;
	bytes[23] = 1;
	bytes[39] = 2;
	memcpy(bytes + IP6_HEADER_LEN, body, len);
	return IP6_HEADER_LEN + (size_t)len;
}

static const struct {
	const char *what;
	uint8_t next;
	uint8_t body[40];
	uint16_t len;
	enum ip_parse_result expected;
	uint32_t pointer;
	uint8_t protocol;
	uint16_t header_len, nexthdr_off;
} extension_cases[] = {
	{"none", 6, {0}, 8, IP_PARSE_OK, 0, 6, 40, 6},
	{"no next header", 59, {0}, 0, IP_PARSE_OK, 0, 59, 40, 6},
	{"hop by hop", 0, {6, 0, 1, 4}, 16, IP_PARSE_OK, 0, 6, 48, 40},
	{"pad1", 0, {17, 0, 0, 0, 0, 0, 0, 0}, 8, IP_PARSE_OK, 0, 17, 48, 40},
	{"hop by hop, destination",
	 0,
	 {60, 0, 1, 4, 0, 0, 0, 0, 58, 1, 1, 12},
	 24,
	 IP_PARSE_OK,
	 0,
	 58,
	 64,
	 48},
	{"hop by hop second",
	 60,
	 {0, 0, 1, 4, 0, 0, 0, 0, 6, 0, 1, 4},
	 16,
	 IP_PARSE_UNKNOWN_HEADER,
	 40,
	 0,
	 0,
	 0},
	{"cut off", 0, {6, 0, 1, 4}, 7, IP_PARSE_MALFORMED, 0, 0, 0, 0},
	{"longer than the packet", 0, {6, 1, 1, 4}, 8, IP_PARSE_MALFORMED, 0, 0, 0, 0},
	{"option past its header", 0, {6, 0, 1, 5}, 8, IP_PARSE_MALFORMED, 0, 0, 0, 0},
	{"option without length", 0, {6, 0, 1, 3, 0, 0, 0, 5}, 8, IP_PARSE_MALFORMED, 0, 0, 0, 0},
	{"unknown option, skip", 60, {6, 0, 0x1e, 4}, 8, IP_PARSE_OK, 0, 6, 48, 40},
	{"unknown option, discard", 60, {6, 0, 0x5e, 4}, 8, IP_PARSE_MALFORMED, 0, 0, 0, 0},
	{"unknown option, report", 60, {6, 0, 0x9e, 4}, 8, IP_PARSE_BAD_OPTION, 42, 0, 0, 0},
	{"unknown option, report unless multicast",
	 60,
	 {6, 0, 0, 0xde, 3},
	 8,
	 IP_PARSE_BAD_OPTION,
	 43,
	 0,
	 0,
	 0},
	{"routing, nothing left", 43, {6, 0, 0, 0}, 8, IP_PARSE_OK, 0, 6, 48, 40},
	{"routing, one left", 43, {6, 0, 0, 1}, 8, IP_PARSE_BAD_FIELD, 42, 0, 0, 0},
	{"authentication", 51, {6, 0}, 8, IP_PARSE_UNKNOWN_HEADER, 6, 0, 0, 0},
	{"mobility after destination",
	 60,
	 {135, 0, 1, 4, 0, 0, 0, 0, 59},
	 16,
	 IP_PARSE_UNKNOWN_HEADER,
	 40,
	 0,
	 0,
	 0},
	{"whole packet as a fragment", 44, {6, 0, 0, 0, 1, 2, 3, 4}, 12, IP_PARSE_OK, 0, 6, 48, 40},
};

/* Proves: RFC8504-5.2 RFC8504-5.3 */
static void test_extension_headers(void **state)
{
	for (unsigned i = 0; i < ARRAY_LEN(extension_cases); i++) {
		uint8_t bytes[128];
		struct ip_header ip;
		uint32_t pointer;
		size_t len = make_ip6(bytes, extension_cases[i].next, extension_cases[i].body,
				      extension_cases[i].len);

		assert_int_equal(parse(bytes, len, &ip, &pointer), extension_cases[i].expected);
		assert_int_equal(pointer, extension_cases[i].pointer);
		if (extension_cases[i].expected != IP_PARSE_OK)
			continue;
		assert_int_equal(ip.protocol, extension_cases[i].protocol);
		assert_int_equal(ip.header_len, extension_cases[i].header_len);
		assert_int_equal(ip.nexthdr_off, extension_cases[i].nexthdr_off);
		assert_false(ip.is_fragment);
	}
}

static void test_options_to_a_group_make_no_noise(void **state)
{
	static const uint8_t body[8] = {6, 0, 0xde, 4};
	uint8_t bytes[64];
	struct ip_header ip;
	uint32_t pointer;
	size_t len = make_ip6(bytes, 60, body, sizeof(body));

	bytes[24] = 0xff;
	bytes[25] = 0x02;
	assert_int_equal(parse(bytes, len, &ip, &pointer), IP_PARSE_MALFORMED);
	bytes[42] = 0x9e; /* to be reported in any case */
	assert_int_equal(parse(bytes, len, &ip, &pointer), IP_PARSE_BAD_OPTION);
}

static void test_ip6_fragments(void **state)
{
	static const struct {
		uint16_t field;
		uint16_t len; /* after the fragment header */
		enum ip_parse_result expected;
		uint32_t pointer;
		uint32_t offset;
	} cases[] = {
		{0x0001, 16, IP_PARSE_OK, 0, 0},        {0x0008, 13, IP_PARSE_OK, 0, 8},
		{0x0009, 8, IP_PARSE_OK, 0, 8},         {0x0001, 15, IP_PARSE_BAD_FIELD, 4, 0},
		{0xfff8, 8, IP_PARSE_BAD_FIELD, 50, 0}, {0xfff8, 7, IP_PARSE_OK, 0, 0xfff8},
	};

	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		/* a destination header, then the fragment header */
		uint8_t body[40] = {44, 0, 1, 4, 0, 0, 0, 0, 60}, bytes[128];
		struct ip_header ip;
		uint32_t pointer;
		size_t len;

		store_be16(body + 10, cases[i].field);
		store_be32(body + 12, 0xdeadbeef);
		len = make_ip6(bytes, 60, body, (uint16_t)(16 + cases[i].len));
		assert_int_equal(parse(bytes, len, &ip, &pointer), cases[i].expected);
		assert_int_equal(pointer, cases[i].pointer);
		if (cases[i].expected != IP_PARSE_OK)
			continue;
		assert_true(ip.is_fragment);
		assert_int_equal(ip.more_fragments, cases[i].field & 1);
		assert_int_equal(ip.frag_offset, cases[i].offset);
		assert_int_equal(ip.id, 0xdeadbeef);
		assert_int_equal(ip.unfrag_len, 48);
		assert_int_equal(ip.nexthdr_off, 40);
		assert_int_equal(ip.header_len, 56);
		assert_int_equal(ip.protocol, 60); /* not walked: it is in the data */
	}
}

static void test_too_many_extension_headers(void **state)
{
	uint8_t body[8 * 20] = {0}, bytes[256];
	struct ip_header ip;
	uint32_t pointer;

	for (unsigned i = 0; i < 20; i++)
		memcpy(body + 8 * i, ((uint8_t[]){60, 0, 1, 4}), 4);
	body[8 * 9] = 6;
	assert_int_equal(parse(bytes, make_ip6(bytes, 60, body, sizeof(body)), &ip, &pointer),
			 IP_PARSE_OK);
	body[8 * 9] = 60;
	assert_int_equal(parse(bytes, make_ip6(bytes, 60, body, sizeof(body)), &ip, &pointer),
			 IP_PARSE_MALFORMED);
}

/* Proves: RFC8504-5.1 */
static void test_ip6_lengths_and_mapped_addresses(void **state)
{
	static const uint8_t body[8] = {0};
	uint8_t bytes[64];
	struct ip_header ip;
	uint32_t pointer;
	size_t len = make_ip6(bytes, 6, body, sizeof(body));

	for (size_t cut = 0; cut < len; cut++)
		assert_int_equal(parse(bytes, cut, &ip, &pointer), IP_PARSE_MALFORMED);
	assert_int_equal(parse(bytes, len + 4, &ip, &pointer), IP_PARSE_OK); /* padding */
	assert_int_equal(ip.total_len, 48);
	memcpy(bytes + 8, TEE_IP4(1, 2, 3, 4).byte, 16);
	assert_int_equal(parse(bytes, len, &ip, &pointer), IP_PARSE_MALFORMED);
	bytes[0] = 0x50; /* version 5 */
	assert_int_equal(parse(bytes, len, &ip, &pointer), IP_PARSE_MALFORMED);
}

/* ---- both ---- */

static void test_round_trip(void **state)
{
	struct random random;

	random_init(&random, 1);
	for (unsigned round = 0; round < 5000; round++) {
		struct ip_header ip = {.protocol = 6}, again;
		uint8_t bytes[IP6_HEADER_LEN + 64] = {0};
		size_t payload_len = 8 * random_below(&random, 8);
		bool is4 = round % 2;
		size_t header_len = is4 ? IP4_HEADER_LEN : IP6_HEADER_LEN;
		uint32_t pointer;

		ip.tos = (uint8_t)random_u64(&random);
		ip.ttl = (uint8_t)random_u64(&random);
		if (is4) {
			ip.src = TEE_IP4(10, 1, 2, (uint8_t)round);
			ip.dst = TEE_IP4(10, 1, 3, (uint8_t)round);
			ip.id = random_u64(&random) & 0xffff;
			ip.dont_fragment = random_below(&random, 2);
			ip.more_fragments = payload_len > 0 && random_below(&random, 2);
			ip.frag_offset = (uint32_t)random_below(&random, 1000) * 8;
			ip4_write(bytes, &ip, payload_len);
		} else {
			ip.src.byte[0] = ip.dst.byte[0] = 0xfd;
			ip.src.byte[15] = (uint8_t)round;
			ip.flow_label = random_u64(&random) & 0xfffff;
			ip6_write(bytes, &ip, payload_len);
		}
		assert_int_equal(parse(bytes, header_len + payload_len, &again, &pointer),
				 IP_PARSE_OK);
		assert_int_equal(again.version, is4 ? 4 : 6);
		assert_true(tee_ip_equal(&again.src, &ip.src));
		assert_true(tee_ip_equal(&again.dst, &ip.dst));
		assert_int_equal(again.protocol, 6);
		assert_int_equal(again.ttl, ip.ttl);
		assert_int_equal(again.tos, ip.tos);
		assert_int_equal(again.id, ip.id);
		assert_int_equal(again.flow_label, ip.flow_label);
		assert_int_equal(again.dont_fragment, ip.dont_fragment);
		assert_int_equal(again.more_fragments, ip.more_fragments);
		assert_int_equal(again.frag_offset, ip.frag_offset);
		assert_int_equal(again.total_len, header_len + payload_len);
	}
}

static void test_ip6_fragment_header(void **state)
{
	struct ip_header ip = {
		.protocol = IP_PROTO_IP6_FRAGMENT, .ttl = 9, .src = {{0xfd}}, .dst = {{0xfd, 1}}};
	struct ip_header fragment = {
		.protocol = 17, .frag_offset = 1480, .more_fragments = true, .id = 0x12345678};
	uint8_t bytes[IP6_HEADER_LEN + IP6_FRAGMENT_LEN + 8] = {0};
	struct ip_header again;
	uint32_t pointer;

	ip6_write(bytes, &ip, IP6_FRAGMENT_LEN + 8);
	ip6_fragment_write(bytes + IP6_HEADER_LEN, &fragment);
	assert_int_equal(parse(bytes, sizeof(bytes), &again, &pointer), IP_PARSE_OK);
	assert_true(again.is_fragment && again.more_fragments);
	assert_int_equal(again.frag_offset, 1480);
	assert_int_equal(again.id, 0x12345678);
	assert_int_equal(again.protocol, 17);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ip4_lengths),
		cmocka_unit_test(test_super_frame_beyond_the_length_field),
		cmocka_unit_test(test_jumbo_payloads),
		cmocka_unit_test(test_ip4_checksum),
		cmocka_unit_test(test_ip4_options),
		cmocka_unit_test(test_ip4_fragments),
		cmocka_unit_test(test_extension_headers),
		cmocka_unit_test(test_options_to_a_group_make_no_noise),
		cmocka_unit_test(test_ip6_fragments),
		cmocka_unit_test(test_too_many_extension_headers),
		cmocka_unit_test(test_ip6_lengths_and_mapped_addresses),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_ip6_fragment_header),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
