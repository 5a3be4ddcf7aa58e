/* SPDX-License-Identifier: MIT */
/*
 * The error queue of a socket as Linux has it, read with MSG_ERRQUEUE and told by POLLERR.
 *
 * IP_RECVERR and IPV6_RECVERR: the stack keeps the errors itself (tee_recv_error()); here they become a struct
 * sock_extended_err, the offender's address and the destination of what they are about.
 *
 * MSG_ZEROCOPY of TCP, and SO_TIMESTAMPING: notices about data that was sent, which are kept here. Those of a datagram
 * are due as soon as it was sent.
 *
 * A send leaves a `struct notice` that waits for a place in the stream: MSG_ZEROCOPY for all of the
 * call's bytes to be acknowledged, a timestamp for its last byte to be handed on (SCHED), to leave
 * (SND), to be acknowledged (ACK). posix_errqueue_settle() asks the stack how far it is; it is
 * called before the clock moves, so that each notice has the time at which it became true.
 *
 * The stack took a copy of what it was given, and says so: the code is "copied", as Linux' is where
 * a device makes one. Notices of sends in a row become one with a range, as in Linux.
 */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "posix/file.h"

enum {
	ERROR_BYTES = 16,
	QUOTE_BYTES_MAX = 2048, /* the stack keeps less of a message */
	ICMP4_UNREACHABLE = 3,
	ICMP6_PARAMETER_PROBLEM = 4,
};

struct notice {
	struct notice *next;
	uint8_t origin, type;
	bool is_due;
	uint64_t end; /* place in the stream, from the first byte on */
	uint64_t at_ns;
	uint32_t info, data;
};

struct posix_errqueue {
	bool is_zerocopy;
	uint32_t stamp_flags;
	uint32_t next_id;             /* of a zero-copy send */
	uint64_t stamp_start;         /* place in the stream from which OPT_ID counts */
	uint32_t next_stamp;          /* of datagrams, what OPT_ID tells */
	unsigned stamp_count;         /* stamps in the queue, and awaited */
	struct notice *first, **last; /* oldest first */
};

static struct posix_errqueue *get(struct posix_file *file)
{
	if (!file->errqueue) {
		file->errqueue = calloc(1, sizeof(*file->errqueue));
		if (file->errqueue)
			file->errqueue->last = &file->errqueue->first;
	}
	return file->errqueue;
}

/* How far the stream is: written by the application, sent at least once, acknowledged. */
struct progress {
	uint64_t written, sent, acked;
	bool is_over; /* nothing more will happen: all that was kept is let go */
};

static struct progress progress_of(const struct posix_file *file)
{
	struct progress progress = {.is_over = true};
	struct tee_tcp_info info;

	if (tee_socket_info(file->socket, &info) < 0)
		return progress;
	progress.is_over = info.state == TEE_TCP_CLOSED || info.state == TEE_TCP_TIME_WAIT;
	progress.acked = info.bytes_acked;
	progress.written = info.bytes_acked + info.sndq_bytes;
	progress.sent = progress.written - info.notsent_bytes;
	return progress;
}

/* ---- options ---- */

/* OPT_ID of a stream counts from the byte that is written next. */
static int count_from_here(struct posix_file *file)
{
	enum tee_tcp_state state = posix_tcp_state(file);

	if (state == TEE_TCP_CLOSED || state == TEE_TCP_LISTEN)
		return -LINUX_EINVAL;
	file->errqueue->stamp_start = progress_of(file).written;
	return 0;
}

int posix_errqueue_set(struct posix_file *file, int level, int name, int number)
{
	struct posix_errqueue *queue;
	uint32_t before;

	if (level != LINUX_SOL_SOCKET ||
	    (name != LINUX_SO_TIMESTAMPING && (name != LINUX_SO_ZEROCOPY || !posix_is_tcp(file))))
		return 1;
	if (name == LINUX_SO_ZEROCOPY ? number < 0 || number > 1 : number & ~LINUX_STAMP_ALL)
		return -LINUX_EINVAL;
	queue = get(file);
	if (!queue)
		return -LINUX_ENOMEM;
	if (name == LINUX_SO_ZEROCOPY) {
		queue->is_zerocopy = number;
		return 0;
	}
	before = queue->stamp_flags;
	if (number & LINUX_STAMP_OPT_ID && !(before & LINUX_STAMP_OPT_ID)) {
		int error = posix_is_tcp(file) ? count_from_here(file) : 0;

		if (error < 0)
			return error;
		queue->next_stamp = 0;
	}
	queue->stamp_flags = (uint32_t)number;
	return 0;
}

int posix_errqueue_get(const struct posix_file *file, int level, int name)
{
	const struct posix_errqueue *queue = file->errqueue;

	if (level != LINUX_SOL_SOCKET || !queue)
		return 0;
	return name == LINUX_SO_ZEROCOPY ? queue->is_zerocopy : (int)queue->stamp_flags;
}

void posix_errqueue_inherit(struct posix_file *child, const struct posix_file *listener)
{
	const struct posix_errqueue *from = listener->errqueue;

	if (from && get(child)) {
		child->errqueue->is_zerocopy = from->is_zerocopy;
		child->errqueue->stamp_flags = from->stamp_flags;
	}
}

/* ---- notices ---- */

static void await(struct posix_world *world, struct posix_errqueue *queue, struct notice what)
{
	size_t most = tee_stack_config(world->stack)->error_queue_bytes_max / sizeof(what);
	bool is_stamp = what.origin == LINUX_ORIGIN_TIMESTAMPING;
	struct notice *notice;

	/* As Linux: a stamp that there is no room for is not given. Who writes without a copy is told in any case. */
	if (is_stamp && queue->stamp_count >= most)
		return;
	notice = malloc(sizeof(*notice));
	if (!notice)
		return;
	queue->stamp_count += is_stamp;
	*notice = what;
	notice->next = NULL;
	*queue->last = notice;
	queue->last = &notice->next;
	world->awaited += !notice->is_due;
}

/* The stamps of the way out. */
static void await_sent(struct posix_world *world, struct posix_errqueue *queue, struct notice what,
		       uint32_t stamps)
{
	what.info = what.type = LINUX_TSTAMP_SCHED;
	if (stamps & LINUX_STAMP_TX_SCHED)
		await(world, queue, what);
	what.info = what.type = LINUX_TSTAMP_SND;
	if (stamps & LINUX_STAMP_TX_SOFTWARE)
		await(world, queue, what);
}

/* What of one message is to be stamped, and how. */
static uint32_t stamps_for(const struct posix_errqueue *queue, int64_t stamps_once)
{
	if (stamps_once == POSIX_STAMPS_AS_SET)
		return queue->stamp_flags;
	return (queue->stamp_flags & ~(uint32_t)LINUX_STAMP_TX_RECORDS) | (uint32_t)stamps_once;
}

void posix_errqueue_on_sent(struct posix_world *world, struct posix_file *file, size_t len,
			    int flags, int64_t stamps_once)
{
	struct posix_errqueue *queue = stamps_once > 0 ? get(file) : file->errqueue;
	struct notice notice = {0};
	uint32_t stamps;

	if (!queue || !len)
		return;
	notice.end = progress_of(file).written;
	if (flags & LINUX_MSG_ZEROCOPY && queue->is_zerocopy) {
		notice.origin = LINUX_ORIGIN_ZEROCOPY;
		notice.info = notice.data = queue->next_id++;
		await(world, queue, notice);
	}
	stamps = stamps_for(queue, stamps_once);
	notice.origin = LINUX_ORIGIN_TIMESTAMPING;
	notice.data = stamps & LINUX_STAMP_OPT_ID ? (uint32_t)(notice.end - queue->stamp_start) - 1
						  : 0;
	await_sent(world, queue, notice, stamps);
	notice.info = notice.type = LINUX_TSTAMP_ACK;
	if (stamps & LINUX_STAMP_TX_ACK)
		await(world, queue, notice);
}

/* A datagram is with the link as soon as it is sent: its stamps are due at once. */
void posix_stamp_datagram(struct posix_world *world, int fd, int64_t stamps_once)
{
	struct posix_file *file = posix_find(world, fd);
	struct posix_errqueue *queue = file ? file->errqueue : NULL;
	struct notice notice = {
		.origin = LINUX_ORIGIN_TIMESTAMPING, .is_due = true, .at_ns = world->now_ns};
	uint32_t stamps;

	if (file && !queue && stamps_once > 0)
		queue = get(file);
	if (!queue)
		return;
	stamps = stamps_for(queue, stamps_once);
	if (!(stamps & (LINUX_STAMP_TX_SCHED | LINUX_STAMP_TX_SOFTWARE)))
		return;
	notice.data = stamps & LINUX_STAMP_OPT_ID ? queue->next_stamp++ : 0;
	await_sent(world, queue, notice, stamps);
	for (unsigned i = 0; i < world->file_capacity; i++)
		if (world->files[i])
			posix_epoll_edge(world->files[i], file->fd, LINUX_POLLERR);
}

bool posix_has_errors(const struct posix_world *world, int fd)
{
	const struct posix_file *file = posix_find((struct posix_world *)(uintptr_t)world, fd);
	struct tee_error_info info;

	return file && (posix_errqueue_is_filled(file) ||
			tee_recv_error(file->socket, NULL, 0, TEE_MSG_PEEK, &info) >= 0);
}

static bool has_happened(const struct notice *notice, const struct progress *progress)
{
	if (notice->origin == LINUX_ORIGIN_ZEROCOPY)
		return progress->is_over || progress->acked >= notice->end;
	return notice->type == LINUX_TSTAMP_ACK ? progress->acked >= notice->end
						: progress->sent >= notice->end;
}

static void settle(struct posix_world *world, struct posix_file *file)
{
	struct progress progress = progress_of(file);

	for (struct notice *notice = file->errqueue->first; notice; notice = notice->next) {
		if (notice->is_due || !has_happened(notice, &progress))
			continue;
		notice->is_due = true;
		notice->at_ns = world->now_ns;
		world->awaited--;
		for (unsigned i = 0; i < world->file_capacity; i++)
			if (world->files[i])
				posix_epoll_edge(world->files[i], file->fd, LINUX_POLLERR);
	}
}

void posix_errqueue_settle(struct posix_world *world)
{
	if (!world->awaited)
		return;
	for (unsigned i = 0; i < world->file_capacity; i++)
		if (world->files[i] && world->files[i]->errqueue)
			settle(world, world->files[i]);
}

/* ---- reading ---- */

bool posix_errqueue_is_filled(const struct posix_file *file)
{
	if (!file->errqueue)
		return false;
	for (const struct notice *notice = file->errqueue->first; notice; notice = notice->next)
		if (notice->is_due)
			return true;
	return false;
}

static void unlink_notice(struct posix_errqueue *queue, struct notice **at)
{
	struct notice *notice = *at;

	*at = notice->next;
	if (!*at)
		queue->last = at;
	queue->stamp_count -= notice->origin == LINUX_ORIGIN_TIMESTAMPING;
	free(notice);
}

/* The one that became true first. */
static struct notice **oldest_due(struct posix_errqueue *queue)
{
	struct notice **oldest = NULL;

	for (struct notice **at = &queue->first; *at; at = &(*at)->next)
		if ((*at)->is_due && (!oldest || (*at)->at_ns < (*oldest)->at_ns))
			oldest = at;
	return oldest;
}

/* Zero-copy sends that follow each other are told in one notice. */
static uint32_t take_range(struct posix_errqueue *queue, uint32_t last)
{
	for (struct notice **at = &queue->first; *at;) {
		if ((*at)->is_due && (*at)->origin == LINUX_ORIGIN_ZEROCOPY &&
		    (*at)->info == last + 1) {
			last = (*at)->info;
			unlink_notice(queue, at);
			at = &queue->first;
		} else {
			at = &(*at)->next;
		}
	}
	return last;
}

bool posix_wants_stamp(const struct posix_file *file)
{
	const uint32_t both = LINUX_STAMP_RX_SOFTWARE | LINUX_STAMP_SOFTWARE;

	return file->errqueue && (file->errqueue->stamp_flags & both) == both;
}

void posix_tell_stamp(struct posix_msg *msg, uint64_t at_ns)
{
	struct posix_cmsg *cmsg = &msg->cmsg[msg->cmsg_count++];
	int64_t parts[2] = {(int64_t)(at_ns / TEE_NS_PER_S), (int64_t)(at_ns % TEE_NS_PER_S)};

	*cmsg = (struct posix_cmsg){.level = LINUX_SOL_SOCKET,
				    .type = LINUX_SO_TIMESTAMPING,
				    .len = POSIX_CMSG_DATA_MAX};
	memcpy(cmsg->data, parts, sizeof(parts));
}

/* `offender` NULL: nobody, and its place is all zero. */
static void tell_error(const struct posix_file *file, struct posix_msg *msg,
		       const struct posix_extended_error *error,
		       const struct tee_endpoint *offender)
{
	bool is_ip6 = file->domain == LINUX_AF_INET6;
	struct posix_cmsg *cmsg = &msg->cmsg[msg->cmsg_count++];

	*cmsg = (struct posix_cmsg){
		.level = is_ip6 ? LINUX_SOL_IPV6 : LINUX_SOL_IP,
		.type = is_ip6 ? LINUX_IPV6_RECVERR : LINUX_IP_RECVERR,
		.len = is_ip6 ? POSIX_EXTENDED_ERROR6_SIZE : POSIX_EXTENDED_ERROR_SIZE,
	};
	_Static_assert(sizeof(*error) == ERROR_BYTES, "struct sock_extended_err");
	_Static_assert((int)POSIX_EXTENDED_ERROR6_SIZE <= (int)POSIX_CMSG_DATA_MAX, "has room");
	memcpy(cmsg->data, error, sizeof(*error));
	if (offender)
		posix_write_sockaddr(offender, file->domain, cmsg->data + sizeof(*error),
				     cmsg->len - (uint32_t)sizeof(*error));
}

/* ---- errors that the stack kept ---- */

/* Linux knows more of them apart than the stack. */
static uint32_t errno_of_kept(const struct tee_error_info *info)
{
	static const uint8_t of_code[] = {
		[5] = LINUX_EOPNOTSUPP, [7] = LINUX_EHOSTDOWN, [8] = LINUX_ENONET};

	if (!info->is_local && info->version == 4 && info->type == ICMP4_UNREACHABLE &&
	    info->code < ARRAY_LEN(of_code) && of_code[info->code])
		return of_code[info->code];
	if (!info->is_local && info->version == 6 && info->type == ICMP6_PARAMETER_PROBLEM)
		return LINUX_EPROTO;
	return (uint32_t)posix_errno(info->error);
}

/* What else the socket wishes to know of a packet, here that of the message. */
static void tell_packet(const struct posix_file *file, struct posix_msg *msg,
			const struct tee_error_info *info)
{
	bool is_ip6 = info->version == 6;

	if (file->wants_ttl)
		posix_add_cmsg(msg, is_ip6 ? LINUX_SOL_IPV6 : LINUX_SOL_IP,
			       is_ip6 ? LINUX_IPV6_HOPLIMIT : LINUX_IP_TTL, info->ttl);
	if (file->wants_tos)
		posix_add_cmsg(msg, is_ip6 ? LINUX_SOL_IPV6 : LINUX_SOL_IP,
			       is_ip6 ? LINUX_IPV6_TCLASS : LINUX_IP_TOS, info->tos);
}

/* Of a datagram of IPv4 that did not leave Linux tells the port that the socket is connected to, and no other. */
static struct tee_endpoint name_of_kept(const struct posix_file *file,
					const struct tee_error_info *info)
{
	struct tee_endpoint name = info->remote, peer;

	if (info->is_local && info->version == 4)
		name.port = tee_remote_name(file->socket, &peer) < 0 ? 0 : peer.port;
	return name;
}

static int64_t read_kept(const struct posix_file *file, struct posix_msg *msg)
{
	uint8_t quote[QUOTE_BYTES_MAX];
	struct posix_extended_error error;
	struct tee_error_info info;
	struct tee_endpoint name;
	ssize_t got = tee_recv_error(file->socket, quote, MIN(posix_total_len(msg), sizeof(quote)),
				     0, &info);

	if (got < 0)
		return -posix_errno((int)got);
	posix_scatter(msg, quote, (size_t)got);
	error = (struct posix_extended_error){
		.error = errno_of_kept(&info),
		.origin = info.is_local       ? LINUX_ORIGIN_LOCAL
			  : info.version == 4 ? LINUX_ORIGIN_ICMP
					      : LINUX_ORIGIN_ICMP6,
		.type = info.type,
		.code = info.code,
		.info = info.info,
	};
	msg->flags = LINUX_MSG_ERRQUEUE | (info.truncated ? LINUX_MSG_TRUNC : 0);
	name = name_of_kept(file, &info);
	if (msg->name)
		msg->name_len = posix_write_sockaddr(&name, file->domain, msg->name, msg->name_len);
	if (!info.is_local)
		tell_packet(file, msg, &info);
	tell_error(file, msg, &error, info.is_local ? NULL : &info.offender);
	return got;
}

/* ---- notices, and whichever is older ---- */

int64_t posix_errqueue_read(struct posix_world *world, struct posix_file *file,
			    struct posix_msg *msg)
{
	struct posix_errqueue *queue = file->errqueue;
	struct posix_extended_error error = {0};
	struct tee_error_info kept;
	struct notice **at;

	posix_errqueue_settle(world);
	at = queue ? oldest_due(queue) : NULL;
	if (tee_recv_error(file->socket, NULL, 0, TEE_MSG_PEEK, &kept) >= 0 &&
	    (!at || kept.at_ns <= (*at)->at_ns))
		return read_kept(file, msg);
	if (!at)
		return -LINUX_EAGAIN;
	msg->name_len = 0;
	msg->flags = LINUX_MSG_ERRQUEUE;
	error.origin = (*at)->origin;
	error.info = (*at)->info;
	error.data = (*at)->data;
	if (error.origin == LINUX_ORIGIN_ZEROCOPY) {
		unlink_notice(queue, at);
		error.code = LINUX_CODE_ZEROCOPY_COPIED;
		error.data = take_range(queue, error.data);
	} else {
		error.error = LINUX_ENOMSG;
		if (queue->stamp_flags & LINUX_STAMP_SOFTWARE)
			posix_tell_stamp(msg, (*at)->at_ns);
		/* Linux would give the packet too, had the caller room for it. */
		if (!(queue->stamp_flags & LINUX_STAMP_OPT_TSONLY))
			msg->flags |= LINUX_MSG_TRUNC;
		unlink_notice(queue, at);
	}
	tell_error(file, msg, &error, NULL);
	return 0;
}

void posix_errqueue_free(struct posix_world *world, struct posix_file *file)
{
	struct posix_errqueue *queue = file->errqueue;

	while (queue && queue->first) {
		if (!queue->first->is_due)
			world->awaited--;
		unlink_notice(queue, &queue->first);
	}
	free(queue);
	file->errqueue = NULL;
}
