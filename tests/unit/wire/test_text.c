/* SPDX-License-Identifier: MIT */
/* Addresses and endpoints as text, both ways; names of errors, reasons and states. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <teeceepee/info.h>
#include <teeceepee/trace.h>
#include "base/check.h"
#include "base/random.h"

static void test_read_and_write(void **state)
{
	static const struct {
		const char *text, *written; /* NULL: as it was read */
	} cases[] = {
		{"0.0.0.0", NULL},
		{"10.0.4.4", NULL},
		{"255.255.255.255", NULL},
		{"::", NULL},
		{"::1", NULL},
		{"1::", NULL},
		{"fd00::1", NULL},
		{"fe80::1:2:3:4", NULL},
		{"1:2:3:4:5:6:7:8", NULL},
		{"2001:DB8::A", "2001:db8::a"},
		/* RFC 5952 4.1: no leading zeros */
		{"2001:0db8:0000:0000:0001:0000:0000:0001", "2001:db8::1:0:0:1"},
		/* 4.2.2: one group of zeros is written out */
		{"2001:db8:0:1:1:1:1:1", NULL},
		{"2001:db8::1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},
		/* 4.2.3: the longest run, or else the first */
		{"2001:0:0:1:0:0:0:1", "2001:0:0:1::1"},
		{"2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},
		{"0:0:0:0:0:0:0:0", "::"},
		{"1:0:0:0:0:0:0:0", "1::"},
		{"0:2:3:4:5:6:7:8", NULL},
		{"1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"},
		{"::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"},
		{"64:ff9b::192.0.2.33", "64:ff9b::c000:221"},
		{"1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:102:304"},
		{"::1.2.3.4", "::102:304"},
		/* mapped addresses are IPv4 addresses here */
		{"::ffff:10.0.0.1", "10.0.0.1"},
		{"::ffff:a00:1", "10.0.0.1"},
	};

	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		struct tee_ip ip;
		char text[TEE_IP_TEXT_SIZE];

		assert_int_equal(tee_ip_parse(cases[i].text, &ip), 0);
		assert_ptr_equal(tee_ip_format(&ip, text), text);
		assert_string_equal(text, cases[i].written ? cases[i].written : cases[i].text);
	}
}

static void test_refused(void **state)
{
	static const char *const cases[] = {
		"",
		" ",
		"1",
		"1.2.3",
		"1.2.3.",
		"1.2.3.4.",
		"1.2.3.4.5",
		".1.2.3",
		"1..2.3",
		"256.1.1.1",
		"1.2.3.256",
		"01.2.3.4",
		"1.2.3.00",
		"1.2.3.4 ",
		" 1.2.3.4",
		"1.2.3.4x",
		"1.2.3.-4",
		"0x1.2.3.4",
		"99999999999.1.1.1",
		":",
		":::",
		"::1::",
		"1::2::3",
		"1:2:3",
		"1:2:3:4:5:6:7",
		"1:2:3:4:5:6:7:",
		":1:2:3:4:5:6:7",
		"1:2:3:4:5:6:7:8:",
		"1:2:3:4:5:6:7:8:9",
		"::1:2:3:4:5:6:7:8",
		"1:2:3:4::5:6:7:8",
		"12345::",
		"g::",
		"::g",
		"1:2:3:4:5:6:7:1.2.3.4",
		"::1.2.3",
		"::1.2.3.4:5",
		"1.2.3.4::",
		"fe80::1%eth0",
		"[::1]",
		"::1/64",
		"1:",
		":1",
	};

	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		struct tee_ip ip = TEE_IP4(9, 9, 9, 9);

		assert_int_equal(tee_ip_parse(cases[i], &ip), -TEE_EINVAL);
		assert_true(tee_ip_equal(&ip, &TEE_IP4(9, 9, 9, 9)));
	}
}

/* The C library's reader and writer on random addresses full of zeros. */
static void test_against_the_c_library(void **state)
{
	struct random random;

	random_init(&random, 8);
	for (unsigned round = 0; round < 20000; round++) {
		struct tee_ip ip = TEE_IP_ANY, again;
		char text[TEE_IP_TEXT_SIZE], expected[TEE_IP_TEXT_SIZE];
		uint64_t zeros = random_u64(&random);

		for (unsigned i = 0; i < 16; i++)
			if (zeros >> (i / 2 * 2) & 3)
				ip.byte[i] = (uint8_t)random_u64(&random);
		ip.byte[0] |= 0x20; /* no embedded IPv4, which glibc writes with dots */
		tee_ip_format(&ip, text);
		assert_non_null(inet_ntop(AF_INET6, ip.byte, expected, sizeof(expected)));
		assert_string_equal(text, expected);
		assert_int_equal(tee_ip_parse(text, &again), 0);
		assert_true(tee_ip_equal(&ip, &again));
	}
}

static void test_prefixes(void **state)
{
	static const struct {
		const char *text;
		int expected; /* bits or error */
	} cases[] = {
		{"10.0.4.4/24", 24}, {"10.0.4.4/0", 0}, {"10.0.4.4", 32},     {"fd00::1", 128},
		{"fd00::1/64", 64},  {"::/0", 0},       {"fd00::/128", 128},  {"10.0.0.0/33", -1},
		{"::/129", -1},      {"10.0.0.0/", -1}, {"10.0.0.0/8 ", -1},  {"10.0.0.0/08", -1},
		{"10.0.0.0/-1", -1}, {"/8", -1},        {"10.0.0.0/8/8", -1}, {"10.0.0/8", -1},
	};

	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		struct tee_ip ip;
		unsigned bits = 999;
		int result = tee_ip_parse_prefix(cases[i].text, &ip, &bits);

		assert_int_equal(result, cases[i].expected < 0 ? -TEE_EINVAL : 0);
		assert_int_equal(bits, cases[i].expected < 0 ? 999 : cases[i].expected);
	}
}

static void test_endpoints(void **state)
{
	static const struct {
		const char *text, *written; /* NULL: refused */
	} cases[] = {
		{"1.2.3.4:80", "1.2.3.4:80"},
		{"[fd00::1]:80", "[fd00::1]:80"},
		{"[::]:0", "[::]:0"},
		{"0.0.0.0:65535", "0.0.0.0:65535"},
		{"[1.2.3.4]:80", "1.2.3.4:80"},
		{"1.2.3.4", NULL},
		{"1.2.3.4:", NULL},
		{"1.2.3.4:65536", NULL},
		{"1.2.3.4:080", NULL},
		{"1.2.3.4:80 ", NULL},
		{"fd00::1:80", NULL},
		{"[fd00::1]", NULL},
		{"[fd00::1]80", NULL},
		{"[fd00::1:80", NULL},
		{"[]:80", NULL},
		{":80", NULL},
		{"", NULL},
	};

	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		struct tee_endpoint endpoint = {.port = 7, .netif = 7};
		char text[TEE_ENDPOINT_TEXT_SIZE];
		int result = tee_endpoint_parse(cases[i].text, &endpoint);

		assert_int_equal(result, cases[i].written ? 0 : -TEE_EINVAL);
		if (!cases[i].written) {
			assert_int_equal(endpoint.port, 7);
			continue;
		}
		assert_int_equal(endpoint.netif, 0);
		assert_string_equal(tee_endpoint_format(&endpoint, text), cases[i].written);
	}
}

static void test_kinds(void **state)
{
	assert_true(tee_ip_is4(&TEE_IP4(0, 0, 0, 0)));
	assert_false(tee_ip_is4(&TEE_IP_ANY));
	assert_true(tee_ip_is_any(&TEE_IP4(0, 0, 0, 0)));
	assert_true(tee_ip_is_any(&TEE_IP_ANY));
	assert_false(tee_ip_is_any(&TEE_IP4(0, 0, 0, 1)));
	assert_false(tee_ip_equal(&TEE_IP_ANY, &TEE_IP4(0, 0, 0, 0)));
}

static void test_names(void **state)
{
	for (int error = 0; error < TEE_ERROR_COUNT; error++) {
		assert_non_null(tee_strerror(error));
		assert_ptr_equal(tee_strerror(-error), tee_strerror(error));
		assert_string_not_equal(tee_strerror(error), "unknown error");
	}
	assert_string_equal(tee_strerror(TEE_ERROR_COUNT), "unknown error");
	assert_string_equal(tee_strerror(INT32_MIN), "unknown error");
	for (int why = 0; why < TEE_WHY_COUNT; why++) {
		assert_non_null(tee_why_name((enum tee_why)why));
		for (int other = 0; other < why; other++)
			assert_string_not_equal(tee_why_name((enum tee_why)why),
						tee_why_name((enum tee_why)other));
	}
	assert_string_equal(tee_why_name(TEE_WHY_TLP), "tail loss probe");
	assert_string_equal(tee_why_name(TEE_WHY_COUNT), "unknown reason");
	for (int i = 0; i < TEE_TCP_STATE_COUNT; i++)
		assert_non_null(tee_tcp_state_name((enum tee_tcp_state)i));
	assert_string_equal(tee_tcp_state_name(TEE_TCP_FIN_WAIT_2), "FIN-WAIT-2");
	assert_string_equal(tee_tcp_state_name(TEE_TCP_STATE_COUNT), "unknown state");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read_and_write),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_against_the_c_library),
		cmocka_unit_test(test_prefixes),
		cmocka_unit_test(test_endpoints),
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
