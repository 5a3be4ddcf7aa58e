/* SPDX-License-Identifier: MIT */
/*
 * What tests of the network layer share: an engine, a net with one interface, and the other side of its
 * wire, played by the test: it gives frames with kit_give… and takes what was sent with kit_take().
 * Time is virtual and only moves by kit_step().
 */
#ifndef TEE_TEST_NET_KIT_H
#define TEE_TEST_NET_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "addrconf/addrconf.h"
#include "net/netif.h"
#include "udp/udp.h"
#include "wire/arp.h"
#include "wire/ethernet.h"
#include "wire/icmp.h"
#include "wire/ip.h"
#include "wire/udp.h"

#define OUR_IP    TEE_IP4(10, 0, 0, 1)
#define PEER_IP   TEE_IP4(10, 0, 0, 2)
#define ROUTER_IP TEE_IP4(10, 0, 0, 254)
#define FAR_IP    TEE_IP4(192, 0, 2, 9)
/* fd00::1, fd00::2, fe80::2 */
#define OUR_IP6  ((struct tee_ip){{0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}})
#define PEER_IP6 ((struct tee_ip){{0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2}})
#define PEER_LL6 ((struct tee_ip){{0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2}})

extern const struct tee_mac our_mac, peer_mac, other_mac;

enum { KIT_FRAME_MAX = 70000 };

struct kit {
	struct tee_config config;
	struct engine engine;
	struct net *net;
	struct udp *udp;           /* NULL unless asked for */
	struct addrconf *addrconf; /* NULL unless asked for */
	struct netif *netif;
	/* the frame that kit_take() took, with what is in it */
	uint8_t frame[KIT_FRAME_MAX];
	size_t len;
	struct ethernet eth;
	struct ip_header ip;
	const uint8_t *payload; /* of the IP packet */
	size_t payload_len;
	struct arp arp;
	enum tee_why why;
};

/*
 * kit_config() fills in the defaults, the test changes them, kit_open() makes the net with an
 * interface that is up. kit_open_plain() does both and gives it OUR_IP/24 and OUR_IP6/64.
 */
enum { KIT_RAW = 1, KIT_UDP = 2, KIT_ADDRCONF = 4 };
void kit_config(struct kit *kit);
void kit_open(struct kit *kit, unsigned flags);
void kit_open_plain(struct kit *kit, unsigned flags);
void kit_close(struct kit *kit);

/* Lets time pass, timer by timer. */
void kit_step(struct kit *kit, uint64_t ns);
/* Gives back what waits on the loopback, until nothing does. */
void kit_loopback(struct kit *kit);
uint64_t kit_count(const struct kit *kit, enum counter counter);

/* The next frame that was sent; false: none. Parses Ethernet, and ARP or IP, whose checksum must be right. */
bool kit_take(struct kit *kit);
/* Takes and forgets all; returns how many there were. */
unsigned kit_take_all(struct kit *kit);

/* A frame as it is. */
void kit_give(struct kit *kit, const void *frame, size_t len);
/* The same as a packet, so that its metadata can be set first. */
struct tee_pkt *kit_pkt(struct kit *kit, const void *bytes, size_t len);
/* An IP packet from the peer (header with defaults: kit_ip()), with an Ethernet header where needed. */
struct ip_header kit_ip(const struct tee_ip *src, const struct tee_ip *dst, uint8_t protocol);
void kit_give_ip(struct kit *kit, const struct ip_header *ip, const void *payload, size_t len);
/* Writes that packet, without Ethernet; returns its length. */
size_t kit_build_ip(uint8_t *out, const struct ip_header *ip, const void *payload, size_t len);
void kit_give_udp(struct kit *kit, const struct tee_endpoint *src, const struct tee_endpoint *dst,
		  const void *data, size_t len);
size_t kit_build_udp(uint8_t *out, const struct tee_endpoint *src, const struct tee_endpoint *dst,
		     const void *data, size_t len);
/* An ICMP or ICMPv6 message; the checksum is filled in. */
void kit_give_icmp(struct kit *kit, const struct tee_ip *src, const struct tee_ip *dst, uint8_t ttl,
		   uint8_t type, uint8_t code, uint32_t rest, const void *body, size_t len);
/* The error that the peer's stack, or a router, would send about the packet just taken. */
void kit_give_error(struct kit *kit, uint8_t type, uint8_t code, uint32_t rest);
void kit_give_arp(struct kit *kit, uint16_t op, const struct tee_mac *sender_mac,
		  const struct tee_ip *sender, const struct tee_ip *target, bool is_broadcast);
/* ND: NS, NA or RS of the wire's writer, with hop limit 255. */
void kit_give_nd(struct kit *kit, const struct nd_message *nd, const struct tee_ip *src,
		 const struct tee_ip *dst);
/* Answers whatever ARP request or NS waits in the output as PEER; returns how many. */
unsigned kit_answer_neighbours(struct kit *kit);

#endif
