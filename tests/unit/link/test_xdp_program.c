/* SPDX-License-Identifier: MIT */
/*
 * The AF_XDP link's programs, run by the kernel itself (BPF_PROG_TEST_RUN) on frames of every kind. What is
 * redirected shows by the program's answer for a queue without a socket, which is made another than that for
 * frames that are not ours. Skipped where this user may load no program.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include "frames.h"
#include "link/xdp_steer.h"

enum { PORT = 61007, OTHER_PORT = 61008, OURS = XDP_TX, THEIRS = XDP_PASS };

static const struct tee_mac our_mac = {{2, 0, 0, 0, 0, 0xb}};
static const struct tee_ip ours[] = {
	{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 10, 0, 0, 2}},
	{{0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2}},
};
static struct xdp_steer steer;
static int program_fd;
static uint8_t frame[2048];
static bool is_allowed;

/* A queue without a socket answers with what R3 has when redirect_map is called. */
static void mark_redirect(struct xdp_program *program)
{
	for (unsigned i = 1; i < program->len; i++)
		if (program->code[i].code == (BPF_JMP | BPF_CALL) &&
		    program->code[i].imm == BPF_FUNC_redirect_map) {
			assert_int_equal(program->code[i - 1].dst_reg, BPF_REG_3);
			assert_int_equal(program->code[i - 1].imm, XDP_PASS);
			program->code[i - 1].imm = OURS;
			return;
		}
	fail_msg("the program redirects nothing");
}

static void load_program(struct xdp_program *program)
{
	static char log[65536];
	struct bpf_prog_load_opts opts = {
		.sz = sizeof(opts), .log_buf = log, .log_size = sizeof(log), .log_level = 1};

	mark_redirect(program);
	program_fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "test", "Dual MIT/GPL", program->code,
				   program->len, &opts);
	if (program_fd < 0)
		fail_msg("the verifier says: %s", log);
}

static int set_up(void **state)
{
	char reason[TEE_LINK_ERROR_SIZE];

	memset(&steer, 0, sizeof(steer));
	program_fd = -1;
	xdp_steer_init(&steer);
	is_allowed = xdp_steer_probe(reason) == 0;
	if (!is_allowed)
		print_message("# %s\n", reason);
	return 0;
}

static int tear_down(void **state)
{
	if (program_fd >= 0)
		close(program_fd);
	xdp_steer_close(&steer);
	return 0;
}

static unsigned verdict(size_t len)
{
	struct bpf_test_run_opts opts = {
		.sz = sizeof(opts), .data_in = frame, .data_size_in = (uint32_t)len};

	assert_int_equal(bpf_prog_test_run_opts(program_fd, &opts), 0);
	return opts.retval;
}

/* TCP or UDP from port 9 to a port of ours, by default; what differs is patched in. */
static size_t segment(int version, int is_udp, unsigned port)
{
	const struct frame_spec spec = {.version = version, .is_udp = is_udp, .payload = 40};
	size_t len = make_frame(frame, &spec), l4 = version == 4 ? 34 : 54;

	memcpy(frame, our_mac.byte, 6);
	if (version == 4)
		memcpy(frame + 30, ours[0].byte + 12, 4);
	else
		memcpy(frame + 38, ours[1].byte, 16);
	put16(frame + l4, 9);
	put16(frame + l4 + 2, port);
	return len;
}

/* An ICMP message of a type that quotes a packet of a protocol from a port of ours. */
static size_t icmp(int version, uint8_t type, uint8_t protocol, unsigned port)
{
	size_t len = segment(version, 0, 0), l4 = version == 4 ? 34 : 54;
	uint8_t *at = frame + l4, *inner = at + 8;

	frame[version == 4 ? 23 : 20] = version == 4 ? 1 : 58;
	memset(at, 0, len - l4);
	at[0] = type;
	put16(at + 4, port);
	inner[0] = version == 4 ? 0x45 : 0x60;
	inner[version == 4 ? 9 : 6] = protocol;
	put16(inner + (version == 4 ? 20 : 40), port);
	return l4 + 8 + (version == 4 ? 20 : 40) + 8;
}

static void open_by_port(void)
{
	struct xdp_program program;

	assert_int_equal(xdp_steer_make_maps(&steer, 1, true), 0);
	assert_int_equal(xdp_steer_set_addresses(&steer, ours, 2), 0);
	xdp_program_by_port(&program, &steer.maps);
	load_program(&program);
}

static void by_mac(void **state)
{
	static const uint16_t types[] = {0x0800, 0x86dd, 0x0806};
	struct xdp_program program;
	size_t len;

	if (!is_allowed)
		skip();
	assert_int_equal(xdp_steer_make_maps(&steer, 1, false), 0);
	xdp_program_by_mac(&program, &our_mac, &steer.maps);
	load_program(&program);
	for (unsigned i = 0; i < 3; i++) {
		len = segment(4, 0, 80);
		put16(frame + 12, types[i]);
		assert_int_equal(verdict(len), OURS);
		assert_int_equal(verdict(14), OURS);
	}
	put16(frame + 12, 0x8100);
	assert_int_equal(verdict(len), THEIRS);
	/* Each byte of the MAC counts; a group is never ours alone. */
	for (unsigned i = 0; i < 6; i++) {
		len = segment(4, 0, 80);
		frame[i] ^= 0x80;
		assert_int_equal(verdict(len), THEIRS);
	}
	memset(frame, 0xff, 6);
	assert_int_equal(verdict(len), THEIRS);
}

static void by_port(void **state)
{
	if (!is_allowed)
		skip();
	open_by_port();
	for (int version = 4; version <= 6; version += 2) {
		for (int is_udp = 0; is_udp < 2; is_udp++) {
			enum xdp_port_set set = is_udp ? XDP_PORTS_UDP : XDP_PORTS_TCP;
			size_t len = segment(version, is_udp, PORT);

			xdp_steer_take_port(&steer, set, 1);
			xdp_steer_take_port(&steer, set, 65535);
			if (version == 4) {
				assert_int_equal(verdict(len), THEIRS);
				xdp_steer_take_port(&steer, set, PORT);
			}
			assert_true(xdp_steer_has_port(&steer, set, PORT));
			assert_false(xdp_steer_has_port(&steer, set, OTHER_PORT));
			assert_int_equal(verdict(len), OURS);
			assert_int_equal(verdict(segment(version, is_udp, OTHER_PORT)), THEIRS);
			assert_int_equal(verdict(segment(version, is_udp, PORT - 1)), THEIRS);
			assert_int_equal(verdict(segment(version, is_udp, 1)), OURS);
			assert_int_equal(verdict(segment(version, is_udp, 65535)), OURS);
			assert_int_equal(verdict(segment(version, is_udp, 0)), THEIRS);
		}
	}
	/* Another address, and another protocol with the same bytes. */
	segment(4, 0, PORT);
	frame[33]++;
	assert_int_equal(verdict(100), THEIRS);
	segment(6, 0, PORT);
	frame[38]++;
	assert_int_equal(verdict(114), THEIRS);
	segment(4, 0, PORT);
	frame[23] = 132;
	assert_int_equal(verdict(100), THEIRS);
	assert_int_equal(xdp_steer_set_addresses(&steer, ours + 1, 1), 0);
	assert_int_equal(verdict(segment(4, 0, PORT)), THEIRS);
	assert_int_equal(verdict(segment(6, 0, PORT)), OURS);
}

static void what_only_the_kernel_can_read(void **state)
{
	size_t len;

	if (!is_allowed)
		skip();
	open_by_port();
	xdp_steer_take_port(&steer, XDP_PORTS_TCP, PORT);
	/* Fragments: the first, a later one. DF alone is none. */
	len = segment(4, 0, PORT);
	put16(frame + 20, 0x2000);
	assert_int_equal(verdict(len), THEIRS);
	put16(frame + 20, 1);
	assert_int_equal(verdict(len), THEIRS);
	put16(frame + 20, 0x4000);
	assert_int_equal(verdict(len), OURS);
	/* Options move the ports: with two words of them the old place is theirs. */
	frame[14] = 0x47;
	assert_int_equal(verdict(len), THEIRS);
	put16(frame + 34 + 8 + 2, PORT);
	assert_int_equal(verdict(len), OURS);
	/* A header shorter than the shortest. */
	frame[14] = 0x44;
	assert_int_equal(verdict(len), THEIRS);
	/* IPv6 with a header in between. */
	len = segment(6, 0, PORT);
	frame[20] = 0;
	assert_int_equal(verdict(len), THEIRS);
	/* Cut off at every length: never read past the end. */
	for (int version = 4; version <= 6; version += 2) {
		size_t needed = (version == 4 ? 34 : 54) + 8;

		for (len = 14; len < needed; len++) {
			segment(version, 0, PORT);
			assert_int_equal(verdict(len), THEIRS);
		}
		assert_int_equal(verdict(needed), OURS);
	}
	segment(4, 0, PORT);
	put16(frame + 12, 0x0806);
	assert_int_equal(verdict(64), THEIRS);
}

static void icmp_about_our_packets(void **state)
{
	static const struct {
		int version;
		uint8_t type;
		bool is_error;
	} types[] = {
		{4, 3, true},    {4, 11, true},   {4, 12, true},   {4, 4, false},   {4, 5, false},
		{4, 8, false},   {4, 13, false},  {6, 1, true},    {6, 2, true},    {6, 3, true},
		{6, 4, true},    {6, 0, false},   {6, 5, false},   {6, 128, false}, {6, 133, false},
		{6, 135, false}, {6, 136, false}, {6, 137, false},
	};
	size_t len;

	if (!is_allowed)
		skip();
	open_by_port();
	xdp_steer_take_port(&steer, XDP_PORTS_TCP, PORT);
	xdp_steer_take_port(&steer, XDP_PORTS_UDP, OTHER_PORT);
	for (unsigned i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		int version = types[i].version;
		unsigned want = types[i].is_error ? OURS : THEIRS;

		assert_int_equal(verdict(icmp(version, types[i].type, 6, PORT)), want);
		assert_int_equal(verdict(icmp(version, types[i].type, 17, OTHER_PORT)), want);
		assert_int_equal(verdict(icmp(version, types[i].type, 17, PORT)), THEIRS);
		assert_int_equal(verdict(icmp(version, types[i].type, 6, OTHER_PORT)), THEIRS);
		assert_int_equal(verdict(icmp(version, types[i].type, 1, PORT)), THEIRS);
	}
	/* A quoted packet with options, one that is no first fragment, one that is cut off. */
	len = icmp(4, 3, 6, 0);
	frame[34 + 8] = 0x46;
	put16(frame + 34 + 8 + 24, PORT);
	assert_int_equal(verdict(len), OURS);
	len = icmp(4, 3, 6, PORT);
	put16(frame + 34 + 8 + 6, 185);
	assert_int_equal(verdict(len), THEIRS);
	for (int version = 4; version <= 6; version += 2) {
		len = icmp(version, 3, 6, PORT);
		assert_int_equal(verdict(len - 4), OURS);
		assert_int_equal(verdict(len - 5), THEIRS);
		assert_int_equal(verdict(len - 20), THEIRS);
	}
}

static void echo_replies(void **state)
{
	if (!is_allowed)
		skip();
	open_by_port();
	xdp_steer_take_port(&steer, XDP_PORTS_ICMP, 7);
	assert_int_equal(verdict(icmp(4, 0, 0, 7)), OURS);
	assert_int_equal(verdict(icmp(6, 129, 0, 7)), OURS);
	assert_int_equal(verdict(icmp(4, 0, 0, 8)), THEIRS);
	assert_int_equal(verdict(icmp(6, 129, 0, 8)), THEIRS);
	assert_int_equal(verdict(icmp(4, 8, 0, 7)), THEIRS);
	assert_int_equal(verdict(icmp(6, 128, 0, 7)), THEIRS);
	/* The sets don't touch each other. */
	assert_int_equal(verdict(segment(4, 0, 7)), THEIRS);
	assert_int_equal(verdict(segment(4, 1, 7)), THEIRS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(by_mac, set_up, tear_down),
		cmocka_unit_test_setup_teardown(by_port, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_only_the_kernel_can_read, set_up, tear_down),
		cmocka_unit_test_setup_teardown(icmp_about_our_packets, set_up, tear_down),
		cmocka_unit_test_setup_teardown(echo_replies, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
