/* SPDX-License-Identifier: MIT */
/* Packets as bytes, and the numbers of a script against those of the wire. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "flow.h"

/* ---- wire ---- */

static struct wire_packet sample(bool is_ip6)
{
	struct wire_packet packet = {
		.is_ip6 = is_ip6,
		.src = TEE_IP4(192, 168, 0, 1),
		.dst = TEE_IP4(192, 0, 2, 1),
		.tos = 0x22,
		.ttl = 64,
		.protocol = WIRE_TCP,
		.src_port = 8080,
		.dst_port = 40000,
		.seq = 0xfffffff0,
		.ack = 7,
		.flags = SEG_ACK | SEG_PSH | SEG_AE,
		.window = 1000,
		.payload_len = 33,
		.option_count = 4,
		.options = {{.kind = OPTION_NOP},
			    {.kind = OPTION_NOP},
			    {.kind = OPTION_TIMESTAMP, .number = 5, .number2 = 6},
			    {.kind = OPTION_SACK, .sack_count = 1, .sack = {{1, 2}}}},
	};

	if (is_ip6) {
		tee_ip_parse("fd00::1", &packet.src);
		tee_ip_parse("fd00::2", &packet.dst);
	}
	return packet;
}

static void test_round_trip(void **state)
{
	for (int is_ip6 = 0; is_ip6 < 2; is_ip6++) {
		struct wire_packet in = sample(is_ip6), out;
		uint8_t bytes[256];
		char error[WIRE_ERROR_SIZE] = "";
		size_t len = wire_build(&in, bytes);

		assert_int_equal(len, (is_ip6 ? 40 : 20) + 20 + 24 + 33);
		assert_true(wire_parse(bytes, len, false, &out, error));
		assert_int_equal(out.seq, in.seq);
		assert_int_equal(out.flags, in.flags);
		assert_int_equal(out.tos, in.tos);
		assert_true(tee_ip_equal(&out.src, &in.src));
		assert_int_equal(out.payload_len, 33);
		assert_int_equal(out.options[2].number2, 6);
		assert_int_equal(out.options[3].sack[0].right, 2);
		/* Every bit counts: one that is turned is found. */
		for (size_t bit = 0; bit < len * 8; bit++) {
			bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
			if (wire_parse(bytes, len, false, &out, error))
				assert_true(is_ip6 && (bit < 64 || out.protocol != WIRE_TCP));
			bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
		/* Cut short, it is refused. */
		for (size_t cut = 0; cut < len; cut++)
			assert_false(wire_parse(bytes, cut, false, &out, error));
	}
}

static void test_options_too_long(void **state)
{
	struct wire_packet packet = sample(false);
	uint8_t bytes[256];

	packet.options[3].sack_count = 4;
	assert_int_equal(wire_build(&packet, bytes), 0);
}

/* ---- numbers ---- */

static struct flow open_flow(void)
{
	return (struct flow){.has_ports = true,
			     .local_ip = TEE_IP4(192, 168, 0, 1),
			     .remote_ip = TEE_IP4(192, 0, 2, 1),
			     .local_port = 8080,
			     .remote_port = 40000,
			     .live_fd = -1};
}

static const struct match_rules rules;

static void send_in(struct flow *flow, const struct packet_spec *spec, struct wire_packet *ret)
{
	char text[FLOW_TEXT_SIZE];

	*ret = (struct wire_packet){0};
	assert_true(flow_fill_inbound(flow, spec, &rules, ret, text));
}

static void test_numbers(void **state)
{
	struct flow flow = open_flow();
	struct packet_spec syn = {.is_inbound = true, .flags = SEG_SYN, .seq = 123, .seq_end = 123};
	struct packet_spec ack = {
		.is_inbound = true, .flags = SEG_ACK, .seq = 1, .has_ack = true, .ack = 1};
	struct packet_spec want = {.flags = SEG_SYN | SEG_ACK,
				   .has_ack = true,
				   .ack = 124,
				   .options_mode = OPTIONS_ANY};
	struct wire_packet in, out = {.protocol = WIRE_TCP,
				      .src_port = 8080,
				      .dst_port = 40000,
				      .flags = SEG_SYN | SEG_ACK,
				      .seq = 0xffffffff,
				      .ack = 124};
	char text[FLOW_TEXT_SIZE];

	out.dst = flow.remote_ip;
	send_in(&flow, &syn, &in);
	assert_int_equal(in.seq, 123);
	assert_true(flow_owns(&flow, &out));
	flow_note_outbound(&flow, &out, &want);
	/* With SYN, numbers are the script's own; the ACK of 123 is 124. */
	assert_true(flow_matches(&flow, &want, &out, &rules, text));
	/* Without, they count from the SYN, over the wrap too. */
	send_in(&flow, &ack, &in);
	assert_int_equal(in.seq, 124);
	assert_int_equal(in.ack, 0);
	/* A SYN inside the open connection is only a segment with a number. */
	syn.seq = syn.seq_end = 2;
	send_in(&flow, &syn, &in);
	assert_int_equal(in.seq, 2);
	assert_int_equal(flow.remote_isn, 123);
}

static const struct {
	struct packet_spec spec;
	struct wire_packet packet;
	bool is_strict, matches;
	const char *message;
} comparisons[] = {
	{{.flags = SEG_ACK | SEG_PSH,
	  .seq = 1,
	  .has_ack = true,
	  .ack = 1,
	  .has_window = true,
	  .window = 5},
	 {.flags = SEG_ACK, .seq = 1, .ack = 1, .window = 9},
	 false,
	 true,
	 ""},
	{{.flags = SEG_ACK | SEG_PSH, .seq = 1, .has_ack = true, .ack = 1},
	 {.flags = SEG_ACK, .seq = 1, .ack = 1},
	 true,
	 false,
	 "flags: expected P., came ."},
	{{.flags = SEG_ACK, .seq = 1, .has_ack = true, .ack = 1, .has_window = true, .window = 5},
	 {.flags = SEG_ACK, .seq = 1, .ack = 1, .window = 0},
	 false,
	 false,
	 "window: expected 5, came 0"},
	{{.flags = SEG_ACK, .seq = 1, .has_ack = true, .ack = 1, .has_window = true, .window = 5},
	 {.flags = SEG_ACK, .seq = 1, .ack = 1, .window = 6},
	 true,
	 false,
	 "window: expected 5, came 6"},
	{{.flags = SEG_ACK, .seq = 1, .has_ack = true, .ack = 1},
	 {.flags = SEG_ACK | SEG_RST, .seq = 1, .ack = 1},
	 false,
	 false,
	 "flags: expected ., came R."},
	{{.flags = SEG_ACK, .seq = 1, .has_ack = true, .ack = 1},
	 {.flags = SEG_ACK, .seq = 2, .ack = 1},
	 false,
	 false,
	 "sequence number: expected 1, came 2"},
	{{.flags = SEG_ACK, .seq = 1, .has_ack = true, .ack = 2},
	 {.flags = SEG_ACK, .seq = 1, .ack = 1},
	 false,
	 false,
	 "ack: expected 2, came 1"},
	{{.flags = SEG_ACK, .seq = 1, .has_ack = true, .ack = 1},
	 {.flags = SEG_ACK, .seq = 1, .ack = 1, .payload_len = 1},
	 false,
	 false,
	 "payload"},
	{{.flags = SEG_ACK, .seq = 1, .has_ack = true, .ack = 1, .ecn = ECN_ECT0},
	 {.flags = SEG_ACK, .seq = 1, .ack = 1},
	 false,
	 false,
	 "expected ect0, came noecn"},
	{{.flags = SEG_ACK, .seq = 1, .has_ack = true, .ack = 1},
	 {.flags = SEG_ACK,
	  .seq = 1,
	  .ack = 1,
	  .option_count = 1,
	  .options = {{.kind = OPTION_MSS}}},
	 false,
	 false,
	 "option mss was not expected"},
	{{.flags = SEG_ACK, .seq = 1, .has_ack = true, .ack = 1, .options_mode = OPTIONS_ANY},
	 {.flags = SEG_ACK,
	  .seq = 1,
	  .ack = 1,
	  .option_count = 1,
	  .options = {{.kind = OPTION_MSS}}},
	 false,
	 true,
	 ""},
};

static void test_comparisons(void **state)
{
	struct flow flow = open_flow();

	for (size_t i = 0; i < sizeof(comparisons) / sizeof(comparisons[0]); i++) {
		struct match_rules strictness = {.is_strict = comparisons[i].is_strict};
		struct packet_spec spec = comparisons[i].spec;
		struct wire_packet packet = comparisons[i].packet;
		char text[FLOW_TEXT_SIZE] = "";

		packet.protocol = WIRE_TCP;
		spec.ttl = spec.tos = -1;
		spec.flow_label = -1;
		if (!spec.ecn)
			spec.ecn = ECN_UNSAID;
		if (flow_matches(&flow, &spec, &packet, &strictness, text) !=
			    comparisons[i].matches ||
		    !strstr(text, comparisons[i].message))
			fail_msg("row %zu: '%s'", i, text);
	}
}

static void test_options_compared(void **state)
{
	struct flow flow = open_flow();
	struct tcp_option_spec want[] = {{.kind = OPTION_MSS, .number = 1460},
					 {.kind = OPTION_WSCALE, .number = 8},
					 {.kind = OPTION_NOP},
					 {.kind = OPTION_SACK_OK}};
	struct packet_spec spec = {.flags = SEG_SYN,
				   .options_mode = OPTIONS_LISTED,
				   .option_count = 4,
				   .options = want,
				   .ttl = -1,
				   .tos = -1,
				   .ecn = ECN_UNSAID,
				   .flow_label = -1};
	struct wire_packet packet = {.protocol = WIRE_TCP,
				     .flags = SEG_SYN,
				     .option_count = 3,
				     .options = {{.kind = OPTION_SACK_OK},
						 {.kind = OPTION_MSS, .number = 1460},
						 {.kind = OPTION_WSCALE, .number = 7}}};
	struct match_rules strict = {.is_strict = true};
	char text[FLOW_TEXT_SIZE];

	assert_true(flow_matches(&flow, &spec, &packet, &rules, text));
	assert_false(flow_matches(&flow, &spec, &packet, &strict, text));
	packet.options[1].number = 1440;
	assert_false(flow_matches(&flow, &spec, &packet, &rules, text));
	assert_string_equal(text, "mss: expected 1460, came 1440");
	packet.option_count = 1;
	assert_false(flow_matches(&flow, &spec, &packet, &rules, text));
	assert_string_equal(text, "option mss is missing");
}

static void test_timestamps_echoed(void **state)
{
	struct flow flow = open_flow();
	struct tcp_option_spec want = {.kind = OPTION_TIMESTAMP, .number = 100};
	struct packet_spec spec = {.option_count = 1, .options = &want};
	struct wire_packet out = {.option_count = 1,
				  .options = {{.kind = OPTION_TIMESTAMP, .number = 987654}}};
	struct packet_spec in_spec = {
		.is_inbound = true, .flags = SEG_ACK, .option_count = 1, .options = &want};
	struct wire_packet in;

	flow_note_stamp(&flow, &spec, &out);
	want.number2 = 100;
	send_in(&flow, &in_spec, &in);
	assert_int_equal(in.options[0].number2, 987654);
	want.number2 = 3;
	send_in(&flow, &in_spec, &in);
	assert_int_equal(in.options[0].number2, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),       cmocka_unit_test(test_options_too_long),
		cmocka_unit_test(test_numbers),          cmocka_unit_test(test_comparisons),
		cmocka_unit_test(test_options_compared), cmocka_unit_test(test_timestamps_echoed),
	};

	return cmocka_run_group_tests_name("script-flow", tests, NULL, NULL);
}
