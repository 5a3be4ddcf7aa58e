/* SPDX-License-Identifier: MIT */
/*
 * Where frames are read into.
 *
 * A TAP or a packet socket tells a frame's length only with the frame, and with super-frames it may be
 * anything from 42 bytes to 64 KiB. Each read therefore goes into a packet that holds the largest.
 * What came decides: a frame that fills a good part of the packet leaves in it, without a copy, and
 * the next read takes a new one; a small frame is copied into a packet of its size and the large
 * one stays. The copy costs least where it is done most (an ACK is 66 bytes), and a receive queue
 * never holds 64 KiB for the sake of a few bytes.
 *
 * When the pool refuses the small packet the large one is given out: late memory is better than a
 * lost frame. When it refuses the large one the caller must still take the frame from the kernel and drop
 * it, or poll() would report it for ever.
 */
#include <string.h>
#include "link/rx.h"

/* Below this share of the buffer a frame is copied out: 16 KiB, a third of a microsecond. */
enum { RX_COPY_BYTES_MAX = RX_BUFFER_BYTES / 4 };

struct tee_pkt *rx_buffer_get(struct rx_buffer *buffer, struct tee_pool *pool)
{
	if (!buffer->pkt)
		buffer->pkt = tee_pkt_new(pool, RX_BUFFER_BYTES);
	return buffer->pkt;
}

struct tee_pkt *rx_buffer_take(struct rx_buffer *buffer, struct tee_pool *pool, uint32_t len)
{
	struct tee_pkt *big = buffer->pkt;

	if (len <= RX_COPY_BYTES_MAX) {
		struct tee_pkt *small = tee_pkt_new(pool, len);

		if (small) {
			memcpy(tee_pkt_bytes(small), tee_pkt_bytes(big), len);
			small->len = len;
			return small;
		}
	}
	big->len = len;
	buffer->pkt = NULL;
	return big;
}

void rx_buffer_fini(struct rx_buffer *buffer)
{
	tee_pkt_release(buffer->pkt);
	buffer->pkt = NULL;
}
