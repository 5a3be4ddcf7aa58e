// SPDX-License-Identifier: MIT
/*
 * Two TAPs joined as by a cable, so that the kernel's TCP can be measured over TAP too: every frame read
 * from one is written to the other as it is, its virtio-net header and so its offloads included; or, when told 0,
 * without offloads: then the kernel cuts its frames and makes their checksums before it hands them out.
 *
 * The program in between costs what it costs: a read and a write for each frame.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "bench.h"

enum { FRAME_BYTES = 12 + 14 + 65535, BUDGET = 64 };

static int open_tap(const char *name, bool has_offloads)
{
	const unsigned offloads =
		has_offloads ? TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN : 0;
	struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC), header_bytes = 12;

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	if (fd < 0 || ioctl(fd, TUNSETIFF, &request) < 0 ||
	    ioctl(fd, TUNSETVNETHDRSZ, &header_bytes) < 0 || ioctl(fd, TUNSETOFFLOAD, offloads) < 0)
		bench_fail("TAP %s: %s", name, strerror(errno));
	return fd;
}

/* Carries what has come; what the far one has no room for is lost, as on a cable. */
static void carry(int from, int to)
{
	static uint8_t frame[FRAME_BYTES];

	for (unsigned i = 0; i < BUDGET; i++) {
		ssize_t len = read(from, frame, sizeof(frame));

		if (len < 0 && errno == EAGAIN)
			return;
		if (len <= 0)
			bench_fail("the TAP is gone: %s", strerror(errno));
		if (write(to, frame, (size_t)len) < 0 && errno != EIO && errno != ENOBUFS)
			bench_fail("the TAP is gone: %s", strerror(errno));
	}
}

int bench_join(int argc, char **argv)
{
	struct pollfd fds[2] = {{.events = POLLIN}, {.events = POLLIN}};

	if (argc != 2 && argc != 3)
		bench_fail("join TAP-A TAP-B [OFFLOADS]");
	for (unsigned i = 0; i < 2; i++)
		fds[i].fd = open_tap(argv[i], argc == 2 || strcmp(argv[2], "0") != 0);
	puts("ready");
	fflush(stdout);
	while (poll(fds, 2, -1) > 0) {
		if (fds[0].revents)
			carry(fds[0].fd, fds[1].fd);
		if (fds[1].revents)
			carry(fds[1].fd, fds[0].fd);
	}
	bench_fail("can't wait: %s", strerror(errno));
}
