/* SPDX-License-Identifier: MIT */
/*
 * tee_input_ahead() looks at packets that nobody has checked: any bytes of any length, flush against a page that may
 * not be touched. And it changes nothing, with a table large enough that it does look.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <cmocka.h>
#include <teeceepee/socket.h>
#include <teeceepee/stack.h>
#include "base/check.h"
#include "base/random.h"
#include "stack/stack.h"
#include "tcp/conn.h"

enum { PAGE = 4096, LEN_MAX = 100, BATCH = 70, ROUNDS = 200 };

static const struct tee_ip our_ip = {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 1}};

static struct tee_stack *large_stack(enum tee_netif_kind kind, int *ret_netif)
{
	const struct tee_netif_config netif = {.kind = kind, .name = "x", .mtu = 1500};
	struct tee_config config;
	struct tee_stack *stack;

	tee_config_init(&config);
	config.acd = false;
	stack = tee_stack_new(&config, 1000);
	assert_non_null(stack);
	/* The table alone: it is what makes looking ahead worth while. */
	assert_int_equal(hash_reserve(&stack->tcp->demux.table, DEMUX_NEAR_BYTES / 8), 0);
	assert_true(demux_is_far(&stack->tcp->demux));
	*ret_netif = tee_netif_add(stack, &netif);
	assert_true(*ret_netif > 0);
	assert_int_equal(tee_netif_set_up(stack, *ret_netif, true), 0);
	assert_int_equal(tee_addr_add(stack, *ret_netif, &our_ip, 24, true), 0);
	return stack;
}

/* Mostly almost a segment, of either family. */
static void fill(struct random *random, uint8_t *at, size_t len, size_t link_len)
{
	for (size_t i = 0; i < len; i++)
		at[i] = (uint8_t)random_u64(random);
	if (len <= link_len + 9 || random_below(random, 4) == 0)
		return;
	if (random_below(random, 2)) {
		at[link_len] = 0x45;
		at[link_len + 9] = 6;
	} else {
		at[link_len] = 0x60;
		at[link_len + 6] = 6;
	}
}

static void test_any_bytes(void **state)
{
	static const enum tee_netif_kind kinds[] = {TEE_NETIF_ETHERNET, TEE_NETIF_RAW_IP};
	uint8_t *pages =
		mmap(NULL, (size_t)BATCH * 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct tee_pkt pkts[BATCH], *ptrs[BATCH];
	struct random random;

	(void)state;
	assert_ptr_not_equal(pages, MAP_FAILED);
	for (unsigned i = 0; i < BATCH; i++)
		assert_int_equal(
			mprotect(pages + (size_t)2 * i * PAGE, PAGE, PROT_READ | PROT_WRITE), 0);
	random_init(&random, 1);
	for (unsigned kind = 0; kind < ARRAY_LEN(kinds); kind++) {
		int netif;
		struct tee_stack *stack = large_stack(kinds[kind], &netif);

		for (unsigned round = 0; round < ROUNDS; round++) {
			for (unsigned i = 0; i < BATCH; i++) {
				size_t len = random_below(&random, LEN_MAX);

				memset(&pkts[i], 0, sizeof(pkts[i]));
				pkts[i].data = pages + (size_t)(2 * i + 1) * PAGE - len;
				pkts[i].len = (uint32_t)len;
				ptrs[i] = &pkts[i];
				fill(&random, pkts[i].data, len,
				     kinds[kind] == TEE_NETIF_ETHERNET ? 14 : 0);
			}
			tee_input_ahead(stack, netif, ptrs, BATCH);
			tee_input_ahead(stack, netif, ptrs, round % 3);
			tee_input_ahead(stack, 99, ptrs, BATCH);
		}
		assert_int_equal(tee_counter_by_name(stack, "link.frames_in"), 0);
		tee_stack_check(stack);
		tee_stack_free(stack);
	}
	munmap(pages, (size_t)BATCH * 2 * PAGE);
}

/* A place in the table is found where the segment's connection is, of both families. */
static void test_finds(void **state)
{
	struct tcp_demux demux;
	const struct siphash_key secret = {1, 2};
	struct tcp_node nodes[2];

	(void)state;
	memset(nodes, 0, sizeof(nodes));
	nodes[0].key.local_ip = our_ip;
	nodes[0].key.remote_ip = TEE_IP4(10, 0, 0, 2);
	nodes[1].key.remote_ip.byte[0] = 0xfd;
	for (unsigned i = 0; i < 2; i++) {
		nodes[i].key.local_port = 80;
		nodes[i].key.remote_port = 5000;
	}
	demux_init(&demux, &secret, NULL);
	for (unsigned i = 0; i < 2; i++) {
		uint32_t hash;

		assert_int_equal(demux_insert(&demux, &nodes[i].stub), 0);
		hash = demux_hash(&demux, &nodes[i].key);
		hash_prefetch(&demux.table, hash);
		assert_ptr_equal(hash_peek(&demux.table, hash), &nodes[i]);
		assert_null(hash_peek(&demux.table, hash + 1));
	}
	assert_false(demux_is_far(&demux));
	for (unsigned i = 0; i < 2; i++)
		demux_remove(&demux, &nodes[i].stub);
	demux_fini(&demux);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_any_bytes),
		cmocka_unit_test(test_finds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
