/* SPDX-License-Identifier: MIT */
/*
 * Addresses, endpoints and errors as text. IPv4 is dotted decimal, read strictly: four numbers of at
 * most 255 without leading zeros, which some would take for octal. IPv6 is read in every form of RFC 4291
 * section 2.2 and written in the one form of RFC 5952. An IPv4-mapped address is this stack's IPv4
 * address and is written as one.
 */
#include <teeceepee/types.h>

#include <string.h>
#include "base/byteorder.h"
#include "base/check.h"

static const uint8_t ip4_mapped_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

/* clang-format off */
static const char *const error_texts[] = {
	[TEE_EOK] = "success",
	[TEE_EAGAIN] = "would block",
	[TEE_EINPROGRESS] = "the connection is being opened",
	[TEE_EALREADY] = "an earlier connect has not finished",
	[TEE_EISCONN] = "already connected",
	[TEE_ENOTCONN] = "not connected",
	[TEE_ECONNREFUSED] = "connection refused",
	[TEE_ECONNRESET] = "connection reset by the peer",
	[TEE_ECONNABORTED] = "connection aborted",
	[TEE_ETIMEDOUT] = "timed out",
	[TEE_EHOSTUNREACH] = "host unreachable",
	[TEE_ENETUNREACH] = "network unreachable",
	[TEE_ENOPROTOOPT] = "protocol or option not available",
	[TEE_EADDRINUSE] = "address already in use",
	[TEE_EADDRNOTAVAIL] = "address not available",
	[TEE_EAFNOSUPPORT] = "address family doesn't fit",
	[TEE_EINVAL] = "invalid argument",
	[TEE_EPIPE] = "sending was shut down",
	[TEE_EMSGSIZE] = "message too long",
	[TEE_ENOMEM] = "out of memory",
	[TEE_ENOBUFS] = "a configured limit was reached",
	[TEE_EDESTADDRREQ] = "destination address required",
	[TEE_EACCES] = "permission denied",
	[TEE_EOPNOTSUPP] = "operation not supported",
	[TEE_EIO] = "the link failed",
	[TEE_ENODEV] = "no such interface or link",
	[TEE_ENOENT] = "not found",
	[TEE_EPERM] = "a privilege is missing",
	[TEE_EPROTO] = "protocol error",
	[TEE_ECANCELED] = "canceled",
	[TEE_ENETDOWN] = "interface is down",
};
/* clang-format on */
_Static_assert(ARRAY_LEN(error_texts) == TEE_ERROR_COUNT, "every error has a text");

const char *tee_strerror(int error)
{
	unsigned idx = error < 0 ? 0u - (unsigned)error : (unsigned)error;

	return idx < TEE_ERROR_COUNT ? error_texts[idx] : "unknown error";
}

bool tee_ip_is4(const struct tee_ip *ip)
{
	return memcmp(ip->byte, ip4_mapped_prefix, sizeof(ip4_mapped_prefix)) == 0;
}

bool tee_ip_equal(const struct tee_ip *a, const struct tee_ip *b)
{
	return memcmp(a->byte, b->byte, sizeof(a->byte)) == 0;
}

bool tee_ip_is_any(const struct tee_ip *ip)
{
	return tee_ip_equal(ip, &TEE_IP_ANY) || tee_ip_equal(ip, &TEE_IP4(0, 0, 0, 0));
}

/* ---- reading; each reader moves *text past what it took and says whether it took something ---- */

static bool read_decimal(const char **text, unsigned max, unsigned *ret_value)
{
	const char *ptr = *text;
	unsigned value = 0;

	if (*ptr < '0' || *ptr > '9' || (*ptr == '0' && ptr[1] >= '0' && ptr[1] <= '9'))
		return false;
	for (; *ptr >= '0' && *ptr <= '9'; ptr++) {
		value = value * 10 + (unsigned)(*ptr - '0');
		if (value > max)
			return false;
	}
	*text = ptr;
	*ret_value = value;
	return true;
}

static bool read_ip4(const char **text, uint8_t *ret_bytes)
{
	const char *ptr = *text;

	for (unsigned i = 0; i < 4; i++) {
		unsigned value;

		if ((i > 0 && *ptr++ != '.') || !read_decimal(&ptr, 255, &value))
			return false;
		ret_bytes[i] = (uint8_t)value;
	}
	*text = ptr;
	return true;
}

/* One to four hexadecimal digits. */
static bool read_group(const char **text, uint8_t *ret_bytes)
{
	const char *ptr = *text;
	unsigned value = 0;

	for (; ptr < *text + 4; ptr++) {
		char lower = (char)(*ptr | 0x20);

		if (*ptr >= '0' && *ptr <= '9')
			value = value << 4 | (unsigned)(*ptr - '0');
		else if (lower >= 'a' && lower <= 'f')
			value = value << 4 | (unsigned)(lower - 'a' + 10);
		else
			break;
	}
	if (ptr == *text)
		return false;
	store_be16(ret_bytes, (uint16_t)value);
	*text = ptr;
	return true;
}

/* RFC 4291 section 2.2: groups, one "::" for a run of zeros, maybe IPv4 for the last two groups. */
static bool read_ip6(const char **text, uint8_t *ret_bytes)
{
	uint8_t bytes[16] = {0};
	unsigned len = 0, gap = 0;
	bool has_gap = false, is_after_colon = false;
	const char *ptr = *text;

	if (ptr[0] == ':' && ptr[1] != ':')
		return false;
	while (len < 16) {
		if (ptr[0] == ':' && ptr[1] == ':' && !has_gap) {
			has_gap = true;
			gap = len;
			ptr += 2;
			is_after_colon = false;
			continue;
		}
		if (len <= 12 && read_ip4(&ptr, &bytes[len])) {
			len += 4;
			is_after_colon = false;
			break;
		}
		if (!read_group(&ptr, &bytes[len]))
			break;
		len += 2;
		is_after_colon = ptr[0] == ':' && ptr[1] != ':' && len < 16;
		if (is_after_colon)
			ptr++;
		else if (ptr[0] != ':')
			break;
	}
	/* "::" stands for at least one group, and for what is missing. */
	if (is_after_colon || (has_gap ? len > 14 : len < 16))
		return false;
	memset(ret_bytes, 0, 16);
	memcpy(ret_bytes, bytes, has_gap ? gap : 16);
	if (has_gap)
		memcpy(ret_bytes + 16 - (len - gap), bytes + gap, len - gap);
	*text = ptr;
	return true;
}

static bool read_ip(const char **text, struct tee_ip *ret_ip)
{
	uint8_t bytes[16];

	memcpy(bytes, ip4_mapped_prefix, sizeof(ip4_mapped_prefix));
	if (!read_ip4(text, bytes + 12) && !read_ip6(text, bytes))
		return false;
	memcpy(ret_ip->byte, bytes, sizeof(bytes));
	return true;
}

int tee_ip_parse(const char *text, struct tee_ip *ret_ip)
{
	struct tee_ip ip;

	if (!read_ip(&text, &ip) || *text != '\0')
		return -TEE_EINVAL;
	*ret_ip = ip;
	return 0;
}

int tee_ip_parse_prefix(const char *text, struct tee_ip *ret_ip, unsigned *ret_prefix_bits)
{
	struct tee_ip ip;
	unsigned bits, bits_max;

	if (!read_ip(&text, &ip))
		return -TEE_EINVAL;
	bits = bits_max = tee_ip_is4(&ip) ? 32 : 128;
	if (*text == '/') {
		text++;
		if (!read_decimal(&text, bits_max, &bits))
			return -TEE_EINVAL;
	}
	if (*text != '\0')
		return -TEE_EINVAL;
	*ret_ip = ip;
	*ret_prefix_bits = bits;
	return 0;
}

int tee_endpoint_parse(const char *text, struct tee_endpoint *ret_endpoint)
{
	struct tee_endpoint endpoint = {.netif = 0};
	bool has_brackets = *text == '[';
	unsigned port;

	text += has_brackets;
	if (!read_ip(&text, &endpoint.ip))
		return -TEE_EINVAL;
	/* Without brackets the colon before the port would be one of the address's own. */
	if (!has_brackets && !tee_ip_is4(&endpoint.ip))
		return -TEE_EINVAL;
	if (has_brackets && *text++ != ']')
		return -TEE_EINVAL;
	if (*text++ != ':' || !read_decimal(&text, 65535, &port) || *text != '\0')
		return -TEE_EINVAL;
	endpoint.port = (uint16_t)port;
	*ret_endpoint = endpoint;
	return 0;
}

/* ---- writing; each writer returns where it ended ---- */

static char *write_decimal(char *out, unsigned value)
{
	if (value >= 10)
		out = write_decimal(out, value / 10);
	*out = (char)('0' + value % 10);
	return out + 1;
}

static char *write_hex(char *out, unsigned value)
{
	if (value >= 16)
		out = write_hex(out, value / 16);
	*out = "0123456789abcdef"[value % 16];
	return out + 1;
}

static char *write_ip4(char *out, const uint8_t *bytes)
{
	for (unsigned i = 0; i < 4; i++) {
		if (i > 0)
			*out++ = '.';
		out = write_decimal(out, bytes[i]);
	}
	return out;
}

/* The longest run of zero groups, the first of equals, of two groups or more (RFC 5952 4.2). */
static unsigned longest_zero_run(const uint8_t *bytes, unsigned *ret_count)
{
	unsigned best = 8, best_count = 1, count = 0;

	for (unsigned i = 0; i < 8; i++) {
		count = load_be16(&bytes[2 * i]) == 0 ? count + 1 : 0;
		if (count > best_count) {
			best_count = count;
			best = i + 1 - count;
		}
	}
	*ret_count = best == 8 ? 0 : best_count;
	return best;
}

static char *write_ip6(char *out, const uint8_t *bytes)
{
	unsigned gap_count;
	unsigned gap = longest_zero_run(bytes, &gap_count);

	for (unsigned i = 0; i < 8; i++) {
		if (i == gap) {
			*out++ = ':';
			*out++ = ':';
			i += gap_count - 1;
			continue;
		}
		if (i > 0 && i != gap + gap_count)
			*out++ = ':';
		out = write_hex(out, load_be16(&bytes[2 * i]));
	}
	return out;
}

static char *write_ip(char *out, const struct tee_ip *ip)
{
	return tee_ip_is4(ip) ? write_ip4(out, ip->byte + 12) : write_ip6(out, ip->byte);
}

const char *tee_ip_format(const struct tee_ip *ip, char text[TEE_IP_TEXT_SIZE])
{
	*write_ip(text, ip) = '\0';
	return text;
}

const char *tee_endpoint_format(const struct tee_endpoint *endpoint,
				char text[TEE_ENDPOINT_TEXT_SIZE])
{
	bool has_brackets = !tee_ip_is4(&endpoint->ip);
	char *out = text;

	if (has_brackets)
		*out++ = '[';
	out = write_ip(out, &endpoint->ip);
	if (has_brackets)
		*out++ = ']';
	*out++ = ':';
	*write_decimal(out, endpoint->port) = '\0';
	return text;
}
