/* SPDX-License-Identifier: MIT */
/*
 * Packets: what stands after "<" (we receive it) or ">" (the stack must send it).
 *
 *   [ect0] (tos 0x20) SEW 0:0(0) ack 1 win 100 urg 3 <mss 1460,sackOK,TS val 1 ecr 0>
 *   udp (100)           icmp unreachable frag_needed mtu 1200 [1:1001(1000)]
 *
 * Both dialects are read: the square brackets of Google's packetdrill, the round ones of the
 * FreeBSD suite, "!" after a length (the number stands on the wire as it is), ACE counts among the
 * flags. GRE, MPLS and IP-in-IP are refused with a message.
 */
#include <ctype.h>
#include <string.h>

#include "names.h"
#include "parse.h"

/* ---- what belongs to the IP header ---- */

static const struct {
	const char *name;
	int ecn;
} ecn_names[] = {
	{"ect01", ECN_ECT01}, {"ect0", ECN_ECT0},  {"ect1", ECN_ECT1},
	{"ce", ECN_CE},       {"noecn", ECN_NONE}, {"nocheck", ECN_UNSAID},
};

static bool parse_ip_word(struct scanner *s, struct packet_spec *packet)
{
	for (size_t i = 0; i < sizeof(ecn_names) / sizeof(ecn_names[0]); i++)
		if (scan_take_word(s, ecn_names[i].name)) {
			packet->ecn = ecn_names[i].ecn;
			return true;
		}
	if (scan_take_word(s, "ttl") || scan_take_word(s, "hlim"))
		packet->ttl = (int)scan_number(s);
	else if (scan_take_word(s, "tos") || scan_take_word(s, "class"))
		packet->tos = (int)scan_number(s);
	else if (scan_take_word(s, "flowlabel") || scan_take_word(s, "flow"))
		packet->flow_label = scan_number(s);
	else
		return false;
	return true;
}

static void parse_ip_words(struct scanner *s, struct packet_spec *packet)
{
	for (;;) {
		const char *close;

		if (scan_take(s, "["))
			close = "]";
		else if (scan_take(s, "("))
			close = ")";
		else
			return;
		do {
			if (!parse_ip_word(s, packet))
				scan_fail(s, "unknown word about the IP header");
			scan_take(s, ",");
		} while (!scan_take(s, close));
	}
}

static void refuse_encapsulation(struct scanner *s)
{
	static const char *const words[] = {"gre", "mpls", "ipv4", "ipv6",
					    "ip4", "ip6",  "sctp", "psp"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (scan_take_word(s, words[i]))
			scan_fail(s, "%s in a packet is not supported", words[i]);
}

/* ---- TCP options ---- */

static void parse_sack(struct scanner *s, struct tcp_option_spec *option)
{
	option->kind = OPTION_SACK;
	scan_space(s);
	while (isdigit((unsigned char)scan_peek(s))) {
		if (option->sack_count == 4)
			scan_fail(s, "more than 4 SACK blocks");
		option->sack[option->sack_count].left = scan_u32(s);
		scan_expect(s, ":");
		option->sack[option->sack_count++].right = scan_u32(s);
		scan_space(s);
	}
}

static void parse_timestamp(struct scanner *s, struct tcp_option_spec *option)
{
	option->kind = OPTION_TIMESTAMP;
	scan_expect(s, "val");
	if (scan_take(s, "..."))
		option->is_ts_any = true;
	else
		option->number = scan_u32(s);
	scan_expect(s, "ecr");
	if (scan_take(s, "..."))
		option->is_ts_any = true;
	else
		option->number2 = scan_u32(s);
}

static void parse_cookie(struct scanner *s, struct tcp_option_spec *option, uint8_t kind)
{
	option->kind = kind;
	if (scan_take_word(s, "TFO_COOKIE")) {
		option->is_cookie_name = true;
		return;
	}
	option->len = scan_hex_bytes(s, option->data, 38);
}

/*
 * "ECN e1b 1 ceb 0 e0b 1": up to three counters of AccECN (RFC 9768), 24 bits each. Which comes first tells the order,
 * unless the name does ("ECN0", "AccECN1"); an option without either may have any.
 */
static void parse_accecn(struct scanner *s, struct tcp_option_spec *option, uint8_t kind)
{
	option->kind = kind;
	while (scan_is(s, "e0b") || scan_is(s, "e1b") || scan_is(s, "ceb")) {
		uint32_t value;

		if (!option->kind)
			option->kind = scan_is(s, "e1b") ? OPTION_ACCECN1 : OPTION_ACCECN0;
		s->at += 3;
		scan_take(s, "=");
		value = scan_u32(s);
		if (option->len > 6)
			scan_fail(s, "more than three AccECN counters");
		option->data[option->len++] = (uint8_t)(value >> 16);
		option->data[option->len++] = (uint8_t)(value >> 8);
		option->data[option->len++] = (uint8_t)value;
	}
	option->is_order_any = !option->kind;
	if (!option->kind)
		option->kind = OPTION_ACCECN1;
}

static void parse_option(struct scanner *s, struct tcp_option_spec *option)
{
	if (scan_take_word(s, "nop")) {
		option->kind = OPTION_NOP;
	} else if (scan_take_word(s, "eol")) {
		option->kind = OPTION_EOL;
	} else if (scan_take_word(s, "mss")) {
		option->kind = OPTION_MSS;
		option->number = scan_u32(s);
	} else if (scan_take_word(s, "wscale")) {
		option->kind = OPTION_WSCALE;
		option->number = scan_u32(s);
	} else if (scan_take_word(s, "sackOK")) {
		option->kind = OPTION_SACK_OK;
	} else if (scan_take_word(s, "sack")) {
		parse_sack(s, option);
	} else if (scan_take_word(s, "TS")) {
		parse_timestamp(s, option);
	} else if (scan_take_word(s, "FOEXP") || scan_take_word(s, "exp-fastopen")) {
		parse_cookie(s, option, OPTION_EXPERIMENT);
	} else if (scan_take_word(s, "FO")) {
		parse_cookie(s, option, OPTION_FASTOPEN);
	} else if (scan_take_word(s, "ECN") || scan_take_word(s, "AccECN")) {
		parse_accecn(s, option, 0);
	} else if (scan_take_word(s, "ECN0") || scan_take_word(s, "AccECN0")) {
		parse_accecn(s, option, OPTION_ACCECN0);
	} else if (scan_take_word(s, "ECN1") || scan_take_word(s, "AccECN1")) {
		parse_accecn(s, option, OPTION_ACCECN1);
	} else if (scan_take_word(s, "md5")) {
		option->kind = OPTION_MD5;
		option->len = scan_hex_bytes(s, option->data, 16);
	} else if (scan_take_word(s, "kind") || scan_take_word(s, "unknown") ||
		   scan_take_word(s, "gen")) {
		option->kind = (uint8_t)scan_u32(s);
		option->len = scan_hex_bytes(s, option->data, 38);
	} else {
		scan_fail(s, "unknown TCP option");
	}
}

static void parse_options(struct scanner *s, struct packet_spec *packet)
{
	if (!scan_take(s, "<"))
		return;
	packet->options_mode = OPTIONS_LISTED;
	packet->options = arena_alloc(s->arena, OPTION_SPECS_MAX * sizeof(*packet->options));
	if (scan_take(s, "...")) {
		packet->options_mode = OPTIONS_ANY;
		scan_expect(s, ">");
		return;
	}
	while (!scan_take(s, ">")) {
		if (packet->option_count == OPTION_SPECS_MAX)
			scan_fail(s, "too many TCP options");
		parse_option(s, &packet->options[packet->option_count++]);
		if (!scan_take(s, ",")) {
			scan_expect(s, ">");
			return;
		}
	}
}

/* ---- TCP ---- */

static unsigned flag_of(char c)
{
	switch (c) {
	case 'F': return SEG_FIN;
	case 'S': return SEG_SYN;
	case 'R': return SEG_RST;
	case 'P': return SEG_PSH;
	case '.': return SEG_ACK;
	case 'U': return SEG_URG;
	case 'E': return SEG_ECE;
	case 'W':
	case 'C': return SEG_CWR;
	case 'A': return SEG_AE;
	default: return 0;
	}
}

/* A digit that touches the flags and is not the start of "1:1(0)" is an ACE count. */
static bool is_ace_ahead(const struct scanner *s)
{
	char c = scan_peek(s);

	return c >= '0' && c <= '7' && !isdigit((unsigned char)scan_peek_at(s, 1)) &&
	       scan_peek_at(s, 1) != ':';
}

static void parse_flags(struct scanner *s, struct packet_spec *packet)
{
	bool has_any = false;

	for (;;) {
		scan_space(s);
		if (scan_peek(s) == '-') {
			s->at++;
			has_any = true;
		} else if (flag_of(scan_peek(s))) {
			packet->flags |= flag_of(scan_peek(s));
			s->at++;
			has_any = true;
			if (is_ace_ahead(s)) {
				unsigned ace = (unsigned)(scan_peek(s) - '0');

				packet->is_ace_set = true;
				packet->flags |= (ace & 1 ? SEG_ECE : 0) | (ace & 2 ? SEG_CWR : 0) |
						 (ace & 4 ? SEG_AE : 0);
				s->at++;
			}
		} else {
			break;
		}
	}
	if (!has_any)
		scan_fail(s, "expected TCP flags such as 'S' or 'P.'");
}

/* "seq:end(len)" and perhaps "!". */
static void parse_range(struct scanner *s, struct packet_spec *packet)
{
	packet->seq = scan_u32(s);
	scan_expect(s, ":");
	packet->seq_end = scan_u32(s);
	scan_expect(s, "(");
	packet->payload_len = scan_u32(s);
	scan_expect(s, ")");
	packet->is_absolute_seq = scan_take(s, "!");
	if (packet->seq + packet->payload_len != packet->seq_end)
		scan_fail(s, "%u:%u(%u): length and end disagree", packet->seq, packet->seq_end,
			  packet->payload_len);
	if (packet->payload_len > 65495)
		scan_fail(s, "payload of %u bytes does not fit a packet", packet->payload_len);
}

/* "(1000 > 2000)": ports. */
static void parse_ports(struct scanner *s, struct packet_spec *packet)
{
	struct scanner before = *s;

	if (scan_take(s, "(")) {
		scan_space(s);
		if (isdigit((unsigned char)scan_peek(s))) {
			uint32_t src = scan_u32(s);

			if (scan_take(s, ">")) {
				packet->src_port = (uint16_t)src;
				packet->dst_port = (uint16_t)scan_u32(s);
				scan_expect(s, ")");
				return;
			}
		}
	}
	s->at = before.at;
	s->line = before.line;
}

static void parse_tcp(struct scanner *s, struct packet_spec *packet)
{
	packet->proto = PACKET_TCP;
	parse_flags(s, packet);
	parse_ports(s, packet);
	parse_range(s, packet);
	for (;;) {
		if (scan_take_word(s, "ack")) {
			packet->ack = scan_u32(s);
			packet->has_ack = true;
		} else if (scan_take_word(s, "win")) {
			packet->window = scan_u32(s);
			packet->has_window = true;
			if (packet->window > UINT16_MAX)
				scan_fail(s, "window %u does not fit 16 bits", packet->window);
		} else if (scan_take_word(s, "urg")) {
			packet->urgent = scan_u32(s);
		} else {
			break;
		}
	}
	if (!packet->has_ack && (packet->flags & SEG_ACK) && !(packet->flags & SEG_RST) &&
	    !packet->is_inbound)
		scan_fail(s, "the ACK flag '.' needs 'ack N'");
	if (packet->is_inbound && !packet->has_window && !(packet->flags & SEG_RST))
		scan_fail(s, "a packet towards the stack needs 'win N'");
	parse_options(s, packet);
	if (scan_is(s, "[") || scan_is(s, "{"))
		scan_fail(s, "payload expressions are not supported");
}

static void parse_udp(struct scanner *s, struct packet_spec *packet)
{
	packet->proto = PACKET_UDP;
	parse_ports(s, packet);
	scan_expect(s, "(");
	packet->payload_len = scan_u32(s);
	scan_expect(s, ")");
}

/* ---- ICMP ---- */

static void parse_quoted(struct scanner *s, struct packet_spec *packet)
{
	if (!scan_take(s, "["))
		return;
	packet->has_quoted = true;
	if (scan_take_word(s, "udp")) {
		packet->quoted_proto = PACKET_UDP;
		scan_expect(s, "(");
		packet->payload_len = scan_u32(s);
		scan_expect(s, ")");
	} else {
		packet->quoted_proto = PACKET_TCP;
		parse_range(s, packet);
	}
	scan_expect(s, "]");
}

static void parse_icmp(struct scanner *s, struct packet_spec *packet, bool is_ip6)
{
	struct scanner before;
	char *name = scan_name(s);

	packet->proto = PACKET_ICMP;
	if (!name || !names_icmp_type(is_ip6, name, &packet->icmp_type))
		scan_fail(s, "unknown ICMP type '%s'", name ? name : "");
	before = *s;
	name = scan_name(s);
	if (name && strcmp(name, "mtu")) {
		if (!names_icmp_code(is_ip6, packet->icmp_type, name, &packet->icmp_code))
			scan_fail(s, "unknown ICMP code '%s'", name);
	} else {
		s->at = before.at;
		s->line = before.line;
	}
	if (scan_take_word(s, "mtu"))
		packet->icmp_mtu = scan_u32(s);
	parse_quoted(s, packet);
}

struct packet_spec *parse_packet(struct scanner *s, bool is_inbound, bool is_ip6)
{
	struct packet_spec *packet = arena_alloc(s->arena, sizeof(*packet));

	packet->is_inbound = is_inbound;
	packet->ecn = ECN_UNSAID;
	packet->ttl = packet->tos = -1;
	packet->flow_label = -1;
	packet->icmp_mtu = -1;
	parse_ip_words(s, packet);
	refuse_encapsulation(s);
	if (scan_take_word(s, "icmpv6") || scan_take_word(s, "icmp6"))
		parse_icmp(s, packet, true);
	else if (scan_take_word(s, "icmp"))
		parse_icmp(s, packet, is_ip6);
	else if (scan_take_word(s, "udp"))
		parse_udp(s, packet);
	else
		parse_tcp(s, packet);
	return packet;
}
