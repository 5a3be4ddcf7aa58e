/* SPDX-License-Identifier: MIT */
/* Two stacks joined by a wire without delay, for tests of sockets. Time stands still unless told. */
#ifndef TESTS_UNIT_SOCK_PAIR_H
#define TESTS_UNIT_SOCK_PAIR_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <teeceepee/socket.h>
#include <teeceepee/stack.h>

struct pair {
	struct tee_stack *stack[2];
	int netif[2];
	struct tee_ip ip4[2], ip6[2];
	uint64_t now_ns;
};

static inline void pair_init(struct pair *pair, const struct tee_config *config)
{
	memset(pair, 0, sizeof(*pair));
	pair->now_ns = UINT64_C(1000000000);
	for (unsigned i = 0; i < 2; i++) {
		struct tee_netif_config netif = {
			.kind = TEE_NETIF_RAW_IP, .name = "pair", .mtu = 1500};

		pair->stack[i] = tee_stack_new(config, pair->now_ns);
		assert_non_null(pair->stack[i]);
		pair->netif[i] = tee_netif_add(pair->stack[i], &netif);
		assert_true(pair->netif[i] >= 2);
		assert_int_equal(tee_netif_set_up(pair->stack[i], pair->netif[i], true), 0);
		pair->ip4[i] = TEE_IP4(10, 0, 0, (uint8_t)(i + 1));
		pair->ip6[i].byte[0] = 0xfd;
		pair->ip6[i].byte[15] = (uint8_t)(i + 1);
		assert_int_equal(
			tee_addr_add(pair->stack[i], pair->netif[i], &pair->ip4[i], 24, true), 0);
		assert_int_equal(
			tee_addr_add(pair->stack[i], pair->netif[i], &pair->ip6[i], 64, true), 0);
	}
}

static inline void pair_fini(struct pair *pair)
{
	for (unsigned i = 0; i < 2; i++)
		tee_stack_free(pair->stack[i]);
}

/* Carries what stack `i` has to send, or loses it. Was there anything? */
static inline bool pair_carry_from(struct pair *pair, unsigned i, bool drops)
{
	struct tee_frame frames[8];
	int n = tee_output(pair->stack[i], pair->netif[i], frames, 8, pair->now_ns);

	assert_true(n >= 0);
	for (int k = 0; k < n; k++) {
		struct tee_pkt *pkt = tee_pkt_new(tee_stack_pool(pair->stack[!i]), frames[k].len);

		assert_non_null(pkt);
		pkt->len = (uint32_t)tee_frame_copy(&frames[k], tee_pkt_bytes(pkt));
		tee_frame_release(&frames[k]);
		if (drops)
			tee_pkt_release(pkt);
		else
			tee_input(pair->stack[!i], pair->netif[!i], pkt, pair->now_ns);
	}
	tee_stack_check(pair->stack[i]);
	return n > 0;
}

/* Carries frames to and fro until none is left; those that `drops` names (a stack's number) are lost. */
static inline void pair_carry(struct pair *pair, int drops)
{
	bool any = true;

	while (any) {
		any = pair_carry_from(pair, 0, drops == 0);
		any |= pair_carry_from(pair, 1, drops == 1);
	}
}

static inline void pair_run(struct pair *pair)
{
	pair_carry(pair, -1);
}

/* Lets time pass from deadline to deadline. */
static inline void pair_wait(struct pair *pair, uint64_t ns)
{
	uint64_t until = pair->now_ns + ns;

	for (;;) {
		uint64_t next = until;

		for (unsigned i = 0; i < 2; i++) {
			uint64_t at = tee_deadline(pair->stack[i]);

			next = at < next ? at : next;
		}
		pair->now_ns = next > pair->now_ns ? next : pair->now_ns;
		for (unsigned i = 0; i < 2; i++)
			tee_advance(pair->stack[i], pair->now_ns);
		pair_run(pair);
		if (next >= until)
			return;
	}
}

static inline struct tee_socket *pair_open(struct pair *pair, unsigned i, enum tee_socket_type type,
					   enum tee_family family)
{
	struct tee_socket *socket = NULL;

	assert_int_equal(tee_socket_open(pair->stack[i], type, family, &socket), 0);
	assert_non_null(socket);
	return socket;
}

static inline struct tee_endpoint endpoint(struct tee_ip ip, uint16_t port)
{
	return (struct tee_endpoint){.ip = ip, .port = port};
}

/* A listener of both families at stack 1. */
static inline struct tee_socket *pair_listen(struct pair *pair, uint16_t port)
{
	struct tee_socket *listener = pair_open(pair, 1, TEE_SOCKET_TCP, TEE_FAMILY_ANY);
	struct tee_endpoint local = endpoint(TEE_IP_ANY, port);

	assert_int_equal(tee_bind(listener, &local), 0);
	assert_int_equal(tee_listen(listener, 16), 0);
	return listener;
}

/* Stack 0 begins to connect to a port of stack 1; its SYN is still to leave. */
static inline struct tee_socket *pair_begin_connect(struct pair *pair, uint16_t port)
{
	struct tee_endpoint remote = endpoint(pair->ip4[1], port);
	struct tee_socket *socket = pair_open(pair, 0, TEE_SOCKET_TCP, TEE_FAMILY_ANY);

	assert_int_equal(tee_connect(socket, &remote), -TEE_EINPROGRESS);
	return socket;
}

/* A connection from stack 0 to the listener; ends[0] and ends[1]. */
static inline void pair_connect(struct pair *pair, struct tee_socket *listener, uint16_t port,
				struct tee_socket *ends[2])
{
	struct tee_endpoint from;

	ends[0] = pair_begin_connect(pair, port);
	pair_run(pair);
	assert_true(tee_readiness(ends[0]) & TEE_EV_WRITABLE);
	assert_int_equal(tee_accept(listener, &ends[1], &from), 0);
	assert_memory_equal(&from.ip, &pair->ip4[0], sizeof(from.ip));
}

/* Two stacks, a connection between them, and the listener that it came by, on port 80. */
static inline struct tee_socket *pair_meet(struct pair *pair, struct tee_socket *ends[2])
{
	struct tee_socket *listener;

	pair_init(pair, NULL);
	listener = pair_listen(pair, 80);
	pair_connect(pair, listener, 80, ends);
	return listener;
}

#endif
