/* SPDX-License-Identifier: MIT */
/* Echo endpoints: ping. */
#include "../net/net_kit.h"

#include "base/byteorder.h"
#include "wire/checksum.h"

#define EP(ip_, port_) ((struct tee_endpoint){.ip = (ip_), .port = (port_)})

static struct event_source source;

static void pings_come_back(void **state)
{
	static struct kit kit;
	struct udp_endpoint *ping, *other;
	uint8_t request[12] = {ICMP4_ECHO_REQUEST, 0, 9, 9, 9, 9, 0, 1, 'd', 'a', 't', 'a'};
	struct tee_dgram_info info = {.remote = EP(PEER_IP, 0), .tos = -1};
	uint8_t buf[64];
	uint16_t id;

	kit_open_plain(&kit, KIT_RAW | KIT_UDP);
	ping = udp_endpoint_new(kit.udp, true, TEE_FAMILY_ANY, &source);
	other = udp_endpoint_new(kit.udp, true, TEE_FAMILY_ANY, NULL);
	assert_int_equal(udp_endpoint_send(ping, request, 12, &info), 12);
	assert_true(kit_take(&kit));
	assert_int_equal(kit.why, TEE_WHY_ECHO_REQUEST);
	assert_int_equal(checksum_fold(checksum_add(0, kit.payload, 12)), 0xffff);
	id = load_be16(kit.payload + 4);
	assert_int_equal(id, udp_endpoint_local(ping)->port);
	/* With another id it is nobody's. */
	kit_give_icmp(&kit, &PEER_IP, &OUR_IP, 61, ICMP4_ECHO_REPLY, 0,
		      (uint32_t)(id ^ 1) << 16 | 1, "data", 4);
	assert_int_equal(kit_count(&kit, DROP_ICMP_IGNORED), 1);
	kit_give_icmp(&kit, &PEER_IP, &OUR_IP, 61, ICMP4_ECHO_REPLY, 0, (uint32_t)id << 16 | 1,
		      "data", 4);
	assert_int_equal(source.news, TEE_EV_READABLE);
	assert_int_equal(udp_endpoint_recv(ping, buf, sizeof(buf), 0, &info), 12);
	assert_int_equal(buf[0], ICMP4_ECHO_REPLY);
	assert_memory_equal(buf + 8, "data", 4);
	assert_int_equal(info.ttl, 61);
	assert_true(tee_ip_equal(&info.remote.ip, &PEER_IP));
	/* IPv6 from the same endpoint. */
	request[0] = ICMP6_ECHO_REQUEST;
	info = (struct tee_dgram_info){.remote = EP(PEER_IP6, 0), .tos = -1};
	assert_int_equal(udp_endpoint_send(ping, request, 12, &info), 12);
	assert_true(kit_take(&kit));
	/* The far end is not there. */
	kit_give_error(&kit, ICMP6_UNREACHABLE, 3, 0);
	assert_int_equal(udp_endpoint_take_error(ping), TEE_EHOSTUNREACH);
	assert_int_equal(udp_endpoint_take_error(other), 0);
	/* Anything but an echo request is not ours to send. */
	request[0] = ICMP6_NEIGHBOUR_ADVERT;
	assert_int_equal(udp_endpoint_send(ping, request, 12, &info), -TEE_EINVAL);
	request[0] = ICMP6_ECHO_REQUEST;
	assert_int_equal(udp_endpoint_send(ping, request, 7, &info), -TEE_EINVAL);
	kit_close(&kit);
}

static void a_connected_ping_hears_its_peer_only(void **state)
{
	static struct kit kit;
	struct udp_endpoint *ping;
	uint8_t request[8] = {ICMP4_ECHO_REQUEST};
	struct tee_dgram_info info = {.tos = -1};
	uint32_t rest;
	uint8_t buf[64];

	kit_open_plain(&kit, KIT_RAW | KIT_UDP);
	ping = udp_endpoint_new(kit.udp, true, TEE_FAMILY_IPV4, NULL);
	assert_int_equal(udp_endpoint_connect(ping, &EP(PEER_IP, 0)), 0);
	assert_int_equal(udp_endpoint_send(ping, request, 8, &info), 8);
	assert_true(kit_take(&kit));
	rest = (uint32_t)udp_endpoint_local(ping)->port << 16;
	kit_give_icmp(&kit, &TEE_IP4(10, 0, 0, 3), &OUR_IP, 64, ICMP4_ECHO_REPLY, 0, rest, "", 0);
	assert_int_equal(udp_endpoint_recv(ping, buf, sizeof(buf), 0, &info), -TEE_EAGAIN);
	kit_give_icmp(&kit, &PEER_IP, &OUR_IP, 64, ICMP4_ECHO_REPLY, 0, rest, "", 0);
	assert_int_equal(udp_endpoint_recv(ping, buf, sizeof(buf), 0, &info), 8);
	kit_close(&kit);
}

static void a_ping_over_the_loopback_comes_back(void **state)
{
	static struct kit kit;
	struct udp_endpoint *ping;
	uint8_t request[9] = {ICMP6_ECHO_REQUEST, 0, 0, 0, 0, 0, 0, 7, 'x'};
	struct tee_dgram_info info = {.remote = EP(OUR_IP6, 0), .tos = -1};
	uint8_t buf[64];

	kit_open_plain(&kit, KIT_UDP);
	ping = udp_endpoint_new(kit.udp, true, TEE_FAMILY_ANY, NULL);
	assert_int_equal(udp_endpoint_send(ping, request, 9, &info), 9);
	kit_loopback(&kit);
	assert_int_equal(udp_endpoint_recv(ping, buf, sizeof(buf), 0, &info), 9);
	assert_int_equal(buf[0], ICMP6_ECHO_REPLY);
	assert_int_equal(buf[7], 7);
	assert_false(kit_take(&kit));
	kit_close(&kit);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pings_come_back),
		cmocka_unit_test(a_connected_ping_hears_its_peer_only),
		cmocka_unit_test(a_ping_over_the_loopback_comes_back),
	};

	event_source_init(&source);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
