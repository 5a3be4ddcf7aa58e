/* SPDX-License-Identifier: MIT */
/*
 * The passt link against a socket of our own, whose other end reads and writes in awkward pieces; and
 * against passt itself, where it is installed and has an interface to work with.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include "drive.h"

static struct drive *d;
static char directory[64], path[96];
static int listener = -1, peer = -1;
static uint8_t out[FRAME_MAX], got[4 * FRAME_MAX];

static int set_up(void **state)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char spec[128], error[TEE_LINK_ERROR_SIZE] = "";

	strcpy(directory, "/tmp/test-passt-XXXXXX");
	assert_non_null(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/socket", directory);
	strcpy(address.sun_path, path);
	listener = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(listener, 1), 0);
	d = drive_new();
	snprintf(spec, sizeof(spec), "passt:%s", path);
	if (tee_link_open(spec, &d->link, error) < 0)
		fail_msg("%s", error);
	peer = accept(listener, NULL, NULL);
	fcntl(peer, F_SETFL, O_NONBLOCK);
	return 0;
}

static int tear_down(void **state)
{
	drive_free(d);
	if (peer >= 0)
		close(peer);
	close(listener);
	unlink(path);
	return rmdir(directory);
}

static int any(const uint8_t *f, size_t len)
{
	return 1;
}

static void frames_come_in_pieces(void **state)
{
	size_t len = 4 + 1000;

	assert_int_equal(d->link->info.mtu, 65520);
	assert_true(d->link->info.wants_dhcp);
	for (size_t i = 0; i < 1000; i++)
		got[4 + i] = payload_byte(i);
	put32(got, 1000);
	/* One and a half frames, then the rest, byte by byte at the length. */
	memcpy(got + len, got, len);
	assert_int_equal(send(peer, got, len + 2, 0), len + 2);
	assert_int_equal(drive_until(d, any, 0), 1);
	assert_int_equal(d->len, 1000);
	assert_memory_equal(d->frame, got + 4, 1000);
	for (size_t i = len + 2; i < 2 * len; i++) {
		struct tee_pkt *pkt;

		assert_int_equal(d->link->ops->recv(d->link, d->pool, &pkt, 1, 0), 0);
		assert_int_equal(send(peer, got + i, 1, 0), 1);
	}
	assert_int_equal(drive_until(d, any, 0), 1);
	assert_memory_equal(d->frame, got + 4, 1000);
}

/* Whole frames that wait in the buffer show on no descriptor, so the deadline is now. */
static void what_waits_in_the_buffer_is_announced(void **state)
{
	struct tee_pkt *pkts[8];

	for (unsigned i = 0; i < 3; i++) {
		put32(got + 64 * i, 60);
		memset(got + 64 * i + 4, (int)i, 60);
	}
	assert_int_equal(send(peer, got, 192, 0), 192);
	assert_int_equal(d->link->ops->deadline(d->link), TEE_NEVER);
	assert_int_equal(d->link->ops->recv(d->link, d->pool, pkts, 1, 0), 1);
	assert_int_equal(d->link->ops->deadline(d->link), 0);
	assert_int_equal(d->link->ops->recv(d->link, d->pool, pkts + 1, 7, 0), 2);
	assert_int_equal(d->link->ops->deadline(d->link), TEE_NEVER);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(tee_pkt_bytes(pkts[i])[59], i);
		tee_pkt_release(pkts[i]);
	}
}

/* The socket fills up in the middle of a frame; not a byte is lost or doubled. */
static void a_full_socket_takes_the_rest_later(void **state)
{
	struct tee_frame frames[8];
	struct tee_link_poll fd;
	unsigned sent = 0, seen = 0;
	size_t have = 0;

	for (size_t i = 0; i < 60000; i++)
		out[i] = payload_byte(i);
	for (unsigned i = 0; i < 8; i++)
		frame_as_stack(&frames[i], out, 60000 - i, 54);
	for (unsigned idle = 0; seen < 400;) {
		ssize_t n;

		if (sent < 400) {
			unsigned first = sent % 8;
			int result = d->link->ops->send(d->link, frames + first, 8 - first, 0);

			assert_true(result >= 0);
			sent += (unsigned)result;
			assert_int_equal(d->link->ops->poll_fds(d->link, &fd, 1), 1);
			if (result < (int)(8 - first))
				assert_true(fd.events & POLLOUT);
		} else {
			d->link->ops->send(d->link, NULL, 0, 0);
		}
		/* The reader takes a little at a time. */
		n = recv(peer, got + have, 23456, 0);
		if (n < 0) {
			assert_true(++idle < 100);
			fd.revents = POLLOUT;
			d->link->ops->poll_done(d->link, &fd, 1, 0);
			continue;
		}
		have += (size_t)n;
		while (have >= 4 && have >= 4 + get32(got)) {
			uint32_t len = get32(got);

			assert_int_equal(len, 60000 - seen % 8);
			assert_memory_equal(got + 4, out, len);
			have -= 4 + len;
			memmove(got, got + 4 + len, have);
			seen++;
		}
	}
	assert_int_equal(have, 0);
	assert_int_equal(link_counter(d->link, "passt.tx_frames"), 400);
}

static void the_end_of_the_stream_is_the_end_of_the_link(void **state)
{
	close(peer);
	peer = -1;
	assert_int_equal(drive_until(d, any, 0), -TEE_ENODEV);
	make_arp(out, 1, mac_a, 1, NULL, 2);
	assert_int_equal(drive_send(d, out, 42), -TEE_ENODEV);
}

static void a_stream_out_of_step_is_left(void **state)
{
	memset(got, 0xff, 100);
	assert_int_equal(send(peer, got, 100, 0), 100);
	assert_int_equal(drive_until(d, any, 0), -TEE_ENODEV);
	assert_int_equal(link_counter(d->link, "passt.rx_bad_length"), 1);
}

/* passt itself: it answers ARP for every address but ours. Closing the link ends the process. */
static void passt_itself_is_started_and_ended(void **state)
{
	char reason[TEE_LINK_ERROR_SIZE];
	uint64_t before_ns;

	d = drive_new();
	if (tee_link_probe("passt", reason) < 0) {
		assert_true(strlen(reason) > 20);
		print_message("passt does not run here: %s\n", reason);
		tee_pool_free(d->pool);
		free(d);
		skip();
	}
	assert_int_equal(tee_link_open("passt:mtu=1500", &d->link, reason), 0);
	assert_string_equal(d->link->info.name, "passt");
	make_arp(out, 1, d->link->info.mac.byte, 0, NULL, 0x01020304);
	assert_int_equal(drive_send(d, out, 42), 1);
	do
		assert_int_equal(drive_until(d, is_arp_reply, 0), 1);
	while (get32(d->frame + 28) != 0x01020304);
	before_ns = drive_now_ns();
	tee_link_close(d->link);
	assert_true(drive_now_ns() - before_ns < 900 * TEE_NS_PER_MS);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
	tee_pool_free(d->pool);
	free(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(frames_come_in_pieces, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_waits_in_the_buffer_is_announced, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_full_socket_takes_the_rest_later, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(the_end_of_the_stream_is_the_end_of_the_link,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_stream_out_of_step_is_left, set_up, tear_down),
		cmocka_unit_test(passt_itself_is_started_and_ended),
	};
	return cmocka_run_group_tests_name("link/passt", tests, NULL, NULL);
}
