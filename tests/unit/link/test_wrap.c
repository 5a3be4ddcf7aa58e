/* SPDX-License-Identifier: MIT */
/* Links around a link: what is the wrapper's own, what passes through, what stays absent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "link/counter_table.h"
#include "link/wrap.h"

/* ---- a link that notes what it is asked ---- */

static struct tee_link inner;
static const void *asked_with;
static unsigned asked_n;
static const char *asked;

static int note(struct tee_link *link, const char *what, const void *with, unsigned n)
{
	assert_ptr_equal(link, &inner);
	asked = what;
	asked_with = with;
	asked_n = n;
	return 17;
}

static int inner_recv(struct tee_link *link, struct tee_pool *pool, struct tee_pkt **ret_pkts,
		      unsigned n, uint64_t now_ns)
{
	assert_null(pool);
	assert_int_equal(now_ns, 77);
	return note(link, "recv", ret_pkts, n);
}

static int inner_send(struct tee_link *link, struct tee_frame *frames, unsigned n, uint64_t now_ns)
{
	assert_int_equal(now_ns, 77);
	return note(link, "send", frames, n);
}

static int inner_poll_fds(struct tee_link *link, struct tee_link_poll *fds, unsigned n)
{
	return note(link, "poll_fds", fds, n);
}

static void inner_poll_done(struct tee_link *link, const struct tee_link_poll *fds, unsigned n,
			    uint64_t now_ns)
{
	assert_int_equal(now_ns, 77);
	note(link, "poll_done", fds, n);
}

static uint64_t inner_deadline(struct tee_link *link)
{
	return (uint64_t)note(link, "deadline", NULL, 0);
}

static int inner_set_addresses(struct tee_link *link, const struct tee_ip *ips, unsigned n)
{
	return note(link, "set_addresses", ips, n);
}

static int inner_claim_port(struct tee_link *link, uint8_t protocol, uint16_t port)
{
	assert_int_equal(protocol, 6);
	return note(link, "claim_port", NULL, port);
}

static bool inner_counter(struct tee_link *link, unsigned idx, const char **ret_name,
			  uint64_t *ret_value)
{
	note(link, "counter", NULL, idx);
	*ret_name = "inner";
	*ret_value = idx;
	return idx < 2;
}

static const char *inner_notice(struct tee_link *link)
{
	note(link, "notice", NULL, 0);
	return "look";
}

static const struct tee_link_ops full_ops = {
	.recv = inner_recv,
	.send = inner_send,
	.poll_fds = inner_poll_fds,
	.poll_done = inner_poll_done,
	.deadline = inner_deadline,
	.set_addresses = inner_set_addresses,
	.claim_port = inner_claim_port,
	.counter = inner_counter,
	.notice = inner_notice,
};

static const struct tee_link_ops bare_ops = {
	.recv = inner_recv,
	.send = inner_send,
	.poll_fds = inner_poll_fds,
};

/* ---- the wrapper ---- */

static struct link_wrap wrap;

static struct tee_link *wrap_around(const struct tee_link_ops *inner_ops,
				    const struct tee_link_ops *own)
{
	inner = (struct tee_link){.ops = inner_ops, .info = {.mtu = 1492}};
	memset(&wrap, 0, sizeof(wrap));
	link_wrap_init(&wrap, &inner, own);
	return &wrap.link;
}

static void assert_asked(const char *what, const void *with, unsigned n)
{
	assert_non_null(asked);
	assert_string_equal(asked, what);
	assert_ptr_equal(asked_with, with);
	assert_int_equal(asked_n, n);
	asked = NULL;
}

static void what_is_not_the_wrappers_passes_through(void **state)
{
	static const struct tee_link_ops none;
	struct tee_link *link = wrap_around(&full_ops, &none);
	struct tee_frame *frames = (struct tee_frame *)&wrap;
	struct tee_link_poll fds[2];
	struct tee_pkt *pkts[3];
	struct tee_ip ips[2];
	const char *name;
	uint64_t value;

	assert_int_equal(link->info.mtu, 1492);
	assert_int_equal(link->ops->recv(link, NULL, pkts, 3, 77), 17);
	assert_asked("recv", pkts, 3);
	assert_int_equal(link->ops->send(link, frames, 4, 77), 17);
	assert_asked("send", frames, 4);
	assert_int_equal(link->ops->poll_fds(link, fds, 2), 17);
	assert_asked("poll_fds", fds, 2);
	link->ops->poll_done(link, fds, 1, 77);
	assert_asked("poll_done", fds, 1);
	assert_int_equal(link->ops->deadline(link), 17);
	assert_asked("deadline", NULL, 0);
	assert_int_equal(link->ops->set_addresses(link, ips, 2), 17);
	assert_asked("set_addresses", ips, 2);
	assert_int_equal(link->ops->claim_port(link, 6, 8080), 17);
	assert_asked("claim_port", NULL, 8080);
	assert_true(link->ops->counter(link, 1, &name, &value));
	assert_asked("counter", NULL, 1);
	assert_string_equal(tee_link_notice(link), "look");
	assert_asked("notice", NULL, 0);
}

static void what_the_link_has_not_the_wrapper_has_not(void **state)
{
	static const struct tee_link_ops none;
	struct tee_link *link = wrap_around(&bare_ops, &none);

	assert_non_null(link->ops->recv);
	assert_non_null(link->ops->send);
	assert_non_null(link->ops->poll_fds);
	assert_null(link->ops->poll_done);
	assert_null(link->ops->deadline);
	assert_null(link->ops->set_addresses);
	assert_null(link->ops->claim_port);
	assert_null(link->ops->counter);
	assert_null(link->ops->notice);
	/* A wrapper that has these all the same may ask without looking. */
	assert_int_equal(link_wrap_deadline(link), TEE_NEVER);
	link_wrap_poll_done(link, NULL, 0, 77);
	assert_null(asked);
}

/* ---- operations of its own ---- */

static int own_recv(struct tee_link *link, struct tee_pool *pool, struct tee_pkt **ret_pkts,
		    unsigned n, uint64_t now_ns)
{
	return 1 + link_wrap_recv(link, pool, ret_pkts, n - 1, now_ns);
}

static uint64_t own_deadline(struct tee_link *link)
{
	return 5;
}

static bool own_counter(struct tee_link *link, unsigned idx, const char **ret_name,
			uint64_t *ret_value)
{
	const struct link_counter counters[] = {{"own.a", 30}, {"own.b", 31}};

	return link_counter_tell(counters, 2, wrap.inner, idx, ret_name, ret_value);
}

static const struct tee_link_ops own_ops = {
	.recv = own_recv,
	.deadline = own_deadline,
	.counter = own_counter,
};

static void what_is_the_wrappers_comes_first(void **state)
{
	const struct tee_link_ops *const inners[] = {&full_ops, &bare_ops};
	struct tee_pkt *pkts[3];

	for (unsigned i = 0; i < 2; i++) {
		struct tee_link *link = wrap_around(inners[i], &own_ops);

		assert_int_equal(link->ops->recv(link, NULL, pkts, 3, 77), 18);
		assert_asked("recv", pkts, 2);
		assert_int_equal(link->ops->deadline(link), 5);
		assert_null(asked);
	}
}

static void counters_of_both_are_told(void **state)
{
	static const struct {
		const struct tee_link_ops *inner;
		unsigned idx;
		const char *name; /* NULL: there is none */
		uint64_t value;
	} cases[] = {
		{&full_ops, 0, "own.a", 30}, {&full_ops, 1, "own.b", 31},
		{&full_ops, 2, "inner", 0},  {&full_ops, 3, "inner", 1},
		{&full_ops, 4, NULL, 0},     {&bare_ops, 1, "own.b", 31},
		{&bare_ops, 2, NULL, 0},
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct tee_link *link = wrap_around(cases[i].inner, &own_ops);
		const char *name = NULL;
		uint64_t value = 0;
		bool has = link->ops->counter(link, cases[i].idx, &name, &value);

		assert_int_equal(has, cases[i].name != NULL);
		if (has) {
			assert_string_equal(name, cases[i].name);
			assert_int_equal(value, cases[i].value);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_not_the_wrappers_passes_through),
		cmocka_unit_test(what_the_link_has_not_the_wrapper_has_not),
		cmocka_unit_test(what_is_the_wrappers_comes_first),
		cmocka_unit_test(counters_of_both_are_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
