/* SPDX-License-Identifier: MIT */
/* What a link that shares the host's address reads of the host: lines of its files, good and bad. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "link/host_facts.h"

static void assert_ip(const struct tee_ip *ip, const char *want)
{
	char text[TEE_IP_TEXT_SIZE];

	assert_string_equal(tee_ip_format(ip, text), want);
}

static void routes_of_ipv4(void **state)
{
	static const struct {
		const char *line;
		const char *gateway; /* NULL: not the default route of eth0 */
		unsigned metric;
	} cases[] = {
		{"eth0\t00000000\t0102A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n", "192.168.2.1",
		 100},
		{"eth0\t00000000\tFE01010A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n", "10.1.1.254", 0},
		{"eth1\t00000000\t0102A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n", NULL, 0},
		{"eth0\t0002A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0\n", NULL, 0},
		{"eth0\t00000000\t00000000\t0001\t0\t0\t100\t00000000\t0\t0\t0\n", NULL, 0},
		{"eth0\t00000000\t0102A8C0\t0002\t0\t0\t100\t00000000\t0\t0\t0\n", NULL, 0},
		{"eth0\t00000000\t0102A8C0\t0003\t0\t0\t100\t00000080\t0\t0\t0\n", NULL, 0},
		{"Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\n", NULL, 0},
		{"eth0\t00000000\t0102A8C0\n", NULL, 0},
		{"", NULL, 0},
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct tee_ip gateway = TEE_IP_ANY;
		unsigned metric = 7;
		bool found = host_facts_route4(cases[i].line, "eth0", &gateway, &metric);

		assert_int_equal(found, cases[i].gateway != NULL);
		if (!found)
			continue;
		assert_ip(&gateway, cases[i].gateway);
		assert_int_equal(metric, cases[i].metric);
	}
}

#define ZERO "00000000000000000000000000000000"

static void routes_of_ipv6(void **state)
{
	static const struct {
		const char *line;
		const char *gateway;
		unsigned metric;
	} cases[] = {
		{ZERO " 00 " ZERO " 00 fe800000000000000000000000000001 00000400 00000001 00000000 "
		      "00000003     eth0\n",
		 "fe80::1", 0x400},
		{ZERO " 00 " ZERO " 00 fd000078000100000000000000000001 00000010 00000001 00000000 "
		      "00000003     eth0\n",
		 "fd00:78:1::1", 0x10},
		{ZERO " 00 " ZERO " 00 fe800000000000000000000000000001 00000400 00000001 00000000 "
		      "00000003     eth1\n",
		 NULL, 0},
		/* The kernel's "nowhere" stands on lo; one that has no gateway; one that is no default. */
		{ZERO " 00 " ZERO " 00 " ZERO " ffffffff 00000001 00000000 00200200       lo\n",
		 NULL, 0},
		{ZERO " 00 " ZERO " 00 " ZERO " 00000400 00000001 00000000 00000001     eth0\n",
		 NULL, 0},
		{"fd000078000100000000000000000000 40 " ZERO
		 " 00 fe800000000000000000000000000001 00000100 00000001 00000000 00000003 eth0\n",
		 NULL, 0},
		{ZERO " 00 " ZERO " 00 fe80\n", NULL, 0},
		{"", NULL, 0},
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct tee_ip gateway = TEE_IP_ANY;
		unsigned metric = 7;
		bool found = host_facts_route6(cases[i].line, "eth0", &gateway, &metric);

		assert_int_equal(found, cases[i].gateway != NULL);
		if (!found)
			continue;
		assert_ip(&gateway, cases[i].gateway);
		assert_int_equal(metric, cases[i].metric);
	}
}

static void name_servers(void **state)
{
	static const struct {
		const char *line, *server;
	} cases[] = {
		{"nameserver 9.9.9.9\n", "9.9.9.9"},
		{"nameserver\t2620:fe::fe\n", "2620:fe::fe"},
		/* The host's own loopback is not where we are. */
		{"nameserver 127.0.0.53\n", NULL},
		{"nameserver ::1\n", NULL},
		{"# nameserver 9.9.9.9\n", NULL},
		{"search example.com\n", NULL},
		{"nameserver none\n", NULL},
		{"nameserver 1111111111111111111111111111111111111111111111111111111111111111\n",
		 NULL},
		{"", NULL},
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct tee_ip server;
		bool found = host_facts_name_server(cases[i].line, &server);

		assert_int_equal(found, cases[i].server != NULL);
		if (found)
			assert_ip(&server, cases[i].server);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(routes_of_ipv4),
		cmocka_unit_test(routes_of_ipv6),
		cmocka_unit_test(name_servers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
