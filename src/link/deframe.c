/* SPDX-License-Identifier: MIT */
/*
 * The framing of QEMU's stream sockets, which passt speaks: each frame behind its length, four bytes, most
 * significant first. A read may end anywhere, inside the length as well; what is left over waits
 * at the buffer's start for the rest.
 *
 * A length beyond the largest frame (or shorter than an Ethernet header) means that the stream is out of step: there
 * is no mark to find it again by, so the link ends.
 */
#include <string.h>
#include "base/byteorder.h"
#include "base/check.h"
#include "link/deframe.h"
#include "wire/ethernet.h"

uint8_t *deframe_space(struct deframe *deframe, size_t *ret_len)
{
	if (deframe->start > 0) {
		memmove(deframe->bytes, deframe->bytes + deframe->start,
			deframe->end - deframe->start);
		deframe->end -= deframe->start;
		deframe->start = 0;
	}
	*ret_len = sizeof(deframe->bytes) - deframe->end;
	return deframe->bytes + deframe->end;
}

void deframe_filled(struct deframe *deframe, size_t len)
{
	CHECK(len <= sizeof(deframe->bytes) - deframe->end);
	deframe->end += (uint32_t)len;
}

int deframe_next(struct deframe *deframe, const uint8_t **ret_frame, uint32_t *ret_len)
{
	uint32_t have = deframe->end - deframe->start, len;

	if (have < DEFRAME_PREFIX_LEN)
		return 0;
	len = load_be32(deframe->bytes + deframe->start);
	if (len < ETHERNET_HEADER_LEN || len > TEE_FRAME_LEN_MAX)
		return -TEE_EPROTO;
	if (have - DEFRAME_PREFIX_LEN < len)
		return 0;
	*ret_frame = deframe->bytes + deframe->start + DEFRAME_PREFIX_LEN;
	*ret_len = len;
	deframe->start += DEFRAME_PREFIX_LEN + len;
	return 1;
}
