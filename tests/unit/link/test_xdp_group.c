/* SPDX-License-Identifier: MIT */
/*
 * Links of one interface that share a program: who is which, what each has of the ports, and how long an address
 * is theirs. The maps are the kernel's; without the right to make any those cases are skipped.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include "link/xdp_group.h"

static const struct tee_ip a = {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 10, 0, 0, 2}};
static const struct tee_ip b = {{0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2}};

static struct xdp_group *join(const char *name, unsigned count, unsigned want_idx)
{
	struct xdp_group *group;
	unsigned idx;

	assert_int_equal(xdp_group_join(name, count, &group, &idx), 0);
	assert_int_equal(idx, want_idx);
	return group;
}

static void members_have_numbers(void **state)
{
	struct xdp_group *group = join("eth0", 2, 0), *other = join("eth1", 2, 0), *alone, *more;
	unsigned idx;

	(void)state;
	assert_ptr_not_equal(group, other);
	assert_ptr_equal(join("eth0", 2, 1), group);
	assert_int_equal(xdp_group_join("eth0", 2, &more, &idx), -TEE_EADDRINUSE);
	assert_int_equal(xdp_group_join("eth1", 3, &more, &idx), -TEE_EADDRINUSE);
	/* One that divides nothing has nothing in common with others. */
	alone = join("eth0", 1, 0);
	assert_ptr_not_equal(alone, group);
	more = join("eth0", 1, 0);
	assert_ptr_not_equal(alone, more);
	xdp_group_leave(more, 0);
	xdp_group_leave(alone, 0);
	/* A place that is free again. */
	xdp_group_leave(group, 0);
	assert_ptr_equal(join("eth0", 2, 0), group);
	xdp_group_leave(group, 1);
	xdp_group_leave(group, 0);
	xdp_group_leave(other, 0);
	xdp_group_leave(NULL, 0);
	/* It is gone: another number may be chosen. */
	group = join("eth0", 3, 0);
	xdp_group_leave(group, 0);
}

/* The range is told apart from what is asked of the kernel by setting it as if that had been done. */
static void ports_are_divided(void **state)
{
	static const struct {
		unsigned count;
		uint16_t first, last, parts[3][2];
	} cases[] = {
		{1, 61000, 61511, {{61000, 61511}}},
		{2, 61000, 61511, {{61000, 61255}, {61256, 61511}}},
		{3, 100, 109, {{100, 102}, {103, 105}, {106, 109}}},
		{3, 65533, 65535, {{65533, 65533}, {65534, 65534}, {65535, 65535}}},
	};
	char error[TEE_LINK_ERROR_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct xdp_group *group = join("eth0", cases[i].count, 0);

		group->has_range = true;
		group->port_first = cases[i].first;
		group->port_last = cases[i].last;
		for (unsigned member = 0; member < cases[i].count; member++) {
			uint16_t first = 0, last = 0;

			assert_int_equal(
				xdp_group_take_range(group, member, NULL, &first, &last, error), 0);
			assert_int_equal(first, cases[i].parts[member][0]);
			assert_int_equal(last, cases[i].parts[member][1]);
		}
		xdp_group_leave(group, 0);
	}
}

static void a_range_may_be_refused(void **state)
{
	static const struct {
		const char *text, *word;
	} cases[] = {
		{"61000", "must be a range"},   {"-5", "must be a range"},
		{"7-6", "must be a range"},     {"1-65536", "must be a range"},
		{"61000-61001", "are too few"}, {"61000-", "must be a range"},
	};
	struct xdp_group *group = join("eth0", 3, 0);
	char error[TEE_LINK_ERROR_SIZE];
	uint16_t first, last;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(
			xdp_group_take_range(group, 0, cases[i].text, &first, &last, error),
			-TEE_EINVAL);
		assert_non_null(strstr(error, cases[i].word));
	}
	xdp_group_leave(group, 0);
}

/* A group of two, whose maps the kernel can make; skips the test where it can't. */
static struct xdp_group *join_two(void)
{
	char reason[TEE_LINK_ERROR_SIZE];
	struct xdp_group *group;

	if (xdp_steer_probe(reason) < 0)
		skip();
	group = join("eth0", 2, 0);
	join("eth0", 2, 1);
	return group;
}

static bool in_map(const struct xdp_group *group, const struct tee_ip *ip)
{
	uint8_t value;

	return bpf_map_lookup_elem(group->steer.maps.addresses, ip, &value) == 0;
}

static void an_address_stays_while_anybody_has_it(void **state)
{
	const struct tee_ip both[] = {a, b};
	struct xdp_group *group;

	(void)state;
	group = join_two();
	group->shares = true;
	assert_int_equal(xdp_steer_make_maps(&group->steer, 1, true), 0);
	assert_int_equal(xdp_group_set_addresses(group, 0, both, 2), 0);
	assert_int_equal(xdp_group_set_addresses(group, 1, &b, 1), 0);
	assert_true(in_map(group, &a) && in_map(group, &b));
	/* The second learns of the first one's address later, and forgets its own meanwhile. */
	assert_int_equal(xdp_group_set_addresses(group, 1, NULL, 0), 0);
	assert_int_equal(xdp_group_set_addresses(group, 1, &a, 1), 0);
	assert_int_equal(xdp_group_set_addresses(group, 0, &b, 1), 0);
	assert_true(in_map(group, &a) && in_map(group, &b));
	assert_true(xdp_group_has_address(group, &a));
	/* Who goes takes with it what nobody else has. */
	xdp_group_leave(group, 0);
	assert_true(in_map(group, &a));
	assert_false(in_map(group, &b) || xdp_group_has_address(group, &b));
	xdp_group_leave(group, 1);
}

static void a_claim_holds_for_all(void **state)
{
	struct xdp_group *group;

	(void)state;
	group = join_two();
	assert_int_equal(xdp_steer_make_maps(&group->steer, 1, true), 0);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(xdp_group_claim_port(group, XDP_PORTS_ICMP, 77), 0);
	assert_true(xdp_steer_has_port(&group->steer, XDP_PORTS_ICMP, 77));
	assert_false(xdp_steer_has_port(&group->steer, XDP_PORTS_TCP, 77));
	group->port_first = 65530;
	group->port_last = 65535;
	xdp_group_steer_range(group);
	assert_true(xdp_steer_has_port(&group->steer, XDP_PORTS_UDP, 65535));
	assert_false(xdp_steer_has_port(&group->steer, XDP_PORTS_TCP, 65529));
	xdp_group_leave(group, 1);
	xdp_group_leave(group, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(members_have_numbers),
		cmocka_unit_test(ports_are_divided),
		cmocka_unit_test(a_range_may_be_refused),
		cmocka_unit_test(an_address_stays_while_anybody_has_it),
		cmocka_unit_test(a_claim_holds_for_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
