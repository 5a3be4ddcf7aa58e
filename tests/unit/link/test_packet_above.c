/* SPDX-License-Identifier: MIT */
/*
 * A packet link beside a kernel that makes super-frames of more than 64 KiB: what doesn't fit is a drop with a name of
 * its own, and what comes after it is heard. The frames are written into a TAP, on which the link sits.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include "drive.h"
#include "namespace.h"

enum { KERNEL = 0x0a090001, US = 0x0a090002, VNET_LEN = 12, MSS = 1460, HEADERS = 54 };

static struct drive *d;
static bool has_namespace;

/* A TAP named teeC, up; -1: there can't be one here. */
static int open_writer(void)
{
	struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR,
				.ifr_name = "teeC"};
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK), len = VNET_LEN;

	if (fd >= 0 &&
	    (ioctl(fd, TUNSETIFF, &request) < 0 || ioctl(fd, TUNSETVNETHDRSZ, &len) < 0 ||
	     system("ip link set teeC up") != 0)) {
		close(fd);
		return -1;
	}
	return fd;
}

/* One TCP super-frame to us with so many bytes in all, its checksum never made. */
static void write_frame(int fd, size_t len)
{
	struct virtio_net_hdr_v1 vnet = {.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
					 .gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
					 .gso_size = MSS,
					 .hdr_len = HEADERS,
					 .csum_start = 34,
					 .csum_offset = 16};
	uint8_t *bytes = calloc(1, VNET_LEN + len), *frame = bytes + VNET_LEN;

	memcpy(bytes, &vnet, VNET_LEN);
	memcpy(frame, d->link->info.mac.byte, 6);
	frame[6] = 2;
	put16(frame + 12, 0x0800);
	frame[14] = 0x45;
	/* Above 64 KiB the header can't tell: 0, as the kernel writes. */
	put16(frame + 16, len - 14 > 65535 ? 0 : (unsigned)len - 14);
	frame[22] = 64;
	frame[23] = 6;
	put32(frame + 26, KERNEL);
	put32(frame + 30, US);
	put16(frame + 24, ~sum16(0, frame + 14, 20) & 0xffff);
	put16(frame + 34, 80);
	put16(frame + 36, 4000);
	put32(frame + 38, 0xffff8000);
	frame[46] = 5 << 4;
	frame[47] = 16;
	assert_int_equal(write(fd, bytes, VNET_LEN + len), VNET_LEN + len);
	free(bytes);
}

static int is_ours(const uint8_t *f, size_t len)
{
	return len >= HEADERS && get16(f + 12) == 0x0800 && f[23] == 6 && get32(f + 30) == US;
}

static void what_does_not_fit_is_counted_by_name(void **state)
{
	const struct tee_ip us = TEE_IP4(10, 9, 0, 2);
	static const char *const specs[] = {"packet:teeC", "packet:teeC,offload=0"};
	static const size_t above[] = {TEE_FRAME_LEN_MAX + 1, 100000, 200000};
	char error[TEE_LINK_ERROR_SIZE] = "";
	int fd = has_namespace ? open_writer() : -1;

	if (fd < 0)
		skip();
	for (unsigned s = 0; s < 2; s++) {
		d = drive_new();
		if (tee_link_open(specs[s], &d->link, error) < 0)
			fail_msg("%s", error);
		assert_int_equal(d->link->ops->set_addresses(d->link, &us, 1), 0);
		for (unsigned i = 0; i < 3; i++)
			write_frame(fd, above[i]);
		write_frame(fd, TEE_FRAME_LEN_MAX);
		assert_int_equal(drive_until(d, is_ours, 0), 1);
		assert_int_equal(d->len, TEE_FRAME_LEN_MAX);
		assert_int_equal(d->pkt.gso_size, MSS);
		assert_int_equal(link_counter(d->link, "packet.rx_above_64k"), 3);
		assert_int_equal(link_counter(d->link, "packet.rx_malformed"), 0);
		drive_free(d);
	}
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(what_does_not_fit_is_counted_by_name)};

	has_namespace = enter_namespace();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
