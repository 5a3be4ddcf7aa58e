/* SPDX-License-Identifier: MIT */
/* IP_RECVERR and MSG_ERRQUEUE with Linux' numbers and layouts, over the loopback, where nobody listens. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "posix/posix.h"

enum { PORT = 9, NAME4 = 16, NAME6 = 28 };

struct kit {
	struct tee_stack *stack;
	struct posix_world *world;
	uint64_t now_ns;
	int fd;
};

static const uint8_t name4[NAME4] = {LINUX_AF_INET, 0, 0, PORT, 127, 0, 0, 1};
static const uint8_t name6[NAME6] = {LINUX_AF_INET6, 0, 0, PORT, [23] = 1};

static void kit_open(struct kit *kit, int domain)
{
	*kit = (struct kit){.now_ns = TEE_NS_PER_S};
	kit->stack = tee_stack_new(NULL, kit->now_ns);
	assert_non_null(kit->stack);
	kit->world = posix_new(kit->stack, 3);
	assert_non_null(kit->world);
	posix_set_now(kit->world, kit->now_ns);
	kit->fd = posix_socket(kit->world, domain, LINUX_SOCK_DGRAM, 0);
	assert_int_equal(kit->fd, 3);
}

static void kit_close(struct kit *kit)
{
	posix_free(kit->world);
	tee_stack_check(kit->stack);
	tee_stack_free(kit->stack);
}

static void kit_run(struct kit *kit)
{
	struct tee_frame frame;

	tee_output(kit->stack, 1, &frame, 0, kit->now_ns);
	tee_advance(kit->stack, kit->now_ns);
	posix_pump(kit->world);
}

static int set(struct kit *kit, int level, int name, int value)
{
	return posix_setsockopt(kit->world, kit->fd, level, name, &value, sizeof(value));
}

static int get(struct kit *kit, int level, int name)
{
	int value = -1;
	uint32_t len = sizeof(value);

	assert_int_equal(posix_getsockopt(kit->world, kit->fd, level, name, &value, &len), 0);
	return value;
}

static int64_t send_to(struct kit *kit, const void *name, uint32_t name_len, const char *text)
{
	struct posix_iov iov = {(void *)(uintptr_t)text, strlen(text)};
	struct posix_msg msg = {
		.name = (void *)(uintptr_t)name, .name_len = name_len, .iov = &iov, .iov_count = 1};

	return posix_sendmsg(kit->world, kit->fd, &msg, 0, NULL);
}

static uint32_t poll_bits(struct kit *kit)
{
	struct posix_pollfd poll = {.fd = kit->fd, .events = LINUX_POLLIN | LINUX_POLLOUT};

	posix_poll(kit->world, &poll, 1, 0, NULL);
	return (uint16_t)poll.revents;
}

static void an_error_has_linux_layout(void **state)
{
	static const struct {
		int domain, level, option;
		const uint8_t *name;
		uint32_t name_len, cmsg_len;
		uint8_t origin, type, code;
	} cases[] = {
		{LINUX_AF_INET, LINUX_SOL_IP, LINUX_IP_RECVERR, name4, NAME4,
		 POSIX_EXTENDED_ERROR_SIZE, LINUX_ORIGIN_ICMP, 3, 3},
		{LINUX_AF_INET6, LINUX_SOL_IPV6, LINUX_IPV6_RECVERR, name6, NAME6,
		 POSIX_EXTENDED_ERROR6_SIZE, LINUX_ORIGIN_ICMP6, 1, 4},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct kit kit;
		uint8_t name[NAME6], head[3], tail[20], port0[NAME6];
		struct posix_iov iov[2] = {{head, sizeof(head)}, {tail, sizeof(tail)}};
		struct posix_msg msg = {
			.name = name, .name_len = sizeof(name), .iov = iov, .iov_count = 2};
		struct posix_extended_error error;

		kit_open(&kit, cases[i].domain);
		assert_int_equal(set(&kit, cases[i].level, cases[i].option, 5), 0);
		assert_int_equal(get(&kit, cases[i].level, cases[i].option), 1);
		assert_int_equal(send_to(&kit, cases[i].name, cases[i].name_len, "question"), 8);
		kit_run(&kit);
		assert_true(poll_bits(&kit) & LINUX_POLLERR);
		assert_int_equal(get(&kit, LINUX_SOL_SOCKET, LINUX_SO_ERROR), LINUX_ECONNREFUSED);
		assert_int_equal(poll_bits(&kit), LINUX_POLLOUT | LINUX_POLLERR);
		assert_int_equal(posix_recvmsg(kit.world, kit.fd, &msg, LINUX_MSG_ERRQUEUE, NULL),
				 8);
		assert_memory_equal(head, "que", 3);
		assert_memory_equal(tail, "stion", 5);
		assert_int_equal(msg.flags, LINUX_MSG_ERRQUEUE);
		assert_int_equal(msg.name_len, cases[i].name_len);
		assert_memory_equal(name, cases[i].name, cases[i].name_len);
		assert_int_equal(msg.cmsg_count, 1);
		assert_int_equal(msg.cmsg[0].level, cases[i].level);
		assert_int_equal(msg.cmsg[0].type, cases[i].option);
		assert_int_equal(msg.cmsg[0].len, cases[i].cmsg_len);
		memcpy(&error, msg.cmsg[0].data, sizeof(error));
		assert_int_equal(error.error, LINUX_ECONNREFUSED);
		assert_int_equal(error.origin, cases[i].origin);
		assert_int_equal(error.type, cases[i].type);
		assert_int_equal(error.code, cases[i].code);
		/* Behind it who said so: here the same host, without a port. */
		memcpy(port0, cases[i].name, cases[i].name_len);
		port0[3] = 0;
		assert_memory_equal(msg.cmsg[0].data + sizeof(error), port0, cases[i].name_len);
		assert_int_equal(posix_recvmsg(kit.world, kit.fd, &msg, LINUX_MSG_ERRQUEUE, NULL),
				 -LINUX_EAGAIN);
		assert_int_equal(poll_bits(&kit), LINUX_POLLOUT);
		kit_close(&kit);
	}
}

static void of_what_is_too_long_no_offender_is_told(void **state)
{
	static uint8_t text[65515];
	struct posix_iov iov = {text, sizeof(text)};
	uint8_t name[NAME4];
	struct posix_msg msg = {
		.name = (void *)(uintptr_t)name4, .name_len = NAME4, .iov = &iov, .iov_count = 1};
	static const uint8_t nobody[NAME4];
	struct posix_extended_error error;
	struct kit kit;

	(void)state;
	kit_open(&kit, LINUX_AF_INET);
	assert_int_equal(set(&kit, LINUX_SOL_IP, LINUX_IP_RECVERR, 1), 0);
	assert_int_equal(posix_sendmsg(kit.world, kit.fd, &msg, 0, NULL), -LINUX_EMSGSIZE);
	assert_int_equal(get(&kit, LINUX_SOL_SOCKET, LINUX_SO_ERROR), 0);
	assert_int_equal(poll_bits(&kit), LINUX_POLLOUT | LINUX_POLLERR);
	msg = (struct posix_msg){.name = name, .name_len = sizeof(name)};
	assert_int_equal(posix_recvmsg(kit.world, kit.fd, &msg, LINUX_MSG_ERRQUEUE, NULL), 0);
	memcpy(&error, msg.cmsg[0].data, sizeof(error));
	assert_int_equal(error.origin, LINUX_ORIGIN_LOCAL);
	assert_int_equal(error.error, LINUX_EMSGSIZE);
	assert_int_not_equal(error.info, 0);
	assert_memory_equal(msg.cmsg[0].data + sizeof(error), nobody, NAME4);
	/* Not connected, the socket has no port of a peer's to tell. */
	assert_int_equal(name[3], 0);
	assert_memory_equal(name + 4, name4 + 4, 4);
	kit_close(&kit);
}

enum {
	TX_ALL = LINUX_STAMP_TX_SCHED | LINUX_STAMP_TX_SOFTWARE,
	STAMPS = LINUX_STAMP_SOFTWARE | LINUX_STAMP_OPT_ID | LINUX_STAMP_OPT_TSONLY,
};

/* The next stamp: its kind, its id, and its time. */
static void check_stamp(struct kit *kit, uint32_t info, uint32_t id, uint64_t at_ns)
{
	struct posix_msg msg = {.name_len = 0};
	struct posix_extended_error error;
	int64_t parts[2];

	assert_int_equal(posix_recvmsg(kit->world, kit->fd, &msg, LINUX_MSG_ERRQUEUE, NULL), 0);
	assert_int_equal(msg.flags, LINUX_MSG_ERRQUEUE);
	assert_int_equal(msg.cmsg_count, 2);
	assert_int_equal(msg.cmsg[0].type, LINUX_SO_TIMESTAMPING);
	memcpy(parts, msg.cmsg[0].data, sizeof(parts));
	assert_int_equal((uint64_t)parts[0] * TEE_NS_PER_S + (uint64_t)parts[1], at_ns);
	memcpy(&error, msg.cmsg[1].data, sizeof(error));
	assert_int_equal(error.error, LINUX_ENOMSG);
	assert_int_equal(error.origin, LINUX_ORIGIN_TIMESTAMPING);
	assert_int_equal(error.info, info);
	assert_int_equal(error.data, id);
}

static int64_t send_stamped(struct kit *kit, int stamps)
{
	struct posix_iov iov = {(void *)(uintptr_t) "x", 1};
	struct posix_msg msg = {
		.name = (void *)(uintptr_t)name4,
		.name_len = NAME4,
		.iov = &iov,
		.iov_count = 1,
		.cmsg_count = 1,
		.cmsg = {{LINUX_SOL_SOCKET, LINUX_SO_TIMESTAMPING, stamps, 0, {0}}},
	};

	return posix_sendmsg(kit->world, kit->fd, &msg, 0, NULL);
}

static void datagrams_are_stamped(void **state)
{
	struct kit kit;
	struct posix_msg msg = {.name_len = 0};

	(void)state;
	kit_open(&kit, LINUX_AF_INET);
	assert_int_equal(set(&kit, LINUX_SOL_SOCKET, LINUX_SO_TIMESTAMPING, TX_ALL | STAMPS), 0);
	assert_int_equal(send_to(&kit, name4, NAME4, "one"), 3);
	posix_set_now(kit.world, kit.now_ns + 7);
	assert_int_equal(send_to(&kit, name4, NAME4, "two"), 3);
	assert_true(poll_bits(&kit) & LINUX_POLLERR);
	check_stamp(&kit, LINUX_TSTAMP_SCHED, 0, kit.now_ns);
	check_stamp(&kit, LINUX_TSTAMP_SND, 0, kit.now_ns);
	check_stamp(&kit, LINUX_TSTAMP_SCHED, 1, kit.now_ns + 7);
	check_stamp(&kit, LINUX_TSTAMP_SND, 1, kit.now_ns + 7);
	assert_int_equal(get(&kit, LINUX_SOL_SOCKET, LINUX_SO_ERROR), 0);
	assert_int_equal(poll_bits(&kit), LINUX_POLLOUT);
	/* One message has wishes of its own; what is not stamped has no number. */
	assert_int_equal(set(&kit, LINUX_SOL_SOCKET, LINUX_SO_TIMESTAMPING, STAMPS), 0);
	assert_int_equal(send_to(&kit, name4, NAME4, "three"), 5);
	assert_int_equal(send_stamped(&kit, LINUX_STAMP_TX_SOFTWARE), 1);
	assert_int_equal(send_stamped(&kit, LINUX_STAMP_SOFTWARE), -LINUX_EINVAL);
	check_stamp(&kit, LINUX_TSTAMP_SND, 2, kit.now_ns + 7);
	assert_int_equal(posix_recvmsg(kit.world, kit.fd, &msg, LINUX_MSG_ERRQUEUE, NULL),
			 -LINUX_EAGAIN);
	kit_close(&kit);
}

static void stamps_that_nobody_reads_find_a_limit(void **state)
{
	struct posix_msg msg = {.name_len = 0};
	struct kit kit;
	unsigned count = 0;

	(void)state;
	kit_open(&kit, LINUX_AF_INET);
	assert_int_equal(set(&kit, LINUX_SOL_SOCKET, LINUX_SO_TIMESTAMPING, TX_ALL | STAMPS), 0);
	for (unsigned i = 0; i < 4000; i++) {
		assert_int_equal(send_to(&kit, name4, NAME4, "x"), 1);
		kit_run(&kit);
	}
	while (posix_recvmsg(kit.world, kit.fd, &msg, LINUX_MSG_ERRQUEUE, NULL) == 0)
		count++;
	assert_in_range(count, 500, 2000);
	assert_int_equal(send_to(&kit, name4, NAME4, "x"), 1);
	check_stamp(&kit, LINUX_TSTAMP_SCHED, 4000, kit.now_ns);
	kit_close(&kit);
}

static void what_comes_is_stamped(void **state)
{
	enum { RX = LINUX_STAMP_RX_SOFTWARE | LINUX_STAMP_SOFTWARE };
	static const int flags[] = {RX, LINUX_STAMP_RX_SOFTWARE, 0};

	(void)state;
	for (unsigned i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		char text[8];
		struct posix_iov iov = {text, sizeof(text)};
		struct posix_msg msg = {.iov = &iov, .iov_count = 1};
		int64_t parts[2];
		struct kit kit;

		kit_open(&kit, LINUX_AF_INET);
		assert_int_equal(posix_bind(kit.world, kit.fd, name4, NAME4), 0);
		assert_int_equal(set(&kit, LINUX_SOL_SOCKET, LINUX_SO_TIMESTAMPING, flags[i]), 0);
		assert_int_equal(send_to(&kit, name4, NAME4, "self"), 4);
		kit_run(&kit);
		assert_int_equal(posix_recvmsg(kit.world, kit.fd, &msg, 0, NULL), 4);
		assert_int_equal(msg.cmsg_count, flags[i] == RX);
		if (msg.cmsg_count) {
			memcpy(parts, msg.cmsg[0].data, sizeof(parts));
			assert_int_equal((uint64_t)parts[0] * TEE_NS_PER_S, kit.now_ns);
		}
		kit_close(&kit);
	}
}

static void an_edge_is_one_for_epoll(void **state)
{
	struct posix_epoll_event event = {.events = LINUX_POLLIN | LINUX_EPOLLET, .data = 7};
	struct kit kit;
	int epoll;

	(void)state;
	kit_open(&kit, LINUX_AF_INET);
	assert_int_equal(set(&kit, LINUX_SOL_IP, LINUX_IP_RECVERR, 1), 0);
	epoll = posix_epoll_create(kit.world);
	assert_int_equal(posix_epoll_ctl(kit.world, epoll, LINUX_EPOLL_CTL_ADD, kit.fd, &event), 0);
	assert_int_equal(send_to(&kit, name4, NAME4, "x"), 1);
	kit_run(&kit);
	assert_int_equal(posix_epoll_wait(kit.world, epoll, &event, 1, 0, NULL), 1);
	assert_true(event.events & LINUX_POLLERR);
	assert_int_equal(posix_epoll_wait(kit.world, epoll, &event, 1, 0, NULL), 0);
	kit_close(&kit);
}

static void the_option_knows_its_family(void **state)
{
	struct kit kit;
	int value = 1;

	(void)state;
	kit_open(&kit, LINUX_AF_INET);
	assert_int_equal(set(&kit, LINUX_SOL_IPV6, LINUX_IPV6_RECVERR, 1), -LINUX_ENOPROTOOPT);
	kit_close(&kit);
	kit_open(&kit, LINUX_AF_INET6);
	assert_int_equal(set(&kit, LINUX_SOL_IP, LINUX_IP_RECVERR, 1), 0);
	assert_int_equal(get(&kit, LINUX_SOL_IPV6, LINUX_IPV6_RECVERR), 0);
	assert_int_equal(set(&kit, LINUX_SOL_IPV6, LINUX_IPV6_RECVERR, 1), 0);
	assert_int_equal(set(&kit, LINUX_SOL_IP, LINUX_IP_RECVERR, 0), 0);
	assert_int_equal(get(&kit, LINUX_SOL_IPV6, LINUX_IPV6_RECVERR), 1);
	assert_int_equal(
		posix_setsockopt(kit.world, kit.fd, LINUX_SOL_IPV6, LINUX_IPV6_RECVERR, &value, 1),
		-LINUX_EINVAL);
	kit_close(&kit);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_error_has_linux_layout),
		cmocka_unit_test(of_what_is_too_long_no_offender_is_told),
		cmocka_unit_test(datagrams_are_stamped),
		cmocka_unit_test(stamps_that_nobody_reads_find_a_limit),
		cmocka_unit_test(what_comes_is_stamped),
		cmocka_unit_test(an_edge_is_one_for_epoll),
		cmocka_unit_test(the_option_knows_its_family),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
