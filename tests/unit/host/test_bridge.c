// SPDX-License-Identifier: MIT
/*
 * A bridge carries bytes, half-closes and resets. Both ends are in one stack, joined by its loopback
 * interface; the link (slirp) is only there because a host has one, and carries nothing. The loop is
 * turned until what is expected has come, or a number of turns has passed.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "host/host.h"

enum { PORT = 7, TURNS_MAX = 200000, BULK = 8 << 20 };

struct fixture {
	struct tee_host *host;
	struct tee_socket *listener, *client, *server;
	int fd; /* the client's bridge */
};

static struct fixture fix;

static int open_host(void **state)
{
	char error[TEE_HOST_ERROR_SIZE];
	struct tee_host_config config;

	tee_host_config_init(&config);
	config.stack.seed = 7;
	config.ip6 = "none";
	return tee_host_open(&config, &fix.host, error);
}

static int close_host(void **state)
{
	tee_host_close(fix.host, 0);
	return 0;
}

/* Connects over the loopback and bridges the client's end. */
static int set_up(void **state)
{
	struct tee_stack *stack = tee_host_stack(fix.host);
	struct tee_endpoint local = {.ip = TEE_IP4(127, 0, 0, 1), .port = PORT};
	char error[TEE_HOST_ERROR_SIZE];

	if (tee_socket_open(stack, TEE_SOCKET_TCP, TEE_FAMILY_IPV4, &fix.listener) < 0)
		return -1;
	tee_set_option(fix.listener, TEE_OPT_REUSEADDR, 1);
	if (tee_bind(fix.listener, &local) < 0 || tee_listen(fix.listener, 4) < 0 ||
	    tee_dial(fix.host, "127.0.0.1", PORT, 5 * TEE_NS_PER_S, &fix.client, error) < 0 ||
	    tee_accept_wait(fix.host, fix.listener, &fix.server, NULL) < 0)
		return -1;
	return tee_bridge(fix.host, fix.client, &fix.fd);
}

static int tear_down(void **state)
{
	if (fix.fd >= 0)
		close(fix.fd);
	if (fix.server)
		tee_abort(fix.server);
	tee_close(fix.listener);
	for (int i = 0; i < 20; i++)
		tee_host_run_once(fix.host, 0);
	return 0;
}

/* Turns the loop until the descriptor has one of `events`; what poll() says of it then. */
static short turn_until(short events)
{
	struct pollfd pollfd = {.fd = fix.fd, .events = events};

	for (int i = 0; i < TURNS_MAX && poll(&pollfd, 1, 0) == 0; i++)
		tee_host_run_once(fix.host, TEE_NS_PER_MS);
	return pollfd.revents;
}

static ssize_t server_recv(void *buf, size_t size)
{
	return tee_recv_some(fix.host, fix.server, buf, size);
}

static void test_bytes(void **state)
{
	char buf[64];

	assert_int_equal(write(fix.fd, "question", 8), 8);
	assert_int_equal(server_recv(buf, sizeof(buf)), 8);
	assert_memory_equal(buf, "question", 8);
	assert_int_equal(tee_send_all(fix.host, fix.server, "answer", 6), 6);
	assert_true(turn_until(POLLIN) & POLLIN);
	assert_int_equal(read(fix.fd, buf, sizeof(buf)), 6);
	assert_memory_equal(buf, "answer", 6);
}

/* The far end's half-close is a FIN, and the answer after it still comes. */
static void test_half_close_out(void **state)
{
	char buf[64];

	assert_int_equal(write(fix.fd, "last words", 10), 10);
	assert_int_equal(shutdown(fix.fd, SHUT_WR), 0);
	assert_int_equal(server_recv(buf, sizeof(buf)), 10);
	assert_int_equal(server_recv(buf, sizeof(buf)), 0);
	assert_int_equal(tee_send_all(fix.host, fix.server, "heard", 5), 5);
	assert_true(turn_until(POLLIN) & POLLIN);
	assert_int_equal(read(fix.fd, buf, sizeof(buf)), 5);
	tee_shutdown(fix.server, TEE_SHUT_WRITE);
	assert_true(turn_until(POLLIN) & POLLIN);
	assert_int_equal(read(fix.fd, buf, sizeof(buf)), 0);
}

/* The peer's FIN is an end of file, and the other direction stays open. */
static void test_half_close_in(void **state)
{
	char buf[64];

	assert_int_equal(tee_send_all(fix.host, fix.server, "bye", 3), 3);
	tee_shutdown(fix.server, TEE_SHUT_WRITE);
	assert_true(turn_until(POLLIN) & POLLIN);
	assert_int_equal(read(fix.fd, buf, sizeof(buf)), 3);
	assert_true(turn_until(POLLIN) & POLLIN);
	assert_int_equal(read(fix.fd, buf, sizeof(buf)), 0);
	assert_int_equal(write(fix.fd, "and you", 7), 7);
	assert_int_equal(server_recv(buf, sizeof(buf)), 7);
	close(fix.fd);
	fix.fd = -1;
	assert_int_equal(server_recv(buf, sizeof(buf)), 0);
}

/* close() with the last words still in the pair: they arrive, then FIN. */
static void test_close(void **state)
{
	char buf[64];

	assert_int_equal(write(fix.fd, "gone", 4), 4);
	close(fix.fd);
	fix.fd = -1;
	assert_int_equal(server_recv(buf, sizeof(buf)), 4);
	assert_int_equal(server_recv(buf, sizeof(buf)), 0);
}

/* close() with unread data is a RST, as it is with the kernel's own TCP. */
static void test_close_unread(void **state)
{
	char buf[64];

	assert_int_equal(tee_send_all(fix.host, fix.server, "unread", 6), 6);
	assert_true(turn_until(POLLIN) & POLLIN);
	close(fix.fd);
	fix.fd = -1;
	assert_int_equal(server_recv(buf, sizeof(buf)), -TEE_ECONNRESET);
}

/* A reset is ECONNRESET, after what had come before it. */
static void test_reset(void **state)
{
	char buf[64];

	assert_int_equal(tee_send_all(fix.host, fix.server, "before", 6), 6);
	assert_true(turn_until(POLLIN) & POLLIN);
	tee_abort(fix.server);
	fix.server = NULL;
	assert_true(turn_until(0) & POLLHUP);
	assert_int_equal(read(fix.fd, buf, sizeof(buf)), 6);
	assert_int_equal(read(fix.fd, buf, sizeof(buf)), -1);
	assert_int_equal(errno, ECONNRESET);
}

static uint8_t pattern(size_t at)
{
	return (uint8_t)(at * 31 + (at >> 8));
}

/* Much more than all buffers hold, with a reader that is slower than the writer. */
static void test_bulk(void **state)
{
	static uint8_t chunk[64 * 1024];
	size_t written = 0, received = 0;

	for (int turns = 0; received < BULK && turns < TURNS_MAX; turns++) {
		ssize_t len;

		for (size_t i = 0; i < sizeof(chunk); i++)
			chunk[i] = pattern(written + i);
		if (written < BULK && (len = write(fix.fd, chunk, sizeof(chunk))) > 0)
			written += (size_t)len;
		tee_host_run_once(fix.host, 0);
		if (turns % 3)
			continue;
		len = tee_recv(fix.server, chunk, sizeof(chunk), 0);
		for (ssize_t i = 0; i < len; i++)
			assert_int_equal(chunk[i], pattern(received + (size_t)i));
		received += len > 0 ? (size_t)len : 0;
	}
	assert_true(received >= BULK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_bytes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_half_close_out, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_half_close_in, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_close, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_close_unread, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_reset, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_bulk, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, open_host, close_host);
}
