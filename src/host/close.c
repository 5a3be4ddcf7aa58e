// SPDX-License-Identifier: MIT
/*
 * Ending in order: connections, then the lease, then the link.
 *
 * Every open TCP socket is shut down for sending (FIN after what is queued). The loop then goes on
 * until no connection has anything left to say, at most `grace_ns`. After that the address is gone and
 * nobody could answer the peers any more, so whoever has not finished gets a RST, as RFC 9293
 * 3.9.1.6 has it for ABORT. TIME-WAIT is not waited for.
 */
#include <stdlib.h>

#include "host/bridge.h"
#include "host/open.h"
#include "host/resolve.h"

/* Collects the sockets of all connections; the walk forbids changes meanwhile. */
static struct tee_socket **list_sockets(struct tee_host *host, size_t *ret_count)
{
	struct tee_socket_entry entry;
	struct tee_socket **sockets = NULL;
	size_t count = 0, size = 0;

	for (uint64_t cursor = 0; tee_socket_list(host->stack, &cursor, &entry);) {
		if (!entry.has_socket || !entry.socket)
			continue;
		if (count == size) {
			struct tee_socket **grown;

			size = size ? 2 * size : 64;
			grown = realloc(sockets, size * sizeof(struct tee_socket *));
			if (!grown)
				break;
			sockets = grown;
		}
		sockets[count++] = entry.socket;
	}
	*ret_count = count;
	return sockets;
}

/* Has the connection nothing more to send or to wait for? */
static bool is_over(enum tee_tcp_state state)
{
	return state == TEE_TCP_CLOSED || state == TEE_TCP_LISTEN || state == TEE_TCP_TIME_WAIT;
}

static bool is_all_over(void *arg)
{
	struct tee_host *host = arg;
	struct tee_socket_entry entry;

	for (uint64_t cursor = 0; tee_socket_list(host->stack, &cursor, &entry);)
		if (entry.type == TEE_SOCKET_TCP && !is_over(entry.tcp.state))
			return false;
	return true;
}

/* FIN for what is connected; listeners and half-open attempts simply end. */
static void begin_end(struct tee_socket *socket)
{
	struct tee_tcp_info info;

	if (tee_socket_kind(socket) == TEE_SOCKET_TCP && tee_socket_info(socket, &info) == 0 &&
	    !is_over(info.state) && info.state != TEE_TCP_SYN_SENT)
		tee_shutdown(socket, TEE_SHUT_WRITE);
	else
		tee_close(socket);
}

/* Data that still comes would fill the window and hold up the peer's FIN. */
static void discard_input(void *arg, struct tee_socket *socket, unsigned ready)
{
	(void)arg, (void)ready;
	while (tee_recv(socket, NULL, SIZE_MAX / 2, TEE_MSG_TRUNC) > 0)
		continue;
}

void host_settle(struct tee_host *host, uint64_t grace_ns)
{
	struct tee_socket **sockets;
	size_t count;
	uint64_t until_ns = tee_host_now_ns() + grace_ns;
	bool was_cancelled;

	tee_host_lock(host);
	resolver_free(host);
	bridge_end_all(host);
	sockets = list_sockets(host, &count);
	for (size_t i = 0; i < count; i++) {
		tee_host_watch_socket(host, sockets[i], NULL, NULL);
		begin_end(sockets[i]);
	}
	free(sockets);
	sockets = list_sockets(host, &count);
	for (size_t i = 0; i < count; i++)
		tee_host_watch_socket(host, sockets[i], discard_input, NULL);
	/* A wish to end is no reason to leave the peers without a FIN. */
	was_cancelled = host->is_cancelled;
	host->is_cancelled = false;
	host_wait(host, until_ns, is_all_over, host);
	host->is_cancelled = was_cancelled;
	for (size_t i = 0; i < count; i++) {
		tee_host_watch_socket(host, sockets[i], NULL, NULL);
		tee_abort(sockets[i]);
	}
	free(sockets);
	host_flush(host, tee_host_now_ns());
	tee_host_unlock(host);
}

/* Gives a link that couldn't take our last frames at once a moment for it. */
static void drain(struct tee_host *host)
{
	uint64_t until_ns = tee_host_now_ns() + 50 * TEE_NS_PER_MS;

	do {
		if (host_turn(host, TEE_NS_PER_MS) < 0)
			return;
	} while ((host->out_first < host->out_count || tee_has_output(host->stack, host->netif)) &&
		 tee_host_now_ns() < until_ns);
}

void tee_host_close(struct tee_host *host, uint64_t grace_ns)
{
	if (!host)
		return;
	tee_host_stop(host);
	if (host->stack && host->netif > 0) {
		host_settle(host, grace_ns);
		tee_host_lock(host);
		if (host->uses_dhcp && !host->error_code)
			tee_dhcp_release(host->stack, host->netif);
		drain(host);
		tee_host_unlock(host);
	}
	host_free(host);
}
