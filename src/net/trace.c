/* SPDX-License-Identifier: MIT */
/*
 * What the network layer tells a trace consumer: packets that are not TCP's, as a line of print, and
 * what becomes of addresses. Only here is text made.
 */
#include "net/trace.h"

#include <stdio.h>
#include "base/check.h"
#include "net/private.h"
#include "wire/print.h"

void net_trace_packet(struct net *net, enum tee_trace_kind kind, const struct netif *netif,
		      const struct tee_pkt *pkt, bool has_link_header, enum tee_why why)
{
	char text[256];
	struct tee_trace trace = {.kind = kind, .why = why, .netif = netif->number, .text = text};

	print_frame(tee_pkt_bytes(pkt), pkt->len, has_link_header, text, sizeof(text));
	trace_emit(net->engine, &trace);
}

static void emit_addr(const struct netif_addr *addr, const char *text)
{
	struct tee_trace trace = {.kind = TEE_TRACE_ADDR,
				  .netif = addr->netif->number,
				  .local.ip = addr->ip,
				  .text = text};

	trace_emit(addr->netif->net->engine, &trace);
}

void net_trace_addr_state(const struct netif_addr *addr)
{
	static const char *const names[] = {
		[TEE_ADDR_TENTATIVE] = "tentative",
		[TEE_ADDR_PREFERRED] = "usable",
		[TEE_ADDR_DEPRECATED] = "deprecated",
		[TEE_ADDR_CONFLICT] = "in conflict",
	};
	char text[128], ip[TEE_IP_TEXT_SIZE];

	_Static_assert(ARRAY_LEN(names) == TEE_ADDR_CONFLICT + 1, "every state has a name");
	if (!trace_on(addr->netif->net->engine))
		return;
	snprintf(text, sizeof(text), "%s/%u on %s is %s", tee_ip_format(&addr->ip, ip),
		 addr->prefix_bits, addr->netif->name, names[addr->state]);
	emit_addr(addr, text);
}

void net_trace_addr_conflict(const struct netif_addr *addr, const struct tee_mac *mac)
{
	char text[160], ip[TEE_IP_TEXT_SIZE];

	if (!trace_on(addr->netif->net->engine))
		return;
	snprintf(text, sizeof(text), "%s on %s is also claimed by %02x:%02x:%02x:%02x:%02x:%02x",
		 tee_ip_format(&addr->ip, ip), addr->netif->name, mac->byte[0], mac->byte[1],
		 mac->byte[2], mac->byte[3], mac->byte[4], mac->byte[5]);
	emit_addr(addr, text);
}
