/* SPDX-License-Identifier: MIT */
/* The stack from the inside: all rooms of the core, put together. */
#ifndef TEE_STACK_STACK_H
#define TEE_STACK_STACK_H

#include <teeceepee/stack.h>
#include "addrconf/addrconf.h"
#include "engine/engine.h"
#include "net/net.h"
#include "sock/sock.h"
#include "tcp/tcp.h"
#include "udp/udp.h"

/* The loopback netif, which net_new() makes. */
enum { STACK_LOOPBACK = 1 };

struct tee_stack {
	struct engine engine;
	struct net *net;
	struct udp *udp;
	struct tcp *tcp;
	struct addrconf *addrconf;
	struct sock_room sockets;
	struct netif *loopback;
};

/*
 * Carries frames that leave by the loopback back in, as much as one entry may; what remains is
 * told by stack_loopback_is_pending() and comes with the next entry.
 */
void stack_loopback_pump(struct tee_stack *stack);
bool stack_loopback_is_pending(const struct tee_stack *stack);

#endif
