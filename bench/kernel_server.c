// SPDX-License-Identifier: MIT
/*
 * The kernel's TCP as the server that everybody speaks to: plain blocking sockets and a thread for each
 * connection, which is what a simple program would do.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"

static uint8_t source_bytes[BENCH_BUFFER_BYTES];

/* By socket: a namespace's default may only be set to what the machine's own allows there. */
void bench_kernel_set_cc(int fd, const char *name)
{
	if (name && setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, (socklen_t)strlen(name)) < 0)
		bench_fail("the kernel has no congestion controller '%s': %s", name,
			   strerror(errno));
}

static int listen_on(uint16_t port, const char *cc)
{
	struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(fd, 4096) < 0)
		bench_fail("can't listen on port %u: %s", port, strerror(errno));
	bench_kernel_set_cc(fd, cc);
	return fd;
}

static void serve_sink(int fd)
{
	static __thread uint8_t buffer[BENCH_BUFFER_BYTES];

	while (recv(fd, buffer, sizeof(buffer), 0) > 0)
		continue;
}

static void serve_source(int fd)
{
	while (send(fd, source_bytes, sizeof(source_bytes), MSG_NOSIGNAL) > 0)
		continue;
}

static void serve_echo(int fd, bool spins)
{
	char buffer[4096];
	int on = 1;
	ssize_t len;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	for (;;) {
		len = recv(fd, buffer, sizeof(buffer), spins ? MSG_DONTWAIT : 0);
		if (len < 0 && errno == EAGAIN)
			continue;
		if (len <= 0 || send(fd, buffer, (size_t)len, MSG_NOSIGNAL) != len)
			return;
	}
}

static void *serve(void *arg)
{
	int fd = (int)(intptr_t)arg;
	char wish[2];

	/* The second byte: '1' when both sides poll instead of sleeping. */
	if (recv(fd, wish, sizeof(wish), MSG_WAITALL) == sizeof(wish)) {
		switch (wish[0]) {
		case WISH_SINK: serve_sink(fd); break;
		case WISH_SOURCE: serve_source(fd); break;
		case WISH_FLOW: bench_serve_flow(fd); break;
		case WISH_ECHO: serve_echo(fd, wish[1] == '1'); break;
		default: break;
		}
	}
	close(fd);
	return NULL;
}

static void *close_each(void *arg)
{
	int listener = (int)(intptr_t)arg;

	for (;;) {
		int fd = accept(listener, NULL, NULL);

		if (fd >= 0)
			close(fd);
	}
	return NULL;
}

int bench_kernel_server(int argc, char **argv)
{
	int listener, closer;
	struct bench_job job;
	pthread_t thread;
	uint16_t port;

	if (bench_job_options(&job, argc, argv) != 1)
		bench_fail("kernel-server PORT [--cc=NAME]");
	port = (uint16_t)atoi(argv[0]);
	listener = listen_on(port, job.cc);
	closer = listen_on((uint16_t)(port + 1), job.cc);
	if (pthread_create(&thread, NULL, close_each, (void *)(intptr_t)closer) != 0)
		bench_fail("can't start a thread");
	for (;;) {
		int fd = accept(listener, NULL, NULL);

		if (fd < 0 || pthread_create(&thread, NULL, serve, (void *)(intptr_t)fd) != 0)
			bench_fail("can't take a connection: %s", strerror(errno));
		pthread_detach(thread);
	}
}
