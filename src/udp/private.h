/* SPDX-License-Identifier: MIT */
/* The inside of UDP: what its files share. */
#ifndef TEE_UDP_PRIVATE_H
#define TEE_UDP_PRIVATE_H

#include "base/list.h"
#include "udp/udp.h"

enum { UDP_BUCKETS = 1024 };

/* One received datagram in an endpoint's queue. */
struct udp_datagram {
	struct udp_datagram *next;
	struct tee_pkt *pkt; /* a reference */
	uint32_t off, len;   /* payload within pkt->data */
	uint32_t charge;     /* bytes that count against the queue's limit */
	struct tee_dgram_info info;
};

struct udp_endpoint {
	struct list all;    /* in udp->all */
	struct list bucket; /* in a bucket of its kind, by local port; unlinked while unbound */
	struct udp *udp;
	struct event_source *source; /* may be NULL */
	struct tee_endpoint local;   /* port 0: unbound; of a ping endpoint, the echo id */
	struct tee_endpoint remote;  /* ip any: not connected */
	struct tee_ip last_remote;   /* ping: where the last request went */
	struct udp_endpoint_options options;
	enum tee_family family;
	bool is_ping;
	bool is_local_chosen; /* connect() chose local.ip: dissolving the connection undoes it */
	bool wants_room;      /* was refused by a full tx queue */
	bool is_shut_read, is_shut_write;
	int pending_error; /* positive; 0: none */
	struct udp_datagram *first, *last;
	uint32_t queue_count, queue_bytes, queue_charge;
	udp_receiver_fn *receiver;
	void *receiver_context;
};

struct udp {
	struct net *net;
	struct engine *engine;
	struct list all;
	struct list ports[UDP_BUCKETS]; /* of UDP endpoints … */
	struct list ids[UDP_BUCKETS];   /* … and of ping endpoints */
	bool someone_wants_room;
};

/* ---- demux.c ---- */

/* May the endpoint speak this family? */
bool demux_is_family_ok(const struct udp_endpoint *endpoint, bool is4);
/* Takes a local port (0: chosen by chance, RFC 6056) and files the endpoint. -TEE_EADDRINUSE. */
int demux_bind(struct udp_endpoint *endpoint, const struct tee_endpoint *local);

/* What a datagram says of itself, from our side. */
struct demux_key {
	struct tee_ip local, remote;
	uint16_t local_port, remote_port;
	int netif_number;
};
/* The endpoint that fits best, NULL: none. */
struct udp_endpoint *udp_demux_find(struct udp *udp, bool is_ping, const struct demux_key *key);
/* The next endpoint at or after `node` (NULL: the first) that fits; for broadcast and multicast. */
struct udp_endpoint *demux_next(struct udp *udp, const struct demux_key *key,
				struct udp_endpoint *after);

/* ---- input.c ---- */
extern const struct net_protocol udp_net_protocol, ping_net_protocol;
void datagram_free(struct udp_datagram *datagram);

/* ---- endpoint.c ---- */
void endpoint_fail(struct udp_endpoint *endpoint, int error);

#endif
