/* SPDX-License-Identifier: MIT */
/*
 * Frames into a whole network layer with UDP and address configuration above it, on Ethernet or raw IP.
 *
 * The input is a program: frames as they are, frames whose outside is put right (addresses, lengths,
 * checksums: bits of the operation say which), time that passes, datagrams that we send, and the
 * interface going down and up. So a mutation of the bytes in the middle reaches the code in the
 * middle. After every step the invariants hold, and everything that was sent is well formed: it
 * parses, its lengths and checksums are right, and it comes from an address of ours or from none.
 */
#include <string.h>
#include "addrconf/addrconf.h"
#include "base/byteorder.h"
#include "base/check.h"
#include "net/netif.h"
#include "udp/udp.h"
#include "wire/arp.h"
#include "wire/checksum.h"
#include "wire/ethernet.h"

enum { FRAME_MAX = 2048, OPS_MAX = 200 };
enum { FIX_ETHERNET = 1, FIX_ADDRESSES = 2, FIX_LENGTHS = 4, FIX_CHECKSUMS = 8 };
enum op { OP_FRAME, OP_TIME, OP_SEND, OP_FLAP, OP_RELEASE, OP_COUNT };

static const struct tee_mac our_mac = {{2, 0, 0, 0, 0, 1}}, peer_mac = {{2, 0, 0, 0, 0, 2}};
static const struct tee_ip our4 = {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 1}};
static const struct tee_ip our6 = {{0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}};

struct input {
	const uint8_t *data;
	size_t left;
};

struct world {
	struct engine engine;
	struct net *net;
	struct udp *udp;
	struct addrconf *addrconf;
	struct netif *netif;
	struct udp_endpoint *any, *connected, *ping;
	bool is_ethernet;
	uint8_t dhcp_xid
		[4]; /* of the client's last message: an answer with another would go nowhere */
};

static unsigned take(struct input *in)
{
	if (in->left == 0)
		return 0;
	in->left--;
	return *in->data++;
}

static void world_open(struct world *w, unsigned flags)
{
	struct tee_netif_config netif = {.name = "fuzz", .mac = our_mac, .mtu = 1500};
	const struct tee_endpoint here = {.port = 7},
				  there = {.ip = {{[10] = 0xff, 0xff, 10, 0, 0, 2}}, .port = 53};
	struct tee_config config;

	memset(w, 0, sizeof(*w));
	w->is_ethernet = !(flags & 1);
	netif.kind = w->is_ethernet ? TEE_NETIF_ETHERNET : TEE_NETIF_RAW_IP;
	tee_config_init(&config);
	config.neighbour_max = 8;
	config.reassembly_bytes_max = 20000;
	config.reassembly_datagrams_max = 8;
	config.udp_queue_bytes_max = 8000;
	CHECK(engine_init(&w->engine, &config, 1) == 0);
	w->net = net_new(&w->engine);
	w->udp = udp_new(w->net);
	w->addrconf = addrconf_new(w->net, w->udp);
	w->netif = net_netif(w->net, netif_add(w->net, &netif));
	netif_set_up(w->netif, true);
	CHECK(netif_addr_add(w->netif, &our4, 24, TEE_ADDR_STATIC, !(flags & 4), NULL) == 0);
	CHECK(netif_addr_add(w->netif, &our6, 64, TEE_ADDR_STATIC, !(flags & 4), NULL) == 0);
	if ((flags & 2) && w->is_ethernet)
		CHECK(addrconf_dhcp_start(w->addrconf, w->netif, "fuzz") == 0);
	w->any = udp_endpoint_new(w->udp, false, TEE_FAMILY_ANY, NULL);
	w->connected = udp_endpoint_new(w->udp, false, TEE_FAMILY_IPV4, NULL);
	w->ping = udp_endpoint_new(w->udp, true, TEE_FAMILY_ANY, NULL);
	CHECK(udp_endpoint_bind(w->any, &here) == 0);
	(void)udp_endpoint_connect(w->connected, &there);
}

/* ---- what leaves must be well formed ---- */

static void check_transport(const struct ip_header *ip, const uint8_t *data, uint32_t len)
{
	uint64_t sum = 0;

	if (ip->is_fragment)
		return;
	if (ip->protocol != IP_PROTO_ICMP)
		sum = checksum_pseudo(&ip->src, &ip->dst, ip->protocol, len);
	CHECK(checksum_fold(checksum_add(sum, data, len)) == 0xffff);
}

static void check_sent(struct world *w, const uint8_t *frame, uint32_t len)
{
	struct ethernet eth;
	struct ip_header ip;
	struct arp arp;
	uint32_t pointer;

	if (w->is_ethernet) {
		CHECK(ethernet_parse(frame, len, &eth) == 0 && mac_equal(&eth.src, &our_mac));
		frame += ETHERNET_HEADER_LEN;
		len -= ETHERNET_HEADER_LEN;
		if (eth.type == ETHERTYPE_ARP) {
			CHECK(arp_parse(frame, len, &arp) == 0);
			return;
		}
	}
	CHECK(ip_parse(frame, len, true, &ip, &pointer) == IP_PARSE_OK && ip.total_len == len);
	CHECK(len <= 1500);
	CHECK(!ip_is_multicast(&ip.src) && !ip_is_loopback(&ip.dst));
	check_transport(&ip, frame + ip.header_len, len - ip.header_len);
	if (ip.protocol == IP_PROTO_UDP && !ip.is_fragment &&
	    load_be16(frame + ip.header_len) == 68)
		memcpy(w->dhcp_xid, frame + ip.header_len + 8 + 4, 4);
}

static void drain(struct world *w)
{
	static uint8_t bytes[FRAME_MAX];
	struct tee_frame frame;

	while (net_output(w->net, w->netif, &frame, 1) == 1) {
		CHECK(frame.len <= sizeof(bytes));
		tee_frame_copy(&frame, bytes);
		check_sent(w, bytes, frame.len);
		tee_frame_release(&frame);
	}
}

/* ---- operations ---- */

static void fix_transport(uint8_t *packet, uint32_t len)
{
	struct ip_header ip;
	uint32_t pointer, left, at;
	uint64_t sum;

	if (ip_parse(packet, len, false, &ip, &pointer) != IP_PARSE_OK || ip.is_fragment)
		return;
	left = ip.total_len - ip.header_len;
	at = ip.protocol == IP_PROTO_UDP ? 6 : 2;
	if (left < 8 || (ip.protocol != IP_PROTO_UDP && ip.protocol != IP_PROTO_ICMP &&
			 ip.protocol != IP_PROTO_ICMP6))
		return;
	packet += ip.header_len;
	if (ip.protocol == IP_PROTO_UDP)
		store_be16(packet + 4, (uint16_t)left);
	store_be16(packet + at, 0);
	sum = ip.protocol == IP_PROTO_ICMP ? 0
					   : checksum_pseudo(&ip.src, &ip.dst, ip.protocol, left);
	store_be16(packet + at, checksum_finish(checksum_add(sum, packet, left)));
}

/* Puts the outside of a packet right, as far as the bits ask for it. */
static void fix_packet(const struct world *w, uint8_t *packet, uint32_t len, unsigned fixes)
{
	bool is4 = packet[0] >> 4 == 4;

	if (len < (is4 ? 20u : 40u))
		return;
	if (fixes & FIX_ADDRESSES)
		memcpy(packet + (is4 ? 16 : 24), is4 ? our4.byte + 12 : our6.byte, is4 ? 4 : 16);
	if (fixes & FIX_LENGTHS) {
		if (is4)
			packet[0] = 0x45;
		store_be16(packet + (is4 ? 2 : 4), (uint16_t)(is4 ? len : len - 40));
	}
	if (!(fixes & FIX_CHECKSUMS))
		return;
	if (is4 && len >= 36 && packet[0] == 0x45 && load_be16(packet + 22) == 68)
		memcpy(packet + 32, w->dhcp_xid, 4);
	if (is4 && (packet[0] & 0xf) * 4u <= len && (packet[0] & 0xf) >= 5) {
		uint32_t header_len = (packet[0] & 0xf) * 4u;

		store_be16(packet + 10, 0);
		store_be16(packet + 10, checksum_finish(checksum_add(0, packet, header_len)));
	}
	fix_transport(packet, len);
}

static void op_frame(struct world *w, struct input *in)
{
	unsigned fixes = take(in);
	uint32_t len = take(in) | (take(in) & 7) << 8;
	struct tee_pkt *pkt;
	uint8_t *at;

	if (len > in->left)
		len = (uint32_t)in->left;
	pkt = tee_pkt_new(w->engine.pool, len + ETHERNET_HEADER_LEN);
	CHECK(pkt);
	at = tee_pkt_bytes(pkt);
	if (w->is_ethernet && (fixes & FIX_ETHERNET)) {
		unsigned version = in->left && len ? in->data[0] >> 4 : 0;
		struct ethernet eth = {
			.dst = fixes & 16 ? ethernet_broadcast : our_mac,
			.src = peer_mac,
			.type = version == 4   ? ETHERTYPE_IP4
				: version == 6 ? ETHERTYPE_IP6
					       : ETHERTYPE_ARP,
		};

		ethernet_write(at, &eth);
		at += ETHERNET_HEADER_LEN;
		pkt->len = ETHERNET_HEADER_LEN;
	}
	if (len > 0)
		memcpy(at, in->data, len);
	pkt->len += len;
	in->data += len;
	in->left -= len;
	if (len > 0)
		fix_packet(w, at, len, fixes);
	net_input(w->net, w->netif, pkt);
}

static void op_time(struct world *w, struct input *in)
{
	uint64_t end_ns = w->engine.now_ns + (UINT64_C(1) << (20 + take(in) % 24));

	for (unsigned i = 0; i < 1000; i++) {
		uint64_t next_ns = timer_wheel_next(&w->engine.wheel);

		if (next_ns > end_ns)
			break;
		engine_set_now(&w->engine, next_ns);
		engine_run_timers(&w->engine);
		drain(w);
	}
	engine_set_now(&w->engine, end_ns);
}

static void op_send(struct world *w, struct input *in)
{
	static const uint8_t data[255 * 7] = {ICMP4_ECHO_REQUEST};
	struct udp_endpoint *endpoints[] = {w->any, w->connected, w->ping};
	struct udp_endpoint *endpoint = endpoints[take(in) % 3];
	struct tee_dgram_info info = {.tos = -1};
	uint8_t host = (uint8_t)take(in);
	size_t len = take(in) * 7u;

	info.remote.ip = host & 0x80 ? our6 : our4;
	info.remote.ip.byte[15] = host & 0x7f;
	info.remote.port = 53;
	(void)udp_endpoint_send(endpoint, data, len, &info);
}

static void read_all(struct udp_endpoint *endpoint)
{
	struct tee_dgram_info info;
	uint8_t buf[64];

	while (udp_endpoint_recv(endpoint, buf, sizeof(buf), 0, &info) != -TEE_EAGAIN)
		continue;
}

static void step(struct world *w, struct input *in)
{
	switch ((enum op)(take(in) % OP_COUNT)) {
	case OP_FRAME: op_frame(w, in); break;
	case OP_TIME: op_time(w, in); break;
	case OP_SEND: op_send(w, in); break;
	case OP_FLAP:
		netif_set_up(w->netif, false);
		net_check(w->net);
		netif_set_up(w->netif, true);
		break;
	case OP_RELEASE:
		(void)addrconf_dhcp_release(w->addrconf, w->netif);
		(void)addrconf_dhcp_start(w->addrconf, w->netif, NULL);
		break;
	case OP_COUNT: break;
	}
	net_check(w->net);
	udp_check(w->udp);
	drain(w);
}

static void world_close(struct world *w)
{
	read_all(w->any);
	addrconf_free(w->addrconf);
	udp_free(w->udp);
	net_free(w->net);
	CHECK(tee_pool_bytes_used(w->engine.pool) == 0 && w->engine.wheel.count == 0);
	engine_fini(&w->engine);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct world w;
	struct input in = {data, size};

	world_open(&w, take(&in));
	for (unsigned i = 0; i < OPS_MAX && in.left > 0; i++)
		step(&w, &in);
	world_close(&w);
	return 0;
}
