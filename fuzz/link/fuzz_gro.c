/* SPDX-License-Identifier: MIT */
/*
 * A batch of TCP segments in two flows, each by four bytes of the input: its length, whether it follows in
 * sequence, and one byte of its headers to change. Whatever gro joins must, cut by gso, be what came in: the
 * same bytes, each flow in its order, nothing lost and nothing twice.
 */
#include <stdlib.h>
#include <string.h>
#include "base/byteorder.h"
#include "link/gro.h"
#include "link/gso.h"
#include "wire/checksum.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FRAMES_MAX = 48, FRAME_SIZE = 2200, HEADERS = 14 + 20 + 32 };

struct input {
	uint8_t bytes[FRAME_SIZE];
	uint32_t len;
	bool was_seen, is_changed;
};

static struct input inputs[FRAMES_MAX];

/* `op`: size, choice, place and change. */
static void make_input(struct input *input, const uint8_t op[4], uint32_t *seq)
{
	uint8_t *frame = input->bytes, *ip = frame + 14, *tcp = ip + 20;
	uint32_t payload = op[0] < 250 ? op[0] * 8u : op[0] - 250u;
	static const uint8_t start[] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45};

	memset(frame, 0, HEADERS);
	memcpy(frame, start, sizeof(start));
	memset(frame + HEADERS, op[0], payload);
	input->len = HEADERS + payload;
	input->was_seen = false;
	store_be16(ip + 2, (uint16_t)(input->len - 14));
	ip[8] = 64;
	ip[9] = 6;
	ip[15] = 1;
	ip[19] = 2;
	tcp[1] = op[1] & 1;
	if (op[1] & 2)
		*seq += 77;
	store_be32(tcp + 4, *seq);
	*seq += payload;
	tcp[12] = 8 << 4;
	tcp[13] = 0x10 | (op[1] & 4 ? 8 : 0);
	input->is_changed = op[1] & 8;
	if (input->is_changed)
		frame[op[2] % HEADERS] ^= op[3];
}

static bool is_same(const struct input *input, const uint8_t *bytes, uint32_t len)
{
	uint8_t a[FRAME_SIZE], b[FRAME_SIZE];

	if (len != input->len)
		return false;
	memcpy(a, input->bytes, len);
	memcpy(b, bytes, len);
	/* The identification and both checksums are made anew. */
	memset(a + 18, 0, 2), memset(b + 18, 0, 2);
	memset(a + 24, 0, 2), memset(b + 24, 0, 2);
	memset(a + 50, 0, 2), memset(b + 50, 0, 2);
	return memcmp(a, b, len) == 0;
}

/* Finds the input that came out; within a flow the first that is not seen yet. */
static void mark(unsigned count, const uint8_t *bytes, uint32_t len)
{
	for (unsigned i = 0; i < count; i++) {
		if (inputs[i].was_seen)
			continue;
		if (is_same(&inputs[i], bytes, len)) {
			inputs[i].was_seen = true;
			return;
		}
		/* Another of the same flow should have come before? What is no segment any more has no flow. */
		if (!inputs[i].is_changed && len >= HEADERS &&
		    memcmp(inputs[i].bytes + 12, bytes + 12, 2) == 0 &&
		    inputs[i].bytes[14] == bytes[14] && inputs[i].bytes[23] == bytes[23] &&
		    memcmp(inputs[i].bytes + 26, bytes + 26, 12) == 0)
			abort();
	}
	abort();
}

static void check(struct tee_pkt *pkt, unsigned count)
{
	uint8_t segment[FRAME_SIZE];
	struct gso_split split;
	uint32_t len;

	if (pkt->gso_size == 0) {
		mark(count, tee_pkt_bytes(pkt), pkt->len);
		return;
	}
	if (gso_split_begin(&split, tee_pkt_bytes(pkt), pkt->len, TEE_NETIF_ETHERNET,
			    (enum tee_gso_type)pkt->gso_type, pkt->gso_size) < 0 ||
	    split.segment_bytes_max > sizeof(segment))
		abort();
	while ((len = gso_split_next(&split, segment)) > 0)
		mark(count, segment, len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct gro gro;
	struct tee_pool *pool = tee_pool_new(0);
	struct tee_pkt *batch[FRAMES_MAX];
	unsigned count = 0, out = 0;
	uint32_t seq[2] = {0xffffff00, 5};

	if (!pool)
		abort();
	gro_begin(&gro, TEE_NETIF_ETHERNET, pool, batch);
	for (; size >= 4 && count < FRAMES_MAX; size -= 4, data += 4, count++) {
		struct input *input = &inputs[count];

		make_input(input, data, &seq[data[1] & 1]);
		if (gro_join(&gro, input->bytes, input->len, TEE_CHECKSUM_VERIFIED))
			continue;
		batch[out] = tee_pkt_new(pool, input->len);
		if (!batch[out])
			abort();
		memcpy(tee_pkt_bytes(batch[out]), input->bytes, input->len);
		batch[out]->len = input->len;
		batch[out]->checksum_state = TEE_CHECKSUM_VERIFIED;
		gro_hold(&gro, out++);
	}
	for (unsigned i = 0; i < out; i++) {
		check(batch[i], count);
		tee_pkt_release(batch[i]);
	}
	for (unsigned i = 0; i < count; i++)
		if (!inputs[i].was_seen)
			abort();
	tee_pool_free(pool);
	return 0;
}
