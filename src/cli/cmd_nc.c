// SPDX-License-Identifier: MIT
/*
 * `teeceepee nc`: standard input and output joined to a TCP connection or UDP peer.
 *
 * Three threads for a connection: the host's, one that reads standard input into the socket, and the
 * main one that writes what comes in to standard output. Either may block on its descriptor without
 * holding up the stack. Neither copies through a buffer of its own: input is read straight into
 * the send queue, output is written straight from the packets.
 *
 * The end of standard input is a FIN (half-close); the peer's answer still comes in. The end of what the
 * peer sends leaves the other direction open until standard input ends.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "cli/nc.h"

enum { VIEW_SLICES = 64 };

int nc_fail_errno(const struct nc *nc, int code, const char *what, int error_number)
{
	return cli_fail(&nc->cli, code, "%s: %s", what, strerror(error_number));
}

static int fail_socket(const struct nc *nc, int error)
{
	/* cli_close() knows the signal, and tells of a link that is gone. */
	if (error == -TEE_ECANCELED || cli_link_error(&nc->cli)[0])
		return CLI_EXIT_FAILED;
	return cli_fail(&nc->cli, cli_exit_of_error(error), "%s", tee_strerror(error));
}

/* ---- standard input to the socket ---- */

bool nc_wait_input(const struct nc *nc)
{
	struct pollfd fds[3] = {{.fd = STDIN_FILENO, .events = POLLIN},
				{.fd = nc->stop_fd, .events = POLLIN},
				{.fd = nc->cli.cancel_fd, .events = POLLIN}};

	while (poll(fds, 3, -1) < 0)
		if (errno != EINTR)
			return true; /* then read() tells */
	return fds[1].revents == 0 && fds[2].revents == 0;
}

/* Waits, lock held, until the socket takes more; 0 or the exit code. */
static int wait_room(struct nc *nc)
{
	while (!(tee_readiness(nc->socket) & (TEE_EV_WRITABLE | TEE_EV_ERROR | TEE_EV_HUP))) {
		uint64_t stop;
		int result = tee_wait(nc->cli.host, nc->socket,
				      TEE_EV_WRITABLE | TEE_EV_ERROR | TEE_EV_HUP,
				      100 * TEE_NS_PER_MS);

		if (result < 0)
			return CLI_EXIT_FAILED;
		if (read(nc->stop_fd, &stop, sizeof(stop)) > 0)
			return CLI_EXIT_FAILED;
	}
	return 0;
}

/* One read() into the send queue, lock held. 1: go on, 0: the input has ended, -1: give up. */
static int pass_input(struct nc *nc)
{
	void *room;
	size_t room_len;
	ssize_t len;
	int result = tee_send_reserve(nc->socket, NC_CHUNK_BYTES, &room, &room_len);

	if (result == -TEE_EAGAIN)
		return wait_room(nc) ? -1 : 1;
	if (result < 0)
		return -1; /* the receiving side reports why */
	len = read(STDIN_FILENO, room, room_len);
	if (len < 0 && (errno == EAGAIN || errno == EINTR))
		return 1;
	if (len < 0) {
		nc->send_code = nc_fail_errno(nc, CLI_EXIT_READ, "standard input", errno);
		return -1;
	}
	if (len == 0)
		return 0;
	tee_send_commit(nc->socket, (size_t)len);
	nc->sent_bytes += (uint64_t)len;
	return 1;
}

/* UDP: what one read() gives is one datagram. */
static int pass_datagram(struct nc *nc)
{
	static uint8_t datagram[NC_DATAGRAM_MAX];
	ssize_t len = read(STDIN_FILENO, datagram, sizeof(datagram)), result = 0;

	if (len < 0 && (errno == EAGAIN || errno == EINTR))
		return 1;
	if (len < 0) {
		nc->send_code = nc_fail_errno(nc, CLI_EXIT_READ, "standard input", errno);
		return -1;
	}
	if (len == 0)
		return 0;
	if (nc->has_peer)
		result = tee_send(nc->socket, datagram, (size_t)len, 0);
	if (result < 0 && result != -TEE_EAGAIN && result != -TEE_ECONNREFUSED) {
		nc->send_code = fail_socket(nc, (int)result);
		return -1;
	}
	nc->sent_bytes += (uint64_t)len;
	return 1;
}

static void *send_all(void *arg)
{
	struct nc *nc = arg;
	int result = 1;

	while (result > 0 && nc_wait_input(nc)) {
		tee_host_lock(nc->cli.host);
		result = nc->is_udp ? pass_datagram(nc) : pass_input(nc);
		if (result == 0 && !nc->is_udp)
			tee_shutdown(nc->socket, TEE_SHUT_WRITE);
		tee_host_unlock(nc->cli.host);
	}
	return NULL;
}

/* ---- the socket to standard output ---- */

int nc_write_all(struct iovec *pieces, int count)
{
	while (count > 0) {
		ssize_t len = writev(STDOUT_FILENO, pieces, count);

		if (len < 0 && errno == EAGAIN) {
			struct pollfd out = {.fd = STDOUT_FILENO, .events = POLLOUT};

			poll(&out, 1, -1);
		} else if (len < 0 && errno != EINTR) {
			return errno;
		}
		for (; len > 0 && count > 0; len -= (ssize_t)pieces->iov_len, pieces++, count--)
			if ((size_t)len < pieces->iov_len) {
				pieces->iov_base = (char *)pieces->iov_base + len;
				pieces->iov_len -= (size_t)len;
				break;
			}
	}
	return 0;
}

/* Waits for news, lock held: 1, 0 when -w ran out, or an error. */
static int wait_news(struct nc *nc)
{
	const unsigned want = TEE_EV_READABLE | TEE_EV_RDHUP | TEE_EV_ERROR | TEE_EV_HUP;
	uint64_t sent_before;
	int result;

	do {
		sent_before = nc->sent_bytes;
		result = tee_wait(nc->cli.host, nc->socket, want, nc->idle_ns);
	} while (result == 0 && nc->sent_bytes != sent_before);
	return result;
}

/* Everything up to the peer's FIN goes out; returns the exit code. Lock held on entry and exit. */
static int receive_stream(struct nc *nc)
{
	struct tee_slice slices[VIEW_SLICES];
	struct iovec pieces[VIEW_SLICES];
	struct tee_host *host = nc->cli.host;

	for (;;) {
		int count = tee_recv_view(nc->socket, slices, VIEW_SLICES), error;
		size_t total = 0;

		if (count == -TEE_EAGAIN) {
			int waited = wait_news(nc);

			if (waited == 0)
				return cli_fail(&nc->cli, CLI_EXIT_TIMEOUT, "idle for too long");
			if (waited < 0)
				return fail_socket(nc, waited);
			continue;
		}
		if (count < 0)
			return fail_socket(nc, count);
		if (count == 0)
			return CLI_EXIT_OK;
		for (int i = 0; i < count; i++) {
			pieces[i].iov_base = (void *)(uintptr_t)slices[i].ptr;
			pieces[i].iov_len = slices[i].len;
			total += slices[i].len;
		}
		/* The view stays as it is while we write; the stack goes on meanwhile. */
		tee_host_unlock(host);
		error = nc_write_all(pieces, count);
		tee_host_lock(host);
		if (error)
			return nc_fail_errno(nc, CLI_EXIT_WRITE, "standard output", error);
		tee_recv_consume(nc->socket, total);
	}
}

static int receive_datagrams(struct nc *nc)
{
	static uint8_t datagram[65536];
	struct tee_host *host = nc->cli.host;

	for (;;) {
		struct tee_endpoint from;
		ssize_t len = tee_recvfrom(nc->socket, datagram, sizeof(datagram), 0, &from);
		struct iovec piece = {datagram, len > 0 ? (size_t)len : 0};
		int error;

		if (len == -TEE_EAGAIN) {
			int waited = wait_news(nc);

			if (waited == 0)
				return CLI_EXIT_OK;
			if (waited < 0)
				return fail_socket(nc, waited);
			continue;
		}
		if (len < 0)
			return fail_socket(nc, (int)len);
		/* The first to write becomes the peer, as in other nc's. */
		if (!nc->has_peer)
			nc->has_peer = tee_connect(nc->socket, &from) >= 0;
		tee_host_unlock(host);
		error = nc_write_all(&piece, 1);
		tee_host_lock(host);
		if (error)
			return nc_fail_errno(nc, CLI_EXIT_WRITE, "standard output", error);
	}
}

void nc_stop_input(const struct nc *nc)
{
	const uint64_t one = 1;

	while (write(nc->stop_fd, &one, sizeof(one)) < 0 && errno == EINTR)
		continue;
}

/* With -k the one before may have been stopped. */
void nc_clear_stop(const struct nc *nc)
{
	uint64_t count;
	ssize_t result = read(nc->stop_fd, &count, sizeof(count));

	(void)result;
}

/* Both directions to their ends. The socket is closed afterwards. */
static int carry(struct nc *nc)
{
	pthread_t sender;
	int code;

	nc->send_code = 0;
	nc_clear_stop(nc);
	if (pthread_create(&sender, NULL, send_all, nc) != 0)
		return cli_fail(&nc->cli, CLI_EXIT_FAILED, "can't start a thread");
	tee_host_lock(nc->cli.host);
	code = nc->is_udp ? receive_datagrams(nc) : receive_stream(nc);
	tee_host_unlock(nc->cli.host);
	/* After the peer's FIN the other direction goes on; after a failure nothing does. */
	if (code != CLI_EXIT_OK || nc->is_udp || nc->stays)
		nc_stop_input(nc);
	pthread_join(sender, NULL);
	tee_host_lock(nc->cli.host);
	tee_close(nc->socket);
	nc->socket = NULL;
	tee_host_unlock(nc->cli.host);
	return code ? code : nc->send_code;
}

/* ---- finding the peer ---- */

static void tell(const struct nc *nc, const char *what, const struct tee_endpoint *endpoint)
{
	char text[TEE_ENDPOINT_TEXT_SIZE];

	if (nc->is_verbose)
		cli_fail(&nc->cli, 0, "%s %s", what, tee_endpoint_format(endpoint, text));
}

static int open_bound(struct nc *nc, struct tee_socket **ret_socket)
{
	struct tee_host *host = nc->cli.host;
	const struct tee_endpoint local = {.port = nc->is_listening ? nc->port : nc->local_port};
	int result;

	tee_host_lock(host);
	result = tee_socket_open(tee_host_stack(host), nc->is_udp ? TEE_SOCKET_UDP : TEE_SOCKET_TCP,
				 TEE_FAMILY_ANY, ret_socket);
	if (result >= 0 && local.port) {
		tee_set_option(*ret_socket, TEE_OPT_REUSEADDR, 1);
		result = tee_bind(*ret_socket, &local);
	}
	if (result >= 0 && nc->is_listening && !nc->is_udp)
		result = tee_listen(*ret_socket, NC_BACKLOG);
	tee_host_unlock(host);
	if (result < 0)
		return cli_fail(&nc->cli, cli_exit_of_error(result), "can't use port %u: %s",
				local.port, tee_strerror(result));
	return 0;
}

static int run_listening(struct nc *nc)
{
	struct tee_host *host = nc->cli.host;
	struct tee_socket *listener;
	int code = open_bound(nc, &listener);

	do {
		struct tee_endpoint remote;
		int result;

		if (code)
			return code;
		result = tee_accept_wait(host, listener, &nc->socket, &remote);
		if (result < 0)
			return fail_socket(nc, result);
		tell(nc, "connection from", &remote);
		if (!nc->stays) {
			tee_host_lock(host);
			tee_close(listener);
			tee_host_unlock(host);
		}
		code = carry(nc);
		/* One client's bad end is no reason to turn the next one away. */
		if (nc->stays && code != CLI_EXIT_WRITE && !tee_host_error(host)[0])
			code = 0;
	} while (nc->stays && !cli_signal());
	return code;
}

static int connect_from(struct nc *nc, const struct tee_endpoint *remote)
{
	struct tee_host *host = nc->cli.host;
	int code = open_bound(nc, &nc->socket), result;

	if (code)
		return code;
	tee_host_lock(host);
	result = tee_connect(nc->socket, remote);
	if (result == -TEE_EINPROGRESS) {
		result = tee_wait(host, nc->socket, TEE_EV_WRITABLE | TEE_EV_ERROR | TEE_EV_HUP,
				  nc->idle_ns);
		if (result > 0)
			result = -tee_take_error(nc->socket);
		else if (result == 0)
			result = -TEE_ETIMEDOUT;
	}
	tee_host_unlock(host);
	nc->has_peer = true;
	if (result < 0)
		return cli_fail(&nc->cli, cli_exit_of_error(result),
				"can't connect to %s port %u: %s", nc->name, nc->port,
				tee_strerror(result));
	return 0;
}

static int run_connecting(struct nc *nc)
{
	struct tee_endpoint remote = {.port = nc->port};
	char error[TEE_HOST_ERROR_SIZE];
	int result, code;

	if (!nc->is_udp && !nc->local_port) {
		result =
			tee_dial(nc->cli.host, nc->name, nc->port, nc->idle_ns, &nc->socket, error);
		if (result == -TEE_ECANCELED)
			return CLI_EXIT_FAILED;
		if (result < 0)
			return cli_fail(&nc->cli, cli_exit_of_error(result), "%s", error);
	} else {
		result = tee_resolve(nc->cli.host, nc->name, TEE_FAMILY_ANY, &remote.ip, 1, error);
		if (result < 0)
			return cli_fail(&nc->cli, cli_exit_of_error(result), "%s", error);
		code = connect_from(nc, &remote);
		if (code)
			return code;
	}
	tee_host_lock(nc->cli.host);
	if (tee_remote_name(nc->socket, &remote) == 0)
		tell(nc, "connected to", &remote);
	tee_host_unlock(nc->cli.host);
	return nc->only_connects ? CLI_EXIT_OK : carry(nc);
}

static int nc_run(struct nc *nc)
{
	int code = tee_host_start(nc->cli.host);

	if (code < 0)
		return cli_fail(&nc->cli, CLI_EXIT_FAILED, "can't start a thread: %s",
				tee_strerror(code));
	if (nc->is_listening && nc->is_udp) {
		code = open_bound(nc, &nc->socket);
		return code ? code : carry(nc);
	}
	return nc->is_listening ? run_listening(nc) : run_connecting(nc);
}

/* ---- options ---- */

static void take_argument(struct nc *nc, struct argp_state *state, char *arg)
{
	if (!nc->is_listening && !nc->name)
		nc->name = arg;
	else if (!nc->port)
		nc->port = (uint16_t)cli_number(state, "PORT", arg, 1, 65535);
	else
		argp_error(state, "'%s' is one argument too many", arg);
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct nc *nc = state->input;

	switch (key) {
	case ARGP_KEY_INIT: state->child_inputs[0] = &nc->cli; break;
	case 'l': nc->is_listening = true; break;
	case 'u': nc->is_udp = true; break;
	case 'k': nc->stays = true; break;
	case 'v': nc->is_verbose = true; break;
	case 'z': nc->only_connects = true; break;
	case 'w': nc->idle_ns = cli_seconds(state, "-w", arg); break;
	case 'p': nc->local_port = (uint16_t)cli_number(state, "-p", arg, 1, 65535); break;
	case ARGP_KEY_ARG: take_argument(nc, state, arg); break;
	case ARGP_KEY_END:
		/* `nc PORT -l` has put the port where HOST goes. */
		if (nc->is_listening && nc->name && !nc->port)
			nc->port = (uint16_t)cli_number(state, "PORT", nc->name, 1, 65535);
		else if (nc->is_listening && nc->name)
			argp_error(state, "-l takes a PORT only, not '%s'", nc->name);
		if (nc->is_listening && nc->local_port)
			argp_error(state, "-p is the port to connect from: -l takes PORT alone");
		if (nc->is_listening && nc->only_connects)
			argp_error(state, "-z only connects, and goes with HOST PORT, not with -l");
		if (!nc->port)
			argp_error(state, nc->is_listening ? "PORT is missing"
							   : "HOST and PORT are needed");
		if (nc->stays && (!nc->is_listening || nc->is_udp))
			argp_error(state, "-k goes with -l, and not with -u");
		break;
	default: return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

int cmd_nc(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{"listen", 'l', NULL, 0, "Wait for a connection to PORT of our own address", 0},
		{"udp", 'u', NULL, 0, "UDP: what one read gives is a datagram", 0},
		{"keep-open", 'k', NULL, 0, "With -l: take one connection after the other", 0},
		{"wait", 'w', "SECONDS", 0, "Give up when nothing happens for so long", 0},
		{"source-port", 'p', "PORT", 0, "Connect from this port of ours", 0},
		{"zero", 'z', NULL, 0, "Only see whether a connection can be opened", 0},
		{"verbose", 'v', NULL, 0, "Tell who is connected", 0},
		{0},
	};
	static const struct argp_child children[] = {{&cli_common_argp, 0, NULL, 0}, {0}};
	static const struct argp argp = {
		options,
		parse,
		"HOST PORT\n-l PORT",
		"Join standard input and output to a TCP connection, or to a UDP peer.",
		children,
		NULL,
		NULL,
	};
	struct nc *nc = calloc(1, sizeof(*nc));
	int code;

	if (!nc)
		return CLI_EXIT_FAILED;
	nc->idle_ns = TEE_NEVER;
	nc->fd = -1;
	cli_init(&nc->cli, argv[0]);
	cli_parse(&argp, argc, argv, nc);
	nc->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (nc->stop_fd < 0) {
		code = nc_fail_errno(nc, CLI_EXIT_FAILED, "eventfd", errno);
	} else if (nc->cli.attach) {
		code = cli_attached(&nc->cli, nc_run_attached, nc);
	} else {
		code = cli_open(&nc->cli);
		if (!code)
			code = cli_close(&nc->cli, nc_run(nc));
	}
	if (nc->stop_fd >= 0)
		close(nc->stop_fd);
	free(nc);
	return code;
}
