/* SPDX-License-Identifier: MIT */
/* Path MTUs learnt from "too big" messages (RFC 1191, 8201): a bounded cache by destination. */
#ifndef TEE_NET_PMTU_H
#define TEE_NET_PMTU_H

#include "base/hash.h"
#include "base/list.h"
#include "base/timer.h"
#include "net/net.h"

enum { PMTU_ENTRIES_MAX = 1024, PMTU_MIN4 = 576, PMTU_MIN6 = 1280 };
/* RFC 1191 6.3, RFC 8201 5.3: an estimate is forgotten after ten minutes. */
#define PMTU_AGE_NS (600 * TEE_NS_PER_S)

struct pmtu_cache {
	struct hash_table table;
	struct list aged; /* of pmtu_entry.node, oldest first */
	unsigned count;
	struct timer timer; /* TIMER_PMTU: the oldest entry's end */
};

void pmtu_init(struct net *net);
void pmtu_fini(struct net *net);
/* What is known of the path to `dst`; `link_mtu` when nothing is. Never above `link_mtu`. */
uint32_t pmtu_lookup(const struct net *net, const struct tee_ip *dst, uint32_t link_mtu);
/* The next value of RFC 1191's table below a packet's length. */
uint32_t pmtu_plateau_below(uint32_t len);

#endif
