/* SPDX-License-Identifier: MIT */
/* passt's stream, cut at places that the input's first byte chooses: the cut must not matter. */
#include <stdlib.h>
#include <string.h>
#include "link/deframe.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A sum over all frames, so that two readings can be compared; adds the verdict at the end. */
static uint64_t read_stream(const uint8_t *data, size_t size, size_t piece_max)
{
	struct deframe *deframe = calloc(1, sizeof(*deframe));
	uint64_t sum = 0;
	int result = 0;

	if (!deframe)
		abort();
	while (size > 0 && result >= 0) {
		const uint8_t *frame;
		uint32_t len;
		size_t space_len, piece = size < piece_max ? size : piece_max;
		uint8_t *space = deframe_space(deframe, &space_len);

		if (space_len == 0)
			abort();
		if (piece > space_len)
			piece = space_len;
		memcpy(space, data, piece);
		deframe_filled(deframe, piece);
		data += piece;
		size -= piece;
		while ((result = deframe_next(deframe, &frame, &len)) > 0) {
			sum = sum * 31 + len;
			for (uint32_t i = 0; i < len; i++)
				sum = sum * 31 + frame[i];
		}
	}
	free(deframe);
	return sum * 31 + (uint64_t)(result < 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > 1 &&
	    read_stream(data + 1, size - 1, 1u + data[0]) != read_stream(data + 1, size - 1, 65536))
		abort();
	return 0;
}
