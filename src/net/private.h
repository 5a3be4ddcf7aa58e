/* SPDX-License-Identifier: MIT */
/* The inside of the network layer: what its files share. */
#ifndef TEE_NET_PRIVATE_H
#define TEE_NET_PRIVATE_H

#include "base/hash.h"
#include "net/neighbour.h"
#include "net/netif.h"
#include "net/pmtu.h"
#include "net/defrag.h"
#include "wire/ethernet.h"

enum { NET_ID_BUCKETS = 256 };

struct route {
	struct tee_ip prefix;  /* host bits are zero */
	struct tee_ip gateway; /* all zero: on-link */
	struct netif *netif;
	unsigned prefix_bits;
	unsigned metric;
	enum route_origin origin;
};

/* What net_route() was asked and what it found; while the generation stands, it would find the same. */
struct net_way {
	struct tee_ip src, dst, chosen;
	int netif_number;
	struct net_path path; /* generation 0: the entry is empty */
};
enum { NET_WAY_COUNT = 16 };

struct net {
	struct engine *engine;
	uint32_t generation;
	struct net_way
		ways[NET_WAY_COUNT]; /* found last, by the destination's last byte (path.c) */
	struct netif *netifs[NETIF_COUNT_MAX]; /* number - 1 is the index */
	unsigned netif_count;
	struct {
		const struct net_protocol *ops;
		void *context;
	} protocols[256];
	struct route *routes; /* longest prefix first, then lowest metric, then oldest */
	unsigned route_count, route_capacity;
	struct neigh_cache neighbours;
	struct defrag defrag;
	struct pmtu_cache pmtu;
	uint64_t icmp_credit_ns;      /* token bucket of the errors we send … */
	uint64_t icmp_refill_ns;      /* … and when it was last filled */
	uint32_t ids[NET_ID_BUCKETS]; /* IPv4 and IPv6 fragment identifications, by destination */
	const struct net_addrconf_hooks *hooks;
	void *hooks_context;
	void (*tx_room)(void *context);
	void *tx_room_context;
	const struct net_errors *errors; /* NULL: nobody keeps any */
	void *errors_context;
};

/* Paths become stale: something that net_route() looks at has changed. */
static inline void net_bump(struct net *net)
{
	net->generation++;
}

/* Tells a trace consumer of a packet that is not TCP's; `pkt` begins with the link header, if any. */
void net_trace_packet(struct net *net, enum tee_trace_kind kind, const struct netif *netif,
		      const struct tee_pkt *pkt, bool has_link_header, enum tee_why why);

/* ---- netif.c ---- */

/* Queues a whole frame; ownership moves in. 0 or -TEE_ENOBUFS, -TEE_ENETDOWN (dropped, counted). */
int netif_transmit(struct netif *netif, struct tee_pkt *pkt, enum tee_why why);
struct netif *netif_new(struct net *net, const struct tee_netif_config *config);
void netif_free(struct netif *netif);
/* The MTU for packets of a family. */
static inline uint32_t netif_mtu_for(const struct netif *netif, bool is4)
{
	return is4 ? netif->mtu : netif->mtu6;
}

/* ---- addr.c ---- */

/* The best source on `netif` for `dst` (RFC 6724 section 5); NULL: none is usable. */
const struct netif_addr *addr_select(const struct netif *netif, const struct tee_ip *dst);
/* Is `ip` a broadcast address of a prefix on this netif, or 255.255.255.255? */
bool addr_is_broadcast(const struct netif *netif, const struct tee_ip *ip);
/* Is `ip` the solicited-node group of one of the netif's addresses? */
bool addr_is_solicited_group(const struct netif *netif, const struct tee_ip *ip);
void addr_free_all(struct netif *netif);

/* ---- ip_input.c ---- */

/* A packet that begins at its IP header. */
void ip_input(struct net *net, struct netif *netif, struct tee_pkt *pkt, bool is_link_group);

/* ---- icmp.c ---- */
void icmp_input(struct ip_packet *packet, struct net *net);

/* ---- arp.c ---- */
/* The packet begins at the ARP header. */
void arp_input(struct netif *netif, struct tee_pkt *pkt);
/* Asks who has `target`; `mac` NULL: everybody, else that one (unicast poll). */
void arp_solicit(struct netif *netif, const struct tee_ip *target, const struct tee_mac *mac);

/* ---- nd.c ---- */
/* A neighbour-discovery message whose ICMPv6 checksum is right; the packet stays the caller's. */
void nd_input(struct ip_packet *packet, struct net *net);
void nd_solicit(struct netif *netif, const struct tee_ip *target, const struct tee_mac *mac);

/* ---- mld.c ---- */
void mld_timer(void *context, struct timer *timer);
/* The groups of a netif changed: report them (RFC 3810 6.1). */
void mld_groups_changed(struct netif *netif);
void mld_query(struct netif *netif, const struct tee_pkt *pkt);

/* ---- ip_output.c ---- */

/*
 * Sends a packet (at its transport header) by a netif to a link address, without asking the routes
 * or the cache: ND, MLD, DHCP. Ownership moves in. `mac` is ignored where there are none. Results as
 * ip_output_pkt().
 */
int ip_output_link(struct netif *netif, const struct tee_mac *mac, struct tee_pkt *pkt,
		   const struct ip_out *out);
/* Sends a packet that begins at its IP header along a path. */
int ip_output_path(struct net *net, const struct net_path *path, struct tee_pkt *pkt,
		   const struct tee_ip *dst, enum tee_why why);
/* Puts an Ethernet header in front (where the netif has one) and queues the frame. */
int ip_link_transmit(struct netif *netif, const struct tee_mac *mac, struct tee_pkt *pkt, bool is4,
		     enum tee_why why);
/* Length of the IP header for `out`. */
unsigned ip_out_header_len(const struct ip_out *out);
/* The plain header for `out`; `id` and fragment fields are the caller's. */
void ip_out_header(const struct net *net, const struct netif *netif, const struct ip_out *out,
		   struct ip_header *ret_ip);
/* Writes it, with IPv4 options, in front of `payload_len` bytes. */
void ip_out_write(uint8_t *at, const struct ip_header *ip, const struct ip_out *out,
		  size_t payload_len);
/* The next identification towards a destination (RFC 7739 5.3, RFC 6864). */
uint32_t ip_next_id(struct net *net, const struct ip_out *out);

/* ---- fragment.c ---- */
/* Cuts a packet (at its transport header) to the path's MTU. Ownership moves in. */
int ip_output_fragments(struct net *net, const struct net_path *path, struct tee_pkt *pkt,
			const struct ip_out *out);

/* ---- neighbour.c's upcall ---- */
/* Tells the owner of a packet (at its IP header) that its neighbour doesn't answer. */
void icmp_report_unreachable(struct net *net, struct netif *netif, const struct tee_pkt *pkt);

#endif
