/* SPDX-License-Identifier: MIT */
/*
 * What happens in a world. sim_step() goes to the earliest instant of the calendar or of a host's
 * deadline, runs everything that is due then, and lets every host to which something happened act:
 * advance, take its events, give out its frames, until it is quiet. That is the protocol of use of
 * teeceepee/stack.h and nothing else; a host here sees no more than a host on a real link.
 *
 * A host's clock is the world's plus `clock_ahead_ns`; a jump of the clock is a bigger number there.
 * A frozen host (a process that was stopped) does nothing; what arrives meanwhile comes when it wakes.
 * Frames with a departure time in the future (pacing) are kept in the calendar until then.
 */
#include "sim/step.h"

#include <stdlib.h>

#include "sim/router.h"
#include "sim/world.h"

enum {
	STEP_FRAMES = 32,
	STEP_ROUNDS = 100000, /* of one host at one instant: beyond, it will never be quiet */
};

uint64_t sim_host_now(const struct sim_node *node)
{
	return node->sim->now_ns + node->clock_ahead_ns;
}

void sim_at(struct sim *sim, uint64_t at_ns, sim_fn *fn, void *owner, void *arg)
{
	if (sim_heap_push(&sim->heap, at_ns, fn, owner, arg, false) < 0)
		sim->has_failed = true;
}

void sim_touch(struct sim_node *node)
{
	if (node->is_dirty || !node->stack)
		return;
	node->is_dirty = true;
	node->next_dirty = node->sim->dirty;
	node->sim->dirty = node;
}

/* ---- packets ---- */

static int node_netif(const struct sim_node *node, const struct sim_wire_end *end)
{
	for (unsigned i = 0; i < node->port_count; i++) {
		if (node->ports[i].link == end->link && node->ports[i].side == end->side)
			return node->ports[i].netif;
	}
	return -1;
}

void sim_arrive(void *owner, void *arg)
{
	struct sim_wire_end *end = owner;
	struct sim_packet *packet = arg;
	struct sim_node *node = end->link->ends[end->side];
	struct sim *sim = node->sim;
	struct tee_pkt *pkt;

	if (node->frozen_until_ns > sim->now_ns) {
		if (sim_heap_push(&sim->heap, node->frozen_until_ns, sim_arrive, end, packet,
				  true) < 0)
			free(packet);
		return;
	}
	node->frames_in++;
	if (!node->stack) {
		sim_router_forward(node, packet);
		return;
	}
	if (sim->tap)
		sim->tap(sim->tap_arg, node, false, packet->data, packet->len, sim->now_ns);
	pkt = sim_packet_to_pkt(packet, tee_stack_pool(node->stack));
	free(packet);
	if (!pkt) {
		node->frames_no_memory++;
		return;
	}
	pkt->at_ns = sim_host_now(node);
	tee_input(node->stack, node_netif(node, end), pkt, sim_host_now(node));
	sim_touch(node);
}

/* A paced frame's time has come. */
static void frame_departs(void *owner, void *arg)
{
	sim_path_send(owner, arg);
}

/* One packet of the wire leaves a host, now or when pacing says. */
static void host_send_packet(struct sim_node *node, const struct sim_port *port,
			     struct sim_packet *packet, uint64_t depart_at)
{
	struct sim *sim = node->sim;
	struct sim_path *path = &port->link->paths[port->side];
	uint32_t link_header = port->link->config.is_ethernet ? 14 : 0;

	node->frames_out++;
	if (!packet->gso_size && packet->len - link_header > port->link->config.mtu)
		node->frames_too_big++;
	if (sim->tap)
		sim->tap(sim->tap_arg, node, true, packet->data, packet->len, sim->now_ns);
	if (depart_at > sim_host_now(node)) {
		if (sim_heap_push(&sim->heap, depart_at - node->clock_ahead_ns, frame_departs, path,
				  packet, true) < 0)
			free(packet);
		return;
	}
	sim_path_send(path, packet);
}

static void host_send(struct sim_node *node, const struct sim_port *port, struct tee_frame *frame)
{
	const struct sim_link_config *link = &port->link->config;
	struct sim_packet *packet = sim_packet_from_frame(frame, link->is_ethernet), *next;
	uint64_t depart_at = frame->depart_at_ns;

	if (packet && link->offloads && !link->is_whole)
		packet = sim_packet_segment(packet, frame, link->is_ethernet);
	tee_frame_release(frame);
	if (!packet)
		node->frames_no_memory++;
	for (; packet; packet = next) {
		next = packet->next;
		packet->next = NULL;
		host_send_packet(node, port, packet, depart_at);
	}
}

/* ---- hosts ---- */

static bool host_take_events(struct sim_node *node)
{
	struct tee_event event;
	bool any = false;

	while (tee_next_event(node->stack, &event)) {
		any = true;
		if (node->on_event)
			node->on_event(node->event_arg, node, &event);
	}
	return any;
}

static bool host_give_frames(struct sim_node *node)
{
	struct tee_frame frames[STEP_FRAMES];
	bool any = false;

	for (unsigned i = 0; i < node->port_count; i++) {
		const struct sim_port *port = &node->ports[i];
		int n;

		do {
			n = tee_output(node->stack, port->netif, frames, STEP_FRAMES,
				       sim_host_now(node));
			for (int k = 0; k < n; k++)
				host_send(node, port, &frames[k]);
			any |= n > 0;
		} while (n == STEP_FRAMES);
	}
	return any;
}

static uint64_t host_deadline(const struct sim_node *node)
{
	uint64_t at = tee_deadline(node->stack);

	if (at == TEE_NEVER)
		return at;
	at = at > node->clock_ahead_ns ? at - node->clock_ahead_ns : 0;
	return at > node->frozen_until_ns ? at : node->frozen_until_ns;
}

static void host_act(struct sim_node *node)
{
	for (unsigned round = 0; round < STEP_ROUNDS; round++) {
		bool any = false;

		if (host_deadline(node) <= node->sim->now_ns) {
			tee_advance(node->stack, sim_host_now(node));
			any = true;
		}
		any |= host_take_events(node);
		any |= host_give_frames(node);
		if (!any)
			return;
	}
	node->sim->stuck = node;
}

static void host_thaws(void *owner, void *arg)
{
	(void)arg;
	sim_touch(owner);
}

/* ---- the step ---- */

static uint64_t step_next(struct sim *sim)
{
	uint64_t next = sim_heap_next(&sim->heap);

	if (sim->dirty)
		return sim->now_ns;
	for (unsigned i = 0; i < sim->node_count; i++) {
		struct sim_node *node = sim->nodes[i];
		uint64_t at = node->stack ? host_deadline(node) : TEE_NEVER;

		if (at < next)
			next = at;
	}
	return next > sim->now_ns ? next : sim->now_ns;
}

bool sim_step(struct sim *sim, uint64_t until_ns)
{
	uint64_t next = step_next(sim);

	if (next > until_ns || sim->stuck || sim->has_failed) {
		if (next > until_ns)
			sim->now_ns = until_ns;
		return false;
	}
	sim->now_ns = next;
	sim->steps++;
	while (sim_heap_next(&sim->heap) <= sim->now_ns) {
		struct sim_happening item = sim_heap_pop(&sim->heap);

		item.fn(item.owner, item.arg);
	}
	for (unsigned i = 0; i < sim->node_count; i++) {
		if (sim->nodes[i]->stack && host_deadline(sim->nodes[i]) <= sim->now_ns)
			sim_touch(sim->nodes[i]);
	}
	while (sim->dirty) {
		struct sim_node *node = sim->dirty;

		sim->dirty = node->next_dirty;
		node->is_dirty = false;
		if (node->frozen_until_ns > sim->now_ns)
			sim_at(sim, node->frozen_until_ns, host_thaws, node, NULL);
		else
			host_act(node);
	}
	return true;
}
