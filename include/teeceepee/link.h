/* SPDX-License-Identifier: MIT */
/*
 * Links: where frames come from and go to. A link moves frames and knows nothing of the stack.
 *
 * One string chooses a link: "slirp", "slirp:mtu=16384", "passt:/run/passt.sock", "tap:tee0",
 * "tap:fd=5", "packet:eth0", "xdp:eth0", "wire". Decorators wrap a link: tee_link_gso(), tee_link_impair(),
 * tee_link_pcapng().
 */
#ifndef TEECEEPEE_LINK_H
#define TEECEEPEE_LINK_H

#include <teeceepee/packet.h>
#include <teeceepee/stack.h>
#include <teeceepee/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct tee_link;

/* What a link offers; filled in when it opens. */
struct tee_link_info {
	enum tee_netif_kind kind;
	char name[64]; /* "tap:tee0" */
	char how[96];  /* which of its ways it took, for people: "native, 4 queues"; or empty */
	struct tee_mac mac; /* the address that the stack should use on it */
	uint32_t mtu;       /* largest IP packet, bytes */
	unsigned offloads;  /* TEE_OFFLOAD_… */
	uint32_t gso_bytes_max;
	/*
	 * Largest IP packet of a super-frame that ends at the link's other side, whose MAC is far_mac, and isn't passed on
	 * there: up to TEE_GSO_BYTES_MAX. Above 65,535 IPv4's total length is 0, and IPv6 has a jumbo payload option
	 * (RFC 2675). 0: gso_bytes_max.
	 */
	uint32_t far_gso_bytes_max;
	struct tee_mac far_mac;
	bool virtual_time; /* simulated: no file descriptor, driven by now_ns */
	/* What the link itself knows of addresses, so that nothing need be asked (slirp, passt). */
	bool has_ip4, has_ip6;
	struct tee_ip ip4, gateway4, dns4, ip6, gateway6, dns6;
	unsigned prefix4_bits, prefix6_bits;
	/* How many bytes it can hold for us: what comes beyond that is lost. 0: that is nobody's concern. */
	uint32_t room_bytes;
	bool wants_dhcp;        /* an Ethernet where an address must be asked for */
	uint64_t acd_second_ns; /* what to set config.acd_second_ns to; 0: nothing special */
	/* The MAC is the host's too: addresses made from it, and DHCP's identity, would be the host's. */
	bool shares_mac;
	/*
	 * The address above is the host's, whose kernel keeps answering ARP, neighbour discovery and ping
	 * for it: only some ports of it are ours. Those to connect from are port_min to port_max; others
	 * have to be claimed (claim_port).
	 */
	bool shares_address;
	uint16_t port_min, port_max;
};

enum { TEE_LINK_POLL_MAX = 64 };
struct tee_link_poll {
	int fd;
	short events; /* POLLIN, POLLOUT … */
	short revents;
};

/*
 * The operations of a link: a const table, so that a program can bring a link of its own.
 * Results: at or above 0, or -TEE_E….
 */
struct tee_link_ops {
	/*
	 * Receives up to `n` frames into packets taken from `pool`; returns how many, 0: none now.
	 * -TEE_ENODEV when the interface is gone. `now_ns` is the caller's clock.
	 */
	int (*recv)(struct tee_link *link, struct tee_pool *pool, struct tee_pkt **ret_pkts,
		    unsigned n, uint64_t now_ns);
	/*
	 * Sends up to `n` frames; returns how many the link took (the rest is to be offered again),
	 * and doesn't release them: the caller does.
	 */
	int (*send)(struct tee_link *link, struct tee_frame *frames, unsigned n, uint64_t now_ns);
	/* Descriptors to wait for; returns their number (at most `n`). */
	int (*poll_fds)(struct tee_link *link, struct tee_link_poll *fds, unsigned n);
	/* Tells what poll() found, before recv and send; may be NULL. */
	void (*poll_done)(struct tee_link *link, const struct tee_link_poll *fds, unsigned n,
			  uint64_t now_ns);
	/* When the link wants to be called although no descriptor is ready; may be NULL. */
	uint64_t (*deadline)(struct tee_link *link);
	/* Tells a packet-filtering link which addresses are ours now; may be NULL. */
	int (*set_addresses)(struct tee_link *link, const struct tee_ip *ips, unsigned n);
	/*
	 * On a shared address: what is sent to the port is ours from now on, until the link closes.
	 * `protocol` is IP's number of TCP, UDP or, for an echo id, ICMP. 0 (also when it was before),
	 * -TEE_EADDRINUSE: the host uses it, or another -TEE_E…. May be NULL.
	 */
	int (*claim_port)(struct tee_link *link, uint8_t protocol, uint16_t port);
	/* One counter by index, false past the end; may be NULL. */
	bool (*counter)(struct tee_link *link, unsigned idx, const char **ret_name,
			uint64_t *ret_value);
	void (*close)(struct tee_link *link);
	/*
	 * A sentence about something that went wrong although the link goes on (a recording that
	 * filled the disk), told once; NULL: nothing new. May be NULL.
	 */
	const char *(*notice)(struct tee_link *link);
};

/* The public part of every link; implementations embed it first. */
struct tee_link {
	const struct tee_link_ops *ops;
	struct tee_link_info info;
};

enum { TEE_LINK_ERROR_SIZE = 256 };

/*
 * Opens a link by its string. On failure returns -TEE_E… and, in `ret_error`, a sentence that names
 * what is wrong and what to do. The caller closes it with tee_link_close().
 */
TEE_API int tee_link_open(const char *spec, struct tee_link **ret_link,
			  char ret_error[TEE_LINK_ERROR_SIZE]);
TEE_API void tee_link_close(struct tee_link *link); /* NULL is legal */
/*
 * What a program should tell its user of a link that goes on all the same: one sentence, once each;
 * NULL when there is nothing new. The text lives as long as the link.
 */
TEE_API const char *tee_link_notice(struct tee_link *link);

/* For `teeceepee link`: the idx-th kind of link; false past the end. */
struct tee_link_kind {
	const char *name;   /* "tap" */
	const char *syntax; /* "tap:NAME or tap:fd=N" */
	const char *summary;
};
TEE_API bool tee_link_kind(unsigned idx, struct tee_link_kind *ret_kind);
/*
 * Does that kind work here and now for this user? Changes nothing lasting. Returns 0, or -TEE_E… with
 * the reason and the remedy as a sentence.
 */
TEE_API int tee_link_probe(const char *kind, char ret_reason[TEE_LINK_ERROR_SIZE]);

/* ---- decorators: own the link that they wrap ---- */

/* How bad a link is made; all zero is a perfect wire. Probabilities are 0.0 to 1.0, a packet. */
struct tee_impairment {
	double loss;
	double burst_enter, burst_leave, burst_loss; /* Gilbert-Elliott: p(good->bad), p(bad->good),
							loss while bad */
	uint64_t delay_ns, jitter_ns;
	double reorder;          /* share of packets that overtake: sent with no delay … */
	uint64_t reorder_gap_ns; /* … or, without a delay, held back this long (default 1 ms) */
	double duplicate, corrupt;
	uint64_t rate_bytes_per_s; /* 0: no limit */
	uint32_t queue_bytes;      /* before the rate limit; 0: 100 ms worth, at least 64 KiB */
	uint64_t seed;
	bool rx, tx; /* which directions; both false means both */
};
/*
 * Reads "loss=2%,delay=20ms,jitter=5ms,reorder=5%,duplicate=1%,corrupt=0.1%,rate=10mbit,queue=64k,
 * burst=1%/25%,seed=7,direction=rx". -TEE_EINVAL names the bad word in `ret_error`.
 */
TEE_API int tee_impairment_parse(const char *text, struct tee_impairment *ret_impairment,
				 char ret_error[TEE_LINK_ERROR_SIZE]);
/* On success owns `inner`. */
TEE_API int tee_link_impair(struct tee_link *inner, const struct tee_impairment *impairment,
			    struct tee_link **ret_link);

/*
 * Records both directions into a pcapng file with nanosecond stamps; `wall_offset_ns` is added to
 * now_ns so that stamps are wall-clock time. On success owns `inner`.
 */
TEE_API int tee_link_pcapng(struct tee_link *inner, const char *path, uint64_t wall_offset_ns,
			    struct tee_link **ret_link, char ret_error[TEE_LINK_ERROR_SIZE]);

/*
 * Lets a link without segmentation offload take super-frames and unfinished checksums: it cuts and completes
 * them. A link that can do it by itself comes back as it is. On success owns `inner`. -TEE_ENOMEM. Hosts do it by
 * themselves.
 */
TEE_API int tee_link_gso(struct tee_link *inner, struct tee_link **ret_link);

/* Two ends of a simulated Ethernet: what one sends, the other receives, at once and in order. */
TEE_API int tee_link_wire_pair(uint32_t mtu, unsigned offloads, struct tee_link *ret_ends[2]);

#ifdef __cplusplus
}
#endif
#endif
