// SPDX-License-Identifier: MIT
/*
 * Our TCP as the client of the kernel's server: the same conversations as in kernel.c, over a link, in
 * one thread, with the library's public calls. The stack runs inside the waits.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <teeceepee/teeceepee.h>

#include "bench.h"

static uint8_t buffer[BENCH_BUFFER_BYTES];

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

static struct tee_socket *dial(struct tee_host *host, const char *name, const char *port)
{
	char error[TEE_HOST_ERROR_SIZE];
	struct tee_socket *socket;

	if (tee_dial(host, name, (uint16_t)atoi(port), 10 * TEE_NS_PER_S, &socket, error) < 0)
		bench_fail("%s", error);
	return socket;
}

static void wish_for(struct tee_host *host, struct tee_socket *socket, enum bench_wish wish,
		     bool spins)
{
	const char bytes[2] = {(char)wish, spins ? '1' : '0'};

	if (tee_send_all(host, socket, bytes, sizeof(bytes)) != sizeof(bytes))
		bench_fail("can't send the wish");
}

/* One step: sends a buffer or takes what came, waiting when neither is possible now. */
static uint64_t step(struct tee_host *host, struct tee_socket *socket, bool sends)
{
	for (;;) {
		ssize_t len = sends ? tee_send(socket, buffer, sizeof(buffer), 0)
				    : tee_recv(socket, buffer, sizeof(buffer), 0);

		if (len > 0)
			return (uint64_t)len;
		if (len != -TEE_EAGAIN)
			bench_fail("the connection ended: %s", tee_strerror((int)len));
		if (tee_wait(host, socket, sends ? TEE_EV_WRITABLE : TEE_EV_READABLE,
			     10 * TEE_NS_PER_S) <= 0)
			bench_fail("no progress in 10 s: %s", tee_host_error(host));
	}
}

static void run_bulk(struct tee_host *host, struct tee_socket *socket, bool sends,
		     const struct bench_time *time)
{
	uint64_t start_ns = bench_now_ns() + time->warm_up_ns, now_ns, cpu_ns = 0, bytes = 0;
	bool is_warm = false;

	while ((now_ns = bench_now_ns()) < start_ns + time->measure_ns) {
		uint64_t len = step(host, socket, sends);

		if (!is_warm && now_ns >= start_ns) {
			is_warm = true;
			start_ns = now_ns;
			cpu_ns = bench_cpu_ns();
			bytes = 0;
		}
		bytes += len;
	}
	bench_report_bulk(bytes, now_ns - start_ns, bench_cpu_ns() - cpu_ns);
}

static void run_echo(struct tee_host *host, struct tee_socket *socket,
		     const struct bench_time *time)
{
	uint64_t start_ns = bench_now_ns() + time->warm_up_ns, before_ns, after_ns;
	struct bench_samples samples;
	char byte = 'x';

	bench_samples_init(&samples);
	tee_set_option(socket, TEE_OPT_NODELAY, 1);
	do {
		before_ns = bench_now_ns();
		if (tee_send_all(host, socket, &byte, 1) != 1 ||
		    tee_recv_some(host, socket, &byte, 1) != 1)
			bench_fail("the connection ended");
		after_ns = bench_now_ns();
		if (before_ns >= start_ns)
			bench_samples_add(&samples, after_ns - before_ns);
	} while (after_ns < start_ns + time->measure_ns);
	bench_report_samples(&samples);
}

static void run_connect(struct tee_host *host, const char *name, const char *port,
			const struct bench_time *time)
{
	struct tee_endpoint remote = {.port = (uint16_t)atoi(port)};
	uint64_t start_ns = bench_now_ns(), now_ns, count = 0;
	struct tee_socket *socket;
	char byte;

	if (tee_ip_parse(name, &remote.ip) < 0)
		bench_fail("'%s' is no address", name);
	do {
		int result = tee_socket_open(tee_host_stack(host), TEE_SOCKET_TCP, TEE_FAMILY_ANY,
					     &socket);

		if (result >= 0)
			result = tee_connect(socket, &remote);
		if (result < 0 && result != -TEE_EINPROGRESS)
			bench_fail("can't connect: %s", tee_strerror(result));
		result = (int)tee_recv_some(host, socket, &byte, 1);
		if (result != 0)
			bench_fail("the server did not close: %s", tee_strerror(result));
		tee_close(socket);
		count++;
		now_ns = bench_now_ns();
	} while (now_ns < start_ns + time->measure_ns);
	bench_report_rate(count, now_ns - start_ns);
}

int bench_our_client(int argc, char **argv)
{
	struct bench_time time = {.warm_up_ns = 300 * TEE_NS_PER_MS};
	struct tee_socket *socket;
	struct tee_host *host;
	const char *what;
	bool spins;

	if (argc != 7)
		bench_fail(
			"our-client sink|source|echo|connect LINK OWN-IP HOST PORT SECONDS SPIN");
	what = argv[0];
	time.measure_ns = (uint64_t)(atof(argv[5]) * 1e9);
	spins = atoi(argv[6]) != 0;
	host = open_host(argv[1], argv[2], spins ? 100 * TEE_NS_PER_MS : 0,
			 argc > 7 ? argv[7] : NULL, argc > 8 ? argv[8] : NULL);
	if (strcmp(what, "connect") == 0) {
		run_connect(host, argv[3], argv[4], &time);
	} else {
		bool sends = strcmp(what, "sink") == 0;

		socket = dial(host, argv[3], argv[4]);
		if (strcmp(what, "echo") == 0) {
			wish_for(host, socket, WISH_ECHO, spins);
			run_echo(host, socket, &time);
		} else {
			wish_for(host, socket, sends ? WISH_SINK : WISH_SOURCE, false);
			run_bulk(host, socket, sends, &time);
		}
		tee_abort(socket);
	}
	fflush(stdout);
	tee_host_close(host, 100 * TEE_NS_PER_MS);
	return 0;
}
