/* SPDX-License-Identifier: MIT */
/*
 * Segments that belong to no connection, or to one that is about to go: RST (RFC 9293 3.10.7.1),
 * SYN-ACKs of half-open requests, ACKs from TIME-WAIT. They leave as packets through the netif's
 * queue, since there is no connection for tcp_output() to pull them from.
 */
#include <string.h>
#include "tcp/conn.h"
#include "wire/checksum.h"

/* A connection that still stands lends its ISNs, so that the numbers read relative. */
static void trace_reply(struct tcp *tcp, const struct tcp_key *key, const struct tcp_header *header,
			enum tee_why why)
{
	struct tcp_stub *found = demux_find(&tcp->demux, key);

	if (found && found->kind == TCP_NODE_CONN)
		trace_segment_out(CONTAINER_OF(found, struct tcp_conn, node.stub), header, 0, why);
	else
		trace_bare(tcp, key, header, 0, why, false);
}

void reply_segment(struct tcp *tcp, const struct tcp_stub *stub, struct tcp_header *header,
		   uint8_t tos, uint8_t ttl, enum tee_why why)
{
	const struct tcp_key key = stub_key(stub);
	struct tee_pkt *pkt = tee_pkt_new(tcp->engine->pool, TCP_HEADER_MAX);
	struct ip_out out = {
		.src = key.local_ip,
		.dst = key.remote_ip,
		.protocol = IP_PROTO_TCP,
		.ttl = ttl,
		.tos = tos,
		.dont_fragment = tcp->engine->config.pmtud,
		.netif_number = stub->netif,
		.why = why,
	};
	uint8_t *bytes, option[SRCROUTE_OPTION_MAX];
	uint64_t sum;

	if (!pkt) {
		drop(tcp->engine, DROP_NO_MEMORY);
		return;
	}
	header->src_port = key.local_port;
	header->dst_port = key.remote_port;
	bytes = tee_pkt_bytes(pkt);
	pkt->len = (uint32_t)tcp_write(bytes, header);
	sum = checksum_pseudo(&out.src, &out.dst, IP_PROTO_TCP, pkt->len);
	store_be16(bytes + 16, checksum_finish(checksum_add(sum, bytes, pkt->len)));
	if (tcp->srcroutes.count)
		route_apply(tcp, stub, &out, option);
	count(tcp->engine, COUNT_TCP_SEGS_OUT);
	if (header->flags & TEE_TCP_RST)
		count(tcp->engine, COUNT_TCP_RSTS_OUT);
	if (trace_on(tcp->engine))
		trace_reply(tcp, &key, header, why);
	ip_output_pkt(tcp->net, pkt, &out);
}

/*
 * RFC 9293 3.10.7.1: to a segment without ACK the reset has number zero and acknowledges all of it; to one with ACK it
 * has the number that was acknowledged. A RST is never answered.
 */
void reply_rst(struct tcp *tcp, const struct ip_packet *packet, const struct segment *seg)
{
	struct tcp_header rst = {.flags = TEE_TCP_RST};
	const struct tcp_settings *bound;
	struct tcp_node node = {
		.key = {.local_ip = packet->ip.dst,
			.remote_ip = packet->ip.src,
			.local_port = seg->h.dst_port,
			.remote_port = seg->h.src_port},
		.netif = (uint16_t)netif_number(packet->netif),
	};

	if (segment_has(seg, TEE_TCP_RST))
		return;
	if (segment_has(seg, TEE_TCP_ACK)) {
		rst.seq = seg->h.ack;
	} else {
		rst.flags |= TEE_TCP_ACK;
		rst.ack = seq_add(seg->h.seq, segment_octets(seg));
	}
	/* A port that is bound, though nobody listens yet, answers as its socket would. */
	bound = ports_draft_settings(tcp, &node.key.local_ip, node.key.local_port);
	reply_segment(tcp, &node.stub, &rst, bound ? bound->tos & (uint8_t)~ECN_MASK : 0,
		      bound ? bound->ttl : 0, TEE_WHY_RST_NO_CONN);
}

/* RST for a synchronized connection: exact in the peer's eyes, so that RFC 5961 lets it pass. */
void conn_send_rst(struct tcp_conn *conn, enum tee_why why)
{
	uint64_t edge = conn->snd.una + conn->snd.wnd;
	struct tcp_header rst = {
		.flags = TEE_TCP_RST | TEE_TCP_ACK,
		.seq = conn_snd_seq(conn, MAX(conn->snd.una, MIN(conn->snd.nxt, edge))),
		.ack = conn_rcv_seq(conn, conn->rcv.nxt),
	};

	conn->segs_out++;
	if (conn_has(conn, CONN_HAS_TS)) { /* RFC 7323 3.2: "SHOULD be sent in a <RST> segment" */
		rst.options.has_ts = true;
		rst.options.ts_val = tstamp_val(&conn->ts, conn_now(conn));
		rst.options.ts_ecr = conn->ts.recent;
	}
	/* RFC 9768 3.2: the counter is on every segment; so is the classic echo. */
	rst.flags |= ecn_out_flags(conn->ecn, false);
	reply_segment(
		conn->tcp, &conn->node.stub, &rst,
		(uint8_t)((conn->settings->s.tos & ~ECN_MASK) | ecn_ip_bits(conn->ecn, false)),
		conn->settings->s.ttl, why);
}
