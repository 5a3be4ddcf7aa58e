/* SPDX-License-Identifier: MIT */
/* Reassembly: any order gives the datagram, any overlap ends it, all is bounded. */
#include "net_kit.h"

#include "base/byteorder.h"
#include "net/private.h"

enum { PROTO_TEST = 253, DATA_MAX = 70000 };

struct seen {
	unsigned count;
	uint32_t len;
	uint8_t data[DATA_MAX];
	uint16_t header_len;
	bool is_fragment;
};

static uint8_t pattern[DATA_MAX];

static void on_input(void *context, struct ip_packet *packet)
{
	struct seen *seen = context;

	seen->count++;
	seen->len = packet->pkt->len;
	memcpy(seen->data, tee_pkt_bytes(packet->pkt), packet->pkt->len);
	seen->header_len = packet->ip.header_len;
	seen->is_fragment = packet->ip.is_fragment;
	tee_pkt_release(packet->pkt);
}

static void on_error(void *context, const struct icmp_report *report)
{
	(void)context;
	(void)report;
}

static const struct net_protocol recorder = {.input = on_input, .icmp_error = on_error};

static void open_kit(struct kit *kit, struct seen *seen)
{
	memset(seen, 0, sizeof(*seen));
	for (size_t i = 0; i < sizeof(pattern); i++)
		pattern[i] = (uint8_t)(i * 7 + i / 256);
	kit_open_plain(kit, KIT_RAW);
	net_register(kit->net, PROTO_TEST, &recorder, seen);
}

static void give_piece(struct kit *kit, bool is6, uint32_t id, uint32_t off, uint32_t len,
		       bool more)
{
	struct ip_header ip = is6 ? kit_ip(&PEER_IP6, &OUR_IP6, PROTO_TEST)
				  : kit_ip(&PEER_IP, &OUR_IP, PROTO_TEST);

	ip.id = id;
	ip.frag_offset = off;
	ip.more_fragments = more;
	ip.is_fragment = true;
	kit_give_ip(kit, &ip, pattern + off, len);
}

/* All orders of four pieces, both families. */
/* Proves: RFC1122-3.2.1.4 */
static void any_order_gives_the_datagram(void **state)
{
	static const struct {
		uint32_t off, len;
	} pieces[4] = {{0, 800}, {800, 8}, {808, 1192}, {2000, 777}};
	static struct kit kit;
	static struct seen seen;
	unsigned expected = 0;

	open_kit(&kit, &seen);
	for (unsigned order = 0; order < 256; order++) {
		unsigned idx[4] = {order & 3, order >> 2 & 3, order >> 4 & 3, order >> 6};
		unsigned mask = 1u << idx[0] | 1u << idx[1] | 1u << idx[2] | 1u << idx[3];

		if (mask != 15)
			continue;
		for (unsigned is6 = 0; is6 < 2; is6++) {
			for (unsigned i = 0; i < 4; i++) {
				assert_int_equal(seen.count, expected);
				give_piece(&kit, is6, 0xffff0000u + order, pieces[idx[i]].off,
					   pieces[idx[i]].len, idx[i] != 3);
			}
			expected++;
			assert_int_equal(seen.count, expected);
			assert_int_equal(seen.len, 2777);
			assert_memory_equal(seen.data, pattern, 2777);
			assert_false(seen.is_fragment);
			assert_int_equal(seen.header_len, is6 ? 40 : 20);
		}
	}
	assert_int_equal(expected, 48);
	assert_int_equal(kit_count(&kit, COUNT_IP_REASSEMBLED), 48);
	assert_int_equal(kit.net->defrag.datagram_count, 0);
	kit_close(&kit);
}

static void repeated_pieces_do_no_harm(void **state)
{
	static struct kit kit;
	static struct seen seen;

	open_kit(&kit, &seen);
	give_piece(&kit, false, 1, 0, 800, true);
	give_piece(&kit, false, 1, 0, 800, true);
	give_piece(&kit, false, 1, 800, 100, false);
	assert_int_equal(seen.count, 1);
	assert_int_equal(seen.len, 900);
	kit_close(&kit);
}

struct flaw {
	const char *name;
	struct {
		uint32_t off, len;
		bool more;
	} pieces[4];
	enum counter reason;
};

static const struct flaw flaws[] = {
	{"overlap behind", {{0, 800, true}, {792, 800, true}}, DROP_FRAG_OVERLAP},
	{"overlap before", {{800, 800, true}, {0, 808, true}}, DROP_FRAG_OVERLAP},
	{"inside another", {{0, 800, true}, {8, 16, true}}, DROP_FRAG_OVERLAP},
	{"around another", {{8, 16, true}, {0, 800, true}}, DROP_FRAG_OVERLAP},
	{"same offset, other length", {{0, 800, true}, {0, 808, true}}, DROP_FRAG_OVERLAP},
	{"same offset, shorter", {{0, 800, true}, {0, 792, true}}, DROP_FRAG_OVERLAP},
	{"two ends", {{800, 100, false}, {1600, 100, false}}, DROP_FRAG_MALFORMED},
	{"behind the end", {{800, 100, false}, {1600, 800, true}}, DROP_FRAG_MALFORMED},
	{"end before what is there", {{1600, 800, true}, {800, 100, false}}, DROP_FRAG_MALFORMED},
};

/* Proves: RFC8504-5.11 */
static void overlaps_and_lies_end_the_datagram(void **state)
{
	static struct kit kit;
	static struct seen seen;

	open_kit(&kit, &seen);
	for (size_t i = 0; i < sizeof(flaws) / sizeof(flaws[0]); i++) {
		for (unsigned is6 = 0; is6 < 2; is6++) {
			uint64_t before = kit_count(&kit, flaws[i].reason);
			uint32_t id = (uint32_t)(i + 1);

			for (unsigned j = 0; flaws[i].pieces[j].len > 0; j++)
				give_piece(&kit, is6, id, flaws[i].pieces[j].off,
					   flaws[i].pieces[j].len, flaws[i].pieces[j].more);
			if (kit_count(&kit, flaws[i].reason) != before + 1)
				fail_msg("%s (IPv%d)", flaws[i].name, is6 ? 6 : 4);
			/* RFC 5722: what comes of it later goes the same way. */
			give_piece(&kit, is6, id, 0, 3000 / 8 * 8, true);
			give_piece(&kit, is6, id, 3000, 100, false);
			assert_int_equal(seen.count, 0);
			assert_int_equal(kit_count(&kit, flaws[i].reason), before + 1);
		}
	}
	/* When its time is over the number may be used again. */
	kit_step(&kit, 31 * TEE_NS_PER_S);
	kit_take_all(&kit);
	give_piece(&kit, false, 1, 0, 800, true);
	give_piece(&kit, false, 1, 800, 100, false);
	assert_int_equal(seen.count, 1);
	kit_close(&kit);
}

static void pieces_past_the_longest_datagram_are_dropped(void **state)
{
	static struct kit kit;
	static struct seen seen;

	open_kit(&kit, &seen);
	/* The longest that fits, both families … */
	for (uint32_t off = 0; off < 65512; off += 8 * 1024)
		give_piece(&kit, false, 1, off, off + 8192 > 65512 ? 65512 - off : 8192, true);
	give_piece(&kit, false, 1, 65512, 3, false);
	assert_int_equal(seen.count, 1);
	assert_int_equal(seen.len, 65515);
	assert_memory_equal(seen.data, pattern, 65515);
	/* … and one byte more. */
	give_piece(&kit, false, 2, 65512, 4, false);
	assert_int_equal(kit_count(&kit, DROP_FRAG_MALFORMED) + kit_count(&kit, DROP_IP_MALFORMED),
			 1);
	give_piece(&kit, true, 3, 65528, 8, false);
	assert_int_equal(kit_count(&kit, DROP_FRAG_MALFORMED) + kit_count(&kit, DROP_IP_MALFORMED),
			 2);
	assert_int_equal(seen.count, 1);
	kit_step(&kit, 31 * TEE_NS_PER_S);
	kit_take_all(&kit);
	kit_close(&kit);
}

/* Proves: RFC1122-3.3.2 */
static void time_runs_out_and_the_sender_is_told(void **state)
{
	static struct kit kit;
	static struct seen seen;

	open_kit(&kit, &seen);
	give_piece(&kit, false, 1, 0, 800, true);
	give_piece(&kit, true, 1, 0, 800, true);
	give_piece(&kit, false, 2, 800, 100, false); /* no first piece: nothing to quote */
	kit_step(&kit, 29 * TEE_NS_PER_S);
	assert_false(kit_take(&kit));
	kit_step(&kit, 2 * TEE_NS_PER_S);
	assert_int_equal(kit_count(&kit, DROP_FRAG_TIMEOUT), 3);
	assert_true(kit_take(&kit));
	assert_int_equal(kit.payload[0], ICMP4_TIME_EXCEEDED);
	assert_int_equal(kit.payload[1], 1);
	assert_memory_equal(kit.payload + 28, pattern, 500);
	assert_true(kit_take(&kit));
	assert_int_equal(kit.payload[0], ICMP6_TIME_EXCEEDED);
	assert_int_equal(kit.payload[1], 1);
	assert_memory_equal(kit.payload + 8 + 48, pattern, 500);
	assert_false(kit_take(&kit));
	give_piece(&kit, false, 1, 800, 100, false);
	assert_int_equal(seen.count, 0);
	kit_step(&kit, 31 * TEE_NS_PER_S);
	kit_close(&kit);
}

static void memory_is_bounded(void **state)
{
	static struct kit kit;
	static struct seen seen;

	open_kit(&kit, &seen);
	kit.engine.config.reassembly_bytes_max = 100000;
	for (uint32_t id = 0; id < 1000; id++) {
		give_piece(&kit, false, id, 0, 1000, true);
		assert_true(kit.net->defrag.bytes <= 100000);
	}
	assert_true(kit_count(&kit, DROP_FRAG_LIMIT) > 900);
	/* The newest are still there. */
	give_piece(&kit, false, 999, 1000, 8, false);
	assert_int_equal(seen.count, 1);
	kit.engine.config.reassembly_datagrams_max = 4;
	for (uint32_t id = 2000; id < 2100; id++)
		give_piece(&kit, false, id, 0, 8, true);
	assert_int_equal(kit.net->defrag.datagram_count, 4);
	kit.engine.config.reassembly_datagrams_max = 0;
	give_piece(&kit, false, 1, 0, 8, true);
	kit_step(&kit, 31 * TEE_NS_PER_S);
	kit_take_all(&kit);
	assert_int_equal(kit.net->defrag.bytes, 0);
	kit_close(&kit);
}

/* A short piece in a 64 KiB buffer is charged what it is worth. */
static void small_pieces_do_not_hold_large_buffers(void **state)
{
	static struct kit kit;
	static struct seen seen;
	struct ip_header ip = kit_ip(&PEER_IP, &OUR_IP, PROTO_TEST);
	struct tee_pkt *pkt;

	open_kit(&kit, &seen);
	ip.more_fragments = true;
	pkt = tee_pkt_new(kit.engine.pool, 65536);
	pkt->len = (uint32_t)kit_build_ip(tee_pkt_bytes(pkt), &ip, pattern, 64);
	net_input(kit.net, kit.netif, pkt);
	assert_int_equal(kit.net->defrag.datagram_count, 1);
	assert_true(kit.net->defrag.bytes < 1024);
	kit_step(&kit, 31 * TEE_NS_PER_S);
	kit_take_all(&kit);
	kit_close(&kit);
}

/* Thousands of pieces of eight bytes are an attack, not a datagram. */
static void the_number_of_pieces_is_bounded(void **state)
{
	static struct kit kit;
	static struct seen seen;

	open_kit(&kit, &seen);
	for (uint32_t i = 0; i <= DEFRAG_FRAGMENTS_MAX; i++)
		give_piece(&kit, false, 1, 16 * i, 8, true);
	assert_int_equal(kit_count(&kit, DROP_FRAG_LIMIT), 1);
	assert_int_equal(kit.net->defrag.bytes, 0);
	kit_step(&kit, 31 * TEE_NS_PER_S);
	kit_close(&kit);
}

/* RFC 6946: a fragment that is the whole packet waits for nobody, and disturbs nobody. */
static void atomic_fragments_stand_alone(void **state)
{
	static struct kit kit;
	static struct seen seen;

	open_kit(&kit, &seen);
	give_piece(&kit, true, 1, 0, 800, true);
	give_piece(&kit, true, 1, 0, 500, false);
	assert_int_equal(seen.count, 1);
	assert_int_equal(seen.len, 500);
	give_piece(&kit, true, 1, 800, 100, false);
	assert_int_equal(seen.count, 2);
	assert_int_equal(seen.len, 900);
	kit_close(&kit);
}

/* RFC 6980: nobody's neighbour discovery comes in pieces. */
static void fragmented_nd_is_dropped(void **state)
{
	static struct kit kit;
	struct ip_header ip = kit_ip(&PEER_IP6, &OUR_IP6, IP_PROTO_ICMP6);
	struct nd_message nd = {.type = ICMP6_NEIGHBOUR_SOLICIT,
				.target = OUR_IP6,
				.has_source_mac = true,
				.source_mac = peer_mac};
	uint8_t bytes[72];
	size_t len = nd_write(bytes, &nd);

	kit_open_plain(&kit, 0);
	ip.is_fragment = true;
	ip.ttl = 255;
	ip.more_fragments = true;
	kit_give_ip(&kit, &ip, bytes, 16);
	ip.more_fragments = false;
	ip.frag_offset = 16;
	kit_give_ip(&kit, &ip, bytes + 16, len - 16);
	assert_int_equal(kit_count(&kit, DROP_FRAG_MALFORMED), 1);
	assert_int_equal(kit_count(&kit, COUNT_ND_IN), 0);
	assert_false(kit_take(&kit));
	kit_close(&kit);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_order_gives_the_datagram),
		cmocka_unit_test(repeated_pieces_do_no_harm),
		cmocka_unit_test(overlaps_and_lies_end_the_datagram),
		cmocka_unit_test(pieces_past_the_longest_datagram_are_dropped),
		cmocka_unit_test(time_runs_out_and_the_sender_is_told),
		cmocka_unit_test(memory_is_bounded),
		cmocka_unit_test(small_pieces_do_not_hold_large_buffers),
		cmocka_unit_test(the_number_of_pieces_is_bounded),
		cmocka_unit_test(atomic_fragments_stand_alone),
		cmocka_unit_test(fragmented_nd_is_dropped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
