/* SPDX-License-Identifier: MIT */
/* ARP packets: what was read is written back byte for byte. */
#include "base/check.h"
#include "wire/arp.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arp arp;
	uint8_t out[ARP_LEN];

	if (arp_parse(data, size, &arp) < 0)
		return 0;
	CHECK(size >= ARP_LEN);
	CHECK(tee_ip_is4(&arp.sender_ip) && tee_ip_is4(&arp.target_ip));
	arp_write(out, &arp);
	CHECK(memcmp(out, data, sizeof(out)) == 0);
	return 0;
}
