// SPDX-License-Identifier: MIT
/*
 * A bad road: frames are carried from one TAP to the other and back through an impairment (link/impair),
 * both directions at one place. Behind the one TAP are the stacks that are compared, behind the other, in a
 * network namespace of its own, is the peer; so all of them meet the same losses, delays and queues, and
 * none pays for them in a process of its own.
 *
 * Neither TAP takes super-frames here: what is lost is a frame as a wire would carry it. What is due must leave on
 * time: a timer of a thread may else be 50 us late (PR_SET_TIMERSLACK), a tenth of the shortest delay.
 */
#define _GNU_SOURCE /* ppoll, setns */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>
#include <teeceepee/teeceepee.h>

#include "bench.h"

enum { BATCH = 64, HEAD_BYTES = 54 };

static struct tee_link *open_tap(const char *name)
{
	char spec[64], error[TEE_LINK_ERROR_SIZE];
	struct tee_link *link;

	snprintf(spec, sizeof(spec), "tap:%s,offload=0", name);
	if (tee_link_open(spec, &link, error) < 0)
		bench_fail("%s", error);
	return link;
}

static struct tee_link *impair(struct tee_link *inner, const char *text)
{
	char error[TEE_LINK_ERROR_SIZE];
	struct tee_impairment impairment;
	struct tee_link *link;

	if (tee_impairment_parse(text, &impairment, error) < 0)
		bench_fail("%s", error);
	if (tee_link_impair(inner, &impairment, &link) < 0)
		bench_fail("can't impair the TAP");
	return link;
}

/* A received packet as a frame to send; the frame takes the packet's reference over. */
static void frame_of_packet(struct tee_frame *frame, struct tee_pkt *pkt)
{
	uint16_t head_len = (uint16_t)(pkt->len < HEAD_BYTES ? pkt->len : HEAD_BYTES);

	memset(frame, 0, offsetof(struct tee_frame, head));
	memcpy(frame->head, tee_pkt_bytes(pkt), head_len);
	frame->head_len = head_len;
	frame->len = pkt->len;
	/* What was joined on the way in is cut again by the impairment. */
	frame->gso_size = pkt->gso_size;
	frame->gso_type = pkt->gso_type;
	frame->l3_off = 14;
	if (pkt->len > head_len) {
		frame->slices[0] =
			(struct tee_slice){tee_pkt_bytes(pkt) + head_len, pkt->len - head_len};
		frame->holds[0] = pkt;
		frame->slice_count = 1;
	} else {
		tee_pkt_release(pkt);
	}
}

/* One stack tells its neighbours of itself when it begins, the other doesn't. */
static bool is_arp(const struct tee_pkt *pkt)
{
	const uint8_t *frame = tee_pkt_bytes(pkt);

	return pkt->len >= 14 && frame[12] == 0x08 && frame[13] == 0x06;
}

/*
 * Carries what has come; what the far TAP has no room for is lost, as on a wire. ARP goes `around` the impairment, if
 * it is told, so that the nth packet in it is the nth of the connection.
 */
static bool carry(struct tee_link *from, struct tee_link *to, struct tee_link *around,
		  struct tee_pool *pool, uint64_t now_ns)
{
	static struct tee_frame frames[BATCH];
	struct tee_pkt *pkts[BATCH];
	int received = from->ops->recv(from, pool, pkts, BATCH, now_ns), count = 0;

	if (received < 0)
		bench_fail("%s is gone", from->info.name);
	for (int i = 0; i < received; i++) {
		bool goes_around = around && is_arp(pkts[i]);

		frame_of_packet(&frames[count], pkts[i]);
		if (goes_around) {
			around->ops->send(around, &frames[count], 1, now_ns);
			tee_frame_release(&frames[count]);
		} else {
			count++;
		}
	}
	/* An impaired link is asked also when there is nothing new: what it delayed may be due. */
	if (count > 0 || to->ops->deadline)
		to->ops->send(to, frames, (unsigned)count, now_ns);
	for (int i = 0; i < count; i++)
		tee_frame_release(&frames[i]);
	return received > 0;
}

static unsigned add_fds(struct tee_link *link, struct pollfd *fds, unsigned n)
{
	struct tee_link_poll polled[TEE_LINK_POLL_MAX];
	int count = link->ops->poll_fds(link, polled, TEE_LINK_POLL_MAX);

	for (int i = 0; i < count; i++)
		fds[n++] = (struct pollfd){.fd = polled[i].fd, .events = polled[i].events};
	return n;
}

static void wait_for(struct tee_link *plain, struct tee_link *impaired)
{
	uint64_t due_ns = impaired->ops->deadline ? impaired->ops->deadline(impaired) : TEE_NEVER;
	uint64_t now_ns = bench_now_ns();
	uint64_t left_ns = due_ns > now_ns ? due_ns - now_ns : 0;
	struct timespec left = {.tv_sec = (time_t)(left_ns / TEE_NS_PER_S),
				.tv_nsec = (long)(left_ns % TEE_NS_PER_S)};
	struct pollfd fds[2 * TEE_LINK_POLL_MAX];
	unsigned count = add_fds(impaired, fds, add_fds(plain, fds, 0));

	if (ppoll(fds, count, due_ns == TEE_NEVER ? NULL : &left, NULL) < 0 && errno != EINTR)
		bench_fail("can't wait: %s", strerror(errno));
}

static void enter_namespace(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || setns(fd, CLONE_NEWNET) < 0)
		bench_fail("can't enter %s: %s", path, strerror(errno));
	close(fd);
}

int bench_bridge(int argc, char **argv)
{
	struct tee_link *plain, *far, *impaired;
	struct tee_pool *pool = tee_pool_new(0);

	if (argc != 4)
		bench_fail("bridge TAP-A TAP-B NAMESPACE-OF-B IMPAIRMENT");
	prctl(PR_SET_TIMERSLACK, 1);
	plain = open_tap(argv[0]);
	enter_namespace(argv[2]);
	far = open_tap(argv[1]);
	impaired = impair(far, argv[3]);
	puts("ready");
	fflush(stdout);
	for (;;) {
		uint64_t now_ns = bench_now_ns();
		bool any = carry(plain, impaired, far, pool, now_ns);

		any |= carry(impaired, plain, NULL, pool, now_ns);
		if (!any)
			wait_for(plain, impaired);
	}
}
