/* SPDX-License-Identifier: MIT */
/* Scenario files: values with units, what sections hold, and a sentence for each mistake. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "sim/scenario.h"

static void test_times(void **state)
{
	static const struct {
		const char *text;
		uint64_t ns;
		bool is_ok;
	} cases[] = {
		{"0", 0, true},
		{"5ns", 5, true},
		{"20us", 20000, true},
		{"1.5ms", 1500000, true},
		{"2s", 2000000000, true},
		{"3m", UINT64_C(180000000000), true},
		{"1h", UINT64_C(3600000000000), true},
		{"5", 0, false},
		{"", 0, false},
		{"ms", 0, false},
		{"-1s", 0, false},
		{"1 parsec", 0, false},
		{"nan", 0, false},
		{"1e30s", 0, false},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t ns = 4711;

		assert_int_equal(value_time(cases[i].text, &ns), cases[i].is_ok);
		assert_int_equal(ns, cases[i].is_ok ? cases[i].ns : 4711);
	}
}

static void test_other_values(void **state)
{
	uint64_t value;
	double share;
	bool on;

	(void)state;
	assert_true(value_rate("20Mbit", &value));
	assert_int_equal(value, 20000000);
	assert_true(value_rate("64k", &value));
	assert_int_equal(value, 64000);
	assert_true(value_size("100K", &value));
	assert_int_equal(value, 102400);
	assert_true(value_size("1.5M", &value));
	assert_int_equal(value, 1572864);
	assert_false(value_size("1X", &value));
	assert_true(value_share("3%", &share));
	assert_true(share > 0.0299 && share < 0.0301);
	assert_true(value_share("0.5", &share));
	assert_true(share == 0.5);
	assert_false(value_share("101%", &share));
	assert_true(value_bool("yes", &on));
	assert_true(on);
	assert_true(value_bool("off", &on));
	assert_false(on);
	assert_false(value_bool("maybe", &on));
	assert_true(value_count("12", &value));
	assert_false(value_count("12x", &value));
	assert_false(value_count("-12", &value));
}

static const char good[] = "# a comment\n"
			   "[world]\n"
			   "seed = 7\n"
			   "duration = 90s   # and another\n"
			   "settle = 30s\n"
			   "[defaults]\n"
			   "tcp_cc = newreno\n"
			   "[host a]\n"
			   "[host b]\n"
			   "tcp_cc = bbr\n"
			   "[router r]\n"
			   "[link a r]\n"
			   "rate = 1Gbit\n"
			   "[link r b]\r\n"
			   "  rate = 10Mbit\n"
			   "delay = 20ms\n"
			   "back.loss = 2%\n"
			   "burst = 1% 30% 80%\n"
			   "forth.lose = 3, 10-12\n"
			   "qdisc = codel\n"
			   "at 5s delay = 80ms\n"
			   "at 6s back.up = no\n"
			   "[flow up]\n"
			   "from = a\n"
			   "to = b\n"
			   "cc = cubic\n"
			   "size = 1M\n"
			   "count = 5\n"
			   "arrivals = poisson\n"
			   "every = 1s";

static void test_good(void **state)
{
	char error[SCENARIO_ERROR_SIZE] = "";
	struct scenario *scenario = scenario_parse(good, error);
	const struct sim_link_config *link;

	(void)state;
	assert_string_equal(error, "");
	assert_non_null(scenario);
	assert_int_equal(scenario->seed, 7);
	assert_int_equal(scenario->duration_ns, UINT64_C(90000000000));
	assert_int_equal(scenario->settle_ns, UINT64_C(30000000000));
	assert_int_equal(scenario->node_count, 3);
	assert_string_equal(scenario->nodes[0].config.tcp_cc, "newreno");
	assert_string_equal(scenario->nodes[1].config.tcp_cc, "bbr");
	assert_true(scenario->nodes[2].is_router);
	assert_int_equal(scenario->link_count, 2);
	link = &scenario->links[1].config;
	assert_int_equal(link->path[0].rate_bits_per_s, 10000000);
	assert_int_equal(link->path[1].delay_ns, 20000000);
	assert_true(link->path[0].loss == 0);
	assert_true(link->path[1].loss == 0.02);
	assert_true(link->path[0].burst_loss == 0.8);
	assert_int_equal(link->path[0].lose[0].from, 3);
	assert_int_equal(link->path[0].lose[0].to, 3);
	assert_int_equal(link->path[0].lose[1].from, 10);
	assert_int_equal(link->path[0].lose[1].to, 12);
	assert_int_equal(link->path[1].lose[0].from, 0);
	assert_int_equal(link->path[1].qdisc, SIM_CODEL);
	assert_int_equal(scenario->change_count, 2);
	assert_int_equal(scenario->changes[0].at_ns, UINT64_C(5000000000));
	assert_int_equal(scenario->changes[1].link, 1);
	assert_string_equal(scenario->changes[1].key, "back.up");
	assert_int_equal(scenario->flow_count, 1);
	assert_int_equal(scenario->flows[0].count, 5);
	assert_true(scenario->flows[0].is_poisson);
	assert_int_equal(scenario->flows[0].size_bytes, 1 << 20);
	free(scenario);
}

static void test_mistakes(void **state)
{
	static const struct {
		const char *text, *says;
	} cases[] = {
		{"", "there is no [flow NAME]"},
		{"rate = 5", "line 1: \"rate\" stands before the first section"},
		{"[host a]\nfoo = 1", "line 2: a host has no field \"foo\""},
		{"[host a]\n\n[host a]", "line 3: there is a \"a\" already"},
		{"[host a]\n[link a b]", "line 2: a link joins two hosts or routers"},
		{"[host a]\n[link a a]", "line 2: a link joins"},
		{"[world\n", "line 1: a section's name ends with ]"},
		{"[world]\nduration\n",
		 "line 2: \"duration\" is neither a section nor KEY = VALUE"},
		{"[world]\nduration = soon\n", "line 2: \"soon\" is no value for duration"},
		{"[host a]\n[host b]\n[link a b]\nrate = fast",
		 "line 4: \"fast\" is no value for rate"},
		{"[host a]\n[host b]\n[link a b]\nback.rate = 1s",
		 "line 4: \"1s\" is no value for rate"},
		{"[host a]\n[host b]\n[link a b]\nlose = 5-3", "line 4: \"5-3\" is no value"},
		{"[host a]\n[host b]\n[link a b]\nlose = 0", "line 4: \"0\" is no value"},
		{"[host a]\n[host b]\n[link a b]\nlose = 5 x", "line 4: \"5 x\" is no value"},
		{"[host a]\n[host b]\n[link a b]\nlose = 1,2,3,4,5", "is no value for lose"},
		{"[host a]\n[host b]\n[link a b]\nspeed = 5",
		 "line 4: a link has no \"speed\"; it has rate "},
		{"[world]\nlength = 5s", "line 2: a world has no \"length\"; it has seed "},
		{"[router r]\nicmp = perhaps", "line 2: \"perhaps\" is no value for icmp"},
		{"[router r]\nrate = 5", "line 2: a router has no \"rate\""},
		{"[flow f]\ncc = vegas", "line 2: \"vegas\" is no value for cc"},
		{"[host a]\n[host b]\n[link a b]\nat noon rate = 5", "line 4: a change is"},
		{"[host a]\n[host b]\n[link a b]\nat 5s mtu = 1400", "line 4: a change is"},
		{"\n[flow f]\nfrom = a\n\n\n",
		 "line 2: flow f needs \"from\" and \"to\", both hosts"},
		{"[host a]\n[router b]\n[flow f]\nfrom = a\nto = b", "flow f needs"},
		{"[host a]\n[host b]\n[flow f]\nfrom = a\nto = b\nrounds = 3", "needs request"},
		{"[planet x]", "line 1: unknown section [planet x]"},
		{"[host averyveryverylongnameindeed]", "line 1: "},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char error[SCENARIO_ERROR_SIZE] = "";

		assert_null(scenario_parse(cases[i].text, error));
		if (!strstr(error, cases[i].says))
			fail_msg("\"%s\" does not contain \"%s\"", error, cases[i].says);
	}
}

static void test_heap_keeps_order(void **state)
{
	struct sim_heap heap;
	uint64_t last_at = 0, last_order = 0;

	(void)state;
	sim_heap_init(&heap);
	for (unsigned i = 0; i < 5000; i++)
		assert_int_equal(sim_heap_push(&heap, i * 7919 % 101, NULL, NULL, NULL, false), 0);
	for (unsigned i = 0; i < 5000; i++) {
		struct sim_happening item = sim_heap_pop(&heap);

		assert_true(item.at_ns > last_at ||
			    (item.at_ns == last_at && (i == 0 || item.order > last_order)));
		last_at = item.at_ns;
		last_order = item.order;
	}
	assert_true(sim_heap_next(&heap) == UINT64_MAX);
	/* What is left is freed with the heap. */
	assert_int_equal(sim_heap_push(&heap, 1, NULL, NULL, malloc(10), true), 0);
	sim_heap_fini(&heap);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_other_values),
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_mistakes),
		cmocka_unit_test(test_heap_keeps_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
