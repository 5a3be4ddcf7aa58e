// SPDX-License-Identifier: MIT
/*
 * `teeceepee serve`: a directory over HTTP, from an address of our own.
 *
 * The host's loop runs in the main thread and accepts; each connection is bridged and its descriptor
 * handed to libmicrohttpd, whose own thread parses requests and sends files. Neither waits for the
 * other.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "cli/serve.h"

enum {
	BACKLOG = 4096,
	CONNECTION_MAX = 100000,
	IDLE_SECONDS = 60,
	CONNECTION_MEMORY = 32 * 1024,
};

/* ---- connections ---- */

static socklen_t to_sockaddr(const struct tee_endpoint *endpoint, struct sockaddr_storage *address)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(endpoint->port)};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(endpoint->port)};

	memset(address, 0, sizeof(*address));
	if (tee_ip_is4(&endpoint->ip)) {
		memcpy(&in.sin_addr, endpoint->ip.byte + 12, 4);
		memcpy(address, &in, sizeof(in));
		return sizeof(in);
	}
	memcpy(&in6.sin6_addr, endpoint->ip.byte, 16);
	memcpy(address, &in6, sizeof(in6));
	return sizeof(in6);
}

/* Keeps the client's name as text beside the connection, for -v. */
static void on_connection(void *arg, struct MHD_Connection *connection, void **context,
			  enum MHD_ConnectionNotificationCode code)
{
	const struct serve *serve = arg;
	const union MHD_ConnectionInfo *info;
	char text[INET6_ADDRSTRLEN] = "?";

	if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
		free(*context);
		*context = NULL;
		return;
	}
	if (!serve->is_verbose)
		return;
	info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	if (info && info->client_addr && info->client_addr->sa_family == AF_INET)
		inet_ntop(AF_INET, &((const struct sockaddr_in *)info->client_addr)->sin_addr, text,
			  sizeof(text));
	else if (info && info->client_addr && info->client_addr->sa_family == AF_INET6)
		inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)info->client_addr)->sin6_addr,
			  text, sizeof(text));
	*context = strdup(text);
}

static void hand_over(struct serve *serve, struct tee_socket *socket,
		      const struct tee_endpoint *remote)
{
	struct sockaddr_storage address;
	socklen_t len = to_sockaddr(remote, &address);
	int fd, result = tee_bridge(serve->cli.host, socket, &fd);

	if (result < 0) {
		tee_abort(socket);
		cli_fail(&serve->cli, 0, "a client was turned away: %s", tee_strerror(result));
		return;
	}
	/* Closes the descriptor when it fails. */
	if (MHD_add_connection(serve->daemon, fd, (struct sockaddr *)&address, len) != MHD_YES)
		cli_fail(&serve->cli, 0, "a client was turned away: %s", strerror(errno));
}

static void on_listener(void *arg, struct tee_socket *listener, unsigned ready)
{
	struct serve *serve = arg;
	struct tee_endpoint remote;
	struct tee_socket *socket;

	(void)ready;
	while (tee_accept(listener, &socket, &remote) >= 0) {
		tee_set_option(socket, TEE_OPT_NODELAY, 1);
		hand_over(serve, socket, &remote);
	}
}

/* ---- start and end ---- */

static void print_url(const struct serve *serve, const struct tee_ip *ip)
{
	char text[TEE_IP_TEXT_SIZE];
	bool is4 = tee_ip_is4(ip);

	printf("  http://%s%s%s", is4 ? "" : "[", tee_ip_format(ip, text), is4 ? "" : "]");
	if (serve->port != 80)
		printf(":%u", serve->port);
	fputs("/\n", stdout);
}

static void print_urls(const struct serve *serve)
{
	struct tee_stack *stack = tee_host_stack(serve->cli.host);
	const char *link = serve->cli.config.link ? serve->cli.config.link : "slirp";
	struct tee_addr_info info;

	printf("serving %s; Ctrl-C ends\n", serve->dir_name);
	for (unsigned i = 0; tee_addr_get(stack, tee_host_netif(serve->cli.host), i, &info) == 0;
	     i++)
		if (info.state == TEE_ADDR_PREFERRED && info.origin != TEE_ADDR_LINK_LOCAL)
			print_url(serve, &info.ip);
	if (strcmp(link, "slirp") == 0)
		printf("nobody outside reaches these over slirp; --link slirp:tcp=8080-%u lets port "
		       "8080 of the host lead here\n",
		       serve->port);
	fflush(stdout);
}

static int start_listening(struct serve *serve)
{
	const struct tee_endpoint local = {.port = serve->port};
	struct tee_stack *stack = tee_host_stack(serve->cli.host);
	int result = tee_socket_open(stack, TEE_SOCKET_TCP, TEE_FAMILY_ANY, &serve->listener);

	if (result >= 0) {
		tee_set_option(serve->listener, TEE_OPT_REUSEADDR, 1);
		result = tee_bind(serve->listener, &local);
	}
	if (result >= 0)
		result = tee_listen(serve->listener, BACKLOG);
	if (result >= 0)
		result =
			tee_host_watch_socket(serve->cli.host, serve->listener, on_listener, serve);
	if (result < 0)
		return cli_fail(&serve->cli, cli_exit_of_error(result), "can't use port %u: %s",
				serve->port, tee_strerror(result));
	return 0;
}

/* Each client takes two descriptors, and one more for its file. */
static void raise_limits(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static int serve_run(struct serve *serve)
{
	int code;

	raise_limits();
	serve->daemon = MHD_start_daemon(
		MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_NO_LISTEN_SOCKET | MHD_USE_ITC |
			MHD_USE_TURBO,
		0, NULL, NULL, serve_answer, serve, MHD_OPTION_CONNECTION_LIMIT,
		(unsigned)CONNECTION_MAX, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_SECONDS,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY,
		MHD_OPTION_NOTIFY_CONNECTION, on_connection, serve, MHD_OPTION_END);
	if (!serve->daemon)
		return cli_fail(&serve->cli, CLI_EXIT_FAILED, "the HTTP server does not start: %s",
				strerror(errno));
	code = start_listening(serve);
	if (!code) {
		print_urls(serve);
		while (!cli_signal() && tee_host_run_once(serve->cli.host, TEE_NEVER) == 0)
			continue;
		tee_host_watch_socket(serve->cli.host, serve->listener, NULL, NULL);
	}
	/* Closes every descriptor; the bridges then send what is queued, and FIN. */
	MHD_stop_daemon(serve->daemon);
	return code;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct serve *serve = state->input;

	switch (key) {
	case ARGP_KEY_INIT: state->child_inputs[0] = &serve->cli; break;
	case 'p': serve->port = (uint16_t)cli_number(state, "--port", arg, 1, 65535); break;
	case 'v': serve->is_verbose = true; break;
	case ARGP_KEY_ARG:
		if (serve->dir_name)
			argp_error(state, "one DIR, not also '%s'", arg);
		serve->dir_name = arg;
		break;
	case ARGP_KEY_END:
		if (!serve->dir_name)
			argp_error(state, "DIR is missing");
		break;
	default: return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

int cmd_serve(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{"port", 'p', "PORT", 0, "Of our own address (80)", 0},
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
	struct serve serve = {.port = 80};
	int code;

	cli_init(&serve.cli, argv[0]);
	cli_parse(&argp, argc, argv, &serve);
	serve.root_fd = open(serve.dir_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (serve.root_fd < 0)
		return cli_fail(&serve.cli, CLI_EXIT_READ, "can't serve %s: %s", serve.dir_name,
				strerror(errno));
	code = cli_open(&serve.cli);
	if (!code)
		code = cli_close(&serve.cli, serve_run(&serve));
	close(serve.root_fd);
	return code;
}
