/* SPDX-License-Identifier: MIT */
/* TIME-WAIT: what a segment gets, the queue of expiry, the demux beneath. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "base/check.h"
#include "tcp/timewait.h"

enum {
	SYN = TEE_TCP_SYN,
	ACK = TEE_TCP_ACK,
	RST = TEE_TCP_RST,
	FIN = TEE_TCP_FIN,
	PSH = TEE_TCP_PSH,
};
#define S(n)      ((uint64_t)(n)*1000000000u)
#define RCV_NXT   UINT32_C(0xfffffffe)
#define TS_RECENT UINT32_C(0xffffff00)

/* Proves: SHLD-4 MAY-2 MUST-13 */
static void test_segments(void **state)
{
	static const struct {
		const char *what;
		unsigned flags;
		int seq; /* from rcv.nxt */
		uint32_t len;
		int ts; /* from TS.Recent; 9999: none */
		int verdict;
	} cases[] = {
		{"FIN again", FIN | ACK, -1, 0, 9999, TIMEWAIT_ACK_RESTART},
		{"FIN again with data", FIN | ACK, -101, 100, 9999, TIMEWAIT_ACK_RESTART},
		{"FIN again, newer timestamp", FIN | ACK, -1, 0, 5, TIMEWAIT_ACK_RESTART},
		{"FIN from before, by timestamp", FIN | ACK, -1, 0, -5, TIMEWAIT_ACK},
		{"another FIN", FIN | ACK, 0, 0, 9999, TIMEWAIT_ACK},
		{"bare ACK", ACK, 0, 0, 9999, TIMEWAIT_IGNORE},
		{"old ACK, keep-alive", ACK, -1, 0, 9999, TIMEWAIT_ACK},
		{"old data", ACK | PSH, -500, 100, 9999, TIMEWAIT_ACK},
		{"new data", ACK | PSH, 0, 100, 9999, TIMEWAIT_ACK},
		{"no ACK", PSH, 0, 100, 9999, TIMEWAIT_IGNORE},
		{"RFC 1337: RST", RST, 0, 0, 9999, TIMEWAIT_IGNORE},
		{"RST in the window", RST | ACK, 10, 0, 9999, TIMEWAIT_IGNORE},
		{"RST with an old timestamp", RST | ACK, 0, 0, -5, TIMEWAIT_IGNORE},
		{"SYN above", SYN, 1, 0, 9999, TIMEWAIT_REUSE},
		{"SYN far above", SYN, 0x7ffffff0, 0, 9999, TIMEWAIT_REUSE},
		{"SYN at rcv.nxt", SYN, 0, 0, 9999, TIMEWAIT_ACK},
		{"SYN below", SYN, -1000, 0, 9999, TIMEWAIT_ACK},
		{"SYN below, newer timestamp", SYN, -1000, 0, 1, TIMEWAIT_REUSE},
		{"SYN above, older timestamp", SYN, 1000, 0, -1, TIMEWAIT_ACK},
		{"SYN above, equal timestamp", SYN, 1000, 0, 0, TIMEWAIT_REUSE},
		{"SYN below, equal timestamp", SYN, -1000, 0, 0, TIMEWAIT_ACK},
		{"SYN with ACK", SYN | ACK, 1000, 0, 9999, TIMEWAIT_ACK},
		{"SYN with RST", SYN | RST, 1000, 0, 9999, TIMEWAIT_IGNORE},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct timewait tw = {
			.stub.flags = TIMEWAIT_HAS_TS,
			.rcv_nxt = seq32(RCV_NXT),
			.ts_recent = TS_RECENT,
		};
		struct tcp_header header = {
			.flags = (uint16_t)cases[i].flags,
			.seq = seq32(RCV_NXT + (uint32_t)cases[i].seq),
		};

		header.options.has_ts = cases[i].ts != 9999;
		header.options.ts_val = TS_RECENT + (uint32_t)cases[i].ts;
		if ((int)timewait_on_segment(&tw, &header, cases[i].len) != cases[i].verdict)
			fail_msg("%s", cases[i].what);
	}
}

/* An orphan in FIN-WAIT-2: waits for the FIN, refuses data. */
static void test_fin_wait_2(void **state)
{
	static const struct {
		unsigned flags;
		int seq;
		uint32_t len;
		int verdict;
		bool is_over;
	} cases[] = {
		{FIN | ACK, 0, 0, TIMEWAIT_ACK_RESTART, true},
		{ACK, 0, 0, TIMEWAIT_IGNORE, false},
		{ACK, -1, 0, TIMEWAIT_ACK, false},
		{ACK | PSH, 0, 10, TIMEWAIT_RESET, false},
		{ACK | PSH | FIN, 0, 10, TIMEWAIT_RESET, false},
		{ACK | PSH, -10, 10, TIMEWAIT_ACK, false},
		{RST, 0, 0, TIMEWAIT_RST_END, false},
		{RST, 1, 0, TIMEWAIT_IGNORE, false},
		{SYN, 1000, 0, TIMEWAIT_ACK, false},
		{FIN, 0, 0, TIMEWAIT_IGNORE, false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct timewait tw = {
			.stub.flags = TIMEWAIT_IN_FIN_WAIT_2,
			.rcv_nxt = seq32(RCV_NXT),
		};
		struct tcp_header header = {
			.flags = (uint16_t)cases[i].flags,
			.seq = seq32(RCV_NXT + (uint32_t)cases[i].seq),
		};

		assert_int_equal(timewait_on_segment(&tw, &header, cases[i].len), cases[i].verdict);
		assert_int_equal(!(tw.stub.flags & TIMEWAIT_IN_FIN_WAIT_2), cases[i].is_over);
		assert_int_equal(tw.rcv_nxt.raw, RCV_NXT + (cases[i].is_over ? 1 : 0));
	}
}

/* ---- the queue ---- */

struct kit {
	struct slab_arena arena;
	struct tcp_demux demux;
	struct timewait_queue queue;
};

static void setup(struct kit *kit, uint32_t count_max)
{
	struct siphash_key secret = {1, 2};
	const struct tee_memory memory = {0};

	demux_init(&kit->demux, &secret, NULL);
	slab_arena_init(&kit->arena, &memory, false);
	timewait_queue_init(&kit->queue, &kit->demux, &kit->arena, S(60), count_max);
}

static struct tcp_key key_of(unsigned n)
{
	struct tcp_key key = {
		.local_ip = TEE_IP4(10, 0, 0, 1),
		.remote_ip = TEE_IP4(10, 0, 0, 2),
		.local_port = 80,
		.remote_port = (uint16_t)n,
	};

	/* Every second one is IPv6, whose keys are longer. */
	if (n % 2)
		key.local_ip.byte[0] = key.remote_ip.byte[0] = 0xfd;
	return key;
}

static struct timewait *find(struct kit *kit, unsigned n)
{
	struct tcp_key key = key_of(n);

	struct tcp_stub *stub = demux_find(&kit->demux, &key);

	return stub ? CONTAINER_OF(stub, struct timewait, stub) : NULL;
}

static void enter(struct kit *kit, unsigned n, uint64_t now_ns)
{
	struct tcp_node node = {.key = key_of(n)};
	struct timewait *tw = timewait_new(&kit->queue, &node, seq32(1), seq32(2), true, 3, now_ns);

	struct tcp_key key;

	assert_non_null(tw);
	key = stub_key(&tw->stub);
	assert_memory_equal(&key, &node.key, sizeof(key));
	assert_int_equal(demux_insert(&kit->demux, &tw->stub), 0);
}

static void fini(struct kit *kit)
{
	timewait_queue_fini(&kit->queue);
	assert_int_equal(kit->queue.count, 0);
	assert_int_equal(kit->demux.table.count, 0);
	demux_fini(&kit->demux);
	slab_arena_fini(&kit->arena);
}

static void test_expiry(void **state)
{
	struct kit kit;
	uint64_t next_ns;

	(void)state;
	setup(&kit, 100);
	for (unsigned n = 0; n < 10; n++)
		enter(&kit, n, S(100 + n));
	/* Never early, at most a tick (a millisecond) late. */
	next_ns = timewait_expire(&kit.queue, S(100));
	assert_in_range(next_ns, S(160), S(160) + (1 << 20));
	assert_int_equal(timewait_expire(&kit.queue, next_ns - 1), next_ns);
	timewait_expire(&kit.queue, next_ns);
	assert_null(find(&kit, 0));
	assert_non_null(find(&kit, 1));
	timewait_end(&kit.queue, find(&kit, 5));
	assert_null(find(&kit, 5));
	assert_int_equal(kit.queue.count, 8);
	assert_int_equal(timewait_expire(&kit.queue, S(200)), UINT64_MAX);
	assert_int_equal(kit.queue.count, 0);
	fini(&kit);
}

static void test_limit(void **state)
{
	struct kit kit;

	(void)state;
	setup(&kit, 3);
	for (unsigned n = 0; n < 10; n++)
		enter(&kit, n, S(100 + n));
	assert_int_equal(kit.queue.count, 3);
	assert_int_equal(kit.queue.evicted_count, 7);
	assert_null(find(&kit, 6));
	assert_non_null(find(&kit, 7));
	fini(&kit);
}

/* A FIN in the middle of its time: 2 MSL from then, though others expire before. */
static void test_restart(void **state)
{
	struct kit kit;

	(void)state;
	setup(&kit, 100);
	enter(&kit, 1, S(100));
	enter(&kit, 2, S(110));
	timewait_restart(&kit.queue, find(&kit, 1), S(150));
	assert_int_equal(kit.queue.count, 2);
	timewait_expire(&kit.queue, S(171));
	assert_null(find(&kit, 2));
	assert_non_null(find(&kit, 1));
	assert_in_range(timewait_expire(&kit.queue, S(171)), S(210), S(210) + (1 << 20));
	/* The last one in the queue just gets its new time. */
	timewait_restart(&kit.queue, find(&kit, 1), S(180));
	assert_in_range(timewait_expire(&kit.queue, S(181)), S(240), S(240) + (1 << 20));
	fini(&kit);
}

/* A flood of FINs: nobody ends early, it takes no memory, and others don't wait for it. */
static void test_restart_flood(void **state)
{
	struct kit kit;
	unsigned entries = 0;

	(void)state;
	setup(&kit, 100);
	enter(&kit, 1, S(100));
	enter(&kit, 2, S(100));
	enter(&kit, 3, S(101));
	for (unsigned i = 0; i < 50000; i++) {
		uint64_t now_ns = S(101) + i * S(1) / 1000;

		timewait_restart(&kit.queue, find(&kit, 1), now_ns);
		timewait_restart(&kit.queue, find(&kit, 3), now_ns);
	}
	for (const struct timewait *tw = kit.queue.head; tw; tw = tw->next)
		entries++;
	assert_int_equal(entries, 3);
	assert_int_equal(kit.queue.count, 3);
	assert_non_null(find(&kit, 2));
	timewait_expire(&kit.queue, S(160) + (1 << 20));
	assert_null(find(&kit, 2));
	assert_non_null(find(&kit, 1));
	assert_non_null(find(&kit, 3));
	timewait_expire(&kit.queue, S(210));
	assert_non_null(find(&kit, 1));
	timewait_expire(&kit.queue, S(216));
	assert_null(find(&kit, 1));
	fini(&kit);
}

/* Many that are started anew, each a little later than the one behind it, don't add up to a long wait for others. */
static void test_restart_chain(void **state)
{
	enum { COUNT = 40, VICTIM = COUNT };
	struct kit kit;

	(void)state;
	setup(&kit, 100);
	for (unsigned n = 0; n <= COUNT; n++)
		enter(&kit, n, S(100));
	for (uint64_t at_s = 100; at_s < 300; at_s += 3) {
		timewait_expire(&kit.queue, S(at_s));
		for (unsigned n = COUNT; n-- > 0;)
			timewait_restart(&kit.queue, find(&kit, n), S(at_s));
		assert_int_equal(find(&kit, VICTIM) != NULL, at_s <= 160);
	}
	assert_int_equal(kit.queue.count, COUNT);
	assert_int_equal(timewait_expire(&kit.queue, S(361)), UINT64_MAX);
	fini(&kit);
}

/* A clock of more than 52 days wraps the ticks. */
static void test_late_clock(void **state)
{
	struct kit kit;
	uint64_t start_ns = (UINT64_C(1) << 52) - S(10);

	(void)state;
	setup(&kit, 100);
	enter(&kit, 1, start_ns);
	assert_in_range(timewait_expire(&kit.queue, start_ns), start_ns + S(60),
			start_ns + S(60) + (1 << 20));
	assert_non_null(find(&kit, 1));
	timewait_expire(&kit.queue, start_ns + S(61));
	assert_null(find(&kit, 1));
	fini(&kit);
}

static void test_demux(void **state)
{
	struct tcp_node nodes[50], fresh;
	struct tcp_key key;
	struct kit kit;

	(void)state;
	setup(&kit, 1);
	for (unsigned n = 0; n < ARRAY_LEN(nodes); n++) {
		nodes[n] = (struct tcp_node){.key = key_of(n)};
		assert_int_equal(demux_insert(&kit.demux, &nodes[n].stub), 0);
	}
	for (unsigned n = 0; n < ARRAY_LEN(nodes); n++) {
		key = key_of(n);
		assert_ptr_equal(demux_find(&kit.demux, &key), &nodes[n].stub);
	}
	/* Each part of the key counts. */
	key = key_of(3);
	key.local_port = 81;
	assert_null(demux_find(&kit.demux, &key));
	key = key_of(3);
	key.local_ip.byte[15] ^= 1;
	assert_null(demux_find(&kit.demux, &key));
	key = key_of(3);
	key.remote_ip.byte[0] ^= 1;
	assert_null(demux_find(&kit.demux, &key));
	fresh = (struct tcp_node){.key = key_of(3)};
	demux_replace(&kit.demux, &nodes[3].stub, &fresh.stub);
	key = key_of(3);
	assert_ptr_equal(demux_find(&kit.demux, &key), &fresh.stub);
	demux_remove(&kit.demux, &fresh.stub);
	assert_null(demux_find(&kit.demux, &key));
	for (unsigned n = 0; n < ARRAY_LEN(nodes); n++)
		if (n != 3)
			demux_remove(&kit.demux, &nodes[n].stub);
	fini(&kit);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_segments),      cmocka_unit_test(test_fin_wait_2),
		cmocka_unit_test(test_expiry),        cmocka_unit_test(test_limit),
		cmocka_unit_test(test_restart),       cmocka_unit_test(test_restart_flood),
		cmocka_unit_test(test_late_clock),    cmocka_unit_test(test_demux),
		cmocka_unit_test(test_restart_chain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
