/* SPDX-License-Identifier: MIT */
/*
 * The parser: each form of the language with what it has to mean, each error with its line, and,
 * where the shared collection is at hand (TEE_PACKETDRILL), every script of it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <dirent.h>
#include <sys/stat.h>

#include "ast.h"

static struct script *parse(const char *text)
{
	char error[SCRIPT_ERROR_SIZE];
	struct script *script = script_parse("t.pkt", text, error);

	if (!script)
		fail_msg("%s", error);
	return script;
}

/* ---- times ---- */

static const struct {
	const char *text;
	enum time_kind kind;
	int64_t us, us_end, return_us;
	bool blocking;
} times[] = {
	{"0 close(3) = 0", TIME_ABSOLUTE, 0, 0, 0, false},
	{"1.5 close(3) = 0", TIME_ABSOLUTE, 1500000, 0, 0, false},
	{".25 close(3) = 0", TIME_ABSOLUTE, 250000, 0, 0, false},
	{"+0.1 close(3) = 0", TIME_RELATIVE, 100000, 0, 0, false},
	{"+.000004 close(3) = 0", TIME_RELATIVE, 4, 0, 0, false},
	{"* > . 1:1(0) ack 1", TIME_ANY, 0, 0, 0, false},
	{"+.1~+.2 > . 1:1(0) ack 1", TIME_RELATIVE_RANGE, 100000, 200000, 0, false},
	{"1~2.5 > . 1:1(0) ack 1", TIME_ABSOLUTE_RANGE, 1000000, 2500000, 0, false},
	{"0...0.3 accept(3, ..., ...) = 4", TIME_ABSOLUTE, 0, 0, 300000, true},
	{"+.01...0.011 connect(3, ..., ...) = 0", TIME_RELATIVE, 10000, 0, 11000, true},
	{"+.002 ... 0.004 connect(4, ..., ...) = 0", TIME_RELATIVE, 2000, 0, 4000, true},
	{"+0 ...0.010 connect(4, ..., ...) = 0", TIME_RELATIVE, 0, 0, 10000, true},
	{"+0...0.000 read(4, ..., 1) = 1", TIME_RELATIVE, 0, 0, 0, true},
};

static void test_times(void **state)
{
	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		struct script *script = parse(times[i].text);
		const struct time_spec *time = &script->events[0].time;

		assert_int_equal(time->kind, times[i].kind);
		assert_int_equal(time->us, times[i].us);
		assert_int_equal(time->us_end, times[i].us_end);
		assert_int_equal(time->blocking, times[i].blocking);
		assert_int_equal(time->return_us, times[i].return_us);
		script_free(script);
	}
}

/* ---- packets ---- */

static const struct {
	const char *text;
	unsigned flags;
	uint32_t seq, len, ack, window;
	int ecn, ttl, tos;
	enum options_mode mode;
	unsigned options;
} packets[] = {
	{"+0 < S 0:0(0) win 32792 <mss 1460,sackOK,nop,nop,nop,wscale 7>", SEG_SYN, 0, 0, 0, 32792,
	 ECN_UNSAID, -1, -1, OPTIONS_LISTED, 6},
	{"+0 > S. 0:0(0) ack 1 <...>", SEG_SYN | SEG_ACK, 0, 0, 1, 0, ECN_UNSAID, -1, -1,
	 OPTIONS_ANY, 0},
	{"+0 < - 1:1001(1000) win 20000", 0, 1, 1000, 0, 20000, ECN_UNSAID, -1, -1, OPTIONS_NONE,
	 0},
	{"+0 < F . 1:1(0) ack 2 win 5", SEG_FIN | SEG_ACK, 1, 0, 2, 5, ECN_UNSAID, -1, -1,
	 OPTIONS_NONE, 0},
	{"+0 > [ect0] P. 1:11 (10) ack 1", SEG_PSH | SEG_ACK, 1, 10, 1, 0, ECN_ECT0, -1, -1,
	 OPTIONS_NONE, 0},
	{"+0 >[noecn] P. 1:11(10) ack 1", SEG_PSH | SEG_ACK, 1, 10, 1, 0, ECN_NONE, -1, -1,
	 OPTIONS_NONE, 0},
	{"+0 < (ttl 3) SEW 0:0(0) win 1", SEG_SYN | SEG_ECE | SEG_CWR, 0, 0, 0, 1, ECN_UNSAID, 3,
	 -1, OPTIONS_NONE, 0},
	{"+0 > (tos 0x20) R. 0:0(0)! ack 1 win 0", SEG_RST | SEG_ACK, 0, 0, 1, 0, ECN_UNSAID, -1,
	 32, OPTIONS_NONE, 0},
	{"+0 < [ce, tos 8] .5 1:2(1) ack 1 win 1", SEG_ACK | SEG_ECE | SEG_AE, 1, 1, 1, 1, ECN_CE,
	 -1, 8, OPTIONS_NONE, 0},
	{"+0 < UP. 4294967295:0(1) ack 7 win 9 urg 1", SEG_URG | SEG_PSH | SEG_ACK, UINT32_MAX, 1,
	 7, 9, ECN_UNSAID, -1, -1, OPTIONS_NONE, 0},
	{"+0 > udp (100)", 0, 0, 100, 0, 0, ECN_UNSAID, -1, -1, OPTIONS_NONE, 0},
};

static void test_packets(void **state)
{
	for (size_t i = 0; i < sizeof(packets) / sizeof(packets[0]); i++) {
		struct script *script = parse(packets[i].text);
		const struct packet_spec *packet = script->events[0].packet;

		assert_int_equal(packet->flags, packets[i].flags);
		assert_int_equal(packet->seq, packets[i].seq);
		assert_int_equal(packet->payload_len, packets[i].len);
		assert_int_equal(packet->ack, packets[i].ack);
		assert_int_equal(packet->window, packets[i].window);
		assert_int_equal(packet->ecn, packets[i].ecn);
		assert_int_equal(packet->ttl, packets[i].ttl);
		assert_int_equal(packet->tos, packets[i].tos);
		assert_int_equal(packet->options_mode, packets[i].mode);
		assert_int_equal(packet->option_count, packets[i].options);
		script_free(script);
	}
}

static void test_options(void **state)
{
	struct script *script = parse(
		"+0 < S 0:0(0) win 1 <TS val 10 ecr 20, sack 1:2 5:9,FO abCD,FOEXP TFO_COOKIE,"
		"eol,ECN e1b 1 ceb 2 e0b 3,md5 0102,kind 99 ff>");
	const struct tcp_option_spec *options = script->events[0].packet->options;

	assert_int_equal(options[0].kind, OPTION_TIMESTAMP);
	assert_int_equal(options[0].number, 10);
	assert_int_equal(options[0].number2, 20);
	assert_int_equal(options[1].sack_count, 2);
	assert_int_equal(options[1].sack[1].right, 9);
	assert_int_equal(options[2].kind, OPTION_FASTOPEN);
	assert_int_equal(options[2].len, 2);
	assert_int_equal(options[2].data[1], 0xcd);
	assert_true(options[3].is_cookie_name);
	assert_int_equal(options[5].kind, OPTION_ACCECN1);
	assert_int_equal(options[5].len, 9);
	assert_int_equal(options[7].kind, 99);
	script_free(script);
}

static void test_icmp(void **state)
{
	struct script *script = parse("+0 < icmp unreachable frag_needed mtu 1234 [1:1001(1000)]\n"
				      "+0 < icmp type_255 code_3\n"
				      "+0 < icmp time_exceeded\n");

	assert_int_equal(script->events[0].packet->icmp_type, 3);
	assert_int_equal(script->events[0].packet->icmp_code, 4);
	assert_int_equal(script->events[0].packet->icmp_mtu, 1234);
	assert_int_equal(script->events[0].packet->seq, 1);
	assert_int_equal(script->events[1].packet->icmp_type, 255);
	assert_int_equal(script->events[2].packet->icmp_type, 11);
	script_free(script);
	script = parse("--ip_version=ipv6\n+0 < icmp unreachable admin_prohibited [0:0(0)]\n");
	assert_int_equal(script->events[0].packet->icmp_type, 1);
	assert_int_equal(script->events[0].packet->icmp_code, 1);
	script_free(script);
}

/* ---- calls ---- */

static void test_calls(void **state)
{
	struct script *script =
		parse("+0 sendmsg(3, {msg_name(...)=...,\n"
		      "  msg_iov(2)=[{..., 0}, {\"a\\x41\", 40}], msg_flags=0},\n"
		      "  MSG_MORE|MSG_DONTWAIT) = -1 EAGAIN(try again)\n"
		      "+0 fcntl(3, F_GETFL) = 0x2 (flags O_RDWR)\n"
		      "+0 bind(3, {sa_family = AF_INET, sin_port = htons(80),"
		      " sin_addr = inet_addr(\"1.2.3.4\")}, [16]) = 0\n"
		      "+0 epoll_ctl(5, EPOLL_CTL_ADD, 4, {events=EPOLLET, fd=4}) = ?\n");
	const struct call_spec *call = script->events[0].call;

	assert_int_equal(call->arg_count, 3);
	assert_int_equal(call->args[2]->number, 0x8040);
	assert_int_equal(call->error, 11);
	assert_string_equal(call->note, "try again");
	assert_string_equal(call->args[1]->names[1], "msg_iov");
	assert_int_equal(call->args[1]->items[1]->items[1]->items[0]->text_len, 2);
	assert_memory_equal(call->args[1]->items[1]->items[1]->items[0]->text, "aA", 2);
	call = script->events[1].call;
	assert_int_equal(call->result->number, 2);
	call = script->events[2].call;
	assert_string_equal(call->args[1]->items[2]->text, "inet_addr");
	call = script->events[3].call;
	assert_int_equal(call->args[3]->items[0]->number, INT64_C(1) << 31);
	assert_int_equal(call->result->kind, VALUE_ELLIPSIS);
	script_free(script);
}

/* ---- statements ---- */

static void test_statements(void **state)
{
	struct script *script = parse("// a comment\n--mtu=1200\n`set up\nmore`\n"
				      "/* two\n lines */ 0 `now`\n"
				      "+.1 %{ assert a == 1,\n a }% // end\n`clean up`\n");

	assert_int_equal(script->option_count, 1);
	assert_string_equal(script->options[0].name, "mtu");
	assert_string_equal(script->options[0].value, "1200");
	assert_string_equal(script->init_command, "set up\nmore");
	assert_int_equal(script->event_count, 2);
	assert_int_equal(script->events[0].kind, EVENT_COMMAND);
	assert_int_equal(script->events[0].line, 6);
	assert_int_equal(script->events[1].kind, EVENT_CODE);
	assert_string_equal(script->events[1].source, "+.1 %{ assert a == 1, a }%");
	script_free(script);
}

/* ---- errors ---- */

static const struct {
	const char *text, *message;
} errors[] = {
	{"", "t.pkt:1: no events"},
	{"\n\nbind(3, ..., ...) = 0", "t.pkt:3: expected an event that starts with its time"},
	{"+0 < S 0:1(0) win 1", "t.pkt:1: 0:1(0): length and end disagree"},
	{"+0 < S 0:0(0)", "t.pkt:1: a packet towards the stack needs 'win N'"},
	{"+0 > . 1:1(0)", "t.pkt:1: the ACK flag '.' needs 'ack N'"},
	{"+0 < S 0:0(0) win 70000", "t.pkt:1: window 70000 does not fit 16 bits"},
	{"0 close(3) = 0\n+0 < S 0:0(0) win 1 <mos 3>", "t.pkt:2: unknown TCP option"},
	{"+0 < S 0:0(0) win 1 <mss 3", "t.pkt:1: expected '>'"},
	{"+0 close(3 = 0", "t.pkt:1: expected ')' but found '= 0'"},
	{"+0 close(3)", "t.pkt:1: expected '=' but found 'the end'"},
	{"+0 socket(AF_DECNET, 1, 2) = 3", "t.pkt:1: unknown constant 'AF_DECNET'"},
	{"+0 close(3) = -1 EODD", "t.pkt:1: unknown error 'EODD'"},
	{"+0 `never ends", "t.pkt:1: '`' without '`'"},
	{"/* never ends", "t.pkt:1: comment without end"},
	{"+0 write(3, \"a\n\", 1) = 1", "t.pkt:1: string without end"},
	{"+.2~+.1 > . 1:1(0) ack 1", "t.pkt:1: a range of time ends before it starts"},
	{"+.1~.2 > . 1:1(0) ack 1", "t.pkt:1: a range mixes absolute and relative time"},
	{"+.2...0.1 close(3) = 0", "t.pkt:1: the call returns before it starts"},
	{"* close(3) = 0", "t.pkt:1: only a packet that the stack sends can have a range"},
	{"0...1 < S 0:0(0) win 1", "t.pkt:1: only a system call can have a time of return"},
	{"+0 < gre: S 0:0(0) win 1", "t.pkt:1: gre in a packet is not supported"},
	{"+0 < icmp strange", "t.pkt:1: unknown ICMP type 'strange'"},
	{"+0 < icmp unreachable strange", "t.pkt:1: unknown ICMP code 'strange'"},
	{"+0 > P. 1:2(1) ack 1 <FO abc>", "t.pkt:1: odd number of hexadecimal digits"},
};

static void test_errors(void **state)
{
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		char error[SCRIPT_ERROR_SIZE] = "";
		struct script *script = script_parse("t.pkt", errors[i].text, error);

		assert_null(script);
		if (!strstr(error, errors[i].message))
			fail_msg("'%s' instead of '%s'", error, errors[i].message);
	}
}

/* Every prefix of a script is either read or refused, never more. */
static void test_prefixes(void **state)
{
	static const char text[] =
		"--mtu=1\n`x`\n0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n"
		"+.1...0.2 poll([{fd=3, events=POLLIN, revents=0}], 1, -1) = 0 (x)\n"
		"+0 < [ect0] S 0:0(0) ack 3 win 1 <mss 1,TS val 1 ecr 2,sack 1:2,FO ab>\n"
		"+.1~+.2 > icmp unreachable frag_needed mtu 3 [1:2(1)]\n+0 %{ assert 1 }%\n";

	for (size_t len = 0; len < sizeof(text); len++) {
		char *copy = strndup(text, len), error[SCRIPT_ERROR_SIZE];
		struct script *script = script_parse("t.pkt", copy, error);

		script_free(script);
		free(copy);
	}
}

/* ---- the collection ---- */

static unsigned parse_tree(const char *path)
{
	DIR *dir = opendir(path);
	unsigned count = 0;
	struct dirent *entry;

	if (!dir)
		return 0;
	while ((entry = readdir(dir))) {
		char below[2048], error[SCRIPT_ERROR_SIZE];
		struct stat status;
		struct script *script;

		snprintf(below, sizeof(below), "%s/%s", path, entry->d_name);
		if (*entry->d_name == '.' || stat(below, &status) < 0)
			continue;
		if (S_ISDIR(status.st_mode)) {
			count += parse_tree(below);
			continue;
		}
		if (!strstr(entry->d_name, ".pkt"))
			continue;
		script = script_read(below, error);
		if (!script)
			fail_msg("%s", error);
		script_free(script);
		count++;
	}
	closedir(dir);
	return count;
}

static void test_collection(void **state)
{
	const char *path = getenv("TEE_PACKETDRILL");
	unsigned count = path ? parse_tree(path) : 0;

	if (!count)
		skip();
	print_message("%u scripts parsed\n", count);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_times),      cmocka_unit_test(test_packets),
		cmocka_unit_test(test_options),    cmocka_unit_test(test_icmp),
		cmocka_unit_test(test_calls),      cmocka_unit_test(test_statements),
		cmocka_unit_test(test_errors),     cmocka_unit_test(test_prefixes),
		cmocka_unit_test(test_collection),
	};

	return cmocka_run_group_tests_name("script-parse", tests, NULL, NULL);
}
