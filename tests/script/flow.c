/* SPDX-License-Identifier: MIT */
/*
 * Translation between a script's numbers and the wire's.
 *
 * With `isn` the number that a side's SYN had on the wire and `script_isn` the one it had in the
 * script: segments without SYN count from the SYN, so they are isn + n; segments with SYN say the
 * script's own number, so they are isn + (n - script_isn), and so is the acknowledgment in them.
 * For the peer both are the same, because its ISN is the script's choice.
 *
 * The peer's ISN may be said anew by each SYN until the stack acknowledges one: a SYN inside an
 * open connection is just a segment with a number.
 */
#include "flow.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static uint32_t local_offset(const struct flow *flow, bool is_syn)
{
	return is_syn ? flow->local_isn - flow->script_local_isn : flow->local_isn;
}

static uint32_t remote_offset(const struct flow *flow, bool is_syn)
{
	return is_syn ? flow->remote_isn - flow->script_remote_isn : flow->remote_isn;
}

uint32_t flow_seq_in(const struct flow *flow, const struct packet_spec *spec)
{
	if (spec->is_absolute_seq)
		return spec->seq;
	return spec->seq + remote_offset(flow, spec->flags & SEG_SYN);
}

uint32_t flow_ack_in(const struct flow *flow, const struct packet_spec *spec)
{
	if (!spec->has_ack)
		return 0;
	return spec->ack + local_offset(flow, spec->flags & SEG_SYN);
}

/* ---- towards the stack ---- */

static uint32_t echo_of(const struct flow *flow, uint32_t script)
{
	unsigned count = flow->stamp_count < FLOW_STAMPS_MAX ? flow->stamp_count : FLOW_STAMPS_MAX;

	/* Newest first: a script may use a number twice. */
	for (unsigned i = 1; i <= count; i++) {
		unsigned index = (flow->stamp_count - i) % FLOW_STAMPS_MAX;

		if (flow->stamps[index].script == script)
			return flow->stamps[index].live;
	}
	if (flow->has_linear_stamps)
		return script - flow->first_script_stamp + flow->first_live_stamp;
	return script;
}

static bool is_cookie(const struct tcp_option_spec *option)
{
	return option->kind == OPTION_FASTOPEN || option->kind == OPTION_EXPERIMENT;
}

/* Is this what scripts call the valid cookie of these addresses? */
static bool names_our_cookie(const struct tcp_option_spec *option, const struct match_rules *rules)
{
	if (!is_cookie(option))
		return false;
	return option->is_cookie_name ||
	       (option->len == sizeof(rules->script_cookie) &&
		!memcmp(option->data, rules->script_cookie, sizeof(rules->script_cookie)));
}

static bool fill_option(const struct flow *flow, struct tcp_option_spec *option,
			const struct match_rules *rules, char text[FLOW_TEXT_SIZE])
{
	if (names_our_cookie(option, rules)) {
		if (!rules->has_cookie) {
			snprintf(text, FLOW_TEXT_SIZE, "the stack gave no fast-open cookie");
			return false;
		}
		option->len = rules->cookie_len;
		memcpy(option->data, rules->cookie, rules->cookie_len);
	} else if (option->kind == OPTION_SACK) {
		for (unsigned i = 0; i < option->sack_count; i++) {
			option->sack[i].left += flow->local_isn;
			option->sack[i].right += flow->local_isn;
		}
	} else if (option->kind == OPTION_TIMESTAMP) {
		option->number2 = echo_of(flow, option->number2);
	}
	return true;
}

static void learn_remote_syn(struct flow *flow, const struct packet_spec *spec)
{
	if (!(spec->flags & SEG_SYN) || flow->is_remote_isn_fixed)
		return;
	flow->has_remote_isn = true;
	flow->remote_isn = flow->script_remote_isn = spec->seq;
}

bool flow_fill_inbound(struct flow *flow, const struct packet_spec *spec,
		       const struct match_rules *rules, struct wire_packet *ret,
		       char text[FLOW_TEXT_SIZE])
{
	learn_remote_syn(flow, spec);
	ret->src_port = flow->remote_port;
	ret->dst_port = flow->local_port;
	ret->seq = flow_seq_in(flow, spec);
	ret->ack = flow_ack_in(flow, spec);
	ret->flags = spec->flags;
	ret->window = (uint16_t)spec->window;
	ret->urgent = (uint16_t)spec->urgent;
	ret->payload_len = spec->payload_len;
	ret->payload_offset = ret->seq + (spec->flags & SEG_SYN ? 1 : 0) - flow->remote_isn - 1;
	ret->option_count = spec->option_count;
	for (unsigned i = 0; i < spec->option_count; i++) {
		ret->options[i] = spec->options[i];
		if (!fill_option(flow, &ret->options[i], rules, text))
			return false;
	}
	if (spec->flags & SEG_SYN) {
		flow->last_syn = ret->seq;
		flow->script_last_syn = spec->seq;
	}
	if (spec->flags & (SEG_FIN | SEG_RST))
		flow->has_ended = true;
	flow->has_packet = true;
	return true;
}

/* ---- from the stack ---- */

bool flow_owns(struct flow *flow, const struct wire_packet *packet)
{
	if (packet->protocol != (flow->is_udp ? WIRE_UDP : WIRE_TCP))
		return false;
	if (!tee_ip_equal(&packet->dst, &flow->remote_ip) || packet->dst_port != flow->remote_port)
		return false;
	if (flow->has_ports)
		return packet->src_port == flow->local_port;
	if (!flow->is_active)
		return false;
	/* The first packet of our own opening tells our port. */
	if (!flow->is_udp && (packet->flags & (SEG_SYN | SEG_ACK)) != SEG_SYN)
		return false;
	flow->local_port = packet->src_port;
	flow->has_ports = true;
	return true;
}

void flow_note_outbound(struct flow *flow, const struct wire_packet *packet,
			const struct packet_spec *spec)
{
	flow->has_packet = true;
	if (packet->flags & SEG_SYN && (!flow->has_local_isn || flow->has_ended)) {
		flow->has_local_isn = true;
		flow->local_isn = packet->seq;
		flow->script_local_isn = spec ? spec->seq : 0;
		if (flow->has_ended && packet->flags & SEG_ACK) {
			/* A new connection between the same ports: the peer's SYN began it. */
			flow->remote_isn = flow->last_syn;
			flow->script_remote_isn = flow->script_last_syn;
		}
		flow->has_ended = false;
	}
	if (packet->flags & SEG_ACK && !(packet->flags & SEG_RST) && flow->has_remote_isn)
		flow->is_remote_isn_fixed = true;
	if (packet->flags & (SEG_FIN | SEG_RST))
		flow->has_ended = true;
}

void flow_note_stamp(struct flow *flow, const struct packet_spec *spec,
		     const struct wire_packet *packet)
{
	const struct tcp_option_spec *live = NULL, *script = NULL;

	for (unsigned i = 0; i < packet->option_count; i++)
		if (packet->options[i].kind == OPTION_TIMESTAMP)
			live = &packet->options[i];
	for (unsigned i = 0; i < spec->option_count; i++)
		if (spec->options[i].kind == OPTION_TIMESTAMP)
			script = &spec->options[i];
	if (!live || !script)
		return;
	if (!flow->has_first_stamp) {
		flow->has_first_stamp = true;
		flow->first_live_stamp = live->number;
		flow->first_script_stamp = script->number;
	}
	flow->stamps[flow->stamp_count % FLOW_STAMPS_MAX].script = script->number;
	flow->stamps[flow->stamp_count % FLOW_STAMPS_MAX].live = live->number;
	flow->stamp_count++;
}

/* ---- comparing ---- */

_Static_assert(FLOW_TEXT_SIZE >= 200, "room for a message");
#define DIFFERS(...) (snprintf(text, FLOW_TEXT_SIZE, __VA_ARGS__), false)

static const char *ecn_name(int ecn)
{
	static const char *const names[] = {"noecn", "ect1", "ect0", "ce", "ect01"};

	return names[ecn];
}

static bool ip_matches(const struct packet_spec *spec, const struct wire_packet *packet, char *text)
{
	int ecn = packet->tos & 3;

	if (spec->ecn == ECN_ECT01 ? ecn != ECN_ECT0 && ecn != ECN_ECT1
				   : spec->ecn != ECN_UNSAID && ecn != spec->ecn)
		return DIFFERS("ECN bits of the IP header: expected %s, came %s",
			       ecn_name(spec->ecn), ecn_name(ecn));
	if (spec->tos >= 0 && packet->tos != spec->tos)
		return DIFFERS("TOS or traffic class: expected 0x%02x, came 0x%02x",
			       (unsigned)spec->tos, packet->tos);
	if (spec->ttl >= 0 && packet->ttl != spec->ttl)
		return DIFFERS("TTL or hop limit: expected %d, came %u", spec->ttl, packet->ttl);
	if (spec->flow_label >= 0 && packet->flow_label != spec->flow_label)
		return DIFFERS("flow label: expected 0x%llx, came 0x%x",
			       (unsigned long long)spec->flow_label, packet->flow_label);
	return true;
}

static bool is_padding(const struct tcp_option_spec *option)
{
	return option->kind == OPTION_NOP || option->kind == OPTION_EOL;
}

static bool is_accecn(uint8_t kind)
{
	return kind == OPTION_ACCECN0 || kind == OPTION_ACCECN1;
}

static const struct tcp_option_spec *find_option(const struct tcp_option_spec *options,
						 unsigned count, uint8_t kind)
{
	for (unsigned i = 0; i < count; i++)
		if (options[i].kind == kind || (is_accecn(kind) && is_accecn(options[i].kind)))
			return &options[i];
	return NULL;
}

static bool stamp_matches(const struct flow *flow, const struct tcp_option_spec *want,
			  const struct tcp_option_spec *came, const struct match_rules *rules,
			  char *text)
{
	int32_t expected, actual;

	if (want->is_ts_any)
		return true;
	if (came->number2 != want->number2)
		return DIFFERS("TS ecr: expected %u, came %u", want->number2, came->number2);
	if (!rules->ts_tick_us || !flow->has_first_stamp)
		return true;
	expected = (int32_t)(want->number - flow->first_script_stamp);
	actual = (int32_t)(came->number - flow->first_live_stamp);
	if ((uint32_t)(actual > expected ? actual - expected : expected - actual) <=
	    rules->ts_tolerance_ticks)
		return true;
	return DIFFERS("TS val: expected %d ticks after the first, came %d", expected, actual);
}

static bool sack_matches(const struct flow *flow, const struct tcp_option_spec *want,
			 const struct tcp_option_spec *came, char *text)
{
	if (want->sack_count != came->sack_count)
		return DIFFERS("SACK: expected %u blocks, came %u", want->sack_count,
			       came->sack_count);
	for (unsigned i = 0; i < want->sack_count; i++) {
		uint32_t left = came->sack[i].left - flow->remote_isn;
		uint32_t right = came->sack[i].right - flow->remote_isn;

		if (left != want->sack[i].left || right != want->sack[i].right)
			return DIFFERS("SACK block %u: expected %u:%u, came %u:%u", i + 1,
				       want->sack[i].left, want->sack[i].right, left, right);
	}
	return true;
}

static bool bytes_match(const struct tcp_option_spec *want, const struct tcp_option_spec *came,
			const struct match_rules *rules, char *text)
{
	if (names_our_cookie(want, rules) && rules->has_cookie)
		return (came->len == rules->cookie_len &&
			!memcmp(came->data, rules->cookie, came->len)) ||
		       DIFFERS("the fast-open cookie is not that of these addresses");
	if (want->kind != came->kind && !want->is_order_any)
		return DIFFERS("AccECN: expected order %u, came the other",
			       want->kind == OPTION_ACCECN1);
	if (want->len != came->len)
		return DIFFERS("option %u: expected %u bytes, came %u", want->kind, want->len,
			       came->len);
	return !memcmp(want->data, came->data, want->len) ||
	       DIFFERS("option %u: other bytes than expected", want->kind);
}

static bool option_matches(const struct flow *flow, const struct tcp_option_spec *want,
			   const struct tcp_option_spec *came, const struct match_rules *rules,
			   char *text)
{
	switch (want->kind) {
	case OPTION_EOL:
	case OPTION_NOP:
	case OPTION_SACK_OK: return true;
	case OPTION_MSS:
		return want->number == came->number ||
		       DIFFERS("mss: expected %u, came %u", want->number, came->number);
	case OPTION_WSCALE:
		return !rules->is_strict || want->number == came->number ||
		       DIFFERS("wscale: expected %u, came %u", want->number, came->number);
	case OPTION_TIMESTAMP: return stamp_matches(flow, want, came, rules, text);
	case OPTION_SACK: return sack_matches(flow, want, came, text);
	default: return bytes_match(want, came, rules, text);
	}
}

static const char *option_name(uint8_t kind)
{
	switch (kind) {
	case OPTION_EOL: return "eol";
	case OPTION_NOP: return "nop";
	case OPTION_MSS: return "mss";
	case OPTION_WSCALE: return "wscale";
	case OPTION_SACK_OK: return "sackOK";
	case OPTION_SACK: return "sack";
	case OPTION_TIMESTAMP: return "TS";
	case OPTION_FASTOPEN: return "FO";
	case OPTION_EXPERIMENT: return "FOEXP";
	case OPTION_ACCECN0:
	case OPTION_ACCECN1: return "ECN";
	default: return "unknown kind";
	}
}

static bool layout_matches(const struct flow *flow, const struct packet_spec *spec,
			   const struct wire_packet *packet, const struct match_rules *rules,
			   char *text)
{
	if (spec->option_count != packet->option_count)
		return DIFFERS("expected %u options, padding included, came %u", spec->option_count,
			       packet->option_count);
	for (unsigned i = 0; i < spec->option_count; i++) {
		if (spec->options[i].kind != packet->options[i].kind)
			return DIFFERS("option %u in order: expected %s, came %s", i + 1,
				       option_name(spec->options[i].kind),
				       option_name(packet->options[i].kind));
		if (!option_matches(flow, &spec->options[i], &packet->options[i], rules, text))
			return false;
	}
	return true;
}

static bool options_match(const struct flow *flow, const struct packet_spec *spec,
			  const struct wire_packet *packet, const struct match_rules *rules,
			  char *text)
{
	if (spec->options_mode == OPTIONS_ANY)
		return true;
	if (rules->is_strict)
		return layout_matches(flow, spec, packet, rules, text);
	for (unsigned i = 0; i < spec->option_count; i++) {
		const struct tcp_option_spec *want = &spec->options[i], *came;

		if (is_padding(want))
			continue;
		came = find_option(packet->options, packet->option_count, want->kind);
		if (!came)
			return DIFFERS("option %s is missing", option_name(want->kind));
		if (!option_matches(flow, want, came, rules, text))
			return false;
	}
	for (unsigned i = 0; i < packet->option_count; i++) {
		const struct tcp_option_spec *came = &packet->options[i];

		if (!is_padding(came) &&
		    !find_option(spec->options, spec->option_count, came->kind))
			return DIFFERS("option %s was not expected", option_name(came->kind));
	}
	return true;
}

static bool window_matches(const struct packet_spec *spec, const struct wire_packet *packet,
			   const struct match_rules *rules, char *text)
{
	if (!spec->has_window)
		return true;
	if (rules->is_strict ? spec->window == packet->window : !spec->window == !packet->window)
		return true;
	return DIFFERS("window: expected %u, came %u", spec->window, packet->window);
}

static void print_flags(unsigned flags, char text[12])
{
	static const struct {
		unsigned flag;
		char letter;
	} letters[] = {{SEG_SYN, 'S'}, {SEG_FIN, 'F'}, {SEG_RST, 'R'},
		       {SEG_PSH, 'P'}, {SEG_URG, 'U'}, {SEG_AE, 'A'},
		       {SEG_ECE, 'E'}, {SEG_CWR, 'W'}, {SEG_ACK, '.'}};
	unsigned n = 0;

	for (unsigned i = 0; i < sizeof(letters) / sizeof(letters[0]); i++)
		if (flags & letters[i].flag)
			text[n++] = letters[i].letter;
	if (!n)
		text[n++] = '-';
	text[n] = '\0';
}

static uint32_t script_seq(const struct flow *flow, const struct wire_packet *packet)
{
	return packet->seq - local_offset(flow, packet->flags & SEG_SYN);
}

static uint32_t script_ack(const struct flow *flow, const struct wire_packet *packet)
{
	return packet->ack - remote_offset(flow, packet->flags & SEG_SYN);
}

static bool tcp_matches(const struct flow *flow, const struct packet_spec *spec,
			const struct wire_packet *packet, const struct match_rules *rules,
			char *text)
{
	unsigned compared = SEG_FIN | SEG_SYN | SEG_RST | SEG_ACK | SEG_URG | SEG_ECE | SEG_CWR |
			    SEG_AE;
	uint32_t seq = spec->is_absolute_seq ? packet->seq : script_seq(flow, packet);
	uint32_t ack = script_ack(flow, packet);
	char want[12], came[12];

	if (rules->is_strict)
		compared |= SEG_PSH;
	if ((spec->flags ^ packet->flags) & compared) {
		print_flags(spec->flags, want);
		print_flags(packet->flags, came);
		return DIFFERS("flags: expected %s, came %s", want, came);
	}
	if (seq != spec->seq)
		return DIFFERS("sequence number: expected %u, came %u", spec->seq, seq);
	if (packet->payload_len != spec->payload_len)
		return DIFFERS("payload: expected %u bytes, came %u", spec->payload_len,
			       packet->payload_len);
	if (packet->flags & SEG_ACK && spec->has_ack && ack != spec->ack)
		return DIFFERS("ack: expected %u, came %u", spec->ack, ack);
	if (packet->flags & SEG_URG && packet->urgent != spec->urgent)
		return DIFFERS("urgent pointer: expected %u, came %u", spec->urgent,
			       packet->urgent);
	return window_matches(spec, packet, rules, text) &&
	       options_match(flow, spec, packet, rules, text);
}

bool flow_matches(const struct flow *flow, const struct packet_spec *spec,
		  const struct wire_packet *packet, const struct match_rules *rules,
		  char text[FLOW_TEXT_SIZE])
{
	static const uint8_t protocols[] = {
		[PACKET_TCP] = WIRE_TCP, [PACKET_UDP] = WIRE_UDP, [PACKET_ICMP] = WIRE_ICMP4};

	if (spec->proto != PACKET_ICMP && packet->protocol != protocols[spec->proto])
		return DIFFERS("protocol: expected %u, came %u", protocols[spec->proto],
			       packet->protocol);
	if (!ip_matches(spec, packet, text))
		return false;
	if (spec->proto == PACKET_TCP)
		return tcp_matches(flow, spec, packet, rules, text);
	if (spec->proto == PACKET_UDP)
		return packet->payload_len == spec->payload_len ||
		       DIFFERS("payload: expected %u bytes, came %u", spec->payload_len,
			       packet->payload_len);
	return (packet->icmp_type == spec->icmp_type && packet->icmp_code == spec->icmp_code) ||
	       DIFFERS("ICMP: expected type %d code %d, came %u %u", spec->icmp_type,
		       spec->icmp_code, packet->icmp_type, packet->icmp_code);
}

/* ---- printing ---- */

static size_t append(char *text, size_t used, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
static size_t append(char *text, size_t used, const char *format, ...)
{
	va_list args;
	int n;

	if (used >= FLOW_TEXT_SIZE - 1)
		return used;
	va_start(args, format);
	n = vsnprintf(text + used, FLOW_TEXT_SIZE - used, format, args);
	va_end(args);
	return used + (n > 0 ? (size_t)n : 0);
}

static size_t print_option(const struct flow *flow, const struct tcp_option_spec *option,
			   bool is_inbound, char *text, size_t used)
{
	uint32_t isn = is_inbound ? flow->local_isn : flow->remote_isn;

	used = append(text, used, "%s", option_name(option->kind));
	switch (option->kind) {
	case OPTION_MSS:
	case OPTION_WSCALE: return append(text, used, " %u", option->number);
	case OPTION_TIMESTAMP:
		return append(text, used, " val %u ecr %u", option->number, option->number2);
	case OPTION_SACK:
		for (unsigned i = 0; i < option->sack_count; i++)
			used = append(text, used, " %u:%u", option->sack[i].left - isn,
				      option->sack[i].right - isn);
		return used;
	default: break;
	}
	if (option->len)
		used = append(text, used, " ");
	for (unsigned i = 0; i < option->len; i++)
		used = append(text, used, "%02x", option->data[i]);
	return used;
}

static size_t print_tcp(const struct flow *flow, const struct wire_packet *packet, bool is_inbound,
			char *text, size_t used)
{
	bool is_syn = packet->flags & SEG_SYN;
	uint32_t local = local_offset(flow, is_syn), remote = remote_offset(flow, is_syn);
	uint32_t seq = packet->seq - (is_inbound ? remote : local);
	char flags[12];

	print_flags(packet->flags, flags);
	used = append(text, used, "%s %u:%u(%u)", flags, seq, seq + packet->payload_len,
		      packet->payload_len);
	if (packet->flags & SEG_ACK)
		used = append(text, used, " ack %u", packet->ack - (is_inbound ? local : remote));
	used = append(text, used, " win %u", packet->window);
	if (packet->flags & SEG_URG)
		used = append(text, used, " urg %u", packet->urgent);
	for (unsigned i = 0; i < packet->option_count; i++) {
		used = append(text, used, "%s", i ? "," : " <");
		used = print_option(flow, &packet->options[i], is_inbound, text, used);
	}
	return packet->option_count ? append(text, used, ">") : used;
}

void flow_print(const struct flow *flow, const struct wire_packet *packet, bool is_inbound,
		char text[FLOW_TEXT_SIZE])
{
	size_t used = append(text, 0, "%s ", is_inbound ? "<" : ">");

	if (packet->tos & 3)
		used = append(text, used, "[%s] ", ecn_name(packet->tos & 3));
	if (packet->protocol == WIRE_TCP)
		print_tcp(flow, packet, is_inbound, text, used);
	else if (packet->protocol == WIRE_UDP)
		append(text, used, "udp (%u > %u) (%u)", packet->src_port, packet->dst_port,
		       packet->payload_len);
	else if (packet->protocol == WIRE_ICMP4 || packet->protocol == WIRE_ICMP6)
		append(text, used, "icmp type_%u code_%u", packet->icmp_type, packet->icmp_code);
	else
		append(text, used, "IP protocol %u", packet->protocol);
}
