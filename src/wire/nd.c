/* SPDX-License-Identifier: MIT */
/*
 * Neighbour discovery (RFC 4861) with the options of RFC 4861 section 4.6 and RFC 8106 (DNS servers).
 * Checked here is what the message alone can tell: its length, its code, the target, and that no
 * option has length 0. Hop limit, checksum and the two IP addresses are the caller's to check.
 *
 * An option whose own length is wrong for its type is passed over; more prefixes or servers than
 * the struct has room for are left out.
 */
#include "wire/icmp.h"

#include <string.h>
#include "base/check.h"
#include "wire/bytes.h"
#include "wire/ip.h"

enum {
	NA_ROUTER = 0x80,
	NA_SOLICITED = 0x40,
	NA_OVERRIDE = 0x20,
	RA_MANAGED = 0x80,
	RA_OTHER = 0x40,
	PREFIX_ON_LINK = 0x80,
	PREFIX_AUTONOMOUS = 0x40,
	OPTION_UNIT = 8, /* lengths count in these */
};

static struct tee_ip read_ip(struct reader *r)
{
	struct tee_ip ip = TEE_IP_ANY;
	const uint8_t *p = reader_take(r, sizeof(ip.byte));

	if (p)
		memcpy(ip.byte, p, sizeof(ip.byte));
	return ip;
}

static bool read_mac(struct reader *r, struct tee_mac *ret_mac)
{
	const uint8_t *p = reader_take(r, sizeof(ret_mac->byte));

	if (p)
		memcpy(ret_mac->byte, p, sizeof(ret_mac->byte));
	return p;
}

/* RFC 4861 section 4.6.2. */
static void parse_prefix(struct reader body, struct nd_message *nd)
{
	struct nd_prefix prefix;
	uint8_t flags;

	prefix.bits = reader_u8(&body);
	flags = reader_u8(&body);
	prefix.on_link = flags & PREFIX_ON_LINK;
	prefix.autonomous = flags & PREFIX_AUTONOMOUS;
	prefix.valid_s = reader_be32(&body);
	prefix.preferred_s = reader_be32(&body);
	reader_take(&body, 4);
	prefix.prefix = read_ip(&body);
	if (body.ok && reader_left(&body) == 0 && prefix.bits <= 128 &&
	    nd->prefix_count < ND_PREFIX_MAX)
		nd->prefixes[nd->prefix_count++] = prefix;
}

/* RFC 8106 section 5.1. Of several such options the last one's lifetime is kept. */
static void parse_rdnss(struct reader body, struct nd_message *nd)
{
	uint32_t lifetime_s;

	reader_take(&body, 2);
	lifetime_s = reader_be32(&body);
	if (!body.ok || reader_left(&body) == 0 || reader_left(&body) % 16 != 0)
		return;
	nd->rdnss_lifetime_s = lifetime_s;
	while (reader_left(&body) > 0 && nd->rdnss_count < ND_RDNSS_MAX)
		nd->rdnss[nd->rdnss_count++] = read_ip(&body);
}

static void parse_option(uint8_t type, struct reader body, struct nd_message *nd)
{
	switch (type) {
	case ND_OPT_SOURCE_MAC: nd->has_source_mac = read_mac(&body, &nd->source_mac); break;
	case ND_OPT_TARGET_MAC: nd->has_target_mac = read_mac(&body, &nd->target_mac); break;
	case ND_OPT_PREFIX: parse_prefix(body, nd); break;
	case ND_OPT_MTU:
		reader_take(&body, 2);
		nd->mtu = reader_be32(&body);
		break;
	case ND_OPT_RDNSS: parse_rdnss(body, nd); break;
	default: break; /* RFC 4861 section 4.6: others are ignored */
	}
}

static bool parse_options(struct reader *r, struct nd_message *nd)
{
	while (r->ok && reader_left(r) > 0) {
		uint8_t type = reader_u8(r);
		size_t len = reader_u8(r) * (size_t)OPTION_UNIT;
		const uint8_t *body = len > 0 ? reader_take(r, len - 2) : NULL;

		if (!body)
			return false; /* length 0, or past the end */
		parse_option(type, reader(body, len - 2), nd);
	}
	return r->ok;
}

/* What stands before the options, from the fifth byte on; `r` is left at the options. */
static bool parse_fixed(struct reader *r, struct nd_message *nd)
{
	uint32_t word = reader_be32(r);
	uint8_t flags = (uint8_t)(word >> 24);

	switch (nd->type) {
	case ICMP6_ROUTER_SOLICIT: return r->ok;
	case ICMP6_ROUTER_ADVERT:
		nd->hop_limit = (uint8_t)(word >> 24);
		nd->managed = word >> 16 & RA_MANAGED;
		nd->other = word >> 16 & RA_OTHER;
		nd->router_lifetime_s = (uint16_t)word;
		nd->reachable_ms = reader_be32(r);
		nd->retrans_ms = reader_be32(r);
		return r->ok;
	case ICMP6_NEIGHBOUR_ADVERT:
		nd->router = flags & NA_ROUTER;
		nd->solicited = flags & NA_SOLICITED;
		nd->override = flags & NA_OVERRIDE;
		nd->target = read_ip(r);
		return r->ok && !ip_is_multicast(&nd->target);
	case ICMP6_NEIGHBOUR_SOLICIT:
		nd->target = read_ip(r);
		return r->ok && !ip_is_multicast(&nd->target);
	case ICMP6_REDIRECT:
		nd->target = read_ip(r);
		nd->destination = read_ip(r);
		return r->ok && !ip_is_multicast(&nd->destination);
	default: return false;
	}
}

int nd_parse(const uint8_t *data, size_t len, struct nd_message *ret_nd)
{
	struct reader r = reader(data, len);
	struct nd_message nd = {.type = reader_u8(&r)};
	uint8_t code = reader_u8(&r);

	reader_take(&r, 2); /* the checksum */
	if (!r.ok || code != 0 || !parse_fixed(&r, &nd) || !parse_options(&r, &nd))
		return -TEE_EINVAL;
	*ret_nd = nd;
	return 0;
}

static uint8_t *put_mac(uint8_t *out, uint8_t type, const struct tee_mac *mac)
{
	out[0] = type;
	out[1] = 1;
	memcpy(out + 2, mac->byte, sizeof(mac->byte));
	return out + OPTION_UNIT;
}

size_t nd_write(uint8_t *out, const struct nd_message *nd)
{
	uint8_t *at = out + ICMP_HEADER_LEN;

	memset(out, 0, ICMP_HEADER_LEN);
	out[0] = nd->type;
	if (nd->type == ICMP6_NEIGHBOUR_ADVERT)
		out[4] = (uint8_t)((nd->router ? NA_ROUTER : 0) |
				   (nd->solicited ? NA_SOLICITED : 0) |
				   (nd->override ? NA_OVERRIDE : 0));
	if (nd->type != ICMP6_ROUTER_SOLICIT) {
		memcpy(at, nd->target.byte, sizeof(nd->target.byte));
		at += sizeof(nd->target.byte);
	}
	if (nd->has_source_mac)
		at = put_mac(at, ND_OPT_SOURCE_MAC, &nd->source_mac);
	if (nd->has_target_mac)
		at = put_mac(at, ND_OPT_TARGET_MAC, &nd->target_mac);
	return (size_t)(at - out);
}
