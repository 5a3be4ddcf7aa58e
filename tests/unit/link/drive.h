/* SPDX-License-Identifier: MIT */
/* Driving a real link by hand: wait for what must come, a few seconds at most. To be included after cmocka.h. */
#ifndef TEST_LINK_DRIVE_H
#define TEST_LINK_DRIVE_H

#include <poll.h>
#include <stdlib.h>
#include <time.h>
#include <teeceepee/link.h>
#include "counter.h"
#include "frames.h"

struct drive {
	struct tee_link *link;
	struct tee_pool *pool;
	size_t len;         /* of the frame that was found */
	struct tee_pkt pkt; /* its metadata */
	uint8_t frame[FRAME_MAX];
};

UNUSED static struct drive *drive_new(void)
{
	struct drive *d = calloc(1, sizeof(*d));

	d->pool = tee_pool_new(0);
	return d;
}

/* With its link, which must have given all packets back. */
UNUSED static void drive_free(struct drive *d)
{
	tee_link_close(d->link);
	assert_int_equal(tee_pool_bytes_used(d->pool), 0);
	tee_pool_free(d->pool);
	free(d);
}

UNUSED static uint64_t drive_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * TEE_NS_PER_S + (uint64_t)now.tv_nsec;
}

/* Waits until the link has something to do, `until_ns` at the latest. */
UNUSED static void drive_sleep(struct drive *d, uint64_t until_ns)
{
	struct tee_link_poll fds[TEE_LINK_POLL_MAX];
	struct pollfd polls[TEE_LINK_POLL_MAX];
	uint64_t now_ns = drive_now_ns(), due_ns = until_ns;
	int n, timeout_ms;

	if (d->link->ops->deadline && d->link->ops->deadline(d->link) < due_ns)
		due_ns = d->link->ops->deadline(d->link);
	n = d->link->ops->poll_fds(d->link, fds, TEE_LINK_POLL_MAX);
	if (n < 0)
		n = 0; /* no link says so; the compiler, which sees all of them, can't know */
	for (int i = 0; i < n; i++)
		polls[i] = (struct pollfd){.fd = fds[i].fd, .events = fds[i].events};
	timeout_ms = due_ns > now_ns ? (int)((due_ns - now_ns) / TEE_NS_PER_MS) + 1 : 0;
	poll(polls, (nfds_t)n, timeout_ms);
	for (int i = 0; i < n; i++)
		fds[i].revents = polls[i].revents;
	if (d->link->ops->poll_done)
		d->link->ops->poll_done(d->link, fds, (unsigned)n, drive_now_ns());
}

UNUSED static int drive_send(struct drive *d, const uint8_t *bytes, size_t len)
{
	struct tee_frame frame;

	frame_of_bytes(&frame, bytes, len);
	return d->link->ops->send(d->link, &frame, 1, drive_now_ns());
}

typedef int drive_match(const uint8_t *frame, size_t len);

/*
 * Receives until a frame matches (it is then in d->frame); others are dropped, ARP requests for `answer4`
 * answered. 1, or 0 after three seconds, or what recv() failed with.
 */
UNUSED static int drive_until(struct drive *d, drive_match *match, uint32_t answer4)
{
	uint64_t until_ns = drive_now_ns() + 3 * TEE_NS_PER_S;

	while (drive_now_ns() < until_ns) {
		struct tee_pkt *pkt;
		int n = d->link->ops->recv(d->link, d->pool, &pkt, 1, drive_now_ns());

		if (n < 0)
			return n;
		if (n == 0) {
			drive_sleep(d, until_ns);
			continue;
		}
		d->len = pkt->len;
		d->pkt = *pkt;
		memcpy(d->frame, tee_pkt_bytes(pkt), pkt->len);
		tee_pkt_release(pkt);
		if (d->len >= 42 && get16(d->frame + 12) == 0x0806 && get16(d->frame + 20) == 1 &&
		    get32(d->frame + 38) == answer4 && answer4 != 0) {
			uint8_t reply[42];

			make_arp(reply, 2, d->link->info.mac.byte, answer4, d->frame + 22,
				 get32(d->frame + 28));
			drive_send(d, reply, sizeof(reply));
		}
		if (match(d->frame, d->len))
			return 1;
	}
	return 0;
}

UNUSED static int is_arp_reply(const uint8_t *f, size_t len)
{
	return len >= 42 && get16(f + 12) == 0x0806 && get16(f + 20) == 2;
}

UNUSED static int is_echo_reply(const uint8_t *f, size_t len)
{
	return len >= 42 && get16(f + 12) == 0x0800 && f[23] == 1 && f[34] == 0;
}

UNUSED static int is_tcp(const uint8_t *f, size_t len)
{
	return len >= 54 && get16(f + 12) == 0x0800 && f[23] == 6;
}

UNUSED static int is_udp(const uint8_t *f, size_t len)
{
	return len >= 42 && get16(f + 12) == 0x0800 && f[23] == 17;
}

#endif
