/* SPDX-License-Identifier: MIT */
/* Timers by kind, the event queue, drops and traces. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <teeceepee/stack.h>
#include "engine/engine.h"

enum { LOG_MAX = 16 };

struct fixture {
	struct engine engine;
	struct timer timers[4];
	char log[LOG_MAX]; /* 'a' + index of each timer that fired */
	unsigned fired;
	struct timer *disarm_next; /* the handler disarms it … */
	struct timer *rearm;       /* … arms it for now … */
	unsigned rearm_left;
};

static void on_timer(void *context, struct timer *timer)
{
	struct fixture *fixture = context;

	assert_false(timer_is_armed(timer));
	if (fixture->fired < LOG_MAX)
		fixture->log[fixture->fired] = (char)('a' + (timer - fixture->timers));
	fixture->fired++;
	if (fixture->disarm_next) {
		engine_disarm(&fixture->engine, fixture->disarm_next);
		fixture->disarm_next = NULL;
	}
	if (fixture->rearm && fixture->rearm_left > 0) {
		fixture->rearm_left--;
		engine_arm(&fixture->engine, fixture->rearm, fixture->engine.now_ns);
	}
}

static int setup(void **state)
{
	static struct fixture fixture;
	struct tee_config config;

	memset(&fixture, 0, sizeof(fixture));
	tee_config_init(&config);
	config.seed = 7;
	assert_int_equal(engine_init(&fixture.engine, &config, 1000), 0);
	engine_register_timer(&fixture.engine, TIMER_DHCP, on_timer, &fixture);
	for (unsigned i = 0; i < 4; i++)
		timer_init(&fixture.timers[i], TIMER_DHCP);
	*state = &fixture;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	engine_fini(&fixture->engine);
	return 0;
}

static void run_at(struct fixture *fixture, uint64_t now_ns)
{
	engine_set_now(&fixture->engine, now_ns);
	engine_run_timers(&fixture->engine);
}

static void timers_fire_in_order_and_not_early(void **state)
{
	struct fixture *fixture = *state;

	engine_arm(&fixture->engine, &fixture->timers[0], 30000);
	engine_arm(&fixture->engine, &fixture->timers[1], 20000);
	engine_arm(&fixture->engine, &fixture->timers[2], 10000);
	engine_arm(&fixture->engine, &fixture->timers[3], 30001);
	run_at(fixture, 9999);
	assert_int_equal(fixture->fired, 0);
	run_at(fixture, 30000);
	assert_int_equal(fixture->fired, 3);
	assert_memory_equal(fixture->log, "cba", 3);
	run_at(fixture, 30001);
	assert_int_equal(fixture->fired, 4);
}

static void a_handler_may_disarm_what_is_collected(void **state)
{
	struct fixture *fixture = *state;

	engine_arm(&fixture->engine, &fixture->timers[0], 5000);
	engine_arm(&fixture->engine, &fixture->timers[1], 6000);
	engine_arm(&fixture->engine, &fixture->timers[2], 7000);
	fixture->disarm_next = &fixture->timers[1];
	run_at(fixture, 7000);
	assert_int_equal(fixture->fired, 2);
	assert_memory_equal(fixture->log, "ac", 2);
	assert_false(timer_is_armed(&fixture->timers[1]));
}

static void what_is_armed_for_now_runs_in_the_same_entry(void **state)
{
	struct fixture *fixture = *state;

	engine_arm(&fixture->engine, &fixture->timers[0], 5000);
	fixture->rearm = &fixture->timers[1];
	fixture->rearm_left = 3;
	run_at(fixture, 5000);
	assert_int_equal(fixture->fired, 4);
	assert_memory_equal(fixture->log, "abbb", 4);
}

static void a_timer_that_always_rearms_does_not_hang_the_door(void **state)
{
	struct fixture *fixture = *state;

	fixture->rearm = &fixture->timers[0];
	fixture->rearm_left = 1000000;
	engine_arm(&fixture->engine, &fixture->timers[0], 5000);
	run_at(fixture, 5000);
	assert_true(fixture->fired > 1 && fixture->fired < 1000);
	/* It is not lost either: the deadline is now. */
	assert_true(timer_wheel_next(&fixture->engine.wheel) <= 5000);
	fixture->rearm_left = 0;
	run_at(fixture, 5000);
}

static void time_never_goes_back(void **state)
{
	struct fixture *fixture = *state;

	engine_set_now(&fixture->engine, 5000);
	engine_set_now(&fixture->engine, 4000);
	assert_int_equal(fixture->engine.now_ns, 5000);
}

static void a_source_is_queued_once(void **state)
{
	struct fixture *fixture = *state;
	struct event_source a, b;

	event_source_init(&a);
	event_source_init(&b);
	assert_null(event_take(&fixture->engine));
	event_raise(&fixture->engine, &a, TEE_EV_READABLE);
	event_raise(&fixture->engine, &b, TEE_EV_WRITABLE);
	event_raise(&fixture->engine, &a, TEE_EV_HUP);
	event_raise(&fixture->engine, NULL, TEE_EV_READABLE);
	event_raise(&fixture->engine, &b, 0);
	assert_int_equal(a.news, TEE_EV_READABLE | TEE_EV_HUP);
	assert_ptr_equal(event_take(&fixture->engine), &a);
	assert_int_equal(a.news, 0);
	/* Raised again after it was taken, it comes again; freed, it never comes. */
	event_raise(&fixture->engine, &a, TEE_EV_READABLE);
	event_source_fini(&b);
	assert_ptr_equal(event_take(&fixture->engine), &a);
	assert_null(event_take(&fixture->engine));
}

struct seen {
	unsigned count;
	struct tee_trace last;
	char text[64];
};

static void on_trace(void *arg, const struct tee_trace *trace)
{
	struct seen *seen = arg;

	seen->count++;
	seen->last = *trace;
	strncpy(seen->text, trace->text ? trace->text : "", sizeof(seen->text) - 1);
}

static void a_drop_is_counted_and_told(void **state)
{
	struct fixture *fixture = *state;
	struct seen seen = {0};
	struct tee_pkt *pkt = tee_pkt_new(fixture->engine.pool, 100);

	drop(&fixture->engine, DROP_IP_MALFORMED);
	fixture->engine.trace_consumer = on_trace;
	fixture->engine.trace_arg = &seen;
	engine_set_now(&fixture->engine, 1234);
	drop_pkt(&fixture->engine, DROP_IP_MALFORMED, pkt);
	assert_int_equal(fixture->engine.counters.value[DROP_IP_MALFORMED], 2);
	assert_int_equal(seen.count, 1);
	assert_int_equal(seen.last.kind, TEE_TRACE_DROP);
	assert_int_equal(seen.last.at_ns, 1234);
	assert_string_equal(seen.text, "drop.ip_malformed");
	assert_int_equal(tee_pool_bytes_used(fixture->engine.pool), 0);
}

static void the_secret_is_the_configured_one_or_drawn_from_the_seed(void **state)
{
	struct tee_config config;
	struct engine a, b;

	(void)state;
	tee_config_init(&config);
	config.seed = 1;
	engine_init(&a, &config, 0);
	engine_init(&b, &config, 0);
	assert_int_equal(a.secret.k0, b.secret.k0);
	assert_true(a.secret.k0 != 0 || a.secret.k1 != 0);
	engine_fini(&b);
	config.seed = 2;
	engine_init(&b, &config, 0);
	assert_true(a.secret.k0 != b.secret.k0);
	engine_fini(&a);
	engine_fini(&b);
	memset(config.secret, 0x5a, sizeof(config.secret));
	engine_init(&a, &config, 0);
	assert_true(a.secret.k0 == UINT64_C(0x5a5a5a5a5a5a5a5a));
	engine_fini(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(timers_fire_in_order_and_not_early),
		T(a_handler_may_disarm_what_is_collected),
		T(what_is_armed_for_now_runs_in_the_same_entry),
		T(a_timer_that_always_rearms_does_not_hang_the_door),
		T(time_never_goes_back),
		T(a_source_is_queued_once),
		T(a_drop_is_counted_and_told),
		T(the_secret_is_the_configured_one_or_drawn_from_the_seed),
#undef T
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
