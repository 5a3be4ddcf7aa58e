/* SPDX-License-Identifier: MIT */
/* See net_kit.h. */
#include "net_kit.h"

#include "base/byteorder.h"
#include "base/check.h"
#include "pkt/frame.h"
#include "wire/checksum.h"

const struct tee_mac our_mac = {{2, 0, 0, 0, 0, 1}};
const struct tee_mac peer_mac = {{2, 0, 0, 0, 0, 2}};
const struct tee_mac other_mac = {{2, 0, 0, 0, 0, 3}};

void kit_config(struct kit *kit)
{
	memset(kit, 0, sizeof(*kit));
	tee_config_init(&kit->config);
	kit->config.seed = 42;
}

void kit_open(struct kit *kit, unsigned flags)
{
	struct tee_netif_config config = {
		.kind = flags & KIT_RAW ? TEE_NETIF_RAW_IP : TEE_NETIF_ETHERNET,
		.name = "test",
		.mac = our_mac,
		.mtu = 1500,
	};

	/* Instants just below a wrap of 32 bits of milliseconds, where mistakes would show. */
	assert_int_equal(engine_init(&kit->engine, &kit->config, UINT64_C(4294967290) * 1000000),
			 0);
	kit->net = net_new(&kit->engine);
	assert_non_null(kit->net);
	if (flags & (KIT_UDP | KIT_ADDRCONF))
		kit->udp = udp_new(kit->net);
	if (flags & KIT_ADDRCONF)
		kit->addrconf = addrconf_new(kit->net, kit->udp);
	kit->netif = net_netif(kit->net, netif_add(kit->net, &config));
	assert_non_null(kit->netif);
	netif_set_up(kit->netif, true);
}

void kit_open_plain(struct kit *kit, unsigned flags)
{
	kit_config(kit);
	kit->config.ipv6_slaac = false;
	kit_open(kit, flags);
	assert_int_equal(netif_addr_add(kit->netif, &OUR_IP, 24, TEE_ADDR_STATIC, true, NULL), 0);
	assert_int_equal(netif_addr_add(kit->netif, &OUR_IP6, 64, TEE_ADDR_STATIC, true, NULL), 0);
	/* Multicast reports of the new address are another test's business. */
	kit_step(kit, 5 * TEE_NS_PER_S);
	kit_take_all(kit);
}

void kit_close(struct kit *kit)
{
	net_check(kit->net);
	if (kit->udp)
		udp_check(kit->udp);
	addrconf_free(kit->addrconf);
	udp_free(kit->udp);
	net_free(kit->net);
	/* Nobody holds a buffer, nobody left a timer behind. */
	assert_int_equal(tee_pool_bytes_used(kit->engine.pool), 0);
	assert_int_equal(kit->engine.wheel.count, 0);
	engine_fini(&kit->engine);
}

void kit_step(struct kit *kit, uint64_t ns)
{
	uint64_t end_ns = kit->engine.now_ns + ns;

	for (;;) {
		uint64_t next_ns = timer_wheel_next(&kit->engine.wheel);

		if (next_ns > end_ns)
			break;
		engine_set_now(&kit->engine, next_ns);
		engine_run_timers(&kit->engine);
		net_check(kit->net);
	}
	engine_set_now(&kit->engine, end_ns);
}

uint64_t kit_count(const struct kit *kit, enum counter counter)
{
	return kit->engine.counters.value[counter];
}

void kit_loopback(struct kit *kit)
{
	struct netif *loopback = net_netif(kit->net, NETIF_LOOPBACK_NUMBER);
	struct tee_frame frame;

	while (net_output(kit->net, loopback, &frame, 1) == 1) {
		struct tee_pkt *pkt = frame_to_pkt(&frame, kit->engine.pool);

		tee_frame_release(&frame);
		net_input(kit->net, loopback, pkt);
	}
}

static void parse_taken(struct kit *kit)
{
	const uint8_t *data = kit->frame;
	size_t len = kit->len;
	uint32_t pointer;

	if (kit->netif->kind == TEE_NETIF_ETHERNET) {
		assert_int_equal(ethernet_parse(data, len, &kit->eth), 0);
		data += ETHERNET_HEADER_LEN;
		len -= ETHERNET_HEADER_LEN;
		if (kit->eth.type == ETHERTYPE_ARP) {
			assert_int_equal(arp_parse(data, len, &kit->arp), 0);
			return;
		}
	}
	assert_int_equal(ip_parse(data, len, true, &kit->ip, &pointer), IP_PARSE_OK);
	assert_int_equal(kit->ip.total_len, len);
	kit->payload = data + kit->ip.header_len;
	kit->payload_len = len - kit->ip.header_len;
}

bool kit_take(struct kit *kit)
{
	struct tee_frame frame;

	if (net_output(kit->net, kit->netif, &frame, 1) == 0)
		return false;
	assert_true(frame.len <= sizeof(kit->frame));
	assert_int_equal(frame.l3_off,
			 kit->netif->kind == TEE_NETIF_ETHERNET ? ETHERNET_HEADER_LEN : 0);
	kit->len = tee_frame_copy(&frame, kit->frame);
	kit->why = (enum tee_why)frame.why;
	tee_frame_release(&frame);
	kit->payload = NULL;
	kit->payload_len = 0;
	memset(&kit->ip, 0, sizeof(kit->ip));
	memset(&kit->arp, 0, sizeof(kit->arp));
	parse_taken(kit);
	return true;
}

unsigned kit_take_all(struct kit *kit)
{
	unsigned n = 0;

	while (kit_take(kit))
		n++;
	return n;
}

struct tee_pkt *kit_pkt(struct kit *kit, const void *bytes, size_t len)
{
	struct tee_pkt *pkt = tee_pkt_new(kit->engine.pool, len);

	assert_non_null(pkt);
	memcpy(tee_pkt_bytes(pkt), bytes, len);
	pkt->len = (uint32_t)len;
	return pkt;
}

void kit_give(struct kit *kit, const void *frame, size_t len)
{
	net_input(kit->net, kit->netif, kit_pkt(kit, frame, len));
	net_check(kit->net);
}

struct ip_header kit_ip(const struct tee_ip *src, const struct tee_ip *dst, uint8_t protocol)
{
	return (struct ip_header){
		.src = *src, .dst = *dst, .protocol = protocol, .ttl = 64, .id = 0xfffe};
}

size_t kit_build_ip(uint8_t *out, const struct ip_header *ip, const void *payload, size_t len)
{
	struct ip_header header = *ip;
	size_t n;

	if (tee_ip_is4(&ip->dst)) {
		ip4_write(out, ip, len);
		n = IP4_HEADER_LEN;
	} else if (ip->is_fragment) {
		ip6_fragment_write(out + IP6_HEADER_LEN, ip);
		header.protocol = IP_PROTO_IP6_FRAGMENT;
		ip6_write(out, &header, len + IP6_FRAGMENT_LEN);
		n = IP6_HEADER_LEN + IP6_FRAGMENT_LEN;
	} else {
		ip6_write(out, ip, len);
		n = IP6_HEADER_LEN;
	}
	if (len > 0)
		memcpy(out + n, payload, len);
	return n + len;
}

static struct tee_mac mac_for(const struct tee_ip *dst)
{
	static const struct tee_mac broadcast = {{255, 255, 255, 255, 255, 255}};

	if (ip_is_multicast(dst))
		return mac_of_multicast(dst);
	if (tee_ip_is4(dst) && dst->byte[15] == 255)
		return broadcast;
	return our_mac;
}

void kit_give_ip(struct kit *kit, const struct ip_header *ip, const void *payload, size_t len)
{
	static uint8_t frame[KIT_FRAME_MAX];
	struct ethernet eth = {
		.dst = mac_for(&ip->dst),
		.src = peer_mac,
		.type = tee_ip_is4(&ip->dst) ? ETHERTYPE_IP4 : ETHERTYPE_IP6,
	};
	size_t n = 0;

	if (kit->netif->kind == TEE_NETIF_ETHERNET) {
		ethernet_write(frame, &eth);
		n = ETHERNET_HEADER_LEN;
	}
	kit_give(kit, frame, n + kit_build_ip(frame + n, ip, payload, len));
}

size_t kit_build_udp(uint8_t *out, const struct tee_endpoint *src, const struct tee_endpoint *dst,
		     const void *data, size_t len)
{
	struct udp_header udp = {
		.src_port = src->port, .dst_port = dst->port, .len = (uint16_t)(8 + len)};
	uint64_t sum = checksum_pseudo(&src->ip, &dst->ip, IP_PROTO_UDP, udp.len);

	udp_write(out, &udp);
	if (len > 0)
		memcpy(out + UDP_HEADER_LEN, data, len);
	udp.checksum = checksum_finish(checksum_add(sum, out, udp.len));
	udp_write(out, &udp);
	return udp.len;
}

void kit_give_udp(struct kit *kit, const struct tee_endpoint *src, const struct tee_endpoint *dst,
		  const void *data, size_t len)
{
	static uint8_t bytes[KIT_FRAME_MAX];
	struct ip_header ip = kit_ip(&src->ip, &dst->ip, IP_PROTO_UDP);

	kit_give_ip(kit, &ip, bytes, kit_build_udp(bytes, src, dst, data, len));
}

static void give_icmp_bytes(struct kit *kit, const struct tee_ip *src, const struct tee_ip *dst,
			    uint8_t ttl, uint8_t *bytes, size_t len)
{
	bool is4 = tee_ip_is4(dst);
	struct ip_header ip = kit_ip(src, dst, is4 ? IP_PROTO_ICMP : IP_PROTO_ICMP6);
	uint64_t sum = is4 ? 0 : checksum_pseudo(src, dst, IP_PROTO_ICMP6, (uint32_t)len);

	ip.ttl = ttl;
	store_be16(bytes + 2, 0);
	store_be16(bytes + 2, checksum_finish(checksum_add(sum, bytes, len)));
	kit_give_ip(kit, &ip, bytes, len);
}

void kit_give_icmp(struct kit *kit, const struct tee_ip *src, const struct tee_ip *dst, uint8_t ttl,
		   uint8_t type, uint8_t code, uint32_t rest, const void *body, size_t len)
{
	static uint8_t bytes[KIT_FRAME_MAX];
	struct icmp icmp = {.type = type, .code = code, .rest = rest};

	icmp_write(bytes, &icmp);
	if (len > 0)
		memcpy(bytes + ICMP_HEADER_LEN, body, len);
	give_icmp_bytes(kit, src, dst, ttl, bytes, ICMP_HEADER_LEN + len);
}

void kit_give_nd(struct kit *kit, const struct nd_message *nd, const struct tee_ip *src,
		 const struct tee_ip *dst)
{
	uint8_t bytes[72];

	give_icmp_bytes(kit, src, dst, 255, bytes, nd_write(bytes, nd));
}

void kit_give_error(struct kit *kit, uint8_t type, uint8_t code, uint32_t rest)
{
	uint8_t quote[64];
	struct tee_ip to = kit->ip.src;
	bool is4 = kit->ip.version == 4;
	size_t n = kit->ip.header_len + 8u;

	memcpy(quote, kit->payload - kit->ip.header_len, n);
	kit_give_icmp(kit, is4 ? &ROUTER_IP : &PEER_LL6, &to, 64, type, code, rest, quote, n);
}

void kit_give_arp(struct kit *kit, uint16_t op, const struct tee_mac *sender_mac,
		  const struct tee_ip *sender, const struct tee_ip *target, bool is_broadcast)
{
	uint8_t frame[ETHERNET_HEADER_LEN + ARP_LEN];
	struct ethernet eth = {.dst = is_broadcast ? ethernet_broadcast : our_mac,
			       .src = *sender_mac,
			       .type = ETHERTYPE_ARP};
	struct arp arp = {
		.op = op, .sender_mac = *sender_mac, .sender_ip = *sender, .target_ip = *target};

	if (op == ARP_REPLY)
		arp.target_mac = our_mac;
	ethernet_write(frame, &eth);
	arp_write(frame + ETHERNET_HEADER_LEN, &arp);
	kit_give(kit, frame, sizeof(frame));
}

unsigned kit_answer_neighbours(struct kit *kit)
{
	unsigned n = 0;

	while (kit_take(kit)) {
		struct nd_message nd;

		if (kit->eth.type == ETHERTYPE_ARP && kit->arp.op == ARP_REQUEST) {
			struct tee_ip target = kit->arp.target_ip, sender = kit->arp.sender_ip;

			kit_give_arp(kit, ARP_REPLY, &peer_mac, &target, &sender, false);
			n++;
			break;
		}
		if (kit->ip.protocol != IP_PROTO_ICMP6 ||
		    nd_parse(kit->payload, kit->payload_len, &nd) < 0 ||
		    nd.type != ICMP6_NEIGHBOUR_SOLICIT)
			continue;
		struct nd_message advert = {.type = ICMP6_NEIGHBOUR_ADVERT,
					    .target = nd.target,
					    .solicited = true,
					    .override = true,
					    .has_target_mac = true,
					    .target_mac = peer_mac};
		struct tee_ip src = nd.target, dst = kit->ip.src;

		kit_give_nd(kit, &advert, &src, &dst);
		n++;
		break;
	}
	return n;
}
