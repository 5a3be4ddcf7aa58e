/* SPDX-License-Identifier: MIT */
/*
 * Urgent data as the BSD socket interface has it. TCP's pointer names a place in the stream (RFC 9293 3.8.5), and
 * the stack leaves the octets there (RFC 6093). Here the octet before the pointer, the urgent one, is taken out
 * for those who have not said SO_OOBINLINE:
 *
 *	posix_urgent_limit()	before a read: it ends before the urgent octet; one that would begin with it passes it over
 *	posix_urgent_recv()	MSG_OOB: the octet itself, once
 *	posix_urgent_inq()	FIONREAD: what lies before the octet
 *	posix_urgent_bits()	poll(): POLLPRI until it was read, and no POLLIN for it alone
 *
 * With SO_OOBINLINE the octet is one like the others, but a read that does not begin with it still ends before it, so that
 * SIOCATMARK has its moment. Places count from the first octet that was read, in posix_file.taken.
 */
#include <string.h>

#include "base/check.h"
#include "posix/file.h"

enum { SLICES_AT_ONCE = 64 };

/* Octets from the head of the queue up to and including the urgent one, 0: there is none ahead. */
static uint64_t urgent_ahead(const struct posix_file *file)
{
	uint64_t ahead = 0;

	return tee_get_option(file->socket, TEE_OPT_URGENT_AHEAD, &ahead) < 0 ? 0 : ahead;
}

static uint64_t queued(const struct posix_file *file)
{
	uint64_t bytes = 0;

	return tee_get_option(file->socket, TEE_OPT_INQ, &bytes) < 0 ? 0 : bytes;
}

size_t posix_urgent_limit(struct posix_file *file, int flags)
{
	uint64_t ahead = urgent_ahead(file);

	if (ahead >= 2)
		return ahead - 1;
	if (ahead == 1 && !file->has_oob_inline && !(flags & LINUX_MSG_PEEK) &&
	    tee_recv(file->socket, NULL, 1, TEE_MSG_TRUNC) == 1)
		file->taken++;
	return SIZE_MAX;
}

/* The octet at a place of the queue; false: it is further back than one looks. */
static bool octet_at(struct posix_file *file, uint64_t at, uint8_t *ret_octet)
{
	struct tee_slice slices[SLICES_AT_ONCE];
	int count = tee_recv_view(file->socket, slices, SLICES_AT_ONCE);

	for (int i = 0; i < count; i++) {
		if (at < slices[i].len) {
			*ret_octet = ((const uint8_t *)slices[i].ptr)[at];
			return true;
		}
		at -= slices[i].len;
	}
	return false;
}

int64_t posix_urgent_recv(struct posix_file *file, struct posix_msg *msg, int flags)
{
	uint64_t ahead = urgent_ahead(file);
	uint8_t octet;

	if (posix_tcp_state(file) == TEE_TCP_LISTEN)
		return -LINUX_ENOTCONN;
	if (file->has_oob_inline || !ahead || file->taken + ahead == file->urgent_read_at)
		return -LINUX_EINVAL;
	if (queued(file) < ahead || !octet_at(file, ahead - 1, &octet))
		/* What was announced is not here, and after the end it will not come. */
		return tee_readiness(file->socket) & TEE_EV_RDHUP ? 0 : -LINUX_EAGAIN;
	if (!(flags & LINUX_MSG_PEEK))
		file->urgent_read_at = file->taken + ahead;
	msg->flags |= LINUX_MSG_OOB;
	for (unsigned i = 0; i < msg->iov_count; i++) {
		if (!msg->iov[i].len)
			continue;
		memcpy(msg->iov[i].base, &octet, 1);
		return 1;
	}
	msg->flags |= LINUX_MSG_TRUNC;
	return 0;
}

int posix_urgent_inq(const struct posix_file *file, int bytes)
{
	uint64_t ahead = urgent_ahead(file);

	return file->has_oob_inline || !ahead || ahead > (uint64_t)bytes ? bytes : (int)ahead - 1;
}

uint32_t posix_urgent_bits(const struct posix_file *file, uint32_t bits)
{
	uint64_t ahead;

	if (!(bits & LINUX_POLLPRI) || file->has_oob_inline)
		return bits;
	ahead = urgent_ahead(file);
	if (file->taken + ahead == file->urgent_read_at)
		bits &= ~(uint32_t)LINUX_POLLPRI;
	if (ahead == 1 && queued(file) == 1 && !(bits & LINUX_POLLRDHUP))
		bits &= ~(uint32_t)(LINUX_POLLIN | LINUX_POLLRDNORM);
	return bits;
}
