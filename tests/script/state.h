/* SPDX-License-Identifier: MIT */
/* A run under way; for the files that make up the runner. */
#ifndef SCRIPT_STATE_H
#define SCRIPT_STATE_H

#include <setjmp.h>

#include "call.h"
#include "code.h"
#include "flow.h"
#include "knobs.h"
#include "run.h"

enum { HISTORY_MAX = 10 };

struct run {
	const struct script *script;
	const struct run_options *options;
	struct run_outcome *outcome;
	jmp_buf on_failure;

	struct rig_config config;
	struct rig *rig;
	struct match_rules rules;
	struct call_table calls;
	struct code_state code;
	struct arena code_arena;
	struct knobs knobs;

	int64_t tolerance_us;
	uint64_t zero_ns; /* the rig's clock at the script's time 0 */
	int64_t base_us;  /* relative times count from here: when the last event was over */
	unsigned index;   /* of the event */
	const struct event *event;
	unsigned last_packet_index; /* of the last event that is a packet */

	/* the connection of which the script speaks now, and the one before */
	struct flow flow, previous;
	bool has_flow;
	int flow_fd; /* script's descriptor of the socket that began it; -1 */
	bool is_listening;
	uint16_t next_port;

	/* a blocking call under way */
	bool has_pending;
	struct live_call pending;
	const struct event *pending_event;
	int64_t pending_return_us;

	char history[HISTORY_MAX][FLOW_TEXT_SIZE + 64];
	unsigned history_count;
};

/* Ends the run. */
_Noreturn void run_fail(struct run *run, enum run_verdict verdict, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* The script's clock. */
int64_t run_now_us(const struct run *run);
/* Lets time pass up to, not with, what is due at `until_us`; blocking calls go on meanwhile. */
void run_until(struct run *run, int64_t until_us);
/* Lets time pass to the next thing that is due, at most to `until_us`; false: nothing before. */
bool run_step(struct run *run, int64_t until_us);
/* Tries the blocking call again, if there is one. */
void run_pending(struct run *run);

/* run_packet.c */
void run_inbound(struct run *run, const struct packet_spec *spec);
void run_outbound(struct run *run, const struct event *event);
/* The flow that packets of the script belong to now. */
struct flow *run_current_flow(struct run *run);
/* Packets that nothing expected, once the script is over. */
void run_check_leftovers(struct run *run);
void run_remember_packet(struct run *run, const struct flow *flow, const struct wire_packet *packet,
			 bool is_inbound, uint64_t at_ns, const char *remark);
/* What still lies unread, for a failure's report. */
void run_remember_unread(struct run *run);

/* run_record.c */
void run_record(const struct run *run, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* Tells what the stack sent. */
void run_record_packets(struct run *run, struct flow *flow);

/* run_setup.c */
void run_setup(struct run *run);
/* The stack's fast-open cookie for the run's addresses, from a stack of its own. */
void run_learn_cookie(struct run *run);

#endif
