/* SPDX-License-Identifier: MIT */
/* Initial sequence numbers (RFC 6528, MUST-8, SHLD-1), timestamp offsets, port offsets (RFC 6056). */
#ifndef TEE_TCP_ISN_H
#define TEE_TCP_ISN_H

#include <stdint.h>
#include "base/seq.h"
#include "base/siphash.h"
#include "tcp/demux.h"

/* ISN = M + F(4-tuple, secret); M ticks every 4 us. */
struct seq32 isn_of(const struct siphash_key *secret, const struct tcp_key *key, uint64_t now_ns);
/* The same, or a number well beyond what an earlier incarnation has used (RFC 9293 3.6.1, MAY-2). */
struct seq32 isn_beyond(struct seq32 isn, struct seq32 used);
/* Constant for a pair of hosts, so that TIME-WAIT can trust the clock (RFC 7323 5.4). */
uint32_t isn_ts_offset(const struct siphash_key *secret, const struct tcp_key *key);
/* The pair that was asked for last: a handshake asks more than once, and hosts meet again. All zero: none. */
struct isn_ts_memo {
	struct tee_ip local, remote;
	uint32_t offset;
	bool is_set;
};
/* isn_ts_offset() by way of the memo, which always goes with the same secret. */
uint32_t isn_ts_offset_again(const struct siphash_key *secret, struct isn_ts_memo *memo,
			     const struct tcp_key *key);
/* RFC 6056 algorithm 3: where the search for a port begins. */
uint32_t isn_port_offset(const struct siphash_key *secret, const struct tee_ip *local,
			 const struct tee_ip *remote, uint16_t remote_port);

#endif
