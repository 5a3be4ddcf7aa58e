/* SPDX-License-Identifier: MIT */
/*
 * Which segment size to try next: the search of packetization-layer path MTU discovery (RFC 4821 7.2, 7.3;
 * RFC 8899 5.1.2). A leaf: it sees sizes and instants, no connection.
 *
 * All sizes are bytes of text in a segment, without the options that every segment has. Calls in order:
 *   1. mtu_probe_start() with a size that is believed to pass;
 *   2. mtu_probe_next() names the size to try, 0 while there is none; mtu_probe_sent() when it left;
 *   3. one of mtu_probe_passed(), mtu_probe_failed() and mtu_probe_unknown() when its fate is known.
 */
#ifndef TEE_TCP_MTU_PROBE_H
#define TEE_TCP_MTU_PROBE_H

#include <stdbool.h>
#include <stdint.h>

/* RFC 8899 5.1.2, MAX_PROBES: losses of a size in a row before it counts as too large for the path. */
enum { MTU_PROBE_TRIES = 3 };

struct mtu_probe {
	uint64_t start,
		end; /* offsets of the probe that is out, or, with size 0, of the one being mended */
	uint64_t done_at_ns; /* the search had come to its end; 0: it has not */
	uint32_t low;   /* largest size known to pass, and the segment size in use; 0: no search */
	uint32_t high;  /* smallest size known not to pass, less one; 0: none is known */
	uint32_t size;  /* of the probe that is out; 0: none is */
	uint32_t tried; /* size of the last one */
	uint8_t tries;  /* of this size, lost */
};

/* What bounds the search, and what can go out now. */
struct mtu_probe_limits {
	uint32_t most;        /* what interface, path as ICMP told it, and peer admit */
	uint32_t room;        /* largest probe that window and queue have a place for */
	uint32_t threshold;   /* a gain below this is not worth a probe (bytes) */
	uint64_t interval_ns; /* from the search's end until it is begun again; 0: never again */
	uint64_t now_ns;
};

/* Begins, or begins again lower: `low` is what segments are from now on. */
void mtu_probe_start(struct mtu_probe *probe, uint32_t low);
/*
 * The size to try now, 0: none. First all that may be (RFC 4821 7.3 leaves the order open), as most paths take what
 * their first link takes; once that has failed, the middle between what passed and what did not.
 */
uint32_t mtu_probe_next(struct mtu_probe *probe, const struct mtu_probe_limits *limits);
/* [start, end) left as one segment. */
void mtu_probe_sent(struct mtu_probe *probe, uint64_t start, uint64_t end);
void mtu_probe_passed(struct mtu_probe *probe);
/* It was lost, alone (RFC 4821 7.6.2). Its range is remembered until mtu_probe_mended(). */
void mtu_probe_failed(struct mtu_probe *probe);
/* Others were lost beside it, or it was sent again before its fate was known (RFC 4821 7.6.4: inconclusive). */
void mtu_probe_unknown(struct mtu_probe *probe);
void mtu_probe_mended(struct mtu_probe *probe);

#endif
