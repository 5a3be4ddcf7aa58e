// SPDX-License-Identifier: MIT
/*
 * What `teeceepee run` costs: the same few loops, to be run on the kernel's loopback and under run.
 *
 *   overhead; teeceepee run overhead
 *
 * Each line: what, how much, the unit. Both ends are in this process and one that it forks.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static int listen_somewhere(struct sockaddr_in *ret_name)
{
	socklen_t len = sizeof(*ret_name);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	*ret_name = (struct sockaddr_in){.sin_family = AF_INET};
	ret_name->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || bind(fd, (struct sockaddr *)ret_name, len) < 0 || listen(fd, 128) < 0 ||
	    getsockname(fd, (struct sockaddr *)ret_name, &len) < 0)
		die("listen");
	return fd;
}

static int connect_to(const struct sockaddr_in *name)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0 || connect(fd, (const struct sockaddr *)name, sizeof(*name)) < 0)
		die("connect");
	return fd;
}

/* Echoes what comes on each connection, or swallows it; for ever. */
static void serve(int listener, int echoes)
{
	static char bytes[1 << 17];

	for (;;) {
		int fd = accept(listener, NULL, NULL);
		ssize_t count;

		if (fd < 0)
			die("accept");
		while ((count = read(fd, bytes, sizeof(bytes))) > 0)
			if (echoes && write(fd, bytes, (size_t)count) != count)
				break;
		close(fd);
	}
}

static pid_t start(struct sockaddr_in *ret_name, int echoes)
{
	int listener = listen_somewhere(ret_name);
	pid_t pid = fork();

	if (pid == 0)
		serve(listener, echoes);
	close(listener);
	return pid;
}

static void stop(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void measure_calls(void)
{
	enum { SOCKETS = 5000, OPTIONS = 20000 };
	int one = 1, fd;
	double began = now_s();

	for (int i = 0; i < SOCKETS; i++)
		close(socket(AF_INET, SOCK_STREAM, 0));
	printf("socket and close: %.2f us\n", (now_s() - began) * 1e6 / SOCKETS);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	began = now_s();
	for (int i = 0; i < OPTIONS; i++)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	printf("setsockopt: %.2f us\n", (now_s() - began) * 1e6 / OPTIONS);
	close(fd);
}

static void measure_ping_pong(void)
{
	enum { ROUNDS = 20000 };
	struct sockaddr_in name;
	pid_t server = start(&name, 1);
	int fd = connect_to(&name);
	double began = now_s();
	char byte = 'x';

	for (int i = 0; i < ROUNDS; i++)
		if (write(fd, &byte, 1) != 1 || read(fd, &byte, 1) != 1)
			die("ping-pong");
	printf("ping-pong: %.1f us\n", (now_s() - began) * 1e6 / ROUNDS);
	close(fd);
	stop(server);
}

static void measure_bulk(void)
{
	static char bytes[1 << 17];
	struct sockaddr_in name;
	pid_t server = start(&name, 0);
	int fd = connect_to(&name);
	double began = now_s(), total = 0, spent;

	while (now_s() - began < 2) {
		ssize_t count = write(fd, bytes, sizeof(bytes));

		if (count < 0)
			die("write");
		total += (double)count;
	}
	shutdown(fd, SHUT_WR);
	if (read(fd, bytes, 1) < 0)
		die("read");
	spent = now_s() - began;
	printf("bulk: %.2f Gbit/s\n", total * 8 / spent / 1e9);
	close(fd);
	stop(server);
}

static void measure_connections(void)
{
	struct sockaddr_in name;
	pid_t server = start(&name, 1);
	double began = now_s();
	unsigned count = 0;
	char byte = 'x';

	while (now_s() - began < 2) {
		int fd = connect_to(&name);

		if (write(fd, &byte, 1) != 1 || read(fd, &byte, 1) != 1)
			die("connection");
		close(fd);
		count++;
	}
	printf("connections: %.0f a second\n", count / (now_s() - began));
	stop(server);
}

int main(void)
{
	setbuf(stdout, NULL);
	measure_calls();
	measure_ping_pong();
	measure_bulk();
	measure_connections();
	return 0;
}
