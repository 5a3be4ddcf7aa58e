/* SPDX-License-Identifier: MIT */
/* ECN of one connection: RFC 3168's echo, and AccECN's counters (RFC 9768). */
#ifndef TEE_TCP_ECN_H
#define TEE_TCP_ECN_H

#include <stdbool.h>
#include <stdint.h>
#include "wire/tcp.h"

enum { ECN_NOT_ECT = 0, ECN_ECT1 = 1, ECN_ECT0 = 2, ECN_CE = 3, ECN_MASK = 3 };
enum ecn_mode { ECN_MODE_OFF, ECN_MODE_CLASSIC, ECN_MODE_ACCURATE };

/*
 * What AccECN gave up, each for the rest of the connection. Bits, with Linux' numbers; its other two, 1 and 4, are of what
 * we send, which is never given up.
 */
enum {
	ECN_FAIL_ACE_RECV = 2,    /* the path or the peer is not to be trusted: we send Not-ECT */
	ECN_FAIL_OPTION_RECV = 8, /* the peer's options were zeroed: they are ignored */
};

enum ecn_option_seen { ECN_OPTION_NONE, ECN_OPTION_EMPTY, ECN_OPTION_COUNTERS, ECN_OPTION_ZEROED };

struct ecn {
	uint8_t mode;  /* enum ecn_mode in use */
	bool echo;     /* classic: send ECE until CWR arrives */
	bool send_cwr; /* classic: next new data carries CWR */
	bool seen_ect;
	/* AccECN, what came in. By IP codepoint, each from 0: r.e1b, r.e0b and r.ceb less their initial values. */
	uint32_t ce_packets_in; /* r.cep */
	uint32_t bytes_in[4];
	uint8_t handshake_ace; /* client: ACE of the ACK that ends the handshake; 0: sent, or none is due */
	uint8_t last_ip_ecn;    /* of the packet before */
	uint8_t ce_unacked;     /* CE marks since our last segment left, capped */
	uint8_t fields_changed; /* how many counters the next option must have */
	uint8_t options_due;    /* so many segments more carry the option in any case */
	uint64_t option_sent_ns;
	/* AccECN, what the peer tells of what we sent. */
	uint32_t ce_packets_acked; /* s.cep */
	uint32_t ce_delivered;
	uint32_t bytes_acked[4]; /* by codepoint: s.e1b, s.e0b, s.ceb less their initial values */
	uint32_t marks_since_option;
	uint32_t segs_per_ack; /* smoothed, 6 bits of it behind the point; 0: none yet */
	uint8_t growing; /* the counter that alone grew in the last option; 0: none, or several */
	uint8_t option_seen; /* enum ecn_option_seen */
	uint8_t fails;       /* ECN_FAIL_… */
	bool is_deaf;        /* the ACE field comes zeroed: marks that it tells are not believed */
	bool awaits_handshake; /* server: the peer's next ACK may be that one */
	bool had_feedback;     /* an ACK told of data */
};

/* An ACK, as far as ECN is concerned. */
struct ecn_ack {
	uint16_t flags;
	bool is_pure; /* neither text nor SACK blocks */
	bool is_news; /* no later ACK came before: it acknowledges something, or its timestamp is new */
	uint32_t segs, bytes; /* delivered: newly acknowledged or sacked */
	uint32_t mss;
	const struct tcp_options *options;
};

void ecn_init(struct ecn *ecn);
/* ECE/CWR/AE flags of our SYN. Here and below, `wanted_mode` is an enum tee_ecn_mode: the configuration's. */
uint16_t ecn_syn_flags(int wanted_mode);
/* The same for our SYN sent again, for the `retries`th time. */
uint16_t ecn_syn_flags_again(int wanted_mode, unsigned retries);
/* Server: what a SYN with these flags and IP ECN bits gets us; the flags of the SYN-ACK. */
uint16_t ecn_on_syn(struct ecn *ecn, int wanted_mode, uint16_t syn_flags, uint8_t ip_ecn);
/* Server: AccECN's SYN-ACK for a SYN with these IP bits. */
uint16_t ecn_syn_ack_flags(uint8_t ip_ecn);
/* Server, from what was kept of the SYN. */
void ecn_resume(struct ecn *ecn, uint8_t mode, uint8_t ip_ecn);
/* Server without a memory (RFC 9768 5.1): does the ACK of a cookie tell that AccECN was agreed on? */
bool ecn_cookie_is_accurate(int wanted_mode, uint16_t ack_flags);
/* Client: what the SYN-ACK's flags mean for what our SYN offered; `len` octets of text came with it. */
void ecn_on_syn_ack(struct ecn *ecn, uint16_t offered_flags, uint16_t syn_ack_flags, uint8_t ip_ecn,
		    uint32_t len, const struct tcp_options *options);
/* Client: the SYN-ACK came again. */
void ecn_on_syn_ack_again(struct ecn *ecn, uint16_t syn_ack_flags, uint8_t ip_ecn);
/* Classic: text or FIN came: honours CWR, notes CE on text. Returns true when an ACK should go at once. */
bool ecn_on_segment(struct ecn *ecn, uint16_t flags, uint8_t ip_ecn, uint32_t len);
/* AccECN: `segs` acceptable segments came, `len` octets in all, 0 for a bare ACK: counts. Returns as above. */
bool ecn_count(struct ecn *ecn, uint8_t ip_ecn, uint32_t len, uint32_t segs);
/* AccECN: how many packets came with CE. */
uint32_t ecn_received_ce(const struct ecn *ecn);
/* ECE (classic) or ACE (AccECN) bits to add to an outgoing segment that isn't a SYN. */
uint16_t ecn_out_flags(struct ecn *ecn, bool has_new_data);
/*
 * The ACK's bits and option: CE marks newly reported (AccECN: packets; classic: 1 when ECE is set), and in
 * `ret_bytes` the octets so marked, an estimate when only packets were told.
 */
uint32_t ecn_on_ack(struct ecn *ecn, const struct ecn_ack *ack, uint32_t *ret_bytes);
/* In AccECN mode: does the option go with a segment now? `policy` is enum tee_accecn_option; `beacon_ns` 0: no beacon. */
bool ecn_wants_option(const struct ecn *ecn, int policy, uint64_t now_ns, uint64_t beacon_ns);
/* AccECN's option (RFC 9768 3.2.3): our byte counters. */
void ecn_fill_option(const struct ecn *ecn, struct tcp_options *options);
/* The option of a SYN-ACK: every counter as it begins. */
void ecn_fill_syn_ack_option(struct tcp_options *options);
void ecn_on_option_sent(struct ecn *ecn, uint64_t now_ns);
/* IP bits for what we send: ECT(0) on new data only (RFC 3168 6.1.5), unless AccECN. */
uint8_t ecn_ip_bits(const struct ecn *ecn, bool is_new_data);

#endif
