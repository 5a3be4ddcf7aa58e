/* SPDX-License-Identifier: MIT */
/* The inside of address configuration: what its files share. */
#ifndef TEE_ADDRCONF_PRIVATE_H
#define TEE_ADDRCONF_PRIVATE_H

#include "addrconf/addrconf.h"
#include "base/list.h"
#include "net/netif.h"
#include "wire/dhcp.h"

enum { ROUTERS_MAX = 4, PREFIXES_MAX = 8, SLAAC_ADDRS_MAX = 16 };

/* ---- router advertisements ---- */

struct ra_router {
	struct tee_ip ip;
	uint64_t until_ns;
};

struct ra_prefix {
	struct tee_ip prefix;
	unsigned bits;
	uint64_t until_ns;
};

struct router_state {
	struct timer timer; /* TIMER_ROUTER: the next solicitation, or the next end of a lifetime */
	unsigned solicits_left;
	uint64_t solicit_at_ns;
	struct ra_router routers[ROUTERS_MAX];
	unsigned router_count;
	struct ra_prefix prefixes[PREFIXES_MAX]; /* on-link ones */
	unsigned prefix_count;
	struct ra_router dns[TEE_DNS_MAX];
	unsigned dns_count;
};

/* ---- DHCP ---- */

/* RFC 2131 figure 5; what may be done in a state is told in dhcp.c. */
enum dhcp_state {
	DHCP_STATE_OFF,
	DHCP_STATE_INIT,      /* waits: for the interface, or before it starts anew */
	DHCP_STATE_SELECTING, /* DISCOVER is out */
	DHCP_STATE_REQUESTING,
	DHCP_STATE_REBOOTING, /* the interface came back: asks for the address it had */
	DHCP_STATE_CHECKING,  /* the address is given, and probed before use */
	DHCP_STATE_BOUND,
	DHCP_STATE_RENEWING,  /* asks the server that gave it */
	DHCP_STATE_REBINDING, /* asks any server */
};

struct dhcp_lease {
	struct tee_ip ip, server, router;
	unsigned prefix_bits;
	uint16_t mtu;
	unsigned dns_count;
	struct tee_ip dns[DHCP_DNS_MAX];
	char domain[128];
	uint64_t start_ns; /* when the request that was granted went out */
	uint64_t t1_ns, t2_ns, end_ns;
};

struct dhcp_client {
	enum dhcp_state state;
	struct timer timer; /* TIMER_DHCP: the next step or repetition */
	struct udp_endpoint *endpoint;
	uint32_t xid;
	uint64_t started_at_ns; /* of this try: the message's `secs` */
	uint64_t sent_at_ns;    /* first sending of the message that is out */
	unsigned tries;         /* sendings of the message that is out */
	struct tee_ip offered, server;
	bool has_lease; /* `lease` is valid, and its address is (or will be) on the interface */
	struct dhcp_lease lease;
	char hostname[64];
};

/* ---- all of an interface ---- */

struct ac_netif {
	struct list node; /* in addrconf->netifs */
	struct addrconf *addrconf;
	struct netif *netif;
	struct router_state router;
	struct dhcp_client dhcp;
};

struct addrconf {
	struct net *net;
	struct udp *udp;
	struct engine *engine;
	struct list netifs;
};

/* addrconf.c: finds; makes when it isn't there. NULL: no memory. */
struct ac_netif *ac_netif_get(struct addrconf *addrconf, struct netif *netif);
struct ac_netif *ac_netif_find(struct addrconf *addrconf, const struct netif *netif);

/* acd.c: the hooks on addresses, and their timer */
void acd_addr_added(void *context, struct netif_addr *addr);
void acd_arp_seen(void *context, struct netif *netif, const struct arp *arp);
void acd_nd_conflict(void *context, struct netif_addr *addr, const struct tee_mac *mac);
void acd_timer(void *context, struct timer *timer);
/* The lifetimes of an address changed. */
void acd_rearm_lifetime(struct addrconf *addrconf, struct netif_addr *addr);

/* slaac.c */
void slaac_netif_up(struct ac_netif *ac, bool up);
void slaac_router_advert(void *context, struct netif *netif, const struct tee_ip *router,
			 const struct nd_message *nd);
/* The link-local address is usable: ask for routers. */
void slaac_start_soliciting(struct ac_netif *ac);
void slaac_timer(void *context, struct timer *timer);

/* dhcp.c */
void dhcp_client_init(struct ac_netif *ac);
void dhcp_client_fini(struct ac_netif *ac);
void dhcp_netif_up(struct ac_netif *ac, bool up);
void dhcp_timer(void *context, struct timer *timer);
/* The address that DHCP gave turned out to be free, or taken. */
void dhcp_on_usable(struct addrconf *addrconf, struct netif_addr *addr);
void dhcp_on_conflict(struct addrconf *addrconf, struct netif_addr *addr);

/* dhcp_message.c: sends one, filled in from the client's state. */
void dhcp_send(struct ac_netif *ac, enum dhcp_type type);
/* Is it an answer to us, worth acting on? */
bool dhcp_is_for_us(const struct ac_netif *ac, const struct dhcp *message);
/* What an ACK grants, counted from client->sent_at_ns; false: it is unusable. */
bool dhcp_lease_from(const struct ac_netif *ac, const struct dhcp *message,
		     struct dhcp_lease *ret_lease);

#endif
