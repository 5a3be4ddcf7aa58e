/* SPDX-License-Identifier: MIT */
/* TCP's trace points: segments as they come and go, and what ACKs did to the window. */
#include "tcp/conn.h"

static void fill_segment(struct tee_trace_seg *to, const struct tcp_header *header, uint32_t len)
{
	const struct tcp_options *options = &header->options;

	to->flags = header->flags;
	to->seq = header->seq.raw;
	to->ack = header->ack.raw;
	to->len = len;
	to->window = header->window;
	to->mss = options->has_mss ? options->mss : 0;
	to->wscale = options->has_wscale ? (int8_t)options->wscale : -1;
	to->has_ts = options->has_ts;
	to->sack_permitted = options->has_sack_permitted;
	to->ts_val = options->ts_val;
	to->ts_ecr = options->ts_ecr;
	to->sack_count = MIN(options->sack_count, 4u);
}

static void fill_window(const struct tcp_conn *conn, struct tee_trace *trace)
{
	if (!conn->tx)
		return;
	trace->cwnd_bytes = conn->tx->cc.cwnd_bytes;
	trace->ssthresh_bytes = conn->tx->cc.ssthresh_bytes;
	trace->in_flight_bytes = recovery_pipe(conn);
	trace->srtt_ns = conn->tx->rto.srtt_ns;
	trace->rto_ns = timers_rto_ns(conn);
}

static void conn_segment(struct tcp_conn *conn, const struct tcp_header *header, uint32_t len,
			 enum tee_why why, bool is_in)
{
	struct tee_trace trace = {
		.kind = is_in ? TEE_TRACE_TCP_IN : TEE_TRACE_TCP_OUT,
		.why = why,
		.netif = conn->path.netif ? netif_number(conn->path.netif) : 0,
		.state_from = (enum tee_tcp_state)conn->state,
		.state_to = (enum tee_tcp_state)conn->state,
	};
	struct seq32 seq_base = is_in ? conn->rcv.irs : conn->snd.iss;
	struct seq32 ack_base = is_in ? conn->snd.iss : conn->rcv.irs;
	uint8_t scale = is_in ? conn->snd.wscale
			      : (conn_has(conn, CONN_HAS_WSCALE) ? conn->rcv.wscale : 0);

	tcp_conn_names(conn, &trace.local, &trace.remote);
	fill_segment(&trace.seg, header, len);
	if (!(header->flags & TEE_TCP_SYN)) {
		trace.seg.window <<= scale;
		trace.seg.rel_seq = header->seq.raw - seq_base.raw;
	}
	if (header->flags & TEE_TCP_ACK)
		trace.seg.rel_ack = header->ack.raw - ack_base.raw;
	for (unsigned i = 0; i < trace.seg.sack_count; i++) {
		trace.seg.sack[i][0] = header->options.sack[i].left.raw - ack_base.raw;
		trace.seg.sack[i][1] = header->options.sack[i].right.raw - ack_base.raw;
	}
	fill_window(conn, &trace);
	trace_emit(conn_engine(conn), &trace);
}

void trace_segment_out(struct tcp_conn *conn, const struct tcp_header *header, uint32_t len,
		       enum tee_why why)
{
	conn_segment(conn, header, len, why, false);
}

void trace_segment_in(struct tcp_conn *conn, const struct segment *seg)
{
	conn_segment(conn, &seg->h, seg->len, TEE_WHY_NONE, true);
}

/* The window, threshold and RTT after `event`. */
void trace_cc(struct tcp_conn *conn, const char *event)
{
	struct tee_trace trace = {.kind = TEE_TRACE_TCP_CC, .text = event};

	if (!trace_on(conn_engine(conn)))
		return;
	tcp_conn_names(conn, &trace.local, &trace.remote);
	fill_window(conn, &trace);
	trace_emit(conn_engine(conn), &trace);
}

/* A segment of no full connection: nothing to be relative to. */
void trace_bare(struct tcp *tcp, const struct tcp_key *key, const struct tcp_header *header,
		uint32_t len, enum tee_why why, bool is_in)
{
	struct tee_trace trace = {
		.kind = is_in ? TEE_TRACE_TCP_IN : TEE_TRACE_TCP_OUT,
		.why = why,
		.local = {key->local_ip, key->local_port, 0},
		.remote = {key->remote_ip, key->remote_port, 0},
	};

	fill_segment(&trace.seg, header, len);
	trace_emit(tcp->engine, &trace);
}
