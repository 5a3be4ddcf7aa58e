// SPDX-License-Identifier: MIT
/*
 * `teeceepee serve --attach`: the sockets of this process are a daemon's (attach.c), real descriptors, so
 * this is a server as it is written for any system: a thread for each client, which reads a request
 * (serve_http.c), asks for the answer (serve_request.c) and writes it.
 *
 * At the end the descriptors are shut down, which wakes their threads, and the threads are waited for.
 *
 * RFC 9112 9.6: after the last answer our end is closed first and the client's bytes are still taken for a
 * while, else a reset could take the answer from it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "cli/serve.h"
#include "daemon/ask.h"
#include "posix/posix.h"

enum { BACKLOG = 4096, CLIENTS_MAX = 1024 };
#define DRAIN_NS (2 * TEE_NS_PER_S)

/* A client's thread. */
struct client {
	struct clients *all;
	struct client *prev, *next;
	int fd;
	struct serve_conn conn; /* what an answer wants to know of its connection */
	struct serve_worker worker;
};

struct clients {
	struct serve *serve;
	pthread_mutex_t mutex;
	pthread_cond_t is_left; /* one has left */
	struct client *first;
	unsigned count;
};

/* ---- one client ---- */

static bool send_all(int fd, const void *data, uint64_t len, int flags)
{
	const char *bytes = data;

	while (len > 0) {
		ssize_t sent = send(fd, bytes, len, flags | MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent <= 0)
			return false;
		bytes += sent;
		len -= (uint64_t)sent;
	}
	return true;
}

static bool send_answer(int fd, struct serve_answer *answer)
{
	bool is_well =
		send_all(fd, answer->head, answer->head_len, answer->body_len > 0 ? MSG_MORE : 0) &&
		send_all(fd, answer->body, answer->body_len, 0) &&
		!(answer->file && serve_file_is_torn(answer->file));

	serve_file_release(answer->file);
	free(answer->page);
	return is_well;
}

/* Answers what stands at the start of the text; how much of it is done with, 0: more is needed, -1: the end. */
static ssize_t answer_one(struct client *client, char *text, size_t len)
{
	struct serve_answer answer = {0};
	struct http_request request;
	int status;
	size_t taken = serve_read(&client->conn, text, len, &request, &status);

	if (status < 0)
		return (ssize_t)taken;
	serve_answer(&client->conn, &request, status, &answer);
	return send_answer(client->fd, &answer) && !client->conn.closes ? (ssize_t)taken : -1;
}

static void converse(struct client *client)
{
	struct serve_conn *conn = &client->conn;
	char *text = client->worker.input;
	uint64_t since_ns = tee_host_now_ns(); /* nothing came that could be answered */
	size_t len = 0;

	for (;;) {
		ssize_t got = recv(client->fd, text + len, HTTP_HEAD_MAX - len, 0);
		size_t used = 0;

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return;
		conn->active_at_ns = tee_host_now_ns();
		len += (size_t)got;
		while (used < len) {
			ssize_t taken = answer_one(client, text + used, len - used);

			if (taken < 0)
				return;
			if (taken == 0)
				break;
			used += (size_t)taken;
		}
		/* Who sends a request byte by byte is idle all the same. */
		if (used > 0)
			since_ns = conn->active_at_ns;
		else if (conn->active_at_ns - since_ns > client->all->serve->idle_ns)
			return;
		len -= used;
		memmove(text, text + used, len);
	}
}

static void set_patience(int fd, uint64_t ns)
{
	/* All zero would be no limit at all. */
	const struct timeval patience = {
		.tv_sec = (time_t)(ns / TEE_NS_PER_S),
		.tv_usec = ns < 1000 ? 1 : (suseconds_t)(ns % TEE_NS_PER_S / 1000),
	};

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
}

static void drain(struct client *client)
{
	ssize_t got;

	set_patience(client->fd, DRAIN_NS);
	shutdown(client->fd, SHUT_WR);
	do
		got = recv(client->fd, client->worker.input, HTTP_HEAD_MAX, 0);
	while (got > 0);
}

static void *client_main(void *arg)
{
	struct client *client = arg;
	struct clients *all = client->all;

	converse(client);
	if (client->conn.closes)
		drain(client);
	serve_cache_fini(&client->worker.cache);
	pthread_mutex_lock(&all->mutex);
	if (client->prev)
		client->prev->next = client->next;
	else
		all->first = client->next;
	if (client->next)
		client->next->prev = client->prev;
	all->count--;
	close(client->fd);
	free(client);
	pthread_cond_signal(&all->is_left);
	pthread_mutex_unlock(&all->mutex);
	return NULL;
}

/* ---- all of them ---- */

static void turn_away(const struct clients *all, int fd, const char *reason)
{
	cli_fail(&all->serve->cli, 0, "a client was turned away: %s", reason);
	close(fd);
}

static void take_client(struct clients *all, int fd, const struct tee_endpoint *from)
{
	struct client *client = calloc(1, sizeof(*client));
	pthread_attr_t attributes;
	pthread_t thread;
	int on = 1, error;

	if (!client) {
		turn_away(all, fd, "no memory");
		return;
	}
	client->all = all;
	client->fd = fd;
	client->worker.serve = all->serve;
	client->worker.cache.root_fd = all->serve->root_fd;
	client->conn.worker = &client->worker;
	client->conn.client = from->ip;
	set_patience(fd, all->serve->idle_ns);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	pthread_mutex_lock(&all->mutex);
	error = all->count < CLIENTS_MAX ? pthread_create(&thread, &attributes, client_main, client)
					 : EUSERS;
	if (!error) {
		client->next = all->first;
		if (all->first)
			all->first->prev = client;
		all->first = client;
		all->count++;
	}
	pthread_mutex_unlock(&all->mutex);
	pthread_attr_destroy(&attributes);
	if (error) {
		turn_away(all, fd, strerror(error));
		free(client);
	}
}

static void end_all(struct clients *all)
{
	pthread_mutex_lock(&all->mutex);
	for (struct client *client = all->first; client; client = client->next)
		shutdown(client->fd, SHUT_RDWR);
	while (all->count > 0)
		pthread_cond_wait(&all->is_left, &all->mutex);
	pthread_mutex_unlock(&all->mutex);
}

/* ---- listening ---- */

/* On all addresses of both families. */
static int open_listener(uint16_t port)
{
	const struct sockaddr_in6 local = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), on = 1, off = 0;

	if (fd < 0)
		return -1;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
	    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) == 0 &&
	    bind(fd, (const struct sockaddr *)&local, sizeof(local)) == 0 &&
	    listen(fd, BACKLOG) == 0)
		return fd;
	close(fd);
	return -1;
}

static void accept_all(struct clients *all, int listener)
{
	struct sockaddr_storage name;
	struct tee_endpoint from = {0};
	socklen_t len = sizeof(name);
	int fd;

	while ((fd = accept4(listener, (struct sockaddr *)&name, &len, SOCK_CLOEXEC)) >= 0) {
		posix_read_sockaddr(&name, len, &from);
		take_client(all, fd, &from);
		len = sizeof(name);
	}
}

int serve_run_attached(void *arg)
{
	struct clients all = {
		.serve = arg,
		.mutex = PTHREAD_MUTEX_INITIALIZER,
		.is_left = PTHREAD_COND_INITIALIZER,
	};
	const struct cli *cli = &all.serve->cli;
	struct pollfd fds[2] = {{.fd = open_listener(all.serve->port), .events = POLLIN},
				{.fd = cli->cancel_fd, .events = POLLIN}};

	if (fds[0].fd < 0)
		return cli_fail(cli, cli_exit_of_errno(errno), "can't use port %u: %s",
				all.serve->port, strerror(errno));
	serve_print_urls(all.serve, cli->daemon->addresses, cli->daemon->address_count,
			 cli->daemon->link);
	while (!cli_signal())
		if (poll(fds, 2, -1) > 0 && fds[0].revents)
			accept_all(&all, fds[0].fd);
	close(fds[0].fd);
	end_all(&all);
	return CLI_EXIT_OK;
}
