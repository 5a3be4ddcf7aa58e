/* SPDX-License-Identifier: MIT */
/* Echo, the errors that come in, and those that we may send. */
#include "net_kit.h"

#include "base/byteorder.h"
#include "wire/checksum.h"

enum { PROTO_TEST = 253 };

struct seen {
	unsigned reports;
	struct icmp_report last;
	uint8_t quoted[8];
};

static void on_input(void *context, struct ip_packet *packet)
{
	struct seen *seen = context;

	(void)seen;
	tee_pkt_release(packet->pkt);
}

static void on_error(void *context, const struct icmp_report *report)
{
	struct seen *seen = context;

	seen->reports++;
	seen->last = *report;
	memcpy(seen->quoted, report->quoted, 8);
}

static const struct net_protocol recorder = {.input = on_input, .icmp_error = on_error};

/* Proves: RFC1122-3.2.2.6 RFC8504-5.8 */
static void echo_is_answered(void **state)
{
	static struct kit kit;
	uint64_t sum;

	kit_open_plain(&kit, KIT_RAW);
	kit_give_icmp(&kit, &PEER_IP, &OUR_IP, 64, ICMP4_ECHO_REQUEST, 0, 0x12340001, "ping data",
		      9);
	assert_true(kit_take(&kit));
	assert_int_equal(kit.payload[0], ICMP4_ECHO_REPLY);
	assert_int_equal(load_be32(kit.payload + 4), 0x12340001);
	assert_int_equal(kit.payload_len, 17);
	assert_memory_equal(kit.payload + 8, "ping data", 9);
	assert_int_equal(checksum_fold(checksum_add(0, kit.payload, 17)), 0xffff);
	assert_true(tee_ip_equal(&kit.ip.src, &OUR_IP) && tee_ip_equal(&kit.ip.dst, &PEER_IP));
	assert_int_equal(kit.why, TEE_WHY_ECHO_REPLY);
	kit_give_icmp(&kit, &PEER_IP6, &OUR_IP6, 64, ICMP6_ECHO_REQUEST, 0, 0x56780002, "six", 3);
	assert_true(kit_take(&kit));
	assert_int_equal(kit.payload[0], ICMP6_ECHO_REPLY);
	sum = checksum_pseudo(&OUR_IP6, &PEER_IP6, IP_PROTO_ICMP6, 11);
	assert_int_equal(checksum_fold(checksum_add(sum, kit.payload, 11)), 0xffff);
	kit_close(&kit);
}

static void echo_to_a_group_or_when_told_not_to_is_not(void **state)
{
	static struct kit kit;

	kit_open_plain(&kit, KIT_RAW);
	kit_give_icmp(&kit, &PEER_IP, &TEE_IP4(10, 0, 0, 255), 64, ICMP4_ECHO_REQUEST, 0, 1, "x",
		      1);
	assert_false(kit_take(&kit));
	kit.engine.config.forward_icmp_echo = false;
	kit_give_icmp(&kit, &PEER_IP, &OUR_IP, 64, ICMP4_ECHO_REQUEST, 0, 1, "x", 1);
	assert_false(kit_take(&kit));
	assert_int_equal(kit_count(&kit, DROP_ICMP_IGNORED), 2);
	kit_close(&kit);
}

static void a_long_echo_comes_back_in_pieces(void **state)
{
	static struct kit kit;
	static uint8_t data[3000];
	struct ip_header ip = kit_ip(&PEER_IP, &OUR_IP, IP_PROTO_ICMP);
	uint8_t message[3008] = {ICMP4_ECHO_REQUEST};
	uint32_t got = 0;

	kit_open_plain(&kit, KIT_RAW);
	memcpy(message + 8, data, sizeof(data));
	store_be16(message + 2, checksum_finish(checksum_add(0, message, sizeof(message))));
	ip.more_fragments = true;
	kit_give_ip(&kit, &ip, message, 1480);
	ip.frag_offset = 1480;
	kit_give_ip(&kit, &ip, message + 1480, 1480);
	ip.frag_offset = 2960;
	ip.more_fragments = false;
	assert_false(kit_take(&kit));
	kit_give_ip(&kit, &ip, message + 2960, sizeof(message) - 2960);
	while (kit_take(&kit)) {
		assert_true(kit.ip.is_fragment && kit.ip.total_len <= 1500);
		assert_int_equal(kit.ip.frag_offset, got);
		got += (uint32_t)kit.payload_len;
		assert_int_equal(kit.ip.more_fragments, got < sizeof(message));
	}
	assert_int_equal(got, sizeof(message));
	kit_close(&kit);
}

/* Proves: RFC1122-3.2.2 */
static void bad_icmp_is_dropped(void **state)
{
	static struct kit kit;
	struct ip_header ip = kit_ip(&PEER_IP, &OUR_IP, IP_PROTO_ICMP);
	struct ip_header ip6 = kit_ip(&PEER_IP6, &OUR_IP6, IP_PROTO_ICMP6);

	kit_open_plain(&kit, KIT_RAW);
	kit_give_ip(&kit, &ip, "\x08\0\0\0\0\0\0", 7);
	assert_int_equal(kit_count(&kit, DROP_ICMP_MALFORMED), 1);
	kit_give_ip(&kit, &ip, "\x08\0\1\2\0\0\0\0", 8);
	kit_give_ip(&kit, &ip6, "\x80\0\1\2\0\0\0\0", 8);
	assert_int_equal(kit_count(&kit, DROP_ICMP_BAD_CHECKSUM), 2);
	/* Redirects are counted and ignored; so are unknown types. */
	kit_give_icmp(&kit, &PEER_IP, &OUR_IP, 64, ICMP4_REDIRECT, 1, 0,
		      "0123456789abcdef01234567890", 28);
	assert_int_equal(kit_count(&kit, DROP_ICMP_REDIRECT), 1);
	kit_give_icmp(&kit, &PEER_IP, &OUR_IP, 64, 99, 0, 0, "", 0);
	kit_give_icmp(&kit, &PEER_IP6, &OUR_IP6, 64, 222, 0, 0, "", 0);
	assert_int_equal(kit_count(&kit, DROP_ICMP_IGNORED), 2);
	assert_false(kit_take(&kit));
	kit_close(&kit);
}

struct error_row {
	bool is6;
	uint8_t type, code;
	uint32_t rest;
	enum icmp_error error;
	uint32_t mtu;
};

static const struct error_row error_rows[] = {
	{false, ICMP4_UNREACHABLE, 0, 0, ICMP_ERROR_NET_UNREACHABLE, 0},
	{false, ICMP4_UNREACHABLE, 1, 0, ICMP_ERROR_HOST_UNREACHABLE, 0},
	{false, ICMP4_UNREACHABLE, 2, 0, ICMP_ERROR_PROTOCOL_UNREACHABLE, 0},
	{false, ICMP4_UNREACHABLE, 3, 0, ICMP_ERROR_PORT_UNREACHABLE, 0},
	{false, ICMP4_UNREACHABLE, 4, 1400, ICMP_ERROR_TOO_BIG, 1400},
	{false, ICMP4_UNREACHABLE, 4, 0, ICMP_ERROR_TOO_BIG, 0},
	{false, ICMP4_TIME_EXCEEDED, 0, 0, ICMP_ERROR_TIME_EXCEEDED, 0},
	{true, ICMP6_UNREACHABLE, 0, 0, ICMP_ERROR_NET_UNREACHABLE, 0},
	{true, ICMP6_UNREACHABLE, 3, 0, ICMP_ERROR_HOST_UNREACHABLE, 0},
	{true, ICMP6_UNREACHABLE, 4, 0, ICMP_ERROR_PORT_UNREACHABLE, 0},
	{true, ICMP6_PACKET_TOO_BIG, 0, 1300, ICMP_ERROR_TOO_BIG, 1300},
};

/* What we sent, as a router quotes it: cut after 8 bytes of transport header. */
static size_t quote(uint8_t *out, bool is6, uint16_t len)
{
	struct ip_header ip = is6 ? kit_ip(&OUR_IP6, &PEER_IP6, PROTO_TEST)
				  : kit_ip(&OUR_IP, &PEER_IP, PROTO_TEST);
	static const uint8_t zeros[2000];
	uint8_t whole[2100];
	size_t header = is6 ? 40 : 20;

	kit_build_ip(whole, &ip, zeros, len);
	memcpy(whole + header, "TRANSPRT", 8);
	memcpy(out, whole, header + 8);
	return header + 8;
}

static void errors_go_to_the_protocol_they_quote(void **state)
{
	static struct kit kit;
	struct seen seen = {0};

	kit_open_plain(&kit, KIT_RAW);
	net_register(kit.net, PROTO_TEST, &recorder, &seen);
	for (size_t i = 0; i < sizeof(error_rows) / sizeof(error_rows[0]); i++) {
		const struct error_row *row = &error_rows[i];
		uint8_t body[64];
		size_t len = quote(body, row->is6, 1000);

		kit_give_icmp(&kit, row->is6 ? &PEER_LL6 : &ROUTER_IP,
			      row->is6 ? &OUR_IP6 : &OUR_IP, 64, row->type, row->code, row->rest,
			      body, len);
		assert_int_equal(seen.reports, i + 1);
		assert_int_equal(seen.last.error, row->error);
		assert_int_equal(seen.last.mtu, row->mtu);
		assert_int_equal(seen.last.version, row->is6 ? 6 : 4);
		assert_int_equal(seen.last.quoted_total_len, 1000 + (row->is6 ? 40 : 20));
		assert_int_equal(seen.last.quoted_len, 8);
		assert_memory_equal(seen.quoted, "TRANSPRT", 8);
		assert_true(tee_ip_equal(&seen.last.local, row->is6 ? &OUR_IP6 : &OUR_IP));
		assert_true(tee_ip_equal(&seen.last.remote, row->is6 ? &PEER_IP6 : &PEER_IP));
		assert_true(tee_ip_equal(&seen.last.reporter, row->is6 ? &PEER_LL6 : &ROUTER_IP));
	}
	assert_int_equal(kit_count(&kit, COUNT_ICMP_ERRORS_IN), seen.reports);
	kit_close(&kit);
}

/* Proves: RFC5927-4.1 */
static void errors_about_what_we_never_sent_are_not_believed(void **state)
{
	static struct kit kit;
	struct seen seen = {0};
	uint8_t body[64];
	size_t len;

	kit_open_plain(&kit, KIT_RAW);
	net_register(kit.net, PROTO_TEST, &recorder, &seen);
	/* Somebody else's source. */
	len = quote(body, false, 100);
	body[15] = 77;
	kit_give_icmp(&kit, &ROUTER_IP, &OUR_IP, 64, ICMP4_UNREACHABLE, 3, 0, body, len);
	/* A later fragment: its transport header can't be seen. */
	len = quote(body, false, 100);
	body[7] = 1;
	kit_give_icmp(&kit, &ROUTER_IP, &OUR_IP, 64, ICMP4_UNREACHABLE, 3, 0, body, len);
	/* A protocol that nobody speaks. */
	len = quote(body, false, 100);
	body[9] = 99;
	kit_give_icmp(&kit, &ROUTER_IP, &OUR_IP, 64, ICMP4_UNREACHABLE, 3, 0, body, len);
	assert_int_equal(kit_count(&kit, DROP_ICMP_UNBELIEVABLE), 3);
	/* Quotes that end too soon. */
	len = quote(body, false, 100);
	for (size_t n = 0; n < len; n++)
		kit_give_icmp(&kit, &ROUTER_IP, &OUR_IP, 64, ICMP4_UNREACHABLE, 3, 0, body, n);
	assert_int_equal(kit_count(&kit, DROP_ICMP_MALFORMED), len);
	assert_int_equal(seen.reports, 0);
	kit_close(&kit);
}

/* RFC 1122 3.2.2: what never gets an answer. Each row would, were it not for its own flaw. */
/* Proves: RFC1122-3.2.2a RFC8504-5.8 */
static void errors_are_not_sent_about(void **state)
{
	static struct kit kit;
	struct ip_header ip = kit_ip(&PEER_IP, &OUR_IP, 250);
	uint8_t body[64];
	size_t len = quote(body, false, 100);

	kit_open_plain(&kit, KIT_RAW);
	kit_give_ip(&kit, &ip, "payload.", 8);
	assert_int_equal(kit_take_all(&kit), 1);
	/* … an error, even a broken one */
	kit_give_icmp(&kit, &PEER_IP, &OUR_IP, 64, ICMP4_UNREACHABLE, 3, 0, body, len);
	/* … a packet to a group */
	ip.dst = TEE_IP4(255, 255, 255, 255);
	kit_give_ip(&kit, &ip, "payload.", 8);
	/* … a later fragment whose first never came */
	ip.dst = OUR_IP;
	ip.frag_offset = 800;
	kit_give_ip(&kit, &ip, "payload.", 8);
	kit_step(&kit, 60 * TEE_NS_PER_S);
	assert_int_equal(kit_take_all(&kit), 0);
	kit_close(&kit);
}

/* Proves: RFC8504-5.8 */
static void errors_are_limited_in_rate(void **state)
{
	static struct kit kit;
	struct ip_header ip = kit_ip(&PEER_IP, &OUR_IP, 250);
	unsigned sent = 0;

	kit_open_plain(&kit, KIT_RAW);
	kit.engine.config.icmp_rate_per_s = 10;
	for (unsigned i = 0; i < 50; i++)
		kit_give_ip(&kit, &ip, "payload.", 8);
	assert_int_equal(kit_take_all(&kit), 10);
	assert_int_equal(kit_count(&kit, COUNT_ICMP_RATE_LIMITED), 40);
	/* Ten seconds of a packet each 10 ms: ten answers a second. */
	for (unsigned i = 0; i < 1000; i++) {
		kit_step(&kit, 10 * TEE_NS_PER_MS);
		kit_give_ip(&kit, &ip, "payload.", 8);
		sent += kit_take_all(&kit);
	}
	assert_in_range(sent, 99, 101);
	/* A long silence does not save up more than the burst. */
	kit_step(&kit, 3600 * TEE_NS_PER_S);
	for (unsigned i = 0; i < 50; i++)
		kit_give_ip(&kit, &ip, "payload.", 8);
	assert_int_equal(kit_take_all(&kit), 10);
	kit_close(&kit);
}

/* Proves: RFC1122-3.2.2b */
static void quotes_are_as_long_as_allowed(void **state)
{
	static struct kit kit;
	static uint8_t payload[1400];
	struct ip_header ip = kit_ip(&PEER_IP, &OUR_IP, 250);
	struct ip_header ip6 = kit_ip(&PEER_IP6, &OUR_IP6, 250);

	kit_open_plain(&kit, KIT_RAW);
	kit_give_ip(&kit, &ip, payload, sizeof(payload));
	assert_true(kit_take(&kit));
	assert_int_equal(kit.ip.total_len, 576);
	assert_int_equal(kit.ip.tos, 0xc0);
	kit_give_ip(&kit, &ip6, payload, sizeof(payload));
	assert_true(kit_take(&kit));
	assert_int_equal(kit.ip.total_len, 1280);
	kit_close(&kit);
}

/* Proves: RFC8504-5.12 */
static void listener_queries_are_answered(void **state)
{
	static struct kit kit;
	struct tee_ip group = ip6_solicited_node(&OUR_IP6);
	static const struct tee_ip all_nodes = {
		{0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}};
	uint8_t body[20] = {0};

	kit_open_plain(&kit, 0);
	/* MLDv2, a general query, at most 1,000 ms. */
	kit_give_icmp(&kit, &PEER_LL6, &all_nodes, 1, ICMP6_MLD_QUERY, 0, 1000u << 16, body, 20);
	kit_step(&kit, 1001 * TEE_NS_PER_MS);
	assert_true(kit_take(&kit));
	assert_int_equal(kit.ip.ttl, 1);
	assert_int_equal(kit.ip.protocol, IP_PROTO_ICMP6);
	assert_int_equal(kit.ip.header_len, 48); /* with the router alert */
	assert_int_equal(kit.payload[0], ICMP6_MLD2_REPORT);
	assert_int_equal(load_be16(kit.payload + 6), 1);
	assert_int_equal(kit.payload[8], 2);
	assert_memory_equal(kit.payload + 12, group.byte, 16);
	assert_false(kit_take(&kit));
	kit_close(&kit);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(echo_is_answered),
		cmocka_unit_test(echo_to_a_group_or_when_told_not_to_is_not),
		cmocka_unit_test(a_long_echo_comes_back_in_pieces),
		cmocka_unit_test(bad_icmp_is_dropped),
		cmocka_unit_test(errors_go_to_the_protocol_they_quote),
		cmocka_unit_test(errors_about_what_we_never_sent_are_not_believed),
		cmocka_unit_test(errors_are_not_sent_about),
		cmocka_unit_test(errors_are_limited_in_rate),
		cmocka_unit_test(quotes_are_as_long_as_allowed),
		cmocka_unit_test(listener_queries_are_answered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
