// SPDX-License-Identifier: MIT
/*
 * One thread of `teeceepee serve`: a stack, a listener, its connections, its files. Workers share nothing
 * but the directory's descriptor and the options; a link with several queues (steer.c) decides whose a client is.
 *
 * The first worker's stack is the command's own, with all that was asked of it: DHCP, address probing. The
 * others are given the addresses and the gateway that it has got, without asking again.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cli/serve.h"

enum { BACKLOG = 4096, CONNECTIONS_MAX = 100000 };

#define GRACE_NS (2 * TEE_NS_PER_S)

/* ---- the stack of a further worker ---- */

/* The first usable address of a family as ADDRESS/BITS; false: there is none. */
static bool own_address(struct tee_host *host, bool is4, char *ret_text, size_t size)
{
	struct tee_addr_info info;
	char text[TEE_IP_TEXT_SIZE];

	for (unsigned i = 0;
	     tee_addr_get(tee_host_stack(host), tee_host_netif(host), i, &info) == 0; i++) {
		if (info.state != TEE_ADDR_PREFERRED || info.origin == TEE_ADDR_LINK_LOCAL ||
		    tee_ip_is4(&info.ip) != is4)
			continue;
		snprintf(ret_text, size, "%s/%u", tee_ip_format(&info.ip, text), info.prefix_bits);
		return true;
	}
	return false;
}

static int open_beside(struct serve *serve, struct tee_host **ret_host)
{
	char error[TEE_HOST_ERROR_SIZE],
		ip[TEE_IP_TEXT_SIZE + 8] = "none", ip6[TEE_IP_TEXT_SIZE + 8] = "none",
				      gateway[TEE_IP_TEXT_SIZE], gateway6[TEE_IP_TEXT_SIZE];
	struct tee_host_config config = serve->cli.config;
	struct tee_host *first = serve->cli.host;
	struct tee_net_info net;
	int result;

	tee_net_info(tee_host_stack(first), tee_host_netif(first), &net);
	own_address(first, true, ip, sizeof(ip));
	own_address(first, false, ip6, sizeof(ip6));
	config.ip = ip;
	config.ip6 = ip6;
	if (!config.gateway && net.has_router4 && strcmp(ip, "none") != 0)
		config.gateway = tee_ip_format(&net.router4, gateway);
	if (!config.gateway6 && net.has_router6 && strcmp(ip6, "none") != 0)
		config.gateway6 = tee_ip_format(&net.router6, gateway6);
	config.stack.acd = false;
	config.stack.dad_transmits = 0;
	config.stack.seed += 0x9e3779b97f4a7c15; /* else both would choose the same numbers */
	serve->cli.config.stack.seed = config.stack.seed;
	result = tee_host_open(&config, ret_host, error);
	if (result < 0)
		return cli_fail(&serve->cli, cli_exit_of_open(result, config.link), "%s", error);
	return 0;
}

/* ---- listening ---- */

static void on_listener(void *arg, struct tee_socket *listener, unsigned ready)
{
	struct serve_worker *worker = arg;
	struct tee_socket *socket;

	(void)ready;
	while (tee_accept(listener, &socket, NULL) >= 0) {
		if (worker->conn_count < CONNECTIONS_MAX)
			serve_conn_open(worker, socket);
		else
			tee_abort(socket);
	}
}

static void on_second(void *arg)
{
	struct serve_worker *worker = arg;

	serve_conn_sweep(worker);
	tee_host_after(worker->host, TEE_NS_PER_S, on_second, worker);
}

static int start_listening(struct serve_worker *worker)
{
	const struct tee_endpoint local = {.port = worker->serve->port};
	int result = tee_socket_open(tee_host_stack(worker->host), TEE_SOCKET_TCP, TEE_FAMILY_ANY,
				     &worker->listener);

	if (result >= 0) {
		tee_set_option(worker->listener, TEE_OPT_REUSEADDR, 1);
		result = tee_bind(worker->listener, &local);
	}
	if (result >= 0)
		result = tee_listen(worker->listener, BACKLOG);
	if (result >= 0)
		result = tee_host_watch_socket(worker->host, worker->listener, on_listener, worker);
	if (result >= 0)
		result = tee_host_after(worker->host, TEE_NS_PER_S, on_second, worker);
	if (result < 0)
		return cli_fail(&worker->serve->cli, cli_exit_of_error(result),
				"can't use port %u: %s", worker->serve->port, tee_strerror(result));
	return 0;
}

/* ---- life ---- */

int serve_worker_open(struct serve *serve, struct tee_host *host, struct serve_worker **ret_worker)
{
	struct serve_worker *worker = calloc(1, sizeof(*worker));
	int code = 0;

	if (!worker)
		return cli_fail(&serve->cli, CLI_EXIT_FAILED, "no memory for a thread");
	worker->serve = serve;
	worker->cache.root_fd = serve->root_fd;
	worker->host = host;
	if (!host)
		code = open_beside(serve, &worker->host);
	if (!code)
		code = start_listening(worker);
	if (code) {
		if (!host)
			tee_host_close(worker->host, 0);
		free(worker);
		return code;
	}
	*ret_worker = worker;
	return 0;
}

static void on_stop(void *arg)
{
	(void)arg; /* being woken is all */
}

void serve_stop(struct serve *serve)
{
	atomic_store(&serve->stops, true);
	for (unsigned i = 0; i < serve->threads; i++)
		if (serve->workers[i])
			tee_host_after(serve->workers[i]->host, 0, on_stop, NULL);
}

void serve_worker_run(struct serve_worker *worker)
{
	struct serve *serve = worker->serve;

	while (!cli_signal() && !atomic_load(&serve->stops) &&
	       tee_host_run_once(worker->host, TEE_NEVER) == 0)
		continue;
	/* Of the first one cli_close() tells. */
	if (worker->host != serve->cli.host && tee_host_error(worker->host)[0] && !cli_signal())
		worker->code = cli_fail(&serve->cli, CLI_EXIT_LINK_GONE, "%s",
					tee_host_error(worker->host));
	serve_stop(serve);
}

void serve_worker_close(struct serve_worker *worker)
{
	serve_conn_close_all(worker);
	tee_host_watch_socket(worker->host, worker->listener, NULL, NULL);
	tee_close(worker->listener);
	if (worker->host == worker->serve->cli.host)
		return;
	if (worker->serve->cli.wants_stats)
		cli_print_counters(stderr, worker->host, worker->serve->cli.wants_json);
	tee_host_close(worker->host, GRACE_NS);
}

void serve_worker_free(struct serve_worker *worker)
{
	if (!worker)
		return;
	serve_cache_fini(&worker->cache);
	free(worker);
}
