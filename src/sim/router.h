/* SPDX-License-Identifier: MIT */
/* What a router of a world does with a packet. */
#ifndef SIM_ROUTER_H
#define SIM_ROUTER_H

#include "sim/world.h"

/* Sends the packet on its way, whole or in fragments, or drops it; ownership moves in. */
void sim_router_forward(struct sim_node *router, struct sim_packet *packet);

#endif
