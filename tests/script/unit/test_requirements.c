/* SPDX-License-Identifier: MIT */
/*
 * Requirements that a script can't show, because its packets are always well formed and go between
 * two fixed addresses: checksums, addresses that nobody may have, two listeners.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rig.h"

#define IP4(a, b, c, d) TEE_IP4(a, b, c, d)

enum { PORT = 8080, PEER_PORT = 40000 };

struct bench {
	struct rig *rig;
	int listener;
};

struct sockaddr4 {
	uint16_t family;
	uint8_t port[2], ip[4], zero[8];
};

static struct sockaddr4 sockaddr4(uint32_t ip, uint16_t port)
{
	return (struct sockaddr4){
		.family = LINUX_AF_INET,
		.port = {(uint8_t)(port >> 8), (uint8_t)port},
		.ip = {(uint8_t)(ip >> 24), (uint8_t)(ip >> 16), (uint8_t)(ip >> 8), (uint8_t)ip}};
}

static int listen_at(struct rig *rig, uint16_t port)
{
	struct sockaddr4 any = sockaddr4(0, port);
	int fd = posix_socket(rig->world, LINUX_AF_INET, LINUX_SOCK_STREAM, 0);

	assert_true(fd >= 0);
	assert_int_equal(posix_bind(rig->world, fd, &any, sizeof(any)), 0);
	assert_int_equal(posix_listen(rig->world, fd, 5), 0);
	return fd;
}

static struct bench bench_new(bool has_offloads)
{
	char error[WIRE_ERROR_SIZE];
	struct rig_config config;
	struct bench bench;

	rig_config_init(&config, false);
	config.has_offloads = has_offloads;
	bench.rig = rig_new(&config, error);
	assert_non_null(bench.rig);
	bench.listener = listen_at(bench.rig, PORT);
	return bench;
}

static struct wire_packet syn_of(const struct rig *rig)
{
	return (struct wire_packet){.src = rig->config.remote,
				    .dst = rig->config.local,
				    .ttl = 64,
				    .protocol = WIRE_TCP,
				    .src_port = PEER_PORT,
				    .dst_port = PORT,
				    .seq = 0xfffffffe,
				    .flags = SEG_SYN,
				    .window = 65535};
}

static void give(struct rig *rig, const struct wire_packet *packet)
{
	static uint8_t bytes[WIRE_PACKET_MAX];
	size_t len = wire_build(packet, bytes);

	assert_true(len > 0);
	assert_true(rig_receive(rig, bytes, len));
}

/* The next packet that the stack sent, well formed as somebody else's reader sees it. */
static struct wire_packet taken(struct rig *rig)
{
	struct rig_packet *packet = rig_take(rig);
	struct wire_packet wire;

	assert_non_null(packet);
	assert_string_equal(packet->error, "");
	wire = packet->wire;
	free(packet);
	return wire;
}

static void nothing_sent(struct rig *rig)
{
	assert_null(rig_take(rig));
}

/* From SYN to accept(); returns the descriptor, and in *ret_ack what the peer would send next. */
static int connect_peer(struct bench *bench, struct wire_packet *ret_ack)
{
	struct wire_packet packet = syn_of(bench->rig), answer;
	int64_t fd;

	give(bench->rig, &packet);
	answer = taken(bench->rig);
	packet.flags = SEG_ACK;
	packet.seq++;
	packet.ack = answer.seq + 1;
	give(bench->rig, &packet);
	fd = posix_accept(bench->rig->world, bench->listener, NULL, NULL, 0, NULL);
	assert_true(fd >= 0);
	*ret_ack = packet;
	return (int)fd;
}

/* Without offloads the checksums are ours; wire_parse() sums them up by itself. */
/* Proves: MUST-2 */
static void test_our_checksums_are_right(void **state)
{
	struct bench bench = bench_new(false);
	struct wire_packet peer, data;
	char payload[1001];
	int fd = connect_peer(&bench, &peer);

	(void)state;
	memset(payload, 'x', sizeof(payload));
	assert_int_equal(posix_send(bench.rig->world, fd, payload, sizeof(payload), 0, NULL),
			 sizeof(payload));
	rig_flush(bench.rig);
	for (unsigned sent = 0; sent < sizeof(payload); sent += data.payload_len) {
		data = taken(bench.rig);
		assert_true(data.payload_len > 0);
	}
	rig_free(bench.rig);
}

/* Proves: MUST-3 */
static void test_a_wrong_checksum_is_no_segment(void **state)
{
	struct bench bench = bench_new(false);
	struct wire_packet packet = syn_of(bench.rig);
	uint8_t bytes[256];
	size_t len = wire_build(&packet, bytes);
	uint64_t before = tee_counter_by_name(bench.rig->stack, "drop.tcp_bad_checksum");

	(void)state;
	for (size_t i = 20; i < len; i++) {
		bytes[i] ^= 0x10;
		assert_true(rig_receive(bench.rig, bytes, len));
		nothing_sent(bench.rig);
		bytes[i] ^= 0x10;
	}
	/* Two of them are the header length, which is judged before. */
	assert_true(tee_counter_by_name(bench.rig->stack, "drop.tcp_bad_checksum") - before >=
		    len - 20 - 2);
	assert_true(rig_receive(bench.rig, bytes, len));
	assert_int_equal(taken(bench.rig).flags, SEG_SYN | SEG_ACK);
	rig_free(bench.rig);
}

/* Proves: MUST-57 */
static void test_segments_to_groups_are_dropped(void **state)
{
	static const struct tee_ip groups[] = {IP4(255, 255, 255, 255), IP4(192, 168, 255, 255),
					       IP4(224, 0, 0, 1), IP4(239, 1, 2, 3)};
	static const unsigned kinds[] = {SEG_SYN, SEG_ACK, SEG_SYN | SEG_ACK, SEG_FIN | SEG_ACK};
	struct bench bench = bench_new(true);

	(void)state;
	for (unsigned i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
		for (unsigned k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
			struct wire_packet packet = syn_of(bench.rig);

			packet.dst = groups[i];
			packet.flags = kinds[k];
			give(bench.rig, &packet);
			nothing_sent(bench.rig);
		}
	rig_free(bench.rig);
}

/* Proves: MUST-63 */
static void test_a_syn_from_nowhere_is_ignored(void **state)
{
	static const struct tee_ip sources[] = {IP4(255, 255, 255, 255), IP4(192, 168, 255, 255),
						IP4(224, 0, 0, 1), IP4(127, 0, 0, 1),
						IP4(192, 168, 0, 1)};
	struct bench bench = bench_new(true);

	(void)state;
	for (unsigned i = 0; i < sizeof(sources) / sizeof(sources[0]); i++) {
		struct wire_packet packet = syn_of(bench.rig);

		packet.src = sources[i];
		give(bench.rig, &packet);
		nothing_sent(bench.rig);
	}
	rig_free(bench.rig);
}

/* Proves: RFC1122-4.1.3.6 */
static void test_udp_from_nowhere_is_ignored(void **state)
{
	struct bench bench = bench_new(true);
	struct wire_packet packet = syn_of(bench.rig);

	(void)state;
	packet.protocol = WIRE_UDP;
	packet.src = IP4(224, 0, 0, 1);
	give(bench.rig, &packet);
	nothing_sent(bench.rig);
	/* A group's datagram for a closed port earns no error either (RFC 1122 3.2.2). */
	packet.src = bench.rig->config.remote;
	packet.dst = IP4(192, 168, 255, 255);
	give(bench.rig, &packet);
	nothing_sent(bench.rig);
	packet.dst = bench.rig->config.local;
	give(bench.rig, &packet);
	assert_int_equal(taken(bench.rig).protocol, WIRE_ICMP4);
	rig_free(bench.rig);
}

/* Proves: RFC1122-3.2.1.7 */
static void test_a_low_hop_limit_is_taken(void **state)
{
	(void)state;
	for (uint8_t ttl = 1; ttl <= 2; ttl++) {
		struct bench bench = bench_new(true);
		struct wire_packet packet = syn_of(bench.rig);

		packet.ttl = ttl;
		give(bench.rig, &packet);
		assert_int_equal(taken(bench.rig).flags, SEG_SYN | SEG_ACK);
		rig_free(bench.rig);
	}
}

/* Proves: MUST-41 MUST-42 */
static void test_listening_goes_on(void **state)
{
	struct bench bench = bench_new(true);
	struct wire_packet first, second, packet;
	int a, b, other;

	(void)state;
	a = connect_peer(&bench, &first);
	/* A second opening on the same port while the first stands, and a listener elsewhere. */
	packet = syn_of(bench.rig);
	packet.src_port++;
	give(bench.rig, &packet);
	second = taken(bench.rig);
	packet.flags = SEG_ACK;
	packet.seq++;
	packet.ack = second.seq + 1;
	give(bench.rig, &packet);
	b = (int)posix_accept(bench.rig->world, bench.listener, NULL, NULL, 0, NULL);
	assert_true(b >= 0 && b != a);
	other = listen_at(bench.rig, PORT + 1);
	assert_true(other >= 0);
	/* Both connections still carry data. */
	assert_int_equal(posix_send(bench.rig->world, a, "one", 3, 0, NULL), 3);
	rig_flush(bench.rig);
	assert_int_equal(taken(bench.rig).dst_port, first.src_port);
	assert_int_equal(posix_send(bench.rig->world, b, "two", 3, 0, NULL), 3);
	rig_flush(bench.rig);
	assert_int_equal(taken(bench.rig).dst_port, packet.src_port);
	rig_free(bench.rig);
}

static int open_to_peer(struct rig *rig, uint32_t from)
{
	struct sockaddr4 local = sockaddr4(from, 0), peer = sockaddr4(0xc0000201, 80);
	int fd =
		posix_socket(rig->world, LINUX_AF_INET, LINUX_SOCK_STREAM | LINUX_SOCK_NONBLOCK, 0);

	assert_true(fd >= 0);
	if (from)
		assert_int_equal(posix_bind(rig->world, fd, &local, sizeof(local)), 0);
	assert_int_equal(posix_connect(rig->world, fd, &peer, sizeof(peer), NULL),
			 -LINUX_EINPROGRESS);
	rig_flush(rig);
	return fd;
}

/* Two addresses: IP's choice when none is named, and the named one, which stays. */
/* Proves: MUST-43 MUST-44 MUST-45 */
static void test_local_address_of_an_open(void **state)
{
	struct bench bench = bench_new(true);
	struct tee_ip second = IP4(192, 168, 0, 77);
	struct wire_packet syn, again;

	(void)state;
	assert_int_equal(tee_addr_add(bench.rig->stack, bench.rig->netif, &second, 16, true), 0);
	open_to_peer(bench.rig, 0);
	syn = taken(bench.rig);
	assert_int_equal(syn.flags & SEG_SYN, SEG_SYN);
	assert_true(tee_ip_equal(&syn.src, &bench.rig->config.local));
	open_to_peer(bench.rig, 0xc0a8004d);
	syn = taken(bench.rig);
	assert_true(tee_ip_equal(&syn.src, &second));
	/* The retransmissions of both keep what they began with. */
	rig_step(bench.rig, bench.rig->now_ns + 2 * TEE_NS_PER_S);
	syn = taken(bench.rig);
	again = taken(bench.rig);
	assert_false(tee_ip_equal(&syn.src, &again.src));
	rig_free(bench.rig);
}

/* Proves: MUST-46 */
static void test_opens_to_groups_are_refused(void **state)
{
	static const uint32_t nowhere[] = {0xffffffff, 0xc0a8ffff, 0xe0000001, 0xefffffff};
	struct bench bench = bench_new(true);

	(void)state;
	for (unsigned i = 0; i < sizeof(nowhere) / sizeof(nowhere[0]); i++) {
		struct sockaddr4 peer = sockaddr4(nowhere[i], 80);
		int fd = posix_socket(bench.rig->world, LINUX_AF_INET,
				      LINUX_SOCK_STREAM | LINUX_SOCK_NONBLOCK, 0);

		assert_int_equal(posix_connect(bench.rig->world, fd, &peer, sizeof(peer), NULL),
				 -LINUX_ENETUNREACH);
		rig_flush(bench.rig);
		nothing_sent(bench.rig);
	}
	rig_free(bench.rig);
}

/* The defaults that the RFC asks for: R1, R2, keep-alive. */
/* Proves: SHLD-10 MUST-28 MUST-25 */
static void test_defaults(void **state)
{
	struct tee_config config;
	struct bench bench = bench_new(true);
	struct wire_packet peer;
	int fd = connect_peer(&bench, &peer), value = -1;
	uint32_t len = sizeof(value);

	(void)state;
	tee_config_init(&config);
	assert_true(config.tcp_retries1 >= 3);
	assert_true(config.tcp_keepalive_idle_ns >= 7200 * TEE_NS_PER_S);
	assert_int_equal(posix_getsockopt(bench.rig->world, fd, LINUX_SOL_SOCKET,
					  LINUX_SO_KEEPALIVE, &value, &len),
			 0);
	assert_int_equal(value, 0);
	rig_free(bench.rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_our_checksums_are_right),
		cmocka_unit_test(test_a_wrong_checksum_is_no_segment),
		cmocka_unit_test(test_segments_to_groups_are_dropped),
		cmocka_unit_test(test_a_syn_from_nowhere_is_ignored),
		cmocka_unit_test(test_udp_from_nowhere_is_ignored),
		cmocka_unit_test(test_a_low_hop_limit_is_taken),
		cmocka_unit_test(test_listening_goes_on),
		cmocka_unit_test(test_local_address_of_an_open),
		cmocka_unit_test(test_opens_to_groups_are_refused),
		cmocka_unit_test(test_defaults),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
