/* SPDX-License-Identifier: MIT */
/*
 * SACK at the sender: which reported blocks are believed (RFC 2018, 2883), and what they say is lost
 * where RACK is not in use (RFC 6675).
 *
 * Blocks come widened, at most four. The first may be a DSACK: it reports data that the peer got twice,
 * either below the ACK or inside the second block. It marks nothing; it is evidence for undo and
 * for RACK's reordering window, and is believed only for data that may still be on its way twice.
 * All other blocks must lie in [ack, snd.nxt]; others are ignored, which costs nothing but a
 * comparison (a peer or a stranger gains nothing by sending them).
 */
#include "tcp/loss/sack.h"

#include "base/check.h"

static bool is_inside(const struct sack_range *inner, const struct sack_range *outer)
{
	return inner->start >= outer->start && inner->end <= outer->end;
}

/* RFC 2883 section 4: below the cumulative ACK, or inside the second block. */
static bool is_dsack(const struct sack_range *blocks, unsigned count, int64_t una)
{
	return blocks[0].start < una || (count > 1 && is_inside(&blocks[0], &blocks[1]));
}

static void take_dsack(const struct sendmap *map, const struct sack_range *block, uint64_t undo_low,
		       struct ack_info *info)
{
	if (block->start < 0 || block->start >= block->end || (uint64_t)block->end > map->nxt ||
	    (uint64_t)block->start < undo_low)
		return;
	info->has_dsack = true;
	info->dsack_start = (uint64_t)block->start;
	info->dsack_end = (uint64_t)block->end;
}

void sack_apply(struct sendmap *map, const struct sack_range *blocks, unsigned count, int64_t una,
		uint64_t undo_low, struct ack_info *info)
{
	unsigned first = 0;

	count = MIN(count, 4);
	if (count > 0 && is_dsack(blocks, count, una)) {
		take_dsack(map, &blocks[0], undo_low, info);
		first = 1;
	}
	for (unsigned i = first; i < count; i++) {
		uint64_t start, end;

		if (blocks[i].start >= blocks[i].end || blocks[i].start < una ||
		    blocks[i].start < 0)
			continue;
		/* An old ACK may come late; what snd.una has passed meanwhile is no news. */
		start = MAX((uint64_t)blocks[i].start, map->una);
		end = (uint64_t)blocks[i].end;
		if (end > map->nxt || start >= end)
			continue;
		info->has_sack = true;
		/* Without memory for a split that part stays unmarked, as if the block had been lost. */
		(void)sendmap_sack(map, start, end, info);
	}
}

/*
 * The offset below which everything not SACKED is lost: the start of the SACKED range at which, counted
 * from the top, RFC 6675's IsLost() comes true. 0: nowhere.
 */
static uint64_t lost_below(const struct sendmap *map, uint32_t dupthresh, uint32_t mss)
{
	uint64_t bytes = 0, joined = UINT64_MAX;
	uint32_t ranges = 0;

	for (struct rb_node *node = rb_last(&map->sacked); node; node = rb_prev(node)) {
		const struct send_record *record = send_record_of_kind(node);

		/* Neighbours that the send map keeps apart are one range all the same. */
		if (record->end != joined)
			ranges++;
		joined = record->start;
		bytes += record->end - record->start;
		if (ranges >= dupthresh || bytes > (uint64_t)(dupthresh - 1) * mss)
			return record->start;
	}
	return 0;
}

uint64_t sack_mark_lost(struct sendmap *map, uint32_t dupthresh, uint32_t mss)
{
	uint64_t below, bytes = 0;

	CHECK(dupthresh > 0);
	below = lost_below(map, dupthresh, mss);
	/* What was judged once is lost already, SACKED, or was sent again: that isn't judged twice. */
	if (below <= map->judged)
		return 0;
	for (struct send_record *record = sendmap_find(map, map->judged);
	     record && record->end <= below; record = sendmap_next(record)) {
		if (!(record->flags & (SENT_SACKED | SENT_LOST)) && sendmap_mark_lost(map, record))
			bytes += record->end - record->start;
	}
	map->judged = below;
	return bytes;
}
