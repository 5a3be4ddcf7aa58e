/* SPDX-License-Identifier: MIT */
/*
 * Trace points and drops. A drop is a counter with a name; with a consumer it is also told of, so
 * that a packet that went no further can be seen in the conversation.
 */
#include "engine/engine.h"

#include "base/check.h"

void trace_emit(struct engine *engine, struct tee_trace *trace)
{
	CHECK(engine->trace_consumer);
	trace->at_ns = engine->now_ns;
	engine->trace_consumer(engine->trace_arg, trace);
}

void drop(struct engine *engine, enum counter reason)
{
	count(engine, reason);
	if (trace_on(engine)) {
		struct tee_trace trace = {.kind = TEE_TRACE_DROP, .text = counter_name(reason)};

		trace_emit(engine, &trace);
	}
}

void drop_pkt(struct engine *engine, enum counter reason, struct tee_pkt *pkt)
{
	drop(engine, reason);
	tee_pkt_release(pkt);
}
