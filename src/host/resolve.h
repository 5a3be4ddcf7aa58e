/* SPDX-License-Identifier: MIT */
/*
 * Names to addresses without blocking; what tee_resolve() and tee_dial() stand on.
 *
 *   1. lookup_start() with a callback;
 *   2. the callback comes once, from the loop (or from within lookup_start() for what needs no
 *      query), and the struct lookup is dead afterwards;
 *   3. or lookup_abandon() before that: then the callback never comes.
 */
#ifndef HOST_RESOLVE_H
#define HOST_RESOLVE_H

#include "host/host.h"

enum { LOOKUP_IPS_MAX = 32 };

struct lookup;

/*
 * `count` addresses, or when it is below 0 an error with a sentence in `error`. Both only during the
 * call.
 */
typedef void lookup_fn(void *arg, const struct tee_ip *ips, int count, const char *error);

/*
 * Looks up addresses of one family (TEE_FAMILY_ANY: both, IPv6 first when we have IPv6). Lock held.
 * Returns NULL after the callback has come already.
 */
struct lookup *lookup_start(struct tee_host *host, const char *name, enum tee_family family,
			    lookup_fn *fn, void *arg);
void lookup_abandon(struct lookup *lookup); /* NULL is legal */

/* Ends the host's resolver; look-ups in flight end with an error. */
void resolver_free(struct tee_host *host);

/* Is there an address of that family by which the world could be reached? */
bool resolve_has_family(struct tee_host *host, enum tee_family family);
/*
 * An address, or a name that stands for this very host (RFC 6761): returns how many, 0: neither, -TEE_ENOENT: an
 * address of the other family.
 */
int resolve_literal(const char *name, enum tee_family family, struct tee_ip ips[2]);

#endif
