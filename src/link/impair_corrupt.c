/* SPDX-License-Identifier: MIT */
/*
 * Corruption, such that a receiver without mistakes never takes the damaged frame for a good one.
 *
 * One byte is changed in one to eight of its bits. The Internet checksum finds every change within one
 * byte: it alters one 16-bit word by less than 0xffff, and one's complement sums are equal only for
 * words that differ by nothing or by that. (Bits far apart could cancel each other, and a test that
 * compares hashes would then fail once in a while for no fault of ours.)
 *
 * The byte lies where a checksum covers it: in IPv4 anywhere from the header on; in IPv6, whose header
 * has no sum, from the addresses on, which the pseudo-header covers. What has no checksum at all (ARP,
 * UDP without one, fragments whose sum can't be known, extension headers) would be caught by
 * Ethernet's CRC on a real wire: the caller drops it.
 */
#include "base/byteorder.h"
#include "link/gso.h"
#include "link/impair_corrupt.h"
#include "wire/ip.h"

enum { IP6_ADDRESSES_OFF = 8 };

static bool is_covered(const uint8_t *frame, const struct gso_map *map)
{
	uint32_t room = map->end - map->l4_off;

	if (map->is_fragment)
		return false;
	if (map->version == 6 && map->l4_off - map->l3_off != IP6_HEADER_LEN)
		return false;
	switch (map->protocol) {
	case IP_PROTO_TCP: return room >= 20;
	case IP_PROTO_ICMP: return map->version == 4 && room >= 4;
	case IP_PROTO_ICMP6: return map->version == 6 && room >= 4;
	case IP_PROTO_UDP: return room >= 8 && load_be16(frame + map->l4_off + 6) != 0;
	default: return false;
	}
}

bool impair_corrupt(uint8_t *frame, size_t len, enum tee_netif_kind kind, struct random *random)
{
	struct gso_map map;
	uint32_t first;

	if (gso_map(frame, len, kind, &map) < 0 || !is_covered(frame, &map))
		return false;
	first = map.l3_off + (map.version == 6 ? IP6_ADDRESSES_OFF : 0);
	frame[first + random_below(random, map.end - first)] ^=
		(uint8_t)(1 + random_below(random, 255));
	return true;
}
