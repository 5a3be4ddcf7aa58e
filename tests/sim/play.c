/* SPDX-License-Identifier: MIT */
/*
 * Playing a world: builds it from its plan, lets faults happen when the plan says so, checks every
 * invariant of both stacks after every step, and, when the applications are done, waits until the
 * stacks are silent and asks for everything back: no packet buffer in use, no connection left.
 */
#include "play.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <teeceepee/trace.h>

#include "app.h"
#include "base/counters.h"
#include "memory.h"

enum { HOG_BYTES = 4096 };
/* Longer than anything may take: 15 retransmissions, backed off to two minutes each, and more. */
#define PLAY_TIME_MAX (UINT64_C(6) * 3600 * TEE_NS_PER_S)
/* After the last close: FIN's retransmissions, then TIME-WAIT. */
#define PLAY_SILENCE_MAX (UINT64_C(3) * 3600 * TEE_NS_PER_S)

/* ---- the digest ---- */

static void digest_add(uint64_t *digest, const void *data, size_t len)
{
	const uint8_t *byte = data;

	for (size_t i = 0; i < len; i++)
		*digest = (*digest ^ byte[i]) * UINT64_C(0x100000001b3);
}

static void play_tap(void *arg, struct sim_node *node, bool is_out, const uint8_t *data,
		     uint32_t len, uint64_t at_ns)
{
	struct app_world *world = arg;
	uint64_t head[3] = {at_ns, node->idx * 2 + is_out, len};

	digest_add(&world->result->digest, head, sizeof(head));
	digest_add(&world->result->digest, data, len < 128 ? len : 128);
	world->result->frames++;
	world->result->virtual_ns = at_ns;
}

/* ---- what is seen with --loud ---- */

struct listener {
	struct app_world *world;
	unsigned host;
};

static void flags_text(unsigned flags, char text[12])
{
	static const char letters[] = "FSRPAUEWN";
	unsigned at = 0;

	for (unsigned i = 0; i < 9; i++) {
		if (flags >> i & 1)
			text[at++] = letters[i];
	}
	text[at] = 0;
}

static void play_trace(void *arg, const struct tee_trace *trace)
{
	struct listener *listener = arg;
	const struct tee_trace_seg *seg = &trace->seg;
	char flags[12], sack[96] = "";
	int at = 0;

	flags_text(seg->flags, flags);
	for (unsigned i = 0; i < seg->sack_count && i < 4; i++)
		at += snprintf(sack + at, sizeof(sack) - (size_t)at, " sack %u-%u", seg->sack[i][0],
			       seg->sack[i][1]);
	switch (trace->kind) {
	case TEE_TRACE_TCP_OUT:
	case TEE_TRACE_TCP_IN:
		app_say(listener->world, "  host %u %s %u:%u %s seq %u len %u ack %u win %u%s  %s",
			listener->host, trace->kind == TEE_TRACE_TCP_OUT ? ">" : "<",
			trace->local.port, trace->remote.port, flags, seg->rel_seq, seg->len,
			seg->rel_ack, seg->window, sack,
			trace->kind == TEE_TRACE_TCP_OUT ? tee_why_name(trace->why) : "");
		break;
	case TEE_TRACE_DROP:
		app_say(listener->world, "  host %u drops: %s", listener->host, trace->text);
		break;
	case TEE_TRACE_TCP_CC:
	case TEE_TRACE_TCP_LOST:
		app_say(listener->world,
			"  host %u %u:%u %s; cwnd %llu ssthresh %llu in flight %llu",
			listener->host, trace->local.port, trace->remote.port,
			trace->text ? trace->text : "", (unsigned long long)trace->cwnd_bytes,
			(unsigned long long)trace->ssthresh_bytes,
			(unsigned long long)trace->in_flight_bytes);
		break;
	default: break;
	}
}

/* ---- faults ---- */

struct hog {
	struct tee_pkt *first;
};

static void pool_empty(void *owner, void *arg)
{
	struct sim_node *host = owner;
	struct hog *hog = arg;
	struct tee_pkt *pkt;

	while ((pkt = tee_pkt_new(tee_stack_pool(host->stack), HOG_BYTES))) {
		pkt->next = hog->first;
		hog->first = pkt;
	}
}

static void pool_refill(void *owner, void *arg)
{
	struct hog *hog = arg;

	while (hog->first) {
		struct tee_pkt *pkt = hog->first;

		hog->first = pkt->next;
		pkt->next = NULL;
		tee_pkt_release(pkt);
	}
	sim_touch(owner);
}

static void link_down(void *owner, void *arg)
{
	(void)arg;
	sim_link_set_up(owner, false);
}

static void link_up(void *owner, void *arg)
{
	(void)arg;
	sim_link_set_up(owner, true);
}

static void blackout(void *owner, void *arg)
{
	struct sim_link *link = owner;

	link->paths[0].config.is_down = link->paths[1].config.is_down = arg != NULL;
}

static void clock_jump(void *owner, void *arg)
{
	struct sim_node *host = owner;
	const struct plan_faults *faults = arg;

	host->clock_ahead_ns += faults->clock_by_ns;
	sim_touch(host);
}

static void host_freeze(void *owner, void *arg)
{
	struct sim_node *host = owner;
	const struct plan_faults *faults = arg;

	host->frozen_until_ns = host->sim->now_ns + faults->freeze_for_ns;
}

static void path_change(void *owner, void *arg)
{
	struct sim_link *link = owner;
	const struct plan_faults *faults = arg;

	link->paths[0].config.delay_ns = faults->change_delay_ns;
	link->paths[1].config.rate_bits_per_s = faults->change_rate;
}

static void memory_short(void *owner, void *arg)
{
	const struct plan_faults *faults = arg;
	const struct sim *sim = owner;

	memory_begin_failing(sim->seed, faults->memory_one_in);
}

static void memory_long(void *owner, void *arg)
{
	(void)owner;
	(void)arg;
	memory_end_failing();
}

static void path_narrows(void *owner, void *arg)
{
	struct sim_link *link = owner;
	const struct plan_faults *faults = arg;

	link->config.mtu = faults->pmtu;
}

static void path_widens(void *owner, void *arg)
{
	struct sim_link *link = owner;
	const struct plan *plan = arg;

	link->config.mtu = plan->link.mtu;
}

static void faults_plan(struct app_world *world, struct sim_link *link, struct hog *hog)
{
	const struct plan_faults *faults = &world->plan->faults;
	struct sim *sim = world->sim;
	void *arg = (void *)(uintptr_t)faults;

	if (faults->pool_at_ns) {
		struct sim_node *host = world->hosts[faults->pool_host];

		sim_at(sim, faults->pool_at_ns, pool_empty, host, hog);
		sim_at(sim, faults->pool_at_ns + faults->pool_for_ns, pool_refill, host, hog);
	}
	if (faults->down_at_ns) {
		sim_at(sim, faults->down_at_ns, link_down, link, NULL);
		sim_at(sim, faults->down_at_ns + faults->down_for_ns, link_up, link, NULL);
	}
	if (faults->black_at_ns) {
		sim_at(sim, faults->black_at_ns, blackout, link, link);
		sim_at(sim, faults->black_at_ns + faults->black_for_ns, blackout, link, NULL);
	}
	if (faults->clock_at_ns)
		sim_at(sim, faults->clock_at_ns, clock_jump, world->hosts[faults->clock_host], arg);
	if (faults->freeze_at_ns)
		sim_at(sim, faults->freeze_at_ns, host_freeze, world->hosts[faults->freeze_host],
		       arg);
	if (faults->change_at_ns)
		sim_at(sim, faults->change_at_ns, path_change, link, arg);
	if (faults->pmtu) {
		sim_at(sim, faults->pmtu_at_ns, path_narrows, link, arg);
		sim_at(sim, faults->pmtu_at_ns + faults->pmtu_for_ns, path_widens, link,
		       (void *)(uintptr_t)world->plan);
	}
	if (faults->memory_at_ns) {
		sim_at(sim, faults->memory_at_ns, memory_short, sim, arg);
		sim_at(sim, faults->memory_at_ns + faults->memory_for_ns, memory_long, sim, NULL);
	}
}

/* ---- playing ---- */

static struct sim_link *world_build(struct app_world *world)
{
	const struct plan *plan = world->plan;
	struct sim_link_config plain = plan->link;
	struct sim_node *router, *last;
	static const char *const names[PLAN_HOSTS] = {"left", "right"};

	for (unsigned i = 0; i < PLAN_HOSTS; i++) {
		world->hosts[i] = sim_add_host(world->sim, names[i], &plan->config[i]);
		if (!world->hosts[i])
			return NULL;
	}
	if (!plan->has_router)
		return sim_link(world->sim, world->hosts[0], world->hosts[1], &plan->link);
	router = sim_add_router(world->sim, "router");
	memset(plain.path, 0, sizeof(plain.path));
	plain.path[0].delay_ns = plain.path[1].delay_ns = 50 * TEE_NS_PER_US;
	if (!router || !sim_link(world->sim, world->hosts[0], router, &plain))
		return NULL;
	router->is_silent = plan->faults.pmtu_is_silent;
	last = world->hosts[1];
	if (plan->faults.pmtu) {
		/* So that no host sees by its own link what the path takes. */
		last = sim_add_router(world->sim, "router2");
		if (!last || !sim_link(world->sim, last, world->hosts[1], &plain))
			return NULL;
		last->is_silent = plan->faults.pmtu_is_silent;
	}
	return sim_link(world->sim, router, last, &plan->link);
}

/* May an acknowledgement be stuck in its host: for want of memory or of a link, or since nothing runs there? */
static bool host_may_be_mute(const struct app_world *world, unsigned host)
{
	const struct plan_faults *faults = &world->plan->faults;
	uint64_t now = world->sim->now_ns;

	return faults->pool_at_ns || faults->memory_at_ns ||
	       world->plan->config[host].memory_bytes_max < PLAN_MEMORY_BYTES_MAX ||
	       (now >= faults->down_at_ns && now - faults->down_at_ns <= faults->down_for_ns) ||
	       world->hosts[host]->frozen_until_ns > now;
}

/*
 * RFC 9293 3.8.6.2.2: whose application has taken all there was has told its peer, before the instant ends, of room
 * for a segment or of half its buffer. The peer's question for it, seconds later, would heal what was not told,
 * and so hide it.
 */
static void judge_window(struct app_world *world, struct app_end *end)
{
	struct tee_tcp_info info;
	uint32_t room, least;

	if (!end->has_read)
		return;
	end->has_read = false;
	if (end->outcome != APP_RUNNING || host_may_be_mute(world, end->host) ||
	    tee_socket_info(end->socket, &info) < 0 || info.rcvq_bytes > 0)
		return;
	/* Past the peer's FIN nothing comes. */
	if (info.state != TEE_TCP_ESTABLISHED && info.state != TEE_TCP_FIN_WAIT_1 &&
	    info.state != TEE_TCP_FIN_WAIT_2)
		return;
	/* As much of it as a header can say. */
	room = info.rcvbuf_bytes >> info.rcv_wscale;
	room = (room < 65535 ? room : 65535) << info.rcv_wscale;
	least = info.rcv_mss < room / 2 ? info.rcv_mss : room / 2;
	if (info.rcv_wnd < least)
		app_fail(world, "conn%u end%u: all is read; of %u bytes of room only %u are told",
			 end->conn->idx, end->who, room, info.rcv_wnd);
}

static void judge_windows(struct app_world *world)
{
	for (unsigned i = 0; i < world->plan->conn_count; i++)
		for (unsigned who = 0; who < 2; who++)
			judge_window(world, &world->conns[i].end[who]);
}

/* Steps until `until_ns`, or until the applications are done when `waits_for_apps`. */
static void world_run(struct app_world *world, uint64_t until_ns, bool waits_for_apps)
{
	while (world->result->is_ok && sim_step(world->sim, until_ns)) {
		digest_add(&world->result->digest, &world->sim->now_ns, sizeof(uint64_t));
		for (unsigned i = 0; i < PLAN_HOSTS; i++)
			tee_stack_check(world->hosts[i]->stack);
		judge_windows(world);
		if (waits_for_apps && app_is_done(world))
			return;
	}
	if (world->sim->stuck)
		app_fail(world, "host %s is never quiet at one instant", world->sim->stuck->name);
	if (world->sim->has_failed)
		app_fail(world, "no memory for the world itself");
}

/* A name that nobody knows would be zero for ever, and its judge blind. */
static uint64_t host_counter(struct app_world *world, unsigned host, const char *name)
{
	for (unsigned i = 0; i < COUNTER_COUNT; i++) {
		if (strcmp(counter_name(i), name) == 0)
			return tee_counter_by_name(world->hosts[host]->stack, name);
	}
	app_fail(world, "there is no counter \"%s\"", name);
	return 0;
}

/*
 * A sender that finds its first unacknowledged bytes SACKed takes the peer for a reneger and heals that
 * by sending all again. Here nobody reneges without saying so in a counter: then the sender's own
 * books are wrong.
 */
static void judge_sacks(struct app_world *world, unsigned host)
{
	uint64_t pruned = 0;

	for (unsigned i = 0; i < PLAN_HOSTS; i++)
		pruned += host_counter(world, i, "tcp.out_of_order_pruned");
	if (pruned == 0 && host_counter(world, host, "tcp.sack_reneging") > 0)
		app_fail(world, "host %u took its peer for a reneger, which it was not", host);
}

/*
 * Where the network lost, held back and doubled nothing, nothing may have been taken for lost: duplicate ACKs
 * and SACKs, and RACK's clock with them, have no cause.
 */
static void judge_clean_network(struct app_world *world)
{
	uint64_t harm = 0;

	for (unsigned i = 0; i < world->sim->link_count * 2; i++) {
		const struct sim_path *path = &world->sim->links[i / 2]->paths[i % 2];
		const struct sim_path_stats *stats = &path->stats;

		harm += stats->drops_mtu + stats->drops_queue + stats->drops_aqm +
			stats->drops_loss + stats->drops_down + stats->drops_memory +
			stats->reordered + stats->duplicated + stats->corrupted + stats->cut;
	}
	if (harm || plan_is_hard(world->plan) || world->plan->faults.change_at_ns)
		return;
	for (unsigned i = 0; i < PLAN_HOSTS; i++) {
		uint64_t count = host_counter(world, i, "tcp.fast_retransmits");

		if (count)
			app_fail(world, "host %u sent %llu segments again that nobody had lost", i,
				 (unsigned long long)count);
	}
}

static void judge_host(struct app_world *world, unsigned host)
{
	struct tee_stack *stack = world->hosts[host]->stack;
	struct tee_socket_entry entry;
	uint64_t cursor = 0;
	size_t used = tee_pool_bytes_used(tee_stack_pool(stack));

	while (tee_socket_list(stack, &cursor, &entry))
		app_fail(
			world,
			"host %u: a connection is left in %s (port %u to %u, timer \"%s\", %u bytes to "
			"send, %u to read, %s)",
			host, tee_tcp_state_name(entry.tcp.state), entry.local.port,
			entry.remote.port, entry.timer_name, entry.sendq, entry.recvq,
			entry.has_socket ? "with a socket" : "without a socket");
	if (world->hosts[host]->frames_too_big)
		app_fail(world, "host %u sent %llu frames larger than the link takes", host,
			 (unsigned long long)world->hosts[host]->frames_too_big);
	judge_sacks(world, host);
	if (used != 0)
		app_fail(world, "host %u: %zu bytes of packet buffers never came back", host, used);
}

static void play_leaked(struct play_result *result, int64_t blocks)
{
	if (!result->is_ok)
		return;
	result->is_ok = false;
	snprintf(result->message, sizeof(result->message), "%lld blocks of memory never came back",
		 (long long)blocks);
}

/* A stack that is short of memory from the first call on is not made, or is; it leaks nothing. */
static void build_without_memory(const struct plan *plan, struct play_result *result)
{
	struct app_world world = {.plan = plan, .result = result};

	world.sim = sim_new(plan->seed);
	memory_begin_failing(plan->seed, plan->faults.memory_one_in);
	if (world.sim && world_build(&world))
		sim_start(world.sim);
	memory_end_failing();
	sim_free(world.sim);
}

void play_world(const struct plan *plan, bool is_loud, struct play_result *ret_result)
{
	int64_t blocks_before = memory_blocks();
	uint64_t refused_before = memory_refused();
	struct app_world world = {.plan = plan, .is_loud = is_loud, .result = ret_result};
	struct listener listeners[PLAN_HOSTS];
	struct hog hog = {NULL};
	struct sim_link *link;

	memset(ret_result, 0, sizeof(*ret_result));
	ret_result->is_ok = true;
	ret_result->digest = UINT64_C(0xcbf29ce484222325);
	if (plan->faults.memory_one_in)
		build_without_memory(plan, ret_result);
	world.sim = sim_new(plan->seed);
	world.conns = calloc(PLAN_CONNS_MAX, sizeof(*world.conns));
	link = world.sim && world.conns ? world_build(&world) : NULL;
	if (!link || sim_start(world.sim) < 0) {
		ret_result->is_ok = false;
		snprintf(ret_result->message, sizeof(ret_result->message), "can't build the world");
		goto out;
	}
	world.sim->tap = play_tap;
	world.sim->tap_arg = &world;
	for (unsigned i = 0; i < PLAN_HOSTS && is_loud; i++) {
		listeners[i] = (struct listener){&world, i};
		tee_trace_set(world.hosts[i]->stack, play_trace, &listeners[i]);
	}
	app_start(&world);
	faults_plan(&world, link, &hog);
	world_run(&world, PLAY_TIME_MAX, true);
	ret_result->virtual_ns = world.sim->now_ns;
	app_say(&world, app_is_done(&world) ? "applications are done" : "time is up");
	if (ret_result->is_ok) {
		/* Faults that are still to come or go: let them. */
		app_finish(&world);
		world_run(&world, world.sim->now_ns + PLAY_SILENCE_MAX, false);
		app_judge(&world);
		for (unsigned i = 0; i < PLAN_HOSTS; i++)
			judge_host(&world, i);
		judge_clean_network(&world);
	}
	memory_end_failing();
	ret_result->refused = memory_refused() - refused_before;
	ret_result->steps = world.sim->steps;
out:
	if (hog.first)
		pool_refill(world.hosts[plan->faults.pool_host], &hog);
	sim_free(world.sim);
	world.sim = NULL;
	free(world.conns);
	if (memory_blocks() != blocks_before)
		play_leaked(ret_result, memory_blocks() - blocks_before);
}
