/* SPDX-License-Identifier: MIT */
/*
 * A TCP connection: composition only. Each part is written by its home file, named beside it; the
 * others read. The steps (input, ack, receive, output, recovery, open, close, timers) see this struct; the
 * leaves don't.
 *
 * Offsets are positions in sequence space, 64-bit: 0 is the SYN, 1 the first byte, the FIN follows
 * the last. iss + offset (mod 2^32) is the number on the wire.
 *
 * What only a sender needs (send map, controller, RACK …) is in `struct tcp_tx`, allocated when the first
 * byte is to be sent; what only received text needs is in `struct tcp_rx`. So a connection that only waits stays
 * small.
 */
#ifndef TEE_TCP_CONN_H
#define TEE_TCP_CONN_H

#include "base/byteorder.h"
#include "base/check.h"
#include "engine/engine.h"
#include "net/net.h"
#include "pkt/frame.h"
#include "pkt/queue.h"
#include "tcp/ack_info.h"
#include "tcp/cc/cc.h"
#include "tcp/cc/pacer.h"
#include "tcp/demux.h"
#include "tcp/ecn.h"
#include "tcp/isn.h"
#include "tcp/loss/prr.h"
#include "tcp/loss/rack.h"
#include "tcp/loss/rate.h"
#include "tcp/loss/rto.h"
#include "tcp/loss/sack.h"
#include "tcp/loss/sendmap.h"
#include "tcp/metrics.h"
#include "tcp/mtu_probe.h"
#include "tcp/reassembly.h"
#include "tcp/segment.h"
#include "tcp/tcp.h"
#include "tcp/timewait.h"
#include "tcp/tstamp.h"
#include "wire/tcp.h"

/* What can be due in time; timers.c says when, expire.c what happens then. */
enum conn_timer {
	CONN_RTO, /* retransmission, of a SYN too */
	CONN_DELACK,
	CONN_KEEPALIVE,
	CONN_PACE,
	CONN_LIMIT, /* user timeout, SYN timeout, life of an orphan in FIN-WAIT-2 */
	/* only while there is a sender's half, which holds their deadlines */
	CONN_TLP,     /* tail loss probe */
	CONN_REORDER, /* RACK: what was out of order long enough is lost */
	CONN_PERSIST, /* zero window (MUST-36), and the sender's silly-window override */
	CONN_TIMER_COUNT,
	CONN_TX_TIMER_FIRST = CONN_TLP
};

/* Flags of a connection. */
enum {
	CONN_IS_PASSIVE = 1 << 0, /* came from a listener */
	CONN_IS_ORPHAN = 1 << 1,  /* its socket is closed */
	CONN_FIN_QUEUED = 1 << 2, /* a FIN stands at the end of the send queue */
	CONN_FIN_SENT = 1 << 3,
	CONN_FIN_RECEIVED = 1 << 4,
	CONN_SYN_DUE = 1 << 5, /* SYN or SYN-ACK is to be sent (again) */
	CONN_SHUT_READ = 1 << 6,
	CONN_HAS_TS = 1 << 7,
	CONN_HAS_SACK = 1 << 8,
	CONN_HAS_WSCALE = 1 << 9,
	CONN_QUEUED_FOR_ACCEPT = 1 << 10,
	CONN_QUICKACK =
		1 << 11, /* not yet interactive: acknowledge at once while quick_acks last */
	CONN_PINGPONG = 1 << 12,  /* interactive: our data will carry the ACK */
	CONN_PROBE_DUE = 1 << 13, /* zero-window probe or SWS override */
	CONN_TLP_DUE = 1 << 14,
	CONN_KEEPALIVE_DUE = 1 << 15,
	CONN_URGENT_IN = 1 << 16,  /* rx->urgent is ahead of what was read */
	CONN_URGENT_OUT = 1 << 17, /* tx->urgent is ahead of what was acknowledged */
	CONN_DSACK_DUE = 1 << 18,
	CONN_WRITE_WAITED = 1 << 19, /* a send found no room: WRITABLE is news when it comes */
	CONN_SYN_DATA = 1 << 20,     /* our SYN carried data (RFC 7413) */
	CONN_SYN_DATA_ACKED = 1 << 21,
	CONN_SYN_FASTOPEN = 1 << 22, /* our SYN carried the fast-open option */
	CONN_R1_REPORTED = 1 << 23,  /* negative advice given for this run of timeouts (MUST-20) */
	CONN_CHILD_FASTOPEN = 1 << 24, /* passive, created by a SYN with a valid cookie */
	CONN_MORE_COMES = 1 << 25,     /* the last send said TEE_MSG_MORE */
	CONN_WAS_WINDOW_LIMITED = 1 << 26,
	CONN_SOURCE_ROUTED = 1 << 27, /* tcp->srcroutes has a route for it */
	CONN_WANTS_COOKIE = 1 << 28,  /* passive: a fast-open cookie goes into the SYN-ACK */
	CONN_SENDS_OWNED = 1 << 29,   /* memory of the application's was queued without a copy */
};

/* The sender's half, allocated lazily by tx_get(). */
struct tcp_tx {
	uint64_t deadlines[CONN_TIMER_COUNT - CONN_TX_TIMER_FIRST];
	struct sendmap map;
	struct rto rto;
	struct rack rack;
	struct prr prr;
	struct cc cc;
	struct rate rate;
	struct pacer pacer;
	struct mtu_probe *mtu; /* NULL: no search; low: what the segment size is held to */

	uint64_t
		small_end; /* end of the last segment below a full one: Nagle as Minshall reads it */
	uint64_t urgent;   /* with CONN_URGENT_OUT */

	/* recovery.c */
	uint8_t recovery; /* enum tee_recovery_state */
	bool frto;        /* F-RTO is being tried (RFC 5682) */
	bool undo_possible;
	bool frto_new_data;   /* F-RTO step 2b: new data goes before retransmissions */
	bool original_proved; /* the ACK at hand echoes a time before the first retransmission */
	uint8_t dupacks; /* duplicate ACKs in a row (without SACK: segments that left the network) */
	uint8_t probe_count;   /* window probes in a row that nobody answered */
	uint64_t probe_end;    /* a probe up to here was taken back: what repeats it gives no RTT */
	uint8_t probe_backoff; /* in a row at all: how often the interval was doubled */
	uint64_t recover;      /* snd.nxt when recovery began: recovery ends there */
	uint64_t undo_una;     /* snd.una when it began (undo_possible) */
	int32_t undo_retrans_segs; /* retransmissions not yet proved needless by DSACK; below 0: none made */
	uint32_t retrans_ts; /* our TSval at the first retransmission of this recovery */
	bool retrans_ts_set;
	uint32_t reordering_segs; /* seen extent of reordering, in segments */
	uint32_t reord_seen;
	uint64_t cwr_end; /* ECN: no second reduction before this offset is acknowledged */
	uint64_t cwnd_used_max_bytes; /* largest flight of this round (RFC 7661) */
	uint64_t cwnd_round_end;
	bool cwnd_limited;
	uint8_t limit_kind; /* enum tx_limit, since limit_since_ns */
	uint32_t delivered_segs;
	uint64_t last_sent_at_ns; /* data; for idle restart */

	/* statistics; first those that each segment touches, beside what sending writes anyway */
	uint64_t busy_ns, limit_since_ns;
	uint64_t first_timeout_at_ns; /* of this run of RTOs; 0: none */
	uint64_t rto_since_ns;        /* recovery from a timeout began; 0: none is under way */
	uint64_t rto_time_ns;         /* of those that are over */
	uint64_t bytes_retrans, rwnd_limited_ns, sndbuf_limited_ns;
	uint32_t total_retrans_segs, dsack_dups, total_rto, total_rto_recoveries;
	uint32_t
		sndbuf_grown; /* what the send buffer's limit has reached: it never shrinks again */
};

/* What sending waits for: tcp_info's three clocks, of which one runs at a time. */
enum tx_limit { TX_IDLE, TX_BUSY, TX_RWND_LIMITED, TX_SNDBUF_LIMITED };

/* What only a receiver of text needs, allocated lazily by rx_get(). */
struct tcp_rx {
	struct reassembly *ooo;          /* NULL: nothing out of order */
	uint64_t urgent;                 /* with CONN_URGENT_IN */
	uint64_t dsack_start, dsack_end; /* with CONN_DSACK_DUE */
	/* Text that rode in the SYN of a simultaneous open and waits for ESTABLISHED; NULL: none. */
	struct tee_pkt *syn_text;
	uint32_t syn_text_off, syn_text_len;
	/* autotuning: dynamic right-sizing */
	uint64_t space_mark; /* offset read when the current measurement began */
	uint64_t space_at_ns, rtt_ns, rtt_mark, rtt_at_ns;
	uint32_t space_bytes;
	uint32_t rtt_ecr;        /* the timestamp that rtt_ns was measured by last */
	uint32_t ooo_segs;       /* that ever came out of order */
	uint32_t hole_ts_val;    /* the timestamp of what came first beyond the present holes */
	bool is_overtaken;       /* what was sent earlier came later: the path reorders */
	struct ack_notes *notes; /* NULL: none */
	uint64_t fin_touched;    /* when a FIN beyond a hole came last, as ooo_range.touched */
};

struct tcp_conn {
	struct tcp_node node; /* key and netif; in the demux */
	uint8_t state;        /* enum tee_tcp_state; changed by conn_set_state() only */
	uint8_t error;        /* pending for the application, enum tee_error */
	uint8_t soft_error; /* from ICMP; told when a timeout ends the connection (MUST-56, SHLD-25) */
	uint8_t retries;    /* timeouts in a row, SYN too */
	uint32_t flags;     /* CONN_… */
	struct tcp *tcp;
	struct event_source *source;             /* NULL: no socket (not accepted yet, or orphan) */
	struct settings_ref *settings;           /* shared until somebody changes it */
	struct tcp_tx *tx;                       /* NULL until something is to be sent */
	struct list due;                         /* in tcp->due[netif]: has something for output */
	struct timer timer;                      /* the earliest of deadlines[] */
	uint64_t deadlines[CONN_TX_TIMER_FIRST]; /* the others are in tx; see conn_deadline() */
	struct net_path path;

	/* sending: open.c, output.c, ack.c */
	struct byteq sndq; /* [una, written) without SYN and FIN */
	struct {
		struct seq32 iss;
		uint64_t una, nxt;
		uint64_t wl1; /* RFC 9293 3.3.1, as offsets; wl2 is in ack.c's rule */
		uint64_t wl2;
		uint32_t wnd;     /* bytes, scaled (REC-1) */
		uint32_t wnd_max; /* largest ever offered: SWS avoidance, RFC 5961 5 */
		uint16_t
			mss; /* payload bytes of a full segment, options of every segment deducted */
		uint16_t peer_mss; /* as the peer's MSS option said, or the default (MUST-15) */
		uint16_t mtu_seen; /* path MTU that mss was computed from */
		uint8_t wscale;
	} snd;

	/* receiving: receive.c */
	struct byteq rcvq; /* [read, nxt) */
	struct tcp_rx *rx; /* NULL until text comes */
	struct {
		struct seq32 irs;
		uint32_t last_ack_ms;
		uint64_t nxt;
		uint64_t adv;          /* right edge of the window that was advertised last */
		uint64_t acked;        /* Last.ACK.sent (RFC 7323) */
		uint64_t fin;          /* offset of the peer's FIN, 0: not seen */
		uint32_t buf;          /* bytes the receive buffer may hold now (autotuned) */
		uint16_t mss;          /* estimate of the peer's segment size */
		uint16_t unacked_segs; /* segments with text since the last ACK */
		uint8_t wscale;
		uint8_t quick_acks; /* left to be sent at once */
		uint8_t soon_acks;  /* left to be sent at once, or nearly so */
		uint8_t tos;        /* of the last segment (MAY-9) */
		uint32_t unacked_bytes;
		uint32_t ato_ms;       /* delayed-ACK timeout, adaptive; 0: no data yet */
		uint32_t last_data_ms; /* coarse clock, for tcp_info, as last_ack_ms */
	} rcv;
	uint16_t ack_why;   /* enum tee_why; 0: no ACK is due now */
	uint16_t adv_mss;   /* MSS that our SYN announced */
	uint16_t ecn_reply; /* ECN flags of our SYN-ACK */
	uint8_t keepalive_probes;
	uint8_t syn_retries;
	uint32_t last_data_sent_ms, last_ack_sent_ms;
	struct tstamp ts;
	struct ecn *ecn;      /* tcp->ecn_off, or its own when ECN was agreed on */
	uint64_t heard_at_ns; /* last segment from the peer: keep-alive */
	uint32_t segs_in, segs_out, data_segs_in, data_segs_out;

	/* What no common segment touches, at the end, so that the rest lies in fewer cache lines. */
	uint64_t syn_sent_at_ns;       /* for the first RTT sample */
	uint64_t syn_rtt_ns;           /* of the handshake, until tx exists */
	uint64_t oow_acked_at_ns;      /* last answer to an unacceptable segment */
	struct tcp_listener *listener; /* while queued for accept, else NULL */
	struct list accept_node;       /* in listener->ready */
	struct port_bind *bind;
};

/* Settings shared by reference: a listener's children have its own until they change one. */
struct settings_ref {
	uint32_t ref_count;
	struct tcp_settings s;
};

/* A half-open connection of a listener: 96 bytes, or 120 for IPv6, no buffers (request.c). */
struct tcp_request {
	struct list siblings; /* in listener->requests */
	struct timer timer;   /* SYN-ACK retransmission */
	struct tcp_listener *listener;
	struct seq32 iss, irs;
	uint32_t ts_recent;
	uint32_t sent_at_ms; /* last SYN-ACK, coarse */
	uint16_t peer_mss;
	uint16_t peer_window; /* of the SYN, never scaled */
	uint8_t wscale;       /* peer's; 255: none */
	uint8_t retries;
	uint8_t options; /* REQUEST_… */
	uint8_t tos;
	struct tcp_stub stub;
	uint8_t key[]; /* the stub's */
};
enum {
	REQUEST_HEAD_BYTES = offsetof(struct tcp_request, key),
	REQUEST_BYTES4 = REQUEST_HEAD_BYTES + sizeof(struct tcp_key4),
	REQUEST_BYTES6 = REQUEST_HEAD_BYTES + sizeof(struct tcp_key),
};
_Static_assert((int)REQUEST_BYTES4 <= 96 && (int)REQUEST_BYTES6 <= 120,
	       "SYN-RECEIVED is to stay small");
_Static_assert(offsetof(struct tcp_request, key) ==
		       offsetof(struct tcp_request, stub) + sizeof(struct tcp_stub),
	       "a stub's key follows it");
/* Room for any request, for one that is not to last. */
union request_room {
	struct tcp_request request;
	uint8_t bytes[REQUEST_BYTES6];
};
enum {
	REQUEST_HAS_TS = 1,
	REQUEST_HAS_SACK = 2,
	REQUEST_ACKED = 8,
	REQUEST_FASTOPEN_COOKIE = 16,
	REQUEST_RETRANSMITTED = 32,
	REQUEST_FASTOPEN_EXP = 64,
};

struct tcp_listener {
	struct list node; /* in tcp->listeners[hash of port] */
	struct tcp *tcp;
	struct event_source *source;
	struct settings_ref *settings;
	struct port_bind *bind;
	struct tee_endpoint local;
	struct list requests; /* half-open */
	struct list ready;    /* established, waiting for accept */
	uint32_t request_count, ready_count, backlog;
	uint64_t
		cookie_sent_at_ns; /* last SYN cookie; 0: none. Cookies are believed for a while after */
};

enum { TCP_LISTENER_BUCKETS = 256, TCP_NETIF_MAX = 64 };

struct tcp {
	struct ecn ecn_off; /* of all connections without ECN; nobody changes it */
	struct engine *engine;
	struct net *net;
	struct slab conns, txs, rxs;      /* struct tcp_conn, tcp_tx, tcp_rx */
	struct slab requests4, requests6; /* struct tcp_request with short keys, with whole ones */
	struct tcp_demux demux;
	struct timewait_queue timewait;
	struct timer timewait_timer;
	struct list listeners[TCP_LISTENER_BUCKETS];
	struct list binds[TCP_LISTENER_BUCKETS]; /* ports.c */
	struct list due[TCP_NETIF_MAX]; /* connections with something to send, by netif number */
	struct list dead;               /* connections to be freed at the end of the entry */
	struct siphash_key isn_secret;
	struct isn_ts_memo ts_memo;
	struct settings_ref *default_settings;
	struct settings_ref
		*open_settings; /* of the connection opened last: the next may share them */
	uint32_t conn_count;
	uint32_t port_counter;
	uint32_t delack_min_ms, delack_max_ms; /* of the configuration, as they are needed */
	/* While a SYN that ends a TIME-WAIT is dealt with: the ISN must lie beyond this (MAY-2). */
	struct seq32 isn_above;
	bool has_isn_above;
	uint32_t challenge_tokens; /* RFC 5961 7, global bucket */
	uint64_t challenge_at_ns;
	struct srcroutes srcroutes;      /* of connections and requests that have one */
	struct metrics metrics;          /* of hosts, with config.tcp_metrics_save */
	struct ack_notes *spare_notes;   /* NULL: in use, or none was needed yet */
	struct fastopen_cache *fastopen; /* client's cookies by address (fastopen.c) */
};

/* ---- helpers that every step uses ---- */

static inline struct engine *conn_engine(const struct tcp_conn *conn)
{
	return conn->tcp->engine;
}
static inline uint64_t conn_now(const struct tcp_conn *conn)
{
	return conn->tcp->engine->now_ns;
}
static inline const struct tee_config *conn_config(const struct tcp_conn *conn)
{
	return &conn->tcp->engine->config;
}
static inline bool conn_has(const struct tcp_conn *conn, uint32_t flags)
{
	return (conn->flags & flags) != 0;
}
static inline bool conn_is4(const struct tcp_conn *conn)
{
	return ip_is4(&conn->node.key.remote_ip);
}
static inline struct seq32 conn_snd_seq(const struct tcp_conn *conn, uint64_t off)
{
	return seq_add(conn->snd.iss, (uint32_t)off);
}
static inline struct seq32 conn_rcv_seq(const struct tcp_conn *conn, uint64_t off)
{
	return seq_add(conn->rcv.irs, (uint32_t)off);
}
static inline uint64_t conn_written(const struct tcp_conn *conn)
{
	return conn->sndq.end; /* one past the last queued byte */
}
/* What waits out of order; NULL: nothing ever did. */
static inline struct reassembly *conn_ooo(const struct tcp_conn *conn)
{
	return conn->rx ? conn->rx->ooo : NULL;
}
static inline uint64_t conn_deadline(const struct tcp_conn *conn, enum conn_timer which)
{
	if (which < CONN_TX_TIMER_FIRST)
		return conn->deadlines[which];
	return conn->tx ? conn->tx->deadlines[which - CONN_TX_TIMER_FIRST] : TEE_NEVER;
}
static inline uint32_t coarse_ms(uint64_t ns)
{
	return (uint32_t)(ns / 1000000u);
}

/* tcp.c */
struct tcp_conn *conn_new(struct tcp *tcp, const struct tcp_key *key,
			  struct settings_ref *settings);
void conn_set_state(struct tcp_conn *conn, enum tee_tcp_state state);
/* Leaves the demux and all queues; memory goes when the entry ends. `error` 0: in order. */
void conn_end(struct tcp_conn *conn, int error);
void conn_enter_timewait(struct tcp_conn *conn);
void conn_mark_due(struct tcp_conn *conn);
/* The send buffer's limit, as it is now, is from now on the least. */
void sndbuf_keep(struct tcp_conn *conn);
/* As many bytes as the path can hold at the speed of the fastest links; not below `least`. */
uint32_t conn_supers_bytes(const struct tcp_conn *conn, uint32_t count, uint32_t most);
uint64_t conn_path_bytes_max(const struct tcp_conn *conn, uint64_t least);
/* Raises WRITABLE where a send had found no room and there is some now. */
void conn_tell_writable(struct tcp_conn *conn);
void conn_ack_now(struct tcp_conn *conn, enum tee_why why);
void conn_raise(struct tcp_conn *conn, unsigned bits);
struct tcp_tx *tx_get(struct tcp_conn *conn);     /* NULL: no memory */
void tx_free(struct tcp *tcp, struct tcp_tx *tx); /* NULL is legal */
struct tcp_rx *rx_get(struct tcp_conn *conn);     /* the same */
/* What the handshake agreed on; without memory there is no ECN. */
void conn_set_ecn(struct tcp_conn *conn, const struct ecn *ecn);
bool conn_is_synchronized(const struct tcp_conn *conn);
void conn_check(const struct tcp_conn *conn);
struct settings_ref *settings_ref_new(const struct tcp_settings *from);
/* The same, shared with the connection opened last if that had equal ones. */
struct settings_ref *settings_ref_for_open(struct tcp *tcp, const struct tcp_settings *from);
void settings_release(struct settings_ref *settings);
void tcp_free_dead(struct tcp *tcp);
/* At the end of an entry: nobody holds a pointer to a dead connection any more. */
static inline void tcp_reap(struct tcp *tcp)
{
	if (!list_is_empty(&tcp->dead))
		tcp_free_dead(tcp);
}

/* input.c */
void tcp_segment_arrives(struct tcp_conn *conn, struct segment *seg, struct tee_pkt *pkt);
void tcp_protocol_input(void *context, struct ip_packet *packet);
bool tcp_checksum_is_good(const struct ip_packet *packet);

/* fast.c: true: it was the common segment, and is dealt with; the packet is gone */
bool fast_input(struct tcp *tcp, struct ip_packet *packet);

/* validate.c */
bool validate_segment(struct tcp_conn *conn, struct segment *seg);
void challenge_ack(struct tcp_conn *conn);
void answer_out_of_window(struct tcp_conn *conn, const struct segment *seg);

/* ack.c: false: the segment is to be dropped */
bool ack_process(struct tcp_conn *conn, struct segment *seg);
void ack_update_window(struct tcp_conn *conn, const struct segment *seg);

/* receive.c */
void receive_data(struct tcp_conn *conn, struct segment *seg, struct tee_pkt *pkt);
void receive_fin(struct tcp_conn *conn);
uint32_t receive_window_peek(const struct tcp_conn *conn); /* to advertise now, bytes */
/* The same to the right of `nxt`, scaled down, for a header that leaves now: moves rcv.adv. */
uint16_t header_window(struct tcp_conn *conn, uint64_t nxt);
void receive_on_read(struct tcp_conn *conn);
void receive_on_ack_sent(struct tcp_conn *conn);
/* Of those that are early there are so many. */
static inline void receive_count_ack(struct tcp_conn *conn)
{
	if (conn->rcv.quick_acks)
		conn->rcv.quick_acks--;
	if (conn->rcv.soon_acks)
		conn->rcv.soon_acks--;
}
/* The peer's sender lost something, or took it for lost: the next ACKs are hardly delayed. */
void receive_feed_recovery(struct tcp_conn *conn);
void receive_init_window(struct tcp_conn *conn);
/* What the arrival of text means for acknowledging and for sizing, whatever becomes of the text. */
struct arrival {
	uint32_t len, gso_segs;
	uint32_t payload_off; /* in pkt->data */
	uint32_t ts_ecr;      /* 0: none */
	uint8_t tos;
	bool is_pushed;
};
/* Text that is the very next, all of it inside the window, with no hole behind it; takes the packet over. */
void receive_next(struct tcp_conn *conn, const struct arrival *arrival, struct tee_pkt *pkt);
bool receive_is_worth_reading(const struct tcp_conn *conn);
uint8_t receive_wscale(const struct tee_config *config, const struct tcp_settings *settings);
void receive_urgent(struct tcp_conn *conn, const struct segment *seg);

/* ack_note.c */
struct ack_note {
	uint64_t nxt;
	uint32_t ts_ecr;
	uint16_t why, ecn_flags;
	bool has_accecn;
	uint8_t sack_count;
	struct ecn ecn; /* as it stood, for AccECN's option; set only with has_accecn */
	struct tcp_sack_block sack[TCP_SACK_MAX];
};
/* An ACK is due, and has not left, when a segment with text at `seq` comes: keeps it when it would be missed. */
void ack_note_before(struct tcp_conn *conn, int64_t seq);
void ack_note_second(struct tcp_conn *conn);
void ack_note_each(struct tcp_conn *conn, uint32_t count, uint32_t step);
/* In order, and with nothing out of order: every second full-sized segment, but not a super-frame. */
static inline bool ack_note_is_second(const struct tcp_conn *conn)
{
	return conn->ack_why && conn->rcv.unacked_bytes > conn->rcv.mss &&
	       conn->rcv.unacked_bytes <= 2u * conn->rcv.mss;
}
/* true: the frame holds the oldest ACK that was noted. */
bool ack_note_frame(struct tcp_conn *conn, struct tee_frame *frame);
void ack_notes_free(struct tcp_conn *conn);

/* recovery.c */
void recovery_on_ack(struct tcp_conn *conn, struct ack_info *info, const struct segment *seg);
void recovery_on_rto(struct tcp_conn *conn);
void recovery_on_reorder_timer(struct tcp_conn *conn);
void recovery_on_retransmit(struct tcp_conn *conn, const struct send_record *record);
void recovery_round(const struct tcp_conn *conn, struct cc_round *ret_round);
void recovery_on_mtu(struct tcp_conn *conn);
uint64_t recovery_pipe(const struct tcp_conn *conn);

/* mtu_search.c: the segment size, and what the path takes (RFC 4821) */
void conn_update_mss(struct tcp_conn *conn);
/* Begins, or begins again lower, at a size that is believed to pass; false: no memory, so the size stays. */
bool mtu_search_start(struct tcp_tx *tx, uint32_t low);
/* Timeouts in a row: what is as large as the oldest segment may not get through (RFC 4821 7.7). */
void mtu_search_suspect(struct tcp_conn *conn);
/* Bytes of text that a probe is to carry now; 0: none is due. */
uint32_t mtu_search_size(struct tcp_conn *conn, uint64_t unsent);
/* One has left, from `start` to SND.NXT. */
void mtu_search_on_sent(struct tcp_conn *conn, uint64_t start);
/* With tx->mtu->end set: SND.UNA may have passed it. */
void mtu_search_on_ack(struct tcp_conn *conn);
/* Losses were marked. true: a probe's alone, which says nothing of congestion. */
bool mtu_search_on_losses(struct tcp_conn *conn);
/* Of what is lost, the bytes that say something of congestion. */
uint64_t mtu_search_congestion_bytes(const struct tcp_conn *conn);
/* ICMP lowered the path MTU, perhaps below a probe. */
void mtu_search_on_mtu(struct tcp_conn *conn);
void mtu_search_on_retransmit(struct tcp_conn *conn, const struct send_record *record);

/* output.c: 1: a frame was built, 0: nothing to send now */
int output_frame(struct tcp_conn *conn, struct tee_frame *frame);
bool output_may_have_more(const struct tcp_conn *conn);
/* After a frame: true where output_frame() would build no other; what it does then is done already. */
bool output_has_ended(struct tcp_conn *conn);
void output_note_limit(struct tcp_conn *conn);
/* A record has just been sent: rate, recovery, controller, pacer and timers are told. */
void output_note_sent(struct tcp_conn *conn, struct send_record *record, uint64_t bytes,
		      bool is_retransmit);

/* bare_fin.c: a FIN without a sender's half */
bool bare_fin_is_fit(const struct tcp_conn *conn);
void bare_fin_send(struct tcp_conn *conn, struct tee_frame *frame);
bool bare_fin_is_out(const struct tcp_conn *conn);
/* true: the segment acknowledges it and no more; the connection may have ended by that. */
bool bare_fin_acked(struct tcp_conn *conn, const struct segment *seg);
/* Makes the sender's half that it went without; false: no memory. */
bool bare_fin_grow(struct tcp_conn *conn);
/* The RTO in force, without a sender's half; conn->retries of them have passed. */
uint64_t bare_fin_rto_ns(const struct tcp_conn *conn);

/* segment_out.c: headers for every segment that a connection sends */
struct out_segment {
	uint64_t seq;   /* offset */
	uint32_t len;   /* payload bytes from the send queue */
	uint16_t flags; /* TEE_TCP_… */
	enum tee_why why;
	uint32_t mss; /* for segmentation offload */
	bool is_new_data;
};
/*
 * Finishes a frame that holds the payload slices already: header, options, checksum, IP and link
 * headers. A frame that can't leave now (the neighbour is not known yet, no route) comes back empty
 * (len 0): it counts as sent, and as lost if it was.
 */
void segment_out(struct tcp_conn *conn, const struct out_segment *out, struct tee_frame *frame);
/* The same for a SYN or SYN-ACK, whose header the caller composed. */
void segment_finish(struct tcp_conn *conn, struct tcp_header *header, enum tee_why why,
		    struct tee_frame *frame);
/* What leaves must not be fragmented on its way: IPv6, or IPv4 with DF. */
bool segment_has_df(const struct tcp_conn *conn);
/* What an ACK that is noted says of ECN. */
void segment_note_ecn(struct tcp_conn *conn, struct ack_note *note);
/* A bare ACK as it was noted. */
void segment_out_note(struct tcp_conn *conn, const struct ack_note *note, struct tee_frame *frame);
bool segment_has_sack_news(const struct tcp_conn *conn);
/* What an ACK now would say by SACK and DSACK, and that it is said; blocks: at least TCP_SACK_MAX. */
unsigned segment_sack_blocks(const struct tcp_conn *conn, struct tcp_sack_block *blocks);
void segment_on_dsack_told(struct tcp_conn *conn);
/* Payload bytes that a full segment can carry now, with SACK blocks on it. */
uint32_t segment_mss(const struct tcp_conn *conn);

/* reply.c: segments that belong to no connection, sent as packets */
void reply_rst(struct tcp *tcp, const struct ip_packet *packet, const struct segment *seg);
void reply_segment(struct tcp *tcp, const struct tcp_stub *stub, struct tcp_header *header,
		   uint8_t tos, uint8_t ttl, enum tee_why why);
void conn_send_rst(struct tcp_conn *conn, enum tee_why why);

/* open.c */
void open_on_syn_sent_segment(struct tcp_conn *conn, struct segment *seg, struct tee_pkt *pkt);
int open_syn_frame(struct tcp_conn *conn, struct tee_frame *frame);
void open_established(struct tcp_conn *conn);
void open_take_options(struct tcp_conn *conn, const struct tcp_options *options);
void open_syn_acked(struct tcp_conn *conn, const struct segment *seg);

/* listen.c */
struct tcp_listener *listen_find(struct tcp *tcp, const struct tcp_key *key, int netif);
void listen_segment(struct tcp_listener *listener, struct ip_packet *packet, struct segment *seg);
bool listen_queue_is_full(const struct tcp_listener *listener);
void listen_conn_ready(struct tcp_conn *conn);
void listen_forget(struct tcp_conn *conn);

/* request.c */
/* A copy that stays: in the table and in its listener's queue; its timer is not armed. NULL: no memory. */
struct tcp_request *request_keep(const struct tcp_request *filled);
/* true: the packet was consumed as a connection's first segment. */
bool request_segment(struct tcp_request *request, struct ip_packet *packet, struct segment *seg);
void request_expire(void *context, struct timer *timer);
void request_free(struct tcp_request *request);
void request_fill(struct tcp *tcp, struct tcp_request *request, struct tcp_listener *listener,
		  const struct ip_packet *packet, const struct segment *seg);
void request_answer(struct tcp_request *request, enum tee_why why);
void request_answer_with_cookie(struct tcp *tcp, struct tcp_request *request);
struct tcp_conn *request_make_conn(struct tcp *tcp, struct tcp_request *request);
void request_complete(struct tcp_request *request, struct ip_packet *packet, struct segment *seg);
void request_icmp(struct tcp_request *request, const struct icmp_report *report);

/* fastopen.c (RFC 7413) */
void fastopen_free(struct fastopen_cache *cache);
bool fastopen_syn_option(struct tcp_conn *conn, struct tcp_options *options,
			 uint32_t *ret_data_max);
uint32_t fastopen_room(struct tcp_conn *conn);
void fastopen_on_syn_ack(struct tcp_conn *conn, const struct segment *seg);
bool fastopen_accepts(struct tcp_listener *listener, const struct segment *seg,
		      const struct tcp_key *key, bool *ret_give_cookie);
void fastopen_cookie(struct tcp *tcp, const struct tcp_key *key, struct tcp_options *options);

/* close.c */
void close_on_fin_acked(struct tcp_conn *conn);
bool close_data_after_close(struct tcp_conn *conn, const struct segment *seg);
void conn_abort(struct tcp_conn *conn, int error, enum tee_why why); /* RST and end */

/* timers.c: when */
void timers_set(struct tcp_conn *conn, enum conn_timer which, uint64_t deadline_ns);
void timers_clear(struct tcp_conn *conn, enum conn_timer which);
static inline bool timers_armed(const struct tcp_conn *conn, enum conn_timer which)
{
	return conn_deadline(conn, which) != TEE_NEVER;
}
void timers_on_data_sent(struct tcp_conn *conn, bool is_retransmit);
void timers_on_progress(struct tcp_conn *conn, bool advanced); /* after an ACK */
void timers_on_heard(struct tcp_conn *conn);
void timers_on_established(struct tcp_conn *conn);
void timers_on_blocked(struct tcp_conn *conn); /* the window keeps us from sending */
uint64_t timers_rto_ns(const struct tcp_conn *conn);
/* What a sender's half would begin with after a handshake that went well, and its RTO. */
uint64_t timers_first_rto_ns(const struct tcp_conn *conn, struct rto *ret_rto);
void timers_arm_rto(struct tcp_conn *conn);
void rto_limits_of(const struct tcp_conn *conn, struct rto_limits *ret_limits);

/* expire.c: what */
void conn_expire(void *context, struct timer *timer);
/* R2 of a connection that nobody holds any more, as a count of retransmissions. */
unsigned orphan_retries(const struct tee_config *config);

/* icmp_in.c */
void tcp_icmp_error(void *context, const struct icmp_report *report);

/* route.c: the way a connection's packets take, where a source route says more than the destination */
int conn_find_path(struct tcp_conn *conn);
int conn_follow_route(struct tcp_conn *conn, const struct srcroute *route);
unsigned conn_route_len(const struct tcp_conn *conn); /* of the IP option, bytes */
void route_apply(const struct tcp *tcp, const struct tcp_stub *stub, struct ip_out *out,
		 uint8_t option[SRCROUTE_OPTION_MAX]);
void route_learn(struct tcp *tcp, const struct ip_packet *packet, const struct tcp_stub *stub,
		 struct tcp_conn *conn);

/* ports.c */
int ports_choose(struct tcp *tcp, struct tcp_key *key);
bool ports_is_bound(struct tcp *tcp, const struct tee_ip *ip, uint16_t port);
struct port_bind *ports_share(struct port_bind *bind); /* one more holder */
/* The bind moves from a bound socket to its listener or connection; NULL is legal. */
void ports_hand_over(struct port_bind *bind);
/* Settings of a socket that has only bound this port; NULL: there is none. */
const struct tcp_settings *ports_draft_settings(struct tcp *tcp, const struct tee_ip *ip,
						uint16_t port);
bool ports_listen_allowed(struct tcp *tcp, const struct port_bind *bind);
void ports_mark_listening(struct port_bind *bind, bool listening);
void ports_free_all(struct tcp *tcp);

/* trace_tcp.c */
void trace_segment_out(struct tcp_conn *conn, const struct tcp_header *header, uint32_t len,
		       enum tee_why why);
void trace_segment_in(struct tcp_conn *conn, const struct segment *seg);
void trace_cc(struct tcp_conn *conn, const char *event);
void trace_bare(struct tcp *tcp, const struct tcp_key *key, const struct tcp_header *header,
		uint32_t len, enum tee_why why, bool is_in);

#endif
