// SPDX-License-Identifier: MIT
/*
 * One URL after the other, over one libcurl handle, so that connections are used again.
 *
 * The stack runs in the host's thread; this one drives libcurl's multi interface, whose poll also
 * waits for the wish to end. Exit codes are curl's; where libcurl only knows that there is no
 * connection, our own reason for it decides (name not found: 6, no answer: 28).
 */
#include <string.h>

#include "cli/curl.h"

static void set_request(struct curl_command *command)
{
	CURL *easy = command->easy;

	if (command->headers)
		curl_easy_setopt(easy, CURLOPT_HTTPHEADER, command->headers);
	if (command->data && !command->is_get) {
		curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)command->data_len);
		curl_easy_setopt(easy, CURLOPT_POSTFIELDS, command->data);
	}
	if (command->head_only)
		curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
	if (command->method)
		curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, command->method);
	curl_easy_setopt(easy, CURLOPT_USERAGENT,
			 command->user_agent ? command->user_agent : "teeceepee");
	if (command->referer)
		curl_easy_setopt(easy, CURLOPT_REFERER, command->referer);
	if (command->user)
		curl_easy_setopt(easy, CURLOPT_USERPWD, command->user);
	if (command->range)
		curl_easy_setopt(easy, CURLOPT_RANGE, command->range);
	if (command->compressed)
		curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "");
}

static void set_protocol(struct curl_command *command)
{
	CURL *easy = command->easy;

	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, command->http_version);
	curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, command->follows ? 1L : 0L);
	curl_easy_setopt(easy, CURLOPT_MAXREDIRS, command->max_redirects);
	curl_easy_setopt(easy, CURLOPT_FAILONERROR, command->fails_on_error ? 1L : 0L);
	if (command->insecure) {
		curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
		curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
	}
	if (command->cacert)
		curl_easy_setopt(easy, CURLOPT_CAINFO, command->cacert);
	if (command->max_time_ns)
		curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS,
				 (long)(command->max_time_ns / TEE_NS_PER_MS) + 1);
}

static void set_handlers(struct curl_command *command)
{
	CURL *easy = command->easy;

	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, 512L * 1024);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, command->error);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, curl_output_write);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, command);
	if (command->head_only || command->shows_headers)
		curl_easy_setopt(easy, CURLOPT_HEADER, 1L);
	curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, curl_progress_update);
	curl_easy_setopt(easy, CURLOPT_XFERINFODATA, command);
	if (command->verbose) {
		curl_easy_setopt(easy, CURLOPT_VERBOSE, 1L);
		curl_easy_setopt(easy, CURLOPT_DEBUGFUNCTION, curl_debug);
		curl_easy_setopt(easy, CURLOPT_DEBUGDATA, command);
	}
}

/* ---- errors ---- */

static const char *advice(CURLcode code)
{
	switch (code) {
	case CURLE_UNSUPPORTED_PROTOCOL: return ": only http and https are spoken here";
	case CURLE_PEER_FAILED_VERIFICATION:
		return ": trust its issuer with --cacert FILE, or check nothing with -k";
	case CURLE_SSL_CACERT_BADFILE: return ": --cacert takes a PEM file";
	case CURLE_RANGE_ERROR: return ": the server can't resume; leave -C away";
	default: return "";
	}
}

static int fail(const struct curl_command *command, const char *url, CURLcode code)
{
	int exit_code = (int)code;

	if (command->silent && !command->shows_errors)
		return exit_code;
	cli_fail(&command->cli, 0, "%s: %s%s", url,
		 command->error[0] ? command->error : curl_easy_strerror(code), advice(code));
	return exit_code;
}

/* libcurl has no connection: what did dialling say? */
static int fail_connecting(const struct curl_command *command)
{
	int code = cli_exit_of_error(command->dial_result);

	if (command->dial_result == -TEE_ECANCELED)
		return CLI_EXIT_FAILED; /* cli_close() knows the signal */
	/* As in curl, whatever keeps a connection from being made is 7; but a lost link is our own. */
	if (code != CLI_EXIT_NAME && code != CLI_EXIT_TIMEOUT && code != CLI_EXIT_LINK_GONE)
		code = CLI_EXIT_REFUSED;
	if (!command->silent || command->shows_errors)
		cli_fail(&command->cli, 0, "%s", command->dial_error);
	return code;
}

/* ---- one transfer ---- */

/* Until it has ended: its result, or CURLE_ABORTED_BY_CALLBACK when we are to end. */
static CURLcode drive(struct curl_command *command)
{
	struct curl_waitfd ending = {.fd = command->cli.cancel_fd, .events = CURL_WAIT_POLLIN};
	int running = 1, left;
	CURLMsg *message;

	while (running) {
		if (curl_multi_perform(command->multi, &running) != CURLM_OK)
			return CURLE_FAILED_INIT;
		if (cli_signal())
			return CURLE_ABORTED_BY_CALLBACK;
		if (running)
			curl_multi_poll(command->multi, &ending, 1, 1000, NULL);
	}
	while ((message = curl_multi_info_read(command->multi, &left)) != NULL)
		if (message->msg == CURLMSG_DONE)
			return message->data.result;
	return CURLE_FAILED_INIT;
}

static int fetch(struct curl_command *command, const struct curl_target *target)
{
	CURLcode result;
	int code = curl_output_open(command, target);

	if (code)
		return code;
	command->error[0] = command->dial_error[0] = '\0';
	command->dial_result = 0;
	command->started_ns = tee_host_now_ns();
	command->progress = (struct curl_progress){.is_shown = command->bar};
	curl_easy_setopt(command->easy, CURLOPT_URL, target->url);
	curl_easy_setopt(command->easy, CURLOPT_RESUME_FROM_LARGE, command->output.resumed_at);
	if (curl_multi_add_handle(command->multi, command->easy) != CURLM_OK)
		return cli_fail(&command->cli, CLI_EXIT_FAILED, "libcurl refuses the transfer");
	result = drive(command);
	curl_multi_remove_handle(command->multi, command->easy);
	curl_progress_end(command);
	if (result == CURLE_OK || cli_signal())
		code = CLI_EXIT_OK;
	else if (result == CURLE_WRITE_ERROR && command->output.error_number)
		code = CLI_EXIT_WRITE;
	else if (cli_link_error(&command->cli)[0])
		code = CLI_EXIT_LINK_GONE; /* cli_close() tells it */
	else if (command->dial_result < 0)
		code = fail_connecting(command);
	else
		code = fail(command, target->url, result);
	return curl_output_close(command, code);
}

int curl_run(struct curl_command *command)
{
	int code = 0, result = command->cli.host ? tee_host_start(command->cli.host) : 0;

	if (result < 0)
		return cli_fail(&command->cli, CLI_EXIT_FAILED, "can't start a thread: %s",
				tee_strerror(result));
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return cli_fail(&command->cli, CLI_EXIT_FAILED, "libcurl does not start");
	command->easy = curl_easy_init();
	command->multi = curl_multi_init();
	if (!command->easy || !command->multi || curl_net_init(command) < 0) {
		code = cli_fail(&command->cli, CLI_EXIT_FAILED, "no memory for libcurl");
	} else {
		set_request(command);
		set_protocol(command);
		set_handlers(command);
		for (unsigned i = 0; i < command->target_count && !cli_signal(); i++) {
			int one = fetch(command, &command->targets[i]);

			code = one ? one : code;
			if (cli_link_error(&command->cli)[0])
				break;
		}
	}
	/* Closes the connections' descriptors; the bridges then send FIN. */
	curl_easy_cleanup(command->easy);
	curl_multi_cleanup(command->multi);
	curl_net_fini(command);
	curl_global_cleanup();
	return code;
}
