/* SPDX-License-Identifier: MIT */
/*
 * The world of descriptors: making, naming, connecting and closing sockets.
 *
 * A descriptor is a `struct posix_file` in a table. What Linux keeps in its socket layer, above
 * the protocol, is kept here: the blocking flag, time-outs of calls, whether a connect() still has
 * to report. The protocol's own state is asked of the stack each time, never copied.
 *
 * Waiting is the caller's: posix_block() turns "would block" either into an error, for a
 * non-blocking descriptor or an expired time-out, or into POSIX_BLOCKED.
 */
#include <stdlib.h>
#include <string.h>

#include "posix/file.h"

static const uint8_t errno_of[] = {
	[TEE_EOK] = 0,
	[TEE_EAGAIN] = LINUX_EAGAIN,
	[TEE_EINPROGRESS] = LINUX_EINPROGRESS,
	[TEE_EALREADY] = LINUX_EALREADY,
	[TEE_EISCONN] = LINUX_EISCONN,
	[TEE_ENOTCONN] = LINUX_ENOTCONN,
	[TEE_ECONNREFUSED] = LINUX_ECONNREFUSED,
	[TEE_ECONNRESET] = LINUX_ECONNRESET,
	[TEE_ECONNABORTED] = LINUX_ECONNABORTED,
	[TEE_ETIMEDOUT] = LINUX_ETIMEDOUT,
	[TEE_EHOSTUNREACH] = LINUX_EHOSTUNREACH,
	[TEE_ENETUNREACH] = LINUX_ENETUNREACH,
	[TEE_ENOPROTOOPT] = LINUX_ENOPROTOOPT,
	[TEE_EADDRINUSE] = LINUX_EADDRINUSE,
	[TEE_EADDRNOTAVAIL] = LINUX_EADDRNOTAVAIL,
	[TEE_EAFNOSUPPORT] = LINUX_EAFNOSUPPORT,
	[TEE_EINVAL] = LINUX_EINVAL,
	[TEE_EPIPE] = LINUX_EPIPE,
	[TEE_EMSGSIZE] = LINUX_EMSGSIZE,
	[TEE_ENOMEM] = LINUX_ENOMEM,
	[TEE_ENOBUFS] = LINUX_ENOBUFS,
	[TEE_EDESTADDRREQ] = LINUX_EDESTADDRREQ,
	[TEE_EACCES] = LINUX_EACCES,
	[TEE_EOPNOTSUPP] = LINUX_EOPNOTSUPP,
	[TEE_EIO] = LINUX_EIO,
	[TEE_ENODEV] = LINUX_ENODEV,
	[TEE_ENOENT] = LINUX_ENOENT,
	[TEE_EPERM] = LINUX_EPERM,
	[TEE_EPROTO] = LINUX_EPROTO,
	[TEE_ECANCELED] = LINUX_ECANCELED,
	[TEE_ENETDOWN] = LINUX_ENETDOWN,
};
_Static_assert(sizeof(errno_of) == TEE_ERROR_COUNT, "an error has no errno");

int posix_errno(int tee_error)
{
	unsigned index = tee_error < 0 ? 0u - (unsigned)tee_error : (unsigned)tee_error;

	return index < TEE_ERROR_COUNT ? errno_of[index] : LINUX_EIO;
}

int posix_stream_errno(const struct posix_file *file, int tee_error)
{
	uint64_t is_half_closed = 0;

	if (posix_errno(tee_error) == LINUX_ECONNRESET &&
	    tee_get_option(file->socket, TEE_OPT_HALF_CLOSED, &is_half_closed) >= 0 &&
	    is_half_closed)
		return LINUX_EPIPE;
	return posix_errno(tee_error);
}

/* ---- addresses ---- */

enum { SOCKADDR4_SIZE = 16, SOCKADDR6_SIZE = 28 };

static bool is_mapped4(const struct tee_ip *ip)
{
	static const uint8_t prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

	return !memcmp(ip->byte, prefix, sizeof(prefix));
}

int posix_read_sockaddr(const void *addr, uint32_t len, struct tee_endpoint *ret)
{
	const uint8_t *bytes = addr;
	struct tee_endpoint endpoint = {0};
	uint16_t family;

	if (!addr || len < sizeof(family))
		return -LINUX_EINVAL;
	memcpy(&family, bytes, sizeof(family));
	if (family == LINUX_AF_INET) {
		if (len < SOCKADDR4_SIZE)
			return -LINUX_EINVAL;
		endpoint.ip = TEE_IP4(bytes[4], bytes[5], bytes[6], bytes[7]);
	} else if (family == LINUX_AF_INET6) {
		uint32_t scope;

		if (len < SOCKADDR6_SIZE - 4)
			return -LINUX_EINVAL;
		memcpy(endpoint.ip.byte, bytes + 8, 16);
		if (len >= SOCKADDR6_SIZE) {
			memcpy(&scope, bytes + 24, sizeof(scope));
			endpoint.netif = (uint16_t)scope;
		}
	} else {
		return -LINUX_EAFNOSUPPORT;
	}
	endpoint.port = (uint16_t)(bytes[2] << 8 | bytes[3]);
	*ret = endpoint;
	return 0;
}

uint32_t posix_write_sockaddr(const struct tee_endpoint *endpoint, int family, void *addr,
			      uint32_t room)
{
	uint8_t bytes[SOCKADDR6_SIZE] = {0};
	uint16_t family16 = (uint16_t)family;
	uint32_t len = family == LINUX_AF_INET ? SOCKADDR4_SIZE : SOCKADDR6_SIZE;

	memcpy(bytes, &family16, sizeof(family16));
	bytes[2] = (uint8_t)(endpoint->port >> 8);
	bytes[3] = (uint8_t)endpoint->port;
	if (family == LINUX_AF_INET) {
		if (is_mapped4(&endpoint->ip))
			memcpy(bytes + 4, endpoint->ip.byte + 12, 4);
	} else {
		uint32_t scope = endpoint->netif;

		memcpy(bytes + 8, endpoint->ip.byte, 16);
		memcpy(bytes + 24, &scope, sizeof(scope));
	}
	if (addr)
		memcpy(addr, bytes, room < len ? room : len);
	return len;
}

static void store_sockaddr(const struct tee_endpoint *endpoint, const struct posix_file *file,
			   void *addr, uint32_t *addr_len)
{
	if (addr && addr_len)
		*addr_len = posix_write_sockaddr(endpoint, file->domain, addr, *addr_len);
}

/* ---- the table ---- */

struct posix_world *posix_new(struct tee_stack *stack, int first_fd)
{
	struct posix_world *world = calloc(1, sizeof(*world));

	if (!world)
		return NULL;
	world->stack = stack;
	world->first_fd = first_fd;
	return world;
}

void posix_free(struct posix_world *world)
{
	if (!world)
		return;
	for (unsigned i = 0; i < world->file_capacity; i++) {
		struct posix_file *file = world->files[i];

		if (!file)
			continue;
		if (file->socket)
			tee_close(file->socket);
		posix_errqueue_free(world, file);
		free(file->items);
		free(file);
	}
	free(world->files);
	free(world);
}

void posix_set_now(struct posix_world *world, uint64_t now_ns)
{
	if (now_ns <= world->now_ns)
		return;
	posix_errqueue_settle(world);
	world->now_ns = now_ns;
}

struct posix_file *posix_find(struct posix_world *world, int fd)
{
	unsigned index = (unsigned)(fd - world->first_fd);

	return fd >= world->first_fd && index < world->file_capacity ? world->files[index] : NULL;
}

struct posix_file *posix_find_socket(struct posix_world *world, int fd, int *ret_error)
{
	struct posix_file *file = posix_find(world, fd);

	if (file && file->kind == POSIX_SOCKET)
		return file;
	*ret_error = file ? -LINUX_ENOTSOCK : -LINUX_EBADF;
	return NULL;
}

struct tee_socket *posix_socket_of(struct posix_world *world, int fd)
{
	struct posix_file *file = posix_find(world, fd);

	return file ? file->socket : NULL;
}

struct posix_file *posix_new_file(struct posix_world *world, enum posix_kind kind)
{
	struct posix_file *file = calloc(1, sizeof(*file));
	unsigned index = 0;

	if (!file)
		return NULL;
	while (index < world->file_capacity && world->files[index])
		index++;
	if (index == world->file_capacity) {
		unsigned capacity = world->file_capacity ? 2 * world->file_capacity : 16;
		/* NOLINTNEXTLINE(bugprone-sizeof-expression): pointers are what is counted */
		struct posix_file **files = realloc(world->files, capacity * sizeof(*files));

		if (!files) {
			free(file);
			return NULL;
		}
		/* NOLINTNEXTLINE(bugprone-sizeof-expression): pointers are what is counted */
		memset(files + index, 0, (capacity - index) * sizeof(*files));
		world->files = files;
		world->file_capacity = capacity;
	}
	file->kind = kind;
	file->fd = world->first_fd + (int)index;
	file->flags = LINUX_O_RDWR;
	file->linger_ns = TEE_NEVER;
	world->files[index] = file;
	return file;
}

static void drop_file(struct posix_world *world, struct posix_file *file)
{
	posix_epoll_forget(world, file->fd);
	posix_errqueue_free(world, file);
	world->files[file->fd - world->first_fd] = NULL;
	free(file->items);
	free(file);
}

int64_t posix_block(struct posix_world *world, const struct posix_file *file, bool is_nonblocking,
		    uint64_t timeout_ns, struct posix_wait *wait, int64_t verdict)
{
	if (!wait || is_nonblocking || (file && file->flags & LINUX_O_NONBLOCK))
		return verdict;
	if (!wait->is_started) {
		wait->is_started = true;
		wait->deadline_ns = timeout_ns && timeout_ns < TEE_NEVER - world->now_ns
					    ? world->now_ns + timeout_ns
					    : TEE_NEVER;
	}
	return world->now_ns >= wait->deadline_ns ? verdict : POSIX_BLOCKED;
}

bool posix_is_tcp(const struct posix_file *file)
{
	return file->kind == POSIX_SOCKET && file->type == LINUX_SOCK_STREAM;
}

enum tee_tcp_state posix_tcp_state(const struct posix_file *file)
{
	struct tee_tcp_info info;

	return tee_socket_info(file->socket, &info) < 0 ? TEE_TCP_CLOSED : info.state;
}

/* ---- calls ---- */

static int pick_socket_type(int domain, int type, int protocol, enum tee_socket_type *ret)
{
	int ping = domain == LINUX_AF_INET ? LINUX_IPPROTO_ICMP : LINUX_IPPROTO_ICMPV6;

	if (domain != LINUX_AF_INET && domain != LINUX_AF_INET6)
		return -LINUX_EAFNOSUPPORT;
	if (type == LINUX_SOCK_STREAM && (!protocol || protocol == LINUX_IPPROTO_TCP))
		*ret = TEE_SOCKET_TCP;
	else if (type == LINUX_SOCK_DGRAM && (!protocol || protocol == LINUX_IPPROTO_UDP))
		*ret = TEE_SOCKET_UDP;
	else if (type == LINUX_SOCK_DGRAM && protocol == ping)
		*ret = TEE_SOCKET_PING;
	else
		return type == LINUX_SOCK_STREAM || type == LINUX_SOCK_DGRAM
			       ? -LINUX_EPROTONOSUPPORT
			       : -LINUX_ESOCKTNOSUPPORT;
	return 0;
}

int posix_socket(struct posix_world *world, int domain, int type, int protocol)
{
	int kind = type & LINUX_SOCK_TYPE_MASK;
	int flags = type & ~LINUX_SOCK_TYPE_MASK;
	enum tee_socket_type socket_type;
	struct posix_file *file;
	int error = pick_socket_type(domain, kind, protocol, &socket_type);

	if (flags & ~(LINUX_SOCK_NONBLOCK | LINUX_SOCK_CLOEXEC) || kind >= LINUX_SOCK_TYPE_END)
		return -LINUX_EINVAL;
	if (error == -LINUX_EPROTONOSUPPORT && (unsigned)protocol >= LINUX_IPPROTO_END)
		return -LINUX_EINVAL;
	if (error < 0)
		return error;
	file = posix_new_file(world, POSIX_SOCKET);
	if (!file)
		return -LINUX_ENOMEM;
	error = tee_socket_open(world->stack, socket_type,
				domain == LINUX_AF_INET ? TEE_FAMILY_IPV4 : TEE_FAMILY_ANY,
				&file->socket);
	if (error < 0) {
		drop_file(world, file);
		return -posix_errno(error);
	}
	file->domain = domain;
	file->type = kind;
	file->protocol =
		protocol ? protocol
			 : (kind == LINUX_SOCK_STREAM ? LINUX_IPPROTO_TCP : LINUX_IPPROTO_UDP);
	if (type & LINUX_SOCK_NONBLOCK)
		file->flags |= LINUX_O_NONBLOCK;
	file->fd_flags = type & LINUX_SOCK_CLOEXEC ? 1 : 0;
	tee_socket_set_user(file->socket, file);
	return file->fd;
}

int posix_bind(struct posix_world *world, int fd, const void *addr, uint32_t addr_len)
{
	struct tee_endpoint local;
	int error = 0;
	struct posix_file *file = posix_find_socket(world, fd, &error);

	if (!file)
		return error;
	error = posix_read_sockaddr(addr, addr_len, &local);
	if (error < 0)
		return error;
	return -posix_errno(tee_bind(file->socket, &local));
}

int posix_listen(struct posix_world *world, int fd, int backlog)
{
	int error = 0;
	struct posix_file *file = posix_find_socket(world, fd, &error);

	if (!file)
		return error;
	if (!posix_is_tcp(file))
		return -LINUX_EOPNOTSUPP;
	/* Linux reads the backlog as unsigned. */
	return -posix_errno(tee_listen(file->socket, backlog < 0 ? UINT16_MAX : (unsigned)backlog));
}

int posix_adopt(struct posix_world *world, int listener_fd, struct tee_socket *socket)
{
	const struct posix_file *listener = posix_find(world, listener_fd);
	struct posix_file *child = posix_new_file(world, POSIX_SOCKET);

	if (!child)
		return -LINUX_ENOMEM;
	child->socket = socket;
	child->domain = listener->domain;
	child->type = listener->type;
	child->protocol = listener->protocol;
	child->was_connected = true;
	child->wants_inq = listener->wants_inq;
	child->has_oob_inline = listener->has_oob_inline;
	child->receive_timeout_ns = listener->receive_timeout_ns;
	child->send_timeout_ns = listener->send_timeout_ns;
	child->linger_ns = listener->linger_ns;
	posix_errqueue_inherit(child, listener);
	tee_socket_set_user(socket, child);
	return child->fd;
}

void posix_release(struct posix_world *world, int fd)
{
	struct posix_file *file = posix_find(world, fd);

	if (file)
		drop_file(world, file);
}

int64_t posix_accept(struct posix_world *world, int fd, void *addr, uint32_t *addr_len, int flags,
		     struct posix_wait *wait)
{
	struct tee_endpoint remote;
	struct tee_socket *socket;
	int error = 0, child_fd;
	struct posix_file *file = posix_find_socket(world, fd, &error), *child;

	if (!file)
		return error;
	if (!posix_is_tcp(file))
		return -LINUX_EOPNOTSUPP;
	error = tee_accept(file->socket, &socket, &remote);
	if (error == -TEE_EAGAIN)
		return posix_block(world, file, false, file->receive_timeout_ns, wait,
				   -LINUX_EAGAIN);
	if (error < 0)
		return -posix_errno(error);
	child_fd = posix_adopt(world, fd, socket);
	if (child_fd < 0) {
		tee_abort(socket);
		return child_fd;
	}
	child = posix_find(world, child_fd);
	if (flags & LINUX_SOCK_NONBLOCK)
		child->flags |= LINUX_O_NONBLOCK;
	child->fd_flags = flags & LINUX_SOCK_CLOEXEC ? 1 : 0;
	store_sockaddr(&remote, file, addr, addr_len);
	return child->fd;
}

/* connect() to AF_UNSPEC: whatever there was of a connection is no more. */
static int disconnect(struct posix_file *file)
{
	const struct tee_endpoint nobody = {0};
	int error = tee_connect(file->socket, &nobody);

	if (!error) {
		file->is_connecting = file->was_connected = file->is_deferred = false;
		file->taken = file->urgent_read_at = 0;
	}
	return -posix_errno(error);
}

/* Has the handshake that connect() began come to its end? 0, an error, or POSIX_BLOCKED. */
static int64_t finish_connect(struct posix_world *world, struct posix_file *file,
			      struct posix_wait *wait)
{
	enum tee_tcp_state state = posix_tcp_state(file);
	int error;

	if (state == TEE_TCP_SYN_SENT || state == TEE_TCP_SYN_RECEIVED) {
		int64_t verdict = wait && wait->is_started ? -LINUX_EINPROGRESS : -LINUX_EALREADY;

		return posix_block(world, file, false, file->send_timeout_ns, wait, verdict);
	}
	file->is_connecting = false;
	if (state != TEE_TCP_CLOSED)
		return 0;
	error = tee_take_error(file->socket);
	/* Once its failure is told the socket is as it was before. */
	disconnect(file);
	return error ? -posix_errno(error) : -LINUX_ECONNABORTED;
}

int64_t posix_connect(struct posix_world *world, int fd, const void *addr, uint32_t addr_len,
		      struct posix_wait *wait)
{
	struct tee_endpoint remote = {0};
	int error = 0;
	struct posix_file *file = posix_find_socket(world, fd, &error);
	uint16_t family = LINUX_AF_UNSPEC;

	if (!file)
		return error;
	if (addr && addr_len >= sizeof(family)) {
		memcpy(&family, addr, sizeof(family));
		if (family == LINUX_AF_UNSPEC)
			return disconnect(file);
	}
	if (file->is_connecting)
		return finish_connect(world, file, wait);
	error = posix_read_sockaddr(addr, addr_len, &remote);
	if (error < 0)
		return error;
	error = tee_connect(file->socket, &remote);
	if (error == -TEE_EINPROGRESS) {
		file->is_connecting = file->was_connected = true;
		return posix_block(world, file, false, file->send_timeout_ns, wait,
				   -LINUX_EINPROGRESS);
	}
	if (!error) {
		file->was_connected = true;
		file->is_deferred = posix_is_tcp(file);
	}
	return -posix_errno(error);
}

/* A listener, or a connection being opened, is a plain socket again: who waits for it is told, as no event of the stack does. */
static void tell_ended(struct posix_world *world, const struct posix_file *file)
{
	uint32_t bits = posix_ready_bits(world, file);

	for (unsigned i = 0; i < world->file_capacity; i++)
		if (world->files[i])
			posix_epoll_edge(world->files[i], file->fd, bits);
}

int posix_shutdown(struct posix_world *world, int fd, int how)
{
	int error = 0;
	struct posix_file *file = posix_find_socket(world, fd, &error);
	enum tee_tcp_state state;

	if (!file)
		return error;
	if (how < LINUX_SHUT_RD || how > LINUX_SHUT_RDWR)
		return -LINUX_EINVAL;
	if (!posix_is_tcp(file))
		return -posix_errno(tee_shutdown(file->socket, (enum tee_shutdown)(how + 1)));
	state = posix_tcp_state(file);
	/* RFC 9293 3.10.4, SYN-SENT: closing deletes the TCB. */
	if (state == TEE_TCP_SYN_SENT)
		error = disconnect(file);
	else
		error = -posix_errno(tee_shutdown(file->socket, (enum tee_shutdown)(how + 1)));
	if (!error && (state == TEE_TCP_SYN_SENT || state == TEE_TCP_LISTEN) &&
	    posix_tcp_state(file) == TEE_TCP_CLOSED)
		tell_ended(world, file);
	return error;
}

/* May close() return although SO_LINGER is on? Once nothing of ours is unacknowledged. */
static bool has_lingered(const struct posix_file *file)
{
	switch (posix_tcp_state(file)) {
	case TEE_TCP_FIN_WAIT_1:
	case TEE_TCP_CLOSING:
	case TEE_TCP_LAST_ACK: return false;
	default: return true;
	}
}

int64_t posix_close(struct posix_world *world, int fd, struct posix_wait *wait)
{
	struct posix_file *file = posix_find(world, fd);

	if (!file)
		return -LINUX_EBADF;
	if (file->kind == POSIX_SOCKET) {
		bool lingers = posix_is_tcp(file) && file->linger_ns &&
			       file->linger_ns != TEE_NEVER;

		if (lingers && wait) {
			if (!wait->is_started)
				tee_shutdown(file->socket, TEE_SHUT_WRITE);
			/* Whether the socket blocks otherwise doesn't matter. */
			if (!has_lingered(file) && posix_block(world, NULL, false, file->linger_ns,
							       wait, 0) == POSIX_BLOCKED)
				return POSIX_BLOCKED;
		}
		tee_close(file->socket);
	}
	drop_file(world, file);
	return 0;
}

int posix_fcntl(struct posix_world *world, int fd, int command, int64_t arg)
{
	const int settable = LINUX_O_NONBLOCK | LINUX_O_APPEND;
	struct posix_file *file = posix_find(world, fd);

	if (!file)
		return -LINUX_EBADF;
	switch (command) {
	case LINUX_F_GETFD: return file->fd_flags;
	case LINUX_F_SETFD: file->fd_flags = (int)(arg & 1); return 0;
	case LINUX_F_GETFL: return file->flags;
	case LINUX_F_SETFL:
		file->flags = (file->flags & ~settable) | ((int)arg & settable);
		return 0;
	default: return -LINUX_EINVAL;
	}
}

static int get_count(const struct posix_file *file, enum tee_option option, int *arg)
{
	uint64_t value;
	int error;

	if (posix_is_tcp(file) && posix_tcp_state(file) == TEE_TCP_LISTEN)
		return -LINUX_EINVAL;
	error = tee_get_option(file->socket, option, &value);
	if (error < 0)
		return -posix_errno(error);
	*arg = value > INT32_MAX ? INT32_MAX : (int)value;
	return 0;
}

int posix_ioctl(struct posix_world *world, int fd, uint64_t request, int *arg)
{
	struct posix_file *file = posix_find(world, fd);
	uint64_t ahead;
	int error;

	if (!file)
		return -LINUX_EBADF;
	if (!arg)
		return -LINUX_EFAULT;
	if (request == LINUX_FIONBIO) {
		file->flags = *arg ? file->flags | LINUX_O_NONBLOCK
				   : file->flags & ~LINUX_O_NONBLOCK;
		return 0;
	}
	if (file->kind != POSIX_SOCKET)
		return -LINUX_ENOTTY;
	switch (request) {
	case LINUX_FIONREAD:
		error = get_count(file, TEE_OPT_INQ, arg);
		if (!error && posix_is_tcp(file))
			*arg = posix_urgent_inq(file, *arg);
		return error;
	case LINUX_SIOCOUTQ: return get_count(file, TEE_OPT_OUTQ, arg);
	case LINUX_SIOCOUTQNSD: return get_count(file, TEE_OPT_OUTQ_NOTSENT, arg);
	case LINUX_SIOCATMARK:
		if (tee_get_option(file->socket, TEE_OPT_URGENT_AHEAD, &ahead) < 0)
			return -LINUX_ENOTTY;
		*arg = ahead == 1;
		return 0;
	default: return -LINUX_ENOTTY;
	}
}

int posix_getsockname(struct posix_world *world, int fd, void *addr, uint32_t *addr_len)
{
	struct tee_endpoint local;
	int error = 0;
	struct posix_file *file = posix_find_socket(world, fd, &error);

	if (!file)
		return error;
	error = tee_local_name(file->socket, &local);
	if (error < 0)
		return -posix_errno(error);
	store_sockaddr(&local, file, addr, addr_len);
	return 0;
}

int posix_getpeername(struct posix_world *world, int fd, void *addr, uint32_t *addr_len)
{
	struct tee_endpoint remote;
	int error = 0;
	struct posix_file *file = posix_find_socket(world, fd, &error);

	if (!file)
		return error;
	error = tee_remote_name(file->socket, &remote);
	if (error < 0)
		return -posix_errno(error);
	store_sockaddr(&remote, file, addr, addr_len);
	return 0;
}
