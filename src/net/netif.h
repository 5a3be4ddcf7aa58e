/* SPDX-License-Identifier: MIT */
/*
 * Network interfaces, their addresses and routes: what stack/ wraps for the public header, and what
 * addrconf/ acts on. A netif, once added, lives as long as its net.
 *
 * Addresses are born here and get their state from addrconf/, which registers a table of hooks: net/
 * tells it of new addresses, of interfaces that come up, and of the ARP and neighbour-discovery
 * messages that bear on addresses; it answers with netif_addr_set_state(). Without hooks
 * an address is usable at once.
 */
#ifndef TEE_NET_NETIF_H
#define TEE_NET_NETIF_H

#include <teeceepee/stack.h>
#include "base/list.h"
#include "base/timer.h"
#include "net/net.h"
#include "wire/arp.h"
#include "wire/icmp.h"

enum { NETIF_LOOPBACK_NUMBER = 1, NETIF_COUNT_MAX = 63, NETIF_ADDR_COUNT_MAX = 64 };
enum {
	NETIF_TX_PKTS_MAX = 1024, /* packets that wait for net_output() */
	NETIF_TX_BYTES_MAX = 4 << 20,
};

/* Addresses of a packet that was found to be in order; while nothing changes, the next is too. */
struct ip_known {
	struct tee_ip src, dst;
	uint32_t generation; /* of the net then; 0: the entry is empty */
};
enum { IP_KNOWN_COUNT = 16 };

struct netif {
	struct net *net;
	int number;
	enum tee_netif_kind kind;
	bool is_up;
	bool tx_was_full;  /* somebody was refused; tell when there is room again */
	bool accepts_dhcp; /* no address yet: UDP to port 68 is for us whatever its destination */
	char name[16];
	struct tee_mac mac;
	bool shares_mac;       /* with the host beside us … */
	bool shares_address;   /* … and its addresses, which it announces and reports */
	uint32_t link_mtu;     /* as the link said */
	uint32_t mtu;          /* largest IPv4 packet: DHCP may lower it */
	uint32_t mtu6;         /* largest IPv6 packet: router advertisements may lower it */
	uint8_t hop_limit6;    /* from router advertisements; 0: the configuration's */
	uint64_t reachable_ns; /* RFC 4861 BaseReachableTime */
	uint64_t retrans_ns;   /* RFC 4861 RetransTimer */
	unsigned offloads;     /* TEE_OFFLOAD_… */
	uint32_t gso_bytes_max;
	uint32_t far_gso_bytes_max; /* 0: no more than gso_bytes_max */
	struct tee_mac far_mac;
	struct pktq tx;    /* whole frames (loopback: IP packets), ready to leave */
	struct list addrs; /* of netif_addr.node, oldest first */
	unsigned addr_count;
	struct timer mld_timer;
	uint8_t mld_reports_left;
	uint8_t mld_record_type;               /* of the records in the next report */
	struct ip_known known[IP_KNOWN_COUNT]; /* by the source's last byte (ip_input.c) */
};

struct netif_addr {
	struct list node; /* in netif->addrs */
	struct netif *netif;
	struct tee_ip ip;
	unsigned prefix_bits; /* in the address's own family */
	enum tee_addr_state state;
	enum tee_addr_origin origin;
	bool skip_probe;
	uint64_t preferred_until_ns, valid_until_ns; /* TEE_NEVER: for ever */
	struct tee_mac conflict_mac;
	/* addrconf's */
	struct timer timer; /* TIMER_ADDRESS */
	uint8_t phase, probes_sent, announces_sent, conflict_count;
	uint64_t defended_at_ns; /* last defence (RFC 5227 2.4); 0: never */
};

/* ---- interfaces ---- */

/* As tee_netif_add(): the number, or -TEE_EINVAL, -TEE_ENOMEM, -TEE_ENOBUFS. */
int netif_add(struct net *net, const struct tee_netif_config *config);
/* Down: queues and neighbours are forgotten. Up: addresses are probed anew. */
void netif_set_up(struct netif *netif, bool up);
/* Lowers the MTU (DHCP option 26, RA option 5); 0: back to the link's own. */
void netif_set_mtu(struct netif *netif, uint32_t mtu);
void netif_set_mtu6(struct netif *netif, uint32_t mtu);
/* Netif by position, 0 up; NULL past the end. */
struct netif *netif_at(struct net *net, unsigned idx);

/* ---- addresses ---- */

/*
 * As tee_addr_add(), with where the address comes from. Also adds the route of the prefix. 0,
 * -TEE_EINVAL (not a unicast address, prefix too long), -TEE_EADDRINUSE (it is ours already),
 * -TEE_ENOBUFS, -TEE_ENOMEM. ret_addr may be NULL.
 */
int netif_addr_add(struct netif *netif, const struct tee_ip *ip, unsigned prefix_bits,
		   enum tee_addr_origin origin, bool skip_probe, struct netif_addr **ret_addr);
/* Removes it and its prefix's route; -TEE_ENOENT. */
int netif_addr_remove(struct netif *netif, const struct tee_ip *ip);
/* The idx-th address; -TEE_ENOENT past the end. */
int netif_addr_get(struct netif *netif, unsigned idx, struct tee_addr_info *ret_info);
/* In any state; NULL: not there. */
struct netif_addr *netif_addr_find(struct netif *netif, const struct tee_ip *ip);
/* A usable address of any netif (127/8 included); NULL: none. */
struct netif_addr *net_addr_find(struct net *net, const struct tee_ip *ip);
/* Makes it usable, or not; bumps the generation, traces. */
void netif_addr_set_state(struct netif_addr *addr, enum tee_addr_state state);
static inline bool netif_addr_is_usable(const struct netif_addr *addr)
{
	return addr->state == TEE_ADDR_PREFERRED || addr->state == TEE_ADDR_DEPRECATED;
}

/* ---- routes ---- */

enum route_origin { ROUTE_STATIC, ROUTE_ADDRESS, ROUTE_DHCP, ROUTE_ADVERT };

/*
 * As tee_route_add(); `gateway` NULL or any: on-link. A route of the same prefix, netif, gateway and
 * origin is updated. 0, -TEE_EINVAL, -TEE_ENOBUFS (route_max), -TEE_ENOMEM.
 */
int route_add(struct netif *netif, const struct tee_ip *prefix, unsigned prefix_bits,
	      const struct tee_ip *gateway, unsigned metric, enum route_origin origin);
/* Removes those of the prefix, of any gateway and origin; -TEE_ENOENT when there was none. */
int route_remove(struct netif *netif, const struct tee_ip *prefix, unsigned prefix_bits);
/* Removes one; `gateway` NULL: on-link. -TEE_ENOENT. */
int route_remove_exact(struct netif *netif, const struct tee_ip *prefix, unsigned prefix_bits,
		       const struct tee_ip *gateway, enum route_origin origin);
/* The gateway of the netif's default route of a family (4, 6); false: none. */
bool route_default_gateway(struct netif *netif, unsigned version, struct tee_ip *ret_gateway);

/* ---- hooks ---- */

struct net_addrconf_hooks {
	void (*netif_up)(void *context, struct netif *netif, bool up);
	/* A new address, TEE_ADDR_TENTATIVE; is also called for each when the netif comes up. */
	void (*addr_added)(void *context, struct netif_addr *addr);
	/* It is about to go; its timer is disarmed afterwards. */
	void (*addr_removed)(void *context, struct netif_addr *addr);
	/* Every valid ARP packet, before the cache sees it. */
	void (*arp_seen)(void *context, struct netif *netif, const struct arp *arp);
	/* A valid NS from the unspecified address, or NA, for an address of ours in any state. */
	void (*nd_conflict)(void *context, struct netif_addr *addr, const struct tee_mac *mac);
	/* A valid router advertisement. */
	void (*router_advert)(void *context, struct netif *netif, const struct tee_ip *router,
			      const struct nd_message *nd);
};
void net_set_addrconf(struct net *net, const struct net_addrconf_hooks *hooks, void *context);

/* `run` is called when a tx queue that refused a packet has room again. One listener (UDP). */
void net_set_tx_room(struct net *net, void (*run)(void *context), void *context);

/* Sends ARP and ND messages for addrconf; sender any (all zero) makes a probe. */
void arp_send(struct netif *netif, uint16_t op, const struct tee_ip *sender,
	      const struct tee_ip *target, const struct tee_mac *target_mac, enum tee_why why);
/* NS for DAD (src any) to the solicited-node group of `target`. */
void nd_send_dad(struct netif *netif, const struct tee_ip *target);
void nd_send_router_solicit(struct netif *netif);

/* Aborts when an invariant of the net's structs is broken. */
void net_check(struct net *net);

#endif
