/* SPDX-License-Identifier: MIT */
/*
 * Trace points: what the stack decided, where it decided it. A consumer sees every segment that
 * comes in or goes out, why it was sent or what became of it, and what ACKs did to the window.
 *
 * Consumers only look: they must not call the stack. Without a consumer a trace point is one
 * predictable branch.
 */
#ifndef TEECEEPEE_TRACE_H
#define TEECEEPEE_TRACE_H

#include <teeceepee/info.h>
#include <teeceepee/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct tee_stack;

/* Why a segment or packet was sent. Names read as words by tee_why_name(). */
enum tee_why {
	TEE_WHY_NONE,
	/* TCP */
	TEE_WHY_SYN, /* active open */
	TEE_WHY_SYN_ACK,
	TEE_WHY_SYN_RETRANSMIT,
	TEE_WHY_NEW_DATA,
	TEE_WHY_FIN,              /* the application closed or shut down */
	TEE_WHY_FAST_RETRANSMIT,  /* marked lost by duplicate ACKs, SACK or RACK */
	TEE_WHY_RTO,              /* retransmission timeout */
	TEE_WHY_TLP,              /* tail loss probe (RFC 8985) */
	TEE_WHY_LIMITED_TRANSMIT, /* RFC 3042 */
	TEE_WHY_ACK_EVERY_SECOND, /* two segments came (RFC 9293 3.8.6.3) */
	TEE_WHY_ACK_DELAYED,      /* the delayed-ACK timer */
	TEE_WHY_ACK_OUT_OF_ORDER, /* duplicate ACK at once (RFC 5681 4.2) */
	TEE_WHY_ACK_FILLED_HOLE,
	TEE_WHY_ACK_FIN,
	TEE_WHY_ACK_HANDSHAKE, /* third step of the handshake */
	TEE_WHY_ACK_QUICK,     /* quick-ACK mode: start of a flow */
	TEE_WHY_WINDOW_UPDATE,
	TEE_WHY_WINDOW_PROBE, /* zero-window probe (MUST-36) */
	TEE_WHY_MTU_PROBE,    /* larger than what is known to pass (RFC 4821) */
	TEE_WHY_ANSWER_PROBE, /* what came lay outside the window: tell where we are */
	TEE_WHY_KEEPALIVE,
	TEE_WHY_CHALLENGE_ACK, /* RFC 5961 */
	TEE_WHY_DUPLICATE,     /* old data came again: DSACK */
	TEE_WHY_ECN,           /* to carry ECE, CWR or AccECN news */
	TEE_WHY_RST_NO_CONN,   /* no such connection here */
	TEE_WHY_RST_ABORT,     /* the application aborted, or data was lost on close (SHLD-3) */
	TEE_WHY_RST_BAD_ACK,   /* handshake with an ACK for what was never sent */
	TEE_WHY_RST_TIMEOUT,
	TEE_WHY_TIME_WAIT_ACK,
	TEE_WHY_SYN_COOKIE,
	/* others */
	TEE_WHY_ARP_REQUEST,
	TEE_WHY_ARP_REPLY,
	TEE_WHY_ARP_PROBE,
	TEE_WHY_ARP_ANNOUNCE,
	TEE_WHY_ND_SOLICIT,
	TEE_WHY_ND_ADVERT,
	TEE_WHY_ND_DAD,
	TEE_WHY_ROUTER_SOLICIT,
	TEE_WHY_MLD,
	TEE_WHY_ECHO_REQUEST,
	TEE_WHY_ECHO_REPLY,
	TEE_WHY_ICMP_ERROR,
	TEE_WHY_DATAGRAM,
	TEE_WHY_DHCP,
	TEE_WHY_COUNT
};
/* A phrase such as "tail loss probe"; never NULL. */
TEE_API const char *tee_why_name(enum tee_why why);

enum tee_trace_kind {
	TEE_TRACE_TCP_OUT,   /* seg, why */
	TEE_TRACE_TCP_IN,    /* seg; before it is acted on */
	TEE_TRACE_TCP_STATE, /* state_from, state_to */
	TEE_TRACE_TCP_CC, /* cwnd, ssthresh … after an ACK, loss or timeout changed them; text: event */
	TEE_TRACE_TCP_RTT,    /* a sample: value_ns, and srtt, rto */
	TEE_TRACE_TCP_LOST,   /* seg.seq..+len marked lost; text: by what */
	TEE_TRACE_DROP,       /* text: the drop reason's name */
	TEE_TRACE_PACKET_OUT, /* not TCP: text: a line of print; why */
	TEE_TRACE_PACKET_IN,
	TEE_TRACE_ADDR, /* an address became usable, or a conflict was seen; text */
};

enum {
	TEE_TCP_FIN = 1,
	TEE_TCP_SYN = 2,
	TEE_TCP_RST = 4,
	TEE_TCP_PSH = 8,
	TEE_TCP_ACK = 16,
	TEE_TCP_URG = 32,
	TEE_TCP_ECE = 64,
	TEE_TCP_CWR = 128,
	TEE_TCP_AE = 256,
};

struct tee_trace_seg {
	uint16_t flags;            /* TEE_TCP_… */
	uint32_t seq, ack;         /* as on the wire */
	uint32_t rel_seq, rel_ack; /* relative to the two ISNs; 0 when not known */
	uint32_t len;              /* payload bytes */
	uint32_t window;           /* bytes, scaled */
	unsigned sack_count;
	uint32_t sack[4][2]; /* relative, left and right edges */
	uint16_t mss;        /* of the option; 0: none */
	int8_t wscale;       /* -1: none */
	bool has_ts, sack_permitted;
	uint32_t ts_val, ts_ecr;
};

struct tee_trace {
	enum tee_trace_kind kind;
	enum tee_why why;
	uint64_t at_ns;
	int netif;
	struct tee_endpoint local, remote; /* of the connection, where there is one */
	enum tee_tcp_state state_from, state_to;
	struct tee_trace_seg seg;
	uint64_t cwnd_bytes, ssthresh_bytes, in_flight_bytes, srtt_ns, rto_ns, value_ns;
	const char *text; /* valid during the call only; may be NULL */
};

typedef void tee_trace_fn(void *arg, const struct tee_trace *trace);

/* Sets the one consumer; NULL ends tracing. */
TEE_API void tee_trace_set(struct tee_stack *stack, tee_trace_fn *consumer, void *arg);

#ifdef __cplusplus
}
#endif
#endif
