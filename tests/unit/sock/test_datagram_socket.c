/* SPDX-License-Identifier: MIT */
/* UDP and ping sockets over two stacks. */
#include "pair.h"

static void test_unconnected(void **state)
{
	struct pair pair;
	struct tee_socket *socket;
	struct tee_tcp_info info;
	struct tee_endpoint name;
	struct tee_slice slice;
	uint64_t value;
	char buf[4];

	(void)state;
	pair_init(&pair, NULL);
	socket = pair_open(&pair, 0, TEE_SOCKET_UDP, TEE_FAMILY_ANY);
	assert_int_equal(tee_listen(socket, 1), -TEE_EOPNOTSUPP);
	assert_int_equal(tee_accept(socket, &socket, NULL), -TEE_EOPNOTSUPP);
	assert_int_equal(tee_send(socket, "x", 1, 0), -TEE_EDESTADDRREQ);
	assert_int_equal(tee_recv(socket, buf, 4, 0), -TEE_EAGAIN);
	assert_int_equal(tee_shutdown(socket, TEE_SHUT_WRITE), -TEE_ENOTCONN);
	assert_int_equal(tee_remote_name(socket, &name), -TEE_ENOTCONN);
	assert_int_equal(tee_recv_view(socket, &slice, 1), -TEE_EOPNOTSUPP);
	assert_int_equal(tee_socket_info(socket, &info), -TEE_EOPNOTSUPP);
	assert_int_equal(tee_set_congestion(socket, "cubic"), -TEE_EOPNOTSUPP);
	assert_string_equal(tee_get_congestion(socket), "");
	assert_int_equal(tee_set_option(socket, TEE_OPT_NODELAY, 1), -TEE_ENOPROTOOPT);
	assert_int_equal(tee_get_option(socket, TEE_OPT_MTU, &value), -TEE_ENOTCONN);
	pair_fini(&pair);
}

static void test_options(void **state)
{
	static const struct {
		enum tee_option option;
		uint64_t value;
		int result;
	} cases[] = {
		{TEE_OPT_TTL, 9, 0},          {TEE_OPT_TTL, 256, -TEE_EINVAL},
		{TEE_OPT_TOS, 0x10, 0},       {TEE_OPT_TOS, 256, -TEE_EINVAL},
		{TEE_OPT_BROADCAST, 1, 0},    {TEE_OPT_REUSEADDR, 1, 0},
		{TEE_OPT_REUSEPORT, 1, 0},    {TEE_OPT_RCVBUF, 5000, 0},
		{TEE_OPT_MTU_DISCOVER, 2, 0}, {TEE_OPT_MTU_DISCOVER, 3, -TEE_EINVAL},
		{TEE_OPT_NETIF, 2, 0},        {TEE_OPT_NETIF, 9, -TEE_ENODEV},
	};
	struct pair pair;
	struct tee_socket *socket;
	uint64_t value;

	(void)state;
	pair_init(&pair, NULL);
	socket = pair_open(&pair, 0, TEE_SOCKET_UDP, TEE_FAMILY_ANY);
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(tee_set_option(socket, cases[i].option, cases[i].value),
				 cases[i].result);
		if (cases[i].result == 0) {
			assert_int_equal(tee_get_option(socket, cases[i].option, &value), 0);
			assert_int_equal(value, cases[i].value);
		}
	}
	pair_fini(&pair);
}

static void test_there_and_back(void **state)
{
	struct pair pair;

	(void)state;
	pair_init(&pair, NULL);
	for (unsigned i = 0; i < 2; i++) {
		struct tee_socket *a = pair_open(&pair, 0, TEE_SOCKET_UDP, TEE_FAMILY_ANY);
		struct tee_socket *b = pair_open(&pair, 1, TEE_SOCKET_UDP, TEE_FAMILY_ANY);
		struct tee_endpoint local = endpoint(TEE_IP_ANY, 53), from, name;
		struct tee_endpoint to = endpoint(i ? pair.ip6[1] : pair.ip4[1], 53);
		struct tee_event event;
		uint64_t value;
		char buf[16];

		assert_int_equal(tee_bind(b, &local), 0);
		assert_int_equal(tee_bind(b, &local), -TEE_EINVAL);
		assert_int_equal(tee_sendto(a, "question", 8, 0, &to), 8);
		pair_run(&pair);
		assert_true(tee_next_event(pair.stack[1], &event));
		assert_ptr_equal(event.socket, b);
		assert_int_equal(tee_get_option(b, TEE_OPT_INQ, &value), 0);
		assert_int_equal(value, 8);
		/* Looked at, then taken short: the rest of a datagram is gone. */
		assert_int_equal(tee_recv(b, buf, sizeof(buf), TEE_MSG_PEEK), 8);
		assert_int_equal(tee_recvfrom(b, buf, 4, TEE_MSG_TRUNC, &from), 8);
		assert_memory_equal(buf, "ques", 4);
		assert_int_equal(tee_recv(b, buf, sizeof(buf), 0), -TEE_EAGAIN);
		assert_int_equal(tee_ip_is4(&from.ip), i == 0);
		assert_int_equal(tee_sendto(b, "answer", 6, 0, &from), 6);
		/* Connected, it hears only its peer. */
		assert_int_equal(tee_connect(a, &to), 0);
		assert_int_equal(tee_remote_name(a, &name), 0);
		assert_int_equal(name.port, 53);
		pair_run(&pair);
		assert_int_equal(tee_recv(a, buf, sizeof(buf), 0), 6);
		assert_int_equal(tee_send(a, "more", 4, 0), 4);
		pair_run(&pair);
		assert_int_equal(tee_recv(b, buf, sizeof(buf), 0), 4);
		memset(&to, 0, sizeof(to));
		assert_int_equal(tee_connect(a, &to), 0);
		assert_int_equal(tee_remote_name(a, &name), -TEE_ENOTCONN);
		tee_close(a);
		tee_close(b);
	}
	pair_fini(&pair);
}

static void test_nobody_there(void **state)
{
	struct pair pair;
	struct tee_socket *socket;
	struct tee_endpoint to;
	struct tee_event event;

	(void)state;
	pair_init(&pair, NULL);
	socket = pair_open(&pair, 0, TEE_SOCKET_UDP, TEE_FAMILY_ANY);
	to = endpoint(pair.ip4[1], 9);
	assert_int_equal(tee_connect(socket, &to), 0);
	assert_int_equal(tee_send(socket, "x", 1, 0), 1);
	pair_run(&pair);
	assert_true(tee_next_event(pair.stack[0], &event));
	assert_ptr_equal(event.socket, socket);
	assert_int_equal(tee_take_error(socket), TEE_ECONNREFUSED);
	assert_int_equal(tee_take_error(socket), 0);
	pair_fini(&pair);
}

static void test_families(void **state)
{
	struct pair pair;
	struct tee_socket *four, *six;
	struct tee_endpoint to4, to6;

	(void)state;
	pair_init(&pair, NULL);
	four = pair_open(&pair, 0, TEE_SOCKET_UDP, TEE_FAMILY_IPV4);
	six = pair_open(&pair, 0, TEE_SOCKET_UDP, TEE_FAMILY_IPV6);
	to4 = endpoint(pair.ip4[1], 9);
	to6 = endpoint(pair.ip6[1], 9);
	assert_int_equal(tee_sendto(four, "x", 1, 0, &to6), -TEE_EAFNOSUPPORT);
	assert_int_equal(tee_sendto(six, "x", 1, 0, &to4), -TEE_EAFNOSUPPORT);
	assert_int_equal(tee_connect(four, &to6), -TEE_EAFNOSUPPORT);
	assert_int_equal(tee_sendto(four, "x", 1, 0, &to4), 1);
	assert_int_equal(tee_sendto(six, "x", 1, 0, &to6), 1);
	pair_fini(&pair);
}

/* More than a frame holds goes in fragments; more than a datagram may be, not at all. */
static void test_large(void **state)
{
	static uint8_t data[70000], back[70000];
	struct pair pair;
	struct tee_socket *a, *b;
	struct tee_endpoint local = endpoint(TEE_IP_ANY, 53), to;

	(void)state;
	for (unsigned i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7 + i / 251);
	pair_init(&pair, NULL);
	a = pair_open(&pair, 0, TEE_SOCKET_UDP, TEE_FAMILY_ANY);
	b = pair_open(&pair, 1, TEE_SOCKET_UDP, TEE_FAMILY_ANY);
	assert_int_equal(tee_bind(b, &local), 0);
	for (unsigned i = 0; i < 2; i++) {
		to = endpoint(i ? pair.ip6[1] : pair.ip4[1], 53);
		assert_int_equal(tee_sendto(a, data, 9000, 0, &to), 9000);
		pair_run(&pair);
		assert_int_equal(tee_recv(b, back, sizeof(back), 0), 9000);
		assert_memory_equal(data, back, 9000);
		assert_int_equal(tee_sendto(a, data, 66000, 0, &to), -TEE_EMSGSIZE);
	}
	pair_fini(&pair);
}

static void test_ping(void **state)
{
	/* Type, code, checksum, id, sequence, data; checksum and id are the stack's. */
	static const uint8_t request4[] = {8, 0, 0, 0, 0, 0, 0, 5, 'p', 'i', 'n', 'g'};
	static const uint8_t request6[] = {128, 0, 0, 0, 0, 0, 0, 5, 'p', 'i', 'n', 'g'};
	struct pair pair;

	(void)state;
	pair_init(&pair, NULL);
	for (unsigned i = 0; i < 2; i++) {
		struct tee_socket *socket =
			pair_open(&pair, 0, TEE_SOCKET_PING, i ? TEE_FAMILY_IPV6 : TEE_FAMILY_IPV4);
		struct tee_endpoint to = endpoint(i ? pair.ip6[1] : pair.ip4[1], 0), from;
		uint8_t buf[64];

		assert_int_equal(tee_sendto(socket, i ? request6 : request4, 12, 0, &to), 12);
		pair_run(&pair);
		assert_int_equal(tee_recvfrom(socket, buf, sizeof(buf), 0, &from), 12);
		assert_int_equal(buf[0], i ? 129 : 0);
		assert_memory_equal(buf + 6, request4 + 6, 6);
		assert_memory_equal(&from.ip, &to.ip, sizeof(to.ip));
		tee_close(socket);
	}
	pair_fini(&pair);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unconnected),    cmocka_unit_test(test_options),
		cmocka_unit_test(test_there_and_back), cmocka_unit_test(test_nobody_there),
		cmocka_unit_test(test_families),       cmocka_unit_test(test_large),
		cmocka_unit_test(test_ping),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
