/* SPDX-License-Identifier: MIT */
/*
 * Explicit congestion notification of one connection (SHLD-8).
 *
 * Classic (RFC 3168): a receiver that got a CE mark sets ECE on everything it sends until the sender
 * answers with CWR; so the sender learns at most once a round trip that there was a mark.
 *
 * Accurate (RFC 9768): ECE, CWR and AE together are a 3-bit counter (ACE) of the CE-marked packets received,
 * modulo 8, which starts at 5. An option may add counters of bytes. During the handshake the same
 * three bits repeat how the other's SYN or SYN-ACK arrived, which shows whether the path tampers with the
 * IP field.
 *
 *		AE CWR ECE
 *   SYN	1  1   1	AccECN, or
 *		0  1   1	classic is offered
 *   SYN-ACK	0  1   0	AccECN, the SYN came Not-ECT;	0 1 1: ECT(1)	1 0 0: ECT(0)	1 1 0: CE
 *		0  0   1	classic (also 1 0 1);		0 0 0, 1 1 1: none
 *   ACK of it	as on the SYN-ACK, telling of the SYN-ACK
 */
#include "tcp/ecn.h"

#include <string.h>
#include <teeceepee/config.h>
#include "base/check.h"

enum {
	ACE_FLAGS = TEE_TCP_AE | TEE_TCP_CWR | TEE_TCP_ECE,
	CEP_START = 5,    /* RFC 9768 3.2.1 */
	BYTES_START = 1,  /* of the ECT counters, so that a zeroed option shows */
	CE_ACK_EVERY = 2, /* 3.2.2.5.1: an ACK for every second CE mark */
	COUNTER_MASK = 0xffffff,
};

static unsigned ace_of_flags(uint16_t flags)
{
	return (flags & TEE_TCP_AE ? 4u : 0u) | (flags & TEE_TCP_CWR ? 2u : 0u) |
	       (flags & TEE_TCP_ECE ? 1u : 0u);
}

static uint16_t flags_of_ace(unsigned ace)
{
	return (uint16_t)((ace & 4 ? TEE_TCP_AE : 0) | (ace & 2 ? TEE_TCP_CWR : 0) |
			  (ace & 1 ? TEE_TCP_ECE : 0));
}

/* RFC 9768 3.1.1 and 3.2.2.1: how the handshake tells of an IP field, by its ECN bits. */
static const uint8_t handshake_ace[4] = {
	[ECN_NOT_ECT] = 2,
	[ECN_ECT1] = 3,
	[ECN_ECT0] = 4,
	[ECN_CE] = 6,
};

void ecn_init(struct ecn *ecn)
{
	memset(ecn, 0, sizeof(*ecn));
}

static void start_accurate(struct ecn *ecn)
{
	ecn->mode = ECN_MODE_ACCURATE;
	ecn->ce_packets_in = ecn->ce_packets_acked = CEP_START;
	ecn->ect0_bytes_in = ecn->ect1_bytes_in = BYTES_START;
}

uint16_t ecn_syn_flags(int wanted_mode)
{
	switch (wanted_mode) {
	case TEE_ECN_ON: return TEE_TCP_ECE | TEE_TCP_CWR; /* RFC 3168 6.1.1 */
	case TEE_ECN_ACCURATE: return ACE_FLAGS;
	default: return 0;
	}
}

uint16_t ecn_on_syn(struct ecn *ecn, int wanted_mode, uint16_t syn_flags, uint8_t ip_ecn)
{
	unsigned ace = ace_of_flags(syn_flags);

	ecn_init(ecn);
	if (wanted_mode == TEE_ECN_OFF)
		return 0;
	if (ace == 7 && wanted_mode == TEE_ECN_ACCURATE) {
		start_accurate(ecn);
		ecn->awaits_handshake = true;
		return flags_of_ace(handshake_ace[ip_ecn & ECN_MASK]);
	}
	/*
	 * RFC 3168 6.1.1: a SYN that offers classic ECN is never ECT itself; one that is was tampered with, or
	 * means something else. An AccECN offer that we don't take up is answered as a classic one.
	 */
	if (ace == 7 || (ace == 3 && (ip_ecn & ECN_MASK) == ECN_NOT_ECT)) {
		ecn->mode = ECN_MODE_CLASSIC;
		return TEE_TCP_ECE;
	}
	return 0;
}

void ecn_on_syn_ack(struct ecn *ecn, uint16_t offered_flags, uint16_t syn_ack_flags, uint8_t ip_ecn)
{
	unsigned offered = ace_of_flags(offered_flags), ace = ace_of_flags(syn_ack_flags);

	ecn_init(ecn);
	if (offered == 0)
		return;
	/* RFC 3168 6.1.1: ECE without CWR; AE is no one's business in classic ECN. */
	if ((ace & 3) == 1) {
		ecn->mode = ECN_MODE_CLASSIC;
		return;
	}
	if (offered != 7 || ace == 0 || ace == 7)
		return;
	start_accurate(ecn);
	ecn->handshake_ace = handshake_ace[ip_ecn & ECN_MASK];
	if ((ip_ecn & ECN_MASK) == ECN_CE)
		ecn->ce_packets_in++;
}

static bool classic_on_segment(struct ecn *ecn, uint16_t flags, uint8_t ip_ecn, uint32_t len)
{
	bool ack_now = false;

	/* RFC 3168 6.1.3: CWR ends the echo, and a mark on the same segment begins a new one. */
	if (flags & TEE_TCP_CWR && ecn->echo) {
		ecn->echo = false;
		/* The sender's window may be a single segment now: it must not wait for a delayed ACK. */
		ack_now = len > 0;
	}
	if (ip_ecn == ECN_CE) {
		ack_now |= !ecn->echo;
		ecn->echo = true;
	}
	return ack_now;
}

static bool accurate_on_segment(struct ecn *ecn, uint8_t ip_ecn, uint32_t len, uint32_t segs)
{
	bool ack_now = false;

	if (ip_ecn == ECN_CE) {
		ecn->ce_packets_in += segs;
		ecn->ce_bytes_in += len;
		ecn->ce_unacked = (uint8_t)MIN(ecn->ce_unacked + segs, UINT8_MAX);
		/* RFC 9768 3.2.2.5.1: on the first mark after none, and for every second one. */
		ack_now = len > 0 && (!ecn->last_was_ce || ecn->ce_unacked >= CE_ACK_EVERY);
	} else if (ip_ecn == ECN_ECT0) {
		ecn->ect0_bytes_in += len;
	} else if (ip_ecn == ECN_ECT1) {
		ecn->ect1_bytes_in += len;
	}
	ecn->last_was_ce = ip_ecn == ECN_CE;
	return ack_now;
}

bool ecn_on_segment(struct ecn *ecn, uint16_t flags, uint8_t ip_ecn, uint32_t len, uint32_t segs)
{
	ip_ecn &= ECN_MASK;
	if (ip_ecn != ECN_NOT_ECT && ecn->mode != ECN_MODE_OFF)
		ecn->seen_ect = true;
	switch (ecn->mode) {
	case ECN_MODE_CLASSIC: return classic_on_segment(ecn, flags, ip_ecn, len);
	case ECN_MODE_ACCURATE: return accurate_on_segment(ecn, ip_ecn, len, segs);
	default: return false;
	}
}

uint16_t ecn_out_flags(struct ecn *ecn, bool has_new_data)
{
	uint16_t flags = 0;

	if (ecn->mode == ECN_MODE_ACCURATE) {
		unsigned ace = ecn->handshake_ace ? ecn->handshake_ace : ecn->ce_packets_in & 7;

		ecn->handshake_ace = 0;
		ecn->ce_unacked = 0;
		return flags_of_ace(ace);
	}
	if (ecn->mode == ECN_MODE_CLASSIC) {
		if (ecn->echo)
			flags |= TEE_TCP_ECE;
		/* RFC 3168 6.1.2: with the first new data after the reduction. */
		if (ecn->send_cwr && has_new_data) {
			flags |= TEE_TCP_CWR;
			ecn->send_cwr = false;
		}
	}
	return flags;
}

static uint32_t accurate_on_ack(struct ecn *ecn, unsigned ace, uint32_t acked_segs)
{
	uint32_t marks;

	if (ecn->awaits_handshake) {
		ecn->awaits_handshake = false;
		/* 3.2.2.1: the bits that end the handshake. 5 and 7 are counters: that ACK was lost. */
		if (ace == handshake_ace[ECN_NOT_ECT] || ace == handshake_ace[ECN_ECT0] ||
		    ace == handshake_ace[ECN_ECT1])
			return 0;
		if (ace == 0) {
			/* The path clears the bits: nothing that we'd learn could be believed. */
			ecn->mode = ECN_MODE_OFF;
			return 0;
		}
	} else if (acked_segs == 0) {
		/* It may be an old ACK with an old counter; a newer one will tell. */
		return 0;
	}
	/*
	 * A.2: the counter may have wrapped in between when an ACK covers more than 7 segments. The smallest
	 * step is taken: controllers here ask whether there was a mark in a round trip, not how many.
	 */
	marks = (ace - ecn->ce_packets_acked) & 7;
	ecn->ce_packets_acked += marks;
	return marks;
}

uint32_t ecn_on_ack(struct ecn *ecn, uint16_t flags, uint32_t acked_segs)
{
	uint32_t marks = 0;

	if (ecn->mode == ECN_MODE_ACCURATE)
		marks = accurate_on_ack(ecn, ace_of_flags(flags), acked_segs);
	else if (ecn->mode == ECN_MODE_CLASSIC && flags & TEE_TCP_ECE)
		marks = 1;
	ecn->ce_delivered += marks;
	return marks;
}

void ecn_fill_option(const struct ecn *ecn, struct tcp_options *options)
{
	if (ecn->mode != ECN_MODE_ACCURATE)
		return;
	options->has_accecn = true;
	options->accecn_order = 0;
	options->accecn_count = 3;
	options->accecn[0] = ecn->ect0_bytes_in & COUNTER_MASK;
	options->accecn[1] = ecn->ce_bytes_in & COUNTER_MASK;
	options->accecn[2] = ecn->ect1_bytes_in & COUNTER_MASK;
}

uint32_t ecn_on_option(struct ecn *ecn, const struct tcp_options *options)
{
	uint32_t bytes;

	/* The CE counter is the second in either order; a shorter option hasn't got it. */
	if (ecn->mode != ECN_MODE_ACCURATE || !options->has_accecn || options->accecn_count < 2)
		return 0;
	bytes = (options->accecn[1] - ecn->ce_bytes_acked) & COUNTER_MASK;
	/* A step of half the range is one backwards: an old ACK. */
	if (bytes > COUNTER_MASK / 2)
		return 0;
	ecn->ce_bytes_acked += bytes;
	return bytes;
}

uint8_t ecn_ip_bits(const struct ecn *ecn, bool is_new_data)
{
	switch (ecn->mode) {
	/* RFC 3168 6.1.4 and 6.1.5: neither pure ACKs nor retransmissions. */
	case ECN_MODE_CLASSIC: return is_new_data ? ECN_ECT0 : ECN_NOT_ECT;
	/* RFC 9768 counts all packets, so all may be marked. */
	case ECN_MODE_ACCURATE: return ECN_ECT0;
	default: return ECN_NOT_ECT;
	}
}
