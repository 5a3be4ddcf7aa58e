// SPDX-License-Identifier: MIT
/*
 * libcurl on our sockets.
 *
 * libcurl asks for a socket (CURLOPT_OPENSOCKETFUNCTION) once it has an address. We don't want it to
 * look one up, since that would ask the system's resolver; so CURLOPT_CONNECT_TO sends every
 * connection to one literal address, 127.0.0.1, for which there is nothing to look up. When the
 * socket is asked for, the URL in force (after a redirect: the new one) tells the name; tee_dial()
 * resolves it and connects over our stack. TLS names, Host headers and connection reuse stay those of the
 * URL.
 *
 * libcurl then calls connect() by itself (not all its versions can be told that a socket is connected
 * already), with the address that our function may have changed. So it gets an AF_UNIX socket and the name
 * of a listener of our own, a rendezvous: it connects there at once, and what the listener
 * accepts becomes the stack's end of a bridge. The kernel chooses the listener's name, and only this
 * process is let in.
 *
 * With --attach libcurl's own sockets and look-ups are the daemon's stack's, and nothing of this is
 * needed.
 *
 * Proxies of the environment are switched off: they would be a way around the stack's own names.
 */
#define _GNU_SOURCE /* accept4, struct ucred */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "cli/curl.h"
#include "host/bridge.h"

/* libcurl's end of a connection, by its number; the cookie tells whether it is still the same socket. */
struct curl_far_end {
	int fd;
	uint64_t cookie;
};

/* A connection of the stack that waits for libcurl's connect(). */
struct curl_meeting {
	struct curl_command *command;
	struct tee_socket *socket;
	int listen_fd;
	struct curl_far_end far_end;
	struct curl_meeting *next;
};

/* Host (without an IPv6 literal's brackets) and port of the URL that is being fetched. */
static int current_target(CURL *easy, char **ret_host, long *ret_port)
{
	char *url = NULL, *host = NULL, *port = NULL;
	unsigned flags = 0;
	CURLU *parts = curl_url();
	int result = -1;

#ifdef CURLU_PUNYCODE
	flags = CURLU_PUNYCODE;
#endif
	if (parts && curl_easy_getinfo(easy, CURLINFO_EFFECTIVE_URL, &url) == CURLE_OK && url &&
	    curl_url_set(parts, CURLUPART_URL, url, CURLU_GUESS_SCHEME) == CURLUE_OK &&
	    curl_url_get(parts, CURLUPART_HOST, &host, flags) == CURLUE_OK &&
	    curl_url_get(parts, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK) {
		size_t len = strlen(host);
		bool has_brackets = len > 1 && host[0] == '[' && host[len - 1] == ']';

		*ret_host = has_brackets ? strndup(host + 1, len - 2) : strdup(host);
		*ret_port = strtol(port, NULL, 10);
		result = *ret_host ? 0 : -1;
	}
	curl_free(host);
	curl_free(port);
	curl_url_cleanup(parts);
	return result;
}

static uint64_t time_left_ns(const struct curl_command *command)
{
	uint64_t left_ns = command->connect_timeout_ns;
	uint64_t spent_ns = tee_host_now_ns() - command->started_ns;

	if (command->max_time_ns) {
		uint64_t rest_ns = command->max_time_ns > spent_ns ? command->max_time_ns - spent_ns
								   : 1;

		if (rest_ns < left_ns)
			left_ns = rest_ns;
	}
	return left_ns;
}

/* With -4 or -6 the name's addresses of that family, one after the other. */
static int dial_family(struct curl_command *command, const char *name, uint16_t port,
		       struct tee_socket **ret_socket)
{
	struct tee_ip ips[8];
	char text[TEE_IP_TEXT_SIZE];
	int count =
		tee_resolve(command->cli.host, name, command->family, ips, 8, command->dial_error);
	int result = count < 0 ? count : -TEE_ENOENT;

	for (int i = 0; i < count && result != -TEE_ECANCELED; i++) {
		result = tee_dial(command->cli.host, tee_ip_format(&ips[i], text), port,
				  time_left_ns(command), ret_socket, command->dial_error);
		if (result == 0)
			break;
	}
	return result;
}

static void tell_connected(const struct curl_command *command, const char *name,
			   const struct tee_socket *socket)
{
	char local_text[TEE_ENDPOINT_TEXT_SIZE], remote_text[TEE_ENDPOINT_TEXT_SIZE];
	struct tee_endpoint local, remote;

	if (!command->verbose || tee_local_name(socket, &local) < 0 ||
	    tee_remote_name(socket, &remote) < 0)
		return;
	fprintf(stderr, "* %s is %s; connected from %s over %s\n", name,
		tee_endpoint_format(&remote, remote_text), tee_endpoint_format(&local, local_text),
		command->cli.config.link ? command->cli.config.link : "slirp");
}

/* ---- the rendezvous ---- */

/* It is out of the list already. */
static void free_meeting(struct curl_meeting *meeting)
{
	tee_host_unwatch_fd(meeting->command->cli.host, meeting->listen_fd);
	close(meeting->listen_fd);
	if (meeting->socket)
		tee_abort(meeting->socket);
	free(meeting);
}

static void end_meeting(struct curl_meeting *meeting)
{
	struct curl_meeting **link = &meeting->command->meetings;

	while (*link != meeting)
		link = &(*link)->next;
	*link = meeting->next;
	free_meeting(meeting);
}

static bool is_ourself(int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 && peer.pid == getpid();
}

/* For the bridge, which passes a reset on by it. */
static int dup_far_end(void *arg)
{
	const struct curl_far_end *far_end = arg;
	socklen_t len = sizeof(far_end->cookie);
	uint64_t cookie = 0;
	int fd = dup(far_end->fd);

	if (fd >= 0 && (getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len) < 0 ||
			cookie != far_end->cookie)) {
		close(fd);
		fd = -1;
	}
	return fd;
}

static void forget_far_end(void *arg, int error)
{
	(void)error;
	free(arg);
}

static int join(const struct curl_meeting *meeting, int fd)
{
	struct curl_far_end *far_end = malloc(sizeof(*far_end));
	const struct bridge_hooks hooks = {
		.dup_far_end = dup_far_end, .on_end = forget_far_end, .arg = far_end};
	int result = -TEE_ENOMEM;

	if (far_end) {
		*far_end = meeting->far_end;
		result = bridge_new(meeting->command->cli.host, meeting->socket, fd, &hooks, NULL);
	}
	if (result < 0)
		free(far_end);
	return result;
}

/* libcurl has connected: join the two. In the host's loop. */
static void on_meeting(void *arg, int listen_fd, short revents)
{
	struct curl_meeting *meeting = arg;
	int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)revents;
	if (fd < 0)
		return;
	if (!is_ourself(fd)) {
		close(fd);
		return;
	}
	if (join(meeting, fd) < 0)
		close(fd); /* libcurl reads the end of the stream */
	else
		meeting->socket = NULL;
	end_meeting(meeting);
}

/* A listener that the kernel names; `ret_name` is what to connect to. */
static int open_listener(struct sockaddr_un *ret_name, socklen_t *ret_len)
{
	const struct sockaddr_un unnamed = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	*ret_len = sizeof(*ret_name);
	if (fd >= 0 &&
	    (bind(fd, (const struct sockaddr *)&unnamed, sizeof(unnamed.sun_family)) < 0 ||
	     listen(fd, 8) < 0 || getsockname(fd, (struct sockaddr *)ret_name, ret_len) < 0)) {
		close(fd);
		return -1;
	}
	return fd;
}

/* Takes the socket over; libcurl's descriptor, with `address` saying where it is to connect. */
static curl_socket_t arrange_meeting(struct curl_command *command, struct tee_socket *connection,
				     struct curl_sockaddr *address)
{
	struct curl_meeting *meeting = calloc(1, sizeof(*meeting));
	struct tee_host *host = command->cli.host;
	struct sockaddr_un name;
	socklen_t name_len, cookie_len = sizeof(meeting->far_end.cookie);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (!meeting || fd < 0 || (meeting->listen_fd = open_listener(&name, &name_len)) < 0) {
		cli_fail(&command->cli, 0, "can't hand a connection over: %s", strerror(errno));
		tee_abort(connection);
		free(meeting);
		if (fd >= 0)
			close(fd);
		return CURL_SOCKET_BAD;
	}
	meeting->command = command;
	meeting->socket = connection;
	meeting->far_end.fd = fd;
	getsockopt(fd, SOL_SOCKET, SO_COOKIE, &meeting->far_end.cookie, &cookie_len);
	meeting->next = command->meetings;
	command->meetings = meeting;
	tee_host_watch_fd(host, meeting->listen_fd, POLLIN, on_meeting, meeting);
	/* The structure behind `address` has room for any kind of address. */
	address->family = AF_UNIX;
	address->addrlen = name_len;
	memcpy(&address->addr, &name, name_len);
	return fd;
}

static curl_socket_t open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
	struct curl_command *command = arg;
	struct tee_host *host = command->cli.host;
	struct tee_socket *connection = NULL;
	curl_socket_t fd = CURL_SOCKET_BAD;
	char *name = NULL;
	struct tee_ip ip;
	long port = 0;

	(void)purpose;
	if (current_target(command->easy, &name, &port) < 0)
		return CURL_SOCKET_BAD;
	/* An address is dialled as it is: -4 and -6 are for names. */
	if (command->family == TEE_FAMILY_ANY || tee_ip_parse(name, &ip) == 0)
		command->dial_result = tee_dial(host, name, (uint16_t)port, time_left_ns(command),
						&connection, command->dial_error);
	else
		command->dial_result = dial_family(command, name, (uint16_t)port, &connection);
	if (command->dial_result == 0) {
		tee_host_lock(host);
		tell_connected(command, name, connection);
		/* libcurl writes whole requests: nothing is gained by waiting for more. */
		tee_set_option(connection, TEE_OPT_NODELAY, 1);
		fd = arrange_meeting(command, connection, address);
		tee_host_unlock(host);
	}
	free(name);
	return fd;
}

void curl_net_fini(struct curl_command *command)
{
	if (!command->cli.host)
		return;
	tee_host_lock(command->cli.host);
	while (command->meetings) {
		struct curl_meeting *meeting = command->meetings;

		command->meetings = meeting->next;
		free_meeting(meeting);
	}
	tee_host_unlock(command->cli.host);
	curl_slist_free_all(command->connect_to);
}

/* The sockets of this process are the daemon's already. */
static void use_own_sockets(struct curl_command *command)
{
	static const long families[] = {
		[TEE_FAMILY_ANY] = CURL_IPRESOLVE_WHATEVER,
		[TEE_FAMILY_IPV4] = CURL_IPRESOLVE_V4,
		[TEE_FAMILY_IPV6] = CURL_IPRESOLVE_V6,
	};

	curl_easy_setopt(command->easy, CURLOPT_IPRESOLVE, families[command->family]);
	curl_easy_setopt(command->easy, CURLOPT_CONNECTTIMEOUT_MS,
			 (long)(command->connect_timeout_ns / TEE_NS_PER_MS));
}

int curl_net_init(struct curl_command *command)
{
	CURL *easy = command->easy;

	curl_easy_setopt(easy, CURLOPT_PROXY, "");
	if (!command->cli.host) {
		use_own_sockets(command);
		return 0;
	}
	command->connect_to = curl_slist_append(NULL, "::127.0.0.1:");
	if (!command->connect_to)
		return -1;
	curl_easy_setopt(easy, CURLOPT_CONNECT_TO, command->connect_to);
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, command);
	curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 0L); /* not the far end's matter */
	return 0;
}
