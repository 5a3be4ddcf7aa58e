/* SPDX-License-Identifier: MIT */
/*
 * The fast path (src/tcp/fast.c) may differ from the slow one in nothing. Two stacks with one seed, one
 * with and one without it, get the same random segments, reads, writes and waiting; after each step both
 * must have sent the same bytes, have given the same to the application, and be in the same state to the
 * last field. Most segments are the common ones, and a part of each kind that is not: so every condition
 * of fast_input() is tried from both sides.
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
#include "base/check.h"
#include "stack/stack.h"
#include "tcp/conn.h"
#include "wire/checksum.h"
#include "wire/ip.h"
#include "wire/tcp.h"

enum {
	PORT = 80,
	PEER_PORT = 5555,
	MSS = 1400,
	TRAINS = 60,
	STEPS = 400,
	SENT_MAX = 1 << 18,
	META_MAX = 4096
};

static const struct tee_ip our_ip = {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 1}};
static const struct tee_ip peer_ip = {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 2}};

/* One of the two stacks, and what it did in this step. */
struct side {
	struct tee_stack *stack;
	int netif;
	struct tee_socket *opened; /* listens, or connects */
	struct tee_socket *socket;
	uint8_t sent[SENT_MAX];
	size_t sent_len;
	uint16_t meta[META_MAX]; /* what the link is told beside the bytes */
	size_t meta_count;
};

/* The peer, played by the test: it knows what it has sent and seen. */
struct peer {
	struct random random;
	uint64_t now_ns;
	struct side sides[2]; /* 0: fast, 1: slow */
	bool has_ts;
	bool offloads; /* our link makes checksums and cuts super-frames */
	uint32_t seq, ack, last_ts;
	uint16_t window;
};

/* ---- the two sides ---- */

static void side_init(struct peer *peer, struct side *side, bool is_fast)
{
	struct tee_netif_config netif = {.kind = TEE_NETIF_RAW_IP, .name = "test", .mtu = 1500};
	struct tee_endpoint local = {.ip = TEE_IP_ANY, .port = PORT};
	struct tee_config config;

	if (peer->offloads) {
		netif.offloads = TEE_OFFLOAD_TX_CHECKSUM | TEE_OFFLOAD_TSO4;
		netif.gso_bytes_max = 65535;
	}
	tee_config_init(&config);
	config.seed = 7;
	config.tcp_fast_path = is_fast;
	config.tcp_ecn = 1; /* asked for, and granted */
	side->stack = tee_stack_new(&config, peer->now_ns);
	assert_non_null(side->stack);
	side->netif = tee_netif_add(side->stack, &netif);
	assert_int_equal(tee_netif_set_up(side->stack, side->netif, true), 0);
	assert_int_equal(tee_addr_add(side->stack, side->netif, &our_ip, 24, true), 0);
	assert_int_equal(
		tee_socket_open(side->stack, TEE_SOCKET_TCP, TEE_FAMILY_ANY, &side->opened), 0);
	assert_int_equal(tee_bind(side->opened, &local), 0);
}

static void note_meta(struct side *side, const struct tee_frame *frame)
{
	const uint16_t told[] = {
		frame->checksum_partial, frame->csum_start, frame->csum_offset, frame->gso_size,
		frame->gso_type,         frame->l3_off,     frame->why,
	};

	assert_true(side->meta_count + ARRAY_LEN(told) <= META_MAX);
	memcpy(side->meta + side->meta_count, told, sizeof(told));
	side->meta_count += ARRAY_LEN(told);
}

static void side_pull(struct peer *peer, struct side *side)
{
	struct tee_frame frames[8];
	int n;

	side->sent_len = side->meta_count = 0;
	while ((n = tee_output(side->stack, side->netif, frames, 8, peer->now_ns)) > 0) {
		for (int i = 0; i < n; i++) {
			assert_true(side->sent_len + frames[i].len <= SENT_MAX);
			side->sent_len += tee_frame_copy(&frames[i], side->sent + side->sent_len);
			note_meta(side, &frames[i]);
			tee_frame_release(&frames[i]);
		}
	}
	tee_stack_check(side->stack);
}

static void side_input(struct peer *peer, struct side *side, const uint8_t *packet, size_t len,
		       uint16_t gso_size)
{
	struct tee_pkt *pkt = tee_pkt_new(tee_stack_pool(side->stack), len);

	assert_non_null(pkt);
	memcpy(tee_pkt_bytes(pkt), packet, len);
	pkt->len = (uint32_t)len;
	pkt->gso_size = gso_size;
	pkt->gso_type = gso_size ? TEE_GSO_TCP4 : TEE_GSO_NONE;
	assert_int_equal(tee_input(side->stack, side->netif, pkt, peer->now_ns), 0);
}

/* ---- are they the same? ---- */

static struct tcp_conn *conn_of(struct side *side)
{
	struct tcp_key key = {our_ip, peer_ip, PORT, PEER_PORT};
	struct tcp_stub *node = demux_find(&side->stack->tcp->demux, &key);

	return node && node->kind == TCP_NODE_CONN ? CONTAINER_OF(node, struct tcp_conn, node.stub)
						   : NULL;
}

/* A copy without what must differ: addresses of memory. */
static struct tcp_conn plain_conn(const struct tcp_conn *conn)
{
	struct tcp_conn plain;

	memcpy(&plain, conn, sizeof(plain));
	plain.tcp = NULL;
	plain.source = NULL;
	plain.listener = NULL;
	plain.settings = NULL;
	plain.bind = NULL;
	plain.tx = NULL;
	plain.rx = NULL;
	plain.ecn = NULL;
	plain.path.netif = NULL;
	plain.path.neighbour = NULL;
	plain.sndq.chain = plain.rcvq.chain = NULL;
	memset(&plain.due, list_is_linked(&conn->due), sizeof(plain.due));
	memset(&plain.accept_node, 0, sizeof(plain.accept_node));
	memset(&plain.timer.node, 0, sizeof(plain.timer.node));
	return plain;
}

static void compare_records(const struct sendmap *fast, const struct sendmap *slow)
{
	const struct send_record *a = sendmap_first(fast), *b = sendmap_first(slow);

	for (; a && b; a = sendmap_next(a), b = sendmap_next(b))
		assert_memory_equal(&a->start, &b->start,
				    sizeof(*a) - offsetof(struct send_record, start));
	assert_true(!a && !b);
}

static void compare_senders(const struct tcp_tx *fast, const struct tcp_tx *slow)
{
	struct tcp_tx a = *fast, b = *slow;

	compare_records(&fast->map, &slow->map);
	for (unsigned i = 0; i < 2; i++) {
		struct tcp_tx *tx = i ? &b : &a;

		memset(&tx->map.tree, 0, sizeof(tx->map.tree));
		memset(&tx->map.by_time, 0, sizeof(tx->map.by_time));
		tx->map.lost.root = tx->map.sacked.root = NULL;
	}
	assert_memory_equal(&a.map, &b.map, sizeof(a.map));
	assert_memory_equal(a.deadlines, b.deadlines, sizeof(a.deadlines));
	assert_memory_equal(&a.rto, &b.rto, sizeof(a.rto));
	assert_memory_equal(&a.rack, &b.rack, sizeof(a.rack));
	assert_memory_equal(&a.prr, &b.prr, sizeof(a.prr));
	assert_memory_equal(&a.rate, &b.rate, sizeof(a.rate));
	assert_memory_equal(&a.pacer, &b.pacer, sizeof(a.pacer));
	assert_int_equal(a.cc.cwnd_bytes, b.cc.cwnd_bytes);
	assert_int_equal(a.cc.ssthresh_bytes, b.cc.ssthresh_bytes);
	assert_memory_equal(&a.small_end, &b.small_end,
			    sizeof(a) - offsetof(struct tcp_tx, small_end));
}

static void compare_conns(struct peer *peer)
{
	struct tcp_conn *fast = conn_of(&peer->sides[0]), *slow = conn_of(&peer->sides[1]);
	struct tcp_conn a, b;

	assert_int_equal(!fast, !slow);
	if (!fast || !slow)
		return;
	a = plain_conn(fast);
	b = plain_conn(slow);
	assert_memory_equal(&a, &b, sizeof(a));
	assert_int_equal(!fast->rx, !slow->rx);
	if (fast->rx && slow->rx) {
		struct tcp_rx rx_a = *fast->rx, rx_b = *slow->rx;

		assert_int_equal(!rx_a.ooo, !rx_b.ooo);
		rx_a.ooo = rx_b.ooo = NULL;
		assert_memory_equal(&rx_a, &rx_b, sizeof(rx_a));
	}
	assert_int_equal(!fast->tx, !slow->tx);
	if (fast->tx && slow->tx)
		compare_senders(fast->tx, slow->tx);
	assert_memory_equal(fast->ecn, slow->ecn, sizeof(*fast->ecn));
}

static void compare(struct peer *peer)
{
	struct side *fast = &peer->sides[0], *slow = &peer->sides[1];
	struct counters a = fast->stack->engine.counters, b = slow->stack->engine.counters;

	side_pull(peer, fast);
	side_pull(peer, slow);
	assert_int_equal(fast->sent_len, slow->sent_len);
	assert_memory_equal(fast->sent, slow->sent, fast->sent_len);
	assert_int_equal(fast->meta_count, slow->meta_count);
	assert_memory_equal(fast->meta, slow->meta, fast->meta_count * sizeof(*fast->meta));
	assert_int_equal(b.value[COUNT_TCP_FAST_IN], 0);
	a.value[COUNT_TCP_FAST_IN] = 0;
	assert_memory_equal(&a, &b, sizeof(a));
	assert_int_equal(tee_deadline(fast->stack), tee_deadline(slow->stack));
	if (fast->socket)
		assert_int_equal(tee_readiness(fast->socket), tee_readiness(slow->socket));
	compare_conns(peer);
}

/* ---- the peer ---- */

static bool one_in(struct peer *peer, unsigned n)
{
	return random_below(&peer->random, n) == 0;
}

static void give(struct peer *peer, struct tcp_header *header, uint32_t payload_len, uint8_t tos,
		 uint16_t gso_size, bool is_spoiled)
{
	static uint8_t packet[IP4_HEADER_LEN + TCP_HEADER_MAX + 64 * 1024];
	struct ip_header ip = {.src = peer_ip,
			       .dst = our_ip,
			       .version = 4,
			       .protocol = IP_PROTO_TCP,
			       .ttl = 64,
			       .tos = tos,
			       .dont_fragment = true};
	uint8_t *tcp = packet + IP4_HEADER_LEN;
	size_t header_len, len;
	uint64_t sum;

	header->src_port = PEER_PORT;
	header->dst_port = PORT;
	header_len = tcp_write(tcp, header);
	len = header_len + payload_len;
	/* The byte at each place of the stream is always the same, so that what comes twice agrees. */
	for (uint32_t i = 0; i < payload_len; i++)
		tcp[header_len + i] = (uint8_t)((header->seq.raw + i) * 7 >> 3);
	sum = checksum_add(checksum_pseudo(&peer_ip, &our_ip, IP_PROTO_TCP, (uint32_t)len), tcp,
			   len);
	store_be16(tcp + 16, (uint16_t)(checksum_finish(sum) + is_spoiled));
	ip4_write(packet, &ip, len);
	for (unsigned i = 0; i < 2; i++)
		side_input(peer, &peer->sides[i], packet, IP4_HEADER_LEN + len, gso_size);
}

/* What our side sent last, as the peer sees it. */
static void look(struct peer *peer)
{
	const struct side *side = &peer->sides[0];
	struct ip_header ip;
	struct tcp_header header;
	uint32_t pointer;

	for (size_t off = 0; off < side->sent_len; off += ip.total_len) {
		const uint8_t *tcp;
		uint32_t end;

		assert_int_equal(
			ip_parse(side->sent + off, side->sent_len - off, true, &ip, &pointer),
			IP_PARSE_OK);
		tcp = side->sent + off + ip.header_len;
		assert_int_equal(tcp_parse(tcp, ip.total_len - ip.header_len, &header), 0);
		end = header.seq.raw + (ip.total_len - ip.header_len - header.header_len) +
		      !!(header.flags & TEE_TCP_SYN) + !!(header.flags & TEE_TCP_FIN);
		if (header.flags & TEE_TCP_SYN || (int32_t)(end - peer->ack) > 0)
			peer->ack = end;
		if (header.options.has_ts)
			peer->last_ts = header.options.ts_val;
	}
}

static struct tcp_header common_header(struct peer *peer)
{
	struct tcp_header header = {.flags = TEE_TCP_ACK,
				    .seq = seq32(peer->seq),
				    .ack = seq32(peer->ack),
				    .window = peer->window};

	if (peer->has_ts) {
		header.options.has_ts = true;
		header.options.ts_val = (uint32_t)(peer->now_ns / 1000000u);
		header.options.ts_ecr = peer->last_ts;
	}
	return header;
}

static void start_listening(struct peer *peer)
{
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(tee_listen(peer->sides[i].opened, 4), 0);
}

static void start_connecting(struct peer *peer)
{
	struct tee_endpoint remote = {.ip = peer_ip, .port = PEER_PORT};

	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(tee_connect(peer->sides[i].opened, &remote), -TEE_EINPROGRESS);
	compare(peer);
	look(peer);
}

/* Either of both opens the connection. */
static void handshake(struct peer *peer, bool is_active)
{
	struct tcp_header header;

	if (is_active)
		start_connecting(peer);
	else
		start_listening(peer);
	header = common_header(peer);
	header.flags = is_active ? TEE_TCP_SYN | TEE_TCP_ACK : TEE_TCP_SYN;
	if (one_in(peer, 4))
		header.flags |= is_active ? TEE_TCP_ECE : TEE_TCP_ECE | TEE_TCP_CWR;
	header.options.has_mss = header.options.has_wscale = true;
	header.options.mss = MSS;
	header.options.has_sack_permitted = !one_in(peer, 4);
	header.options.wscale = 3;
	give(peer, &header, 0, 0, 0, false);
	compare(peer);
	look(peer);
	peer->seq++;
	if (is_active) {
		for (unsigned i = 0; i < 2; i++)
			peer->sides[i].socket = peer->sides[i].opened;
		return;
	}
	header = common_header(peer);
	give(peer, &header, 0, 0, 0, false);
	compare(peer);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(tee_accept(peer->sides[i].opened, &peer->sides[i].socket, NULL),
				 0);
}

/* One segment with text; in one of five something about it is out of the ordinary. */
static void segment_step(struct peer *peer)
{
	struct tcp_header header = common_header(peer);
	uint32_t len = one_in(peer, 3) ? 1 + (uint32_t)random_below(&peer->random, MSS) : MSS;
	uint16_t gso_size = 0;
	uint8_t tos = 0;
	bool is_spoiled = false, is_whole = true;
	const struct tcp_conn *conn;

	if (one_in(peer, 3))
		header.flags |= TEE_TCP_PSH;
	if (one_in(peer, 6)) {
		gso_size = MSS - 12;
		len = (uint32_t)random_below(&peer->random, 20 * MSS) + 1;
	}
	/* Of what we have in flight a part may be acknowledged, or nothing; and the ACK may come without text. */
	if (one_in(peer, 4) && (conn = conn_of(&peer->sides[0])))
		header.ack.raw -=
			(uint32_t)random_below(&peer->random, conn->snd.nxt - conn->snd.una + 1);
	if (one_in(peer, 4))
		len = 0;
	switch (random_below(&peer->random, 60)) {
	case 0: header.seq.raw += 1 + (uint32_t)random_below(&peer->random, 4 * MSS); break;
	case 1: header.seq.raw -= 1 + (uint32_t)random_below(&peer->random, 4 * MSS); break;
	case 2: header.ack.raw -= (uint32_t)random_below(&peer->random, 100); break;
	case 3: header.ack.raw += (uint32_t)random_below(&peer->random, 100); break;
	case 4: header.window = peer->window = (uint16_t)random_below(&peer->random, 65536); break;
	case 5: header.options.ts_val -= (uint32_t)random_below(&peer->random, 100); break;
	case 6: header.options.has_ts = !header.options.has_ts; break;
	case 7:
		header.flags |= TEE_TCP_URG;
		header.urgent = (uint16_t)(1 + random_below(&peer->random, len + 1));
		break;
	case 8: header.flags |= TEE_TCP_ECE; break;
	case 9: tos = (uint8_t)random_below(&peer->random, 256); break;
	case 10: is_spoiled = true; break;
	case 11: len = 0; break;
	case 12:
		header.options.sack_count = 1;
		header.options.sack[0].left = header.ack;
		header.options.sack[0].right = seq32(header.ack.raw + 1);
		break;
	case 13: header.reserved = 1; break;
	case 14: header.flags = TEE_TCP_PSH; break;
	case 15: header.flags |= TEE_TCP_CWR; break;
	case 16: header.window = peer->window = 0; break;
	default: is_whole = false; break;
	}
	give(peer, &header, len, tos, gso_size, is_spoiled);
	/* Often the next one comes in the same turn. */
	if (one_in(peer, 2)) {
		compare(peer);
		look(peer);
	}
	/* Go on from what was taken, mostly: then gaps are filled, and the train rolls again. */
	if (!is_whole || !one_in(peer, 3)) {
		conn = conn_of(&peer->sides[0]);
		if (conn)
			peer->seq = conn_rcv_seq(conn, conn->rcv.nxt).raw;
	}
	if (!peer->window && one_in(peer, 2))
		peer->window = 60000;
}

static void app_step(struct peer *peer)
{
	static uint8_t bytes[2][1 << 17];
	size_t want = 1 + (size_t)random_below(&peer->random, one_in(peer, 2) ? 3000 : 1 << 17);
	bool writes = one_in(peer, 3);
	ssize_t got[2];

	for (unsigned i = 0; i < 2; i++) {
		struct tee_socket *socket = peer->sides[i].socket;

		got[i] = writes ? tee_send(socket, bytes[0], MIN(want, 5000u), 0)
				: tee_recv(socket, bytes[i], want, 0);
	}
	assert_int_equal(got[0], got[1]);
	if (!writes && got[0] > 0)
		assert_memory_equal(bytes[0], bytes[1], (size_t)got[0]);
	compare(peer);
	look(peer);
}

static void wait_step(struct peer *peer)
{
	peer->now_ns += random_below(&peer->random, one_in(peer, 4) ? 60000000 : 400000);
	for (unsigned i = 0; i < 2; i++)
		tee_advance(peer->sides[i].stack, peer->now_ns);
	compare(peer);
	look(peer);
}

/* A connection's life of STEPS steps; returns how many segments went the fast way. */
static uint64_t run_train(uint64_t seed)
{
	struct peer *peer = calloc(1, sizeof(*peer));
	uint64_t fast_count;

	assert_non_null(peer);
	random_init(&peer->random, seed);
	peer->now_ns = UINT64_C(1000000000);
	peer->has_ts = !one_in(peer, 4);
	peer->offloads = one_in(peer, 3);
	peer->seq = (uint32_t)-3000; /* soon past the wrap */
	peer->window = 60000;
	for (unsigned i = 0; i < 2; i++)
		side_init(peer, &peer->sides[i], i == 0);
	handshake(peer, seed % 2);
	for (unsigned step = 0; step < STEPS && conn_of(&peer->sides[0]); step++) {
		switch (random_below(&peer->random, 8)) {
		case 0:
		case 1: app_step(peer); break;
		case 2: wait_step(peer); break;
		default: segment_step(peer); break;
		}
	}
	fast_count = peer->sides[0].stack->engine.counters.value[COUNT_TCP_FAST_IN];
	for (unsigned i = 0; i < 2; i++)
		tee_stack_free(peer->sides[i].stack);
	free(peer);
	return fast_count;
}

static void test_fast_is_slow(void **state)
{
	uint64_t fast_count = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= TRAINS; seed++)
		fast_count += run_train(seed);
	/* Enough of both, or nothing was compared. */
	assert_in_range(fast_count, TRAINS * STEPS / 10, TRAINS * STEPS * 9 / 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fast_is_slow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
