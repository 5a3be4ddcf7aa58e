/* SPDX-License-Identifier: MIT */
/* Routers of a world: packets that are too big for the next link are cut, told of, or vanish. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "sim/world.h"
#include "wire/checksum.h"
#include "wire/icmp.h"
#include "wire/ip.h"

enum { NARROW = 1300, FRAMES_MAX = 8 };

/* a - r - s - b, with a link of 1300 bytes in the middle. */
struct bench {
	struct sim *sim;
	struct sim_node *a, *b, *r, *s;
	struct sim_link *links[3];
	struct {
		struct sim_node *at;
		uint32_t len;
		uint8_t data[2000];
	} frames[FRAMES_MAX]; /* that hosts were given */
	unsigned count;
};

static void see(void *arg, struct sim_node *node, bool is_out, const uint8_t *data, uint32_t len,
		uint64_t at_ns)
{
	struct bench *bench = arg;

	(void)at_ns;
	if (is_out)
		return;
	assert_true(bench->count < FRAMES_MAX && len <= sizeof(bench->frames[0].data));
	bench->frames[bench->count].at = node;
	bench->frames[bench->count].len = len;
	memcpy(bench->frames[bench->count++].data, data, len);
}

static void bench_init(struct bench *bench)
{
	struct sim_link_config wide = {.mtu = 1500}, narrow = {.mtu = NARROW};
	struct tee_config config;

	memset(bench, 0, sizeof(*bench));
	tee_config_init(&config);
	bench->sim = sim_new(1);
	bench->a = sim_add_host(bench->sim, "a", &config);
	bench->r = sim_add_router(bench->sim, "r");
	bench->s = sim_add_router(bench->sim, "s");
	bench->b = sim_add_host(bench->sim, "b", &config);
	bench->links[0] = sim_link(bench->sim, bench->a, bench->r, &wide);
	bench->links[1] = sim_link(bench->sim, bench->r, bench->s, &narrow);
	bench->links[2] = sim_link(bench->sim, bench->s, bench->b, &wide);
	assert_non_null(bench->links[2]);
	assert_int_equal(sim_start(bench->sim), 0);
	bench->sim->tap = see;
	bench->sim->tap_arg = bench;
}

/* A UDP packet of `len` bytes enters the link from a; what hosts are given is in frames[]. */
static void send(struct bench *bench, unsigned version, uint32_t len, bool dont_fragment)
{
	uint32_t head = version == 4 ? IP4_HEADER_LEN : IP6_HEADER_LEN;
	struct ip_header ip = {.src = version == 4 ? bench->a->ip4 : bench->a->ip6,
			       .dst = version == 4 ? bench->b->ip4 : bench->b->ip6,
			       .version = (uint8_t)version,
			       .protocol = IP_PROTO_UDP,
			       .ttl = 64,
			       .id = 4711,
			       .dont_fragment = dont_fragment};
	struct sim_packet *packet = calloc(1, sizeof(*packet) + len);

	assert_non_null(packet);
	packet->len = len;
	if (version == 4)
		ip4_write(packet->data, &ip, len - head);
	else
		ip6_write(packet->data, &ip, len - head);
	for (uint32_t i = head; i < len; i++)
		packet->data[i] = (uint8_t)(i * 7);
	sim_path_send(&bench->links[0]->paths[0], packet);
	while (sim_step(bench->sim, bench->sim->now_ns + TEE_NS_PER_MS))
		;
}

static void test_what_fits(void **state)
{
	struct bench bench;

	(void)state;
	bench_init(&bench);
	send(&bench, 4, NARROW, true);
	send(&bench, 6, NARROW, true);
	assert_int_equal(bench.links[1]->paths[0].stats.drops_mtu, 0);
	assert_ptr_equal(bench.frames[0].at, bench.b);
	assert_int_equal(bench.frames[0].len, NARROW);
	sim_free(bench.sim);
}

static void test_told(void **state)
{
	(void)state;
	for (unsigned version = 4; version <= 6; version += 2) {
		struct bench bench;
		struct ip_header ip;
		struct icmp icmp;
		uint32_t pointer, mtu = 0;

		bench_init(&bench);
		send(&bench, version, NARROW + 1, true);
		assert_int_equal(bench.links[1]->paths[0].stats.drops_mtu, 1);
		assert_int_equal(bench.count, 1);
		assert_ptr_equal(bench.frames[0].at, bench.a);
		assert_int_equal(
			ip_parse(bench.frames[0].data, bench.frames[0].len, true, &ip, &pointer),
			IP_PARSE_OK);
		assert_true(tee_ip_equal(&ip.src, version == 4 ? &bench.r->ip4 : &bench.r->ip6));
		assert_int_equal(icmp_parse(bench.frames[0].data + ip.header_len,
					    ip.total_len - ip.header_len, &icmp),
				 0);
		assert_int_equal(icmp_error_of((uint8_t)version, &icmp, &mtu), ICMP_ERROR_TOO_BIG);
		assert_int_equal(mtu, NARROW);
		assert_true(icmp.body_len >= 500);
		/* The stack there found the checksum right, or the path would be as wide as before. */
		assert_int_equal(
			checksum_finish(checksum_add(
				version == 4 ? 0
					     : checksum_pseudo(&ip.src, &ip.dst, IP_PROTO_ICMP6,
							       ip.total_len - ip.header_len),
				bench.frames[0].data + ip.header_len,
				ip.total_len - ip.header_len)),
			0);
		sim_free(bench.sim);
	}
}

static void test_black_hole(void **state)
{
	struct bench bench;

	(void)state;
	bench_init(&bench);
	bench.r->is_silent = true;
	send(&bench, 6, NARROW + 1, true);
	send(&bench, 4, NARROW + 1, true);
	assert_int_equal(bench.links[1]->paths[0].stats.drops_mtu, 2);
	assert_int_equal(bench.count, 0);
	sim_free(bench.sim);
}

static void test_fragments(void **state)
{
	struct bench bench;
	uint32_t at = 0, pointer;

	(void)state;
	bench_init(&bench);
	bench.links[1]->config.mtu = 600;
	send(&bench, 4, 1500, false);
	assert_int_equal(bench.links[1]->paths[0].stats.drops_mtu, 0);
	assert_int_equal(bench.count, 3);
	for (unsigned i = 0; i < 3; i++) {
		struct ip_header ip;

		assert_ptr_equal(bench.frames[i].at, bench.b);
		assert_true(bench.frames[i].len <= 600);
		assert_int_equal(
			ip_parse(bench.frames[i].data, bench.frames[i].len, true, &ip, &pointer),
			IP_PARSE_OK);
		assert_int_equal(ip.id, 4711);
		assert_int_equal(ip.frag_offset, at);
		assert_int_equal(ip.more_fragments, i < 2);
		for (uint32_t k = ip.header_len; k < ip.total_len; k++)
			assert_int_equal(bench.frames[i].data[k], (uint8_t)((at + k) * 7));
		at += ip.total_len - ip.header_len;
	}
	assert_int_equal(at, 1480);
	sim_free(bench.sim);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_fits),
		cmocka_unit_test(test_told),
		cmocka_unit_test(test_black_hole),
		cmocka_unit_test(test_fragments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
