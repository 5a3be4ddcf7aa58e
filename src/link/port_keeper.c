/* SPDX-License-Identifier: MIT */
/*
 * Keeping the kernel's hands off our ports.
 *
 * A port is kept by a socket of the kernel's that is bound to it, on all addresses, and does nothing
 * else. Then bind() gives EADDRINUSE to everybody, SO_REUSEADDR or not, since ours doesn't set it; connect()
 * and bind() to port 0 pass over it, as they do over every port with a bind of its own. The
 * other way, net.ipv4.ip_local_reserved_ports, binds only the kernel's own choice: an explicit bind() still
 * gets the port, the setting is one for the whole namespace, and it stays when its maker is killed.
 * Bound sockets end with us, however we end.
 *
 * The socket doesn't listen, so a segment that reaches the kernel all the same (before the program is
 * attached, or in a fragment) finds nobody; UDP's has a filter that refuses everything, which keeps
 * such a datagram from lying in its queue, and the kernel from answering "port unreachable".
 *
 * A range would cost two descriptors a port. So its sockets are sent over a pair of AF_UNIX sockets
 * (SCM_RIGHTS), received by nobody, and closed here: in flight they live on, bound, until the pair
 * is closed.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <linux/filter.h>
#include "link/port_keeper.h"
#include "link/spec.h"

/* The kernel's limit is 253 descriptors a message. */
enum { PARK_BATCH = 128 };

static void refuse_all(int fd)
{
	struct sock_filter code = BPF_STMT(BPF_RET | BPF_K, 0);
	struct sock_fprog program = {1, &code};

	setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program));
}

/* A bound socket: of IPv6, which covers IPv4, where there is such. Below 0: -errno. */
static int bound_socket(bool is_tcp, uint16_t port)
{
	struct sockaddr_in6 any6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	struct sockaddr_in any4 = {.sin_family = AF_INET, .sin_port = htons(port)};
	int type = (is_tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC, off = 0, result;
	int fd = socket(AF_INET6, type, 0);

	if (fd >= 0) {
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
		result = bind(fd, (struct sockaddr *)&any6, sizeof(any6));
	} else {
		fd = socket(AF_INET, type, 0);
		if (fd < 0)
			return -errno;
		result = bind(fd, (struct sockaddr *)&any4, sizeof(any4));
	}
	if (result < 0) {
		result = -errno;
		close(fd);
		return result;
	}
	if (!is_tcp)
		refuse_all(fd);
	return fd;
}

static int result_of(int error)
{
	switch (error) {
	case EADDRINUSE: return -TEE_EADDRINUSE;
	case EMFILE:
	case ENFILE:
	case ETOOMANYREFS: return -TEE_ENOBUFS;
	default: return link_result_of_errno(error);
	}
}

/* Sends the descriptors on their way to nowhere and closes them here. 0 or -errno. */
static int park(const struct port_keeper *keeper, const int *fds, unsigned n)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(PARK_BATCH * sizeof(int))];
	} control;
	char byte = 0;
	struct iovec iov = {&byte, 1};
	struct msghdr message = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = CMSG_SPACE(n * sizeof(int)),
	};
	int result = 0;

	if (n == 0)
		return 0;
	memset(&control, 0, sizeof(control));
	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	control.header.cmsg_len = CMSG_LEN(n * sizeof(int));
	memcpy(CMSG_DATA(&control.header), fds, n * sizeof(int));
	if (sendmsg(keeper->parked[0], &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		result = -errno;
	for (unsigned i = 0; i < n; i++)
		close(fds[i]);
	return result;
}

static void unpark(struct port_keeper *keeper)
{
	for (unsigned i = 0; i < 2; i++) {
		if (keeper->parked[i] >= 0)
			close(keeper->parked[i]);
		keeper->parked[i] = -1;
	}
}

void port_keeper_init(struct port_keeper *keeper)
{
	memset(keeper, 0, sizeof(*keeper));
	keeper->parked[0] = keeper->parked[1] = -1;
}

void port_keeper_fini(struct port_keeper *keeper)
{
	unpark(keeper);
	for (unsigned i = 0; i < keeper->fd_count; i++)
		close(keeper->fds[i]);
	free(keeper->fds);
	port_keeper_init(keeper);
}

int port_keeper_take_range(struct port_keeper *keeper, uint16_t first, uint16_t last,
			   uint16_t *ret_port)
{
	int fds[PARK_BATCH], error = 0;
	unsigned count = 0;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, keeper->parked) < 0) {
		port_keeper_init(keeper);
		return result_of(errno);
	}
	for (uint32_t at = 2u * first; at <= 2u * last + 1 && error == 0; at++) {
		int fd = bound_socket(at % 2 == 0, (uint16_t)(at / 2));

		if (fd < 0) {
			error = fd;
			*ret_port = (uint16_t)(at / 2);
			break;
		}
		fds[count++] = fd;
		if (count == PARK_BATCH) {
			error = park(keeper, fds, count);
			count = 0;
		}
	}
	if (error == 0) {
		error = park(keeper, fds, count);
		count = 0;
	}
	if (error == 0)
		return 0;
	while (count > 0)
		close(fds[--count]);
	unpark(keeper);
	return result_of(-error);
}

int port_keeper_take(struct port_keeper *keeper, bool is_tcp, uint16_t port)
{
	int fd;

	if (keeper->fd_count == keeper->fd_size) {
		unsigned size = keeper->fd_size ? 2 * keeper->fd_size : 8;
		int *grown = realloc(keeper->fds, size * sizeof(*grown));

		if (!grown)
			return -TEE_ENOMEM;
		keeper->fds = grown;
		keeper->fd_size = size;
	}
	fd = bound_socket(is_tcp, port);
	if (fd < 0)
		return result_of(-fd);
	keeper->fds[keeper->fd_count++] = fd;
	return 0;
}
