/* SPDX-License-Identifier: MIT */
/*
 * Explicit congestion notification of one connection (SHLD-8): how it is agreed on, and the classic kind.
 *
 * Classic (RFC 3168): a receiver that got a CE mark sets ECE on everything it sends until the sender
 * answers with CWR; so the sender learns at most once a round trip that there was a mark.
 *
 * Accurate (RFC 9768, accecn.c): ECE, CWR and AE together are a 3-bit counter (ACE) of the CE-marked packets
 * received, modulo 8, which starts at 5. During the handshake the same three bits repeat how the other's SYN or
 * SYN-ACK arrived, which shows whether the path tampers with the IP field.
 *
 *		AE CWR ECE
 *   SYN	0  0   0	nothing is offered
 *		0  1   1	classic is offered
 *		otherwise	AccECN (1 1 1, and what is reserved)
 *   SYN-ACK	0  1   0	AccECN, the SYN came Not-ECT;	0 1 1: ECT(1)	1 0 0: ECT(0)	1 1 0: CE
 *		1  0   1	AccECN (reserved)
 *		0  0   1	classic
 *		0  0   0	none, as 1 1 1
 *   ACK of it	as on the SYN-ACK, telling of the SYN-ACK
 */
#include "tcp/ecn.h"

#include <string.h>
#include <teeceepee/config.h>
#include "base/check.h"
#include "tcp/accecn.h"

void ecn_init(struct ecn *ecn)
{
	memset(ecn, 0, sizeof(*ecn));
}

uint16_t ecn_syn_flags(int wanted_mode)
{
	switch (wanted_mode) {
	case TEE_ECN_ON:
	case TEE_ECN_ACCURATE_CLASSIC: return TEE_TCP_ECE | TEE_TCP_CWR; /* RFC 3168 6.1.1 */
	case TEE_ECN_ACCURATE: return ACE_FLAGS;
	default: return 0;
	}
}

uint16_t ecn_syn_flags_again(int wanted_mode, unsigned retries)
{
	/* RFC 9768 3.1.4.1: AccECN is tried twice. RFC 3168 6.1.1.1: the classic kind, once. */
	unsigned tries = wanted_mode == TEE_ECN_ACCURATE ? 2 : 1;

	return retries < tries ? ecn_syn_flags(wanted_mode) : 0;
}

static bool accepts_accurate(int wanted_mode)
{
	return wanted_mode == TEE_ECN_ACCURATE || wanted_mode == TEE_ECN_ACCURATE_CLASSIC ||
	       wanted_mode == TEE_ECN_ACCURATE_PASSIVE;
}

uint16_t ecn_on_syn(struct ecn *ecn, int wanted_mode, uint16_t syn_flags, uint8_t ip_ecn)
{
	unsigned ace = ace_of_flags(syn_flags);

	ecn_init(ecn);
	if (wanted_mode == TEE_ECN_OFF)
		return 0;
	/* RFC 9768 3.1.3: what is reserved counts as an offer of AccECN. */
	if (ace != 0 && ace != 3 && accepts_accurate(wanted_mode)) {
		ecn_resume(ecn, ECN_MODE_ACCURATE, ip_ecn);
		return ecn_syn_ack_flags(ip_ecn);
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

uint16_t ecn_syn_ack_flags(uint8_t ip_ecn)
{
	return flags_of_ace(accecn_handshake_ace(ip_ecn));
}

void ecn_resume(struct ecn *ecn, uint8_t mode, uint8_t ip_ecn)
{
	ecn_init(ecn);
	ecn->mode = mode;
	if (mode != ECN_MODE_ACCURATE)
		return;
	accecn_start(ecn, ip_ecn);
	ecn->awaits_handshake = true;
}

bool ecn_cookie_is_accurate(int wanted_mode, uint16_t ack_flags)
{
	/* 3.2.2.1, note 3: a client that isn't in AccECN mode sends 0, or 1 if something echoes early. */
	return accepts_accurate(wanted_mode) && ace_of_flags(ack_flags) > 1;
}

void ecn_on_syn_ack(struct ecn *ecn, uint16_t offered_flags, uint16_t syn_ack_flags, uint8_t ip_ecn,
		    uint32_t len, const struct tcp_options *options)
{
	unsigned offered = ace_of_flags(offered_flags), ace = ace_of_flags(syn_ack_flags);

	ecn_init(ecn);
	ip_ecn &= ECN_MASK;
	if (offered == 0 || ace == 0 || ace == 7)
		return;
	/* RFC 3168 6.1.1: ECE without CWR; AE is no one's business in classic ECN. */
	if (offered == 7 ? ace == 1 : (ace & 3) == 1)
		ecn->mode = ECN_MODE_CLASSIC;
	if (offered != 7 || ace == 1)
		return;
	ecn->mode = ECN_MODE_ACCURATE;
	accecn_start(ecn, ip_ecn);
	accecn_on_syn_ack(ecn, ace, ip_ecn, options);
	ecn->bytes_in[ip_ecn] += len;
}

bool ecn_on_segment(struct ecn *ecn, uint16_t flags, uint8_t ip_ecn, uint32_t len)
{
	bool ack_now = false;

	if (ecn->mode != ECN_MODE_CLASSIC)
		return false;
	/* Marks on what has no text are none of RFC 3168's. */
	ip_ecn = len ? ip_ecn & ECN_MASK : ECN_NOT_ECT;
	ecn->seen_ect |= ip_ecn != ECN_NOT_ECT;
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

uint16_t ecn_out_flags(struct ecn *ecn, bool has_new_data)
{
	uint16_t flags = 0;

	if (ecn->mode == ECN_MODE_ACCURATE)
		return accecn_out_flags(ecn);
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

uint32_t ecn_on_ack(struct ecn *ecn, const struct ecn_ack *ack, uint32_t *ret_bytes)
{
	uint32_t marks = 0;

	*ret_bytes = 0;
	/* 3.2.2: with SYN the bits are no counter, and with RFC 3168 no echo. */
	if (ecn->mode == ECN_MODE_OFF || ack->flags & TEE_TCP_SYN)
		return 0;
	if (ecn->mode == ECN_MODE_ACCURATE) {
		marks = accecn_on_ack(ecn, ack, ret_bytes);
	} else if (ack->flags & TEE_TCP_ECE) {
		marks = 1;
		*ret_bytes = ack->mss;
	}
	ecn->ce_delivered += marks;
	return marks;
}

uint8_t ecn_ip_bits(const struct ecn *ecn, bool is_new_data)
{
	switch (ecn->mode) {
	/* RFC 3168 6.1.4 and 6.1.5: neither pure ACKs nor retransmissions; nor, as Linux, a FIN without data. */
	case ECN_MODE_CLASSIC: return is_new_data ? ECN_ECT0 : ECN_NOT_ECT;
	/* RFC 9768 counts all packets, so all may be marked. */
	case ECN_MODE_ACCURATE: return ecn->fails & ECN_FAIL_ACE_RECV ? ECN_NOT_ECT : ECN_ECT0;
	default: return ECN_NOT_ECT;
	}
}
