// SPDX-License-Identifier: MIT
/* The conversation in words: lines of segments, and the summary. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "cli/trace.h"

static const struct tee_endpoint us = {.ip = TEE_IP4(10, 0, 2, 15), .port = 49152};
static const struct tee_endpoint them = {.ip = TEE_IP4(10, 0, 2, 2), .port = 80};

static void test_flags(void **state)
{
	char text[48];

	assert_string_equal(trace_format_flags(0, text), "");
	assert_string_equal(trace_format_flags(TEE_TCP_SYN | TEE_TCP_ACK, text), "SYN ACK");
	assert_string_equal(trace_format_flags(TEE_TCP_PSH | TEE_TCP_FIN | TEE_TCP_ACK, text),
			    "FIN PSH ACK");
	assert_string_equal(trace_format_flags(0x1ff, text), "SYN FIN RST PSH URG ACK ECE CWR AE");
}

static void test_lines(void **state)
{
	static const struct {
		struct tee_trace trace;
		const char *line;
	} cases[] = {
		{{.kind = TEE_TRACE_TCP_OUT,
		  .why = TEE_WHY_NONE,
		  .seg = {.flags = TEE_TCP_SYN,
			  .window = 65535,
			  .mss = 1460,
			  .wscale = 7,
			  .sack_permitted = true,
			  .has_ts = true}},
		 "     0.000  us:49152 -> 10.0.2.2:80  SYN      seq 0  win 65535  mss 1460  wscale 7"
		 "  sack ok  timestamps"},
		{{.kind = TEE_TRACE_TCP_IN,
		  .seg = {.flags = TEE_TCP_ACK | TEE_TCP_PSH,
			  .rel_seq = 1,
			  .len = 77,
			  .rel_ack = 5,
			  .window = 64240,
			  .wscale = -1}},
		 "     0.000  us:49152 <- 10.0.2.2:80  PSH ACK  seq 1..78 (77)  ack 5  win 64240"},
		{{.kind = TEE_TRACE_TCP_IN,
		  .seg = {.flags = TEE_TCP_ACK,
			  .rel_seq = 1,
			  .rel_ack = 5,
			  .window = 1,
			  .wscale = -1,
			  .sack_count = 2,
			  .sack = {{9, 12}, {20, 30}}}},
		 "     0.000  us:49152 <- 10.0.2.2:80  ACK      seq 1  ack 5  win 1  sack 9..12,20..30"},
		{{.kind = TEE_TRACE_PACKET_IN, .text = "ARP 10.0.2.2 is at 52:55:0a:00:02:02"},
		 "     0.000  us       <- ARP 10.0.2.2 is at 52:55:0a:00:02:02"},
		{{.kind = TEE_TRACE_DROP, .text = "tcp.bad_checksum"},
		 "     0.000  dropped: tcp.bad_checksum"},
		/* These are for --trace=all. */
		{{.kind = TEE_TRACE_TCP_RTT}, ""},
		{{.kind = TEE_TRACE_TCP_STATE}, ""},
		{{.kind = TEE_TRACE_TCP_CC}, ""},
		{{.kind = TEE_TRACE_TCP_LOST}, ""},
	};
	struct trace_printer *printer =
		trace_printer_new(stderr, cli_style(CLI_COLOR_NEVER, stderr), false, false);

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct tee_trace trace = cases[i].trace;
		char line[TRACE_LINE_SIZE];

		trace.local = us;
		trace.remote = them;
		assert_string_equal(trace_format(printer, &trace, line), cases[i].line);
	}
	trace_printer_free(printer);
}

static void test_all(void **state)
{
	struct trace_printer *printer =
		trace_printer_new(stderr, cli_style(CLI_COLOR_NEVER, stderr), false, true);
	struct tee_trace trace = {.kind = TEE_TRACE_TCP_LOST,
				  .local = us,
				  .text = "RACK",
				  .seg = {.rel_seq = 10, .len = 5}};
	char line[TRACE_LINE_SIZE];

	assert_non_null(strstr(trace_format(printer, &trace, line), "lost 10..15  RACK"));
	trace.kind = TEE_TRACE_TCP_RTT;
	trace.value_ns = 1500000;
	assert_non_null(strstr(trace_format(printer, &trace, line), "rtt 1.500 ms"));
	trace_printer_free(printer);
}

/* A very long text is cut, not run over. */
static void test_long(void **state)
{
	struct trace_printer *printer =
		trace_printer_new(stderr, cli_style(CLI_COLOR_ALWAYS, stderr), true, true);
	char text[2 * TRACE_LINE_SIZE], line[TRACE_LINE_SIZE];
	const struct tee_trace trace = {
		.kind = TEE_TRACE_PACKET_OUT, .why = TEE_WHY_DATAGRAM, .text = text};

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(strlen(trace_format(printer, &trace, line)), TRACE_LINE_SIZE - 1);
	trace_printer_free(printer);
}

static void test_time_and_summary(void **state)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	struct trace_printer *printer =
		trace_printer_new(out, cli_style(CLI_COLOR_NEVER, out), false, false);
	struct tee_trace trace = {.kind = TEE_TRACE_TCP_OUT,
				  .why = TEE_WHY_SYN,
				  .local = us,
				  .remote = them,
				  .at_ns = 5 * TEE_NS_PER_S,
				  .seg = {.flags = TEE_TCP_SYN, .wscale = -1}};

	trace_print(printer, &trace);
	trace.kind = TEE_TRACE_TCP_STATE;
	trace.state_to = TEE_TCP_ESTABLISHED;
	trace_print(printer, &trace);
	trace.kind = TEE_TRACE_TCP_IN;
	trace.at_ns += 12345678;
	trace.seg.len = 100;
	trace_print(printer, &trace);
	trace.kind = TEE_TRACE_DROP;
	trace_print(printer, &trace);
	trace_print_summary(printer);
	fclose(out);
	assert_non_null(strstr(text, "     0.000  us:49152 -> "));
	assert_non_null(strstr(text, "    12.345  us:49152 <- "));
	assert_non_null(strstr(text, "1 connection in 12.3 ms: sent 1 segment with 0 bytes, "
				     "received 1 with 100 bytes, dropped 1\nwhy: 1 "));
	trace_printer_free(printer);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_flags),
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_all),
		cmocka_unit_test(test_long),
		cmocka_unit_test(test_time_and_summary),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
