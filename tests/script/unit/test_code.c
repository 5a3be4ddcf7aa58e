/* SPDX-License-Identifier: MIT */
/* The evaluator of code blocks, and the knobs that shell commands become. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "code.h"
#include "knobs.h"

static bool look_up(void *arg, const char *name, int64_t *ret_value)
{
	if (!strcmp(name, "tcpi_lost"))
		*ret_value = 3;
	else if (!strcmp(name, "tcpi_options"))
		*ret_value = 0x27;
	else
		return false;
	return true;
}

static const struct {
	const char *code;
	enum code_verdict verdict;
	const char *message;
} blocks[] = {
	{"assert tcpi_lost == 3, tcpi_lost", CODE_HOLDS, ""},
	{"assert tcpi_lost == 4, tcpi_lost", CODE_FAILS, "tcpi_lost == 4: tcpi_lost is 3"},
	{" assert (tcpi_options & 0x20) != 0, tcpi_options ", CODE_HOLDS, ""},
	{"assert 1 <= tcpi_lost <= 3", CODE_HOLDS, ""},
	{"assert 1 <= tcpi_lost < 3", CODE_FAILS, ""},
	{"assert tcpi_lost == 3,'lost=%d' % tcpi_lost", CODE_HOLDS, ""},
	{"assert tcpi_lost in (1, 2, 3) and tcpi_lost not in [4]", CODE_HOLDS, ""},
	{"assert not (tcpi_lost > 5 or tcpi_lost < 2)", CODE_HOLDS, ""},
	{"a = 2 ** 1", CODE_UNSUPPORTED, "expected a value"},
	{"a = 0x10; b = a * 2 + 1\nassert b == 33 # so\nassert a // 3 == 5; assert -7 % 3 == 2",
	 CODE_HOLDS, ""},
	{"assert tcpi_lost == 3 and \\\n  tcpi_options == 39", CODE_HOLDS, ""},
	{"assert (tcpi_lost ==\n 3)", CODE_HOLDS, ""},
	{"assert min(4, tcpi_lost) == 3 and max(1, 2) == 2 and abs(-1) == 1", CODE_HOLDS, ""},
	{"assert 7 / 2 == 3.5 and 7 // 2 == 3 and int(3.9) == 3", CODE_HOLDS, ""},
	{"assert ~0 == -1 and 1 << 4 == 16 and 6 ^ 3 == 5 and 4 | 1 == 5", CODE_HOLDS, ""},
	{"assert 'a' == \"a\" and (1, 2) == (1, 2)", CODE_HOLDS, ""},
	{"print tcpi_lost, 'x'\nassert True", CODE_HOLDS, ""},
	{"assert tcpi_colour == 1", CODE_UNSUPPORTED, "unknown name 'tcpi_colour'"},
	{"assert 1 / 0", CODE_UNSUPPORTED, "division by zero"},
	{"while True: pass", CODE_UNSUPPORTED, ""},
	{"assert 1 == 1 1", CODE_UNSUPPORTED, "did not understand"},
};

static void test_blocks(void **state)
{
	for (size_t i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++) {
		struct arena arena = {0};
		struct code_state code = {.arena = &arena, .lookup = look_up};
		char message[CODE_MESSAGE_SIZE];
		enum code_verdict verdict = code_run(&code, blocks[i].code, message);

		if (verdict != blocks[i].verdict || !strstr(message, blocks[i].message))
			fail_msg("%s: verdict %d, '%s'", blocks[i].code, (int)verdict, message);
		arena_free(&arena);
	}
}

static void test_variables_stay(void **state)
{
	struct arena arena = {0};
	struct code_state code = {.arena = &arena, .lookup = look_up};
	char message[CODE_MESSAGE_SIZE];

	assert_int_equal(code_run(&code, "LIMIT = 3", message), CODE_HOLDS);
	assert_int_equal(code_run(&code, "assert tcpi_lost == LIMIT", message), CODE_HOLDS);
	assert_int_equal(code_run(&code, "LIMIT = 4\nassert tcpi_lost == LIMIT", message),
			 CODE_FAILS);
	arena_free(&arena);
}

/* ---- knobs ---- */

static void test_knobs(void **state)
{
	struct tee_config config;
	struct knobs knobs = {.config = &config};

	tee_config_init(&config);
	knobs_run(&knobs, "../../common/set_sysctls.py /proc/sys/net/ipv4/tcp_timestamps=0 \\\n"
			  " /proc/sys/net/ipv4/tcp_wmem=\"4096 50000 4194304\"");
	assert_false(config.tcp_timestamps);
	assert_int_equal(config.tcp_sndbuf_min, 4096);
	assert_int_equal(config.tcp_sndbuf_initial, 50000);
	assert_int_equal(config.tcp_sndbuf_max, 4194304);
	knobs_run(&knobs, "sysctl -q net.ipv4.tcp_ecn=1  # fully enabled\n"
			  "sysctl -q net.ipv4.tcp_fin_timeout=7");
	assert_int_equal(config.tcp_ecn, TEE_ECN_ON);
	assert_int_equal(config.tcp_fin_wait2_timeout_ns, 7 * TEE_NS_PER_S);
	config.tcp_hystart = false;
	knobs_run(&knobs, "echo 3 > /sys/module/tcp_cubic/parameters/hystart_detect");
	assert_true(config.tcp_hystart);
	assert_false(knobs.is_unsupported);
	assert_string_equal(knobs.notes, "");
	knobs_run(&knobs, "sysctl -q net.ipv4.tcp_tso_win_divisor=100");
	assert_false(knobs.is_unsupported);
	assert_non_null(strstr(knobs.notes, "tcp_tso_win_divisor"));
	knobs_run(&knobs, "sysctl net.ipv4.tcp_moon_phase=1");
	assert_true(knobs.is_unsupported);
	assert_non_null(strstr(knobs.notes, "tcp_moon_phase"));
	knobs_run(&knobs, "ip tcp_metrics flush all > /dev/null 2>&1");
	assert_true(knobs.flushes_metrics);
}

static const struct {
	const char *command;
	bool is_unsupported;
} knob_commands[] = {
	{"sysctl net.inet.tcp.msl=1000", false},
	{"sysctl -w net.inet.tcp.drop_synfin=0", false},
	{"sysctl -w net.inet.tcp.drop_synfin=1", true},
	{"sysctl kern.ipc.maxsockbuf=2097152", false},
	{"sysctl net.inet.tcp.tolerate_missing_ts=0", true},
	{"sysctl net.inet.tcp.hostcache.enable=0", false},
	{"sysctl -q net.ipv4.tcp_mtu_probing=0", false},
	{"sysctl -q net.ipv4.tcp_mtu_probing=2", false},
	{"sysctl -q net.ipv4.tcp_mtu_probing=3", true},
	{"sysctl -q net.ipv4.tcp_probe_interval=60", false},
	{"sysctl -q net.ipv4.tcp_base_mss=0", true},
	{"sysctl -q net.ipv4.conf.all.rp_filter=0", false},
	{"sysctl -q net.ipv6.conf.tun0.accept_dad=0", false},
	{"ip route replace 192.0.2.0/24 dev tun0 initcwnd 20 rto_min 100ms", false},
	{"ip route replace 192.0.2.0/24 dev tun0 advmss 1200", false},
	{"ip route flush cache", false},
	{"ip route add blackhole 192.0.2.0/24", true},
};

static void test_knob_commands(void **state)
{
	for (size_t i = 0; i < sizeof(knob_commands) / sizeof(knob_commands[0]); i++) {
		struct tee_config config;
		struct knobs knobs = {.config = &config};

		tee_config_init(&config);
		knobs_run(&knobs, knob_commands[i].command);
		if (knobs.is_unsupported != knob_commands[i].is_unsupported)
			fail_msg("%s: %s", knob_commands[i].command, knobs.notes);
		if (strstr(knob_commands[i].command, "initcwnd")) {
			assert_int_equal(config.tcp_initial_cwnd_segs, 20);
			assert_int_equal(config.tcp_rto_min_ns, 100 * TEE_NS_PER_MS);
		}
	}
}

static void test_defaults_file(void **state)
{
	struct tee_config config;
	struct knobs knobs = {.config = &config};

	tee_config_init(&config);
	knobs_run(&knobs, "../common/defaults.sh");
	assert_true(knobs.has_defaults_file);
	assert_int_equal(config.tcp_ecn, TEE_ECN_OFF);
	assert_int_equal(config.tcp_fastopen, 0x403);
	assert_string_equal(knobs.notes, "");
}

static void test_presumed(void **state)
{
	struct tee_config config;
	struct knobs knobs = {.config = &config};
	char error[SCRIPT_ERROR_SIZE];
	struct script *script = script_parse(
		"t.pkt", "+0 connect(3, ..., ...) = 0\n+0 > SEW 0:0(0) <mss 1460,sackOK>", error);

	assert_non_null(script);
	tee_config_init(&config);
	knobs_presume(&knobs, script);
	assert_int_equal(config.tcp_ecn, TEE_ECN_ON);
	assert_true(config.tcp_sack);
	assert_false(config.tcp_timestamps);
	assert_false(config.tcp_window_scaling);
	script_free(script);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_blocks),        cmocka_unit_test(test_variables_stay),
		cmocka_unit_test(test_knobs),         cmocka_unit_test(test_knob_commands),
		cmocka_unit_test(test_defaults_file), cmocka_unit_test(test_presumed),
	};

	return cmocka_run_group_tests_name("script-code", tests, NULL, NULL);
}
