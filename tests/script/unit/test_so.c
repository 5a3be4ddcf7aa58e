/* SPDX-License-Identifier: MIT */
/*
 * libteeceepee-packetdrill.so, loaded as packetdrill loads it: every pointer filled in, a handshake and
 * data both ways, and calls that block on a second thread while this one plays the network.
 *
 *	test_so LIBRARY
 */
#include <dlfcn.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "so/packetdrill_so.h"
#include "wire.h"

static const char *library_path;

typedef void init_fn(const char *flags, struct packetdrill_interface *interface);

struct kit {
	void *library;
	struct packetdrill_interface so;
	struct wire_packet peer; /* what the other end sends next: addresses, ports, numbers */
};

static void kit_open(struct kit *kit, const char *flags)
{
	init_fn *init;

	memset(kit, 0, sizeof(*kit));
	kit->library = dlopen(library_path, RTLD_NOW | RTLD_LOCAL);
	if (!kit->library)
		fail_msg("%s", dlerror());
	*(void **)&init = dlsym(kit->library, "packetdrill_interface_init");
	assert_non_null(init);
	init(flags, &kit->so);
	kit->peer = (struct wire_packet){.src = TEE_IP4(192, 0, 2, 1),
					 .dst = TEE_IP4(192, 168, 0, 1),
					 .ttl = 64,
					 .protocol = WIRE_TCP,
					 .src_port = 40000,
					 .dst_port = 8080,
					 .seq = 0xfffffffe,
					 .window = 65535};
}

static void kit_close(struct kit *kit)
{
	kit->so.free(kit->so.userdata);
	assert_int_equal(dlclose(kit->library), 0);
}

static void give(struct kit *kit, unsigned flags, uint32_t payload_len)
{
	uint8_t bytes[2048];
	size_t len;

	kit->peer.flags = flags;
	kit->peer.payload_len = payload_len;
	len = wire_build(&kit->peer, bytes);
	assert_int_equal(kit->so.netdev_send(kit->so.userdata, bytes, len), 0);
	kit->peer.seq += payload_len + !!(flags & SEG_SYN) + !!(flags & SEG_FIN);
}

/* The next packet; its checksums are verified. false: none comes. */
static bool take(struct kit *kit, struct wire_packet *packet, long long *time_us)
{
	static uint8_t bytes[65536];
	char error[WIRE_ERROR_SIZE] = "";
	size_t len = sizeof(bytes);

	assert_int_equal(kit->so.netdev_receive(kit->so.userdata, bytes, &len, time_us), 0);
	if (!len)
		return false;
	if (!wire_parse(bytes, len, false, packet, error))
		fail_msg("%s", error);
	kit->peer.ack = packet->seq + packet->payload_len + !!(packet->flags & SEG_SYN) +
			!!(packet->flags & SEG_FIN);
	return true;
}

static int listener_of(struct kit *kit)
{
	struct sockaddr_in local = {.sin_family = AF_INET, .sin_port = htons(8080)};
	int fd = kit->so.socket(kit->so.userdata, AF_INET, SOCK_STREAM, 0);

	assert_true(fd >= 0);
	assert_int_equal(
		kit->so.bind(kit->so.userdata, fd, (struct sockaddr *)&local, sizeof(local)), 0);
	assert_int_equal(kit->so.listen(kit->so.userdata, fd, 1), 0);
	return fd;
}

static void handshake(struct kit *kit)
{
	struct wire_packet packet;
	long long at_us;

	give(kit, SEG_SYN, 0);
	assert_true(take(kit, &packet, &at_us));
	assert_int_equal(packet.flags, SEG_SYN | SEG_ACK);
	assert_int_equal(packet.ack, kit->peer.seq);
	give(kit, SEG_ACK, 0);
}

static void test_every_pointer_is_there(void **state)
{
	struct kit kit;
	void **pointers;
	size_t count = sizeof(kit.so) / sizeof(void *);

	(void)state;
	kit_open(&kit, "local=192.168.0.1,mtu=1500");
	pointers = (void **)&kit.so;
	for (size_t i = 0; i < count; i++)
		if (!pointers[i])
			fail_msg("member %zu is NULL", i);
	kit_close(&kit);
}

static void test_bad_flags_are_refused(void **state)
{
	struct packetdrill_interface empty = {0};
	struct kit kit;

	(void)state;
	kit_open(&kit, "local=nonsense");
	assert_memory_equal(&kit.so, &empty, sizeof(empty));
	assert_int_equal(dlclose(kit.library), 0);
}

static void test_handshake_and_data(void **state)
{
	struct wire_packet packet;
	struct kit kit;
	struct timeval from, to;
	long long sent_us, resent_us;
	char buf[200];
	int listener, fd;

	(void)state;
	kit_open(&kit, "local=192.168.0.1,mtu=1500,gso=0,tcp_tlp=0");
	listener = listener_of(&kit);
	handshake(&kit);
	fd = kit.so.accept(kit.so.userdata, listener, NULL, NULL);
	assert_true(fd >= 0 && fd != listener);

	give(&kit, SEG_ACK | SEG_PSH, 100);
	assert_int_equal(kit.so.read(kit.so.userdata, fd, buf, sizeof(buf)), 100);
	for (uint32_t i = 0; i < 100; i++)
		assert_int_equal((uint8_t)buf[i], wire_pattern(i));
	assert_true(take(&kit, &packet, &sent_us));
	assert_int_equal(packet.payload_len, 0);
	assert_int_equal(packet.ack, kit.peer.seq);

	assert_int_equal(kit.so.write(kit.so.userdata, fd, "0123456789", 10), 10);
	assert_true(take(&kit, &packet, &sent_us));
	assert_int_equal(packet.payload_len, 10);
	assert_memory_equal(packet.payload, "0123456789", 10);
	assert_int_equal(packet.ack, kit.peer.seq);
	/* Nobody acknowledges: receiving lets time pass until it is sent again. */
	assert_true(take(&kit, &packet, &resent_us));
	assert_int_equal(packet.payload_len, 10);
	assert_true(resent_us - sent_us >= 200000 && resent_us - sent_us < 3000000);
	give(&kit, SEG_ACK, 0);

	kit.so.gettimeofday(kit.so.userdata, &from, NULL);
	kit.so.usleep(kit.so.userdata, 1500000);
	kit.so.gettimeofday(kit.so.userdata, &to, NULL);
	assert_int_equal((to.tv_sec - from.tv_sec) * 1000000 + to.tv_usec - from.tv_usec, 1500000);

	errno = 0;
	assert_int_equal(kit.so.close(kit.so.userdata, 77), -1);
	assert_int_equal(errno, EBADF);
	assert_int_equal(kit.so.close(kit.so.userdata, fd), 0);
	assert_true(take(&kit, &packet, &sent_us));
	assert_int_equal(packet.flags & SEG_FIN, SEG_FIN);
	kit_close(&kit);
}

/* ---- calls that block, on a second thread ---- */

struct blocked {
	struct kit *kit;
	int fd;
	ssize_t result;
	char buf[64];
};

static void *accept_and_read(void *arg)
{
	struct blocked *call = arg;
	struct packetdrill_interface *so = &call->kit->so;
	struct timeval now;
	int fd = so->accept(so->userdata, call->fd, NULL, NULL);

	/* packetdrill asks for the time when a call returns. */
	so->gettimeofday(so->userdata, &now, NULL);
	call->fd = fd;
	if (fd < 0)
		return NULL;
	call->result = so->read(so->userdata, fd, call->buf, sizeof(call->buf));
	so->gettimeofday(so->userdata, &now, NULL);
	return NULL;
}

static void test_blocking_calls_on_a_second_thread(void **state)
{
	struct blocked call = {.result = -2};
	struct kit kit;
	pthread_t thread;

	(void)state;
	kit_open(&kit, "local=192.168.0.1,mtu=1500");
	call.kit = &kit;
	call.fd = listener_of(&kit);
	assert_int_equal(pthread_create(&thread, NULL, accept_and_read, &call), 0);
	handshake(&kit);
	give(&kit, SEG_ACK | SEG_PSH, 30);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_true(call.fd >= 0);
	assert_int_equal(call.result, 30);
	for (uint32_t i = 0; i < 30; i++)
		assert_int_equal((uint8_t)call.buf[i], wire_pattern(i));
	kit_close(&kit);
}

static void *blocking_connect(void *arg)
{
	struct blocked *call = arg;
	struct packetdrill_interface *so = &call->kit->so;
	struct sockaddr_in peer = {.sin_family = AF_INET, .sin_port = htons(40000)};
	struct timeval now;

	peer.sin_addr.s_addr = htonl(0xc0000201);
	call->result = so->connect(so->userdata, call->fd, (struct sockaddr *)&peer, sizeof(peer));
	so->gettimeofday(so->userdata, &now, NULL);
	return NULL;
}

static void test_a_blocking_connect(void **state)
{
	struct blocked call = {.result = -2};
	struct wire_packet packet;
	struct kit kit;
	pthread_t thread;
	long long at_us;

	(void)state;
	kit_open(&kit, "local=192.168.0.1,mtu=1500");
	call.kit = &kit;
	call.fd = kit.so.socket(kit.so.userdata, AF_INET, SOCK_STREAM, 0);
	assert_int_equal(pthread_create(&thread, NULL, blocking_connect, &call), 0);
	/* The thread may not have come to its call yet: then nothing is due, and none comes. */
	while (!take(&kit, &packet, &at_us))
		;
	assert_int_equal(packet.flags & (SEG_SYN | SEG_ACK), SEG_SYN);
	kit.peer.dst_port = packet.src_port;
	give(&kit, SEG_SYN | SEG_ACK, 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(call.result, 0);
	kit_close(&kit);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_pointer_is_there),
		cmocka_unit_test(test_bad_flags_are_refused),
		cmocka_unit_test(test_handshake_and_data),
		cmocka_unit_test(test_blocking_calls_on_a_second_thread),
		cmocka_unit_test(test_a_blocking_connect),
	};

	if (argc != 2) {
		fputs("usage: test_so LIBRARY\n", stderr);
		return 2;
	}
	library_path = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
