// SPDX-License-Identifier: MIT
/*
 * `teeceepee up`: the stack as a daemon (src/daemon).
 *
 * It goes into the background by itself, but not before it can be used: a child opens the link, gets
 * its address and listens, and tells through a pipe; only then do we end, with the exit code that it
 * told. So `up && run --attach` needs no waiting between, and what goes wrong is said on the terminal.
 * From then on the child writes to a log beside its socket, which an orderly end removes.
 *
 * With --foreground there is no child, for service managers: NOTIFY_SOCKET is told (sd_notify(3)).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/cli.h"
#include "daemon/daemon.h"
#include "daemon/place.h"

#define GRACE_NS (2 * TEE_NS_PER_S)

struct up {
	struct cli cli;
	const char *name;
	bool stays; /* in the foreground */
	struct daemon_place place;
	int parent_fd; /* -1: nobody waits for us */
};

/* ---- ready ---- */

static void print_ready(const struct up *up)
{
	struct tee_host *host = up->cli.host;
	struct tee_addr_info info;
	char text[TEE_IP_TEXT_SIZE];
	bool is_first = true;

	printf("%s is up:", up->name);
	for (unsigned i = 0;
	     tee_addr_get(tee_host_stack(host), tee_host_netif(host), i, &info) == 0; i++) {
		if (info.state != TEE_ADDR_PREFERRED || info.origin == TEE_ADDR_LINK_LOCAL)
			continue;
		printf("%s %s", is_first ? "" : ",", tee_ip_format(&info.ip, text));
		is_first = false;
	}
	printf(" on %s (pid %d)\n", up->cli.config.link ? up->cli.config.link : "slirp",
	       (int)getpid());
	printf("  teeceepee run --attach %s PROGRAM…\n  teeceepee down %s\n", up->name, up->name);
	fflush(stdout);
}

/* In the words of sd_notify(3). */
static void notify_manager(void)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	static const char words[] = "READY=1";
	ssize_t sent;
	int fd;

	if (!path || strlen(path) >= sizeof(address.sun_path))
		return;
	memcpy(address.sun_path, path, strlen(path));
	if (path[0] == '@')
		address.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	sent = sendto(fd, words, strlen(words), MSG_NOSIGNAL, (struct sockaddr *)&address,
		      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path)));
	(void)sent;
	close(fd);
}

/* Leaves the terminal, and lets the parent go. */
static int detach(const struct up *up)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), code = 0;
	int log = open(up->place.log, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);

	if (null < 0 || log < 0 || chdir("/") < 0)
		code = cli_fail(&up->cli, CLI_EXIT_FAILED, "can't go into the background: %s",
				strerror(errno));
	setsid();
	if (!code && (write(up->parent_fd, &code, sizeof(code)) != sizeof(code) ||
		      dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0 ||
		      dup2(log, STDERR_FILENO) < 0))
		code = CLI_EXIT_FAILED;
	close(up->parent_fd);
	if (null >= 0)
		close(null);
	if (log >= 0)
		close(log);
	return code;
}

/* ---- the daemon ---- */

/* A descriptor for each connection of each program. */
static void raise_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static int serve(struct up *up, int listen_fd)
{
	struct tee_host *host = up->cli.host;
	struct daemon *daemon = daemon_new(host, listen_fd, up->place.work,
					   up->cli.config.link ? up->cli.config.link : "slirp");
	int code;

	if (!daemon)
		return cli_fail(&up->cli, CLI_EXIT_FAILED, "no memory for a daemon");
	print_ready(up);
	notify_manager();
	code = up->parent_fd >= 0 ? detach(up) : 0;
	while (!code && !cli_signal() && !daemon_is_ending(daemon) &&
	       tee_host_run_once(host, TEE_NEVER) == 0)
		continue;
	daemon_end(daemon, GRACE_NS);
	daemon_free(daemon);
	return code;
}

static int run(struct up *up)
{
	char error[TEE_HOST_ERROR_SIZE];
	int listen_fd = daemon_place_claim(&up->place, error), code;

	if (listen_fd < 0)
		return cli_fail(&up->cli, CLI_EXIT_DAEMON, "%s", error);
	raise_limit();
	code = cli_open(&up->cli);
	if (!code)
		code = cli_close(&up->cli, serve(up, listen_fd));
	daemon_place_leave(&up->place, listen_fd);
	return code;
}

/* The exit code of what the child tells, or of its early end. */
static int wait_ready(int child_fd, pid_t child)
{
	int code, status;
	ssize_t count;

	do
		count = read(child_fd, &code, sizeof(code));
	while (count < 0 && errno == EINTR);
	if (count == sizeof(code))
		return code;
	if (waitpid(child, &status, 0) != child)
		return CLI_EXIT_FAILED;
	return cli_end_as(status);
}

static int run_in_background(struct up *up)
{
	int ready[2];
	pid_t child;

	if (pipe2(ready, O_CLOEXEC) < 0)
		return cli_fail(&up->cli, CLI_EXIT_FAILED, "pipe: %s", strerror(errno));
	fflush(stdout);
	child = fork();
	if (child < 0)
		return cli_fail(&up->cli, CLI_EXIT_FAILED, "fork: %s", strerror(errno));
	if (child == 0) {
		close(ready[0]);
		up->parent_fd = ready[1];
		return run(up);
	}
	close(ready[1]);
	return wait_ready(ready[0], child);
}

/* ---- options ---- */

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct up *up = state->input;

	switch (key) {
	case ARGP_KEY_INIT: state->child_inputs[0] = &up->cli; break;
	case 'f': up->stays = true; break;
	case ARGP_KEY_ARG:
		if (state->arg_num > 0 || strchr(arg, '/'))
			argp_error(state,
				   state->arg_num > 0 ? "one NAME, not also '%s'"
						      : "'%s' is a path, and no NAME",
				   arg);
		up->name = arg;
		break;
	case ARGP_KEY_END:
		if (!up->stays && (up->cli.trace_level != CLI_TRACE_OFF || up->cli.wants_stats))
			argp_error(state, "--trace and --stats print on the terminal, and go with "
					  "--foreground; 'teeceepee ss' and --pcap don't need it");
		break;
	default: return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

int cmd_up(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{"foreground", 'f', NULL, 0, "Stay in the foreground; Ctrl-C ends", 0},
		{0},
	};
	static const struct argp_child children[] = {{&cli_common_argp, 0, NULL, 0}, {0}};
	static const struct argp argp = {
		options,
		parse,
		"[NAME]",
		"Start a daemon: a stack with an address, to which programs attach (--attach NAME) and "
		"which stays when they end. Returns when it can be used.",
		children,
		NULL,
		NULL,
	};
	char error[TEE_HOST_ERROR_SIZE];
	struct up *up = calloc(1, sizeof(*up));
	int code;

	if (!up)
		return CLI_EXIT_FAILED;
	up->name = DAEMON_NAME_DEFAULT;
	up->parent_fd = -1;
	cli_init(&up->cli, argv[0]);
	cli_parse(&argp, argc, argv, up);
	if (daemon_place_find(up->name, &up->place, error) < 0)
		code = cli_fail(&up->cli, CLI_EXIT_USAGE, "%s", error);
	else
		code = up->stays ? run(up) : run_in_background(up);
	free(up);
	return code;
}
