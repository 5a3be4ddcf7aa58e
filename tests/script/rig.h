/* SPDX-License-Identifier: MIT */
/*
 * The test bench: one stack on a raw-IP interface, a clock that stands still until it is moved,
 * descriptors over the stack, and the list of packets that the stack sent.
 */
#ifndef SCRIPT_RIG_H
#define SCRIPT_RIG_H

#include <teeceepee/stack.h>

#include "posix/posix.h"
#include "wire.h"

struct rig_config {
	bool is_ip6;
	uint32_t mtu;
	struct tee_ip local, remote;
	unsigned prefix_bits;
	bool has_offloads; /* the interface takes super-frames and unfinished checksums */
	struct tee_config stack;
};

/* A packet that the stack sent. */
struct rig_packet {
	struct rig_packet *next;
	uint64_t at_ns;
	int tag;         /* rig.tag when it was sent */
	uint16_t why;    /* enum tee_why */
	bool is_partial; /* its checksum was left to us and is not finished */
	size_t len;
	struct wire_packet wire;     /* payload points into bytes */
	char error[WIRE_ERROR_SIZE]; /* not empty: it could not be read */
	uint8_t bytes[];
};

struct rig {
	struct rig_config config;
	struct tee_stack *stack;
	struct posix_world *world;
	int netif;
	uint64_t now_ns;
	int tag;                          /* whatever the user wants to mark packets with */
	struct rig_packet *first, **last; /* sent and not yet taken, oldest first */
	struct rig_packet *held;          /* paced: their time has not come; by time */
};

/* What scripts presume: addresses, MTU; stack: its defaults. */
void rig_config_init(struct rig_config *config, bool is_ip6);
/* Is there what runs need? Our stack is always there, a kernel with rights to it is not. */
bool rig_can_run(char error[WIRE_ERROR_SIZE]);
/* NULL with a message when the stack refuses the configuration. */
struct rig *rig_new(const struct rig_config *config, char error[WIRE_ERROR_SIZE]);
void rig_free(struct rig *rig);
/* Takes what the stack has to send now. To be called after each socket call. */
void rig_flush(struct rig *rig);
/* One packet arrives now. */
bool rig_receive(struct rig *rig, const uint8_t *bytes, size_t len);
/* When something happens by itself; TEE_NEVER: not before something is done. */
uint64_t rig_deadline(const struct rig *rig);
/* Moves the clock, at most to the next deadline, and does what is due. */
void rig_step(struct rig *rig, uint64_t until_ns);
/* Moves the clock to an instant, without what is due just then. */
void rig_set_now(struct rig *rig, uint64_t now_ns);
/* Unlinks the first packet; the caller frees it. NULL: none. */
static inline struct rig_packet *rig_take(struct rig *rig)
{
	struct rig_packet *packet = rig->first;

	if (!packet)
		return NULL;
	rig->first = packet->next;
	if (!rig->first)
		rig->last = &rig->first;
	return packet;
}

#endif
