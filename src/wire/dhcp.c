/* SPDX-License-Identifier: MIT */
/*
 * DHCPv4 messages (RFC 2131, options of RFC 2132), as a client reads and writes them.
 *
 * Options may overflow into the fields `file` and `sname` (option 52), which are then read in this
 * order after the options field. An option that comes in several parts (RFC 3396) is taken part by
 * part: for lists each part adds its members; for the rest the last one wins. An option that is
 * unknown, or has a length or value that can't be, is passed over as if it had not come; whether what
 * is left suffices, the client knows. Only an option that runs past its field spoils the message.
 */
#include "wire/dhcp.h"

#include <string.h>
#include "base/check.h"
#include "wire/bytes.h"

enum {
	OP_REQUEST = 1,
	OP_REPLY = 2,
	HARDWARE_ETHERNET = 1,
	FLAG_BROADCAST = 0x8000,
	MAGIC = 0x63825363,

	OFF_SNAME = 44,
	LEN_SNAME = 64,
	OFF_FILE = 108,
	LEN_FILE = 128,
	OFF_MAGIC = 236,
	OFF_OPTIONS = 240,
	LEN_MIN = 300, /* RFC 1542 section 2.1, for BOOTP relays */
};

enum {
	OPT_PAD = 0,
	OPT_SUBNET_MASK = 1,
	OPT_ROUTER = 3,
	OPT_DNS = 6,
	OPT_HOSTNAME = 12,
	OPT_DOMAIN = 15,
	OPT_MTU = 26,
	OPT_REQUESTED_IP = 50,
	OPT_LEASE = 51,
	OPT_OVERLOAD = 52,
	OPT_TYPE = 53,
	OPT_SERVER_ID = 54,
	OPT_PARAMETERS = 55,
	OPT_MAX_MESSAGE = 57,
	OPT_RENEWAL = 58,
	OPT_REBINDING = 59,
	OPT_CLIENT_ID = 61,
	OPT_END = 255,
};

enum { OVERLOAD_FILE = 1, OVERLOAD_SNAME = 2 };

/* ---- parsing ---- */

static struct tee_ip read_ip(struct reader *r)
{
	const uint8_t *p = reader_take(r, 4);

	return p ? TEE_IP4(p[0], p[1], p[2], p[3]) : TEE_IP_ANY;
}

/* The length of a mask of ones and then zeros; false for another. */
static bool read_mask(struct reader *r, unsigned *ret_bits)
{
	uint32_t mask = reader_be32(r);
	uint32_t inverse = ~mask;

	if ((inverse & (inverse + 1)) != 0)
		return false;
	*ret_bits = inverse ? (unsigned)__builtin_clz(inverse) : 32;
	return true;
}

/* Of the addresses in a list, at least one, the first; the rest is read past. */
static bool read_first_ip(struct reader *r, struct tee_ip *ret_ip)
{
	struct tee_ip ip = read_ip(r);

	while (r->ok && reader_left(r) > 0)
		read_ip(r);
	if (r->ok)
		*ret_ip = ip;
	return r->ok;
}

static bool read_dns(struct reader *r, struct dhcp *dhcp)
{
	do {
		struct tee_ip ip = read_ip(r);

		if (r->ok && dhcp->dns_count < DHCP_DNS_MAX)
			dhcp->dns[dhcp->dns_count++] = ip;
	} while (r->ok && reader_left(r) > 0);
	return r->ok;
}

/*
 * A name as a string: cut where the field is full, ended at the first NUL (some servers count one),
 * and kept free of bytes that have no place in a name, since people and resolvers will see it.
 */
static bool read_name(struct reader *r, char *name, size_t size)
{
	size_t len = reader_left(r), used = 0;
	const uint8_t *p = reader_take(r, len);

	for (size_t i = 0; i < len && p[i] != '\0' && used < size - 1; i++) {
		if (p[i] <= ' ' || p[i] >= 0x7f)
			break;
		name[used++] = (char)p[i];
	}
	name[used] = '\0';
	return true;
}

static bool read_type(struct reader *r, enum dhcp_type *ret_type)
{
	uint8_t type = reader_u8(r);

	if (type < DHCP_DISCOVER || type > DHCP_INFORM)
		return false;
	*ret_type = (enum dhcp_type)type;
	return true;
}

/* False when the option's length or value is impossible. */
static bool parse_option(uint8_t code, struct reader *r, struct dhcp *dhcp, uint8_t *ret_overload)
{
	bool is_sound = true;

	switch (code) {
	case OPT_SUBNET_MASK: is_sound = read_mask(r, &dhcp->subnet_bits); break;
	case OPT_ROUTER: is_sound = read_first_ip(r, &dhcp->router); break;
	case OPT_DNS: is_sound = read_dns(r, dhcp); break;
	case OPT_HOSTNAME: is_sound = read_name(r, dhcp->hostname, sizeof(dhcp->hostname)); break;
	case OPT_DOMAIN: is_sound = read_name(r, dhcp->domain, sizeof(dhcp->domain)); break;
	case OPT_MTU: dhcp->mtu = reader_be16(r); break;
	case OPT_REQUESTED_IP: dhcp->requested_ip = read_ip(r); break;
	case OPT_LEASE: dhcp->lease_s = reader_be32(r); break;
	case OPT_OVERLOAD: *ret_overload = reader_u8(r); break;
	case OPT_TYPE: is_sound = read_type(r, &dhcp->type); break;
	case OPT_SERVER_ID: dhcp->server_id = read_ip(r); break;
	case OPT_MAX_MESSAGE: dhcp->max_message = reader_be16(r); break;
	case OPT_RENEWAL: dhcp->renewal_s = reader_be32(r); break;
	case OPT_REBINDING: dhcp->rebinding_s = reader_be32(r); break;
	default: return true;
	}
	return is_sound && r->ok && reader_left(r) == 0;
}

/* One field of options. It may end without the end option, where the field ends. */
static bool parse_options(struct reader r, struct dhcp *dhcp, uint8_t *ret_overload)
{
	while (reader_left(&r) > 0) {
		uint8_t code = reader_u8(&r), len;
		const uint8_t *body;
		struct reader body_reader;
		struct dhcp before = *dhcp;

		if (code == OPT_PAD)
			continue;
		if (code == OPT_END)
			break;
		len = reader_u8(&r);
		body = reader_take(&r, len);
		if (!r.ok)
			return false;
		body_reader = reader(body, len);
		if (!parse_option(code, &body_reader, dhcp, ret_overload))
			*dhcp = before;
	}
	return true;
}

static bool parse_fixed(struct reader *r, struct dhcp *dhcp)
{
	uint8_t op = reader_u8(r), hardware = reader_u8(r), hardware_len = reader_u8(r);
	const uint8_t *chaddr;

	reader_take(r, 1); /* hops */
	dhcp->is_reply = op == OP_REPLY;
	dhcp->xid = reader_be32(r);
	dhcp->secs = reader_be16(r);
	dhcp->broadcast = reader_be16(r) & FLAG_BROADCAST;
	dhcp->ciaddr = read_ip(r);
	dhcp->yiaddr = read_ip(r);
	dhcp->siaddr = read_ip(r);
	dhcp->giaddr = read_ip(r);
	chaddr = reader_take(r, 16);
	if (!chaddr)
		return false;
	memcpy(dhcp->chaddr.byte, chaddr, sizeof(dhcp->chaddr.byte));
	return (op == OP_REQUEST || op == OP_REPLY) && hardware == HARDWARE_ETHERNET &&
	       hardware_len == sizeof(dhcp->chaddr.byte);
}

int dhcp_parse(const uint8_t *data, size_t len, struct dhcp *ret_dhcp)
{
	struct reader r = reader(data, len);
	struct dhcp dhcp = {.type = DHCP_NONE};
	uint8_t overload = 0, ignored = 0;

	if (len < OFF_OPTIONS || load_be32(data + OFF_MAGIC) != MAGIC || !parse_fixed(&r, &dhcp))
		return -TEE_EINVAL;
	if (!parse_options(reader(data + OFF_OPTIONS, len - OFF_OPTIONS), &dhcp, &overload))
		return -TEE_EINVAL;
	if (overload & OVERLOAD_FILE &&
	    !parse_options(reader(data + OFF_FILE, LEN_FILE), &dhcp, &ignored))
		return -TEE_EINVAL;
	if (overload & OVERLOAD_SNAME &&
	    !parse_options(reader(data + OFF_SNAME, LEN_SNAME), &dhcp, &ignored))
		return -TEE_EINVAL;
	/* RFC 2131 section 3: without a type it is BOOTP, which is not spoken here. */
	if (dhcp.type == DHCP_NONE)
		return -TEE_EINVAL;
	*ret_dhcp = dhcp;
	return 0;
}

/* ---- writing ---- */

/* Walks forward in a message; once something did not fit, nothing more is written. */
struct writer {
	uint8_t *ptr, *end;
	bool ok;
};

/* Room for the body of an option, or NULL. One byte is kept for the end option. */
static uint8_t *put_option(struct writer *w, uint8_t code, size_t len)
{
	uint8_t *body;

	if (!w->ok || len > 255 || (size_t)(w->end - w->ptr) < len + 3) {
		w->ok = false;
		return NULL;
	}
	w->ptr[0] = code;
	w->ptr[1] = (uint8_t)len;
	body = w->ptr + 2;
	w->ptr = body + len;
	return body;
}

static void put_bytes(struct writer *w, uint8_t code, const void *bytes, size_t len)
{
	uint8_t *body = put_option(w, code, len);

	if (body)
		memcpy(body, bytes, len);
}

static void put_be16(struct writer *w, uint8_t code, uint16_t value)
{
	uint8_t bytes[2];

	store_be16(bytes, value);
	if (value > 0)
		put_bytes(w, code, bytes, sizeof(bytes));
}

static void put_be32(struct writer *w, uint8_t code, uint32_t value)
{
	uint8_t bytes[4];

	store_be32(bytes, value);
	if (value > 0)
		put_bytes(w, code, bytes, sizeof(bytes));
}

static void put_ip(struct writer *w, uint8_t code, const struct tee_ip *ip)
{
	if (!tee_ip_equal(ip, &TEE_IP_ANY))
		put_bytes(w, code, &ip->byte[12], 4);
}

static void put_name(struct writer *w, uint8_t code, const char *name)
{
	if (*name != '\0')
		put_bytes(w, code, name, strlen(name));
}

/* What a client tells of itself, and what it wants to hear (RFC 2131 section 4.4.1, table 5). */
static void put_client_options(struct writer *w, const struct dhcp *dhcp)
{
	static const uint8_t parameters[] = {OPT_SUBNET_MASK, OPT_ROUTER,   OPT_DNS,
					     OPT_DOMAIN,      OPT_MTU,      OPT_LEASE,
					     OPT_RENEWAL,     OPT_REBINDING};
	/* By type 1 and the MAC; or, opaque, by type 0 and a text with it: the same at every start, and another
	   client than the host's own, so that the server gives another address. */
	uint8_t by_mac[7] = {HARDWARE_ETHERNET}, opaque[10] = {0, 't', 'e', 'e'};

	memcpy(by_mac + 1, dhcp->chaddr.byte, sizeof(dhcp->chaddr.byte));
	memcpy(opaque + 4, dhcp->chaddr.byte, sizeof(dhcp->chaddr.byte));
	if (dhcp->has_opaque_id)
		put_bytes(w, OPT_CLIENT_ID, opaque, sizeof(opaque));
	else
		put_bytes(w, OPT_CLIENT_ID, by_mac, sizeof(by_mac));
	if (dhcp->type != DHCP_DECLINE && dhcp->type != DHCP_RELEASE)
		put_bytes(w, OPT_PARAMETERS, parameters, sizeof(parameters));
}

/* Options that are set. dhcp->type comes first, as some servers expect. */
static void put_options(struct writer *w, const struct dhcp *dhcp)
{
	uint8_t type = (uint8_t)dhcp->type;

	put_bytes(w, OPT_TYPE, &type, 1);
	if (!dhcp->is_reply)
		put_client_options(w, dhcp);
	put_ip(w, OPT_REQUESTED_IP, &dhcp->requested_ip);
	put_ip(w, OPT_SERVER_ID, &dhcp->server_id);
	if (dhcp->subnet_bits > 0)
		put_be32(w, OPT_SUBNET_MASK,
			 dhcp->subnet_bits < 32 ? ~(UINT32_MAX >> dhcp->subnet_bits) : UINT32_MAX);
	put_ip(w, OPT_ROUTER, &dhcp->router);
	if (dhcp->dns_count > 0) {
		unsigned count = MIN(dhcp->dns_count, (unsigned)DHCP_DNS_MAX);
		uint8_t *body = put_option(w, OPT_DNS, 4 * count);

		for (unsigned i = 0; body && i < count; i++)
			memcpy(body + 4 * i, &dhcp->dns[i].byte[12], 4);
	}
	put_be32(w, OPT_LEASE, dhcp->lease_s);
	put_be32(w, OPT_RENEWAL, dhcp->renewal_s);
	put_be32(w, OPT_REBINDING, dhcp->rebinding_s);
	put_be16(w, OPT_MTU, dhcp->mtu);
	put_be16(w, OPT_MAX_MESSAGE, dhcp->max_message);
	put_name(w, OPT_HOSTNAME, dhcp->hostname);
	put_name(w, OPT_DOMAIN, dhcp->domain);
}

int dhcp_write(uint8_t out[DHCP_MESSAGE_MAX], const struct dhcp *dhcp)
{
	struct writer w = {out + OFF_OPTIONS, out + DHCP_MESSAGE_MAX, true};
	size_t len;

	if (dhcp->type < DHCP_DISCOVER || dhcp->type > DHCP_INFORM)
		return -TEE_EINVAL;
	memset(out, 0, DHCP_MESSAGE_MAX);
	out[0] = dhcp->is_reply ? OP_REPLY : OP_REQUEST;
	out[1] = HARDWARE_ETHERNET;
	out[2] = sizeof(dhcp->chaddr.byte);
	store_be32(out + 4, dhcp->xid);
	store_be16(out + 8, dhcp->secs);
	store_be16(out + 10, dhcp->broadcast ? FLAG_BROADCAST : 0);
	memcpy(out + 12, &dhcp->ciaddr.byte[12], 4);
	memcpy(out + 16, &dhcp->yiaddr.byte[12], 4);
	memcpy(out + 20, &dhcp->siaddr.byte[12], 4);
	memcpy(out + 24, &dhcp->giaddr.byte[12], 4);
	memcpy(out + 28, dhcp->chaddr.byte, sizeof(dhcp->chaddr.byte));
	store_be32(out + OFF_MAGIC, MAGIC);
	put_options(&w, dhcp);
	if (!w.ok)
		return -TEE_EINVAL;
	*w.ptr++ = OPT_END;
	len = (size_t)(w.ptr - out);
	return (int)MAX(len, (size_t)LEN_MIN);
}
