/* SPDX-License-Identifier: MIT */
/*
 * Descriptors over the stack: numbers, errors, blocking calls and their deadlines, poll and epoll, options.
 * Two connected sockets over the loopback, so no packet has to be made; time moves only when told.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "posix/posix.h"

#define SECOND TEE_NS_PER_S

enum { FIRST_FD = 3, PORT = 8080 };

struct kit {
	struct tee_stack *stack;
	struct posix_world *world;
	uint64_t now_ns;
	int listener, client, server;
};

struct sockaddr4 {
	uint16_t family;
	uint8_t port[2], ip[4], zero[8];
};

static struct sockaddr4 loopback(uint16_t port)
{
	return (struct sockaddr4){.family = LINUX_AF_INET,
				  .port = {(uint8_t)(port >> 8), (uint8_t)port},
				  .ip = {127, 0, 0, 1}};
}

static void kit_open(struct kit *kit)
{
	*kit = (struct kit){.now_ns = 1000 * SECOND};
	kit->stack = tee_stack_new(NULL, kit->now_ns);
	assert_non_null(kit->stack);
	kit->world = posix_new(kit->stack, FIRST_FD);
	assert_non_null(kit->world);
	posix_set_now(kit->world, kit->now_ns);
}

static void kit_close(struct kit *kit)
{
	posix_free(kit->world);
	tee_stack_check(kit->stack);
	tee_stack_free(kit->stack);
}

/* Lets the loopback carry what waits, and `ns` pass, timer by timer. */
static void kit_run(struct kit *kit, uint64_t ns)
{
	uint64_t until = kit->now_ns + ns;

	for (;;) {
		struct tee_frame frame;
		uint64_t next;

		tee_output(kit->stack, 1, &frame, 0, kit->now_ns);
		tee_advance(kit->stack, kit->now_ns);
		posix_pump(kit->world);
		next = tee_deadline(kit->stack);
		if (next > until)
			break;
		if (next > kit->now_ns)
			kit->now_ns = next;
		posix_set_now(kit->world, kit->now_ns);
	}
	kit->now_ns = until;
	posix_set_now(kit->world, until);
}

static int tcp_socket(struct kit *kit, int flags)
{
	int fd = posix_socket(kit->world, LINUX_AF_INET, LINUX_SOCK_STREAM | flags, 0);

	assert_true(fd >= FIRST_FD);
	return fd;
}

static void kit_connect(struct kit *kit)
{
	struct sockaddr4 addr = loopback(PORT);

	kit->listener = tcp_socket(kit, 0);
	assert_int_equal(posix_bind(kit->world, kit->listener, &addr, sizeof(addr)), 0);
	assert_int_equal(posix_listen(kit->world, kit->listener, 8), 0);
	kit->client = tcp_socket(kit, LINUX_SOCK_NONBLOCK);
	assert_int_equal(posix_connect(kit->world, kit->client, &addr, sizeof(addr), NULL),
			 -LINUX_EINPROGRESS);
	kit_run(kit, TEE_NS_PER_MS);
	kit->server = (int)posix_accept(kit->world, kit->listener, NULL, NULL, 0, NULL);
	assert_true(kit->server >= FIRST_FD);
}

static int option(struct kit *kit, int fd, int level, int name)
{
	int value = -1;
	uint32_t len = sizeof(value);

	assert_int_equal(posix_getsockopt(kit->world, fd, level, name, &value, &len), 0);
	assert_int_equal(len, sizeof(value));
	return value;
}

/* ---- descriptors ---- */

static void the_lowest_free_descriptor_is_given(void **state)
{
	struct kit kit;

	kit_open(&kit);
	for (int i = 0; i < 5; i++)
		assert_int_equal(tcp_socket(&kit, 0), FIRST_FD + i);
	assert_int_equal(posix_close(kit.world, FIRST_FD + 1, NULL), 0);
	assert_int_equal(posix_close(kit.world, FIRST_FD + 3, NULL), 0);
	assert_int_equal(tcp_socket(&kit, 0), FIRST_FD + 1);
	assert_int_equal(posix_epoll_create(kit.world), FIRST_FD + 3);
	kit_close(&kit);
}

static void errors_have_their_numbers(void **state)
{
	struct sockaddr4 addr = loopback(PORT);
	struct kit kit;
	char byte = 0;
	int fd, epfd;

	kit_open(&kit);
	assert_int_equal(posix_close(kit.world, 99, NULL), -LINUX_EBADF);
	assert_int_equal(posix_recv(kit.world, -1, &byte, 1, 0, NULL), -LINUX_EBADF);
	assert_int_equal(posix_socket(kit.world, 1, LINUX_SOCK_STREAM, 0), -LINUX_EAFNOSUPPORT);
	assert_true(posix_socket(kit.world, LINUX_AF_INET, LINUX_SOCK_STREAM, LINUX_IPPROTO_UDP) <
		    0);
	epfd = posix_epoll_create(kit.world);
	assert_int_equal(posix_listen(kit.world, epfd, 1), -LINUX_ENOTSOCK);
	fd = tcp_socket(&kit, 0);
	assert_int_equal(posix_bind(kit.world, fd, &addr, 4), -LINUX_EINVAL);
	assert_int_equal(posix_send(kit.world, fd, &byte, 1, 0, NULL), -LINUX_EPIPE);
	assert_int_equal(posix_recv(kit.world, fd, &byte, 1, 0, NULL), -LINUX_ENOTCONN);
	assert_int_equal(posix_accept(kit.world, fd, NULL, NULL, 0, NULL), -LINUX_EINVAL);
	assert_int_equal(posix_shutdown(kit.world, fd, LINUX_SHUT_WR), -LINUX_ENOTCONN);
	/* Nobody listens there. */
	assert_int_equal(posix_fcntl(kit.world, fd, LINUX_F_SETFL, LINUX_O_NONBLOCK), 0);
	assert_int_equal(posix_connect(kit.world, fd, &addr, sizeof(addr), NULL),
			 -LINUX_EINPROGRESS);
	kit_run(&kit, TEE_NS_PER_MS);
	assert_int_equal(option(&kit, fd, LINUX_SOL_SOCKET, LINUX_SO_ERROR), LINUX_ECONNREFUSED);
	assert_int_equal(option(&kit, fd, LINUX_SOL_SOCKET, LINUX_SO_ERROR), 0);
	kit_close(&kit);
}

static void names_come_back(void **state)
{
	uint8_t addr[POSIX_SOCKADDR_SIZE] = {0};
	struct sockaddr4 want = loopback(PORT);
	uint32_t len = sizeof(addr);
	struct kit kit;

	kit_open(&kit);
	kit_connect(&kit);
	assert_int_equal(posix_getpeername(kit.world, kit.client, addr, &len), 0);
	assert_int_equal(len, sizeof(want));
	assert_memory_equal(addr, &want, sizeof(want));
	/* Less room: cut, and the full length told. */
	memset(addr, 0xee, sizeof(addr));
	len = 4;
	assert_int_equal(posix_getsockname(kit.world, kit.server, addr, &len), 0);
	assert_int_equal(len, sizeof(want));
	assert_memory_equal(addr, &want, 4);
	assert_int_equal(addr[4], 0xee);
	kit_close(&kit);
}

/* ---- data ---- */

static void data_goes_both_ways(void **state)
{
	struct posix_iov in[2];
	struct posix_msg msg = {.iov = in, .iov_count = 2};
	char a[4], b[20];
	struct kit kit;

	kit_open(&kit);
	kit_connect(&kit);
	assert_int_equal(posix_send(kit.world, kit.client, "hello world", 11, 0, NULL), 11);
	kit_run(&kit, TEE_NS_PER_MS);
	assert_int_equal(posix_recv(kit.world, kit.server, b, 5, LINUX_MSG_PEEK, NULL), 5);
	assert_memory_equal(b, "hello", 5);
	in[0] = (struct posix_iov){a, sizeof(a)};
	in[1] = (struct posix_iov){b, sizeof(b)};
	assert_int_equal(posix_recvmsg(kit.world, kit.server, &msg, 0, NULL), 11);
	assert_memory_equal(a, "hell", 4);
	assert_memory_equal(b, "o world", 7);
	assert_int_equal(posix_send(kit.world, kit.server, "back", 4, 0, NULL), 4);
	assert_int_equal(posix_shutdown(kit.world, kit.server, LINUX_SHUT_WR), 0);
	assert_int_equal(posix_send(kit.world, kit.server, "x", 1, 0, NULL), -LINUX_EPIPE);
	kit_run(&kit, TEE_NS_PER_MS);
	assert_int_equal(posix_recv(kit.world, kit.client, b, sizeof(b), 0, NULL), 4);
	assert_int_equal(posix_recv(kit.world, kit.client, b, sizeof(b), 0, NULL), 0);
	kit_close(&kit);
}

/* ---- waiting ---- */

static void a_call_that_must_wait_says_so_and_goes_on(void **state)
{
	struct posix_wait wait = {0};
	struct kit kit;
	char buf[8];

	kit_open(&kit);
	kit_connect(&kit);
	/* Non-blocking in three ways. */
	assert_int_equal(posix_recv(kit.world, kit.server, buf, 8, 0, NULL), -LINUX_EAGAIN);
	assert_int_equal(posix_recv(kit.world, kit.server, buf, 8, LINUX_MSG_DONTWAIT, &wait),
			 -LINUX_EAGAIN);
	assert_int_equal(posix_recv(kit.world, kit.client, buf, 8, 0, &wait), -LINUX_EAGAIN);
	wait = (struct posix_wait){0};
	assert_int_equal(posix_recv(kit.world, kit.server, buf, 8, 0, &wait), POSIX_BLOCKED);
	assert_int_equal(wait.deadline_ns, TEE_NEVER);
	assert_int_equal(posix_send(kit.world, kit.client, "abc", 3, 0, NULL), 3);
	kit_run(&kit, TEE_NS_PER_MS);
	assert_int_equal(posix_recv(kit.world, kit.server, buf, 8, 0, &wait), 3);
	kit_close(&kit);
}

static void waitall_gathers(void **state)
{
	struct posix_wait wait = {0};
	struct kit kit;
	char buf[6];

	kit_open(&kit);
	kit_connect(&kit);
	assert_int_equal(posix_send(kit.world, kit.client, "abc", 3, 0, NULL), 3);
	kit_run(&kit, TEE_NS_PER_MS);
	assert_int_equal(posix_recv(kit.world, kit.server, buf, 6, LINUX_MSG_WAITALL, &wait),
			 POSIX_BLOCKED);
	assert_int_equal(posix_send(kit.world, kit.client, "def", 3, 0, NULL), 3);
	kit_run(&kit, TEE_NS_PER_MS);
	assert_int_equal(posix_recv(kit.world, kit.server, buf, 6, LINUX_MSG_WAITALL, &wait), 6);
	assert_memory_equal(buf, "abcdef", 6);
	kit_close(&kit);
}

static void a_receive_timeout_ends_the_wait(void **state)
{
	int64_t timeout[2] = {2, 500000}; /* struct timeval */
	struct posix_wait wait = {0};
	struct kit kit;
	uint64_t began;
	char buf[8];

	kit_open(&kit);
	kit_connect(&kit);
	began = kit.now_ns;
	assert_int_equal(posix_setsockopt(kit.world, kit.server, LINUX_SOL_SOCKET,
					  LINUX_SO_RCVTIMEO, timeout, sizeof(timeout)),
			 0);
	assert_int_equal(posix_recv(kit.world, kit.server, buf, 8, 0, &wait), POSIX_BLOCKED);
	assert_int_equal(wait.deadline_ns, began + 2500 * TEE_NS_PER_MS);
	kit_run(&kit, 2499 * TEE_NS_PER_MS);
	assert_int_equal(posix_recv(kit.world, kit.server, buf, 8, 0, &wait), POSIX_BLOCKED);
	kit_run(&kit, TEE_NS_PER_MS);
	assert_int_equal(posix_recv(kit.world, kit.server, buf, 8, 0, &wait), -LINUX_EAGAIN);
	kit_close(&kit);
}

/* A full pipe: the call waits until all is taken, and tells the sum. */
static void a_blocking_send_goes_on_as_room_comes(void **state)
{
	static char data[1 << 20], got[1 << 20];
	struct posix_wait wait = {0};
	int64_t sent = POSIX_BLOCKED;
	size_t received = 0;
	struct kit kit;

	kit_open(&kit);
	kit_connect(&kit);
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (char)(i * 7 + i / 251);
	assert_int_equal(posix_fcntl(kit.world, kit.client, LINUX_F_SETFL, 0), 0);
	for (unsigned round = 0; round < 10000 && received < sizeof(data); round++) {
		int64_t n;

		if (sent == POSIX_BLOCKED)
			sent = posix_send(kit.world, kit.client, data, sizeof(data), 0, &wait);
		if (round == 0)
			assert_true(sent == POSIX_BLOCKED);
		kit_run(&kit, TEE_NS_PER_MS);
		n = posix_recv(kit.world, kit.server, got + received, sizeof(got) - received, 0,
			       NULL);
		if (n > 0)
			received += (size_t)n;
	}
	assert_int_equal(sent, sizeof(data));
	assert_int_equal(received, sizeof(data));
	assert_memory_equal(got, data, sizeof(data));
	kit_close(&kit);
}

static void a_lingering_close_waits_no_longer_than_told(void **state)
{
	int linger[2] = {1, 3};
	static char data[1 << 20];
	struct posix_wait wait = {0};
	struct kit kit;

	kit_open(&kit);
	kit_connect(&kit);
	assert_int_equal(posix_setsockopt(kit.world, kit.client, LINUX_SOL_SOCKET, LINUX_SO_LINGER,
					  linger, sizeof(linger)),
			 0);
	/* More than the server's window takes; nobody reads. */
	assert_true(posix_send(kit.world, kit.client, data, sizeof(data), 0, NULL) > 0);
	assert_int_equal(posix_fcntl(kit.world, kit.client, LINUX_F_SETFL, 0), 0);
	kit_run(&kit, SECOND);
	while (posix_send(kit.world, kit.client, data, sizeof(data), LINUX_MSG_DONTWAIT, NULL) > 0)
		kit_run(&kit, SECOND);
	assert_int_equal(posix_close(kit.world, kit.client, &wait), POSIX_BLOCKED);
	assert_int_equal(wait.deadline_ns, kit.now_ns + 3 * SECOND);
	kit_run(&kit, 3 * SECOND);
	assert_int_equal(posix_close(kit.world, kit.client, &wait), 0);
	kit_close(&kit);
}

/* ---- poll and epoll ---- */

static void poll_tells_what_is_ready(void **state)
{
	struct posix_pollfd fds[3];
	struct posix_wait wait = {0};
	struct kit kit;

	kit_open(&kit);
	kit_connect(&kit);
	fds[0] = (struct posix_pollfd){kit.server, LINUX_POLLIN | LINUX_POLLOUT, -1};
	fds[1] = (struct posix_pollfd){-1, LINUX_POLLIN, -1};
	fds[2] = (struct posix_pollfd){99, LINUX_POLLIN, -1};
	assert_int_equal(posix_poll(kit.world, fds, 3, 0, NULL), 2);
	assert_int_equal(fds[0].revents, LINUX_POLLOUT);
	assert_int_equal(fds[1].revents, 0);
	assert_int_equal(fds[2].revents, LINUX_POLLNVAL);
	fds[0].events = LINUX_POLLIN;
	assert_int_equal(posix_poll(kit.world, fds, 1, 250, &wait), POSIX_BLOCKED);
	assert_int_equal(wait.deadline_ns, kit.now_ns + 250 * TEE_NS_PER_MS);
	kit_run(&kit, 250 * TEE_NS_PER_MS);
	assert_int_equal(posix_poll(kit.world, fds, 1, 250, &wait), 0);
	wait = (struct posix_wait){0};
	assert_int_equal(posix_poll(kit.world, fds, 1, -1, &wait), POSIX_BLOCKED);
	assert_int_equal(posix_send(kit.world, kit.client, "x", 1, 0, NULL), 1);
	kit_run(&kit, TEE_NS_PER_MS);
	assert_int_equal(posix_poll(kit.world, fds, 1, -1, &wait), 1);
	assert_int_equal(fds[0].revents, LINUX_POLLIN);
	/* The end of the stream, then of both directions. */
	assert_int_equal(posix_close(kit.world, kit.client, NULL), 0);
	kit_run(&kit, TEE_NS_PER_MS);
	fds[0].events = LINUX_POLLIN | LINUX_POLLRDHUP;
	assert_int_equal(posix_poll(kit.world, fds, 1, 0, NULL), 1);
	assert_int_equal(fds[0].revents, LINUX_POLLIN | LINUX_POLLRDHUP);
	assert_int_equal(posix_shutdown(kit.world, kit.server, LINUX_SHUT_WR), 0);
	kit_run(&kit, TEE_NS_PER_MS);
	assert_int_equal(posix_poll(kit.world, fds, 1, 0, NULL), 1);
	assert_true(fds[0].revents & LINUX_POLLHUP);
	kit_close(&kit);
}

static void epoll_by_level_edge_and_once(void **state)
{
	static const struct {
		const char *what;
		uint32_t flags;
		int first, again, more; /* events: with 1 byte, the same again, one byte more */
	} rows[] = {
		{"level", 0, 1, 1, 1},
		{"edge", LINUX_EPOLLET, 1, 0, 1},
		{"once", LINUX_EPOLLONESHOT, 1, 0, 0},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct posix_epoll_event event = {LINUX_POLLIN | rows[i].flags, 0x1234567890}, got;
		struct kit kit;
		int epfd;

		kit_open(&kit);
		kit_connect(&kit);
		epfd = posix_epoll_create(kit.world);
		assert_int_equal(
			posix_epoll_ctl(kit.world, epfd, LINUX_EPOLL_CTL_ADD, kit.server, &event),
			0);
		assert_int_equal(
			posix_epoll_ctl(kit.world, epfd, LINUX_EPOLL_CTL_ADD, kit.server, &event),
			-LINUX_EEXIST);
		assert_int_equal(posix_epoll_wait(kit.world, epfd, &got, 1, 0, NULL), 0);
		posix_send(kit.world, kit.client, "x", 1, 0, NULL);
		kit_run(&kit, TEE_NS_PER_MS);
		if (posix_epoll_wait(kit.world, epfd, &got, 1, 0, NULL) != rows[i].first)
			fail_msg("%s: first", rows[i].what);
		assert_int_equal(got.events, LINUX_POLLIN);
		assert_int_equal(got.data, 0x1234567890);
		if (posix_epoll_wait(kit.world, epfd, &got, 1, 0, NULL) != rows[i].again)
			fail_msg("%s: again", rows[i].what);
		/* Nagle holds it back until the first byte's delayed ACK has come. */
		posix_send(kit.world, kit.client, "y", 1, 0, NULL);
		kit_run(&kit, SECOND);
		if (posix_epoll_wait(kit.world, epfd, &got, 1, 0, NULL) != rows[i].more)
			fail_msg("%s: more", rows[i].what);
		/* A closed descriptor leaves the set. */
		assert_int_equal(posix_close(kit.world, kit.server, NULL), 0);
		assert_int_equal(posix_epoll_wait(kit.world, epfd, &got, 1, 0, NULL), 0);
		assert_int_equal(
			posix_epoll_ctl(kit.world, epfd, LINUX_EPOLL_CTL_DEL, kit.server, NULL),
			-LINUX_EBADF);
		kit_close(&kit);
	}
}

/* ---- options ---- */

static void options_are_kept(void **state)
{
	static const struct {
		int level, name, set, get;
	} rows[] = {
		{LINUX_SOL_TCP, LINUX_TCP_NODELAY, 1, 1},
		{LINUX_SOL_TCP, LINUX_TCP_KEEPIDLE, 33, 33},
		{LINUX_SOL_TCP, LINUX_TCP_KEEPINTVL, 44, 44},
		{LINUX_SOL_TCP, LINUX_TCP_KEEPCNT, 5, 5},
		{LINUX_SOL_SOCKET, LINUX_SO_KEEPALIVE, 1, 1},
		{LINUX_SOL_SOCKET, LINUX_SO_REUSEADDR, 1, 1},
		/* Linux doubles what it is given. */
		{LINUX_SOL_SOCKET, LINUX_SO_RCVBUF, 50000, 100000},
		{LINUX_SOL_SOCKET, LINUX_SO_SNDBUF, 50000, 100000},
	};
	struct kit kit;
	char text[16] = "newreno";
	int value = 1;
	uint32_t len = sizeof(text);

	kit_open(&kit);
	kit_connect(&kit);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(posix_setsockopt(kit.world, kit.server, rows[i].level,
						  rows[i].name, &rows[i].set, sizeof(int)),
				 0);
		assert_int_equal(option(&kit, kit.server, rows[i].level, rows[i].name),
				 rows[i].get);
	}
	assert_int_equal(posix_setsockopt(kit.world, kit.server, LINUX_SOL_TCP,
					  LINUX_TCP_CONGESTION, text, 7),
			 0);
	memset(text, 0, sizeof(text));
	assert_int_equal(posix_getsockopt(kit.world, kit.server, LINUX_SOL_TCP,
					  LINUX_TCP_CONGESTION, text, &len),
			 0);
	assert_string_equal(text, "newreno");
	/* Too short, out of range, unknown. */
	assert_int_equal(posix_setsockopt(kit.world, kit.server, LINUX_SOL_TCP, LINUX_TCP_NODELAY,
					  &value, 1),
			 -LINUX_EINVAL);
	value = -1;
	assert_int_equal(posix_setsockopt(kit.world, kit.server, LINUX_SOL_TCP, LINUX_TCP_KEEPIDLE,
					  &value, sizeof(value)),
			 -LINUX_EINVAL);
	assert_int_equal(
		posix_setsockopt(kit.world, kit.server, LINUX_SOL_TCP, 9999, &value, sizeof(value)),
		-LINUX_ENOPROTOOPT);
	kit_close(&kit);
}

static void queues_can_be_measured(void **state)
{
	struct kit kit;
	char buf[40];
	int value = -1;

	kit_open(&kit);
	kit_connect(&kit);
	assert_int_equal(posix_send(kit.world, kit.client, buf, sizeof(buf), 0, NULL), sizeof(buf));
	assert_int_equal(posix_ioctl(kit.world, kit.client, LINUX_SIOCOUTQ, &value), 0);
	assert_int_equal(value, sizeof(buf));
	kit_run(&kit, SECOND);
	assert_int_equal(posix_ioctl(kit.world, kit.client, LINUX_SIOCOUTQ, &value), 0);
	assert_int_equal(value, 0);
	assert_int_equal(posix_ioctl(kit.world, kit.server, LINUX_FIONREAD, &value), 0);
	assert_int_equal(value, sizeof(buf));
	assert_int_equal(posix_ioctl(kit.world, kit.server, 0x1234, &value), -LINUX_ENOTTY);
	kit_close(&kit);
}

static void sockaddrs_are_read_with_care(void **state)
{
	uint8_t exact[POSIX_SOCKADDR_SIZE] = {LINUX_AF_INET6, 0, 0x1f, 0x90};
	struct sockaddr4 four = loopback(80);
	struct tee_endpoint endpoint;

	assert_int_equal(posix_read_sockaddr(exact, sizeof(exact), &endpoint), 0);
	assert_int_equal(endpoint.port, 8080);
	assert_int_equal(posix_read_sockaddr(exact, 23, &endpoint), -LINUX_EINVAL);
	assert_int_equal(posix_read_sockaddr(exact, 1, &endpoint), -LINUX_EINVAL);
	assert_int_equal(posix_read_sockaddr(&four, sizeof(four), &endpoint), 0);
	assert_true(tee_ip_is4(&endpoint.ip));
	assert_int_equal(endpoint.port, 80);
	assert_int_equal(posix_read_sockaddr(&four, 7, &endpoint), -LINUX_EINVAL);
	four.family = 77;
	assert_int_equal(posix_read_sockaddr(&four, sizeof(four), &endpoint), -LINUX_EAFNOSUPPORT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_lowest_free_descriptor_is_given),
		cmocka_unit_test(errors_have_their_numbers),
		cmocka_unit_test(names_come_back),
		cmocka_unit_test(data_goes_both_ways),
		cmocka_unit_test(a_call_that_must_wait_says_so_and_goes_on),
		cmocka_unit_test(waitall_gathers),
		cmocka_unit_test(a_receive_timeout_ends_the_wait),
		cmocka_unit_test(a_blocking_send_goes_on_as_room_comes),
		cmocka_unit_test(a_lingering_close_waits_no_longer_than_told),
		cmocka_unit_test(poll_tells_what_is_ready),
		cmocka_unit_test(epoll_by_level_edge_and_once),
		cmocka_unit_test(options_are_kept),
		cmocka_unit_test(queues_can_be_measured),
		cmocka_unit_test(sockaddrs_are_read_with_care),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
