/* SPDX-License-Identifier: MIT */
/*
 * TCP headers (RFC 9293 section 3.1) and options: bytes <-> one plain struct. Options known: MSS, window
 * scale, SACK-permitted, SACK, timestamps (RFC 7323, 2018), fast open (RFC 7413 and its experimental
 * form), AccECN (RFC 9768). Others are skipped (MUST-6); an illegal length ends the walk and
 * keeps what came before it (MUST-7).
 */
#ifndef TEE_WIRE_TCP_H
#define TEE_WIRE_TCP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <teeceepee/trace.h>
#include "base/seq.h"

enum { TCP_HEADER_LEN = 20, TCP_HEADER_MAX = 60, TCP_OPTIONS_MAX = 40, TCP_SACK_MAX = 4 };
enum {
	TCP_OPT_EOL = 0,
	TCP_OPT_NOP = 1,
	TCP_OPT_MSS = 2,
	TCP_OPT_WSCALE = 3,
	TCP_OPT_SACK_PERMITTED = 4,
	TCP_OPT_SACK = 5,
	TCP_OPT_TIMESTAMPS = 8,
	TCP_OPT_MD5 = 19,
	TCP_OPT_FASTOPEN = 34,
	TCP_OPT_ACCECN0 = 172,
	TCP_OPT_ACCECN1 = 174,
	TCP_OPT_EXPERIMENT = 254,
};
enum { TCP_OPT_TIMESTAMPS_LEN = 10 };
/* NOP, NOP, timestamps: the first word of the options of most segments. */
#define TCP_TIMESTAMPS_WORD                                                   \
 ((uint32_t)TCP_OPT_NOP << 24 | TCP_OPT_NOP << 16 | TCP_OPT_TIMESTAMPS << 8 | \
  TCP_OPT_TIMESTAMPS_LEN)
enum { TCP_FASTOPEN_COOKIE_MAX = 16, TCP_FASTOPEN_MAGIC = 0xf989 };

struct tcp_sack_block {
	struct seq32 left, right;
};

struct tcp_options {
	bool has_mss, has_wscale, has_sack_permitted, has_ts, has_fastopen, has_accecn;
	bool fastopen_exp;       /* came (or goes) in the experimental form */
	bool fastopen_malformed; /* came with a cookie of a length that RFC 7413 doesn't know */
	bool was_malformed;
	bool is_signed; /* RFC 2385 */
	uint16_t mss;
	uint8_t wscale; /* as it came, may exceed 14 (RFC 7323 2.3: clamp it) */
	uint32_t ts_val, ts_ecr;
	uint8_t sack_count;
	struct tcp_sack_block sack[TCP_SACK_MAX];
	uint8_t fastopen_len; /* of the cookie; 0: a request */
	uint8_t fastopen_cookie[TCP_FASTOPEN_COOKIE_MAX];
	uint8_t accecn_order; /* 0 or 1 */
	uint8_t accecn_count; /* counters present, or to be sent, 0..3 */
	uint8_t accecn_min;   /* to be sent: of these, sooner no option than without so many */
	uint32_t accecn[3];   /* 24-bit counters in wire order */
};

struct tcp_header {
	uint16_t src_port, dst_port;
	struct seq32 seq, ack;
	uint16_t flags;  /* TEE_TCP_… with TEE_TCP_AE */
	uint16_t window; /* unscaled (MUST-1) */
	uint16_t checksum;
	uint16_t urgent;
	uint8_t header_len; /* with options */
	uint8_t reserved;   /* three bits */
	struct tcp_options options;
};

/* -TEE_EINVAL when the header is too short or its data offset lies; options never make it fail. */
int tcp_parse(const uint8_t *data, size_t len, struct tcp_header *ret_tcp);
/* For a segment whose options are only NOP NOP timestamps (the common case) or none. */
void tcp_parse_options(const uint8_t *options, size_t len, struct tcp_options *ret_options);

/*
 * Writes header and options, checksum field 0, and returns the length, a multiple of four: options are
 * aligned with NOPs, and no End of Option List with its padding of zeros (MUST-69) is needed. Options that
 * do not fit 40 bytes are left out in this order: AccECN, SACK blocks from the last, fast open.
 */
size_t tcp_write(uint8_t out[TCP_HEADER_MAX], const struct tcp_header *tcp);
/* Is there room for the AccECN option that it has? */
bool tcp_options_carry_accecn(const struct tcp_options *options);
/* How long tcp_write()'s options part would be. */
size_t tcp_options_len(const struct tcp_options *options);

#endif
