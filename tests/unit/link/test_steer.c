/* SPDX-License-Identifier: MIT */
/* Several stacks behind one address: whose a frame is, and how it gets there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <poll.h>
#include "counter.h"
#include "frames.h"
#include "link/steer.h"
#include "link/steer_flow.h"

enum { QUEUES = 4, ACK = 16 };

/* ---- whose ---- */

static struct steer_flow flow;

static int owner(const uint8_t *frame, size_t len)
{
	return steer_owner(&flow, frame, (uint32_t)len, TEE_NETIF_ETHERNET, QUEUES);
}

/* A TCP or UDP frame from a port; its length. */
static size_t from_port(uint8_t *frame, int version, int is_udp, unsigned port)
{
	const struct frame_spec spec = {
		.version = version, .is_udp = is_udp, .flags = ACK, .payload = 100};
	size_t len = make_frame(frame, &spec);

	put16(frame + (version == 4 ? 34 : 54), port);
	return len;
}

/* Also where a kernel uses ports of one parity only. */
static void flows_are_spread(void **state)
{
	static uint8_t frame[2000];

	for (unsigned step = 1; step <= 4; step++)
		for (int version = 4; version <= 6; version += 2) {
			unsigned count[QUEUES] = {0};

			for (unsigned i = 0; i < 2000; i++) {
				size_t len = from_port(frame, version, 0, 32768 + i * step);
				int queue = owner(frame, len);

				assert_in_range(queue, 0, QUEUES - 1);
				/* Flags, numbers and payload have no say. */
				frame[len - 1] ^= 0xff;
				frame[len - 101] ^= 0xff;
				assert_int_equal(owner(frame, len), queue);
				count[queue]++;
			}
			for (unsigned i = 0; i < QUEUES; i++)
				assert_in_range(count[i], 350, 650);
		}
}

static void questions_and_answers(void **state)
{
	static const struct {
		int version;
		unsigned type;
		int verdict;
	} icmp[] = {
		{4, 0, STEER_ALL},   {4, 3, STEER_ALL},    {4, 5, STEER_ALL},
		{4, 11, STEER_ALL},  {4, 12, STEER_ALL},   {4, 8, STEER_HERE},
		{4, 13, STEER_HERE}, {6, 1, STEER_ALL},    {6, 2, STEER_ALL},
		{6, 3, STEER_ALL},   {6, 4, STEER_ALL},    {6, 128, STEER_HERE},
		{6, 129, STEER_ALL}, {6, 130, STEER_HERE}, {6, 133, STEER_HERE},
		{6, 134, STEER_ALL}, {6, 135, STEER_HERE}, {6, 136, STEER_ALL},
		{6, 137, STEER_ALL},
	};
	static uint8_t frame[2000];
	size_t len;

	for (size_t i = 0; i < sizeof(icmp) / sizeof(icmp[0]); i++) {
		len = from_port(frame, icmp[i].version, 0, 1);
		if (icmp[i].version == 4)
			frame[23] = 1;
		else
			frame[20] = 58;
		frame[icmp[i].version == 4 ? 34 : 54] = (uint8_t)icmp[i].type;
		if (owner(frame, len) != icmp[i].verdict)
			fail_msg("ICMP %d type %u", icmp[i].version, icmp[i].type);
	}
	len = make_arp(frame, 1, mac_a, 0x0a000001, NULL, 0x0a000002);
	assert_int_equal(owner(frame, len), STEER_HERE);
	len = make_arp(frame, 1, mac_a, 0x0a000001, NULL, 0x0a000001);
	assert_int_equal(owner(frame, len), STEER_ALL);
	len = make_arp(frame, 2, mac_a, 0x0a000001, mac_b, 0x0a000002);
	assert_int_equal(owner(frame, len), STEER_ALL);
	len = from_port(frame, 4, 1, 67);
	put16(frame + 36, 68);
	assert_int_equal(owner(frame, len), 0);
	put16(frame + 12, 0x88cc);
	assert_int_equal(owner(frame, len), STEER_HERE);
}

static void fragments_follow_their_first(void **state)
{
	static uint8_t frame[2000];
	int first[8];
	size_t len = 0;

	for (unsigned id = 0; id < 8; id++) {
		len = from_port(frame, 4, (int)id & 1, 1000 + id * 77);
		put16(frame + 18, id);
		first[id] = owner(frame, len);
		put16(frame + 20, 0x00b9);
		assert_int_equal(owner(frame, len), STEER_NOBODY);
		put16(frame + 20, 0x2000);
		assert_int_equal(owner(frame, len), first[id]);
	}
	for (unsigned id = 0; id < 8; id++) {
		frame[23] = id & 1 ? 17 : 6;
		put16(frame + 18, id);
		put16(frame + 20, id & 2 ? 0x00b9 : 0x20b9);
		put32(frame + 34, 0xdeadbeef + id);
		assert_int_equal(owner(frame, len), first[id]);
	}
	/* Another host's, and one that was forgotten after many others. */
	frame[29] ^= 1;
	assert_int_equal(owner(frame, len), STEER_NOBODY);
	frame[29] ^= 1;
	for (unsigned id = 100; id < 100 + STEER_FRAGMENTS; id++) {
		put16(frame + 18, id);
		put16(frame + 20, 0x2000);
		assert_true(owner(frame, len) >= 0);
	}
	put16(frame + 18, 7);
	put16(frame + 20, 0x00b9);
	assert_int_equal(owner(frame, len), STEER_NOBODY);
	/* What has no ports may go to anybody. */
	frame[23] = 1;
	assert_int_equal(owner(frame, len), STEER_HERE);
}

/* Puts eight bytes of an extension header behind the IPv6 header; returns the new length. */
static size_t extend(uint8_t *frame, size_t len, unsigned next, unsigned a, unsigned b)
{
	memmove(frame + 62, frame + 54, len - 54);
	memset(frame + 54, 0, 8);
	frame[54] = frame[20];
	frame[20] = (uint8_t)next;
	put16(frame + 56, a);
	put32(frame + 58, b);
	return len + 8;
}

static void extension_headers_are_passed_over(void **state)
{
	static uint8_t frame[2000];
	size_t len = from_port(frame, 6, 0, 4321);
	int plain = owner(frame, len);

	len = extend(frame, len, 60, 0, 0);
	assert_int_equal(owner(frame, len), plain);
	len = extend(frame, len, 0, 0, 0);
	assert_int_equal(owner(frame, len), plain);
	len = extend(frame, len, 44, 1, 99);
	assert_int_equal(owner(frame, len), plain);
	put16(frame + 56, 0x0100);
	/* Of a later fragment only the fragment header's word is known: destination options there. */
	assert_int_equal(owner(frame, len), STEER_HERE);
	len = from_port(frame, 6, 0, 4321);
	len = extend(frame, len, 44, 0x0101, 99);
	assert_int_equal(owner(frame, len), plain);
	put32(frame + 58, 98);
	assert_int_equal(owner(frame, len), STEER_NOBODY);
}

static void short_frames_are_anybodys(void **state)
{
	static uint8_t whole[200];

	for (int version = 4; version <= 6; version += 2) {
		size_t len = from_port(whole, version, 0, 1);

		for (size_t cut = 0; cut < (version == 4 ? 38u : 58u); cut++) {
			uint8_t *frame = malloc(cut + 1);

			memcpy(frame, whole, cut);
			assert_int_equal(owner(frame, cut), STEER_HERE);
			free(frame);
		}
		assert_true(owner(whole, len) >= 0);
	}
}

/* ---- how it gets there ---- */

/* A queue that is told what it receives. */
struct fake {
	struct tee_link link;
	uint8_t frames[40][200];
	size_t lens[40];
	unsigned count;
};

static unsigned closed_count;

static int fake_recv(struct tee_link *link, struct tee_pool *pool, struct tee_pkt **ret_pkts,
		     unsigned n, uint64_t now_ns)
{
	struct fake *fake = (struct fake *)link;
	unsigned count = 0;

	while (count < n && count < fake->count) {
		struct tee_pkt *pkt = tee_pkt_new(pool, 200);

		memcpy(tee_pkt_bytes(pkt), fake->frames[count], fake->lens[count]);
		pkt->len = (uint32_t)fake->lens[count];
		pkt->gso_size = 50;
		pkt->gso_type = TEE_GSO_TCP4;
		pkt->checksum_state = TEE_CHECKSUM_VERIFIED;
		pkt->at_ns = now_ns;
		ret_pkts[count++] = pkt;
	}
	fake->count = 0;
	return (int)count;
}

static int fake_poll_fds(struct tee_link *link, struct tee_link_poll *fds, unsigned n)
{
	return 0;
}

static void fake_close(struct tee_link *link)
{
	closed_count++;
	free(link);
}

static const struct tee_link_ops fake_ops = {
	.recv = fake_recv,
	.poll_fds = fake_poll_fds,
	.close = fake_close,
};

static struct fake *fake_new(const char *name)
{
	struct fake *fake = calloc(1, sizeof(*fake));

	fake->link.ops = &fake_ops;
	fake->link.info.kind = TEE_NETIF_ETHERNET;
	snprintf(fake->link.info.name, sizeof(fake->link.info.name), "%s", name);
	return fake;
}

static bool is_awake(struct tee_link *link)
{
	struct tee_link_poll fds[4];
	struct pollfd poll_fd;

	assert_int_equal(link->ops->poll_fds(link, fds, 4), 1);
	poll_fd = (struct pollfd){.fd = fds[0].fd, .events = fds[0].events};
	return poll(&poll_fd, 1, 0) == 1;
}

static unsigned receive(struct tee_link *link, struct tee_pool *pool, struct tee_pkt **pkts)
{
	int count = link->ops->recv(link, pool, pkts, 40, 7);

	assert_true(count >= 0);
	return (unsigned)count;
}

static void release(struct tee_pkt **pkts, unsigned count)
{
	while (count > 0)
		tee_pkt_release(pkts[--count]);
}

static void frames_reach_their_queue(void **state)
{
	struct tee_pool *pools[2] = {tee_pool_new(0), tee_pool_new(0)};
	struct fake *fakes[2] = {fake_new("tap:x"), fake_new("tap:x")};
	struct tee_link *links[2];
	struct tee_pkt *pkts[40];
	unsigned theirs = 0, count;

	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(steer_open(&fakes[i]->link, 2, NULL, &links[i]), 0);
	for (unsigned i = 0; i < 40; i++)
		fakes[0]->lens[i] = from_port(fakes[0]->frames[i], 4, 0, 3000 + i);
	fakes[0]->count = 40;
	assert_false(is_awake(links[1]));
	count = receive(links[0], pools[0], pkts);
	for (unsigned i = 0; i < count; i++)
		assert_int_equal(steer_owner(&flow, tee_pkt_bytes(pkts[i]), pkts[i]->len,
					     TEE_NETIF_ETHERNET, 2),
				 0);
	release(pkts, count);
	theirs = 40 - count;
	assert_in_range(count, 10, 30);
	assert_int_equal(link_counter(links[0], "steer.passed_on"), theirs);
	assert_true(is_awake(links[1]));
	assert_int_equal(receive(links[1], pools[1], pkts), theirs);
	for (unsigned i = 0; i < theirs; i++) {
		assert_int_equal(steer_owner(&flow, tee_pkt_bytes(pkts[i]), pkts[i]->len,
					     TEE_NETIF_ETHERNET, 2),
				 1);
		assert_int_equal(pkts[i]->gso_size, 50);
		assert_int_equal(pkts[i]->gso_type, TEE_GSO_TCP4);
		assert_int_equal(pkts[i]->checksum_state, TEE_CHECKSUM_VERIFIED);
		assert_int_equal(pkts[i]->at_ns, 7);
		/* In their order. */
		assert_true(i == 0 || get16(tee_pkt_bytes(pkts[i]) + 34) >
					      get16(tee_pkt_bytes(pkts[i - 1]) + 34));
	}
	release(pkts, theirs);
	assert_false(is_awake(links[1]));
	assert_int_equal(link_counter(links[1], "steer.taken_in"), theirs);

	/* An answer is heard by both. */
	fakes[1]->lens[0] = make_arp(fakes[1]->frames[0], 2, mac_a, 1, mac_b, 2);
	fakes[1]->count = 1;
	for (unsigned i = 2; i-- > 0;) {
		assert_int_equal(receive(links[i], pools[i], pkts), 1);
		assert_int_equal(pkts[0]->len, 42);
		release(pkts, 1);
	}

	/* Nobody there any more: counted; what lies in a closed box is freed. */
	fakes[1]->lens[0] = make_arp(fakes[1]->frames[0], 2, mac_a, 1, mac_b, 2);
	fakes[1]->count = 1;
	release(pkts, receive(links[1], pools[1], pkts));
	tee_link_close(links[0]);
	for (unsigned i = 0; i < 40; i++)
		fakes[1]->lens[i] = from_port(fakes[1]->frames[i], 4, 0, 3000 + i);
	fakes[1]->count = 40;
	count = receive(links[1], pools[1], pkts);
	assert_int_equal(count, theirs);
	assert_int_equal(link_counter(links[1], "steer.dropped"), 40 - theirs);
	release(pkts, count);
	tee_link_close(links[1]);
	assert_int_equal(closed_count, 2);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(tee_pool_bytes_used(pools[i]), 0);
		tee_pool_free(pools[i]);
	}
}

static unsigned joined[2];

static int note_join(struct tee_link *queue, unsigned idx, uint32_t *shared)
{
	joined[idx]++;
	if (idx == 0)
		*shared = 77;
	return *shared == 77 ? 0 : -TEE_EIO;
}

static int refuse_join(struct tee_link *queue, unsigned idx, uint32_t *shared)
{
	return -TEE_EPERM;
}

static void a_group_has_its_number(void **state)
{
	struct tee_link *links[2], *more;
	struct fake *third = fake_new("tap:y"), *other = fake_new("tap:z");

	assert_int_equal(steer_open(&third->link, 2, refuse_join, &more), -TEE_EPERM);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(steer_open(&fake_new("tap:y")->link, 2, note_join, &links[i]), 0);
	assert_int_equal(joined[0], 1);
	assert_int_equal(joined[1], 1);
	assert_int_equal(steer_open(&third->link, 2, NULL, &more), -TEE_EADDRINUSE);
	/* One place free, but for a group of two. */
	tee_link_close(links[0]);
	assert_int_equal(steer_open(&third->link, 3, NULL, &more), -TEE_EADDRINUSE);
	assert_int_equal(steer_open(&third->link, 2, note_join, &more), 0);
	assert_int_equal(joined[0], 2);
	tee_link_close(more);
	tee_link_close(links[1]);
	assert_int_equal(steer_open(&other->link, 5, NULL, &more), 0);
	tee_link_close(more);
}

/* On a shared address a claim is the queue's business; links that need none have no such call. */
static uint16_t claimed_port;

static int fake_claim_port(struct tee_link *link, uint8_t protocol, uint16_t port)
{
	claimed_port = port;
	return protocol == 6 ? 0 : -TEE_EADDRINUSE;
}

static void claims_reach_the_queue(void **state)
{
	static const struct tee_link_ops claiming_ops = {
		.recv = fake_recv,
		.poll_fds = fake_poll_fds,
		.claim_port = fake_claim_port,
		.close = fake_close,
	};
	struct fake *claiming = fake_new("xdp:a"), *other = fake_new("tap:a");
	struct tee_link *link;

	claiming->link.ops = &claiming_ops;
	assert_int_equal(steer_open(&claiming->link, 2, NULL, &link), 0);
	assert_int_equal(link->ops->claim_port(link, 6, 8080), 0);
	assert_int_equal(claimed_port, 8080);
	assert_int_equal(link->ops->claim_port(link, 17, 53), -TEE_EADDRINUSE);
	assert_int_equal(claimed_port, 53);
	tee_link_close(link);
	assert_int_equal(steer_open(&other->link, 2, NULL, &link), 0);
	assert_null(link->ops->claim_port);
	tee_link_close(link);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(flows_are_spread),
		cmocka_unit_test(questions_and_answers),
		cmocka_unit_test(fragments_follow_their_first),
		cmocka_unit_test(extension_headers_are_passed_over),
		cmocka_unit_test(short_frames_are_anybodys),
		cmocka_unit_test(frames_reach_their_queue),
		cmocka_unit_test(a_group_has_its_number),
		cmocka_unit_test(claims_reach_the_queue),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
