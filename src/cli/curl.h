/* SPDX-License-Identifier: MIT */
/*
 * The pieces of `teeceepee curl`: options (cmd_curl.c), the transfer (curl_transfer.c), what
 * arrives and where it goes (curl_output.c), and libcurl on our sockets (curl_net.c).
 */
#ifndef CLI_CURL_H
#define CLI_CURL_H

#include <curl/curl.h>

#include "cli/cli.h"

enum curl_verbosity { CURL_QUIET, CURL_NORMAL, CURL_VERBOSE };

struct curl_target {
	const char *url;
	const char *output;  /* -o FILE, "-": standard output, or NULL */
	bool by_remote_name; /* -O */
	bool has_url;
};

struct curl_command {
	struct cli cli;
	struct curl_target *targets;
	unsigned target_count, target_size;
	unsigned output_count; /* -o and -O seen so far */

	struct curl_slist *headers;
	char *data; /* -d, joined by & */
	size_t data_len;
	const char *method, *user_agent, *referer, *user, *range, *cacert;
	bool head_only, shows_headers, insecure, follows, fails_on_error, silent, shows_errors;
	bool verbose, bar, is_get, compressed;
	long http_version;
	long max_redirects;
	uint64_t max_time_ns, connect_timeout_ns;
	bool resumes, resumes_from_size;
	curl_off_t resume_at;
	enum tee_family family;

	CURL *easy;
	CURLM *multi;
	struct curl_slist *connect_to;
	struct curl_meeting *meetings; /* connections that libcurl has not taken yet */
	/* of the transfer that runs */
	uint64_t started_ns;
	char error[CURL_ERROR_SIZE];
	char dial_error[TEE_HOST_ERROR_SIZE]; /* why connecting failed, in our words */
	int dial_result;
	struct curl_output {
		const char *path; /* NULL: standard output */
		char *owned_path; /* of -O */
		FILE *file;
		int error_number; /* writing failed */
		bool appends;
		curl_off_t resumed_at;
	} output;
	struct curl_progress {
		bool is_shown, has_line;
		uint64_t shown_at_ns;
	} progress;
};

/* curl_net.c: no name look-up and no socket of the system's. 0 or -1. */
int curl_net_init(struct curl_command *command);
void curl_net_fini(struct curl_command *command);

/* curl_output.c */
/* Chooses where the body goes; 0 or the exit code. */
int curl_output_open(struct curl_command *command, const struct curl_target *target);
/* Flushes and closes; returns `code`, or CLI_EXIT_WRITE when the last bytes did not fit. */
int curl_output_close(struct curl_command *command, int code);
size_t curl_output_write(char *data, size_t size, size_t count, void *arg);
int curl_progress_update(void *arg, curl_off_t down_total, curl_off_t down_now, curl_off_t up_total,
			 curl_off_t up_now);
void curl_progress_end(struct curl_command *command);
/* "12.3 MiB" */
const char *curl_format_bytes(curl_off_t bytes, char text[24]);
/* The last part of the URL's path, to be freed; NULL when there is none. */
char *curl_remote_name(const char *url);
int curl_debug(CURL *easy, curl_infotype type, char *data, size_t size, void *arg);

/* curl_transfer.c: one URL after the other; the exit code of the last that failed, or 0. */
int curl_run(struct curl_command *command);

#endif
