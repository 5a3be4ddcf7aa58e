/* SPDX-License-Identifier: MIT */
/*
 * Super-frames of more bytes than an IP header can tell: two stacks, each the machine at the other side of the other's
 * link, and a few megabytes from one to the other. Where do such frames go, and where must they not?
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <teeceepee/socket.h>
#include <teeceepee/stack.h>

#include "base/byteorder.h"
#include "pkt/frame.h"

enum { BIG = 200000, USUAL = 65535, BYTES = 4 << 20, PORT = 80, BATCH = 16, STEP_NS = 50000 };
enum { ETHERNET = 14, IP4_TOTAL_LEN = 2 };

static const struct tee_mac macs[2] = {{{2, 0, 0, 0, 0, 1}}, {{2, 0, 0, 0, 0, 2}}};

struct big_case {
	const char *name;
	const char *to;       /* an address of the receiver's */
	bool is_other_far;    /* the link's other side is a machine that isn't the receiver */
	unsigned lose_one_in; /* of the sender's frames; 0: none */
	uint32_t longest_min, longest_max;
};

struct pair {
	struct tee_stack *stacks[2];
	int netifs[2];
	uint64_t now_ns;
	uint32_t longest; /* IP packet of the sender's */
	unsigned frame_count;
	const struct big_case *test;
};

static void add_address(struct pair *pair, unsigned i, const char *text, unsigned prefix_bits)
{
	struct tee_ip ip;

	assert_int_equal(tee_ip_parse(text, &ip), 0);
	assert_int_equal(tee_addr_add(pair->stacks[i], pair->netifs[i], &ip, prefix_bits, true), 0);
}

static void pair_open(struct pair *pair, const struct big_case *test)
{
	const struct tee_ip gateway = TEE_IP4(10, 0, 0, 2), routed = TEE_IP4(192, 0, 2, 0);

	memset(pair, 0, sizeof(*pair));
	pair->now_ns = 1000;
	pair->test = test;
	for (unsigned i = 0; i < 2; i++) {
		struct tee_netif_config netif = {
			.kind = TEE_NETIF_ETHERNET,
			.name = "big",
			.mac = macs[i],
			.mtu = 1500,
			.offloads = TEE_OFFLOAD_TX_CHECKSUM | TEE_OFFLOAD_TSO4 | TEE_OFFLOAD_TSO6,
			.far_gso_bytes_max = BIG,
			.far_mac = macs[test->is_other_far ? i : 1 - i],
		};
		struct tee_config config;

		tee_config_init(&config);
		config.seed = i + 1;
		config.ipv6_slaac = false;
		pair->stacks[i] = tee_stack_new(&config, pair->now_ns);
		assert_non_null(pair->stacks[i]);
		pair->netifs[i] = tee_netif_add(pair->stacks[i], &netif);
		assert_int_equal(tee_netif_set_up(pair->stacks[i], pair->netifs[i], true), 0);
		add_address(pair, i, i ? "10.0.0.2" : "10.0.0.1", 24);
		add_address(pair, i, i ? "fd00::2" : "fd00::1", 64);
	}
	add_address(pair, 1, "192.0.2.9", 32);
	assert_int_equal(tee_route_add(pair->stacks[0], pair->netifs[0], &routed, 24, &gateway, 0),
			 0);
}

/* The wire: what the sender lets go is looked at, and now and then lost. */
static bool is_passed(struct pair *pair, unsigned from, const struct tee_frame *frame,
		      const uint8_t *bytes)
{
	uint32_t len = frame->len - ETHERNET;

	if (from == 1 || frame->gso_type == TEE_GSO_NONE)
		return true;
	assert_true(frame->gso_size > 0);
	if (frame->gso_type == TEE_GSO_TCP4)
		assert_int_equal(load_be16(bytes + ETHERNET + IP4_TOTAL_LEN),
				 len > USUAL ? 0 : len);
	if (len > pair->longest)
		pair->longest = len;
	pair->frame_count++;
	return !pair->test->lose_one_in || pair->frame_count % pair->test->lose_one_in != 0;
}

static void carry(struct pair *pair, unsigned from)
{
	struct tee_frame frames[BATCH];
	int count;

	while ((count = tee_output(pair->stacks[from], pair->netifs[from], frames, BATCH,
				   pair->now_ns)) > 0) {
		for (int i = 0; i < count; i++) {
			struct tee_pkt *pkt =
				frame_to_pkt(&frames[i], tee_stack_pool(pair->stacks[1 - from]));
			bool passes = is_passed(pair, from, &frames[i], tee_pkt_bytes(pkt));

			tee_frame_release(&frames[i]);
			if (passes)
				tee_input(pair->stacks[1 - from], pair->netifs[1 - from], pkt,
					  pair->now_ns);
			else
				tee_pkt_release(pkt);
		}
	}
}

static void step(struct pair *pair)
{
	for (unsigned i = 0; i < 2; i++)
		carry(pair, i);
	pair->now_ns += STEP_NS;
	for (unsigned i = 0; i < 2; i++) {
		tee_advance(pair->stacks[i], pair->now_ns);
		tee_stack_check(pair->stacks[i]);
	}
}

static struct tee_socket *open_tcp(struct tee_stack *stack)
{
	struct tee_socket *socket;

	assert_int_equal(tee_socket_open(stack, TEE_SOCKET_TCP, TEE_FAMILY_ANY, &socket), 0);
	return socket;
}

static uint8_t byte_at(size_t at)
{
	return (uint8_t)(at * 2654435761u >> 13);
}

static size_t send_some(struct tee_socket *sender, size_t at)
{
	static uint8_t buf[256 << 10];
	size_t len = BYTES - at < sizeof(buf) ? BYTES - at : sizeof(buf);
	ssize_t taken;

	for (size_t i = 0; i < len; i++)
		buf[i] = byte_at(at + i);
	taken = tee_send(sender, buf, len, 0);
	return taken > 0 ? (size_t)taken : 0;
}

/* All of it comes, each byte in its place. */
static void transfer(struct pair *pair)
{
	static uint8_t buf[300000];
	struct tee_socket *listener = open_tcp(pair->stacks[1]), *accepted = NULL;
	struct tee_socket *sender = open_tcp(pair->stacks[0]);
	struct tee_endpoint at = {.port = PORT}, to = {.port = PORT};
	size_t sent = 0, got = 0;

	assert_int_equal(tee_bind(listener, &at), 0);
	assert_int_equal(tee_listen(listener, 1), 0);
	assert_int_equal(tee_ip_parse(pair->test->to, &to.ip), 0);
	assert_int_equal(tee_connect(sender, &to), -TEE_EINPROGRESS);
	for (unsigned round = 0; got < BYTES; round++) {
		ssize_t len;

		assert_true(round < 400000);
		step(pair);
		if (!accepted && tee_accept(listener, &accepted, NULL) < 0)
			continue;
		if (tee_readiness(sender) & TEE_EV_WRITABLE)
			sent += send_some(sender, sent);
		while ((len = tee_recv(accepted, buf, sizeof(buf), 0)) > 0) {
			for (ssize_t i = 0; i < len; i++)
				if (buf[i] != byte_at(got + (size_t)i))
					fail_msg("byte %zu differs", got + (size_t)i);
			got += (size_t)len;
		}
	}
	tee_abort(sender);
	tee_abort(accepted);
	tee_close(listener);
	step(pair);
}

static void test_who_gets_them(void **state)
{
	static const struct big_case tests[] = {
		{.name = "to the other side",
		 .to = "10.0.0.2",
		 .longest_min = BIG - 2000,
		 .longest_max = BIG},
		{.name = "lossy",
		 .to = "10.0.0.2",
		 .lose_one_in = 7,
		 .longest_min = 1500,
		 .longest_max = BIG},
		{.name = "IPv6", .to = "fd00::2", .longest_min = BIG - 2000, .longest_max = BIG},
		{.name = "IPv6, lossy",
		 .to = "fd00::2",
		 .lose_one_in = 5,
		 .longest_min = 1500,
		 .longest_max = BIG},
		{.name = "routed on",
		 .to = "192.0.2.9",
		 .longest_min = USUAL - 2000,
		 .longest_max = USUAL},
		{.name = "through the other side",
		 .to = "10.0.0.2",
		 .is_other_far = true,
		 .longest_min = USUAL - 2000,
		 .longest_max = USUAL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
		struct pair pair;

		pair_open(&pair, &tests[i]);
		transfer(&pair);
		if (pair.longest < tests[i].longest_min || pair.longest > tests[i].longest_max)
			fail_msg("%s: the longest packet had %u bytes", tests[i].name,
				 pair.longest);
		tee_stack_free(pair.stacks[0]);
		tee_stack_free(pair.stacks[1]);
	}
}

/* One that no link could take. */
static void test_bound(void **state)
{
	struct tee_netif_config netif = {.kind = TEE_NETIF_ETHERNET,
					 .mac = macs[0],
					 .mtu = 1500,
					 .far_gso_bytes_max = TEE_GSO_BYTES_MAX + 1};
	struct tee_stack *stack = tee_stack_new(NULL, 1000);

	(void)state;
	assert_int_equal(tee_netif_add(stack, &netif), -TEE_EINVAL);
	netif.far_gso_bytes_max--;
	assert_true(tee_netif_add(stack, &netif) > 0);
	tee_stack_free(stack);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_who_gets_them),
					   cmocka_unit_test(test_bound)};

	return cmocka_run_group_tests_name("super-frames beyond 65,535 bytes", tests, NULL, NULL);
}
