// SPDX-License-Identifier: MIT
/* The common options: what they set, and that nonsense ends with exit code 2 and one clear line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "cli/cli.h"

enum { ARGS_MAX = 8 };

static void parse(struct cli *cli, const char *const *words)
{
	char *argv[ARGS_MAX + 2];
	int argc = 0;

	cli_init(cli, "teeceepee test");
	argv[argc++] = (char *)(uintptr_t)cli->name;
	for (; *words; words++)
		argv[argc++] = (char *)(uintptr_t)*words;
	argv[argc] = NULL;
	cli_parse(&cli_common_argp, argc, argv, cli);
}

static void test_defaults(void **state)
{
	struct cli one, two;

	parse(&one, (const char *const[]){NULL});
	parse(&two, (const char *const[]){NULL});
	assert_null(one.config.link);
	assert_null(one.config.ip);
	assert_int_equal(one.trace_level, CLI_TRACE_OFF);
	assert_int_equal(one.color, CLI_COLOR_AUTO);
	assert_int_equal(one.config.cancel_fd, -1);
	/* Two runs must not have the same sequence numbers. */
	assert_true(one.config.stack.seed != two.config.stack.seed);
}

static void test_values(void **state)
{
	struct cli cli;

	parse(&cli, (const char *const[]){"--link", "tap:tee0", "--ip=10.0.4.4/24", "--mtu", "9000",
					  "--seed=0x2a", "--dns=9.9.9.9", NULL});
	assert_string_equal(cli.config.link, "tap:tee0");
	assert_string_equal(cli.config.ip, "10.0.4.4/24");
	assert_string_equal(cli.config.dns, "9.9.9.9");
	assert_int_equal(cli.config.mtu, 9000);
	assert_int_equal(cli.config.stack.seed, 42);
	parse(&cli, (const char *const[]){"--cc", "newreno", "--set", "tcp_sack=off", "--set",
					  "tcp_msl=1s", "--impair=loss=2%", NULL});
	assert_string_equal(cli.config.stack.tcp_cc, "newreno");
	assert_false(cli.config.stack.tcp_sack);
	assert_true(cli.config.stack.tcp_msl_ns == TEE_NS_PER_S);
	assert_string_equal(cli.config.impair, "loss=2%");
	parse(&cli, (const char *const[]){"--trace=all", "--stats", "--json", "--color=never",
					  "--pcap=a.pcapng", "--spin=50", NULL});
	assert_int_equal(cli.trace_level, CLI_TRACE_ALL);
	assert_true(cli.wants_stats && cli.wants_json);
	assert_int_equal(cli.color, CLI_COLOR_NEVER);
	assert_string_equal(cli.config.pcap_path, "a.pcapng");
	assert_true(cli.config.spin_ns == 50 * TEE_NS_PER_US);
	parse(&cli, (const char *const[]){"--trace", NULL});
	assert_int_equal(cli.trace_level, CLI_TRACE_SEGMENTS);
}

/* What a child that parses these words says on standard error; its exit code. */
static int complain(const char *const *words, char *said, size_t size)
{
	int fds[2], status;
	ssize_t len;
	size_t total = 0;
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	if (pid == 0) {
		struct cli cli;

		dup2(fds[1], STDERR_FILENO);
		parse(&cli, words);
		_exit(99); /* it was accepted */
	}
	close(fds[1]);
	while ((len = read(fds[0], said + total, size - 1 - total)) > 0)
		total += (size_t)len;
	said[total] = '\0';
	close(fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void test_nonsense(void **state)
{
	static const struct {
		const char *words[3];
		const char *names; /* what the message must name */
	} cases[] = {
		{{"--mtu", "five"}, "--mtu"},
		{{"--mtu", "100"}, "576"},
		{{"--mtu", "-1"}, "--mtu"},
		{{"--mtu", "1500x"}, "1500x"},
		{{"--seed", ""}, "--seed"},
		{{"--spin", "1e3"}, "--spin"},
		{{"--set", "tcp_sack"}, "NAME=VALUE"},
		{{"--set", "=on"}, "NAME=VALUE"},
		{{"--set", "tcp_wings=on"}, "tcp_wings"},
		{{"--set", "tcp_sack=maybe"}, "maybe"},
		{{"--trace=some"}, "--trace=all"},
		{{"--color", "blue"}, "blue"},
		{{"--colour"}, "--colour"},
		{{"--cc", "a-name-that-is-much-too-long"}, "much-too-long"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char said[1024];

		assert_int_equal(complain(cases[i].words, said, sizeof(said)), CLI_EXIT_USAGE);
		assert_ptr_equal(strstr(said, "teeceepee test: "), said);
		assert_non_null(strstr(said, cases[i].names));
	}
}

static void test_json_string(void **state)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	cli_json_string(out, "a\"b\\c\n\x01z");
	fclose(out);
	assert_string_equal(text, "\"a\\\"b\\\\c\\u000a\\u0001z\"");
	free(text);
}

static void test_no_color(void **state)
{
	/* A test's standard output is no terminal, or NO_COLOR forbids it there. */
	setenv("NO_COLOR", "1", 1);
	assert_string_equal(cli_style(CLI_COLOR_AUTO, stdout)->red, "");
	assert_string_equal(cli_style(CLI_COLOR_NEVER, stdout)->red, "");
	assert_string_not_equal(cli_style(CLI_COLOR_ALWAYS, stdout)->red, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults), cmocka_unit_test(test_values),
		cmocka_unit_test(test_nonsense), cmocka_unit_test(test_json_string),
		cmocka_unit_test(test_no_color),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
