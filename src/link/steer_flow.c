/* SPDX-License-Identifier: MIT */
/*
 * Whose is a frame? Stacks that share one address must agree on that without asking each other.
 *
 * TCP and UDP: a number made of the peer's address and both ports names the queue. It depends on nothing but the
 * frame, so a segment finds its connection wherever the kernel's own hash puts it, and whatever happened before.
 * Fragments have no ports but the first; it is remembered (src, dst, id, protocol) whose that was, for the few that
 * follow. A fragment without its first is nobody's. DHCP's answers are the first stack's, which asked.
 *
 * Questions (ARP and neighbour solicitations, echo requests, multicast queries) are answered by whoever
 * got them, for all would give the same answer. Answers and errors (ARP replies, advertisements of
 * neighbours and routers, redirects, ICMP errors) go to all: each stack resolves neighbours for itself, and
 * only one knows the connection that an error quotes; the others drop it, as they drop any error for
 * something they never sent.
 *
 * Stateless but for the fragments. In: steer_owner(), from steer.c.
 */
#include <stddef.h>
#include <string.h>
#include <linux/if_ether.h>
#include "base/byteorder.h"
#include "base/check.h"
#include "link/steer_flow.h"
#include "wire/ethernet.h"
#include "wire/ip.h"

enum {
	DHCP_CLIENT = 68,
	DHCP6_CLIENT = 546,
	IP6_HOP_BY_HOP = 0,
	IP6_ROUTING = 43,
	IP6_FRAGMENT = 44,
	IP6_DESTINATION = 60,
	EXTENSIONS_MAX = 8,
};
#define STEER_FACTOR \
 0x9e3779b1u /* 2^32 through the golden ratio; its product's highest bits hear of all others */

static int owner_of(uint32_t peer, uint32_t ports, unsigned queues)
{
	return (int)(((peer ^ ports) * STEER_FACTOR >> 24) % queues);
}

/* ---- what is not TCP or UDP ---- */

static int arp_owner(const uint8_t *arp, uint32_t len)
{
	if (len < 28)
		return STEER_HERE;
	/* A reply; or an announcement, which asks for the address that it comes from. */
	return load_be16(arp + 6) == 2 || memcmp(arp + 14, arp + 24, 4) == 0 ? STEER_ALL
									     : STEER_HERE;
}

static int icmp4_owner(const uint8_t *icmp, uint32_t len)
{
	/* RFC 792: echo reply, unreachable, redirect, time exceeded, parameter problem. */
	static const uint8_t told[] = {0, 3, 5, 11, 12};

	return len > 0 && memchr(told, icmp[0], sizeof(told)) ? STEER_ALL : STEER_HERE;
}

static int icmp6_owner(const uint8_t *icmp, uint32_t len)
{
	/* RFC 4443 errors and echo reply; RFC 4861 advertisements and redirect. */
	static const uint8_t told[] = {1, 2, 3, 4, 129, 134, 136, 137};

	return len > 0 && memchr(told, icmp[0], sizeof(told)) ? STEER_ALL : STEER_HERE;
}

/* What stands behind the IP header and is whole or a first fragment. */
static int upper_owner(uint8_t protocol, uint32_t peer, const uint8_t *l4, uint32_t len,
		       unsigned queues)
{
	if (protocol == IP_PROTO_ICMP)
		return icmp4_owner(l4, len);
	if (protocol == IP_PROTO_ICMP6)
		return icmp6_owner(l4, len);
	if ((protocol != IP_PROTO_TCP && protocol != IP_PROTO_UDP) || len < 4)
		return STEER_HERE;
	if (protocol == IP_PROTO_UDP &&
	    (load_be16(l4 + 2) == DHCP_CLIENT || load_be16(l4 + 2) == DHCP6_CLIENT))
		return 0;
	return owner_of(peer, load_be32(l4), queues);
}

/* ---- fragments ---- */

static int fragment_owner(struct steer_flow *flow, const uint8_t key[40])
{
	for (unsigned i = 0; i < STEER_FRAGMENTS; i++)
		if (flow->fragments[i].is_used && memcmp(flow->fragments[i].key, key, 40) == 0)
			return flow->fragments[i].owner;
	return STEER_NOBODY;
}

static int remember(struct steer_flow *flow, const uint8_t key[40], int owner)
{
	struct steer_fragment *slot = &flow->fragments[flow->next_idx++ % STEER_FRAGMENTS];

	memcpy(slot->key, key, sizeof(slot->key));
	slot->owner = owner;
	slot->is_used = true;
	return owner;
}

/* ---- IP ---- */

static int ip4_owner(struct steer_flow *flow, const uint8_t *ip, uint32_t len, unsigned queues)
{
	uint32_t header_len, offset;
	uint8_t key[40] = {4};
	int owner;

	if (len < IP4_HEADER_LEN)
		return STEER_HERE;
	header_len = (ip[0] & 15) * 4u;
	if (header_len < IP4_HEADER_LEN || header_len > len)
		return STEER_HERE;
	offset = load_be16(ip + 6);
	if ((offset & 0x3fff) == 0)
		return upper_owner(ip[9], load_be32(ip + 12), ip + header_len, len - header_len,
				   queues);
	if (ip[9] != IP_PROTO_TCP && ip[9] != IP_PROTO_UDP)
		return STEER_HERE;
	memcpy(key + 1, ip + 12, 8);
	memcpy(key + 9, ip + 4, 2);
	key[11] = ip[9];
	if (offset & 0x1fff)
		return fragment_owner(flow, key);
	owner = upper_owner(ip[9], load_be32(ip + 12), ip + header_len, len - header_len, queues);
	return remember(flow, key, owner);
}

static int ip6_owner(struct steer_flow *flow, const uint8_t *ip, uint32_t len, unsigned queues)
{
	uint32_t at = IP6_HEADER_LEN;
	uint8_t next, key[40] = {6};
	bool is_first_fragment = false;
	int owner;

	if (len < IP6_HEADER_LEN)
		return STEER_HERE;
	next = ip[6];
	for (unsigned i = 0; i < EXTENSIONS_MAX && at + 8 <= len; i++) {
		if (next == IP6_FRAGMENT) {
			/* Both addresses don't fit beside the id: the low halves tell hosts apart. */
			memcpy(key + 1, ip + 8, 16);
			memcpy(key + 17, ip + 32, 8);
			memcpy(key + 25, ip + at + 4, 4);
			if (load_be16(ip + at + 2) & 0xfff8)
				return ip[at] == IP_PROTO_TCP || ip[at] == IP_PROTO_UDP
					       ? fragment_owner(flow, key)
					       : STEER_HERE;
			is_first_fragment = true;
			next = ip[at];
			at += 8;
		} else if (next == IP6_HOP_BY_HOP || next == IP6_ROUTING ||
			   next == IP6_DESTINATION) {
			next = ip[at];
			at += 8 + ip[at + 1] * 8u;
		} else {
			break;
		}
	}
	if (at > len)
		return STEER_HERE;
	owner = upper_owner(next, load_be32(ip + 20), ip + at, len - at, queues);
	return is_first_fragment && owner >= 0 ? remember(flow, key, owner) : owner;
}

int steer_owner(struct steer_flow *flow, const uint8_t *frame, uint32_t len,
		enum tee_netif_kind kind, unsigned queues)
{
	uint32_t l3 = kind == TEE_NETIF_ETHERNET ? ETHERNET_HEADER_LEN : 0;
	uint16_t type;

	if (len <= l3)
		return STEER_HERE;
	if (kind == TEE_NETIF_ETHERNET)
		type = load_be16(frame + 12);
	else
		type = frame[0] >> 4 == 4 ? ETHERTYPE_IP4 : ETHERTYPE_IP6;
	switch (type) {
	case ETHERTYPE_IP4: return ip4_owner(flow, frame + l3, len - l3, queues);
	case ETHERTYPE_IP6: return ip6_owner(flow, frame + l3, len - l3, queues);
	case ETHERTYPE_ARP: return arp_owner(frame + l3, len - l3);
	default: return STEER_HERE;
	}
}

/* ---- for the kernel ---- */

#define NET(off) ((uint32_t)(SKF_NET_OFF + (off)))

unsigned steer_program(struct sock_filter ret_code[STEER_PROGRAM_MAX], unsigned queues)
{
	/* Jumps count the instructions that they pass over. */
	const struct sock_filter code[] = {
		/* 0 */ BPF_STMT(BPF_LD | BPF_H | BPF_ABS,
				 (uint32_t)(SKF_AD_OFF + SKF_AD_PROTOCOL)),
		/* 1 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_IP, 0, 10), /* 12: version 6? */
		/* 2 */ BPF_STMT(BPF_LD | BPF_H | BPF_ABS, NET(6)),
		/* 3 */ BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 0x3fff, 6, 0), /* 10: a fragment */
		/* 4 */ BPF_STMT(BPF_LD | BPF_B | BPF_ABS, NET(9)),
		/* 5 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IP_PROTO_TCP, 1, 0),
		/* 6 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IP_PROTO_UDP, 0, 3), /* 10 */
		/* 7 */ BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, NET(0)),
		/* 8 */ BPF_STMT(BPF_LD | BPF_W | BPF_IND, NET(0)),
		/* 9 */ BPF_JUMP(BPF_JMP | BPF_JA, 1, 0, 0), /* 11 */
		/* 10 */ BPF_STMT(BPF_LD | BPF_IMM, 0),
		/* 11 */ BPF_JUMP(BPF_JMP | BPF_JA, 7, 0, 0),                    /* 19 */
		/* 12 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_IPV6, 0, 13), /* 26 */
		/* 13 */ BPF_STMT(BPF_LD | BPF_B | BPF_ABS, NET(6)),
		/* 14 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IP_PROTO_TCP, 1, 0),
		/* 15 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IP_PROTO_UDP, 0, 10), /* 26 */
		/* 16 */ BPF_STMT(BPF_LD | BPF_W | BPF_ABS, NET(40)),
		/* 17 */ BPF_STMT(BPF_ST, 0),
		/* 18 */ BPF_JUMP(BPF_JMP | BPF_JA, 2, 0, 0), /* 21 */
		/* 19: version 4, ports in A */ BPF_STMT(BPF_ST, 0),
		/* 20 */ BPF_JUMP(BPF_JMP | BPF_JA, 2, 0, 0), /* 23 */
		/* 21 */ BPF_STMT(BPF_LD | BPF_W | BPF_ABS, NET(20)),
		/* 22 */ BPF_JUMP(BPF_JMP | BPF_JA, 1, 0, 0), /* 24 */
		/* 23 */ BPF_STMT(BPF_LD | BPF_W | BPF_ABS, NET(12)),
		/* 24 */ BPF_STMT(BPF_LDX | BPF_MEM, 0),
		/* 25 */ BPF_JUMP(BPF_JMP | BPF_JA, 1, 0, 0), /* 27 */
		/* 26 */ BPF_STMT(BPF_RET | BPF_K, 0),
		/* 27 */ BPF_STMT(BPF_ALU | BPF_XOR | BPF_X, 0),
		/* 28 */ BPF_STMT(BPF_ALU | BPF_MUL | BPF_K, STEER_FACTOR),
		/* 29 */ BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, 24),
		/* 30 */ BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, queues),
		/* 31 */ BPF_STMT(BPF_RET | BPF_A, 0),
	};

	_Static_assert(ARRAY_LEN(code) <= STEER_PROGRAM_MAX, "the program fits");
	memcpy(ret_code, code, sizeof(code));
	return (unsigned)ARRAY_LEN(code);
}
