/* SPDX-License-Identifier: MIT */
/* TCP sockets at the edges: what comes between two entries, options on what has ended, low-water marks. */
#include "pair.h"

#include "base/byteorder.h"
#include "sock/sock.h"
#include "tcp/conn.h"
#include "wire/checksum.h"

/* Takes one frame that stack `i` has to send, as a packet of the other's pool; NULL: none. */
static struct tee_pkt *take_frame(struct pair *pair, unsigned i)
{
	struct tee_frame frame;
	struct tee_pkt *pkt;

	if (tee_output(pair->stack[i], pair->netif[i], &frame, 1, pair->now_ns) != 1)
		return NULL;
	pkt = tee_pkt_new(tee_stack_pool(pair->stack[!i]), frame.len);
	assert_non_null(pkt);
	pkt->len = (uint32_t)tee_frame_copy(&frame, tee_pkt_bytes(pkt));
	tee_frame_release(&frame);
	return pkt;
}

static void give(struct pair *pair, unsigned to, struct tee_pkt *pkt)
{
	assert_non_null(pkt);
	assert_int_equal(tee_input(pair->stack[to], pair->netif[to], pkt, pair->now_ns), 0);
}

/* RFC 8985 7.3: the probe was due when a SACK came for the very segment that it would have repeated. */
static void test_tail_probe_of_what_arrived(void **state)
{
	static uint8_t data[1000];
	struct pair pair;
	struct tee_socket *listener, *ends[2];
	struct tee_endpoint remote;
	struct tcp_conn *conn;
	struct tee_pkt *second, *sack;

	(void)state;
	pair_init(&pair, NULL);
	listener = pair_listen(&pair, 80);
	ends[0] = pair_begin_connect(&pair, 80);
	/* A round trip of some length, so that RACK's window is not over at once. */
	second = take_frame(&pair, 0);
	pair.now_ns += 50 * TEE_NS_PER_MS;
	give(&pair, 1, second);
	pair_run(&pair);
	assert_int_equal(tee_accept(listener, &ends[1], &remote), 0);
	conn = ends[0]->u.conn;
	assert_int_equal(tee_set_option(ends[0], TEE_OPT_NODELAY, 1), 0);
	assert_int_equal(tee_send(ends[0], data, sizeof(data), 0), sizeof(data));
	tee_pkt_release(take_frame(&pair, 0));
	assert_int_equal(tee_send(ends[0], data, sizeof(data), 0), sizeof(data));
	second = take_frame(&pair, 0);
	give(&pair, 1, second);
	sack = take_frame(&pair, 1);
	assert_true(timers_armed(conn, CONN_TLP));
	pair.now_ns = conn_deadline(conn, CONN_TLP);
	tee_advance(pair.stack[0], pair.now_ns);
	assert_true(conn_has(conn, CONN_TLP_DUE));
	give(&pair, 0, sack);
	assert_true(conn->tx->map.sacked_bytes == sizeof(data));
	pair_run(&pair); /* to resend what is SACKed would abort */
	pair_wait(&pair, TEE_NS_PER_S);
	assert_int_equal(tee_recv(ends[1], data, sizeof(data), 0), sizeof(data));
	assert_int_equal(tee_recv(ends[1], data, sizeof(data), 0), sizeof(data));
	pair_fini(&pair);
}

/* What tcp_info says of timeouts: one recovery, told while it is under way, and how long it took. */
static void test_time_of_timeouts(void **state)
{
	struct pair pair;
	struct tee_socket *listener, *ends[2];
	struct tee_tcp_info info;
	uint64_t began_ns, took_ns;

	(void)state;
	pair_init(&pair, NULL);
	listener = pair_listen(&pair, 80);
	pair_connect(&pair, listener, 80, ends);
	assert_int_equal(tee_send(ends[0], "x", 1, 0), 1);
	do {
		pair_carry(&pair, 0);
		pair.now_ns = tee_deadline(pair.stack[0]);
		tee_advance(pair.stack[0], pair.now_ns);
		assert_int_equal(tee_socket_info(ends[0], &info), 0);
	} while (!info.total_rto);
	began_ns = pair.now_ns;
	pair_carry(&pair, 0);
	while (info.total_rto < 3) {
		assert_int_equal(info.total_rto_recoveries, 1);
		assert_true(info.total_rto_time_ns == pair.now_ns - began_ns);
		pair.now_ns = tee_deadline(pair.stack[0]);
		tee_advance(pair.stack[0], pair.now_ns);
		pair_carry(&pair, info.total_rto < 2 ? 0 : -1);
		assert_int_equal(tee_socket_info(ends[0], &info), 0);
	}
	took_ns = pair.now_ns - began_ns;
	/* It ends with the ACK, which is a delayed one. */
	for (unsigned i = 0; i < 2; i++) {
		pair_wait(&pair, TEE_NS_PER_S);
		assert_int_equal(tee_socket_info(ends[0], &info), 0);
		assert_int_equal(info.unacked_segs, 0);
		assert_int_equal(info.total_rto_recoveries, 1);
		assert_in_range(info.total_rto_time_ns, took_ns, took_ns + TEE_NS_PER_S / 2);
	}
	assert_true(took_ns > 0);
	pair_fini(&pair);
}

/* A socket in TIME-WAIT holds a husk: options may be set, but no timer may outlive the close. */
static void test_keepalive_in_time_wait(void **state)
{
	struct pair pair;
	struct tee_socket *ends[2];
	struct tee_tcp_info info;

	(void)state;
	pair_meet(&pair, ends);
	assert_int_equal(tee_shutdown(ends[0], TEE_SHUT_WRITE), 0);
	pair_run(&pair);
	tee_close(ends[1]);
	pair_run(&pair);
	assert_int_equal(tee_socket_info(ends[0], &info), 0);
	assert_int_equal(info.state, TEE_TCP_TIME_WAIT);
	assert_int_equal(tee_set_option(ends[0], TEE_OPT_KEEPALIVE, 1), 0);
	assert_false(timer_is_armed(&ends[0]->u.conn->timer));
	tee_close(ends[0]);
	pair_wait(&pair, 3 * 3600 * TEE_NS_PER_S);
	pair_fini(&pair);
}

/* More asked for than the window lets in: the application is woken when it is full. */
static void test_rcvlowat_beyond_the_window(void **state)
{
	static uint8_t data[8192];
	struct pair pair;
	struct tee_socket *listener, *ends[2];

	(void)state;
	pair_init(&pair, NULL);
	listener = pair_listen(&pair, 80);
	assert_int_equal(tee_set_option(listener, TEE_OPT_RCVBUF, 4096), 0);
	pair_connect(&pair, listener, 80, ends);
	assert_int_equal(tee_set_option(ends[1], TEE_OPT_RCVLOWAT, 8192), 0);
	assert_int_equal(tee_send(ends[0], data, 100, 0), 100);
	pair_wait(&pair, TEE_NS_PER_S);
	assert_false(tee_readiness(ends[1]) & TEE_EV_READABLE);
	assert_int_equal(tee_send(ends[0], data, sizeof(data), 0), sizeof(data));
	pair_wait(&pair, 5 * TEE_NS_PER_S);
	assert_true(tee_readiness(ends[1]) & TEE_EV_READABLE);
	pair_fini(&pair);
}

/* A limit below what a header's window can tell: then it is one unit, not a window that nothing opens again. */
static void test_window_clamp_below_a_unit(void **state)
{
	enum { BYTES = 96 << 10, TURNS = 400 };
	static uint8_t data[65536];
	struct pair pair;
	struct tee_socket *ends[2];
	size_t got = 0;

	(void)state;
	pair_meet(&pair, ends);
	assert_int_equal(tee_set_option(ends[1], TEE_OPT_WINDOW_CLAMP, 100), 0);
	for (unsigned turn = 0; turn < TURNS && got < BYTES; turn++) {
		ssize_t len;

		(void)tee_send(ends[0], data, sizeof(data), 0);
		pair_wait(&pair, 10 * TEE_NS_PER_S);
		while ((len = tee_recv(ends[1], data, sizeof(data), 0)) > 0)
			got += (size_t)len;
	}
	assert_in_range(got, BYTES, SIZE_MAX);
	pair_fini(&pair);
}

/*
 * The header said that the window is closed, though a part of a unit of the scale was left of it: a reader who makes
 * room for a unit opens it, at once.
 */
static void test_a_part_of_a_unit_is_no_offer(void **state)
{
	enum { UNIT = 16384, BUFFER = 20000, PART = 10000 };
	static uint8_t data[65536];
	struct tee_config config;
	struct tee_socket *ends[2];
	struct tee_tcp_info info;
	struct pair pair;

	(void)state;
	tee_config_init(&config);
	config.tcp_rcvbuf_initial = BUFFER;
	config.tcp_rcvbuf_max = UINT32_C(65535) << 14;
	config.tcp_autotuning = false;
	pair_init(&pair, &config);
	pair_connect(&pair, pair_listen(&pair, 80), 80, ends);
	assert_int_equal(tee_send(ends[0], data, 1, 0), 1);
	pair_wait(&pair, TEE_NS_PER_S);
	assert_int_equal(tee_send(ends[0], data, 2 * UNIT - PART, 0), 2 * UNIT - PART);
	pair_wait(&pair, TEE_NS_PER_S);
	assert_int_equal(tee_socket_info(ends[0], &info), 0);
	assert_int_equal(info.snd_wnd, 0);
	assert_int_equal(tee_send(ends[0], data, PART, 0), PART);
	pair_run(&pair);
	assert_int_equal(tee_recv(ends[1], data, sizeof(data), 0), 1 + 2 * UNIT - PART);
	pair_run(&pair);
	assert_int_equal(tee_recv(ends[1], data, sizeof(data), 0), PART);
	pair_fini(&pair);
}

static bool is_told_writable(struct tee_stack *stack, struct tee_socket *socket)
{
	struct tee_event event;
	bool told = false;

	while (tee_next_event(stack, &event))
		told |= event.socket == socket && (event.ready & TEE_EV_WRITABLE);
	return told;
}

/* What waited for unsent data to become less learns so when it is sent, not a round trip later. */
static void test_notsent_lowat(void **state)
{
	static uint8_t data[4096];
	struct pair pair;
	struct tee_socket *ends[2];
	struct tee_pkt *pkt;

	(void)state;
	pair_meet(&pair, ends);
	/* 0: no limit, as on Linux. */
	assert_int_equal(tee_set_option(ends[0], TEE_OPT_NOTSENT_LOWAT, 0), 0);
	assert_true(tee_readiness(ends[0]) & TEE_EV_WRITABLE);
	assert_int_equal(tee_send(ends[0], data, 100, 0), 100);
	pair_wait(&pair, TEE_NS_PER_S);
	assert_int_equal(tee_set_option(ends[0], TEE_OPT_NOTSENT_LOWAT, 4096), 0);
	assert_int_equal(tee_send(ends[0], data, sizeof(data), 0), sizeof(data));
	assert_int_equal(tee_send(ends[0], data, sizeof(data), 0), -TEE_EAGAIN);
	(void)is_told_writable(pair.stack[0], ends[0]);
	while ((pkt = take_frame(&pair, 0)))
		tee_pkt_release(pkt);
	assert_true(tee_readiness(ends[0]) & TEE_EV_WRITABLE);
	assert_true(is_told_writable(pair.stack[0], ends[0]));
	pair_fini(&pair);
}

/*
 * RFC 9293 MAY-2: who lets a SYN end a TIME-WAIT begins beyond the largest number it had used before. So
 * much was sent that the clock of RFC 6528 alone lies far behind.
 */
static void time_wait_reopens(bool actively)
{
	static uint8_t data[65536];
	struct pair pair;
	struct tee_socket *listener, *ends[2], *again;
	struct tee_endpoint local, remote;
	struct seq32 last;
	unsigned closer = actively ? 0 : 1;

	listener = pair_meet(&pair, ends);
	assert_int_equal(tee_local_name(ends[0], &local), 0);
	assert_int_equal(tee_remote_name(ends[0], &remote), 0);
	for (unsigned i = 0; i < 200; i++) {
		ssize_t n = tee_send(ends[closer], data, 8192, 0);

		assert_int_equal(n, 8192);
		pair_wait(&pair, TEE_NS_PER_MS / 2);
		while (tee_recv(ends[!closer], data, sizeof(data), 0) > 0)
			;
	}
	pair_wait(&pair, TEE_NS_PER_MS);
	last = conn_snd_seq(ends[closer]->u.conn, ends[closer]->u.conn->snd.nxt);
	tee_close(ends[closer]);
	pair_run(&pair);
	tee_close(ends[!closer]);
	pair_run(&pair);
	pair_wait(&pair, 20 * TEE_NS_PER_MS);
	again = pair_open(&pair, 0, TEE_SOCKET_TCP, TEE_FAMILY_ANY);
	assert_int_equal(tee_set_option(again, TEE_OPT_REUSEADDR, 1), 0);
	assert_int_equal(tee_bind(again, &local), 0);
	assert_int_equal(tee_connect(again, &remote), -TEE_EINPROGRESS);
	pair_run(&pair);
	assert_int_equal(tee_accept(listener, &ends[1], &remote), 0);
	ends[0] = again;
	assert_true(seq_lt(last, ends[closer]->u.conn->snd.iss));
	pair_fini(&pair);
}

static void test_time_wait_reopened_by_peer(void **state)
{
	(void)state;
	time_wait_reopens(false);
}

static void test_time_wait_reopened_by_us(void **state)
{
	(void)state;
	time_wait_reopens(true);
}

/* One port, two sockets: what bind() and then listen() say to the second while the first listens. */
static void test_port_shared(void **state)
{
	enum { NEITHER, ADDRESS, PORT };
	const struct tee_ip any4 = TEE_IP4(0, 0, 0, 0), any6 = TEE_IP_ANY,
			    loopback = TEE_IP4(127, 0, 0, 1);
	const struct {
		struct tee_ip first, second;
		int reuse;
		bool v6only; /* the first */
		int bound, listens;
	} cases[] = {
		{any4, loopback, NEITHER, false, -TEE_EADDRINUSE, 0},
		{any4, loopback, ADDRESS, false, 0, -TEE_EADDRINUSE},
		{loopback, any4, ADDRESS, false, 0, -TEE_EADDRINUSE},
		{any6, loopback, ADDRESS, false, 0, -TEE_EADDRINUSE},
		{loopback, loopback, ADDRESS, false, 0, -TEE_EADDRINUSE},
		{any4, loopback, PORT, false, 0, 0},
		{any4, any4, PORT, false, 0, 0},
		{any6, any4, NEITHER, true, 0, 0},
		{any6, any4, NEITHER, false, -TEE_EADDRINUSE, 0},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct tee_endpoint at[2] = {{.ip = cases[i].first, .port = 80},
					     {.ip = cases[i].second, .port = 80}};
		struct tee_socket *sockets[2];
		struct pair pair;

		pair_init(&pair, NULL);
		for (unsigned j = 0; j < 2; j++) {
			sockets[j] = pair_open(&pair, 0, TEE_SOCKET_TCP, TEE_FAMILY_ANY);
			tee_set_option(sockets[j], TEE_OPT_REUSEADDR, cases[i].reuse == ADDRESS);
			tee_set_option(sockets[j], TEE_OPT_REUSEPORT, cases[i].reuse == PORT);
		}
		tee_set_option(sockets[0], TEE_OPT_V6ONLY, cases[i].v6only);
		assert_int_equal(tee_bind(sockets[0], &at[0]), 0);
		assert_int_equal(tee_bind(sockets[1], &at[1]), cases[i].bound);
		if (cases[i].bound == 0) {
			assert_int_equal(tee_listen(sockets[0], 1), 0);
			assert_int_equal(tee_listen(sockets[1], 1), cases[i].listens);
		}
		pair_fini(&pair);
	}
}

/* RFC 9937 6.1: what the ACK delivers by which a reduction begins was in flight, for a mark as for a loss. */
static void test_mark_begins_reduction(void **state)
{
	enum { SEGS = 6, BYTES = SEGS * 1448 };
	static uint8_t data[BYTES];
	struct tee_pkt *pkts[SEGS];
	struct tee_socket *ends[2];
	struct tee_config config;
	struct pair pair;
	uint8_t *ip;

	(void)state;
	tee_config_init(&config);
	config.tcp_ecn = TEE_ECN_ON;
	pair_init(&pair, &config);
	pair_connect(&pair, pair_listen(&pair, 80), 80, ends);
	assert_int_equal(tee_send(ends[0], data, BYTES, 0), BYTES);
	for (unsigned i = 0; i < SEGS; i++)
		assert_non_null(pkts[i] = take_frame(&pair, 0));
	/* ECT(0) becomes CE on the way. */
	ip = tee_pkt_bytes(pkts[0]);
	assert_int_equal(ip[1] & 3, 2);
	ip[1] |= 3;
	store_be16(ip + 10, 0);
	store_be16(ip + 10, (uint16_t)~checksum_fold(checksum_add(0, ip, 20)));
	give(&pair, 1, pkts[0]);
	give(&pair, 1, pkts[1]);
	give(&pair, 0, take_frame(&pair, 1));
	assert_int_equal(ends[0]->u.conn->tx->recovery, TEE_RECOVERY_CWR);
	assert_true(ends[0]->u.conn->tx->prr.delivered_bytes > 0);
	assert_int_equal(ends[0]->u.conn->tx->prr.recover_fs_bytes, BYTES);
	for (unsigned i = 2; i < SEGS; i++)
		give(&pair, 1, pkts[i]);
	pair_fini(&pair);
}

/* The way back was gone when the handshake ended: what is written then goes when there is one again. */
static void test_route_lost_while_opening(void **state)
{
	struct pair pair;
	struct tee_socket *listener, *ends[2];
	struct tee_endpoint remote;
	struct tee_ip prefix = TEE_IP4(10, 0, 0, 0);
	struct tee_pkt *ack;
	uint8_t buf[8];

	(void)state;
	pair_init(&pair, NULL);
	listener = pair_listen(&pair, 80);
	ends[0] = pair_begin_connect(&pair, 80);
	give(&pair, 1, take_frame(&pair, 0));
	give(&pair, 0, take_frame(&pair, 1));
	ack = take_frame(&pair, 0);
	assert_int_equal(tee_route_remove(pair.stack[1], pair.netif[1], &prefix, 24), 0);
	give(&pair, 1, ack);
	assert_int_equal(tee_accept(listener, &ends[1], &remote), 0);
	assert_int_equal(tee_send(ends[1], "late", 4, 0), 4);
	pair_wait(&pair, 2 * TEE_NS_PER_S);
	assert_int_equal(tee_recv(ends[0], buf, sizeof(buf), 0), -TEE_EAGAIN);
	assert_int_equal(tee_route_add(pair.stack[1], pair.netif[1], &prefix, 24, NULL, 0), 0);
	pair_wait(&pair, 10 * TEE_NS_PER_S);
	assert_int_equal(tee_recv(ends[0], buf, sizeof(buf), 0), 4);
	pair_fini(&pair);
}

/*
 * Two clients finish their handshakes, and there is room for one. The other's ACK is passed over; it waits for the server
 * to speak first, so only a SYN-ACK again can bring it in once there is room. A third is not answered at all.
 */
static void test_no_room_to_wait(void **state)
{
	struct tee_endpoint local = endpoint(TEE_IP_ANY, 80), remote;
	struct tee_socket *listener, *clients[3], *accepted;
	struct pair pair;

	(void)state;
	pair_init(&pair, NULL);
	listener = pair_open(&pair, 1, TEE_SOCKET_TCP, TEE_FAMILY_ANY);
	assert_int_equal(tee_bind(listener, &local), 0);
	assert_int_equal(tee_listen(listener, 0), 0);
	for (unsigned i = 0; i < 2; i++)
		clients[i] = pair_begin_connect(&pair, 80);
	pair_run(&pair);
	clients[2] = pair_begin_connect(&pair, 80);
	pair_run(&pair);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(tee_readiness(clients[i]) & TEE_EV_WRITABLE,
				 i < 2 ? TEE_EV_WRITABLE : 0);
	assert_int_equal(tee_accept(listener, &accepted, &remote), 0);
	assert_int_equal(tee_accept(listener, &accepted, &remote), -TEE_EAGAIN);
	pair_wait(&pair, 1200 * TEE_NS_PER_MS);
	/* Both that were left ask at the same time, and only one finds room. */
	assert_int_equal(tee_accept(listener, &accepted, &remote), 0);
	pair_wait(&pair, 5 * TEE_NS_PER_S);
	assert_int_equal(tee_accept(listener, &accepted, &remote), 0);
	assert_int_equal(tee_accept(listener, &accepted, &remote), -TEE_EAGAIN);
	pair_fini(&pair);
}

/* "Connected to nobody": the peer is reset, and the socket, or a listener, is as fresh, with the port it was bound to. */
static void test_dissolve(void **state)
{
	const struct tee_endpoint nobody = {0};
	struct tee_endpoint local = endpoint(TEE_IP_ANY, 4000), remote;
	struct tee_socket *listener, *client, *accepted;
	struct pair pair;
	uint8_t byte;

	(void)state;
	pair_init(&pair, NULL);
	listener = pair_listen(&pair, 80);
	client = pair_open(&pair, 0, TEE_SOCKET_TCP, TEE_FAMILY_ANY);
	assert_int_equal(tee_connect(client, &nobody), 0);
	assert_int_equal(tee_bind(client, &local), 0);
	remote = endpoint(pair.ip4[1], 80);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(tee_connect(client, &remote), -TEE_EINPROGRESS);
		pair_run(&pair);
		assert_int_equal(tee_accept(listener, &accepted, &local), 0);
		assert_int_equal(local.port, 4000);
		assert_int_equal(tee_connect(client, &nobody), 0);
		assert_int_equal(tee_send(client, "x", 1, 0), -TEE_ENOTCONN);
		pair_run(&pair);
		assert_int_equal(tee_recv(accepted, &byte, 1, 0), -TEE_ECONNRESET);
	}
	/* While it opens: nobody heard of it, and its answer meets nothing. */
	assert_int_equal(tee_connect(client, &remote), -TEE_EINPROGRESS);
	assert_int_equal(tee_connect(client, &nobody), 0);
	pair_run(&pair);
	assert_int_equal(tee_accept(listener, &accepted, &local), -TEE_EAGAIN);
	/* The accepted end of a connection, and the listener. */
	assert_int_equal(tee_connect(client, &remote), -TEE_EINPROGRESS);
	pair_run(&pair);
	assert_int_equal(tee_accept(listener, &accepted, &local), 0);
	assert_int_equal(tee_connect(accepted, &nobody), 0);
	assert_int_equal(tee_connect(listener, &nobody), 0);
	pair_run(&pair);
	assert_int_equal(tee_recv(client, &byte, 1, 0), -TEE_ECONNRESET);
	assert_int_equal(tee_connect(client, &remote), -TEE_EINPROGRESS);
	pair_run(&pair);
	assert_int_equal(tee_take_error(client), TEE_ECONNREFUSED);
	pair_fini(&pair);
}

/* Bytes that nobody wrote never leave: a commit takes what was reserved, once, though the buffer has room for more. */
static void test_commit_too_much(void **state)
{
	struct pair pair;
	struct tee_socket *ends[2];
	char got[16];
	void *ptr = NULL;
	size_t len = 0;

	(void)state;
	pair_meet(&pair, ends);
	assert_int_equal(tee_send_commit(ends[0], 1), -TEE_EINVAL);
	assert_int_equal(tee_send_reserve(ends[0], 0, &ptr, &len), -TEE_EINVAL);
	assert_int_equal(tee_send_reserve(ends[0], 100, &ptr, &len), 0);
	assert_int_equal(tee_send_reserve(ends[0], 4, &ptr, &len), 0);
	assert_int_equal(len, 4);
	assert_int_equal(tee_send_commit(ends[0], 5), -TEE_EINVAL);
	memcpy(ptr, "abcd", 4);
	assert_int_equal(tee_send_commit(ends[0], 3), 0);
	assert_int_equal(tee_send_commit(ends[0], 1), -TEE_EINVAL);
	assert_int_equal(tee_send_reserve(ends[0], 4, &ptr, &len), 0);
	assert_int_equal(tee_send(ends[0], "d", 1, 0), 1);
	assert_int_equal(tee_send_commit(ends[0], 1), -TEE_EINVAL);
	pair_run(&pair);
	assert_int_equal(tee_recv(ends[1], got, sizeof(got), 0), 4);
	assert_memory_equal(got, "abcd", 4);
	pair_fini(&pair);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dissolve),
		cmocka_unit_test(test_no_room_to_wait),
		cmocka_unit_test(test_tail_probe_of_what_arrived),
		cmocka_unit_test(test_time_of_timeouts),
		cmocka_unit_test(test_keepalive_in_time_wait),
		cmocka_unit_test(test_rcvlowat_beyond_the_window),
		cmocka_unit_test(test_window_clamp_below_a_unit),
		cmocka_unit_test(test_a_part_of_a_unit_is_no_offer),
		cmocka_unit_test(test_notsent_lowat),
		cmocka_unit_test(test_time_wait_reopened_by_peer),
		cmocka_unit_test(test_time_wait_reopened_by_us),
		cmocka_unit_test(test_port_shared),
		cmocka_unit_test(test_mark_begins_reduction),
		cmocka_unit_test(test_route_lost_while_opening),
		cmocka_unit_test(test_commit_too_much),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
