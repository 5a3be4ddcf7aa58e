// SPDX-License-Identifier: MIT
/*
 * What a connection costs: growth of this process over many, divided.
 *
 *	idle          opened and accepted, nothing sent
 *	talked        the same, after a byte each way: what it keeps of talking is counted too
 *	time-wait     closed by us first and then by the peer
 *	syn-received  half open: a SYN came, the SYN-ACK was never answered
 *
 * The first three are between two stacks on a wire; an open connection has a socket at both ends, and the
 * growth is shared out over both. In TIME-WAIT one end only is left. The half-open ones are those of one
 * stack, whose SYNs are written here.
 */
#include <arpa/inet.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "pair.h"

enum {
	FIRST_PORT = 1000,
	PER_PORT = 20000,
	BURST = 32,
	WARM_UP = 64,
	ROOM = 1000, /* of the tables, for the warm-up and what is still closing */
	COUNT_MAX = 1 << 20,
};

/* What is done with a burst of connections once they are open. */
typedef void burst_fn(struct bench_pair *pair, struct tee_socket **clients,
		      struct tee_socket **servers, unsigned count);

static void leave_idle(struct bench_pair *pair, struct tee_socket **clients,
		       struct tee_socket **servers, unsigned count)
{
	(void)pair, (void)clients, (void)servers, (void)count;
}

/* A byte from each of `from`, taken by each of `to`: which is whose peer does not matter here. */
static void pass_byte(struct bench_pair *pair, struct tee_socket **from, struct tee_socket **to,
		      unsigned count)
{
	char byte = 'x';

	for (unsigned i = 0; i < count; i++)
		if (tee_send(from[i], &byte, 1, 0) != 1)
			bench_fail("a connection takes no byte");
	bench_pair_settle(pair);
	for (unsigned i = 0; i < count; i++)
		if (tee_recv(to[i], &byte, 1, 0) != 1)
			bench_fail("no byte came");
}

static void talk(struct bench_pair *pair, struct tee_socket **clients, struct tee_socket **servers,
		 unsigned count)
{
	pass_byte(pair, clients, servers, count);
	pass_byte(pair, servers, clients, count);
	bench_pair_settle(pair);
}

static void close_clients_first(struct bench_pair *pair, struct tee_socket **clients,
				struct tee_socket **servers, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		tee_close(clients[i]);
	bench_pair_settle(pair);
	for (unsigned i = 0; i < count; i++)
		tee_close(servers[i]);
	bench_pair_settle(pair);
}

static void forget_events(struct bench_pair *pair)
{
	struct tee_event event;

	for (unsigned i = 0; i < 2; i++)
		while (tee_next_event(pair->ends[i].stack, &event))
			continue;
}

/* Opens connections [from, to) in bursts, PER_PORT to each port of the server's. */
static void open_range(struct bench_pair *pair, burst_fn *then, uint32_t from, uint32_t to)
{
	static struct tee_socket *listener;
	struct tee_socket *clients[BURST], *servers[BURST];

	for (uint32_t i = from; i < to;) {
		uint16_t port = (uint16_t)(FIRST_PORT + i / PER_PORT);
		unsigned count = 0;

		if (i % PER_PORT == 0)
			listener = bench_pair_listen(pair, port);
		do
			clients[count++] = bench_pair_connect(pair, port);
		while (++i < to && i % PER_PORT != 0 && count < BURST);
		bench_pair_settle(pair);
		for (unsigned at = 0; at < count; at++)
			if (tee_accept(listener, &servers[at], NULL) < 0)
				bench_fail("a connection did not come");
		then(pair, clients, servers, count);
		forget_events(pair);
	}
}

static void report(const char *what, uint64_t grown, uint32_t count, unsigned ends)
{
	printf("{\"what\": \"%s\", \"bytes_each\": %.1f, \"connections\": %u}\n", what,
	       (double)grown / ((double)count * ends), count);
}

static void run_pair(const char *what, burst_fn *then, uint32_t count, unsigned ends)
{
	struct bench_pair pair;
	uint64_t before;

	bench_pair_init(&pair, 1500, 0, count + ROOM);
	open_range(&pair, then, 0, WARM_UP);
	before = bench_resident_bytes();
	open_range(&pair, then, WARM_UP, WARM_UP + count);
	/* Delayed ACKs and the like come to rest. */
	for (unsigned i = 0; i < 20; i++) {
		pair.now_ns += 100 * TEE_NS_PER_MS;
		bench_pair_settle(&pair);
	}
	/* The stacks end with the program, which is quicker than taking a million connections apart. */
	report(what, bench_resident_bytes() - before, count, ends);
}

/* ---- half-open ones ---- */

struct syn {
	struct iphdr ip;
	struct tcphdr tcp;
	uint8_t options[4]; /* MSS 1460 */
};

/* The idx-th caller's SYN: an address for every 50,000 ports. */
static struct tee_pkt *make_syn(struct tee_stack *stack, uint32_t idx)
{
	const struct syn syn = {
		.ip = {.version = 4,
		       .ihl = 5,
		       .tot_len = htons(sizeof(struct syn)),
		       .ttl = 64,
		       .protocol = IPPROTO_TCP,
		       .saddr = htonl(0x0a000100 + idx / 50000),
		       .daddr = htonl(0x0a000002)},
		.tcp = {.source = htons((uint16_t)(10000 + idx % 50000)),
			.dest = htons(FIRST_PORT),
			.seq = htonl(idx),
			.doff = 6,
			.syn = 1,
			.window = htons(65535)},
		.options = {2, 4, 1460 >> 8, 1460 & 255},
	};
	struct tee_pkt *pkt = tee_pkt_new(tee_stack_pool(stack), sizeof(syn));

	if (!pkt)
		bench_fail("no memory for a packet");
	memcpy(tee_pkt_bytes(pkt), &syn, sizeof(syn));
	pkt->len = sizeof(syn);
	pkt->checksum_state = TEE_CHECKSUM_VERIFIED;
	return pkt;
}

static struct tee_stack *make_server(uint32_t count, int *ret_netif)
{
	const struct tee_netif_config netif = {
		.kind = TEE_NETIF_RAW_IP, .mtu = 1500, .offloads = TEE_OFFLOAD_RX_TRUSTED};
	const struct tee_endpoint here = {.port = FIRST_PORT};
	const struct tee_ip ip = TEE_IP4(10, 0, 0, 2);
	struct tee_socket *listener;
	struct tee_config config;
	struct tee_stack *stack;

	tee_config_init(&config);
	tee_host_memory(&config.memory);
	config.memory_bytes_max = (size_t)1 << 40;
	config.conn_max = config.syn_queue_max = config.tcp_listen_backlog_max = count + ROOM;
	stack = tee_stack_new(&config, 0);
	*ret_netif = stack ? tee_netif_add(stack, &netif) : -1;
	if (*ret_netif < 0 || tee_netif_set_up(stack, *ret_netif, true) < 0 ||
	    tee_addr_add(stack, *ret_netif, &ip, 8, true) < 0 ||
	    tee_socket_open(stack, TEE_SOCKET_TCP, TEE_FAMILY_IPV4, &listener) < 0 ||
	    tee_bind(listener, &here) < 0 || tee_listen(listener, count + ROOM) < 0)
		bench_fail("can't make a server");
	return stack;
}

/* Gives the stack SYNs [from, to) and throws its answers away; how many answers. */
static uint32_t half_open(struct tee_stack *stack, int netif, uint32_t from, uint32_t to)
{
	struct tee_frame frames[BURST];
	uint64_t now_ns = TEE_NS_PER_S;
	uint32_t answers = 0;

	for (uint32_t i = from; i < to; i++) {
		int count;

		tee_input(stack, netif, make_syn(stack, i), now_ns);
		count = tee_output(stack, netif, frames, BURST, now_ns);
		for (int at = 0; at < count; at++)
			tee_frame_release(&frames[at]);
		answers += (uint32_t)count;
	}
	return answers;
}

static void run_half_open(uint32_t count)
{
	int netif;
	struct tee_stack *stack = make_server(count, &netif);
	uint64_t before, cookies;

	half_open(stack, netif, 0, WARM_UP);
	before = bench_resident_bytes();
	if (half_open(stack, netif, WARM_UP, WARM_UP + count) != count)
		bench_fail("not every SYN was answered");
	cookies = tee_counter_by_name(stack, "tcp.syn_cookies_sent");
	if (cookies > 0)
		bench_fail("%lu SYNs were answered by cookies", (unsigned long)cookies);
	report("syn-received", bench_resident_bytes() - before, count, 1);
	tee_stack_free(stack);
}

int bench_our_memory(int argc, char **argv)
{
	unsigned long count = argc == 2 ? strtoul(argv[1], NULL, 10) : 0;
	const char *what = argc == 2 ? argv[0] : "";

	if (count == 0 || count > COUNT_MAX)
		bench_fail("our-memory idle|talked|time-wait|syn-received COUNT");
	if (strcmp(what, "idle") == 0)
		run_pair(what, leave_idle, (uint32_t)count, 2);
	else if (strcmp(what, "talked") == 0)
		run_pair(what, talk, (uint32_t)count, 2);
	else if (strcmp(what, "time-wait") == 0)
		run_pair(what, close_clients_first, (uint32_t)count, 1);
	else if (strcmp(what, "syn-received") == 0)
		run_half_open((uint32_t)count);
	else
		bench_fail("our-memory idle|talked|time-wait|syn-received COUNT");
	return 0;
}
