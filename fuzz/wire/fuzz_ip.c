/* SPDX-License-Identifier: MIT */
/*
 * IP headers of both families. Whatever comes, the offsets and lengths that a good verdict gives must lie
 * inside the packet, in order; the rest of the stack relies on that without looking again. A plain
 * header is written back byte for byte.
 */
#include "base/check.h"
#include "wire/checksum.h"
#include "wire/ip.h"

#include <string.h>

static void check_header(const struct ip_header *ip, size_t size)
{
	CHECK(ip->version == 4 || ip->version == 6);
	CHECK(ip->header_len >= (ip->version == 4 ? IP4_HEADER_LEN : IP6_HEADER_LEN));
	CHECK(ip->header_len <= ip->total_len && ip->total_len <= size);
	CHECK(ip->unfrag_len <= ip->header_len);
	CHECK(ip->nexthdr_off < ip->header_len);
	CHECK(ip->options_off + ip->options_len <= ip->header_len);
	CHECK(ip->is_fragment == (ip->more_fragments || ip->frag_offset > 0));
	CHECK(ip->frag_offset % 8 == 0);
	CHECK(!ip->is_fragment || ip->frag_offset + ip->total_len - ip->header_len <= 65535);
	CHECK((ip->version == 4) == tee_ip_is4(&ip->src));
	CHECK((ip->version == 4) == tee_ip_is4(&ip->dst));
}

static void check_written(const struct ip_header *ip, const uint8_t *data)
{
	uint8_t out[IP6_HEADER_LEN];

	if (ip->total_len > 65535)
		return;
	if (ip->version == 6 && ip->header_len == IP6_HEADER_LEN) {
		ip6_write(out, ip, ip->total_len - IP6_HEADER_LEN);
		CHECK(memcmp(out, data, IP6_HEADER_LEN) == 0);
	}
	/* the reserved flag is not kept, and a header is written with a good checksum */
	if (ip->version == 4 && ip->header_len == IP4_HEADER_LEN && !(data[6] & 0x80)) {
		ip4_write(out, ip, ip->total_len - IP4_HEADER_LEN);
		CHECK(memcmp(out, data, 10) == 0);
		CHECK(memcmp(out + 12, data + 12, 8) == 0);
		CHECK(checksum_fold(checksum_add(0, out, IP4_HEADER_LEN)) == 0xffff);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ip_header ip, again;
	uint32_t pointer;
	enum ip_parse_result result = ip_parse(data, size, false, &ip, &pointer);
	enum ip_parse_result verified = ip_parse(data, size, true, &again, &pointer);

	CHECK(verified == result || verified == IP_PARSE_BAD_CHECKSUM);
	CHECK(pointer < size || pointer == 0);
	if (result != IP_PARSE_OK)
		return 0;
	check_header(&ip, size);
	check_written(&ip, data);
	return 0;
}
