/* SPDX-License-Identifier: MIT */
/*
 * The header of every segment that a connection sends. output.c (and open.c for a SYN) decide what
 * to send and have put the payload's slices into the frame; here it gets ports, numbers, window,
 * options (timestamps RFC 7323, SACK RFC 2018 and 2883), the checksum (MUST-2) or its partial sum
 * for a link that completes it, and is passed to IP.
 *
 * Every segment carries an ACK, so every segment pays what receive.c owed.
 *
 * Most headers hold nothing but numbers, a window and timestamps. They are written in place (put_plain_header), the
 * others by way of struct tcp_header. Both are the same to the last bit, which tests/unit/stack/test_fast_path.c holds;
 * config.tcp_fast_path switches the shorter way off.
 */
#include <string.h>
#include "tcp/conn.h"
#include "wire/checksum.h"

static bool has_fin_ahead(const struct tcp_conn *conn)
{
	return conn->rcv.fin > conn->rcv.nxt;
}

bool segment_has_sack_news(const struct tcp_conn *conn)
{
	const struct reassembly *ooo = conn_ooo(conn);

	return conn_has(conn, CONN_DSACK_DUE) || (ooo && ooo->range_count) || has_fin_ahead(conn);
}

/*
 * A FIN beyond a hole occupies its number as the text before it does. It is held like that text and told like
 * it, or the loss of a stream's tail would look to the sender as if its last segment were lost too.
 */
static unsigned add_fin(const struct tcp_conn *conn, uint64_t (*blocks)[2], unsigned count,
			unsigned most)
{
	uint64_t fin = conn->rcv.fin, touched = conn->rx ? conn->rx->fin_touched : 0;
	unsigned at = 0;

	if (!has_fin_ahead(conn))
		return count;
	for (unsigned i = 0; i < count; i++) {
		if (blocks[i][1] == fin) {
			blocks[i][1]++;
			return count;
		}
	}
	if (conn_ooo(conn)) {
		LIST_FOR_EACH(node, &conn_ooo(conn)->recent)
		{
			if (CONTAINER_OF(node, struct ooo_range, recent)->touched < touched)
				break;
			at++;
		}
	}
	if (at >= most)
		return count;
	count = MIN(count + 1, most);
	memmove(blocks[at + 1], blocks[at], (count - 1 - at) * sizeof(blocks[0]));
	blocks[at][0] = fin;
	blocks[at][1] = fin + 1;
	return count;
}

/* RFC 2883 4: a DSACK block goes first; RFC 2018 4: then the ranges, the latest first. */
unsigned segment_sack_blocks(const struct tcp_conn *conn, struct tcp_sack_block *sack)
{
	unsigned most = conn_has(conn, CONN_HAS_TS) ? 3 : 4;
	uint64_t blocks[TCP_SACK_MAX][2];
	unsigned n = 0, count = 0;

	if (!segment_has_sack_news(conn) || !conn_has(conn, CONN_HAS_SACK))
		return 0;
	if (conn_has(conn, CONN_DSACK_DUE)) {
		sack[n].left = conn_rcv_seq(conn, conn->rx->dsack_start);
		sack[n].right = conn_rcv_seq(conn, conn->rx->dsack_end);
		n++;
	}
	if (conn_ooo(conn) && conn_ooo(conn)->range_count)
		count = reassembly_sack_blocks(conn_ooo(conn), blocks, most - n);
	count = add_fin(conn, blocks, count, most - n);
	for (unsigned i = 0; i < count; i++, n++) {
		sack[n].left = conn_rcv_seq(conn, blocks[i][0]);
		sack[n].right = conn_rcv_seq(conn, blocks[i][1]);
	}
	return n;
}

void segment_on_dsack_told(struct tcp_conn *conn)
{
	if (!conn_has(conn, CONN_DSACK_DUE))
		return;
	conn->flags &= ~(uint32_t)CONN_DSACK_DUE;
	count(conn_engine(conn), COUNT_TCP_DSACK_OUT);
}

static void put_timestamps(const struct tcp_conn *conn, struct tcp_options *options, uint32_t ecr)
{
	if (!conn_has(conn, CONN_HAS_TS))
		return;
	options->has_ts = true;
	options->ts_val = tstamp_val(&conn->ts, conn_now(conn));
	options->ts_ecr = ecr;
}

/* RFC 9768 3.2.3.3: by the counters, or a few times a round trip. */
static bool wants_accecn(const struct tcp_conn *conn)
{
	const struct tee_config *config = conn_config(conn);
	uint64_t rtt_ns;

	if (conn->ecn->mode != ECN_MODE_ACCURATE)
		return false;
	rtt_ns = conn->tx ? conn->tx->rto.srtt_ns : conn->syn_rtt_ns;
	return ecn_wants_option(
		conn->ecn, (int)config->tcp_accecn_option, conn_now(conn),
		config->tcp_accecn_beacon ? MAX(rtt_ns / config->tcp_accecn_beacon, 1u) : 0);
}

static void put_options(const struct tcp_conn *conn, struct tcp_options *options)
{
	put_timestamps(conn, options, conn->ts.recent);
	options->sack_count = (uint8_t)segment_sack_blocks(conn, options->sack);
	if (wants_accecn(conn))
		ecn_fill_option(conn->ecn, options);
}

uint32_t segment_mss(const struct tcp_conn *conn)
{
	uint32_t mss = conn->snd.mss, sack;

	/* MUST-16: also less the options that not every segment has; AccECN's is on all of its own. */
	if (!segment_has_sack_news(conn) && conn->ecn->mode != ECN_MODE_ACCURATE)
		return mss;
	struct tcp_options options = {0};
	put_options(conn, &options);
	sack = (uint32_t)tcp_options_len(&options) - (options.has_ts ? 12u : 0u);
	return mss > sack + 8 ? mss - sack : 8;
}

/* The sum over header and payload, or, where the link completes it, the pseudo-header's alone. */
static void put_checksum(const struct tcp_conn *conn, struct tee_frame *frame, uint8_t *header,
			 size_t header_len, uint32_t payload_len)
{
	uint64_t sum = checksum_pseudo(&conn->node.key.local_ip, &conn->node.key.remote_ip,
				       IP_PROTO_TCP, (uint32_t)header_len + payload_len);

	if (netif_offloads(conn->path.netif) & TEE_OFFLOAD_TX_CHECKSUM) {
		store_be16(header + 16, checksum_fold(sum));
		frame->checksum_partial = true;
		frame->csum_start = 0;
		frame->csum_offset = 16;
		return;
	}
	sum = checksum_add(sum, header, header_len);
	sum += frame_checksum_payload(frame);
	store_be16(header + 16, checksum_finish(sum));
}

static void put_gso(const struct tcp_conn *conn, struct tee_frame *frame, uint32_t payload_len,
		    uint32_t mss)
{
	if (payload_len <= mss)
		return;
	frame->gso_size = (uint16_t)mss;
	frame->gso_type = conn_is4(conn) ? TEE_GSO_TCP4 : TEE_GSO_TCP6;
	count(conn_engine(conn), COUNT_TCP_SUPER_OUT);
}

static bool sets_df(const struct tcp_conn *conn)
{
	uint8_t discover = conn->settings->s.mtu_discover;

	return discover == 2 || (discover == 1 && conn_config(conn)->pmtud);
}

bool segment_has_df(const struct tcp_conn *conn)
{
	return !conn_is4(conn) || sets_df(conn);
}

/* The header is written, `header` where it stands in the frame; what is left is the same for all. */
static void finish(struct tcp_conn *conn, uint8_t *header, size_t header_len, uint8_t ip_ecn,
		   enum tee_why why, uint32_t mss, struct tee_frame *frame)
{
	const struct tcp_settings *s = &conn->settings->s;
	struct ip_out out = {
		.src = conn->node.key.local_ip,
		.dst = conn->node.key.remote_ip,
		.protocol = IP_PROTO_TCP,
		.ttl = s->ttl,
		.tos = (uint8_t)((s->tos & ~ECN_MASK) | ip_ecn), /* SHLD-22 */
		.dont_fragment = sets_df(conn),
		.why = why,
	};
	uint8_t option[SRCROUTE_OPTION_MAX];
	uint32_t payload_len = frame->len - (uint32_t)header_len, segs = 1;

	if (mss && payload_len > mss)
		segs = (payload_len + mss - 1) / mss;
	put_gso(conn, frame, payload_len, mss);
	put_checksum(conn, frame, header, header_len, payload_len);
	frame->why = (uint16_t)why;
	conn->segs_out += segs;
	if (payload_len)
		conn->data_segs_out += segs;
	count_n(conn_engine(conn), COUNT_TCP_SEGS_OUT, segs);
	if (conn_has(conn, CONN_SOURCE_ROUTED))
		route_apply(conn->tcp, &conn->node.stub, &out, option);
	if (ip_output_frame(conn->tcp->net, &conn->path, frame, &out) != IP_OUT_READY)
		frame_init(frame);
}

static void put_header(struct tcp_conn *conn, struct tcp_header *header, uint8_t ip_ecn,
		       enum tee_why why, uint32_t mss, struct tee_frame *frame)
{
	uint8_t bytes[TCP_HEADER_MAX], *at;
	uint32_t payload_len = frame->len;
	size_t header_len;

	header->src_port = conn->node.key.local_port;
	header->dst_port = conn->node.key.remote_port;
	header_len = tcp_write(bytes, header);
	at = frame_push(frame, header_len);
	memcpy(at, bytes, header_len);
	if (trace_on(conn_engine(conn)))
		trace_segment_out(conn, header, payload_len, why);
	finish(conn, at, header_len, ip_ecn, why, mss, frame);
}

/* RFC 3168 6.1.1: never ECN-capable. What data it carries is one segment. */
void segment_finish(struct tcp_conn *conn, struct tcp_header *header, enum tee_why why,
		    struct tee_frame *frame)
{
	put_header(conn, header, ECN_NOT_ECT, why, MAX(frame->len, 1u), frame);
	receive_on_ack_sent(conn);
}

/*
 * An ACK stands at SND.NXT; when the peer has shrunk its window below that, at the window's edge, so
 * that it is acceptable there.
 */
static uint64_t acceptable_seq(const struct tcp_conn *conn, const struct out_segment *out)
{
	uint64_t edge = conn->snd.una + conn->snd.wnd;

	if (out->len || (out->flags & (TEE_TCP_FIN | TEE_TCP_RST)) || out->seq <= edge)
		return out->seq;
	return MAX(edge, conn->snd.una);
}

/* Has the header nothing to say but numbers, window, timestamps and perhaps SACK? */
static bool is_nearly_plain(const struct tcp_conn *conn)
{
	return conn_config(conn)->tcp_fast_path && conn->ecn->mode == ECN_MODE_OFF &&
	       !conn_has(conn, CONN_URGENT_OUT) && !trace_on(conn_engine(conn));
}

/* An ACK of `nxt` that echoes `ecr`, with what `out` says. */
static void put_plain_header(struct tcp_conn *conn, const struct out_segment *out, uint64_t nxt,
			     uint32_t ecr, struct tee_frame *frame)
{
	bool has_ts = conn_has(conn, CONN_HAS_TS);
	size_t header_len = TCP_HEADER_LEN + (has_ts ? 12u : 0u);
	uint16_t window = header_window(conn, nxt);
	uint8_t *at = frame_push(frame, header_len);

	store_be16(at, conn->node.key.local_port);
	store_be16(at + 2, conn->node.key.remote_port);
	store_be32(at + 4, conn_snd_seq(conn, acceptable_seq(conn, out)).raw);
	store_be32(at + 8, conn_rcv_seq(conn, nxt).raw);
	store_be16(at + 12, (uint16_t)(header_len / 4 << 12 | TEE_TCP_ACK | out->flags));
	store_be16(at + 14, window);
	store_be32(at + 16, 0); /* checksum, urgent pointer */
	if (has_ts) {
		store_be32(at + TCP_HEADER_LEN, TCP_TIMESTAMPS_WORD);
		store_be32(at + TCP_HEADER_LEN + 4, tstamp_val(&conn->ts, conn_now(conn)));
		store_be32(at + TCP_HEADER_LEN + 8, ecr);
	}
	finish(conn, at, header_len, 0, out->why, out->mss, frame);
}

static void put_any_header(struct tcp_conn *conn, const struct out_segment *out,
			   struct tee_frame *frame)
{
	uint64_t seq = acceptable_seq(conn, out);
	struct tcp_header header = {
		.flags = (uint16_t)(out->flags | TEE_TCP_ACK),
		.seq = conn_snd_seq(conn, seq),
		.ack = conn_rcv_seq(conn, conn->rcv.nxt),
	};

	header.window = header_window(conn, conn->rcv.nxt);
	put_options(conn, &header.options);
	header.flags |= ecn_out_flags(conn->ecn, out->is_new_data);
	if (tcp_options_carry_accecn(&header.options))
		ecn_on_option_sent(conn->ecn, conn_now(conn));
	/* MUST-30, MUST-31: the pointer goes along while urgent octets are ahead of this segment's start. */
	if (conn_has(conn, CONN_URGENT_OUT) && conn->tx->urgent > seq &&
	    conn->tx->urgent - seq <= 65535) {
		header.flags |= TEE_TCP_URG;
		header.urgent = (uint16_t)(conn->tx->urgent - seq);
	}
	put_header(conn, &header, ecn_ip_bits(conn->ecn, out->is_new_data), out->why, out->mss,
		   frame);
	segment_on_dsack_told(conn);
}

void segment_out(struct tcp_conn *conn, const struct out_segment *out, struct tee_frame *frame)
{
	if (is_nearly_plain(conn) && !segment_has_sack_news(conn))
		put_plain_header(conn, out, conn->rcv.nxt, conn->ts.recent, frame);
	else
		put_any_header(conn, out, frame);
	receive_on_ack_sent(conn);
}

/* Both the field and the option tell of the moment when the ACK fell due. */
void segment_note_ecn(struct tcp_conn *conn, struct ack_note *note)
{
	note->ecn_flags = 0;
	note->has_accecn = false;
	if (conn->ecn->mode == ECN_MODE_OFF)
		return;
	note->ecn_flags = ecn_out_flags(conn->ecn, false);
	note->has_accecn = wants_accecn(conn);
	if (!note->has_accecn)
		return;
	note->ecn = *conn->ecn;
	ecn_on_option_sent(conn->ecn, conn_now(conn));
}

void segment_out_note(struct tcp_conn *conn, const struct ack_note *note, struct tee_frame *frame)
{
	const struct out_segment out = {.seq = conn->snd.nxt, .why = (enum tee_why)note->why};

	if (is_nearly_plain(conn) && note->sack_count == 0) {
		put_plain_header(conn, &out, note->nxt, note->ts_ecr, frame);
		return;
	}
	struct tcp_header header = {
		.flags = (uint16_t)(note->ecn_flags | TEE_TCP_ACK),
		.seq = conn_snd_seq(conn, acceptable_seq(conn, &out)),
		.ack = conn_rcv_seq(conn, note->nxt),
		.window = header_window(conn, note->nxt),
	};

	put_timestamps(conn, &header.options, note->ts_ecr);
	header.options.sack_count = note->sack_count;
	memcpy(header.options.sack, note->sack, note->sack_count * sizeof(note->sack[0]));
	if (note->has_accecn)
		ecn_fill_option(&note->ecn, &header.options);
	put_header(conn, &header, ecn_ip_bits(conn->ecn, false), out.why, 0, frame);
}
