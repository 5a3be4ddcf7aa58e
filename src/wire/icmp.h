/* SPDX-License-Identifier: MIT */
/* ICMP (RFC 792, 1191) and ICMPv6 (RFC 4443, 4861) messages. */
#ifndef TEE_WIRE_ICMP_H
#define TEE_WIRE_ICMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <teeceepee/types.h>

enum { ICMP_HEADER_LEN = 8 };

/* ICMP types. */
enum {
	ICMP4_ECHO_REPLY = 0,
	ICMP4_UNREACHABLE = 3,
	ICMP4_SOURCE_QUENCH = 4,
	ICMP4_REDIRECT = 5,
	ICMP4_ECHO_REQUEST = 8,
	ICMP4_TIME_EXCEEDED = 11,
	ICMP4_PARAMETER_PROBLEM = 12,
	ICMP6_UNREACHABLE = 1,
	ICMP6_PACKET_TOO_BIG = 2,
	ICMP6_TIME_EXCEEDED = 3,
	ICMP6_PARAMETER_PROBLEM = 4,
	ICMP6_ECHO_REQUEST = 128,
	ICMP6_ECHO_REPLY = 129,
	ICMP6_MLD_QUERY = 130,
	ICMP6_MLD2_REPORT = 143,
	ICMP6_ROUTER_SOLICIT = 133,
	ICMP6_ROUTER_ADVERT = 134,
	ICMP6_NEIGHBOUR_SOLICIT = 135,
	ICMP6_NEIGHBOUR_ADVERT = 136,
	ICMP6_REDIRECT = 137,
};

struct icmp {
	uint8_t type, code;
	uint16_t checksum;
	uint32_t rest;       /* second word: id and sequence, MTU, pointer, flags */
	const uint8_t *body; /* after the 8 bytes */
	size_t body_len;
};

int icmp_parse(const uint8_t *data, size_t len, struct icmp *ret_icmp);
/* Writes the 8 bytes with checksum 0. */
void icmp_write(uint8_t out[ICMP_HEADER_LEN], const struct icmp *icmp);

/* What an error means, the same for both families. */
enum icmp_error {
	ICMP_ERROR_NONE, /* not an error, or one to be ignored (source quench, MUST-55) */
	ICMP_ERROR_NET_UNREACHABLE,
	ICMP_ERROR_HOST_UNREACHABLE,
	ICMP_ERROR_PROTOCOL_UNREACHABLE,
	ICMP_ERROR_PORT_UNREACHABLE,
	ICMP_ERROR_TOO_BIG,
	ICMP_ERROR_SOURCE_ROUTE_FAILED,
	ICMP_ERROR_NET_PROHIBITED,
	ICMP_ERROR_PROHIBITED,
	ICMP_ERROR_TIME_EXCEEDED,
	ICMP_ERROR_PARAMETER_PROBLEM,
};
/* `version` 4 or 6. ret_mtu: next-hop MTU of ICMP_ERROR_TOO_BIG, 0 when the router didn't say. */
enum icmp_error icmp_error_of(uint8_t version, const struct icmp *icmp, uint32_t *ret_mtu);
/* TEE_E… as which an application hears of it, the same as on Linux; 0: not at all. */
int icmp_error_number(uint8_t version, enum icmp_error error);

/* ---- neighbour discovery ---- */

enum {
	ND_OPT_SOURCE_MAC = 1,
	ND_OPT_TARGET_MAC = 2,
	ND_OPT_PREFIX = 3,
	ND_OPT_MTU = 5,
	ND_OPT_RDNSS = 25,
	ND_OPT_DNSSL = 31
};
enum { ND_PREFIX_MAX = 8, ND_RDNSS_MAX = 4 };

struct nd_prefix {
	struct tee_ip prefix;
	uint8_t bits;
	bool on_link, autonomous;
	uint32_t valid_s, preferred_s; /* 0xffffffff: for ever */
};

/* A solicitation, advertisement (neighbour or router) or redirect, with its options. */
struct nd_message {
	uint8_t type;
	struct tee_ip target;             /* NS, NA, redirect */
	struct tee_ip destination;        /* redirect */
	bool router, solicited, override; /* NA flags */
	bool has_source_mac, has_target_mac;
	struct tee_mac source_mac, target_mac;
	/* router advertisement */
	uint8_t hop_limit;
	bool managed, other;
	uint16_t router_lifetime_s;
	uint32_t reachable_ms, retrans_ms;
	uint32_t mtu;
	unsigned prefix_count, rdnss_count;
	struct nd_prefix prefixes[ND_PREFIX_MAX];
	struct tee_ip rdnss[ND_RDNSS_MAX];
	uint32_t rdnss_lifetime_s;
};

/* Parses the ICMPv6 message (from its type byte). -TEE_EINVAL when malformed (RFC 4861 6.1, 7.1). */
int nd_parse(const uint8_t *data, size_t len, struct nd_message *ret_nd);
/* Writes NS, NA or RS with its link-layer option into `out` (at least 72 bytes); returns the length. */
size_t nd_write(uint8_t *out, const struct nd_message *nd);

#endif
