// SPDX-License-Identifier: MIT
/*
 * Published ports: a port of the host's that leads to one of the program's, whatever the link.
 *
 * We listen on the host's own TCP. For each connection the stack opens one, over its loopback, from
 * and to its own address, and a bridge joins the two. The program sees its own address as its peer; not
 * 127.0.0.1, which many programs trust.
 *
 * When we have no descriptor left, clients wait in the kernel's queue, and we look again after a pause.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "run/private.h"

#define PAUSE_NS (100 * TEE_NS_PER_MS)

struct run_publisher {
	struct run *run;
	int fd;
	int pause_timer; /* id while clients wait for a descriptor of ours, else 0 */
	uint16_t port;
	struct run_publisher *next;
};

/* Where the program is reached: the interface's first address that works. */
static struct tee_ip own_address(struct tee_host *host)
{
	struct tee_addr_info info;

	for (unsigned i = 0;
	     tee_addr_get(tee_host_stack(host), tee_host_netif(host), i, &info) == 0; i++)
		if (info.state == TEE_ADDR_PREFERRED && tee_ip_is4(&info.ip))
			return info.ip;
	for (unsigned i = 0;
	     tee_addr_get(tee_host_stack(host), tee_host_netif(host), i, &info) == 0; i++)
		if (info.state == TEE_ADDR_PREFERRED)
			return info.ip;
	return TEE_IP4(127, 0, 0, 1);
}

static void carry(struct run_publisher *publisher, int fd)
{
	struct tee_host *host = publisher->run->host;
	struct tee_endpoint to = {.ip = own_address(host), .port = publisher->port};
	struct tee_socket *socket;
	int result;

	if (tee_socket_open(tee_host_stack(host), TEE_SOCKET_TCP, TEE_FAMILY_ANY, &socket) < 0) {
		close(fd);
		return;
	}
	result = tee_connect(socket, &to);
	if (result == -TEE_EINPROGRESS)
		result = bridge_new(host, socket, fd, NULL, NULL);
	if (result < 0) {
		tee_close(socket);
		close(fd);
	}
}

static void on_client(void *arg, int fd, short revents);

static void watch(struct run_publisher *publisher, uint32_t events)
{
	/* What is watched already is changed, which needs no memory. */
	host_watch_epoll(publisher->run->host, publisher->fd, events, on_client, publisher);
}

static void on_pause_over(void *arg)
{
	struct run_publisher *publisher = arg;

	publisher->pause_timer = 0;
	watch(publisher, EPOLLIN);
}

static void on_client(void *arg, int fd, short revents)
{
	struct run_publisher *publisher = arg;
	struct run *run = publisher->run;
	int client, error;

	(void)revents;
	while ((error = -run_check_reserve()) == 0) {
		client = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (client < 0) {
			error = errno;
			break;
		}
		carry(publisher, client);
	}
	/* The client stays in the queue, and the queue readable, as long as there is nothing to take it with. */
	if (!run_is_shortage(run, error))
		return;
	publisher->pause_timer = tee_host_after(run->host, PAUSE_NS, on_pause_over, publisher);
	if (publisher->pause_timer > 0)
		watch(publisher, 0);
}

static int listen_at(const struct run_publish *publish)
{
	uint8_t address[POSIX_SOCKADDR_SIZE];
	int family = tee_ip_is4(&publish->host.ip) ? AF_INET : AF_INET6, one = 1;
	uint32_t len = posix_write_sockaddr(&publish->host, family, address, sizeof(address));
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)address, len) < 0 || listen(fd, SOMAXCONN) < 0) {
		int error = errno;

		close(fd);
		return -error;
	}
	return fd;
}

int run_publish_start(struct run *run, const struct run_config *config, char *ret_error)
{
	for (unsigned i = 0; i < config->publish_count; i++) {
		const struct run_publish *publish = &config->publish[i];
		struct run_publisher *publisher;
		char text[TEE_ENDPOINT_TEXT_SIZE];
		int fd = listen_at(publish);

		if (fd < 0) {
			snprintf(ret_error, TEE_HOST_ERROR_SIZE, "can't publish at %s: %s%s",
				 tee_endpoint_format(&publish->host, text), strerror(-fd),
				 fd == -EACCES ? " (choose a HOSTPORT of 1024 or above)" : "");
			return RUN_EXIT_FAILED;
		}
		publisher = calloc(1, sizeof(*publisher));
		if (!publisher ||
		    tee_host_watch_fd(run->host, fd, POLLIN, on_client, publisher) < 0) {
			free(publisher);
			close(fd);
			snprintf(ret_error, TEE_HOST_ERROR_SIZE, "no memory to publish a port");
			return RUN_EXIT_FAILED;
		}
		*publisher = (struct run_publisher){
			.run = run, .fd = fd, .port = publish->port, .next = run->publishers};
		run->publishers = publisher;
	}
	return 0;
}

void run_publish_stop(struct run *run)
{
	while (run->publishers) {
		struct run_publisher *publisher = run->publishers;

		run->publishers = publisher->next;
		tee_host_unwatch_fd(run->host, publisher->fd);
		if (publisher->pause_timer > 0)
			tee_host_cancel(run->host, publisher->pause_timer);
		close(publisher->fd);
		free(publisher);
	}
}
