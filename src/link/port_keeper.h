/* SPDX-License-Identifier: MIT */
/* Ports that this host's kernel must not hand out, because they are ours on an address that we share. */
#ifndef TEE_LINK_PORT_KEEPER_H
#define TEE_LINK_PORT_KEEPER_H

#include <stdbool.h>
#include <stdint.h>

struct port_keeper {
	int parked[2]; /* a pair of sockets with the range's descriptors in flight; -1: none */
	int *fds;      /* of single ports */
	unsigned fd_count, fd_size;
};

void port_keeper_init(struct port_keeper *keeper);
/* Gives all back to the kernel. */
void port_keeper_fini(struct port_keeper *keeper);
/*
 * Takes all ports from `first` to `last`, TCP's and UDP's. 0, or -TEE_EADDRINUSE with the port that
 * somebody has in *ret_port, or another -TEE_E…; then none is held. Once a keeper.
 */
int port_keeper_take_range(struct port_keeper *keeper, uint16_t first, uint16_t last,
			   uint16_t *ret_port);
/* Takes one port of TCP, or of UDP. 0, -TEE_EADDRINUSE or another -TEE_E…. */
int port_keeper_take(struct port_keeper *keeper, bool is_tcp, uint16_t port);

#endif
