/* SPDX-License-Identifier: MIT */
/*
 * The queue disciplines of a link: drop-tail, RED, CoDel.
 *
 * RED (S. Floyd and V. Jacobson 1993, in the gentle form; RFC 7567 tells its place) decides on
 * entry by an exponentially weighted average of the queue, with marks spaced evenly. CoDel (RFC 8289)
 * decides on leaving by how long packets had to wait: once the wait was above the target for an
 * interval, it drops (or marks), and the next drops come ever closer, by the inverse square root of
 * their count. Both mark instead of dropping when the link does ECN and the packet allows it (RFC
 * 3168); a full queue always drops.
 */
#include <math.h>
#include <stdlib.h>

#include "sim/path.h"

enum { RED_WEIGHT_SHIFT = 9 }; /* w = 1/512 */

uint32_t sim_path_queue_limit(const struct sim_path *path)
{
	uint64_t bytes = path->config.rate_bits_per_s / 80;

	if (path->config.queue_bytes)
		return path->config.queue_bytes;
	if (bytes < 65536)
		bytes = 65536;
	return bytes > UINT32_MAX ? UINT32_MAX : (uint32_t)bytes;
}

static bool queue_mark(struct sim_path *path, struct sim_packet *packet)
{
	if (!path->config.ecn || !sim_packet_mark_ce(packet))
		return false;
	path->stats.marked++;
	return true;
}

/* ---- RED ---- */

static void red_update_average(struct sim_path *path)
{
	struct sim_red *red = &path->red;
	const double weight = 1.0 / (1 << RED_WEIGHT_SHIFT);

	if (path->queue_bytes == 0 && red->idle_since_ns) {
		/* The average decays as if small packets had met an empty queue meanwhile. */
		double idle_s = (double)(*path->now_ns - red->idle_since_ns) / 1e9;
		double packets = idle_s * (double)path->config.rate_bits_per_s / 8 / 1500;

		red->average_bytes *= pow(1 - weight, packets);
		red->idle_since_ns = 0;
	}
	red->average_bytes += weight * ((double)path->queue_bytes - red->average_bytes);
}

/* The share of packets to mark at this average, 1.0 and above: drop. */
static double red_probability(const struct sim_path *path)
{
	double limit = sim_path_queue_limit(path), average = path->red.average_bytes;
	double low = path->config.red_min_bytes ? path->config.red_min_bytes : limit / 4;
	double high = path->config.red_max_bytes ? path->config.red_max_bytes : limit / 2;
	double top = path->config.red_probability > 0 ? path->config.red_probability : 0.1;

	if (average < low)
		return 0;
	if (average < high)
		return top * (average - low) / (high - low);
	if (average < 2 * high)
		return top + (1 - top) * (average - high) / high;
	return 1;
}

static enum sim_verdict red_enter(struct sim_path *path, struct sim_packet *packet)
{
	struct sim_red *red = &path->red;
	double probability, spaced;

	red_update_average(path);
	probability = red_probability(path);
	if (probability <= 0) {
		red->since_mark = -1;
		return SIM_PASS;
	}
	red->since_mark++;
	/* Evenly spaced: the longer since the last mark, the likelier. */
	spaced = probability * (double)red->since_mark;
	spaced = spaced >= 1 ? 1 : probability / (1 - spaced);
	if (random_unit(&path->random) >= spaced)
		return SIM_PASS;
	red->since_mark = 0;
	if (probability < 1 && queue_mark(path, packet))
		return SIM_PASS;
	return SIM_DROP_EARLY;
}

enum sim_verdict sim_queue_enter(struct sim_path *path, struct sim_packet *packet)
{
	enum sim_verdict verdict = SIM_PASS;

	if (path->config.qdisc == SIM_RED)
		verdict = red_enter(path, packet);
	/* One packet always fits, so that a queue smaller than a super-frame still passes something. */
	if (verdict == SIM_PASS && path->queue_bytes > 0 &&
	    path->queue_bytes + packet->len > sim_path_queue_limit(path))
		verdict = SIM_DROP;
	return verdict;
}

/* ---- CoDel ---- */

static struct sim_packet *queue_pop(struct sim_path *path)
{
	struct sim_packet *packet = path->head;

	if (!packet)
		return NULL;
	path->head = packet->next;
	if (!path->head)
		path->tail = NULL;
	packet->next = NULL;
	path->queue_bytes -= packet->len;
	if (path->queue_bytes == 0)
		path->red.idle_since_ns = *path->now_ns;
	return packet;
}

/* Has the wait been above the target for a whole interval? RFC 8289 section 5.4, dodequeue. */
static bool codel_is_late(struct sim_path *path, const struct sim_packet *packet)
{
	const struct sim_path_config *config = &path->config;
	double target = config->codel_target_ns ? (double)config->codel_target_ns : 5e6;
	uint64_t interval = config->codel_interval_ns ? config->codel_interval_ns : 100000000;
	uint64_t now = *path->now_ns;

	if (packet->len > path->codel.packet_bytes_max)
		path->codel.packet_bytes_max = packet->len;
	/* On a link so slow that a packet takes longer than the target, nothing could ever be met. */
	if (config->rate_bits_per_s)
		target = fmax(target,
			      8e9 * path->codel.packet_bytes_max / (double)config->rate_bits_per_s);
	if ((double)(now - packet->queued_at_ns) < target ||
	    path->queue_bytes <= path->codel.packet_bytes_max) {
		path->codel.first_above_at_ns = 0;
		return false;
	}
	if (path->codel.first_above_at_ns == 0) {
		path->codel.first_above_at_ns = now + interval;
		return false;
	}
	return now >= path->codel.first_above_at_ns;
}

static uint64_t codel_next(const struct sim_path *path, uint64_t from_ns)
{
	uint64_t interval = path->config.codel_interval_ns ? path->config.codel_interval_ns
							   : 100000000;

	return from_ns + (uint64_t)((double)interval / sqrt((double)path->codel.count));
}

/* Marks the packet, or drops it and takes the next; *late is then of that one. */
static struct sim_packet *codel_punish(struct sim_path *path, struct sim_packet *packet, bool *late)
{
	if (queue_mark(path, packet)) {
		*late = false;
		return packet;
	}
	path->stats.drops_aqm++;
	free(packet);
	packet = queue_pop(path);
	*late = packet && codel_is_late(path, packet);
	return packet;
}

/* RFC 8289 section 5.5, dequeue. */
static struct sim_packet *codel_leave(struct sim_path *path)
{
	struct sim_codel *codel = &path->codel;
	uint64_t now = *path->now_ns;
	struct sim_packet *packet = queue_pop(path);
	bool late = packet && codel_is_late(path, packet);

	if (codel->is_dropping) {
		if (!late)
			codel->is_dropping = false;
		while (packet && codel->is_dropping && now >= codel->drop_next_ns) {
			uint64_t marked = path->stats.marked;

			codel->count++;
			packet = codel_punish(path, packet, &late);
			codel->drop_next_ns = codel_next(path, codel->drop_next_ns);
			if (path->stats.marked != marked)
				break;
			if (!late)
				codel->is_dropping = false;
		}
	} else if (late) {
		packet = codel_punish(path, packet, &late);
		codel->is_dropping = true;
		/* Back soon after the last time: go on with about the rate that helped then. */
		if (codel->count - codel->last_count > 1 &&
		    now - codel->drop_next_ns < 16 * (codel_next(path, now) - now))
			codel->count -= codel->last_count;
		else
			codel->count = 1;
		codel->drop_next_ns = codel_next(path, now);
		codel->last_count = codel->count;
	}
	if (!packet)
		codel->is_dropping = false;
	return packet;
}

struct sim_packet *sim_queue_leave(struct sim_path *path)
{
	return path->config.qdisc == SIM_CODEL ? codel_leave(path) : queue_pop(path);
}
