// SPDX-License-Identifier: MIT
/*
 * Calls that carry addresses with data: sendto, recvfrom, and the sendmsg family.
 *
 * Of a TCP socket they go on in the kernel, which carries the bytes; only the address that recvfrom()
 * would tell is made empty first, as TCP tells none. Of a datagram socket all is done here: data are
 * copied from and to the program's memory.
 *
 * The layouts are those of 64-bit Linux.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "run/private.h"

/* ---- one datagram out, one in ---- */

static int64_t send_one(struct run_call *call, struct run_sock *sock, const void *data, size_t len,
			uint64_t name, uint32_t name_len, const struct tee_dgram_info *info)
{
	struct tee_endpoint to;
	int family, result;

	if (sock->domain == AF_NETLINK) {
		if (len >= RUN_DATAGRAM_MAX)
			return -EMSGSIZE;
		run_netlink_input(sock, data, len);
		return (int64_t)len;
	}
	if (!name)
		return run_datagram_send(sock, data, len, NULL, info);
	result = run_read_sockaddr(call, name, name_len, &family, &to);
	if (result < 0)
		return result;
	return family == AF_UNSPEC ? -EAFNOSUPPORT : run_datagram_send(sock, data, len, &to, info);
}

/*
 * Takes a datagram into run->buffer; its length or -errno, or RUN_HOLD when the call may wait.
 */
static int64_t take_one(struct run_call *call, struct run_sock *sock, int theirs, int flags,
			struct run_source *ret_source)
{
	struct run *run = call->run;
	int error = run_datagram_take_error(sock);
	ssize_t count;

	if (error)
		return -error;
	count = recv(theirs, run->buffer, RUN_DATAGRAM_MAX, (flags & MSG_PEEK) | MSG_DONTWAIT);
	if (count >= 0) {
		*ret_source =
			run_datagram_source(sock, run->buffer, (size_t)count, flags & MSG_PEEK);
		return count;
	}
	if (errno != EAGAIN || flags & MSG_DONTWAIT || run_is_nonblocking(theirs))
		return -errno;
	return run_hold(call, sock, run_timeout_ns(theirs, SO_RCVTIMEO), -EAGAIN);
}

/* ---- sendto, recvfrom ---- */

/* TCP has a peer already; the address counts for nothing. */
static int64_t send_stream(struct run_call *call, struct run_sock *sock, int *theirs_at,
			   const void *data, size_t len)
{
	const uint64_t *args = (const uint64_t *)call->request->data.args;
	struct run_early early = {.data = data, .len = len};
	int theirs = *theirs_at;
	int flags = (int)call->request->data.args[3];
	ssize_t sent;

	if (flags & MSG_FASTOPEN)
		return run_fastopen(call, sock, theirs_at, &early, flags, args[4],
				    (uint32_t)args[5]);
	sent = send(theirs, data, len, flags | MSG_DONTWAIT | MSG_NOSIGNAL);
	if (sent >= 0)
		return sent;
	if (errno == EAGAIN && !(flags & MSG_DONTWAIT) && !run_is_nonblocking(theirs))
		return run_hold(call, sock, run_timeout_ns(theirs, SO_SNDTIMEO), -EAGAIN);
	return errno == ENOTCONN ? -EPIPE : -errno;
}

int64_t run_call_sendto(struct run_call *call)
{
	const uint64_t *args = (const uint64_t *)call->request->data.args;
	size_t len = args[2] < RUN_DATAGRAM_MAX ? args[2] : RUN_DATAGRAM_MAX;
	struct run *run = call->run;
	int theirs;
	struct run_sock *sock = run_find(call, (int)args[0], &theirs);
	int64_t verdict;

	if (!sock)
		return call->is_held ? -EBADF : RUN_CONTINUE;
	if (sock->state == RUN_DATAGRAM)
		run_datagram_drain(sock); /* it uses the buffer too */
	if (run_read(call, args[1], run->buffer, len) < 0)
		verdict = -EFAULT;
	else if (sock->state != RUN_DATAGRAM)
		verdict = send_stream(call, sock, &theirs, run->buffer, len);
	else /* one that was cut is still too long for the stack, which says so */
		verdict = send_one(call, sock, run->buffer, len, args[4], (uint32_t)args[5], NULL);
	close(theirs);
	return verdict;
}

/* recvfrom() of the queue of errors: what it quotes, and where that was sent. */
static int64_t receive_plain_error(struct run_call *call, struct run_sock *sock)
{
	const uint64_t *args = (const uint64_t *)call->request->data.args;
	size_t room = args[2] < RUN_DATAGRAM_MAX ? args[2] : RUN_DATAGRAM_MAX;
	struct run_error error;
	int64_t count = run_errqueue_take(sock, room, &error);
	int result = 0;

	if (count < 0)
		return count;
	if (run_write(call, args[1], call->run->buffer, (size_t)count) < 0)
		return -EFAULT;
	if (args[5])
		result = run_write_name(call, error.name, error.name_len, args[4], args[5]);
	return result < 0 ? result : count;
}

static int64_t receive_datagram(struct run_call *call, struct run_sock *sock, int theirs)
{
	const uint64_t *args = (const uint64_t *)call->request->data.args;
	struct run_source source;
	size_t stored;
	int64_t count;
	int result = 0;

	if ((int)args[3] & MSG_ERRQUEUE)
		return receive_plain_error(call, sock);
	count = take_one(call, sock, theirs, (int)args[3], &source);
	if (count < 0)
		return count;
	stored = (uint64_t)count < args[2] ? (size_t)count : args[2];
	if (run_write(call, args[1], call->run->buffer, stored) < 0)
		return -EFAULT;
	if (args[5])
		result = run_write_sockaddr(call, sock, &source.from, args[4], args[5]);
	if (result < 0)
		return result;
	return (int)args[3] & MSG_TRUNC ? count : (int64_t)stored;
}

int64_t run_call_recvfrom(struct run_call *call)
{
	const uint64_t *args = (const uint64_t *)call->request->data.args;
	static const uint32_t none = 0;
	int theirs;
	struct run_sock *sock = run_find(call, (int)args[0], &theirs);
	int64_t verdict = RUN_CONTINUE;

	if (!sock)
		return call->is_held ? -EBADF : RUN_CONTINUE;
	if (sock->state == RUN_DATAGRAM)
		verdict = receive_datagram(call, sock, theirs);
	else if ((int)args[3] & MSG_ERRQUEUE)
		verdict = -EAGAIN;
	else if (args[5] && run_write(call, args[5], &none, sizeof(none)) < 0)
		verdict = -EFAULT;
	close(theirs);
	return verdict;
}

/* ---- the sendmsg family ---- */

/* A message header and its pieces, read from the program once. */
struct message {
	struct msghdr header;
	struct iovec *pieces;
	size_t total; /* of their lengths; past RUN_DATAGRAM_MAX only that it is past it */
};

static int read_message(const struct run_call *call, uint64_t address, struct message *ret)
{
	*ret = (struct message){0};
	if (run_read(call, address, &ret->header, sizeof(ret->header)) < 0)
		return -EFAULT;
	if (ret->header.msg_iovlen > RUN_IOV_MAX)
		return -EMSGSIZE;
	ret->pieces = calloc(ret->header.msg_iovlen + 1, sizeof(*ret->pieces));
	if (!ret->pieces)
		return -ENOMEM;
	if (run_read(call, (uintptr_t)ret->header.msg_iov, ret->pieces,
		     ret->header.msg_iovlen * sizeof(*ret->pieces)) < 0) {
		free(ret->pieces);
		return -EFAULT;
	}
	/* However long the pieces say that they are, the sum must not come round. */
	for (size_t i = 0; i < ret->header.msg_iovlen; i++) {
		size_t len = ret->pieces[i].iov_len;

		if (len > SSIZE_MAX) {
			free(ret->pieces);
			return -EINVAL;
		}
		ret->total += len < RUN_DATAGRAM_MAX ? len : RUN_DATAGRAM_MAX;
	}
	return 0;
}

/* What the control messages wish. 1: there are none; 0 or -errno. */
static int read_wishes(const struct run_call *call, struct run_sock *sock,
		       const struct msghdr *header, struct tee_dgram_info *ret_info)
{
	uint8_t bytes[RUN_CONTROL_MAX];

	if (!header->msg_control || header->msg_controllen == 0)
		return 1;
	if (header->msg_controllen > sizeof(bytes))
		return -ENOBUFS;
	if (run_read(call, (uintptr_t)header->msg_control, bytes, header->msg_controllen) < 0)
		return -EFAULT;
	*ret_info = (struct tee_dgram_info){.tos = -1};
	return run_control_read(sock, bytes, header->msg_controllen, ret_info);
}

static int64_t send_message(struct run_call *call, struct run_sock *sock, uint64_t address)
{
	struct run *run = call->run;
	struct tee_dgram_info info;
	struct message message;
	size_t at = 0;
	int result = read_message(call, address, &message), wishes = 1;
	int64_t verdict = 0;

	if (result < 0)
		return result;
	run_datagram_drain(sock);
	sock->stamps_once = POSIX_STAMPS_AS_SET;
	if (sock->domain != AF_NETLINK)
		wishes = read_wishes(call, sock, &message.header, &info);
	if (wishes < 0)
		verdict = wishes;
	/* Too long, whatever it holds: the stack says so, and perhaps keeps an error. */
	if (message.total >= RUN_DATAGRAM_MAX)
		at = RUN_DATAGRAM_MAX;
	for (size_t i = 0; verdict == 0 && at < RUN_DATAGRAM_MAX && i < message.header.msg_iovlen;
	     i++) {
		const struct iovec *piece = &message.pieces[i];

		verdict = run_read(call, (uintptr_t)piece->iov_base, run->buffer + at,
				   piece->iov_len);
		at += piece->iov_len;
	}
	if (verdict == 0)
		verdict = send_one(call, sock, run->buffer, at, (uintptr_t)message.header.msg_name,
				   message.header.msg_namelen, wishes == 0 ? &info : NULL);
	sock->stamps_once = POSIX_STAMPS_AS_SET;
	free(message.pieces);
	return verdict;
}

/* Stores the control messages of a datagram; in the header, how long they are. */
static int tell_control(const struct run_call *call, const struct run_sock *sock,
			const struct run_source *source, struct msghdr *header)
{
	uint8_t bytes[RUN_CONTROL_MAX] = {0};
	size_t room = header->msg_control ? header->msg_controllen : 0;
	bool is_cut;

	header->msg_controllen = run_control_write(
		sock, source, bytes, room < sizeof(bytes) ? room : sizeof(bytes), &is_cut);
	if (is_cut)
		header->msg_flags |= MSG_CTRUNC;
	return run_write(call, (uintptr_t)header->msg_control, bytes, header->msg_controllen);
}

/* What lies in the buffer, into the pieces; *ret_stored: as much as there was room for. 0 or -EFAULT. */
static int spread(const struct run_call *call, const struct message *message, size_t count,
		  size_t *ret_stored)
{
	size_t at = 0;
	int result = 0;

	for (size_t i = 0; result == 0 && i < message->header.msg_iovlen && at < count; i++) {
		const struct iovec *piece = &message->pieces[i];
		size_t left = count - at;
		size_t len = piece->iov_len < left ? piece->iov_len : left;

		result = run_write(call, (uintptr_t)piece->iov_base, call->run->buffer + at, len);
		at += len;
	}
	*ret_stored = at;
	return result;
}

/* A name into the program's memory, cut to its room; in the header, how long it is. */
static int tell_name(const struct run_call *call, struct msghdr *header, const uint8_t *name,
		     uint32_t len)
{
	uint32_t room = header->msg_namelen;

	if (!header->msg_name)
		return 0;
	header->msg_namelen = len;
	return run_write(call, (uintptr_t)header->msg_name, name, room < len ? room : len);
}

/* MSG_ERRQUEUE: the oldest error, which never waits. */
static int64_t receive_error(struct run_call *call, struct run_sock *sock, uint64_t address,
			     struct message *message)
{
	struct msghdr *header = &message->header;
	uint8_t bytes[RUN_CONTROL_MAX] = {0};
	size_t room = header->msg_control ? header->msg_controllen : 0, stored = 0;
	struct run_error error;
	int64_t count = run_errqueue_take(
		sock, message->total < RUN_DATAGRAM_MAX ? message->total : RUN_DATAGRAM_MAX,
		&error);
	bool is_cut;

	if (count < 0)
		return count;
	header->msg_controllen = run_control_write_error(
		sock, &error, bytes, room < sizeof(bytes) ? room : sizeof(bytes), &is_cut);
	header->msg_flags = error.flags | (is_cut ? MSG_CTRUNC : 0);
	if (spread(call, message, (size_t)count, &stored) < 0 ||
	    tell_name(call, header, error.name, error.name_len) < 0 ||
	    run_write(call, (uintptr_t)header->msg_control, bytes, header->msg_controllen) < 0 ||
	    run_write(call, address, header, sizeof(*header)) < 0)
		return -EFAULT;
	return count;
}

static int64_t receive_message(struct run_call *call, struct run_sock *sock, int theirs,
			       uint64_t address, int flags)
{
	uint8_t name[POSIX_SOCKADDR_SIZE];
	struct run_source source;
	struct message message;
	size_t at = 0;
	int64_t count;
	int result = read_message(call, address, &message);

	if (result < 0)
		return result;
	if (flags & MSG_ERRQUEUE) {
		count = receive_error(call, sock, address, &message);
		free(message.pieces);
		return count;
	}
	count = take_one(call, sock, theirs, flags, &source);
	if (count > 0)
		result = spread(call, &message, (size_t)count, &at);
	free(message.pieces);
	if (count < 0 || result < 0)
		return count < 0 ? count : result;
	message.header.msg_flags = (int64_t)at < count ? MSG_TRUNC : 0;
	if (tell_name(call, &message.header, name, run_put_name(sock, &source.from, name)) < 0 ||
	    tell_control(call, sock, &source, &message.header) < 0 ||
	    run_write(call, address, &message.header, sizeof(message.header)) < 0)
		return -EFAULT;
	return flags & MSG_TRUNC ? count : (int64_t)at;
}

/* Of a stream's only the first, which opens the connection, does not go past us. */
static int64_t open_by_message(struct run_call *call, struct run_sock *sock, int *theirs)
{
	const uint64_t *args = (const uint64_t *)call->request->data.args;
	struct message message;
	struct run_early early = {.data = call->run->buffer};
	int result = read_message(call, args[1], &message);
	int64_t verdict;

	if (result < 0)
		return result;
	for (size_t i = 0; result == 0 && i < message.header.msg_iovlen; i++) {
		size_t left = RUN_DATAGRAM_MAX - early.len, len = message.pieces[i].iov_len;

		len = len < left ? len : left;
		result = run_read(call, (uintptr_t)message.pieces[i].iov_base,
				  call->run->buffer + early.len, len);
		early.len += len;
	}
	verdict = result < 0 ? result
			     : run_fastopen(call, sock, theirs, &early, (int)args[2],
					    (uintptr_t)message.header.msg_name,
					    message.header.msg_namelen);
	free(message.pieces);
	return verdict;
}

int64_t run_call_sendmsg(struct run_call *call)
{
	int theirs;
	struct run_sock *sock = run_find(call, (int)call->request->data.args[0], &theirs);
	int64_t verdict = RUN_CONTINUE;

	if (!sock)
		return call->is_held ? -EBADF : RUN_CONTINUE;
	if (sock->state == RUN_DATAGRAM)
		verdict = send_message(call, sock, call->request->data.args[1]);
	else if ((int)call->request->data.args[2] & MSG_FASTOPEN)
		verdict = open_by_message(call, sock, &theirs);
	close(theirs);
	return verdict;
}

/* TCP tells no address; the kernel would tell that of our end. */
static int64_t empty_name(const struct run_call *call, uint64_t address)
{
	static const uint32_t none = 0;
	void *name;

	if (run_read(call, address + offsetof(struct msghdr, msg_name), &name, sizeof(name)) < 0)
		return -EFAULT;
	if (name && run_write(call, address + offsetof(struct msghdr, msg_namelen), &none,
			      sizeof(none)) < 0)
		return -EFAULT;
	return RUN_CONTINUE;
}

int64_t run_call_recvmsg(struct run_call *call)
{
	const uint64_t *args = (const uint64_t *)call->request->data.args;
	int theirs;
	struct run_sock *sock = run_find(call, (int)args[0], &theirs);
	int64_t verdict;

	if (!sock)
		return call->is_held ? -EBADF : RUN_CONTINUE;
	if (sock->state == RUN_DATAGRAM)
		verdict = receive_message(call, sock, theirs, args[1], (int)args[2]);
	else if ((int)args[2] & MSG_ERRQUEUE)
		verdict = -EAGAIN; /* the kernel's socket would give data */
	else
		verdict = empty_name(call, args[1]);
	close(theirs);
	return verdict;
}

/* sendmmsg and recvmmsg: as many as go, the first error only when it is the first. */
static int64_t many(struct run_call *call, bool is_send)
{
	const uint64_t *args = (const uint64_t *)call->request->data.args;
	uint64_t count = args[2] < RUN_IOV_MAX ? args[2] : RUN_IOV_MAX, done = 0;
	int theirs;
	struct run_sock *sock = run_find(call, (int)args[0], &theirs);
	int64_t verdict = 0;

	if (!sock)
		return call->is_held ? -EBADF : RUN_CONTINUE;
	if (sock->state != RUN_DATAGRAM) {
		close(theirs);
		return RUN_CONTINUE;
	}
	while (done < count && verdict >= 0) {
		uint64_t address = args[1] + done * sizeof(struct mmsghdr);
		int flags = (int)args[3] & ~MSG_WAITFORONE;
		uint32_t len;

		if (is_send)
			verdict = send_message(call, sock, address);
		else
			verdict = receive_message(call, sock, theirs, address,
						  done ? flags | MSG_DONTWAIT : flags);
		if (verdict < 0)
			break;
		len = (uint32_t)verdict;
		if (run_write(call, address + offsetof(struct mmsghdr, msg_len), &len,
			      sizeof(len)) < 0)
			verdict = -EFAULT;
		done++;
	}
	close(theirs);
	return done ? (int64_t)done : verdict;
}

int64_t run_call_sendmmsg(struct run_call *call)
{
	return many(call, true);
}

int64_t run_call_recvmmsg(struct run_call *call)
{
	return many(call, false);
}
