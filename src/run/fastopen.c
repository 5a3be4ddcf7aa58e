// SPDX-License-Identifier: MIT
/*
 * MSG_FASTOPEN (RFC 7413): the first send() opens the connection, and what it has to say travels in the SYN when the
 * server's cookie is known from an earlier one.
 *
 * The stack does all that. What is done here is the program's side, as connect() has it (stream.c): its descriptor
 * is joined to us while the connection opens, and a call that blocks is held. Of the data the stack takes what has room in
 * the SYN, or, for a call that waits, in its send buffer; what is left of them goes, once the handshake is over,
 * into the program's end, from where the bridge takes all that follows. A call that does not wait gets back how much
 * went into the SYN, and EINPROGRESS when that was nothing.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sys/socket.h>

#include "run/private.h"

int run_fastopen_send(struct tee_socket *socket, const struct tee_endpoint *remote,
		      struct run_early *early)
{
	ssize_t sent = tee_sendto(socket, early->data, early->len, early->waits ? TEE_MSG_EARLY : 0,
				  remote);

	if (sent < 0)
		return (int)sent;
	early->sent = (size_t)sent;
	return -TEE_EINPROGRESS;
}

/* The call waited, and the handshake is over, or failed. */
static int64_t go_on(struct run_call *call, struct run_sock *sock, int *theirs,
		     const struct run_early *early)
{
	int64_t verdict = run_connect_finish(call, sock, *theirs);
	size_t done = sock->early_sent;
	ssize_t rest = 0;

	if (verdict < 0) {
		/* As after connect(): the next attempt finds a fresh socket. */
		if (verdict != RUN_HOLD && sock->state == RUN_RETRYABLE)
			run_renew(call, sock, theirs);
		return verdict;
	}
	if (done < early->len)
		rest = send(*theirs, (const char *)early->data + done, early->len - done,
			    MSG_DONTWAIT | MSG_NOSIGNAL);
	return (int64_t)done + (rest > 0 ? rest : 0);
}

int64_t run_fastopen(struct run_call *call, struct run_sock *sock, int *theirs,
		     struct run_early *early, int flags, uint64_t name, uint32_t name_len)
{
	struct tee_stack *stack = tee_host_stack(call->run->host);
	struct tee_endpoint remote;
	int family, result;
	int64_t verdict;

	if (call->is_held)
		return go_on(call, sock, theirs, early);
	if (!(tee_stack_config(stack)->tcp_fastopen & 1))
		return -EOPNOTSUPP;
	/* Whoever is connected, listens, or tries already, can't open. */
	if (sock->state == RUN_CONNECTING)
		return -EALREADY;
	if (sock->state == RUN_FAILED)
		return run_connect_finish(call, sock, *theirs);
	if (sock->state != RUN_DRAFT && sock->state != RUN_RETRYABLE)
		return -EISCONN;
	result = run_read_sockaddr(call, name, name_len, &family, &remote);
	if (result < 0)
		return result;
	if (family == AF_UNSPEC)
		return -EOPNOTSUPP;
	early->waits = !(flags & MSG_DONTWAIT) && !run_is_nonblocking(*theirs);
	verdict = run_connect_draft(call, sock, theirs, &remote, early->waits, early);
	sock->early_sent = early->sent;
	return verdict == -EINPROGRESS && early->sent ? (int64_t)early->sent : verdict;
}
