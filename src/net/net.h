/* SPDX-License-Identifier: MIT */
/*
 * The network layer as the layers around it see it.
 *
 * Upwards: a packet for us goes to the net_protocol registered for its IP protocol number; an ICMP
 * error that quotes a packet of ours goes to the same protocol's icmp_error.
 * Downwards: a protocol asks net_route() for a path, then either builds frames and finishes them
 * with ip_output_frame() (pulled, TCP data), or hands a packet to ip_output_pkt() (queued: UDP,
 * ICMP, RST).
 */
#ifndef TEE_NET_NET_H
#define TEE_NET_NET_H

#include <teeceepee/packet.h>
#include <teeceepee/stack.h>
#include "engine/engine.h"
#include "pkt/queue.h"
#include "wire/icmp.h"
#include "wire/ip.h"

struct net;
struct netif;

/* A packet on its way up. pkt->off stands at the transport header, pkt->len covers header and data. */
struct ip_packet {
	struct tee_pkt *pkt;
	struct ip_header ip;
	struct netif *netif;
	bool to_group; /* destination was broadcast or multicast, in IP or Ethernet (MUST-57) */
};

/* An ICMP error about a packet that we sent; quoted addresses are from our view. */
struct icmp_report {
	enum icmp_error error;
	uint8_t version, type, code;
	uint8_t ttl, tos;            /* of the packet that brought the message */
	uint32_t mtu;                /* of ICMP_ERROR_TOO_BIG; 0: the router didn't say */
	uint32_t info;               /* as told: that MTU, or where the bad parameter stands */
	struct tee_ip local, remote; /* of the quoted packet: its source and destination */
	struct tee_ip reporter;      /* who sent the ICMP message */
	struct netif *netif;
	uint32_t quoted_total_len; /* of the quoted IP packet */
	const uint8_t *quoted;     /* quoted transport header … */
	size_t quoted_len;         /* … at least 8 bytes */
};

struct net_protocol {
	/* Owns packet->pkt from now on. `context` is what was registered. */
	void (*input)(void *context, struct ip_packet *packet);
	/* The protocol verifies that it really sent the quoted packet (RFC 5927) before it acts; for
	   ICMP_ERROR_TOO_BIG it calls net_pmtu_update() if it believes the message. */
	void (*icmp_error)(void *context, const struct icmp_report *report);
};

/*
 * Who keeps errors for sockets that wish to hear of each (sock/errors.c). A socket is named by its event source.
 * `keep`: the protocol believes the report; the first `skip` bytes of the quote are no payload of the socket's.
 */
struct net_errors {
	bool (*wants)(void *context, struct event_source *source, uint8_t version);
	void (*keep)(void *context, struct event_source *source, const struct icmp_report *report,
		     size_t skip);
};
/* NULL: nobody. */
void net_set_errors(struct net *net, const struct net_errors *errors, void *context);
/* `source` NULL has no wishes. */
bool net_wants_error(const struct net *net, struct event_source *source,
		     const struct icmp_report *report);
void net_keep_error(struct net *net, struct event_source *source, const struct icmp_report *report,
		    size_t skip);

/* ---- set-up ---- */
struct net *net_new(struct engine *engine); /* with the loopback netif, number 1; NULL: no memory */
void net_free(struct net *net);
void net_register(struct net *net, uint8_t ip_protocol, const struct net_protocol *protocol,
		  void *context);
struct engine *net_engine(struct net *net);
struct netif *net_netif(struct net *net, int number); /* NULL: none */
/* number of a netif */
int netif_number(const struct netif *netif);
unsigned netif_offloads(const struct netif *netif);

/* ---- the doors' halves: stack/ calls these ---- */
void net_input(struct net *net, struct netif *netif, struct tee_pkt *pkt);
/* Takes queued frames (not TCP's) off a netif; returns how many. */
unsigned net_output(struct net *net, struct netif *netif, struct tee_frame *frames, unsigned n);
bool net_has_output(const struct netif *netif);

/* ---- paths ---- */

/*
 * How to reach a destination; a connection keeps one and revalidates it by generation.
 * `netif` NULL: no path.
 */
struct net_path {
	struct netif *netif;
	struct neighbour *neighbour; /* NULL on netifs without link addresses */
	uint32_t mtu;                /* of the path, IP packet, bytes */
	uint32_t generation;         /* stale when it differs from net_generation() */
};
uint32_t net_generation(const struct net *net);

/*
 * Finds path and source address to `dst`. `src` any: chosen (RFC 1122 3.3.4.3, RFC 6724). A `netif_number`
 * above 0 confines it. 0, -TEE_ENETUNREACH, -TEE_EADDRNOTAVAIL (no usable source),
 * -TEE_ENETDOWN.
 */
int net_route(struct net *net, const struct tee_ip *src, const struct tee_ip *dst, int netif_number,
	      struct net_path *ret_path, struct tee_ip *ret_src);
/*
 * Largest IP packet of a super-frame on the way to `dst`: more than usual where the packet ends at the link's
 * other side. Of a stale path, or one without a netif, what is usual.
 */
uint32_t net_path_gso_bytes_max(const struct net_path *path, const struct tee_ip *dst);
/* Brings a stale path up to date; same results. */
int net_path_refresh(struct net *net, const struct tee_ip *src, const struct tee_ip *dst,
		     struct net_path *path);
/* Forward progress: the neighbour is reachable (RFC 4861 7.3.1). */
void net_path_confirm(struct net *net, struct net_path *path);
/* Trouble: negative advice after R1 retransmissions (MUST-20); the neighbour is probed anew. */
void net_path_doubt(struct net *net, struct net_path *path);
/*
 * A believed "too big": lowers the path MTU towards `dst` (`mtu` 0: next plateau below
 * `was_len`, RFC 1191 section 7). Never raises, never goes below 576 (IPv4: 552 as Linux' min_pmtu is
 * not kept) or 1280. Bumps the generation. Returns the MTU now in force.
 */
uint32_t net_pmtu_update(struct net *net, const struct tee_ip *dst, uint32_t mtu, uint32_t was_len);

/* ---- addresses ---- */
/* Is it an address of ours that may be used as source (not tentative, not in conflict)? */
bool net_is_local(struct net *net, const struct tee_ip *ip);
/* May it be bound to: ours, any, or a group (UDP). */
bool net_is_group(struct net *net, const struct tee_ip *ip); /* multicast or a broadcast of ours */

/* ---- sending ---- */

struct ip_out {
	struct tee_ip src, dst;
	uint8_t protocol, ttl, tos; /* ttl 0: the configuration's */
	bool dont_fragment;
	int netif_number; /* 0: by route */
	enum tee_why why;
	uint32_t flow_label;
	const uint8_t *options; /* IPv4 options, a multiple of 4 bytes, or NULL */
	uint8_t options_len;
	bool src_unspecified; /* `src` stays 0.0.0.0 or ::, netif_number tells where (DHCP, RFC 2131 4.1) */
};

enum { IP_OUT_READY = 0, IP_OUT_PENDING = 1 };
/*
 * Puts IP and link headers in front of a frame that holds a transport header and payload.
 * IP_OUT_READY: it may leave by path->netif. IP_OUT_PENDING: the neighbour isn't known yet; the
 * frame's content was queued for it (or dropped, counted) and the frame released. Below 0: released
 * too. Transport checksum is the caller's, before the call.
 */
int ip_output_frame(struct net *net, struct net_path *path, struct tee_frame *frame,
		    const struct ip_out *out);
/*
 * Sends a packet that begins at its transport header (checksum done): routes, fragments (IPv4, and
 * IPv6 at the source) when it is larger than the path, queues. Ownership moves in. 0, or
 * -TEE_ENETUNREACH, -TEE_EADDRNOTAVAIL, -TEE_EMSGSIZE (dont_fragment), -TEE_ENOBUFS, -TEE_ENOMEM.
 */
int ip_output_pkt(struct net *net, struct tee_pkt *pkt, const struct ip_out *out);

/*
 * Answers a packet with an ICMP error (rate-limited; never to a group, a fragment but the first,
 * or another error: RFC 1122 3.2.2). `type`/`code` are of the packet's own family; the
 * packet stays the caller's.
 */
void icmp_send_error(struct net *net, const struct ip_packet *packet, uint8_t type, uint8_t code,
		     uint32_t rest);

#endif
