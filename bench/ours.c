// SPDX-License-Identifier: MIT
/*
 * Our TCP as the client of the kernel's server: the same conversations as in kernel_client.c, over a
 * link, in one thread, with the library's public calls. The stack runs inside the waits.
 *
 * --calls=owned sends memory that stays the application's, --calls=view takes received bytes where they
 * lie: the two ways without a copy.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <teeceepee/teeceepee.h>

#include "bench.h"

enum { OWNED_BYTES = 64 * 1024, SLICES = 16, PATIENCE_S = 10 };

static uint8_t buffer[BENCH_BUFFER_BYTES];

/* What a run works with. */
struct ours {
	struct tee_host *host;
	struct tee_endpoint remote;
	const struct bench_job *job;
	uint64_t done_count;
};

/* `impair` and `cc` may be NULL. */
static struct tee_host *open_host(const char *link, const char *ip, uint64_t spin_ns,
				  const char *impair, const char *cc)
{
	char error[TEE_HOST_ERROR_SIZE];
	struct tee_host_config config;
	struct tee_host *host;

	tee_host_config_init(&config);
	/* One host keeps its secret from program to program, so that the peer's TIME-WAITs of the last one know
	   the next one's sequence numbers and timestamps for new (RFC 6528, 6191). */
	config.stack.seed = 1;
	config.link = link;
	if (strcmp(ip, "-") != 0) {
		bool is6 = strchr(ip, ':') != NULL;

		config.ip = is6 ? "none" : ip;
		config.ip6 = is6 ? ip : "none";
	}
	config.spin_ns = spin_ns;
	config.impair = impair;
	if (cc && tee_config_set(&config.stack, "tcp_cc", cc) < 0)
		bench_fail("'%s' is no congestion controller", cc);
	config.stack.acd = false;
	config.stack.dad_transmits = 0;
	if (tee_host_open(&config, &host, error) < 0)
		bench_fail("%s", error);
	return host;
}

static struct tee_socket *connect_one(struct ours *ours)
{
	struct tee_socket *socket;
	int result = tee_socket_open(tee_host_stack(ours->host), TEE_SOCKET_TCP, TEE_FAMILY_ANY,
				     &socket);

	if (result >= 0)
		result = tee_connect(socket, &ours->remote);
	if (result < 0 && result != -TEE_EINPROGRESS)
		bench_fail("can't connect: %s", tee_strerror(result));
	return socket;
}

static void must_wait(struct ours *ours, struct tee_socket *socket, unsigned want)
{
	if (tee_wait(ours->host, socket, want, PATIENCE_S * TEE_NS_PER_S) <= 0)
		bench_fail("no progress in %d s: %s", PATIENCE_S, tee_host_error(ours->host));
}

static struct tee_socket *dial(struct ours *ours)
{
	struct tee_socket *socket = connect_one(ours);
	char wish[2];

	must_wait(ours, socket, TEE_EV_WRITABLE);
	bench_job_wish(ours->job, wish);
	if (tee_send_all(ours->host, socket, wish, sizeof(wish)) != sizeof(wish))
		bench_fail("can't send the wish");
	return socket;
}

/* ---- bulk ---- */

typedef ssize_t move_fn(struct tee_socket *socket);

static ssize_t send_copied(struct tee_socket *socket)
{
	return tee_send(socket, buffer, sizeof(buffer), 0);
}

/* The memory is never changed, so that nobody need know when it is free again. */
static void forget(void *arg)
{
	(void)arg;
}

static ssize_t send_owned(struct tee_socket *socket)
{
	int result = tee_send_owned(socket, buffer, OWNED_BYTES, forget, NULL);

	return result < 0 ? result : OWNED_BYTES;
}

static ssize_t receive_copied(struct tee_socket *socket)
{
	return tee_recv(socket, buffer, sizeof(buffer), 0);
}

static ssize_t receive_view(struct tee_socket *socket)
{
	struct tee_slice slices[SLICES];
	int count = tee_recv_view(socket, slices, SLICES), result;
	size_t len = 0;

	if (count <= 0)
		return count;
	for (int i = 0; i < count; i++)
		len += slices[i].len;
	result = tee_recv_consume(socket, len);
	return result < 0 ? result : (ssize_t)len;
}

static move_fn *choose_move(const struct bench_job *job)
{
	bool copies = strcmp(job->calls, "copy") == 0;

	if (strcmp(job->what, "sink") == 0)
		return copies ? send_copied : send_owned;
	return copies ? receive_copied : receive_view;
}

/* How many bytes were moved; 0: it would have blocked. */
static uint64_t step(struct tee_socket *socket, move_fn *move)
{
	ssize_t len = move(socket);

	if (len == -TEE_EAGAIN)
		return 0;
	if (len <= 0)
		bench_fail("the connection ended: %s", tee_strerror((int)len));
	return (uint64_t)len;
}

static void run_bulk(struct ours *ours)
{
	bool sends = strcmp(ours->job->what, "sink") == 0;
	move_fn *move = choose_move(ours->job);
	struct tee_socket *socket = dial(ours);
	struct bench_meter meter;
	uint64_t len;

	bench_meter_start(&meter, ours->job);
	do {
		len = step(socket, move);
		if (len == 0)
			must_wait(ours, socket, sends ? TEE_EV_WRITABLE : TEE_EV_READABLE);
	} while (bench_meter_add(&meter, len));
	bench_meter_report(&meter);
	tee_abort(socket);
}

/* What the events of many connections work with. */
struct bulk {
	move_fn *move;
	struct bench_meter meter;
	bool goes_on;
};

static void on_movable(void *arg, struct tee_socket *socket, unsigned ready)
{
	struct bulk *bulk = arg;
	uint64_t len;

	(void)ready;
	while (bulk->goes_on && (len = step(socket, bulk->move)) > 0)
		bulk->goes_on = bench_meter_add(&bulk->meter, len);
}

static void run_bulk_many(struct ours *ours)
{
	struct bulk bulk = {.move = choose_move(ours->job), .goes_on = true};
	struct tee_socket *sockets[BENCH_CONNS_MAX];

	for (unsigned i = 0; i < ours->job->conns; i++)
		sockets[i] = dial(ours);
	bench_meter_start(&bulk.meter, ours->job);
	for (unsigned i = 0; i < ours->job->conns; i++)
		if (tee_host_watch_socket(ours->host, sockets[i], on_movable, &bulk) < 0)
			bench_fail("no memory");
	while (bulk.goes_on)
		if (tee_host_run_once(ours->host, PATIENCE_S * TEE_NS_PER_S) < 0)
			bench_fail("%s", tee_host_error(ours->host));
	bench_meter_report(&bulk.meter);
	for (unsigned i = 0; i < ours->job->conns; i++) {
		tee_host_watch_socket(ours->host, sockets[i], NULL, NULL);
		tee_abort(sockets[i]);
	}
}

/* ---- ping-pong ---- */

static void run_echo(struct ours *ours)
{
	uint64_t start_ns = bench_now_ns() + ours->job->warm_up_ns, before_ns, after_ns;
	struct tee_socket *socket = dial(ours);
	struct bench_samples samples;
	char byte = 'x';

	bench_samples_init(&samples);
	tee_set_option(socket, TEE_OPT_NODELAY, 1);
	do {
		before_ns = bench_now_ns();
		if (tee_send_all(ours->host, socket, &byte, 1) != 1 ||
		    tee_recv_some(ours->host, socket, &byte, 1) != 1)
			bench_fail("the connection ended");
		after_ns = bench_now_ns();
		if (before_ns >= start_ns)
			bench_samples_add(&samples, after_ns - before_ns);
	} while (after_ns < start_ns + ours->job->measure_ns);
	bench_report_samples(&samples);
	tee_abort(socket);
}

/* ---- connections ---- */

static void open_and_end(struct ours *ours)
{
	struct tee_socket *socket = connect_one(ours);
	char byte;
	int result = (int)tee_recv_some(ours->host, socket, &byte, 1);

	if (result != 0)
		bench_fail("the server did not close: %s", tee_strerror(result));
	tee_close(socket);
}

static void run_connect(struct ours *ours)
{
	uint64_t start_ns, cpu_ns, now_ns, count = 0;

	/* A TAP that was just opened may be deaf for a second: the first one doesn't count. */
	open_and_end(ours);
	start_ns = bench_now_ns();
	cpu_ns = bench_cpu_ns();
	do {
		open_and_end(ours);
		count++;
		now_ns = bench_now_ns();
	} while (now_ns < start_ns + ours->job->measure_ns);
	bench_report_rate(count, now_ns - start_ns, bench_cpu_ns() - cpu_ns);
}

static void start_one(struct ours *ours);

static void on_ended(void *arg, struct tee_socket *socket, unsigned ready)
{
	struct ours *ours = arg;
	int result;
	char byte;

	if (!(ready & (TEE_EV_READABLE | TEE_EV_ERROR)))
		return;
	result = (int)tee_recv(socket, &byte, 1, 0);
	if (result != 0)
		bench_fail("the server did not close: %s", tee_strerror(result));
	tee_host_watch_socket(ours->host, socket, NULL, NULL);
	tee_close(socket);
	ours->done_count++;
	start_one(ours);
}

static void start_one(struct ours *ours)
{
	if (tee_host_watch_socket(ours->host, connect_one(ours), on_ended, ours) < 0)
		bench_fail("no memory");
}

static void run_connect_many(struct ours *ours)
{
	uint64_t start_ns, cpu_ns, now_ns;

	open_and_end(ours);
	for (unsigned i = 0; i < ours->job->conns; i++)
		start_one(ours);
	start_ns = bench_now_ns();
	cpu_ns = bench_cpu_ns();
	do {
		if (tee_host_run_once(ours->host, PATIENCE_S * TEE_NS_PER_S) < 0)
			bench_fail("%s", tee_host_error(ours->host));
		now_ns = bench_now_ns();
	} while (now_ns < start_ns + ours->job->measure_ns);
	bench_report_rate(ours->done_count, now_ns - start_ns, bench_cpu_ns() - cpu_ns);
}

int bench_our_client(int argc, char **argv)
{
	struct bench_job job;
	struct ours ours = {.job = &job};

	argc = bench_job_options(&job, argc, argv);
	if (argc < 7 || argc > 9)
		bench_fail("our-client sink|source|echo|connect LINK OWN-IP HOST PORT SECONDS SPIN "
			   "[IMPAIRMENT [CC]]");
	bench_job_set(&job, argv[0], argv[5], argv[6]);
	if (tee_ip_parse(argv[3], &ours.remote.ip) < 0)
		bench_fail("'%s' is no address", argv[3]);
	ours.remote.port = (uint16_t)atoi(argv[4]);
	ours.host = open_host(argv[1], argv[2], job.spins ? 100 * TEE_NS_PER_MS : 0,
			      argc > 7 ? argv[7] : NULL, argc > 8 ? argv[8] : NULL);
	if (strcmp(job.what, "connect") == 0)
		(job.conns > 1 ? run_connect_many : run_connect)(&ours);
	else if (strcmp(job.what, "echo") == 0)
		run_echo(&ours);
	else
		(job.conns > 1 ? run_bulk_many : run_bulk)(&ours);
	fflush(stdout);
	/* What is still opening is not waited for. */
	tee_host_close(ours.host, job.conns > 1 ? 0 : 100 * TEE_NS_PER_MS);
	return 0;
}
