/* SPDX-License-Identifier: MIT */
/*
 * A FIN without a sender's half (src/tcp/bare_fin.c) is the same on the wire as one with it, whatever is lost: the
 * same frames at the same times, with and without the fast path, of which it is a part.
 */
#include <stdio.h>
#include "pair.h"
#include "base/check.h"
#include "stack/stack.h"
#include "tcp/conn.h"

enum { LOST_FRAMES = 7, LOG_BYTES = 16 << 10, STEPS_MAX = 300, PORT = 80 };

enum close_order { CLIENT_FIRST, BOTH_AT_ONCE, CLIENT_ALONE, CLOSE_ORDER_COUNT };

struct run {
	struct pair pair;
	unsigned lost; /* a bit for each of the first frames after the opening */
	unsigned frame_count;
	char log[LOG_BYTES];
};

static void note_frame(struct run *run, unsigned from, const struct tee_pkt *pkt)
{
	const uint8_t *at = tee_pkt_bytes(pkt);
	size_t used = strlen(run->log);
	uint32_t sum = 2166136261u;

	for (uint32_t i = 0; i < pkt->len; i++)
		sum = (sum ^ at[i]) * 16777619u;
	snprintf(run->log + used, sizeof(run->log) - used, "%llu %u flags %02x %08x\n",
		 (unsigned long long)run->pair.now_ns, from, at[IP4_HEADER_LEN + 13], sum);
}

/* Frames go to and fro, each way in a millisecond. */
static void carry(struct run *run)
{
	struct pair *pair = &run->pair;
	struct tee_frame frame;
	bool any = true;

	while (any) {
		any = false;
		for (unsigned i = 0; i < 2; i++) {
			pair->now_ns += TEE_NS_PER_MS;
			while (tee_output(pair->stack[i], pair->netif[i], &frame, 1, pair->now_ns) >
			       0) {
				struct tee_pkt *pkt =
					tee_pkt_new(tee_stack_pool(pair->stack[!i]), frame.len);

				assert_non_null(pkt);
				pkt->len = (uint32_t)tee_frame_copy(&frame, tee_pkt_bytes(pkt));
				tee_frame_release(&frame);
				any = true;
				note_frame(run, i, pkt);
				if (run->lost >> run->frame_count++ & 1)
					tee_pkt_release(pkt);
				else
					tee_input(pair->stack[!i], pair->netif[!i], pkt,
						  pair->now_ns);
			}
			tee_stack_check(pair->stack[i]);
		}
	}
}

static void wait_for_the_end(struct run *run)
{
	struct pair *pair = &run->pair;

	carry(run);
	for (unsigned step = 0; step < STEPS_MAX; step++) {
		uint64_t next = tee_deadline(pair->stack[0]);

		next = MIN(next, tee_deadline(pair->stack[1]));
		if (next == TEE_NEVER)
			return;
		pair->now_ns = MAX(pair->now_ns, next);
		for (unsigned i = 0; i < 2; i++)
			tee_advance(pair->stack[i], pair->now_ns);
		carry(run);
	}
	fail_msg("it does not end:\n%s", run->log);
}

static void run_one(struct run *run, bool is_fast, unsigned lost, enum close_order order)
{
	struct tee_socket *listener, *ends[2];
	struct tee_config config;
	struct tee_endpoint remote;

	memset(run, 0, sizeof(*run));
	tee_config_init(&config);
	config.tcp_fast_path = is_fast;
	pair_init(&run->pair, &config);
	listener = pair_listen(&run->pair, PORT);
	pair_wait(&run->pair, 10 * TEE_NS_PER_S); /* what IPv6 asks at first */
	remote = endpoint(run->pair.ip4[1], PORT);
	ends[0] = pair_open(&run->pair, 0, TEE_SOCKET_TCP, TEE_FAMILY_ANY);
	assert_int_equal(tee_connect(ends[0], &remote), -TEE_EINPROGRESS);
	carry(run);
	assert_int_equal(tee_accept(listener, &ends[1], NULL), 0);

	run->lost = lost << run->frame_count;
	tee_close(ends[0]);
	if (order == BOTH_AT_ONCE)
		tee_close(ends[1]);
	carry(run);
	if (order == CLIENT_FIRST)
		tee_close(ends[1]);
	wait_for_the_end(run);
	if (order == CLIENT_ALONE)
		tee_close(ends[1]);
	wait_for_the_end(run);
	for (unsigned i = 0; i < 2; i++) {
		if (run->pair.stack[i]->tcp->conn_count || run->pair.stack[i]->tcp->txs.count)
			fail_msg("order %u, lost %x, fast path %d: stack %u holds something:\n%s",
				 order, lost, is_fast, i, run->log);
	}
	pair_fini(&run->pair);
}

static void test_nothing_differs(void **state)
{
	static struct run with, without;

	(void)state;
	for (unsigned order = 0; order < CLOSE_ORDER_COUNT; order++) {
		for (unsigned lost = 0; lost < 1u << LOST_FRAMES; lost++) {
			run_one(&with, true, lost, (enum close_order)order);
			run_one(&without, false, lost, (enum close_order)order);
			if (strcmp(with.log, without.log) != 0)
				fail_msg("order %u, lost %x:\n%s\nand without:\n%s", order, lost,
					 with.log, without.log);
		}
	}
}

/* How many sender's halves there are while FINs are out that nobody has answered. */
static size_t halves_while_out(bool is_fast, bool is_held)
{
	struct tee_socket *listener, *ends[2];
	struct tee_config config;
	struct pair pair;
	size_t halves;

	tee_config_init(&config);
	config.tcp_fast_path = is_fast;
	pair_init(&pair, &config);
	listener = pair_listen(&pair, PORT);
	pair_connect(&pair, listener, PORT, ends);
	if (is_held)
		assert_int_equal(tee_shutdown(ends[0], TEE_SHUT_WRITE), 0);
	else
		tee_close(ends[0]);
	pair_carry(&pair, 0);
	halves = pair.stack[0]->tcp->txs.count;
	pair_fini(&pair);
	return halves;
}

static void test_when_it_is_bare(void **state)
{
	(void)state;
	assert_int_equal(halves_while_out(true, false), 0);
	/* Who still holds it may ask what its sender does. */
	assert_int_equal(halves_while_out(true, true), 1);
	assert_int_equal(halves_while_out(false, false), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_differs),
		cmocka_unit_test(test_when_it_is_bare),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
