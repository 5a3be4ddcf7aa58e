// SPDX-License-Identifier: MIT
/*
 * What an idle connection costs: growth of memory over many, divided.
 *
 * Ours: two stacks in this process on a simulated wire, each connection with a socket at both ends; the
 * growth of the process is shared out over both. One byte goes each way first, so that what a
 * connection keeps after talking is counted too.
 *
 * The kernel's: pairs over the loopback, counted as growth of its slabs (/proc/meminfo), which is where
 * sockets, files and inodes live. The machine's other doings are in that figure too.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include <teeceepee/teeceepee.h>

#include "bench.h"

enum { BATCH = 64, PER_PORT = 16000, FIRST_PORT = 100, TURNS_MAX = 1000 };

struct end {
	struct tee_stack *stack;
	struct tee_link *link;
	int netif;
};

static void set_up(struct end *end, struct tee_link *link, uint8_t last_byte, unsigned long count)
{
	const struct tee_ip ip = TEE_IP4(10, 0, 0, last_byte);
	struct tee_netif_config netif = {
		.kind = link->info.kind, .mac = link->info.mac, .mtu = link->info.mtu};
	struct tee_config config;

	tee_config_init(&config);
	config.seed = last_byte;
	config.acd = false;
	config.conn_max = (uint32_t)count + 1000;
	config.memory_bytes_max = (size_t)8 << 30;
	config.tcp_listen_backlog_max = 1 << 20;
	config.syn_queue_max = 1 << 20;
	end->stack = tee_stack_new(&config, 0);
	end->link = link;
	end->netif = end->stack ? tee_netif_add(end->stack, &netif) : -1;
	if (end->netif < 0 || tee_netif_set_up(end->stack, end->netif, true) < 0 ||
	    tee_addr_add(end->stack, end->netif, &ip, 24, true) < 0)
		bench_fail("can't make a stack");
}

static bool turn(struct end *end, uint64_t now_ns)
{
	const struct tee_link_ops *ops = end->link->ops;
	struct tee_pkt *pkts[BATCH];
	struct tee_frame frames[BATCH];
	int received = ops->recv(end->link, tee_stack_pool(end->stack), pkts, BATCH, now_ns), sent;

	for (int i = 0; i < received; i++)
		tee_input(end->stack, end->netif, pkts[i], now_ns);
	tee_advance(end->stack, now_ns);
	sent = tee_output(end->stack, end->netif, frames, BATCH, now_ns);
	if (sent > 0 && ops->send(end->link, frames, (unsigned)sent, now_ns) != sent)
		bench_fail("the wire is full");
	for (int i = 0; i < sent; i++)
		tee_frame_release(&frames[i]);
	return received > 0 || sent > 0;
}

static void settle(struct end ends[2], uint64_t *now_ns)
{
	for (unsigned i = 0; i < TURNS_MAX; i++) {
		if (!turn(&ends[0], *now_ns) & !turn(&ends[1], *now_ns))
			return;
		*now_ns += TEE_NS_PER_US;
	}
}

static struct tee_socket *must_listen(struct end *end, uint16_t port)
{
	const struct tee_endpoint here = {.ip = TEE_IP4(10, 0, 0, 2), .port = port};
	struct tee_socket *listener;

	if (tee_socket_open(end->stack, TEE_SOCKET_TCP, TEE_FAMILY_IPV4, &listener) < 0 ||
	    tee_bind(listener, &here) < 0 || tee_listen(listener, 1024) < 0)
		bench_fail("can't listen");
	return listener;
}

/* Opens one more connection and lets a byte go each way. */
static void connect_one(struct end ends[2], struct tee_socket *listener, uint16_t port,
			uint64_t *now_ns)
{
	const struct tee_endpoint there = {.ip = TEE_IP4(10, 0, 0, 2), .port = port};
	struct tee_socket *client, *server;
	char byte = 'x';

	if (tee_socket_open(ends[0].stack, TEE_SOCKET_TCP, TEE_FAMILY_IPV4, &client) < 0 ||
	    tee_connect(client, &there) != -TEE_EINPROGRESS)
		bench_fail("can't connect");
	settle(ends, now_ns);
	if (tee_accept(listener, &server, NULL) < 0 || tee_send(client, &byte, 1, 0) != 1)
		bench_fail("the connection did not come");
	settle(ends, now_ns);
	if (tee_recv(server, &byte, 1, 0) != 1 || tee_send(server, &byte, 1, 0) != 1)
		bench_fail("no byte came");
	settle(ends, now_ns);
	if (tee_recv(client, &byte, 1, 0) != 1)
		bench_fail("no byte came back");
}

static void drain_events(struct end ends[2])
{
	struct tee_event event;

	for (unsigned i = 0; i < 2; i++)
		while (tee_next_event(ends[i].stack, &event))
			continue;
}

int bench_our_memory(int argc, char **argv)
{
	unsigned long count = argc == 1 ? strtoul(argv[0], NULL, 10) : 0;
	uint64_t now_ns = 1, before, started_ns, took_ns;
	struct tee_socket *listener = NULL;
	struct tee_link *links[2];
	struct end ends[2];

	if (count == 0 || count > 1000000)
		bench_fail("our-memory COUNT, up to 1000000");
	if (tee_link_wire_pair(1500, 0, links) < 0)
		bench_fail("no wire");
	for (unsigned i = 0; i < 2; i++)
		set_up(&ends[i], links[i], (uint8_t)(i + 1), count);
	listener = must_listen(&ends[1], FIRST_PORT - 1);
	connect_one(ends, listener, FIRST_PORT - 1, &now_ns);
	before = bench_resident_bytes();
	started_ns = bench_now_ns();
	for (unsigned long i = 0; i < count; i++) {
		uint16_t port = (uint16_t)(FIRST_PORT + i / PER_PORT);

		if (i % PER_PORT == 0)
			listener = must_listen(&ends[1], port);
		connect_one(ends, listener, port, &now_ns);
		drain_events(ends);
	}
	took_ns = bench_now_ns() - started_ns;
	/* Delayed ACKs and the like come to rest. */
	for (unsigned i = 0; i < 100; i++) {
		now_ns += 100 * TEE_NS_PER_MS;
		settle(ends, &now_ns);
	}
	printf("{\"bytes_per_end\": %.0f, \"connections\": %lu, \"opened_per_s\": %.0f}\n",
	       (double)(bench_resident_bytes() - before) / (double)(2 * count), count,
	       (double)count * 1e9 / (double)took_ns);
	for (unsigned i = 0; i < 2; i++)
		tee_stack_free(ends[i].stack);
	for (unsigned i = 0; i < 2; i++)
		tee_link_close(links[i]);
	return 0;
}

/* ---- the kernel's ---- */

static uint64_t slab_bytes(void)
{
	FILE *file = fopen("/proc/meminfo", "r");
	unsigned long kilobytes = 0;
	char line[128];
	bool is_found = false;

	while (file && fgets(line, sizeof(line), file))
		is_found |= sscanf(line, "Slab: %lu", &kilobytes) == 1;
	if (!is_found)
		bench_fail("/proc/meminfo tells nothing of slabs");
	fclose(file);
	return (uint64_t)kilobytes * 1024;
}

static void kernel_pair(int listener, const struct sockaddr_in *there)
{
	int client = socket(AF_INET, SOCK_STREAM, 0), server;
	char byte = 'x';

	if (client < 0 || connect(client, (const struct sockaddr *)there, sizeof(*there)) < 0)
		bench_fail("can't connect: %s", strerror(errno));
	server = accept(listener, NULL, NULL);
	if (server < 0 || send(client, &byte, 1, 0) != 1 || recv(server, &byte, 1, 0) != 1 ||
	    send(server, &byte, 1, 0) != 1 || recv(client, &byte, 1, 0) != 1)
		bench_fail("no byte each way: %s", strerror(errno));
}

int bench_kernel_memory(int argc, char **argv)
{
	unsigned long count = argc == 1 ? strtoul(argv[0], NULL, 10) : 0;
	struct sockaddr_in there = {.sin_family = AF_INET, .sin_port = htons(5999)};
	struct rlimit files;
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	uint64_t before;

	there.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (count == 0 || count > 25000)
		bench_fail("kernel-memory COUNT, up to 25000");
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	/* As many as this user may have: two files each, and some for the warm-up. */
	if (files.rlim_cur < 2 * count + 300)
		count = files.rlim_cur > 2300 ? (files.rlim_cur - 300) / 2 : 1000;
	if (bind(listener, (struct sockaddr *)&there, sizeof(there)) < 0 ||
	    listen(listener, 100) < 0)
		bench_fail("can't listen: %s", strerror(errno));
	for (unsigned i = 0; i < 100; i++)
		kernel_pair(listener, &there);
	before = slab_bytes();
	for (unsigned long i = 0; i < count; i++)
		kernel_pair(listener, &there);
	printf("{\"bytes_per_end\": %.0f, \"connections\": %lu}\n",
	       (double)(slab_bytes() - before) / (double)(2 * count), count);
	return 0;
}
