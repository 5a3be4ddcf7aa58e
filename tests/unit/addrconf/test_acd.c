/* SPDX-License-Identifier: MIT */
/* Is an address free? Conflict detection (RFC 5227), duplicate detection (RFC 4862). */
#include "../net/net_kit.h"

#include <stdio.h>

static const struct tee_ip zero4 = {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}};

static void open_kit(struct kit *kit)
{
	kit_config(kit);
	kit->config.ipv6_slaac = false;
	kit_open(kit, KIT_ADDRCONF);
}

static struct netif_addr *add(struct kit *kit, const struct tee_ip *ip, unsigned bits)
{
	struct netif_addr *addr;

	assert_int_equal(netif_addr_add(kit->netif, ip, bits, TEE_ADDR_STATIC, false, &addr), 0);
	assert_int_equal(addr->state, TEE_ADDR_TENTATIVE);
	assert_false(net_is_local(kit->net, ip));
	return addr;
}

static bool is_arp(const struct kit *kit)
{
	return kit->eth.type == ETHERTYPE_ARP;
}

static void a_free_address_is_probed_claimed_and_announced(void **state)
{
	static struct kit kit;
	struct netif_addr *addr;
	unsigned probes = 0, announces = 0;
	uint64_t start_ns, usable_ns = 0;

	open_kit(&kit);
	start_ns = kit.engine.now_ns;
	addr = add(&kit, &OUR_IP, 24);
	for (unsigned i = 0; i < 1500; i++) {
		kit_step(&kit, 10 * TEE_NS_PER_MS);
		if (!usable_ns && addr->state == TEE_ADDR_PREFERRED)
			usable_ns = kit.engine.now_ns;
		while (kit_take(&kit)) {
			assert_true(is_arp(&kit));
			assert_true(mac_equal(&kit.eth.dst, &ethernet_broadcast));
			assert_true(tee_ip_equal(&kit.arp.target_ip, &OUR_IP));
			assert_int_equal(kit.arp.op, ARP_REQUEST);
			if (tee_ip_equal(&kit.arp.sender_ip, &zero4)) {
				assert_int_equal(kit.why, TEE_WHY_ARP_PROBE);
				assert_int_equal(usable_ns, 0);
				probes++;
			} else {
				assert_int_equal(kit.why, TEE_WHY_ARP_ANNOUNCE);
				assert_true(tee_ip_equal(&kit.arp.sender_ip, &OUR_IP));
				assert_true(usable_ns != 0);
				announces++;
			}
		}
	}
	assert_int_equal(probes, 3);
	assert_int_equal(announces, 2);
	/* 0..1 s, twice 1..2 s, 2 s. */
	assert_in_range(usable_ns - start_ns, 4 * TEE_NS_PER_S, 7010 * TEE_NS_PER_MS);
	assert_true(net_is_local(kit.net, &OUR_IP));
	kit_close(&kit);
}

static void a_probing_address_answers_nobody(void **state)
{
	static struct kit kit;
	struct ip_header ip = kit_ip(&PEER_IP, &OUR_IP, IP_PROTO_ICMP);

	open_kit(&kit);
	add(&kit, &OUR_IP, 24);
	kit_step(&kit, TEE_NS_PER_S);
	kit_take_all(&kit);
	kit_give_arp(&kit, ARP_REQUEST, &peer_mac, &PEER_IP, &OUR_IP, true);
	kit_give_ip(&kit, &ip, "\x08\0\xf7\xff\0\0\0\0", 8);
	assert_int_equal(kit_count(&kit, DROP_IP_NOT_OURS), 1);
	assert_false(kit_take(&kit));
	kit_close(&kit);
}

/* Each row: what the other station sends while we probe. */
static void a_taken_address_is_noticed(void **state)
{
	static struct kit kit;

	for (unsigned row = 0; row < 4; row++) {
		struct netif_addr *addr;
		struct tee_addr_info info;

		open_kit(&kit);
		addr = add(&kit, &OUR_IP, 24);
		kit_step(&kit, TEE_NS_PER_S);
		kit_take_all(&kit);
		switch (row) {
		case 0: kit_give_arp(&kit, ARP_REPLY, &peer_mac, &OUR_IP, &zero4, false); break;
		case 1: kit_give_arp(&kit, ARP_REQUEST, &peer_mac, &OUR_IP, &PEER_IP, true); break;
		case 2: kit_give_arp(&kit, ARP_REQUEST, &peer_mac, &zero4, &OUR_IP, true); break;
		case 3: kit_give_arp(&kit, ARP_REQUEST, &peer_mac, &OUR_IP, &OUR_IP, true); break;
		}
		assert_int_equal(addr->state, TEE_ADDR_CONFLICT);
		assert_int_equal(kit_count(&kit, COUNT_ARP_CONFLICT), 1);
		assert_int_equal(netif_addr_get(kit.netif, 0, &info), 0);
		assert_true(mac_equal(&info.conflict_mac, &peer_mac));
		kit_step(&kit, 60 * TEE_NS_PER_S);
		assert_int_equal(addr->state, TEE_ADDR_CONFLICT);
		assert_false(kit_take(&kit));
		kit_close(&kit);
	}
}

static void harmless_arp_is_no_conflict(void **state)
{
	static struct kit kit;
	struct netif_addr *addr;

	open_kit(&kit);
	addr = add(&kit, &OUR_IP, 24);
	kit_step(&kit, TEE_NS_PER_S);
	/* Our own probe come back; a probe for another address; traffic of others. */
	kit_give_arp(&kit, ARP_REQUEST, &our_mac, &zero4, &OUR_IP, true);
	kit_give_arp(&kit, ARP_REQUEST, &peer_mac, &zero4, &TEE_IP4(10, 0, 0, 9), true);
	kit_give_arp(&kit, ARP_REQUEST, &peer_mac, &PEER_IP, &OUR_IP, true);
	kit_step(&kit, 10 * TEE_NS_PER_S);
	assert_int_equal(addr->state, TEE_ADDR_PREFERRED);
	assert_int_equal(kit_count(&kit, COUNT_ARP_CONFLICT), 0);
	kit_close(&kit);
}

static void a_used_address_is_defended_every_ten_seconds(void **state)
{
	static struct kit kit;
	struct netif_addr *addr;
	unsigned defences = 0;

	open_kit(&kit);
	addr = add(&kit, &OUR_IP, 24);
	kit_step(&kit, 20 * TEE_NS_PER_S);
	kit_take_all(&kit);
	/* A conflict a second for half a minute. */
	for (unsigned i = 0; i < 30; i++) {
		kit_give_arp(&kit, ARP_REPLY, &other_mac, &OUR_IP, &PEER_IP, false);
		while (kit_take(&kit)) {
			assert_int_equal(kit.why, TEE_WHY_ARP_ANNOUNCE);
			defences++;
		}
		kit_step(&kit, TEE_NS_PER_S);
	}
	assert_int_equal(defences, 3);
	assert_int_equal(addr->state, TEE_ADDR_PREFERRED);
	assert_true(mac_equal(&addr->conflict_mac, &other_mac));
	assert_int_equal(kit_count(&kit, COUNT_ARP_CONFLICT), 30);
	kit_close(&kit);
}

static void without_probing_an_address_is_usable_at_once(void **state)
{
	static struct kit kit;
	struct netif_addr *addr;

	open_kit(&kit);
	assert_int_equal(netif_addr_add(kit.netif, &OUR_IP, 24, TEE_ADDR_STATIC, true, &addr), 0);
	assert_int_equal(addr->state, TEE_ADDR_PREFERRED);
	assert_true(kit_take(&kit));
	assert_int_equal(kit.why, TEE_WHY_ARP_ANNOUNCE);
	kit.engine.config.acd = false;
	kit.engine.config.dad_transmits = 0;
	assert_int_equal(netif_addr_add(kit.netif, &PEER_IP, 24, TEE_ADDR_STATIC, false, &addr), 0);
	assert_int_equal(addr->state, TEE_ADDR_PREFERRED);
	assert_int_equal(netif_addr_add(kit.netif, &OUR_IP6, 64, TEE_ADDR_STATIC, false, &addr), 0);
	assert_int_equal(addr->state, TEE_ADDR_PREFERRED);
	kit_close(&kit);
}

static bool take_dad(struct kit *kit)
{
	struct nd_message nd;

	while (kit_take(kit)) {
		if (kit->ip.protocol == IP_PROTO_ICMP6 &&
		    kit->payload[0] == ICMP6_NEIGHBOUR_SOLICIT) {
			assert_int_equal(nd_parse(kit->payload, kit->payload_len, &nd), 0);
			assert_true(tee_ip_is_any(&kit->ip.src));
			assert_true(tee_ip_equal(&nd.target, &OUR_IP6));
			assert_false(nd.has_source_mac);
			assert_int_equal(kit->why, TEE_WHY_ND_DAD);
			return true;
		}
	}
	return false;
}

static void an_ipv6_address_is_solicited_first(void **state)
{
	static struct kit kit;
	struct netif_addr *addr;

	open_kit(&kit);
	addr = add(&kit, &OUR_IP6, 64);
	kit_step(&kit, TEE_NS_PER_S);
	assert_true(take_dad(&kit));
	assert_int_equal(addr->state, TEE_ADDR_TENTATIVE);
	kit_step(&kit, 1001 * TEE_NS_PER_MS);
	assert_int_equal(addr->state, TEE_ADDR_PREFERRED);
	kit_close(&kit);
}

static void an_ipv6_duplicate_is_noticed(void **state)
{
	static struct kit kit;
	static const struct tee_ip all_nodes = {
		{0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}};
	struct nd_message advert = {.type = ICMP6_NEIGHBOUR_ADVERT,
				    .target = OUR_IP6,
				    .override = true,
				    .has_target_mac = true,
				    .target_mac = other_mac};
	struct nd_message solicit = {.type = ICMP6_NEIGHBOUR_SOLICIT, .target = OUR_IP6};
	struct tee_ip group = ip6_solicited_node(&OUR_IP6);

	for (unsigned row = 0; row < 2; row++) {
		struct netif_addr *addr;

		open_kit(&kit);
		addr = add(&kit, &OUR_IP6, 64);
		kit_step(&kit, TEE_NS_PER_S);
		assert_true(take_dad(&kit));
		if (row == 0)
			kit_give_nd(&kit, &advert, &OUR_IP6, &all_nodes);
		else
			kit_give_nd(&kit, &solicit, &TEE_IP_ANY, &group);
		assert_int_equal(addr->state, TEE_ADDR_CONFLICT);
		assert_true(mac_equal(&addr->conflict_mac, row == 0 ? &other_mac : &peer_mac));
		kit_step(&kit, 10 * TEE_NS_PER_S);
		assert_int_equal(addr->state, TEE_ADDR_CONFLICT);
		kit_close(&kit);
	}
}

static void an_interface_that_comes_back_probes_anew(void **state)
{
	static struct kit kit;
	struct netif_addr *addr;

	open_kit(&kit);
	netif_set_up(kit.netif, false);
	addr = add(&kit, &OUR_IP, 24);
	kit_step(&kit, 20 * TEE_NS_PER_S);
	assert_int_equal(addr->state, TEE_ADDR_TENTATIVE);
	netif_set_up(kit.netif, true);
	kit_step(&kit, 20 * TEE_NS_PER_S);
	assert_int_equal(addr->state, TEE_ADDR_PREFERRED);
	kit_take_all(&kit);
	netif_set_up(kit.netif, false);
	netif_set_up(kit.netif, true);
	assert_int_equal(addr->state, TEE_ADDR_TENTATIVE);
	kit_step(&kit, 20 * TEE_NS_PER_S);
	assert_int_equal(kit_take_all(&kit), 5);
	assert_int_equal(addr->state, TEE_ADDR_PREFERRED);
	/* Removed while its timer runs. */
	add(&kit, &TEE_IP4(10, 0, 0, 50), 24);
	assert_int_equal(netif_addr_remove(kit.netif, &TEE_IP4(10, 0, 0, 50)), 0);
	kit_step(&kit, 20 * TEE_NS_PER_S);
	kit_close(&kit);
}

struct told {
	unsigned count;
	char last[160];
};

static void on_trace(void *arg, const struct tee_trace *trace)
{
	struct told *told = arg;

	if (trace->kind != TEE_TRACE_ADDR)
		return;
	told->count++;
	snprintf(told->last, sizeof(told->last), "%s", trace->text);
}

static void traces_tell_what_becomes_of_an_address(void **state)
{
	static struct kit kit;
	struct told told = {0};

	open_kit(&kit);
	kit.engine.trace_consumer = on_trace;
	kit.engine.trace_arg = &told;
	add(&kit, &OUR_IP, 24);
	kit_step(&kit, 20 * TEE_NS_PER_S);
	assert_int_equal(told.count, 1);
	assert_string_equal(told.last, "10.0.0.1/24 on test is usable");
	kit_take_all(&kit);
	kit_give_arp(&kit, ARP_REPLY, &other_mac, &OUR_IP, &PEER_IP, false);
	assert_string_equal(told.last, "10.0.0.1 on test is also claimed by 02:00:00:00:00:03");
	kit_close(&kit);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_free_address_is_probed_claimed_and_announced),
		cmocka_unit_test(a_probing_address_answers_nobody),
		cmocka_unit_test(a_taken_address_is_noticed),
		cmocka_unit_test(harmless_arp_is_no_conflict),
		cmocka_unit_test(a_used_address_is_defended_every_ten_seconds),
		cmocka_unit_test(without_probing_an_address_is_usable_at_once),
		cmocka_unit_test(an_ipv6_address_is_solicited_first),
		cmocka_unit_test(an_ipv6_duplicate_is_noticed),
		cmocka_unit_test(an_interface_that_comes_back_probes_anew),
		cmocka_unit_test(traces_tell_what_becomes_of_an_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
