/* SPDX-License-Identifier: MIT */
/* DHCP messages: text is text, counts are counts, and what can be written reads back the same. */
#include "base/check.h"
#include "wire/dhcp.h"

#include <string.h>

static void check_name(const char *name, size_t size)
{
	CHECK(memchr(name, '\0', size));
	for (; *name; name++)
		CHECK(*name > ' ' && *name < 0x7f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dhcp dhcp, again;
	uint8_t out[DHCP_MESSAGE_MAX], out_again[DHCP_MESSAGE_MAX];
	int len;

	if (dhcp_parse(data, size, &dhcp) < 0)
		return 0;
	CHECK(dhcp.type >= DHCP_DISCOVER && dhcp.type <= DHCP_INFORM);
	CHECK(dhcp.subnet_bits <= 32 && dhcp.dns_count <= DHCP_DNS_MAX);
	check_name(dhcp.hostname, sizeof(dhcp.hostname));
	check_name(dhcp.domain, sizeof(dhcp.domain));

	len = dhcp_write(out, &dhcp);
	CHECK(len >= 300 && len <= DHCP_MESSAGE_MAX);
	CHECK(dhcp_parse(out, (size_t)len, &again) == 0);
	CHECK(dhcp_write(out_again, &again) == len);
	CHECK(memcmp(out, out_again, (size_t)len) == 0);
	return 0;
}
