/* SPDX-License-Identifier: MIT */
/* c-ares on our sockets: its channel, its packets, its timer. */
#ifndef HOST_RESOLVE_IO_H
#define HOST_RESOLVE_IO_H

#include <ares.h>

#include "host/host.h"

/* The host's channel, made on demand and pointed at the servers in force; else a sentence. */
int resolver_channel(struct tee_host *host, ares_channel *ret_channel, char *ret_error);
/* Sets the timer to what c-ares waits for; after each call into it. */
void resolver_rearm(struct tee_host *host);

#endif
