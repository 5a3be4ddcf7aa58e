/* SPDX-License-Identifier: MIT */
/*
 * UDP (RFC 768, RFC 1122 4.1) and the echo sockets of ping, as sock/ uses them: endpoints with a
 * bounded receive queue.
 */
#ifndef TEE_UDP_UDP_H
#define TEE_UDP_UDP_H

#include <teeceepee/socket.h>
#include "net/net.h"

struct udp;
struct udp_endpoint;

/* Registers UDP and, for ping, the echo replies of ICMP and ICMPv6 with `net`. */
struct udp *udp_new(struct net *net);
void udp_free(struct udp *udp);

/* Writes up to `n` of the ports, or echo ids, that endpoints have; returns how many there are. */
unsigned udp_ports_list(const struct udp *udp, bool is_ping, uint16_t *ret_ports, unsigned n);

struct udp_endpoint_options {
	uint8_t ttl, tos; /* ttl 0: default */
	bool broadcast, reuse_address, reuse_port, v6only;
	int netif_number;
	uint32_t queue_bytes_max;
	uint8_t pmtu_discover; /* TEE_OPT_MTU_DISCOVER */
};

/* A new, unbound endpoint; `is_ping` for echo. Events are raised on `source`. */
struct udp_endpoint *udp_endpoint_new(struct udp *udp, bool is_ping, enum tee_family family,
				      struct event_source *source);
void udp_endpoint_free(struct udp_endpoint *endpoint);
struct udp_endpoint_options *udp_endpoint_options(struct udp_endpoint *endpoint);
int udp_endpoint_bind(struct udp_endpoint *endpoint, const struct tee_endpoint *local);
int udp_endpoint_connect(struct udp_endpoint *endpoint, const struct tee_endpoint *remote);
const struct tee_endpoint *udp_endpoint_local(const struct udp_endpoint *endpoint);
const struct tee_endpoint *udp_endpoint_remote(const struct udp_endpoint *endpoint);
ssize_t udp_endpoint_send(struct udp_endpoint *endpoint, const void *data, size_t len,
			  const struct tee_dgram_info *info);
ssize_t udp_endpoint_recv(struct udp_endpoint *endpoint, void *buf, size_t len, unsigned flags,
			  struct tee_dgram_info *ret_info);
int udp_endpoint_take_error(struct udp_endpoint *endpoint);
/* The error that the next call tells; 0: none. */
void udp_endpoint_set_error(struct udp_endpoint *endpoint, int error);
void udp_endpoint_shutdown(struct udp_endpoint *endpoint, enum tee_shutdown how);
unsigned udp_endpoint_readiness(const struct udp_endpoint *endpoint);
uint32_t udp_endpoint_recvq_bytes(const struct udp_endpoint *endpoint);
uint32_t udp_endpoint_next_len(
	const struct udp_endpoint *endpoint); /* of the first datagram; 0: none */
/*
 * For a protocol inside the stack (DHCP): each datagram's payload goes to `run` at once instead of into
 * the queue. `run` must not free the endpoint.
 */
typedef void udp_receiver_fn(void *context, const uint8_t *data, size_t len,
			     const struct tee_dgram_info *info);
void udp_endpoint_set_receiver(struct udp_endpoint *endpoint, udp_receiver_fn *run, void *context);
/* Aborts when an invariant is broken. */
void udp_check(const struct udp *udp);
/* Walks all endpoints; NULL at the end. */
struct udp_endpoint *udp_endpoint_next(struct udp *udp, uint64_t *cursor);

#endif
