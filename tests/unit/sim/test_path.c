/* SPDX-License-Identifier: MIT */
/* One direction of a link: when packets come out, which don't, and what the disciplines do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "base/byteorder.h"
#include "sim/path.h"
#include "wire/checksum.h"
#include "wire/ip.h"

struct bench {
	struct sim_heap heap;
	struct sim_path path;
	uint64_t now_ns;
	unsigned arrived;
	uint64_t last_ns, delay_sum_ns;
	unsigned numbers[4096]; /* in the order of arrival */
	unsigned ce;
};

/* An IPv4 packet that allows marks (ECT(0)) and carries a number. */
static struct sim_packet *make_packet(uint32_t len, unsigned number)
{
	struct ip_header ip = {.src = TEE_IP4(10, 0, 0, 1), .dst = TEE_IP4(10, 0, 0, 2)};
	struct sim_packet *packet = calloc(1, sizeof(*packet) + len);

	assert_non_null(packet);
	ip.version = 4;
	ip.protocol = IP_PROTO_UDP;
	ip.ttl = 64;
	ip.tos = 2;
	packet->len = len;
	ip4_write(packet->data, &ip, len - IP4_HEADER_LEN);
	memcpy(packet->data + IP4_HEADER_LEN, &number, sizeof(number));
	return packet;
}

static void bench_arrive(void *owner, void *arg)
{
	struct bench *bench = owner;
	struct sim_packet *packet = arg;
	struct ip_header ip;
	uint32_t pointer;
	unsigned number;

	memcpy(&number, packet->data + IP4_HEADER_LEN, sizeof(number));
	bench->numbers[bench->arrived++ % 4096] = number;
	bench->last_ns = bench->now_ns;
	if (bench->path.config.corrupt == 0 && (packet->data[1] & 3) == 3) {
		bench->ce++;
		assert_int_equal(ip_parse(packet->data, packet->len, true, &ip, &pointer),
				 IP_PARSE_OK);
	}
	free(packet);
}

static void bench_init(struct bench *bench, const struct sim_path_config *config)
{
	memset(bench, 0, sizeof(*bench));
	sim_heap_init(&bench->heap);
	sim_path_init(&bench->path, config, 7, &bench->heap, &bench->now_ns, bench_arrive, bench);
}

static void bench_fini(struct bench *bench)
{
	sim_path_fini(&bench->path);
	sim_heap_fini(&bench->heap);
}

static void bench_run(struct bench *bench, uint64_t until_ns)
{
	while (sim_heap_next(&bench->heap) <= until_ns) {
		struct sim_happening item = sim_heap_pop(&bench->heap);

		assert_true(item.at_ns >= bench->now_ns);
		bench->now_ns = item.at_ns;
		item.fn(item.owner, item.arg);
	}
	bench->now_ns = until_ns;
}

static void test_rate_and_delay(void **state)
{
	/* 1,000 bytes at 8 Mbit/s take 1 ms; then 10 ms on the wire. */
	struct sim_path_config config = {.rate_bits_per_s = 8000000, .delay_ns = 10000000};
	struct bench bench;

	(void)state;
	bench_init(&bench, &config);
	for (unsigned i = 0; i < 3; i++)
		sim_path_send(&bench.path, make_packet(1000, i));
	bench_run(&bench, 10999999);
	assert_int_equal(bench.arrived, 0);
	bench_run(&bench, 11000000);
	assert_int_equal(bench.arrived, 1);
	bench_run(&bench, UINT64_C(1000000000));
	assert_int_equal(bench.arrived, 3);
	assert_int_equal(bench.last_ns, 13000000);
	assert_int_equal(bench.path.stats.busy_ns, 3000000);
	assert_int_equal(bench.path.stats.queue_delay_max_ns, 2000000);
	bench_fini(&bench);
}

static void test_drop_tail_keeps_its_limit(void **state)
{
	struct sim_path_config config = {.rate_bits_per_s = 8000000, .queue_bytes = 5000};
	struct bench bench;

	(void)state;
	bench_init(&bench, &config);
	for (unsigned i = 0; i < 20; i++)
		sim_path_send(&bench.path, make_packet(1000, i));
	/* One is being transmitted, five wait. */
	assert_int_equal(bench.path.stats.drops_queue, 14);
	bench_run(&bench, UINT64_C(1000000000));
	assert_int_equal(bench.arrived, 6);
	assert_int_equal(bench.path.stats.queue_bytes_max, 5000);
	bench_fini(&bench);
}

static void test_order(void **state)
{
	static const struct {
		uint64_t jitter_ns;
		double reorder;
		bool may_overtake;
	} cases[] = {
		{0, 0, false},
		{5000000, 0, false}, /* jitter keeps the order */
		{0, 0.2, true},
	};

	(void)state;
	for (unsigned c = 0; c < 3; c++) {
		struct sim_path_config config = {.delay_ns = 1000000,
						 .jitter_ns = cases[c].jitter_ns,
						 .reorder = cases[c].reorder};
		struct bench bench;
		unsigned overtakes = 0;

		bench_init(&bench, &config);
		for (unsigned i = 0; i < 1000; i++) {
			sim_path_send(&bench.path, make_packet(100, i));
			bench_run(&bench, bench.now_ns + 100000);
		}
		bench_run(&bench, UINT64_C(10000000000));
		assert_int_equal(bench.arrived, 1000);
		for (unsigned i = 1; i < 1000; i++)
			overtakes += bench.numbers[i] < bench.numbers[i - 1];
		if (cases[c].may_overtake)
			assert_in_range(overtakes, 50, 400);
		else
			assert_int_equal(overtakes, 0);
		bench_fini(&bench);
	}
}

static void test_shares(void **state)
{
	struct sim_path_config config = {.loss = 0.1, .duplicate = 0.2, .corrupt = 0.05};
	struct bench bench;

	(void)state;
	bench_init(&bench, &config);
	for (unsigned i = 0; i < 10000; i++) {
		sim_path_send(&bench.path, make_packet(100, 1));
		bench_run(&bench, bench.now_ns + 1000);
	}
	assert_in_range(bench.path.stats.drops_loss, 900, 1100);
	assert_in_range(bench.path.stats.duplicated, 1650, 1950); /* of what was not lost */
	assert_in_range(bench.path.stats.corrupted, 380, 520);
	assert_int_equal(bench.arrived,
			 10000 - bench.path.stats.drops_loss + bench.path.stats.duplicated);
	bench_fini(&bench);
}

static void test_bursts(void **state)
{
	/* Bad for 5 packets at a time, once in 100 packets: about 5% are lost, in runs. */
	struct sim_path_config config = {.burst_enter = 0.01, .burst_leave = 0.2, .burst_loss = 1};
	struct bench bench;
	unsigned runs = 0, last = 0;

	(void)state;
	bench_init(&bench, &config);
	for (unsigned i = 0; i < 4000; i++) {
		sim_path_send(&bench.path, make_packet(100, i));
		bench_run(&bench, bench.now_ns + 1000);
	}
	for (unsigned i = 0; i < bench.arrived; i++) {
		runs += bench.numbers[i] > last + 1;
		last = bench.numbers[i];
	}
	assert_in_range(bench.path.stats.drops_loss, 100, 320);
	assert_true(bench.path.stats.drops_loss > 3 * runs);
	bench_fini(&bench);
}

static void test_blackout(void **state)
{
	struct sim_path_config config = {.delay_ns = 1000};
	struct bench bench;

	(void)state;
	bench_init(&bench, &config);
	sim_path_send(&bench.path, make_packet(100, 1)); /* under way: it arrives */
	bench.path.config.is_down = true;
	sim_path_send(&bench.path, make_packet(100, 2));
	bench.path.config.is_down = false;
	sim_path_send(&bench.path, make_packet(100, 3));
	bench_run(&bench, 1000000);
	assert_int_equal(bench.arrived, 2);
	assert_int_equal(bench.numbers[1], 3);
	assert_int_equal(bench.path.stats.drops_down, 1);
	bench_fini(&bench);
}

/* A sender twice as fast as the link, for five seconds, into a deep queue. */
static void overload(struct bench *bench, enum sim_qdisc qdisc, bool ecn)
{
	struct sim_path_config config = {.rate_bits_per_s = 8000000,
					 .queue_bytes = 10 << 20,
					 .qdisc = qdisc,
					 .ecn = ecn,
					 .red_min_bytes = 20000,
					 .red_max_bytes = 60000};

	bench_init(bench, &config);
	for (unsigned i = 0; i < 10000; i++) {
		sim_path_send(&bench->path, make_packet(1000, i));
		bench_run(bench, bench->now_ns + 500000);
	}
}

static void test_disciplines(void **state)
{
	static const struct {
		enum sim_qdisc qdisc;
		bool ecn;
		unsigned marks_min, drops_min;
		uint64_t queue_max;
	} cases[] = {
		{SIM_DROPTAIL, true, 0, 0, UINT64_MAX}, {SIM_CODEL, false, 0, 50, UINT64_MAX},
		{SIM_CODEL, true, 50, 0, UINT64_MAX},   {SIM_RED, false, 0, 3000, 300000},
		{SIM_RED, true, 500, 0, 300000},
	};

	(void)state;
	for (unsigned c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
		struct bench bench;

		overload(&bench, cases[c].qdisc, cases[c].ecn);
		assert_true(bench.path.stats.drops_aqm >= cases[c].drops_min);
		assert_true(bench.path.stats.marked >= cases[c].marks_min);
		assert_true(bench.path.stats.queue_bytes_max <= cases[c].queue_max);
		if (!cases[c].ecn)
			assert_int_equal(bench.path.stats.marked, 0);
		if (cases[c].qdisc == SIM_DROPTAIL)
			assert_int_equal(bench.path.stats.drops_aqm, 0);
		assert_true(bench.ce <= bench.path.stats.marked);
		bench_fini(&bench);
	}
}

/* CoDel lets a queue be that drains within the interval, however deep it was for a moment. */
static void test_codel_spares_bursts(void **state)
{
	struct sim_path_config config = {
		.rate_bits_per_s = 8000000, .queue_bytes = 1 << 20, .qdisc = SIM_CODEL};
	struct bench bench;

	(void)state;
	bench_init(&bench, &config);
	for (unsigned burst = 0; burst < 20; burst++) {
		for (unsigned i = 0; i < 60; i++)
			sim_path_send(&bench.path, make_packet(1000, i));
		bench_run(&bench, bench.now_ns + 200000000);
	}
	assert_int_equal(bench.path.stats.drops_aqm, 0);
	assert_int_equal(bench.arrived, 20 * 60);
	bench_fini(&bench);
}

static void test_same_seed_same_fate(void **state)
{
	struct sim_path_config config = {.delay_ns = 5000, .jitter_ns = 100000, .loss = 0.2};
	struct bench a, b;

	(void)state;
	bench_init(&a, &config);
	bench_init(&b, &config);
	for (unsigned i = 0; i < 500; i++) {
		sim_path_send(&a.path, make_packet(100, i));
		sim_path_send(&b.path, make_packet(100, i));
	}
	bench_run(&a, 1000000);
	bench_run(&b, 1000000);
	assert_int_equal(a.arrived, b.arrived);
	assert_int_equal(a.last_ns, b.last_ns);
	assert_memory_equal(a.numbers, b.numbers, sizeof(a.numbers));
	bench_fini(&a);
	bench_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rate_and_delay),
		cmocka_unit_test(test_drop_tail_keeps_its_limit),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_shares),
		cmocka_unit_test(test_bursts),
		cmocka_unit_test(test_blackout),
		cmocka_unit_test(test_disciplines),
		cmocka_unit_test(test_codel_spares_bursts),
		cmocka_unit_test(test_same_seed_same_fate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
