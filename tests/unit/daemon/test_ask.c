// SPDX-License-Identifier: MIT
/* Messages with descriptors, and what a client makes of the answers that it may get. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/ask.h"

struct pair {
	int here, there;
};

static struct pair make_pair(void)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
	return (struct pair){fds[0], fds[1]};
}

static void close_pair(struct pair pair)
{
	close(pair.here);
	close(pair.there);
}

static unsigned count_open(void)
{
	unsigned count = 0;

	for (int fd = 0; fd < 1024; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

static void test_message(void **state)
{
	struct pair pair = make_pair();
	char bytes[8];
	int came;

	(void)state;
	assert_int_equal(daemon_send(pair.here, "words", 5, -1), 0);
	assert_int_equal(daemon_receive(pair.there, bytes, sizeof(bytes), 0, &came), 5);
	assert_memory_equal(bytes, "words", 5);
	assert_int_equal(came, -1);
	/* One that is too long is no shorter one. */
	assert_int_equal(daemon_send(pair.here, "more words", 10, -1), 0);
	assert_int_equal(daemon_receive(pair.there, bytes, sizeof(bytes), 0, &came),
			 sizeof(bytes) + 1);
	assert_int_equal(daemon_receive(pair.there, bytes, sizeof(bytes), MSG_DONTWAIT, &came),
			 -EAGAIN);
	close(pair.here);
	assert_int_equal(daemon_receive(pair.there, bytes, sizeof(bytes), 0, &came), 0);
	assert_int_equal(daemon_send(pair.there, "x", 1, -1), -EPIPE);
	close(pair.there);
}

static void test_descriptor(void **state)
{
	struct pair pair = make_pair(), passed = make_pair();
	char bytes[8];
	int came;

	(void)state;
	assert_int_equal(daemon_send(pair.here, "fd", 2, passed.here), 0);
	assert_int_equal(daemon_receive(pair.there, bytes, sizeof(bytes), 0, &came), 2);
	assert_true(came >= 0 && came != passed.here);
	assert_true(fcntl(came, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(write(came, "y", 1), 1);
	assert_int_equal(read(passed.there, bytes, sizeof(bytes)), 1);
	close(came);
	close_pair(passed);
	close_pair(pair);
}

/* Who sends more than one gets no more than one in; the others are closed, not leaked. */
static void test_many_descriptors(void **state)
{
	enum { COUNT = 10 };
	struct pair pair = make_pair();
	char control[CMSG_SPACE(COUNT * sizeof(int))] __attribute__((aligned(8))) = {0};
	struct iovec piece = {(char[]){"x"}, 1};
	struct msghdr header = {.msg_iov = &piece,
				.msg_iovlen = 1,
				.msg_control = control,
				.msg_controllen = sizeof(control)};
	struct cmsghdr *rights = CMSG_FIRSTHDR(&header);
	unsigned before = count_open();
	char bytes[8];
	int came;

	(void)state;
	*rights = (struct cmsghdr){.cmsg_level = SOL_SOCKET,
				   .cmsg_type = SCM_RIGHTS,
				   .cmsg_len = CMSG_LEN(COUNT * sizeof(int))};
	for (int i = 0; i < COUNT; i++)
		memcpy(CMSG_DATA(rights) + (size_t)i * sizeof(int), &pair.here, sizeof(int));
	assert_int_equal(sendmsg(pair.here, &header, 0), 1);
	assert_int_equal(daemon_receive(pair.there, bytes, sizeof(bytes), 0, &came), 1);
	assert_true(came >= 0);
	assert_int_equal(count_open(), before + 1);
	close(came);
	close_pair(pair);
}

/* Asks somebody who has answered already, and hung up. */
static int ask(const void *answer, size_t size, char *ret_error)
{
	struct pair pair = make_pair();
	struct daemon_request request;
	struct daemon_reply reply;
	int result;

	daemon_request_init(&request, DAEMON_SOCKETS);
	if (size > 0)
		assert_int_equal(daemon_send(pair.there, answer, size, -1), 0);
	close(pair.there);
	result = daemon_ask(pair.here, &request, -1, &reply, NULL, ret_error);
	if (result == 0) {
		assert_true(reply.address_count <= DAEMON_ADDRESSES_MAX);
		assert_true(memchr(reply.text, '\0', sizeof(reply.text)) != NULL);
		assert_true(memchr(reply.link, '\0', sizeof(reply.link)) != NULL);
	}
	close(pair.here);
	return result;
}

static void test_answers(void **state)
{
	char error[TEE_HOST_ERROR_SIZE];
	struct daemon_reply reply = {.code = EPERM, .text = "not you"};

	(void)state;
	assert_int_equal(ask(&reply, sizeof(reply), error), -EPERM);
	assert_string_equal(error, "not you");
	reply.code = 0;
	assert_int_equal(ask(&reply, sizeof(reply), error), 0);
	assert_true(ask(&reply, sizeof(reply) - 1, error) < 0);
	assert_non_null(strstr(error, "another version"));
	assert_true(ask(&reply, 0, error) < 0);
	assert_non_null(strstr(error, "ended before it answered"));
	/* Whatever stands in it, strings end and counts fit. */
	memset(&reply, 0xff, sizeof(reply));
	reply.code = 0;
	assert_int_equal(ask(&reply, sizeof(reply), error), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_message),
		cmocka_unit_test(test_descriptor),
		cmocka_unit_test(test_many_descriptors),
		cmocka_unit_test(test_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
