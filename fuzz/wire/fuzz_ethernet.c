/* SPDX-License-Identifier: MIT */
/* Ethernet headers: what was read is written back byte for byte. */
#include "base/check.h"
#include "wire/ethernet.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ethernet eth;
	uint8_t out[ETHERNET_HEADER_LEN];

	if (ethernet_parse(data, size, &eth) < 0) {
		CHECK(size < ETHERNET_HEADER_LEN);
		return 0;
	}
	ethernet_write(out, &eth);
	CHECK(memcmp(out, data, sizeof(out)) == 0);
	return 0;
}
