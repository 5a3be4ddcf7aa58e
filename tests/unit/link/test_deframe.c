/* SPDX-License-Identifier: MIT */
/* Frames out of a byte stream, however the stream is cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include "base/random.h"
#include "frames.h"
#include "link/deframe.h"

static const uint32_t lengths[] = {14, 60, 15, 1514, 65549, 14, 65549, 42, 30001};
enum { COUNT = sizeof(lengths) / sizeof(lengths[0]) };

static uint8_t byte_of(unsigned frame, uint32_t i)
{
	return (uint8_t)(frame * 31 + i);
}

static uint8_t *make_stream(size_t *ret_len)
{
	uint8_t *stream = malloc(COUNT * (4 + FRAME_MAX)), *at = stream;

	for (unsigned f = 0; f < COUNT; f++) {
		put32(at, lengths[f]);
		at += 4;
		for (uint32_t i = 0; i < lengths[f]; i++)
			*at++ = byte_of(f, i);
	}
	*ret_len = (size_t)(at - stream);
	return stream;
}

/* Feeds the stream in pieces of at most `piece_max` and checks every frame. */
static void feed(const uint8_t *stream, size_t len, size_t piece_max, struct random *random)
{
	struct deframe *deframe = calloc(1, sizeof(*deframe));
	unsigned frames = 0;
	size_t done = 0;

	for (;;) {
		const uint8_t *frame;
		uint32_t frame_len;
		size_t space_len, piece;
		uint8_t *space;
		int result;

		while ((result = deframe_next(deframe, &frame, &frame_len)) > 0) {
			assert_true(frames < COUNT);
			assert_int_equal(frame_len, lengths[frames]);
			for (uint32_t i = 0; i < frame_len; i++)
				if (frame[i] != byte_of(frames, i))
					fail_msg("frame %u differs at byte %u", frames, i);
			frames++;
		}
		assert_int_equal(result, 0);
		if (done == len)
			break;
		space = deframe_space(deframe, &space_len);
		assert_true(space_len > 0);
		piece = 1 + random_below(random, piece_max);
		if (piece > space_len)
			piece = space_len;
		if (piece > len - done)
			piece = len - done;
		memcpy(space, stream + done, piece);
		deframe_filled(deframe, piece);
		done += piece;
	}
	assert_int_equal(frames, COUNT);
	free(deframe);
}

static void every_cut_gives_the_same_frames(void **state)
{
	const size_t piece_max[] = {7, 100, 70000, 1u << 20};
	struct random random;
	size_t len;
	uint8_t *stream = make_stream(&len);

	random_init(&random, 1);
	for (size_t i = 0; i < sizeof(piece_max) / sizeof(piece_max[0]); i++)
		feed(stream, len, piece_max[i], &random);
	free(stream);
}

static void impossible_lengths_end_the_stream(void **state)
{
	const uint32_t bad[] = {0, 1, 13, 65550, 0x80000000, 0xffffffff};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct deframe *deframe = calloc(1, sizeof(*deframe));
		const uint8_t *frame;
		uint32_t len;
		size_t space_len;
		uint8_t *space = deframe_space(deframe, &space_len);

		put32(space, bad[i]);
		deframe_filled(deframe, 3);
		assert_int_equal(deframe_next(deframe, &frame, &len), 0);
		deframe_filled(deframe, 1);
		assert_int_equal(deframe_next(deframe, &frame, &len), -TEE_EPROTO);
		free(deframe);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_cut_gives_the_same_frames),
		cmocka_unit_test(impossible_lengths_end_the_stream),
	};
	return cmocka_run_group_tests_name("link/deframe", tests, NULL, NULL);
}
