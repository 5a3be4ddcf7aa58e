/* SPDX-License-Identifier: MIT */
/* struct tcp_info, as getsockopt(TCP_INFO) returns it on Linux, from the stack's own account. */
#include "posix/posix.h"

enum { TIMESTAMPS_LEN = 12 };

static const uint8_t state_of[] = {
	[TEE_TCP_CLOSED] = LINUX_TCP_CLOSE,
	[TEE_TCP_LISTEN] = LINUX_TCP_LISTEN,
	[TEE_TCP_SYN_SENT] = LINUX_TCP_SYN_SENT,
	[TEE_TCP_SYN_RECEIVED] = LINUX_TCP_SYN_RECV,
	[TEE_TCP_ESTABLISHED] = LINUX_TCP_ESTABLISHED,
	[TEE_TCP_FIN_WAIT_1] = LINUX_TCP_FIN_WAIT1,
	[TEE_TCP_FIN_WAIT_2] = LINUX_TCP_FIN_WAIT2,
	[TEE_TCP_CLOSE_WAIT] = LINUX_TCP_CLOSE_WAIT,
	[TEE_TCP_CLOSING] = LINUX_TCP_CLOSING,
	[TEE_TCP_LAST_ACK] = LINUX_TCP_LAST_ACK,
	[TEE_TCP_TIME_WAIT] = LINUX_TCP_TIME_WAIT,
};
_Static_assert(sizeof(state_of) == TEE_TCP_STATE_COUNT, "a state has no Linux number");

static uint32_t us(uint64_t ns)
{
	uint64_t value = ns / TEE_NS_PER_US;

	return value > UINT32_MAX ? UINT32_MAX : (uint32_t)value;
}

static uint32_t ms(uint64_t ns)
{
	uint64_t value = ns / TEE_NS_PER_MS;

	return value > UINT32_MAX ? UINT32_MAX : (uint32_t)value;
}

static void fill_counts(const struct tee_tcp_info *from, struct linux_tcp_info *to)
{
	to->unacked = from->unacked_segs;
	to->sacked = from->sacked_segs;
	to->lost = from->lost_segs;
	to->retrans = from->retrans_out_segs;
	to->reordering = from->reordering_segs;
	to->reord_seen = from->reord_seen;
	to->total_retrans = from->total_retrans_segs;
	to->bytes_acked = from->bytes_acked;
	to->bytes_received = from->bytes_received;
	to->bytes_sent = from->bytes_sent;
	to->bytes_retrans = from->bytes_retrans;
	to->segs_out = from->segs_out;
	to->segs_in = from->segs_in;
	to->data_segs_out = from->data_segs_out;
	to->data_segs_in = from->data_segs_in;
	to->notsent_bytes = from->notsent_bytes;
	to->delivered = from->delivered_segs;
	to->delivered_ce = from->delivered_ce_segs;
	to->dsack_dups = from->dsack_dups_segs;
	to->rcv_ooopack = from->rcv_ooopack;
	to->rehash = from->rehash;
	to->received_ce = from->received_ce_segs;
	to->delivered_e1_bytes = from->delivered_ect1_bytes;
	to->delivered_e0_bytes = from->delivered_ect0_bytes;
	to->delivered_ce_bytes = from->delivered_ce_bytes;
	to->received_e1_bytes = from->received_ect1_bytes;
	to->received_e0_bytes = from->received_ect0_bytes;
	to->received_ce_bytes = from->received_ce_bytes;
	to->ecn_bits = (uint8_t)((from->ecn_mode & 3) | (from->accecn_option_seen & 3) << 2 |
				 from->accecn_fails << 4);
	to->total_rto = (uint16_t)from->total_rto;
	to->total_rto_recoveries = (uint16_t)from->total_rto_recoveries;
}

static void fill_times(const struct tee_tcp_info *from, struct linux_tcp_info *to)
{
	to->rto = us(from->rto_ns);
	to->ato = us(from->ato_ns);
	to->rtt = us(from->rtt_ns);
	to->rttvar = us(from->rttvar_ns);
	to->min_rtt = us(from->min_rtt_ns);
	to->rcv_rtt = us(from->rcv_rtt_ns);
	to->last_data_sent = ms(from->last_data_sent_ago_ns);
	to->last_ack_sent = ms(from->last_ack_sent_ago_ns);
	to->last_data_recv = ms(from->last_data_recv_ago_ns);
	to->last_ack_recv = ms(from->last_ack_recv_ago_ns);
	to->busy_time = from->busy_ns / TEE_NS_PER_US;
	to->rwnd_limited = from->rwnd_limited_ns / TEE_NS_PER_US;
	to->sndbuf_limited = from->sndbuf_limited_ns / TEE_NS_PER_US;
	to->total_rto_time = ms(from->total_rto_time_ns);
}

void posix_fill_tcp_info(const struct tee_tcp_info *from, struct linux_tcp_info *to)
{
	*to = (struct linux_tcp_info){0};
	to->state = state_of[from->state];
	to->ca_state = (uint8_t)from->recovery_state;
	to->retransmits = from->retransmits;
	to->probes = from->probes;
	to->backoff = from->backoff;
	/* The first six bits have the same meaning on both sides. */
	to->options = from->options & 0x3f;
	/* Both kinds of ECN have the one bit. */
	if (from->options & TEE_TCP_HAS_ACCECN)
		to->options |= TEE_TCP_HAS_ECN;
	to->wscales = (uint8_t)((from->snd_wscale & 15) | (from->rcv_wscale & 15) << 4);
	to->rate_app_limited_and_fastopen_fail =
		(uint8_t)((from->delivery_rate_app_limited ? 1 : 0) |
			  (from->fastopen_client_fail & 3) << 1);
	to->snd_mss = from->snd_mss;
	to->rcv_mss = from->rcv_mss;
	/* Linux tells what is left of it beside the timestamps of each segment. */
	to->advmss = from->advmss - (from->options & TEE_TCP_HAS_TIMESTAMPS ? TIMESTAMPS_LEN : 0);
	to->pmtu = from->pmtu;
	to->snd_cwnd = from->snd_cwnd_segs;
	to->snd_ssthresh = from->snd_ssthresh_segs;
	to->rcv_ssthresh = from->rcv_ssthresh;
	to->rcv_space = from->rcv_space;
	to->rcv_wnd = from->rcv_wnd;
	to->snd_wnd = from->snd_wnd;
	to->pacing_rate = from->pacing_rate;
	to->max_pacing_rate = from->max_pacing_rate;
	to->delivery_rate = from->delivery_rate;
	fill_counts(from, to);
	fill_times(from, to);
}
