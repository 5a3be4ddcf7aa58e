/* SPDX-License-Identifier: MIT */
/*
 * SYN cookies (RFC 4987 section 3.6): an ISN that carries the MSS and proves that we made it; with
 * timestamps, their low bits carry window scale, SACK-permitted and ECN.
 */
#ifndef TEE_TCP_SYNCOOKIE_H
#define TEE_TCP_SYNCOOKIE_H

#include <stdbool.h>
#include "base/seq.h"
#include "tcp/demux.h"

struct syncookie {
	uint16_t mss;
	bool has_ts;
	/* only with has_ts: */
	bool sack_permitted, ecn;
	uint8_t wscale; /* 15: none */
};

struct seq32 syncookie_make(const struct siphash_key *secret, const struct tcp_key *key,
			    struct seq32 irs, const struct syncookie *cookie, uint64_t now_ns);
/* Puts the options into the low 6 bits of a timestamp value at or before `ts_val`. */
uint32_t syncookie_ts(uint32_t ts_val, const struct syncookie *cookie);
/* `iss`: our ISN as the ACK repeats it; `ts_ecr` as echoed. false: not ours or older than two minutes. */
bool syncookie_check(const struct siphash_key *secret, const struct tcp_key *key, struct seq32 irs,
		     struct seq32 iss, bool has_ts, uint32_t ts_ecr, uint64_t now_ns,
		     struct syncookie *ret_cookie);

#endif
