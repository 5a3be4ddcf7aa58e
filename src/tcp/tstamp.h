/* SPDX-License-Identifier: MIT */
/* Timestamps (RFC 7323): our clock of milliseconds with a secret offset a connection; PAWS. */
#ifndef TEE_TCP_TSTAMP_H
#define TEE_TCP_TSTAMP_H

#include <stdbool.h>
#include <stdint.h>

struct tstamp {
	uint32_t offset;       /* added to the clock (RFC 7323 section 5.4) */
	uint32_t recent;       /* TS.Recent */
	uint64_t recent_at_ns; /* when it was set; 0: never */
};

/* TSval to send now. One tick is a millisecond. */
static inline uint32_t tstamp_val(const struct tstamp *ts, uint64_t now_ns)
{
	return (uint32_t)(now_ns / 1000000u) + ts->offset;
}
/* Is `val` before TS.Recent, and TS.Recent not older than 24 days (RFC 7323 5.5)? Then PAWS rejects. */
bool tstamp_paws_rejects(const struct tstamp *ts, uint32_t val, uint64_t now_ns);
/* RFC 7323 4.3 (3): `seq` <= last.ACK.sent and val not older: TS.Recent := val. The caller checked seq. */
void tstamp_update(struct tstamp *ts, uint32_t val, uint64_t now_ns);
/* The same where PAWS has not rejected `val`: it is not older then. */
static inline void tstamp_take(struct tstamp *ts, uint32_t val, uint64_t now_ns)
{
	ts->recent = val;
	ts->recent_at_ns = now_ns ? now_ns : 1;
}
/*
 * RTT of an echoed value in ns, 0 when it makes no sense (from the future, 0, older than 2^31 ticks).
 * Coarse: rounds up to one tick.
 */
uint64_t tstamp_rtt_ns(const struct tstamp *ts, uint32_t ecr, uint64_t now_ns);
/* Is a before b, modulo 2^32? */
static inline bool tstamp_before(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) < 0;
}

#endif
