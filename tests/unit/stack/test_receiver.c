/* SPDX-License-Identifier: MIT */
/*
 * What a sender is told: the ACKs when many segments come before output is pulled once (src/tcp/ack_note.c), and
 * how the window grows (src/tcp/receive.c).
 *
 * Segments and ACKs are written as words, in units of full segments from the start of the stream:
 *
 *	in	"3" the fourth segment; "3+5" five segments in one super-frame; "3.5" a piece of a few bytes
 *		at its place; "|" output is pulled
 *	out	"4" an ACK up to there, "4@7" the TSecr that it has (segment n carries TSval BASE + n),
 *		"[6-8" a SACK block; a DSACK looks like one
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <teeceepee/socket.h>
#include <teeceepee/stack.h>
#include "base/byteorder.h"
#include "base/check.h"
#include "wire/checksum.h"
#include "wire/ip.h"
#include "wire/tcp.h"

#define LONG_NS (5 * TEE_NS_PER_MS)

enum { PORT = 80, PEER_PORT = 5555, MSS = 600, PIECE = 30, TS_BASE = 5000, TEXT_MAX = 2048 };

static const struct tee_ip our_ip = {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 1}};
static const struct tee_ip peer_ip = {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 2}};

struct burst {
	const char *name;
	bool has_ts, has_sack;
	const char *in, *out;
	uint64_t rtt_ns; /* of the handshake */
};

static const struct burst bursts[] = {
	{"one", true, true, "0", "1@0"},
	{"every second segment", true, true, "0 1 2 3 4 5 6 7", "2@0 4@2 6@4 8@6"},
	{"an odd one at the end", true, true, "0 1 2", "2@0 3@2"},
	{"two turns", true, true, "0 1 2 3 | 4 5 6 7", "2@0 4@2 | 6@4 8@6"},
	{"without timestamps", false, true, "0 1 2 3", "2 4"},
	{"a super-frame is one packet", true, true, "0+20 20+20 40+20", "60@0"},
	{"small ones are not full-sized", true, true, "0 1 | 2.0 2.1 2.2 2.3 2.4", "2@0 | 3@2"},
	/* with a hole */
	{"duplicates", true, true, "0 | 2 3 4 5 6 7 8 9", "1@0 | 1@0[2-3 1@0[2-4 1@0[2-5 1@0[2-10"},
	{"what was in order before the hole", true, true, "0 1 2 5", "2@0 3@2 3@2[5-6"},
	{"each range", true, true, "1 3 5 7 9",
	 "0@0[1-2 0@0[3-4[1-2 0@0[5-6[3-4[1-2 0@0[7-8[5-6[3-4 0@0[9-10[7-8[5-6"},
	{"a range after many duplicates", true, true, "1 2 3 4 5 6 8 9 11",
	 "0@0[1-2 0@0[1-3 0@0[1-4 0@0[1-7 0@0[8-10[1-7 0@0[11-12[8-10[1-7"},
	{"each hole that is filled", true, true, "1 3 5 | 0 2 4",
	 "0@0[1-2 0@0[3-4[1-2 0@0[5-6[3-4[1-2 | 2@0[5-6[3-4 4@2[5-6 6@4"},
	{"in order, with a range ahead", true, true, "9 | 0 1 2",
	 "0@0[9-10 | 1@0[9-10 2@1[9-10 3@2[9-10"},
	{"a super-frame with a range ahead", true, true, "9 | 0+4 4 5+4",
	 "0@0[9-10 | 1@0[9-10 2@0[9-10 3@0[9-10 4@0[9-10 5@4[9-10 6@5[9-10 7@5[9-10 8@5[9-10 10@5",
	 LONG_NS},
	{"the same over a short way", true, true, "9 | 0+4 4 5+4",
	 "0@0[9-10 | 4@0[9-10 5@4[9-10 10@5", LONG_NS - 1},
	{"a super-frame from what is there already", true, true, "3 | 0+6", "0@0[3-4 | 6@0[3-4",
	 LONG_NS},
	{"a super-frame without holes", true, true, "0+9 | 9+9", "9@0 | 18@9", LONG_NS},
	{"a super-frame beyond a hole", true, true, "1+9", "0@0[1-10", LONG_NS},
	{"each that came twice", true, true, "0 1 | 0 1 0", "2@0 | 2@0[0-1 2@0[1-2 2@0[0-1"},
	{"twice beyond a hole", true, true, "2 3 | 2 3",
	 "0@0[2-3 0@0[2-4 | 0@0[2-3[2-4 0@0[3-4[2-4"},
	/* without SACK a sender counts duplicates */
	{"without SACK", true, false, "1 2 3 4 5 6 7", "0@0 0@0 0@0 0@0 0@0 0@0 0@0"},
	{"without SACK, filled", true, false, "1 3 0 2", "0@0 0@0 2@0 4@2"},
	{"a super-frame without SACK", true, false, "1+3 4 0", "0@0 0@0 0@0 0@0 5@0"},
};

struct rig {
	struct tee_stack *stack;
	int netif;
	struct tee_socket *listener, *socket;
	const struct burst *burst;
	uint64_t now_ns;
	uint32_t iss; /* the peer's */
	uint32_t ack; /* what the peer acknowledges */
	uint32_t ecr; /* our TSval that it saw last */
	uint32_t window;
	uint32_t edge;  /* the right one, as the window told it last */
	uint32_t slack; /* how far it may move to the left: then nothing else is told */
	uint8_t wscale;
	char told[TEXT_MAX];
};

static void tell(struct rig *rig, const char *word, uint32_t number)
{
	size_t used = strlen(rig->told);

	snprintf(rig->told + used, sizeof(rig->told) - used, "%s%u", word, number);
}

/* A sequence number of the peer's, in segments. */
static uint32_t place(const struct rig *rig, struct seq32 seq)
{
	uint32_t off = seq.raw - rig->iss - 1;

	assert_int_equal(off % MSS == 0 || off % MSS == 5 * PIECE, true);
	return (off + MSS - 1) / MSS;
}

static void tell_frame(struct rig *rig, const uint8_t *packet, size_t len)
{
	struct tcp_header header;
	struct ip_header ip;
	uint32_t pointer;

	if (packet[0] >> 4 != 4) /* a solicitation of IPv6's */
		return;
	assert_int_equal(ip_parse(packet, len, true, &ip, &pointer), IP_PARSE_OK);
	assert_int_equal(tcp_parse(packet + ip.header_len, ip.total_len - ip.header_len, &header),
			 0);
	if (header.flags & TEE_TCP_SYN) {
		rig->edge = header.ack.raw + header.window;
		rig->ack = header.seq.raw + 1;
		rig->ecr = header.options.ts_val;
		rig->wscale = header.options.wscale;
		return;
	}
	assert_int_equal(header.flags, TEE_TCP_ACK);
	assert_int_equal(header.seq.raw, rig->ack);
	rig->ecr = header.options.ts_val;
	rig->window = (uint32_t)header.window << rig->wscale;
	/* SHLD-14: it doesn't move to the left, neither from note to note. */
	assert_false(seq_lt(seq32(header.ack.raw + rig->window + rig->slack), seq32(rig->edge)));
	rig->edge = header.ack.raw + rig->window;
	if (rig->slack)
		return;
	tell(rig, rig->told[0] ? " " : "", place(rig, header.ack));
	assert_int_equal(header.options.has_ts, rig->burst->has_ts);
	if (header.options.has_ts)
		tell(rig, "@", header.options.ts_ecr - TS_BASE);
	for (unsigned i = 0; i < header.options.sack_count; i++) {
		tell(rig, "[", place(rig, header.options.sack[i].left));
		tell(rig, "-", place(rig, header.options.sack[i].right));
	}
}

static void pull(struct rig *rig)
{
	struct tee_frame frames[3];
	uint8_t packet[100];
	int n;

	while ((n = tee_output(rig->stack, rig->netif, frames, 3, rig->now_ns)) > 0) {
		for (int i = 0; i < n; i++) {
			tell_frame(rig, packet, tee_frame_copy(&frames[i], packet));
			tee_frame_release(&frames[i]);
		}
	}
	tee_stack_check(rig->stack);
}

static void give(struct rig *rig, struct tcp_header *header, uint32_t len, bool is_super)
{
	struct tee_pkt *pkt = tee_pkt_new(tee_stack_pool(rig->stack), 100 + len);
	struct ip_header ip = {.src = peer_ip, .dst = our_ip, .protocol = IP_PROTO_TCP, .ttl = 64};
	uint8_t *bytes = tee_pkt_bytes(pkt);
	size_t header_len;

	header->src_port = PEER_PORT;
	header->dst_port = PORT;
	header->window = 60000;
	header->options.has_ts = rig->burst->has_ts;
	header_len = tcp_write(bytes + IP4_HEADER_LEN, header);
	memset(bytes + IP4_HEADER_LEN + header_len, 0, len);
	ip4_write(bytes, &ip, header_len + len);
	pkt->len = (uint32_t)(IP4_HEADER_LEN + header_len + len);
	pkt->checksum_state = TEE_CHECKSUM_VERIFIED;
	if (is_super) {
		pkt->gso_size = MSS;
		pkt->gso_type = TEE_GSO_TCP4;
	}
	assert_int_equal(tee_input(rig->stack, rig->netif, pkt, rig->now_ns), 0);
}

/* "3", "3+5" or "3.5" */
static void give_segment(struct rig *rig, const char *word)
{
	char *rest;
	uint32_t at = (uint32_t)strtoul(word, &rest, 10);
	uint32_t number = *rest ? (uint32_t)strtoul(rest + 1, NULL, 10) : 0;
	struct tcp_header header = {.flags = TEE_TCP_ACK,
				    .seq = seq32(rig->iss + 1 + at * MSS),
				    .ack = seq32(rig->ack)};

	header.options.ts_val = TS_BASE + at;
	header.options.ts_ecr = rig->ecr;
	if (*rest == '.') {
		header.seq.raw += number * PIECE;
		give(rig, &header, PIECE, false);
	} else if (*rest == '+') {
		give(rig, &header, number * MSS, true);
	} else {
		give(rig, &header, MSS, false);
	}
}

static void let_pass(struct rig *rig, uint64_t ns)
{
	rig->now_ns += ns;
	tee_advance(rig->stack, rig->now_ns);
	pull(rig);
}

static void open_rig(struct rig *rig, const struct burst *burst)
{
	struct tee_netif_config netif = {.kind = TEE_NETIF_RAW_IP, .name = "test", .mtu = 1500};
	struct tee_endpoint local = {.ip = TEE_IP_ANY, .port = PORT};
	struct tcp_header syn = {.flags = TEE_TCP_SYN};
	struct tcp_header ack = {.flags = TEE_TCP_ACK};
	struct tee_config config;

	*rig = (struct rig){.burst = burst, .now_ns = TEE_NS_PER_S, .iss = (uint32_t)-2000};
	tee_config_init(&config);
	config.seed = 7;
	rig->stack = tee_stack_new(&config, rig->now_ns);
	assert_non_null(rig->stack);
	rig->netif = tee_netif_add(rig->stack, &netif);
	assert_int_equal(tee_netif_set_up(rig->stack, rig->netif, true), 0);
	assert_int_equal(tee_addr_add(rig->stack, rig->netif, &our_ip, 24, true), 0);
	assert_int_equal(
		tee_socket_open(rig->stack, TEE_SOCKET_TCP, TEE_FAMILY_ANY, &rig->listener), 0);
	assert_int_equal(tee_bind(rig->listener, &local), 0);
	assert_int_equal(tee_listen(rig->listener, 1), 0);
	syn.seq = seq32(rig->iss);
	syn.options.has_mss = syn.options.has_wscale = true;
	syn.options.mss = MSS + 12;
	syn.options.has_sack_permitted = burst->has_sack;
	syn.options.ts_val = TS_BASE;
	give(rig, &syn, 0, false);
	pull(rig);
	ack.seq = seq32(rig->iss + 1);
	ack.ack = seq32(rig->ack);
	ack.options.ts_val = TS_BASE;
	ack.options.ts_ecr = rig->ecr;
	let_pass(rig, burst->rtt_ns);
	give(rig, &ack, 0, false);
	pull(rig);
	assert_int_equal(tee_accept(rig->listener, &rig->socket, NULL), 0);
}

static void close_rig(struct rig *rig)
{
	tee_abort(rig->socket);
	tee_close(rig->listener);
	tee_stack_free(rig->stack);
}

static void run_burst(const struct burst *burst)
{
	struct rig rig;
	char words[TEXT_MAX], *save = NULL;

	open_rig(&rig, burst);
	snprintf(words, sizeof(words), "%s", burst->in);
	for (char *word = strtok_r(words, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
		if (*word != '|') {
			give_segment(&rig, word);
			continue;
		}
		pull(&rig);
		strcat(rig.told, " |");
		rig.now_ns += TEE_NS_PER_MS;
		tee_advance(rig.stack, rig.now_ns);
	}
	pull(&rig);
	if (strcmp(rig.told, burst->out) != 0)
		fail_msg("%s: told\n\t%s\nwanted\n\t%s", burst->name, rig.told, burst->out);
	close_rig(&rig);
}

static void test_bursts(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bursts) / sizeof(bursts[0]); i++)
		run_burst(&bursts[i]);
}

static void give_turn(struct rig *rig, uint32_t at, uint32_t count)
{
	char word[16];

	rig->told[0] = 0;
	for (uint32_t i = 0; i < count; i++) {
		snprintf(word, sizeof(word), "%u", at + i);
		give_segment(rig, word);
	}
	pull(rig);
}

static unsigned count_told(const struct rig *rig)
{
	unsigned acks = rig->told[0] != 0;

	for (const char *at = rig->told; (at = strchr(at, ' ')); at++)
		acks++;
	return acks;
}

/* However many come, the notes are few; the last ACK tells of all. */
static void test_bounded(void **state)
{
	static const struct burst plain = {"many", true, true, "", ""};
	char word[16];
	struct rig rig;

	(void)state;
	open_rig(&rig, &plain);
	for (unsigned i = 0; i < 100; i++) { /* half of them again */
		snprintf(word, sizeof(word), "%u", 2 * (i % 50) + 1);
		give_segment(&rig, word);
	}
	pull(&rig);
	assert_in_range(count_told(&rig), 10, 70);
	close_rig(&rig);
}

/* The segments of super-frames leave room for what only notes can tell. */
static void test_bounded_in_super_frames(void **state)
{
	static const struct burst plain = {"many in few", true, true, "", "", LONG_NS};
	struct rig rig;

	(void)state;
	open_rig(&rig, &plain);
	give_segment(&rig, "100");
	pull(&rig);
	rig.told[0] = 0;
	give_segment(&rig, "0+45");
	give_segment(&rig, "45+45");
	pull(&rig);
	assert_in_range(count_told(&rig), 20, 40);
	rig.told[0] = 0;
	give_segment(&rig, "90+5");
	for (unsigned i = 0; i < 3; i++)
		give_segment(&rig, "7");
	pull(&rig);
	assert_non_null(strstr(rig.told, "95@90[7-8[100-101 95@90[7-8[100-101 95@90[7-8"));
	close_rig(&rig);
}

/* A sender in slow start hears of each segment; later of every second one. */
static void test_quick(void **state)
{
	static const struct burst plain = {"slow start", true, true, "", ""};
	uint8_t bytes[MSS];
	struct rig rig;
	uint32_t at = 0;

	(void)state;
	open_rig(&rig, &plain);
	for (; at < 96; at++) {
		give_turn(&rig, at, 1);
		assert_int_equal(atoi(rig.told), at + 1);
		assert_int_equal(tee_recv(rig.socket, bytes, sizeof(bytes), 0), MSS);
	}
	give_turn(&rig, at, 1);
	assert_string_equal(rig.told, "");
	close_rig(&rig);
}

/* What was noted goes with the connection. */
static void test_abandoned(void **state)
{
	static const struct burst plain = {"abandoned", true, true, "", ""};
	struct rig rig;

	(void)state;
	open_rig(&rig, &plain);
	give_segment(&rig, "1");
	give_segment(&rig, "3");
	give_segment(&rig, "5");
	close_rig(&rig);
}

/* Until one segment alone has to wait for the delayed ACK; returns the next one's number. */
static uint32_t use_up_quick_acks(struct rig *rig, uint32_t at)
{
	uint8_t bytes[4 * MSS];

	for (unsigned turn = 0; turn < 140; turn++, at += 2) {
		give_turn(rig, at, 2);
		assert_string_not_equal(rig->told, "");
		assert_true(tee_recv(rig->socket, bytes, sizeof(bytes), 0) > 0);
	}
	give_turn(rig, at, 1);
	assert_string_equal(rig->told, "");
	return at + 1;
}

/* A segment alone waits for so long, two don't wait. Returns the next one's number. */
static uint32_t check_soon(struct rig *rig, uint32_t at, uint64_t wait_ns)
{
	give_turn(rig, at, 1);
	if (wait_ns) {
		assert_string_equal(rig->told, "");
		let_pass(rig, wait_ns - 1);
		assert_string_equal(rig->told, "");
		let_pass(rig, 1);
	}
	assert_int_equal(atoi(rig->told), at + 1);
	give_turn(rig, at + 1, 2);
	assert_int_equal(atoi(rig->told), at + 3);
	return at + 3;
}

/*
 * After a loss, and after what came twice, a segment alone is acknowledged soon: it may be all that the
 * sender's window allows. But on a short path that is known to reorder, by older timestamps in holes, not each at once.
 */
static void test_soon_after_loss(void **state)
{
	static const struct {
		uint64_t rtt_ns, wait_ns;
		bool has_ts;
	} cases[] = {
		{2 * TEE_NS_PER_MS, TEE_NS_PER_MS, true},
		{2 * TEE_NS_PER_MS, 0, false},
		{8 * TEE_NS_PER_MS, 0, true},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct burst plain = {"soon after a loss", cases[i].has_ts, true, "", "",
					    cases[i].rtt_ns};
		struct rig rig;
		uint32_t at;

		open_rig(&rig, &plain);
		at = use_up_quick_acks(&rig, 0);
		give_turn(&rig, at + 1, 1); /* beyond a hole */
		give_turn(&rig, at, 1);
		at = check_soon(&rig, at + 2, cases[i].wait_ns);
		at = use_up_quick_acks(&rig, at);
		let_pass(&rig, 39 * TEE_NS_PER_MS);
		assert_string_equal(rig.told, "");
		let_pass(&rig, TEE_NS_PER_MS);
		assert_int_equal(atoi(rig.told), at);
		give_turn(&rig, at - 1, 1); /* again */
		check_soon(&rig, at, cases[i].wait_ns);
		close_rig(&rig);
	}
}

/*
 * A sender in slow start finds room for twice what it sent in the last round trip, and is not offered many
 * times that, however steeply the first one's crumb and the second one's flight make it look.
 */
static void test_window_growth(void **state)
{
	static const struct burst plain = {"growth", true, true, "", ""};
	static uint8_t bytes[1 << 20];
	uint32_t at = 0, initial;
	struct tee_config config;
	struct rig rig;
	char word[16];

	(void)state;
	tee_config_init(&config);
	initial = config.tcp_rcvbuf_initial;
	open_rig(&rig, &plain);
	for (uint32_t flight = 1; flight <= 800; flight *= flight == 1 ? 25 : 2) {
		rig.now_ns += 50 * TEE_NS_PER_MS;
		tee_advance(rig.stack, rig.now_ns);
		for (uint32_t i = 0; i < flight; i++) {
			snprintf(word, sizeof(word), "%u", at++);
			give_segment(&rig, word);
		}
		assert_int_equal(tee_recv(rig.socket, bytes, sizeof(bytes), 0), flight * MSS);
		rig.told[0] = 0;
		pull(&rig);
		/* Each ACK rounds it up to a unit. */
		assert_in_range(rig.window, 2 * flight * MSS, initial + 2 * at * MSS + 16384);
	}
	assert_true(rig.window > 2 * initial);
	close_rig(&rig);
}

/*
 * Nobody reads. A window is told in units, and what is left of one is rounded up; but to a peer that sends less than a
 * unit at a time it closes too.
 */
static void test_window_closes(void **state)
{
	static const struct burst plain = {"closing", true, true, "", ""};
	struct tcp_header header = {.flags = TEE_TCP_ACK};
	uint32_t sent = 0, most;
	struct tee_config config;
	struct rig rig;

	(void)state;
	tee_config_init(&config);
	open_rig(&rig, &plain);
	rig.slack = (1u << rig.wscale) - 1;
	assert_in_range(PIECE, 1, rig.slack);
	most = config.tcp_rcvbuf_initial / 8 * 9;
	header.ack = seq32(rig.ack);
	header.options.ts_val = TS_BASE;
	for (; sent < 2 * most; sent += PIECE) {
		header.seq = seq32(rig.iss + 1 + sent);
		header.options.ts_ecr = rig.ecr;
		if (seq_lt(seq32(rig.edge), seq32(header.seq.raw + PIECE)))
			break;
		give(&rig, &header, PIECE, false);
		pull(&rig);
		rig.now_ns += TEE_NS_PER_S; /* for an ACK that is delayed */
		tee_advance(rig.stack, rig.now_ns);
		pull(&rig);
	}
	assert_in_range(sent, config.tcp_rcvbuf_initial - PIECE, most);
	close_rig(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bursts),
		cmocka_unit_test(test_bounded),
		cmocka_unit_test(test_bounded_in_super_frames),
		cmocka_unit_test(test_quick),
		cmocka_unit_test(test_abandoned),
		cmocka_unit_test(test_soon_after_loss),
		cmocka_unit_test(test_window_growth),
		cmocka_unit_test(test_window_closes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
