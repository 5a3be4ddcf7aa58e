/* SPDX-License-Identifier: MIT */
/* Lines for packets that were built with this room's writers, and for what is no packet at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "base/byteorder.h"
#include "base/check.h"
#include "base/random.h"
#include "wire/arp.h"
#include "wire/dhcp.h"
#include "wire/ethernet.h"
#include "wire/icmp.h"
#include "wire/ip.h"
#include "wire/print.h"
#include "wire/tcp.h"
#include "wire/udp.h"
#include "guard.h"

static const struct tee_ip us = TEE_IP4(10, 0, 2, 15), them = TEE_IP4(10, 0, 2, 2);
static const struct tee_ip us6 = {{0xfd, [15] = 1}}, them6 = {{0xfd, [15] = 2}};

/* Payload behind a header of the family of `src`; returns the packet's length. */
static size_t wrap(uint8_t *out, const struct tee_ip *src, const struct tee_ip *dst,
		   uint8_t protocol, const uint8_t *payload, size_t len)
{
	struct ip_header ip = {.src = *src, .dst = *dst, .protocol = protocol, .ttl = 64};
	size_t header_len = tee_ip_is4(src) ? IP4_HEADER_LEN : IP6_HEADER_LEN;

	if (tee_ip_is4(src))
		ip4_write(out, &ip, len);
	else
		ip6_write(out, &ip, len);
	memcpy(out + header_len, payload, len);
	return header_len + len;
}

static void expect(const uint8_t *packet, size_t len, bool is_ethernet, const char *expected)
{
	char text[512];

	assert_ptr_equal(print_frame(guard_copy(packet, len), len, is_ethernet, text, sizeof(text)),
			 text);
	assert_string_equal(text, expected);
}

static void expect_tcp(const struct tcp_header *tcp, size_t payload_len, const char *expected)
{
	uint8_t segment[TCP_HEADER_MAX + 200] = {0}, packet[400];
	size_t len = tcp_write(segment, tcp) + payload_len;

	expect(packet, wrap(packet, &us, &them, IP_PROTO_TCP, segment, len), false, expected);
}

static void test_tcp(void **state)
{
	struct tcp_header tcp = {.src_port = 49152,
				 .dst_port = 80,
				 .flags = TEE_TCP_SYN,
				 .seq = {1},
				 .window = 65535};

	expect_tcp(&tcp, 0, "IP 10.0.2.15.49152 > 10.0.2.2.80: S 1:1(0) win 65535");
	tcp.options = (struct tcp_options){.has_mss = true,
					   .mss = 1460,
					   .has_sack_permitted = true,
					   .has_ts = true,
					   .ts_val = 100,
					   .has_wscale = true,
					   .wscale = 7};
	expect_tcp(&tcp, 0,
		   "IP 10.0.2.15.49152 > 10.0.2.2.80: S 1:1(0) win 65535 "
		   "<mss 1460,sackOK,TS val 100 ecr 0,wscale 7>");
	tcp.flags = TEE_TCP_ACK | TEE_TCP_PSH | TEE_TCP_FIN;
	tcp.seq.raw = 0xffffffff;
	tcp.ack.raw = 9;
	tcp.options = (struct tcp_options){.sack_count = 2, .sack = {{{20}, {30}}, {{40}, {50}}}};
	expect_tcp(&tcp, 100,
		   "IP 10.0.2.15.49152 > 10.0.2.2.80: FP. 4294967295:99(100) ack 9 win 65535 "
		   "<sack 20:30 40:50>");
	tcp.flags = TEE_TCP_RST | TEE_TCP_URG | TEE_TCP_ECE | TEE_TCP_CWR | TEE_TCP_AE;
	tcp.urgent = 5;
	tcp.options = (struct tcp_options){.has_fastopen = true,
					   .fastopen_len = 4,
					   .fastopen_cookie = {0xab, 0xcd, 0, 1},
					   .has_accecn = true,
					   .accecn_count = 2,
					   .accecn = {1, 2}};
	expect_tcp(&tcp, 0,
		   "IP 10.0.2.15.49152 > 10.0.2.2.80: RUEWA 4294967295:4294967295(0) win 65535 "
		   "urg 5 <FO abcd0001,ECN0 1 2>");
	tcp.flags = 0;
	tcp.options = (struct tcp_options){.has_fastopen = true, .fastopen_exp = true};
	expect_tcp(&tcp, 0,
		   "IP 10.0.2.15.49152 > 10.0.2.2.80: - 4294967295:4294967295(0) win 65535 "
		   "<FOEXP>");
}

static void test_udp_and_dhcp(void **state)
{
	struct dhcp dhcp = {.type = DHCP_REQUEST, .requested_ip = TEE_IP4(10, 0, 2, 15)};
	struct udp_header udp = {.src_port = 5353, .dst_port = 53, .len = 8 + 12};
	uint8_t datagram[UDP_HEADER_LEN + DHCP_MESSAGE_MAX] = {0}, packet[1000];
	struct tee_ip any = TEE_IP4(0, 0, 0, 0), all = TEE_IP4(255, 255, 255, 255);

	udp_write(datagram, &udp);
	expect(packet, wrap(packet, &us6, &them6, IP_PROTO_UDP, datagram, udp.len), false,
	       "IP6 fd00::1.5353 > fd00::2.53: UDP, length 12");
	udp = (struct udp_header){.src_port = 68, .dst_port = 67};
	udp.len = (uint16_t)(UDP_HEADER_LEN + dhcp_write(datagram + UDP_HEADER_LEN, &dhcp));
	udp_write(datagram, &udp);
	expect(packet, wrap(packet, &any, &all, IP_PROTO_UDP, datagram, udp.len), false,
	       "IP 0.0.0.0.68 > 255.255.255.255.67: DHCP request for 10.0.2.15");
	dhcp = (struct dhcp){.is_reply = true,
			     .type = DHCP_ACK,
			     .yiaddr = us,
			     .subnet_bits = 24,
			     .lease_s = 86400};
	udp = (struct udp_header){.src_port = 67, .dst_port = 68};
	udp.len = (uint16_t)(UDP_HEADER_LEN + dhcp_write(datagram + UDP_HEADER_LEN, &dhcp));
	udp_write(datagram, &udp);
	expect(packet, wrap(packet, &them, &all, IP_PROTO_UDP, datagram, udp.len), false,
	       "IP 10.0.2.2.67 > 255.255.255.255.68: DHCP ack of 10.0.2.15/24, lease 86400 s");
}

static void test_icmp(void **state)
{
	struct icmp icmp = {.type = ICMP4_ECHO_REQUEST, .rest = 0x00070009};
	struct udp_header udp = {.src_port = 1000, .dst_port = 2000, .len = 500};
	struct nd_message nd = {.type = ICMP6_NEIGHBOUR_SOLICIT, .target = them6};
	uint8_t message[100] = {0}, packet[200], quoted[28];

	icmp_write(message, &icmp);
	expect(packet, wrap(packet, &us, &them, IP_PROTO_ICMP, message, 64), false,
	       "IP 10.0.2.15 > 10.0.2.2: ICMP echo request, id 7, seq 9, length 64");
	icmp = (struct icmp){.type = ICMP4_UNREACHABLE, .code = 4, .rest = 1400};
	icmp_write(message, &icmp);
	/* the quotation ends after the ports, long before what its length field says */
	udp_write(quoted + IP4_HEADER_LEN, &udp);
	ip4_write(quoted,
		  &(struct ip_header){.src = us, .dst = them, .protocol = IP_PROTO_UDP, .ttl = 1},
		  500);
	memcpy(message + 8, quoted, sizeof(quoted));
	expect(packet, wrap(packet, &them, &us, IP_PROTO_ICMP, message, 8 + sizeof(quoted)), false,
	       "IP 10.0.2.2 > 10.0.2.15: ICMP packet too big, mtu 1400 "
	       "(UDP 10.0.2.15.1000 > 10.0.2.2.2000)");
	expect(packet, wrap(packet, &us6, &them6, IP_PROTO_ICMP6, message, nd_write(message, &nd)),
	       false, "IP6 fd00::1 > fd00::2: ICMP6 neighbour solicitation, who has fd00::2");
	nd.type = ICMP6_NEIGHBOUR_ADVERT;
	expect(packet, wrap(packet, &us6, &them6, IP_PROTO_ICMP6, message, nd_write(message, &nd)),
	       false, "IP6 fd00::1 > fd00::2: ICMP6 neighbour advertisement, it is fd00::2");
	nd.type = ICMP6_ROUTER_SOLICIT;
	expect(packet, wrap(packet, &us6, &them6, IP_PROTO_ICMP6, message, nd_write(message, &nd)),
	       false, "IP6 fd00::1 > fd00::2: ICMP6 router solicitation");
}

static void test_ethernet_and_arp(void **state)
{
	struct ethernet eth = {.dst = ethernet_broadcast, .type = ETHERTYPE_ARP};
	struct arp arp = {.op = ARP_REQUEST,
			  .sender_mac = {{2, 0, 0, 0, 0, 15}},
			  .sender_ip = us,
			  .target_ip = them};
	uint8_t frame[ETHERNET_HEADER_LEN + ARP_LEN];

	ethernet_write(frame, &eth);
	arp_write(frame + ETHERNET_HEADER_LEN, &arp);
	expect(frame, sizeof(frame), true, "ARP who has 10.0.2.2 tell 10.0.2.15");
	arp.op = ARP_REPLY;
	arp_write(frame + ETHERNET_HEADER_LEN, &arp);
	expect(frame, sizeof(frame), true, "ARP reply 10.0.2.15 is at 02:00:00:00:00:0f");
	expect(frame, sizeof(frame) - 1, true, "ARP, malformed");
	expect(frame, 13, true, "Ethernet, too short");
	eth.type = 0x88cc;
	ethernet_write(frame, &eth);
	expect(frame, sizeof(frame), true, "Ethernet type 0x88cc, length 28");
}

static void test_fragments_ecn_and_nonsense(void **state)
{
	struct ip_header ip = {.src = us,
			       .dst = them,
			       .protocol = IP_PROTO_UDP,
			       .ttl = 1,
			       .frag_offset = 1480,
			       .more_fragments = true,
			       .id = 7,
			       .tos = 3};
	uint8_t packet[28] = {0};

	ip4_write(packet, &ip, 8);
	expect(packet, 28, false, "IP 10.0.2.15 > 10.0.2.2: UDP fragment 1480:1488+ id 7 [CE]");
	packet[1] = 2;
	expect(packet, 28, false, "IP, bad checksum");
	expect(packet, 27, false, "IP, malformed");
	expect(packet, 0, false, "IP, malformed");
	ip = (struct ip_header){.src = us, .dst = them, .protocol = 132, .tos = 2};
	ip4_write(packet, &ip, 8);
	expect(packet, 28, false, "IP 10.0.2.15 > 10.0.2.2: protocol 132, length 8 [ECT0]");
	ip.protocol = IP_PROTO_TCP;
	ip4_write(packet, &ip, 8);
	expect(packet, 28, false, "IP 10.0.2.15 > 10.0.2.2: TCP, malformed [ECT0]");
}

/* Whatever room there is, the text is terminated and is a beginning of the whole line. */
static void test_short_rooms(void **state)
{
	uint8_t packet[28];
	char whole[256], text[256];

	ip4_write(packet, &(struct ip_header){.src = us, .dst = them, .protocol = 132}, 8);
	print_frame(packet, sizeof(packet), false, whole, sizeof(whole));
	memset(text, 'x', sizeof(text));
	print_frame(packet, sizeof(packet), false, text, 0);
	assert_int_equal(text[0], 'x');
	for (size_t size = 1; size < sizeof(text); size++) {
		memset(text, 'x', sizeof(text));
		print_frame(packet, sizeof(packet), false, text, size);
		assert_int_equal(strlen(text), MIN(size - 1, strlen(whole)));
		assert_memory_equal(text, whole, strlen(text));
		assert_int_equal(text[size], 'x');
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tcp),
		cmocka_unit_test(test_udp_and_dhcp),
		cmocka_unit_test(test_icmp),
		cmocka_unit_test(test_ethernet_and_arp),
		cmocka_unit_test(test_fragments_ecn_and_nonsense),
		cmocka_unit_test(test_short_rooms),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
