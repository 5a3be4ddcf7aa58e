/* SPDX-License-Identifier: MIT */
/* Damage to a frame that a receiver's checksums must notice. */
#ifndef TEE_LINK_IMPAIR_CORRUPT_H
#define TEE_LINK_IMPAIR_CORRUPT_H

#include <teeceepee/stack.h>
#include "base/random.h"

/*
 * Changes bits of one byte behind the Ethernet header; the checksums must be complete. false: the frame
 * has no checksum that would tell, so it is to be dropped, as Ethernet's own CRC would have done.
 */
bool impair_corrupt(uint8_t *frame, size_t len, enum tee_netif_kind kind, struct random *random);

#endif
