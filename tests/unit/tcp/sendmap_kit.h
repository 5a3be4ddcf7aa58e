/* SPDX-License-Identifier: MIT */
/* What the tests around the send map share: a map that begins just below the wrap, in units of segments. */
#ifndef TEE_TESTS_SENDMAP_KIT_H
#define TEE_TESTS_SENDMAP_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "base/check.h"
#include "tcp/loss/sendmap.h"

enum { KIT_MSS = 1000 };
/* Offset of the n-th segment; the low 32 bits wrap after the third. */
#define KIT_START (UINT64_C(0x100000000) - 3 * KIT_MSS)
#define SEG(n)    (KIT_START + (uint64_t)(n)*KIT_MSS)
#define KIT_MS(n) ((uint64_t)(n)*1000000u)

static inline struct ack_info kit_info(const struct sendmap *map, uint64_t now_ns)
{
	return (struct ack_info){
		.now_ns = now_ns,
		.una_before = map->una,
		.una_after = map->una,
		.nxt = map->nxt,
		.prior_highest_sacked = map->highest_sacked,
		.reordered_from = UINT64_MAX,
	};
}

/* Sends segments up to `end`, each as a record of its own, `gap_ns` apart. */
static inline void kit_send_each(struct sendmap *map, unsigned end, uint64_t at_ns, uint64_t gap_ns)
{
	for (; map->nxt < SEG(end); at_ns += gap_ns)
		assert_non_null(sendmap_sent(map, map->nxt + KIT_MSS, KIT_MSS, 0, at_ns));
}

static inline void kit_sack(struct sendmap *map, unsigned start, unsigned end,
			    struct ack_info *info)
{
	assert_int_equal(sendmap_sack(map, SEG(start), SEG(end), info), 0);
	sendmap_check(map);
}

static inline void kit_ack(struct sendmap *map, unsigned una, struct ack_info *info)
{
	sendmap_ack(map, SEG(una), info);
	sendmap_check(map);
}

#endif
