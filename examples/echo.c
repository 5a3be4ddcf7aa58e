// SPDX-License-Identifier: MIT
/*
 * An echo server for thousands of connections in one thread:
 *
 *     example-echo 7 tap:tee0 10.0.4.4/24
 *
 * Nothing is copied by the program: what came in is viewed where it lies, and queued for sending. A
 * connection whose send buffer is full is left alone until it is writable again; meanwhile its
 * receive window closes by itself, so a client that never reads costs no memory beyond its buffers.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <teeceepee/teeceepee.h>

static volatile sig_atomic_t is_ending;
static unsigned long client_count;

static void on_signal(int number)
{
	(void)number;
	is_ending = 1;
}

static void forget(struct tee_host *host, struct tee_socket *client)
{
	tee_host_watch_socket(host, client, NULL, NULL);
	tee_close(client);
	client_count--;
}

/* Echoes until there is nothing to read, or no room to write. */
static void on_client(void *arg, struct tee_socket *client, unsigned ready)
{
	struct tee_slice slice;
	int count;

	(void)ready;
	while ((count = tee_recv_view(client, &slice, 1)) > 0) {
		ssize_t sent = tee_send(client, slice.ptr, slice.len, 0);

		if (sent == -TEE_EAGAIN)
			return; /* we are called again when it is writable */
		if (sent < 0) {
			forget(arg, client);
			return;
		}
		tee_recv_consume(client, (size_t)sent);
	}
	/* 0 is the client's FIN: ours follows what is still queued. */
	if (count != -TEE_EAGAIN)
		forget(arg, client);
}

static void on_listener(void *arg, struct tee_socket *listener, unsigned ready)
{
	struct tee_socket *client;
	struct tee_endpoint remote;

	(void)ready;
	while (tee_accept(listener, &client, &remote) == 0) {
		if (tee_host_watch_socket(arg, client, on_client, arg) < 0)
			tee_abort(client);
		else
			client_count++;
	}
}

static int serve(struct tee_host *host, uint16_t port)
{
	struct tee_stack *stack = tee_host_stack(host);
	struct tee_endpoint local = {.port = port};
	struct tee_socket *listener;
	int result = tee_socket_open(stack, TEE_SOCKET_TCP, TEE_FAMILY_ANY, &listener);

	if (result == 0)
		result = tee_bind(listener, &local);
	if (result == 0)
		result = tee_listen(listener, 4096);
	if (result == 0)
		result = tee_host_watch_socket(host, listener, on_listener, host);
	while (result == 0 && !is_ending)
		result = tee_host_run_once(host, 100 * TEE_NS_PER_MS);
	if (result < 0)
		fprintf(stderr, "echo: %s\n", tee_strerror(result));
	fprintf(stderr, "echo: %lu clients at the end\n", client_count);
	return result < 0;
}

int main(int argc, char **argv)
{
	char error[TEE_HOST_ERROR_SIZE];
	struct tee_host_config config;
	struct tee_host *host;
	int code;

	if (argc < 3) {
		fprintf(stderr, "usage: %s PORT LINK [ADDRESS/BITS]\n", argv[0]);
		return 2;
	}
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	tee_host_config_init(&config);
	config.link = argv[2];
	config.ip = argc > 3 ? argv[3] : NULL;
	if (tee_host_open(&config, &host, error) < 0) {
		fprintf(stderr, "echo: %s\n", error);
		return 1;
	}
	code = serve(host, (uint16_t)strtoul(argv[1], NULL, 10));
	tee_host_close(host, 2 * TEE_NS_PER_S);
	return code;
}
