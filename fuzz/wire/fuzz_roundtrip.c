/* SPDX-License-Identifier: MIT */
/*
 * From structs to bytes and back: a header's fields are drawn from the input, written and read. What the
 * first byte names is made.
 */
#include "base/check.h"
#include "wire/bytes.h"
#include "wire/dhcp.h"
#include "wire/icmp.h"
#include "wire/ip.h"
#include "wire/tcp.h"

#include <string.h>

static void draw(struct reader *r, void *out, size_t len)
{
	const uint8_t *from = reader_take(r, len);

	if (from)
		memcpy(out, from, len);
}

static struct tee_ip draw_ip4(struct reader *r)
{
	struct tee_ip ip = TEE_IP4(0, 0, 0, 0);

	draw(r, &ip.byte[12], 4);
	return ip;
}

static void make_tcp(struct reader *r)
{
	struct tcp_header tcp, again;
	struct tcp_options *o = &tcp.options;
	uint8_t out[TCP_HEADER_MAX], which = reader_u8(r);
	size_t len;

	memset(&tcp, 0, sizeof(tcp));
	o->has_mss = which & 1;
	o->has_wscale = which & 2;
	o->has_sack_permitted = which & 4;
	o->has_ts = which & 8;
	o->has_fastopen = which & 16;
	o->has_accecn = which & 32;
	o->fastopen_exp = which & 64;
	o->mss = reader_be16(r);
	o->wscale = reader_u8(r);
	o->ts_val = reader_be32(r);
	o->ts_ecr = reader_be32(r);
	o->sack_count = reader_u8(r) % (TCP_SACK_MAX + 1);
	for (unsigned i = 0; i < o->sack_count; i++) {
		o->sack[i].left.raw = reader_be32(r);
		o->sack[i].right.raw = reader_be32(r);
	}
	o->fastopen_len = reader_u8(r) % 8 * 2;
	if (o->fastopen_len == 2)
		o->fastopen_len = 16;
	draw(r, o->fastopen_cookie, o->fastopen_len);
	o->accecn_count = reader_u8(r) % 4;
	for (unsigned i = 0; i < o->accecn_count; i++)
		o->accecn[i] = reader_be32(r) & 0xffffff;
	len = tcp_write(out, &tcp);
	CHECK(len <= TCP_HEADER_MAX && tcp_parse(out, len, &again) == 0);
	/* what always fits is there */
	CHECK(again.options.has_mss == o->has_mss && (!o->has_mss || again.options.mss == o->mss));
	CHECK(again.options.has_ts == o->has_ts);
	CHECK(!o->has_ts ||
	      (again.options.ts_val == o->ts_val && again.options.ts_ecr == o->ts_ecr));
	CHECK(again.options.has_wscale == o->has_wscale);
	CHECK(again.options.has_sack_permitted == o->has_sack_permitted);
	/* fast open goes before all that may be left out, and with the others it fits */
	CHECK(again.options.has_fastopen == o->has_fastopen);
	CHECK(again.options.sack_count <= o->sack_count);
	CHECK(memcmp(again.options.sack, o->sack, again.options.sack_count * sizeof(o->sack[0])) ==
	      0);
}

static void make_ip(struct reader *r)
{
	uint8_t out[IP6_HEADER_LEN + 64] = {0};
	struct ip_header ip = {.ttl = reader_u8(r), .tos = reader_u8(r)}, again;
	bool is4 = reader_u8(r) & 1;
	size_t payload_len = reader_u8(r) % 8 * 8, header_len = is4 ? 20 : 40;
	uint32_t pointer;

	ip.protocol = IP_PROTO_UDP;
	if (is4) {
		ip.src = draw_ip4(r);
		ip.dst = draw_ip4(r);
		ip.id = reader_be16(r);
		ip.frag_offset = reader_be16(r) % 8000 * 8u;
		ip.more_fragments = payload_len > 0 && reader_u8(r) & 1;
		ip4_write(out, &ip, payload_len);
	} else {
		draw(r, &ip.src, 16);
		draw(r, &ip.dst, 16);
		if (tee_ip_is4(&ip.src) || tee_ip_is4(&ip.dst))
			return;
		ip.flow_label = reader_be32(r) & 0xfffff;
		ip6_write(out, &ip, payload_len);
	}
	CHECK(ip_parse(out, header_len + payload_len, true, &again, &pointer) == IP_PARSE_OK);
	CHECK(tee_ip_equal(&again.src, &ip.src) && tee_ip_equal(&again.dst, &ip.dst));
	CHECK(again.ttl == ip.ttl && again.tos == ip.tos && again.protocol == ip.protocol);
	CHECK(again.id == ip.id && again.frag_offset == ip.frag_offset);
	CHECK(again.more_fragments == ip.more_fragments && again.flow_label == ip.flow_label);
	CHECK(again.total_len == header_len + payload_len);
}

static void make_nd(struct reader *r)
{
	static const uint8_t types[] = {ICMP6_ROUTER_SOLICIT, ICMP6_NEIGHBOUR_SOLICIT,
					ICMP6_NEIGHBOUR_ADVERT};
	struct nd_message nd = {.type = types[reader_u8(r) % 3]}, again;
	uint8_t out[72], flags = reader_u8(r);
	size_t len;

	if (nd.type != ICMP6_ROUTER_SOLICIT) {
		draw(r, &nd.target, 16);
		nd.target.byte[0] = 0xfe; /* no group */
	}
	if (nd.type == ICMP6_NEIGHBOUR_ADVERT) {
		nd.router = flags & 1;
		nd.solicited = flags & 2;
		nd.override = flags & 4;
	}
	nd.has_source_mac = flags & 8;
	nd.has_target_mac = flags & 16;
	if (nd.has_source_mac)
		draw(r, &nd.source_mac, 6);
	if (nd.has_target_mac)
		draw(r, &nd.target_mac, 6);
	len = nd_write(out, &nd);
	CHECK(nd_parse(out, len, &again) == 0);
	CHECK(again.type == nd.type && tee_ip_equal(&again.target, &nd.target));
	CHECK(again.router == nd.router && again.solicited == nd.solicited);
	CHECK(again.override == nd.override);
	CHECK(again.has_source_mac == nd.has_source_mac);
	CHECK(again.has_target_mac == nd.has_target_mac);
	CHECK(memcmp(&again.source_mac, &nd.source_mac, 6) == 0);
	CHECK(memcmp(&again.target_mac, &nd.target_mac, 6) == 0);
}

static void make_dhcp(struct reader *r)
{
	struct dhcp dhcp = {.type = (enum dhcp_type)(DHCP_DISCOVER + reader_u8(r) % 8)}, again;
	uint8_t out[DHCP_MESSAGE_MAX], flags = reader_u8(r);
	int len;

	dhcp.is_reply = flags & 1;
	dhcp.broadcast = flags & 2;
	dhcp.xid = reader_be32(r);
	dhcp.yiaddr = draw_ip4(r);
	dhcp.router = draw_ip4(r);
	dhcp.subnet_bits = reader_u8(r) % 33;
	dhcp.lease_s = reader_be32(r);
	dhcp.mtu = reader_be16(r);
	dhcp.dns_count = reader_u8(r) % (DHCP_DNS_MAX + 1);
	for (unsigned i = 0; i < dhcp.dns_count; i++)
		dhcp.dns[i] = draw_ip4(r);
	len = dhcp_write(out, &dhcp);
	CHECK(len > 0 && dhcp_parse(out, (size_t)len, &again) == 0);
	CHECK(again.is_reply == dhcp.is_reply && again.type == dhcp.type);
	CHECK(again.broadcast == dhcp.broadcast && again.xid == dhcp.xid);
	CHECK(tee_ip_equal(&again.yiaddr, &dhcp.yiaddr));
	CHECK(tee_ip_equal(&again.router, &dhcp.router));
	CHECK(again.subnet_bits == dhcp.subnet_bits && again.lease_s == dhcp.lease_s);
	CHECK(again.mtu == dhcp.mtu && again.dns_count == dhcp.dns_count);
	CHECK(memcmp(again.dns, dhcp.dns, sizeof(dhcp.dns)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const makers[])(struct reader *) = {make_tcp, make_ip, make_nd, make_dhcp};
	struct reader r = reader(data, size);
	uint8_t which = reader_u8(&r);

	makers[which % ARRAY_LEN(makers)](&r);
	return 0;
}
