// SPDX-License-Identifier: MIT
/* Two stacks on a wire; see pair.h. */
#include <string.h>

#include "bench.h"
#include "pair.h"

enum { BACKLOG = 1 << 20 };

static const struct tee_ip addresses[2] = {
	{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 1}},
	{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 2}},
};

static void end_init(struct bench_end *end, struct tee_link *link, unsigned idx, uint32_t conn_max)
{
	struct tee_netif_config netif = {
		.kind = link->info.kind,
		.mac = link->info.mac,
		.mtu = link->info.mtu,
		.offloads = link->info.offloads,
		.gso_bytes_max = link->info.gso_bytes_max,
	};
	struct tee_config config;

	tee_config_init(&config);
	tee_host_memory(&config.memory);
	config.seed = idx + 1;
	config.acd = false;
	config.conn_max = conn_max;
	config.memory_bytes_max = (size_t)1 << 40;
	config.tcp_listen_backlog_max = BACKLOG;
	config.syn_queue_max = BACKLOG;
	config.timewait_max = conn_max;
	end->stack = tee_stack_new(&config, 0);
	end->link = link;
	end->netif = end->stack ? tee_netif_add(end->stack, &netif) : -1;
	if (end->netif < 0 || tee_netif_set_up(end->stack, end->netif, true) < 0 ||
	    tee_addr_add(end->stack, end->netif, &addresses[idx], 24, true) < 0)
		bench_fail("can't make a stack");
}

void bench_pair_init(struct bench_pair *pair, uint32_t mtu, unsigned offloads, uint32_t conn_max)
{
	struct tee_link *links[2];

	if (tee_link_wire_pair(mtu, offloads, links) < 0)
		bench_fail("no wire");
	for (unsigned i = 0; i < 2; i++)
		end_init(&pair->ends[i], links[i], i, conn_max);
	pair->now_ns = TEE_NS_PER_S;
}

void bench_pair_fini(struct bench_pair *pair)
{
	for (unsigned i = 0; i < 2; i++)
		tee_stack_free(pair->ends[i].stack);
	for (unsigned i = 0; i < 2; i++)
		tee_link_close(pair->ends[i].link);
}

int bench_end_input(struct bench_end *end, uint64_t now_ns)
{
	struct tee_pkt *pkts[BENCH_PAIR_BATCH];
	int received = end->link->ops->recv(end->link, tee_stack_pool(end->stack), pkts,
					    BENCH_PAIR_BATCH, now_ns);

	if (received > 0)
		tee_input_ahead(end->stack, end->netif, pkts, (unsigned)received);
	for (int i = 0; i < received; i++)
		tee_input(end->stack, end->netif, pkts[i], now_ns);
	return received;
}

int bench_end_output(struct bench_end *end, uint64_t now_ns)
{
	struct tee_frame frames[BENCH_PAIR_BATCH];
	int sent = tee_output(end->stack, end->netif, frames, BENCH_PAIR_BATCH, now_ns);

	if (sent > 0 && end->link->ops->send(end->link, frames, (unsigned)sent, now_ns) != sent)
		bench_fail("the wire is full");
	for (int i = 0; i < sent; i++)
		tee_frame_release(&frames[i]);
	return sent;
}

static bool turn(struct bench_end *end, uint64_t now_ns)
{
	int received = bench_end_input(end, now_ns);

	tee_advance(end->stack, now_ns);
	return (received > 0) | (bench_end_output(end, now_ns) > 0);
}

void bench_pair_settle(struct bench_pair *pair)
{
	bool any = true;

	while (any) {
		any = turn(&pair->ends[0], pair->now_ns);
		any |= turn(&pair->ends[1], pair->now_ns);
		pair->now_ns += any ? TEE_NS_PER_US : 0;
	}
}

struct tee_socket *bench_pair_listen(struct bench_pair *pair, uint16_t port)
{
	const struct tee_endpoint here = {.ip = addresses[1], .port = port};
	struct tee_socket *listener;

	if (tee_socket_open(pair->ends[1].stack, TEE_SOCKET_TCP, TEE_FAMILY_IPV4, &listener) < 0 ||
	    tee_bind(listener, &here) < 0 || tee_listen(listener, BACKLOG) < 0)
		bench_fail("can't listen on port %u", port);
	return listener;
}

struct tee_socket *bench_pair_connect(struct bench_pair *pair, uint16_t port)
{
	const struct tee_endpoint there = {.ip = addresses[1], .port = port};
	struct tee_socket *socket;
	int result = tee_socket_open(pair->ends[0].stack, TEE_SOCKET_TCP, TEE_FAMILY_IPV4, &socket);

	if (result == 0)
		result = tee_connect(socket, &there);
	if (result != -TEE_EINPROGRESS)
		bench_fail("can't connect: %s", tee_strerror(result));
	return socket;
}
