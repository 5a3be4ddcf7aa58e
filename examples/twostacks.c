// SPDX-License-Identifier: MIT
/*
 * Two stacks, a wire, and no operating system: one connects to the other and sends a megabyte over a
 * bad network, in virtual time. The same seed prints the same, whatever the machine and its load:
 *
 *     example-twostacks [SEED]
 *
 * This is the library without its host side: the five doors and nothing else.
 */
#include <stdio.h>
#include <stdlib.h>
#include <teeceepee/teeceepee.h>

enum { BATCH = 32, PORT = 7, AMOUNT = 1 << 20 };

struct side {
	struct tee_stack *stack;
	struct tee_link *link;
	int netif;
};

/* One end of the wire: a stack with an address, behind a link that loses and delays. */
static void set_up(struct side *side, struct tee_link *link, uint8_t last_byte, uint64_t seed)
{
	const struct tee_impairment bad = {.loss = 0.02,
					   .delay_ns = 10 * TEE_NS_PER_MS,
					   .reorder = 0.01,
					   .seed = seed,
					   .tx = true};
	const struct tee_ip ip = TEE_IP4(10, 0, 0, last_byte);
	struct tee_netif_config netif = {
		.kind = link->info.kind, .mac = link->info.mac, .mtu = link->info.mtu};
	struct tee_config config;

	tee_config_init(&config);
	config.seed = seed + last_byte;
	side->stack = tee_stack_new(&config, 0);
	if (!side->stack || tee_link_impair(link, &bad, &side->link) < 0)
		abort();
	side->netif = tee_netif_add(side->stack, &netif);
	tee_netif_set_up(side->stack, side->netif, true);
	tee_addr_add(side->stack, side->netif, &ip, 24, true);
}

/* Everything that can happen on one side at this instant; true when something did. */
static bool turn(struct side *side, uint64_t now_ns)
{
	struct tee_pkt *pkts[BATCH];
	struct tee_frame frames[BATCH];
	const struct tee_link_ops *ops = side->link->ops;
	int received = ops->recv(side->link, tee_stack_pool(side->stack), pkts, BATCH, now_ns);
	int sent;

	for (int i = 0; i < received; i++)
		tee_input(side->stack, side->netif, pkts[i], now_ns);
	tee_advance(side->stack, now_ns);
	sent = tee_output(side->stack, side->netif, frames, BATCH, now_ns);
	/* An impaired wire takes everything; what it loses is part of the game. */
	if (sent > 0)
		ops->send(side->link, frames, (unsigned)sent, now_ns);
	for (int i = 0; i < sent; i++)
		tee_frame_release(&frames[i]);
	return received > 0 || sent > 0;
}

static uint64_t next_ns(const struct side *side)
{
	uint64_t stack_ns = tee_deadline(side->stack);
	uint64_t link_ns = side->link->ops->deadline(side->link);

	return stack_ns < link_ns ? stack_ns : link_ns;
}

/* Sends zeros while they fit; takes what arrives. Returns how much arrived now. */
static size_t exchange(struct tee_socket *from, struct tee_socket *to, size_t *left)
{
	static const char zeros[16384];
	static char sink[65536];
	size_t got = 0;
	ssize_t len = 1;

	while (*left > 0 && len > 0) {
		len = tee_send(from, zeros, *left < sizeof(zeros) ? *left : sizeof(zeros), 0);
		*left -= len > 0 ? (size_t)len : 0;
	}
	while (to && (len = tee_recv(to, sink, sizeof(sink), 0)) > 0)
		got += (size_t)len;
	return got;
}

int main(int argc, char **argv)
{
	uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 1, now_ns = 0;
	const struct tee_endpoint there = {.ip = TEE_IP4(10, 0, 0, 2), .port = PORT};
	struct tee_socket *client, *listener, *server = NULL;
	struct tee_link *ends[2];
	struct side a, b;
	struct tee_tcp_info info;
	size_t left = AMOUNT, arrived = 0;

	if (tee_link_wire_pair(1500, 0, ends) < 0)
		return 1;
	set_up(&a, ends[0], 1, seed);
	set_up(&b, ends[1], 2, seed);
	tee_socket_open(b.stack, TEE_SOCKET_TCP, TEE_FAMILY_IPV4, &listener);
	tee_bind(listener, &there);
	tee_listen(listener, 1);
	tee_socket_open(a.stack, TEE_SOCKET_TCP, TEE_FAMILY_IPV4, &client);
	tee_connect(client, &there);

	while (arrived < AMOUNT && now_ns < 600 * TEE_NS_PER_S) {
		bool was_busy;

		if (!server)
			tee_accept(listener, &server, NULL);
		arrived += exchange(client, server, &left);
		was_busy = turn(&a, now_ns);
		if (!turn(&b, now_ns) && !was_busy) {
			uint64_t next = next_ns(&a) < next_ns(&b) ? next_ns(&a) : next_ns(&b);

			if (next == TEE_NEVER)
				break;
			now_ns = next > now_ns ? next : now_ns + 1;
		}
	}
	tee_socket_info(client, &info);
	printf("seed %llu: %zu bytes in %.3f s of virtual time; %u segments sent again, "
	       "round trip %.1f ms\n",
	       (unsigned long long)seed, arrived, (double)now_ns / (double)TEE_NS_PER_S,
	       info.total_retrans_segs, (double)info.rtt_ns / (double)TEE_NS_PER_MS);
	tee_stack_free(a.stack);
	tee_stack_free(b.stack);
	tee_link_close(a.link);
	tee_link_close(b.link);
	return arrived == AMOUNT ? 0 : 1;
}
