/* SPDX-License-Identifier: MIT */
/* Which addresses beside the host's programs of ours have on an interface, so that no two of them take the same. */
#ifndef TEE_LINK_ADDRESS_KEEPER_H
#define TEE_LINK_ADDRESS_KEEPER_H

#include <teeceepee/types.h>

enum { ADDRESS_KEEPER_MAX = 32 };

struct address_keeper {
	unsigned count;
	struct address_kept {
		struct tee_ip ip;
		int fd;
	} kept[ADDRESS_KEEPER_MAX];
};

/* All zero is an empty one. Gives up what it keeps. */
void address_keeper_fini(struct address_keeper *keeper);
/*
 * Keeps these addresses on the interface, at most ADDRESS_KEEPER_MAX, and no others from now on. Takes out of `ips` those
 * that another process keeps, and returns how many are left. Links of one process may have the same.
 */
unsigned address_keeper_set(struct address_keeper *keeper, int ifindex, struct tee_ip *ips,
			    unsigned n);

#endif
