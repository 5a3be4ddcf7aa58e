/* SPDX-License-Identifier: MIT */
/* The XDP program of an AF_XDP link: which of an interface's frames are ours. */
#ifndef TEE_LINK_XDP_PROGRAM_H
#define TEE_LINK_XDP_PROGRAM_H

#include <linux/bpf.h>
#include <teeceepee/types.h>

/*
 * The map of ports: three sets of 65536 bits, each port the bit `port % 8` of byte `port / 8`. An echo
 * id counts as a port of ICMP, of either family.
 */
enum xdp_port_set { XDP_PORTS_TCP, XDP_PORTS_UDP, XDP_PORTS_ICMP, XDP_PORT_SETS };
enum { XDP_PORT_SET_BYTES = 65536 / 8, XDP_PORTS_BYTES = XDP_PORT_SETS * XDP_PORT_SET_BYTES };

enum { XDP_PROGRAM_LEN_MAX = 192 };

struct xdp_program {
	unsigned len;
	struct bpf_insn code[XDP_PROGRAM_LEN_MAX];
};

/* Descriptors of the maps that the program looks into, which it must have when it is loaded. */
struct xdp_program_maps {
	int sockets;   /* XSKMAP: AF_XDP socket by receive queue */
	int addresses; /* HASH: struct tee_ip (16 bytes) -> anything */
	int ports;     /* ARRAY of one value of XDP_PORTS_BYTES */
};

/* Frames to a MAC of our own are ours; only maps->sockets is used. */
void xdp_program_by_mac(struct xdp_program *program, const struct tee_mac *mac,
			const struct xdp_program_maps *maps);
/* What is sent to one of the addresses, and there to one of the ports, is ours. */
void xdp_program_by_port(struct xdp_program *program, const struct xdp_program_maps *maps);

#endif
