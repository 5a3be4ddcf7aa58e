/* SPDX-License-Identifier: MIT */
/*
 * A server on two links, whose only neighbour on each has the same link-local address (RFC 4007) and, by chance, uses
 * the same port: two connections of one 4-tuple, which the interface alone tells apart.
 */
#include "pair.h"

enum { LINKS = 2, SERVER_PORT = 80, CLIENT_PORT = 4000 };

struct links {
	struct tee_stack *server, *clients[LINKS];
	int server_netif[LINKS], client_netif[LINKS];
	uint64_t now_ns;
};

static struct tee_ip link_local(uint8_t last)
{
	return (struct tee_ip){{0xfe, 0x80, [15] = last}};
}

static int add_netif(struct tee_stack *stack, uint8_t address)
{
	const struct tee_netif_config config = {
		.kind = TEE_NETIF_RAW_IP, .name = "link", .mtu = 1500};
	struct tee_ip ip = link_local(address);
	int netif = tee_netif_add(stack, &config);

	assert_true(netif > 0);
	assert_int_equal(tee_netif_set_up(stack, netif, true), 0);
	assert_int_equal(tee_addr_add(stack, netif, &ip, 64, true), 0);
	return netif;
}

static void links_init(struct links *links, uint32_t syn_queue_max)
{
	struct tee_config config;

	tee_config_init(&config);
	config.syn_queue_max = syn_queue_max;
	links->now_ns = TEE_NS_PER_S;
	links->server = tee_stack_new(&config, links->now_ns);
	for (unsigned i = 0; i < LINKS; i++) {
		links->clients[i] = tee_stack_new(NULL, links->now_ns);
		links->server_netif[i] = add_netif(links->server, 2);
		links->client_netif[i] = add_netif(links->clients[i], 1);
	}
}

static void links_fini(struct links *links)
{
	tee_stack_check(links->server);
	for (unsigned i = 0; i < LINKS; i++)
		tee_stack_free(links->clients[i]);
	tee_stack_free(links->server);
}

static bool carry_one(struct links *links, struct tee_stack *from, int out, struct tee_stack *to,
		      int in)
{
	struct tee_frame frame;
	struct tee_pkt *pkt;

	if (tee_output(from, out, &frame, 1, links->now_ns) != 1)
		return false;
	pkt = tee_pkt_new(tee_stack_pool(to), frame.len);
	assert_non_null(pkt);
	pkt->len = (uint32_t)tee_frame_copy(&frame, tee_pkt_bytes(pkt));
	tee_frame_release(&frame);
	tee_input(to, in, pkt, links->now_ns);
	return true;
}

static void carry(struct links *links)
{
	bool any = true;

	while (any) {
		any = false;
		for (unsigned i = 0; i < LINKS; i++) {
			any |= carry_one(links, links->clients[i], links->client_netif[i],
					 links->server, links->server_netif[i]);
			any |= carry_one(links, links->server, links->server_netif[i],
					 links->clients[i], links->client_netif[i]);
		}
	}
}

static struct tee_socket *open_at(struct tee_stack *stack, uint8_t address, uint16_t port,
				  int netif)
{
	const struct tee_endpoint at = {
		.ip = address ? link_local(address) : (struct tee_ip){{0}},
		.port = port,
		.netif = (uint16_t)netif,
	};
	struct tee_socket *socket;

	assert_int_equal(tee_socket_open(stack, TEE_SOCKET_TCP, TEE_FAMILY_IPV6, &socket), 0);
	assert_int_equal(tee_bind(socket, &at), 0);
	return socket;
}

static void talk(struct links *links, struct tee_socket *from, struct tee_socket *to,
		 const char *text)
{
	char got[16] = {0};

	assert_int_equal(tee_send(from, text, strlen(text), 0), strlen(text));
	carry(links);
	assert_int_equal(tee_recv(to, got, sizeof(got), 0), strlen(text));
	assert_string_equal(got, text);
}

static void connect_both(uint32_t syn_queue_max)
{
	struct tee_socket *listener, *clients[LINKS], *servers[LINKS];
	struct tee_endpoint from;
	struct links links;

	links_init(&links, syn_queue_max);
	listener = open_at(links.server, 0, SERVER_PORT, 0);
	assert_int_equal(tee_listen(listener, 8), 0);
	for (unsigned i = 0; i < LINKS; i++) {
		const struct tee_endpoint to = {.ip = link_local(2),
						.port = SERVER_PORT,
						.netif = (uint16_t)links.client_netif[i]};

		clients[i] = open_at(links.clients[i], 1, CLIENT_PORT, links.client_netif[i]);
		assert_int_equal(tee_connect(clients[i], &to), -TEE_EINPROGRESS);
		carry(&links);
		assert_int_equal(tee_accept(listener, &servers[i], &from), 0);
		assert_int_equal(from.port, CLIENT_PORT);
		assert_int_equal(from.netif, links.server_netif[i]);
	}
	for (unsigned round = 0; round < 3; round++) {
		talk(&links, clients[0], servers[0], "one");
		talk(&links, clients[1], servers[1], "the other");
		talk(&links, servers[0], clients[0], "to one");
		talk(&links, servers[1], clients[1], "to the other");
	}
	/* The end of one is not the other's. */
	tee_close(clients[0]);
	carry(&links);
	tee_close(servers[0]);
	carry(&links);
	talk(&links, clients[1], servers[1], "still");
	talk(&links, servers[1], clients[1], "here");
	links_fini(&links);
}

static void test_one_tuple_on_two_links(void **state)
{
	(void)state;
	connect_both(16);
	connect_both(0); /* SYN cookies */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_tuple_on_two_links),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
