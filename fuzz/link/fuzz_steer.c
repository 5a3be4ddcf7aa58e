/* SPDX-License-Identifier: MIT */
/* Whose is a frame? Any bytes: a queue that is there, or one of the verdicts. */
#include <stdlib.h>
#include <string.h>
#include "link/steer_flow.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct steer_flow flow;
	unsigned queues;
	uint8_t *frame;
	int owner;

	if (size < 1)
		return 0;
	queues = 1u + data[0] % 64;
	frame = malloc(size);
	if (!frame)
		abort();
	memcpy(frame, data + 1, size - 1);
	for (int kind = TEE_NETIF_ETHERNET; kind <= TEE_NETIF_RAW_IP; kind++) {
		owner = steer_owner(&flow, frame, (uint32_t)(size - 1), (enum tee_netif_kind)kind,
				    queues);
		if (owner >= (int)queues || owner < STEER_NOBODY)
			abort();
	}
	free(frame);
	return 0;
}
