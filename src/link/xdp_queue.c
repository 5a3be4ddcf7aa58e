/* SPDX-License-Identifier: MIT */
/*
 * An AF_XDP socket (Linux: Documentation/networking/af_xdp.rst), by libxdp.
 *
 * Memory that both sides see is cut into chunks of a page. Four rings carry their numbers: `fill`
 * gives the kernel chunks to receive into, `rx` brings them back with frames, `tx` gives it frames to
 * send, `completion` brings those chunks back. Half of the chunks belong to receiving and are always in
 * fill or rx, so neither ring can overflow (fill has room for two rounds of them); half to sending, and lie
 * in a stack while they are free.
 *
 * The chunks are ours alone: a received frame is copied into a packet of its own size, and its chunk goes
 * back to the kernel at once; a frame that leaves is copied from header and slices. A stack that keeps
 * payload until the application reads it would else keep the card's memory with it. In zero-copy
 * mode the card reads and writes the chunks, so that this is the only copy; in copy mode the kernel
 * makes another.
 *
 * With XDP_USE_SG (Linux 6.6) a frame may take several chunks, all but the last marked XDP_PKT_CONTD. They are
 * joined in one large packet (rx.c). Segments of ordinary size that come in a row are joined by gro.c.
 *
 * The kernel is called only when a ring says that it sleeps (XDP_USE_NEED_WAKEUP). In copy mode that
 * is for every batch that we send, 32 frames a call; what it leaves, because the interface's queue
 * is full, is tried again a little later (xdp.c has the timer).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include "base/byteorder.h"
#include "base/check.h"
#include "link/gso.h"
#include "link/spec.h"
#include "link/xdp_queue.h"
#include "wire/checksum.h"
#include "wire/ethernet.h"
#include "wire/ip.h"
#include "wire/tcp.h"
#include "wire/udp.h"

/* Headers older than Linux 6.6 don't have them. */
#ifndef XDP_USE_SG
# define XDP_USE_SG (1 << 4)
#endif
#ifndef XDP_PKT_CONTD
# define XDP_PKT_CONTD (1 << 0)
#endif

/* RX_FRAMES: taken by one call, at most; 256 KiB of an ordinary Ethernet. */
enum { RX_BATCH = 64, RX_FRAMES = 192, KICKS_MAX = 8, VLAN_TAG_LEN = 4 };

/* ---- receiving ---- */

/* Gives chunks back to be received into. */
static void refill(struct xdp_queue *queue, const uint64_t *chunks, uint32_t n)
{
	uint32_t at;

	if (n == 0)
		return;
	/*
	 * The ring has two places for every chunk there is: its consumer is moved on after the frames have been
	 * given to us, so that who spins finds up to one round of chunks in it twice.
	 */
	CHECK(xsk_ring_prod__reserve(&queue->fill, n, &at) == n);
	for (uint32_t i = 0; i < n; i++)
		*xsk_ring_prod__fill_addr(&queue->fill, at + i) = chunks[i];
	xsk_ring_prod__submit(&queue->fill, n);
	if (xsk_ring_prod__needs_wakeup(&queue->fill))
		recvfrom(queue->fd, NULL, 0, MSG_DONTWAIT, NULL, NULL);
}

/*
 * Was the frame's checksum never made? No header says so, but then the sum of the pseudo-header stands in
 * its field. Looked for where frames come out of this machine's memory, and in those that are longer than
 * the wire allows, which the kernel has merged.
 */
static bool is_partial(const struct xdp_queue *queue, const uint8_t *frame, uint32_t len,
		       struct gso_map *map)
{
	bool is_merged = len > queue->mtu + ETHERNET_HEADER_LEN + VLAN_TAG_LEN;
	uint32_t l4_len, field;

	if ((!queue->is_in_memory && !is_merged) ||
	    gso_map(frame, len, TEE_NETIF_ETHERNET, map) < 0 || map->is_fragment)
		return false;
	l4_len = map->end - map->l4_off;
	if (map->protocol == IP_PROTO_TCP && l4_len >= TCP_HEADER_LEN)
		field = 16;
	else if (map->protocol == IP_PROTO_UDP && l4_len >= UDP_HEADER_LEN)
		field = 6;
	else
		return false;
	return load_be16(frame + map->l4_off + field) ==
	       checksum_fold(checksum_pseudo(&map->src, &map->dst, map->protocol, l4_len));
}

/* A frame in one chunk. */
static struct tee_pkt *take_whole(struct xdp_queue *queue, struct tee_pool *pool,
				  const uint8_t *bytes, uint32_t len)
{
	enum tee_checksum_state state = TEE_CHECKSUM_UNKNOWN;
	struct gso_map map;
	struct tee_pkt *pkt;

	queue->rx_frames++;
	if (is_partial(queue, bytes, len, &map)) {
		state = TEE_CHECKSUM_PARTIAL;
		queue->rx_partial++;
	}
	if (gro_join(&queue->gro, bytes, len, state))
		return NULL;
	pkt = tee_pkt_new(pool, len);
	if (!pkt) {
		queue->rx_no_memory++;
		return NULL;
	}
	memcpy(tee_pkt_bytes(pkt), bytes, len);
	pkt->len = len;
	pkt->checksum_state = state;
	return pkt;
}

/* A frame of several chunks that is whole now: a jumbo frame, or a merged one and so a super-frame. */
static struct tee_pkt *take_joined(struct xdp_queue *queue, struct tee_pool *pool)
{
	struct tee_pkt *pkt = rx_buffer_take(&queue->joined, pool, queue->joined_bytes);
	const uint8_t *bytes = tee_pkt_bytes(pkt);
	uint32_t header_len;
	struct gso_map map;

	queue->rx_frames++;
	if (is_partial(queue, bytes, pkt->len, &map)) {
		pkt->checksum_state = TEE_CHECKSUM_PARTIAL;
		queue->rx_partial++;
	}
	if (gro_join(&queue->gro, bytes, pkt->len, (enum tee_checksum_state)pkt->checksum_state)) {
		tee_pkt_release(pkt);
		return NULL;
	}
	if (pkt->checksum_state != TEE_CHECKSUM_PARTIAL || map.protocol != IP_PROTO_TCP ||
	    pkt->len <= queue->mtu + ETHERNET_HEADER_LEN + VLAN_TAG_LEN)
		return pkt;
	/* Of what size the segments were is not told: about as large as the wire carries. */
	header_len = map.l4_off - map.l3_off + (bytes[map.l4_off + 12] >> 4) * 4u;
	if (header_len < queue->mtu) {
		pkt->gso_type = map.version == 4 ? TEE_GSO_TCP4 : TEE_GSO_TCP6;
		pkt->gso_size = (uint16_t)(queue->mtu - header_len);
	}
	return pkt;
}

/* One more chunk of a frame of several; the packet when it was the last. */
static struct tee_pkt *take_part(struct xdp_queue *queue, struct tee_pool *pool,
				 const uint8_t *bytes, uint32_t len, bool is_last)
{
	struct tee_pkt *big = rx_buffer_get(&queue->joined, pool), *whole = NULL;
	uint32_t total = queue->joined_bytes + len;

	if (!queue->is_discarding && !big)
		queue->rx_no_memory++;
	else if (!queue->is_discarding && total > RX_BUFFER_BYTES)
		queue->rx_too_long++;
	queue->is_discarding |= !big || total > RX_BUFFER_BYTES;
	if (!queue->is_discarding) {
		memcpy(tee_pkt_bytes(big) + queue->joined_bytes, bytes, len);
		queue->joined_bytes = total;
	}
	if (!is_last)
		return NULL;
	if (!queue->is_discarding)
		whole = take_joined(queue, pool);
	queue->joined_bytes = 0;
	queue->is_discarding = false;
	return whole;
}

/* What one chunk brings; false: no packet, or not yet. */
static bool take_chunk(struct xdp_queue *queue, struct tee_pool *pool, const struct xdp_desc *desc,
		       struct tee_pkt **ret_pkt)
{
	const uint8_t *bytes = queue->memory + desc->addr;
	bool is_last = !(desc->options & XDP_PKT_CONTD);

	if (is_last && queue->joined_bytes == 0 && !queue->is_discarding)
		*ret_pkt = take_whole(queue, pool, bytes, desc->len);
	else
		*ret_pkt = take_part(queue, pool, bytes, desc->len, is_last);
	return *ret_pkt != NULL;
}

unsigned xdp_queue_recv(struct xdp_queue *queue, struct tee_pool *pool, struct tee_pkt **ret_pkts,
			unsigned n)
{
	uint64_t chunks[RX_BATCH];
	uint32_t at, room, taken, frames = 0;
	unsigned count = 0;

	gro_begin(&queue->gro, TEE_NETIF_ETHERNET, pool, ret_pkts);
	do {
		room = MIN(n - count, (unsigned)RX_BATCH);
		taken = xsk_ring_cons__peek(&queue->rx, room, &at);
		for (uint32_t i = 0; i < taken; i++) {
			const struct xdp_desc *desc = xsk_ring_cons__rx_desc(&queue->rx, at + i);

			if (take_chunk(queue, pool, desc, &ret_pkts[count])) {
				gro_hold(&queue->gro, count);
				count++;
			}
			chunks[i] = desc->addr & ~(uint64_t)(XDP_CHUNK_BYTES - 1);
		}
		if (taken > 0)
			xsk_ring_cons__release(&queue->rx, taken);
		refill(queue, chunks, taken);
		frames += taken;
	} while (taken == room && count < n && frames < RX_FRAMES);
	return count;
}

/* ---- sending ---- */

/* Takes back the chunks of frames that are sent. */
static void reap(struct xdp_queue *queue)
{
	uint32_t at, n = xsk_ring_cons__peek(&queue->completion, queue->ring, &at);

	for (uint32_t i = 0; i < n; i++)
		queue->free_chunks[queue->free_count++] =
			*xsk_ring_cons__comp_addr(&queue->completion, at + i);
	if (n > 0)
		xsk_ring_cons__release(&queue->completion, n);
}

bool xdp_queue_kick(struct xdp_queue *queue)
{
	queue->is_waiting = false;
	for (unsigned i = 0; xsk_ring_prod__needs_wakeup(&queue->tx); i++) {
		if (sendto(queue->fd, NULL, 0, MSG_DONTWAIT, NULL, 0) >= 0)
			return true;
		if (errno == ENETDOWN || errno == ENXIO || errno == ENODEV)
			return false;
		/* EAGAIN: more than it does in one call, or no room; EBUSY, ENOBUFS: no room. */
		queue->is_waiting = true;
		if (errno != EAGAIN || i == KICKS_MAX)
			return true;
	}
	return true;
}

/* Writes the frame to chunks and the ring; false: no room. */
static bool put_frame(struct xdp_queue *queue, const struct tee_frame *frame)
{
	uint32_t pieces = (frame->len + XDP_CHUNK_BYTES - 1) / XDP_CHUNK_BYTES, at;
	uint8_t whole[TEE_FRAME_LEN_MAX];
	const uint8_t *from = whole;

	if (queue->free_count < pieces || xsk_ring_prod__reserve(&queue->tx, pieces, &at) < pieces)
		return false;
	if (pieces > 1)
		tee_frame_copy(frame, whole);
	for (uint32_t i = 0; i < pieces; i++) {
		uint64_t chunk = queue->free_chunks[--queue->free_count];
		uint32_t left = frame->len - i * XDP_CHUNK_BYTES;

		*xsk_ring_prod__tx_desc(&queue->tx, at + i) = (struct xdp_desc){
			.addr = chunk,
			.len = MIN(left, (uint32_t)XDP_CHUNK_BYTES),
			.options = i + 1 < pieces ? XDP_PKT_CONTD : 0,
		};
		if (pieces == 1)
			tee_frame_copy(frame, queue->memory + chunk);
		else
			memcpy(queue->memory + chunk, from + i * XDP_CHUNK_BYTES,
			       MIN(left, (uint32_t)XDP_CHUNK_BYTES));
	}
	xsk_ring_prod__submit(&queue->tx, pieces);
	return true;
}

unsigned xdp_queue_send(struct xdp_queue *queue, const struct tee_frame *frames, unsigned n)
{
	unsigned count = 0;

	reap(queue);
	for (; count < n; count++) {
		if (frames[count].len > XDP_CHUNK_BYTES && !queue->has_multi)
			queue->tx_refused++;
		else if (!put_frame(queue, &frames[count]))
			break;
		else
			queue->tx_frames++;
	}
	return count;
}

void xdp_queue_drops(const struct xdp_queue *queue, uint64_t *ret_rx, uint64_t *ret_tx)
{
	struct xdp_statistics stats = {0};
	socklen_t len = sizeof(stats);

	*ret_rx = *ret_tx = 0;
	if (queue->fd < 0 || getsockopt(queue->fd, SOL_XDP, XDP_STATISTICS, &stats, &len) < 0)
		return;
	*ret_rx = stats.rx_dropped + stats.rx_ring_full;
	*ret_tx = stats.tx_invalid_descs;
}

/* ---- opening ---- */

static int make_memory(struct xdp_queue *queue)
{
	void *memory;

	queue->memory_bytes = (size_t)queue->ring * 2 * XDP_CHUNK_BYTES;
	memory = mmap(NULL, queue->memory_bytes, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		return -TEE_ENOMEM;
	queue->memory = memory;
	/* Fewer entries of the processor's page cache; not having them is no fault. */
	madvise(memory, queue->memory_bytes, MADV_HUGEPAGE);
	queue->free_chunks = calloc(queue->ring, sizeof(*queue->free_chunks));
	return queue->free_chunks ? 0 : -TEE_ENOMEM;
}

static void close_socket(struct xdp_queue *queue)
{
	if (queue->socket)
		xsk_socket__delete(queue->socket);
	if (queue->umem)
		xsk_umem__delete(queue->umem);
	queue->socket = NULL;
	queue->umem = NULL;
	queue->fd = -1;
}

/* 0, or a negative errno as libxdp gives it. */
static int try_bind(struct xdp_queue *queue, const struct xdp_queue_config *config, uint16_t flags)
{
	const struct xsk_umem_config memory = {
		/* The kernel takes a chunk out a little after the frame in it can be seen: see refill(). */
		.fill_size = 2 * queue->ring,
		.comp_size = queue->ring,
		.frame_size = XDP_CHUNK_BYTES,
	};
	const struct xsk_socket_config socket = {
		.rx_size = queue->ring,
		.tx_size = queue->ring,
		.libxdp_flags = XSK_LIBXDP_FLAGS__INHIBIT_PROG_LOAD,
		.bind_flags = (uint16_t)(flags | XDP_USE_NEED_WAKEUP),
	};
	struct xdp_options options = {0};
	socklen_t len = sizeof(options);
	int result = xsk_umem__create(&queue->umem, queue->memory, queue->memory_bytes,
				      &queue->fill, &queue->completion, &memory);

	if (result < 0)
		return result;
	result = xsk_socket__create(&queue->socket, config->name, config->queue, queue->umem,
				    &queue->rx, &queue->tx, &socket);
	if (result < 0) {
		queue->socket = NULL;
		close_socket(queue);
		return result;
	}
	queue->fd = xsk_socket__fd(queue->socket);
	queue->has_multi = flags & XDP_USE_SG;
	if (getsockopt(queue->fd, SOL_XDP, XDP_OPTIONS, &options, &len) == 0)
		queue->is_zerocopy = options.flags & XDP_OPTIONS_ZEROCOPY;
	return 0;
}

static int bind_failed(const struct xdp_queue_config *config, int error, bool fits,
		       char ret_error[TEE_LINK_ERROR_SIZE])
{
	switch (error) {
	case EPERM:
	case EACCES:
		return link_fail(ret_error, -TEE_EPERM,
				 "no permission for AF_XDP sockets: run as root, or 'setcap "
				 "cap_bpf,cap_net_admin,cap_net_raw+ep' the program");
	case EBUSY:
		return link_fail(
			ret_error, -TEE_EALREADY,
			"queue %u of %.15s has an AF_XDP socket already: end who opened it, "
			"or choose another one with queue=N",
			config->queue, config->name);
	case ENOBUFS:
	case ENOMEM:
		return link_fail(ret_error, -TEE_ENOMEM,
				 "too little memory may be locked for AF_XDP's rings: raise "
				 "'ulimit -l', or give ring=%u",
				 MAX(config->ring / 4, (uint32_t)XDP_RING_MIN));
	default: break;
	}
	if (config->mode == XDP_MODE_ZEROCOPY)
		return link_fail(ret_error, -TEE_EOPNOTSUPP,
				 "the driver of %.15s has no zero-copy (%s): use mode=native or "
				 "mode=auto",
				 config->name, strerror(error));
	if (!fits)
		return link_fail(
			ret_error, -TEE_EOPNOTSUPP,
			"the MTU of %.15s is %u and AF_XDP carries frames of one page only here: "
			"'ip link set %.15s mtu %d' as root, or use packet:%.15s",
			config->name, config->mtu, config->name,
			XDP_RX_CHUNK_BYTES - ETHERNET_HEADER_LEN - VLAN_TAG_LEN, config->name);
	return link_fail(ret_error, link_result_of_errno(error), "no AF_XDP socket on %.15s: %s",
			 config->name, strerror(error));
}

bool xdp_queue_knows_multi(void)
{
	/* No interface has the number 0; but flags that are not known are refused before. */
	const struct sockaddr_xdp nowhere = {.sxdp_family = AF_XDP, .sxdp_flags = XDP_USE_SG};
	int fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
	bool knows;

	if (fd < 0)
		return false;
	knows = bind(fd, (const struct sockaddr *)&nowhere, sizeof(nowhere)) < 0 && errno == ENODEV;
	close(fd);
	return knows;
}

/* The best that kernel and driver know: without a copy before with one, several chunks before one. */
static int bind_best(struct xdp_queue *queue, const struct xdp_queue_config *config,
		     char ret_error[TEE_LINK_ERROR_SIZE])
{
	static const uint16_t ways[] = {
		XDP_ZEROCOPY | XDP_USE_SG,
		XDP_ZEROCOPY,
		XDP_COPY | XDP_USE_SG,
		XDP_COPY,
	};
	bool fits = config->mtu + ETHERNET_HEADER_LEN + VLAN_TAG_LEN <=
		    (uint32_t)XDP_RX_CHUNK_BYTES;
	bool may_share = config->is_native &&
			 (config->mode == XDP_MODE_AUTO || config->mode == XDP_MODE_ZEROCOPY);
	int result = -EOPNOTSUPP;

	for (unsigned i = 0; i < ARRAY_LEN(ways); i++) {
		if (ways[i] & XDP_ZEROCOPY ? !may_share : config->mode == XDP_MODE_ZEROCOPY)
			continue;
		if (ways[i] & XDP_USE_SG ? !config->has_frags : !fits)
			continue;
		result = try_bind(queue, config, ways[i]);
		if (result == 0)
			return 0;
		if (result == -EPERM || result == -EBUSY)
			break;
	}
	return bind_failed(config, -result, fits, ret_error);
}

int xdp_queue_open(struct xdp_queue *queue, const struct xdp_queue_config *config,
		   char ret_error[TEE_LINK_ERROR_SIZE])
{
	uint64_t chunks[RX_BATCH];
	int result;

	memset(queue, 0, sizeof(*queue));
	queue->fd = -1;
	queue->ring = config->ring;
	queue->mtu = config->mtu;
	queue->is_in_memory = config->is_in_memory;
	result = make_memory(queue);
	if (result < 0)
		return link_fail(ret_error, result, "no memory for the rings: give ring=%d",
				 XDP_RING_MIN);
	result = bind_best(queue, config, ret_error);
	if (result < 0)
		return result;
	for (uint32_t i = 0; i < queue->ring; i++)
		queue->free_chunks[queue->free_count++] = (uint64_t)(queue->ring + i) *
							  XDP_CHUNK_BYTES;
	for (uint32_t i = 0; i < queue->ring; i += RX_BATCH) {
		for (uint32_t k = 0; k < RX_BATCH; k++)
			chunks[k] = (uint64_t)(i + k) * XDP_CHUNK_BYTES;
		refill(queue, chunks, RX_BATCH);
	}
	return 0;
}

void xdp_queue_close(struct xdp_queue *queue)
{
	close_socket(queue);
	rx_buffer_fini(&queue->joined);
	free(queue->free_chunks);
	queue->free_chunks = NULL;
	if (queue->memory)
		munmap(queue->memory, queue->memory_bytes);
	queue->memory = NULL;
}
