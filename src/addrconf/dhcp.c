/* SPDX-License-Identifier: MIT */
/*
 * The DHCPv4 client (RFC 2131 figure 5).
 *
 *	INIT       nothing is out. The timer starts DISCOVER (at once, or ten seconds after a decline).
 *	SELECTING  DISCOVER is out; the first usable offer is taken -> REQUESTING.
 *	REQUESTING REQUEST for the offer is out. ACK -> CHECKING, NAK or silence -> INIT.
 *	REBOOTING  as REQUESTING, for the address we had before the interface went down.
 *	CHECKING   the address is on the interface, tentative. Free -> BOUND; taken: DECLINE -> INIT.
 *	BOUND      in use. T1 -> RENEWING.
 *	RENEWING   REQUEST by unicast to the server. ACK -> BOUND, NAK -> INIT, T2 -> REBINDING.
 *	REBINDING  REQUEST by broadcast. ACK -> BOUND, NAK -> INIT, end of the lease -> INIT.
 *
 * Leaving BOUND, RENEWING or REBINDING for INIT takes the address away. Messages come in through a UDP
 * endpoint on port 68 with a receiver; while there is no address, netif->accepts_dhcp lets answers pass
 * whose destination is not ours yet.
 *
 * Repetition (4.1): after 4, 8, 16, 32, 64, 64 … seconds, each a second more or less at random; in RENEWING
 * and REBINDING after half of the time that is left, a minute at least (4.4.5). The random
 * wait of 4.4.1 before the first DISCOVER is left out: it is for networks whose power comes back,
 * not for a program that somebody just started.
 */
#include "addrconf/private.h"

#include <string.h>
#include "base/check.h"

enum { REQUEST_TRIES = 4, REBOOT_TRIES = 2, BACKOFF_SHIFT_MAX = 4 };
#define DECLINE_WAIT_NS (10 * TEE_NS_PER_S)
#define REPEAT_FIRST_NS (4 * TEE_NS_PER_S)
#define REPEAT_RENEW_NS (60 * TEE_NS_PER_S)

static struct engine *engine_of(const struct ac_netif *ac)
{
	return ac->addrconf->engine;
}

static void arm_at(struct ac_netif *ac, uint64_t at_ns)
{
	engine_arm(engine_of(ac), &ac->dhcp.timer, at_ns);
}

/* ---- sending ---- */

/* RFC 2131 4.1: doubled each time, up to 64 s, a second more or less. */
static uint64_t backoff_ns(struct ac_netif *ac)
{
	unsigned shift = MIN(ac->dhcp.tries - 1, (unsigned)BACKOFF_SHIFT_MAX);

	return (REPEAT_FIRST_NS << shift) - TEE_NS_PER_S +
	       random_below(&engine_of(ac)->random, 2 * TEE_NS_PER_S + 1);
}

/* RFC 2131 4.4.5. */
static uint64_t renew_at(struct ac_netif *ac, uint64_t until_ns)
{
	uint64_t now_ns = engine_of(ac)->now_ns;
	uint64_t wait_ns = until_ns > now_ns ? (until_ns - now_ns) / 2 : 0;

	return MIN(now_ns + MAX(wait_ns, REPEAT_RENEW_NS), MAX(until_ns, now_ns));
}

/* Sends the message of the state, and arms its repetition. */
static void transmit(struct ac_netif *ac)
{
	struct dhcp_client *client = &ac->dhcp;
	uint64_t now_ns = engine_of(ac)->now_ns;

	if (client->tries == 0)
		client->sent_at_ns = now_ns;
	client->tries++;
	dhcp_send(ac, client->state == DHCP_STATE_SELECTING ? DHCP_DISCOVER : DHCP_REQUEST);
	if (client->state == DHCP_STATE_RENEWING)
		arm_at(ac, renew_at(ac, client->lease.t2_ns));
	else if (client->state == DHCP_STATE_REBINDING)
		arm_at(ac, renew_at(ac, client->lease.end_ns));
	else
		arm_at(ac, now_ns + backoff_ns(ac));
}

static void enter(struct ac_netif *ac, enum dhcp_state state)
{
	ac->dhcp.state = state;
	ac->dhcp.tries = 0;
	ac->netif->accepts_dhcp = state >= DHCP_STATE_SELECTING && state <= DHCP_STATE_CHECKING;
}

static void new_transaction(struct ac_netif *ac)
{
	ac->dhcp.xid = (uint32_t)random_u64(&engine_of(ac)->random);
	ac->dhcp.started_at_ns = engine_of(ac)->now_ns;
}

/* ---- the lease ---- */

static void apply_routes(struct ac_netif *ac, const struct dhcp_lease *lease)
{
	if (!tee_ip_is_any(&lease->router))
		route_add(ac->netif, &TEE_IP4(0, 0, 0, 0), 0, &lease->router, 100, ROUTE_DHCP);
	netif_set_mtu(ac->netif, lease->mtu);
}

static void remove_routes(struct ac_netif *ac, const struct dhcp_lease *lease)
{
	if (!tee_ip_is_any(&lease->router))
		route_remove_exact(ac->netif, &TEE_IP4(0, 0, 0, 0), 0, &lease->router, ROUTE_DHCP);
	netif_set_mtu(ac->netif, 0);
}

/* Takes the address off the interface; the lease is kept, for REBOOTING. */
static void unapply(struct ac_netif *ac)
{
	struct dhcp_client *client = &ac->dhcp;
	struct netif_addr *addr = netif_addr_find(ac->netif, &client->lease.ip);

	remove_routes(ac, &client->lease);
	if (addr && addr->origin == TEE_ADDR_DHCP)
		netif_addr_remove(ac->netif, &client->lease.ip);
}

static void lose_lease(struct ac_netif *ac)
{
	if (!ac->dhcp.has_lease)
		return;
	if (ac->dhcp.state >= DHCP_STATE_BOUND)
		count(engine_of(ac), COUNT_DHCP_LOST);
	unapply(ac);
	ac->dhcp.has_lease = false;
}

static void start_over(struct ac_netif *ac, uint64_t wait_ns)
{
	lose_lease(ac);
	enter(ac, DHCP_STATE_INIT);
	arm_at(ac, engine_of(ac)->now_ns + wait_ns);
}

static void become_bound(struct ac_netif *ac)
{
	struct dhcp_client *client = &ac->dhcp;
	struct netif_addr *addr = netif_addr_find(ac->netif, &client->lease.ip);

	enter(ac, DHCP_STATE_BOUND);
	apply_routes(ac, &client->lease);
	if (addr)
		addr->valid_until_ns = client->lease.end_ns;
	arm_at(ac, client->lease.t1_ns);
}

/* First ACK: the address goes onto the interface, to be probed. */
static void check_address(struct ac_netif *ac, const struct dhcp_lease *lease)
{
	struct dhcp_client *client = &ac->dhcp;
	int result;

	client->lease = *lease;
	client->has_lease = true;
	enter(ac, DHCP_STATE_CHECKING);
	engine_disarm(engine_of(ac), &client->timer);
	/* May be usable at once: dhcp_on_usable() is called from within. */
	result = netif_addr_add(ac->netif, &lease->ip, lease->prefix_bits, TEE_ADDR_DHCP, false,
				NULL);
	/* It can't be used (ours already, by hand, or no memory): try again later. */
	if (result < 0)
		start_over(ac, DECLINE_WAIT_NS);
}

void dhcp_on_usable(struct addrconf *addrconf, struct netif_addr *addr)
{
	struct ac_netif *ac = ac_netif_find(addrconf, addr->netif);

	if (!ac || ac->dhcp.state != DHCP_STATE_CHECKING ||
	    !tee_ip_equal(&addr->ip, &ac->dhcp.lease.ip))
		return;
	become_bound(ac);
	count(addrconf->engine, COUNT_DHCP_BOUND);
}

void dhcp_on_conflict(struct addrconf *addrconf, struct netif_addr *addr)
{
	struct ac_netif *ac = ac_netif_find(addrconf, addr->netif);

	if (!ac || !ac->dhcp.has_lease || !tee_ip_equal(&addr->ip, &ac->dhcp.lease.ip))
		return;
	/* RFC 2131 3.1 (5): tell the server, from no address, and wait before the next try. */
	if (ac->dhcp.state >= DHCP_STATE_BOUND)
		count(addrconf->engine, COUNT_DHCP_LOST);
	ac->dhcp.state = DHCP_STATE_CHECKING;
	dhcp_send(ac, DHCP_DECLINE);
	start_over(ac, DECLINE_WAIT_NS);
}

static void renewed(struct ac_netif *ac, const struct dhcp_lease *lease)
{
	struct dhcp_client *client = &ac->dhcp;

	/* A server that names another address than the one in use has lost its mind, or its book. */
	if (!tee_ip_equal(&lease->ip, &client->lease.ip)) {
		start_over(ac, 0);
		return;
	}
	if (!tee_ip_equal(&lease->router, &client->lease.router))
		remove_routes(ac, &client->lease);
	client->lease = *lease;
	count(engine_of(ac), COUNT_DHCP_RENEWED);
	become_bound(ac);
}

/* ---- messages ---- */

static void on_offer(struct ac_netif *ac, const struct dhcp *message)
{
	struct dhcp_client *client = &ac->dhcp;

	if (client->state != DHCP_STATE_SELECTING || tee_ip_is_any(&message->server_id) ||
	    tee_ip_is_any(&message->yiaddr) || !ip_is_valid_source(&message->yiaddr))
		return;
	client->offered = message->yiaddr;
	client->server = message->server_id;
	enter(ac, DHCP_STATE_REQUESTING);
	transmit(ac);
}

static void on_ack(struct ac_netif *ac, const struct dhcp *message)
{
	struct dhcp_client *client = &ac->dhcp;
	struct dhcp_lease lease;

	if (!dhcp_lease_from(ac, message, &lease)) {
		drop(engine_of(ac), DROP_DHCP_MALFORMED);
		return;
	}
	switch (client->state) {
	case DHCP_STATE_REQUESTING:
	case DHCP_STATE_REBOOTING: check_address(ac, &lease); break;
	case DHCP_STATE_RENEWING:
	case DHCP_STATE_REBINDING: renewed(ac, &lease); break;
	case DHCP_STATE_OFF:
	case DHCP_STATE_INIT:
	case DHCP_STATE_SELECTING:
	case DHCP_STATE_CHECKING:
	case DHCP_STATE_BOUND: break; /* nothing was asked: RFC 2131 figure 5 discards it */
	}
}

static void on_nak(struct ac_netif *ac, const struct dhcp *message)
{
	struct dhcp_client *client = &ac->dhcp;

	/* Only the server that was asked may refuse. */
	if (client->state == DHCP_STATE_REQUESTING &&
	    !tee_ip_equal(&message->server_id, &client->server))
		return;
	if (client->state == DHCP_STATE_REQUESTING || client->state == DHCP_STATE_REBOOTING ||
	    client->state == DHCP_STATE_RENEWING || client->state == DHCP_STATE_REBINDING)
		/* A second's pause, lest a server that always refuses gets a flood. */
		start_over(ac, TEE_NS_PER_S);
}

static void on_message(void *context, const uint8_t *data, size_t len,
		       const struct tee_dgram_info *info)
{
	struct ac_netif *ac = context;
	struct dhcp message;

	if (info->remote.port != DHCP_SERVER_PORT || dhcp_parse(data, len, &message) < 0) {
		drop(engine_of(ac), DROP_DHCP_MALFORMED);
		return;
	}
	if (!dhcp_is_for_us(ac, &message))
		return;
	switch (message.type) {
	case DHCP_OFFER: on_offer(ac, &message); break;
	case DHCP_ACK: on_ack(ac, &message); break;
	case DHCP_NAK: on_nak(ac, &message); break;
	default: break;
	}
}

/* ---- time ---- */

static void discover(struct ac_netif *ac)
{
	new_transaction(ac);
	enter(ac, DHCP_STATE_SELECTING);
	transmit(ac);
}

static void start_renewing(struct ac_netif *ac)
{
	new_transaction(ac);
	enter(ac, DHCP_STATE_RENEWING);
	transmit(ac);
}

void dhcp_timer(void *context, struct timer *timer)
{
	struct ac_netif *ac = CONTAINER_OF(timer, struct ac_netif, dhcp.timer);
	struct dhcp_client *client = &ac->dhcp;
	uint64_t now_ns = engine_of(ac)->now_ns;

	(void)context;
	switch (client->state) {
	case DHCP_STATE_OFF:
	case DHCP_STATE_CHECKING: break; /* no timer */
	case DHCP_STATE_INIT: discover(ac); break;
	case DHCP_STATE_SELECTING: transmit(ac); break;
	case DHCP_STATE_REQUESTING:
		if (client->tries < REQUEST_TRIES)
			transmit(ac);
		else
			discover(ac);
		break;
	case DHCP_STATE_REBOOTING:
		if (client->tries < REBOOT_TRIES)
			transmit(ac);
		else
			discover(ac);
		break;
	case DHCP_STATE_BOUND: start_renewing(ac); break;
	case DHCP_STATE_RENEWING:
		if (now_ns >= client->lease.t2_ns)
			enter(ac, DHCP_STATE_REBINDING);
		transmit(ac);
		break;
	case DHCP_STATE_REBINDING:
		if (now_ns >= client->lease.end_ns)
			start_over(ac, 0);
		else
			transmit(ac);
		break;
	}
}

/* ---- the interface, and the user ---- */

void dhcp_client_init(struct ac_netif *ac)
{
	timer_init(&ac->dhcp.timer, TIMER_DHCP);
}

void dhcp_client_fini(struct ac_netif *ac)
{
	engine_disarm(engine_of(ac), &ac->dhcp.timer);
	udp_endpoint_free(ac->dhcp.endpoint);
	ac->dhcp.endpoint = NULL;
	ac->netif->accepts_dhcp = false;
}

void dhcp_netif_up(struct ac_netif *ac, bool up)
{
	struct dhcp_client *client = &ac->dhcp;

	if (client->state == DHCP_STATE_OFF)
		return;
	if (!up) {
		if (client->has_lease)
			unapply(ac);
		enter(ac, DHCP_STATE_INIT);
		engine_disarm(engine_of(ac), &client->timer);
		return;
	}
	if (!client->has_lease || client->lease.end_ns <= engine_of(ac)->now_ns) {
		start_over(ac, 0);
		return;
	}
	/* RFC 2131 3.2: still on the same network? Then the address is still ours. */
	client->has_lease = false;
	client->offered = client->lease.ip;
	new_transaction(ac);
	enter(ac, DHCP_STATE_REBOOTING);
	transmit(ac);
}

static int open_endpoint(struct ac_netif *ac)
{
	const struct tee_endpoint local = {.ip = TEE_IP4(0, 0, 0, 0), .port = DHCP_CLIENT_PORT};
	struct udp_endpoint *endpoint =
		udp_endpoint_new(ac->addrconf->udp, false, TEE_FAMILY_IPV4, NULL);
	int result;

	if (!endpoint)
		return -TEE_ENOMEM;
	udp_endpoint_options(endpoint)->broadcast = true;
	udp_endpoint_options(endpoint)->netif_number = ac->netif->number;
	result = udp_endpoint_bind(endpoint, &local);
	if (result < 0) {
		udp_endpoint_free(endpoint);
		return result;
	}
	udp_endpoint_set_receiver(endpoint, on_message, ac);
	ac->dhcp.endpoint = endpoint;
	return 0;
}

int addrconf_dhcp_start(struct addrconf *addrconf, struct netif *netif, const char *hostname)
{
	struct ac_netif *ac;
	size_t len = hostname ? strlen(hostname) : 0;
	int result;

	if (netif->kind != TEE_NETIF_ETHERNET)
		return -TEE_EOPNOTSUPP;
	ac = ac_netif_get(addrconf, netif);
	if (!ac)
		return -TEE_ENOMEM;
	if (ac->dhcp.state != DHCP_STATE_OFF)
		return -TEE_EALREADY;
	result = open_endpoint(ac);
	if (result < 0)
		return result;
	len = MIN(len, sizeof(ac->dhcp.hostname) - 1);
	if (len > 0)
		memcpy(ac->dhcp.hostname, hostname, len);
	ac->dhcp.hostname[len] = '\0';
	ac->dhcp.has_lease = false;
	enter(ac, DHCP_STATE_INIT);
	if (netif->is_up)
		arm_at(ac, addrconf->engine->now_ns);
	return 0;
}

int addrconf_dhcp_release(struct addrconf *addrconf, struct netif *netif)
{
	struct ac_netif *ac = ac_netif_find(addrconf, netif);

	if (!ac || ac->dhcp.state == DHCP_STATE_OFF)
		return -TEE_ENOENT;
	if (ac->dhcp.has_lease && netif->is_up && ac->dhcp.state >= DHCP_STATE_BOUND) {
		new_transaction(ac);
		dhcp_send(ac, DHCP_RELEASE);
	}
	if (ac->dhcp.has_lease)
		unapply(ac);
	ac->dhcp.has_lease = false;
	dhcp_client_fini(ac);
	enter(ac, DHCP_STATE_OFF);
	return 0;
}
