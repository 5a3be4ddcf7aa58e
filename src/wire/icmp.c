/* SPDX-License-Identifier: MIT */
/*
 * ICMP messages of both families, and what their errors mean in one vocabulary, so that transports need
 * not know the two tables of codes. Neighbour discovery has a file of its own (nd.c).
 */
#include "wire/icmp.h"

#include "base/check.h"
#include "wire/bytes.h"

int icmp_parse(const uint8_t *data, size_t len, struct icmp *ret_icmp)
{
	if (len < ICMP_HEADER_LEN)
		return -TEE_EINVAL;
	*ret_icmp = (struct icmp){
		.type = data[0],
		.code = data[1],
		.checksum = load_be16(data + 2),
		.rest = load_be32(data + 4),
		.body = data + ICMP_HEADER_LEN,
		.body_len = len - ICMP_HEADER_LEN,
	};
	return 0;
}

void icmp_write(uint8_t out[ICMP_HEADER_LEN], const struct icmp *icmp)
{
	out[0] = icmp->type;
	out[1] = icmp->code;
	store_be16(out + 2, 0);
	store_be32(out + 4, icmp->rest);
}

/* Codes of "destination unreachable": RFC 792, RFC 1122 section 3.2.2.1, RFC 1812 section 5.2.7.1. */
static const uint8_t unreachable4[] = {
	ICMP_ERROR_NET_UNREACHABLE,      /* 0 network */
	ICMP_ERROR_HOST_UNREACHABLE,     /* 1 host */
	ICMP_ERROR_PROTOCOL_UNREACHABLE, /* 2 protocol */
	ICMP_ERROR_PORT_UNREACHABLE,     /* 3 port */
	ICMP_ERROR_TOO_BIG,              /* 4 fragmentation needed and DF set */
	ICMP_ERROR_SOURCE_ROUTE_FAILED,  /* 5 source route failed */
	ICMP_ERROR_NET_UNREACHABLE,      /* 6 network unknown */
	ICMP_ERROR_HOST_UNREACHABLE,     /* 7 host unknown */
	ICMP_ERROR_HOST_UNREACHABLE,     /* 8 source host isolated */
	ICMP_ERROR_NET_PROHIBITED,       /* 9 network prohibited */
	ICMP_ERROR_PROHIBITED,           /* 10 host prohibited */
	ICMP_ERROR_NET_UNREACHABLE,      /* 11 network unreachable for this TOS */
	ICMP_ERROR_HOST_UNREACHABLE,     /* 12 host unreachable for this TOS */
	ICMP_ERROR_PROHIBITED,           /* 13 communication prohibited */
	ICMP_ERROR_PROHIBITED,           /* 14 host precedence violation */
	ICMP_ERROR_PROHIBITED,           /* 15 precedence cutoff */
};

/* RFC 4443 section 3.1. */
static const uint8_t unreachable6[] = {
	ICMP_ERROR_NET_UNREACHABLE,  /* 0 no route */
	ICMP_ERROR_PROHIBITED,       /* 1 prohibited */
	ICMP_ERROR_HOST_UNREACHABLE, /* 2 beyond the scope of the source address */
	ICMP_ERROR_HOST_UNREACHABLE, /* 3 address unreachable */
	ICMP_ERROR_PORT_UNREACHABLE, /* 4 port */
	ICMP_ERROR_PROHIBITED,       /* 5 source address failed the policy */
	ICMP_ERROR_PROHIBITED,       /* 6 route rejects */
};

static enum icmp_error error_of4(const struct icmp *icmp, uint32_t *ret_mtu)
{
	switch (icmp->type) {
	case ICMP4_UNREACHABLE:
		if (icmp->code >= ARRAY_LEN(unreachable4))
			return ICMP_ERROR_NONE;
		/* RFC 1191 section 4: the next hop's MTU; 0 from routers that don't know of it */
		if (unreachable4[icmp->code] == ICMP_ERROR_TOO_BIG)
			*ret_mtu = icmp->rest & 0xffff;
		return (enum icmp_error)unreachable4[icmp->code];
	case ICMP4_TIME_EXCEEDED: return ICMP_ERROR_TIME_EXCEEDED;
	case ICMP4_PARAMETER_PROBLEM: return ICMP_ERROR_PARAMETER_PROBLEM;
	/* RFC 9293 MUST-55: source quench is to be passed over in silence. */
	case ICMP4_SOURCE_QUENCH:
	default: return ICMP_ERROR_NONE;
	}
}

static enum icmp_error error_of6(const struct icmp *icmp, uint32_t *ret_mtu)
{
	enum { UNKNOWN_NEXT_HEADER = 1 };

	switch (icmp->type) {
	case ICMP6_UNREACHABLE:
		if (icmp->code >= ARRAY_LEN(unreachable6))
			return ICMP_ERROR_NONE;
		return (enum icmp_error)unreachable6[icmp->code];
	case ICMP6_PACKET_TOO_BIG: *ret_mtu = icmp->rest; return ICMP_ERROR_TOO_BIG;
	case ICMP6_TIME_EXCEEDED: return ICMP_ERROR_TIME_EXCEEDED;
	case ICMP6_PARAMETER_PROBLEM:
		/* RFC 4443 section 3.4: what IPv4 calls an unreachable protocol */
		return icmp->code == UNKNOWN_NEXT_HEADER ? ICMP_ERROR_PROTOCOL_UNREACHABLE
							 : ICMP_ERROR_PARAMETER_PROBLEM;
	default: return ICMP_ERROR_NONE;
	}
}

enum icmp_error icmp_error_of(uint8_t version, const struct icmp *icmp, uint32_t *ret_mtu)
{
	*ret_mtu = 0;
	return version == 4 ? error_of4(icmp, ret_mtu) : error_of6(icmp, ret_mtu);
}

int icmp_error_number(uint8_t version, enum icmp_error error)
{
	switch (error) {
	case ICMP_ERROR_NONE: break;
	case ICMP_ERROR_NET_UNREACHABLE:
	case ICMP_ERROR_NET_PROHIBITED: return TEE_ENETUNREACH;
	case ICMP_ERROR_HOST_UNREACHABLE:
	case ICMP_ERROR_SOURCE_ROUTE_FAILED:
	case ICMP_ERROR_TIME_EXCEEDED: return TEE_EHOSTUNREACH;
	case ICMP_ERROR_PROHIBITED: return version == 4 ? TEE_EHOSTUNREACH : TEE_EACCES;
	case ICMP_ERROR_PROTOCOL_UNREACHABLE: return TEE_ENOPROTOOPT;
	case ICMP_ERROR_PORT_UNREACHABLE: return TEE_ECONNREFUSED;
	case ICMP_ERROR_TOO_BIG: return TEE_EMSGSIZE;
	case ICMP_ERROR_PARAMETER_PROBLEM: return TEE_EPROTO;
	}
	return 0;
}
