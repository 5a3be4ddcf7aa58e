/* SPDX-License-Identifier: MIT */
/* A bounded set of disjoint, non-touching half-open ranges of 64-bit offsets, in order. */
#ifndef TEE_BASE_RANGESET_H
#define TEE_BASE_RANGESET_H

#include <stdbool.h>
#include <stdint.h>

struct range {
	uint64_t start, end; /* [start, end) */
};

struct rangeset {
	struct range *ranges; /* owned; sorted */
	uint32_t count, capacity, count_max;
};

void rangeset_init(struct rangeset *set, uint32_t count_max);
void rangeset_fini(struct rangeset *set);
/* 0, -TEE_ENOMEM, -TEE_ENOBUFS (count_max reached; the set is unchanged). */
int rangeset_add(struct rangeset *set, uint64_t start, uint64_t end);
/* Removes [start, end) from the set; may split a range (same errors). */
int rangeset_remove(struct rangeset *set, uint64_t start, uint64_t end);
bool rangeset_contains(const struct rangeset *set, uint64_t start, uint64_t end);
void rangeset_check(const struct rangeset *set);

#endif
