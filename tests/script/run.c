/* SPDX-License-Identifier: MIT */
/*
 * The runner: takes a script's events one after another through virtual time.
 *
 * An event that the script causes (a packet towards the stack, a call, a command, code) happens
 * exactly at its time; before it, whatever was due earlier in the stack has happened. A packet that
 * the script expects is awaited, and may come within the tolerance of its time. Relative times
 * count from the moment the event before was over.
 *
 * A blocking call ("0...0.2 read(…)") stands by while the following events happen, and is tried
 * again after each of them and after each step of the clock.
 */
#include "run.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "state.h"

enum { IDLE_STEPS_MAX = 100000 };

void run_fail(struct run *run, enum run_verdict verdict, const char *format, ...)
{
	va_list args;

	run->outcome->verdict = verdict;
	run->outcome->line = run->event ? run->event->line : 0;
	va_start(args, format);
	vsnprintf(run->outcome->text, sizeof(run->outcome->text), format, args);
	va_end(args);
	longjmp(run->on_failure, 1);
}

/* ---- time ---- */

int64_t run_now_us(const struct run *run)
{
	return (int64_t)(run->rig->now_ns - run->zero_ns) / 1000;
}

static uint64_t ns_of(const struct run *run, int64_t us)
{
	return run->zero_ns + (uint64_t)us * TEE_NS_PER_US;
}

static void check_idle(struct run *run, uint64_t before_ns, unsigned *idle)
{
	*idle = run->rig->now_ns == before_ns ? *idle + 1 : 0;
	if (*idle > IDLE_STEPS_MAX)
		run_fail(run, RUN_FAIL, "the stack has a deadline that never passes");
}

/* The next instant at which something may happen. */
static uint64_t next_ns(const struct run *run)
{
	uint64_t next = rig_deadline(run->rig);

	if (run->has_pending && run->pending.wait.is_started &&
	    run->pending.wait.deadline_ns < next)
		next = run->pending.wait.deadline_ns;
	return next;
}

static void step_to(struct run *run, uint64_t at_ns)
{
	rig_step(run->rig, at_ns);
	run_pending(run);
}

bool run_step(struct run *run, int64_t until_us)
{
	uint64_t next = next_ns(run), until_ns = ns_of(run, until_us);
	static unsigned idle;
	uint64_t before = run->rig->now_ns;

	if (next > until_ns)
		return false;
	step_to(run, next);
	check_idle(run, before, &idle);
	return true;
}

void run_until(struct run *run, int64_t until_us)
{
	uint64_t until_ns = ns_of(run, until_us), next;
	unsigned idle = 0;

	while ((next = next_ns(run)) < until_ns) {
		uint64_t before = run->rig->now_ns;

		step_to(run, next);
		check_idle(run, before, &idle);
	}
	rig_set_now(run->rig, until_ns);
}

/* ---- calls ---- */

static void check_return_time(struct run *run, int64_t return_us)
{
	int64_t now_us = run_now_us(run);

	if (run->options->is_recording)
		return;
	if (now_us < return_us - run->tolerance_us || now_us > return_us + run->tolerance_us)
		run_fail(run, RUN_FAIL, "the call returned at %.6f, expected at %.6f",
			 (double)now_us / 1e6, (double)return_us / 1e6);
}

static bool is_call(const struct live_call *call, const char *name)
{
	return !strcmp(call->spec->name, name);
}

static void start_flow(struct run *run, int script_fd, int live_fd, bool is_udp)
{
	if (run->flow.has_ports)
		run->previous = run->flow;
	run->flow = (struct flow){.local_ip = run->config.local,
				  .remote_ip = run->config.remote,
				  .live_fd = live_fd,
				  .is_udp = is_udp};
	run->has_flow = true;
	run->is_listening = false;
	run->flow_fd = script_fd;
}

static struct tee_endpoint call_endpoint(const struct live_call *call)
{
	struct tee_endpoint endpoint = {0};

	posix_read_sockaddr(call->addr, call->addr_len, &endpoint);
	return endpoint;
}

/* A call that connects makes its socket the one that the script speaks of. */
static void note_connect(struct run *run, struct live_call *call)
{
	struct tee_endpoint remote = call_endpoint(call);

	if (call->fd_script != run->flow_fd) {
		int live = call_live_fd(&run->calls, call->fd_script);
		bool is_udp = tee_socket_kind(posix_socket_of(run->rig->world, live)) ==
			      TEE_SOCKET_UDP;

		start_flow(run, call->fd_script, live, is_udp);
	}
	if (run->flow.has_ports)
		return;
	run->flow.is_active = true;
	run->flow.remote_ip = remote.ip;
	run->flow.remote_port = remote.port;
}

static void note_accept(struct run *run, struct live_call *call)
{
	struct tee_endpoint remote = call_endpoint(call);

	if (!run->flow.is_active && run->flow.remote_port == remote.port)
		run->flow.live_fd = (int)call->result;
}

/* What a call means for the flow; before the stack's packets are looked at. */
static void note_call(struct run *run, struct live_call *call)
{
	bool is_ok = call->result >= 0 && call->result != POSIX_BLOCKED;
	bool connects = is_call(call, "connect") ||
			((is_call(call, "sendto") || is_call(call, "sendmsg")) && call->msg.name);
	int live = call_live_fd(&run->calls, call->fd_script);

	if (connects && posix_socket_of(run->rig->world, live) &&
	    (is_ok || call->result == -LINUX_EINPROGRESS || call->result == POSIX_BLOCKED))
		note_connect(run, call);
	if (!is_ok)
		return;
	if (is_call(call, "bind") && call->fd_script == run->flow_fd)
		run->flow.local_port = call_endpoint(call).port;
	else if (is_call(call, "listen") && call->fd_script == run->flow_fd) {
		run->is_listening = true;
		run->flow.live_fd = -1;
	} else if (is_call(call, "accept") || is_call(call, "accept4"))
		note_accept(run, call);
}

static void finish_call(struct run *run, struct live_call *call, const struct event *event)
{
	const struct event *interrupted = run->event;
	char text[CALL_TEXT_SIZE];
	bool ok;

	run->event = event;
	note_call(run, call);
	ok = call_check(call, text);
	call_end(call);
	if (run->options->is_recording)
		run_record(run, "%s() = %lld %s", call->spec->name, (long long)call->result,
			   ok ? "" : text);
	else if (!ok)
		run_fail(run, RUN_FAIL, "%s", text);
	if (is_call(call, "socket") && call->result >= 0) {
		int64_t type = call->spec->args[1]->number & LINUX_SOCK_TYPE_MASK;

		start_flow(run, (int)call->spec->result->number, (int)call->result,
			   type == LINUX_SOCK_DGRAM);
	}
	rig_flush(run->rig);
	run->event = interrupted;
}

void run_pending(struct run *run)
{
	if (!run->has_pending)
		return;
	if (call_try(&run->pending)) {
		const struct event *interrupted = run->event;

		run->has_pending = false;
		run->event = run->pending_event;
		rig_flush(run->rig);
		check_return_time(run, run->pending_return_us);
		run->event = interrupted;
		finish_call(run, &run->pending, run->pending_event);
		return;
	}
	rig_flush(run->rig);
	if (!run->options->is_recording &&
	    run_now_us(run) > run->pending_return_us + run->tolerance_us) {
		run->event = run->pending_event;
		run_fail(run, RUN_FAIL, "the call did not return by %.6f",
			 (double)run->pending_return_us / 1e6);
	}
}

/* Lets the blocking call under way come to its end. */
static void await_pending(struct run *run)
{
	while (run->has_pending) {
		int64_t limit_us = run->pending_return_us + run->tolerance_us;

		if (run->options->is_recording && run_now_us(run) >= limit_us)
			run_fail(run, RUN_FAIL, "the call does not return");
		if (run_step(run, limit_us))
			continue;
		run_until(run, limit_us + 1);
		run_pending(run);
	}
}

static void begin_call(struct run *run, struct live_call *call, const struct event *event)
{
	char text[CALL_TEXT_SIZE];

	if (!call_begin(call, &run->calls, event->call, text)) {
		call_end(call);
		run_fail(run, RUN_UNSUPPORTED, "%s", text);
	}
}

/* A call that the script does not call blocking may take as long as the tolerance. */
static void run_plain_call(struct run *run, const struct event *event)
{
	int64_t limit_us = run_now_us(run) + run->tolerance_us;
	struct live_call call;

	begin_call(run, &call, event);
	while (!call_try(&call)) {
		note_call(run, &call);
		rig_flush(run->rig);
		if (!run_step(run, limit_us)) {
			call_end(&call);
			run_fail(run, RUN_FAIL, "%s() blocks", event->call->name);
		}
	}
	finish_call(run, &call, event);
}

static void run_blocking_call(struct run *run, const struct event *event, int64_t return_us)
{
	await_pending(run);
	begin_call(run, &run->pending, event);
	run->pending_event = event;
	run->pending_return_us = return_us;
	if (call_try(&run->pending)) {
		check_return_time(run, return_us);
		finish_call(run, &run->pending, event);
		return;
	}
	run->has_pending = true;
	note_call(run, &run->pending);
	rig_flush(run->rig);
}

/* ---- commands and code ---- */

static void run_command(struct run *run, const char *command)
{
	run->knobs.is_unsupported = false;
	knobs_run(&run->knobs, command);
	if (run->knobs.flushes_metrics) {
		run->knobs.flushes_metrics = false;
		tee_stack_forget_hosts(run->rig->stack);
	}
}

static void run_code(struct run *run, const char *code)
{
	char message[CODE_MESSAGE_SIZE];

	/* The stack's clock moves by its doors only, and what it tells of itself is measured by that. */
	tee_advance(run->rig->stack, run->rig->now_ns);

	switch (code_run(&run->code, code, message)) {
	case CODE_HOLDS: return;
	case CODE_FAILS:
		if (!run->options->is_recording)
			run_fail(run, RUN_FAIL, "%s", message);
		run_record(run, "%s", message);
		return;
	case CODE_UNSUPPORTED: run_fail(run, RUN_UNSUPPORTED, "code: %s", message);
	}
}

/* ---- events ---- */

static void run_event(struct run *run, const struct event *event)
{
	bool is_awaited = event->kind == EVENT_PACKET && !event->packet->is_inbound;
	int64_t base_us = event->time.kind == TIME_ABSOLUTE ? 0 : run->base_us;

	if (is_awaited) {
		run_outbound(run, event);
		return;
	}
	if (base_us + event->time.us > run_now_us(run))
		run_until(run, base_us + event->time.us);
	else if (base_us + event->time.us < run_now_us(run) - run->tolerance_us &&
		 !run->options->is_recording)
		run_fail(run, RUN_FAIL, "it is %.6f already", (double)run_now_us(run) / 1e6);
	run->rig->tag = (int)run->index;
	if (run->options->is_recording) {
		run_record_packets(run, run_current_flow(run));
		run_record(run, "| %s", event->source);
	}
	switch (event->kind) {
	case EVENT_PACKET: run_inbound(run, event->packet); break;
	case EVENT_CALL:
		if (event->time.blocking)
			run_blocking_call(run, event, base_us + event->time.return_us);
		else
			run_plain_call(run, event);
		break;
	case EVENT_COMMAND: run_command(run, event->text); break;
	case EVENT_CODE: run_code(run, event->text); break;
	}
}

static void run_events(struct run *run)
{
	const struct script *script = run->script;
	const struct time_spec *first = &script->events[0].time;
	int64_t start_us = first->kind == TIME_ABSOLUTE ? first->us : 0;

	run->zero_ns = run->rig->now_ns - (uint64_t)start_us * TEE_NS_PER_US;
	run->base_us = start_us;
	run->calls.zero_ns = run->zero_ns;
	run->calls.tolerance_us = run->tolerance_us;
	for (run->index = 0; run->index < script->event_count; run->index++) {
		run->event = &script->events[run->index];
		run_event(run, run->event);
		run->rig->tag = (int)run->index;
		run->base_us = run_now_us(run);
		tee_stack_check(run->rig->stack);
	}
	await_pending(run);
	run_check_leftovers(run);
	run->event = NULL;
}

/* ---- reports ---- */

static void append(struct run_outcome *outcome, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
static void append(struct run_outcome *outcome, const char *format, ...)
{
	size_t used = strlen(outcome->text);
	va_list args;

	va_start(args, format);
	vsnprintf(outcome->text + used, sizeof(outcome->text) - used, format, args);
	va_end(args);
}

/* Where, what was expected, what came, and how it came to that. */
static void tell_failure(struct run *run)
{
	struct run_outcome *outcome = run->outcome;
	char message[RUN_TEXT_SIZE];
	unsigned first;

	snprintf(message, sizeof(message), "%s", outcome->text);
	outcome->text[0] = '\0';
	append(outcome, "%s:%d: %s\n", run->script->path, outcome->line, message);
	if (run->event)
		append(outcome, "    the line: %s\n", run->event->source);
	if (*run->knobs.notes)
		append(outcome, "    knobs without effect here: %s\n", run->knobs.notes);
	if (!run->rig)
		return;
	run_remember_unread(run);
	first = run->history_count > HISTORY_MAX ? run->history_count - HISTORY_MAX : 0;
	if (run->history_count)
		append(outcome, "    last packets:\n");
	for (unsigned i = first; i < run->history_count; i++)
		append(outcome, "      %s\n", run->history[i % HISTORY_MAX]);
}

void run_script(const struct script *script, const struct run_options *options,
		struct run_outcome *ret)
{
	struct run *run = calloc(1, sizeof(*run));

	*ret = (struct run_outcome){.verdict = RUN_PASS};
	if (!run) {
		fputs("teeceepee-script: out of memory\n", stderr);
		exit(2);
	}
	run->script = script;
	run->options = options;
	run->outcome = ret;
	if (!setjmp(run->on_failure)) {
		run_setup(run);
		run_events(run);
		if (*run->knobs.notes)
			append(ret, "knobs without effect here: %s", run->knobs.notes);
	} else {
		tell_failure(run);
	}
	if (run->has_pending)
		call_end(&run->pending);
	call_table_fini(&run->calls);
	rig_free(run->rig);
	arena_free(&run->code_arena);
	free(run);
}

void run_file(const char *path, const struct run_options *options, struct run_outcome *ret)
{
	char error[SCRIPT_ERROR_SIZE];
	struct script *script = script_read(path, error);

	if (!script) {
		*ret = (struct run_outcome){.verdict = RUN_UNREADABLE};
		snprintf(ret->text, sizeof(ret->text), "%s\n", error);
		return;
	}
	run_script(script, options, ret);
	script_free(script);
}
