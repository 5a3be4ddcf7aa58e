/* SPDX-License-Identifier: MIT */
/* Datagram and echo endpoints. */
#include "../net/net_kit.h"

#include "base/byteorder.h"
#include "net/neighbour.h"
#include "wire/checksum.h"

#define EP(ip_, port_) ((struct tee_endpoint){.ip = (ip_), .port = (port_)})
#define ANY4           TEE_IP4(0, 0, 0, 0)

/* Of the endpoint made last; each has its own, since a source is in the engine's queue while it has news. */
static struct event_source sources[64], *source = sources;

static struct event_source *next_source(void)
{
	source = source + 1 < sources + 64 ? source + 1 : sources;
	event_source_fini(source);
	return source;
}

static struct udp_endpoint *endpoint_new(struct kit *kit, enum tee_family family)
{
	struct udp_endpoint *endpoint;

	endpoint = udp_endpoint_new(kit->udp, false, family, next_source());
	assert_non_null(endpoint);
	return endpoint;
}

static struct udp_endpoint *bound(struct kit *kit, enum tee_family family,
				  struct tee_endpoint local)
{
	struct udp_endpoint *endpoint = endpoint_new(kit, family);

	assert_int_equal(udp_endpoint_bind(endpoint, &local), 0);
	return endpoint;
}

static ssize_t send_to(struct udp_endpoint *endpoint, struct tee_endpoint to, const char *text)
{
	struct tee_dgram_info info = {.remote = to, .tos = -1};

	return udp_endpoint_send(endpoint, text, strlen(text), &info);
}

/* Receives and compares; NULL: there must be nothing. */
static void expect(struct udp_endpoint *endpoint, const char *text)
{
	char buf[2000];
	struct tee_dgram_info info;
	ssize_t got = udp_endpoint_recv(endpoint, buf, sizeof(buf), 0, &info);

	if (!text) {
		assert_int_equal(got, -TEE_EAGAIN);
		return;
	}
	assert_int_equal(got, strlen(text));
	assert_memory_equal(buf, text, strlen(text));
}

static void datagrams_go_both_ways(void **state)
{
	static const struct {
		struct tee_ip ours, peer;
	} rows[] = {
		{{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 10, 0, 0, 1}},
		 {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 10, 0, 0, 2}}},
		{{{0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}},
		 {{0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2}}},
	};
	static struct kit kit;

	for (size_t i = 0; i < 2; i++) {
		struct tee_endpoint ours = EP(rows[i].ours, 0), peer = EP(rows[i].peer, 53);
		struct udp_endpoint *endpoint;
		struct udp_header header;
		struct tee_dgram_info info;
		char buf[100];
		uint64_t sum;

		kit_open_plain(&kit, KIT_RAW | KIT_UDP);
		endpoint = endpoint_new(&kit, TEE_FAMILY_ANY);
		assert_int_equal(send_to(endpoint, peer, "question"), 8);
		assert_true(kit_take(&kit));
		assert_int_equal(udp_parse(kit.payload, kit.payload_len, &header), 0);
		assert_int_equal(header.dst_port, 53);
		ours.port = header.src_port;
		assert_in_range(ours.port, kit.config.port_min, kit.config.port_max);
		assert_int_equal(udp_endpoint_local(endpoint)->port, ours.port);
		sum = checksum_pseudo(&rows[i].ours, &rows[i].peer, IP_PROTO_UDP, header.len);
		assert_int_equal(checksum_fold(checksum_add(sum, kit.payload, header.len)), 0xffff);
		assert_memory_equal(kit.payload + 8, "question", 8);
		assert_int_equal(kit.why, TEE_WHY_DATAGRAM);
		assert_int_equal(udp_endpoint_readiness(endpoint), TEE_EV_WRITABLE);

		kit_give_udp(&kit, &peer, &ours, "the answer", 10);
		assert_int_equal(source->news, TEE_EV_READABLE);
		assert_int_equal(udp_endpoint_readiness(endpoint),
				 TEE_EV_READABLE | TEE_EV_WRITABLE);
		assert_int_equal(udp_endpoint_next_len(endpoint), 10);
		assert_int_equal(udp_endpoint_recvq_bytes(endpoint), 10);
		/* Looked at, cut short, told its true length; then taken. */
		assert_int_equal(udp_endpoint_recv(endpoint, buf, 3, TEE_MSG_PEEK, &info), 3);
		assert_true(info.truncated);
		assert_int_equal(
			udp_endpoint_recv(endpoint, buf, 3, TEE_MSG_PEEK | TEE_MSG_TRUNC, &info),
			10);
		assert_int_equal(udp_endpoint_recv(endpoint, buf, sizeof(buf), 0, &info), 10);
		assert_memory_equal(buf, "the answer", 10);
		assert_false(info.truncated);
		assert_true(tee_ip_equal(&info.remote.ip, &peer.ip));
		assert_int_equal(info.remote.port, 53);
		assert_true(tee_ip_equal(&info.local.ip, &ours.ip));
		assert_int_equal(info.ttl, 64);
		expect(endpoint, NULL);
		kit_close(&kit);
	}
}

/* Proves: RFC1122-4.1.3.4 */
static void bad_checksums_and_lengths_are_dropped(void **state)
{
	static struct kit kit;
	struct udp_endpoint *endpoint;
	struct tee_endpoint us = EP(OUR_IP, 1000), us6 = EP(OUR_IP6, 1000);
	struct tee_endpoint peer = EP(PEER_IP, 2000), peer6 = EP(PEER_IP6, 2000);
	struct ip_header ip = kit_ip(&PEER_IP, &OUR_IP, IP_PROTO_UDP);
	struct ip_header ip6 = kit_ip(&PEER_IP6, &OUR_IP6, IP_PROTO_UDP);
	uint8_t bytes[64];
	size_t len;

	kit_open_plain(&kit, KIT_RAW | KIT_UDP);
	endpoint = bound(&kit, TEE_FAMILY_ANY, EP(TEE_IP_ANY, 1000));
	len = kit_build_udp(bytes, &peer, &us, "hello", 5);
	bytes[9] ^= 1;
	kit_give_ip(&kit, &ip, bytes, len);
	assert_int_equal(kit_count(&kit, DROP_UDP_BAD_CHECKSUM), 1);
	/* None at all: legal for IPv4 only. */
	store_be16(bytes + 6, 0);
	kit_give_ip(&kit, &ip, bytes, len);
	assert_int_equal(udp_endpoint_recvq_bytes(endpoint), 5);
	len = kit_build_udp(bytes, &peer6, &us6, "hello", 5);
	store_be16(bytes + 6, 0);
	kit_give_ip(&kit, &ip6, bytes, len);
	assert_int_equal(kit_count(&kit, DROP_UDP_BAD_CHECKSUM), 2);
	/* Lengths that lie, and a source port that nobody can answer. */
	for (size_t n = 0; n < 8; n++)
		kit_give_ip(&kit, &ip, bytes, n);
	store_be16(bytes + 4, 14);
	kit_give_ip(&kit, &ip, bytes, len);
	store_be16(bytes + 4, 7);
	kit_give_ip(&kit, &ip, bytes, len);
	peer.port = 0;
	kit_give_udp(&kit, &peer, &us, "hello", 5);
	assert_int_equal(kit_count(&kit, DROP_UDP_MALFORMED), 11);
	assert_int_equal(udp_endpoint_recvq_bytes(endpoint), 5);
	kit_close(&kit);
}

static void trailing_bytes_are_not_data(void **state)
{
	static struct kit kit;
	struct udp_endpoint *endpoint;
	struct tee_endpoint us = EP(OUR_IP, 1000), peer = EP(PEER_IP, 2000);
	struct ip_header ip = kit_ip(&PEER_IP, &OUR_IP, IP_PROTO_UDP);
	uint8_t bytes[64] = {0};

	kit_open_plain(&kit, KIT_RAW | KIT_UDP);
	endpoint = bound(&kit, TEE_FAMILY_IPV4, EP(ANY4, 1000));
	kit_build_udp(bytes, &peer, &us, "hello", 5);
	kit_give_ip(&kit, &ip, bytes, 40);
	expect(endpoint, "hello");
	kit_close(&kit);
}

static void the_most_specific_endpoint_wins(void **state)
{
	static struct kit kit;
	struct udp_endpoint *any, *any4, *addr, *conn, *other;
	struct tee_endpoint us = EP(OUR_IP, 700), us6 = EP(OUR_IP6, 700);
	struct tee_endpoint peer = EP(PEER_IP, 9), third = EP(TEE_IP4(10, 0, 0, 3), 9);
	struct tee_endpoint peer6 = EP(PEER_IP6, 9);

	kit_open_plain(&kit, KIT_RAW | KIT_UDP);
	any = endpoint_new(&kit, TEE_FAMILY_ANY);
	any4 = endpoint_new(&kit, TEE_FAMILY_IPV4);
	addr = endpoint_new(&kit, TEE_FAMILY_IPV4);
	conn = endpoint_new(&kit, TEE_FAMILY_IPV4);
	other = endpoint_new(&kit, TEE_FAMILY_IPV4);
	udp_endpoint_options(any)->reuse_address = true;
	udp_endpoint_options(any4)->reuse_address = true;
	udp_endpoint_options(addr)->reuse_address = true;
	udp_endpoint_options(conn)->reuse_address = true;
	assert_int_equal(udp_endpoint_bind(any, &EP(TEE_IP_ANY, 700)), 0);
	assert_int_equal(udp_endpoint_bind(any4, &EP(ANY4, 700)), 0);
	assert_int_equal(udp_endpoint_bind(addr, &us), 0);
	assert_int_equal(udp_endpoint_bind(conn, &us), 0);
	assert_int_equal(udp_endpoint_connect(conn, &peer), 0);
	assert_int_equal(udp_endpoint_bind(other, &EP(ANY4, 701)), 0);
	kit_give_udp(&kit, &peer, &us, "to the connected", 16);
	expect(conn, "to the connected");
	kit_give_udp(&kit, &third, &us, "to the address", 14);
	expect(addr, "to the address");
	expect(conn, NULL);
	udp_endpoint_free(addr);
	kit_give_udp(&kit, &third, &us, "to IPv4's any", 13);
	expect(any4, "to IPv4's any");
	udp_endpoint_free(any4);
	kit_give_udp(&kit, &third, &us, "to the dual-stack", 17);
	kit_give_udp(&kit, &peer6, &us6, "and IPv6", 8);
	expect(any, "to the dual-stack");
	expect(any, "and IPv6");
	expect(other, NULL);
	kit_close(&kit);
}

static void ports_conflict_unless_shared(void **state)
{
	struct row {
		enum tee_family family_a;
		struct tee_endpoint a;
		enum tee_family family_b;
		struct tee_endpoint b;
		bool address, port, v6only;
		int expected;
	};
	const struct row rows[] = {
		{TEE_FAMILY_IPV4, EP(ANY4, 80), TEE_FAMILY_IPV4, EP(ANY4, 80), 0, 0, 0,
		 -TEE_EADDRINUSE},
		{TEE_FAMILY_IPV4, EP(ANY4, 80), TEE_FAMILY_IPV4, EP(ANY4, 81), 0, 0, 0, 0},
		{TEE_FAMILY_IPV4, EP(ANY4, 80), TEE_FAMILY_IPV4, EP(OUR_IP, 80), 0, 0, 0,
		 -TEE_EADDRINUSE},
		{TEE_FAMILY_IPV4, EP(OUR_IP, 80), TEE_FAMILY_IPV4, EP(TEE_IP4(127, 0, 0, 1), 80), 0,
		 0, 0, 0},
		{TEE_FAMILY_IPV4, EP(ANY4, 80), TEE_FAMILY_IPV4, EP(ANY4, 80), 1, 0, 0, 0},
		{TEE_FAMILY_IPV4, EP(ANY4, 80), TEE_FAMILY_IPV4, EP(ANY4, 80), 0, 1, 0, 0},
		{TEE_FAMILY_IPV4, EP(ANY4, 80), TEE_FAMILY_ANY, EP(TEE_IP_ANY, 80), 0, 0, 0,
		 -TEE_EADDRINUSE},
		{TEE_FAMILY_IPV4, EP(ANY4, 80), TEE_FAMILY_ANY, EP(TEE_IP_ANY, 80), 0, 0, 1, 0},
		{TEE_FAMILY_IPV4, EP(ANY4, 80), TEE_FAMILY_IPV6, EP(TEE_IP_ANY, 80), 0, 0, 0, 0},
		{TEE_FAMILY_IPV6, EP(OUR_IP6, 80), TEE_FAMILY_ANY, EP(TEE_IP_ANY, 80), 0, 0, 0,
		 -TEE_EADDRINUSE},
	};
	static struct kit kit;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct udp_endpoint *a, *b;

		kit_open_plain(&kit, KIT_RAW | KIT_UDP);
		a = endpoint_new(&kit, rows[i].family_a);
		b = endpoint_new(&kit, rows[i].family_b);
		udp_endpoint_options(a)->reuse_address = rows[i].address;
		udp_endpoint_options(b)->reuse_address = rows[i].address;
		udp_endpoint_options(a)->reuse_port = rows[i].port;
		udp_endpoint_options(b)->reuse_port = rows[i].port;
		udp_endpoint_options(b)->v6only = rows[i].v6only;
		assert_int_equal(udp_endpoint_bind(a, &rows[i].a), 0);
		if (udp_endpoint_bind(b, &rows[i].b) != rows[i].expected)
			fail_msg("row %zu", i);
		kit_close(&kit);
	}
}

static void bind_refuses_what_cannot_be(void **state)
{
	static struct kit kit;
	struct udp_endpoint *endpoint;

	kit_open_plain(&kit, KIT_RAW | KIT_UDP);
	endpoint = endpoint_new(&kit, TEE_FAMILY_IPV4);
	assert_int_equal(udp_endpoint_bind(endpoint, &EP(TEE_IP4(10, 0, 0, 9), 80)),
			 -TEE_EADDRNOTAVAIL);
	assert_int_equal(udp_endpoint_bind(endpoint, &EP(OUR_IP6, 80)), -TEE_EAFNOSUPPORT);
	assert_int_equal(udp_endpoint_bind(endpoint, &EP(TEE_IP4(239, 1, 1, 1), 80)), 0);
	assert_int_equal(udp_endpoint_bind(endpoint, &EP(ANY4, 81)), -TEE_EINVAL);
	/* Not one port of the range is left. */
	kit.engine.config.port_min = 5000;
	kit.engine.config.port_max = 5003;
	for (unsigned i = 0; i < 4; i++)
		bound(&kit, TEE_FAMILY_IPV4, EP(ANY4, 0));
	endpoint = endpoint_new(&kit, TEE_FAMILY_IPV4);
	assert_int_equal(udp_endpoint_bind(endpoint, &EP(ANY4, 0)), -TEE_EADDRINUSE);
	kit_close(&kit);
}

static void shared_ports_split_the_flows(void **state)
{
	static struct kit kit;
	struct udp_endpoint *endpoints[4];
	unsigned got[4] = {0};

	kit_open_plain(&kit, KIT_RAW | KIT_UDP);
	for (unsigned i = 0; i < 4; i++) {
		endpoints[i] = endpoint_new(&kit, TEE_FAMILY_IPV4);
		udp_endpoint_options(endpoints[i])->reuse_port = true;
		assert_int_equal(udp_endpoint_bind(endpoints[i], &EP(ANY4, 900)), 0);
	}
	for (unsigned flow = 0; flow < 400; flow++) {
		struct tee_endpoint peer = EP(PEER_IP, (uint16_t)(1000 + flow)),
				    us = EP(OUR_IP, 900);
		unsigned owner = 4;

		/* Each datagram of a flow goes to the same endpoint. */
		for (unsigned n = 0; n < 3; n++)
			kit_give_udp(&kit, &peer, &us, "x", 1);
		for (unsigned i = 0; i < 4; i++) {
			if (udp_endpoint_recvq_bytes(endpoints[i]) == 0)
				continue;
			assert_int_equal(udp_endpoint_recvq_bytes(endpoints[i]), 3);
			owner = i;
			for (unsigned n = 0; n < 3; n++)
				expect(endpoints[i], "x");
		}
		assert_in_range(owner, 0, 3);
		got[owner]++;
	}
	for (unsigned i = 0; i < 4; i++)
		assert_in_range(got[i], 60, 140);
	kit_close(&kit);
}

static void groups_reach_all_listeners(void **state)
{
	static struct kit kit;
	struct udp_endpoint *a, *b, *unicast;
	struct tee_endpoint peer = EP(PEER_IP, 5), all = EP(TEE_IP4(10, 0, 0, 255), 137);

	kit_open_plain(&kit, KIT_UDP);
	a = endpoint_new(&kit, TEE_FAMILY_IPV4);
	b = endpoint_new(&kit, TEE_FAMILY_ANY);
	unicast = endpoint_new(&kit, TEE_FAMILY_IPV4);
	udp_endpoint_options(a)->reuse_address = true;
	udp_endpoint_options(b)->reuse_address = true;
	udp_endpoint_options(unicast)->reuse_address = true;
	assert_int_equal(udp_endpoint_bind(a, &EP(ANY4, 137)), 0);
	assert_int_equal(udp_endpoint_bind(b, &EP(TEE_IP_ANY, 137)), 0);
	assert_int_equal(udp_endpoint_bind(unicast, &EP(OUR_IP, 137)), 0);
	kit_give_udp(&kit, &peer, &all, "hear me", 7);
	expect(a, "hear me");
	expect(b, "hear me");
	expect(unicast, NULL);
	/* Nobody there: no complaint about a broadcast (RFC 1122 3.2.2). */
	all.port = 138;
	kit_give_udp(&kit, &peer, &all, "hear me", 7);
	assert_int_equal(kit_count(&kit, COUNT_UDP_NO_PORT), 1);
	assert_false(kit_take(&kit));
	kit_close(&kit);
}

/* Proves: RFC1122-4.1.3.1 */
static void a_closed_port_is_told(void **state)
{
	static struct kit kit;
	struct tee_endpoint us = EP(OUR_IP, 1000), peer = EP(PEER_IP, 2000);
	struct tee_endpoint us6 = EP(OUR_IP6, 1000), peer6 = EP(PEER_IP6, 2000);

	kit_open_plain(&kit, KIT_RAW | KIT_UDP);
	kit_give_udp(&kit, &peer, &us, "anybody?", 8);
	assert_true(kit_take(&kit));
	assert_int_equal(kit.payload[0], ICMP4_UNREACHABLE);
	assert_int_equal(kit.payload[1], 3);
	assert_int_equal(load_be16(kit.payload + 8 + 20 + 2), 1000);
	kit_give_udp(&kit, &peer6, &us6, "anybody?", 8);
	assert_true(kit_take(&kit));
	assert_int_equal(kit.payload[0], ICMP6_UNREACHABLE);
	assert_int_equal(kit.payload[1], 4);
	kit_close(&kit);
}

static void icmp_errors_reach_connected_endpoints(void **state)
{
	static const struct {
		uint8_t type, code;
		int error;
	} rows[] = {
		{ICMP4_UNREACHABLE, 0, TEE_ENETUNREACH},
		{ICMP4_UNREACHABLE, 1, TEE_EHOSTUNREACH},
		{ICMP4_UNREACHABLE, 2, TEE_ENOPROTOOPT},
		{ICMP4_UNREACHABLE, 3, TEE_ECONNREFUSED},
		{ICMP4_UNREACHABLE, 13, TEE_EHOSTUNREACH},
		{ICMP4_TIME_EXCEEDED, 0, TEE_EHOSTUNREACH},
		{ICMP4_SOURCE_QUENCH, 0, 0},
	};
	static struct kit kit;
	struct udp_endpoint *endpoint, *loose;
	char buf[8];

	kit_open_plain(&kit, KIT_RAW | KIT_UDP);
	endpoint = endpoint_new(&kit, TEE_FAMILY_IPV4);
	assert_int_equal(udp_endpoint_connect(endpoint, &EP(PEER_IP, 53)), 0);
	assert_true(tee_ip_equal(&udp_endpoint_local(endpoint)->ip, &OUR_IP));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		source->news = 0;
		assert_int_equal(send_to(endpoint, EP(TEE_IP_ANY, 0), "question"), 8);
		assert_true(kit_take(&kit));
		kit_give_error(&kit, rows[i].type, rows[i].code, 0);
		if (rows[i].error) {
			assert_true(source->news & TEE_EV_ERROR);
			assert_true(udp_endpoint_readiness(endpoint) & TEE_EV_ERROR);
			assert_int_equal(udp_endpoint_recv(endpoint, buf, 8, 0, NULL),
					 -rows[i].error);
		}
		assert_int_equal(udp_endpoint_take_error(endpoint), 0);
	}
	/* An unconnected endpoint could not tell whom it concerns. */
	loose = bound(&kit, TEE_FAMILY_IPV4, EP(ANY4, 999));
	assert_int_equal(send_to(loose, EP(PEER_IP, 53), "question"), 8);
	assert_true(kit_take(&kit));
	kit_give_error(&kit, ICMP4_UNREACHABLE, 3, 0);
	assert_int_equal(udp_endpoint_take_error(loose), 0);
	/* A port that nobody has. */
	udp_endpoint_free(loose);
	kit_give_error(&kit, ICMP4_UNREACHABLE, 3, 0);
	assert_int_equal(kit_count(&kit, DROP_ICMP_UNBELIEVABLE), 1);
	kit_close(&kit);
}

static void too_big_lowers_the_path_mtu(void **state)
{
	static struct kit kit;
	static char data[1472];
	struct udp_endpoint *endpoint, *strict;
	struct tee_dgram_info info = {.remote = EP(PEER_IP, 53), .tos = -1};
	unsigned pieces = 0;

	kit_open_plain(&kit, KIT_RAW | KIT_UDP);
	endpoint = bound(&kit, TEE_FAMILY_IPV4, EP(ANY4, 1000));
	assert_int_equal(udp_endpoint_send(endpoint, data, sizeof(data), &info), sizeof(data));
	assert_true(kit_take(&kit));
	assert_true(kit.ip.dont_fragment);
	kit_give_error(&kit, ICMP4_UNREACHABLE, 4, 1300);
	assert_int_equal(kit_count(&kit, COUNT_PMTU_CHANGED), 1);
	/* What doesn't fit now is cut; who said "never cut" is told. */
	assert_int_equal(udp_endpoint_send(endpoint, data, sizeof(data), &info), sizeof(data));
	while (kit_take(&kit)) {
		assert_true(kit.ip.total_len <= 1300 && !kit.ip.dont_fragment);
		pieces++;
	}
	assert_int_equal(pieces, 2);
	strict = bound(&kit, TEE_FAMILY_IPV4, EP(ANY4, 1001));
	udp_endpoint_options(strict)->pmtu_discover = 2;
	assert_int_equal(udp_endpoint_send(strict, data, sizeof(data), &info), -TEE_EMSGSIZE);
	assert_int_equal(udp_endpoint_send(strict, data, 1272, &info), 1272);
	kit_close(&kit);
}

static void a_forged_too_big_is_not_believed(void **state)
{
	static struct kit kit;
	struct ip_header ip = kit_ip(&OUR_IP, &PEER_IP, IP_PROTO_UDP);
	struct tee_endpoint us = EP(OUR_IP, 4444), peer = EP(PEER_IP, 53);
	uint8_t udp[1480], packet[1500];
	static char data[1400];

	kit_open_plain(&kit, KIT_RAW | KIT_UDP);
	bound(&kit, TEE_FAMILY_IPV4, EP(ANY4, 1000));
	kit_build_ip(packet, &ip, udp, kit_build_udp(udp, &us, &peer, data, sizeof(data)));
	kit_give_icmp(&kit, &ROUTER_IP, &OUR_IP, 64, ICMP4_UNREACHABLE, 4, 600, packet, 28);
	assert_int_equal(kit_count(&kit, COUNT_PMTU_CHANGED), 0);
	assert_int_equal(kit_count(&kit, DROP_ICMP_UNBELIEVABLE), 1);
	kit_close(&kit);
}

static void a_silent_neighbour_is_host_unreachable(void **state)
{
	static struct kit kit;
	struct udp_endpoint *endpoint;

	kit_open_plain(&kit, KIT_UDP);
	endpoint = endpoint_new(&kit, TEE_FAMILY_ANY);
	assert_int_equal(udp_endpoint_connect(endpoint, &EP(PEER_IP, 53)), 0);
	assert_int_equal(send_to(endpoint, EP(TEE_IP_ANY, 0), "hello"), 5);
	kit_step(&kit, 4 * TEE_NS_PER_S);
	assert_int_equal(udp_endpoint_take_error(endpoint), TEE_EHOSTUNREACH);
	kit_take_all(&kit);
	kit_close(&kit);
}

static void the_receive_queue_is_bounded_by_its_buffers(void **state)
{
	static struct kit kit;
	static char data[1000];
	struct udp_endpoint *endpoint;
	struct tee_endpoint us = EP(OUR_IP, 1000), peer = EP(PEER_IP, 2000);

	kit_open_plain(&kit, KIT_RAW | KIT_UDP);
	endpoint = bound(&kit, TEE_FAMILY_IPV4, EP(ANY4, 1000));
	udp_endpoint_options(endpoint)->queue_bytes_max = 20000;
	for (unsigned i = 0; i < 100; i++)
		kit_give_udp(&kit, &peer, &us, data, sizeof(data));
	assert_in_range(udp_endpoint_recvq_bytes(endpoint), 8000, 20000);
	assert_true(kit_count(&kit, DROP_UDP_QUEUE_FULL) >= 80);
	assert_true(tee_pool_bytes_used(kit.engine.pool) < 30000);
	/* Many empty ones are bounded too. */
	for (unsigned i = 0; i < 1000; i++)
		kit_give_udp(&kit, &peer, &us, "", 0);
	assert_true(tee_pool_bytes_used(kit.engine.pool) < 30000);
	udp_check(kit.udp);
	kit_close(&kit);
}

static void a_full_link_makes_senders_wait(void **state)
{
	static struct kit kit;
	struct udp_endpoint *endpoint;
	ssize_t result;
	unsigned sent = 0;

	kit_open_plain(&kit, KIT_RAW | KIT_UDP);
	endpoint = endpoint_new(&kit, TEE_FAMILY_IPV4);
	while ((result = send_to(endpoint, EP(PEER_IP, 9), "x")) == 1)
		sent++;
	assert_int_equal(result, -TEE_EAGAIN);
	assert_int_equal(kit_count(&kit, DROP_TX_QUEUE_FULL), 0);
	assert_false(udp_endpoint_readiness(endpoint) & TEE_EV_WRITABLE);
	source->news = 0;
	assert_int_equal(kit_take_all(&kit), sent);
	assert_int_equal(source->news, TEE_EV_WRITABLE);
	assert_true(udp_endpoint_readiness(endpoint) & TEE_EV_WRITABLE);
	assert_int_equal(send_to(endpoint, EP(PEER_IP, 9), "x"), 1);
	kit_close(&kit);
}

static void sending_is_refused_with_a_reason(void **state)
{
	static struct kit kit;
	static char huge[65528];
	struct udp_endpoint *endpoint;
	struct tee_dgram_info info = {.remote = EP(PEER_IP, 9), .tos = -1};

	kit_open_plain(&kit, KIT_UDP);
	endpoint = endpoint_new(&kit, TEE_FAMILY_IPV4);
	assert_int_equal(send_to(endpoint, EP(TEE_IP_ANY, 0), "x"), -TEE_EDESTADDRREQ);
	assert_int_equal(send_to(endpoint, EP(PEER_IP, 0), "x"), -TEE_EINVAL);
	assert_int_equal(send_to(endpoint, EP(PEER_IP6, 9), "x"), -TEE_EAFNOSUPPORT);
	assert_int_equal(send_to(endpoint, EP(FAR_IP, 9), "x"), -TEE_ENETUNREACH);
	assert_int_equal(send_to(endpoint, EP(TEE_IP4(10, 0, 0, 255), 9), "x"), -TEE_EACCES);
	assert_int_equal(send_to(endpoint, EP(TEE_IP4(255, 255, 255, 255), 9), "x"), -TEE_EACCES);
	udp_endpoint_options(endpoint)->broadcast = true;
	assert_int_equal(send_to(endpoint, EP(TEE_IP4(255, 255, 255, 255), 9), "x"), 1);
	assert_int_equal(udp_endpoint_send(endpoint, huge, 65508, &info), -TEE_EMSGSIZE);
	assert_int_equal(udp_endpoint_send(endpoint, huge, sizeof(huge), &info), -TEE_EMSGSIZE);
	info.local.ip = TEE_IP4(10, 0, 0, 77);
	assert_int_equal(udp_endpoint_send(endpoint, huge, 1, &info), -TEE_EADDRNOTAVAIL);
	udp_endpoint_shutdown(endpoint, TEE_SHUT_WRITE);
	assert_int_equal(send_to(endpoint, EP(PEER_IP, 9), "x"), -TEE_EPIPE);
	kit_take_all(&kit);
	kit_close(&kit);
}

static void the_longest_datagram_goes_round_the_loopback(void **state)
{
	static struct kit kit;
	static uint8_t data[65507], back[65507];
	struct udp_endpoint *a, *b;
	struct tee_dgram_info info = {.remote = EP(TEE_IP4(127, 0, 0, 1), 1000), .tos = -1};

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 31);
	kit_open_plain(&kit, KIT_UDP);
	a = endpoint_new(&kit, TEE_FAMILY_IPV4);
	b = bound(&kit, TEE_FAMILY_ANY, EP(TEE_IP_ANY, 1000));
	assert_int_equal(udp_endpoint_send(a, data, sizeof(data), &info), sizeof(data));
	kit_loopback(&kit);
	assert_int_equal(udp_endpoint_recv(b, back, sizeof(back), 0, &info), sizeof(data));
	assert_memory_equal(data, back, sizeof(data));
	kit_close(&kit);
}

static void connecting_filters_and_dissolving_opens_up(void **state)
{
	static struct kit kit;
	struct udp_endpoint *endpoint;
	struct tee_endpoint us = EP(OUR_IP, 1000), peer = EP(PEER_IP, 53), liar = EP(PEER_IP, 54);

	kit_open_plain(&kit, KIT_RAW | KIT_UDP);
	endpoint = bound(&kit, TEE_FAMILY_ANY, EP(TEE_IP_ANY, 1000));
	assert_int_equal(udp_endpoint_connect(endpoint, &peer), 0);
	assert_int_equal(udp_endpoint_remote(endpoint)->port, 53);
	kit_give_udp(&kit, &liar, &us, "forged", 6);
	expect(endpoint, NULL);
	kit_give_udp(&kit, &peer, &us, "true", 4);
	expect(endpoint, "true");
	assert_int_equal(udp_endpoint_connect(endpoint, &EP(TEE_IP_ANY, 0)), 0);
	assert_true(tee_ip_is_any(&udp_endpoint_remote(endpoint)->ip));
	assert_true(tee_ip_is_any(&udp_endpoint_local(endpoint)->ip));
	kit_give_udp(&kit, &liar, &us, "welcome", 7);
	expect(endpoint, "welcome");
	assert_int_equal(udp_endpoint_connect(endpoint, &EP(FAR_IP, 9)), -TEE_ENETUNREACH);
	kit_close(&kit);
}

static void shutting_the_read_side_ends_it(void **state)
{
	static struct kit kit;
	struct udp_endpoint *endpoint;
	struct tee_endpoint us = EP(OUR_IP, 1000), peer = EP(PEER_IP, 53);
	char buf[8];

	kit_open_plain(&kit, KIT_RAW | KIT_UDP);
	endpoint = bound(&kit, TEE_FAMILY_IPV4, us);
	kit_give_udp(&kit, &peer, &us, "last", 4);
	udp_endpoint_shutdown(endpoint, TEE_SHUT_READ);
	expect(endpoint, "last");
	assert_int_equal(udp_endpoint_recv(endpoint, buf, 8, 0, NULL), 0);
	kit_give_udp(&kit, &peer, &us, "late", 4);
	assert_int_equal(udp_endpoint_recv(endpoint, buf, 8, 0, NULL), 0);
	assert_true(udp_endpoint_readiness(endpoint) & TEE_EV_RDHUP);
	kit_close(&kit);
}

static void super_frames_are_taken_apart(void **state)
{
	static struct kit kit;
	struct udp_endpoint *endpoint;
	struct tee_endpoint us = EP(OUR_IP, 1000), peer = EP(PEER_IP, 53);
	struct ip_header ip = kit_ip(&PEER_IP, &OUR_IP, IP_PROTO_UDP);
	uint8_t udp[128], packet[256];
	struct tee_pkt *pkt;

	kit_open_plain(&kit, KIT_RAW | KIT_UDP);
	endpoint = bound(&kit, TEE_FAMILY_IPV4, us);
	pkt = kit_pkt(
		&kit, packet,
		kit_build_ip(packet, &ip, udp, kit_build_udp(udp, &peer, &us, "aaaaabbbbbcc", 12)));
	pkt->gso_size = 5;
	pkt->gso_type = TEE_GSO_UDP;
	net_input(kit.net, kit.netif, pkt);
	expect(endpoint, "aaaaa");
	expect(endpoint, "bbbbb");
	expect(endpoint, "cc");
	expect(endpoint, NULL);
	assert_int_equal(kit_count(&kit, COUNT_UDP_IN), 3);
	kit_close(&kit);
}

static void endpoints_can_be_walked(void **state)
{
	static struct kit kit;
	uint64_t cursor = 0;
	unsigned n = 0;

	kit_open_plain(&kit, KIT_RAW | KIT_UDP);
	assert_null(udp_endpoint_next(kit.udp, &cursor));
	for (unsigned i = 0; i < 5; i++)
		bound(&kit, TEE_FAMILY_IPV4, EP(ANY4, 0));
	cursor = 0;
	while (udp_endpoint_next(kit.udp, &cursor))
		n++;
	assert_int_equal(n, 5);
	kit_close(&kit);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(datagrams_go_both_ways),
		cmocka_unit_test(bad_checksums_and_lengths_are_dropped),
		cmocka_unit_test(trailing_bytes_are_not_data),
		cmocka_unit_test(the_most_specific_endpoint_wins),
		cmocka_unit_test(ports_conflict_unless_shared),
		cmocka_unit_test(bind_refuses_what_cannot_be),
		cmocka_unit_test(shared_ports_split_the_flows),
		cmocka_unit_test(groups_reach_all_listeners),
		cmocka_unit_test(a_closed_port_is_told),
		cmocka_unit_test(icmp_errors_reach_connected_endpoints),
		cmocka_unit_test(too_big_lowers_the_path_mtu),
		cmocka_unit_test(a_forged_too_big_is_not_believed),
		cmocka_unit_test(a_silent_neighbour_is_host_unreachable),
		cmocka_unit_test(the_receive_queue_is_bounded_by_its_buffers),
		cmocka_unit_test(a_full_link_makes_senders_wait),
		cmocka_unit_test(sending_is_refused_with_a_reason),
		cmocka_unit_test(the_longest_datagram_goes_round_the_loopback),
		cmocka_unit_test(connecting_filters_and_dissolving_opens_up),
		cmocka_unit_test(shutting_the_read_side_ends_it),
		cmocka_unit_test(super_frames_are_taken_apart),
		cmocka_unit_test(endpoints_can_be_walked),
	};

	for (unsigned i = 0; i < 64; i++)
		event_source_init(&sources[i]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
