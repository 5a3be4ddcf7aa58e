/* SPDX-License-Identifier: MIT */
/* The timing wheel against a model that is an array of deadlines, over spans from nothing to centuries. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include <teeceepee/types.h>
#include "base/check.h"
#include "base/random.h"
#include "base/timer.h"

enum { TIMERS_COUNT = 200 };

struct model {
	struct timer_wheel wheel;
	struct timer timers[TIMERS_COUNT];
	uint64_t deadlines[TIMERS_COUNT];
	uint64_t now_ns;
	struct random random;
};

static void model_init(struct model *model, uint64_t now_ns)
{
	model->now_ns = now_ns;
	timer_wheel_init(&model->wheel, now_ns);
	for (unsigned i = 0; i < TIMERS_COUNT; i++) {
		timer_init(&model->timers[i], (uint16_t)i);
		model->deadlines[i] = TEE_NEVER;
	}
}

static uint64_t model_next(const struct model *model)
{
	uint64_t next_ns = TEE_NEVER;

	for (unsigned i = 0; i < TIMERS_COUNT; i++)
		next_ns = MIN(next_ns, model->deadlines[i]);
	return next_ns;
}

static void model_arm(struct model *model, unsigned i, uint64_t deadline_ns)
{
	timer_arm(&model->wheel, &model->timers[i], deadline_ns);
	model->deadlines[i] = deadline_ns;
	assert_int_equal(timer_is_armed(&model->timers[i]), deadline_ns != TEE_NEVER);
}

/* Collects, and checks that exactly what is due came, in order. Returns how many came. */
static unsigned model_collect(struct model *model, uint64_t now_ns)
{
	struct list due, *node;
	uint64_t last_ns = 0;
	unsigned count = 0;

	list_init(&due);
	timer_wheel_collect(&model->wheel, now_ns, &due);
	model->now_ns = now_ns;
	while ((node = list_pop_front(&due))) {
		struct timer *timer = CONTAINER_OF(node, struct timer, node);
		unsigned i = timer->kind;

		assert_ptr_equal(timer, &model->timers[i]);
		assert_false(timer_is_armed(timer));
		assert_true(model->deadlines[i] <= now_ns);
		assert_true(model->deadlines[i] >= last_ns);
		last_ns = model->deadlines[i];
		model->deadlines[i] = TEE_NEVER;
		count++;
	}
	assert_true(model_next(model) > now_ns);
	return count;
}

/* A span of any magnitude, so that every level and the overflow list come up. */
static uint64_t random_span(struct model *model)
{
	return random_u64(&model->random) >> (1 + random_below(&model->random, 63));
}

static void random_step(struct model *model)
{
	struct random *random = &model->random;
	unsigned i = (unsigned)random_below(random, TIMERS_COUNT);
	uint64_t next_ns;

	switch (random_below(random, 10)) {
	case 0: /* in the past or now */
		model_arm(model, i, model->now_ns - random_below(random, model->now_ns + 1));
		break;
	case 1:
	case 2:
	case 3:
	case 4: model_arm(model, i, model->now_ns + random_span(model)); break;
	case 5: /* crowds in one slot */
		model_arm(model, i,
			  model->now_ns + (UINT64_C(1) << 40) + random_below(random, 9999));
		break;
	case 6:
		timer_disarm(&model->wheel, &model->timers[i]);
		model->deadlines[i] = TEE_NEVER;
		break;
	case 7: /* up to just before the next one: nothing may come */
		next_ns = model_next(model);
		assert_int_equal(timer_wheel_next(&model->wheel), next_ns);
		if (next_ns > model->now_ns + 1 && next_ns != TEE_NEVER)
			assert_int_equal(model_collect(model, next_ns - 1), 0);
		break;
	case 8: /* exactly to the next one */
		next_ns = model_next(model);
		assert_int_equal(timer_wheel_next(&model->wheel), next_ns);
		if (next_ns != TEE_NEVER)
			assert_true(model_collect(model, MAX(next_ns, model->now_ns)) > 0);
		break;
	default: model_collect(model, model->now_ns + (random_span(model) >> 1)); break;
	}
}

static void test_random_operations(void **state)
{
	struct model *model = calloc(1, sizeof(*model));

	for (uint64_t seed = 1; seed <= 12; seed++) {
		random_init(&model->random, seed);
		model_init(model, random_below(&model->random, UINT64_C(1) << 40));
		for (unsigned step = 0; step < 20000; step++) {
			random_step(model);
			if (step % 16 == 0)
				timer_wheel_check(&model->wheel);
			if (model->now_ns > UINT64_C(1) << 62)
				model_init(model, random_below(&model->random, 1 << 20));
		}
	}
	free(model);
}

static void test_exact_at_every_magnitude(void **state)
{
	struct model *model = calloc(1, sizeof(*model));

	for (unsigned bit = 0; bit < 63; bit++) {
		uint64_t start_ns = UINT64_C(0xffffffff);
		uint64_t deadline_ns = start_ns + (UINT64_C(1) << bit);

		model_init(model, start_ns);
		model_arm(model, 0, deadline_ns);
		assert_int_equal(timer_wheel_next(&model->wheel), deadline_ns);
		assert_int_equal(model_collect(model, deadline_ns - 1), 0);
		assert_int_equal(timer_wheel_next(&model->wheel), deadline_ns);
		assert_int_equal(model_collect(model, deadline_ns), 1);
		assert_int_equal(timer_wheel_next(&model->wheel), TEE_NEVER);
		timer_wheel_check(&model->wheel);
	}
	free(model);
}

static void test_equal_deadlines_keep_the_order_of_arming(void **state)
{
	struct timer_wheel wheel;
	struct timer timers[100];
	struct list due;

	timer_wheel_init(&wheel, 0);
	list_init(&due);
	for (unsigned i = 0; i < 100; i++) {
		timer_init(&timers[i], (uint16_t)i);
		timer_arm(&wheel, &timers[i], TEE_NS_PER_S);
	}
	timer_wheel_collect(&wheel, TEE_NS_PER_S, &due);
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(CONTAINER_OF(list_pop_front(&due), struct timer, node)->kind, i);
}

static void test_collected_timers_may_be_changed(void **state)
{
	struct timer_wheel wheel;
	struct timer a, b, c;
	struct list due;

	timer_wheel_init(&wheel, 0);
	list_init(&due);
	timer_init(&a, 0);
	timer_init(&b, 1);
	timer_init(&c, 2);
	timer_arm(&wheel, &a, 10);
	timer_arm(&wheel, &b, 20);
	timer_arm(&wheel, &c, 30);
	timer_wheel_collect(&wheel, 30, &due);
	assert_ptr_equal(list_pop_front(&due), &a.node);
	/* a's handler takes b away and arms c and itself anew */
	timer_disarm(&wheel, &b);
	timer_arm(&wheel, &c, 50);
	timer_arm(&wheel, &a, 40);
	assert_true(list_is_empty(&due));
	assert_false(timer_is_armed(&b));
	timer_wheel_check(&wheel);
	assert_int_equal(timer_wheel_next(&wheel), 40);
	timer_wheel_collect(&wheel, 49, &due);
	assert_ptr_equal(list_pop_front(&due), &a.node);
	assert_true(list_is_empty(&due));
	assert_int_equal(wheel.count, 1);
}

static void test_arming_for_never_disarms(void **state)
{
	struct timer_wheel wheel;
	struct timer timer;

	timer_wheel_init(&wheel, 5);
	timer_init(&timer, 0);
	assert_false(timer_is_armed(&timer));
	timer_arm(&wheel, &timer, 7);
	assert_true(timer_is_armed(&timer));
	timer_arm(&wheel, &timer, TEE_NEVER);
	assert_false(timer_is_armed(&timer));
	assert_int_equal(wheel.count, 0);
	assert_int_equal(timer_wheel_next(&wheel), TEE_NEVER);
	timer_disarm(&wheel, &timer); /* legal twice */
}

static void test_time_does_not_go_back(void **state)
{
	struct timer_wheel wheel;
	struct timer timer;
	struct list due;

	timer_wheel_init(&wheel, 1000);
	list_init(&due);
	timer_init(&timer, 0);
	timer_wheel_collect(&wheel, TEE_NS_PER_S, &due);
	timer_wheel_collect(&wheel, 2000, &due);
	assert_int_equal(wheel.now_ns, TEE_NS_PER_S);
	timer_arm(&wheel, &timer, 3000);
	timer_wheel_collect(&wheel, 3000, &due);
	assert_ptr_equal(list_pop_front(&due), &timer.node);
}

/*
 * A hundred thousand timers in one slot, each disarmed while it is the earliest, with the next deadline
 * asked for every time: quadratic work would take minutes.
 */
static void test_crowded_slot_is_not_searched_each_time(void **state)
{
	enum { COUNT = 100000 };
	struct timer_wheel wheel;
	struct timer *timers = calloc(COUNT, sizeof(*timers));
	uint64_t *deadlines = calloc(COUNT, sizeof(*deadlines));
	struct random random;

	random_init(&random, 7);
	timer_wheel_init(&wheel, 0);
	for (unsigned i = 0; i < COUNT; i++) {
		/* 7 is coprime to COUNT: a fixed shuffle of 0 .. COUNT - 1 */
		deadlines[i] = (UINT64_C(1) << 50) + i * UINT64_C(7) % COUNT;
		timer_init(&timers[i], 0);
		timer_arm(&wheel, &timers[i], deadlines[i]);
	}
	for (uint64_t rank = 0; rank < COUNT; rank++) {
		/* 57143 is the inverse of 7 modulo COUNT */
		unsigned i = (unsigned)(rank * 57143 % COUNT);

		assert_int_equal(timer_wheel_next(&wheel), deadlines[i]);
		timer_disarm(&wheel, &timers[i]);
	}
	assert_int_equal(timer_wheel_next(&wheel), TEE_NEVER);
	free(timers);
	free(deadlines);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_operations),
		cmocka_unit_test(test_exact_at_every_magnitude),
		cmocka_unit_test(test_equal_deadlines_keep_the_order_of_arming),
		cmocka_unit_test(test_collected_timers_may_be_changed),
		cmocka_unit_test(test_arming_for_never_disarms),
		cmocka_unit_test(test_time_does_not_go_back),
		cmocka_unit_test(test_crowded_slot_is_not_searched_each_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
