/* SPDX-License-Identifier: MIT */
/*
 * A simulated Ethernet between two stacks in one process: what one end sends, the other receives, at
 * once and in order, without a system call and without a clock. Everything that makes a network
 * bad is the business of impair.c.
 *
 * struct wire_end is one end: the frames that wait for its recv() in a list, and the pool of the stack
 * that receives there. send() copies each frame once, straight into a packet from the receiver's
 * pool, with its offload metadata; so a super-frame crosses as one, and its checksum as partial (it never
 * left memory). The receiver's pool is known from its first recv(); frames sent before that come
 * from a pool of the wire's own.
 *
 * A queue holds at most WIRE_QUEUE_BYTES; then send() takes no more and the sender offers the rest
 * again, as with a real link whose descriptor isn't writable. A frame for which the receiver's
 * pool has no memory is lost and counted, as on a card without buffers. deadline() is "now" while
 * frames wait, since no descriptor can tell.
 *
 * The ends share struct wire and are used by one thread. Closing one end leaves the other with a peer
 * that is gone: it receives what was sent before, then -TEE_ENODEV.
 */
#include <stdlib.h>
#include <string.h>
#include "base/check.h"
#include "link/counter_table.h"
#include "link/spec.h"

enum { WIRE_QUEUE_BYTES = 16 << 20 };

struct wire_end {
	struct tee_link link; /* first: what the world sees */
	struct wire *wire;
	struct wire_end *peer;
	struct tee_pool *pool; /* of the stack that receives here; NULL before its first recv() */
	struct tee_pkt *head, *tail;
	size_t queue_bytes;
	bool is_closed;
	uint64_t rx_frames, tx_frames, rx_no_memory;
};

struct wire {
	struct wire_end ends[2];
	struct tee_pool *early_pool;
};

static int wire_recv(struct tee_link *link, struct tee_pool *pool, struct tee_pkt **ret_pkts,
		     unsigned n, uint64_t now_ns)
{
	struct wire_end *end = (struct wire_end *)link;
	unsigned count = 0;

	end->pool = pool;
	while (count < n && end->head) {
		struct tee_pkt *pkt = end->head;

		end->head = pkt->next;
		if (!end->head)
			end->tail = NULL;
		pkt->next = NULL;
		pkt->at_ns = now_ns;
		end->queue_bytes -= pkt->len;
		ret_pkts[count++] = pkt;
	}
	end->rx_frames += count;
	if (count == 0 && end->peer->is_closed)
		return -TEE_ENODEV;
	return (int)count;
}

static void wire_deliver(struct wire_end *to, const struct tee_frame *frame)
{
	struct tee_pool *pool = to->pool ? to->pool : to->wire->early_pool;
	struct tee_pkt *pkt = tee_pkt_new(pool, frame->len);

	if (!pkt) {
		to->rx_no_memory++;
		return;
	}
	pkt->len = (uint32_t)tee_frame_copy(frame, tee_pkt_bytes(pkt));
	pkt->gso_size = frame->gso_size;
	pkt->gso_type = frame->gso_type;
	pkt->checksum_state = frame->checksum_partial ? TEE_CHECKSUM_PARTIAL : TEE_CHECKSUM_UNKNOWN;
	pkt->next = NULL;
	if (to->tail)
		to->tail->next = pkt;
	else
		to->head = pkt;
	to->tail = pkt;
	to->queue_bytes += pkt->len;
}

static int wire_send(struct tee_link *link, struct tee_frame *frames, unsigned n, uint64_t now_ns)
{
	struct wire_end *end = (struct wire_end *)link, *peer = end->peer;
	unsigned count = 0;

	(void)now_ns;
	if (peer->is_closed)
		return -TEE_ENODEV;
	while (count < n && peer->queue_bytes < WIRE_QUEUE_BYTES)
		wire_deliver(peer, &frames[count++]);
	end->tx_frames += count;
	return (int)count;
}

static int wire_poll_fds(struct tee_link *link, struct tee_link_poll *fds, unsigned n)
{
	(void)link, (void)fds, (void)n;
	return 0;
}

static uint64_t wire_deadline(struct tee_link *link)
{
	struct wire_end *end = (struct wire_end *)link;

	return end->head || end->peer->is_closed ? 0 : TEE_NEVER;
}

static bool wire_counter(struct tee_link *link, unsigned idx, const char **ret_name,
			 uint64_t *ret_value)
{
	struct wire_end *end = (struct wire_end *)link;
	const struct link_counter counters[] = {
		{"wire.rx_frames", end->rx_frames},
		{"wire.tx_frames", end->tx_frames},
		{"wire.rx_no_memory", end->rx_no_memory},
	};

	return link_counter_tell(counters, ARRAY_LEN(counters), NULL, idx, ret_name, ret_value);
}

static void wire_close(struct tee_link *link)
{
	struct wire_end *end = (struct wire_end *)link;
	struct wire *wire = end->wire;

	while (end->head) {
		struct tee_pkt *pkt = end->head;

		end->head = pkt->next;
		tee_pkt_release(pkt);
	}
	end->tail = NULL;
	end->is_closed = true;
	if (end->peer->is_closed) {
		tee_pool_free(wire->early_pool);
		free(wire);
	}
}

static const struct tee_link_ops wire_ops = {
	.recv = wire_recv,
	.send = wire_send,
	.poll_fds = wire_poll_fds,
	.deadline = wire_deadline,
	.counter = wire_counter,
	.close = wire_close,
};

static void wire_end_init(struct wire *wire, unsigned idx, uint32_t mtu, unsigned offloads)
{
	struct wire_end *end = &wire->ends[idx];
	static const char *const names[] = {"wire:0", "wire:1"};

	end->wire = wire;
	end->peer = &wire->ends[1 - idx];
	end->link.ops = &wire_ops;
	end->link.info.kind = TEE_NETIF_ETHERNET;
	memcpy(end->link.info.name, names[idx], strlen(names[idx]) + 1);
	end->link.info.mac = (struct tee_mac){{0x02, 'T', 'E', 'E', 0, (uint8_t)(idx + 1)}};
	end->link.info.mtu = mtu;
	end->link.info.offloads = offloads;
	end->link.info.gso_bytes_max = 65535;
	end->link.info.virtual_time = true;
}

int tee_link_wire_pair(uint32_t mtu, unsigned offloads, struct tee_link *ret_ends[2])
{
	struct wire *wire;

	/* RFC 791: every link carries 68 bytes; 65535 is the longest packet there is. */
	if (mtu < 68 || mtu > 65535)
		return -TEE_EINVAL;
	wire = calloc(1, sizeof(*wire));
	if (!wire)
		return -TEE_ENOMEM;
	wire->early_pool = tee_pool_new(0);
	if (!wire->early_pool) {
		free(wire);
		return -TEE_ENOMEM;
	}
	for (unsigned i = 0; i < 2; i++) {
		wire_end_init(wire, i, mtu, offloads);
		ret_ends[i] = &wire->ends[i].link;
	}
	return 0;
}

static int wire_open(const struct link_spec *spec, struct tee_link **ret_link,
		     char ret_error[TEE_LINK_ERROR_SIZE])
{
	(void)spec, (void)ret_link;
	return link_fail(ret_error, -TEE_EINVAL,
			 "a wire has two ends in one process: a program makes it with "
			 "tee_link_wire_pair(), the command line can't");
}

static int wire_probe(char ret_reason[TEE_LINK_ERROR_SIZE])
{
	ret_reason[0] = '\0';
	return 0;
}

const struct link_kind link_kind_wire = {
	.about = {.name = "wire",
		  .syntax = "tee_link_wire_pair() in a program",
		  .summary = "two stacks in one process, in virtual time"},
	.keys = "",
	.open = wire_open,
	.probe = wire_probe,
};
