/* SPDX-License-Identifier: MIT */
/*
 * Memory that is refused, one allocation after the other: a conversation of two stacks is played as often as it
 * takes allocations, and each time another one fails. Applications ask again for what they were refused; then, as
 * after the loss of a packet, everything must come to its end, and all memory come back. And of slabs: what
 * becomes of them, and of connections, when there is no page.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/slab.h"
#include "memory.h"
#include "sim/world.h"
#include "stack/stack.h"
#include "tcp/conn.h"

enum {
	PORT = 80,
	QUESTION_BYTES = 60000,
	ANSWER_BYTES = 3000,
	POLL_NS = 10 * TEE_NS_PER_MS,
	POLLS_MAX = 20000,  /* 200 s */
	REFUSALS_MAX = 5000 /* far more than a conversation has allocations */
};

/* One conversation: a question, an answer, and both close. */
struct talk {
	struct sim *sim;
	struct sim_node *hosts[2];
	struct tee_socket *listener, *client, *server;
	size_t asked, heard, answered, got;
	bool is_listening, is_connecting, is_done;
};

static uint8_t bytes[QUESTION_BYTES], buf[65536];

static bool build(struct talk *talk, bool slabs)
{
	const struct sim_link_config link = {
		.path = {{.rate_bits_per_s = 20000000, .delay_ns = TEE_NS_PER_MS, .loss = 0.02},
			 {.rate_bits_per_s = 20000000, .delay_ns = TEE_NS_PER_MS}},
	};
	struct tee_config config;

	tee_config_init(&config);
	config.slabs = slabs;
	for (unsigned i = 0; i < 2; i++) {
		talk->hosts[i] = sim_add_host(talk->sim, i ? "right" : "left", &config);
		if (!talk->hosts[i])
			return false;
	}
	return sim_link(talk->sim, talk->hosts[0], talk->hosts[1], &link) &&
	       sim_start(talk->sim) == 0;
}

/* A refusal is for now; anything else that goes wrong is a fault. */
static bool is_ok(ssize_t result)
{
	if (result >= 0)
		return true;
	assert_true(result == -TEE_EAGAIN || result == -TEE_EINPROGRESS || result == -TEE_ENOMEM ||
		    result == -TEE_ENOBUFS);
	return false;
}

static void poll_server(struct talk *talk)
{
	const struct tee_endpoint here = {.port = PORT};
	struct tee_endpoint from;
	ssize_t n;

	if (!talk->listener && !is_ok(tee_socket_open(talk->hosts[1]->stack, TEE_SOCKET_TCP,
						      TEE_FAMILY_ANY, &talk->listener))) {
		talk->listener = NULL;
		return;
	}
	if (!talk->is_listening) {
		struct tee_endpoint bound;

		if (tee_local_name(talk->listener, &bound) < 0 || bound.port != PORT)
			if (!is_ok(tee_bind(talk->listener, &here)))
				return;
		talk->is_listening = is_ok(tee_listen(talk->listener, 8));
		return;
	}
	if (!talk->server && !is_ok(tee_accept(talk->listener, &talk->server, &from))) {
		talk->server = NULL;
		return;
	}
	while (talk->heard < QUESTION_BYTES &&
	       is_ok(n = tee_recv(talk->server, buf, sizeof(buf), 0))) {
		assert_true(n > 0 && talk->heard + (size_t)n <= QUESTION_BYTES);
		assert_memory_equal(buf, bytes + talk->heard, n);
		talk->heard += (size_t)n;
	}
	while (talk->heard == QUESTION_BYTES && talk->answered < ANSWER_BYTES &&
	       is_ok(n = tee_send(talk->server, bytes + talk->answered,
				  ANSWER_BYTES - talk->answered, 0)))
		talk->answered += (size_t)n;
}

static void poll_client(struct talk *talk)
{
	const struct tee_endpoint there = {.ip = talk->hosts[1]->ip4, .port = PORT};
	ssize_t n;

	if (!talk->is_listening)
		return;
	if (!talk->client && !is_ok(tee_socket_open(talk->hosts[0]->stack, TEE_SOCKET_TCP,
						    TEE_FAMILY_ANY, &talk->client))) {
		talk->client = NULL;
		return;
	}
	if (!talk->is_connecting) {
		int result = tee_connect(talk->client, &there);

		talk->is_connecting = result == -TEE_EINPROGRESS;
		if (!talk->is_connecting)
			is_ok(result);
		return;
	}
	while (talk->asked < QUESTION_BYTES && is_ok(n = tee_send(talk->client, bytes + talk->asked,
								  QUESTION_BYTES - talk->asked, 0)))
		talk->asked += (size_t)n;
	while (talk->got < ANSWER_BYTES && is_ok(n = tee_recv(talk->client, buf, sizeof(buf), 0))) {
		assert_true(n > 0 && talk->got + (size_t)n <= ANSWER_BYTES);
		assert_memory_equal(buf, bytes + talk->got, n);
		talk->got += (size_t)n;
	}
	talk->is_done = talk->got == ANSWER_BYTES;
}

static void pass_time(struct talk *talk, uint64_t ns)
{
	uint64_t until_ns = talk->sim->now_ns + ns;

	while (sim_step(talk->sim, until_ns))
		for (unsigned i = 0; i < 2; i++)
			tee_stack_check(talk->hosts[i]->stack);
	assert_false(talk->sim->has_failed || talk->sim->stuck);
}

static void play(struct talk *talk)
{
	for (unsigned i = 0; !talk->is_done; i++) {
		if (i == POLLS_MAX)
			fail_msg("asked %zu, heard %zu, answered %zu, got %zu, and no more",
				 talk->asked, talk->heard, talk->answered, talk->got);
		poll_server(talk);
		poll_client(talk);
		sim_touch(talk->hosts[0]);
		sim_touch(talk->hosts[1]);
		pass_time(talk, POLL_NS);
	}
	tee_close(talk->client);
	tee_close(talk->server);
	tee_close(talk->listener);
	sim_touch(talk->hosts[0]);
	sim_touch(talk->hosts[1]);
	pass_time(talk, 600 * TEE_NS_PER_S);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(tee_pool_bytes_used(tee_stack_pool(talk->hosts[i]->stack)), 0);
}

/* false: there was none to be refused. */
static bool refuse_one(uint64_t skipped, bool slabs)
{
	uint64_t refused_before = memory_refused();
	int64_t blocks_before = memory_blocks();
	struct talk talk = {.sim = sim_new(1)};
	bool is_built;

	assert_non_null(talk.sim);
	memory_fail_one(skipped);
	is_built = build(&talk, slabs);
	assert_true(is_built || memory_refused() > refused_before);
	if (is_built)
		play(&talk);
	memory_end_failing();
	sim_free(talk.sim);
	if (memory_blocks() != blocks_before)
		fail_msg("after refusal %llu %lld blocks are left", (unsigned long long)skipped,
			 (long long)(memory_blocks() - blocks_before));
	return memory_refused() > refused_before;
}

static void each_refusal_is_survived(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 31 + i / 251);
	for (unsigned slabs = 0; slabs < 2; slabs++) {
		uint64_t count = 0;

		while (refuse_one(count, slabs))
			assert_true(++count < REFUSALS_MAX);
		assert_true(count > 50);
	}
}

/* Until the stack's next slab without room must ask for memory. */
static size_t take_pages(struct tee_stack *stack, struct slab *slab, void **objects, size_t most)
{
	size_t count = 0;

	slab_init(slab, &stack->engine.arena, SLAB_OBJECT_BYTES_MAX);
	do {
		assert_true(count < most);
		objects[count++] = slab_new(slab);
	} while (!list_is_empty(&stack->engine.arena.areas));
	return count;
}

/* true: of a SYN's allocations this one was for a page. Then the connection came to be by a later SYN. */
static bool refuse_a_syn(uint64_t skipped)
{
	struct talk talk = {.sim = sim_new(1)};
	void *objects[1000];
	struct slab slab;
	struct tee_stack *stack;
	uint64_t refused;
	size_t count, areas;
	bool is_refused;

	assert_non_null(talk.sim);
	assert_true(build(&talk, true));
	stack = talk.hosts[1]->stack;
	while (!talk.is_listening)
		poll_server(&talk);
	while (!talk.is_connecting)
		poll_client(&talk);
	count = take_pages(stack, &slab, objects, 1000);
	areas = stack->engine.arena.area_count;
	sim_touch(talk.hosts[0]);
	while (talk.hosts[0]->frames_out == 0)
		pass_time(&talk, 1000);
	memory_fail_one(skipped);
	while (talk.hosts[1]->frames_in == 0)
		pass_time(&talk, 1000);
	memory_end_failing();
	refused = tee_counter_by_name(stack, "drop.no_memory");
	is_refused = talk.hosts[1]->frames_no_memory == 0 &&
		     stack->engine.arena.area_count == areas;
	if (is_refused) {
		assert_int_equal(refused, 1);
		assert_int_equal(talk.hosts[1]->frames_out, 0);
	}
	play(&talk);
	assert_int_equal(tee_counter_by_name(stack, "drop.no_memory"), refused);
	while (count > 0)
		slab_free(&slab, objects[--count]);
	slab_fini(&slab);
	sim_free(talk.sim);
	return is_refused;
}

/* An area is two blocks: without either there is no page, and the SYN is dropped and counted. */
static void a_connection_is_refused_and_counted(void **state)
{
	unsigned refused = 0;

	(void)state;
	for (unsigned skipped = 0; skipped < 8; skipped++)
		refused += refuse_a_syn(skipped);
	assert_int_equal(refused, 2);
}

static void *no_map(void *arg, size_t len)
{
	*(unsigned *)arg += 1;
	return NULL;
}

static void no_unmap(void *arg, void *ptr, size_t len)
{
	fail_msg("nothing was mapped");
}

/* Neither the allocator nor who maps has a page: nothing has changed, and later there is one. */
static void a_slab_without_a_page(void **state)
{
	unsigned asked = 0;
	const struct tee_memory memory = {no_map, no_unmap, &asked};
	int64_t blocks_before = memory_blocks();
	struct slab_arena arena;
	struct slab slab;
	void **objects;
	size_t count = 0, pages;

	(void)state;
	slab_arena_init(&arena, &memory, false);
	slab_init(&slab, &arena, SLAB_OBJECT_BYTES_MAX);
	objects = calloc((size_t)(ARENA_MALLOC_PAGES + 2) * slab.per_page, sizeof(*objects));
	for (pages = 0; pages <= ARENA_MALLOC_PAGES; pages = arena.page_count) {
		/* Each of the two blocks that an area is made of. */
		for (unsigned skipped = 0; skipped < 2; skipped++) {
			int64_t blocks = memory_blocks();
			uint64_t refused = memory_refused();
			size_t areas = arena.area_count;
			void *object;

			memory_fail_one(skipped);
			object = slab_new(&slab);
			memory_end_failing();
			if (memory_refused() == refused) { /* there was room */
				objects[count++] = object;
				continue;
			}
			assert_null(object);
			assert_int_equal(memory_blocks(), blocks);
			assert_int_equal(slab.count, count);
			assert_int_equal(arena.page_count, pages);
			assert_int_equal(arena.area_count, areas);
			slab_check(&slab);
		}
		objects[count] = slab_new(&slab);
		assert_non_null(objects[count++]);
		if (arena.page_count > ARENA_MALLOC_PAGES)
			break;
	}
	assert_true(asked > 0);
	while (count > 0)
		slab_free(&slab, objects[--count]);
	slab_fini(&slab);
	slab_arena_fini(&arena);
	assert_int_equal(memory_blocks(), blocks_before);
	free(objects);
}

/* A connection that never sent anything, closed where nobody answers: its FIN is a bare one (tcp/bare_fin.c). */
static struct sim *close_in_silence(bool fast_path, struct tcp **ret_tcp)
{
	struct talk talk = {.sim = sim_new(1)};

	assert_non_null(talk.sim);
	assert_true(build(&talk, false));
	talk.hosts[0]->stack->engine.config.tcp_fast_path = fast_path;
	while (!talk.is_listening)
		poll_server(&talk);
	for (unsigned i = 0; !talk.server; i++) {
		assert_true(i < POLLS_MAX);
		if (!talk.is_connecting)
			poll_client(&talk);
		poll_server(&talk);
		sim_touch(talk.hosts[0]);
		sim_touch(talk.hosts[1]);
		pass_time(&talk, POLL_NS);
	}
	*ret_tcp = talk.hosts[0]->stack->tcp;
	talk.sim->links[0]->paths[0].config.is_down = true;
	tee_close(talk.client);
	sim_touch(talk.hosts[0]);
	return talk.sim;
}

static uint64_t time_to_end(bool fast_path, bool has_memory)
{
	struct tcp *tcp;
	struct sim *sim = close_in_silence(fast_path, &tcp);
	uint64_t since_ns = sim->now_ns;

	if (!has_memory)
		memory_begin_failing(1, 1);
	while (tcp->conn_count && sim->now_ns - since_ns < 900 * TEE_NS_PER_S)
		sim_step(sim, since_ns + 900 * TEE_NS_PER_S);
	memory_end_failing();
	assert_int_equal(tcp->conn_count, 0);
	assert_int_equal(tcp->engine->counters.value[COUNT_TCP_ABORT_TIMEOUT], 1);
	since_ns = sim->now_ns - since_ns;
	sim_free(sim);
	return since_ns;
}

/* What it needs to send its FIN again is refused for good: it ends when it would have ended by R2. */
static void a_bare_fin_without_memory_ends(void **state)
{
	uint64_t want_ns = time_to_end(false, true);

	(void)state;
	assert_int_equal(time_to_end(true, true), want_ns);
	/* A tail loss probe, which puts the first timeout off, is not sent either. */
	assert_in_range(time_to_end(true, false), want_ns - TEE_NS_PER_S, want_ns);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_refusal_is_survived),
		cmocka_unit_test(a_connection_is_refused_and_counted),
		cmocka_unit_test(a_slab_without_a_page),
		cmocka_unit_test(a_bare_fin_without_memory_ends),
	};

	return cmocka_run_group_tests_name("sim/refusals", tests, NULL, NULL);
}
