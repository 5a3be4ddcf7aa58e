/* SPDX-License-Identifier: MIT */
/*
 * From a new address to one that is used: is it free? IPv4 by ARP probes (RFC 5227), IPv6 by
 * neighbour solicitations (RFC 4862 5.4). Then its defence, and the end of its lifetimes.
 *
 * Each address walks through phases, and its one timer (TIMER_ADDRESS) is the next step:
 *
 *	WAIT -> PROBE ... -> (usable) -> ANNOUNCE ... -> SETTLED
 *
 * In SETTLED the timer is the end of the preferred or the valid lifetime. A conflict while probing ends in
 * TEE_ADDR_CONFLICT, with the other's link address kept; for a DHCP address the client declines it. A
 * conflict afterwards is answered by one announcement every ten seconds (RFC 5227 2.4): a static
 * address, which somebody chose, is never given up (case c), a DHCP address at the second
 * conflict within that time (case b).
 *
 * A DHCP address is probed in half a second, not in RFC 5227's seven: its server keeps the
 * book of addresses already, and RFC 2131 4.4.1 asks for a probe without setting a time.
 */
#include "addrconf/private.h"

#include "base/check.h"
#include "net/trace.h"

enum acd_phase { ACD_IDLE, ACD_WAIT, ACD_PROBE, ACD_ANNOUNCE, ACD_SETTLED };

/* RFC 5227 section 1.1. */
enum { PROBE_NUM = 3, ANNOUNCE_NUM = 2, DHCP_PROBE_NUM = 2 };
#define ANNOUNCE_INTERVAL_NS   (2 * TEE_NS_PER_S)
#define DEFEND_INTERVAL_NS     (10 * TEE_NS_PER_S)
#define DHCP_PROBE_INTERVAL_NS (200 * TEE_NS_PER_MS)
#define DHCP_PROBE_LAST_NS     (300 * TEE_NS_PER_MS)

static struct engine *engine_of(const struct netif_addr *addr)
{
	return net_engine(addr->netif->net);
}

static bool is4(const struct netif_addr *addr)
{
	return tee_ip_is4(&addr->ip);
}

static void arm_in(struct netif_addr *addr, uint64_t delay_ns)
{
	engine_arm(engine_of(addr), &addr->timer, engine_of(addr)->now_ns + delay_ns);
}

static uint64_t random_between(struct netif_addr *addr, uint64_t min_ns, uint64_t max_ns)
{
	return min_ns + random_below(&engine_of(addr)->random, max_ns - min_ns + 1);
}

/* ---- lifetimes ---- */

void acd_rearm_lifetime(struct addrconf *addrconf, struct netif_addr *addr)
{
	uint64_t next_ns = addr->valid_until_ns;

	/* Until then the timer belongs to the phases before. */
	if (addr->phase != ACD_SETTLED)
		return;
	if (addr->preferred_until_ns > addrconf->engine->now_ns) {
		next_ns = MIN(next_ns, addr->preferred_until_ns);
		if (addr->state == TEE_ADDR_DEPRECATED)
			netif_addr_set_state(addr, TEE_ADDR_PREFERRED);
	} else if (addr->state == TEE_ADDR_PREFERRED) {
		netif_addr_set_state(addr, TEE_ADDR_DEPRECATED);
	}
	engine_arm(addrconf->engine, &addr->timer, next_ns);
}

/* RFC 4862 5.5.4. */
static void check_lifetime(struct addrconf *addrconf, struct netif_addr *addr)
{
	if (addr->valid_until_ns <= addrconf->engine->now_ns)
		netif_addr_remove(addr->netif, &addr->ip);
	else
		acd_rearm_lifetime(addrconf, addr);
}

/* ---- usable ---- */

static void settle(struct addrconf *addrconf, struct netif_addr *addr)
{
	addr->phase = ACD_SETTLED;
	check_lifetime(addrconf, addr);
}

/* RFC 5227's PROBE_WAIT, PROBE_MIN and RFC 4862's MAX_RTR_SOLICITATION_DELAY are one of these each,
   PROBE_MAX and ANNOUNCE_WAIT two. */
static uint64_t second_of(const struct netif_addr *addr)
{
	uint64_t second_ns = engine_of(addr)->config.acd_second_ns;

	return second_ns ? second_ns : TEE_NS_PER_S;
}

static void announce(struct netif_addr *addr)
{
	arp_send(addr->netif, ARP_REQUEST, &addr->ip, &addr->ip, NULL, TEE_WHY_ARP_ANNOUNCE);
	addr->announces_sent++;
}

/* Nobody objected. */
static void claim(struct addrconf *addrconf, struct netif_addr *addr)
{
	struct netif *netif = addr->netif;
	struct ac_netif *ac;

	netif_addr_set_state(addr, TEE_ADDR_PREFERRED);
	if (is4(addr) && netif->kind == TEE_NETIF_ETHERNET && !netif->shares_address) {
		/* RFC 5227 2.3: whoever knew another owner learns of us. */
		addr->phase = ACD_ANNOUNCE;
		addr->announces_sent = 0;
		announce(addr);
		arm_in(addr, ANNOUNCE_INTERVAL_NS);
	} else {
		settle(addrconf, addr);
	}
	if (addr->origin == TEE_ADDR_DHCP) {
		dhcp_on_usable(addrconf, addr);
	} else if (addr->origin == TEE_ADDR_LINK_LOCAL && !is4(addr)) {
		ac = ac_netif_get(addrconf, netif);
		if (ac)
			slaac_start_soliciting(ac);
	}
}

/* ---- probing ---- */

void acd_addr_added(void *context, struct netif_addr *addr)
{
	struct addrconf *addrconf = context;
	const struct tee_config *config = &addrconf->engine->config;
	bool is_probed = is4(addr) ? config->acd : config->dad_transmits > 0;

	engine_disarm(addrconf->engine, &addr->timer);
	addr->phase = ACD_IDLE;
	addr->probes_sent = 0;
	addr->conflict_count = 0;
	/* When the interface comes up we are called again. */
	if (!addr->netif->is_up)
		return;
	if (addr->skip_probe || !is_probed) {
		claim(addrconf, addr);
		return;
	}
	addr->phase = ACD_WAIT;
	if (addr->origin == TEE_ADDR_DHCP)
		arm_in(addr, 0);
	else
		arm_in(addr, random_below(&addrconf->engine->random, second_of(addr)));
}

static void send_probe(struct netif_addr *addr)
{
	addr->probes_sent++;
	if (is4(addr))
		arp_send(addr->netif, ARP_REQUEST, &TEE_IP4(0, 0, 0, 0), &addr->ip, NULL,
			 TEE_WHY_ARP_PROBE);
	else
		nd_send_dad(addr->netif, &addr->ip);
}

static unsigned probe_num(const struct netif_addr *addr)
{
	if (!is4(addr))
		return engine_of(addr)->config.dad_transmits;
	return addr->origin == TEE_ADDR_DHCP ? DHCP_PROBE_NUM : PROBE_NUM;
}

/* How long to listen after the probe just sent. */
static uint64_t probe_pause(struct netif_addr *addr)
{
	bool is_last = addr->probes_sent == probe_num(addr);

	if (!is4(addr))
		return MIN(addr->netif->retrans_ns, second_of(addr));
	if (addr->origin == TEE_ADDR_DHCP)
		return is_last ? DHCP_PROBE_LAST_NS : DHCP_PROBE_INTERVAL_NS;
	return is_last ? 2 * second_of(addr)
		       : random_between(addr, second_of(addr), 2 * second_of(addr));
}

void acd_timer(void *context, struct timer *timer)
{
	struct addrconf *addrconf = context;
	struct netif_addr *addr = CONTAINER_OF(timer, struct netif_addr, timer);

	switch ((enum acd_phase)addr->phase) {
	case ACD_IDLE: break;
	case ACD_WAIT:
	case ACD_PROBE:
		addr->phase = ACD_PROBE;
		if (addr->probes_sent < probe_num(addr)) {
			send_probe(addr);
			arm_in(addr, probe_pause(addr));
		} else {
			claim(addrconf, addr);
		}
		break;
	case ACD_ANNOUNCE:
		announce(addr);
		if (addr->announces_sent < ANNOUNCE_NUM)
			arm_in(addr, ANNOUNCE_INTERVAL_NS);
		else
			settle(addrconf, addr);
		break;
	case ACD_SETTLED: check_lifetime(addrconf, addr); break;
	}
}

/* ---- conflicts ---- */

/* May free the address (DHCP). */
static void give_up(struct addrconf *addrconf, struct netif_addr *addr)
{
	engine_disarm(addrconf->engine, &addr->timer);
	addr->phase = ACD_IDLE;
	netif_addr_set_state(addr, TEE_ADDR_CONFLICT);
	if (addr->origin == TEE_ADDR_DHCP)
		dhcp_on_conflict(addrconf, addr);
}

/* RFC 5227 2.4. */
static void defend(struct addrconf *addrconf, struct netif_addr *addr)
{
	uint64_t now_ns = addrconf->engine->now_ns;
	bool was_recent = addr->conflict_count > 1 &&
			  now_ns - addr->defended_at_ns < DEFEND_INTERVAL_NS;

	if (!was_recent) {
		addr->defended_at_ns = now_ns;
		arp_send(addr->netif, ARP_REQUEST, &addr->ip, &addr->ip, NULL,
			 TEE_WHY_ARP_ANNOUNCE);
	} else if (addr->origin == TEE_ADDR_DHCP) {
		give_up(addrconf, addr);
	}
}

static void on_conflict(struct addrconf *addrconf, struct netif_addr *addr,
			const struct tee_mac *mac)
{
	count(addrconf->engine, COUNT_ARP_CONFLICT);
	addr->conflict_mac = *mac;
	if (addr->conflict_count < UINT8_MAX)
		addr->conflict_count++;
	net_trace_addr_conflict(addr, mac);
	if (addr->state == TEE_ADDR_TENTATIVE)
		give_up(addrconf, addr);
	else if (is4(addr))
		defend(addrconf, addr);
	/* A usable IPv6 address is not given up for an advertisement, which may be forged. */
}

void acd_arp_seen(void *context, struct netif *netif, const struct arp *arp)
{
	bool is_probe = tee_ip_is_any(&arp->sender_ip) && arp->op == ARP_REQUEST;
	struct netif_addr *addr =
		netif_addr_find(netif, is_probe ? &arp->target_ip : &arp->sender_ip);

	if (!addr || addr->state == TEE_ADDR_CONFLICT)
		return;
	/* RFC 5227 2.1.1: somebody else's probe matters while we are probing ourselves. */
	if (is_probe && addr->state != TEE_ADDR_TENTATIVE)
		return;
	if (addr->state == TEE_ADDR_TENTATIVE && addr->phase == ACD_IDLE)
		return;
	on_conflict(context, addr, &arp->sender_mac);
}

void acd_nd_conflict(void *context, struct netif_addr *addr, const struct tee_mac *mac)
{
	if (addr->state == TEE_ADDR_CONFLICT ||
	    (addr->state == TEE_ADDR_TENTATIVE && addr->phase == ACD_IDLE))
		return;
	on_conflict(context, addr, mac);
}
