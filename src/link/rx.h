/* SPDX-License-Identifier: MIT */
/* Buffers to receive into when a frame's length shows only afterwards. */
#ifndef TEE_LINK_RX_H
#define TEE_LINK_RX_H

#include <teeceepee/packet.h>

/* Room for the largest super-frame. */
enum { RX_BUFFER_BYTES = TEE_FRAME_LEN_MAX };

struct rx_buffer {
	struct tee_pkt *pkt; /* large, empty; NULL until rx_buffer_get() */
};

/* A large empty packet to read into; stays the buffer's. NULL: the pool refuses. */
struct tee_pkt *rx_buffer_get(struct rx_buffer *buffer, struct tee_pool *pool);
/*
 * Gives out the `len` bytes that were read into the buffer's packet: small frames as a copy of their own
 * size, so that few bytes don't hold 64 KiB; large ones as they lie. Never fails.
 */
struct tee_pkt *rx_buffer_take(struct rx_buffer *buffer, struct tee_pool *pool, uint32_t len);
void rx_buffer_fini(struct rx_buffer *buffer);

#endif
