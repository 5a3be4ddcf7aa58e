/* SPDX-License-Identifier: MIT */
/*
 * From a scenario to a world that runs: hosts and links are built, flows and changes are planned, and
 * every `sample` the flows and queues are looked at for the time series.
 *
 * struct run owns the world, the flows and the series. Flows of one kind with a count above one
 * start one after the other, at even or exponential gaps, drawn from a generator of the scenario's
 * seed. Series are kept of the first RUN_SERIES_MAX flows and of every link's two directions.
 */
#include "sim/run.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the world ---- */

static bool run_build(struct run *run, char *ret_error)
{
	const struct scenario *scenario = run->scenario;

	for (unsigned i = 0; i < scenario->node_count; i++) {
		const struct scenario_node *node = &scenario->nodes[i];
		struct sim_node *made = node->is_router
						? sim_add_router(run->sim, node->name)
						: sim_add_host(run->sim, node->name, &node->config);

		if (!made) {
			snprintf(ret_error, SCENARIO_ERROR_SIZE, "can't make %s", node->name);
			return false;
		}
		made->is_silent = node->is_silent;
	}
	for (unsigned i = 0; i < scenario->link_count; i++) {
		const struct scenario_link *link = &scenario->links[i];

		if (!sim_link(run->sim, sim_find_node(run->sim, link->end[0]),
			      sim_find_node(run->sim, link->end[1]), &link->config)) {
			snprintf(ret_error, SCENARIO_ERROR_SIZE,
				 "can't make the link of %s and %s (an Ethernet joins two hosts)",
				 link->end[0], link->end[1]);
			return false;
		}
	}
	if (sim_start(run->sim) < 0) {
		snprintf(ret_error, SCENARIO_ERROR_SIZE, "can't give addresses and routes");
		return false;
	}
	return true;
}

static bool run_listen(struct run *run, struct sim_node *node)
{
	struct tee_endpoint local = {.port = 80};
	struct tee_socket **listener = &run->listeners[node->idx];

	node->on_event = flow_on_event;
	node->event_arg = run;
	return tee_socket_open(node->stack, TEE_SOCKET_TCP, TEE_FAMILY_ANY, listener) == 0 &&
	       tee_bind(*listener, &local) == 0 && tee_listen(*listener, 65535) == 0;
}

static void link_change(void *owner, void *arg)
{
	struct run *run = owner;
	const struct scenario_change *change = arg;
	struct sim_link *link = run->sim->links[change->link];
	struct sim_link_config config = link->config;

	config.path[0] = link->paths[0].config;
	config.path[1] = link->paths[1].config;
	if (scenario_link_set(&config, change->key, change->value)) {
		link->paths[0].config = config.path[0];
		link->paths[1].config = config.path[1];
		link->config.mtu = config.mtu; /* of routers only; a host's stack has its own */
	}
}

/* What was until now is not reported: queues and windows have found their sizes. */
static void world_settles(void *owner, void *arg)
{
	struct run *run = owner;

	(void)arg;
	for (size_t i = 0; i < run->flow_count; i++) {
		struct flow *flow = &run->flows[i];

		flow_look(flow);
		flow->settled_bytes = flow_bytes(flow);
		flow->settled_segs = flow->info.data_segs_out;
		flow->settled_retrans_segs = flow->info.total_retrans_segs;
		flow->settled_timeouts = flow->info.total_rto;
	}
	for (unsigned i = 0; i < run->sim->link_count * 2; i++)
		run->sim->links[i / 2]->paths[i % 2].stats = (struct sim_path_stats){0};
}

/* ---- flows ---- */

static bool run_make_flows(struct run *run, char *ret_error)
{
	const struct scenario *scenario = run->scenario;
	struct random random;
	size_t at = 0;

	for (unsigned i = 0; i < scenario->flow_count; i++)
		run->flow_count += scenario->flows[i].count;
	run->flows = calloc(run->flow_count + 1, sizeof(*run->flows)); /* none is no failure */
	if (!run->flows) {
		snprintf(ret_error, SCENARIO_ERROR_SIZE, "no memory for %zu flows",
			 run->flow_count);
		return false;
	}
	random_init(&random, scenario->seed ^ UINT64_C(0x666c6f7773)); /* not the links' chances */
	for (unsigned i = 0; i < scenario->flow_count; i++) {
		const struct scenario_flow *spec = &scenario->flows[i];
		uint64_t start = spec->start_ns;

		for (unsigned k = 0; k < spec->count; k++, at++) {
			struct flow *flow = &run->flows[at];
			double gap = (double)spec->every_ns;

			*flow = (struct flow){.run = run, .spec = spec, .spec_idx = i, .idx = k};
			flow->from = sim_find_node(run->sim, spec->from);
			flow->to = sim_find_node(run->sim, spec->to);
			flow->start_ns = flow->established_ns = flow->first_byte_ns = flow->end_ns =
				TEE_NEVER;
			sim_at(run->sim, start, flow_open, flow, NULL);
			if (spec->stop_ns > start)
				sim_at(run->sim, spec->stop_ns, flow_stop, flow, NULL);
			if (spec->is_poisson)
				gap *= -log(1 - random_unit(&random));
			start += (uint64_t)gap;
		}
	}
	return true;
}

struct run *run_new(const struct scenario *scenario, char ret_error[SCENARIO_ERROR_SIZE])
{
	struct run *run = calloc(1, sizeof(*run));

	snprintf(ret_error, SCENARIO_ERROR_SIZE, "no memory");
	if (!run)
		return NULL;
	run->scenario = scenario;
	run->sim = sim_new(scenario->seed);
	run->listeners = calloc(scenario->node_count, sizeof(struct tee_socket *));
	run->by_port = calloc((size_t)scenario->node_count * 65536, sizeof(struct flow *));
	run->link_series = calloc((size_t)scenario->link_count * 2 + 1, sizeof(*run->link_series));
	if (!run->sim || !run->listeners || !run->by_port || !run->link_series)
		goto fail;
	if (!run_build(run, ret_error) || !run_make_flows(run, ret_error))
		goto fail;
	for (unsigned i = 0; i < run->sim->node_count; i++) {
		if (run->sim->nodes[i]->stack && !run_listen(run, run->sim->nodes[i])) {
			snprintf(ret_error, SCENARIO_ERROR_SIZE, "%s can't listen",
				 run->sim->nodes[i]->name);
			goto fail;
		}
	}
	for (unsigned i = 0; i < scenario->change_count; i++)
		sim_at(run->sim, scenario->changes[i].at_ns, link_change, run,
		       (void *)(uintptr_t)&scenario->changes[i]);
	if (scenario->settle_ns)
		sim_at(run->sim, scenario->settle_ns, world_settles, run, NULL);
	return run;
fail:
	run_free(run);
	return NULL;
}

void run_free(struct run *run)
{
	if (!run)
		return;
	sim_free(run->sim);
	for (size_t i = 0; i < run->flow_count && run->flows; i++)
		free(run->flows[i].series.samples);
	for (unsigned i = 0; i < run->scenario->link_count * 2 && run->link_series; i++)
		free(run->link_series[i].samples);
	free(run->link_series);
	free(run->flows);
	free(run->by_port);
	free(run->listeners);
	free(run->rounds.ns);
	free(run);
}

/* ---- time ---- */

static void series_add(struct run *run, struct series *series, struct sample sample,
		       uint64_t bytes_total)
{
	uint64_t last = series->count ? series->samples[series->count - 1].at_ns
				      : sample.at_ns - run->scenario->sample_ns;

	if (series->count == series->size) {
		size_t size = series->size ? series->size * 2 : 64;
		struct sample *more = realloc(series->samples, size * sizeof(*more));

		if (!more) {
			run->failure = "no memory for the time series";
			return;
		}
		series->samples = more;
		series->size = size;
	}
	if (sample.at_ns > last)
		sample.goodput_bits_per_s = (double)(bytes_total - series->last_bytes) * 8e9 /
					    (double)(sample.at_ns - last);
	series->last_bytes = bytes_total;
	series->samples[series->count++] = sample;
}

static void run_sample(struct run *run)
{
	for (size_t i = 0; i < run->flow_count && i < RUN_SERIES_MAX; i++) {
		struct flow *flow = &run->flows[i];
		struct sample sample = {.at_ns = run->sim->now_ns};

		if (flow->start_ns == TEE_NEVER || (!flow->sender && !flow->receiver))
			continue;
		flow_look(flow);
		sample.cwnd_bytes = flow->info.cwnd_bytes;
		sample.ssthresh_bytes = flow->info.ssthresh_bytes;
		sample.srtt_ns = flow->info.rtt_ns;
		series_add(run, &flow->series, sample, flow_bytes(flow));
	}
	for (unsigned i = 0; i < run->sim->link_count * 2; i++) {
		const struct sim_path *path = &run->sim->links[i / 2]->paths[i % 2];
		struct sample sample = {.at_ns = run->sim->now_ns,
					.queue_bytes = path->queue_bytes};

		series_add(run, &run->link_series[i], sample, path->bytes_sent);
	}
}

int run_play(struct run *run, char ret_error[SCENARIO_ERROR_SIZE])
{
	uint64_t end = run->scenario->duration_ns, next = run->scenario->sample_ns;

	while (run->sim->now_ns < end && !run->failure) {
		uint64_t until = next < end ? next : end;

		while (sim_step(run->sim, until))
			;
		if (run->sim->stuck)
			run->failure = "a host is never quiet";
		if (run->sim->has_failed)
			run->failure = "no memory for the world";
		run_sample(run);
		next += run->scenario->sample_ns;
		/* Nothing is to come when every flow of a finite scenario is at its end. */
		if (run->done_count == run->flow_count)
			break;
	}
	for (size_t i = 0; i < run->flow_count; i++)
		flow_look(&run->flows[i]);
	if (run->failure)
		snprintf(ret_error, SCENARIO_ERROR_SIZE, "%s", run->failure);
	return run->failure ? -TEE_ENOMEM : 0;
}
