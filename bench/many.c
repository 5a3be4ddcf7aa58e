// SPDX-License-Identifier: MIT
/*
 * Very many idle connections in one process: two stacks on a wire, half of the connections at each end.
 * They are opened and accepted, and nothing is sent. What the process has grown by then, divided by
 * their number, is what an idle connection costs, its socket and its place in the tables included.
 * Then some are asked for an answer, so that it is known that they live, and all are closed.
 */
#include <stdio.h>
#include <stdlib.h>

#include "bench.h"
#include "pair.h"

enum { FIRST_PORT = 1000, PER_PORT = 20000, BURST = 32, ASKED = 1000, WARM_UP = 64 };

struct many {
	struct bench_pair pair;
	struct tee_socket *listener;
	struct tee_socket **clients, **servers;
	uint32_t count;
};

static void forget_events(struct many *many)
{
	struct tee_event event;

	for (unsigned i = 0; i < 2; i++)
		while (tee_next_event(many->pair.ends[i].stack, &event))
			continue;
}

/* Opens [from, to) in bursts; each port of the server's takes PER_PORT. */
static void open_range(struct many *many, uint32_t from, uint32_t to)
{
	uint16_t port = (uint16_t)(FIRST_PORT + from / PER_PORT);

	for (uint32_t i = from; i < to;) {
		uint32_t begin = i, end = i + BURST < to ? i + BURST : to;

		for (; i < end; i++) {
			if (i % PER_PORT == 0) {
				port = (uint16_t)(FIRST_PORT + i / PER_PORT);
				if (i > begin)
					break;
				many->listener = bench_pair_listen(&many->pair, port);
			}
			many->clients[i] = bench_pair_connect(&many->pair, port);
		}
		bench_pair_settle(&many->pair);
		for (uint32_t at = begin; at < i; at++)
			if (tee_accept(many->listener, &many->servers[at], NULL) < 0)
				bench_fail("connection %u of %u did not come", at, to);
		forget_events(many);
	}
}

/* Any of them answers, within a millisecond of virtual time. */
static void ask_some(struct many *many)
{
	for (uint32_t i = 0; i < ASKED; i++) {
		uint32_t at = (uint32_t)((uint64_t)i * many->count / ASKED);
		uint64_t before_ns = many->pair.now_ns;
		char byte = 'x';

		if (tee_send(many->clients[at], &byte, 1, 0) != 1)
			bench_fail("connection %u takes no byte", at);
		bench_pair_settle(&many->pair);
		/* Accepted in another order than opened: the byte is in the burst somewhere. */
		for (uint32_t peer = at / BURST * BURST; peer < many->count; peer++)
			if (tee_recv(many->servers[peer], &byte, 1, 0) == 1)
				break;
			else if (peer > at + 2 * BURST)
				bench_fail("connection %u does not answer", at);
		if (many->pair.now_ns - before_ns > TEE_NS_PER_MS)
			bench_fail("connection %u answered late", at);
	}
}

static void close_all(struct many *many)
{
	for (uint32_t i = 0; i < many->count;) {
		uint32_t begin = i, end = i + BURST < many->count ? i + BURST : many->count;

		for (; i < end; i++)
			tee_close(many->clients[i]);
		bench_pair_settle(&many->pair);
		for (uint32_t at = begin; at < i; at++)
			tee_close(many->servers[at]);
		bench_pair_settle(&many->pair);
		forget_events(many);
	}
}

int bench_our_many(int argc, char **argv)
{
	uint64_t total = argc == 1 ? strtoull(argv[0], NULL, 10) : 0;
	uint64_t before, grown, start_ns, open_ns, close_ns;
	static struct many many;

	if (total < 2 * ASKED || total > UINT32_MAX / 2)
		bench_fail("our-many CONNECTIONS, at least %d; half at each end", 2 * ASKED);
	many.count = (uint32_t)(total / 2);
	if (many.count / PER_PORT + FIRST_PORT > UINT16_MAX)
		bench_fail("so many ports there are not");
	bench_pair_init(&many.pair, 1500, TEE_OFFLOAD_TX_CHECKSUM, many.count + 1000);
	many.clients = calloc(many.count, sizeof(struct tee_socket *));
	many.servers = calloc(many.count, sizeof(struct tee_socket *));
	if (!many.clients || !many.servers)
		bench_fail("no memory");
	/* The benchmark's own tables are touched first, so that they don't count. */
	for (uint32_t i = 0; i < many.count; i++)
		many.clients[i] = many.servers[i] = (struct tee_socket *)&many;
	open_range(&many, 0, WARM_UP);
	before = bench_resident_bytes();
	start_ns = bench_now_ns();
	open_range(&many, WARM_UP, many.count);
	open_ns = bench_now_ns() - start_ns;
	grown = bench_resident_bytes() - before;
	ask_some(&many);
	start_ns = bench_now_ns();
	close_all(&many);
	close_ns = bench_now_ns() - start_ns;
	printf("{\"connections\": %u, \"bytes_per_connection\": %.1f, \"opened_per_s\": %.0f, "
	       "\"closed_per_s\": %.0f}\n",
	       2 * many.count, (double)grown / (2.0 * (many.count - WARM_UP)),
	       2.0 * many.count * 1e9 / (double)open_ns, 2.0 * many.count * 1e9 / (double)close_ns);
	bench_pair_fini(&many.pair);
	free(many.clients);
	free(many.servers);
	return 0;
}
