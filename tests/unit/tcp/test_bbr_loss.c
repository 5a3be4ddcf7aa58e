/* SPDX-License-Identifier: MIT */
/* What BBR makes of losses where no queue shows: the tally alone, without a path. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "base/check.h"
#include "tcp/cc/bbr.h"

enum { MSS = 1448 };

/* Where no queue shows, losses count as noise while they come with short and long round trips alike. */
static void test_tally(void **state)
{
	static const struct {
		unsigned segs[2], lost[2]; /* while the round trip was short, and long */
		unsigned percent;
		unsigned allowed_segs; /* of 1000 */
	} cases[] = {
		{{1000, 1000}, {30, 30}, 10, 46}, /* 30 and three deviations */
		{{1000, 1000}, {30, 46}, 10, 46},
		{{1000, 1000}, {30, 47}, 10, 20}, /* more than chance: a queue drops */
		{{1000, 1000}, {1, 12}, 10, 20},
		{{1000, 0}, {30, 0}, 10, 46},
		{{50, 1000}, {2, 30}, 10, 20}, /* too few to know */
		{{1000, 1000}, {5, 5}, 10, 20},
		{{1000, 1000}, {80, 80}, 10, 20}, /* above half the ceiling */
		{{1000, 1000}, {80, 80}, 20, 106},
		{{1000, 1000}, {30, 30}, 0, 20},
	};

	struct tee_config config;

	(void)state;
	tee_config_init(&config);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct cc cc;
		struct bbr *bbr;

		config.tcp_bbr_random_loss_percent = (uint8_t)cases[i].percent;
		assert_int_equal(cc_init(&cc, &cc_bbr, MSS, 10, &config, 1), 0);
		bbr = cc_state(&cc);
		for (unsigned j = 0; j < 2; j++) {
			bbr->tally_bytes[j] = cases[i].segs[j] * MSS;
			bbr->tally_lost_bytes[j] = cases[i].lost[j] * MSS;
		}
		/* Startup goes on until half the ceiling is lost: 50 and two deviations. */
		bbr->phase = BBR_STARTUP;
		if (i == 0)
			assert_int_equal(bbr_loss_allowed(&cc, bbr, 1000 * MSS) / MSS, 64);
		bbr->phase = BBR_PROBE_UP;
		assert_int_equal(bbr_loss_allowed(&cc, bbr, 1000 * MSS) / MSS,
				 cases[i].allowed_segs);
		/* With a queue in sight it is the calm rounds that count. */
		bbr->sees_queues = true;
		assert_int_equal(bbr_loss_allowed(&cc, bbr, 1000 * MSS), 20 * MSS);
		cc_fini(&cc);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tally),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
