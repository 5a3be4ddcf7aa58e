/* SPDX-License-Identifier: MIT */
/* What libslirp still has to write to the host's sockets. */
#ifndef TEE_LINK_SLIRP_DEBT_H
#define TEE_LINK_SLIRP_DEBT_H

#include <stdbool.h>
#include <slirp/libslirp.h>

/* Does libslirp hold bytes that it has acknowledged and not yet written to a socket of the host? */
bool slirp_debt_exists(Slirp *slirp);
/* The same of the table that slirp_connection_info() makes; the text is cut up. */
bool slirp_debt_in_table(char *table);

#endif
