/* SPDX-License-Identifier: MIT */
/* Segmentation and checksums in software, for links that can't and for whatever must see wire frames. */
#ifndef TEE_LINK_GSO_H
#define TEE_LINK_GSO_H

#include <teeceepee/packet.h>
#include <teeceepee/stack.h>

/* Where the headers of an IP frame stand; offsets from the frame's start, bytes. */
struct gso_map {
	uint32_t l3_off, l4_off;
	uint32_t end; /* behind the last byte of the IP packet; what follows is Ethernet padding */
	uint8_t version;  /* 4 or 6 */
	uint8_t protocol; /* of the upper layer */
	bool is_fragment;
	struct tee_ip src, dst;
};

/* 0, or -TEE_EINVAL when the frame isn't a well-formed IP packet (ARP, a lie in a length …). */
int gso_map(const uint8_t *frame, size_t len, enum tee_netif_kind kind, struct gso_map *ret_map);

/*
 * Completes a partial checksum: the field at csum_start + csum_offset holds the folded sum of the
 * pseudo-header, and the sum of all bytes from csum_start to `len` is added to it. 0, or
 * -TEE_EINVAL when the offsets lie outside the frame; then nothing was written.
 */
int gso_complete_checksum(uint8_t *frame, size_t len, uint32_t csum_start, uint32_t csum_offset);
/* The same for a received frame, whose offsets must be found: TCP or UDP, else -TEE_EINVAL. */
int gso_complete_received(uint8_t *frame, size_t len, enum tee_netif_kind kind);

/*
 * Cuts a super-frame into the frames that would have been on the wire, checksums complete:
 *   1. gso_split_begin() on the whole frame, which must stay where it is;
 *   2. gso_split_next() into a buffer of at least segment_bytes_max, until it returns 0.
 */
struct gso_split {
	const uint8_t *frame;
	struct gso_map map;
	uint32_t header_len;        /* Ethernet, IP and transport header */
	uint32_t gso_size;          /* payload bytes of each segment but the last */
	uint32_t segment_bytes_max; /* header_len + gso_size */
	uint32_t offset;            /* payload bytes already given out */
	uint32_t segment_idx;
	bool is_done;
};

/* -TEE_EINVAL when the frame is not what its gso_type says, or gso_size is 0. */
int gso_split_begin(struct gso_split *split, const uint8_t *frame, size_t len,
		    enum tee_netif_kind kind, enum tee_gso_type type, uint32_t gso_size);
/* Writes the next segment and returns its length; 0: there is no more. */
uint32_t gso_split_next(struct gso_split *split, uint8_t *out);

#endif
