// SPDX-License-Identifier: MIT
/*
 * Fetches a page with the library's own sockets:
 *
 *     example-get example.com /
 *     example-get 10.0.2.2:8000 /index.html slirp
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <teeceepee/teeceepee.h>

/* "example.com:8000" → the name without its port, and the port. */
static uint16_t split_port(char *name)
{
	char *colon = strrchr(name, ':');

	if (!colon)
		return 80;
	*colon = '\0';
	return (uint16_t)strtoul(colon + 1, NULL, 10);
}

static int get(struct tee_host *host, char *name, const char *path)
{
	char request[1024], page[65536], error[TEE_HOST_ERROR_SIZE];
	uint16_t port = split_port(name);
	struct tee_socket *socket;
	ssize_t len;
	int result = tee_dial(host, name, port, 30 * TEE_NS_PER_S, &socket, error);

	if (result < 0) {
		fprintf(stderr, "get: %s\n", error);
		return 1;
	}
	len = snprintf(request, sizeof(request),
		       "GET %s HTTP/1.0\r\nHost: %s\r\nConnection: close\r\n\r\n", path, name);
	len = tee_send_all(host, socket, request, (size_t)len);
	while (len > 0) {
		len = tee_recv_some(host, socket, page, sizeof(page));
		if (len > 0)
			fwrite(page, 1, (size_t)len, stdout);
	}
	tee_close(socket);
	if (len < 0)
		fprintf(stderr, "get: %s\n", tee_strerror((int)len));
	return len < 0;
}

int main(int argc, char **argv)
{
	char error[TEE_HOST_ERROR_SIZE];
	struct tee_host_config config;
	struct tee_host *host;
	int code;

	if (argc < 3) {
		fprintf(stderr, "usage: %s HOST[:PORT] PATH [LINK]\n", argv[0]);
		return 2;
	}
	tee_host_config_init(&config);
	config.link = argc > 3 ? argv[3] : "slirp";
	if (tee_host_open(&config, &host, error) < 0) {
		fprintf(stderr, "get: %s\n", error);
		return 1;
	}
	code = get(host, argv[1], argv[2]);
	tee_host_close(host, 2 * TEE_NS_PER_S);
	return code;
}
