// SPDX-License-Identifier: MIT
/*
 * `teeceepee curl`: the options, named as curl(1) names them.
 *
 * URLs and outputs pair up in order: the n-th -o or -O belongs to the n-th URL, wherever they stand.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/curl.h"

enum {
	OPTION_MAX_REDIRS = 0x100,
	OPTION_CONNECT_TIMEOUT,
	OPTION_CACERT,
	OPTION_HTTP1_1,
	OPTION_HTTP2,
	OPTION_HTTP2_PRIOR,
	OPTION_DATA_RAW,
	OPTION_COMPRESSED,
};

static const struct argp_option options[] = {
	{"output", 'o', "FILE", 0, "Write to FILE; '-' is standard output", 0},
	{"remote-name", 'O', NULL, 0, "Write to a file named as in the URL", 0},
	{"continue-at", 'C', "OFFSET", 0, "Resume there; '-': where the file ends", 0},
	{"head", 'I', NULL, 0, "Fetch headers only", 0},
	{"include", 'i', NULL, 0, "Print the response's headers too", 0},
	{"header", 'H', "LINE", 0, "Send this header", 0},
	{"data", 'd', "DATA", 0, "Send as POST; '@FILE' sends a file's content", 0},
	{"data-raw", OPTION_DATA_RAW, "DATA", 0, "As --data, with no meaning in '@'", 0},
	{"get", 'G', NULL, 0, "Put the data of -d behind the URL and GET", 0},
	{"request", 'X', "METHOD", 0, "Use this method", 0},
	{"range", 'r', "RANGE", 0, "Fetch these bytes, such as 0-499", 0},
	{"user", 'u', "NAME:PASSWORD", 0, "Log in", 0},
	{"user-agent", 'A', "NAME", 0, "Say that we are NAME", 0},
	{"referer", 'e', "URL", 0, "Say where we come from", 0},
	{"location", 'L', NULL, 0, "Follow redirects", 0},
	{"max-redirs", OPTION_MAX_REDIRS, "N", 0, "At most so many (50)", 0},
	{"fail", 'f', NULL, 0, "A status of 400 and above is an error, exit code 22", 0},
	{"insecure", 'k', NULL, 0, "Do not check certificates", 0},
	{"cacert", OPTION_CACERT, "FILE", 0, "Trust these issuers of certificates", 0},
	{"http1.0", '0', NULL, 0, "Speak HTTP/1.0", 0},
	{"http1.1", OPTION_HTTP1_1, NULL, 0, "Speak HTTP/1.1", 0},
	{"http2", OPTION_HTTP2, NULL, 0, "Speak HTTP/2 when the server does", 0},
	{"http2-prior-knowledge", OPTION_HTTP2_PRIOR, NULL, 0, "Speak HTTP/2 without asking", 0},
	{"compressed", OPTION_COMPRESSED, NULL, 0, "Let the server compress", 0},
	{"ipv4", '4', NULL, 0, "Use IPv4 addresses of names only", 0},
	{"ipv6", '6', NULL, 0, "Use IPv6 addresses of names only", 0},
	{"max-time", 'm', "SECONDS", 0, "Give up after so long", 0},
	{"connect-timeout", OPTION_CONNECT_TIMEOUT, "SECONDS", 0, "Give up connecting (120)", 0},
	{"progress-bar", '#', NULL, 0, "Show progress, as on a terminal", 0},
	{"silent", 's', NULL, 0, "No progress, no errors", 0},
	{"show-error", 'S', NULL, 0, "With -s: errors all the same", 0},
	{"verbose", 'v', NULL, 0, "Tell what happens", 0},
	{0},
};

/* argp_failure() that does not come back. */
_Noreturn static void give_up(struct argp_state *state, int code, int error_number,
			      const char *what)
{
	argp_failure(state, code, error_number, "%s", what);
	exit(code);
}

/* ---- URLs and outputs ---- */

static struct curl_target *target_at(struct argp_state *state, struct curl_command *command,
				     unsigned idx)
{
	if (idx >= command->target_size) {
		unsigned size = command->target_size ? 2 * command->target_size : 8;
		struct curl_target *grown = realloc(command->targets, size * sizeof(*grown));

		if (!grown)
			give_up(state, CLI_EXIT_FAILED, ENOMEM, "URL");
		memset(grown + command->target_size, 0,
		       (size - command->target_size) * sizeof(*grown));
		command->targets = grown;
		command->target_size = size;
	}
	return &command->targets[idx];
}

static void add_url(struct argp_state *state, struct curl_command *command, const char *url)
{
	struct curl_target *target = target_at(state, command, command->target_count++);

	target->url = url;
	target->has_url = true;
}

static void add_output(struct argp_state *state, struct curl_command *command, const char *path)
{
	struct curl_target *target = target_at(state, command, command->output_count++);

	target->output = path;
	target->by_remote_name = path == NULL;
}

/* ---- data ---- */

static void append_data(struct argp_state *state, struct curl_command *command, const char *bytes,
			size_t len)
{
	size_t join = command->data ? 1 : 0;
	char *grown = realloc(command->data, command->data_len + join + len + 1);

	if (!grown)
		give_up(state, CLI_EXIT_FAILED, ENOMEM, "-d");
	if (join)
		grown[command->data_len] = '&';
	memcpy(grown + command->data_len + join, bytes, len);
	command->data = grown;
	command->data_len += join + len;
	grown[command->data_len] = '\0';
}

/* As curl does for -d: a file's line ends are left out. */
static void append_file(struct argp_state *state, struct curl_command *command, const char *path)
{
	FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");
	char *bytes = NULL;
	size_t len = 0, size = 0;
	int byte;

	if (!file)
		give_up(state, CLI_EXIT_READ, errno, path);
	while ((byte = getc(file)) != EOF) {
		if (byte == '\n' || byte == '\r')
			continue;
		if (len == size) {
			size = size ? 2 * size : 4096;
			bytes = realloc(bytes, size);
			if (!bytes)
				give_up(state, CLI_EXIT_FAILED, ENOMEM, path);
		}
		bytes[len++] = (char)byte;
	}
	if (ferror(file))
		give_up(state, CLI_EXIT_READ, errno, path);
	append_data(state, command, bytes ? bytes : "", len);
	free(bytes);
	if (file != stdin)
		fclose(file);
}

static void add_data(struct argp_state *state, struct curl_command *command, const char *text)
{
	if (text[0] == '@')
		append_file(state, command, text + 1);
	else
		append_data(state, command, text, strlen(text));
}

/* -G: the data becomes the query of every URL. */
static void move_data_to_urls(struct argp_state *state, struct curl_command *command)
{
	for (unsigned i = 0; i < command->target_count; i++) {
		const char *url = command->targets[i].url;
		size_t size = strlen(url) + command->data_len + 2;
		char *joined = malloc(size); /* lives as long as the program */

		if (!joined)
			give_up(state, CLI_EXIT_FAILED, ENOMEM, "-G");
		snprintf(joined, size, "%s%c%s", url, strchr(url, '?') ? '&' : '?', command->data);
		command->targets[i].url = joined;
	}
}

/* ---- options ---- */

static void set_resume(struct argp_state *state, struct curl_command *command, const char *text)
{
	command->resumes = true;
	command->resumes_from_size = strcmp(text, "-") == 0;
	if (!command->resumes_from_size)
		command->resume_at = (curl_off_t)cli_number(state, "-C", text, 0, INT64_MAX);
}

static void check_end(struct argp_state *state, struct curl_command *command)
{
	if (command->target_count == 0)
		argp_error(state, "URL is missing");
	if (command->output_count > command->target_count)
		argp_error(state, "there are more -o and -O than URLs");
	if (command->is_get && command->data)
		move_data_to_urls(state, command);
	/* A bar belongs on a terminal, and not between the page's own lines. */
	if (!command->bar && !command->silent && isatty(STDERR_FILENO))
		command->bar = !isatty(STDOUT_FILENO) || command->output_count > 0;
}

static error_t parse_http(int key, char *arg, struct argp_state *state)
{
	struct curl_command *command = state->input;

	switch (key) {
	case 'I': command->head_only = true; break;
	case 'i': command->shows_headers = true; break;
	case 'H': command->headers = curl_slist_append(command->headers, arg); break;
	case 'd': add_data(state, command, arg); break;
	case OPTION_DATA_RAW: append_data(state, command, arg, strlen(arg)); break;
	case 'G': command->is_get = true; break;
	case 'X': command->method = arg; break;
	case 'r': command->range = arg; break;
	case 'u': command->user = arg; break;
	case 'A': command->user_agent = arg; break;
	case 'e': command->referer = arg; break;
	case 'L': command->follows = true; break;
	case OPTION_MAX_REDIRS:
		command->max_redirects = (long)cli_number(state, "--max-redirs", arg, 0, 1000);
		break;
	case 'f': command->fails_on_error = true; break;
	case 'k': command->insecure = true; break;
	case OPTION_CACERT: command->cacert = arg; break;
	case '0': command->http_version = CURL_HTTP_VERSION_1_0; break;
	case OPTION_HTTP1_1: command->http_version = CURL_HTTP_VERSION_1_1; break;
	case OPTION_HTTP2: command->http_version = CURL_HTTP_VERSION_2_0; break;
	case OPTION_HTTP2_PRIOR: command->http_version = CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE; break;
	case OPTION_COMPRESSED: command->compressed = true; break;
	default: return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct curl_command *command = state->input;

	switch (key) {
	case ARGP_KEY_INIT: state->child_inputs[0] = &command->cli; break;
	case ARGP_KEY_ARG: add_url(state, command, arg); break;
	case ARGP_KEY_END: check_end(state, command); break;
	case 'o': add_output(state, command, arg); break;
	case 'O': add_output(state, command, NULL); break;
	case 'C': set_resume(state, command, arg); break;
	case '4': command->family = TEE_FAMILY_IPV4; break;
	case '6': command->family = TEE_FAMILY_IPV6; break;
	case 'm': command->max_time_ns = cli_seconds(state, "--max-time", arg); break;
	case OPTION_CONNECT_TIMEOUT:
		command->connect_timeout_ns = cli_seconds(state, "--connect-timeout", arg);
		break;
	case '#': command->bar = true; break;
	case 's': command->silent = true; break;
	case 'S': command->shows_errors = true; break;
	case 'v': command->verbose = true; break;
	default: return parse_http(key, arg, state);
	}
	return 0;
}

static int run_attached(void *arg)
{
	return curl_run(arg);
}

int cmd_curl(int argc, char **argv)
{
	static const struct argp_child children[] = {{&cli_common_argp, 0, NULL, 0}, {0}};
	static const struct argp argp = {
		options,
		parse,
		"URL…",
		"Fetch URLs with libcurl over a TCP/IP stack of our own. Exit codes are curl's.",
		children,
		NULL,
		NULL,
	};
	struct curl_command *command = calloc(1, sizeof(*command));
	int code;

	if (!command)
		return CLI_EXIT_FAILED;
	command->http_version = CURL_HTTP_VERSION_2TLS;
	command->max_redirects = 50;
	command->connect_timeout_ns = 120 * TEE_NS_PER_S;
	cli_init(&command->cli, argv[0]);
	cli_parse(&argp, argc, argv, command);
	if (command->cli.attach) {
		code = cli_attached(&command->cli, run_attached, command);
	} else {
		code = cli_open(&command->cli);
		if (!code)
			code = cli_close(&command->cli, curl_run(command));
	}
	curl_slist_free_all(command->headers);
	free(command->targets);
	free(command->data);
	free(command);
	return code;
}
