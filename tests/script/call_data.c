/* SPDX-License-Identifier: MIT */
/*
 * Calls that move data: read, write, recv, send, with one piece, with many, with an address, with
 * a message header. Each becomes one posix_msg over a block of memory.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "call_kind.h"

enum { BLOCK_MAX = 64 << 20 };

bool call_payload_is_pattern(const uint8_t *payload, uint32_t len, uint32_t offset)
{
	for (uint32_t i = 0; i < len; i++)
		if (payload[i] != wire_pattern(offset + i))
			return false;
	return true;
}

/* One piece of memory in the script: how long, and its bytes when they are given. */
struct piece {
	size_t len;
	const struct value *text;
};

static bool set_pieces(struct live_call *call, const struct piece *pieces, unsigned count,
		       char *text)
{
	size_t total = 0, at = 0;

	for (unsigned i = 0; i < count; i++)
		total += pieces[i].len;
	if (total > BLOCK_MAX)
		return CALL_FAIL("%zu bytes in one call", total);
	call->buffer = calloc(1, total + 1);
	if (!call->buffer)
		return CALL_FAIL("out of memory");
	call->buffer_len = total;
	for (unsigned i = 0; i < count; i++) {
		call->iovs[i].base = call->buffer + at;
		call->iovs[i].len = pieces[i].len;
		at += pieces[i].len;
	}
	call->iov_count = count;
	call->msg.iov = call->iovs;
	call->msg.iov_count = count;
	return true;
}

/* Fills the block with what is to be sent. */
static void fill_pieces(struct live_call *call, const struct piece *pieces, unsigned count)
{
	struct call_fd *fd = call_fd_state(call);
	uint32_t offset = fd ? fd->sent_bytes : 0;
	size_t at = 0;

	for (size_t i = 0; i < call->buffer_len; i++)
		call->buffer[i] = wire_pattern(offset + (uint32_t)i);
	for (unsigned i = 0; i < count; at += pieces[i++].len) {
		const struct value *given = pieces[i].text;

		if (!given)
			continue;
		memcpy(call->buffer + at, given->text,
		       given->text_len < pieces[i].len ? given->text_len : pieces[i].len);
		if (fd)
			fd->has_own_data = true;
	}
}

static bool read_piece(const struct value *data, const struct value *len, struct piece *ret,
		       char *text)
{
	int64_t number;

	ret->text = data && data->kind == VALUE_STRING ? data : NULL;
	if (!call_number(len, &number) || number < 0)
		return CALL_FAIL("length not understood");
	ret->len = (size_t)number;
	return true;
}

/* [{..., 10}, {iov_base="x", iov_len=1}] */
static bool read_iov(const struct value *list, struct piece *pieces, unsigned *ret_count,
		     char *text)
{
	if (!list || list->kind != VALUE_LIST || list->count > CALL_IOVS_MAX)
		return CALL_FAIL("vector of pieces not understood");
	for (unsigned i = 0; i < list->count; i++) {
		const struct value *item = list->items[i];
		const struct value *len = call_field(item, "iov_len");
		const struct value *base = call_field(item, "iov_base");

		if (item->kind != VALUE_STRUCT || item->count != 2)
			return CALL_FAIL("piece %u of the vector not understood", i + 1);
		if (!read_piece(base ? base : item->items[0], len ? len : item->items[1],
				&pieces[i], text))
			return false;
	}
	*ret_count = list->count;
	return true;
}

static bool begin_one(struct live_call *call, bool is_send, char *text)
{
	struct piece piece;

	if (!read_piece(call_arg(call, 1), call_arg(call, 2), &piece, text) ||
	    !set_pieces(call, &piece, 1, text))
		return false;
	if (is_send)
		fill_pieces(call, &piece, 1);
	return true;
}

static bool begin_vector(struct live_call *call, bool is_send, const struct value *list, char *text)
{
	struct piece pieces[CALL_IOVS_MAX];
	unsigned count;

	if (!read_iov(list, pieces, &count, text) || !set_pieces(call, pieces, count, text))
		return false;
	if (is_send)
		fill_pieces(call, pieces, count);
	return true;
}

/* ---- sending ---- */

static bool begin_write(struct live_call *call, char *text)
{
	return begin_one(call, true, text);
}

static bool begin_writev(struct live_call *call, char *text)
{
	return begin_vector(call, true, call_arg(call, 1), text);
}

static bool begin_send(struct live_call *call, char *text)
{
	call->flags = (int)call_int(call, 3, 0);
	return begin_one(call, true, text);
}

static bool set_remote(struct live_call *call, const struct value *value, char *text)
{
	struct tee_endpoint remote = call_default_remote(call);

	if (!call_read_addr(call, value, &remote, text))
		return false;
	if (call->addr_len) {
		call->msg.name = call->addr;
		call->msg.name_len = call->addr_len;
	}
	return true;
}

static bool begin_sendto(struct live_call *call, char *text)
{
	return begin_send(call, text) && set_remote(call, call_arg(call, 4), text);
}

static bool begin_sendmsg(struct live_call *call, char *text)
{
	const struct value *msg = call_arg(call, 1);
	const struct value *name = call_field(msg, "msg_name");
	const struct value *control = call_field(msg, "msg_control");

	call->flags = (int)call_int(call, 2, 0);
	if (!begin_vector(call, true, call_field(msg, "msg_iov"), text))
		return false;
	if (!call_read_control(call, control, text))
		return false;
	/* Only an opening needs the address that "..." stands for. */
	if (name && (name->kind == VALUE_STRUCT || call->flags & LINUX_MSG_FASTOPEN))
		return set_remote(call, name, text);
	return true;
}

static int64_t try_send(struct live_call *call)
{
	return posix_sendmsg(call->table->rig->world, call_fd_arg(call, 0), &call->msg, call->flags,
			     &call->wait);
}

static bool check_send(struct live_call *call, char *text)
{
	struct call_fd *fd = call_fd_state(call);

	(void)text;
	if (fd)
		fd->sent_bytes += (uint32_t)call->result;
	return true;
}

/* ---- receiving ---- */

static bool begin_read(struct live_call *call, char *text)
{
	return begin_one(call, false, text);
}

static bool begin_readv(struct live_call *call, char *text)
{
	return begin_vector(call, false, call_arg(call, 1), text);
}

static bool begin_recv(struct live_call *call, char *text)
{
	call->flags = (int)call_int(call, 3, 0);
	return begin_one(call, false, text);
}

static bool begin_recvmsg(struct live_call *call, char *text)
{
	call->flags = (int)call_int(call, 2, 0);
	return begin_vector(call, false, call_field(call_arg(call, 1), "msg_iov"), text);
}

static int64_t try_recv(struct live_call *call)
{
	call->msg.name = call->addr;
	call->msg.name_len = sizeof(call->addr);
	return posix_recvmsg(call->table->rig->world, call_fd_arg(call, 0), &call->msg, call->flags,
			     &call->wait);
}

/* Bytes that came have to be those that packets carried, in order. */
static bool check_received(struct live_call *call, char *text)
{
	struct call_fd *fd = call_fd_state(call);
	size_t got = (size_t)call->result;

	if (!fd || !call->kind->has_fd)
		return true;
	if (tee_socket_kind(posix_socket_of(call->table->rig->world, fd->live)) != TEE_SOCKET_TCP)
		return true;
	if (got > call->buffer_len)
		return CALL_FAIL("%s() returned more than there was room for", call->spec->name);
	if (call->flags & (LINUX_MSG_OOB | LINUX_MSG_ERRQUEUE))
		return true; /* out of the order of the stream, or no part of it */
	/* A read passes an urgent octet over. */
	if (call->table->has_urgent &&
	    !call_payload_is_pattern(call->buffer, (uint32_t)got, fd->received_bytes))
		fd->received_bytes++;
	if (!(call->flags & LINUX_MSG_TRUNC) &&
	    !call_payload_is_pattern(call->buffer, (uint32_t)got, fd->received_bytes))
		return CALL_FAIL("%s(): the bytes are not those that were sent", call->spec->name);
	if (!(call->flags & LINUX_MSG_PEEK))
		fd->received_bytes += (uint32_t)got;
	return true;
}

static bool check_recvmsg(struct live_call *call, char *text)
{
	const struct value *msg = call_arg(call, 1);
	int64_t flags;

	if (call_number(call_field(msg, "msg_flags"), &flags) && flags != call->msg.flags)
		return CALL_FAIL("msg_flags: expected 0x%llx, came 0x%x", (unsigned long long)flags,
				 (unsigned)call->msg.flags);
	return call_check_control(call, call_field(msg, "msg_control"), text) &&
	       check_received(call, text);
}

const struct call_kind call_data_kinds[] = {
	{"write", 3, 3, true, false, begin_write, try_send, check_send},
	{"writev", 3, 3, true, false, begin_writev, try_send, check_send},
	{"send", 4, 4, true, false, begin_send, try_send, check_send},
	{"sendto", 6, 6, true, false, begin_sendto, try_send, check_send},
	{"sendmsg", 3, 3, true, false, begin_sendmsg, try_send, check_send},
	{"read", 3, 3, true, false, begin_read, try_recv, check_received},
	{"readv", 3, 3, true, false, begin_readv, try_recv, check_received},
	{"recv", 4, 4, true, false, begin_recv, try_recv, check_received},
	{"recvfrom", 6, 6, true, false, begin_recv, try_recv, check_received},
	{"recvmsg", 3, 3, true, false, begin_recvmsg, try_recv, check_recvmsg},
	{NULL, 0, 0, false, false, NULL, NULL, NULL},
};
