/* SPDX-License-Identifier: MIT */
/*
 * ICMP messages of both families and neighbour discovery. The first byte chooses the family. What nd_write()
 * can write, it writes so that nd_parse() reads the same again.
 */
#include "base/check.h"
#include "wire/icmp.h"
#include "wire/ip.h"

#include <string.h>

static void check_nd(const uint8_t *data, size_t size)
{
	struct nd_message nd, again;
	uint8_t out[72], out_again[72];
	size_t len;

	if (nd_parse(data, size, &nd) < 0)
		return;
	CHECK(nd.prefix_count <= ND_PREFIX_MAX && nd.rdnss_count <= ND_RDNSS_MAX);
	for (unsigned i = 0; i < nd.prefix_count; i++)
		CHECK(nd.prefixes[i].bits <= 128);
	if (nd.type != ICMP6_ROUTER_SOLICIT && nd.type != ICMP6_NEIGHBOUR_SOLICIT &&
	    nd.type != ICMP6_NEIGHBOUR_ADVERT)
		return;
	CHECK(!ip_is_multicast(&nd.target));
	len = nd_write(out, &nd);
	CHECK(len <= sizeof(out));
	CHECK(nd_parse(out, len, &again) == 0);
	CHECK(nd_write(out_again, &again) == len && memcmp(out, out_again, len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct icmp icmp;
	uint8_t version, out[ICMP_HEADER_LEN];
	uint32_t mtu;

	if (size == 0)
		return 0;
	version = data[0] & 1 ? 6 : 4;
	data++;
	size--;
	if (version == 6)
		check_nd(data, size);
	if (icmp_parse(data, size, &icmp) < 0) {
		CHECK(size < ICMP_HEADER_LEN);
		return 0;
	}
	CHECK(icmp.body == data + ICMP_HEADER_LEN && icmp.body_len == size - ICMP_HEADER_LEN);
	CHECK(icmp_error_of(version, &icmp, &mtu) == ICMP_ERROR_TOO_BIG || mtu == 0);
	icmp_write(out, &icmp);
	CHECK(memcmp(out, data, 2) == 0 && memcmp(out + 4, data + 4, 4) == 0);
	return 0;
}
