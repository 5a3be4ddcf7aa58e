// SPDX-License-Identifier: MIT
/*
 * The kernel's TCP, as the server that everybody speaks to and as the client that ours is held against.
 * Plain blocking sockets and a thread for each connection: what a simple program would do.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"

static uint8_t source_bytes[BENCH_BUFFER_BYTES];

/* ---- the server ---- */

static int listen_on(uint16_t port)
{
	struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(fd, 4096) < 0)
		bench_fail("can't listen on port %u: %s", port, strerror(errno));
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
	uint16_t port = argc > 0 ? (uint16_t)atoi(argv[0]) : 0;
	int listener = listen_on(port), closer = listen_on((uint16_t)(port + 1));
	pthread_t thread;

	if (pthread_create(&thread, NULL, close_each, (void *)(intptr_t)closer) != 0)
		bench_fail("can't start a thread");
	for (;;) {
		int fd = accept(listener, NULL, NULL);

		if (fd < 0 || pthread_create(&thread, NULL, serve, (void *)(intptr_t)fd) != 0)
			bench_fail("can't take a connection: %s", strerror(errno));
		pthread_detach(thread);
	}
}

/* ---- the client ---- */

static int dial(const char *host, const char *port)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST};
	struct addrinfo *found;
	int fd;

	if (getaddrinfo(host, port, &hints, &found) != 0)
		bench_fail("'%s' is no address", host);
	fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, found->ai_addr, found->ai_addrlen) < 0)
		bench_fail("can't connect to %s port %s: %s", host, port, strerror(errno));
	freeaddrinfo(found);
	return fd;
}

static void wish_for(int fd, enum bench_wish wish, bool spins)
{
	const char bytes[2] = {(char)wish, spins ? '1' : '0'};

	if (send(fd, bytes, sizeof(bytes), 0) != sizeof(bytes))
		bench_fail("can't send: %s", strerror(errno));
}

static void run_bulk(int fd, bool sends, const struct bench_time *time)
{
	static uint8_t buffer[BENCH_BUFFER_BYTES];
	uint64_t start_ns = bench_now_ns() + time->warm_up_ns, now_ns, cpu_ns = 0, bytes = 0;
	bool is_warm = false;

	while ((now_ns = bench_now_ns()) < start_ns + time->measure_ns) {
		ssize_t len = sends ? send(fd, source_bytes, sizeof(source_bytes), 0)
				    : recv(fd, buffer, sizeof(buffer), 0);

		if (len <= 0)
			bench_fail("the connection ended: %s", strerror(errno));
		if (!is_warm && now_ns >= start_ns) {
			is_warm = true;
			start_ns = now_ns;
			cpu_ns = bench_cpu_ns();
			bytes = 0;
		}
		bytes += (uint64_t)len;
	}
	bench_report_bulk(bytes, now_ns - start_ns, bench_cpu_ns() - cpu_ns);
}

static void run_echo(int fd, bool spins, const struct bench_time *time)
{
	uint64_t start_ns = bench_now_ns() + time->warm_up_ns, before_ns, after_ns;
	struct bench_samples samples;
	int on = 1;
	char byte = 'x';

	bench_samples_init(&samples);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	do {
		before_ns = bench_now_ns();
		if (send(fd, &byte, 1, 0) != 1)
			bench_fail("can't send: %s", strerror(errno));
		while (recv(fd, &byte, 1, spins ? MSG_DONTWAIT : 0) != 1)
			if (errno != EAGAIN)
				bench_fail("the connection ended: %s", strerror(errno));
		after_ns = bench_now_ns();
		if (before_ns >= start_ns)
			bench_samples_add(&samples, after_ns - before_ns);
	} while (after_ns < start_ns + time->measure_ns);
	bench_report_samples(&samples);
}

/* The server closes first, so that no port of ours waits in TIME-WAIT. */
static void run_connect(const char *host, const char *port, const struct bench_time *time)
{
	uint64_t start_ns = bench_now_ns(), now_ns, count = 0;
	char byte;

	do {
		int fd = dial(host, port);

		if (recv(fd, &byte, 1, 0) != 0)
			bench_fail("the server did not close: %s", strerror(errno));
		close(fd);
		count++;
		now_ns = bench_now_ns();
	} while (now_ns < start_ns + time->measure_ns);
	bench_report_rate(count, now_ns - start_ns);
}

int bench_kernel_client(int argc, char **argv)
{
	struct bench_time time = {.warm_up_ns = 300 * 1000 * 1000};
	const char *what;
	bool spins;
	int fd;

	if (argc != 5)
		bench_fail("kernel-client sink|source|echo|connect HOST PORT SECONDS SPIN");
	what = argv[0];
	time.measure_ns = (uint64_t)(atof(argv[3]) * 1e9);
	spins = atoi(argv[4]) != 0;
	if (strcmp(what, "connect") == 0) {
		run_connect(argv[1], argv[2], &time);
		return 0;
	}
	fd = dial(argv[1], argv[2]);
	if (strcmp(what, "echo") == 0) {
		wish_for(fd, WISH_ECHO, spins);
		run_echo(fd, spins, &time);
	} else {
		bool sends = strcmp(what, "sink") == 0;

		wish_for(fd, sends ? WISH_SINK : WISH_SOURCE, false);
		run_bulk(fd, sends, &time);
	}
	close(fd);
	return 0;
}
