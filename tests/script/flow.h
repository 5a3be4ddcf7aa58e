/* SPDX-License-Identifier: MIT */
/*
 * A flow: the connection that a script speaks of, and how its numbers stand to those on the wire.
 *
 * In a script sequence numbers count from the SYN, which is 0 (or what the script's SYN says);
 * on the wire they count from the two ISNs. Ports are the script's choice only for the peer, and
 * timestamps that the peer echoes are those that the stack really sent.
 */
#ifndef SCRIPT_FLOW_H
#define SCRIPT_FLOW_H

#include "rig.h"

enum { FLOW_STAMPS_MAX = 64, FLOW_TEXT_SIZE = 400 };

struct flow {
	bool is_active; /* ours is the SYN: connect(), or a send that connects */
	bool is_udp;
	bool has_ports;  /* both are known, so packets can be told apart */
	bool has_packet; /* something of it went over the wire */
	struct tee_ip local_ip, remote_ip;
	uint16_t local_port, remote_port;
	int live_fd; /* the connection's descriptor; -1: not accepted yet */

	bool has_local_isn, has_remote_isn;
	bool is_remote_isn_fixed; /* the stack acknowledged the peer's SYN */
	bool has_ended;           /* a FIN or RST passed: a new SYN may start anew */
	uint32_t local_isn, script_local_isn;
	uint32_t remote_isn, script_remote_isn;
	uint32_t last_syn, script_last_syn; /* of the peer, on the wire and in the script */

	/* script's timestamp to the stack's */
	struct {
		uint32_t script, live;
	} stamps[FLOW_STAMPS_MAX];
	unsigned stamp_count; /* in all; the table is a ring */
	bool has_first_stamp;
	bool has_linear_stamps; /* what was not sent counts from the first, too */
	uint32_t first_script_stamp, first_live_stamp;
};

/* What a comparison takes into account. */
struct match_rules {
	bool is_strict;      /* order of options, wscale, exact window, PSH */
	uint32_t ts_tick_us; /* above 0: timestamps are checked against the script's */
	uint32_t ts_tolerance_ticks;
	bool has_cookie; /* the stack's fast-open cookie, and what scripts call it */
	unsigned cookie_len;
	uint8_t cookie[16], script_cookie[8];
};

/* Numbers of a packet towards the stack: script to wire. */
uint32_t flow_seq_in(const struct flow *flow, const struct packet_spec *spec);
uint32_t flow_ack_in(const struct flow *flow, const struct packet_spec *spec);
/* Fills in a packet from its spec; learns the peer's ISN from its SYN. False: cannot be built. */
bool flow_fill_inbound(struct flow *flow, const struct packet_spec *spec,
		       const struct match_rules *rules, struct wire_packet *ret,
		       char text[FLOW_TEXT_SIZE]);

/* Does a packet that the stack sent belong to the flow? May learn the local port from a SYN. */
bool flow_owns(struct flow *flow, const struct wire_packet *packet);
/* Learns ISNs and ends from what the stack sent. `spec` may be NULL: nothing expected it. */
void flow_note_outbound(struct flow *flow, const struct wire_packet *packet,
			const struct packet_spec *spec);
/*
 * Compares what the stack sent with what the script expects; false with the difference in `text`.
 * The time is not compared.
 */
bool flow_matches(const struct flow *flow, const struct packet_spec *spec,
		  const struct wire_packet *packet, const struct match_rules *rules,
		  char text[FLOW_TEXT_SIZE]);
/* Remembers the timestamp of a packet that matched. */
void flow_note_stamp(struct flow *flow, const struct packet_spec *spec,
		     const struct wire_packet *packet);

/* A packet in the script's words, its numbers as the script counts them. */
void flow_print(const struct flow *flow, const struct wire_packet *packet, bool is_inbound,
		char text[FLOW_TEXT_SIZE]);

#endif
