// SPDX-License-Identifier: MIT
/*
 * Is the machine to itself? Two threads, each held to a core, work at the same time for a moment: they count, which tells
 * how much of its core each has (the other half of the core may be another guest's of a virtual machine's host),
 * and hand a cache line to and fro, which tells how far from each other the host has put the two. It knows
 * nothing of any stack; bench/calm.py compares with the best it has seen.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench.h"

enum { COUNT_NS = 8000000, TURNS_NS = 4000000, STEPS = 2000 };

struct worker {
	pthread_t thread;
	int cpu;
	unsigned turn; /* 0 or 1 */
	double steps_per_us, turn_us;
};

static pthread_barrier_t together;
static _Alignas(64) atomic_uint line;
static _Alignas(64) atomic_bool is_over;

/* Sums that do not wait for each other, so that they keep all of a core busy: half a core shows. */
static uint64_t count_steps(uint64_t seed)
{
	uint64_t sums[6] = {seed, 1, 2, 3, 4, 5};

	for (uint64_t i = 0; i < STEPS; i++)
		for (unsigned k = 0; k < 6; k++) {
			sums[k] = sums[k] * 3 + i;
			__asm__ volatile("" : "+r"(sums[k]));
		}
	return sums[0] + sums[1] + sums[2] + sums[3] + sums[4] + sums[5];
}

static void *work(void *arg)
{
	struct worker *self = arg;
	uint64_t start_ns, now_ns, sum = self->turn, rounds = 0;

	pthread_barrier_wait(&together);
	start_ns = bench_now_ns();
	do {
		sum = count_steps(sum);
		rounds++;
		now_ns = bench_now_ns();
	} while (now_ns - start_ns < COUNT_NS);
	self->steps_per_us = (double)rounds * STEPS * 1e3 / (double)(now_ns - start_ns);

	pthread_barrier_wait(&together);
	start_ns = bench_now_ns();
	for (rounds = 0; !is_over; rounds++) {
		while (line % 2 != self->turn && !is_over)
			continue;
		line++;
		now_ns = bench_now_ns();
		if (now_ns - start_ns > TURNS_NS)
			is_over = true;
	}
	self->turn_us = (double)(now_ns - start_ns) / (double)rounds / 1e3;
	return NULL;
}

int bench_calm(int argc, char **argv)
{
	struct worker workers[2] = {{.turn = 0}, {.turn = 1}};
	char *end;

	if (argc != 2)
		bench_fail("calm CORE CORE");
	pthread_barrier_init(&together, NULL, 2);
	for (unsigned i = 0; i < 2; i++) {
		long cpu = strtol(argv[i], &end, 10);

		if (end == argv[i] || *end != '\0' || cpu < 0 || cpu >= CPU_SETSIZE)
			bench_fail("there is no core %s", argv[i]);
		workers[i].cpu = (int)cpu;
		if (!bench_thread_on(&workers[i].thread, workers[i].cpu, work, &workers[i]))
			bench_fail("no thread on core %d", workers[i].cpu);
	}
	for (unsigned i = 0; i < 2; i++)
		pthread_join(workers[i].thread, NULL);
	printf("{\"steps_per_us\": [%.1f, %.1f], \"line_us\": %.4f}\n", workers[0].steps_per_us,
	       workers[1].steps_per_us, workers[0].turn_us);
	return 0;
}
