/* SPDX-License-Identifier: MIT */
/* TCP sockets over two stacks: states and their errors, families, names, options, events. */
#include "pair.h"

#include "sock/sock.h"

/* ---- what may be called when ---- */

static void test_unconnected(void **state)
{
	struct pair pair;
	struct tee_socket *socket, *other;
	struct tee_endpoint name;
	struct tee_tcp_info info;
	uint8_t buf[4];
	void *ptr;
	size_t len;

	(void)state;
	pair_init(&pair, NULL);
	socket = pair_open(&pair, 0, TEE_SOCKET_TCP, TEE_FAMILY_ANY);
	assert_int_equal(tee_send(socket, "x", 1, 0), -TEE_ENOTCONN);
	assert_int_equal(tee_recv(socket, buf, 4, 0), -TEE_ENOTCONN);
	assert_int_equal(tee_send_reserve(socket, 1, &ptr, &len), -TEE_ENOTCONN);
	assert_int_equal(tee_recv_view(socket, NULL, 0), -TEE_ENOTCONN);
	assert_int_equal(tee_shutdown(socket, TEE_SHUT_WRITE), -TEE_ENOTCONN);
	assert_int_equal(tee_shutdown(socket, (enum tee_shutdown)0), -TEE_EINVAL);
	assert_int_equal(tee_accept(socket, &other, &name), -TEE_EINVAL);
	assert_int_equal(tee_remote_name(socket, &name), -TEE_ENOTCONN);
	assert_int_equal(tee_local_name(socket, &name), 0);
	assert_int_equal(name.port, 0);
	assert_int_equal(tee_readiness(socket), 0);
	assert_int_equal(tee_take_error(socket), 0);
	assert_int_equal(tee_socket_info(socket, &info), 0);
	assert_int_equal(info.state, TEE_TCP_CLOSED);
	assert_string_equal(info.cc, "cubic");
	tee_close(socket);
	pair_fini(&pair);
}

static void test_open_refuses_nonsense(void **state)
{
	struct pair pair;
	struct tee_socket *socket = NULL;

	(void)state;
	pair_init(&pair, NULL);
	assert_int_equal(
		tee_socket_open(pair.stack[0], (enum tee_socket_type)9, TEE_FAMILY_ANY, &socket),
		-TEE_EINVAL);
	assert_int_equal(
		tee_socket_open(pair.stack[0], TEE_SOCKET_TCP, (enum tee_family)9, &socket),
		-TEE_EINVAL);
	assert_null(socket);
	pair_fini(&pair);
}

static void test_bind(void **state)
{
	static const struct {
		enum tee_family family;
		const char *ip;
		int result;
	} cases[] = {
		{TEE_FAMILY_ANY, "::", 0},
		{TEE_FAMILY_ANY, "0.0.0.0", 0},
		{TEE_FAMILY_ANY, "10.0.0.1", 0},
		{TEE_FAMILY_ANY, "fd00::1", 0},
		{TEE_FAMILY_ANY, "127.0.0.1", 0},
		{TEE_FAMILY_IPV4, "::", 0}, /* any address of any family */
		{TEE_FAMILY_IPV4, "10.0.0.1", 0},
		{TEE_FAMILY_IPV4, "fd00::1", -TEE_EAFNOSUPPORT},
		{TEE_FAMILY_IPV6, "10.0.0.1", -TEE_EAFNOSUPPORT},
		{TEE_FAMILY_IPV6, "0.0.0.0", -TEE_EAFNOSUPPORT},
		{TEE_FAMILY_IPV6, "fd00::1", 0},
		{TEE_FAMILY_ANY, "10.0.0.77", -TEE_EADDRNOTAVAIL},
		{TEE_FAMILY_ANY, "fd00::77", -TEE_EADDRNOTAVAIL},
	};
	struct pair pair;

	(void)state;
	pair_init(&pair, NULL);
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct tee_socket *socket = pair_open(&pair, 0, TEE_SOCKET_TCP, cases[i].family);
		struct tee_endpoint local = {.port = 0}, name;
		int result;

		assert_int_equal(tee_ip_parse(cases[i].ip, &local.ip), 0);
		result = tee_bind(socket, &local);
		if (result != cases[i].result)
			fail_msg("case %u: %d", i, result);
		if (result == 0) {
			assert_int_equal(tee_local_name(socket, &name), 0);
			assert_true(name.port != 0);
			assert_int_equal(tee_bind(socket, &local), -TEE_EINVAL);
		}
		tee_close(socket);
	}
	pair_fini(&pair);
}

/* Who may share a port with whom. */
static void test_families_share_a_port(void **state)
{
	static const struct {
		enum tee_family first, second;
		int result;
	} cases[] = {
		{TEE_FAMILY_IPV4, TEE_FAMILY_IPV6, 0},
		{TEE_FAMILY_IPV6, TEE_FAMILY_IPV4, 0},
		{TEE_FAMILY_ANY, TEE_FAMILY_IPV4, -TEE_EADDRINUSE},
		{TEE_FAMILY_ANY, TEE_FAMILY_IPV6, -TEE_EADDRINUSE},
		{TEE_FAMILY_IPV4, TEE_FAMILY_IPV4, -TEE_EADDRINUSE},
	};
	struct pair pair;

	(void)state;
	pair_init(&pair, NULL);
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct tee_endpoint local = endpoint(TEE_IP_ANY, 8080);
		struct tee_socket *a = pair_open(&pair, 0, TEE_SOCKET_TCP, cases[i].first);
		struct tee_socket *b = pair_open(&pair, 0, TEE_SOCKET_TCP, cases[i].second);

		assert_int_equal(tee_bind(a, &local), 0);
		assert_int_equal(tee_listen(a, 1), 0);
		assert_int_equal(tee_bind(b, &local), cases[i].result);
		tee_close(a);
		tee_close(b);
	}
	pair_fini(&pair);
}

static void test_connect_refuses(void **state)
{
	static const struct {
		enum tee_family family;
		const char *ip;
		uint16_t port;
		int result;
	} cases[] = {
		{TEE_FAMILY_ANY, "10.0.0.2", 0, -TEE_EADDRNOTAVAIL},
		{TEE_FAMILY_ANY, "224.0.0.1", 80, -TEE_ENETUNREACH},
		{TEE_FAMILY_ANY, "255.255.255.255", 80, -TEE_ENETUNREACH},
		{TEE_FAMILY_ANY, "10.0.0.255", 80, -TEE_ENETUNREACH},
		{TEE_FAMILY_ANY, "ff02::1", 80, -TEE_ENETUNREACH},
		{TEE_FAMILY_ANY, "192.0.2.1", 80, -TEE_ENETUNREACH},
		{TEE_FAMILY_IPV4, "fd00::2", 80, -TEE_EAFNOSUPPORT},
		{TEE_FAMILY_IPV6, "10.0.0.2", 80, -TEE_EAFNOSUPPORT},
	};
	struct pair pair;

	(void)state;
	pair_init(&pair, NULL);
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct tee_socket *socket = pair_open(&pair, 0, TEE_SOCKET_TCP, cases[i].family);
		struct tee_endpoint remote = {.port = cases[i].port};
		int result;

		assert_int_equal(tee_ip_parse(cases[i].ip, &remote.ip), 0);
		result = tee_connect(socket, &remote);
		if (result != cases[i].result)
			fail_msg("case %u: %d", i, result);
		tee_close(socket);
	}
	pair_fini(&pair);
}

static void test_connect_in_each_state(void **state)
{
	struct pair pair;
	struct tee_socket *listener, *ends[2], *socket;
	struct tee_endpoint remote, name;

	(void)state;
	pair_init(&pair, NULL);
	listener = pair_listen(&pair, 80);
	socket = pair_begin_connect(&pair, 80);
	assert_int_equal(tee_connect(socket, &remote), -TEE_EALREADY);
	assert_int_equal(tee_remote_name(socket, &name), -TEE_ENOTCONN);
	assert_int_equal(tee_local_name(socket, &name), 0);
	assert_memory_equal(&name.ip, &pair.ip4[0], sizeof(name.ip));
	assert_int_equal(tee_listen(socket, 1), -TEE_EINVAL);
	assert_int_equal(tee_bind(socket, &name), -TEE_EINVAL);
	pair_run(&pair);
	assert_int_equal(tee_connect(socket, &remote), -TEE_EISCONN);
	assert_int_equal(tee_connect(listener, &remote), -TEE_EISCONN);
	assert_int_equal(tee_remote_name(socket, &name), 0);
	assert_int_equal(name.port, 80);
	tee_abort(socket);
	pair_run(&pair);
	pair_connect(&pair, listener, 80, ends); /* the first was reset before it was accepted */
	assert_int_equal(tee_connect(ends[1], &remote), -TEE_EISCONN);
	pair_fini(&pair);
}

/* Both families reach one listener, and say their names in their own form. */
static void test_dual_stack(void **state)
{
	struct pair pair;
	struct tee_socket *listener;

	(void)state;
	pair_init(&pair, NULL);
	listener = pair_listen(&pair, 80);
	for (unsigned i = 0; i < 2; i++) {
		struct tee_socket *socket = pair_open(&pair, 0, TEE_SOCKET_TCP, TEE_FAMILY_ANY);
		struct tee_endpoint remote = endpoint(i ? pair.ip6[1] : pair.ip4[1], 80);
		struct tee_endpoint from, local;
		struct tee_socket *accepted;

		assert_int_equal(tee_connect(socket, &remote), -TEE_EINPROGRESS);
		assert_int_equal(tee_accept(listener, &accepted, &from), -TEE_EAGAIN);
		pair_run(&pair);
		assert_int_equal(tee_accept(listener, &accepted, &from), 0);
		assert_int_equal(tee_ip_is4(&from.ip), i == 0);
		assert_int_equal(tee_local_name(accepted, &local), 0);
		assert_memory_equal(&local.ip, &remote.ip, sizeof(local.ip));
		assert_int_equal(tee_local_name(socket, &local), 0);
		assert_int_equal(local.port, from.port);
		assert_memory_equal(&local.ip, &from.ip, sizeof(local.ip));
	}
	pair_fini(&pair);
}

/* ---- how it ends ---- */

static void test_refused_then_again(void **state)
{
	struct pair pair;
	struct tee_socket *socket = NULL;
	struct tee_endpoint remote, local = endpoint(TEE_IP_ANY, 4711), name;

	(void)state;
	pair_init(&pair, NULL);
	remote = endpoint(pair.ip4[1], 81);
	socket = pair_open(&pair, 0, TEE_SOCKET_TCP, TEE_FAMILY_ANY);
	assert_int_equal(tee_set_option(socket, TEE_OPT_NODELAY, 1), 0);
	assert_int_equal(tee_bind(socket, &local), 0);
	assert_int_equal(tee_connect(socket, &remote), -TEE_EINPROGRESS);
	pair_run(&pair);
	assert_true(tee_readiness(socket) & TEE_EV_ERROR);
	assert_int_equal(tee_take_error(socket), TEE_ECONNREFUSED);
	assert_int_equal(tee_take_error(socket), 0);
	/* Somebody listens there now; the port and the options are still ours. */
	pair_listen(&pair, 81);
	assert_int_equal(tee_connect(socket, &remote), -TEE_EINPROGRESS);
	pair_run(&pair);
	assert_true(tee_readiness(socket) & TEE_EV_WRITABLE);
	assert_int_equal(tee_local_name(socket, &name), 0);
	assert_int_equal(name.port, 4711);
	uint64_t value = 0;
	assert_int_equal(tee_get_option(socket, TEE_OPT_NODELAY, &value), 0);
	assert_int_equal(value, 1);
	pair_fini(&pair);
}

static void test_half_close(void **state)
{
	struct pair pair;
	struct tee_socket *listener, *ends[2];
	char buf[16];

	(void)state;
	listener = pair_meet(&pair, ends);
	assert_int_equal(tee_send(ends[0], "question", 8, 0), 8);
	assert_int_equal(tee_shutdown(ends[0], TEE_SHUT_WRITE), 0);
	assert_int_equal(tee_send(ends[0], "x", 1, 0), -TEE_EPIPE);
	pair_run(&pair);
	assert_int_equal(tee_recv(ends[1], buf, sizeof(buf), TEE_MSG_PEEK), 8);
	assert_int_equal(tee_recv(ends[1], buf, sizeof(buf), 0), 8);
	assert_memory_equal(buf, "question", 8);
	assert_int_equal(tee_recv(ends[1], buf, sizeof(buf), 0), 0);
	assert_true(tee_readiness(ends[1]) & TEE_EV_RDHUP);
	assert_int_equal(tee_send(ends[1], "answer", 6, 0), 6);
	pair_run(&pair);
	assert_int_equal(tee_recv(ends[0], buf, sizeof(buf), 0), 6);
	tee_close(ends[1]);
	pair_run(&pair);
	assert_int_equal(tee_recv(ends[0], buf, sizeof(buf), 0), 0);
	tee_close(ends[0]);
	pair_run(&pair);
	pair_wait(&pair, UINT64_C(600000000000));
	tee_close(listener);
	assert_int_equal(tee_pool_bytes_used(tee_stack_pool(pair.stack[0])), 0);
	assert_int_equal(tee_pool_bytes_used(tee_stack_pool(pair.stack[1])), 0);
	pair_fini(&pair);
}

static void test_abort_is_told(void **state)
{
	struct pair pair;
	struct tee_socket *ends[2];
	char buf[16];

	(void)state;
	pair_meet(&pair, ends);
	tee_abort(ends[0]);
	pair_run(&pair);
	assert_true(tee_readiness(ends[1]) & TEE_EV_ERROR);
	assert_int_equal(tee_recv(ends[1], buf, sizeof(buf), 0), -TEE_ECONNRESET);
	pair_fini(&pair);
}

/* A listener that is shut down for reading is an unconnected socket again, with its port. */
static void test_shutdown_of_a_listener(void **state)
{
	struct pair pair;
	struct tee_socket *listener, *other;
	struct tee_endpoint name;

	(void)state;
	pair_init(&pair, NULL);
	listener = pair_listen(&pair, 80);
	assert_int_equal(tee_shutdown(listener, TEE_SHUT_WRITE), 0);
	assert_int_equal(tee_accept(listener, &other, &name), -TEE_EAGAIN);
	assert_int_equal(tee_shutdown(listener, TEE_SHUT_READ), 0);
	assert_int_equal(tee_accept(listener, &other, &name), -TEE_EINVAL);
	assert_int_equal(tee_local_name(listener, &name), 0);
	assert_int_equal(name.port, 80);
	assert_int_equal(tee_listen(listener, 3), 0);
	pair_fini(&pair);
}

/* ---- fast open (RFC 7413) ---- */

/* A listener on the far side that fast opens; *ret_remote is where it is. */
static struct tee_socket *pair_listen_fast(struct pair *pair, struct tee_endpoint *ret_remote)
{
	struct tee_socket *listener;

	assert_int_equal(tee_stack_set(pair->stack[1], "tcp_fastopen", "3"), 0);
	listener = pair_listen(pair, 80);
	assert_int_equal(tee_set_option(listener, TEE_OPT_FASTOPEN, 8), 0);
	*ret_remote = endpoint(pair->ip4[1], 80);
	return listener;
}

static void test_connect_waits_for_the_first_send(void **state)
{
	struct pair pair;
	struct tee_socket *listener, *socket, *accepted;
	struct tee_endpoint remote;
	struct tee_tcp_info info;
	char buf[16];

	(void)state;
	pair_init(&pair, NULL);
	listener = pair_listen_fast(&pair, &remote);
	/* Without a cookie there is nothing to wait for: the SYN asks for one. */
	socket = pair_open(&pair, 0, TEE_SOCKET_TCP, TEE_FAMILY_ANY);
	assert_int_equal(tee_set_option(socket, TEE_OPT_FASTOPEN_CONNECT, 1), 0);
	assert_int_equal(tee_connect(socket, &remote), -TEE_EINPROGRESS);
	assert_true(tee_has_output(pair.stack[0], pair.netif[0]));
	pair_run(&pair);
	assert_int_equal(tee_accept(listener, &accepted, NULL), 0);
	/* With it the SYN waits for its data, which is there before the handshake ends. */
	socket = pair_open(&pair, 0, TEE_SOCKET_TCP, TEE_FAMILY_ANY);
	assert_int_equal(tee_set_option(socket, TEE_OPT_FASTOPEN_CONNECT, 1), 0);
	assert_int_equal(tee_connect(socket, &remote), 0);
	assert_int_equal(tee_connect(socket, &remote), -TEE_EISCONN);
	assert_int_equal(tee_readiness(socket), TEE_EV_WRITABLE);
	assert_false(tee_has_output(pair.stack[0], pair.netif[0]));
	assert_int_equal(tee_send(socket, "early", 5, 0), 5);
	assert_true(tee_has_output(pair.stack[0], pair.netif[0]));
	pair_run(&pair);
	assert_int_equal(tee_socket_info(socket, &info), 0);
	assert_true(info.options & TEE_TCP_SYN_DATA);
	assert_int_equal(tee_accept(listener, &accepted, NULL), 0);
	assert_int_equal(tee_recv(accepted, buf, sizeof(buf), 0), 5);
	/* It is a connection now: the option came too late. */
	assert_int_equal(tee_set_option(socket, TEE_OPT_FASTOPEN_CONNECT, 1), -TEE_EINVAL);
	pair_fini(&pair);
}

static void test_first_receive_opens_too(void **state)
{
	struct pair pair;
	struct tee_socket *listener, *socket, *accepted;
	struct tee_endpoint remote;
	char buf[16];

	(void)state;
	pair_init(&pair, NULL);
	listener = pair_listen_fast(&pair, &remote);
	socket = pair_open(&pair, 0, TEE_SOCKET_TCP, TEE_FAMILY_ANY);
	assert_int_equal(tee_set_option(socket, TEE_OPT_FASTOPEN_CONNECT, 1), 0);
	assert_int_equal(tee_connect(socket, &remote), -TEE_EINPROGRESS);
	pair_run(&pair);
	assert_int_equal(tee_accept(listener, &accepted, NULL), 0);
	socket = pair_open(&pair, 0, TEE_SOCKET_TCP, TEE_FAMILY_ANY);
	assert_int_equal(tee_set_option(socket, TEE_OPT_FASTOPEN_CONNECT, 1), 0);
	assert_int_equal(tee_connect(socket, &remote), 0);
	assert_int_equal(tee_recv(socket, buf, sizeof(buf), 0), -TEE_EAGAIN);
	pair_run(&pair);
	assert_int_equal(tee_accept(listener, &accepted, NULL), 0);
	assert_int_equal(tee_send(accepted, "hello", 5, 0), 5);
	pair_run(&pair);
	assert_int_equal(tee_recv(socket, buf, sizeof(buf), 0), 5);
	pair_fini(&pair);
}

static void test_sendto_connects(void **state)
{
	struct pair pair;
	struct tee_socket *listener, *socket, *accepted;
	struct tee_endpoint remote;

	(void)state;
	pair_init(&pair, NULL);
	listener = pair_listen(&pair, 80);
	remote = endpoint(pair.ip4[1], 80);
	socket = pair_open(&pair, 0, TEE_SOCKET_TCP, TEE_FAMILY_ANY);
	ssize_t sent = tee_sendto(socket, "early", 5, 0, &remote);
	assert_true(sent == 5 || sent == -TEE_EINPROGRESS);
	pair_run(&pair);
	assert_int_equal(tee_accept(listener, &accepted, NULL), 0);
	tee_close(socket);
	/* Switched off, there is no such way to connect. */
	assert_int_equal(tee_stack_set(pair.stack[0], "tcp_fastopen", "0"), 0);
	socket = pair_open(&pair, 0, TEE_SOCKET_TCP, TEE_FAMILY_ANY);
	assert_int_equal(tee_sendto(socket, "early", 5, 0, &remote), -TEE_EOPNOTSUPP);
	assert_int_equal(tee_set_option(socket, TEE_OPT_FASTOPEN_CONNECT, 1), -TEE_EOPNOTSUPP);
	assert_int_equal(tee_connect(socket, &remote), -TEE_EINPROGRESS);
	pair_fini(&pair);
}

/* ---- options ---- */

static void test_v6only(void **state)
{
	struct pair pair;
	struct tee_socket *any, *four;
	struct tee_endpoint local = endpoint(TEE_IP_ANY, 90);
	uint64_t value;

	(void)state;
	pair_init(&pair, NULL);
	any = pair_open(&pair, 0, TEE_SOCKET_TCP, TEE_FAMILY_ANY);
	four = pair_open(&pair, 0, TEE_SOCKET_TCP, TEE_FAMILY_IPV4);
	assert_int_equal(tee_get_option(any, TEE_OPT_V6ONLY, &value), 0);
	assert_int_equal(value, 0);
	assert_int_equal(tee_get_option(four, TEE_OPT_V6ONLY, &value), -TEE_ENOPROTOOPT);
	assert_int_equal(tee_set_option(four, TEE_OPT_V6ONLY, 1), -TEE_ENOPROTOOPT);
	assert_int_equal(tee_set_option(any, TEE_OPT_V6ONLY, 1), 0);
	assert_int_equal(tee_bind(any, &local), 0);
	assert_int_equal(tee_bind(four, &local), 0);
	assert_int_equal(tee_set_option(any, TEE_OPT_V6ONLY, 0), -TEE_EINVAL);
	pair_fini(&pair);
}

/* Set before, or on the listener, an option holds for the connection. */
static void test_options_pass_on(void **state)
{
	static const struct {
		enum tee_option option;
		uint64_t value;
	} cases[] = {
		{TEE_OPT_NODELAY, 1},
		{TEE_OPT_KEEPALIVE, 1},
		{TEE_OPT_KEEPIDLE_NS, UINT64_C(5000000000)},
		{TEE_OPT_USER_TIMEOUT_NS, UINT64_C(7000000000)},
		{TEE_OPT_TTL, 33},
	};
	struct pair pair;
	struct tee_socket *listener, *ends[2];
	uint64_t value;

	(void)state;
	pair_init(&pair, NULL);
	listener = pair_listen(&pair, 80);
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(tee_set_option(listener, cases[i].option, cases[i].value), 0);
	assert_int_equal(tee_set_congestion(listener, "newreno"), 0);
	assert_int_equal(tee_set_congestion(listener, "nonesuch"), -TEE_ENOENT);
	pair_connect(&pair, listener, 80, ends);
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(tee_get_option(ends[1], cases[i].option, &value), 0);
		assert_int_equal(value, cases[i].value);
	}
	assert_string_equal(tee_get_congestion(ends[1]), "newreno");
	assert_string_equal(tee_get_congestion(ends[0]), "cubic");
	assert_int_equal(tee_get_option(listener, TEE_OPT_ACCEPTING, &value), 0);
	assert_int_equal(value, 1);
	assert_int_equal(tee_get_option(ends[1], TEE_OPT_ACCEPTING, &value), 0);
	assert_int_equal(value, 0);
	assert_int_equal(tee_get_option(listener, TEE_OPT_INQ, &value), -TEE_EINVAL);
	assert_int_equal(tee_set_option(ends[0], TEE_OPT_INQ, 1), -TEE_ENOPROTOOPT);
	assert_int_equal(tee_set_option(ends[0], TEE_OPT_COUNT, 1), -TEE_ENOPROTOOPT);
	assert_int_equal(tee_set_option(ends[0], TEE_OPT_NETIF, 55), -TEE_ENODEV);
	pair_fini(&pair);
}

/* ---- events and lists ---- */

static void test_events(void **state)
{
	struct pair pair;
	struct tee_socket *listener, *ends[2];
	struct tee_event event;
	char buf[16];

	(void)state;
	pair_init(&pair, NULL);
	listener = pair_listen(&pair, 80);
	tee_socket_set_user(listener, &pair);
	pair_connect(&pair, listener, 80, ends);
	/* What was accepted before the event was taken leaves nothing to tell of the listener. */
	while (tee_next_event(pair.stack[1], &event))
		assert_ptr_equal(event.socket, ends[1]);
	while (tee_next_event(pair.stack[0], &event))
		assert_ptr_equal(event.socket, ends[0]);
	tee_socket_set_user(ends[1], buf);
	assert_int_equal(tee_send(ends[0], "abc", 3, 0), 3);
	pair_run(&pair);
	assert_true(tee_next_event(pair.stack[1], &event));
	assert_ptr_equal(event.socket, ends[1]);
	assert_ptr_equal(event.user, buf);
	assert_true(event.ready & TEE_EV_READABLE);
	assert_false(tee_next_event(pair.stack[1], &event));
	/* Level: still readable though told once. */
	assert_true(tee_readiness(ends[1]) & TEE_EV_READABLE);
	assert_int_equal(tee_recv(ends[1], buf, 3, 0), 3);
	assert_false(tee_readiness(ends[1]) & TEE_EV_READABLE);
	/* A closed socket never comes out, whatever is queued. */
	assert_int_equal(tee_send(ends[0], "abc", 3, 0), 3);
	pair_run(&pair);
	tee_close(ends[1]);
	while (tee_next_event(pair.stack[1], &event))
		assert_ptr_not_equal(event.socket, ends[1]);
	pair_fini(&pair);
}

static void test_list(void **state)
{
	struct pair pair;
	struct tee_socket *listener, *ends[2], *draft, *datagram;
	struct tee_socket_entry entry;
	uint64_t cursor = 0;
	unsigned states[TEE_TCP_STATE_COUNT] = {0}, datagrams = 0;

	(void)state;
	listener = pair_meet(&pair, ends);
	draft = pair_open(&pair, 1, TEE_SOCKET_TCP, TEE_FAMILY_ANY);
	datagram = pair_open(&pair, 1, TEE_SOCKET_UDP, TEE_FAMILY_ANY);
	while (tee_socket_list(pair.stack[1], &cursor, &entry)) {
		if (entry.type == TEE_SOCKET_UDP) {
			assert_ptr_equal(entry.socket, datagram);
			datagrams++;
			continue;
		}
		states[entry.tcp.state]++;
		if (entry.tcp.state == TEE_TCP_LISTEN)
			assert_ptr_equal(entry.socket, listener);
		if (entry.tcp.state == TEE_TCP_ESTABLISHED)
			assert_ptr_equal(entry.socket, ends[1]);
		if (entry.tcp.state == TEE_TCP_CLOSED)
			assert_ptr_equal(entry.socket, draft);
	}
	assert_int_equal(datagrams, 1);
	assert_int_equal(states[TEE_TCP_LISTEN], 1);
	assert_int_equal(states[TEE_TCP_ESTABLISHED], 1);
	assert_int_equal(states[TEE_TCP_CLOSED], 1);
	/* Closed by both, one end stays in TIME-WAIT, without a socket. */
	tee_close(ends[1]);
	pair_run(&pair);
	tee_close(ends[0]);
	pair_run(&pair);
	memset(states, 0, sizeof(states));
	for (cursor = 0; tee_socket_list(pair.stack[1], &cursor, &entry);) {
		if (entry.type != TEE_SOCKET_TCP)
			continue;
		states[entry.tcp.state]++;
		if (entry.tcp.state == TEE_TCP_TIME_WAIT)
			assert_null(entry.socket);
	}
	assert_int_equal(states[TEE_TCP_TIME_WAIT], 1);
	pair_fini(&pair);
}

static void test_zero_copy(void **state)
{
	struct pair pair;
	struct tee_socket *ends[2];
	struct tee_slice slices[4];
	void *ptr = NULL;
	size_t len = 0, got = 0;
	int n;

	(void)state;
	pair_meet(&pair, ends);
	assert_int_equal(tee_recv_view(ends[1], slices, 4), -TEE_EAGAIN);
	assert_int_equal(tee_send_reserve(ends[0], 1000, &ptr, &len), 0);
	assert_true(len >= 1000);
	memset(ptr, 'x', 1000);
	assert_int_equal(tee_send_commit(ends[0], 1000), 0);
	pair_run(&pair);
	n = tee_recv_view(ends[1], slices, 4);
	assert_true(n >= 1);
	for (int i = 0; i < n; i++)
		got += slices[i].len;
	assert_int_equal(got, 1000);
	assert_int_equal(slices[0].ptr[0], 'x');
	assert_int_equal(tee_recv_consume(ends[1], 400), 0);
	n = tee_recv_view(ends[1], slices, 4);
	for (got = 0; n > 0; n--)
		got += slices[n - 1].len;
	assert_int_equal(got, 600);
	assert_int_equal(tee_recv_consume(ends[1], 600), 0);
	assert_int_equal(tee_recv_view(ends[1], slices, 4), -TEE_EAGAIN);
	pair_fini(&pair);
}

/* Who reserves without limit gets what there is, also of a buffer that has grown. */
static void test_reserve_all(void **state)
{
	static const size_t wants[] = {1, 1000, SIZE_MAX - 4096, SIZE_MAX};
	static const char text[4096];
	struct pair pair;
	struct tee_socket *listener, *ends[2];
	struct tee_config config;
	void *ptr = NULL;
	size_t len = 0;

	(void)state;
	tee_config_init(&config);
	config.tcp_sndbuf_initial = sizeof(text);
	pair_init(&pair, &config);
	listener = pair_listen(&pair, 80);
	pair_connect(&pair, listener, 80, ends);
	/* With what is sent first the buffer begins to follow the congestion window. */
	assert_int_equal(tee_send(ends[0], text, 1, 0), 1);
	pair_run(&pair);
	assert_int_equal(tee_send(ends[0], text, sizeof(text), 0), sizeof(text));
	for (size_t i = 0; i < sizeof(wants) / sizeof(wants[0]); i++) {
		assert_int_equal(tee_send_reserve(ends[0], wants[i], &ptr, &len), 0);
		assert_in_range(len, 1, wants[i]);
	}
	pair_fini(&pair);
}

static void test_small(void **state)
{
	(void)state;
	/* Part of the 600 bytes that an idle connection may cost in all. */
	assert_true(sizeof(struct tee_socket) <= 72);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unconnected),
		cmocka_unit_test(test_open_refuses_nonsense),
		cmocka_unit_test(test_bind),
		cmocka_unit_test(test_families_share_a_port),
		cmocka_unit_test(test_connect_refuses),
		cmocka_unit_test(test_connect_in_each_state),
		cmocka_unit_test(test_dual_stack),
		cmocka_unit_test(test_refused_then_again),
		cmocka_unit_test(test_half_close),
		cmocka_unit_test(test_abort_is_told),
		cmocka_unit_test(test_shutdown_of_a_listener),
		cmocka_unit_test(test_connect_waits_for_the_first_send),
		cmocka_unit_test(test_first_receive_opens_too),
		cmocka_unit_test(test_sendto_connects),
		cmocka_unit_test(test_v6only),
		cmocka_unit_test(test_options_pass_on),
		cmocka_unit_test(test_events),
		cmocka_unit_test(test_list),
		cmocka_unit_test(test_zero_copy),
		cmocka_unit_test(test_reserve_all),
		cmocka_unit_test(test_small),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
