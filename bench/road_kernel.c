// SPDX-License-Identifier: MIT
/*
 * Bad roads, the kernel's side: the far end of timed flows, and the client that ours is held against
 * (bench/road_ours.c does the same over our stack).
 *
 * A bulk run lasts a given time from the moment when the connection stands, slow start included. Sending
 * counts what the peer acknowledged, not what fitted into a send buffer; receiving what was read.
 *
 * A timed flow says in its first bytes when it began and how long it is. The far end notes when the last
 * byte came; both read one clock, so no loss of a FIN and no delayed ACK is in the time.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/tcp.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"

static uint8_t source_bytes[BENCH_BUFFER_BYTES];
static pthread_mutex_t output_lock = PTHREAD_MUTEX_INITIALIZER;

/* ---- the far end of a timed flow ---- */

void bench_serve_flow(int fd)
{
	static __thread uint8_t buffer[BENCH_BUFFER_BYTES];
	struct bench_flow_head head;
	uint64_t got = sizeof(head);

	if (recv(fd, &head, sizeof(head), MSG_WAITALL) != sizeof(head))
		return;
	while (got < head.bytes) {
		ssize_t len = recv(fd, buffer, sizeof(buffer), 0);

		if (len <= 0)
			return;
		got += (uint64_t)len;
	}
	pthread_mutex_lock(&output_lock);
	printf("%.3f\n", (double)(bench_now_ns() - head.began_ns) / 1e6);
	fflush(stdout);
	pthread_mutex_unlock(&output_lock);
	/* Until the client has seen all acknowledged and closes. */
	while (recv(fd, buffer, sizeof(buffer), 0) > 0)
		continue;
}

/* ---- the client ---- */

static int dial(const char *cc, const char *host, const char *port)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST};
	struct addrinfo *found;
	int fd;

	if (getaddrinfo(host, port, &hints, &found) != 0)
		bench_fail("'%s' is no address", host);
	fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0)
		bench_kernel_set_cc(fd, cc);
	if (fd < 0 || connect(fd, found->ai_addr, found->ai_addrlen) < 0)
		bench_fail("can't connect to %s port %s: %s", host, port, strerror(errno));
	freeaddrinfo(found);
	return fd;
}

/* TCP_INFO, and the count of timeouts in it, which newer kernels tell and older headers don't name. */
static void tcp_info_of(int fd, struct tcp_info *ret_info, unsigned *ret_timeouts)
{
	enum { TIMEOUTS_AT = offsetof(struct tcp_info, tcpi_snd_wnd) + 12 };
	uint8_t bytes[512] = {0};
	uint16_t timeouts;
	socklen_t len = sizeof(bytes);

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, bytes, &len) < 0)
		bench_fail("no TCP_INFO: %s", strerror(errno));
	memcpy(ret_info, bytes, sizeof(*ret_info));
	memcpy(&timeouts, bytes + TIMEOUTS_AT, sizeof(timeouts));
	*ret_timeouts = timeouts;
}

static void run_bulk(int fd, bool sends, uint64_t measure_ns)
{
	static uint8_t buffer[BENCH_BUFFER_BYTES];
	uint64_t start_ns = bench_now_ns(), now_ns, received = 0;
	struct tcp_info info;
	unsigned timeouts;

	fcntl(fd, F_SETFL, O_NONBLOCK);
	while ((now_ns = bench_now_ns()) < start_ns + measure_ns) {
		ssize_t len = sends ? send(fd, source_bytes, sizeof(source_bytes), 0)
				    : recv(fd, buffer, sizeof(buffer), 0);

		if (len > 0)
			received += (uint64_t)len;
		else if (len == 0 || errno != EAGAIN)
			bench_fail("the connection ended: %s", strerror(errno));
		else if (poll(&(struct pollfd){.fd = fd, .events = sends ? POLLOUT : POLLIN}, 1,
			      (int)((start_ns + measure_ns - now_ns) / 1000000) + 1) < 0)
			bench_fail("can't wait: %s", strerror(errno));
	}
	tcp_info_of(fd, &info, &timeouts);
	bench_report_road(sends ? info.tcpi_bytes_acked : received, now_ns - start_ns,
			  info.tcpi_total_retrans, timeouts, info.tcpi_rtt / 1e3);
	/* Aborted, as ours is: what is left to send would go on beside the next run, over the same line. */
	if (setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){.l_onoff = 1},
		       sizeof(struct linger)) < 0)
		bench_fail("can't abort: %s", strerror(errno));
}

/* The flows of one thread, one after the other. */
struct flows {
	const char *cc, *host, *port;
	uint64_t bytes;
	unsigned count, timeouts;
};

static void run_flow(struct flows *flows)
{
	struct bench_flow_head head = {.bytes = flows->bytes};
	struct tcp_info info;
	unsigned timeouts;
	int fd = dial(flows->cc, flows->host, flows->port);
	uint64_t left = flows->bytes - sizeof(head);
	const char wish[2] = {WISH_FLOW, '0'};
	char byte;

	head.began_ns = bench_now_ns();
	if (send(fd, wish, sizeof(wish), MSG_MORE) != sizeof(wish) ||
	    send(fd, &head, sizeof(head), MSG_MORE) != sizeof(head))
		bench_fail("can't send: %s", strerror(errno));
	while (left > 0) {
		ssize_t len = send(fd, source_bytes,
				   left < sizeof(source_bytes) ? left : sizeof(source_bytes), 0);

		if (len <= 0)
			bench_fail("can't send: %s", strerror(errno));
		left -= (uint64_t)len;
	}
	shutdown(fd, SHUT_WR);
	if (recv(fd, &byte, 1, 0) != 0)
		bench_fail("the server did not close: %s", strerror(errno));
	tcp_info_of(fd, &info, &timeouts);
	flows->timeouts += timeouts;
	close(fd);
}

static void *run_flows(void *arg)
{
	struct flows *flows = arg;

	for (unsigned i = 0; i < flows->count; i++)
		run_flow(flows);
	return NULL;
}

static void run_all_flows(const struct flows *each, unsigned at_once)
{
	struct flows *all = calloc(at_once, sizeof(*all));
	pthread_t *threads = calloc(at_once, sizeof(*threads));
	unsigned timeouts = 0;

	if (!all || !threads)
		bench_fail("no memory for the flows");
	for (unsigned i = 0; i < at_once; i++) {
		all[i] = *each;
		all[i].count = each->count / at_once + (i < each->count % at_once);
		if (pthread_create(&threads[i], NULL, run_flows, &all[i]) != 0)
			bench_fail("can't start a thread");
	}
	for (unsigned i = 0; i < at_once; i++) {
		pthread_join(threads[i], NULL);
		timeouts += all[i].timeouts;
	}
	printf("{\"timeouts\": %u}\n", timeouts);
	free(threads);
	free(all);
}

int bench_kernel_road(int argc, char **argv)
{
	const char wish[2] = {argc > 0 && strcmp(argv[0], "sink") == 0 ? WISH_SINK : WISH_SOURCE,
			      '0'};
	int fd;

	if (argc == 7 && strcmp(argv[0], "flows") == 0) {
		run_all_flows(&(struct flows){.cc = argv[1],
					      .host = argv[2],
					      .port = argv[3],
					      .bytes = strtoull(argv[4], NULL, 10),
					      .count = (unsigned)atoi(argv[5])},
			      (unsigned)atoi(argv[6]));
		return 0;
	}
	if (argc != 5)
		bench_fail("kernel-road sink|source CC HOST PORT SECONDS | "
			   "flows CC HOST PORT BYTES COUNT AT-ONCE");
	fd = dial(argv[1], argv[2], argv[3]);
	if (send(fd, wish, sizeof(wish), 0) != sizeof(wish))
		bench_fail("can't send: %s", strerror(errno));
	run_bulk(fd, wish[0] == WISH_SINK, (uint64_t)(atof(argv[4]) * 1e9));
	close(fd);
	return 0;
}
