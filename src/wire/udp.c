/* SPDX-License-Identifier: MIT */
/* UDP headers (RFC 768). */
#include "wire/udp.h"

#include <teeceepee/types.h>
#include "wire/bytes.h"

int udp_parse(const uint8_t *data, size_t len, struct udp_header *ret_udp)
{
	struct reader r = reader(data, len);
	struct udp_header udp;

	udp.src_port = reader_be16(&r);
	udp.dst_port = reader_be16(&r);
	udp.len = reader_be16(&r);
	udp.checksum = reader_be16(&r);
	if (!r.ok || udp.len < UDP_HEADER_LEN || udp.len > len)
		return -TEE_EINVAL;
	*ret_udp = udp;
	return 0;
}

void udp_write(uint8_t out[UDP_HEADER_LEN], const struct udp_header *udp)
{
	store_be16(out, udp->src_port);
	store_be16(out + 2, udp->dst_port);
	store_be16(out + 4, udp->len);
	store_be16(out + 6, udp->checksum);
}
