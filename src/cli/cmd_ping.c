// SPDX-License-Identifier: MIT
/*
 * `teeceepee ping`: echo requests over a PING socket, with the statistics of ping(8).
 *
 * One thread: the host's loop calls back for each timer and each answer. The time a request left is
 * kept here, by its sequence number, so what comes back needs no trust.
 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

enum {
	ECHO_HEADER_SIZE = 8,
	ECHO_REPLY4 = 0,
	ECHO_REQUEST4 = 8,
	ECHO_REQUEST6 = 128,
	ECHO_REPLY6 = 129,
	WINDOW = 4096, /* requests remembered */
};

struct ping {
	struct cli cli;
	const char *name;
	uint64_t count, interval_ns, wait_ns;
	size_t size;
	enum tee_family family; /* wanted */
	bool is_quiet;

	struct tee_socket *socket;
	struct tee_endpoint remote;
	uint8_t *request;
	uint64_t sent_at_ns[WINDOW];
	bool is_answered[WINDOW];
	uint64_t sent, received, duplicates, errors;
	uint64_t started_ns, ended_ns;
	uint64_t min_ns, max_ns;
	double sum_ms, sum_square_ms;
	bool is_over;
};

static double ms(uint64_t ns)
{
	return (double)ns / (double)TEE_NS_PER_MS;
}

static void on_over(void *arg)
{
	struct ping *ping = arg;

	ping->is_over = true;
}

static void send_request(void *arg)
{
	struct ping *ping = arg;
	uint16_t seq = (uint16_t)(ping->sent + 1);
	ssize_t result;

	memset(ping->request, 0, ECHO_HEADER_SIZE);
	ping->request[0] = tee_ip_is4(&ping->remote.ip) ? ECHO_REQUEST4 : ECHO_REQUEST6;
	ping->request[6] = (uint8_t)(seq >> 8);
	ping->request[7] = (uint8_t)seq;
	ping->sent_at_ns[seq % WINDOW] = tee_host_now_ns();
	ping->is_answered[seq % WINDOW] = false;
	result = tee_send(ping->socket, ping->request, ECHO_HEADER_SIZE + ping->size, 0);
	ping->sent++;
	if (result < 0) {
		ping->errors++;
		cli_fail(&ping->cli, 0, "can't send to %s: %s", ping->name,
			 tee_strerror((int)result));
	}
	if (ping->count == 0 || ping->sent < ping->count)
		tee_host_after(ping->cli.host, ping->interval_ns, send_request, ping);
	else
		tee_host_after(ping->cli.host, ping->wait_ns, on_over, ping);
}

static void note_time(struct ping *ping, uint64_t took_ns)
{
	double took_ms = ms(took_ns);

	if (ping->received == 0 || took_ns < ping->min_ns)
		ping->min_ns = took_ns;
	if (took_ns > ping->max_ns)
		ping->max_ns = took_ns;
	ping->sum_ms += took_ms;
	ping->sum_square_ms += took_ms * took_ms;
	ping->received++;
}

static void take_reply(struct ping *ping, const uint8_t *message, size_t len, int ttl)
{
	uint8_t reply = tee_ip_is4(&ping->remote.ip) ? ECHO_REPLY4 : ECHO_REPLY6;
	char ip[TEE_IP_TEXT_SIZE];
	uint64_t took_ns;
	bool is_duplicate;
	uint16_t seq;

	if (len < ECHO_HEADER_SIZE || message[0] != reply)
		return;
	seq = (uint16_t)(message[6] << 8 | message[7]);
	/* Only what we asked, and as long as we remember it. */
	if ((uint16_t)((uint16_t)ping->sent - seq) >= WINDOW || ping->sent == 0)
		return;
	took_ns = tee_host_now_ns() - ping->sent_at_ns[seq % WINDOW];
	is_duplicate = ping->is_answered[seq % WINDOW];
	ping->is_answered[seq % WINDOW] = true;
	if (is_duplicate)
		ping->duplicates++;
	else
		note_time(ping, took_ns);
	if (!ping->is_quiet) {
		printf("%zu bytes from %s: icmp_seq=%u ttl=%d time=%.3f ms%s\n", len,
		       tee_ip_format(&ping->remote.ip, ip), seq, ttl, ms(took_ns),
		       is_duplicate ? " (duplicate)" : "");
		/* Nobody reads on, or the disk is full: cli_end_output() says so. */
		if (fflush(stdout) != 0)
			ping->is_over = true;
	}
	if (ping->count && ping->received == ping->count)
		ping->is_over = true;
}

static void on_socket(void *arg, struct tee_socket *socket, unsigned ready)
{
	struct ping *ping = arg;
	uint8_t message[65536];
	struct tee_dgram_info info;
	ssize_t len;
	int error;

	if (ready & TEE_EV_ERROR && (error = tee_take_error(socket)) != 0) {
		ping->errors++;
		cli_fail(&ping->cli, 0, "%s: %s", ping->name, tee_strerror(error));
	}
	while ((len = tee_recv_info(socket, message, sizeof(message), 0, &info)) >= 0)
		take_reply(ping, message, (size_t)len, info.ttl);
}

static void print_statistics(const struct ping *ping)
{
	double mean, deviation;

	printf("--- %s ping statistics ---\n%" PRIu64 " packets transmitted, %" PRIu64
	       " received, ",
	       ping->name, ping->sent, ping->received);
	if (ping->duplicates)
		printf("+%" PRIu64 " duplicates, ", ping->duplicates);
	if (ping->errors)
		printf("+%" PRIu64 " errors, ", ping->errors);
	printf("%.0f%% packet loss, time %.0f ms\n",
	       ping->sent ? 100.0 * (double)(ping->sent - ping->received) / (double)ping->sent
			  : 0.0,
	       ms(ping->ended_ns - ping->started_ns));
	if (ping->received == 0)
		return;
	mean = ping->sum_ms / (double)ping->received;
	deviation = ping->sum_square_ms / (double)ping->received - mean * mean;
	printf("rtt min/avg/max/mdev = %.3f/%.3f/%.3f/%.3f ms\n", ms(ping->min_ns), mean,
	       ms(ping->max_ns), deviation > 0 ? sqrt(deviation) : 0.0);
}

static int open_socket(struct ping *ping)
{
	char error[TEE_HOST_ERROR_SIZE];
	enum tee_family family;
	int result =
		tee_resolve(ping->cli.host, ping->name, ping->family, &ping->remote.ip, 1, error);

	if (result < 0)
		return cli_fail(&ping->cli, cli_exit_of_error(result), "%s", error);
	family = tee_ip_is4(&ping->remote.ip) ? TEE_FAMILY_IPV4 : TEE_FAMILY_IPV6;
	result = tee_socket_open(tee_host_stack(ping->cli.host), TEE_SOCKET_PING, family,
				 &ping->socket);
	if (result >= 0)
		result = tee_connect(ping->socket, &ping->remote);
	if (result < 0)
		return cli_fail(&ping->cli, cli_exit_of_error(result), "can't reach %s: %s",
				ping->name, tee_strerror(result));
	return 0;
}

static int ping_run(struct ping *ping)
{
	char ip[TEE_IP_TEXT_SIZE];
	int code = open_socket(ping);

	if (code)
		return code;
	ping->request = calloc(1, ECHO_HEADER_SIZE + ping->size);
	if (!ping->request)
		return cli_fail(&ping->cli, CLI_EXIT_FAILED, "no memory for %zu bytes", ping->size);
	for (size_t i = 0; i < ping->size; i++)
		ping->request[ECHO_HEADER_SIZE + i] = (uint8_t)i;
	printf("PING %s (%s) %zu bytes of data\n", ping->name, tee_ip_format(&ping->remote.ip, ip),
	       ping->size);
	fflush(stdout);
	ping->started_ns = tee_host_now_ns();
	tee_host_watch_socket(ping->cli.host, ping->socket, on_socket, ping);
	send_request(ping);
	while (!ping->is_over && !cli_signal() && tee_host_run_once(ping->cli.host, TEE_NEVER) == 0)
		continue;
	ping->ended_ns = tee_host_now_ns();
	tee_host_watch_socket(ping->cli.host, ping->socket, NULL, NULL);
	print_statistics(ping);
	free(ping->request);
	return ping->received > 0 ? CLI_EXIT_OK : CLI_EXIT_FAILED;
}

static void choose_family(struct argp_state *state, struct ping *ping, enum tee_family family)
{
	if (ping->family != TEE_FAMILY_ANY && ping->family != family)
		argp_error(state, "-4 and -6 are two choices, of which one can be made");
	ping->family = family;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct ping *ping = state->input;

	switch (key) {
	case ARGP_KEY_INIT: state->child_inputs[0] = &ping->cli; break;
	case 'c': ping->count = cli_number(state, "-c", arg, 1, UINT32_MAX); break;
	case 'i': ping->interval_ns = cli_seconds(state, "-i", arg); break;
	case 'W': ping->wait_ns = cli_seconds(state, "-W", arg); break;
	case 's': ping->size = cli_number(state, "-s", arg, 0, 65507 - ECHO_HEADER_SIZE); break;
	case 'q': ping->is_quiet = true; break;
	case '4':
	case '6': choose_family(state, ping, key == '4' ? TEE_FAMILY_IPV4 : TEE_FAMILY_IPV6); break;
	case ARGP_KEY_ARG:
		if (ping->name)
			argp_error(state, "one HOST, not also '%s'", arg);
		ping->name = arg;
		break;
	case ARGP_KEY_END:
		if (!ping->name)
			argp_error(state, "HOST is missing");
		break;
	default: return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

int cmd_ping(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{"count", 'c', "N", 0, "End after N answers, or N requests and the wait", 0},
		{"interval", 'i', "SECONDS", 0, "Between requests (1)", 0},
		{"timeout", 'W', "SECONDS", 0, "Wait for the last answer (2)", 0},
		{"size", 's', "BYTES", 0, "Of data in a request (56)", 0},
		{"quiet", 'q', NULL, 0, "Print the statistics only", 0},
		{"ipv4", '4', NULL, 0, "Use IPv4 only", 0},
		{"ipv6", '6', NULL, 0, "Use IPv6 only", 0},
		{0},
	};
	static const struct argp_child children[] = {{&cli_common_argp, 0, NULL, 0}, {0}};
	static const struct argp argp = {
		options,  parse,
		"HOST",   "Send ICMP echo requests to HOST and tell what comes back.",
		children, NULL,
		NULL,
	};
	struct ping *ping = calloc(1, sizeof(*ping));
	int code;

	if (!ping)
		return CLI_EXIT_FAILED;
	ping->interval_ns = TEE_NS_PER_S;
	ping->wait_ns = 2 * TEE_NS_PER_S;
	ping->size = 56;
	cli_init(&ping->cli, argv[0]);
	cli_parse(&argp, argc, argv, ping);
	code = cli_open(&ping->cli);
	if (!code)
		code = cli_close(&ping->cli, ping_run(ping));
	free(ping);
	return code;
}
