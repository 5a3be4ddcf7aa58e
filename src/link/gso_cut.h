/* SPDX-License-Identifier: MIT */
/* Super-frames cut without copying their payload; checksums of frames that are left to a link. */
#ifndef TEE_LINK_GSO_CUT_H
#define TEE_LINK_GSO_CUT_H

#include <teeceepee/packet.h>

/*
 * Cuts a frame of TCP into the frames that go on the wire:
 *   1. gso_cut_begin() on the super-frame, which must then stay as it is (its headers may move from its
 *      first slice into its head, which is the same frame; a jumbo payload option, which no segment needs, is
 *      taken out);
 *   2. gso_cut_next() until it returns false. The frames refer to the super-frame's payload and hold nothing.
 */
struct gso_cut {
	const struct tee_frame *frame;
	uint32_t header_len; /* link, IP and TCP header, bytes */
	uint32_t offset;     /* payload bytes already given out */
	uint32_t segment_idx;
	unsigned slice_idx; /* where in the payload that is */
	uint32_t slice_off;
	/* Sums of headers without the fields that differ by segment: TCP's with the pseudo-header's, IPv4's. */
	uint64_t tcp_sum, ip_sum;
};

/* 0, or -TEE_EINVAL when the frame is no super-frame of TCP as tee_output() makes them. */
int gso_cut_begin(struct gso_cut *cut, struct tee_frame *frame);
/* The next segment, its checksums complete; false: there is no more. */
bool gso_cut_next(struct gso_cut *cut, struct tee_frame *ret_frame);
/* Goes on behind the first `segments` of them. */
void gso_cut_skip(struct gso_cut *cut, uint32_t segments);

/* Completes the checksum of a frame that is no super-frame, if that was left to the link. */
void gso_cut_complete(struct tee_frame *frame);

#endif
