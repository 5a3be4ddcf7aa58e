/* SPDX-License-Identifier: MIT */
/*
 * One direction of a link. A packet enters by sim_path_send(), waits in the queue (queue.c), is
 * transmitted at the rate, and travels: the wire may lose it (by chance, or in the bursts of
 * Gilbert's and Elliott's two-state model), turn a bit over, deliver it twice, or hold it back so
 * that later ones overtake. It comes out as a call of `arrive`.
 *
 * Jitter keeps the order, as a real queue elsewhere on the way would; only `reorder` breaks it.
 * All chance is from the path's own generator, so that one link's traffic doesn't change another's
 * luck. Everything in struct sim_path_config may change while packets are under way (a change of the
 * path); what has been transmitted keeps the delay it was given.
 */
#include "sim/path.h"

#include <stdlib.h>

void sim_path_init(struct sim_path *path, const struct sim_path_config *config, uint64_t seed,
		   struct sim_heap *heap, const uint64_t *now_ns, sim_fn *arrive, void *owner)
{
	*path = (struct sim_path){0};
	path->config = *config;
	path->red.since_mark = -1;
	random_init(&path->random, seed);
	path->heap = heap;
	path->now_ns = now_ns;
	path->arrive = arrive;
	path->owner = owner;
}

void sim_path_fini(struct sim_path *path)
{
	while (path->head) {
		struct sim_packet *packet = path->head;

		path->head = packet->next;
		free(packet);
	}
	path->tail = NULL;
	path->queue_bytes = 0;
}

static bool path_happens(struct sim_path *path, double probability)
{
	return probability > 0 && random_unit(&path->random) < probability;
}

/* ---- the wire ---- */

static bool wire_loses(struct sim_path *path)
{
	const struct sim_path_config *config = &path->config;

	if (config->burst_enter > 0) {
		if (path_happens(path, path->is_bad ? config->burst_leave : config->burst_enter))
			path->is_bad = !path->is_bad;
		if (path->is_bad && path_happens(path, config->burst_loss))
			return true;
	}
	return path_happens(path, config->loss);
}

static void wire_arrive_at(struct sim_path *path, struct sim_packet *packet, uint64_t at_ns)
{
	if (sim_heap_push(path->heap, at_ns, path->arrive, path->owner, packet, true) < 0) {
		path->stats.drops_memory++;
		free(packet);
	}
}

static void wire_travel(struct sim_path *path, struct sim_packet *packet);

/* Out of the transmitter: perhaps in two pieces, which then have each their own fate. */
static void wire_carry(struct sim_path *path, struct sim_packet *packet)
{
	struct sim_packet *second = NULL;

	path->stats.packets_out++;
	path->stats.bytes_out += packet->len;
	path->bytes_sent += packet->len;
	if (path_happens(path, path->config.cut))
		second = sim_packet_cut(packet, random_u64(&path->random));
	wire_travel(path, packet);
	if (second) {
		path->stats.cut++;
		wire_travel(path, second);
	}
}

static void wire_travel(struct sim_path *path, struct sim_packet *packet)
{
	const struct sim_path_config *config = &path->config;
	uint64_t at = *path->now_ns + config->delay_ns;
	struct sim_packet *twin = NULL;

	if (wire_loses(path)) {
		path->stats.drops_loss++;
		free(packet);
		return;
	}
	if (path_happens(path, config->corrupt)) {
		path->stats.corrupted++;
		if (!sim_packet_corrupt(packet, random_u64(&path->random))) {
			free(packet);
			return;
		}
	}
	if (config->jitter_ns)
		at += random_below(&path->random, config->jitter_ns);
	if (path_happens(path, config->reorder)) {
		path->stats.reordered++;
		at += config->reorder_gap_ns ? config->reorder_gap_ns : 1000000;
	} else {
		if (at < path->last_arrival_ns)
			at = path->last_arrival_ns;
		path->last_arrival_ns = at;
	}
	if (path_happens(path, config->duplicate))
		twin = sim_packet_copy(packet);
	wire_arrive_at(path, packet, at);
	if (twin) {
		path->stats.duplicated++;
		wire_arrive_at(path, twin, at);
	}
}

/* ---- the transmitter ---- */

static void path_transmit_next(struct sim_path *path);

/* The last bit of a packet has left. */
static void path_transmitted(void *owner, void *arg)
{
	struct sim_path *path = owner;

	path->is_busy = false;
	wire_carry(path, arg);
	path_transmit_next(path);
}

static void path_transmit_next(struct sim_path *path)
{
	struct sim_packet *packet;
	uint64_t wait, duration, rate = path->config.rate_bits_per_s;

	while (!path->is_busy && (packet = sim_queue_leave(path))) {
		wait = *path->now_ns - packet->queued_at_ns;
		path->stats.queue_delay_sum_ns += wait;
		path->stats.queue_delay_count++;
		if (wait > path->stats.queue_delay_max_ns)
			path->stats.queue_delay_max_ns = wait;
		if (rate == 0) { /* the limit was lifted while packets waited */
			wire_carry(path, packet);
			continue;
		}
		duration = (uint64_t)((double)packet->len * 8e9 / (double)rate);
		path->stats.busy_ns += duration;
		path->is_busy = true;
		if (sim_heap_push(path->heap, *path->now_ns + duration, path_transmitted, path,
				  packet, true) < 0) {
			path->stats.drops_memory++;
			path->is_busy = false;
			free(packet);
		}
	}
}

/* Is it one of those that are lost by their number? */
static bool path_is_doomed(const struct sim_path *path)
{
	for (unsigned i = 0; i < SIM_LOSE_MAX && path->config.lose[i].from; i++) {
		if (path->entered >= path->config.lose[i].from &&
		    path->entered <= path->config.lose[i].to)
			return true;
	}
	return false;
}

void sim_path_send(struct sim_path *path, struct sim_packet *packet)
{
	enum sim_verdict verdict;

	path->stats.packets_in++;
	path->entered++;
	if (path_is_doomed(path)) {
		path->stats.drops_loss++;
		free(packet);
		return;
	}
	if (path->config.is_down) {
		path->stats.drops_down++;
		free(packet);
		return;
	}
	if (path->config.rate_bits_per_s == 0 && !path->head) {
		wire_carry(path, packet);
		return;
	}
	verdict = sim_queue_enter(path, packet);
	if (verdict != SIM_PASS) {
		if (verdict == SIM_DROP)
			path->stats.drops_queue++;
		else
			path->stats.drops_aqm++;
		free(packet);
		return;
	}
	packet->next = NULL;
	packet->queued_at_ns = *path->now_ns;
	if (path->tail)
		path->tail->next = packet;
	else
		path->head = packet;
	path->tail = packet;
	path->queue_bytes += packet->len;
	if (path->queue_bytes > path->stats.queue_bytes_max)
		path->stats.queue_bytes_max = path->queue_bytes;
	path_transmit_next(path);
}
