/* SPDX-License-Identifier: MIT */
/*
 * IPv4 source routes of TCP (RFC 9293 3.9.2.1), between two stacks with a router's part played here: it
 * takes a packet addressed to it, puts its own address where the next hop stood, and sends it on.
 */
#include "sock/pair.h"

#include "base/byteorder.h"
#include "sock/sock.h"
#include "tcp/conn.h"
#include "wire/checksum.h"

enum { LOOSE = 131, OPTION_AT = 20 };

struct seen {
	uint8_t first_hop; /* last byte of the IP destination of the latest packet by each stack */
	uint8_t option_type;
};

struct lab {
	struct pair pair;
	struct seen seen[2];
	struct tee_socket *listener, *client, *server;
	bool is_cut; /* what the server sends is lost */
};

/* What every router on the way does (RFC 791 section 3.1), at once. */
static void forward(uint8_t *ip)
{
	uint8_t *option = ip + OPTION_AT, next[4];

	while (option[2] <= option[1]) {
		uint8_t *slot = option + option[2] - 1;

		memcpy(next, slot, 4);
		memcpy(slot, ip + 16, 4);
		memcpy(ip + 16, next, 4);
		option[2] = (uint8_t)(option[2] + 4);
	}
	store_be16(ip + 10, 0);
	store_be16(ip + 10, checksum_finish(checksum_add(0, ip, (ip[0] & 15u) * 4u)));
}

static void carry(struct lab *lab)
{
	struct pair *pair = &lab->pair;
	struct tee_frame frame;
	bool any = true;

	while (any) {
		any = false;
		for (unsigned i = 0; i < 2; i++) {
			while (tee_output(pair->stack[i], pair->netif[i], &frame, 1,
					  pair->now_ns) == 1) {
				struct tee_pkt *pkt =
					tee_pkt_new(tee_stack_pool(pair->stack[!i]), frame.len);
				uint8_t *ip;

				assert_non_null(pkt);
				ip = tee_pkt_bytes(pkt);
				pkt->len = (uint32_t)tee_frame_copy(&frame, ip);
				tee_frame_release(&frame);
				any = true;
				if (ip[0] >> 4 == 4) {
					lab->seen[i].first_hop = ip[19];
					lab->seen[i].option_type = ip[0] > 0x45 ? ip[OPTION_AT] : 0;
					if (lab->seen[i].option_type)
						forward(ip);
				}
				if (i == 1 && lab->is_cut)
					tee_pkt_release(pkt);
				else
					tee_input(pair->stack[!i], pair->netif[!i], pkt,
						  pair->now_ns);
			}
		}
	}
}

static struct tee_ip router(uint8_t n)
{
	return TEE_IP4(10, 0, 0, (uint8_t)(100 + n));
}

static void lab_init_with(struct lab *lab, bool believed, uint32_t syn_queue_max)
{
	struct tee_config config;
	struct tee_endpoint at = {.port = 80};

	memset(lab, 0, sizeof(*lab));
	tee_config_init(&config);
	config.ip_source_route = believed;
	config.syn_queue_max = syn_queue_max;
	pair_init(&lab->pair, &config);
	at.ip = lab->pair.ip4[1];
	assert_int_equal(tee_socket_open(lab->pair.stack[1], TEE_SOCKET_TCP, TEE_FAMILY_IPV4,
					 &lab->listener),
			 0);
	assert_int_equal(tee_bind(lab->listener, &at), 0);
	assert_int_equal(
		tee_socket_open(lab->pair.stack[0], TEE_SOCKET_TCP, TEE_FAMILY_IPV4, &lab->client),
		0);
}

static void lab_init(struct lab *lab, bool believed)
{
	lab_init_with(lab, believed, 16);
}

static void lab_connect(struct lab *lab)
{
	struct tee_endpoint to = {.ip = lab->pair.ip4[1], .port = 80}, from;

	assert_int_equal(tee_listen(lab->listener, 5), 0);
	assert_int_equal(tee_connect(lab->client, &to), -TEE_EINPROGRESS);
	carry(lab);
	if (tee_accept(lab->listener, &lab->server, &from) < 0)
		lab->server = NULL;
}

static void lab_fini(struct lab *lab)
{
	pair_fini(&lab->pair);
}

static void talk(struct lab *lab, struct tee_socket *from, struct tee_socket *to, const char *text)
{
	char got[16] = {0};

	assert_int_equal(tee_send(from, text, strlen(text), 0), strlen(text));
	carry(lab);
	assert_int_equal(tee_recv(to, got, sizeof(got), 0), strlen(text));
	assert_string_equal(got, text);
}

/* Proves: MUST-51 MUST-53 */
static void test_route_is_named_and_followed_back(void **state)
{
	struct lab lab;
	struct tee_ip hops[2] = {router(1), router(2)};

	(void)state;
	lab_init(&lab, true);
	assert_int_equal(tee_set_source_route(lab.client, hops, 2, false), 0);
	lab_connect(&lab);
	assert_non_null(lab.server);
	assert_int_equal(lab.seen[0].option_type, LOOSE);
	assert_int_equal(lab.seen[0].first_hop, 101);
	/* Backwards: the router nearest to the server comes first. */
	assert_int_equal(lab.seen[1].option_type, LOOSE);
	assert_int_equal(lab.seen[1].first_hop, 102);
	talk(&lab, lab.client, lab.server, "there");
	talk(&lab, lab.server, lab.client, "and back");
	assert_int_equal(lab.seen[1].first_hop, 102);
	lab_fini(&lab);
}

/* Proves: SHLD-24 */
static void test_later_route_replaces_earlier(void **state)
{
	struct lab lab;
	struct tee_ip first = router(1), second = router(3);

	(void)state;
	lab_init(&lab, true);
	assert_int_equal(tee_set_source_route(lab.client, &first, 1, false), 0);
	lab_connect(&lab);
	assert_non_null(lab.server);
	assert_int_equal(lab.seen[1].first_hop, 101);
	assert_int_equal(tee_set_source_route(lab.client, &second, 1, false), 0);
	talk(&lab, lab.client, lab.server, "another way");
	talk(&lab, lab.server, lab.client, "so do I");
	assert_int_equal(lab.seen[1].first_hop, 103);
	/* None any more: straight on, and the server keeps to the last it heard of. */
	assert_int_equal(tee_set_source_route(lab.client, NULL, 0, false), 0);
	talk(&lab, lab.client, lab.server, "direct");
	assert_int_equal(lab.seen[0].option_type, 0);
	lab_fini(&lab);
}

/* Proves: MUST-52 */
static void test_applications_route_goes_first(void **state)
{
	struct lab lab;
	struct tee_ip theirs = router(1), ours = router(4);

	(void)state;
	lab_init(&lab, true);
	assert_int_equal(tee_set_source_route(lab.client, &theirs, 1, false), 0);
	assert_int_equal(tee_set_source_route(lab.listener, &ours, 1, true), 0);
	lab_connect(&lab);
	assert_non_null(lab.server);
	assert_int_equal(lab.seen[1].first_hop, 104);
	talk(&lab, lab.client, lab.server, "via one");
	talk(&lab, lab.server, lab.client, "via four");
	assert_int_equal(lab.seen[1].first_hop, 104);
	lab_fini(&lab);
}

/* Of a SYN that was answered with a cookie nothing is kept, neither its route. */
static void test_forgotten_with_the_syn(void **state)
{
	struct lab lab;
	struct tee_ip hop = router(1);

	(void)state;
	lab_init_with(&lab, true, 0);
	lab.is_cut = true;
	assert_int_equal(tee_set_source_route(lab.client, &hop, 1, false), 0);
	lab_connect(&lab);
	assert_int_equal(lab.seen[1].first_hop, 101);
	assert_int_equal(tee_set_source_route(lab.client, NULL, 0, false), 0);
	lab.is_cut = false;
	lab.pair.now_ns += 2 * TEE_NS_PER_S;
	tee_advance(lab.pair.stack[0], lab.pair.now_ns);
	carry(&lab);
	assert_int_equal(lab.seen[0].option_type, 0);
	assert_int_equal(lab.seen[1].option_type, 0);
	lab_fini(&lab);
}

/* A copy of the SYN that the client sends now, as it comes to the server. */
static uint32_t take_syn(struct lab *lab, uint8_t *copy)
{
	struct pair *pair = &lab->pair;
	struct tee_endpoint to = {.ip = pair->ip4[1], .port = 80};
	struct tee_frame frame;
	struct tee_pkt *pkt;
	uint32_t len;

	assert_int_equal(tee_connect(lab->client, &to), -TEE_EINPROGRESS);
	assert_int_equal(tee_output(pair->stack[0], pair->netif[0], &frame, 1, pair->now_ns), 1);
	len = (uint32_t)tee_frame_copy(&frame, copy);
	tee_frame_release(&frame);
	forward(copy);
	pkt = tee_pkt_new(tee_stack_pool(pair->stack[1]), len);
	assert_non_null(pkt);
	memcpy(tee_pkt_bytes(pkt), copy, len);
	pkt->len = len;
	tee_input(pair->stack[1], pair->netif[1], pkt, pair->now_ns);
	return len;
}

/* Listens at port 80 of one interface. */
static struct tee_socket *listen_on(struct lab *lab, int netif)
{
	const struct tee_endpoint at = {.ip = lab->pair.ip4[1], .port = 80};
	struct tee_socket *listener = pair_open(&lab->pair, 1, TEE_SOCKET_TCP, TEE_FAMILY_IPV4);

	assert_int_equal(tee_set_option(listener, TEE_OPT_NETIF, (uint64_t)netif), 0);
	assert_int_equal(tee_bind(listener, &at), 0);
	assert_int_equal(tee_listen(listener, 5), 0);
	return listener;
}

/* A SYN of the same addresses and ports comes by another interface: neither stands in the other's way. */
static void meet_on_two_interfaces(uint32_t syn_queue_max)
{
	struct tee_netif_config config = {.kind = TEE_NETIF_RAW_IP, .name = "other", .mtu = 1500};
	struct tee_endpoint from;
	struct tee_ip hop = router(1);
	struct tee_socket *other_listener;
	struct tee_pkt *pkt;
	struct lab lab;
	uint8_t syn[100];
	uint32_t len;
	int other;

	lab_init_with(&lab, true, syn_queue_max);
	other = tee_netif_add(lab.pair.stack[1], &config);
	assert_int_equal(tee_netif_set_up(lab.pair.stack[1], other, true), 0);
	assert_int_equal(tee_addr_add(lab.pair.stack[1], other, &lab.pair.ip4[1], 24, true), 0);
	tee_close(lab.listener);
	lab.listener = listen_on(&lab, lab.pair.netif[1]);
	assert_int_equal(tee_set_source_route(lab.client, &hop, 1, false), 0);
	len = take_syn(&lab, syn);
	carry(&lab);
	assert_int_equal(tee_accept(lab.listener, &lab.server, &from), 0);
	talk(&lab, lab.client, lab.server, "there");

	other_listener = listen_on(&lab, other);
	for (unsigned i = 0; i < 2; i++) {
		pkt = tee_pkt_new(tee_stack_pool(lab.pair.stack[1]), len);
		assert_non_null(pkt);
		memcpy(tee_pkt_bytes(pkt), syn, len);
		pkt->len = len;
		tee_input(lab.pair.stack[1], other, pkt, lab.pair.now_ns);
		assert_int_equal(other_listener->u.listener->request_count, syn_queue_max ? 1 : 0);
		/* The first connection is as it was, and so is its way. */
		talk(&lab, lab.server, lab.client, "and back");
		assert_int_equal(lab.seen[1].first_hop, 101);
		talk(&lab, lab.client, lab.server, "there again");
	}
	tee_stack_check(lab.pair.stack[1]);
	lab_fini(&lab);
}

static void test_same_ports_on_two_interfaces(void **state)
{
	(void)state;
	meet_on_two_interfaces(16);
	meet_on_two_interfaces(0);
}

static void test_refused_unless_configured(void **state)
{
	struct lab lab;
	struct tee_ip hop = router(1);

	(void)state;
	lab_init(&lab, false);
	assert_int_equal(tee_set_source_route(lab.client, &hop, 1, false), 0);
	lab_connect(&lab);
	assert_null(lab.server);
	assert_true(tee_counter_by_name(lab.pair.stack[1], "drop.ip_bad_option") > 0);
	lab_fini(&lab);
}

static void test_bad_arguments(void **state)
{
	struct lab lab;
	struct tee_ip hops[9] = {router(1)}, six = {{0xfd}};
	struct tee_socket *udp;

	(void)state;
	lab_init(&lab, true);
	assert_int_equal(tee_set_source_route(lab.client, hops, 9, false), -TEE_EINVAL);
	assert_int_equal(tee_set_source_route(lab.client, &six, 1, false), -TEE_EAFNOSUPPORT);
	assert_int_equal(tee_socket_open(lab.pair.stack[0], TEE_SOCKET_UDP, TEE_FAMILY_IPV4, &udp),
			 0);
	assert_int_equal(tee_set_source_route(udp, hops, 1, false), -TEE_EOPNOTSUPP);
	lab_fini(&lab);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_route_is_named_and_followed_back),
		cmocka_unit_test(test_later_route_replaces_earlier),
		cmocka_unit_test(test_applications_route_goes_first),
		cmocka_unit_test(test_forgotten_with_the_syn),
		cmocka_unit_test(test_same_ports_on_two_interfaces),
		cmocka_unit_test(test_refused_unless_configured),
		cmocka_unit_test(test_bad_arguments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
