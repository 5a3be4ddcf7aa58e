/* SPDX-License-Identifier: MIT */
/*
 * Initial sequence numbers (RFC 6528; MUST-8, MUST-9, SHLD-1), timestamp offsets (RFC 7323 5.4), port
 * offsets (RFC 6056 3.3.3): each is a keyed hash of whom we talk to, so that none of them tells a third party
 * anything about another connection, while between the same two ends they go on from where they were.
 *
 * One secret serves them all; the first byte of what is hashed says which use it is.
 */
#include "tcp/isn.h"

#include <stddef.h>
#include <string.h>
#include "wire/ip.h"

enum isn_use { USE_ISN = 1, USE_TS = 2, USE_PORT = 3 };

struct isn_input {
	uint8_t use;
	uint8_t zero;
	uint16_t local_port, remote_port;
	struct tee_ip local, remote;
};
_Static_assert(sizeof(struct isn_input) == 38 && offsetof(struct isn_input, local) == 6,
	       "hashed as bytes");

/* Of two IPv4 addresses only their own bytes are hashed, which is less than half of the work. */
static uint64_t hash_input(const struct siphash_key *secret, const struct isn_input *input)
{
	if (ip_is4(&input->local) && ip_is4(&input->remote)) {
		uint8_t bytes[14];

		memcpy(bytes, input, 6);
		memcpy(bytes + 6, &input->local.byte[12], 4);
		memcpy(bytes + 10, &input->remote.byte[12], 4);
		return siphash(secret, bytes, sizeof(bytes));
	}
	return siphash(secret, input, sizeof(*input));
}

struct seq32 isn_of(const struct siphash_key *secret, const struct tcp_key *key, uint64_t now_ns)
{
	struct isn_input input = {
		.use = USE_ISN,
		.local_port = key->local_port,
		.remote_port = key->remote_port,
		.local = key->local_ip,
		.remote = key->remote_ip,
	};

	/* ISN = M + F(...): M is the clock of MUST-8, one tick about every 4 microseconds. */
	return seq32((uint32_t)(now_ns / 4000) + (uint32_t)hash_input(secret, &input));
}

/* The clock may lie behind what a fast connection has used; a window ahead is far enough. */
struct seq32 isn_beyond(struct seq32 isn, struct seq32 used)
{
	return seq_lt(used, isn) ? isn : seq_add(used, 65536);
}

uint32_t isn_ts_offset(const struct siphash_key *secret, const struct tcp_key *key)
{
	struct isn_input input = {
		.use = USE_TS,
		.local = key->local_ip,
		.remote = key->remote_ip,
	};

	return (uint32_t)hash_input(secret, &input);
}

uint32_t isn_ts_offset_again(const struct siphash_key *secret, struct isn_ts_memo *memo,
			     const struct tcp_key *key)
{
	if (!memo->is_set || memcmp(&memo->remote, &key->remote_ip, sizeof(memo->remote)) != 0 ||
	    memcmp(&memo->local, &key->local_ip, sizeof(memo->local)) != 0)
		*memo = (struct isn_ts_memo){
			.local = key->local_ip,
			.remote = key->remote_ip,
			.offset = isn_ts_offset(secret, key),
			.is_set = true,
		};
	return memo->offset;
}

uint32_t isn_port_offset(const struct siphash_key *secret, const struct tee_ip *local,
			 const struct tee_ip *remote, uint16_t remote_port)
{
	struct isn_input input = {
		.use = USE_PORT,
		.remote_port = remote_port,
		.local = *local,
		.remote = *remote,
	};

	return (uint32_t)hash_input(secret, &input);
}
