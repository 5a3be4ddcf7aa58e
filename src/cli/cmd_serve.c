// SPDX-License-Identifier: MIT
/*
 * `teeceepee serve`: a directory over HTTP, from an address of our own.
 *
 * Everything happens in the loop of a stack: its events call the connections (serve_conn.c), which read,
 * answer and write without any other thread or descriptor in between. With --threads there are as many
 * stacks with as many loops (serve_worker.c), all with the same address, on a link with as many queues.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/serve.h"
#include "cli/serve_map.h"

enum { ADDRESSES_MAX = 16 };

static void print_url(const struct serve *serve, const struct tee_ip *ip)
{
	char text[TEE_IP_TEXT_SIZE];
	bool is4 = tee_ip_is4(ip);

	printf("  http://%s%s%s", is4 ? "" : "[", tee_ip_format(ip, text), is4 ? "" : "]");
	if (serve->port != 80)
		printf(":%u", serve->port);
	fputs("/\n", stdout);
}

void serve_print_urls(const struct serve *serve, const struct tee_ip *ips, unsigned count,
		      const char *link)
{
	printf("serving %s; Ctrl-C ends\n", serve->dir_name);
	for (unsigned i = 0; i < count; i++)
		print_url(serve, &ips[i]);
	if (strcmp(link, "slirp") == 0)
		printf("nobody outside reaches these over slirp; --link slirp:tcp=8080-%u lets port "
		       "8080 of the host lead here\n",
		       serve->port);
	fflush(stdout);
}

static void print_own_urls(const struct serve *serve)
{
	struct tee_stack *stack = tee_host_stack(serve->cli.host);
	const char *link = serve->cli.config.link ? serve->cli.config.link : "slirp";
	struct tee_ip ips[ADDRESSES_MAX];
	struct tee_addr_info info;
	unsigned count = 0;

	for (unsigned i = 0; count < ADDRESSES_MAX &&
			     tee_addr_get(stack, tee_host_netif(serve->cli.host), i, &info) == 0;
	     i++)
		if (info.state == TEE_ADDR_PREFERRED && info.origin != TEE_ADDR_LINK_LOCAL)
			ips[count++] = info.ip;
	serve_print_urls(serve, ips, count, link);
}

/* ---- threads ---- */

static void *thread_main(void *arg)
{
	serve_worker_run(arg);
	return NULL;
}

static int start_threads(struct serve *serve)
{
	for (unsigned i = 1; i < serve->threads; i++) {
		int error = pthread_create(&serve->workers[i]->thread, NULL, thread_main,
					   serve->workers[i]);

		if (error)
			return cli_fail(&serve->cli, CLI_EXIT_FAILED, "can't start a thread: %s",
					strerror(error));
		serve->workers[i]->has_thread = true;
	}
	return 0;
}

static int serve_run(struct serve *serve)
{
	unsigned opened = 0;
	int code = 0;

	while (!code && opened < serve->threads) {
		code = serve_worker_open(serve, opened == 0 ? serve->cli.host : NULL,
					 &serve->workers[opened]);
		opened += !code;
	}
	if (!code) {
		/* In its first turn the link is asked for the port, which a host that shares its address may have. */
		if (tee_host_run_once(serve->workers[0]->host, 0) == 0)
			print_own_urls(serve);
		code = start_threads(serve);
	}
	if (!code)
		serve_worker_run(serve->workers[0]);
	serve_stop(serve);
	for (unsigned i = 1; i < opened; i++) {
		if (serve->workers[i]->has_thread)
			pthread_join(serve->workers[i]->thread, NULL);
		code = code ? code : serve->workers[i]->code;
	}
	while (opened > 0)
		serve_worker_close(serve->workers[--opened]);
	return code;
}

/* Each thread opens the link once and gets a queue of its own. */
static int prepare_link(struct serve *serve, char *link, size_t size)
{
	struct cli *cli = &serve->cli;
	const char *given = cli->config.link ? cli->config.link : "slirp";

	cli->stacks = serve->threads;
	if (serve->threads == 1)
		return 0;
	if (strncmp(given, "tap:", 4) != 0 && strncmp(given, "packet:", 7) != 0 &&
	    strncmp(given, "xdp:", 4) != 0)
		return cli_fail(cli, CLI_EXIT_USAGE,
				"--threads needs a link with several queues: --link tap:NAME, "
				"packet:INTERFACE or xdp:INTERFACE, not %s",
				given);
	if (cli->config.pcap_path || cli->trace_level != CLI_TRACE_OFF)
		return cli_fail(cli, CLI_EXIT_USAGE,
				"--pcap and --trace show one stack: not with --threads");
	if (strstr(given, "queues="))
		return 0;
	if ((size_t)snprintf(link, size, "%s,queues=%u", given, serve->threads) >= size)
		return cli_fail(cli, CLI_EXIT_USAGE, "the link string is too long");
	cli->config.link = link;
	return 0;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct serve *serve = state->input;

	switch (key) {
	case ARGP_KEY_INIT: state->child_inputs[0] = &serve->cli; break;
	case 'p': serve->port = (uint16_t)cli_number(state, "--port", arg, 1, 65535); break;
	case 't':
		serve->threads =
			(unsigned)cli_number(state, "--threads", arg, 1, SERVE_THREADS_MAX);
		break;
	case 'i': serve->idle_ns = cli_seconds(state, "--idle", arg); break;
	case 'v': serve->is_verbose = true; break;
	case ARGP_KEY_ARG:
		if (serve->dir_name)
			argp_error(state, "one DIR, not also '%s'", arg);
		serve->dir_name = arg;
		break;
	case ARGP_KEY_END:
		if (!serve->dir_name)
			argp_error(state, "DIR is missing");
		if (serve->cli.attach && serve->threads > 1)
			argp_error(state,
				   "--threads %u makes so many stacks, but with --attach the one "
				   "stack is the daemon's, and each client has a thread already: "
				   "leave --threads out, or serve from a link of its own "
				   "(--link tap:NAME --threads %u)",
				   serve->threads, serve->threads);
		break;
	default: return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static int serve_with_link(struct serve *serve)
{
	char link[512];
	int code = prepare_link(serve, link, sizeof(link));

	if (!code)
		code = cli_open(&serve->cli);
	if (!code)
		code = cli_close(&serve->cli, serve_run(serve));
	for (unsigned i = 0; i < serve->threads; i++)
		serve_worker_free(serve->workers[i]);
	return code;
}

int cmd_serve(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{"port", 'p', "PORT", 0, "Of our own address (80)", 0},
		{"threads", 't', "N", 0,
		 "So many stacks, each in a thread (1; on tap, packet and xdp)", 0},
		{"idle", 'i', "SECONDS", 0,
		 "Close a connection after so long without a request (60)", 0},
		{"verbose", 'v', NULL, 0, "Print each request", 0},
		{0},
	};
	static const struct argp_child children[] = {{&cli_common_argp, 0, NULL, 0}, {0}};
	static const struct argp argp = {
		options,
		parse,
		"DIR",
		"Serve the files below DIR over HTTP, from an address of our own. Nothing outside of "
		"DIR can be read.",
		children,
		NULL,
		NULL,
	};
	struct serve serve = {.port = 80, .idle_ns = 60 * TEE_NS_PER_S, .threads = 1};
	int code;

	cli_init(&serve.cli, argv[0]);
	cli_parse(&argp, argc, argv, &serve);
	serve.root_fd = open(serve.dir_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (serve.root_fd < 0)
		return cli_fail(&serve.cli, CLI_EXIT_READ, "can't serve %s: %s", serve.dir_name,
				strerror(errno));
	serve_map_init();
	if (serve.cli.attach)
		code = cli_attached(&serve.cli, serve_run_attached, &serve);
	else
		code = serve_with_link(&serve);
	close(serve.root_fd);
	return code;
}
