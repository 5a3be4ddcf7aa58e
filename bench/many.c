// SPDX-License-Identifier: MIT
/*
 * Very many idle connections in one process: two stacks on a wire, half of the connections at each end.
 * They are opened and accepted, and nothing is sent. What the process has grown by then, divided by
 * their number, is what an idle connection costs, its socket and its place in the tables included.
 * Then some are asked for an answer, so that it is known that they live, and all are closed.
 *
 * --threads=N: N pairs of stacks, each in a thread of its own with its share of the connections and nothing in
 * common, as stacks are meant to be spread over processors. --rounds=N: the same again, with memory that the
 * system has had in its hands before; a virtual machine's first touch of a page may cost more than the connection
 * in it. So it is told how much CPU time was the system's: beyond memory nothing is asked of it. --reserve: the
 * stacks get their memory beforehand, by tee_stack_reserve(), and the time that takes is told by itself.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "bench.h"
#include "pair.h"

enum {
	FIRST_PORT = 1000,
	PER_PORT = 20000,
	PORTS_MAX = 64000,
	BURST = 32,
	ASKED = 1000,
	WARM_UP = 64,
	THREADS_MAX = 64,
	TIME_WAIT_S = 61, /* a little longer than it lasts */
};

struct many {
	struct bench_pair pair;
	struct tee_socket
		*listeners[PORTS_MAX]; /* by port, from FIRST_PORT; made when first used */
	struct tee_socket **clients, **servers;
	uint32_t count;
};

/* All threads do a phase at a time, and the first one reads the clocks in between. */
struct gang {
	pthread_barrier_t barrier;
	unsigned threads, rounds;
	bool reserves;
	uint64_t count; /* of connections at both ends, in all */
};

struct worker {
	pthread_t thread;
	struct gang *gang;
	struct many many;
	bool is_first;
};

static void forget_events(struct many *many)
{
	struct tee_event event;

	for (unsigned i = 0; i < 2; i++)
		while (tee_next_event(many->pair.ends[i].stack, &event))
			continue;
}

static struct tee_socket *listener_for(struct many *many, uint32_t idx)
{
	struct tee_socket **listener = &many->listeners[idx / PER_PORT];

	if (!*listener)
		*listener = bench_pair_listen(&many->pair, (uint16_t)(FIRST_PORT + idx / PER_PORT));
	return *listener;
}

/* Opens [from, to) in bursts; each port of the server's takes PER_PORT. */
static void open_range(struct many *many, uint32_t from, uint32_t to)
{
	for (uint32_t i = from; i < to;) {
		uint32_t begin = i, end = i + BURST < to ? i + BURST : to;
		struct tee_socket *listener = listener_for(many, begin);

		do
			many->clients[i] = bench_pair_connect(
				&many->pair, (uint16_t)(FIRST_PORT + begin / PER_PORT));
		while (++i < end && i % PER_PORT != 0);
		bench_pair_settle(&many->pair);
		for (uint32_t at = begin; at < i; at++)
			if (tee_accept(listener, &many->servers[at], NULL) < 0)
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

/* ---- phases ---- */

struct clocks {
	uint64_t wall_ns, cpu_ns, system_ns;
};

static struct clocks read_clocks(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (struct clocks){
		.wall_ns = bench_now_ns(),
		.cpu_ns = bench_cpu_ns(),
		.system_ns = (uint64_t)usage.ru_stime.tv_sec * TEE_NS_PER_S +
			     (uint64_t)usage.ru_stime.tv_usec * 1000,
	};
}

/* When everybody is here. */
static struct clocks meet(struct gang *gang)
{
	pthread_barrier_wait(&gang->barrier);
	return read_clocks();
}

static void print_phase(const struct gang *gang, const char *name, struct clocks from,
			struct clocks to)
{
	double count = (double)gang->count;

	printf(", \"%s_per_s\": %.0f, \"%s_cpu_us_each\": %.3f, \"%s_system_us_each\": %.3f", name,
	       count * 1e9 / (double)(to.wall_ns - from.wall_ns), name,
	       (double)(to.cpu_ns - from.cpu_ns) / count / 1e3, name,
	       (double)(to.system_ns - from.system_ns) / count / 1e3);
}

/* Memory for all, before they come. */
static void reserve_all(struct worker *worker)
{
	struct many *many = &worker->many;
	struct clocks start = meet(worker->gang), end;

	for (unsigned i = 0; i < 2; i++)
		if (tee_stack_reserve(many->pair.ends[i].stack, many->count) < 0)
			bench_fail("no memory for %u connections", many->count);
	end = meet(worker->gang);
	if (worker->is_first)
		printf("{\"reserved_s\": %.3f, \"reserved_system_s\": %.3f}\n",
		       (double)(end.wall_ns - start.wall_ns) / 1e9,
		       (double)(end.system_ns - start.system_ns) / 1e9);
}

/* `resident_bytes`: of the process with nothing but the warm-up's connections; the first round finds it out. */
static void run_round(struct worker *worker, uint64_t *resident_bytes)
{
	struct gang *gang = worker->gang;
	struct many *many = &worker->many;
	struct clocks start, opened, asked, closed;
	uint64_t grown;

	open_range(many, 0, WARM_UP);
	meet(gang);
	if (!*resident_bytes) {
		*resident_bytes = bench_resident_bytes();
		meet(gang);
		if (gang->reserves)
			reserve_all(worker);
	}
	start = meet(gang);
	open_range(many, WARM_UP, many->count);
	opened = meet(gang);
	grown = bench_resident_bytes() - *resident_bytes;
	ask_some(many);
	asked = meet(gang);
	close_all(many);
	closed = meet(gang);
	if (worker->is_first) {
		printf("{\"connections\": %lu, \"threads\": %u, \"bytes_per_connection\": %.1f",
		       (unsigned long)gang->count, gang->threads,
		       (double)grown /
			       (double)(gang->count - (uint64_t)2 * WARM_UP * gang->threads));
		print_phase(gang, "opened", start, opened);
		print_phase(gang, "closed", asked, closed);
		printf("}\n");
		fflush(stdout);
	}
	/* Those in TIME-WAIT go, too, before anything comes again. */
	many->pair.now_ns += TIME_WAIT_S * TEE_NS_PER_S;
	bench_pair_settle(&many->pair);
	meet(gang);
}

static void *run_worker(void *arg)
{
	struct worker *worker = arg;
	struct many *many = &worker->many;
	uint64_t resident_bytes = 0;

	bench_pair_init(&many->pair, 1500, TEE_OFFLOAD_TX_CHECKSUM, many->count + 1000);
	many->clients = calloc(many->count, sizeof(struct tee_socket *));
	many->servers = calloc(many->count, sizeof(struct tee_socket *));
	if (!many->clients || !many->servers)
		bench_fail("no memory");
	/* The benchmark's own tables are touched first, so that they don't count. */
	for (uint32_t i = 0; i < many->count; i++)
		many->clients[i] = many->servers[i] = (struct tee_socket *)many;
	for (unsigned round = 0; round < worker->gang->rounds; round++)
		run_round(worker, &resident_bytes);
	bench_pair_fini(&many->pair);
	free(many->clients);
	free(many->servers);
	return NULL;
}

static void run_gang(struct gang *gang)
{
	struct worker *workers = calloc(gang->threads, sizeof(*workers));

	if (!workers || pthread_barrier_init(&gang->barrier, NULL, gang->threads))
		bench_fail("no memory");
	for (unsigned i = 0; i < gang->threads; i++) {
		workers[i].gang = gang;
		workers[i].is_first = i == 0;
		workers[i].many.count = (uint32_t)(gang->count / 2 / gang->threads);
		if (pthread_create(&workers[i].thread, NULL, run_worker, &workers[i]))
			bench_fail("no thread");
	}
	for (unsigned i = 0; i < gang->threads; i++)
		pthread_join(workers[i].thread, NULL);
	pthread_barrier_destroy(&gang->barrier);
	free(workers);
}

static unsigned number_after(const char *word, const char *option)
{
	size_t len = strlen(option);

	return strncmp(word, option, len) == 0 ? (unsigned)strtoul(word + len, NULL, 10) : 0;
}

int bench_our_many(int argc, char **argv)
{
	struct gang gang = {.threads = 1, .rounds = 1};
	uint64_t each;

	for (int i = 1; i < argc; i++) {
		unsigned threads = number_after(argv[i], "--threads=");
		unsigned rounds = number_after(argv[i], "--rounds=");
		bool reserves = strcmp(argv[i], "--reserve") == 0;

		if (threads > THREADS_MAX || !(threads || rounds || reserves))
			argc = 0;
		gang.reserves |= reserves;
		gang.threads = threads ? threads : gang.threads;
		gang.rounds = rounds ? rounds : gang.rounds;
	}
	each = argc >= 1 ? strtoull(argv[0], NULL, 10) / 2 / gang.threads : 0;
	if (each < ASKED)
		bench_fail("our-many CONNECTIONS [--threads=N] [--rounds=N] [--reserve], half at "
			   "each end; %d for each thread at least",
			   2 * ASKED);
	if (each / PER_PORT >= PORTS_MAX)
		bench_fail("so many ports there are not");
	gang.count = each * 2 * gang.threads;
	run_gang(&gang);
	return 0;
}
