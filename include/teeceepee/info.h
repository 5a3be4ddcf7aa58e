/* SPDX-License-Identifier: MIT */
/* What a connection knows of itself: everything that Linux's struct tcp_info tells, and names. */
#ifndef TEECEEPEE_INFO_H
#define TEECEEPEE_INFO_H

#include <teeceepee/config.h>
#include <teeceepee/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* RFC 9293 section 3.3.2. */
enum tee_tcp_state {
	TEE_TCP_CLOSED,
	TEE_TCP_LISTEN,
	TEE_TCP_SYN_SENT,
	TEE_TCP_SYN_RECEIVED,
	TEE_TCP_ESTABLISHED,
	TEE_TCP_FIN_WAIT_1,
	TEE_TCP_FIN_WAIT_2,
	TEE_TCP_CLOSE_WAIT,
	TEE_TCP_CLOSING,
	TEE_TCP_LAST_ACK,
	TEE_TCP_TIME_WAIT,
	TEE_TCP_STATE_COUNT
};
TEE_API const char *tee_tcp_state_name(enum tee_tcp_state state);

/* The state of loss recovery, in the order of Linux's tcp_ca_state. */
enum tee_recovery_state {
	TEE_RECOVERY_OPEN,
	TEE_RECOVERY_DISORDER, /* duplicate ACKs or SACKs, nothing marked lost yet */
	TEE_RECOVERY_CWR,      /* window reduced for ECN */
	TEE_RECOVERY_RECOVERY, /* fast recovery */
	TEE_RECOVERY_LOSS,     /* after a retransmission timeout */
};

/* Options in use on the connection. Bits. */
enum {
	TEE_TCP_HAS_TIMESTAMPS = 1,
	TEE_TCP_HAS_SACK = 2,
	TEE_TCP_HAS_WSCALE = 4,
	TEE_TCP_HAS_ECN = 8,
	TEE_TCP_ECN_SEEN = 16, /* at least one segment with ECT arrived */
	TEE_TCP_SYN_DATA = 32, /* data in SYN was acknowledged (RFC 7413) */
	TEE_TCP_HAS_ACCECN = 64,
};

struct tee_tcp_info {
	enum tee_tcp_state state;
	enum tee_recovery_state recovery_state;
	char cc[TEE_CC_NAME_SIZE];
	unsigned options; /* TEE_TCP_HAS_… */
	uint8_t snd_wscale, rcv_wscale;
	uint8_t retransmits; /* RTOs in a row */
	uint8_t probes;      /* zero-window or keep-alive probes in a row without answer */
	uint8_t backoff;
	bool delivery_rate_app_limited;
	uint8_t fastopen_client_fail; /* as Linux: 0 not known, 1 no cookie, 2 SYN data lost … */

	uint64_t rto_ns, ato_ns, rtt_ns, rttvar_ns, min_rtt_ns, rcv_rtt_ns;
	uint32_t snd_mss, rcv_mss, advmss, pmtu;
	/* segments, as Linux counts them */
	uint32_t unacked_segs, sacked_segs, lost_segs, retrans_out_segs, reordering_segs,
		reord_seen;
	uint32_t snd_cwnd_segs, snd_ssthresh_segs; /* ssthresh 0x7fffffff: not set */
	uint64_t cwnd_bytes, ssthresh_bytes;
	uint32_t rcv_ssthresh, rcv_space, rcv_wnd, snd_wnd;
	uint64_t last_data_sent_ago_ns, last_ack_sent_ago_ns, last_data_recv_ago_ns,
		last_ack_recv_ago_ns;
	uint64_t pacing_rate, max_pacing_rate; /* bytes a second */
	uint64_t delivery_rate;
	uint64_t bytes_acked, bytes_received, bytes_sent, bytes_retrans;
	uint32_t segs_out, segs_in, data_segs_out, data_segs_in;
	uint32_t notsent_bytes;
	uint64_t busy_ns, rwnd_limited_ns, sndbuf_limited_ns;
	uint32_t total_retrans_segs, delivered_segs, delivered_ce_segs, dsack_dups_segs,
		rcv_ooopack, rehash;
	uint32_t sndbuf_bytes, rcvbuf_bytes, sndq_bytes, rcvq_bytes, ooo_bytes;
	/* ECN: packets that came with CE; octets of text by codepoint, as the peer reported and as they came in
	   (RFC 9768, without the counters' initial values) */
	uint8_t ecn_mode;           /* as Linux: 0 none, 1 RFC 3168, 2 AccECN */
	uint8_t accecn_option_seen; /* 0 none, 1 empty, 2 with counters, 3 zeroed */
	uint8_t accecn_fails;       /* as Linux' tcpi_accecn_fail_mode: what was given up */
	uint32_t received_ce_segs;
	uint32_t delivered_ect1_bytes, delivered_ect0_bytes, delivered_ce_bytes;
	uint32_t received_ect1_bytes, received_ect0_bytes, received_ce_bytes;
	uint32_t total_rto, total_rto_recoveries;
	uint64_t total_rto_time_ns;
};

/* A row of ss(8). */
struct tee_socket_entry {
	int type; /* enum tee_socket_type */
	bool has_socket;
	struct tee_socket *socket; /* NULL when the application has closed it or not yet accepted */
	struct tee_endpoint local, remote;
	struct tee_tcp_info tcp; /* TCP only; of TIME-WAIT only the state */
	uint32_t recvq, sendq;   /* bytes; of a listener: waiting connections, backlog */
	const char *
		timer_name; /* "on" (retransmission), "persist", "keepalive", "timewait", … or "" */
	uint64_t timer_left_ns;
};

#ifdef __cplusplus
}
#endif
#endif
