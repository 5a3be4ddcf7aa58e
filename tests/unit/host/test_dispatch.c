// SPDX-License-Identifier: MIT
/*
 * Watchers of sockets are called until they have written so much that it should leave first, and all get
 * their turn. Both ends of each connection are in one stack, joined by its loopback; slirp, the link, carries
 * nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "host/host.h"

enum { PORT = 9, CONNS = 8, WRITE_BYTES = 60000, TURNS_MAX = 100000 };

struct conn {
	struct tee_socket *client, *server;
	unsigned calls; /* in which it wrote */
	size_t received;
};

static struct tee_host *host;
static struct tee_socket *listener;
static struct conn conns[CONNS];
static uint8_t bytes[WRITE_BYTES];

static int set_up(void **state)
{
	struct tee_endpoint local = {.ip = TEE_IP4(127, 0, 0, 1), .port = PORT};
	char error[TEE_HOST_ERROR_SIZE];
	struct tee_host_config config;

	(void)state;
	tee_host_config_init(&config);
	config.stack.seed = 7;
	config.ip6 = "none";
	memset(conns, 0, sizeof(conns));
	if (tee_host_open(&config, &host, error) < 0 ||
	    tee_socket_open(tee_host_stack(host), TEE_SOCKET_TCP, TEE_FAMILY_IPV4, &listener) < 0 ||
	    tee_bind(listener, &local) < 0 || tee_listen(listener, CONNS) < 0)
		return -1;
	for (unsigned i = 0; i < CONNS; i++)
		if (tee_dial(host, "127.0.0.1", PORT, 5 * TEE_NS_PER_S, &conns[i].client, error) <
			    0 ||
		    tee_accept_wait(host, listener, &conns[i].server, NULL) < 0)
			return -1;
	while (host_dispatch_events(host))
		continue;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	tee_host_close(host, 0);
	return 0;
}

static void write_once(void *arg, struct tee_socket *socket, unsigned ready)
{
	struct conn *conn = arg;

	if (conn->calls > 0 || !(ready & TEE_EV_WRITABLE))
		return;
	conn->calls++;
	assert_int_equal(tee_send(socket, bytes, sizeof(bytes), 0), sizeof(bytes));
}

static void read_all(void *arg, struct tee_socket *socket, unsigned ready)
{
	struct conn *conn = arg;
	ssize_t len;

	(void)ready;
	while ((len = tee_recv(socket, bytes, sizeof(bytes), 0)) > 0)
		conn->received += (size_t)len;
}

static unsigned written(void)
{
	unsigned count = 0;

	for (unsigned i = 0; i < CONNS; i++)
		count += conns[i].calls;
	return count;
}

static bool all_received(void)
{
	for (unsigned i = 0; i < CONNS; i++)
		if (conns[i].received < WRITE_BYTES)
			return false;
	return true;
}

static void test_what_was_written_leaves_first(void **state)
{
	/* So many fill it; the one that reaches it is the last. */
	const unsigned most = (HOST_WRITE_BYTES + WRITE_BYTES - 1) / WRITE_BYTES;
	unsigned before = 0, rounds = 0;

	(void)state;
	assert_true(most < CONNS);
	for (unsigned i = 0; i < CONNS; i++)
		assert_int_equal(
			tee_host_watch_socket(host, conns[i].client, write_once, &conns[i]), 0);
	while (written() < CONNS) {
		assert_true(host_dispatch_events(host));
		assert_in_range(written() - before, 1, most);
		before = written();
		rounds++;
	}
	assert_true(rounds >= CONNS / most);
}

/* The loop itself goes on without sleeping while watchers wait for their turn, and carries everything. */
static void test_all_get_their_turn(void **state)
{
	uint64_t start_ns = tee_host_now_ns();

	(void)state;
	for (unsigned i = 0; i < CONNS; i++) {
		tee_host_watch_socket(host, conns[i].server, read_all, &conns[i]);
		tee_host_watch_socket(host, conns[i].client, write_once, &conns[i]);
	}
	for (unsigned i = 0; i < TURNS_MAX && !all_received(); i++)
		tee_host_run_once(host, 60 * TEE_NS_PER_S);
	assert_true(all_received());
	assert_int_equal(written(), CONNS);
	assert_true(tee_host_now_ns() - start_ns < 30 * TEE_NS_PER_S);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_what_was_written_leaves_first, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_all_get_their_turn, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
