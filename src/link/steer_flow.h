/* SPDX-License-Identifier: MIT */
/* Whose is a frame, where several stacks stand behind one address? */
#ifndef TEE_LINK_STEER_FLOW_H
#define TEE_LINK_STEER_FLOW_H

#include <linux/filter.h>
#include <teeceepee/stack.h>

enum { STEER_FRAGMENTS = 64, STEER_PROGRAM_MAX = 40 };

/* What is no queue's number. */
enum steer_verdict {
	STEER_HERE = -1, /* whoever got it: a question, which one answer is enough for */
	STEER_ALL =
		-2, /* everybody: an answer or an error, and only its receiver knows what to do with it */
	STEER_NOBODY = -3, /* a fragment whose first one, with the ports, has not been seen */
};

/* A fragmented datagram: what its fragments have in common, and whose it is. */
struct steer_fragment {
	uint8_t key[40];
	int owner;
	bool is_used;
};

/* One queue's memory. All zero is a good start. */
struct steer_flow {
	struct steer_fragment fragments[STEER_FRAGMENTS];
	unsigned next_idx;
};

/* A number below `queues`, or an enum steer_verdict. */
int steer_owner(struct steer_flow *flow, const uint8_t *frame, uint32_t len,
		enum tee_netif_kind kind, unsigned queues);
/*
 * The same choice as a classic BPF program for PACKET_FANOUT_CBPF, as far as plain TCP and UDP go; the
 * result is the queue's number. Returns its length.
 */
unsigned steer_program(struct sock_filter ret_code[STEER_PROGRAM_MAX], unsigned queues);

#endif
