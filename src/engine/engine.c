/* SPDX-License-Identifier: MIT */
/*
 * The context of the protocols: making it, and running its timers.
 *
 * A timer says by its kind whose it is; each protocol registers one handler a kind when it is
 * made. engine_run_timers() first collects what is due, in order of deadline, and then runs it, so that a
 * handler may arm, re-arm and disarm whatever it likes: what it disarms leaves the list of
 * collected ones, what it arms for the present is collected by the next round.
 *
 * Rounds are bounded: a handler that always re-arms itself for the present would otherwise hold the
 * door open for ever. What remains stays armed, so the wheel's next deadline says "now".
 */
#include "engine/engine.h"

#include <string.h>
#include "base/byteorder.h"
#include "base/check.h"

enum { TIMER_ROUNDS_MAX = 64 };

/* The key of ISNs, ports, cookies and hashes: the configured secret, or drawn when that is zero. */
static void init_secret(struct engine *engine)
{
	static const uint8_t none[sizeof(engine->config.secret)];

	if (memcmp(engine->config.secret, none, sizeof(none)) == 0) {
		engine->secret.k0 = random_u64(&engine->random);
		engine->secret.k1 = random_u64(&engine->random);
		return;
	}
	memcpy(&engine->secret.k0, engine->config.secret, 8);
	memcpy(&engine->secret.k1, engine->config.secret + 8, 8);
}

int engine_init(struct engine *engine, const struct tee_config *config, uint64_t now_ns)
{
	memset(engine, 0, sizeof(*engine));
	engine->pool = tee_pool_new(config->memory_bytes_max);
	if (!engine->pool)
		return -TEE_ENOMEM;
	engine->now_ns = now_ns;
	engine->config = *config;
	slab_arena_init(&engine->arena, &config->memory, !config->slabs);
	timer_wheel_init(&engine->wheel, now_ns);
	random_init(&engine->random, config->seed);
	init_secret(engine);
	list_init(&engine->events);
	return 0;
}

void engine_fini(struct engine *engine)
{
	while (event_take(engine))
		continue;
	tee_pool_free(engine->pool);
	engine->pool = NULL;
	slab_arena_fini(&engine->arena);
}

void engine_register_timer(struct engine *engine, enum timer_kind kind, engine_timer_fn *run,
			   void *context)
{
	CHECK(kind < TIMER_KIND_COUNT && !engine->timers[kind].run);
	engine->timers[kind].run = run;
	engine->timers[kind].context = context;
}

void engine_run_timers(struct engine *engine)
{
	for (unsigned round = 0; round < TIMER_ROUNDS_MAX; round++) {
		struct list due;
		struct list *node;

		list_init(&due);
		timer_wheel_collect(&engine->wheel, engine->now_ns, &due);
		if (list_is_empty(&due))
			return;
		while ((node = list_pop_front(&due))) {
			struct timer *timer = CONTAINER_OF(node, struct timer, node);

			CHECK(timer->kind < TIMER_KIND_COUNT && engine->timers[timer->kind].run);
			engine->timers[timer->kind].run(engine->timers[timer->kind].context, timer);
		}
	}
}
