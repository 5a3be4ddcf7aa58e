/* SPDX-License-Identifier: MIT */
/*
 * What moves between a link and the stack.
 *
 * Towards the stack: a `struct tee_pkt`, a reference-counted buffer that holds one received frame.
 * The link takes it from a pool with tee_pkt_new(), fills it and hands it to tee_input(), which
 * owns it from then on. Payload stays in that buffer until the application has read it.
 *
 * From the stack: a `struct tee_frame`, filled in by tee_output(). Its headers are in the frame
 * itself, its payload is slices of memory that the stack keeps until tee_frame_release().
 *
 * Either may be a super-frame of up to 64 KiB, or more where the link says so, with the metadata of a virtio-net header
 * (checksum left to the other side, segmentation offload), on a link that says it can.
 */
#ifndef TEECEEPEE_PACKET_H
#define TEECEEPEE_PACKET_H

#include <teeceepee/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct tee_pool;

/* What is known of the transport checksum of a received frame. */
enum tee_checksum_state {
	TEE_CHECKSUM_UNKNOWN,  /* the stack verifies it */
	TEE_CHECKSUM_VERIFIED, /* the link vouches for it */
	TEE_CHECKSUM_PARTIAL,  /* never computed: the frame did not leave this machine's memory */
};

enum tee_gso_type { TEE_GSO_NONE, TEE_GSO_TCP4, TEE_GSO_TCP6, TEE_GSO_UDP };

enum {
	TEE_PKT_HEADROOM = 128,    /* bytes kept free before the frame, for headers put in front */
	TEE_FRAME_HEAD_SIZE = 192, /* room for Ethernet, IPv6 with an extension, TCP with options */
	TEE_FRAME_SLICES = 18,     /* most pieces of payload in one frame */
	TEE_FRAME_LEN_MAX = 65535 + 14,
	TEE_GSO_BYTES_MAX =
		524280, /* of an IP packet where a link takes more; Linux's bound, too */
};

/*
 * A received (or queued) packet. Only the fields marked "link" are for links to set;
 * the rest belongs to the stack.
 */
struct tee_pkt {
	struct tee_pkt *next;   /* stack: queues */
	struct tee_pool *pool;  /* where the memory goes back to */
	uint32_t ref_count;     /* holders of this buffer */
	uint32_t capacity;      /* bytes at `data` */
	uint32_t off;           /* link: first byte of the frame in `data` */
	uint32_t len;           /* link: bytes of the frame */
	uint16_t gso_size;      /* link: payload bytes a segment of a super-frame, else 0 */
	uint8_t gso_type;       /* link: enum tee_gso_type */
	uint8_t checksum_state; /* link: enum tee_checksum_state */
	uint16_t netif;         /* stack: where it came in */
	uint16_t flags;         /* stack */
	uint64_t at_ns;         /* link: when it arrived, 0 if not known */
	uint64_t scratch[4];    /* stack: what a queue needs to remember */
	uint8_t *data;
};

struct tee_slice {
	const uint8_t *ptr;
	uint32_t len;
};

/*
 * A frame ready to leave: head[head_off .. head_off+head_len) and then the slices, in order.
 * The link sends it and calls tee_frame_release(); it changes nothing.
 */
struct tee_frame {
	uint16_t head_off;
	uint16_t head_len;
	uint16_t slice_count;
	uint16_t gso_size;     /* 0: not a super-frame */
	uint8_t gso_type;      /* enum tee_gso_type */
	bool checksum_partial; /* the link or its peer completes it: csum_start and csum_offset hold */
	uint16_t csum_start;  /* bytes from the frame's start to where summing begins */
	uint16_t csum_offset; /* from csum_start to the checksum field (which holds the folded,
				   uncomplemented pseudo-header sum) */
	uint32_t len;         /* the whole frame, bytes */
	uint16_t why;         /* enum tee_why: the reason it was sent (trace.h) */
	uint16_t l3_off; /* bytes from the frame's start to the IP header; 0 on a raw-IP netif */
	uint64_t depart_at_ns; /* not before this instant (pacing); at or before now: at once */
	struct tee_slice slices[TEE_FRAME_SLICES];
	struct tee_pkt *holds[TEE_FRAME_SLICES]; /* references that keep the slices alive */
	uint8_t head[TEE_FRAME_HEAD_SIZE];
};

/* Drops the references that a frame holds; the frame may then be reused. Frames after failure too. */
TEE_API void tee_frame_release(struct tee_frame *frame);

/* Copies the whole frame into `buf` of at least frame->len bytes; returns frame->len. */
TEE_API size_t tee_frame_copy(const struct tee_frame *frame, void *buf);

/*
 * A pool of packet buffers. One stack, one thread, one pool; a buffer may be released only by the
 * thread that owns the pool. `bytes_max` bounds the memory held by live buffers (0: no bound);
 * past it tee_pkt_new() returns NULL.
 */
TEE_API struct tee_pool *tee_pool_new(size_t bytes_max);
/* Frees the pool when the last buffer has come back. NULL is legal. */
TEE_API void tee_pool_free(struct tee_pool *pool);
TEE_API size_t tee_pool_bytes_used(const struct tee_pool *pool);

/*
 * A packet with `capacity` bytes after TEE_PKT_HEADROOM bytes of headroom; off is the headroom,
 * len 0, one reference. NULL when the pool's bound or the allocator refuses.
 */
TEE_API struct tee_pkt *tee_pkt_new(struct tee_pool *pool, size_t capacity);
TEE_API struct tee_pkt *tee_pkt_ref(struct tee_pkt *pkt);
/* Gives one reference up. NULL is legal. */
TEE_API void tee_pkt_release(struct tee_pkt *pkt);

static inline uint8_t *tee_pkt_bytes(const struct tee_pkt *pkt)
{
	return pkt->data + pkt->off;
}

#ifdef __cplusplus
}
#endif
#endif
