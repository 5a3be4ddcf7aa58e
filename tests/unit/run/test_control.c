// SPDX-License-Identifier: MIT
/* Control messages of sendmsg(): what a program may write, and what it must not get away with. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "run/private.h"

struct row {
	const char *name;
	int level, type;
	size_t data_len; /* of the four bytes of `value` */
	int value;
	int want; /* result */
	int want_ttl, want_tos;
};

static const struct row rows[] = {
	{"TTL", IPPROTO_IP, IP_TTL, 4, 7, 0, 7, -1},
	{"TTL 0", IPPROTO_IP, IP_TTL, 4, 0, -EINVAL, 0, 0},
	{"TTL 256", IPPROTO_IP, IP_TTL, 4, 256, -EINVAL, 0, 0},
	{"TTL of one byte", IPPROTO_IP, IP_TTL, 1, 7, -EINVAL, 0, 0},
	{"TOS", IPPROTO_IP, IP_TOS, 4, 0xb8, 0, 0, 0xb8},
	{"TOS of one byte", IPPROTO_IP, IP_TOS, 1, 0xb8, 0, 0, 0xb8},
	{"TOS below 0", IPPROTO_IP, IP_TOS, 4, -1, -EINVAL, 0, 0},
	{"hop limit", IPPROTO_IPV6, IPV6_HOPLIMIT, 4, 255, 0, 255, -1},
	{"hop limit: the socket's own", IPPROTO_IPV6, IPV6_HOPLIMIT, 4, -1, 0, 0, -1},
	{"hop limit below that", IPPROTO_IPV6, IPV6_HOPLIMIT, 4, -2, -EINVAL, 0, 0},
	{"traffic class", IPPROTO_IPV6, IPV6_TCLASS, 4, 3, 0, 0, 3},
	{"a short IP_PKTINFO", IPPROTO_IP, IP_PKTINFO, 4, 0, -EINVAL, 0, 0},
	{"a short IPV6_PKTINFO", IPPROTO_IPV6, IPV6_PKTINFO, 4, 0, -EINVAL, 0, 0},
	{"an unknown type", IPPROTO_IP, 99, 4, 0, -EINVAL, 0, 0},
	{"segmentation of UDP", IPPROTO_UDP, 103, 4, 0, -EINVAL, 0, 0},
	{"another protocol's", SOL_SOCKET, SCM_RIGHTS, 4, 0, 0, 0, -1},
};

static size_t write_one(uint8_t *bytes, const struct row *row)
{
	struct cmsghdr header = {CMSG_LEN(row->data_len), row->level, row->type};

	memcpy(bytes, &header, sizeof(header));
	memcpy(bytes + CMSG_LEN(0), &row->value, row->data_len);
	return CMSG_SPACE(row->data_len);
}

static void wishes_are_read(void **state)
{
	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct tee_dgram_info info = {.tos = -1};
		uint8_t bytes[64] = {0};
		size_t len = write_one(bytes, &rows[i]);
		int got = run_control_read(NULL, bytes, len, &info);

		if (got != rows[i].want)
			fail_msg("%s: %d", rows[i].name, got);
		if (got == 0 && (info.ttl != rows[i].want_ttl || info.tos != rows[i].want_tos))
			fail_msg("%s: TTL %d, TOS %d", rows[i].name, info.ttl, info.tos);
	}
}

static void several_are_read_and_the_last_needs_no_padding(void **state)
{
	static const struct row ttl = {"", IPPROTO_IP, IP_TTL, 4, 9, 0, 0, 0};
	static const struct row tos = {"", IPPROTO_IP, IP_TOS, 1, 8, 0, 0, 0};
	struct tee_dgram_info info = {.tos = -1};
	uint8_t bytes[64] = {0};
	size_t first = write_one(bytes, &ttl);

	(void)state;
	write_one(bytes + first, &tos);
	assert_int_equal(run_control_read(NULL, bytes, first + CMSG_LEN(1), &info), 0);
	assert_int_equal(info.ttl, 9);
	assert_int_equal(info.tos, 8);
}

static void lengths_that_lie_are_refused(void **state)
{
	static const size_t lies[] = {0, 1, CMSG_LEN(0) - 1, CMSG_LEN(5), 1000, SIZE_MAX};
	static const struct row ttl = {"", IPPROTO_IP, IP_TTL, 4, 9, 0, 0, 0};
	struct tee_dgram_info info = {.tos = -1};
	uint8_t bytes[64] = {0};

	(void)state;
	for (unsigned i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		write_one(bytes, &ttl);
		memcpy(bytes, &lies[i], sizeof(lies[i]));
		assert_int_equal(run_control_read(NULL, bytes, CMSG_LEN(4), &info), -EINVAL);
	}
	/* Too little for a header says nothing. */
	assert_int_equal(run_control_read(NULL, bytes, sizeof(struct cmsghdr) - 1, &info), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wishes_are_read),
		cmocka_unit_test(several_are_read_and_the_last_needs_no_padding),
		cmocka_unit_test(lengths_that_lie_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
