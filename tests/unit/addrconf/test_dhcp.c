/* SPDX-License-Identifier: MIT */
/* The DHCP client against a server played by the test (RFC 2131 figure 5). */
#include "net/neighbour.h"
#include "../net/net_kit.h"

#include "wire/dhcp.h"

#define SERVER_IP TEE_IP4(10, 7, 0, 1)
#define LEASED_IP TEE_IP4(10, 7, 0, 100)
#define DNS_IP    TEE_IP4(10, 7, 0, 53)
#define SECOND    TEE_NS_PER_S

static const struct tee_ip zero4 = {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}};

static struct dhcp last; /* the message that take_dhcp() took */

static void open_kit(struct kit *kit)
{
	kit_config(kit);
	kit->config.ipv6_slaac = false;
	kit_open(kit, KIT_ADDRCONF);
}

/* The next DHCP message among what was sent; other frames are passed over. */
static bool take_dhcp(struct kit *kit, enum dhcp_type expected)
{
	struct udp_header udp;

	while (kit_take(kit)) {
		if (kit->ip.protocol != IP_PROTO_UDP)
			continue;
		assert_int_equal(udp_parse(kit->payload, kit->payload_len, &udp), 0);
		assert_int_equal(udp.src_port, DHCP_CLIENT_PORT);
		assert_int_equal(udp.dst_port, DHCP_SERVER_PORT);
		assert_int_equal(dhcp_parse(kit->payload + 8, udp.len - 8u, &last), 0);
		assert_false(last.is_reply);
		assert_true(mac_equal(&last.chaddr, &our_mac));
		if (last.type != expected)
			fail_msg("type %d where %d was expected", last.type, expected);
		return true;
	}
	return false;
}

static struct dhcp answer(enum dhcp_type type)
{
	return (struct dhcp){.is_reply = true,
			     .type = type,
			     .xid = last.xid,
			     .chaddr = our_mac,
			     .ciaddr = zero4,
			     .yiaddr = LEASED_IP,
			     .siaddr = zero4,
			     .giaddr = zero4,
			     .server_id = SERVER_IP,
			     .router = ROUTER_IP,
			     .subnet_bits = 16,
			     .dns_count = 1,
			     .dns = {DNS_IP},
			     .lease_s = 3600,
			     .mtu = 1400,
			     .domain = "example.net"};
}

static void give_to(struct kit *kit, const struct dhcp *message, const struct tee_ip *dst)
{
	struct tee_endpoint from = {.ip = SERVER_IP, .port = DHCP_SERVER_PORT};
	struct tee_endpoint to = {.ip = *dst, .port = DHCP_CLIENT_PORT};
	uint8_t bytes[DHCP_MESSAGE_MAX];
	int len = dhcp_write(bytes, message);

	assert_true(len > 0);
	kit_give_udp(kit, &from, &to, bytes, (size_t)len);
}

/* To the address that is being given, by unicast, as servers do. */
static void give(struct kit *kit, const struct dhcp *message)
{
	give_to(kit, message, &message->yiaddr);
}

static void discover_and_request(struct kit *kit)
{
	struct dhcp offer;

	kit_step(kit, 0);
	assert_true(take_dhcp(kit, DHCP_DISCOVER));
	assert_true(tee_ip_equal(&kit->ip.src, &zero4));
	assert_true(tee_ip_equal(&kit->ip.dst, &TEE_IP4(255, 255, 255, 255)));
	assert_true(mac_equal(&kit->eth.dst, &ethernet_broadcast));
	offer = answer(DHCP_OFFER);
	give(kit, &offer);
	assert_true(take_dhcp(kit, DHCP_REQUEST));
	assert_true(tee_ip_equal(&last.requested_ip, &LEASED_IP));
	assert_true(tee_ip_equal(&last.server_id, &SERVER_IP));
	assert_true(tee_ip_is_any(&last.ciaddr));
}

static void become_bound(struct kit *kit, uint32_t lease_s)
{
	struct dhcp ack;

	assert_int_equal(addrconf_dhcp_start(kit->addrconf, kit->netif, "tester"), 0);
	discover_and_request(kit);
	ack = answer(DHCP_ACK);
	ack.lease_s = lease_s;
	give(kit, &ack);
	kit_step(kit, SECOND);
	assert_true(net_is_local(kit->net, &LEASED_IP));
	kit_take_all(kit);
}

static void an_address_is_got_probed_and_used(void **state)
{
	static struct kit kit;
	struct tee_net_info info;
	struct tee_addr_info addr;
	struct net_path path;
	struct tee_ip src;
	struct dhcp ack;
	unsigned probes = 0;

	open_kit(&kit);
	assert_int_equal(addrconf_dhcp_start(kit.addrconf, kit.netif, "tester"), 0);
	assert_int_equal(addrconf_dhcp_start(kit.addrconf, kit.netif, "tester"), -TEE_EALREADY);
	discover_and_request(&kit);
	assert_string_equal(last.hostname, "tester");
	ack = answer(DHCP_ACK);
	give(&kit, &ack);
	assert_int_equal(netif_addr_get(kit.netif, 0, &addr), 0);
	assert_int_equal(addr.state, TEE_ADDR_TENTATIVE);
	assert_int_equal(addr.origin, TEE_ADDR_DHCP);
	addrconf_net_info(kit.addrconf, kit.netif, &info);
	assert_false(info.dhcp_bound);
	kit_step(&kit, SECOND);
	while (kit_take(&kit))
		probes += kit.why == TEE_WHY_ARP_PROBE;
	assert_true(probes >= 1);
	assert_int_equal(netif_addr_get(kit.netif, 0, &addr), 0);
	assert_int_equal(addr.state, TEE_ADDR_PREFERRED);
	assert_int_equal(addr.prefix_bits, 16);
	addrconf_net_info(kit.addrconf, kit.netif, &info);
	assert_true(info.dhcp_bound && info.has_router4);
	assert_true(tee_ip_equal(&info.router4, &ROUTER_IP));
	assert_true(tee_ip_equal(&info.dhcp_server, &SERVER_IP));
	assert_true(tee_ip_equal(&info.dns[0], &DNS_IP));
	assert_string_equal(info.domain, "example.net");
	assert_int_equal(net_route(kit.net, &TEE_IP_ANY, &FAR_IP, 0, &path, &src), 0);
	assert_true(tee_ip_equal(&path.neighbour->ip, &ROUTER_IP));
	assert_true(tee_ip_equal(&src, &LEASED_IP));
	assert_int_equal(path.mtu, 1400);
	assert_int_equal(kit_count(&kit, COUNT_DHCP_BOUND), 1);
	kit_close(&kit);
}

static void broadcast_answers_are_taken_too(void **state)
{
	static struct kit kit;
	struct dhcp message;

	open_kit(&kit);
	addrconf_dhcp_start(kit.addrconf, kit.netif, NULL);
	kit_step(&kit, 0);
	assert_true(take_dhcp(&kit, DHCP_DISCOVER));
	message = answer(DHCP_OFFER);
	give_to(&kit, &message, &TEE_IP4(255, 255, 255, 255));
	assert_true(take_dhcp(&kit, DHCP_REQUEST));
	message = answer(DHCP_ACK);
	give_to(&kit, &message, &TEE_IP4(255, 255, 255, 255));
	kit_step(&kit, SECOND);
	assert_true(net_is_local(kit.net, &LEASED_IP));
	kit_close(&kit);
}

/* RFC 2131 4.1: 4, 8, 16, 32, 64, 64 seconds, a second more or less. */
static void silence_is_answered_with_patience(void **state)
{
	static const unsigned gaps_s[] = {4, 8, 16, 32, 64, 64};
	static struct kit kit;
	uint64_t sent_ns;

	open_kit(&kit);
	addrconf_dhcp_start(kit.addrconf, kit.netif, NULL);
	kit_step(&kit, 0);
	assert_true(take_dhcp(&kit, DHCP_DISCOVER));
	sent_ns = kit.engine.now_ns;
	for (unsigned i = 0; i < 6; i++) {
		uint32_t xid = last.xid;

		while (!take_dhcp(&kit, DHCP_DISCOVER))
			kit_step(&kit, 10 * TEE_NS_PER_MS);
		assert_int_equal(last.xid, xid);
		assert_in_range(kit.engine.now_ns - sent_ns, (gaps_s[i] - 1) * SECOND,
				(gaps_s[i] + 1) * SECOND + 20 * TEE_NS_PER_MS);
		sent_ns = kit.engine.now_ns;
	}
	assert_in_range(last.secs, 180, 195);
	kit_close(&kit);
}

static void answers_for_others_are_ignored(void **state)
{
	static struct kit kit;
	struct dhcp offer;

	open_kit(&kit);
	addrconf_dhcp_start(kit.addrconf, kit.netif, NULL);
	kit_step(&kit, 0);
	assert_true(take_dhcp(&kit, DHCP_DISCOVER));
	offer = answer(DHCP_OFFER);
	offer.xid++;
	give(&kit, &offer);
	offer = answer(DHCP_OFFER);
	offer.chaddr = other_mac;
	give(&kit, &offer);
	offer = answer(DHCP_OFFER);
	offer.server_id = TEE_IP_ANY;
	give(&kit, &offer);
	offer = answer(DHCP_OFFER);
	offer.yiaddr = zero4;
	give_to(&kit, &offer, &LEASED_IP);
	offer = answer(DHCP_OFFER);
	offer.is_reply = false;
	give(&kit, &offer);
	/* An ACK that nobody asked for. */
	offer = answer(DHCP_ACK);
	give(&kit, &offer);
	assert_false(take_dhcp(&kit, DHCP_REQUEST));
	assert_int_equal(kit.netif->addr_count, 0);
	kit_close(&kit);
}

static void a_refusal_or_silence_starts_over(void **state)
{
	static struct kit kit;
	struct dhcp nak;
	unsigned requests = 1;

	open_kit(&kit);
	addrconf_dhcp_start(kit.addrconf, kit.netif, NULL);
	discover_and_request(&kit);
	/* From a server that was not asked. */
	nak = answer(DHCP_NAK);
	nak.server_id = DNS_IP;
	give_to(&kit, &nak, &TEE_IP4(255, 255, 255, 255));
	kit_step(&kit, 2 * SECOND);
	assert_false(take_dhcp(&kit, DHCP_DISCOVER));
	nak = answer(DHCP_NAK);
	give_to(&kit, &nak, &TEE_IP4(255, 255, 255, 255));
	kit_step(&kit, 2 * SECOND);
	assert_true(take_dhcp(&kit, DHCP_DISCOVER));
	nak = answer(DHCP_OFFER);
	give(&kit, &nak);
	assert_true(take_dhcp(&kit, DHCP_REQUEST));
	/* Nobody answers: four requests, then a new search. */
	for (unsigned i = 0; i < 1000; i++) {
		kit_step(&kit, 100 * TEE_NS_PER_MS);
		while (kit_take(&kit)) {
			assert_int_equal(dhcp_parse(kit.payload + 8, kit.payload_len - 8, &last),
					 0);
			if (last.type == DHCP_DISCOVER)
				goto done;
			requests++;
		}
	}
done:
	assert_int_equal(last.type, DHCP_DISCOVER);
	assert_int_equal(requests, 4);
	kit_close(&kit);
}

static void a_taken_address_is_declined(void **state)
{
	static struct kit kit;
	struct dhcp ack;
	uint64_t declined_ns;

	open_kit(&kit);
	addrconf_dhcp_start(kit.addrconf, kit.netif, NULL);
	discover_and_request(&kit);
	ack = answer(DHCP_ACK);
	give(&kit, &ack);
	kit_step(&kit, 100 * TEE_NS_PER_MS);
	kit_take_all(&kit);
	kit_give_arp(&kit, ARP_REPLY, &other_mac, &LEASED_IP, &zero4, false);
	assert_true(take_dhcp(&kit, DHCP_DECLINE));
	declined_ns = kit.engine.now_ns;
	assert_true(tee_ip_equal(&last.requested_ip, &LEASED_IP));
	assert_true(tee_ip_equal(&last.server_id, &SERVER_IP));
	assert_true(tee_ip_equal(&kit.ip.src, &zero4));
	assert_int_equal(kit.netif->addr_count, 0);
	/* RFC 2131 3.1 (5): ten seconds at least before it tries again. */
	while (!take_dhcp(&kit, DHCP_DISCOVER))
		kit_step(&kit, 100 * TEE_NS_PER_MS);
	assert_true(kit.engine.now_ns - declined_ns >= 10 * SECOND);
	kit_close(&kit);
}

static void a_lease_is_renewed_with_its_server(void **state)
{
	static struct kit kit;
	struct tee_net_info before, after;
	struct dhcp ack;

	open_kit(&kit);
	become_bound(&kit, 3600);
	addrconf_net_info(kit.addrconf, kit.netif, &before);
	kit_step(&kit, 1790 * SECOND);
	assert_int_equal(kit_take_all(&kit), 1); /* the second announcement */
	kit_step(&kit, 10 * SECOND);
	/* The server's link address is asked for first. */
	assert_int_equal(kit_answer_neighbours(&kit), 1);
	assert_true(take_dhcp(&kit, DHCP_REQUEST));
	assert_true(tee_ip_equal(&kit.ip.dst, &SERVER_IP));
	assert_true(tee_ip_equal(&kit.ip.src, &LEASED_IP));
	assert_true(tee_ip_equal(&last.ciaddr, &LEASED_IP));
	assert_true(tee_ip_is_any(&last.requested_ip) && tee_ip_is_any(&last.server_id));
	ack = answer(DHCP_ACK);
	give(&kit, &ack);
	addrconf_net_info(kit.addrconf, kit.netif, &after);
	assert_true(after.dhcp_bound);
	assert_true(after.dhcp_lease_until_ns > before.dhcp_lease_until_ns + 1700 * SECOND);
	assert_int_equal(kit_count(&kit, COUNT_DHCP_RENEWED), 1);
	assert_true(net_is_local(kit.net, &LEASED_IP));
	kit_close(&kit);
}

static void without_its_server_any_server_and_then_the_end(void **state)
{
	static struct kit kit;
	unsigned unicast = 0, broadcast = 0;
	uint64_t bound_ns;
	struct tee_net_info info;

	open_kit(&kit);
	become_bound(&kit, 3600);
	bound_ns = kit.engine.now_ns;
	while (net_is_local(kit.net, &LEASED_IP)) {
		kit_step(&kit, SECOND);
		assert_true(kit.engine.now_ns < bound_ns + 4000 * SECOND);
		while (kit_take(&kit)) {
			if (kit.eth.type == ETHERTYPE_ARP && kit.arp.op == ARP_REQUEST &&
			    tee_ip_equal(&kit.arp.target_ip, &SERVER_IP)) {
				kit_give_arp(&kit, ARP_REPLY, &peer_mac, &SERVER_IP, &LEASED_IP,
					     false);
				continue;
			}
			if (kit.ip.protocol != IP_PROTO_UDP ||
			    dhcp_parse(kit.payload + 8, kit.payload_len - 8, &last) < 0 ||
			    last.type != DHCP_REQUEST)
				continue;
			if (tee_ip_equal(&kit.ip.dst, &SERVER_IP)) {
				assert_int_equal(broadcast, 0);
				unicast++;
			} else {
				assert_true(kit.engine.now_ns >= bound_ns + 3140 * SECOND);
				assert_true(tee_ip_equal(&last.ciaddr, &LEASED_IP));
				broadcast++;
			}
		}
	}
	/* From 1800 to 3150 s, halving down to a minute; then to 3600 s. */
	assert_in_range(unicast, 4, 8);
	assert_in_range(broadcast, 2, 4);
	assert_in_range(kit.engine.now_ns - bound_ns, 3590 * SECOND, 3605 * SECOND);
	assert_int_equal(kit_count(&kit, COUNT_DHCP_LOST), 1);
	addrconf_net_info(kit.addrconf, kit.netif, &info);
	assert_true(!info.dhcp_bound && !info.has_router4);
	/* And the search begins anew. */
	assert_int_equal(last.type, DHCP_DISCOVER);
	kit_close(&kit);
}

static void a_lease_for_ever_needs_no_renewal(void **state)
{
	static struct kit kit;
	struct tee_net_info info;

	open_kit(&kit);
	become_bound(&kit, 0xffffffff);
	kit_step(&kit, UINT64_C(400000000) * SECOND);
	assert_int_equal(kit_count(&kit, COUNT_UDP_OUT), 2);
	addrconf_net_info(kit.addrconf, kit.netif, &info);
	assert_true(info.dhcp_bound && info.dhcp_lease_until_ns == TEE_NEVER);
	kit_close(&kit);
}

static void releasing_leaves_nothing_behind(void **state)
{
	static struct kit kit;
	struct tee_net_info info;

	open_kit(&kit);
	become_bound(&kit, 3600);
	assert_int_equal(addrconf_dhcp_release(kit.addrconf, kit.netif), 0);
	assert_int_equal(kit.netif->addr_count, 0);
	assert_int_equal(kit.netif->mtu, 1500);
	/* The question for the server's link address was out; its answer lets the message go. */
	assert_int_equal(kit_answer_neighbours(&kit), 1);
	assert_true(take_dhcp(&kit, DHCP_RELEASE));
	assert_true(tee_ip_equal(&last.ciaddr, &LEASED_IP));
	assert_true(tee_ip_equal(&last.server_id, &SERVER_IP));
	assert_true(tee_ip_equal(&kit.ip.dst, &SERVER_IP));
	addrconf_net_info(kit.addrconf, kit.netif, &info);
	assert_true(!info.dhcp_bound && !info.has_router4 && info.dns_count == 0);
	assert_int_equal(addrconf_dhcp_release(kit.addrconf, kit.netif), -TEE_ENOENT);
	kit_step(&kit, 7200 * SECOND);
	assert_int_equal(kit_take_all(&kit), 0);
	/* It can be started again. */
	assert_int_equal(addrconf_dhcp_start(kit.addrconf, kit.netif, NULL), 0);
	kit_step(&kit, 0);
	assert_true(take_dhcp(&kit, DHCP_DISCOVER));
	kit_close(&kit);
}

static void back_up_it_asks_for_the_address_it_had(void **state)
{
	static struct kit kit;
	struct dhcp ack;

	open_kit(&kit);
	become_bound(&kit, 3600);
	netif_set_up(kit.netif, false);
	assert_int_equal(kit.netif->addr_count, 0);
	kit_step(&kit, 100 * SECOND);
	netif_set_up(kit.netif, true);
	assert_true(take_dhcp(&kit, DHCP_REQUEST));
	assert_true(tee_ip_equal(&last.requested_ip, &LEASED_IP));
	assert_true(tee_ip_is_any(&last.server_id) && tee_ip_is_any(&last.ciaddr));
	ack = answer(DHCP_ACK);
	give(&kit, &ack);
	kit_step(&kit, SECOND);
	assert_true(net_is_local(kit.net, &LEASED_IP));
	/* On another network nobody knows it. */
	kit_take_all(&kit);
	netif_set_up(kit.netif, false);
	netif_set_up(kit.netif, true);
	assert_true(take_dhcp(&kit, DHCP_REQUEST));
	ack = answer(DHCP_NAK);
	give_to(&kit, &ack, &TEE_IP4(255, 255, 255, 255));
	kit_step(&kit, 2 * SECOND);
	assert_true(take_dhcp(&kit, DHCP_DISCOVER));
	kit_close(&kit);
}

static void a_conflict_in_use_gives_the_address_up_at_the_second_time(void **state)
{
	static struct kit kit;

	open_kit(&kit);
	become_bound(&kit, 3600);
	kit_step(&kit, 20 * SECOND);
	kit_take_all(&kit);
	kit_give_arp(&kit, ARP_REPLY, &other_mac, &LEASED_IP, &PEER_IP, false);
	assert_true(kit_take(&kit));
	assert_int_equal(kit.why, TEE_WHY_ARP_ANNOUNCE);
	assert_true(net_is_local(kit.net, &LEASED_IP));
	kit_step(&kit, 2 * SECOND);
	kit_give_arp(&kit, ARP_REPLY, &other_mac, &LEASED_IP, &PEER_IP, false);
	assert_true(take_dhcp(&kit, DHCP_DECLINE));
	assert_false(net_is_local(kit.net, &LEASED_IP));
	assert_int_equal(kit_count(&kit, COUNT_DHCP_LOST), 1);
	kit_close(&kit);
}

static void malformed_messages_are_dropped(void **state)
{
	static struct kit kit;
	struct tee_endpoint from = {.ip = SERVER_IP, .port = DHCP_SERVER_PORT};
	struct tee_endpoint to = {.ip = LEASED_IP, .port = DHCP_CLIENT_PORT};
	uint8_t bytes[DHCP_MESSAGE_MAX];
	struct dhcp ack;
	int len;

	open_kit(&kit);
	addrconf_dhcp_start(kit.addrconf, kit.netif, NULL);
	discover_and_request(&kit);
	ack = answer(DHCP_ACK);
	/* An ACK that grants nothing, or to nobody. */
	ack.lease_s = 0;
	give(&kit, &ack);
	ack = answer(DHCP_ACK);
	ack.yiaddr = TEE_IP4(127, 0, 0, 9);
	give_to(&kit, &ack, &LEASED_IP);
	assert_int_equal(kit_count(&kit, DROP_DHCP_MALFORMED), 2);
	ack = answer(DHCP_ACK);
	len = dhcp_write(bytes, &ack);
	bytes[236] ^= 1; /* the magic */
	kit_give_udp(&kit, &from, &to, bytes, (size_t)len);
	from.port = 99;
	bytes[236] ^= 1;
	kit_give_udp(&kit, &from, &to, bytes, (size_t)len);
	assert_int_equal(kit_count(&kit, DROP_DHCP_MALFORMED), 4);
	assert_int_equal(kit.netif->addr_count, 0);
	kit_close(&kit);
}

static void it_is_for_ethernet_only(void **state)
{
	static struct kit kit;

	kit_config(&kit);
	kit_open(&kit, KIT_ADDRCONF | KIT_RAW);
	assert_int_equal(addrconf_dhcp_start(kit.addrconf, kit.netif, NULL), -TEE_EOPNOTSUPP);
	kit_close(&kit);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_address_is_got_probed_and_used),
		cmocka_unit_test(broadcast_answers_are_taken_too),
		cmocka_unit_test(silence_is_answered_with_patience),
		cmocka_unit_test(answers_for_others_are_ignored),
		cmocka_unit_test(a_refusal_or_silence_starts_over),
		cmocka_unit_test(a_taken_address_is_declined),
		cmocka_unit_test(a_lease_is_renewed_with_its_server),
		cmocka_unit_test(without_its_server_any_server_and_then_the_end),
		cmocka_unit_test(a_lease_for_ever_needs_no_renewal),
		cmocka_unit_test(releasing_leaves_nothing_behind),
		cmocka_unit_test(back_up_it_asks_for_the_address_it_had),
		cmocka_unit_test(a_conflict_in_use_gives_the_address_up_at_the_second_time),
		cmocka_unit_test(malformed_messages_are_dropped),
		cmocka_unit_test(it_is_for_ethernet_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
