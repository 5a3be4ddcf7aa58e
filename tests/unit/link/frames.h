/* SPDX-License-Identifier: MIT */
/*
 * Frames made and judged by hand, for the tests of links: deliberately without the code of src/wire, so
 * that a mistake there can't hide one here.
 */
#ifndef TEST_LINK_FRAMES_H
#define TEST_LINK_FRAMES_H

#include <stdint.h>
#include <string.h>
#include <teeceepee/packet.h>

#define UNUSED __attribute__((unused))

enum { FRAME_MAX = 65549 };

static const uint8_t mac_a[6] UNUSED = {2, 0, 0, 0, 0, 0xa};
static const uint8_t mac_b[6] UNUSED = {2, 0, 0, 0, 0, 0xb};

UNUSED static void put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

UNUSED static void put32(uint8_t *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v & 0xffff);
}

UNUSED static unsigned get16(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

UNUSED static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)get16(p) << 16 | get16(p + 2);
}

/* RFC 1071, as its text tells it: words added one by one. */
UNUSED static uint32_t sum16(uint32_t sum, const uint8_t *p, size_t len)
{
	for (size_t i = 0; i + 1 < len; i += 2)
		sum += get16(p + i);
	if (len & 1)
		sum += (uint32_t)p[len - 1] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/* Folded sum of the pseudo-header of an IP packet. */
UNUSED static uint32_t pseudo16(const uint8_t *ip, unsigned protocol, size_t len)
{
	uint32_t sum = (ip[0] >> 4) == 4 ? sum16(0, ip + 12, 8) : sum16(0, ip + 8, 32);
	uint8_t tail[4] = {0, (uint8_t)protocol};

	put16(tail + 2, (unsigned)len);
	return sum16(sum, tail, 4);
}

/* Are lengths and checksums right? The frame is Ethernet with plain headers, perhaps damaged ones. */
UNUSED static int checksums_are_good(const uint8_t *frame, size_t len)
{
	const uint8_t *ip = frame + 14;
	int is4 = (ip[0] >> 4) == 4;
	size_t header = is4 ? 20 : 40, total = is4 ? get16(ip + 2) : 40 + get16(ip + 4);
	unsigned protocol = is4 ? ip[9] : ip[6];

	if (total + 14 > len || total < header + 8 || (is4 && sum16(0, ip, 20) != 0xffff))
		return 0;
	if (protocol == 1)
		return sum16(0, ip + header, total - header) == 0xffff;
	return sum16(pseudo16(ip, protocol, total - header), ip + header, total - header) == 0xffff;
}

/* What makes a TCP or UDP frame; version 4 or 6. */
struct frame_spec {
	int version;
	int is_udp;
	uint32_t seq;
	unsigned flags, urgent;
	size_t payload;
	size_t options; /* bytes of TCP options, NOPs */
	int partial;    /* leave the checksum to be completed */
};

UNUSED static uint8_t payload_byte(size_t i)
{
	return (uint8_t)(i * 7 + (i >> 8) * 13);
}

/* Returns the frame's length; 10.0.0.1 or fd00::1 to .2 or ::2, ports 7 and 9. */
UNUSED static size_t make_frame(uint8_t *out, const struct frame_spec *spec)
{
	size_t l3 = spec->version == 4 ? 20 : 40, l4 = spec->is_udp ? 8 : 20 + spec->options;
	size_t len = 14 + l3 + l4 + spec->payload, csum = spec->is_udp ? 6 : 16;
	uint8_t *ip = out + 14, *t = ip + l3;

	memset(out, 0, 14 + l3 + l4);
	memcpy(out, mac_b, 6);
	memcpy(out + 6, mac_a, 6);
	put16(out + 12, spec->version == 4 ? 0x0800 : 0x86dd);
	if (spec->version == 4) {
		ip[0] = 0x45;
		put16(ip + 2, (unsigned)(len - 14));
		put16(ip + 4, 0xfffe); /* wraps on the third segment */
		put16(ip + 6, 0x4000);
		ip[8] = 64;
		ip[9] = spec->is_udp ? 17 : 6;
		put32(ip + 12, 0x0a000001);
		put32(ip + 16, 0x0a000002);
		put16(ip + 10, ~sum16(0, ip, 20) & 0xffff);
	} else {
		ip[0] = 0x60;
		put16(ip + 4, (unsigned)(len - 14 - 40));
		ip[6] = spec->is_udp ? 17 : 6;
		ip[7] = 64;
		ip[8] = ip[24] = 0xfd;
		ip[23] = 1;
		ip[39] = 2;
	}
	put16(t, 7);
	put16(t + 2, 9);
	if (spec->is_udp) {
		put16(t + 4, (unsigned)(8 + spec->payload));
	} else {
		put32(t + 4, spec->seq);
		put32(t + 8, 0x01020304);
		t[12] = (uint8_t)((20 + spec->options) / 4 << 4);
		t[13] = (uint8_t)spec->flags;
		put16(t + 14, 1000);
		put16(t + 18, spec->urgent);
		memset(t + 20, 1, spec->options);
	}
	for (size_t i = 0; i < spec->payload; i++)
		t[l4 + i] = payload_byte(i);
	put16(t + csum, pseudo16(ip, spec->is_udp ? 17 : 6, l4 + spec->payload));
	if (!spec->partial)
		put16(t + csum, ~sum16(0, t, l4 + spec->payload) & 0xffff);
	return len;
}

/* An ARP request or reply. */
UNUSED static size_t make_arp(uint8_t *out, unsigned op, const uint8_t *sha, uint32_t spa,
			      const uint8_t *tha, uint32_t tpa)
{
	memset(out, 0, 42);
	memset(out, 0xff, 6);
	if (tha)
		memcpy(out, tha, 6);
	memcpy(out + 6, sha, 6);
	put16(out + 12, 0x0806);
	put16(out + 14, 1);
	put16(out + 16, 0x0800);
	out[18] = 6;
	out[19] = 4;
	put16(out + 20, op);
	memcpy(out + 22, sha, 6);
	put32(out + 28, spa);
	if (tha)
		memcpy(out + 32, tha, 6);
	put32(out + 38, tpa);
	return 42;
}

/* An ICMP echo request to 10.0.0.2's like, without payload worth naming. */
UNUSED static size_t make_echo(uint8_t *out, const uint8_t *dst_mac, const uint8_t *src_mac,
			       uint32_t src, uint32_t dst, unsigned seq, size_t payload)
{
	uint8_t *ip = out + 14, *icmp = ip + 20;

	memset(out, 0, 42);
	memcpy(out, dst_mac, 6);
	memcpy(out + 6, src_mac, 6);
	put16(out + 12, 0x0800);
	ip[0] = 0x45;
	put16(ip + 2, (unsigned)(28 + payload));
	ip[8] = 64;
	ip[9] = 1;
	put32(ip + 12, src);
	put32(ip + 16, dst);
	put16(ip + 10, ~sum16(0, ip, 20) & 0xffff);
	icmp[0] = 8;
	put16(icmp + 4, 0x7e57);
	put16(icmp + 6, seq);
	for (size_t i = 0; i < payload; i++)
		icmp[8 + i] = payload_byte(i);
	put16(icmp + 2, ~sum16(0, icmp, 8 + payload) & 0xffff);
	return 42 + payload;
}

/* A frame for send() whose bytes are in one slice that nobody holds. */
UNUSED static void frame_of_bytes(struct tee_frame *frame, const uint8_t *bytes, size_t len)
{
	memset(frame, 0, sizeof(*frame));
	frame->slices[0] = (struct tee_slice){bytes, (uint32_t)len};
	frame->slice_count = 1;
	frame->len = (uint32_t)len;
	frame->l3_off = 14;
}

/* The same as a stack would give it: headers in head[], the payload in two slices. */
UNUSED static void frame_as_stack(struct tee_frame *frame, const uint8_t *bytes, size_t len,
				  size_t header_len)
{
	size_t half = (len - header_len) / 2;

	memset(frame, 0, sizeof(*frame));
	frame->head_off = (uint16_t)(TEE_FRAME_HEAD_SIZE - header_len);
	frame->head_len = (uint16_t)header_len;
	memcpy(frame->head + frame->head_off, bytes, header_len);
	frame->slices[0] = (struct tee_slice){bytes + header_len, (uint32_t)half};
	frame->slices[1] =
		(struct tee_slice){bytes + header_len + half, (uint32_t)(len - header_len - half)};
	frame->slice_count = 2;
	frame->len = (uint32_t)len;
	frame->l3_off = 14;
}

/* The checksum of the TCP header at `tcp_off` is left to the card. */
UNUSED static void frame_leave_checksum(struct tee_frame *frame, uint16_t tcp_off)
{
	frame->checksum_partial = true;
	frame->csum_start = tcp_off;
	frame->csum_offset = 16;
}

#endif
