/* SPDX-License-Identifier: MIT */
/*
 * Multicast listener reports, MLDv2 (RFC 3810), as much as a host needs that listens to nothing but its
 * solicited-node groups: switches that snoop would otherwise not let neighbour solicitations
 * through to us.
 *
 * A change of groups is reported twice, a second apart at random (robustness 2, RFC 3810 6.1); a
 * query is answered within its maximum response delay. A report always names all groups of the
 * interface. One timer an interface: the next report.
 *
 * A report is sent before there is a usable link-local address too, from the unspecified address, so
 * that duplicate detection gets through (RFC 3810 5.2.13).
 */
#include "net/private.h"

#include <string.h>
#include "base/byteorder.h"
#include "base/check.h"
#include "wire/checksum.h"

enum {
	RECORD_IS_EXCLUDE = 2, /* "exclude none" is "listen to all" */
	RECORD_TO_EXCLUDE = 4,
	ROBUSTNESS = 2,
	HOP_BY_HOP_LEN = 8,
	REPORT_HEADER_LEN = 8,
	RECORD_LEN = 20,
	GROUPS_MAX = NETIF_ADDR_COUNT_MAX,
	QUERY1_LEN = 24, /* MLDv1; version 2 is longer */
};

/* Hop-by-hop header with the router alert option of MLD (RFC 2711), then PadN. */
static const uint8_t hop_by_hop[HOP_BY_HOP_LEN] = {IP_PROTO_ICMP6, 0, 5, 2, 0, 0, 1, 0};
/* ff02::16 */
static const struct tee_ip all_routers = {{0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x16}};

/* The groups of the interface, each once. */
static unsigned collect_groups(const struct netif *netif, struct tee_ip groups[GROUPS_MAX])
{
	unsigned n = 0;

	LIST_FOR_EACH(node, (struct list *)&netif->addrs)
	{
		const struct netif_addr *addr = CONTAINER_OF(node, struct netif_addr, node);
		struct tee_ip group;
		unsigned i = 0;

		if (tee_ip_is4(&addr->ip) || addr->state == TEE_ADDR_CONFLICT)
			continue;
		group = ip6_solicited_node(&addr->ip);
		while (i < n && !tee_ip_equal(&groups[i], &group))
			i++;
		if (i == n)
			groups[n++] = group;
	}
	return n;
}

static struct tee_ip link_local_source(const struct netif *netif)
{
	LIST_FOR_EACH(node, (struct list *)&netif->addrs)
	{
		const struct netif_addr *addr = CONTAINER_OF(node, struct netif_addr, node);

		if (!tee_ip_is4(&addr->ip) && ip_is_link_local(&addr->ip) &&
		    netif_addr_is_usable(addr))
			return addr->ip;
	}
	return TEE_IP_ANY;
}

static void send_report(struct netif *netif)
{
	struct engine *engine = netif->net->engine;
	struct tee_ip groups[GROUPS_MAX];
	unsigned n = collect_groups(netif, groups);
	uint32_t len = REPORT_HEADER_LEN + n * RECORD_LEN;
	struct tee_mac mac = mac_of_multicast(&all_routers);
	struct ip_out out = {
		.src = link_local_source(netif),
		.dst = all_routers,
		.protocol = 0, /* hop-by-hop options */
		.ttl = 1,
		.why = TEE_WHY_MLD,
	};
	struct tee_pkt *pkt;
	uint8_t *at;
	uint64_t sum;

	if (n == 0)
		return;
	pkt = tee_pkt_new(engine->pool, HOP_BY_HOP_LEN + len);
	if (!pkt) {
		drop(engine, DROP_NO_MEMORY);
		return;
	}
	pkt->len = HOP_BY_HOP_LEN + len;
	at = tee_pkt_bytes(pkt);
	memcpy(at, hop_by_hop, HOP_BY_HOP_LEN);
	at += HOP_BY_HOP_LEN;
	memset(at, 0, len);
	at[0] = ICMP6_MLD2_REPORT;
	store_be16(at + 6, (uint16_t)n);
	for (unsigned i = 0; i < n; i++) {
		uint8_t *record = at + REPORT_HEADER_LEN + i * RECORD_LEN;

		record[0] = netif->mld_record_type;
		memcpy(record + 4, groups[i].byte, sizeof(groups[i].byte));
	}
	sum = checksum_pseudo(&out.src, &out.dst, IP_PROTO_ICMP6, len);
	store_be16(at + 2, checksum_finish(checksum_add(sum, at, len)));
	count(engine, COUNT_ICMP_OUT);
	ip_output_link(netif, &mac, pkt, &out);
}

void mld_timer(void *context, struct timer *timer)
{
	struct netif *netif = CONTAINER_OF(timer, struct netif, mld_timer);
	struct engine *engine = netif->net->engine;

	(void)context;
	if (netif->mld_reports_left == 0)
		return;
	send_report(netif);
	if (--netif->mld_reports_left > 0)
		engine_arm(engine, timer,
			   engine->now_ns + random_below(&engine->random, TEE_NS_PER_S) + 1);
}

void mld_groups_changed(struct netif *netif)
{
	struct engine *engine = netif->net->engine;
	struct tee_ip groups[GROUPS_MAX];

	if (netif->kind != TEE_NETIF_ETHERNET || !netif->is_up || netif->shares_address ||
	    collect_groups(netif, groups) == 0)
		return;
	netif->mld_record_type = RECORD_TO_EXCLUDE;
	netif->mld_reports_left = ROBUSTNESS;
	engine_arm(engine, &netif->mld_timer, engine->now_ns);
}

/* RFC 3810 5.1.3: the top of the range counts in floating point. */
static uint64_t response_delay_ns(uint16_t code, bool is_v1)
{
	uint64_t delay_ms = code;

	if (!is_v1 && code >= 0x8000)
		delay_ms = (uint64_t)((code & 0xfff) | 0x1000) << ((code >> 12 & 7) + 3);
	return delay_ms * TEE_NS_PER_MS;
}

void mld_query(struct netif *netif, const struct tee_pkt *pkt)
{
	struct engine *engine = netif->net->engine;
	uint64_t at_ns;

	if (netif->kind != TEE_NETIF_ETHERNET || pkt->len < QUERY1_LEN)
		return;
	/* A report that is due sooner answers as well. */
	if (netif->mld_reports_left > 0)
		return;
	at_ns = engine->now_ns +
		random_below(&engine->random, response_delay_ns(load_be16(tee_pkt_bytes(pkt) + 4),
								pkt->len == QUERY1_LEN) +
						      1);
	netif->mld_record_type = RECORD_IS_EXCLUDE;
	netif->mld_reports_left = 1;
	engine_arm(engine, &netif->mld_timer, at_ns);
}
