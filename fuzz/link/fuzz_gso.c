/* SPDX-License-Identifier: MIT */
/*
 * Cutting of super-frames: the first three bytes are type and gso_size, the rest the frame. Every piece
 * stays within what was promised, and together they carry the payload once. Damage on purpose never leaves
 * the frame.
 */
#include <stdlib.h>
#include <string.h>
#include "link/gso.h"
#include "link/impair_corrupt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void cut(const uint8_t *frame, size_t len, enum tee_netif_kind kind, unsigned type,
		unsigned gso_size)
{
	struct gso_split split;
	uint32_t payload = 0, segment_len;
	uint8_t *out;

	if (gso_split_begin(&split, frame, len, kind, (enum tee_gso_type)type, gso_size) < 0)
		return;
	out = malloc(split.segment_bytes_max);
	if (!out)
		abort();
	while ((segment_len = gso_split_next(&split, out)) > 0) {
		if (segment_len > split.segment_bytes_max || segment_len < split.header_len)
			abort();
		payload += segment_len - split.header_len;
	}
	if (payload != split.map.end - split.header_len)
		abort();
	free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct random random;
	uint8_t *copy;

	if (size < 3 || size > 70000)
		return 0;
	for (int kind = TEE_NETIF_ETHERNET; kind <= TEE_NETIF_RAW_IP; kind++) {
		size_t len = size - 3;

		cut(data + 3, len, (enum tee_netif_kind)kind, data[0] & 3,
		    (unsigned)data[1] << 8 | data[2]);
		copy = malloc(len ? len : 1);
		if (!copy)
			abort();
		memcpy(copy, data + 3, len);
		gso_complete_received(copy, len, (enum tee_netif_kind)kind);
		gso_complete_checksum(copy, len, data[1], data[2]);
		random_init(&random, data[0]);
		impair_corrupt(copy, len, (enum tee_netif_kind)kind, &random);
		free(copy);
	}
	return 0;
}
