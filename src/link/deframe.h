/* SPDX-License-Identifier: MIT */
/* Frames out of a byte stream: four bytes of length, most significant first, and the frame. */
#ifndef TEE_LINK_DEFRAME_H
#define TEE_LINK_DEFRAME_H

#include <stddef.h>
#include <stdint.h>
#include <teeceepee/packet.h>

enum {
	DEFRAME_PREFIX_LEN = 4,
	/* Several of the largest frames, so that one read brings many. */
	DEFRAME_BUFFER_BYTES = 4 * (TEE_FRAME_LEN_MAX + DEFRAME_PREFIX_LEN),
};

struct deframe {
	uint32_t start, end; /* what was read and not yet taken: bytes[start..end) */
	uint8_t bytes[DEFRAME_BUFFER_BYTES];
};

/* Where to read the next bytes to, and how many fit (never 0 after deframe_next() gave 0). */
uint8_t *deframe_space(struct deframe *deframe, size_t *ret_len);
/* `len` bytes were read there. */
void deframe_filled(struct deframe *deframe, size_t len);
/*
 * The next whole frame: 1 and where it lies (valid until deframe_space()); 0: not here yet;
 * -TEE_EPROTO: the length is impossible, the stream can't be followed any more.
 */
int deframe_next(struct deframe *deframe, const uint8_t **ret_frame, uint32_t *ret_len);

#endif
