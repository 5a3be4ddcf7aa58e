// SPDX-License-Identifier: MIT
/*
 * Bad roads, our side: the client of bench/road_kernel.c over our stack, over the road that bench/grid.py
 * made. What it measures is said there.
 *
 * What one host remembers of another (RFC 9040) is switched off, as in the kernel's runs: each flow
 * finds out for itself.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <teeceepee/teeceepee.h>

#include "bench.h"

static uint8_t buffer[BENCH_BUFFER_BYTES];

static struct tee_host *open_host(char **argv)
{
	char error[TEE_HOST_ERROR_SIZE];
	struct tee_host_config config;
	struct tee_host *host;

	tee_host_config_init(&config);
	config.link = argv[0];
	config.ip = argv[1];
	config.ip6 = "none";
	config.pcap_path = getenv("TEE_BENCH_PCAP");
	if (tee_config_set(&config.stack, "tcp_cc", argv[2]) < 0)
		bench_fail("'%s' is no congestion controller", argv[2]);
	config.stack.tcp_metrics_save = false;
	config.stack.acd = false;
	config.stack.dad_transmits = 0;
	if (tee_host_open(&config, &host, error) < 0)
		bench_fail("%s", error);
	return host;
}

/* ---- bulk ---- */

static void run_bulk(struct tee_host *host, struct tee_socket *socket, bool sends,
		     uint64_t measure_ns)
{
	uint64_t start_ns = bench_now_ns(), now_ns, received = 0;
	struct tee_tcp_info info;

	while ((now_ns = bench_now_ns()) < start_ns + measure_ns) {
		ssize_t len = sends ? tee_send(socket, buffer, sizeof(buffer), 0)
				    : tee_recv(socket, buffer, sizeof(buffer), 0);

		if (len > 0)
			received += (uint64_t)len;
		else if (len != -TEE_EAGAIN)
			bench_fail("the connection ended: %s", tee_strerror((int)len));
		else if (tee_wait(host, socket, sends ? TEE_EV_WRITABLE : TEE_EV_READABLE,
				  start_ns + measure_ns - now_ns) < 0)
			bench_fail("can't wait: %s", tee_host_error(host));
	}
	tee_socket_info(socket, &info);
	bench_report_road(sends ? info.bytes_acked : received, now_ns - start_ns,
			  info.total_retrans_segs, info.total_rto, (double)info.rtt_ns / 1e6);
}

/* ---- timed flows ---- */

enum flow_state { FLOW_CONNECTING, FLOW_SENDING, FLOW_CLOSING, FLOW_DONE };

struct flow {
	struct flows *flows;
	struct tee_socket *socket;
	enum flow_state state;
	uint64_t left;
};

struct flows {
	struct tee_host *host;
	struct tee_endpoint remote;
	uint64_t bytes;
	unsigned to_start, running, timeouts;
};

/* The wish and the head first, then what a read of the buffer gives. */
static void begin_sending(struct flow *flow)
{
	struct {
		char wish[2];
		struct bench_flow_head head;
	} __attribute__((packed)) first = {
		.wish = {WISH_FLOW, '0'},
		.head = {.began_ns = bench_now_ns(), .bytes = flow->flows->bytes},
	};

	if (tee_send(flow->socket, &first, sizeof(first), TEE_MSG_MORE) != sizeof(first))
		bench_fail("can't send a flow's head");
	flow->left = flow->flows->bytes - sizeof(first.head);
	flow->state = FLOW_SENDING;
}

static void send_more(struct flow *flow)
{
	while (flow->left > 0) {
		size_t len = flow->left < sizeof(buffer) ? (size_t)flow->left : sizeof(buffer);
		ssize_t sent = tee_send(flow->socket, buffer, len, 0);

		if (sent == -TEE_EAGAIN)
			return;
		if (sent < 0)
			bench_fail("can't send: %s", tee_strerror((int)sent));
		flow->left -= (uint64_t)sent;
	}
	tee_shutdown(flow->socket, TEE_SHUT_WRITE);
	flow->state = FLOW_CLOSING;
}

static void on_ready(void *arg, struct tee_socket *socket, unsigned ready)
{
	struct flow *flow = arg;

	if (ready & TEE_EV_ERROR)
		bench_fail("a flow failed");
	if (flow->state == FLOW_CONNECTING && (ready & TEE_EV_WRITABLE))
		begin_sending(flow);
	if (flow->state == FLOW_SENDING)
		send_more(flow);
	if (flow->state == FLOW_CLOSING && (ready & TEE_EV_READABLE) &&
	    tee_recv(socket, buffer, sizeof(buffer), 0) == 0)
		flow->state = FLOW_DONE;
}

static void start_flow(struct flow *flow)
{
	struct flows *flows = flow->flows;
	int result = tee_socket_open(tee_host_stack(flows->host), TEE_SOCKET_TCP, TEE_FAMILY_ANY,
				     &flow->socket);

	if (result >= 0)
		result = tee_connect(flow->socket, &flows->remote);
	if (result < 0 && result != -TEE_EINPROGRESS)
		bench_fail("can't connect: %s", tee_strerror(result));
	flow->state = FLOW_CONNECTING;
	flows->to_start--;
	flows->running++;
	tee_host_watch_socket(flows->host, flow->socket, on_ready, flow);
}

static void end_flow(struct flow *flow)
{
	struct tee_tcp_info info;

	tee_socket_info(flow->socket, &info);
	flow->flows->timeouts += info.total_rto;
	tee_host_watch_socket(flow->flows->host, flow->socket, NULL, NULL);
	tee_close(flow->socket);
	flow->socket = NULL;
	flow->flows->running--;
}

static void run_flows(struct flows *flows, unsigned at_once)
{
	struct flow *all = calloc(at_once, sizeof(*all));

	if (!all)
		bench_fail("no memory for the flows");
	while (flows->to_start > 0 || flows->running > 0) {
		for (unsigned i = 0; i < at_once; i++) {
			all[i].flows = flows;
			if (all[i].socket && all[i].state == FLOW_DONE)
				end_flow(&all[i]);
			if (!all[i].socket && flows->to_start > 0)
				start_flow(&all[i]);
		}
		if (tee_host_run_once(flows->host, 100 * TEE_NS_PER_MS) < 0)
			bench_fail("%s", tee_host_error(flows->host));
	}
	printf("{\"timeouts\": %u}\n", flows->timeouts);
	free(all);
}

int bench_our_road(int argc, char **argv)
{
	char error[TEE_HOST_ERROR_SIZE];
	struct tee_socket *socket;
	struct tee_host *host;
	bool is_flows = argc == 8 && strcmp(argv[0], "flows") == 0;

	if (argc != 7 && !is_flows)
		bench_fail("our-road sink|source LINK OWN-IP CC HOST PORT SECONDS | "
			   "flows LINK OWN-IP CC HOST PORT BYTES COUNT/AT-ONCE");
	host = open_host(argv + 1);
	if (is_flows) {
		struct flows flows = {.host = host, .bytes = strtoull(argv[6], NULL, 10)};
		unsigned at_once = 1;

		if (tee_ip_parse(argv[4], &flows.remote.ip) < 0 ||
		    sscanf(argv[7], "%u/%u", &flows.to_start, &at_once) < 1)
			bench_fail("'%s' is no address, or '%s' no count", argv[4], argv[7]);
		flows.remote.port = (uint16_t)atoi(argv[5]);
		run_flows(&flows, at_once);
	} else {
		const char wish[2] = {strcmp(argv[0], "sink") == 0 ? WISH_SINK : WISH_SOURCE, '0'};

		if (tee_dial(host, argv[4], (uint16_t)atoi(argv[5]), 30 * TEE_NS_PER_S, &socket,
			     error) < 0)
			bench_fail("%s", error);
		if (tee_send_all(host, socket, wish, sizeof(wish)) != sizeof(wish))
			bench_fail("can't send the wish");
		run_bulk(host, socket, wish[0] == WISH_SINK, (uint64_t)(atof(argv[6]) * 1e9));
		tee_abort(socket);
	}
	fflush(stdout);
	tee_host_close(host, 100 * TEE_NS_PER_MS);
	return 0;
}
