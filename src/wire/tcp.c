/* SPDX-License-Identifier: MIT */
/*
 * TCP headers (RFC 9293 section 3.1). Parsing never fails for the sake of an option: what is unknown is
 * skipped (MUST-6), and an option whose length cannot be right ends the walk (MUST-7); what came before
 * it counts. An option of a known kind with a length that its RFC does not allow is skipped too.
 *
 * Writing puts options in an order that many stacks share, each aligned with NOPs in front, so that
 * common headers look the same on the wire everywhere:
 *
 *	MSS | SACK-permitted or NOP NOP, timestamps | NOP NOP SACK-permitted | NOP window scale |
 *	NOP NOP SACK | fast open | AccECN
 *
 * Which of them fit is decided first (struct layout); the writer then only follows.
 */
#include "wire/tcp.h"

#include <string.h>
#include "base/check.h"
#include "wire/bytes.h"

enum {
	LEN_MSS = 4,
	LEN_WSCALE = 3,
	LEN_SACK_PERMITTED = 2,
	LEN_TIMESTAMPS = TCP_OPT_TIMESTAMPS_LEN,
	LEN_SACK_BLOCK = 8,
	LEN_ACCECN_COUNTER = 3,
	LEN_FASTOPEN_EXP = 4, /* kind, length and the magic number (RFC 7413 appendix A) */
};

/* ---- parsing ---- */

static void parse_sack(struct reader body, struct tcp_options *options)
{
	size_t len = reader_left(&body);

	if (len == 0 || len % LEN_SACK_BLOCK != 0 || len / LEN_SACK_BLOCK > TCP_SACK_MAX)
		return;
	options->sack_count = (uint8_t)(len / LEN_SACK_BLOCK);
	for (unsigned i = 0; i < options->sack_count; i++) {
		options->sack[i].left = seq32(reader_be32(&body));
		options->sack[i].right = seq32(reader_be32(&body));
	}
}

/* RFC 7413 section 4.1.1: a cookie has 4 to 16 bytes, evenly many; none is a request. */
static void parse_fastopen(struct reader body, bool is_experimental, struct tcp_options *options)
{
	size_t len = reader_left(&body);
	const uint8_t *cookie = reader_take(&body, len);

	if (len > TCP_FASTOPEN_COOKIE_MAX || len % 2 != 0 || (len > 0 && len < 4)) {
		options->fastopen_malformed = true;
		return;
	}
	options->has_fastopen = true;
	options->fastopen_exp = is_experimental;
	options->fastopen_len = (uint8_t)len;
	memcpy(options->fastopen_cookie, cookie, len);
}

/* RFC 9768 section 3.2.3: up to three counters of 24 bits; whatever else stands in it is padding. */
static void parse_accecn(struct reader body, uint8_t order, struct tcp_options *options)
{
	size_t len = reader_left(&body);

	options->has_accecn = true;
	options->accecn_order = order;
	options->accecn_count = (uint8_t)MIN(len / LEN_ACCECN_COUNTER, 3u);
	for (unsigned i = 0; i < options->accecn_count; i++) {
		uint32_t high = reader_u8(&body);

		options->accecn[i] = high << 16 | reader_be16(&body);
	}
}

/* MUST-4, at any octet (MUST-64). One option, of which kind and length were read; the body is exactly as long as that says. */
static void parse_option(uint8_t kind, struct reader body, struct tcp_options *options)
{
	size_t len = reader_left(&body);

	switch (kind) {
	case TCP_OPT_MSS:
		if (len == LEN_MSS - 2) {
			options->has_mss = true;
			options->mss = reader_be16(&body);
		}
		break;
	case TCP_OPT_WSCALE:
		if (len == LEN_WSCALE - 2) {
			options->has_wscale = true;
			options->wscale = reader_u8(&body);
		}
		break;
	case TCP_OPT_SACK_PERMITTED: options->has_sack_permitted |= len == 0; break;
	case TCP_OPT_SACK: parse_sack(body, options); break;
	case TCP_OPT_TIMESTAMPS:
		if (len == LEN_TIMESTAMPS - 2) {
			options->has_ts = true;
			options->ts_val = reader_be32(&body);
			options->ts_ecr = reader_be32(&body);
		}
		break;
	case TCP_OPT_MD5: options->is_signed = true; break;
	case TCP_OPT_FASTOPEN: parse_fastopen(body, false, options); break;
	case TCP_OPT_ACCECN0: parse_accecn(body, 0, options); break;
	case TCP_OPT_ACCECN1: parse_accecn(body, 1, options); break;
	case TCP_OPT_EXPERIMENT:
		if (reader_be16(&body) == TCP_FASTOPEN_MAGIC && body.ok)
			parse_fastopen(body, true, options);
		break;
	default: break; /* MUST-6: an unknown option is passed over by its length */
	}
}

void tcp_parse_options(const uint8_t *options, size_t len, struct tcp_options *ret_options)
{
	struct reader r = reader(options, len);

	memset(ret_options, 0, sizeof(*ret_options));
	if (len == 12 && load_be32(options) == TCP_TIMESTAMPS_WORD) {
		ret_options->has_ts = true;
		ret_options->ts_val = load_be32(options + 4);
		ret_options->ts_ecr = load_be32(options + 8);
		return;
	}
	while (reader_left(&r) > 0) {
		uint8_t kind = reader_u8(&r), option_len;
		const uint8_t *body;

		if (kind == TCP_OPT_EOL)
			return; /* MUST-5; what follows is padding */
		if (kind == TCP_OPT_NOP)
			continue;
		option_len = reader_u8(&r);
		/* MUST-7: no sense can be made of what follows an impossible length. */
		body = option_len >= 2 ? reader_take(&r, option_len - 2u) : NULL;
		if (!body) {
			ret_options->was_malformed = true;
			return;
		}
		parse_option(kind, reader(body, option_len - 2u), ret_options);
	}
}

int tcp_parse(const uint8_t *data, size_t len, struct tcp_header *ret_tcp)
{
	unsigned header_len;

	if (len < TCP_HEADER_LEN)
		return -TEE_EINVAL;
	header_len = (data[12] >> 4) * 4u;
	if (header_len < TCP_HEADER_LEN || header_len > len)
		return -TEE_EINVAL;
	ret_tcp->src_port = load_be16(data);
	ret_tcp->dst_port = load_be16(data + 2);
	ret_tcp->seq = seq32(load_be32(data + 4));
	ret_tcp->ack = seq32(load_be32(data + 8));
	ret_tcp->header_len = (uint8_t)header_len;
	/* RFC 9293 3.1: reserved bits are ignored on receipt; AE is the last of the former four. */
	ret_tcp->reserved = data[12] >> 1 & 7;
	ret_tcp->flags = load_be16(data + 12) & 0x1ff;
	ret_tcp->window = load_be16(data + 14); /* MUST-1: unsigned */
	ret_tcp->checksum = load_be16(data + 16);
	ret_tcp->urgent = load_be16(data + 18);
	tcp_parse_options(data + TCP_HEADER_LEN, header_len - TCP_HEADER_LEN, &ret_tcp->options);
	return 0;
}

/* ---- writing ---- */

/* What of the options goes into a header, and how long that is with its alignment. */
struct layout {
	unsigned sack_count;
	bool has_fastopen, has_accecn;
	unsigned accecn_count;
	unsigned len;
};

static unsigned align4(unsigned len)
{
	return (len + 3) & ~3u;
}

static unsigned fastopen_len(const struct tcp_options *options)
{
	unsigned body = MIN(options->fastopen_len, (unsigned)TCP_FASTOPEN_COOKIE_MAX);

	return (options->fastopen_exp ? (unsigned)LEN_FASTOPEN_EXP : 2) + body;
}

/* The NOPs ahead of what follows an AccECN option, which may stand there instead of them. */
static unsigned spare_nops(const struct tcp_options *options, unsigned sack_count)
{
	if (options->has_sack_permitted && !options->has_ts)
		return 2;
	if (options->has_wscale)
		return 1;
	return sack_count > 0 ? 2 : 0;
}

/* What an option with so many counters adds to the header. */
static unsigned accecn_cost(unsigned counters, unsigned spare)
{
	unsigned len = 2 + LEN_ACCECN_COUNTER * counters, over = len & 3;

	return over <= spare ? len - over : align4(len);
}

/* MSS, SACK-permitted, timestamps and window scale together take 20 bytes and always fit. */
static unsigned fixed_len(const struct tcp_options *options)
{
	unsigned len = 0;

	if (options->has_mss)
		len += LEN_MSS;
	if (options->has_ts)
		len += 2 + LEN_TIMESTAMPS; /* SACK-permitted takes the place of the NOPs */
	else if (options->has_sack_permitted)
		len += 2 + LEN_SACK_PERMITTED;
	if (options->has_wscale)
		len += 1 + LEN_WSCALE;
	return len;
}

/*
 * RFC 9768 3.2.3.3: as many counters as there is room for beside the SACK blocks, but none of those that changed is
 * left out; sooner the whole option is. For what changed one SACK block may go, as long as two are left.
 */
static void lay_out_accecn(const struct tcp_options *options, struct layout *layout)
{
	unsigned most = MIN((unsigned)options->accecn_count, 3u), least = options->accecn_min;

	for (unsigned blocks = layout->sack_count;; blocks--) {
		unsigned len = layout->len - (layout->sack_count - blocks) * LEN_SACK_BLOCK;
		unsigned spare = spare_nops(options, blocks);

		for (unsigned n = most + 1; n-- > least;) {
			if (len + accecn_cost(n, spare) > TCP_OPTIONS_MAX)
				continue;
			layout->has_accecn = true;
			layout->accecn_count = n;
			layout->sack_count = blocks;
			layout->len = len + accecn_cost(n, spare);
			return;
		}
		if (blocks <= 2 || least == 0)
			return;
	}
}

/* Room is given in the order of importance: fast open, as many SACK blocks as fit, AccECN. */
static struct layout lay_out(const struct tcp_options *options)
{
	struct layout layout = {.len = fixed_len(options)};
	unsigned room;

	if (options->has_fastopen &&
	    layout.len + align4(fastopen_len(options)) <= TCP_OPTIONS_MAX) {
		layout.has_fastopen = true;
		layout.len += align4(fastopen_len(options));
	}
	room = TCP_OPTIONS_MAX - layout.len;
	if (options->sack_count > 0 && room >= 4 + LEN_SACK_BLOCK) {
		layout.sack_count = MIN((unsigned)options->sack_count, (room - 4) / LEN_SACK_BLOCK);
		layout.len += 4 + layout.sack_count * LEN_SACK_BLOCK;
	}
	if (options->has_accecn)
		lay_out_accecn(options, &layout);
	return layout;
}

bool tcp_options_carry_accecn(const struct tcp_options *options)
{
	return options->has_accecn && lay_out(options).has_accecn;
}

size_t tcp_options_len(const struct tcp_options *options)
{
	return lay_out(options).len;
}

/* Writes `count` NOPs and the head of an option, kind and length (MUST-68); returns where its body goes. */
static uint8_t *put_option(uint8_t *out, unsigned nops_count, uint8_t kind, unsigned len)
{
	memset(out, TCP_OPT_NOP, nops_count);
	out[nops_count] = kind;
	out[nops_count + 1] = (uint8_t)len;
	return out + nops_count + 2;
}

static uint8_t *put_timestamps(uint8_t *out, const struct tcp_options *options)
{
	if (options->has_sack_permitted) {
		out = put_option(out, 0, TCP_OPT_SACK_PERMITTED, LEN_SACK_PERMITTED);
		out = put_option(out, 0, TCP_OPT_TIMESTAMPS, LEN_TIMESTAMPS);
	} else {
		out = put_option(out, 2, TCP_OPT_TIMESTAMPS, LEN_TIMESTAMPS);
	}
	store_be32(out, options->ts_val);
	store_be32(out + 4, options->ts_ecr);
	return out + 8;
}

static uint8_t *put_sack(uint8_t *out, const struct tcp_options *options, unsigned nops_count,
			 unsigned count)
{
	out = put_option(out, nops_count, TCP_OPT_SACK, 2 + count * LEN_SACK_BLOCK);
	for (unsigned i = 0; i < count; i++, out += LEN_SACK_BLOCK) {
		store_be32(out, options->sack[i].left.raw);
		store_be32(out + 4, options->sack[i].right.raw);
	}
	return out;
}

/* The two last kinds have odd lengths; NOPs after them keep the next one aligned. */
static uint8_t *put_nops_to_word(uint8_t *out, unsigned len)
{
	memset(out, TCP_OPT_NOP, align4(len) - len);
	return out + align4(len) - len;
}

static uint8_t *put_fastopen(uint8_t *out, const struct tcp_options *options)
{
	unsigned len = fastopen_len(options);
	unsigned cookie_len = MIN(options->fastopen_len, (unsigned)TCP_FASTOPEN_COOKIE_MAX);

	if (options->fastopen_exp) {
		out = put_option(out, 0, TCP_OPT_EXPERIMENT, len);
		store_be16(out, TCP_FASTOPEN_MAGIC);
		out += 2;
	} else {
		out = put_option(out, 0, TCP_OPT_FASTOPEN, len);
	}
	memcpy(out, options->fastopen_cookie, cookie_len);
	return put_nops_to_word(out + cookie_len, len);
}

/* `ret_spared`: how many of the NOPs ahead of the next option it has taken the place of. */
static uint8_t *put_accecn(uint8_t *out, const struct tcp_options *options,
			   const struct layout *layout, unsigned *ret_spared)
{
	unsigned count = layout->accecn_count, len = 2 + LEN_ACCECN_COUNTER * count;

	out = put_option(out, 0, options->accecn_order ? TCP_OPT_ACCECN1 : TCP_OPT_ACCECN0, len);
	for (unsigned i = 0; i < count; i++) {
		*out++ = (uint8_t)(options->accecn[i] >> 16);
		store_be16(out, (uint16_t)options->accecn[i]);
		out += 2;
	}
	if ((len & 3) <= spare_nops(options, layout->sack_count)) {
		*ret_spared = len & 3;
		return out;
	}
	return put_nops_to_word(out, len);
}

static uint8_t *put_options(uint8_t *out, const struct tcp_options *options,
			    const struct layout *layout)
{
	unsigned spared = 0;

	if (options->has_mss) {
		out = put_option(out, 0, TCP_OPT_MSS, LEN_MSS);
		store_be16(out, options->mss);
		out += 2;
	}
	if (options->has_ts)
		out = put_timestamps(out, options);
	if (layout->has_accecn)
		out = put_accecn(out, options, layout, &spared);
	if (options->has_sack_permitted && !options->has_ts) {
		out = put_option(out, 2 - spared, TCP_OPT_SACK_PERMITTED, LEN_SACK_PERMITTED);
		spared = 0;
	}
	if (options->has_wscale) {
		out = put_option(out, 1 - spared, TCP_OPT_WSCALE, LEN_WSCALE);
		*out++ = options->wscale;
		spared = 0;
	}
	if (layout->sack_count > 0)
		out = put_sack(out, options, 2 - spared, layout->sack_count);
	if (layout->has_fastopen)
		out = put_fastopen(out, options);
	return out;
}

size_t tcp_write(uint8_t out[TCP_HEADER_MAX], const struct tcp_header *tcp)
{
	struct layout layout = lay_out(&tcp->options);
	size_t header_len = TCP_HEADER_LEN + layout.len;
	uint8_t *end;

	store_be16(out, tcp->src_port);
	store_be16(out + 2, tcp->dst_port);
	store_be32(out + 4, tcp->seq.raw);
	store_be32(out + 8, tcp->ack.raw);
	store_be16(out + 12, (uint16_t)(header_len / 4 << 12 | (tcp->reserved & 7u) << 9 |
					(tcp->flags & 0x1ffu)));
	store_be16(out + 14, tcp->window);
	store_be16(out + 16, 0);
	store_be16(out + 18, tcp->urgent);
	end = put_options(out + TCP_HEADER_LEN, &tcp->options, &layout);
	/* Every option above ends on a word, so that no padding of zeros is needed (MUST-69). */
	CHECK(end == out + header_len);
	return header_len;
}
