/* SPDX-License-Identifier: MIT */
/* Between ecn.c and accecn.c: the ACE field, and AccECN's counters (RFC 9768). */
#ifndef TEE_TCP_ACCECN_H
#define TEE_TCP_ACCECN_H

#include "tcp/ecn.h"

enum { ACE_FLAGS = TEE_TCP_AE | TEE_TCP_CWR | TEE_TCP_ECE };

static inline unsigned ace_of_flags(uint16_t flags)
{
	return (flags & TEE_TCP_AE ? 4u : 0u) | (flags & TEE_TCP_CWR ? 2u : 0u) |
	       (flags & TEE_TCP_ECE ? 1u : 0u);
}

static inline uint16_t flags_of_ace(unsigned ace)
{
	return (uint16_t)((ace & 4 ? TEE_TCP_AE : 0) | (ace & 2 ? TEE_TCP_CWR : 0) |
			  (ace & 1 ? TEE_TCP_ECE : 0));
}

/* RFC 9768 3.1.1 and 3.2.2.1: how the handshake tells of an IP field, by its ECN bits. */
uint8_t accecn_handshake_ace(uint8_t ip_ecn);
/* The mode is entered; the peer's SYN or SYN-ACK came with these bits. */
void accecn_start(struct ecn *ecn, uint8_t ip_ecn);
/* Client: the SYN-ACK said `ace` of our SYN, and came with `ip_ecn`. */
void accecn_on_syn_ack(struct ecn *ecn, unsigned ace, uint8_t ip_ecn,
		       const struct tcp_options *options);
uint16_t accecn_out_flags(struct ecn *ecn);
/* Marks newly reported, and in `ret_bytes` how many octets carried them. */
uint32_t accecn_on_ack(struct ecn *ecn, const struct ecn_ack *ack, uint32_t *ret_bytes);

#endif
