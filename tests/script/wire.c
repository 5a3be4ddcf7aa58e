/* SPDX-License-Identifier: MIT */
/*
 * IPv4, IPv6, TCP, UDP and ICMP to bytes and from them. Every length and checksum of a packet that
 * the stack sent is verified; packets towards the stack are always well-formed.
 */
#include "wire.h"

#include <stdio.h>
#include <string.h>

enum { FASTOPEN_MAGIC = 0xf989 };

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void put16(uint8_t *p, unsigned value)
{
	p[0] = (uint8_t)(value >> 8);
	p[1] = (uint8_t)value;
}

static void put32(uint8_t *p, uint32_t value)
{
	put16(p, value >> 16);
	put16(p + 2, value & 0xffff);
}

/* The Internet checksum before its complement (RFC 1071). */
static uint32_t sum_bytes(const uint8_t *bytes, size_t len, uint32_t sum)
{
	for (size_t i = 0; i + 1 < len; i += 2)
		sum += get16(bytes + i);
	if (len & 1)
		sum += (uint32_t)bytes[len - 1] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static uint32_t pseudo_sum(const struct wire_packet *packet, size_t len)
{
	uint32_t sum = packet->protocol;

	if (packet->is_ip6) {
		sum = sum_bytes(packet->src.byte, 16, sum);
		sum = sum_bytes(packet->dst.byte, 16, sum);
	} else {
		sum = sum_bytes(packet->src.byte + 12, 4, sum);
		sum = sum_bytes(packet->dst.byte + 12, 4, sum);
	}
	sum += (uint32_t)(len >> 16) + (uint32_t)(len & 0xffff);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/* ---- reading ---- */

static bool fail(char error[WIRE_ERROR_SIZE], const char *why)
{
	snprintf(error, WIRE_ERROR_SIZE, "malformed packet: %s", why);
	return false;
}

static bool parse_sack(struct tcp_option_spec *option, const uint8_t *body, unsigned len)
{
	if (len % 8 || !len || len > 32)
		return false;
	option->sack_count = len / 8;
	for (unsigned i = 0; i < option->sack_count; i++) {
		option->sack[i].left = get32(body + 8 * i);
		option->sack[i].right = get32(body + 8 * i + 4);
	}
	return true;
}

static bool parse_option(struct tcp_option_spec *option, const uint8_t *body, unsigned len)
{
	switch (option->kind) {
	case OPTION_MSS: option->number = len == 2 ? get16(body) : 0; return len == 2;
	case OPTION_WSCALE: option->number = len == 1 ? body[0] : 0; return len == 1;
	case OPTION_SACK_OK: return len == 0;
	case OPTION_SACK: return parse_sack(option, body, len);
	case OPTION_TIMESTAMP:
		if (len != 8)
			return false;
		option->number = get32(body);
		option->number2 = get32(body + 4);
		return true;
	case OPTION_EXPERIMENT:
		if (len < 2 || get16(body) != FASTOPEN_MAGIC)
			break;
		body += 2;
		len -= 2;
		break;
	default: break;
	}
	option->len = len;
	memcpy(option->data, body, len);
	return true;
}

static bool parse_options(struct wire_packet *packet, const uint8_t *at, const uint8_t *end,
			  char error[WIRE_ERROR_SIZE])
{
	while (at < end) {
		struct tcp_option_spec *option = &packet->options[packet->option_count];
		unsigned len;

		memset(option, 0, sizeof(*option));
		option->kind = *at++;
		packet->option_count++;
		if (option->kind == OPTION_NOP)
			continue;
		if (option->kind == OPTION_EOL) {
			/* All that follows is padding, and has to be zero (MUST-69). */
			for (; at < end; at++, packet->option_count++) {
				if (*at)
					return fail(error,
						    "padding after the end of options is not zero");
				packet->options[packet->option_count] = *option;
			}
			return true;
		}
		if (at >= end || *at < 2 || *at - 1 > end - at)
			return fail(error, "length of a TCP option");
		len = *at++ - 2u;
		if (!parse_option(option, at, len))
			return fail(error, "contents of a TCP option");
		at += len;
	}
	return true;
}

static bool check_transport_sum(const struct wire_packet *packet, const uint8_t *at, size_t len,
				bool is_partial, unsigned field, char error[WIRE_ERROR_SIZE])
{
	uint32_t pseudo = pseudo_sum(packet, len);

	if (is_partial) {
		/* Of a super-frame the link fixes the length in the sum for each segment. */
		if (get16(at + field) != pseudo)
			return fail(error, "pseudo-header sum left to the link");
		return true;
	}
	if (packet->protocol == WIRE_UDP && !packet->is_ip6 && !get16(at + field))
		return true;
	return sum_bytes(at, len, pseudo) == 0xffff || fail(error, "checksum");
}

static bool parse_tcp(struct wire_packet *packet, const uint8_t *at, size_t len, bool is_partial,
		      char error[WIRE_ERROR_SIZE])
{
	size_t header;

	if (len < 20)
		return fail(error, "TCP header cut short");
	header = (size_t)(at[12] >> 4) * 4;
	if (header < 20 || header > len)
		return fail(error, "TCP data offset");
	if (at[12] & 0x0e)
		return fail(error, "reserved bits of the TCP header are not zero");
	if (!check_transport_sum(packet, at, len, is_partial, 16, error))
		return false;
	packet->src_port = get16(at);
	packet->dst_port = get16(at + 2);
	packet->seq = get32(at + 4);
	packet->ack = get32(at + 8);
	packet->flags = (unsigned)(at[12] & 1) << 8 | at[13];
	packet->window = get16(at + 14);
	packet->urgent = get16(at + 18);
	packet->payload = at + header;
	packet->payload_len = (uint32_t)(len - header);
	return parse_options(packet, at + 20, at + header, error);
}

static bool parse_transport(struct wire_packet *packet, const uint8_t *at, size_t len,
			    bool is_partial, char error[WIRE_ERROR_SIZE])
{
	if (packet->protocol == WIRE_TCP)
		return parse_tcp(packet, at, len, is_partial, error);
	if (packet->protocol == WIRE_UDP) {
		if (len < 8 || get16(at + 4) != len)
			return fail(error, "UDP length");
		packet->src_port = get16(at);
		packet->dst_port = get16(at + 2);
		packet->payload = at + 8;
		packet->payload_len = (uint32_t)len - 8;
		return check_transport_sum(packet, at, len, is_partial, 6, error);
	}
	if (packet->protocol == WIRE_ICMP4 || packet->protocol == WIRE_ICMP6) {
		uint32_t sum = packet->protocol == WIRE_ICMP6 ? pseudo_sum(packet, len) : 0;

		if (len < 8)
			return fail(error, "ICMP header cut short");
		packet->icmp_type = at[0];
		packet->icmp_code = at[1];
		packet->icmp_word = get32(at + 4);
		packet->payload = at + 8;
		packet->payload_len = (uint32_t)len - 8;
		return sum_bytes(at, len, sum) == 0xffff || fail(error, "ICMP checksum");
	}
	packet->payload = at;
	packet->payload_len = (uint32_t)len;
	return true;
}

static bool parse_ip4(struct wire_packet *packet, const uint8_t *bytes, size_t len, bool is_partial,
		      char error[WIRE_ERROR_SIZE])
{
	size_t header = (size_t)(bytes[0] & 15) * 4;

	if (len < 20 || header < 20 || header > len)
		return fail(error, "IPv4 header");
	if (get16(bytes + 2) != len)
		return fail(error, "IPv4 total length");
	if (sum_bytes(bytes, header, 0) != 0xffff)
		return fail(error, "IPv4 header checksum");
	packet->tos = bytes[1];
	packet->df = bytes[6] & 0x40;
	packet->ttl = bytes[8];
	packet->protocol = bytes[9];
	packet->src = TEE_IP4(bytes[12], bytes[13], bytes[14], bytes[15]);
	packet->dst = TEE_IP4(bytes[16], bytes[17], bytes[18], bytes[19]);
	if (get16(bytes + 6) & 0x3fff) {
		packet->protocol = 0; /* a fragment: nothing to see inside */
		packet->payload = bytes + header;
		packet->payload_len = (uint32_t)(len - header);
		return true;
	}
	return parse_transport(packet, bytes + header, len - header, is_partial, error);
}

static bool parse_ip6(struct wire_packet *packet, const uint8_t *bytes, size_t len, bool is_partial,
		      char error[WIRE_ERROR_SIZE])
{
	const uint8_t *at = bytes + 40;

	if (len < 40 || get16(bytes + 4) != len - 40)
		return fail(error, "IPv6 payload length");
	packet->is_ip6 = true;
	packet->tos = (uint8_t)(get16(bytes) >> 4);
	packet->flow_label = get32(bytes) & 0xfffff;
	packet->ttl = bytes[7];
	packet->protocol = bytes[6];
	memcpy(packet->src.byte, bytes + 8, 16);
	memcpy(packet->dst.byte, bytes + 24, 16);
	/* Hop-by-hop options stand before MLD reports. */
	if (packet->protocol == 0 && len >= 48 && 40 + 8 + (size_t)at[1] * 8 <= len) {
		packet->protocol = at[0];
		at += 8 + (size_t)at[1] * 8;
	}
	return parse_transport(packet, at, len - (size_t)(at - bytes), is_partial, error);
}

bool wire_parse(const uint8_t *bytes, size_t len, bool is_partial, struct wire_packet *ret,
		char error[WIRE_ERROR_SIZE])
{
	memset(ret, 0, sizeof(*ret));
	if (!len)
		return fail(error, "empty");
	if (bytes[0] >> 4 == 4)
		return parse_ip4(ret, bytes, len, is_partial, error);
	if (bytes[0] >> 4 == 6)
		return parse_ip6(ret, bytes, len, is_partial, error);
	return fail(error, "IP version");
}

void wire_finish_checksum(uint8_t *bytes, size_t len)
{
	bool is_ip6 = bytes[0] >> 4 == 6;
	size_t header = is_ip6 ? 40 : (size_t)(bytes[0] & 15) * 4;
	uint8_t protocol = is_ip6 ? bytes[6] : bytes[9];
	uint8_t *field = bytes + header + (protocol == WIRE_TCP ? 16 : 6);

	/* The field holds the sum of the pseudo-header already. */
	put16(field, ~sum_bytes(bytes + header, len - header, 0) & 0xffff);
}

/* ---- writing ---- */

size_t wire_option_size(const struct tcp_option_spec *option)
{
	switch (option->kind) {
	case OPTION_EOL:
	case OPTION_NOP: return 1;
	case OPTION_MSS: return 4;
	case OPTION_WSCALE: return 3;
	case OPTION_SACK_OK: return 2;
	case OPTION_SACK: return 2 + 8 * option->sack_count;
	case OPTION_TIMESTAMP: return 10;
	case OPTION_EXPERIMENT: return 4 + option->len;
	default: return 2 + option->len;
	}
}

static void write_option(const struct tcp_option_spec *option, uint8_t *at)
{
	at[0] = option->kind;
	if (option->kind == OPTION_EOL || option->kind == OPTION_NOP)
		return;
	at[1] = (uint8_t)wire_option_size(option);
	at += 2;
	switch (option->kind) {
	case OPTION_MSS: put16(at, option->number); return;
	case OPTION_WSCALE: at[0] = (uint8_t)option->number; return;
	case OPTION_SACK_OK: return;
	case OPTION_SACK:
		for (unsigned i = 0; i < option->sack_count; i++) {
			put32(at + 8 * i, option->sack[i].left);
			put32(at + 8 * i + 4, option->sack[i].right);
		}
		return;
	case OPTION_TIMESTAMP:
		put32(at, option->number);
		put32(at + 4, option->number2);
		return;
	case OPTION_EXPERIMENT:
		put16(at, FASTOPEN_MAGIC);
		at += 2;
		break;
	default: break;
	}
	memcpy(at, option->data, option->len);
}

static size_t build_tcp(const struct wire_packet *packet, uint8_t *at)
{
	size_t len = 20;

	put16(at, packet->src_port);
	put16(at + 2, packet->dst_port);
	put32(at + 4, packet->seq);
	put32(at + 8, packet->ack);
	put16(at + 14, packet->window);
	put16(at + 16, 0);
	put16(at + 18, packet->urgent);
	for (unsigned i = 0; i < packet->option_count; i++) {
		size_t size = wire_option_size(&packet->options[i]);

		if (len + size > 60)
			return 0;
		write_option(&packet->options[i], at + len);
		len += size;
	}
	/* What the script left open is padded with end-of-options. */
	while (len & 3)
		at[len++] = OPTION_EOL;
	at[12] = (uint8_t)(len / 4 << 4 | (packet->flags >> 8 & 1));
	at[13] = (uint8_t)packet->flags;
	return len;
}

uint8_t wire_pattern(uint32_t offset)
{
	return (uint8_t)(offset * 151 + (offset >> 8) * 29 + (offset >> 16));
}

static void fill_payload(const struct wire_packet *packet, uint8_t *at)
{
	if (packet->payload) {
		memcpy(at, packet->payload, packet->payload_len);
		return;
	}
	for (uint32_t i = 0; i < packet->payload_len; i++)
		at[i] = wire_pattern(packet->payload_offset + i);
}

static size_t build_transport(const struct wire_packet *packet, uint8_t *at)
{
	unsigned field = 16;
	size_t len = 8;
	uint32_t sum;

	if (packet->protocol == WIRE_TCP) {
		len = build_tcp(packet, at);
		if (!len)
			return 0;
	} else if (packet->protocol == WIRE_UDP) {
		field = 6;
		put16(at, packet->src_port);
		put16(at + 2, packet->dst_port);
		put16(at + 4, 8 + packet->payload_len);
	} else {
		field = 2;
		at[0] = packet->icmp_type;
		at[1] = packet->icmp_code;
		put32(at + 4, packet->icmp_word);
	}
	put16(at + field, 0);
	fill_payload(packet, at + len);
	len += packet->payload_len;
	sum = packet->protocol == WIRE_ICMP4 ? 0 : pseudo_sum(packet, len);
	sum = ~sum_bytes(at, len, sum) & 0xffff;
	put16(at + field, sum || packet->protocol != WIRE_UDP ? sum : 0xffff);
	return len;
}

size_t wire_build(const struct wire_packet *packet, uint8_t *bytes)
{
	size_t header = packet->is_ip6 ? 40 : 20;
	size_t len = build_transport(packet, bytes + header);

	if (!len || header + len > WIRE_PACKET_MAX - 40)
		return 0;
	memset(bytes, 0, header);
	if (packet->is_ip6) {
		put32(bytes, UINT32_C(6) << 28 | (uint32_t)packet->tos << 20 | packet->flow_label);
		put16(bytes + 4, (unsigned)len);
		bytes[6] = packet->protocol;
		bytes[7] = packet->ttl;
		memcpy(bytes + 8, packet->src.byte, 16);
		memcpy(bytes + 24, packet->dst.byte, 16);
		return header + len;
	}
	bytes[0] = 0x45;
	bytes[1] = packet->tos;
	put16(bytes + 2, (unsigned)(header + len));
	bytes[8] = packet->ttl;
	bytes[9] = packet->protocol;
	memcpy(bytes + 12, packet->src.byte + 12, 4);
	memcpy(bytes + 16, packet->dst.byte + 12, 4);
	put16(bytes + 10, ~sum_bytes(bytes, header, 0) & 0xffff);
	return header + len;
}
