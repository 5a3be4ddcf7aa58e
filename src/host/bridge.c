// SPDX-License-Identifier: MIT
/*
 * A bridge: the socket on one side, a descriptor on the other, bytes both ways.
 *
 * Inwards (stack to descriptor) the bytes go from the packets they came in straight to writev();
 * outwards they are read straight into the send queue. The kernel's copy across the pair is the
 * only one.
 *
 * The descriptor stands in the epoll set edge-triggered, once for its life; two flags remember what
 * the last edge said. So a bridge costs no epoll_ctl() while it works, and thousands are cheap.
 *
 * Back-pressure needs no code: a reader that stops fills the pair, then our receive queue, then the
 * peer's window; a peer that stops fills the send queue, then the pair, then the writer blocks.
 *
 * Ends: FIN from the peer → shutdown(SHUT_WR) on our end. The far end shuts down → tee_shutdown().
 * The far end closes → tee_close() once what it wrote is queued; when it left bytes unread the kernel
 * reports ECONNRESET here, and the peer gets RST, as from Linux's own TCP. RST from the peer → the
 * far end gets ECONNRESET: closing an AF_UNIX socket whose own queue isn't empty does that, so one
 * byte is put there by a duplicate of the far end.
 */
#include "host/bridge.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
	VIEW_SLICES = 32,
	READ_BYTES = 128 * 1024,   /* room asked for at once */
	SHARE_BYTES = 1024 * 1024, /* carried a direction before others get their turn */
};

struct bridge {
	struct tee_host *host;
	struct tee_socket *socket;
	struct host_watch watch;
	struct bridge_hooks hooks;
	int fd;
	int far_fd;          /* number of the far end in this process, or -1 */
	uint64_t far_cookie; /* … and how to know that the number still means it */
	bool is_fd_readable, is_fd_writable;
	bool is_fd_ended;   /* the far end sends no more; what it sent may still be unread */
	bool is_fd_hung_up; /* the far end is closed, not only shut down */
	bool is_failed;     /* the connection is dead; what had come before is delivered first */
	bool is_in_done;    /* the peer's stream has ended and the far end knows */
	bool is_in_stopped; /* the far end wants no more: what comes is thrown away */
	bool is_out_done;   /* the far end's stream has ended and the peer knows */
	bool is_queued;
	struct bridge *prev, *next;
	struct bridge *queue_prev, *queue_next;
};

enum carried {
	CARRIED_ALL,   /* nothing more to do until the next edge */
	CARRIED_SHARE, /* there is more */
	CARRIED_END,   /* the bridge is to end in order */
	CARRIED_RESET, /* the peer reset the connection, or it failed */
	CARRIED_ABORT, /* the far end is gone and left data unread */
};

/* ---- the queue of those with more to carry ---- */

static void enqueue(struct bridge *bridge)
{
	struct tee_host *host = bridge->host;

	if (bridge->is_queued)
		return;
	bridge->is_queued = true;
	bridge->queue_next = NULL;
	bridge->queue_prev = host->bridge_queue_tail;
	if (host->bridge_queue_tail)
		host->bridge_queue_tail->queue_next = bridge;
	else
		host->bridge_queue_head = bridge;
	host->bridge_queue_tail = bridge;
}

static void dequeue(struct bridge *bridge)
{
	struct tee_host *host = bridge->host;

	if (!bridge->is_queued)
		return;
	bridge->is_queued = false;
	if (bridge->queue_prev)
		bridge->queue_prev->queue_next = bridge->queue_next;
	else
		host->bridge_queue_head = bridge->queue_next;
	if (bridge->queue_next)
		bridge->queue_next->queue_prev = bridge->queue_prev;
	else
		host->bridge_queue_tail = bridge->queue_prev;
}

bool bridge_has_queue(const struct tee_host *host)
{
	return host->bridge_queue_head != NULL;
}

/* ---- ending ---- */

/* Takes the bridge out of everything but the two ends. */
static void detach(struct bridge *bridge)
{
	struct tee_host *host = bridge->host;

	dequeue(bridge);
	tee_host_unwatch_fd(host, bridge->fd);
	host_watch_detach(&bridge->watch);
	if (bridge->prev)
		bridge->prev->next = bridge->next;
	else
		host->bridges = bridge->next;
	if (bridge->next)
		bridge->next->prev = bridge->prev;
	host->bridge_count--;
}

static void finish(struct bridge *bridge, int error)
{
	struct bridge_hooks hooks = bridge->hooks;

	free(bridge);
	if (hooks.on_end)
		hooks.on_end(hooks.arg, error);
}

/* The far end by its number, if the program has not closed or replaced it meanwhile. */
static int dup_own_far_end(const struct bridge *bridge)
{
	uint64_t cookie = 0;
	socklen_t len = sizeof(cookie);
	int fd = bridge->far_fd < 0 ? -1 : dup(bridge->far_fd);

	if (fd >= 0 && (getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len) < 0 ||
			cookie != bridge->far_cookie)) {
		close(fd);
		fd = -1;
	}
	return fd;
}

/* Closes our end so that the far end reads ECONNRESET after what is queued for it. */
static void close_with_reset(struct bridge *bridge)
{
	int far = bridge->hooks.dup_far_end ? bridge->hooks.dup_far_end(bridge->hooks.arg)
					    : dup_own_far_end(bridge);

	if (far >= 0) {
		/* When the pair is full there is unread data of its own: just as good. */
		ssize_t sent = send(far, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);

		(void)sent;
	}
	close(bridge->fd);
	if (far >= 0)
		close(far);
}

static void end_reset(struct bridge *bridge)
{
	int error = tee_take_error(bridge->socket);

	detach(bridge);
	tee_close(bridge->socket);
	close_with_reset(bridge);
	finish(bridge, error ? error : TEE_ECONNRESET);
}

static void end_closed(struct bridge *bridge, bool aborts)
{
	detach(bridge);
	if (aborts)
		tee_abort(bridge->socket);
	else
		tee_close(bridge->socket);
	close(bridge->fd);
	finish(bridge, 0);
}

/* ---- carrying ---- */

static bool is_would_block(int error_number)
{
	return error_number == EAGAIN || error_number == EWOULDBLOCK || error_number == EINTR;
}

/* Writes what a view shows; -errno or the bytes written. */
static ssize_t write_slices(int fd, const struct tee_slice *slices, int count)
{
	struct iovec pieces[VIEW_SLICES];
	struct msghdr message = {.msg_iov = pieces, .msg_iovlen = (size_t)count};
	ssize_t written;

	for (int i = 0; i < count; i++) {
		pieces[i].iov_base = (void *)(uintptr_t)slices[i].ptr;
		pieces[i].iov_len = slices[i].len;
	}
	written = sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
	return written < 0 ? -errno : written;
}

/* As carry_in(), when nobody reads. */
static enum carried discard_in(struct bridge *bridge)
{
	ssize_t taken;

	do
		taken = tee_recv(bridge->socket, NULL, READ_BYTES, TEE_MSG_TRUNC);
	while (taken > 0);
	if (taken == 0)
		bridge->is_in_done = true;
	return taken == 0 || taken == -TEE_EAGAIN ? CARRIED_ALL : CARRIED_RESET;
}

static enum carried carry_in(struct bridge *bridge)
{
	struct tee_slice slices[VIEW_SLICES];
	size_t total = 0;

	if (bridge->is_in_stopped && !bridge->is_in_done)
		return discard_in(bridge);
	while (!bridge->is_in_done && bridge->is_fd_writable) {
		int count = tee_recv_view(bridge->socket, slices, VIEW_SLICES);
		size_t viewed = 0;
		ssize_t written;

		if (count == -TEE_EAGAIN || count == -TEE_ENOTCONN)
			return CARRIED_ALL;
		if (count < 0)
			return CARRIED_RESET;
		if (count == 0) {
			shutdown(bridge->fd, SHUT_WR);
			bridge->is_in_done = true;
			break;
		}
		for (int i = 0; i < count; i++)
			viewed += slices[i].len;
		written = write_slices(bridge->fd, slices, count);
		if (written < 0 && is_would_block((int)-written)) {
			bridge->is_fd_writable = false;
			break;
		}
		if (written < 0) /* EPIPE: nobody will read this any more */
			return CARRIED_ABORT;
		tee_recv_consume(bridge->socket, (size_t)written);
		/* Cut short: the pair is full, and an edge will tell when it isn't. */
		if ((size_t)written < viewed)
			bridge->is_fd_writable = false;
		total += (size_t)written;
		if (total >= SHARE_BYTES)
			return CARRIED_SHARE;
	}
	return CARRIED_ALL;
}

/* Has the far end closed before it wrote anything that still waits? */
static bool has_left_early(const struct bridge *bridge)
{
	char byte;

	return bridge->is_fd_hung_up && recv(bridge->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

static enum carried carry_out(struct bridge *bridge)
{
	size_t total = 0;

	while (!bridge->is_out_done && bridge->is_fd_readable) {
		void *room;
		size_t room_len;
		ssize_t count;
		int result = tee_send_reserve(bridge->socket, READ_BYTES, &room, &room_len);

		if (result == -TEE_EAGAIN || result == -TEE_ENOTCONN)
			return has_left_early(bridge) ? CARRIED_END : CARRIED_ALL;
		if (result < 0) {
			bridge->is_failed = true;
			return CARRIED_ALL;
		}
		count = read(bridge->fd, room, room_len);
		if (count < 0 && is_would_block(errno)) {
			bridge->is_fd_readable = false;
			break;
		}
		if (count < 0) /* ECONNRESET: closed with our bytes unread */
			return CARRIED_ABORT;
		if (count == 0) {
			bridge->is_out_done = true;
			/* Closed rather than shut down: nobody reads what the peer still says. */
			if (bridge->is_fd_hung_up)
				return CARRIED_END;
			tee_shutdown(bridge->socket, TEE_SHUT_WRITE);
			break;
		}
		tee_send_commit(bridge->socket, (size_t)count);
		/* A short read emptied the pair; more of it makes an edge, but the end has made its. */
		if ((size_t)count < room_len && !bridge->is_fd_ended)
			bridge->is_fd_readable = false;
		total += (size_t)count;
		if (total >= SHARE_BYTES)
			return CARRIED_SHARE;
	}
	return CARRIED_ALL;
}

/* Moves what can be moved; the bridge may be gone afterwards. */
static void carry(struct bridge *bridge)
{
	enum carried in = CARRIED_ALL, out = CARRIED_ALL;

	/* Outwards first: the last words of a far end that has closed leave before it ends. */
	if (!bridge->is_failed)
		out = carry_out(bridge);
	if (out == CARRIED_ALL || out == CARRIED_SHARE)
		in = carry_in(bridge);
	/* Nothing is left to deliver, or nobody who was promised more. */
	if (bridge->is_failed && in == CARRIED_ALL &&
	    (bridge->is_in_done || bridge->is_fd_writable))
		in = CARRIED_RESET;
	if (in == CARRIED_RESET)
		end_reset(bridge);
	else if (in == CARRIED_ABORT || out == CARRIED_ABORT)
		end_closed(bridge, true);
	else if (out == CARRIED_END || (bridge->is_in_done && bridge->is_out_done))
		end_closed(bridge, false);
	else if (in == CARRIED_SHARE || out == CARRIED_SHARE)
		enqueue(bridge);
}

void bridge_run_queue(struct tee_host *host)
{
	/* Those that come back into the queue meanwhile wait for the next turn. */
	struct bridge *bridge = host->bridge_queue_head, *next;

	host->bridge_queue_head = host->bridge_queue_tail = NULL;
	for (struct bridge *each = bridge; each; each = each->queue_next)
		each->is_queued = false;
	for (; bridge; bridge = next) {
		next = bridge->queue_next;
		bridge->queue_prev = bridge->queue_next = NULL;
		carry(bridge);
	}
}

/* ---- edges ---- */

static void on_fd(void *arg, int fd, short revents)
{
	struct bridge *bridge = arg;

	(void)fd;
	if (revents & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		bridge->is_fd_readable = true;
	if (revents & (EPOLLOUT | EPOLLHUP | EPOLLERR))
		bridge->is_fd_writable = true;
	if (revents & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		bridge->is_fd_ended = true;
	if (revents & EPOLLHUP)
		bridge->is_fd_hung_up = true;
	/*
	 * Both ways of the pair are shut once we have passed the peer's FIN on and the far end shuts
	 * down too; that looks like a close, and ends the same.
	 */
	if (bridge->is_fd_hung_up && bridge->is_out_done) {
		end_closed(bridge, false);
		return;
	}
	carry(bridge);
}

static void on_socket(void *arg, struct tee_socket *socket, unsigned ready)
{
	struct bridge *bridge = arg;

	(void)socket;
	if (ready & TEE_EV_ERROR)
		bridge->is_failed = true;
	carry(bridge);
}

/* ---- the door ---- */

int bridge_new(struct tee_host *host, struct tee_socket *socket, int fd,
	       const struct bridge_hooks *hooks, struct bridge **ret_bridge)
{
	struct bridge *bridge = calloc(1, sizeof(*bridge));
	int result;

	if (!bridge)
		return -TEE_ENOMEM;
	bridge->host = host;
	bridge->socket = socket;
	bridge->fd = fd;
	bridge->far_fd = -1;
	/* What the far end has written already makes the first edge. */
	bridge->is_fd_writable = true;
	if (hooks)
		bridge->hooks = *hooks;
	result = host_watch_epoll(host, fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, on_fd,
				  bridge);
	if (result < 0) {
		free(bridge);
		return result;
	}
	host_watch_attach(&bridge->watch, host, socket, on_socket, bridge);
	bridge->next = host->bridges;
	if (host->bridges)
		host->bridges->prev = bridge;
	host->bridges = bridge;
	host->bridge_count++;
	if (ret_bridge)
		*ret_bridge = bridge;
	return 0;
}

int tee_bridge(struct tee_host *host, struct tee_socket *socket, int *ret_fd)
{
	struct bridge *bridge;
	socklen_t len = sizeof(bridge->far_cookie);
	int pair[2], result;

	if (tee_socket_kind(socket) != TEE_SOCKET_TCP)
		return -TEE_EOPNOTSUPP;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
		return -host_error_of_errno(errno);
	tee_host_lock(host);
	result = bridge_new(host, socket, pair[0], NULL, &bridge);
	if (result >= 0 &&
	    getsockopt(pair[1], SOL_SOCKET, SO_COOKIE, &bridge->far_cookie, &len) == 0)
		bridge->far_fd = pair[1];
	tee_host_unlock(host);
	if (result < 0) {
		close(pair[0]);
		close(pair[1]);
		return result;
	}
	*ret_fd = pair[1];
	return 0;
}

struct tee_socket *bridge_socket(const struct bridge *bridge)
{
	return bridge->socket;
}

uint32_t bridge_unread(const struct bridge *bridge)
{
	int count = 0;

	return ioctl(bridge->fd, FIONREAD, &count) < 0 || count < 0 ? 0 : (uint32_t)count;
}

void bridge_stop_in(struct bridge *bridge)
{
	if (bridge->is_in_stopped || bridge->is_in_done)
		return;
	carry_in(bridge);
	shutdown(bridge->fd, SHUT_WR);
	bridge->is_in_stopped = true;
	enqueue(bridge);
}

void bridge_end(struct bridge *bridge, bool aborts)
{
	if (!aborts)
		carry_out(bridge);
	end_closed(bridge, aborts);
}

void bridge_reset_all(struct tee_host *host)
{
	struct bridge *next;

	for (struct bridge *bridge = host->bridges; bridge; bridge = next) {
		next = bridge->next;
		end_reset(bridge);
	}
}

void bridge_end_all(struct tee_host *host)
{
	struct bridge *next;

	for (struct bridge *bridge = host->bridges; bridge; bridge = next) {
		next = bridge->next;
		/* The last words of the far end; the caller shuts the socket down. */
		carry_out(bridge);
		detach(bridge);
		close(bridge->fd);
		finish(bridge, TEE_ECANCELED);
	}
}
