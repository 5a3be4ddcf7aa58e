/* SPDX-License-Identifier: MIT */
/*
 * What packets are about to need. A stack that holds millions of connections finds each in memory that no cache
 * holds: a place in the table, then the connection, one after the other, and the processor waits for both. Who has a
 * batch of packets in hand can say so first, by tee_input_ahead(); then the places are fetched all at a time.
 *
 * It only looks: at the bytes of the packets, within their bounds, for the 4-tuple of plain TCP segments,
 * and at the table. What is rarer (options and extension headers, fragments, link headers with a tag) is passed over
 * and comes to its connection at the usual pace. Nothing that it reads is believed: the packets have yet to be
 * checked, and tee_input() does that. With a small table there is nothing to gain, and nothing is done.
 */
#include "base/byteorder.h"
#include "base/check.h"
#include "net/netif.h"
#include "stack/stack.h"
#include "tcp/conn.h"
#include "wire/ethernet.h"
#include "wire/ip.h"

enum {
	PORTS_LEN = 4,
	FRAGMENT_MASK = 0x3fff, /* more of them follow, or some came before */
};

static bool peek4(const uint8_t *ip, size_t len, struct tcp_key *ret_key)
{
	const uint8_t *ports = ip + IP4_HEADER_LEN;

	if (len < IP4_HEADER_LEN + PORTS_LEN || ip[0] != (4 << 4 | IP4_HEADER_LEN / 4) ||
	    ip[9] != IP_PROTO_TCP || (load_be16(ip + 6) & FRAGMENT_MASK))
		return false;
	ret_key->remote_ip = TEE_IP4(ip[12], ip[13], ip[14], ip[15]);
	ret_key->local_ip = TEE_IP4(ip[16], ip[17], ip[18], ip[19]);
	ret_key->remote_port = load_be16(ports);
	ret_key->local_port = load_be16(ports + 2);
	return true;
}

static bool peek6(const uint8_t *ip, size_t len, struct tcp_key *ret_key)
{
	const uint8_t *ports = ip + IP6_HEADER_LEN;

	if (len < IP6_HEADER_LEN + PORTS_LEN || ip[0] >> 4 != 6 || ip[6] != IP_PROTO_TCP)
		return false;
	memcpy(&ret_key->remote_ip, ip + 8, sizeof(ret_key->remote_ip));
	memcpy(&ret_key->local_ip, ip + 24, sizeof(ret_key->local_ip));
	ret_key->remote_port = load_be16(ports);
	ret_key->local_port = load_be16(ports + 2);
	return true;
}

/* Whose segment it is, if it is one and a plain one. */
static bool peek(const struct netif *netif, const struct tee_pkt *pkt, struct tcp_key *ret_key)
{
	const uint8_t *ip = tee_pkt_bytes(pkt);
	size_t len = pkt->len;

	if (netif->kind == TEE_NETIF_ETHERNET) {
		if (len < ETHERNET_HEADER_LEN)
			return false;
		ip += ETHERNET_HEADER_LEN;
		len -= ETHERNET_HEADER_LEN;
	}
	return peek4(ip, len, ret_key) || peek6(ip, len, ret_key);
}

void tee_input_ahead(struct tee_stack *stack, int netif_number, struct tee_pkt *const *pkts,
		     unsigned n)
{
	const struct netif *netif = net_netif(stack->net, netif_number);
	struct tcp_key keys[DEMUX_AHEAD_MAX];
	unsigned count = 0;

	if (!netif || !demux_is_far(&stack->tcp->demux))
		return;
	for (unsigned i = 0; i < n && count < DEMUX_AHEAD_MAX; i++)
		count += peek(netif, pkts[i], &keys[count]);
	demux_ahead(&stack->tcp->demux, keys, count);
}
