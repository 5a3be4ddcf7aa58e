// SPDX-License-Identifier: MIT
/*
 * Where a transfer's bytes go, and what a person sees of it meanwhile.
 *
 * A file is opened when the first byte comes, so that a failed transfer leaves none behind. A full
 * disk shows in fwrite() or only in fclose(); both are reported with the file's name.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/curl.h"

enum { FILE_BUFFER_BYTES = 256 * 1024 };

char *curl_remote_name(const char *url)
{
	CURLU *parts = curl_url();
	char *path = NULL, *name = NULL;

	if (parts && curl_url_set(parts, CURLUPART_URL, url, CURLU_GUESS_SCHEME) == CURLUE_OK &&
	    curl_url_get(parts, CURLUPART_PATH, &path, 0) == CURLUE_OK) {
		const char *slash = strrchr(path, '/');
		const char *last = slash ? slash + 1 : path;

		if (*last && strcmp(last, ".") != 0 && strcmp(last, "..") != 0)
			name = strdup(last);
	}
	curl_free(path);
	curl_url_cleanup(parts);
	return name;
}

int curl_output_open(struct curl_command *command, const struct curl_target *target)
{
	struct curl_output *output = &command->output;
	struct stat status;

	memset(output, 0, sizeof(*output));
	if (target->by_remote_name) {
		output->owned_path = curl_remote_name(target->url);
		if (!output->owned_path)
			return cli_fail(
				&command->cli, CLI_EXIT_WRITE,
				"the URL %s ends in no file name for -O: give one with -o FILE",
				target->url);
		output->path = output->owned_path;
	} else if (target->output && strcmp(target->output, "-") != 0) {
		output->path = target->output;
	}
	if (!command->resumes)
		return 0;
	output->appends = true;
	output->resumed_at = command->resume_at;
	if (command->resumes_from_size)
		output->resumed_at =
			output->path && stat(output->path, &status) == 0 ? status.st_size : 0;
	return 0;
}

/* Opens the file when there is something for it, or nothing will come any more. */
static bool ensure_open(struct curl_output *output)
{
	if (output->file)
		return true;
	if (output->path)
		output->file = fopen(output->path, output->appends ? "ab" : "wb");
	else
		output->file = stdout;
	if (!output->file) {
		output->error_number = errno;
		return false;
	}
	if (output->path)
		setvbuf(output->file, NULL, _IOFBF, FILE_BUFFER_BYTES);
	return true;
}

size_t curl_output_write(char *data, size_t size, size_t count, void *arg)
{
	struct curl_command *command = arg;
	struct curl_output *output = &command->output;
	size_t len = size * count;

	if (!ensure_open(output))
		return 0;
	curl_progress_end(output->path ? NULL : command);
	if (fwrite(data, 1, len, output->file) != len) {
		output->error_number = errno;
		return 0;
	}
	/* Somebody may be looking on; a file or pipe gains from being buffered. */
	if (!output->path && isatty(STDOUT_FILENO))
		fflush(stdout);
	return len;
}

int curl_output_close(struct curl_command *command, int code)
{
	struct curl_output *output = &command->output;

	/* An empty body makes an empty file. */
	if (code == CLI_EXIT_OK && output->path && !command->head_only)
		ensure_open(output);
	if (output->file && output->path && fclose(output->file) != 0 && !output->error_number)
		output->error_number = errno;
	else if (output->file && !output->path && fflush(stdout) != 0 && !output->error_number)
		output->error_number = errno;
	if (output->error_number && (code == CLI_EXIT_OK || code == CLI_EXIT_WRITE))
		code = cli_fail(&command->cli, CLI_EXIT_WRITE, "can't write %s: %s",
				output->path ? output->path : "to standard output",
				strerror(output->error_number));
	free(output->owned_path);
	output->owned_path = NULL;
	output->file = NULL;
	return code;
}

/* ---- progress ---- */

const char *curl_format_bytes(curl_off_t bytes, char text[24])
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
	double value = (double)bytes;
	unsigned unit = 0;

	while (value >= 1000 && unit < 4) {
		value /= 1024;
		unit++;
	}
	snprintf(text, 24, unit == 0 ? "%.0f %s" : "%.1f %s", value, units[unit]);
	return text;
}

int curl_progress_update(void *arg, curl_off_t down_total, curl_off_t down_now, curl_off_t up_total,
			 curl_off_t up_now)
{
	struct curl_command *command = arg;
	struct curl_progress *progress = &command->progress;
	uint64_t now_ns = tee_host_now_ns();
	double seconds = (double)(now_ns - command->started_ns) / (double)TEE_NS_PER_S;
	double speed = seconds > 0 ? (double)down_now / seconds : 0;
	char now_text[24], total_text[24], speed_text[24];

	(void)up_total, (void)up_now;
	if (!progress->is_shown || now_ns - progress->shown_at_ns < 100 * TEE_NS_PER_MS ||
	    down_now == 0)
		return 0;
	progress->shown_at_ns = now_ns;
	progress->has_line = true;
	curl_format_bytes(down_now, now_text);
	curl_format_bytes((curl_off_t)speed, speed_text);
	if (down_total <= 0) {
		fprintf(stderr, "\r\033[K%s  %s/s", now_text, speed_text);
		return 0;
	}
	fprintf(stderr, "\r\033[K%3.0f%%  %s of %s  %s/s  %.0f s left",
		100.0 * (double)down_now / (double)down_total, now_text,
		curl_format_bytes(down_total, total_text), speed_text,
		speed > 0 ? (double)(down_total - down_now) / speed : 0.0);
	return 0;
}

void curl_progress_end(struct curl_command *command)
{
	if (!command || !command->progress.has_line)
		return;
	fputs("\r\033[K", stderr);
	command->progress.has_line = false;
}

/* ---- -v ---- */

/* libcurl's words about the literal address that it believes to connect to. */
static bool is_about_sockets(const char *data, size_t size)
{
	static const char *const beginnings[] = {
		"  Trying ",
		"Connecting to hostname: 127.0.0.1",
		"Could not set TCP_NODELAY",
		"Connecting to port:",
		"Connected to ",
		/* … of some versions, of a host that they have no name of */
		"Connection #0 to host (nil)",
	};

	for (size_t i = 0; i < sizeof(beginnings) / sizeof(beginnings[0]); i++)
		if (size >= strlen(beginnings[i]) &&
		    strncmp(data, beginnings[i], strlen(beginnings[i])) == 0)
			return true;
	return false;
}

int curl_debug(CURL *easy, curl_infotype type, char *data, size_t size, void *arg)
{
	static const char *const prefixes[] = {
		[CURLINFO_TEXT] = "* ", [CURLINFO_HEADER_IN] = "< ", [CURLINFO_HEADER_OUT] = "> "};

	(void)easy, (void)arg;
	if (type > CURLINFO_HEADER_OUT || is_about_sockets(data, size))
		return 0;
	while (size > 0) {
		const char *end = memchr(data, '\n', size);
		size_t len = end ? (size_t)(end - data) + 1 : size;
		size_t shown = end && len > 1 && data[len - 2] == '\r' ? len - 2
								       : len - (end != NULL);

		fprintf(stderr, "%s%.*s\n", prefixes[type], (int)shown, data);
		data += len;
		size -= len;
	}
	return 0;
}
