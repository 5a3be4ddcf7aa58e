/* SPDX-License-Identifier: MIT */
/* Routes, addresses, source selection, path MTUs. */
#include "net/neighbour.h"
#include "net_kit.h"

#include "net/private.h"

static struct tee_ip ip_of(const char *text)
{
	struct tee_ip ip;

	assert_int_equal(tee_ip_parse(text, &ip), 0);
	return ip;
}

/* A second, raw interface. */
static struct netif *add_netif(struct kit *kit, const char *name, uint32_t mtu)
{
	struct tee_netif_config config = {.kind = TEE_NETIF_RAW_IP, .mtu = mtu};
	struct netif *netif;

	strcpy(config.name, name);
	netif = net_netif(kit->net, netif_add(kit->net, &config));
	assert_non_null(netif);
	netif_set_up(netif, true);
	return netif;
}

static void add_addr(struct netif *netif, const char *text)
{
	struct tee_ip ip;
	unsigned bits;

	assert_int_equal(tee_ip_parse_prefix(text, &ip, &bits), 0);
	assert_int_equal(netif_addr_add(netif, &ip, bits, TEE_ADDR_STATIC, true, NULL), 0);
}

static void add_route(struct netif *netif, const char *prefix, const char *gateway, unsigned metric)
{
	struct tee_ip ip, via = gateway ? ip_of(gateway) : TEE_IP_ANY;
	unsigned bits;

	assert_int_equal(tee_ip_parse_prefix(prefix, &ip, &bits), 0);
	assert_int_equal(route_add(netif, &ip, bits, gateway ? &via : NULL, metric, ROUTE_STATIC),
			 0);
}

/* A netif without link addresses has no use for a next hop. */
static void expect_path(struct kit *kit, const char *dst, struct netif *netif, const char *next_hop,
			const char *src)
{
	struct tee_ip to = ip_of(dst), hop = ip_of(next_hop), from = ip_of(src), chosen;
	struct net_path path;
	char text[TEE_IP_TEXT_SIZE], text2[TEE_IP_TEXT_SIZE];
	int result = net_route(kit->net, &TEE_IP_ANY, &to, 0, &path, &chosen);

	if (result < 0)
		fail_msg("%s: %s", dst, tee_strerror(result));
	if (path.netif != netif || (path.neighbour && !tee_ip_equal(&path.neighbour->ip, &hop)) ||
	    !tee_ip_equal(&chosen, &from))
		fail_msg("%s goes by %d via %s from %s", dst, netif_number(path.netif),
			 tee_ip_format(path.neighbour ? &path.neighbour->ip : &to, text),
			 tee_ip_format(&chosen, text2));
}

static int route_result(struct kit *kit, const char *src, const char *dst, int netif)
{
	struct tee_ip from = src ? ip_of(src) : TEE_IP_ANY, to = ip_of(dst), chosen;
	struct net_path path;

	return net_route(kit->net, &from, &to, netif, &path, &chosen);
}

/* Proves: RFC1122-3.3.1.1 */
static void the_longest_prefix_wins_then_the_metric(void **state)
{
	static struct kit kit;
	struct netif *other;

	kit_open_plain(&kit, KIT_RAW);
	other = add_netif(&kit, "other", 1400);
	add_addr(other, "172.16.0.1/16");
	assert_int_equal(route_result(&kit, NULL, "192.0.2.9", 0), -TEE_ENETUNREACH);
	assert_int_equal(kit_count(&kit, COUNT_IP_NO_ROUTE), 1);
	add_route(kit.netif, "0.0.0.0/0", "10.0.0.254", 100);
	expect_path(&kit, "192.0.2.9", kit.netif, "10.0.0.254", "10.0.0.1");
	add_route(other, "0.0.0.0/0", "172.16.0.254", 50);
	expect_path(&kit, "192.0.2.9", other, "172.16.0.254", "172.16.0.1");
	add_route(kit.netif, "192.0.2.0/24", "10.0.0.253", 1000);
	expect_path(&kit, "192.0.2.9", kit.netif, "10.0.0.253", "10.0.0.1");
	add_route(other, "192.0.2.9/32", NULL, 2000);
	expect_path(&kit, "192.0.2.9", other, "192.0.2.9", "172.16.0.1");
	expect_path(&kit, "192.0.2.8", kit.netif, "10.0.0.253", "10.0.0.1");
	expect_path(&kit, "172.16.200.1", other, "172.16.200.1", "172.16.0.1");
	/* Down: passed over, and told when nothing else is left. */
	netif_set_up(other, false);
	expect_path(&kit, "192.0.2.9", kit.netif, "10.0.0.253", "10.0.0.1");
	assert_int_equal(route_result(&kit, NULL, "172.16.0.9", 0), 0);
	assert_int_equal(route_remove(kit.netif, &TEE_IP4(0, 0, 0, 0), 0), 0);
	assert_int_equal(route_result(&kit, NULL, "172.16.0.9", 0), -TEE_ENETDOWN);
	assert_int_equal(route_remove(kit.netif, &TEE_IP4(0, 0, 0, 0), 0), -TEE_ENOENT);
	kit_close(&kit);
}

static void the_same_route_is_updated_not_doubled(void **state)
{
	static struct kit kit;
	unsigned before;

	kit_open_plain(&kit, KIT_RAW);
	before = kit.net->route_count;
	add_route(kit.netif, "192.0.2.0/24", "10.0.0.254", 10);
	add_route(kit.netif, "192.0.2.77/24", "10.0.0.254", 10);
	add_route(kit.netif, "192.0.2.0/24", "10.0.0.254", 5);
	assert_int_equal(kit.net->route_count, before + 1);
	assert_int_equal(
		route_remove_exact(kit.netif, &TEE_IP4(192, 0, 2, 0), 24, &ROUTER_IP, ROUTE_STATIC),
		0);
	assert_int_equal(kit.net->route_count, before);
	/* Nonsense and limits. */
	assert_int_equal(route_add(kit.netif, &PEER_IP, 33, NULL, 0, ROUTE_STATIC), -TEE_EINVAL);
	assert_int_equal(route_add(kit.netif, &PEER_IP, 24, &PEER_IP6, 0, ROUTE_STATIC),
			 -TEE_EINVAL);
	kit.engine.config.route_max = kit.net->route_count;
	assert_int_equal(route_add(kit.netif, &FAR_IP, 24, NULL, 0, ROUTE_STATIC), -TEE_ENOBUFS);
	kit_close(&kit);
}

static void a_named_source_or_interface_confines(void **state)
{
	static struct kit kit;
	struct netif *other;

	kit_open_plain(&kit, KIT_RAW);
	other = add_netif(&kit, "other", 1400);
	add_addr(other, "172.16.0.1/16");
	add_route(kit.netif, "0.0.0.0/0", "10.0.0.254", 100);
	assert_int_equal(route_result(&kit, "10.0.0.1", "192.0.2.9", 0), 0);
	assert_int_equal(route_result(&kit, "172.16.0.1", "192.0.2.9", 0), -TEE_ENETUNREACH);
	assert_int_equal(route_result(&kit, NULL, "192.0.2.9", other->number), -TEE_ENETUNREACH);
	assert_int_equal(route_result(&kit, "10.0.0.1", "192.0.2.9", other->number),
			 -TEE_EADDRNOTAVAIL);
	assert_int_equal(route_result(&kit, "10.0.0.77", "192.0.2.9", 0), -TEE_EADDRNOTAVAIL);
	assert_int_equal(route_result(&kit, "fd00::1", "192.0.2.9", 0), -TEE_EADDRNOTAVAIL);
	assert_int_equal(route_result(&kit, "127.0.0.1", "192.0.2.9", 0), -TEE_EADDRNOTAVAIL);
	assert_int_equal(route_result(&kit, NULL, "192.0.2.9", 17), -TEE_ENETUNREACH);
	assert_int_equal(route_result(&kit, NULL, "0.0.0.0", 0), -TEE_ENETUNREACH);
	kit_close(&kit);
}

static void our_own_addresses_are_reached_over_the_loopback(void **state)
{
	static struct kit kit;
	struct netif *loopback;

	kit_open_plain(&kit, 0);
	loopback = net_netif(kit.net, 1);
	expect_path(&kit, "10.0.0.1", loopback, "10.0.0.1", "10.0.0.1");
	expect_path(&kit, "fd00::1", loopback, "fd00::1", "fd00::1");
	expect_path(&kit, "127.0.0.1", loopback, "127.0.0.1", "127.0.0.1");
	expect_path(&kit, "127.9.9.9", loopback, "127.9.9.9", "127.0.0.1");
	expect_path(&kit, "::1", loopback, "::1", "::1");
	assert_int_equal(route_result(&kit, "10.0.0.1", "127.0.0.1", 0), 0);
	kit_close(&kit);
}

/* RFC 6724 section 5. */
/* Proves: RFC8504-6.6 MUST-44 */
static void sources_are_chosen_by_the_rules(void **state)
{
	static struct kit kit;
	struct netif_addr *old;

	kit_open_plain(&kit, KIT_RAW);
	add_addr(kit.netif, "10.5.0.1/16");
	add_addr(kit.netif, "169.254.7.7/16");
	add_addr(kit.netif, "fe80::1/64");
	add_addr(kit.netif, "2001:db8:1::1/64");
	add_addr(kit.netif, "2001:db8:2::1/64");
	add_route(kit.netif, "0.0.0.0/0", "10.0.0.254", 1);
	add_route(kit.netif, "::/0", "fe80::99", 1);
	/* Longest match. */
	expect_path(&kit, "10.5.3.3", kit.netif, "10.5.3.3", "10.5.0.1");
	expect_path(&kit, "10.0.0.3", kit.netif, "10.0.0.3", "10.0.0.1");
	expect_path(&kit, "2001:db8:2::9", kit.netif, "2001:db8:2::9", "2001:db8:2::1");
	/* Scope. */
	expect_path(&kit, "169.254.9.9", kit.netif, "169.254.9.9", "169.254.7.7");
	expect_path(&kit, "fe80::9", kit.netif, "fe80::9", "fe80::1");
	expect_path(&kit, "ff02::9", kit.netif, "ff02::9", "fe80::1");
	/* Label: a unique local address talks to its like. */
	expect_path(&kit, "fd77::9", kit.netif, "fe80::99", "fd00::1");
	expect_path(&kit, "2600::9", kit.netif, "fe80::99", "2001:db8:1::1");
	/* Deprecated addresses stand back. */
	old = netif_addr_find(kit.netif, &(struct tee_ip){{0x20, 1, 0xd, 0xb8, 0, 1, 0, 0, 0, 0, 0,
							   0, 0, 0, 0, 1}});
	assert_non_null(old);
	netif_addr_set_state(old, TEE_ADDR_DEPRECATED);
	expect_path(&kit, "2600::9", kit.netif, "fe80::99", "2001:db8:2::1");
	/* Unusable ones are none. */
	netif_addr_set_state(old, TEE_ADDR_CONFLICT);
	assert_false(net_is_local(kit.net, &old->ip));
	expect_path(&kit, "2001:db8:1::9", kit.netif, "2001:db8:1::9", "2001:db8:2::1");
	kit_close(&kit);
}

static void addresses_come_and_go_with_their_routes(void **state)
{
	static struct kit kit;
	struct tee_addr_info info;
	uint32_t generation;

	kit_config(&kit);
	kit_open(&kit, KIT_RAW);
	generation = net_generation(kit.net);
	add_addr(kit.netif, "10.3.0.1/24");
	assert_true(net_generation(kit.net) != generation);
	add_addr(kit.netif, "10.3.0.2/24");
	assert_int_equal(
		netif_addr_add(kit.netif, &TEE_IP4(10, 3, 0, 1), 24, TEE_ADDR_STATIC, true, NULL),
		-TEE_EADDRINUSE);
	assert_int_equal(netif_addr_get(kit.netif, 1, &info), 0);
	assert_true(tee_ip_equal(&info.ip, &TEE_IP4(10, 3, 0, 2)));
	assert_int_equal(info.prefix_bits, 24);
	assert_int_equal(info.state, TEE_ADDR_PREFERRED);
	assert_true(info.valid_until_ns == TEE_NEVER);
	assert_int_equal(netif_addr_get(kit.netif, 2, &info), -TEE_ENOENT);
	assert_true(net_is_local(kit.net, &TEE_IP4(10, 3, 0, 2)));
	/* The other address of the prefix keeps its route. */
	assert_int_equal(netif_addr_remove(kit.netif, &TEE_IP4(10, 3, 0, 1)), 0);
	assert_int_equal(route_result(&kit, NULL, "10.3.0.9", 0), 0);
	assert_int_equal(netif_addr_remove(kit.netif, &TEE_IP4(10, 3, 0, 2)), 0);
	assert_int_equal(route_result(&kit, NULL, "10.3.0.9", 0), -TEE_ENETUNREACH);
	assert_int_equal(netif_addr_remove(kit.netif, &TEE_IP4(10, 3, 0, 2)), -TEE_ENOENT);
	kit_close(&kit);
}

static void impossible_addresses_are_refused(void **state)
{
	static const struct {
		const char *ip;
		unsigned bits;
	} rows[] = {
		{"0.0.0.0", 24},         {"::", 64},         {"224.0.0.1", 24}, {"ff02::1", 64},
		{"255.255.255.255", 32}, {"10.0.0.255", 24}, {"127.0.0.2", 8},  {"::1", 128},
		{"10.0.0.9", 33},        {"fd00::9", 129},
	};
	static struct kit kit;

	kit_config(&kit);
	kit_open(&kit, KIT_RAW);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct tee_ip ip = ip_of(rows[i].ip);

		if (netif_addr_add(kit.netif, &ip, rows[i].bits, TEE_ADDR_STATIC, true, NULL) !=
		    -TEE_EINVAL)
			fail_msg("%s/%u", rows[i].ip, rows[i].bits);
	}
	/* RFC 3021: the upper address of a pair is an address. */
	add_addr(kit.netif, "10.0.0.255/31");
	kit_close(&kit);
}

static void a_dead_router_is_passed_over(void **state)
{
	static struct kit kit;
	struct ip_out out = {.dst = FAR_IP, .protocol = 253};

	kit_open_plain(&kit, 0);
	add_route(kit.netif, "0.0.0.0/0", "10.0.0.254", 1);
	add_route(kit.netif, "0.0.0.0/0", "10.0.0.253", 2);
	expect_path(&kit, "192.0.2.9", kit.netif, "10.0.0.254", "10.0.0.1");
	ip_output_pkt(kit.net, kit_pkt(&kit, "12345678", 8), &out);
	kit_step(&kit, 4 * TEE_NS_PER_S);
	expect_path(&kit, "192.0.2.9", kit.netif, "10.0.0.253", "10.0.0.1");
	/* It shows itself again. */
	kit_give_arp(&kit, ARP_REQUEST, &peer_mac, &ROUTER_IP, &OUR_IP, true);
	expect_path(&kit, "192.0.2.9", kit.netif, "10.0.0.254", "10.0.0.1");
	kit_take_all(&kit);
	kit_close(&kit);
}

/* ---- path MTUs ---- */

static uint32_t mtu_to(struct kit *kit, const struct tee_ip *dst)
{
	struct net_path path;
	struct tee_ip src;

	assert_int_equal(net_route(kit->net, &TEE_IP_ANY, dst, 0, &path, &src), 0);
	return path.mtu;
}

/* Proves: RFC8504-5.7a RFC8504-5.7 */
static void path_mtus_only_fall(void **state)
{
	static const struct {
		uint32_t mtu, was_len, expected4, expected6;
	} rows[] = {
		{1400, 1500, 1400, 1400}, {1450, 1500, 1400, 1400}, /* never up */
		{1300, 1400, 1300, 1300}, {9000, 9000, 1300, 1300},
		{0, 1300, 1280, 1280},                            /* next plateau */
		{0, 1280, 1006, 1280},    {100, 1006, 576, 1280}, /* never below the least */
		{0, 576, 576, 1280},
	};
	static struct kit kit;

	kit_open_plain(&kit, KIT_RAW);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint32_t generation = net_generation(kit.net);
		uint32_t before = mtu_to(&kit, &PEER_IP);

		assert_int_equal(net_pmtu_update(kit.net, &PEER_IP, rows[i].mtu, rows[i].was_len),
				 rows[i].expected4);
		assert_int_equal(mtu_to(&kit, &PEER_IP), rows[i].expected4);
		assert_int_equal(net_generation(kit.net) != generation,
				 rows[i].expected4 != before);
		assert_int_equal(net_pmtu_update(kit.net, &PEER_IP6, rows[i].mtu, rows[i].was_len),
				 rows[i].expected6);
	}
	/* Others are not touched. */
	assert_int_equal(mtu_to(&kit, &TEE_IP4(10, 0, 0, 3)), 1500);
	kit_close(&kit);
}

static void path_mtus_are_forgotten_after_ten_minutes(void **state)
{
	static struct kit kit;

	kit_open_plain(&kit, KIT_RAW);
	net_pmtu_update(kit.net, &PEER_IP, 1400, 1500);
	kit_step(&kit, 300 * TEE_NS_PER_S);
	net_pmtu_update(kit.net, &PEER_IP6, 1300, 1500);
	kit_step(&kit, 299 * TEE_NS_PER_S);
	assert_int_equal(mtu_to(&kit, &PEER_IP), 1400);
	kit_step(&kit, 2 * TEE_NS_PER_S);
	assert_int_equal(mtu_to(&kit, &PEER_IP), 1500);
	assert_int_equal(mtu_to(&kit, &PEER_IP6), 1300);
	kit_step(&kit, 300 * TEE_NS_PER_S);
	assert_int_equal(mtu_to(&kit, &PEER_IP6), 1500);
	kit_close(&kit);
}

static void the_path_mtu_cache_is_bounded(void **state)
{
	static struct kit kit;

	kit_open_plain(&kit, KIT_RAW);
	for (unsigned i = 0; i < 3000; i++)
		net_pmtu_update(kit.net, &TEE_IP4(10, 0, (uint8_t)(i >> 8), (uint8_t)i), 1400,
				1500);
	assert_int_equal(kit.net->pmtu.count, PMTU_ENTRIES_MAX);
	kit_close(&kit);
}

static void an_interface_mtu_is_lowered_within_reason(void **state)
{
	static struct kit kit;

	kit_open_plain(&kit, KIT_RAW);
	netif_set_mtu(kit.netif, 1400);
	netif_set_mtu6(kit.netif, 1300);
	assert_int_equal(mtu_to(&kit, &PEER_IP), 1400);
	assert_int_equal(mtu_to(&kit, &PEER_IP6), 1300);
	netif_set_mtu(kit.netif, 9000);
	netif_set_mtu6(kit.netif, 100);
	assert_int_equal(mtu_to(&kit, &PEER_IP), 1500);
	assert_int_equal(mtu_to(&kit, &PEER_IP6), 1280);
	netif_set_mtu(kit.netif, 100);
	assert_int_equal(mtu_to(&kit, &PEER_IP), 576);
	kit_close(&kit);
}

static void netifs_are_checked_and_bounded(void **state)
{
	static struct kit kit;
	struct tee_netif_config config = {.kind = TEE_NETIF_RAW_IP, .name = "x", .mtu = 1500};
	int added = 0;

	kit_config(&kit);
	kit_open(&kit, KIT_RAW);
	config.mtu = 67;
	assert_int_equal(netif_add(kit.net, &config), -TEE_EINVAL);
	config.mtu = 1500;
	config.kind = TEE_NETIF_LOOPBACK;
	assert_int_equal(netif_add(kit.net, &config), -TEE_EINVAL);
	config.kind = TEE_NETIF_ETHERNET;
	config.mac.byte[0] = 1;
	assert_int_equal(netif_add(kit.net, &config), -TEE_EINVAL);
	config.mac.byte[0] = 2;
	while (netif_add(kit.net, &config) > 0)
		added++;
	assert_int_equal(added, NETIF_COUNT_MAX - 2);
	assert_int_equal(netif_add(kit.net, &config), -TEE_ENOBUFS);
	kit_close(&kit);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_longest_prefix_wins_then_the_metric),
		cmocka_unit_test(the_same_route_is_updated_not_doubled),
		cmocka_unit_test(a_named_source_or_interface_confines),
		cmocka_unit_test(our_own_addresses_are_reached_over_the_loopback),
		cmocka_unit_test(sources_are_chosen_by_the_rules),
		cmocka_unit_test(addresses_come_and_go_with_their_routes),
		cmocka_unit_test(impossible_addresses_are_refused),
		cmocka_unit_test(a_dead_router_is_passed_over),
		cmocka_unit_test(path_mtus_only_fall),
		cmocka_unit_test(path_mtus_are_forgotten_after_ten_minutes),
		cmocka_unit_test(the_path_mtu_cache_is_bounded),
		cmocka_unit_test(an_interface_mtu_is_lowered_within_reason),
		cmocka_unit_test(netifs_are_checked_and_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
