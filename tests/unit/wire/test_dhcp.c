/* SPDX-License-Identifier: MIT */
/* DHCP messages: written and read back, overloaded, cut, and full of nonsense. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "base/byteorder.h"
#include "base/check.h"
#include "wire/dhcp.h"
#include "guard.h"

enum { OFF_SNAME = 44, OFF_FILE = 108, OFF_OPTIONS = 240 };

/* A reply with its fixed part; options are the caller's, from OFF_OPTIONS on. */
static void make_reply(uint8_t *bytes, size_t size)
{
	memset(bytes, 0, size);
	memcpy(bytes, ((uint8_t[]){2, 1, 6, 0, 0xde, 0xad, 0xbe, 0xef}), 8);
	memcpy(bytes + 16, ((uint8_t[]){10, 0, 2, 15}), 4);
	memcpy(bytes + 28, ((uint8_t[]){2, 0, 0, 0, 0, 1}), 6);
	store_be32(bytes + 236, 0x63825363);
}

static int parse(const uint8_t *bytes, size_t len, struct dhcp *dhcp)
{
	return dhcp_parse(guard_copy(bytes, len), len, dhcp);
}

static void test_written_messages_are_read_back(void **state)
{
	static const struct dhcp cases[] = {
		{.type = DHCP_DISCOVER,
		 .xid = 0xfffffffe,
		 .broadcast = true,
		 .secs = 3,
		 .chaddr = {{2, 0, 0, 0, 0, 1}},
		 .max_message = 576,
		 .hostname = "teeceepee",
		 .requested_ip = TEE_IP4(10, 0, 2, 15)},
		{.type = DHCP_REQUEST,
		 .xid = 1,
		 .chaddr = {{2, 0, 0, 0, 0, 1}},
		 .ciaddr = TEE_IP4(10, 0, 2, 15),
		 .server_id = TEE_IP4(10, 0, 2, 2)},
		{.type = DHCP_RELEASE,
		 .ciaddr = TEE_IP4(10, 0, 2, 15),
		 .server_id = TEE_IP4(10, 0, 2, 2)},
		{.is_reply = true,
		 .type = DHCP_ACK,
		 .yiaddr = TEE_IP4(10, 0, 2, 15),
		 .siaddr = TEE_IP4(10, 0, 2, 3),
		 .giaddr = TEE_IP4(10, 0, 2, 4),
		 .router = TEE_IP4(10, 0, 2, 2),
		 .subnet_bits = 24,
		 .dns_count = 2,
		 .dns = {TEE_IP4(1, 1, 1, 1), TEE_IP4(8, 8, 8, 8)},
		 .lease_s = 86400,
		 .renewal_s = 43200,
		 .rebinding_s = 75600,
		 .mtu = 1400,
		 .domain = "example.net"},
		{.is_reply = true, .type = DHCP_NAK, .server_id = TEE_IP4(10, 0, 2, 2)},
	};

	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		struct dhcp wanted = cases[i], dhcp;
		struct tee_ip *fixed[] = {&wanted.ciaddr, &wanted.yiaddr, &wanted.siaddr,
					  &wanted.giaddr};
		uint8_t out[DHCP_MESSAGE_MAX];
		int len = dhcp_write(out, &cases[i]);

		assert_in_range(len, 300, DHCP_MESSAGE_MAX);
		assert_int_equal(parse(out, (size_t)len, &dhcp), 0);
		/* no address in a fixed field is 0.0.0.0 on the wire */
		for (unsigned k = 0; k < ARRAY_LEN(fixed); k++)
			if (tee_ip_equal(fixed[k], &TEE_IP_ANY))
				*fixed[k] = TEE_IP4(0, 0, 0, 0);
		assert_memory_equal(&dhcp, &wanted, sizeof(dhcp));
	}
}

static void test_what_does_not_fit_is_an_error(void **state)
{
	struct dhcp dhcp = {.type = DHCP_DISCOVER};
	uint8_t out[DHCP_MESSAGE_MAX];

	memset(dhcp.hostname, 'h', sizeof(dhcp.hostname) - 1);
	memset(dhcp.domain, 'd', sizeof(dhcp.domain) - 1);
	assert_true(dhcp_write(out, &dhcp) > 0); /* the longest of all fits */
	dhcp.type = DHCP_NONE;
	assert_int_equal(dhcp_write(out, &dhcp), -TEE_EINVAL);
}

static void test_a_client_says_who_it_is_and_what_it_wants(void **state)
{
	struct dhcp dhcp = {.type = DHCP_DISCOVER, .chaddr = {{2, 0, 0, 0, 0, 7}}};
	static const uint8_t expected[] = {53, 1, 1, 61, 7, 1, 2, 0, 0, 0, 0, 7, 55};
	uint8_t out[DHCP_MESSAGE_MAX];

	assert_true(dhcp_write(out, &dhcp) > 0);
	assert_memory_equal(out + OFF_OPTIONS, expected, sizeof(expected));
}

static void test_overload(void **state)
{
	uint8_t bytes[OFF_OPTIONS + 8];
	struct dhcp dhcp;

	make_reply(bytes, sizeof(bytes));
	memcpy(bytes + OFF_OPTIONS, ((uint8_t[]){53, 1, 5, 52, 1, 3, 255}), 7);
	memcpy(bytes + OFF_FILE, ((uint8_t[]){1, 4, 255, 255, 255, 0, 255}), 7);
	memcpy(bytes + OFF_SNAME, ((uint8_t[]){3, 4, 10, 0, 2, 2, 255}), 7);
	assert_int_equal(parse(bytes, sizeof(bytes), &dhcp), 0);
	assert_int_equal(dhcp.subnet_bits, 24);
	assert_true(tee_ip_equal(&dhcp.router, &TEE_IP4(10, 0, 2, 2)));
	bytes[OFF_OPTIONS + 5] = 1; /* only the file field */
	assert_int_equal(parse(bytes, sizeof(bytes), &dhcp), 0);
	assert_int_equal(dhcp.subnet_bits, 24);
	assert_true(tee_ip_equal(&dhcp.router, &TEE_IP_ANY));
	bytes[OFF_OPTIONS + 5] = 0; /* neither */
	assert_int_equal(parse(bytes, sizeof(bytes), &dhcp), 0);
	assert_int_equal(dhcp.subnet_bits, 0);
	/* an overload option inside an overloaded field leads nowhere */
	bytes[OFF_OPTIONS + 5] = 1;
	memcpy(bytes + OFF_FILE, ((uint8_t[]){52, 1, 3, 255}), 4);
	assert_int_equal(parse(bytes, sizeof(bytes), &dhcp), 0);
	assert_true(tee_ip_equal(&dhcp.router, &TEE_IP_ANY));
	/* one that runs past its field */
	memcpy(bytes + OFF_FILE, ((uint8_t[]){12, 127}), 2);
	assert_int_equal(parse(bytes, sizeof(bytes), &dhcp), -TEE_EINVAL);
}

static void test_impossible_options_count_as_absent(void **state)
{
	static const uint8_t options[] = {
		53, 1, 5,   1,   4,   255,  0,   255, 0, /* a mask with a hole */
		3,  3, 10,  0,   2,                      /* three quarters of an address */
		51, 2, 0,   1,                           /* a lease of two bytes */
		26, 4, 0,   0,   5,   0xdc,              /* an MTU of four */
		6,  5, 1,   1,   1,   1,    9,           /* one address and a bit */
		53, 1, 99,                               /* a type that there isn't */
		12, 0,                                   /* an empty name */
		15, 6, 'a', '.', 'b', 0,    'x', 'y',    /* one that ends early */
		58, 4, 0,   0,   0,   60,   255,
	};
	uint8_t bytes[OFF_OPTIONS + sizeof(options)];
	struct dhcp dhcp;

	make_reply(bytes, sizeof(bytes));
	memcpy(bytes + OFF_OPTIONS, options, sizeof(options));
	assert_int_equal(parse(bytes, sizeof(bytes), &dhcp), 0);
	assert_int_equal(dhcp.type, DHCP_ACK);
	assert_int_equal(dhcp.subnet_bits, 0);
	assert_true(tee_ip_equal(&dhcp.router, &TEE_IP_ANY));
	assert_int_equal(dhcp.lease_s, 0);
	assert_int_equal(dhcp.mtu, 0);
	assert_int_equal(dhcp.dns_count, 0);
	assert_string_equal(dhcp.hostname, "");
	assert_string_equal(dhcp.domain, "a.b");
	assert_int_equal(dhcp.renewal_s, 60);
}

static void test_lists_longer_than_ours(void **state)
{
	uint8_t bytes[OFF_OPTIONS + 3 + 2 + 6 * 4 + 2 + 8 + 1];
	uint8_t *at = bytes + OFF_OPTIONS;
	struct dhcp dhcp;

	make_reply(bytes, sizeof(bytes));
	memcpy(at, ((uint8_t[]){53, 1, 2, 6, 24}), 5);
	for (uint8_t i = 0; i < 24; i++)
		at[5 + i] = i / 4;
	memcpy(at + 29, ((uint8_t[]){3, 8, 10, 0, 2, 2, 10, 0, 2, 3, 255}), 11);
	assert_int_equal(parse(bytes, sizeof(bytes), &dhcp), 0);
	assert_int_equal(dhcp.dns_count, DHCP_DNS_MAX);
	assert_true(tee_ip_equal(&dhcp.dns[3], &TEE_IP4(3, 3, 3, 3)));
	assert_true(tee_ip_equal(&dhcp.router, &TEE_IP4(10, 0, 2, 2))); /* the first */
}

static void test_names_are_harmless_text(void **state)
{
	uint8_t bytes[OFF_OPTIONS + 3 + 2 + 255 + 1];
	struct dhcp dhcp;

	make_reply(bytes, sizeof(bytes));
	memcpy(bytes + OFF_OPTIONS, ((uint8_t[]){53, 1, 2, 12, 255}), 5);
	memset(bytes + OFF_OPTIONS + 5, 'a', 255);
	bytes[sizeof(bytes) - 1] = 255;
	assert_int_equal(parse(bytes, sizeof(bytes), &dhcp), 0);
	assert_int_equal(strlen(dhcp.hostname), sizeof(dhcp.hostname) - 1);
	bytes[OFF_OPTIONS + 5 + 3] = '\n';
	assert_int_equal(parse(bytes, sizeof(bytes), &dhcp), 0);
	assert_string_equal(dhcp.hostname, "aaa");
}

static void test_refused_messages(void **state)
{
	static const struct {
		size_t at;
		uint8_t value;
	} changes[] = {
		{0, 3},
		{0, 0}, /* neither request nor reply */
		{1, 2},
		{2, 8}, /* not Ethernet */
		{236, 0},
		{239, 0x64},       /* not the magic cookie */
		{OFF_OPTIONS, 54}, /* no type: BOOTP */
		{OFF_OPTIONS + 2, 0},
		{OFF_OPTIONS + 2, 9},
		{OFF_OPTIONS + 4, 2}, /* an option past the end */
	};
	uint8_t bytes[OFF_OPTIONS + 6];
	struct dhcp dhcp;

	make_reply(bytes, sizeof(bytes));
	memcpy(bytes + OFF_OPTIONS, ((uint8_t[]){53, 1, 5, 80, 1, 0}), 6);
	assert_int_equal(parse(bytes, sizeof(bytes), &dhcp), 0); /* no end option: tolerated */
	for (unsigned i = 0; i < ARRAY_LEN(changes); i++) {
		uint8_t before = bytes[changes[i].at];

		bytes[changes[i].at] = changes[i].value;
		assert_int_equal(parse(bytes, sizeof(bytes), &dhcp), -TEE_EINVAL);
		bytes[changes[i].at] = before;
	}
	for (size_t len = 0; len < OFF_OPTIONS + 3; len++)
		assert_int_equal(parse(bytes, len, &dhcp), -TEE_EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_written_messages_are_read_back),
		cmocka_unit_test(test_what_does_not_fit_is_an_error),
		cmocka_unit_test(test_a_client_says_who_it_is_and_what_it_wants),
		cmocka_unit_test(test_overload),
		cmocka_unit_test(test_impossible_options_count_as_absent),
		cmocka_unit_test(test_lists_longer_than_ours),
		cmocka_unit_test(test_names_are_harmless_text),
		cmocka_unit_test(test_refused_messages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
