/* SPDX-License-Identifier: MIT */
/* The two ends of a host's life, shared by open and close. */
#ifndef HOST_OPEN_H
#define HOST_OPEN_H

#include "host/host.h"

/* Frees what there is; sends nothing. */
void host_free(struct tee_host *host);

#endif
