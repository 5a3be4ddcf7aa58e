/* SPDX-License-Identifier: MIT */
/*
 * A stack: a pure function of configuration, seed, frames in and time in.
 *
 * The protocol of use, by one thread:
 *   1. tee_stack_new(), tee_netif_add() for each link, addresses and routes.
 *   2. For ever: give each received frame to tee_input(); when tee_deadline() has come, call
 *      tee_advance(); take events with tee_next_event() and act on the sockets; then take frames
 *      with tee_output() for each netif until it returns fewer than asked, send them, and release
 *      them.
 *   3. tee_stack_free().
 * Nothing calls the application back, save trace consumers, which only look.
 */
#ifndef TEECEEPEE_STACK_H
#define TEECEEPEE_STACK_H

#include <teeceepee/config.h>
#include <teeceepee/packet.h>
#include <teeceepee/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct tee_stack;
struct tee_socket;

/*
 * Makes a stack; `config` NULL means the defaults. It contains a loopback netif (number 1, 127.0.0.1
 * and ::1), and room for config.conn_reserve connections. NULL when the allocator refuses. The caller frees it with tee_stack_free().
 */
TEE_API struct tee_stack *tee_stack_new(const struct tee_config *config, uint64_t now_ns);
/* Frees everything, sockets too, and sends nothing. NULL is legal. */
TEE_API void tee_stack_free(struct tee_stack *stack);
/*
 * Makes room for `connections` TCP connections in all, those included that are open: their memory, that of their
 * sockets and the table they are found by is got from the system and touched before this returns (0.6 KB each, in
 * fractions of a second to seconds), and kept. Up to that number connections then come without the system
 * being asked and without a table being moved to a larger one, and as they end their memory waits for
 * the next ones. TIME-WAITs find room where connections were. It replaces what was reserved
 * before; 0 gives back what is not in use. With `slabs` off only the table is made.
 * 0; -TEE_EINVAL: more than the configuration's conn_max; -TEE_ENOMEM: not so much memory, and what was got for it,
 * but perhaps the table, was given back.
 */
TEE_API int tee_stack_reserve(struct tee_stack *stack, uint32_t connections);
TEE_API struct tee_pool *tee_stack_pool(struct tee_stack *stack);
/* Forgets what connections learned of other hosts: fast-open cookies, metrics (RFC 9040). */
TEE_API void tee_stack_forget_hosts(struct tee_stack *stack);
TEE_API const struct tee_config *tee_stack_config(const struct tee_stack *stack);
/* Changes a field while running; what it says of new connections holds for these only. */
TEE_API int tee_stack_set(struct tee_stack *stack, const char *name, const char *value);

/* ---- network interfaces ---- */

enum tee_netif_kind {
	TEE_NETIF_ETHERNET,
	TEE_NETIF_RAW_IP, /* frames are IP packets */
	TEE_NETIF_LOOPBACK,
};

/* What the link under a netif takes over. Bits. */
enum {
	TEE_OFFLOAD_TX_CHECKSUM = 1, /* completes partial TCP and UDP checksums */
	TEE_OFFLOAD_TSO4 = 2,        /* takes TCP/IPv4 super-frames */
	TEE_OFFLOAD_TSO6 = 4,
	TEE_OFFLOAD_RX_TRUSTED = 8, /* never corrupts: received checksums need no check */
};

struct tee_netif_config {
	enum tee_netif_kind kind;
	char name[16]; /* for people */
	struct tee_mac mac;
	bool shares_mac;     /* the host beside us has the same MAC: DHCP needs a name of our own */
	bool shares_address; /* and the same addresses: it announces and reports them, we don't */
	uint32_t mtu;        /* largest IP packet, bytes */
	unsigned offloads;   /* TEE_OFFLOAD_… */
	uint32_t gso_bytes_max; /* largest IP packet of a super-frame; 0: 65535 */
	/* The same to an address of the machine at the link's other side, far_mac, itself; up to TEE_GSO_BYTES_MAX.
	   Above 65535 the total length is written as 0 (IPv4) or as an option (RFC 2675). 0: gso_bytes_max. */
	uint32_t far_gso_bytes_max;
	struct tee_mac far_mac;
};

/* Returns the netif's number (2 and up), or -TEE_EINVAL, -TEE_ENOMEM, -TEE_ENOBUFS. */
TEE_API int tee_netif_add(struct tee_stack *stack, const struct tee_netif_config *config);
TEE_API int tee_netif_set_up(struct tee_stack *stack, int netif, bool up);

enum tee_addr_state {
	TEE_ADDR_TENTATIVE, /* being probed (RFC 4862, RFC 5227): not used yet */
	TEE_ADDR_PREFERRED,
	TEE_ADDR_DEPRECATED,
	TEE_ADDR_CONFLICT, /* somebody else has it: not used */
};

enum tee_addr_origin { TEE_ADDR_STATIC, TEE_ADDR_DHCP, TEE_ADDR_SLAAC, TEE_ADDR_LINK_LOCAL };

struct tee_addr_info {
	struct tee_ip ip;
	unsigned prefix_bits;
	enum tee_addr_state state;
	enum tee_addr_origin origin;
	uint64_t valid_until_ns;     /* TEE_NEVER for static ones */
	struct tee_mac conflict_mac; /* who has it, in TEE_ADDR_CONFLICT */
};

/*
 * Gives an address. On Ethernet it starts tentative and is probed (RFC 5227 when config.acd, RFC 4862
 * when config.dad_transmits), unless `skip_probe`. Also adds the route of its prefix.
 */
TEE_API int tee_addr_add(struct tee_stack *stack, int netif, const struct tee_ip *ip,
			 unsigned prefix_bits, bool skip_probe);
TEE_API int tee_addr_remove(struct tee_stack *stack, int netif, const struct tee_ip *ip);
/* The idx-th address of a netif; -TEE_ENOENT past the end. */
TEE_API int tee_addr_get(struct tee_stack *stack, int netif, unsigned idx,
			 struct tee_addr_info *ret_info);

/* A route by prefix; `gateway` NULL: on-link. Longest prefix wins, then the lower metric. */
TEE_API int tee_route_add(struct tee_stack *stack, int netif, const struct tee_ip *prefix,
			  unsigned prefix_bits, const struct tee_ip *gateway, unsigned metric);
TEE_API int tee_route_remove(struct tee_stack *stack, int netif, const struct tee_ip *prefix,
			     unsigned prefix_bits);

/* Starts, or stops with release, the DHCPv4 client (RFC 2131) on a netif. */
TEE_API int tee_dhcp_start(struct tee_stack *stack, int netif, const char *hostname);
TEE_API int tee_dhcp_release(struct tee_stack *stack, int netif);

enum { TEE_DNS_MAX = 4 };

/* What the network told us of itself, by DHCP, router advertisements or the caller. */
struct tee_net_info {
	bool dhcp_bound;
	bool has_router4, has_router6;
	struct tee_ip dhcp_server;
	uint64_t dhcp_lease_until_ns;
	struct tee_ip router4, router6;
	unsigned dns_count;
	struct tee_ip dns[TEE_DNS_MAX];
	char domain[128];
};
TEE_API void tee_net_info(struct tee_stack *stack, int netif, struct tee_net_info *ret_info);

/* ---- the five doors ---- */

/*
 * One received frame; the packet's ownership moves in, also on failure. Returns 0, or -TEE_EINVAL
 * for an unknown netif. What the frame was worth shows in the counters.
 */
TEE_API int tee_input(struct tee_stack *stack, int netif, struct tee_pkt *pkt, uint64_t now_ns);

/*
 * Says that these packets will be given to tee_input() next: what a stack with very many connections has to find
 * for each is then fetched for all at once. Changes nothing but how soon tee_input() is done; the packets stay the
 * caller's. Whoever gets packets in batches should call it with each; past the 64th it looks no further.
 */
TEE_API void tee_input_ahead(struct tee_stack *stack, int netif, struct tee_pkt *const *pkts,
			     unsigned n);

/*
 * Fills up to `n` frames that are ready to leave by `netif`; returns how many. The caller sends
 * them and calls tee_frame_release() on each, in any order, before the stack is freed.
 */
TEE_API int tee_output(struct tee_stack *stack, int netif, struct tee_frame *frames, unsigned n,
		       uint64_t now_ns);

/* Lets time pass: runs every timer due at or before `now_ns`. */
TEE_API void tee_advance(struct tee_stack *stack, uint64_t now_ns);

/* When tee_advance() must next be called; TEE_NEVER: not before something else happens. */
TEE_API uint64_t tee_deadline(const struct tee_stack *stack);

/* Is a frame waiting for tee_output() on this netif? */
TEE_API bool tee_has_output(const struct tee_stack *stack, int netif);

/* Readiness of a socket; level-triggered state, one queue entry a socket. */
enum {
	TEE_EV_READABLE = 1, /* data, a datagram, end of stream, or a connection to accept */
	TEE_EV_WRITABLE = 2,
	TEE_EV_ERROR = 4,   /* tee_take_error() tells which */
	TEE_EV_RDHUP = 8,   /* the peer will send no more */
	TEE_EV_HUP = 16,    /* both directions ended */
	TEE_EV_URGENT = 32, /* urgent data ahead (MUST-32) */
};

struct tee_event {
	struct tee_socket *socket;
	void *user;     /* what tee_socket_set_user() set */
	unsigned ready; /* TEE_EV_… as of now */
};

/*
 * Takes the next socket whose readiness gained a bit since it was last taken. false: none.
 * A closed socket never comes out.
 */
TEE_API bool tee_next_event(struct tee_stack *stack, struct tee_event *ret_event);

/*
 * The ports that sockets have bound, for a link that gets only some ports of an address. The generation
 * changes when one is taken; tee_ports_bound() then writes up to `n` of them (and a port more than once when
 * several sockets have it) and returns how many there are. `protocol` is IP's number of TCP, UDP
 * or ICMP, whose ports are the ids of echo requests.
 */
TEE_API uint64_t tee_ports_generation(const struct tee_stack *stack);
TEE_API unsigned tee_ports_bound(const struct tee_stack *stack, uint8_t protocol,
				 uint16_t *ret_ports, unsigned n);

/* ---- counters, as netstat -s tells them ---- */

/* Name ("tcp.segs_in") and value of the idx-th counter; false past the end. */
TEE_API bool tee_counter(const struct tee_stack *stack, unsigned idx, const char **ret_name,
			 uint64_t *ret_value);
/* Value of a counter by name; 0 when there is none of that name. */
TEE_API uint64_t tee_counter_by_name(const struct tee_stack *stack, const char *name);

/* Checks every invariant of the stack's structs; aborts with a message when one is broken. */
TEE_API void tee_stack_check(const struct tee_stack *stack);

#ifdef __cplusplus
}
#endif
#endif
