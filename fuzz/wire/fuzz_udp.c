/* SPDX-License-Identifier: MIT */
/* UDP headers: lengths hold, and what was read is written back byte for byte. */
#include "base/check.h"
#include "wire/udp.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct udp_header udp;
	uint8_t out[UDP_HEADER_LEN];

	if (udp_parse(data, size, &udp) < 0)
		return 0;
	CHECK(udp.len >= UDP_HEADER_LEN && udp.len <= size);
	udp_write(out, &udp);
	CHECK(memcmp(out, data, sizeof(out)) == 0);
	return 0;
}
