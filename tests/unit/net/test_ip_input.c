/* SPDX-License-Identifier: MIT */
/* What comes in: which packets go up, and why the others don't. */
#include "net_kit.h"

#include "base/byteorder.h"
#include "wire/checksum.h"

enum { PROTO_TEST = 253 };

struct seen {
	unsigned count;
	struct ip_header ip;
	bool to_group;
	uint32_t len;
	uint8_t first;
};

static void on_input(void *context, struct ip_packet *packet)
{
	struct seen *seen = context;

	seen->count++;
	seen->ip = packet->ip;
	seen->to_group = packet->to_group;
	seen->len = packet->pkt->len;
	seen->first = packet->pkt->len > 0 ? tee_pkt_bytes(packet->pkt)[0] : 0;
	tee_pkt_release(packet->pkt);
}

static void on_error(void *context, const struct icmp_report *report)
{
	(void)context;
	(void)report;
}

static const struct net_protocol recorder = {.input = on_input, .icmp_error = on_error};

static void open_kit(struct kit *kit, struct seen *seen, unsigned flags)
{
	memset(seen, 0, sizeof(*seen));
	kit_open_plain(kit, flags);
	net_register(kit->net, PROTO_TEST, &recorder, seen);
}

static void packets_for_us_go_up(void **state)
{
	static const struct {
		struct tee_ip src, dst;
		bool to_group;
	} rows[] = {
		{{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 10, 0, 0, 2}},
		 {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 10, 0, 0, 1}},
		 false},
		{{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 10, 0, 0, 2}},
		 {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 10, 0, 0, 255}},
		 true},
		{{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 10, 0, 0, 2}},
		 {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255, 255, 255}},
		 true},
		{{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 10, 0, 0, 2}},
		 {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 224, 0, 0, 1}},
		 true},
		{{{0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2}},
		 {{0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}},
		 false},
		{{{0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2}},
		 {{0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}},
		 true},
	};
	static struct kit kit;
	struct seen seen;

	for (unsigned raw = 0; raw < 2; raw++) {
		open_kit(&kit, &seen, raw ? KIT_RAW : 0);
		for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
			struct ip_header ip = kit_ip(&rows[i].src, &rows[i].dst, PROTO_TEST);

			kit_give_ip(&kit, &ip, "Xyz", 3);
			assert_int_equal(seen.count, i + 1);
			assert_int_equal(seen.to_group, rows[i].to_group);
			assert_int_equal(seen.len, 3);
			assert_int_equal(seen.first, 'X');
			assert_true(tee_ip_equal(&seen.ip.src, &rows[i].src));
		}
		kit_close(&kit);
	}
}

static void ethernet_padding_is_cut_off(void **state)
{
	static struct kit kit;
	struct seen seen;
	uint8_t frame[60] = {0};
	struct ethernet eth = {.dst = our_mac, .src = peer_mac, .type = ETHERTYPE_IP4};
	struct ip_header ip = kit_ip(&PEER_IP, &OUR_IP, PROTO_TEST);

	open_kit(&kit, &seen, 0);
	ethernet_write(frame, &eth);
	kit_build_ip(frame + 14, &ip, "Xyz", 3);
	kit_give(&kit, frame, sizeof(frame));
	assert_int_equal(seen.count, 1);
	assert_int_equal(seen.len, 3);
	kit_close(&kit);
}

/* ---- drops: a good IPv4 or IPv6 frame with a few bytes changed ---- */

struct change {
	int off;
	uint8_t value;
};

struct drop_row {
	const char *name;
	bool is6;
	struct change changes[5]; /* offsets from the frame's start; 0 ends */
	bool fix_checksum;
	enum counter reason;
};

static const struct drop_row drop_rows[] = {
	{"to another station", false, {{5, 9}}, false, DROP_ETH_NOT_OURS},
	{"unknown type", false, {{12, 0x88}, {13, 0xcc}}, false, DROP_ETH_UNKNOWN_TYPE},
	{"802.1Q tag", false, {{12, 0x81}, {13, 0}}, false, DROP_ETH_UNKNOWN_TYPE},
	{"version of the other family", false, {{14, 0x65}}, true, DROP_IP_MALFORMED},
	{"version 5", false, {{14, 0x55}}, true, DROP_IP_MALFORMED},
	{"header length 16", false, {{14, 0x44}}, true, DROP_IP_MALFORMED},
	{"header longer than the packet", false, {{14, 0x4f}}, true, DROP_IP_MALFORMED},
	{"total length beyond the frame", false, {{16, 0xff}}, true, DROP_IP_MALFORMED},
	{"bad checksum", false, {{24, 0x77}}, false, DROP_IP_BAD_CHECKSUM},
	{"not our address", false, {{33, 99}}, true, DROP_IP_NOT_OURS},
	{"another group", false, {{30, 224}, {31, 0}, {32, 0}, {33, 251}}, true, DROP_IP_NOT_OURS},
	{"loopback destination", false, {{30, 127}}, true, DROP_IP_NOT_OURS},
	{"loopback source", false, {{26, 127}}, true, DROP_IP_BAD_SOURCE},
	{"multicast source", false, {{26, 224}}, true, DROP_IP_BAD_SOURCE},
	{"limited broadcast source",
	 false,
	 {{26, 255}, {27, 255}, {28, 255}, {29, 255}},
	 true,
	 DROP_IP_BAD_SOURCE},
	{"directed broadcast source", false, {{29, 255}}, true, DROP_IP_BAD_SOURCE},
	{"our own address as source", false, {{29, 1}}, true, DROP_IP_BAD_SOURCE},
	{"source 0.0.0.0", false, {{26, 0}, {27, 0}, {28, 0}, {29, 0}}, true, DROP_IP_BAD_SOURCE},
	{"unknown protocol", false, {{23, 250}}, true, DROP_IP_UNKNOWN_PROTOCOL},
	{"version of the other family", true, {{14, 0x45}}, false, DROP_IP_MALFORMED},
	{"payload beyond the frame", true, {{18, 0xff}}, false, DROP_IP_MALFORMED},
	{"not our address", true, {{53, 99}}, false, DROP_IP_NOT_OURS},
	{"loopback source", true, {{22, 0}, {37, 1}}, false, DROP_IP_BAD_SOURCE},
	{"multicast source", true, {{22, 0xff}}, false, DROP_IP_BAD_SOURCE},
	{"our own address as source", true, {{37, 1}}, false, DROP_IP_BAD_SOURCE},
	{"unspecified source", true, {{22, 0}, {37, 0}}, false, DROP_IP_BAD_SOURCE},
	{"unknown protocol", true, {{20, 250}}, false, DROP_IP_UNKNOWN_PROTOCOL},
	{"no next header", true, {{20, 59}}, false, DROP_IP_UNKNOWN_PROTOCOL},
	{"source mapped from IPv4",
	 true,
	 {{22, 0}, {32, 255}, {33, 255}},
	 false,
	 DROP_IP_MALFORMED},
};

static size_t good_frame(uint8_t *frame, bool is6)
{
	struct ethernet eth = {
		.dst = our_mac, .src = peer_mac, .type = is6 ? ETHERTYPE_IP6 : ETHERTYPE_IP4};
	struct ip_header ip = is6 ? kit_ip(&PEER_IP6, &OUR_IP6, PROTO_TEST)
				  : kit_ip(&PEER_IP, &OUR_IP, PROTO_TEST);

	ethernet_write(frame, &eth);
	return 14 + kit_build_ip(frame + 14, &ip, "0123456789abcdef", 16);
}

/* Proves: RFC1122-3.2.1.1 RFC1122-3.2.1.2 RFC1122-3.2.1.3 MUST-63 RFC8504-5.1 */
static void bad_packets_are_dropped_by_name(void **state)
{
	static struct kit kit;
	struct seen seen;

	open_kit(&kit, &seen, 0);
	for (size_t i = 0; i < sizeof(drop_rows) / sizeof(drop_rows[0]); i++) {
		const struct drop_row *row = &drop_rows[i];
		uint64_t before = kit_count(&kit, row->reason);
		uint8_t frame[128];
		size_t len = good_frame(frame, row->is6);

		/* The frame is good until it is changed. */
		kit_give(&kit, frame, len);
		assert_int_equal(seen.count, i + 1);
		for (const struct change *change = row->changes; change->off; change++)
			frame[change->off] = change->value;
		if (row->fix_checksum) {
			store_be16(frame + 24, 0);
			store_be16(frame + 24, checksum_finish(checksum_add(0, frame + 14, 20)));
		}
		kit_give(&kit, frame, len);
		if (kit_count(&kit, row->reason) != before + 1 || seen.count != i + 1)
			fail_msg("%s (IPv%d)", row->name, row->is6 ? 6 : 4);
	}
	kit_close(&kit);
}

static void short_frames_are_dropped(void **state)
{
	static struct kit kit;
	struct seen seen;
	uint8_t frame[128];
	size_t len = good_frame(frame, false);

	open_kit(&kit, &seen, 0);
	for (size_t n = 0; n < len; n++)
		kit_give(&kit, frame, n);
	assert_int_equal(seen.count, 0);
	assert_int_equal(kit_count(&kit, DROP_ETH_SHORT), 14);
	assert_int_equal(kit_count(&kit, DROP_IP_MALFORMED), len - 14);
	kit_close(&kit);
	/* Raw: no link header at all, down to nothing. */
	open_kit(&kit, &seen, KIT_RAW);
	for (size_t n = 0; n < len - 14; n++)
		kit_give(&kit, frame + 14, n);
	assert_int_equal(seen.count, 0);
	kit_give(&kit, frame + 14, len - 14);
	assert_int_equal(seen.count, 1);
	kit_close(&kit);
}

/* Proves: RFC1122-3.2.1.8 RFC1122-3.3.5 MUST-50 */
static void source_routes_are_dropped_other_options_pass(void **state)
{
	static const struct {
		uint8_t options[8];
		enum counter reason; /* COUNTER_COUNT: goes up */
	} rows[] = {
		{{131, 7, 4, 10, 0, 0, 9, 0}, DROP_IP_BAD_OPTION},
		{{1, 137, 7, 4, 10, 0, 0, 9}, DROP_IP_BAD_OPTION},
		{{148, 4, 0, 0, 1, 1, 1, 0}, COUNTER_COUNT}, /* router alert */
		{{0, 131, 7, 4, 1, 1, 1, 1}, COUNTER_COUNT}, /* behind the end of the list */
		{{148, 0, 0, 0, 0, 0, 0, 0}, DROP_IP_BAD_OPTION},
		{{148, 9, 0, 0, 0, 0, 0, 0}, DROP_IP_BAD_OPTION},
	};
	static struct kit kit;
	struct seen seen;
	unsigned up = 0;

	open_kit(&kit, &seen, KIT_RAW);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ip_header ip = kit_ip(&PEER_IP, &OUR_IP, PROTO_TEST);
		uint8_t packet[64];
		uint64_t before = 0;

		/* The options and the data together are the payload of a header that is then made longer. */
		kit_build_ip(packet, &ip, "\0\0\0\0\0\0\0\0data", 12);
		memcpy(packet + 20, rows[i].options, 8);
		packet[0] = 0x47;
		store_be16(packet + 10, 0);
		store_be16(packet + 10, checksum_finish(checksum_add(0, packet, 28)));
		if (rows[i].reason != COUNTER_COUNT)
			before = kit_count(&kit, rows[i].reason);
		else
			up++;
		kit_give(&kit, packet, 32);
		if (rows[i].reason != COUNTER_COUNT)
			assert_int_equal(kit_count(&kit, rows[i].reason), before + 1);
		assert_int_equal(seen.count, up);
	}
	assert_int_equal(seen.len, 4);
	assert_int_equal(seen.first, 'd');
	/* The two with broken lengths earned a parameter problem that points at the length. */
	assert_true(kit_take(&kit));
	assert_int_equal(kit.payload[0], ICMP4_PARAMETER_PROBLEM);
	assert_int_equal(kit.payload[4], 21);
	assert_int_equal(kit_take_all(&kit), 1);
	kit_close(&kit);
}

/* Proves: RFC1122-3.2.2.1 */
static void unknown_protocols_earn_an_error(void **state)
{
	static struct kit kit;
	struct seen seen;
	struct ip_header ip = kit_ip(&PEER_IP, &OUR_IP, 250);
	struct ip_header ip6 = kit_ip(&PEER_IP6, &OUR_IP6, 250);

	open_kit(&kit, &seen, KIT_RAW);
	kit_give_ip(&kit, &ip, "payload.", 8);
	assert_true(kit_take(&kit));
	assert_int_equal(kit.payload[0], ICMP4_UNREACHABLE);
	assert_int_equal(kit.payload[1], 2);
	assert_int_equal(kit.payload_len, 8 + 20 + 8);
	assert_memory_equal(kit.payload + 8 + 20, "payload.", 8);
	kit_give_ip(&kit, &ip6, "payload.", 8);
	assert_true(kit_take(&kit));
	assert_int_equal(kit.payload[0], ICMP6_PARAMETER_PROBLEM);
	assert_int_equal(kit.payload[1], 1);
	assert_int_equal(load_be32(kit.payload + 4), 6);
	/* To a group: nothing. */
	ip.dst = TEE_IP4(10, 0, 0, 255);
	kit_give_ip(&kit, &ip, "payload.", 8);
	assert_false(kit_take(&kit));
	kit_close(&kit);
}

static void super_frames_come_in_whole(void **state)
{
	static struct kit kit;
	static uint8_t packet[66000];
	struct seen seen;
	struct ip_header ip = kit_ip(&PEER_IP, &OUR_IP, PROTO_TEST);
	struct tee_pkt *pkt;

	open_kit(&kit, &seen, KIT_RAW);
	ip4_write(packet, &ip, 65000);
	pkt = kit_pkt(&kit, packet, 65020);
	pkt->gso_size = 1448;
	pkt->gso_type = TEE_GSO_TCP4;
	pkt->checksum_state = TEE_CHECKSUM_PARTIAL;
	net_input(kit.net, kit.netif, pkt);
	assert_int_equal(seen.count, 1);
	assert_int_equal(seen.len, 65000);
	kit_close(&kit);
}

/* The strong host model: an address is answered for on its own interface only. */
static void an_address_of_another_interface_is_not_ours(void **state)
{
	static struct kit kit;
	struct seen seen;
	struct tee_netif_config config = {.kind = TEE_NETIF_RAW_IP, .name = "other", .mtu = 1500};
	struct ip_header ip = kit_ip(&PEER_IP, &TEE_IP4(10, 9, 0, 1), PROTO_TEST);
	struct netif *other;

	open_kit(&kit, &seen, KIT_RAW);
	other = net_netif(kit.net, netif_add(kit.net, &config));
	netif_set_up(other, true);
	assert_int_equal(
		netif_addr_add(other, &TEE_IP4(10, 9, 0, 1), 24, TEE_ADDR_STATIC, true, NULL), 0);
	kit_give_ip(&kit, &ip, "data", 4);
	assert_int_equal(kit_count(&kit, DROP_IP_NOT_OURS), 1);
	assert_int_equal(seen.count, 0);
	kit_close(&kit);
}

static void the_loopback_takes_any_address_of_ours(void **state)
{
	static struct kit kit;
	struct seen seen;
	static const struct {
		struct tee_ip dst, src;
	} rows[] = {
		{{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 127, 0, 0, 1}},
		 {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 127, 0, 0, 1}}},
		{{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 127, 1, 2, 3}},
		 {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 127, 0, 0, 1}}},
		{{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 10, 0, 0, 1}},
		 {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 10, 0, 0, 1}}},
		{{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}},
		 {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}}},
		{{{0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}},
		 {{0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}}},
	};

	open_kit(&kit, &seen, 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ip_out out = {.dst = rows[i].dst, .protocol = PROTO_TEST};

		assert_int_equal(ip_output_pkt(kit.net, kit_pkt(&kit, "hi", 2), &out), 0);
		kit_loopback(&kit);
		assert_int_equal(seen.count, i + 1);
		assert_true(tee_ip_equal(&seen.ip.src, &rows[i].src));
		assert_true(tee_ip_equal(&seen.ip.dst, &rows[i].dst));
	}
	/* Nothing of that touched the wire. */
	assert_false(kit_take(&kit));
	kit_close(&kit);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(packets_for_us_go_up),
		cmocka_unit_test(ethernet_padding_is_cut_off),
		cmocka_unit_test(bad_packets_are_dropped_by_name),
		cmocka_unit_test(short_frames_are_dropped),
		cmocka_unit_test(source_routes_are_dropped_other_options_pass),
		cmocka_unit_test(unknown_protocols_earn_an_error),
		cmocka_unit_test(super_frames_come_in_whole),
		cmocka_unit_test(an_address_of_another_interface_is_not_ours),
		cmocka_unit_test(the_loopback_takes_any_address_of_ours),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
