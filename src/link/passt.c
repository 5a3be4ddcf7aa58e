/* SPDX-License-Identifier: MIT */
/*
 * passt, or whatever speaks QEMU's stream-socket framing: a process beside us that carries our
 * connections over the host's sockets, faster than libslirp and with the host's own address.
 *
 * `passt:PATH` connects to the UNIX socket of a process that runs already. `passt` alone starts one
 * in the background with one end of a socket pair (so no path has to be free) and ends it on
 * close; with `tcp=SPEC` and `udp=SPEC` it forwards ports inwards, as passt's -t and -u say.
 *
 * Frames come out of the stream by deframe.c. What goes out is written with one sendmsg() for many frames;
 * the socket may take a part, even of the length in front of a frame, and the rest of that one frame
 * is kept in `pending` and goes first the next time: once begun, a frame must be finished.
 * Nothing new is taken while it waits, and poll() asks for POLLOUT.
 *
 * passt drops what our socket has no room for (room_bytes tells the stack to offer no larger window), and what
 * the host's has none for, so this link loses packets as a network does. It
 * answers DHCP and sends router advertisements: addresses are asked for as on any Ethernet.
 * The end of the stream, or a length that can't be, is -TEE_ENODEV: the other end has gone.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "base/byteorder.h"
#include "base/check.h"
#include "link/counter_table.h"
#include "link/deframe.h"
#include "link/gro.h"
#include "link/passt_process.h"
#include "link/spec.h"

enum {
	PASST_MTU_DEFAULT = 65520,    /* what passt tells by DHCP when not told otherwise */
	PASST_ROOM_BYTES = 128 << 10, /* two large frames: an AF_UNIX socket has room for three */
	PASST_MTU_MIN = 1280,
	PASST_MTU_MAX = 65521,
	PASST_BATCH = 32,
	PASST_IOV_MAX = PASST_BATCH * (2 + TEE_FRAME_SLICES),
	PASST_SOCKET_BYTES = 1 << 20,
};

struct passt_link {
	struct tee_link link;
	int fd;
	pid_t child; /* 0: not ours */
	bool is_gone;
	bool waits_for_room; /* the socket took less than it was offered */
	struct deframe deframe;
	struct gro gro;
	uint32_t pending_off, pending_len; /* the rest of a frame that was begun */
	uint64_t rx_frames, tx_frames, rx_no_memory, rx_bad_length;
	uint8_t pending[DEFRAME_PREFIX_LEN + TEE_FRAME_LEN_MAX];
};

/* ---- receiving ---- */

/* Reads once; 1: something came, 0: nothing now, -TEE_ENODEV: the end. */
static int passt_fill(struct passt_link *self)
{
	size_t space_len;
	uint8_t *space = deframe_space(&self->deframe, &space_len);
	ssize_t got = recv(self->fd, space, space_len, MSG_DONTWAIT);

	if (got > 0) {
		deframe_filled(&self->deframe, (size_t)got);
		return 1;
	}
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	self->is_gone = true;
	return -TEE_ENODEV;
}

static int passt_recv(struct tee_link *link, struct tee_pool *pool, struct tee_pkt **ret_pkts,
		      unsigned n, uint64_t now_ns)
{
	struct passt_link *self = (struct passt_link *)link;
	unsigned count = 0;
	int result = 0;

	if (self->is_gone)
		return -TEE_ENODEV;
	gro_begin(&self->gro, TEE_NETIF_ETHERNET, pool, ret_pkts);
	while (count < n) {
		const uint8_t *frame;
		struct tee_pkt *pkt;
		uint32_t len;

		result = deframe_next(&self->deframe, &frame, &len);
		if (result == 0) {
			/* One read a call: what else is there, poll() will say. */
			result = count > 0 ? 0 : passt_fill(self);
			if (result > 0)
				result = deframe_next(&self->deframe, &frame, &len);
		}
		if (result == -TEE_EPROTO) {
			self->rx_bad_length++;
			self->is_gone = true;
		}
		if (result <= 0)
			break;
		self->rx_frames++;
		if (gro_join(&self->gro, frame, len, TEE_CHECKSUM_UNKNOWN))
			continue;
		pkt = tee_pkt_new(pool, len);
		if (!pkt) {
			self->rx_no_memory++;
			continue;
		}
		memcpy(tee_pkt_bytes(pkt), frame, len);
		pkt->len = len;
		pkt->at_ns = now_ns;
		ret_pkts[count] = pkt;
		gro_hold(&self->gro, count++);
	}
	if (count > 0)
		return (int)count;
	return self->is_gone ? -TEE_ENODEV : 0;
}

/* ---- sending ---- */

static ssize_t passt_write(struct passt_link *self, struct iovec *iov, unsigned iov_count)
{
	struct msghdr message = {.msg_iov = iov, .msg_iovlen = iov_count};
	ssize_t sent = sendmsg(self->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);

	self->waits_for_room = sent < 0;
	if (sent >= 0)
		return sent;
	if (errno != EAGAIN && errno != EINTR && errno != ENOBUFS)
		self->is_gone = true;
	return 0;
}

/* true when no frame is left half sent. */
static bool passt_flush_pending(struct passt_link *self)
{
	struct iovec iov = {self->pending + self->pending_off, self->pending_len};
	ssize_t sent;

	if (self->pending_len == 0)
		return true;
	sent = passt_write(self, &iov, 1);
	self->pending_off += (uint32_t)sent;
	self->pending_len -= (uint32_t)sent;
	return self->pending_len == 0;
}

/* Keeps what the socket did not take of a frame whose first `done` bytes (with the length) have gone. */
static void passt_keep_rest(struct passt_link *self, const struct tee_frame *frame, size_t done)
{
	store_be32(self->pending, frame->len);
	tee_frame_copy(frame, self->pending + DEFRAME_PREFIX_LEN);
	self->pending_off = (uint32_t)done;
	self->pending_len = DEFRAME_PREFIX_LEN + frame->len - (uint32_t)done;
}

static unsigned passt_gather(struct iovec *iov, uint8_t *prefix, const struct tee_frame *frame)
{
	unsigned n = 0;

	store_be32(prefix, frame->len);
	iov[n++] = (struct iovec){prefix, DEFRAME_PREFIX_LEN};
	iov[n++] = (struct iovec){(void *)(frame->head + frame->head_off), frame->head_len};
	for (unsigned i = 0; i < frame->slice_count; i++)
		iov[n++] = (struct iovec){(void *)frame->slices[i].ptr, frame->slices[i].len};
	return n;
}

/* Sends one batch; returns how many frames are off our hands. */
static unsigned passt_send_batch(struct passt_link *self, struct tee_frame *frames, unsigned n)
{
	uint8_t prefixes[PASST_BATCH][DEFRAME_PREFIX_LEN];
	struct iovec iov[PASST_IOV_MAX];
	unsigned iov_count = 0, taken = 0;
	size_t sent;

	for (unsigned i = 0; i < n; i++)
		iov_count += passt_gather(iov + iov_count, prefixes[i], &frames[i]);
	sent = (size_t)passt_write(self, iov, iov_count);
	while (taken < n && sent >= DEFRAME_PREFIX_LEN + frames[taken].len) {
		sent -= DEFRAME_PREFIX_LEN + frames[taken].len;
		taken++;
	}
	if (sent > 0)
		passt_keep_rest(self, &frames[taken++], sent);
	return taken;
}

static int passt_send(struct tee_link *link, struct tee_frame *frames, unsigned n, uint64_t now_ns)
{
	struct passt_link *self = (struct passt_link *)link;
	unsigned count = 0;

	(void)now_ns;
	while (count < n && !self->is_gone && passt_flush_pending(self)) {
		unsigned batch = MIN(n - count, (unsigned)PASST_BATCH);
		unsigned taken = passt_send_batch(self, frames + count, batch);

		count += taken;
		if (taken < batch)
			break;
	}
	self->tx_frames += count;
	if (count > 0 || !self->is_gone)
		return (int)count;
	return -TEE_ENODEV;
}

static int passt_poll_fds(struct tee_link *link, struct tee_link_poll *fds, unsigned n)
{
	struct passt_link *self = (struct passt_link *)link;

	if (n == 0 || self->is_gone)
		return 0;
	fds[0] = (struct tee_link_poll){.fd = self->fd, .events = POLLIN};
	if (self->pending_len > 0 || self->waits_for_room)
		fds[0].events |= POLLOUT;
	return 1;
}

static void passt_poll_done(struct tee_link *link, const struct tee_link_poll *fds, unsigned n,
			    uint64_t now_ns)
{
	struct passt_link *self = (struct passt_link *)link;

	(void)now_ns;
	if (n > 0 && (fds[0].revents & POLLOUT))
		passt_flush_pending(self);
}

/* Whole frames in the buffer show on no descriptor; neither does the end, once it was seen. */
static uint64_t passt_deadline(struct tee_link *link)
{
	struct passt_link *self = (struct passt_link *)link;
	struct deframe *deframe = &self->deframe;
	uint32_t have = deframe->end - deframe->start;

	if (self->is_gone)
		return 0;
	if (have < DEFRAME_PREFIX_LEN)
		return TEE_NEVER;
	return have - DEFRAME_PREFIX_LEN >= load_be32(deframe->bytes + deframe->start) ? 0
										       : TEE_NEVER;
}

static bool passt_counter(struct tee_link *link, unsigned idx, const char **ret_name,
			  uint64_t *ret_value)
{
	const struct passt_link *self = (const struct passt_link *)link;
	const struct link_counter counters[] = {
		{"passt.rx_frames", self->rx_frames},
		{"passt.tx_frames", self->tx_frames},
		{"passt.rx_no_memory", self->rx_no_memory},
		{"passt.rx_bad_length", self->rx_bad_length},
		{"passt.rx_joined", self->gro.joined},
	};

	return link_counter_tell(counters, ARRAY_LEN(counters), NULL, idx, ret_name, ret_value);
}

static void passt_close(struct tee_link *link)
{
	struct passt_link *self = (struct passt_link *)link;

	if (self->fd >= 0)
		close(self->fd);
	passt_process_end(self->child);
	free(self);
}

static const struct tee_link_ops passt_ops = {
	.recv = passt_recv,
	.send = passt_send,
	.poll_fds = passt_poll_fds,
	.poll_done = passt_poll_done,
	.deadline = passt_deadline,
	.counter = passt_counter,
	.close = passt_close,
};

/* ---- opening ---- */

static int passt_connect(const char *path, char ret_error[TEE_LINK_ERROR_SIZE])
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t len = strlen(path);
	int fd;

	if (len >= sizeof(address.sun_path))
		return link_fail(ret_error, -TEE_EINVAL,
				 "passt: the path '%.40s…' is longer than %zu bytes", path,
				 sizeof(address.sun_path) - 1);
	memcpy(address.sun_path, path, len + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return link_fail(ret_error, link_result_of_errno(errno), "passt: no socket: %s",
				 strerror(errno));
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		int error = errno;

		close(fd);
		return link_fail(
			ret_error, link_result_of_errno(error),
			"passt: can't connect to %.108s (%s): start it with 'passt -s %.60s', "
			"or use the link 'passt' without a path",
			path, strerror(error), path);
	}
	return fd;
}

static int passt_open_parts(struct passt_link *self, const struct link_spec *spec,
			    char ret_error[TEE_LINK_ERROR_SIZE])
{
	struct tee_link_info *info = &self->link.info;
	uint32_t mtu = PASST_MTU_DEFAULT;
	int bytes = PASST_SOCKET_BYTES, result;

	info->mac = (struct tee_mac){{0x52, 0x54, 0x00, 'T', 'E', 'F'}};
	if ((result = link_spec_u32(spec, "mtu", PASST_MTU_MIN, PASST_MTU_MAX, &mtu, ret_error)) <
		    0 ||
	    (result = link_spec_mac(spec, &info->mac, ret_error)) < 0)
		return result;
	if (*spec->name && (link_spec_get(spec, "tcp") || link_spec_get(spec, "udp")))
		return link_fail(
			ret_error, -TEE_EINVAL,
			"passt: tcp= and udp= are for one that is started here; who started "
			"%.108s told it its ports",
			spec->name);
	if (*spec->name)
		result = passt_connect(spec->name, ret_error);
	else
		result = passt_process_start(spec, mtu, &self->child, ret_error);
	if (result < 0)
		return result;
	self->fd = result;
	/* Best effort: room for several large frames in flight. */
	setsockopt(self->fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
	info->kind = TEE_NETIF_ETHERNET;
	snprintf(info->name, sizeof(info->name), "passt%s%.57s", *spec->name ? ":" : "",
		 spec->name);
	info->mtu = mtu;
	info->gso_bytes_max = mtu;
	info->wants_dhcp = true;
	info->room_bytes = PASST_ROOM_BYTES;
	return 0;
}

static int passt_open(const struct link_spec *spec, struct tee_link **ret_link,
		      char ret_error[TEE_LINK_ERROR_SIZE])
{
	struct passt_link *self = calloc(1, sizeof(*self));
	int result;

	if (!self)
		return link_fail(ret_error, -TEE_ENOMEM, "no memory for the passt link");
	self->link.ops = &passt_ops;
	self->fd = -1;
	result = passt_open_parts(self, spec, ret_error);
	if (result < 0) {
		passt_close(&self->link);
		return result;
	}
	*ret_link = &self->link;
	return 0;
}

static int passt_probe(char ret_reason[TEE_LINK_ERROR_SIZE])
{
	struct link_spec spec = {.kind = "passt", .name = ""};
	struct tee_link *link = NULL;
	int result = passt_open(&spec, &link, ret_reason);

	if (result < 0)
		return result;
	tee_link_close(link);
	ret_reason[0] = '\0';
	return 0;
}

const struct link_kind link_kind_passt = {
	.about = {.name = "passt",
		  .syntax = "passt:PATH, or passt[:tcp=SPEC,udp=SPEC,mtu=N,mac=MAC] to start one",
		  .summary = "the host's sockets through a passt process, without root"},
	.keys = "mtu mac tcp udp",
	.takes_name = true,
	.open = passt_open,
	.probe = passt_probe,
};
