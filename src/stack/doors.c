/* SPDX-License-Identifier: MIT */
/*
 * The five doors, and the loopback behind them.
 *
 * tee_input(), tee_output() and tee_advance() carry the time; it is set once on entry and stands
 * still until the door closes. Input and timers only change state and mark what is due; segments
 * are built here, in tee_output(): first what net holds ready (ARP, ND, ICMP, UDP, resets: small, and
 * others wait for it), then TCP's.
 *
 * The loopback netif has no link under it: its frames are pulled by stack_loopback_pump(), made into
 * packets again and put in at the front. That happens in tee_output(), whichever netif it is for, and in
 * tee_advance(); never in tee_input(), which must not depend on what the application sends. A flow
 * over the loopback could keep itself busy for ever, so an entry pumps a bounded number of
 * frames; while some remain, tee_deadline() says "now", which brings the caller to tee_advance().
 */
#include "stack/stack.h"
#include "base/check.h"
#include "net/netif.h"
#include "pkt/frame.h"

enum {
	LOOPBACK_BATCH = 16,  /* frames pulled at once (they stand on the C stack) */
	LOOPBACK_ROUNDS = 16, /* batches an entry */
};

/* Fills frames from both sources; control first. */
static unsigned stack_pull(struct tee_stack *stack, struct netif *netif, struct tee_frame *frames,
			   unsigned n)
{
	unsigned filled = net_output(stack->net, netif, frames, n);

	if (filled < n)
		filled += tcp_output(stack->tcp, netif, frames + filled, n - filled);
	return filled;
}

static bool stack_has_output(const struct tee_stack *stack, const struct netif *netif)
{
	return net_has_output(netif) || tcp_has_output(stack->tcp, netif);
}

/* ---- loopback ---- */

/* A frame comes back in as a packet. It never left memory, so its checksum need not be finished. */
static void loopback_frame(struct tee_stack *stack, struct tee_frame *frame)
{
	struct tee_pkt *pkt = frame_to_pkt(frame, stack->engine.pool);

	tee_frame_release(frame);
	if (!pkt) {
		drop(&stack->engine, DROP_NO_MEMORY);
		return;
	}
	pkt->checksum_state = TEE_CHECKSUM_PARTIAL;
	net_input(stack->net, stack->loopback, pkt);
}

bool stack_loopback_is_pending(const struct tee_stack *stack)
{
	return stack_has_output(stack, stack->loopback);
}

void stack_loopback_pump(struct tee_stack *stack)
{
	struct tee_frame frames[LOOPBACK_BATCH];

	if (!stack_loopback_is_pending(stack))
		return;
	for (unsigned round = 0; round < LOOPBACK_ROUNDS; round++) {
		unsigned n = stack_pull(stack, stack->loopback, frames, LOOPBACK_BATCH);

		for (unsigned i = 0; i < n; i++)
			loopback_frame(stack, &frames[i]);
		if (n == 0)
			return;
	}
}

/* ---- the doors ---- */

int tee_input(struct tee_stack *stack, int netif_number, struct tee_pkt *pkt, uint64_t now_ns)
{
	struct netif *netif = net_netif(stack->net, netif_number);

	engine_set_now(&stack->engine, now_ns);
	if (!netif) {
		tee_pkt_release(pkt);
		return -TEE_EINVAL;
	}
	count(&stack->engine, COUNT_FRAMES_IN);
	count_n(&stack->engine, COUNT_BYTES_IN, pkt->len);
	net_input(stack->net, netif, pkt);
	return 0;
}

int tee_output(struct tee_stack *stack, int netif_number, struct tee_frame *frames, unsigned n,
	       uint64_t now_ns)
{
	struct netif *netif = net_netif(stack->net, netif_number);
	unsigned filled;

	engine_set_now(&stack->engine, now_ns);
	if (!netif)
		return -TEE_EINVAL;
	/* First, because what comes round may have something to send by this netif. */
	stack_loopback_pump(stack);
	if (netif == stack->loopback)
		return 0;
	filled = stack_pull(stack, netif, frames, n);
	count_n(&stack->engine, COUNT_FRAMES_OUT, filled);
	for (unsigned i = 0; i < filled; i++)
		count_n(&stack->engine, COUNT_BYTES_OUT, frames[i].len);
	return (int)filled;
}

void tee_advance(struct tee_stack *stack, uint64_t now_ns)
{
	engine_set_now(&stack->engine, now_ns);
	engine_run_timers(&stack->engine);
	stack_loopback_pump(stack);
}

uint64_t tee_deadline(const struct tee_stack *stack)
{
	if (stack_loopback_is_pending(stack))
		return stack->engine.now_ns;
	/* The wheel keeps its answer, which is all that this changes. */
	return timer_wheel_next((struct timer_wheel *)&stack->engine.wheel);
}

bool tee_has_output(const struct tee_stack *stack, int netif_number)
{
	struct netif *netif = net_netif(stack->net, netif_number);

	/* The loopback's frames are tee_advance()'s business. */
	return netif && netif != stack->loopback && stack_has_output(stack, netif);
}

bool tee_next_event(struct tee_stack *stack, struct tee_event *ret_event)
{
	return sock_next_event(&stack->sockets, ret_event);
}
