/* SPDX-License-Identifier: MIT */
/* ECN of one connection: RFC 3168's echo, and AccECN's counters (RFC 9768). */
#ifndef TEE_TCP_ECN_H
#define TEE_TCP_ECN_H

#include <stdbool.h>
#include <stdint.h>
#include "wire/tcp.h"

enum { ECN_NOT_ECT = 0, ECN_ECT1 = 1, ECN_ECT0 = 2, ECN_CE = 3, ECN_MASK = 3 };
enum ecn_mode { ECN_MODE_OFF, ECN_MODE_CLASSIC, ECN_MODE_ACCURATE };

struct ecn {
	uint8_t mode;  /* enum ecn_mode in use */
	bool echo;     /* classic: send ECE until CWR arrives */
	bool send_cwr; /* classic: next new data carries CWR */
	bool seen_ect;
	uint32_t ce_packets_in;                             /* AccECN r.cep */
	uint32_t ce_bytes_in, ect0_bytes_in, ect1_bytes_in; /* r.ceb, r.e0b, r.e1b */
	uint32_t ce_packets_acked;                          /* AccECN s.cep as the peer reported */
	uint32_t ce_delivered;
	uint32_t ce_bytes_acked; /* AccECN s.ceb */
	uint8_t handshake_ace; /* client: ACE of the ACK that ends the handshake; 0: sent, or none is due */
	bool awaits_handshake; /* server: the peer's next ACK may be that one */
	bool last_was_ce;      /* AccECN: of the segment before */
	uint8_t ce_unacked;    /* AccECN: CE marks since our last segment left, capped */
};

void ecn_init(struct ecn *ecn);
/* ECE/CWR/AE flags of our SYN. Here and below, `wanted_mode` is an enum tee_ecn_mode: the configuration's. */
uint16_t ecn_syn_flags(int wanted_mode);
/* Server: what a SYN with these flags and IP ECN bits gets us; the flags of the SYN-ACK. */
uint16_t ecn_on_syn(struct ecn *ecn, int wanted_mode, uint16_t syn_flags, uint8_t ip_ecn);
/* Client: what the SYN-ACK's flags mean for what our SYN offered. */
void ecn_on_syn_ack(struct ecn *ecn, uint16_t offered_flags, uint16_t syn_ack_flags,
		    uint8_t ip_ecn);
/* A data segment or ACK came: counts its IP bits, honours CWR. Returns true when an ACK should go at once. */
bool ecn_on_segment(struct ecn *ecn, uint16_t flags, uint8_t ip_ecn, uint32_t len, uint32_t segs);
/* ECE (classic) or ACE (AccECN) bits to add to an outgoing segment that isn't a SYN. */
uint16_t ecn_out_flags(struct ecn *ecn, bool has_new_data);
/*
 * The ACK's bits: CE marks newly reported (AccECN: packets; classic: 1 when ECE is set).
 */
uint32_t ecn_on_ack(struct ecn *ecn, uint16_t flags, uint32_t acked_segs);
/* AccECN's option (RFC 9768 3.2.3): our byte counters, to go with an ACK; nothing in the other modes. */
void ecn_fill_option(const struct ecn *ecn, struct tcp_options *options);
/* The peer's: returns bytes newly reported as CE-marked. Only for ACKs that are not older than others. */
uint32_t ecn_on_option(struct ecn *ecn, const struct tcp_options *options);
/* IP bits for what we send: ECT(0) on new data only (RFC 3168 6.1.5), unless AccECN. */
uint8_t ecn_ip_bits(const struct ecn *ecn, bool is_new_data);

#endif
