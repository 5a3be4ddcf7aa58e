/* SPDX-License-Identifier: MIT */
/*
 * The configuration of a stack: data, not compile-time switches. tee_config_init() fills in the
 * defaults; a program changes what it wants and passes the struct to tee_stack_new(), which copies
 * it. tee_config_set() sets a field by its name, for command lines and test scripts.
 */
#ifndef TEECEEPEE_CONFIG_H
#define TEECEEPEE_CONFIG_H

#include <teeceepee/types.h>

#ifdef __cplusplus
extern "C" {
#endif

enum tee_ecn_mode {
	TEE_ECN_OFF,              /* never */
	TEE_ECN_ON,               /* ask for it and accept it (RFC 3168) */
	TEE_ECN_PASSIVE,          /* accept it when the peer asks: the default */
	TEE_ECN_ACCURATE,         /* ask for AccECN (RFC 9768), fall back to RFC 3168 */
	TEE_ECN_ACCURATE_CLASSIC, /* accept AccECN, ask for RFC 3168 */
	TEE_ECN_ACCURATE_PASSIVE, /* accept either when the peer asks, ask for none */
};

/* When AccECN's option (RFC 9768 3.2.3) goes with a segment. */
enum tee_accecn_option {
	TEE_ACCECN_OPTION_NEVER,
	TEE_ACCECN_OPTION_SPARING, /* after a change, and tcp_accecn_beacon times a round trip */
	TEE_ACCECN_OPTION_ALWAYS,  /* whenever there is room: the default */
};

enum { TEE_CC_NAME_SIZE = 16 };

/* What struct tee_memory deals in, bytes. */
enum { TEE_MEMORY_UNIT = 2 << 20 };

/*
 * Where a stack gets large pieces of memory, once it holds tens of MiB of connections: pieces of whole
 * huge pages, say, of which a processor can keep track of far more. Without (`map` NULL) everything comes
 * from the C library's allocator. tee_host_memory() fills it in.
 */
struct tee_memory {
	/* `bytes` (a multiple of TEE_MEMORY_UNIT) of zeros, aligned to TEE_MEMORY_UNIT; NULL: no memory. */
	void *(*map)(void *arg, size_t bytes);
	/* Takes back [ptr, ptr + bytes): all of what map() gave, or whole units of it. */
	void (*unmap)(void *arg, void *ptr, size_t bytes);
	void *arg; /* must be good as long as the stack is */
};

/* Every field has its unit in its name; `_count` and `_max` without unit are numbers of things. */
struct tee_config {
	uint64_t seed;      /* of the generator all randomness comes from; 0 is a seed too */
	uint8_t secret[16]; /* key of ISNs, ports, SYN cookies (RFC 6528, 6056, 4987); when all
				      zero it is drawn from `seed` */

	/* limits */
	size_t memory_bytes_max;  /* packet buffers and queues together */
	struct tee_memory memory; /* for large pieces; not to be set by name */
	uint32_t conn_max;        /* TCP connections in all */
	uint32_t conn_reserve;    /* of these, room for so many is made when the stack is
				      (tee_stack_reserve()); 0: as they come */
	uint32_t timewait_max;    /* connections in TIME-WAIT; past it the oldest ends early */
	uint32_t syn_queue_max;   /* half-open connections a listener; past it SYN cookies */
	uint32_t neighbour_max;   /* entries of the neighbour cache */
	uint32_t neighbour_pending_max; /* packets that wait for one neighbour */
	uint32_t route_max;
	uint32_t reassembly_bytes_max; /* IP fragments in wait, in all */
	uint32_t reassembly_datagrams_max;
	uint32_t error_queue_bytes_max; /* errors that one socket keeps (TEE_OPT_RECVERR) */
	uint64_t reassembly_timeout_ns; /* RFC 791, RFC 8200: 30 to 60 s */
	uint32_t icmp_rate_per_s;       /* ICMP errors that we send, a second (RFC 1812 4.3.2.8) */
	uint32_t challenge_ack_rate_per_s; /* RFC 5961 section 7; 0: no limit */
	uint64_t oow_ack_interval_ns; /* a connection answers out-of-window segments without data at
					   most this often (ACK-loop protection) */
	uint32_t udp_queue_bytes_max; /* receive queue of one UDP socket */

	/* IP */
	uint8_t ttl;            /* hop limit of what we send (MUST-49) */
	bool forward_icmp_echo; /* answer echo requests */
	bool ip_source_route;   /* believe IPv4 source routes that come in, and answer along them
				      (RFC 1122 3.2.1.8); off, they are dropped */
	bool pmtud;             /* set DF and learn path MTUs (RFC 1191, 8201) */
	uint16_t port_min, port_max; /* ephemeral ports, both included */
	bool ipv6_slaac;             /* autoconfigure from router advertisements (RFC 4862) */
	uint32_t dad_transmits;      /* neighbour solicitations of duplicate detection (RFC 4862) */
	bool acd; /* probe IPv4 addresses before use and defend them (RFC 5227) */
	uint64_t
		acd_second_ns; /* what RFC 5227 and RFC 4862 call a second while they probe an address:
				      less on links whose neighbours answer in microseconds; 0: as the
				      link says, else 1 s */

	/* TCP: negotiation */
	bool tcp_sack, tcp_dsack;
	bool tcp_timestamps; /* RFC 7323 */
	bool tcp_window_scaling;
	enum tee_ecn_mode tcp_ecn;
	uint32_t tcp_accecn_option; /* enum tee_accecn_option */
	uint32_t tcp_accecn_beacon; /* 0: none */
	uint32_t tcp_mss_max;       /* cap on the MSS that we announce and use; 0: none */
	uint32_t
		tcp_min_snd_mss; /* never send smaller segments than this because of the peer's MSS */
	bool tcp_syn_cookies;    /* when the SYN queue is full (RFC 4987) */
	bool tcp_abort_on_overflow;
	uint32_t tcp_fastopen; /* RFC 7413: bit 0 client, bit 1 server; 4: client without cookie;
				      0x200: server without cookie; 0x400: all listeners */
	uint32_t tcp_listen_backlog_max;

	/* TCP: timers (RFC 6298, 9293 3.8) */
	uint64_t tcp_rto_initial_ns, tcp_rto_min_ns, tcp_rto_max_ns;
	uint64_t tcp_delack_min_ns, tcp_delack_max_ns; /* delayed ACK: below 500 ms (MUST-40) */
	uint64_t tcp_msl_ns;                           /* half of TIME-WAIT */
	uint64_t tcp_fin_wait2_timeout_ns; /* of a closed socket that waits for the peer's FIN */
	uint64_t tcp_keepalive_idle_ns, tcp_keepalive_interval_ns;
	uint32_t tcp_keepalive_probe_count;
	uint32_t tcp_syn_retries, tcp_synack_retries;
	/*
	 * So many more SYNs, sent before those, each after tcp_rto_initial_ns. 0: every timeout doubles, as RFC 6298 5.5
	 * says; Linux (from 6.5) has 4.
	 */
	uint32_t tcp_syn_linear_timeouts;
	uint32_t tcp_retries1, tcp_retries2; /* RFC 9293 R1 and R2, as counts of retransmissions */
	/*
	 * RFC 2923 2.1, 4821 7.7: a path may swallow what is too large for it, and say nothing. After tcp_retries1 timeouts in
	 * a row, segments larger than this are no longer sent; each further timeout halves them, down to
	 * tcp_min_snd_mss. They grow again only with tcp_mtu_probing. 0: never; Linux, with tcp_mtu_probing=1, begins at 1024.
	 */
	uint32_t tcp_black_hole_mss;
	uint32_t tcp_orphan_retries; /* R2 of a connection whose socket is closed; 0: 8 */
	/*
	 * Search upwards for what the path takes, without ICMP (RFC 4821): 0 never; 1 after timeouts in a row
	 * as above; 2 always, from the first segment. Segments begin at tcp_base_mss bytes of text, which with 1 and 2
	 * stands in tcp_black_hole_mss's place. A probe is a larger one of new text, on a connection with SACK and
	 * while 11 segments may be in flight. One that arrives makes its size that of all that follow; one that is
	 * lost costs a retransmission and no window.
	 */
	uint32_t tcp_mtu_probing;
	uint32_t tcp_base_mss;
	uint32_t tcp_mtu_probe_floor;     /* timeouts in a row halve the size, down to this */
	uint32_t tcp_mtu_probe_threshold; /* bytes; for less gain than this nothing is tried */
	/* After a search that ended below what the interface takes, until the next; 0: there is none. */
	uint64_t tcp_mtu_probe_interval_ns;
	uint64_t tcp_user_timeout_ns; /* 0: by tcp_retries2 (RFC 9293 3.9.1, RFC 5482) */

	/* TCP: sending */
	char tcp_cc[TEE_CC_NAME_SIZE];  /* "cubic", "newreno", "bbr" */
	uint32_t tcp_initial_cwnd_segs; /* RFC 6928 */
	uint32_t tcp_dupack_threshold;  /* RFC 5681: 3 */
	bool tcp_limited_transmit;      /* RFC 3042 */
	bool tcp_rack, tcp_tlp;         /* RFC 8985 */
	bool tcp_frto;                  /* RFC 5682 */
	bool tcp_undo;                  /* RFC 4015, 3708 */
	bool tcp_prr;                   /* RFC 9937 */
	bool tcp_hystart;               /* RFC 9406 */
	/* Where queues show, BBR takes losses in round trips without one for the path's own, not for congestion, up
	   to this share of a round trip, and sends what they take besides; 0 to 50, 10 by default. Where none shows it does so up to half of it, and while
	   losses don't go with the delay. 0: as BBR's draft, where every loss counts. */
	uint8_t tcp_bbr_random_loss_percent;
	bool tcp_pacing;                /* pace every controller, not only those that demand it */
	bool tcp_slow_start_after_idle; /* RFC 5681 section 4.1 */
	bool tcp_cwnd_validation;       /* RFC 7661: no growth when the application is the limit */
	bool tcp_metrics_save;          /* share RTT, ssthresh between connections (RFC 9040) */
	uint32_t tcp_metrics_max;       /* hosts remembered */
	uint64_t tcp_metrics_age_ns;    /* what is older is not believed */
	uint32_t tcp_notsent_lowat_bytes; /* 0xffffffff: off */
	uint32_t tcp_tso_bytes_max;       /* largest super-segment; 0: what the netif takes */

	/* TCP: buffers, bytes */
	uint32_t tcp_sndbuf_min, tcp_sndbuf_initial, tcp_sndbuf_max;
	uint32_t tcp_rcvbuf_min, tcp_rcvbuf_initial, tcp_rcvbuf_max;
	bool tcp_autotuning;         /* grow both towards their max with the path's BDP */
	uint32_t tcp_ooo_bytes_max;  /* out-of-order data a connection may hold; 0: the window */
	uint32_t tcp_ooo_ranges_max; /* separate out-of-order ranges a connection may hold */
	bool tcp_fast_path; /* a shorter way for the common segment; what it does is the same */

	bool slabs; /* connections and sockets are cut out of larger pieces, without an allocator's header
		       each; off where a memory checker is to see every one (the default under
		       AddressSanitizer) */
};

TEE_API void tee_config_init(struct tee_config *config);

/*
 * Sets one field by name from text: `name` is the field's name without its unit suffix or with it;
 * times accept "200ms", "3s", "5us", a plain number is the field's own unit; sizes accept K, M, G;
 * booleans 0/1/on/off/yes/no. Returns 0, -TEE_ENOENT (no such field) or -TEE_EINVAL (bad value).
 */
TEE_API int tee_config_set(struct tee_config *config, const char *name, const char *value);

/* Name of the idx-th field that tee_config_set() knows, NULL past the end; for help texts. */
TEE_API const char *tee_config_field_name(unsigned idx);

#ifdef __cplusplus
}
#endif
#endif
