/* SPDX-License-Identifier: MIT */
/*
 * The bench of rig.h with the machine's own kernel in the stack's place. Time is real: to move the
 * clock is to wait. What a kernel will do next nobody is told, so the deadline is always soon, and
 * waiting for it ends early when a packet comes.
 *
 * The doors of the stack that the interpreter knocks at (tee_advance and the like) have nothing to
 * do here.
 */
#define _GNU_SOURCE
#include "rig.h"

#include <errno.h>
#include <linux/virtio_net.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "netns.h"

enum { LOOK_AGAIN_NS = 500000, SETTLE_NS = 30000000 };

static uint64_t clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * TEE_NS_PER_S + (uint64_t)now.tv_nsec;
}

/* Tried in a process of its own, because namespaces are entered once and for all. */
bool rig_can_run(char error[WIRE_ERROR_SIZE])
{
	struct rig_config config;
	int status = 1;
	pid_t pid = fork();

	if (!pid) {
		rig_config_init(&config, false);
		_exit(rig_new(&config, error) ? 0 : 1);
	}
	if (pid > 0)
		waitpid(pid, &status, 0);
	snprintf(error, WIRE_ERROR_SIZE, "no namespace or no TUN device for a kernel of one's own");
	return status == 0;
}

void rig_config_init(struct rig_config *config, bool is_ip6)
{
	*config = (struct rig_config){.is_ip6 = is_ip6, .mtu = 1500, .has_offloads = true};
	tee_ip_parse(is_ip6 ? "fd3d:fa7b:d17d::1" : "192.168.0.1", &config->local);
	tee_ip_parse(is_ip6 ? "2001:db8::1" : "192.0.2.1", &config->remote);
	config->prefix_bits = is_ip6 ? 48 : 16;
}

struct rig *rig_new(const struct rig_config *config, char error[WIRE_ERROR_SIZE])
{
	struct rig *rig = calloc(1, sizeof(*rig));

	if (!rig) {
		fputs("teeceepee-script: out of memory\n", stderr);
		exit(2);
	}
	rig->config = *config;
	rig->last = &rig->first;
	rig->netif = netns_open_tun(config, error);
	if (rig->netif >= 0)
		rig->world = posix_new(NULL, 0);
	if (!rig->world) {
		rig_free(rig);
		return NULL;
	}
	/* A new address is heard of by more than one part of a kernel. */
	rig->now_ns = clock_ns();
	rig_set_now(rig, rig->now_ns + SETTLE_NS);
	return rig;
}

void rig_free(struct rig *rig)
{
	struct rig_packet *packet;

	if (!rig)
		return;
	posix_free(rig->world);
	while ((packet = rig_take(rig)))
		free(packet);
	if (rig->netif >= 0)
		close(rig->netif);
	free(rig);
}

/* ---- packets ---- */

static void note(struct rig *rig, const struct virtio_net_hdr *header, const uint8_t *bytes,
		 size_t len)
{
	struct rig_packet *packet = malloc(sizeof(*packet) + len);

	if (!packet) {
		fputs("teeceepee-script: out of memory\n", stderr);
		exit(2);
	}
	memset(packet, 0, sizeof(*packet));
	memcpy(packet->bytes, bytes, len);
	packet->len = len;
	packet->at_ns = rig->now_ns;
	packet->tag = rig->tag;
	packet->is_partial = header->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM;
	wire_parse(packet->bytes, len, packet->is_partial, &packet->wire, packet->error);
	packet->wire.gso_size = header->gso_type ? header->gso_size : 0;
	*rig->last = packet;
	rig->last = &packet->next;
}

void rig_flush(struct rig *rig)
{
	static uint8_t bytes[WIRE_PACKET_MAX];
	struct virtio_net_hdr header;
	struct iovec parts[2] = {{&header, sizeof(header)}, {bytes, sizeof(bytes)}};
	ssize_t got;

	rig->now_ns = clock_ns();
	while ((got = readv(rig->netif, parts, 2)) > (ssize_t)sizeof(header))
		note(rig, &header, bytes, (size_t)got - sizeof(header));
}

bool rig_receive(struct rig *rig, const uint8_t *bytes, size_t len)
{
	struct virtio_net_hdr header = {0};
	struct iovec parts[2] = {{&header, sizeof(header)}, {(void *)(uintptr_t)bytes, len}};

	if (writev(rig->netif, parts, 2) < 0) {
		fprintf(stderr, "teeceepee-script: %s: %s\n", "TUN device", strerror(errno));
		return false;
	}
	rig_flush(rig);
	return true;
}

/* ---- time ---- */

uint64_t rig_deadline(const struct rig *rig)
{
	return rig->now_ns + LOOK_AGAIN_NS;
}

/* Waits until an instant; true: something came before it. */
static bool wait_until(struct rig *rig, uint64_t until_ns)
{
	struct pollfd item = {.fd = rig->netif, .events = POLLIN};
	uint64_t now = clock_ns();
	uint64_t left = until_ns > now ? until_ns - now : 0;
	struct timespec wait = {(time_t)(left / TEE_NS_PER_S), (long)(left % TEE_NS_PER_S)};

	return left && ppoll(&item, 1, &wait, NULL) > 0;
}

void rig_step(struct rig *rig, uint64_t until_ns)
{
	uint64_t deadline = rig_deadline(rig);

	wait_until(rig, deadline < until_ns ? deadline : until_ns);
	rig_flush(rig);
}

void rig_set_now(struct rig *rig, uint64_t now_ns)
{
	while (wait_until(rig, now_ns))
		rig_flush(rig);
	rig_flush(rig);
}

/* ---- the stack's doors ---- */

void tee_advance(struct tee_stack *stack, uint64_t now_ns)
{
	(void)stack;
	(void)now_ns;
}

void tee_stack_check(const struct tee_stack *stack)
{
	(void)stack;
}

void tee_stack_forget_hosts(struct tee_stack *stack)
{
	(void)stack;
	netns_forget_hosts();
}
