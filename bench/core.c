// SPDX-License-Identifier: MIT
/*
 * What the stack itself costs: bulk data between two stacks over a wire without system calls, in
 * virtual time. Each round one side sends a burst, the other takes it in, reads and
 * acknowledges. The clock is read around each of three parts:
 *
 *	send	the application's bytes to frames (tee_send, tee_output)
 *	receive	frames to the application's buffer (tee_input, tee_recv)
 *	ack	the acknowledgment, made by one side and taken in by the other
 *
 * The wire's own copy is in neither of the first two. Each part is one function, so that callgrind counts its
 * instructions (`valgrind --tool=callgrind --toggle-collect=core_receive`; bench/core.py does).
 *
 * For the cache lines that each part touches (bench/lines.py) a byte is stored where a part begins and
 * ends, which a trace of all accesses shows; it costs a cycle. With the word `marks` the program says on its standard
 * error where those bytes are and where the payload lies, before each part that may touch it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"
#include "pair.h"

enum {
	PORT = 7,
	WARM_UP_ROUNDS = 2000,
	BURST_MAX = 32,
	READ_BYTES = 64 << 10,
	STACK_BYTES = 1 << 20
};

struct core_case {
	const char *name;
	unsigned offloads;
	uint32_t write_bytes; /* of one tee_send() */
	unsigned burst;       /* writes a round */
};

static const struct core_case cases[] = {
	/* one super-frame of 64 KiB a round */
	{"64k", TEE_OFFLOAD_TX_CHECKSUM | TEE_OFFLOAD_TSO4, 45 * 1448, 1},
	/* segments of an Ethernet, checksums made and verified */
	{"mss", 0, 1448, 10},
	/* the same when the link does the checksums */
	{"mss-offload", TEE_OFFLOAD_TX_CHECKSUM, 1448, 10},
	/* one at a time, each acknowledged as it comes */
	{"mss-alone", TEE_OFFLOAD_TX_CHECKSUM, 1448, 1},
	/* small writes and reads */
	{"64", 0, 64, 10},
};

struct core {
	struct bench_pair pair;
	const struct core_case *what;
	struct tee_socket *client, *server;
	struct tee_frame frames[BENCH_PAIR_BATCH];
	struct tee_pkt *pkts[BENCH_PAIR_BATCH];
	int count;              /* frames, then packets, on their way */
	uint32_t payload_bytes; /* in them */
	uint32_t head_len;      /* of each */
	uint64_t frames_count, bytes;
	bool tells; /* where payload lies */
};

static uint8_t payload[256 * 1024];

/* What a store into each byte says to a reader of the trace. */
enum mark { MARK_SEND, MARK_RECEIVE, MARK_ACK, MARK_END, MARK_COUNT };
static volatile uint8_t marks[MARK_COUNT];

/* ---- the parts: not static, so that a profiler finds them by name ---- */

void core_send(struct core *core);
void core_receive(struct core *core);
void core_ack(struct core *core);

__attribute__((noinline)) void core_send(struct core *core)
{
	struct bench_end *end = &core->pair.ends[0];

	for (unsigned i = 0; i < core->what->burst; i++)
		tee_send(core->client, payload, core->what->write_bytes, 0);
	core->count = tee_output(end->stack, end->netif, core->frames, BENCH_PAIR_BATCH,
				 core->pair.now_ns);
}

__attribute__((noinline)) void core_receive(struct core *core)
{
	struct bench_end *end = &core->pair.ends[1];
	uint32_t left = core->payload_bytes;

	for (int i = 0; i < core->count; i++)
		tee_input(end->stack, end->netif, core->pkts[i], core->pair.now_ns);
	while (left > 0) {
		ssize_t got = tee_recv(core->server, payload + sizeof(payload) / 2, READ_BYTES, 0);

		if (got <= 0)
			bench_fail("the data did not come: %s", tee_strerror((int)got));
		left -= (uint32_t)got;
	}
}

__attribute__((noinline)) void core_ack(struct core *core)
{
	bench_end_output(&core->pair.ends[1], core->pair.now_ns);
	bench_end_input(&core->pair.ends[0], core->pair.now_ns);
}

/* ---- between them ---- */

/* Each a write of its own: the trace goes the same way. */
static void tell(const char *what, const volatile void *start, size_t bytes)
{
	dprintf(STDERR_FILENO, "=%s %p %zu\n", what, (const void *)start, bytes);
}

static void tell_sent(const struct core *core)
{
	for (int i = 0; i < core->count; i++)
		for (unsigned k = 0;
		     core->frames[i].head_len > 0 && k < core->frames[i].slice_count; k++)
			tell("payload", core->frames[i].slices[k].ptr,
			     core->frames[i].slices[k].len);
}

static void tell_received(const struct core *core)
{
	for (int i = 0; i < core->count; i++) {
		const struct tee_pkt *pkt = core->pkts[i];

		tell("payload", tee_pkt_bytes(pkt) + core->head_len, pkt->len - core->head_len);
	}
}

/* Frames to packets, by way of the wire. */
static void carry(struct core *core)
{
	struct tee_link *from = core->pair.ends[0].link, *to = core->pair.ends[1].link;
	struct tee_pool *pool = tee_stack_pool(core->pair.ends[1].stack);

	if (core->count <= 0 || from->ops->send(from, core->frames, (unsigned)core->count,
						core->pair.now_ns) != core->count)
		bench_fail("nothing was sent");
	if (core->tells)
		tell_sent(core);
	core->payload_bytes = 0;
	for (int i = 0; i < core->count; i++) {
		core->bytes += core->frames[i].len;
		/* ARP's frames have no head: they are packets made before. */
		if (core->frames[i].head_len > 0) {
			core->head_len = core->frames[i].head_len;
			core->payload_bytes += core->frames[i].len - core->head_len;
		}
		tee_frame_release(&core->frames[i]);
	}
	core->count = to->ops->recv(to, pool, core->pkts, BENCH_PAIR_BATCH, core->pair.now_ns);
	core->frames_count += (uint64_t)core->count;
	if (core->tells)
		tell_received(core);
}

static void forget_events(struct core *core)
{
	struct tee_event event;

	for (unsigned i = 0; i < 2; i++) {
		tee_advance(core->pair.ends[i].stack, core->pair.now_ns);
		while (tee_next_event(core->pair.ends[i].stack, &event))
			continue;
	}
}

static void run_round(struct core *core, uint64_t took_ns[3])
{
	uint64_t at[5];

	at[0] = bench_now_ns();
	marks[MARK_SEND] = 1;
	core_send(core);
	marks[MARK_END] = 1;
	at[1] = bench_now_ns();
	carry(core);
	core->pair.now_ns += 20 * TEE_NS_PER_US;
	at[2] = bench_now_ns();
	marks[MARK_RECEIVE] = 1;
	core_receive(core);
	marks[MARK_END] = 1;
	at[3] = bench_now_ns();
	marks[MARK_ACK] = 1;
	core_ack(core);
	marks[MARK_END] = 1;
	at[4] = bench_now_ns();
	core->pair.now_ns += 20 * TEE_NS_PER_US;
	forget_events(core);
	took_ns[0] += at[1] - at[0];
	took_ns[1] += at[3] - at[2];
	took_ns[2] += at[4] - at[3];
}

static void core_open(struct core *core)
{
	struct tee_socket *listener;

	bench_pair_init(&core->pair, 1500, core->what->offloads, 100);
	listener = bench_pair_listen(&core->pair, PORT);
	core->client = bench_pair_connect(&core->pair, PORT);
	bench_pair_settle(&core->pair);
	if (tee_accept(listener, &core->server, NULL) < 0)
		bench_fail("the connection did not come");
	tee_set_option(core->client, TEE_OPT_NODELAY, 1);
}

int bench_our_core(int argc, char **argv)
{
	uint64_t rounds = argc >= 2 ? strtoull(argv[1], NULL, 10) : 0, took_ns[3] = {0};
	uint64_t warm_up = argc >= 3 ? strtoull(argv[2], NULL, 10) : WARM_UP_ROUNDS;
	static struct core core;
	double segments;

	for (size_t i = 0; argc > 0 && i < sizeof(cases) / sizeof(cases[0]); i++)
		if (strcmp(argv[0], cases[i].name) == 0)
			core.what = &cases[i];
	if (!core.what || !rounds)
		bench_fail("our-core 64k|mss|mss-offload|mss-alone|64 ROUNDS [WARM-UP [marks]]");
	core_open(&core);
	for (uint64_t i = 0; i < warm_up; i++)
		run_round(&core, took_ns);
	memset(took_ns, 0, sizeof(took_ns));
	core.frames_count = core.bytes = 0;
	core.tells = argc >= 4 && strcmp(argv[3], "marks") == 0;
	if (core.tells) {
		tell("buffer", payload, sizeof(payload));
		tell("stack", (char *)__builtin_frame_address(0) - STACK_BYTES, STACK_BYTES);
		tell("marks", marks, sizeof(marks));
	}
	for (uint64_t i = 0; i < rounds; i++)
		run_round(&core, took_ns);
	segments = (double)core.frames_count;
	printf("{\"case\": \"%s\", \"frames\": %.0f, \"bytes_per_frame\": %.0f, "
	       "\"send_ns\": %.1f, \"receive_ns\": %.1f, \"ack_ns\": %.1f}\n",
	       core.what->name, segments, (double)core.bytes / segments,
	       (double)took_ns[0] / segments, (double)took_ns[1] / segments,
	       (double)took_ns[2] / segments);
	bench_pair_fini(&core.pair);
	return 0;
}
