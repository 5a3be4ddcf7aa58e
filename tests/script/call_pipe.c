/* SPDX-License-Identifier: MIT */
/*
 * Calls that move data without a buffer of the script's own: pipe, splice between a pipe and a socket, and sendfile
 * from a file that open makes.
 *
 * Neither pipes nor files are the machine's. A pipe is a block of memory as large as Linux makes it, with a reading and a
 * writing end; splicing is receiving into it, or sending from it. A file, whatever its name, reads as the pattern of the
 * script's data from its first byte on, and never ends.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "call_kind.h"

enum { PIPE_SIZE = 65536, SPLICE_F_NONBLOCK = 2, SPLICE_F_MORE = 4 };

struct call_pipe {
	unsigned ends; /* that are open */
	bool has_writer;
	size_t len;
	uint8_t bytes[PIPE_SIZE];
};

static struct call_fd *fd_of(const struct live_call *call, unsigned arg)
{
	int64_t fd = call_int(call, arg, -1);

	return fd >= 0 && fd < CALL_FDS_MAX && call->table->fds[fd].is_open ? &call->table->fds[fd]
									    : NULL;
}

/* ---- pipe, open, close ---- */

static bool begin_pipe(struct live_call *call, char *text)
{
	const struct value *ends = call_arg(call, 0);
	int64_t fd;

	if (!ends || ends->kind != VALUE_LIST || ends->count != 2)
		return CALL_FAIL("pipe() wants [reading end, writing end]");
	for (unsigned i = 0; i < 2; i++)
		if (!call_number(ends->items[i], &fd) || fd < 0 || fd >= CALL_FDS_MAX)
			return CALL_FAIL("a descriptor of pipe() is out of range");
	return true;
}

static int64_t try_nothing(struct live_call *call)
{
	(void)call;
	return 0;
}

static bool check_pipe(struct live_call *call, char *text)
{
	struct call_pipe *pipe = calloc(1, sizeof(*pipe));
	int64_t fd;

	if (!pipe)
		return CALL_FAIL("out of memory");
	for (unsigned i = 0; i < 2; i++) {
		call_number(call_arg(call, 0)->items[i], &fd);
		call->table->fds[fd] = (struct call_fd){.is_open = true,
							.live = CALL_NO_FD,
							.kind = i ? CALL_PIPE_IN : CALL_PIPE_OUT,
							.pipe = pipe};
	}
	pipe->ends = 2;
	pipe->has_writer = true;
	return true;
}

static bool check_open(struct live_call *call, char *text)
{
	int64_t fd;

	(void)text;
	if (call_number(call->spec->result, &fd)) {
		call->table->fds[fd].live = CALL_NO_FD;
		call->table->fds[fd].kind = CALL_FILE;
	}
	return true;
}

void call_pipe_close(struct call_fd *fd)
{
	if (fd->pipe && fd->kind == CALL_PIPE_IN)
		fd->pipe->has_writer = false;
	if (fd->pipe && !--fd->pipe->ends)
		free(fd->pipe);
	fd->pipe = NULL;
}

/* ---- splice, sendfile ---- */

static int64_t send_bytes(struct live_call *call, struct call_fd *out, uint8_t *bytes, size_t len,
			  int flags)
{
	struct posix_iov iov = {.base = bytes, .len = len};
	struct posix_msg msg = {.iov = &iov, .iov_count = 1};
	int64_t sent = posix_sendmsg(call->table->rig->world, out->live, &msg, flags, &call->wait);

	if (sent <= 0)
		return sent;
	if (!call_payload_is_pattern(bytes, (uint32_t)sent, out->sent_bytes))
		out->has_own_data = true;
	out->sent_bytes += (uint32_t)sent;
	return sent;
}

static int64_t splice_in(struct live_call *call, struct call_fd *in, struct call_pipe *pipe,
			 size_t len, int flags)
{
	size_t room = PIPE_SIZE - pipe->len;
	struct posix_iov iov = {.base = pipe->bytes + pipe->len, .len = len < room ? len : room};
	struct posix_msg msg = {.iov = &iov, .iov_count = 1};
	int64_t got;

	if (!room)
		return -LINUX_EAGAIN;
	got = posix_recvmsg(call->table->rig->world, in->live, &msg, flags, &call->wait);
	if (got <= 0)
		return got;
	pipe->len += (size_t)got;
	in->received_bytes += (uint32_t)got;
	return got;
}

static int64_t splice_out(struct live_call *call, struct call_pipe *pipe, struct call_fd *out,
			  size_t len, int flags)
{
	int64_t sent;

	if (!pipe->len)
		return pipe->has_writer ? -LINUX_EAGAIN : 0;
	sent = send_bytes(call, out, pipe->bytes, len < pipe->len ? len : pipe->len, flags);
	if (sent <= 0)
		return sent;
	pipe->len -= (size_t)sent;
	memmove(pipe->bytes, pipe->bytes + sent, pipe->len);
	return sent;
}

static int64_t try_splice(struct live_call *call)
{
	struct call_fd *in = fd_of(call, 0), *out = fd_of(call, 2);
	size_t len = (size_t)call_int(call, 4, 0);
	int64_t flags = call_int(call, 5, 0);
	int nonblock = flags & SPLICE_F_NONBLOCK ? LINUX_MSG_DONTWAIT : 0;

	if (!in || !out)
		return -LINUX_EBADF;
	if (out->kind == CALL_PIPE_IN && in->kind == CALL_SOCKET)
		return splice_in(call, in, out->pipe, len, nonblock);
	if (in->kind == CALL_PIPE_OUT && out->kind == CALL_SOCKET)
		return splice_out(call, in->pipe, out, len,
				  nonblock | (flags & SPLICE_F_MORE ? LINUX_MSG_MORE : 0));
	return -LINUX_EINVAL;
}

static bool begin_sendfile(struct live_call *call, char *text)
{
	struct call_fd *in = fd_of(call, 1);
	int64_t offset = 0, count;

	if (!call_number(call_arg(call, 3), &count) || count < 0 || count > 64 << 20)
		return CALL_FAIL("length not understood");
	if (in && !call_number(call_arg(call, 2), &offset))
		offset = in->sent_bytes; /* NULL: where the last one ended */
	call->buffer = malloc((size_t)count + 1);
	if (!call->buffer)
		return CALL_FAIL("out of memory");
	call->buffer_len = (size_t)count;
	for (size_t i = 0; i < call->buffer_len; i++)
		call->buffer[i] = wire_pattern((uint32_t)((uint64_t)offset + i));
	return true;
}

static int64_t try_sendfile(struct live_call *call)
{
	struct call_fd *out = fd_of(call, 0), *in = fd_of(call, 1);

	if (!in || !out)
		return -LINUX_EBADF;
	if (in->kind != CALL_FILE)
		return -LINUX_EINVAL;
	return send_bytes(call, out, call->buffer, call->buffer_len, 0);
}

static bool check_sendfile(struct live_call *call, char *text)
{
	struct call_fd *in = fd_of(call, 1);
	int64_t offset;

	(void)text;
	if (in && !call_number(call_arg(call, 2), &offset))
		in->sent_bytes += (uint32_t)call->result;
	return true;
}

const struct call_kind call_pipe_kinds[] = {
	{"pipe", 1, 1, false, false, begin_pipe, try_nothing, check_pipe},
	{"open", 2, 3, false, true, NULL, try_nothing, check_open},
	{"splice", 6, 6, true, false, NULL, try_splice, NULL},
	{"sendfile", 4, 4, true, false, begin_sendfile, try_sendfile, check_sendfile},
	{NULL, 0, 0, false, false, NULL, NULL, NULL},
};
