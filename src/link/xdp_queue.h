/* SPDX-License-Identifier: MIT */
/* One AF_XDP socket with its memory and rings: the frames of one receive queue of an interface. */
#ifndef TEE_LINK_XDP_QUEUE_H
#define TEE_LINK_XDP_QUEUE_H

#include <teeceepee/link.h>
#include <xdp/xsk.h>
#include "link/gro.h"
#include "link/rx.h"
#include "link/xdp_steer.h"

enum {
	XDP_CHUNK_BYTES = 4096, /* memory is cut into these; what leaves may fill one */
	/* What comes in leaves room for the kernel's headroom in front. */
	XDP_RX_CHUNK_BYTES = XDP_CHUNK_BYTES - 256,
	XDP_RING_MIN = 64,
	XDP_RING_MAX = 8192,
};

struct xdp_queue_config {
	const char *name; /* of the interface */
	uint32_t queue;
	uint32_t ring; /* entries of each ring: a power of two */
	uint32_t mtu;  /* of the interface, bytes */
	enum xdp_mode mode;
	bool is_native, has_frags; /* of the program */
	bool is_in_memory;         /* frames may come from this machine's, their checksums unmade */
};

struct xdp_queue {
	struct xsk_umem *umem;
	struct xsk_socket *socket;
	struct xsk_ring_prod fill, tx;
	struct xsk_ring_cons completion, rx;
	int fd;
	uint8_t *memory; /* `ring` chunks to receive into, then as many to send from */
	size_t memory_bytes;
	uint64_t *free_chunks; /* to send from: a stack */
	uint32_t free_count, ring;
	bool is_zerocopy;
	bool has_multi;  /* frames may take several chunks */
	bool is_waiting; /* the kernel left something in the ring for sending */
	bool is_in_memory;
	uint32_t mtu; /* of the interface */
	struct gro gro;
	/* A frame of several chunks that isn't whole yet. */
	struct rx_buffer joined;
	uint32_t joined_bytes;
	bool is_discarding;
	uint64_t rx_frames, tx_frames, rx_no_memory, rx_too_long, rx_partial, tx_refused;
};

/* Does this kernel's AF_XDP take frames of several chunks (Linux 6.6)? */
bool xdp_queue_knows_multi(void);
/* 0, or -TEE_E… with a sentence; xdp_queue_close() is due in both cases. */
int xdp_queue_open(struct xdp_queue *queue, const struct xdp_queue_config *config,
		   char ret_error[TEE_LINK_ERROR_SIZE]);
void xdp_queue_close(struct xdp_queue *queue);
/* Copies frames that came in into up to `n` packets, joined where they can be; returns how many. */
unsigned xdp_queue_recv(struct xdp_queue *queue, struct tee_pool *pool, struct tee_pkt **ret_pkts,
			unsigned n);
/* Copies up to `n` frames out and sends them; returns how many found room. */
unsigned xdp_queue_send(struct xdp_queue *queue, const struct tee_frame *frames, unsigned n);
/* Has the kernel go on with what it left; false: the interface is down or gone. */
bool xdp_queue_kick(struct xdp_queue *queue);
/* Frames that the kernel dropped for want of room, and those it refused to send. */
void xdp_queue_drops(const struct xdp_queue *queue, uint64_t *ret_rx, uint64_t *ret_tx);

#endif
