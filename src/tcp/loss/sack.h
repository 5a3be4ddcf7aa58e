/* SPDX-License-Identifier: MIT */
/*
 * SACK (RFC 2018, 2883, 6675): which received blocks are believable, and which to send.
 */
#ifndef TEE_TCP_LOSS_SACK_H
#define TEE_TCP_LOSS_SACK_H

#include "tcp/ack_info.h"
#include "tcp/loss/sendmap.h"

struct sack_range {
	int64_t start, end; /* widened offsets */
};

/*
 * Applies up to four widened blocks to the map: detects a DSACK in the first (RFC 2883 section 4),
 * rejects blocks outside [undo_low, nxt], marks the rest. `una` is the segment's ACK (already checked).
 * `undo_low`: the oldest offset a DSACK is believed for.
 */
void sack_apply(struct sendmap *map, const struct sack_range *blocks, unsigned count, int64_t una,
		uint64_t undo_low, struct ack_info *info);

/*
 * RFC 6675 IsLost() for connections without RACK: marks lost what has `dupthresh` discontiguous
 * SACKed ranges or more than (dupthresh - 1) * mss SACKed bytes above it. Returns bytes newly marked.
 */
uint64_t sack_mark_lost(struct sendmap *map, uint32_t dupthresh, uint32_t mss);

#endif
