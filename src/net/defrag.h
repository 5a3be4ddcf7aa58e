/* SPDX-License-Identifier: MIT */
/* IP fragments in wait for the rest of their datagram (RFC 791 3.2, RFC 8200 4.5, RFC 5722). */
#ifndef TEE_NET_DEFRAG_H
#define TEE_NET_DEFRAG_H

#include "base/hash.h"
#include "base/list.h"
#include "base/timer.h"
#include "net/net.h"

enum { DEFRAG_FRAGMENTS_MAX = 512 }; /* of one datagram */

struct defrag {
	struct hash_table table;
	struct list datagrams; /* oldest first */
	uint32_t datagram_count;
	uint64_t bytes; /* of the buffers held */
};

void defrag_init(struct net *net);
void defrag_fini(struct net *net);
/*
 * Takes a fragment (pkt->off at its IP header). Returns the whole datagram as a packet at its IP header,
 * without any trace of fragmentation in it, when this was the last piece; else NULL.
 */
struct tee_pkt *defrag_input(struct net *net, struct ip_packet *packet);
void defrag_check(const struct net *net);

#endif
