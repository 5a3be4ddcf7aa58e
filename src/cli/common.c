// SPDX-License-Identifier: MIT
/*
 * The options that every sub-command with a stack has, and the host that they describe: one place
 * that parses them, opens by them, and ends in order.
 *
 * --stats prints the sockets before they are closed and the counters after; SIGUSR1 prints the
 * sockets at any time.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "cli/cli.h"
#include "cli/trace.h"
#include "host/host.h"

#define GRACE_NS (2 * TEE_NS_PER_S)

enum {
	OPTION_LINK = 0x1000, /* up to OPTION_STATS: of a stack of our own */
	OPTION_IP,
	OPTION_IP6,
	OPTION_GATEWAY,
	OPTION_GATEWAY6,
	OPTION_DNS,
	OPTION_MTU,
	OPTION_IMPAIR,
	OPTION_PCAP,
	OPTION_TRACE,
	OPTION_SEED,
	OPTION_CC,
	OPTION_SET,
	OPTION_SPIN,
	OPTION_STATS,
	OPTION_ATTACH,
	OPTION_JSON,
	OPTION_COLOR,
};

static const struct argp_option options[] = {
	{NULL, 0, NULL, 0, "Link and address:", 100},
	{"link", OPTION_LINK, "LINK", 0,
	 "How frames travel: slirp (the default), passt, tap:NAME, packet:IFACE, xdp:IFACE …; "
	 "'teeceepee link' lists what works here",
	 100},
	{"ip", OPTION_IP, "ADDR[/BITS]", 0,
	 "Our IPv4 address; without it the link's own, or DHCP. 'none': no IPv4", 100},
	{"ip6", OPTION_IP6, "ADDR[/BITS]", 0,
	 "Our IPv6 address; without it the link's own, or SLAAC. 'none': no IPv6", 100},
	{"gateway", OPTION_GATEWAY, "ADDR", 0, "IPv4 router, with --ip", 100},
	{"gateway6", OPTION_GATEWAY6, "ADDR", 0, "IPv6 router, with --ip6", 100},
	{"dns", OPTION_DNS, "ADDR,...", 0, "Name servers; without it those of the network", 100},
	{"mtu", OPTION_MTU, "BYTES", 0, "Largest IP packet to send", 100},
	{"attach", OPTION_ATTACH, "NAME", 0,
	 "Use the stack of a daemon ('teeceepee up NAME') instead of one of our own: run, curl, serve, nc",
	 100},
	{NULL, 0, NULL, 0, "The stack:", 101},
	{"impair", OPTION_IMPAIR, "SPEC", 0,
	 "Make the link bad: loss=2%,delay=20ms,jitter=5ms,reorder=5%,duplicate=1%,corrupt=0.1%,"
	 "rate=10mbit",
	 101},
	{"cc", OPTION_CC, "NAME", 0, "Congestion controller: cubic, newreno, bbr", 101},
	{"set", OPTION_SET, "NAME=VALUE", 0,
	 "Any field of the configuration, such as tcp_sack=off; 'list' prints their names", 101},
	{"seed", OPTION_SEED, "N", 0, "Seed of all randomness, to repeat a run", 101},
	{"spin", OPTION_SPIN, "USEC", 0, "Poll this long before sleeping, for low latency", 101},
	{NULL, 0, NULL, 0, "Looking on:", 102},
	{"trace", OPTION_TRACE, "all", OPTION_ARG_OPTIONAL,
	 "Print the conversation, a line a segment, and why we sent what we sent; 'all' adds losses, "
	 "round-trip times and windows",
	 102},
	{"pcap", OPTION_PCAP, "FILE", 0, "Record every frame into a pcapng file", 102},
	{"stats", OPTION_STATS, NULL, 0,
	 "Print sockets and counters at the end (SIGUSR1: sockets now)", 102},
	{"json", OPTION_JSON, NULL, 0, "Print what --stats and SIGUSR1 print as JSON", 102},
	{"color", OPTION_COLOR, "WHEN", 0, "auto, always or never", 102},
	{0},
};

void cli_init(struct cli *cli, const char *name)
{
	memset(cli, 0, sizeof(*cli));
	cli->name = name;
	cli->cancel_fd = cli->usr1_fd = -1;
	tee_host_config_init(&cli->config);
}

int cli_fail(const struct cli *cli, int code, const char *format, ...)
{
	char message[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	fprintf(stderr, "%s: %s\n", cli->name, message);
	return code;
}

/* ---- parsing ---- */

uint64_t cli_number(struct argp_state *state, const char *option, const char *text, uint64_t min,
		    uint64_t max)
{
	unsigned long long value;
	char *end;

	errno = 0;
	value = strtoull(text, &end, 0);
	if (*text < '0' || *text > '9' || *end || errno || value < min || value > max)
		argp_error(state, "'%s' is no value for %s: it takes a number from %llu to %llu",
			   text, option, (unsigned long long)min, (unsigned long long)max);
	return value;
}

uint64_t cli_seconds(struct argp_state *state, const char *option, const char *text)
{
	double value;
	char *end;

	errno = 0;
	value = strtod(text, &end);
	if (end == text || *end || errno || !(value >= 0) || value > 1e9)
		argp_error(state, "'%s' is no value for %s: it takes seconds, such as 5 or 0.2",
			   text, option);
	return (uint64_t)(value * (double)TEE_NS_PER_S);
}

_Noreturn static void list_fields(void)
{
	const char *name;

	for (unsigned i = 0; (name = tee_config_field_name(i)) != NULL; i++)
		puts(name);
	exit(CLI_EXIT_OK);
}

static void set_field(struct argp_state *state, struct tee_config *config, const char *text)
{
	const char *equals = strchr(text, '=');
	char name[64];
	int result;

	if (strcmp(text, "list") == 0)
		list_fields();
	if (!equals || equals == text || (size_t)(equals - text) >= sizeof(name))
		argp_error(state, "--set takes NAME=VALUE, not '%s'; --set list prints the names",
			   text);
	memcpy(name, text, (size_t)(equals - text));
	name[equals - text] = '\0';
	result = tee_config_set(config, name, equals + 1);
	if (result == -TEE_ENOENT)
		argp_error(state,
			   "the configuration has no field '%s'; --set list prints the names",
			   name);
	else if (result < 0)
		argp_error(state, "'%s' is no value for %s", equals + 1, name);
}

/* The configuration takes any name and the stack falls back to its default: only here a typo is told. */
static void set_controller(struct argp_state *state, struct tee_config *config, const char *name)
{
	static const char *const names[] = {"cubic", "newreno", "reno", "bbr"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(names[i], name) == 0 && tee_config_set(config, "tcp_cc", name) >= 0)
			return;
	argp_error(state, "there is no congestion controller '%s'; there are: cubic, newreno, bbr",
		   name);
}

static void set_color(struct argp_state *state, struct cli *cli, const char *text)
{
	if (strcmp(text, "auto") == 0)
		cli->color = CLI_COLOR_AUTO;
	else if (strcmp(text, "always") == 0)
		cli->color = CLI_COLOR_ALWAYS;
	else if (strcmp(text, "never") == 0)
		cli->color = CLI_COLOR_NEVER;
	else
		argp_error(state, "--color takes auto, always or never, not '%s'", text);
}

static void set_trace(struct argp_state *state, struct cli *cli, const char *text)
{
	if (text && strcmp(text, "all") != 0)
		argp_error(state, "--trace or --trace=all, not --trace=%s", text);
	cli->trace_level = text ? CLI_TRACE_ALL : CLI_TRACE_SEGMENTS;
}

static error_t parse_looks(int key, char *arg, struct argp_state *state)
{
	struct cli *cli = state->input;

	switch (key) {
	case OPTION_TRACE: set_trace(state, cli, arg); break;
	case OPTION_PCAP: cli->config.pcap_path = arg; break;
	case OPTION_STATS: cli->wants_stats = true; break;
	case OPTION_JSON: cli->wants_json = true; break;
	case OPTION_COLOR: set_color(state, cli, arg); break;
	default: return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const char *name_of(int key)
{
	const struct argp_option *option = options;

	while (option->key != key)
		option++;
	return option->name;
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct cli *cli = state->input;
	struct tee_host_config *config = &cli->config;

	if (key >= OPTION_LINK && key <= OPTION_STATS)
		cli->stack_option = name_of(key);
	switch (key) {
	case OPTION_ATTACH: cli->attach = arg; break;
	case OPTION_LINK: config->link = arg; break;
	case OPTION_IP: config->ip = arg; break;
	case OPTION_IP6: config->ip6 = arg; break;
	case OPTION_GATEWAY: config->gateway = arg; break;
	case OPTION_GATEWAY6: config->gateway6 = arg; break;
	case OPTION_DNS: config->dns = arg; break;
	case OPTION_MTU: config->mtu = (uint32_t)cli_number(state, "--mtu", arg, 576, 65535); break;
	case OPTION_IMPAIR: config->impair = arg; break;
	case OPTION_SEED:
		config->stack.seed = cli_number(state, "--seed", arg, 0, UINT64_MAX);
		break;
	case OPTION_SPIN:
		config->spin_ns = cli_number(state, "--spin", arg, 0, 1000000) * TEE_NS_PER_US;
		break;
	case OPTION_CC: set_controller(state, &config->stack, arg); break;
	case OPTION_SET: set_field(state, &config->stack, arg); break;
	default: return parse_looks(key, arg, state);
	}
	return 0;
}

const struct argp cli_common_argp = {options, parse_option, NULL, NULL, NULL, NULL, NULL};

void cli_parse(const struct argp *argp, int argc, char **argv, void *input)
{
	argp_err_exit_status = CLI_EXIT_USAGE;
	argp_parse(argp, argc, argv, 0, NULL, input);
}

/* ---- opening and ending ---- */

static void on_usr1(void *arg, int fd, short revents)
{
	struct cli *cli = arg;
	uint64_t count;

	(void)revents;
	if (read(fd, &count, sizeof(count)) > 0)
		cli_print_sockets(stderr, tee_host_stack(cli->host), cli->wants_json);
}

/* What went wrong with the link although it goes on, such as a recording that filled the disk. */
static void tell_notices(struct cli *cli)
{
	const char *notice;

	while ((notice = tee_link_notice(cli->host->link)) != NULL)
		cli_fail(cli, 0, "%s", notice);
}

static void on_notice_time(void *arg)
{
	struct cli *cli = arg;

	tell_notices(cli);
	tee_host_after(cli->host, TEE_NS_PER_S, on_notice_time, cli);
}

/*
 * `queues=` above 1 divides connections among so many stacks of this process. Were there fewer, the others' would find
 * nobody, without a word; were there more, some would answer twice.
 */
static int check_queues(const struct cli *cli)
{
	const char *link = cli->config.link ? cli->config.link : "";
	const char *word = strstr(link, ",queues=");
	unsigned long queues = word ? strtoul(word + strlen(",queues="), NULL, 10) : 0;
	unsigned stacks = MAX(cli->stacks, 1u);

	/* What is no number, or too many, the link tells. */
	if (queues == 0 || queues == stacks)
		return 0;
	return cli_fail(cli, CLI_EXIT_USAGE,
			"queues=%lu of '%s' is for as many stacks, and this is %u: leave it out; "
			"'teeceepee serve --threads N' makes N",
			queues, link, stacks);
}

int cli_open(struct cli *cli)
{
	char error[TEE_HOST_ERROR_SIZE];
	int result;

	if (cli->attach)
		return cli_fail(
			cli, CLI_EXIT_USAGE,
			"this command has no --attach; 'teeceepee run --attach %s PROGRAM…' attaches "
			"any program",
			cli->attach);
	result = check_queues(cli);
	if (result)
		return result;
	result = cli_signals_init(cli);
	if (result)
		return result;
	if (cli->trace_level != CLI_TRACE_OFF) {
		cli->tracer = trace_printer_new(stderr, cli_style(cli->color, stderr),
						cli_is_utf8(), cli->trace_level == CLI_TRACE_ALL);
		if (!cli->tracer)
			return cli_fail(cli, CLI_EXIT_FAILED, "no memory to trace");
		cli->config.trace = trace_print;
		cli->config.trace_arg = cli->tracer;
	}
	cli->config.cancel_fd = cli->cancel_fd;
	result = tee_host_open(&cli->config, &cli->host, error);
	if (result < 0) {
		cli->host = NULL;
		trace_printer_free(cli->tracer);
		if (cli_signal())
			return CLI_EXIT_SIGNAL + cli_signal();
		return cli_fail(cli, cli_exit_of_open(result, cli->config.link), "%s", error);
	}
	tee_host_watch_fd(cli->host, cli->usr1_fd, POLLIN, on_usr1, cli);
	tell_notices(cli);
	if (cli->config.pcap_path)
		tee_host_after(cli->host, TEE_NS_PER_S, on_notice_time, cli);
	return 0;
}

const char *cli_link_error(const struct cli *cli)
{
	return cli->host ? tee_host_error(cli->host) : "";
}

int cli_close(struct cli *cli, int code)
{
	struct tee_host *host = cli->host;

	if (!host)
		return code;
	tee_host_stop(host);
	if (cli->wants_stats)
		cli_print_sockets(stderr, tee_host_stack(host), cli->wants_json);
	host_settle(host, GRACE_NS);
	tell_notices(cli);
	if (cli->wants_stats)
		cli_print_counters(stderr, host, cli->wants_json);
	if (cli->tracer) {
		tee_trace_set(tee_host_stack(host), NULL, NULL);
		trace_print_summary(cli->tracer);
	}
	if (tee_host_error(host)[0] && !cli_signal())
		code = cli_fail(cli, CLI_EXIT_LINK_GONE, "%s", tee_host_error(host));
	tee_host_close(host, 0);
	trace_printer_free(cli->tracer);
	cli->host = NULL;
	return cli_signal() ? CLI_EXIT_SIGNAL + cli_signal() : code;
}
