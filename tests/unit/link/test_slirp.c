/* SPDX-License-Identifier: MIT */
/* libslirp in this process, asked by frames made by hand; the other side is the host's loopback. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include "drive.h"
#include "link/slirp_debt.h"

enum { GATEWAY = 0x0a000202, US = 0x0a00020f };

static struct drive *d;
static uint8_t out[FRAME_MAX], gateway_mac[6];

static void open_link(const char *spec)
{
	char error[TEE_LINK_ERROR_SIZE] = "";

	if (tee_link_open(spec, &d->link, error) < 0)
		fail_msg("%s: %s", spec, error);
}

/* Asks for the gateway's MAC, which also teaches libslirp ours. */
static void meet_gateway(void)
{
	make_arp(out, 1, d->link->info.mac.byte, US, NULL, GATEWAY);
	assert_int_equal(drive_send(d, out, 42), 1);
	assert_int_equal(drive_until(d, is_arp_reply, 0), 1);
	assert_int_equal(get32(d->frame + 28), GATEWAY);
	memcpy(gateway_mac, d->frame + 22, 6);
}

static int set_up(void **state)
{
	d = drive_new();
	return 0;
}

static int tear_down(void **state)
{
	drive_free(d);
	return 0;
}

static void it_says_what_it_knows(void **state)
{
	const struct tee_link_info *info;

	open_link("slirp");
	info = &d->link->info;
	assert_string_equal(info->name, "slirp");
	assert_int_equal(info->mtu, 16384);
	assert_true(info->has_ip4 && info->has_ip6 && !info->wants_dhcp && !info->virtual_time);
	assert_memory_equal(info->ip4.byte + 12, "\x0a\0\2\x0f", 4);
	assert_memory_equal(info->gateway4.byte + 12, "\x0a\0\2\2", 4);
	assert_memory_equal(info->dns4.byte + 12, "\x0a\0\2\3", 4);
	assert_int_equal(info->prefix4_bits, 24);
	assert_int_equal(info->prefix6_bits, 64);
	assert_int_equal(info->ip6.byte[0], 0xfd);
	tee_link_close(d->link);
	open_link("slirp:mtu=1500,ip6=0,mac=02:00:00:00:00:07");
	assert_int_equal(d->link->info.mtu, 1500);
	assert_false(d->link->info.has_ip6);
	assert_int_equal(d->link->info.mac.byte[5], 7);
}

static void ping_gateway(void)
{
	size_t len;

	for (unsigned payload = 0; payload <= 4000; payload += 2000) {
		len = make_echo(out, gateway_mac, d->link->info.mac.byte, US, GATEWAY, payload,
				payload);
		assert_int_equal(drive_send(d, out, len), 1);
		assert_int_equal(drive_until(d, is_echo_reply, US), 1);
		assert_int_equal(d->len, len);
		assert_int_equal(get16(d->frame + 40), payload);
		assert_memory_equal(d->frame + 42, out + 42, payload);
		assert_int_equal(d->pkt.checksum_state, TEE_CHECKSUM_VERIFIED);
	}
}

static void the_gateway_answers_ping(void **state)
{
	open_link("slirp");
	meet_gateway();
	ping_gateway();
}

static int is_advertisement(const uint8_t *f, size_t len)
{
	return len >= 78 && get16(f + 12) == 0x86dd && f[20] == 58 && f[54] == 136;
}

/* RFC 4861: who has fd00::2? */
static void the_gateway_answers_neighbour_discovery(void **state)
{
	static const uint8_t us6[16] = {0xfd, [15] = 0x15}, gateway6[16] = {0xfd, [15] = 2};
	uint8_t *ip = out + 14, *icmp = ip + 40;

	open_link("slirp");
	memset(out, 0, 86);
	memcpy(out, "\x33\x33\xff\0\0\2", 6);
	memcpy(out + 6, d->link->info.mac.byte, 6);
	put16(out + 12, 0x86dd);
	ip[0] = 0x60;
	put16(ip + 4, 32);
	ip[6] = 58;
	ip[7] = 255;
	memcpy(ip + 8, us6, 16);
	memcpy(ip + 24, "\xff\2\0\0\0\0\0\0\0\0\0\1\xff\0\0\2", 16);
	icmp[0] = 135;
	memcpy(icmp + 8, gateway6, 16);
	icmp[24] = 1;
	icmp[25] = 1;
	memcpy(icmp + 26, out + 6, 6);
	put16(icmp + 2, ~sum16(pseudo16(ip, 58, 32), icmp, 32) & 0xffff);
	assert_int_equal(drive_send(d, out, 86), 1);
	assert_int_equal(drive_until(d, is_advertisement, 0), 1);
	assert_memory_equal(d->frame + 62, gateway6, 16);
}

static int is_offer(const uint8_t *f, size_t len)
{
	return is_udp(f, len) && get16(f + 36) == 68 && f[42] == 2;
}

static void dhcp_is_answered(void **state)
{
	uint8_t *ip = out + 14, *udp = ip + 20, *dhcp = udp + 8;
	size_t len = 14 + 20 + 8 + 240 + 4;

	open_link("slirp");
	memset(out, 0, len);
	memset(out, 0xff, 6);
	memcpy(out + 6, d->link->info.mac.byte, 6);
	put16(out + 12, 0x0800);
	ip[0] = 0x45;
	put16(ip + 2, (unsigned)(len - 14));
	ip[8] = 64;
	ip[9] = 17;
	put32(ip + 16, 0xffffffff);
	put16(ip + 10, ~sum16(0, ip, 20) & 0xffff);
	put16(udp, 68);
	put16(udp + 2, 67);
	put16(udp + 4, (unsigned)(len - 34));
	dhcp[0] = 1;
	dhcp[1] = 1;
	dhcp[2] = 6;
	put32(dhcp + 4, 0x12345678);
	memcpy(dhcp + 28, out + 6, 6);
	put32(dhcp + 236, 0x63825363);
	memcpy(dhcp + 240, "\x35\1\1\xff", 4);
	assert_int_equal(drive_send(d, out, len), 1);
	assert_int_equal(drive_until(d, is_offer, 0), 1);
	assert_int_equal(get32(d->frame + 46), 0x12345678);
	assert_int_equal(get32(d->frame + 58), US);
}

/* ---- TCP through libslirp, one segment at a time ---- */

static int listen_on_loopback(int type, unsigned *ret_port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, type, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	if (type == SOCK_STREAM)
		assert_int_equal(listen(fd, 16), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	*ret_port = ntohs(address.sin_port);
	return fd;
}

static void send_tcp(unsigned port, uint32_t seq, uint32_t ack, unsigned flags, size_t payload)
{
	const struct frame_spec spec = {
		.version = 4, .seq = seq, .flags = flags, .payload = payload, .partial = 1};
	size_t len = make_frame(out, &spec);
	uint8_t *ip = out + 14, *tcp = ip + 20;

	memcpy(out, gateway_mac, 6);
	memcpy(out + 6, d->link->info.mac.byte, 6);
	put32(ip + 12, US);
	put32(ip + 16, GATEWAY);
	put16(ip + 10, 0);
	put16(ip + 10, ~sum16(0, ip, 20) & 0xffff);
	put16(tcp, 40000);
	put16(tcp + 2, port);
	put32(tcp + 8, ack);
	put16(tcp + 14, 65535);
	put16(tcp + 16, 0);
	put16(tcp + 16, ~sum16(pseudo16(ip, 6, 20 + payload), tcp, 20 + payload) & 0xffff);
	assert_int_equal(drive_send(d, out, len), 1);
}

static unsigned flags_wanted;

static int has_flags(const uint8_t *f, size_t len)
{
	return is_tcp(f, len) && (f[47] & flags_wanted) == flags_wanted;
}

static void expect_tcp(unsigned flags)
{
	flags_wanted = flags;
	assert_int_equal(drive_until(d, has_flags, US), 1);
	assert_true(checksums_are_good(d->frame, d->len));
}

/*
 * A connection to the host's loopback, whose end there is closed while we go on sending: the first bytes
 * bring a RST, the next ones go into a dead socket. No SIGPIPE may come of it, though this program
 * would die of one.
 */
static void a_broken_connection_is_no_signal(void **state)
{
	const uint32_t iss = 0xfffffff0;
	unsigned port;
	int listener = listen_on_loopback(SOCK_STREAM, &port), fd;
	uint32_t irs;
	char got[16];
	sigset_t pending;

	assert_ptr_equal(signal(SIGPIPE, SIG_DFL), SIG_DFL);
	open_link("slirp");
	meet_gateway();
	send_tcp(port, iss, 0, 2, 0);
	expect_tcp(2 | 16);
	irs = get32(d->frame + 38);
	assert_int_equal(get32(d->frame + 42), iss + 1);
	assert_int_equal(get16(d->frame + 56), 16384 - 40); /* the MSS follows the MTU */
	send_tcp(port, iss + 1, irs + 1, 16, 0);
	fd = accept(listener, NULL, NULL);
	assert_true(fd >= 0);
	send_tcp(port, iss + 1, irs + 1, 24, 10);
	expect_tcp(16);
	assert_int_equal(recv(fd, got, sizeof(got), 0), 10);

	close(fd);
	expect_tcp(1);
	for (uint32_t i = 1; i < 6; i++)
		send_tcp(port, iss + 1 + 10 * i, irs + 2, 24, 10);
	expect_tcp(4);
	assert_int_equal(sigpending(&pending), 0);
	assert_false(sigismember(&pending, SIGPIPE));
	close(listener);
}

static void a_refused_connection_is_told(void **state)
{
	unsigned port;
	int fd = listen_on_loopback(SOCK_STREAM, &port);

	close(fd);
	open_link("slirp");
	meet_gateway();
	send_tcp(port, 100, 0, 2, 0);
	expect_tcp(4);
}

/* More descriptors at once than a link may give its caller. */
static void two_hundred_sockets_are_watched(void **state)
{
	enum { FLOWS = 200 };
	static uint8_t seen[FLOWS];
	unsigned port, count = 0;
	int server = listen_on_loopback(SOCK_DGRAM, &port);

	memset(seen, 0, sizeof(seen));
	open_link("slirp");
	meet_gateway();
	for (unsigned i = 0; i < FLOWS; i++) {
		const struct frame_spec spec = {.version = 4, .is_udp = 1, .payload = 8};
		size_t len = make_frame(out, &spec);
		struct sockaddr_in from;
		socklen_t from_len = sizeof(from);
		uint8_t got[64];

		memcpy(out, gateway_mac, 6);
		memcpy(out + 6, d->link->info.mac.byte, 6);
		put32(out + 26, US);
		put32(out + 30, GATEWAY);
		put16(out + 24, 0);
		put16(out + 24, ~sum16(0, out + 14, 20) & 0xffff);
		put16(out + 34, 20000 + i);
		put16(out + 36, port);
		put16(out + 40, 0);
		assert_int_equal(drive_send(d, out, len), 1);
		assert_int_equal(
			recvfrom(server, got, sizeof(got), 0, (struct sockaddr *)&from, &from_len),
			8);
		assert_int_equal(sendto(server, got, 8, 0, (struct sockaddr *)&from, from_len), 8);
	}
	while (count < FLOWS) {
		unsigned flow;

		assert_int_equal(drive_until(d, is_udp, US), 1);
		flow = get16(d->frame + 36) - 20000;
		assert_true(flow < FLOWS);
		/* The compiler can't know that a failed assertion does not come back. */
		assert_int_equal(++seen[flow % FLOWS], 1);
		assert_true(checksums_are_good(d->frame, d->len));
		count++;
	}
	assert_int_equal(link_counter(d->link, "slirp.watch_failures"), 0);
	assert_int_equal(link_counter(d->link, "slirp.rx_overflows"), 0);
	close(server);
}

/* `tcp=HOSTPORT-PORT`: a connection to the host's loopback becomes a SYN to us. */
static void the_host_reaches_us_by_a_forwarded_port(void **state)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	struct tee_link *second;
	char spec[64], error[TEE_LINK_ERROR_SIZE];
	unsigned port;
	int fd = listen_on_loopback(SOCK_STREAM, &port);

	close(fd);
	snprintf(spec, sizeof(spec), "slirp:tcp=%u-80", port);
	open_link(spec);
	address.sin_port = htons((uint16_t)port);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	expect_tcp(2);
	assert_int_equal(get16(d->frame + 36), 80);
	assert_int_equal(get32(d->frame + 30), US);
	/* The port is taken now, and the sentence says so. */
	assert_true(tee_link_open(spec, &second, error) < 0);
	assert_non_null(strstr(error, "choose a port that is free"));
	close(fd);
}

/* The host's side of the next test: reads nothing before it is told to; then tells how much came. */
static pid_t start_late_reader(int listener, int ret_go[2], int ret_count[2])
{
	pid_t child;

	assert_int_equal(pipe(ret_go), 0);
	assert_int_equal(pipe(ret_count), 0);
	child = fork();
	if (child == 0) {
		int fd = accept(listener, NULL, NULL);
		uint64_t done = 0;
		ssize_t n;

		if (read(ret_go[0], out, 1) != 1)
			_exit(2);
		while ((n = read(fd, out, sizeof(out))) > 0)
			done += (uint64_t)n;
		_exit(write(ret_count[1], &done, sizeof(done)) == sizeof(done) ? 0 : 1);
	}
	close(ret_go[0]);
	close(ret_count[1]);
	return child;
}

/*
 * libslirp acknowledges what the host's socket has no room for yet. A link that closes then waits until
 * the bytes are where they were promised to be.
 */
static void what_was_acknowledged_arrives(void **state)
{
	enum { PIECE = 8000, PIECES_MAX = 4000 };
	const uint32_t iss = 0xffff0000;
	const int small = 4096;
	unsigned port, pieces = 0;
	int listener = listen_on_loopback(SOCK_STREAM, &port), go[2], count[2], status;
	uint64_t arrived = 0;
	uint32_t irs;
	pid_t child;

	assert_int_equal(setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
	child = start_late_reader(listener, go, count);
	open_link("slirp");
	meet_gateway();
	send_tcp(port, iss, 0, 2, 0);
	expect_tcp(2 | 16);
	irs = get32(d->frame + 38);
	send_tcp(port, iss + 1, irs + 1, 16, 0);
	/* Until the host's kernel is full, and libslirp as well. */
	do {
		send_tcp(port, iss + 1 + pieces++ * PIECE, irs + 1, 24, PIECE);
		do
			expect_tcp(16);
		while (get32(d->frame + 42) != iss + 1 + pieces * PIECE);
		assert_true(pieces < PIECES_MAX);
	} while (get16(d->frame + 48) >= PIECE);
	assert_int_equal(write(go[1], "x", 1), 1);
	tee_link_close(d->link);
	d->link = NULL;
	assert_int_equal(read(count[0], &arrived, sizeof(arrived)), sizeof(arrived));
	assert_int_equal(arrived, pieces * PIECE);
	assert_int_equal(waitpid(child, &status, 0), child);
	close(listener);
	close(go[1]);
	close(count[0]);
}

static void debts_are_read_from_the_table(void **state)
{
	static const char head[] =
		"  Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ\n";
	static const struct {
		const char *row;
		bool owes;
	} cases[] = {
		{"  TCP[ESTABLISHED]   12  10.0.2.15 40000  10.0.2.2  8098  5000     0\n", true},
		{"  TCP[ESTABLISHED]   12  10.0.2.15 40000  10.0.2.2  8098     0   777\n", false},
		{"  UDP[200 sec]       12  10.0.2.15 40000  10.0.2.2  8098  5000     0\n", false},
		{"", false},
		{"  TCP[", false},
		{"  TCP[X] 1", false},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char table[256];

		snprintf(table, sizeof(table), "%s%s", head, cases[i].row);
		assert_int_equal(slirp_debt_in_table(table), cases[i].owes);
	}
}

static void malformed_frames_are_dropped(void **state)
{
	struct tee_frame frame;

	open_link("slirp");
	meet_gateway();
	for (size_t len = 0; len < 60; len++) {
		make_echo(out, gateway_mac, d->link->info.mac.byte, US, GATEWAY, 1, 20);
		assert_int_equal(drive_send(d, out, len), 1);
	}
	frame_of_bytes(&frame, out, FRAME_MAX + 1u);
	assert_int_equal(d->link->ops->send(d->link, &frame, 1, drive_now_ns()), 1);
	assert_int_equal(link_counter(d->link, "slirp.tx_oversize"), 14 + 1);
	ping_gateway();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(it_says_what_it_knows, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_gateway_answers_ping, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_gateway_answers_neighbour_discovery, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(dhcp_is_answered, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_broken_connection_is_no_signal, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_refused_connection_is_told, set_up, tear_down),
		cmocka_unit_test_setup_teardown(two_hundred_sockets_are_watched, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_host_reaches_us_by_a_forwarded_port, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(what_was_acknowledged_arrives, set_up, tear_down),
		cmocka_unit_test(debts_are_read_from_the_table),
		cmocka_unit_test_setup_teardown(malformed_frames_are_dropped, set_up, tear_down),
	};
	return cmocka_run_group_tests_name("link/slirp", tests, NULL, NULL);
}
