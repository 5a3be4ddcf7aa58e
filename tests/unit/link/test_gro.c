/* SPDX-License-Identifier: MIT */
/* Joining received segments: what may become one super-frame, what must not, and that nothing is lost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "frames.h"
#include "link/gro.h"
#include "link/gso.h"

enum { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16, URG = 32, ECE = 64, CWR = 128 };
enum { BATCH_MAX = 64, SEQ = 0xfffffa00 };

static struct tee_pool *pool;
static struct gro gro;
static struct tee_pkt *batch[BATCH_MAX];
static unsigned batch_count;

static void begin(void)
{
	while (batch_count > 0)
		tee_pkt_release(batch[--batch_count]);
	gro_begin(&gro, TEE_NETIF_ETHERNET, pool, batch);
}

/* As a link does it; returns whether the frame was joined. */
static bool receive(const uint8_t *frame, size_t len, enum tee_checksum_state state)
{
	struct tee_pkt *pkt;

	if (gro_join(&gro, frame, (uint32_t)len, state))
		return true;
	pkt = tee_pkt_new(pool, len);
	assert_non_null(pkt);
	memcpy(tee_pkt_bytes(pkt), frame, len);
	pkt->len = (uint32_t)len;
	pkt->checksum_state = (uint8_t)state;
	batch[batch_count] = pkt;
	gro_hold(&gro, batch_count++);
	return false;
}

static int set_up(void **state)
{
	pool = tee_pool_new(0);
	memset(&gro, 0, sizeof(gro));
	begin();
	return 0;
}

static int tear_down(void **state)
{
	begin();
	tee_pool_free(pool);
	return 0;
}

/* Makes the sums right again after a header was changed. */
static void finish(uint8_t *frame)
{
	uint8_t *ip = frame + 14, *t = ip + (ip[0] >> 4 == 4 ? (ip[0] & 15) * 4 : 40);
	size_t len = ip[0] >> 4 == 4 ? get16(ip + 2) - (size_t)(ip[0] & 15) * 4 : get16(ip + 4);

	if (ip[0] >> 4 == 4) {
		put16(ip + 10, 0);
		put16(ip + 10, ~sum16(0, ip, (size_t)(ip[0] & 15) * 4) & 0xffff);
	}
	put16(t + 16, pseudo16(ip, 6, len));
	put16(t + 16, ~sum16(0, t, len) & 0xffff);
}

/* ---- pairs: a first segment, and a second that differs in one thing ---- */

struct change {
	const char *what;
	int version;
	size_t second_payload;
	uint32_t seq_off; /* beyond the contiguous one */
	unsigned first_flags, second_flags;
	/* a byte of the second frame, and the bits that change; 0: none */
	size_t at;
	unsigned xor ;
	bool is_bad; /* the second's checksum is left wrong after the change */
	bool joins;
};

static const struct change changes[] = {
	{.what = "plain", .version = 4, .second_payload = 1000, .joins = true},
	{.what = "plain, version 6", .version = 6, .second_payload = 1000, .joins = true},
	{.what = "a shorter one", .version = 4, .second_payload = 1, .joins = true},
	{.what = "a longer one", .version = 4, .second_payload = 1001},
	{.what = "no data", .version = 4, .second_payload = 0},
	{.what = "a gap", .version = 4, .second_payload = 1000, .seq_off = 1},
	{.what = "the same again",
	 .version = 4,
	 .second_payload = 1000,
	 .seq_off = (uint32_t)-1000},
	{.what = "PSH ends",
	 .version = 4,
	 .second_payload = 1000,
	 .second_flags = PSH,
	 .joins = true},
	{.what = "FIN ends",
	 .version = 4,
	 .second_payload = 1000,
	 .second_flags = FIN,
	 .joins = true},
	{.what = "behind PSH", .version = 4, .second_payload = 1000, .first_flags = PSH},
	{.what = "behind FIN", .version = 4, .second_payload = 1000, .first_flags = FIN},
	{.what = "SYN", .version = 4, .second_payload = 1000, .second_flags = SYN},
	{.what = "RST", .version = 4, .second_payload = 1000, .second_flags = RST},
	{.what = "URG", .version = 4, .second_payload = 1000, .second_flags = URG},
	{.what = "both URG",
	 .version = 4,
	 .second_payload = 1000,
	 .first_flags = URG,
	 .second_flags = URG},
	{.what = "CWR", .version = 4, .second_payload = 1000, .second_flags = CWR},
	{.what = "behind CWR", .version = 4, .second_payload = 1000, .first_flags = CWR},
	{.what = "ECE comes", .version = 4, .second_payload = 1000, .second_flags = ECE},
	{.what = "ECE in both",
	 .version = 4,
	 .second_payload = 1000,
	 .first_flags = ECE,
	 .second_flags = ECE,
	 .joins = true},
	{.what = "AE (RFC 9768)", .version = 4, .second_payload = 1000, .at = 46, .xor = 0x01},
	{.what = "a reserved bit", .version = 4, .second_payload = 1000, .at = 46, .xor = 0x02},
	{.what = "ACK number", .version = 4, .second_payload = 1000, .at = 45, .xor = 1},
	{.what = "window", .version = 4, .second_payload = 1000, .at = 49, .xor = 1},
	{.what = "urgent pointer", .version = 4, .second_payload = 1000, .at = 53, .xor = 1},
	{.what = "an option", .version = 4, .second_payload = 1000, .at = 65, .xor = 1},
	{.what = "source port", .version = 4, .second_payload = 1000, .at = 35, .xor = 1},
	{.what = "destination port", .version = 4, .second_payload = 1000, .at = 37, .xor = 1},
	{.what = "source address", .version = 4, .second_payload = 1000, .at = 29, .xor = 4},
	{.what = "destination address", .version = 6, .second_payload = 1000, .at = 53, .xor = 4},
	{.what = "CE mark", .version = 4, .second_payload = 1000, .at = 15, .xor = 3},
	{.what = "CE mark, version 6", .version = 6, .second_payload = 1000, .at = 15, .xor = 0x30},
	{.what = "flow label", .version = 6, .second_payload = 1000, .at = 17, .xor = 1},
	{.what = "DSCP", .version = 4, .second_payload = 1000, .at = 15, .xor = 0xb8},
	{.what = "TTL", .version = 4, .second_payload = 1000, .at = 22, .xor = 1},
	{.what = "hop limit", .version = 6, .second_payload = 1000, .at = 21, .xor = 1},
	{.what = "identification",
	 .version = 4,
	 .second_payload = 1000,
	 .at = 19,
	 .xor = 1,
	 .joins = true},
	{.what = "DF", .version = 4, .second_payload = 1000, .at = 20, .xor = 0x40},
	{.what = "a fragment", .version = 4, .second_payload = 1000, .at = 20, .xor = 0x60},
	{.what = "a later fragment", .version = 4, .second_payload = 1000, .at = 21, .xor = 1},
	{.what = "UDP", .version = 4, .second_payload = 1000, .at = 23, .xor = 6 ^ 17},
	{.what = "MAC", .version = 4, .second_payload = 1000, .at = 11, .xor = 1},
	{.what = "no IP", .version = 4, .second_payload = 1000, .at = 13, .xor = 6},
	{.what = "bad TCP checksum",
	 .version = 4,
	 .second_payload = 1000,
	 .at = 900,
	 .xor = 1,
	 .is_bad = true},
	{.what = "bad IP checksum",
	 .version = 4,
	 .second_payload = 1000,
	 .at = 24,
	 .xor = 1,
	 .is_bad = true},
	{.what = "bad checksum, version 6",
	 .version = 6,
	 .second_payload = 1000,
	 .at = 900,
	 .xor = 1,
	 .is_bad = true},
};

static void only_what_is_alike_is_joined(void **state)
{
	static uint8_t first[2000], second[2000], segment[2000];

	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		const struct change *change = &changes[i];
		struct frame_spec spec = {.version = change->version,
					  .seq = SEQ,
					  .flags = ACK | change->first_flags,
					  .payload = 1000,
					  .options = 12};
		size_t first_len = make_frame(first, &spec), second_len;
		struct gso_split split;
		bool joined;

		spec.seq += 1000 + change->seq_off;
		spec.flags = ACK | change->second_flags;
		spec.payload = change->second_payload;
		second_len = make_frame(second, &spec);
		second[change->at] ^= (uint8_t)change->xor ;
		if (change->xor &&!change->is_bad)
			finish(second);
		begin();
		assert_false(receive(first, first_len, TEE_CHECKSUM_UNKNOWN));
		joined = receive(second, second_len, TEE_CHECKSUM_UNKNOWN);
		if (joined != change->joins)
			fail_msg("%s: %s", change->what, joined ? "joined" : "not joined");
		assert_int_equal(batch_count, joined ? 1 : 2);
		if (!joined) {
			/* Neither was touched. */
			assert_int_equal(batch[0]->len, first_len);
			assert_memory_equal(tee_pkt_bytes(batch[0]), first, first_len);
			assert_int_equal(batch[1]->len, second_len);
			assert_memory_equal(tee_pkt_bytes(batch[1]), second, second_len);
			assert_int_equal(batch[0]->gso_size, 0);
			continue;
		}
		assert_int_equal(batch[0]->gso_size, 1000);
		assert_int_equal(batch[0]->gso_type,
				 change->version == 4 ? TEE_GSO_TCP4 : TEE_GSO_TCP6);
		assert_int_equal(batch[0]->checksum_state, TEE_CHECKSUM_VERIFIED);
		/* Cut again, it is what came, but for the identification. */
		assert_int_equal(gso_split_begin(&split, tee_pkt_bytes(batch[0]), batch[0]->len,
						 TEE_NETIF_ETHERNET,
						 (enum tee_gso_type)batch[0]->gso_type, 1000),
				 0);
		assert_int_equal(gso_split_next(&split, segment), first_len);
		assert_memory_equal(segment, first, first_len);
		assert_int_equal(gso_split_next(&split, segment), second_len);
		if (change->version == 4) {
			memcpy(segment + 18, second + 18, 2);
			finish(segment);
		}
		assert_memory_equal(segment, second, second_len);
		assert_int_equal(gso_split_next(&split, segment), 0);
	}
}

/* ---- more than two ---- */

/* A run of segments as a bulk sender makes them; returns how many were joined. */
static unsigned receive_run(int version, uint32_t seq, unsigned count, size_t payload,
			    enum tee_checksum_state state)
{
	static uint8_t frame[FRAME_MAX];
	unsigned joined = 0;

	for (unsigned i = 0; i < count; i++) {
		struct frame_spec spec = {.version = version,
					  .seq = seq,
					  .flags = ACK,
					  .payload = payload,
					  .options = 12};
		size_t len = make_frame(frame, &spec);

		joined += receive(frame, len, state);
		seq += (uint32_t)payload;
	}
	return joined;
}

static void a_run_fills_64_kib(void **state)
{
	static const struct {
		int version;
		size_t header;
		unsigned segments;
	} cases[] = {{4, 52, 45}, {6, 72, 45}};

	for (size_t i = 0; i < 2; i++) {
		begin();
		/* Twice: the second batch knows that large buffers are worth their while. */
		for (unsigned round = 0; round < 2; round++) {
			begin();
			assert_int_equal(
				receive_run(cases[i].version, SEQ, 100, 1448, TEE_CHECKSUM_UNKNOWN),
				97);
			assert_int_equal(batch_count, 3);
			for (unsigned k = 0; k < 3; k++) {
				unsigned segments = k < 2 ? cases[i].segments : 10;

				assert_int_equal(batch[k]->len,
						 14 + cases[i].header + segments * 1448);
				assert_true(checksums_are_good(tee_pkt_bytes(batch[k]), 14) == 0);
				assert_int_equal(batch[k]->gso_size, 1448);
				assert_int_equal(get32(tee_pkt_bytes(batch[k]) +
						       (cases[i].version == 4 ? 38 : 58)),
						 (uint32_t)(SEQ + k * 45 * 1448));
			}
		}
	}
	assert_int_equal(gro.joined, 4 * 97);
}

static void what_the_link_vouches_for_is_not_summed(void **state)
{
	static uint8_t frame[2000];
	struct frame_spec spec = {.version = 4, .seq = SEQ, .flags = ACK, .payload = 500};
	size_t len = make_frame(frame, &spec);

	frame[len - 1] ^= 1;
	assert_false(receive(frame, len, TEE_CHECKSUM_VERIFIED));
	spec.seq += 500;
	make_frame(frame, &spec);
	frame[len - 1] ^= 1;
	assert_true(receive(frame, len, TEE_CHECKSUM_VERIFIED));
	assert_int_equal(batch[0]->checksum_state, TEE_CHECKSUM_VERIFIED);
}

/* The first's checksum is looked at when the second comes; a bad one reaches the core as it was. */
static void a_bad_first_one_stays_alone(void **state)
{
	static uint8_t frame[2000];
	struct frame_spec spec = {.version = 4, .seq = SEQ, .flags = ACK, .payload = 500};
	size_t len = make_frame(frame, &spec);

	frame[len - 1] ^= 1;
	assert_false(receive(frame, len, TEE_CHECKSUM_UNKNOWN));
	assert_int_equal(receive_run(4, SEQ + 500, 2, 500, TEE_CHECKSUM_UNKNOWN), 1);
	assert_int_equal(batch_count, 2);
	assert_int_equal(batch[0]->checksum_state, TEE_CHECKSUM_UNKNOWN);
	assert_int_equal(batch[0]->len, len);
}

/* Flows don't disturb each other, and within each the order stays. */
static void flows_are_kept_apart(void **state)
{
	static uint8_t frame[2000];

	for (unsigned i = 0; i < 60; i++) {
		struct frame_spec spec = {
			.version = 4, .seq = SEQ + i / 4 * 100, .flags = ACK, .payload = 100};
		size_t len = make_frame(frame, &spec);

		frame[35] = (uint8_t)(100 + i % 4);
		finish(frame);
		assert_int_equal(receive(frame, len, TEE_CHECKSUM_UNKNOWN), i >= 4);
	}
	assert_int_equal(batch_count, 4);
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(tee_pkt_bytes(batch[i])[35], 100 + i);
		assert_int_equal(batch[i]->len, 54 + 15 * 100);
	}
}

/* More flows than places: joined less, lost nothing. */
static void many_flows_take_turns(void **state)
{
	static uint8_t frame[2000];
	size_t bytes = 0;

	for (unsigned i = 0; i < 60; i++) {
		struct frame_spec spec = {
			.version = 6, .seq = SEQ + i / 20 * 100, .flags = ACK, .payload = 100};
		size_t len = make_frame(frame, &spec);

		frame[55] = (uint8_t)(i % 20);
		finish(frame);
		receive(frame, len, TEE_CHECKSUM_UNKNOWN);
	}
	for (unsigned i = 0; i < batch_count; i++)
		bytes += batch[i]->len - 74;
	assert_int_equal(bytes, 6000);
}

/* An ACK between two segments: what follows it must not overtake it. */
static void order_within_a_flow_stays(void **state)
{
	static uint8_t frame[2000];
	struct frame_spec ack = {.version = 4, .seq = SEQ + 1000, .flags = ACK};
	size_t len = make_frame(frame, &ack);

	assert_int_equal(receive_run(4, SEQ, 2, 500, TEE_CHECKSUM_UNKNOWN), 1);
	assert_false(receive(frame, len, TEE_CHECKSUM_UNKNOWN));
	assert_int_equal(receive_run(4, SEQ + 1000, 2, 500, TEE_CHECKSUM_UNKNOWN), 1);
	assert_int_equal(batch_count, 3);
	assert_int_equal(batch[1]->len, len);
}

static void padding_is_no_payload(void **state)
{
	static uint8_t frame[2000];
	struct frame_spec spec = {.version = 4, .seq = SEQ, .flags = ACK, .payload = 4};
	size_t len = make_frame(frame, &spec);

	assert_false(receive(frame, len, TEE_CHECKSUM_UNKNOWN));
	spec.seq += 4;
	make_frame(frame, &spec);
	assert_true(receive(frame, 60, TEE_CHECKSUM_UNKNOWN));
	assert_int_equal(batch[0]->len, 54 + 8);
	/* Where padding stands behind the first, nothing is appended. */
	begin();
	assert_false(receive(frame, 60, TEE_CHECKSUM_UNKNOWN));
	spec.seq += 4;
	len = make_frame(frame, &spec);
	assert_false(receive(frame, len, TEE_CHECKSUM_UNKNOWN));
}

static void a_sender_s_super_frame_is_left_alone(void **state)
{
	static uint8_t frame[4000];
	struct frame_spec spec = {.version = 4, .seq = SEQ, .flags = ACK, .payload = 2000};
	size_t len = make_frame(frame, &spec);

	assert_false(gro_join(&gro, frame, (uint32_t)len, TEE_CHECKSUM_UNKNOWN));
	batch[0] = tee_pkt_new(pool, len);
	memcpy(tee_pkt_bytes(batch[0]), frame, len);
	batch[0]->len = (uint32_t)len;
	batch[0]->gso_size = 1000;
	batch_count = 1;
	gro_hold(&gro, 0);
	assert_int_equal(receive_run(4, SEQ + 2000, 1, 1000, TEE_CHECKSUM_UNKNOWN), 0);
}

static void without_memory_frames_stay_single(void **state)
{
	struct tee_pool *small = tee_pool_new(6000);

	begin();
	gro_begin(&gro, TEE_NETIF_ETHERNET, small, batch);
	assert_int_equal(receive_run(4, SEQ, 2, 500, TEE_CHECKSUM_UNKNOWN), 0);
	assert_int_equal(batch_count, 2);
	begin();
	tee_pool_free(small);
}

static void raw_ip_is_joined_too(void **state)
{
	static uint8_t frame[2000];

	gro_begin(&gro, TEE_NETIF_RAW_IP, pool, batch);
	for (unsigned i = 0; i < 3; i++) {
		struct frame_spec spec = {
			.version = 6, .seq = SEQ + i * 100, .flags = ACK, .payload = 100};
		size_t len = make_frame(frame, &spec);

		assert_int_equal(receive(frame + 14, len - 14, TEE_CHECKSUM_UNKNOWN), i > 0);
	}
	assert_int_equal(batch[0]->len, 60 + 300);
	assert_int_equal(get16(tee_pkt_bytes(batch[0]) + 4), 20 + 300);
}

/* Every length that a frame can be cut to, at the end of its memory. */
static void short_frames_are_read_to_their_end_only(void **state)
{
	static uint8_t whole[200];

	for (int version = 4; version <= 6; version += 2) {
		struct frame_spec spec = {
			.version = version, .seq = SEQ, .flags = ACK, .payload = 20, .options = 12};
		size_t len = make_frame(whole, &spec);

		for (size_t cut = 0; cut < len; cut++) {
			uint8_t *frame = test_malloc(cut + 1);

			memcpy(frame, whole, cut);
			begin();
			assert_false(receive(frame, cut, TEE_CHECKSUM_UNKNOWN));
			/* A frame whose end is missing is held by nobody. */
			assert_false(receive(frame, cut, TEE_CHECKSUM_UNKNOWN));
			test_free(frame);
		}
	}
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(only_what_is_alike_is_joined),
		TEST(a_run_fills_64_kib),
		TEST(what_the_link_vouches_for_is_not_summed),
		TEST(a_bad_first_one_stays_alone),
		TEST(flows_are_kept_apart),
		TEST(many_flows_take_turns),
		TEST(order_within_a_flow_stays),
		TEST(padding_is_no_payload),
		TEST(a_sender_s_super_frame_is_left_alone),
		TEST(without_memory_frames_stay_single),
		TEST(raw_ip_is_joined_too),
		TEST(short_frames_are_read_to_their_end_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
