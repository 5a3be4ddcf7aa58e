/* SPDX-License-Identifier: MIT */
/* The XDP program on an interface with its maps: attached, told what is ours, detached. */
#ifndef TEE_LINK_XDP_STEER_H
#define TEE_LINK_XDP_STEER_H

#include <teeceepee/link.h>
#include "link/netdev.h"
#include "link/xdp_program.h"

enum xdp_mode {
	XDP_MODE_AUTO,     /* the first of the others that works */
	XDP_MODE_ZEROCOPY, /* in the driver, which writes into our memory */
	XDP_MODE_NATIVE,   /* in the driver; frames are copied */
	XDP_MODE_GENERIC,  /* in the kernel, on any interface */
};

enum { XDP_ADDRESSES_MAX = 64 };

struct xdp_steer {
	struct xdp_program_maps maps; /* -1: not made */
	int program_fd, link_fd;
	uint8_t *ports; /* the map's memory; NULL by MAC */
	bool is_native; /* attached in the driver */
	bool has_frags; /* the program takes frames of several buffers */
	unsigned address_count;
	struct tee_ip addresses[XDP_ADDRESSES_MAX];
};

/* Holds nothing yet; before anything else. */
void xdp_steer_init(struct xdp_steer *steer);
/* The maps alone, which xdp_steer_open() makes itself. 0, or -TEE_E… with errno. */
int xdp_steer_make_maps(struct xdp_steer *steer, unsigned queue_count, bool by_port);
/*
 * Loads and attaches the program: `mac` is our own, or NULL to go by port. Until sockets are added every
 * frame passes to the kernel. 0, or -TEE_E… with a sentence; xdp_steer_close() is due in both cases.
 */
int xdp_steer_open(struct xdp_steer *steer, const char *name, const struct netdev *netdev,
		   unsigned queue_count, enum xdp_mode mode, const struct tee_mac *mac,
		   char ret_error[TEE_LINK_ERROR_SIZE]);
/* Detaches; from then on all is the kernel's again. Twice is legal. */
void xdp_steer_close(struct xdp_steer *steer);
/* Frames of ours that come in by the receive queue go to the socket. 0 or -TEE_E…. */
int xdp_steer_add_socket(struct xdp_steer *steer, uint32_t queue, int fd);
/* The addresses whose ports may be ours, instead of those before. 0, -TEE_ENOBUFS or another -TEE_E…. */
int xdp_steer_set_addresses(struct xdp_steer *steer, const struct tee_ip *ips, unsigned n);
/* Makes a port ours. */
void xdp_steer_take_port(struct xdp_steer *steer, enum xdp_port_set set, uint16_t port);
/* May this user make maps and load such a program here? 0, or -TEE_E… with a sentence. */
int xdp_steer_probe(char ret_reason[TEE_LINK_ERROR_SIZE]);
bool xdp_steer_has_port(const struct xdp_steer *steer, enum xdp_port_set set, uint16_t port);

#endif
