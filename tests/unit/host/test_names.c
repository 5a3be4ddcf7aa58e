// SPDX-License-Identifier: MIT
/* Names that need no query, and lists of name servers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "host/host.h"
#include "host/resolve.h"

static void test_literal(void **state)
{
	static const struct {
		const char *name;
		enum tee_family family;
		int count;
		const char *first;
	} cases[] = {
		{"10.0.4.4", TEE_FAMILY_ANY, 1, "10.0.4.4"},
		{"10.0.4.4", TEE_FAMILY_IPV4, 1, "10.0.4.4"},
		{"10.0.4.4", TEE_FAMILY_IPV6, -TEE_ENOENT, NULL},
		{"fd00::1", TEE_FAMILY_ANY, 1, "fd00::1"},
		{"fd00::1", TEE_FAMILY_IPV6, 1, "fd00::1"},
		{"fd00::1", TEE_FAMILY_IPV4, -TEE_ENOENT, NULL},
		{"localhost", TEE_FAMILY_ANY, 2, "::1"},
		{"LocalHost.", TEE_FAMILY_IPV4, 1, "127.0.0.1"},
		{"a.localhost", TEE_FAMILY_IPV4, 1, "127.0.0.1"},
		{"a.localhost", TEE_FAMILY_IPV6, 1, "::1"},
		{"notlocalhost", TEE_FAMILY_ANY, 0, NULL},
		{"localhost.example", TEE_FAMILY_ANY, 0, NULL},
		{"example.com", TEE_FAMILY_ANY, 0, NULL},
		{"", TEE_FAMILY_ANY, 0, NULL},
		{".", TEE_FAMILY_ANY, 0, NULL},
		{"10.0.4.4/24", TEE_FAMILY_ANY, 0, NULL},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct tee_ip ips[2];
		char text[TEE_IP_TEXT_SIZE];

		assert_int_equal(resolve_literal(cases[i].name, cases[i].family, ips),
				 cases[i].count);
		if (cases[i].first)
			assert_string_equal(tee_ip_format(&ips[0], text), cases[i].first);
	}
}

static void test_servers(void **state)
{
	static const struct {
		const char *text;
		int count;
		const char *last;
	} cases[] = {
		{"9.9.9.9", 1, "9.9.9.9:53"},
		{"9.9.9.9,10.0.0.1", 2, "10.0.0.1:53"},
		{"9.9.9.9:5353", 1, "9.9.9.9:5353"},
		{"fd00::1", 1, "[fd00::1]:53"},
		{"9.9.9.9,[fd00::1]:5353", 2, "[fd00::1]:5353"},
		{"9.9.9.9,9.9.9.9", 1, "9.9.9.9:53"}, /* told once */
		{"", -TEE_EINVAL, NULL},
		{"example.com", -TEE_EINVAL, NULL},
		{"9.9.9.9,,1.1.1.1", -TEE_EINVAL, NULL},
		{"9.9.9.9;1.1.1.1", -TEE_EINVAL, NULL},
		{"0.0.0.0", -TEE_EINVAL, NULL},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct tee_endpoint servers[HOST_DNS_MAX];
		char text[TEE_ENDPOINT_TEXT_SIZE];
		int count = host_parse_name_servers(cases[i].text, servers);

		assert_int_equal(count, cases[i].count);
		if (count > 0)
			assert_string_equal(tee_endpoint_format(&servers[count - 1], text),
					    cases[i].last);
	}
}

static void test_servers_limit(void **state)
{
	struct tee_endpoint servers[HOST_DNS_MAX];

	/* More than fit: the first ones count. */
	assert_int_equal(host_parse_name_servers("1.0.0.1,1.0.0.2,1.0.0.3,1.0.0.4,1.0.0.5,1.0.0.6,"
						 "1.0.0.7,1.0.0.8,1.0.0.9,1.0.0.10",
						 servers),
			 HOST_DNS_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_literal),
		cmocka_unit_test(test_servers),
		cmocka_unit_test(test_servers_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
