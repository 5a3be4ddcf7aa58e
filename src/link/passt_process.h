/* SPDX-License-Identifier: MIT */
/* A passt process of our own in the background. */
#ifndef TEE_LINK_PASST_PROCESS_H
#define TEE_LINK_PASST_PROCESS_H

#include <sys/types.h>
#include "link/spec.h"

/*
 * Starts passt on one end of a socket pair and returns our end, or -TEE_E… with a sentence. Blocks
 * until passt has shown that it runs: a second at most.
 */
int passt_process_start(const struct link_spec *spec, uint32_t mtu, pid_t *ret_child,
			char ret_error[TEE_LINK_ERROR_SIZE]);
/* Waits for the process, whose socket has been closed, and ends it when it doesn't by itself. 0 is legal. */
void passt_process_end(pid_t child);

#endif
