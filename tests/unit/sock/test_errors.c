/* SPDX-License-Identifier: MIT */
/* The queue of errors that a socket keeps (TEE_OPT_RECVERR), over two stacks; ICMP comes from the other, or is made. */
#include "pair.h"

enum { ICMP_UNREACHABLE = 3, ICMP_TIME_EXCEEDED = 11, ICMP6_UNREACHABLE = 1, CLOSED_PORT = 9 };

static struct tee_endpoint peer(const struct pair *pair, bool is6)
{
	return endpoint(is6 ? pair->ip6[1] : pair->ip4[1], CLOSED_PORT);
}

static struct tee_socket *open_keeping(struct pair *pair, enum tee_socket_type type, uint64_t value)
{
	struct tee_socket *socket = pair_open(pair, 0, type, TEE_FAMILY_ANY);

	assert_int_equal(tee_set_option(socket, TEE_OPT_RECVERR, value), 0);
	return socket;
}

/* The one's complement of the sum, as RFC 1071 has it. */
static void set_checksum(uint8_t *at, const uint8_t *from, size_t len)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < len; i += 2)
		sum += (uint32_t)from[i] << 8 | (i + 1 < len ? from[i + 1] : 0);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	at[0] = (uint8_t)(~sum >> 8);
	at[1] = (uint8_t)~sum;
}

/* Takes the packet that stack 0 has to send, and lets a router (10.0.0.254) answer with an ICMP error that quotes it. */
static void router_answers(struct pair *pair, uint8_t type, uint8_t code, uint32_t rest)
{
	struct tee_frame frame;
	struct tee_pkt *pkt;
	uint8_t *at;
	uint32_t len;

	assert_int_equal(tee_output(pair->stack[0], pair->netif[0], &frame, 1, pair->now_ns), 1);
	len = frame.len;
	pkt = tee_pkt_new(tee_stack_pool(pair->stack[0]), 28 + len);
	assert_non_null(pkt);
	pkt->len = 28 + len;
	at = tee_pkt_bytes(pkt);
	memset(at, 0, 28);
	tee_frame_copy(&frame, at + 28);
	tee_frame_release(&frame);
	at[0] = 0x45;
	at[1] = 0xc0;
	at[2] = (uint8_t)(pkt->len >> 8);
	at[3] = (uint8_t)pkt->len;
	at[8] = 61;
	at[9] = 1;
	memcpy(at + 12, (uint8_t[]){10, 0, 0, 254, 10, 0, 0, 1}, 8);
	set_checksum(at + 10, at, 20);
	at[20] = type;
	at[21] = code;
	for (unsigned i = 0; i < 4; i++)
		at[24 + i] = (uint8_t)(rest >> (24 - 8 * i));
	set_checksum(at + 22, at + 20, 8 + len);
	tee_input(pair->stack[0], pair->netif[0], pkt, pair->now_ns);
	tee_stack_check(pair->stack[0]);
}

static void port_unreachable_says_all(void **state)
{
	struct pair pair;

	(void)state;
	pair_init(&pair, NULL);
	for (unsigned is6 = 0; is6 < 2; is6++)
		for (unsigned connects = 0; connects < 2; connects++) {
			struct tee_socket *socket = open_keeping(&pair, TEE_SOCKET_UDP, 3);
			struct tee_endpoint to = peer(&pair, is6);
			struct tee_error_info info;
			char buf[32];

			if (connects)
				assert_int_equal(tee_connect(socket, &to), 0);
			assert_int_equal(
				tee_sendto(socket, "question", 8, 0, connects ? NULL : &to), 8);
			assert_int_equal(tee_readiness(socket) & TEE_EV_ERROR, 0);
			pair_run(&pair);
			assert_int_equal(tee_take_error(socket), TEE_ECONNREFUSED);
			assert_int_equal(tee_take_error(socket), 0);
			assert_int_equal(tee_readiness(socket), TEE_EV_ERROR | TEE_EV_WRITABLE);
			/* A look leaves it there. */
			assert_int_equal(tee_recv_error(socket, buf, 3, TEE_MSG_PEEK, &info), 3);
			assert_true(info.truncated);
			assert_int_equal(tee_recv_error(socket, buf, sizeof(buf), 0, &info), 8);
			assert_memory_equal(buf, "question", 8);
			assert_false(info.truncated);
			assert_false(info.is_local);
			assert_int_equal(info.error, TEE_ECONNREFUSED);
			assert_int_equal(info.version, is6 ? 6 : 4);
			assert_int_equal(info.type, is6 ? ICMP6_UNREACHABLE : ICMP_UNREACHABLE);
			assert_int_equal(info.code, is6 ? 4 : 3);
			assert_true(tee_ip_equal(&info.remote.ip, &to.ip));
			assert_int_equal(info.remote.port, CLOSED_PORT);
			assert_true(tee_ip_equal(&info.offender.ip, &to.ip));
			assert_int_equal(info.at_ns, pair.now_ns);
			assert_int_equal(tee_recv_error(socket, buf, 9, 0, &info), -TEE_EAGAIN);
			assert_int_equal(tee_readiness(socket), TEE_EV_WRITABLE);
			tee_close(socket);
		}
	pair_fini(&pair);
}

static void routers_errors_by_type(void **state)
{
	static const struct {
		uint8_t type, code;
		uint32_t rest, info;
		int error; /* 0: none is kept */
	} cases[] = {
		{ICMP_TIME_EXCEEDED, 0, 0, 0, TEE_EHOSTUNREACH},
		{ICMP_TIME_EXCEEDED, 1, 0, 0, 0},
		{ICMP_UNREACHABLE, 0, 0, 0, TEE_ENETUNREACH},
		{ICMP_UNREACHABLE, 1, 0, 0, TEE_EHOSTUNREACH},
		{ICMP_UNREACHABLE, 4, 1400, 1400, TEE_EMSGSIZE},
		{12, 0, UINT32_C(9) << 24, 9, TEE_EPROTO},
		{4, 0, 0, 0, 0}, /* source quench */
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		static const uint8_t text[1450] = "where are you";
		struct pair pair;
		struct tee_socket *socket;
		struct tee_endpoint to;
		struct tee_error_info info;
		uint8_t buf[2000];

		pair_init(&pair, NULL);
		socket = open_keeping(&pair, TEE_SOCKET_UDP, TEE_RECVERR_IPV4);
		to = peer(&pair, false);
		assert_int_equal(tee_sendto(socket, text, sizeof(text), 0, &to), sizeof(text));
		router_answers(&pair, cases[i].type, cases[i].code, cases[i].rest);
		assert_int_equal(tee_take_error(socket), cases[i].error);
		if (!cases[i].error) {
			assert_int_equal(tee_recv_error(socket, buf, 4, 0, &info), -TEE_EAGAIN);
		} else {
			/* No more is kept of a quote than an honest message has. */
			assert_int_equal(tee_recv_error(socket, buf, sizeof(buf), 0, &info), 1280);
			assert_memory_equal(buf, text, 1280);
			assert_int_equal(info.error, cases[i].error);
			assert_int_equal(info.type, cases[i].type);
			assert_int_equal(info.info, cases[i].info);
			assert_int_equal(info.offender.ip.byte[15], 254);
			assert_int_equal(info.ttl, 61);
			assert_int_equal(info.tos, 0xc0);
		}
		pair_fini(&pair);
	}
}

static void the_pending_error_follows_the_queue(void **state)
{
	struct pair pair;
	struct tee_socket *socket;
	struct tee_endpoint to;
	struct tee_error_info info;
	struct tee_event event;

	(void)state;
	pair_init(&pair, NULL);
	socket = open_keeping(&pair, TEE_SOCKET_UDP, TEE_RECVERR_IPV4);
	to = peer(&pair, false);
	assert_int_equal(tee_sendto(socket, "1", 1, 0, &to), 1);
	router_answers(&pair, ICMP_TIME_EXCEEDED, 0, 0);
	/* The next call tells it, and does nothing else. */
	assert_int_equal(tee_sendto(socket, "2", 1, 0, &to), -TEE_EHOSTUNREACH);
	assert_int_equal(tee_sendto(socket, "2", 1, 0, &to), 1);
	router_answers(&pair, ICMP_UNREACHABLE, 0, 0);
	assert_true(tee_next_event(pair.stack[0], &event));
	assert_int_equal(tee_take_error(socket), TEE_ENETUNREACH);
	assert_int_equal(tee_recv_error(socket, NULL, 0, 0, &info), 0);
	assert_int_equal(info.error, TEE_EHOSTUNREACH);
	/* Another waits: that is news, and the error of the next call. */
	assert_true(tee_next_event(pair.stack[0], &event));
	assert_true(event.ready & TEE_EV_ERROR);
	assert_int_equal(tee_recv(socket, NULL, 0, 0), -TEE_ENETUNREACH);
	assert_int_equal(tee_recv_error(socket, NULL, 0, 0, &info), 0);
	assert_int_equal(info.error, TEE_ENETUNREACH);
	assert_int_equal(tee_take_error(socket), 0);
	assert_false(tee_next_event(pair.stack[0], &event));
	pair_fini(&pair);
}

static void only_the_family_asked_for(void **state)
{
	struct pair pair;

	(void)state;
	pair_init(&pair, NULL);
	for (unsigned value = 0; value < 4; value++)
		for (unsigned is6 = 0; is6 < 2; is6++) {
			struct tee_socket *socket = open_keeping(&pair, TEE_SOCKET_UDP, value);
			struct tee_endpoint to = peer(&pair, is6);
			bool keeps = value & (is6 ? TEE_RECVERR_IPV6 : TEE_RECVERR_IPV4);
			struct tee_error_info info;
			uint64_t told;

			assert_int_equal(tee_get_option(socket, TEE_OPT_RECVERR, &told), 0);
			assert_int_equal(told, value);
			assert_int_equal(tee_sendto(socket, "x", 1, 0, &to), 1);
			pair_run(&pair);
			/* Without the option an unconnected socket hears of nothing. */
			assert_int_equal(tee_take_error(socket), keeps ? TEE_ECONNREFUSED : 0);
			assert_int_equal(tee_recv_error(socket, NULL, 0, 0, &info),
					 keeps ? 0 : -TEE_EAGAIN);
			tee_close(socket);
		}
	pair_fini(&pair);
}

static void switched_off_it_is_emptied(void **state)
{
	struct pair pair;
	struct tee_socket *socket;
	struct tee_endpoint to;
	struct tee_error_info info;

	(void)state;
	pair_init(&pair, NULL);
	socket = open_keeping(&pair, TEE_SOCKET_UDP, TEE_RECVERR_IPV4);
	assert_int_equal(tee_set_option(socket, TEE_OPT_RECVERR, 4), -TEE_EINVAL);
	to = peer(&pair, false);
	assert_int_equal(tee_sendto(socket, "x", 1, 0, &to), 1);
	pair_run(&pair);
	assert_int_equal(tee_set_option(socket, TEE_OPT_RECVERR, 0), 0);
	assert_int_equal(tee_recv_error(socket, NULL, 0, 0, &info), -TEE_EAGAIN);
	/* The error of the next call is told all the same. */
	assert_int_equal(tee_take_error(socket), TEE_ECONNREFUSED);
	assert_int_equal(tee_readiness(socket), TEE_EV_WRITABLE);
	pair_fini(&pair);
}

static void a_flood_finds_a_limit(void **state)
{
	static const uint8_t text[1000];
	struct tee_config config;
	struct pair pair;
	struct tee_socket *socket;
	struct tee_endpoint to;
	struct tee_error_info info;
	unsigned kept = 0;

	(void)state;
	tee_config_init(&config);
	config.error_queue_bytes_max = 8192;
	pair_init(&pair, &config);
	socket = open_keeping(&pair, TEE_SOCKET_UDP, TEE_RECVERR_IPV4);
	to = peer(&pair, false);
	for (unsigned i = 0; i < 100; i++) {
		tee_take_error(socket);
		assert_int_equal(tee_sendto(socket, text, sizeof(text), 0, &to), sizeof(text));
		router_answers(&pair, ICMP_UNREACHABLE, 1, 0);
	}
	/* The last one is pending although it had no room. */
	assert_int_equal(tee_take_error(socket), TEE_EHOSTUNREACH);
	while (tee_recv_error(socket, NULL, 0, 0, &info) == 0)
		kept++;
	assert_in_range(kept, 6, 8);
	/* Emptied, it takes more. */
	tee_take_error(socket);
	assert_int_equal(tee_sendto(socket, text, sizeof(text), 0, &to), sizeof(text));
	router_answers(&pair, ICMP_UNREACHABLE, 1, 0);
	assert_int_equal(tee_recv_error(socket, NULL, 0, 0, &info), 0);
	pair_fini(&pair);
}

static void too_long_for_the_path(void **state)
{
	static const uint8_t text[1600];
	struct pair pair;

	(void)state;
	pair_init(&pair, NULL);
	for (unsigned is6 = 0; is6 < 2; is6++) {
		struct tee_socket *socket = open_keeping(&pair, TEE_SOCKET_UDP, 3);
		struct tee_endpoint to = peer(&pair, is6);
		struct tee_error_info info;

		assert_int_equal(tee_set_option(socket, TEE_OPT_MTU_DISCOVER, 2), 0);
		assert_int_equal(tee_sendto(socket, text, sizeof(text), 0, &to), -TEE_EMSGSIZE);
		/* The call has told it: nothing is pending. */
		assert_int_equal(tee_take_error(socket), 0);
		assert_true(tee_readiness(socket) & TEE_EV_ERROR);
		assert_int_equal(tee_recv_error(socket, NULL, 0, 0, &info), 0);
		assert_true(info.is_local);
		assert_int_equal(info.error, TEE_EMSGSIZE);
		assert_int_equal(info.info, 1500);
		assert_true(tee_ip_equal(&info.remote.ip, &to.ip));
		assert_int_equal(tee_readiness(socket) & TEE_EV_ERROR, 0);
		tee_close(socket);
	}
	pair_fini(&pair);
}

static void ping_keeps_the_whole_echo(void **state)
{
	static const uint8_t echo[12] = {8, 0, 0, 0, 0, 0, 0, 1, 'p', 'i', 'n', 'g'};
	struct pair pair;
	struct tee_socket *socket;
	struct tee_endpoint to;
	struct tee_error_info info;
	uint8_t buf[64];

	(void)state;
	pair_init(&pair, NULL);
	socket = open_keeping(&pair, TEE_SOCKET_PING, TEE_RECVERR_IPV4);
	to = endpoint(pair.ip4[1], 0);
	assert_int_equal(tee_sendto(socket, echo, sizeof(echo), 0, &to), sizeof(echo));
	router_answers(&pair, ICMP_TIME_EXCEEDED, 0, 0);
	assert_int_equal(tee_recv_error(socket, buf, sizeof(buf), 0, &info), sizeof(echo));
	assert_int_equal(buf[0], 8);
	assert_memory_equal(buf + 6, echo + 6, 6);
	assert_int_equal(info.remote.port, 0);
	pair_fini(&pair);
}

/* An attempt to open that would go on for minutes ends with the router's word, which says who it was. */
static void a_connect_hears_of_it_at_once(void **state)
{
	struct pair pair;
	struct tee_socket *socket;
	struct tee_endpoint to;
	struct tee_error_info info;
	struct tee_tcp_info tcp;
	uint8_t buf[100];

	(void)state;
	for (unsigned keeps = 0; keeps < 2; keeps++) {
		pair_init(&pair, NULL);
		socket = open_keeping(&pair, TEE_SOCKET_TCP, keeps);
		to = peer(&pair, false);
		assert_int_equal(tee_connect(socket, &to), -TEE_EINPROGRESS);
		router_answers(&pair, ICMP_TIME_EXCEEDED, 0, 0);
		assert_int_equal(tee_socket_info(socket, &tcp), 0);
		assert_int_equal(tcp.state, keeps ? TEE_TCP_CLOSED : TEE_TCP_SYN_SENT);
		if (keeps) {
			assert_true(tee_readiness(socket) & TEE_EV_ERROR);
			/* The quote begins with TCP's header. */
			assert_true(tee_recv_error(socket, buf, sizeof(buf), 0, &info) >= 20);
			assert_int_equal(buf[3], CLOSED_PORT);
			assert_int_equal(info.remote.port, CLOSED_PORT);
			assert_int_equal(info.offender.ip.byte[15], 254);
			assert_int_equal(info.error, TEE_EHOSTUNREACH);
		}
		pair_fini(&pair);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(port_unreachable_says_all),
		cmocka_unit_test(routers_errors_by_type),
		cmocka_unit_test(the_pending_error_follows_the_queue),
		cmocka_unit_test(only_the_family_asked_for),
		cmocka_unit_test(switched_off_it_is_emptied),
		cmocka_unit_test(a_flood_finds_a_limit),
		cmocka_unit_test(too_long_for_the_path),
		cmocka_unit_test(ping_keeps_the_whole_echo),
		cmocka_unit_test(a_connect_hears_of_it_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
