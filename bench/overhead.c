// SPDX-License-Identifier: MIT
/*
 * What a program pays for its socket calls where it runs: on the kernel's loopback, or under `teeceepee
 * run`. Calls one by one, then a ping-pong, bulk and connections; both ends are under the same roof, in
 * this process and one that it forks.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

static int listen_somewhere(struct sockaddr_in *ret_name)
{
	socklen_t len = sizeof(*ret_name);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	*ret_name = (struct sockaddr_in){.sin_family = AF_INET};
	ret_name->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || bind(fd, (struct sockaddr *)ret_name, len) < 0 || listen(fd, 128) < 0 ||
	    getsockname(fd, (struct sockaddr *)ret_name, &len) < 0)
		bench_fail("can't listen: %s", strerror(errno));
	return fd;
}

static int dial(const struct sockaddr_in *name)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	if (fd < 0 || connect(fd, (const struct sockaddr *)name, sizeof(*name)) < 0)
		bench_fail("can't connect: %s", strerror(errno));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return fd;
}

/* Echoes what comes on each connection, or swallows it; until it is killed. */
static _Noreturn void serve(int listener, bool echoes)
{
	static char bytes[BENCH_BUFFER_BYTES];

	for (;;) {
		int fd = accept(listener, NULL, NULL);
		ssize_t count;

		if (fd < 0)
			bench_fail("can't accept: %s", strerror(errno));
		while ((count = read(fd, bytes, sizeof(bytes))) > 0)
			if (echoes && write(fd, bytes, (size_t)count) != count)
				break;
		close(fd);
	}
}

static pid_t start_server(struct sockaddr_in *ret_name, bool echoes)
{
	int listener = listen_somewhere(ret_name);
	pid_t pid = fork();

	if (pid < 0)
		bench_fail("can't fork: %s", strerror(errno));
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		serve(listener, echoes);
	}
	close(listener);
	return pid;
}

static void stop_server(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* ---- calls one by one ---- */

static void make_and_close(int fd)
{
	(void)fd;
	close(socket(AF_INET, SOCK_STREAM, 0));
}

static void set_option(int fd)
{
	int on = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

static void ask_name(int fd)
{
	struct sockaddr_in name;
	socklen_t len = sizeof(name);

	getsockname(fd, (struct sockaddr *)&name, &len);
}

/* Of a socket that no Internet stack has to do with. */
static void send_message(int fd)
{
	struct msghdr empty = {0};

	sendmsg(fd, &empty, MSG_DONTWAIT);
}

static void time_call(const char *name, void (*call)(int fd), int fd)
{
	enum { CALLS = 5000 };
	uint64_t start_ns = bench_now_ns();

	for (int i = 0; i < CALLS; i++)
		call(fd);
	printf("\"%s\": %.3f, ", name, (double)(bench_now_ns() - start_ns) / 1e3 / CALLS);
}

static void time_calls(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0), pair[2];

	if (fd < 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
		bench_fail("can't make a socket: %s", strerror(errno));
	time_call("socket_us", make_and_close, fd);
	time_call("setsockopt_us", set_option, fd);
	time_call("getsockname_us", ask_name, fd);
	time_call("foreign_us", send_message, pair[0]);
	close(fd);
	close(pair[0]);
	close(pair[1]);
}

/* ---- connections ---- */

static void time_ping_pong(uint64_t measure_ns)
{
	struct sockaddr_in name;
	pid_t server = start_server(&name, true);
	uint64_t start_ns = bench_now_ns(), now_ns, rounds = 0;
	int fd = dial(&name);
	char byte = 'x';

	do {
		if (write(fd, &byte, 1) != 1 || read(fd, &byte, 1) != 1)
			bench_fail("the ping-pong ended: %s", strerror(errno));
		rounds++;
		now_ns = bench_now_ns();
	} while (now_ns < start_ns + measure_ns);
	printf("\"ping_pong_us\": %.2f, ", (double)(now_ns - start_ns) / 1e3 / (double)rounds);
	close(fd);
	stop_server(server);
}

/* The server closes once it has read all, and that ends the time. */
static void time_bulk(uint64_t measure_ns)
{
	static char bytes[BENCH_BUFFER_BYTES];
	struct sockaddr_in name;
	pid_t server = start_server(&name, false);
	uint64_t start_ns = bench_now_ns(), total = 0;
	int fd = dial(&name);

	while (bench_now_ns() < start_ns + measure_ns) {
		ssize_t count = write(fd, bytes, sizeof(bytes));

		if (count < 0)
			bench_fail("can't write: %s", strerror(errno));
		total += (uint64_t)count;
	}
	shutdown(fd, SHUT_WR);
	if (read(fd, bytes, 1) != 0)
		bench_fail("the server did not close: %s", strerror(errno));
	printf("\"bulk_gbit_s\": %.3f, ", (double)total * 8 / (double)(bench_now_ns() - start_ns));
	close(fd);
	stop_server(server);
}

static void time_connections(uint64_t measure_ns)
{
	struct sockaddr_in name;
	pid_t server = start_server(&name, true);
	uint64_t start_ns = bench_now_ns(), now_ns, count = 0;
	char byte = 'x';

	do {
		int fd = dial(&name);

		if (write(fd, &byte, 1) != 1 || read(fd, &byte, 1) != 1)
			bench_fail("the connection ended: %s", strerror(errno));
		close(fd);
		count++;
		now_ns = bench_now_ns();
	} while (now_ns < start_ns + measure_ns);
	printf("\"connects_per_s\": %.0f", (double)count * 1e9 / (double)(now_ns - start_ns));
	stop_server(server);
}

int bench_overhead(int argc, char **argv)
{
	uint64_t measure_ns;

	if (argc != 1)
		bench_fail("overhead SECONDS");
	measure_ns = (uint64_t)(strtod(argv[0], NULL) * 1e9);
	setbuf(stdout, NULL);
	printf("{");
	time_calls();
	time_ping_pong(measure_ns);
	time_bulk(measure_ns);
	time_connections(measure_ns);
	printf("}\n");
	return 0;
}
