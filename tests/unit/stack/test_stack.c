/* SPDX-License-Identifier: MIT */
/* The five doors: time, loopback, unknown interfaces, counters, configuration, the end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <teeceepee/socket.h>
#include <teeceepee/stack.h>

static struct tee_stack *new_stack(void)
{
	struct tee_stack *stack = tee_stack_new(NULL, 1000);

	assert_non_null(stack);
	return stack;
}

static struct tee_socket *open_tcp(struct tee_stack *stack)
{
	struct tee_socket *socket = NULL;

	assert_int_equal(tee_socket_open(stack, TEE_SOCKET_TCP, TEE_FAMILY_ANY, &socket), 0);
	return socket;
}

static struct tee_socket *listen_at(struct tee_stack *stack, uint16_t port)
{
	struct tee_socket *listener = open_tcp(stack);
	struct tee_endpoint local = {.port = port};

	assert_int_equal(tee_bind(listener, &local), 0);
	assert_int_equal(tee_listen(listener, 8), 0);
	return listener;
}

static void test_nothing_to_do(void **state)
{
	struct tee_stack *stack = new_stack();
	struct tee_event event;

	(void)state;
	assert_true(tee_deadline(stack) == TEE_NEVER);
	assert_false(tee_next_event(stack, &event));
	assert_false(tee_has_output(stack, 1));
	assert_false(tee_has_output(stack, 99));
	tee_advance(stack, 2000);
	tee_stack_check(stack);
	assert_int_equal(tee_pool_bytes_used(tee_stack_pool(stack)), 0);
	tee_stack_free(stack);
	tee_stack_free(NULL);
}

static void test_unknown_netif(void **state)
{
	struct tee_stack *stack = new_stack();
	struct tee_pkt *pkt = tee_pkt_new(tee_stack_pool(stack), 100);
	struct tee_addr_info info;
	struct tee_net_info net_info;
	struct tee_frame frame;
	struct tee_ip ip = TEE_IP4(10, 0, 0, 1);

	(void)state;
	assert_non_null(pkt);
	assert_int_equal(tee_input(stack, 7, pkt, 2000), -TEE_EINVAL);
	/* It was taken all the same. */
	assert_int_equal(tee_pool_bytes_used(tee_stack_pool(stack)), 0);
	assert_int_equal(tee_output(stack, 7, &frame, 1, 2000), -TEE_EINVAL);
	assert_int_equal(tee_addr_add(stack, 7, &ip, 24, true), -TEE_EINVAL);
	assert_int_equal(tee_addr_remove(stack, 7, &ip), -TEE_EINVAL);
	assert_int_equal(tee_addr_get(stack, 7, 0, &info), -TEE_EINVAL);
	assert_int_equal(tee_route_add(stack, 7, &ip, 24, NULL, 0), -TEE_EINVAL);
	assert_int_equal(tee_route_remove(stack, 7, &ip, 24), -TEE_EINVAL);
	assert_int_equal(tee_netif_set_up(stack, 7, true), -TEE_EINVAL);
	assert_int_equal(tee_dhcp_start(stack, 7, NULL), -TEE_EINVAL);
	assert_int_equal(tee_dhcp_release(stack, 7), -TEE_EINVAL);
	memset(&net_info, 0xff, sizeof(net_info));
	tee_net_info(stack, 7, &net_info);
	assert_false(net_info.dhcp_bound);
	assert_int_equal(net_info.dns_count, 0);
	tee_stack_free(stack);
}

/* Both ends on one stack; only tee_advance() is called, as its deadline asks. */
static void loop_through(struct tee_stack *stack, const char *text, uint64_t *now_ns)
{
	struct tee_socket *listener = listen_at(stack, 80), *socket = open_tcp(stack), *accepted;
	struct tee_endpoint to = {.port = 80};
	char buf[16];

	assert_int_equal(tee_ip_parse(text, &to.ip), 0);
	assert_int_equal(tee_connect(socket, &to), -TEE_EINPROGRESS);
	assert_true(tee_deadline(stack) <= *now_ns);
	tee_advance(stack, *now_ns);
	assert_int_equal(tee_accept(listener, &accepted, NULL), 0);
	assert_int_equal(tee_send(socket, "round", 5, 0), 5);
	assert_true(tee_deadline(stack) <= *now_ns);
	tee_advance(stack, *now_ns);
	assert_int_equal(tee_recv(accepted, buf, sizeof(buf), 0), 5);
	tee_close(socket);
	tee_close(accepted);
	tee_close(listener);
	while (tee_deadline(stack) != TEE_NEVER) {
		if (tee_deadline(stack) > *now_ns)
			*now_ns = tee_deadline(stack);
		tee_advance(stack, *now_ns);
		tee_stack_check(stack);
	}
	assert_int_equal(tee_pool_bytes_used(tee_stack_pool(stack)), 0);
}

static void test_loopback(void **state)
{
	static const char *const ips[] = {"127.0.0.1", "127.1.2.3", "::1", "10.0.0.1",
					  "fd00::1",   "0.0.0.0",   "::"};
	struct tee_netif_config config = {.kind = TEE_NETIF_RAW_IP, .name = "x", .mtu = 1500};
	struct tee_stack *stack = new_stack();
	struct tee_ip ip4 = TEE_IP4(10, 0, 0, 1), ip6 = {{0xfd}};
	uint64_t now_ns = 1000;
	int netif;

	(void)state;
	netif = tee_netif_add(stack, &config);
	assert_int_equal(tee_netif_set_up(stack, netif, true), 0);
	ip6.byte[15] = 1;
	assert_int_equal(tee_addr_add(stack, netif, &ip4, 24, true), 0);
	assert_int_equal(tee_addr_add(stack, netif, &ip6, 64, true), 0);
	while (tee_deadline(stack) != TEE_NEVER) { /* what a new address sends by itself */
		struct tee_frame frames[8];
		int n;

		now_ns = tee_deadline(stack) > now_ns ? tee_deadline(stack) : now_ns;
		tee_advance(stack, now_ns);
		while ((n = tee_output(stack, netif, frames, 8, now_ns)) > 0) {
			while (n > 0)
				tee_frame_release(&frames[--n]);
		}
	}
	for (unsigned i = 0; i < sizeof(ips) / sizeof(ips[0]); i++)
		loop_through(stack, ips[i], &now_ns);
	tee_stack_free(stack);
}

/* A flow over the loopback that never ends doesn't hold a door open for ever. */
static void test_loopback_is_bounded(void **state)
{
	struct tee_stack *stack = new_stack();
	struct tee_socket *a = NULL, *b = NULL;
	struct tee_endpoint local = {.port = 7}, to = {.ip = TEE_IP4(127, 0, 0, 1), .port = 7};
	unsigned entries = 0, got = 0;
	char buf[8];

	(void)state;
	assert_int_equal(tee_socket_open(stack, TEE_SOCKET_UDP, TEE_FAMILY_ANY, &a), 0);
	assert_int_equal(tee_socket_open(stack, TEE_SOCKET_UDP, TEE_FAMILY_ANY, &b), 0);
	assert_int_equal(tee_bind(b, &local), 0);
	for (unsigned i = 0; i < 900; i++)
		assert_int_equal(tee_sendto(a, "x", 1, 0, &to), 1);
	while (tee_deadline(stack) <= 5000 && entries < 1000) {
		tee_advance(stack, 5000);
		entries++;
		while (tee_recv(b, buf, sizeof(buf), 0) == 1)
			got++;
	}
	assert_int_equal(got, 900);
	assert_in_range(entries, 1, 900);
	assert_true(tee_deadline(stack) == TEE_NEVER);
	tee_stack_free(stack);
}

static void test_time_never_goes_back(void **state)
{
	struct tee_stack *stack = new_stack();
	struct tee_socket *socket = open_tcp(stack);
	struct tee_endpoint to = {.ip = TEE_IP4(127, 0, 0, 1), .port = 9};

	(void)state;
	tee_advance(stack, 50000);
	tee_advance(stack, 40000); /* taken as the present */
	assert_int_equal(tee_connect(socket, &to), -TEE_EINPROGRESS);
	assert_true(tee_deadline(stack) >= 50000 && tee_deadline(stack) != TEE_NEVER);
	tee_advance(stack, 30000);
	assert_int_equal(tee_take_error(socket), TEE_ECONNREFUSED);
	tee_stack_free(stack);
}

static void test_counters_and_settings(void **state)
{
	struct tee_stack *stack = new_stack();
	const char *name;
	uint64_t value, sum = 0;
	unsigned count = 0;

	(void)state;
	while (tee_counter(stack, count, &name, &value)) {
		assert_non_null(strchr(name, '.'));
		assert_true(tee_counter_by_name(stack, name) == value);
		sum += value;
		count++;
	}
	assert_true(count > 50);
	assert_int_equal(sum, 0);
	assert_int_equal(tee_counter_by_name(stack, "no.such"), 0);
	assert_int_equal(tee_stack_set(stack, "tcp_cc", "newreno"), 0);
	assert_string_equal(tee_get_congestion(open_tcp(stack)), "newreno");
	assert_string_equal(tee_stack_config(stack)->tcp_cc, "newreno");
	assert_int_equal(tee_stack_set(stack, "no_such_field", "1"), -TEE_ENOENT);
	assert_int_equal(tee_stack_set(stack, "tcp_sack", "perhaps"), -TEE_EINVAL);
	tee_stack_free(stack);
}

/* Freed in the midst of everything: nothing is sent, nothing leaks (the sanitizer says so). */
static void test_free_in_the_midst(void **state)
{
	struct tee_stack *stack = new_stack();
	struct tee_socket *listener = listen_at(stack, 80), *socket, *datagram;
	struct tee_endpoint to = {.ip = TEE_IP4(127, 0, 0, 1), .port = 80};

	(void)state;
	for (unsigned i = 0; i < 5; i++) {
		socket = open_tcp(stack);
		assert_int_equal(tee_connect(socket, &to), -TEE_EINPROGRESS);
		if (i != 3) /* the fourth stays half open */
			tee_advance(stack, 2000 + i);
		if (i == 1)
			assert_int_equal(tee_accept(listener, &socket, NULL), 0);
		if (i == 2)
			assert_int_equal(tee_send(socket, "unsent", 6, 0), 6);
	}
	assert_int_equal(tee_socket_open(stack, TEE_SOCKET_UDP, TEE_FAMILY_ANY, &datagram), 0);
	assert_int_equal(tee_sendto(datagram, "x", 1, 0, &to), 1);
	open_tcp(stack);
	tee_stack_check(stack);
	tee_stack_free(stack);
}

/* What a link that steers by port is told; 6, 17 and 1 are IP's numbers. */
static void test_bound_ports(void **state)
{
	struct tee_stack *stack = new_stack();
	struct tee_endpoint local = {.ip = TEE_IP4(127, 0, 0, 1), .port = 65535};
	uint64_t generation = tee_ports_generation(stack);
	struct tee_socket *listener, *udp, *ping;
	uint16_t ports[2] = {0};

	(void)state;
	assert_int_equal(tee_ports_bound(stack, 6, ports, 2), 0);
	listener = listen_at(stack, 80);
	assert_true(tee_ports_generation(stack) > generation);
	generation = tee_ports_generation(stack);
	assert_int_equal(tee_ports_bound(stack, 6, ports, 2), 1);
	assert_int_equal(ports[0], 80);
	assert_int_equal(tee_ports_bound(stack, 17, ports, 2), 0);

	assert_int_equal(tee_socket_open(stack, TEE_SOCKET_UDP, TEE_FAMILY_IPV4, &udp), 0);
	assert_int_equal(tee_ports_generation(stack), generation);
	assert_int_equal(tee_bind(udp, &local), 0);
	assert_true(tee_ports_generation(stack) > generation);
	generation = tee_ports_generation(stack);
	assert_int_equal(tee_ports_bound(stack, 17, ports, 2), 1);
	assert_int_equal(ports[0], 65535);

	local.port = 7;
	assert_int_equal(tee_socket_open(stack, TEE_SOCKET_PING, TEE_FAMILY_IPV4, &ping), 0);
	assert_int_equal(tee_bind(ping, &local), 0);
	assert_true(tee_ports_generation(stack) > generation);
	assert_int_equal(tee_ports_bound(stack, 1, ports, 2), 1);
	assert_int_equal(ports[0], 7);

	/* More than fit are counted and not written; other protocols have none. */
	listen_at(stack, 81);
	listen_at(stack, 82);
	ports[1] = 1;
	assert_int_equal(tee_ports_bound(stack, 6, ports, 1), 3);
	assert_int_equal(ports[1], 1);
	assert_int_equal(tee_ports_bound(stack, 6, NULL, 0), 3);
	assert_int_equal(tee_ports_bound(stack, 132, ports, 2), 0);
	tee_close(listener);
	tee_close(udp);
	assert_int_equal(tee_ports_bound(stack, 6, ports, 0), 2);
	assert_int_equal(tee_ports_bound(stack, 17, ports, 2), 0);
	tee_stack_free(stack);
}

/* Memory for large pieces, counted. */
static void *map_counted(void *arg, size_t bytes)
{
	void *ptr = aligned_alloc(TEE_MEMORY_UNIT, bytes);

	assert_non_null(ptr);
	memset(ptr, 0, bytes);
	*(size_t *)arg += bytes;
	return ptr;
}

static void unmap_counted(void *arg, void *ptr, size_t bytes)
{
	*(size_t *)arg -= bytes;
	free(ptr);
}

enum { RESERVED_CONNS = 40000, OPENED_CONNS = 600 };

/* Connections over the loopback, two ends each. */
static void open_and_close(struct tee_stack *stack, uint64_t *now_ns)
{
	static struct tee_socket *sockets[2 * OPENED_CONNS];
	struct tee_endpoint to = {.ip = TEE_IP4(127, 0, 0, 1), .port = 80};
	struct tee_socket *listener = open_tcp(stack);

	assert_int_equal(tee_bind(listener, &to), 0);
	assert_int_equal(tee_listen(listener, OPENED_CONNS), 0);
	for (unsigned i = 0; i < OPENED_CONNS; i++) {
		sockets[i] = open_tcp(stack);
		assert_int_equal(tee_connect(sockets[i], &to), -TEE_EINPROGRESS);
		tee_advance(stack, *now_ns);
		assert_int_equal(tee_accept(listener, &sockets[OPENED_CONNS + i], NULL), 0);
	}
	tee_stack_check(stack);
	for (unsigned i = 0; i < 2 * OPENED_CONNS; i++)
		tee_close(sockets[i]);
	tee_close(listener);
	while (tee_deadline(stack) != TEE_NEVER) {
		*now_ns = tee_deadline(stack) > *now_ns ? tee_deadline(stack) : *now_ns;
		tee_advance(stack, *now_ns);
	}
	tee_stack_check(stack);
}

static void test_reserve(void **state)
{
	size_t mapped_bytes = 0, reserved_bytes;
	uint64_t now_ns = 1000;
	struct tee_config config;
	struct tee_stack *stack;

	(void)state;
	tee_config_init(&config);
	config.slabs = true;
	config.memory = (struct tee_memory){map_counted, unmap_counted, &mapped_bytes};
	config.conn_reserve = RESERVED_CONNS;
	stack = tee_stack_new(&config, now_ns);
	assert_non_null(stack);
	reserved_bytes = mapped_bytes;
	/* More than 500 and at most 600 bytes each, and 2 MiB. */
	assert_in_range(reserved_bytes, 500 * RESERVED_CONNS, 600 * RESERVED_CONNS + (4 << 20));
	open_and_close(stack, &now_ns);
	assert_int_equal(mapped_bytes, reserved_bytes);
	/* It may be changed; one area stays in any case. */
	assert_int_equal(tee_stack_reserve(stack, 2 * RESERVED_CONNS), 0);
	assert_true(mapped_bytes > 3 * reserved_bytes / 2);
	assert_int_equal(tee_stack_reserve(stack, 0), 0);
	assert_true(mapped_bytes <= 2 * TEE_MEMORY_UNIT);
	open_and_close(stack, &now_ns);
	tee_stack_free(stack);
	assert_int_equal(mapped_bytes, 0);
}

static void test_reserve_limits(void **state)
{
	struct tee_config config;
	struct tee_stack *stack;

	(void)state;
	tee_config_init(&config);
	config.conn_max = 100;
	config.conn_reserve = UINT32_MAX; /* as many as there may be */
	stack = tee_stack_new(&config, 1000);
	assert_non_null(stack);
	assert_int_equal(tee_stack_reserve(stack, 100), 0);
	assert_int_equal(tee_stack_reserve(stack, 101), -TEE_EINVAL);
	tee_stack_free(stack);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_to_do),
		cmocka_unit_test(test_unknown_netif),
		cmocka_unit_test(test_loopback),
		cmocka_unit_test(test_loopback_is_bounded),
		cmocka_unit_test(test_time_never_goes_back),
		cmocka_unit_test(test_counters_and_settings),
		cmocka_unit_test(test_free_in_the_midst),
		cmocka_unit_test(test_bound_ports),
		cmocka_unit_test(test_reserve),
		cmocka_unit_test(test_reserve_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
