// SPDX-License-Identifier: MIT
/* How the supervisor finds sockets again: by cookie, by name, by weak reference; and who sent what. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "run/private.h"

static int set_up(void **state)
{
	struct run *run = calloc(1, sizeof(*run));

	list_init(&run->socks);
	list_init(&run->dead);
	list_init(&run->held);
	hash_init(&run->by_cookie);
	hash_init(&run->by_serial);
	for (unsigned i = 0; i < RUN_WEAK_COUNT; i++) {
		list_init(&run->weak[i]);
		run->weak_fds[i] = epoll_create1(EPOLL_CLOEXEC);
	}
	run->weak_timer = 1; /* no loop here: the test looks by itself */
	*state = run;
	return 0;
}

static int tear_down(void **state)
{
	struct run *run = *state;

	while (!list_is_empty(&run->socks))
		run_sock_free(CONTAINER_OF(run->socks.next, struct run_sock, node));
	hash_fini(&run->by_cookie);
	hash_fini(&run->by_serial);
	for (unsigned i = 0; i < RUN_WEAK_COUNT; i++)
		close(run->weak_fds[i]);
	free(run);
	return 0;
}

/* A call of this very process. */
static struct run_call call_of(struct run *run, struct seccomp_notif *request)
{
	*request = (struct seccomp_notif){.pid = (uint32_t)getpid()};
	return (struct run_call){.run = run, .request = request};
}

static void test_far_end(void **state)
{
	struct run *run = *state;
	int fd = socket(AF_UNIX, SOCK_STREAM, 0), other = socket(AF_UNIX, SOCK_STREAM, 0), dup;
	struct run_sock *sock = run_sock_new(run, fd);

	assert_int_equal(run_dup_far_end(sock), -1); /* never seen */
	sock->seen_pid = getpid();
	sock->seen_fd = fd;
	dup = run_dup_far_end(sock);
	assert_true(dup >= 0);
	close(dup);
	/* The number means another socket now. */
	sock->seen_fd = other;
	assert_int_equal(run_dup_far_end(sock), -1);
	close(fd);
	close(other);
}

static void test_accepted(void **state)
{
	struct run *run = *state;
	struct sockaddr_un name = {.sun_family = AF_UNIX}, at = {.sun_family = AF_UNIX};
	socklen_t at_len = sizeof(at);
	int listener = socket(AF_UNIX, SOCK_STREAM, 0), ours = socket(AF_UNIX, SOCK_STREAM, 0);
	struct run_sock *sock = run_sock_new(run, -1);
	int len, theirs;

	assert_int_equal(bind(listener, (struct sockaddr *)&name, sizeof(sa_family_t)), 0);
	assert_int_equal(listen(listener, 4), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&at, &at_len), 0);
	len = snprintf(name.sun_path + 1, sizeof(name.sun_path) - 1, "teeceepee/%d/%llu",
		       (int)getpid(), (unsigned long long)sock->serial);
	assert_int_equal(
		bind(ours, (struct sockaddr *)&name,
		     (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)len)),
		0);
	assert_int_equal(connect(ours, (struct sockaddr *)&at, at_len), 0);
	theirs = accept(listener, NULL, NULL);
	assert_ptr_equal(run_find_accepted(run, theirs), sock);
	assert_int_not_equal(sock->cookie, 0);
	/* A name leads to a socket once; from then on its cookie does. */
	assert_null(run_find_accepted(run, theirs));
	/* A stranger's socket has no such name. */
	assert_null(run_find_accepted(run, ours));
	close(theirs);
	close(ours);
	close(listener);
}

static void test_weak_references(void **state)
{
	struct run *run = *state;
	int fd = socket(AF_UNIX, SOCK_STREAM, 0), dup_fd;
	struct run_sock *sock = run_sock_new(run, fd);

	sock->state = RUN_LISTENING;
	run_weak_add(sock, fd);
	assert_true(list_is_linked(&sock->role_node));
	dup_fd = dup(fd);
	close(fd);
	/* A duplicate holds it. */
	run_weak_collect(run, RUN_WEAK_LISTENERS);
	assert_true(sock->is_alive);
	assert_false(list_is_empty(&run->weak[RUN_WEAK_LISTENERS]));
	assert_true(list_is_empty(&run->weak[RUN_WEAK_DRAFTS]));
	run_weak_remove(sock);
	close(dup_fd);
	run_weak_collect(run, RUN_WEAK_LISTENERS);
	assert_true(list_is_empty(&run->weak[RUN_WEAK_LISTENERS]));
}

static void test_dead_are_few(void **state)
{
	struct run *run = *state;
	uint64_t first = 0;
	unsigned count = 0;

	for (unsigned i = 0; i < RUN_DEAD_MAX + 10; i++) {
		struct run_sock *sock = run_sock_new(run, -1);

		if (i == 0)
			first = sock->serial;
		run_sock_bury(sock, RUN_ENDED);
	}
	assert_int_equal(run->dead_count, RUN_DEAD_MAX);
	LIST_FOR_EACH(node, &run->socks)
	count++;
	assert_int_equal(count, RUN_DEAD_MAX);
	/* The oldest went. */
	assert_int_equal(CONTAINER_OF(run->dead.next, struct run_sock, role_node)->serial,
			 first + 10);
}

static void test_hold(void **state)
{
	struct run *run = *state;
	struct seccomp_notif request;
	struct run_call call = call_of(run, &request);
	struct run_sock *sock = run_sock_new(run, -1);

	assert_true(run_hold(&call, sock, 0, -EAGAIN) == RUN_HOLD);
	assert_true(call.deadline_ns == TEE_NEVER);
	assert_ptr_equal(call.sock, sock);
	/* Trying again keeps the first deadline. */
	assert_true(run_hold(&call, sock, 5, -EAGAIN) == RUN_HOLD);
	assert_true(call.deadline_ns == TEE_NEVER);
	call.is_expired = true;
	assert_int_equal(run_hold(&call, sock, 0, -EAGAIN), -EAGAIN);
}

static struct run_sock *with_sources(struct run *run, unsigned count)
{
	struct run_sock *sock = run_sock_new(run, -1);

	sock->shown.port = 999;
	for (unsigned i = 0; i < count; i++) {
		struct tee_endpoint from = {.port = (uint16_t)(i + 1)};
		uint32_t data = i;

		run_datagram_note(sock, &(struct tee_dgram_info){.remote = from}, &data,
				  sizeof(data));
	}
	return sock;
}

static uint16_t source_of(struct run_sock *sock, uint32_t data, bool peeks)
{
	return run_datagram_source(sock, &data, sizeof(data), peeks).from.port;
}

static void test_sources(void **state)
{
	struct run_sock *sock = with_sources(*state, 10);

	assert_int_equal(source_of(sock, 0, true), 1);
	assert_int_equal(source_of(sock, 0, false), 1);
	/* 1, 2 and 3 were read behind our back. */
	assert_int_equal(source_of(sock, 4, false), 5);
	assert_int_equal(sock->source_count, 5);
	/* What was never seen comes from the connected peer. */
	assert_int_equal(source_of(sock, 1, false), 999);
	assert_int_equal(sock->source_count, 5);
	assert_int_equal(source_of(sock, 9, false), 10);
	assert_int_equal(sock->source_count, 0);
}

static void test_sources_overflow(void **state)
{
	struct run_sock *sock = with_sources(*state, RUN_SOURCES_MAX + 20);

	assert_int_equal(sock->source_count, RUN_SOURCES_MAX);
	assert_int_equal(source_of(sock, 5, false), 999); /* forgotten */
	assert_int_equal(source_of(sock, 20, false), 21);
	assert_int_equal(source_of(sock, RUN_SOURCES_MAX + 19, false), RUN_SOURCES_MAX + 20);
	assert_int_equal(sock->source_count, 0);
}

static void test_redirected_source(void **state)
{
	struct run_sock *sock = with_sources(*state, 1);

	sock->is_redirected = true;
	sock->real = (struct tee_endpoint){.port = 1};
	sock->shown = (struct tee_endpoint){.ip = TEE_IP4(127, 0, 0, 53), .port = 53};
	/* The answer of the server that was asked in place of another comes under the other's name. */
	assert_int_equal(source_of(sock, 0, false), 53);
}

static void test_only_dns_is_redirected(void **state)
{
	struct run *run = *state;
	struct tee_endpoint web = {.ip = TEE_IP4(127, 0, 0, 53), .port = 80};
	struct tee_endpoint other = {.ip = TEE_IP4(9, 9, 9, 9), .port = 53};

	run->name_servers[0] = web.ip;
	run->name_server_count = 1;
	assert_false(run_resolv_redirect(run, &web));
	assert_int_equal(web.port, 80);
	assert_false(run_resolv_redirect(run, &other));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_far_end),
		CASE(test_accepted),
		CASE(test_weak_references),
		CASE(test_dead_are_few),
		CASE(test_hold),
		CASE(test_sources),
		CASE(test_sources_overflow),
		CASE(test_redirected_source),
		CASE(test_only_dns_is_redirected),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
