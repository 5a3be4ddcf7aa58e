// SPDX-License-Identifier: MIT
/*
 * getsockname and getpeername: what the stack says, or said when the connection was still there. A
 * name server that was asked in place of another (resolv.c) goes by the other's name.
 */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "run/private.h"

int64_t run_call_getsockname(struct run_call *call)
{
	const uint64_t *args = (const uint64_t *)call->request->data.args;
	int dup;
	struct run_sock *sock = run_find(call, (int)args[0], &dup);

	if (!sock)
		return RUN_CONTINUE;
	close(dup);
	if (sock->domain == AF_NETLINK) {
		uint8_t name[POSIX_SOCKADDR_SIZE];
		uint32_t len = run_netlink_name(sock->netlink_pid, name);

		return run_write_name(call, name, len, args[1], args[2]);
	}
	if (sock->posix_fd >= 0)
		tee_local_name(run_socket_of(sock), &sock->local);
	return run_write_sockaddr(call, sock, &sock->local, args[1], args[2]);
}

static bool has_peer(const struct run_sock *sock)
{
	if (sock->state == RUN_DATAGRAM)
		return (sock->has_remote && sock->shown.port) || sock->domain == AF_NETLINK;
	if (sock->state == RUN_ENDED)
		return sock->has_remote && !sock->error;
	return sock->state == RUN_CONNECTED;
}

int64_t run_call_getpeername(struct run_call *call)
{
	const uint64_t *args = (const uint64_t *)call->request->data.args;
	const struct tee_endpoint *remote;
	int dup;
	struct run_sock *sock = run_find(call, (int)args[0], &dup);

	if (!sock)
		return RUN_CONTINUE;
	close(dup);
	if (!has_peer(sock))
		return -ENOTCONN;
	remote = sock->is_redirected || sock->state == RUN_DATAGRAM ? &sock->shown : &sock->remote;
	return run_write_sockaddr(call, sock, remote, args[1], args[2]);
}
