// SPDX-License-Identifier: MIT
/*
 * Connections opened, accepted and closed, both ends by this one thread: what a stack's handshakes cost
 * without a link, a second thread or a wake-up. Ours are between two stacks on a wire, the kernel's over
 * its loopback. BURST of them are on their way at once; the end that accepted closes first.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"
#include "pair.h"

enum { BURST = 32, OUR_PORT = 7, CONN_MAX = 1000 };

/* Opens and closes a burst. */
typedef void burst_fn(void *arg);

static void run_for(uint64_t measure_ns, burst_fn *burst, void *arg)
{
	uint64_t start_ns, cpu_ns, now_ns, count = 0;

	for (unsigned i = 0; i < 100; i++)
		burst(arg);
	start_ns = bench_now_ns();
	cpu_ns = bench_cpu_ns();
	do {
		burst(arg);
		count += BURST;
		now_ns = bench_now_ns();
	} while (now_ns < start_ns + measure_ns);
	bench_report_rate(count, now_ns - start_ns, bench_cpu_ns() - cpu_ns);
}

/* ---- ours ---- */

struct ours {
	struct bench_pair pair;
	struct tee_socket *listener;
};

static void must_have_ended(struct tee_socket *socket)
{
	char byte;

	if (tee_recv(socket, &byte, 1, 0) != 0)
		bench_fail("a connection did not end");
}

static void our_burst(void *arg)
{
	struct ours *ours = arg;
	struct tee_socket *clients[BURST], *servers[BURST];
	struct tee_event event;

	for (unsigned i = 0; i < BURST; i++)
		clients[i] = bench_pair_connect(&ours->pair, OUR_PORT);
	bench_pair_settle(&ours->pair);
	for (unsigned i = 0; i < BURST; i++) {
		if (tee_accept(ours->listener, &servers[i], NULL) < 0)
			bench_fail("a connection did not come");
		tee_close(servers[i]);
	}
	bench_pair_settle(&ours->pair);
	for (unsigned i = 0; i < BURST; i++) {
		must_have_ended(clients[i]);
		tee_close(clients[i]);
	}
	bench_pair_settle(&ours->pair);
	for (unsigned i = 0; i < 2; i++)
		while (tee_next_event(ours->pair.ends[i].stack, &event))
			continue;
}

/* ---- the kernel's ---- */

struct kernel {
	int listener;
	struct sockaddr_in there;
};

static void kernel_burst(void *arg)
{
	const struct kernel *kernel = arg;
	int clients[BURST];
	char byte;

	for (unsigned i = 0; i < BURST; i++) {
		clients[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		if (clients[i] < 0 || (connect(clients[i], (const struct sockaddr *)&kernel->there,
					       sizeof(kernel->there)) < 0 &&
				       errno != EINPROGRESS))
			bench_fail("can't connect: %s", strerror(errno));
	}
	for (unsigned i = 0; i < BURST; i++) {
		int server = accept(kernel->listener, NULL, NULL);

		if (server < 0)
			bench_fail("a connection did not come: %s", strerror(errno));
		close(server);
	}
	for (unsigned i = 0; i < BURST; i++) {
		if (recv(clients[i], &byte, 1, 0) != 0)
			bench_fail("a connection did not end: %s", strerror(errno));
		close(clients[i]);
	}
}

static void run_kernel(uint64_t measure_ns)
{
	struct kernel kernel = {.there = {.sin_family = AF_INET}};
	socklen_t len = sizeof(kernel.there);

	kernel.there.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	kernel.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(kernel.listener, (struct sockaddr *)&kernel.there, len) < 0 ||
	    listen(kernel.listener, BURST) < 0 ||
	    getsockname(kernel.listener, (struct sockaddr *)&kernel.there, &len) < 0)
		bench_fail("can't listen: %s", strerror(errno));
	run_for(measure_ns, kernel_burst, &kernel);
	close(kernel.listener);
}

int bench_turnover(int argc, char **argv)
{
	uint64_t measure_ns = argc == 2 ? (uint64_t)(atof(argv[1]) * 1e9) : 0;

	if (argc == 2 && strcmp(argv[0], "ours") == 0) {
		struct ours ours;

		bench_pair_init(&ours.pair, 1500, 0, CONN_MAX);
		ours.listener = bench_pair_listen(&ours.pair, OUR_PORT);
		run_for(measure_ns, our_burst, &ours);
		bench_pair_fini(&ours.pair);
	} else if (argc == 2 && strcmp(argv[0], "kernel") == 0) {
		run_kernel(measure_ns);
	} else {
		bench_fail("turnover ours|kernel SECONDS");
	}
	return 0;
}
