/* SPDX-License-Identifier: MIT */
/*
 * Drawing a world from its seed. All draws are made, always, in one order; features that are to be
 * left out are switched off afterwards. So a world without its loss is the same world otherwise, and
 * shrinking takes away one thing after the other until only what matters remains.
 *
 * Probabilities are chosen so that most worlds are mild (whatever fails in them is a fault of ours),
 * and each hard fault comes up in about one world of eight.
 */
#include "plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "tcp/cc/cc.h"

enum {
	BULK_BYTES_MIN = 4000, /* more is "bulk" */
	PMTU_MIN = 1280,       /* of IPv6 */
};

static const char *const feature_names[] = {
	"loss",     "burst",    "reorder",    "duplicate", "corrupt", "cut",        "jitter",
	"rate",     "delay",    "aqm",        "ethernet",  "offload", "router",     "mtu",
	"pool",     "down",     "blackout",   "clock",     "freeze",  "change",     "tiny",
	"options",  "cc",       "shortwrite", "stall",     "reset",   "earlyclose", "loopback",
	"zerocopy", "datagram", "bulk",       "memory",    "pmtu",
};
_Static_assert(sizeof(feature_names) / sizeof(feature_names[0]) == PLAN_FEATURE_COUNT,
	       "a name for each feature");

const char *plan_feature_name(unsigned idx)
{
	return feature_names[idx];
}

bool plan_without_parse(const char *text, struct plan_without *ret_without)
{
	while (*text) {
		size_t len = strcspn(text, ",");
		bool is_known = false;

		if (len > 4 && strncmp(text, "conn", 4) == 0) {
			unsigned long idx = strtoul(text + 4, NULL, 10);

			is_known = idx < PLAN_CONNS_MAX;
			if (is_known)
				ret_without->conns |= UINT64_C(1) << idx;
		}
		for (unsigned i = 0; i < PLAN_FEATURE_COUNT; i++) {
			if (strlen(feature_names[i]) == len &&
			    strncmp(feature_names[i], text, len) == 0) {
				ret_without->features |= UINT64_C(1) << i;
				is_known = true;
			}
		}
		if (!is_known)
			return false;
		text += len + (text[len] == ',');
	}
	return true;
}

void plan_without_print(const struct plan_without *without, char *text, size_t size)
{
	size_t at = 0;

	text[0] = 0;
	for (unsigned i = 0; i < PLAN_FEATURE_COUNT && at < size; i++) {
		if (without->features >> i & 1)
			at += (size_t)snprintf(text + at, size - at, "%s%s", at ? "," : "",
					       feature_names[i]);
	}
	for (unsigned i = 0; i < PLAN_CONNS_MAX && at < size; i++) {
		if (without->conns >> i & 1)
			at += (size_t)snprintf(text + at, size - at, "%sconn%u", at ? "," : "", i);
	}
}

/* ---- chance ---- */

static bool one_in(struct random *random, unsigned n)
{
	return random_below(random, n) == 0;
}

static uint64_t between(struct random *random, uint64_t low, uint64_t high)
{
	return low + random_below(random, high - low + 1);
}

/* Between, with every order of magnitude as likely as the others. */
static uint64_t between_log(struct random *random, uint64_t low, uint64_t high)
{
	unsigned doublings = 0;
	uint64_t at;

	while (low << (doublings + 1) <= high)
		doublings++;
	at = low << random_below(random, doublings + 1);
	at = between(random, at, at * 2 - 1);
	return at > high ? high : at;
}

/* ---- the link ---- */

static void draw_path(struct random *random, struct sim_path_config *path)
{
	static const uint64_t rates[] = {0, 64000, 1000000, 10000000, 100000000, 1000000000};

	path->rate_bits_per_s = rates[random_below(random, 6)];
	path->delay_ns = between_log(random, 20 * TEE_NS_PER_US, 400 * TEE_NS_PER_MS);
	path->jitter_ns = one_in(random, 3) ? random_below(random, path->delay_ns) : 0;
	path->qdisc = (enum sim_qdisc)random_below(random, 3);
	path->ecn = one_in(random, 2);
	path->queue_bytes = (uint32_t)between_log(random, 3000, 1 << 20);
	path->loss = one_in(random, 2) ? random_unit(random) * 0.05 : 0;
	if (one_in(random, 6)) {
		path->burst_enter = 0.002 + random_unit(random) * 0.01;
		/* The state changes by packet: left seldom, it would outlive all retransmissions. */
		path->burst_leave = 0.4 + random_unit(random) * 0.5;
		path->burst_loss = 0.5 + random_unit(random) * 0.45;
	}
	path->reorder = one_in(random, 3) ? random_unit(random) * 0.2 : 0;
	path->reorder_gap_ns = between_log(random, 10 * TEE_NS_PER_US, 50 * TEE_NS_PER_MS);
	path->duplicate = one_in(random, 4) ? random_unit(random) * 0.1 : 0;
	path->corrupt = one_in(random, 4) ? random_unit(random) * 0.02 : 0;
	path->cut = one_in(random, 4) ? random_unit(random) * 0.5 : 0;
}

static void strip_path(struct sim_path_config *path, uint64_t off)
{
	if (off >> PLAN_LOSS & 1)
		path->loss = 0;
	if (off >> PLAN_BURST & 1)
		path->burst_enter = 0;
	if (off >> PLAN_REORDER & 1)
		path->reorder = 0;
	if (off >> PLAN_DUPLICATE & 1)
		path->duplicate = 0;
	if (off >> PLAN_CORRUPT & 1)
		path->corrupt = 0;
	if (off >> PLAN_CUT & 1)
		path->cut = 0;
	if (off >> PLAN_JITTER & 1)
		path->jitter_ns = 0;
	if (off >> PLAN_RATE & 1)
		path->rate_bits_per_s = 0;
	if (off >> PLAN_DELAY & 1)
		path->delay_ns = 20 * TEE_NS_PER_US;
	if (off >> PLAN_AQM & 1)
		path->qdisc = SIM_DROPTAIL;
}

/* A queue that is smaller than a few packets starves the larger ones for ever. */
static void make_room(const struct sim_link_config *link, struct sim_path_config *path)
{
	uint32_t least = link->offloads && link->is_whole ? 4 * 65536 : 8 * link->mtu;

	if (path->queue_bytes < least)
		path->queue_bytes = least;
	if (link->offloads && link->is_whole && path->rate_bits_per_s &&
	    path->rate_bits_per_s < 10000000)
		path->rate_bits_per_s = 10000000;
}

static void draw_link(struct random *random, struct plan *plan, uint64_t off)
{
	struct sim_link_config *link = &plan->link;

	for (unsigned i = 0; i < 2; i++)
		draw_path(random, &link->path[i]);
	link->is_ethernet = one_in(random, 3);
	plan->has_router = one_in(random, 4);
	link->mtu = one_in(random, 4) ? (uint32_t)between(random, 1280, 9000) : 1500;
	link->offloads = one_in(random, 3)
				 ? TEE_OFFLOAD_TX_CHECKSUM | TEE_OFFLOAD_TSO4 | TEE_OFFLOAD_TSO6
				 : 0;
	link->is_whole = one_in(random, 2);
	for (unsigned i = 0; i < 2; i++)
		strip_path(&link->path[i], off);
	if (off >> PLAN_ETHERNET & 1)
		link->is_ethernet = false;
	if (off >> PLAN_ROUTER & 1)
		plan->has_router = false;
	if (off >> PLAN_SMALL_MTU & 1)
		link->mtu = 1500;
	/* A partial checksum can't show what a wire corrupts. */
	if (link->path[0].corrupt > 0 || link->path[1].corrupt > 0)
		link->is_whole = false;
	if (off >> PLAN_OFFLOAD & 1)
		link->offloads = 0;
	if (plan->has_router)
		link->is_ethernet = false;
	for (unsigned i = 0; i < 2; i++)
		make_room(link, &link->path[i]);
}

/* ---- hosts ---- */

static void draw_config(struct random *random, struct plan *plan, struct tee_config *config,
			uint64_t off)
{
	uint64_t bits = random_u64(random);
	uint32_t tiny = (uint32_t)between_log(random, 256, 16384);
	bool is_tiny = one_in(random, 6);
	unsigned cc = (unsigned)random_below(random, 8);
	uint64_t memory = between_log(random, 256 << 10, 8 << 20);
	unsigned ecn = (unsigned)random_below(random, 4);
	uint32_t backlog = (uint32_t)between(random, 1, 4);
	bool is_small_backlog = one_in(random, 8);

	tee_config_init(config);
	if (!(off >> PLAN_OPTIONS & 1)) {
		config->tcp_sack = (bits & 7) != 0;
		config->tcp_dsack = (bits >> 3 & 7) != 0;
		config->tcp_timestamps = (bits >> 6 & 3) != 0;
		config->tcp_window_scaling = (bits >> 8 & 7) != 0;
		config->tcp_rack = (bits >> 11 & 7) != 0;
		config->tcp_tlp = (bits >> 14 & 7) != 0;
		config->tcp_frto = (bits >> 17 & 7) != 0;
		config->tcp_prr = (bits >> 20 & 7) != 0;
		config->tcp_pacing = (bits >> 23 & 3) == 0;
		config->tcp_hystart = (bits >> 25 & 1) != 0;
		config->tcp_undo = (bits >> 26 & 7) != 0;
		config->tcp_limited_transmit = (bits >> 29 & 3) != 0;
		config->tcp_ecn = (enum tee_ecn_mode)ecn;
		config->tcp_mtu_probing = (bits >> 40 & 7) < 3 ? (uint32_t)(bits >> 40 & 7) : 0;
		config->tcp_base_mss = 256u << (bits >> 43 & 3);
		if (is_small_backlog) {
			config->syn_queue_max = backlog;
			plan->has_tiny_backlog = true;
		}
	}
	if (is_tiny && !(off >> PLAN_TINY_BUFFERS & 1)) {
		config->tcp_rcvbuf_min = config->tcp_rcvbuf_initial = config->tcp_rcvbuf_max = tiny;
		config->tcp_autotuning = false;
	}
	if (!(off >> PLAN_CC & 1) && cc_name(cc))
		strcpy(config->tcp_cc, cc_name(cc));
	config->memory_bytes_max = PLAN_MEMORY_BYTES_MAX;
	if (!(off >> PLAN_POOL & 1) && (bits >> 33 & 7) == 0)
		config->memory_bytes_max = (size_t)memory;
}

/* ---- faults ---- */

static void draw_faults(struct random *random, struct plan_faults *faults, uint64_t off)
{
	uint64_t at[6], span[6];
	bool wanted[6];

	for (unsigned i = 0; i < 6; i++) {
		wanted[i] = one_in(random, 8);
		at[i] = between_log(random, TEE_NS_PER_MS, 20 * TEE_NS_PER_S);
		span[i] = between_log(random, 10 * TEE_NS_PER_MS, 60 * TEE_NS_PER_S);
	}
	faults->pool_host = (unsigned)random_below(random, PLAN_HOSTS);
	faults->clock_host = (unsigned)random_below(random, PLAN_HOSTS);
	faults->freeze_host = (unsigned)random_below(random, PLAN_HOSTS);
	faults->clock_by_ns = between_log(random, TEE_NS_PER_MS, UINT64_C(4000000) * TEE_NS_PER_S);
	faults->change_delay_ns = between_log(random, 20 * TEE_NS_PER_US, TEE_NS_PER_S);
	faults->change_rate = between_log(random, 100000, 1000000000);
	if (wanted[0] && !(off >> PLAN_POOL & 1))
		faults->pool_at_ns = at[0], faults->pool_for_ns = span[0];
	if (wanted[1] && !(off >> PLAN_LINK_DOWN & 1))
		faults->down_at_ns = at[1], faults->down_for_ns = span[1];
	if (wanted[2] && !(off >> PLAN_BLACKOUT & 1))
		faults->black_at_ns = at[2], faults->black_for_ns = span[2];
	if (wanted[3] && !(off >> PLAN_CLOCK & 1))
		faults->clock_at_ns = at[3];
	if (wanted[4] && !(off >> PLAN_FREEZE & 1))
		faults->freeze_at_ns = at[4], faults->freeze_for_ns = span[4];
	if (wanted[5] && !(off >> PLAN_PATH_CHANGE & 1))
		faults->change_at_ns = at[5];
}

static void draw_memory(struct random *random, struct plan_faults *faults, uint64_t off)
{
	bool is_wanted = one_in(random, 8);
	uint64_t at = between_log(random, TEE_NS_PER_MS, 10 * TEE_NS_PER_S);
	uint64_t span = between_log(random, 10 * TEE_NS_PER_MS, 60 * TEE_NS_PER_S);
	uint64_t share = between_log(random, 1, 300);

	if (!is_wanted || off >> PLAN_MEMORY & 1)
		return;
	faults->memory_at_ns = at;
	faults->memory_for_ns = span;
	faults->memory_one_in = share;
}

/*
 * A slab that once got a page has room for all of a world's connections: so that those, too, are refused, each is an
 * allocation of its own at every second host.
 */
static void draw_slabs(struct random *random, struct plan *plan)
{
	for (unsigned i = 0; i < PLAN_HOSTS; i++)
		if (one_in(random, 2))
			plan->config[i].slabs = false;
}

static void draw_pmtu(struct random *random, struct plan *plan, uint64_t off)
{
	struct plan_faults *faults = &plan->faults;
	bool is_wanted = one_in(random, 2);
	uint64_t at = one_in(random, 3) ? 0 : between_log(random, TEE_NS_PER_MS, 10 * TEE_NS_PER_S);
	uint64_t span = between_log(random, 10 * TEE_NS_PER_MS, 600 * TEE_NS_PER_S);
	uint32_t pmtu = (uint32_t)between(random, PMTU_MIN, plan->link.mtu);
	bool is_silent = one_in(random, 4);

	if (!is_wanted || !plan->has_router || off >> PLAN_PMTU & 1)
		return;
	faults->pmtu_at_ns = at;
	faults->pmtu_for_ns = span;
	faults->pmtu = pmtu;
	faults->pmtu_is_silent = is_silent;
}

/* ---- connections ---- */

static void draw_end(struct random *random, struct plan_end *end, uint64_t off)
{
	unsigned ending = (unsigned)random_below(random, 16);
	bool is_short = one_in(random, 5), is_stalled = one_in(random, 5);
	bool is_buffered = one_in(random, 6);

	end->bytes = one_in(random, 5) ? 0 : between_log(random, 1, 200000);
	if (off >> PLAN_BULK & 1 && end->bytes > BULK_BYTES_MIN)
		end->bytes = BULK_BYTES_MIN;
	end->write_max = (uint32_t)between_log(random, 1, 65536);
	if (!is_short || off >> PLAN_SHORT_WRITES & 1)
		end->write_max = 65536;
	else if (end->bytes > 400 * (uint64_t)end->write_max)
		end->bytes = 400 * (uint64_t)end->write_max;
	end->read_max = one_in(random, 3) ? (uint32_t)between_log(random, 16, 65536) : 65536;
	end->write_pause_ns = between_log(random, TEE_NS_PER_US, 300 * TEE_NS_PER_MS);
	end->write_burst = (uint32_t)between_log(random, 1, 65536);
	if (!is_short || off >> PLAN_SHORT_WRITES & 1)
		end->write_pause_ns = 0;
	else if (end->write_burst < end->bytes / 100)
		end->write_burst = (uint32_t)(end->bytes / 100) + 1;
	end->stall_ns = between_log(random, 10 * TEE_NS_PER_MS, 100 * TEE_NS_PER_S);
	end->stall_at_bytes = between_log(random, 1, 100000);
	if (!is_stalled || off >> PLAN_STALLS & 1)
		end->stall_ns = 0;
	end->abort_at_bytes = between_log(random, 1, 100000);
	end->copy_mode = (uint8_t)random_below(random, 3);
	if (off >> PLAN_ZERO_COPY & 1)
		end->copy_mode = 0;
	end->nodelay = one_in(random, 3);
	end->cork_at_times = one_in(random, 8);
	end->peeks = one_in(random, 4);
	end->rcvbuf = (uint32_t)between_log(random, 512, 65536);
	end->sndbuf = (uint32_t)between_log(random, 512, 65536);
	if (!is_buffered || off >> PLAN_TINY_BUFFERS & 1)
		end->rcvbuf = end->sndbuf = 0;
	end->ending = END_ORDERLY;
	if (ending == 0 && !(off >> PLAN_RESETS & 1))
		end->ending = END_ABORT;
	else if (ending == 1 && !(off >> PLAN_EARLY_CLOSE & 1))
		end->ending = END_CLOSE_EARLY;
	else if (ending <= 4)
		end->ending = END_LATE_WRITER;
}

static void draw_conn(struct random *random, struct plan_conn *conn, uint64_t off)
{
	conn->opener = (unsigned)random_below(random, PLAN_HOSTS);
	conn->is_loopback = one_in(random, 10);
	conn->is_ip6 = one_in(random, 2);
	conn->binds_port = one_in(random, 3);
	conn->start_ns = one_in(random, 2) ? 0 : random_below(random, 5 * TEE_NS_PER_S);
	conn->cc = (unsigned)random_below(random, 8);
	draw_end(random, &conn->end[0], off);
	draw_end(random, &conn->end[1], off);
	if (conn->end[0].ending == END_LATE_WRITER) /* two who wait for each other wait for ever */
		conn->end[0].ending = END_ORDERLY;
	if (off >> PLAN_LOOPBACK & 1)
		conn->is_loopback = false;
}

void plan_draw(struct plan *plan, uint64_t seed, const struct plan_without *without)
{
	uint64_t off = without->features;
	struct random random;

	memset(plan, 0, sizeof(*plan));
	plan->seed = seed;
	random_init(&random, seed);
	draw_link(&random, plan, off);
	for (unsigned i = 0; i < PLAN_HOSTS; i++)
		draw_config(&random, plan, &plan->config[i], off);
	draw_faults(&random, &plan->faults, off);
	plan->datagram_count = one_in(&random, 3) ? (unsigned)between(&random, 1, 20) : 0;
	if (off >> PLAN_DATAGRAMS & 1)
		plan->datagram_count = 0;
	plan->conn_count = (unsigned)between_log(&random, 1, PLAN_CONNS_MAX);
	for (unsigned i = 0; i < plan->conn_count; i++) {
		draw_conn(&random, &plan->conns[i], off);
		plan->conns[i].is_left_out = without->conns >> i & 1;
	}
	draw_memory(&random, &plan->faults, off);
	draw_pmtu(&random, plan, off);
	draw_slabs(&random, plan);
}

bool plan_is_hard(const struct plan *plan)
{
	const struct plan_faults *faults = &plan->faults;

	return faults->pool_at_ns || faults->down_at_ns || faults->black_at_ns ||
	       faults->clock_at_ns || faults->freeze_at_ns || faults->memory_at_ns ||
	       faults->pmtu_is_silent || plan->has_tiny_backlog ||
	       plan->config[0].memory_bytes_max < PLAN_MEMORY_BYTES_MAX ||
	       plan->config[1].memory_bytes_max < PLAN_MEMORY_BYTES_MAX;
}
