/* SPDX-License-Identifier: MIT */
/*
 * Hosts on a TAP whose other end is the kernel's TCP, in a user and network namespace that this program makes for
 * itself; skipped where that isn't allowed. The kernel is 10.9.0.1 and fd09::1, we are .2. Whatever the kernel
 * answers stands in the TAP when our write returns, so frames can be counted.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>
#include <net/if.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>

#include "../link/counter.h"
#include "../link/namespace.h"
#include "host/host.h"
#include "link/netdev.h"

enum { PORT = 7000, BULK_BYTES = 1 << 20 };

static bool has_namespace;
static struct {
	struct tee_host *host;
	int listener;
	bool over_ipv6, is_memory_short;
} fix;
static uint8_t sent[BULK_BYTES], received[BULK_BYTES];

/* The link's, in place of the C library's: the kernel's memory may be too short for what is beyond 64 KiB. */
ssize_t writev(int fd, const struct iovec *iov, int count)
{
	size_t len = 0;

	for (int i = 0; i < count; i++)
		len += iov[i].iov_len;
	if (fix.is_memory_short && len > TEE_FRAME_LEN_MAX + sizeof(struct virtio_net_hdr_v1)) {
		errno = ENOBUFS;
		return -1;
	}
	return syscall(SYS_writev, fd, iov, count);
}

/* Opens a host on a TAP of its own, and a listening socket of the kernel's. */
static void open_spinning_host(const char *link, uint64_t spin_ns)
{
	struct sockaddr_in6 here = {.sin6_family = AF_INET6, .sin6_port = htons(PORT)};
	char error[TEE_HOST_ERROR_SIZE] = "";
	struct tee_host_config config;
	int on = 1;

	if (!has_namespace)
		skip();
	tee_host_config_init(&config);
	config.link = link;
	config.ip = "10.9.0.2/24";
	config.ip6 = fix.over_ipv6 ? "fd09::2/64" : "none";
	config.spin_ns = spin_ns;
	config.stack.acd = false;
	if (tee_host_open(&config, &fix.host, error) < 0)
		fail_msg("%s", error);
	assert_int_equal(system("ip addr add 10.9.0.1/24 dev tee0"), 0);
	if (fix.over_ipv6)
		assert_int_equal(system("ip addr add fd09::1/64 dev tee0 nodad"), 0);
	fix.listener = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(fix.listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	assert_int_equal(bind(fix.listener, (struct sockaddr *)&here, sizeof(here)), 0);
	assert_int_equal(listen(fix.listener, 8), 0);
}

static void open_host(const char *link)
{
	open_spinning_host(link, 0);
}

static int tear_down(void **state)
{
	if (fix.host) {
		tee_host_close(fix.host, 0);
		close(fix.listener);
	}
	memset(&fix, 0, sizeof(fix));
	return 0;
}

/* Connects; returns the kernel's end. */
static int meet(struct tee_socket **ret_socket)
{
	const struct tee_endpoint there = {.ip = fix.over_ipv6
							 ? (struct tee_ip){{0xfd, 0x09, [15] = 1}}
							 : TEE_IP4(10, 9, 0, 1),
					   .port = PORT};
	int fd;

	assert_int_equal(tee_socket_open(tee_host_stack(fix.host), TEE_SOCKET_TCP, TEE_FAMILY_ANY,
					 ret_socket),
			 0);
	assert_int_equal(tee_connect(*ret_socket, &there), -TEE_EINPROGRESS);
	assert_true(tee_wait(fix.host, *ret_socket, TEE_EV_WRITABLE, 10 * TEE_NS_PER_S) > 0);
	fd = accept(fix.listener, NULL, NULL);
	assert_true(fd >= 0);
	return fd;
}

static uint64_t frames_sent(void)
{
	return link_counter(fix.host->link, "tap.tx_frames");
}

static void turn(void)
{
	assert_int_equal(tee_host_run_once(fix.host, 0), 0);
}

/* ---- the end of a stream ---- */

static void who_closes_at_the_end_says_both_in_one_frame(void **state)
{
	struct tee_socket *socket;
	uint64_t before;
	char byte;

	open_host("tap:tee0");
	for (unsigned i = 0; i < 3; i++) {
		close(meet(&socket));
		before = frames_sent();
		assert_int_equal(tee_recv_some(fix.host, socket, &byte, 1), 0);
		assert_int_equal(frames_sent(), before);
		tee_close(socket);
		turn();
		assert_int_equal(frames_sent(), before + 1);
	}
}

static void who_does_not_close_acknowledges_with_the_next_turn(void **state)
{
	struct tee_socket *socket;
	uint64_t before;
	char byte;

	open_host("tap:tee0");
	close(meet(&socket));
	before = frames_sent();
	assert_int_equal(tee_wait(fix.host, socket, TEE_EV_READABLE, 10 * TEE_NS_PER_S),
			 TEE_EV_READABLE);
	assert_int_equal(tee_recv(socket, &byte, 1, 0), 0);
	assert_int_equal(frames_sent(), before);
	turn();
	assert_int_equal(frames_sent(), before + 1);
	tee_close(socket);
	turn();
	assert_int_equal(frames_sent(), before + 2);
}

/* What is unread may take its time: the peer is told at once that all of it came. */
static void an_end_behind_unread_bytes_is_acknowledged_at_once(void **state)
{
	struct tee_socket *socket;
	uint64_t before;
	char bytes[8];
	int fd;

	open_host("tap:tee0");
	fd = meet(&socket);
	assert_int_equal(write(fd, "abc", 3), 3);
	close(fd);
	before = frames_sent();
	while (!(tee_readiness(socket) & TEE_EV_RDHUP))
		assert_true(tee_wait(fix.host, socket, TEE_EV_RDHUP | TEE_EV_READABLE,
				     10 * TEE_NS_PER_S) > 0 &&
			    tee_host_run_once(fix.host, TEE_NS_PER_S) == 0);
	assert_true(frames_sent() > before);
	before = frames_sent();
	assert_int_equal(tee_recv_some(fix.host, socket, bytes, sizeof(bytes)), 3);
	assert_int_equal(tee_recv_some(fix.host, socket, bytes, sizeof(bytes)), 0);
	turn();
	assert_int_equal(frames_sent(), before);
	tee_close(socket);
	turn();
	assert_int_equal(frames_sent(), before + 1);
}

/* ---- segmentation ---- */

/* All of it arrives, in order, whether the link, the kernel or nobody but us can cut super-frames. */
static void bulk_arrives(const char *link, const char *counter, uint64_t at_most)
{
	struct tee_socket *socket;
	size_t out = 0, in = 0;
	int fd;

	open_host(link);
	for (size_t i = 0; i < BULK_BYTES; i++)
		sent[i] = (uint8_t)(i * 31 + (i >> 8) * 7 + (i >> 16));
	memset(received, 0, sizeof(received));
	fd = meet(&socket);
	while (in < BULK_BYTES) {
		ssize_t len = out < BULK_BYTES ? tee_send(socket, sent + out, BULK_BYTES - out, 0)
					       : 0;

		if (len > 0)
			out += (size_t)len;
		assert_int_equal(tee_host_run_once(fix.host, TEE_NS_PER_MS), 0);
		while ((len = recv(fd, received + in, BULK_BYTES - in, MSG_DONTWAIT)) > 0)
			in += (size_t)len;
	}
	assert_memory_equal(received, sent, BULK_BYTES);
	assert_true(link_counter(fix.host->link, counter) > 0);
	/* 725 segments of 1,448 bytes, and a few frames besides. */
	assert_true(at_most ? frames_sent() < at_most : frames_sent() > 724);
	tee_close(socket);
	close(fd);
}

static void a_link_without_offloads_gets_segments(void **state)
{
	bulk_arrives("tap:tee0,offload=0", "gso.segments", 0);
	assert_true(link_counter(fix.host->link, "gso.segments") >=
		    724 - link_counter(fix.host->link, "gso.super_frames"));
	assert_true(link_counter(fix.host->link, "gso.super_frames") < 300);
}

static void a_link_with_offloads_gets_super_frames(void **state)
{
	bulk_arrives("tap:tee0", "tap.tx_super_frames", 300);
	/* Since Linux 6.3 some beyond what an IP header can tell. */
	assert_int_equal(link_counter(fix.host->link, "tap.tx_big_frames") > 0,
			 fix.host->link->info.far_gso_bytes_max > 0);
	assert_int_equal(fix.host->link->info.far_gso_bytes_max > 0, netdev_takes_big());
}

/* Beyond 64 KiB a frame is in many pieces of the kernel's memory, which may not be had. */
static void what_the_kernel_has_no_memory_for_goes_in_segments(void **state)
{
	for (unsigned i = 0; i < 2; i++) {
		fix.is_memory_short = true;
		fix.over_ipv6 = i == 1;
		if (!has_namespace || !netdev_takes_big())
			skip();
		bulk_arrives("tap:tee0", "tap.tx_big_cut", 1000);
		assert_int_equal(link_counter(fix.host->link, "tap.tx_big_frames"), 0);
		assert_int_equal(link_counter(fix.host->link, "tap.tx_refused"), 0);
		assert_int_equal(tee_counter_by_name(tee_host_stack(fix.host), "tcp.retrans_segs"),
				 0);
		tear_down(state);
	}
}

/* ---- latency ---- */

static bool has_napi(void)
{
	struct ifreq request = {0};
	struct tee_link_poll fds[1];

	assert_int_equal(fix.host->link->ops->poll_fds(fix.host->link, fds, 1), 1);
	assert_int_equal(ioctl(fds[0].fd, TUNGETIFF, &request), 0);
	return request.ifr_flags & IFF_NAPI;
}

static void who_spins_asks_a_tap_for_even_round_trips(void **state)
{
	static const struct {
		const char *link;
		uint64_t spin_ns;
		bool has_napi;
	} cases[] = {
		{"tap:tee0", 0, false},
		{"tap:tee0", TEE_NS_PER_MS, true},
		{"tap:tee0,napi=0", TEE_NS_PER_MS, false},
		{"tap:napi=0,tee0", TEE_NS_PER_MS, false},
		{"tap:tee0,napi=1", 0, true},
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		open_spinning_host(cases[i].link, cases[i].spin_ns);
		assert_int_equal(has_napi(), cases[i].has_napi);
		tear_down(state);
	}
}

static void ping_and_pong(uint64_t spin_ns)
{
	struct tee_socket *socket;
	int fd;

	open_spinning_host("tap:tee0", spin_ns);
	fd = meet(&socket);
	for (unsigned i = 0; i < 100; i++) {
		uint8_t out = (uint8_t)i, in = 0;

		assert_int_equal(tee_send_all(fix.host, socket, &out, 1), 1);
		turn();
		assert_int_equal(read(fd, &in, 1), 1);
		assert_int_equal(in, out);
		assert_int_equal(write(fd, &in, 1), 1);
		in = 0;
		assert_int_equal(tee_recv_some(fix.host, socket, &in, 1), 1);
		assert_int_equal(in, out);
	}
	close(fd);
}

static void bytes_go_to_and_fro(void **state)
{
	ping_and_pong(0);
	tear_down(state);
	ping_and_pong(TEE_NS_PER_MS);
}

static void count_calls(void *arg, int fd, short revents)
{
	char byte;

	assert_int_equal(revents, POLLIN);
	assert_int_equal(read(fd, &byte, 1), 1);
	++*(unsigned *)arg;
}

/* A frame that is there before we sleep is taken without asking poll(), but not twice before others are heard. */
static void frames_that_come_alone_leave_others_their_turn(void **state)
{
	struct tee_socket *socket;
	unsigned calls = 0;
	char bytes[4];
	int fd, other[2];

	open_host("tap:tee0");
	fd = meet(&socket);
	turn();
	assert_int_equal(pipe(other), 0);
	assert_int_equal(tee_host_watch_fd(fix.host, other[0], POLLIN, count_calls, &calls), 0);
	assert_int_equal(write(other[1], "x", 1), 1);
	fix.host->comes_alone = true;
	assert_int_equal(write(fd, "a", 1), 1);
	assert_int_equal(tee_host_run_once(fix.host, 10 * TEE_NS_PER_S), 0);
	assert_int_equal(tee_recv(socket, bytes, sizeof(bytes), 0), 1);
	assert_int_equal(calls, 0);
	assert_int_equal(write(fd, "b", 1), 1);
	assert_int_equal(tee_host_run_once(fix.host, 10 * TEE_NS_PER_S), 0);
	assert_int_equal(tee_recv(socket, bytes, sizeof(bytes), 0), 1);
	assert_int_equal(bytes[0], 'b');
	assert_int_equal(calls, 1);
	assert_true(fix.host->comes_alone);
	tee_host_unwatch_fd(fix.host, other[0]);
	close(other[0]);
	close(other[1]);
	close(fd);
}

/* ---- who takes up what we write ---- */

/* The switch is in the sysfs of our namespace, which has to be mounted. */
static void a_thread_of_the_kernel_takes_up_what_we_write(void **state)
{
	char error[TEE_LINK_ERROR_SIZE] = "", text[2] = "";
	struct tee_link *link;
	int fd;

	if (!has_namespace)
		skip();
	assert_int_equal(tee_link_open("tap:tee0,napi=thread", &link, error), -TEE_ENOENT);
	assert_non_null(strstr(error, "/sys/class/net/tee0/threaded"));
	assert_int_equal(tee_link_open("tap:tee0,napi=maybe", &link, error), -TEE_EINVAL);
	assert_non_null(strstr(error, "'napi=maybe' must be one of: 0, 1, thread"));
	if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("sysfs", "/sys", "sysfs", 0, NULL) < 0)
		skip();
	bulk_arrives("tap:tee0,napi=thread", "tap.tx_super_frames", 300);
	fd = open("/sys/class/net/tee0/threaded", O_RDONLY | O_CLOEXEC);
	assert_int_equal(read(fd, text, 1), 1);
	close(fd);
	assert_string_equal(text, "1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(who_closes_at_the_end_says_both_in_one_frame, tear_down),
		cmocka_unit_test_teardown(who_does_not_close_acknowledges_with_the_next_turn,
					  tear_down),
		cmocka_unit_test_teardown(an_end_behind_unread_bytes_is_acknowledged_at_once,
					  tear_down),
		cmocka_unit_test_teardown(a_link_without_offloads_gets_segments, tear_down),
		cmocka_unit_test_teardown(a_link_with_offloads_gets_super_frames, tear_down),
		cmocka_unit_test_teardown(what_the_kernel_has_no_memory_for_goes_in_segments,
					  tear_down),
		cmocka_unit_test_teardown(who_spins_asks_a_tap_for_even_round_trips, tear_down),
		cmocka_unit_test_teardown(bytes_go_to_and_fro, tear_down),
		cmocka_unit_test_teardown(frames_that_come_alone_leave_others_their_turn,
					  tear_down),
		cmocka_unit_test_teardown(a_thread_of_the_kernel_takes_up_what_we_write, tear_down),
	};

	has_namespace = access("/dev/net/tun", R_OK | W_OK) == 0 && enter_namespace();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
