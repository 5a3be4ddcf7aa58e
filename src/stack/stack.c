/* SPDX-License-Identifier: MIT */
/*
 * Making and freeing a stack, and the calls that only pass on: configuration, addresses, counters.
 *
 * struct tee_stack owns one of every room of the core, made from the inside out: engine, net, udp,
 * tcp, addrconf, sockets. Freeing goes the other way, in two steps for sockets: first they give back
 * the ports and endpoints they hold, while the protocols live, then, after the protocols have let go
 * of the event sources, their memory. Frames that still wait are dropped; nothing is sent.
 *
 * Time, packets and events pass through doors.c. Nothing here keeps a timer.
 */
#include <stdlib.h>
#include <string.h>

#include "stack/stack.h"
#include "base/check.h"
#include "net/netif.h"
#include "wire/ip.h"

/* Pages for what comes and goes beside connections: half-open ones, senders' and receivers' halves. */
enum { RESERVE_BESIDE_PAGES = SLAB_AREA_PAGES };

int tee_stack_reserve(struct tee_stack *stack, uint32_t connections)
{
	struct slab_arena *arena = &stack->engine.arena;
	size_t pages;
	int result;

	if (connections > stack->engine.config.conn_max)
		return -TEE_EINVAL;
	result = tcp_reserve(stack->tcp, connections, &pages);
	if (result < 0)
		return result;
	if (connections > 0)
		pages += slab_pages_for(&stack->sockets.sockets, connections) +
			 RESERVE_BESIDE_PAGES;
	return slab_arena_reserve(arena, pages);
}

struct tee_stack *tee_stack_new(const struct tee_config *config, uint64_t now_ns)
{
	struct tee_stack *stack = calloc(1, sizeof(*stack));
	struct tee_config defaults;

	if (!stack)
		return NULL;
	if (!config) {
		tee_config_init(&defaults);
		config = &defaults;
	}
	if (engine_init(&stack->engine, config, now_ns) < 0)
		goto fail_engine;
	stack->net = net_new(&stack->engine);
	if (!stack->net)
		goto fail_net;
	stack->udp = udp_new(stack->net);
	if (!stack->udp)
		goto fail_udp;
	stack->tcp = tcp_new(stack->net);
	if (!stack->tcp)
		goto fail_tcp;
	stack->addrconf = addrconf_new(stack->net, stack->udp);
	if (!stack->addrconf)
		goto fail_addrconf;
	stack->loopback = net_netif(stack->net, STACK_LOOPBACK);
	CHECK(stack->loopback != NULL);
	sock_room_init(&stack->sockets, stack, &stack->engine, stack->net, stack->tcp, stack->udp);
	if (config->conn_reserve > 0 &&
	    tee_stack_reserve(stack, MIN(config->conn_reserve, config->conn_max)) < 0) {
		tee_stack_free(stack);
		return NULL;
	}
	return stack;

fail_addrconf:
	tcp_free(stack->tcp);
fail_tcp:
	udp_free(stack->udp);
fail_udp:
	net_free(stack->net);
fail_net:
	engine_fini(&stack->engine);
fail_engine:
	free(stack);
	return NULL;
}

void tee_stack_free(struct tee_stack *stack)
{
	if (!stack)
		return;
	stack->engine.trace_consumer = NULL;
	sock_room_release(&stack->sockets);
	addrconf_free(stack->addrconf);
	tcp_free(stack->tcp);
	udp_free(stack->udp);
	sock_room_fini(&stack->sockets);
	net_free(stack->net);
	engine_fini(&stack->engine);
	free(stack);
}

struct tee_pool *tee_stack_pool(struct tee_stack *stack)
{
	return stack->engine.pool;
}

const struct tee_config *tee_stack_config(const struct tee_stack *stack)
{
	return &stack->engine.config;
}

int tee_stack_set(struct tee_stack *stack, const char *name, const char *value)
{
	return tee_config_set(&stack->engine.config, name, value);
}

void tee_stack_forget_hosts(struct tee_stack *stack)
{
	tcp_forget_hosts(stack->tcp);
}

void tee_trace_set(struct tee_stack *stack, tee_trace_fn *consumer, void *arg)
{
	stack->engine.trace_consumer = consumer;
	stack->engine.trace_arg = arg;
}

/* ---- sockets ---- */

int tee_socket_open(struct tee_stack *stack, enum tee_socket_type type, enum tee_family family,
		    struct tee_socket **ret_socket)
{
	return sock_new(&stack->sockets, type, family, ret_socket);
}

bool tee_socket_list(struct tee_stack *stack, uint64_t *cursor, struct tee_socket_entry *ret_entry)
{
	return sock_list(&stack->sockets, cursor, ret_entry);
}

/* ---- ports ---- */

uint64_t tee_ports_generation(const struct tee_stack *stack)
{
	return stack->engine.ports_generation;
}

unsigned tee_ports_bound(const struct tee_stack *stack, uint8_t protocol, uint16_t *ret_ports,
			 unsigned n)
{
	switch (protocol) {
	case IP_PROTO_TCP: return ports_list(stack->tcp, ret_ports, n);
	case IP_PROTO_UDP: return udp_ports_list(stack->udp, false, ret_ports, n);
	case IP_PROTO_ICMP: return udp_ports_list(stack->udp, true, ret_ports, n);
	default: return 0;
	}
}

/* ---- counters ---- */

bool tee_counter(const struct tee_stack *stack, unsigned idx, const char **ret_name,
		 uint64_t *ret_value)
{
	if (idx >= COUNTER_COUNT)
		return false;
	*ret_name = counter_name(idx);
	*ret_value = stack->engine.counters.value[idx];
	return true;
}

uint64_t tee_counter_by_name(const struct tee_stack *stack, const char *name)
{
	for (unsigned i = 0; i < COUNTER_COUNT; i++) {
		if (strcmp(counter_name(i), name) == 0)
			return stack->engine.counters.value[i];
	}
	return 0;
}
