/* SPDX-License-Identifier: MIT */
/*
 * The context that every protocol gets: now, timers, events, counters, chance, memory, configuration.
 *
 * Time: `now_ns` is set by the three doors that carry it and frozen for the whole entry.
 * Timers: a protocol registers one handler a kind; engine_advance() collects what is due and runs it.
 * Events: bits for the application, queued once a source.
 */
#ifndef TEE_ENGINE_ENGINE_H
#define TEE_ENGINE_ENGINE_H

#include <teeceepee/config.h>
#include <teeceepee/packet.h>
#include <teeceepee/trace.h>
#include "base/counters.h"
#include "base/list.h"
#include "base/random.h"
#include "base/siphash.h"
#include "base/slab.h"
#include "base/timer.h"

/* Which handler a timer belongs to. */
enum timer_kind {
	TIMER_NEIGHBOUR,
	TIMER_ADDRESS, /* DAD, ACD, lifetimes */
	TIMER_ROUTER,  /* router solicitation, router and prefix lifetimes */
	TIMER_REASSEMBLY,
	TIMER_PMTU,
	TIMER_MLD,
	TIMER_DHCP,
	TIMER_TCP_CONN,
	TIMER_TCP_REQUEST, /* SYN-RECEIVED */
	TIMER_TCP_TIMEWAIT,
	TIMER_KIND_COUNT
};

struct engine;
/* `context` is the protocol's own struct, `timer` is disarmed already. */
typedef void engine_timer_fn(void *context, struct timer *timer);

struct engine {
	uint64_t now_ns;
	struct tee_config config;
	struct tee_pool *pool;
	struct slab_arena arena; /* of everything there is a great number of */
	struct timer_wheel wheel;
	struct random random;
	struct siphash_key secret;
	struct counters counters;
	struct list events;        /* of event_source.node */
	uint64_t ports_generation; /* counts ports as they are bound */
	tee_trace_fn *trace_consumer;
	void *trace_arg;
	struct {
		engine_timer_fn *run;
		void *context;
	} timers[TIMER_KIND_COUNT];
};

/* 0 or -TEE_ENOMEM; `config` is copied. */
int engine_init(struct engine *engine, const struct tee_config *config, uint64_t now_ns);
void engine_fini(struct engine *engine);
/* Time never goes back: an earlier `now_ns` is taken as the present. */
static inline void engine_set_now(struct engine *engine, uint64_t now_ns)
{
	if (now_ns > engine->now_ns)
		engine->now_ns = now_ns;
}
void engine_register_timer(struct engine *engine, enum timer_kind kind, engine_timer_fn *run,
			   void *context);
/* Collects and runs every timer due at engine->now_ns; those armed meanwhile for now or earlier too. */
void engine_run_timers(struct engine *engine);

static inline void engine_arm(struct engine *engine, struct timer *timer, uint64_t deadline_ns)
{
	timer_arm(&engine->wheel, timer, deadline_ns);
}
static inline void engine_disarm(struct engine *engine, struct timer *timer)
{
	timer_disarm(&engine->wheel, timer);
}

static inline void count(struct engine *engine, enum counter counter)
{
	engine->counters.value[counter]++;
}
static inline void count_n(struct engine *engine, enum counter counter, uint64_t n)
{
	engine->counters.value[counter] += n;
}

/* ---- events ---- */

/* Embedded in a socket. */
struct event_source {
	struct list node; /* in engine->events while news are queued */
	uint8_t news;     /* TEE_EV_… raised since last taken */
};

void event_source_init(struct event_source *source);
/* Queues the source; `source` may be NULL (a connection that has no socket yet). */
void event_raise(struct engine *engine, struct event_source *source, unsigned bits);
void event_source_fini(struct event_source *source);    /* takes it out of the queue */
struct event_source *event_take(struct engine *engine); /* NULL: none */

/* ---- trace points ---- */

static inline bool trace_on(const struct engine *engine)
{
	return __builtin_expect(engine->trace_consumer != NULL, 0);
}
/* Stamps at_ns and calls the consumer; only when trace_on(). */
void trace_emit(struct engine *engine, struct tee_trace *trace);
/* Counts a drop reason and, with a consumer, tells of it. */
void drop(struct engine *engine, enum counter reason);
/* The same, and releases the packet. */
void drop_pkt(struct engine *engine, enum counter reason, struct tee_pkt *pkt);

#endif
