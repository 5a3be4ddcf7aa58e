/* SPDX-License-Identifier: MIT */
/*
 * A classic BPF program (Linux: Documentation/networking/filter.rst) that a packet socket runs on each frame
 * of the interface, so that the host's own traffic, which may be gigabits, never wakes us.
 *
 * It lets in:
 *   - to our MAC or a group address: ARP, whole (whose answers and conflicts matter before an
 *     address is ours, RFC 5227);
 *   - IPv4 to one of our addresses; DHCP answers (UDP to port 68) to 255.255.255.255, and, while
 *     we have no IPv4 address, to any address, since a server may already write to the one it offers;
 *   - IPv6 to one of our addresses or to all nodes (ff02::1); router and neighbour discovery
 *     (ICMPv6 133 to 137) to whomever, since its answers come before addresses are ours.
 * Not: frames that this host sends, frames of a VLAN (the kernel has taken the tag off, so they would
 * look like ours), everything else.
 *
 * The interface's MAC is the kernel's as well, so the IP addresses tell us apart; that they differ
 * from the kernel's is for whoever configures them.
 *
 * Conditional jumps reach 255 instructions only and the list of addresses may be longer, so each
 * comparison accepts on the spot, and sections are reached by plain jumps.
 */
#include <linux/if_packet.h>
#include <string.h>
#include "base/byteorder.h"
#include "base/check.h"
#include "link/packet_filter.h"
#include "wire/ethernet.h"
#include "wire/icmp.h"
#include "wire/ip.h"
#include "wire/udp.h"

enum { ACCEPT_ALL = 0x40000, DHCP_CLIENT_PORT = 68 };
enum { OFF_TYPE = 12, OFF_IP4 = 14, OFF_IP4_DST = 30, OFF_IP6_NEXT = 20, OFF_IP6_DST = 38 };
/* The first and the last of neighbour discovery's messages (RFC 4861 section 4). */
enum { ND_FIRST = 133, ND_LAST = 137 };

static void emit(struct packet_filter *filter, uint16_t code, uint32_t k)
{
	CHECK(filter->len < PACKET_FILTER_LEN_MAX);
	filter->code[filter->len++] = (struct sock_filter)BPF_STMT(code, k);
}

static void emit_jump(struct packet_filter *filter, uint16_t op, uint32_t k, unsigned if_true,
		      unsigned if_false)
{
	CHECK(filter->len < PACKET_FILTER_LEN_MAX && if_true < 256 && if_false < 256);
	filter->code[filter->len++] = (struct sock_filter)BPF_JUMP(
		BPF_JMP | op | BPF_K, k, (uint8_t)if_true, (uint8_t)if_false);
}

static void emit_load(struct packet_filter *filter, uint16_t size, uint32_t off)
{
	emit(filter, (uint16_t)(BPF_LD | size | BPF_ABS), off);
}

static void emit_return(struct packet_filter *filter, uint32_t bytes)
{
	emit(filter, BPF_RET | BPF_K, bytes);
}

/* Drops the frame unless the accumulator equals k. */
static void emit_require(struct packet_filter *filter, uint32_t k)
{
	emit_jump(filter, BPF_JEQ, k, 1, 0);
	emit_return(filter, 0);
}

static void emit_ours_only(struct packet_filter *filter, const struct tee_mac *mac)
{
	emit_load(filter, BPF_W, (uint32_t)(SKF_AD_OFF + SKF_AD_PKTTYPE));
	emit_jump(filter, BPF_JEQ, PACKET_OUTGOING, 0, 1);
	emit_return(filter, 0);
	emit_load(filter, BPF_W, (uint32_t)(SKF_AD_OFF + SKF_AD_VLAN_TAG_PRESENT));
	emit_require(filter, 0);
	/* A group address passes over the comparison with our own. */
	emit_load(filter, BPF_B, 0);
	emit_jump(filter, BPF_JSET, 1, 6, 0);
	emit_load(filter, BPF_W, 2);
	emit_require(filter, load_be32(mac->byte + 2));
	emit_load(filter, BPF_H, 0);
	emit_require(filter, load_be16(mac->byte));
}

/* A jump over a section whose length shows only later: returns where to put it. */
static unsigned emit_skip(struct packet_filter *filter)
{
	emit(filter, BPF_JMP | BPF_JA, 0);
	return filter->len - 1;
}

static void land_here(struct packet_filter *filter, unsigned skip)
{
	filter->code[skip].k = filter->len - skip - 1;
}

static void emit_ip4(struct packet_filter *filter, const struct tee_ip *ips, unsigned n)
{
	bool has_address = false;

	emit_load(filter, BPF_W, OFF_IP4_DST);
	for (unsigned i = 0; i < n; i++) {
		if (!tee_ip_is4(&ips[i]))
			continue;
		has_address = true;
		emit_jump(filter, BPF_JEQ, load_be32(ips[i].byte + 12), 0, 1);
		emit_return(filter, ACCEPT_ALL);
	}
	if (has_address)
		emit_require(filter, 0xffffffff);
	emit_load(filter, BPF_B, OFF_IP4 + 9);
	emit_require(filter, IP_PROTO_UDP);
	/* Only a first fragment has ports (RFC 791: the offset is the low 13 bits). */
	emit_load(filter, BPF_H, OFF_IP4 + 6);
	emit_jump(filter, BPF_JSET, 0x1fff, 0, 1);
	emit_return(filter, 0);
	emit(filter, BPF_LDX | BPF_B | BPF_MSH, OFF_IP4);
	emit(filter, BPF_LD | BPF_H | BPF_IND, OFF_IP4 + 2);
	emit_require(filter, DHCP_CLIENT_PORT);
	emit_return(filter, ACCEPT_ALL);
}

/* Accepts when the destination is `ip`; four words, the first difference leaves. */
static void emit_ip6_address(struct packet_filter *filter, const struct tee_ip *ip)
{
	for (unsigned word = 0; word < 4; word++) {
		emit_load(filter, BPF_W, OFF_IP6_DST + 4 * word);
		/* Over what is left of this address: two for each word to come, and the return. */
		emit_jump(filter, BPF_JEQ, load_be32(ip->byte + 4 * word), 0, 2 * (3 - word) + 1);
	}
	emit_return(filter, ACCEPT_ALL);
}

static void emit_ip6(struct packet_filter *filter, const struct tee_ip *ips, unsigned n)
{
	static const struct tee_ip all_nodes = {
		{0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}};

	emit_load(filter, BPF_B, OFF_IP6_NEXT);
	emit_jump(filter, BPF_JEQ, IP_PROTO_ICMP6, 0, 4);
	emit_load(filter, BPF_B, OFF_IP4 + IP6_HEADER_LEN);
	emit_jump(filter, BPF_JGE, ND_FIRST, 0, 2);
	emit_jump(filter, BPF_JGT, ND_LAST, 1, 0);
	emit_return(filter, ACCEPT_ALL);
	emit_ip6_address(filter, &all_nodes);
	for (unsigned i = 0; i < n; i++)
		if (!tee_ip_is4(&ips[i]))
			emit_ip6_address(filter, &ips[i]);
	emit_return(filter, 0);
}

int packet_filter_build(struct packet_filter *filter, const struct tee_mac *mac,
			const struct tee_ip *ips, unsigned n)
{
	unsigned skip;

	if (n > PACKET_FILTER_ADDRESSES_MAX)
		return -TEE_ENOBUFS;
	filter->len = 0;
	emit_ours_only(filter, mac);
	emit_load(filter, BPF_H, OFF_TYPE);
	emit_jump(filter, BPF_JEQ, ETHERTYPE_ARP, 0, 1);
	emit_return(filter, ACCEPT_ALL);
	emit_jump(filter, BPF_JEQ, ETHERTYPE_IP4, 1, 0);
	skip = emit_skip(filter);
	emit_ip4(filter, ips, n);
	land_here(filter, skip);
	/* The accumulator still holds the type: only IPv4's section changes it, and never leaves. */
	emit_require(filter, ETHERTYPE_IP6);
	emit_ip6(filter, ips, n);
	return 0;
}
