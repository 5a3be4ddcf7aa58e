// SPDX-License-Identifier: MIT
/*
 * The kernel's TCP as the client that ours is held against, in one thread: blocking calls for one
 * connection, epoll for many.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"

enum { EVENTS_MAX = 64 };

static uint8_t buffer[BENCH_BUFFER_BYTES];

static int open_socket(const struct addrinfo *there, const struct bench_job *job, int flags)
{
	int fd = socket(there->ai_family, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);

	if (fd >= 0)
		bench_kernel_set_cc(fd, job->cc);
	if (fd < 0 || (connect(fd, there->ai_addr, there->ai_addrlen) < 0 && errno != EINPROGRESS))
		bench_fail("can't connect: %s", strerror(errno));
	return fd;
}

static struct addrinfo *find(const char *host, const char *port)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST};
	struct addrinfo *found;

	if (getaddrinfo(host, port, &hints, &found) != 0)
		bench_fail("'%s' is no address", host);
	return found;
}

static int dial(const struct addrinfo *there, const struct bench_job *job)
{
	int fd = open_socket(there, job, 0);
	char wish[2];

	bench_job_wish(job, wish);
	if (send(fd, wish, sizeof(wish), 0) != sizeof(wish))
		bench_fail("can't send: %s", strerror(errno));
	return fd;
}

static ssize_t step(int fd, bool sends, int flags)
{
	ssize_t len = sends ? send(fd, buffer, sizeof(buffer), flags)
			    : recv(fd, buffer, sizeof(buffer), flags);

	if (len < 0 && errno == EAGAIN)
		return 0;
	if (len <= 0)
		bench_fail("the connection ended: %s", strerror(errno));
	return len;
}

static void run_bulk(const struct addrinfo *there, const struct bench_job *job)
{
	bool sends = strcmp(job->what, "sink") == 0;
	int fd = dial(there, job);
	struct bench_meter meter;

	bench_meter_start(&meter, job);
	while (bench_meter_add(&meter, (uint64_t)step(fd, sends, 0)))
		continue;
	bench_meter_report(&meter);
	close(fd);
}

static void run_bulk_many(const struct addrinfo *there, const struct bench_job *job)
{
	bool sends = strcmp(job->what, "sink") == 0, goes_on = true;
	struct epoll_event events[EVENTS_MAX];
	int set = epoll_create1(EPOLL_CLOEXEC);
	struct bench_meter meter;

	for (unsigned i = 0; i < job->conns; i++) {
		struct epoll_event event = {.events = sends ? EPOLLOUT : EPOLLIN};

		event.data.fd = dial(there, job);
		epoll_ctl(set, EPOLL_CTL_ADD, event.data.fd, &event);
	}
	bench_meter_start(&meter, job);
	while (goes_on) {
		int count = epoll_wait(set, events, EVENTS_MAX, 10000);

		if (count <= 0)
			bench_fail("no progress in 10 s");
		for (int i = 0; i < count; i++)
			goes_on = bench_meter_add(
				&meter, (uint64_t)step(events[i].data.fd, sends, MSG_DONTWAIT));
	}
	bench_meter_report(&meter);
}

static void run_echo(const struct addrinfo *there, const struct bench_job *job)
{
	uint64_t start_ns = bench_now_ns() + job->warm_up_ns, before_ns, after_ns;
	int fd = dial(there, job), on = 1;
	struct bench_samples samples;
	char byte = 'x';

	bench_samples_init(&samples);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	do {
		before_ns = bench_now_ns();
		if (send(fd, &byte, 1, 0) != 1)
			bench_fail("can't send: %s", strerror(errno));
		while (recv(fd, &byte, 1, job->spins ? MSG_DONTWAIT : 0) != 1)
			if (errno != EAGAIN)
				bench_fail("the connection ended: %s", strerror(errno));
		after_ns = bench_now_ns();
		if (before_ns >= start_ns)
			bench_samples_add(&samples, after_ns - before_ns);
	} while (after_ns < start_ns + job->measure_ns);
	bench_report_samples(&samples);
	close(fd);
}

/* ---- connections; the server closes first, so that no port of ours waits in TIME-WAIT ---- */

static void must_have_ended(int fd, bool spins)
{
	ssize_t len;
	char byte;

	do
		len = recv(fd, &byte, 1, spins ? MSG_DONTWAIT : 0);
	while (spins && len < 0 && errno == EAGAIN);
	if (len != 0)
		bench_fail("the server did not close: %s", strerror(errno));
	close(fd);
}

static void run_connect(const struct addrinfo *there, const struct bench_job *job)
{
	uint64_t start_ns = bench_now_ns(), cpu_ns = bench_cpu_ns(), now_ns, count = 0;

	do {
		must_have_ended(open_socket(there, job, 0), job->spins);
		count++;
		now_ns = bench_now_ns();
	} while (now_ns < start_ns + job->measure_ns);
	bench_report_rate(count, now_ns - start_ns, bench_cpu_ns() - cpu_ns);
}

static void start_one(int set, const struct addrinfo *there, const struct bench_job *job)
{
	struct epoll_event event = {.events = EPOLLIN};

	event.data.fd = open_socket(there, job, SOCK_NONBLOCK);
	epoll_ctl(set, EPOLL_CTL_ADD, event.data.fd, &event);
}

static void run_connect_many(const struct addrinfo *there, const struct bench_job *job)
{
	uint64_t start_ns = bench_now_ns(), cpu_ns = bench_cpu_ns(), now_ns, total = 0;
	struct epoll_event events[EVENTS_MAX];
	int set = epoll_create1(EPOLL_CLOEXEC);

	for (unsigned i = 0; i < job->conns; i++)
		start_one(set, there, job);
	do {
		int count = epoll_wait(set, events, EVENTS_MAX, 10000);

		if (count <= 0)
			bench_fail("no connection in 10 s");
		for (int i = 0; i < count; i++) {
			must_have_ended(events[i].data.fd, false);
			start_one(set, there, job);
		}
		total += (uint64_t)count;
		now_ns = bench_now_ns();
	} while (now_ns < start_ns + job->measure_ns);
	bench_report_rate(total, now_ns - start_ns, bench_cpu_ns() - cpu_ns);
}

int bench_kernel_client(int argc, char **argv)
{
	struct bench_job job;
	struct addrinfo *there;

	if (bench_job_options(&job, argc, argv) != 5)
		bench_fail("kernel-client sink|source|echo|connect HOST PORT SECONDS SPIN");
	bench_job_set(&job, argv[0], argv[3], argv[4]);
	there = find(argv[1], argv[2]);
	if (strcmp(job.what, "connect") == 0)
		(job.conns > 1 ? run_connect_many : run_connect)(there, &job);
	else if (strcmp(job.what, "echo") == 0)
		run_echo(there, &job);
	else
		(job.conns > 1 ? run_bulk_many : run_bulk)(there, &job);
	freeaddrinfo(there);
	return 0;
}
