/* SPDX-License-Identifier: MIT */
/*
 * TAP and packet links against the kernel's own stack, in a user and network namespace that this program
 * makes for itself; skipped where that isn't allowed. The kernel is 10.9.0.1, we are 10.9.0.2.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <net/if.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include "drive.h"
#include "namespace.h"

enum { KERNEL = 0x0a090001, US = 0x0a090002 };

static struct drive *d;
static uint8_t out[FRAME_MAX], kernel_mac[6];
static bool has_namespace, has_tun;

static void run(const char *command)
{
	if (system(command) != 0)
		fail_msg("failed: %s", command);
}

static int set_up(void **state)
{
	d = drive_new();
	return 0;
}

static int tear_down(void **state)
{
	drive_free(d);
	if (has_namespace)
		(void)!system("ip link del teeA 2>/dev/null; ip link del tee0 2>/dev/null;"
			      "sysctl -qw net.ipv4.ip_forward=0");
	return 0;
}

static void open_link(const char *spec)
{
	char error[TEE_LINK_ERROR_SIZE] = "";

	if (tee_link_open(spec, &d->link, error) < 0)
		fail_msg("%s: %s", spec, error);
}

static void open_tap(const char *spec)
{
	if (!has_namespace || !has_tun)
		skip();
	open_link(spec);
	run("ip addr add 10.9.0.1/24 dev tee0; ip link set tee0 up");
}

/* We sit beside the kernel on teeA; its other half, teeB, is our neighbour. */
static void open_packet(const char *spec)
{
	const struct tee_ip us = TEE_IP4(10, 9, 0, 2);

	if (!has_namespace)
		skip();
	run("ip link add teeA type veth peer name teeB && ip link set teeA up && "
	    "ip link set teeB up && ip addr add 10.9.0.1/24 dev teeB");
	open_link(spec);
	assert_int_equal(d->link->ops->set_addresses(d->link, &us, 1), 0);
}

/* ---- what both do ---- */

static void meet_kernel(void)
{
	int sent = 0;

	make_arp(out, 1, d->link->info.mac.byte, US, NULL, KERNEL);
	/* A link may say "later" once. */
	for (unsigned i = 0; i < 2 && sent == 0; i++)
		sent = drive_send(d, out, 42);
	assert_int_equal(sent, 1);
	assert_int_equal(drive_until(d, is_arp_reply, US), 1);
	memcpy(kernel_mac, d->frame + 22, 6);
	assert_memory_not_equal(kernel_mac, d->link->info.mac.byte, 6);
}

static int is_echo_request(const uint8_t *f, size_t len)
{
	return len >= 42 && get16(f + 12) == 0x0800 && f[23] == 1 && f[34] == 8;
}

/* The kernel's ping, answered by hand. */
static void answer_pings(unsigned count)
{
	char command[80];
	pid_t child = fork();
	int status;

	if (child == 0) {
		snprintf(command, sizeof(command),
			 "exec ping -q -c %u -i 0.2 -W 3 10.9.0.2 >/dev/null", count);
		execl("/bin/sh", "sh", "-c", command, (char *)NULL);
		_exit(127);
	}
	for (unsigned i = 0; i < count; i++) {
		assert_int_equal(drive_until(d, is_echo_request, US), 1);
		assert_int_equal(get32(d->frame + 30), US);
		memcpy(out, d->frame, d->len);
		memcpy(out, d->frame + 6, 6);
		memcpy(out + 6, d->link->info.mac.byte, 6);
		put32(out + 26, US);
		put32(out + 30, KERNEL);
		out[34] = 0;
		/* Eight less in one word is eight more in its complement. */
		put16(out + 36, sum16(get16(out + 36) + 0x0800, NULL, 0));
		assert_int_equal(drive_send(d, out, d->len), 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void send_tcp(unsigned dport, uint32_t seq, uint32_t ack, unsigned flags, size_t payload,
		     unsigned gso_size)
{
	const struct frame_spec spec = {
		.version = 4, .seq = seq, .flags = flags, .payload = payload, .partial = 1};
	size_t len = make_frame(out, &spec);
	uint8_t *ip = out + 14, *tcp = ip + 20;
	struct tee_frame frame;

	memcpy(out, kernel_mac, 6);
	memcpy(out + 6, d->link->info.mac.byte, 6);
	put32(ip + 12, US);
	put32(ip + 16, KERNEL);
	put16(ip + 10, 0);
	put16(ip + 10, ~sum16(0, ip, 20) & 0xffff);
	put16(tcp, 80);
	put16(tcp + 2, dport);
	put32(tcp + 8, ack);
	put16(tcp + 14, 65535);
	put16(tcp + 16, pseudo16(ip, 6, 20 + payload));
	frame_as_stack(&frame, out, len, 54);
	if (d->link->info.offloads & TEE_OFFLOAD_TX_CHECKSUM)
		frame_leave_checksum(&frame, 34);
	else
		put16(frame.head + frame.head_off + 50, ~sum16(0, tcp, 20 + payload) & 0xffff);
	frame.gso_size = (uint16_t)gso_size;
	frame.gso_type = gso_size ? TEE_GSO_TCP4 : TEE_GSO_NONE;
	assert_int_equal(d->link->ops->send(d->link, &frame, 1, drive_now_ns()), 1);
}

static int is_syn(const uint8_t *f, size_t len)
{
	return is_tcp(f, len) && (f[47] & 2);
}

static int has_data(const uint8_t *f, size_t len)
{
	return is_tcp(f, len) && get16(f + 16) > 20u + (f[46] >> 4) * 4u;
}

/*
 * One connection from the kernel's TCP, answered by hand: what it sends comes as super-frames with partial
 * checksums (where there are offloads), what we send as one is cut and taken whole.
 */
static void exchange_super_frames(void)
{
	enum { SENT = 30000 };
	static uint8_t got[SENT];
	const uint32_t iss = 0xfffff000;
	bool offload = d->link->info.offloads & TEE_OFFLOAD_TSO4;
	struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_port = htons(80), .sin_addr = {htonl(US)}};
	struct timeval timeout = {3, 0};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	uint32_t irs;
	unsigned port;

	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), -1);
	assert_int_equal(errno, EINPROGRESS);
	assert_int_equal(drive_until(d, is_syn, US), 1);
	port = get16(d->frame + 34);
	irs = get32(d->frame + 38);
	send_tcp(port, iss, irs + 1, 2 | 16, 0, 0);

	fcntl(fd, F_SETFL, 0);
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	memset(got, 'x', sizeof(got));
	assert_int_equal(send(fd, got, 5000, 0), 5000);
	assert_int_equal(drive_until(d, has_data, US), 1);
	if (offload) {
		/* Without options in our SYN-ACK the MSS is 536 (RFC 9293 3.7.1, MUST-15). */
		assert_true(d->len == 54 + 5000 || d->len > 54 + 536);
		assert_int_equal(d->pkt.gso_type, TEE_GSO_TCP4);
		assert_int_equal(d->pkt.gso_size, 536);
		assert_int_equal(d->pkt.checksum_state, TEE_CHECKSUM_PARTIAL);
	} else {
		assert_true(d->len <= 54 + 536);
		assert_int_equal(d->pkt.gso_size, 0);
		assert_true(checksums_are_good(d->frame, d->len));
	}

	for (size_t done = 0; done < SENT;) {
		size_t piece = offload ? SENT : 1000;

		send_tcp(port, iss + 1 + (uint32_t)done, irs + 1 + 5000, 24, piece,
			 offload ? 1460 : 0);
		done += piece;
	}
	assert_int_equal(recv(fd, got, SENT, MSG_WAITALL), SENT);
	for (size_t i = 0; i < SENT; i++) {
		size_t at = offload ? i : i % 1000;

		if (got[i] != payload_byte(at))
			fail_msg("byte %zu differs", i);
	}
	close(fd);
}

/* ---- TAP ---- */

static void a_tap_exchanges_frames(void **state)
{
	open_tap("tap:tee0");
	assert_string_equal(d->link->info.name, "tap:tee0");
	assert_int_equal(d->link->info.mtu, 1500);
	assert_int_equal(d->link->info.offloads,
			 TEE_OFFLOAD_TX_CHECKSUM | TEE_OFFLOAD_TSO4 | TEE_OFFLOAD_TSO6);
	meet_kernel();
	answer_pings(2);
	exchange_super_frames();
	assert_true(link_counter(d->link, "tap.rx_super_frames") >= 1);
	assert_int_equal(link_counter(d->link, "tap.tx_super_frames"), 1);
	/* What we made is gone with the link. */
	tee_link_close(d->link);
	d->link = NULL;
	assert_int_equal(if_nametoindex("tee0"), 0);
}

static void a_tap_passes_frames_on_as_a_card(void **state)
{
	struct tee_link_poll fds[1];
	struct ifreq request = {0};

	open_tap("tap:tee0,napi=1");
	assert_int_equal(d->link->ops->poll_fds(d->link, fds, 1), 1);
	assert_int_equal(ioctl(fds[0].fd, TUNGETIFF, &request), 0);
	assert_int_equal(request.ifr_flags & IFF_NAPI, IFF_NAPI);
	meet_kernel();
	answer_pings(2);
	exchange_super_frames();
	assert_int_equal(link_counter(d->link, "tap.tx_super_frames"), 1);
}

static void a_tap_does_without_offloads(void **state)
{
	open_tap("tap:tee0,offload=0,mac=02:00:00:00:00:42");
	assert_int_equal(d->link->info.offloads, 0);
	assert_int_equal(d->link->info.mac.byte[5], 0x42);
	meet_kernel();
	exchange_super_frames();
	assert_int_equal(link_counter(d->link, "tap.rx_super_frames"), 0);
}

static void a_standing_tap_is_attached_to(void **state)
{
	char error[TEE_LINK_ERROR_SIZE];

	if (!has_namespace || !has_tun)
		skip();
	run("ip tuntap add tee0 mode tap");
	assert_int_equal(tee_link_open("tap:tee0", &d->link, error), -TEE_ENETDOWN);
	assert_non_null(strstr(error, "ip link set tee0 up"));
	run("ip link set tee0 mtu 9000 up");
	open_tap("tap:tee0");
	assert_int_equal(d->link->info.mtu, 9000);
	meet_kernel();
	{
		struct tee_link *second;

		assert_int_equal(tee_link_open("tap:tee0", &second, error), -TEE_EADDRINUSE);
		assert_non_null(strstr(error, "in use"));
	}
	tee_link_close(d->link);
	d->link = NULL;
	/* It was not ours, so it stays. */
	assert_true(if_nametoindex("tee0") > 0);
	assert_int_equal(tee_link_open("tap:lo", &d->link, error), -TEE_EINVAL);
	assert_non_null(strstr(error, "not a TAP"));
	d->link = NULL;
}

static void several_queues_are_joined(void **state)
{
	struct tee_link *second;
	char error[TEE_LINK_ERROR_SIZE];

	open_tap("tap:tee0,queues=1");
	/* Known from the interface itself, without being told. */
	assert_int_equal(tee_link_open("tap:tee0", &second, error), 0);
	assert_memory_equal(&second->info.mac, &d->link->info.mac, 6);
	tee_link_close(second);
	meet_kernel();
}

/* The kernel's fan-out runs our program, and puts every frame where steer_owner() wants it. */
static void packet_queues_get_their_own(void **state)
{
	enum { FRAMES = 200 };
	const struct tee_ip us[] = {TEE_IP4(10, 0, 0, 2), {{0xfd, [15] = 2}}};
	struct tee_link *links[2] = {NULL};
	struct sockaddr_ll address = {.sll_family = AF_PACKET};
	char error[TEE_LINK_ERROR_SIZE] = "";
	uint64_t until_ns = drive_now_ns() + 3 * TEE_NS_PER_S;
	unsigned got[2] = {0};
	int fd;

	if (!has_namespace)
		skip();
	run("ip link add teeA type veth peer name teeB && ip link set teeA up && "
	    "ip link set teeB up");
	for (unsigned i = 0; i < 2; i++) {
		if (tee_link_open("packet:teeA,queues=2", &links[i], error) < 0)
			fail_msg("%s", error);
		assert_int_equal(links[i]->ops->set_addresses(links[i], us, 2), 0);
	}
	assert_int_equal(tee_link_open("packet:teeA,queues=2", &d->link, error), -TEE_EADDRINUSE);
	d->link = links[0]; /* for the end */
	fd = socket(AF_PACKET, SOCK_RAW, 0);
	address.sll_ifindex = (int)if_nametoindex("teeB");
	for (unsigned i = 0; i < FRAMES; i++) {
		const struct frame_spec spec = {.version = i & 1 ? 6 : 4,
						.is_udp = i >> 1 & 1,
						.flags = 16,
						.payload = 100};
		size_t len = make_frame(out, &spec);

		memcpy(out, links[0]->info.mac.byte, 6);
		put16(out + (i & 1 ? 54 : 34), 40000 + i);
		assert_int_equal(
			sendto(fd, out, len, 0, (struct sockaddr *)&address, sizeof(address)), len);
	}
	close(fd);
	while (got[0] + got[1] < FRAMES && drive_now_ns() < until_ns)
		for (unsigned i = 0; i < 2; i++) {
			struct tee_pkt *pkts[32];
			int count = links[i]->ops->recv(links[i], d->pool, pkts, 32, 0);

			assert_true(count >= 0);
			while (count-- > 0) {
				/* What the kernel says to groups when an interface comes up is not meant. */
				got[i] += memcmp(tee_pkt_bytes(pkts[count]),
						 links[0]->info.mac.byte, 6) == 0;
				tee_pkt_release(pkts[count]);
			}
		}
	assert_int_equal(got[0] + got[1], FRAMES);
	assert_in_range(got[0], FRAMES / 4, FRAMES * 3 / 4);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(link_counter(links[i], "steer.passed_on"), 0);
		assert_int_equal(link_counter(links[i], "steer.dropped"), 0);
	}
	tee_link_close(links[1]);
}

static void a_descriptor_is_taken_over(void **state)
{
	static const short flags[] = {IFF_TAP | IFF_NO_PI | IFF_VNET_HDR, IFF_TAP | IFF_NO_PI,
				      IFF_TUN | IFF_NO_PI};
	char spec[32], error[TEE_LINK_ERROR_SIZE];

	if (!has_namespace || !has_tun)
		skip();
	for (unsigned i = 0; i < 3; i++) {
		struct ifreq request = {.ifr_name = "tee0"};
		int fd = open("/dev/net/tun", O_RDWR), null;

		request.ifr_flags = flags[i];
		assert_int_equal(ioctl(fd, TUNSETIFF, &request), 0);
		run("ip addr add 10.9.0.1/24 dev tee0; ip link set tee0 up");
		snprintf(spec, sizeof(spec), "tap:fd=%d", fd);
		if (i < 2) {
			open_link(spec);
			assert_string_equal(d->link->info.name, "tap:tee0");
			assert_int_equal(d->link->info.offloads != 0, i == 0);
			meet_kernel();
			tee_link_close(d->link);
			d->link = NULL;
		} else {
			assert_int_equal(tee_link_open(spec, &d->link, error), -TEE_EINVAL);
			assert_non_null(strstr(error, "IFF_TAP|IFF_NO_PI"));
		}
		/* The caller's descriptor is still the caller's. */
		assert_int_equal(close(fd), 0);
		null = open("/dev/null", O_RDWR);
		snprintf(spec, sizeof(spec), "tap:fd=%d", null);
		assert_int_equal(tee_link_open(spec, &d->link, error), -TEE_EINVAL);
		assert_non_null(strstr(error, "not a TAP's"));
		close(null);
	}
}

static int never(const uint8_t *f, size_t len)
{
	return 0;
}

static void a_tap_that_goes_away_is_noticed(void **state)
{
	open_tap("tap:tee0");
	meet_kernel();
	run("ip link set tee0 down");
	assert_int_equal(drive_send(d, out, 42), 1);
	assert_int_equal(link_counter(d->link, "tap.tx_interface_down"), 1);
	run("ip link del tee0");
	assert_int_equal(drive_until(d, never, 0), -TEE_ENODEV);
	assert_int_equal(drive_send(d, out, 42), -TEE_ENODEV);
}

static void a_tap_drops_what_it_has_no_memory_for(void **state)
{
	open_tap("tap:tee0");
	meet_kernel();
	tee_pool_free(d->pool);
	d->pool = tee_pool_new(1000);
	tee_link_close(d->link);
	open_tap("tap:tee0");
	make_arp(out, 1, d->link->info.mac.byte, US, NULL, KERNEL);
	assert_int_equal(drive_send(d, out, 42), 1);
	for (uint64_t until_ns = drive_now_ns() + 3 * TEE_NS_PER_S;
	     link_counter(d->link, "tap.rx_no_memory") == 0;) {
		struct tee_pkt *pkt;

		assert_true(drive_now_ns() < until_ns);
		drive_sleep(d, until_ns);
		assert_int_equal(d->link->ops->recv(d->link, d->pool, &pkt, 1, 0), 0);
	}
}

/* ---- packet ---- */

static void a_packet_link_exchanges_frames(void **state)
{
	open_packet("packet:teeA");
	assert_string_equal(d->link->info.name, "packet:teeA");
	assert_true(d->link->info.shares_mac && d->link->info.wants_dhcp);
	meet_kernel();
	answer_pings(2);
	exchange_super_frames();
	assert_true(link_counter(d->link, "packet.rx_super_frames") >= 1);
	assert_int_equal(link_counter(d->link, "packet.tx_super_frames"), 1);
	assert_int_equal(link_counter(d->link, "packet.rx_socket_full"), 0);
}

static void a_packet_link_does_without_offloads(void **state)
{
	open_packet("packet:teeA,offload=0");
	assert_int_equal(d->link->info.offloads, 0);
	/* Nor must the peer send more than a wire would carry, or leave the sum to us. */
	run("ethtool -K teeB tx off tso off gso off >/dev/null 2>&1");
	meet_kernel();
	exchange_super_frames();
}

/* The peer's kernel sends super-frames without checksums, since a veth carries them, wanted or not. */
static void a_packet_link_understands_what_it_did_not_ask_for(void **state)
{
	const uint32_t iss = 0xfffff000;
	struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_port = htons(80), .sin_addr = {htonl(US)}};
	struct timeval timeout = {3, 0};
	uint8_t data[5000] = {0};
	int fd;

	open_packet("packet:teeA,offload=0");
	meet_kernel();
	fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), -1);
	assert_int_equal(drive_until(d, is_syn, US), 1);
	assert_int_equal(d->pkt.checksum_state, TEE_CHECKSUM_PARTIAL);
	/* Ours is a frame of the wire, its checksum made, which the kernel takes as such. */
	send_tcp(get16(d->frame + 34), iss, get32(d->frame + 38) + 1, 2 | 16, 0, 0);
	fcntl(fd, F_SETFL, 0);
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
	assert_int_equal(send(fd, data, sizeof(data), 0), sizeof(data));
	assert_int_equal(drive_until(d, has_data, US), 1);
	assert_true(d->len > 54 + 536);
	assert_int_equal(d->pkt.gso_type, TEE_GSO_TCP4);
	assert_int_equal(d->pkt.gso_size, 536);
	assert_int_equal(d->pkt.checksum_state, TEE_CHECKSUM_PARTIAL);
	close(fd);
}

static void super_frames_pass_where_the_card_cannot_cut(void **state)
{
	if (!has_namespace)
		skip();
	run("ip link add teeA type veth peer name teeB && ip link set teeA up && "
	    "ip link set teeB up && ip addr add 10.9.0.1/24 dev teeB && "
	    "ethtool -K teeA tso off >/dev/null 2>&1");
	{
		const struct tee_ip us = TEE_IP4(10, 9, 0, 2);

		open_link("packet:teeA");
		assert_int_equal(d->link->ops->set_addresses(d->link, &us, 1), 0);
	}
	meet_kernel();
	exchange_super_frames();
}

static void an_own_mac_is_received(void **state)
{
	open_packet("packet:teeA,mac=02:00:00:00:00:42");
	assert_false(d->link->info.shares_mac);
	meet_kernel();
	answer_pings(1);
}

/* Where the kernel forwards it would answer for us; then a MAC of our own is used unasked. */
static void a_forwarding_kernel_stays_silent(void **state)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_port = htons(80), .sin_addr = {htonl(US)}};
	int fd;

	if (!has_namespace)
		skip();
	run("sysctl -qw net.ipv4.ip_forward=1");
	open_packet("packet:teeA");
	assert_false(d->link->info.shares_mac);
	assert_true(d->link->info.mac.byte[0] & 2);
	meet_kernel();
	/* The SYN reaches us, and nobody has answered it with a RST or an ICMP error meanwhile. */
	fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), -1);
	assert_int_equal(drive_until(d, is_syn, US), 1);
	{
		struct pollfd answer = {.fd = fd, .events = POLLIN | POLLOUT};

		assert_int_equal(poll(&answer, 1, 50), 0);
	}
	close(fd);
}

/* The kernel doesn't answer for an address that is ours alone, and its own traffic stays its own. */
static void the_kernel_stays_silent(void **state)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_port = htons(80), .sin_addr = {htonl(US)}};
	struct pollfd answer;
	int fd;

	open_packet("packet:teeA");
	meet_kernel();
	fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), -1);
	assert_int_equal(drive_until(d, is_syn, US), 1);
	answer = (struct pollfd){.fd = fd, .events = POLLIN | POLLOUT};
	assert_int_equal(poll(&answer, 1, 50), 0);
	close(fd);
}

static void an_address_of_the_host_is_left_to_it(void **state)
{
	const struct tee_ip ips[] = {TEE_IP4(10, 9, 0, 1), TEE_IP4(10, 9, 0, 2)};

	open_packet("packet:teeA");
	assert_int_equal(d->link->ops->set_addresses(d->link, ips, 2), -TEE_EADDRINUSE);
	/* The other one works. */
	meet_kernel();
	answer_pings(1);
}

static int is_solicitation(const uint8_t *f, size_t len)
{
	return len >= 78 && get16(f + 12) == 0x86dd && f[20] == 58 && f[54] == 135 && f[77] == 2;
}

/* Solicitations for our IPv6 address come by its multicast group, before and after it is told. */
static void multicast_for_us_is_received(void **state)
{
	const struct tee_ip us6 = {{0xfd, 9, [15] = 2}};
	struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_port = htons(9)};
	int fd;

	open_packet("packet:teeA");
	run("ip addr add fd09::1/64 dev teeB nodad");
	memcpy(&address.sin6_addr, us6.byte, 16);
	fd = socket(AF_INET6, SOCK_DGRAM, 0);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(
			sendto(fd, "x", 1, 0, (struct sockaddr *)&address, sizeof(address)), 1);
		assert_int_equal(drive_until(d, is_solicitation, 0), 1);
		assert_int_equal(d->link->ops->set_addresses(d->link, &us6, 1), 0);
	}
	close(fd);
}

static void an_interface_that_goes_away_is_noticed(void **state)
{
	open_packet("packet:teeA");
	meet_kernel();
	run("ip link set teeA down");
	assert_int_equal(drive_send(d, out, 42), 1);
	assert_int_equal(link_counter(d->link, "packet.tx_interface_down"), 1);
	/* Carrier comes back to both halves a moment later. */
	run("ip link set teeA up; for i in $(seq 100); do "
	    "[ $(ip -o link show | grep -c '^[0-9]*: tee.*state UP') = 2 ] && exit 0; "
	    "sleep 0.02; done; exit 1");
	meet_kernel();
	run("ip link del teeA");
	assert_int_equal(drive_until(d, never, 0), -TEE_ENODEV);
}

static void what_cannot_be_opened_is_told(void **state)
{
	static const struct {
		const char *spec;
		int result;
		const char *word;
	} cases[] = {
		{"packet:nonesuch", -TEE_ENODEV, "there is no interface 'nonesuch'"},
		{"packet:lo", -TEE_EOPNOTSUPP, "no Ethernet"},
		{"packet:teeA", -TEE_ENETDOWN, "ip link set teeA up"},
	};
	char error[TEE_LINK_ERROR_SIZE];

	if (!has_namespace)
		skip();
	run("ip link add teeA type veth peer name teeB");
	for (unsigned i = 0; i < 3; i++) {
		int result = tee_link_open(cases[i].spec, &d->link, error);

		if (result != cases[i].result || !strstr(error, cases[i].word))
			fail_msg("%s: %d, %s", cases[i].spec, result, error);
	}
	d->link = NULL;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_tap_exchanges_frames, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_tap_passes_frames_on_as_a_card, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_tap_does_without_offloads, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_standing_tap_is_attached_to, set_up, tear_down),
		cmocka_unit_test_setup_teardown(several_queues_are_joined, set_up, tear_down),
		cmocka_unit_test_setup_teardown(packet_queues_get_their_own, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_descriptor_is_taken_over, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_tap_that_goes_away_is_noticed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_tap_drops_what_it_has_no_memory_for, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_packet_link_exchanges_frames, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_packet_link_does_without_offloads, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_packet_link_understands_what_it_did_not_ask_for,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(super_frames_pass_where_the_card_cannot_cut, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(an_own_mac_is_received, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_forwarding_kernel_stays_silent, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(the_kernel_stays_silent, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_address_of_the_host_is_left_to_it, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(multicast_for_us_is_received, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_interface_that_goes_away_is_noticed, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(what_cannot_be_opened_is_told, set_up, tear_down),
	};

	has_namespace = enter_namespace();
	has_tun = access("/dev/net/tun", R_OK | W_OK) == 0;
	return cmocka_run_group_tests_name("link/devices", tests, NULL, NULL);
}
