// SPDX-License-Identifier: MIT
/*
 * Two stacks in this process on a simulated wire, in virtual time: what is measured on them is the
 * stack alone, without a system call.
 */
#ifndef BENCH_PAIR_H
#define BENCH_PAIR_H

#include <teeceepee/teeceepee.h>

enum { BENCH_PAIR_BATCH = 64 };

/* One of the two: 10.0.0.1 or 10.0.0.2. */
struct bench_end {
	struct tee_stack *stack;
	struct tee_link *link;
	int netif;
};

struct bench_pair {
	struct bench_end ends[2];
	uint64_t now_ns;
};

/* `offloads`: TEE_OFFLOAD_… of the wire; `conn_max`: connections that each stack is to hold. */
void bench_pair_init(struct bench_pair *pair, uint32_t mtu, unsigned offloads, uint32_t conn_max);
void bench_pair_fini(struct bench_pair *pair);
/* What came is taken in; how many frames. */
int bench_end_input(struct bench_end *end, uint64_t now_ns);
/* What is ready leaves; how many frames. */
int bench_end_output(struct bench_end *end, uint64_t now_ns);
/* Runs both, a microsecond a turn, until neither has anything for the other. */
void bench_pair_settle(struct bench_pair *pair);
/* A listener at 10.0.0.2. */
struct tee_socket *bench_pair_listen(struct bench_pair *pair, uint16_t port);
/* Begins to connect from 10.0.0.1. */
struct tee_socket *bench_pair_connect(struct bench_pair *pair, uint16_t port);

#endif
