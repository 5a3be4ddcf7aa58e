/* SPDX-License-Identifier: MIT */
/* What the AF_XDP links on one interface share: the program, its maps, and the ports taken from the kernel. */
#ifndef TEE_LINK_XDP_GROUP_H
#define TEE_LINK_XDP_GROUP_H

#include <net/if.h>
#include "link/port_keeper.h"
#include "link/spec.h"
#include "link/xdp_steer.h"

struct xdp_group {
	struct xdp_group *next;
	char name[IFNAMSIZ];
	unsigned count;   /* links that are to share it */
	uint64_t members; /* bits of those that do */
	bool is_attached; /* the program is on the interface */
	bool shares;      /* the host's address */
	bool has_range;
	uint16_t port_first, port_last;
	enum xdp_mode mode; /* as asked for */
	/* Written while it is being opened, then read by all; addresses and ports by functions only. */
	struct xdp_steer steer;
	struct port_keeper keeper;
	/* Bits of the members that have steer.addresses[i]. */
	uint64_t address_users[XDP_ADDRESSES_MAX];
};

/*
 * Joins the group of the interface in this process, or makes it; with a `count` of 1 always a new one, of nobody
 * else's. `ret_idx`: which member it is. 0, -TEE_ENOMEM, -TEE_EADDRINUSE: all `count` are there, or others
 * counted on another number.
 */
int xdp_group_join(const char *name, unsigned count, struct xdp_group **ret_group,
		   unsigned *ret_idx);
/* Who leaves last takes the program off and gives the ports back. NULL is legal. */
void xdp_group_leave(struct xdp_group *group, unsigned idx);
/*
 * The first puts the program on the interface, by `mac` or (NULL) by port; the others must want the same. 0 or -TEE_E…
 * with a sentence.
 */
int xdp_group_attach(struct xdp_group *group, const struct netdev *netdev, unsigned queue_count,
		     enum xdp_mode mode, const struct tee_mac *mac,
		     char ret_error[TEE_LINK_ERROR_SIZE]);
/*
 * Ports to connect from, `text` ("61000-61511") or NULL for the first block that is free; the member's part of
 * them, no other's. 0 or -TEE_E… with a sentence.
 */
int xdp_group_take_range(struct xdp_group *group, unsigned idx, const char *text,
			 uint16_t *ret_first, uint16_t *ret_last,
			 char ret_error[TEE_LINK_ERROR_SIZE]);
/* The range is steered to us from now on; needs the program. */
void xdp_group_steer_range(struct xdp_group *group);
/* The addresses whose ports a member has. They are the group's until no member has them. */
int xdp_group_set_addresses(struct xdp_group *group, unsigned idx, const struct tee_ip *ips,
			    unsigned n);
bool xdp_group_has_address(struct xdp_group *group, const struct tee_ip *ip);
/* As tee_link_ops.claim_port: ours from now on, whichever member asks. */
int xdp_group_claim_port(struct xdp_group *group, enum xdp_port_set set, uint16_t port);

#endif
