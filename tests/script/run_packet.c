/* SPDX-License-Identifier: MIT */
/*
 * Packets of a script: those it sends to the stack are built and delivered at their time; those it
 * expects are awaited, compared, and their time is checked.
 *
 * The stack may hand a super-frame to the interface where the script counts segments, and the
 * other way round (scripts were written on kernels with and without segmentation offload). So a
 * super-frame is cut where its own segments end, and full segments that follow each other at once
 * are joined, until the lengths agree. A segment that is not full is never joined to the next:
 * where the stack chose to end a segment counts.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "state.h"

enum { LATE_US = 5000000, ANY_TIME_US = 2000000000 };

/* ---- which connection ---- */

static bool is_blank(const struct flow *flow)
{
	return !flow->has_ports && !flow->is_active && !flow->local_port;
}

/* A socket that was only made has no packets: the script still speaks of the one before. */
struct flow *run_current_flow(struct run *run)
{
	if (!run->has_flow) {
		run->has_flow = true;
		run->flow = (struct flow){.local_ip = run->config.local,
					  .remote_ip = run->config.remote,
					  .live_fd = -1};
	}
	if (is_blank(&run->flow) && run->previous.has_ports)
		return &run->previous;
	return &run->flow;
}

/* A packet arrives where no connection is: the peer chooses a port. */
static void open_passively(struct run *run, struct flow *flow, const struct packet_spec *spec)
{
	if (flow->is_active) {
		if (run->options->is_recording)
			run_record_packets(run, flow);
		if (flow->has_ports)
			return;
		/* The script left out our own first packet; it tells the port all the same. */
		for (struct rig_packet *packet = run->rig->first; packet; packet = packet->next)
			if (!*packet->error && flow_owns(flow, &packet->wire))
				return;
		run_fail(run, RUN_FAIL,
			 "a packet for a connection of which the stack sent nothing yet");
	}
	if (!flow->local_port)
		flow->local_port = spec->dst_port ? spec->dst_port : run->calls.bind_port;
	flow->remote_port = spec->src_port ? spec->src_port : run->next_port++;
	flow->is_udp = spec->proto == PACKET_UDP;
	flow->has_ports = true;
}

/* ---- towards the stack ---- */

static void fill_ip(const struct run *run, const struct flow *flow, const struct packet_spec *spec,
		    struct wire_packet *packet)
{
	packet->is_ip6 = run->config.is_ip6;
	packet->src = flow->remote_ip;
	packet->dst = flow->local_ip;
	packet->ttl = spec->ttl >= 0 ? (uint8_t)spec->ttl : 255;
	if (spec->tos >= 0)
		packet->tos = (uint8_t)spec->tos;
	if (spec->ecn != ECN_UNSAID)
		packet->tos = (uint8_t)((packet->tos & ~3) |
					(spec->ecn == ECN_ECT01 ? ECN_ECT0 : spec->ecn));
	if (spec->flow_label >= 0)
		packet->flow_label = (uint32_t)spec->flow_label & 0xfffff;
}

/* An ICMP error quotes a packet that we are said to have sent. */
static size_t build_quoted(const struct flow *flow, const struct packet_spec *spec, bool is_ip6,
			   uint8_t *bytes)
{
	bool is_udp = spec->has_quoted ? spec->quoted_proto == PACKET_UDP : flow->is_udp;
	struct wire_packet quoted = {
		.is_ip6 = is_ip6,
		.src = flow->local_ip,
		.dst = flow->remote_ip,
		.ttl = 64,
		.protocol = is_udp ? WIRE_UDP : WIRE_TCP,
		.src_port = flow->local_port,
		.dst_port = flow->remote_port,
		.seq = spec->seq + flow->local_isn,
		.ack = flow->remote_isn + 1,
		.flags = SEG_ACK,
		.payload_len = spec->payload_len,
	};
	/* With nothing said of the packet: it must have been larger than the size complained of. */
	if (!spec->has_quoted && spec->icmp_mtu > 0 && spec->icmp_mtu < WIRE_PACKET_MAX)
		quoted.payload_len = (uint32_t)spec->icmp_mtu;
	size_t header = (is_ip6 ? 40 : 20) + (is_udp ? 8 : 20);
	size_t len = wire_build(&quoted, bytes);

	/* The rest of the payload is not quoted, though the lengths speak of it. */
	return len < header ? len : header;
}

static void fill_icmp(const struct run *run, const struct flow *flow,
		      const struct packet_spec *spec, struct wire_packet *packet)
{
	static uint8_t quoted[WIRE_PACKET_MAX];

	packet->protocol = run->config.is_ip6 ? WIRE_ICMP6 : WIRE_ICMP4;
	packet->icmp_type = (uint8_t)spec->icmp_type;
	packet->icmp_code = (uint8_t)spec->icmp_code;
	packet->icmp_word = spec->icmp_mtu >= 0 ? (uint32_t)spec->icmp_mtu : 0;
	packet->payload_len = (uint32_t)build_quoted(flow, spec, run->config.is_ip6, quoted);
	packet->payload = quoted;
}

void run_inbound(struct run *run, const struct packet_spec *spec)
{
	struct flow *flow = run_current_flow(run);
	static uint8_t bytes[WIRE_PACKET_MAX];
	struct wire_packet packet = {0};
	char text[FLOW_TEXT_SIZE];
	size_t len;

	if (!flow->has_ports)
		open_passively(run, flow, spec);
	fill_ip(run, flow, spec, &packet);
	if (spec->proto == PACKET_ICMP) {
		fill_icmp(run, flow, spec, &packet);
	} else {
		packet.protocol = spec->proto == PACKET_UDP ? WIRE_UDP : WIRE_TCP;
		if (!flow_fill_inbound(flow, spec, &run->rules, &packet, text))
			run_fail(run, RUN_UNSUPPORTED, "%s", text);
		if (spec->src_port)
			packet.src_port = spec->src_port;
		if (spec->dst_port)
			packet.dst_port = spec->dst_port;
	}
	len = wire_build(&packet, bytes);
	if (!len)
		run_fail(run, RUN_UNSUPPORTED,
			 "the packet cannot be built: too long, or its options are");
	run_remember_packet(run, flow, &packet, true, run->rig->now_ns, "");
	run->calls.has_urgent |= spec->flags & SEG_URG;
	if (!rig_receive(run->rig, bytes, len))
		run_fail(run, RUN_FAIL, "the stack has no memory for a packet");
	run_pending(run);
}

/* ---- from the stack ---- */

void run_remember_packet(struct run *run, const struct flow *flow, const struct wire_packet *packet,
			 bool is_inbound, uint64_t at_ns, const char *remark)
{
	char *line = run->history[run->history_count % HISTORY_MAX], text[FLOW_TEXT_SIZE];
	double at = (double)(int64_t)(at_ns - run->zero_ns) / 1e9;

	flow_print(flow, packet, is_inbound, text);
	snprintf(line, sizeof(run->history[0]), "%.6f %s%s", at, text, remark);
	run->history_count++;
	if (run->options->is_verbose)
		printf("  %s\n", line);
}

void run_remember_unread(struct run *run)
{
	struct flow flow = run->flow;

	for (struct rig_packet *packet = run->rig->first; packet; packet = packet->next)
		if (!*packet->error)
			run_remember_packet(run, &flow, &packet->wire, false, packet->at_ns,
					    "   (not read yet)");
}

static void put_back(struct rig *rig, struct rig_packet *packet)
{
	packet->next = rig->first;
	rig->first = packet;
	if (!packet->next)
		rig->last = &packet->next;
}

/* The next packet of the flow among those sent; others are none of the script's business. */
static struct rig_packet *take_own(struct run *run, struct flow *flow, bool is_icmp)
{
	struct rig_packet *packet;

	while ((packet = rig_take(run->rig))) {
		bool icmp = packet->wire.protocol == WIRE_ICMP4 ||
			    packet->wire.protocol == WIRE_ICMP6;

		if (*packet->error) {
			char error[WIRE_ERROR_SIZE];

			memcpy(error, packet->error, sizeof(error));
			free(packet);
			run_fail(run, RUN_FAIL, "%s", error);
		}
		if (is_icmp ? icmp : flow_owns(flow, &packet->wire))
			return packet;
		free(packet);
	}
	return NULL;
}

static void check_payload(struct run *run, const struct flow *flow,
			  const struct wire_packet *packet)
{
	uint32_t offset = packet->seq + (packet->flags & SEG_SYN ? 1 : 0) - flow->local_isn - 1;

	/* One byte may be a keep-alive's. */
	if (packet->protocol != WIRE_TCP || packet->payload_len < 2)
		return;
	for (unsigned i = 0; i < CALL_FDS_MAX; i++)
		if (run->calls.fds[i].live == flow->live_fd && run->calls.fds[i].has_own_data)
			return;
	if (!call_payload_is_pattern(packet->payload, packet->payload_len, offset))
		run_fail(run, RUN_FAIL, "the segment does not carry the bytes that were written");
}

/* Cuts `len` bytes off the front of a super-frame; the rest goes back. */
static void cut(struct run *run, struct rig_packet *packet, uint32_t len)
{
	struct rig_packet *rest = malloc(sizeof(*rest) + packet->len);

	if (!rest)
		run_fail(run, RUN_FAIL, "out of memory");
	memcpy(rest, packet, sizeof(*rest) + packet->len);
	rest->wire.payload = rest->bytes + (packet->wire.payload - packet->bytes) + len;
	rest->wire.payload_len -= len;
	rest->wire.seq += len;
	packet->wire.payload_len = len;
	packet->wire.flags &= ~(unsigned)(SEG_FIN | SEG_PSH);
	put_back(run->rig, rest);
}

static bool is_cuttable(const struct wire_packet *packet, uint32_t len)
{
	return packet->gso_size && len && len < packet->payload_len && len % packet->gso_size == 0;
}

/* Does `next` continue `packet`, so that a kernel with offload would have sent both as one? */
static bool continues(const struct flow *flow, const struct rig_packet *packet,
		      uint32_t segment_len, const struct rig_packet *next)
{
	return next && !*next->error && next->wire.protocol == WIRE_TCP &&
	       next->wire.src_port == flow->local_port &&
	       next->wire.dst_port == flow->remote_port &&
	       packet->wire.payload_len % segment_len == 0 && next->wire.payload_len &&
	       !(packet->wire.flags & (SEG_SYN | SEG_FIN | SEG_RST)) &&
	       next->wire.seq == packet->wire.seq + packet->wire.payload_len &&
	       next->at_ns == packet->at_ns;
}

/* Makes the packet as long as the script expects, where that can be done. */
static void fit_length(struct run *run, const struct flow *flow, struct rig_packet *packet,
		       uint32_t want)
{
	uint32_t segment_len = packet->wire.gso_size ? packet->wire.gso_size
						     : packet->wire.payload_len;

	if (packet->wire.protocol != WIRE_TCP || !packet->wire.payload_len)
		return;
	if (is_cuttable(&packet->wire, want)) {
		cut(run, packet, want);
		return;
	}
	while (packet->wire.payload_len < want &&
	       continues(flow, packet, segment_len, run->rig->first)) {
		struct rig_packet *next = rig_take(run->rig);
		uint32_t missing = want - packet->wire.payload_len;

		if (is_cuttable(&next->wire, missing))
			cut(run, next, missing);
		check_payload(run, flow, &next->wire);
		packet->wire.payload_len += next->wire.payload_len;
		packet->wire.flags |= next->wire.flags;
		free(next);
	}
}

static void window_of_time(const struct run *run, const struct time_spec *time, int64_t *ret_first,
			   int64_t *ret_last)
{
	bool is_relative = time->kind == TIME_RELATIVE || time->kind == TIME_RELATIVE_RANGE;
	bool is_range = time->kind == TIME_ABSOLUTE_RANGE || time->kind == TIME_RELATIVE_RANGE;
	int64_t base = is_relative ? run->base_us : 0;

	if (time->kind == TIME_ANY) {
		*ret_first = INT64_MIN;
		*ret_last = run_now_us(run) + ANY_TIME_US;
		return;
	}
	*ret_first = base + time->us - run->tolerance_us;
	*ret_last = base + (is_range ? time->us_end : time->us) + run->tolerance_us;
}

static struct rig_packet *await(struct run *run, struct flow *flow, bool is_icmp, int64_t last_us)
{
	for (;;) {
		struct rig_packet *packet = take_own(run, flow, is_icmp);

		if (packet || !run_step(run, last_us))
			return packet;
	}
}

_Noreturn static void fail_missing(struct run *run, struct flow *flow, bool is_icmp,
				   int64_t last_us)
{
	int64_t due_us = last_us - run->tolerance_us;
	struct rig_packet *packet = await(run, flow, is_icmp, last_us + LATE_US);
	char text[FLOW_TEXT_SIZE];
	uint64_t at_ns;

	if (!packet)
		run_fail(run, RUN_FAIL, "the packet did not come");
	flow_note_outbound(flow, &packet->wire, NULL);
	flow_print(flow, &packet->wire, false, text);
	at_ns = packet->at_ns;
	free(packet);
	run_fail(run, RUN_FAIL, "the packet did not come in time; %.6f s late came:\n    %s",
		 (double)((int64_t)(at_ns - run->zero_ns) / 1000 - due_us) / 1e6, text);
}

static void check_time(struct run *run, uint64_t at_ns, int64_t first_us, int64_t last_us)
{
	int64_t at_us = (int64_t)(at_ns - run->zero_ns) / 1000;

	if (at_us >= first_us && at_us <= last_us)
		return;
	run_fail(run, RUN_FAIL, "the packet came at %.6f, expected between %.6f and %.6f",
		 (double)at_us / 1e6, (double)(first_us + run->tolerance_us) / 1e6,
		 (double)(last_us - run->tolerance_us) / 1e6);
}

void run_outbound(struct run *run, const struct event *event)
{
	const struct packet_spec *spec = event->packet;
	struct flow *flow = run_current_flow(run);
	bool is_icmp = spec->proto == PACKET_ICMP, matches;
	char text[FLOW_TEXT_SIZE], came[FLOW_TEXT_SIZE];
	struct rig_packet *packet;
	int64_t first_us, last_us;
	uint64_t at_ns;

	window_of_time(run, &event->time, &first_us, &last_us);
	if (run->options->is_recording) {
		run_until(run, first_us + run->tolerance_us);
		return;
	}
	packet = await(run, flow, is_icmp, last_us);
	if (!packet)
		fail_missing(run, flow, is_icmp, last_us);
	if (!is_icmp) {
		flow_note_outbound(flow, &packet->wire, spec);
		check_payload(run, flow, &packet->wire);
		fit_length(run, flow, packet, spec->payload_len);
	}
	run_remember_packet(run, flow, &packet->wire, false, packet->at_ns, "");
	flow_print(flow, &packet->wire, false, came);
	matches = flow_matches(flow, spec, &packet->wire, &run->rules, text);
	if (matches)
		flow_note_stamp(flow, spec, &packet->wire);
	at_ns = packet->at_ns;
	free(packet);
	if (!matches)
		run_fail(run, RUN_FAIL, "%s\n    came:     %s", text, came);
	check_time(run, at_ns, first_us, last_us);
}

/* ---- afterwards ---- */

/* Scripts end with a segment to which the answer is not written down: an ACK is its answer. */
static bool is_answer_to_last(const struct run *run, const struct rig_packet *packet)
{
	const struct packet_spec *last = run->script->events[run->last_packet_index].packet;

	return last && last->is_inbound && last->proto == PACKET_TCP &&
	       (last->payload_len || last->flags & SEG_FIN) &&
	       packet->tag == (int)run->last_packet_index && !packet->wire.payload_len &&
	       (packet->wire.flags & (SEG_SYN | SEG_FIN | SEG_RST | SEG_ACK)) == SEG_ACK;
}

void run_check_leftovers(struct run *run)
{
	struct flow *flow = run_current_flow(run);
	struct rig_packet *packet;
	char text[FLOW_TEXT_SIZE];

	if (run->options->is_recording) {
		run_record_packets(run, flow);
		return;
	}
	while ((packet = take_own(run, flow, false))) {
		bool is_expected = packet->tag > (int)run->last_packet_index ||
				   is_answer_to_last(run, packet);
		int tag = packet->tag;

		flow_print(flow, &packet->wire, false, text);
		free(packet);
		if (is_expected)
			continue;
		run->event = &run->script->events[tag < 0 ? 0 : tag];
		run_fail(run, RUN_FAIL,
			 "after this line the stack sent a packet that no line expects:\n"
			 "    %s",
			 text);
	}
}
