// SPDX-License-Identifier: MIT
/*
 * tee_send_owned(): when the application's memory is its own again. Not while bytes of it may have to be sent
 * again, nor while a frame that a link holds refers to it; and always once, however the connection ends.
 */
#include "pair.h"

enum { LEN = 3000 };

static uint8_t data[LEN];
static unsigned released[4];

static void on_release(void *arg)
{
	(*(unsigned *)arg)++;
}

static int give(struct tee_socket *socket, unsigned i)
{
	return tee_send_owned(socket, data, LEN, on_release, &released[i]);
}

static int set_up(void **state)
{
	(void)state;
	memset(released, 0, sizeof(released));
	for (size_t i = 0; i < LEN; i++)
		data[i] = (uint8_t)(i * 7);
	return 0;
}

static void released_when_acknowledged(void **state)
{
	static uint8_t got[2 * LEN];
	struct tee_socket *ends[2];
	struct pair pair;

	(void)state;
	pair_meet(&pair, ends);
	assert_int_equal(give(ends[0], 0), 0);
	assert_int_equal(give(ends[0], 1), 0);
	/* Sent and lost: it will be needed again. */
	pair_carry(&pair, 0);
	assert_int_equal(released[0] + released[1], 0);
	pair_wait(&pair, 5 * TEE_NS_PER_S);
	assert_int_equal(tee_recv(ends[1], got, sizeof(got), 0), 2 * LEN);
	assert_memory_equal(got, data, LEN);
	assert_memory_equal(got + LEN, data, LEN);
	assert_int_equal(released[0], 1);
	assert_int_equal(released[1], 1);
	pair_fini(&pair);
	assert_int_equal(released[0] + released[1], 2);
}

/* A link may hold a frame for as long as it likes, also of a connection that has ended. */
static void not_while_a_frame_refers_to_it(void **state)
{
	struct tee_frame frames[8];
	struct tee_socket *ends[2];
	struct pair pair;
	size_t found = 0;
	int n;

	(void)state;
	pair_meet(&pair, ends);
	assert_int_equal(give(ends[0], 0), 0);
	n = tee_output(pair.stack[0], pair.netif[0], frames, 8, pair.now_ns);
	assert_true(n >= 2);
	tee_abort(ends[0]);
	pair_carry(&pair, 0);
	for (int i = 0; i < n; i++) {
		assert_int_equal(released[0], 0);
		/* Where it was, not in a copy. */
		for (unsigned k = 0; k < frames[i].slice_count; k++) {
			assert_ptr_equal(frames[i].slices[k].ptr, data + found);
			found += frames[i].slices[k].len;
		}
		tee_frame_release(&frames[i]);
	}
	assert_int_equal(found, LEN);
	assert_int_equal(released[0], 1);
	pair_fini(&pair);
	assert_int_equal(released[0], 1);
}

static void released_however_it_ends(void **state)
{
	struct tee_socket *ends[2];
	struct pair pair;

	(void)state;
	/* Reset by the peer. */
	pair_meet(&pair, ends);
	assert_int_equal(give(ends[0], 0), 0);
	tee_abort(ends[1]);
	pair_run(&pair);
	assert_int_equal(released[0], 1);
	pair_fini(&pair);
	/* Aborted by ourselves, nothing sent yet. */
	pair_meet(&pair, ends);
	assert_int_equal(give(ends[0], 1), 0);
	tee_abort(ends[0]);
	pair_run(&pair);
	assert_int_equal(released[1], 1);
	pair_fini(&pair);
	/* The stack's end, with the bytes under way. */
	pair_meet(&pair, ends);
	assert_int_equal(give(ends[0], 2), 0);
	pair_carry(&pair, 0);
	assert_int_equal(released[2], 0);
	pair_fini(&pair);
	assert_int_equal(released[2], 1);
}

static void refused_it_stays_with_its_owner(void **state)
{
	struct tee_socket *ends[2], *fresh;
	struct pair pair;
	unsigned taken = 0;

	(void)state;
	pair_meet(&pair, ends);
	fresh = pair_open(&pair, 0, TEE_SOCKET_TCP, TEE_FAMILY_ANY);
	assert_int_equal(give(fresh, 0), -TEE_ENOTCONN);
	assert_int_equal(tee_send_owned(ends[0], data, 0, on_release, &released[0]), -TEE_EINVAL);
	/* The peer reads nothing: at last both buffers are full. */
	while (give(ends[0], 1) == 0) {
		assert_true(++taken < 100000);
		pair_run(&pair);
	}
	assert_int_equal(give(ends[0], 0), -TEE_EAGAIN);
	assert_true(taken > 1 && released[1] < taken);
	assert_int_equal(tee_shutdown(ends[0], TEE_SHUT_WRITE), 0);
	assert_int_equal(give(ends[0], 0), -TEE_EPIPE);
	assert_int_equal(released[0], 0);
	pair_fini(&pair);
	assert_int_equal(released[0], 0);
	assert_int_equal(released[1], taken);
}

/* How much an autotuned buffer takes on a path of 10 µs, by copies or without. */
static size_t room(bool is_owned)
{
	struct tee_config config;
	struct tee_socket *socket;
	struct pair pair;
	size_t taken = 0;

	tee_config_init(&config);
	config.tcp_initial_cwnd_segs = 4096;
	pair_init(&pair, &config);
	pair_listen(&pair, 80);
	socket = pair_begin_connect(&pair, 80);
	pair_carry_from(&pair, 0, false);
	pair.now_ns += 10 * TEE_NS_PER_US;
	pair_run(&pair);
	while (is_owned ? give(socket, 0) == 0 : tee_send(socket, data, LEN, 0) == LEN) {
		taken += LEN;
		assert_true(taken < 100 << 20);
		/* The sender's half of the connection is made as it first sends. */
		if (taken == LEN)
			pair_carry_from(&pair, 0, true);
	}
	pair_fini(&pair);
	return taken;
}

/* Bytes that stay the application's fill no cache of ours, so more of them may wait. */
static void has_more_room_than_copies(void **state)
{
	size_t copies = room(false), owned = room(true);

	(void)state;
	assert_in_range(copies, 512 << 10, 1 << 20);
	assert_in_range(owned, 2 * copies, 4 << 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(released_when_acknowledged, set_up),
		cmocka_unit_test_setup(not_while_a_frame_refers_to_it, set_up),
		cmocka_unit_test_setup(released_however_it_ends, set_up),
		cmocka_unit_test_setup(has_more_room_than_copies, set_up),
		cmocka_unit_test_setup(refused_it_stays_with_its_owner, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
