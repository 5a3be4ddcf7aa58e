/* SPDX-License-Identifier: MIT */
/*
 * Sending and receiving: write, send, sendto, sendmsg and their opposites are all sendmsg and
 * recvmsg here.
 *
 * A blocking send on TCP returns when all is queued: `posix_wait.done` remembers how much is.
 * Fast open (RFC 7413) enters twice: as Linux has it, by MSG_FASTOPEN, where a send with an
 * address connects and waits like connect(); and as BSD has it, where TCP_FASTOPEN on the socket
 * lets any send with an address connect, and the data is queued at once.
 */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "posix/file.h"

size_t posix_total_len(const struct posix_msg *msg)
{
	size_t len = 0;

	for (unsigned i = 0; i < msg->iov_count; i++)
		len += msg->iov[i].len;
	return len;
}

static unsigned send_flags(int flags)
{
	return (flags & LINUX_MSG_MORE ? TEE_MSG_MORE : 0) |
	       (flags & LINUX_MSG_OOB ? TEE_MSG_OOB : 0) |
	       (flags & LINUX_MSG_EOR ? TEE_MSG_EOR : 0);
}

/*
 * Queues what follows the first `from` bytes, piece by piece; returns how much, or an error when
 * that is none. What marks an end (urgent, end of record) goes with the last piece. `also`: more of TEE_MSG_….
 */
static int64_t queue_pieces(struct posix_file *file, const struct posix_msg *msg, size_t from,
			    int flags, unsigned also)
{
	size_t left = posix_total_len(msg) - from;
	int64_t sent = 0;

	/* Who sends no byte still learns whether one could be sent. */
	if (!posix_total_len(msg))
		return -posix_stream_errno(file, (int)tee_send(file->socket, "", 0, 0));
	for (unsigned i = 0; i < msg->iov_count && left; i++) {
		const uint8_t *data = msg->iov[i].base;
		size_t len = msg->iov[i].len;
		unsigned how = send_flags(flags) | also;
		ssize_t got;

		if (from >= len) {
			from -= len;
			continue;
		}
		data += from;
		len -= from;
		from = 0;
		if (len < left)
			how &= ~(unsigned)(TEE_MSG_OOB | TEE_MSG_EOR);
		got = tee_send(file->socket, data, len, how);
		if (got < 0)
			return sent ? sent : -posix_stream_errno(file, (int)got);
		sent += got;
		left -= (size_t)got;
		if ((size_t)got < len)
			break;
	}
	return sent;
}

static bool may_wait(const struct posix_file *file, int flags, const struct posix_wait *wait)
{
	return wait && !(flags & LINUX_MSG_DONTWAIT) && !(file->flags & LINUX_O_NONBLOCK);
}

static int64_t opening_failed(struct posix_file *file)
{
	int error = tee_take_error(file->socket);

	file->is_connecting = false;
	return error ? -posix_errno(error) : -LINUX_EPIPE;
}

/* Until the handshake ends a send waits, as Linux does; 1: go on. */
static int64_t await_handshake(struct posix_world *world, struct posix_file *file, int flags,
			       struct posix_wait *wait)
{
	enum tee_tcp_state state;

	if (!file->is_connecting)
		return 1;
	state = posix_tcp_state(file);
	if (state == TEE_TCP_SYN_SENT || state == TEE_TCP_SYN_RECEIVED)
		return posix_block(world, file, flags & LINUX_MSG_DONTWAIT, file->send_timeout_ns,
				   wait, -LINUX_EAGAIN);
	file->is_connecting = false;
	return 1;
}

/*
 * The first send after a connect() that was put off for fast open: it opens. What the SYN has no room for waits
 * in the queue when the caller can wait, and else stays with the caller.
 */
static int64_t open_deferred(struct posix_world *world, struct posix_file *file,
			     const struct posix_msg *msg, int flags, struct posix_wait *wait)
{
	int64_t sent;

	file->is_deferred = false;
	if (posix_total_len(msg))
		sent = queue_pieces(file, msg, 0, flags,
				    may_wait(file, flags, wait) ? TEE_MSG_EARLY : 0);
	else
		sent = -posix_errno((int)tee_send(file->socket, "", 0, 0));
	if (sent < 0 && sent != -LINUX_EINPROGRESS)
		return sent;
	file->is_connecting = true;
	if (wait)
		wait->done = sent > 0 ? (size_t)sent : 0;
	return posix_block(world, file, flags & LINUX_MSG_DONTWAIT, file->send_timeout_ns, wait,
			   sent);
}

static int64_t send_stream(struct posix_world *world, struct posix_file *file,
			   const struct posix_msg *msg, int flags, struct posix_wait *wait)
{
	size_t len = posix_total_len(msg);
	size_t done = wait ? wait->done : 0;
	int64_t verdict;

	if (file->is_deferred)
		return open_deferred(world, file, msg, flags, wait);
	verdict = await_handshake(world, file, flags, wait);
	if (verdict != 1)
		return verdict == POSIX_BLOCKED || !done ? verdict : (int64_t)done;
	if (done && done == len) /* all was queued while the connection opened */
		return posix_tcp_state(file) == TEE_TCP_CLOSED ? opening_failed(file)
							       : (int64_t)done;
	while (done < len || !len) {
		int64_t got = queue_pieces(file, msg, done, flags, 0);

		if (got == -LINUX_EAGAIN) {
			verdict = done ? (int64_t)done : -LINUX_EAGAIN;
			return posix_block(world, file, flags & LINUX_MSG_DONTWAIT,
					   file->send_timeout_ns, wait, verdict);
		}
		if (got < 0)
			return done ? (int64_t)done : got;
		done += (size_t)got;
		if (wait)
			wait->done = done;
		if (!len)
			break;
	}
	return (int64_t)done;
}

/* One piece from many, for calls that take one; NULL without memory. *ret_owned is to be freed. */
static const void *gather(const struct posix_msg *msg, size_t len, void **ret_owned)
{
	uint8_t *bytes;
	size_t at = 0;

	*ret_owned = NULL;
	if (msg->iov_count == 1)
		return msg->iov[0].base ? msg->iov[0].base : "";
	bytes = malloc(len + 1);
	if (!bytes)
		return NULL;
	for (unsigned i = 0; i < msg->iov_count; i++) {
		if (msg->iov[i].len)
			memcpy(bytes + at, msg->iov[i].base, msg->iov[i].len);
		at += msg->iov[i].len;
	}
	*ret_owned = bytes;
	return bytes;
}

/*
 * The first send of a fast open: connects. As Linux has it (MSG_FASTOPEN), a caller that doesn't wait gets back
 * what the SYN has no room for; one that waits, and BSD's, which never does, has all of it queued.
 */
static int64_t open_with_data(struct posix_world *world, struct posix_file *file,
			      const struct posix_msg *msg, int flags, struct posix_wait *wait)
{
	bool is_linux = flags & LINUX_MSG_FASTOPEN;
	bool is_all = !is_linux || may_wait(file, flags, wait);
	unsigned how = send_flags(flags) | (is_all ? TEE_MSG_EARLY : 0);
	size_t len = posix_total_len(msg);
	struct tee_endpoint remote;
	const void *data;
	void *owned;
	ssize_t sent;
	int error;

	if (is_linux && !(tee_stack_config(world->stack)->tcp_fastopen & 1))
		return -LINUX_EOPNOTSUPP;
	error = posix_read_sockaddr(msg->name, msg->name_len, &remote);
	if (error < 0)
		return error;
	data = gather(msg, len, &owned);
	if (!data)
		return -LINUX_ENOMEM;
	sent = tee_sendto(file->socket, data, len, how, &remote);
	free(owned);
	if (sent < 0 && sent != -TEE_EINPROGRESS)
		return -posix_errno((int)sent);
	file->was_connected = true;
	if (!is_linux)
		return MAX(sent, 0);
	file->is_connecting = true;
	if (wait)
		wait->done = sent > 0 ? (size_t)sent : 0;
	return posix_block(world, file, flags & LINUX_MSG_DONTWAIT, file->send_timeout_ns, wait,
			   sent < 0 ? -LINUX_EINPROGRESS : sent);
}

/* A blocking fast open waits for the handshake, then for room for the rest. */
static int64_t go_on_opening(struct posix_world *world, struct posix_file *file,
			     const struct posix_msg *msg, int flags, struct posix_wait *wait)
{
	enum tee_tcp_state state = posix_tcp_state(file);

	if (state == TEE_TCP_CLOSED)
		return opening_failed(file);
	if (state == TEE_TCP_SYN_SENT || state == TEE_TCP_SYN_RECEIVED ||
	    wait->done < posix_total_len(msg))
		return send_stream(world, file, msg, flags, wait);
	file->is_connecting = false;
	return (int64_t)wait->done;
}

/* What of this message is to be stamped: -1: as the socket's option says; or an error. */
static int64_t stamps_of(const struct posix_msg *msg)
{
	int64_t stamps = POSIX_STAMPS_AS_SET;

	for (unsigned i = 0; i < msg->cmsg_count; i++) {
		const struct posix_cmsg *cmsg = &msg->cmsg[i];

		if (cmsg->level != LINUX_SOL_SOCKET || cmsg->type != LINUX_SO_TIMESTAMPING)
			continue;
		if (cmsg->value & ~LINUX_STAMP_TX_RECORDS)
			return -LINUX_EINVAL;
		stamps = cmsg->value;
	}
	return stamps;
}

static int64_t send_datagram(struct posix_world *world, struct posix_file *file,
			     const struct posix_msg *msg, int flags, struct posix_wait *wait)
{
	struct tee_dgram_info info = {.tos = -1};
	int64_t stamps_once = stamps_of(msg);
	size_t len = posix_total_len(msg);
	const void *data;
	void *owned;
	ssize_t sent;
	int error;

	if (msg->name) {
		error = posix_read_sockaddr(msg->name, msg->name_len, &info.remote);
		if (error < 0)
			return error;
	}
	for (unsigned i = 0; i < msg->cmsg_count; i++) {
		const struct posix_cmsg *cmsg = &msg->cmsg[i];
		bool is_ip6 = cmsg->level == LINUX_SOL_IPV6;

		if (cmsg->level == LINUX_SOL_SOCKET)
			continue;
		if (cmsg->type == (is_ip6 ? LINUX_IPV6_TCLASS : LINUX_IP_TOS))
			info.tos = cmsg->value;
		else if (cmsg->type == (is_ip6 ? LINUX_IPV6_HOPLIMIT : LINUX_IP_TTL))
			info.ttl = cmsg->value;
	}
	data = gather(msg, len, &owned);
	if (!data)
		return -LINUX_ENOMEM;
	if (msg->cmsg_count && msg->name)
		sent = tee_send_info(file->socket, data, len, send_flags(flags), &info);
	else
		sent = tee_sendto(file->socket, data, len, send_flags(flags),
				  msg->name ? &info.remote : NULL);
	free(owned);
	if (sent == -TEE_EAGAIN)
		return posix_block(world, file, flags & LINUX_MSG_DONTWAIT, file->send_timeout_ns,
				   wait, -LINUX_EAGAIN);
	if (sent >= 0 && (file->errqueue || stamps_once > 0))
		posix_stamp_datagram(world, file->fd, stamps_once);
	return sent < 0 ? -posix_errno((int)sent) : sent;
}

/* A send on TCP, which may be one that opens. */
static int64_t send_or_open(struct posix_world *world, struct posix_file *file,
			    const struct posix_msg *msg, int flags, struct posix_wait *wait)
{
	bool is_opening = msg->name && ((flags & LINUX_MSG_FASTOPEN) || file->is_fastopen);
	if (is_opening && (flags & LINUX_MSG_FASTOPEN) && wait && wait->is_started)
		return go_on_opening(world, file, msg, flags, wait);
	if (is_opening && !file->was_connected)
		return open_with_data(world, file, msg, flags, wait);
	if (is_opening && (flags & LINUX_MSG_FASTOPEN)) {
		enum tee_tcp_state state = posix_tcp_state(file);

		if (state == TEE_TCP_SYN_SENT || state == TEE_TCP_SYN_RECEIVED)
			return -LINUX_EALREADY;
		if (state == TEE_TCP_ESTABLISHED)
			return -LINUX_EISCONN;
	}
	/* tcp(7): writing where there never was a connection is a broken pipe. */
	if (!file->was_connected)
		return -LINUX_EPIPE;
	return send_stream(world, file, msg, flags, wait);
}

int64_t posix_sendmsg(struct posix_world *world, int fd, const struct posix_msg *msg, int flags,
		      struct posix_wait *wait)
{
	int error = 0;
	struct posix_file *file = posix_find_socket(world, fd, &error);
	int64_t sent, stamps_once = stamps_of(msg);

	if (!file)
		return error;
	if (stamps_once == -LINUX_EINVAL)
		return stamps_once;
	if (!posix_is_tcp(file))
		return send_datagram(world, file, msg, flags, wait);
	sent = send_or_open(world, file, msg, flags, wait);
	if (sent > 0)
		posix_errqueue_on_sent(world, file, (size_t)sent, flags, stamps_once);
	return sent;
}

int64_t posix_send(struct posix_world *world, int fd, const void *data, size_t len, int flags,
		   struct posix_wait *wait)
{
	struct posix_iov iov = {.base = (void *)(uintptr_t)data, .len = len};
	struct posix_msg msg = {.iov = &iov, .iov_count = 1};

	return posix_sendmsg(world, fd, &msg, flags, wait);
}

/* ---- receiving ---- */

static unsigned recv_flags(int flags)
{
	return (flags & LINUX_MSG_PEEK ? TEE_MSG_PEEK : 0) |
	       (flags & LINUX_MSG_TRUNC ? TEE_MSG_TRUNC : 0);
}

void posix_add_cmsg(struct posix_msg *msg, int level, int type, int32_t value)
{
	if (msg->cmsg_count == POSIX_CMSG_MAX) {
		msg->flags |= LINUX_MSG_CTRUNC;
		return;
	}
	msg->cmsg[msg->cmsg_count++] =
		(struct posix_cmsg){.level = level, .type = type, .value = value};
}

/* Fills the pieces from the byte `from` on; returns how much came, or an error when none did. */
static int64_t take_pieces(struct posix_file *file, const struct posix_msg *msg, size_t from,
			   int flags)
{
	size_t most = posix_urgent_limit(file, flags);
	int64_t taken = 0;

	/* Who wants no byte still learns whether there is one. */
	if (!posix_total_len(msg))
		return -posix_errno((int)tee_recv(file->socket, NULL, 0, recv_flags(flags)));
	for (unsigned i = 0; i < msg->iov_count; i++) {
		uint8_t *buf = msg->iov[i].base;
		size_t len = msg->iov[i].len;
		ssize_t got;

		if (from >= len) {
			from -= len;
			continue;
		}
		got = tee_recv(file->socket, buf ? buf + from : NULL, MIN(len - from, most),
			       recv_flags(flags));
		if (got < 0)
			return taken ? taken : -posix_errno((int)got);
		taken += got;
		most -= (size_t)got;
		if (!(flags & LINUX_MSG_PEEK))
			file->taken += (size_t)got;
		/* A peek always starts at the front, so only the first piece can be filled. */
		if ((size_t)got < len - from || !most || flags & LINUX_MSG_PEEK)
			break;
		from = 0;
	}
	return taken;
}

static void tell_inq(const struct posix_file *file, struct posix_msg *msg)
{
	uint64_t inq = 0;

	if (!file->wants_inq || tee_get_option(file->socket, TEE_OPT_INQ, &inq) < 0)
		return;
	/* The end of the stream counts as one byte to read. */
	if (tee_readiness(file->socket) & TEE_EV_RDHUP)
		inq++;
	posix_add_cmsg(msg, LINUX_SOL_TCP, LINUX_TCP_INQ, (int32_t)inq);
}

/* How many bytes a read waits for: all of them, or SO_RCVLOWAT. A look at what there is waits for nothing more. */
static size_t target(const struct posix_file *file, size_t len, int flags)
{
	uint64_t least = 1;

	if (flags & LINUX_MSG_PEEK)
		return 1;
	if (flags & LINUX_MSG_WAITALL)
		return len;
	tee_get_option(file->socket, TEE_OPT_RCVLOWAT, &least);
	return MIN(len, least);
}

static int64_t receive_stream(struct posix_world *world, struct posix_file *file,
			      struct posix_msg *msg, int flags, struct posix_wait *wait)
{
	size_t len = posix_total_len(msg);
	size_t done = wait ? wait->done : 0;
	int64_t got;

	if (posix_tcp_state(file) == TEE_TCP_LISTEN ||
	    (!file->was_connected && !file->is_connecting))
		return -LINUX_ENOTCONN;
	if (file->is_deferred) {
		/* Who can wait for the server to speak first is not to wait for ever: opened without data. */
		if (!may_wait(file, flags, wait))
			return -LINUX_EAGAIN;
		file->is_deferred = false;
		file->is_connecting = true;
	}
	got = take_pieces(file, msg, done, flags);
	if (got == -LINUX_EAGAIN || (got > 0 && done + (size_t)got < target(file, len, flags))) {
		int64_t verdict;

		done += got > 0 ? (size_t)got : 0;
		if (wait)
			wait->done = done;
		verdict = done ? (int64_t)done : -LINUX_EAGAIN;
		got = posix_block(world, file, flags & LINUX_MSG_DONTWAIT, file->receive_timeout_ns,
				  wait, verdict);
	} else if (got < 0) {
		got = done ? (int64_t)done : got;
	} else {
		got += (int64_t)done;
	}
	if (got >= 0)
		tell_inq(file, msg);
	return got;
}

void posix_scatter(const struct posix_msg *msg, const uint8_t *bytes, size_t len)
{
	for (unsigned i = 0; i < msg->iov_count && len; i++) {
		size_t piece = MIN(msg->iov[i].len, len);

		if (piece)
			memcpy(msg->iov[i].base, bytes, piece);
		bytes += piece;
		len -= piece;
	}
}

static int64_t receive_datagram(struct posix_world *world, struct posix_file *file,
				struct posix_msg *msg, int flags, struct posix_wait *wait)
{
	struct tee_dgram_info info = {0};
	size_t len = posix_total_len(msg);
	uint8_t *bytes = msg->iov_count == 1 ? NULL : malloc(len + 1);
	void *to = bytes ? bytes : (msg->iov_count ? msg->iov[0].base : NULL);
	bool is_ip6 = file->domain == LINUX_AF_INET6;
	ssize_t got = tee_recv_info(file->socket, to, len, recv_flags(flags), &info);

	if (got < 0) {
		free(bytes);
		if (got == -TEE_EAGAIN)
			return posix_block(world, file, flags & LINUX_MSG_DONTWAIT,
					   file->receive_timeout_ns, wait, -LINUX_EAGAIN);
		return -posix_errno((int)got);
	}
	if (bytes)
		posix_scatter(msg, bytes, MIN((size_t)got, len));
	free(bytes);
	if (info.truncated)
		msg->flags |= LINUX_MSG_TRUNC;
	if (msg->name)
		msg->name_len =
			posix_write_sockaddr(&info.remote, file->domain, msg->name, msg->name_len);
	if (posix_wants_stamp(file))
		posix_tell_stamp(msg, info.at_ns);
	if (file->wants_tos)
		posix_add_cmsg(msg, is_ip6 ? LINUX_SOL_IPV6 : LINUX_SOL_IP,
			       is_ip6 ? LINUX_IPV6_TCLASS : LINUX_IP_TOS, info.tos);
	if (file->wants_ttl)
		posix_add_cmsg(msg, is_ip6 ? LINUX_SOL_IPV6 : LINUX_SOL_IP,
			       is_ip6 ? LINUX_IPV6_HOPLIMIT : LINUX_IP_TTL, info.ttl);
	return got;
}

int64_t posix_recvmsg(struct posix_world *world, int fd, struct posix_msg *msg, int flags,
		      struct posix_wait *wait)
{
	int error = 0;
	struct posix_file *file = posix_find_socket(world, fd, &error);

	if (!file)
		return error;
	msg->cmsg_count = 0;
	msg->flags = 0;
	/* Reading the queue of errors never waits. */
	if (flags & LINUX_MSG_ERRQUEUE)
		return posix_errqueue_read(world, file, msg);
	if (flags & LINUX_MSG_OOB)
		return posix_is_tcp(file) ? posix_urgent_recv(file, msg, flags) : -LINUX_EINVAL;
	if (!posix_is_tcp(file))
		return receive_datagram(world, file, msg, flags, wait);
	return receive_stream(world, file, msg, flags, wait);
}

int64_t posix_recv(struct posix_world *world, int fd, void *buf, size_t len, int flags,
		   struct posix_wait *wait)
{
	struct posix_iov iov = {.base = buf, .len = len};
	struct posix_msg msg = {.iov = &iov, .iov_count = 1};

	return posix_recvmsg(world, fd, &msg, flags, wait);
}
