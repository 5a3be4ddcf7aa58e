/* SPDX-License-Identifier: MIT */
/* What goes out: headers, frames built in place, fragments, queues. */
#include "net_kit.h"

#include "base/byteorder.h"
#include "net/private.h"
#include "pkt/frame.h"
#include "wire/checksum.h"

enum { PROTO_TEST = 253 };

static uint8_t data[70000];

static int send_packet(struct kit *kit, const struct ip_out *out, size_t len)
{
	return ip_output_pkt(kit->net, kit_pkt(kit, data, len), out);
}

static void fill_data(void)
{
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 13 + i / 251);
}

static void make_reachable(struct kit *kit, const struct tee_ip *ip)
{
	struct ip_out out = {.dst = *ip, .protocol = PROTO_TEST};

	send_packet(kit, &out, 8);
	assert_int_equal(kit_answer_neighbours(kit), 1);
	kit_take_all(kit);
}

static void headers_say_what_was_asked(void **state)
{
	static struct kit kit;
	struct ip_out out = {.dst = PEER_IP,
			     .protocol = PROTO_TEST,
			     .ttl = 7,
			     .tos = 0xb9,
			     .dont_fragment = true};
	struct ip_out out6 = {
		.dst = PEER_IP6, .protocol = PROTO_TEST, .tos = 0x02, .flow_label = 0xabcde};

	fill_data();
	kit_open_plain(&kit, KIT_RAW);
	assert_int_equal(send_packet(&kit, &out, 100), 0);
	assert_true(kit_take(&kit));
	assert_int_equal(kit.ip.ttl, 7);
	assert_int_equal(kit.ip.tos, 0xb9);
	assert_true(kit.ip.dont_fragment);
	assert_int_equal(kit.ip.protocol, PROTO_TEST);
	assert_memory_equal(kit.payload, data, 100);
	assert_true(tee_ip_equal(&kit.ip.src, &OUR_IP));
	assert_int_equal(send_packet(&kit, &out6, 100), 0);
	assert_true(kit_take(&kit));
	assert_int_equal(kit.ip.ttl, 64);
	assert_int_equal(kit.ip.flow_label, 0xabcde);
	assert_int_equal(kit.ip.tos, 2);
	kit_close(&kit);
}

static void ip_options_are_put_in(void **state)
{
	static struct kit kit;
	static const uint8_t options[8] = {148, 4, 0, 0, 1, 1, 1, 0};
	struct ip_out out = {
		.dst = PEER_IP, .protocol = PROTO_TEST, .options = options, .options_len = 8};

	kit_open_plain(&kit, KIT_RAW);
	assert_int_equal(send_packet(&kit, &out, 100), 0);
	assert_true(kit_take(&kit));
	assert_int_equal(kit.ip.header_len, 28);
	assert_memory_equal(kit.frame + 20, options, 8);
	assert_int_equal(kit.payload_len, 100);
	kit_close(&kit);
}

static struct tee_pkt *slice_of(struct kit *kit, struct tee_frame *frame, size_t len)
{
	struct tee_pkt *pkt = kit_pkt(kit, data, len);

	frame->slices[0] = (struct tee_slice){tee_pkt_bytes(pkt), (uint32_t)len};
	frame->holds[0] = pkt;
	frame->slice_count = 1;
	frame->len += (uint32_t)len;
	return pkt;
}

static void make_frame(struct kit *kit, struct tee_frame *frame, size_t len)
{
	frame_init(frame);
	memset(frame_push(frame, 20), 'H', 20);
	slice_of(kit, frame, len);
	frame->checksum_partial = true;
	frame->csum_start = 0;
	frame->csum_offset = 16;
	frame->why = TEE_WHY_NEW_DATA;
}

static void frames_are_finished_in_place(void **state)
{
	static struct kit kit;
	struct net_path path;
	struct tee_frame frame;
	struct ethernet eth = {0};
	struct ip_header ip;
	uint32_t pointer;
	struct ip_out out = {.dst = PEER_IP, .protocol = PROTO_TEST, .dont_fragment = true};

	fill_data();
	kit_open_plain(&kit, 0);
	make_reachable(&kit, &PEER_IP);
	assert_int_equal(net_route(kit.net, &TEE_IP_ANY, &PEER_IP, 0, &path, &out.src), 0);
	make_frame(&kit, &frame, 60000);
	frame.gso_size = 1448;
	frame.gso_type = TEE_GSO_TCP4;
	assert_int_equal(ip_output_frame(kit.net, &path, &frame, &out), IP_OUT_READY);
	assert_int_equal(frame.len, 14 + 20 + 20 + 60000);
	assert_int_equal(frame.l3_off, 14);
	assert_int_equal(frame.csum_start, 34);
	assert_int_equal(frame.csum_offset, 16);
	assert_int_equal(frame.slice_count, 1);
	kit.len = tee_frame_copy(&frame, kit.frame);
	ethernet_parse(kit.frame, kit.len, &eth);
	assert_true(mac_equal(&eth.dst, &peer_mac) && mac_equal(&eth.src, &our_mac));
	assert_int_equal(eth.type, ETHERTYPE_IP4);
	assert_int_equal(ip_parse(kit.frame + 14, kit.len - 14, true, &ip, &pointer), IP_PARSE_OK);
	assert_int_equal(ip.total_len, 60040);
	assert_int_equal(kit.frame[34], 'H');
	assert_memory_equal(kit.frame + 54, data, 60000);
	tee_frame_release(&frame);
	/* More than a length field can say is refused, and released. */
	make_frame(&kit, &frame, 65530);
	assert_int_equal(ip_output_frame(kit.net, &path, &frame, &out), -TEE_EMSGSIZE);
	assert_int_equal(frame.len, 0);
	kit_close(&kit);
}

static void frames_wait_for_their_neighbour_as_packets(void **state)
{
	static struct kit kit;
	struct net_path path;
	struct tee_frame frame;
	struct ip_out out = {.dst = PEER_IP6, .protocol = PROTO_TEST};

	fill_data();
	kit_open_plain(&kit, 0);
	assert_int_equal(net_route(kit.net, &TEE_IP_ANY, &PEER_IP6, 0, &path, &out.src), 0);
	make_frame(&kit, &frame, 3000);
	frame.gso_size = 1000;
	frame.gso_type = TEE_GSO_TCP6;
	assert_int_equal(ip_output_frame(kit.net, &path, &frame, &out), IP_OUT_PENDING);
	assert_int_equal(frame.len, 0);
	assert_int_equal(kit_answer_neighbours(&kit), 1);
	/* It leaves as the super-frame it was, checksum positions and all. */
	assert_int_equal(net_output(kit.net, kit.netif, &frame, 1), 1);
	assert_int_equal(frame.len, 14 + 40 + 20 + 3000);
	assert_int_equal(frame.gso_size, 1000);
	assert_int_equal(frame.gso_type, TEE_GSO_TCP6);
	assert_true(frame.checksum_partial);
	assert_int_equal(frame.csum_start, 54);
	assert_int_equal(frame.csum_offset, 16);
	assert_int_equal(frame.why, TEE_WHY_NEW_DATA);
	assert_int_equal(frame.l3_off, 14);
	kit.len = tee_frame_copy(&frame, kit.frame);
	assert_memory_equal(kit.frame + 74, data, 3000);
	tee_frame_release(&frame);
	kit_close(&kit);
}

static void a_stale_path_is_refreshed(void **state)
{
	static struct kit kit;
	struct net_path path;
	struct tee_frame frame;
	struct ip_out out = {.dst = PEER_IP, .protocol = PROTO_TEST};

	kit_open_plain(&kit, KIT_RAW);
	assert_int_equal(net_route(kit.net, &TEE_IP_ANY, &PEER_IP, 0, &path, &out.src), 0);
	/* Something changed that does not matter here. */
	netif_addr_add(kit.netif, &TEE_IP4(10, 1, 0, 1), 24, TEE_ADDR_STATIC, true, NULL);
	assert_true(path.generation != net_generation(kit.net));
	make_frame(&kit, &frame, 100);
	assert_int_equal(ip_output_frame(kit.net, &path, &frame, &out), IP_OUT_READY);
	assert_int_equal(path.generation, net_generation(kit.net));
	tee_frame_release(&frame);
	/* Our address went away. */
	netif_addr_remove(kit.netif, &OUR_IP);
	make_frame(&kit, &frame, 100);
	assert_int_equal(ip_output_frame(kit.net, &path, &frame, &out), -TEE_EADDRNOTAVAIL);
	assert_int_equal(frame.len, 0);
	kit_close(&kit);
}

struct fragment_row {
	bool is6;
	uint32_t len;
	unsigned pieces;
};

static void long_packets_are_cut(void **state)
{
	static const struct fragment_row rows[] = {
		{false, 1480, 1},   {false, 1481, 2},  {false, 2960, 2}, {false, 2961, 3},
		{false, 65515, 45}, {true, 1460, 1},   {true, 1461, 2},  {true, 2896, 2},
		{true, 2897, 3},    {true, 65495, 46},
	};
	static struct kit kit;
	static uint8_t whole[70000];

	fill_data();
	kit_open_plain(&kit, KIT_RAW);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ip_out out = {.dst = rows[i].is6 ? PEER_IP6 : PEER_IP,
				     .protocol = PROTO_TEST};
		uint32_t id = 0, got = 0;
		unsigned pieces = 0;

		assert_int_equal(send_packet(&kit, &out, rows[i].len), 0);
		while (kit_take(&kit)) {
			assert_true(kit.ip.total_len <= 1500);
			assert_false(kit.ip.dont_fragment);
			assert_int_equal(kit.ip.is_fragment, rows[i].pieces > 1);
			if (rows[i].pieces > 1) {
				assert_int_equal(kit.ip.frag_offset, got);
				assert_true(pieces == 0 || kit.ip.id == id);
				id = kit.ip.id;
			}
			memcpy(whole + got, kit.payload, kit.payload_len);
			got += (uint32_t)kit.payload_len;
			assert_int_equal(kit.ip.more_fragments, got < rows[i].len);
			pieces++;
		}
		assert_int_equal(got, rows[i].len);
		assert_int_equal(pieces, rows[i].pieces);
		assert_memory_equal(whole, data, got);
	}
	kit_close(&kit);
}

/* Proves: RFC1122-3.3.3 */
static void what_may_not_be_cut_is_refused(void **state)
{
	static struct kit kit;
	struct ip_out out = {.dst = PEER_IP, .protocol = PROTO_TEST, .dont_fragment = true};
	struct ip_out out6 = {.dst = PEER_IP6, .protocol = PROTO_TEST, .dont_fragment = true};

	kit_open_plain(&kit, KIT_RAW);
	assert_int_equal(send_packet(&kit, &out, 1480), 0);
	assert_int_equal(send_packet(&kit, &out, 1481), -TEE_EMSGSIZE);
	assert_int_equal(send_packet(&kit, &out6, 1461), -TEE_EMSGSIZE);
	out.dont_fragment = false;
	assert_int_equal(send_packet(&kit, &out, 65516), -TEE_EMSGSIZE);
	assert_int_equal(kit_count(&kit, DROP_TOO_BIG), 3);
	assert_int_equal(kit_take_all(&kit), 1);
	kit_close(&kit);
}

static void the_tx_queue_is_bounded(void **state)
{
	static struct kit kit;
	struct ip_out out = {.dst = PEER_IP, .protocol = PROTO_TEST};
	unsigned taken = 0;
	int result;

	kit_open_plain(&kit, KIT_RAW);
	while ((result = send_packet(&kit, &out, 100)) == 0)
		taken++;
	assert_int_equal(result, -TEE_ENOBUFS);
	assert_int_equal(taken, NETIF_TX_PKTS_MAX);
	assert_int_equal(kit_count(&kit, DROP_TX_QUEUE_FULL), 1);
	assert_true(net_has_output(kit.netif));
	assert_int_equal(kit_take_all(&kit), NETIF_TX_PKTS_MAX);
	assert_false(net_has_output(kit.netif));
	kit_close(&kit);
}

static void groups_have_link_addresses_of_their_own(void **state)
{
	static const struct tee_mac mac4 = {{1, 0, 0x5e, 1, 2, 3}};
	static struct kit kit;
	struct ip_out out = {.protocol = PROTO_TEST};

	kit_open_plain(&kit, 0);
	out.dst = TEE_IP4(239, 129, 2, 3);
	assert_int_equal(send_packet(&kit, &out, 10), 0);
	assert_true(kit_take(&kit));
	assert_true(mac_equal(&kit.eth.dst, &mac4));
	out.dst = TEE_IP4(10, 0, 0, 255);
	assert_int_equal(send_packet(&kit, &out, 10), 0);
	assert_true(kit_take(&kit));
	assert_true(mac_equal(&kit.eth.dst, &ethernet_broadcast));
	out.dst = TEE_IP4(255, 255, 255, 255);
	assert_int_equal(send_packet(&kit, &out, 10), 0);
	assert_true(kit_take(&kit));
	assert_true(mac_equal(&kit.eth.dst, &ethernet_broadcast));
	kit_close(&kit);
}

static void without_an_address_a_source_of_zero(void **state)
{
	static struct kit kit;
	struct ip_out out = {.src = TEE_IP4(0, 0, 0, 0),
			     .dst = TEE_IP4(255, 255, 255, 255),
			     .protocol = PROTO_TEST,
			     .src_unspecified = true};

	kit_config(&kit);
	kit_open(&kit, 0);
	out.netif_number = netif_number(kit.netif);
	assert_int_equal(send_packet(&kit, &out, 10), 0);
	assert_true(kit_take(&kit));
	assert_true(tee_ip_equal(&kit.ip.src, &TEE_IP4(0, 0, 0, 0)));
	out.src_unspecified = false;
	out.src = TEE_IP_ANY;
	assert_int_equal(send_packet(&kit, &out, 10), -TEE_EADDRNOTAVAIL);
	kit_close(&kit);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(headers_say_what_was_asked),
		cmocka_unit_test(ip_options_are_put_in),
		cmocka_unit_test(frames_are_finished_in_place),
		cmocka_unit_test(frames_wait_for_their_neighbour_as_packets),
		cmocka_unit_test(a_stale_path_is_refreshed),
		cmocka_unit_test(long_packets_are_cut),
		cmocka_unit_test(what_may_not_be_cut_is_refused),
		cmocka_unit_test(the_tx_queue_is_bounded),
		cmocka_unit_test(groups_have_link_addresses_of_their_own),
		cmocka_unit_test(without_an_address_a_source_of_zero),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
