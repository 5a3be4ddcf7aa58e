/* SPDX-License-Identifier: MIT */
/* Router advertisements: addresses, routes, lifetimes. */
#include "net/neighbour.h"
#include "../net/net_kit.h"

#include "base/byteorder.h"

static const struct tee_ip all_nodes = {{0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}};
static const struct tee_ip prefix = {{0x20, 1, 0xd, 0xb8, 0, 5}};
static const struct tee_ip far6 = {{0x26, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9}};
static const struct tee_ip dns6 = {{0x26, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x53}};

/* A router advertisement; options by their fields, 0 leaves them out. */
struct advert {
	uint16_t router_s;
	uint8_t hop_limit;
	uint32_t reachable_ms, retrans_ms, mtu;
	uint8_t prefix_bits, prefix_flags; /* 0x80 on-link, 0x40 autonomous */
	uint32_t valid_s, preferred_s;
	uint32_t dns_s;
	bool has_dns;
	const struct tee_ip *prefix; /* NULL: the usual one */
};

/* A default router's, with a prefix for addresses. */
static const struct advert usual = {
	.router_s = 1800,
	.prefix_bits = 64,
	.prefix_flags = 0xc0,
	.valid_s = 86400,
	.preferred_s = 3600,
};

static void give_advert(struct kit *kit, const struct advert *advert, uint8_t ttl,
			const struct tee_ip *src)
{
	uint8_t body[128] = {0}, *at = body;
	uint32_t rest = (uint32_t)advert->hop_limit << 24 | advert->router_s;

	store_be32(at, advert->reachable_ms);
	store_be32(at + 4, advert->retrans_ms);
	at += 8;
	at[0] = ND_OPT_SOURCE_MAC;
	at[1] = 1;
	memcpy(at + 2, peer_mac.byte, 6);
	at += 8;
	if (advert->mtu) {
		at[0] = ND_OPT_MTU;
		at[1] = 1;
		store_be32(at + 4, advert->mtu);
		at += 8;
	}
	if (advert->prefix_bits) {
		at[0] = ND_OPT_PREFIX;
		at[1] = 4;
		at[2] = advert->prefix_bits;
		at[3] = advert->prefix_flags;
		store_be32(at + 4, advert->valid_s);
		store_be32(at + 8, advert->preferred_s);
		memcpy(at + 16, advert->prefix ? advert->prefix->byte : prefix.byte, 16);
		at += 32;
	}
	if (advert->has_dns) {
		at[0] = ND_OPT_RDNSS;
		at[1] = 3;
		store_be32(at + 4, advert->dns_s);
		memcpy(at + 8, dns6.byte, 16);
		at += 24;
	}
	kit_give_icmp(kit, src, &all_nodes, ttl, ICMP6_ROUTER_ADVERT, 0, rest, body,
		      (size_t)(at - body));
}

/* The address of an origin, in a prefix of 64 bits; its lower half is the stack's own choice. */
static struct netif_addr *addr_in(struct kit *kit, const struct tee_ip *in,
				  enum tee_addr_origin origin)
{
	LIST_FOR_EACH(node, &kit->netif->addrs)
	{
		struct netif_addr *addr = CONTAINER_OF(node, struct netif_addr, node);

		if (addr->origin == origin && ip_prefix_match(&addr->ip, in, 64))
			return addr;
	}
	return NULL;
}

static struct netif_addr *slaac_addr(struct kit *kit)
{
	return addr_in(kit, &prefix, TEE_ADDR_SLAAC);
}

static void open_kit(struct kit *kit)
{
	kit_config(kit);
	kit_open(kit, KIT_ADDRCONF);
	/* Until the link-local address is unique and the first solicitation is out. */
	kit_step(kit, 2500 * TEE_NS_PER_MS);
}

static unsigned take_router_solicits(struct kit *kit)
{
	unsigned n = 0;

	while (kit_take(kit)) {
		if (kit->ip.protocol != IP_PROTO_ICMP6 || kit->payload[0] != ICMP6_ROUTER_SOLICIT)
			continue;
		assert_int_equal(kit->ip.ttl, 255);
		assert_true(ip_is_link_local(&kit->ip.src));
		n++;
	}
	return n;
}

static bool has_route(struct kit *kit, const struct tee_ip *dst, struct net_path *path)
{
	struct tee_ip src;

	return net_route(kit->net, &TEE_IP_ANY, dst, 0, path, &src) == 0;
}

static void routers_are_asked_three_times(void **state)
{
	static struct kit kit;
	const struct tee_ip link_local_prefix = {{0xfe, 0x80}};
	struct netif_addr *link_local;

	open_kit(&kit);
	link_local = addr_in(&kit, &link_local_prefix, TEE_ADDR_LINK_LOCAL);
	assert_non_null(link_local);
	assert_true(net_is_local(kit.net, &link_local->ip));
	assert_int_equal(take_router_solicits(&kit), 1);
	kit_step(&kit, 60 * TEE_NS_PER_S);
	assert_int_equal(take_router_solicits(&kit), 2);
	kit_close(&kit);
}

/* Proves: RFC8504-6.3 */
static void an_advertisement_configures_all(void **state)
{
	static struct kit kit;
	struct advert advert = {.router_s = 1800,
				.hop_limit = 77,
				.reachable_ms = 10000,
				.retrans_ms = 2000,
				.mtu = 1400,
				.prefix_bits = 64,
				.prefix_flags = 0xc0,
				.valid_s = 86400,
				.preferred_s = 3600,
				.has_dns = true,
				.dns_s = 600};
	struct tee_net_info info;
	struct net_path path;

	open_kit(&kit);
	give_advert(&kit, &advert, 255, &PEER_LL6);
	assert_non_null(slaac_addr(&kit));
	assert_int_equal(slaac_addr(&kit)->state, TEE_ADDR_TENTATIVE);
	kit_step(&kit, 3200 * TEE_NS_PER_MS);
	assert_int_equal(slaac_addr(&kit)->state, TEE_ADDR_PREFERRED);
	assert_int_equal(slaac_addr(&kit)->origin, TEE_ADDR_SLAAC);
	assert_true(has_route(&kit, &far6, &path));
	assert_true(tee_ip_equal(&path.neighbour->ip, &PEER_LL6));
	assert_int_equal(path.mtu, 1400);
	assert_int_equal(kit.netif->hop_limit6, 77);
	assert_int_equal(kit.netif->reachable_ns, 10 * TEE_NS_PER_S);
	assert_int_equal(kit.netif->retrans_ns, 2 * TEE_NS_PER_S);
	addrconf_net_info(kit.addrconf, kit.netif, &info);
	assert_true(info.has_router6 && !info.has_router4 && !info.dhcp_bound);
	assert_int_equal(info.dns_count, 1);
	assert_true(tee_ip_equal(&info.dns[0], &dns6));
	take_router_solicits(&kit);
	/* Nobody needs to be asked any more. */
	kit_step(&kit, 60 * TEE_NS_PER_S);
	assert_int_equal(take_router_solicits(&kit), 0);
	/* Lifetimes end one by one: DNS, router, preferred, valid. */
	kit_step(&kit, 540 * TEE_NS_PER_S);
	addrconf_net_info(kit.addrconf, kit.netif, &info);
	assert_int_equal(info.dns_count, 0);
	kit_step(&kit, 1200 * TEE_NS_PER_S);
	assert_false(has_route(&kit, &far6, &path));
	kit_step(&kit, 1800 * TEE_NS_PER_S);
	assert_int_equal(slaac_addr(&kit)->state, TEE_ADDR_DEPRECATED);
	kit_step(&kit, 82800 * TEE_NS_PER_S);
	assert_null(slaac_addr(&kit));
	kit_close(&kit);
}

/* Proves: RFC8504-6.3 */
static void forged_advertisements_are_ignored(void **state)
{
	static struct kit kit;
	struct advert advert = usual;
	struct net_path path;

	open_kit(&kit);
	give_advert(&kit, &advert, 254, &PEER_LL6);
	give_advert(&kit, &advert, 255, &PEER_IP6);
	assert_int_equal(kit_count(&kit, DROP_ND_MALFORMED), 2);
	assert_null(slaac_addr(&kit));
	assert_false(has_route(&kit, &far6, &path));
	kit_close(&kit);
}

static void a_router_may_resign(void **state)
{
	static struct kit kit;
	struct advert advert = {.router_s = 1800};
	struct net_path path;

	open_kit(&kit);
	give_advert(&kit, &advert, 255, &PEER_LL6);
	kit_step(&kit, TEE_NS_PER_S);
	assert_int_equal(
		net_route(kit.net, &TEE_IP_ANY, &PEER_LL6, 0, &path, &(struct tee_ip){{0}}), 0);
	/* There is a route; the link-local source is of too small a scope, but it is the only one. */
	assert_true(has_route(&kit, &far6, &path));
	advert.router_s = 0;
	give_advert(&kit, &advert, 255, &PEER_LL6);
	assert_false(has_route(&kit, &far6, &path));
	kit_close(&kit);
}

/* RFC 4862 5.5.3 (e). */
static void lifetimes_are_not_shortened_below_two_hours(void **state)
{
	static const struct {
		uint32_t first_s, second_s, expected_s;
	} rows[] = {
		{86400, 172800, 172800}, /* longer: taken */
		{86400, 10000, 10000},   /* more than two hours: taken */
		{86400, 60, 7200},       /* less: two hours */
		{86400, 0, 7200},
		{3600, 60, 3600},   /* two hours or less are left: ignored */
		{3600, 5000, 5000}, /* … unless it is more */
		{3600, 0xffffffff, 0xffffffff},
	};
	static struct kit kit;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct advert advert = {.prefix_bits = 64,
					.prefix_flags = 0x40,
					.valid_s = rows[i].first_s,
					.preferred_s = 60};
		uint64_t expected_ns;

		open_kit(&kit);
		give_advert(&kit, &advert, 255, &PEER_LL6);
		advert.valid_s = rows[i].second_s;
		advert.preferred_s = rows[i].second_s < 30 ? rows[i].second_s : 30;
		give_advert(&kit, &advert, 255, &PEER_LL6);
		expected_ns = rows[i].expected_s == 0xffffffff
				      ? TEE_NEVER
				      : kit.engine.now_ns + rows[i].expected_s * TEE_NS_PER_S;
		assert_true(slaac_addr(&kit)->valid_until_ns == expected_ns);
		kit_close(&kit);
	}
}

static void odd_prefixes_make_no_address(void **state)
{
	static const struct tee_ip link_local_prefix = {{0xfe, 0x80}};
	static const struct advert rows[] = {
		{.prefix_bits = 56, .prefix_flags = 0x40, .valid_s = 100, .preferred_s = 50},
		{.prefix_bits = 64, .prefix_flags = 0x40, .valid_s = 50, .preferred_s = 100},
		{.prefix_bits = 64, .prefix_flags = 0x40, .valid_s = 0, .preferred_s = 0},
		{.prefix_bits = 64, .prefix_flags = 0x80, .valid_s = 100, .preferred_s = 50},
		{.prefix_bits = 64,
		 .prefix_flags = 0x40,
		 .valid_s = 9,
		 .preferred_s = 9,
		 .prefix = &link_local_prefix},
	};
	static struct kit kit;

	open_kit(&kit);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		unsigned before = kit.netif->addr_count;

		give_advert(&kit, &rows[i], 255, &PEER_LL6);
		assert_int_equal(kit.netif->addr_count, before);
	}
	kit_close(&kit);
}

static void a_flood_of_prefixes_is_bounded(void **state)
{
	static struct kit kit;

	open_kit(&kit);
	for (unsigned i = 0; i < 200; i++) {
		struct tee_ip flood = prefix, router = PEER_LL6;
		struct advert advert = usual;

		advert.prefix = &flood;
		flood.byte[7] = (uint8_t)i;
		router.byte[14] = (uint8_t)i;
		give_advert(&kit, &advert, 255, &router);
	}
	assert_true(kit.netif->addr_count <= 17);
	kit_step(&kit, 10 * TEE_NS_PER_S);
	kit_take_all(&kit);
	kit_close(&kit);
}

static void going_down_forgets_the_network(void **state)
{
	static struct kit kit;
	struct advert advert = usual;
	struct tee_net_info info;

	advert.mtu = 1400;
	advert.has_dns = true;
	advert.dns_s = 600;
	open_kit(&kit);
	give_advert(&kit, &advert, 255, &PEER_LL6);
	kit_step(&kit, 3 * TEE_NS_PER_S);
	netif_set_up(kit.netif, false);
	assert_null(slaac_addr(&kit));
	assert_int_equal(kit.netif->mtu6, 1500);
	addrconf_net_info(kit.addrconf, kit.netif, &info);
	assert_true(!info.has_router6 && info.dns_count == 0);
	netif_set_up(kit.netif, true);
	kit_step(&kit, 3 * TEE_NS_PER_S);
	assert_int_equal(take_router_solicits(&kit), 1);
	kit_close(&kit);
}

static void switched_off_it_does_nothing(void **state)
{
	static struct kit kit;
	struct advert advert = usual;

	kit_config(&kit);
	kit.config.ipv6_slaac = false;
	kit_open(&kit, KIT_ADDRCONF);
	kit_step(&kit, 10 * TEE_NS_PER_S);
	give_advert(&kit, &advert, 255, &PEER_LL6);
	assert_int_equal(kit.netif->addr_count, 0);
	assert_false(kit_take(&kit));
	kit_close(&kit);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(routers_are_asked_three_times),
		cmocka_unit_test(an_advertisement_configures_all),
		cmocka_unit_test(forged_advertisements_are_ignored),
		cmocka_unit_test(a_router_may_resign),
		cmocka_unit_test(lifetimes_are_not_shortened_below_two_hours),
		cmocka_unit_test(odd_prefixes_make_no_address),
		cmocka_unit_test(a_flood_of_prefixes_is_bounded),
		cmocka_unit_test(going_down_forgets_the_network),
		cmocka_unit_test(switched_off_it_does_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
