/* SPDX-License-Identifier: MIT */
/*
 * The bench. The stack's frames are collected after everything that may have made some; those that
 * it paces into the future are held until their instant, as a queueing discipline would.
 */
#include "rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FRAMES_AT_ONCE = 16, FIRST_FD = 3 };

/* The clock doesn't start at 0, so that nothing works only because "never" looks like "long ago". */
#define START_NS (UINT64_C(1000) * TEE_NS_PER_S)

void rig_config_init(struct rig_config *config, bool is_ip6)
{
	*config = (struct rig_config){.is_ip6 = is_ip6, .mtu = 1500, .has_offloads = true};
	if (is_ip6) {
		tee_ip_parse("fd3d:fa7b:d17d::1", &config->local);
		tee_ip_parse("2001:db8::1", &config->remote);
		config->prefix_bits = 48;
	} else {
		config->local = TEE_IP4(192, 168, 0, 1);
		config->remote = TEE_IP4(192, 0, 2, 1);
		config->prefix_bits = 16;
	}
	tee_config_init(&config->stack);
	config->stack.seed = 1;
}

bool rig_can_run(char error[WIRE_ERROR_SIZE])
{
	*error = '\0';
	return true;
}

static int add_netif(struct rig *rig)
{
	struct tee_netif_config netif = {
		.kind = TEE_NETIF_RAW_IP,
		.name = "tun0",
		.mtu = rig->config.mtu,
	};
	struct tee_ip any = rig->config.is_ip6 ? TEE_IP_ANY : TEE_IP4(0, 0, 0, 0);
	int error;

	if (rig->config.has_offloads)
		netif.offloads = TEE_OFFLOAD_TX_CHECKSUM | TEE_OFFLOAD_TSO4 | TEE_OFFLOAD_TSO6;
	rig->netif = tee_netif_add(rig->stack, &netif);
	if (rig->netif < 0)
		return rig->netif;
	error = tee_addr_add(rig->stack, rig->netif, &rig->config.local, rig->config.prefix_bits,
			     true);
	if (error < 0)
		return error;
	error = tee_route_add(rig->stack, rig->netif, &any, 0, NULL, 0);
	if (error < 0)
		return error;
	return tee_netif_set_up(rig->stack, rig->netif, true);
}

struct rig *rig_new(const struct rig_config *config, char error[WIRE_ERROR_SIZE])
{
	struct rig *rig = calloc(1, sizeof(*rig));
	int result = -TEE_ENOMEM;

	if (!rig)
		goto failed;
	rig->config = *config;
	rig->now_ns = START_NS;
	rig->last = &rig->first;
	rig->stack = tee_stack_new(&config->stack, rig->now_ns);
	if (!rig->stack)
		goto failed;
	result = add_netif(rig);
	if (result < 0)
		goto failed;
	rig->world = posix_new(rig->stack, FIRST_FD);
	if (!rig->world)
		goto failed;
	posix_set_now(rig->world, rig->now_ns);
	rig_flush(rig);
	return rig;
failed:
	snprintf(error, WIRE_ERROR_SIZE, "cannot set up the stack: %s", tee_strerror(result));
	rig_free(rig);
	return NULL;
}

static void free_packets(struct rig_packet *packet)
{
	while (packet) {
		struct rig_packet *next = packet->next;

		free(packet);
		packet = next;
	}
}

void rig_free(struct rig *rig)
{
	if (!rig)
		return;
	posix_free(rig->world);
	tee_stack_free(rig->stack);
	free_packets(rig->first);
	free_packets(rig->held);
	free(rig);
}

static void hold(struct rig *rig, struct rig_packet *packet)
{
	struct rig_packet **at = &rig->held;

	while (*at && (*at)->at_ns <= packet->at_ns)
		at = &(*at)->next;
	packet->next = *at;
	*at = packet;
}

static void append(struct rig *rig, struct rig_packet *packet)
{
	packet->next = NULL;
	*rig->last = packet;
	rig->last = &packet->next;
}

static void take_frame(struct rig *rig, struct tee_frame *frame)
{
	struct rig_packet *packet = malloc(sizeof(*packet) + frame->len);

	if (!packet) {
		fputs("teeceepee-script: out of memory\n", stderr);
		exit(2);
	}
	packet->len = tee_frame_copy(frame, packet->bytes);
	packet->at_ns = frame->depart_at_ns > rig->now_ns ? frame->depart_at_ns : rig->now_ns;
	packet->tag = rig->tag;
	packet->why = frame->why;
	packet->is_partial = frame->checksum_partial;
	packet->error[0] = '\0';
	wire_parse(packet->bytes, packet->len, frame->checksum_partial, &packet->wire,
		   packet->error);
	packet->wire.gso_size = frame->gso_size;
	if (packet->at_ns > rig->now_ns)
		hold(rig, packet);
	else
		append(rig, packet);
}

static void release_held(struct rig *rig)
{
	while (rig->held && rig->held->at_ns <= rig->now_ns) {
		struct rig_packet *packet = rig->held;

		rig->held = packet->next;
		append(rig, packet);
	}
}

void rig_flush(struct rig *rig)
{
	static struct tee_frame frames[FRAMES_AT_ONCE];
	int count;

	release_held(rig);
	do {
		count = tee_output(rig->stack, rig->netif, frames, FRAMES_AT_ONCE, rig->now_ns);
		for (int i = 0; i < count; i++) {
			take_frame(rig, &frames[i]);
			tee_frame_release(&frames[i]);
		}
	} while (count == FRAMES_AT_ONCE);
}

bool rig_receive(struct rig *rig, const uint8_t *bytes, size_t len)
{
	struct tee_pkt *pkt = tee_pkt_new(tee_stack_pool(rig->stack), len);

	if (!pkt)
		return false;
	memcpy(tee_pkt_bytes(pkt), bytes, len);
	pkt->len = (uint32_t)len;
	pkt->at_ns = rig->now_ns;
	tee_input(rig->stack, rig->netif, pkt, rig->now_ns);
	rig_flush(rig);
	return true;
}

uint64_t rig_deadline(const struct rig *rig)
{
	uint64_t deadline = tee_deadline(rig->stack);

	if (rig->held && rig->held->at_ns < deadline)
		deadline = rig->held->at_ns;
	return deadline;
}

void rig_set_now(struct rig *rig, uint64_t now_ns)
{
	/* Calls between two deadlines find the clock as a host's loop would have it; what is due just now waits. */
	if (now_ns > rig->now_ns) {
		rig->now_ns = now_ns;
		tee_advance(rig->stack, now_ns - 1);
	}
	posix_set_now(rig->world, rig->now_ns);
}

void rig_step(struct rig *rig, uint64_t until_ns)
{
	uint64_t deadline = rig_deadline(rig);

	rig_set_now(rig, deadline < until_ns ? deadline : until_ns);
	tee_advance(rig->stack, rig->now_ns);
	rig_flush(rig);
}
