/* SPDX-License-Identifier: MIT */
/*
 * Building a world: nodes, links, addresses, routes.
 *
 * struct sim owns nodes and links. A host is a stack and has one IPv4 and one IPv6 address, 10.x.y.z
 * and fd00::n by its number, on its first link; over every link it has routes to those hosts that lie
 * that way. A router has no stack, and addresses only to speak of packets that are too big: it
 * forwards by the destination address along the shortest way, found once by sim_start() with a
 * breadth-first search from every node.
 *
 * What happens in a world is in step.c.
 */
#include "sim/world.h"

#include <stdlib.h>
#include <string.h>

#include "sim/step.h"

struct sim *sim_new(uint64_t seed)
{
	struct sim *sim = calloc(1, sizeof(*sim));

	if (!sim)
		return NULL;
	sim->seed = seed;
	random_init(&sim->random, seed);
	sim_heap_init(&sim->heap);
	return sim;
}

void sim_free(struct sim *sim)
{
	if (!sim)
		return;
	sim_heap_fini(&sim->heap);
	for (unsigned i = 0; i < sim->link_count; i++) {
		sim_path_fini(&sim->links[i]->paths[0]);
		sim_path_fini(&sim->links[i]->paths[1]);
		free(sim->links[i]);
	}
	for (unsigned i = 0; i < sim->node_count; i++) {
		tee_stack_free(sim->nodes[i]->stack);
		free(sim->nodes[i]->ports);
		free(sim->nodes[i]->port_towards);
		free(sim->nodes[i]);
	}
	free(sim->links);
	free(sim->nodes);
	free(sim);
}

static void name_copy(char *to, size_t size, const char *name)
{
	size_t len = strlen(name);

	if (len >= size)
		len = size - 1;
	memcpy(to, name, len);
	to[len] = 0;
}

/* ---- nodes ---- */

struct sim_node *sim_add_router(struct sim *sim, const char *name)
{
	struct sim_node **nodes;
	struct sim_node *node;
	unsigned number;

	if (sim->node_count == SIM_NODES_MAX || sim->is_started)
		return NULL;
	nodes = realloc(sim->nodes, (sim->node_count + 1) * sizeof(struct sim_node *));
	if (!nodes)
		return NULL;
	sim->nodes = nodes;
	node = calloc(1, sizeof(*node));
	if (!node)
		return NULL;
	node->sim = sim;
	node->idx = sim->node_count;
	name_copy(node->name, sizeof(node->name), name);
	nodes[sim->node_count++] = node;
	number = node->idx + 1;
	node->ip4 = TEE_IP4(10, 0, (uint8_t)(number >> 8), (uint8_t)number);
	node->ip6.byte[0] = 0xfd;
	node->ip6.byte[14] = (uint8_t)(number >> 8);
	node->ip6.byte[15] = (uint8_t)number;
	return node;
}

struct sim_node *sim_add_host(struct sim *sim, const char *name, const struct tee_config *config)
{
	struct tee_config own = *config;
	struct sim_node *node = sim_add_router(sim, name);

	if (!node)
		return NULL;
	own.seed = random_u64(&sim->random);
	node->stack = tee_stack_new(&own, sim->now_ns);
	if (!node->stack) {
		sim->node_count--;
		free(node);
		return NULL;
	}
	return node;
}

struct sim_node *sim_find_node(struct sim *sim, const char *name)
{
	for (unsigned i = 0; i < sim->node_count; i++) {
		if (strcmp(sim->nodes[i]->name, name) == 0)
			return sim->nodes[i];
	}
	return NULL;
}

/* ---- links ---- */

static int node_add_port(struct sim_node *node, struct sim_link *link, unsigned side)
{
	struct sim_port *ports;

	if (node->port_count == SIM_NODE_PORTS_MAX)
		return -TEE_ENOBUFS;
	ports = realloc(node->ports, (node->port_count + 1) * sizeof(*ports));
	if (!ports)
		return -TEE_ENOMEM;
	node->ports = ports;
	ports[node->port_count++] = (struct sim_port){.link = link, .side = side};
	return 0;
}

/* A host's stack gets a netif for its end of the link. */
static int port_open(struct sim_node *node, struct sim_port *port)
{
	const struct sim_link_config *link = &port->link->config;
	struct tee_netif_config config = {
		.kind = link->is_ethernet ? TEE_NETIF_ETHERNET : TEE_NETIF_RAW_IP,
		.name = "sim",
		.mac = {{2, 0, 0, (uint8_t)port->side, (uint8_t)(node->idx >> 8),
			 (uint8_t)node->idx}},
		.mtu = link->mtu,
		.offloads = link->offloads,
	};

	if (!node->stack)
		return 0;
	port->netif = tee_netif_add(node->stack, &config);
	return port->netif < 0 ? port->netif : tee_netif_set_up(node->stack, port->netif, true);
}

struct sim_link *sim_link(struct sim *sim, struct sim_node *a, struct sim_node *b,
			  const struct sim_link_config *config)
{
	struct sim_node *ends[2] = {a, b};
	struct sim_link **links;
	struct sim_link *link;

	if (sim->is_started || (config->is_ethernet && (!a->stack || !b->stack)))
		return NULL;
	links = realloc(sim->links, (sim->link_count + 1) * sizeof(struct sim_link *));
	if (!links)
		return NULL;
	sim->links = links;
	link = calloc(1, sizeof(*link));
	if (!link)
		return NULL;
	links[sim->link_count++] = link;
	link->sim = sim;
	link->config = *config;
	if (!link->config.mtu)
		link->config.mtu = 1500;
	name_copy(link->name, sizeof(link->name) / 2, a->name);
	strcat(link->name, "-");
	name_copy(link->name + strlen(link->name), sizeof(link->name) / 2, b->name);
	for (unsigned side = 0; side < 2; side++) {
		struct sim_node *node = ends[side];

		link->ends[side] = node;
		link->outlets[side] = (struct sim_wire_end){link, side};
		/* What enters at one side comes out at the other. */
		sim_path_init(&link->paths[side], &config->path[side], random_u64(&sim->random),
			      &sim->heap, &sim->now_ns, sim_arrive, &link->outlets[!side]);
		if (node_add_port(node, link, side) < 0 ||
		    port_open(node, &node->ports[node->port_count - 1]) < 0)
			return NULL; /* sim_free() frees it */
	}
	return link;
}

/* ---- ways ---- */

static struct sim_node *port_peer(const struct sim_port *port)
{
	return port->link->ends[!port->side];
}

enum { NO_PORT = 0xffff };

/* Breadth first from `root`: by which of its ports each other node is reached. Hosts don't forward. */
static int node_find_ways(struct sim *sim, struct sim_node *root)
{
	uint16_t *towards = malloc(sim->node_count * sizeof(*towards));
	struct sim_node **queue = malloc(sim->node_count * sizeof(struct sim_node *));
	unsigned head = 0, tail = 0;

	root->port_towards = towards;
	if (!towards || !queue) {
		free(queue);
		return -TEE_ENOMEM;
	}
	for (unsigned i = 0; i < sim->node_count; i++)
		towards[i] = NO_PORT;
	queue[tail++] = root;
	while (head < tail) {
		struct sim_node *node = queue[head++];

		if (node != root && node->stack)
			continue;
		for (unsigned i = 0; i < node->port_count; i++) {
			struct sim_node *peer = port_peer(&node->ports[i]);

			if (peer == root || towards[peer->idx] != NO_PORT)
				continue;
			towards[peer->idx] = node == root ? (uint16_t)i : towards[node->idx];
			queue[tail++] = peer;
		}
	}
	free(queue);
	return 0;
}

static int host_configure(struct sim *sim, struct sim_node *host)
{
	int result;

	if (host->port_count == 0)
		return 0;
	result = tee_addr_add(host->stack, host->ports[0].netif, &host->ip4, 32, true);
	if (result == 0)
		result = tee_addr_add(host->stack, host->ports[0].netif, &host->ip6, 128, true);
	for (unsigned i = 0; i < sim->node_count && result == 0; i++) {
		struct sim_node *other = sim->nodes[i];
		uint16_t port = host->port_towards[i];

		if (!other->stack || port == NO_PORT)
			continue;
		result = tee_route_add(host->stack, host->ports[port].netif, &other->ip4, 32, NULL,
				       0);
		if (result == 0)
			result = tee_route_add(host->stack, host->ports[port].netif, &other->ip6,
					       128, NULL, 0);
	}
	return result;
}

int sim_start(struct sim *sim)
{
	int result = 0;

	for (unsigned i = 0; i < sim->node_count && result == 0; i++)
		result = node_find_ways(sim, sim->nodes[i]);
	for (unsigned i = 0; i < sim->node_count && result == 0; i++) {
		if (sim->nodes[i]->stack) {
			result = host_configure(sim, sim->nodes[i]);
			sim_touch(sim->nodes[i]);
		}
	}
	sim->is_started = result == 0;
	return result;
}

void sim_link_set_up(struct sim_link *link, bool is_up)
{
	for (unsigned side = 0; side < 2; side++) {
		struct sim_node *node = link->ends[side];

		link->paths[side].config.is_down = !is_up;
		for (unsigned i = 0; i < node->port_count && node->stack; i++) {
			if (node->ports[i].link == link) {
				tee_netif_set_up(node->stack, node->ports[i].netif, is_up);
				sim_touch(node);
			}
		}
	}
}
