/* SPDX-License-Identifier: MIT */
/* Running a scenario: its world, its flows, and what was measured. */
#ifndef SIM_RUN_H
#define SIM_RUN_H

#include "sim/scenario.h"

/* What a flow looked like at an instant; link samples use the lower part. */
struct sample {
	uint64_t at_ns;
	double goodput_bits_per_s; /* since the sample before */
	uint64_t cwnd_bytes, ssthresh_bytes;
	uint64_t srtt_ns;
	uint64_t queue_bytes; /* of a link */
};

struct series {
	struct sample *samples;
	size_t count, size;
	uint64_t last_bytes;
};

/* One connection. */
struct flow {
	struct run *run;
	const struct scenario_flow *spec;
	unsigned spec_idx, idx; /* idx: among those of its spec */
	struct sim_node *from, *to;
	struct tee_socket *sender, *receiver;                     /* NULL: not yet, or closed */
	uint64_t start_ns, established_ns, first_byte_ns, end_ns; /* TEE_NEVER: not reached */
	uint64_t sent, received; /* application bytes from `from` to `to` … */
	uint64_t replied;        /* … and back */
	uint32_t rounds_done;
	uint64_t round_start_ns;
	uint64_t due_back;  /* bytes that the server has still to write */
	uint64_t requested; /* bytes of requests written */
	bool is_shut, is_waking[2];
	int error;                /* positive enum tee_error; 0: none */
	struct tee_tcp_info info; /* of the sender, last seen */
	/* as it was when the world had settled: reports begin there */
	uint64_t settled_bytes;
	uint64_t settled_segs, settled_retrans_segs, settled_timeouts;
	struct series series; /* of the first RUN_SERIES_MAX flows */
};

enum { RUN_SERIES_MAX = 64 };

struct run {
	const struct scenario *scenario;
	struct sim *sim;
	struct tee_socket **listeners; /* by node */
	struct flow **by_port;         /* by node: tables of 65536 */
	struct flow *flows;
	size_t flow_count, open_count, done_count;
	struct series *link_series; /* two a link */
	struct {
		uint64_t *ns;
		size_t count, size;
	} rounds; /* latencies of all request-reply rounds */
	const char *failure;
};

/* NULL: no memory, or what is in ret_error. */
struct run *run_new(const struct scenario *scenario, char ret_error[SCENARIO_ERROR_SIZE]);
/* Lets the whole time pass; 0, or a sentence in ret_error. */
int run_play(struct run *run, char ret_error[SCENARIO_ERROR_SIZE]);
void run_free(struct run *run);

/* ---- flow.c ---- */

void flow_open(void *owner, void *arg); /* sim_fn; owner: the flow */
void flow_on_event(void *arg, struct sim_node *node, const struct tee_event *event);
void flow_stop(void *owner, void *arg); /* sim_fn: no new data from now on */
/* Application bytes that have arrived, both ways. */
uint64_t flow_bytes(const struct flow *flow);
/* Notes info of a flow that is still open. */
void flow_look(struct flow *flow);

#endif
