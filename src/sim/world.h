/* SPDX-License-Identifier: MIT */
/*
 * A world in virtual time: hosts with a stack each, routers, links between them.
 *
 *   1. sim_new(), sim_add_host(), sim_add_router(), sim_link().
 *   2. sim_start(): gives addresses and routes. From then on sockets may be opened.
 *   3. sim_step() until it says that nothing more happens, or the time is up.
 *   4. sim_free().
 *
 * A world is a function of what was built and its seed: the same calls give the same packets.
 */
#ifndef SIM_WORLD_H
#define SIM_WORLD_H

#include <teeceepee/socket.h>
#include <teeceepee/stack.h>

#include "sim/heap.h"
#include "sim/path.h"

struct sim;
struct sim_node;

/* Events of a host's sockets; the stack may be called. */
typedef void sim_event_fn(void *arg, struct sim_node *node, const struct tee_event *event);
/* Every frame that a host sends (`is_out`) or is given; only to look. */
typedef void sim_tap_fn(void *arg, struct sim_node *node, bool is_out, const uint8_t *data,
			uint32_t len, uint64_t at_ns);

/* How a link looks to the hosts at its ends. */
struct sim_link_config {
	bool is_ethernet;  /* else raw IP; only between two hosts */
	uint32_t mtu;      /* 0: 1500 */
	unsigned offloads; /* TEE_OFFLOAD_…, of the hosts' cards */
	bool is_whole; /* super-frames cross as one packet; else the card cuts them into segments */
	struct sim_path_config path[2]; /* from the first end to the second, and back */
};

struct sim_port { /* a node's end of a link */
	struct sim_link *link;
	unsigned side; /* 0 or 1 */
	int netif;     /* of a host's stack */
};

enum { SIM_NODE_PORTS_MAX = 64, SIM_NODES_MAX = 512, SIM_HOPS_MAX = 32 };

struct sim_node {
	struct sim *sim;
	unsigned idx;
	char name[24];
	struct tee_stack *stack; /* NULL: a router */
	struct tee_ip ip4, ip6;
	struct sim_port *ports;
	unsigned port_count;
	uint16_t *port_towards;   /* by node index: the first port on the way */
	uint64_t clock_ahead_ns;  /* the host's clock is this much ahead of the world's */
	uint64_t frozen_until_ns; /* the host does nothing, and what arrives waits */
	bool is_dirty;            /* something happened: ask for events and frames */
	struct sim_node *next_dirty;
	sim_event_fn *on_event;
	void *event_arg;
	bool is_silent; /* a router that drops what is too big without a word */
	uint64_t frames_in, frames_out, frames_no_memory, frames_no_route;
	uint64_t frames_too_big; /* given out larger than the link's MTU: a fault of the stack */
};

struct sim_link {
	struct sim *sim;
	char name[56];
	struct sim_node *ends[2];
	struct sim_link_config config;
	struct sim_path paths[2];
	struct sim_wire_end {
		struct sim_link *link;
		unsigned side; /* where packets come out */
	} outlets[2];
};

struct sim {
	uint64_t now_ns;
	uint64_t seed;
	struct random random;
	struct sim_heap heap;
	struct sim_node **nodes;
	unsigned node_count;
	struct sim_link **links;
	unsigned link_count;
	struct sim_node *dirty;
	bool is_started;
	bool has_failed;        /* the world itself ran out of memory */
	struct sim_node *stuck; /* its stack has more to do at one instant without end: a fault */
	sim_tap_fn *tap;
	void *tap_arg;
	uint64_t steps;
};

/* NULL: no memory. */
struct sim *sim_new(uint64_t seed);
void sim_free(struct sim *sim); /* NULL is legal */
/* `config`'s seed is replaced by one drawn from the world's. NULL: no memory, or too many. */
struct sim_node *sim_add_host(struct sim *sim, const char *name, const struct tee_config *config);
struct sim_node *sim_add_router(struct sim *sim, const char *name);
/* NULL: no memory, too many links at a node, or an Ethernet that ends at a router. */
struct sim_link *sim_link(struct sim *sim, struct sim_node *a, struct sim_node *b,
			  const struct sim_link_config *config);
struct sim_node *sim_find_node(struct sim *sim, const char *name); /* NULL: none */
/* 0, or -TEE_E…. */
int sim_start(struct sim *sim);

/* Plans a call of `fn(owner, arg)`. */
void sim_at(struct sim *sim, uint64_t at_ns, sim_fn *fn, void *owner, void *arg);
/* The host's sockets were used from outside its events: flush it in this step. */
void sim_touch(struct sim_node *node);
/*
 * Goes to the next instant at or before `until_ns` at which something happens, and lets it happen.
 * false: nothing does, and the time is then `until_ns`; or the world has_failed or is stuck.
 */
bool sim_step(struct sim *sim, uint64_t until_ns);
/* What the host's clock shows. */
uint64_t sim_host_now(const struct sim_node *node);

/* Sets a link up or down for both ends, as pulling the cable would. */
void sim_link_set_up(struct sim_link *link, bool is_up);

#endif
