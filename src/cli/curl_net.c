// SPDX-License-Identifier: MIT
/*
 * libcurl on our sockets.
 *
 * libcurl asks for a socket (CURLOPT_OPENSOCKETFUNCTION) once it has an address. We don't want it to
 * look one up, since that would ask the system's resolver; so CURLOPT_CONNECT_TO sends every
 * connection to one literal address, 127.0.0.1, for which there is nothing to look up. When the
 * socket is asked for, the URL in force (after a redirect: the new one) tells the name; tee_dial()
 * resolves it and connects over our stack, and the bridge's descriptor is handed to libcurl as a
 * socket that is connected already. TLS names, Host headers and connection reuse stay those of the URL.
 *
 * Proxies of the environment are switched off: they would be a way around the stack's own names.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/curl.h"

/* Host (without an IPv6 literal's brackets) and port of the URL that is being fetched. */
static int current_target(CURL *easy, char **ret_host, long *ret_port)
{
	char *url = NULL, *host = NULL, *port = NULL;
	unsigned flags = 0;
	CURLU *parts = curl_url();
	int result = -1;

#ifdef CURLU_PUNYCODE
	flags = CURLU_PUNYCODE;
#endif
	if (parts && curl_easy_getinfo(easy, CURLINFO_EFFECTIVE_URL, &url) == CURLE_OK && url &&
	    curl_url_set(parts, CURLUPART_URL, url, CURLU_GUESS_SCHEME) == CURLUE_OK &&
	    curl_url_get(parts, CURLUPART_HOST, &host, flags) == CURLUE_OK &&
	    curl_url_get(parts, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK) {
		size_t len = strlen(host);
		bool has_brackets = len > 1 && host[0] == '[' && host[len - 1] == ']';

		*ret_host = has_brackets ? strndup(host + 1, len - 2) : strdup(host);
		*ret_port = strtol(port, NULL, 10);
		result = *ret_host ? 0 : -1;
	}
	curl_free(host);
	curl_free(port);
	curl_url_cleanup(parts);
	return result;
}

static uint64_t time_left_ns(const struct curl_command *command)
{
	uint64_t left_ns = command->connect_timeout_ns;
	uint64_t spent_ns = tee_host_now_ns() - command->started_ns;

	if (command->max_time_ns) {
		uint64_t rest_ns = command->max_time_ns > spent_ns ? command->max_time_ns - spent_ns
								   : 1;

		if (rest_ns < left_ns)
			left_ns = rest_ns;
	}
	return left_ns;
}

/* With -4 or -6 the name's addresses of that family, one after the other. */
static int dial_family(struct curl_command *command, const char *name, uint16_t port,
		       struct tee_socket **ret_socket)
{
	struct tee_ip ips[8];
	char text[TEE_IP_TEXT_SIZE];
	int count =
		tee_resolve(command->cli.host, name, command->family, ips, 8, command->dial_error);
	int result = count < 0 ? count : -TEE_ENOENT;

	for (int i = 0; i < count && result != -TEE_ECANCELED; i++) {
		result = tee_dial(command->cli.host, tee_ip_format(&ips[i], text), port,
				  time_left_ns(command), ret_socket, command->dial_error);
		if (result == 0)
			break;
	}
	return result;
}

static void tell_connected(const struct curl_command *command, const char *name,
			   const struct tee_socket *socket)
{
	char local_text[TEE_ENDPOINT_TEXT_SIZE], remote_text[TEE_ENDPOINT_TEXT_SIZE];
	struct tee_endpoint local, remote;

	if (!command->verbose || tee_local_name(socket, &local) < 0 ||
	    tee_remote_name(socket, &remote) < 0)
		return;
	fprintf(stderr, "* %s is %s; connected from %s over %s\n", name,
		tee_endpoint_format(&remote, remote_text), tee_endpoint_format(&local, local_text),
		command->cli.config.link ? command->cli.config.link : "slirp");
}

static curl_socket_t open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
	struct curl_command *command = arg;
	struct tee_host *host = command->cli.host;
	struct tee_socket *socket = NULL;
	char *name = NULL;
	long port = 0;
	int fd = -1;

	(void)purpose, (void)address;
	if (current_target(command->easy, &name, &port) < 0)
		return CURL_SOCKET_BAD;
	if (command->family == TEE_FAMILY_ANY)
		command->dial_result = tee_dial(host, name, (uint16_t)port, time_left_ns(command),
						&socket, command->dial_error);
	else
		command->dial_result = dial_family(command, name, (uint16_t)port, &socket);
	if (command->dial_result == 0) {
		tee_host_lock(host);
		tell_connected(command, name, socket);
		/* libcurl writes whole requests: nothing is gained by waiting for more. */
		tee_set_option(socket, TEE_OPT_NODELAY, 1);
		command->dial_result = tee_bridge(host, socket, &fd);
		if (command->dial_result < 0)
			tee_close(socket);
		tee_host_unlock(host);
	}
	free(name);
	return command->dial_result < 0 ? CURL_SOCKET_BAD : fd;
}

static int is_connected(void *arg, curl_socket_t fd, curlsocktype purpose)
{
	(void)arg, (void)fd, (void)purpose;
	return CURL_SOCKOPT_ALREADY_CONNECTED;
}

static int close_socket(void *arg, curl_socket_t fd)
{
	(void)arg;
	return close(fd);
}

int curl_net_init(struct curl_command *command)
{
	CURL *easy = command->easy;

	command->connect_to = curl_slist_append(NULL, "::127.0.0.1:");
	if (!command->connect_to)
		return -1;
	curl_easy_setopt(easy, CURLOPT_CONNECT_TO, command->connect_to);
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, command);
	curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, is_connected);
	curl_easy_setopt(easy, CURLOPT_SOCKOPTDATA, command);
	curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, close_socket);
	curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, command);
	curl_easy_setopt(easy, CURLOPT_PROXY, "");
	curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 0L); /* not the far end's matter */
	return 0;
}
