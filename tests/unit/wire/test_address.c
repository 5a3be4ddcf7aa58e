/* SPDX-License-Identifier: MIT */
/* Classes of addresses, prefixes, and addresses made from others; all given as text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "base/check.h"
#include "wire/ip.h"

static struct tee_ip ip(const char *text)
{
	struct tee_ip parsed;

	assert_int_equal(tee_ip_parse(text, &parsed), 0);
	return parsed;
}

enum { LOOPBACK = 1, MULTICAST = 2, LINK_LOCAL = 4, BROADCAST = 8, SOURCE = 16 };

static void test_classes(void **state)
{
	static const struct {
		const char *text;
		unsigned classes;
	} cases[] = {
		{"127.0.0.1", LOOPBACK | SOURCE},
		{"127.255.1.2", LOOPBACK | SOURCE},
		{"128.0.0.1", SOURCE},
		{"10.0.0.0", SOURCE},
		{"0.0.0.0", 0},
		{"0.1.2.3", 0},
		{"169.254.0.1", LINK_LOCAL | SOURCE},
		{"169.253.0.1", SOURCE},
		{"223.255.255.255", SOURCE},
		{"224.0.0.1", MULTICAST},
		{"239.255.255.255", MULTICAST},
		{"240.0.0.1", 0},
		{"255.255.255.255", BROADCAST},
		{"255.255.255.254", 0},
		{"::", 0},
		{"::1", LOOPBACK | SOURCE},
		{"::2", SOURCE},
		{"fe80::1", LINK_LOCAL | SOURCE},
		{"febf::1", LINK_LOCAL | SOURCE},
		{"fec0::1", SOURCE},
		{"ff02::1", MULTICAST},
		{"fd00::1", SOURCE},
		{"2001:db8::1", SOURCE},
	};

	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		struct tee_ip address = ip(cases[i].text);
		unsigned classes = (ip_is_loopback(&address) ? LOOPBACK : 0) |
				   (ip_is_multicast(&address) ? MULTICAST : 0) |
				   (ip_is_link_local(&address) ? LINK_LOCAL : 0) |
				   (ip_is_limited_broadcast(&address) ? BROADCAST : 0) |
				   (ip_is_valid_source(&address) ? SOURCE : 0);

		assert_int_equal(classes, cases[i].classes);
	}
}

static void test_prefix_match(void **state)
{
	static const struct {
		const char *address, *prefix;
		unsigned bits;
		bool expected;
	} cases[] = {
		{"10.0.4.4", "10.0.4.0", 24, true},
		{"10.0.5.4", "10.0.4.0", 24, false},
		{"10.0.5.4", "10.0.4.0", 23, true},
		{"10.0.6.4", "10.0.4.0", 23, false},
		{"10.0.4.4", "10.0.4.4", 32, true},
		{"10.0.4.5", "10.0.4.4", 32, false},
		{"10.0.4.5", "10.0.4.4", 31, true},
		{"9.9.9.9", "0.0.0.0", 0, true},
		{"fd00::1", "0.0.0.0", 0, false},
		{"9.9.9.9", "::", 0, false},
		{"fd00::1", "::", 0, true},
		{"fd00::1", "fd00::", 64, true},
		{"fd00:0:0:1::1", "fd00::", 64, false},
		{"fd00:0:0:1::1", "fd00::", 63, true},
		{"fd00::1", "fd00::2", 127, false},
		{"fd00::3", "fd00::2", 127, true},
		{"fd00::3", "fd00::2", 128, false},
		{"fd00::3", "fd00::3", 128, true},
	};

	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		struct tee_ip address = ip(cases[i].address), prefix = ip(cases[i].prefix);

		assert_int_equal(ip_prefix_match(&address, &prefix, cases[i].bits),
				 cases[i].expected);
	}
}

static void test_directed_broadcast(void **state)
{
	static const struct {
		const char *address;
		unsigned bits;
		const char *expected;
	} cases[] = {
		{"10.0.4.4", 24, "10.0.4.255"},    {"10.0.4.4", 30, "10.0.4.7"},
		{"10.0.4.4", 31, "10.0.4.5"},      {"10.0.4.4", 32, "10.0.4.4"},
		{"10.0.4.4", 9, "10.127.255.255"}, {"10.0.4.4", 0, "255.255.255.255"},
	};

	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		struct tee_ip address = ip(cases[i].address);
		struct tee_ip broadcast = ip_directed_broadcast(&address, cases[i].bits);
		char text[TEE_IP_TEXT_SIZE];

		assert_string_equal(tee_ip_format(&broadcast, text), cases[i].expected);
	}
}

static void test_made_from_others(void **state)
{
	/* RFC 4291 section 2.7.1 */
	struct tee_ip node = ip("4037::01:800:200e:8c6c"), made;
	char text[TEE_IP_TEXT_SIZE];

	made = ip6_solicited_node(&node);
	assert_string_equal(tee_ip_format(&made, text), "ff02::1:ff0e:8c6c");
}

static void test_protocol_names(void **state)
{
	assert_string_equal(ip_protocol_name(IP_PROTO_TCP), "TCP");
	assert_string_equal(ip_protocol_name(IP_PROTO_ICMP6), "ICMPv6");
	for (unsigned i = 0; i < 256; i++)
		assert_non_null(ip_protocol_name((uint8_t)i));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_classes),
		cmocka_unit_test(test_prefix_match),
		cmocka_unit_test(test_directed_broadcast),
		cmocka_unit_test(test_made_from_others),
		cmocka_unit_test(test_protocol_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
